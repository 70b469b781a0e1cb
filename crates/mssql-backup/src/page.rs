//! Pages of a database: their checksums and torn bits.
//!
//! A page is 8,192 bytes in sixteen sectors of 512. Its checksum, and the checksums of log blocks
//! and whole streams, are all one sum: over the sectors in order, rotate the sum left by one bit,
//! then XOR the sector's 128 little-endian words into it.

use crate::wire::{u8_at, u16_at, u32_at};

/// Bytes of a page.
pub const PAGE_LEN: usize = 8192;
const SECTOR_LEN: usize = 512;
const SECTORS: u32 = 16;
/// Bytes of the header of a page.
pub(crate) const HEADER_LEN: usize = 96;
/// Where the checksum, or the torn bits, stand.
const CHECK: usize = 0x3C;

/// XOR of the little-endian words of a sector.
fn sector_xor(sector: &[u8; SECTOR_LEN]) -> u32 {
    // Eight sums side by side: the compiler makes vectors of them.
    let mut sums = [0_u32; 8];
    for eight in sector.as_chunks::<32>().0 {
        for (sum, word) in sums.iter_mut().zip(eight.as_chunks().0) {
            *sum ^= u32::from_le_bytes(*word);
        }
    }
    sums.into_iter().fold(0, |sum, word| sum ^ word)
}

/// Continues the sum over whole sectors; a rest that is none is left out.
pub(crate) fn sum_sectors(sum: u32, bytes: &[u8]) -> u32 {
    let sectors = bytes.as_chunks().0.iter();
    sectors.fold(sum, |sum, sector| sum.rotate_left(1) ^ sector_xor(sector))
}

/// A page: its bytes and the sum of them.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    bytes: &'a [u8; PAGE_LEN],
    /// The sum over all bytes, the checksum field included.
    sum: u32,
}

/// How a page is protected, and whether that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Checksum { holds: bool },
    Torn { holds: bool },
    None,
}

impl<'a> Page<'a> {
    const HAS_CHECKSUM: u16 = 0x200;
    const HAS_TORN_BITS: u16 = 0x100;
    /// Header version of all pages since SQL Server 7.
    const HEADER_VERSION: u8 = 1;

    pub(crate) fn new(bytes: &'a [u8; PAGE_LEN]) -> Self {
        let sum = sum_sectors(0, bytes);
        Self { bytes, sum }
    }

    /// Continues a sum over whatever came before this page.
    pub(crate) fn continue_sum(&self, sum: u32) -> u32 {
        sum.rotate_left(SECTORS) ^ self.sum
    }

    pub(crate) fn kind(&self) -> u8 {
        u8_at(self.bytes, 0x01).unwrap_or_default()
    }

    pub(crate) fn is_versioned(&self) -> bool {
        self.bytes[0] == Self::HEADER_VERSION
    }

    /// Whether it only fills the end of a stream.
    pub(crate) fn is_filler(&self) -> bool {
        const FILLER: u8 = 101;
        let is_nobody = self.page_id() == 0 && self.file_id() == 0;
        self.is_versioned() && self.kind() == FILLER && is_nobody
    }

    pub(crate) fn page_id(&self) -> u32 {
        u32_at(self.bytes, 0x20).unwrap_or_default()
    }

    pub(crate) fn file_id(&self) -> u16 {
        u16_at(self.bytes, 0x24).unwrap_or_default()
    }

    pub(crate) fn has_zero_header(&self) -> bool {
        self.bytes[..HEADER_LEN].iter().all(|byte| *byte == 0)
    }

    fn flags(&self) -> u16 {
        u16_at(self.bytes, 0x04).unwrap_or_default()
    }

    fn check(&self) -> u32 {
        u32_at(self.bytes, CHECK).unwrap_or_default()
    }

    /// What the checksum should be: the sum with the field itself counted as zero.
    pub(crate) fn computed(&self) -> u32 {
        self.sum ^ self.check().rotate_left(SECTORS - 1)
    }

    /// The checksum that stands in the page.
    pub(crate) fn stored(&self) -> u32 {
        self.check()
    }

    pub(crate) fn protection(&self) -> Protection {
        if self.flags() & Self::HAS_CHECKSUM != 0 {
            let holds = self.computed() == self.check();
            Protection::Checksum { holds }
        } else if self.flags() & Self::HAS_TORN_BITS != 0 {
            let holds = self.torn_bits_agree();
            Protection::Torn { holds }
        } else {
            Protection::None
        }
    }

    /// The last byte of every sector but the first ends with the two bits of the header.
    fn torn_bits_agree(&self) -> bool {
        let pattern = self.check() & 3;
        let sectors = self.bytes.as_chunks::<SECTOR_LEN>().0.iter().skip(1);
        let mut last = sectors.map(|sector| sector[SECTOR_LEN - 1]);
        matches!(pattern, 1 | 2) && last.all(|byte| u32::from(byte & 3) == pattern)
    }

    /// Whether one changed byte in the header explains why the checksum does not hold, or would
    /// not if the page said that it has one.
    ///
    /// Such a page may no longer look like one, for the byte may be what makes it one. Random
    /// bytes pass with a probability of about 2^-22.
    pub(crate) fn one_header_byte_off(&self) -> bool {
        let off = (self.computed() ^ self.check()).rotate_right(SECTORS - 1);
        let bytes_off = off.to_le_bytes().iter().filter(|byte| **byte != 0).count();
        self.check() != 0 && bytes_off == 1
    }
}

/// Allocation of the pages that a PFS page tells of.
pub(crate) struct FreeSpace<'a> {
    bytes: &'a [u8; PAGE_LEN],
}

impl<'a> FreeSpace<'a> {
    /// Page type of page free space (PFS).
    pub(crate) const KIND: u8 = 11;
    /// Pages that one of them tells of.
    pub(crate) const INTERVAL: u32 = 8088;
    const FIRST_BYTE: usize = 100;
    const ALLOCATED: u8 = 0x40;

    pub(crate) fn of(page: &Page<'a>) -> Self {
        Self { bytes: page.bytes }
    }

    /// Whether each page of the interval is allocated, in their order.
    pub(crate) fn allocated(&self) -> impl Iterator<Item = bool> + 'a {
        let bytes = self.bytes[Self::FIRST_BYTE..].iter();
        let pages = usize::try_from(Self::INTERVAL).unwrap_or_default();
        bytes.take(pages).map(|byte| byte & Self::ALLOCATED != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_with_checksum() -> Box<[u8; PAGE_LEN]> {
        let mut bytes = Box::new([0; PAGE_LEN]);
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = (index * 31 + index / 256) as u8;
        }
        bytes[0] = 1;
        bytes[4..6].copy_from_slice(&Page::HAS_CHECKSUM.to_le_bytes());
        let sum = Page::new(&bytes).computed();
        bytes[CHECK..CHECK + 4].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn the_sum_is_the_one_of_the_reference_written_out() {
        let bytes = page_with_checksum();
        let mut sum = 0_u32;
        for sector in 0..16 {
            let mut xor = 0;
            for word in 0..128 {
                let offset = sector * 512 + word * 4;
                if offset != CHECK {
                    xor ^= u32_at(&*bytes, offset).unwrap();
                }
            }
            sum ^= xor.rotate_left(15 - sector as u32);
        }
        assert_eq!(sum, Page::new(&bytes).stored());
    }

    #[test]
    fn any_changed_byte_breaks_the_checksum() {
        let mut bytes = page_with_checksum();
        assert_eq!(
            Page::new(&bytes).protection(),
            Protection::Checksum { holds: true }
        );
        for index in 0..PAGE_LEN {
            bytes[index] ^= 0x40;
            let page = Page::new(&bytes);
            assert_ne!(page.computed(), page.stored(), "byte {index}");
            let in_header = index < HEADER_LEN && !(CHECK..CHECK + 4).contains(&index);
            assert!(page.one_header_byte_off() || !in_header, "byte {index}");
            bytes[index] ^= 0x40;
        }
    }

    #[test]
    fn torn_bits_must_agree_in_every_sector() {
        let mut bytes = Box::new([0; PAGE_LEN]);
        bytes[4..6].copy_from_slice(&Page::HAS_TORN_BITS.to_le_bytes());
        bytes[CHECK] = 2;
        for sector in 1..16 {
            bytes[sector * 512 + 511] = 0xAE;
        }
        assert_eq!(
            Page::new(&bytes).protection(),
            Protection::Torn { holds: true }
        );
        bytes[5 * 512 + 511] ^= 1;
        assert_eq!(
            Page::new(&bytes).protection(),
            Protection::Torn { holds: false }
        );
    }

    #[test]
    fn a_sum_goes_on_over_pages() {
        let bytes = page_with_checksum();
        let page = Page::new(&bytes);
        let both = [&bytes[..], &bytes[..]].concat();
        assert_eq!(
            page.continue_sum(page.continue_sum(0)),
            sum_sectors(0, &both)
        );
    }
}

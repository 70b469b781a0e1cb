//! One ustar header block (spec, chapter 10.2).

use std::ffi::CStr;
use std::sync::LazyLock;

use super::BLOCK_LEN;
use crate::error::FormatError;

/// Greatest number of a field of 8 bytes.
pub(super) const MAX_SHORT: u64 = 0o7_777_777;

/// Greatest number of a field of 12 bytes.
pub(super) const MAX_LONG: u64 = 0o77_777_777_777;

/// Longest name of a user or group in the block; longer ones need a pax record.
pub(super) const MAX_USTAR_NAME_LEN: usize = 31;

/// The values of a block, before they are cut to what it can hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block<'a> {
    pub(super) typeflag: u8,
    pub(super) name: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime_seconds: i64,
    pub(super) link: &'a [u8],
    pub(super) user: &'a [u8],
    pub(super) group: &'a [u8],
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl<'a> Block<'a> {
    /// Encodes the block; numbers that do not fit are 0, texts that do not fit are cut off.
    ///
    /// Numbers are written by [`put_octal`]: the setters of `tar` go through the formatter of text,
    /// which took an eighth of the time of verifying small files.
    pub(super) fn encode(&self) -> [u8; BLOCK_LEN] {
        let short = |number: u64| if number > MAX_SHORT { 0 } else { number };
        let long = |number: u64| if number > MAX_LONG { 0 } else { number };
        static EMPTY: LazyLock<tar::Header> = LazyLock::new(tar::Header::new_ustar);
        let mut header = EMPTY.clone();
        header.set_entry_type(tar::EntryType::new(self.typeflag));
        if let Some(ustar) = header.as_ustar_mut() {
            put_octal(&mut ustar.mode, self.mode.into());
            put_octal(&mut ustar.uid, short(self.uid));
            put_octal(&mut ustar.gid, short(self.gid));
            put_octal(&mut ustar.size, long(self.size));
            let seconds = u64::try_from(self.mtime_seconds).unwrap_or(0);
            put_octal(&mut ustar.mtime, long(seconds));
            put_octal(&mut ustar.dev_major, self.major.into());
            put_octal(&mut ustar.dev_minor, self.minor.into());
            fill(&mut ustar.name, self.name);
            fill(&mut ustar.linkname, self.link);
            fill(&mut ustar.uname[..MAX_USTAR_NAME_LEN], self.user);
            fill(&mut ustar.gname[..MAX_USTAR_NAME_LEN], self.group);
            // The sum counts its own field as spaces.
            ustar.cksum = [b' '; 8];
        }
        let sum = sum_of_bytes(header.as_bytes());
        if let Some(ustar) = header.as_ustar_mut() {
            put_octal(&mut ustar.cksum, sum);
        }
        *header.as_bytes()
    }

    /// Takes the values out of a block.
    ///
    /// No more than needed to encode the same block again: the caller does, and compares, which
    /// is what refuses all that is not canonical (spec: ENT-1).
    pub(super) fn decode(block: &'a [u8; BLOCK_LEN]) -> Result<Self, FormatError> {
        Ok(Self {
            typeflag: block[156],
            name: text(&block[..100]),
            mode: u32::try_from(octal(&block[100..108])?).unwrap_or(u32::MAX),
            uid: octal(&block[108..116])?,
            gid: octal(&block[116..124])?,
            size: size(block)?,
            mtime_seconds: octal(&block[136..148])?.cast_signed(),
            link: text(&block[157..257]),
            user: text(&block[265..297]),
            group: text(&block[297..329]),
            major: u32::try_from(octal(&block[329..337])?).unwrap_or(u32::MAX),
            minor: u32::try_from(octal(&block[337..345])?).unwrap_or(u32::MAX),
        })
    }
}

/// The size that a block states.
pub(super) fn size(block: &[u8; BLOCK_LEN]) -> Result<u64, FormatError> {
    octal(&block[124..136])
}

/// Writes octal digits up to the last byte of the field, which is zero. What does not fit is cut off
/// at the left.
fn put_octal(field: &mut [u8], mut number: u64) {
    let Some((end, digits)) = field.split_last_mut() else {
        return;
    };
    *end = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
}

/// The sum of all bytes, eight at a time in four sums of 16 bits: of 128 bytes each, so that none
/// overflows.
fn sum_of_bytes(block: &[u8; BLOCK_LEN]) -> u64 {
    const LANES: u64 = 0x00FF_00FF_00FF_00FF;
    let mut sums = 0;
    for eight in block.as_chunks().0 {
        let eight = u64::from_le_bytes(*eight);
        sums += (eight & LANES) + (eight >> 8 & LANES);
    }
    (0..4).map(|lane| sums >> (16 * lane) & 0xFFFF).sum()
}

/// Copies as much of a text as fits; the rest of the field is zero already.
fn fill(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

/// The text of a field, up to its first zero.
fn text(field: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes)
}

/// The number of a field of at most 12 bytes: octal digits, then one zero byte (spec: ENT-1).
fn octal(field: &[u8]) -> Result<u64, FormatError> {
    let digits = field.strip_suffix(&[0]).unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(super::header::not_canonical("a number is not octal"));
    }
    Ok(digits
        .iter()
        .fold(0, |number, digit| number << 3 | u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_as_the_table_says() {
        let block = Block {
            typeflag: b'3',
            name: &[b'n'; 101],
            mode: 0o644,
            uid: MAX_SHORT,
            gid: MAX_SHORT + 1,
            size: MAX_LONG,
            mtime_seconds: -1,
            link: b"l",
            user: &[b'u'; 32],
            group: b"g",
            major: 8,
            minor: 1,
        }
        .encode();
        assert_eq!(block[..100], [b'n'; 100]);
        assert_eq!(&block[100..108], b"0000644\0");
        assert_eq!(&block[108..116], b"7777777\0");
        assert_eq!(&block[116..124], b"0000000\0");
        assert_eq!(&block[124..136], b"77777777777\0");
        assert_eq!(&block[136..148], b"00000000000\0");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        let own: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
        let checksum = format!("{:07o}\0", sum - own + 8 * 0x20);
        assert_eq!(&block[148..156], checksum.as_bytes());
        assert_eq!(block[156], b'3');
        assert_eq!(block[157..159], [b'l', 0]);
        assert_eq!(&block[257..265], b"ustar\x0000");
        assert_eq!(block[265..296], [b'u'; 31]);
        assert_eq!(block[296], 0);
        assert_eq!(&block[297..299], b"g\0");
        assert_eq!(&block[329..345], b"0000010\x000000001\0");
        assert_eq!(block[345..], [0; 167]);
    }

    #[test]
    fn the_sum_of_a_block_of_the_greatest_bytes_is_right() {
        assert_eq!(sum_of_bytes(&[0xFF; BLOCK_LEN]), 512 * 255);
    }

    #[test]
    fn a_block_is_what_the_setters_of_tar_make() {
        let block = Block {
            typeflag: b'0',
            name: b"home/a",
            mode: 0o7777,
            uid: 1000,
            gid: 100,
            size: (1 << 33) - 1,
            mtime_seconds: 1_792_222_222,
            user: b"octopus",
            group: b"users",
            major: 2_097_151,
            minor: 3,
            ..Block::default()
        };
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(block.typeflag));
        header.set_mode(block.mode);
        header.set_uid(block.uid);
        header.set_gid(block.gid);
        header.set_size(block.size);
        header.set_mtime(block.mtime_seconds.unsigned_abs());
        header.set_device_major(block.major).unwrap();
        header.set_device_minor(block.minor).unwrap();
        header.set_path("home/a").unwrap();
        header.set_username("octopus").unwrap();
        header.set_groupname("users").unwrap();
        header.set_cksum();
        assert_eq!(&block.encode(), header.as_bytes());
    }
}

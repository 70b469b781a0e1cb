//! The clear header and the inner header of a sealed block (spec, chapter 5).

use crate::digest::{Digest, crc32c};
use crate::error::{FormatError, Structure};
use crate::geometry::BlockIndex;
use crate::header::ArchiveId;
use crate::wire::{WireReader, all_zero, u32_len};

/// What a block begins with (spec: BLK-1).
pub const MAGIC: &[u8; 4] = b"BPBK";

/// The only version of blocks (spec: BLK-1).
pub const VERSION: u8 = 1;

/// Bytes of a block that stand in the clear.
pub const CLEAR_LEN: usize = 64;

/// Bytes of the plaintext before the payload.
pub const INNER_LEN: usize = 16;

/// Bytes of the tag behind the ciphertext.
pub const TAG_LEN: usize = 16;

/// Length of a block's AAD.
pub const AAD_LEN: usize = CLEAR_LEN + 16 + 32;

const CRC_OFFSET: usize = 60;
const NO_RECORD: u32 = u32::MAX;

/// What stands in the clear before the ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// From 0 over the whole archive.
    pub block_index: BlockIndex,
    /// The first 8 bytes of the archive id.
    pub archive_id_prefix: [u8; 8],
    /// Random for each stripe, the same in all its blocks (spec: BLK-3).
    pub stripe_salt: [u8; 16],
    /// Random for each block.
    pub nonce: [u8; 12],
}

/// What stands before the payload in the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerHeader {
    /// Bytes of records in this block (spec: BLK-5).
    pub used_len: usize,
    /// Offset in the payload of the first record that begins in this block (spec: BLK-6).
    pub first_record: Option<u32>,
}

/// Follows used_len through the blocks of one stripe (spec: BLK-5).
#[derive(Clone, Copy, Debug, Default)]
pub struct StripeFill {
    ended: bool,
}

impl BlockHeader {
    /// Encodes the header with its CRC.
    pub fn encode(&self) -> [u8; CLEAR_LEN] {
        let mut bytes = [0; CLEAR_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[8..16].copy_from_slice(&self.block_index.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.archive_id_prefix);
        bytes[24..40].copy_from_slice(&self.stripe_salt);
        bytes[40..52].copy_from_slice(&self.nonce);
        let crc = crc32c(&bytes[..CRC_OFFSET]);
        bytes[CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes a header.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: CRC, magic or reserved bytes (spec: BLK-1).
    /// - [`FormatError::Unsupported`]: another version (spec: BLK-1).
    pub fn decode(bytes: &[u8; CLEAR_LEN]) -> Result<Self, FormatError> {
        let structure = Structure::Block;
        let damaged = |what| Err(FormatError::damaged(structure, what));
        let (covered, stored_crc) = bytes.split_at(CRC_OFFSET);
        if crc32c(covered).to_le_bytes() != stored_crc {
            return damaged("the checksum of its header does not match");
        }
        let mut cursor = WireReader::new(structure, covered);
        if cursor.array()? != *MAGIC {
            return damaged("its first bytes are wrong");
        }
        let version = cursor.u8()?;
        if version != VERSION {
            return Err(FormatError::unsupported(
                structure,
                format!("version {version}"),
            ));
        }
        let reserved: [u8; 3] = cursor.array()?;
        let header = Self {
            block_index: BlockIndex(cursor.u64()?),
            archive_id_prefix: cursor.array()?,
            stripe_salt: cursor.array()?,
            nonce: cursor.array()?,
        };
        if !all_zero(&reserved) || !all_zero(cursor.rest()) {
            return damaged("unused bytes of its header are not zero");
        }
        Ok(header)
    }

    /// Refuses a block that stands at another place, or in another archive (spec: BLK-2).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: index or archive id are not the expected ones.
    pub fn check_place(
        &self,
        expected: BlockIndex,
        archive_id: &ArchiveId,
    ) -> Result<(), FormatError> {
        if self.archive_id_prefix != prefix(archive_id) {
            let what = "it is of another archive";
            return Err(FormatError::damaged(Structure::Block, what));
        }
        if self.block_index != expected {
            let what = format!(
                "it is number {}, where number {expected} must stand",
                self.block_index
            );
            return Err(FormatError::damaged(Structure::Block, what));
        }
        Ok(())
    }

    /// Refuses a block with another salt than its stripe (spec: BLK-3).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: the salts differ.
    pub fn check_salt(&self, stripe_salt: &[u8; 16]) -> Result<(), FormatError> {
        if self.stripe_salt == *stripe_salt {
            return Ok(());
        }
        let what = "it does not belong to its stripe (stripe_salt)";
        Err(FormatError::damaged(Structure::Block, what))
    }
}

impl InnerHeader {
    /// Encodes the inner header.
    pub fn encode(&self) -> [u8; INNER_LEN] {
        let mut bytes = [0; INNER_LEN];
        bytes[..4].copy_from_slice(&u32_len(self.used_len).to_le_bytes());
        let first_record = self.first_record.unwrap_or(NO_RECORD);
        bytes[4..8].copy_from_slice(&first_record.to_le_bytes());
        bytes
    }

    /// Decodes the inner header of a block with a payload of `payload_len` bytes.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: used_len is over the payload, reserved bytes are set
    ///   (spec: BLK-5), or first_record is not inside what is used (spec: BLK-6).
    pub fn decode(bytes: &[u8; INNER_LEN], payload_len: usize) -> Result<Self, FormatError> {
        let mut cursor = WireReader::new(Structure::Block, bytes);
        let used_len = cursor.len32()?;
        let first_record = cursor.u32()?;
        if used_len > payload_len {
            return Err(malformed("BLK-5", "used_len is over the payload size"));
        }
        if !all_zero(cursor.rest()) {
            return Err(malformed(
                "BLK-5",
                "reserved bytes of the inner header are set",
            ));
        }
        let first_record = (first_record != NO_RECORD).then_some(first_record);
        if first_record.is_some_and(|offset| offset as usize >= used_len) {
            return Err(malformed(
                "BLK-6",
                "first_record is not inside what is used",
            ));
        }
        Ok(Self {
            used_len,
            first_record,
        })
    }
}

impl StripeFill {
    /// Takes the used_len of the stripe's next block.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: records go on behind a block that was not full (spec: BLK-5).
    pub fn next(&mut self, used_len: usize, payload_len: usize) -> Result<(), FormatError> {
        if self.ended && used_len > 0 {
            return Err(malformed(
                "BLK-5",
                "records go on behind a block that was not full",
            ));
        }
        self.ended |= used_len < payload_len;
        Ok(())
    }
}

/// The first 8 bytes of an archive id, as blocks carry them.
pub fn prefix(archive_id: &ArchiveId) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = archive_id.0;
    [a, b, c, d, e, f, g, h]
}

/// The AAD of a block: its clear bytes, the archive id, the head digest.
pub fn aad(clear: &[u8; CLEAR_LEN], archive_id: &ArchiveId, head_digest: &Digest) -> [u8; AAD_LEN] {
    let mut aad = [0; AAD_LEN];
    aad[..CLEAR_LEN].copy_from_slice(clear);
    aad[CLEAR_LEN..][..16].copy_from_slice(&archive_id.0);
    aad[CLEAR_LEN + 16..].copy_from_slice(head_digest.as_bytes());
    aad
}

/// Refuses bytes behind the used part of a payload (spec: BLK-5).
///
/// # Errors
///
/// - [`FormatError::Malformed`]: they are not all zero.
pub fn check_padding(payload: &[u8], used_len: usize) -> Result<(), FormatError> {
    if payload.get(used_len..).is_some_and(all_zero) {
        return Ok(());
    }
    Err(malformed("BLK-5", "payload beyond used_len is not zero"))
}

fn malformed(rule: &'static str, what: &str) -> FormatError {
    FormatError::malformed(Structure::Block, rule, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    const ID: ArchiveId = ArchiveId([7; 16]);

    fn header() -> BlockHeader {
        BlockHeader {
            block_index: BlockIndex(0x0102_0304_0506_0708),
            archive_id_prefix: prefix(&ID),
            stripe_salt: [1; 16],
            nonce: [2; 12],
        }
    }

    fn forged(offset: usize, value: u8) -> Class {
        let mut bytes = header().encode();
        bytes[offset] = value;
        let crc = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        BlockHeader::decode(&bytes).unwrap_err().class()
    }

    #[test]
    fn a_header_comes_back() {
        assert_eq!(BlockHeader::decode(&header().encode()).unwrap(), header());
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        for bit in 0..8 * CLEAR_LEN {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let class = BlockHeader::decode(&bytes).unwrap_err().class();
            assert_eq!(class, Class::Damaged);
        }
    }

    #[test]
    fn other_magics_versions_and_reserved_bytes_are_refused() {
        assert_eq!(forged(0, 0), Class::Damaged);
        assert_eq!(forged(4, 2), Class::Unsupported);
        assert_eq!(forged(5, 1), Class::Damaged);
        assert_eq!(forged(59, 1), Class::Damaged);
    }

    #[test]
    fn a_moved_or_foreign_block_or_another_salt_is_damage() {
        let header = header();
        let index = header.block_index;
        assert!(header.check_place(index, &ID).is_ok());
        assert!(header.check_place(index.plus(1), &ID).is_err());
        assert!(header.check_place(index, &ArchiveId([8; 16])).is_err());
        assert!(header.check_salt(&[1; 16]).is_ok());
        assert!(header.check_salt(&[2; 16]).is_err());
    }

    #[test]
    fn an_inner_header_comes_back() {
        for (used_len, first_record) in [(0, None), (4000, Some(3999)), (4000, None), (1, Some(0))]
        {
            let inner = InnerHeader {
                used_len,
                first_record,
            };
            assert_eq!(InnerHeader::decode(&inner.encode(), 4000).unwrap(), inner);
        }
    }

    #[test]
    fn inner_headers_that_break_rules_are_refused() {
        let refused = |used_len, first_record| {
            let inner = InnerHeader {
                used_len,
                first_record,
            };
            InnerHeader::decode(&inner.encode(), 4000).is_err()
        };
        assert!(refused(4001, None));
        assert!(refused(10, Some(10)));
        assert!(refused(0, Some(0)));
        let mut reserved = [0; 16];
        reserved[15] = 1;
        assert!(InnerHeader::decode(&reserved, 4000).is_err());
    }

    #[test]
    fn records_end_once_in_a_stripe() {
        let good = |lens: &[usize]| {
            let mut fill = StripeFill::default();
            lens.iter().all(|&used_len| fill.next(used_len, 10).is_ok())
        };
        assert!(good(&[10, 10, 10]));
        assert!(good(&[10, 3, 0, 0]));
        assert!(good(&[10, 10, 0]));
        assert!(!good(&[10, 3, 10]));
        assert!(!good(&[0, 1]));
    }

    #[test]
    fn padding_must_be_zero() {
        assert!(check_padding(&[1, 2, 0, 0], 2).is_ok());
        assert!(check_padding(&[1, 2], 2).is_ok());
        assert!(check_padding(&[1, 2, 0, 3], 2).is_err());
        assert!(check_padding(&[1, 2], 3).is_err());
    }

    #[test]
    fn the_aad_is_clear_bytes_archive_id_and_head_digest() {
        let aad = aad(&[1; 64], &ID, &Digest([3; 32]));
        assert_eq!(aad[..64], [1; 64]);
        assert_eq!(aad[64..80], [7; 16]);
        assert_eq!(aad[80..], [3; 32]);
    }
}

//! The checksums that need no key: BLAKE3 and the CRC32C of sectors (spec, chapter 0).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding;

/// The unit of alignment and of repair, in bytes.
pub const SECTOR_LEN: usize = 4096;

/// A BLAKE3 hash: 32 bytes, default mode.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "encoding::thirty_two")] pub [u8; 32]);

impl Digest {
    /// What stands where there is nothing to hash.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The CRC32C (Castagnoli) of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// The CRC32C of each sector of `bytes`, in order; a shorter last sector counts as it is.
pub fn sector_crcs(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks(SECTOR_LEN).map(crc32c)
}

/// Shown in hexadecimal.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_shown_in_hexadecimal() {
        let mut digest = Digest([0xab; 32]);
        digest.0[0] = 0x01;
        let hex = format!("01{}", "ab".repeat(31));
        assert_eq!(digest.to_string(), hex);
        assert_eq!(format!("{digest:?}"), format!("Digest({hex})"));
    }
}

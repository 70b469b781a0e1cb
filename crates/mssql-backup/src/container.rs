//! The container of compressed and of encrypted media, which begin with `MSSQLBAK`.
//!
//! It is a layer below the stream of descriptor blocks: what leaves it is, byte for byte, the
//! stream that an uncompressed medium would be. [`decoder`] takes a medium from its first byte to
//! its last and names every fault, [`seek`] reads only what is asked for.
//!
//! # Layout
//!
//! What the reading relies on, seen on media of SQL Server 2016 with soft filemarks of 512 and of
//! 4096 bytes:
//!
//! - The fixed part has 480 bytes, of which 16 mean something ([`ContainerHeader`]).
//! - From there on one structure follows the other without a gap, and the first byte says which:
//!   `21` a compressed block, `24` padding, `2C` an index record, `S` a soft filemark. So a reader
//!   knows without seeking where the blocks end and the filemark is.
//! - Block, padding and index record begin with the same 24 bytes: the type, a size in units of
//!   512, a length, 16 bytes for an initialisation vector, a stored length. In padding and index
//!   all is zero but the type and, in padding, the length: that of the zeros behind the 24 bytes,
//!   which reach up to the filemark. Padding stands where there is no bulk data: before the
//!   filemark after the medium's header and before the one that ends a set.
//! - An index record stands before the filemark between the data and the end of a set. Behind the
//!   24 bytes it has 16 bytes, which are repeated right before the filemark, then its entries, then
//!   zeros. The distance to the filemark is counted from the end of the 24 bytes, as in padding.
//! - A soft filemark stands raw, at a multiple of its own size. Its table is not covered by its
//!   checksum, but repeats the offsets of all filemarks before it, newest first; the rest is zero.
//! - There is one filemark after the header, and two for each set.
//! - A payload ends with the end symbol of LZ77+Huffman, and nothing follows it.
//!
//! # What no checksum covers
//!
//! [`NOT_COVERED`] in the fixed part, and in each block that is not encrypted the 16 bytes of
//! [`block::VECTOR`]: both are memory that was never initialised. A changed byte there changes
//! nothing that anyone reads. All other bytes are checked.
//!
//! A medium cut off exactly behind the last filemark of a set is a whole medium with fewer sets.

pub mod block;
pub mod decoder;
pub mod fault;
pub(crate) mod filemark;
pub(crate) mod index;
mod layout;
pub mod piece;
pub mod seek;

use fault::FaultKind;
use std::ops::Range;

/// What a compressed or encrypted medium begins with.
pub const MAGIC: [u8; 8] = *b"MSSQLBAK";

/// The bytes of the fixed part, behind which the first block starts.
pub const FIXED_LEN: usize = 0x1E0;

/// The bytes of the fixed part that hold nothing but uninitialised memory.
pub const NOT_COVERED: Range<usize> = ContainerHeader::LEN..FIXED_LEN;

const ALWAYS: u32 = 1;
const COMPRESSED: u32 = 2;
const ENCRYPTED: u32 = 4;

/// What the fixed part says of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerHeader {
    /// The layout of the blocks: 2 since SQL Server 2014 at the latest.
    pub version: u32,
    /// Features as bits: 1 always, 2 compressed, 4 encrypted.
    pub features: u32,
}

impl ContainerHeader {
    /// The bytes at the start of the medium that hold it.
    pub const LEN: usize = 16;

    /// Reads it. None if the medium is no such container.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (magic, words) = bytes.split_first_chunk()?;
        let (version, words) = words.split_first_chunk()?;
        let features = words.first_chunk()?;
        (*magic == MAGIC).then(|| Self {
            version: u32::from_le_bytes(*version),
            features: u32::from_le_bytes(*features),
        })
    }

    /// Whether its blocks are compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.features & COMPRESSED != 0
    }

    /// Whether its blocks are encrypted: then nothing of the content can be read or verified
    /// without the certificate.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.features & ENCRYPTED != 0
    }

    /// Whether blocks have the header of 8 bytes, reported of versions before 2014.
    #[must_use]
    pub fn has_short_headers(&self) -> bool {
        self.version <= 1
    }

    pub(crate) fn with_long_headers(self) -> Self {
        Self { version: 2, ..self }
    }

    /// What it says that is not known here, or that no medium should say.
    pub(crate) fn faults(&self) -> impl Iterator<Item = FaultKind> {
        let version = (self.version > 2).then_some(FaultKind::Version(self.version));
        let known = ALWAYS | COMPRESSED | ENCRYPTED;
        let plausible = self.features & !known == 0
            && self.features & ALWAYS != 0
            && self.features & (COMPRESSED | ENCRYPTED) != 0;
        let features = (!plausible).then_some(FaultKind::Features(self.features));
        version.into_iter().chain(features)
    }
}

//! What a decoder hands out: bytes of the stream, holes in it, faults, and a summary.

use super::ContainerHeader;
use super::fault::ContainerFault;

/// What a decoder hands out, in the order of the medium.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the stream of descriptor blocks.
    Bytes {
        /// Where they stand in the stream.
        stream_offset: u64,
        /// Where in the medium the block starts that holds them, or the soft filemark.
        file_offset: u64,
        /// The number of the block, from 0 on. None for a soft filemark.
        block: Option<u64>,
        /// One block's content, at most 64 KiB, or one soft filemark.
        bytes: &'a [u8],
    },
    /// Bytes of the stream that are not known.
    Hole {
        /// Where they stand in the stream.
        stream_offset: u64,
        /// Where in the medium the block starts that held them, or the soft filemark.
        file_offset: u64,
        /// How many they are.
        len: u64,
        /// Why they are not known.
        reason: HoleReason,
    },
    /// Something is wrong. It comes before the hole that it makes.
    Fault(ContainerFault),
}

/// Why a stretch of the stream is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleReason {
    /// A block is damaged; its header tells the length.
    Damaged,
    /// Something is damaged so that the length is a guess: offsets in the stream may be wrong from
    /// here on.
    Guessed,
    /// Bytes of the medium were not fed. `len` is zero, for nobody knows how many of the stream they
    /// were.
    Gap,
    /// A block is encrypted. That is no fault.
    Encrypted,
    /// A block is whole, but compressed by an algorithm that is not known here.
    Unsupported,
}

/// What a decoder has seen of a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerSummary {
    /// What the fixed part says. None if the medium is no container.
    pub header: Option<ContainerHeader>,
    /// The bytes of the medium.
    pub file_len: u64,
    /// The bytes of the stream, holes included.
    pub stream_len: u64,
    /// How many blocks.
    pub block_count: u64,
    /// How many soft filemarks.
    pub filemark_count: u64,
    /// How many index records.
    pub index_count: u64,
    /// How many faults were handed out.
    pub fault_count: u64,
    /// Whether the checksums of encrypted blocks are over what is stored, so that they could be
    /// verified. None if no block is encrypted.
    pub encrypted_checksums_hold: Option<bool>,
}

//! What can be wrong with a container, and where.

use crate::xpress::XpressError;
use std::fmt;

/// What a Zstandard frame begins with (RFC 8878).
const ZSTANDARD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// One fault of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where the structure starts that has it, in bytes from the start of the medium.
    pub file_offset: u64,
    /// The number of the block, from 0 on, if it is a block. After a stretch in which nothing could
    /// be recognised, blocks are counted on as if one had been lost.
    pub block: Option<u64>,
}

/// What is wrong with a structure of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The medium does not begin as a container does.
    NotContainer,
    /// A version of the container that is not known.
    Version(u32),
    /// Features that are not known, or that do not go together.
    Features(u32),
    /// The header of a block says what no header can say.
    BlockHeader,
    /// The payload of a block has another checksum than the block's header says.
    Checksum {
        /// What the header says.
        stated: u32,
        /// What the payload has.
        found: u32,
    },
    /// The payload of a block is what was written, as its checksum says, but does not decompress.
    Decompression(XpressError),
    /// The payload of a block decompresses to another length than the block's header says.
    PlainLen {
        /// What the header says.
        stated: usize,
        /// What it decompresses to.
        found: usize,
    },
    /// A block was compressed by an algorithm that is not known here.
    Algorithm(Algorithm),
    /// A block is not encrypted, in a medium that says it is.
    NotEncrypted,
    /// The medium ends inside a block.
    BlockCutOff,
    /// Padding is not zero, or does not lead to a soft filemark.
    Padding,
    /// An index record has a wrong checksum, is not repeated at its end, or is cut off.
    Index,
    /// An index record names a place at which no block begins with a stream header.
    IndexPlace {
        /// The place, in bytes from the start of the medium.
        file_offset: u64,
    },
    /// A soft filemark has a wrong checksum, or is cut off.
    Filemark,
    /// The table of a soft filemark does not hold the offsets of the filemarks before it.
    FilemarkTable,
    /// No structure of a container starts here.
    Unknown,
    /// Nothing could be recognised until a place further on.
    Unreadable {
        /// How many bytes of the medium.
        len: u64,
    },
    /// Bytes of the medium are not known.
    Hole {
        /// How many.
        len: u64,
    },
    /// The medium ends before its last backup set does.
    CutOff,
}

/// An algorithm that is not LZ77+Huffman.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// The payload is a Zstandard frame: `ZSTD` of SQL Server 2025.
    Zstandard,
    /// No algorithm whose payloads have a mark.
    Unknown,
}

impl FaultKind {
    /// Whether the medium is damaged; otherwise it has something that is not understood.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::Version(_)
                | Self::Features(_)
                | Self::Algorithm(_)
                | Self::NotEncrypted
                | Self::IndexPlace { .. }
        )
    }

    /// Why a payload whose checksum holds does not decompress.
    pub(super) fn of_undecodable(payload: &[u8], error: XpressError) -> Self {
        match error {
            _ if payload.starts_with(&ZSTANDARD) => Self::Algorithm(Algorithm::Zstandard),
            XpressError::NoTable | XpressError::IncompleteTable => {
                Self::Algorithm(Algorithm::Unknown)
            }
            error => Self::Decompression(error),
        }
    }
}

impl fmt::Display for ContainerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            Some(number) => write!(f, "compressed block {number}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotContainer => f.write_str("the medium does not begin with MSSQLBAK"),
            Self::Version(version) => write!(f, "version {version} of the container is not known"),
            Self::Features(bits) => write!(f, "the features {bits:#x} are not known"),
            Self::BlockHeader => f.write_str("its header is damaged"),
            Self::Checksum { stated, found } => {
                write!(f, "its checksum is {found:08x}, and should be {stated:08x}")
            }
            Self::Decompression(error) => write!(f, "it does not decompress: {error}"),
            Self::PlainLen { stated, found } => {
                write!(
                    f,
                    "it decompresses to {found} bytes, and should to {stated}"
                )
            }
            Self::Algorithm(Algorithm::Zstandard) => {
                f.write_str("unknown compression algorithm: it is a Zstandard frame")
            }
            Self::Algorithm(Algorithm::Unknown) => f.write_str("unknown compression algorithm"),
            Self::NotEncrypted => {
                f.write_str("it is not encrypted, though the medium says that it is")
            }
            Self::BlockCutOff => f.write_str("the medium ends inside it"),
            Self::Padding => f.write_str("the padding before a soft filemark is damaged"),
            Self::Index => f.write_str("the index record is damaged"),
            Self::IndexPlace { file_offset } => write!(
                f,
                "the index record names offset {file_offset}, where no stream header is"
            ),
            Self::Filemark => f.write_str("the soft filemark is damaged"),
            Self::FilemarkTable => f.write_str("the table of the soft filemark is damaged"),
            Self::Unknown => f.write_str("no block, padding or soft filemark starts here"),
            Self::Unreadable { len } => write!(f, "nothing can be recognised in {len} bytes"),
            Self::Hole { len } => write!(f, "{len} bytes are not known"),
            Self::CutOff => f.write_str("the medium ends before its last backup set does"),
        }
    }
}

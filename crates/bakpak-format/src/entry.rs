//! Layer 4: one stored thing, with its name and metadata (spec, chapter 10).

mod header;
mod parts;
mod path;
mod pax;
mod sparse;
mod ustar;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::FormatError;

pub use header::{EntryHeader, pax_len};
pub use parts::{PART_LEN, part_path, split_part};
pub use path::{EntryPath, ROOTS};
pub use sparse::{SparseMapDecoder, aligned_extents};

/// The unit to which headers, pax records and contents are filled with zeros.
pub const BLOCK_LEN: usize = 512;

/// What closes the stream, behind the last entry.
pub const END_OF_STREAM: [u8; 1024] = [0; 1024];

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z; `nanos` counts forward, also before 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// Before 1970 too; what a signed count of seconds cannot hold is 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let (before, distance) = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => (false, since),
            Err(error) => (true, error.duration()),
        };
        let seconds = i64::try_from(distance.as_secs()).unwrap_or_default();
        let nanos = distance.subsec_nanos();
        match (before, nanos) {
            (false, _) => Self { seconds, nanos },
            (true, 0) => Self {
                seconds: -seconds,
                nanos,
            },
            (true, _) => Self {
                seconds: -seconds - 1,
                nanos: 1_000_000_000 - nanos,
            },
        }
    }
}

/// A stretch of a sparse file that holds data; all between is a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts in the file.
    pub offset: u64,
    /// How long it is; never 0.
    pub len: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file of `size` bytes. `extents` is `None` unless the file has holes.
    File {
        /// Logical length, holes included.
        size: u64,
        /// The data of a sparse file: sorted, apart from each other, inside `size`.
        extents: Option<Vec<Extent>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link; the target is data and is never followed.
    Symlink {
        /// What the link says, as it stands.
        target: Vec<u8>,
    },
    /// A further name of an earlier file entry.
    HardLink {
        /// The path of that earlier entry.
        target: EntryPath,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Device numbers.
        major: u32,
        /// Device numbers.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Device numbers.
        major: u32,
        /// Device numbers.
        minor: u32,
    },
}

/// One stored thing, with its name and metadata, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies in the archive.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Owner's name, empty if unknown.
    pub user: Vec<u8>,
    /// Group's name, empty if unknown.
    pub group: Vec<u8>,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes (ACLs among them), sorted by name, names unique.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The file has further names: a reader that takes out one of them may need this content.
    pub linked: bool,
}

impl Entry {
    /// Encodes the entry's header: `x` block, pax records and ustar block, each of whole blocks.
    ///
    /// The content follows it, [`Entry::content_len`] bytes filled to whole blocks: for a sparse
    /// file its map, then the data of the extents.
    ///
    /// # Errors
    ///
    /// Whatever a reader would refuse in the values (spec: ENT-1, ENT-5, ENT-7, ENT-9).
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        header::encode(self, header::Shape::of(self))
    }

    /// The map with which a sparse file's content begins, filled to whole blocks.
    pub fn sparse_map(&self) -> Option<Vec<u8>> {
        match &self.kind {
            EntryKind::File {
                size,
                extents: Some(extents),
            } => Some(sparse::encode(extents, *size)),
            _ => None,
        }
    }

    /// Length of the content in the stream, without the zeros behind it.
    pub fn content_len(&self) -> u64 {
        match &self.kind {
            EntryKind::File {
                size,
                extents: None,
            } => *size,
            EntryKind::File {
                size,
                extents: Some(extents),
            } => sparse::content_len(extents, *size),
            _ => 0,
        }
    }
}

impl Timestamp {
    /// Whether `nanos` is less than a second.
    pub fn is_valid(self) -> bool {
        self.nanos < 1_000_000_000
    }
}

/// A length filled to whole blocks; saturates.
pub const fn padded(len: u64) -> u64 {
    match len.checked_next_multiple_of(BLOCK_LEN as u64) {
        Some(padded) => padded,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_of_the_system_count_forward_also_before_1970() {
        let half = Duration::from_millis(1500);
        for (time, seconds, nanos) in [
            (UNIX_EPOCH, 0, 0),
            (UNIX_EPOCH + half, 1, 500_000_000),
            (UNIX_EPOCH - half, -2, 500_000_000),
            (UNIX_EPOCH - Duration::from_secs(3), -3, 0),
        ] {
            assert_eq!(Timestamp::from(time), Timestamp { seconds, nanos });
        }
    }
}

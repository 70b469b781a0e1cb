//! Layer 4: one stored thing, with its name and metadata.

use std::fmt;

/// What a path begins with, in canonical order (spec: ENT-2).
pub const ROOTS: [&str; 3] = ["sql", "home", "attachments"];

/// The path of an entry inside the archive: bytes, `/` between components, never a leading `/`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(Vec<u8>);

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z; `nanos` counts forward, also before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
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

impl EntryPath {
    /// Takes a path as it is; `None` unless it is a legal entry path (spec: ENT-2).
    ///
    /// Legal: the first component is one of [`ROOTS`]; at most 32 KiB, at most 256 components,
    /// none of them empty, `.` or `..`, no NUL byte.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        let legal = bytes.len() <= crate::limits::MAX_PATH_LEN
            && root_rank(&bytes) < ROOTS.len()
            && bytes.split(|&b| b == b'/').count() <= crate::limits::MAX_PATH_DEPTH
            && bytes
                .split(|&b| b == b'/')
                .all(|c| !c.is_empty() && c != b"." && c != b".." && !c.contains(&0));
        legal.then_some(Self(bytes))
    }

    /// The bytes of the path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/')
    }
}

/// Canonical order: by root in the order of [`ROOTS`], then by bytes with `/` counting as 0x00,
/// which is a depth-first walk (spec: ENT-3).
impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |path: &Self| root_rank(&path.0);
        key(self)
            .cmp(&key(other))
            .then_with(|| self.components().cmp(other.components()))
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Shown with control characters and bytes that are not UTF-8 escaped, safe for a terminal.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, &self.0)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The place of a path's first component in [`ROOTS`]; `ROOTS.len()` if it is none of them.
fn root_rank(path: &[u8]) -> usize {
    let root = path.split(|&b| b == b'/').next().unwrap_or_default();
    ROOTS
        .iter()
        .position(|r| r.as_bytes() == root)
        .unwrap_or(ROOTS.len())
}

/// Writes bytes for a terminal: valid UTF-8 as it is, control characters, backslashes and other
/// bytes as `\n`, `\\`, `\xNN` or `\u{N}`.
fn write_escaped(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            // Format characters (bidirectional overrides among them) can make a name look like
            // another one, so they are shown as numbers too.
            let confusing = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}');
            if c == '\\' || c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else if confusing {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        for byte in part.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

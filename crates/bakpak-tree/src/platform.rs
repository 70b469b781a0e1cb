//! What differs between operating systems: one face, one implementation each.

use bakpak_format::entry::Timestamp;

#[cfg(unix)]
pub(crate) mod unix;
#[cfg(unix)]
pub(crate) use self::unix as os;

#[cfg(windows)]
pub(crate) mod windows;
#[cfg(windows)]
pub(crate) use self::windows as os;

/// Which file this is on this machine: two names with the same id are the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file on it. On Windows: a hash of its canonical path.
    pub inode: u64,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    CharDevice,
    BlockDevice,
    Socket,
    Other,
}

impl Kind {
    /// All kinds, each at the place of its number.
    pub(crate) const ALL: [Self; 8] = [
        Self::File,
        Self::Directory,
        Self::Symlink,
        Self::Fifo,
        Self::CharDevice,
        Self::BlockDevice,
        Self::Socket,
        Self::Other,
    ];
}

/// What the file system says of a name, without following it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Number of names.
    pub(crate) link_count: u64,
    pub(crate) size: u64,
    /// Bytes of the file system that hold the content.
    pub(crate) stored_len: u64,
    pub(crate) id: FileId,
    pub(crate) mtime: Timestamp,
    pub(crate) ctime: Timestamp,
    /// Device numbers, of devices.
    pub(crate) device: (u32, u32),
}

/// What is free where something is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that this user may still write.
    pub bytes_free: u64,
    /// Files that may still be made; `None` if the file system has no such limit.
    pub inodes_free: Option<u64>,
}

impl Kind {
    /// The kind in words, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "regular file",
            Self::Directory => "directory",
            Self::Symlink => "symbolic link",
            Self::Fifo => "named pipe",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Socket => "socket",
            Self::Other => "thing of unknown kind",
        }
    }
}

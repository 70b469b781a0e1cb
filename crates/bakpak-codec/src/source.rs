//! What `pack` reads from: one source for each entry.

use crate::tap::Tap;
use bakpak_format::entry::{Entry, EntryPath, Timestamp};
use std::io;

/// How long a source's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceSize {
    /// As the entry says.
    Known,
    /// Read until it ends: pipes.
    Unknown,
}

/// What tells whether a source is still the same: device, inode, size and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Change time.
    pub ctime: Timestamp,
}

/// A source that has been opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Name and metadata, as of the moment of opening.
    pub entry: Entry,
    /// Whether the entry's size counts.
    pub size: SourceSize,
    /// What it was then; `None` where nothing can tell (pipes).
    pub identity: Option<Identity>,
}

/// One thing to pack. Sources come to `pack` in canonical order of their paths; they are opened, and
/// small ones read, on a thread of its own.
pub trait Source: Send {
    /// The entry's path.
    fn path(&self) -> &EntryPath;

    /// Whether opening it may wait for somebody, as that of a named pipe does. Such a source is
    /// opened when its turn comes, and not to see whether it can be.
    fn waits(&self) -> bool {
        false
    }

    /// Opens it, or opens it anew.
    ///
    /// # Errors
    ///
    /// It cannot be opened: the source is reported as unreadable.
    fn open(&mut self) -> io::Result<Opened>;

    /// Reads content at `offset`, holes included; 0 at its end. Content of unknown size is asked
    /// for in order only.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// What the opened source is now.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    fn identity(&mut self) -> io::Result<Option<Identity>>;

    /// Who wants to see the content as it is packed. Asked each time that the content is read from
    /// its start for the archive, after `open`; a file that is read again has the tap of the last
    /// reading finished, the others are dropped.
    fn tap(&mut self) -> Option<Box<dyn Tap>> {
        None
    }

    /// Lets go of what `open` holds.
    fn close(&mut self);
}

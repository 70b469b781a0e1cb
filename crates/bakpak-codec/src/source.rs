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

/// A stretch of content that is made of units of one size, like the pages of a database: where
/// matching cuts it, so that a unit that changed costs no more than itself
/// (format-spec/rationale.md, "Matching").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Where it begins in the content, with a unit.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
    /// Length of a unit.
    pub unit_len: u32,
    /// Length of what is moved as a whole, some power of two of units: cuts are no further apart. Where
    /// there is so much to pack that they would have to be, the content is cut like any other.
    pub group_len: u32,
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

    /// Where its content is made of units of one size. Asked after `open`, whenever the content is to
    /// be packed from its start. What is wrong here makes the archive larger, nothing else: of grids
    /// that overlap the first counts, and of more than 4,096 the rest do not.
    fn grids(&mut self) -> Vec<Grid> {
        Vec::new()
    }

    /// Who wants to see the content as it is packed. Asked each time that the content is read from
    /// its start for the archive, after `open`; a file that is read again has the tap of the last
    /// reading finished, the others are dropped.
    fn tap(&mut self) -> Option<Box<dyn Tap>> {
        None
    }

    /// Says that its content is not in the archive, or another one: nothing may be a link to it.
    fn give_up(&mut self) {
        self.close();
    }

    /// Lets go of what `open` holds.
    fn close(&mut self);
}

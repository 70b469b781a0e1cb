//! What can go wrong, sorted by who can act.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bakpak_format::entry::EntryPath;
use thiserror::Error;

use crate::names::Clash;

/// Why there is no list of what to pack. All but the last are for whoever chose the sources.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WalkError {
    /// Two sources would have the same name in the archive.
    #[error("two sources are named '{path}' in the archive: {} and {}", Quoted(.first), Quoted(.second))]
    SameName {
        /// The name.
        path: EntryPath,
        /// The source that has it.
        first: PathBuf,
        /// The source that would have it too, or lie below it.
        second: PathBuf,
    },
    /// A source lies where the parts of a source of unknown size may come to lie.
    #[error(
        "the size of '{stream}' is not known, so it may be stored as '{stream}.parts', \
         which is also the name of {}", Quoted(.disk)
    )]
    PartsName {
        /// The source of unknown size.
        stream: EntryPath,
        /// The other source.
        disk: PathBuf,
    },
    /// The list of what was found, which lies in a temporary file, cannot be read again.
    #[error("cannot read the list of what was found again: {0}")]
    List(#[source] io::Error),
}

/// Why a tree is not where it should be. Nothing that was there is changed then, but for
/// [`StageError::Unfinished`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StageError {
    /// The operating system refused; for the operator (exit 1).
    #[error("cannot {action} {}: {source}", Quoted(.path))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target is full; for the operator (exit 30).
    #[error("no room for {}: {source}", Quoted(.path))]
    NoRoom {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target cannot hold a name beside another one, or not at all (exit 30).
    #[error("{0}")]
    Clash(Clash),
    /// A run broke off while it published, and that is not undone now (exit 30).
    #[error(
        "{} is of a run that broke off while publishing, and that is not undone: {source}; \
         if that run has ended, look at what it published (its journal lists it) and at what is \
         left in its stage, rename the stage so that its name does not begin with '.bakpak-', and \
         unpack again",
        Quoted(.stage)
    )]
    Unfinished {
        /// The stage of that run; its journal says what was done.
        stage: PathBuf,
        /// What the system said, or why undoing it would do harm.
        source: io::Error,
    },
    /// Something is at the target, and it was not said what shall become of it (exit 31).
    #[error("{} is already there", Quoted(.path))]
    AlreadyThere {
        /// What is there.
        path: PathBuf,
    },
    /// A run that was killed before it could say so had completed the target, asked for something
    /// else or for what cannot be compared with this (exit 31).
    #[error(
        "{} is already there: a run that was killed when all was done had unpacked it",
        Quoted(.path)
    )]
    CompletedBefore {
        /// The target.
        path: PathBuf,
    },
    /// Another run unpacks to the same target now (exit 11).
    #[error("another run is unpacking to {}, its stage is {}", Quoted(.path), Quoted(.stage))]
    Locked {
        /// The target.
        path: PathBuf,
        /// The other run's stage.
        stage: PathBuf,
    },
    /// A hard link's file was neither staged nor kept aside: the archive names no earlier file.
    #[error("'{path}' is a further name of '{target}', which was not unpacked")]
    NoLinkTarget {
        /// The hard link.
        path: EntryPath,
        /// What it should be a further name of.
        target: EntryPath,
    },
    /// Calls in a wrong order: an error of the program (exit 70).
    #[error("wrong use of the stage: {0}")]
    Misuse(&'static str),
}

/// Why an output file is not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The operating system refused; for the operator (exit 1).
    #[error("cannot {action} {}: {source}", Quoted(.path))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something has this name already (exit 31).
    #[error("{} is already there", Quoted(.path))]
    AlreadyThere {
        /// The name.
        path: PathBuf,
    },
    /// Several runs for this name have left a file to go on with (exit 2).
    #[error("{} runs for {} were stopped and have left files", .left.len(), Quoted(.path))]
    SeveralLeft {
        /// The name.
        path: PathBuf,
        /// Their files.
        left: Vec<PathBuf>,
    },
    /// Another run is writing to the same name now (exit 11).
    #[error("another run is writing {}, its temporary file is {}", Quoted(.path), Quoted(.temporary))]
    Locked {
        /// The name.
        path: PathBuf,
        /// The other run's file.
        temporary: PathBuf,
    },
}

impl StageError {
    /// An error of the system, put where it belongs.
    pub(crate) fn io(action: &'static str, path: PathBuf, source: io::Error) -> Self {
        match is_full(&source) {
            true => Self::NoRoom { path, source },
            false => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}

/// A path of this machine in quotes, safe for a terminal.
pub(crate) struct Quoted<'a>(pub(crate) &'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for c in self.0.to_string_lossy().chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => write!(f, "{c}")?,
            }
        }
        f.write_str("'")
    }
}

/// Whether the system says that a place takes no more: it is full, a quota is used up, or a file may
/// not be that long there.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

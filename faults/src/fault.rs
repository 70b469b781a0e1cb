//! Which fault is injected, and at which call.

use std::fmt;

/// What a system call does to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Reads bytes of a file, or a directory.
    Read,
    /// Writes bytes, or gives a file its length.
    Write,
    /// Waits until something is on disk.
    Sync,
    /// Makes, renames, links or removes a name.
    Name,
}

/// What becomes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The program is killed, and the call is not made.
    KillBefore,
    /// The program is killed when the call was made.
    KillAfter,
    /// It fails: the disk cannot do it.
    Io,
    /// It fails: there is no room.
    Full,
    /// It fails, once: a signal came.
    Interrupted,
    /// It does half of what it was asked to, as files and pipes may.
    Short,
    /// Before it, the verb's source is removed.
    Vanish,
    /// Before it, the verb's source is cut to half.
    Cut,
}

/// A fault and its place: the n-th call that files are touched by, from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub fault: Fault,
    /// Where.
    pub place: Place,
}

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The n-th call of a kind that the fault can befall, over all threads.
    Nth(u64),
    /// Every n-th call: what has to make no difference can happen all the time.
    Every(u64),
}

impl Fault {
    /// All that come to the calls themselves.
    pub const ALL: [Self; 6] = [
        Self::KillBefore,
        Self::KillAfter,
        Self::Io,
        Self::Full,
        Self::Interrupted,
        Self::Short,
    ];

    /// All that come to what is read.
    pub const OF_SOURCES: [Self; 2] = [Self::Vanish, Self::Cut];

    /// Whether it ends the program.
    #[must_use]
    pub fn is_kill(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Whether no program may let it show.
    #[must_use]
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Interrupted | Self::Short)
    }

    /// Whether it can befall a call of this kind.
    #[must_use]
    pub fn befalls(self, kind: Kind) -> bool {
        match self {
            Self::KillBefore | Self::KillAfter | Self::Io => true,
            Self::Vanish | Self::Cut => true,
            Self::Full => kind != Kind::Read,
            Self::Interrupted | Self::Short => matches!(kind, Kind::Read | Kind::Write),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillBefore => "kill before",
            Self::KillAfter => "kill after",
            Self::Io => "EIO",
            Self::Full => "ENOSPC",
            Self::Interrupted => "EINTR",
            Self::Short => "short",
            Self::Vanish => "source removed",
            Self::Cut => "source cut",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Nth(n) => write!(f, "{} at call {n}", self.fault),
            Place::Every(n) => write!(f, "{} at every call that {n} divides", self.fault),
        }
    }
}

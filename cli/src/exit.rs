//! How the program ends: exit codes, and the errors that the program itself finds.

use std::fmt;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

/// An error that the program itself finds, with its exit code and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hints: Vec<String>,
}

impl Exit {
    pub(crate) const DONE: Self = Self(0);
    pub(crate) const FAILED: Self = Self(1);
    pub(crate) const USAGE: Self = Self(2);
    pub(crate) const WARNINGS: Self = Self(3);
    pub(crate) const NO_ARCHIVE: Self = Self(10);
    pub(crate) const LOCKED: Self = Self(11);
    pub(crate) const NO_KEY_FITS: Self = Self(12);
    pub(crate) const NO_KEY_OFFERED: Self = Self(13);
    pub(crate) const DAMAGED: Self = Self(20);
    pub(crate) const REPAIRABLE: Self = Self(21);
    pub(crate) const SIGNATURE: Self = Self(22);
    pub(crate) const INCOMPLETE: Self = Self(23);
    pub(crate) const TRUNCATED: Self = Self(24);
    pub(crate) const UNSUPPORTED: Self = Self(25);
    pub(crate) const NOT_READY: Self = Self(30);
    pub(crate) const WOULD_OVERWRITE: Self = Self(31);
    pub(crate) const CONFLICT: Self = Self(32);
    pub(crate) const POLICY: Self = Self(40);
    pub(crate) const MISUSE: Self = Self(70);
    #[cfg(unix)]
    pub(crate) const HUNG_UP: Self = Self(129);
    pub(crate) const INTERRUPTED: Self = Self(130);
    #[cfg(unix)]
    pub(crate) const TERMINATED: Self = Self(143);

    /// What weighs more comes first; what is not here weighs more than warnings only.
    const ORDER: [Self; 6] = [
        Self::DAMAGED,
        Self::TRUNCATED,
        Self::SIGNATURE,
        Self::REPAIRABLE,
        Self::INCOMPLETE,
        Self::POLICY,
    ];

    /// The one that counts where both apply.
    pub(crate) fn worst(self, other: Self) -> Self {
        if other.weight() > self.weight() {
            other
        } else {
            self
        }
    }

    /// What to do about an archive that cannot be read for this reason.
    pub(crate) fn remedies(self) -> &'static [&'static str] {
        match self {
            Self::NO_KEY_FITS | Self::NO_KEY_OFFERED => {
                &["the data and the master-key envelope have keys of their own"]
            }
            Self::DAMAGED => &[
                "another copy of the file may be whole",
                "`bakpak salvage ARCHIVE --to DIR` takes out what is left",
            ],
            Self::REPAIRABLE => &["`bakpak repair ARCHIVE -o MENDED` mends all of it"],
            Self::TRUNCATED => &[
                "the end of the file is missing: copy it again, or use another copy",
                "`bakpak salvage ARCHIVE --to DIR` takes out what is left",
            ],
            Self::UNSUPPORTED => &[
                "an archive begins with text that says what opens it: `head -c 2000 ARCHIVE`",
                "if that is not there, this is another file",
            ],
            Self::NOT_READY => &["make room, or set TMPDIR to a directory that has some"],
            _ => &[],
        }
    }

    fn weight(self) -> usize {
        let place = Self::ORDER.iter().position(|exit| *exit == self);
        match (place, self) {
            (_, Self::DONE) => 0,
            (_, Self::WARNINGS) => 1,
            (None, _) => 2,
            (Some(place), _) => 2 + Self::ORDER.len() - place,
        }
    }
}

impl Failure {
    /// An error with its exit code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Wrong usage or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::USAGE, message)
    }

    /// How it ends the program.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What to do about it.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_counts() {
        let order = [20, 24, 22, 21, 23, 40, 3, 0].map(Exit);
        for pair in order.windows(2) {
            assert_eq!(pair[0].worst(pair[1]), pair[0]);
            assert_eq!(pair[1].worst(pair[0]), pair[0]);
        }
        assert_eq!(Exit::NO_ARCHIVE.worst(Exit::DAMAGED), Exit::DAMAGED);
        assert_eq!(Exit::WARNINGS.worst(Exit::NO_ARCHIVE), Exit::NO_ARCHIVE);
    }
}

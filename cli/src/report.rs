//! What went wrong, in words, with hints and an exit code.

use std::fmt;
use std::io;

use bakpak_codec::error::{ErrorClass, PackError, ReadError};
use bakpak_tree::{OutputError, StageError, WalkError};

use crate::interrupt;
use crate::output::event::Event;
use crate::output::{Output, escaped};

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
    pub(crate) const POLICY: Self = Self(40);
    pub(crate) const MISUSE: Self = Self(70);
    pub(crate) const INTERRUPTED: Self = Self(130);
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
            Self::NO_KEY_FITS | Self::NO_KEY_OFFERED => &[
                "`bakpak inspect ARCHIVE` shows what kinds of keys open it",
                "the data and the master-key envelope have keys of their own",
            ],
            Self::DAMAGED => &["another copy of the file may be whole"],
            Self::TRUNCATED => {
                &["the end of the file is missing: copy it again, or use another copy"]
            }
            Self::UNSUPPORTED => {
                &["the first lines of an archive (`head -c 2000`) say what opens it"]
            }
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

impl From<ErrorClass> for Exit {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::NoKeyFits => Self::NO_KEY_FITS,
            ErrorClass::NoKeyOffered => Self::NO_KEY_OFFERED,
            ErrorClass::Damaged => Self::DAMAGED,
            ErrorClass::Truncated => Self::TRUNCATED,
            ErrorClass::Unsupported => Self::UNSUPPORTED,
            ErrorClass::Incomplete => Self::INCOMPLETE,
            ErrorClass::NoRoom => Self::NOT_READY,
            ErrorClass::Interrupted => interrupt::exit(),
            ErrorClass::Misuse => Self::MISUSE,
            _ => Self::FAILED,
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

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Tells an error on standard error, and as JSON if asked for; returns how to end.
pub(crate) fn report(error: &anyhow::Error, output: &Output) -> Exit {
    let (exit, hints) = judge(error);
    // An anyhow chain is told from the outside in: "cannot read 'a': permission denied". Our
    // libraries' messages already contain their sources' ones where these matter.
    let message = escaped(&words(error)).to_string();
    output.error(&message);
    output.hint(&hints);
    output.event(&Event::Error {
        code: exit.0,
        message,
        hints,
    });
    exit
}

/// The messages of the chain, without those that the one before repeats.
fn words(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Exit code and hints: those of the outermost cause that has some.
fn judge(error: &anyhow::Error) -> (Exit, Vec<String>) {
    let mut hints = Vec::new();
    for cause in error.chain() {
        if let Some(exit) = judge_cause(cause, &mut hints) {
            return (exit, hints);
        }
    }
    (Exit::FAILED, hints)
}

fn judge_cause(cause: &(dyn std::error::Error + 'static), hints: &mut Vec<String>) -> Option<Exit> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        hints.extend(failure.hints.iter().cloned());
        return Some(failure.exit);
    }
    if let Some(error) = cause.downcast_ref::<ReadError>() {
        if let ReadError::Sink(inner) = error {
            return judge_cause(inner.as_ref(), hints).or(Some(Exit::FAILED));
        }
        return Some(read_error(error, hints));
    }
    if let Some(error) = cause.downcast_ref::<PackError>() {
        return Some(pack_error(error, hints));
    }
    if let Some(error) = cause.downcast_ref::<StageError>() {
        return Some(stage_error(error, hints));
    }
    if let Some(error) = cause.downcast_ref::<OutputError>() {
        return Some(output_error(error, hints));
    }
    if cause.is::<WalkError>() {
        return Some(Exit::USAGE);
    }
    cause
        .downcast_ref::<io::Error>()
        .filter(|error| is_full(error))
        .map(|_| Exit::NOT_READY)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn read_error(error: &ReadError, hints: &mut Vec<String>) -> Exit {
    let exit = Exit::from(error.class());
    if exit == Exit::DAMAGED {
        hints.push("`bakpak verify --keyless ARCHIVE` lists all damage".to_owned());
    }
    hints.extend(exit.remedies().iter().map(ToString::to_string));
    exit
}

fn pack_error(error: &PackError, hints: &mut Vec<String>) -> Exit {
    match error {
        PackError::Unreadable(_) => {
            hints.push("nothing was written; --allow-incomplete packs the rest".to_owned());
            Exit::INCOMPLETE
        }
        PackError::Interrupted => interrupt::exit(),
        PackError::Settings(_) => Exit::USAGE,
        PackError::Io { source, .. } if is_full(source) => Exit::NOT_READY,
        PackError::Defect(_) => Exit::MISUSE,
        _ => Exit::FAILED,
    }
}

fn stage_error(error: &StageError, hints: &mut Vec<String>) -> Exit {
    match error {
        StageError::NoRoom { .. } | StageError::Clash(_) | StageError::Unfinished { .. } => {
            Exit::NOT_READY
        }
        StageError::AlreadyThere { .. } => {
            hints.push(
                "unpack to a directory that does not exist or is empty; or --merge to add what is \
                 missing, --replace to move aside what is in the way"
                    .to_owned(),
            );
            Exit::WOULD_OVERWRITE
        }
        StageError::Locked { .. } => Exit::LOCKED,
        StageError::NoLinkTarget { .. } => Exit::DAMAGED,
        StageError::Misuse(_) => Exit::MISUSE,
        _ => Exit::FAILED,
    }
}

fn output_error(error: &OutputError, hints: &mut Vec<String>) -> Exit {
    match error {
        OutputError::AlreadyThere { .. } => {
            hints.push("--force replaces it once the new archive is complete".to_owned());
            Exit::WOULD_OVERWRITE
        }
        OutputError::Locked { .. } => Exit::LOCKED,
        OutputError::Io { source, .. } if is_full(source) => Exit::NOT_READY,
        _ => Exit::FAILED,
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
    use anyhow::Context;

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

    #[test]
    fn a_failure_keeps_its_code_below_context() {
        let error = anyhow::Error::new(Failure::new(Exit::LOCKED, "busy").hint("wait"));
        let error = Err::<(), _>(error).context("cannot write 'a'").unwrap_err();
        assert_eq!(judge(&error), (Exit::LOCKED, vec!["wait".to_owned()]));
        assert_eq!(words(&error), "cannot write 'a': busy");
    }
}

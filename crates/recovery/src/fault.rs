//! What is wrong with a file that was checked, said once for all kinds of files.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

/// How many faults of one file are kept; the others are counted only.
pub const MAX_FAULTS: usize = 100;

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What family it is of.
    pub kind: FaultKind,
    /// The member, table or field that it is in. None if it is the file as a whole.
    pub part: Option<String>,
    /// What is wrong, in one plain line.
    pub message: String,
}

/// The family of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The file, or a part of it, ends before its end.
    Truncated,
    /// It is not what was written.
    Damaged,
    /// A checksum or hash that stands in the file is not that of its content.
    Mismatch,
    /// A part that must be there is not.
    Missing,
    /// It is more than is allowed here; nothing is said about the rest.
    LimitExceeded,
    /// It may be whole, but is not understood; nothing is said about it.
    Unsupported,
}

/// The faults of one file, the first [`MAX_FAULTS`] of them with words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    list: Vec<Fault>,
    count: u64,
    /// Of all, with those that are not in the list.
    kinds: BTreeSet<FaultKind>,
}

impl Faults {
    /// The faults, in the order they were found.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// How many there are, with those that are not in the list.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether one of them is of this kind, be it in the list or not.
    #[must_use]
    pub fn has(&self, kind: FaultKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether there are some, and all are of these kinds, be they in the list or not.
    #[must_use]
    pub fn are_only(&self, kinds: &[FaultKind]) -> bool {
        !self.is_empty() && self.kinds.iter().all(|kind| kinds.contains(kind))
    }

    /// Whether there are some, and none says that anything is wrong: what was met is not understood
    /// here, or more than is allowed.
    #[must_use]
    pub fn say_nothing(&self) -> bool {
        self.are_only(&[FaultKind::LimitExceeded, FaultKind::Unsupported])
    }

    /// Adds a fault of the file as a whole.
    pub(crate) fn add(&mut self, kind: FaultKind, message: impl Into<String>) {
        self.push(kind, None, message.into());
    }

    /// Adds a fault of one part.
    pub(crate) fn add_in(&mut self, part: &str, kind: FaultKind, message: impl Into<String>) {
        self.push(kind, Some(part.to_owned()), message.into());
    }

    /// Adds what an error of a parser says of the content.
    ///
    /// # Errors
    ///
    /// The error itself, if it is about the reading and not about what was read.
    pub(crate) fn add_error(&mut self, part: Option<&str>, error: io::Error) -> io::Result<()> {
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof => FaultKind::Truncated,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FaultKind::Damaged,
            _ => return Err(error),
        };
        self.push(kind, part.map(str::to_owned), error.to_string());
        Ok(())
    }

    /// Adds those of another file, such as one inside this one.
    pub(crate) fn extend(&mut self, other: Self) {
        self.count += other.count - other.list.len() as u64;
        self.kinds.extend(other.kinds);
        for fault in other.list {
            self.push(fault.kind, fault.part, fault.message);
        }
    }

    fn push(&mut self, kind: FaultKind, part: Option<String>, message: String) {
        self.count += 1;
        self.kinds.insert(kind);
        if self.list.len() < MAX_FAULTS {
            self.list.push(Fault {
                kind,
                part,
                message,
            });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            // Debug escapes control characters: names come from the file.
            Some(part) => write!(f, "{part:?}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_beyond_the_list_are_counted() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS + 5 {
            faults.add(FaultKind::Damaged, "torn");
        }
        let mut all = Faults::default();
        all.add(FaultKind::Missing, "gone");
        all.extend(faults);
        assert_eq!(all.list().len(), MAX_FAULTS);
        assert_eq!(all.count(), MAX_FAULTS as u64 + 6);
    }

    #[test]
    fn errors_of_the_disk_are_not_faults_of_the_file() {
        let mut faults = Faults::default();
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(faults.add_error(None, cut).is_ok());
        assert!(faults.has(FaultKind::Truncated));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(faults.add_error(None, denied).is_err());
        assert_eq!(faults.count(), 1);
    }

    #[test]
    fn names_from_the_file_are_escaped() {
        let mut faults = Faults::default();
        faults.add_in("a\u{1b}[2J", FaultKind::Missing, "gone");
        assert_eq!(faults.list()[0].to_string(), "\"a\\u{1b}[2J\": gone");
    }
}

//! The order of entries, and what may stand beside what: one rule for writer and reader.

use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_format::error::{FormatError, Structure};
use std::collections::HashSet;

/// Follows the entries of a stream (spec: ENT-2, ENT-3, ENT-4, ENT-6, ENT-8).
#[derive(Default)]
pub(crate) struct Order {
    last: Option<LastEntry>,
    /// Files that a hard link may point to.
    linked: HashSet<EntryPath>,
    /// Where the parts of parted entries stand; such entries are few.
    parts_names: Vec<EntryPath>,
}

/// How an entry is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Whole,
    Parted,
}

struct LastEntry {
    path: EntryPath,
    is_directory: bool,
    is_whole_file: bool,
}

impl Order {
    /// Takes the next entry, if it may stand behind those before; of a parted one, the whole entry.
    pub(crate) fn next(&mut self, entry: &Entry, stored: Stored) -> Result<(), FormatError> {
        self.check(entry, stored)?;
        // What supersedes an entry takes its place; a link to the superseded one would dangle.
        self.linked.remove(&entry.path);
        if stored == Stored::Parted {
            let parts = [entry.path.as_bytes(), b".parts"].concat();
            self.parts_names.extend(EntryPath::new(parts));
        } else if entry.linked {
            self.linked.insert(entry.path.clone());
        }
        self.last = Some(LastEntry {
            path: entry.path.clone(),
            is_directory: matches!(entry.kind, EntryKind::Directory),
            is_whole_file: is_whole_file(entry, stored),
        });
        Ok(())
    }

    /// Whether a hard link may point there.
    pub(crate) fn may_link_to(&self, target: &EntryPath) -> bool {
        self.linked.contains(target)
    }

    /// The entry was given up: nothing may link to it.
    pub(crate) fn forget(&mut self, path: &EntryPath) {
        self.linked.remove(path);
    }

    fn check(&self, entry: &Entry, stored: Stored) -> Result<(), FormatError> {
        let path = &entry.path;
        if path.components().count() == 1 && !matches!(entry.kind, EntryKind::Directory) {
            return Err(malformed("ENT-2", format!("'{path}' is not a directory")));
        }
        if let Some(last) = &self.last {
            let supersedes =
                last.path == *path && last.is_whole_file && is_whole_file(entry, stored);
            if last.path >= *path && !supersedes {
                let what = format!("'{path}' stands behind '{}'", last.path);
                return Err(malformed("ENT-3", what));
            }
            // In this order what is below an entry follows it at once.
            if !last.is_directory && path.is_below(&last.path) {
                let what = format!("'{path}' is below '{}', which is no directory", last.path);
                return Err(malformed("ENT-4", what));
            }
        }
        if let EntryKind::HardLink { target } = &entry.kind
            && !self.may_link_to(target)
        {
            let what = format!("'{path}' links to '{target}', which is not marked for it");
            return Err(malformed("ENT-6", what));
        }
        if self
            .parts_names
            .iter()
            .any(|parts| parts == path || path.is_below(parts))
        {
            let what = format!("'{path}' stands where the parts of another entry do");
            return Err(malformed("ENT-8", what));
        }
        Ok(())
    }
}

fn is_whole_file(entry: &Entry, stored: Stored) -> bool {
    matches!(entry.kind, EntryKind::File { .. }) && stored == Stored::Whole
}

fn malformed(rule: &'static str, what: String) -> FormatError {
    FormatError::malformed(Structure::Entry, rule, what)
}

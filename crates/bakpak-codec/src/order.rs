//! The order of entries, and what may stand beside what: one rule for writer and reader.

use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_format::error::{FormatError, Structure};
use std::collections::HashMap;

/// Follows the entries of a stream (spec: ENT-2, ENT-3, ENT-4, ENT-6, ENT-8).
#[derive(Default)]
pub(crate) struct Order {
    last: Option<LastEntry>,
    /// Files that a hard link may point to, and whether one does. There may be millions.
    linked: HashMap<PathHash, bool>,
    /// Where the parts of parted entries stand, until that is passed.
    parts_names: Vec<EntryPath>,
}

/// A path, by half of its BLAKE3: to find two of one hash takes 2^64 tries.
type PathHash = [u8; 16];

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
        if self.last.as_ref().is_some_and(|l| l.path == entry.path) {
            // It takes the place of the one before; a link to that would dangle.
            self.forget(&entry.path);
        }
        if let EntryKind::HardLink { target } = &entry.kind {
            self.linked.insert(hash(target), true);
        }
        // Only names that this path begins with can still come: a few at most.
        self.parts_names
            .retain(|parts| *parts >= entry.path || entry.path.is_below(parts));
        if stored == Stored::Parted {
            let parts = [entry.path.as_bytes(), b".parts"].concat();
            self.parts_names.extend(EntryPath::new(parts));
        } else if entry.linked {
            self.linked.insert(hash(&entry.path), false);
        }
        let is_directory = matches!(entry.kind, EntryKind::Directory);
        let is_whole_file = is_whole_file(entry, stored);
        match &mut self.last {
            Some(last) => {
                last.path.clone_from(&entry.path);
                last.is_directory = is_directory;
                last.is_whole_file = is_whole_file;
            }
            None => {
                self.last = Some(LastEntry {
                    path: entry.path.clone(),
                    is_directory,
                    is_whole_file,
                });
            }
        }
        Ok(())
    }

    /// Whether a hard link may point there.
    pub(crate) fn may_link_to(&self, target: &EntryPath) -> bool {
        self.linked.contains_key(&hash(target))
    }

    /// Whether a hard link points there.
    pub(crate) fn is_linked_to(&self, path: &EntryPath) -> bool {
        self.linked.get(&hash(path)) == Some(&true)
    }

    /// The entry was given up: nothing may link to it.
    pub(crate) fn forget(&mut self, path: &EntryPath) {
        self.linked.remove(&hash(path));
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

fn hash(path: &EntryPath) -> PathHash {
    let mut hash = PathHash::default();
    hash.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..16]);
    hash
}

fn is_whole_file(entry: &Entry, stored: Stored) -> bool {
    matches!(entry.kind, EntryKind::File { .. }) && stored == Stored::Whole
}

fn malformed(rule: &'static str, what: String) -> FormatError {
    FormatError::malformed(Structure::Entry, rule, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Entry {
        Entry {
            path: EntryPath::new(path).unwrap(),
            kind: EntryKind::File {
                size: 0,
                extents: None,
            },
            mode: 0,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Default::default(),
            xattrs: Vec::new(),
            linked: false,
        }
    }

    #[test]
    fn names_of_parts_are_kept_until_they_are_passed() {
        let mut order = Order::default();
        for number in 1000..2000 {
            let name = format!("sql/{number}");
            order.next(&file(&name), Stored::Parted).unwrap();
            order
                .next(&file(&format!("{name}-a")), Stored::Parted)
                .unwrap();
            assert!(order.parts_names.len() <= 2);
        }
        for name in ["sql/1999-a.parts", "sql/1999.parts", "sql/1999.parts/x"] {
            assert!(order.next(&file(name), Stored::Whole).is_err(), "{name}");
        }
        order.next(&file("sql/1999.partsx"), Stored::Whole).unwrap();
        assert!(order.parts_names.is_empty());
    }
}

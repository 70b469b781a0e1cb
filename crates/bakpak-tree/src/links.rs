//! Names that share a file: which is the file, and which are further names of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bakpak_format::entry::EntryPath;

use crate::platform::FileId;

/// The files that have more than one name in the walk.
#[derive(Debug, Default)]
pub(crate) struct Links {
    groups: Mutex<HashMap<FileId, Group>>,
}

#[derive(Debug)]
struct Group {
    /// Names not yet opened.
    remaining: u32,
    /// The name that carries the content.
    leader: Option<EntryPath>,
}

/// What a name turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The content; `linked` if further names are expected.
    File { linked: bool },
    /// A further name of that entry.
    LinkTo(EntryPath),
}

impl Links {
    /// Takes how often each file was met; those met once are of no interest.
    pub(crate) fn new(counts: HashMap<FileId, u32>) -> Self {
        let groups = counts
            .into_iter()
            .filter(|&(_, count)| count > 1)
            .map(|(id, remaining)| {
                let leader = None;
                (id, Group { remaining, leader })
            })
            .collect();
        Self {
            groups: Mutex::new(groups),
        }
    }

    /// Says what the name `path`, just opened, is. The first one opened leads.
    ///
    /// It goes by what was opened, not by what was walked: a name that now belongs to another
    /// file is a file of its own.
    pub(crate) fn open(&self, id: FileId, path: &EntryPath) -> Role {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = groups.get_mut(&id) else {
            return Role::File { linked: false };
        };
        match &group.leader {
            // Opened again, because it changed while it was read.
            Some(leader) if leader == path => {}
            Some(leader) => return Role::LinkTo(leader.clone()),
            None => {
                group.remaining = group.remaining.saturating_sub(1);
                group.leader = Some(path.clone());
            }
        }
        Role::File {
            linked: group.remaining > 0,
        }
    }

    /// Forgets a leader whose content was given up; the next name opened leads.
    pub(crate) fn forget(&self, id: FileId, path: &EntryPath) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get_mut(&id)
            && group.leader.as_ref() == Some(path)
        {
            group.leader = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> EntryPath {
        EntryPath::new(format!("home/{name}")).unwrap()
    }

    #[test]
    fn the_next_name_leads_when_the_first_is_given_up() {
        let id = FileId {
            device: 1,
            inode: 2,
        };
        let links = Links::new(HashMap::from([(id, 3)]));
        assert_eq!(links.open(id, &path("a")), Role::File { linked: true });
        assert_eq!(links.open(id, &path("a")), Role::File { linked: true });
        links.forget(id, &path("a"));
        assert_eq!(links.open(id, &path("b")), Role::File { linked: true });
        assert_eq!(links.open(id, &path("c")), Role::LinkTo(path("b")));
    }

    #[test]
    fn a_file_met_once_is_not_linked() {
        let id = FileId {
            device: 1,
            inode: 2,
        };
        let links = Links::new(HashMap::from([(id, 1)]));
        assert_eq!(links.open(id, &path("a")), Role::File { linked: false });
    }
}

//! Names of users and groups, from the files that every Unix has.
//!
//! Only `/etc/passwd` and `/etc/group` are read: asking the C library needs unsafe code and, in a
//! static program, does not see directory services either. An id without a name stays a number.

use std::collections::HashMap;
use std::fs;

/// A file of users is not read beyond this.
const MAX_FILE_LEN: usize = 16 << 20;

/// Users and groups of this machine, by number and by name.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: Names,
    groups: Names,
}

#[derive(Debug, Default)]
struct Names {
    by_id: HashMap<u32, Vec<u8>>,
    by_name: HashMap<Vec<u8>, u32>,
}

impl Owners {
    /// Reads the names of this machine; none where there are no such files.
    pub(crate) fn load() -> Self {
        let read = |path| Names::parse(&fs::read(path).unwrap_or_default());
        Self {
            users: read("/etc/passwd"),
            groups: read("/etc/group"),
        }
    }

    /// The name of a user, empty if unknown.
    pub(crate) fn user(&self, id: u32) -> Vec<u8> {
        self.users.by_id.get(&id).cloned().unwrap_or_default()
    }

    /// The name of a group, empty if unknown.
    pub(crate) fn group(&self, id: u32) -> Vec<u8> {
        self.groups.by_id.get(&id).cloned().unwrap_or_default()
    }

    /// The number a user has here: by name if the name is known here, otherwise as it was.
    pub(crate) fn user_id(&self, name: &[u8], id: u64) -> Option<u32> {
        self.users.find(name, id)
    }

    /// The number a group has here: by name if the name is known here, otherwise as it was.
    pub(crate) fn group_id(&self, name: &[u8], id: u64) -> Option<u32> {
        self.groups.find(name, id)
    }
}

impl Names {
    /// Lines of `name:password:id:...`; others are passed over. The first of a name or id counts.
    fn parse(text: &[u8]) -> Self {
        let mut names = Self::default();
        for line in text[..text.len().min(MAX_FILE_LEN)].split(|&b| b == b'\n') {
            let mut fields = line.split(|&b| b == b':');
            let (Some(name), Some(id)) = (fields.next(), fields.nth(1)) else {
                continue;
            };
            let id = str::from_utf8(id).ok().and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|_| !name.is_empty()) {
                names.by_id.entry(id).or_insert_with(|| name.to_vec());
                names.by_name.entry(name.to_vec()).or_insert(id);
            }
        }
        names
    }

    fn find(&self, name: &[u8], id: u64) -> Option<u32> {
        // All ones means "leave as it is" to the kernel; it is nobody's number.
        let as_it_was = u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        self.by_name.get(name).copied().or(as_it_was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_counts_more_than_the_number() {
        let names = Names::parse(b"root:x:0:0::/:/bin/sh\n# no line\noctopus:x:977:\n\n::5\n");
        assert_eq!(names.by_id[&977], b"octopus");
        assert_eq!(names.find(b"octopus", 1000), Some(977));
        assert_eq!(names.find(b"stranger", 1000), Some(1000));
        assert_eq!(names.find(b"", 1000), Some(1000));
        assert_eq!(names.find(b"stranger", u64::from(u32::MAX)), None);
        assert_eq!(names.by_id.len(), 2);
    }
}

//! Which names a target can hold side by side.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io;

use bakpak_format::entry::EntryPath;

use crate::platform::os::{self, Dir};

/// A name that the target cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The entry, or the directory above it that is the first to be in the way.
    pub path: EntryPath,
    /// Why not.
    pub reason: ClashReason,
}

/// Why the target cannot hold a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClashReason {
    /// The target does not tell it from this one: they differ in case only.
    SameAs(EntryPath),
    /// The target has something of that name, or of one it does not tell apart from it.
    Taken,
    /// One of its components is longer than the target allows.
    TooLong {
        /// Length of the component in bytes.
        len: usize,
        /// How many are possible.
        max: usize,
    },
    /// The target forbids one of its components.
    Forbidden(&'static str),
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.reason {
            ClashReason::SameAs(other) => {
                write!(f, "the target does not tell '{path}' from '{other}'")
            }
            ClashReason::Taken => write!(f, "the name '{path}' is taken in the target"),
            ClashReason::TooLong { len, max } => write!(
                f,
                "a component of '{path}' is {len} bytes long, the target allows {max}"
            ),
            ClashReason::Forbidden(why) => write!(f, "the target forbids '{path}': {why}"),
        }
    }
}

/// The rules of a file system, found out by trying.
#[derive(Debug)]
pub(crate) struct NameRules {
    max_name_len: usize,
    case_insensitive: bool,
    windows: bool,
}

impl NameRules {
    /// Finds out the rules in `dir`, an empty directory that is left empty.
    pub(crate) fn probe(dir: &Dir) -> io::Result<Self> {
        const LOWER: &[u8] = b"probe";
        const UPPER: &[u8] = b"PROBE";
        // FAT, NTFS and their like on other systems refuse a colon.
        const COLON: &[u8] = b"probe:probe";
        dir.create_file(LOWER)?;
        let case_insensitive = dir.status(UPPER).is_ok();
        dir.remove_file(LOWER)?;
        let windows = match dir.create_file(COLON) {
            Ok(_) => {
                dir.remove_file(COLON)?;
                cfg!(windows)
            }
            Err(_) => true,
        };
        Ok(Self {
            max_name_len: dir.max_name_len()?,
            case_insensitive,
            windows,
        })
    }

    /// All names among `paths`, which are in canonical order, that cannot be held. Only the names
    /// in the directories above the present path are kept: of two directories that clash, what is
    /// below them is not compared.
    pub(crate) fn check(&self, paths: impl IntoIterator<Item = EntryPath>) -> Vec<Clash> {
        let mut clashes = Vec::new();
        let mut levels: Vec<HashMap<Vec<u8>, Vec<u8>>> = Vec::new();
        let mut before: Option<EntryPath> = None;
        for path in paths {
            if let Some(reason) = path.components().find_map(|name| self.refuses(name)) {
                let path = path.clone();
                clashes.push(Clash { path, reason });
            }
            if self.case_insensitive {
                let shared = before
                    .as_ref()
                    .map_or(0, |before| shared_len(before.as_bytes(), path.as_bytes()));
                for prefix in prefixes(&path, shared) {
                    let (parent, name) = split(prefix.as_bytes());
                    levels.resize_with(prefix.components().count(), HashMap::new);
                    let siblings = levels.last_mut();
                    let other = siblings.and_then(|siblings| match siblings.entry(fold(name)) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(name.to_vec());
                            None
                        }
                        Entry::Occupied(there) => {
                            let there = (there.get() != name).then(|| there.get())?;
                            EntryPath::new([parent, there].concat())
                        }
                    });
                    if let Some(other) = other {
                        let reason = ClashReason::SameAs(other);
                        clashes.push(Clash {
                            path: prefix,
                            reason,
                        });
                        break;
                    }
                }
            }
            before = Some(path);
        }
        clashes
    }

    fn refuses(&self, name: &[u8]) -> Option<ClashReason> {
        if name.len() > self.max_name_len {
            return Some(ClashReason::TooLong {
                len: name.len(),
                max: self.max_name_len,
            });
        }
        let by_windows = if self.windows {
            forbidden_by_windows(name)
        } else {
            None
        };
        let why = os::forbidden_name(name).or(by_windows);
        why.map(ClashReason::Forbidden)
    }
}

/// Which of Windows' rules a component breaks.
fn forbidden_by_windows(name: &[u8]) -> Option<&'static str> {
    const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    let Ok(name) = str::from_utf8(name) else {
        return Some("it is not UTF-8");
    };
    if name.contains(|c: char| c < ' ' || "<>:\"|?*\\".contains(c)) {
        return Some("it contains a character that Windows reserves");
    }
    if name.ends_with(['.', ' ']) {
        return Some("it ends with a point or a space");
    }
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_ascii_lowercase();
    let numbered = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
    let is_port = numbered.is_some_and(|n| n.len() == 1 && n != "0" && n.parse::<u8>().is_ok());
    let is_reserved = is_port || RESERVED.contains(&stem.as_str());
    is_reserved.then_some("it is the name of a device")
}

/// The path and the directories above it, but for those within the first `shared` bytes.
fn prefixes(path: &EntryPath, shared: usize) -> impl Iterator<Item = EntryPath> {
    let bytes = path.as_bytes();
    let slashes = (shared + 1..bytes.len()).filter(|&at| bytes[at] == b'/');
    let ends = slashes.chain([bytes.len()]);
    ends.filter_map(|end| EntryPath::new(&bytes[..end]))
}

/// Length of the longest directory that both paths lie below, or that one of them is.
fn shared_len(a: &[u8], b: &[u8]) -> usize {
    let equal = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let whole = |path: &[u8]| path.len() == equal || path.get(equal) == Some(&b'/');
    match whole(a) && whole(b) {
        true => equal,
        false => a[..equal].iter().rposition(|&b| b == b'/').unwrap_or(0),
    }
}

/// What is before the last component, the slash included, and that component.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let after = path.iter().rposition(|&b| b == b'/');
    path.split_at(after.map_or(0, |slash| slash + 1))
}

/// A name as a file system sees it that does not tell upper case from lower.
fn fold(name: &[u8]) -> Vec<u8> {
    match str::from_utf8(name) {
        // Twice, since some capitals have several small forms.
        Ok(name) => name.to_uppercase().to_lowercase().into_bytes(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> EntryPath {
        EntryPath::new(path).unwrap()
    }

    fn rules(case_insensitive: bool, windows: bool) -> NameRules {
        NameRules {
            max_name_len: 20,
            case_insensitive,
            windows,
        }
    }

    #[test]
    fn names_that_differ_in_case_clash_once_for_each_directory() {
        let paths = [
            "home/A", "home/A/X", "home/A/x", "home/a", "home/a/x", "home/a/y", "home/b",
            "home/b/x",
        ]
        .map(path);
        let clashes = rules(true, false).check(paths);
        let found: Vec<_> = clashes.iter().map(|clash| clash.path.to_string()).collect();
        assert_eq!(found, ["home/A/x", "home/a"]);
        assert_eq!(clashes[0].reason, ClashReason::SameAs(path("home/A/X")));
        assert_eq!(clashes[1].reason, ClashReason::SameAs(path("home/A")));
    }

    #[test]
    fn directories_without_an_entry_clash_too() {
        let clashes = rules(true, false).check(["sql/Größe/x", "sql/GRÖSSE/y"].map(path));
        assert_eq!(clashes[0].path, path("sql/GRÖSSE"));
    }

    #[test]
    fn names_that_differ_in_case_may_stand_where_that_counts() {
        assert!(
            rules(false, false)
                .check(["home/A", "home/a"].map(path))
                .is_empty()
        );
    }

    #[test]
    fn names_that_are_too_long_are_all_listed() {
        let long = "x".repeat(21);
        let paths = [format!("home/{long}"), format!("home/{long}/b")];
        let clashes = rules(false, false).check(paths.iter().map(|p| path(p)));
        let reason = ClashReason::TooLong { len: 21, max: 20 };
        assert_eq!(clashes.len(), 2);
        assert!(clashes.iter().all(|clash| clash.reason == reason));
    }

    #[test]
    fn windows_has_names_of_its_own() {
        for name in ["nul", "COM1.txt", "aux .log", "a:b", "a.", "b ", "\n"] {
            assert!(forbidden_by_windows(name.as_bytes()).is_some(), "{name}");
        }
        assert!(forbidden_by_windows(b"\xff").is_some());
        for name in ["nul1", "com0", "console", ".a", "comx"] {
            assert!(forbidden_by_windows(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn probing_leaves_nothing_behind() {
        let temp = tempfile::tempdir().unwrap();
        NameRules::probe(&Dir::open(temp.path()).unwrap()).unwrap();
        assert_eq!(temp.path().read_dir().unwrap().count(), 0);
    }
}

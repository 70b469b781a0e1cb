//! Paths: what is legal, their order, and how they are shown (spec, chapter 10.1).

use std::cmp::Ordering;
use std::fmt;

use crate::error::{FormatError, Structure};
use crate::limits::{MAX_PATH_DEPTH, MAX_PATH_LEN};

/// What a path begins with, in canonical order (spec: ENT-2).
pub const ROOTS: [&str; 3] = ["sql", "home", "attachments"];

/// The path of an entry inside the archive: bytes, `/` between components, never a leading `/`.
#[derive(PartialEq, Eq, Hash)]
pub struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Takes a path as it is; `None` unless it is a legal entry path (spec: ENT-2).
    ///
    /// Legal: the first component is one of [`ROOTS`]; at most 32 KiB, at most 256 components,
    /// none of them empty, `.` or `..`, no NUL byte.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        Self::decode(bytes).ok()
    }

    /// Takes a path as it is, and tells what is wrong with it (spec: ENT-2).
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: too long, or too many components.
    /// - [`FormatError::Malformed`]: otherwise not as [`EntryPath::new`] says.
    pub fn decode(bytes: impl Into<Vec<u8>>) -> Result<Self, FormatError> {
        let bytes = bytes.into();
        Self::check(&bytes)?;
        Ok(Self(bytes))
    }

    /// Tells what is wrong with a path, without taking it.
    ///
    /// # Errors
    ///
    /// Those of [`EntryPath::decode`].
    pub fn check(bytes: &[u8]) -> Result<(), FormatError> {
        let malformed = |what| Err(FormatError::malformed(Structure::Entry, "ENT-2", what));
        let limit = |field, found: usize, max: usize| {
            FormatError::check_range(Structure::Entry, field, found as u64, 0..=max as u64)
        };
        limit("path len", bytes.len(), MAX_PATH_LEN)?;
        let depth = 1 + bytes.iter().filter(|&&byte| byte == b'/').count();
        limit("path depth", depth, MAX_PATH_DEPTH)?;
        if root_rank(bytes) == ROOTS.len() {
            return malformed("a path begins with none of 'sql', 'home' and 'attachments'");
        }
        if bytes
            .split(|&b| b == b'/')
            .any(|c| c.is_empty() || c == b"." || c == b"..")
        {
            return malformed("a path has a component that is empty, '.' or '..'");
        }
        if bytes.contains(&0) {
            return malformed("a path has a zero byte");
        }
        Ok(())
    }

    /// The bytes of the path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of the path, without copying them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Whether this lies below `ancestor`, at whatever depth.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        let rest = self.0.strip_prefix(ancestor.as_bytes());
        rest.is_some_and(|rest| rest.first() == Some(&b'/'))
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/')
    }
}

/// Whoever follows entries keeps the path of the last one: it takes the place of the one before.
impl Clone for EntryPath {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn clone_from(&mut self, source: &Self) {
        self.0.clone_from(&source.0);
    }
}

/// Canonical order: by root in the order of [`ROOTS`], then by bytes with `/` counting as 0x00,
/// which is a depth-first walk (spec: ENT-3).
impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (self.as_bytes(), other.as_bytes());
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        match one.iter().zip(two).position(|(a, b)| a != b) {
            // Roots differ in their first bytes already.
            Some(0) => root_rank(one).cmp(&root_rank(two)),
            Some(at) => rank(one[at]).cmp(&rank(two[at])),
            None => one.len().cmp(&two.len()),
        }
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Shown with control characters and bytes that are not UTF-8 escaped, safe for a terminal.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, &self.0)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The place of a path's first component in [`ROOTS`]; `ROOTS.len()` if it is none of them.
fn root_rank(path: &[u8]) -> usize {
    let root = path.split(|&b| b == b'/').next().unwrap_or_default();
    ROOTS
        .iter()
        .position(|r| r.as_bytes() == root)
        .unwrap_or(ROOTS.len())
}

/// Writes bytes for a terminal: valid UTF-8 as it is, control characters, backslashes and other
/// bytes as `\n`, `\\`, `\xNN` or `\u{N}`.
fn write_escaped(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for part in bytes.utf8_chunks() {
        let valid = part.valid();
        let mut written = 0;
        for (at, c) in valid.char_indices() {
            // Format characters (bidirectional overrides among them) can make a name look like
            // another one, so they are shown as numbers too.
            let confusing = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}');
            let control = c == '\\' || c.is_control();
            if !control && !confusing {
                continue;
            }
            f.write_str(&valid[written..at])?;
            match control {
                true => write!(f, "{}", c.escape_default())?,
                false => write!(f, "{}", c.escape_unicode())?,
            }
            written = at + c.len_utf8();
        }
        f.write_str(&valid[written..])?;
        for byte in part.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn class(bytes: &[u8]) -> Class {
        EntryPath::decode(bytes).unwrap_err().class()
    }

    #[test]
    fn legal_paths_are_taken_as_they_are() {
        for bytes in [
            &b"sql"[..],
            b"home/a b",
            b"attachments/.x/..y/\xff",
            b"sql/a\n",
        ] {
            assert_eq!(EntryPath::new(bytes).unwrap().as_bytes(), bytes);
        }
    }

    #[test]
    fn below_is_what_has_a_directory_in_front() {
        let path = |path: &str| EntryPath::new(path).unwrap();
        for (below, above, is_below) in [
            ("home/a", "home", true),
            ("home/a/b/c", "home/a", true),
            ("home/a", "home/a", false),
            ("home/ab", "home/a", false),
            ("home", "home/a", false),
            ("sql/a", "home", false),
        ] {
            assert_eq!(path(below).is_below(&path(above)), is_below, "{below}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for bytes in [
            &b""[..],
            b"/",
            b"/sql",
            b"sql/",
            b"sql//a",
            b"sql/.",
            b"sql/../home",
            b"sqlx",
            b"SQL/a",
            b"sql/a\0",
        ] {
            assert_eq!(class(bytes), Class::Malformed);
            assert_eq!(EntryPath::new(bytes), None);
        }
    }

    #[test]
    fn length_and_depth_have_limits() {
        let long = [b"sql/".as_slice(), &[b'a'; MAX_PATH_LEN - 4]].concat();
        assert!(EntryPath::new(long.clone()).is_some());
        assert_eq!(class(&[&long[..], b"a"].concat()), Class::LimitExceeded);
        let deep = ["sql"; MAX_PATH_DEPTH].join("/");
        assert!(EntryPath::new(deep.clone()).is_some());
        assert_eq!(class(format!("{deep}/a").as_bytes()), Class::LimitExceeded);
    }

    #[test]
    fn the_order_is_that_of_a_depth_first_walk() {
        let sorted = [
            "sql",
            "sql/a",
            "sql/a/b",
            "sql/a/b/c",
            "sql/a/bc",
            "sql/a\x01",
            "sql/a b",
            "sql/a.b",
            "sql/ab",
            "sql/b",
            "home",
            "home/a",
            "attachments",
        ];
        let paths = sorted.map(|path| EntryPath::new(path).unwrap());
        assert!(paths.is_sorted_by(|one, next| one < next));
        let components = |path: &EntryPath| {
            let all = path.components().map(<[u8]>::to_vec);
            (root_rank(path.as_bytes()), all.collect::<Vec<_>>())
        };
        for (one, two) in paths.iter().flat_map(|p| paths.iter().map(move |q| (p, q))) {
            assert_eq!(one.cmp(two), components(one).cmp(&components(two)));
        }
    }

    #[test]
    fn paths_are_shown_safely() {
        let path = EntryPath::new(b"sql/a\x1b\xff\xe2\x80\xae\\\xc3\xa9").unwrap();
        assert_eq!(path.to_string(), "sql/a\\u{1b}\\xff\\u{202e}\\\\\u{e9}");
    }

    #[test]
    fn a_path_gives_its_bytes_and_takes_those_of_another() {
        let path = EntryPath::new("sql/a\x1b").unwrap();
        let mut other = EntryPath::new("home/longer").unwrap();
        other.clone_from(&path);
        assert_eq!(other, path);
        assert_eq!(other.into_bytes(), b"sql/a\x1b");
        assert_eq!(format!("{path:?}"), format!("\"{path}\""));
        assert_ne!(format!("{path:?}"), "\"sql/a\x1b\"");
    }
}

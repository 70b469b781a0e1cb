//! The directory one works in, held open with all above it: entries come depth first.

use std::io;

use crate::platform::os::Dir;

/// What to do about a directory that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Fail,
    Make,
}

/// Open directories, from below a root down to the last one asked for.
///
/// Each is opened by its name in the one above it, and not if that is a link: so a link that
/// someone plants in the tree leads nowhere. `.` and `..` are refused, whoever asks for them.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    stack: Vec<(Vec<u8>, Dir)>,
}

impl Cursor {
    /// Opens the directory `path` below `root`, `root` itself for the empty path.
    ///
    /// `made` is told the path of each directory that was missing and was made.
    pub(crate) fn enter<'a>(
        &'a mut self,
        root: &'a Dir,
        path: &[u8],
        missing: Missing,
        mut made: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<&'a Dir> {
        let mut depth = 0;
        let mut end = 0;
        for component in path.split(|&b| b == b'/').filter(|c| !c.is_empty()) {
            refuse_dots(component)?;
            end += component.len() + usize::from(end > 0);
            if self
                .stack
                .get(depth)
                .is_none_or(|(name, _)| name != component)
            {
                self.stack.truncate(depth);
                let here = self.stack.last().map_or(root, |(_, dir)| dir);
                let dir = match here.open_child(component) {
                    Err(error)
                        if missing == Missing::Make && error.kind() == io::ErrorKind::NotFound =>
                    {
                        here.make_child(component)?;
                        made(&path[..end])?;
                        here.open_child(component)?
                    }
                    result => result?,
                };
                self.stack.push((component.to_vec(), dir));
            }
            depth += 1;
        }
        self.stack.truncate(depth);
        Ok(self.stack.last().map_or(root, |(_, dir)| dir))
    }

    /// Opens the directory that `path` lies in, and gives the last component with it.
    pub(crate) fn parent<'a, 'p>(
        &'a mut self,
        root: &'a Dir,
        path: &'p [u8],
        missing: Missing,
        made: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(&'a Dir, &'p [u8])> {
        let (parent, name) = split(path);
        refuse_dots(name)?;
        Ok((self.enter(root, parent, missing, made)?, name))
    }

    /// Opens the directory that `path` lies in, which must be there.
    pub(crate) fn find<'a, 'p>(
        &'a mut self,
        root: &'a Dir,
        path: &'p [u8],
    ) -> io::Result<(&'a Dir, &'p [u8])> {
        self.parent(root, path, Missing::Fail, |_| Ok(()))
    }
}

/// Refuses the names by which a directory leads to itself and to the one above it.
fn refuse_dots(name: &[u8]) -> io::Result<()> {
    match name {
        b"." | b".." => Err(io::ErrorKind::InvalidFilename.into()),
        _ => Ok(()),
    }
}

/// A path's parent and last component.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_directories_are_made_and_named_once() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open(temp.path()).unwrap();
        let mut cursor = Cursor::default();
        let mut made = Vec::new();
        for path in ["a/b/c", "a/b/d", "a/e", "f"] {
            let note = |path: &[u8]| {
                made.push(String::from_utf8(path.to_vec()).unwrap());
                Ok(())
            };
            let path = path.as_bytes();
            let (dir, name) = cursor.parent(&root, path, Missing::Make, note).unwrap();
            dir.create_file(name).unwrap();
        }
        assert_eq!(made, ["a", "a/b"]);
        assert!(temp.path().join("a/b/d").is_file());
        assert!(temp.path().join("f").is_file());
    }

    #[test]
    fn no_path_leads_upwards() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("root/a")).unwrap();
        let root = Dir::open(&temp.path().join("root")).unwrap();
        let mut cursor = Cursor::default();
        for path in ["..", "a/..", "../x", "a/../../x", ".", "./a", "a/."] {
            let found = cursor.find(&root, path.as_bytes());
            assert!(found.is_err(), "{path}");
            let entered = cursor.enter(&root, path.as_bytes(), Missing::Make, |_| Ok(()));
            assert!(entered.is_err(), "{path}");
        }
        assert!(cursor.find(&root, b"a/..x").is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_link_is_not_entered() {
        let temp = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), temp.path().join("a")).unwrap();
        let root = Dir::open(temp.path()).unwrap();
        let mut cursor = Cursor::default();
        let entered = cursor.enter(&root, b"a/b", Missing::Make, |_| Ok(()));
        assert!(entered.is_err());
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }
}

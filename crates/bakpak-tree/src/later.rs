//! What came to a published tree after it was published, or was changed in it since.

use std::collections::HashSet;
use std::io;

use bakpak_format::entry::Timestamp;

use crate::cursor::Cursor;
use crate::platform::os::Dir;
use crate::platform::{FileId, Kind, Status};

/// When publishing began: all that was staged was complete then.
///
/// A list of what was staged would tell the same and cost a walk over all of it each time; times
/// cost nothing until something must be undone. Where they mislead (a clock set back in between)
/// is the price.
#[derive(Debug)]
pub(crate) struct Began {
    at: Timestamp,
    /// What was renamed, whose change times tell of that only. It may have further names below
    /// others of them.
    renamed: HashSet<FileId>,
}

impl Began {
    /// Publishing began then, and renamed to or from `paths` below `root`.
    pub(crate) fn at(at: Timestamp, root: &Dir, paths: &[&[u8]]) -> io::Result<Self> {
        let mut renamed = HashSet::new();
        let mut cursor = Cursor::default();
        for path in paths {
            renamed.extend(find(&mut cursor, root, path)?.map(|(_, status)| status.id));
        }
        Ok(Self { at, renamed })
    }

    /// The path of something at or below one of `paths` that is later.
    pub(crate) fn find_later(&self, root: &Dir, paths: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
        let mut cursor = Cursor::default();
        for path in paths {
            let Some((dir, status)) = find(&mut cursor, root, path)? else {
                continue;
            };
            let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
            let mut found = path.to_vec();
            if self.is_later(dir, name, &status, &mut found)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether this, or something below it, is later; `path` is then where. A later directory is
    /// not entered: so as deep as an entry path may be, it calls itself.
    fn is_later(
        &self,
        dir: &Dir,
        name: &[u8],
        status: &Status,
        path: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let is_later = match self.renamed.contains(&status.id) {
            // Who writes changes both times; only a restored one lies after the other.
            true => status.mtime > self.at && status.mtime <= status.ctime,
            false => status.ctime > self.at,
        };
        if is_later {
            return Ok(true);
        }
        if status.kind != Kind::Directory {
            return Ok(false);
        }
        let dir = dir.open_child(name)?;
        let len = path.len();
        for name in dir.list()? {
            path.push(b'/');
            path.extend_from_slice(&name);
            if self.is_later(&dir, &name, &dir.status(&name)?, path)? {
                return Ok(true);
            }
            path.truncate(len);
        }
        Ok(false)
    }
}

/// What `path` stands for, and the directory it lies in; `None` if there is nothing.
fn find<'a>(
    cursor: &'a mut Cursor,
    root: &'a Dir,
    path: &[u8],
) -> io::Result<Option<(&'a Dir, Status)>> {
    let found = cursor.find(root, path);
    let found = found.and_then(|(dir, name)| Ok((dir, dir.status(name)?)));
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

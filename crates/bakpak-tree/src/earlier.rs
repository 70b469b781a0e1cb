//! What killed runs had unpacked to the same target, taken over by the one that follows them.
//!
//! Nothing of it is trusted. Its times say only which files are worth reading; what becomes part of
//! the tree was compared, byte for byte, with what the archive gives.

use std::fs::File;
use std::io;

use bakpak_format::entry::{Entry, EntryPath};

use crate::cursor::Cursor;
use crate::leftover;
use crate::platform::os::{Dir, Handle};
use crate::platform::{FileId, Kind, Status};
use crate::remains::{Remains, TREE, remains};

/// Stages that killed runs left, locked for us.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    stages: Vec<EarlierStage>,
}

/// A stage of a run of this user that was killed, perhaps of the same archive.
#[derive(Debug)]
struct EarlierStage {
    name: Vec<u8>,
    dir: Dir,
    tree: Dir,
    cursor: Cursor,
    /// It was published for a while, and perhaps changed then: what is not in the archive stays.
    was_undone: bool,
    /// It is of the archive that is unpacked now: its name says so, or what was taken over.
    is_same_archive: bool,
    _lock: File,
}

/// A stage as it was found.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) name: Vec<u8>,
    pub(crate) dir: Dir,
    pub(crate) lock: File,
    /// It was published for a while and taken back.
    pub(crate) was_undone: bool,
    /// Its name says that it is of the archive that is unpacked now.
    pub(crate) is_same_archive: bool,
}

/// A file of an earlier run that may be what an entry is going to be.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) len: u64,
    id: FileId,
    stage: usize,
}

/// How much killed runs had unpacked that may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reusable {
    /// Bytes on disk.
    pub bytes: u64,
    /// Files, directories and links.
    pub inodes: u64,
}

impl Earlier {
    /// Adds a stage, if there is a tree in it.
    pub(crate) fn add(&mut self, left: Left) {
        let Left {
            name,
            dir,
            lock,
            was_undone,
            is_same_archive,
        } = left;
        if let Ok(tree) = dir.open_child(TREE) {
            self.stages.push(EarlierStage {
                name,
                dir,
                tree,
                cursor: Cursor::default(),
                was_undone,
                is_same_archive,
                _lock: lock,
            });
        }
    }

    /// A file with an entry's path, length and time. A file gets its time when it is complete.
    pub(crate) fn find(&mut self, entry: &Entry, len: Option<u64>) -> Option<Found> {
        // Where directories are paths only, a file opened to be read cannot be given a time either.
        if !Dir::IS_HANDLE {
            return None;
        }
        let mut stages = self.stages.iter_mut().enumerate();
        stages.find_map(|(index, stage)| {
            let path = entry.path.as_bytes();
            // What cannot be looked at is not taken over.
            let (dir, name) = stage.cursor.find(&stage.tree, path).ok()?;
            let promises = |status: &Status| {
                status.kind == Kind::File
                    && len.is_none_or(|len| status.size == len)
                    && status.mtime == entry.mtime
                    && (status.link_count == 1 || entry.linked || !stage.was_undone)
            };
            dir.status(name).ok().filter(&promises)?;
            let handle = Handle::open_in(dir, name, Kind::File).ok()?;
            let status = handle.status().ok().filter(&promises)?;
            let names = handle.xattr_names().ok()?;
            let is_foreign = |name: &Vec<u8>| {
                decides_access(name) && !entry.xattrs.iter().any(|(own, _)| own == name)
            };
            if names.iter().any(is_foreign) {
                return None;
            }
            Some(Found {
                file: handle.into_file().ok()?,
                len: status.size,
                id: status.id,
                stage: index,
            })
        })
    }

    /// Gives a file that was compared its new name.
    pub(crate) fn take(
        &mut self,
        found: &Found,
        path: &EntryPath,
        to: &Dir,
        new_name: &[u8],
    ) -> io::Result<()> {
        let stage = self.stages.get_mut(found.stage);
        let stage = stage.ok_or(io::ErrorKind::NotFound)?;
        let (dir, name) = stage.cursor.find(&stage.tree, path.as_bytes())?;
        if dir.status(name)?.id != found.id {
            return Err(io::Error::other("another program changed it meanwhile"));
        }
        dir.rename(name, to, new_name)?;
        stage.is_same_archive = true;
        Ok(())
    }

    /// What is in the trees.
    pub(crate) fn reusable(&self) -> Reusable {
        let mut sum = Reusable::default();
        for stage in &self.stages {
            // What cannot be counted is not counted: then there seems to be less room.
            add_up(&stage.tree, &mut sum).ok();
        }
        sum
    }

    /// Removes the stages, now that the tree is published: all of those that never published, of
    /// others what the target has too. Gives the names of those that are gone.
    pub(crate) fn remove(self, container: &Dir, published: &Dir) -> Vec<Vec<u8>> {
        let mut removed = Vec::new();
        for stage in self.stages {
            if stage.was_undone {
                // What cannot be compared stays.
                remove_what_is_there(&stage.tree, published).ok();
            }
            let may_go = match remains(&stage.dir) {
                Ok(Remains::Directories) => stage.is_same_archive,
                Ok(Remains::Unpacked) => stage.is_same_archive && !stage.was_undone,
                _ => false,
            };
            if may_go && leftover::remove_tree(container, &stage.name).is_ok() {
                removed.push(stage.name);
            }
        }
        removed
    }
}

/// Whether an attribute gives or takes rights, or is one of users. Others the system gives to every
/// file as it thinks fit.
fn decides_access(name: &[u8]) -> bool {
    !name.starts_with(b"security.") || name == b"security.capability"
}

fn add_up(dir: &Dir, sum: &mut Reusable) -> io::Result<()> {
    for name in dir.list()? {
        let status = dir.status(&name)?;
        sum.inodes += 1;
        match status.kind {
            Kind::Directory => add_up(&dir.open_child(&name)?, sum)?,
            _ => sum.bytes = sum.bytes.saturating_add(status.stored_len),
        }
    }
    Ok(())
}

/// Removes links below `dir` that are below `published` too: symbolic ones that lead to the same
/// place, and further names of the same file.
fn remove_what_is_there(dir: &Dir, published: &Dir) -> io::Result<()> {
    for name in dir.list()? {
        let ours = dir.status(&name)?;
        let theirs = match published.status(&name) {
            Ok(status) if status.kind == ours.kind => status,
            _ => continue,
        };
        let is_same = match ours.kind {
            Kind::Directory => {
                let (one, other) = (dir.open_child(&name)?, published.open_child(&name)?);
                remove_what_is_there(&one, &other)?;
                false
            }
            Kind::Symlink => link_target(dir, &name)? == link_target(published, &name)?,
            Kind::File => ours.id == theirs.id,
            _ => false,
        };
        if is_same {
            dir.remove_file(&name)?;
        }
    }
    Ok(())
}

fn link_target(dir: &Dir, name: &[u8]) -> io::Result<Vec<u8>> {
    Handle::open_in(dir, name, Kind::Symlink)?.link_target()
}

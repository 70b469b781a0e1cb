//! Where a tree goes, and what killed runs left there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StageError;
use crate::journal::Journal;
use crate::leftover::{self, Purpose, Room};
use crate::platform::os::{self, Dir};
use crate::platform::{self, Kind};

/// The tree, in the stage.
pub(crate) const TREE: &[u8] = b"tree";

/// A fresh file system has this in it; it is nobody's.
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// Where a tree goes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    /// Where the stage lies: the target itself, or the directory it will be in.
    pub(crate) container: Dir,
    /// The target's name in the container, if it is not there yet.
    pub(crate) name: Option<Vec<u8>>,
}

impl Target {
    /// Opens the target, or the directory it will be in. The path may lead over links.
    pub(crate) fn open(path: &Path) -> Result<Self, StageError> {
        let failed = |source| StageError::io("open", path.to_owned(), source);
        let there = || StageError::AlreadyThere {
            path: path.to_owned(),
        };
        let (container, name) = match os::status_at(path) {
            Ok(status) if status.kind == Kind::Directory => (path, None),
            Ok(_) => return Err(there()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            // A link that leads nowhere.
            Err(_) if fs::symlink_metadata(path).is_ok() => return Err(there()),
            Err(error) => match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => {
                    let parent = match parent.as_os_str().is_empty() {
                        true => Path::new("."),
                        false => parent,
                    };
                    (parent, Some(os::path_to_bytes(Path::new(name))))
                }
                _ => return Err(failed(error)),
            },
        };
        let opened = Dir::open(container);
        Ok(Self {
            path: path.to_owned(),
            container: opened
                .map_err(|error| StageError::io("open", container.to_owned(), error))?,
            name,
        })
    }

    /// What the stage is to the target.
    pub(crate) fn purpose(&self) -> Purpose<'_> {
        match &self.name {
            Some(name) => Purpose::Sibling(name),
            None => Purpose::Inside,
        }
    }

    /// Refuses a target that has anything in it but stages.
    pub(crate) fn refuse_unless_empty(&self) -> Result<(), StageError> {
        if self.name.is_some() {
            return Ok(());
        }
        let names = self.container.list();
        let names = names.map_err(|error| StageError::io("list", self.path.clone(), error))?;
        let is_something =
            |name: &Vec<u8>| name != LOST_AND_FOUND && !leftover::is_inside_stage(name);
        match names.iter().any(is_something) {
            true => Err(StageError::AlreadyThere {
                path: self.path.clone(),
            }),
            false => Ok(()),
        }
    }

    /// The path of a stage, for messages.
    pub(crate) fn path_of_room(&self, name: &[u8]) -> PathBuf {
        let name = os::path_from_bytes(name);
        match self.name {
            Some(_) => self.path.with_file_name(name),
            None => self.path.join(name),
        }
    }
}

/// What is free where `target` is or will be.
///
/// # Errors
///
/// What the system says.
pub fn room(target: &Path) -> io::Result<platform::Room> {
    let mut path = target;
    loop {
        let dir = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        match (Dir::open(dir), path.parent()) {
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => path = parent,
            (opened, _) => return opened?.room(),
        }
    }
}

/// Looks at other stages for the target: one in use refuses ours, publishing that was killed is
/// undone, and all that is left over is named.
pub(crate) fn settle(target: &Target, room: &Room) -> Result<Vec<PathBuf>, StageError> {
    let others = room.others(&target.container, target.purpose());
    let others = others.map_err(|error| StageError::io("list", target.path.clone(), error))?;
    if let Some(name) = others.locked.first() {
        return Err(StageError::Locked {
            path: target.path.clone(),
            stage: target.path_of_room(name),
        });
    }
    for name in &others.stale {
        undo(&target.container, name).map_err(|source| StageError::Unfinished {
            stage: target.path_of_room(name),
            source,
        })?;
    }
    let paths = others.stale.iter().map(|name| target.path_of_room(name));
    Ok(paths.collect())
}

/// Undoes what a killed run did to the target, if it has come so far.
fn undo(target: &Dir, stage: &[u8]) -> io::Result<()> {
    let stage = match target.open_child(stage) {
        // Named like a stage, but none.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
        result => result?,
    };
    let Some(journal) = Journal::read(&stage)? else {
        return Ok(());
    };
    journal.undo(target, &stage.open_child(TREE)?)?;
    Journal::remove(&stage)
}

/// Removes our stage, if what has its name is still it.
pub(crate) fn remove_room(target: &Target, room: &Room) -> io::Result<()> {
    let container = &target.container;
    if container.status(&room.name)?.id != room.dir.own_status()?.id {
        return Ok(());
    }
    leftover::remove_tree(container, &room.name)
}

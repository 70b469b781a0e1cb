//! Where a tree goes, and what killed runs left there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::earlier::{Earlier, Left};
use crate::error::StageError;
use crate::finished;
use crate::journal::{self, Journal, Progress};
use crate::leftover::{self, Condition, Other, Purpose, Room};
use crate::platform::os::{self, Dir};
use crate::platform::{self, Kind};
use crate::remains::{Remains, TREE, remains};

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
        if !names.iter().any(is_something) {
            return Ok(());
        }
        let path = self.path.clone();
        Err(match finished::clean_up(&path) {
            true => StageError::CompletedBefore { path },
            false => StageError::AlreadyThere { path },
        })
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

/// Other stages for the target that are not in use.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// There is no file in them and they are ours: they can be removed.
    pub(crate) leftovers: Vec<PathBuf>,
    /// They are ours and hold only what their runs had unpacked.
    pub(crate) unpublished: Vec<PathBuf>,
    /// All others.
    pub(crate) others: Vec<PathBuf>,
    /// Those of them that may be of the same archive: what is in them may be taken over.
    pub(crate) earlier: Earlier,
}

/// Looks at other stages for the target: one in use refuses ours, publishing that was killed is
/// undone or finished, and all that is left over is named.
pub(crate) fn settle(target: &Target, room: &Room) -> Result<Settled, StageError> {
    let others = room.others(&target.container, target.purpose());
    let others = others.map_err(|error| StageError::io("list", target.path.clone(), error))?;
    let is_locked = |other: &&Other| matches!(other.condition, Condition::Locked);
    if let Some(other) = others.iter().find(is_locked) {
        return Err(StageError::Locked {
            path: target.path.clone(),
            stage: target.path_of_room(&other.name),
        });
    }
    let mut settled = Settled::default();
    for other in others {
        let stage = target.path_of_room(&other.name);
        let remains = match settle_one(target, &other) {
            Ok(Remains::Nothing) => continue,
            Ok(remains) => remains,
            Err(source) => return Err(StageError::Unfinished { stage, source }),
        };
        match remains {
            Remains::Directories => settled.leftovers.push(stage),
            Remains::Unpacked => settled.unpublished.push(stage),
            _ => settled.others.push(stage),
        }
        let is_of_use = !matches!(remains, Remains::Unknown);
        if let Condition::Stale { dir, lock } = other.condition
            && is_of_use
            && leftover::may_be_same_archive(&other.name, &room.name)
        {
            settled.earlier.add(Left {
                was_undone: matches!(remains, Remains::Undone),
                is_same_archive: leftover::is_same_archive(&other.name, &room.name),
                name: other.name,
                dir,
                lock,
            });
        }
    }
    Ok(settled)
}

/// Undoes or finishes what a killed run did to the target, if it has come so far.
fn settle_one(target: &Target, other: &Other) -> io::Result<Remains> {
    // A stage beside its target is published by one rename: whatever calls itself a journal in
    // it is none of ours.
    let may_have_begun = target.name.is_none();
    match &other.condition {
        Condition::Locked | Condition::Foreign => Ok(Remains::Unknown),
        Condition::Doubtful { dir, why } => {
            match may_have_begun && dir.as_ref().is_none_or(Journal::may_be_in) {
                true => Err(io::Error::other(*why)),
                false => Ok(Remains::Unknown),
            }
        }
        Condition::Stale { dir, .. } => {
            if may_have_begun && undo_or_finish(&target.container, &other.name, dir)? {
                return Ok(Remains::Nothing);
            }
            // What cannot be looked at may be anything.
            Ok(remains(dir).unwrap_or(Remains::Unknown))
        }
    }
}

/// Whether nothing is left of the stage: only what is done is removed, never what is undone.
fn undo_or_finish(target: &Dir, name: &[u8], stage: &Dir) -> io::Result<bool> {
    match Journal::read(stage)? {
        Progress::NotBegun => Ok(false),
        Progress::Begun(journal) => {
            journal.undo(stage, target, &stage.open_child(TREE)?)?;
            journal::mark_undone(stage)?;
            Journal::remove(stage)?;
            Ok(false)
        }
        Progress::Done => {
            let is_it = target.status(name)?.id == stage.own_status()?.id;
            Ok(is_it && leftover::remove_tree(target, name).is_ok())
        }
    }
}

/// Removes our stage, if what has its name is still it.
pub(crate) fn remove_room(target: &Target, room: &Room) -> io::Result<()> {
    let container = &target.container;
    if container.status(&room.name)?.id != room.dir.own_status()?.id {
        return Ok(());
    }
    // First, so that no later run undoes by a journal whose tree is half removed.
    Journal::remove(&room.dir)?;
    leftover::remove_tree(container, &room.name)
}

//! Names and locks of what only exists while a run lasts, and of what killed runs leave behind.
//!
//! Who makes something temporary locks a file in or of it, and looks for others of the same
//! purpose beside it: one that is locked is of a run that lasts, one that is not was left behind.

use std::fs::{File, TryLockError};
use std::io;

use crate::platform::os::{self, Dir};
use crate::platform::{Kind, Status};

/// What all our temporary names start with.
const PREFIX: &[u8] = b".bakpak-";

/// Bytes of the archive's id in a name.
const ID_LEN: usize = 8;

/// Bytes of the target's name in a stage's name; file systems allow 255 in all.
const MAX_LABEL_LEN: usize = 200;

/// So many stages of killed runs of the same archive are passed over.
const MAX_TRIES: u32 = 1000;

/// The file in a stage that is locked while its run lasts.
pub(crate) const LOCK: &[u8] = b"lock";

/// What follows [`PREFIX`] in the name of a directory for what is replaced.
const REPLACED: &[u8] = b"replaced-";

/// What follows it in the name of a mark that says that a target is complete.
const COMPLETE: &[u8] = b"complete-";

/// A stage directory of ours.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: Vec<u8>,
    pub(crate) dir: Dir,
    /// Locked as long as it is open.
    _lock: File,
}

/// Another stage for the same target.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) name: Vec<u8>,
    pub(crate) condition: Condition,
}

/// Whose another stage is.
#[derive(Debug)]
pub(crate) enum Condition {
    /// Of a run that lasts.
    Locked,
    /// Of a run of this user that was killed; nobody else can have written to it, and it is
    /// locked for us as long as this lives.
    Stale { dir: Dir, lock: File },
    /// Perhaps of this user, but it cannot be told whether its run lasts, or who wrote to it.
    Doubtful { dir: Option<Dir>, why: &'static str },
    /// Of another user: no business of ours, and nothing in it is believed or even read.
    Foreign,
}

/// What became of trying to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locking {
    /// It is locked for us.
    Locked,
    /// Another process has it locked.
    Busy,
    /// Files cannot be locked here (some network file systems), so nobody can be noticed.
    Impossible,
}

/// Whose stages lie in a directory: those for a target in it, or for the directory itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// It becomes the target, which has this name.
    Sibling(&'a [u8]),
    /// It lies in the target.
    Inside,
}

impl Room {
    /// Makes a stage directory in `container` and locks it.
    pub(crate) fn make(container: &Dir, id: &[u8; 16], purpose: Purpose<'_>) -> io::Result<Self> {
        for number in 1..=MAX_TRIES {
            let name = stage_name(id, number, purpose);
            match container.make_child(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result?,
            }
            let made = Self::lock(container, &name);
            if made.is_err() {
                remove_tree(container, &name).ok();
            }
            let (dir, lock) = made?;
            return Ok(Self {
                name,
                dir,
                _lock: lock,
            });
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn lock(container: &Dir, name: &[u8]) -> io::Result<(Dir, File)> {
        let dir = container.open_child(name)?;
        dir.drop_acls();
        let lock = dir.create_file(LOCK)?;
        match try_lock(&lock) {
            Locking::Locked | Locking::Impossible => Ok((dir, lock)),
            Locking::Busy => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// The other stages for the same purpose.
    pub(crate) fn others(&self, container: &Dir, purpose: Purpose<'_>) -> io::Result<Vec<Other>> {
        let mut others = Vec::new();
        let mut names = container.list()?;
        names.sort_unstable();
        for name in names {
            if name == self.name || !is_stage_name(&name, purpose) {
                continue;
            }
            if let Some(condition) = look_at(container, &self.dir, &name)? {
                others.push(Other { name, condition });
            }
        }
        Ok(others)
    }
}

/// Finds out whose a stage is; `None` if it is none, or gone. `ours` is a directory of this user
/// on the same file system.
pub(crate) fn look_at(container: &Dir, ours: &Dir, name: &[u8]) -> io::Result<Option<Condition>> {
    let status = match container.status(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        status => status?,
    };
    if status.kind != Kind::Directory {
        return Ok(None);
    }
    let doubtful = |dir, why| Ok(Some(Condition::Doubtful { dir, why }));
    // Where the file system has owners of its own, ours has another one than we too.
    let (user, _) = os::effective_ids();
    if status.uid != user && status.uid != ours.own_status()?.uid {
        return Ok(Some(Condition::Foreign));
    }
    let Ok(dir) = container.open_child(name) else {
        return doubtful(None, "it cannot be opened");
    };
    let Ok(lock) = dir.open_file(LOCK, true) else {
        return doubtful(Some(dir), "it cannot be locked, so its run may last");
    };
    match try_lock(&lock) {
        Locking::Busy => Ok(Some(Condition::Locked)),
        Locking::Impossible => doubtful(Some(dir), "it cannot be locked, so its run may last"),
        // Asked of the handle: the name may stand for something else by now.
        Locking::Locked if is_ours_alone(&dir.own_status()?) => {
            Ok(Some(Condition::Stale { dir, lock }))
        }
        Locking::Locked => doubtful(Some(dir), "others may have written to it"),
    }
}

/// Whether this belongs to the user of this process and nobody else may write to it. An access
/// control list that gives more shows in the bits of the group.
pub(crate) fn is_ours_alone(status: &Status) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    status.uid == os::effective_ids().0 && status.mode & OTHERS_WRITE == 0
}

/// Makes a new directory in `target` for what is moved aside by the run with the stage `stage`.
pub(crate) fn make_aside(target: &Dir, stage: &[u8]) -> io::Result<Vec<u8>> {
    for number in 1..=MAX_TRIES {
        let name = aside_name(stage, number);
        match target.make_child(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| name),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn aside_name(stage: &[u8], number: u32) -> Vec<u8> {
    let rest = stage.strip_prefix(PREFIX).unwrap_or(stage);
    let mut name = [PREFIX, REPLACED, rest].concat();
    if number > 1 {
        name.extend(format!("-{number}").bytes());
    }
    name
}

/// Whether this is the name of a directory for what is replaced.
pub(crate) fn is_aside_name(name: &[u8]) -> bool {
    let rest = name.strip_prefix(PREFIX);
    let rest = rest.and_then(|rest| rest.strip_prefix(REPLACED));
    rest.is_some_and(|rest| !rest.is_empty()) && !name.contains(&b'/')
}

/// Whether this is the name of a stage that lies in its target.
pub(crate) fn is_inside_stage(name: &[u8]) -> bool {
    is_stage_name(name, Purpose::Inside)
}

/// Tries to lock a file.
///
/// Two runs that do not notice each other replace nothing of each other's: renames never do. But
/// only a lock tells that another's stage is not in use, so without it nothing is undone.
pub(crate) fn try_lock(file: &File) -> Locking {
    match file.try_lock() {
        Ok(()) => Locking::Locked,
        Err(TryLockError::WouldBlock) => Locking::Busy,
        Err(TryLockError::Error(_)) => Locking::Impossible,
    }
}

/// Whether anything but directories is in a directory or below it.
pub(crate) fn holds_files(dir: &Dir) -> io::Result<bool> {
    for name in dir.list()? {
        let is_directory = dir.status(&name)?.kind == Kind::Directory;
        if !is_directory || holds_files(&dir.open_child(&name)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes a directory and all in it, through handles: no link is followed.
pub(crate) fn remove_tree(container: &Dir, name: &[u8]) -> io::Result<()> {
    let dir = match container.open_child(name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Its own mode forbids us to look into it.
            container.make_accessible(name)?;
            container.open_child(name)?
        }
        result => result?,
    };
    let names = dir.list()?;
    if !names.is_empty() && !os::is_root() {
        // Its own mode may forbid us to take something out of it.
        dir.make_own_accessible().ok();
    }
    for child in names {
        match dir.status(&child)?.kind {
            Kind::Directory => remove_tree(&dir, &child)?,
            _ => dir.remove_file(&child)?,
        }
    }
    container.remove_dir(name)
}

fn stage_name(id: &[u8; 16], number: u32, purpose: Purpose<'_>) -> Vec<u8> {
    let mut name = PREFIX.to_vec();
    for byte in &id[..ID_LEN] {
        name.extend(format!("{byte:02x}").bytes());
    }
    if number > 1 {
        name.extend(format!(".{number}").bytes());
    }
    if let Purpose::Sibling(target) = purpose {
        name.push(b'@');
        name.extend(label(target));
    }
    name
}

/// The name of the mark beside a stage whose tree has become the target.
pub(crate) fn mark_name(stage: &[u8]) -> Vec<u8> {
    let rest = stage.strip_prefix(PREFIX).unwrap_or(stage);
    [PREFIX, COMPLETE, rest].concat()
}

/// The stage that a name is the mark of.
pub(crate) fn stage_of_mark(name: &[u8], purpose: Purpose<'_>) -> Option<Vec<u8>> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix(COMPLETE)?;
    let stage = [PREFIX, rest].concat();
    is_stage_name(&stage, purpose).then_some(stage)
}

/// Whether these are names of stages of the same archive, as far as names tell.
pub(crate) fn is_same_archive(one: &[u8], other: &[u8]) -> bool {
    id_of(one) == id_of(other)
}

/// Whether these are names of stages that may be of the same archive: what came from a pipe had
/// none that was known.
pub(crate) fn may_be_same_archive(one: &[u8], other: &[u8]) -> bool {
    const UNKNOWN: &[u8] = &[b'0'; 2 * ID_LEN];
    let (one, other) = (id_of(one), id_of(other));
    one == other || one == UNKNOWN || other == UNKNOWN
}

/// The part of a stage's name that is of its archive.
fn id_of(name: &[u8]) -> &[u8] {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    rest.get(..2 * ID_LEN).unwrap_or_default()
}

/// Whether this is the name of a stage for a purpose.
pub(crate) fn is_stage_name(name: &[u8], purpose: Purpose<'_>) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let mut parts = rest.splitn(2, |&b| b == b'@');
    let id = parts.next().unwrap_or_default();
    let for_us = match (purpose, parts.next()) {
        (Purpose::Sibling(target), Some(name)) => name == label(target),
        (Purpose::Inside, None) => true,
        _ => false,
    };
    let (hex, number) = id.split_at_checked(2 * ID_LEN).unwrap_or_default();
    let is_number = number.is_empty()
        || (number.starts_with(b".") && number[1..].iter().all(u8::is_ascii_digit));
    for_us && is_number && !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit)
}

/// What of a target's name fits into a stage's name: whole characters, if it has any.
pub(crate) fn label(target: &[u8]) -> &[u8] {
    if target.len() <= MAX_LABEL_LEN {
        return target;
    }
    let is_start = |&at: &usize| target[at] & 0xC0 != 0x80;
    let end = (MAX_LABEL_LEN - 3..=MAX_LABEL_LEN).rev().find(is_start);
    &target[..end.unwrap_or(MAX_LABEL_LEN)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = [0xAB; 16];

    #[test]
    fn a_stage_is_known_by_its_name_for_one_purpose_only() {
        let inside = stage_name(&ID, 1, Purpose::Inside);
        assert_eq!(inside, b".bakpak-abababababababab");
        let sibling = stage_name(&ID, 2, Purpose::Sibling(b"t@a"));
        assert_eq!(sibling, b".bakpak-abababababababab.2@t@a");
        assert!(is_stage_name(&inside, Purpose::Inside));
        assert!(is_stage_name(&sibling, Purpose::Sibling(b"t@a")));
        assert!(!is_stage_name(&sibling, Purpose::Sibling(b"a")));
        assert!(!is_stage_name(&sibling, Purpose::Inside));
        assert!(!is_stage_name(&inside, Purpose::Sibling(b"t")));
        assert!(!is_stage_name(&aside_name(&inside, 1), Purpose::Inside));
        assert!(!is_stage_name(b".bakpak-", Purpose::Inside));
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = "ü".repeat(120);
        assert_eq!(label(name.as_bytes()), "ü".repeat(100).as_bytes());
        let name = format!("x{name}");
        assert!(str::from_utf8(label(name.as_bytes())).is_ok());
    }
}

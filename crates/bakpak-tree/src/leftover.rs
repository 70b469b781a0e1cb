//! Names and locks of what only exists while a run lasts, and of what killed runs leave behind.
//!
//! Who makes something temporary locks a file in or of it, and looks for others of the same
//! purpose beside it: one that is locked is of a run that lasts, one that is not was left behind.

use std::fs::{File, TryLockError};
use std::io;

use crate::platform::os::{self, Dir};

/// What all our temporary names start with.
const PREFIX: &[u8] = b".bakpak-";

/// Bytes of the archive's id in a name.
const ID_LEN: usize = 8;

/// Bytes of the target's name in a stage's name; file systems allow 255 in all.
const MAX_LABEL_LEN: usize = 200;

/// So many stages of killed runs of the same archive are passed over.
const MAX_TRIES: u32 = 1000;

/// The file in a stage that is locked while its run lasts.
const LOCK: &[u8] = b"lock";

/// A stage directory of ours.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: Vec<u8>,
    pub(crate) dir: Dir,
    /// Locked as long as it is open.
    _lock: File,
}

/// Other stages for the same target.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// Of runs that last.
    pub(crate) locked: Vec<Vec<u8>>,
    /// Of runs that were killed.
    pub(crate) stale: Vec<Vec<u8>>,
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
        try_lock(&lock)?;
        Ok((dir, lock))
    }

    /// The other stages for the same purpose.
    pub(crate) fn others(&self, container: &Dir, purpose: Purpose<'_>) -> io::Result<Others> {
        let mut others = Others::default();
        for name in container.list()? {
            if name == self.name || !is_stage_name(&name, purpose) {
                continue;
            }
            let lock = container
                .open_child(&name)
                .and_then(|dir| dir.open_file(LOCK, true));
            match lock.map(|lock| try_lock(&lock)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    others.locked.push(name);
                }
                _ => others.stale.push(name),
            }
        }
        Ok(others)
    }
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
    let mut name = [PREFIX, b"replaced-", rest].concat();
    if number > 1 {
        name.extend(format!("-{number}").bytes());
    }
    name
}

/// Whether this is the name of a stage that lies in its target.
pub(crate) fn is_inside_stage(name: &[u8]) -> bool {
    is_stage_name(name, Purpose::Inside)
}

/// Locks a file; `WouldBlock` if another process has it locked.
///
/// Where files cannot be locked (some network file systems) this does nothing: what is published
/// never replaces anything, so the lock only saves work.
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
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
            crate::platform::Kind::Directory => remove_tree(&dir, &child)?,
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

fn is_stage_name(name: &[u8], purpose: Purpose<'_>) -> bool {
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

//! Owners, modes, attributes and times, put on what was staged; what cannot be is counted.

use std::fs::File;
use std::io;

use bakpak_format::entry::{Entry, EntryKind};

use crate::owners::Owners;
use crate::platform::os::{self, Dir};
use crate::report::{LossKind, Losses};

/// Set-user-id and set-group-id.
const SET_ID_BITS: u32 = 0o6000;

/// The attribute that gives a program powers of root, like set-user-id.
const CAPABILITY: &[u8] = b"security.capability";

/// What is restored of the metadata, and as whom.
#[derive(Debug)]
pub(crate) struct Policy {
    owners: Owners,
    with_owner: bool,
    with_special: bool,
    is_root: bool,
    own_ids: (u32, u32),
}

impl Policy {
    pub(crate) fn new(with_owner: bool, with_special: bool) -> Self {
        Self {
            owners: Owners::load(),
            with_owner,
            with_special,
            is_root: os::is_root(),
            own_ids: os::effective_ids(),
        }
    }

    /// Whether named pipes, devices and set-id bits are made.
    pub(crate) fn allows_special(&self) -> bool {
        self.with_special
    }

    /// Puts an entry's metadata on its file or directory.
    ///
    /// The order matters: a change of owner clears set-id bits and capabilities, users may set
    /// their attributes only while the mode lets them write, an access control list changes the
    /// group's bits, and everything but the last step may change times.
    pub(crate) fn restore(&self, file: &File, entry: &Entry, losses: &mut Losses) {
        let path = &entry.path;
        let owned = self.restore_owner(entry, losses, |uid, gid| os::set_owner(file, uid, gid));
        let restore_xattrs = |of_users: bool, losses: &mut Losses| {
            let is_due = |name: &[u8]| (loss_of(name) == LossKind::UserXattr) == of_users;
            for (name, value) in entry.xattrs.iter().filter(|(name, _)| is_due(name)) {
                let set = || os::set_xattr(file, name, value);
                self.restore_xattr(entry, name, owned, losses, set);
            }
        };
        restore_xattrs(true, losses);
        let mode = self.mode(entry, owned, losses);
        losses.note_error(LossKind::Mode, path, os::set_mode(file, mode));
        restore_xattrs(false, losses);
        losses.note_error(LossKind::Mtime, path, os::set_mtime(file, entry.mtime));
    }

    /// Puts an entry's metadata on the link, named pipe or device `name`.
    pub(crate) fn restore_name(&self, dir: &Dir, name: &[u8], entry: &Entry, losses: &mut Losses) {
        let path = &entry.path;
        let owned =
            self.restore_owner(entry, losses, |uid, gid| dir.set_link_owner(name, uid, gid));
        // A link has no permissions of its own.
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            let mode = self.mode(entry, owned, losses);
            losses.note_error(LossKind::Mode, path, dir.set_special_mode(name, mode));
        }
        for (attribute, value) in &entry.xattrs {
            self.restore_xattr(entry, attribute, owned, losses, || {
                dir.set_link_xattr(name, attribute, value)
            });
        }
        let done = dir.set_link_mtime(name, entry.mtime);
        losses.note_error(LossKind::Mtime, path, done);
    }

    /// Sets the owner if that is wanted; says whether it is the right one now.
    fn restore_owner(
        &self,
        entry: &Entry,
        losses: &mut Losses,
        set: impl FnOnce(u32, u32) -> io::Result<()>,
    ) -> bool {
        let uid = self.owners.user_id(&entry.user, entry.uid);
        let gid = self.owners.group_id(&entry.group, entry.gid);
        let done = match (uid, gid) {
            (Some(uid), Some(gid)) if self.with_owner => set(uid, gid).map_err(Some),
            (Some(uid), Some(gid)) if (uid, gid) == self.own_ids => Ok(()),
            _ => Err(None),
        };
        match done {
            Ok(()) => true,
            Err(error) => {
                losses.note(LossKind::Owner, &entry.path, error);
                false
            }
        }
    }

    /// The permission bits that may be set.
    ///
    /// A program that runs as its owner must not do so under another owner than it had. On
    /// directories the bits give no power, only the group to what is made in them.
    fn mode(&self, entry: &Entry, owned: bool, losses: &mut Losses) -> u32 {
        let is_directory = matches!(entry.kind, EntryKind::Directory);
        if is_directory || entry.mode & SET_ID_BITS == 0 || (self.with_special && owned) {
            return entry.mode & 0o7777;
        }
        losses.note(LossKind::Privilege, &entry.path, None);
        entry.mode & 0o7777 & !SET_ID_BITS
    }

    fn restore_xattr(
        &self,
        entry: &Entry,
        name: &[u8],
        owned: bool,
        losses: &mut Losses,
        set: impl FnOnce() -> io::Result<()>,
    ) {
        let kind = loss_of(name);
        let may = match kind {
            LossKind::Privilege => self.with_special && owned && self.is_root,
            LossKind::SystemXattr => self.is_root,
            _ => true,
        };
        let done = if may { set().map_err(Some) } else { Err(None) };
        if let Err(error) = done {
            losses.note(kind, &entry.path, error);
        }
    }
}

/// What is lost with an attribute of this name.
fn loss_of(name: &[u8]) -> LossKind {
    match name {
        CAPABILITY => LossKind::Privilege,
        _ if name.starts_with(b"user.") => LossKind::UserXattr,
        _ if name.starts_with(b"system.posix_acl_") => LossKind::Acl,
        _ => LossKind::SystemXattr,
    }
}

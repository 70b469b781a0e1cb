//! Directory handles: everything by name is done relative to one, and nothing follows a link.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use bakpak_format::entry::{EntryKind, Timestamp};
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, RawDir, RenameFlags, SeekFrom, Uid,
    XattrFlags,
};
use rustix::io::Errno;

use super::file::{is_root, proc_path, status_from, status_of, timestamps};
use crate::platform::{Room, Status};

/// An open directory. What is done by name is done inside it, whatever its path now leads to.
#[derive(Debug)]
pub(crate) struct Dir(pub(super) File);

impl Dir {
    /// Opens a directory by path; links on the way are followed, since the user named it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self(fd.into()))
    }

    /// A second handle of the same directory.
    pub(crate) fn reopen(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Opens a directory in this one; a link in its place is an error.
    pub(crate) fn open_child(&self, name: &[u8]) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        Ok(Self(fd.into()))
    }

    /// Frees this directory of access control lists, which all made in it would inherit.
    pub(crate) fn drop_acls(&self) {
        // It has none, or the file system knows none, or what is made will show it.
        rustix::fs::fremovexattr(&self.0, "system.posix_acl_default").ok();
        rustix::fs::fremovexattr(&self.0, "system.posix_acl_access").ok();
    }

    /// Makes a directory that only its owner may enter.
    pub(crate) fn make_child(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::RWXU)?)
    }

    /// Makes a new file that only its owner may read, open for reading and writing.
    pub(crate) fn create_file(&self, name: &[u8]) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(fd.into())
    }

    /// Opens a regular file for reading and, if `write`, writing.
    pub(crate) fn open_file(&self, name: &[u8], write: bool) -> io::Result<File> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        Ok(fd.into())
    }

    /// Makes a symbolic link.
    pub(crate) fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.0, name)?)
    }

    /// Makes a named pipe or a device that only its owner may use.
    pub(crate) fn make_special(&self, kind: &EntryKind, name: &[u8]) -> io::Result<()> {
        let (file_type, device) = match kind {
            EntryKind::Fifo => (FileType::Fifo, 0),
            EntryKind::CharDevice { major, minor } => (
                FileType::CharacterDevice,
                rustix::fs::makedev(*major, *minor),
            ),
            EntryKind::BlockDevice { major, minor } => {
                (FileType::BlockDevice, rustix::fs::makedev(*major, *minor))
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::mknodat(&self.0, name, file_type, mode, device)?)
    }

    /// Gives a file a further name.
    pub(crate) fn link(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::linkat(
            &self.0,
            name,
            &to.0,
            new_name,
            AtFlags::empty(),
        )?)
    }

    /// Renames; what has the new name already is never replaced.
    pub(crate) fn rename(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.0, name, &to.0, new_name, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag (and not every kernel the call).
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.rename_checked(name, to, new_name)
            }
            result => Ok(result?),
        }
    }

    /// Renames over what has the new name.
    pub(crate) fn rename_over(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, name, &to.0, new_name)?)
    }

    /// A file by link and unlink, which never replaces; anything else after a look.
    fn rename_checked(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        match self.link(name, to, new_name) {
            Ok(()) => return self.remove_file(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
        match to.status(new_name) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.rename_over(name, to, new_name)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes anything but a directory.
    pub(crate) fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// The names in this directory, without `.` and `..`, in no order.
    pub(crate) fn list(&self) -> io::Result<Vec<Vec<u8>>> {
        rustix::fs::seek(&self.0, SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut items = RawDir::new(&self.0, buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(item) = items.next() {
            let item = item?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// What a name stands for.
    pub(crate) fn status(&self, name: &[u8]) -> io::Result<Status> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(status_from(&stat))
    }

    /// What this directory is.
    pub(crate) fn own_status(&self) -> io::Result<Status> {
        status_of(&self.0)
    }

    /// Whether this process may read a file or directory (root may read all).
    pub(crate) fn may_read(&self, name: &[u8]) -> io::Result<()> {
        if is_root() {
            return Ok(());
        }
        Ok(rustix::fs::accessat(
            &self.0,
            name,
            Access::READ_OK,
            AtFlags::EACCESS,
        )?)
    }

    /// A handle for what is set by handle.
    pub(crate) fn as_file(&self) -> io::Result<&File> {
        Ok(&self.0)
    }

    /// Gives the owner all rights on a directory in this one.
    pub(crate) fn make_accessible(&self, name: &[u8]) -> io::Result<()> {
        let flags = AtFlags::empty();
        Ok(rustix::fs::chmodat(&self.0, name, Mode::RWXU, flags)?)
    }

    /// Gives the owner all rights on this directory.
    pub(crate) fn make_own_accessible(&self) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.0, Mode::RWXU)?)
    }

    /// Sets the permission bits of a named pipe or device made in this directory.
    pub(crate) fn set_special_mode(&self, name: &[u8], mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        Ok(rustix::fs::chmodat(&self.0, name, mode, AtFlags::empty())?)
    }

    /// Sets the owner of a name itself, not of what it leads to.
    pub(crate) fn set_link_owner(&self, name: &[u8], uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(
            &self.0,
            name,
            Some(uid),
            Some(gid),
            flags,
        )?)
    }

    /// Sets the modification time of a name itself.
    pub(crate) fn set_link_mtime(&self, name: &[u8], mtime: Timestamp) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::utimensat(
            &self.0,
            name,
            &timestamps(mtime),
            flags,
        )?)
    }

    /// Sets an extended attribute of a name itself.
    pub(crate) fn set_link_xattr(
        &self,
        name: &[u8],
        attribute: &[u8],
        value: &[u8],
    ) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        let path = proc_path(fd.as_raw_fd());
        Ok(rustix::fs::setxattr(
            path,
            attribute,
            value,
            XattrFlags::empty(),
        )?)
    }

    /// Waits until this directory's names are on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.0) {
            // Some network file systems cannot sync a directory; there is nothing else to do.
            Err(Errno::INVAL | Errno::NOTSUP | Errno::ROFS) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Waits until all of this file system is on disk.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        match rustix::fs::syncfs(&self.0) {
            Err(Errno::NOSYS) => {
                rustix::fs::sync();
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// What is free here.
    pub(crate) fn room(&self) -> io::Result<Room> {
        let stat = rustix::fs::fstatvfs(&self.0)?;
        Ok(Room {
            bytes_free: stat.f_bavail.saturating_mul(stat.f_frsize),
            inodes_free: (stat.f_files > 0).then_some(stat.f_favail),
        })
    }

    /// Longest component of a path here, in bytes.
    pub(crate) fn max_name_len(&self) -> io::Result<usize> {
        let stat = rustix::fs::fstatvfs(&self.0)?;
        Ok(usize::try_from(stat.f_namemax).unwrap_or(usize::MAX))
    }
}

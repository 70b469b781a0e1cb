//! Directories by path, since the standard library has no handles for them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bakpak_format::entry::{EntryKind, Timestamp};

use super::file::{MAX_NAME_LEN, may_read, set_mtime, set_read_only, status_from, text};
use crate::platform::{Kind, Room, Status};

/// `FILE_FLAG_BACKUP_SEMANTICS`: lets a directory be opened.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a link itself.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// `FILE_WRITE_ATTRIBUTES`, enough to set times.
const WRITE_ATTRIBUTES: u32 = 0x100;

/// A directory, by its path.
#[derive(Debug)]
pub(crate) struct Dir {
    pub(super) path: PathBuf,
    /// Opened for a change of its times, when first needed.
    file: OnceLock<File>,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        if !fs::metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self::at(path))
    }

    pub(crate) fn reopen(&self) -> io::Result<Self> {
        Ok(Self::at(self.path.clone()))
    }

    pub(crate) fn open_child(&self, name: &[u8]) -> io::Result<Self> {
        let path = self.child(name)?;
        match status_from(&fs::symlink_metadata(&path)?, &path).kind {
            Kind::Directory => Ok(Self::at(path)),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn drop_acls(&self) {}

    pub(crate) fn make_child(&self, name: &[u8]) -> io::Result<()> {
        fs::create_dir(self.child(name)?)
    }

    pub(crate) fn create_file(&self, name: &[u8]) -> io::Result<File> {
        File::create_new(self.child(name)?)
    }

    pub(crate) fn open_file(&self, name: &[u8], write: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(write);
        options
            .custom_flags(OPEN_REPARSE_POINT)
            .open(self.child(name)?)
    }

    pub(crate) fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        let link = self.child(name)?;
        let target = PathBuf::from(text(target)?.replace('/', "\\"));
        // The two kinds of links differ here; what it leads to is in place, if it is in the tree.
        match self.path.join(&target).is_dir() {
            true => std::os::windows::fs::symlink_dir(target, link),
            false => std::os::windows::fs::symlink_file(target, link),
        }
    }

    pub(crate) fn make_special(&self, _kind: &EntryKind, _name: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn link(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        fs::hard_link(self.child(name)?, to.child(new_name)?)
    }

    /// Renames. The standard library always replaces, so it looks first: what another program
    /// puts there in between is lost, unless it is a directory.
    pub(crate) fn rename(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        match fs::symlink_metadata(to.child(new_name)?) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.rename_over(name, to, new_name)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn rename_over(&self, name: &[u8], to: &Self, new_name: &[u8]) -> io::Result<()> {
        fs::rename(self.child(name)?, to.child(new_name)?)
    }

    pub(crate) fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        let path = self.child(name)?;
        match fs::remove_file(&path) {
            // A link to a directory, or something read-only, such as we make ourselves.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                if fs::symlink_metadata(&path)?.is_symlink() {
                    return fs::remove_dir(&path);
                }
                set_read_only(&path, false)?;
                fs::remove_file(&path)
            }
            result => result,
        }
    }

    pub(crate) fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        fs::remove_dir(self.child(name)?)
    }

    pub(crate) fn list(&self) -> io::Result<Vec<Vec<u8>>> {
        let names =
            fs::read_dir(&self.path)?.map(|item| Ok(item?.file_name().into_encoded_bytes()));
        names.collect()
    }

    pub(crate) fn status(&self, name: &[u8]) -> io::Result<Status> {
        let path = self.child(name)?;
        Ok(status_from(&fs::symlink_metadata(&path)?, &path))
    }

    pub(crate) fn own_status(&self) -> io::Result<Status> {
        Ok(status_from(&fs::metadata(&self.path)?, &self.path))
    }

    pub(crate) fn may_read(&self, name: &[u8]) -> io::Result<()> {
        may_read(&self.child(name)?)
    }

    pub(crate) fn as_file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let mut options = OpenOptions::new();
        options.access_mode(WRITE_ATTRIBUTES);
        let file = options.custom_flags(BACKUP_SEMANTICS).open(&self.path)?;
        Ok(self.file.get_or_init(|| file))
    }

    pub(crate) fn make_accessible(&self, name: &[u8]) -> io::Result<()> {
        set_read_only(&self.child(name)?, false)
    }

    pub(crate) fn make_own_accessible(&self) -> io::Result<()> {
        set_read_only(&self.path, false)
    }

    pub(crate) fn set_special_mode(&self, _name: &[u8], _mode: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn set_link_owner(&self, _name: &[u8], _uid: u32, _gid: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn set_link_mtime(&self, name: &[u8], mtime: Timestamp) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.access_mode(WRITE_ATTRIBUTES);
        let flags = BACKUP_SEMANTICS | OPEN_REPARSE_POINT;
        let file = options.custom_flags(flags).open(self.child(name)?)?;
        set_mtime(&file, mtime)
    }

    pub(crate) fn set_link_xattr(&self, _: &[u8], _: &[u8], _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A directory cannot be synced here; renames are journalled by the file system.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Only an administrator may sync a volume: what was written is in the system's hands.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Ok(())
    }

    /// The standard library does not tell, so nothing is refused for want of room.
    pub(crate) fn room(&self) -> io::Result<Room> {
        Ok(Room {
            bytes_free: u64::MAX,
            inodes_free: None,
        })
    }

    pub(crate) fn max_name_len(&self) -> io::Result<usize> {
        Ok(3 * MAX_NAME_LEN)
    }

    fn at(path: PathBuf) -> Self {
        let file = OnceLock::new();
        Self { path, file }
    }

    pub(super) fn child(&self, name: &[u8]) -> io::Result<PathBuf> {
        let name = text(name)?;
        // One component, and none that leads elsewhere: `C:x`, `\x`, `x:stream`.
        if name.contains(['\\', '/', ':']) {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        Ok(self.path.join(name))
    }
}

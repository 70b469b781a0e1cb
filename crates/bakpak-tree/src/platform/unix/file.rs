//! What is asked of, and done to, a file by its handle; and what this system calls things.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bakpak_format::entry::Timestamp;
use rustix::fs::{
    Access, Advice, AtFlags, CWD, FileType, Gid, Mode, SeekFrom, Timespec, Timestamps, UTIME_OMIT,
    Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::platform::{FileId, Kind, Status};

/// Sets owner and group.
pub(crate) fn set_owner(file: &File, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    Ok(rustix::fs::fchown(file, Some(uid), Some(gid))?)
}

/// Sets the permission bits.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// Sets the modification time and leaves the time of the last access.
pub(crate) fn set_mtime(file: &File, mtime: Timestamp) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &timestamps(mtime))?)
}

/// Sets an extended attribute.
pub(crate) fn set_xattr(file: &File, attribute: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(
        file,
        attribute,
        value,
        XattrFlags::empty(),
    )?)
}

/// The user and group this process acts as.
pub(crate) fn effective_ids() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    // Asked for every file of a walk; this process never changes it.
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    *IS_ROOT.get_or_init(|| rustix::process::geteuid().is_root())
}

/// What an open file is.
pub(crate) fn status_of(file: &File) -> io::Result<Status> {
    Ok(status_from(&rustix::fs::fstat(file)?))
}

/// What a path leads to, links followed.
pub(crate) fn status_at(path: &Path) -> io::Result<Status> {
    Ok(status_from(&rustix::fs::stat(path)?))
}

/// Whether this process may read what a path leads to.
pub(crate) fn may_read(path: &Path) -> io::Result<()> {
    if is_root() {
        return Ok(());
    }
    let flags = AtFlags::EACCESS;
    Ok(rustix::fs::accessat(CWD, path, Access::READ_OK, flags)?)
}

/// Whether something was not opened because a link lies on the way to it, or in its place.
pub(crate) fn is_link_in_the_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Reads at a place of a file. A signal that comes meanwhile (network file systems let it in) is no
/// fault of the file: it is read again.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Where the first data at or after a place lies; `None` if there is only a hole up to the end.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        // The file system tells nothing of holes: all is data.
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(Some(offset)),
        Err(error) => Err(error.into()),
    }
}

/// Writes all at a place of a file.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Lets the kernel write what was written, and forget it once that is done.
pub(crate) fn start_write_back(file: &File, offset: u64, len: u64) {
    // Advice: whether it is taken changes nothing but the time of the final sync.
    let len = std::num::NonZeroU64::new(len);
    rustix::fs::fadvise(file, offset, len, Advice::DontNeed).ok();
}

/// A name or relative path of the archive, as this system spells it.
pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The bytes of a path on this system.
pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().to_owned().into_vec()
}

/// Which rule of this system a component breaks, whatever the file system.
pub(crate) fn forbidden_name(_name: &[u8]) -> Option<&'static str> {
    None
}

#[allow(
    clippy::useless_conversion,
    reason = "the fields have other widths on other processors"
)]
pub(super) fn status_from(stat: &rustix::fs::Stat) -> Status {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => Kind::Other,
    };
    Status {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        link_count: u64::from(stat.st_nlink),
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        // In units of 512 bytes, whatever the file system's own are.
        stored_len: u64::try_from(stat.st_blocks)
            .unwrap_or_default()
            .saturating_mul(512),
        id: FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        },
        mtime: timestamp(stat.st_mtime, stat.st_mtime_nsec),
        ctime: timestamp(stat.st_ctime, stat.st_ctime_nsec),
        device: (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        ),
    }
}

fn timestamp(seconds: i64, nanos: impl TryInto<u32>) -> Timestamp {
    Timestamp {
        seconds,
        nanos: nanos.try_into().unwrap_or_default(),
    }
}

pub(super) fn timestamps(mtime: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime.seconds,
            tv_nsec: mtime.nanos.into(),
        },
    }
}

/// The one path that leads to what a handle stands for, also to a link itself.
pub(super) fn proc_path(fd: i32) -> String {
    format!("/proc/self/fd/{fd}")
}

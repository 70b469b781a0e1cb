//! What is asked of, and done to, a file; and what this system calls things.

use std::fs::{self, File, FileTimes, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bakpak_format::entry::Timestamp;

use crate::platform::{FileId, Kind, Status};

/// `FILE_ATTRIBUTE_READONLY`.
const READ_ONLY: u32 = 1;

/// Longest component in UTF-16 units; in bytes of UTF-8 it may be three times that.
pub(super) const MAX_NAME_LEN: usize = 255;

pub(crate) fn set_owner(_file: &File, _uid: u32, _gid: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Keeps what there is of a mode: whether the owner may write. Directories are left writable:
/// the read-only bit means something else there.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let meta = file.metadata()?;
    let read_only = mode & 0o200 == 0;
    let mut permissions = meta.permissions();
    if meta.is_dir() || permissions.readonly() == read_only {
        return Ok(());
    }
    permissions.set_readonly(read_only);
    file.set_permissions(permissions)
}

pub(crate) fn set_mtime(file: &File, mtime: Timestamp) -> io::Result<()> {
    let seconds = Duration::from_secs(mtime.seconds.unsigned_abs());
    let time = match mtime.seconds < 0 {
        true => UNIX_EPOCH.checked_sub(seconds),
        false => UNIX_EPOCH.checked_add(seconds),
    };
    let time = time.and_then(|time| time.checked_add(Duration::from_nanos(mtime.nanos.into())));
    let time = time.ok_or(io::ErrorKind::InvalidInput)?;
    file.set_times(FileTimes::new().set_modified(time))
}

pub(crate) fn set_xattr(_file: &File, _attribute: &[u8], _value: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn effective_ids() -> (u32, u32) {
    (0, 0)
}

pub(crate) fn is_root() -> bool {
    false
}

pub(crate) fn status_of(file: &File) -> io::Result<Status> {
    Ok(status_from(&file.metadata()?, Path::new("")))
}

pub(crate) fn status_at(path: &Path) -> io::Result<Status> {
    let meta = fs::metadata(path)?;
    Ok(status_from(&meta, &fs::canonicalize(path)?))
}

pub(crate) fn may_read(path: &Path) -> io::Result<()> {
    File::open(path).map(drop)
}

pub(crate) fn is_link_in_the_way(_error: &io::Error) -> bool {
    false
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

pub(crate) fn next_data(_file: &File, offset: u64) -> io::Result<Option<u64>> {
    Ok(Some(offset))
}

pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            len => {
                bytes = &bytes[len..];
                offset += len as u64;
            }
        }
    }
    Ok(())
}

pub(crate) fn start_write_back(_file: &File, _offset: u64, _len: u64) {}

pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// The length in UTF-16 counts here, which the caller does not know.
pub(crate) fn forbidden_name(name: &[u8]) -> Option<&'static str> {
    let name = str::from_utf8(name).ok()?;
    let is_long = name.encode_utf16().count() > MAX_NAME_LEN;
    is_long.then_some("it is longer than 255 UTF-16 units")
}

pub(super) fn text(name: &[u8]) -> io::Result<&str> {
    str::from_utf8(name).map_err(|_| io::ErrorKind::InvalidFilename.into())
}

pub(super) fn set_read_only(path: &Path, read_only: bool) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    permissions.set_readonly(read_only);
    fs::set_permissions(path, permissions)
}

pub(super) fn status_from(meta: &Metadata, path: &Path) -> Status {
    let file_type = meta.file_type();
    let kind = match () {
        () if file_type.is_symlink() => Kind::Symlink,
        () if file_type.is_dir() => Kind::Directory,
        () if file_type.is_file() => Kind::File,
        () => Kind::Other,
    };
    let write = if meta.file_attributes() & READ_ONLY == 0 {
        0o200
    } else {
        0
    };
    let mode = match kind {
        Kind::Directory => 0o755,
        Kind::Symlink => 0o777,
        _ => 0o444 | write,
    };
    let mtime = Timestamp::from(meta.modified().unwrap_or(UNIX_EPOCH));
    let size = if kind == Kind::File { meta.len() } else { 0 };
    Status {
        kind,
        mode,
        uid: 0,
        gid: 0,
        link_count: 1,
        size,
        stored_len: size,
        id: id_of(path),
        mtime,
        ctime: mtime,
        device: (0, 0),
    }
}

/// Stable Rust does not tell a file's number here: its path stands for it.
fn id_of(path: &Path) -> FileId {
    let mut hasher = DefaultHasher::new();
    path.as_os_str().hash(&mut hasher);
    FileId {
        device: 0,
        inode: hasher.finish(),
    }
}

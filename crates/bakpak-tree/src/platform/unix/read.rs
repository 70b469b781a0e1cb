//! Reading what was walked: handles that neither hang nor follow, holes, attributes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use bakpak_format::entry::Extent;
use rustix::fs::{Advice, CWD, Mode, OFlags, ResolveFlags, SeekFrom};
use rustix::io::Errno;

use super::dir::Dir;
use super::file::{proc_path, read_at, status_of};
use crate::platform::{Kind, Status};

/// Longest path handed to the kernel at once; below its own limit of 4,096 with the final NUL.
const MAX_CALL_LEN: usize = 4000;

/// Attributes of these names are kept; others describe the file system, not the file.
const KEPT_XATTRS: [&[u8]; 5] = [
    b"user.",
    b"security.",
    b"trusted.",
    b"system.posix_acl_access",
    b"system.posix_acl_default",
];

/// No system has a longer value or list of names.
const MAX_LIST_LEN: usize = 1 << 20;

/// A file system that is asked this often for a list that keeps growing is given up.
const MAX_TRIES: usize = 8;

/// Something of the tree, open for reading.
#[derive(Debug)]
pub(crate) struct Handle {
    file: File,
    /// Opened only as a place: neither content nor attributes can be had by the handle itself.
    place_only: bool,
}

impl Handle {
    /// Opens what lies at `path` under `root`; a link on the way or in its place is an error.
    ///
    /// Never waits (a named pipe in the place of a file) and never follows.
    pub(crate) fn open_beneath(root: &Dir, path: &[u8], kind: Kind) -> io::Result<Self> {
        let wanted = open_flags(kind);
        let path = if path.is_empty() { b"." } else { path };
        without_trace(wanted, |flags| open_beneath(&root.0, path, flags))
    }

    /// Opens what has this name in `dir`; a link in its place is an error.
    ///
    /// Like [`Self::open_beneath`], in less time: nothing on the way has to be looked up and checked.
    pub(crate) fn open_in(dir: &Dir, name: &[u8], kind: Kind) -> io::Result<Self> {
        without_trace(open_flags(kind), |flags| {
            Ok(rustix::fs::openat(&dir.0, name, flags, Mode::empty())?.into())
        })
    }

    /// Opens a path that the user named; links are followed.
    pub(crate) fn open(path: &Path, kind: Kind) -> io::Result<Self> {
        let flags = open_flags(kind).difference(OFlags::NOFOLLOW);
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self {
            file: fd.into(),
            place_only: flags.contains(OFlags::PATH),
        })
    }

    /// What this is, now.
    pub(crate) fn status(&self) -> io::Result<Status> {
        status_of(&self.file)
    }

    /// The file itself; of what was opened only as a place it can do nothing.
    pub(crate) fn into_file(self) -> io::Result<File> {
        Ok(self.file)
    }

    /// Reads at a place of the file.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_at(&self.file, buffer, offset)
    }

    /// What a symbolic link says.
    pub(crate) fn link_target(&self) -> io::Result<Vec<u8>> {
        let target = rustix::fs::readlinkat(&self.file, c"", Vec::new())?;
        Ok(target.into_bytes())
    }

    /// Tells the system that the file will be read from start to end.
    pub(crate) fn will_read_all(&self) {
        // Advice: reading is right without it.
        rustix::fs::fadvise(&self.file, 0, None, Advice::Sequential).ok();
    }

    /// Where the data of a file of `size` bytes lies; `None` if it has no holes.
    ///
    /// Sorted, apart and inside `size`, also if the file changes meanwhile; at most `max`
    /// extents, the last of which then reaches to the end.
    pub(crate) fn extents(&self, size: u64, max: usize) -> Option<Vec<Extent>> {
        let hole = rustix::fs::seek(&self.file, SeekFrom::Hole(0)).ok()?;
        if hole >= size {
            return None;
        }
        let mut extents = Vec::new();
        let mut from = 0;
        while from < size {
            let start = match rustix::fs::seek(&self.file, SeekFrom::Data(from)) {
                Ok(start) => start.max(from),
                Err(Errno::NXIO) => break,
                Err(_) => return None,
            };
            if start >= size {
                break;
            }
            let end = match rustix::fs::seek(&self.file, SeekFrom::Hole(start)) {
                _ if extents.len() + 1 >= max => size,
                Ok(end) => end.clamp(start + 1, size),
                Err(_) => size,
            };
            push_extent(&mut extents, start, end);
            from = end;
        }
        Some(extents)
    }

    /// The names of the attributes that are kept.
    pub(crate) fn xattr_names(&self) -> io::Result<Vec<Vec<u8>>> {
        let list = self.grow(|handle, buffer| match handle {
            Access::Handle(fd) => rustix::fs::flistxattr(fd, buffer),
            Access::Path(path) => rustix::fs::listxattr(path, buffer),
        });
        let list = match list {
            Err(Errno::NOTSUP | Errno::NOENT | Errno::NOTDIR | Errno::PERM) => {
                return Ok(Vec::new());
            }
            result => result?,
        };
        let mut names: Vec<_> = list
            .split(|&b| b == 0)
            .filter(|name| KEPT_XATTRS.iter().any(|kept| name.starts_with(kept)))
            .map(<[u8]>::to_vec)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The value of an attribute; `None` if it is gone or may not be read.
    pub(crate) fn xattr(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let value = self.grow(|handle, buffer| match handle {
            Access::Handle(fd) => rustix::fs::fgetxattr(fd, name, buffer),
            Access::Path(path) => rustix::fs::getxattr(path, name, buffer),
        });
        match value {
            Ok(value) => Ok(Some(value)),
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::NOTSUP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Calls with a small buffer, and with larger ones while it does not suffice.
    fn grow(
        &self,
        call: impl Fn(Access<'_>, &mut [u8]) -> rustix::io::Result<usize>,
    ) -> rustix::io::Result<Vec<u8>> {
        let path = self.place_only.then(|| proc_path(self.file.as_raw_fd()));
        let mut small = [0; 512];
        let mut large = Vec::new();
        let mut len = small.len();
        for _ in 0..MAX_TRIES {
            let access = match &path {
                Some(path) => Access::Path(path),
                None => Access::Handle(self.file.as_fd()),
            };
            let buffer = if large.is_empty() {
                &mut small[..]
            } else {
                &mut large[..]
            };
            match call(access, buffer) {
                Ok(len) => return Ok(buffer.get(..len).unwrap_or_default().to_vec()),
                Err(Errno::RANGE) => {
                    len = (len * 4).min(MAX_LIST_LEN);
                    large.resize(len, 0);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Errno::RANGE)
    }
}

impl Dir {
    /// It stays the same directory, whatever its path comes to lead to.
    pub(crate) const IS_HANDLE: bool = true;

    /// The directory at `path` under `root`, to open what is in it; a link on the way or in its place
    /// is an error.
    pub(crate) fn open_beneath(root: &Self, path: &[u8]) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(open_beneath(&root.0, path, flags)?))
    }
}

/// Opens so that the time of the last access stays, where that is allowed: it is the right of owner
/// and root.
fn without_trace(
    flags: OFlags,
    open: impl Fn(OFlags) -> rustix::io::Result<File>,
) -> io::Result<Handle> {
    let place_only = flags.contains(OFlags::PATH);
    let file = match place_only {
        true => open(flags),
        false => open(flags | OFlags::NOATIME),
    };
    let file = match file {
        Err(Errno::PERM) => open(flags),
        result => result,
    }?;
    Ok(Handle { file, place_only })
}

/// How attributes are reached: a handle that is only a place has them under its path in `/proc`.
enum Access<'a> {
    Handle(BorrowedFd<'a>),
    Path(&'a str),
}

fn open_flags(kind: Kind) -> OFlags {
    let common = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match kind {
        Kind::File => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | common,
        Kind::Directory => OFlags::RDONLY | OFlags::DIRECTORY | common,
        _ => OFlags::PATH | common,
    }
}

/// Opens beneath `root`, in as many calls as the length of the path needs.
fn open_beneath(root: &File, path: &[u8], flags: OFlags) -> rustix::io::Result<File> {
    let mut rest = path;
    let mut dir: Option<File> = None;
    while rest.len() > MAX_CALL_LEN {
        let cut = rest[..MAX_CALL_LEN]
            .iter()
            .rposition(|&b| b == b'/')
            .ok_or(Errno::NAMETOOLONG)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = open_piece(dir.as_ref().unwrap_or(root), &rest[..cut], flags)?;
        dir = Some(next);
        rest = &rest[cut + 1..];
    }
    open_piece(dir.as_ref().unwrap_or(root), rest, flags)
}

fn open_piece(dir: &File, path: &[u8], flags: OFlags) -> rustix::io::Result<File> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    for _ in 0..MAX_TRIES {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), beneath) {
            Ok(fd) => return Ok(fd.into()),
            // A rename elsewhere in the tree raced with us.
            Err(Errno::AGAIN) => {}
            // An old kernel, or a sandbox that does not know the call.
            Err(Errno::NOSYS) => return open_stepwise(dir, path, flags),
            Err(Errno::PERM) if !flags.contains(OFlags::NOATIME) => {
                return open_stepwise(dir, path, flags);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Errno::AGAIN)
}

fn open_stepwise(root: &File, path: &[u8], flags: OFlags) -> rustix::io::Result<File> {
    let mut dir: Option<File> = None;
    let mut components = path.split(|&b| b == b'/').peekable();
    while let Some(component) = components.next() {
        let here = dir.as_ref().unwrap_or(root);
        if components.peek().is_none() {
            return Ok(rustix::fs::openat(here, component, flags, Mode::empty())?.into());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        dir = Some(rustix::fs::openat(here, component, flags, Mode::empty())?.into());
    }
    Err(Errno::INVAL)
}

/// Adds `start..end`, to the last extent if it touches it.
fn push_extent(extents: &mut Vec<Extent>, start: u64, end: u64) {
    match extents.last_mut() {
        Some(last) if last.offset + last.len == start => last.len += end - start,
        _ => extents.push(Extent {
            offset: start,
            len: end - start,
        }),
    }
}

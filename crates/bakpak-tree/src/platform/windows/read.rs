//! Reading what was walked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bakpak_format::entry::Extent;

use super::dir::Dir;
use super::file::{read_at, status_from};
use crate::platform::{Kind, Status};

/// Something of the tree, open for reading; a link is only looked at.
#[derive(Debug)]
pub(crate) struct Handle {
    path: PathBuf,
    file: Option<File>,
}

impl Handle {
    pub(crate) fn open_beneath(root: &Dir, path: &[u8], kind: Kind) -> io::Result<Self> {
        if path.is_empty() {
            return Self::open(&root.path, kind);
        }
        let name_at = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        let dir = Dir::open_beneath(root, &path[..name_at])?;
        Self::open_in(&dir, &path[name_at..], kind)
    }

    pub(crate) fn open_in(dir: &Dir, name: &[u8], kind: Kind) -> io::Result<Self> {
        Self::open(&dir.child(name)?, kind)
    }

    pub(crate) fn open(path: &Path, kind: Kind) -> io::Result<Self> {
        let file = match kind {
            Kind::File => Some(File::open(path)?),
            _ => None,
        };
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    pub(crate) fn status(&self) -> io::Result<Status> {
        let meta = match &self.file {
            Some(file) => file.metadata()?,
            None => fs::symlink_metadata(&self.path)?,
        };
        Ok(status_from(&meta, &self.path))
    }

    pub(crate) fn into_file(self) -> io::Result<File> {
        self.file.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.file {
            Some(file) => read_at(file, buffer, offset),
            None => Ok(0),
        }
    }

    pub(crate) fn link_target(&self) -> io::Result<Vec<u8>> {
        let target = fs::read_link(&self.path)?.into_os_string();
        Ok(target.into_encoded_bytes())
    }

    pub(crate) fn will_read_all(&self) {}

    pub(crate) fn extents(&self, _size: u64, _max: usize) -> Option<Vec<Extent>> {
        None
    }

    pub(crate) fn xattr_names(&self) -> io::Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    pub(crate) fn xattr(&self, _name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

impl Dir {
    pub(crate) const IS_HANDLE: bool = false;

    pub(crate) fn open_beneath(root: &Self, path: &[u8]) -> io::Result<Self> {
        let mut at = root.reopen()?;
        for component in path.split(|&b| b == b'/').filter(|c| !c.is_empty()) {
            at = at.open_child(component)?;
        }
        Ok(at)
    }
}

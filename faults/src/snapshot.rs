//! What is in a directory, so that two states of it can be compared.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Everything below a directory: paths, and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Thing>);

/// Something that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    content: Content,
    mode: u32,
    owner: (u32, u32),
    /// When its content was changed last, in seconds and nanoseconds.
    pub mtime: (i64, i64),
    names: u64,
    /// Which file it is; two trees differ in this.
    pub inode: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    File(Vec<u8>),
    Directory,
    Link(PathBuf),
    Special(u64),
}

impl Snapshot {
    /// Reads all below `root`, but not what `leaves_out` names (paths below the root).
    ///
    /// # Errors
    ///
    /// Something cannot be read.
    pub fn of(root: &Path, leaves_out: &dyn Fn(&Path) -> bool) -> Result<Self> {
        let mut all = BTreeMap::new();
        add(root, Path::new(""), leaves_out, &mut all)
            .with_context(|| format!("cannot look at {}", root.display()))?;
        Ok(Self(all))
    }

    /// Which paths there are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// What has a path.
    #[must_use]
    pub fn thing(&self, path: &Path) -> Option<&Thing> {
        self.0.get(path)
    }

    /// Says what differs from a later state of the same directory.
    ///
    /// # Errors
    ///
    /// Something differs.
    pub fn same_place(&self, later: &Self) -> Result<()> {
        self.compare(later, |one, other| one == other)
    }

    /// Says what differs from another tree; which files they are does not count.
    ///
    /// # Errors
    ///
    /// Something differs.
    pub fn same_tree(&self, other: &Self) -> Result<()> {
        self.compare(other, |one, other| {
            let inode = one.inode;
            *one == Thing {
                inode,
                ..other.clone()
            }
        })
    }

    fn compare(&self, other: &Self, same: impl Fn(&Thing, &Thing) -> bool) -> Result<()> {
        for (path, thing) in &self.0 {
            match other.0.get(path) {
                None => bail!("{} is not there", path.display()),
                Some(found) if !same(thing, found) => {
                    bail!(
                        "{} is {}, not {}",
                        path.display(),
                        found.words(),
                        thing.words()
                    );
                }
                Some(_) => {}
            }
        }
        match other.0.keys().find(|path| !self.0.contains_key(*path)) {
            Some(path) => bail!("{} is there, which was not", path.display()),
            None => Ok(()),
        }
    }
}

impl Thing {
    /// The content, if it is a file.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn words(&self) -> String {
        let what = match &self.content {
            Content::File(bytes) => format!("a file of {} bytes", bytes.len()),
            other => format!("{other:?}"),
        };
        let (seconds, nanos) = self.mtime;
        format!(
            "{what}, mode {:o}, of {:?}, from {seconds}.{nanos:09}, {} names",
            self.mode, self.owner, self.names
        )
    }
}

fn add(
    root: &Path,
    below: &Path,
    leaves_out: &dyn Fn(&Path) -> bool,
    all: &mut BTreeMap<PathBuf, Thing>,
) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let path = below.join(entry?.file_name());
        if leaves_out(&path) {
            continue;
        }
        let disk = root.join(&path);
        let metadata = disk.symlink_metadata()?;
        let thing = thing(&disk, &metadata)?;
        let is_directory = metadata.is_dir();
        all.insert(path.clone(), thing);
        if is_directory {
            add(root, &path, leaves_out, all)?;
        }
    }
    Ok(())
}

fn thing(disk: &Path, metadata: &Metadata) -> io::Result<Thing> {
    let kind = metadata.file_type();
    let content = if kind.is_dir() {
        Content::Directory
    } else if kind.is_symlink() {
        Content::Link(fs::read_link(disk)?)
    } else if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
    {
        Content::Special(metadata.rdev())
    } else {
        Content::File(fs::read(disk)?)
    };
    let names = match kind.is_dir() {
        // Those of a directory depend on the file system.
        true => 1,
        false => metadata.nlink(),
    };
    Ok(Thing {
        content,
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        names,
        inode: metadata.ino(),
    })
}

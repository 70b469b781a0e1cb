//! The walk itself: every name below the roots, depth first, in order.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use bakpak_format::entry::EntryPath;

use crate::error::WalkError;
use crate::platform::os::{self, Dir, path_from_bytes};
use crate::platform::{FileId, Kind, Status};
use crate::tree::{Place, Tree, TreeRoot};
use crate::walk::excludes::Excludes;
use crate::walk::{Finding, FindingKind, Given, Root};

/// What was found so far.
pub(super) struct Walker<'a> {
    pub(super) excludes: Excludes<'a>,
    never: &'a HashSet<FileId>,
    pub(super) tree: Tree,
    pub(super) findings: Vec<Finding>,
    /// How often each file with several names was met.
    pub(super) link_counts: HashMap<FileId, u32>,
    pub(super) total_len: u64,
}

impl<'a> Walker<'a> {
    pub(super) fn new(excludes: Excludes<'a>, never: &'a HashSet<FileId>) -> Self {
        Self {
            excludes,
            never,
            tree: Tree::default(),
            findings: Vec::new(),
            link_counts: HashMap::new(),
            total_len: 0,
        }
    }

    /// Walks one of the things that the user named.
    pub(super) fn root(&mut self, root: Root) -> Result<(), WalkError> {
        let path = root.path;
        let (disk, with_itself) = match root.given {
            Given::Itself(disk) => (disk, true),
            Given::Contents(disk) => (disk, false),
            Given::Stdin => {
                let place = Place::Stdin;
                self.tree.add_root(TreeRoot { path, place });
                self.tree.add(0, b"", Kind::Fifo);
                return Ok(());
            }
        };
        let status = match os::status_at(&disk) {
            Ok(status) => status,
            Err(error) => return self.find(disk, FindingKind::Unreadable(error)),
        };
        if with_itself && self.leaves_out(path.as_bytes(), &status, || disk.clone()) {
            return Ok(());
        }
        match status.kind {
            Kind::Directory => self.root_directory(path, disk, with_itself),
            Kind::File => {
                if let Err(error) = os::may_read(&disk) {
                    return self.find(disk, FindingKind::Unreadable(error));
                }
                self.count(&status);
                let place = Place::File(disk);
                self.tree.add_root(TreeRoot { path, place });
                self.tree.add(0, b"", Kind::File);
                Ok(())
            }
            Kind::Fifo | Kind::CharDevice | Kind::BlockDevice => {
                let place = Place::Stream(disk);
                self.tree.add_root(TreeRoot { path, place });
                self.tree.add(0, b"", status.kind);
                Ok(())
            }
            Kind::Socket => self.find(disk, FindingKind::Socket),
            Kind::Symlink | Kind::Other => self.find(disk, FindingKind::UnknownKind),
        }
    }

    fn root_directory(
        &mut self,
        path: EntryPath,
        disk: PathBuf,
        with_itself: bool,
    ) -> Result<(), WalkError> {
        let opened = Dir::open(&disk).and_then(|dir| Ok((dir.reopen()?, dir)));
        let (dir, held) = match opened {
            Ok(dirs) => dirs,
            Err(error) => return self.find(disk, FindingKind::Unreadable(error)),
        };
        let mut here = path.as_bytes().to_vec();
        let place = Place::Directory(disk.clone(), held);
        self.tree.add_root(TreeRoot { path, place });
        if with_itself {
            self.tree.add(0, b"", Kind::Directory);
        }
        self.directory(&dir, u8::from(with_itself), &mut here, &disk)
    }

    /// Walks what is in `dir`, which has the path `here` in the archive.
    ///
    /// It calls itself for each directory: as deep as an entry path may be, not deeper.
    fn directory(
        &mut self,
        dir: &Dir,
        depth: u8,
        here: &mut Vec<u8>,
        disk: &Path,
    ) -> Result<(), WalkError> {
        let mut names = match dir.list() {
            Ok(names) => names,
            Err(error) => return self.find(disk.to_owned(), FindingKind::Unreadable(error)),
        };
        names.sort_unstable();
        let len = here.len();
        for name in names {
            here.push(b'/');
            here.extend_from_slice(&name);
            self.child(dir, depth, &name, here, disk)?;
            here.truncate(len);
        }
        Ok(())
    }

    fn child(
        &mut self,
        dir: &Dir,
        depth: u8,
        name: &[u8],
        here: &mut Vec<u8>,
        disk: &Path,
    ) -> Result<(), WalkError> {
        let child_disk = || disk.join(path_from_bytes(name));
        let status = match dir.status(name) {
            Ok(status) => status,
            Err(error) => return self.find(child_disk(), unreadable(error)),
        };
        if self.leaves_out(here, &status, child_disk) {
            return Ok(());
        }
        if EntryPath::check(here).is_err() {
            return self.find(child_disk(), FindingKind::IllegalName);
        }
        match status.kind {
            Kind::Socket => return self.find(child_disk(), FindingKind::Socket),
            Kind::Other => return self.find(child_disk(), FindingKind::UnknownKind),
            Kind::Directory => {
                let inside = match dir.open_child(name) {
                    Ok(inside) => inside,
                    Err(error) => return self.find(child_disk(), unreadable(error)),
                };
                self.tree.add(depth, name, Kind::Directory);
                // A legal path is not deeper than that.
                return self.directory(&inside, depth.saturating_add(1), here, &child_disk());
            }
            Kind::File => {
                if let Err(error) = dir.may_read(name) {
                    return self.find(child_disk(), unreadable(error));
                }
                self.count(&status);
            }
            Kind::Symlink | Kind::Fifo | Kind::CharDevice | Kind::BlockDevice => {}
        }
        self.tree.add(depth, name, status.kind);
        Ok(())
    }

    /// Whether something is excluded, or one of ours.
    fn leaves_out(&mut self, path: &[u8], status: &Status, disk: impl FnOnce() -> PathBuf) -> bool {
        let is_directory = status.kind == Kind::Directory;
        let excluded = self.excludes.leave_out(path);
        if excluded && is_directory {
            self.excludes.pass_over(disk(), path);
        }
        excluded || (self.never.contains(&status.id) && !is_directory)
    }

    /// Counts a file's length, and its names if it has several.
    fn count(&mut self, status: &Status) {
        if status.link_count > 1 {
            let met = self.link_counts.entry(status.id).or_default();
            *met += 1;
            if *met > 1 {
                return;
            }
        }
        self.total_len = self.total_len.saturating_add(status.size);
    }

    fn find(&mut self, disk: PathBuf, kind: FindingKind) -> Result<(), WalkError> {
        self.findings.push(Finding { disk, kind });
        Ok(())
    }
}

fn unreadable(error: io::Error) -> FindingKind {
    match error.kind() {
        io::ErrorKind::NotFound => FindingKind::Vanished,
        _ => FindingKind::Unreadable(error),
    }
}

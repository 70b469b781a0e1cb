//! What a walk leaves out, and which patterns found nothing to leave out.

use std::path::PathBuf;

use bakpak_format::entry::EntryPath;
use globset::GlobSet;

use crate::platform::Kind;
use crate::platform::os::{Dir, path_from_bytes};

/// Patterns over paths in the archive, and what they have matched so far.
pub(super) struct Excludes<'a> {
    globs: &'a GlobSet,
    matched: Vec<bool>,
    /// Directories that were left out and not entered, with their paths in the archive.
    directories: Vec<(PathBuf, Vec<u8>)>,
    /// Room for the numbers of the patterns that match one path.
    hits: Vec<usize>,
}

impl<'a> Excludes<'a> {
    pub(super) fn new(globs: &'a GlobSet) -> Self {
        Self {
            globs,
            matched: vec![false; globs.len()],
            directories: Vec::new(),
            hits: Vec::new(),
        }
    }

    /// Whether a path is to be left out; all patterns are tried, so that each that matches is known.
    pub(super) fn leave_out(&mut self, path: &[u8]) -> bool {
        if self.globs.is_empty() {
            return false;
        }
        self.globs
            .matches_into(path_from_bytes(path), &mut self.hits);
        for &pattern in &self.hits {
            self.matched[pattern] = true;
        }
        !self.hits.is_empty()
    }

    /// Notes a directory that is not entered.
    pub(super) fn pass_over(&mut self, disk: PathBuf, path: &[u8]) {
        if self.has_idle() {
            self.directories.push((disk, path.to_vec()));
        }
    }

    /// The patterns that match nothing, by their numbers. One may name what lies below what another
    /// one leaves out: so if some are idle after the walk, what was passed over is looked through
    /// for them, names only.
    pub(super) fn into_idle(mut self) -> Vec<usize> {
        for (disk, mut path) in std::mem::take(&mut self.directories) {
            if !self.has_idle() {
                break;
            }
            if let Ok(dir) = Dir::open(&disk) {
                self.look_through(&dir, &mut path);
            }
        }
        let numbered = self.matched.iter().enumerate();
        let idle = numbered.filter(|(_, matched)| !**matched);
        idle.map(|(pattern, _)| pattern).collect()
    }

    /// Tries all names in and below `dir`. What cannot be read would not be packed either.
    ///
    /// It calls itself for each directory: as deep as an entry path may be, not deeper.
    fn look_through(&mut self, dir: &Dir, here: &mut Vec<u8>) {
        let len = here.len();
        for name in dir.list().unwrap_or_default() {
            here.push(b'/');
            here.extend_from_slice(&name);
            if EntryPath::check(here).is_ok() {
                self.leave_out(here);
                let status = dir.status(&name);
                if status.is_ok_and(|status| status.kind == Kind::Directory)
                    && let Ok(inside) = dir.open_child(&name)
                {
                    self.look_through(&inside, here);
                }
            }
            here.truncate(len);
            if !self.has_idle() {
                return;
            }
        }
    }

    fn has_idle(&self) -> bool {
        self.matched.contains(&false)
    }
}

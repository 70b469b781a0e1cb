//! Where a tree is unpacked to before it gets its name.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bakpak_format::entry::{Entry, EntryKind, EntryPath};

use crate::cursor::Cursor;
use crate::earlier::{Earlier, Reusable};
use crate::error::StageError;
use crate::finished::Request;
use crate::leftover::Room;
use crate::metadata::Policy;
use crate::names::{Clash, NameRules};
use crate::platform::os::{self, Dir};
use crate::remains::{DIRECTORIES, LINKS, SYMLINKS, TREE};
use crate::report::{Losses, Report};
use crate::spool::Spool;
use crate::target::{self, Target};

mod comparing;
mod content;
mod filling;
mod place;

use content::Writing;
use filling::Filling;
use place::{Content, Hidden, Placed};

/// What may be at the target, and what becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetMode {
    /// Nothing but an empty directory (`lost+found` does not count).
    #[default]
    New,
    /// What has the path of an entry is moved aside and kept; directories are merged.
    Replace,
    /// What is there stays; only what is missing is put. Directories are merged.
    Merge,
}

/// What is restored.
#[derive(Clone, Copy, Debug)]
pub struct StageOptions {
    /// Make named pipes and devices, and give set-id bits and capabilities.
    pub allow_special: bool,
    /// Restore owners: by name if the name is known here, otherwise by number.
    pub restore_owner: bool,
}

impl Default for StageOptions {
    /// Nothing special; owners as root only, since nobody else may give files away.
    fn default() -> Self {
        Self {
            allow_special: false,
            restore_owner: os::is_root(),
        }
    }
}

/// A tree that nobody sees yet. Dropped, it is removed; [`Stage::publish`] gives it its name.
///
/// Entries come in canonical order: [`begin`](Stage::begin), any number of
/// [`write`](Stage::write) and [`hole`](Stage::hole), [`end`](Stage::end). One that comes again
/// at once replaces what it was before.
#[derive(Debug)]
pub struct Stage {
    pub(crate) target: Target,
    pub(crate) mode: TargetMode,
    pub(crate) room: Room,
    pub(crate) tree: Arc<Dir>,
    pub(crate) policy: Policy,
    pub(crate) cursor: Cursor,
    pub(crate) link_cursor: Cursor,
    pub(crate) symlinks: Spool,
    pub(crate) directories: Spool,
    /// Directories that the archive has no entry for; such are few.
    pub(crate) implied: HashSet<EntryPath>,
    /// Hard links, of which the report of a merge must know which are left out.
    pub(crate) further_names: HashSet<EntryPath>,
    pub(crate) report: Report,
    pub(crate) losses: Losses,
    /// What killed runs had unpacked, as far as it was not taken over yet.
    pub(crate) earlier: Earlier,
    /// What was asked for, if the caller says it: see [`Stage::asked`].
    pub(crate) request: Option<Request>,
    /// There is nothing to remove any more, or it must stay.
    pub(crate) is_settled: bool,
    hidden: Hidden,
    open: Option<Open>,
    pub(super) last: Option<(EntryPath, Placed)>,
}

/// The entry between `begin` and `end`.
#[derive(Debug)]
struct Open {
    entry: Entry,
    content: Option<Filling>,
}

impl Stage {
    /// Makes a stage for `target`, beside it or in it, and locks it.
    ///
    /// `archive_id` is part of the stage's name; zeros if it is not known. What killed runs of the
    /// same archive had unpacked is taken over, file by file, if it is what the archive gives. If an
    /// earlier run of this user was killed while it
    /// published to this target, what it did is undone first, or its remains are removed if it
    /// was done. Stages of other users are neither believed nor touched.
    ///
    /// # Errors
    ///
    /// - [`StageError::AlreadyThere`]: the target is no directory, or not empty and `mode` is
    ///   [`TargetMode::New`]; nothing was made.
    /// - [`StageError::Locked`]: another run unpacks to the same target.
    /// - [`StageError::Unfinished`]: an earlier run's publishing could not be undone, or it cannot
    ///   be told whether that run lasts, or what it published holds something newer.
    /// - [`StageError::Io`], [`StageError::NoRoom`]: what the system says.
    pub fn create(
        target: &Path,
        mode: TargetMode,
        options: StageOptions,
        archive_id: &[u8; 16],
    ) -> Result<Self, StageError> {
        let target = Target::open(target)?;
        if mode == TargetMode::New {
            target.refuse_unless_empty()?;
        }
        let failed = |source| StageError::io("make a stage for", target.path.clone(), source);
        let room = Room::make(&target.container, archive_id, target.purpose()).map_err(failed)?;
        let settled = match target::settle(&target, &room) {
            Ok(settled) => settled,
            Err(error) => {
                target::remove_room(&target, &room).ok();
                return Err(error);
            }
        };
        let parts = (|| {
            let make = |name| {
                room.dir.make_child(name)?;
                room.dir.open_child(name)
            };
            let spool = |name| room.dir.create_file(name).map(Spool::new);
            let (symlinks, directories) = (spool(SYMLINKS)?, spool(DIRECTORIES)?);
            Ok((make(TREE)?, make(LINKS)?, symlinks, directories))
        })();
        let (tree, links, symlinks, directories) = match parts {
            Ok(parts) => parts,
            Err(error) => {
                target::remove_room(&target, &room).ok();
                return Err(failed(error));
            }
        };
        Ok(Self {
            target,
            mode,
            room,
            tree: Arc::new(tree),
            policy: Policy::new(options.restore_owner, options.allow_special),
            cursor: Cursor::default(),
            link_cursor: Cursor::default(),
            symlinks,
            directories,
            implied: HashSet::new(),
            further_names: HashSet::new(),
            report: Report {
                leftovers: settled.leftovers,
                unpublished: settled.unpublished,
                others: settled.others,
                ..Report::default()
            },
            losses: Losses::default(),
            earlier: settled.earlier,
            request: None,
            is_settled: false,
            hidden: Hidden::new(links),
            open: None,
            last: None,
        })
    }

    /// Stages of killed runs for the same target, without a file in them; they are left as they
    /// are and can be removed.
    pub fn leftovers(&self) -> &[PathBuf] {
        &self.report.leftovers
    }

    /// Stages for the same target of runs that were killed before they published anything.
    pub fn unpublished(&self) -> &[PathBuf] {
        &self.report.unpublished
    }

    /// Further stages for the same target: what is in them may be nowhere else, or they are of
    /// another user, or of a run that may last.
    pub fn others(&self) -> &[PathBuf] {
        &self.report.others
    }

    /// How much of killed runs may be taken over: so much less room is needed.
    pub fn reusable(&self) -> Reusable {
        self.earlier.reusable()
    }

    /// Notes what this run was asked for, in words of the caller's, and how many sources the archive
    /// lacks. With it a run that is killed when all is done can be told from others: see
    /// [`completed_before`](crate::completed_before).
    pub fn asked(&mut self, words: &[u8], missing: u64) {
        let words = words.to_vec();
        self.request = Some(Request { words, missing });
    }

    /// Lists all names that the target cannot hold, before anything is written.
    ///
    /// `paths` in canonical order. What it cannot foresee (two spellings of an accented letter
    /// on a file system that normalises) is noticed when the second name is made.
    ///
    /// # Errors
    ///
    /// [`StageError::Io`]: the target's rules could not be tried out.
    pub fn check_names(
        &self,
        paths: impl IntoIterator<Item = EntryPath>,
    ) -> Result<Vec<Clash>, StageError> {
        let rules = NameRules::probe(&self.hidden.dir);
        let rules = rules.map_err(|error| self.stage_error("try names in", error))?;
        Ok(rules.check(paths))
    }

    /// Begins an entry. `len`: the length its file gets, if it is known; what is not written of
    /// it stays a hole.
    ///
    /// # Errors
    ///
    /// - [`StageError::Clash`]: the target does not tell this name from an earlier one.
    /// - [`StageError::NoLinkTarget`]: a hard link to something that was not staged.
    /// - [`StageError::Misuse`]: another entry was not ended.
    /// - [`StageError::Io`], [`StageError::NoRoom`]: what the system says.
    pub fn begin(&mut self, entry: &Entry, len: Option<u64>) -> Result<(), StageError> {
        self.make_way(&entry.path)?;
        let path = &entry.path;
        let mut content = None;
        match &entry.kind {
            EntryKind::File { .. } => {
                content = Some(self.begin_file(entry, len)?);
            }
            EntryKind::Directory => self.begin_directory(entry)?,
            EntryKind::Symlink { .. } => {
                let done = self.symlinks.push(entry);
                done.map_err(|error| self.entry_error("note", path, error))?;
                self.place(path, Placed::Symlink);
            }
            EntryKind::HardLink { target } => self.begin_hard_link(entry, target)?,
            EntryKind::Fifo | EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => {
                self.begin_special(entry)?;
            }
        }
        let entry = entry.clone();
        self.open = Some(Open { entry, content });
        Ok(())
    }

    /// Begins a file that is not part of the tree itself: its content is kept aside, and the
    /// first hard link to it that is begun becomes the file.
    ///
    /// # Errors
    ///
    /// As [`begin`](Stage::begin); [`StageError::Misuse`] unless the entry is a regular file.
    pub fn begin_hidden(&mut self, entry: &Entry, len: Option<u64>) -> Result<(), StageError> {
        self.make_way(&entry.path)?;
        if !matches!(entry.kind, EntryKind::File { .. }) {
            return Err(StageError::Misuse("only a regular file can be kept aside"));
        }
        let name = self.hidden.new_name();
        let file = self.hidden.dir.create_file(&name);
        let file = file.map_err(|error| self.entry_error("make", &entry.path, error))?;
        let content = Some(Filling::Writing(Writing::new(file, len, Some(name))));
        let entry = entry.clone();
        self.open = Some(Open { entry, content });
        Ok(())
    }

    /// Writes some of the open entry's content.
    ///
    /// # Errors
    ///
    /// [`StageError::Misuse`] if none is open or it has no content, otherwise as
    /// [`begin`](Stage::begin).
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StageError> {
        self.fill(offset, bytes)
    }

    /// Leaves some of the open entry's content a hole, which reads as zeros.
    ///
    /// # Errors
    ///
    /// As [`write`](Stage::write).
    pub fn hole(&mut self, offset: u64, len: u64) -> Result<(), StageError> {
        self.fill_hole(offset, len)
    }

    /// Ends the open entry: its file gets its length and its metadata.
    ///
    /// # Errors
    ///
    /// As [`write`](Stage::write).
    pub fn end(&mut self) -> Result<(), StageError> {
        let Some(open) = self.open.take() else {
            return Err(StageError::Misuse("no entry is open"));
        };
        match open.content {
            Some(filling) => self.end_file(&open.entry, filling),
            None => Ok(()),
        }
    }

    /// Notes a file that is complete: in the tree, or kept aside.
    fn note_file(&mut self, entry: &Entry, hidden_as: Option<Vec<u8>>, placed: Placed) {
        let Some(name) = hidden_as else {
            return self.place(&entry.path, placed);
        };
        let content = Content::Hidden(name);
        self.hidden.by_path.insert(entry.path.clone(), content);
        self.place(&entry.path, Placed::HiddenFile);
    }

    /// Takes back an entry that was given up: the open one, the one ended last, or an earlier file.
    /// That may show late, and nothing may link to such a file.
    ///
    /// # Errors
    ///
    /// [`StageError::Io`]: there is no such file, or as the system says.
    pub fn discard(&mut self, path: &EntryPath) -> Result<(), StageError> {
        let open = self.open.take_if(|open| open.entry.path == *path);
        match open.and_then(|open| open.content) {
            Some(Filling::Writing(writing)) => {
                return self.remove_content(path, writing.hidden_as.as_deref());
            }
            // Nothing was made yet, and the file of the earlier run stays where it is.
            Some(Filling::Comparing(_)) => return Ok(()),
            None => {}
        }
        match self.last.take_if(|(last, _)| last == path) {
            Some((_, placed)) => self.take_back(path, placed),
            None => self.take_back_earlier(path),
        }
    }

    /// Removes the stage and all in it; nothing else was made.
    ///
    /// # Errors
    ///
    /// [`StageError::Io`]: something could not be removed; the stage's path is in it.
    pub fn abandon(mut self) -> Result<(), StageError> {
        self.is_settled = true;
        self.remove()
    }

    pub(crate) fn remove(&self) -> Result<(), StageError> {
        let removed = target::remove_room(&self.target, &self.room);
        removed.map_err(|error| self.stage_error("remove", error))
    }

    pub(crate) fn has_open_entry(&self) -> bool {
        self.open.is_some()
    }

    /// Where the stage lies, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.target.path_of_room(&self.room.name)
    }

    pub(crate) fn stage_error(&self, action: &'static str, error: io::Error) -> StageError {
        StageError::io(action, self.path(), error)
    }

    pub(crate) fn entry_error(
        &self,
        action: &'static str,
        path: &EntryPath,
        error: io::Error,
    ) -> StageError {
        let path = os::path_from_bytes(path.as_bytes());
        StageError::io(action, self.target.path.join(path), error)
    }

    /// Makes room for an entry: one of the same path just before is superseded.
    fn make_way(&mut self, path: &EntryPath) -> Result<(), StageError> {
        let is_again = match (&self.open, &self.last) {
            (Some(open), _) if open.entry.path != *path => {
                return Err(StageError::Misuse(
                    "an entry was begun before another ended",
                ));
            }
            (Some(_), _) => true,
            (None, Some((last, _))) => last == path,
            (None, None) => false,
        };
        match is_again {
            true => self.discard(path),
            false => Ok(()),
        }
    }

    fn open_error(&self, error: io::Error) -> StageError {
        match &self.open {
            Some(open) => self.entry_error("write", &open.entry.path, error),
            None => self.stage_error("write", error),
        }
    }
}

impl Drop for Stage {
    /// Removes the stage unless it was published; what cannot be removed is left, and found by
    /// the next run.
    fn drop(&mut self) {
        if !self.is_settled {
            self.remove().ok();
        }
    }
}

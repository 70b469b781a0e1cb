//! Giving a stage its name: links, directories' metadata, one sync, then renames.

use std::collections::HashSet;
use std::io;

use bakpak_format::entry::{Entry, EntryKind, EntryPath};

use crate::cursor::{Cursor, Missing};
use crate::error::{Quoted, StageError};
use crate::finished;
use crate::journal::{Journal, Step};
use crate::leftover;
use crate::platform::Kind;
use crate::platform::os::{self, Dir};
use crate::remains::{Remains, TREE, remains};
use crate::report::{LossKind, Report};
use crate::stage::{Stage, TargetMode};

/// The mode of a target that was not there; what is in it has modes of its own.
const TARGET_MODE: u32 = 0o755;

impl Stage {
    /// Gives the tree its name: all of it or nothing.
    ///
    /// Links are made, directories get their metadata, all is written to disk; then the tree is
    /// renamed into place, in one step if the target was not there. Renames into a target that
    /// was there are journalled: a killed run's are undone by the next one.
    ///
    /// Not to be interrupted: from here on, however long the disk takes, a signal is best only
    /// noted. When this returns, all is published or what was done is undone, and the result
    /// says which. A process that is killed all the same leaves a journal and is not asked.
    ///
    /// # Errors
    ///
    /// - [`StageError::AlreadyThere`]: something came to the target meanwhile; it is left alone.
    /// - [`StageError::Unfinished`]: it failed half-way, and so did undoing it.
    /// - [`StageError::Clash`], [`StageError::Io`], [`StageError::NoRoom`]: as when staging.
    /// - [`StageError::Misuse`]: an entry was not ended.
    pub fn publish(mut self) -> Result<Report, StageError> {
        if self.has_open_entry() {
            return Err(StageError::Misuse("published before an entry ended"));
        }
        self.make_symlinks()?;
        // Comparing needs handles too, two for each level.
        (self.cursor, self.link_cursor) = Default::default();
        let plan = self.plan()?;
        self.finish_directories(&plan.merged)?;
        // In a target that is there this directory is left behind, empty.
        let opened = self.tree.as_file();
        let opened = opened.and_then(|tree| os::set_mode(tree, TARGET_MODE));
        opened.map_err(|error| self.stage_error("set the mode of", error))?;
        self.mark_complete()?;
        let synced = self.room.dir.sync_file_system();
        synced.map_err(|error| self.stage_error("sync", error))?;
        match self.target.name.clone() {
            Some(name) => self.become_target(&name)?,
            None => self.move_into_target(plan)?,
        }
        self.is_settled = true;
        let (container, room) = (&self.target.container, &self.room);
        // Best effort: without it a run that is killed now is not known to have done all.
        finished::move_out(&room.dir, container, &room.name).ok();
        if self.remove().is_err() {
            // The tree is in its place; only our own things are left over.
            let path = self.path();
            match remains(&self.room.dir) {
                Ok(Remains::Directories) => self.report.leftovers.push(path),
                _ => self.report.others.push(path),
            }
        }
        self.remove_earlier();
        if finished::remove(&self.target.container, &self.room.name).is_err() {
            let mark = leftover::mark_name(&self.room.name);
            self.report.leftovers.push(self.target.path_of_room(&mark));
        }
        let mut report = std::mem::take(&mut self.report);
        report.losses = std::mem::take(&mut self.losses).into_vec();
        Ok(report)
    }

    /// Says in the stage that all is done, as soon as its tree has another name.
    fn mark_complete(&self) -> Result<(), StageError> {
        let (Some(_), Some(request)) = (&self.target.name, &self.request) else {
            return Ok(());
        };
        let tree = self.tree.own_status();
        let marked =
            tree.and_then(|tree| finished::mark(&self.room.dir, tree.id, &self.report, request));
        marked.map_err(|error| self.stage_error("write to", error))
    }

    /// Removes what is left of earlier runs and of no use any more; the rest is told.
    fn remove_earlier(&mut self) {
        let opened = match &self.target.name {
            Some(_) => self.tree.reopen(),
            None => self.target.container.reopen(),
        };
        let Ok(published) = opened else {
            return;
        };
        let earlier = std::mem::take(&mut self.earlier);
        for name in earlier.remove(&self.target.container, &published) {
            let path = self.target.path_of_room(&name);
            let report = &mut self.report;
            for list in [
                &mut report.leftovers,
                &mut report.unpublished,
                &mut report.others,
            ] {
                list.retain(|left| *left != path);
            }
        }
    }

    fn make_symlinks(&mut self) -> Result<(), StageError> {
        let flushed = self.symlinks.flush();
        flushed.map_err(|error| self.stage_error("write", error))?;
        let mut at = 0;
        while at < self.symlinks.end() {
            let read = self.symlinks.read(at);
            let (entry, next) = read.map_err(|error| self.stage_error("read", error))?;
            at = next;
            let EntryKind::Symlink { target } = &entry.kind else {
                continue;
            };
            match self.make(&entry.path, |dir, name| dir.make_symlink(target, name)) {
                Ok(()) => {
                    if let Ok((dir, name)) = self.cursor.find(&self.tree, entry.path.as_bytes()) {
                        self.policy
                            .restore_name(dir, name, &entry, &mut self.losses);
                    }
                }
                // Not every system lets everyone make links.
                Err(StageError::Io { source, .. }) if is_refusal(&source) => {
                    self.report.symlinks -= 1;
                    self.losses
                        .note(LossKind::Symlink, &entry.path, Some(source));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts metadata on directories: last first, so that the deepest come before those above
    /// them, whose times they change and whose modes may forbid to enter them.
    ///
    /// Those that are in the target already are passed over: what is in them must still be
    /// taken out.
    fn finish_directories(&mut self, merged: &HashSet<EntryPath>) -> Result<(), StageError> {
        let flushed = self.directories.flush();
        flushed.map_err(|error| self.stage_error("write", error))?;
        let mut at = self.directories.end();
        while at > 0 {
            let done = self.directories.read_before(at).and_then(|(entry, start)| {
                at = start;
                match merged.contains(&entry.path) {
                    true => Ok(()),
                    false => self.finish_directory(&entry, Side::Stage),
                }
            });
            done.map_err(|error| self.stage_error("finish directories in", error))?;
        }
        Ok(())
    }

    fn finish_directory(&mut self, entry: &Entry, side: Side) -> io::Result<()> {
        let root = match side {
            Side::Stage => &self.tree,
            Side::Target => &self.target.container,
        };
        let dir = self
            .cursor
            .enter(root, entry.path.as_bytes(), Missing::Fail, |_| Ok(()))?;
        self.policy.restore(dir.as_file()?, entry, &mut self.losses);
        Ok(())
    }

    /// The stage's tree becomes the target, by one rename.
    fn become_target(&mut self, name: &[u8]) -> Result<(), StageError> {
        let container = &self.target.container;
        let renamed = self.room.dir.rename(TREE, container, name);
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StageError::AlreadyThere {
                path: self.target.path.clone(),
            },
            _ => StageError::io("rename the stage to", self.target.path.clone(), error),
        })?;
        // It is complete and visible: somebody may work in it already, so it is not taken back.
        let action = "make sure that a power failure leaves what was completely unpacked to";
        let synced = container.sync();
        synced.map_err(|error| StageError::io(action, self.target.path.clone(), error))
    }

    /// Finds out what has to be renamed: nothing by steps if the target is not there.
    fn plan(&self) -> Result<Plan, StageError> {
        let mut plan = Plan {
            mode: self.mode,
            steps: Vec::new(),
            merged: HashSet::new(),
            left: Vec::new(),
        };
        if self.target.name.is_some() {
            return Ok(plan);
        }
        let planned = plan.add(&self.tree, &self.target.container, &mut Vec::new());
        planned.map_err(|error| StageError::io("list", self.target.path.clone(), error))?;
        match (self.mode, plan.left.first()) {
            (TargetMode::New, Some(there)) => Err(StageError::AlreadyThere {
                path: (self.target.path).join(os::path_from_bytes(there.path.as_bytes())),
            }),
            _ => Ok(plan),
        }
    }

    /// What is in the stage's tree goes into the target, which is there.
    fn move_into_target(&mut self, plan: Plan) -> Result<(), StageError> {
        if self.mode == TargetMode::Merge {
            self.uncount(&plan);
        }
        let journal = self.write_journal(plan.steps);
        let journal = journal.map_err(|error| self.stage_error("write the journal of", error))?;
        self.run(&journal)?;
        if journal.aside_count() > 0 {
            let aside = os::path_from_bytes(&journal.aside);
            self.report.replaced = Some(self.target.path.join(aside));
            self.report.replaced_count = journal.aside_count();
        }
        // Nothing can fail any more: what is there is complete, on disk, and marked as done.
        if self.mode == TargetMode::Replace {
            self.cursor = Cursor::default();
            let mut at = self.directories.end();
            while at > 0 {
                let entry = match self.directories.read_before(at) {
                    Ok((entry, start)) => {
                        at = start;
                        entry
                    }
                    Err(error) => {
                        let first = plan.merged.iter().min();
                        first.inspect(|path| self.losses.note(LossKind::Mode, path, Some(error)));
                        break;
                    }
                };
                // One that the archive has no entry for keeps what it has.
                if plan.merged.contains(&entry.path)
                    && !self.implied.contains(&entry.path)
                    && let Err(error) = self.finish_directory(&entry, Side::Target)
                {
                    self.losses.note(LossKind::Mode, &entry.path, Some(error));
                }
            }
        }
        Ok(())
    }

    /// Takes out of the report what a merge leaves: it was staged, but is not restored.
    fn uncount(&mut self, plan: &Plan) {
        for left in &plan.left {
            if let Some(kind) = left.loss {
                self.losses.note(kind, &left.path, None);
            }
            let report = &mut self.report;
            let counter = match left.kind {
                Kind::File if self.further_names.contains(&left.path) => &mut report.hard_links,
                Kind::File => {
                    report.len = report.len.saturating_sub(left.size);
                    &mut report.files
                }
                Kind::Directory if self.implied.contains(&left.path) => continue,
                Kind::Directory => &mut report.directories,
                Kind::Symlink => &mut report.symlinks,
                _ => &mut report.specials,
            };
            *counter = counter.saturating_sub(1);
        }
        let merged = plan.merged.iter();
        let merged = merged.filter(|path| !self.implied.contains(*path)).count() as u64;
        self.report.directories = self.report.directories.saturating_sub(merged);
    }

    fn write_journal(&self, steps: Vec<Step>) -> io::Result<Journal> {
        let target = &self.target.container;
        let mut journal = Journal {
            aside: Vec::new(),
            steps,
        };
        if journal.aside_count() > 0 {
            journal.aside = leftover::make_aside(target, &self.room.name)?;
        }
        let written = journal.write(&self.room.dir);
        if written.is_err() && journal.aside_count() > 0 {
            // Best effort: it is empty and hurts nobody.
            target.remove_dir(&journal.aside).ok();
        }
        written.map(|()| journal)
    }

    fn run(&mut self, journal: &Journal) -> Result<(), StageError> {
        let (target, stage) = (&self.target.container, &self.room.dir);
        let done = journal.run(target, &self.tree);
        let done = done.and_then(|()| target.sync_file_system());
        let Err(error) = done.and_then(|()| Journal::mark_done(stage)) else {
            return Ok(());
        };
        let undone = journal.undo(stage, target, &self.tree).and_then(|()| {
            // The tree is about to be removed, and someone may have been quicker.
            match journal.find_later(stage, &self.tree)? {
                Some(path) => Err(io::Error::other(format!(
                    "{} in its tree was put there by another program",
                    Quoted(&os::path_from_bytes(&path))
                ))),
                None => Ok(()),
            }
        });
        if let Err(source) = undone {
            // Stage and journal stay, so that the next run can try again.
            self.is_settled = true;
            return Err(StageError::Unfinished {
                stage: self.path(),
                source,
            });
        }
        Err(match error.kind() {
            io::ErrorKind::AlreadyExists => StageError::AlreadyThere {
                path: self.target.path.clone(),
            },
            _ => StageError::io("rename into", self.target.path.clone(), error),
        })
    }
}

/// In which of two trees a directory is.
#[derive(Clone, Copy)]
enum Side {
    Stage,
    Target,
}

/// What has to be renamed, found by comparing stage and target.
struct Plan {
    mode: TargetMode,
    steps: Vec<Step>,
    /// Directories that are in both.
    merged: HashSet<EntryPath>,
    /// What is left as it was.
    left: Vec<Left>,
}

impl Plan {
    /// Compares a directory of the stage with the one in the target. Below what is only in one
    /// of them it does not look. As deep as an entry path may be, it calls itself.
    fn add(&mut self, staged: &Dir, there: &Dir, path: &mut Vec<u8>) -> io::Result<()> {
        let mut names = staged.list()?;
        names.sort_unstable();
        let len = path.len();
        for name in names {
            if len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            self.add_one(staged, there, &name, path)?;
            path.truncate(len);
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        staged: &Dir,
        there: &Dir,
        name: &[u8],
        path: &mut Vec<u8>,
    ) -> io::Result<()> {
        let found = match there.status(name) {
            Ok(status) => status,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.steps.push(Step::Put(path.clone()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let entry_path = EntryPath::new(path.as_slice());
        let entry_path = entry_path.ok_or(io::ErrorKind::InvalidData)?;
        let ours = staged.status(name)?;
        let are_directories = found.kind == Kind::Directory && ours.kind == Kind::Directory;
        match self.mode {
            TargetMode::Merge | TargetMode::Replace if are_directories => {
                self.merged.insert(entry_path);
                self.add(&staged.open_child(name)?, &there.open_child(name)?, path)?;
            }
            TargetMode::New | TargetMode::Merge => {
                let is_same =
                    (found.kind, found.size, found.mtime) == (ours.kind, ours.size, ours.mtime);
                let loss = match is_same {
                    true => LossKind::AlreadyThere,
                    false => LossKind::DifferentThere,
                };
                self.leave(staged, name, path, Some(loss))?;
            }
            TargetMode::Replace => {
                self.steps.push(Step::Aside(path.clone()));
                self.steps.push(Step::Put(path.clone()));
            }
        }
        Ok(())
    }

    /// Notes what is left out, with all below it.
    fn leave(
        &mut self,
        staged: &Dir,
        name: &[u8],
        path: &mut Vec<u8>,
        loss: Option<LossKind>,
    ) -> io::Result<()> {
        let status = staged.status(name)?;
        let (kind, size) = (status.kind, status.size);
        let entry_path = EntryPath::new(path.as_slice());
        self.left.push(Left {
            path: entry_path.ok_or(io::ErrorKind::InvalidData)?,
            kind,
            size,
            loss,
        });
        // What is to be refused needs no list.
        if kind != Kind::Directory || self.mode == TargetMode::New {
            return Ok(());
        }
        let dir = staged.open_child(name)?;
        let len = path.len();
        for name in dir.list()? {
            path.push(b'/');
            path.extend_from_slice(&name);
            self.leave(&dir, &name, path, None)?;
            path.truncate(len);
        }
        Ok(())
    }
}

/// Something in the stage that is not put into the target.
struct Left {
    path: EntryPath,
    kind: Kind,
    size: u64,
    /// How it is told; what is below something that is told is not.
    loss: Option<LossKind>,
}

/// Whether the system said that this may not be, rather than that it failed.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::Unsupported
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::journal::Progress;
    use crate::stage::StageOptions;

    fn create(target: &Path) -> Result<Stage, StageError> {
        Stage::create(target, TargetMode::Merge, StageOptions::default(), &[1; 16])
    }

    /// A stage for `target` that holds `home/a` and `sql`.
    fn staged(target: &Path) -> Stage {
        let stage = create(target).unwrap();
        let tree = stage.path().join("tree");
        fs::create_dir(tree.join("home")).unwrap();
        for name in ["home/a", "sql"] {
            fs::write(tree.join(name), "new").unwrap();
        }
        stage
    }

    /// What a kill does: the lock is gone, all else stays.
    fn kill(mut stage: Stage) {
        stage.is_settled = true;
    }

    fn names_in(dir: &Path) -> Vec<String> {
        let names = dir
            .read_dir()
            .unwrap()
            .map(|item| item.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn publishing_that_fails_half_way_is_undone() {
        let temp = tempfile::tempdir().unwrap();
        let mut stage = staged(temp.path());
        let plan = stage.plan().unwrap();
        // After the look at the target.
        fs::write(temp.path().join("sql"), "mine").unwrap();
        let error = stage.move_into_target(plan).unwrap_err();
        assert!(matches!(error, StageError::AlreadyThere { .. }), "{error}");
        let tree = stage.path().join("tree");
        assert_eq!(names_in(&tree), ["home", "sql"]);
        assert_eq!(names_in(&tree.join("home")), ["a"]);
        drop(stage);
        assert_eq!(names_in(temp.path()), ["sql"]);
        assert_eq!(fs::read(temp.path().join("sql")).unwrap(), b"mine");
    }

    #[test]
    fn a_run_killed_after_publishing_is_finished() {
        let temp = tempfile::tempdir().unwrap();
        let mut stage = staged(temp.path());
        let plan = stage.plan().unwrap();
        stage.move_into_target(plan).unwrap();
        let progress = Journal::read(&stage.room.dir).unwrap();
        assert_eq!(progress, Progress::Done);
        kill(stage);
        fs::write(temp.path().join("home/later"), "mine").unwrap();
        let stage = create(temp.path()).unwrap();
        assert!(stage.leftovers().is_empty() && stage.others().is_empty());
        drop(stage);
        assert_eq!(names_in(temp.path()), ["home", "sql"]);
        assert_eq!(names_in(&temp.path().join("home")), ["a", "later"]);
    }

    #[test]
    fn a_run_killed_before_it_was_done_takes_nothing_of_others_back() {
        for has_more in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let stage = staged(temp.path());
            let journal = stage.write_journal(stage.plan().unwrap().steps).unwrap();
            journal.run(&stage.target.container, &stage.tree).unwrap();
            let left = stage.path();
            kill(stage);
            std::thread::sleep(std::time::Duration::from_millis(30));
            if has_more {
                fs::write(temp.path().join("home/later"), "mine").unwrap();
            }
            match create(temp.path()) {
                Ok(stage) => {
                    assert!(!has_more);
                    assert_eq!(stage.others(), std::slice::from_ref(&left));
                    assert_eq!(names_in(&left.join("tree")), ["home", "sql"]);
                }
                Err(error) => {
                    assert!(has_more);
                    assert!(matches!(error, StageError::Unfinished { .. }), "{error}");
                    assert_eq!(names_in(&temp.path().join("home")), ["a", "later"]);
                    assert!(names_in(&left.join("tree")).is_empty());
                }
            }
        }
    }
}

//! Putting an entry into the stage's tree, and taking it back.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bakpak_format::entry::{Entry, EntryKind, EntryPath};

use crate::cursor::{Cursor, Missing};
use crate::error::StageError;
use crate::names::{Clash, ClashReason};
use crate::platform::os::{self, Dir};
use crate::report::LossKind;
use crate::stage::{Stage, TargetMode};

/// Directories that the archive has no entry for get this mode, whatever the umask.
const PARENT_MODE: u32 = 0o755;

/// Files that are not part of the tree, but of which entries may be further names.
#[derive(Debug)]
pub(crate) struct Hidden {
    pub(super) dir: Arc<Dir>,
    pub(super) count: u64,
    pub(super) by_path: HashMap<EntryPath, Content>,
}

impl Hidden {
    /// Nothing is hidden in `dir` yet.
    pub(super) fn new(dir: Dir) -> Self {
        Self {
            dir: Arc::new(dir),
            count: 0,
            by_path: HashMap::new(),
        }
    }

    /// A name that no hidden file had yet.
    pub(super) fn new_name(&mut self) -> Vec<u8> {
        self.count += 1;
        self.count.to_string().into_bytes()
    }
}

/// Where the content of a hidden file is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Still hidden, under this name.
    Hidden(Vec<u8>),
    /// In the tree, as the first of its names that was selected.
    InTree(EntryPath),
}

/// What the last entry became, so that it can be taken back.
#[derive(Debug)]
pub(crate) enum Placed {
    File { len: u64 },
    HiddenFile,
    FirstName { target: EntryPath, len: u64 },
    HardLink,
    Directory,
    Symlink,
    Special,
    Nothing,
}

impl Stage {
    /// Makes something with the name `path` in the tree, with the directories above it.
    pub(crate) fn make<T>(
        &mut self,
        path: &EntryPath,
        make: impl FnOnce(&Dir, &[u8]) -> io::Result<T>,
    ) -> Result<T, StageError> {
        self.make_as(path.as_bytes(), path, make)
    }

    /// The same with another name in the tree than the entry's.
    fn make_as<T>(
        &mut self,
        name: &[u8],
        path: &EntryPath,
        make: impl FnOnce(&Dir, &[u8]) -> io::Result<T>,
    ) -> Result<T, StageError> {
        let (directories, implied) = (&mut self.directories, &mut self.implied);
        let parent =
            self.cursor.parent(
                &self.tree,
                name,
                Missing::Make,
                |made| match implied_directory(made) {
                    Some(entry) => {
                        implied.insert(entry.path.clone());
                        directories.push(&entry)
                    }
                    None => Ok(()),
                },
            );
        let made = parent.and_then(|(dir, name)| make(dir, name));
        made.map_err(|error| match error.kind() {
            // Another entry has the name, or the name of a directory above it.
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                clash(path, ClashReason::Taken)
            }
            io::ErrorKind::InvalidFilename => {
                clash(path, ClashReason::Forbidden("the system refuses it"))
            }
            _ => self.entry_error("make", path, error),
        })
    }

    /// Ends the open entry, a file, which is not to stand where it belongs, but at the same path below
    /// a directory of the target: what became of it shows only now.
    ///
    /// # Errors
    ///
    /// As [`end`](Stage::end); [`StageError::Clash`] if the path is taken.
    pub fn end_below(&mut self, directory: &str) -> Result<(), StageError> {
        self.end()?;
        let Some((path, Placed::File { .. })) = self.last.take() else {
            return Err(StageError::Misuse(
                "only a file can be put below another directory",
            ));
        };
        let found = self.cursor.find(&self.tree, path.as_bytes());
        let found = found.and_then(|(dir, name)| Ok((dir.reopen()?, name.to_vec())));
        let (dir, name) = found.map_err(|error| self.entry_error("move", &path, error))?;
        self.make_as(&below(directory, &path), &path, |to, new_name| {
            dir.rename(&name, to, new_name)
        })
    }

    /// Takes back a file that [`end_below`](Stage::end_below) put below a directory.
    ///
    /// # Errors
    ///
    /// [`StageError::Io`]: there is none, or as the system says.
    pub fn discard_below(&mut self, directory: &str, path: &EntryPath) -> Result<(), StageError> {
        let name = below(directory, path);
        let found = self.cursor.find(&self.tree, &name);
        let removed = found.and_then(|(dir, name)| {
            let len = dir.status(name)?.size;
            dir.remove_file(name).map(|()| len)
        });
        let len = removed.map_err(|error| self.entry_error("take back", path, error))?;
        self.count(&Placed::File { len }, u64::wrapping_sub);
        Ok(())
    }

    /// Makes a further name of a file that [`end_below`](Stage::end_below) put below a directory, there.
    ///
    /// # Errors
    ///
    /// [`StageError::NoLinkTarget`] if it is not there; otherwise as [`end_below`](Stage::end_below).
    pub fn link_below(
        &mut self,
        directory: &str,
        path: &EntryPath,
        target: &EntryPath,
    ) -> Result<(), StageError> {
        let linked = below(directory, target);
        let found = self.cursor.find(&self.tree, &linked);
        let found = found.and_then(|(dir, name)| {
            dir.status(name)?;
            Ok((dir.reopen()?, name))
        });
        let Ok((from, name)) = found else {
            let (path, target) = (path.clone(), target.clone());
            return Err(StageError::NoLinkTarget { path, target });
        };
        self.make_as(&below(directory, path), path, |to, new_name| {
            from.link(name, to, new_name)
        })?;
        self.report.hard_links += 1;
        Ok(())
    }

    /// Puts a file into the target that is none of the archive's: readable for its owner only.
    ///
    /// # Errors
    ///
    /// [`StageError::Io`], [`StageError::NoRoom`]: what the system says.
    pub fn add(&mut self, name: &str, content: &mut dyn io::Read) -> Result<(), StageError> {
        let file = self.tree.create_file(name.as_bytes());
        let copied = file.and_then(|mut file| io::copy(content, &mut file));
        copied.map_err(|error| self.stage_error("write a file of", error))?;
        Ok(())
    }

    pub(super) fn begin_directory(&mut self, entry: &Entry) -> Result<(), StageError> {
        self.make(&entry.path, |dir, name| dir.make_child(name))?;
        let done = self.directories.push(entry);
        done.map_err(|error| self.entry_error("note", &entry.path, error))?;
        self.place(&entry.path, Placed::Directory);
        Ok(())
    }

    pub(super) fn begin_special(&mut self, entry: &Entry) -> Result<(), StageError> {
        let path = &entry.path;
        let mut error = None;
        if self.policy.allows_special() {
            let made = self.make(path, |dir, name| dir.make_special(&entry.kind, name));
            match made {
                Ok(()) => {
                    let parent = self.cursor.find(&self.tree, path.as_bytes());
                    if let Ok((dir, name)) = parent {
                        self.policy.restore_name(dir, name, entry, &mut self.losses);
                    }
                    self.place(path, Placed::Special);
                    return Ok(());
                }
                Err(StageError::Io { source, .. }) => error = Some(source),
                Err(error) => return Err(error),
            }
        }
        self.losses.note(LossKind::Special, path, error);
        self.place(path, Placed::Nothing);
        Ok(())
    }

    pub(super) fn begin_hard_link(
        &mut self,
        entry: &Entry,
        target: &EntryPath,
    ) -> Result<(), StageError> {
        let path = &entry.path;
        let target = match self.hidden.by_path.get(target) {
            Some(Content::Hidden(name)) => {
                let name = name.clone();
                let hidden = Arc::clone(&self.hidden.dir);
                self.make(path, |dir, new_name| hidden.rename(&name, dir, new_name))?;
                let content = Content::InTree(path.clone());
                self.hidden.by_path.insert(target.clone(), content);
                let target = target.clone();
                let found = self.cursor.find(&self.tree, path.as_bytes());
                let status = found.and_then(|(dir, name)| dir.status(name));
                let status = status.map_err(|error| self.entry_error("look at", path, error))?;
                let len = status.size;
                self.place(path, Placed::FirstName { target, len });
                return Ok(());
            }
            Some(Content::InTree(first)) => first.clone(),
            None => target.clone(),
        };
        // Links come in runs to the same places: their directories stay open too.
        let mut cursor = std::mem::take(&mut self.link_cursor);
        let done = self.link(path, &target, &mut cursor);
        self.link_cursor = cursor;
        done
    }

    fn link(
        &mut self,
        path: &EntryPath,
        target: &EntryPath,
        cursor: &mut Cursor,
    ) -> Result<(), StageError> {
        let tree = Arc::clone(&self.tree);
        let found = cursor.find(&tree, target.as_bytes());
        let found = found.and_then(|(dir, name)| dir.status(name).map(|_| (dir, name)));
        let Ok((from, name)) = found else {
            let (path, target) = (path.clone(), target.clone());
            return Err(StageError::NoLinkTarget { path, target });
        };
        match self.make(path, |dir, new_name| from.link(name, dir, new_name)) {
            Ok(()) => {}
            Err(StageError::Io { source, .. }) => {
                self.copy(path, from, name)?;
                self.losses.note(LossKind::HardLink, path, Some(source));
            }
            Err(error) => return Err(error),
        }
        self.place(path, Placed::HardLink);
        Ok(())
    }

    /// Copies a file that cannot get a further name, because it has too many or none may have.
    fn copy(&mut self, path: &EntryPath, from: &Dir, name: &[u8]) -> Result<(), StageError> {
        let file = self.make(path, |dir, new_name| {
            let mut file = dir.create_file(new_name)?;
            io::copy(&mut from.open_file(name, false)?, &mut file)?;
            Ok(file)
        })?;
        let status = from.status(name);
        let done = status.and_then(|status| {
            os::set_owner(&file, status.uid, status.gid).ok();
            os::set_mode(&file, status.mode)?;
            os::set_mtime(&file, status.mtime)
        });
        self.losses.note_error(LossKind::Mode, path, done);
        Ok(())
    }

    /// Notes what an entry became.
    pub(super) fn place(&mut self, path: &EntryPath, placed: Placed) {
        self.count(&placed, u64::wrapping_add);
        if self.mode == TargetMode::Merge && matches!(placed, Placed::HardLink) {
            self.further_names.insert(path.clone());
        }
        self.last = Some((path.clone(), placed));
    }

    fn count(&mut self, placed: &Placed, change: fn(u64, u64) -> u64) {
        let report = &mut self.report;
        let counter = match placed {
            Placed::File { len } | Placed::FirstName { len, .. } => {
                report.len = change(report.len, *len);
                &mut report.files
            }
            Placed::HardLink => &mut report.hard_links,
            Placed::Directory => &mut report.directories,
            Placed::Symlink => &mut report.symlinks,
            Placed::Special => &mut report.specials,
            Placed::HiddenFile | Placed::Nothing => return,
        };
        *counter = change(*counter, 1);
    }

    /// Undoes what the last entry did.
    pub(super) fn take_back(&mut self, path: &EntryPath, placed: Placed) -> Result<(), StageError> {
        self.count(&placed, u64::wrapping_sub);
        self.further_names.remove(path);
        let done = match placed {
            Placed::File { .. } | Placed::HardLink | Placed::Special => {
                return self.remove_content(path, None);
            }
            Placed::HiddenFile => match self.hidden.by_path.remove(path) {
                Some(Content::Hidden(name)) => return self.remove_content(path, Some(&name)),
                _ => Ok(()),
            },
            Placed::FirstName { target, .. } => {
                let name = self.hidden.new_name();
                let hidden = &self.hidden.dir;
                let found = self.cursor.find(&self.tree, path.as_bytes());
                let done = found.and_then(|(dir, old)| dir.rename(old, hidden, &name));
                self.hidden.by_path.insert(target, Content::Hidden(name));
                done
            }
            Placed::Directory => {
                let found = self.cursor.find(&self.tree, path.as_bytes());
                let done = found.and_then(|(dir, name)| dir.remove_dir(name));
                done.and_then(|()| self.directories.pop())
            }
            Placed::Symlink => self.symlinks.pop(),
            Placed::Nothing => Ok(()),
        };
        done.map_err(|error| self.entry_error("take back", path, error))
    }

    /// Removes a file that ended before the last entry.
    pub(super) fn take_back_earlier(&mut self, path: &EntryPath) -> Result<(), StageError> {
        let found = self.cursor.find(&self.tree, path.as_bytes());
        let status = found.and_then(|(dir, name)| dir.status(name));
        let status = status.map_err(|error| self.entry_error("take back", path, error))?;
        self.take_back(path, Placed::File { len: status.size })
    }

    pub(super) fn remove_content(
        &mut self,
        path: &EntryPath,
        hidden_as: Option<&[u8]>,
    ) -> Result<(), StageError> {
        let done = match hidden_as {
            Some(name) => self.hidden.dir.remove_file(name),
            None => {
                let found = self.cursor.find(&self.tree, path.as_bytes());
                found.and_then(|(dir, name)| dir.remove_file(name))
            }
        };
        done.map_err(|error| self.entry_error("take back", path, error))
    }
}

/// The entry of a directory that the archive has none for.
fn implied_directory(path: &[u8]) -> Option<Entry> {
    let (uid, gid) = os::effective_ids();
    Some(Entry {
        path: EntryPath::new(path)?,
        kind: EntryKind::Directory,
        mode: PARENT_MODE,
        uid: uid.into(),
        gid: gid.into(),
        user: Vec::new(),
        group: Vec::new(),
        mtime: SystemTime::now().into(),
        xattrs: Vec::new(),
        linked: false,
    })
}

fn below(directory: &str, path: &EntryPath) -> Vec<u8> {
    [directory.as_bytes(), b"/", path.as_bytes()].concat()
}

fn clash(path: &EntryPath, reason: ClashReason) -> StageError {
    let path = path.clone();
    StageError::Clash(Clash { path, reason })
}

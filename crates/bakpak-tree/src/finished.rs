//! A mark in a stage, by which the next run knows that a killed one had completed its target.
//!
//! The stage's tree becomes the target by one rename, and only then can the stage be removed. A run
//! that is killed in between has done all, but nobody was told. The mark lies in the stage until the
//! rename, then beside it until the stage is removed, so that it is there at every moment between.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::error::StageError;
use crate::leftover::{self, Condition, Purpose};
use crate::platform::os::{self, Dir};
use crate::platform::{FileId, Kind};
use crate::report::Report;

/// The mark's name in its stage.
pub(crate) const MARK: &[u8] = b"complete";

const MAGIC: &[u8; 16] = b"bakpak complete\0";

/// Eight bytes each: which directory the tree is, what was restored, what was missing.
const NUMBERS: usize = 9;

/// No request is that long.
const MAX_LEN: u64 = 1 << 20;

/// What a run was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// In the caller's words; runs with the same words do the same.
    pub(crate) words: Vec<u8>,
    /// Sources that the archive lacks.
    pub(crate) missing: u64,
}

/// What a killed run had completed.
#[derive(Debug)]
pub struct Finished {
    /// What it restored; what it lost it told nobody.
    pub report: Report,
    /// Sources that the archive lacks.
    pub missing: u64,
}

/// A mark that was found.
struct Mark {
    tree: FileId,
    finished: Finished,
    words: Vec<u8>,
}

/// Writes the mark: from when the tree has the target's name on, it holds.
pub(crate) fn mark(
    stage: &Dir,
    tree: FileId,
    report: &Report,
    request: &Request,
) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    let numbers: [u64; NUMBERS] = [
        tree.device,
        tree.inode,
        report.files,
        report.len,
        report.directories,
        report.symlinks,
        report.hard_links,
        report.specials,
        request.missing,
    ];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(&request.words);
    stage.create_file(MARK)?.write_all(&bytes)
}

/// Puts the mark beside the stage, so that it lasts until all of the stage is removed.
pub(crate) fn move_out(stage: &Dir, container: &Dir, stage_name: &[u8]) -> io::Result<()> {
    stage.rename(MARK, container, &leftover::mark_name(stage_name))
}

/// Removes the mark beside the stage: the last thing that a run does.
pub(crate) fn remove(container: &Dir, stage_name: &[u8]) -> io::Result<()> {
    match container.remove_file(&leftover::mark_name(stage_name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether a killed run of this user had completed `target`, asked for the same in the same words
/// (see [`Stage::asked`]): then its stage is removed, and what it did is told.
///
/// [`Stage::asked`]: crate::Stage::asked
///
/// # Errors
///
/// [`StageError::Io`]: the directory of the target could not be synced.
pub fn completed_before(target: &Path, words: &[u8]) -> Result<Option<Finished>, StageError> {
    let completed = Completed::find(target);
    let Some(completed) = completed.filter(|completed| completed.mark.words == words) else {
        return Ok(None);
    };
    let synced = completed.container.sync();
    synced.map_err(|error| StageError::io("sync the directory of", target.to_owned(), error))?;
    completed.clean_up();
    Ok(Some(completed.mark.finished))
}

/// Whether a killed run of this user had completed `target`, whatever it was asked for: then what it
/// left is removed.
pub(crate) fn clean_up(target: &Path) -> bool {
    let completed = Completed::find(target);
    completed.inspect(Completed::clean_up).is_some()
}

/// What a killed run left that had completed its target.
struct Completed {
    container: Dir,
    target_name: Vec<u8>,
    /// Its stage; the mark lies in it or beside it.
    stage: Vec<u8>,
    mark: Mark,
}

impl Completed {
    /// What cannot be looked at was not completed, as far as we know.
    fn find(target: &Path) -> Option<Self> {
        let target_name = os::path_to_bytes(Path::new(target.file_name()?));
        let parent = match target.parent()? {
            parent if parent.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        let container = Dir::open(parent).ok()?;
        let tree = os::status_at(target).ok()?.id;
        let purpose = Purpose::Sibling(&target_name);
        let names = container.list().ok()?;
        let (stage, mark) = names.iter().find_map(|name| {
            let found = match leftover::stage_of_mark(name, purpose) {
                Some(stage) => {
                    // While its run lasts, that tells what it did.
                    let is_in_use = matches!(
                        leftover::look_at(&container, &container, &stage),
                        Ok(Some(Condition::Locked))
                    );
                    let mark = read(&container, name).ok().filter(|_| !is_in_use);
                    (stage, mark?)
                }
                None if leftover::is_stage_name(name, purpose) => {
                    let condition = leftover::look_at(&container, &container, name);
                    let Ok(Some(Condition::Stale { dir, .. })) = condition else {
                        return None;
                    };
                    (name.clone(), read(&dir, MARK).ok()?)
                }
                None => return None,
            };
            (found.1.tree == tree).then_some(found)
        })?;
        Some(Self {
            container,
            target_name,
            stage,
            mark,
        })
    }

    /// Removes the stages of that archive for that target: of this run, and of those before it. What
    /// cannot be removed is left, and hurts nobody.
    fn clean_up(&self) {
        let purpose = Purpose::Sibling(&self.target_name);
        for name in self.container.list().unwrap_or_default() {
            let is_ours = leftover::is_stage_name(&name, purpose)
                && leftover::is_same_archive(&name, &self.stage);
            if !is_ours {
                continue;
            }
            let condition = leftover::look_at(&self.container, &self.container, &name);
            let is_left = match condition {
                Ok(Some(Condition::Stale { .. })) => true,
                // Without its lock it was being removed.
                Ok(Some(Condition::Doubtful { .. })) => name == self.stage,
                _ => false,
            };
            if is_left {
                leftover::remove_tree(&self.container, &name).ok();
            }
        }
        remove(&self.container, &self.stage).ok();
    }
}

fn read(dir: &Dir, name: &[u8]) -> io::Result<Mark> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let file = dir.open_file(name, false)?;
    let status = os::status_of(&file)?;
    if status.kind != Kind::File || !leftover::is_ours_alone(&status) || status.size > MAX_LEN {
        return Err(broken());
    }
    let mut bytes = Vec::new();
    file.take(MAX_LEN).read_to_end(&mut bytes)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(broken)?;
    let (numbers, words) = rest.split_at_checked(8 * NUMBERS).ok_or_else(broken)?;
    let mut numbers = numbers
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || numbers.next().unwrap_or_default();
    let (device, inode) = (next(), next());
    let report = Report {
        files: next(),
        len: next(),
        directories: next(),
        symlinks: next(),
        hard_links: next(),
        specials: next(),
        ..Report::default()
    };
    Ok(Mark {
        tree: FileId { device, inode },
        finished: Finished {
            report,
            missing: next(),
        },
        words: words.to_vec(),
    })
}

//! What is renamed to publish a stage into a target that is there, so that it can be undone.

use std::io::{self, Read, Write};

use bakpak_format::entry::EntryPath;

use crate::cursor::{Cursor, Missing};
use crate::error::Quoted;
use crate::later::Began;
use crate::leftover::{is_aside_name, is_ours_alone};
use crate::platform::Kind;
use crate::platform::os::{self, Dir};

/// The journal's name in its stage.
const NAME: &[u8] = b"journal";

/// Its name once all steps are done and on disk: they are not undone any more.
pub(crate) const DONE: &[u8] = b"journal.done";

/// Its name while it is written: nothing was done yet.
pub(crate) const DRAFT: &[u8] = b"journal.draft";

/// A file that says that publishing was begun and undone.
pub(crate) const UNDONE: &[u8] = b"journal.undone";

/// The directory of a target for files that are salvaged with bytes missing; no entry has its name.
pub const DAMAGED: &str = "damaged";

/// The file in a target that tells what salvage did not find; no entry has its name.
pub const SALVAGE_REPORT: &str = "salvage.jsonl";

const MAGIC: &[u8] = b"bakpak journal 1";

/// The steps that publish a stage, in order. Paths are below target, stage and what is aside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    /// The directory in the target for what is replaced; new and empty when this is written.
    pub(crate) aside: Vec<u8>,
    pub(crate) steps: Vec<Step>,
}

/// One rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// From the target aside.
    Aside(Vec<u8>),
    /// From the stage into the target.
    Put(Vec<u8>),
}

/// How far the publishing of a stage has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing was done.
    NotBegun,
    /// Some steps, perhaps all.
    Begun(Journal),
    /// All, and they are on disk.
    Done,
}

/// Notes that what is in the stage's tree was published for a while.
pub(crate) fn mark_undone(stage: &Dir) -> io::Result<()> {
    match stage.create_file(UNDONE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

impl Journal {
    /// Writes the journal into its stage, and to disk.
    pub(crate) fn write(&self, stage: &Dir) -> io::Result<()> {
        let mut bytes = Vec::new();
        for field in [MAGIC, &self.aside] {
            bytes.extend(field);
            bytes.push(0);
        }
        for step in &self.steps {
            let (mark, path) = match step {
                Step::Aside(path) => (b'-', path),
                Step::Put(path) => (b'+', path),
            };
            bytes.push(mark);
            bytes.extend(path);
            bytes.push(0);
        }
        // A crash while it is written leaves no journal, and nothing was done.
        let mut file = stage.create_file(DRAFT)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        stage.rename(DRAFT, stage, NAME)?;
        stage.sync()
    }

    /// Reads the journal of a stage that is ours alone. One that others may have written is not
    /// read: it moves files with our rights.
    pub(crate) fn read(stage: &Dir) -> io::Result<Progress> {
        for (name, is_done) in [(DONE, true), (NAME, false)] {
            let mut file = match stage.open_file(name, false) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let status = os::status_of(&file)?;
            if status.kind != Kind::File || !is_ours_alone(&status) {
                return Err(io::Error::other("others may have written its journal"));
            }
            if is_done {
                return Ok(Progress::Done);
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let journal = Self::decode(&bytes);
            let journal = journal.ok_or_else(|| io::Error::other("its journal is damaged"))?;
            return Ok(Progress::Begun(journal));
        }
        Ok(Progress::NotBegun)
    }

    /// Whether a stage may have a journal whose steps are not known to be done.
    pub(crate) fn may_be_in(stage: &Dir) -> bool {
        let status = stage.status(NAME);
        !status.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.strip_suffix(&[0])?.split(|&b| b == 0);
        if fields.next()? != MAGIC {
            return None;
        }
        let aside = fields.next()?.to_vec();
        // Whatever is written in it, it leads to nothing but what an archive, or salvage, could have
        // put.
        let path = |path: &[u8]| {
            let is_of_salvage = [DAMAGED, SALVAGE_REPORT].map(str::as_bytes).contains(&path);
            (is_of_salvage || EntryPath::new(path).is_some()).then(|| path.to_vec())
        };
        let steps = fields.map(|field| match field.split_first()? {
            (b'-', bytes) => Some(Step::Aside(path(bytes)?)),
            (b'+', bytes) => Some(Step::Put(path(bytes)?)),
            _ => None,
        });
        let steps = steps.collect::<Option<_>>()?;
        let journal = Self { aside, steps };
        let is_aside_right = match journal.aside_count() {
            0 => journal.aside.is_empty(),
            _ => is_aside_name(&journal.aside),
        };
        is_aside_right.then_some(journal)
    }

    /// Marks the journal as done, once its steps are on disk: from now on nobody undoes them.
    pub(crate) fn mark_done(stage: &Dir) -> io::Result<()> {
        stage.rename(NAME, stage, DONE)?;
        stage.sync().inspect_err(|_| {
            // It is not known which name is on disk, so the steps will be undone.
            stage.rename(DONE, stage, NAME).ok();
        })
    }

    /// Removes the journal, if there is one that is not done: what was done stays.
    pub(crate) fn remove(stage: &Dir) -> io::Result<()> {
        match stage.remove_file(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => {
                result?;
                stage.sync()
            }
        }
    }

    /// How many things are moved aside.
    pub(crate) fn aside_count(&self) -> u64 {
        let aside = |step: &&Step| matches!(step, Step::Aside(_));
        self.steps.iter().filter(aside).count() as u64
    }

    /// Does all steps; after an error some are done, and [`Journal::undo`] is due.
    pub(crate) fn run(&self, target: &Dir, tree: &Dir) -> io::Result<()> {
        let aside = self.open_aside(target)?;
        // No step renames what a later one lies below, so the cursors stay right.
        let [mut from_target, mut to_aside, mut from_tree, mut to_target] =
            <[Cursor; 4]>::default();
        for step in &self.steps {
            match (step, &aside) {
                (Step::Aside(path), Some(aside)) => rename(
                    path,
                    (target, &mut from_target),
                    (aside, &mut to_aside),
                    Missing::Make,
                )?,
                (Step::Aside(_), None) => return Err(io::ErrorKind::NotFound.into()),
                (Step::Put(path), _) => rename(
                    path,
                    (tree, &mut from_tree),
                    (target, &mut to_target),
                    Missing::Fail,
                )?,
            }
        }
        Ok(())
    }

    /// Undoes the steps that were done, last first; can be repeated.
    ///
    /// A step was done if what it renamed is gone from where it was: what someone else put into
    /// the target meanwhile stays. If it was put into a directory that would be taken back, or
    /// something in there was changed, that is an error and nothing is undone.
    pub(crate) fn undo(&self, stage: &Dir, target: &Dir, tree: &Dir) -> io::Result<()> {
        let mut done = Vec::new();
        for step in &self.steps {
            match step {
                Step::Put(path) if !is_there(tree, path)? => done.push(path.as_slice()),
                _ => {}
            }
        }
        // Its content was written last before the first step.
        let written = stage.status(NAME)?.mtime;
        if let Some(path) = Began::at(written, target, &done)?.find_later(target, &done)? {
            let path = os::path_from_bytes(&path);
            return Err(io::Error::other(format!(
                "{} is newer than what it published there, and would be taken back with it",
                Quoted(&path)
            )));
        }
        self.take_back(target, tree)
    }

    /// Something in the stage's tree that is not of the stage, after [`Journal::undo`].
    pub(crate) fn find_later(&self, stage: &Dir, tree: &Dir) -> io::Result<Option<Vec<u8>>> {
        let written = stage.status(NAME)?.mtime;
        let puts = self.steps.iter().filter_map(|step| match step {
            Step::Put(path) => Some(path.as_slice()),
            Step::Aside(_) => None,
        });
        let puts: Vec<_> = puts.collect();
        Began::at(written, tree, &puts)?.find_later(tree, &puts)
    }

    fn take_back(&self, target: &Dir, tree: &Dir) -> io::Result<()> {
        let aside = self.open_aside(target)?;
        for step in self.steps.iter().rev() {
            match (step, &aside) {
                (Step::Put(path), _) => {
                    if !is_there(tree, path)? {
                        rename_back(path, target, tree)?;
                    }
                }
                (Step::Aside(path), Some(aside)) => rename_back(path, aside, target)?,
                (Step::Aside(_), None) => {}
            }
        }
        if let Some(aside) = aside {
            remove_empty(&aside)?;
            target.remove_dir(&self.aside)?;
        }
        target.sync()
    }

    /// The directory for what is replaced, if there is one.
    fn open_aside(&self, target: &Dir) -> io::Result<Option<Dir>> {
        if self.aside_count() == 0 {
            return Ok(None);
        }
        match target.open_child(&self.aside) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Renames `path` from one tree to the other.
fn rename(
    path: &[u8],
    (from, from_cursor): (&Dir, &mut Cursor),
    (to, to_cursor): (&Dir, &mut Cursor),
    missing: Missing,
) -> io::Result<()> {
    let (from, name) = from_cursor.find(from, path)?;
    let (to, _) = to_cursor.parent(to, path, missing, |_| Ok(()))?;
    rename_any(from, name, to)
}

/// Whether there is anything at `path`.
fn is_there(root: &Dir, path: &[u8]) -> io::Result<bool> {
    let mut cursor = Cursor::default();
    let (dir, name) = cursor.find(root, path)?;
    match dir.status(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|_| true),
    }
}

/// Renames `path` back if it is where the step renamed it to.
fn rename_back(path: &[u8], from: &Dir, to: &Dir) -> io::Result<()> {
    let (mut from_cursor, mut to_cursor) = (Cursor::default(), Cursor::default());
    let found = from_cursor.find(from, path);
    let (from, name) = match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    match from.status(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => rename_any(from, name, to_cursor.find(to, path)?.0),
    }
}

/// Renames, also a directory whose own mode forbids that to all but root: its `..` changes.
fn rename_any(from: &Dir, name: &[u8], to: &Dir) -> io::Result<()> {
    match from.rename(name, to, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let status = from.status(name)?;
            if status.kind != Kind::Directory {
                return with_write(from, || with_write(to, || from.rename(name, to, name)));
            }
            let moved = from.open_child(name)?;
            with_write(from, || {
                with_write(to, || with_write(&moved, || from.rename(name, to, name)))
            })
        }
        result => result,
    }
}

/// Does something with a directory while its owner may write to it.
fn with_write(dir: &Dir, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    const OWNER_WRITES: u32 = 0o300;
    let status = dir.own_status()?;
    if status.mode & OWNER_WRITES == OWNER_WRITES {
        return act();
    }
    if os::set_mode(dir.as_file()?, status.mode | OWNER_WRITES).is_err() {
        // It is not ours; what the system says to the act itself is the better error.
        return act();
    }
    let result = act();
    os::set_mode(dir.as_file()?, status.mode)?;
    result
}

/// Removes the empty directories in `dir`, and what of them becomes empty by that.
fn remove_empty(dir: &Dir) -> io::Result<()> {
    for name in dir.list()? {
        remove_empty(&dir.open_child(&name)?)?;
        dir.remove_dir(&name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn all(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for item in root.read_dir().unwrap().map(Result::unwrap) {
            let name = item.file_name().into_string().unwrap();
            if item.path().is_dir() {
                found.push(format!("{name}/"));
                found.extend(
                    all(&item.path())
                        .iter()
                        .map(|path| format!("{name}/{path}")),
                );
            } else {
                let content = fs::read_to_string(item.path()).unwrap();
                found.push(format!("{name}={content}"));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_run_killed_after_any_step_is_undone() {
        let journal = Journal {
            aside: b".bakpak-replaced-1".to_vec(),
            steps: vec![
                Step::Aside(b"home/x".to_vec()),
                Step::Put(b"home/x".to_vec()),
                Step::Put(b"home/new".to_vec()),
                Step::Aside(b"sql".to_vec()),
                Step::Put(b"sql".to_vec()),
            ],
        };
        for done in 0..=journal.steps.len() {
            let temp = tempfile::tempdir().unwrap();
            for dir in ["stage/tree", "target/.bakpak-replaced-1"] {
                fs::create_dir_all(temp.path().join(dir)).unwrap();
            }
            write(temp.path(), "target/home/x", "old");
            write(temp.path(), "target/sql/a/b", "old");
            write(temp.path(), "stage/tree/home/x", "new");
            write(temp.path(), "stage/tree/home/new", "new");
            write(temp.path(), "stage/tree/sql", "new");
            let mut before = all(temp.path());
            before.retain(|path| path != "target/.bakpak-replaced-1/");
            let open = |path| Dir::open(&temp.path().join(path)).unwrap();
            let (stage, tree, target) = (open("stage"), open("stage/tree"), open("target"));
            let started = Journal {
                aside: journal.aside.clone(),
                steps: journal.steps[..done].to_vec(),
            };
            started.run(&target, &tree).unwrap();
            journal.write(&stage).unwrap();
            let Progress::Begun(journal) = Journal::read(&stage).unwrap() else {
                panic!("after {done} steps");
            };
            journal.undo(&stage, &target, &tree).unwrap();
            journal.undo(&stage, &target, &tree).unwrap();
            Journal::remove(&stage).unwrap();
            assert_eq!(all(temp.path()), before, "after {done} steps");
        }
    }

    #[test]
    fn a_done_journal_has_no_steps_any_more() {
        let temp = tempfile::tempdir().unwrap();
        let stage = Dir::open(temp.path()).unwrap();
        assert_eq!(Journal::read(&stage).unwrap(), Progress::NotBegun);
        let journal = Journal {
            aside: Vec::new(),
            steps: vec![Step::Put(b"home".to_vec())],
        };
        journal.write(&stage).unwrap();
        assert!(Journal::may_be_in(&stage));
        assert_eq!(Journal::read(&stage).unwrap(), Progress::Begun(journal));
        Journal::mark_done(&stage).unwrap();
        assert!(!Journal::may_be_in(&stage));
        assert_eq!(Journal::read(&stage).unwrap(), Progress::Done);
        Journal::remove(&stage).unwrap();
        assert_eq!(Journal::read(&stage).unwrap(), Progress::Done);
    }

    #[test]
    fn only_what_we_could_have_written_is_read() {
        let decode = |rest: &str| Journal::decode(format!("bakpak journal 1\0{rest}").as_bytes());
        assert!(decode("\0+home/x\0").is_some());
        assert!(decode(".bakpak-replaced-0\0-home\0+home\0").is_some());
        for rest in [
            "\0+home/x",
            "\0?home\0",
            "\0+../home/x\0",
            "\0+home/../../x\0",
            "\0+home/./x\0",
            "\0+home//x\0",
            "\0+/home\0",
            "\0+x\0",
            "\0+\0",
            "\0-home\0",
            ".bakpak-replaced-0\0+home\0",
            "home\0-home\0",
            "..\0-home\0",
            ".bakpak-replaced-0/x\0-home\0",
            ".bakpak-replaced-/../../x\0-home\0",
            ".bakpak-replaced-\0-home\0",
        ] {
            assert_eq!(decode(rest), None, "{rest:?}");
        }
    }
}

//! What is renamed to publish a stage into a target that is there, so that it can be undone.

use std::io::{self, Read, Write};

use crate::cursor::{Cursor, Missing};
use crate::platform::Kind;
use crate::platform::os::{self, Dir};

/// The journal's name in its stage.
const NAME: &[u8] = b"journal";

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
        const DRAFT: &[u8] = b"journal.draft";
        let mut file = stage.create_file(DRAFT)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        stage.rename(DRAFT, stage, NAME)?;
        stage.sync()
    }

    /// Reads the journal of a stage; `None` if it has none.
    pub(crate) fn read(stage: &Dir) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        match stage.open_file(NAME, false) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let journal = Self::decode(&bytes);
        let journal = journal.ok_or_else(|| io::Error::other("the journal is damaged"))?;
        Ok(Some(journal))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.strip_suffix(&[0])?.split(|&b| b == 0);
        if fields.next()? != MAGIC {
            return None;
        }
        let aside = fields.next()?.to_vec();
        let steps = fields.map(|field| match field.split_first()? {
            (b'-', path) => Some(Step::Aside(path.to_vec())),
            (b'+', path) => Some(Step::Put(path.to_vec())),
            _ => None,
        });
        let steps = steps.collect::<Option<_>>()?;
        Some(Self { aside, steps })
    }

    /// Removes the journal: what was done stays.
    pub(crate) fn remove(stage: &Dir) -> io::Result<()> {
        stage.remove_file(NAME)?;
        stage.sync()
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
    /// the target meanwhile stays.
    pub(crate) fn undo(&self, target: &Dir, tree: &Dir) -> io::Result<()> {
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
                return Err(error);
            }
            let dir = from.open_child(name)?;
            dir.make_own_accessible()?;
            let result = from.rename(name, to, name);
            os::set_mode(dir.as_file()?, status.mode)?;
            result
        }
        result => result,
    }
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
            aside: b".aside".to_vec(),
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
            for dir in ["stage/tree", "target/.aside"] {
                fs::create_dir_all(temp.path().join(dir)).unwrap();
            }
            write(temp.path(), "target/home/x", "old");
            write(temp.path(), "target/sql/a/b", "old");
            write(temp.path(), "stage/tree/home/x", "new");
            write(temp.path(), "stage/tree/home/new", "new");
            write(temp.path(), "stage/tree/sql", "new");
            let mut before = all(temp.path());
            before.retain(|path| path != "target/.aside/");
            let open = |path| Dir::open(&temp.path().join(path)).unwrap();
            let (stage, tree, target) = (open("stage"), open("stage/tree"), open("target"));
            let started = Journal {
                aside: journal.aside.clone(),
                steps: journal.steps[..done].to_vec(),
            };
            started.run(&target, &tree).unwrap();
            journal.write(&stage).unwrap();
            let journal = Journal::read(&stage).unwrap().unwrap();
            journal.undo(&target, &tree).unwrap();
            journal.undo(&target, &tree).unwrap();
            Journal::remove(&stage).unwrap();
            assert_eq!(all(temp.path()), before, "after {done} steps");
        }
    }

    #[test]
    fn a_cut_journal_is_refused() {
        assert_eq!(Journal::decode(b"bakpak journal 1\0a\0+x"), None);
        assert_eq!(Journal::decode(b"bakpak journal 1\0a\0?x\0"), None);
        assert!(Journal::decode(b"bakpak journal 1\0a\0+x\0").is_some());
    }
}

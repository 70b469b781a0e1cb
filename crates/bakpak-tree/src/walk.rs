//! What there is to pack: all names are known, and all objections raised, before a byte is read.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bakpak_format::entry::EntryPath;
use globset::GlobSet;

use crate::error::WalkError;
use crate::links::Links;
use crate::owners::Owners;
use crate::platform::FileId;
use crate::source::FileSource;
use crate::tree::{InOrder, Node, Tree};

mod excludes;
mod walker;

use excludes::Excludes;
use walker::Walker;

/// One thing that the user wants packed.
#[derive(Clone, Debug)]
pub struct Root {
    path: EntryPath,
    given: Given,
}

#[derive(Clone, Debug)]
enum Given {
    Itself(PathBuf),
    Contents(PathBuf),
    Stdin,
}

/// What to walk, and what to leave out.
#[derive(Debug)]
pub struct Walk {
    roots: Vec<Root>,
    exclude: GlobSet,
    never: HashSet<FileId>,
}

/// What was found: the sources in canonical order, and what there is to say about them.
#[derive(Debug)]
pub struct Walked {
    tree: Arc<Tree>,
    findings: Vec<Finding>,
    idle_excludes: Vec<usize>,
    total_len: u64,
}

/// The sources in canonical order; each is opened when it is read, not before.
#[derive(Clone, Debug)]
pub struct Sources {
    tree: Arc<Tree>,
    nodes: InOrder,
    last: Option<Node>,
    /// How many are still to come.
    left: u64,
}

/// Something that is not among the sources although it was met.
#[derive(Debug)]
pub struct Finding {
    /// Where it lies on this machine.
    pub disk: PathBuf,
    /// What is the matter.
    pub kind: FindingKind,
}

/// Why something that was met is not among the sources.
#[derive(Debug)]
#[non_exhaustive]
pub enum FindingKind {
    /// It may not or cannot be read; nor what is below it.
    Unreadable(io::Error),
    /// It and what is below it have no legal path in the archive: too long or too deep.
    IllegalName,
    /// A socket: it has no content and means something only to the program that made it.
    Socket,
    /// It was in the directory's list and then gone.
    Vanished,
    /// It is of a kind that archives do not know.
    UnknownKind,
}

impl Root {
    /// The file or directory `disk`, with the path `path` in the archive, and what is below it.
    ///
    /// Links are followed to `disk`, but never below it. A named pipe or character device is read
    /// from start to end, as a source of unknown size.
    pub fn itself(path: EntryPath, disk: impl Into<PathBuf>) -> Self {
        let given = Given::Itself(disk.into());
        Self { path, given }
    }

    /// What is in the directory `disk`, below `path`, without an entry for `disk` itself.
    pub fn contents(path: EntryPath, disk: impl Into<PathBuf>) -> Self {
        let given = Given::Contents(disk.into());
        Self { path, given }
    }

    /// Standard input, as a source of unknown size.
    pub fn stdin(path: EntryPath) -> Self {
        let given = Given::Stdin;
        Self { path, given }
    }
}

impl Walk {
    /// Walks these roots, all of each.
    pub fn new(roots: impl IntoIterator<Item = Root>) -> Self {
        Self {
            roots: roots.into_iter().collect(),
            exclude: GlobSet::empty(),
            never: HashSet::new(),
        }
    }

    /// Leaves out what has a matching path in the archive; an excluded directory is not entered.
    #[must_use]
    pub fn exclude(mut self, exclude: GlobSet) -> Self {
        self.exclude = exclude;
        self
    }

    /// Leaves out these files, under whatever name: the output and its temporary file.
    #[must_use]
    pub fn never(mut self, files: impl IntoIterator<Item = FileId>) -> Self {
        self.never.extend(files);
        self
    }

    /// Looks at every name below the roots. Nothing is opened but directories.
    ///
    /// What cannot be read is no error here: it is among the findings, all of it.
    ///
    /// # Errors
    ///
    /// - [`WalkError::SameName`]: two sources would have the same path in the archive.
    /// - [`WalkError::PartsName`]: a source lies where the parts of a stream may come to lie.
    /// - [`WalkError::List`]: a list of millions of names is put into a temporary file and cannot be
    ///   read there.
    pub fn run(self) -> Result<Walked, WalkError> {
        let mut walker = Walker::new(Excludes::new(&self.exclude), &self.never);
        for root in self.roots {
            walker.root(root)?;
        }
        walker.tree.finish()?;
        walker.tree.links = Links::new(walker.link_counts);
        walker.tree.owners = Owners::load();
        Ok(Walked {
            tree: Arc::new(walker.tree),
            findings: walker.findings,
            idle_excludes: walker.excludes.into_idle(),
            total_len: walker.total_len,
        })
    }
}

impl Walked {
    /// The sources in canonical order. Take them once: which of several names of a file carries
    /// its content is decided as they are opened.
    pub fn sources(&self) -> Sources {
        Sources::new(Arc::clone(&self.tree))
    }

    /// What was met and is not among the sources.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Number of sources.
    pub fn source_count(&self) -> u64 {
        self.tree.len()
    }

    /// Sum of the lengths of the files, each counted once; streams count nothing.
    pub fn total_len(&self) -> u64 {
        self.total_len
    }

    /// The patterns, by their places in the set of what to exclude, that match nothing.
    pub fn idle_excludes(&self) -> &[usize] {
        &self.idle_excludes
    }
}

impl FindingKind {
    /// Whether something the user wanted packed is missing because of it.
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(_) | Self::IllegalName | Self::UnknownKind
        )
    }
}

impl Sources {
    fn new(tree: Arc<Tree>) -> Self {
        Self {
            nodes: tree.in_order(),
            last: None,
            left: tree.len(),
            tree,
        }
    }

    /// What is lost must not look like the end: it is a source that cannot be opened.
    fn lost(&mut self, kind: io::ErrorKind) -> Option<FileSource> {
        self.left = 0;
        let last = self.last.take();
        let last = last.or_else(|| self.tree.first_root())?;
        Some(FileSource::lost(&self.tree, last, kind))
    }
}

impl Iterator for Sources {
    type Item = FileSource;

    fn next(&mut self) -> Option<FileSource> {
        let node = match self.nodes.next(&self.tree) {
            Some(Ok(node)) => node,
            Some(Err(kind)) => return self.lost(kind),
            None if self.left > 0 => return self.lost(io::ErrorKind::UnexpectedEof),
            None => return None,
        };
        self.left = self.left.saturating_sub(1);
        match &mut self.last {
            Some(last) => last.become_copy_of(&node),
            None => self.last = Some(node.clone()),
        }
        Some(FileSource::new(Arc::clone(&self.tree), node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_lost_does_not_look_like_the_end() {
        let tree = Arc::new(Tree::with_lost_list(&["home"], 10_000));
        let mut all: Vec<_> = Sources::new(tree).collect();
        assert!((1000..9000).contains(&all.len()));
        assert!(all.is_sorted_by(|a, b| a.path() < b.path()));
        let mut last = all.pop().unwrap();
        assert!(last.path().to_string().ends_with(" and all behind it"));
        for _ in 0..2 {
            let error = last.open().unwrap_err();
            assert!(error.to_string().contains("the list"), "{error}");
            last.close();
        }
    }

    #[test]
    fn a_list_of_which_no_name_can_be_read_does_not_look_empty() {
        for (roots, first) in [
            (["home", "sql"], "sql"),
            (["home/z", "home/a"], "home/a and all behind it"),
        ] {
            let tree = Arc::new(Tree::with_lost_list(&roots, 10_000));
            let mut all: Vec<_> = Sources::new(tree).collect();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].path().to_string(), first);
            assert!(all[0].open().is_err());
        }
    }

    #[test]
    fn a_list_that_ends_too_early_does_not_look_like_the_end() {
        let mut sources = Sources::new(Arc::new(Tree::with_list("home", 3)));
        sources.left += 1;
        let all: Vec<_> = sources.map(|source| source.path().to_string()).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(all[3], "home/000000002 and all behind it");
    }
}

//! What was walked: a list of names, from which paths are made again one after another.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::path::PathBuf;

use bakpak_format::entry::EntryPath;

use crate::error::WalkError;
use crate::links::Links;
use crate::near::Near;
use crate::owners::Owners;
use crate::platform::Kind;
use crate::platform::os::{Dir, path_from_bytes};
use crate::roll::{Record, Roll, RollCursor};

/// Everything that was walked.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    roots: Vec<TreeRoot>,
    /// Where each root's nodes begin.
    starts: Vec<(RollCursor, u64)>,
    roll: Roll,
    pub(crate) near: Near,
    pub(crate) links: Links,
    pub(crate) owners: Owners,
}

/// One of the things that the user named.
#[derive(Debug)]
pub(crate) struct TreeRoot {
    /// Its path in the archive.
    pub(crate) path: EntryPath,
    pub(crate) place: Place,
}

/// Where a root lies.
#[derive(Debug)]
pub(crate) enum Place {
    /// A directory, held open: what is below it is reached through this handle.
    Directory(PathBuf, Dir),
    /// A file.
    File(PathBuf),
    /// A pipe or device, read from start to end.
    Stream(PathBuf),
    /// Standard input.
    Stdin,
}

/// One thing that was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its path in the archive.
    pub(crate) path: EntryPath,
    pub(crate) kind: Kind,
    pub(crate) root: usize,
}

/// All nodes in canonical order.
#[derive(Clone, Debug)]
pub(crate) struct InOrder {
    /// The next node of each root.
    heads: BinaryHeap<Reverse<Head>>,
    failed: Option<io::ErrorKind>,
}

impl Tree {
    /// Adds a root; its nodes follow, until the next one is added.
    pub(crate) fn add_root(&mut self, root: TreeRoot) {
        self.roots.push(root);
        self.starts.push((self.roll.end(), self.roll.count()));
    }

    /// Adds a node to the last root, below `depth` directories of it. Without a name it is that root
    /// itself.
    pub(crate) fn add(&mut self, depth: u8, name: &[u8], kind: Kind) {
        self.roll.push(&Record { depth, kind, name });
    }

    /// Ends the walk, and refuses what cannot stand beside each other.
    pub(crate) fn finish(&mut self) -> Result<(), WalkError> {
        self.roll.finish();
        let streams = self.streams();
        if !self.may_clash(&streams) {
            return Ok(());
        }
        let mut before: Option<Node> = None;
        let mut file: Option<Node> = None;
        let mut nodes = self.in_order();
        while let Some(node) = nodes.next(self) {
            let node = node.map_err(|kind| WalkError::List(kind.into()))?;
            let clash = |other: &Option<Node>, below: bool| match other {
                Some(other)
                    if other.path == node.path || (below && node.path.is_below(&other.path)) =>
                {
                    Err(WalkError::SameName {
                        path: other.path.clone(),
                        first: self.disk_path(other),
                        second: self.disk_path(&node),
                    })
                }
                _ => Ok(()),
            };
            clash(&before, false)?;
            clash(&file, true)?;
            for (stream, parts) in &streams {
                if node.path == *parts || node.path.is_below(parts) {
                    return Err(WalkError::PartsName {
                        stream: stream.clone(),
                        disk: self.disk_path(&node),
                    });
                }
            }
            if node.kind != Kind::Directory {
                file = Some(node.clone());
            }
            before = Some(node);
        }
        Ok(())
    }

    /// All nodes in canonical order, from the first one.
    ///
    /// Those of each root are in that order already, so this is a merge.
    pub(crate) fn in_order(&self) -> InOrder {
        let ends = self.starts.iter().skip(1).map(|(_, start)| *start);
        let ends = ends.chain([self.roll.count()]);
        let mut all = InOrder {
            heads: BinaryHeap::new(),
            failed: None,
        };
        for (root, ((cursor, start), end)) in self.starts.iter().zip(ends).enumerate() {
            let path = self.roots[root].path.as_bytes().to_vec();
            all.push(
                Branch {
                    root,
                    cursor: cursor.reading(end - start),
                    lens: vec![path.len()],
                    path,
                },
                self,
            );
        }
        all
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> u64 {
        self.roll.count()
    }

    /// The root that comes first in canonical order.
    pub(crate) fn first_root(&self) -> Option<Node> {
        let roots = self.roots.iter().enumerate();
        let (root, first) = roots.min_by(|(_, a), (_, b)| a.path.cmp(&b.path))?;
        Some(Node {
            path: first.path.clone(),
            kind: Kind::Other,
            root,
        })
    }

    /// The root above a node.
    pub(crate) fn root(&self, node: &Node) -> &TreeRoot {
        &self.roots[node.root]
    }

    /// The path below the root, empty for the root itself.
    pub(crate) fn relative_path<'n>(&self, node: &'n Node) -> &'n [u8] {
        let above = self.root(node).path.as_bytes().len();
        node.path.as_bytes().get(above + 1..).unwrap_or_default()
    }

    /// The path on this machine, for messages.
    pub(crate) fn disk_path(&self, node: &Node) -> PathBuf {
        let relative = self.relative_path(node);
        match &self.root(node).place {
            Place::Directory(path, _) if !relative.is_empty() => {
                path.join(path_from_bytes(relative))
            }
            Place::Directory(path, _) | Place::File(path) | Place::Stream(path) => path.clone(),
            Place::Stdin => PathBuf::from("(standard input)"),
        }
    }

    /// Whether a root, or what the parts of a stream would be called, lies in another root: only
    /// then can any two nodes of theirs stand in each other's way.
    fn may_clash(&self, streams: &[(EntryPath, EntryPath)]) -> bool {
        let roots = self.roots.iter().map(|root| &root.path);
        let parts = streams.iter().map(|(_, parts)| parts);
        let mut all: Vec<_> = roots.chain(parts).collect();
        // In this order what is below a path follows it at once.
        all.sort_unstable();
        all.windows(2)
            .any(|pair| pair[0] == pair[1] || pair[1].is_below(pair[0]))
    }

    /// The sources of unknown size, and what their parts would be called.
    fn streams(&self) -> Vec<(EntryPath, EntryPath)> {
        let unknown = |root: &&TreeRoot| matches!(root.place, Place::Stream(_) | Place::Stdin);
        self.roots
            .iter()
            .filter(unknown)
            .filter_map(|root| {
                let parts = [root.path.as_bytes(), b".parts"].concat();
                Some((root.path.clone(), EntryPath::new(parts)?))
            })
            .collect()
    }
}

impl Node {
    /// Takes the place of a node before, and its memory.
    pub(crate) fn become_copy_of(&mut self, other: &Self) {
        self.path.clone_from(&other.path);
        self.kind = other.kind;
        self.root = other.root;
    }
}

impl InOrder {
    /// The next node; after one that cannot be read, none.
    pub(crate) fn next(&mut self, tree: &Tree) -> Option<Result<Node, io::ErrorKind>> {
        if let Some(kind) = self.failed.take() {
            self.heads.clear();
            return Some(Err(kind));
        }
        let Reverse(Head { node, branch }) = self.heads.pop()?;
        self.push(branch, tree);
        Some(Ok(node))
    }

    fn push(&mut self, mut branch: Branch, tree: &Tree) {
        match branch.next(&tree.roll) {
            Ok(Some(node)) => self.heads.push(Reverse(Head { node, branch })),
            Ok(None) => {}
            Err(error) => self.failed = Some(error.kind()),
        }
    }
}

/// The nodes of one root.
#[derive(Clone, Debug)]
struct Branch {
    root: usize,
    cursor: RollCursor,
    /// The path of the last node.
    path: Vec<u8>,
    /// How much of it is the directory at each depth.
    lens: Vec<usize>,
}

impl Branch {
    fn next(&mut self, roll: &Roll) -> io::Result<Option<Node>> {
        let Some(Record { depth, kind, name }) = self.cursor.next(roll)? else {
            return Ok(None);
        };
        self.lens.truncate(usize::from(depth) + 1);
        self.path
            .truncate(self.lens.last().copied().unwrap_or_default());
        if !name.is_empty() {
            self.path.push(b'/');
            self.path.extend_from_slice(name);
        }
        self.lens.push(self.path.len());
        let path = EntryPath::new(self.path.as_slice()).ok_or(io::ErrorKind::InvalidData)?;
        let root = self.root;
        Ok(Some(Node { path, kind, root }))
    }
}

/// The first of a root's nodes that is not yet in order.
#[derive(Clone, Debug)]
struct Head {
    node: Node,
    branch: Branch,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_path = self.node.path.cmp(&other.node.path);
        by_path.then_with(|| self.node.root.cmp(&other.node.root))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

#[cfg(test)]
impl Tree {
    /// Files below each root whose list lay in a temporary file that cannot be read any more, but
    /// for its first piece.
    pub(crate) fn with_lost_list(roots: &[&str], files: usize) -> Self {
        let mut tree = Self {
            roll: Roll::keeping(1),
            ..Self::default()
        };
        for root in roots {
            tree.add_files(root, files);
        }
        tree.roll.finish();
        tree.roll.lose();
        tree
    }

    /// Files below a root.
    pub(crate) fn with_list(root: &str, files: usize) -> Self {
        let mut tree = Self::default();
        tree.add_files(root, files);
        tree.roll.finish();
        tree
    }

    fn add_files(&mut self, root: &str, files: usize) {
        let path = EntryPath::new(root).expect("it is legal");
        let place = Place::File(PathBuf::new());
        self.add_root(TreeRoot { path, place });
        for number in 0..files {
            self.add(0, format!("{number:09}").as_bytes(), Kind::File);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> EntryPath {
        EntryPath::new(path).unwrap()
    }

    fn tree_of(roots: &[(&str, &[&str])]) -> Tree {
        let mut tree = Tree::default();
        for (root, names) in roots {
            let place = Place::File(PathBuf::from(root));
            let path = path(root);
            tree.add_root(TreeRoot { path, place });
            for name in *names {
                tree.add(0, name.as_bytes(), Kind::File);
            }
        }
        tree
    }

    fn order(tree: &Tree) -> Vec<String> {
        let mut nodes = tree.in_order();
        let paths = std::iter::from_fn(|| nodes.next(tree));
        paths.map(|node| node.unwrap().path.to_string()).collect()
    }

    #[test]
    fn roots_interleave_in_canonical_order() {
        let mut tree = tree_of(&[
            ("attachments/z", &[""]),
            ("home", &["a", "c"]),
            ("sql/b", &[""]),
            ("home/b", &["x", "y"]),
        ]);
        tree.finish().unwrap();
        let expected = [
            "sql/b",
            "home/a",
            "home/b/x",
            "home/b/y",
            "home/c",
            "attachments/z",
        ];
        assert_eq!(order(&tree), expected);
    }

    #[test]
    fn a_file_has_nothing_below_it() {
        let mut tree = tree_of(&[("home", &["b"]), ("home/b", &["x"])]);
        assert!(matches!(tree.finish(), Err(WalkError::SameName { .. })));
    }

    #[test]
    fn paths_are_made_again_from_names_and_depths() {
        let mut tree = tree_of(&[("home/b", &[])]);
        for (depth, name) in [(0, ""), (1, "x"), (2, "y"), (3, "z"), (2, "z"), (1, "xx")] {
            tree.add(depth, name.as_bytes(), Kind::Directory);
        }
        tree.finish().unwrap();
        let expected = ["", "/x", "/x/y", "/x/y/z", "/x/z", "/xx"];
        assert_eq!(order(&tree), expected.map(|path| format!("home/b{path}")));
        let mut nodes = tree.in_order();
        let mut relative = || {
            tree.relative_path(&nodes.next(&tree).unwrap().unwrap())
                .to_vec()
        };
        assert_eq!(
            [relative(), relative(), relative()],
            [&b""[..], b"x", b"x/y"]
        );
    }
}

//! What was walked, in 16 bytes and its own name each: ten million files must be possible.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::path::PathBuf;

use bakpak_format::entry::EntryPath;

use crate::error::WalkError;
use crate::links::Links;
use crate::owners::Owners;
use crate::platform::Kind;
use crate::platform::os::{Dir, path_from_bytes};

/// The parent of what has none.
const NO_PARENT: u32 = u32::MAX;

/// Everything that was walked.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    roots: Vec<TreeRoot>,
    nodes: Vec<Node>,
    /// The names of all nodes, end to end.
    names: Vec<u8>,
    /// The nodes in canonical order: runs of neighbours.
    runs: Vec<Range<u32>>,
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

/// One thing: 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    name_start: u32,
    name_len: u16,
    root: u16,
    kind: Kind,
}

/// The number of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeIndex(u32);

impl Tree {
    /// Adds a root; its nodes follow, until the next one is added.
    pub(crate) fn add_root(&mut self, root: TreeRoot) -> Result<(), WalkError> {
        if self.roots.len() > usize::from(u16::MAX) {
            return Err(too_many("sources", u64::from(u16::MAX) + 1));
        }
        self.roots.push(root);
        Ok(())
    }

    /// Adds a node to the last root. Without a parent and name it is that root itself.
    pub(crate) fn add(
        &mut self,
        parent: Option<NodeIndex>,
        name: &[u8],
        kind: Kind,
    ) -> Result<NodeIndex, WalkError> {
        let index = u32::try_from(self.nodes.len()).ok();
        let index = index.filter(|&index| index != NO_PARENT);
        let index = index.ok_or_else(|| too_many("files", u64::from(NO_PARENT)))?;
        let name_start = u32::try_from(self.names.len());
        let name_start =
            name_start.map_err(|_| too_many("bytes of file names", u64::from(u32::MAX)))?;
        let name_len = u16::try_from(name.len());
        let name_len = name_len
            .map_err(|_| too_many("bytes in one of the file names", u64::from(u16::MAX)))?;
        let root = u16::try_from(self.roots.len().saturating_sub(1)).unwrap_or_default();
        self.names.extend_from_slice(name);
        self.nodes.push(Node {
            parent: parent.map_or(NO_PARENT, |parent| parent.0),
            name_start,
            name_len,
            root,
            kind,
        });
        Ok(NodeIndex(index))
    }

    /// Puts all into canonical order and refuses what cannot stand beside each other.
    ///
    /// The nodes of each root are in that order already, so this is a merge.
    pub(crate) fn sort(&mut self) -> Result<(), WalkError> {
        if self.roots.len() == 1 {
            self.runs = self.root_ranges();
            return Ok(());
        }
        let mut heads: BinaryHeap<_> = (self.root_ranges().into_iter())
            .filter_map(|range| self.head(range))
            .map(Reverse)
            .collect();
        let streams = self.streams();
        let mut before: Option<(EntryPath, NodeIndex)> = None;
        let mut file: Option<(EntryPath, NodeIndex)> = None;
        while let Some(Reverse(head)) = heads.pop() {
            let node = NodeIndex(head.range.start);
            let clash = |other: &Option<(EntryPath, NodeIndex)>, below: bool| match other {
                Some((path, other))
                    if *path == head.path || (below && head.path.is_below(path)) =>
                {
                    Err(WalkError::SameName {
                        path: path.clone(),
                        first: self.disk_path(*other),
                        second: self.disk_path(node),
                    })
                }
                _ => Ok(()),
            };
            clash(&before, false)?;
            clash(&file, true)?;
            for (stream, parts) in &streams {
                if head.path == *parts || head.path.is_below(parts) {
                    return Err(WalkError::PartsName {
                        stream: stream.clone(),
                        disk: self.disk_path(node),
                    });
                }
            }
            match self.runs.last_mut() {
                Some(run) if run.end == node.0 => run.end += 1,
                _ => self.runs.push(node.0..node.0 + 1),
            }
            if self.kind(node) != Kind::Directory {
                file = Some((head.path.clone(), node));
            }
            before = Some((head.path, node));
            let rest = head.range.start + 1..head.range.end;
            heads.extend(self.head(rest).map(Reverse));
        }
        Ok(())
    }

    /// The node at a place in canonical order, counted by run and place in the run.
    pub(crate) fn at(&self, run: usize, offset: u32) -> Option<NodeIndex> {
        let run = self.runs.get(run)?;
        let index = run.start.checked_add(offset)?;
        run.contains(&index).then_some(NodeIndex(index))
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What was walked there.
    pub(crate) fn kind(&self, node: NodeIndex) -> Kind {
        self.node(node).kind
    }

    /// The root above a node.
    pub(crate) fn root(&self, node: NodeIndex) -> &TreeRoot {
        &self.roots[usize::from(self.node(node).root)]
    }

    /// The path in the archive.
    pub(crate) fn path(&self, node: NodeIndex) -> Option<EntryPath> {
        let mut path = self.root(node).path.as_bytes().to_vec();
        self.push_components(node, &mut path);
        EntryPath::new(path)
    }

    /// The path below the root, empty for the root itself.
    pub(crate) fn relative_path(&self, node: NodeIndex) -> Vec<u8> {
        let mut path = Vec::new();
        self.push_components(node, &mut path);
        path
    }

    /// The path on this machine, for messages.
    pub(crate) fn disk_path(&self, node: NodeIndex) -> PathBuf {
        let relative = self.relative_path(node);
        match &self.root(node).place {
            Place::Directory(path, _) if !relative.is_empty() => {
                path.join(path_from_bytes(&relative))
            }
            Place::Directory(path, _) | Place::File(path) | Place::Stream(path) => path.clone(),
            Place::Stdin => PathBuf::from("(standard input)"),
        }
    }

    fn node(&self, node: NodeIndex) -> &Node {
        &self.nodes[node.0 as usize]
    }

    fn name(&self, node: &Node) -> &[u8] {
        let start = node.name_start as usize;
        &self.names[start..start + usize::from(node.name_len)]
    }

    fn push_components(&self, node: NodeIndex, path: &mut Vec<u8>) {
        let mut ancestors = Vec::new();
        let mut index = node.0;
        while index != NO_PARENT {
            let node = self.node(NodeIndex(index));
            ancestors.push(node);
            index = node.parent;
        }
        for node in ancestors.into_iter().rev() {
            let name = self.name(node);
            if !path.is_empty() && !name.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
    }

    /// The nodes of each root.
    fn root_ranges(&self) -> Vec<Range<u32>> {
        let mut ranges: Vec<Range<u32>> = Vec::new();
        let mut root = None;
        for (index, node) in (0..).zip(&self.nodes) {
            match ranges.last_mut() {
                Some(range) if root == Some(node.root) => range.end = index + 1,
                _ => ranges.push(index..index + 1),
            }
            root = Some(node.root);
        }
        ranges
    }

    fn head(&self, range: Range<u32>) -> Option<Head> {
        let path = (!range.is_empty()).then(|| self.path(NodeIndex(range.start)))??;
        Some(Head { path, range })
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

/// The first of a root's nodes that is not yet in order.
#[derive(PartialEq, Eq)]
struct Head {
    path: EntryPath,
    range: Range<u32>,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_path = self.path.cmp(&other.path);
        by_path.then_with(|| self.range.start.cmp(&other.range.start))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn too_many(what: &'static str, max: u64) -> WalkError {
    WalkError::TooMany { what, max }
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
            tree.add_root(TreeRoot { path, place }).unwrap();
            for name in *names {
                tree.add(None, name.as_bytes(), Kind::File).unwrap();
            }
        }
        tree
    }

    fn order(tree: &Tree) -> Vec<String> {
        let mut all = Vec::new();
        for run in 0..tree.runs.len() {
            let nodes = (0..).map_while(|offset| tree.at(run, offset));
            all.extend(nodes.map(|node| tree.path(node).unwrap().to_string()));
        }
        all
    }

    #[test]
    fn roots_interleave_in_canonical_order() {
        let mut tree = tree_of(&[
            ("attachments/z", &[""]),
            ("home", &["a", "c"]),
            ("sql/b", &[""]),
            ("home/b", &["x", "y"]),
        ]);
        tree.sort().unwrap();
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
        assert!(matches!(tree.sort(), Err(WalkError::SameName { .. })));
    }

    #[test]
    fn a_node_is_small() {
        assert!(size_of::<Node>() <= 16);
    }
}

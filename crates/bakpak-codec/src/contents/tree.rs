//! Checks that the tree lists what the archive holds (spec: TRE-1).

use crate::error::ReadError;
use bakpak_format::catalogue::{NodeItem, PageItem, StripeItem, TreeItem, TreePage};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::Place;
use bakpak_format::record::{FactsPlace, TreeRoot};
use std::marker::PhantomData;

/// What the tree must list, and the pages of it that came.
#[derive(Default)]
pub(super) struct TreeCheck {
    pub(super) pages: Listed<PageItem>,
    pub(super) stripes: Listed<StripeItem>,
    pub(super) facts: Listed<FactsPlace>,
    pub(super) hasher: blake3::Hasher,
}

/// The items of one part: what the archive holds and what the tree lists, by count and hash, since
/// there may be millions.
pub(super) struct Listed<T> {
    expected: Items,
    seen: Items,
    /// The pages of each level, not yet listed by the level above.
    levels: Vec<Vec<NodeItem>>,
    root: TreeRoot,
    items: PhantomData<T>,
}

/// Items, by their encodings end to end.
#[derive(Default)]
struct Items {
    count: u64,
    hasher: blake3::Hasher,
}

impl<T: TreeItem> Listed<T> {
    /// The archive holds this; the tree must list it.
    pub(super) fn expect(&mut self, item: &T) {
        let mut encoded = Vec::new();
        item.encode_into(&mut encoded);
        self.expected.add(&encoded, 1);
    }

    /// Takes a tree page: it must list the next items, or the next pages of the level below
    /// (spec: TRE-1).
    pub(super) fn page(
        &mut self,
        page: &TreePage<'_>,
        raw: &[u8],
        place: Place,
        key: impl Fn(&T) -> Vec<u8>,
    ) -> Result<(), ReadError> {
        let level = usize::from(page.level);
        let key = if level == 0 {
            let items = T::decode_all(raw, page.count)?;
            // Of one encoding each, so the pages' own bytes tell.
            self.seen.add(raw, items.len() as u64);
            items.first().map(key).ok_or_else(wrong_tree)?
        } else {
            let nodes = NodeItem::decode_all(raw, page.count)?;
            let below = self.levels.get_mut(level - 1).ok_or_else(wrong_tree)?;
            if nodes.is_empty() || below.len() < nodes.len() || below[..nodes.len()] != nodes {
                return Err(wrong_tree());
            }
            below.drain(..nodes.len());
            nodes
                .into_iter()
                .next()
                .map(|node| node.key)
                .unwrap_or_default()
        };
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(NodeItem { key, place });
        self.root = TreeRoot {
            place: Some(place),
            level: page.level,
        };
        Ok(())
    }

    /// Everything must be listed, and exactly one page be on top.
    pub(super) fn check_root(&self, root: TreeRoot) -> Result<(), ReadError> {
        let unlisted: usize = self.levels.iter().map(Vec::len).sum();
        let one_root = unlisted == usize::from(self.root.place.is_some());
        if self.seen != self.expected || !one_root {
            return Err(wrong_tree());
        }
        if root != self.root {
            let what = "FINAL names another page as the root of the tree";
            return Err(FormatError::malformed(Structure::Final, "FIN-1", what).into());
        }
        Ok(())
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        let root = TreeRoot {
            place: None,
            level: 0,
        };
        Self {
            expected: Items::default(),
            seen: Items::default(),
            levels: Vec::new(),
            root,
            items: PhantomData,
        }
    }
}

impl Items {
    fn add(&mut self, encoded: &[u8], count: u64) {
        self.hasher.update(encoded);
        self.count += count;
    }
}

impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.hasher.finalize() == other.hasher.finalize()
    }
}

fn wrong_tree() -> ReadError {
    let what = "the tree does not list what the archive holds";
    FormatError::malformed(Structure::Tree, "TRE-1", what).into()
}

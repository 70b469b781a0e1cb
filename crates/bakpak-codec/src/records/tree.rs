//! What the tree will list, until it is written.

use bakpak_format::catalogue::{PageItem, StripeItem, TreeItem};
use bakpak_format::limits::{MAX_PAGE_RAW_LEN, MAX_PATH_LEN};
use bakpak_format::record::FactsPlace;

/// The items of its three parts.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) pages: Vec<PageItem>,
    pub(crate) stripes: Vec<StripeItem>,
    pub(crate) facts: Vec<FactsPlace>,
}

/// One page of the tree, not yet compressed.
pub(super) struct RawTreePage {
    pub(super) raw: Vec<u8>,
    pub(super) count: u32,
    pub(super) key: Vec<u8>,
}

impl Tree {
    /// Upper bound of its records.
    pub(super) fn bound(&self) -> usize {
        let keys: usize = self.pages.iter().map(|page| page.first_path.len()).sum();
        let rows = self.pages.len() * 20 + self.stripes.len() * 24 + self.facts.len() * 18 + keys;
        // Upper levels repeat one key of each page below: at most as much again, in practice
        // nothing. What zstd adds to data it cannot compress is below 1 %.
        let pages = 3 + 2 * rows / (MAX_PAGE_RAW_LEN - MAX_PATH_LEN - 64);
        2 * rows + rows / 64 + pages * 1024 + 3 * 1024
    }
}

/// Cuts a list of items into pages of at most 1 MiB (spec: CAT-2).
pub(super) fn split_items<T: TreeItem>(items: &[T], key: impl Fn(&T) -> &[u8]) -> Vec<RawTreePage> {
    let mut pages: Vec<RawTreePage> = Vec::new();
    let mut encoded = Vec::new();
    for item in items {
        encoded.clear();
        item.encode_into(&mut encoded);
        match pages.last_mut() {
            Some(page) if page.raw.len() + encoded.len() <= MAX_PAGE_RAW_LEN => {
                page.raw.extend_from_slice(&encoded);
                page.count += 1;
            }
            _ => pages.push(RawTreePage {
                raw: encoded.clone(),
                count: 1,
                key: key(item).to_vec(),
            }),
        }
    }
    pages
}

//! TREE PAGEs.

use super::Assembly;
use crate::zstd_frame::frame;
use bakpak_format::catalogue::{NodeItem, TreeItem, TreePage, TreePart};
use bakpak_format::record::{RecordType, TreeRoot};

impl Assembly<'_> {
    pub(super) fn tree(&mut self) {
        let mut lists = (self.pages.clone(), self.stripes.clone(), self.facts.clone());
        (self.builder.tree)(&mut lists);
        let (pages, stripes, facts) = lists;
        let keys = pages.iter().map(|page| page.first_path.clone()).collect();
        self.tree_part(TreePart::Pages, &pages, keys);
        let keys = vec![Vec::new(); stripes.len()];
        self.tree_part(TreePart::Stripes, &stripes, keys);
        let keys = vec![Vec::new(); facts.len()];
        self.tree_part(TreePart::Facts, &facts, keys);
    }

    fn tree_part<T: TreeItem>(&mut self, part: TreePart, items: &[T], keys: Vec<Vec<u8>>) {
        if items.is_empty() {
            return;
        }
        let mut nodes = self.tree_level(part, 0, items, &keys);
        let mut level = 0;
        while nodes.len() > 1 && !self.builder.tree_without_root {
            level += 1;
            let keys: Vec<Vec<u8>> = nodes.iter().map(|node| node.key.clone()).collect();
            nodes = self.tree_level(part, level, &nodes, &keys);
        }
        self.roots[usize::from(part.number()) - 1] = TreeRoot {
            place: nodes.last().map(|node| node.place),
            level,
        };
    }

    /// The pages of one level, and what the level above lists.
    fn tree_level<T: TreeItem>(
        &mut self,
        part: TreePart,
        level: u8,
        items: &[T],
        keys: &[Vec<u8>],
    ) -> Vec<NodeItem> {
        let size = self.builder.tree_page_items;
        let mut nodes = Vec::new();
        for (items, keys) in items.chunks(size).zip(keys.chunks(size)) {
            let mut raw = Vec::new();
            items.iter().for_each(|item| item.encode_into(&mut raw));
            let page = TreePage {
                part,
                level,
                count: u32::try_from(items.len()).expect("vectors are small"),
                raw_len: raw.len(),
                frame: &frame(&raw),
            };
            let place = self.put_known(RecordType::TreePage, page.encode());
            nodes.push(NodeItem {
                key: keys[0].clone(),
                place,
            });
        }
        nodes
    }
}

//! What authenticates and breaks the format all the same: the first ones are told, with their block.

use crate::error::Finding;
use bakpak_format::geometry::{Geometry, Place};

/// The first ones tell what there is to tell.
const MAX: usize = 100;

/// Collects them.
#[derive(Debug)]
pub(super) struct Faults {
    geometry: Geometry,
    found: Vec<Finding>,
}

impl Faults {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            found: Vec::new(),
        }
    }

    /// Notes what is wrong with the record at a place.
    pub(super) fn note(&mut self, place: Place, fault: impl Into<Finding>) {
        if self.found.len() < MAX {
            let (block, _) = self.geometry.block_size.locate(place);
            let mut finding = fault.into();
            finding.block = Some(block.0);
            finding.offset = Some(self.geometry.block_offset(block).0);
            self.found.push(finding);
        }
    }

    /// Those of all collections, in the order of the blocks.
    pub(super) fn join(all: impl IntoIterator<Item = Self>) -> Vec<Finding> {
        let mut joined: Vec<Finding> = all.into_iter().flat_map(|faults| faults.found).collect();
        joined.sort_by_key(|finding| finding.block);
        joined.truncate(MAX);
        joined
    }
}

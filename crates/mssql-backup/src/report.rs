//! What reading a file gave.

use crate::allocation::Allocation;
use crate::check::{CheckedSet, Fault, LevelReport, Outcome};
use crate::decode::{MediaDescriptors, SetDescriptors};
use crate::extents::PageCounts;
use crate::label::Label;

/// What reading one file gave, its headers only or all of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Length of the file in bytes, as far as it was read or passed over.
    pub len: u64,
    /// `RESTORE LABELONLY`. None if the medium has no header.
    pub label: Option<Label>,
    /// The medium's descriptors as they stand in it.
    pub descriptors: MediaDescriptors,
    /// The backup sets, in their order.
    pub sets: Vec<SetReport>,
    /// What was checked outside of the sets.
    pub levels: Vec<LevelReport>,
    /// The first thousand faults.
    pub faults: Vec<Fault>,
    /// How many there are.
    pub fault_count: u64,
    /// What is unusual but no fault.
    pub notes: Vec<String>,
}

/// One backup set of a file.
#[derive(Clone, Debug)]
pub struct SetReport {
    /// Its columns, and what verification found.
    pub checked: CheckedSet,
    /// Its descriptors as they stand in the medium.
    pub descriptors: SetDescriptors,
    /// Its pages by kind.
    pub pages: PageCounts,
    /// Which pages are allocated, and which are there.
    pub allocation: Allocation,
}

impl Report {
    /// Whether a level found something wrong, in a set or outside.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let outside = self
            .levels
            .iter()
            .any(|level| level.outcome == Outcome::Failed);
        outside || self.sets.iter().any(|set| set.checked.is_damaged())
    }
}

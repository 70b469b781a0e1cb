//! What reading a file gave.

use std::fmt;
use std::ops::Range;

use crate::allocation::{Allocation, Missing};
use crate::check::{CheckedSet, Fault, LevelReport, Outcome};
use crate::container::ContainerHeader;
use crate::container::fault::Algorithm;
use crate::decode::{MediaDescriptors, SetDescriptors};
use crate::extents::PageCounts;
use crate::label::Label;
use crate::log::LogSpan;
use crate::lost::Lost;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encrypted => "encrypted: contents not verifiable here",
            Self::Algorithm(Algorithm::Zstandard) => {
                "compressed with Zstandard (ZSTD): contents not verifiable here"
            }
            Self::Algorithm(_) => {
                "compressed by an unknown algorithm: contents not verifiable here"
            }
        })
    }
}

/// What reading one file gave, its headers only or all of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Length of the file in bytes, as far as it was read or passed over.
    pub len: u64,
    /// What kind of medium it is.
    pub medium: Medium,
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
    /// Why there are no backup sets, if the content is not readable here.
    pub unreadable: Option<Unreadable>,
    /// How many compressed blocks were seen.
    pub container_blocks: u64,
}

/// What kind of medium a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    /// None of SQL Server's.
    #[default]
    Other,
    /// A stream of descriptor blocks (`TAPE`).
    Native,
    /// The same in blocks, compressed or encrypted (`MSSQLBAK`).
    Container(ContainerHeader),
}

/// Why the content of a medium cannot be read here, though nothing need be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is encrypted by `BACKUP ... WITH ENCRYPTION`: only the server's certificate opens it.
    Encrypted,
    /// It is compressed by an algorithm that is not known here.
    Algorithm(Algorithm),
}

/// One backup set of a file.
#[derive(Clone, Debug, Default)]
pub struct SetReport {
    /// Its columns, and what verification found.
    pub checked: CheckedSet,
    /// Its descriptors as they stand in the medium.
    pub descriptors: SetDescriptors,
    /// Whether its content was read, and not its headers only.
    pub was_read: bool,
    /// Its pages by kind.
    pub pages: PageCounts,
    /// Pages that were there when the backup started, and pages copied again at its end.
    pub page_sections: [u64; 2],
    /// Allocated pages that are not there. None where that cannot be told of this file alone.
    pub missing: Option<Missing>,
    /// Which pages are allocated, and which are there, of a set on several stripes.
    pub allocation: Option<Allocation>,
    /// Where the pages of its data sections stand in the file, extent by extent from its start. None if
    /// the medium is compressed.
    pub data_spans: Vec<Range<u64>>,
    /// Where the log blocks on this file are: one span for each run without a gap.
    pub log_spans: Vec<LogSpan>,
    /// What of it is lost: bytes of the file that are not known, and damaged compressed blocks.
    pub lost: Lost,
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

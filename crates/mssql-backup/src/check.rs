//! What verification says, level by level, and where each fault is.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::DateTime;

use crate::set::BackupSet;

/// One level of verification; each is reported by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Checksums of the compressed medium's blocks, and their decompression.
    CompressedBlocks,
    /// Checksums of descriptor blocks and stream headers.
    Descriptors,
    /// The chain of blocks and streams covers the file to its last byte.
    Tiling,
    /// Addresses and counts that descriptors hold of themselves and of each other.
    Addresses,
    /// Start and end copy of the configuration are equal in what does not change.
    Configuration,
    /// The set has all its parts up to its last descriptor.
    Completeness,
    /// As many pages as the configuration announces.
    PageCount,
    /// Every page that the allocation map calls allocated is there.
    Allocation,
    /// Checksums and torn bits of data pages.
    Pages,
    /// Checksums over all data and log, made `WITH CHECKSUM`.
    BackupChecksums,
    /// Checksums of log blocks.
    LogBlocks,
    /// The log runs from `FirstLSN` to `LastLSN` without a gap.
    LogContinuity,
}

impl Level {
    /// All levels, in the order in which they are reported.
    pub const ALL: [Self; 12] = [
        Self::CompressedBlocks,
        Self::Descriptors,
        Self::Tiling,
        Self::Addresses,
        Self::Configuration,
        Self::Completeness,
        Self::PageCount,
        Self::Allocation,
        Self::Pages,
        Self::BackupChecksums,
        Self::LogBlocks,
        Self::LogContinuity,
    ];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Its name, as texts and JSON have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CompressedBlocks => "compressed blocks",
            Self::Descriptors => "descriptors",
            Self::Tiling => "tiling",
            Self::Addresses => "addresses",
            Self::Configuration => "configuration",
            Self::Completeness => "completeness",
            Self::PageCount => "page count",
            Self::Allocation => "allocation",
            Self::Pages => "pages",
            Self::BackupChecksums => "backup checksums",
            Self::LogBlocks => "log blocks",
            Self::LogContinuity => "log continuity",
        }
    }
}

/// What a level found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelReport {
    /// The level.
    pub level: Level,
    /// How it ended.
    pub outcome: Outcome,
    /// How many things were checked: blocks, pages, streams, as the level has them.
    pub checked: u64,
    /// How many of these are faulty.
    pub faulty: u64,
}

/// Why a level ended as it did, in plain words.
pub type Reason = Cow<'static, str>;

/// How a level of verification ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What there was to check is right.
    Passed,
    /// Something is wrong.
    Failed,
    /// Something is not as in a quiet database, but can be right in a busy one.
    Doubtful(Reason),
    /// The backup holds nothing that this level could check.
    Absent(Reason),
    /// There is something, but it cannot be checked here: encrypted, or on another stripe.
    Unknown(Reason),
}

/// One fault, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The level that found it.
    pub level: Level,
    /// Where in the file, in bytes from its start. In a compressed medium the place of the
    /// compressed block that holds it.
    pub offset: u64,
    /// `Position` of the backup set. None outside of sets.
    pub position: Option<u16>,
    /// The page of the database, if it is a page.
    pub page: Option<PageId>,
    /// What is wrong, in one plain line.
    pub message: String,
}

/// A page of a database: `1:1234` is page 1234 of file 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId {
    /// The file, as `FileId` of the file list.
    pub file: u16,
    /// The page in it, from 0 on.
    pub page: u32,
}

/// What is known of one backup set of a file: its columns, and what verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedSet {
    /// The set itself.
    pub set: BackupSet,
    /// What each level found, in the order of [`Level`].
    pub levels: Vec<LevelReport>,
    /// What the log blocks hold. None if the set has none on this file.
    pub log: Option<LogSummary>,
}

/// What the log blocks of a set hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSummary {
    /// How many log blocks.
    pub blocks: u64,
    /// How many log records.
    pub records: u64,
    /// How many transactions ended with a commit.
    pub commits: u64,
    /// The first commit in the log, server-local, to 1/300 s. None if there is none, or if this
    /// version of SQL Server writes records that are not understood.
    pub first_commit: Option<DateTime>,
    /// The last one likewise.
    pub last_commit: Option<DateTime>,
}

impl CheckedSet {
    /// Whether a level found something wrong.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.levels
            .iter()
            .any(|level| level.outcome == Outcome::Failed)
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.page)
    }
}

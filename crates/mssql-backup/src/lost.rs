//! What of a backup set is lost: its pages by name, as far as that is proved, and its log.
//!
//! An extent of which a page is left names its lost pages itself. Of the others only the place is
//! known: the extents of a file stand in a data section in ascending order of their pages, so those
//! between two known extents are some of the pages between these, and all of them if their number
//! is the same.

mod section;

use crate::lsn::Lsn;

pub(crate) use section::Section;

/// What of a backup set is lost, because bytes of the file are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lost pages, in the order of the file: 4,096 ranges at most.
    pub pages: Vec<LostPages>,
    /// How many pages are lost, those beyond the ranges included. The end of a data section can be
    /// filler, which is counted and is nothing of the database.
    pub page_count: u64,
    /// Ranges of pages beyond those that are kept.
    pub more_pages: u64,
    /// Lost stretches of the log, in the order of the file: 4,096 at most.
    pub log: Vec<LostLog>,
    /// Stretches of the log beyond those that are kept.
    pub more_log: u64,
}

/// Pages that stand one behind the other in the file, and are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostPages {
    /// Where in the file the first of them starts; in a compressed medium the compressed block or
    /// the stretch that held it.
    pub offset: u64,
    /// Their length in bytes before compression: in an uncompressed medium their length in the file.
    pub len: u64,
    /// How many pages of 8 KiB; where blocks of a compressed medium are lost and nothing tells how
    /// many, as many as there can be at most.
    pub count: u64,
    /// Which pages of the database. None if nothing proves it.
    pub pages: Option<PageRange>,
}

/// A range of pages of one file of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// The file, as `FileId` of the file list.
    pub file: u16,
    /// The first page.
    pub first: u32,
    /// The last page.
    pub last: u32,
    /// Whether it is these pages. Otherwise the lost ones are among them.
    pub is_exact: bool,
}

/// A stretch of the log that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostLog {
    /// Where in the file it starts; in a compressed medium the compressed block that held it.
    pub offset: u64,
    /// Its length in bytes before compression, log blocks that are lost in part included. None if
    /// nothing tells it.
    pub len: Option<u64>,
    /// The first log block that is lost, as the LSN of its first record. None if no log block of the
    /// stream comes before it.
    pub from: Option<Lsn>,
    /// The first log block behind it that is there. None if none follows in the stream.
    pub to: Option<Lsn>,
}

impl Lost {
    /// Ranges kept, of pages and of the log.
    pub(crate) const MAX_RANGES: usize = 4096;

    /// Whether nothing is lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.page_count == 0 && self.log.is_empty() && self.pages.is_empty()
    }

    /// Bytes that its ranges take in memory.
    pub(crate) fn memory_len(&self) -> usize {
        size_of_val(self.pages.as_slice()) + size_of_val(self.log.as_slice())
    }

    /// Adds pages behind those before, to the last range if they go on with it.
    pub(crate) fn add_pages(&mut self, pages: LostPages) {
        self.page_count = self.page_count.saturating_add(pages.count);
        let has_room = self.pages.len() < Self::MAX_RANGES;
        match self.pages.last_mut() {
            Some(last) if last.goes_on_with(&pages) => last.append(&pages),
            _ if has_room => self.pages.push(pages),
            _ => self.more_pages += 1,
        }
    }

    /// Counts pages whose ranges are not kept.
    pub(crate) fn add_untold(&mut self, ranges: u64, pages: u64) {
        self.more_pages += ranges;
        self.page_count = self.page_count.saturating_add(pages);
    }

    pub(crate) fn add_log(&mut self, log: LostLog) {
        match self.log.len() < Self::MAX_RANGES {
            true => self.log.push(log),
            false => self.more_log += 1,
        }
    }
}

impl LostPages {
    /// Whether `next` is the same range further on.
    fn goes_on_with(&self, next: &Self) -> bool {
        let goes_on = match (self.pages, next.pages) {
            (Some(ours), Some(theirs)) => {
                ours.is_exact
                    && theirs.is_exact
                    && ours.file == theirs.file
                    && ours.last.checked_add(1) == Some(theirs.first)
            }
            (None, None) => true,
            _ => false,
        };
        // In a compressed medium places are those of blocks, which each hold an extent.
        let is_near = next.offset <= self.offset.saturating_add(self.len);
        goes_on && is_near
    }

    fn append(&mut self, next: &Self) {
        self.len = self.len.saturating_add(next.len);
        self.count = self.count.saturating_add(next.count);
        if let (Some(ours), Some(theirs)) = (&mut self.pages, next.pages) {
            ours.last = theirs.last;
        }
    }
}

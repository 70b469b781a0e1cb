//! The soft filemarks passed, which the table of the next one must repeat.

use crate::container::filemark::Filemark;
use std::collections::VecDeque;

/// No table has room for more: a filemark has at most 65535 bytes.
const MAX_KNOWN: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Filemarks {
    /// Their offsets in the medium, newest first.
    known: VecDeque<u64>,
    count: u64,
    /// Whether one may have been lost in a damaged stretch.
    is_doubtful: bool,
}

impl Filemarks {
    /// Passes a filemark. False if what its own checksum does not cover is wrong.
    pub(super) fn pass(&mut self, filemark: &Filemark, bytes: &[u8], file_offset: u64) -> bool {
        let table = filemark.table(bytes);
        let is_right = table.is_some_and(|table| self.agrees(&table, filemark, file_offset));
        self.pass_damaged(file_offset);
        is_right
    }

    /// Passes a filemark that cannot be read.
    pub(super) fn pass_damaged(&mut self, file_offset: u64) {
        self.known.push_front(file_offset);
        self.known.truncate(MAX_KNOWN);
        self.count += 1;
    }

    /// A stretch was passed in which a filemark may have been.
    pub(super) fn distrust(&mut self) {
        self.is_doubtful = true;
    }

    /// Whether a medium may end here: behind the header's filemark, each set has two.
    pub(super) fn end_a_set(&self) -> bool {
        self.is_doubtful || (self.count > 1 && !self.count.is_multiple_of(2))
    }

    fn agrees(&mut self, table: &[u64], filemark: &Filemark, file_offset: u64) -> bool {
        if self.is_doubtful {
            // It knows better, if it makes sense.
            let is_falling = table.is_sorted_by(|newer, older| newer > older);
            if !is_falling || table.first().is_some_and(|&newest| newest >= file_offset) {
                return false;
            }
            self.known = table.iter().copied().collect();
            self.count = table.len() as u64;
            self.is_doubtful = false;
            return true;
        }
        // How a table looks that has no more room was not seen.
        self.count > filemark.capacity() as u64 || self.known.iter().eq(table)
    }
}

//! The blocks of a set that begin with a stream header: only such may an index record name.

use crate::container::index::{Index, IndexEntry};

/// More are not remembered; then nothing is said of the index record.
const MAX_PLACES: usize = 1 << 16;

const STREAM_HEADER_LEN: usize = 22;

#[derive(Debug, Default)]
pub(super) struct Places {
    set_start: u64,
    places: Vec<IndexEntry>,
    is_incomplete: bool,
}

impl Places {
    pub(super) fn start_set(&mut self, stream_offset: u64) {
        self.set_start = stream_offset;
        self.places.clear();
        self.is_incomplete = false;
    }

    /// Remembers a block if it begins with a stream header.
    pub(super) fn note(&mut self, content: &[u8], stream_offset: u64, file_offset: u64) {
        if !begins_with_stream_header(content) {
            return;
        }
        if self.places.len() == MAX_PLACES {
            return self.note_hole();
        }
        self.places.push(IndexEntry {
            set_offset: stream_offset.saturating_sub(self.set_start),
            file_offset,
        });
    }

    /// A block was lost, which might have been such a one.
    pub(super) fn note_hole(&mut self) {
        self.is_incomplete = true;
    }

    /// The places of an index record at which there is no such block.
    pub(super) fn missing(&self, index: &Index) -> Vec<u64> {
        if self.is_incomplete {
            return Vec::new();
        }
        let is_missing = |entry: &&IndexEntry| {
            let found = self
                .places
                .binary_search_by_key(&entry.file_offset, |place| place.file_offset);
            found.is_err() || found.is_ok_and(|at| self.places[at] != **entry)
        };
        let missing = index.entries.iter().filter(is_missing);
        missing.map(|entry| entry.file_offset).collect()
    }
}

fn begins_with_stream_header(content: &[u8]) -> bool {
    let Some(header) = content.first_chunk::<STREAM_HEADER_LEN>() else {
        return false;
    };
    let words = header.as_chunks().0.iter();
    let sum = words.fold(0, |sum, word| sum ^ u16::from_le_bytes(*word));
    sum == 0 && header[..4].iter().all(u8::is_ascii_uppercase)
}

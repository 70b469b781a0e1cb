//! Where a container's soft filemarks are, and the index record of the set being read.

use super::Medium;
use crate::container::filemark::{Filemark, SECTOR_LEN};
use crate::container::index::{Index, IndexEntry, IndexKey, KEY_LEN};
use std::io::{self, Read, Seek};

/// Sectors of this size were written at most: 64 KiB is what a filemark's length can say.
const MAX_SECTORS: usize = 127;

#[derive(Debug, Default)]
pub(super) struct Map {
    /// The offsets of all filemarks, oldest first. Empty if the medium does not end with one.
    filemarks: Vec<u64>,
    /// Where the set being read starts in the stream.
    set_start: Option<u64>,
    /// Before which filemark `entries` were looked for.
    looked_before: Option<u64>,
    /// What the index record before it says.
    entries: Vec<IndexEntry>,
}

impl Map {
    /// Reads the last filemark, whose table tells of all others.
    pub(super) fn read(medium: &mut Medium<impl Read + Seek>) -> io::Result<Self> {
        let mut map = Self::default();
        // The usual sizes first.
        let sizes = [1, 8].into_iter().chain(2..8).chain(9..=MAX_SECTORS);
        for len in sizes.map(|sectors| sectors * SECTOR_LEN) {
            let Some(offset) = medium.len.checked_sub(len as u64) else {
                break;
            };
            let mut bytes = vec![0; len];
            let read_len = medium.read_at(offset, &mut bytes)?;
            let filemark = Filemark::decode(&bytes[..read_len]).filter(|it| it.len == len);
            let Some(filemark) = filemark else { continue };
            if let Some(mut table) = filemark.table(&bytes) {
                table.reverse();
                table.push(offset);
                if table.is_sorted_by(|older, newer| older < newer) {
                    map.filemarks = table;
                }
            }
            break;
        }
        Ok(map)
    }

    /// A filemark was passed, and the stream goes on at `stream_offset`.
    pub(super) fn pass_filemark(&mut self, file_offset: u64, stream_offset: u64) {
        // Behind the header's filemark each set has two, so those in even places end something.
        self.set_start = match self.filemarks.binary_search(&file_offset) {
            Ok(place) if place.is_multiple_of(2) => Some(stream_offset),
            Ok(_) => self.set_start,
            Err(_) => None,
        };
    }

    /// Looks for the index record before the filemark that follows `file_offset`.
    pub(super) fn prepare(
        &mut self,
        medium: &mut Medium<impl Read + Seek>,
        file_offset: u64,
    ) -> io::Result<()> {
        let place = self
            .filemarks
            .partition_point(|&filemark| filemark <= file_offset);
        let next = self.filemarks.get(place).copied();
        if next.is_none() || next == self.looked_before {
            return Ok(());
        }
        self.looked_before = next;
        self.entries = match next {
            Some(filemark) => read_index(medium, filemark)?.unwrap_or_default().entries,
            None => Vec::new(),
        };
        Ok(())
    }

    /// The last place at or before `target` in the stream that the index names, as offsets in
    /// medium and stream. None if that is not ahead.
    pub(super) fn before(
        &self,
        target: u64,
        file_offset: u64,
        stream_offset: u64,
    ) -> Option<(u64, u64)> {
        let set_start = self.set_start?;
        let limit = self.looked_before?;
        let places = self.entries.iter().map(|entry| {
            let stream_offset = entry.set_offset.saturating_add(set_start);
            (entry.file_offset, stream_offset)
        });
        let is_ahead = |&(file, stream): &(u64, u64)| {
            stream <= target && stream > stream_offset && file > file_offset && file < limit
        };
        places.filter(is_ahead).max_by_key(|&(_, stream)| stream)
    }
}

/// The index record that ends at a filemark. None if there is none, or if it is damaged.
fn read_index(medium: &mut Medium<impl Read + Seek>, filemark: u64) -> io::Result<Option<Index>> {
    let mut key = [0; KEY_LEN];
    let Some(key_offset) = filemark.checked_sub(KEY_LEN as u64) else {
        return Ok(None);
    };
    if medium.read_at(key_offset, &mut key)? < KEY_LEN {
        return Ok(None);
    }
    let Some(len) = IndexKey::decode(&key).map(|key| key.record_len()) else {
        return Ok(None);
    };
    let Some(offset) = filemark.checked_sub(len as u64) else {
        return Ok(None);
    };
    let mut record = vec![0; len];
    let read_len = medium.read_at(offset, &mut record)?;
    Ok(Index::decode(&record[..read_len]))
}

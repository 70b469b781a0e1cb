//! What the blocks that open hold: chunks, pages of the catalogue, FINAL.

use super::faults::Faults;
use crate::blocks::OpenedBlock;
use bakpak_format::chunk::Chunk;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, BlockSize, Geometry, Place};
use bakpak_format::record::{self, Final, RecordHeader, RecordType};
use std::ops::Range;

/// So many ranges of lost blocks are told apart; further ones count as one with all between.
const MAX_RANGES: usize = 1 << 16;

/// A chunk that is there, all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundChunk {
    pub(super) place: Place,
    pub(super) stream_start: u64,
    pub(super) stream_len: u64,
    pub(super) data_start: u64,
    pub(super) raw_len: u32,
    /// Where the first entry begins in its stretch.
    pub(super) first_entry: Option<u64>,
}

/// What was found: 56 bytes a chunk, and 8 a page of the catalogue; as the lists grow by doubling, room
/// for up to twice as many.
#[derive(Debug)]
pub(super) struct Found {
    /// In the order of the stream and of the data space.
    pub(super) chunks: Vec<FoundChunk>,
    /// Where pages of the catalogue stand.
    pub(super) pages: Vec<Place>,
    pub(super) last: Option<Final>,
    /// Blocks that do not open.
    pub(super) lost_blocks: Vec<Range<u64>>,
    /// Blocks that do.
    pub(super) block_count: u64,
    /// What authenticates, but is not what the format allows: an archive of a faulty writer.
    pub(super) faults: Faults,
}

impl FoundChunk {
    pub(super) fn stream_end(&self) -> u64 {
        self.stream_start.saturating_add(self.stream_len)
    }

    pub(super) fn data_end(&self) -> u64 {
        self.data_start.saturating_add(self.raw_len.into())
    }
}

/// Takes the blocks of an archive in order, and reads the records in them.
pub(super) struct IndexBuilder {
    block_size: BlockSize,
    chunk_size: usize,
    found: Found,
    /// What has come of the record at `place`; empty if the next one begins with the next block.
    pending: Vec<u8>,
    place: Place,
    /// Where FINAL stands.
    final_place: Option<Place>,
    /// The block before is lost, or nothing began before: the next record is sought.
    is_searching: bool,
}

impl IndexBuilder {
    pub(super) fn new(geometry: Geometry, chunk_size: usize) -> Self {
        Self {
            block_size: geometry.block_size,
            chunk_size,
            found: Found {
                chunks: Vec::new(),
                pages: Vec::new(),
                last: None,
                lost_blocks: Vec::new(),
                block_count: 0,
                faults: Faults::new(geometry),
            },
            pending: Vec::new(),
            place: Place(0),
            final_place: None,
            is_searching: true,
        }
    }

    /// What was found of so many blocks; those from `end` on were never there.
    pub(super) fn finish(mut self, end: Option<u64>, block_count: u64) -> Found {
        if let Some(end) = end {
            self.found.lost_blocks.retain_mut(|lost| {
                lost.end = lost.end.min(end);
                !lost.is_empty()
            });
        }
        if let (Some(last), Some(place)) = (&self.found.last, self.final_place)
            && last.block_count != block_count
        {
            // spec: FIN-1
            let what = "it counts other blocks than there are";
            let fault = FormatError::malformed(Structure::Final, "FIN-1", what);
            self.found.faults.note(place, fault);
        }
        self.found
    }

    /// Takes the next block, or that it is lost.
    pub(super) fn block(&mut self, index: BlockIndex, block: Option<&OpenedBlock>) {
        let Some(block) = block else {
            self.lose(index);
            return;
        };
        self.found.block_count += 1;
        let records = block.records();
        if self.is_searching {
            // spec: BLK-6; what is left of a record that began before is of no use.
            let Some(first) = block.inner.first_record else {
                return;
            };
            let first = first as usize;
            self.place = self.block_size.place(index, first);
            self.pending.clear();
            self.pending
                .extend_from_slice(records.get(first..).unwrap_or_default());
            self.is_searching = false;
        } else {
            self.pending.extend_from_slice(records);
        }
        if let Err((place, error)) = self.records() {
            self.found.faults.note(place, error);
            self.is_searching = true;
        }
        // No record straddles stripes, and a stripe's last block ends with zeros, not with records.
        if block.inner.used_len < block.payload_len() {
            self.is_searching = true;
        }
    }

    fn lose(&mut self, index: BlockIndex) {
        self.is_searching = true;
        self.pending.clear();
        let lost = &mut self.found.lost_blocks;
        let is_full = lost.len() == MAX_RANGES;
        match lost.last_mut() {
            Some(last) if last.end == index.0 || is_full => last.end = index.0 + 1,
            _ => lost.push(index.0..index.0 + 1),
        }
    }

    /// Takes all records that are complete, up to one whose header says nothing that can be believed.
    fn records(&mut self) -> Result<(), (Place, FormatError)> {
        let pending = std::mem::take(&mut self.pending);
        let mut at = 0;
        while let Some(header) = pending[at..].first_chunk::<{ record::HEADER_LEN }>() {
            let place = self.place.plus(at as u64);
            let header = RecordHeader::decode(header).map_err(|error| (place, error))?;
            let start = at + record::HEADER_LEN;
            let Some(body) = pending.get(start..start + header.body_len) else {
                break;
            };
            if let Err(error) = self.record(&header, body, place) {
                self.found.faults.note(place, error);
            }
            at = start + header.body_len;
        }
        self.place = self.place.plus(at as u64);
        self.pending = pending;
        self.pending.drain(..at);
        Ok(())
    }

    fn record(
        &mut self,
        header: &RecordHeader,
        body: &[u8],
        place: Place,
    ) -> Result<(), FormatError> {
        match header.known()? {
            Some(RecordType::Chunk) => self.chunk(body, place)?,
            Some(RecordType::CataloguePage) => self.found.pages.push(place),
            Some(RecordType::Final) => {
                self.found.last = Some(Final::decode(body)?);
                self.final_place = Some(place);
            }
            _ => {}
        }
        Ok(())
    }

    fn chunk(&mut self, body: &[u8], place: Place) -> Result<(), FormatError> {
        let head = Chunk::decode(body, self.chunk_size)?.head;
        let chunk = FoundChunk {
            place,
            stream_start: head.stream_offset.0,
            stream_len: head.stream_len,
            data_start: head.data_offset.0,
            raw_len: head.raw_len as u32, // below 8 MiB
            first_entry: head.first_entry.map(|entry| entry.0),
        };
        let is_behind = self.found.chunks.last().is_none_or(|last| {
            last.stream_end() <= chunk.stream_start && last.data_end() <= chunk.data_start
        });
        if !is_behind {
            let what = "a chunk does not follow the one before it";
            return Err(FormatError::malformed(Structure::Chunk, "CHU-1", what));
        }
        self.found.chunks.push(chunk);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::FoundChunk;
    use crate::data_map::SourceChunk;
    use bakpak_format::geometry::Place;

    /// The README and `format-spec/rationale.md` tell what a salvage of many chunks takes.
    #[test]
    fn chunks_take_as_much_memory_as_is_told() {
        assert_eq!(size_of::<FoundChunk>(), 56);
        assert_eq!(size_of::<SourceChunk>(), 24);
        assert_eq!(size_of::<Place>(), 8);
    }
}

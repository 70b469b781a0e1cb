//! The four layers put together for writing: stream to chunks, records, stripes, file.

use crate::chunks::CopyCost;
use crate::error::PackError;
use crate::grids::GridPlace;
use crate::head_plan::HeadPlan;
use crate::history::History;
use crate::matcher::{Matcher, More, Output, Stretch};
use crate::records::{Closing, RecordsSoFar};
use crate::source::Identity;
use crate::stripes::{HeadParts, Tools};
use bakpak_format::catalogue::Row;
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryPath;
use bakpak_format::geometry::{BlockSize, Geometry, StreamOffset};
use bakpak_format::record::Facts;
use chunk_output::{ChunkOutput, MAX_FOLLOWING};
use std::io;

mod along;
mod chunk_output;

/// How much of the stream is matched at once.
const PIECE: usize = 256 << 10;

/// How the writer works; none of it changes what a reader gets.
pub(crate) struct WriterSettings {
    pub(crate) level: i32,
    pub(crate) block_size: Option<BlockSize>,
    /// Raw bytes of recent chunks kept for matching; 0 without.
    pub(crate) history_len: usize,
}

/// Where writing begins.
pub(crate) enum Start {
    /// With the head of a new archive.
    New(Box<HeadPlan>),
    /// Behind stripes that stand already.
    Behind(Box<Standing>),
}

/// What stands already.
pub(crate) struct Standing {
    pub(crate) geometry: Geometry,
    pub(crate) parts: HeadParts,
    pub(crate) page_digests: Vec<Digest>,
    pub(crate) records: RecordsSoFar,
    pub(crate) cost: CopyCost,
    pub(crate) chunk_size: usize,
    pub(crate) copy_reach: u64,
}

/// Takes the stream of entries and writes the archive.
pub(crate) struct ArchiveWriter<'a> {
    buffer: StreamBuffer,
    /// Length of the FACTS about entries that end in the buffer.
    facts_len: usize,
    matcher: Option<Matcher>,
    output: ChunkOutput<'a>,
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) chunks: u64,
    pub(crate) copied_bytes: u64,
    pub(crate) zero_bytes: u64,
}

/// Whether an entry is worth being known by its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntrySize {
    Small,
    /// And where the bytes begin in a grid, if they lie in one.
    Large(Option<GridPlace>),
}

/// The next bytes of the stream, not yet in chunks. It is emptied when it is full, or before zeros,
/// so that what is found does not depend on how the bytes came.
struct StreamBuffer {
    bytes: Vec<u8>,
    filled: usize,
    /// Stretches of large entries.
    large: Vec<Stretch>,
}

impl<'a> ArchiveWriter<'a> {
    pub(crate) fn new(
        start: Start,
        settings: WriterSettings,
        matcher: Option<Matcher>,
        tools: Tools<'a>,
    ) -> Result<Self, PackError> {
        let history = History::new(settings.history_len, start.copy_reach());
        let rest_len = matcher.as_ref().map_or(0, Matcher::max_segment_len);
        Ok(Self {
            buffer: StreamBuffer::new(PIECE + rest_len),
            facts_len: 0,
            matcher,
            output: ChunkOutput::new(start, settings, history, tools)?,
        })
    }

    /// Where the next byte will stand in the stream.
    pub(crate) fn stream_offset(&self) -> StreamOffset {
        self.output.stream_offset().plus(self.buffer.filled as u64)
    }

    /// Puts the rest of a header whose first bytes stand already.
    pub(crate) fn rest_of_header(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.put(bytes, EntrySize::Small)
    }

    /// The content of this source began here, in a chunk that stands already.
    pub(crate) fn content_began(
        &mut self,
        at: StreamOffset,
        path: &EntryPath,
        identity: Option<Identity>,
    ) {
        if let Some(identity) = identity {
            self.output.along.content_begins(at, path, identity);
        }
    }

    /// Puts an entry's header.
    pub(crate) fn header(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.output.along.entry_begins(self.stream_offset());
        self.put(bytes, EntrySize::Small)
    }

    /// Puts bytes of an entry.
    pub(crate) fn put(&mut self, mut bytes: &[u8], mut size: EntrySize) -> Result<(), PackError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(self.room()?.len().min(bytes.len()));
            self.room()?[..now.len()].copy_from_slice(now);
            self.buffer.filled(now.len(), size);
            size = size.plus(now.len());
            bytes = later;
        }
        Ok(())
    }

    /// Puts at most `max` bytes that `read` gives; 0 if it has none. An error of `read` is handed
    /// on as it is.
    pub(crate) fn put_from(
        &mut self,
        max: u64,
        size: EntrySize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Result<io::Result<usize>, PackError> {
        let room = self.room()?;
        let len = usize::try_from(max).map_or(room.len(), |max| max.min(room.len()));
        let result = read(&mut room[..len]);
        if let Ok(len) = result {
            self.buffer.filled(len, size);
        }
        Ok(result)
    }

    /// Puts zeros.
    pub(crate) fn zero(&mut self, len: u64) -> Result<(), PackError> {
        self.empty_buffer(More::No)?;
        self.output.zero(len)
    }

    /// Puts zeros up to the next multiple of 512.
    pub(crate) fn pad(&mut self) -> Result<(), PackError> {
        let over = self.stream_offset().0 % 512;
        if over == 0 {
            Ok(())
        } else {
            self.put(&[0; 512][..(512 - over) as usize], EntrySize::Small)
        }
    }

    /// The content of this source begins here.
    pub(crate) fn content_of(&mut self, path: &EntryPath, identity: Option<Identity>) {
        self.content_began(self.stream_offset(), path, identity);
    }

    /// The row, and facts, of the entry that has just ended.
    pub(crate) fn entry_ended(&mut self, row: Row, facts: Vec<Facts>) -> Result<(), PackError> {
        let here = self.stream_offset();
        self.facts_len += facts.iter().map(|facts| facts.data.len()).sum::<usize>();
        self.output.along.entry_ends(here, row, facts);
        // What is in the buffer may come into one chunk, and all that follows a chunk into its
        // stripe.
        match self.facts_len > MAX_FOLLOWING {
            true => self.empty_buffer(More::No),
            false => Ok(()),
        }
    }

    /// How many bytes of FACTS about one entry there is room for: they stand with its row in one
    /// stripe (spec: chapter 9). A stripe of blocks of 4 KiB holds 2 MB, one of 64 KiB 33, and the
    /// block size is that small only if it was asked for, or if all records together are shorter.
    pub(crate) fn facts_room(&self) -> usize {
        match self.output.block_size_asked() {
            Some(BlockSize::FOUR_KIB) => 512 << 10,
            _ => 24 << 20,
        }
    }

    /// Facts about the archive.
    pub(crate) fn archive_facts(&mut self, facts: Facts) {
        let here = self.stream_offset();
        self.output.along.facts(here, facts);
    }

    /// Ends the stream, which must be complete, and the archive.
    pub(crate) fn finish(mut self, closing: &Closing) -> Result<(Counts, Digest), PackError> {
        self.empty_buffer(More::No)?;
        self.output.finish(closing)
    }

    /// Room for the next bytes, at least one.
    fn room(&mut self) -> Result<&mut [u8], PackError> {
        if self.buffer.filled == self.buffer.bytes.len() {
            self.empty_buffer(More::Yes)?;
        }
        Ok(&mut self.buffer.bytes[self.buffer.filled..])
    }

    /// Matches what is in the buffer and puts it into chunks; with more to come, the end of a large
    /// entry may stay.
    fn empty_buffer(&mut self, more: More) -> Result<(), PackError> {
        let bytes = &self.buffer.bytes[..self.buffer.filled];
        let placed = match &mut self.matcher {
            Some(matcher) => matcher.place(bytes, &self.buffer.large, more, &mut self.output)?,
            None => {
                let mut left = bytes;
                while !left.is_empty() {
                    let (len, _) = self.output.literal(left)?;
                    left = &left[len..];
                }
                bytes.len()
            }
        };
        self.buffer.drop_front(placed);
        self.facts_len = 0;
        Ok(())
    }
}

impl Start {
    fn chunk_size(&self) -> usize {
        match self {
            Self::New(plan) => plan.chunk_size,
            Self::Behind(standing) => standing.chunk_size,
        }
    }

    fn copy_reach(&self) -> u64 {
        match self {
            Self::New(plan) => plan.copy_reach,
            Self::Behind(standing) => standing.copy_reach,
        }
    }
}

impl EntrySize {
    /// So many bytes further in the same entry.
    fn plus(self, len: usize) -> Self {
        match self {
            Self::Small => Self::Small,
            Self::Large(place) => Self::Large(place.map(|place| place.plus(len))),
        }
    }
}

impl StreamBuffer {
    fn new(len: usize) -> Self {
        Self {
            bytes: vec![0; len],
            filled: 0,
            large: Vec::new(),
        }
    }

    /// So many bytes more are in it.
    fn filled(&mut self, len: usize, size: EntrySize) {
        let added = self.filled..self.filled + len;
        self.filled = added.end;
        match (size, self.large.last_mut()) {
            (EntrySize::Small, _) => {}
            (EntrySize::Large(place), Some(last)) if last.goes_on_with(added.start, place) => {
                last.range.end = added.end;
            }
            (EntrySize::Large(place), _) => self.large.push(Stretch {
                range: added,
                place,
            }),
        }
    }

    /// The first bytes are in chunks now; what is left belongs to the large entry at its end.
    fn drop_front(&mut self, len: usize) {
        self.bytes.copy_within(len..self.filled, 0);
        self.filled -= len;
        let last = self.large.pop().filter(|_| self.filled > 0);
        self.large.clear();
        self.large.extend(last.map(|last| last.from(len)));
    }
}

//! The chunks that COPY takes from: the recent ones are kept, the others are fetched again.

use crate::data_map::{SourceChunk, holding};
use crate::error::ReadError;
use crate::fetch::Fetch;
use crate::observer::Observer;
use crate::pipeline::Buffers;
use bakpak_format::chunk::script::Instruction;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::DataOffset;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Raw bytes of recent chunks, or all that COPY may reach if that is no more. 32 MiB hold what COPY
/// of real data asks for (format-spec/rationale.md, "Reading").
pub(crate) const CACHE_BYTES: usize = 32 << 20;

/// What it takes to know a chunk, however short it is.
const CHUNK_OVERHEAD: usize = 256;

/// So many bytes of COPY are put together at a time where their sources do not all fit into memory:
/// for a chunk's at most 64 MiB every source is fetched at most four times.
const WINDOW: usize = 16 << 20;

/// Chunks by where they begin in the data space.
pub(crate) struct ChunkStore {
    cache: ChunkCache,
    pub(crate) fetch: Fetch,
}

/// The raw bytes of a chunk, which several may hold.
pub(crate) struct RawChunk {
    pub(crate) bytes: Bytes,
    /// What they take: buffers are reused, so one may be much larger than what is in it.
    memory: usize,
}

/// A piece of a chunk's stretch of the stream.
pub(crate) enum Run<'a> {
    /// Of a buffer that stays for as long as it is held.
    Shared(&'a Bytes, Range<usize>),
    /// Of one that does not.
    Passing(&'a [u8]),
    Zero(u64),
}

/// Takes the pieces of a stretch in their order.
pub(crate) type RunTaker<'t> = dyn FnMut(Run<'_>) -> Result<(), ReadError> + 't;

/// Recently used chunks.
#[derive(Default)]
struct ChunkCache {
    chunks: HashMap<DataOffset, (u64, RawChunk)>,
    /// The same by when they were used last.
    order: BTreeMap<u64, DataOffset>,
    memory: usize,
    clock: u64,
}

/// A COPY, and where its bytes go in the window.
struct CopyTo {
    source: Range<u64>,
    to: usize,
}

impl ChunkStore {
    pub(crate) fn new(fetch: Fetch) -> Self {
        Self {
            cache: ChunkCache::default(),
            fetch,
        }
    }

    /// Keeps a chunk that has just been read; one without data of its own can be nobody's source.
    pub(crate) fn insert(&mut self, start: DataOffset, raw: RawChunk) {
        if !raw.bytes.is_empty() {
            self.cache.insert(start, raw);
        }
    }

    /// The raw bytes of the chunk that begins here, if they are kept.
    pub(crate) fn kept(&mut self, start: DataOffset) -> Option<Bytes> {
        self.cache.get(start)
    }

    /// Hands out the stretch that a script describes; `raw` are the chunk's own bytes from the first
    /// LITERAL on, `sources` all chunks that its COPYs touch, in order.
    ///
    /// Sources are fetched in the order in which they stand, and each but once if all of them fit
    /// into memory. What a script asks for is bounded by their number (spec: CHU-9), not by how it
    /// goes back and forth between them.
    pub(crate) fn assemble(
        &mut self,
        script: &[Instruction],
        raw: &Bytes,
        sources: &[SourceChunk],
        observer: &dyn Observer,
        take: &mut RunTaker<'_>,
    ) -> Result<(), ReadError> {
        let memory = sources
            .iter()
            .map(|source| source.len().saturating_add(CHUNK_OVERHEAD as u64))
            .fold(0, u64::saturating_add);
        if memory > CACHE_BYTES as u64 {
            return self.assemble_in_windows(script, raw, sources, observer, take);
        }
        let held = sources
            .iter()
            .map(|source| self.chunk(source, observer))
            .collect::<Result<Vec<Bytes>, _>>()?;
        run_through(script, raw, &mut 0, take, |source, len, take| {
            let (mut at, end) = (source.0, source.plus(len).0);
            while at < end {
                let number = holding(sources, DataOffset(at)).ok_or_else(lost)?;
                let (chunk, bytes) = (&sources[number], &held[number]);
                let to = end.min(chunk.end);
                take(Run::Shared(bytes, within(chunk, at..to)))?;
                at = to;
            }
            Ok(())
        })
    }

    fn assemble_in_windows(
        &mut self,
        script: &[Instruction],
        raw: &Bytes,
        sources: &[SourceChunk],
        observer: &dyn Observer,
        take: &mut RunTaker<'_>,
    ) -> Result<(), ReadError> {
        let mut literal = 0;
        for window in windows(script) {
            let copied = self.copies(&window, sources, observer)?;
            let mut from = 0;
            run_through(&window, raw, &mut literal, take, |_, len, take| {
                let to = from + len as usize;
                let run = Run::Shared(&copied, from..to);
                from = to;
                take(run)
            })?;
        }
        Ok(())
    }

    /// The bytes of all COPYs of a window, end to end. Goes through the sources once, in order, with
    /// the COPYs that take from each.
    fn copies(
        &mut self,
        window: &[Instruction],
        sources: &[SourceChunk],
        observer: &dyn Observer,
    ) -> Result<Bytes, ReadError> {
        let (copies, len) = copies_to(window);
        let mut bytes = vec![0; len];
        let mut ahead = copies.into_iter().peekable();
        let mut open: Vec<CopyTo> = Vec::new();
        for chunk in sources {
            while let Some(copy) = ahead.next_if(|copy| copy.source.start < chunk.end) {
                open.push(copy);
            }
            if open.is_empty() {
                continue;
            }
            let source = self.chunk(chunk, observer)?;
            for copy in &mut open {
                let from = copy.source.start..copy.source.end.min(chunk.end);
                let part = from.start.checked_sub(chunk.start);
                let part = part.and_then(|_| source.get(within(chunk, from.clone())));
                let part = part.ok_or_else(lost)?;
                bytes[copy.to..copy.to + part.len()].copy_from_slice(part);
                copy.to += part.len();
                copy.source.start = from.end;
            }
            open.retain(|copy| !copy.source.is_empty());
        }
        if !open.is_empty() || ahead.next().is_some() {
            return Err(lost().into());
        }
        Ok(bytes.into())
    }

    /// The raw bytes of a chunk, all of them, kept or fetched.
    fn chunk(&mut self, chunk: &SourceChunk, observer: &dyn Observer) -> Result<Bytes, ReadError> {
        let start = DataOffset(chunk.start);
        let bytes = match self.cache.get(start) {
            Some(bytes) => bytes,
            None => {
                if observer.cancelled() {
                    return Err(ReadError::Interrupted); // spec: RDR-6
                }
                let raw = RawChunk::from(self.fetch.chunk(chunk.place, start)?);
                let bytes = raw.bytes.clone();
                self.insert(start, raw);
                bytes
            }
        };
        match bytes.len() as u64 == chunk.len() {
            true => Ok(bytes),
            false => Err(lost().into()),
        }
    }
}

impl RawChunk {
    /// A chunk whose buffer goes back to `buffers`.
    pub(crate) fn lent(raw: Vec<u8>, buffers: &Buffers) -> Self {
        Self {
            memory: raw.capacity(),
            bytes: buffers.lend(raw),
        }
    }
}

impl From<Vec<u8>> for RawChunk {
    fn from(raw: Vec<u8>) -> Self {
        Self {
            memory: raw.capacity(),
            bytes: raw.into(),
        }
    }
}

impl ChunkCache {
    fn get(&mut self, start: DataOffset) -> Option<Bytes> {
        self.clock += 1;
        let (used, raw) = self.chunks.get_mut(&start)?;
        self.order.remove(used);
        *used = self.clock;
        self.order.insert(self.clock, start);
        Some(raw.bytes.clone())
    }

    /// Keeps a chunk, and drops what was used longest ago.
    fn insert(&mut self, start: DataOffset, raw: RawChunk) {
        self.clock += 1;
        self.memory += raw.memory + CHUNK_OVERHEAD;
        if let Some((used, old)) = self.chunks.insert(start, (self.clock, raw)) {
            self.order.remove(&used);
            self.memory -= old.memory + CHUNK_OVERHEAD;
        }
        self.order.insert(self.clock, start);
        while self.memory > CACHE_BYTES && self.chunks.len() > 1 {
            let oldest = self.order.pop_first();
            let Some((_, old)) = oldest.and_then(|(_, start)| self.chunks.remove(&start)) else {
                return; // both list the same chunks
            };
            self.memory -= old.memory + CHUNK_OVERHEAD;
        }
    }
}

/// A script in parts with so many bytes of COPY each that they fill a window.
fn windows(script: &[Instruction]) -> impl Iterator<Item = Vec<Instruction>> {
    let mut script = script.iter().copied();
    let mut next = script.next();
    std::iter::from_fn(move || {
        let mut window = Vec::new();
        let mut room = WINDOW as u64;
        while let Some(instruction) = next {
            let Instruction::Copy { source, len } = instruction else {
                window.push(instruction);
                next = script.next();
                continue;
            };
            if room == 0 {
                break;
            }
            let now = len.min(room);
            window.push(Instruction::Copy { source, len: now });
            room -= now;
            next = match len - now {
                0 => script.next(),
                len => Some(Instruction::Copy {
                    source: source.plus(now),
                    len,
                }),
            };
        }
        (!window.is_empty()).then_some(window)
    })
}

/// The COPYs of a window by where they take from, and how much they are together.
fn copies_to(window: &[Instruction]) -> (Vec<CopyTo>, usize) {
    let mut copies = Vec::new();
    let mut to = 0;
    for instruction in window {
        if let Instruction::Copy { source, len } = *instruction {
            let source = source.0..source.plus(len).0;
            copies.push(CopyTo { source, to });
            to += len as usize;
        }
    }
    copies.sort_unstable_by_key(|copy| copy.source.start);
    (copies, to)
}

/// Hands out what a script describes: LITERALs from `raw`, from `literal` on, COPYs by `copy`.
pub(crate) fn run_through(
    script: &[Instruction],
    raw: &Bytes,
    literal: &mut usize,
    take: &mut RunTaker<'_>,
    mut copy: impl FnMut(DataOffset, u64, &mut RunTaker<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    script
        .iter()
        .try_for_each(|instruction| match *instruction {
            Instruction::Literal(len) => take(next_literal(raw, literal, len)?),
            Instruction::Zero(len) => take(Run::Zero(len)),
            Instruction::Copy { source, len } => copy(source, len, take),
        })
}

/// The next bytes of the chunk's own; `at` is how many are given out.
fn next_literal<'r>(raw: &'r Bytes, at: &mut usize, len: u64) -> Result<Run<'r>, ReadError> {
    let stretch = *at..*at + len as usize;
    if stretch.end > raw.len() {
        let what = "its LITERALs are longer than its raw bytes";
        return Err(FormatError::malformed(Structure::Script, "CHU-2", what).into());
    }
    *at = stretch.end;
    Ok(Run::Shared(raw, stretch))
}

/// A stretch of the data space as one of the bytes of the chunk that holds it.
fn within(chunk: &SourceChunk, stretch: Range<u64>) -> Range<usize> {
    (stretch.start - chunk.start) as usize..(stretch.end - chunk.start) as usize
}

/// The file changes while it is read, or its CHECKPOINTs are wrong.
fn lost() -> FormatError {
    let what = "a chunk is not where, or not as long, as a CHECKPOINT says";
    FormatError::malformed(Structure::Checkpoint, "CKP-1", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_as_few_as_they_can_be_and_leave_nothing_out() {
        let copy = |source, len| Instruction::Copy {
            source: DataOffset(source),
            len,
        };
        let half = WINDOW as u64 / 2 + 1;
        let script: Vec<Instruction> = (0..7)
            .flat_map(|number| [copy(number * 1000, half), Instruction::Literal(1)])
            .chain([copy(0, 4 * WINDOW as u64 - 7 * half), Instruction::Zero(9)])
            .collect();
        let windows: Vec<_> = windows(&script).collect();
        assert_eq!(windows.len(), 4);
        let copied = |script: &[Instruction]| {
            let bytes = script.iter().map(|i| match *i {
                Instruction::Copy { len, .. } => len,
                _ => 0,
            });
            bytes.sum::<u64>()
        };
        assert!(windows.iter().all(|window| copied(window) == WINDOW as u64));
        // Joined again where they were cut, they are the script.
        let mut joined: Vec<Instruction> = Vec::new();
        for instruction in windows.concat() {
            match (joined.last_mut(), instruction) {
                (
                    Some(Instruction::Copy { source: at, len }),
                    Instruction::Copy { source, len: more },
                ) if at.plus(*len) == source => {
                    *len += more;
                }
                _ => joined.push(instruction),
            }
        }
        assert_eq!(joined, script);
    }
}

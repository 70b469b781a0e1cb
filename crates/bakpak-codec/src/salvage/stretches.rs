//! The stream of a damaged archive, stretch by stretch: bytes, zeros, and what is lost.

use super::faults::Faults;
use super::index::FoundChunk;
use crate::chunk_store::{ChunkStore, RawChunk, Run};
use crate::chunks::{CopyCost, new_decompressor, raw_bytes};
use crate::compress::Decompressor;
use crate::data_map::{SourceChunk, sources};
use crate::error::ReadError;
use crate::fetch::Fetch;
use crate::joined::Joined;
use crate::observer::Observer;
use bakpak_format::chunk::Chunk;
use bakpak_format::chunk::script::Instruction;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::DataOffset;
use bakpak_format::limits::MAX_SCRIPT_BYTES;
use bakpak_format::record::RecordType;
use bytes::Bytes;
use std::ops::Range;

/// What takes the stream.
pub(super) trait StretchTaker {
    /// The next bytes.
    fn bytes(&mut self, bytes: Bytes) -> Result<(), ReadError>;
    /// So many zeros, which the archive says are zeros.
    fn zeros(&mut self, len: u64) -> Result<(), ReadError>;
    /// So many bytes are lost: with the chunk itself, or with what it copies from.
    fn lost(&mut self, len: u64, cause: Cause) -> Result<(), ReadError>;
    /// A chunk begins, and in it an entry, which is the first that does.
    fn first_entry(&mut self, offset: u64);
}

/// Why bytes of the stream are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The block that held them.
    Block,
    /// The block that held what they are a copy of.
    Copy,
}

/// What lost stretches count for in what COPY may cost, at most so many times the file's length: what
/// stood in them is not known, and must not ask for more work than that.
const LOST_FACTOR: u64 = 64;

/// Puts the stream together from the chunks that were found.
pub(super) struct Stretches<'a> {
    chunks: Vec<FoundChunk>,
    /// Those of them that have data of their own.
    sources: Vec<SourceChunk>,
    /// Where the data space is there without a gap.
    runs: Vec<Range<u64>>,
    store: ChunkStore,
    decompressor: Decompressor,
    cost: CopyCost,
    file_len: u64,
    /// So much of what is lost may still count.
    credit: u64,
    observer: &'a dyn Observer,
    /// Chunks that cannot be read.
    pub(super) faults: Faults,
}

/// A part of a chunk's script, all of which is there or all of which is lost.
enum Part {
    There(Vec<Instruction>),
    Lost(u64),
}

impl<'a> Stretches<'a> {
    pub(super) fn new(
        chunks: Vec<FoundChunk>,
        fetch: Fetch,
        faults: Faults,
        file_len: u64,
        observer: &'a dyn Observer,
    ) -> Result<Self, ReadError> {
        let with_data = chunks.iter().filter(|chunk| chunk.raw_len > 0);
        let sources = with_data.map(|chunk| SourceChunk {
            start: chunk.data_start,
            end: chunk.data_end(),
            place: chunk.place,
        });
        let sources: Vec<SourceChunk> = sources.collect();
        Ok(Self {
            cost: CopyCost::new(fetch.chunk_size() as u64),
            file_len,
            credit: file_len.saturating_mul(LOST_FACTOR),
            runs: runs(&sources),
            sources,
            chunks,
            store: ChunkStore::new(fetch),
            decompressor: new_decompressor()?,
            observer,
            faults,
        })
    }

    /// Hands out the stream up to the end of the last chunk found.
    pub(super) fn run(&mut self, taker: &mut dyn StretchTaker) -> Result<(), ReadError> {
        let mut at = 0;
        for number in 0..self.chunks.len() {
            if self.observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            let chunk = self.chunks[number];
            // Records take about as much room as the blocks that hold them.
            self.observer
                .progress(self.file_len / 2 + chunk.place.0.min(self.file_len) / 2);
            let gap = chunk.stream_start - at;
            let counted = gap.min(self.credit);
            self.credit -= counted;
            self.cost.add(0, counted);
            lose(gap, Cause::Block, taker)?;
            if let Some(entry) = chunk.first_entry {
                taker.first_entry(entry);
            }
            self.chunk(&chunk, taker)?;
            at = chunk.stream_end();
        }
        Ok(())
    }

    fn chunk(&mut self, found: &FoundChunk, taker: &mut dyn StretchTaker) -> Result<(), ReadError> {
        let read = self.read(found);
        let (script, raw) = match read {
            Ok(read) => read,
            // It was there a moment ago, or does not decompress.
            Err(ReadError::Fault(fault)) => {
                self.faults.note(found.place, *fault);
                return lose(found.stream_len, Cause::Block, taker);
            }
            Err(error) => return Err(error),
        };
        let parts = self.parts(&script);
        match self.check_cost(&parts, found.stream_len) {
            Err(ReadError::Fault(fault)) => {
                self.faults.note(found.place, *fault);
                return lose(found.stream_len, Cause::Block, taker);
            }
            checked => checked?,
        }
        let mut literal = 0;
        for part in parts {
            match part {
                Part::Lost(len) => lose(len, Cause::Copy, taker)?,
                Part::There(script) => {
                    let own = literals(&script);
                    self.part(&script, &raw.slice(literal..literal + own), taker)?;
                    literal += own;
                }
            }
        }
        Ok(())
    }

    /// Script and raw bytes of a chunk.
    fn read(&mut self, found: &FoundChunk) -> Result<(Vec<Instruction>, Bytes), ReadError> {
        let body = self.store.fetch.record(found.place, RecordType::Chunk)?;
        let chunk = Chunk::decode(&body, self.store.fetch.chunk_size())?;
        chunk.check_reach(self.store.fetch.copy_reach())?;
        let script: Vec<Instruction> = chunk.instructions().collect();
        let head = &chunk.head;
        if head.raw_len == 0 {
            return Ok((script, Bytes::new()));
        }
        let kept = self.store.kept(head.data_offset);
        let raw = match kept {
            Some(kept) => kept,
            None => {
                let mut raw = Vec::new();
                raw_bytes(head, chunk.payload, &mut self.decompressor, &mut raw)?;
                let raw = RawChunk::from(raw);
                let bytes = raw.bytes.clone();
                self.store.insert(head.data_offset, raw);
                bytes
            }
        };
        if raw.len() != head.raw_len || literals(&script) != raw.len() {
            let what = "its LITERALs are not its raw bytes";
            return Err(FormatError::malformed(Structure::Script, "CHU-2", what).into());
        }
        Ok((script, raw))
    }

    /// Cuts a script where what it copies from is lost (spec: SLV-3).
    fn parts(&self, script: &[Instruction]) -> Vec<Part> {
        let mut parts = Vec::new();
        for instruction in script {
            let Instruction::Copy { source, len } = *instruction else {
                there(&mut parts, *instruction);
                continue;
            };
            let (mut at, end) = (source.0, source.0.saturating_add(len));
            while at < end {
                let (is_there, to) = self.data_at(at);
                let to = to.min(end);
                match is_there {
                    true => {
                        let source = DataOffset(at);
                        let len = to - at;
                        there(&mut parts, Instruction::Copy { source, len });
                    }
                    false => gone(&mut parts, to - at),
                }
                at = to;
            }
        }
        parts
    }

    /// Whether a byte of the data space is there, and where that changes.
    fn data_at(&self, at: u64) -> (bool, u64) {
        let after = self.runs.partition_point(|run| run.start <= at);
        let holding = after
            .checked_sub(1)
            .and_then(|before| self.runs.get(before));
        match holding {
            Some(run) if at < run.end => (true, run.end),
            _ => (
                false,
                self.runs.get(after).map_or(u64::MAX, |next| next.start),
            ),
        }
    }

    fn check_cost(&mut self, parts: &[Part], stream_len: u64) -> Result<(), ReadError> {
        let copies = parts.iter().flat_map(|part| match part {
            Part::There(script) => script.as_slice(),
            Part::Lost(_) => &[],
        });
        let copies: Vec<Instruction> = copies.copied().collect();
        let stretch = stream_len.min(MAX_SCRIPT_BYTES);
        let most = self.cost.most(stretch);
        let sources = self.sources(&copies, most)?;
        // What is lost is not counted, so an honest chunk never costs more than it may.
        Ok(self.cost.check(sources.len() as u64, stretch)?)
    }

    fn sources(&self, script: &[Instruction], most: u64) -> Result<Vec<SourceChunk>, ReadError> {
        sources(script, u64::MAX, most, |at| {
            let after = self.sources.partition_point(|source| source.start <= at);
            let holding = after
                .checked_sub(1)
                .and_then(|before| self.sources.get(before));
            let what = "what is copied from is not there";
            let lost = || FormatError::malformed(Structure::Script, "CHU-7", what);
            Ok(*holding.ok_or_else(lost)?)
        })
    }

    /// Hands out a part of a chunk; if a source turns out to be of no use, what is left of it is lost.
    fn part(
        &mut self,
        script: &[Instruction],
        raw: &Bytes,
        taker: &mut dyn StretchTaker,
    ) -> Result<(), ReadError> {
        let len = covered(script);
        let sources = self.sources(script, u64::MAX)?;
        let mut given = 0;
        let mut joined = Joined::default();
        let taker = std::cell::RefCell::new(taker);
        let mut give = |bytes: Bytes| {
            given += bytes.len() as u64;
            taker.borrow_mut().bytes(bytes)
        };
        let mut zeros_given = 0;
        let mut take = |run: Run<'_>| match run {
            Run::Shared(bytes, stretch) => joined.shared(bytes, stretch, &mut give),
            Run::Passing(bytes) => joined.copy(bytes, &mut give),
            Run::Zero(len) => {
                joined.give(&mut give)?;
                zeros_given += len;
                taker.borrow_mut().zeros(len)
            }
        };
        let assembled = self
            .store
            .assemble(script, raw, &sources, self.observer, &mut take);
        joined.give(&mut give)?;
        match assembled {
            Err(ReadError::Fault(_)) => {}
            assembled => return assembled,
        }
        let given = given + zeros_given;
        lose(len - given, Cause::Copy, taker.into_inner())
    }
}

/// The stretches of the data space that chunks fill without a gap.
fn runs(sources: &[SourceChunk]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for source in sources {
        match runs.last_mut() {
            Some(last) if last.end == source.start => last.end = source.end,
            _ => runs.push(source.start..source.end),
        }
    }
    runs
}

fn lose(len: u64, cause: Cause, taker: &mut dyn StretchTaker) -> Result<(), ReadError> {
    match len {
        0 => Ok(()),
        len => taker.lost(len, cause),
    }
}

fn there(parts: &mut Vec<Part>, instruction: Instruction) {
    match parts.last_mut() {
        Some(Part::There(script)) => script.push(instruction),
        _ => parts.push(Part::There(vec![instruction])),
    }
}

fn gone(parts: &mut Vec<Part>, len: u64) {
    match parts.last_mut() {
        Some(Part::Lost(lost)) => *lost += len,
        _ => parts.push(Part::Lost(len)),
    }
}

/// Bytes of the chunk's own in a script.
fn literals(script: &[Instruction]) -> usize {
    let own = script.iter().map(|instruction| match instruction {
        Instruction::Literal(len) => *len as usize,
        _ => 0,
    });
    own.sum()
}

/// Bytes of the stream that a script makes.
fn covered(script: &[Instruction]) -> u64 {
    let lens = script.iter().map(|instruction| match instruction {
        Instruction::Literal(len) | Instruction::Zero(len) | Instruction::Copy { len, .. } => *len,
    });
    lens.sum()
}

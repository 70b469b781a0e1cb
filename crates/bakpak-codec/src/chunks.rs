//! Chunks: stretches of the stream, with the scripts that place data, copies and zeros in them.

use crate::compress::{Compressor, Decompressor, FrameError};
use crate::error::{PackError, ReadError};
use crate::history::{DataPlace, DataRun};
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::chunk::{Chunk, ChunkHead, Compression};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{DataOffset, StreamOffset};
use bakpak_format::limits::{
    COPY_COST_FACTOR, COPY_COST_FREE, MAX_INSTRUCTIONS, MAX_SCRIPT_BYTES, MAX_ZSTD_WINDOW_LOG,
};

use std::collections::BTreeSet;
use std::sync::Arc;

/// Collects the stream into chunks.
pub(crate) struct ChunkWriter {
    chunk_size: usize,
    copy_reach: u64,
    open: OpenChunk,
    /// How many chunks with data of their own were closed: the number of the open one.
    number: u64,
    cost: CopyCost,
}

/// A chunk that is being filled.
struct OpenChunk {
    stream_offset: StreamOffset,
    data_offset: DataOffset,
    stream_len: u64,
    script: Vec<Instruction>,
    raw: Vec<u8>,
    zero_len: u64,
    sources: BTreeSet<u64>,
}

/// A chunk that is complete, still raw.
pub(crate) struct ClosedChunk {
    pub(crate) number: u64,
    pub(crate) stream_offset: StreamOffset,
    pub(crate) data_offset: DataOffset,
    pub(crate) stream_len: u64,
    pub(crate) script: Vec<Instruction>,
    pub(crate) raw: Arc<Vec<u8>>,
}

/// What COPY has cost so far, and what it may (spec: CHU-9).
pub(crate) struct CopyCost {
    chunk_size: u64,
    source_chunks: u64,
    stream_bytes: u64,
}

/// What became of a COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    Yes,
    /// The open chunk must be closed first: its script covers as much as it may.
    ChunkFull,
    /// Not allowed: beyond the reach, not committed yet, or too dear.
    Refused,
}

impl ChunkWriter {
    /// `buffer` is the raw buffer of the first chunk.
    pub(crate) fn new(chunk_size: usize, copy_reach: u64, buffer: Vec<u8>) -> Self {
        Self {
            chunk_size,
            copy_reach,
            open: OpenChunk::new(StreamOffset(0), DataOffset(0), buffer),
            number: 0,
            cost: CopyCost::new(chunk_size as u64),
        }
    }

    /// Goes on behind chunks that stand already, of which none is known to copy from.
    pub(crate) fn begin_at(
        &mut self,
        stream_offset: StreamOffset,
        data_offset: DataOffset,
        cost: CopyCost,
    ) {
        self.open.stream_offset = stream_offset;
        self.open.data_offset = data_offset;
        self.cost = cost;
    }

    /// Where the next byte will stand in the stream.
    pub(crate) fn stream_offset(&self) -> StreamOffset {
        self.open.stream_offset.plus(self.open.stream_len)
    }

    /// Where the next new byte will stand in the data space.
    pub(crate) fn data_place(&self) -> DataPlace {
        DataPlace {
            chunk: self.number,
            offset: self.open.raw.len(),
            data_offset: self.open.data_offset.plus(self.open.raw.len() as u64),
        }
    }

    /// Whether nothing is in the chunk yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.stream_len == 0
    }

    /// Whether the chunk must be closed before anything is added.
    pub(crate) fn is_full(&self) -> bool {
        self.open.raw.len() >= self.chunk_size
            || self.open.script.len() >= MAX_INSTRUCTIONS - 1
            || self.open.covered() >= MAX_SCRIPT_BYTES
    }

    /// Adds as many of `bytes` as fit into the open chunk and returns how many those are.
    pub(crate) fn literal(&mut self, bytes: &[u8]) -> usize {
        let room = self.chunk_size - self.open.raw.len();
        let limit = usize::try_from(MAX_SCRIPT_BYTES - self.open.covered()).unwrap_or(room);
        let taken = bytes.len().min(room).min(limit);
        self.open.raw.extend_from_slice(&bytes[..taken]);
        self.open.add(Instruction::Literal(taken as u64));
        taken
    }

    /// Adds zeros, any number.
    pub(crate) fn zero(&mut self, len: u64) {
        self.open.add(Instruction::Zero(len));
    }

    /// Adds a copy, if the rules allow it; otherwise nothing has happened.
    pub(crate) fn copy(&mut self, run: &DataRun) -> Copied {
        let begins = self.open.data_offset.0;
        if run.end() > begins || begins - run.source.0 > self.copy_reach {
            return Copied::Refused; // spec: CHU-7, CHU-8
        }
        if self.open.covered() + run.len > MAX_SCRIPT_BYTES {
            return Copied::ChunkFull;
        }
        let chunks = run.first_chunk..=run.last_chunk;
        let new = chunks
            .clone()
            .filter(|c| !self.open.sources.contains(c))
            .count();
        let distinct = (self.open.sources.len() + new) as u64;
        if new > 0 && !self.cost.allows(distinct, self.open.covered() + run.len) {
            return Copied::Refused;
        }
        if new > 0 {
            self.open.sources.extend(chunks);
        }
        self.open.add(Instruction::Copy {
            source: run.source,
            len: run.len,
        });
        Copied::Yes
    }

    /// Closes the open chunk and opens the next one, with `buffer` for its raw bytes. `None` if
    /// nothing is in it; the buffer is dropped then.
    pub(crate) fn close(&mut self, buffer: Vec<u8>) -> Option<ClosedChunk> {
        if self.open.stream_len == 0 {
            return None;
        }
        let data_offset = self.data_place().data_offset;
        let next = OpenChunk::new(self.stream_offset(), data_offset, buffer);
        let mut closed = std::mem::replace(&mut self.open, next);
        // A chunk of copies has little data of its own; history would hold all of its buffer.
        if closed.raw.len() < closed.raw.capacity() / 2 {
            closed.raw.shrink_to_fit();
        }
        self.cost.add(closed.sources.len() as u64, closed.covered());
        let number = self.number;
        if !closed.raw.is_empty() {
            self.number += 1;
        }
        Some(ClosedChunk {
            number,
            stream_offset: closed.stream_offset,
            data_offset: closed.data_offset,
            stream_len: closed.stream_len,
            script: closed.script,
            raw: Arc::new(closed.raw),
        })
    }
}

impl OpenChunk {
    fn new(stream_offset: StreamOffset, data_offset: DataOffset, mut raw: Vec<u8>) -> Self {
        raw.clear();
        Self {
            stream_offset,
            data_offset,
            stream_len: 0,
            script: Vec::new(),
            raw,
            zero_len: 0,
            sources: BTreeSet::new(),
        }
    }

    /// LITERAL and COPY bytes so far.
    fn covered(&self) -> u64 {
        self.stream_len - self.zero_len
    }

    /// Adds an instruction, joined with the one before where they are one run.
    fn add(&mut self, instruction: Instruction) {
        use Instruction::{Copy, Literal, Zero};
        let len = match instruction {
            Literal(len) | Zero(len) | Copy { len, .. } => len,
        };
        if len == 0 {
            return;
        }
        self.stream_len += len;
        if let Zero(len) = instruction {
            self.zero_len += len;
        }
        match (self.script.last_mut(), instruction) {
            (Some(Literal(run)), Literal(len)) | (Some(Zero(run)), Zero(len)) => *run += len,
            (Some(Copy { source, len: run }), Copy { source: next, len })
                if source.plus(*run) == next =>
            {
                *run += len;
            }
            _ => self.script.push(instruction),
        }
    }
}

impl ClosedChunk {
    /// Encodes it as the body of a CHUNK record.
    pub(crate) fn encode(
        self,
        first_entry: Option<StreamOffset>,
        compressor: &mut Compressor,
    ) -> Result<Vec<u8>, PackError> {
        let frame = compressor.compress(&self.raw).map_err(zstd_failed)?;
        let (compression, payload) = match &frame {
            Some(frame) => (Compression::Zstd, frame.as_slice()),
            None => (Compression::Stored, self.raw.as_slice()),
        };
        let plain = [Instruction::Literal(self.raw.len() as u64)];
        let script = if self.script == plain {
            Script::default()
        } else {
            Script(self.script)
        };
        let mut body = Vec::with_capacity(payload.len() + 64);
        let head = ChunkHead {
            stream_offset: self.stream_offset,
            data_offset: self.data_offset,
            stream_len: self.stream_len,
            first_entry,
            raw_len: self.raw.len(),
            compression,
        };
        Chunk::encode_into(&mut body, &head, &script, payload)?;
        Ok(body)
    }
}

impl CopyCost {
    pub(crate) fn new(chunk_size: u64) -> Self {
        Self {
            chunk_size,
            source_chunks: 0,
            stream_bytes: 0,
        }
    }

    /// Whether one more chunk of so many source chunks and LITERAL and COPY bytes is allowed: by
    /// itself, since it may be read alone, and with all before it.
    pub(crate) fn allows(&self, source_chunks: u64, stream_bytes: u64) -> bool {
        let alone = Self::new(self.chunk_size);
        alone.cost(source_chunks) <= alone.allowance(stream_bytes)
            && self.cost(source_chunks) <= self.allowance(stream_bytes)
    }

    /// The most source chunks that [`Self::allows`] a chunk of so many bytes.
    pub(crate) fn most(&self, stream_bytes: u64) -> u64 {
        let alone = Self::new(self.chunk_size).allowance(stream_bytes) / self.chunk_size;
        let with_all = self.allowance(stream_bytes) / self.chunk_size;
        alone.min(with_all.saturating_sub(self.source_chunks))
    }

    pub(crate) fn add(&mut self, source_chunks: u64, stream_bytes: u64) {
        self.source_chunks = self.source_chunks.saturating_add(source_chunks);
        self.stream_bytes = self.stream_bytes.saturating_add(stream_bytes);
    }

    /// Counts a chunk that was read and refuses it if it asks for too much (spec: CHU-9).
    pub(crate) fn check(
        &mut self,
        source_chunks: u64,
        stream_bytes: u64,
    ) -> Result<(), FormatError> {
        let allowed = self.allows(source_chunks, stream_bytes);
        self.add(source_chunks, stream_bytes);
        if allowed {
            return Ok(());
        }
        let (found, max) = (self.cost(0), self.allowance(0));
        Err(FormatError::limit(
            Structure::Script,
            "copy cost",
            found,
            max,
        ))
    }

    fn cost(&self, more: u64) -> u64 {
        self.source_chunks
            .saturating_add(more)
            .saturating_mul(self.chunk_size)
    }

    fn allowance(&self, more: u64) -> u64 {
        let bytes = self.stream_bytes.saturating_add(more);
        bytes
            .saturating_mul(COPY_COST_FACTOR)
            .saturating_add(COPY_COST_FREE)
    }
}

/// Decompresses the payload of a chunk into its raw bytes (spec: CHU-6).
pub(crate) fn raw_bytes(
    head: &ChunkHead,
    payload: &[u8],
    decompressor: &mut Decompressor,
    raw: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let raw_len = head.raw_len;
    match head.compression {
        Compression::Stored if payload.len() == raw_len => {
            raw.clear();
            raw.extend_from_slice(payload);
            Ok(())
        }
        Compression::Stored => {
            let what = "the stored payload is not raw_len bytes long";
            Err(FormatError::malformed(Structure::Chunk, "CHU-6", what).into())
        }
        Compression::Zstd => decompressor
            .decompress(payload, raw_len, raw)
            .map_err(|e| frame_error(e, Structure::Chunk)),
    }
}

/// zstd cannot work: memory, not data.
pub(crate) fn zstd_failed(source: std::io::Error) -> PackError {
    PackError::Io {
        what: "compressing",
        source,
    }
}

/// Words a frame's fault for the structure it stands in.
pub(crate) fn frame_error(error: FrameError, structure: Structure) -> ReadError {
    match error {
        FrameError::Malformed(what) => FormatError::malformed(structure, "CHU-6", what).into(),
        FrameError::Window(found) => {
            FormatError::limit(structure, "zstd window", found, 1 << MAX_ZSTD_WINDOW_LOG).into()
        }
    }
}

pub(crate) fn new_decompressor() -> Result<Decompressor, ReadError> {
    Decompressor::new().map_err(|source| ReadError::Io {
        what: "starting zstd",
        source,
    })
}

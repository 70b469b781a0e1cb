//! Chunks: filled in order, compressed on all cores, put into records in order.

use super::along::{Along, OfChunk};
use super::{Counts, Standing, Start, WriterSettings};
use crate::chunks::{ChunkWriter, ClosedChunk, Copied, zstd_failed};
use crate::compress::Compressor;
use crate::error::PackError;
use crate::head_plan::HeadPlan;
use crate::history::{DataPlace, DataRun, History};
use crate::matcher::Output;
use crate::pipeline::{Buffers, InOrder, JOBS_PER_THREAD, Spares, Workers};
use crate::records::{ChunkSpan, Closing, Following, RecordWriter, RecordsSoFar};
use crate::stripes::{StripeWriter, Tools, output_stopped};
use crate::tail::put_tail;
use bakpak_format::digest::Digest;
use bakpak_format::geometry::{BlockSize, StreamOffset};
use bakpak_format::record::Cursor;
use std::collections::VecDeque;
use std::sync::Arc;

/// Records held back until the block size is decided (spec: chapter 5, end).
const HELD_BACK: usize = 16 << 20;

/// Up to so many bytes of records, blocks of 4 KiB waste least.
const SMALL: usize = 256 << 10;

/// A chunk is closed when more than this follows it: rows stand in the same stripe as the chunk, and
/// wait in memory with it.
pub(super) const MAX_FOLLOWING: usize = 256 << 10;

/// Chunks do not wait with more than this behind them: a few files of very many backups have more to
/// tell than all chunks under way have bytes.
const MAX_WAITING: usize = 32 << 20;

/// Takes literals, copies and zeros, and writes the archive.
pub(super) struct ChunkOutput<'a> {
    chunk_size: usize,
    settings: WriterSettings,
    workers: &'a Workers,
    chunks: ChunkWriter,
    history: History,
    raw_buffers: Buffers,
    compressors: Spares<Compressor>,
    compressing: InOrder<Result<Vec<u8>, PackError>>,
    waiting: VecDeque<Waiting>,
    /// Length of what follows the chunks that wait.
    waiting_len: usize,
    pub(super) along: Along,
    stage: Stage<'a>,
    counts: Counts,
}

/// A chunk that is being compressed, with what comes behind it.
struct Waiting {
    span: ChunkSpan,
    raw: Arc<Vec<u8>>,
    cursor: Option<Cursor>,
    following: Vec<Following>,
}

enum Stage<'a> {
    /// The block size is not known yet.
    Held {
        plan: Box<HeadPlan>,
        chunks: Vec<(Vec<u8>, Waiting)>,
        len: usize,
        tools: Tools<'a>,
    },
    Open(Box<RecordWriter<'a>>),
    /// Only while the one becomes the other.
    Changing,
}

impl<'a> ChunkOutput<'a> {
    pub(super) fn new(
        start: Start,
        settings: WriterSettings,
        history: History,
        tools: Tools<'a>,
    ) -> Result<Self, PackError> {
        let workers = tools.workers;
        let spares = JOBS_PER_THREAD * workers.threads() + 4;
        let (chunk_size, copy_reach) = (start.chunk_size(), start.copy_reach());
        let buffer = Vec::with_capacity(chunk_size);
        let mut chunks = ChunkWriter::new(chunk_size, copy_reach, buffer);
        let mut counts = Counts::default();
        let stage = match start {
            Start::New(plan) => Stage::Held {
                plan,
                chunks: Vec::new(),
                len: 0,
                tools,
            },
            Start::Behind(standing) => {
                counts.chunks = standing.records.chunk_count;
                behind(*standing, &mut chunks, settings.level, tools)?
            }
        };
        let mut output = Self {
            chunks,
            chunk_size,
            settings,
            workers,
            history,
            raw_buffers: Buffers::new(spares),
            compressors: Spares::new(spares),
            compressing: InOrder::new(),
            waiting: VecDeque::new(),
            waiting_len: 0,
            along: Along::default(),
            stage,
            counts,
        };
        if let (Stage::Held { .. }, Some(size)) = (&output.stage, output.settings.block_size) {
            output.open(size)?;
        }
        Ok(output)
    }

    pub(super) fn block_size_asked(&self) -> Option<BlockSize> {
        self.settings.block_size
    }

    /// Ends the archive; the stream must be complete.
    pub(super) fn finish(mut self, closing: &Closing) -> Result<(Counts, Digest), PackError> {
        self.close_chunk()?;
        while !self.waiting.is_empty() {
            self.next_compressed()?;
        }
        if let Stage::Held { len, .. } = &self.stage {
            let block_size = if *len <= SMALL {
                BlockSize::FOUR_KIB
            } else {
                BlockSize::SIXTY_FOUR_KIB
            };
            self.open(block_size)?;
        }
        let Stage::Open(records) = self.stage else {
            return Err(output_stopped());
        };
        let written = records.finish(closing)?;
        let root = put_tail(&written)?;
        Ok((self.counts, root))
    }

    /// Closes the open chunk if nothing more may be added.
    fn close_if_full(&mut self) -> Result<(), PackError> {
        let here = self.chunks.stream_offset();
        if self.chunks.is_full()
            || (self.along.following_len(here) > MAX_FOLLOWING && !self.chunks.is_empty())
        {
            self.close_chunk()
        } else {
            Ok(())
        }
    }

    fn close_chunk(&mut self) -> Result<(), PackError> {
        let buffer = self
            .raw_buffers
            .take()
            .unwrap_or_else(|| Vec::with_capacity(self.chunk_size));
        let Some(chunk) = self.chunks.close(buffer) else {
            return Ok(());
        };
        self.counts.chunks += 1;
        let span = ChunkSpan {
            stream_offset: chunk.stream_offset,
            data_offset: chunk.data_offset,
            stream_len: chunk.stream_len,
            raw_len: chunk.raw.len() as u64,
        };
        let raw = Arc::clone(&chunk.raw);
        if !raw.is_empty() {
            let added = self
                .history
                .add(chunk.number, chunk.data_offset, Arc::clone(&raw));
            added.into_iter().for_each(|dropped| self.reuse(dropped));
        }
        let end = chunk.stream_offset.plus(chunk.stream_len);
        let OfChunk {
            first_entry,
            cursor,
            following,
        } = self.along.chunk_ends(end);
        self.waiting_len += following.iter().map(Following::len).sum::<usize>();
        self.waiting.push_back(Waiting {
            span,
            raw,
            cursor,
            following,
        });
        self.compress(chunk, first_entry);
        while self.compressing.len() > JOBS_PER_THREAD * self.workers.threads()
            || self.waiting_len > MAX_WAITING
        {
            self.next_compressed()?;
        }
        Ok(())
    }

    fn compress(&mut self, chunk: ClosedChunk, first_entry: Option<StreamOffset>) {
        let compressors = self.compressors.clone();
        let level = self.settings.level;
        self.workers.submit(&mut self.compressing, move || {
            let mut compressor = match compressors.take() {
                Some(compressor) => compressor,
                None => Compressor::new(level).map_err(zstd_failed)?,
            };
            let encoded = chunk.encode(first_entry, &mut compressor);
            compressors.give(compressor);
            encoded
        });
    }

    /// Takes the oldest compressed chunk on to the records.
    fn next_compressed(&mut self) -> Result<(), PackError> {
        let Some(mut waiting) = self.waiting.pop_front() else {
            return Ok(());
        };
        let following_len = waiting.following.iter().map(Following::len).sum::<usize>();
        self.waiting_len -= following_len;
        let Some(result) = self.compressing.next() else {
            return Ok(());
        };
        let body = result??;
        self.reuse(std::mem::take(&mut waiting.raw));
        match &mut self.stage {
            Stage::Held { chunks, len, .. } => {
                *len += body.len() + following_len;
                chunks.push((body, waiting));
                if *len > HELD_BACK {
                    self.open(BlockSize::ONE_MIB)
                } else {
                    Ok(())
                }
            }
            Stage::Open(records) => put_chunk(records, &body, waiting),
            Stage::Changing => Err(output_stopped()),
        }
    }

    /// Keeps a raw buffer for the next chunk, once neither history nor compressor needs it.
    fn reuse(&self, raw: Arc<Vec<u8>>) {
        if let Ok(raw) = Arc::try_unwrap(raw)
            && raw.capacity() >= self.chunk_size
        {
            self.raw_buffers.give(raw);
        }
    }

    /// Writes the head, now that the block size is known, and what was held back.
    fn open(&mut self, block_size: BlockSize) -> Result<(), PackError> {
        let Stage::Held {
            plan,
            chunks,
            tools,
            ..
        } = std::mem::replace(&mut self.stage, Stage::Changing)
        else {
            return Err(output_stopped());
        };
        let (geometry, parts) = plan.encode(block_size)?;
        for bytes in parts.in_file_order() {
            let put = tools.output.put(bytes.to_vec());
            put.map_err(|_| output_stopped())?;
        }
        let stripes = StripeWriter::new(geometry, parts, Vec::new(), tools)?;
        let so_far = RecordsSoFar::none();
        let mut records = Box::new(RecordWriter::new(stripes, self.settings.level, so_far)?);
        for (body, waiting) in chunks {
            put_chunk(&mut records, &body, waiting)?;
        }
        self.stage = Stage::Open(records);
        Ok(())
    }
}

impl Output for ChunkOutput<'_> {
    fn stream_offset(&self) -> StreamOffset {
        self.chunks.stream_offset()
    }

    fn history(&mut self) -> &mut History {
        &mut self.history
    }

    fn literal(&mut self, bytes: &[u8]) -> Result<(usize, DataPlace), PackError> {
        self.close_if_full()?;
        let place = self.chunks.data_place();
        Ok((self.chunks.literal(bytes), place))
    }

    fn copy(&mut self, run: &DataRun) -> Result<bool, PackError> {
        self.close_if_full()?;
        let mut copied = self.chunks.copy(run);
        if copied == Copied::ChunkFull {
            self.close_chunk()?;
            copied = self.chunks.copy(run);
        }
        if copied != Copied::Yes {
            return Ok(false);
        }
        self.counts.copied_bytes += run.len;
        Ok(true)
    }

    fn zero(&mut self, len: u64) -> Result<(), PackError> {
        self.close_if_full()?;
        self.chunks.zero(len);
        self.counts.zero_bytes += len;
        Ok(())
    }
}

/// Opens the stripe behind those that stand.
fn behind<'a>(
    standing: Standing,
    chunks: &mut ChunkWriter,
    level: i32,
    tools: Tools<'a>,
) -> Result<Stage<'a>, PackError> {
    let Standing {
        geometry,
        parts,
        page_digests,
        records,
        cost,
        ..
    } = standing;
    let checkpoint = &records.checkpoint;
    chunks.begin_at(checkpoint.stream_offset, checkpoint.data_offset, cost);
    let stripes = StripeWriter::new(geometry, parts, page_digests, tools)?;
    let records = RecordWriter::new(stripes, level, records)?;
    Ok(Stage::Open(Box::new(records)))
}

fn put_chunk(
    records: &mut RecordWriter<'_>,
    body: &[u8],
    waiting: Waiting,
) -> Result<(), PackError> {
    records.chunk(body, waiting.span, waiting.cursor, &waiting.following)
}

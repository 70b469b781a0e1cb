//! The four layers put together for writing: stream to chunks, records, stripes, file.

use crate::chunks::{ChunkWriter, OpenChunk, zstd_failed};
use crate::compress::Compressor;
use crate::error::PackError;
use crate::head_plan::HeadPlan;
use crate::matcher::{Found, Matcher, More};
use crate::pipeline::{Buffers, InOrder, Spares, Workers};
use crate::records::{ChunkSpan, Closing, RecordWriter};
use crate::source::Identity;
use crate::stripes::{StripeWriter, Tools, output_stopped};
use crate::tail::put_tail;
use bakpak_format::catalogue::Row;
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryPath;
use bakpak_format::geometry::{BlockSize, StreamOffset};
use bakpak_format::record::{Cursor, Facts};
use std::collections::VecDeque;

/// Records held back until the block size is decided (spec: chapter 5, end).
const HELD_BACK: usize = 16 << 20;

/// Up to so many bytes of records, blocks of 4 KiB waste least.
const SMALL: usize = 256 << 10;

/// How the writer works; none of it changes what a reader gets.
pub(crate) struct WriterSettings {
    pub(crate) level: i32,
    pub(crate) block_size: Option<BlockSize>,
}

/// Takes the stream of entries and writes the archive.
pub(crate) struct ArchiveWriter<'a> {
    plan: HeadPlan,
    settings: WriterSettings,
    workers: &'a Workers,
    chunks: ChunkWriter,
    matcher: Option<Matcher>,
    raw_buffers: Buffers,
    compressors: Spares<Compressor>,
    compressing: InOrder<Compressed>,
    waiting: VecDeque<Waiting>,
    following: Vec<Following>,
    source: Option<OpenSource>,
    stage: Stage<'a>,
    counts: Counts,
}

/// The body of a CHUNK record, and the raw buffer for reuse.
type Compressed = Result<(Vec<u8>, Vec<u8>), PackError>;

/// The source whose content is being written: what a CHECKPOINT's cursor is made of.
pub(crate) struct OpenSource {
    pub(crate) path: EntryPath,
    pub(crate) content_offset: StreamOffset,
    pub(crate) identity: Identity,
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) chunks: u64,
    pub(crate) copied_bytes: u64,
    pub(crate) zero_bytes: u64,
}

/// A chunk that is being compressed, with what comes behind it.
struct Waiting {
    span: ChunkSpan,
    cursor: Option<Cursor>,
    following: Vec<Following>,
}

/// What stands behind the chunk in which an entry ends.
enum Following {
    Row(Row),
    Facts(Facts),
}

impl Following {
    /// About as long as its record.
    fn len(&self) -> usize {
        match self {
            Self::Row(row) => 200 + row.path.as_bytes().len() + row.link.len(),
            Self::Facts(facts) => 64 + facts.data.len(),
        }
    }
}

enum Stage<'a> {
    /// The block size is not known yet.
    Held {
        chunks: Vec<(Vec<u8>, Waiting)>,
        len: usize,
        tools: Tools<'a>,
    },
    Open(Box<RecordWriter<'a>>),
    /// Only while the one becomes the other.
    Changing,
}

impl<'a> ArchiveWriter<'a> {
    pub(crate) fn new(
        plan: HeadPlan,
        settings: WriterSettings,
        matcher: Option<Matcher>,
        tools: Tools<'a>,
    ) -> Result<Self, PackError> {
        let workers = tools.workers;
        let spares = 2 * workers.threads() + 4;
        let mut writer = Self {
            chunks: ChunkWriter::new(plan.chunk_size, Vec::with_capacity(plan.chunk_size)),
            plan,
            settings,
            workers,
            matcher,
            raw_buffers: Buffers::new(spares),
            compressors: Spares::new(spares),
            compressing: InOrder::new(),
            waiting: VecDeque::new(),
            following: Vec::new(),
            source: None,
            stage: Stage::Held {
                chunks: Vec::new(),
                len: 0,
                tools,
            },
            counts: Counts::default(),
        };
        if let Some(block_size) = writer.settings.block_size {
            writer.open(block_size)?;
        }
        Ok(writer)
    }

    /// Where the next byte will stand in the stream.
    pub(crate) fn stream_offset(&self) -> StreamOffset {
        self.chunks.stream_offset()
    }

    /// Puts an entry's header.
    pub(crate) fn header(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.close_if_full()?;
        self.chunks.mark_entry();
        self.literal(bytes)
    }

    /// Puts bytes as they are.
    pub(crate) fn literal(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        while !bytes.is_empty() {
            self.close_if_full()?;
            let taken = self.chunks.literal(bytes);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Puts zeros.
    pub(crate) fn zero(&mut self, len: u64) -> Result<(), PackError> {
        self.close_if_full()?;
        self.chunks.zero(len);
        self.counts.zero_bytes += len;
        Ok(())
    }

    /// Puts zeros up to the next multiple of 512.
    pub(crate) fn pad(&mut self) -> Result<(), PackError> {
        let over = self.stream_offset().0 % 512;
        if over == 0 {
            Ok(())
        } else {
            self.literal(&[0; 512][..(512 - over) as usize])
        }
    }

    /// Puts content segment by segment, known ones as copies; returns how much was taken. The rest
    /// belongs in front of what comes next.
    pub(crate) fn content(&mut self, content: &[u8], more: More) -> Result<usize, PackError> {
        let Some(mut matcher) = self.matcher.take() else {
            self.literal(content)?;
            return Ok(content.len());
        };
        let mut taken = 0;
        while taken < content.len() {
            let Some(len) = matcher.segment_len(&content[taken..], more) else {
                break;
            };
            self.segment(&mut matcher, &content[taken..taken + len])?;
            taken += len;
        }
        self.matcher = Some(matcher);
        Ok(taken)
    }

    /// Longest rest that `content` may leave.
    pub(crate) fn max_rest(&self) -> usize {
        self.matcher.as_ref().map_or(0, Matcher::max_segment_len)
    }

    /// The content of this source begins here.
    pub(crate) fn content_of(&mut self, path: &EntryPath, identity: Option<Identity>) {
        let content_offset = self.stream_offset();
        self.source = identity.map(|identity| OpenSource {
            path: path.clone(),
            content_offset,
            identity,
        });
    }

    /// The row, and facts, of the entry that has just ended.
    pub(crate) fn entry_ended(&mut self, row: Row, facts: Vec<Facts>) {
        self.source = None;
        // Facts come before the page with the entry's row (spec: chapter 9).
        self.following
            .extend(facts.into_iter().map(Following::Facts));
        self.following.push(Following::Row(row));
    }

    /// Facts about the archive.
    pub(crate) fn archive_facts(&mut self, facts: Facts) {
        self.following.push(Following::Facts(facts));
    }

    /// Closes the open chunk if nothing more may be added.
    fn close_if_full(&mut self) -> Result<(), PackError> {
        if self.chunks.is_full() {
            self.close_chunk()
        } else {
            Ok(())
        }
    }

    /// Ends the stream, which must be complete, and the archive.
    pub(crate) fn finish(mut self, closing: &Closing) -> Result<(Counts, Digest), PackError> {
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

    fn segment(&mut self, matcher: &mut Matcher, segment: &[u8]) -> Result<(), PackError> {
        self.close_if_full()?;
        match matcher.look_up(segment, self.chunks.committed().0) {
            Found::Zeros => self.zero(segment.len() as u64),
            Found::Known(place) => {
                let len = segment.len() as u64;
                if self.chunks.copy(place.into(), len) {
                    self.counts.copied_bytes += len;
                    return Ok(());
                }
                self.literal(segment)
            }
            Found::New(hash) => {
                let place = self.chunks.data_offset();
                self.literal(segment)?;
                matcher.remember(hash, place.0);
                Ok(())
            }
        }
    }

    fn close_chunk(&mut self) -> Result<(), PackError> {
        let buffer = self
            .raw_buffers
            .take()
            .unwrap_or_else(|| Vec::with_capacity(self.plan.chunk_size));
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
        let end = chunk.stream_offset.plus(chunk.stream_len);
        let cursor = self.source.as_ref().map(|source| source.cursor(end));
        let following = std::mem::take(&mut self.following);
        self.waiting.push_back(Waiting {
            span,
            cursor,
            following,
        });
        self.compress(chunk);
        while self.compressing.len() > 2 * self.workers.threads() {
            self.next_compressed()?;
        }
        Ok(())
    }

    fn compress(&mut self, chunk: OpenChunk) {
        let compressors = self.compressors.clone();
        let level = self.settings.level;
        self.workers.submit(&mut self.compressing, move || {
            let mut compressor = match compressors.take() {
                Some(compressor) => compressor,
                None => Compressor::new(level).map_err(zstd_failed)?,
            };
            let encoded = chunk.encode(&mut compressor);
            compressors.give(compressor);
            encoded
        });
    }

    /// Takes the oldest compressed chunk on to the records.
    fn next_compressed(&mut self) -> Result<(), PackError> {
        let Some(waiting) = self.waiting.pop_front() else {
            return Ok(());
        };
        let Some(result) = self.compressing.next() else {
            return Ok(());
        };
        let (body, raw) = result??;
        self.raw_buffers.give(raw);
        match &mut self.stage {
            Stage::Held { chunks, len, .. } => {
                *len += body.len() + waiting.following.iter().map(Following::len).sum::<usize>();
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

    /// Writes the head, now that the block size is known, and what was held back.
    fn open(&mut self, block_size: BlockSize) -> Result<(), PackError> {
        let Stage::Held { chunks, tools, .. } = std::mem::replace(&mut self.stage, Stage::Changing)
        else {
            return Err(output_stopped());
        };
        let (geometry, parts) = self.plan.encode(block_size)?;
        for bytes in parts.in_file_order() {
            let put = tools.output.put(bytes.to_vec());
            put.map_err(|_| output_stopped())?;
        }
        let stripes = StripeWriter::new(geometry, parts, tools)?;
        let mut records = Box::new(RecordWriter::new(stripes, self.settings.level)?);
        for (body, waiting) in chunks {
            put_chunk(&mut records, &body, waiting)?;
        }
        self.stage = Stage::Open(records);
        Ok(())
    }
}

impl OpenSource {
    fn cursor(&self, end: StreamOffset) -> Cursor {
        Cursor {
            path: self.path.as_bytes().to_vec(),
            offset: end.since(self.content_offset).unwrap_or(0),
            device: self.identity.device,
            inode: self.identity.inode,
            size: self.identity.size,
            mtime: self.identity.mtime,
            ctime: self.identity.ctime,
        }
    }
}

fn put_chunk(
    records: &mut RecordWriter<'_>,
    body: &[u8],
    waiting: Waiting,
) -> Result<(), PackError> {
    records.chunk(body, waiting.span, waiting.cursor)?;
    let mut row_bytes = Vec::new();
    for following in waiting.following {
        match following {
            Following::Row(row) => {
                row_bytes.clear();
                row.encode_into(&mut row_bytes);
                records.row(&row_bytes, row.path.as_bytes())?;
            }
            Following::Facts(facts) => records.facts(&facts)?,
        }
    }
    Ok(())
}

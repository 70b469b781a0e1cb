//! The four layers put together for writing: stream to chunks, records, stripes, file.

use crate::aead::{Aead, DefaultAead, TAG_LEN};
use crate::chunks::{ChunkWriter, OpenChunk};
use crate::compress::Compressor;
use crate::error::PackError;
use crate::keys::Subkeys;
use crate::matcher::{Found, Matcher, More};
use crate::pipeline::{Belt, Buffers, InOrder, Spares, Workers};
use crate::random::Random;
use crate::records::{ChunkSpan, Closing, RecordWriter};
use crate::source::Identity;
use crate::stripes::{HeadParts, StripeWriter, StripesWritten, output_stopped, random_failed};
use bakpak_format::catalogue::Row;
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryPath;
use bakpak_format::envelope::{self, EnvelopeBody};
use bakpak_format::error::FormatError;
use bakpak_format::geometry::{BlockSize, Geometry, ParityGeometry, StreamOffset};
use bakpak_format::header::ArchiveId;
use bakpak_format::header::{self, Head, Header};
use bakpak_format::record::{Cursor, Facts};
use bakpak_format::slots::{self, Domain, Slot, SlotTable};
use bakpak_format::tail::{self, TailPage};
use std::collections::VecDeque;
use std::sync::Arc;

/// Records held back until the block size is decided (spec: chapter 5, end).
const HELD_BACK: usize = 16 << 20;

/// Up to so many bytes of records, blocks of 4 KiB waste least.
const SMALL: usize = 256 << 10;

/// Everything of the head but what depends on the block size.
pub(crate) struct HeadPlan {
    pub(crate) cover_text: String,
    pub(crate) archive_id: ArchiveId,
    pub(crate) salt: [u8; 32],
    pub(crate) chunk_size: usize,
    pub(crate) copy_reach: u64,
    pub(crate) data: DomainPlan,
    pub(crate) envelope: Option<EnvelopePlan>,
}

/// One domain's slots, not yet in a table.
pub(crate) struct DomainPlan {
    pub(crate) subkeys: Arc<Subkeys>,
    pub(crate) slots: Vec<Slot>,
}

/// The envelope's slots and its sealed body.
pub(crate) struct EnvelopePlan {
    pub(crate) domain: DomainPlan,
    pub(crate) body: Vec<u8>,
}

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
    subkeys: &'a Subkeys,
    random: Option<Random>,
    chunks: ChunkWriter,
    matcher: Option<Matcher>,
    raw_buffers: Buffers,
    block_buffers: Buffers,
    compressors: Spares<Compressor>,
    compressing: InOrder<Result<(Vec<u8>, Vec<u8>), FormatError>>,
    waiting: VecDeque<Waiting>,
    following: Vec<Following>,
    source: Option<OpenSource>,
    stage: Stage<'a>,
    counts: Counts,
}

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
    pub(crate) archive_len: u64,
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

enum Stage<'a> {
    /// The block size is not known yet.
    Held {
        chunks: Vec<(Vec<u8>, Waiting)>,
        len: usize,
        output: Belt<Vec<u8>>,
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
        random: Random,
        subkeys: &'a Subkeys,
        workers: &'a Workers,
        block_buffers: Buffers,
        output: Belt<Vec<u8>>,
    ) -> Result<Self, PackError> {
        let spares = 2 * workers.threads() + 4;
        let mut writer = Self {
            chunks: ChunkWriter::new(plan.chunk_size, Vec::with_capacity(plan.chunk_size)),
            plan,
            settings,
            workers,
            subkeys,
            random: Some(random),
            matcher,
            raw_buffers: Buffers::new(spares),
            block_buffers,
            compressors: Spares::new(spares),
            compressing: InOrder::new(),
            waiting: VecDeque::new(),
            following: Vec::new(),
            source: None,
            stage: Stage::Held {
                chunks: Vec::new(),
                len: 0,
                output,
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
                None => Compressor::new(level).map_err(|error| {
                    FormatError::unsupported(
                        bakpak_format::error::Structure::Chunk,
                        error.to_string(),
                    )
                })?,
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
                *len += body.len() + 256 * (waiting.following.len() + 1);
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
        let Stage::Held { chunks, output, .. } =
            std::mem::replace(&mut self.stage, Stage::Changing)
        else {
            return Err(output_stopped());
        };
        let (geometry, parts) = self.plan.encode(block_size)?;
        for bytes in parts.in_file_order() {
            output.put(bytes.to_vec()).map_err(|_| output_stopped())?;
        }
        let random = self.random.take().ok_or_else(output_stopped)?;
        let stripes = StripeWriter::new(
            geometry,
            parts,
            self.subkeys,
            random,
            self.workers,
            self.block_buffers.clone(),
            output,
        )?;
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

impl HeadPlan {
    /// The head's parts for a block size.
    fn encode(&self, block_size: BlockSize) -> Result<(Geometry, HeadParts), PackError> {
        let slots_len =
            |domain: &DomainPlan| domain.slots.iter().map(Slot::encoded_len).sum::<usize>();
        let longest =
            slots_len(&self.data).max(self.envelope.as_ref().map_or(0, |e| slots_len(&e.domain)));
        let slot_area = slots::area_for(block_size, longest);
        let envelope_body = self.envelope.as_ref().map_or(&[][..], |e| &e.body);
        let header = Header {
            block_size,
            slot_area,
            chunk_size: self.chunk_size,
            envelope_len: envelope_body.len(),
            copy_reach: self.copy_reach,
            archive_commitment: self.data.subkeys.commitment(),
            envelope_commitment: self
                .envelope
                .as_ref()
                .map_or([0; 32], |e| e.domain.subkeys.commitment()),
            envelope_digest: match envelope_body {
                [] => Digest([0; 32]),
                body => Digest::of(body),
            },
            archive_id: self.archive_id,
            features_incompatible: 0,
            features_read_only: 0,
            features_compatible: 0,
            suite: header::SUITE,
            parity_geometry: ParityGeometry::NONE,
            salt: self.salt,
            extensions: Vec::new(),
        };
        let mac_key = self.data.subkeys.header_mac_key();
        let head = Head::encode(&self.cover_text, &header, |bytes| mac_key.mac(bytes))?;
        let geometry = Geometry::new(block_size, head.len(), slot_area, envelope_body.len());
        let parts = HeadParts {
            head_digest: Head::decode(&head)?.head_digest,
            head,
            data_slots: self.data.table(Domain::Data, self.archive_id, slot_area)?,
            envelope_slots: match &self.envelope {
                Some(e) => e
                    .domain
                    .table(Domain::Envelope, self.archive_id, slot_area)?,
                None => Vec::new(),
            },
            envelope: envelope_body.to_vec(),
            archive_id: self.archive_id,
        };
        Ok((geometry, parts))
    }
}

impl DomainPlan {
    fn table(
        &self,
        domain: Domain,
        archive_id: ArchiveId,
        area: usize,
    ) -> Result<Vec<u8>, FormatError> {
        let table = SlotTable {
            domain,
            generation: 1,
            archive_id,
            slots: self.slots.clone(),
            mac: [0; 32],
        };
        let mac_key = self.subkeys.slot_mac_key();
        table.encode(area, |bytes| mac_key.mac(bytes))
    }
}

impl HeadParts {
    /// Head, both copies of each table, envelope body.
    fn in_file_order(&self) -> impl Iterator<Item = &[u8]> {
        [
            &self.head,
            &self.data_slots,
            &self.data_slots,
            &self.envelope_slots,
            &self.envelope_slots,
            &self.envelope,
        ]
        .into_iter()
        .map(Vec::as_slice)
        .filter(|bytes| !bytes.is_empty())
    }
}

/// Writes the tail (spec: chapter 12) and returns the root.
fn put_tail(written: &StripesWritten) -> Result<Digest, PackError> {
    let parts = &written.parts;
    let stripe_count = written.page_digests.len() as u64;
    let root = tail::root(
        &parts.head_digest,
        &parts.archive_id,
        written.block_count,
        stripe_count,
        written.page_digests.iter().copied(),
    );
    let copies = [
        &parts.head,
        &parts.data_slots,
        &parts.envelope_slots,
        &parts.envelope,
    ];
    let copies_len: usize = copies.iter().map(|c| c.len()).sum();
    let geometry = written.geometry;
    let tail_offset = geometry.tail_offset(written.block_count);
    let tail_page_len = tail::page_len_for(0);
    let page = TailPage {
        tail_page_len,
        archive_id: parts.archive_id,
        block_count: written.block_count,
        stripe_count,
        tail_offset,
        archive_len: tail_offset.0 + (copies_len + tail_page_len) as u64,
        head_digest: parts.head_digest,
        root,
        signatures: Vec::new(),
    };
    for bytes in copies.into_iter().filter(|c| !c.is_empty()) {
        written
            .output
            .put(bytes.clone())
            .map_err(|_| output_stopped())?;
    }
    written
        .output
        .put(page.encode()?)
        .map_err(|_| output_stopped())?;
    Ok(root)
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

/// Seals the envelope's plaintext (spec: chapter 4).
pub(crate) fn seal_envelope(
    subkeys: &Subkeys,
    archive_id: ArchiveId,
    plaintext: &[u8],
    nonce: [u8; 12],
) -> Vec<u8> {
    let clear = EnvelopeBody::clear(&nonce);
    let aad = envelope::aad(&clear, &archive_id);
    let mut body = clear.to_vec();
    // Made in its full length, since a Vec that grows leaves copies of secrets behind.
    body.reserve_exact(plaintext.len() + TAG_LEN);
    body.extend_from_slice(plaintext);
    body.resize(body.len() + TAG_LEN, 0);
    DefaultAead::new(&subkeys.envelope_body_key()).seal(&nonce, &aad, &mut body[clear.len()..]);
    body
}

/// The nonce of the envelope's body.
pub(crate) fn draw_nonce(random: &mut Random) -> Result<[u8; 12], PackError> {
    random.array().map_err(random_failed)
}

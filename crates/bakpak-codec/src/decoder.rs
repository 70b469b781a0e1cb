//! Blocks to records to the stream: everything between the tags and the tar.

use crate::blocks::OpenedBlock;
use crate::chunk_store::{RawChunk, Run};
use crate::chunks::{self, CopyCost, new_decompressor};
use crate::compress::Decompressor;
use crate::data_map::{DataMap, SourceChunk};
use crate::data_space::DataSpace;
use crate::error::ReadError;
use crate::joined::Joined;
use crate::observer::Observer;
use crate::pipeline::{Buffers, InOrder, JOBS_PER_THREAD, Spares, Workers};
use crate::zeros::watched_zeros;
use bakpak_format::block::StripeFill;
use bakpak_format::chunk::Chunk;
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::entry::EntryPath;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, BlockSize, DataOffset, Place, StreamOffset};
use bakpak_format::header::Header;
use bakpak_format::record::{self, RecordHeader, RecordType};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;

/// Takes the stream, piece by piece and in order, and the other records between.
pub(crate) trait StreamTaker {
    /// The next bytes of the stream.
    fn stream(&mut self, bytes: Bytes) -> Result<(), ReadError>;

    /// A chunk begins.
    fn chunk_begins(&mut self) -> Result<(), ReadError>;

    /// A chunk has been taken wholly.
    fn chunk_ended(&mut self, span: &TakenChunk) -> Result<(), ReadError>;

    /// Another record than a chunk, at its place among them.
    fn record(&mut self, kind: RecordType, body: &[u8], place: Place) -> Result<(), ReadError>;

    /// FACTS of a version that is not known.
    fn newer_facts(&mut self, body: &[u8], place: Place) -> Result<(), ReadError>;

    /// A record that is not known and may be passed over.
    fn skipped(&mut self) -> Result<(), ReadError>;

    /// A stripe has ended, perhaps the last one.
    fn stripe_ended(&mut self, last: bool) -> Result<(), ReadError>;

    /// The entry that is being read.
    fn current_entry(&self) -> Option<EntryPath>;
}

/// What the taker must know of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenChunk {
    pub(crate) stream_offset: StreamOffset,
    pub(crate) data_offset: DataOffset,
    pub(crate) raw_len: u64,
    pub(crate) first_entry: Option<StreamOffset>,
    pub(crate) place: Place,
}

/// Decodes the blocks of an archive in order.
pub(crate) struct Decoder<'a, T> {
    block_size: BlockSize,
    chunk_size: usize,
    copy_reach: u64,
    workers: &'a Workers,
    observer: &'a dyn Observer,
    assembly: Assembly,
    pending: InOrder<Result<Decoded, ReadError>>,
    places: VecDeque<Place>,
    bodies: Buffers,
    raws: Buffers,
    decompressors: Spares<Decompressor>,
    map: DataMap,
    cost: CopyCost,
    data_space: DataSpace,
    joined: Joined,
    /// Whether the block taken last holds any record.
    block_used: bool,
    next_stream: StreamOffset,
    next_data: DataOffset,
    pub(crate) taker: T,
}

/// Joins a record that lies in several blocks of a stripe.
#[derive(Default)]
struct Assembly {
    fill: StripeFill,
    bytes: Vec<u8>,
    place: Place,
}

/// A record that is ready to be taken.
enum Decoded {
    Chunk {
        head: ChunkParts,
        raw: RawChunk,
    },
    Other {
        kind: RecordType,
        body: Bytes,
    },
    /// FACTS of a version that is not known: passed over, but listed (spec: REC-3).
    NewerFacts {
        body: Bytes,
    },
    /// Unknown and not critical.
    Skipped,
}

/// A chunk without its payload.
struct ChunkParts {
    stream_offset: StreamOffset,
    data_offset: DataOffset,
    stream_len: u64,
    raw_len: u64,
    first_entry: Option<StreamOffset>,
    script: Script,
}

impl<'a, T: StreamTaker> Decoder<'a, T> {
    pub(crate) fn new(
        header: &Header,
        workers: &'a Workers,
        data_space: DataSpace,
        taker: T,
        observer: &'a dyn Observer,
    ) -> Self {
        let spares = JOBS_PER_THREAD * workers.threads() + 8;
        Self {
            block_size: header.block_size,
            chunk_size: header.chunk_size,
            copy_reach: header.copy_reach,
            workers,
            observer,
            assembly: Assembly::default(),
            pending: InOrder::new(),
            places: VecDeque::new(),
            bodies: Buffers::new(spares),
            raws: Buffers::new(spares),
            decompressors: Spares::new(spares),
            map: DataMap::new(),
            cost: CopyCost::new(header.chunk_size as u64),
            data_space,
            joined: Joined::default(),
            block_used: false,
            next_stream: StreamOffset(0),
            next_data: DataOffset(0),
            taker,
        }
    }

    /// Whether blocks must be spooled, since the archive comes from a pipe.
    pub(crate) fn spools(&self) -> bool {
        self.data_space.spools()
    }

    /// Spools a sealed block.
    pub(crate) fn spool(&mut self, sealed: Option<&[u8]>) -> Result<(), ReadError> {
        sealed.map_or(Ok(()), |sealed| self.data_space.spool(sealed))
    }

    /// Takes the next block of the stripe.
    pub(crate) fn block(
        &mut self,
        index: BlockIndex,
        block: OpenedBlock,
        buffers: &Buffers,
    ) -> Result<(), ReadError> {
        let payload_len = block.payload_len();
        let (used_len, listed) = (block.inner.used_len, block.inner.first_record);
        self.assembly.fill.next(used_len, payload_len)?;
        self.block_used = used_len > 0;
        let mut records = block.into_records(buffers);
        let mut first_record = None;
        while !records.is_empty() {
            let at = used_len - records.len();
            if self.assembly.bytes.is_empty() {
                first_record.get_or_insert(at as u32);
                let place = self.block_size.place(index, at);
                if let Some((header, len)) = record_at(&records)?
                    && len <= records.len()
                {
                    let body = records.split_to(len).slice(record::HEADER_LEN..);
                    self.submit(header, body, place)?;
                    continue;
                }
                self.assembly.begin(place, &self.bodies);
            }
            self.assembly.take(&mut records, record::HEADER_LEN);
            let Some((header, len)) = record_at(&self.assembly.bytes)? else {
                break;
            };
            self.assembly.take(&mut records, len);
            if self.assembly.bytes.len() == len {
                let (record, place) = self.assembly.end();
                let body = self.bodies.lend(record).slice(record::HEADER_LEN..);
                self.submit(header, body, place)?;
            }
        }
        if listed != first_record {
            let what = "first_record does not agree with the records";
            return Err(FormatError::malformed(Structure::Block, "BLK-6", what).into());
        }
        Ok(())
    }

    /// The stripe has ended: no record may reach into the next one (spec: REC-1).
    pub(crate) fn stripe_ended(&mut self, last: bool) -> Result<(), ReadError> {
        self.assembly.fill = StripeFill::default();
        self.drain()?;
        if !self.assembly.bytes.is_empty() {
            let what = "a record reaches beyond the end of its stripe";
            return Err(FormatError::malformed(Structure::Record, "REC-1", what).into());
        }
        if last && !self.block_used {
            let what = "blocks stand behind the last record of the archive";
            return Err(FormatError::malformed(Structure::Block, "BLK-5", what).into());
        }
        self.taker.stripe_ended(last)
    }

    /// The taker, and what COPY has cost so far.
    pub(crate) fn into_parts(self) -> (T, CopyCost) {
        (self.taker, self.cost)
    }

    /// Takes everything that is still being decoded.
    pub(crate) fn drain(&mut self) -> Result<(), ReadError> {
        while let Some(decoded) = self.pending.next() {
            self.take_record(decoded??)?;
        }
        Ok(())
    }

    fn submit(&mut self, header: RecordHeader, body: Bytes, place: Place) -> Result<(), ReadError> {
        while self.pending.len() >= most_pending(self.workers.threads()) {
            if let Some(decoded) = self.pending.next() {
                self.take_record(decoded??)?;
            }
        }
        self.places.push_back(place);
        let (chunk_size, copy_reach) = (self.chunk_size, self.copy_reach);
        let raws = self.raws.clone();
        let decompressors = self.decompressors.clone();
        self.workers
            .submit(&mut self.pending, move || match header.known()? {
                None if header.kind == RecordType::Facts.number() => {
                    Ok(Decoded::NewerFacts { body })
                }
                None => Ok(Decoded::Skipped),
                Some(RecordType::Chunk) => {
                    let mut raw = raws.take().unwrap_or_default();
                    let mut decompressor = match decompressors.take() {
                        Some(decompressor) => decompressor,
                        None => new_decompressor()?,
                    };
                    let chunk = Chunk::decode(&body, chunk_size)?;
                    chunk.check_reach(copy_reach)?;
                    chunks::raw_bytes(&chunk.head, chunk.payload, &mut decompressor, &mut raw)?;
                    decompressors.give(decompressor);
                    let head = ChunkParts {
                        stream_offset: chunk.head.stream_offset,
                        data_offset: chunk.head.data_offset,
                        stream_len: chunk.head.stream_len,
                        raw_len: chunk.head.raw_len as u64,
                        first_entry: chunk.head.first_entry,
                        script: chunk.script,
                    };
                    let raw = RawChunk::lent(raw, &raws);
                    Ok(Decoded::Chunk { head, raw })
                }
                Some(kind) => Ok(Decoded::Other { kind, body }),
            });
        Ok(())
    }

    fn take_record(&mut self, decoded: Decoded) -> Result<(), ReadError> {
        let place = self.places.pop_front().unwrap_or_default();
        match decoded {
            Decoded::Skipped => self.taker.skipped(),
            Decoded::NewerFacts { body } => self.taker.newer_facts(&body, place),
            Decoded::Other { kind, body } => {
                let taken = self.taker.record(kind, &body, place);
                if kind == RecordType::Checkpoint {
                    self.map.checkpoint(place);
                }
                taken
            }
            Decoded::Chunk { head, raw } => self.take_chunk(head, raw, place),
        }
    }

    fn take_chunk(
        &mut self,
        head: ChunkParts,
        raw: RawChunk,
        place: Place,
    ) -> Result<(), ReadError> {
        self.taker.chunk_begins()?;
        // spec: CHU-1
        if head.stream_offset != self.next_stream || head.data_offset != self.next_data {
            let what = "a chunk's offsets are not the sums of those before it";
            return Err(FormatError::malformed(Structure::Chunk, "CHU-1", what).into());
        }
        let stream_bytes = head.stream_len - zero_len(&head.script);
        let most = self.cost.most(stream_bytes);
        let data_space = &mut self.data_space;
        let load = |place| data_space.checkpoint(place);
        let sources = self.map.sources(&head.script.0, most, load)?;
        self.cost.check(sources.len() as u64, stream_bytes)?;
        self.apply(&head.script, &raw.bytes, &sources)?;
        self.map.push(head.raw_len, place);
        self.next_stream = head.stream_offset.plus(head.stream_len);
        self.next_data = head.data_offset.plus(head.raw_len);
        let span = TakenChunk {
            stream_offset: head.stream_offset,
            data_offset: head.data_offset,
            raw_len: head.raw_len,
            first_entry: head.first_entry,
            place,
        };
        self.data_space.push(head.data_offset, raw);
        self.drop_beyond_reach();
        self.taker.chunk_ended(&span)
    }

    /// Hands on the chunk's stretch of the stream.
    fn apply(
        &mut self,
        script: &Script,
        raw: &Bytes,
        sources: &[SourceChunk],
    ) -> Result<(), ReadError> {
        if script.0.is_empty() {
            return self.taker.stream(raw.clone());
        }
        let (joined, taker, observer) = (&mut self.joined, &mut self.taker, self.observer);
        let mut stream = |bytes| taker.stream(bytes);
        let mut take = |run: Run<'_>| match run {
            Run::Shared(bytes, stretch) => joined.shared(bytes, stretch, &mut stream),
            Run::Passing(bytes) => joined.copy(bytes, &mut stream),
            Run::Zero(len) => {
                joined.give(&mut stream)?;
                watched_zeros(len, observer, &mut |bytes| {
                    stream(Bytes::from_static(bytes))
                })
            }
        };
        self.data_space
            .assemble(&script.0, raw, sources, observer, &mut take)?;
        self.joined.give(&mut |bytes| self.taker.stream(bytes))
    }

    /// No later chunk copies from before its data offset less the reach (spec: CHU-8).
    fn drop_beyond_reach(&mut self) {
        let floor = self.next_data.0.saturating_sub(self.copy_reach);
        if floor > 0
            && let Some(place) = self.map.place_not_behind(DataOffset(floor))
        {
            self.data_space.drop_before(self.block_size.locate(place).0);
        }
    }
}

/// Records that are decoded at a time.
fn most_pending(threads: usize) -> usize {
    JOBS_PER_THREAD * threads + 1
}

/// How many chunks' blocks may have been opened before the chunks are taken: those being decoded,
/// and the one whose end has not come yet.
pub(crate) fn most_under_way(threads: usize) -> usize {
    most_pending(threads) + 1
}

impl Assembly {
    /// A record begins that reaches into the next block.
    fn begin(&mut self, place: Place, buffers: &Buffers) {
        self.place = place;
        self.bytes = buffers.take().unwrap_or_default();
        self.bytes.clear();
    }

    /// Takes bytes until there are `len`.
    fn take(&mut self, from: &mut Bytes, len: usize) {
        let taken = len.saturating_sub(self.bytes.len()).min(from.len());
        self.bytes.extend_from_slice(&from[..taken]);
        from.advance(taken);
    }

    /// The record is complete.
    fn end(&mut self) -> (Vec<u8>, Place) {
        (std::mem::take(&mut self.bytes), self.place)
    }
}

/// The header of the record that begins here, and the record's length, if enough of it is there.
fn record_at(bytes: &[u8]) -> Result<Option<(RecordHeader, usize)>, ReadError> {
    let Some(header) = bytes.first_chunk::<{ record::HEADER_LEN }>() else {
        return Ok(None);
    };
    let header = RecordHeader::decode(header)?;
    let len = record::HEADER_LEN + header.body_len;
    Ok(Some((header, len)))
}

/// Bytes of the stretch that are ZERO.
fn zero_len(script: &Script) -> u64 {
    let zeros = script.0.iter().map(|i| {
        if let Instruction::Zero(len) = i {
            *len
        } else {
            0
        }
    });
    zeros.sum()
}

//! Blocks to records to the stream: everything between the tags and the tar.

use crate::blocks::OpenedBlock;
use crate::chunks::{self, CopyCost, new_decompressor};
use crate::compress::Decompressor;
use crate::data_map::{DataMap, SourceChunk};
use crate::data_space::DataSpace;
use crate::error::ReadError;
use crate::observer::Observer;
use crate::pipeline::{Buffers, InOrder, Spares, Workers};
use crate::zeros::zeros;
use bakpak_format::block::StripeFill;
use bakpak_format::chunk::Chunk;
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::entry::EntryPath;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, BlockSize, DataOffset, Place, StreamOffset};
use bakpak_format::header::Header;
use bakpak_format::record::{self, RecordHeader, RecordType};
use std::collections::VecDeque;

/// Shorter pieces are joined: hashing is several times faster on long ones.
const JOINED_LEN: usize = 128 << 10;

/// Takes the stream, piece by piece and in order, and the other records between.
pub(crate) trait StreamTaker {
    /// The next bytes of the stream.
    fn stream(&mut self, bytes: &[u8]) -> Result<(), ReadError>;

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
    /// Short pieces of the stream, joined.
    joined: Vec<u8>,
    /// Whether the block taken last holds any record.
    block_used: bool,
    next_stream: StreamOffset,
    next_data: DataOffset,
    pub(crate) taker: T,
}

/// Joins the records of a stripe from its blocks.
#[derive(Default)]
struct Assembly {
    fill: StripeFill,
    bytes: Vec<u8>,
    started: Option<Place>,
}

/// A record that is ready to be taken.
enum Decoded {
    Chunk {
        head: ChunkParts,
        raw: Vec<u8>,
    },
    Other {
        kind: RecordType,
        body: Vec<u8>,
    },
    /// FACTS of a version that is not known: passed over, but listed (spec: REC-3).
    NewerFacts {
        body: Vec<u8>,
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
        let spares = 2 * workers.threads() + 8;
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
            joined: Vec::with_capacity(2 * JOINED_LEN),
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
        block: &OpenedBlock,
    ) -> Result<(), ReadError> {
        let payload_len = block.payload_len();
        self.assembly.fill.next(block.inner.used_len, payload_len)?;
        self.block_used = block.inner.used_len > 0;
        let mut records = block.records();
        let mut first_record = None;
        loop {
            let place = self
                .block_size
                .place(index, block.records().len() - records.len());
            if self.assembly.bytes.is_empty() {
                if records.is_empty() {
                    break;
                }
                first_record.get_or_insert((block.records().len() - records.len()) as u32);
                self.assembly.started = Some(place);
                self.assembly.bytes = self.bodies.take().unwrap_or_default();
                self.assembly.bytes.clear();
            }
            take(&mut self.assembly.bytes, &mut records, record::HEADER_LEN);
            let Some(header) = self.assembly.bytes.first_chunk::<{ record::HEADER_LEN }>() else {
                break;
            };
            let header = RecordHeader::decode(header)?;
            let len = record::HEADER_LEN + header.body_len;
            take(&mut self.assembly.bytes, &mut records, len);
            if self.assembly.bytes.len() < len {
                break;
            }
            let body = std::mem::take(&mut self.assembly.bytes);
            let place = self.assembly.started.take().unwrap_or(place);
            self.submit(header, body, place)?;
        }
        if block.inner.first_record != first_record {
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

    /// Takes everything that is still being decoded.
    pub(crate) fn drain(&mut self) -> Result<(), ReadError> {
        while let Some(decoded) = self.pending.next() {
            self.take_record(decoded??)?;
        }
        Ok(())
    }

    fn submit(
        &mut self,
        header: RecordHeader,
        record: Vec<u8>,
        place: Place,
    ) -> Result<(), ReadError> {
        while self.pending.len() >= most_pending(self.workers.threads()) {
            if let Some(decoded) = self.pending.next() {
                self.take_record(decoded??)?;
            }
        }
        self.places.push_back(place);
        let (chunk_size, copy_reach) = (self.chunk_size, self.copy_reach);
        let (bodies, raws) = (self.bodies.clone(), self.raws.clone());
        let decompressors = self.decompressors.clone();
        self.workers
            .submit(&mut self.pending, move || match header.known()? {
                None if header.kind == RecordType::Facts.number() => {
                    Ok(Decoded::NewerFacts { body: record })
                }
                None => Ok(Decoded::Skipped),
                Some(RecordType::Chunk) => {
                    let mut raw = raws.take().unwrap_or_default();
                    let mut decompressor = match decompressors.take() {
                        Some(decompressor) => decompressor,
                        None => new_decompressor()?,
                    };
                    let chunk = Chunk::decode(&record[record::HEADER_LEN..], chunk_size)?;
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
                    bodies.give_buffer(record);
                    Ok(Decoded::Chunk { head, raw })
                }
                Some(kind) => Ok(Decoded::Other { kind, body: record }),
            });
        Ok(())
    }

    fn take_record(&mut self, decoded: Decoded) -> Result<(), ReadError> {
        let place = self.places.pop_front().unwrap_or_default();
        match decoded {
            Decoded::Skipped => self.taker.skipped(),
            Decoded::NewerFacts { body } => {
                self.taker.newer_facts(&body[record::HEADER_LEN..], place)
            }
            Decoded::Other { kind, body } => {
                let taken = self.taker.record(kind, &body[record::HEADER_LEN..], place);
                if kind == RecordType::Checkpoint {
                    self.map.checkpoint(place);
                }
                self.bodies.give_buffer(body);
                taken
            }
            Decoded::Chunk { head, raw } => self.take_chunk(head, raw, place),
        }
    }

    fn take_chunk(
        &mut self,
        head: ChunkParts,
        raw: Vec<u8>,
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
        let sources = self.map.sources(&head.script, most, load)?;
        self.cost.check(sources.len() as u64, stream_bytes)?;
        self.apply(&head.script, &raw, &sources)?;
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
        if let Some(dropped) = self.data_space.push(head.data_offset, raw) {
            self.raws.give_buffer(dropped);
        }
        self.drop_beyond_reach();
        self.taker.chunk_ended(&span)
    }

    /// Assembles the chunk's stretch of the stream.
    fn apply(
        &mut self,
        script: &Script,
        raw: &[u8],
        sources: &[SourceChunk],
    ) -> Result<(), ReadError> {
        if script.0.is_empty() {
            return self.taker.stream(raw);
        }
        let mut literal = raw;
        for instruction in &script.0 {
            match *instruction {
                Instruction::Literal(len) => {
                    let (now, later) = literal.split_at(len as usize); // sums are checked (CHU-2)
                    literal = later;
                    join(&mut self.joined, &mut self.taker, now)?;
                }
                Instruction::Zero(len) => {
                    give_joined(&mut self.joined, &mut self.taker)?;
                    self.zero(len)?;
                }
                Instruction::Copy { source, len } => self.copy(source, len, sources)?,
            }
        }
        give_joined(&mut self.joined, &mut self.taker)
    }

    fn zero(&mut self, len: u64) -> Result<(), ReadError> {
        let (taker, observer) = (&mut self.taker, self.observer);
        zeros(len, &mut |bytes| {
            if observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            taker.stream(bytes)
        })
    }

    fn copy(
        &mut self,
        source: DataOffset,
        len: u64,
        sources: &[SourceChunk],
    ) -> Result<(), ReadError> {
        let (joined, taker) = (&mut self.joined, &mut self.taker);
        self.data_space
            .copy(sources, source, len, |piece| join(joined, taker, piece))
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
    2 * threads + 1
}

/// How many chunks' blocks may have been opened before the chunks are taken: those being decoded,
/// and the one whose end has not come yet.
pub(crate) fn most_under_way(threads: usize) -> usize {
    most_pending(threads) + 1
}

/// Joins a piece of the stream to those before it, and gives them to the taker when they are enough.
fn join(joined: &mut Vec<u8>, taker: &mut impl StreamTaker, piece: &[u8]) -> Result<(), ReadError> {
    if piece.len() >= JOINED_LEN {
        give_joined(joined, taker)?;
        return taker.stream(piece);
    }
    joined.extend_from_slice(piece);
    match joined.len() >= JOINED_LEN {
        true => give_joined(joined, taker),
        false => Ok(()),
    }
}

fn give_joined(joined: &mut Vec<u8>, taker: &mut impl StreamTaker) -> Result<(), ReadError> {
    let given = match joined.is_empty() {
        true => Ok(()),
        false => taker.stream(joined),
    };
    joined.clear();
    given
}

/// Moves bytes from `from` to `to` until that has `len`.
fn take(to: &mut Vec<u8>, from: &mut &[u8], len: usize) {
    let taken = len.saturating_sub(to.len()).min(from.len());
    to.extend_from_slice(&from[..taken]);
    *from = &from[taken..];
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

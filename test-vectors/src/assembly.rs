//! Takes the steps of a builder: records with all their lists, sums and places, in blocks.

mod tree;

use crate::builder::{Builder, Site};
use crate::plan::{Placed, Plan};
use crate::records::{Chunk, Op, Payload, Step};
use crate::stream::{Row, Stream};
use crate::zstd_frame::frame;
use bakpak_format::catalogue::{CataloguePage, PageItem, StripeItem};
use bakpak_format::digest::Digest;
use bakpak_format::entry::Timestamp;
use bakpak_format::geometry::{BlockIndex, DataOffset, Place, StreamOffset};
use bakpak_format::record::{
    Checkpoint, ChunkPlace, Facts, FactsPlace, Final, PagePlace, RecordHeader, RecordType, TreeRoot,
};
use std::ops::Range;

/// The records of an archive in blocks, not sealed yet.
pub(crate) struct Blocks {
    /// Each with the offset of the first record that begins in it, if any.
    pub blocks: Vec<(Vec<u8>, Option<u32>)>,
    /// Where which of them stand.
    pub plan: Plan,
}

/// Everything that grows while steps are taken.
struct Assembly<'a> {
    builder: &'a Builder,
    stream: &'a Stream,
    /// Rows as pages hold them.
    page_rows: &'a [Row],
    payload_len: usize,
    blocks: Vec<(Vec<u8>, Option<u32>)>,
    record_count: usize,
    stream_end: u64,
    data: Vec<u8>,
    chunk_count: u64,
    rows_end: usize,
    checkpoint: Checkpoint,
    stripe_start: (StreamOffset, DataOffset),
    pages: Vec<PageItem>,
    stripes: Vec<StripeItem>,
    facts: Vec<FactsPlace>,
    roots: [TreeRoot; 3],
    tree_hasher: blake3::Hasher,
    /// What FINAL says.
    block_count: u64,
    plan: Plan,
}

impl Blocks {
    /// Takes all steps of a builder.
    pub(crate) fn new(builder: &Builder, stream: &Stream) -> Self {
        let mut page_rows = stream.rows.clone();
        (builder.rows)(&mut page_rows);
        // FINAL names the number of blocks, which is known once it has been written.
        let block_count = Assembly::run(builder, stream, &page_rows, 0).blocks.len() as u64;
        Assembly::run(builder, stream, &page_rows, block_count)
    }
}

impl<'a> Assembly<'a> {
    fn run(
        builder: &'a Builder,
        stream: &'a Stream,
        page_rows: &'a [Row],
        block_count: u64,
    ) -> Blocks {
        let root = TreeRoot {
            place: None,
            level: 0,
        };
        let mut assembly = Self {
            builder,
            stream,
            page_rows,
            payload_len: builder.block_size.payload_len(),
            blocks: vec![(Vec::new(), None)],
            record_count: 0,
            stream_end: 0,
            data: Vec::new(),
            chunk_count: 0,
            rows_end: 0,
            checkpoint: Checkpoint {
                previous: None,
                stream_offset: StreamOffset(0),
                data_offset: DataOffset(0),
                row_count: 0,
                cursor: builder.cursor.clone(),
                chunks: Vec::new(),
                pages: Vec::new(),
                facts: Vec::new(),
            },
            stripe_start: (StreamOffset(0), DataOffset(0)),
            pages: Vec::new(),
            stripes: Vec::new(),
            facts: Vec::new(),
            roots: [root; 3],
            tree_hasher: blake3::Hasher::new(),
            block_count,
            plan: Plan::default(),
        };
        for step in &builder.steps {
            assembly.take(step);
        }
        Blocks {
            blocks: assembly.blocks,
            plan: assembly.plan,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Chunk(chunk) => self.chunk(chunk),
            Step::Facts(facts) => self.facts(facts),
            Step::Rows(count) => self.rows(*count),
            Step::Tree => self.tree(),
            Step::Checkpoint => self.checkpoint(),
            Step::Final => self.last(),
            Step::Record(header, body) => {
                self.listed_facts(header, body);
                self.put(*header, body.clone());
            }
            Step::EndBlock | Step::EmptyBlock => self.blocks.push((Vec::new(), None)),
            Step::EndStripe => self.end_stripe(),
        }
    }

    /// Appends a record and returns its place.
    fn put(&mut self, header: RecordHeader, mut body: Vec<u8>) -> Place {
        self.builder.apply(Site::Body(self.record_count), &mut body);
        if header.kind == RecordType::TreePage.number() {
            self.tree_hasher.update(&body);
        }
        let body_len = body.len();
        let mut record = RecordHeader { body_len, ..header }.encode().to_vec();
        record.extend(body);
        self.builder
            .apply(Site::Record(self.record_count), &mut record);
        self.record_count += 1;
        if self.room() == 0 {
            self.blocks.push((Vec::new(), None));
        }
        let place = self.place();
        let at = u32::try_from(self.payload_len - self.room()).expect("below 4 MiB");
        self.blocks
            .last_mut()
            .expect("one at least")
            .1
            .get_or_insert(at);
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            if self.room() == 0 {
                self.blocks.push((Vec::new(), None));
            }
            let (now, later) = rest.split_at(rest.len().min(self.room()));
            self.blocks
                .last_mut()
                .expect("one at least")
                .0
                .extend_from_slice(now);
            rest = later;
        }
        place
    }

    fn put_known(&mut self, kind: RecordType, body: Vec<u8>) -> Place {
        self.put(RecordHeader::new(kind, body.len()), body)
    }

    fn room(&self) -> usize {
        self.payload_len - self.blocks.last().map_or(0, |(used, _)| used.len())
    }

    fn place(&self) -> Place {
        let block = BlockIndex(self.blocks.len() as u64 - 1);
        self.builder
            .block_size
            .place(block, self.payload_len - self.room())
    }

    /// The blocks in which the record stands that was put last.
    fn blocks_from(&self, place: Place) -> Range<u64> {
        let (first, _) = self.builder.block_size.locate(place);
        first.0..self.blocks.len() as u64
    }

    fn chunk(&mut self, chunk: &Chunk) {
        let rest = self.stream.bytes.len() as u64 - self.stream_end;
        let whole = [Op::Literal(rest)];
        let script = if chunk.script.is_empty() {
            &whole[..]
        } else {
            &chunk.script
        };
        let chunk_script = script.to_vec();
        let (start, data_start) = (self.stream_end, self.data.len());
        let mut raw = Vec::new();
        for op in script {
            let (Op::Literal(len) | Op::Zero(len) | Op::Copy(_, len)) = *op;
            let at = usize::try_from(self.stream_end).expect("vectors are small");
            let end = at + usize::try_from(len).expect("vectors are small");
            let stretch = &self.stream.bytes[at..end];
            match *op {
                Op::Literal(_) => raw.extend_from_slice(stretch),
                Op::Zero(_) => assert!(stretch.iter().all(|&byte| byte == 0), "no zeros at {at}"),
                Op::Copy(source, len) => {
                    let source = usize::try_from(source).unwrap_or(usize::MAX);
                    // What is not in the data space cannot be compared, and must be refused.
                    let copied = self.data.get(source..source.saturating_add(len as usize));
                    assert!(
                        copied.is_none_or(|copied| copied == stretch),
                        "no copy at {at}"
                    );
                }
            }
            self.stream_end += len;
        }
        let (script, count) = chunk
            .spelled
            .clone()
            .unwrap_or_else(|| chunk.encode_script());
        let entries = &self.stream.entries;
        let stretch = start..self.stream_end;
        let first_entry = entries.iter().find(|entry| stretch.contains(entry));
        let mut body = Vec::new();
        for field in [
            start,
            data_start as u64,
            self.stream_end - start,
            *first_entry.unwrap_or(&u64::MAX),
        ] {
            body.extend_from_slice(&field.to_le_bytes());
        }
        for field in [raw.len(), count as usize, script.len()] {
            let field = u32::try_from(field).expect("vectors are small");
            body.extend_from_slice(&field.to_le_bytes());
        }
        body.push(u8::from(!matches!(chunk.payload, Payload::Stored)));
        body.extend(script);
        body.extend(match &chunk.payload {
            Payload::Stored => raw.clone(),
            Payload::Zstd => frame(&raw),
            Payload::Given(bytes) => bytes.clone(),
        });
        self.data.extend(raw);
        self.chunk_count += 1;
        let place = self.put_known(RecordType::Chunk, body);
        self.plan.chunks.push(Placed {
            blocks: self.blocks_from(place),
            stream_offset: start,
            data_offset: data_start as u64,
            script: chunk_script,
        });
        self.checkpoint.chunks.push(ChunkPlace {
            stream_offset: StreamOffset(start),
            data_offset: DataOffset(data_start as u64),
            place,
        });
    }

    fn facts(&mut self, facts: &Facts) {
        let place = self.put_known(RecordType::Facts, facts.encode());
        self.list_facts(FactsPlace {
            entry: facts.entry,
            kind: facts.kind,
            place,
        });
    }

    /// FACTS of another version are listed too (spec: REC-3).
    fn listed_facts(&mut self, header: &RecordHeader, body: &[u8]) {
        if header.kind == RecordType::Facts.number()
            && let Ok((entry, kind)) = Facts::peek(body)
        {
            let place = self.place();
            self.list_facts(FactsPlace { entry, kind, place });
        }
    }

    fn list_facts(&mut self, facts: FactsPlace) {
        self.checkpoint.facts.push(facts);
        self.facts.push(facts);
    }

    fn rows(&mut self, count: usize) {
        let end = self
            .rows_end
            .saturating_add(count)
            .min(self.page_rows.len());
        let rows = &self.page_rows[self.rows_end..end];
        let Some(first) = rows.first() else { return };
        let first_path = first.path.clone();
        let raw: Vec<u8> = rows.iter().flat_map(Row::encode).collect();
        let row_count = u32::try_from(rows.len()).expect("vectors are small");
        let page = CataloguePage {
            row_count,
            raw_len: raw.len(),
            frame: &frame(&raw),
        };
        let place = self.put_known(RecordType::CataloguePage, page.encode());
        let blocks = self.blocks_from(place);
        self.plan.pages.push((blocks, self.rows_end..end));
        self.rows_end = end;
        self.checkpoint.row_count += u64::from(row_count);
        self.checkpoint.pages.push(PagePlace { place, row_count });
        self.pages.push(PageItem {
            first_path,
            place,
            row_count,
        });
    }

    fn checkpoint(&mut self) {
        self.checkpoint.stream_offset = StreamOffset(self.stream_end);
        self.checkpoint.data_offset = DataOffset(self.data.len() as u64);
        let mut checkpoint = self.checkpoint.clone();
        (self.builder.checkpoint)(&mut checkpoint);
        let place = self.put_known(RecordType::Checkpoint, checkpoint.encode());
        self.checkpoint.previous = Some(place);
        self.checkpoint.chunks.clear();
        self.checkpoint.pages.clear();
        self.checkpoint.facts.clear();
    }

    fn end_stripe(&mut self) {
        let full = self.builder.parity.data_blocks_per_stripe();
        while !self.blocks.len().is_multiple_of(full) {
            self.blocks.push((Vec::new(), None));
        }
        self.blocks.push((Vec::new(), None));
        let (stream_offset, data_offset) = self.stripe_start;
        self.stripes.push(StripeItem {
            stream_offset,
            data_offset,
            checkpoint: self.checkpoint.previous.unwrap_or_default(),
        });
        let data_end = DataOffset(self.data.len() as u64);
        self.stripe_start = (StreamOffset(self.stream_end), data_end);
    }

    fn last(&mut self) {
        let files = self.stream.rows.iter().filter(|row| row.flags & 1 == 0);
        let mut last = Final {
            stream_len: self.stream_end,
            data_len: self.data.len() as u64,
            block_count: self.block_count,
            chunk_count: self.chunk_count,
            row_count: self.checkpoint.row_count,
            content_len: files.map(|row| row.size).sum(),
            incomplete: false,
            not_restorable: false,
            started: Timestamp {
                seconds: 1_767_323_045,
                nanos: 1,
            },
            finished: Timestamp {
                seconds: 1_767_323_046,
                nanos: 999_999_999,
            },
            trees: self.roots,
            tree_digest: Digest(*self.tree_hasher.finalize().as_bytes()),
        };
        (self.builder.last)(&mut last);
        let place = self.put_known(RecordType::Final, last.encode());
        self.plan.last = self.blocks_from(place);
    }
}

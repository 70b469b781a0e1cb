//! Records: chunks, catalogue pages, facts, checkpoints, the tree and FINAL, in their order
//! (spec: chapters 7, 9, 11).

use crate::chunks::zstd_failed;
use crate::compress::Compressor;
use crate::error::{Defect, PackError};
use crate::stripes::{Position, StripeWriter, StripesWritten};
use bakpak_format::catalogue::{CataloguePage, NodeItem, PageItem, StripeItem, TreePage, TreePart};
use bakpak_format::digest::Digest;
use bakpak_format::geometry::{DataOffset, Place, StreamOffset};
use bakpak_format::limits::{
    MAX_CHUNKS_PER_CHECKPOINT, MAX_PAGE_RAW_LEN, MAX_PATH_LEN, MAX_RECORD_BODY_LEN,
};
use bakpak_format::record::{
    self, Checkpoint, ChunkPlace, Cursor, Facts, FactsPlace, Final, PagePlace, RecordHeader,
    RecordType, TreeRoot,
};

mod tree;

pub(crate) use tree::Tree;
use tree::{RawTreePage, split_items};

/// Room kept for FINAL with its record header; it is about 170 bytes.
const FINAL_ROOM: usize = 256;

/// A CHECKPOINT that would grow longer is put at once: one more chunk, with what goes with it, must
/// leave it below 1 MiB (spec: CKP-2).
const CHECKPOINT_LEN: usize = (1 << 20) - (128 << 10);

/// What a CHECKPOINT must know of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkSpan {
    pub(crate) stream_offset: StreamOffset,
    pub(crate) data_offset: DataOffset,
    pub(crate) stream_len: u64,
    pub(crate) raw_len: u64,
}

/// What stands behind the chunk in which an entry ends.
pub(crate) enum Following {
    /// A row, encoded, and its path.
    Row {
        encoded: Vec<u8>,
        path: Vec<u8>,
    },
    Facts(Facts),
}

/// What FINAL says that the records before it do not tell.
pub(crate) struct Closing {
    pub(crate) content_len: u64,
    pub(crate) incomplete: bool,
    pub(crate) not_restorable: bool,
    pub(crate) started: bakpak_format::entry::Timestamp,
    pub(crate) finished: bakpak_format::entry::Timestamp,
}

/// The records of the stripes that stand already.
pub(crate) struct RecordsSoFar {
    /// What the next CHECKPOINT begins with.
    pub(crate) checkpoint: Checkpoint,
    /// Where the next stripe begins in stream and data space.
    pub(crate) stripe_start: (StreamOffset, DataOffset),
    pub(crate) chunk_count: u64,
    pub(crate) tree: Tree,
}

/// Puts records into stripes, with the checkpoints and the catalogue that they need.
pub(crate) struct RecordWriter<'a> {
    stripes: StripeWriter<'a>,
    compressor: Compressor,
    rows: PendingRows,
    checkpoint: Checkpoint,
    stripe_start: (StreamOffset, DataOffset),
    chunk_count: u64,
    tree: Tree,
}

impl RecordsSoFar {
    /// Nothing stands yet.
    pub(crate) fn none() -> Self {
        Self {
            checkpoint: Checkpoint::NONE,
            stripe_start: (StreamOffset(0), DataOffset(0)),
            chunk_count: 0,
            tree: Tree::default(),
        }
    }
}

/// Rows that wait for their page.
#[derive(Default)]
struct PendingRows {
    raw: Vec<u8>,
    count: u32,
    first_path: Vec<u8>,
}

impl<'a> RecordWriter<'a> {
    pub(crate) fn new(
        stripes: StripeWriter<'a>,
        level: i32,
        so_far: RecordsSoFar,
    ) -> Result<Self, PackError> {
        let compressor = Compressor::new(level).map_err(zstd_failed)?;
        let RecordsSoFar {
            checkpoint,
            stripe_start,
            chunk_count,
            tree,
        } = so_far;
        Ok(Self {
            stripes,
            compressor,
            rows: PendingRows::default(),
            checkpoint,
            stripe_start,
            chunk_count,
            tree,
        })
    }

    /// Puts a chunk and what follows it. `cursor` is the source being read at its end.
    ///
    /// Before all rows that follow stand in pages no CHECKPOINT may come, so neither may a stripe
    /// end (spec: CAT-3).
    pub(crate) fn chunk(
        &mut self,
        body: &[u8],
        span: ChunkSpan,
        cursor: Option<Cursor>,
        following: &[Following],
    ) -> Result<(), PackError> {
        let is_row = |one: &Following| matches!(one, Following::Row { .. });
        let with_chunk = following
            .iter()
            .rposition(is_row)
            .map_or(0, |last| last + 1);
        let (with_chunk, later) = following.split_at(with_chunk);
        self.make_room(record_len(body), with_chunk)?;
        let place = self.put(RecordType::Chunk, body)?;
        let ChunkSpan {
            stream_offset,
            data_offset,
            ..
        } = span;
        self.checkpoint.chunks.push(ChunkPlace {
            stream_offset,
            data_offset,
            place,
        });
        self.checkpoint.stream_offset = stream_offset.plus(span.stream_len);
        self.checkpoint.data_offset = data_offset.plus(span.raw_len);
        self.checkpoint.cursor = cursor;
        self.chunk_count += 1;
        for one in with_chunk {
            match one {
                Following::Row { encoded, path } => self.row(encoded, path)?,
                Following::Facts(facts) => self.put_facts(facts)?,
            }
        }
        self.put_checkpoint_if_due()?;
        for one in later {
            if let Following::Facts(facts) = one {
                self.facts(facts)?;
            }
        }
        Ok(())
    }

    /// Puts a CHECKPOINT where one is due: after so many chunks, or before it grows beyond bounds.
    fn put_checkpoint_if_due(&mut self) -> Result<(), PackError> {
        let due = self.checkpoint.chunks.len() >= MAX_CHUNKS_PER_CHECKPOINT
            || self.checkpoint_bound() > CHECKPOINT_LEN;
        if !due {
            return Ok(());
        }
        // Behind a CHECKPOINT in the middle of a stripe there must be room for the one at its end.
        if self.stripes.room() >= self.reserve(&[]) + self.checkpoint_bound() {
            self.put_checkpoint().map(drop)
        } else {
            self.end_stripe()
        }
    }

    /// Adds a row, encoded, to the catalogue; there is room for it.
    fn row(&mut self, row: &[u8], path: &[u8]) -> Result<(), PackError> {
        if self.rows.raw.len() + row.len() > MAX_PAGE_RAW_LEN {
            self.put_page()?;
        }
        if self.rows.count == 0 {
            self.rows.first_path = path.to_vec();
        }
        self.rows.raw.extend_from_slice(row);
        self.rows.count += 1;
        Ok(())
    }

    /// Puts facts that are about no entry whose row is still to come.
    fn facts(&mut self, facts: &Facts) -> Result<(), PackError> {
        self.make_room(record::HEADER_LEN + facts_len(facts), &[])?;
        self.put_facts(facts)?;
        self.put_checkpoint_if_due()
    }

    fn put_facts(&mut self, facts: &Facts) -> Result<(), PackError> {
        let place = self.put(RecordType::Facts, &facts.encode())?;
        let listed = FactsPlace {
            entry: facts.entry,
            kind: facts.kind,
            place,
        };
        self.checkpoint.facts.push(listed);
        self.tree.facts.push(listed);
        Ok(())
    }

    /// Puts the tree, the last CHECKPOINT and FINAL, and ends the last stripe.
    pub(crate) fn finish(mut self, closing: &Closing) -> Result<StripesWritten, PackError> {
        self.put_page()?;
        if self.stripes.room() < self.end_bound() {
            self.end_stripe()?;
        }
        if self.stripes.room() < self.end_bound() {
            return Err(stripe_too_small());
        }
        let (trees, tree_digest) = self.put_tree()?;
        let row_count = self.checkpoint.row_count;
        let (stream, data) = (self.checkpoint.stream_offset, self.checkpoint.data_offset);
        self.put_checkpoint()?;
        let mut last = Final {
            stream_len: stream.0,
            data_len: data.0,
            block_count: 0,
            chunk_count: self.chunk_count,
            row_count,
            content_len: closing.content_len,
            incomplete: closing.incomplete,
            not_restorable: closing.not_restorable,
            started: closing.started,
            finished: closing.finished,
            trees,
            tree_digest,
        };
        // FINAL counts the block in which it ends itself; its length does not depend on the count.
        let block_count = self.stripes.block_count_after(record_len(&last.encode()));
        last.block_count = block_count;
        self.put(RecordType::Final, &last.encode())?;
        self.stripes.end(Position::Last)?;
        Ok(self.stripes.finish(block_count))
    }

    /// Makes sure that `len` more bytes of records, and what follows them, fit into the stripe with
    /// all that must stand behind.
    fn make_room(&mut self, len: usize, following: &[Following]) -> Result<(), PackError> {
        if self.stripes.room() < len + self.reserve(following) {
            self.end_stripe()?;
        }
        if self.stripes.room() < len + self.reserve(following) {
            return Err(stripe_too_small());
        }
        Ok(())
    }

    /// What must still fit behind the next record: what follows it, the pending rows and the
    /// checkpoint.
    fn reserve(&self, following: &[Following]) -> usize {
        let mut rows_len = self.rows.raw.len();
        let (mut facts_lens, mut facts_count) = (0, 0);
        for one in following {
            match one {
                Following::Row { encoded, .. } => rows_len += encoded.len(),
                Following::Facts(facts) => {
                    facts_lens += record::HEADER_LEN + facts_len(facts);
                    facts_count += 1;
                }
            }
        }
        let lists = page_count_bound(rows_len) * 12 + facts_count * 18;
        facts_lens + pages_bound(rows_len) + lists + self.checkpoint_bound()
    }

    /// Upper bound of the CHECKPOINT due after one more chunk, page and facts.
    fn checkpoint_bound(&self) -> usize {
        let lists = (self.checkpoint.chunks.len() + 1) * 24
            + (self.checkpoint.pages.len() + 1) * 12
            + (self.checkpoint.facts.len() + 1) * 18;
        record::HEADER_LEN + 64 + lists + 80 + MAX_PATH_LEN
    }

    fn end_stripe(&mut self) -> Result<(), PackError> {
        if self.stripes.is_empty() {
            return Err(stripe_too_small());
        }
        let place = self.put_checkpoint()?;
        let (stream_offset, data_offset) = self.stripe_start;
        self.tree.stripes.push(StripeItem {
            stream_offset,
            data_offset,
            checkpoint: place,
        });
        self.stripe_start = (self.checkpoint.stream_offset, self.checkpoint.data_offset);
        self.stripes.end(Position::Inner)?;
        // The last stripe must hold the tree: better now than after hours.
        match self.end_bound() > self.stripes.capacity() {
            true => Err(stripe_too_small()),
            false => Ok(()),
        }
    }

    /// Puts the pending page, then the CHECKPOINT: chunk index and pages are the checkpoint.
    fn put_checkpoint(&mut self) -> Result<Place, PackError> {
        self.put_page()?;
        let body = self.checkpoint.encode();
        let place = self.put(RecordType::Checkpoint, &body)?;
        self.checkpoint.previous = Some(place);
        self.checkpoint.chunks.clear();
        self.checkpoint.pages.clear();
        self.checkpoint.facts.clear();
        Ok(place)
    }

    fn put_page(&mut self) -> Result<(), PackError> {
        if self.rows.count == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let frame = self
            .compressor
            .compress_always(&rows.raw)
            .map_err(zstd_failed)?;
        let body = CataloguePage {
            row_count: rows.count,
            raw_len: rows.raw.len(),
            frame: &frame,
        }
        .encode();
        let place = self.put(RecordType::CataloguePage, &body)?;
        self.checkpoint.row_count += u64::from(rows.count);
        self.checkpoint.pages.push(PagePlace {
            place,
            row_count: rows.count,
        });
        self.tree.pages.push(PageItem {
            first_path: rows.first_path,
            place,
            row_count: rows.count,
        });
        Ok(())
    }

    fn put(&mut self, kind: RecordType, body: &[u8]) -> Result<Place, PackError> {
        if body.len() > MAX_RECORD_BODY_LEN {
            return Err(Defect::new("a record became longer than any reader takes").into());
        }
        let header = RecordHeader::new(kind, body.len());
        self.stripes.put(&header.encode(), body)
    }

    /// Upper bound of what ends the archive: tree, CHECKPOINT, FINAL.
    fn end_bound(&self) -> usize {
        self.tree.bound() + self.checkpoint_bound() + FINAL_ROOM
    }

    fn put_tree(&mut self) -> Result<([TreeRoot; 3], Digest), PackError> {
        let tree = std::mem::take(&mut self.tree);
        let mut hasher = blake3::Hasher::new();
        let mut roots = [TreeRoot {
            place: None,
            level: 0,
        }; 3];
        let parts = [
            (
                TreePart::Pages,
                split_items(&tree.pages, |page| &page.first_path),
            ),
            (TreePart::Stripes, split_items(&tree.stripes, |_| &[])),
            (TreePart::Facts, split_items(&tree.facts, |_| &[])),
        ];
        for ((part, mut pages), root) in parts.into_iter().zip(&mut roots) {
            let mut level = 0;
            while !pages.is_empty() {
                let mut nodes = Vec::with_capacity(pages.len());
                for RawTreePage { raw, count, key } in pages {
                    let frame = self.compressor.compress_always(&raw).map_err(zstd_failed)?;
                    let raw_len = raw.len();
                    let body = TreePage {
                        part,
                        level,
                        count,
                        raw_len,
                        frame: &frame,
                    }
                    .encode();
                    hasher.update(&body);
                    let place = self.put(RecordType::TreePage, &body)?;
                    nodes.push(NodeItem { key, place });
                }
                if let [only] = nodes.as_slice() {
                    *root = TreeRoot {
                        place: Some(only.place),
                        level,
                    };
                    break;
                }
                pages = split_items(&nodes, |node| &node.key);
                level += 1;
            }
        }
        Ok((roots, Digest(*hasher.finalize().as_bytes())))
    }
}

fn record_len(body: &[u8]) -> usize {
    record::HEADER_LEN + body.len()
}

/// Length of a FACTS record's body.
fn facts_len(facts: &Facts) -> usize {
    facts.encode().len()
}

/// Upper bound of how many pages rows of this length take: a page is full but for one row, of which
/// path and link target are at most 32 KiB each.
fn page_count_bound(raw_len: usize) -> usize {
    raw_len.div_ceil(MAX_PAGE_RAW_LEN - 3 * MAX_PATH_LEN)
}

/// Upper bound of the records of these pages.
fn pages_bound(raw_len: usize) -> usize {
    raw_len + raw_len / 128 + page_count_bound(raw_len) * (record::HEADER_LEN + 8 + 1024)
}

fn stripe_too_small() -> PackError {
    PackError::Settings(
        "a stripe of this block size is too small for what must stand in it; \
         take a larger --block-size"
            .into(),
    )
}

#[cfg(test)]
mod tests;

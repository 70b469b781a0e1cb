//! What the kept part of a partial file holds, as its writer knew it.

use crate::chunks::CopyCost;
use crate::contents::{Contents, ContentsSoFar};
use crate::decoder::{StreamTaker, TakenChunk};
use crate::entries::EntriesSoFar;
use crate::error::ReadError;
use crate::fetch::page_rows;
use crate::observer::Observer;
use crate::records::{RecordsSoFar, Tree};
use crate::stream::BrokenOff;
use bakpak_format::catalogue::{CataloguePage, PageItem, Row, RowFlags, StripeItem};
use bakpak_format::entry::EntryPath;
use bakpak_format::geometry::{DataOffset, Place, StreamOffset};
use bakpak_format::record::{Facts, FactsPlace, RecordType};
use bytes::Bytes;

/// Takes each row that stands in the kept part, in order.
pub(crate) type RowTaker<'a> = dyn FnMut(&Row) + 'a;

/// All that a writer has to know to go on (spec: RSM-3).
pub(crate) struct SoFar {
    pub(crate) records: RecordsSoFar,
    pub(crate) entries: EntriesSoFar,
    pub(crate) cost: CopyCost,
    pub(crate) ending: Ending,
    /// Anything but directories, and read to its end.
    pub(crate) holds_something: bool,
    /// Where entries begin that could not be read to their end.
    pub(crate) unreadable: Vec<(EntryPath, StreamOffset)>,
}

/// What the stream breaks off in, and whether it can go on there.
pub(crate) enum Ending {
    /// Between two entries.
    Between,
    /// In an entry's header, which begins here with these bytes.
    Header(StreamOffset, Vec<u8>),
    /// In the content of an entry, which begins here, and its content there.
    Content(StreamOffset, StreamOffset),
    /// In something that cannot go on: what begins here must be written anew.
    Anew(StreamOffset),
}

/// Checks what is kept as `verify` does, and takes down what its writer knew.
pub(super) struct KeptTaker<'a> {
    contents: Contents<'a>,
    observer: &'a dyn Observer,
    rows: &'a mut RowTaker<'a>,
    decompressor: crate::compress::Decompressor,
    tree: Tree,
    /// Of the stripe that is being read.
    stripe_start: (StreamOffset, DataOffset),
    end: (StreamOffset, DataOffset),
    last_checkpoint: Option<Place>,
    /// FACTS about the archive itself: the sources were at their end.
    archive_facts: Option<StreamOffset>,
    holds_something: bool,
    unreadable: Vec<(EntryPath, StreamOffset)>,
}

impl<'a> KeptTaker<'a> {
    pub(super) fn new(
        contents: Contents<'a>,
        rows: &'a mut RowTaker<'a>,
        observer: &'a dyn Observer,
    ) -> Result<Self, ReadError> {
        let start = (StreamOffset(0), DataOffset(0));
        Ok(Self {
            contents,
            observer,
            rows,
            decompressor: crate::chunks::new_decompressor()?,
            tree: Tree::default(),
            stripe_start: start,
            end: start,
            last_checkpoint: None,
            archive_facts: None,
            holds_something: false,
            unreadable: Vec::new(),
        })
    }

    pub(super) fn so_far(self, cost: CopyCost) -> SoFar {
        let ContentsSoFar {
            broken_off,
            entries,
            chunk_count,
            checkpoint,
            stripe_start,
        } = self.contents.so_far();
        let end = checkpoint.stream_offset;
        let ending = match (self.archive_facts, broken_off, entries.open) {
            // They come once, behind all sources.
            (Some(at), ..) => Ending::Anew(at),
            (None, BrokenOff::Content, Some((header, content))) => Ending::Content(header, content),
            // A part of a stream: what comes behind it cannot be read again.
            (None, _, Some((header, _))) => Ending::Anew(header),
            (None, BrokenOff::Nothing, None) => Ending::Between,
            (None, BrokenOff::Header(at, bytes), None) => Ending::Header(at, bytes),
            (None, BrokenOff::Map(at), None) => Ending::Anew(at),
            (None, BrokenOff::End | BrokenOff::Content, None) => {
                Ending::Anew(StreamOffset(end.0.saturating_sub(1)))
            }
        };
        SoFar {
            records: RecordsSoFar {
                checkpoint,
                stripe_start,
                chunk_count,
                tree: self.tree,
            },
            entries,
            cost,
            ending,
            holds_something: self.holds_something,
            unreadable: self.unreadable,
        }
    }

    fn page(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        let page = CataloguePage::decode(body)?;
        let rows = page_rows(&page, &mut self.decompressor)?;
        if let Some(first) = rows.first() {
            self.tree.pages.push(PageItem {
                first_path: first.path.as_bytes().to_vec(),
                place,
                row_count: page.row_count,
            });
        }
        for row in &rows {
            let is_unreadable = row.flags.contains(RowFlags::UNREADABLE);
            self.holds_something |=
                row.kind != bakpak_format::catalogue::RowKind::Directory && !is_unreadable;
            if is_unreadable {
                self.unreadable.push((row.path.clone(), row.header_offset));
            }
            (self.rows)(row);
        }
        Ok(())
    }

    fn list_facts(&mut self, entry: Option<StreamOffset>, kind: u16, place: Place) {
        if entry.is_none() {
            // What is cut away must not reach beyond them, though the stream may end here.
            let at = StreamOffset(self.end.0.0.saturating_sub(1));
            self.archive_facts.get_or_insert(at);
        }
        self.tree.facts.push(FactsPlace { entry, kind, place });
    }
}

impl SoFar {
    /// How many stripes end at or before this place of the stream.
    pub(crate) fn stripes_before(&self, at: StreamOffset) -> usize {
        // Each item tells where its stripe begins, which is where the one before ends.
        let begin_before = self
            .records
            .tree
            .stripes
            .partition_point(|stripe| stripe.stream_offset <= at);
        begin_before.saturating_sub(1)
    }
}

impl StreamTaker for KeptTaker<'_> {
    fn stream(&mut self, bytes: Bytes) -> Result<(), ReadError> {
        self.end.0 = self.end.0.plus(bytes.len() as u64);
        self.contents.stream(bytes)
    }

    fn chunk_begins(&mut self) -> Result<(), ReadError> {
        self.contents.chunk_begins()
    }

    fn chunk_ended(&mut self, chunk: &TakenChunk) -> Result<(), ReadError> {
        self.end.1 = chunk.data_offset.plus(chunk.raw_len);
        self.observer.progress(self.end.0.0);
        self.contents.chunk_ended(chunk)
    }

    fn record(&mut self, kind: RecordType, body: &[u8], place: Place) -> Result<(), ReadError> {
        self.contents.record(kind, body, place)?;
        match kind {
            RecordType::CataloguePage => self.page(body, place),
            RecordType::Facts => {
                let (entry, kind) = Facts::peek(body)?;
                self.list_facts(entry, kind, place);
                Ok(())
            }
            RecordType::Checkpoint => {
                self.last_checkpoint = Some(place);
                Ok(())
            }
            RecordType::Chunk | RecordType::TreePage | RecordType::Final => Ok(()),
        }
    }

    fn newer_facts(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        self.contents.newer_facts(body, place)?;
        let (entry, kind) = Facts::peek(body)?;
        self.list_facts(entry, kind, place);
        Ok(())
    }

    fn skipped(&mut self) -> Result<(), ReadError> {
        self.contents.skipped()
    }

    fn stripe_ended(&mut self, last: bool) -> Result<(), ReadError> {
        self.contents.stripe_ended(last)?;
        if let Some(checkpoint) = self.last_checkpoint {
            let (stream_offset, data_offset) = self.stripe_start;
            self.tree.stripes.push(StripeItem {
                stream_offset,
                data_offset,
                checkpoint,
            });
            self.stripe_start = self.end;
        }
        Ok(())
    }

    fn current_entry(&self) -> Option<EntryPath> {
        self.contents.current_entry()
    }
}

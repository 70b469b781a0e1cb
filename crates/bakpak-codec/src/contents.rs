//! Checks that the records of an archive agree with each other: stream, catalogue, checkpoints,
//! tree and FINAL (spec: chapters 7, 9, 10, 11).

use crate::chunks::new_decompressor;
use crate::compress::Decompressor;
use crate::content_hasher::ContentHasher;
use crate::decoder::{StreamTaker, TakenChunk};
use crate::entries::{EntriesSoFar, EntryChecker, WaitingRows};
use crate::error::{Missing, ReadError};
use crate::fetch::page_rows;
use crate::observer::Observer;
use crate::sink_belt::SinkBelt;
use crate::stream::{BrokenOff, StreamParser};
use bakpak_format::catalogue::{CataloguePage, PageItem, StripeItem, TreePage, TreePart};
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryPath;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{DataOffset, Place, StreamOffset};
use bakpak_format::limits::MAX_CHUNKS_PER_CHECKPOINT;
use bakpak_format::record::{
    Checkpoint, ChunkPlace, Facts, FactsPlace, Final, KnownFacts, PagePlace, RecordType,
};
use bytes::Bytes;
use std::io::Write;

mod tree;

use tree::TreeCheck;

/// Where what an archive holds goes, besides being checked.
pub(crate) enum Output<'a> {
    Entries(&'a mut SinkBelt),
    Stream(&'a mut dyn Write),
    None,
}

/// Takes everything that an archive holds, in order, and checks all that can be checked.
pub(crate) struct Contents<'a> {
    parser: StreamParser,
    entries: EntryChecker<'a>,
    /// Gets the stream as it is.
    copy_to: Option<&'a mut dyn Write>,
    decompressor: Decompressor,
    position: StreamOffset,
    data_end: DataOffset,
    chunk_count: u64,
    /// What the next CHECKPOINT must say.
    expected: Checkpoint,
    stripe_start: (StreamOffset, DataOffset),
    phase: Phase,
    tree: TreeCheck,
    last: Option<Final>,
}

/// What an archive holds.
pub(crate) struct ContentReport {
    /// FINAL, if it was the last record and agrees.
    pub(crate) last: Result<Final, ReadError>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) unreadable: Vec<EntryPath>,
    pub(crate) changed: u64,
}

/// What an archive that breaks off behind a stripe holds.
pub(crate) struct ContentsSoFar {
    pub(crate) broken_off: BrokenOff,
    pub(crate) entries: EntriesSoFar,
    pub(crate) chunk_count: u64,
    /// What the next CHECKPOINT begins with.
    pub(crate) checkpoint: Checkpoint,
    /// Where the next stripe begins in stream and data space.
    pub(crate) stripe_start: (StreamOffset, DataOffset),
}

/// Where in the order of records (spec: REC-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Body,
    /// A CHECKPOINT was the last record: a stripe may end here.
    AtCheckpoint,
    Tree,
    /// The last CHECKPOINT stands; FINAL must follow.
    BeforeFinal,
    Ended,
}

impl<'a> Contents<'a> {
    pub(crate) fn new(
        output: Output<'a>,
        hasher: ContentHasher,
        observer: &'a dyn Observer,
    ) -> Result<Self, ReadError> {
        let (sink, copy_to) = match output {
            Output::Entries(sink) => (Some(sink), None),
            Output::Stream(copy_to) => (None, Some(copy_to)),
            Output::None => (None, None),
        };
        Ok(Self {
            parser: StreamParser::new(StreamOffset(0)),
            entries: EntryChecker::new(sink, hasher, observer),
            copy_to,
            decompressor: new_decompressor()?,
            position: StreamOffset(0),
            data_end: DataOffset(0),
            chunk_count: 0,
            expected: Checkpoint::NONE,
            stripe_start: (StreamOffset(0), DataOffset(0)),
            phase: Phase::Body,
            tree: TreeCheck::default(),
            last: None,
        })
    }

    /// What the archive holds, after its last record.
    pub(crate) fn report(mut self, block_count: u64) -> ContentReport {
        ContentReport {
            last: self.take_last(block_count),
            missing: self.entries.missing,
            unreadable: self.entries.unreadable,
            changed: self.entries.changed,
        }
    }

    /// What it holds, behind a stripe that is not the last.
    pub(crate) fn so_far(self) -> ContentsSoFar {
        ContentsSoFar {
            broken_off: self.parser.broken_off(),
            entries: self.entries.so_far(),
            chunk_count: self.chunk_count,
            checkpoint: self.expected,
            stripe_start: self.stripe_start,
        }
    }

    /// After the last record: FINAL must have been it (spec: FIN-2).
    fn take_last(&mut self, block_count: u64) -> Result<Final, ReadError> {
        let Some(last) = self.last.take() else {
            return Err(malformed(
                Structure::Record,
                "REC-5",
                "the archive has no FINAL",
            ));
        };
        if last.block_count != block_count {
            return Err(malformed(
                Structure::Final,
                "FIN-1",
                "the number of blocks is another one",
            ));
        }
        Ok(last)
    }

    fn page(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        let page = CataloguePage::decode(body)?;
        let rows = page_rows(&page, &mut self.decompressor)?;
        if let Some(first) = rows.first() {
            let first_path = first.path.as_bytes().to_vec();
            let row_count = page.row_count;
            self.tree.pages.expect(&PageItem {
                first_path,
                place,
                row_count,
            });
        }
        self.expected.pages.push(PagePlace {
            place,
            row_count: page.row_count,
        });
        self.expected.row_count += u64::from(page.row_count);
        self.entries.page(rows)
    }

    fn facts(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        let facts = Facts::decode(body)?;
        if let Some(KnownFacts::Missing(missing)) = facts.known()? {
            self.entries.missing.push(Missing {
                path: EntryPath::decode(missing.path)?,
                reason: String::from_utf8_lossy(&missing.reason).into_owned(),
            });
        }
        if let Some(entry) = facts.entry
            && !self.entries.has_ended(entry)?
        {
            let what = "facts are about an entry that has not just ended";
            return Err(malformed(Structure::Facts, "FAC-1", what));
        }
        self.list_facts(facts.entry, facts.kind, place);
        Ok(())
    }

    fn list_facts(&mut self, entry: Option<StreamOffset>, kind: u16, place: Place) {
        let listed = FactsPlace { entry, kind, place };
        self.expected.facts.push(listed);
        self.tree.facts.expect(&listed);
    }

    /// Compares a CHECKPOINT with what stands before it (spec: CKP-1).
    fn checkpoint(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        let mut found = Checkpoint::decode(body)?;
        found.cursor = None; // it serves resuming only
        self.entries.check_waiting(WaitingRows::None)?;
        self.expected.stream_offset = self.position;
        self.expected.data_offset = self.data_end;
        if found != self.expected {
            let what = "a CHECKPOINT does not list what stands before it";
            return Err(malformed(Structure::Checkpoint, "CKP-1", what));
        }
        self.expected.previous = Some(place);
        self.expected.chunks.clear();
        self.expected.pages.clear();
        self.expected.facts.clear();
        Ok(())
    }

    fn tree_page(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        let page = TreePage::decode(body)?;
        let mut raw = Vec::new();
        self.decompressor
            .decompress(page.frame, page.raw_len, &mut raw)
            .map_err(|e| crate::chunks::frame_error(e, Structure::Tree))?;
        self.tree.hasher.update(body);
        match page.part {
            TreePart::Pages => self
                .tree
                .pages
                .page(&page, &raw, place, |p| p.first_path.clone()),
            TreePart::Stripes => self.tree.stripes.page(&page, &raw, place, |_| Vec::new()),
            TreePart::Facts => self.tree.facts.page(&page, &raw, place, |_| Vec::new()),
        }
    }

    /// Compares FINAL with all that was read (spec: FIN-1).
    fn take_final(&mut self, body: &[u8]) -> Result<(), ReadError> {
        let found = Final::decode(body)?;
        if !self.parser.has_ended() {
            let what = "the stream does not end with 1,024 zeros";
            return Err(malformed(Structure::Entry, "ENT-1", what));
        }
        self.entries.finish()?;
        let tree_digest = Digest(*self.tree.hasher.finalize().as_bytes());
        let expected = Final {
            stream_len: self.position.0,
            data_len: self.data_end.0,
            chunk_count: self.chunk_count,
            row_count: self.entries.row_count,
            content_len: self.entries.content_len,
            tree_digest,
            trees: found.trees,
            ..found.clone()
        };
        if found != expected {
            let what = "FINAL does not agree with what stands before it";
            return Err(malformed(Structure::Final, "FIN-1", what));
        }
        // The tree lists stripes but the last one.
        self.tree.pages.check_root(found.trees[0])?;
        self.tree.stripes.check_root(found.trees[1])?;
        self.tree.facts.check_root(found.trees[2])?;
        self.last = Some(found);
        Ok(())
    }

    /// The phase after a record of this kind, if it may stand here (spec: REC-5).
    fn next_phase(&self, kind: RecordType) -> Result<Phase, ReadError> {
        use Phase::{AtCheckpoint, BeforeFinal, Body, Ended, Tree};
        let next = match (kind, self.phase) {
            (RecordType::TreePage, Body | AtCheckpoint | Tree) => Some(Tree),
            (RecordType::Checkpoint, Body | AtCheckpoint) => Some(AtCheckpoint),
            (RecordType::Checkpoint, Tree) => Some(BeforeFinal),
            (RecordType::Final, BeforeFinal | AtCheckpoint) => Some(Ended),
            (
                RecordType::Chunk | RecordType::Facts | RecordType::CataloguePage,
                Body | AtCheckpoint,
            ) => Some(Body),
            _ => None,
        };
        next.ok_or_else(|| {
            malformed(
                Structure::Record,
                "REC-5",
                "a record stands where none of its kind may",
            )
        })
    }
}

impl StreamTaker for Contents<'_> {
    fn stream(&mut self, bytes: Bytes) -> Result<(), ReadError> {
        self.position = self.position.plus(bytes.len() as u64);
        self.parser.take(bytes.clone(), &mut self.entries)?;
        match &mut self.copy_to {
            None => Ok(()),
            Some(copy_to) => copy_to.write_all(&bytes).map_err(|source| ReadError::Io {
                what: "writing the stream",
                source,
            }),
        }
    }

    fn chunk_begins(&mut self) -> Result<(), ReadError> {
        self.phase = self.next_phase(RecordType::Chunk)?;
        self.entries.check_waiting(WaitingRows::OnePage)
    }

    fn chunk_ended(&mut self, chunk: &TakenChunk) -> Result<(), ReadError> {
        if self.parser.take_first_entry() != chunk.first_entry {
            let what = "first_entry does not agree with the stream";
            return Err(malformed(Structure::Chunk, "CHU-3", what));
        }
        let TakenChunk {
            stream_offset,
            data_offset,
            place,
            ..
        } = *chunk;
        self.expected.chunks.push(ChunkPlace {
            stream_offset,
            data_offset,
            place,
        });
        if self.expected.chunks.len() > MAX_CHUNKS_PER_CHECKPOINT {
            let what = "more than 16,384 chunks without a CHECKPOINT";
            return Err(malformed(Structure::Record, "REC-5", what));
        }
        self.data_end = data_offset.plus(chunk.raw_len);
        self.chunk_count += 1;
        Ok(())
    }

    fn record(&mut self, kind: RecordType, body: &[u8], place: Place) -> Result<(), ReadError> {
        self.phase = self.next_phase(kind)?;
        match kind {
            RecordType::Chunk => Ok(()), // comes by `stream` and `chunk_ended`
            RecordType::Facts => self.facts(body, place),
            RecordType::CataloguePage => self.page(body, place),
            RecordType::Checkpoint => self.checkpoint(body, place),
            RecordType::TreePage => self.tree_page(body, place),
            RecordType::Final => self.take_final(body),
        }
    }

    fn newer_facts(&mut self, body: &[u8], place: Place) -> Result<(), ReadError> {
        self.phase = self.next_phase(RecordType::Facts)?;
        let (entry, kind) = Facts::peek(body)?;
        self.list_facts(entry, kind, place);
        Ok(())
    }

    fn skipped(&mut self) -> Result<(), ReadError> {
        match self.phase {
            Phase::Body | Phase::AtCheckpoint => {
                self.phase = Phase::Body;
                Ok(())
            }
            _ => Err(malformed(
                Structure::Record,
                "REC-5",
                "an unknown record stands too late",
            )),
        }
    }

    fn stripe_ended(&mut self, last: bool) -> Result<(), ReadError> {
        let wanted = if last {
            Phase::Ended
        } else {
            Phase::AtCheckpoint
        };
        if self.phase != wanted {
            let what = if last {
                "the archive has no FINAL at its end"
            } else {
                "a stripe does not end with a CHECKPOINT"
            };
            return Err(malformed(Structure::Record, "REC-5", what));
        }
        if let (false, Some(checkpoint)) = (last, self.expected.previous) {
            let (stream_offset, data_offset) = self.stripe_start;
            self.tree.stripes.expect(&StripeItem {
                stream_offset,
                data_offset,
                checkpoint,
            });
            self.stripe_start = (self.position, self.data_end);
        }
        Ok(())
    }

    fn current_entry(&self) -> Option<EntryPath> {
        self.entries.current().cloned()
    }
}

fn malformed(structure: Structure, rule: &'static str, what: &str) -> ReadError {
    FormatError::malformed(structure, rule, what).into()
}

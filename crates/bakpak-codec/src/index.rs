//! Finds pages and chunks through FINAL, the tree and the checkpoints (spec: chapters 9, 11).

use crate::chunks::frame_error;
use crate::compress::Decompressor;
use crate::data_map::SourceChunk;
use crate::error::ReadError;
use crate::fetch::Fetch;
use bakpak_format::catalogue::{NodeItem, PageItem, StripeItem, TreeItem, TreePage, TreePart};
use bakpak_format::entry::EntryPath;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, DataOffset, Place, StreamOffset};
use bakpak_format::record::{
    self, Checkpoint, ChunkPlace, FactsPlace, Final, RecordType, TreeRoot,
};

/// How many checkpoints are kept: COPY goes back and forth between few stripes.
const KEPT: usize = 8;

/// What tells where things are.
pub(crate) struct Index {
    last: Final,
    last_checkpoint: Place,
    pages: Vec<PageItem>,
    stripes: Vec<StripeItem>,
    facts: Vec<FactsPlace>,
    /// Checkpoints read, the one used last at the end.
    kept: Vec<(Place, Checkpoint)>,
}

impl Index {
    /// Reads FINAL and the tree. `block_count` is the locator's.
    pub(crate) fn read(
        fetch: &mut Fetch,
        block_count: u64,
        decompressor: &mut Decompressor,
    ) -> Result<Self, ReadError> {
        let (last_checkpoint, last) = find_final(fetch, block_count)?;
        if last.block_count != block_count {
            let what = "the number of blocks is another one";
            return Err(FormatError::malformed(Structure::Final, "FIN-1", what).into());
        }
        let [pages, stripes, facts] = last.trees;
        Ok(Self {
            pages: read_part(fetch, decompressor, TreePart::Pages, pages)?,
            stripes: read_part(fetch, decompressor, TreePart::Stripes, stripes)?,
            facts: read_part(fetch, decompressor, TreePart::Facts, facts)?,
            last_checkpoint,
            last,
            kept: Vec::new(),
        })
    }

    pub(crate) fn last(&self) -> &Final {
        &self.last
    }

    pub(crate) fn pages(&self) -> &[PageItem] {
        &self.pages
    }

    pub(crate) fn facts_places(&self) -> &[FactsPlace] {
        &self.facts
    }

    /// The page in which a path would stand.
    pub(crate) fn page_of(&self, path: &EntryPath) -> Option<usize> {
        let not_behind = |page: &PageItem| {
            EntryPath::new(page.first_path.clone()).is_some_and(|first| first <= *path)
        };
        self.pages.partition_point(not_behind).checked_sub(1)
    }

    /// The chunk whose stretch of the stream holds `at`.
    pub(crate) fn chunk_at_stream(
        &mut self,
        fetch: &mut Fetch,
        at: StreamOffset,
    ) -> Result<ChunkPlace, ReadError> {
        let stripe = self.stripes.partition_point(|s| s.stream_offset <= at);
        let (chunk, _) = self.chunk(
            fetch,
            stripe,
            |c| c.stream_offset <= at,
            |c| c.stream_offset > at,
        )?;
        Ok(chunk)
    }

    /// The chunk whose raw bytes hold `at` of the data space.
    pub(crate) fn chunk_at_data(
        &mut self,
        fetch: &mut Fetch,
        at: DataOffset,
    ) -> Result<SourceChunk, ReadError> {
        let stripe = self.stripes.partition_point(|s| s.data_offset <= at);
        let (chunk, end) = self.chunk(
            fetch,
            stripe,
            |c| c.data_offset <= at,
            |c| c.data_offset > at,
        )?;
        if chunk.data_offset > at || end <= at {
            let what = "the chunks that a CHECKPOINT lists are not in order";
            return Err(FormatError::malformed(Structure::Checkpoint, "CKP-1", what).into());
        }
        Ok(SourceChunk {
            start: chunk.data_offset.0,
            end: end.0,
            place: chunk.place,
        })
    }

    /// The last chunk that does not begin behind the place sought, and where its raw bytes end in the
    /// data space; `stripe` is the number of stripes that do not begin behind it.
    fn chunk(
        &mut self,
        fetch: &mut Fetch,
        stripe: usize,
        begins_before: impl Fn(&ChunkPlace) -> bool,
        reaches: impl Fn(&Checkpoint) -> bool,
    ) -> Result<(ChunkPlace, DataOffset), ReadError> {
        let lost = || {
            let what = "no CHECKPOINT lists the chunk that is sought";
            ReadError::from(FormatError::malformed(Structure::Checkpoint, "CKP-1", what))
        };
        // The stripe begins before the place sought. If it also ends before, the place is in the
        // last stripe, which the tree does not list.
        let mut place = self.last_checkpoint;
        if let Some(item) = stripe.checked_sub(1).and_then(|i| self.stripes.get(i)) {
            let listed = item.checkpoint;
            if reaches(self.checkpoint(fetch, listed)?) {
                place = listed;
            }
        }
        loop {
            let checkpoint = self.checkpoint(fetch, place)?;
            let number = checkpoint.chunks.partition_point(&begins_before);
            if let Some(chunk) = number.checked_sub(1).and_then(|i| checkpoint.chunks.get(i)) {
                let next = checkpoint.chunks.get(number);
                let end = next.map_or(checkpoint.data_offset, |next| next.data_offset);
                return Ok((*chunk, end));
            }
            // It was listed by the CHECKPOINT before; places only ever go down.
            place = checkpoint
                .previous
                .filter(|p| *p < place)
                .ok_or_else(lost)?;
        }
    }

    fn checkpoint(&mut self, fetch: &mut Fetch, place: Place) -> Result<&Checkpoint, ReadError> {
        let kept = match self.kept.iter().position(|(p, _)| *p == place) {
            Some(position) => self.kept.remove(position),
            None => {
                let body = fetch.record(place, RecordType::Checkpoint)?;
                if self.kept.len() == KEPT {
                    self.kept.remove(0);
                }
                (place, Checkpoint::decode(&body)?)
            }
        };
        self.kept.push(kept);
        match self.kept.last() {
            Some((_, checkpoint)) => Ok(checkpoint),
            None => Err(final_lost()),
        }
    }
}

/// Finds FINAL, which is the last record, and the CHECKPOINT before it.
///
/// The last block in which a record begins holds FINAL's beginning; from there it goes back, block by
/// block, until one holds the CHECKPOINT's.
fn find_final(fetch: &mut Fetch, block_count: u64) -> Result<(Place, Final), ReadError> {
    let block_size = fetch.block_size();
    let mut end = block_size.place(BlockIndex(block_count), 0);
    let mut found = None;
    let mut block = block_count;
    while block > 0 {
        block -= 1;
        let Some(first) = fetch.block(BlockIndex(block))?.inner.first_record else {
            continue;
        };
        let start = block_size.place(BlockIndex(block), first as usize);
        let walked = walk(fetch, start, end)?;
        let last = match (found.take(), walked.last) {
            (Some(last), _) | (None, Some(last)) => last,
            // FINAL must begin in this block.
            (None, None) => break,
        };
        if let Some(checkpoint) = walked.checkpoint {
            return Ok((checkpoint, last));
        }
        found = Some(last);
        end = start;
    }
    Err(final_lost())
}

/// What stands between two places.
struct Walked {
    checkpoint: Option<Place>,
    last: Option<Final>,
}

/// Goes from record to record.
fn walk(fetch: &mut Fetch, mut place: Place, end: Place) -> Result<Walked, ReadError> {
    let mut walked = Walked {
        checkpoint: None,
        last: None,
    };
    while place < end {
        let header = fetch.record_header(place)?;
        match header.known()? {
            Some(RecordType::Checkpoint) => walked.checkpoint = Some(place),
            Some(RecordType::Final) => {
                let body = fetch.record(place, RecordType::Final)?;
                walked.last = Some(Final::decode(&body)?);
                break;
            }
            _ => {}
        }
        place = place.plus((record::HEADER_LEN + header.body_len) as u64);
    }
    Ok(walked)
}

/// An item of the tree that names a record by its place.
trait HasPlace: TreeItem {
    fn place(&self) -> Place;
}

impl HasPlace for PageItem {
    fn place(&self) -> Place {
        self.place
    }
}

impl HasPlace for StripeItem {
    fn place(&self) -> Place {
        self.checkpoint
    }
}

impl HasPlace for FactsPlace {
    fn place(&self) -> Place {
        self.place
    }
}

impl HasPlace for NodeItem {
    fn place(&self) -> Place {
        self.place
    }
}

/// All items of level 0 of a part.
fn read_part<T: HasPlace>(
    fetch: &mut Fetch,
    decompressor: &mut Decompressor,
    part: TreePart,
    root: TreeRoot,
) -> Result<Vec<T>, ReadError> {
    let Some(place) = root.place else {
        return Ok(Vec::new());
    };
    let mut places = vec![place];
    for level in (1..=root.level).rev() {
        let nodes: Vec<NodeItem> = read_level(fetch, decompressor, (part, level), &places)?;
        places = nodes.iter().map(HasPlace::place).collect();
    }
    read_level(fetch, decompressor, (part, 0), &places)
}

/// All items of the pages at these places.
///
/// What they name stands in ascending order, each at a place of its own: so a tree cannot ask for more
/// than the archive holds.
fn read_level<T: HasPlace>(
    fetch: &mut Fetch,
    decompressor: &mut Decompressor,
    (part, level): (TreePart, u8),
    places: &[Place],
) -> Result<Vec<T>, ReadError> {
    let mut items: Vec<T> = Vec::new();
    for place in places {
        let (raw, count) = read_page(fetch, decompressor, part, level, *place)?;
        let more = T::decode_all(&raw, count)?;
        let first = items.len().saturating_sub(1);
        items.extend(more);
        if !items[first..].is_sorted_by(|one, next| one.place() < next.place()) {
            let what = "what the tree lists is not in order";
            return Err(FormatError::malformed(Structure::Tree, "TRE-1", what).into());
        }
    }
    Ok(items)
}

fn read_page(
    fetch: &mut Fetch,
    decompressor: &mut Decompressor,
    part: TreePart,
    level: u8,
    place: Place,
) -> Result<(Vec<u8>, u32), ReadError> {
    let body = fetch.record(place, RecordType::TreePage)?;
    let page = TreePage::decode(&body)?;
    if page.part != part || page.level != level {
        let what = "a page of another part or level stands where one was said to be";
        return Err(FormatError::malformed(Structure::Tree, "TRE-1", what).into());
    }
    let mut raw = Vec::new();
    decompressor
        .decompress(page.frame, page.raw_len, &mut raw)
        .map_err(|e| frame_error(e, Structure::Tree))?;
    Ok((raw, page.count))
}

fn final_lost() -> ReadError {
    let what = "the archive has no FINAL where it must stand";
    FormatError::malformed(Structure::Record, "REC-5", what).into()
}

//! Random access: list, find and read single entries of an archive that can be sought.

use crate::chunks::{new_decompressor, raw_bytes};
use crate::compress::Decompressor;
use crate::error::ReadError;
use crate::fetch::{BlockStore, ChunkCache, Fetch, page_raw};
use crate::index::Index;
use crate::input::{self, Feed};
use crate::inspect::{HeadInfo, Totals};
use crate::keyring::Keyring;
use crate::opening::Opening;
use crate::scan::count_blocks;
use crate::stream::{Begun, EntryTaker, StreamParser};
use crate::zeros::zeros;
use bakpak_format::catalogue::{self, CataloguePage, PageItem, Row, RowFlags, RowKind};
use bakpak_format::chunk::Chunk;
use bakpak_format::chunk::script::Instruction;
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{DataOffset, StreamOffset};
use bakpak_format::limits::{COPY_COST_FACTOR, COPY_COST_FREE, MAX_SCRIPT_BYTES};
use bakpak_format::record::{Facts, RecordType};
use bakpak_format::tail::LOCATOR_LEN;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

/// How often a chunk may be fetched for another one, on the average.
const REFETCHES: u64 = 4;

/// An archive opened for random access.
///
/// What it hands out has authenticated, block by block; that the archive is whole is proved by
/// [`crate::verify`] alone.
pub struct Archive {
    head: HeadInfo,
    fetch: Fetch,
    index: Index,
    totals: Totals,
    cache: ChunkCache,
    decompressor: Decompressor,
    /// Raw bytes of the chunks fetched for the present one.
    fetched: u64,
    allowance: u64,
}

/// The rows of the catalogue, in order; superseded ones are left out.
pub struct Rows<'a> {
    archive: &'a mut Archive,
    next_page: usize,
    rows: PageRows,
}

/// The rows of one page: of thousands only those are made that are asked for.
type PageRows = catalogue::Rows<Vec<u8>>;

impl Archive {
    /// Opens a file. Where its start cannot be used, by the copy in its tail, which has to
    /// authenticate like the original; [`HeadInfo::copy_used_for`] tells why.
    ///
    /// # Errors
    ///
    /// - [`ReadError::Fault`]: head, locator, FINAL or tree are damaged.
    /// - [`ReadError::NoKeyFits`], [`ReadError::NoKeyOffered`]: the key holder can act.
    /// - [`ReadError::Io`]: the file cannot be read.
    pub fn open(file: &File, keyring: &mut dyn Keyring) -> Result<Self, ReadError> {
        let mut feed = Feed::at(file, 0)?;
        let opening = Opening::read_or_copy(&mut feed)?;
        let subkeys = Arc::new(opening.unlock(keyring)?);
        let locator = input::locator(file);
        let block_count = match &locator {
            Some(locator) => locator.block_count,
            None => count_blocks(file, &opening.head).map_err(|error| {
                let len = file.metadata().map_or(0, |metadata| metadata.len());
                ReadError::from(error).at(len.saturating_sub(LOCATOR_LEN as u64))
            })?,
        };
        let mut fetch = Fetch::new(
            opening.geometry,
            &opening.head.header,
            opening.head.head_digest,
            subkeys,
            BlockStore::Archive(file.try_clone().map_err(ReadError::reading)?),
        );
        let mut decompressor = new_decompressor()?;
        let index = Index::read(&mut fetch, block_count, &mut decompressor)?;
        let mut head = HeadInfo::new(&opening);
        head.block_count = Some(block_count);
        head.root = locator.map(|locator| locator.root);
        head.archive_len = Some(file.metadata().map_err(ReadError::reading)?.len());
        let totals = Totals::from(index.last());
        Ok(Self {
            head,
            fetch,
            index,
            totals,
            cache: ChunkCache::default(),
            decompressor,
            fetched: 0,
            allowance: 0,
        })
    }

    /// What the head says.
    pub fn head(&self) -> &HeadInfo {
        &self.head
    }

    /// What FINAL says.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The rows of the catalogue, in order, without superseded ones.
    pub fn rows(&mut self) -> Rows<'_> {
        Rows {
            archive: self,
            next_page: 0,
            rows: PageRows::new(Vec::new(), 0),
        }
    }

    /// The row of a path, if there is one.
    ///
    /// # Errors
    ///
    /// The page in which it would stand is damaged.
    pub fn find(&mut self, path: &EntryPath) -> Result<Option<Row>, ReadError> {
        let page = self.index.page_of(path);
        let Some(page) = page else { return Ok(None) };
        let mut rows = self.page(page)?;
        loop {
            match rows.find_next(path)? {
                Some(row) if is_superseded(&row) => {}
                found => {
                    self.fetch.give_back(rows.into_raw());
                    return Ok(found);
                }
            }
        }
    }

    /// All facts, in order.
    ///
    /// # Errors
    ///
    /// A record is damaged.
    pub fn facts(&mut self) -> Result<Vec<Facts>, ReadError> {
        let mut all = Vec::new();
        for place in self.index.facts_places() {
            // Facts of a version that is not known are passed over (spec: REC-3).
            let (header, body) = self.fetch.any_record(place)?;
            if header.known()? == Some(RecordType::Facts) {
                all.push(Facts::decode(&body)?);
            }
        }
        Ok(all)
    }

    /// The entry of a row, with what stands only in its header: names of the owners, attributes.
    ///
    /// # Errors
    ///
    /// The stream there is damaged, or does not agree with the row.
    pub fn entry(&mut self, row: &Row) -> Result<Entry, ReadError> {
        let mut taker = OneEntry::new(row, None);
        self.parse(row, &mut taker)?;
        match taker.entry {
            Some(entry) => Ok(entry),
            None => Err(disagrees(row)),
        }
    }

    /// Writes the content of a file; a hard link gives the content of its target, other entries
    /// have none.
    ///
    /// Everything written has authenticated; whether it is all, shows at the end, when its hash is
    /// compared. A hole may ask for any number of zeros: to stop, let the output fail (spec: RDR-6).
    ///
    /// # Errors
    ///
    /// - [`ReadError::Unreadable`]: its source could not be read when the archive was packed.
    /// - [`ReadError::Fault`]: damaged, or not what the row says.
    /// - [`ReadError::Sink`]: the output's own error.
    pub fn read_entry(&mut self, row: &Row, output: &mut dyn Write) -> Result<(), ReadError> {
        let target;
        let row = match row.kind {
            RowKind::HardLink => {
                let path = EntryPath::decode(row.link.clone())?;
                target = self.find(&path)?.ok_or_else(|| disagrees(row))?;
                &target
            }
            RowKind::File => row,
            _ => return Ok(()),
        };
        if row.flags.contains(RowFlags::UNREADABLE) {
            return Err(ReadError::Unreadable {
                path: row.path.clone(),
            });
        }
        let mut taker = OneEntry::new(row, Some(output));
        self.parse(row, &mut taker)?;
        let hash = Digest(*taker.hasher.finalize().as_bytes());
        if hash != row.content_hash {
            return Err(disagrees(row));
        }
        Ok(())
    }

    /// Parses the stream from the row's header until the taker has enough.
    fn parse(&mut self, row: &Row, taker: &mut OneEntry<'_>) -> Result<(), ReadError> {
        let mut parser = StreamParser::new(row.header_offset);
        let mut at = row.header_offset;
        while !taker.done && !parser.has_ended() {
            let end = self.stretch(at, &mut |bytes| {
                if taker.done {
                    Ok(())
                } else {
                    parser.take(bytes, taker)
                }
            })?;
            at = end;
        }
        Ok(())
    }

    /// Gives out the stream from `at` to the end of the chunk it is in, and returns that end.
    fn stretch(
        &mut self,
        at: StreamOffset,
        output: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<StreamOffset, ReadError> {
        let found = self.index.chunk_at_stream(&mut self.fetch, at)?;
        let body = self.fetch.record(found.place, RecordType::Chunk)?;
        let chunk = Chunk::decode(&body, self.fetch.chunk_size())?;
        chunk.check_reach(self.fetch.copy_reach())?;
        let end = chunk.head.stream_offset.plus(chunk.head.stream_len);
        let agrees = chunk.head.stream_offset == found.stream_offset
            && chunk.head.data_offset == found.data_offset;
        let Some(mut skip) = at
            .since(chunk.head.stream_offset)
            .filter(|_| agrees && at < end)
        else {
            let what = "a chunk does not stand where its CHECKPOINT says";
            return Err(FormatError::malformed(Structure::Checkpoint, "CKP-1", what).into());
        };
        if !self.cache.contains(chunk.head.data_offset) || chunk.head.raw_len == 0 {
            let mut raw = Vec::new();
            raw_bytes(&chunk.head, chunk.payload, &mut self.decompressor, &mut raw)?;
            self.cache.insert(chunk.head.data_offset, raw);
        }
        self.fetched = 0;
        let stretch = chunk.head.stream_len.min(MAX_SCRIPT_BYTES);
        self.allowance = REFETCHES * (COPY_COST_FREE + COPY_COST_FACTOR * stretch);
        let mut literal = chunk.head.data_offset;
        for instruction in chunk.instructions() {
            let len = instruction.len();
            let passed = skip.min(len);
            skip -= passed;
            let left = len - passed;
            match instruction {
                Instruction::Literal(_) => {
                    self.data(literal.plus(passed), left, output)?;
                    literal = literal.plus(len);
                }
                Instruction::Copy { source, .. } => self.data(source.plus(passed), left, output)?,
                Instruction::Zero(_) => zeros(left, output)?,
            }
        }
        self.fetch.give_back(body);
        Ok(end)
    }

    /// Gives out a stretch of the data space.
    fn data(
        &mut self,
        mut at: DataOffset,
        len: u64,
        output: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let end = at.plus(len);
        while at < end {
            let found = self.index.chunk_at_data(&mut self.fetch, at)?;
            if !self.cache.contains(found.data_offset) {
                self.count_fetch()?;
                let raw = self.fetch.chunk(found.place, found.data_offset)?;
                self.cache.insert(found.data_offset, raw);
            }
            let raw = self.cache.get(found.data_offset).unwrap_or_default();
            let from = (at.0 - found.data_offset.0) as usize;
            let to = ((end.0 - found.data_offset.0) as usize).min(raw.len());
            let bytes = raw
                .get(from..to)
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| {
                    let what = "a chunk is shorter than its CHECKPOINT says";
                    FormatError::malformed(Structure::Checkpoint, "CKP-1", what)
                })?;
            output(bytes)?;
            at = at.plus(bytes.len() as u64);
        }
        Ok(())
    }

    /// Bounds the work that one chunk may ask for. A chunk may touch so many distinct ones (spec:
    /// CHU-9); the cache forgets, so some may be fetched again.
    fn count_fetch(&mut self) -> Result<(), ReadError> {
        self.fetched += self.fetch.chunk_size() as u64;
        if self.fetched <= self.allowance {
            return Ok(());
        }
        let (found, max) = (self.fetched, self.allowance);
        Err(FormatError::limit(Structure::Script, "copy cost", found, max).into())
    }

    fn page(&mut self, number: usize) -> Result<PageRows, ReadError> {
        let Some(PageItem { place, .. }) = self.index.pages().get(number) else {
            return Ok(PageRows::new(Vec::new(), 0));
        };
        let body = self.fetch.record(*place, RecordType::CataloguePage)?;
        let page = CataloguePage::decode(&body)?;
        let (raw, row_count) = (page_raw(&page, &mut self.decompressor)?, page.row_count);
        self.fetch.give_back(body);
        Ok(PageRows::new(raw, row_count))
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rows.next() {
                Some(Ok(row)) if is_superseded(&row) => {}
                Some(Ok(row)) => return Some(Ok(row)),
                Some(Err(error)) => {
                    self.next_page = usize::MAX;
                    return Some(Err(error.into()));
                }
                None if self.next_page >= self.archive.index.pages().len() => return None,
                None => {
                    let page = self.archive.page(self.next_page);
                    self.next_page += 1;
                    match page {
                        Ok(rows) => self.rows = rows,
                        Err(error) => {
                            self.next_page = usize::MAX;
                            return Some(Err(error));
                        }
                    }
                }
            }
        }
    }
}

/// Takes the content of one entry, parts joined.
struct OneEntry<'a> {
    row: &'a Row,
    output: Option<&'a mut dyn Write>,
    entry: Option<Entry>,
    hasher: blake3::Hasher,
    position: u64,
    part_start: u64,
    done: bool,
}

impl<'a> OneEntry<'a> {
    fn new(row: &'a Row, output: Option<&'a mut dyn Write>) -> Self {
        Self {
            row,
            output,
            entry: None,
            hasher: blake3::Hasher::new(),
            position: 0,
            part_start: 0,
            done: false,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        match &mut self.output {
            Some(output) => output
                .write_all(bytes)
                .map_err(|e| ReadError::Sink(e.into())),
            None => Ok(()),
        }
    }

    fn hole(&mut self, to: u64) -> Result<(), ReadError> {
        let len = to.saturating_sub(self.position);
        zeros(len, &mut |zeros: &[u8]| self.put(zeros))
    }
}

impl EntryTaker for OneEntry<'_> {
    fn begin(&mut self, begun: Begun) -> Result<(), ReadError> {
        if self.done {
            return Ok(()); // the piece at hand goes on into the next entry
        }
        self.part_start = self.position;
        if self.entry.is_none() {
            let mut entry = begun.header.entry;
            entry.path = self.row.path.clone();
            if self.row.flags.contains(RowFlags::PARTED) {
                entry.kind = EntryKind::File {
                    size: self.row.size,
                    extents: None,
                };
            }
            self.entry = Some(entry);
        }
        // Only the header was asked for.
        self.done = self.output.is_none();
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ReadError> {
        if self.done {
            return Ok(());
        }
        self.hole(self.part_start + offset)?;
        self.put(bytes)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        if self.done {
            return Ok(());
        }
        if !self.row.flags.contains(RowFlags::PARTED) {
            self.hole(self.row.size)?;
        }
        self.done = self.position >= self.row.size;
        Ok(())
    }
}

fn is_superseded(row: &Row) -> bool {
    row.flags.contains(RowFlags::SUPERSEDED)
}

fn disagrees(row: &Row) -> ReadError {
    let what = format!("'{}' is not what its row says", row.path);
    FormatError::malformed(Structure::Catalogue, "CAT-1", what).into()
}

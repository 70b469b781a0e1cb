//! Random access: list, find and read single entries of an archive that can be sought.

use crate::chunk_store::{ChunkStore, RawChunk, Run};
use crate::chunks::{CopyCost, new_decompressor, raw_bytes};
use crate::compress::Decompressor;
use crate::data_map::{SourceChunk, sources};
use crate::error::ReadError;
use crate::fetch::{BlockStore, Fetch};
use crate::index::Index;
use crate::input::{self, Feed};
use crate::inspect::{HeadInfo, Totals};
use crate::joined::Joined;
use crate::keyring::Keyring;
use crate::observer::Unobserved;
use crate::opening::Opening;
use crate::scan::count_blocks;
use crate::stream::StreamParser;
use crate::zeros::zeros;
use bakpak_format::catalogue::{self, PageItem, Row, RowFlags, RowKind};
use bakpak_format::chunk::Chunk;
use bakpak_format::chunk::script::Instruction;
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryPath};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{DataOffset, StreamOffset};
use bakpak_format::limits::MAX_SCRIPT_BYTES;
use bakpak_format::record::RecordType;
use bakpak_format::tail::LOCATOR_LEN;
use bytes::Bytes;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

mod facts;
mod one_entry;
mod part;

pub use facts::{FactsOfEntries, FactsOfEntry};
use one_entry::OneEntry;
use part::Part;

/// An archive opened for random access.
///
/// What it hands out has authenticated, block by block; that the archive is whole is proved by
/// [`crate::verify`] alone.
pub struct Archive {
    head: HeadInfo,
    store: ChunkStore,
    index: Index,
    totals: Totals,
    decompressor: Decompressor,
}

/// The rows of the catalogue, in order; superseded ones are left out.
pub struct Rows<'a> {
    archive: &'a mut Archive,
    next_page: usize,
    rows: PageRows,
}

/// The rows of one page: of thousands only those are made that are asked for.
type PageRows = catalogue::Rows<Bytes>;

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
            store: ChunkStore::new(fetch),
            index,
            totals,
            decompressor,
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
            rows: PageRows::new(Bytes::new(), 0),
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
                found => return Ok(found),
            }
        }
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
        let enough = taker.ends_before();
        while !taker.done && !parser.has_ended() {
            at = self.stretch(at, enough, &mut |bytes| match taker.done {
                true => Ok(()),
                false => parser.take(bytes, taker),
            })?;
        }
        Ok(())
    }

    /// Gives out the stream from `at` to the end of the chunk it is in, or to what is enough, if that
    /// lies before, and returns how far it came.
    fn stretch(
        &mut self,
        at: StreamOffset,
        enough: StreamOffset,
        output: &mut dyn FnMut(Bytes) -> Result<(), ReadError>,
    ) -> Result<StreamOffset, ReadError> {
        let found = self.index.chunk_at_stream(&mut self.store.fetch, at)?;
        let body = self.store.fetch.record(found.place, RecordType::Chunk)?;
        let chunk = Chunk::decode(&body, self.store.fetch.chunk_size())?;
        chunk.check_reach(self.store.fetch.copy_reach())?;
        let head = &chunk.head;
        let end = head.stream_offset.plus(head.stream_len);
        let agrees =
            head.stream_offset == found.stream_offset && head.data_offset == found.data_offset;
        let Some(from) = at.since(head.stream_offset).filter(|_| agrees && at < end) else {
            let what = "a chunk does not stand where its CHECKPOINT says";
            return Err(FormatError::malformed(Structure::Checkpoint, "CKP-1", what).into());
        };
        let to = match at < enough && enough < end {
            true => from + (enough.0 - at.0),
            false => head.stream_len,
        };
        let raw = self.raw_bytes(&chunk)?;
        let part = Part::of(chunk.instructions(), from..to);
        let sources = self.sources(&part.script, head.stream_len)?;
        let mut joined = Joined::default();
        let mut take = |run: Run<'_>| match run {
            Run::Shared(bytes, stretch) => joined.shared(bytes, stretch, output),
            Run::Passing(bytes) => joined.copy(bytes, output),
            Run::Zero(len) => {
                joined.give(output)?;
                zeros(len, &mut |bytes| output(Bytes::from_static(bytes)))
            }
        };
        let raw = raw.slice(part.first_literal.min(raw.len())..);
        self.store
            .assemble(&part.script, &raw, &sources, &Unobserved, &mut take)?;
        joined.give(output)?;
        Ok(head.stream_offset.plus(to))
    }

    fn raw_bytes(&mut self, chunk: &Chunk<'_>) -> Result<Bytes, ReadError> {
        let head = &chunk.head;
        if head.raw_len == 0 {
            return Ok(Bytes::new());
        }
        if let Some(kept) = self.store.kept(head.data_offset) {
            return Ok(kept);
        }
        let mut raw = Vec::new();
        raw_bytes(head, chunk.payload, &mut self.decompressor, &mut raw)?;
        let raw = RawChunk::from(raw);
        let bytes = raw.bytes.clone();
        self.store.insert(head.data_offset, raw);
        Ok(bytes)
    }

    /// The chunks that a script takes from, no more than a chunk may (spec: CHU-9).
    fn sources(
        &mut self,
        script: &[Instruction],
        stream_len: u64,
    ) -> Result<Vec<SourceChunk>, ReadError> {
        let mut cost = CopyCost::new(self.store.fetch.chunk_size() as u64);
        let stretch = stream_len.min(MAX_SCRIPT_BYTES);
        let (index, fetch) = (&mut self.index, &mut self.store.fetch);
        let end = index.last().data_len;
        let found = sources(script, end, cost.most(stretch), |at| {
            index.chunk_at_data(fetch, DataOffset(at))
        })?;
        cost.check(found.len() as u64, stretch)?;
        Ok(found)
    }

    fn page(&mut self, number: usize) -> Result<PageRows, ReadError> {
        let Some(PageItem { place, .. }) = self.index.pages().get(number) else {
            return Ok(PageRows::new(Bytes::new(), 0));
        };
        self.store.fetch.page(*place, &mut self.decompressor)
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

fn is_superseded(row: &Row) -> bool {
    row.flags.contains(RowFlags::SUPERSEDED)
}

fn disagrees(row: &Row) -> ReadError {
    let what = format!("'{}' is not what its row says", row.path);
    FormatError::malformed(Structure::Catalogue, "CAT-1", what).into()
}

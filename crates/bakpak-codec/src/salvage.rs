//! `salvage`: takes out of a damaged archive what is whole, and tells what is not.
//!
//! Everything handed out has authenticated. What parity can mend is mended on the way; of what it
//! cannot, every entry that is hit is named, also through COPY (spec: chapter 14.2).

use crate::error::{Finding, ReadError};
use crate::fetch::{BlockStore, Fetch};
use crate::found_blocks::FoundBlocks;
use crate::keyring::Keyring;
use crate::keys::Subkeys;
use crate::mend::survey::{Need, Survey};
use crate::observer::Observer;
use crate::opening::Opening;
use crate::pipeline::Workers;
use crate::sink::SinkError;
use bakpak_format::block;
use bakpak_format::entry::{Entry, EntryPath};
use bakpak_format::header::ArchiveId;
use entries::Entries;
use faults::Faults;
use index::{Found, IndexBuilder};
use locate::Locator;
use rows::Rows;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use stretches::Stretches;

mod entries;
mod faults;
mod index;
mod left;
mod locate;
mod open;
mod rows;
mod stretches;

pub use stretches::Cause;

/// So many missing ranges of one entry are told apart; the last one goes over all further ones, and
/// over what is there between them.
pub const MAX_RANGES: usize = 4096;

/// What was found of an archive.
#[derive(Clone, Debug)]
pub struct SalvageReport {
    /// Names the archive.
    pub archive_id: ArchiveId,
    /// Where the archive ends is known; otherwise nobody knows what else it held.
    pub is_end_known: bool,
    /// Blocks that do not open and cannot be mended, by number.
    pub lost_blocks: Vec<Range<u64>>,
    /// Blocks that open.
    pub found_blocks: u64,
    /// Blocks among them that were made from parity, or put together.
    pub mended_blocks: u64,
    /// Of the master-key envelope: whether it is whole, somewhere in the file. `None` if there was none.
    pub has_envelope: Option<bool>,
    /// Entries by what became of them.
    pub counts: SalvageCounts,
    /// Entries that were in the archive, but of which not even the name is left, if that is known.
    pub unnamed: Option<u64>,
    /// Bytes of the stream that are lost, headers of entries included.
    pub lost_len: u64,
    /// FINAL says that sources were missing from the start.
    pub was_incomplete: bool,
    /// Records that authenticate and are not what the format allows, the first 100: their writer was
    /// faulty, and what they would have given is lost.
    pub faults: Vec<Finding>,
    /// Other archives of which something was seen in the file: nothing of them was taken.
    pub others: Vec<OtherArchive>,
}

/// Another archive, something of which stands in the file too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherArchive {
    /// The beginning of its id: blocks have no more of it.
    pub id: [u8; 8],
    /// Where its first block stands that was seen, or else its end.
    pub offset: u64,
    /// So many of its blocks were seen, where those of this archive were looked for.
    pub block_count: u64,
}

/// Entries by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SalvageCounts {
    /// Proved whole.
    pub whole: u64,
    /// Complete, but without a row in the catalogue that would prove it.
    pub unconfirmed: u64,
    /// Of which bytes are missing.
    pub damaged: u64,
    /// Of which nothing but the name is left.
    pub lost: u64,
    /// Files that could not be read when the archive was packed.
    pub unreadable: u64,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is there, and the catalogue's hash proves it.
    Whole,
    /// All of it is there, but the catalogue's row is lost.
    Unconfirmed,
    /// Bytes of it are missing, or it does not have the hash that it should.
    Damaged,
    /// Nothing is left of its content, or the header without which it is nothing.
    Lost,
    /// It could not be read when the archive was packed: its content never was in it.
    Unreadable,
}

/// An entry, and what is left of it.
#[derive(Clone, Debug)]
pub struct Salvaged {
    /// Which.
    pub path: EntryPath,
    /// What became of it.
    pub verdict: Verdict,
    /// Size of a file, if it is known.
    pub size: Option<u64>,
    /// What is missing of its content, in order; at most [`MAX_RANGES`], of which the last may then
    /// have bytes in it that are there.
    pub missing: Vec<MissingRange>,
    /// Bytes that are missing, all together.
    pub missing_len: u64,
    /// Its header is lost, and it has what the catalogue knows: no attributes, no names of owners.
    pub is_header_lost: bool,
}

/// Bytes of a file that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingRange {
    /// Where they begin in the file.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
    /// Why.
    pub cause: Cause,
}

/// Takes what is salvaged: entries one after another, in canonical order.
pub trait SalvageSink {
    /// An entry begins of which something is left. `size` is that of a file, if it is known; `fate`
    /// is what became of the file that a hard link names, and otherwise [`Verdict::Whole`].
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn begin(&mut self, entry: &Entry, size: Option<u64>, fate: Verdict) -> Result<(), SinkError>;

    /// Content of the file begun, in ascending order of `offset`; what is left out and not missing is
    /// holes.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError>;

    /// So much content of the file begun is missing, in order with the rest of it.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn missing(&mut self, offset: u64, len: u64) -> Result<(), SinkError>;

    /// The entry begun has come to its end, and this became of it. Not all of it may have been begun
    /// with its right size.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError>;

    /// An entry that was not begun: nothing is left of it, or nothing ever was there.
    ///
    /// # Errors
    ///
    /// Whatever stops the sink.
    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError>;
}

/// Whether blocks that do not open are made from parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mending {
    ByParity,
    None,
}

/// Takes nothing, and tells of what is not whole.
struct Affected<'t>(&'t mut dyn FnMut(&Salvaged));

impl SalvageReport {
    /// Whether all that was packed is here, and proved (spec: SLV-6).
    pub fn is_complete(&self) -> bool {
        let SalvageCounts {
            unconfirmed,
            damaged,
            lost,
            ..
        } = self.counts;
        self.is_end_known
            && self.has_envelope != Some(false)
            && self.lost_blocks.is_empty()
            && self.lost_len == 0
            && unconfirmed + damaged + lost == 0
            && self.unnamed == Some(0)
            && self.faults.is_empty()
    }
}

/// Takes out what is left. The file is gone through twice: to find what there is, and to take it.
///
/// # Errors
///
/// - [`ReadError::Fault`]: there is no head, or no table of keys, in any copy.
/// - [`ReadError::NoKeyFits`], [`ReadError::NoKeyOffered`]: the key holder can act.
/// - [`ReadError::Io`], [`ReadError::NoRoom`]: the file cannot be read at all, or the temporary
///   folder, which keeps mended blocks, not be written.
/// - [`ReadError::Sink`]: the sink's own error.
/// - [`ReadError::Interrupted`]: the observer asked to stop.
pub fn salvage(
    file: &File,
    keyring: &mut dyn Keyring,
    sink: &mut dyn SalvageSink,
    threads: usize,
    observer: &dyn Observer,
) -> Result<SalvageReport, ReadError> {
    take_out(file, keyring, sink, Mending::ByParity, threads, observer)
}

/// Names the entries that damage hits, also through COPY, as long as nothing is mended; those that are
/// whole are left out.
///
/// # Errors
///
/// As [`salvage`].
pub fn affected(
    file: &File,
    keyring: &mut dyn Keyring,
    tell: &mut dyn FnMut(&Salvaged),
    threads: usize,
    observer: &dyn Observer,
) -> Result<(), ReadError> {
    let sink = &mut Affected(tell);
    take_out(file, keyring, sink, Mending::None, threads, observer).map(drop)
}

fn take_out(
    file: &File,
    keyring: &mut dyn Keyring,
    sink: &mut dyn SalvageSink,
    mending: Mending,
    threads: usize,
    observer: &dyn Observer,
) -> Result<SalvageReport, ReadError> {
    let survey = Survey::new(file, Need::Anything, observer)?; // spec: SLV-1
    let opening = Opening::of_found(survey.head.clone(), survey.parts.clone())?;
    let subkeys = Arc::new(opening.unlock(keyring)?);
    let open = |store| open(&survey, &subkeys, store);
    let (found, blocks) = find(&survey, file, &open, mending, threads, observer)?;
    let blocks = Arc::new(blocks);
    let again = || open(BlockStore::Found(Arc::clone(&blocks)));

    let faults = || Faults::new(survey.geometry);
    let mut rows = Rows::new(found.pages, again(), faults())?;
    let file_len = survey.places.file_len();
    let mut stretches = Stretches::new(found.chunks, again(), faults(), file_len, observer)?;
    let mut entries = Entries::new(sink, &mut rows, observer);
    stretches.run(&mut entries)?;
    let stream_len = found.last.as_ref().map(|last| last.stream_len);
    let taken = entries.finish(stream_len)?;
    let is_end_known = survey.is_end_known || found.last.is_some();
    Ok(SalvageReport {
        archive_id: survey.head.header.archive_id,
        is_end_known,
        lost_blocks: found.lost_blocks,
        found_blocks: found.block_count,
        mended_blocks: blocks.mended_count(),
        has_envelope: envelope_left(&survey),
        counts: taken.counts,
        unnamed: found
            .last
            .as_ref()
            .map(|last| last.row_count.saturating_sub(taken.named)),
        lost_len: taken.lost_len,
        was_incomplete: found.last.is_some_and(|last| last.incomplete),
        faults: Faults::join([found.faults, rows.faults, stretches.faults]),
        others: others(&survey),
    })
}

impl SalvageSink for Affected<'_> {
    fn begin(&mut self, _: &Entry, _: Option<u64>, _: Verdict) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), SinkError> {
        Ok(())
    }

    fn missing(&mut self, _: u64, _: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        self.lost(salvaged)
    }

    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        if salvaged.verdict != Verdict::Whole || salvaged.is_header_lost {
            (self.0)(salvaged);
        }
        Ok(())
    }
}

/// Goes through all blocks, mends what can be, and learns what they hold.
fn find(
    survey: &Survey<'_>,
    file: &File,
    open: &dyn Fn(BlockStore) -> Fetch,
    mending: Mending,
    threads: usize,
    observer: &dyn Observer,
) -> Result<(Found, FoundBlocks), ReadError> {
    let again = || file.try_clone().map_err(ReadError::reading);
    let workers = Workers::new(threads)?;
    let kept = FoundBlocks::new(again()?, survey.geometry);
    let fetch = open(BlockStore::Archive(again()?));
    let locator = Locator::new(survey, fetch, kept, mending, &workers, observer);
    let mut index = IndexBuilder::new(survey.geometry, survey.head.header.chunk_size);
    let mut end = 0;
    let blocks = locator.run(&mut |number, block| {
        if block.is_some() {
            end = number.0 + 1;
        }
        index.block(number, block);
    })?;
    // Where nothing says how many blocks there were, those behind the last one are not known to be.
    let end = (!survey.is_end_known).then_some(end);
    let block_count = end.unwrap_or(survey.block_count);
    Ok((index.finish(end, block_count), blocks))
}

/// The other archives of which something stands in the file.
fn others(survey: &Survey<'_>) -> Vec<OtherArchive> {
    let with_blocks = survey.places.others().map(|(id, blocks)| OtherArchive {
        id,
        offset: blocks.offset,
        block_count: blocks.count,
    });
    let mut others: Vec<OtherArchive> = with_blocks.collect();
    if let Some((id, offset)) = &survey.other_end {
        let id = block::prefix(id);
        if others.iter().all(|other| other.id != id) {
            let (offset, block_count) = (*offset, 0);
            others.push(OtherArchive {
                id,
                offset,
                block_count,
            });
        }
    }
    others
}

/// Whether envelope and its table are whole somewhere; `None` if there was none.
fn envelope_left(survey: &Survey<'_>) -> Option<bool> {
    let parts = &survey.parts;
    let is_left = !parts.envelope.is_empty() && !parts.envelope_slots.is_empty();
    survey.geometry.has_envelope().then_some(is_left)
}

fn open(survey: &Survey<'_>, subkeys: &Arc<Subkeys>, store: BlockStore) -> Fetch {
    Fetch::new(
        survey.geometry,
        &survey.head.header,
        survey.head.head_digest,
        Arc::clone(subkeys),
        store,
    )
}

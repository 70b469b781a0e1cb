//! What is known of a damaged archive before its stripes are looked at: head, counts, places.

use super::places::{Places, find_all};
use crate::error::ReadError;
use crate::input::Feed;
use crate::observer::Observer;
use crate::opening::{OpeningBytes, read_head};
use bakpak_format::check_page::{self, CheckPage};
use bakpak_format::digest::{Digest, SECTOR_LEN};
use bakpak_format::envelope::EnvelopeBody;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{Geometry, StripeIndex, StripeLayout};
use bakpak_format::header::{ArchiveId, Head};
use bakpak_format::limits::{MAX_HEADER_LEN, MAX_TAIL_PAGE_LEN};
use bakpak_format::preamble;
use bakpak_format::slots::{Domain, SlotTable};
use bakpak_format::tail::{self, LOCATOR_LEN, LOCATOR_MAGIC, Locator, TailPage};
use std::fs::File;

/// The longest head: preamble and header, up to the next sector.
const MAX_HEAD_LEN: usize = MAX_HEADER_LEN + SECTOR_LEN;

/// A file is taken for what is left of an archive at most so many times as long: a number of blocks
/// that is made up must not ask for more work than the file's own length does.
const MOST_LOST: u64 = 64;

/// How much of an archive has to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// How many blocks there are, and most of them.
    Everything,
    /// A head; of all else whatever there is.
    Anything,
}

/// What stands before and behind the stripes, and where they are.
pub(crate) struct Survey<'a> {
    pub(crate) head: Head,
    pub(crate) geometry: Geometry,
    /// The best of each; empty is what was not found.
    pub(crate) parts: OpeningBytes,
    pub(crate) block_count: u64,
    /// Whether that is how many there are. Otherwise it is a number that no block of a full stripe
    /// that was found reaches.
    pub(crate) is_end_known: bool,
    /// The tail page, if one is whole and fits.
    pub(crate) tail_page: Option<Vec<u8>>,
    /// What a whole locator says of the tail page: T and digest.
    pub(crate) told_tail_page: Option<(usize, Digest)>,
    /// Roots that whole tail pages and locators name.
    pub(crate) roots: Vec<Digest>,
    /// What stands where roots do in tail pages that are damaged.
    pub(crate) likely_roots: Vec<Digest>,
    pub(crate) places: Places<'a>,
    /// The archive whose end this file has, if that is another one, and where its locator stands.
    pub(crate) other_end: Option<(ArchiveId, u64)>,
}

/// The end of an archive, wherever it is in the file.
struct End {
    locator: Locator,
    /// Where the locator ends.
    end: u64,
    page: Option<(TailPage, Vec<u8>)>,
}

impl<'a> Survey<'a> {
    /// Looks for all of it.
    ///
    /// # Errors
    ///
    /// There is no head; or nothing says how many blocks there are, or most are not there, and they
    /// are needed; or the archive is of a kind that this version does not know.
    pub(crate) fn new(
        file: &'a File,
        need: Need,
        observer: &dyn Observer,
    ) -> Result<Self, ReadError> {
        let mut places = Places::new(file)?;
        let end = End::find(&places, observer)?;
        let (head, head_bytes) = find_head(&places, end.as_ref(), observer)?;
        let geometry = head.geometry();
        let is_own = |end: &End| end.locator.archive_id == head.header.archive_id;
        let other_end = end.as_ref().filter(|end| !is_own(end));
        let other_end = other_end.map(|end| (end.locator.archive_id, end.end));
        let end = end.filter(is_own);
        let file_len = places.file_len();
        let said = match &end {
            Some(end) if end.fits(&geometry, need, file_len) => Ok(end.locator.block_count),
            _ => count_blocks(&places, &head, observer),
        };
        let said = said.and_then(|count| match need.allows(&geometry, count, file_len) {
            true => Ok(count),
            false => Err(FormatError::Truncated {
                structure: Structure::Tail,
            }
            .into()),
        });
        let is_end_known = said.is_ok();
        let block_count = match (said, need) {
            (Ok(count), _) => count,
            (Err(ReadError::Fault(_)), Need::Anything) => count_found(&places, &head, observer)?,
            (Err(error), _) => return Err(error),
        };
        places.find_blocks(&geometry, block_count, &head.header.archive_id, observer)?;
        let tail_offset = geometry.tail_offset(block_count).0;
        let mut survey = Self {
            geometry,
            parts: OpeningBytes {
                head: head_bytes,
                ..OpeningBytes::default()
            },
            head,
            block_count,
            is_end_known,
            tail_page: None,
            told_tail_page: None,
            roots: Vec::new(),
            likely_roots: Vec::new(),
            places,
            other_end,
        };
        if let Some(end) = end.filter(|end| end.locator.block_count == block_count) {
            survey.take_end(end, tail_offset);
        }
        if is_end_known {
            survey.take_tail_pages(tail_offset)?;
        }
        survey.find_parts()?;
        Ok(survey)
    }

    /// T of the archive.
    pub(crate) fn tail_page_len(&self) -> usize {
        match (&self.tail_page, self.told_tail_page) {
            (Some(page), _) => page.len(),
            (None, Some((len, _))) => len,
            (None, None) => tail::page_len_for(0),
        }
    }

    pub(crate) fn is_signed(&self) -> bool {
        !self.head.header.signers().is_empty()
    }

    /// Length of the archive as it must be.
    pub(crate) fn archive_len(&self) -> u64 {
        let tail_len = self
            .geometry
            .tail_len(self.is_signed(), self.tail_page_len());
        self.geometry.tail_offset(self.block_count).plus(tail_len).0
    }

    fn take_end(&mut self, end: End, tail_offset: u64) {
        self.roots.push(end.locator.root);
        let page_len = end.locator.tail_page_len;
        self.told_tail_page = Some((page_len, end.locator.page_digest));
        let tail_len = self.geometry.tail_len(self.is_signed(), page_len);
        // A signed archive has a locator in its first tail page too, which may be the last one left.
        let first = self.is_signed().then_some(page_len as u64);
        let ends = [Some(tail_len), first].into_iter().flatten();
        let starts: Vec<u64> = ends.filter_map(|len| end.end.checked_sub(len)).collect();
        match starts.contains(&tail_offset) {
            true => self.places.found(tail_offset, tail_offset),
            false => starts
                .into_iter()
                .for_each(|start| self.places.found(tail_offset, start)),
        }
        if let Some((page, bytes)) = end.page {
            self.take_page(&page, bytes);
        }
    }

    /// A signed archive has a tail page at its tail's start too; and one without a whole locator may
    /// still have a root.
    fn take_tail_pages(&mut self, tail_offset: u64) -> Result<(), ReadError> {
        let len = self.tail_page_len();
        let offsets = [tail_offset, self.archive_len() - len as u64];
        for offset in offsets {
            let mut bytes = vec![0; len];
            self.places
                .read_right(offset, &mut bytes, |bytes| TailPage::decode(bytes).is_ok())?;
            if bytes.starts_with(tail::MAGIC) {
                self.likely_roots.extend(TailPage::roots(&bytes));
            }
            if let Ok(page) = TailPage::decode(&bytes) {
                self.take_page(&page, bytes);
            }
        }
        Ok(())
    }

    fn take_page(&mut self, page: &TailPage, bytes: Vec<u8>) {
        let header = &self.head.header;
        let fits = page.check(
            &self.geometry,
            &header.archive_id,
            &self.head.head_digest,
            self.is_signed(),
        );
        if fits.is_ok() && page.block_count == self.block_count {
            self.roots.push(page.root);
            self.tail_page.get_or_insert(bytes);
        }
    }

    /// Slot tables and envelope: from the start, the tail, or any check page (spec: RPR-8).
    fn find_parts(&mut self) -> Result<(), ReadError> {
        let geometry = self.geometry;
        let area = geometry.slot_area as u64;
        let head_len = self.parts.head.len() as u64;
        let page_len = if self.is_signed() {
            self.tail_page_len() as u64
        } else {
            0
        };
        let tail = geometry.tail_offset(self.block_count).0 + page_len;
        let data = geometry.data_slots_offset().0;
        self.try_table(Domain::Data, data)?;
        self.try_table(Domain::Data, data + area)?;
        self.try_table(Domain::Data, tail + head_len)?;
        if geometry.has_envelope() {
            let slots = geometry.envelope_slots_offset().0;
            self.try_table(Domain::Envelope, slots)?;
            self.try_table(Domain::Envelope, slots + area)?;
            let in_tail = tail + head_len + area;
            self.try_table(Domain::Envelope, in_tail)?;
            self.try_envelope(geometry.envelope_offset().0)?;
            self.try_envelope(in_tail + area)?;
        }
        let stripe_count = geometry.stripe_count(self.block_count);
        for stripe in (0..stripe_count).map(StripeIndex) {
            if self.has_all_parts() {
                break;
            }
            let layout = geometry.stripe(self.block_count, stripe);
            self.try_check_pages(&layout)?;
        }
        Ok(())
    }

    fn has_all_parts(&self) -> bool {
        let parts = &self.parts;
        !parts.data_slots.is_empty()
            && (!self.geometry.has_envelope()
                || !parts.envelope_slots.is_empty() && !parts.envelope.is_empty())
    }

    fn try_check_pages(&mut self, layout: &StripeLayout) -> Result<(), ReadError> {
        let copies = check_page::copies_of(&self.geometry, layout);
        let [_, envelope, data, envelope_slots] = copies.map(|range| range.start as u64);
        if !layout.carries_head {
            return Ok(());
        }
        let second = self.geometry.second_page_offset(layout);
        for page in [Some(layout.page_offset), second].into_iter().flatten() {
            self.try_table(Domain::Data, page.0 + data)?;
            if self.geometry.has_envelope() {
                self.try_table(Domain::Envelope, page.0 + envelope_slots)?;
                self.try_envelope(page.0 + envelope)?;
            }
        }
        Ok(())
    }

    /// Takes a table that is whole, and newer than the one that is known.
    fn try_table(&mut self, domain: Domain, offset: u64) -> Result<(), ReadError> {
        let mut bytes = vec![0; self.geometry.slot_area];
        let is_whole = |bytes: &[u8]| self.generation(domain, bytes).is_some();
        self.places.read_right(offset, &mut bytes, is_whole)?;
        if self.generation(domain, &bytes) > self.generation(domain, self.table(domain)) {
            match domain {
                Domain::Data => self.parts.data_slots = bytes,
                Domain::Envelope => self.parts.envelope_slots = bytes,
            }
        }
        Ok(())
    }

    /// Which generation a table is of, if it is whole.
    fn generation(&self, domain: Domain, bytes: &[u8]) -> Option<u32> {
        let id = &self.head.header.archive_id;
        let table = SlotTable::decode(bytes, domain, id).ok()?;
        Some(table.generation)
    }

    /// The best table of a domain.
    fn table(&self, domain: Domain) -> &[u8] {
        match domain {
            Domain::Data => &self.parts.data_slots,
            Domain::Envelope => &self.parts.envelope_slots,
        }
    }

    /// Whether this is a whole table that is older than the archive's: copies of it may be, and stay
    /// so (spec: CHK-5, TAL-1).
    pub(crate) fn is_older_table(&self, domain: Domain, bytes: &[u8]) -> bool {
        let found = self.generation(domain, bytes);
        found.is_some() && found < self.generation(domain, self.table(domain))
    }

    fn try_envelope(&mut self, offset: u64) -> Result<(), ReadError> {
        let digest = self.head.header.envelope_digest;
        let mut bytes = vec![0; self.geometry.envelope_len];
        let is_it = |bytes: &[u8]| EnvelopeBody::split(bytes, &digest).is_ok();
        if self.parts.envelope.is_empty() && self.places.read_right(offset, &mut bytes, is_it)? {
            self.parts.envelope = bytes;
        }
        Ok(())
    }
}

impl End {
    /// Finds the last whole locator (spec: RPR-2).
    fn find(places: &Places<'_>, observer: &dyn Observer) -> Result<Option<Self>, ReadError> {
        let len = places.file_len();
        if let Some(start) = len.checked_sub(LOCATOR_LEN as u64)
            && let Some(end) = Self::at(places, start)?
        {
            return Ok(Some(end));
        }
        // What was appended is more than a few sectors only in a file that is something else too.
        const APPENDED: u64 = 64 << 20;
        let mut found = None;
        let range = len.saturating_sub(APPENDED)..len;
        for place in find_all(places.file(), range, LOCATOR_MAGIC, observer) {
            found = Self::at(places, place?)?.or(found);
        }
        Ok(found)
    }

    fn at(places: &Places<'_>, start: u64) -> Result<Option<Self>, ReadError> {
        let mut bytes = [0; LOCATOR_LEN];
        places.read(start, 0, &mut bytes)?;
        let Some(locator) = Locator::decode(&bytes)? else {
            return Ok(None);
        };
        let end = start + LOCATOR_LEN as u64;
        let mut page = None;
        if let Some(page_start) = end.checked_sub(locator.tail_page_len as u64) {
            let mut bytes = vec![0; locator.tail_page_len.min(MAX_TAIL_PAGE_LEN)];
            places.read(page_start, 0, &mut bytes)?;
            page = TailPage::decode(&bytes).ok().map(|page| (page, bytes));
        }
        Ok(Some(Self { locator, end, page }))
    }

    fn fits(&self, geometry: &Geometry, need: Need, file_len: u64) -> bool {
        let Locator {
            block_count,
            tail_offset,
            ..
        } = self.locator;
        block_count > 0
            && geometry.tail_offset(block_count) == tail_offset
            && need.allows(geometry, block_count, file_len)
    }
}

impl Need {
    /// Whether a file of this length may be what is left of so many blocks.
    fn allows(self, geometry: &Geometry, block_count: u64, file_len: u64) -> bool {
        match self {
            Self::Everything => is_plausible(geometry, block_count, file_len),
            Self::Anything => block_count <= most_blocks(geometry, file_len),
        }
    }
}

/// As many blocks are looked for in a file of this length.
fn most_blocks(geometry: &Geometry, file_len: u64) -> u64 {
    let in_file = file_len / geometry.block_size.bytes() as u64 + 1;
    in_file.saturating_mul(MOST_LOST)
}

/// Where nothing says how many blocks there are: one behind the last stripe of which a block was found,
/// so that this one counts as full. If it is not, its check page is lost, and nothing follows from its
/// length.
fn count_found(
    places: &Places<'_>,
    head: &Head,
    observer: &dyn Observer,
) -> Result<u64, ReadError> {
    let geometry = head.geometry();
    let most = most_blocks(&geometry, places.file_len());
    let id = &head.header.archive_id;
    let highest = places.highest_block(&geometry, most, id, observer)?;
    let full = geometry.data_blocks_per_stripe() as u64;
    Ok(highest.map_or(1, |highest| (highest.0 / full + 1) * full + 1))
}

/// Whether a file can hold what is left of so many blocks: no stripe is mended that has lost more
/// than its parity and its check pages. So a number that is made up asks for no work.
fn is_plausible(geometry: &Geometry, block_count: u64, file_len: u64) -> bool {
    let full = geometry.data_blocks_per_stripe();
    let pages_len = 2 * geometry.check_page_len(full).1;
    let most_lost = (geometry.parity.max_len(geometry.block_size) + pages_len) as u64;
    let least_left = geometry.stripe_len(full).saturating_sub(most_lost);
    // The last stripe may be short.
    let full_stripes = geometry.stripe_count(block_count).saturating_sub(1);
    u128::from(full_stripes) * u128::from(least_left) <= u128::from(file_len)
}

/// The head: at the start, in the tail, or in any check page. Of an archive of another version no
/// copy is known either (spec: RPR-1).
fn find_head(
    places: &Places<'_>,
    end: Option<&End>,
    observer: &dyn Observer,
) -> Result<(Head, Vec<u8>), ReadError> {
    if let Ok(found) = head_at(places, 0)? {
        return Ok(found);
    }
    if let Some((page, _)) = end.and_then(|end| end.page.as_ref())
        && let Some(tail_len) = page.archive_len.checked_sub(page.tail_offset.0)
        && let Some(start) = end.and_then(|end| end.end.checked_sub(tail_len))
    {
        for offset in [start, start + page.tail_page_len as u64] {
            if let Ok((head, bytes)) = head_at(places, offset)?
                && head.head_digest == page.head_digest
            {
                return Ok((head, bytes));
            }
        }
    }
    for place in find_all(
        places.file(),
        0..places.file_len(),
        preamble::MAGIC,
        observer,
    ) {
        if let Ok(found) = head_at(places, place?)? {
            return Ok(found);
        }
    }
    // Nothing can be said that reading it from its start does not say.
    read_head(&mut Feed::at(places.file(), 0)?)
}

fn head_at(
    places: &Places<'_>,
    offset: u64,
) -> Result<Result<(Head, Vec<u8>), FormatError>, ReadError> {
    let mut bytes = vec![0; MAX_HEAD_LEN];
    places.read(offset, 0, &mut bytes)?;
    Ok(Head::peek_len(&bytes).and_then(|len| {
        bytes.truncate(len);
        Head::decode(&bytes).map(|head| (head, bytes))
    }))
}

/// The number of blocks, from the check page of the last stripe (spec: RPR-2).
fn count_blocks(
    places: &Places<'_>,
    head: &Head,
    observer: &dyn Observer,
) -> Result<u64, ReadError> {
    if let Ok(count) = crate::scan::count_blocks(places.file(), head) {
        return Ok(count);
    }
    let geometry = head.geometry();
    let header = &head.header;
    let file = places.file();
    for place in find_all(file, 0..places.file_len(), check_page::MAGIC, observer) {
        let mut sector = [0; SECTOR_LEN];
        places.read(place?, 0, &mut sector)?;
        let Some(stripe) = CheckPage::peek_index(&sector) else {
            continue;
        };
        let id = &header.archive_id;
        match CheckPage::peek(&sector, &geometry, id, &head.head_digest, stripe) {
            Ok(layout) if layout.last => return Ok(layout.first_block.0 + layout.data_count as u64),
            _ => {}
        }
    }
    let what = "neither it nor the last check page can be found";
    Err(FormatError::damaged(Structure::Tail, what).into())
}

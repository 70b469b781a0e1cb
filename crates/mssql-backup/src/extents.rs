//! The data of `MQDA` streams: extents of eight pages, judged page by page.
//!
//! An extent holds, each in its place, pages, pages that were never used (zeros), places that were
//! never written inside a copied extent (whatever lay on the disk), and at the end of a stream
//! filler. Only pages have a checksum, so the kinds must be told apart.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::allocation::Allocation;
use crate::check::PageId;
use crate::page::{FreeSpace, PAGE_LEN, Page, Protection};

/// Pages in an extent.
pub(crate) const EXTENT_PAGES: u32 = 8;
/// Bytes of an extent.
pub const EXTENT_LEN: usize = PAGE_LEN * EXTENT_PAGES as usize;

/// How many units of a backup set were of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// All units of 8,192 bytes but filler: the number that the configuration announces.
    pub total: u64,
    /// Never used: zeros.
    pub zero: u64,
    /// Only there to fill the end of a stream.
    pub filler: u64,
    /// Never written, inside an extent that was copied.
    pub unformatted: u64,
    /// Pages whose checksum holds.
    pub checksum_good: u64,
    /// Pages whose checksum does not.
    pub checksum_wrong: u64,
    /// Pages whose torn bits agree.
    pub torn_good: u64,
    /// Pages whose torn bits do not.
    pub torn_wrong: u64,
    /// Pages without either.
    pub unprotected: u64,
    /// Pages that came before in the same set.
    pub duplicates: u64,
    /// Extents without any page that can be recognised.
    pub unrecognised: u64,
    /// Pages in a part of a compressed medium that is damaged, or in bytes that are not known.
    pub lost: u64,
}

/// A page that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadPage {
    /// Which page of its extent, from 0 on.
    pub(crate) place: usize,
    /// Its name, as far as its extent tells it.
    pub(crate) id: Option<PageId>,
    pub(crate) message: String,
}

/// The database files that pages may belong to, with their lengths in pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataFiles(BTreeMap<u16, u64>);

impl DataFiles {
    pub(crate) fn new(files: impl Iterator<Item = (u32, u64)>) -> Self {
        let pages = |(file, size): (u32, u64)| {
            let file = u16::try_from(file).ok()?;
            Some((file, size / PAGE_LEN as u64))
        };
        Self(files.filter_map(pages).collect())
    }

    /// Pages of a file; None if there is no such file.
    pub(crate) fn pages(&self, file: u16) -> Option<u64> {
        self.0.get(&file).copied()
    }

    /// The only file, if there is just one.
    pub(crate) fn only(&self) -> Option<u16> {
        let mut files = self.0.keys();
        let file = files.next()?;
        files.next().is_none().then_some(*file)
    }

    /// All of them, with their lengths in pages.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().map(|(file, pages)| (*file, *pages))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether some of a unit of an extent lies in a stretch that is lost.
pub(crate) fn is_lost(index: usize, lost: &[Range<usize>]) -> bool {
    let unit = index * PAGE_LEN..(index + 1) * PAGE_LEN;
    lost.iter()
        .any(|lost| lost.start < unit.end && unit.start < lost.end)
}

/// What the data streams of one set hold, extent by extent.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    pub(crate) files: DataFiles,
    pub(crate) counts: PageCounts,
    pub(crate) allocation: Allocation,
    /// Checksum over the payload since the last `CSUM`.
    pub(crate) sum: u32,
}

/// The pages of one extent that look like pages, at their places.
type Places<'a> = [Option<Page<'a>>; EXTENT_PAGES as usize];

impl Extents {
    /// Takes an extent, or the whole pages that the end of a stream has instead. Stretches of it
    /// may be lost. Tells its file and first page, if they are known.
    pub(crate) fn extent(
        &mut self,
        bytes: &[u8],
        lost: &[Range<usize>],
        bad: &mut Vec<BadPage>,
    ) -> Option<(u16, u32)> {
        let mut places: Places<'_> = [None; EXTENT_PAGES as usize];
        let units = bytes.as_chunks::<PAGE_LEN>().0;
        for ((unit, place), index) in units.iter().zip(&mut places).zip(0..) {
            if is_lost(index, lost) {
                continue;
            }
            let page = Page::new(unit);
            self.sum = page.continue_sum(self.sum);
            *place = Some(page);
        }
        // Without its configuration nobody knows which pages the database has.
        if self.files.is_empty() {
            self.counts.total += units.len() as u64;
            return None;
        }
        let base = self.base(&places);
        match base {
            Some((file, page)) => self.allocation.copied(PageId { file, page }, EXTENT_PAGES),
            // An extent is copied because something in it is in use.
            None if lost.is_empty() && !places.iter().flatten().all(Page::is_filler) => {
                self.counts.unrecognised += 1;
                let message = "none of the eight pages of an extent can be recognised".to_owned();
                bad.push(BadPage {
                    place: 0,
                    id: None,
                    message,
                });
            }
            None => {}
        }
        for (index, page) in places.iter().enumerate().take(units.len()) {
            let id = base.map(|(file, base)| PageId {
                file,
                page: base + u32::try_from(index).unwrap_or_default(),
            });
            let message = match page {
                Some(page) => self.unit(page, id),
                None => {
                    self.counts.total += 1;
                    self.counts.lost += 1;
                    Some("it is not readable".to_owned())
                }
            };
            if let Some(message) = message {
                let place = index;
                bad.push(BadPage { place, id, message });
            }
        }
        base
    }

    /// Counts pages of whole extents of which nothing is left.
    pub(crate) fn lose(&mut self, pages: u64) {
        self.counts.total = self.counts.total.saturating_add(pages);
        if !self.files.is_empty() {
            self.counts.lost = self.counts.lost.saturating_add(pages);
        }
    }

    /// Judges one unit: what is wrong with it, if something is.
    fn unit(&mut self, page: &Page<'_>, id: Option<PageId>) -> Option<String> {
        if page.is_filler() {
            self.counts.filler += 1;
            return None;
        }
        self.counts.total += 1;
        if page.has_zero_header() {
            self.counts.zero += 1;
            return None;
        }
        let is_itself = page.is_versioned()
            && id.is_some_and(|id| page.page_id() == id.page && page.file_id() == id.file);
        let Some(id) = id.filter(|_| is_itself) else {
            return self.unlike_a_page(page);
        };
        if !self.allocation.found(id) {
            self.counts.duplicates += 1;
        }
        match page.protection() {
            Protection::Checksum { holds: true } => self.counts.checksum_good += 1,
            // Torn bits or nothing, where a checksum would hold but for one byte: that byte was
            // the flag which says that there is one.
            Protection::Torn { holds: true } | Protection::None if page.one_header_byte_off() => {
                self.counts.checksum_wrong += 1;
                return Some("one byte of its header was changed".to_owned());
            }
            Protection::Torn { holds: true } => self.counts.torn_good += 1,
            Protection::None => self.counts.unprotected += 1,
            Protection::Checksum { holds: false } => {
                self.counts.checksum_wrong += 1;
                let (stored, computed) = (page.stored(), page.computed());
                return Some(format!(
                    "its checksum is {stored:#010x}, its bytes give {computed:#010x}"
                ));
            }
            Protection::Torn { holds: false } => {
                self.counts.torn_wrong += 1;
                return Some("its sectors are not of one write (torn page)".to_owned());
            }
        }
        let is_map = page.kind() == FreeSpace::KIND;
        if is_map && (id.page == 1 || id.page.is_multiple_of(FreeSpace::INTERVAL)) {
            self.take_map(id, page);
        }
        None
    }

    /// Takes an allocation map; one that calls pages allocated which the file does not have is no map
    /// (in an encrypted database it is noise).
    fn take_map(&mut self, id: PageId, page: &Page<'_>) {
        let space = FreeSpace::of(page);
        let first = u64::from(id.page / FreeSpace::INTERVAL * FreeSpace::INTERVAL);
        let pages = self.files.pages(id.file).unwrap_or_default();
        let mut beyond = (first..).zip(space.allocated());
        if !beyond.any(|(page, is_allocated)| is_allocated && page >= pages) {
            self.allocation.map(id, &space);
        }
    }

    /// A unit that is not the page that its place asks for: never written, or damaged. If the page
    /// is allocated, the allocation map tells so at the end.
    fn unlike_a_page(&mut self, page: &Page<'_>) -> Option<String> {
        if !page.one_header_byte_off() {
            self.counts.unformatted += 1;
            return None;
        }
        self.counts.checksum_wrong += 1;
        Some("one byte of its header was changed".to_owned())
    }

    fn is_in_a_file(&self, page: &Page<'_>) -> bool {
        let pages = self.files.pages(page.file_id());
        pages.is_some_and(|pages| u64::from(page.page_id()) < pages)
    }

    /// File and first page of an extent, as most of its pages have it.
    fn base(&self, places: &Places<'_>) -> Option<(u16, u32)> {
        let mut votes: [Option<((u16, u32), u32)>; EXTENT_PAGES as usize] = Default::default();
        for (index, page) in places.iter().enumerate() {
            let Some(page) = page else { continue };
            let place = u32::try_from(index).unwrap_or_default();
            let is_plausible = page.is_versioned()
                && page.page_id() % EXTENT_PAGES == place
                && self.is_in_a_file(page);
            if !is_plausible {
                continue;
            }
            let base = (page.file_id(), page.page_id() - place);
            // A page whose checksum holds outweighs all that have none.
            let weight = match page.protection() {
                Protection::Checksum { holds: true } => 100,
                Protection::Torn { holds: true } => 10,
                _ => 1,
            };
            let known =
                |vote: &&mut Option<((u16, u32), u32)>| vote.is_none_or(|(other, _)| other == base);
            if let Some(vote) = votes.iter_mut().find(known) {
                let so_far = vote.map_or(0, |(_, weight)| weight);
                *vote = Some((base, so_far + weight));
            }
        }
        let votes = votes.iter().flatten();
        let most = votes.max_by_key(|(_, weight)| *weight)?;
        Some(most.0)
    }
}

//! Which pages the database calls allocated, and which of these the backup holds.

use std::collections::BTreeMap;

use crate::check::PageId;
use crate::page::FreeSpace;

/// A bit for each page of an interval.
const WORDS: usize = (FreeSpace::INTERVAL as usize).div_ceil(64);

/// One bit for each page of an interval of 8,088 pages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bits(Box<[u64; WORDS]>);

/// What is known of the pages of a set: about 3 KiB for each 64 MiB of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// By file and number of the interval.
    intervals: BTreeMap<(u16, u32), Interval>,
    /// There were more intervals than are kept.
    is_over_limit: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Interval {
    found: Option<Bits>,
    /// Allocated by every copy of the map: what was allocated while the backup ran need not be
    /// there.
    allocated: Option<Bits>,
    /// Pages of extents that were copied.
    copied: Option<Bits>,
}

/// What the allocation map says of a full backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Pages that the map calls allocated.
    pub allocated: u64,
    /// How many of these are not in the backup.
    pub count: u64,
    /// How many of these should stand in an extent that is there: a busy database is no reason.
    pub in_copied_extents: u64,
    /// The first hundred of them.
    pub first: Vec<PageId>,
}

impl Allocation {
    /// Intervals kept: a terabyte of data, in 50 MiB.
    const MAX_INTERVALS: usize = 16_384;
    /// Pages named.
    const MAX_NAMED: usize = 100;

    /// Notes that a page is there. False if it was there before.
    pub(crate) fn found(&mut self, id: PageId) -> bool {
        let bit = id.page % FreeSpace::INTERVAL;
        let interval = self.interval(id);
        interval.is_none_or(|interval| interval.found.get_or_insert_default().set(bit))
    }

    /// Notes that an extent is there, by its first page.
    pub(crate) fn copied(&mut self, first: PageId, pages: u32) {
        if let Some(interval) = self.interval(first) {
            let copied = interval.copied.get_or_insert_default();
            for page in 0..pages {
                copied.set(first.page % FreeSpace::INTERVAL + page);
            }
        }
    }

    /// Whether a page is there.
    pub(crate) fn has(&self, id: PageId) -> bool {
        let interval = self
            .intervals
            .get(&(id.file, id.page / FreeSpace::INTERVAL));
        let found = interval.and_then(|interval| interval.found.as_ref());
        found.is_some_and(|found| found.is_set(id.page % FreeSpace::INTERVAL))
    }

    /// Whether the map of an interval, by its number, is there.
    pub(crate) fn has_map(&self, file: u16, interval: u32) -> bool {
        let interval = self.intervals.get(&(file, interval));
        interval.is_some_and(|interval| interval.allocated.is_some())
    }

    /// Whether there were more pages than are followed.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.is_over_limit
    }

    /// Takes what a PFS page says of its interval.
    pub(crate) fn map(&mut self, id: PageId, space: &FreeSpace<'_>) {
        let Some(interval) = self.interval(id) else {
            return;
        };
        let mut allocated = Bits::default();
        for (bit, _) in (0..).zip(space.allocated()).filter(|(_, is)| *is) {
            allocated.set(bit);
        }
        match &mut interval.allocated {
            Some(before) => before.keep_common(&allocated),
            None => interval.allocated = Some(allocated),
        }
    }

    /// Takes over what another stripe of the same set knows.
    pub fn merge(&mut self, other: &Self) {
        self.is_over_limit |= other.is_over_limit;
        for (key, theirs) in &other.intervals {
            let ours = self.intervals.entry(*key).or_default();
            for (ours, theirs) in [
                (&mut ours.found, &theirs.found),
                (&mut ours.copied, &theirs.copied),
            ] {
                if let Some(theirs) = theirs {
                    ours.get_or_insert_default().add(theirs);
                }
            }
            match (&mut ours.allocated, &theirs.allocated) {
                (Some(ours), Some(theirs)) => ours.keep_common(theirs),
                (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// Which allocated pages are not there. None if it was not followed to the end, or if there
    /// is no map.
    #[must_use]
    pub fn missing(&self) -> Option<Missing> {
        let mut missing = Missing::default();
        let mut has_map = false;
        for ((file, interval), bits) in &self.intervals {
            let Some(allocated) = &bits.allocated else {
                continue;
            };
            has_map = true;
            for bit in (0..FreeSpace::INTERVAL).filter(|bit| allocated.is_set(*bit)) {
                missing.allocated += 1;
                if bits.found.as_ref().is_some_and(|found| found.is_set(bit)) {
                    continue;
                }
                missing.count += 1;
                if bits
                    .copied
                    .as_ref()
                    .is_some_and(|copied| copied.is_set(bit))
                {
                    missing.in_copied_extents += 1;
                }
                if missing.first.len() < Self::MAX_NAMED {
                    let page = interval
                        .saturating_mul(FreeSpace::INTERVAL)
                        .saturating_add(bit);
                    missing.first.push(PageId { file: *file, page });
                }
            }
        }
        (has_map && !self.is_over_limit).then_some(missing)
    }

    fn interval(&mut self, id: PageId) -> Option<&mut Interval> {
        let key = (id.file, id.page / FreeSpace::INTERVAL);
        if self.intervals.len() >= Self::MAX_INTERVALS && !self.intervals.contains_key(&key) {
            self.is_over_limit = true;
            return None;
        }
        Some(self.intervals.entry(key).or_default())
    }
}

impl Default for Bits {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Bits {
    /// Sets a bit. True if it was not set.
    fn set(&mut self, bit: u32) -> bool {
        let (word, mask) = Self::place(bit);
        let Some(word) = self.0.get_mut(word) else {
            return true;
        };
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }

    fn is_set(&self, bit: u32) -> bool {
        let (word, mask) = Self::place(bit);
        self.0.get(word).is_some_and(|word| word & mask != 0)
    }

    fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *ours |= theirs;
        }
    }

    fn keep_common(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *ours &= theirs;
        }
    }

    fn place(bit: u32) -> (usize, u64) {
        (bit as usize / 64, 1 << (bit % 64))
    }
}

//! One data section: names what is lost by what stands before and behind it.

use std::collections::BTreeMap;

use crate::extents::{DataFiles, EXTENT_PAGES};
use crate::page::PAGE_LEN;

use super::{Lost, LostPages, PageRange};

/// Pages of an extent, as numbers of pages are calculated here.
const EXTENT: u64 = EXTENT_PAGES as u64;

/// Extents of one data section as they pass.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// The last extent that has a name: its file and first page.
    before: Option<(u16, u32)>,
    /// Extents behind it that have none, lost or not.
    unnamed: u64,
    /// Lost ones among these, which the next named extent will name.
    open: Vec<Run>,
    /// What is lost, in the order of the file.
    lost: Vec<Entry>,
    /// Runs that are not kept, and their pages.
    untold: (u64, u64),
    /// Pages seen of each file, in extents that have a name.
    seen: BTreeMap<u16, u64>,
    /// An extent stands behind one of later pages.
    is_disordered: bool,
    /// Bytes that the gaps took together.
    in_gaps: Option<u64>,
}

/// Lost extents without a name.
#[derive(Clone, Copy, Debug)]
struct Run {
    offset: u64,
    /// The first and last of them, counted from 1 behind the last named extent.
    from: u64,
    to: u64,
    pages: u64,
    /// Not even their number is known: `pages` is what it can be at most.
    is_gap: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    pages: LostPages,
    /// Named by what stands before and behind it.
    by_order: bool,
    is_gap: bool,
}

impl Section {
    /// An extent passes, named by its file and first page if these are known. `lost` are its pages
    /// that are lost: which of the extent, and where in the file.
    pub(crate) fn extent(
        &mut self,
        base: Option<(u16, u32)>,
        lost: &[(usize, u64)],
        files: &DataFiles,
    ) {
        let Some(base) = base else {
            self.unnamed += 1;
            if let Some((_, offset)) = lost.first() {
                self.open(*offset, lost.len() as u64, 1, false);
            }
            return;
        };
        self.named(base, files);
        *self.seen.entry(base.0).or_default() += EXTENT;
        for (place, offset) in lost {
            let page = base
                .1
                .saturating_add(u32::try_from(*place).unwrap_or_default());
            let pages = range(base.0, page.into(), page.into(), true);
            self.push(*offset, 1, pages, false, false);
        }
    }

    /// So many pages of whole extents are lost.
    pub(crate) fn pages_lost(&mut self, offset: u64, pages: u64) {
        let extents = pages.div_ceil(EXTENT);
        self.unnamed = self.unnamed.saturating_add(extents);
        self.open(offset, pages, extents, false);
    }

    /// Extents are lost, and it is not known how many: so many bytes at most.
    pub(crate) fn gap(&mut self, offset: u64, at_most: u64) {
        self.open(offset, at_most / PAGE_LEN as u64, 0, true);
    }

    /// So many bytes were in the gaps of this section.
    pub(crate) fn missing(&mut self, len: u64) {
        self.in_gaps = Some(self.in_gaps.unwrap_or(0).saturating_add(len));
    }

    /// The section is through. `announced` are the pages of each file that it should hold, where
    /// that is known.
    pub(crate) fn finish(
        mut self,
        files: &DataFiles,
        announced: Option<&BTreeMap<u16, u64>>,
        lost: &mut Lost,
    ) {
        self.name_open(None, files);
        self.settle_gaps();
        let only_file = self.only_file(files, announced);
        let is_ordered = !self.is_disordered;
        let is_proved = |pages: &PageRange| is_ordered && only_file == Some(pages.file);
        let lost_here = self.lost.iter().filter(|entry| entry.pages.count > 0);
        for entry in lost_here {
            let mut entry = *entry;

            if entry.by_order {
                entry.pages.pages = entry.pages.pages.filter(is_proved);
            }
            lost.add_pages(entry.pages);
        }
        lost.add_untold(self.untold.0, self.untold.1);
    }

    fn open(&mut self, offset: u64, pages: u64, extents: u64, is_gap: bool) {
        let to = self.unnamed;
        let from = to.saturating_sub(extents.saturating_sub(1));
        if self.open.len() + self.lost.len() >= Lost::MAX_RANGES {
            self.untold.0 += 1;
            self.untold.1 = self.untold.1.saturating_add(pages);
            return;
        }
        let run = Run {
            offset,
            from,
            to,
            pages,
            is_gap,
        };
        match self.open.last_mut() {
            Some(last) if last.is_followed_by(&run) => {
                last.to = run.to;
                last.pages = last.pages.saturating_add(run.pages);
            }
            _ => self.open.push(run),
        }
    }

    fn push(
        &mut self,
        offset: u64,
        count: u64,
        pages: Option<PageRange>,
        by_order: bool,
        is_gap: bool,
    ) {
        if self.open.len() + self.lost.len() >= Lost::MAX_RANGES {
            self.untold.0 += 1;
            self.untold.1 = self.untold.1.saturating_add(count);
            return;
        }
        let len = count.saturating_mul(PAGE_LEN as u64);
        let pages = LostPages {
            offset,
            len,
            count,
            pages,
        };
        self.lost.push(Entry {
            pages,
            by_order,
            is_gap,
        });
    }

    /// An extent with a name: what is open before it is named.
    fn named(&mut self, base: (u16, u32), files: &DataFiles) {
        let is_later = self
            .before
            .is_none_or(|before| before.0 != base.0 || before.1 < base.1);
        self.is_disordered |= !is_later;
        self.name_open(Some(base), files);
        self.before = Some(base);
        self.unnamed = 0;
    }

    /// Names the open runs by the named extents before and behind them.
    fn name_open(&mut self, behind: Option<(u16, u32)>, files: &DataFiles) {
        let bounds = self.bounds(behind, files);
        let has_gap = self.open.iter().any(|run| run.is_gap);
        for run in std::mem::take(&mut self.open) {
            let named = bounds.and_then(|bounds| bounds.of(&run, self.unnamed, has_gap));
            let room = bounds.map(|bounds| bounds.room.saturating_sub(self.unnamed));
            let count = match room.filter(|_| run.is_gap) {
                Some(room) => run.pages.min(room.saturating_mul(EXTENT)),
                None => run.pages,
            };
            self.push(run.offset, count, named, true, run.is_gap);
        }
    }

    /// Between which pages the open runs lie. None if these are not of one file.
    fn bounds(&self, behind: Option<(u16, u32)>, files: &DataFiles) -> Option<Bounds> {
        let file = match (self.before, behind) {
            (Some(before), Some(behind)) => (before.0 == behind.0).then_some(before.0)?,
            (Some(one), None) | (None, Some(one)) => one.0,
            (None, None) => files.only()?,
        };
        let first = self.before.map_or(0, |(_, page)| u64::from(page) + EXTENT);
        let end = match behind {
            Some((_, page)) => page.into(),
            None => files.pages(file)?,
        };
        let room = end.checked_sub(first)?.div_ceil(EXTENT);
        let is_closed = behind.is_some();
        Some(Bounds {
            file,
            first,
            end,
            room,
            is_closed,
        })
    }

    /// Tells how many pages were in gaps, where their sum does.
    fn settle_gaps(&mut self) {
        let Some(bytes) = self.in_gaps else { return };
        let total = bytes / PAGE_LEN as u64;
        let mut gaps: Vec<&mut LostPages> = self
            .lost
            .iter_mut()
            .filter(|entry| entry.is_gap)
            .map(|entry| &mut entry.pages)
            .collect();
        if self.untold.0 > 0 {
            return;
        }
        let most = gaps
            .iter()
            .map(|gap| gap.count)
            .fold(0, u64::saturating_add);
        for gap in &mut gaps {
            gap.count = gap.count.min(total);
            gap.len = gap.count * PAGE_LEN as u64;
            if let Some(pages) = &mut gap.pages {
                let all = u64::from(pages.last - pages.first) + 1;
                pages.is_exact = most == total && all == gap.count;
            }
        }
    }

    /// The file that all extents without a name are of, where that is proved.
    fn only_file(&self, files: &DataFiles, announced: Option<&BTreeMap<u16, u64>>) -> Option<u16> {
        if let Some(file) = files.only() {
            return Some(file);
        }
        let seen = |file: &u16| self.seen.get(file).copied().unwrap_or(0);
        let mut lacking = announced?
            .iter()
            .filter(|(file, pages)| seen(file) < **pages);
        let (file, _) = lacking.next()?;
        lacking.next().is_none().then_some(*file)
    }
}

impl Run {
    fn is_followed_by(&self, next: &Self) -> bool {
        let end = self
            .offset
            .saturating_add(self.pages.saturating_mul(PAGE_LEN as u64));
        !self.is_gap && !next.is_gap && self.to + 1 == next.from && next.offset <= end
    }
}

/// The pages of one file between two named extents.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    file: u16,
    first: u64,
    /// Behind the last.
    end: u64,
    /// Extents that they are.
    room: u64,
    /// An extent with a name ends them, so that no filler is among what is lost.
    is_closed: bool,
}

impl Bounds {
    /// Which pages a run is, or is among; `unnamed` extents lie between the bounds in all, and more
    /// of an unknown number if there is a gap.
    fn of(&self, run: &Run, unnamed: u64, has_gap: bool) -> Option<PageRange> {
        if has_gap {
            let all = range(self.file, self.first, self.end.checked_sub(1)?, false);
            return all.filter(|_| self.room > 0);
        }
        // More than fit: the order is not what it should be, or there is filler among them.
        if self.is_closed && unnamed > self.room {
            return None;
        }
        let first = self.first + (run.from - 1) * EXTENT;
        let last = match self.is_closed {
            true => self.end - (unnamed - run.to) * EXTENT - 1,
            false => self.end.checked_sub(1)?,
        };
        let is_exact =
            self.is_closed && unnamed == self.room && run.pages == last + 1 - first.min(last);
        (first <= last).then(|| range(self.file, first, last, is_exact))?
    }
}

/// None if these are no numbers of pages.
fn range(file: u16, first: u64, last: u64, is_exact: bool) -> Option<PageRange> {
    Some(PageRange {
        file,
        first: u32::try_from(first).ok()?,
        last: u32::try_from(last).ok()?,
        is_exact,
    })
}

#[cfg(test)]
mod tests;

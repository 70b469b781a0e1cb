//! What `repair` makes of lost sectors, counted instead of done.
//!
//! Follows `bakpak_codec::repair`: erasures column by column, check pages put together from both
//! copies, shards of which they tell nothing believed first and erased then. Archives have parity, no
//! envelope and no signatures; lost sectors hold anything but what they held.

use crate::generator::Generator;
use bakpak_format::check_page::PageLists;
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::geometry::{Geometry, StripeIndex, StripeLayout};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Range;

/// An archive of which only the places of its parts are known.
#[derive(Clone, Debug)]
pub struct Model {
    geometry: Geometry,
    block_count: u64,
}

/// Why an archive is not repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A column of a stripe has lost more than its parity, or what no page proves was lost.
    Stripe,
    /// A page had to be made anew from its shards, and the root that would confirm it is lost.
    Root,
    /// Nothing tells that the last stripe is there: its pages and the root are lost.
    Hidden,
    /// All copies of the head, or of the tables with the keys.
    Opening,
}

/// What becomes of a stripe.
struct Outcome {
    /// Whether it is right if what no page proves is believed.
    believed: bool,
    /// And if that is erased.
    erased: bool,
    /// Its page is known without its shards.
    has_page: bool,
    /// The first sectors of both pages are lost: nothing tells that the stripe is there.
    is_hidden: bool,
}

/// What stands in several places, and which of these are whole.
#[derive(Default)]
struct Copies {
    head: bool,
    slots: bool,
}

impl Model {
    /// The model of an archive.
    pub fn new(geometry: Geometry, block_count: u64) -> Self {
        Self {
            geometry,
            block_count,
        }
    }

    /// Sectors of the whole archive.
    pub fn sector_count(&self) -> u64 {
        let tail_page = SECTOR_LEN;
        let tail = self.geometry.tail_len(false, tail_page);
        sector(self.geometry.tail_offset(self.block_count).0 + tail)
    }

    /// Where something of a stripe begins, in sectors: stripe, first page, parity, second page.
    pub fn places(&self, stripe: u64) -> [u64; 4] {
        let layout = self.geometry.stripe(self.block_count, StripeIndex(stripe));
        let parity = self.geometry.parity_offset(&layout, 0);
        let second = self.geometry.parity_offset(&layout, layout.parity_count);
        [layout.offset, layout.page_offset, parity, second].map(|offset| sector(offset.0))
    }

    /// How many stripes it has.
    pub fn stripe_count(&self) -> u64 {
        self.geometry.stripe_count(self.block_count)
    }

    /// Where blocks, and where the tail begins, in sectors.
    pub fn ends(&self) -> Range<u64> {
        let tail = self.geometry.tail_offset(self.block_count);
        sector(self.geometry.first_stripe_offset().0)..sector(tail.0)
    }

    /// Sectors of a check page.
    pub fn page_sectors(&self, stripe: u64) -> u64 {
        let layout = self.geometry.stripe(self.block_count, StripeIndex(stripe));
        sector(layout.page_len as u64)
    }

    /// Whether the archive is repaired that has lost these sectors, which ascend.
    pub fn is_repaired(&self, lost: impl Iterator<Item = u64>) -> bool {
        self.repaired(lost).is_ok()
    }

    /// The same, with why not.
    ///
    /// # Errors
    ///
    /// What is the cause.
    pub fn repaired(&self, lost: impl Iterator<Item = u64>) -> Result<(), Cause> {
        let mut lost = lost.peekable();
        let mut of_stripe = Vec::new();
        let ends = self.ends();
        take(&mut lost, 0..ends.start, &mut of_stripe);
        let head_len = sector(self.geometry.head_len as u64) as usize;
        let area = sector(self.geometry.slot_area as u64) as usize;
        let is_free = |lost: &[usize], range: Range<usize>| !lost.iter().any(|l| range.contains(l));
        let mut copies = Copies {
            head: is_free(&of_stripe, 0..head_len),
            slots: is_free(&of_stripe, head_len..head_len + area)
                || is_free(&of_stripe, head_len + area..head_len + 2 * area),
        };
        let (mut believed, mut erased, mut needs_root) = (true, true, false);
        let mut is_hidden = false;
        for index in 0..self.stripe_count() {
            let layout = self.geometry.stripe(self.block_count, StripeIndex(index));
            let start = sector(layout.offset.0);
            let end = start + sector(self.geometry.stripe_len(layout.data_count));
            take(&mut lost, start..end, &mut of_stripe);
            let outcome = self.stripe(&layout, &of_stripe, &mut copies);
            believed &= outcome.believed;
            erased &= outcome.erased;
            needs_root |= !outcome.has_page;
            is_hidden = outcome.is_hidden;
            if !believed && !erased {
                return Err(Cause::Stripe);
            }
        }
        take(&mut lost, ends.end..self.sector_count(), &mut of_stripe);
        copies.head |= is_free(&of_stripe, 0..head_len);
        copies.slots |= is_free(&of_stripe, head_len..head_len + area);
        let tail_page = head_len + area;
        let has_root = is_free(&of_stripe, tail_page..tail_page + 1);
        match () {
            () if !copies.head || !copies.slots => Err(Cause::Opening),
            () if !has_root && is_hidden => Err(Cause::Hidden),
            () if !has_root && needs_root => Err(Cause::Root),
            () => Ok(()),
        }
    }

    fn stripe(&self, layout: &StripeLayout, lost: &[usize], copies: &mut Copies) -> Outcome {
        let in_block = self.geometry.block_size.sectors();
        let page_len = layout.page_len / SECTOR_LEN;
        let first_page = layout.data_count * in_block;
        let parity = first_page + page_len;
        let second_page = parity + layout.parity_count * in_block;
        let covered = layout.covered_len / SECTOR_LEN;
        let mut pages = [vec![false; page_len], vec![false; page_len]];
        let mut of_shards = Vec::with_capacity(lost.len());
        for at in lost.iter().copied() {
            if at >= second_page {
                pages[1][at - second_page] = true;
            } else if at >= parity {
                let at = at - parity + first_page;
                of_shards.push((at / in_block, at % in_block));
            } else if at >= first_page {
                pages[0][at - first_page] = true;
            } else {
                of_shards.push((at / in_block, at % in_block));
            }
        }
        if layout.carries_head && !(copies.head && copies.slots) {
            self.look_for_copies(layout, &pages, copies);
        }
        let known = known_sectors(&pages, covered);
        let is_hidden = pages[0][0] && pages[1][0];
        if known.iter().all(|known| *known) {
            let is_right = self.can_be_solved(layout, of_shards.into_iter());
            return Outcome {
                believed: is_right,
                erased: is_right,
                has_page: true,
                is_hidden,
            };
        }
        let mut shards: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (shard, sector) in of_shards {
            shards.entry(shard).or_default().insert(sector);
        }
        let (believed, believed_right) = self.erasures(layout, &known, &shards, true);
        let (erased, _) = self.erasures(layout, &known, &shards, false);
        Outcome {
            believed: believed_right && self.can_be_solved(layout, believed.into_iter()),
            erased: self.can_be_solved(layout, erased.into_iter()),
            has_page: false,
            is_hidden,
        }
    }

    /// The sectors that are solved for where pages are not whole, and whether none is believed that
    /// is lost.
    fn erasures(
        &self,
        layout: &StripeLayout,
        known: &[bool],
        shards: &BTreeMap<usize, BTreeSet<usize>>,
        believes: bool,
    ) -> (Vec<(usize, usize)>, bool) {
        let lists = PageLists::new(&self.geometry, layout);
        let is_known = |range: Range<usize>| {
            (range.start / SECTOR_LEN..=(range.end - 1) / SECTOR_LEN).all(|sector| known[sector])
        };
        let in_block = self.geometry.block_size.sectors();
        let (none, mut is_right) = (BTreeSet::new(), true);
        let mut erased = Vec::new();
        for shard in 0..layout.shard_count() {
            let lost = shards.get(&shard).unwrap_or(&none);
            let has_crc = |sector: &usize| is_known(lists.crc(shard, *sector));
            let is_proving = is_known(lists.hash(shard)) || (0..in_block).all(|s| has_crc(&s));
            let sectors: BTreeSet<usize> = match (is_proving, believes) {
                (true, _) if lost.is_empty() => continue,
                (true, _) => (0..in_block)
                    .filter(|s| lost.contains(s) || !has_crc(s))
                    .collect(),
                (false, true) if !lost.iter().any(has_crc) => {
                    is_right &= lost.is_empty();
                    continue;
                }
                (false, _) => (0..in_block).collect(),
            };
            erased.extend(sectors.into_iter().map(|sector| (shard, sector)));
        }
        (erased, is_right)
    }

    /// Whether no column has lost more than it has parity.
    fn can_be_solved(
        &self,
        layout: &StripeLayout,
        mut erased: impl Iterator<Item = (usize, usize)>,
    ) -> bool {
        let groups = parity_of_groups(layout);
        let in_block = self.geometry.block_size.sectors();
        let mut counts = vec![0; in_block * groups.len()];
        erased.all(|(shard, sector)| {
            let group = shard % groups.len();
            let count = &mut counts[sector * groups.len() + group];
            *count += 1;
            *count <= groups[group].1
        })
    }

    fn look_for_copies(&self, layout: &StripeLayout, pages: &[Vec<bool>; 2], copies: &mut Copies) {
        let [head, _, slots, _] = bakpak_format::check_page::copies_of(&self.geometry, layout);
        for page in pages {
            let is_free = |range: &Range<usize>| {
                let sectors = range.start / SECTOR_LEN..=(range.end - 1) / SECTOR_LEN;
                !page[sectors].iter().any(|lost| *lost)
            };
            copies.head |= is_free(&head);
            copies.slots |= is_free(&slots);
        }
    }

    /// The chance that no column of blocks and parity loses too much, if each sector is lost with
    /// the chance `rate`; pages and copies are not in it.
    pub fn chance_of_columns(&self, rate: f64) -> f64 {
        let in_block = self.geometry.block_size.sectors() as f64;
        let of_stripe = |index| {
            let layout = self.geometry.stripe(self.block_count, StripeIndex(index));
            let groups = parity_of_groups(&layout).into_iter();
            groups
                .map(|(size, parity)| in_block * (-more_than(size, parity, rate)).ln_1p())
                .sum::<f64>()
        };
        let last = self.stripe_count() - 1;
        (of_stripe(0) * last as f64 * f64::from(u8::from(last > 0)) + of_stripe(last)).exp()
    }
}

/// Each sector lost with the same chance, independently: the lost ones, without end.
pub struct Scattered {
    random: Generator,
    /// ln(1 - rate).
    log: f64,
    next: u64,
}

impl Scattered {
    /// Sectors that are lost with the chance `rate`.
    pub fn new(random: Generator, rate: f64) -> Self {
        Self {
            random,
            log: (-rate).ln_1p(),
            next: 0,
        }
    }
}

impl Iterator for Scattered {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let uniform = ((self.random.number() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let lost = self.next.saturating_add((uniform.ln() / self.log) as u64);
        self.next = lost.saturating_add(1);
        Some(lost)
    }
}

/// Wilson's interval for a share, 95 %.
pub fn confidence(repaired: u64, trials: u64) -> [f64; 2] {
    let (n, z) = (trials as f64, 1.959_964);
    let share = repaired as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    [middle - half, middle + half].map(|bound| (bound / (1.0 + z * z / n)).clamp(0.0, 1.0))
}

fn sector(offset: u64) -> u64 {
    offset / SECTOR_LEN as u64
}

/// The lost sectors in a range, counted from its start.
fn take(lost: &mut Peekable<impl Iterator<Item = u64>>, range: Range<u64>, into: &mut Vec<usize>) {
    into.clear();
    while let Some(at) = lost.next_if(|at| *at < range.end) {
        into.push((at - range.start) as usize);
    }
}

/// Which sectors of a page are known: with the list of CRCs those that one page has, without it those
/// that both have.
fn known_sectors(pages: &[Vec<bool>; 2], covered: usize) -> Vec<bool> {
    let [first, second] = pages;
    let is_listed = !(first[0] && second[0]);
    let both = first.iter().zip(second).take(covered);
    both.map(|(first, second)| match is_listed {
        true => !(first & second),
        false => !(first | second),
    })
    .collect()
}

/// Shards and parity blocks of each group (spec, chapter 6.1).
fn parity_of_groups(layout: &StripeLayout) -> Vec<(usize, usize)> {
    let count = if layout.shard_count() > 255 { 2 } else { 1 };
    let before = |group: usize, end: usize| (end + count - 1 - group) / count;
    let of = |group, range: Range<usize>| before(group, range.end) - before(group, range.start);
    (0..count)
        .map(|group| {
            let all = layout.shard_count();
            (of(group, 0..all), of(group, layout.data_count..all))
        })
        .collect()
}

/// The chance that more than `limit` of `count` are lost.
fn more_than(count: usize, limit: usize, rate: f64) -> f64 {
    let mut chance = (count as f64 * (-rate).ln_1p()).exp();
    let mut sum = 0.0;
    for lost in 0..count {
        chance *= (count - lost) as f64 / (lost + 1) as f64 * rate / (1.0 - rate);
        if lost + 1 > limit {
            sum += chance;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakpak_format::geometry::{BlockSize, ParityGeometry};

    #[test]
    fn a_column_loses_as_much_as_it_has_parity_and_no_more() {
        let geometry = Geometry {
            parity: ParityGeometry::THREE,
            ..Geometry::new(BlockSize::ONE_MIB, 4096, 16_384, 0)
        };
        let model = Model::new(geometry, 494);
        let start = model.ends().start;
        let column = |count| (0..count).map(move |block| start + 2 * 256 * block);
        assert!(model.is_repaired(column(8)));
        assert!(!model.is_repaired(column(9)));
    }

    #[test]
    fn chances_of_binomials_add_up() {
        assert!((more_than(3, 1, 0.5) - 0.5).abs() < 1e-12);
        assert!((more_than(2, 0, 0.1) - 0.19).abs() < 1e-12);
    }
}

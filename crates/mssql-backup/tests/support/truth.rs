//! What a whole medium holds, and what a report of the same medium with holes says of it.

use std::collections::BTreeSet;
use std::ops::Range;

use mssql_backup::check::{Level, PageId};
use mssql_backup::container::block::VECTOR;
use mssql_backup::container::decoder::ContainerDecoder;
use mssql_backup::container::piece::Piece;
use mssql_backup::read::{Checker, check};
use mssql_backup::report::Report;
use mssql_backup::{EXTENT_LEN, LostPages, PAGE_LEN, PageRange};

/// Numbers that are the same on every run (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }

    /// One to three holes of any size in a file of this length, one behind the other.
    pub(crate) fn holes(&mut self, len: usize) -> Vec<Range<usize>> {
        let sizes = [1, 30, 512, 8192, 20_000, 70_000, 300_000, len];
        let mut holes = Vec::new();
        let mut from = 0;
        for _ in 0..=self.below(3) {
            let start = from + self.below(len - from);
            let size = sizes[self.below(sizes.len())];
            let end = (start + 1 + self.below(size)).min(len);
            holes.push(start..end);
            from = end + 1;
            if from >= len {
                break;
            }
        }
        holes
    }
}

/// Checks a medium of which these ranges are not known; they are ascending.
pub(crate) fn check_with_holes(bytes: &[u8], holes: &[Range<usize>]) -> Report {
    const PIECE_LEN: usize = 100_003;
    let mut checker = Checker::new();
    let mut at = 0;
    for hole in holes {
        for piece in bytes[at..hole.start].chunks(PIECE_LEN) {
            checker.feed(piece);
        }
        // In two pieces: they are one hole.
        let len = hole.len() as u64;
        checker.feed_hole(len / 2);
        checker.feed_hole(len - len / 2);
        at = hole.end;
    }
    for piece in bytes[at..].chunks(PIECE_LEN) {
        checker.feed(piece);
    }
    checker.finish()
}

/// A whole medium: its stream of descriptor blocks, and where in it pages are.
pub(crate) struct Truth {
    /// Each unit of 8 KiB by its offset in the stream; None if it has no name (filler).
    pub(crate) units: Vec<(usize, Option<PageId>)>,
    /// The data sections, by their offsets in the stream.
    pub(crate) sections: Vec<Range<usize>>,
    /// How many backup sets it has.
    pub(crate) sets: usize,
    /// In a compressed medium: what of the stream each range of the file holds.
    blocks: Vec<(Range<usize>, Range<usize>)>,
    is_compressed: bool,
}

impl Truth {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let is_compressed = bytes.starts_with(b"MSSQLBAK");
        let mut stream = Vec::new();
        let mut blocks: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        if is_compressed {
            let mut sink = |piece: Piece<'_>| {
                let Piece::Bytes {
                    file_offset, bytes, ..
                } = piece
                else {
                    return;
                };
                let start = file_offset as usize;
                if let Some((last, _)) = blocks.last_mut() {
                    last.end = start;
                }
                let content = stream.len()..stream.len() + bytes.len();
                blocks.push((start..start, content));
                stream.extend_from_slice(bytes);
            };
            let mut decoder = ContainerDecoder::new();
            decoder.feed(bytes, &mut sink);
            decoder.finish(&mut sink);
            if let Some((last, _)) = blocks.last_mut() {
                last.end = bytes.len();
            }
        } else {
            stream = bytes.to_vec();
        }
        let report = check(stream.as_slice()).unwrap();
        let mut units = Vec::new();
        let mut sections = Vec::new();
        for span in report.sets.iter().flat_map(|set| &set.data_spans) {
            let (start, end) = (span.start as usize, span.end as usize);
            sections.push(start..end);
            for extent in (start..end).step_by(EXTENT_LEN) {
                let len = EXTENT_LEN.min(end - extent);
                let base = base(&stream[extent..extent + len]);
                units.extend((0..len / PAGE_LEN).map(|place| {
                    let name = base.map(|(file, first)| PageId {
                        file,
                        page: first + place as u32,
                    });
                    (extent + place * PAGE_LEN, name)
                }));
            }
        }
        Self {
            units,
            sections,
            sets: report.sets.len(),
            blocks,
            is_compressed,
        }
    }

    /// Units of which a byte lies in a hole, or in a compressed block that a hole touches.
    pub(crate) fn lost(&self, holes: &[Range<usize>]) -> Vec<(usize, Option<PageId>)> {
        match self.is_compressed {
            false => self.touched(holes),
            true => {
                let blocks = self.blocks.iter();
                let touched = blocks.filter(|(file, _)| touches(file, holes));
                let content: Vec<_> = touched.map(|(_, stream)| stream.clone()).collect();
                self.touched(&content)
            }
        }
    }

    /// The same without blocks of which a hole has only bytes that mean nothing, or that are zero: the
    /// checksum of such a block proves that nothing of it is lost.
    pub(crate) fn surely_lost(
        &self,
        bytes: &[u8],
        holes: &[Range<usize>],
    ) -> Vec<(usize, Option<PageId>)> {
        let means_something = |hole: &&Range<usize>| {
            let starts = self.blocks.iter().map(|(file, _)| file.start);
            let block = starts.filter(|start| *start <= hole.start).max();
            let vector = block.map_or(0..0, |start| start + VECTOR.start..start + VECTOR.end);
            let mut held = bytes[(*hole).clone()].iter().zip(hole.start..);
            held.any(|(byte, at)| *byte != 0 && !vector.contains(&at))
        };
        let holes: Vec<_> = match self.is_compressed {
            false => holes.to_vec(),
            true => holes.iter().filter(means_something).cloned().collect(),
        };
        self.lost(&holes)
    }

    fn touched(&self, ranges: &[Range<usize>]) -> Vec<(usize, Option<PageId>)> {
        let is_lost =
            |unit: &&(usize, Option<PageId>)| touches(&(unit.0..unit.0 + PAGE_LEN), ranges);
        self.units.iter().filter(is_lost).copied().collect()
    }

    /// Whether the holes lie in pages only, so that no structure of the medium is lost.
    pub(crate) fn are_in_pages(&self, holes: &[Range<usize>]) -> bool {
        let is_page = |range: &Range<usize>| {
            let units = self.units.iter().map(|unit| unit.0..unit.0 + PAGE_LEN);
            let within = units.filter(|unit| unit.start < range.end && range.start < unit.end);
            let covered: usize = within
                .map(|unit| unit.end.min(range.end) - unit.start.max(range.start))
                .sum();
            covered == range.len()
        };
        match self.is_compressed {
            false => holes.iter().all(is_page),
            true => holes.iter().all(|hole| {
                let blocks = self.blocks.iter();
                let mut touched = blocks
                    .filter(|(file, _)| hole.start < file.end && file.start < hole.end)
                    .peekable();
                touched.peek().is_some() && touched.all(|(_, stream)| is_page(stream))
            }),
        }
    }
}

fn touches(range: &Range<usize>, holes: &[Range<usize>]) -> bool {
    let mut holes = holes.iter();
    holes.any(|hole| hole.start < range.end && range.start < hole.end)
}

/// File and first page of an extent, as most of its pages say.
fn base(extent: &[u8]) -> Option<(u16, u32)> {
    let mut votes: Vec<((u16, u32), u32)> = Vec::new();
    for (place, page) in extent.chunks_exact(PAGE_LEN).enumerate() {
        let id = u32::from_le_bytes(page[0x20..0x24].try_into().unwrap());
        let file = u16::from_le_bytes([page[0x24], page[0x25]]);
        if page[0] != 1 || file == 0 || id % 8 != place as u32 {
            continue;
        }
        let base = (file, id - place as u32);
        match votes.iter_mut().find(|(other, _)| *other == base) {
            Some((_, count)) => *count += 1,
            None => votes.push((base, 1)),
        }
    }
    votes
        .iter()
        .max_by_key(|(_, count)| *count)
        .map(|(base, _)| *base)
}

/// All ranges of lost pages of a report.
pub(crate) fn told(report: &Report) -> Vec<LostPages> {
    let sets = report.sets.iter();
    sets.flat_map(|set| set.lost.pages.iter().copied())
        .collect()
}

pub(crate) fn names(range: &PageRange) -> impl Iterator<Item = PageId> + use<> {
    let file = range.file;
    (range.first..=range.last).map(move |page| PageId { file, page })
}

/// What is exact lies in a hole, page by page; tells how many pages are exact.
pub(crate) fn exact_ones_are_lost(
    what: &str,
    told: &[LostPages],
    lost: &[(usize, Option<PageId>)],
) -> usize {
    let really: BTreeSet<PageId> = lost.iter().filter_map(|(_, name)| *name).collect();
    let mut count = 0;
    for pages in told {
        let Some(range) = pages.pages.filter(|range| range.is_exact) else {
            continue;
        };
        assert_eq!(
            u64::from(range.last - range.first) + 1,
            pages.count,
            "{what}: {pages:?}"
        );
        for name in names(&range) {
            assert!(
                really.contains(&name),
                "{what}: page {name} is not in a hole: {pages:?}"
            );
            count += 1;
        }
    }
    count
}

/// How lost pages are told: exactly, among a range, counted without a name, not at all.
pub(crate) fn how_told(told: &[LostPages], lost: &[(usize, Option<PageId>)]) -> [usize; 4] {
    let mut counts = [0; 4];
    let mut unnamed: u64 = told
        .iter()
        .filter(|pages| pages.pages.is_none())
        .map(|pages| pages.count)
        .sum();
    for name in lost.iter().filter_map(|(_, name)| *name) {
        let mut ranges = told.iter().filter_map(|pages| pages.pages);
        let is_in = |range: &PageRange| {
            range.file == name.file && (range.first..=range.last).contains(&name.page)
        };
        let kind = match ranges.clone().any(|range| range.is_exact && is_in(&range)) {
            true => 0,
            false if ranges.any(|range| is_in(&range)) => 1,
            false if unnamed > 0 => {
                unnamed -= 1;
                2
            }
            false => 3,
        };
        counts[kind] += 1;
    }
    counts
}

pub(crate) fn add(counts: &mut [usize; 4], others: [usize; 4]) {
    for (count, other) in counts.iter_mut().zip(others) {
        *count += other;
    }
}

/// Whether a set is not in the report at all, or a copy of its configuration is lost (the last one
/// says how many pages were copied again), or it is on stripes: then
/// pages can be lost that nothing tells of. The report names what is lost of the descriptors.
pub(crate) fn loses_structure(report: &Report, sets: usize) -> bool {
    let is_striped = report
        .label
        .as_ref()
        .is_none_or(|label| label.family_count > 1);
    let mut lost = report.sets.iter();
    let is_short = report.sets.len() < sets
        || is_striped
        || lost.any(|set| {
            let copies = &set.descriptors;
            copies.start_configuration.is_empty() || copies.end_configuration.is_empty()
        });
    let levels = [
        Level::Descriptors,
        Level::Completeness,
        Level::Configuration,
    ];
    is_short
        && report
            .faults
            .iter()
            .any(|fault| levels.contains(&fault.level))
}

//! What a whole medium holds, and what a report of the same medium with holes says of it.

use std::collections::BTreeSet;
use std::ops::Range;

use mssql_backup::check::PageId;
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
        for span in report.sets.iter().flat_map(|set| &set.data_spans) {
            let (start, end) = (span.start as usize, span.end as usize);
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
            blocks,
            is_compressed,
        }
    }

    /// Units of which a byte lies in a hole, or in a compressed block that a hole touches.
    pub(crate) fn lost(&self, holes: &[Range<usize>]) -> Vec<(usize, Option<PageId>)> {
        let touches = |range: &Range<usize>, holes: &[Range<usize>]| {
            holes
                .iter()
                .any(|hole| hole.start < range.end && range.start < hole.end)
        };
        let in_stream: Vec<Range<usize>> = match self.is_compressed {
            false => holes.to_vec(),
            true => self
                .blocks
                .iter()
                .filter(|(file, _)| touches(file, holes))
                .map(|(_, stream)| stream.clone())
                .collect(),
        };
        let is_lost =
            |unit: &&(usize, Option<PageId>)| touches(&(unit.0..unit.0 + PAGE_LEN), &in_stream);
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

/// Every lost page is named, or among what is named, or counted without a name where nothing proves
/// one; tells how many are in each.
pub(crate) fn all_lost_are_told(
    what: &str,
    told: &[LostPages],
    lost: &[(usize, Option<PageId>)],
) -> [usize; 3] {
    let mut counts = [0; 3];
    let is_unnamed = told
        .iter()
        .any(|pages| pages.pages.is_none() && pages.count > 0);
    for (offset, name) in lost {
        let Some(name) = name else { continue };
        let mut ranges = told.iter().filter_map(|pages| pages.pages);
        let is_in = |range: &PageRange| {
            range.file == name.file && (range.first..=range.last).contains(&name.page)
        };
        let exact = ranges.clone().any(|range| range.is_exact && is_in(&range));
        let among = ranges.any(|range| is_in(&range));
        let kind = match (exact, among) {
            (true, _) => 0,
            (false, true) => 1,
            _ => {
                assert!(
                    is_unnamed,
                    "{what}: page {name} at {offset} is not told: {told:?}"
                );
                2
            }
        };
        counts[kind] += 1;
    }
    counts
}

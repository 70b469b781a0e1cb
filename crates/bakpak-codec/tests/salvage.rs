//! What is salvaged is what it was, and what is not is told: by entry and byte range.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::salvage::{
    Cause, SalvageReport, SalvageSink, Salvaged, Verdict, salvage as salvage_file,
};
use bakpak_codec::sink::SinkError;
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use std::collections::BTreeMap;
use support::regions::{Map, Site};
use support::*;

/// What came out: content, with zeros for what is missing.
#[derive(Default)]
struct Taken {
    entries: BTreeMap<EntryPath, TakenEntry>,
    told: BTreeMap<EntryPath, Salvaged>,
    open: Option<TakenEntry>,
    missing: u64,
}

struct TakenEntry {
    entry: Entry,
    content: Vec<u8>,
}

impl SalvageSink for Taken {
    fn begin(&mut self, entry: &Entry, _: Option<u64>, _: Verdict) -> Result<(), SinkError> {
        assert!(self.open.is_none(), "one entry after the other");
        self.missing = 0;
        self.open = Some(TakenEntry {
            entry: entry.clone(),
            content: Vec::new(),
        });
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let content = &mut self.open.as_mut().unwrap().content;
        assert!(content.len() as u64 <= offset, "in ascending order");
        content.resize(offset as usize, 0);
        content.extend_from_slice(bytes);
        Ok(())
    }

    fn missing(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        assert!(self.open.as_ref().unwrap().content.len() as u64 <= offset);
        self.missing += len;
        Ok(())
    }

    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        let mut open = self.open.take().unwrap();
        assert_eq!(open.entry.path, salvaged.path);
        assert_eq!(self.missing, salvaged.missing_len);
        if let Some(size) = salvaged.size {
            assert!(open.content.len() as u64 <= size);
            open.content.resize(size as usize, 0);
        }
        self.tell(salvaged);
        self.entries.insert(salvaged.path.clone(), open);
        Ok(())
    }

    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        assert!(self.open.is_none());
        self.tell(salvaged);
        Ok(())
    }
}

impl Taken {
    fn tell(&mut self, salvaged: &Salvaged) {
        let twice = self.told.insert(salvaged.path.clone(), salvaged.clone());
        assert!(twice.is_none(), "{} is told of twice", salvaged.path);
    }

    fn verdict(&self, at: &str) -> Option<Verdict> {
        self.told.get(&path(at)).map(|told| told.verdict)
    }
}

fn salvage(archive: &[u8]) -> Result<(Taken, SalvageReport), ReadError> {
    let mut taken = Taken::default();
    let file = file_of(archive);
    let report = salvage_file(&file, &mut vec![key()], &mut taken, 2, &Unobserved)?;
    assert!(taken.open.is_none());
    Ok((taken, report))
}

/// What must hold of everything that comes out, whatever was done to the archive (spec: SLV-5, SLV-6).
fn is_honest(taken: &Taken, report: &SalvageReport, truth: &Truth, what: &str) {
    for (path, told) in &taken.told {
        let Some((entry, content)) = truth.get(path) else {
            panic!("{what}: there never was {path}");
        };
        let ranges = &told.missing;
        assert!(
            ranges
                .windows(2)
                .all(|two| two[0].offset + two[0].len <= two[1].offset),
            "{what}: {path}"
        );
        assert_eq!(
            ranges.iter().map(|range| range.len).sum::<u64>(),
            told.missing_len
        );
        let is_begun = taken.entries.contains_key(path);
        match told.verdict {
            Verdict::Whole | Verdict::Unconfirmed => {
                assert_eq!(told.missing_len, 0, "{what}: {path}");
                assert!(is_begun, "{what}: {path}");
            }
            Verdict::Damaged => assert!(is_begun, "{what}: {path}"),
            Verdict::Lost | Verdict::Unreadable => {}
        }
        let Some(found) = taken.entries.get(path) else {
            continue;
        };
        if !told.is_header_lost {
            assert_eq!(kindless(&found.entry), kindless(entry), "{what}: {path}");
        }
        let EntryKind::File { .. } = entry.kind else {
            continue;
        };
        if told.verdict == Verdict::Lost {
            continue;
        }
        let mut expected = content.clone();
        if told.size.is_none() {
            assert!(found.content.len() <= expected.len());
            expected.truncate(found.content.len());
        }
        for range in ranges {
            let end = ((range.offset + range.len) as usize).min(expected.len());
            expected[range.offset as usize..end].fill(0);
        }
        assert!(found.content == expected, "{what}: other content in {path}");
    }
    let missing = truth
        .keys()
        .filter(|path| !taken.told.contains_key(*path))
        .count() as u64;
    match report.unnamed {
        Some(unnamed) => assert_eq!(missing, unnamed, "{what}: entries are not told of"),
        None => assert!(!report.is_complete(), "{what}"),
    }
    assert_eq!(taken.told.len() as u64, total(report), "{what}");
    if missing > 0 {
        assert!(!report.is_complete(), "{what}");
    }
}

fn total(report: &SalvageReport) -> u64 {
    let counts = report.counts;
    counts.whole + counts.unconfirmed + counts.damaged + counts.lost + counts.unreadable
}

/// Kinds differ in the extents, and in sizes, that a source does not know; parts have no attributes.
fn kindless(entry: &Entry) -> Entry {
    let mut xattrs = entry.xattrs.clone();
    if entry.path == path("attachments/b") {
        xattrs.clear();
    }
    Entry {
        kind: EntryKind::Directory,
        xattrs,
        ..entry.clone()
    }
}

type Truth = BTreeMap<EntryPath, (Entry, Vec<u8>)>;

fn truth(sources: Vec<MemorySource>) -> Truth {
    let truth = sources.into_iter().map(|source| source.truth());
    truth
        .map(|(entry, content)| (entry.path.clone(), (entry, content)))
        .collect()
}

/// Every kind, and many small files.
fn sources() -> Vec<MemorySource> {
    let mut all = every_kind();
    let small = (0..200).map(|number| {
        let content = log(number, 100 + number * 37);
        file(&format!("home/f/{number:03}"), content)
    });
    let before_attachments = all.len() - 3;
    all.splice(before_attachments..before_attachments, small);
    all
}

fn archive(parity: ParityGeometry) -> Vec<u8> {
    let settings = PackSettings {
        parity,
        // Stripes of 2 MB.
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings()
    };
    try_pack(sources(), settings).unwrap().0
}

#[test]
fn a_whole_archive_is_salvaged_whole() {
    let truth = truth(sources());
    for parity in [ParityGeometry::NONE, ParityGeometry::THREE] {
        let (taken, report) = salvage(&archive(parity)).unwrap();
        is_honest(&taken, &report, &truth, "whole");
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(report.counts.whole, truth.len() as u64);
        assert!(taken.entries.keys().eq(truth.keys()));
    }
}

/// Any one block lost: what it does not hold, and what does not copy from it, is whole (spec: SLV-3).
#[test]
fn one_lost_block_costs_what_it_holds_and_what_copies_from_it() {
    let truth = truth(sources());
    let whole = archive(ParityGeometry::NONE);
    let map = Map::of(&whole);
    let blocks = map
        .sites
        .iter()
        .filter(|(site, _)| matches!(site, Site::Block(_)));
    let blocks: Vec<_> = blocks.collect();
    let mut seen_copy = false;
    let mut at_all = 0;
    for (site, range) in blocks.iter().step_by(53).chain(blocks.last()) {
        let what = format!("{site:?}");
        let mut damaged = whole.clone();
        damaged[range.start + 1000] ^= 1;
        let (taken, report) = salvage(&damaged).unwrap();
        is_honest(&taken, &report, &truth, &what);
        assert_eq!(report.lost_blocks.len(), 1, "{what}");
        assert!(!report.is_complete(), "{what}");
        // Two chunks of up to 1 MiB meet in a block, and there are up to two copies of each.
        let hit: u64 = taken.told.values().map(|told| told.missing_len).sum();
        assert!(hit <= 6 << 20, "{what}: {hit}");
        let copies = taken.told.values().flat_map(|told| &told.missing);
        seen_copy |= copies.clone().any(|range| range.cause == Cause::Copy);
        at_all += usize::from(hit > 0);
    }
    assert!(seen_copy, "COPY was never followed");
    assert!(at_all > 50, "{at_all}");
}

/// With parity, a burst as long as it mends costs nothing (spec: SLV-2).
#[test]
fn what_parity_mends_is_not_lost() {
    let truth = truth(sources());
    let whole = archive(ParityGeometry::THREE);
    let map = Map::of(&whole);
    for first in [3, 700, 1500] {
        let start = map.range_of(Site::Block(first)).start;
        let mut damaged = whole.clone();
        damaged[start + 4096..start + 4096 + 15 * 4096].fill(0);
        let (taken, report) = salvage(&damaged).unwrap();
        is_honest(&taken, &report, &truth, "burst");
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(report.mended_blocks, 15);
    }
    // One more than it mends: those of one group only are lost.
    let start = map.range_of(Site::Block(700)).start;
    let mut damaged = whole;
    damaged[start..start + 17 * 4096].fill(0);
    let (taken, report) = salvage(&damaged).unwrap();
    is_honest(&taken, &report, &truth, "longer burst");
    let lost: u64 = report
        .lost_blocks
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    assert_eq!((lost, report.mended_blocks), (9, 8));
}

/// Cut anywhere: what stands before the cut is there.
#[test]
fn a_cut_archive_gives_what_stands_before_the_cut() {
    let truth = truth(sources());
    for parity in [ParityGeometry::NONE, ParityGeometry::THREE] {
        let whole = archive(parity);
        let mut wholes = Vec::new();
        for part in [1, 10, 30, 50, 70, 90, 99] {
            let len = whole.len() * part / 100;
            let what = format!("cut to {part} %");
            let (taken, report) = salvage(&whole[..len]).unwrap();
            is_honest(&taken, &report, &truth, &what);
            assert!(!report.is_complete(), "{what}");
            let complete = report.counts.whole + report.counts.unconfirmed;
            wholes.push(complete);
        }
        assert!(wholes.is_sorted(), "{wholes:?}");
        assert!(
            wholes.last().unwrap() > &(truth.len() as u64 - 3),
            "{wholes:?}"
        );
    }
}

/// The start lost, with head and tables: the copies in check pages and tail open the rest (spec: SLV-1).
#[test]
fn an_archive_without_its_start_gives_what_follows() {
    let truth = truth(sources());
    let whole = archive(ParityGeometry::THREE);
    for (cut, zeroed) in [
        (0, 1 << 20),
        (1 << 20, 0),
        (1_000_001, 0),
        (1_200_000, 9000),
    ] {
        let what = format!("{cut} cut, {zeroed} zeroed");
        let mut damaged = whole[cut..].to_vec();
        damaged[..zeroed].fill(0);
        let (taken, report) = salvage(&damaged).unwrap();
        is_honest(&taken, &report, &truth, &what);
        assert!(!report.is_complete(), "{what}");
        for small in (0..200).map(|number| format!("home/f/{number:03}")) {
            let verdict = taken.verdict(&small);
            assert_eq!(verdict, Some(Verdict::Whole), "{what}: {small}");
        }
    }
}

/// The middle missing, or bytes added, and both ends damaged too.
#[test]
fn what_is_left_of_an_archive_may_stand_elsewhere() {
    let truth = truth(sources());
    let whole = archive(ParityGeometry::THREE);
    let len = whole.len();
    let middle = [&whole[..len / 3], &whole[len / 2..]].concat();
    let added = [&whole[..len / 3], &[7; 100_001][..], &whole[len / 3..]].concat();
    let both = [&whole[3000..len / 3], &whole[len / 2 + 77..len - 5000]].concat();
    for (damaged, what) in [(middle, "middle"), (added, "added"), (both, "both")] {
        let (taken, report) = salvage(&damaged).unwrap();
        is_honest(&taken, &report, &truth, what);
        let whole = report.counts.whole + report.counts.unconfirmed;
        match what {
            "added" => assert!(report.is_complete(), "{report:?}"),
            _ => assert!(whole > 200, "{what}: {report:?}"),
        }
    }
}

/// The catalogue lost, and FINAL: entries are found by the chunks (spec: SLV-4).
#[test]
fn without_the_catalogue_entries_are_complete_but_unconfirmed() {
    let small = || {
        let mut sources = sources();
        sources.retain(|source| !source.entry.path.as_bytes().starts_with(b"attachments"));
        sources
    };
    let truth = truth(small());
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings()
    };
    let whole = try_pack(small(), settings).unwrap().0;
    let map = Map::of(&whole);
    // Pages, tree, FINAL stand at the very end of so small an archive.
    let blocks: Vec<_> = map
        .sites
        .iter()
        .filter(|(site, _)| matches!(site, Site::Block(_)))
        .collect();
    let mut damaged = whole.clone();
    for (_, range) in blocks.iter().rev().take(6) {
        damaged[range.clone()].fill(0xAA);
    }
    let (taken, report) = salvage(&damaged).unwrap();
    is_honest(&taken, &report, &truth, "catalogue");
    // Entries without content need no proof; zeros at the end may stand for what could not be read.
    assert_eq!(report.counts.whole, 3, "{report:?}");
    assert_eq!(taken.verdict("sql/d"), Some(Verdict::Damaged));
    assert!(report.counts.unconfirmed > 150, "{report:?}");
    assert_eq!(taken.verdict("sql/a"), Some(Verdict::Unconfirmed));
    assert_eq!(report.unnamed, None);
}

/// An archive packed without matching has no entry that depends on another one.
#[test]
fn without_matching_no_entry_is_hit_through_copy() {
    let truth = truth(sources());
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        matching: None,
        ..settings()
    };
    let whole = try_pack(sources(), settings).unwrap().0;
    let map = Map::of(&whole);
    for block in [5, 600, 1200, 3000] {
        let mut damaged = whole.clone();
        damaged[map.range_of(Site::Block(block))].fill(0);
        let (taken, report) = salvage(&damaged).unwrap();
        is_honest(&taken, &report, &truth, &format!("block {block}"));
        let mut causes = taken.told.values().flat_map(|told| &told.missing);
        assert!(causes.all(|range| range.cause == Cause::Block));
        let hit = taken
            .told
            .values()
            .filter(|told| told.missing_len > 0)
            .count();
        assert!(hit <= 2, "{hit}");
    }
}

#[test]
fn without_any_head_or_with_another_key_nothing_is_guessed() {
    let whole = archive(ParityGeometry::NONE);
    let error = salvage(&noise("no archive", 100_000)).err().unwrap();
    assert_eq!(error.class(), ErrorClass::Unsupported);
    let mut taken = Taken::default();
    let file = file_of(&whole);
    let keys = &mut vec![key_file(99)];
    let error = salvage_file(&file, keys, &mut taken, 2, &Unobserved)
        .err()
        .unwrap();
    assert_eq!(error.class(), ErrorClass::NoKeyFits);
    assert!(taken.told.is_empty());
}

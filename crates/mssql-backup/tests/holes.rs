//! Holes in media made by the test writer: what is lost is told by page, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::ops::Range;

use jiff::civil::{DateTime, date};
use mssql_backup::lsn::Lsn;
use mssql_backup::read::{Checker, check};
use mssql_backup::report::{Medium, Report};
use mssql_backup::testing::container::wrap;
use mssql_backup::testing::{Database, Media, Product, Set, write_media};
use mssql_backup::{EXTENT_LEN, LostPages, PAGE_LEN, PageRange};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/truth.rs"]
mod truth;

use truth::{
    Random, Truth, add, check_with_holes, exact_ones_are_lost, how_told, loses_structure, told,
};

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

fn database(product: Product) -> Database {
    let mut database = Database::with_pages("Orders", 400, 320);
    database.product = product;
    database.commit(at(1));
    database
}

fn full(product: Product) -> Vec<u8> {
    let set = database(product).full(at(2));
    write_media(&Media::default(), &[set]).remove(0)
}

/// A differential of some extents here and there, and a log of many blocks.
fn chain() -> Vec<Set> {
    let mut database = database(Product::Sql2016);
    let full = database.full(at(2));
    for minute in 3..30 {
        database.commit(at(minute));
    }
    let differential = database.differential(at(30));
    let log = database.log(at(31));
    vec![full, differential, log]
}

/// Media of every kind, by their names.
fn media() -> Vec<(&'static str, Vec<u8>)> {
    let stripes = |families: u16| {
        let mut set = database(Product::Sql2019).full(at(2));
        set.has_checksums = true;
        let media = Media {
            families,
            sector: 4096,
            ..Media::default()
        };
        write_media(&media, &[set])
    };
    let chain = write_media(&Media::default(), &chain()).remove(0);
    let mut media = vec![
        ("full of 2016", full(Product::Sql2016)),
        ("full of 2019", full(Product::Sql2019)),
        ("compressed chain", wrap(&chain).bytes),
        ("chain", chain),
        (
            "compressed full of 2019",
            wrap(&full(Product::Sql2019)).bytes,
        ),
    ];
    media.extend(
        stripes(3)
            .into_iter()
            .map(|stripe| ("stripe of three", stripe)),
    );
    media
}

/// Offset of the first page of a medium that is not compressed.
fn first_page(file: &[u8]) -> usize {
    check(file).unwrap().sets[0].data_spans[0].start as usize
}

fn extents(file: &[u8], extents: Range<usize>) -> Range<usize> {
    let start = first_page(file);
    start + extents.start * EXTENT_LEN..start + extents.end * EXTENT_LEN
}

fn check_with_hole(file: &[u8], hole: Range<usize>) -> Report {
    check_with_holes(file, &[hole])
}

fn range(first: u32, last: u32, is_exact: bool) -> Option<PageRange> {
    let file = 1;
    Some(PageRange {
        file,
        first,
        last,
        is_exact,
    })
}

fn lost(offset: usize, count: u64, pages: Option<PageRange>) -> LostPages {
    let len = count * PAGE_LEN as u64;
    LostPages {
        offset: offset as u64,
        len,
        count,
        pages,
    }
}

#[test]
fn whole_extents_between_known_ones_are_named_exactly() {
    let file = full(Product::Sql2016);
    let hole = extents(&file, 3..6);
    let start = hole.start;
    let report = check_with_holes(&file, &[hole]);
    assert_eq!(told(&report), [lost(start, 24, range(24, 47, true))]);
    assert_eq!(report.sets[0].lost.page_count, 24);
    assert_eq!(report.sets[0].pages.lost, 24);
    assert!(report.is_damaged());
}

#[test]
fn a_hole_from_within_a_page_to_within_another_loses_both() {
    let file = full(Product::Sql2016);
    let start = first_page(&file);
    let hole = start + 10 * PAGE_LEN + 8191..start + 60 * PAGE_LEN + 1;
    let report = check_with_holes(&file, &[hole]);
    let offset = start + 10 * PAGE_LEN;
    assert_eq!(told(&report), [lost(offset, 51, range(10, 60, true))]);
}

#[test]
fn the_first_extents_are_named_by_what_follows_and_the_last_by_the_length_of_the_file() {
    let file = full(Product::Sql2016);
    let hole = extents(&file, 0..2);
    let start = hole.start;
    let report = check_with_holes(&file, &[hole]);
    assert_eq!(told(&report), [lost(start, 16, range(0, 15, true))]);
    // The database has 400 pages, 320 of which are in the backup.
    let hole = extents(&file, 38..40);
    let start = hole.start;
    let report = check_with_holes(&file, &[hole]);
    assert_eq!(told(&report), [lost(start, 16, range(304, 399, false))]);
}

#[test]
fn of_a_stripe_the_lost_pages_are_among_those_between() {
    let set = database(Product::Sql2016).full(at(2));
    let media = Media {
        families: 2,
        ..Media::default()
    };
    let stripes = write_media(&media, &[set]);
    let hole = extents(&stripes[0], 3..4);
    let start = hole.start;
    let report = check_with_holes(&stripes[0], &[hole]);
    // Its extents start at pages 0, 16, 32, 48 and so on.
    assert_eq!(told(&report), [lost(start, 8, range(40, 63, false))]);
}

#[test]
fn lost_log_is_told_with_the_lsns_around_it() {
    let file = write_media(&Media::default(), &chain()).remove(0);
    let whole = check(file.as_slice()).unwrap();
    let span = whole.sets[2].log_spans[0];
    let (vlf, first) = span.first;
    let start = file.windows(4).rposition(|tag| tag == b"MQTL").unwrap() + 24;
    // Blocks 3 to 5 of the log, the first and last in part.
    let hole = start + 3 * 512 + 100..start + 5 * 512 + 1;
    let report = check_with_holes(&file, &[hole]);
    let log = &report.sets[2].lost.log;
    assert_eq!(log.len(), 1);
    assert_eq!(
        (log[0].offset, log[0].len),
        ((start + 3 * 512) as u64, Some(3 * 512))
    );
    let lsn = |block: u32| {
        Some(Lsn {
            vlf,
            block: first + block,
            slot: 1,
        })
    };
    assert_eq!((log[0].from, log[0].to), (lsn(3), lsn(6)));
    assert_eq!(report.sets[2].log_spans.len(), 2);
    assert!(report.is_damaged());
    assert!(report.sets[0].lost.is_empty() && report.sets[1].lost.is_empty());
    // From its first byte on, and to its last.
    let len = (span.next.1 - first) as usize * 512;
    let report = check_with_hole(&file, start..start + 512);
    let log = &report.sets[2].lost.log;
    assert_eq!(
        (log[0].from, log[0].to, log[0].len),
        (None, lsn(1), Some(512))
    );
    let report = check_with_hole(&file, start + len - 512..start + len);
    let log = &report.sets[2].lost.log;
    assert_eq!((log.len(), log[0].to), (1, None));
    // Zeros behind the last block are nothing of the log.
    let report = check_with_hole(&file, start + len..start + len + 512);
    assert_eq!(report.sets[2].lost.log, []);
    assert!(report.is_damaged());
}

#[test]
fn compressed_blocks_behind_a_hole_are_found_and_the_lost_pages_named() {
    let container = wrap(&full(Product::Sql2016));
    let blocks: Vec<_> = container
        .structures
        .iter()
        .map(|structure| &structure.range)
        .collect();
    // The block with the most bytes is an extent; pages of it and those behind it.
    let (at, _) = blocks
        .iter()
        .enumerate()
        .max_by_key(|(_, range)| range.len())
        .unwrap();
    let at = at.clamp(6, 20);
    let hole = blocks[at].start + 40..blocks[at + 2].end - 40;
    let truth = Truth::of(&container.bytes);
    let report = check_with_holes(&container.bytes, std::slice::from_ref(&hole));
    let really = truth.lost(&[hole]);
    assert_eq!(really.len(), 24);
    let told = told(&report);
    assert_eq!(
        exact_ones_are_lost("three blocks", &told, &really),
        24,
        "{told:?}"
    );
    assert_eq!(report.sets[0].lost.page_count, 24);
    assert!(
        report.sets[0].checked.set.is_complete,
        "the end of the set is read"
    );
}

/// All that is checked of holes anywhere, in media of every kind.
#[test]
fn pages_in_holes_of_any_place_and_size_are_told() {
    let mut random = Random(3);
    let (mut in_pages, mut others) = ([0; 4], [0; 4]);
    for (kind, file) in media() {
        let truth = Truth::of(&file);
        assert!(
            check(file.as_slice())
                .unwrap()
                .sets
                .iter()
                .all(|set| set.lost.is_empty())
        );
        for round in 0..400 {
            let holes = random.holes(file.len());
            let what = format!("{kind}, round {round}, holes {holes:?}");
            let report = check_with_holes(&file, &holes);
            assert_eq!(report.len, file.len() as u64, "{what}");
            assert!(report.is_damaged() || report.fault_count > 0, "{what}");
            let (told, lost) = (told(&report), truth.lost(&holes));
            exact_ones_are_lost(&what, &told, &lost);
            let found = how_told(&told, &truth.surely_lost(&file, &holes));
            if truth.are_in_pages(&holes) {
                assert_eq!(found[3], 0, "{what}: {told:?}");
                let count: u64 = told.iter().map(|pages| pages.count).sum();
                assert!(
                    count >= found.iter().sum::<usize>() as u64,
                    "{what}: {told:?}"
                );
                add(&mut in_pages, found);
            } else {
                assert!(
                    found[3] == 0 || loses_structure(&report, truth.sets),
                    "{what}: {told:?}"
                );
                add(&mut others, found);
            }
        }
    }
    println!(
        "lost pages that are named exactly, among a range, counted without a name, not told: \
         {in_pages:?} where holes are in pages only, {others:?} where they are in descriptors too"
    );
    assert!(in_pages[0] > 0 && in_pages[1] > 0);
}

#[test]
fn a_medium_without_its_first_bytes_is_still_read() {
    let native = full(Product::Sql2016);
    for (file, kind) in [(wrap(&native).bytes, "compressed"), (native, "native")] {
        for len in [1, 7, 8, 100, 480, 1000] {
            for start in [0, 3, 4, 8, 16] {
                let hole = start..start + len;
                let report = check_with_hole(&file, hole.clone());
                assert_ne!(report.medium, Medium::Other, "{kind}, {hole:?}");
                assert!(report.is_damaged(), "{kind}, {hole:?}");
                assert_eq!(
                    report.sets.len(),
                    1,
                    "{kind}, {hole:?}: {:?}",
                    report.faults
                );
            }
        }
    }
}

#[test]
fn of_what_is_no_medium_the_lost_start_is_a_fault() {
    let report = |before: &[u8], hole: u64, behind: &[u8]| {
        let mut checker = Checker::new();
        checker.feed(before);
        checker.feed_hole(hole);
        checker.feed(behind);
        checker.finish()
    };
    let text = [b'x'; 5000];
    for lost in [
        report(b"", 10, &text),
        report(b"TA", 1, b""),
        report(b"", u64::MAX, &text),
    ] {
        assert_eq!(lost.medium, Medium::Other);
        assert!(lost.is_damaged());
        assert!(
            lost.faults[0].message.contains("bytes are not known"),
            "{:?}",
            lost.faults
        );
    }
    let known = report(&text, 10, &text);
    assert_eq!(
        (known.medium, known.fault_count, known.len),
        (Medium::Other, 0, 10_010)
    );
}

#[test]
fn a_hole_of_any_length_takes_no_time_and_no_hole_changes_nothing() {
    for (kind, file) in media() {
        for start in [0, 9, 600, 5000, file.len() / 2, file.len()] {
            let mut checker = Checker::new();
            checker.feed(&file[..start]);
            checker.feed_hole(u64::MAX);
            checker.feed_hole(u64::MAX);
            checker.feed(&file[start..]);
            assert!(checker.finish().is_damaged(), "{kind} from {start} on");
        }
        let mut checker = Checker::new();
        for piece in file.chunks(7001) {
            checker.feed(piece);
            checker.feed_hole(0);
        }
        same(kind, &checker.finish(), &check(file.as_slice()).unwrap());
    }
}

fn same(kind: &str, one: &Report, other: &Report) {
    assert!(format!("{one:?}") == format!("{other:?}"), "{kind}");
}

#[test]
fn changed_bytes_and_holes_together_stop_nothing() {
    let mut random = Random(11);
    for (kind, whole) in media() {
        for round in 0..200 {
            let mut file = whole.clone();
            let first = random.below(file.len());
            for _ in 0..random.below(40) {
                // Many close together, where descriptors are, and some anywhere.
                let near = first + random.below(6000);
                let at = [near, random.below(file.len())][random.below(2)];
                if let Some(byte) = file.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
            let holes = random.holes(file.len());
            let report = check_with_holes(&file, &holes);
            assert_eq!(report.len, file.len() as u64, "{kind}, round {round}");
            assert!(report.is_damaged(), "{kind}, round {round}");
        }
    }
}

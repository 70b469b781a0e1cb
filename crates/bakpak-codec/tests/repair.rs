//! What was damaged is what it was, or is told as lost.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::ErrorClass;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::random::Random;
use bakpak_codec::repair::{RepairReport, assess, repair, repair_in_place};
use bakpak_format::check_page::PageLists;
use bakpak_format::geometry::{BlockSize, ParityGeometry, StripeIndex};
use bakpak_format::header::Head;
use bakpak_format::tail::{LOCATOR_LEN, Locator};
use std::fs::File;
use std::io::{Read, Seek};
use support::regions::{Map, Region, Site};
use support::*;

/// An archive whose second half is one file that does not compress.
fn archive(len: usize, parity: ParityGeometry, with_envelope: bool) -> Vec<u8> {
    let items = vec![item(6, "secret", b"the secret")];
    let settings = PackSettings {
        parity,
        block_size: Some(BlockSize::FOUR_KIB),
        envelope: with_envelope.then(|| envelope(items)).flatten(),
        ..settings()
    };
    let sources = vec![
        file("sql/orders.bak", noise("orders", len)),
        file("home/log", log(1, 2000)),
    ];
    try_pack(sources, settings).unwrap().0
}

/// What a repair makes of a file: nothing if it says that something is lost.
fn repaired(damaged: &[u8]) -> (RepairReport, Option<Vec<u8>>) {
    let output = tempfile::tempfile().unwrap();
    let file = file_of(damaged);
    let report = repair(&file, &output, 2, &Unobserved).unwrap();
    let assessed = assess(&file, 1, &Unobserved).unwrap();
    assert_eq!(assessed.lost, report.lost);
    assert_eq!(assessed.mended, report.mended);
    let mended = report.is_complete().then(|| content(output));
    (report, mended)
}

fn content(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn is_mended(whole: &[u8], damaged: &[u8], what: &str) {
    let (report, mended) = repaired(damaged);
    assert!(report.is_complete(), "{what}: {:?}", report.lost);
    assert!(mended.unwrap() == whole, "{what}: other bytes");
    assert_eq!(report.was_whole(), whole == damaged, "{what}");
    in_place(whole, damaged, &report, what);
}

/// Mended in place it is the same, unless parts of it stand elsewhere (spec: RPR-10).
fn in_place(whole: &[u8], damaged: &[u8], report: &RepairReport, what: &str) {
    let file = file_of(damaged);
    let again = repair_in_place(&file, 2, &Unobserved).unwrap();
    assert_eq!(again.is_moved, report.is_moved, "{what}");
    let expected = if report.is_moved { damaged } else { whole };
    assert!(content(file) == expected, "{what}: in place");
}

fn is_lost(damaged: &[u8], what: &str) {
    let (report, _) = repaired(damaged);
    assert!(!report.is_complete(), "{what}: nothing is lost");
    let file = file_of(damaged);
    repair_in_place(&file, 1, &Unobserved).unwrap();
    assert!(content(file) == damaged, "{what}: it was changed in place");
}

#[test]
fn repairing_a_whole_archive_changes_nothing() {
    for parity in ParityGeometry::all() {
        for (len, with_envelope) in [(0, false), (3000, true), (60_000, true), (2_300_000, false)] {
            let whole = archive(len, parity, with_envelope);
            is_mended(&whole, &whole, &format!("{parity:?}, {len}"));
        }
    }
}

/// Everything but blocks has copies: any one structure may be lost, with parity or without.
#[test]
fn any_one_structure_but_blocks_comes_back_from_its_copies() {
    for parity in [ParityGeometry::NONE, ParityGeometry::THREE] {
        let whole = archive(60_000, parity, true);
        for region in regions(&whole) {
            let is_one = match region.site {
                Site::Block(_) => false,
                // The only check page of a stripe has no copy.
                Site::CheckPage(_) => parity != ParityGeometry::NONE,
                _ => true,
            };
            if !is_one {
                continue;
            }
            for (how, damaged) in damages(&whole, &region) {
                is_mended(&whole, &damaged, &format!("{how}: {}", region.name));
            }
        }
    }
}

#[test]
fn without_parity_a_block_is_lost_and_named() {
    let whole = archive(60_000, ParityGeometry::NONE, false);
    let map = Map::of(&whole);
    let range = map.range_of(Site::Block(3));
    let mut damaged = whole;
    damaged[range.start + 700] ^= 1;
    let (report, _) = repaired(&damaged);
    let lost: Vec<_> = report
        .lost
        .iter()
        .map(|f| (f.block, &f.sectors[..]))
        .collect();
    assert_eq!(lost, [(Some(3), &[0][..])]);
    is_lost(&damaged, "a block");
}

/// A lost sector of the only check page is computed from the blocks, which are whole, and the root
/// proves it.
#[test]
fn a_lost_sector_of_the_only_check_page_is_computed_from_whole_blocks() {
    let whole = archive(700_000, ParityGeometry::NONE, true);
    let page = Map::of(&whole).range_of(Site::CheckPage(0));
    for sector in 0..(page.len() / 4096) {
        let mut damaged = whole.clone();
        damaged[page.start + sector * 4096..][..4096].fill(0);
        is_mended(&whole, &damaged, &format!("sector {sector}"));
    }
}

/// As many blocks in a row as the stripe has parity blocks, less a sector, at any place.
#[test]
fn bursts_are_mended_up_to_the_length_of_the_parity() {
    for (parity, len) in [
        (ParityGeometry::ONE_AND_A_HALF, 900_000),
        (ParityGeometry::THREE, 2_300_000),
        (ParityGeometry::TWELVE, 2_300_000),
    ] {
        let whole = archive(len, parity, true);
        let head = Head::decode(&whole[..4096]).unwrap();
        let geometry = head.geometry();
        let counts = Map::of(&whole).sites;
        let blocks = counts
            .iter()
            .filter(|(site, _)| matches!(site, Site::Block(_)));
        let layout = geometry.stripe(blocks.count() as u64, StripeIndex(0));
        let burst = layout.parity_count * 4096 - 4096;
        let start = layout.offset.0 as usize;
        let end = start + geometry.stripe_len(layout.data_count) as usize - burst;
        let step = 4096 * 7 + 1000;
        for (number, at) in (start..end).step_by(step).enumerate() {
            let mut damaged = whole.clone();
            let junk = noise(&format!("burst {number}"), burst);
            damaged[at..at + burst].copy_from_slice(&junk);
            is_mended(&whole, &damaged, &format!("{parity:?}: burst at {at}"));
        }
    }
}

#[test]
fn more_than_the_parity_is_lost_and_nothing_is_written() {
    let whole = archive(1_100_000, ParityGeometry::ONE_AND_A_HALF, false);
    let map = Map::of(&whole);
    let mut damaged = whole;
    for index in 10..17 {
        let range = map.range_of(Site::Block(index));
        damaged[range].fill(0);
    }
    let (report, _) = repaired(&damaged);
    // Seven in a row are four of one group and three of the other, which has as many parity blocks.
    let blocks: Vec<_> = report.lost.iter().filter_map(|f| f.block).collect();
    assert_eq!(blocks, [10, 12, 14, 16]);
    is_lost(&damaged, "seven blocks");
}

/// Random sectors, far apart and close together.
#[test]
fn scattered_sectors_are_mended() {
    let whole = archive(2_300_000, ParityGeometry::THREE, true);
    for seed in 0..30_u64 {
        let mut random = Random::seeded(&seed.to_le_bytes());
        let mut damaged = whole.clone();
        for _ in 0..6 {
            let at: [u8; 8] = random.array().unwrap();
            let sectors = (whole.len() / 4096) as u64;
            let sector = (u64::from_le_bytes(at) % sectors) as usize;
            damaged[sector * 4096..][..4096].fill(0x55);
        }
        is_mended(&whole, &damaged, &format!("seed {seed}"));
    }
}

/// Bytes that are missing, or were added, move all that follows.
#[test]
fn lost_and_added_bytes_are_made_good() {
    let whole = archive(900_000, ParityGeometry::THREE, true);
    let len = whole.len();
    for at in (1..len - 1).step_by(len / 23) {
        for missing in [1, 511, 4096, 4097, 13_000] {
            if at + missing < len {
                let damaged = [&whole[..at], &whole[at + missing..]].concat();
                is_mended(&whole, &damaged, &format!("{missing} bytes cut at {at}"));
            }
        }
        for added in [1, 4096, 70_000] {
            let junk = noise("junk", added);
            let damaged = [&whole[..at], &junk, &whole[at..]].concat();
            is_mended(&whole, &damaged, &format!("{added} bytes added at {at}"));
        }
    }
}

#[test]
fn trailing_bytes_are_dropped_and_a_lost_end_is_made_anew() {
    let whole = archive(900_000, ParityGeometry::THREE, true);
    for added in [1, 4096, 100_000] {
        let damaged = [&whole[..], &noise("trailing", added)].concat();
        is_mended(&whole, &damaged, &format!("{added} bytes behind it"));
    }
    // The tail, and then parity too.
    for missing in [1, 256, 5000, 20_000, 40_000] {
        let damaged = &whole[..whole.len() - missing];
        is_mended(
            &whole,
            damaged,
            &format!("{missing} bytes missing at its end"),
        );
    }
}

#[test]
fn swapped_and_repeated_blocks_are_put_where_they_belong() {
    let whole = archive(900_000, ParityGeometry::NONE, false);
    let map = Map::of(&whole);
    let [a, b] = [5, 90].map(|index| map.range_of(Site::Block(index)));
    let mut swapped = whole.clone();
    swapped[a.clone()].copy_from_slice(&whole[b.clone()]);
    swapped[b].copy_from_slice(&whole[a.clone()]);
    is_mended(&whole, &swapped, "two blocks swapped");
    let repeated = [&whole[..a.end], &whole[a.start..]].concat();
    is_mended(&whole, &repeated, "a block repeated");
}

#[test]
fn files_that_are_no_archives_are_not_repaired() {
    for (bytes, class) in [
        (&b""[..], ErrorClass::Truncated),
        (b"bakpak archive 1-draft\n", ErrorClass::Truncated),
        (b"bakpak archive 2\n", ErrorClass::Unsupported),
        (&noise("any", 100_000), ErrorClass::Unsupported),
    ] {
        let error = assess(&file_of(bytes), 1, &Unobserved).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
    }
}

fn regions(archive: &[u8]) -> Vec<Region> {
    Map::of(archive).regions
}

/// One bit, all zeros, all ones, noise.
fn damages(whole: &[u8], region: &Region) -> Vec<(&'static str, Vec<u8>)> {
    let range = region.range.clone();
    let with = |how: &'static str, change: &dyn Fn(&mut [u8])| {
        let mut bytes = whole.to_vec();
        change(&mut bytes[range.clone()]);
        (how, bytes)
    };
    vec![
        with("flip", &|bytes| bytes[bytes.len() / 2] ^= 1),
        with("zero", &|bytes| bytes.fill(0)),
        with("ones", &|bytes| bytes.fill(0xFF)),
        with("noise", &|bytes| {
            bytes.copy_from_slice(&noise("n", bytes.len()))
        }),
    ]
}

/// A locator that tells of more blocks than any file has: no work is done for them.
#[test]
fn a_made_up_number_of_blocks_asks_for_no_work() {
    let whole = archive(60_000, ParityGeometry::THREE, false);
    let geometry = Head::decode(&whole[..4096]).unwrap().geometry();
    let locator = Locator::decode(whole.last_chunk().unwrap()).unwrap();
    for block_count in [1 << 20, 1 << 45, u64::MAX] {
        let locator = Locator {
            block_count,
            tail_offset: geometry.tail_offset(block_count),
            ..locator.unwrap()
        };
        let end = whole.len() - LOCATOR_LEN;
        let hostile = [&whole[..end], &locator.encode()].concat();
        // The check page of the last stripe says how many there are.
        is_mended(&whole, &hostile, &format!("{block_count} blocks"));
        let cut = [&whole[..13_000], &locator.encode()].concat();
        assess(&file_of(&cut), 1, &Unobserved).unwrap_err();
    }
}

/// Blocks of which lost sectors of both check pages tell neither the hash nor the CRC, one of them
/// damaged: what is believed of them first is wrong, and must not be written.
#[test]
fn what_was_believed_wrongly_is_not_written_in_place() {
    let whole = archive(802_000, ParityGeometry::TWELVE, false);
    let map = Map::of(&whole);
    let geometry = Head::decode(&whole[..4096]).unwrap().geometry();
    let is_block = |(site, _): &&(Site, _)| matches!(site, Site::Block(_));
    let block_count = map.sites.iter().filter(is_block).count();
    let layout = geometry.stripe(block_count as u64, StripeIndex(0));
    let lists = PageLists::new(&geometry, &layout);
    let is_lost = |range: std::ops::Range<usize>| range.start < 8192 && range.end > 4096;
    let unproved = (0..layout.data_count)
        .filter(|shard| is_lost(lists.hash(*shard)) && is_lost(lists.crc(*shard, 0)));
    let unproved: Vec<usize> = unproved.collect();
    assert!((1..=layout.parity_count).contains(&unproved.len()));
    let mut damaged = whole.clone();
    for page in [Site::CheckPage(0), Site::SecondPage(0)] {
        let start = map.range_of(page).start + 4096;
        damaged[start..start + 4096].fill(0);
    }
    is_mended(&whole, &damaged, "both check pages");
    let block = map.range_of(Site::Block(unproved[0] as u64));
    damaged[block.start + 700] ^= 1;
    is_mended(&whole, &damaged, "both check pages and a block");
}

//! Broken media: what is wrong is found and named, and nothing panics.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

use std::collections::BTreeSet;

use jiff::civil::{DateTime, date};
use mssql_backup::check::{Level, PageId};
use mssql_backup::read::check;
use mssql_backup::report::{Medium, Report};
use mssql_backup::testing::container::{StructureKind, wrap};
use mssql_backup::testing::{Database, Media, PageVerify, Product, write_media};
use proptest::prelude::*;

const PAGE_LEN: usize = 8192;

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

fn read(file: &[u8]) -> Report {
    check(file).unwrap()
}

/// A full backup of 64 pages, 40 of them allocated, and a log backup behind it.
fn small(has_checksums: bool, verify: PageVerify) -> Vec<u8> {
    let mut database = Database::with_pages("Orders", 64, 40);
    database.product = Product::Sql2016;
    database.page_verify = verify;
    database.commit(at(1));
    let mut sets = [database.full(at(2)), database.log(at(3))];
    for set in &mut sets {
        set.has_checksums = has_checksums;
    }
    write_media(&Media::default(), &sets).remove(0)
}

/// Offset of the first page of the first data section.
fn first_page(file: &[u8]) -> usize {
    let header = file.windows(4).position(|tag| tag == b"MQDA").unwrap();
    let start = header + 22 + 2;
    assert_eq!(start % 512, 0);
    start
}

fn names(report: &Report, page: PageId) -> bool {
    report.faults.iter().any(|fault| fault.page == Some(page))
}

#[test]
fn any_changed_byte_of_a_page_with_a_checksum_names_the_page() {
    let whole = small(false, PageVerify::Checksum);
    let start = first_page(&whole);
    // The map of bulk changes, page 7, has no checksum.
    for page in (0..40_u32).filter(|page| *page != 7) {
        let offset = start + page as usize * PAGE_LEN;
        // Every byte of the header, some of the body; all bits of a byte in turn.
        let bytes = (0..96).chain((96..PAGE_LEN).step_by(509));
        for byte in bytes {
            for change in [1, 0x20, 0xFF] {
                let mut file = whole.clone();
                file[offset + byte] ^= change;
                let report = read(&file);
                let id = PageId { file: 1, page };
                let faults: Vec<_> = report.faults.iter().map(|fault| &fault.message).collect();
                assert!(names(&report, id), "byte {byte} of page {id}: {faults:#?}");
                assert!(report.is_damaged());
            }
        }
    }
}

#[test]
fn a_torn_page_is_named() {
    let mut file = small(false, PageVerify::TornPageDetection);
    let page = first_page(&file) + 20 * PAGE_LEN;
    file[page + 5 * 512 + 511] ^= 3;
    assert!(names(&read(&file), PageId { file: 1, page: 20 }));
}

#[test]
fn every_truncation_is_reported_as_truncated() {
    let whole = small(true, PageVerify::Checksum);
    for len in 0..whole.len() {
        if len > 20_000 && !len.is_multiple_of(97) && len < whole.len() - 20_000 {
            continue;
        }
        let report = read(&whole[..len]);
        if len < 4 {
            assert_eq!(report.medium, Medium::Other, "{len} bytes tell nothing");
            continue;
        }
        let truncated = |message: &str| message.starts_with("truncated: ");
        let told = report.faults.iter().any(|fault| truncated(&fault.message));
        // A file that ends with its first set is whole: the second was not appended yet.
        let ends_whole = is_after_a_set(&whole, len);
        assert_eq!(told, !ends_whole, "cut to {len} of {}", whole.len());
        assert_eq!(report.is_damaged(), !ends_whole, "cut to {len}");
    }
}

/// Whether the next thing would be the start of another set.
fn is_after_a_set(file: &[u8], len: usize) -> bool {
    file[len..].starts_with(b"SSET") && len > 2000
}

#[test]
fn every_changed_byte_of_media_with_checksums_is_found_but_in_padding() {
    let whole = small(true, PageVerify::Checksum);
    let start = first_page(&whole);
    let pages = start..start + 40 * PAGE_LEN;
    let mut missed = Vec::new();
    for offset in (0..whole.len()).filter(|offset| !pages.contains(offset)) {
        let mut file = whole.clone();
        file[offset] ^= 0x11;
        if !read(&file).is_damaged() {
            missed.push(offset);
        }
    }
    // What no checksum covers: zeros that fill, and texts of descriptor blocks.
    let padding = missed.iter().filter(|offset| whole[**offset] == 0).count();
    let texts = missed.len() - padding;
    println!(
        "{} of {} bytes outside of pages are not covered",
        missed.len(),
        whole.len()
    );
    assert!(
        texts < 1500,
        "{texts} bytes that are not zero are not covered: {missed:?}"
    );
}

#[test]
fn a_page_in_the_place_of_another_is_found() {
    let mut file = small(false, PageVerify::Checksum);
    let start = first_page(&file);
    let page = file[start + 20 * PAGE_LEN..start + 21 * PAGE_LEN].to_vec();
    file[start + 30 * PAGE_LEN..start + 31 * PAGE_LEN].copy_from_slice(&page);
    assert!(names(&read(&file), PageId { file: 1, page: 30 }));
}

#[test]
fn pages_that_are_not_there_are_found() {
    let mut file = small(false, PageVerify::Checksum);
    let start = first_page(&file);
    // Zeroed, as by a disk that lost them.
    file[start + 16 * PAGE_LEN..start + 32 * PAGE_LEN].fill(0);
    let report = read(&file);
    assert!(names(&report, PageId { file: 1, page: 16 }));
    assert!(names(&report, PageId { file: 1, page: 31 }));
    assert!(report.is_damaged());
}

#[test]
fn what_follows_a_broken_descriptor_is_still_read() {
    let whole = small(true, PageVerify::Checksum);
    let second = whole.windows(4).rposition(|tag| tag == b"SSET").unwrap();
    for tag in [b"VOLB", b"MSCI", b"MSDA", b"MSTL", b"MSLS", b"ESET"] {
        let mut file = whole.clone();
        let block = file.windows(4).position(|bytes| bytes == tag).unwrap();
        assert!(block < second);
        file[block + 8] ^= 0x55;
        let report = read(&file);
        assert!(report.is_damaged());
        assert_eq!(report.sets.len(), 2, "{}", tag.escape_ascii());
        assert!(
            !report.sets[1].checked.is_damaged(),
            "{}",
            tag.escape_ascii()
        );
        let fault = report
            .faults
            .iter()
            .find(|fault| fault.level == Level::Descriptors);
        assert_eq!(fault.unwrap().offset, block as u64);
    }
}

#[test]
fn any_changed_byte_of_a_compressed_backup_names_the_block_or_structure() {
    let container = wrap(&small(true, PageVerify::Checksum));
    assert!(!read(&container.bytes).is_damaged());
    let mut missed = 0;
    for (place, structure) in container.structures.iter().enumerate() {
        // Every byte of what is around the payloads, some of these.
        let bytes = structure.range.clone();
        let head = bytes.clone().take(96);
        for offset in head.chain(bytes.clone().step_by(211)) {
            let mut file = container.bytes.clone();
            file[offset] ^= 0x24;
            let report = read(&file);
            let is_vector = matches!(structure.kind, StructureKind::Block(_))
                && (bytes.start + 4..bytes.start + 20).contains(&offset);
            if is_vector {
                missed += 1;
                continue;
            }
            let faults = report.faults.iter();
            let mut faults = faults.filter(|fault| fault.level == Level::CompressedBlocks);
            let named = faults.any(|fault| fault.offset == bytes.start as u64);
            let messages: Vec<_> = report.faults.iter().map(|fault| &fault.message).collect();
            assert!(
                named,
                "byte {offset} of structure {place} at {bytes:?}: {messages:#?}"
            );
        }
    }
    assert!(missed > 0, "no block has bytes that mean nothing");
}

#[test]
fn a_damaged_block_leaves_the_rest_readable_and_names_its_pages() {
    let container = wrap(&small(true, PageVerify::Checksum));
    let blocks = container.structures.iter();
    let blocks: Vec<_> = blocks
        .filter(|one| matches!(one.kind, StructureKind::Block(_)))
        .collect();
    // The second block of the data: descriptors and the first extents are before it.
    let block = blocks[3];
    let mut file = container.bytes.clone();
    file[block.range.start + 100] ^= 1;
    let report = read(&file);
    // By its extent, or by the allocation map where all of its extent is gone.
    let named: BTreeSet<_> = report
        .faults
        .iter()
        .filter_map(|fault| fault.page)
        .collect();
    let faults: Vec<_> = report.faults.iter().map(|fault| &fault.message).collect();
    assert_eq!(report.sets.len(), 2);
    assert!(!report.sets[1].checked.is_damaged());
    // A block holds up to seven pages and parts of two.
    let lost = report.sets[0].pages.lost;
    assert!((1..=9).contains(&lost), "{lost} pages lost: {faults:#?}");
    assert_eq!(named.len() as u64, lost, "{faults:#?}");
}

#[test]
fn every_truncation_of_a_compressed_backup_is_reported_as_truncated() {
    let container = wrap(&small(false, PageVerify::Checksum));
    let first_set_ends = container
        .stream
        .windows(4)
        .rposition(|tag| tag == b"SSET")
        .unwrap();
    let whole = read(&container.bytes);
    assert_eq!(whole.sets[1].checked.set.offset, first_set_ends as u64);
    let mut whole_cuts = 0;
    for len in (0..container.bytes.len()).filter(|len| len % 13 == 0 || *len < 2048) {
        let report = read(&container.bytes[..len]);
        let truncated = |message: &str| message.starts_with("truncated: ");
        let told = report.faults.iter().any(|fault| truncated(&fault.message));
        if report.sets.len() == 1 && !report.is_damaged() {
            // Cut right behind the first set: a whole medium with one set.
            whole_cuts += 1;
            continue;
        }
        assert!(told || len < 8, "cut to {len}: {:?}", report.faults);
    }
    assert!(whole_cuts <= 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..64),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = small(true, PageVerify::Checksum);
        file.truncate(cut.index(file.len()) + 1);
        for (place, value) in changes {
            // Descriptors are where it hurts: most changes go there.
            let len = if value % 4 == 0 { file.len() } else { file.len().min(8192) };
            let index = place.index(len);
            file[index] = value;
            repair_checksums(&mut file);
        }
        let _ = read(&file);
    }
}

/// Makes the checksums of the first descriptors right again, so that what is behind them is
/// read.
fn repair_checksums(file: &mut [u8]) {
    for block in (0..file.len().min(8192)).step_by(512) {
        let Some(bytes) = file.get_mut(block..block + 52) else {
            return;
        };
        let words = bytes[..0x32]
            .as_chunks()
            .0
            .iter()
            .map(|word| u16::from_le_bytes(*word));
        let sum = words.fold(0, |sum, word| sum ^ word);
        if bytes[..4].iter().all(u8::is_ascii_uppercase) {
            bytes[0x32..0x34].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

//! Damage done to real backups is named; the files lie beside the repository, see `corpus.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use mssql_backup::check::{Level, PageId};
use mssql_backup::container::block::{BlockHeader, VECTOR};
use mssql_backup::container::{ContainerHeader, FIXED_LEN, MAGIC};
use mssql_backup::read::check;
use mssql_backup::report::Report;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;

#[path = "support/corpus.rs"]
mod corpus;

use corpus::backups;

const PAGE_LEN: usize = 8192;

/// Numbers that are the same on every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

fn read(bytes: &[u8]) -> Report {
    check(bytes).unwrap()
}

fn messages(report: &Report) -> Vec<&str> {
    report
        .faults
        .iter()
        .take(5)
        .map(|fault| fault.message.as_str())
        .collect()
}

/// Offsets of the pages with a checksum that holds in an uncompressed medium, with their names.
fn pages(bytes: &[u8]) -> Vec<(usize, PageId)> {
    let mut found = Vec::new();
    for offset in (0..bytes.len().saturating_sub(PAGE_LEN)).step_by(512) {
        let page = &bytes[offset..offset + PAGE_LEN];
        let field = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().unwrap());
        let has_checksum = page[0] == 1 && page[5] & 2 != 0 && page[1] != 101;
        if has_checksum && written_out(page) == field(0x3C) {
            let file = u16::from_le_bytes([page[0x24], page[0x25]]);
            found.push((
                offset,
                PageId {
                    file,
                    page: field(0x20),
                },
            ));
        }
    }
    found
}

/// The checksum of a page, as the format's description has it.
fn written_out(page: &[u8]) -> u32 {
    let mut sum = 0;
    for (sector, bytes) in page.chunks(512).enumerate() {
        let mut xor = 0;
        for (word, bytes) in bytes.chunks(4).enumerate() {
            if (sector, word) != (0, 15) {
                xor ^= u32::from_le_bytes(bytes.try_into().unwrap());
            }
        }
        sum ^= xor.rotate_left(15 - sector as u32);
    }
    sum
}

#[test]
fn any_changed_byte_of_a_page_with_a_checksum_names_the_page() {
    let mut random = Random(1);
    let (mut files, mut changes) = (0, 0);
    for (name, whole) in backups() {
        if whole.starts_with(&MAGIC) {
            continue;
        }
        let pages = pages(&whole);
        for _ in 0..150.min(3 * pages.len()) {
            let (offset, id) = pages[random.below(pages.len())];
            // Half of them in the header, where a page tells what it is.
            let len = if random.below(2) == 0 { 96 } else { PAGE_LEN };
            let byte = random.below(len);
            let mut damaged = whole.clone();
            damaged[offset + byte] ^= 1 + random.below(255) as u8;
            let report = read(&damaged);
            let is_named = report.faults.iter().any(|fault| fault.page == Some(id));
            assert!(
                is_named,
                "{name}: byte {byte} of page {id}: {:?}",
                messages(&report)
            );
            changes += 1;
        }
        files += usize::from(!pages.is_empty());
    }
    println!("{files} files of the corpus read, {changes} changes");
}

#[test]
fn any_changed_byte_of_a_compressed_backup_names_the_block() {
    let mut random = Random(2);
    let mut files = 0;
    for (name, whole) in backups() {
        let Some(container) = whole.first_chunk().and_then(ContainerHeader::decode) else {
            continue;
        };
        for _ in 0..300 {
            let offset = FIXED_LEN + random.below(whole.len() - FIXED_LEN);
            let block = block_around(&whole, &container, offset);
            // These bytes of a block mean nothing.
            if block.is_some_and(|start| VECTOR.contains(&(offset - start))) {
                continue;
            }
            let mut damaged = whole.clone();
            damaged[offset] ^= 1 + random.below(255) as u8;
            let report = read(&damaged);
            assert!(report.is_damaged(), "{name}: byte {offset}");
            if let Some(start) = block {
                let mut faults = report.faults.iter();
                let is_named = faults.any(|fault| {
                    fault.level == Level::CompressedBlocks && fault.offset == start as u64
                });
                assert!(is_named, "{name}: byte {offset}: {:?}", messages(&report));
            }
        }
        files += 1;
    }
    println!("{files} files of the corpus read");
}

/// Where the compressed block starts that holds this byte, if one does.
fn block_around(whole: &[u8], container: &ContainerHeader, offset: usize) -> Option<usize> {
    const HEADER_LEN: usize = 28;
    let starts = (FIXED_LEN..=offset).rev().filter(|start| {
        let header = whole.get(*start..*start + HEADER_LEN);
        header.is_some_and(|header| BlockHeader::decode(header, container).is_some())
    });
    // The nearest whose payload reaches over the byte and has its checksum.
    let mut within = starts.filter(|start| {
        let header = BlockHeader::decode(&whole[*start..*start + HEADER_LEN], container).unwrap();
        let len = header.len();
        let stored = u32::from_le_bytes(whole[*start + 24..*start + 28].try_into().unwrap());
        let payload = whole.get(*start + HEADER_LEN..*start + len);
        offset < *start + len
            && payload
                .is_some_and(|bytes| mssql_backup::container::block::checksum(bytes) == stored)
    });
    within.next()
}

#[test]
fn every_truncation_is_told() {
    let mut random = Random(3);
    let mut files = 0;
    for (name, whole) in backups() {
        for _ in 0..40 {
            let len = 8 + random.below(whole.len() - 8);
            let report = read(&whole[..len]);
            let mut faults = report.faults.iter();
            let is_told = faults.any(|fault| fault.message.starts_with("truncated: "));
            // Cut right behind a set: a whole medium with fewer sets.
            let is_whole = whole[len..].starts_with(b"SSET");
            assert!(
                is_told != is_whole,
                "{name} cut to {len}: {:?}",
                messages(&report)
            );
        }
        files += 1;
    }
    println!("{files} files of the corpus read");
}

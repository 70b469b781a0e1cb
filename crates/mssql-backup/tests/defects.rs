//! One defect each, done to a whole medium: the level that must notice it does, and no other set is
//! blamed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

use jiff::civil::{DateTime, date};
use mssql_backup::check::{Level, Outcome};
use mssql_backup::read::check;
use mssql_backup::report::Report;
use mssql_backup::set::Flags;
use mssql_backup::testing::{Database, Media, Product, Set, write_media};

const PAGE_LEN: usize = 8192;

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

/// A full backup of 40 pages, and a log of ten transactions.
fn sets() -> [Set; 2] {
    let mut database = Database::with_pages("Orders", 64, 40);
    database.product = Product::Sql2016;
    let full = database.full(at(1));
    (2..12).for_each(|minute| database.commit(at(minute)));
    [full, database.log(at(20))]
}

fn written(sets: &[Set]) -> Vec<u8> {
    write_media(&Media::default(), sets).remove(0)
}

fn places(file: &[u8], tag: &[u8]) -> Vec<usize> {
    let windows = file.windows(tag.len()).enumerate();
    windows
        .filter(|(_, found)| *found == tag)
        .map(|(place, _)| place)
        .collect()
}

/// Where the first page stands.
fn pages(file: &[u8]) -> usize {
    places(file, b"MQDA")[0] + 24
}

/// Where the log of the last set stands.
fn log(file: &[u8]) -> usize {
    places(file, b"MQTL").last().unwrap() + 24
}

fn read(file: &[u8]) -> Report {
    check(file).unwrap()
}

fn outcome(report: &Report, set: usize, level: Level) -> Outcome {
    let levels = &report.sets[set].checked.levels;
    let found = levels.iter().find(|report| report.level == level);
    found
        .unwrap_or_else(|| panic!("nothing is said of {level:?}"))
        .outcome
        .clone()
}

/// The level fails in one of the two sets, and the other one is whole.
fn assert_fails(file: &[u8], set: usize, level: Level) {
    let report = read(file);
    let faults: Vec<_> = report.faults.iter().map(|fault| &fault.message).collect();
    assert_eq!(outcome(&report, set, level), Outcome::Failed, "{faults:#?}");
    assert!(!report.sets[1 - set].checked.is_damaged(), "{faults:#?}");
}

#[test]
fn it_is_whole_before() {
    let report = read(&written(&sets()));
    assert!(!report.is_damaged());
    assert_eq!(outcome(&report, 1, Level::LogContinuity), Outcome::Passed);
    assert_eq!(outcome(&report, 0, Level::Allocation), Outcome::Passed);
}

#[test]
fn a_log_that_lacks_blocks_is_noticed_wherever_they_stood() {
    let whole = written(&sets());
    let start = log(&whole);
    // Ten commits, and what the full backup wrote before them.
    let blocks = 12;
    for block in [0, 4, blocks - 1] {
        let mut file = whole.clone();
        // What follows moves up, as if the block had never been.
        let (from, end) = (start + (block + 1) * 512, start + PAGE_LEN);
        file.copy_within(from..end, from - 512);
        assert_fails(&file, 1, Level::LogContinuity);
    }
    let mut file = whole.clone();
    file[start..start + blocks * 512].fill(0);
    assert_fails(&file, 1, Level::LogContinuity);
    let mut file = whole;
    file[start + blocks * 512 + 100] = 1;
    assert_fails(&file, 1, Level::LogContinuity);
}

#[test]
fn a_changed_log_block_is_noticed_by_its_checksum() {
    let mut file = written(&sets());
    let start = log(&file);
    file[start + 3 * 512 + 200] ^= 1;
    assert_fails(&file, 1, Level::LogBlocks);
}

#[test]
fn what_sql_server_calls_damaged_is() {
    let [mut full, log] = sets();
    full.flags = Flags::DAMAGED;
    assert_fails(&written(&[full, log]), 0, Level::Completeness);
}

#[test]
fn checksums_that_were_promised_must_be_there() {
    let [mut full, log] = sets();
    full.flags = Flags::BACKUP_CHECKSUMS;
    assert_fails(&written(&[full, log]), 0, Level::BackupChecksums);
}

#[test]
fn a_page_that_no_checksum_covers_is_covered_by_that_of_the_backup() {
    let [mut full, log] = sets();
    full.has_checksums = true;
    let mut file = written(&[full, log]);
    let map_of_bulk_changes = pages(&file) + 7 * PAGE_LEN;
    file[map_of_bulk_changes + 4000] ^= 1;
    assert_fails(&file, 0, Level::BackupChecksums);
}

#[test]
fn identities_that_contradict_each_other_are_noticed() {
    let whole = written(&sets());
    let start = places(&whole, b"SSET")[0];
    // `BackupSetGUID`, and the start date.
    for offset in [0x64, 0x5A] {
        let mut file = whole.clone();
        file[start + offset] ^= 0x01;
        assert_fails(&file, 0, Level::Addresses);
    }
}

#[test]
fn a_changed_byte_of_the_configuration_is_noticed_in_either_copy() {
    let whole = written(&sets());
    // `SCIN` of the full backup: first, last and checkpoint LSN, fork LSN, database name.
    for copy in &places(&whole, b"SCIN")[..2] {
        for offset in [0x22, 0x2C, 0x36, 0x94, 0x192] {
            let mut file = whole.clone();
            file[copy + offset] ^= 0x01;
            assert_fails(&file, 0, Level::Configuration);
        }
    }
}

#[test]
fn a_file_that_grew_meanwhile_is_no_fault_and_one_that_shrank_is() {
    let whole = written(&sets());
    // The start and the end copy of the full backup's log file.
    let files = places(&whole, b"SFIN");
    for (copy, is_wrong) in [(files[3], false), (files[1], true)] {
        let mut file = whole.clone();
        file[copy + 0x2B] += 1;
        assert_eq!(read(&file).is_damaged(), is_wrong);
    }
}

#[test]
fn data_that_is_no_data_is_noticed_whatever_remains_of_it() {
    let whole = written(&sets());
    let start = pages(&whole);
    let noise = |byte: usize| (byte as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0];
    // All of it overwritten; the first extent gone, with header and maps; a part of one page.
    let noisy = start..start + 40 * PAGE_LEN;
    let mut file = whole.clone();
    file[noisy.clone()]
        .iter_mut()
        .zip(noisy)
        .for_each(|(byte, at)| *byte = noise(at));
    assert_fails(&file, 0, Level::Pages);
    let mut file = whole.clone();
    file[start..start + 8 * PAGE_LEN].fill(0);
    assert_fails(&file, 0, Level::Allocation);
    for len in [512, 4096, PAGE_LEN] {
        let mut file = whole.clone();
        let page = start + 20 * PAGE_LEN;
        file[page..page + len].fill(0);
        assert_fails(&file, 0, Level::Allocation);
    }
}

#[test]
fn a_set_is_not_blamed_for_the_start_of_the_next() {
    let whole = written(&sets());
    let second = places(&whole, b"SSET")[1];
    let mut file = whole.clone();
    file[second + 8] ^= 0x55;
    let report = read(&file);
    assert!(report.is_damaged());
    assert!(!report.sets[0].checked.is_damaged(), "{:?}", report.faults);
    assert_eq!(
        report.sets.len(),
        2,
        "the rest of the second set is still looked at"
    );
    assert!(report.sets[1].checked.is_damaged());
    // Cut there: a failed append costs only itself.
    let report = read(&whole[..second + 100]);
    assert!(!report.sets[0].checked.is_damaged(), "{:?}", report.faults);
}

#[test]
fn zeros_are_no_stream_header() {
    let whole = written(&sets());
    let padding = places(&whole, b"SPAD");
    let configuration = places(&whole, b"MQCI")[0];
    let after = *padding
        .iter()
        .find(|place| **place > configuration)
        .unwrap();
    let mut file = whole;
    file[after..after + 22].fill(0);
    let report = read(&file);
    assert_eq!(outcome(&report, 0, Level::Descriptors), Outcome::Failed);
    // The data behind it is found again.
    assert_eq!(outcome(&report, 0, Level::Pages), Outcome::Passed);
    assert!(!report.sets[1].checked.is_damaged());
}

//! Media made by the test writer: whole ones of every kind are found whole, in pieces of any size.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

use std::io::Cursor;

use jiff::civil::{DateTime, date};
use mssql_backup::check::{Level, Outcome, PageId};
use mssql_backup::read::{Checker, check, read_headers};
use mssql_backup::report::{Report, SetReport};
use mssql_backup::set::{BackupType, Flags, RecoveryModel};
use mssql_backup::stripes::together;
use mssql_backup::testing::container::wrap;
use mssql_backup::testing::{Database, Media, PageVerify, Product, Set, write_media};
use mssql_backup::{EXTENT_LEN, PAGE_LEN};

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

/// Full, differential and two logs of one database.
fn chain(database: &mut Database) -> Vec<Set> {
    database.commit(at(1));
    let full = database.full(at(5));
    database.commit(at(6));
    let first_log = database.log(at(10));
    database.commit(at(11));
    let differential = database.differential(at(15));
    database.commit(at(16));
    let second_log = database.log(at(20));
    vec![full, first_log, differential, second_log]
}

fn with_checksums(mut sets: Vec<Set>) -> Vec<Set> {
    for set in &mut sets {
        set.has_checksums = true;
    }
    sets
}

fn outcome(set: &SetReport, level: Level) -> Outcome {
    let report = set
        .checked
        .levels
        .iter()
        .find(|report| report.level == level);
    report
        .unwrap_or_else(|| panic!("nothing is said of {level:?}"))
        .outcome
        .clone()
}

fn assert_whole(report: &Report) {
    let faults: Vec<_> = report.faults.iter().map(|fault| &fault.message).collect();
    assert!(!report.is_damaged(), "{faults:#?}");
    assert_eq!(report.fault_count, 0, "{faults:#?}");
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn a_chain_in_one_file_is_read_set_by_set() {
    let sets = with_checksums(chain(&mut Database::new("Orders")));
    let files = write_media(&Media::default(), &sets);
    let report = check(files[0].as_slice()).unwrap();
    assert_whole(&report);
    let types = report
        .sets
        .iter()
        .map(|set| set.checked.set.header.backup_type.unwrap());
    let expected = [
        BackupType::Full,
        BackupType::Log,
        BackupType::Differential,
        BackupType::Log,
    ];
    assert_eq!(types.collect::<Vec<_>>(), expected);
    for (set, position) in report.sets.iter().zip(1..) {
        let header = &set.checked.set.header;
        assert_eq!(header.position, position);
        assert_eq!(header.database_name.as_deref(), Some("Orders"));
        assert!(header.flags.contains(Flags::BACKUP_CHECKSUMS));
        assert!(set.checked.set.is_complete);
        assert_eq!(outcome(set, Level::BackupChecksums), Outcome::Passed);
        assert_eq!(outcome(set, Level::LogContinuity), Outcome::Passed);
    }
    let log = report.sets[1].checked.log.as_ref().unwrap();
    assert_eq!(log.last_commit, Some(at(6)));
    assert_eq!(
        report.sets[1].checked.set.header.begins_log_chain,
        Some(true)
    );
    assert_eq!(
        report.sets[3].checked.set.header.begins_log_chain,
        Some(false)
    );
    let base = report.sets[2].checked.set.header.differential_base_guid;
    assert_eq!(base, report.sets[0].checked.set.header.backup_set_guid);
}

#[test]
fn every_kind_of_media_is_found_whole() {
    for product in [Product::Sql2008R2, Product::Sql2016, Product::Sql2019] {
        for verify in [
            PageVerify::Checksum,
            PageVerify::TornPageDetection,
            PageVerify::None,
        ] {
            for model in [
                RecoveryModel::Full,
                RecoveryModel::BulkLogged,
                RecoveryModel::Simple,
            ] {
                for sector in [512, 4096] {
                    let mut database = Database::with_pages("Orders", 200, 120);
                    (database.product, database.page_verify) = (product, verify);
                    database.recovery_model = model;
                    let sets = chain(&mut database);
                    let media = Media {
                        sector,
                        ..Media::default()
                    };
                    let files = write_media(&media, &sets);
                    let report = check(files[0].as_slice()).unwrap();
                    assert_whole(&report);
                    assert_eq!(report.sets.len(), 4);
                    let full = &report.sets[0];
                    let pages = outcome(full, Level::Pages);
                    assert_eq!(
                        pages == Outcome::Passed,
                        verify != PageVerify::None,
                        "{pages:?}"
                    );
                    assert_eq!(outcome(full, Level::Allocation), Outcome::Passed);
                    let missing = full.missing.clone().unwrap();
                    assert_eq!((missing.allocated, missing.count), (120, 0));
                    assert_eq!(full.checked.set.header.recovery_model, model);
                }
            }
        }
    }
}

#[test]
fn every_type_of_backup_is_told_by_its_number() {
    let types = [
        (BackupType::Full, 1),
        (BackupType::Log, 2),
        (BackupType::File, 4),
        (BackupType::Differential, 5),
        (BackupType::FileDifferential, 6),
        (BackupType::Partial, 7),
        (BackupType::PartialDifferential, 8),
    ];
    for (kind, number) in types {
        let mut database = Database::with_pages("Orders", 64, 40);
        database.commit(at(1));
        let mut set = match kind {
            BackupType::Log => {
                database.full(at(2));
                database.log(at(3))
            }
            _ => database.full(at(2)),
        };
        set.backup_type = kind;
        let files = write_media(&Media::default(), &[set]);
        let report = check(files[0].as_slice()).unwrap();
        assert_whole(&report);
        let found = report.sets[0].checked.set.header.backup_type.unwrap();
        assert_eq!((found, found.number()), (kind, number));
        assert_eq!(BackupType::of_letter(found.letter()), Some(kind));
        // Only of a full backup is it known that all allocated pages must be there.
        let allocation = outcome(&report.sets[0], Level::Allocation);
        assert_eq!(
            allocation == Outcome::Passed,
            kind == BackupType::Full,
            "{kind:?}"
        );
    }
}

#[test]
fn the_allocation_map_goes_on_after_8088_pages() {
    let mut database = Database::with_pages("Orders", 20_000, 17_000);
    let files = write_media(&Media::default(), &[database.full(at(1))]);
    let report = check(files[0].as_slice()).unwrap();
    assert_whole(&report);
    assert_eq!(report.sets[0].missing.clone().unwrap().allocated, 17_000);
}

#[test]
fn stripes_are_judged_together() {
    let sets = with_checksums(chain(&mut Database::new("Orders")));
    let media = Media {
        families: 3,
        ..Media::default()
    };
    let files = write_media(&media, &sets);
    assert_eq!(files.len(), 3);
    let reports: Vec<Report> = files
        .iter()
        .map(|file| check(file.as_slice()).unwrap())
        .collect();
    for (report, family) in reports.iter().zip(1..) {
        assert_whole(report);
        let label = report.label.as_ref().unwrap();
        assert_eq!(
            (label.family_count, label.family_sequence_number),
            (3, family)
        );
        assert!(matches!(
            outcome(&report.sets[0], Level::PageCount),
            Outcome::Unknown(_)
        ));
    }
    for set in 0..4 {
        let stripes: Vec<_> = reports.iter().map(|report| &report.sets[set]).collect();
        let judged = together(&stripes).unwrap();
        assert_eq!(judged.faults, Vec::<String>::new());
        assert!(
            judged
                .levels
                .iter()
                .all(|level| level.outcome == Outcome::Passed)
        );
    }
    let two: Vec<_> = reports[..2].iter().map(|report| &report.sets[0]).collect();
    let judged = together(&two).unwrap();
    assert_eq!(judged.faults.len(), 1, "{:?}", judged.faults);
    assert!(
        judged.missing.contains(&PageId { file: 1, page: 16 }),
        "{:?}",
        judged.missing
    );
    // The log lies on the first.
    let others: Vec<_> = reports[1..].iter().map(|report| &report.sets[1]).collect();
    let judged = together(&others).unwrap();
    assert_eq!(judged.faults.len(), 1, "{:?}", judged.faults);
}

#[test]
fn a_compressed_chain_tells_the_same_as_an_uncompressed_one() {
    let sets = with_checksums(chain(&mut Database::new("Orders")));
    for sector in [512, 4096] {
        let media = Media {
            sector,
            ..Media::default()
        };
        let plain = write_media(&media, &sets).remove(0);
        let compressed = wrap(&plain).bytes;
        assert!(compressed.len() < plain.len());
        let (plain, report) = (check(&*plain).unwrap(), check(&*compressed).unwrap());
        assert_whole(&report);
        let headers = read_headers(Cursor::new(&compressed)).unwrap();
        assert_eq!(headers.fault_count, 0, "{:?}", headers.faults);
        for (index, set) in report.sets.iter().enumerate() {
            let mut expected = plain.sets[index].checked.set.clone();
            expected.header.compressed = true;
            assert_eq!(set.checked.set, expected);
            assert_eq!(headers.sets[index].checked.set, expected);
            assert_eq!(set.pages, plain.sets[index].pages);
            assert_eq!(set.checked.log, plain.sets[index].checked.log);
        }
        let label = report.label.unwrap();
        assert!(label.is_compressed);
    }
}

#[test]
fn pieces_of_any_size_and_headers_alone_tell_the_same() {
    let sets = with_checksums(chain(&mut Database::new("Orders")));
    let file = write_media(&Media::default(), &sets).remove(0);
    let whole = check(file.as_slice()).unwrap();
    for size in [1, 7, 51, 512, 8191, 65_537] {
        let mut checker = Checker::new();
        for piece in file.chunks(size) {
            checker.feed(piece);
        }
        let report = checker.finish();
        assert_eq!(
            format!("{report:?}"),
            format!("{whole:?}"),
            "pieces of {size}"
        );
    }
    let headers = read_headers(Cursor::new(&file)).unwrap();
    let columns = |report: &Report| {
        let sets = report.sets.iter().map(|set| set.checked.set.clone());
        sets.collect::<Vec<_>>()
    };
    assert_eq!(columns(&headers), columns(&whole));
    assert_eq!(headers.fault_count, 0);
}

#[test]
fn headers_tell_where_pages_stand_unless_the_medium_is_compressed() {
    for (name, sector) in [(None, 512), (Some("a name that moves what follows"), 4096)] {
        let media = Media {
            name: name.map(str::to_owned),
            sector,
            ..Media::default()
        };
        let sets = chain(&mut Database::new("Orders"));
        let medium = write_media(&media, &sets).swap_remove(0);
        let report = read_headers(Cursor::new(&medium)).unwrap();
        // Full and differential, each with a section of pages copied again.
        let counts = report.sets.iter().map(|set| set.data_spans.len());
        assert_eq!(counts.collect::<Vec<_>>(), [2, 0, 2, 0]);
        for span in report.sets.iter().flat_map(|set| &set.data_spans) {
            let (start, end) = (span.start as usize, span.end as usize);
            let pages = &medium[start..end];
            assert_eq!(pages.len() % EXTENT_LEN, 0);
            for (place, page) in pages.chunks(PAGE_LEN).enumerate() {
                let id = u32::from_le_bytes(*page[0x20..].first_chunk().unwrap());
                assert!(page[0] == 0 || id as usize % 8 == place % 8, "{span:?}");
            }
        }
        let whole = check(medium.as_slice()).unwrap();
        let spans = |report: &Report| -> Vec<_> {
            let sets = report.sets.iter();
            sets.map(|set| set.data_spans.clone()).collect()
        };
        assert_eq!(spans(&whole), spans(&report));
        let wrapped = read_headers(Cursor::new(wrap(&medium).bytes)).unwrap();
        assert!(!wrapped.sets.is_empty());
        assert_eq!(spans(&wrapped).concat(), []);
    }
}

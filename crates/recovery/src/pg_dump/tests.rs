use super::*;
use crate::fault::FaultKind::{Damaged, LimitExceeded, Missing, Truncated, Unsupported};
use proptest::collection;
use proptest::prelude::*;

mod writer;

/// Dumps that `pg_dump` made: see the README beside them.
const SHOP_GZIP: &[u8] = include_bytes!("../../tests/data/pg_dump/shop-gzip.dump");
const SHOP_NONE: &[u8] = include_bytes!("../../tests/data/pg_dump/shop-none.dump");
const SHOP_TOC: &[u8] = include_bytes!("../../tests/data/pg_dump/shop-toc.dat");
const SHOP_SQL: &[u8] = include_bytes!("../../tests/data/pg_dump/shop.sql");
const EMPTY_TAR: &[u8] = include_bytes!("../../tests/data/pg_dump/empty.tar");

const FORMATS: [PostgresFormat; 5] = [
    PostgresFormat::Custom,
    PostgresFormat::Tar,
    PostgresFormat::Plain,
    PostgresFormat::PlainCluster,
    PostgresFormat::DirectoryToc,
];

fn check_as(format: PostgresFormat, bytes: &[u8]) -> Dump {
    check(bytes, format).unwrap()
}

fn custom(bytes: &[u8]) -> Dump {
    check_as(PostgresFormat::Custom, bytes)
}

fn plain(text: &str) -> Dump {
    check_as(PostgresFormat::Plain, text.as_bytes())
}

fn directory(toc: &[u8], names: &[&str], list: Option<&[u8]>) -> Dump {
    let mut check = DirectoryCheck::new(toc).unwrap();
    names.iter().for_each(|name| check.file(name));
    if let Some(list) = list {
        check.blob_list("blobs_11.toc", list).unwrap();
    }
    check.finish()
}

#[test]
fn real_custom_dumps_are_whole_and_tell_what_they_are() {
    for (bytes, compression) in [
        (SHOP_GZIP, Compression::Gzip),
        (SHOP_NONE, Compression::None),
    ] {
        let dump = custom(bytes);
        assert_eq!(dump.faults.list(), []);
        assert_eq!(dump.archive_version, Some((1, 16, 0)));
        assert_eq!(dump.server_version.as_deref(), Some("18.4"));
        assert_eq!(dump.pg_dump_version.as_deref(), Some("18.4"));
        assert_eq!(dump.database_name.as_deref(), Some("shop"));
        assert_eq!(dump.compression, Some(compression));
        assert_eq!(dump.data_count, 4);
        assert_eq!(dump.created.unwrap().year(), 2026);
        assert!(dump.needs_vector());
    }
}

#[test]
fn real_dumps_in_the_other_formats_are_whole() {
    let tar = check_as(PostgresFormat::Tar, EMPTY_TAR);
    assert_eq!(
        (tar.faults.list(), tar.database_name.as_deref()),
        (&[][..], Some("empty"))
    );
    let text = check_as(PostgresFormat::Plain, SHOP_SQL);
    assert_eq!(text.faults.list(), []);
    assert_eq!(text.server_version.as_deref(), Some("18.4"));
    assert_eq!(text.pg_dump_version.as_deref(), Some("18.4"));
    assert!(text.needs_vector());
    let toc = check_as(PostgresFormat::DirectoryToc, SHOP_TOC);
    assert_eq!((toc.faults.list(), toc.data_count), (&[][..], 4));
}

#[test]
fn every_version_of_the_archive_is_read() {
    for minor in 12..=16 {
        for (compression, state) in [(0, 1), (0, 2), (1, 1), (1, 2)] {
            let dump = custom(&writer::custom(minor, compression, state));
            assert_eq!(dump.faults.list(), [], "1.{minor}");
            assert_eq!((dump.entry_count, dump.data_count), (4, 3));
            assert_eq!(dump.server_version.as_deref(), Some("16.1"));
            assert_eq!(dump.created.unwrap().to_string(), "2026-01-02T03:04:05");
            assert!(dump.needs_vector());
        }
        assert_eq!(
            check_as(
                PostgresFormat::DirectoryToc,
                &writer::toc(minor, "blobs.toc")
            )
            .faults
            .list(),
            []
        );
    }
    for minor in [11, 17] {
        assert!(custom(&writer::custom(minor, 0, 1)).faults.has(Unsupported));
    }
}

#[test]
fn every_truncation_of_a_custom_dump_is_noticed() {
    let made = writer::custom(16, 1, 1);
    for bytes in [SHOP_GZIP, SHOP_NONE, &made] {
        for len in 0..bytes.len() {
            let faults = custom(&bytes[..len]).faults;
            assert!(faults.has(Truncated), "cut to {len}: {faults:?}");
        }
    }
}

#[test]
fn what_is_appended_to_a_custom_dump_is_noticed() {
    for tail in [&[0_u8][..], &[1, 0, 7, 0, 0, 0], b"PGDMP"] {
        let faults = custom(&[SHOP_NONE, tail].concat()).faults;
        assert!(!faults.is_empty(), "{tail:?}");
    }
}

#[test]
fn every_changed_byte_of_zlib_data_is_noticed() {
    let bytes = writer::custom(16, 1, 2);
    let whole = writer::custom(16, 0, 2);
    assert!(custom(&whole).faults.is_empty());
    let first_block = 30
        + bytes
            .windows(4)
            .rposition(|window| window == b"1..2")
            .unwrap();
    let mut missed = Vec::new();
    for offset in first_block + 100..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[offset] ^= 0x20;
        if custom(&bytes).faults.is_empty() {
            missed.push(offset);
        }
    }
    // The OIDs of the two large objects, since another number is as good, and for each of them the
    // last byte of DEFLATE, which has bits that mean nothing.
    assert!(missed.len() <= 10, "{missed:?}");
}

#[test]
fn a_block_at_another_place_than_told_is_noticed() {
    let bytes = writer::custom(16, 0, 2);
    let mut moved = bytes.clone();
    let offset = moved
        .windows(5)
        .position(|window| window[0] == 2 && window[3..] == [0, 0] && window[1] != 0);
    moved[offset.unwrap() + 1] ^= 1;
    assert!(!custom(&moved).faults.is_empty());
}

#[test]
fn a_dump_of_too_many_tables_is_not_kept() {
    let mut writer = writer::Writer::new(12, 1, 0);
    writer.int(i32::MAX);
    for dump_id in 1..=toc::MAX_DATA_ENTRIES as i32 + 1 {
        writer.entry(dump_id, true, "t", "TABLE DATA");
        writer.offset(1);
    }
    let faults = custom(&writer.bytes).faults;
    assert!(faults.has(LimitExceeded), "{faults:?}");
}

#[test]
fn a_huge_string_takes_no_memory() {
    let mut writer = writer::Writer::new(16, 1, 0);
    writer.int(1);
    writer.int(5);
    writer.int(0);
    writer.int(i32::MAX);
    let dump = custom(&writer.bytes);
    assert!(dump.faults.has(Truncated));
}

#[test]
fn tars_are_whole_only_with_all_their_members() {
    let members = writer::members();
    let dump = check_as(PostgresFormat::Tar, &writer::tar(&members));
    assert_eq!((dump.faults.list(), dump.data_count), (&[][..], 2));
    for index in 0..members.len() {
        let mut members = members.clone();
        let (name, _) = members.remove(index);
        let dump = check_as(PostgresFormat::Tar, &writer::tar(&members));
        assert!(
            dump.faults.has(Missing),
            "without {name}: {:?}",
            dump.faults
        );
    }
}

#[test]
fn every_truncation_of_a_tar_is_noticed() {
    let bytes = writer::tar(&writer::members());
    for len in (0..bytes.len()).step_by(16) {
        let dump = check_as(PostgresFormat::Tar, &bytes[..len]);
        assert!(
            dump.faults.has(Truncated),
            "cut to {len}: {:?}",
            dump.faults
        );
    }
}

#[test]
fn a_table_of_contents_ends_where_its_file_does() {
    let toc = writer::toc(16, "blobs_11.toc");
    for len in 0..toc.len() {
        assert!(
            directory(&toc[..len], &[], None).faults.has(Truncated),
            "cut to {len}"
        );
    }
    assert!(
        directory(&[&toc[..], b"x"].concat(), &[], None)
            .faults
            .has(Damaged)
    );
}

#[test]
fn a_directory_is_whole_only_with_all_its_files() {
    let toc = writer::toc(16, "blobs_11.toc");
    let list = b"100 blob_100.dat\n101 blob_101.dat\n";
    let names = [
        "toc.dat",
        "7.dat.gz",
        "blob_100.dat.gz",
        "blob_101.dat.gz",
        "blobs_11.toc",
    ];
    assert_eq!(directory(&toc, &names, Some(list)).faults.list(), []);
    assert_eq!(directory(&toc, &names, None).faults.list(), []);
    for index in 1..names.len() {
        let mut names = names.to_vec();
        let name = names.remove(index);
        assert!(
            directory(&toc, &names, Some(list)).faults.has(Missing),
            "without {name}"
        );
    }
    assert!(!directory(&toc, &names, Some(&list[..20])).faults.is_empty());
}

#[test]
fn every_truncation_of_text_is_noticed() {
    let text = std::str::from_utf8(SHOP_SQL).unwrap();
    // Line feeds at the end say nothing.
    for len in 0..text.trim_end().len() {
        let faults = plain(&text[..len]).faults;
        assert!(faults.has(Truncated), "cut to {len}");
    }
}

#[test]
fn text_is_whole_with_its_last_comment() {
    let end = "--\n-- PostgreSQL database dump complete\n--\n";
    assert!(plain(&format!("SELECT 1;\n{end}")).faults.is_empty());
    assert!(
        plain(&format!("SELECT 1;\n{end}").replace('\n', "\r\n"))
            .faults
            .is_empty()
    );
    assert!(plain(&format!("{end}SELECT 1;\n")).faults.has(Truncated));
    assert!(plain(&format!("\\restrict a\n{end}")).faults.has(Truncated));
    assert!(
        plain(&format!("\\restrict a\n{end}\\unrestrict b\n"))
            .faults
            .has(Truncated)
    );
    assert!(
        plain(&format!("\\restrict a\n{end}\\unrestrict a\n"))
            .faults
            .is_empty()
    );
    assert!(plain(&"x".repeat(100_000)).faults.has(Truncated));
    let cluster = check_as(PostgresFormat::PlainCluster, end.as_bytes());
    assert!(cluster.faults.has(Truncated));
    let end = end.replace("database dump", "database cluster dump");
    assert!(
        check_as(PostgresFormat::PlainCluster, end.as_bytes())
            .faults
            .is_empty()
    );
}

#[test]
fn an_error_of_the_disk_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    for format in [
        PostgresFormat::Custom,
        PostgresFormat::Tar,
        PostgresFormat::Plain,
        PostgresFormat::DirectoryToc,
    ] {
        assert!(check(Broken, format).is_err());
    }
}

/// Places in a file, and what stands there instead.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in collection::vec(any::<u8>(), 0..600)) {
        for format in FORMATS {
            prop_assert!(!check_as(format, &bytes).faults.is_empty());
        }
    }

    #[test]
    fn no_changes_panic(changes in changes()) {
        let made = writer::custom(16, 1, 2);
        let wholes = [
            (PostgresFormat::Custom, &made[..]),
            (PostgresFormat::Custom, SHOP_NONE),
            (PostgresFormat::Tar, EMPTY_TAR),
            (PostgresFormat::DirectoryToc, SHOP_TOC),
        ];
        for (format, whole) in wholes {
            let mut bytes = whole.to_vec();
            for (index, value) in &changes {
                let offset = index.index(bytes.len());
                bytes[offset] = *value;
            }
            check_as(format, &bytes);
        }
    }
}

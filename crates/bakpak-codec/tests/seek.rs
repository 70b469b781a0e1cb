//! Random access: rows, single entries, and what a pipe must give as well.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::inspect::inspect;
use bakpak_codec::observer::{Observer, Unobserved, Warning};
use bakpak_codec::pack::{Matching, PackSettings};
use bakpak_codec::unpack::unpack;
use bakpak_codec::verify::{VerifyLevel, verify};
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::entry::EntryKind;
use bakpak_format::error::Class;
use bakpak_format::geometry::BlockSize;
use std::cell::RefCell;
use std::io::{self, Write};
use support::regions::{Map, Site};
use support::*;

fn pack_small_blocks(sources: Vec<MemorySource>) -> Vec<u8> {
    let settings = PackSettings {
        // Stripes of 2 MB.
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings()
    };
    try_pack(sources, settings).unwrap().0
}

fn open(archive: &[u8]) -> Archive {
    Archive::open(&file_of(archive), &mut vec![key()]).unwrap()
}

fn all_rows(archive: &mut Archive) -> Vec<Row> {
    archive.rows().collect::<Result<_, _>>().unwrap()
}

fn read(archive: &mut Archive, row: &Row) -> Vec<u8> {
    let mut content = Vec::new();
    archive.read_entry(row, &mut content).unwrap();
    content
}

/// Every kind, and a file that can be read at the third try.
fn sources() -> Vec<MemorySource> {
    let failing = with_behaviour(
        "sql/c",
        noise("failing", 8_600_000),
        Behaviour::FailsAt {
            offset: 6_000_000,
            times: 2,
        },
    );
    let mut sources = every_kind();
    sources.insert(2, failing);
    sources
}

#[test]
fn every_entry_is_listed_found_and_read() {
    let packed = pack_small_blocks(sources());
    assert!(packed.len() > 10 * 2_080_000, "it has many stripes");
    let mut archive = open(&packed);
    let rows = all_rows(&mut archive);
    let expected: Vec<_> = sources()
        .into_iter()
        .map(|s| (s.entry, s.content))
        .collect();
    let paths: Vec<_> = rows.iter().map(|row| &row.path).collect();
    assert_eq!(
        paths,
        expected.iter().map(|(e, _)| &e.path).collect::<Vec<_>>()
    );
    assert_eq!(
        archive.totals().row_count,
        rows.len() as u64 + 2,
        "two were superseded"
    );
    // Back and forth, so that nothing depends on where one was before.
    let order = (0..rows.len()).rev().chain(0..rows.len());
    for number in order {
        let (row, (entry, content)) = (&rows[number], &expected[number]);
        assert_eq!(archive.find(&entry.path).unwrap().as_ref(), Some(row));
        let found = archive.entry(row).unwrap();
        if !row.flags.contains(RowFlags::PARTED) {
            assert_eq!(found, *entry);
        }
        assert_eq!(found.path, entry.path);
        if let EntryKind::File { size, .. } = found.kind {
            assert_eq!(size, row.size, "{}", row.path);
        }
        let expected = match row.kind {
            RowKind::HardLink => &noise("linked", 70_000),
            _ => content,
        };
        assert!(read(&mut archive, row) == *expected, "{}", row.path);
    }
    for absent in ["sql", "sql/aa", "home/b/firs", "home/zz", "attachments/d"] {
        assert_eq!(archive.find(&path(absent)).unwrap(), None, "{absent}");
    }
    let flags = |at: &str| rows.iter().find(|row| row.path == path(at)).unwrap().flags;
    assert_eq!(flags("home/c"), RowFlags::SPARSE);
    assert_eq!(flags("home/b/first"), RowFlags::LINKED);
    assert_eq!(flags("attachments/b"), RowFlags::PARTED);
    assert_eq!(flags("attachments/c"), RowFlags::default());
    assert_eq!(flags("sql/c"), RowFlags::default());
}

#[test]
fn a_pipe_gives_what_the_file_gives() {
    let packed = pack_small_blocks(sources());
    let (of_file, _) = unpacked(as_file(&packed)).unwrap();
    let (of_stream, _) = unpacked(as_stream(&packed)).unwrap();
    assert!(of_file == of_stream);
    for source in sources() {
        let (_, content) = &of_file.entries[&source.entry.path];
        assert!(*content == source.content, "{}", source.entry.path);
    }
    let level = VerifyLevel::Full;
    let report = verify(as_stream(&packed), &mut vec![key()], level, 2, &Unobserved).unwrap();
    assert_eq!(report.findings, []);
}

#[derive(Default)]
struct Listener(RefCell<Vec<Warning>>);

impl Observer for Listener {
    fn warn(&self, warning: Warning) {
        self.0.borrow_mut().push(warning);
    }
}

#[test]
fn an_archive_without_copies_needs_no_spool() {
    let content = noise("twice", 1_500_000);
    let default = Matching::default();
    let found_by = |history_len, table_memory, copy_reach| Matching {
        history_len,
        table_memory,
        copy_reach,
    };
    for (matching, reach, warnings) in [
        (
            Some(default),
            u64::MAX,
            vec![Warning::Spooling { most_len: None }],
        ),
        (Some(found_by(0, 1 << 20, 2 << 20)), 2 << 20, vec![]),
        (Some(found_by(1 << 20, 0, 2 << 20)), 2 << 20, vec![]),
        (Some(found_by(1 << 20, 1 << 20, 0)), 0, vec![]),
        (Some(found_by(0, 0, 2 << 20)), 0, vec![]),
        (None, 0, vec![]),
    ] {
        let settings = PackSettings {
            matching,
            ..settings()
        };
        let sources = vec![
            file("sql/a", content.clone()),
            file("sql/b", content.clone()),
        ];
        let (packed, report) = try_pack(sources, settings).unwrap();
        assert_eq!(inspect(&file_of(&packed)).unwrap().copy_reach, reach);
        assert_eq!(report.copied_bytes > 0, reach > 0, "{matching:?}");
        for (input, expected) in [(as_stream(&packed), &warnings), (as_file(&packed), &vec![])] {
            let listener = Listener::default();
            let mut sink = MemorySink::default();
            unpack(input, &mut vec![key()], &mut sink, 2, &listener).unwrap();
            assert_eq!(*listener.0.borrow(), *expected);
            assert!(sink.get("sql/b") == content);
        }
    }
}

#[test]
fn rows_of_many_pages_are_listed_and_found() {
    // 400 bytes a row: more than six pages of 1 MiB.
    let name = |i: usize| format!("home/{i:05}/{}", "n".repeat(255));
    let sources = (0..18_000).map(|i| {
        let mut source = bare(&name(i), EntryKind::Directory);
        source.entry.xattrs.clear();
        source
    });
    let packed = packed(sources.collect());
    let mut archive = open(&packed);
    let rows = all_rows(&mut archive);
    assert_eq!(rows.len(), 18_000);
    assert!(rows.is_sorted_by_key(|row| &row.path));
    for i in (0..18_000).step_by(371).chain([17_999]) {
        let row = archive.find(&path(&name(i))).unwrap().unwrap();
        assert_eq!(row, rows[i]);
        assert_eq!(archive.entry(&row).unwrap().kind, EntryKind::Directory);
    }
    assert_eq!(archive.find(&path("home/09000/a")).unwrap(), None);
    assert_eq!(archive.find(&path("attachments")).unwrap(), None);
}

#[test]
fn an_archive_of_nothing_has_no_rows() {
    let mut archive = open(&packed(Vec::new()));
    assert!(all_rows(&mut archive).is_empty());
    assert_eq!(archive.find(&path("sql/a")).unwrap(), None);
    assert!(archive.facts().unwrap().is_empty());
    assert_eq!(archive.head().block_count, Some(1));
    assert_eq!(archive.head().archive_len, Some(32_768));
    assert_eq!(archive.totals().stream_len, 1024);
}

#[test]
fn a_damaged_block_hits_only_the_entries_in_it() {
    let names = ["sql/a", "sql/b", "sql/c", "sql/d", "sql/e"];
    let sources = || names.map(|name| file(name, noise(name, 400_000)));
    let mut packed = pack_small_blocks(sources().into());
    let block = Map::of(&packed).range_of(Site::Block(250));
    packed[block.start + 77] ^= 1;
    let mut archive = open(&packed);
    let rows = all_rows(&mut archive);
    let mut hit = Vec::new();
    for (row, source) in rows.iter().zip(sources()) {
        let mut content = Vec::new();
        match archive.read_entry(row, &mut content) {
            Ok(()) => assert!(content == source.content),
            Err(ReadError::Fault(finding)) => {
                assert_eq!(
                    (finding.class, finding.block),
                    (Class::NotAuthentic, Some(250))
                );
                assert!(
                    source.content.starts_with(&content),
                    "nothing untrue before it"
                );
                hit.push(row.path.to_string());
            }
            Err(error) => panic!("{error}"),
        }
    }
    // The chunk of 256 KiB that it is part of holds the ends of two of them at most.
    assert!(
        (1..=2).contains(&hit.len()) && hit.contains(&"sql/c".to_owned()),
        "{hit:?}"
    );
}

#[test]
fn nothing_of_a_block_that_does_not_authenticate_is_written() {
    let mut packed = pack_small_blocks(vec![file("sql/a", noise("a", 100_000))]);
    let block = Map::of(&packed).range_of(Site::Block(0));
    packed[block.end - 1] ^= 1;
    let mut archive = open(&packed);
    let row = all_rows(&mut archive).remove(0);
    let mut content = Vec::new();
    assert!(archive.read_entry(&row, &mut content).is_err());
    assert!(content.is_empty());
}

/// An output that takes so much and no more.
struct Full {
    room: usize,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        match taken {
            0 => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "no room for this",
            )),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_is_full_tells_so_itself() {
    let packed = packed(vec![file("sql/a", noise("a", 100_000)), file("sql/b", "b")]);
    let mut archive = open(&packed);
    let row = all_rows(&mut archive).remove(0);
    for room in [0, 1, 50_000, 99_999] {
        let error = archive.read_entry(&row, &mut Full { room }).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Sink, "{error}");
        assert_eq!(error.to_string(), "no room for this");
    }
    assert!(
        archive
            .read_entry(&row, &mut Full { room: 100_000 })
            .is_ok()
    );
}

#[test]
fn a_row_of_another_archive_gives_nothing_wrong() {
    // Whoever keeps rows longer than archives gets an error, not another file's content.
    let one = packed(vec![
        file("sql/a", noise("a", 3000)),
        file("sql/b", noise("b", 3000)),
    ]);
    let other = packed(vec![
        file("sql/a", noise("c", 3000)),
        file("sql/b", noise("d", 5000)),
    ]);
    let rows = all_rows(&mut open(&one));
    let mut archive = open(&other);
    for row in rows {
        let error = archive.read_entry(&row, &mut Vec::new()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
    }
}

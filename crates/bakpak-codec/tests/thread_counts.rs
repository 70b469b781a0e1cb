//! The number of threads changes nothing but the time it takes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{PackReport, PackSettings};
use bakpak_codec::random::Random;
use bakpak_codec::unpack::{tar, unpack};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::catalogue::Row;
use bakpak_format::entry::EntryKind;
use bakpak_format::geometry::BlockSize;
use support::*;

const THREADS: [usize; 4] = [1, 2, 3, 8];

/// Many chunks, copies, zeros, parts, a superseded file and small ones between.
fn sources() -> Vec<MemorySource> {
    let large = noise("large", 2_500_000);
    let mut sources = vec![
        file("sql/a", large.clone()),
        file("sql/b", [b"shifted".as_slice(), &large].concat()),
        gridded("sql/b1", large.clone(), vec![pages(1000, 2_000_000)]),
        gridded(
            "sql/b2",
            noise("gridded", 9_500_000),
            vec![pages(512, 4_000_001), pages(7_000_000, 2_000_000)],
        ),
        with_behaviour(
            "sql/c",
            noise("failing", 8_500_000),
            Behaviour::FailsAt {
                offset: 2_000_000,
                times: 1,
            },
        ),
        file("sql/d", vec![0; 1_500_000]),
        bare("home", EntryKind::Directory),
    ];
    for i in 0..200 {
        sources.push(file(&format!("home/{i:03}.log"), log(i, 100 + 61 * i)));
    }
    let stream = [log(7, 3_000_000), noise("stream", 6_000_000)].concat();
    sources.push(with_behaviour(
        "attachments/stream",
        stream,
        Behaviour::Stream,
    ));
    sources
}

fn pack_on(threads: usize, random: Random, block_size: Option<BlockSize>) -> (Vec<u8>, PackReport) {
    let settings = PackSettings {
        threads,
        random,
        block_size,
        ..settings()
    };
    try_pack(sources(), settings).unwrap()
}

/// What does not depend on random numbers.
fn shape(archive: &[u8], report: &PackReport) -> (Vec<u64>, Vec<Row>, Vec<u8>) {
    let counts = vec![
        report.archive_len,
        report.stream_len,
        report.content_len,
        report.entries,
        report.chunks,
        report.copied_bytes,
        report.zero_bytes,
        report.changed,
    ];
    let mut stream = Vec::new();
    tar(
        as_file(archive),
        &mut vec![key()],
        &mut stream,
        2,
        &Unobserved,
    )
    .unwrap();
    let mut archive = Archive::open(&file_of(archive), &mut vec![key()]).unwrap();
    let rows = archive.rows().collect::<Result<_, _>>().unwrap();
    (counts, rows, stream)
}

#[test]
fn with_one_seed_all_bytes_are_the_same_on_any_number_of_threads() {
    for block_size in [None, Some(BlockSize::FOUR_KIB)] {
        let seeded = |threads| pack_on(threads, Random::seeded(b"threads"), block_size);
        let (one, report) = seeded(THREADS[0]);
        for threads in &THREADS[1..] {
            let (other, of_other) = seeded(*threads);
            assert!(other == one, "{threads} threads, {block_size:?}");
            assert_eq!(of_other.root, report.root);
        }
        assert!(report.copied_bytes > 0 && report.zero_bytes > 0);
    }
}

#[test]
fn with_one_seed_all_bytes_are_the_same_however_reads_fall() {
    let pack_in_reads_of = |max_read: usize| {
        let mut sources = sources();
        let larger = [noise("larger", 9_000_000), log(3, 5_000_000)].concat();
        sources.insert(6, file("sql/e", larger));
        sources.iter_mut().for_each(|s| s.max_read = max_read);
        let random = Random::seeded(b"reads");
        let settings = PackSettings {
            random,
            ..settings()
        };
        try_pack(sources, settings).unwrap().0
    };
    let long = pack_in_reads_of(usize::MAX);
    for max_read in [4097, 65_536, 999_999] {
        assert!(pack_in_reads_of(max_read) == long, "{max_read}");
    }
}

#[test]
fn without_a_seed_chunks_stream_and_catalogue_are_the_same() {
    let random = |threads| pack_on(threads, Random::system(), None);
    let (one, report) = random(1);
    let expected = shape(&one, &report);
    for threads in [2, 8] {
        let (other, report) = random(threads);
        assert!(other != one, "keys and nonces are drawn anew");
        let found = shape(&other, &report);
        assert_eq!(found.0, expected.0, "{threads} threads");
        assert!(found.1 == expected.1, "{threads} threads: other rows");
        assert!(found.2 == expected.2, "{threads} threads: another stream");
    }
}

#[test]
fn reading_gives_the_same_on_any_number_of_threads() {
    let (archive, _) = pack_on(
        2,
        Random::seeded(b"reading"),
        Some(BlockSize::SIXTY_FOUR_KIB),
    );
    let mut expected = None;
    for threads in THREADS {
        for input in [as_file, as_stream] {
            let mut sink = MemorySink::default();
            let keys = &mut vec![key()];
            let report = unpack(input(&archive), keys, &mut sink, threads, &Unobserved).unwrap();
            let mut stream = Vec::new();
            tar(input(&archive), keys, &mut stream, threads, &Unobserved).unwrap();
            let keyless = verify_keyless(input(&archive), threads, &Unobserved).unwrap();
            let level = VerifyLevel::Full;
            let full = verify(input(&archive), keys, level, threads, &Unobserved).unwrap();
            assert_eq!((keyless.findings, full.findings), (vec![], vec![]));
            let found = (sink, stream, report.totals, keyless.root, full.root);
            let first = expected.get_or_insert_with(|| found.clone());
            assert!(found == *first, "{threads} threads");
        }
    }
}

#[test]
fn no_threads_at_all_are_one() {
    let (archive, _) = pack_on(0, Random::seeded(b"none"), None);
    let mut sink = MemorySink::default();
    let keys = &mut vec![key()];
    unpack(as_file(&archive), keys, &mut sink, 0, &Unobserved).unwrap();
    assert_eq!(sink.entries.len(), sources().len());
}

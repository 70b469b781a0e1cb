//! Taps see what is packed, and what they learn is in the archive.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::{Archive, FactsOfEntry};
use bakpak_codec::observer::Warning;
use bakpak_codec::pack::{PackReport, PackSettings, pack};
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_codec::tap::Tap;
use bakpak_codec::verify::verify_with_taps;
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Extent};
use bakpak_format::geometry::BlockSize;
use bakpak_format::record::{EntryFacts, Facts};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use support::custom::*;
use support::*;

/// Of the facts that these taps give.
const KIND: u16 = 0x8001;

type Seen = Arc<Mutex<Vec<(String, Option<Content>)>>>;

/// What a tap has seen.
#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    /// How many of them came as zeros.
    zeros: u64,
}

/// Remembers what it sees, and gives its digest, so often.
struct Recorder {
    path: String,
    content: Content,
    seen: Seen,
    facts: Vec<EntryFacts>,
    is_finished: bool,
}

/// A source with such a tap.
struct Tapped {
    source: Box<dyn Source>,
    seen: Seen,
    facts: Vec<EntryFacts>,
}

impl Recorder {
    fn new(path: &EntryPath, seen: &Seen, facts: Vec<EntryFacts>) -> Self {
        Self {
            path: path.to_string(),
            content: Content::default(),
            seen: Arc::clone(seen),
            facts,
            is_finished: false,
        }
    }
}

impl Tap for Recorder {
    fn bytes(&mut self, bytes: &[u8]) {
        self.content.bytes.extend_from_slice(bytes);
    }

    fn zeros(&mut self, len: u64) {
        let len_after = self.content.bytes.len() + len as usize;
        self.content.bytes.resize(len_after, 0);
        self.content.zeros += len;
    }

    fn finish(mut self: Box<Self>) -> Vec<EntryFacts> {
        self.is_finished = true;
        let digest = Digest::of(&self.content.bytes).0.to_vec();
        let mut facts = vec![EntryFacts::new(KIND, digest).unwrap()];
        facts.append(&mut self.facts);
        facts
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let content = self.is_finished.then(|| self.content.clone());
        let seen = (self.path.clone(), content);
        self.seen.lock().unwrap().push(seen);
    }
}

impl Source for Tapped {
    fn path(&self) -> &EntryPath {
        self.source.path()
    }

    fn waits(&self) -> bool {
        self.source.waits()
    }

    fn open(&mut self) -> io::Result<Opened> {
        self.source.open()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read_at(offset, buffer)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        self.source.identity()
    }

    fn tap(&mut self) -> Option<Box<dyn Tap>> {
        let (path, facts) = (self.source.path(), self.facts.clone());
        Some(Box::new(Recorder::new(path, &self.seen, facts)))
    }

    fn close(&mut self) {
        self.source.close();
    }
}

fn tapped_with(source: Box<dyn Source>, seen: &Seen, facts: Vec<EntryFacts>) -> Box<dyn Source> {
    Box::new(Tapped {
        source,
        seen: Arc::clone(seen),
        facts,
    })
}

fn tapped(sources: Vec<Box<dyn Source>>, seen: &Seen) -> Vec<Box<dyn Source>> {
    let tapped = |source| tapped_with(source, seen, Vec::new());
    sources.into_iter().map(tapped).collect()
}

/// Packs with taps on all sources.
fn packed_and_seen(sources: Vec<Box<dyn Source>>) -> (PackReport, Vec<u8>, Seen) {
    let seen = Seen::default();
    let (report, archive) = packed_with(tapped(sources, &seen));
    (report, archive, seen)
}

fn open(archive: &[u8]) -> Archive {
    Archive::open(&file_of(archive), &mut vec![key()]).unwrap()
}

/// Verifies with taps on all entries, from file and pipe; they must learn what was learned before.
fn assert_verify_sees_the_same(archive: &[u8], facts: &[FactsOfEntry]) {
    for input in [as_file(archive), as_stream(archive)] {
        let seen = Seen::default();
        let mut tap_of = |entry: &Entry| -> Option<Box<dyn Tap>> {
            Some(Box::new(Recorder::new(&entry.path, &seen, Vec::new())))
        };
        let report = verify_with_taps(
            input,
            &mut vec![key()],
            &mut tap_of,
            2,
            &Listener::default(),
        );
        let report = report.unwrap();
        assert_eq!(report.findings, []);
        let learned = report.tapped.iter().map(|one| {
            let [facts] = &one.facts[..] else {
                panic!("{one:?}");
            };
            (&one.path, facts.data())
        });
        let of_row = |one: &FactsOfEntry| one.row.as_ref().unwrap().path.clone();
        let expected = facts
            .iter()
            .map(|one| (of_row(one), one.facts.data.clone()));
        let expected: Vec<_> = expected.collect();
        let expected = expected.iter().map(|(path, data)| (path, &data[..]));
        assert!(learned.eq(expected));
    }
}

/// Each file has the facts of its content, and each tap that was finished has seen it.
fn assert_all_was_seen(archive: &[u8], seen: &Seen) {
    verified(archive);
    let (sink, _) = unpacked(as_stream(archive)).unwrap();
    let all_rows = rows(archive);
    let is_read = |flags: RowFlags| !flags.contains(RowFlags::UNREADABLE);
    let mut opened = open(archive);
    let facts = opened.facts_of_entries(|kind| kind == KIND);
    let facts = facts.collect::<Result<Vec<_>, _>>().unwrap();
    let mut finished = Vec::new();
    for (path, content) in seen.lock().unwrap().iter() {
        if let Some(content) = content {
            assert!(sink.get(path) == content.bytes, "{path}");
            finished.push(path.clone());
        }
    }
    finished.sort_unstable();
    let files = all_rows
        .iter()
        .filter(|row| row.content_hash != Digest::ZERO && is_read(row.flags));
    let mut expected: Vec<_> = files.clone().map(|row| row.path.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(finished, expected);
    let expected: Vec<_> = files
        .map(|row| FactsOfEntry {
            facts: Facts {
                entry: Some(row.header_offset),
                kind: KIND,
                data: row.content_hash.0.to_vec(),
            },
            row: Some(row.clone()),
        })
        .collect();
    assert_eq!(facts, expected);
    assert_verify_sees_the_same(archive, &facts);
}

fn extent(offset: u64, len: u64) -> Extent {
    Extent { offset, len }
}

/// Only what lies in extents is not zero.
fn with_holes(len: usize, extents: &[Extent]) -> Vec<u8> {
    let mut content = vec![0; len];
    for Extent { offset, len } in extents {
        let data = noise("data", *len as usize);
        content[*offset as usize..][..*len as usize].copy_from_slice(&data);
    }
    content
}

fn sparse_of(at: &str, len: usize, extents: Vec<Extent>) -> MemorySource {
    sparse(at, with_holes(len, &extents), extents)
}

#[test]
fn a_tap_sees_every_byte_of_every_kind_of_file() {
    let large = noise("large", LARGE);
    let sources = boxed(vec![
        file("sql/a", large.clone()),
        file("sql/b", [b"shifted".as_slice(), &large].concat()),
        file("sql/c", vec![0; LARGE]),
        sparse_of(
            "sql/d",
            12_000_000,
            vec![extent(4096, 5000), extent(11_000_320, 999_680)],
        ),
        with_behaviour("sql/e", large.clone(), Behaviour::Shrinks { to: 2_000_001 }),
        bare("home", EntryKind::Directory),
        file("home/a", ""),
        file("home/b", "small"),
        file("home/c", noise("chunks", 3_500_000)),
        sparse_of(
            "home/d",
            100_000,
            vec![extent(512, 512), extent(8192, 4000)],
        ),
        with_behaviour("home/e", noise("e", 5000), Behaviour::Shrinks { to: 100 }),
        with_behaviour("home/f", noise("f", 5000), Behaviour::Restless),
        with_behaviour("attachments/a", "short", Behaviour::Stream),
        with_behaviour(
            "attachments/b",
            noise("parts", 20_000_000),
            Behaviour::Stream,
        ),
        with_behaviour("attachments/c", noise("exact", 16 << 20), Behaviour::Stream),
        with_behaviour("attachments/d", "", Behaviour::Stream),
        bare(
            "attachments/e",
            EntryKind::Symlink {
                target: b"a".to_vec(),
            },
        ),
    ]);
    let (report, archive, seen) = packed_and_seen(sources);
    assert_eq!(report.missing, []);
    assert_all_was_seen(&archive, &seen);
    let seen = seen.lock().unwrap();
    let zeros = |of: &str| {
        let (_, content) = seen.iter().find(|(path, _)| path == of).unwrap();
        content.as_ref().unwrap().zeros
    };
    let holes = [
        ("sql/d", 12_000_000 - 999_680 - 5120),
        ("sql/e", LARGE as u64 - 2_000_001),
        ("home/d", 100_000 - 512 - 4096),
        ("sql/a", 0),
    ];
    for (path, len) in holes {
        assert_eq!(zeros(path), len, "{path}");
    }
}

#[test]
fn a_tap_of_a_reading_that_failed_is_dropped() {
    let fails = |times| Behaviour::FailsAt {
        offset: 4_000_000,
        times,
    };
    let sources = boxed(vec![
        with_behaviour("sql/a", noise("a", LARGE), fails(1)),
        with_behaviour("sql/b", noise("b", LARGE), fails(ALWAYS)),
        with_behaviour("sql/c", noise("c", LARGE), Behaviour::Vanishes { at: 100 }),
        file("sql/d", "sound"),
    ]);
    let stream = breaking_stream("sql/e", noise("e", 30_000_000), 20_000_000);
    let sources = sources.into_iter().chain([stream]).collect();
    let (report, archive, seen) = packed_and_seen(sources);
    assert_eq!(paths(&report.missing), ["sql/b", "sql/c", "sql/e"]);
    assert_all_was_seen(&archive, &seen);
    let seen = seen.lock().unwrap();
    let dropped = |of: &str| {
        seen.iter()
            .filter(|(path, c)| path == of && c.is_none())
            .count()
    };
    assert_eq!(
        ["sql/a", "sql/b", "sql/c", "sql/d", "sql/e"].map(dropped),
        [1, 3, 1, 0, 1]
    );
}

#[test]
fn a_small_file_that_settles_is_seen_once() {
    let content = noise("settles", 5000);
    let source = custom(
        file("sql/a", content),
        SourceSize::Known,
        |_, entry| Ok(entry),
        |opened, at| match opened {
            1 | 2 if at > 1000 => Err(io::ErrorKind::Other.into()),
            _ => Ok(700),
        },
    );
    let (_, archive, seen) = packed_and_seen(vec![source]);
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_all_was_seen(&archive, &seen);
}

#[test]
fn with_one_seed_all_bytes_are_the_same_on_any_number_of_threads() {
    let pack_on = |threads| {
        let seen = Seen::default();
        let mut sources = boxed(vec![
            file("sql/a", noise("a", LARGE)),
            with_behaviour("sql/b", noise("b", LARGE), Behaviour::Stream),
        ]);
        let small = (0..300).map(|i| file(&format!("home/{i:03}"), log(i, 100 + 61 * i)));
        sources.extend(small.map(MemorySource::boxed));
        let settings = PackSettings {
            threads,
            ..settings()
        };
        let mut archive = Vec::new();
        let sources = tapped(sources, &seen).into_iter();
        pack(sources, settings, &mut archive, &Listener::default()).unwrap();
        archive
    };
    let one = pack_on(1);
    for threads in [0, 2, 8] {
        assert!(pack_on(threads) == one, "{threads}");
    }
}

#[test]
fn what_has_no_room_is_left_out_and_told() {
    let of = |len: usize, count: usize| vec![EntryFacts::new(9, vec![7; len]).unwrap(); count];
    let (four, sixty_four) = (Some(BlockSize::FOUR_KIB), Some(BlockSize::SIXTY_FOUR_KIB));
    for (facts, block_size, files, kept) in [
        (of(10, 2499), None, 2, 2500),
        (of(10, 2700), None, 2, 2500),
        (of(1 << 20, 30), None, 3, 24),
        (of(1 << 20, 30), sixty_four, 3, 24),
        (of(10, 2700), four, 20, 2500),
        (of(100_000, 10), four, 20, 6),
        (of(100_000, 2), four, 60, 3),
        (of(20_000, 1), four, 400, 2),
    ] {
        let count = facts.len() + 1;
        let seen = Seen::default();
        let names = (0..files).map(|number| format!("sql/{number:04}"));
        let source = |at: String| tapped_with(file(&at, "small").boxed(), &seen, facts.clone());
        let settings = PackSettings {
            block_size,
            ..settings()
        };
        let (mut archive, listener) = (Vec::new(), Listener::default());
        let sources = names.clone().map(source).collect::<Vec<_>>().into_iter();
        pack(sources, settings, &mut archive, &listener).unwrap();
        verified(&archive);
        assert_eq!(
            open(&archive).facts().unwrap().len(),
            files * kept,
            "{count}"
        );
        let left_out = |at: String| Warning::FactsLeftOut {
            path: path(&at),
            count: (count - kept) as u64,
        };
        let mut warnings: Vec<_> = names.map(left_out).collect();
        warnings.retain(|_| count > kept);
        assert_eq!(*listener.0.borrow(), warnings);
    }
}

#[test]
fn facts_are_joined_with_their_entries_across_pages() {
    // A page has about 6,500 rows, so there are several.
    let seen = Seen::default();
    let facts = |number: usize| match number % 7 {
        0 => vec![EntryFacts::new(9, vec![7; 5]).unwrap(); 2],
        _ => Vec::new(),
    };
    let source = |number: usize| {
        let source = file(&format!("home/{number:06}"), number.to_string()).boxed();
        let is_tapped = number < 50 || number % 1000 == 999 || number > 19_990;
        match is_tapped {
            true => tapped_with(source, &seen, facts(number)),
            false => source,
        }
    };
    let missing = with_behaviour("home/x", "closed", Behaviour::Closed).boxed();
    let sources = (0..20_000).map(source).chain([missing]).collect();
    let (_, archive) = packed_with(sources);
    verified(&archive);
    let by_path = |row: Row| (row.header_offset, row.path);
    let paths: BTreeMap<_, _> = rows(&archive).into_iter().map(by_path).collect();
    let mut opened = open(&archive);
    let all = opened.facts().unwrap();
    assert!(all.len() > 90, "{}", all.len());
    for kinds in [
        &[KIND, 9, Facts::MISSING][..],
        &[KIND],
        &[9],
        &[Facts::MISSING],
        &[],
    ] {
        let joined = opened.facts_of_entries(|kind| kinds.contains(&kind));
        let joined = joined.collect::<Result<Vec<_>, _>>().unwrap();
        let found: Vec<_> = joined.iter().map(|one| &one.facts).collect();
        let wanted = all.iter().filter(|one| kinds.contains(&one.kind));
        assert_eq!(found, wanted.collect::<Vec<_>>());
        for FactsOfEntry { facts, row } in &joined {
            let expected = facts.entry.map(|entry| &paths[&entry]);
            assert_eq!(row.as_ref().map(|row| &row.path), expected);
        }
    }
}

#[test]
fn taps_see_no_more_of_a_damaged_archive_than_has_authenticated() {
    let content = noise("a", LARGE);
    let sources = boxed(vec![file("sql/a", "first"), file("sql/b", content.clone())]);
    let (_, mut archive) = packed_with(sources);
    let at = archive.len() / 2;
    archive[at] ^= 1;
    let seen = Seen::default();
    let mut tap_of = |entry: &Entry| -> Option<Box<dyn Tap>> {
        Some(Box::new(Recorder::new(&entry.path, &seen, Vec::new())))
    };
    let input = as_file(&archive);
    let report = verify_with_taps(
        input,
        &mut vec![key()],
        &mut tap_of,
        2,
        &Listener::default(),
    );
    let report = report.unwrap();
    assert_ne!(report.findings, []);
    let finished: Vec<_> = report.tapped.iter().map(|one| &one.path).collect();
    assert_eq!(finished, [&path("sql/a")]);
    let seen = seen.lock().unwrap();
    assert_eq!(
        seen.iter().filter(|(_, content)| content.is_some()).count(),
        1
    );
}

/// A file of one of all kinds, around the sizes at which something changes.
#[derive(Clone, Debug)]
struct Made {
    len: usize,
    behaviour: Behaviour,
    data: Option<(u64, u64)>,
    max_read: usize,
}

impl Made {
    fn source(self, number: usize) -> MemorySource {
        let at = format!("sql/{number:02}");
        let data = self.data.map(|(offset, len)| extent(offset, len));
        let data = data.filter(|one| one.offset + one.len <= self.len as u64);
        let mut source = match data {
            Some(data) => sparse_of(&at, self.len, vec![data]),
            None => file(&at, log(number, self.len)),
        };
        source.max_read = self.max_read;
        source.behaviour = match self.behaviour {
            // What becomes longer does not shrink.
            Behaviour::Shrinks { to } if to >= self.len as u64 => Behaviour::Sound,
            other => other,
        };
        source
    }
}

fn made() -> impl Strategy<Value = Made> {
    let around = |len: usize| len.saturating_sub(2)..len + 3;
    let len = prop_oneof![
        3 => 0..3000_usize,
        1 => around(16 << 10),
        1 => around(1 << 20),
        1 => around(8 << 20),
        1 => around(16 << 20),
    ];
    let to = || 0..9_000_000_u64;
    let behaviour = prop_oneof![
        Just(Behaviour::Sound),
        Just(Behaviour::Stream),
        Just(Behaviour::Restless),
        to().prop_map(|to| Behaviour::Shrinks { to }),
        (to(), 1..4_usize).prop_map(|(offset, times)| Behaviour::FailsAt { offset, times }),
    ];
    let data = proptest::option::of((to(), 1..2_000_000_u64));
    let all = (len, behaviour, data, 1000..2_000_000_usize);
    all.prop_map(|(len, behaviour, data, max_read)| Made {
        len,
        behaviour,
        data,
        max_read,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn taps_see_what_is_archived_whatever_its_size(
        made in proptest::collection::vec(made(), 1..5),
    ) {
        let sources = made.into_iter().enumerate();
        let sources = sources.map(|(number, made)| made.source(number)).collect();
        let (_, archive, seen) = packed_and_seen(boxed(sources));
        assert_all_was_seen(&archive, &seen);
    }
}

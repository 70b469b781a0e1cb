//! Outputs and sinks that fail, and runs that are stopped.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::{ErrorClass, PackError, ReadError};
use bakpak_codec::observer::{Observer, Unobserved};
use bakpak_codec::pack::{PackSettings, pack};
use bakpak_codec::sink::{Sink, SinkError};
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_codec::unpack::{tar, unpack};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Extent};
use bakpak_format::geometry::BlockSize;
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::*;

/// Nothing here takes longer than a moment; a hang would.
const SOON: Duration = Duration::from_secs(20);

/// An output that fails after so many bytes.
struct Failing {
    room: usize,
    kind: io::ErrorKind,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        match taken {
            0 => Err(io::Error::new(self.kind, "the output's own words")),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fails(result: Result<impl Sized, PackError>, kind: io::ErrorKind, what: &str) {
    let Some(PackError::Io { source, .. }) = result.err() else {
        panic!("{what}: another error");
    };
    assert_eq!(source.kind(), kind, "{what}");
    assert!(source.to_string().contains("own words"), "{what}: {source}");
}

fn pack_to(
    sources: Vec<MemorySource>,
    settings: PackSettings,
    output: impl Write + Send,
) -> Result<(), PackError> {
    let sources = sources.into_iter().map(MemorySource::boxed);
    pack(sources, settings, output, &Unobserved).map(drop)
}

#[test]
fn a_full_output_gives_its_own_error_wherever_it_is_full() {
    let start = Instant::now();
    let sources = || {
        vec![
            file("sql/a", noise("a", 20_000)),
            file("sql/b", log(1, 3000)),
        ]
    };
    let whole = packed(sources()).len();
    let kind = io::ErrorKind::StorageFull;
    for room in (0..whole).step_by(509).chain([whole - 1]) {
        let output = Failing { room, kind };
        fails(
            pack_to(sources(), settings(), output),
            kind,
            &format!("{room} bytes"),
        );
    }
    assert!(pack_to(sources(), settings(), Failing { room: whole, kind }).is_ok());
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_full_output_stops_a_long_run() {
    let start = Instant::now();
    let sources = || {
        vec![
            file("sql/a", noise("a", 3_000_000)),
            with_behaviour("sql/b", noise("b", 12_000_000), Behaviour::Stream),
            file("sql/c", noise("c", 9_000_000)),
        ]
    };
    for block_size in [None, Some(BlockSize::FOUR_KIB), Some(BlockSize::ONE_MIB)] {
        let with = || PackSettings {
            block_size,
            ..settings()
        };
        let mut whole = Vec::new();
        pack_to(sources(), with(), &mut whole).unwrap();
        for part in [0, 1, 3, 7, 15, 16] {
            let room = (whole.len() - 1) * part / 16;
            let kind = io::ErrorKind::BrokenPipe;
            let what = format!("{room} bytes, {block_size:?}");
            fails(
                pack_to(sources(), with(), Failing { room, kind }),
                kind,
                &what,
            );
        }
    }
    assert!(start.elapsed() < SOON);
}

#[test]
fn an_output_that_takes_nothing_or_cannot_be_flushed_fails() {
    struct TakesNothing;
    impl Write for TakesNothing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Ok(0)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct NoFlush;
    impl Write for NoFlush {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::Error::new(io::ErrorKind::QuotaExceeded, "own words"))
        }
    }
    let Err(PackError::Io { source, .. }) = pack_to(Vec::new(), settings(), TakesNothing) else {
        panic!("another error");
    };
    assert_eq!(source.kind(), io::ErrorKind::WriteZero);
    let kind = io::ErrorKind::QuotaExceeded;
    fails(pack_to(Vec::new(), settings(), NoFlush), kind, "flush");
}

/// A very large file, made as it is read; counts what was read of it.
struct Endless {
    entry: Entry,
    read: Arc<AtomicU64>,
}

impl Endless {
    fn boxed(size: u64, extents: Option<Vec<Extent>>) -> (Box<dyn Source>, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        let source = Self {
            entry: entry("sql/endless", EntryKind::File { size, extents }),
            read: Arc::clone(&read),
        };
        (Box::new(source), read)
    }
}

impl Source for Endless {
    fn path(&self) -> &EntryPath {
        &self.entry.path
    }

    fn open(&mut self) -> io::Result<Opened> {
        Ok(Opened {
            entry: self.entry.clone(),
            size: SourceSize::Known,
            identity: None,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        for (place, word) in (offset / 8..).zip(buffer.chunks_mut(8)) {
            let mixed = place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word.copy_from_slice(&mixed.to_le_bytes()[..word.len()]);
        }
        self.read.fetch_add(buffer.len() as u64, Relaxed);
        Ok(buffer.len())
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        Ok(None)
    }

    fn close(&mut self) {}
}

#[test]
fn a_full_output_is_noticed_long_before_the_sources_end() {
    let (source, read) = Endless::boxed(1 << 40, None);
    let kind = io::ErrorKind::StorageFull;
    let output = Failing { room: 100, kind };
    let result = pack([source].into_iter(), settings(), output, &Unobserved);
    fails(result, kind, "endless");
    // What is held back until the block size is known, and what is under way.
    let read = read.load(Relaxed);
    assert!(read < 64 << 20, "{read} bytes were read");
}

/// Waits for somebody who never comes: whoever opens it is lost.
struct Waits(EntryPath);

impl Source for Waits {
    fn path(&self) -> &EntryPath {
        &self.0
    }

    fn waits(&self) -> bool {
        true
    }

    fn open(&mut self) -> io::Result<Opened> {
        panic!("it is opened before its turn");
    }

    fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        panic!("it is not open");
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        Ok(None)
    }

    fn close(&mut self) {}
}

#[test]
fn a_source_that_waits_holds_up_no_error_of_those_before_it() {
    let waits = || Box::new(Waits(path("sql/pipe"))) as Box<dyn Source>;
    let unreadable = with_behaviour("sql/a", "", Behaviour::Closed).boxed();
    let result = pack(
        [unreadable, waits()].into_iter(),
        settings(),
        io::sink(),
        &Unobserved,
    );
    assert!(matches!(result, Err(PackError::Unreadable(missing)) if missing.len() == 1));
    let (endless, _) = Endless::boxed(1 << 40, None);
    let kind = io::ErrorKind::StorageFull;
    let output = Failing { room: 100, kind };
    let result = pack(
        [endless, waits()].into_iter(),
        settings(),
        output,
        &Unobserved,
    );
    fails(result, kind, "endless");
    // Small files go through the thread that reads ahead, and so would it.
    let cancelled = StopsAt::new(0);
    let small = file("sql/a", "content").boxed();
    let result = pack(
        [small, waits()].into_iter(),
        settings(),
        io::sink(),
        &cancelled,
    );
    assert!(matches!(result, Err(PackError::Interrupted)));
}

/// Stops at the n-th time it is asked.
struct StopsAt {
    left: Cell<usize>,
    asked: Cell<usize>,
}

impl StopsAt {
    fn new(left: usize) -> Self {
        Self {
            left: Cell::new(left),
            asked: Cell::new(0),
        }
    }
}

impl Observer for StopsAt {
    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left == 0
    }
}

fn some_sources() -> Vec<MemorySource> {
    let mut sources = vec![
        file("sql/a", noise("a", 300_000)),
        file("sql/b", noise("b", 9_000_000)),
        with_behaviour("sql/c", noise("c", 10_000_000), Behaviour::Stream),
    ];
    sources.extend((0..50).map(|i| file(&format!("home/{i:02}"), log(i, 2000))));
    sources
}

#[test]
fn packing_stops_whenever_it_is_asked_to() {
    let start = Instant::now();
    let run = |stops: &StopsAt| {
        let sources = some_sources().into_iter().map(MemorySource::boxed);
        pack(sources, settings(), io::sink(), stops)
    };
    let never = StopsAt::new(usize::MAX);
    run(&never).unwrap();
    let asked = never.asked.get();
    assert!(
        asked > 53,
        "it asks at each source and within large ones: {asked}"
    );
    for at in (0..asked).step_by(1 + asked / 20) {
        let result = run(&StopsAt::new(at));
        assert!(
            matches!(result, Err(PackError::Interrupted)),
            "{at}: {result:?}"
        );
    }
    assert!(start.elapsed() < SOON);
}

#[test]
fn reading_stops_whenever_it_is_asked_to() {
    let start = Instant::now();
    let archive = packed(some_sources());
    type Run = fn(bakpak_codec::input::Input, &StopsAt) -> Result<(), ReadError>;
    let runs: [(&str, Run); 5] = [
        ("keyless", |input, stops| {
            verify_keyless(input, 2, stops).map(drop)
        }),
        ("blocks", |input, stops| {
            verify(input, &mut vec![key()], VerifyLevel::Blocks, 2, stops).map(drop)
        }),
        ("full", |input, stops| {
            verify(input, &mut vec![key()], VerifyLevel::Full, 2, stops).map(drop)
        }),
        ("unpack", |input, stops| {
            unpack(
                input,
                &mut vec![key()],
                &mut MemorySink::default(),
                2,
                stops,
            )
            .map(drop)
        }),
        ("tar", |input, stops| {
            tar(input, &mut vec![key()], &mut io::sink(), 2, stops).map(drop)
        }),
    ];
    for (name, run) in runs {
        for input in [as_file, as_stream] {
            let never = StopsAt::new(usize::MAX);
            run(input(&archive), &never).unwrap();
            let asked = never.asked.get();
            assert!(asked >= 20, "{name}: at each block at least: {asked}");
            for at in (0..asked).step_by(1 + asked / 7) {
                let error = run(input(&archive), &StopsAt::new(at)).unwrap_err();
                assert_eq!(error.class(), ErrorClass::Interrupted, "{name}, {at}");
            }
        }
    }
    assert!(start.elapsed() < SOON);
}

/// A GiB of hole in a small archive: only asking while zeros are hashed can stop it (spec: RDR-6).
const HOLE: u64 = 1 << 30;

/// After the first source that cannot be read the others are only probed, and nearly all of them
/// are well.
#[test]
fn packing_stops_soon_where_sources_are_only_probed() {
    let looked_at = AtomicU64::new(0);
    let sources = (0..40_000).map(|number| {
        looked_at.fetch_add(1, Relaxed);
        let at = format!("home/{number:06}");
        match number {
            0 => with_behaviour(&at, "", Behaviour::Closed).boxed(),
            // Nothing behind it is looked at before its turn: then they are only probed.
            1 => with_behaviour(&at, "", Behaviour::Stream).boxed(),
            _ => file(&at, "").boxed(),
        }
    });
    let result = pack(sources, settings(), io::sink(), &StopsAt::new(10));
    assert!(
        matches!(result, Err(PackError::Interrupted)),
        "{:?}",
        result.err()
    );
    // It asks once for each 256, and a few times as many are under way.
    let looked_at = looked_at.into_inner();
    assert!(looked_at < 256 * 16, "{looked_at} were looked at");
}

#[test]
fn packing_a_hole_can_be_stopped() {
    let extents = vec![Extent {
        offset: 0,
        len: 4096,
    }];
    let (source, _) = Endless::boxed(HOLE, Some(extents));
    let stops = StopsAt::new(10);
    let result = pack([source].into_iter(), settings(), io::sink(), &stops);
    assert!(matches!(result, Err(PackError::Interrupted)), "{result:?}");
}

#[test]
fn reading_a_hole_can_be_stopped() {
    let extents = vec![Extent {
        offset: 0,
        len: 4096,
    }];
    let (source, _) = Endless::boxed(HOLE, Some(extents));
    let mut archive = Vec::new();
    pack([source].into_iter(), settings(), &mut archive, &Unobserved).unwrap();
    assert!(archive.len() < 65_536);
    let keys = &mut vec![key()];
    let level = VerifyLevel::Full;
    let error = verify(as_file(&archive), keys, level, 1, &StopsAt::new(10)).err();
    assert!(matches!(error, Some(ReadError::Interrupted)), "{error:?}");
}

#[test]
fn reading_zeros_can_be_stopped() {
    let (archive, report) = try_pack(
        vec![with_behaviour(
            "sql/a",
            vec![0; 64 << 20],
            Behaviour::Shrinks { to: 0 },
        )],
        settings(),
    )
    .unwrap();
    assert_eq!(report.zero_bytes, 64 << 20);
    let keys = &mut vec![key()];
    for input in [as_file, as_stream] {
        let stops = StopsAt::new(10);
        let error = tar(input(&archive), keys, &mut io::sink(), 1, &stops).err();
        assert!(matches!(error, Some(ReadError::Interrupted)), "{error:?}");
    }
}

/// Fails at its n-th call.
struct FailingSink {
    left: usize,
}

impl FailingSink {
    fn step(&mut self, what: &str) -> Result<(), SinkError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!("the sink's own words at {what}").into()),
        }
    }
}

impl Sink for FailingSink {
    fn begin(&mut self, _: &Entry, _: Option<u64>) -> Result<(), SinkError> {
        self.step("begin")
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), SinkError> {
        self.step("write")
    }

    fn hole(&mut self, _: u64, _: u64) -> Result<(), SinkError> {
        self.step("hole")
    }

    fn end(&mut self) -> Result<(), SinkError> {
        self.step("end")
    }

    fn discard(&mut self, _: &EntryPath) -> Result<(), SinkError> {
        self.step("discard")
    }
}

#[test]
fn a_sink_that_fails_stops_unpacking_with_its_own_error() {
    let mut hole = vec![0; 20_000];
    hole[..4096].fill(1);
    let extents = vec![Extent {
        offset: 0,
        len: 4096,
    }];
    let fails_always = Behaviour::FailsAt {
        offset: 1000,
        times: usize::MAX,
    };
    let sources = vec![
        file("sql/a", noise("a", 30_000)),
        with_behaviour("sql/b", noise("b", 9_000_000), fails_always),
        sparse("home/a", hole, extents),
        bare("home/b", EntryKind::Directory),
    ];
    let settings = PackSettings {
        allow_incomplete: true,
        ..settings()
    };
    let (archive, _) = try_pack(sources, settings).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for left in 0.. {
        let mut sink = FailingSink { left };
        let input = if left % 2 == 0 { as_file } else { as_stream };
        match unpack(input(&archive), &mut vec![key()], &mut sink, 2, &Unobserved) {
            Ok(_) => break,
            Err(ReadError::Sink(error)) => {
                let words = error.to_string();
                let at = words.strip_prefix("the sink's own words at ").unwrap();
                seen.insert(at.to_owned());
            }
            Err(error) => panic!("{error}"),
        }
        assert!(left < 3000, "it does not end");
    }
    assert_eq!(
        Vec::from_iter(seen),
        ["begin", "discard", "end", "hole", "write"]
    );
}

#[test]
fn an_output_of_the_stream_that_fails_gives_its_own_error() {
    let archive = packed(vec![file("sql/a", noise("a", 30_000))]);
    let mut stream = Vec::new();
    tar(
        as_file(&archive),
        &mut vec![key()],
        &mut stream,
        2,
        &Unobserved,
    )
    .unwrap();
    for room in (0..stream.len()).step_by(777).chain([stream.len() - 1]) {
        for input in [as_file, as_stream] {
            let kind = io::ErrorKind::BrokenPipe;
            let mut output = Failing { room, kind };
            let result = tar(
                input(&archive),
                &mut vec![key()],
                &mut output,
                2,
                &Unobserved,
            );
            let Err(ReadError::Io { source, .. }) = result else {
                panic!("{room}: {result:?}");
            };
            assert_eq!(source.kind(), kind);
        }
    }
}

/// An input that fails after so many bytes.
struct FailingInput(io::Cursor<Vec<u8>>);

impl io::Read for FailingInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the input's own words",
            )),
            read => Ok(read),
        }
    }
}

#[test]
fn an_input_that_fails_is_not_taken_for_damage() {
    let archive = packed(vec![file("sql/a", noise("a", 30_000))]);
    for len in (0..archive.len()).step_by(1009) {
        let input = || {
            let bytes = archive[..len].to_vec();
            bakpak_codec::input::Input::stream(FailingInput(io::Cursor::new(bytes)))
        };
        let keys = &mut vec![key()];
        let level = VerifyLevel::Full;
        let errors = [
            verify_keyless(input(), 1, &Unobserved).err(),
            verify(input(), keys, level, 1, &Unobserved).err(),
            unpack(input(), keys, &mut MemorySink::default(), 1, &Unobserved).err(),
        ];
        for error in errors {
            let Some(ReadError::Io { source, .. }) = &error else {
                panic!("{len}: {error:?}");
            };
            assert_eq!(source.kind(), io::ErrorKind::TimedOut, "{len}");
        }
    }
}

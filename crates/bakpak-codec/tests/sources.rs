//! Sources that fail, and sources that no archive can hold; those that change are beside this.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::error::{ErrorClass, Missing, PackError, ReadError};
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_codec::verify::verify_keyless;
use bakpak_format::catalogue::RowFlags;
use bakpak_format::entry::{EntryKind, EntryPath, Extent};
use std::io;
use support::custom::*;
use support::*;

/// Some that can be read, and some that cannot be.
fn partly_readable() -> Vec<Box<dyn Source>> {
    let mut linked = with_behaviour("home/b", "linked", Behaviour::Closed);
    linked.entry.linked = true;
    let target = linked.entry.path.clone();
    boxed(vec![
        file("sql/a", "sound"),
        with_behaviour("sql/b", "closed", Behaviour::Closed),
        with_behaviour("sql/c", noise("c", 100_000), Behaviour::Closed),
        file("home/a", "sound too"),
        linked,
        bare("home/c", EntryKind::HardLink { target }),
        with_behaviour("attachments/a", "closed", Behaviour::Closed),
        file("attachments/b", "sound at last"),
    ])
}

#[test]
fn all_unreadable_sources_are_named_and_there_is_no_archive() {
    let listener = Listener::default();
    let (result, output) = pack_all(partly_readable(), false, &listener);
    let Err(PackError::Unreadable(missing)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(
        paths(&missing),
        ["sql/b", "sql/c", "home/b", "attachments/a"]
    );
    assert!(
        missing
            .iter()
            .all(|m| m.reason.contains("permission denied"))
    );
    assert_eq!(listener.0.borrow().len(), 4);
    let report = verify_keyless(as_stream(&output), 1, &Unobserved).unwrap();
    assert_ne!(report.findings, []);
    assert_eq!(report.root, None);
}

#[test]
fn a_source_that_fails_while_it_is_read_is_named_too() {
    for behaviour in [
        Behaviour::FailsAt {
            offset: 100,
            times: ALWAYS,
        },
        Behaviour::Vanishes { at: 0 },
    ] {
        let sources = boxed(vec![
            file("sql/a", "sound"),
            with_behaviour("sql/b", noise("b", 5000), behaviour),
            with_behaviour("sql/c", "closed", Behaviour::Closed),
        ]);
        let (result, _) = pack_all(sources, false, &Unobserved);
        let Err(PackError::Unreadable(missing)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(paths(&missing), ["sql/b", "sql/c"], "{behaviour:?}");
    }
}

#[test]
fn what_was_missing_before_counts() {
    let missing = vec![Missing {
        path: path("home/x"),
        reason: "not found while walking".into(),
    }];
    let settings = |allow_incomplete| PackSettings {
        missing: missing.clone(),
        allow_incomplete,
        ..settings()
    };
    let sources = || vec![file("sql/a", "sound")];
    let Err(PackError::Unreadable(found)) = try_pack(sources(), settings(false)) else {
        panic!("it is not complete");
    };
    assert_eq!(found, missing);
    let (archive, report) = try_pack(sources(), settings(true)).unwrap();
    assert_eq!(report.missing, missing);
    assert_eq!(verified(&archive).missing, missing);
}

#[test]
fn an_incomplete_archive_says_so_to_whoever_has_the_key() {
    let (report, archive) = packed_with(partly_readable());
    let names = ["sql/b", "sql/c", "home/b", "home/c", "attachments/a"];
    assert_eq!(paths(&report.missing), names);
    let of_link = &report.missing[3];
    assert!(of_link.reason.contains("home/b"), "{of_link:?}");

    let verified = verified(&archive);
    assert!(verified.totals.unwrap().incomplete);
    assert_eq!(verified.missing, report.missing);
    let opened = Archive::open(&file_of(&archive), &mut vec![key()]).unwrap();
    assert!(opened.totals().incomplete);
    for input in [as_file(&archive), as_stream(&archive)] {
        let (sink, unpacked) = unpacked(input).unwrap();
        assert_eq!(unpacked.missing, report.missing);
        assert_eq!(unpacked.discarded, []);
        let names: Vec<_> = sink.entries.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["sql/a", "home/a", "attachments/b"]);
    }
    // Without the key nothing of it shows.
    let keyless = verify_keyless(as_file(&archive), 1, &Unobserved).unwrap();
    assert_eq!((keyless.findings, keyless.missing), (vec![], vec![]));
    // A complete one does not say so.
    assert!(
        !self::verified(&packed(Vec::new()))
            .totals
            .unwrap()
            .incomplete
    );
}

#[test]
fn an_archive_that_was_not_restorable_says_so_and_opens() {
    for (restorable, missing) in [(Some(true), false), (Some(false), true), (None, false)] {
        let settings = PackSettings {
            restorable: restorable
                .map(|answer| -> Box<dyn FnOnce() -> bool + Send> { Box::new(move || answer) }),
            ..settings()
        };
        let (archive, _) = try_pack(vec![file("sql/a", "sound")], settings).unwrap();
        let totals = verified(&archive).totals.unwrap();
        assert_eq!((totals.not_restorable, totals.incomplete), (missing, false));
        assert_eq!(
            unpacked(as_stream(&archive)).unwrap().0.get("sql/a"),
            b"sound"
        );
    }
}

#[test]
fn a_large_file_that_fails_once_is_superseded_and_comes_back_right() {
    let content = noise("large", LARGE);
    let behaviour = Behaviour::FailsAt {
        offset: 5_000_000,
        times: 1,
    };
    let (archive, report) = try_pack(
        vec![
            file("sql/a", "before"),
            with_behaviour("sql/b", content.clone(), behaviour),
            file("sql/c", "behind"),
        ],
        settings(),
    )
    .unwrap();
    assert_eq!(
        (report.entries, report.missing.len(), report.changed),
        (4, 0, 0)
    );
    // What the first try lacked is ZERO, what it had is copied for the second.
    assert_eq!(report.zero_bytes, (LARGE - 5_000_000) as u64);
    assert!(report.copied_bytes > 4_500_000, "{}", report.copied_bytes);
    assert_eq!(report.content_len, (LARGE + 12) as u64);
    let verified = verified(&archive);
    assert_eq!(verified.totals.unwrap().row_count, 4);
    for input in [as_file(&archive), as_stream(&archive)] {
        let (sink, unpacked) = unpacked(input).unwrap();
        assert!(sink.get("sql/b") == content);
        assert_eq!(unpacked.discarded, []);
        assert_eq!(unpacked.totals.content_len, report.content_len);
    }
    let rows = rows(&archive);
    assert_eq!(rows.len(), 3, "the superseded one is hidden");
    assert_eq!(rows[1].flags, RowFlags::default());
    let mut opened = Archive::open(&file_of(&archive), &mut vec![key()]).unwrap();
    assert_eq!(
        opened.find(&path("sql/b")).unwrap().as_ref(),
        Some(&rows[1])
    );
    let mut read = Vec::new();
    opened.read_entry(&rows[1], &mut read).unwrap();
    assert!(read == content);
}

#[test]
fn a_large_file_that_fails_always_is_not_restored() {
    for (behaviour, tries) in [
        (
            Behaviour::FailsAt {
                offset: 8_500_000,
                times: ALWAYS,
            },
            3,
        ),
        (Behaviour::Vanishes { at: 2_000_000 }, 1),
    ] {
        let sources = || {
            boxed(vec![
                file("sql/a", "before"),
                with_behaviour("sql/b", noise("large", LARGE), behaviour),
                file("sql/c", "behind"),
            ])
        };
        let (result, _) = pack_all(sources(), false, &Unobserved);
        assert!(
            matches!(result, Err(PackError::Unreadable(_))),
            "{result:?}"
        );
        let (report, archive) = packed_with(sources());
        assert_eq!(paths(&report.missing), ["sql/b"]);
        assert_eq!(report.entries, 2 + tries, "{behaviour:?}");
        let verified = verified(&archive);
        assert_eq!(verified.unreadable, [path("sql/b")]);
        assert_eq!(verified.missing, report.missing);
        for input in [as_file(&archive), as_stream(&archive)] {
            let (sink, unpacked) = unpacked(input).unwrap();
            assert_eq!(unpacked.discarded, [path("sql/b")]);
            assert_eq!(sink.entries.len(), 2, "it was discarded");
        }
        let row = rows(&archive).remove(1);
        assert!(row.flags.contains(RowFlags::UNREADABLE));
        let mut opened = Archive::open(&file_of(&archive), &mut vec![key()]).unwrap();
        let mut read = Vec::new();
        let error = opened.read_entry(&row, &mut read).unwrap_err();
        assert!(matches!(&error, ReadError::Unreadable { path: p } if *p == path("sql/b")));
        assert_eq!((error.class(), read.len()), (ErrorClass::Incomplete, 0));
    }
}

#[test]
fn a_hard_link_to_a_file_that_was_given_up_is_left_out() {
    let mut large = with_behaviour(
        "home/a",
        noise("large", LARGE),
        Behaviour::FailsAt {
            offset: 1,
            times: ALWAYS,
        },
    );
    large.entry.linked = true;
    let target = large.entry.path.clone();
    let link = bare("home/b", EntryKind::HardLink { target });
    let (report, archive) = packed_with(boxed(vec![large, link]));
    assert_eq!(paths(&report.missing), ["home/a", "home/b"]);
    verified(&archive);
    assert!(unpacked(as_file(&archive)).unwrap().0.entries.is_empty());
}

#[test]
fn interrupted_reads_are_tried_again() {
    for len in [5000, LARGE] {
        for size in [SourceSize::Known, SourceSize::Unknown] {
            let content = noise("interrupted", len);
            let mut calls = 0;
            let source = custom(
                file("sql/a", content.clone()),
                size,
                |_, entry| Ok(entry),
                move |_, _| {
                    calls += 1;
                    match calls % 3 {
                        0 => Err(io::ErrorKind::Interrupted.into()),
                        _ => Ok(300_000),
                    }
                },
            );
            let (report, archive) = packed_with(vec![source]);
            assert_eq!((report.changed, report.missing.len()), (0, 0));
            assert!(unpacked(as_file(&archive)).unwrap().0.get("sql/a") == content);
        }
    }
}

#[test]
fn a_stream_that_breaks_off_early_is_left_out() {
    for offset in [0, 1, 8 << 20] {
        let sources = || {
            vec![
                breaking_stream("sql/a", noise("stream", LARGE), offset),
                file("sql/b", "behind").boxed(),
            ]
        };
        let (result, _) = pack_all(sources(), false, &Unobserved);
        assert!(matches!(result, Err(PackError::Unreadable(_))), "{offset}");
        let (report, archive) = packed_with(sources());
        assert_eq!(paths(&report.missing), ["sql/a"]);
        assert_eq!(report.entries, 1, "nothing of it is in the archive");
        assert_eq!(verified(&archive).missing, report.missing);
        assert_eq!(unpacked(as_file(&archive)).unwrap().0.entries.len(), 1);
    }
}

#[test]
fn a_stream_that_breaks_off_late_is_unreadable() {
    const PART: u64 = 8 << 20;
    for offset in [PART + 1, PART + 3_000_000, 2 * PART, 2 * PART + 1] {
        let sources = vec![
            breaking_stream("sql/a", noise("stream", 20_000_000), offset),
            file("sql/b", "behind").boxed(),
        ];
        let (report, archive) = packed_with(sources);
        assert_eq!(paths(&report.missing), ["sql/a"], "{offset}");
        let verified = verified(&archive);
        assert_eq!(verified.unreadable, [path("sql/a")], "{offset}");
        for input in [as_file(&archive), as_stream(&archive)] {
            let (sink, unpacked) = unpacked(input).unwrap();
            assert_eq!(unpacked.discarded, [path("sql/a")]);
            assert_eq!(sink.entries.len(), 1);
        }
        let row = rows(&archive).remove(0);
        assert!(row.flags.contains(RowFlags::UNREADABLE | RowFlags::PARTED));
    }
}

/// A source that is opened when its turn comes.
struct Waiting(MemorySource);

impl Source for Waiting {
    fn path(&self) -> &EntryPath {
        self.0.path()
    }

    fn waits(&self) -> bool {
        true
    }

    fn open(&mut self) -> io::Result<Opened> {
        self.0.open()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        self.0.identity()
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[test]
fn what_waits_is_packed_like_what_does_not() {
    let holes = |at| {
        let content = [vec![1; 100], vec![0; 50_000], vec![2; 300]].concat();
        // Not where the stream must have them (spec: ENT-7).
        let extents = [(0, 100), (50_100, 300)].map(|(offset, len)| Extent { offset, len });
        sparse(at, content, extents.into())
    };
    let target = b"elsewhere".to_vec();
    let all = || {
        [
            bare("home/a", EntryKind::Directory),
            bare(
                "home/b",
                EntryKind::Symlink {
                    target: target.clone(),
                },
            ),
            holes("home/c"),
            file("home/d", "plain"),
        ]
    };
    let wait = |source| Box::new(Waiting(source)) as Box<dyn Source>;
    let (_, waited) = packed_with(all().map(wait).into());
    verified(&waited);
    let (_, plain) = packed_with(boxed(all().into()));
    let unpacked = |archive: &[u8]| unpacked(as_file(archive)).unwrap().0;
    assert_eq!(unpacked(&waited), unpacked(&plain));
}

#[test]
fn sources_out_of_order_are_refused() {
    for (first, second) in [
        ("sql/b", "sql/a"),
        ("sql/a", "sql/a"),
        ("home/a", "sql/b"),
        ("attachments/a", "home/a"),
        ("sql/a.b", "sql/a/b"),
        ("sql/a/b", "sql/a"),
    ] {
        let result = try_pack(vec![file(first, "1"), file(second, "2")], settings());
        let Err(PackError::Settings(what)) = result else {
            panic!("{first}, {second}: {result:?}");
        };
        assert!(what.contains(second), "{what}");
    }
    let sources = ["sql/a", "sql/a/b", "sql/a.b", "home", "attachments"];
    let kind = |at: &str| bare(at, EntryKind::Directory);
    let (archive, _) = try_pack(sources.map(kind).into(), settings()).unwrap();
    assert_eq!(rows(&archive).len(), 5);
}

#[test]
fn entries_that_no_archive_can_hold_together_are_not_packed_into_one() {
    // Below a file, and in the place of another entry's parts (spec: ENT-4, ENT-8).
    let below = vec![file("sql/a", "1"), file("sql/a/b", "2")];
    let parts = || with_behaviour("sql/a", noise("parts", LARGE), Behaviour::Stream);
    let beside = vec![parts(), file("sql/a.parts", "2")];
    let in_place = vec![parts(), file("sql/a.parts/x", "2")];
    for sources in [below, beside, in_place] {
        let names: Vec<_> = sources.iter().map(|s| s.entry.path.to_string()).collect();
        match try_pack(sources, settings()) {
            Err(PackError::Settings(_)) => {}
            Err(error) => panic!("{names:?}: {error:?}"),
            Ok((archive, _)) => {
                let error = unpacked(as_file(&archive)).err();
                panic!("{names:?} were packed; unpacking says {error:?}");
            }
        }
    }
}

#[test]
fn copies_zeros_and_parts_are_really_produced() {
    let large = noise("large", 3_000_000);
    let (archive, report) = try_pack(
        vec![
            file("sql/a", large.clone()),
            file("sql/b", [b"in front".as_slice(), &large].concat()),
            file("sql/c", vec![0; 2_000_000]),
            with_behaviour("sql/d", noise("stream", LARGE), Behaviour::Stream),
            file("sql/e", vec![0; 3000]),
        ],
        settings(),
    )
    .unwrap();
    assert!(report.copied_bytes > 2_700_000, "{}", report.copied_bytes);
    assert_eq!(report.zero_bytes, 2_000_000);
    assert!(archive.len() < 12_500_000, "{}", archive.len());
    let flags: Vec<_> = rows(&archive).iter().map(|row| row.flags).collect();
    let plain = RowFlags::default();
    assert_eq!(flags, [plain, plain, plain, RowFlags::PARTED, plain]);
    // And not where nobody wants them.
    let settings = PackSettings {
        matching: None,
        ..settings()
    };
    let sources = vec![file("sql/a", large.clone()), file("sql/b", large)];
    let (_, report) = try_pack(sources, settings).unwrap();
    assert_eq!((report.copied_bytes, report.zero_bytes), (0, 0));
}

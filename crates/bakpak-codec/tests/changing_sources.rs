//! Sources that shrink, grow, change and become something else while they are packed.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::observer::Warning;
use bakpak_codec::source::SourceSize;
use bakpak_format::catalogue::RowFlags;
use bakpak_format::entry::{Entry, EntryKind};
use bakpak_format::record::ChangedFacts;
use std::io;
use support::custom::*;
use support::*;

#[test]
fn what_a_shrinking_file_lacks_is_zeros_and_it_is_marked() {
    for (len, to) in [(LARGE, 4_000_000), (LARGE, 0), (200_000, 70_000), (10, 3)] {
        let content = noise("shrinking", len);
        let source = with_behaviour("sql/a", content.clone(), Behaviour::Shrinks { to });
        let listener = Listener::default();
        let (report, archive) = pack_all(boxed(vec![source]), false, &listener);
        let report = report.unwrap();
        let (recorded, observed) = (len as u64, to);
        assert_eq!(report.changed, 1, "{len}");
        let warning = Warning::Changed {
            path: path("sql/a"),
            recorded,
            observed,
        };
        assert_eq!(*listener.0.borrow(), [warning]);
        if len == LARGE {
            assert_eq!(report.zero_bytes, recorded - observed);
        }
        let facts = ChangedFacts {
            recorded_size: recorded,
            observed_size: observed,
        };
        assert_eq!(changes(&archive), [facts]);
        assert!(rows(&archive)[0].flags.contains(RowFlags::CHANGED));
        assert_eq!(verified(&archive).changed, 1);
        let (sink, unpacked) = unpacked(as_stream(&archive)).unwrap();
        assert_eq!(unpacked.changed, 1);
        let (kept, zeros) = sink.get("sql/a").split_at(to as usize);
        assert!(kept == &content[..to as usize] && zeros.iter().all(|&b| b == 0));
        assert_eq!(kept.len() + zeros.len(), len);
    }
}

#[test]
fn a_restless_file_is_taken_as_it_is_and_marked() {
    for len in [0, 5000, LARGE] {
        let content = noise("restless", len);
        let source = with_behaviour("sql/a", content.clone(), Behaviour::Restless);
        let (archive, report) = try_pack(vec![source], settings()).unwrap();
        assert_eq!(report.changed, 1);
        let facts = ChangedFacts {
            recorded_size: len as u64,
            observed_size: len as u64 + 1,
        };
        assert_eq!(changes(&archive), [facts]);
        assert!(unpacked(as_file(&archive)).unwrap().0.get("sql/a") == content);
        verified(&archive);
    }
}

#[test]
fn a_small_file_that_settles_is_read_again_and_not_marked() {
    let content = noise("settles", 5000);
    let source = custom(
        file("sql/a", content.clone()),
        SourceSize::Known,
        |_, entry| Ok(entry),
        |opened, _| match opened {
            1 | 2 => Err(io::ErrorKind::Other.into()),
            _ => Ok(700),
        },
    );
    let (report, archive) = packed_with(vec![source]);
    assert_eq!(
        (report.changed, report.missing.len(), report.entries),
        (0, 0, 1)
    );
    assert!(unpacked(as_file(&archive)).unwrap().0.get("sql/a") == content);
}

#[test]
fn a_file_that_becomes_something_else_is_packed_as_that_or_given_up() {
    let becomes = |kind: EntryKind| {
        move |opened: usize, entry: Entry| {
            Ok(Entry {
                kind: match opened {
                    1 => entry.kind,
                    _ => kind.clone(),
                },
                ..entry
            })
        }
    };
    let fails_once = |opened: usize, _| match opened {
        1 => Err(io::ErrorKind::Other.into()),
        _ => Ok(ALWAYS),
    };
    let target = b"elsewhere".to_vec();
    for kind in [
        EntryKind::Directory,
        EntryKind::Fifo,
        EntryKind::Symlink { target },
    ] {
        let small = file("sql/a", noise("small", 5000));
        let small = custom(small, SourceSize::Known, becomes(kind.clone()), fails_once);
        let (report, archive) = packed_with(vec![small]);
        assert_eq!(report.missing, []);
        let (sink, _) = unpacked(as_file(&archive)).unwrap();
        assert_eq!(sink.entries[&path("sql/a")].0.as_ref().unwrap().kind, kind);

        let large = file("sql/a", noise("large", LARGE));
        let large = custom(large, SourceSize::Known, becomes(kind), fails_once);
        let (report, archive) = packed_with(vec![large, file("sql/b", "read").boxed()]);
        assert_eq!(paths(&report.missing), ["sql/a"]);
        assert_eq!(verified(&archive).unreadable, [path("sql/a")]);
    }
}

#[test]
fn a_small_file_that_has_grown_large_comes_back() {
    let content = noise("grows", LARGE);
    let source = custom(
        file("sql/a", content.clone()),
        SourceSize::Known,
        |opened, entry| {
            let size = if opened == 1 { 5000 } else { LARGE as u64 };
            let kind = EntryKind::File {
                size,
                extents: None,
            };
            Ok(Entry { kind, ..entry })
        },
        |opened, _| match opened {
            1 => Err(io::ErrorKind::Other.into()),
            _ => Ok(ALWAYS),
        },
    );
    let (report, archive) = packed_with(vec![source]);
    assert_eq!(report.missing, []);
    verified(&archive);
    assert!(unpacked(as_file(&archive)).unwrap().0.get("sql/a") == content);
}

#[test]
fn a_file_that_loses_its_other_names_between_two_tries_is_no_target() {
    let mut large = file("home/a", noise("large", LARGE));
    large.entry.linked = true;
    let target = large.entry.path.clone();
    let large = custom(
        large,
        SourceSize::Known,
        |opened, entry| {
            Ok(Entry {
                linked: opened == 1,
                ..entry
            })
        },
        |opened, at| match opened {
            1 if at > 3_000_000 => Err(io::ErrorKind::Other.into()),
            _ => Ok(ALWAYS),
        },
    );
    let link = bare("home/b", EntryKind::HardLink { target });
    let (report, archive) = packed_with(vec![large, link.boxed()]);
    verified(&archive);
    assert_eq!(paths(&report.missing), ["home/b"]);
    assert_eq!(
        unpacked(as_file(&archive)).unwrap().0.get("home/a").len(),
        LARGE
    );
}

#[test]
fn a_long_stream_with_other_names_and_attributes_comes_back() {
    // Parts carry neither; nothing else may disagree about them.
    let content = noise("stream", LARGE);
    let mut source = with_behaviour("home/a", content.clone(), Behaviour::Stream);
    source.entry.linked = true;
    let target = source.entry.path.clone();
    let link = bare("home/b", EntryKind::HardLink { target });
    let (report, archive) = packed_with(boxed(vec![source, link]));
    verified(&archive);
    assert_eq!(paths(&report.missing), ["home/b"]);
    let (sink, _) = unpacked(as_stream(&archive)).unwrap();
    assert!(sink.get("home/a") == content);
    let row = rows(&archive).remove(0);
    assert_eq!(row.flags, RowFlags::PARTED);
}

//! What goes in comes out, from files and from pipes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall fail"
)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::observer::Unobserved;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::entry::{EntryKind, Extent};
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use support::*;

fn check(
    sources: Vec<MemorySource>,
    block_size: Option<BlockSize>,
    parity: ParityGeometry,
) -> Vec<u8> {
    let expected: Vec<_> = sources
        .iter()
        .map(|s| (s.entry.clone(), s.content.clone(), s.behaviour))
        .collect();
    let (archive, report) = try_pack(
        sources,
        bakpak_codec::pack::PackSettings {
            block_size,
            parity,
            ..settings()
        },
    )
    .unwrap();
    for input in [as_file(&archive), as_stream(&archive)] {
        let (sink, unpacked) = unpacked(input).unwrap();
        assert_eq!(sink.entries.len(), expected.len());
        assert_eq!(unpacked.totals.content_len, report.content_len);
        for (entry, content, behaviour) in &expected {
            let (found, bytes) = &sink.entries[&entry.path];
            assert!(bytes == content, "{} differs", entry.path);
            if *behaviour == Behaviour::Sound {
                assert_eq!(found.as_ref().unwrap(), entry);
            }
        }
    }
    for input in [as_file(&archive), as_stream(&archive)] {
        let report = verify_keyless(input, 2, &Unobserved).unwrap();
        assert_eq!(report.findings, []);
    }
    for level in [VerifyLevel::Blocks, VerifyLevel::Full] {
        for input in [as_file(&archive), as_stream(&archive)] {
            let report = verify(input, &mut vec![key()], level, 2, &Unobserved).unwrap();
            assert_eq!(report.findings, []);
            assert!(report.root.is_some());
        }
    }
    archive
}

#[test]
fn an_archive_of_nothing_is_32_kib_and_44_with_parity() {
    for parity in ParityGeometry::all() {
        let len = if parity == ParityGeometry::NONE {
            32
        } else {
            44
        };
        assert_eq!(check(Vec::new(), None, parity).len(), len << 10);
    }
}

#[test]
fn every_kind_of_entry_comes_back() {
    let mut hole = vec![0; 300_000];
    hole[100_352..150_528].copy_from_slice(&noise("hole", 50_176));
    let mut linked = file("home/octopus/b", "content");
    linked.entry.linked = true;
    let target = linked.entry.path.clone();
    check(
        vec![
            file("sql/orders.bak", noise("orders", 200_000)),
            bare("home", EntryKind::Directory),
            bare("home/octopus", EntryKind::Directory),
            file("home/octopus/a", ""),
            linked,
            bare("home/octopus/c", EntryKind::HardLink { target }),
            bare(
                "home/octopus/d",
                EntryKind::Symlink {
                    target: b"../../nowhere".to_vec(),
                },
            ),
            bare("home/octopus/e\n\u{1b}", EntryKind::Fifo),
            bare(
                "home/octopus/f",
                EntryKind::CharDevice {
                    major: 1,
                    minor: 300_000,
                },
            ),
            sparse(
                "home/octopus/g",
                hole,
                vec![Extent {
                    offset: 100_352,
                    len: 50_176,
                }],
            ),
            sparse("home/octopus/h", vec![0; 70_000], Vec::new()),
            file("attachments/readme.txt", "restore me"),
        ],
        None,
        ParityGeometry::THREE,
    );
}

#[test]
fn many_small_and_some_large_files_come_back_with_every_block_size() {
    let sources = || {
        let mut sources = Vec::new();
        for i in 0..300 {
            sources.push(file(
                &format!("home/logs/{i:05}.log"),
                log(i, 1000 + i * 37),
            ));
        }
        sources.push(file("home/packages/1.zip", noise("package", 9_000_000)));
        // The same again, with something in front: found by content, not by place.
        let again = [b"version 2".as_slice(), &noise("package", 9_000_000)].concat();
        sources.push(file("home/packages/2.zip", again));
        sources.push(file("home/zeros", vec![0; 10_000_000]));
        sources.push(with_behaviour(
            "attachments/pipe",
            noise("pipe", 20_000_000),
            Behaviour::Stream,
        ));
        sources.push(with_behaviour(
            "attachments/short",
            log(1, 3000),
            Behaviour::Stream,
        ));
        sources
    };
    for (block_size, parity) in [
        (None, ParityGeometry::THREE),
        (Some(BlockSize::FOUR_KIB), ParityGeometry::NONE),
        (Some(BlockSize::FOUR_KIB), ParityGeometry::TWELVE),
        (Some(BlockSize::SIXTY_FOUR_KIB), ParityGeometry::SIX),
        (Some(BlockSize::FOUR_MIB), ParityGeometry::ONE_AND_A_HALF),
    ] {
        let archive = check(sources(), block_size, parity);
        assert!(archive.len() < 45_000_000, "{}", archive.len());
    }
}

#[test]
fn parts_of_any_length_come_back() {
    const PART: usize = 8 << 20;
    for len in [
        0,
        1,
        PART - 1,
        PART,
        PART + 1,
        2 * PART - 1,
        2 * PART,
        2 * PART + 1,
    ] {
        check(
            vec![with_behaviour(
                "sql/pipe",
                noise("pipe", len),
                Behaviour::Stream,
            )],
            None,
            ParityGeometry::THREE,
        );
    }
}

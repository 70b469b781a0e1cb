//! What is said of damage: its place, its sectors, its entry, with a key and without.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::geometry::BlockSize;
use support::regions::{Map, Site};
use support::*;

#[test]
fn every_changed_byte_of_the_smallest_archive_is_noticed_without_a_key() {
    let archive = packed(Vec::new());
    assert_eq!(archive.len(), 32_768);
    let map = Map::of(&archive);
    let mut bytes = archive.clone();
    for offset in 0..archive.len() {
        bytes[offset] ^= 1 << (offset % 8);
        let input = Input::stream(std::io::Cursor::new(bytes.clone()));
        let report = verify_keyless(input, 1, &Unobserved).unwrap();
        let (site, range) = map.site_at(offset);
        let first = report
            .findings
            .first()
            .unwrap_or_else(|| panic!("{site:?} {offset}"));
        assert_eq!(
            first.offset,
            Some(range.start as u64),
            "{site:?} {offset}: {first:?}"
        );
        bytes[offset] = archive[offset];
    }
}

#[test]
fn damaged_sectors_of_a_block_are_named() {
    let settings = PackSettings {
        block_size: Some(BlockSize::SIXTY_FOUR_KIB),
        ..settings()
    };
    let (archive, _) = try_pack(vec![file("sql/a", noise("a", 50_000))], settings).unwrap();
    let block = Map::of(&archive).range_of(Site::Block(0));
    for sectors in [vec![0], vec![5], vec![15], vec![1, 2, 9]] {
        let mut bytes = archive.clone();
        for sector in &sectors {
            bytes[block.start + *sector as usize * 4096 + 100] ^= 1;
        }
        let keyless = verify_keyless(as_file(&bytes), 2, &Unobserved).unwrap();
        let level = VerifyLevel::Full;
        let keyed = verify(as_file(&bytes), &mut vec![key()], level, 2, &Unobserved).unwrap();
        for report in [keyless, keyed] {
            let [finding] = report.findings.as_slice() else {
                panic!("one fault, not {:?}", report.findings);
            };
            assert_eq!(finding.block, Some(0));
            assert_eq!(finding.sectors, sectors);
            assert_eq!(finding.class(), ErrorClass::Damaged);
        }
    }
}

#[test]
fn a_damaged_block_names_the_entry_that_it_hits() {
    let sources = vec![
        file("sql/a", noise("a", 300_000)),
        file("sql/b", noise("b", 600_000)),
        file("sql/c", noise("c", 300_000)),
    ];
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings()
    };
    let (archive, _) = try_pack(sources, settings).unwrap();
    let map = Map::of(&archive);
    // In the third chunk of 256 KiB: inside `b`.
    let block = map.range_of(Site::Block(3 * 262_144 / 4000 - 10));
    let mut bytes = archive.clone();
    bytes[block.start + 200] ^= 1;
    for input in [as_file(&bytes), as_stream(&bytes)] {
        let error = unpacked(input).unwrap_err();
        let ReadError::Fault(finding) = error else {
            panic!("{error}");
        };
        assert_eq!(finding.entry, Some(path("sql/b")), "{finding}");
    }
    let report = verify(
        as_file(&bytes),
        &mut vec![key()],
        VerifyLevel::Full,
        2,
        &Unobserved,
    )
    .unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert_eq!(report.findings[0].entry, Some(path("sql/b")));
}

#[test]
fn every_damaged_block_is_named_and_nothing_else() {
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings()
    };
    // Two stripes.
    let content = noise("two stripes", 2_300_000);
    let (archive, _) = try_pack(vec![file("sql/a", content)], settings).unwrap();
    let map = Map::of(&archive);
    let damaged = [0, 1, 300, 509, 510, 515];
    let mut bytes = archive.clone();
    for block in damaged {
        bytes[map.range_of(Site::Block(block)).start + 3000] ^= 4;
    }
    for input in [as_file(&bytes), as_stream(&bytes)] {
        let keyless = verify_keyless(input, 2, &Unobserved).unwrap();
        let named: Vec<_> = keyless.findings.iter().map(|f| f.block.unwrap()).collect();
        assert_eq!(named, damaged);
    }
    for level in [VerifyLevel::Blocks, VerifyLevel::Full] {
        for input in [as_file(&bytes), as_stream(&bytes)] {
            let keyed = verify(input, &mut vec![key()], level, 2, &Unobserved).unwrap();
            let named: Vec<_> = keyed.findings.iter().map(|f| f.block.unwrap()).collect();
            assert_eq!(named, damaged, "{level:?}");
            assert!(
                keyed.findings.iter().all(|f| f.sectors == [0]),
                "{:?}",
                keyed.findings
            );
        }
    }
}

#[test]
fn whole_stripes_that_are_swapped_repeated_or_dropped_are_noticed() {
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings()
    };
    // Three stripes: two full ones and a short one.
    let content = noise("three stripes", 4_300_000);
    let (archive, _) = try_pack(vec![file("sql/a", content)], settings).unwrap();
    let map = Map::of(&archive);
    let start = |block| map.range_of(Site::Block(block)).start;
    let (one, two, three) = (start(0), start(510), start(1020));
    let stripe = |from: usize, to: usize| &archive[from..to];
    let (before, after) = (stripe(0, one), &archive[three..]);
    let (first, second) = (stripe(one, two), stripe(two, three));
    for (what, bytes) in [
        ("swapped", [before, second, first, after].concat()),
        ("repeated", [before, first, first, second, after].concat()),
        ("dropped", [before, first, after].concat()),
        ("the first dropped", [before, second, after].concat()),
    ] {
        for input in [as_file(&bytes), as_stream(&bytes)] {
            let keyless = verify_keyless(input, 2, &Unobserved).unwrap();
            let first = keyless.findings.first().unwrap_or_else(|| panic!("{what}"));
            assert_eq!(first.class(), ErrorClass::Damaged, "{what}: {first:?}");
            assert_eq!(keyless.root, None, "{what}");
        }
        for input in [as_file(&bytes), as_stream(&bytes)] {
            let error = unpacked(input).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Damaged, "{what}: {error}");
        }
    }
}

#[test]
fn a_key_that_does_not_fit_hides_no_damage() {
    let archive = packed(vec![file("sql/a", noise("a", 100_000))]);
    let verify = |input: Input| {
        let level = VerifyLevel::Full;
        verify(input, &mut vec![key_file(9)], level, 2, &Unobserved)
    };
    for whole in [as_file(&archive), as_stream(&archive)] {
        let error = verify(whole).unwrap_err();
        assert_eq!(error.class(), ErrorClass::NoKeyFits);
    }
    for at in (80..archive.len()).step_by(4096) {
        let mut damaged = archive.clone();
        damaged[at] ^= 1;
        for input in [Input::File(file_of(&damaged)), as_stream(&damaged)] {
            let report = verify(input).unwrap();
            let keyless = verify_keyless(as_file(&damaged), 1, &Unobserved).unwrap();
            assert_eq!(report.findings, keyless.findings, "byte {at}");
            // Where the head itself is damaged, no key was tried.
            let class = report.without_key.map(|error| error.class());
            let expected = report.head.map(|_| ErrorClass::NoKeyFits);
            assert_eq!(class, expected, "byte {at}");
        }
    }
}

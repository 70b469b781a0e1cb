//! Archives that end too early, at every length, and archives that go on behind their end.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::ErrorClass;
use bakpak_codec::pack::{EnvelopeSettings, PackSettings};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::BlockSize;
use bytes::Bytes;
use support::commands::{Command, Outcome, Truth, Verb, readers};
use support::regions::{Map, Site};
use support::*;

/// An archive of one file, or of nothing, with 4 KiB blocks.
fn pack_one(content: Option<Vec<u8>>, envelope: Option<EnvelopeSettings>) -> (Vec<u8>, Truth) {
    let sources = || content.iter().map(|content| file("sql/a", content.clone()));
    let items = envelope.iter().flat_map(|e| e.items.clone()).collect();
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        envelope,
        ..settings()
    };
    let (archive, _) = try_pack(sources().collect(), settings).unwrap();
    let truth = Truth {
        items,
        ..Truth::new(&archive, sources().map(|source| source.truth()))
    };
    (archive, truth)
}

/// The structure in which a file of this length ends.
fn stages(map: &Map, len: usize) -> Vec<Structure> {
    let mut stages = map.site_at(len).0.structures().to_vec();
    // Where a block or a check page may follow, nobody knows which it would have been.
    if matches!(map.site_at(len).0, Site::CheckPage(_)) {
        stages.push(Structure::Block);
    }
    stages
}

/// Cuts an archive to these lengths, and reads each with one command.
fn cut((archive, truth): &(Vec<u8>, Truth), command: Command, lens: impl Iterator<Item = usize>) {
    let bytes = Bytes::copy_from_slice(archive);
    let map = Map::of(&bytes);
    let file = file_of(&bytes);
    for len in lens {
        file.set_len(len as u64).unwrap();
        let outcome = command.run(&file, &bytes.slice(..len), truth, &format!("cut to {len}"));
        let told = format!("{command:?}, {len} bytes: {outcome:?}");
        assert_eq!(outcome.lie, None, "{told}");
        judge(&map, command, &outcome, len, &told);
    }
}

fn judge(map: &Map, command: Command, outcome: &Outcome, len: usize, told: &str) {
    let blocks_end = map
        .regions
        .iter()
        .rfind(|r| matches!(r.site, Site::Block(_)));
    let blocks_end = blocks_end.expect("an archive has blocks").range.end;
    if command.verb() == Verb::Archive && len >= blocks_end && outcome.is_clean() {
        // All entries are there, and can be found without the tail (spec: TAL-2).
        assert!(outcome.complete, "{told}");
        return;
    }
    assert!(!outcome.is_clean(), "unnoticed: {told}");
    let [finding] = outcome.findings.as_slice() else {
        panic!("one fault: {told}");
    };
    if command.verb() == Verb::Archive && len >= map.range_of(Site::Block(0)).start {
        // Who begins at the end cannot know how much there was.
        let classes = [ErrorClass::Damaged, ErrorClass::Truncated];
        assert!(classes.contains(&finding.class()), "{told}");
        return;
    }
    assert_eq!(finding.class, Class::Truncated, "{told}");
    assert!(stages(map, len).contains(&finding.structure), "{told}");
    assert_eq!(finding.offset, Some(len as u64), "{told}");
}

/// From the longest to the shortest, so that the file need not be written again.
fn every_length(verb: Verb) {
    let packed = pack_one(None, None);
    assert_eq!(packed.0.len(), 32_768);
    for command in readers() {
        if command.verb() == verb {
            cut(&packed, command, (0..32_768).rev());
        }
    }
}

#[test]
fn keyless_verify_notices_every_truncation_of_the_smallest_archive() {
    every_length(Verb::Keyless);
}

#[test]
fn verify_of_blocks_notices_every_truncation_of_the_smallest_archive() {
    every_length(Verb::Blocks);
}

#[test]
fn full_verify_notices_every_truncation_of_the_smallest_archive() {
    every_length(Verb::Full);
}

#[test]
fn unpack_notices_every_truncation_of_the_smallest_archive() {
    every_length(Verb::Unpack);
}

#[test]
fn tar_notices_every_truncation_of_the_smallest_archive() {
    every_length(Verb::Tar);
}

#[test]
fn random_access_notices_every_truncation_that_takes_entries_away() {
    every_length(Verb::Archive);
}

#[test]
fn every_command_notices_the_truncations_of_a_larger_archive() {
    // An envelope, several blocks and a check page that carries the head; cut around every
    // structure's ends, and in between.
    let envelope = envelope(vec![item(6, "note", b"secret")]);
    let packed = pack_one(Some(noise("a", 62_000)), envelope);
    let len = packed.0.len();
    let map = Map::of(&packed.0);
    let mut lens: Vec<usize> = (0..len).step_by(997).collect();
    for region in &map.regions {
        let ends = [region.range.start, region.range.end];
        lens.extend(ends.iter().flat_map(|&end| end.saturating_sub(1)..=end + 1));
    }
    lens.retain(|&cut| cut < len);
    lens.sort_unstable();
    lens.dedup();
    for command in readers() {
        match command.verb() {
            Verb::Envelope => {}
            _ => cut(&packed, command, lens.iter().rev().copied()),
        }
    }
    // The envelope can be opened as soon as it is there.
    let end = map.range_of(Site::Envelope).end;
    let command = Command::File(Verb::Envelope);
    cut(
        &packed,
        command,
        lens.iter().rev().copied().filter(|&len| len < end),
    );
}

#[test]
fn a_full_stripe_without_what_follows_it_is_truncated() {
    // Exactly one full stripe, and a second one: only the page's flag tells them apart.
    let packed = pack_one(Some(noise("a", 2_100_000)), None);
    let map = Map::of(&packed.0);
    let (page, second) = (
        map.range_of(Site::CheckPage(0)),
        map.range_of(Site::Block(510)),
    );
    assert_eq!(page.end, second.start);
    let lens = [
        page.start,
        page.start + 1,
        page.end - 1,
        page.end,
        page.end + 1,
        second.end,
    ];
    for command in readers() {
        if command.verb() != Verb::Envelope {
            cut(&packed, command, lens.iter().rev().copied());
        }
    }
}

#[test]
fn bytes_behind_the_end_are_damage() {
    let (archive, truth) = pack_one(Some(noise("a", 3000)), None);
    let locator = archive[archive.len() - 256..].to_vec();
    let page = archive[archive.len() - 4096..].to_vec();
    for more in [
        vec![0],
        vec![0; 255],
        vec![0; 4096],
        noise("more", 70_000),
        locator,
        page,
        archive.clone(),
    ] {
        let bytes = Bytes::from([archive.clone(), more].concat());
        let file = file_of(&bytes);
        for command in readers() {
            let outcome = command.run(&file, &bytes, &truth, "longer");
            let told = format!("{command:?}, {} bytes: {outcome:?}", bytes.len());
            match command.verb() {
                // Seeking finds what it needs, or does not find the locator.
                Verb::Archive | Verb::Envelope => {}
                _ => {
                    assert_eq!(outcome.classes(), [ErrorClass::Damaged], "{told}");
                    let [finding] = outcome.findings.as_slice() else {
                        panic!("one fault: {told}");
                    };
                    assert_eq!(finding.structure, Structure::Tail, "{told}");
                    assert_eq!(finding.offset, Some(archive.len() as u64), "{told}");
                    assert_eq!(finding.rule, Some("FIL-1"), "{told}");
                }
            }
        }
    }
}

#[test]
fn short_files_that_are_no_archives_are_told_from_cut_ones() {
    let class = |bytes: &[u8]| {
        let file = file_of(bytes);
        let bytes = &Bytes::copy_from_slice(bytes);
        let mut classes = readers().flat_map(|command| {
            let outcome = command.run(&file, bytes, &Truth::default(), "no archive");
            assert_eq!(outcome.findings.len(), 1, "{command:?}: {outcome:?}");
            outcome.findings.into_iter().map(|finding| finding.class)
        });
        let first = classes.next().unwrap();
        assert!(classes.all(|class| class == first));
        first
    };
    // spec: HED-1, HED-2
    assert_eq!(class(b""), Class::Truncated);
    assert_eq!(class(b"bakpak arch"), Class::Truncated);
    assert_eq!(class(b"bakpak archive 1-draft\nabc"), Class::Truncated);
    assert_eq!(class(b"PK\x03\x04"), Class::Unsupported);
    assert_eq!(class(b"bakpak archivf"), Class::Unsupported);
    assert_eq!(class(&[b'x'; 5000]), Class::Unsupported);
    assert_eq!(class(&[0; 100_000]), Class::Unsupported);
    // A newer version is not taken for damage, however short the file is.
    assert_eq!(class(b"bakpak archive 2\nabc"), Class::Unsupported);
    assert_eq!(
        class(&[b"bakpak archive 2\n", &[b'x'; 5000][..]].concat()),
        Class::Unsupported
    );
}

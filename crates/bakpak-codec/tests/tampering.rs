//! Archives changed by somebody without the key, who makes every checksum hold.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{ErrorClass, Finding, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::inspect::inspect;
use bakpak_codec::observer::{Observer, Unobserved, Warning};
use bakpak_codec::pack::PackSettings;
use bakpak_codec::random::Random;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::{BlockSize, StripeIndex};
use bakpak_format::slots::{Domain, Slot, SlotTable};
use bytes::Bytes;
use std::cell::RefCell;
use support::commands::{COMMANDS, Truth, Verb};
use support::forge::{HEADER, Parts, mend_block, mend_page, mend_table};
use support::regions::{Map, Site};
use support::*;

const CONTENT: usize = 20_000;

/// An archive of some blocks with an envelope; seeds give archives of the same shape and key.
fn pack_one(seed: &str) -> (Vec<u8>, Truth) {
    let content = noise(seed, CONTENT);
    let items = vec![item(6, "note", b"secret")];
    let settings = PackSettings {
        random: Random::seeded(seed.as_bytes()),
        block_size: Some(BlockSize::FOUR_KIB),
        cover_text: "Ring 555-0100.".into(),
        envelope: envelope(items.clone()),
        ..settings()
    };
    let source = || file("sql/a", content.clone());
    let (archive, _) = try_pack(vec![source()], settings).unwrap();
    let truth = Truth {
        items,
        ..Truth::new(&archive, [source().truth()])
    };
    (archive, truth)
}

fn parts(seed: &str) -> Parts {
    Parts::of(&pack_one(seed).0).unwrap()
}

fn keyless(bytes: &[u8]) -> Vec<Finding> {
    verify_keyless(as_file(bytes), 1, &Unobserved)
        .unwrap()
        .findings
}

/// Everything that takes the data key tells of the change, in one of these classes, and hands out
/// nothing but the truth; whoever has no key sees nothing.
fn only_the_key_notices(bytes: &[u8], classes: &[Class], what: &str) {
    assert_eq!(keyless(bytes), [], "{what}");
    the_key_notices(bytes, classes, what);
}

fn the_key_notices(bytes: &[u8], classes: &[Class], what: &str) {
    let (_, truth) = pack_one("one");
    let file = file_of(bytes);
    let bytes = &Bytes::copy_from_slice(bytes);
    for command in COMMANDS {
        // Without a key nothing is seen of it, and repair gives such an archive back as it is.
        if matches!(
            command.verb(),
            Verb::Keyless | Verb::Envelope | Verb::Repair
        ) {
            continue;
        }
        let outcome = command.run(&file, bytes, &truth, what);
        let told = format!("{what}, {command:?}: {outcome:?}");
        assert_eq!(outcome.lie, None, "{told}");
        // What opens is taken from wherever it stands; whether that is all shows in what comes out.
        if command.verb() == Verb::Salvage {
            assert!(!outcome.is_clean() || outcome.complete, "{told}");
            continue;
        }
        match (&outcome.error, outcome.findings.first()) {
            (None, Some(finding)) => assert!(classes.contains(&finding.class), "{told}"),
            (Some(ReadError::NoKeyFits { .. }), None) => {
                assert!(classes.contains(&Class::NoKeyFits), "{told}");
            }
            _ => panic!("unnoticed: {told}"),
        }
    }
}

/// Gives a block another number, and a right checksum.
fn renumber(block: &mut [u8], index: usize) {
    block[8..16].copy_from_slice(&(index as u64).to_le_bytes());
    mend_block(block);
}

fn renumber_all(parts: &mut Parts) {
    for (index, block) in parts.blocks.iter_mut().enumerate() {
        renumber(block, index);
    }
}

#[test]
fn an_archive_put_together_again_is_the_same() {
    let (archive, _) = pack_one("one");
    let parts = Parts::of(&archive).unwrap();
    assert!(parts.assemble() == archive);
    let keys = parts.keys(Domain::Data, &[7; 32]).unwrap();
    assert!(parts.keys(Domain::Data, &[8; 32]).is_none());
    assert!(parts.keys(Domain::Envelope, &[8; 32]).is_some());
    // With the key also what is sealed.
    let records = parts.records(&keys).unwrap();
    let mut again = parts.clone();
    again.seal_records(&keys, &records);
    let archive = again.assemble();
    assert_eq!(keyless(&archive), []);
    assert!(unpacked(as_file(&archive)).is_ok());
}

#[test]
fn swapped_blocks_stand_in_the_wrong_place() {
    let (archive, _) = pack_one("one");
    let mut parts = Parts::of(&archive).unwrap();
    parts.blocks.swap(1, 2);
    // Also with a check page that agrees.
    let bytes = parts.assemble();
    let named: Vec<_> = keyless(&bytes).iter().map(|f| (f.block, f.class)).collect();
    assert_eq!(
        named,
        [(Some(1), Class::Damaged), (Some(2), Class::Damaged)]
    );
    the_key_notices(&bytes, &[Class::Damaged], "swapped");
}

#[test]
fn swapped_blocks_with_right_numbers_do_not_open() {
    let mut parts = parts("one");
    parts.blocks.swap(1, 2);
    renumber_all(&mut parts);
    only_the_key_notices(&parts.assemble(), &[Class::NotAuthentic], "swapped");
}

#[test]
fn a_repeated_block_does_not_open() {
    let mut one = parts("one");
    one.blocks[2] = one.blocks[1].clone();
    assert_eq!(keyless(&one.assemble())[0].block, Some(2));
    renumber_all(&mut one);
    only_the_key_notices(
        &one.assemble(),
        &[Class::NotAuthentic],
        "in place of another",
    );
    let mut one = parts("one");
    let again = one.blocks[1].clone();
    one.blocks.insert(2, again);
    renumber_all(&mut one);
    only_the_key_notices(&one.assemble(), &[Class::NotAuthentic], "added");
}

#[test]
fn a_dropped_block_is_missed() {
    let last = parts("one").blocks.len() - 1;
    for dropped in 0..last {
        let mut parts = parts("one");
        parts.blocks.remove(dropped);
        renumber_all(&mut parts);
        only_the_key_notices(&parts.assemble(), &[Class::NotAuthentic], "dropped");
    }
}

#[test]
fn a_dropped_end_is_missed_by_whoever_reads_the_records() {
    // The blocks that are left are all authentic: that is as far as the level `blocks` looks.
    let mut parts = parts("one");
    parts.blocks.pop();
    let bytes = parts.assemble();
    assert_eq!(keyless(&bytes), []);
    let level = VerifyLevel::Full;
    let report = verify(as_file(&bytes), &mut vec![key()], level, 1, &Unobserved).unwrap();
    assert_eq!(report.findings[0].class, Class::Malformed, "{report:?}");
    for input in [as_file(&bytes), as_stream(&bytes)] {
        let error = unpacked(input).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
    }
    let error = Archive::open(&file_of(&bytes), &mut vec![key()])
        .err()
        .unwrap();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
}

#[test]
fn a_block_of_another_archive_with_the_same_key_does_not_open() {
    let (mut one, other) = (parts("one"), parts("other"));
    let id = one.archive_id();
    for index in 0..one.blocks.len() {
        let kept = std::mem::replace(&mut one.blocks[index], other.blocks[index].clone());
        let named = keyless(&one.assemble());
        assert_eq!(named[0].block, Some(index as u64));
        let block = &mut one.blocks[index];
        block[16..24].copy_from_slice(&id.0[..8]);
        // With its own salt it would be the one block of its stripe with another salt.
        block[24..40].copy_from_slice(&kept[24..40]);
        mend_block(block);
        only_the_key_notices(&one.assemble(), &[Class::NotAuthentic], "another's block");
        one.blocks[index] = kept;
    }
}

#[test]
fn a_block_with_another_salt_or_nonce_does_not_open() {
    let mut salt = parts("one");
    salt.blocks[1][24] ^= 1;
    mend_block(&mut salt.blocks[1]);
    assert_eq!(keyless(&salt.assemble())[0].block, Some(1)); // spec: BLK-3
    salt.blocks
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| *index != 1)
        .for_each(|(_, block)| {
            block[24] ^= 1;
            mend_block(block);
        });
    only_the_key_notices(&salt.assemble(), &[Class::NotAuthentic], "salt");
    let mut nonce = parts("one");
    nonce.blocks[0][40] ^= 1;
    mend_block(&mut nonce.blocks[0]);
    only_the_key_notices(&nonce.assemble(), &[Class::NotAuthentic], "nonce");
}

#[test]
fn a_changed_header_does_not_authenticate() {
    for (what, offset, bytes) in [
        ("read-only features", 32, &[1_u8][..]),
        ("compatible features", 40, &[1]),
        ("a smaller chunk_size", 56, &4096_u32.to_le_bytes()),
        ("a larger chunk_size", 56, &(8_u32 << 20).to_le_bytes()),
        ("no copy_reach", 64, &[0; 8]),
        ("another copy_reach", 64, &[1]),
    ] {
        let mut parts = parts("one");
        parts.change_head(HEADER + offset, bytes);
        only_the_key_notices(&parts.assemble(), &[Class::NotAuthentic], what);
    }
    let mut cover = parts("one");
    cover.change_head(23, b"Ring 666-0100.");
    only_the_key_notices(&cover.assemble(), &[Class::NotAuthentic], "cover text");
    let mut mac = parts("one");
    mac.change_head(HEADER + 240, &[1, 2, 3]);
    only_the_key_notices(&mac.assemble(), &[Class::NotAuthentic], "the MAC itself");
}

#[test]
fn a_header_of_another_suite_or_with_features_is_not_supported() {
    for (what, offset, bytes) in [
        ("suite 0", 48, &[0_u8, 0][..]),
        ("suite 2", 48, &[2]),
        ("volumes", 24, &[1]),
        ("base link", 24, &[2]),
        ("an unknown feature", 24, &[0x20]),
        ("another block size", 50, &[13]),
        ("parity without its code", 51, &[2]),
        ("a parity geometry that does not exist", 51, &[5, 1]),
        ("another parity code", 51, &[2, 2]),
        ("a parity code without parity", 52, &[1]),
        ("reserved bytes", 54, &[1]),
    ] {
        let mut parts = parts("one");
        parts.change_head(HEADER + offset, bytes);
        let bytes = parts.assemble();
        assert_eq!(keyless(&bytes)[0].class, Class::Unsupported, "{what}");
        the_key_notices(&bytes, &[Class::Unsupported], what);
    }
}

#[test]
fn a_header_with_another_commitment_or_salt_fits_no_key() {
    for (what, offset) in [("salt", 72), ("commitment", 104)] {
        let mut parts = parts("one");
        parts.change_head(HEADER + offset, &[1, 2, 3]);
        only_the_key_notices(&parts.assemble(), &[Class::NoKeyFits], what);
    }
    let mut parts = parts("one");
    parts.change_head(HEADER + 136, &[1, 2, 3]);
    let error = open_envelope(
        &file_of(&parts.assemble()),
        &mut vec![envelope_key()],
        &Unobserved,
    );
    assert_eq!(error.err().unwrap().class(), ErrorClass::NoKeyFits);
}

#[test]
fn a_header_that_nothing_else_follows_is_damage_without_a_key_too() {
    let (archive, _) = pack_one("one");
    let mut parts = Parts::of(&archive).unwrap();
    parts.change_head(HEADER + 40, &[1]);
    // Check page and tail still hold the digest and the copy of the old one.
    let bytes = [&parts.head, &archive[parts.head.len()..]].concat();
    let structures: Vec<_> = keyless(&bytes).iter().map(|f| f.structure).collect();
    assert!(structures.contains(&Structure::CheckPage), "{structures:?}");
    assert!(structures.contains(&Structure::Tail), "{structures:?}");
}

#[test]
fn slot_tables_of_another_archive_fit_nobody() {
    let (one, other) = (parts("one"), parts("other"));
    let mut spliced = one.clone();
    spliced.data_slots = other.data_slots.clone();
    let bytes = spliced.assemble();
    assert_eq!(keyless(&bytes)[0].structure, Structure::Slots);
    the_key_notices(&bytes, &[Class::Damaged], "tables of another archive");
    // With this archive's id, which the slots are bound to.
    for table in &mut spliced.data_slots {
        table[16..32].copy_from_slice(&one.archive_id().0);
        mend_table(table);
    }
    only_the_key_notices(
        &spliced.assemble(),
        &[Class::NoKeyFits],
        "with this one's id",
    );
}

#[test]
fn head_and_slots_of_another_archive_do_not_open_these_blocks() {
    let (one, other) = (parts("one"), parts("other"));
    let mut spliced = other.clone();
    spliced.blocks = one.blocks.clone();
    assert_eq!(keyless(&spliced.assemble())[0].structure, Structure::Block);
    for block in &mut spliced.blocks {
        block[16..24].copy_from_slice(&other.archive_id().0[..8]);
        mend_block(block);
    }
    only_the_key_notices(
        &spliced.assemble(),
        &[Class::NotAuthentic],
        "another's head",
    );
}

/// A table with one slot more.
fn with_another_slot(table: &[u8], domain: Domain, generation: u32) -> Vec<u8> {
    let id = bakpak_format::header::ArchiveId(table[16..32].try_into().unwrap());
    let mut table = SlotTable::decode(table, domain, &id).unwrap();
    table.generation = generation;
    table.slots.push(Slot::Other {
        kind: 99,
        body: vec![1; 20],
    });
    let mac = table.mac;
    table.encode(4096, |_| mac).unwrap()
}

#[test]
fn a_slot_added_without_the_key_does_not_authenticate() {
    let mut parts = parts("one");
    let table = with_another_slot(&parts.data_slots[0], Domain::Data, 1);
    parts.data_slots = [table.clone(), table];
    only_the_key_notices(&parts.assemble(), &[Class::NotAuthentic], "a slot more");
    let tables = parts.envelope_slots.as_mut().unwrap();
    let table = with_another_slot(&tables[0], Domain::Envelope, 1);
    *tables = [table.clone(), table];
    let bytes = parts.assemble();
    let opened = open_envelope(&file_of(&bytes), &mut vec![envelope_key()], &Unobserved);
    let Some(ReadError::Fault(finding)) = opened.err() else {
        panic!("a fault");
    };
    assert_eq!(
        (finding.class, finding.structure),
        (Class::NotAuthentic, Structure::Slots)
    );
}

/// Remembers what it is told.
#[derive(Default)]
struct Listener(RefCell<Vec<Warning>>);

impl Observer for Listener {
    fn warn(&self, warning: Warning) {
        self.0.borrow_mut().push(warning);
    }
}

/// A newer table, as `key` would write it, and archives with it here and there.
fn newer_table(parts: &Parts) -> Vec<u8> {
    let keys = parts.keys(Domain::Data, &[7; 32]).unwrap();
    let mut table = with_another_slot(&parts.data_slots[0], Domain::Data, 2);
    keys.authenticate_table(&mut table);
    table
}

#[test]
fn of_two_whole_tables_the_newer_one_counts() {
    for newer_is_first in [true, false] {
        let mut parts = parts("one");
        let newer = newer_table(&parts);
        parts.data_slots[usize::from(!newer_is_first)] = newer;
        let file = file_of(&parts.assemble());
        assert_eq!(inspect(&file).unwrap().generation, 2);
        // The key command died between the two: it opens, and verify says so.
        assert!(Archive::open(&file, &mut vec![key()]).is_ok());
        let input = Input::File(file.try_clone().unwrap());
        let findings = verify_keyless(input, 1, &Unobserved).unwrap().findings;
        assert_eq!(findings[0].structure, Structure::Slots, "{findings:?}");
        assert_eq!(findings[0].class, Class::Damaged);
        let b = parts.geometry.data_slots_offset().0 + parts.geometry.slot_area as u64;
        assert_eq!(findings[0].offset, Some(b), "{findings:?}");
    }
}

#[test]
fn an_older_copy_of_a_slot_table_is_only_told() {
    let old = parts("one");
    let mut new = old.clone();
    let newer = newer_table(&old);
    new.data_slots = [newer.clone(), newer];
    let mut bytes = new.assemble();
    assert_eq!(keyless(&bytes), []);
    let map = Map::of(&bytes);
    let copies: Vec<_> = map
        .sites
        .iter()
        .filter(|(site, _)| *site == Site::TailCopy)
        .collect();
    let copy = copies[1].1.clone();
    bytes[copy.clone()].copy_from_slice(&old.data_slots[0]);
    for level in [None, Some(VerifyLevel::Blocks), Some(VerifyLevel::Full)] {
        for input in [as_file(&bytes), as_stream(&bytes)] {
            let listener = Listener::default();
            let report = match level {
                None => verify_keyless(input, 1, &listener),
                Some(level) => verify(input, &mut vec![key()], level, 1, &listener),
            };
            assert_eq!(report.unwrap().findings, [], "{level:?}");
            let told = Warning::OlderSlotTable {
                found: 1,
                newest: 2,
            };
            let mut warnings = listener.0.into_inner();
            warnings.retain(|warning| !matches!(warning, Warning::Spooling { .. }));
            assert_eq!(warnings, [told], "{level:?}");
        }
    }
    assert!(unpacked(as_file(&bytes)).is_ok());
    // One of the same generation that differs, or a newer one, is damage.
    let same = with_another_slot(&old.data_slots[0], Domain::Data, 2);
    let newer = with_another_slot(&old.data_slots[0], Domain::Data, 3);
    for wrong in [same, newer] {
        bytes[copy.clone()].copy_from_slice(&wrong);
        let findings = keyless(&bytes);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].structure, Structure::Tail);
        assert_eq!(findings[0].offset, Some(copy.start as u64));
    }
}

#[test]
fn a_rewritten_check_page_hides_nothing_from_the_key() {
    // A byte of each block changed, and everything made to agree with it.
    for index in 0..parts("one").blocks.len() {
        for offset in [64, 2000, 4095] {
            let mut parts = parts("one");
            parts.blocks[index][offset] ^= 1;
            only_the_key_notices(&parts.assemble(), &[Class::NotAuthentic], "rewritten");
        }
    }
}

#[test]
fn a_check_page_that_lies_about_a_block_accuses_it_and_one_that_lies_about_sectors_itself() {
    let (archive, _) = pack_one("one");
    let parts = Parts::of(&archive).unwrap();
    let (_, page) = parts.stripe(StripeIndex(0));
    let start = Map::of(&archive).range_of(Site::CheckPage(0)).start;
    let covered = parts.geometry.check_page_len(parts.blocks.len()).0;
    let hashes = 256 + 4 * covered / 4096;
    let crcs = hashes + 32 * parts.blocks.len();
    let rewritten = |offset: usize| {
        let mut page = page.clone();
        page[offset] ^= 1;
        mend_page(&mut page, covered);
        let mut bytes = archive[..start].to_vec();
        bytes.extend_from_slice(&page);
        let digest = bakpak_format::digest::Digest::of(&page[..covered]);
        parts.add_tail(&mut bytes, &[digest]);
        keyless(&bytes)
    };
    let [of_block] = &rewritten(hashes + 32)[..] else {
        panic!("one fault");
    };
    assert_eq!(
        (of_block.structure, of_block.block),
        (Structure::Block, Some(1))
    );
    let [of_sector] = &rewritten(crcs + 4)[..] else {
        panic!("one fault");
    };
    assert_eq!(of_sector.structure, Structure::CheckPage, "{of_sector:?}");
    assert_eq!(
        (of_sector.block, &of_sector.sectors[..]),
        (Some(1), &[0][..])
    );
    assert_eq!(of_sector.offset, Some(start as u64), "{of_sector:?}");
}

#[test]
fn an_envelope_of_another_archive_does_not_open() {
    let (one, other) = (parts("one"), parts("other"));
    let open = |parts: &Parts| {
        open_envelope(
            &file_of(&parts.assemble()),
            &mut vec![envelope_key()],
            &Unobserved,
        )
    };
    let mut spliced = one.clone();
    spliced.envelope = other.envelope.clone();
    assert_eq!(open(&spliced).err().unwrap().class(), ErrorClass::Damaged);
    assert_eq!(
        keyless(&spliced.assemble())[0].structure,
        Structure::Envelope
    );
    // With the header saying that it belongs here.
    let digest = bakpak_format::digest::Digest::of(&spliced.envelope);
    spliced.change_head(HEADER + 168, digest.as_bytes());
    let Some(ReadError::Fault(finding)) = open(&spliced).err() else {
        panic!("a fault");
    };
    assert_eq!(
        (finding.class, finding.structure),
        (Class::NotAuthentic, Structure::Envelope)
    );
    only_the_key_notices(
        &spliced.assemble(),
        &[Class::NotAuthentic],
        "another envelope",
    );
    // With its slots too.
    let mut tables = other.envelope_slots.clone().unwrap();
    for table in &mut tables {
        table[16..32].copy_from_slice(&one.archive_id().0);
        mend_table(table);
    }
    spliced.envelope_slots = Some(tables);
    assert_eq!(open(&spliced).err().unwrap().class(), ErrorClass::NoKeyFits);
}

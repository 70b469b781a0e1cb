//! Limits that show before anything is opened: what key slots may ask for, and who opens them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{ErrorClass, PackError, ReadError};
use bakpak_codec::inspect::inspect;
use bakpak_codec::keyring::{Keyring, SlotKind};
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{EnvelopeSettings, PackSettings};
use bakpak_codec::secret::{Credential, KeyFile, Passphrase};
use bakpak_codec::unpack::{tar, unpack};
use bakpak_codec::verify::{VerifyLevel, verify};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use bakpak_format::slots::{Argon2Params, Domain, Slot, SlotTable};
use std::io;
use support::forge::Parts;
use support::*;

/// The cheapest that a reader takes.
const FLOOR: Argon2Params = Argon2Params {
    memory_kib: 65_536,
    passes: 2,
    lanes: 1,
};

fn passphrase(text: &str) -> Credential {
    Credential::Passphrase(Passphrase::new(text.into()))
}

fn pack_with(key: Credential, argon2: Argon2Params) -> Result<Vec<u8>, PackError> {
    let settings = PackSettings {
        argon2,
        parity: ParityGeometry::NONE,
        ..PackSettings::new(key)
    };
    Ok(try_pack(vec![file("sql/a", "content")], settings)?.0)
}

fn slots(archive: &[u8]) -> SlotTable {
    let parts = Parts::of(archive).unwrap();
    SlotTable::decode(&parts.data_slots[0], Domain::Data, &parts.archive_id()).unwrap()
}

/// The archive with other slots; the MAC is as it was, for want of the key.
fn with_slots(archive: &[u8], slots: Vec<Slot>) -> Vec<u8> {
    let mut parts = Parts::of(archive).unwrap();
    let mut table = self::slots(archive);
    table.slots = slots;
    let mac = table.mac;
    let table = table.encode(parts.geometry.slot_area, |_| mac).unwrap();
    parts.data_slots = [table.clone(), table];
    parts.assemble()
}

fn with_params(archive: &[u8], params: Argon2Params) -> Vec<u8> {
    let Slot::Passphrase(mut slot) = slots(archive).slots.remove(0) else {
        panic!("a passphrase slot");
    };
    slot.params = params;
    with_slots(archive, vec![Slot::Passphrase(slot)])
}

/// What every command that takes the data key says; all of them say the same.
fn refusal(archive: &[u8], keys: &[Credential]) -> ReadError {
    let mut keys = keys.to_vec();
    let nobody = &Unobserved;
    let input = || as_file(archive);
    let opened = Archive::open(&file_of(archive), &mut keys);
    let first = opened.err().expect("it does not open");
    let level = VerifyLevel::Blocks;
    let verified = match verify(input(), &mut keys, level, 1, nobody) {
        Ok(report) => report.findings[0].class(),
        Err(error) => error.class(),
    };
    let mut sink = MemorySink::default();
    let unpacked = unpack(input(), &mut keys, &mut sink, 1, nobody).unwrap_err();
    let mut stream = Vec::new();
    let tarred = tar(input(), &mut keys, &mut stream, 1, nobody).unwrap_err();
    assert_eq!(
        [verified, unpacked.class(), tarred.class()],
        [first.class(); 3]
    );
    assert!(sink.entries.is_empty() && stream.is_empty());
    first
}

#[test]
fn a_passphrase_opens_what_it_was_given_for() {
    let archive = pack_with(passphrase("correct horse"), FLOOR).unwrap();
    let info = inspect(&file_of(&archive)).unwrap();
    assert_eq!(info.slots[0].kind, SlotKind::Passphrase);
    assert_eq!(info.slots[0].argon2, Some(FLOOR));
    // It is taken byte for byte, and found among others.
    let mut keys = vec![key(), passphrase("correct horse")];
    assert!(Archive::open(&file_of(&archive), &mut keys).is_ok());
    for wrong in ["correct horse\n", "Correct horse", ""] {
        let error = refusal(&archive, &[passphrase(wrong)]);
        assert_eq!(error.class(), ErrorClass::NoKeyFits, "{error}");
    }
}

#[test]
fn argon2_parameters_over_a_limit_are_refused_before_memory_is_taken() {
    let archive = pack_with(passphrase("p"), FLOOR).unwrap();
    for (memory_kib, passes, lanes) in [
        (1_048_577, 2, 1),
        // Would be 4 TiB.
        (u32::MAX, 2, 1),
        (65_536, 17, 1),
        (65_536, u32::MAX, 1),
        (65_536, 2, 17),
        (65_536, 2, u32::MAX),
        (1_048_576, 5, 1),
        (65_535, 2, 1),
        (0, 2, 1),
        (65_536, 1, 1),
        (65_536, 0, 1),
        (65_536, 2, 0),
        (u32::MAX, u32::MAX, u32::MAX),
    ] {
        let params = Argon2Params {
            memory_kib,
            passes,
            lanes,
        };
        let forged = with_params(&archive, params);
        let error = refusal(&forged, &[passphrase("p")]);
        let ReadError::Fault(finding) = error else {
            panic!("{params:?}: {error}");
        };
        assert_eq!(finding.class, Class::LimitExceeded, "{params:?}");
        assert_eq!(finding.structure, Structure::Slots, "{params:?}");
        // Nobody is hurt by a slot that is not tried (spec: SLT-7).
        let error = refusal(&forged, &[key()]);
        assert_eq!(error.class(), ErrorClass::NoKeyFits, "{params:?}");
        assert!(inspect(&file_of(&forged)).is_ok());
    }
}

#[test]
fn a_key_file_is_tried_before_a_costly_passphrase() {
    let archive = pack_with(key(), FLOOR).unwrap();
    let costly = slots(&with_passphrase_slot(u32::MAX)).slots.remove(0);
    let own = slots(&archive).slots.remove(0);
    let mut parts = Parts::of(&archive).unwrap();
    let keys = parts.keys(Domain::Data, &[7; 32]).unwrap();
    let forged = with_slots(&archive, vec![costly, own]);
    let mut table = Parts::of(&forged).unwrap().data_slots[0].clone();
    keys.authenticate_table(&mut table);
    parts.data_slots = [table.clone(), table];
    let archive = parts.assemble();
    let mut both = vec![passphrase("p"), key()];
    assert!(Archive::open(&file_of(&archive), &mut both).is_ok());
}

fn with_passphrase_slot(memory_kib: u32) -> Vec<u8> {
    let archive = pack_with(passphrase("p"), FLOOR).unwrap();
    with_params(
        &archive,
        Argon2Params {
            memory_kib,
            ..FLOOR
        },
    )
}

#[test]
fn at_most_four_passphrase_slots_are_tried() {
    let archive = pack_with(passphrase("p"), FLOOR).unwrap();
    let right = slots(&archive).slots.remove(0);
    let Slot::Passphrase(mut wrong) = right.clone() else {
        panic!("a passphrase slot");
    };
    wrong.commitment[0] ^= 1;
    let wrong = Slot::Passphrase(wrong);
    let other = Slot::Other {
        kind: 99,
        body: vec![0; 10],
    };
    let table = |wrongs: usize| {
        let mut slots = vec![wrong.clone(); wrongs];
        slots.insert(wrongs / 2, other.clone());
        slots.push(right.clone());
        with_slots(&archive, slots)
    };
    // Found as the fourth: then it is the table's MAC that nobody could make.
    let mut keys = vec![passphrase("p")];
    let Err(ReadError::Fault(finding)) = Archive::open(&file_of(&table(3)), &mut keys) else {
        panic!("the MAC is wrong");
    };
    assert_eq!(finding.class, Class::NotAuthentic, "{finding}");
    // Not looked for as the fifth.
    let Err(ReadError::NoKeyFits { domain, kinds }) = Archive::open(&file_of(&table(4)), &mut keys)
    else {
        panic!("the fifth was tried");
    };
    assert_eq!((domain, kinds.len()), (Domain::Data, 6));
}

#[test]
fn wrong_secrets_fit_nothing_and_none_is_told_from_a_wrong_one() {
    let archive = pack_with(key(), FLOOR).unwrap();
    for keys in [
        vec![key_file(1)],
        vec![passphrase("p")],
        vec![key_file(1), key_file(2)],
    ] {
        let ReadError::NoKeyFits { domain, kinds } = refusal(&archive, &keys) else {
            panic!("another error");
        };
        assert_eq!((domain, kinds), (Domain::Data, vec![SlotKind::KeyFile]));
    }
    let error = refusal(&archive, &[]);
    let ReadError::NoKeyOffered { domain, kinds } = error else {
        panic!("{error}");
    };
    assert_eq!((domain, kinds), (Domain::Data, vec![SlotKind::KeyFile]));
    // The right one among wrong ones.
    let mut keys = vec![key_file(1), key(), key_file(2)];
    assert!(Archive::open(&file_of(&archive), &mut keys).is_ok());
}

#[test]
fn an_archive_without_an_envelope_says_so() {
    let archive = file_of(&pack_with(key(), FLOOR).unwrap());
    let error = open_envelope(&archive, &mut vec![key()], &Unobserved)
        .err()
        .unwrap();
    assert!(matches!(error, ReadError::NoEnvelope), "{error}");
}

/// Offers what it is told to, and remembers what it was asked for.
struct Asked {
    answer: Option<Vec<Credential>>,
    for_what: Vec<(Domain, Vec<SlotKind>)>,
}

impl Keyring for Asked {
    fn credentials(&mut self, domain: Domain, kinds: &[SlotKind]) -> io::Result<Vec<Credential>> {
        self.for_what.push((domain, kinds.to_vec()));
        let failed = || io::Error::new(io::ErrorKind::TimedOut, "nobody typed anything");
        self.answer.clone().ok_or_else(failed)
    }
}

#[test]
fn a_keyring_is_asked_once_and_its_error_is_told() {
    let settings = PackSettings {
        envelope: Some(EnvelopeSettings {
            key: passphrase("e"),
            items: vec![item(6, "note", b"secret")],
        }),
        argon2: FLOOR,
        ..settings()
    };
    let archive = file_of(&try_pack(Vec::new(), settings).unwrap().0);
    let mut ring = Asked {
        answer: None,
        for_what: Vec::new(),
    };
    let error = Archive::open(&archive, &mut ring).err().unwrap();
    let ReadError::Io { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("nobody typed"), "{error}");
    assert!(open_envelope(&archive, &mut ring, &Unobserved).is_err());
    let domains = [
        (Domain::Data, vec![SlotKind::KeyFile]),
        (Domain::Envelope, vec![SlotKind::Passphrase]),
    ];
    assert_eq!(ring.for_what, domains);
    ring.answer = Some(vec![passphrase("e"), key()]);
    assert!(Archive::open(&archive, &mut ring).is_ok());
    assert!(open_envelope(&archive, &mut ring, &Unobserved).is_ok());
    assert_eq!(ring.for_what.len(), 4);
}

#[test]
fn a_damaged_head_is_told_before_a_secret_is_asked_for() {
    let mut archive = pack_with(key(), FLOOR).unwrap();
    archive[100] ^= 1;
    // Its copy too, which would be taken (spec: RDR-7).
    let copy = archive.len() - 3 * 4096;
    archive[copy + 100] ^= 1;
    let mut ring = Asked {
        answer: None,
        for_what: Vec::new(),
    };
    let error = Archive::open(&file_of(&archive), &mut ring).err().unwrap();
    assert_eq!(error.class(), ErrorClass::Damaged);
    assert!(ring.for_what.is_empty());
}

#[test]
fn what_no_reader_would_take_is_not_packed() {
    let settings_error = |result: Result<Vec<u8>, PackError>, what: &str| match result {
        Err(PackError::Settings(_)) => {}
        Err(error) => panic!("{what}: {error:?}"),
        Ok(_) => panic!("{what}: packed"),
    };
    for (memory_kib, passes, lanes) in [
        (65_535, 2, 1),
        (1_048_577, 2, 1),
        (65_536, 1, 1),
        (65_536, 17, 1),
        (65_536, 2, 0),
        (65_536, 2, 17),
        (1_048_576, 5, 1),
    ] {
        let argon2 = Argon2Params {
            memory_kib,
            passes,
            lanes,
        };
        let what = format!("{argon2:?}");
        settings_error(pack_with(passphrase("p"), argon2), &what);
    }
    let cover = |text: &str| {
        let settings = PackSettings {
            cover_text: text.into(),
            ..settings()
        };
        Ok(try_pack(Vec::new(), settings)?.0)
    };
    settings_error(cover(&"x".repeat(3000)), "a long cover text");
    settings_error(cover("a\x1b[2Jb"), "an escape sequence in the cover text");
    let items = |items| {
        let settings = PackSettings {
            envelope: envelope(items),
            ..settings()
        };
        Ok(try_pack(Vec::new(), settings)?.0)
    };
    let long = vec![0; 300_000];
    settings_error(
        items(vec![item(6, "a", &long)]),
        "an envelope over its limit",
    );
    settings_error(items(vec![item(6, "", b"a")]), "an item without a name");
    let two = vec![item(6, "a", b"a"), item(6, "a", b"b")];
    settings_error(items(two), "two items of one name");
    let sizes = |block_size, chunk_size| {
        let settings = PackSettings {
            block_size,
            chunk_size: Some(chunk_size),
            ..settings()
        };
        Ok(try_pack(Vec::new(), settings)?.0)
    };
    settings_error(sizes(None, 4095), "chunks below 4 KiB");
    settings_error(sizes(None, 1_048_577), "chunks over 1 MiB");
    // spec: BLK-7
    let small_blocks = Some(BlockSize::FOUR_KIB);
    settings_error(sizes(small_blocks, 262_145), "large chunks in small blocks");
    for (block_size, chunk_size) in [(small_blocks, 262_144), (None, 1_048_576)] {
        assert!(sizes(block_size, chunk_size).is_ok());
    }
}

#[test]
fn key_files_read_from_text_open_too() {
    let archive = pack_with(key(), FLOOR).unwrap();
    let line = KeyFile::from_bytes([7; 32]).to_line();
    let read = KeyFile::parse(line.to_ascii_lowercase().as_bytes()).unwrap();
    let mut keys = vec![Credential::KeyFile(read)];
    assert!(Archive::open(&file_of(&archive), &mut keys).is_ok());
}

//! A key that a keyring keeps: it spares the second derivation, and no check.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::keyring::{Keyring, OpenedKey, SlotKind};
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::random::Random;
use bakpak_codec::secret::Credential;
use bakpak_codec::unpack::{tar, unpack};
use bakpak_codec::verify::{VerifyLevel, verify};
use bakpak_format::envelope::item_kind;
use bakpak_format::slots::Domain;
use std::io;
use support::forge::Parts;
use support::*;

/// Offers its secret once: whoever opens a second time has the kept key or nothing.
struct Once {
    secret: Option<Credential>,
    kept: Option<OpenedKey>,
}

impl Keyring for Once {
    fn credentials(&mut self, _: Domain, _: &[SlotKind]) -> io::Result<Vec<Credential>> {
        Ok(Vec::from_iter(self.secret.take()))
    }

    fn keep(&mut self, key: OpenedKey) {
        self.kept = Some(key);
    }

    fn kept(&self) -> Option<OpenedKey> {
        self.kept.clone()
    }
}

fn archive(seed: &str) -> Vec<u8> {
    let settings = PackSettings {
        random: Random::seeded(seed.as_bytes()),
        cover_text: "Ring 555-0100.".into(),
        envelope: envelope(vec![item(item_kind::FREE, "note", b"secret")]),
        ..settings()
    };
    try_pack(vec![file("sql/a", "content")], settings)
        .unwrap()
        .0
}

/// A keyring that has opened this archive, and has no secret left.
fn having_opened(archive: &[u8]) -> Once {
    let mut keyring = Once {
        secret: Some(key()),
        kept: None,
    };
    Archive::open(&file_of(archive), &mut keyring).unwrap();
    assert!(keyring.secret.is_none());
    keyring
}

fn unpacked_with(input: Input, keyring: &mut Once) -> Result<MemorySink, ReadError> {
    let mut sink = MemorySink::default();
    unpack(input, keyring, &mut sink, 2, &Unobserved).map(|_| sink)
}

#[test]
fn every_verb_opens_with_the_kept_key() {
    let bytes = archive("one");
    let mut keyring = having_opened(&bytes);
    for input in [as_file(&bytes), as_stream(&bytes)] {
        let sink = unpacked_with(input, &mut keyring).unwrap();
        assert_eq!(sink.get("sql/a"), b"content");
    }
    tar(
        as_file(&bytes),
        &mut keyring,
        &mut io::sink(),
        1,
        &Unobserved,
    )
    .unwrap();
    let full = VerifyLevel::Full;
    let report = verify(as_file(&bytes), &mut keyring, full, 1, &Unobserved).unwrap();
    assert_eq!(report.findings, []);
    assert!(Archive::open(&file_of(&bytes), &mut keyring).is_ok());
}

// spec: KEY-2, KEY-3, SLT-4
#[test]
fn a_head_that_was_changed_since_is_not_believed() {
    let bytes = archive("one");
    let mut keyring = having_opened(&bytes);
    // Every checksum holds, and only who has the key can tell: the cover text, the commitment of
    // the archive key, the table.
    let mut text = Parts::of(&bytes).unwrap();
    text.change_head(23, b"Ring 666-0100.");
    let mut commitment = Parts::of(&bytes).unwrap();
    commitment.change_head(support::forge::HEADER + 104, &[1; 32]);
    let mut table = Parts::of(&bytes).unwrap();
    for slots in &mut table.data_slots {
        slots[40] ^= 1;
        support::forge::mend_table(slots);
    }
    for (what, parts, class) in [
        ("cover text", text, ErrorClass::Damaged),
        ("commitment", commitment, ErrorClass::NoKeyOffered),
        ("table", table, ErrorClass::Damaged),
    ] {
        for input in [as_file(&parts.assemble()), as_stream(&parts.assemble())] {
            let error = unpacked_with(input, &mut keyring).err().unwrap();
            assert_eq!(error.class(), class, "{what}: {error}");
        }
    }
}

#[test]
fn it_opens_no_other_archive_and_no_other_domain() {
    let (one, other) = (archive("one"), archive("other"));
    let mut keyring = having_opened(&one);
    let error = unpacked_with(as_file(&other), &mut keyring).err().unwrap();
    assert_eq!(error.class(), ErrorClass::NoKeyOffered);
    let error = open_envelope(&file_of(&one), &mut keyring, &Unobserved)
        .err()
        .unwrap();
    assert_eq!(error.class(), ErrorClass::NoKeyOffered);
}

#[test]
fn where_it_does_not_fit_the_secrets_are_tried() {
    let (one, other) = (archive("one"), archive("other"));
    let mut keyring = having_opened(&one);
    keyring.secret = Some(key());
    assert!(unpacked_with(as_file(&other), &mut keyring).is_ok());
    assert!(unpacked_with(as_file(&other), &mut keyring).is_ok());
}

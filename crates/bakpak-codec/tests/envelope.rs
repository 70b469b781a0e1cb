//! The master-key envelope: a domain of its own, and nowhere in clear.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::inspect::inspect;
use bakpak_codec::observer::{Observer, Unobserved, Warning};
use bakpak_codec::pack::{EnvelopeSettings, PackSettings};
use bakpak_codec::secret::{Credential, Passphrase};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::envelope::{EnvelopeItem, item_kind};
use bakpak_format::record::{EnvelopeItemFacts, KnownFacts};
use bakpak_format::slots::{Argon2Params, Domain};
use std::cell::RefCell;
use std::ops::Range;
use support::forge::Parts;
use support::*;

/// As Octopus writes it: base64 of 16 bytes.
const MASTER_KEY: &str = "Zm9ydHktdHdvIG11ZmZpbg==";
const MASTER_KEY_BYTES: &[u8] = b"forty-two muffin";

fn items() -> Vec<EnvelopeItem> {
    vec![
        item(item_kind::MASTER_KEY, "master key", MASTER_KEY.as_bytes()),
        item(
            item_kind::CERTIFICATE,
            "backup certificate",
            &noise("certificate", 3000),
        ),
        item(item_kind::CERTIFICATE_PASSWORD, "its password", b"hunter2"),
        item(item_kind::LICENCE, "licence", b"<licence/>"),
        item(item_kind::LOGIN, "login of größe", b"sa"),
        item(item_kind::FREE, "empty", b""),
        item(99, "of a later kind", b"kept as it is"),
    ]
}

fn pack_with(items: Vec<EnvelopeItem>) -> Vec<u8> {
    let settings = PackSettings {
        envelope: envelope(items),
        ..settings()
    };
    try_pack(vec![file("sql/a", "content")], settings)
        .unwrap()
        .0
}

fn opened(archive: &[u8], key: Credential) -> Result<Vec<EnvelopeItem>, ReadError> {
    open_envelope(&file_of(archive), &mut vec![key], &Unobserved)
}

#[test]
fn items_come_back_as_they_were() {
    for items in [items(), items()[..1].to_vec(), Vec::new()] {
        assert!(opened(&pack_with(items.clone()), envelope_key()).unwrap() == items);
    }
}

#[test]
fn an_envelope_takes_as_much_as_its_limit_allows() {
    let large = vec![item(
        item_kind::FREE,
        "large",
        &noise("large", 262_144 - 100),
    )];
    let archive = pack_with(large.clone());
    assert!(opened(&archive, envelope_key()).unwrap() == large);
    let info = inspect(&file_of(&archive)).unwrap();
    assert_eq!(info.envelope_len, 262_144);
    assert_eq!(
        verify_keyless(as_file(&archive), 2, &Unobserved)
            .unwrap()
            .findings,
        []
    );
    assert!(unpacked(as_stream(&archive)).is_ok());
}

// spec: KEY-1
#[test]
fn both_keys_are_drawn_anew_for_each_archive() {
    let commitments = || {
        let envelope = EnvelopeSettings {
            key: envelope_key(),
            items: items(),
        };
        let settings = PackSettings {
            random: bakpak_codec::random::Random::system(),
            envelope: Some(envelope),
            ..settings()
        };
        let (archive, _) = try_pack(Vec::new(), settings).unwrap();
        // Chapter 2: the commitments of archive key and envelope key.
        [2048 + 104, 2048 + 136].map(|at| archive[at..at + 32].to_vec())
    };
    let [one, other] = [commitments(), commitments()];
    let all: std::collections::BTreeSet<_> = one.iter().chain(&other).collect();
    assert_eq!(all.len(), 4);
}

// spec: ENV-3
#[test]
fn the_data_key_does_not_open_the_envelope_nor_the_reverse() {
    let archive = pack_with(items());
    let Err(ReadError::NoKeyFits { domain, .. }) = opened(&archive, key()) else {
        panic!("the data key opens the envelope");
    };
    assert_eq!(domain, Domain::Envelope);
    let keys = &mut vec![envelope_key()];
    let Err(ReadError::NoKeyFits { domain, .. }) = Archive::open(&file_of(&archive), keys) else {
        panic!("the envelope's key opens the data");
    };
    assert_eq!(domain, Domain::Data);
    for input in [as_file(&archive), as_stream(&archive)] {
        let level = VerifyLevel::Full;
        let error = verify(input, keys, level, 1, &Unobserved).unwrap_err();
        assert_eq!(error.class(), ErrorClass::NoKeyFits);
    }
    let Err(ReadError::NoKeyOffered { .. }) =
        open_envelope(&file_of(&archive), &mut Vec::new(), &Unobserved)
    else {
        panic!("no key is a key");
    };
}

#[test]
fn a_slot_of_one_domain_opens_nothing_in_the_other() {
    // Even if one secret is for both: the domain is part of everything that is derived.
    let settings = PackSettings {
        envelope: Some(EnvelopeSettings {
            key: key(),
            items: items(),
        }),
        ..settings()
    };
    let (archive, _) = try_pack(Vec::new(), settings).unwrap();
    assert!(opened(&archive, key()).unwrap() == items());
    let mut parts = Parts::of(&archive).unwrap();
    let data = parts.data_slots[0].clone();
    let mut tables = parts.envelope_slots.clone().unwrap();
    for table in &mut tables {
        table[32..].copy_from_slice(&data[32..]);
        support::forge::mend_table(table);
    }
    parts.envelope_slots = Some(tables);
    let error = opened(&parts.assemble(), key()).err().unwrap();
    assert_eq!(error.class(), ErrorClass::NoKeyFits, "{error}");
}

#[test]
fn a_passphrase_of_the_envelope_is_not_one_of_the_data() {
    let passphrase = |text: &str| Credential::Passphrase(Passphrase::new(text.into()));
    let settings = PackSettings {
        key: passphrase("data"),
        envelope: Some(EnvelopeSettings {
            key: passphrase("envelope"),
            items: items(),
        }),
        argon2: Argon2Params {
            memory_kib: 65_536,
            passes: 2,
            lanes: 1,
        },
        ..settings()
    };
    let (archive, _) = try_pack(Vec::new(), settings).unwrap();
    assert!(opened(&archive, passphrase("envelope")).unwrap() == items());
    assert!(opened(&archive, passphrase("data")).is_err());
    let mut keys = vec![passphrase("envelope")];
    assert!(Archive::open(&file_of(&archive), &mut keys).is_err());
    keys.push(passphrase("data"));
    assert!(Archive::open(&file_of(&archive), &mut keys).is_ok());
}

#[test]
fn secrets_are_nowhere_in_clear() {
    let archive = pack_with(items());
    let keys = Parts::of(&archive).unwrap();
    // What the data key opens, and the stream, are searched as well.
    let records = keys.keys(Domain::Data, &[7; 32]).and_then(|keys| {
        Parts::of(&archive)?
            .records(&keys)
            .map(|records| records.concat())
    });
    let mut stream = Vec::new();
    bakpak_codec::unpack::tar(
        as_file(&archive),
        &mut vec![key()],
        &mut stream,
        1,
        &Unobserved,
    )
    .unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let wide = |text: &[u8]| text.iter().flat_map(|&b| [b, 0]).collect::<Vec<u8>>();
    let base64 = MASTER_KEY.as_bytes();
    let mut needles = vec![
        ("text", base64.to_vec()),
        ("its beginning", base64[..10].to_vec()),
        ("its end", base64[14..].to_vec()),
        ("bytes", MASTER_KEY_BYTES.to_vec()),
        ("hex", hex(MASTER_KEY_BYTES).into_bytes()),
        (
            "upper hex",
            hex(MASTER_KEY_BYTES).to_uppercase().into_bytes(),
        ),
        ("hex of the text", hex(base64).into_bytes()),
        ("UTF-16", wide(base64)),
        (
            "UTF-16, big end first",
            wide(base64).into_iter().skip(1).collect(),
        ),
        ("the password", b"hunter2".to_vec()),
        ("UTF-16 of the password", wide(b"hunter2")),
    ];
    let reversed: Vec<u8> = base64.iter().rev().copied().collect();
    needles.push(("reversed", reversed));
    for (place, haystack) in [
        ("the archive", &archive),
        ("the records", &records.unwrap()),
        ("the stream", &stream),
    ] {
        for (what, needle) in &needles {
            let found = haystack.windows(needle.len()).position(|w| w == needle);
            assert_eq!(found, None, "{what} of the master key in {place}");
        }
    }
    // The search itself finds what is there.
    assert!(stream.windows(7).any(|w| w == b"content"));
}

#[test]
fn facts_tell_what_is_in_the_envelope_and_prove_the_master_key() {
    let check_values = |archive: &[u8]| {
        let mut archive = Archive::open(&file_of(archive), &mut vec![key()]).unwrap();
        let facts = archive.facts().unwrap();
        let known = facts.iter().map(|facts| facts.known().unwrap().unwrap());
        known
            .map(|known| match known {
                KnownFacts::EnvelopeItem(item) => item,
                other => panic!("{other:?}"),
            })
            .collect::<Vec<EnvelopeItemFacts>>()
    };
    let archive = pack_with(items());
    let facts = check_values(&archive);
    let listed: Vec<_> = facts.iter().map(|f| (f.kind, f.name.clone())).collect();
    let expected: Vec<_> = items().iter().map(|i| (i.kind, i.name.clone())).collect();
    assert_eq!(listed, expected);
    // A check value only for key material: guessing a password by it would be too easy.
    let with_check: Vec<_> = facts
        .iter()
        .filter(|f| f.check.is_some())
        .map(|f| f.kind)
        .collect();
    assert_eq!(with_check, [item_kind::MASTER_KEY]);
    // It is that of the content, under a key of this archive.
    assert_eq!(check_values(&pack_with(items())), facts);
    let mut others = items();
    others[0] = item(
        item_kind::MASTER_KEY,
        "master key",
        b"Zm9ydHktdHdvIG11ZmZpbw==",
    );
    assert_ne!(check_values(&pack_with(others))[0].check, facts[0].check);
    let settings = PackSettings {
        envelope: envelope(items()),
        random: bakpak_codec::random::Random::seeded(b"another archive"),
        ..settings()
    };
    let (another, _) = try_pack(Vec::new(), settings).unwrap();
    assert_ne!(check_values(&another)[0].check, facts[0].check);
}

/// Remembers what it is told.
#[derive(Default)]
struct Listener(RefCell<Vec<Warning>>);

impl Observer for Listener {
    fn warn(&self, warning: Warning) {
        self.0.borrow_mut().push(warning);
    }
}

/// Where head, data slots, envelope slots and envelope body stand at the archive's start.
fn front(archive: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let parts = Parts::of(archive).unwrap();
    let mut at = 0;
    let mut next = |len: usize| {
        at += len;
        at - len..at
    };
    let area = parts.geometry.slot_area;
    vec![
        ("head", next(parts.head.len())),
        ("data slots", next(2 * area)),
        ("envelope slots", next(2 * area)),
        ("envelope", next(parts.envelope.len())),
    ]
}

/// The archive with a changed byte in every sector of these places.
fn damaged(archive: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    let sectors = places.iter().flat_map(|place| place.clone().step_by(4096));
    sectors.for_each(|sector| archive[sector + 80] ^= 1);
    archive
}

#[test]
fn where_the_front_is_damaged_the_tails_copy_opens() {
    let archive = pack_with(items());
    let front = front(&archive);
    let end = front.last().unwrap().1.end;
    let all = ("all of it", 0..end);
    for (what, place) in front.iter().cloned().chain([all]) {
        let listener = Listener::default();
        let bytes = damaged(&archive, &[place]);
        let found = open_envelope(&file_of(&bytes), &mut vec![envelope_key()], &listener);
        assert!(found.unwrap() == items(), "{what}");
        let warnings = listener.0.into_inner();
        assert!(
            matches!(&warnings[..], [Warning::TailCopyUsed(_)]),
            "{what}: {warnings:?}"
        );
        let error = opened(&bytes, key()).err().unwrap();
        assert_eq!(error.class(), ErrorClass::NoKeyFits, "{what}: {error}");
    }
    // Also where the archive is not as long as it was: the tail is found from its end.
    let mut cut = damaged(&archive, std::slice::from_ref(&(0..end)));
    cut.drain(end..end + 4096);
    assert!(opened(&cut, envelope_key()).unwrap() == items());
}

#[test]
fn one_whole_table_of_the_front_is_enough_and_the_other_is_told() {
    let archive = pack_with(items());
    let slots = front(&archive)[2].1.clone();
    let listener = Listener::default();
    let bytes = damaged(
        &archive,
        std::slice::from_ref(&(slots.start..slots.start + 1)),
    );
    let opened = open_envelope(&file_of(&bytes), &mut vec![envelope_key()], &listener);
    assert!(opened.unwrap() == items());
    let warnings = listener.0.into_inner();
    assert!(
        matches!(&warnings[..], [Warning::Damage(_)]),
        "{warnings:?}"
    );
}

#[test]
fn damage_of_front_and_tail_is_told_by_its_place_at_the_front() {
    let archive = pack_with(items());
    let (_, envelope) = front(&archive)[3].clone();
    let copy = archive.len() - 4096 - envelope.len();
    let bytes = damaged(&archive, &[envelope.clone(), copy..copy + 1]);
    let Err(ReadError::Fault(finding)) = opened(&bytes, envelope_key()) else {
        panic!("it opens");
    };
    assert_eq!(finding.offset, Some(envelope.start as u64), "{finding}");
}

/// Where the end no longer says where the copy is, it is found all the same.
#[test]
fn a_copy_is_found_where_nothing_says_where_it_is() {
    let archive = pack_with(items());
    let (_, envelope) = front(&archive)[3].clone();
    let tail_page = archive.len() - 4096;
    let bytes = damaged(&archive, &[envelope.clone(), tail_page..tail_page + 1]);
    let cut = damaged(&archive, &[envelope])[..archive.len() - 1].to_vec();
    for bytes in [bytes, cut] {
        let listener = Listener::default();
        let file = file_of(&bytes);
        let opened = open_envelope(&file, &mut vec![envelope_key()], &listener);
        assert!(opened.unwrap() == items());
        let warnings = listener.0.into_inner();
        assert!(
            matches!(&warnings[..], [Warning::FoundCopyUsed(_)]),
            "{warnings:?}"
        );
    }
}

#[test]
fn the_tail_of_another_archive_is_no_copy() {
    let one = pack_with(items());
    let settings = PackSettings {
        envelope: envelope(items()),
        random: bakpak_codec::random::Random::seeded(b"another archive"),
        ..settings()
    };
    let (another, _) = try_pack(vec![file("sql/a", "content")], settings).unwrap();
    assert_eq!(one.len(), another.len());
    let (_, place) = front(&one)[3].clone();
    let mut spliced = damaged(&one, std::slice::from_ref(&place));
    spliced.truncate(place.end);
    spliced.extend_from_slice(&another[place.end..]);
    let error = opened(&spliced, envelope_key()).err().unwrap();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
}

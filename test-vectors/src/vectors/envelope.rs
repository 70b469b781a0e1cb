//! Chapter 4: the master-key envelope.

use super::{Secret, Vector, accepted, refused};
use crate::builder::{Builder, HEADER, Site};
use bakpak_format::envelope::{EnvelopeItem, item_kind};
use bakpak_format::error::{Class, Structure};
use bakpak_format::slots::Domain;

const DAMAGED: (Class, Structure) = (Class::Damaged, Structure::Envelope);
const NOT_AUTHENTIC: (Class, Structure) = (Class::NotAuthentic, Structure::Envelope);
const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Envelope);
const NO_KEY: (Class, Structure) = (Class::NoKeyFits, Structure::Slots);

/// Where the body begins: behind a head page and four slot tables.
const BODY: usize = 5 * 4096;
/// Where the first item's name begins in the plaintext: lengths, count, kind, length.
const FIRST_NAME: usize = 8 + 8 + 2 + 8;

/// Gives the archive a master key and two more items.
pub(super) fn envelope(b: &mut Builder) {
    let item = |kind, name: &str, content: &[u8]| EnvelopeItem {
        kind,
        name: name.into(),
        content: content.to_vec().into(),
    };
    b.envelope = vec![
        item(
            item_kind::MASTER_KEY,
            "Octopus",
            b"AAECAwQFBgcICQoLDA0ODw==",
        ),
        item(item_kind::FREE, "router", b"hunter2"),
        item(item_kind::FREE, "switch", b""),
    ];
}

/// The same, with a change in the plaintext.
fn plain(b: &mut Builder, edit: impl Fn(&mut Vec<u8>) + 'static) {
    envelope(b);
    b.edit(Site::EnvelopePlain, edit);
}

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "envelope",
            &["ENV-2"],
            "an envelope of one sector with three items",
            envelope,
        )
        .envelope_opens(),
        accepted(
            "envelope-of-three-sectors",
            &["ENV-2"],
            "an item of 8,000 bytes",
            |b| {
                envelope(b);
                b.envelope[1].content = vec![0x61; 8000].into();
            },
        )
        .envelope_opens(),
        accepted(
            "envelope-item-kind-99",
            &["ENV-2"],
            "an item of an unknown kind is kept as it is",
            |b| {
                envelope(b);
                b.envelope[1].kind = 99;
            },
        )
        .envelope_opens(),
        accepted(
            "envelope-wrong-key-file",
            &["KEY-4"],
            "the key file of the data does not open the envelope",
            envelope,
        )
        .envelope_with(Secret::KeyFile(crate::builder::key_file()))
        .envelope_refused(NO_KEY),
        accepted(
            "envelope-commitment-wrong",
            &["KEY-2"],
            "the header commits to another envelope key",
            |b| {
                envelope(b);
                b.flip(Site::Head, HEADER + 136);
            },
        )
        .envelope_refused(NO_KEY),
        accepted(
            "envelope-slots-mac-wrong",
            &["SLT-4"],
            "one bit of the MAC of the envelope's slot table is changed",
            |b| {
                envelope(b);
                b.flip_back(Site::SlotsMac(Domain::Envelope), 1);
            },
        )
        .envelope_refused((Class::NotAuthentic, Structure::Slots)),
        refused(
            "envelope-slots-a-damaged",
            (Class::Damaged, Structure::Slots),
            &["SLT-1"],
            "one bit of the envelope's table A is changed; B is whole",
            |b| {
                envelope(b);
                b.flip(Site::File, 3 * 4096 + 50);
            },
        )
        .unpacks()
        .envelope_opens(),
        refused(
            "envelope-flipped",
            DAMAGED,
            &["ENV-1"],
            "one bit of the envelope's ciphertext is changed",
            |b| {
                envelope(b);
                b.flip(Site::File, BODY + 100);
            },
        )
        .may_unpack()
        .envelope_refused(DAMAGED),
        refused(
            "envelope-magic-wrong",
            DAMAGED,
            &["ENV-1"],
            "the envelope begins with BPEX, and the header has its digest",
            |b| {
                envelope(b);
                b.put(Site::EnvelopeBody, 3, b"X");
            },
        )
        .may_unpack()
        .envelope_refused(DAMAGED),
        refused(
            "envelope-reserved-set",
            DAMAGED,
            &["ENV-1"],
            "a reserved byte of the envelope is set, and the header has its digest",
            |b| {
                envelope(b);
                b.put(Site::EnvelopeBody, 20, [1]);
            },
        )
        .may_unpack()
        .envelope_refused(DAMAGED),
        accepted(
            "envelope-tag-wrong",
            &["ENV-2"],
            "one bit of the envelope's tag is changed, and the header has its digest",
            |b| {
                envelope(b);
                b.flip_back(Site::EnvelopeBody, 1);
            },
        )
        .envelope_refused(NOT_AUTHENTIC),
        accepted(
            "envelope-items-of-one-name",
            &["ENV-2"],
            "two items are called router",
            |b| plain(b, |plain| replace(plain, b"switch", b"router")),
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-name-not-utf8",
            &["ENV-2"],
            "an item's name is Latin-1",
            |b| plain(b, |plain| plain[FIRST_NAME] = 0xd6),
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-name-empty",
            &["ENV-2"],
            "an item has no name",
            |b| {
                plain(b, |plain| {
                    plain.drain(FIRST_NAME..FIRST_NAME + 7);
                    plain[FIRST_NAME - 8] = 0;
                    plain[0] -= 7;
                    plain.extend([0; 7]);
                });
            },
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-name-over-255",
            &["ENV-2"],
            "an item's name is 256 bytes long",
            |b| {
                plain(b, |plain| {
                    plain.splice(FIRST_NAME..FIRST_NAME + 7, [b'n'; 256]);
                    plain[FIRST_NAME - 8..FIRST_NAME - 6].copy_from_slice(&[0, 1]);
                    let items_len = u16::from_le_bytes([plain[0], plain[1]]) + 249;
                    plain[..2].copy_from_slice(&items_len.to_le_bytes());
                    plain.truncate(4096 - 48);
                });
            },
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-items-too-many",
            &["ENV-2"],
            "the list says that it has one item more than it has",
            |b| plain(b, |plain| plain[8] += 1),
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-items-trailing-byte",
            &["ENV-2"],
            "items_len is one byte more than the items take",
            |b| plain(b, |plain| plain[0] += 1),
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-items-len-beyond",
            &["ENV-2"],
            "items_len is one more than the plaintext leaves room for",
            |b| {
                plain(b, |plain| {
                    plain[..4].copy_from_slice(&4041_u32.to_le_bytes())
                })
            },
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-plain-reserved-set",
            &["ENV-2"],
            "a reserved byte of the plaintext is set",
            |b| plain(b, |plain| plain[4] = 1),
        )
        .envelope_refused(MALFORMED),
        accepted(
            "envelope-unused-not-zero",
            &["ENV-2"],
            "the last byte of the plaintext is not zero",
            |b| plain(b, |plain| *plain.last_mut().expect("not empty") = 1),
        )
        .envelope_refused(MALFORMED),
    ]
}

/// Changes the one place where `from` stands.
fn replace(bytes: &mut [u8], from: &[u8; 6], to: &[u8; 6]) {
    let at = bytes.windows(6).position(|window| window == from);
    let at = at.expect("it stands there");
    bytes[at..at + 6].copy_from_slice(to);
}

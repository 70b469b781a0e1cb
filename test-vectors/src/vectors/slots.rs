//! Chapter 3: keys and key slots.

use super::{Secret, Vector, accepted, refused, sealed};
use crate::builder::{Builder, HEADER, Site, key_file};
use crate::keys::{FLOOR, key_file_slot_with, other_slot, passphrase_slot, slot_keys};
use bakpak_format::error::{Class, Structure};
use bakpak_format::slots::Domain;

const DAMAGED: (Class, Structure) = (Class::Damaged, Structure::Slots);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Slots);
const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Slots);
const NO_KEY: (Class, Structure) = (Class::NoKeyFits, Structure::Slots);

const PASSPHRASE: Secret = Secret::Passphrase("correct horse battery staple");

/// Where the tables A and B begin in an archive with a head of one page.
const TABLE_A: usize = 4096;
const TABLE_B: usize = 8192;

pub(super) fn vectors() -> Vec<Vector> {
    [keys(), tables(), slots(), passphrases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Puts a slot of a foreign kind before the one that fits.
fn foreign(b: &mut Builder, kind: u16) {
    b.data_slots = vec![
        other_slot(kind, &[0x33; 100]),
        b.key_file_slot(Domain::Data),
    ];
}

/// A slot of the passphrase, as weak as allowed; number `index` of the table.
fn passphrase(b: &Builder, index: u64, passphrase: &str) -> Vec<u8> {
    let parts = b.slot_parts(Domain::Data, index);
    passphrase_slot(&parts, passphrase.as_bytes(), FLOOR)
}

/// One slot of the passphrase, one of whose parameters is changed afterwards.
fn argon2_field(b: &mut Builder, fields: &[(usize, u32)]) {
    let mut slot = other_slot(1, &[0x11; 124]);
    for (offset, value) in [(8, 65_536), (12, 2), (16, 1), (20, 0)]
        .iter()
        .chain(fields)
    {
        slot[*offset..*offset + 4].copy_from_slice(&u32::to_le_bytes(*value));
    }
    b.data_slots = vec![slot];
}

/// The data slot table of the same archive in its second generation.
fn second_generation(b: &Builder) -> Vec<u8> {
    let mut newer = Builder::new(&b.seed);
    newer.generation = 2;
    newer.build().parts.data_slots
}

fn keys() -> Vec<Vector> {
    vec![
        sealed(
            "archive-commitment-wrong",
            NO_KEY,
            &["KEY-2"],
            "the header commits to another archive key than the slot yields",
            |b| b.flip(Site::Head, HEADER + 104),
        ),
        sealed(
            "slot-wrong-key-file",
            NO_KEY,
            &["KEY-4"],
            "the key file offered is another one",
            |_| {},
        )
        .with(Secret::KeyFile([0x42; 32])),
    ]
}

fn tables() -> Vec<Vector> {
    vec![
        refused(
            "slots-a-damaged",
            DAMAGED,
            &["SLT-1"],
            "one bit of table A is changed; B is whole",
            |b| b.flip(Site::File, TABLE_A + 40),
        )
        .unpacks(),
        refused(
            "slots-b-damaged",
            DAMAGED,
            &["SLT-1"],
            "one bit of table B is changed; A is whole",
            |b| b.flip(Site::File, TABLE_B + 40),
        )
        .unpacks(),
        refused(
            "slots-both-damaged",
            DAMAGED,
            &["SLT-1", "RDR-7"],
            "one bit of each of the tables A and B is changed; the tail's copy is whole",
            |b| {
                b.flip(Site::File, TABLE_A + 40);
                b.flip(Site::File, TABLE_B + 41);
            },
        ),
        refused(
            "slots-magic-wrong",
            DAMAGED,
            &["SLT-1"],
            "both tables have the magic of the envelope's domain",
            |b| b.put(Site::Slots(Domain::Data), 0, b"BPSE"),
        ),
        refused(
            "slots-of-another-archive",
            DAMAGED,
            &["SLT-1"],
            "both tables carry another archive_id",
            |b| b.flip(Site::Slots(Domain::Data), 16),
        ),
        refused(
            "slots-reserved-set",
            DAMAGED,
            &["SLT-1"],
            "a reserved byte of both tables is set",
            |b| b.put(Site::Slots(Domain::Data), 10, [1]),
        ),
        refused(
            "slots-unused-not-zero",
            DAMAGED,
            &["SLT-1"],
            "a byte behind the slots of both tables is not zero",
            |b| b.put(Site::Slots(Domain::Data), 4096 - 65, [1]),
        ),
        refused(
            "slots-differ",
            DAMAGED,
            &["SLT-1", "SLT-3"],
            "table B is whole and one generation newer than A",
            |b| b.put(Site::File, TABLE_B, second_generation(b)),
        )
        .unpacks(),
        refused(
            "slots-differ-in-one-generation",
            DAMAGED,
            &["SLT-1", "SLT-3"],
            "tables A and B are whole, differ, and are of one generation; only A's slot fits",
            |b| {
                let mut other = Builder::new(&b.seed);
                let parts = other.slot_parts(Domain::Data, 1);
                let slot = key_file_slot_with(&parts, &slot_keys(&parts, &[0x42; 32]));
                other.data_slots = vec![slot];
                b.put(Site::File, TABLE_B, other.build().parts.data_slots);
            },
        )
        .unpacks(),
        accepted(
            "slots-newer-than-copies",
            &["TAL-1"],
            "A and B are one generation newer than the copy in the tail",
            |b| {
                let newer = second_generation(b);
                b.put(Site::File, TABLE_A, &newer);
                b.put(Site::File, TABLE_B, &newer);
            },
        ),
        refused("slots-none", LIMIT, &["SLT-2"], "slot_count is 0", |b| {
            b.edit(Site::Slots(Domain::Data), |table| {
                table[8..16].fill(0);
                table[32..].fill(0);
            });
        }),
        accepted(
            "slots-24",
            &["SLT-2"],
            "as many slots as a table may have",
            |b| {
                b.data_slots = vec![other_slot(99, &[]); 23];
                b.data_slots.push(b.key_file_slot(Domain::Data));
            },
        ),
        refused("slots-25", LIMIT, &["SLT-2"], "25 slots", |b| {
            b.data_slots = vec![other_slot(99, &[]); 24];
            b.data_slots.push(b.key_file_slot(Domain::Data));
        }),
        refused(
            "slots-len-over-area",
            LIMIT,
            &["SLT-2"],
            "slots_len is S - 95",
            |b| b.put(Site::Slots(Domain::Data), 12, 4001_u32.to_le_bytes()),
        ),
        refused(
            "slot-over-4096",
            LIMIT,
            &["SLT-2"],
            "a slot of 4,097 bytes",
            |b| {
                b.slot_area = 8192;
                b.data_slots = vec![
                    b.key_file_slot(Domain::Data),
                    other_slot(99, &[0; 4097 - 8]),
                ];
            },
        ),
        accepted(
            "slot-of-4096",
            &["SLT-2"],
            "a slot of 4,096 bytes in tables of 8,192",
            |b| {
                b.slot_area = 8192;
                b.data_slots = vec![
                    b.key_file_slot(Domain::Data),
                    other_slot(99, &[0; 4096 - 8]),
                ];
            },
        ),
        refused(
            "slot-len-7",
            LIMIT,
            &["SLT-2"],
            "a slot is shorter than its own head",
            |b| {
                foreign(b, 99);
                b.put(Site::Slots(Domain::Data), 34, [7, 0]);
            },
        ),
        refused(
            "slot-beyond-slots-len",
            LIMIT,
            &["SLT-2"],
            "the last slot says that it is one byte longer than slots_len leaves room for",
            |b| {
                b.data_slots = vec![b.key_file_slot(Domain::Data), other_slot(99, &[1; 8])];
                b.put(Site::Slots(Domain::Data), 32 + 116 + 2, [17, 0]);
            },
        ),
        refused(
            "slots-len-mismatch",
            DAMAGED,
            &["SLT-2"],
            "slots_len leaves 8 bytes behind the last slot",
            |b| b.put(Site::Slots(Domain::Data), 12, 124_u32.to_le_bytes()),
        ),
        sealed(
            "slots-mac-wrong",
            (Class::NotAuthentic, Structure::Slots),
            &["SLT-4"],
            "one bit of the table MAC is changed, and the digest computed anew",
            |b| b.flip_back(Site::SlotsMac(Domain::Data), 1),
        ),
    ]
}

fn slots() -> Vec<Vector> {
    vec![
        accepted(
            "slot-kind-3",
            &["SLT-5"],
            "an X25519 recipient's slot is passed over",
            |b| foreign(b, 3),
        ),
        accepted(
            "slot-kind-4",
            &["SLT-5"],
            "an X-Wing recipient's slot is passed over",
            |b| foreign(b, 4),
        ),
        accepted(
            "slot-kind-5",
            &["SLT-5"],
            "an age recipient's slot is passed over",
            |b| foreign(b, 5),
        ),
        accepted(
            "slot-kind-6",
            &["SLT-5"],
            "a share group's slot is passed over",
            |b| foreign(b, 6),
        ),
        accepted(
            "slot-kind-99",
            &["SLT-5"],
            "a slot of an unknown kind is passed over",
            |b| foreign(b, 99),
        ),
        refused(
            "slot-key-file-short",
            MALFORMED,
            &["SLT-6"],
            "a slot of kind 2 is 115 bytes long",
            |b| b.data_slots = vec![other_slot(2, &[0x22; 107]), b.key_file_slot(Domain::Data)],
        ),
        refused(
            "slot-passphrase-long",
            MALFORMED,
            &["SLT-6"],
            "a slot of kind 1 is 133 bytes long",
            |b| b.data_slots = vec![other_slot(1, &[0; 125]), b.key_file_slot(Domain::Data)],
        ),
        refused(
            "slot-reserved-set",
            MALFORMED,
            &["SLT-6"],
            "a reserved byte of a slot of an unknown kind is set",
            |b| {
                foreign(b, 99);
                b.put(Site::Slots(Domain::Data), 36, [1]);
            },
        ),
        refused(
            "slot-passphrase-reserved-set",
            MALFORMED,
            &["SLT-6"],
            "the reserved field in the body of a slot of kind 1 is set",
            |b| argon2_field(b, &[(20, 1)]),
        ),
        sealed(
            "slot-kek-commitment-wrong",
            NO_KEY,
            &["SLT-8"],
            "the kek commitment is another one; the wrapped key would open",
            |b| {
                let parts = b.slot_parts(Domain::Data, 0);
                let mut keys = slot_keys(&parts, &key_file());
                keys.commitment[0] ^= 1;
                b.data_slots = vec![key_file_slot_with(&parts, &keys)];
            },
        ),
        sealed(
            "slot-tag-wrong",
            NO_KEY,
            &["SLT-8"],
            "the tag of the wrapped key is changed by one bit",
            |b| b.flip(Site::Slots(Domain::Data), 32 + 115),
        ),
        accepted(
            "slot-second-fits",
            &["KEY-2"],
            "a slot of the same key file that yields another key stands first, and does not count",
            |b| {
                let mut other = b.slot_parts(Domain::Data, 1);
                other.key = [9; 32];
                let keys = slot_keys(&other, &key_file());
                let other = key_file_slot_with(&other, &keys);
                b.data_slots = vec![other, b.key_file_slot(Domain::Data)];
            },
        ),
    ]
}

fn passphrases() -> Vec<Vector> {
    vec![
        accepted(
            "slot-passphrase",
            &["SLT-8"],
            "a passphrase slot with the weakest Argon2id that is allowed",
            |b| b.data_slots = vec![passphrase(b, 0, "correct horse battery staple")],
        )
        .with(PASSPHRASE),
        sealed(
            "slot-wrong-passphrase",
            NO_KEY,
            &["SLT-8"],
            "the passphrase offered is another one",
            |b| b.data_slots = vec![passphrase(b, 0, "correct horse battery staples")],
        )
        .with(PASSPHRASE),
        accepted(
            "slot-passphrase-fourth",
            &["SLT-7"],
            "the fourth passphrase slot fits",
            |b| {
                b.data_slots = (0..3)
                    .map(|index| passphrase(b, index, "another"))
                    .collect();
                let fits = passphrase(b, 3, "correct horse battery staple");
                b.data_slots.push(fits);
            },
        )
        .with(PASSPHRASE),
        sealed(
            "slot-passphrase-fifth",
            NO_KEY,
            &["SLT-7"],
            "only the fifth passphrase slot would fit, which is not tried",
            |b| {
                b.data_slots = (0..4)
                    .map(|index| passphrase(b, index, "another"))
                    .collect();
                let fits = passphrase(b, 4, "correct horse battery staple");
                b.data_slots.push(fits);
            },
        )
        .with(PASSPHRASE),
        accepted(
            "slot-kinds-together",
            &["KEY-4"],
            "a passphrase slot that is not tried, and out of all limits, stands before the key file's",
            |b| {
                argon2_field(b, &[(8, u32::MAX)]);
                b.data_slots.push(b.key_file_slot(Domain::Data));
            },
        ),
        sealed(
            "argon2-memory-over-limit",
            LIMIT,
            &["SLT-7"],
            "m is 1 GiB and 1 KiB",
            |b| argon2_field(b, &[(8, 1_048_577)]),
        )
        .with(PASSPHRASE),
        sealed(
            "argon2-memory-below-floor",
            LIMIT,
            &["SLT-7"],
            "m is 64 MiB less 1 KiB",
            |b| argon2_field(b, &[(8, 65_535)]),
        )
        .with(PASSPHRASE),
        sealed(
            "argon2-passes-over-limit",
            LIMIT,
            &["SLT-7"],
            "t is 17",
            |b| argon2_field(b, &[(12, 17)]),
        )
        .with(PASSPHRASE),
        sealed(
            "argon2-passes-below-floor",
            LIMIT,
            &["SLT-7"],
            "t is 1",
            |b| argon2_field(b, &[(12, 1)]),
        )
        .with(PASSPHRASE),
        sealed(
            "argon2-lanes-over-limit",
            LIMIT,
            &["SLT-7"],
            "p is 17",
            |b| argon2_field(b, &[(16, 17)]),
        )
        .with(PASSPHRASE),
        sealed(
            "argon2-lanes-below-floor",
            LIMIT,
            &["SLT-7"],
            "p is 0",
            |b| argon2_field(b, &[(16, 0)]),
        )
        .with(PASSPHRASE),
        sealed(
            "argon2-product-over-limit",
            LIMIT,
            &["SLT-7"],
            "t times m is 5 GiB",
            |b| argon2_field(b, &[(8, 1_048_576), (12, 5)]),
        )
        .with(PASSPHRASE),
    ]
}

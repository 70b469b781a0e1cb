//! FACTS about entries that are backups (chapter 9, kinds 4 to 6).

use super::{LIMIT, MALFORMED, MALFORMED_RECORD, of_kind};
use crate::records::Step;
use crate::vectors::{Vector, accepted, sealed};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::{
    BackupMediaFacts, BackupSetFacts, CheckFacts, EntryFacts, FaultFacts, LevelFacts, LogFacts,
    NamedValue, OtherSourceFacts, PlacedFault, container, other_source, outcome,
};

fn checks(listed: usize) -> CheckFacts {
    let level = |level, outcome, reason: &str| LevelFacts {
        level,
        outcome,
        checked: 27,
        faulty: 2,
        reason: reason.into(),
    };
    let fault = FaultFacts {
        level: 9,
        offset: 16_384,
        file: 1,
        page: 2,
        message: "the checksum of the page is wrong: größer".into(),
    };
    CheckFacts {
        levels: vec![
            level(9, outcome::FAILED, ""),
            level(10, outcome::ABSENT, "made without checksums"),
            level(0x8000, 0x80, "levels and outcomes that are newer"),
        ],
        fault_count: 500,
        faults: vec![fault; listed],
    }
}

fn media() -> EntryFacts {
    let media = BackupMediaFacts {
        container: container::BLOCKS,
        features: 3,
        label: b"TAPE".to_vec(),
        family: vec![7; 32],
        sets: 2,
        checks: checks(1),
    };
    EntryFacts::backup_media(media).expect("they are short")
}

fn backup_set() -> BackupSetFacts {
    BackupSetFacts {
        offset: 4096,
        complete: true,
        start: b"SSET".to_vec(),
        volume: b"VOLB".to_vec(),
        configuration: Some(b"at the end".to_vec()),
        start_configuration: None,
        log: Some(LogFacts {
            blocks: 3,
            records: 40,
            commits: 5,
            first_commit: 1_200_000_000_000,
            last_commit: 1_200_000_000_300,
        }),
        checks: checks(100),
    }
}

fn other_source() -> EntryFacts {
    let other = OtherSourceFacts {
        kind: other_source::PG_DUMP,
        outcome: outcome::FAILED,
        values: vec![NamedValue {
            name: "database".into(),
            value: "orders".into(),
        }],
        fault_count: 1,
        faults: vec![PlacedFault {
            place: "offset 4096".into(),
            message: "it is cut off".into(),
        }],
    };
    EntryFacts::other_source(other).expect("they are short")
}

/// The data of a BACKUP MEDIA, whose last fields are `fault_count`, and so many faults.
fn media_with_faults(fault_count: u64, listed: u64) -> Vec<u8> {
    let head = [&[0; 1 + 4 + 8 + 8 + 8 + 8][..], &fault_count.to_le_bytes()].concat();
    let fault = [0; 2 + 8 + 2 + 4 + 8];
    [
        head,
        listed.to_le_bytes().to_vec(),
        fault.repeat(listed as usize),
    ]
    .concat()
}

fn about_first(facts: EntryFacts) -> Step {
    Step::Facts(facts.about(StreamOffset(0)))
}

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "facts-backup-media",
            &["FAC-1", "FAC-2"],
            "FACTS about a backup medium, with a level and an outcome that are not known",
            |b| b.steps.insert(1, about_first(media())),
        ),
        accepted(
            "facts-backup-set",
            &["FAC-1", "FAC-2"],
            "FACTS about a medium and two backup sets on it, the first with 100 faults listed, the second cut off",
            |b| {
                let cut = BackupSetFacts {
                    complete: false,
                    volume: Vec::new(),
                    start_configuration: Some(Vec::new()),
                    log: None,
                    ..backup_set()
                };
                let sets = [backup_set(), cut];
                let facts = sets.map(|set| EntryFacts::backup_set(set).expect("they are short"));
                b.steps.insert(1, about_first(media()));
                b.steps.splice(2..2, facts.map(about_first));
            },
        ),
        accepted(
            "facts-other-source",
            &["FAC-1", "FAC-2"],
            "FACTS about a source that is the backup of something else",
            |b| b.steps.insert(1, about_first(other_source())),
        ),
        sealed(
            "facts-faults-over-limit",
            LIMIT,
            &["FAC-2"],
            "FACTS about a backup medium list 101 faults",
            |b| {
                b.steps
                    .insert(1, of_kind(Some(0), 4, media_with_faults(101, 101)))
            },
        ),
        sealed(
            "facts-fault-count-wrong",
            MALFORMED,
            &["FAC-2"],
            "FACTS about a backup medium list two faults and count one",
            |b| {
                b.steps
                    .insert(1, of_kind(Some(0), 4, media_with_faults(1, 2)))
            },
        ),
        sealed(
            "facts-backup-media-of-archive",
            MALFORMED,
            &["FAC-1"],
            "FACTS of kind 4 are about the archive",
            |b| b.steps.insert(1, of_kind(None, 4, media().data())),
        ),
        sealed(
            "facts-backup-set-cut",
            MALFORMED_RECORD,
            &["REC-6"],
            "the data of FACTS of kind 5 are one byte short",
            |b| {
                let set = EntryFacts::backup_set(backup_set()).expect("they are short");
                let data = &set.data()[..set.data().len() - 1];
                b.steps.insert(1, of_kind(Some(0), 5, data));
            },
        ),
        sealed(
            "facts-complete-2",
            MALFORMED_RECORD,
            &["REC-6"],
            "complete is 2 in FACTS of kind 5",
            |b| {
                let set = EntryFacts::backup_set(backup_set()).expect("they are short");
                let mut data = set.data().to_vec();
                data[8] = 2;
                b.steps.insert(1, of_kind(Some(0), 5, data));
            },
        ),
        sealed(
            "facts-text-not-utf-8",
            MALFORMED_RECORD,
            &["REC-6"],
            "the name of a value in FACTS of kind 6 is not UTF-8",
            |b| {
                let mut data = other_source().data().to_vec();
                data[2 + 1 + 8 + 8] = 0xFF;
                b.steps.insert(1, of_kind(Some(0), 6, data));
            },
        ),
    ]
}

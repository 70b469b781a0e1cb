//! FACTS (chapter 9).

use super::{Vector, accepted, sealed};
use crate::records::{Chunk, Op, Step};
use crate::stream::file;
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::{
    ChangedFacts, EnvelopeItemFacts, Facts, MissingFacts, RecordHeader, RecordType,
};

mod backups;

const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Facts);
const MALFORMED_RECORD: (Class, Structure) = (Class::Malformed, Structure::Record);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Facts);

/// The file changed while it was read.
fn changed(entry: u64) -> Step {
    let changed = ChangedFacts {
        recorded_size: 27,
        observed_size: 28,
    };
    Step::Facts(changed.about(StreamOffset(entry)))
}

fn of_kind(entry: Option<u64>, kind: u16, data: impl Into<Vec<u8>>) -> Step {
    Step::Facts(Facts {
        entry: entry.map(StreamOffset),
        kind,
        data: data.into(),
    })
}

/// Entry and kind as in version 1, then what only version 2 knows.
fn of_version_2(entry: u64) -> Step {
    let header = RecordHeader {
        version: 2,
        ..RecordHeader::new(RecordType::Facts, 0)
    };
    let body = [&entry.to_le_bytes()[..], &[1, 0], b"another encoding"].concat();
    Step::Record(header, body)
}

fn missing() -> Facts {
    MissingFacts {
        path: b"sql/Lost.bak".to_vec(),
        reason: b"Permission denied".to_vec(),
    }
    .into()
}

pub(super) fn vectors() -> Vec<Vector> {
    let mut all = backups::vectors();
    all.extend(other_vectors());
    all
}

fn other_vectors() -> Vec<Vector> {
    vec![
        accepted(
            "facts-changed",
            &["FAC-1"],
            "FACTS about a file that changed while it was read",
            |b| {
                b.steps.insert(1, changed(0));
                b.rows = |rows| rows[0].flags |= 2;
            },
        ),
        accepted(
            "facts-envelope-item",
            &["FAC-1"],
            "FACTS about an item of the envelope, with and without a check",
            |b| {
                let item = |check| EnvelopeItemFacts {
                    kind: 1,
                    name: "Octopus".into(),
                    check,
                };
                b.steps.insert(0, Step::Facts(item(None).into()));
                b.steps.insert(1, Step::Facts(item(Some([7; 16])).into()));
            },
        ),
        accepted(
            "final-incomplete",
            &["FIN-3", "FAC-1"],
            "an incomplete archive, with FACTS about the source that is missing",
            |b| {
                b.steps.insert(1, Step::Facts(missing()));
                b.last = |last| last.incomplete = true;
            },
        )
        .incomplete(),
        accepted(
            "final-not-restorable",
            &["FIN-3"],
            "what was packed was not enough for a restore",
            |b| b.last = |last| last.not_restorable = true,
        )
        .not_restorable(),
        accepted(
            "facts-kind-99",
            &["FAC-1"],
            "FACTS of unknown kinds, about the entry and about the archive",
            |b| {
                b.steps.insert(1, of_kind(Some(0), 99, "new"));
                b.steps.insert(2, of_kind(None, 0x8000, "newer"));
            },
        ),
        accepted(
            "facts-version-2",
            &["REC-3"],
            "FACTS of another version are passed over, but listed",
            |b| b.steps.insert(1, of_version_2(0)),
        ),
        accepted(
            "facts-version-2-of-no-entry",
            &["REC-3"],
            "FACTS of another version name an offset at which no entry begins",
            |b| b.steps.insert(1, of_version_2(512)),
        ),
        accepted("facts-longest", &["FAC-1"], "FACTS of 1 MiB", |b| {
            b.steps.insert(1, of_kind(None, 99, vec![0x99; 1 << 20]))
        })
        .recipe(),
        sealed(
            "facts-over-limit",
            LIMIT,
            &["FAC-1"],
            "FACTS of 1 MiB and 1 byte",
            |b| {
                let data = vec![0x99; (1 << 20) + 1];
                b.steps.insert(1, of_kind(None, 99, data));
            },
        )
        .recipe(),
        sealed(
            "facts-unknown-entry",
            MALFORMED,
            &["FAC-1"],
            "FACTS about stream offset 512, where no entry begins",
            |b| b.steps.insert(1, changed(512)),
        ),
        sealed(
            "facts-before-entry-ends",
            MALFORMED,
            &["FAC-1"],
            "FACTS stand before the chunk in which their entry ends",
            |b| {
                b.steps.splice(
                    ..1,
                    [Chunk::of([Op::Literal(1600)]), changed(0), Chunk::of([])],
                );
            },
        ),
        sealed(
            "facts-behind-row",
            MALFORMED,
            &["FAC-1"],
            "FACTS stand behind the page that holds the row of their entry",
            |b| b.steps.insert(2, changed(0)),
        ),
        sealed(
            "facts-changed-of-archive",
            MALFORMED,
            &["FAC-1"],
            "FACTS of kind 1 are about the archive",
            |b| b.steps.insert(1, of_kind(None, 1, [0; 16])),
        ),
        sealed(
            "facts-missing-of-entry",
            MALFORMED,
            &["FAC-1"],
            "FACTS of kind 3 are about an entry",
            |b| b.steps.insert(1, of_kind(Some(0), 3, missing().data)),
        ),
        sealed(
            "facts-data-cut",
            MALFORMED_RECORD,
            &["REC-6"],
            "the data of FACTS of kind 1 are one byte short",
            |b| b.steps.insert(1, of_kind(Some(0), 1, [0; 15])),
        ),
        accepted(
            "facts-of-second-entry",
            &["FAC-1"],
            "two entries have ended, FACTS are about the second one, then about the first",
            |b| {
                b.items.push(file("attachments/other", b"content"));
                b.steps.insert(1, changed(2048));
                b.steps.insert(2, changed(0));
            },
        ),
    ]
}

//! Chapter 7: records, their order and encoding.

use super::blocks::two_stripes;
use super::{Vector, accepted, sealed};
use crate::builder::Site;
use crate::records::{Chunk, Op, Step};
use crate::stream::{file, pattern};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::BlockSize;
use bakpak_format::record::RecordHeader;

const UNSUPPORTED: (Class, Structure) = (Class::Unsupported, Structure::Record);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Record);
const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Record);

/// The records of an archive with one chunk, by their numbers.
const CHUNK: usize = 0;
const PAGE: usize = 1;
const CHECKPOINT: usize = 3;
const FINAL: usize = 4;

pub(super) fn vectors() -> Vec<Vector> {
    [headers(), order(), stripes(), encodings()]
        .into_iter()
        .flatten()
        .collect()
}

/// A record of a type that no reader knows, which may be passed over.
pub(super) fn unknown(body: impl Into<Vec<u8>>) -> Step {
    Step::Record(unknown_header(0), body.into())
}

fn unknown_header(flags: u16) -> RecordHeader {
    RecordHeader {
        kind: 0x7001,
        flags,
        version: 1,
        body_len: 0,
    }
}

fn headers() -> Vec<Vector> {
    vec![
        sealed(
            "record-unknown-critical",
            UNSUPPORTED,
            &["REC-2"],
            "a record of an unknown type with the critical flag",
            |b| {
                b.steps
                    .insert(1, Step::Record(unknown_header(1), Vec::new()))
            },
        ),
        accepted(
            "record-unknown-skipped",
            &["REC-2"],
            "records of an unknown type without the critical flag are passed over",
            |b| {
                b.steps.insert(1, unknown("unknown"));
                b.steps.insert(0, unknown("unknown"));
            },
        ),
        sealed(
            "record-flags-set",
            MALFORMED,
            &["REC-2"],
            "a reserved flag of a CHUNK is set",
            |b| b.put(Site::Record(CHUNK), 2, [3]),
        ),
        sealed(
            "record-reserved-set",
            MALFORMED,
            &["REC-2"],
            "a reserved byte of a CHUNK's header is set",
            |b| b.put(Site::Record(CHUNK), 6, [1]),
        ),
        sealed(
            "record-reserved-end-set",
            MALFORMED,
            &["REC-2", "SLV-6"],
            "the last reserved byte of a CHUNK's header is set",
            |b| b.put(Site::Record(CHUNK), 15, [1]),
        ),
        sealed(
            "record-critical-flag-missing",
            MALFORMED,
            &["REC-2", "SLV-6"],
            "a CATALOGUE PAGE without the critical flag",
            |b| b.put(Site::Record(PAGE), 2, [0]),
        ),
        sealed(
            "record-version-2",
            UNSUPPORTED,
            &["REC-3"],
            "a CHUNK of version 2",
            |b| b.put(Site::Record(CHUNK), 4, [2]),
        ),
        sealed(
            "record-over-limit",
            LIMIT,
            &["REC-4"],
            "a record that may be passed over is one byte too long",
            |b| {
                b.block_size = BlockSize::ONE_MIB;
                b.steps.insert(0, unknown(vec![0; (16 << 20) - 15]));
            },
        )
        .recipe(),
        accepted(
            "record-longest",
            &["REC-4"],
            "a record that is passed over has the greatest length, 16 MiB with its header",
            |b| {
                b.block_size = BlockSize::ONE_MIB;
                b.steps.insert(0, unknown(vec![0; (16 << 20) - 16]));
            },
        )
        .recipe(),
    ]
}

fn order() -> Vec<Vector> {
    vec![
        sealed(
            "record-after-final",
            MALFORMED,
            &["REC-5"],
            "an unknown record that might be passed over stands behind FINAL",
            |b| b.steps.push(unknown("unknown")),
        ),
        sealed(
            "final-missing",
            MALFORMED,
            &["REC-5", "FIN-2"],
            "the records end with the CHECKPOINT",
            |b| b.steps.truncate(4),
        ),
        sealed(
            "final-twice",
            MALFORMED,
            &["REC-5"],
            "FINAL stands there twice",
            |b| b.steps.push(Step::Final),
        ),
        sealed(
            "checkpoint-missing",
            MALFORMED,
            &["REC-5"],
            "FINAL follows the tree without a CHECKPOINT",
            |b| {
                b.steps.remove(3);
            },
        ),
        sealed(
            "checkpoint-twice-at-end",
            MALFORMED,
            &["REC-5"],
            "two CHECKPOINTs stand behind the tree",
            |b| b.steps.insert(3, Step::Checkpoint),
        ),
        sealed(
            "record-after-last-checkpoint",
            MALFORMED,
            &["REC-5"],
            "an unknown record stands between the last CHECKPOINT and FINAL",
            |b| b.steps.insert(4, unknown("unknown")),
        ),
        sealed(
            "record-behind-tree-page",
            MALFORMED,
            &["REC-5"],
            "an unknown record stands behind the first TREE PAGE",
            |b| b.steps.insert(3, unknown("unknown")),
        ),
        sealed(
            "chunk-behind-tree-page",
            MALFORMED,
            &["REC-5"],
            "the stream's end comes in a CHUNK behind the TREE PAGE",
            |b| {
                b.steps[0] = Chunk::of([Op::Literal(2048)]);
                b.steps.insert(3, Chunk::of([]));
            },
        ),
        accepted(
            "checkpoints-in-stripe",
            &["REC-5"],
            "CHECKPOINTs stand between chunks, twice in a row, and before the tree",
            |b| {
                b.items.push(file("attachments/other", pattern(100)));
                b.steps = vec![
                    Step::Checkpoint,
                    Chunk::of([Op::Literal(2048)]),
                    Step::Rows(1),
                    Step::Checkpoint,
                    Step::Checkpoint,
                    Chunk::of([]),
                    Step::Rows(1),
                    Step::Checkpoint,
                    Step::Tree,
                    Step::Checkpoint,
                    Step::Final,
                ];
            },
        ),
        accepted(
            "no-entries",
            &["REC-5"],
            "no entry, hence no row, no page and no tree: CHUNK, CHECKPOINT, FINAL",
            |b| b.items.clear(),
        ),
    ]
}

fn stripes() -> Vec<Vector> {
    vec![
        sealed(
            "record-straddles-stripe",
            MALFORMED,
            &["REC-1"],
            "a CHUNK begins in the first stripe and ends in the second",
            |b| {
                b.items = vec![file("attachments/data", pattern(510 * 4000))];
                b.chunk_size = 8 << 20;
            },
        )
        .recipe(),
        sealed(
            "checkpoint-missing-in-stripe",
            MALFORMED,
            &["REC-5"],
            "the first of two stripes does not end with a CHECKPOINT",
            |b| {
                two_stripes(b);
                b.steps.remove(2);
            },
        )
        .recipe(),
        sealed(
            "checkpoint-not-last-in-stripe",
            MALFORMED,
            &["REC-5"],
            "an unknown record stands behind the first stripe's last CHECKPOINT",
            |b| {
                two_stripes(b);
                b.steps.insert(3, unknown("unknown"));
            },
        )
        .recipe(),
        sealed(
            "tree-before-last-stripe",
            MALFORMED,
            &["REC-5"],
            "TREE PAGE and CHECKPOINT stand in the first of two stripes, FINAL in the second",
            |b| {
                b.steps.insert(4, Step::EndStripe);
            },
        )
        .recipe(),
        sealed(
            "checkpoint-too-late",
            MALFORMED,
            &["REC-5", "CKP-2"],
            "16,385 chunks stand before the CHECKPOINT",
            |b| {
                b.items = vec![file("attachments/zeros", vec![0; 16_384])];
                b.steps.splice(..1, chunks_of_a_byte(16_385));
            },
        )
        .recipe(),
        accepted(
            "checkpoint-of-16384-chunks",
            &["REC-5", "CKP-2"],
            "as many chunks as a CHECKPOINT may list",
            |b| {
                b.items = vec![file("attachments/zeros", vec![0; 16_384])];
                b.steps.splice(..1, chunks_of_a_byte(16_384));
            },
        )
        .recipe(),
    ]
}

/// The entry's header, then so many chunks of one zero byte, the last one with all that is left.
fn chunks_of_a_byte(count: usize) -> Vec<Step> {
    let mut steps = vec![Chunk::of([Op::Literal(1536)])];
    steps.extend(vec![Chunk::of([Op::Zero(1)]); count - 2]);
    steps.push(Chunk::of([]));
    steps
}

fn encodings() -> Vec<Vector> {
    vec![
        sealed(
            "record-trailing-byte",
            MALFORMED,
            &["REC-6"],
            "a byte follows the CHECKPOINT's last field",
            |b| b.edit(Site::Body(CHECKPOINT), |body| body.push(0)),
        ),
        sealed(
            "record-cut",
            MALFORMED,
            &["REC-6"],
            "the last byte of FINAL is missing",
            |b| {
                b.edit(Site::Body(FINAL), |body| {
                    body.pop();
                });
            },
        ),
        sealed(
            "record-option-2",
            MALFORMED,
            &["REC-6"],
            "the option byte of the CHECKPOINT's cursor is 2",
            |b| b.put(Site::Body(CHECKPOINT), 32, [2]),
        ),
        sealed(
            "record-list-beyond",
            MALFORMED,
            &["REC-6"],
            "the CHECKPOINT's list of chunks has 2^60 items",
            |b| b.put(Site::Body(CHECKPOINT), 33, (1_u64 << 60).to_le_bytes()),
        ),
        sealed(
            "record-chunk-cut",
            MALFORMED,
            &["REC-6"],
            "a CHUNK of 44 bytes",
            |b| b.edit(Site::Body(CHUNK), |body| body.truncate(44)),
        ),
    ]
}

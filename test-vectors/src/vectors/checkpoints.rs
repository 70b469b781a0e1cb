//! CHECKPOINT and FINAL (chapter 9).

use super::{Vector, accepted, refused, sealed};
use crate::builder::Site;
use bakpak_format::entry::Timestamp;
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::Place;
use bakpak_format::record::Cursor;

const MALFORMED_CHECKPOINT: (Class, Structure) = (Class::Malformed, Structure::Checkpoint);
const MALFORMED_FINAL: (Class, Structure) = (Class::Malformed, Structure::Final);

/// The number of FINAL among the records.
const FINAL: usize = 4;

pub(super) fn vectors() -> Vec<Vector> {
    [checkpoints(), finals()].into_iter().flatten().collect()
}

fn checkpoints() -> Vec<Vector> {
    vec![
        accepted(
            "checkpoint-cursor",
            &["CKP-1"],
            "a CHECKPOINT carries a cursor, which a reader passes over",
            |b| {
                b.cursor = Some(Cursor {
                    path: b"/var/opt/data".to_vec(),
                    offset: 1,
                    device: 2,
                    inode: 3,
                    size: 4,
                    mtime: Timestamp {
                        seconds: -5,
                        nanos: 6,
                    },
                    ctime: Timestamp {
                        seconds: 7,
                        nanos: 8,
                    },
                });
            },
        ),
        sealed(
            "checkpoint-chunk-place-wrong",
            MALFORMED_CHECKPOINT,
            &["CKP-1"],
            "the place of the chunk is one byte too far",
            |b| b.checkpoint = |checkpoint| checkpoint.chunks[0].place.0 += 1,
        ),
        sealed(
            "checkpoint-chunk-missing",
            MALFORMED_CHECKPOINT,
            &["CKP-1"],
            "the list of chunks is empty",
            |b| b.checkpoint = |checkpoint| checkpoint.chunks.clear(),
        ),
        sealed(
            "checkpoint-page-place-wrong",
            MALFORMED_CHECKPOINT,
            &["CKP-1"],
            "the place of the catalogue page is one byte too far",
            |b| b.checkpoint = |checkpoint| checkpoint.pages[0].place.0 += 1,
        ),
        sealed(
            "checkpoint-previous-wrong",
            MALFORMED_CHECKPOINT,
            &["CKP-1"],
            "the only CHECKPOINT names one before it",
            |b| b.checkpoint = |checkpoint| checkpoint.previous = Some(Place(0)),
        ),
        sealed(
            "checkpoint-count-wrong",
            MALFORMED_CHECKPOINT,
            &["CKP-1"],
            "row_count is 2 where 1 row was written",
            |b| b.checkpoint = |checkpoint| checkpoint.row_count += 1,
        ),
        sealed(
            "checkpoint-stream-offset-wrong",
            MALFORMED_CHECKPOINT,
            &["CKP-1"],
            "stream_offset is one byte too far",
            |b| b.checkpoint = |checkpoint| checkpoint.stream_offset.0 += 1,
        ),
    ]
}

fn finals() -> Vec<Vector> {
    vec![
        sealed(
            "final-stream-len-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "stream_len is one more than it is",
            |b| b.last = |last| last.stream_len += 1,
        ),
        sealed(
            "final-data-len-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "data_len is one more than it is",
            |b| b.last = |last| last.data_len += 1,
        ),
        sealed(
            "final-block-count-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "block_count is one more than it is",
            |b| b.last = |last| last.block_count += 1,
        ),
        sealed(
            "final-chunk-count-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "chunk_count is one more than it is",
            |b| b.last = |last| last.chunk_count += 1,
        ),
        sealed(
            "final-row-count-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "row_count is one more than it is",
            |b| b.last = |last| last.row_count += 1,
        ),
        sealed(
            "final-content-len-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "content_len is one more than it is",
            |b| b.last = |last| last.content_len += 1,
        ),
        sealed(
            "final-tree-digest-wrong",
            MALFORMED_FINAL,
            &["FIN-1"],
            "one bit of tree_digest is changed",
            |b| b.last = |last| last.tree_digest.0[0] ^= 1,
        ),
        sealed(
            "final-flags-set",
            MALFORMED_FINAL,
            &["FIN-1", "SLV-6"],
            "a reserved flag is set",
            |b| b.put(Site::Body(FINAL), 48, [4]),
        ),
        sealed(
            "final-nanos-over",
            MALFORMED_FINAL,
            &["FIN-1"],
            "finished has a billion nanoseconds",
            |b| b.last = |last| last.finished.nanos = 1_000_000_000,
        ),
        refused(
            "final-cut-off",
            (Class::Truncated, Structure::Tail),
            &["FIN-2", "FIL-1"],
            "everything behind the stripe is missing",
            |b| b.edit(Site::File, |file| file.truncate(20_480)),
        ),
    ]
}

//! COPY (CHU-7 to CHU-9).

use super::{ENTRY, LIMIT_SCRIPT, MALFORMED_SCRIPT};
use crate::builder::Builder;
use crate::records::{Chunk, Op, Payload, Step};
use crate::stream::{file, pattern};
use crate::vectors::{Vector, accepted, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "copy",
            &["CHU-7", "CHU-8"],
            "content is copied from the chunk before, from as far back as copy_reach allows",
            |b| {
                copied(b, &[Op::Copy(ENTRY, 512)]);
                b.copy_reach = 512;
            },
        ),
        accepted(
            "copy-twice",
            &["CHU-7"],
            "two COPYs in a row, the second one from before the first",
            |b| {
                b.items = vec![
                    file("attachments/a", [pattern(256), vec![0x64; 256]].concat()),
                    file("attachments/b", [vec![0x64; 256], pattern(256)].concat()),
                ];
                b.copy_reach = u64::MAX;
                let script = [
                    Op::Literal(ENTRY),
                    Op::Copy(ENTRY + 256, 256),
                    Op::Copy(ENTRY, 256),
                    Op::Zero(1024),
                ];
                b.steps.splice(
                    ..1,
                    [Chunk::of([Op::Literal(ENTRY + 512)]), Chunk::of(script)],
                );
            },
        ),
        accepted(
            "copy-across-chunks",
            &["CHU-7"],
            "one COPY from the data of three chunks",
            |b| {
                let content = pattern(512);
                b.items = vec![
                    file("attachments/a", content.clone()),
                    file("attachments/b", content),
                ];
                b.copy_reach = u64::MAX;
                b.steps.splice(
                    ..1,
                    [
                        Chunk::of([Op::Literal(ENTRY + 100)]),
                        Chunk::of([Op::Literal(100)]),
                        Chunk::of([Op::Literal(312)]),
                        Chunk::of([Op::Literal(ENTRY), Op::Copy(ENTRY, 512), Op::Zero(1024)]),
                    ],
                );
            },
        ),
        sealed(
            "copy-joined",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "a COPY goes on where the one before it ends",
            |b| copied(b, &[Op::Copy(ENTRY, 256), Op::Copy(ENTRY + 256, 256)]),
        ),
        sealed(
            "copy-forward",
            MALFORMED_SCRIPT,
            &["CHU-7"],
            "a COPY from the data space far behind this chunk",
            |b| copied(b, &[Op::Copy(100_000, 512)]),
        ),
        sealed(
            "copy-own-chunk",
            MALFORMED_SCRIPT,
            &["CHU-7"],
            "a COPY takes its last byte from its own chunk",
            |b| copied(b, &[Op::Copy(ENTRY + 1, 512)]),
        ),
        sealed(
            "copy-before-start",
            MALFORMED_SCRIPT,
            &["CHU-7"],
            "a COPY begins one byte before the data space",
            |b| copied(b, &[Op::Copy(u64::MAX, 512)]),
        ),
        sealed(
            "copy-distance-over-2-62",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "the distance of a COPY is 2^62",
            |b| copied(b, &[Op::Copy(1 << 62, 512)]),
        ),
        sealed(
            "copy-beyond-reach",
            MALFORMED_SCRIPT,
            &["CHU-8"],
            "a COPY from one byte further back than copy_reach",
            |b| {
                copied(b, &[Op::Copy(ENTRY, 512)]);
                b.copy_reach = 511;
            },
        ),
        sealed(
            "copy-without-reach",
            MALFORMED_SCRIPT,
            &["CHU-8"],
            "a COPY where copy_reach is 0",
            |b| {
                copied(b, &[Op::Copy(ENTRY, 512)]);
                b.copy_reach = 0;
            },
        ),
        accepted(
            "copy-cost-at-limit",
            &["CHU-9"],
            "a COPY touches 32 chunks, where chunk_size is 8 MiB and the stream short",
            |b| forty_sources(b, 0, 32),
        ),
        sealed(
            "copy-cost-over-limit",
            LIMIT_SCRIPT,
            &["CHU-9"],
            "a COPY touches 33 chunks, where chunk_size is 8 MiB and the stream short",
            |b| forty_sources(b, 0, 33),
        ),
        sealed(
            "copy-cost-of-one-chunk",
            LIMIT_SCRIPT,
            &["CHU-9"],
            "a COPY touches 33 chunks; all chunks together may do so, this one may not",
            |b| forty_sources(b, 1 << 20, 33),
        ),
    ]
}

/// Two files of the same content; the second one is copied from the first with `copy`.
fn copied(b: &mut Builder, copy: &[Op]) {
    let content = pattern(512);
    b.items = vec![
        file("attachments/a", content.clone()),
        file("attachments/b", content),
    ];
    b.copy_reach = u64::MAX;
    let script = [&[Op::Literal(ENTRY)], copy, &[Op::Zero(1024)]].concat();
    b.steps.splice(
        ..1,
        [Chunk::of([Op::Literal(ENTRY + 512)]), Chunk::of(script)],
    );
}

/// A file of so many letters, forty chunks of a letter each, and one that copies so many of them.
fn forty_sources(b: &mut Builder, before: usize, touched: u64) {
    b.items = vec![
        file("attachments/first", vec![0x62; before]),
        file("attachments/letters", vec![0x63; 512]),
    ];
    b.chunk_size = 8 << 20;
    b.copy_reach = u64::MAX;
    let start = 2 * ENTRY + before.next_multiple_of(512) as u64;
    let mut steps = vec![Step::Chunk(Chunk {
        script: vec![Op::Literal(start)],
        payload: Payload::Zstd,
        spelled: None,
    })];
    steps.extend(vec![Chunk::of([Op::Literal(1)]); 40]);
    steps.push(Chunk::of([
        Op::Copy(start, touched),
        Op::Literal(512 - 40 - touched),
        Op::Zero(1024),
    ]));
    b.steps.splice(..1, steps);
}

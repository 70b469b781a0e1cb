//! Scripts (CHU-2, CHU-5).

use super::{ENTRY, LIMIT_SCRIPT, MALFORMED_SCRIPT, MIB, spelled};
use crate::builder::Builder;
use crate::records::{Chunk, Op, Payload, Step, varint};
use crate::stream::file;
use crate::vectors::{Vector, accepted, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "script-zero",
            &["CHU-2"],
            "the end of the stream is a ZERO",
            |b| b.steps[0] = Chunk::of([Op::Literal(ENTRY + 512), Op::Zero(1024)]),
        ),
        accepted(
            "script-only-zero",
            &["CHU-2"],
            "a chunk without raw bytes",
            |b| {
                b.steps.splice(
                    ..1,
                    [
                        Chunk::of([Op::Literal(ENTRY + 512)]),
                        Chunk::of([Op::Zero(1024)]),
                    ],
                );
            },
        ),
        accepted(
            "script-many-instructions",
            &["CHU-5"],
            "LITERAL and ZERO take turns two thousand times",
            |b| {
                let content: Vec<u8> = [1, 0].repeat(1024);
                b.items = vec![file("attachments/comb", content)];
                let mut script = vec![Op::Literal(ENTRY + 1)];
                script.extend([Op::Zero(1), Op::Literal(1)].repeat(1023));
                script.push(Op::Zero(1025));
                b.steps[0] = Chunk::of(script);
            },
        ),
        sealed(
            "script-too-many-instructions",
            LIMIT_SCRIPT,
            &["CHU-5"],
            "65,537 instructions, one more than allowed",
            |b| comb(b, 65_537),
        )
        .recipe(),
        accepted(
            "script-most-instructions",
            &["CHU-5"],
            "65,536 instructions",
            |b| comb(b, 65_536),
        )
        .recipe(),
        sealed(
            "script-over-64-mib",
            LIMIT_SCRIPT,
            &["CHU-5"],
            "LITERAL and COPY of one chunk make 64 MiB and 1 byte",
            |b| much_copied(b, 1),
        ),
        accepted(
            "script-of-64-mib",
            &["CHU-5"],
            "LITERAL and COPY of one chunk make 64 MiB",
            |b| much_copied(b, 0),
        )
        .recipe(),
        sealed(
            "script-op-3",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "an instruction has op 3 in place of ZERO",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                spelled(b, &script, &[(ENTRY + 512) * 4, 1024 * 4 + 3], 2);
            },
        ),
        sealed(
            "script-varint-long",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "a varint of three bytes that fits into two",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                let mut bytes = Vec::new();
                varint(&mut bytes, (ENTRY + 512) * 4);
                varint(&mut bytes, 1024 * 4 + 2);
                *bytes.last_mut().expect("not empty") |= 0x80;
                bytes.push(0);
                b.steps[0] = Step::Chunk(Chunk {
                    script: script.to_vec(),
                    spelled: Some((bytes, 2)),
                    ..Chunk::default()
                });
            },
        ),
        sealed(
            "script-varint-over-64-bits",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "a varint of ten bytes says 2^64 more than its meaning",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                let mut bytes = Vec::new();
                varint(&mut bytes, (ENTRY + 512) * 4);
                bytes.extend([0x82, 0xa0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]);
                b.steps[0] = Step::Chunk(Chunk {
                    script: script.to_vec(),
                    spelled: Some((bytes, 2)),
                    ..Chunk::default()
                });
            },
        ),
        sealed(
            "script-cut",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "the script ends within a varint",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                let mut bytes = Vec::new();
                varint(&mut bytes, (ENTRY + 512) * 4);
                bytes.push(0x82);
                b.steps[0] = Step::Chunk(Chunk {
                    script: script.to_vec(),
                    spelled: Some((bytes, 2)),
                    ..Chunk::default()
                });
            },
        ),
        sealed(
            "script-zero-length",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "a ZERO of no bytes stands before the LITERAL",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                spelled(b, &script, &[2, (ENTRY + 512) * 4, 1024 * 4 + 2], 3);
            },
        ),
        sealed(
            "script-single-literal",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "a LITERAL of all raw bytes, which the empty script says",
            |b| spelled(b, &[], &[(ENTRY + 512 + 1024) * 4], 1),
        ),
        sealed(
            "script-two-literals",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "two LITERALs in a row",
            |b| b.steps[0] = Chunk::of([Op::Literal(ENTRY), Op::Literal(512), Op::Zero(1024)]),
        ),
        sealed(
            "script-two-zeros",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "two ZEROs in a row",
            |b| b.steps[0] = Chunk::of([Op::Literal(ENTRY + 512), Op::Zero(512), Op::Zero(512)]),
        ),
        sealed(
            "script-count-too-low",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "instruction_count is one less than there are",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                spelled(b, &script, &[(ENTRY + 512) * 4, 1024 * 4 + 2], 1);
            },
        ),
        sealed(
            "script-count-too-high",
            MALFORMED_SCRIPT,
            &["CHU-5"],
            "instruction_count is one more than there are",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                spelled(b, &script, &[(ENTRY + 512) * 4, 1024 * 4 + 2], 3);
            },
        ),
    ]
}

/// A stretch of so many instructions of one byte each.
fn comb(b: &mut Builder, count: usize) {
    b.items = vec![file("attachments/comb", [1, 0].repeat(33_000))];
    let script = [Op::Literal(1), Op::Zero(1)].iter().copied().cycle();
    b.steps.splice(
        ..1,
        [
            Chunk::of([Op::Literal(ENTRY)]),
            Chunk::of(script.take(count).collect::<Vec<_>>()),
            Chunk::zstd(),
        ],
    );
    b.chunk_size = 1 << 20;
}

/// A chunk of 1 MiB of one letter, and one that copies it as often as a chunk may, and more.
fn much_copied(b: &mut Builder, more: usize) {
    let content = vec![0x62; 65 * MIB + more];
    b.items = vec![file("attachments/letters", content)];
    b.chunk_size = 1 << 20;
    b.copy_reach = u64::MAX;
    // The header is a chunk of its own, so that the source begins with the letters.
    let mut copies = vec![Op::Copy(ENTRY, MIB as u64); 64];
    copies.extend((more > 0).then_some(Op::Copy(ENTRY, more as u64)));
    let source = Chunk {
        script: vec![Op::Literal(MIB as u64)],
        payload: Payload::Zstd,
        spelled: None,
    };
    b.steps.splice(
        ..1,
        [
            Chunk::of([Op::Literal(ENTRY)]),
            Step::Chunk(source),
            Chunk::of(copies),
            Chunk::zstd(),
        ],
    );
}

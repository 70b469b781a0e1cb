//! Chapter 8: chunks and scripts.

use super::{Vector, accepted, sealed};
use crate::builder::{Builder, Site};
use crate::records::{Chunk, Op, Payload, Step, varint};
use crate::stream::{file, pattern};
use crate::zstd_frame::{Window, frame, frame_with};
use bakpak_format::error::{Class, Structure};

const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Chunk);
const UNSUPPORTED: (Class, Structure) = (Class::Unsupported, Structure::Chunk);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Chunk);
const MALFORMED_SCRIPT: (Class, Structure) = (Class::Malformed, Structure::Script);
const LIMIT_SCRIPT: (Class, Structure) = (Class::LimitExceeded, Structure::Script);

const MIB: usize = 1 << 20;

/// Length of the header of a small entry: `x` block, pax records, ustar block.
const ENTRY: u64 = 3 * 512;

/// Offsets in the body of a CHUNK.
const STREAM_OFFSET: usize = 0;
const DATA_OFFSET: usize = 8;
const STREAM_LEN: usize = 16;
const FIRST_ENTRY: usize = 24;

/// The frame that zstd 1.5.7 makes of the stream of [`text`], at level 19, with a window of 8 KiB
/// and without its size: a compressed block, literals under Huffman codes and coded sequences.
const COMPRESSED: &str = include_str!("chunks/text.zst.hex");

pub(super) fn vectors() -> Vec<Vector> {
    [heads(), payloads(), scripts(), copies()]
        .into_iter()
        .flatten()
        .collect()
}

/// Cuts the stream in two: header and content of the entry, and the end.
fn two_chunks(b: &mut Builder) {
    b.steps
        .splice(..1, [Chunk::of([Op::Literal(ENTRY + 512)]), Chunk::of([])]);
}

/// One chunk whose payload is this, and said to be a zstd frame.
fn given(b: &mut Builder, payload: impl FnOnce(&[u8]) -> Vec<u8>) {
    let stream = Builder::new(&b.seed).build().stream;
    b.steps[0] = Step::Chunk(Chunk {
        payload: Payload::Given(payload(&stream)),
        ..Chunk::default()
    });
}

/// A script whose bytes are not those that follow from its instructions.
fn spelled(b: &mut Builder, script: &[Op], bytes: &[u64], count: u32) {
    let mut encoded = Vec::new();
    bytes.iter().for_each(|&value| varint(&mut encoded, value));
    b.steps[0] = Step::Chunk(Chunk {
        script: script.to_vec(),
        spelled: Some((encoded, count)),
        ..Chunk::default()
    });
}

/// A file of text that compresses as text does.
fn text(b: &mut Builder) {
    let line = |n: u32| {
        format!(
            "2026-01-02T03:04:{:02}Z step {n} of 40 took {} ms\n",
            n % 60,
            n * 37 % 101
        )
    };
    b.items = vec![file(
        "attachments/log.txt",
        (0..40).map(line).collect::<String>(),
    )];
}

fn heads() -> Vec<Vector> {
    vec![
        accepted(
            "chunks-two",
            &["CHU-1", "CHU-3"],
            "the stream in two chunks, of which the second begins no entry",
            two_chunks,
        ),
        sealed(
            "chunk-stream-offset-wrong",
            MALFORMED,
            &["CHU-1"],
            "the second chunk begins one byte too far in the stream",
            |b| {
                two_chunks(b);
                b.edit(Site::Body(1), |body| body[STREAM_OFFSET] += 1);
            },
        ),
        sealed(
            "chunk-data-offset-wrong",
            MALFORMED,
            &["CHU-1"],
            "the second chunk begins one byte too far in the data space",
            |b| {
                two_chunks(b);
                b.edit(Site::Body(1), |body| body[DATA_OFFSET] += 1);
            },
        ),
        sealed(
            "chunk-first-entry-wrong",
            MALFORMED,
            &["CHU-3"],
            "first_entry points to the pax records of the entry",
            |b| b.put(Site::Body(0), FIRST_ENTRY, 512_u64.to_le_bytes()),
        ),
        sealed(
            "chunk-first-entry-missing",
            MALFORMED,
            &["CHU-3"],
            "a chunk says that no entry begins in it, and one does",
            |b| b.put(Site::Body(0), FIRST_ENTRY, [0xff; 8]),
        ),
        sealed(
            "chunk-first-entry-outside",
            MALFORMED,
            &["CHU-3"],
            "first_entry points behind the chunk's stretch",
            |b| b.put(Site::Body(0), FIRST_ENTRY, 4096_u64.to_le_bytes()),
        ),
        sealed(
            "chunk-raw-len-over-size",
            LIMIT,
            &["CHU-4"],
            "a chunk has 4,608 raw bytes where chunk_size is 4,096",
            |b| {
                b.items = vec![file("attachments/data", pattern(2048))];
                b.chunk_size = 4096;
            },
        ),
        accepted(
            "chunk-raw-len-is-size",
            &["CHU-4"],
            "a chunk has 4,096 raw bytes where chunk_size is 4,096",
            |b| {
                b.items = vec![file("attachments/data", pattern(1536))];
                b.chunk_size = 4096;
            },
        ),
        sealed(
            "script-sum-wrong",
            MALFORMED_SCRIPT,
            &["CHU-2"],
            "stream_len is one more than the raw bytes give",
            |b| b.edit(Site::Body(0), |body| body[STREAM_LEN] += 1),
        ),
        sealed(
            "script-literal-sum-wrong",
            MALFORMED_SCRIPT,
            &["CHU-2"],
            "the LITERALs add up to one byte less than raw_len; the ZERO makes up for it",
            |b| {
                let script = [Op::Literal(ENTRY + 512), Op::Zero(1024)];
                spelled(b, &script, &[(ENTRY + 511) * 4, 1025 * 4 + 2], 2);
            },
        ),
        sealed(
            "chunk-empty",
            MALFORMED_SCRIPT,
            &["CHU-2"],
            "a chunk of an empty stretch stands behind the stream's end",
            |b| b.steps.insert(1, Chunk::of([])),
        ),
    ]
}

fn payloads() -> Vec<Vector> {
    vec![
        sealed(
            "chunk-stored-short",
            MALFORMED,
            &["CHU-6"],
            "a stored payload is one byte shorter than raw_len",
            |b| {
                b.edit(Site::Body(0), |body| {
                    body.pop();
                });
            },
        ),
        accepted(
            "chunk-zstd",
            &["CHU-6"],
            "a frame of raw and RLE blocks, of a single segment",
            |b| b.steps[0] = Chunk::zstd(),
        ),
        accepted(
            "chunk-zstd-compressed",
            &["CHU-6"],
            "a frame with a compressed block, as zstd makes it",
            |b| {
                text(b);
                b.steps[0] = Step::Chunk(Chunk {
                    payload: Payload::Given(from_hex(COMPRESSED)),
                    ..Chunk::default()
                });
            },
        ),
        accepted(
            "chunk-zstd-window-8-mib",
            &["CHU-6"],
            "a frame that announces the greatest window",
            |b| given(b, |raw| frame_with(Window::Descriptor(13 << 3), raw)),
        ),
        sealed(
            "chunk-zstd-window",
            LIMIT,
            &["CHU-6"],
            "a frame that announces a window of 9 MiB",
            |b| given(b, |raw| frame_with(Window::Descriptor(13 << 3 | 1), raw)),
        ),
        sealed(
            "chunk-zstd-segment-over-window",
            LIMIT,
            &["CHU-6"],
            "a single segment of 8 MiB and 1 byte",
            |b| given(b, |raw| frame_with(Window::Segment((8 << 20) + 1), raw)),
        ),
        sealed(
            "chunk-zstd-bomb",
            MALFORMED,
            &["CHU-6"],
            "a frame of 2 KiB gives 64 MiB and not the 3,072 bytes announced",
            |b| {
                given(b, |_| {
                    frame_with(Window::Descriptor(7 << 3), &vec![0x61; 64 * MIB])
                })
            },
        ),
        sealed(
            "chunk-zstd-short",
            MALFORMED,
            &["CHU-6"],
            "a frame gives one byte less than raw_len",
            |b| given(b, |raw| frame(&raw[1..])),
        ),
        sealed(
            "chunk-zstd-long",
            MALFORMED,
            &["CHU-6"],
            "a frame without a content size gives one byte more than raw_len",
            |b| {
                given(b, |raw| {
                    frame_with(Window::Descriptor(7 << 3), &[raw, &[0]].concat())
                });
            },
        ),
        sealed(
            "chunk-zstd-two-frames",
            MALFORMED,
            &["CHU-6"],
            "two frames, which give the raw bytes together",
            |b| given(b, |raw| [frame(&raw[..100]), frame(&raw[100..])].concat()),
        ),
        sealed(
            "chunk-zstd-skippable-frame",
            MALFORMED,
            &["CHU-6"],
            "a skippable frame stands before the frame",
            |b| {
                given(b, |raw| {
                    [b"\x50\x2a\x4d\x18\x01\0\0\0?", &frame(raw)[..]].concat()
                })
            },
        ),
        sealed(
            "chunk-zstd-trailing-byte",
            MALFORMED,
            &["CHU-6"],
            "a byte follows the frame",
            |b| given(b, |raw| [&frame(raw)[..], &[0]].concat()),
        ),
        sealed(
            "chunk-zstd-dictionary",
            MALFORMED,
            &["CHU-6"],
            "the frame names dictionary 0",
            |b| {
                given(b, |raw| {
                    let mut bytes = frame(raw);
                    bytes[4] |= 1;
                    bytes.insert(5, 0);
                    bytes
                });
            },
        ),
        sealed(
            "chunk-zstd-cut",
            MALFORMED,
            &["CHU-6"],
            "the last byte of the frame is missing",
            |b| {
                given(b, |raw| {
                    let mut bytes = frame(raw);
                    bytes.pop();
                    bytes
                });
            },
        ),
        sealed(
            "chunk-zstd-none",
            MALFORMED,
            &["CHU-6"],
            "the payload is called zstd, and is stored",
            |b| given(b, <[u8]>::to_vec),
        ),
        sealed(
            "chunk-compression-2",
            UNSUPPORTED,
            &["CHU-6"],
            "an unknown compression",
            |b| b.put(Site::Body(0), 44, [2]),
        ),
    ]
}

fn scripts() -> Vec<Vector> {
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

/// Forty chunks of a letter each, and one that copies the first so many of them.
fn forty_sources(b: &mut Builder, touched: u64) {
    b.items = vec![file("attachments/letters", vec![0x63; 512])];
    b.chunk_size = 8 << 20;
    b.copy_reach = u64::MAX;
    b.steps.remove(0);
    let copy = [
        Op::Copy(ENTRY, touched),
        Op::Literal(512 - 40 - touched),
        Op::Zero(1024),
    ];
    b.steps.insert(0, Chunk::of(copy));
    for _ in 0..40 {
        b.steps.insert(0, Chunk::of([Op::Literal(1)]));
    }
    b.steps.insert(0, Chunk::of([Op::Literal(ENTRY)]));
}

fn copies() -> Vec<Vector> {
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
            |b| forty_sources(b, 32),
        ),
        sealed(
            "copy-cost-over-limit",
            LIMIT_SCRIPT,
            &["CHU-9"],
            "a COPY touches 33 chunks, where chunk_size is 8 MiB and the stream short",
            |b| forty_sources(b, 33),
        ),
    ]
}

/// Bytes of hexadecimal digits in lines.
fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        })
        .collect()
}

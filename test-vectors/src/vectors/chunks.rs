//! Chapter 8: chunks and scripts.

mod copies;
mod scripts;

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
    [heads(), payloads(), scripts::vectors(), copies::vectors()]
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
            &["CHU-4", "SLV-6"],
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

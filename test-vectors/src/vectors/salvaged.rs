//! Chapter 14.2: archives of many kinds of entries, made to be damaged.

use super::envelope::envelope;
use super::{Vector, accepted};
use crate::builder::Builder;
use crate::records::{Chunk, Op, Step};
use crate::stream::{Item, Stream, bare, directory, file, link, part, pattern, sparse};
use bakpak_format::geometry::ParityGeometry;

/// Raw bytes of a stored CHUNK that fills a block of 4 KiB.
const FULL: u64 = 4000 - 16 - 45;

/// A part's length.
const PART: usize = 8 << 20;

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "salvage-files",
            &["SLV-5"],
            "files of all fates: superseded, unreadable, copied, sparse, linked; four catalogue pages, no parity",
            files,
        )
        .recipe(),
        accepted(
            "salvage-files-parity",
            &["SLV-2"],
            "the same with two blocks of parity",
            |b| {
                files(b);
                b.parity = ParityGeometry::ONE_AND_A_HALF;
            },
        )
        .recipe(),
        accepted(
            "salvage-stripes",
            &["SLV-3"],
            "two stripes; a file of the second is a COPY from the first",
            stripes,
        )
        .recipe(),
        accepted(
            "salvage-parts",
            &["SLV-4"],
            "an entry in three parts, their rows in a block of their own, and a file behind them",
            parts,
        )
        .recipe(),
    ]
}

/// As much as `pattern` gives, but other bytes for each name.
fn bytes_of(name: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(name.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn data(path: &str, len: usize) -> Item {
    file(path, bytes_of(path, len))
}

/// LITERALs of a block each, from one stream offset to another.
fn literals(from: u64, to: u64) -> Vec<Step> {
    let starts = (from..to).step_by(FULL as usize);
    let chunk = |at: u64| Chunk::of([Op::Literal(FULL.min(to - at))]);
    starts.map(chunk).collect()
}

fn files(b: &mut Builder) {
    envelope(b);
    let given_up = [bytes_of("given up", 2500), vec![0; 3000]].concat();
    let ends_with_zeros = [bytes_of("zeros", 700), vec![0; 1500]].concat();
    b.items = vec![
        data("sql/a.bak", 20_000),
        data("sql/older", 3000),
        data("sql/older", 3100),
        directory("home/directory"),
        file("home/empty", b""),
        file("home/given-up", given_up),
        Item {
            comment: Some("bakpak.linked"),
            ..data("home/has-names", 5000)
        },
        sparse("home/holes", 100_000, &[(4096, 3072), (50_000, 5000)]),
        link(b'1', "home/name", "home/has-names"),
        bare(b'6', "attachments/a-pipe"),
        file("attachments/copy-of-a.bak", bytes_of("sql/a.bak", 20_000)),
        Item {
            device: [1, 3],
            ..bare(b'3', "attachments/device")
        },
        link(b'2', "attachments/symlink", "../sql/a.bak"),
        file("attachments/zeros", ends_with_zeros),
        data("attachments/zzz", 2000),
    ];
    b.copy_reach = u64::MAX;
    b.rows = |rows| rows[5].flags |= 1 << 4;
    let stream = Stream::new(b);
    let (at, content) = (&stream.entries, |row: usize| stream.rows[row].offsets[1]);
    let mut steps = literals(0, at[3]);
    steps.push(Step::Rows(3));
    let given_up = content(5) + 2500;
    steps.extend(literals(at[3], given_up));
    steps.push(Chunk::of([Op::Zero(3000)]));
    steps.extend(literals(given_up + 3000, at[9]));
    steps.push(Step::Rows(6));
    steps.push(Chunk::of([
        Op::Literal(content(10) - at[9]),
        Op::Copy(content(0), 9000),
    ]));
    steps.push(Chunk::of([
        Op::Copy(content(0) + 9000, 11_000),
        Op::Literal(at[11] - content(10) - 20_000),
    ]));
    steps.extend(literals(at[11], content(12)));
    steps.push(Step::Rows(2));
    let zeros = content(13) + 700;
    steps.extend(literals(content(12), zeros));
    steps.push(Chunk::of([Op::Zero(1500)]));
    steps.extend(literals(zeros + 1500, stream.bytes.len() as u64));
    b.steps = steps;
    close(b);
}

fn stripes(b: &mut Builder) {
    b.items = vec![
        data("sql/a.bak", 30_000),
        data("sql/b.bak", 4000),
        file(
            "home/copy",
            bytes_of("sql/a.bak", 30_000)[10_000..20_000].to_vec(),
        ),
        data("home/z", 30_000),
    ];
    b.copy_reach = u64::MAX;
    let stream = Stream::new(b);
    let (at, content) = (&stream.entries, |row: usize| stream.rows[row].offsets[1]);
    let mut steps = literals(0, at[1]);
    steps.push(Step::Rows(1));
    steps.extend(literals(at[1], at[2]));
    steps.extend([Step::Rows(1), Step::Checkpoint, Step::EndStripe]);
    steps.push(Chunk::of([
        Op::Literal(content(2) - at[2]),
        Op::Copy(content(0) + 10_000, 10_000),
        Op::Literal(at[3] - content(2) - 10_000),
    ]));
    steps.extend(literals(at[3], stream.bytes.len() as u64));
    b.steps = steps;
    close(b);
}

fn parts(b: &mut Builder) {
    let mut whole = vec![0; 2 * PART + 5000];
    for start in [0, PART, 2 * PART] {
        whole[start..start + 5000].copy_from_slice(&pattern(5000));
    }
    b.items = vec![
        part("home/log", 1, &whole[..PART], Some(&whole)),
        part("home/log", 2, &whole[PART..2 * PART], None),
        part("home/log", 3, &whole[2 * PART..], None),
        data("home/log.txt", 3000),
    ];
    let stream = Stream::new(b);
    let at = &stream.entries;
    let header_len = stream.rows[0].offsets[1];
    let mut steps = Vec::new();
    for start in &at[..2] {
        let zeros = start + header_len + 5000;
        steps.extend(literals(*start, zeros));
        steps.push(Chunk::of([Op::Zero(PART as u64 - 5000)]));
    }
    steps.extend(literals(at[2], at[3]));
    steps.push(Step::Rows(1));
    steps.extend(literals(at[3], stream.bytes.len() as u64));
    b.steps = steps;
    close(b);
}

fn close(b: &mut Builder) {
    let closing = [
        Step::Rows(usize::MAX),
        Step::Tree,
        Step::Checkpoint,
        Step::Final,
    ];
    b.steps.extend(closing);
}

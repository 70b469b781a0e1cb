//! Parts (10.4).

use super::{MALFORMED, items, path};
use crate::builder::Builder;
use crate::records::{Chunk, Op, Payload, Step};
use crate::stream::{directory, file, part};
use crate::vectors::{Vector, accepted, sealed};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::Facts;

const PART: usize = 8 << 20;

pub(super) fn vectors() -> Vec<Vector> {
    /// The content of parts: zeros, but for the end.
    fn content(len: usize) -> Vec<u8> {
        let mut content = vec![0; len];
        content.extend_from_slice(b"the end");
        content
    }
    /// Parts of these lengths and numbers, the first with the row of all.
    fn parted(b: &mut Builder, parts: &[(u64, usize)]) {
        let whole = content(parts.iter().map(|(_, len)| len).sum::<usize>() - 7);
        let mut rest = whole.as_slice();
        let mut made = Vec::new();
        for (index, &(number, len)) in parts.iter().enumerate() {
            let (now, later) = rest.split_at(len);
            rest = later;
            made.push(part(
                "home/log",
                number,
                now,
                (index == 0).then_some(&whole),
            ));
        }
        items(b, made);
        parts_as_zeros(b);
    }
    vec![
        accepted(
            "parts",
            &["ENT-8"],
            "three parts, the last one of 100 bytes",
            |b| parted(b, &[(1, PART), (2, PART), (3, 100)]),
        ),
        accepted(
            "parts-full",
            &["ENT-8"],
            "two parts, both of 8 MiB, and a file behind them",
            |b| {
                parted(b, &[(1, PART), (2, PART)]);
                b.items.push(file("home/log.txt", b"another file"));
            },
        ),
        accepted(
            "parts-with-facts",
            &["FAC-1", "ENT-8"],
            "FACTS about parts, by the offset of the first one",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                let facts = Facts {
                    entry: Some(StreamOffset(0)),
                    kind: 99,
                    data: Vec::new(),
                };
                b.steps.insert(2, Step::Facts(facts));
            },
        ),
        sealed(
            "part-behind-row",
            MALFORMED,
            &["ENT-8"],
            "a third part follows the row of the first two",
            |b| {
                parted(b, &[(1, PART), (2, PART)]);
                b.items.push(part("home/log", 3, b"more", None));
                let rest_of_two = of_len(2 * 1536);
                b.steps
                    .splice(2..3, [rest_of_two, Step::Rows(1), Chunk::zstd()]);
            },
        ),
        sealed("part-alone", MALFORMED, &["ENT-8"], "a single part", |b| {
            parted(b, &[(1, 100)])
        }),
        sealed(
            "part-out-of-order",
            MALFORMED,
            &["ENT-8"],
            "part 3 follows part 1",
            |b| parted(b, &[(1, PART), (3, 100)]),
        ),
        sealed(
            "part-first-missing",
            MALFORMED,
            &["ENT-8"],
            "the first part has number 2",
            |b| parted(b, &[(2, PART), (3, 100)]),
        ),
        sealed(
            "part-number-zero",
            MALFORMED,
            &["ENT-8"],
            "the first part has number 0",
            |b| parted(b, &[(0, PART), (1, 100)]),
        ),
        sealed(
            "part-short",
            MALFORMED,
            &["ENT-8"],
            "a part before the last has one byte less than 8 MiB",
            |b| parted(b, &[(1, PART - 1), (2, 100)]),
        ),
        sealed(
            "part-long",
            MALFORMED,
            &["ENT-8"],
            "the last part has one byte more than 8 MiB",
            |b| parted(b, &[(1, PART), (2, PART + 1)]),
        ),
        sealed(
            "part-empty",
            MALFORMED,
            &["ENT-8"],
            "the last part has no byte",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items[1] = part("home/log", 2, b"", None);
            },
        ),
        sealed(
            "part-of-other-owner",
            MALFORMED,
            &["ENT-8"],
            "the second part has another owner",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items[1].owner = [1001, 1000];
            },
        ),
        sealed(
            "part-with-attribute",
            MALFORMED,
            &["ENT-8"],
            "a part has an attribute",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items[0].xattrs = vec![(b"user.a".to_vec(), b"b".to_vec())];
            },
        ),
        sealed(
            "part-name-wrong",
            MALFORMED,
            &["ENT-8"],
            "a file that is no part by its name is marked as one",
            |b| {
                path(b, "home/log");
                b.items[0].comment = Some("bakpak.part");
            },
        ),
        accepted(
            "part-name-unmarked",
            &["ENT-8"],
            "a file has the name of a part, but not the mark, and is none",
            |b| path(b, "home/log.parts/000000000001"),
        ),
        sealed(
            "part-superseded",
            MALFORMED,
            &["ENT-8"],
            "a file supersedes parts",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items.push(file("home/log", b"newer"));
            },
        ),
        sealed(
            "part-supersedes",
            MALFORMED,
            &["ENT-8"],
            "parts supersede a file",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items.insert(0, file("home/log", b"older"));
            },
        ),
        sealed(
            "part-entry-below",
            MALFORMED,
            &["ENT-8"],
            "another entry stands below NAME.parts",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items.push(file("home/log.parts/other", b"content"));
            },
        ),
        sealed(
            "part-entry-at-name-parts",
            MALFORMED,
            &["ENT-8"],
            "a directory stands at NAME.parts",
            |b| {
                parted(b, &[(1, PART), (2, 100)]);
                b.items.push(directory("home/log.parts"));
            },
        ),
    ]
}

/// Cuts the stream of parts into chunks of 8 MiB.
fn parts_as_zeros(b: &mut Builder) {
    let len: usize = b.items.iter().map(|item| item.content.len()).sum();
    b.steps.splice(..0, vec![of_len(PART as u64); len / PART]);
}

/// A compressed chunk of the next so many bytes.
fn of_len(len: u64) -> Step {
    Step::Chunk(Chunk {
        script: vec![Op::Literal(len)],
        payload: Payload::Zstd,
        spelled: None,
    })
}

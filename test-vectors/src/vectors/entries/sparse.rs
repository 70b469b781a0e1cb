//! Sparse files (10.3).

use super::{LIMIT, MALFORMED, items};
use crate::stream::{Item, sparse};
use crate::vectors::{Vector, accepted, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "sparse",
            &["ENT-7"],
            "two extents, the last one ending with the file and in no whole block",
            |b| {
                items(
                    b,
                    [sparse("home/a", 100_003, &[(4096, 1024), (100_000, 3)])],
                )
            },
        ),
        accepted(
            "sparse-ends-with-hole",
            &["ENT-7"],
            "data, a hole, data, a hole: the list is closed by an empty extent",
            |b| items(b, [sparse("home/a", 1 << 20, &[(0, 512), (8192, 100)])]),
        ),
        accepted(
            "sparse-all-hole",
            &["ENT-7"],
            "a file of 1 MiB that is one hole",
            |b| items(b, [sparse("home/a", 1 << 20, &[])]),
        ),
        accepted(
            "sparse-map-of-two-blocks",
            &["ENT-7"],
            "a map of 55 extents, which is longer than 512 bytes",
            |b| {
                let extents: Vec<_> = (0..54).map(|n| (n * 1024, 512)).collect();
                items(b, [sparse("home/a", 1 << 20, &extents)]);
            },
        ),
        sealed(
            "sparse-overlap",
            MALFORMED,
            &["ENT-7"],
            "the second extent begins within the first",
            |b| items(b, [sparse("home/a", 8192, &[(0, 1024), (512, 512)])]),
        ),
        sealed(
            "sparse-touching",
            MALFORMED,
            &["ENT-7"],
            "the second extent begins where the first ends",
            |b| items(b, [sparse("home/a", 8192, &[(0, 512), (512, 512)])]),
        ),
        sealed(
            "sparse-descending",
            MALFORMED,
            &["ENT-7"],
            "the second extent stands before the first",
            |b| items(b, [sparse("home/a", 8192, &[(4096, 512), (0, 512)])]),
        ),
        sealed(
            "sparse-beyond-size",
            MALFORMED,
            &["ENT-7"],
            "an extent ends one byte behind the file",
            |b| items(b, [sparse("home/a", 8191, &[(0, 512), (7680, 512)])]),
        ),
        sealed(
            "sparse-no-hole",
            MALFORMED,
            &["ENT-7"],
            "one extent of all the file",
            |b| items(b, [sparse("home/a", 512, &[(0, 512)])]),
        ),
        sealed(
            "sparse-size-zero",
            MALFORMED,
            &["ENT-7"],
            "a file of no bytes is stored as sparse",
            |b| {
                items(b, [sparse("home/a", 0, &[])]);
                b.items[0].map = |map| *map = b"1\n0\n0\n".to_vec();
            },
        ),
        sealed(
            "sparse-unaligned",
            MALFORMED,
            &["ENT-7"],
            "an extent before the last has 511 bytes, which no two programs read alike",
            |b| items(b, [sparse("home/a", 8192, &[(0, 511), (4096, 512)])]),
        ),
        sealed(
            "sparse-empty-extent",
            MALFORMED,
            &["ENT-7"],
            "an extent of no bytes in the middle",
            |b| {
                items(
                    b,
                    [sparse("home/a", 8192, &[(0, 512), (2048, 0), (4096, 512)])],
                )
            },
        ),
        sealed(
            "sparse-not-closed",
            MALFORMED,
            &["ENT-7"],
            "the file ends with a hole, and no empty extent says so",
            |b| {
                items(b, [sparse("home/a", 8192, &[(0, 512)])]);
                b.items[0].map = |map| *map = b"1\n0\n512\n".to_vec();
            },
        ),
        sealed(
            "sparse-closed-needlessly",
            MALFORMED,
            &["ENT-7"],
            "the file ends with data, and an empty extent follows",
            |b| {
                items(b, [sparse("home/a", 8192, &[(7680, 512)])]);
                b.items[0].map = |map| *map = b"2\n7680\n512\n8192\n0\n".to_vec();
            },
        ),
        sealed(
            "sparse-number-padded",
            MALFORMED,
            &["ENT-7"],
            "a number of the map begins with a zero",
            |b| {
                items(b, [sparse("home/a", 8192, &[(7680, 512)])]);
                b.items[0].map = |map| *map = b"1\n7680\n0512\n".to_vec();
            },
        ),
        sealed(
            "sparse-no-extent",
            MALFORMED,
            &["ENT-7"],
            "a map of no extents",
            |b| {
                items(b, [sparse("home/a", 8192, &[])]);
                b.items[0].map = |map| *map = b"0\n".to_vec();
            },
        ),
        sealed(
            "sparse-map-filling-not-zero",
            MALFORMED,
            &["ENT-7"],
            "a byte behind the map is not zero",
            |b| {
                items(b, [sparse("home/a", 8192, &[(7680, 512)])]);
                b.items[0].map = |map| map.push(b'\n');
            },
        ),
        sealed(
            "sparse-content-short",
            MALFORMED,
            &["ENT-7"],
            "the content is one byte shorter than map and extents say",
            |b| {
                items(b, [sparse("home/a", 8192, &[(7680, 512)])]);
                b.items[0].content.pop();
            },
        ),
        sealed(
            "sparse-extents-over-limit",
            LIMIT,
            &["ENT-7"],
            "a map announces 1,048,577 extents",
            |b| {
                items(b, [sparse("home/a", 8192, &[(7680, 512)])]);
                b.items[0].map = |map| *map = b"1048577\n7680\n512\n".to_vec();
            },
        ),
        sealed(
            "sparse-directory",
            MALFORMED,
            &["ENT-1"],
            "a directory with the pax records of a sparse file",
            |b| {
                items(
                    b,
                    [Item {
                        typeflag: b'5',
                        ..sparse("home/a", 8192, &[(7680, 512)])
                    }],
                );
            },
        ),
        sealed(
            "sparse-other-path",
            MALFORMED,
            &["ENT-1"],
            "the pax path of a sparse file is its own path",
            |b| {
                items(b, [sparse("home/a", 8192, &[(7680, 512)])]);
                b.items[0].pax = |records| {
                    for (key, value) in records {
                        if key == b"path" {
                            *value = b"home/a".to_vec();
                        }
                    }
                };
            },
        ),
    ]
}

//! Limits of pax records and sizes (ENT-5, ENT-9).

use super::{LIMIT, MALFORMED, header, items, ustar};
use crate::builder::Builder;
use crate::stream::{file, link, sparse};
use crate::vectors::{Vector, accepted, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        sealed(
            "xattr-over-64-kib",
            LIMIT,
            &["ENT-5"],
            "an attribute of 65,537 bytes",
            |b| attributes(b, 1, 65_537),
        ),
        accepted(
            "xattr-of-64-kib",
            &["ENT-5"],
            "an attribute of 65,536 bytes",
            |b| attributes(b, 1, 65_536),
        ),
        sealed(
            "pax-over-1-mib",
            LIMIT,
            &["ENT-5"],
            "sixteen attributes of 64 KiB in an entry",
            |b| attributes(b, 16, 65_536),
        ),
        accepted(
            "pax-almost-1-mib",
            &["ENT-5"],
            "fifteen attributes of 64 KiB in an entry",
            |b| attributes(b, 15, 65_536),
        ),
        sealed(
            "pax-record-over-72-kib",
            LIMIT,
            &["ENT-5"],
            "a link target of 73,728 bytes makes a record of more",
            |b| items(b, [link(b'2', "home/a", vec![b'a'; 73_728])]),
        ),
        sealed(
            "link-target-over-32-kib",
            MALFORMED,
            &["ENT-1"],
            "a link target of 32,769 bytes",
            |b| items(b, [link(b'2', "home/a", vec![b'a'; 32_769])]),
        ),
        accepted(
            "link-target-of-32-kib",
            &["ENT-1"],
            "a link target of 32,768 bytes",
            |b| items(b, [link(b'2', "home/a", vec![b'a'; 32_768])]),
        ),
        sealed(
            "link-target-empty",
            MALFORMED,
            &["ENT-1"],
            "a symbolic link to nothing",
            |b| items(b, [link(b'2', "home/a", "")]),
        ),
        sealed(
            "owner-name-over-255",
            MALFORMED,
            &["ENT-1"],
            "an owner's name of 256 bytes",
            |b| b.items[0].owner_names[0] = vec![b'o'; 256],
        ),
        sealed(
            "xattr-name-empty",
            MALFORMED,
            &["ENT-1"],
            "an attribute without a name",
            |b| b.items[0].xattrs = vec![(Vec::new(), b"value".to_vec())],
        ),
        sealed(
            "xattr-name-over-255",
            MALFORMED,
            &["ENT-1"],
            "an attribute's name of 256 bytes",
            |b| b.items[0].xattrs = vec![(vec![b'n'; 256], b"value".to_vec())],
        ),
        sealed(
            "file-size-over-limit",
            LIMIT,
            &["ENT-9"],
            "a file of 2^60 bytes",
            |b| {
                let size = (1_u64 << 60).to_string();
                assert_eq!(size, "1152921504606846976");
                b.items[0].pax = |records| {
                    records.push((b"size".to_vec(), b"1152921504606846976".to_vec()));
                };
                header(b, |header| {
                    ustar(header, |block| block[124..135].fill(b'0'))
                });
            },
        ),
        sealed(
            "sizes-sum-over-limit",
            LIMIT,
            &["ENT-9"],
            "a file of 7 bytes and one of 2^60 - 1: as much as one may have, but not both",
            |b| {
                items(b, [file("home/a", b"content"), file("home/b", b"content")]);
                b.items[1].pax = |records| {
                    records.push((b"size".to_vec(), b"1152921504606846975".to_vec()));
                };
                b.items[1].header = |header| ustar(header, |block| block[124..135].fill(b'0'));
            },
        ),
        sealed(
            "sparse-size-over-limit",
            LIMIT,
            &["ENT-9"],
            "a sparse file of 2^60 bytes",
            |b| {
                items(b, [sparse("home/a", 1024, &[(0, 512)])]);
                b.items[0].pax = |records| {
                    for (key, value) in records {
                        if key == b"GNU.sparse.realsize" {
                            *value = b"1152921504606846976".to_vec();
                        }
                    }
                };
            },
        ),
    ]
}

/// A file with so many attributes of so many bytes each.
fn attributes(b: &mut Builder, count: u8, len: usize) {
    items(b, [file("home/a", b"content")]);
    b.items[0].xattrs = (0..count)
        .map(|number| (vec![b'a' + number], vec![b'v'; len]))
        .collect();
}

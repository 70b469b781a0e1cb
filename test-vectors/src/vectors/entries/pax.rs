//! Pax records that are not in their one form (10.2).

use super::{MALFORMED, header, path};
use crate::stream::put_checksum;
use crate::vectors::{Vector, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        sealed(
            "tar-pax-unsorted",
            MALFORMED,
            &["ENT-1"],
            "path stands before mtime",
            |b| b.items[0].pax = |records| records.swap(0, 1),
        ),
        sealed(
            "tar-pax-twice",
            MALFORMED,
            &["ENT-1"],
            "mtime stands there twice",
            |b| b.items[0].pax = |records| records.insert(0, records[0].clone()),
        ),
        sealed(
            "tar-pax-unknown-key",
            MALFORMED,
            &["ENT-1"],
            "a record that no rule asks for: atime",
            |b| {
                b.items[0].pax =
                    |records| records.insert(0, (b"atime".to_vec(), b"1767323045".to_vec()));
            },
        ),
        sealed(
            "tar-pax-needless",
            MALFORMED,
            &["ENT-1"],
            "uid as a pax record, though it fits the ustar block",
            |b| b.items[0].pax = |records| records.push((b"uid".to_vec(), b"1000".to_vec())),
        ),
        sealed(
            "tar-pax-charset-needless",
            MALFORMED,
            &["ENT-1"],
            "hdrcharset, though all texts are UTF-8",
            |b| {
                b.items[0].pax =
                    |records| records.insert(0, (b"hdrcharset".to_vec(), b"BINARY".to_vec()));
            },
        ),
        sealed(
            "tar-pax-charset-missing",
            MALFORMED,
            &["ENT-1"],
            "no hdrcharset, though the path is Latin-1",
            |b| {
                path(b, b"home/\xe4");
                b.items[0].pax = |records| records.retain(|(key, _)| key != b"hdrcharset");
            },
        ),
        sealed(
            "tar-pax-path-missing",
            MALFORMED,
            &["ENT-1"],
            "no path in the pax records",
            |b| b.items[0].pax = |records| records.retain(|(key, _)| key != b"path"),
        ),
        sealed(
            "tar-pax-mtime-missing",
            MALFORMED,
            &["ENT-1"],
            "no mtime in the pax records",
            |b| b.items[0].pax = |records| records.retain(|(key, _)| key != b"mtime"),
        ),
        sealed(
            "tar-pax-mtime-trailing-zero",
            MALFORMED,
            &["ENT-1"],
            "the fraction of mtime ends with a zero",
            |b| {
                b.items[0].mtime.1 = 500_000_000;
                b.items[0].pax = |records| records[0].1.push(b'0');
            },
        ),
        sealed(
            "tar-pax-mtime-leading-zero",
            MALFORMED,
            &["ENT-1"],
            "mtime begins with a zero",
            |b| b.items[0].pax = |records| records[0].1.insert(0, b'0'),
        ),
        sealed(
            "tar-pax-mtime-minus-zero",
            MALFORMED,
            &["ENT-1"],
            "mtime is -0",
            |b| {
                b.items[0].mtime = (0, 0);
                b.items[0].pax = |records| records[0].1.insert(0, b'-');
            },
        ),
        sealed(
            "tar-pax-length-padded",
            MALFORMED,
            &["ENT-1"],
            "the length of a record begins with a zero",
            |b| {
                header(b, |header| {
                    // "20 mtime=..." becomes "021 mtime=...", and 49 bytes of records 50.
                    header.copy_within(512..1000, 513);
                    header[512..515].copy_from_slice(b"021");
                    header[124..135].copy_from_slice(b"00000000062");
                    put_checksum(&mut header[..512]);
                });
            },
        ),
        sealed(
            "tar-pax-length-wrong",
            MALFORMED,
            &["ENT-1"],
            "the length of the last record is one byte short",
            |b| header(b, |header| header[512 + 21] -= 1),
        ),
    ]
}

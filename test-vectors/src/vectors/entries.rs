//! Chapter 10: the stream and its entries.

use super::{Vector, accepted, sealed};
use crate::builder::{Builder, Site};
use crate::records::{Chunk, Op, Payload, Step};
use crate::stream::{Item, RowOf, bare, directory, file, link, part, put_checksum, sparse};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::Facts;

const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Entry);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Entry);

const PART: usize = 8 << 20;

pub(super) fn vectors() -> Vec<Vector> {
    [
        values(),
        headers(),
        pax(),
        paths(),
        order(),
        limits(),
        links(),
        sparse_files(),
        parts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The archive's entries; their chunk is compressed, so that the archive stays small.
fn items(b: &mut Builder, items: impl Into<Vec<Item>>) {
    b.items = items.into();
    b.chunk_size = 8 << 20;
    b.steps[0] = Chunk::zstd();
}

/// One file of this path.
fn path(b: &mut Builder, path: impl AsRef<[u8]>) {
    items(b, [file(path, b"content")]);
}

/// The one file, its header changed; `x` block, 512 bytes of pax records, ustar block.
fn header(b: &mut Builder, edit: fn(&mut Vec<u8>)) {
    b.items[0].header = edit;
}

/// Changes the ustar block and its checksum.
fn ustar(header: &mut [u8], edit: impl FnOnce(&mut [u8])) {
    edit(&mut header[1024..]);
    put_checksum(&mut header[1024..]);
}

/// Bytes in the stream that are no entry: a foreign tar header, and its content.
fn foreign(typeflag: u8, name: &str, content: &[u8]) -> Item {
    let bytes = Item {
        owner_names: [Vec::new(), Vec::new()],
        ..bare(typeflag, name)
    }
    .ustar_block(name.as_bytes(), content.len());
    let bytes = [bytes, crate::stream::filled(content.to_vec())].concat();
    Item {
        raw: Some(bytes),
        row: RowOf::None,
        ..bare(typeflag, name)
    }
}

fn values() -> Vec<Vector> {
    vec![
        accepted(
            "entries-of-all-kinds",
            &["ENT-1"],
            "file, directory, both links, FIFO, both devices",
            |b| {
                items(
                    b,
                    [
                        directory("home"),
                        Item {
                            comment: Some("bakpak.linked"),
                            ..file("home/a file", b"one")
                        },
                        Item {
                            device: [8, 0o7_777_777],
                            ..bare(b'4', "home/block device")
                        },
                        Item {
                            device: [5, 1],
                            ..bare(b'3', "home/character device")
                        },
                        bare(b'6', "home/fifo"),
                        link(b'1', "home/hard link", "home/a file"),
                        link(b'2', "home/symbolic link", "../../etc/passwd"),
                    ],
                );
            },
        ),
        accepted(
            "entry-values-large",
            &["ENT-1"],
            "all values that need pax records: owners, names, path, times before 1970",
            |b| {
                let long = format!("attachments/{}/{}", "d".repeat(120), "f".repeat(90));
                items(
                    b,
                    [Item {
                        owner: [2_097_152, u64::MAX],
                        owner_names: ["größe".into(), b"g".repeat(255)],
                        mode: 0o7777,
                        mtime: (-1, 500_000_000),
                        ..file(long, b"content")
                    }],
                );
            },
        ),
        accepted(
            "entry-values-extreme",
            &["ENT-1"],
            "the greatest values without pax records, and extreme times",
            |b| {
                let with = |path: &str, mtime| Item {
                    owner: [2_097_151, 0],
                    owner_names: [b"u".repeat(31), Vec::new()],
                    mode: 0,
                    mtime,
                    ..file(path, b"")
                };
                items(
                    b,
                    [
                        with("sql/a", (0, 0)),
                        with("sql/b", (8_589_934_592, 0)),
                        with("sql/c", (i64::MAX, 999_999_999)),
                        with("sql/d", (i64::MIN, 0)),
                        with("sql/e", (i64::MIN, 1)),
                    ],
                );
            },
        ),
        accepted(
            "entry-names-not-utf8",
            &["ENT-1"],
            "path, target and owner are Latin-1, a name holds a line feed and an equals sign",
            |b| {
                items(
                    b,
                    [
                        file("home/a\nb = c", b""),
                        file("home/größe", b""),
                        Item {
                            owner_names: [b"gr\xf6\xdfe".to_vec(), Vec::new()],
                            ..link(b'2', b"home/\xe4", b"\xff\xfe")
                        },
                    ],
                );
            },
        ),
        accepted(
            "xattrs",
            &["ENT-1"],
            "attributes: an ACL, an empty one, one that holds zero bytes and a line feed",
            |b| {
                b.items[0].xattrs = vec![
                    (b"security.empty".to_vec(), Vec::new()),
                    (
                        b"system.posix_acl_access".to_vec(),
                        vec![2, 0, 0, 0, 1, 0, 6],
                    ),
                    (b"user.\xff".to_vec(), b"a\0b\n9 path=x\n".to_vec()),
                ];
            },
        ),
        accepted(
            "file-of-no-bytes",
            &["ENT-1"],
            "a file without content",
            |b| items(b, [file("attachments/empty", b"")]),
        ),
        accepted(
            "roots",
            &["ENT-3"],
            "the three roots in their order, each with a directory and a file",
            |b| {
                let roots = ["sql", "home", "attachments"];
                let pair = |root| [directory(root), file(format!("{root}/file"), b"x")];
                items(b, roots.map(pair).concat());
            },
        ),
        accepted(
            "order-by-components",
            &["ENT-3"],
            "a slash sorts before every other byte: a, a/b, a!b",
            |b| {
                let names = ["home/a", "home/a/b", "home/a!b", "home/a0"];
                items(b, names.map(directory));
            },
        ),
    ]
}

fn headers() -> Vec<Vector> {
    vec![
        sealed(
            "tar-gnu-longname",
            MALFORMED,
            &["ENT-1"],
            "a long name as GNU tar writes it: a header of type L before the entry",
            |b| {
                let name = foreign(b'L', "././@LongLink", b"attachments/note.txt\0");
                b.items.insert(0, name);
            },
        ),
        sealed(
            "tar-global-header",
            MALFORMED,
            &["ENT-1"],
            "a global pax header, of type g",
            |b| {
                let global = foreign(b'g', "pax_global_header", b"12 comment=\n");
                b.items.insert(0, global);
            },
        ),
        sealed(
            "tar-plain-entry",
            MALFORMED,
            &["ENT-1"],
            "an entry without an x header",
            |b| {
                b.items
                    .insert(0, foreign(b'0', "attachments/a", b"content"))
            },
        ),
        sealed(
            "tar-checksum-spaces",
            MALFORMED,
            &["ENT-1"],
            "the checksum has six digits, a zero and a space, as most tar programs write it",
            |b| {
                header(b, |header| {
                    let digits = header[1024 + 149..1024 + 155].to_vec();
                    header[1024 + 148..1024 + 154].copy_from_slice(&digits);
                    header[1024 + 154..1024 + 156].copy_from_slice(b"\0 ");
                });
            },
        ),
        sealed(
            "tar-checksum-wrong",
            MALFORMED,
            &["ENT-1"],
            "the checksum of the ustar block is wrong",
            |b| header(b, |header| header[1024 + 154] ^= 1),
        ),
        sealed(
            "tar-size-base-256",
            MALFORMED,
            &["ENT-1"],
            "the size stands as a binary number, as GNU tar writes large ones",
            |b| {
                header(b, |header| {
                    ustar(header, |block| {
                        block[124..136].fill(0);
                        block[124] = 0x80;
                        block[135] = 27;
                    });
                });
            },
        ),
        sealed(
            "tar-number-with-spaces",
            MALFORMED,
            &["ENT-1"],
            "uid is filled with spaces on the left",
            |b| {
                header(b, |header| {
                    ustar(header, |block| block[108..111].fill(b' '))
                })
            },
        ),
        sealed(
            "tar-gnu-magic",
            MALFORMED,
            &["ENT-1"],
            "magic and version are those of old GNU tar",
            |b| {
                header(b, |header| {
                    ustar(header, |block| {
                        block[257..265].copy_from_slice(b"ustar  \0")
                    });
                });
            },
        ),
        sealed(
            "tar-type-7",
            MALFORMED,
            &["ENT-1"],
            "an entry of type 7",
            |b| header(b, |header| ustar(header, |block| block[156] = b'7')),
        ),
        sealed(
            "tar-type-zero",
            MALFORMED,
            &["ENT-1"],
            "a regular file whose typeflag is a zero byte, as old tar programs write it",
            |b| header(b, |header| ustar(header, |block| block[156] = 0)),
        ),
        sealed(
            "tar-prefix-set",
            MALFORMED,
            &["ENT-1"],
            "the ustar prefix is used",
            |b| header(b, |header| ustar(header, |block| block[345] = b'a')),
        ),
        sealed(
            "tar-mode-over-07777",
            MALFORMED,
            &["ENT-1"],
            "the mode holds the type of the file",
            |b| b.items[0].mode = 0o100_644,
        ),
        sealed(
            "tar-other-name",
            MALFORMED,
            &["ENT-1"],
            "the name in the ustar block is not that of the pax path",
            |b| {
                header(b, |header| {
                    ustar(header, |block| block[12..16].copy_from_slice(b"vote"));
                });
            },
        ),
        sealed(
            "tar-x-header-mode",
            MALFORMED,
            &["ENT-1"],
            "the x header has mode 0600",
            |b| {
                header(b, |header| {
                    header[104..107].copy_from_slice(b"600");
                    put_checksum(&mut header[..512]);
                });
            },
        ),
        sealed(
            "tar-pax-filling-not-zero",
            MALFORMED,
            &["ENT-1"],
            "a byte behind the pax records is not zero",
            |b| header(b, |header| header[1023] = 1),
        ),
        sealed(
            "tar-content-filling-not-zero",
            MALFORMED,
            &["ENT-1"],
            "a byte behind the content is not zero",
            |b| b.put(Site::Stream, 2047, [1]),
        ),
        sealed(
            "tar-directory-with-content",
            MALFORMED,
            &["ENT-1"],
            "a directory with a content of 7 bytes",
            |b| {
                items(
                    b,
                    [Item {
                        content: b"content".to_vec(),
                        ..directory("home/a")
                    }],
                );
            },
        ),
        sealed(
            "tar-end-short",
            MALFORMED,
            &["ENT-1"],
            "the stream ends with 512 zeros",
            |b| b.stream_end.truncate(512),
        ),
        sealed(
            "tar-end-missing",
            MALFORMED,
            &["ENT-1"],
            "the stream ends with its last entry",
            |b| b.stream_end.clear(),
        ),
        sealed(
            "tar-end-long",
            MALFORMED,
            &["ENT-1"],
            "the stream ends with 1,536 zeros",
            |b| b.stream_end.extend([0; 512]),
        ),
        sealed(
            "tar-entry-behind-end",
            MALFORMED,
            &["ENT-1"],
            "an entry follows the 1,024 zeros",
            |b| {
                b.stream_end
                    .extend(file("attachments/z", b"").encode_header(0))
            },
        ),
        sealed(
            "tar-content-cut",
            MALFORMED,
            &["ENT-1"],
            "the stream ends within the content of its entry",
            |b| {
                b.stream_end.clear();
                b.edit(Site::Stream, |stream| stream.truncate(1540));
                // No page, lest it be the first to tell that the entry has not ended.
                b.steps.drain(1..3);
            },
        ),
    ]
}

fn pax() -> Vec<Vector> {
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

fn paths() -> Vec<Vector> {
    vec![
        sealed("path-absolute", MALFORMED, &["ENT-2"], "/sql/a", |b| {
            path(b, "/sql/a")
        }),
        sealed("path-dot-dot", MALFORMED, &["ENT-2"], "home/../../a", |b| {
            path(b, "home/../../a")
        }),
        sealed("path-dot", MALFORMED, &["ENT-2"], "home/./a", |b| {
            path(b, "home/./a")
        }),
        sealed(
            "path-empty-component",
            MALFORMED,
            &["ENT-2"],
            "home//a",
            |b| path(b, "home//a"),
        ),
        sealed(
            "path-trailing-slash",
            MALFORMED,
            &["ENT-2"],
            "a directory as home/a/, as most tar programs write it",
            |b| items(b, [directory("home/a/")]),
        ),
        sealed("path-empty", MALFORMED, &["ENT-2"], "an empty path", |b| {
            path(b, "")
        }),
        sealed(
            "path-zero-byte",
            MALFORMED,
            &["ENT-2"],
            "a zero byte in the path",
            |b| path(b, "home/a\0b"),
        ),
        sealed(
            "path-other-root",
            MALFORMED,
            &["ENT-2"],
            "etc/passwd",
            |b| path(b, "etc/passwd"),
        ),
        sealed(
            "path-root-is-file",
            MALFORMED,
            &["ENT-2"],
            "a file is called home",
            |b| path(b, "home"),
        ),
        sealed(
            "path-root-is-link",
            MALFORMED,
            &["ENT-2"],
            "a symbolic link is called sql",
            |b| items(b, [link(b'2', "sql", "/etc")]),
        ),
        sealed(
            "path-too-long",
            LIMIT,
            &["ENT-2"],
            "a path of 32,769 bytes",
            |b| path(b, format!("home/{}", "a".repeat(32_764))),
        ),
        accepted("path-longest", &["ENT-2"], "a path of 32,768 bytes", |b| {
            path(b, format!("home/{}", "a".repeat(32_763)))
        }),
        sealed(
            "path-too-deep",
            LIMIT,
            &["ENT-2"],
            "a path of 257 components",
            |b| path(b, format!("home{}", "/a".repeat(256))),
        ),
        accepted(
            "path-deepest",
            &["ENT-2"],
            "a path of 256 components",
            |b| path(b, format!("home{}", "/a".repeat(255))),
        ),
    ]
}

fn order() -> Vec<Vector> {
    vec![
        sealed(
            "entries-unsorted",
            MALFORMED,
            &["ENT-3"],
            "home/b stands before home/a",
            |b| items(b, [file("home/b", b"b"), file("home/a", b"a")]),
        ),
        sealed(
            "roots-unsorted",
            MALFORMED,
            &["ENT-3"],
            "home stands before sql",
            |b| items(b, [file("home/a", b"a"), file("sql/a", b"a")]),
        ),
        sealed(
            "components-unsorted",
            MALFORMED,
            &["ENT-3"],
            "a!b stands before a/b, as whole paths would sort",
            |b| items(b, ["home/a", "home/a!b", "home/a/b"].map(directory)),
        ),
        sealed(
            "entry-repeated",
            MALFORMED,
            &["ENT-3"],
            "a directory stands there twice",
            |b| items(b, [directory("home/a"), directory("home/a")]),
        ),
        sealed(
            "file-superseded-by-link",
            MALFORMED,
            &["ENT-3"],
            "a symbolic link has the path of the file just before it",
            |b| items(b, [file("home/a", b"a"), link(b'2', "home/a", "b")]),
        ),
        accepted(
            "superseded",
            &["ENT-3"],
            "a file is superseded twice by a file of the same path",
            |b| {
                items(
                    b,
                    [
                        file("sql/a.bak", b"first"),
                        file("sql/a.bak", b"second, longer"),
                        file("sql/a.bak", b"third"),
                    ],
                );
            },
        ),
        sealed(
            "path-below-symlink",
            MALFORMED,
            &["ENT-4"],
            "home/a is a symbolic link, home/a/b a file",
            |b| items(b, [link(b'2', "home/a", "/etc"), file("home/a/b", b"b")]),
        ),
        sealed(
            "path-below-file",
            MALFORMED,
            &["ENT-4"],
            "home/a is a file, home/a/b too",
            |b| items(b, [file("home/a", b"a"), file("home/a/b", b"b")]),
        ),
        sealed(
            "path-far-below-file",
            MALFORMED,
            &["ENT-4"],
            "home/a is a file, home/a/b/c too",
            |b| items(b, [file("home/a", b"a"), file("home/a/b/c", b"c")]),
        ),
    ]
}

fn limits() -> Vec<Vector> {
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

fn links() -> Vec<Vector> {
    /// A file that has further names.
    fn linked(path: &str) -> Item {
        Item {
            comment: Some("bakpak.linked"),
            ..file(path, b"content")
        }
    }
    vec![
        sealed(
            "hard-link-unknown-target",
            MALFORMED,
            &["ENT-6"],
            "a hard link to a path that is no entry",
            |b| items(b, [linked("home/a"), link(b'1', "home/b", "home/c")]),
        ),
        sealed(
            "hard-link-unmarked-target",
            MALFORMED,
            &["ENT-6"],
            "a hard link to a file that is not marked as having further names",
            |b| {
                items(
                    b,
                    [file("home/a", b"content"), link(b'1', "home/b", "home/a")],
                )
            },
        ),
        sealed(
            "hard-link-later-target",
            MALFORMED,
            &["ENT-6"],
            "a hard link to a file that comes later",
            |b| items(b, [link(b'1', "home/a", "home/b"), linked("home/b")]),
        ),
        sealed(
            "hard-link-to-hard-link",
            MALFORMED,
            &["ENT-6"],
            "a hard link to a hard link",
            |b| {
                items(
                    b,
                    [
                        linked("home/a"),
                        link(b'1', "home/b", "home/a"),
                        link(b'1', "home/c", "home/b"),
                    ],
                );
            },
        ),
        sealed(
            "hard-link-to-superseded",
            MALFORMED,
            &["ENT-6"],
            "a hard link to a file that another one, without the mark, has superseded",
            |b| {
                items(
                    b,
                    [
                        linked("home/a"),
                        file("home/a", b"newer"),
                        link(b'1', "home/b", "home/a"),
                    ],
                );
            },
        ),
        sealed(
            "hard-link-target-dot-dot",
            MALFORMED,
            &["ENT-6"],
            "a hard link to a path that no entry can have",
            |b| items(b, [linked("home/a"), link(b'1', "home/b", "../etc/shadow")]),
        ),
        sealed(
            "directory-linked",
            MALFORMED,
            &["ENT-1"],
            "a directory is marked as having further names",
            |b| {
                items(
                    b,
                    [Item {
                        comment: Some("bakpak.linked"),
                        ..directory("home/a")
                    }],
                );
            },
        ),
        accepted(
            "hard-links",
            &["ENT-6"],
            "two hard links to one file, over the bounds of roots",
            |b| {
                items(
                    b,
                    [
                        linked("sql/a"),
                        link(b'1', "home/b", "sql/a"),
                        link(b'1', "attachments/c", "sql/a"),
                    ],
                );
            },
        ),
    ]
}

fn sparse_files() -> Vec<Vector> {
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

fn parts() -> Vec<Vector> {
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

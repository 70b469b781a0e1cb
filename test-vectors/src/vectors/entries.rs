//! Chapter 10: the stream and its entries.

mod headers;
mod limits;
mod links;
mod parts;
mod paths;
mod pax;
mod sparse;

use super::{Vector, accepted};
use crate::builder::Builder;
use crate::records::Chunk;
use crate::stream::{Item, bare, directory, file, link, put_checksum};
use bakpak_format::error::{Class, Structure};

const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Entry);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Entry);

pub(super) fn vectors() -> Vec<Vector> {
    [
        values(),
        headers::vectors(),
        pax::vectors(),
        paths::vectors(),
        limits::vectors(),
        links::vectors(),
        sparse::vectors(),
        parts::vectors(),
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

//! Paths and their order (10.1).

use super::{LIMIT, MALFORMED, items, path};
use crate::stream::{directory, file, link};
use crate::vectors::{Vector, accepted, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    [paths(), order()].into_iter().flatten().collect()
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

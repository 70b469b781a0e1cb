//! Hard links (ENT-6).

use super::{MALFORMED, items};
use crate::stream::{Item, directory, file, link};
use crate::vectors::{Vector, accepted, sealed};

pub(super) fn vectors() -> Vec<Vector> {
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

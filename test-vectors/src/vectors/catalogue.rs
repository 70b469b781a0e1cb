//! Chapter 11: rows and catalogue pages.

use super::{Vector, accepted, sealed};
use crate::builder::{Builder, Site};
use crate::records::{Chunk, Op, Payload, Step};
use crate::stream::{Item, directory, file, link};
use crate::zstd_frame::frame;
use bakpak_format::catalogue::CataloguePage;
use bakpak_format::error::{Class, Structure};
use bakpak_format::record::{RecordHeader, RecordType};

const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Catalogue);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Catalogue);
const MALFORMED_RECORD: (Class, Structure) = (Class::Malformed, Structure::Record);

/// The number of the page among the records.
const PAGE: usize = 1;

pub(super) fn vectors() -> Vec<Vector> {
    [rows(), pages()].into_iter().flatten().collect()
}

/// Three files of a few bytes.
pub(super) fn three_files(b: &mut Builder) {
    b.items = ["a", "b", "c"]
        .map(|name| file(format!("home/{name}"), name))
        .to_vec();
    b.steps[0] = Chunk::zstd();
}

/// Files whose rows, with paths of 32 KiB, take more than 1 MiB.
fn rows_over_1_mib(b: &mut Builder) {
    let path = |number: u32| format!("home/{number:03}{}", "p".repeat(32_760));
    b.items = (0..32).map(|number| file(path(number), b"x")).collect();
    b.chunk_size = 8 << 20;
    b.steps[0] = Chunk::zstd();
}

fn rows() -> Vec<Vector> {
    vec![
        accepted(
            "row-changed",
            &["CAT-1"],
            "a row says that its file changed while it was read",
            |b| b.rows = |rows| rows[0].flags |= 1 << 1,
        ),
        accepted(
            "row-unreadable",
            &["CAT-1"],
            "a row says that reading its file failed",
            |b| {
                three_files(b);
                b.rows = |rows| rows[1].flags |= 1 << 4;
            },
        ),
        sealed(
            "row-unreadable-directory",
            MALFORMED,
            &["CAT-1"],
            "a directory's row says that reading its file failed",
            |b| {
                b.items = vec![directory("home")];
                b.rows = |rows| rows[0].flags = 1 << 4;
            },
        ),
        sealed(
            "row-changed-directory",
            MALFORMED,
            &["CAT-1"],
            "a directory's row says that it changed while it was read",
            |b| {
                b.items = vec![directory("home")];
                b.rows = |rows| rows[0].flags = 1 << 1;
            },
        ),
        sealed(
            "row-unreadable-linked",
            MALFORMED,
            &["CAT-1"],
            "the row of a file that a hard link names says that reading it failed",
            |b| {
                let linked = Item {
                    comment: Some("bakpak.linked"),
                    ..file("home/a", b"content")
                };
                b.items = vec![linked, link(b'1', "home/b", "home/a")];
                b.steps[0] = Chunk::zstd();
                b.rows = |rows| rows[0].flags |= 1 << 4;
            },
        ),
        sealed(
            "row-hash-wrong",
            MALFORMED,
            &["CAT-1"],
            "one bit of content_hash is changed",
            |b| b.rows = |rows| rows[0].content_hash[0] ^= 1,
        ),
        sealed(
            "row-size-wrong",
            MALFORMED,
            &["CAT-1"],
            "size is one more than it is",
            |b| b.rows = |rows| rows[0].size += 1,
        ),
        sealed(
            "row-path-wrong",
            MALFORMED,
            &["CAT-1"],
            "the path is another one",
            |b| b.rows = |rows| rows[0].path = b"attachments/vote.txt".to_vec(),
        ),
        sealed(
            "row-mtime-wrong",
            MALFORMED,
            &["CAT-1"],
            "mtime is a nanosecond later",
            |b| b.rows = |rows| rows[0].mtime.1 += 1,
        ),
        sealed(
            "row-mode-wrong",
            MALFORMED,
            &["CAT-1"],
            "mode is another one",
            |b| b.rows = |rows| rows[0].mode = 0o4755,
        ),
        sealed(
            "row-header-offset-wrong",
            MALFORMED,
            &["CAT-1"],
            "header_offset is that of the pax records",
            |b| b.rows = |rows| rows[0].offsets[0] += 512,
        ),
        sealed(
            "row-content-offset-wrong",
            MALFORMED,
            &["CAT-1"],
            "content_offset is one byte too far",
            |b| b.rows = |rows| rows[0].offsets[1] += 1,
        ),
        sealed(
            "row-kind-wrong",
            MALFORMED,
            &["CAT-1"],
            "a directory's row says FIFO",
            |b| {
                b.items = vec![directory("home")];
                b.rows = |rows| rows[0].kind = 6;
            },
        ),
        sealed(
            "row-kind-7",
            MALFORMED,
            &["CAT-1", "SLV-6"],
            "the kind is unknown",
            |b| b.rows = |rows| rows[0].kind = 7,
        ),
        sealed(
            "row-flags-reserved",
            MALFORMED,
            &["CAT-1"],
            "a reserved flag is set",
            |b| b.rows = |rows| rows[0].flags |= 1 << 6,
        ),
        sealed(
            "row-linked-wrong",
            MALFORMED,
            &["CAT-1"],
            "the row says that the file has further names, the stream does not",
            |b| b.rows = |rows| rows[0].flags |= 1 << 3,
        ),
        sealed(
            "row-superseded-missing",
            MALFORMED,
            &["CAT-1"],
            "the row of a superseded file does not say so",
            |b| {
                b.items = vec![file("sql/a", b"older"), file("sql/a", b"newer")];
                b.steps[0] = Chunk::zstd();
                b.rows = |rows| rows[0].flags = 0;
            },
        ),
        sealed(
            "row-superseded-wrong",
            MALFORMED,
            &["CAT-1"],
            "the last row says that its file is superseded",
            |b| {
                b.rows = |rows| rows[0].flags |= 1;
                b.last = |last| last.content_len = 0;
            },
        ),
        sealed(
            "row-directory-with-hash",
            MALFORMED,
            &["CAT-1"],
            "a directory's row has a hash",
            |b| {
                b.items = vec![directory("home")];
                b.rows = |rows| rows[0].content_hash = [1; 32];
            },
        ),
        sealed(
            "row-file-with-link",
            MALFORMED,
            &["CAT-1"],
            "a file's row has a target",
            |b| b.rows = |rows| rows[0].link = b"target".to_vec(),
        ),
        sealed(
            "row-link-wrong",
            MALFORMED,
            &["CAT-1"],
            "a link's row has another target than the stream",
            |b| {
                b.items = vec![link(b'2', "home/a", "b")];
                b.rows = |rows| rows[0].link = b"c".to_vec();
            },
        ),
        sealed(
            "row-missing",
            MALFORMED,
            &["CAT-1"],
            "the second of three entries has no row",
            |b| {
                three_files(b);
                b.rows = |rows| drop(rows.remove(1));
            },
        ),
        sealed(
            "row-extra",
            MALFORMED,
            &["CAT-1"],
            "a row stands there twice",
            |b| b.rows = |rows| rows.push(rows[0].clone()),
        ),
        sealed(
            "row-before-entry-ends",
            MALFORMED,
            &["CAT-1"],
            "the page with the row stands before the chunk in which its entry ends",
            |b| {
                b.steps.splice(
                    ..2,
                    [Chunk::of([Op::Literal(1540)]), Step::Rows(1), Chunk::of([])],
                );
            },
        ),
    ]
}

fn pages() -> Vec<Vector> {
    vec![
        accepted(
            "catalogue-pages-three",
            &["CAT-1"],
            "each row in a page of its own, in another order with the chunks",
            |b| {
                three_files(b);
                b.steps = vec![
                    Chunk::of([Op::Literal(2048)]),
                    Step::Rows(1),
                    Chunk::of([Op::Literal(2048)]),
                    Chunk::zstd(),
                    Step::Rows(1),
                    Step::Rows(1),
                    Step::Tree,
                    Step::Checkpoint,
                    Step::Final,
                ];
            },
        ),
        sealed(
            "checkpoint-before-page",
            MALFORMED,
            &["CAT-3"],
            "a CHECKPOINT stands before the page of an entry that has ended",
            |b| b.steps.insert(1, Step::Checkpoint),
        ),
        sealed(
            "rows-wait-too-long",
            MALFORMED,
            &["CAT-3"],
            "a chunk begins while rows of more than 1 MiB wait for their page",
            |b| {
                rows_over_1_mib(b);
                let one = 512 + 33_280 + 512 + 512;
                b.steps.splice(
                    ..2,
                    [
                        Step::Chunk(Chunk {
                            script: vec![Op::Literal(32 * one)],
                            payload: Payload::Zstd,
                            spelled: None,
                        }),
                        Chunk::zstd(),
                        Step::Rows(16),
                        Step::Rows(16),
                    ],
                );
            },
        ),
        sealed(
            "catalogue-page-over-limit",
            LIMIT,
            &["CAT-2"],
            "a page of rows of more than 1 MiB",
            rows_over_1_mib,
        ),
        sealed(
            "catalogue-page-empty",
            MALFORMED,
            &["CAT-1", "SLV-6"],
            "a page of no rows",
            |b| {
                let page = CataloguePage {
                    row_count: 0,
                    raw_len: 0,
                    frame: &frame(&[]),
                };
                let header = RecordHeader::new(RecordType::CataloguePage, 0);
                b.steps.insert(1, Step::Record(header, page.encode()));
            },
        ),
        sealed(
            "catalogue-page-frame-cut",
            MALFORMED,
            &["CAT-2"],
            "the last byte of the page's frame is missing",
            |b| {
                b.edit(Site::Body(PAGE), |body| {
                    body.pop();
                });
            },
        ),
        sealed(
            "catalogue-page-stored",
            MALFORMED,
            &["CAT-2"],
            "the rows stand there without a frame",
            |b| {
                b.edit(Site::Body(PAGE), |body| {
                    let raw_len = usize::from(body[4]);
                    let raw = body[body.len() - raw_len..].to_vec();
                    body.truncate(8);
                    body.extend(raw);
                });
            },
        ),
        sealed(
            "catalogue-page-row-count",
            MALFORMED_RECORD,
            &["REC-6"],
            "row_count is 2 in a page of one row",
            |b| b.edit(Site::Body(PAGE), |body| body[0] = 2),
        ),
    ]
}

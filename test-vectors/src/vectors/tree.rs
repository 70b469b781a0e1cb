//! Chapter 11: the tree.

use super::blocks::two_stripes;
use super::catalogue::three_files;
use super::{Vector, accepted, sealed};
use crate::builder::{Builder, Site};
use crate::records::Step;
use crate::zstd_frame::frame;
use bakpak_format::catalogue::{TreePage, TreePart};
use bakpak_format::error::{Class, Structure};
use bakpak_format::record::{RecordHeader, RecordType};

const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Tree);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Tree);

/// The number of the tree page among the records.
const TREE: usize = 2;

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        accepted(
            "tree-two-levels",
            &["TRE-1"],
            "three catalogue pages, tree pages of two items: two levels",
            tall_tree,
        ),
        sealed(
            "tree-missing-page",
            MALFORMED,
            &["TRE-1"],
            "the tree lists two of three catalogue pages",
            |b| {
                tall_tree(b);
                b.tree = |(pages, _, _)| drop(pages.pop());
            },
        ),
        sealed(
            "tree-repeated-page",
            MALFORMED,
            &["TRE-1"],
            "the tree lists the only catalogue page twice",
            |b| b.tree = |(pages, _, _)| pages.push(pages[0].clone()),
        ),
        sealed(
            "tree-descending",
            MALFORMED,
            &["TRE-1"],
            "the tree lists two catalogue pages in the other order",
            |b| {
                tall_tree(b);
                b.tree = |(pages, _, _)| pages.swap(0, 1);
            },
        ),
        sealed(
            "tree-missing",
            MALFORMED,
            &["TRE-1"],
            "there is a catalogue page, and no tree",
            |b| drop(b.steps.remove(2)),
        ),
        sealed(
            "tree-place-wrong",
            MALFORMED,
            &["TRE-1"],
            "the place of a catalogue page is one byte too far",
            |b| b.tree = |(pages, _, _)| pages[0].place.0 += 1,
        ),
        sealed(
            "tree-path-wrong",
            MALFORMED,
            &["TRE-1"],
            "the first path of a catalogue page is another one",
            |b| b.tree = |(pages, _, _)| pages[0].first_path = b"attachments/m".to_vec(),
        ),
        sealed(
            "tree-row-count-wrong",
            MALFORMED,
            &["TRE-1"],
            "the row_count of a catalogue page is 2 instead of 1",
            |b| b.tree = |(pages, _, _)| pages[0].row_count += 1,
        ),
        sealed(
            "tree-level-4",
            LIMIT,
            &["TRE-1"],
            "a tree page of level 4",
            |b| b.put(Site::Body(TREE), 1, [4]),
        ),
        sealed(
            "tree-level-wrong",
            MALFORMED,
            &["TRE-1"],
            "the page of level 1 says that it is of level 2",
            |b| {
                tall_tree(b);
                b.put(Site::Body(6), 1, [2]);
            },
        ),
        sealed(
            "tree-part-4",
            MALFORMED,
            &["TRE-1"],
            "a tree page of an unknown part",
            |b| b.put(Site::Body(TREE), 0, [4]),
        ),
        sealed(
            "tree-raw-len-over-limit",
            LIMIT,
            &["TRE-1"],
            "a tree page announces 1 MiB and 1 byte",
            |b| b.put(Site::Body(TREE), 6, (1_048_577_u32).to_le_bytes()),
        ),
        sealed(
            "tree-frame-cut",
            MALFORMED,
            &["TRE-1"],
            "the last byte of a tree page's frame is missing",
            |b| {
                b.edit(Site::Body(TREE), |body| {
                    body.pop();
                });
            },
        ),
        sealed(
            "tree-page-empty",
            MALFORMED,
            &["TRE-1"],
            "a tree page of no items stands before the one that lists the page",
            |b| {
                let page = TreePage {
                    part: TreePart::Pages,
                    level: 0,
                    count: 0,
                    raw_len: 0,
                    frame: &frame(&[]),
                };
                let header = RecordHeader::new(RecordType::TreePage, 0);
                b.steps.insert(2, Step::Record(header, page.encode()));
            },
        ),
        sealed(
            "tree-root-missing",
            MALFORMED,
            &["TRE-1"],
            "two pages of level 0, and no root above them",
            |b| {
                tall_tree(b);
                b.tree_without_root = true;
            },
        ),
        sealed(
            "tree-root-wrong",
            (Class::Malformed, Structure::Final),
            &["FIN-1"],
            "FINAL names another place for the tree's root",
            |b| {
                b.last = |last| {
                    if let Some(place) = &mut last.trees[0].place {
                        place.0 += 1;
                    }
                };
            },
        ),
        sealed(
            "tree-stripe-wrong",
            MALFORMED,
            &["TRE-1"],
            "the place of a stripe's CHECKPOINT is one byte too far",
            |b| {
                two_stripes(b);
                b.tree = |(_, stripes, _)| stripes[0].checkpoint.0 += 1;
            },
        )
        .recipe(),
    ]
}

/// Three files, each with a page of its own, and tree pages of one item.
fn tall_tree(b: &mut Builder) {
    three_files(b);
    b.tree_page_items = 2;
    b.steps
        .splice(1..2, [Step::Rows(1), Step::Rows(1), Step::Rows(1)]);
}

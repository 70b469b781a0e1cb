//! Chapter 6: check pages.

use super::blocks::{two_blocks, two_stripes};
use super::{Vector, accepted, refused};
use crate::builder::{Builder, Site};
use crate::stream::{file, pattern};
use bakpak_format::error::{Class, Structure};

const DAMAGED: (Class, Structure) = (Class::Damaged, Structure::CheckPage);
const DAMAGED_BLOCK: (Class, Structure) = (Class::Damaged, Structure::Block);

/// Where the only block and its check page begin.
const BLOCK: usize = 3 * 4096;
const PAGE: usize = 4 * 4096;

/// In a page of one block: the page's one CRC, the block's hash, its CRC, unused bytes.
const HASH: usize = 256 + 4;
const SECTOR_CRC: usize = HASH + 32;
const UNUSED: usize = SECTOR_CRC + 4;

/// Sixteen blocks, whose check page carries a copy of the head.
fn sixteen_blocks(b: &mut Builder) {
    b.items = vec![file("attachments/data", pattern(60_000))];
}

/// In a page of sixteen blocks the copy of the head begins here; the one of the slots here.
const HEAD_COPY: usize = 256 + 2 * 4 + 16 * (32 + 4);
const SLOTS_COPY: usize = 8192;

pub(super) fn vectors() -> Vec<Vector> {
    [pages(), sums(), copies()].into_iter().flatten().collect()
}

fn pages() -> Vec<Vector> {
    vec![
        refused(
            "check-page-flipped",
            DAMAGED,
            &["CHK-1", "CHK-2"],
            "one bit of the check page's unused end is changed",
            |b| b.flip(Site::File, PAGE + 4000),
        ),
        refused(
            "check-page-crc-flipped",
            DAMAGED,
            &["CHK-2"],
            "one bit of the check page's own CRC is changed",
            |b| b.flip(Site::File, PAGE + 256),
        ),
        refused(
            "check-page-magic-wrong",
            DAMAGED,
            &["CHK-1"],
            "the page begins with BPCX, and its CRC is right",
            |b| b.put(Site::CheckPage(0), 3, b"X"),
        ),
        refused(
            "check-page-version-2",
            (Class::Unsupported, Structure::CheckPage),
            &["CHK-1"],
            "a check page of version 2",
            |b| b.put(Site::CheckPage(0), 4, [2]),
        ),
        refused(
            "check-page-flag-reserved",
            DAMAGED,
            &["CHK-1"],
            "a reserved flag is set",
            |b| b.put(Site::CheckPage(0), 5, [3]),
        ),
        refused(
            "check-page-wrong-stripe",
            DAMAGED,
            &["CHK-1"],
            "stripe_index is 1 in the first stripe",
            |b| b.put(Site::CheckPage(0), 8, [1]),
        ),
        refused(
            "check-page-of-another-archive",
            DAMAGED,
            &["CHK-1"],
            "the page carries another archive_id",
            |b| b.flip(Site::CheckPage(0), 16),
        ),
        refused(
            "check-page-wrong-count",
            DAMAGED,
            &["CHK-1"],
            "data_count is 2 in a stripe of one block",
            |b| b.put(Site::CheckPage(0), 32, [2]),
        ),
        refused(
            "check-page-parity-count",
            DAMAGED,
            &["CHK-1"],
            "parity_count is 2 without parity",
            |b| b.put(Site::CheckPage(0), 34, [2]),
        ),
        refused(
            "check-page-wrong-len",
            DAMAGED,
            &["CHK-1"],
            "page_len is 8,192 for a page of 4,096 bytes",
            |b| b.put(Site::CheckPage(0), 36, 8192_u32.to_le_bytes()),
        ),
        refused(
            "check-page-wrong-first-block",
            DAMAGED,
            &["CHK-1"],
            "the first block_index is 1",
            |b| b.put(Site::CheckPage(0), 48, [1]),
        ),
        refused(
            "check-page-of-another-head",
            DAMAGED,
            &["CHK-1"],
            "the page carries the digest of another head",
            |b| b.flip(Site::CheckPage(0), 56),
        ),
        refused(
            "check-page-reserved-set",
            DAMAGED,
            &["CHK-1"],
            "the last reserved byte of the page header is set",
            |b| b.put(Site::CheckPage(0), 255, [1]),
        ),
        refused(
            "check-page-padding-not-zero",
            DAMAGED,
            &["CHK-1"],
            "an unused byte is set, and all sums follow",
            |b| b.put(Site::CheckPage(0), UNUSED, [1]),
        ),
        refused(
            "check-page-last-flag-missing",
            DAMAGED,
            &["CHK-6"],
            "the only stripe's page does not say that it is the last",
            |b| b.put(Site::CheckPage(0), 5, [0]),
        ),
        refused(
            "check-page-last-flag-early",
            DAMAGED,
            &["CHK-6"],
            "the page of the first of two stripes says that it is the last",
            |b| {
                two_stripes(b);
                b.put(Site::CheckPage(0), 5, [1]);
            },
        )
        .recipe(),
        refused(
            "check-page-last-flag-missing-in-full-stripe",
            DAMAGED,
            &["CHK-6"],
            "the page of a full last stripe does not say that it is the last",
            |b| {
                b.items = vec![file("attachments/data", pattern(510 * 4000 - 3600))];
                b.chunk_size = 8 << 20;
                b.put(Site::CheckPage(0), 5, [0]);
            },
        )
        .recipe(),
    ]
}

fn sums() -> Vec<Vector> {
    vec![
        refused(
            "block-flipped",
            DAMAGED_BLOCK,
            &["CHK-3"],
            "one bit of a block's ciphertext is changed",
            |b| b.flip(Site::File, BLOCK + 2000),
        ),
        refused(
            "check-page-hash-wrong",
            DAMAGED_BLOCK,
            &["CHK-3"],
            "the page lists another hash of the block",
            |b| b.flip(Site::CheckPage(0), HASH),
        )
        .may_unpack(),
        refused(
            "check-page-sector-crc-wrong",
            DAMAGED,
            &["CHK-4"],
            "the page lists another CRC of the block's sector",
            |b| b.flip(Site::CheckPage(0), SECTOR_CRC),
        )
        .may_unpack(),
        refused(
            "blocks-both-flipped",
            DAMAGED_BLOCK,
            &["CHK-3"],
            "one bit of each of two blocks is changed",
            |b| {
                two_blocks(b);
                b.flip(Site::File, BLOCK + 2000);
                b.flip(Site::File, BLOCK + 4096 + 2000);
            },
        ),
    ]
}

fn copies() -> Vec<Vector> {
    vec![
        accepted(
            "check-page-with-head",
            &["CHK-5"],
            "sixteen blocks, whose check page carries a copy of head and slots",
            sixteen_blocks,
        )
        .recipe(),
        refused(
            "check-page-head-copy-differs",
            DAMAGED,
            &["CHK-5"],
            "the copy of the head in the check page has one bit changed, and all sums follow",
            |b| {
                sixteen_blocks(b);
                b.flip(Site::CheckPage(0), HEAD_COPY + 30);
            },
        )
        .may_unpack()
        .recipe(),
        refused(
            "check-page-slots-copy-differs",
            DAMAGED,
            &["CHK-5"],
            "the copy of the slot table in the check page has one bit changed",
            |b| {
                sixteen_blocks(b);
                b.flip(Site::CheckPage(0), SLOTS_COPY + 40);
            },
        )
        .may_unpack()
        .recipe(),
        accepted(
            "check-page-slots-copy-older",
            &["CHK-5"],
            "the copy in the check page is whole, and one generation older than the slot table",
            |b| {
                let older = Builder::new(&b.seed).build().parts.data_slots;
                sixteen_blocks(b);
                b.generation = 2;
                b.put(Site::CheckPage(0), SLOTS_COPY, older);
            },
        )
        .recipe(),
    ]
}

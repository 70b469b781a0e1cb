//! Chapter 6.1: parity, and the second check page.

use super::blocks::two_stripes;
use super::envelope::envelope;
use super::{Vector, accepted, refused, sealed};
use crate::builder::{Builder, Site};
use crate::stream::{file, pattern};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::{BlockSize, ParityGeometry};

const DAMAGED: (Class, Structure) = (Class::Damaged, Structure::Parity);
const DAMAGED_PAGE: (Class, Structure) = (Class::Damaged, Structure::CheckPage);

/// Where, in a stripe of three blocks, the first check page, parity and the second page begin.
const PAGE: usize = 6 * 4096;
const PARITY: usize = 7 * 4096;
const SECOND_PAGE: usize = 9 * 4096;

/// Unused in the page of such a stripe.
const UNUSED: usize = 4000;

/// A stripe of so many blocks of 4 KiB.
fn blocks(b: &mut Builder, parity: ParityGeometry, count: usize) {
    b.parity = parity;
    b.chunk_size = 8 << 20;
    b.items = vec![file("attachments/data", pattern(count * 4000 - 3600))];
}

fn three_blocks(b: &mut Builder) {
    blocks(b, ParityGeometry::THREE, 3);
}

pub(super) fn vectors() -> Vec<Vector> {
    [whole(), damaged()].into_iter().flatten().collect()
}

fn whole() -> Vec<Vector> {
    vec![
        accepted(
            "parity-1-5",
            &["PAR-1"],
            "one block and two of parity: 45,056 bytes",
            |b| b.parity = ParityGeometry::ONE_AND_A_HALF,
        ),
        accepted(
            "parity-3",
            &["PAR-1"],
            "three blocks and two of parity",
            three_blocks,
        ),
        accepted(
            "parity-6",
            &["PAR-1"],
            "fifty blocks and four of parity, in one group",
            |b| blocks(b, ParityGeometry::SIX, 50),
        )
        .recipe(),
        accepted(
            "parity-12",
            &["PAR-1"],
            "224 blocks and 34 of parity, in two groups: one more block than one group has",
            |b| blocks(b, ParityGeometry::TWELVE, 224),
        )
        .recipe(),
        accepted(
            "parity-largest-group",
            &["PAR-1"],
            "247 blocks and eight of parity: the most that are one group",
            |b| blocks(b, ParityGeometry::THREE, 247),
        )
        .recipe(),
        accepted(
            "parity-two-groups",
            &["PAR-1"],
            "253 blocks and six of parity: data of an odd number in two groups",
            |b| blocks(b, ParityGeometry::ONE_AND_A_HALF, 253),
        )
        .recipe(),
        accepted(
            "parity-two-stripes",
            &["PAR-1"],
            "a full stripe of 446 blocks and 64 of parity, and a short one",
            |b| {
                two_stripes(b);
                b.parity = ParityGeometry::TWELVE;
            },
        )
        .recipe(),
        accepted(
            "parity-3-envelope",
            &["PAR-1", "CHK-5"],
            "sixty blocks and two of parity; the check pages carry head, envelope and slots",
            |b| {
                envelope(b);
                blocks(b, ParityGeometry::THREE, 60);
            },
        )
        .recipe(),
        accepted(
            "parity-3-64-kib",
            &["PAR-1"],
            "twenty blocks of 64 KiB and two of parity",
            |b| {
                blocks(b, ParityGeometry::THREE, 1);
                b.block_size = BlockSize::SIXTY_FOUR_KIB;
                b.items = vec![file("attachments/data", pattern(20 * 65_440 - 3600))];
            },
        )
        .recipe(),
    ]
}

fn damaged() -> Vec<Vector> {
    vec![
        sealed(
            "parity-wrong",
            (Class::Malformed, Structure::Parity),
            &["PAR-1"],
            "one bit of a parity block is not as it must be, and all sums follow",
            |b| {
                three_blocks(b);
                b.flip(Site::Parity(0), 4096 + 7);
            },
        )
        .unpacks(),
        sealed(
            "parity-of-other-rows",
            (Class::Malformed, Structure::Parity),
            &["PAR-1"],
            "the two parity blocks have changed places, and all sums follow",
            |b| {
                three_blocks(b);
                b.edit(Site::Parity(0), |parity| parity.rotate_left(4096));
            },
        )
        .unpacks(),
        refused(
            "parity-block-flipped",
            DAMAGED,
            &["PAR-2"],
            "one bit of a parity block is changed",
            |b| {
                three_blocks(b);
                b.flip(Site::File, PARITY + 100);
            },
        )
        .unpacks(),
        refused(
            "check-page-first-flipped",
            DAMAGED_PAGE,
            &["CHK-7"],
            "one bit of the first check page is changed, and the second one is whole",
            |b| {
                three_blocks(b);
                b.flip(Site::File, PAGE + UNUSED);
            },
        )
        .unpacks(),
        refused(
            "check-page-second-flipped",
            DAMAGED_PAGE,
            &["CHK-7"],
            "one bit of the second check page is changed",
            |b| {
                three_blocks(b);
                b.flip(Site::File, SECOND_PAGE + UNUSED);
            },
        )
        .unpacks(),
        refused(
            "check-pages-both-flipped",
            DAMAGED_PAGE,
            &["CHK-7"],
            "one bit of each check page is changed",
            |b| {
                three_blocks(b);
                b.flip(Site::File, PAGE + UNUSED);
                b.flip(Site::File, SECOND_PAGE + UNUSED);
            },
        ),
        refused(
            "check-pages-differ",
            DAMAGED_PAGE,
            &["CHK-7"],
            "the second check page lists another CRC of a sector than the first, and its own sums follow",
            |b| {
                three_blocks(b);
                b.flip(Site::SecondPage(0), 256 + 4 + 5 * 32);
            },
        )
        .unpacks(),
    ]
}

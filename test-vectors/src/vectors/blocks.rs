//! Chapter 5: blocks and stripes.

use super::records::unknown;
use super::{Vector, accepted, refused, sealed};
use crate::builder::{Builder, Site};
use crate::records::{Chunk, Op, Step};
use crate::stream::{file, pattern};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::BlockSize;

const DAMAGED: (Class, Structure) = (Class::Damaged, Structure::Block);
const UNSUPPORTED: (Class, Structure) = (Class::Unsupported, Structure::Block);
const NOT_AUTHENTIC: (Class, Structure) = (Class::NotAuthentic, Structure::Block);
const MALFORMED: (Class, Structure) = (Class::Malformed, Structure::Block);

/// B in these vectors, and where block 0 begins.
const B: usize = 4096;
const BLOCK_0: usize = 3 * 4096;

pub(super) fn vectors() -> Vec<Vector> {
    [whole(), clear(), places(), under_the_seal()]
        .into_iter()
        .flatten()
        .collect()
}

/// One file that takes two blocks.
pub(super) fn two_blocks(b: &mut Builder) {
    b.items = vec![file("attachments/data", pattern(3000))];
}

fn three_blocks(b: &mut Builder) {
    b.items = vec![file("attachments/data", pattern(7000))];
}

/// An archive of two stripes: a file in each.
pub(super) fn two_stripes(b: &mut Builder) {
    b.items = vec![
        file("attachments/a", pattern(700)),
        file("attachments/b", pattern(800)),
    ];
    b.steps = vec![
        Chunk::of([Op::Literal(1536 + 1024)]),
        Step::Rows(1),
        Step::Checkpoint,
        Step::EndStripe,
        Chunk::of([]),
        Step::Rows(1),
        Step::Tree,
        Step::Checkpoint,
        Step::Final,
    ];
}

fn whole() -> Vec<Vector> {
    vec![
        accepted(
            "blocks-two",
            &["BLK-5"],
            "a record that goes on in the next block",
            two_blocks,
        ),
        accepted(
            "blocks-exactly-full",
            &["BLK-5"],
            "the last record ends with the payload of its block",
            |b| {
                let free = 4000 - used_len(b);
                b.steps.insert(0, unknown(vec![0; free - 16]));
            },
        ),
        accepted(
            "blocks-of-64-kib",
            &["HDR-5"],
            "blocks of 65,536 bytes",
            |b| b.block_size = BlockSize::SIXTY_FOUR_KIB,
        )
        .recipe(),
        accepted(
            "blocks-of-1-mib",
            &["HDR-5"],
            "a block of 1,048,576 bytes, slot tables of 16,384",
            |b| {
                b.block_size = BlockSize::ONE_MIB;
                b.slot_area = 16_384;
            },
        )
        .recipe(),
        accepted(
            "blocks-of-4-mib",
            &["HDR-5"],
            "a block of 4,194,304 bytes",
            |b| b.block_size = BlockSize::FOUR_MIB,
        )
        .recipe(),
        accepted(
            "two-stripes",
            &["BLK-5"],
            "a full stripe whose later blocks hold no records, and a short one",
            two_stripes,
        )
        .recipe(),
    ]
}

/// How much of block 0 the records of a builder fill.
fn used_len(b: &Builder) -> usize {
    let built = b.build();
    let (_, plain) = &built.parts.blocks[0];
    u32::from_le_bytes([plain[0], plain[1], plain[2], plain[3]]) as usize
}

fn clear() -> Vec<Vector> {
    vec![
        refused(
            "block-header-flipped",
            DAMAGED,
            &["BLK-1"],
            "one bit of a block's nonce is changed",
            |b| b.flip(Site::File, BLOCK_0 + 41),
        ),
        refused(
            "block-magic-wrong",
            DAMAGED,
            &["BLK-1"],
            "block 1 begins with BPBX, and its CRC is right",
            |b| {
                two_blocks(b);
                b.put(Site::Clear(1), 3, b"X");
            },
        ),
        refused(
            "block-reserved-set",
            DAMAGED,
            &["BLK-1"],
            "a reserved byte of a block's header is set",
            |b| b.put(Site::Clear(0), 5, [1]),
        ),
        refused(
            "block-reserved-end-set",
            DAMAGED,
            &["BLK-1"],
            "the last reserved byte of a block's header is set",
            |b| b.put(Site::Clear(0), 59, [1]),
        ),
        refused(
            "block-version-2",
            UNSUPPORTED,
            &["BLK-1"],
            "a block of version 2",
            |b| b.put(Site::Clear(0), 4, [2]),
        ),
        refused(
            "stripe-salt-differs",
            DAMAGED,
            &["BLK-3"],
            "block 1 is sealed with another stripe_salt than block 0",
            |b| {
                two_blocks(b);
                b.put(Site::Clear(1), 24, [0x24; 16]);
            },
        ),
        refused(
            "block-of-another-id",
            DAMAGED,
            &["BLK-2"],
            "a block carries another archive_id, and is sealed with it",
            |b| b.put(Site::Clear(0), 16, [0x16; 8]),
        ),
        refused(
            "block-of-another-index",
            DAMAGED,
            &["BLK-2"],
            "block 1 says that it is block 2, and is sealed so",
            |b| {
                two_blocks(b);
                b.put(Site::Clear(1), 8, [2]);
            },
        ),
    ]
}

fn places() -> Vec<Vector> {
    vec![
        refused(
            "blocks-swapped",
            DAMAGED,
            &["BLK-2"],
            "blocks 0 and 1 have changed places, and the check page follows",
            |b| {
                two_blocks(b);
                b.edit(Site::Blocks(0), |blocks| blocks.rotate_left(B));
            },
        ),
        refused(
            "block-repeated",
            DAMAGED,
            &["BLK-2"],
            "block 0 stands where block 1 should, and the check page follows",
            |b| {
                two_blocks(b);
                b.edit(Site::Blocks(0), |blocks| blocks.copy_within(..B, B));
            },
        ),
        refused(
            "block-dropped",
            DAMAGED,
            &["BLK-2"],
            "block 2 stands where block 1 should, and a third one follows",
            |b| {
                three_blocks(b);
                b.edit(Site::Blocks(0), |blocks| blocks.copy_within(2 * B.., B));
            },
        ),
        refused(
            "block-of-another-archive",
            DAMAGED,
            &["BLK-2"],
            "block 1 is that of another archive of the same key file",
            |b| {
                two_blocks(b);
                let mut other = Builder::new("another archive");
                two_blocks(&mut other);
                let (block, _) = other.build().parts.blocks.swap_remove(1);
                b.put(Site::Sealed(1), 0, block);
            },
        ),
        sealed(
            "block-of-another-making",
            NOT_AUTHENTIC,
            &["BLK-4"],
            "a block of an archive with the same id and salts, but another head",
            |b| {
                let mut other = Builder::new(&b.seed);
                other.cover = b"Another cover text.\n".to_vec();
                let (block, _) = other.build().parts.blocks.swap_remove(0);
                b.put(Site::Sealed(0), 0, block);
            },
        ),
    ]
}

fn under_the_seal() -> Vec<Vector> {
    vec![
        sealed(
            "block-tag-wrong",
            NOT_AUTHENTIC,
            &["BLK-4"],
            "one bit of a block's tag is changed, and the check page follows",
            |b| b.flip_back(Site::Sealed(0), 1),
        ),
        sealed(
            "block-ciphertext-wrong",
            NOT_AUTHENTIC,
            &["BLK-4"],
            "one bit of block 1's ciphertext is changed, and the check page follows",
            |b| {
                two_blocks(b);
                b.flip(Site::Sealed(1), 64);
            },
        ),
        sealed(
            "block-padding-not-zero",
            MALFORMED,
            &["BLK-5"],
            "the last byte of the payload, behind used_len, is not zero",
            |b| b.flip_back(Site::Plain(0), 1),
        ),
        sealed(
            "block-used-len-over",
            MALFORMED,
            &["BLK-5"],
            "used_len is one more than the payload size",
            |b| {
                two_blocks(b);
                b.put(Site::Plain(0), 0, 4001_u32.to_le_bytes());
            },
        ),
        sealed(
            "block-inner-reserved-set",
            MALFORMED,
            &["BLK-5"],
            "a reserved byte before the payload is set",
            |b| b.put(Site::Plain(0), 8, [1]),
        ),
        sealed(
            "block-gap",
            MALFORMED,
            &["BLK-5"],
            "a block ends before it is full, and records go on in the next one",
            |b| b.steps.insert(1, Step::EndBlock),
        ),
        sealed(
            "block-surplus",
            MALFORMED,
            &["BLK-5"],
            "a block without records stands behind the last record",
            |b| b.steps.push(Step::EmptyBlock),
        ),
        sealed(
            "block-first-record-wrong",
            MALFORMED,
            &["BLK-6"],
            "first_record of block 1 is one byte too far",
            |b| {
                two_blocks(b);
                b.edit(Site::Plain(1), |plain| plain[4] += 1);
            },
        ),
        sealed(
            "block-first-record-missing",
            MALFORMED,
            &["BLK-6"],
            "block 1 says that no record begins in it",
            |b| {
                two_blocks(b);
                b.put(Site::Plain(1), 4, [0xff; 4]);
            },
        ),
        sealed(
            "block-first-record-beyond",
            MALFORMED,
            &["BLK-6"],
            "first_record points to the unused end of the payload",
            |b| b.put(Site::Plain(0), 4, 3999_u32.to_le_bytes()),
        ),
    ]
}

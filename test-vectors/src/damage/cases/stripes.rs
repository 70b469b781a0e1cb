//! What stands in stripes.

use super::*;

pub(super) fn blocks() -> Vec<Damage> {
    vec![
        repaired(
            "damage-block-flipped",
            "parity-1-5",
            &["RPR-5", "RPR-6"],
            "one bit of the only block",
            |m| vec![flip(&m.block(0), 1000, 5)],
        ),
        repaired(
            "damage-block-of-one-zeroed",
            "parity-1-5",
            &["RPR-3", "RPR-6"],
            "the only block, which its first parity block repeats; that one is not displaced",
            |m| vec![Zero(m.block(0))],
        ),
        repaired(
            "damage-block-header-filled",
            "parity-3",
            &["RPR-5", "RPR-6"],
            "the clear header of a block: it cannot be found by its magic",
            |m| {
                let start = m.block(1).start;
                vec![Fill(start..start + 64, 0xFF)]
            },
        ),
        lost(
            "damage-block-without-parity",
            "blocks-two",
            1,
            &["RPR-6"],
            "one bit of a block of an archive without parity",
            |m| vec![flip(&m.block(1), 64, 1)],
        )
        .but([1]),
        repaired(
            "damage-blocks-as-many-as-parity",
            "parity-3",
            &["RPR-6"],
            "two of three blocks, with two of parity",
            |m| vec![Zero(m.block(0)), Zero(m.block(2))],
        ),
        lost(
            "damage-blocks-more-than-parity",
            "parity-3",
            3,
            &["RPR-6"],
            "three blocks, with two of parity",
            |m| vec![Zero(m.blocks(0..3))],
        )
        .but(0..3),
        lost(
            "damage-blocks-of-one-group",
            "parity-two-groups",
            4,
            &["RPR-6"],
            "four blocks of the even group, which has three of parity, and one of the odd: that one is mended",
            |m| {
                [0, 2, 101, 104, 252]
                    .map(|index| Zero(m.block(index)))
                    .to_vec()
            },
        )
        .but([0, 2, 104, 252]),
        repaired(
            "damage-blocks-swapped",
            "check-page-with-head",
            &["RPR-3"],
            "two blocks have changed places; there is no parity",
            |m| vec![Swap(m.block(3), m.block(11).start)],
        ),
        repaired(
            "damage-block-repeated",
            "check-page-with-head",
            &["RPR-3"],
            "a block is there twice, and all that follows is moved; there is no parity",
            |m| vec![Repeat(m.block(7))],
        ),
        lost(
            "damage-sectors-of-one-column",
            "parity-3-64-kib",
            3,
            &["RPR-6"],
            "one sector of three blocks, in one column, and two of another block, which is mended",
            |m| {
                let sector = |index: u64, number: usize| {
                    let start = m.block(index).start + number * 4096;
                    Fill(start..start + 4096, JUNK)
                };
                vec![
                    sector(2, 7),
                    sector(9, 7),
                    sector(15, 7),
                    sector(12, 3),
                    sector(12, 8),
                ]
            },
        )
        .but([2, 9, 15]),
        repaired(
            "damage-sectors-of-one-block",
            "parity-3-64-kib",
            &["RPR-5", "RPR-6"],
            "one sector of each of twenty blocks, no more than two of them in one column",
            |m| {
                (0..20)
                    .map(|index| {
                        let start = m.block(index).start + index as usize % 16 * 4096;
                        Fill(start..start + 4096, JUNK)
                    })
                    .collect()
            },
        ),
    ]
}

pub(super) fn check_pages() -> Vec<Damage> {
    vec![
        repaired(
            "damage-check-page-first-zeroed",
            "parity-6",
            &["RPR-4"],
            "the first check page; the second is whole",
            |m| vec![Zero(m.check_page(0, First))],
        ),
        repaired(
            "damage-check-page-second-flipped",
            "parity-3",
            &["RPR-4"],
            "one bit of the second check page",
            |m| vec![flip(&m.check_page(0, Second), 300, 2)],
        ),
        repaired(
            "damage-check-pages-other-sectors",
            "parity-12",
            &["RPR-4"],
            "sector 0 of the first check page and all others of the second",
            |m| {
                let second = m.check_page(0, Second);
                vec![
                    Zero(m.check_sector(0, First, 0)),
                    Fill(second.start + 4096..second.end, JUNK),
                ]
            },
        ),
        repaired(
            "damage-check-pages-same-sector",
            "parity-12",
            &["RPR-7"],
            "sector 1 of both check pages, which is computed from the shards",
            |m| {
                [First, Second]
                    .map(|copy| Fill(m.check_sector(0, copy, 1), JUNK))
                    .to_vec()
            },
        ),
        repaired(
            "damage-check-pages-same-sector-and-block",
            "parity-12",
            &["RPR-6", "RPR-7"],
            "sector 2 of both check pages, which lists CRCs, and a block of which the hash is known",
            |m| {
                vec![
                    Zero(m.check_sector(0, First, 2)),
                    Zero(m.check_sector(0, Second, 2)),
                    Zero(m.block(5)),
                ]
            },
        ),
        repaired(
            "damage-check-pages-unlisted-block",
            "parity-12",
            &["RPR-7"],
            "sector 0 of both check pages, and a block of which it held the hash, so that only a CRC is left",
            |m| {
                vec![
                    Zero(m.check_sector(0, First, 0)),
                    Zero(m.check_sector(0, Second, 0)),
                    flip(&m.block(5), 4000, 6),
                ]
            },
        ),
        repaired(
            "damage-check-pages-both-zeroed",
            "parity-6",
            &["RPR-7"],
            "both check pages, of which nothing is left; all shards are whole, and the root says so",
            |m| vec![Zero(m.check_page(0, First)), Zero(m.check_page(0, Second))],
        ),
        lost(
            "damage-check-pages-and-root",
            "parity-two-stripes",
            0,
            &["RPR-7"],
            "sector 0 of both check pages of a stripe, and the tail page: nothing confirms what is computed",
            |m| {
                vec![
                    Zero(m.check_sector(0, First, 0)),
                    Zero(m.check_sector(0, Second, 0)),
                    Zero(m.tail_page()),
                ]
            },
        )
        .but([]),
        lost(
            "damage-check-pages-both-and-block",
            "parity-6",
            50,
            &["RPR-7"],
            "both check pages and a block: nothing tells which shard is wrong",
            |m| {
                vec![
                    Zero(m.check_page(0, First)),
                    Zero(m.check_page(0, Second)),
                    flip(&m.block(20), 2000, 1),
                ]
            },
        )
        .but([20]),
        repaired(
            "damage-check-page-only-one",
            "check-page-with-head",
            &["RPR-7"],
            "the only check page of an archive without parity; all blocks are whole",
            |m| vec![Fill(m.check_page(0, First), JUNK)],
        ),
        repaired(
            "damage-check-page-tables",
            "parity-3-envelope",
            &["RPR-8"],
            "the copies of slot tables in a check page, which no list covers",
            |m| {
                vec![
                    Fill(m.check_tables(0, First), JUNK),
                    flip(&m.check_tables(0, Second), 5000, 0),
                ]
            },
        ),
    ]
}

pub(super) fn parity() -> Vec<Damage> {
    vec![
        repaired(
            "damage-parity-flipped",
            "parity-3",
            &["RPR-6"],
            "one bit of a parity block",
            |m| vec![flip(&m.parity(0, 1), 9, 4)],
        ),
        repaired(
            "damage-parity-all-zeroed",
            "parity-12",
            &["RPR-6"],
            "all 34 parity blocks, which are computed anew",
            |m| vec![Zero(m.parity(0, 0).start..m.parity(0, 33).end)],
        ),
        repaired(
            "damage-parity-and-block-of-each-stripe",
            "parity-two-stripes",
            &["RPR-6"],
            "in each stripe a parity block, and as many blocks as the others of its group allow",
            |m| {
                vec![
                    Zero(m.parity(0, 3)),
                    Zero(m.blocks(40..103)),
                    Zero(m.parity(1, 0)),
                    Zero(m.block(446)),
                ]
            },
        ),
    ]
}

pub(super) fn bursts() -> Vec<Damage> {
    vec![
        repaired(
            "damage-burst-1-5",
            "parity-two-groups",
            &["RPR-5", "RPR-6"],
            "a burst of one sector less than parity, through the middles of two blocks",
            |m| vec![burst(m, m.block(100).start + 1234, -1)],
        ),
        lost(
            "damage-burst-1-5-too-long",
            "parity-two-groups",
            4,
            &["RPR-6"],
            "seven blocks in a row: four of one group, three of the other",
            |m| vec![burst(m, m.block(100).start, 1)],
        )
        .but([100, 102, 104, 106]),
        repaired(
            "damage-burst-3",
            "parity-largest-group",
            &["RPR-5", "RPR-6"],
            "a burst of one sector less than parity, from the last blocks into the check page",
            |m| vec![burst(m, m.block(243).start + 5, -1)],
        ),
        lost(
            "damage-burst-3-too-long",
            "parity-largest-group",
            9,
            &["RPR-6"],
            "nine blocks in a row, with eight of parity",
            |m| vec![burst(m, m.block(0).start, 1)],
        )
        .but(0..9),
        repaired(
            "damage-burst-12",
            "parity-12",
            &["RPR-5", "RPR-6"],
            "a burst of one sector less than parity, over the first check page and most of parity",
            |m| vec![burst(m, m.block(220).start + 4095, -1)],
        ),
        lost(
            "damage-burst-12-too-long",
            "parity-12",
            18,
            &["RPR-6"],
            "35 blocks in a row: 18 of one group, which has 17 of parity",
            |m| vec![burst(m, m.block(7).start, 1)],
        )
        .but((7..42).step_by(2)),
        repaired(
            "damage-burst-64-kib",
            "parity-3-64-kib",
            &["RPR-5", "RPR-6"],
            "a burst of one sector less than parity, in three blocks: no column loses more than two",
            |m| vec![burst(m, m.block(4).start + 9000, -1)],
        ),
        lost(
            "damage-burst-64-kib-too-long",
            "parity-3-64-kib",
            3,
            &["RPR-6"],
            "a burst of one sector more than parity: one column loses three sectors",
            |m| vec![burst(m, m.block(4).start + 8192, 1)],
        )
        .but(4..7),
    ]
}

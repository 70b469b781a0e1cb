//! The damages: each structure, several kinds of operation.

use super::map::Copy::{First, Second};
use super::{Damage, Expect, Map, Operation};
use Operation::{Append, Cut, Fill, Flip, Insert, Repeat, Swap, Truncate, Zero};
use std::ops::Range;

type Rules = &'static [&'static str];
type Program = fn(&Map) -> Vec<Operation>;

/// What a burst leaves behind, where zeros would be too easy to know.
const JUNK: u8 = 0xA5;

pub(super) fn all() -> Vec<Damage> {
    [
        opening(),
        blocks(),
        check_pages(),
        parity(),
        bursts(),
        tail(),
        moved(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn case(
    name: &'static str,
    base: &'static str,
    expect: Expect,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Damage {
    Damage {
        name,
        base,
        expect,
        rules,
        why,
        program,
    }
}

/// The base comes back.
fn repaired(
    name: &'static str,
    base: &'static str,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Damage {
    case(name, base, Expect::Repaired, rules, why, program)
}

/// Not all of it does.
fn lost(
    name: &'static str,
    base: &'static str,
    blocks: usize,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Damage {
    case(name, base, Expect::Lost(blocks), rules, why, program)
}

fn refused(
    name: &'static str,
    base: &'static str,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Damage {
    case(name, base, Expect::Refused, rules, why, program)
}

fn flip(range: &Range<usize>, at: usize, bit: u8) -> Operation {
    let offset = range.start + at;
    assert!(offset < range.end, "it is of another part");
    Flip { offset, bit }
}

/// Junk over as many bytes as parity has in stripe 0, less or more a sector, from an offset on.
fn burst(map: &Map, start: usize, more: isize) -> Operation {
    let len = map.parity_count(0) * map.block_len();
    let len = len.checked_add_signed(more * 4096).expect("a length");
    Fill(start..start + len, JUNK)
}

fn opening() -> Vec<Damage> {
    vec![
        repaired(
            "damage-head-flipped",
            "parity-3",
            &["RPR-1", "RPR-8"],
            "one bit of the header; the tail has a copy",
            |m| vec![flip(&m.head(), 2048 + 100, 3)],
        ),
        repaired(
            "damage-head-second-page-zeroed",
            "head-of-two-pages",
            &["RPR-8"],
            "the second sector of a head of two",
            |m| vec![Zero(4096..m.head().end)],
        ),
        repaired(
            "damage-head-only-in-check-page",
            "parity-6",
            &["RPR-1"],
            "the head at the start, all copies in the tail and the tail page; the check pages have it",
            |m| vec![Zero(m.head()), Zero(m.tail())],
        ),
        repaired(
            "damage-head-cut-in-its-padding",
            "parity-3",
            &["RPR-1", "RPR-9"],
            "the head at the start, and all behind the header of the tail's copy: what is missing there is zeros",
            |m| {
                vec![
                    Zero(m.head()),
                    Fill(m.data_slots(First), JUNK),
                    Truncate(m.tail().start + 2048 + 304),
                ]
            },
        ),
        refused(
            "damage-head-nowhere",
            "smallest",
            &["RPR-1"],
            "the head at both its places; the check page is too small to carry it",
            |m| vec![Zero(m.head()), Zero(m.tail_copies())],
        ),
        repaired(
            "damage-slots-a-flipped",
            "smallest",
            &["RPR-8"],
            "one bit of data slot table A; B is whole",
            |m| vec![flip(&m.data_slots(First), 50, 7)],
        ),
        repaired(
            "damage-slots-both-zeroed",
            "smallest",
            &["RPR-8"],
            "both data slot tables; the tail has a copy",
            |m| vec![Zero(m.data_slots(First)), Zero(m.data_slots(Second))],
        ),
        repaired(
            "damage-slots-only-in-check-page",
            "check-page-with-head",
            &["RPR-8"],
            "all data slot tables but the copy in the check page",
            |m| {
                vec![
                    Zero(m.data_slots(First)),
                    Fill(m.data_slots(Second), JUNK),
                    Zero(m.tail_copies()),
                ]
            },
        ),
        lost(
            "damage-slots-nowhere",
            "smallest",
            0,
            &["RPR-8"],
            "all data slot tables; no block is lost, and no key opens any",
            |m| {
                vec![
                    Zero(m.data_slots(First)),
                    Zero(m.data_slots(Second)),
                    Zero(m.tail_copies()),
                ]
            },
        ),
        repaired(
            "damage-slots-newer-a-zeroed",
            "slots-newer-than-copies",
            &["RPR-8"],
            "table A; B is newer than the copy in the tail, which stays as it is",
            |m| vec![Zero(m.data_slots(First))],
        ),
        repaired(
            "damage-envelope-slots-only-in-check-page",
            "parity-3-envelope",
            &["RPR-8"],
            "all envelope slot tables but the copies in the check pages",
            |m| {
                vec![
                    Zero(m.envelope_slots(First)),
                    Fill(m.envelope_slots(Second), JUNK),
                    Zero(m.tail_copies()),
                ]
            },
        ),
        repaired(
            "damage-envelope-flipped",
            "envelope",
            &["RPR-8"],
            "one bit of the envelope body; the tail has a copy",
            |m| vec![flip(&m.envelope(), 100, 0)],
        ),
        repaired(
            "damage-envelope-only-in-check-page",
            "parity-3-envelope",
            &["RPR-8"],
            "the envelope body at the start and in the tail",
            |m| vec![Zero(m.envelope()), Fill(m.tail_copies(), 0xFF)],
        ),
        lost(
            "damage-envelope-nowhere",
            "envelope",
            0,
            &["RPR-8"],
            "the envelope body at both its places",
            |m| vec![Zero(m.envelope()), Zero(m.tail_copies())],
        ),
        repaired(
            "damage-opening-and-tail-copies",
            "parity-3-envelope",
            &["RPR-1", "RPR-8"],
            "all that stands before the blocks and all copies in the tail; the locator is left",
            |m| vec![Zero(0..m.block(0).start), Zero(m.tail_copies())],
        ),
    ]
}

fn blocks() -> Vec<Damage> {
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
        ),
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
        ),
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
        ),
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
        ),
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

fn check_pages() -> Vec<Damage> {
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
        ),
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
        ),
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

fn parity() -> Vec<Damage> {
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

fn bursts() -> Vec<Damage> {
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
        ),
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
        ),
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
        ),
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
        ),
    ]
}

fn tail() -> Vec<Damage> {
    vec![
        repaired(
            "damage-tail-copies-zeroed",
            "envelope",
            &["RPR-8"],
            "all copies in the tail",
            |m| vec![Zero(m.tail_copies())],
        ),
        repaired(
            "damage-tail-page-zeroed",
            "parity-3",
            &["RPR-2", "RPR-9"],
            "the tail page with its locator; the check page tells the number of blocks",
            |m| vec![Zero(m.tail_page())],
        ),
        repaired(
            "damage-locator-flipped",
            "two-stripes",
            &["RPR-2", "RPR-9"],
            "one bit of the locator of an archive of two stripes",
            |m| vec![flip(&m.locator(), 70, 0)],
        ),
        repaired(
            "damage-tail-page-but-locator",
            "smallest",
            &["RPR-9"],
            "the tail page without its locator",
            |m| vec![Zero(m.tail_page().start..m.locator().start)],
        ),
        repaired(
            "damage-tail-page-last-of-signed",
            "signer-declared",
            &["RPR-9"],
            "the last tail page of an archive that declares signers; the first is whole",
            |m| vec![Fill(m.tail_page(), JUNK)],
        ),
        repaired(
            "damage-tail-page-long-of-signed",
            "tail-page-of-two-sectors",
            &["RPR-9"],
            "a tail page of two sectors, but for its locator; the page at the tail's start is whole",
            |m| vec![Zero(m.tail_page().start..m.locator().start)],
        ),
        repaired(
            "damage-end-missing-of-signed",
            "tail-page-of-two-sectors",
            &["RPR-3", "RPR-9"],
            "all behind the first tail page of two sectors: its locator is the last whole one",
            |m| vec![Truncate(m.first_tail_page().end)],
        ),
        lost(
            "damage-tail-pages-of-signed",
            "signer-declared",
            0,
            &["RPR-9"],
            "both tail pages of an archive that declares signers: what was signed cannot be computed",
            |m| {
                vec![
                    flip(&m.first_tail_page(), 20, 0),
                    flip(&m.tail_page(), 20, 0),
                ]
            },
        ),
        lost(
            "damage-tail-page-with-signatures",
            "signature-unknown-kind",
            0,
            &["RPR-9"],
            "the tail page held a signature, though no signer is declared; the locator's digest tells",
            |m| vec![flip(&m.tail_page(), 130, 0)],
        ),
    ]
}

fn moved() -> Vec<Damage> {
    vec![
        repaired(
            "damage-byte-missing-in-head",
            "parity-3",
            &["RPR-3"],
            "the second byte of the file is missing: all is moved",
            |_| vec![Cut(1..2)],
        ),
        repaired(
            "damage-bytes-missing-in-head-and-end",
            "smallest",
            &["RPR-3"],
            "a hundred bytes of the head and the tail page: the only block stands before its offset",
            |m| vec![Zero(m.tail_page()), Cut(400..500)],
        ),
        repaired(
            "damage-byte-added-at-start",
            "envelope",
            &["RPR-1", "RPR-3"],
            "a byte stands before the archive",
            |_| {
                vec![Insert {
                    offset: 0,
                    len: 1,
                    byte: JUNK,
                }]
            },
        ),
        repaired(
            "damage-byte-missing-in-block",
            "parity-3",
            &["RPR-3", "RPR-6"],
            "a byte is missing in the middle of a block",
            |m| vec![Cut(m.block(1).start + 2000..m.block(1).start + 2001)],
        ),
        repaired(
            "damage-byte-missing-in-64-kib",
            "parity-3-64-kib",
            &["RPR-3", "RPR-5"],
            "a byte is missing in a block of sixteen sectors, which stand at two displacements",
            |m| vec![Cut(m.block(9).start + 30_000..m.block(9).start + 30_001)],
        ),
        repaired(
            "damage-byte-missing-before-last-block",
            "parity-3-64-kib",
            &["RPR-3"],
            "a byte is missing in the last block but one, and all from the second parity block on: the last block stands before its offset",
            |m| {
                let at = m.block(18).start + 30_000;
                vec![Truncate(m.parity(0, 1).start), Cut(at..at + 1)]
            },
        ),
        repaired(
            "damage-byte-added-in-check-page",
            "parity-6",
            &["RPR-3", "RPR-4"],
            "a byte is added in the first check page",
            |m| {
                let offset = m.check_page(0, First).start + 4500;
                vec![Insert {
                    offset,
                    len: 1,
                    byte: 0,
                }]
            },
        ),
        repaired(
            "damage-byte-missing-in-parity",
            "parity-12",
            &["RPR-3"],
            "a byte is missing in parity: what is behind stands by the tail's displacement",
            |m| vec![Cut(m.parity(0, 12).start..m.parity(0, 12).start + 1)],
        ),
        repaired(
            "damage-blocks-missing",
            "parity-largest-group",
            &["RPR-3", "RPR-6"],
            "three blocks are missing, and a byte more",
            |m| vec![Cut(m.block(60).start..m.block(63).start + 1)],
        ),
        repaired(
            "damage-bytes-added-between-stripes",
            "two-stripes",
            &["RPR-3"],
            "70,000 bytes stand between two stripes without parity",
            |m| {
                vec![Insert {
                    offset: m.block(510).start,
                    len: 70_000,
                    byte: JUNK,
                }]
            },
        ),
        repaired(
            "damage-bytes-appended",
            "smallest",
            &["RPR-2"],
            "a hundred thousand bytes follow the archive",
            |_| {
                vec![Append {
                    len: 100_000,
                    byte: 0,
                }]
            },
        ),
        repaired(
            "damage-last-byte-missing",
            "smallest",
            &["RPR-9"],
            "the file ends one byte too early: no locator is whole",
            |m| vec![Truncate(m.len() - 1)],
        ),
        repaired(
            "damage-end-missing",
            "parity-6",
            &["RPR-2", "RPR-9"],
            "tail, second check page and the last parity block and a half are missing",
            |m| vec![Truncate(m.parity(0, m.parity_count(0) - 1).start - 2048)],
        ),
        refused(
            "damage-end-missing-with-check-pages",
            "parity-3",
            &["RPR-2"],
            "all from the check page on is missing: nothing tells how many blocks there were",
            |m| vec![Truncate(m.check_page(0, First).start)],
        ),
        repaired(
            "damage-everywhere",
            "parity-3-envelope",
            &["RPR-1", "RPR-3", "RPR-4", "RPR-8", "RPR-9"],
            "head, table A, three bytes of a block, a sector of each check page, the tail page, and bytes behind",
            |m| {
                let block = m.block(30).start;
                vec![
                    Flip { offset: 3, bit: 7 },
                    Zero(m.data_slots(First)),
                    Zero(m.check_sector(0, First, 1)),
                    Fill(m.check_sector(0, Second, 0), JUNK),
                    flip(&m.tail_page(), 100, 0),
                    Append {
                        len: 5000,
                        byte: JUNK,
                    },
                    Cut(block + 700..block + 703),
                ]
            },
        ),
    ]
}

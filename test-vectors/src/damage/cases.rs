//! The damages: each structure, several kinds of operation.

use super::map::Copy::{First, Second};
use super::{Damage, Expect, Left, Map, Operation};
use Operation::{Append, Cut, Fill, Flip, Insert, Repeat, Swap, Truncate, Zero};
use std::ops::Range;

mod ends;
mod salvaged;
mod stripes;

type Rules = &'static [&'static str];
type Program = fn(&Map) -> Vec<Operation>;

/// What a burst leaves behind, where zeros would be too easy to know.
const JUNK: u8 = 0xA5;

pub(super) fn all() -> Vec<Damage> {
    [
        ends::opening(),
        stripes::blocks(),
        stripes::check_pages(),
        stripes::parity(),
        stripes::bursts(),
        ends::tail(),
        moved(),
        salvaged::all(),
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
        left: None,
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
            &["RPR-2", "SLV-1"],
            "all from the check page on is missing: nothing tells how many blocks there were",
            |m| vec![Truncate(m.check_page(0, First).start)],
        )
        .but([]),
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

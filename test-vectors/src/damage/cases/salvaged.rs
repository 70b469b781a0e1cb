//! What repair cannot mend, for salvage (14.2).
//!
//! What stands in which block of the bases is told where they are made; `but` names the blocks
//! that are lost, and what a salvage must say follows from them.

use super::*;

const FILES: &str = "salvage-files";
const STRIPES: &str = "salvage-stripes";
const PARTS: &str = "salvage-parts";

pub(super) fn all() -> Vec<Damage> {
    [blocks(), catalogue(), copies(), ends(), moved(), parts()]
        .into_iter()
        .flatten()
        .collect()
}

/// These blocks, and nothing else, are zeros.
fn zeroed(
    name: &'static str,
    base: &'static str,
    blocks: &[u64],
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Damage {
    lost(name, base, blocks.len(), rules, why, program).but(blocks.iter().copied())
}

fn blocks() -> Vec<Damage> {
    vec![
        zeroed(
            "salvage-copied-block",
            FILES,
            &[3],
            &["SLV-3", "SLV-5"],
            "a block of a file that another file is a COPY of: both lose the same bytes",
            |m| vec![Zero(m.block(3))],
        ),
        zeroed(
            "salvage-header-but-not-content",
            FILES,
            &[6],
            &["SLV-4", "SLV-5"],
            "the header of a file and the end of the superseded one before: its row says where all of its content is",
            |m| vec![Zero(m.block(6))],
        ),
        zeroed(
            "salvage-linked-file",
            FILES,
            &[11],
            &["SLV-4", "SLV-5"],
            "the end of a file that a hard link names, and the header of a sparse file: its content cannot be placed",
            |m| vec![Zero(m.block(11))],
        ),
        zeroed(
            "salvage-sparse-map",
            FILES,
            &[12],
            &["SLV-4", "SLV-5"],
            "the map of a sparse file, whose header is left",
            |m| vec![Zero(m.block(12))],
        ),
        zeroed(
            "salvage-sparse-extent",
            FILES,
            &[13],
            &["SLV-5"],
            "the end of the last extent of a sparse file",
            |m| vec![Zero(m.block(13))],
        ),
        zeroed(
            "salvage-device",
            FILES,
            &[16],
            &["SLV-4", "SLV-5"],
            "the headers of a device, a symbolic link and a file, and the rows of two entries before",
            |m| vec![Zero(m.block(16))],
        ),
        zeroed(
            "salvage-more-than-parity",
            "salvage-files-parity",
            &[2, 5, 10],
            &["SLV-2"],
            "three blocks, with two of parity",
            |m| [2, 5, 10].map(|block| Zero(m.block(block))).to_vec(),
        ),
    ]
}

fn catalogue() -> Vec<Damage> {
    vec![
        zeroed(
            "salvage-catalogue-page",
            FILES,
            &[14],
            &["SLV-4", "SLV-5"],
            "a page of six rows and the beginning of a COPY: headers say what there was; what ends with ZERO may have been given up",
            |m| vec![Zero(m.block(14))],
        ),
        zeroed(
            "salvage-headers-and-rows",
            FILES,
            &[9, 14],
            &["SLV-4", "SLV-5"],
            "headers of three entries, and the page that has their rows: not even their names are left",
            |m| vec![Zero(m.block(9)), Zero(m.block(14))],
        ),
        zeroed(
            "salvage-final",
            FILES,
            &[18],
            &["SLV-1", "SLV-6"],
            "FINAL, the last page and the end of the last file; the locator says how many blocks there were",
            |m| vec![Zero(m.block(18))],
        ),
    ]
}

fn copies() -> Vec<Damage> {
    vec![
        lost(
            "salvage-tables-only-in-check-page",
            FILES,
            1,
            &["SLV-1"],
            "all data slot tables but that of the check page, and a block",
            |m| {
                vec![
                    Zero(m.data_slots(First)),
                    Zero(m.data_slots(Second)),
                    Fill(m.tail_copies(), JUNK),
                    Zero(m.block(3)),
                ]
            },
        )
        .but([3]),
        case(
            "salvage-beginning-missing",
            STRIPES,
            Expect::Unmended,
            &["SLV-1", "SLV-3", "SLV-4"],
            "the file begins with the second stripe, where a file is a COPY from the first",
            |m| vec![Cut(0..m.block(510).start)],
        )
        .but(0..510),
    ]
}

fn ends() -> Vec<Damage> {
    vec![
        refused(
            "salvage-cut-in-block",
            FILES,
            &["SLV-1", "SLV-6"],
            "the file ends in the middle of a block: nobody knows what followed",
            |m| vec![Truncate(m.block(10).start + 2000)],
        )
        .salvaged(Left::First(10)),
        refused(
            "salvage-cut-behind-stripe",
            STRIPES,
            &["SLV-1", "SLV-6"],
            "the file ends behind its first stripe, of which all is left",
            |m| vec![Truncate(m.block(510).start)],
        )
        .salvaged(Left::First(510)),
        refused(
            "salvage-cut-in-second-stripe",
            STRIPES,
            &["SLV-1", "SLV-4"],
            "the file ends behind the first block of its second stripe",
            |m| vec![Truncate(m.block(511).start)],
        )
        .salvaged(Left::First(511)),
    ]
}

fn moved() -> Vec<Damage> {
    vec![
        lost(
            "salvage-middle-missing",
            FILES,
            4,
            &["SLV-2"],
            "three blocks and a hundred bytes are missing in the middle: what follows stands before its offset",
            |m| vec![Cut(m.block(6).start..m.block(9).start + 100)],
        )
        .but(6..10),
        lost(
            "salvage-bytes-inserted",
            FILES,
            1,
            &["SLV-2"],
            "777 bytes stand in the middle of a block: it is lost, and what follows is displaced",
            |m| {
                vec![Insert {
                    offset: m.block(5).start + 1000,
                    len: 777,
                    byte: JUNK,
                }]
            },
        )
        .but([5]),
        repaired(
            "salvage-block-in-place-of-slots",
            FILES,
            &["SLV-2", "RPR-3"],
            "a block and a slot table have changed places: the block stands before the first one",
            |m| vec![Swap(m.data_slots(Second), m.block(7).start)],
        )
        .but([]),
        repaired(
            "salvage-strays-in-displaced-run",
            FILES,
            &["SLV-2", "RPR-3"],
            "a byte is missing at the start, and copies of two blocks stand behind the end: the blocks between are displaced as those around",
            |m| {
                let len = m.len();
                vec![
                    Append { len: 2 * 4096, byte: JUNK },
                    Swap(m.block(8), len),
                    Swap(m.block(12), len + 4096),
                    Cut(1..2),
                ]
            },
        )
        .but([]),
        lost(
            "salvage-all-displaced",
            FILES,
            1,
            &["SLV-1", "SLV-2"],
            "the first byte of the file is missing, and a block",
            |m| vec![Zero(m.block(17)), Cut(0..1)],
        )
        .but([17]),
    ]
}

fn parts() -> Vec<Damage> {
    vec![
        zeroed(
            "salvage-first-part",
            PARTS,
            &[0],
            &["SLV-4"],
            "the header of an entry in parts, with the beginning of its content",
            |m| vec![Zero(m.block(0))],
        ),
        zeroed(
            "salvage-part-header",
            PARTS,
            &[2],
            &["SLV-4"],
            "the header of the second part, with the beginning of its content",
            |m| vec![Zero(m.block(2))],
        ),
    ]
}

//! What stands before and behind the stripes.

use super::*;

pub(super) fn opening() -> Vec<Damage> {
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
            &["RPR-1", "SLV-1"],
            "the head at both its places; the check page is too small to carry it",
            |m| vec![Zero(m.head()), Zero(m.tail_copies())],
        )
        .salvaged(Left::Nothing),
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
            &["RPR-8", "SLV-1"],
            "all data slot tables; no block is lost, and no key opens any",
            |m| {
                vec![
                    Zero(m.data_slots(First)),
                    Zero(m.data_slots(Second)),
                    Zero(m.tail_copies()),
                ]
            },
        )
        .salvaged(Left::Nothing),
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
        )
        .salvaged(Left::AllButEnvelope),
        repaired(
            "damage-opening-and-tail-copies",
            "parity-3-envelope",
            &["RPR-1", "RPR-8"],
            "all that stands before the blocks and all copies in the tail; the locator is left",
            |m| vec![Zero(0..m.block(0).start), Zero(m.tail_copies())],
        ),
    ]
}

pub(super) fn tail() -> Vec<Damage> {
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
        )
        .but([]),
        lost(
            "damage-tail-page-with-signatures",
            "signature-unknown-kind",
            0,
            &["RPR-9"],
            "the tail page held a signature, though no signer is declared; the locator's digest tells",
            |m| vec![flip(&m.tail_page(), 130, 0)],
        )
        .but([]),
    ]
}

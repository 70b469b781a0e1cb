//! Chapter 12: the tail.

use super::{Fault, Program, Rules, Vector, accepted, refused};
use crate::builder::{Builder, Site};
use crate::stream::file;
use bakpak_format::error::{Class, Structure};
use bakpak_format::tail::Signature;

const DAMAGED: (Class, Structure) = (Class::Damaged, Structure::Tail);
const UNSUPPORTED: (Class, Structure) = (Class::Unsupported, Structure::Tail);
const LIMIT: (Class, Structure) = (Class::LimitExceeded, Structure::Tail);

pub(super) fn vectors() -> Vec<Vector> {
    [copies(), pages(), signatures()]
        .into_iter()
        .flatten()
        .collect()
}

/// A fault of what the content does not need: unpacking may warn of it and go on.
fn beside(
    name: &'static str,
    fault: Fault,
    rules: Rules,
    why: &'static str,
    program: Program,
) -> Vector {
    refused(name, fault, rules, why, program).may_unpack()
}

fn copies() -> Vec<Vector> {
    vec![
        beside(
            "tail-head-copy-differs",
            DAMAGED,
            &["TAL-1"],
            "one bit of the tail's copy of the head is changed",
            |b| b.flip(Site::TailCopies, 100),
        ),
        beside(
            "tail-slots-copy-differs",
            DAMAGED,
            &["TAL-1"],
            "one bit of the tail's copy of the slot table is changed",
            |b| b.flip(Site::TailCopies, 4096 + 100),
        ),
        beside(
            "tail-slots-copy-newer",
            DAMAGED,
            &["TAL-1"],
            "the tail's copy is whole, and one generation newer than both slot tables",
            |b| {
                let mut newer = Builder::new(&b.seed);
                newer.generation = 2;
                b.put(Site::TailCopies, 4096, newer.build().parts.data_slots);
            },
        ),
    ]
}

fn pages() -> Vec<Vector> {
    vec![
        beside(
            "tail-page-flipped",
            DAMAGED,
            &["TAL-1"],
            "one bit of the tail page's unused bytes is changed",
            |b| b.flip_back(Site::File, 2000),
        ),
        beside(
            "tail-page-magic-wrong",
            DAMAGED,
            &["TAL-1"],
            "the tail page begins with BPTX",
            |b| b.put(Site::TailPage, 3, b"X"),
        ),
        beside(
            "tail-page-len-over-limit",
            LIMIT,
            &["TAL-1"],
            "tail_page_len is 68 KiB",
            |b| b.put(Site::TailPage, 4, 69_632_u32.to_le_bytes()),
        ),
        beside(
            "tail-page-len-not-sectors",
            DAMAGED,
            &["TAL-1"],
            "tail_page_len is 5,000",
            |b| b.put(Site::TailPage, 4, 5000_u32.to_le_bytes()),
        ),
        beside(
            "tail-of-another-archive",
            DAMAGED,
            &["TAL-1"],
            "the tail page carries another archive_id",
            |b| b.flip(Site::TailPage, 8),
        ),
        beside(
            "tail-block-count-wrong",
            DAMAGED,
            &["TAL-1"],
            "block_count of the tail page is 2 for one block",
            |b| b.put(Site::TailPage, 24, [2]),
        ),
        beside(
            "tail-stripe-count-wrong",
            DAMAGED,
            &["TAL-1"],
            "stripe_count of the tail page is 2 for one stripe",
            |b| b.put(Site::TailPage, 32, [2]),
        ),
        beside(
            "tail-archive-len-wrong",
            DAMAGED,
            &["TAL-1"],
            "archive_len is one byte more than it is",
            |b| b.put(Site::TailPage, 40, 32_769_u64.to_le_bytes()),
        ),
        beside(
            "tail-of-another-head",
            DAMAGED,
            &["TAL-1"],
            "the tail page carries the digest of another head",
            |b| b.flip(Site::TailPage, 48),
        ),
        beside(
            "tail-reserved-set",
            DAMAGED,
            &["TAL-1"],
            "a reserved byte of the tail page is set",
            |b| b.put(Site::TailPage, 116, [1]),
        ),
        beside(
            "tail-unused-not-zero",
            DAMAGED,
            &["TAL-1"],
            "the last byte before the locator is not zero",
            |b| b.flip_back(Site::TailPage, 1),
        ),
        beside(
            "locator-flipped",
            DAMAGED,
            &["TAL-2"],
            "one bit of the locator's CRC is changed, so that it is none",
            |b| b.flip_back(Site::File, 1),
        ),
        beside(
            "locator-version-2",
            UNSUPPORTED,
            &["TAL-2"],
            "a whole locator of version 2",
            |b| b.put(Site::Locator, 8, [2]),
        ),
        beside(
            "locator-tail-offset-wrong",
            DAMAGED,
            &["TAL-1"],
            "the locator's tail_offset is a sector too far",
            |b| b.put(Site::Locator, 32, 24_576_u64.to_le_bytes()),
        ),
        beside(
            "locator-digest-wrong",
            DAMAGED,
            &["TAL-1"],
            "the locator has another digest of the tail page",
            |b| b.flip(Site::Locator, 80),
        ),
        beside(
            "locator-root-wrong",
            DAMAGED,
            &["TAL-1"],
            "the locator has another root than the tail page",
            |b| b.flip(Site::Locator, 48),
        ),
        beside(
            "locator-reserved-set",
            DAMAGED,
            &["TAL-1"],
            "a reserved byte of the locator is set",
            |b| b.put(Site::Locator, 251, [1]),
        ),
        refused(
            "root-wrong",
            DAMAGED,
            &["TAL-3"],
            "tail page and locator carry another root",
            |b| b.flip(Site::TailPage, 80),
        ),
        refused(
            "spliced-archives",
            DAMAGED,
            &["TAL-3"],
            "the tail is that of another archive with the same head",
            |b| {
                let mut other = Builder::new(&b.seed);
                other.items = vec![file("attachments/note.txt", b"What is packed goes on.\n")];
                let page = other.build().parts.tail_page;
                b.edit(Site::File, move |file| {
                    let at = file.len() - page.len();
                    file[at..].copy_from_slice(&page);
                });
            },
        ),
    ]
}

fn signatures() -> Vec<Vector> {
    /// Signatures of unknown kinds; of an archive that declares no signer, hence in one page.
    fn signed(b: &mut Builder) {
        b.signatures = vec![
            Signature {
                kind: 99,
                body: vec![0x99; 64],
            },
            Signature {
                kind: 1,
                body: Vec::new(),
            },
        ];
    }
    vec![
        accepted(
            "signature-unknown-kind",
            &["TAL-4"],
            "signatures of unknown kinds are passed over",
            signed,
        ),
        accepted(
            "tail-page-of-two-sectors",
            &["TAL-4"],
            "signatures that make the tail page 8,192 bytes long, with a declared signer",
            |b| {
                b.extensions = vec![(1, [&[1, 0, 0, 0][..], &[0x5a; 32]].concat())];
                b.signatures = vec![Signature {
                    kind: 99,
                    body: vec![0x99; 4000],
                }];
            },
        ),
        beside(
            "signatures-over-page",
            DAMAGED,
            &["TAL-4"],
            "signatures_len is more than the tail page holds",
            |b| b.put(Site::TailPage, 112, 3713_u32.to_le_bytes()),
        ),
        beside(
            "signatures-not-filled",
            DAMAGED,
            &["TAL-4"],
            "signatures_len is 4 bytes more than the signatures take",
            |b| {
                signed(b);
                b.edit(Site::TailPage, |page| page[112] += 4);
            },
        ),
        beside(
            "signature-len-7",
            DAMAGED,
            &["TAL-4"],
            "a signature is shorter than its own head",
            |b| {
                signed(b);
                b.put(Site::TailPage, 128 + 72 + 2, [7]);
            },
        ),
        beside(
            "signature-reserved-set",
            DAMAGED,
            &["TAL-4"],
            "a reserved byte of a signature is set",
            |b| {
                signed(b);
                b.put(Site::TailPage, 128 + 4, [1]);
            },
        ),
        beside(
            "tail-pages-differ",
            DAMAGED,
            &["TAL-1"],
            "a signer is declared, and one bit of the first tail page is changed",
            |b| {
                b.extensions = vec![(1, [&[1, 0, 0, 0][..], &[0x5a; 32]].concat())];
                b.flip_back(Site::File, 3 * 4096 + 1000);
            },
        ),
    ]
}

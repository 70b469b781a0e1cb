//! Chapters 1 and 2: the file, the head page and the header.

use super::{Vector, accepted, refused, sealed};
use crate::builder::{Builder, HEADER, Site};
use bakpak_format::error::{Class, Structure};

const MALFORMED_HEAD: (Class, Structure) = (Class::Malformed, Structure::Head);
const MALFORMED_HEADER: (Class, Structure) = (Class::Malformed, Structure::Header);
const UNSUPPORTED_HEADER: (Class, Structure) = (Class::Unsupported, Structure::Header);
const LIMIT_HEADER: (Class, Structure) = (Class::LimitExceeded, Structure::Header);

/// Where the cover text begins: behind magic, version and line feed.
const COVER: usize = 23;

pub(super) fn vectors() -> Vec<Vector> {
    [file(), preamble(), header(), extensions()]
        .into_iter()
        .flatten()
        .collect()
}

/// Puts bytes into the header, before its MAC and the digest are computed.
fn header_field(b: &mut Builder, offset: usize, bytes: impl AsRef<[u8]>) {
    b.put(Site::Head, HEADER + offset, bytes);
}

fn file() -> Vec<Vector> {
    vec![
        accepted(
            "smallest",
            &["FIL-1"],
            "one small file in one block: 32,768 bytes",
            |_| {},
        ),
        refused(
            "trailing-byte",
            (Class::Damaged, Structure::Tail),
            &["FIL-1"],
            "a zero byte follows the tail",
            |b| b.edit(Site::File, |file| file.push(0)),
        ),
        refused(
            "truncated-tail",
            (Class::Truncated, Structure::Tail),
            &["FIL-1"],
            "the last byte is missing",
            |b| b.edit(Site::File, |file| file.truncate(file.len() - 1)),
        ),
        refused(
            "truncated-check-page",
            (Class::Truncated, Structure::CheckPage),
            &["FIL-1"],
            "the file ends in the middle of the check page",
            |b| b.edit(Site::File, |file| file.truncate(18_000)),
        ),
        refused(
            "truncated-block",
            (Class::Truncated, Structure::Block),
            &["FIL-1"],
            "the file ends in the middle of block 0",
            |b| b.edit(Site::File, |file| file.truncate(14_000)),
        ),
        refused(
            "truncated-between-blocks",
            (Class::Truncated, Structure::Block),
            &["FIL-1"],
            "the file ends behind block 0, where a check page or another block should begin",
            |b| b.edit(Site::File, |file| file.truncate(16_384)),
        ),
        refused(
            "truncated-slots",
            (Class::Truncated, Structure::Slots),
            &["FIL-1"],
            "the file ends in the middle of slot table B",
            |b| b.edit(Site::File, |file| file.truncate(10_000)),
        ),
        refused(
            "truncated-head",
            (Class::Truncated, Structure::Head),
            &["FIL-1"],
            "the file ends in the middle of the cover text",
            |b| b.edit(Site::File, |file| file.truncate(50)),
        ),
        refused(
            "empty-file",
            (Class::Truncated, Structure::Head),
            &["HED-1"],
            "there is no byte at all",
            |b| b.edit(Site::File, Vec::clear),
        ),
        refused(
            "middle-missing",
            (Class::Damaged, Structure::Tail),
            &["FIL-1"],
            "a sector is missing in the tail, but a whole locator stands at the end",
            |b| {
                b.edit(Site::File, |file| {
                    file.drain(20_480..24_576);
                });
            },
        ),
        refused(
            "head-padding-not-zero",
            (Class::Damaged, Structure::Head),
            &["FIL-2", "HED-4"],
            "the last byte of the head page is not zero, in all copies",
            |b| b.put(Site::HeadPage, 4095, [1]),
        ),
    ]
}

fn preamble() -> Vec<Vector> {
    vec![
        refused(
            "not-an-archive",
            (Class::Unsupported, Structure::Head),
            &["HED-1"],
            "another kind of file",
            |b| b.edit(Site::File, |file| *file = b"PK\x03\x04".repeat(2000)),
        ),
        refused(
            "magic-damaged",
            (Class::Damaged, Structure::Head),
            &["HED-1", "RDR-7"],
            "one bit of the magic is changed, but a whole locator stands at the end",
            |b| b.flip(Site::File, 0),
        ),
        refused(
            "version-2",
            (Class::Unsupported, Structure::Head),
            &["HED-2"],
            "the version is 2",
            |b| {
                b.edit(Site::Head, |head| {
                    head.splice(15..22, *b"2");
                    head.splice(HEADER - 6..HEADER - 6, [0; 6]);
                });
            },
        ),
        refused(
            "version-2-short",
            (Class::Unsupported, Structure::Head),
            &["HED-2"],
            "a file of 20 bytes whose version is 2",
            |b| b.edit(Site::File, |file| *file = b"bakpak archive 2\nabc".to_vec()),
        ),
        refused(
            "version-without-line-feed",
            (Class::Unsupported, Structure::Head),
            &["HED-2"],
            "no line feed follows within 16 bytes of version",
            |b| b.put(Site::Head, 15, b"1-draft of long ago\n"),
        ),
        refused(
            "cover-escape-sequence",
            MALFORMED_HEAD,
            &["HED-3"],
            "the cover text would change the colour of a terminal",
            |b| b.cover = b"\x1b[31mred\n".to_vec(),
        ),
        refused(
            "cover-c1-control",
            MALFORMED_HEAD,
            &["HED-3"],
            "the cover text holds U+009B, the control sequence introducer of C1",
            |b| b.cover = "a\u{9b}31m".into(),
        ),
        refused(
            "cover-not-utf8",
            MALFORMED_HEAD,
            &["HED-3"],
            "the cover text is Latin-1",
            |b| b.cover = b"Gr\xfc\xdfe\n".to_vec(),
        ),
        refused(
            "cover-goes-on",
            MALFORMED_HEAD,
            &["HED-3"],
            "text follows the zero that ends the cover text",
            |b| b.cover = b"seen\0not seen\n".to_vec(),
        ),
        refused(
            "cover-too-long",
            (Class::LimitExceeded, Structure::Head),
            &["HED-3"],
            "the last byte of the cover text stands at offset 2,000",
            |b| b.cover = vec![b'x'; 2001 - COVER],
        ),
        accepted(
            "cover-longest",
            &["HED-3"],
            "the last byte of the cover text stands at offset 1,999",
            |b| b.cover = vec![b'x'; 2000 - COVER],
        ),
        refused(
            "cover-text-flipped",
            (Class::Damaged, Structure::Head),
            &["HDR-9", "RDR-7"],
            "one bit of the cover text is changed",
            |b| b.flip(Site::File, COVER + 7),
        ),
        refused(
            "header-flipped",
            (Class::Damaged, Structure::Head),
            &["HDR-9", "RDR-7"],
            "one bit of the header's salt is changed",
            |b| b.flip(Site::File, HEADER + 80),
        ),
    ]
}

fn header() -> Vec<Vector> {
    vec![
        refused(
            "header-magic-wrong",
            (Class::Damaged, Structure::Header),
            &["HDR-1"],
            "the header begins with BPHX",
            |b| header_field(b, 3, b"X"),
        ),
        refused(
            "header-len-over-limit",
            LIMIT_HEADER,
            &["HDR-1"],
            "header_len is 65,537",
            |b| header_field(b, 4, 65_537_u32.to_le_bytes()),
        ),
        refused(
            "header-len-under-limit",
            LIMIT_HEADER,
            &["HDR-1"],
            "header_len is 303",
            |b| header_field(b, 4, 303_u32.to_le_bytes()),
        ),
        refused(
            "header-len-of-other-extensions",
            UNSUPPORTED_HEADER,
            &["HDR-1"],
            "extensions_len is 0, but header_len leaves room for 4 bytes",
            |b| {
                b.extensions = vec![(0x8000, Vec::new())];
                header_field(b, 200, [0; 4]);
            },
        ),
        refused(
            "header-reserved-set",
            UNSUPPORTED_HEADER,
            &["HDR-1"],
            "a reserved byte of the header is set",
            |b| header_field(b, 54, [1]),
        ),
        refused(
            "header-reserved-end-set",
            UNSUPPORTED_HEADER,
            &["HDR-1"],
            "the last reserved byte of the header is set",
            |b| header_field(b, 239, [1]),
        ),
        refused(
            "feature-volumes",
            UNSUPPORTED_HEADER,
            &["HDR-2"],
            "one of several volumes",
            |b| header_field(b, 24, [1]),
        ),
        refused(
            "feature-base-link",
            UNSUPPORTED_HEADER,
            &["HDR-2"],
            "builds on a base archive",
            |b| header_field(b, 24, [2]),
        ),
        refused(
            "feature-unknown",
            UNSUPPORTED_HEADER,
            &["HDR-2"],
            "bit 63 of the incompatible features is set",
            |b| header_field(b, 31, [0x80]),
        ),
        accepted(
            "feature-compatible-bits",
            &["HDR-3"],
            "all read-only-compatible and all compatible features are set",
            |b| header_field(b, 32, [0xff; 16]),
        ),
        refused(
            "suite-2",
            UNSUPPORTED_HEADER,
            &["HDR-4"],
            "suite is 2",
            |b| header_field(b, 48, [2]),
        ),
        refused(
            "block-size-log2-13",
            UNSUPPORTED_HEADER,
            &["HDR-5"],
            "blocks of 8 KiB",
            |b| header_field(b, 50, [13]),
        ),
        refused(
            "chunk-size-over-limit",
            LIMIT_HEADER,
            &["HDR-5"],
            "chunk_size is 8 MiB and 1 byte",
            |b| b.chunk_size = (8 << 20) + 1,
        ),
        refused(
            "chunk-size-under-limit",
            LIMIT_HEADER,
            &["HDR-5"],
            "chunk_size is 4,095",
            |b| b.chunk_size = 4095,
        ),
        refused(
            "envelope-over-limit",
            LIMIT_HEADER,
            &["HDR-5"],
            "an envelope of 266,240 bytes is announced",
            |b| header_field(b, 60, 266_240_u32.to_le_bytes()),
        ),
        refused(
            "envelope-not-whole-sectors",
            LIMIT_HEADER,
            &["HDR-5"],
            "an envelope of 4,097 bytes is announced",
            |b| header_field(b, 60, 4097_u32.to_le_bytes()),
        ),
        refused(
            "slot-area-over-limit",
            UNSUPPORTED_HEADER,
            &["HDR-5"],
            "slot tables of 128 KiB",
            |b| header_field(b, 53, [17]),
        ),
        refused(
            "slot-area-under-limit",
            UNSUPPORTED_HEADER,
            &["HDR-5"],
            "slot tables of 2 KiB",
            |b| header_field(b, 53, [11]),
        ),
        refused(
            "parity-geometry-5",
            UNSUPPORTED_HEADER,
            &["HDR-6"],
            "a parity geometry that does not exist",
            |b| header_field(b, 51, [5, 1]),
        ),
        refused(
            "parity-code-without-geometry",
            UNSUPPORTED_HEADER,
            &["HDR-6"],
            "parity_code is 1 without parity",
            |b| header_field(b, 52, [1]),
        ),
        refused(
            "parity-code-2",
            UNSUPPORTED_HEADER,
            &["HDR-6"],
            "parity by another code",
            |b| header_field(b, 51, [3, 2]),
        ),
        refused(
            "parity-over-limit",
            LIMIT_HEADER,
            &["HDR-6"],
            "6 % of parity with blocks of 4 MiB: 128 MiB a stripe",
            |b| header_field(b, 50, [22, 3, 1]),
        ),
        refused(
            "envelope-fields-without-envelope",
            MALFORMED_HEADER,
            &["HDR-7"],
            "an envelope key commitment without an envelope",
            |b| header_field(b, 136, [1]),
        ),
        sealed(
            "header-mac-wrong",
            (Class::NotAuthentic, Structure::Header),
            &["KEY-3"],
            "one bit of the header MAC is changed, and the digest computed anew",
            |b| b.flip_back(Site::HeadMac, 1),
        ),
    ]
}

fn extensions() -> Vec<Vector> {
    /// One Ed25519 key.
    fn signer() -> Vec<u8> {
        [&[1, 0, 0, 0][..], &[0x5a; 32]].concat()
    }
    vec![
        refused(
            "extension-critical-unknown",
            UNSUPPORTED_HEADER,
            &["HDR-8"],
            "an extension of type 2",
            |b| b.extensions = vec![(2, vec![1, 2, 3])],
        ),
        accepted(
            "extension-ignorable",
            &["HDR-8"],
            "two extensions of types from 0x8000 on",
            |b| b.extensions = vec![(0x8000, vec![1, 2, 3]), (0xffff, Vec::new())],
        ),
        accepted(
            "head-of-two-pages",
            &["HDR-8"],
            "extensions that make the head 8,192 bytes long",
            |b| b.extensions = vec![(0x8001, vec![7; 3000])],
        ),
        refused(
            "extensions-unsorted",
            MALFORMED_HEADER,
            &["HDR-8"],
            "extension types do not ascend",
            |b| b.extensions = vec![(0x8001, Vec::new()), (0x8000, Vec::new())],
        ),
        refused(
            "extension-beyond-end",
            MALFORMED_HEADER,
            &["HDR-8"],
            "an extension is longer than extensions_len leaves room for",
            |b| {
                b.extensions = vec![(0x8000, vec![0; 4])];
                header_field(b, 242, [5]);
            },
        ),
        accepted(
            "signer-declared",
            &["HDR-8"],
            "one signer is declared, so that a second tail page stands first",
            |b| b.extensions = vec![(1, signer())],
        ),
        accepted(
            "signer-of-unknown-kind",
            &["HDR-8"],
            "a signer of kind 99 is passed over",
            |b| b.extensions = vec![(1, [&[99, 0, 0, 0][..], &[0x5a; 32], &signer()].concat())],
        ),
        refused(
            "signers-none",
            MALFORMED_HEADER,
            &["HDR-8"],
            "an empty list of signers",
            |b| b.extensions = vec![(1, Vec::new())],
        ),
        refused(
            "signer-short",
            MALFORMED_HEADER,
            &["HDR-8"],
            "a signer of 35 bytes",
            |b| b.extensions = vec![(1, signer()[..35].to_vec())],
        ),
        refused(
            "signer-reserved-set",
            MALFORMED_HEADER,
            &["HDR-8"],
            "a reserved byte of a signer is set",
            |b| b.extensions = vec![(1, [&[1, 0, 1, 0][..], &[0x5a; 32]].concat())],
        ),
    ]
}

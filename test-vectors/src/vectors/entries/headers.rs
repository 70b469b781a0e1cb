//! Header blocks and fillings that other tar programs write, and this format does not (10.2).

use super::{MALFORMED, header, items, ustar};
use crate::builder::Site;
use crate::stream::{Item, RowOf, bare, directory, file, put_checksum};
use crate::vectors::{Vector, sealed};

pub(super) fn vectors() -> Vec<Vector> {
    vec![
        sealed(
            "tar-gnu-longname",
            MALFORMED,
            &["ENT-1"],
            "a long name as GNU tar writes it: a header of type L before the entry",
            |b| {
                let name = foreign(b'L', "././@LongLink", b"attachments/note.txt\0");
                b.items.insert(0, name);
            },
        ),
        sealed(
            "tar-global-header",
            MALFORMED,
            &["ENT-1"],
            "a global pax header, of type g",
            |b| {
                let global = foreign(b'g', "pax_global_header", b"12 comment=\n");
                b.items.insert(0, global);
            },
        ),
        sealed(
            "tar-plain-entry",
            MALFORMED,
            &["ENT-1"],
            "an entry without an x header",
            |b| {
                b.items
                    .insert(0, foreign(b'0', "attachments/a", b"content"))
            },
        ),
        sealed(
            "tar-checksum-spaces",
            MALFORMED,
            &["ENT-1"],
            "the checksum has six digits, a zero and a space, as most tar programs write it",
            |b| {
                header(b, |header| {
                    let digits = header[1024 + 149..1024 + 155].to_vec();
                    header[1024 + 148..1024 + 154].copy_from_slice(&digits);
                    header[1024 + 154..1024 + 156].copy_from_slice(b"\0 ");
                });
            },
        ),
        sealed(
            "tar-checksum-wrong",
            MALFORMED,
            &["ENT-1"],
            "the checksum of the ustar block is wrong",
            |b| header(b, |header| header[1024 + 154] ^= 1),
        ),
        sealed(
            "tar-size-base-256",
            MALFORMED,
            &["ENT-1"],
            "the size stands as a binary number, as GNU tar writes large ones",
            |b| {
                header(b, |header| {
                    ustar(header, |block| {
                        block[124..136].fill(0);
                        block[124] = 0x80;
                        block[135] = 27;
                    });
                });
            },
        ),
        sealed(
            "tar-number-with-spaces",
            MALFORMED,
            &["ENT-1"],
            "uid is filled with spaces on the left",
            |b| {
                header(b, |header| {
                    ustar(header, |block| block[108..111].fill(b' '))
                })
            },
        ),
        sealed(
            "tar-gnu-magic",
            MALFORMED,
            &["ENT-1"],
            "magic and version are those of old GNU tar",
            |b| {
                header(b, |header| {
                    ustar(header, |block| {
                        block[257..265].copy_from_slice(b"ustar  \0")
                    });
                });
            },
        ),
        sealed(
            "tar-type-7",
            MALFORMED,
            &["ENT-1"],
            "an entry of type 7",
            |b| header(b, |header| ustar(header, |block| block[156] = b'7')),
        ),
        sealed(
            "tar-type-zero",
            MALFORMED,
            &["ENT-1"],
            "a regular file whose typeflag is a zero byte, as old tar programs write it",
            |b| header(b, |header| ustar(header, |block| block[156] = 0)),
        ),
        sealed(
            "tar-prefix-set",
            MALFORMED,
            &["ENT-1"],
            "the ustar prefix is used",
            |b| header(b, |header| ustar(header, |block| block[345] = b'a')),
        ),
        sealed(
            "tar-mode-over-07777",
            MALFORMED,
            &["ENT-1"],
            "the mode holds the type of the file",
            |b| b.items[0].mode = 0o100_644,
        ),
        sealed(
            "tar-other-name",
            MALFORMED,
            &["ENT-1"],
            "the name in the ustar block is not that of the pax path",
            |b| {
                header(b, |header| {
                    ustar(header, |block| block[12..16].copy_from_slice(b"vote"));
                });
            },
        ),
        sealed(
            "tar-x-header-mode",
            MALFORMED,
            &["ENT-1"],
            "the x header has mode 0600",
            |b| {
                header(b, |header| {
                    header[104..107].copy_from_slice(b"600");
                    put_checksum(&mut header[..512]);
                });
            },
        ),
        sealed(
            "tar-pax-filling-not-zero",
            MALFORMED,
            &["ENT-1"],
            "a byte behind the pax records is not zero",
            |b| header(b, |header| header[1023] = 1),
        ),
        sealed(
            "tar-content-filling-not-zero",
            MALFORMED,
            &["ENT-1"],
            "a byte behind the content is not zero",
            |b| b.put(Site::Stream, 2047, [1]),
        ),
        sealed(
            "tar-directory-with-content",
            MALFORMED,
            &["ENT-1"],
            "a directory with a content of 7 bytes",
            |b| {
                items(
                    b,
                    [Item {
                        content: b"content".to_vec(),
                        ..directory("home/a")
                    }],
                );
            },
        ),
        sealed(
            "tar-end-short",
            MALFORMED,
            &["ENT-1"],
            "the stream ends with 512 zeros",
            |b| b.stream_end.truncate(512),
        ),
        sealed(
            "tar-end-missing",
            MALFORMED,
            &["ENT-1"],
            "the stream ends with its last entry",
            |b| b.stream_end.clear(),
        ),
        sealed(
            "tar-end-long",
            MALFORMED,
            &["ENT-1"],
            "the stream ends with 1,536 zeros",
            |b| b.stream_end.extend([0; 512]),
        ),
        sealed(
            "tar-entry-behind-end",
            MALFORMED,
            &["ENT-1"],
            "an entry follows the 1,024 zeros",
            |b| {
                b.stream_end
                    .extend(file("attachments/z", b"").encode_header(0))
            },
        ),
        sealed(
            "tar-content-cut",
            MALFORMED,
            &["ENT-1"],
            "the stream ends within the content of its entry",
            |b| {
                b.stream_end.clear();
                b.edit(Site::Stream, |stream| stream.truncate(1540));
                // No page, lest it be the first to tell that the entry has not ended.
                b.steps.drain(1..3);
            },
        ),
    ]
}

/// Bytes in the stream that are no entry: a foreign tar header, and its content.
fn foreign(typeflag: u8, name: &str, content: &[u8]) -> Item {
    let bytes = Item {
        owner_names: [Vec::new(), Vec::new()],
        ..bare(typeflag, name)
    }
    .ustar_block(name.as_bytes(), content.len());
    let bytes = [bytes, crate::stream::filled(content.to_vec())].concat();
    Item {
        raw: Some(bytes),
        row: RowOf::None,
        ..bare(typeflag, name)
    }
}

//! ZIPs of layouts that the `zip` crate does not write, made byte by byte.

use super::*;

/// A ZIP with whatever layout, which the `zip` crate does not write.
#[derive(Default)]
struct Made {
    bytes: Vec<u8>,
    rows: Vec<u8>,
    count: u16,
}

/// What is special about a member of it.
#[derive(Clone, Copy, Default)]
struct Special<'a> {
    flags: u16,
    method: u16,
    /// The width of a descriptor's lengths, and whether it has its signature.
    descriptor: Option<(usize, bool)>,
    has_lens_too: bool,
    /// What stands where the content does.
    raw: Option<&'a [u8]>,
    /// Lengths and offset stand in the ZIP64 extra field of the directory.
    is_zip64_in_directory: bool,
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let compression = flate2::Compression::default();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), compression);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

impl Made {
    fn member(mut self, name: &str, content: &[u8], special: Special<'_>) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        let raw = match (special.raw, special.method) {
            (Some(raw), _) => raw.to_vec(),
            (None, 8) => deflated(content),
            (None, _) => content.to_vec(),
        };
        let offset = self.bytes.len() as u32;
        let sum = [crc.sum(), raw.len() as u32, content.len() as u32];
        let flags = special.flags | u16::from(special.descriptor.is_some()) << 3;
        let shown = match special.descriptor.is_none() || special.has_lens_too {
            true => sum,
            false => [0; 3],
        };
        let head = |sum: [u32; 3], extra_len: u16| {
            let mut head = [20, flags, special.method, 0, 0]
                .map(u16::to_le_bytes)
                .concat();
            head.extend(sum.map(u32::to_le_bytes).concat());
            head.extend((name.len() as u16).to_le_bytes());
            head.extend(extra_len.to_le_bytes());
            head
        };
        self.bytes.extend(LOCAL);
        self.bytes.extend(head(shown, 0));
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(&raw);
        if let Some((width, has_signature)) = special.descriptor {
            if has_signature {
                self.bytes.extend(DESCRIPTOR);
            }
            self.bytes.extend(sum[0].to_le_bytes());
            for len in &sum[1..] {
                self.bytes.extend(&u64::from(*len).to_le_bytes()[..width]);
            }
        }
        let (listed, listed_offset, extra) = match special.is_zip64_in_directory {
            false => (sum, offset, Vec::new()),
            true => {
                let mut extra = [1_u16, 24].map(u16::to_le_bytes).concat();
                let long = [sum[2], sum[1], offset].map(|value| u64::from(value).to_le_bytes());
                extra.extend(long.concat());
                ([sum[0], u32::MAX, u32::MAX], u32::MAX, extra)
            }
        };
        self.rows.extend(CENTRAL);
        self.rows.extend([20, 0]);
        self.rows.extend(head(listed, extra.len() as u16));
        self.rows.extend([0; 10]);
        self.rows.extend(listed_offset.to_le_bytes());
        self.rows.extend(name.as_bytes());
        self.rows.extend(extra);
        self.count += 1;
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let (offset, len) = (self.bytes.len() as u32, self.rows.len() as u32);
        self.bytes.extend(&self.rows);
        self.bytes.extend(END);
        self.bytes.extend(
            [0, 0, self.count, self.count]
                .map(u16::to_le_bytes)
                .concat(),
        );
        self.bytes
            .extend([len, offset].map(u32::to_le_bytes).concat());
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

const CONTENTS: [&[u8]; 4] = [
    b"some text, some text, some text",
    b"",
    b"PK\x07\x08 within, PK\x07\x08",
    &[0; 70],
];

#[test]
fn a_descriptor_of_any_layout_is_known_by_what_it_says() {
    for method in [0, 8] {
        for (width, has_signature) in [(4, true), (4, false), (8, true), (8, false)] {
            for has_lens_too in [false, true] {
                // Stored content of which nothing before it tells the length ends by signature.
                let is_open = method == 0 && !has_signature && !has_lens_too;
                let special = Special {
                    method,
                    descriptor: Some((width, has_signature)),
                    has_lens_too,
                    ..Special::default()
                };
                let mut made = Made::default();
                let mut expected = Vec::new();
                for (number, content) in CONTENTS.iter().enumerate() {
                    if is_open && !content.is_empty() {
                        continue;
                    }
                    made = made.member(&number.to_string(), content, special);
                    expected.push((number.to_string(), content.to_vec()));
                }
                let zip = made.finish();
                let (seen, faults) = walked(&zip);
                let case = (method, width, has_signature, has_lens_too);
                assert_eq!(told(&faults), [""; 0], "{case:?}");
                assert_eq!(seen, expected, "{case:?}");
                for lens in [&[1][..], &[7, 3]] {
                    let (seen, faults) = walked_in(&zip, lens);
                    assert_eq!((told(&faults), &seen), (Vec::new(), &expected), "{case:?}");
                }
            }
        }
    }
}

#[test]
fn stored_content_that_no_descriptor_ends_is_damaged() {
    let special = Special {
        descriptor: Some((4, true)),
        ..Special::default()
    };
    let zip = Made::default()
        .member("a", &rows(3, 200_000), special)
        .member("b", b"b", special)
        .finish();
    assert_eq!(told(&walked(&zip).1), [""; 0]);
    let mut changed = zip.clone();
    changed[100_000] ^= 1;
    let (seen, faults) = walked(&changed);
    assert_eq!(seen, []);
    assert_eq!(faults.list()[0].part.as_deref(), Some("a"));
    assert!(
        faults.are_only(&[FaultKind::Damaged]),
        "{:?}",
        told(&faults)
    );
}

#[test]
fn a_wrong_descriptor_is_told_and_hides_no_other_member() {
    for (width, has_signature) in [(4, true), (4, false), (8, true), (8, false)] {
        let special = Special {
            method: 8,
            descriptor: Some((width, has_signature)),
            ..Special::default()
        };
        let mut zip = Made::default().member("a", b"abc", special);
        let at = zip.bytes.len() - 1 - 2 * width;
        zip.bytes[at] ^= 1;
        let zip = zip.member("b", b"b", special).finish();
        let (seen, faults) = walked(&zip);
        let message = "\"a\": its length or CRC-32 is not that of its content";
        assert_eq!(told(&faults), [message]);
        assert_eq!(seen, [("b".to_owned(), b"b".to_vec())]);
    }
}

#[test]
fn long_lengths_may_stand_in_the_directory_only() {
    let special = Special {
        method: 8,
        is_zip64_in_directory: true,
        ..Special::default()
    };
    let made = Made::default().member("a", b"abc", special);
    let zip = made.member("b", b"b", special).finish();
    assert_eq!(told(&walked(&zip).1), [""; 0]);
    // The first byte of the length in the extra field, and of the offset.
    let extra = (0..zip.len())
        .rfind(|at| zip[*at..].starts_with(&[1, 0, 24, 0]))
        .unwrap();
    for at in [extra + 4, extra + 20] {
        let mut zip = zip.clone();
        zip[at] ^= 1;
        assert_eq!(
            told(&walked(&zip).1),
            ["\"b\": the directory says something else of it"]
        );
    }
}

#[test]
fn a_length_beyond_the_file_is_a_cut() {
    for method in [0, 8] {
        let mut zip = Made::default().member(
            "a",
            b"abc",
            Special {
                method,
                ..Special::default()
            },
        );
        // The compressed length in the local header.
        zip.bytes[20] = 0x70;
        let (seen, faults) = walked(&zip.finish());
        assert_eq!(seen, []);
        assert!(
            !faults.is_empty() && !faults.say_nothing(),
            "{:?}",
            told(&faults)
        );
    }
}

#[test]
fn a_member_that_cannot_be_read_is_seen_all_the_same() {
    #[derive(Default)]
    struct Names(Vec<String>);
    impl Visitor for Names {
        fn begin(&mut self, name: &str) {
            self.0.push(name.to_owned());
        }
        fn bytes(&mut self, _: &[u8]) {}
        fn whole(&mut self, _: u64) {}
    }
    let encrypted = Special {
        flags: 1,
        ..Special::default()
    };
    let foreign = Special {
        method: 14,
        raw: Some(b"xxxx"),
        ..Special::default()
    };
    let zip = Made::default()
        .member("a", b"abc", encrypted)
        .member("b", b"b", foreign)
        .finish();
    let (mut names, mut faults) = (Names::default(), Faults::default());
    let walked = check(&zip[..], &mut names, &mut faults).unwrap();
    assert_eq!(
        (names.0, walked.saw_all),
        (vec!["a".to_owned(), "b".to_owned()], true)
    );
    assert!(faults.say_nothing(), "{:?}", told(&faults));
}

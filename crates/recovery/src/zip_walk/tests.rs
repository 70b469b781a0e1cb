use std::io::{Cursor, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// Members as they were seen: whole ones with their bytes.
#[derive(Default)]
struct Seen {
    name: String,
    bytes: Vec<u8>,
    whole: Vec<(String, Vec<u8>)>,
}

impl Visitor for Seen {
    fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.bytes.clear();
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn whole(&mut self, len: u64) {
        assert_eq!(self.bytes.len() as u64, len);
        let member = (self.name.clone(), std::mem::take(&mut self.bytes));
        self.whole.push(member);
    }
}

/// A reader that gives a few bytes at a time, and is interrupted now and then.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(self.0.len()).min(7);
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

fn walked(bytes: &[u8]) -> (Vec<(String, Vec<u8>)>, Faults) {
    let (mut seen, mut faults) = (Seen::default(), Faults::default());
    check(bytes, &mut seen, &mut faults).unwrap();
    (seen.whole, faults)
}

fn walked_in(bytes: &[u8], lens: &[usize]) -> (Vec<(String, Vec<u8>)>, Faults) {
    let (mut seen, mut faults) = (Seen::default(), Faults::default());
    let pieces = Pieces {
        rest: bytes,
        lens,
        turn: 0,
    };
    check(pieces, &mut seen, &mut faults).unwrap();
    (seen.whole, faults)
}

fn told(faults: &Faults) -> Vec<String> {
    faults.list().iter().map(ToString::to_string).collect()
}

fn options(is_stored: bool, is_large: bool) -> SimpleFileOptions {
    let method = match is_stored {
        true => CompressionMethod::Stored,
        false => CompressionMethod::Deflated,
    };
    let options = SimpleFileOptions::default().compression_method(method);
    options.large_file(is_large)
}

fn members() -> Vec<(String, Vec<u8>)> {
    let long = (0..200_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes());
    vec![
        ("a/long".into(), long.collect()),
        ("empty".into(), Vec::new()),
        ("größe".into(), b"some text, some text, some text".to_vec()),
    ]
}

fn made(members: &[(String, Vec<u8>)], is_stored: bool, is_large: bool) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(name, options(is_stored, is_large)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.set_comment("a comment PK\x05\x06").unwrap();
    zip.finish().unwrap().into_inner()
}

/// As a program writes it that cannot seek: lengths stand behind each member.
fn streamed(members: &[(String, Vec<u8>)], is_large: bool) -> Vec<u8> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    for (name, content) in members {
        zip.start_file(name, options(false, is_large)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn whole_zips_of_each_kind_have_no_fault() {
    let members = members();
    for zip in [
        made(&members, true, false),
        made(&members, false, false),
        made(&members, false, true),
        made(&members, true, true),
        streamed(&members, false),
        streamed(&members, true),
        made(&[], true, false),
    ] {
        let (seen, faults) = walked(&zip);
        assert_eq!(told(&faults), [""; 0]);
        assert!(seen == members || seen.is_empty() && zip.len() < 100);
    }
}

#[test]
fn how_much_is_read_at_a_time_changes_nothing() {
    let members = members();
    for zip in [made(&members, false, false), streamed(&members, false)] {
        let (mut seen, mut faults) = (Seen::default(), Faults::default());
        let walked = check(Trickle(&zip, 0), &mut seen, &mut faults).unwrap();
        assert_eq!(told(&faults), [""; 0]);
        assert_eq!((walked.member_count, seen.whole), (3, members.clone()));
    }
}

#[test]
fn every_cut_is_a_cut() {
    let members = [("a".to_owned(), vec![7; 300]), ("b".to_owned(), vec![8; 9])];
    for zip in [
        made(&members, true, true),
        made(&members, false, false),
        streamed(&members, false),
    ] {
        for len in 0..zip.len() {
            let (_, faults) = walked(&zip[..len]);
            assert!(
                faults.has(FaultKind::Truncated),
                "at {len}: {:?}",
                told(&faults)
            );
        }
        let (_, faults) = walked(&[&zip[..], b"x"].concat());
        assert_eq!(told(&faults), ["something was appended to it"]);
    }
}

#[test]
fn damage_within_a_member_of_known_length_hides_no_other() {
    let members = members();
    for is_stored in [true, false] {
        let mut zip = made(&members, is_stored, false);
        zip[5000] ^= 1;
        let (seen, faults) = walked(&zip);
        assert_eq!(seen, members[1..]);
        assert_eq!(faults.list()[0].part.as_deref(), Some("a/long"));
        // A CRC-32 that stands twice disagrees with the content once.
        assert!(faults.count() <= 2, "{:?}", told(&faults));
    }
}

#[test]
fn what_cannot_be_followed_is_said() {
    let members = members();
    let (_, faults) = walked(&[&b"MZ.."[..], &made(&members, true, false)].concat());
    assert_eq!(
        told(&faults),
        ["what stands at byte 0 is neither a member nor the directory"]
    );

    let mut encrypted = made(&members, false, false);
    encrypted[6] |= 1;
    let (seen, faults) = walked(&encrypted);
    assert_eq!(told(&faults), ["\"a/long\": it is encrypted"]);
    assert_eq!(seen, members[1..]);
}

/// Bytes as a table has them: rows of few kinds, which DEFLATE makes short.
fn rows(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let kinds: Vec<[u8; 40]> = (0..3000)
        .map(|_| {
            let mut row = [0; 40];
            row[4..8].copy_from_slice(&(next() as u32).to_le_bytes());
            row[10..14].copy_from_slice(b"name");
            row[14..16].copy_from_slice(&(next() as u16 % 5000).to_le_bytes());
            row
        })
        .collect();
    let mut bytes = Vec::with_capacity(len + 40);
    while bytes.len() < len {
        bytes.extend_from_slice(&kinds[next() as usize % kinds.len()]);
    }
    bytes.truncate(len);
    bytes
}

/// A reader that gives each time as many bytes as the next of these says, over and over.
struct Pieces<'a> {
    rest: &'a [u8],
    lens: &'a [usize],
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.lens[self.turn % self.lens.len()];
        self.turn += 1;
        let len = most.min(buffer.len()).min(self.rest.len());
        buffer[..len].copy_from_slice(&self.rest[..len]);
        self.rest = &self.rest[len..];
        Ok(len)
    }
}

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

#[test]
fn a_directory_that_is_not_that_of_its_members_is_told() {
    let members = [("a".to_owned(), vec![7; 300]), ("b".to_owned(), vec![8; 9])];
    let zip = made(&members, true, false);
    let rows: Vec<usize> = (0..zip.len() - 4)
        .filter(|at| zip[*at..].starts_with(CENTRAL))
        .collect();
    let end = (0..zip.len() - 4)
        .rfind(|at| zip[*at..].starts_with(END) && *at < zip.len() - 30)
        .unwrap();
    let changed = |at: usize, value: u8| {
        let mut zip = zip.clone();
        zip[at] ^= value;
        told(&walked(&zip).1)
    };
    // Method, CRC-32, both lengths, offset.
    for field in [10, 16, 20, 24, 42] {
        let faults = changed(rows[1] + field, 1);
        assert_eq!(
            faults,
            ["\"b\": the directory says something else of it"],
            "{field}"
        );
    }
    // Its name: a member that is not there, one that is not listed.
    assert_eq!(
        changed(rows[1] + 46, b'b' ^ b'c'),
        [
            "\"c\": it is in the directory only",
            "\"b\": it is not in the directory"
        ]
    );
    assert_eq!(
        changed(rows[1] + 46, b'b' ^ b'a'),
        [
            "\"a\": it is in the directory twice",
            "\"b\": it is not in the directory"
        ]
    );
    // Count, length and offset of the directory.
    for field in [12, 16] {
        let faults = changed(end + field, 1);
        assert_eq!(
            faults,
            ["the record at its end is not that of its directory"],
            "{field}"
        );
    }
    for field in [8, 10] {
        let faults = changed(end + field, 1);
        assert_eq!(faults, ["its end record gives two counts of members"]);
    }
}

#[test]
fn more_members_than_are_kept_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..=MAX_MEMBERS {
        zip.start_file(number.to_string(), options(true, false))
            .unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    assert!(walked(&zip).1.has(FaultKind::LimitExceeded));
}

proptest! {
    #[test]
    fn what_was_put_in_is_seen(
        contents in vec(vec(0_u8..4, 0..3000), 0..6), is_stored: bool, is_large: bool,
    ) {
        let members: Vec<(String, Vec<u8>)> = (0..).map(|n: u32| n.to_string()).zip(contents).collect();
        for zip in [made(&members, is_stored, is_large), streamed(&members, is_large)] {
            let (seen, faults) = walked(&zip);
            prop_assert_eq!(told(&faults), [""; 0]);
            prop_assert_eq!(&seen, &members);
        }
    }

    #[test]
    fn no_change_panics_or_passes_as_other_content(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), is_streamed: bool,
    ) {
        let members = [("a".to_owned(), vec![7; 300]), ("b".to_owned(), vec![8; 9])];
        let mut zip = match is_streamed {
            true => streamed(&members, false),
            false => made(&members, false, false),
        };
        for (index, value) in changes {
            let at = index.index(zip.len());
            zip[at] = value;
        }
        let (seen, faults) = walked(&zip);
        if faults.is_empty() {
            prop_assert_eq!(&seen, &members);
        }
    }
}

/// The inflater can hold the end of a member back when all of its bytes have been taken: with an
/// output buffer that is full exactly then, and any other.
#[test]
fn a_member_whose_last_byte_fills_the_buffer_is_whole() {
    for len in (1..=40)
        .map(|n| n * (BUFFER_LEN / 2))
        .chain((0..300).map(|n| 3 * BUFFER_LEN + n))
    {
        let members = [("a".to_owned(), rows(len as u64, len))];
        let zip = made(&members, false, false);
        let (seen, faults) = walked(&zip);
        assert_eq!(
            (told(&faults), seen == members),
            (Vec::new(), true),
            "{len}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn large_members_are_whole_however_they_are_read(
        sizes in vec((any::<u64>(), 100 << 10..5_usize << 20), 2..5),
        lens in vec(1_usize..200_000, 1..6),
    ) {
        let members: Vec<(String, Vec<u8>)> = sizes
            .iter()
            .map(|(seed, len)| (seed.to_string(), rows(*seed, *len)))
            .collect();
        for zip in [made(&members, false, false), streamed(&members, false)] {
            let (seen, faults) = walked_in(&zip, &lens);
            prop_assert_eq!(told(&faults), [""; 0]);
            prop_assert!(seen == members);
            // Read at once and in those pieces.
            let (seen, faults) = walked(&zip);
            prop_assert_eq!(told(&faults), [""; 0]);
            prop_assert!(seen == members);
        }
    }
}

#[test]
fn end_records_that_name_another_file_are_damaged() {
    let zip = made(&members(), false, false);
    let end = (0..zip.len())
        .rfind(|at| zip[*at..].starts_with(END) && zip.get(*at + 4) == Some(&0))
        .unwrap();
    let (offset, len) = (le(&zip[end + 16..end + 20]), le(&zip[end + 12..end + 16]));
    // The same with ZIP64 records before its end record: 56 bytes, and 20.
    let mut long = zip[..end].to_vec();
    long.extend(ZIP64_END);
    long.extend(44_u64.to_le_bytes());
    long.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    long.extend([3, 3, len, offset].map(u64::to_le_bytes).concat());
    long.extend(ZIP64_LOCATOR);
    long.extend([0; 4]);
    long.extend((end as u64).to_le_bytes());
    long.extend([1, 0, 0, 0]);
    long.extend(&zip[end..]);
    assert_eq!(told(&walked(&long).1), [""; 0]);
    let another = "its end record names another file, as if it were a part of several";
    let counts = "its ZIP64 end record gives two counts of members";
    let cases = [
        (&zip, end + 4, another),
        (&zip, end + 6, another),
        (&long, end + 16, another),
        (&long, end + 20, another),
        (&long, end + 24, counts),
        (&long, end + 56 + 4, another),
        // From 1 to 3.
        (&long, end + 56 + 16, another),
    ];
    for (zip, at, message) in cases {
        let mut zip = zip.clone();
        zip[at] ^= 2;
        assert_eq!(told(&walked(&zip).1), [message], "{}", at - end);
    }
}

#[test]
fn the_first_part_of_a_split_zip_is_not_judged() {
    let zip = [&DESCRIPTOR[..], &made(&members(), false, false)].concat();
    let (_, faults) = walked(&zip);
    assert_eq!(
        told(&faults),
        ["it is the first part of a ZIP that lies in several files"]
    );
    assert!(faults.say_nothing());
}

use std::io::{Cursor, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

mod by_hand;

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

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
        let count = check(Trickle(&zip, 0), &mut seen, &mut faults).unwrap();
        assert_eq!(told(&faults), [""; 0]);
        assert_eq!((count, seen.whole), (3, members.clone()));
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

    let mut stored_without_length = made(&members, true, false);
    stored_without_length[6] |= 8;
    let (_, faults) = walked(&stored_without_length);
    assert_eq!(told(&faults).len(), 2, "{:?}", told(&faults));
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

#[test]
fn a_part_of_several_files_is_none() {
    let zip = made(&members(), false, false);
    let end =
        (0..zip.len()).rfind(|at| zip[*at..].starts_with(END) && zip.get(*at + 4) == Some(&0));
    for at in [4, 6].map(|field| end.unwrap() + field) {
        let mut zip = zip.clone();
        zip[at] += 1;
        let (_, faults) = walked(&zip);
        assert!(faults.has(FaultKind::Unsupported), "{:?}", told(&faults));
    }
}

//! Other tar programs read an encoded stream as it was meant: the `tar` crate, and GNU tar if it is
//! there.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;

use bakpak_format::entry::{
    END_OF_STREAM, Entry, EntryHeader, EntryKind, EntryPath, Extent, PART_LEN, Timestamp, part_path,
};

/// An entry with its logical content.
struct Sample {
    header: EntryHeader,
    content: Vec<u8>,
}

fn path(path: impl Into<Vec<u8>>) -> EntryPath {
    EntryPath::new(path).unwrap()
}

fn entry(name: impl Into<Vec<u8>>, kind: EntryKind) -> Entry {
    Entry {
        path: path(name),
        kind,
        mode: 0o640,
        uid: 1000,
        gid: 1001,
        user: b"backup".to_vec(),
        group: b"staff".to_vec(),
        mtime: Timestamp {
            seconds: 1_700_000_000,
            nanos: 123_456_700,
        },
        xattrs: Vec::new(),
        linked: false,
    }
}

fn sample(entry: Entry) -> Sample {
    Sample {
        header: EntryHeader::new(entry),
        content: Vec::new(),
    }
}

fn file(name: impl Into<Vec<u8>>, content: &[u8]) -> Sample {
    let size = content.len() as u64;
    let kind = EntryKind::File {
        size,
        extents: None,
    };
    Sample {
        header: EntryHeader::new(entry(name, kind)),
        content: content.to_vec(),
    }
}

/// A file of 40,000 bytes with data at 4,096 and at 20,000.
fn sparse_file(name: &str) -> Sample {
    let extents = [(4096, 1024), (20_000, 5)].map(|(offset, len)| Extent { offset, len });
    let mut content = vec![0; 40_000];
    content[4096..5120].fill(b'd');
    content[20_000..20_005].fill(b'e');
    let kind = EntryKind::File {
        size: 40_000,
        extents: Some(extents.to_vec()),
    };
    Sample {
        header: EntryHeader::new(entry(name, kind)),
        content,
    }
}

/// Entries of every kind, in canonical order.
fn samples() -> Vec<Sample> {
    let mut samples = vec![
        sample(entry("sql", EntryKind::Directory)),
        file("sql/orders.bak", &[b'o'; 1000]),
        file("sql/empty", b""),
    ];
    let mut linked = file("home/a", b"linked");
    linked.header.entry.linked = true;
    linked.header.entry.xattrs = vec![
        (b"security.selinux".to_vec(), b"a\0b c=d".to_vec()),
        (b"user.note".to_vec(), b"".to_vec()),
    ];
    samples.push(linked);
    let target = path("home/a");
    samples.push(sample(entry("home/b", EntryKind::HardLink { target })));
    let target = b"../sql/orders.bak".to_vec();
    samples.push(sample(entry("home/c", EntryKind::Symlink { target })));
    samples.push(sample(entry("home/d", EntryKind::Fifo)));
    samples.push(sample(entry(
        "home/e",
        EntryKind::CharDevice { major: 1, minor: 3 },
    )));
    let block_device = EntryKind::BlockDevice {
        major: 8,
        minor: 1 << 20,
    };
    samples.push(sample(entry("home/f", block_device)));
    samples.push(sparse_file("home/g"));
    let size = 5000;
    let hole = EntryKind::File {
        size,
        extents: Some(Vec::new()),
    };
    let mut hole = sample(entry("home/h", hole));
    hole.content = vec![0; 5000];
    samples.push(hole);
    samples.push(file(format!("home/{}", "long/".repeat(40) + "x"), b"long"));
    samples.push(file(b"home/\xff\xfe".to_vec(), b"not UTF-8"));
    let mut old = file("home/\u{fffd}", b"old and foreign");
    old.header.entry.mtime = Timestamp {
        seconds: -2,
        nanos: 250_000_000,
    };
    old.header.entry.uid = 4_000_000_000;
    old.header.entry.gid = 3_000_000;
    old.header.entry.user = "DOMAIN\\J\u{e9}r\u{f4}me of the department".into();
    samples.push(old);
    for (number, len) in [(1, PART_LEN as usize), (2, 3)] {
        let part = part_path(&path("attachments/stream"), number).unwrap();
        let mut part = file(part.as_bytes(), &vec![b'p'; len]);
        part.header.part = true;
        samples.push(part);
    }
    samples.sort_by(|one, next| one.header.entry.path.cmp(&next.header.entry.path));
    samples
}

/// The stream of entries: what `bakpak cat --tar` writes.
fn stream(samples: &[Sample]) -> Vec<u8> {
    let mut stream = Vec::new();
    for Sample { header, content } in samples {
        let encoded = header.encode().unwrap();
        assert_eq!(encoded.len() % 512, 0);
        stream.extend_from_slice(&encoded);
        let start = stream.len();
        if let Some(map) = header.entry.sparse_map() {
            stream.extend_from_slice(&map);
        }
        match &header.entry.kind {
            EntryKind::File {
                extents: Some(extents),
                ..
            } => {
                for &Extent { offset, len } in extents {
                    stream.extend_from_slice(&content[offset as usize..][..len as usize]);
                }
            }
            _ => stream.extend_from_slice(content),
        }
        assert_eq!((stream.len() - start) as u64, header.content_len);
        stream.resize(stream.len().next_multiple_of(512), 0);
    }
    stream.extend_from_slice(&END_OF_STREAM);
    stream
}

#[test]
fn the_tar_crate_reads_every_kind_of_entry() {
    let samples = samples();
    let stream = stream(&samples);
    let mut archive = tar::Archive::new(&stream[..]);
    let mut entries = archive.entries().unwrap();
    for Sample { header, content } in &samples {
        let expected = &header.entry;
        let mut found = entries.next().unwrap().unwrap();
        let records: Vec<(Vec<u8>, Vec<u8>)> = found
            .pax_extensions()
            .unwrap()
            .unwrap()
            .map(|record| {
                let record = record.unwrap();
                (record.key_bytes().to_vec(), record.value_bytes().to_vec())
            })
            .collect();
        let record = |key: &str| {
            let mut records = records.iter();
            records
                .find(|record| record.0 == key.as_bytes())
                .map(|record| &record.1[..])
        };
        assert!(records.is_sorted_by(|one, next| one.0 < next.0));
        if !header.sparse {
            assert_eq!(&*found.path_bytes(), expected.path.as_bytes());
        }
        assert_eq!(found.header().mode().unwrap(), expected.mode);
        // The crate keeps sizes of pax for itself, but not owners.
        let uid = record("uid").map_or(found.header().uid().unwrap(), |_| expected.uid);
        assert_eq!(uid, expected.uid);
        assert_eq!(record("uid").is_some(), expected.uid > 2_097_151);
        for (name, value) in &expected.xattrs {
            let key = format!("SCHILY.xattr.{}", String::from_utf8_lossy(name));
            assert_eq!(record(&key), Some(&value[..]));
        }
        let kind = found.header().entry_type();
        match &expected.kind {
            EntryKind::File { extents, .. } => {
                assert!(kind.is_file());
                let mut bytes = Vec::new();
                found.read_to_end(&mut bytes).unwrap();
                if extents.is_none() {
                    assert_eq!(bytes, *content);
                } else {
                    // The crate does not expand pax sparse files; GNU tar does, below.
                    assert_eq!(bytes.len() as u64, header.content_len);
                }
            }
            EntryKind::Directory => assert!(kind.is_dir()),
            EntryKind::Symlink { target } => {
                assert!(kind.is_symlink());
                assert_eq!(*found.link_name_bytes().unwrap(), target[..]);
            }
            EntryKind::HardLink { target } => {
                assert!(kind.is_hard_link());
                assert_eq!(*found.link_name_bytes().unwrap(), *target.as_bytes());
            }
            EntryKind::Fifo => assert!(kind.is_fifo()),
            EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
                assert!(kind.is_character_special() || kind.is_block_special());
                assert_eq!(found.header().device_major().unwrap(), Some(*major));
                assert_eq!(found.header().device_minor().unwrap(), Some(*minor));
            }
        }
    }
    assert!(entries.next().is_none());
}

/// Runs GNU tar on a stream; `None` if it is not there.
fn gnu_tar(archive: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    if !needs::has_program("tar") {
        return None;
    }
    let version = Command::new("tar").arg("--version").output().unwrap();
    if !version.stdout.starts_with(b"tar (GNU tar)") {
        needs::missing("this tar is not GNU tar (Debian's package tar is)");
        return None;
    }
    let output = Command::new("tar")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .arg("--file")
        .arg(archive)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Known and harmless: it takes names as bytes anyway, and finds times before 1970 strange.
    let stderr = String::from_utf8_lossy(&output.stderr);
    for complaint in stderr.lines() {
        let harmless = complaint.ends_with("unknown extended header keyword 'hdrcharset'")
            || complaint.contains("implausibly old time stamp");
        assert!(harmless, "{complaint}");
    }
    Some(output.stdout)
}

#[test]
fn gnu_tar_lists_every_kind_of_entry() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("stream.tar");
    let samples = samples();
    fs::write(&archive, stream(&samples)).unwrap();
    let Some(listing) = gnu_tar(&archive, &["--list", "--quoting-style=literal"]) else {
        return;
    };
    let expected: Vec<Vec<u8>> = samples
        .iter()
        .map(|sample| sample.header.entry.path.as_bytes().to_vec())
        .collect();
    let mut listed = listing.split(|&byte| byte == b'\n').collect::<Vec<_>>();
    assert_eq!(listed.pop(), Some(&b""[..]));
    let listed: Vec<Vec<u8>> = listed
        .into_iter()
        .map(|line| line.strip_suffix(b"/").unwrap_or(line).to_vec())
        .collect();
    assert_eq!(listed, expected);

    let arguments = [
        "--list",
        "--verbose",
        "--full-time",
        "--quoting-style=escape",
    ];
    let listing = String::from_utf8(gnu_tar(&archive, &arguments).unwrap()).unwrap();
    for line in [
        "-rw-r----- backup/staff      1000 2023-11-14 22:13:20.1234567 sql/orders.bak",
        "hrw-r----- backup/staff         0 2023-11-14 22:13:20.1234567 home/b link to home/a",
        "prw-r----- backup/staff         0 2023-11-14 22:13:20.1234567 home/d",
        "crw-r----- backup/staff       1,3 2023-11-14 22:13:20.1234567 home/e",
        "-rw-r----- backup/staff     40000 2023-11-14 22:13:20.1234567 home/g",
        "-rw-r----- backup/staff      5000 2023-11-14 22:13:20.1234567 home/h",
    ] {
        // The widths of the columns are GNU tar's own.
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = listing
            .lines()
            .any(|listed| squeeze(listed) == squeeze(line));
        assert!(found, "{line}\nis not in\n{listing}");
    }
}

#[test]
fn gnu_tar_unpacks_files_sparse_files_and_links() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("stream.tar");
    let mut samples = samples();
    // Devices take rights that tests may not have.
    samples.retain(|sample| {
        let kind = &sample.header.entry.kind;
        !matches!(
            kind,
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. }
        )
    });
    fs::write(&archive, stream(&samples)).unwrap();
    let target = folder.path().join("out");
    fs::create_dir(&target).unwrap();
    let target_text = target.to_str().unwrap();
    let arguments = ["--extract", "--no-same-owner", "--directory", target_text];
    if gnu_tar(&archive, &arguments).is_none() {
        return;
    }
    for Sample { header, content } in &samples {
        let entry = &header.entry;
        // On Unix a path is its bytes.
        let Ok(name) = str::from_utf8(entry.path.as_bytes()) else {
            continue;
        };
        let unpacked = target.join(name);
        match &entry.kind {
            EntryKind::File { .. } => {
                assert!(fs::read(&unpacked).unwrap() == *content, "{name}");
                let modified = fs::metadata(&unpacked).unwrap().modified().unwrap();
                let expected = match entry.mtime.seconds {
                    // The file from before 1970: 1.75 seconds before.
                    -2 => UNIX_EPOCH - Duration::from_millis(1750),
                    seconds => UNIX_EPOCH + Duration::new(seconds as u64, entry.mtime.nanos),
                };
                assert_eq!(modified, expected, "{name}");
            }
            EntryKind::HardLink { target: first } => {
                let first = target.join(str::from_utf8(first.as_bytes()).unwrap());
                assert_eq!(fs::read(&unpacked).unwrap(), fs::read(first).unwrap());
            }
            EntryKind::Symlink { target } => {
                let found = fs::read_link(&unpacked).unwrap();
                assert_eq!(found.to_str().unwrap().as_bytes(), target);
            }
            EntryKind::Directory => assert!(unpacked.is_dir()),
            _ => assert!(fs::symlink_metadata(&unpacked).is_ok()),
        }
    }
}

#[test]
fn what_was_encoded_decodes_to_the_same_header() {
    for Sample { header, .. } in samples() {
        let encoded = header.encode().unwrap();
        let mut expected = header;
        if let EntryKind::File { extents, .. } = &mut expected.entry.kind {
            *extents = None;
        }
        assert_eq!(EntryHeader::decode(&encoded).unwrap(), expected);
    }
}

#[test]
fn streams_of_other_writers_are_malformed() {
    // The crate's own idea of a header: GNU magic, long names in entries of their own.
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    let name = format!("sql/{}", "x".repeat(150));
    builder.append_data(&mut header, name, &b""[..]).unwrap();
    let foreign = builder.into_inner().unwrap();
    let block = foreign.first_chunk().unwrap();
    let error = bakpak_format::entry::pax_len(block).unwrap_err();
    assert_eq!(error.class(), bakpak_format::error::Class::Malformed);
}

//! Packs that go on with what a stopped one has left.
#![allow(clippy::unwrap_used)]

use super::custom::*;
use super::*;
use bakpak_codec::archive::Archive;
use bakpak_codec::error::PackError;
use bakpak_codec::observer::{Unobserved, Warning};
use bakpak_codec::pack::{PackReport, PackSettings, pack, resume};
use bakpak_codec::random::Random;
use bakpak_codec::resume::Partial;
use bakpak_codec::tap::Tap;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::catalogue::Row;
use bakpak_format::entry::{Entry, EntryKind, Extent};
use bakpak_format::geometry::{BlockSize, Geometry, StripeIndex};
use bakpak_format::header::Head;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// With stripes of 2 MB, so that little data has many.
pub fn small_stripes() -> PackSettings {
    PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings_with_parity()
    }
}

/// The settings of a further run; what it draws must not be what the first one drew.
pub fn again() -> PackSettings {
    settings_of("again")
}

/// The settings of one of many runs.
pub fn settings_of(seed: &str) -> PackSettings {
    PackSettings {
        random: Random::seeded(seed.as_bytes()),
        ..small_stripes()
    }
}

pub fn large(seed: &str) -> Vec<u8> {
    let mut content = noise(seed, 5 << 20);
    content.extend(log(7, 3 << 20));
    content.extend_from_within(100_000..1_500_000);
    content
}

/// Some of each kind, with small files enough that a stripe ends among them.
pub fn all_kinds() -> Vec<MemorySource> {
    let mut sources = vec![
        bare("sql", EntryKind::Directory),
        file("sql/a.bak", large("a")),
        file("sql/b.bak", noise("b", 300_000)),
        bare("home", EntryKind::Directory),
    ];
    for number in 0..400 {
        let name = format!("home/{number:04}");
        sources.push(file(&name, noise(&name, number * 23 % 9000)));
    }
    let mut linked = file("home/linked", noise("linked", 200_000));
    linked.entry.linked = true;
    sources.push(linked);
    let mut content = noise("sparse", 3_000_000);
    content[499_712..1_999_872].fill(0);
    content[2_900_480..].fill(0);
    let extents = vec![
        Extent {
            offset: 0,
            len: 499_712,
        },
        Extent {
            offset: 1_999_872,
            len: 900_608,
        },
    ];
    sources.push(sparse("home/sparse", content, extents));
    let target = path("home/linked");
    sources.push(bare("home/to-linked", EntryKind::HardLink { target }));
    sources.push(file("attachments/end", noise("end", 1_000_000)));
    sources
}

/// What a run that went on has made.
pub struct Resumed {
    pub archive: Vec<u8>,
    pub report: PackReport,
    pub warnings: Vec<Warning>,
}

pub type Result<T> = std::result::Result<T, PackError>;

pub fn try_resume(
    partial: &[u8],
    sources: &dyn Fn() -> Vec<MemorySource>,
    settings: PackSettings,
) -> Result<Resumed> {
    try_resume_with(partial, sources, settings, &mut |_| None)
}

pub fn try_resume_with(
    partial: &[u8],
    sources: &dyn Fn() -> Vec<MemorySource>,
    settings: PackSettings,
    tap_of: &mut (dyn FnMut(&Entry) -> Option<Box<dyn Tap>> + Send),
) -> Result<Resumed> {
    let file = file_of(partial);
    let opened = Partial::open(file.try_clone().unwrap(), &mut vec![key()]);
    let boxed = || sources().into_iter().map(MemorySource::boxed);
    let listener = Listener::default();
    let report = match opened.map_err(PackError::Partial)? {
        None => {
            file.set_len(0).unwrap();
            let mut output = &file;
            output.seek(SeekFrom::Start(0)).unwrap();
            pack(boxed(), settings, output, &listener)?
        }
        Some(opened) => {
            let cut = |len| {
                file.set_len(len)?;
                let mut output = &file;
                output.seek(SeekFrom::Start(len))?;
                Ok(output)
            };
            resume(boxed, settings, opened, tap_of, cut, &listener)?
        }
    };
    Ok(Resumed {
        archive: bytes_of(&file),
        report,
        warnings: listener.0.take(),
    })
}

/// The archive is whole by all rules, and gives back what the sources hold.
pub fn proved(resumed: &Resumed, sources: Vec<MemorySource>) {
    let archive = &resumed.archive;
    assert_eq!(archive.len() as u64, resumed.report.archive_len);
    let keyless = verify_keyless(as_file(archive), 2, &Unobserved).unwrap();
    assert_eq!(keyless.findings, []);
    let mut keys = vec![key()];
    let report = verify(
        as_file(archive),
        &mut keys,
        VerifyLevel::Full,
        2,
        &Unobserved,
    )
    .unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.root, Some(resumed.report.root));
    let totals = report.totals.unwrap();
    assert_eq!(totals.row_count, resumed.report.entries);
    assert_eq!(totals.content_len, resumed.report.content_len);
    let (sink, _) = unpacked(as_stream(archive)).unwrap();
    let names: Vec<_> = sink.entries.keys().collect();
    assert_eq!(names.len(), sources.len(), "{names:?}");
    for source in sources {
        let (entry, content) = source.truth();
        let (found, bytes) = &sink.entries[&entry.path];
        assert_eq!(found.as_ref(), Some(&entry), "{}", entry.path);
        assert!(*bytes == content, "{}", entry.path);
    }
}

pub fn geometry_of(archive: &[u8]) -> Geometry {
    Head::decode(&archive[..Head::peek_len(&archive[..4096]).unwrap()])
        .unwrap()
        .geometry()
}

/// Where each full stripe of an archive ends, the last stripe left out.
pub fn stripe_ends(archive: &[u8]) -> Vec<usize> {
    let geometry = geometry_of(archive);
    let ends = (1..).map(|index| geometry.stripe_offset(StripeIndex(index)).0 as usize);
    ends.take_while(|end| *end < archive.len()).collect()
}

pub fn rows_of(archive: &[u8]) -> Vec<Row> {
    let opened = Archive::open(&file_of(archive), &mut vec![key()]).unwrap();
    let mut opened = opened;
    opened.rows().map(|row| row.unwrap()).collect()
}

fn bytes_of(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

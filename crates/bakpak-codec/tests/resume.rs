//! A pack that was stopped at any moment goes on, and the archive is as good as any.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::error::{ErrorClass, PackError};
use bakpak_codec::observer::{Observer, Unobserved, Warning};
use bakpak_codec::pack::{PackReport, PackSettings, resume};
use bakpak_codec::random::Random;
use bakpak_codec::resume::Partial;
use bakpak_codec::tap::Tap;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::entry::{Entry, EntryKind, Extent};
use bakpak_format::geometry::{BlockSize, Geometry, ParityGeometry, StripeIndex};
use bakpak_format::header::Head;
use bakpak_format::record::EntryFacts;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};
use support::custom::*;
use support::*;

/// With stripes of 2 MB, so that little data has many.
fn small_stripes() -> PackSettings {
    PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        ..settings_with_parity()
    }
}

/// The settings of a further run; what it draws must not be what the first one drew.
fn again() -> PackSettings {
    PackSettings {
        random: Random::seeded(b"again"),
        ..small_stripes()
    }
}

fn large(seed: &str) -> Vec<u8> {
    let mut content = noise(seed, 5 << 20);
    content.extend(log(7, 3 << 20));
    content.extend_from_within(100_000..1_500_000);
    content
}

/// Some of each kind, with small files enough that a stripe ends among them.
fn all_kinds() -> Vec<MemorySource> {
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
struct Resumed {
    archive: Vec<u8>,
    report: PackReport,
    warnings: Vec<Warning>,
}

type Result<T> = std::result::Result<T, PackError>;

fn try_resume(
    partial: &[u8],
    sources: &dyn Fn() -> Vec<MemorySource>,
    settings: PackSettings,
) -> Result<Resumed> {
    try_resume_with(partial, sources, settings, &mut |_| None)
}

fn try_resume_with(
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
            bakpak_codec::pack::pack(boxed(), settings, output, &listener)?
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

fn bytes_of(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The archive is whole by all rules, and gives back what the sources hold.
fn proved(resumed: &Resumed, sources: Vec<MemorySource>) {
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

fn geometry_of(archive: &[u8]) -> Geometry {
    Head::decode(&archive[..Head::peek_len(&archive[..4096]).unwrap()])
        .unwrap()
        .geometry()
}

/// Where each full stripe of an archive ends, the last stripe left out.
fn stripe_ends(archive: &[u8]) -> Vec<usize> {
    let geometry = geometry_of(archive);
    let ends = (1..).map(|index| geometry.stripe_offset(StripeIndex(index)).0 as usize);
    ends.take_while(|end| *end < archive.len()).collect()
}

fn rows_of(archive: &[u8]) -> Vec<Row> {
    let opened = Archive::open(&file_of(archive), &mut vec![key()]).unwrap();
    let mut opened = opened;
    opened.rows().map(|row| row.unwrap()).collect()
}

// spec: RSM-3
#[test]
fn cut_anywhere_it_goes_on_and_nothing_is_lost() {
    let (archive, whole) = try_pack(all_kinds(), small_stripes()).unwrap();
    let ends = stripe_ends(&archive);
    assert!(ends.len() >= 5, "{ends:?}");
    let mut cuts = vec![0, 1, 3000, 4096, 12_000, ends[0] - 1];
    for end in &ends {
        cuts.extend([*end, end + 1, end + 4096, end + 700_001]);
        cuts.extend([end - 1, end - 40_000]);
    }
    cuts.extend([archive.len() - 1, archive.len()]);
    let mut kept = std::collections::BTreeSet::new();
    for cut in cuts {
        let cut = cut.min(archive.len());
        let resumed = try_resume(&archive[..cut], &all_kinds, again()).unwrap();
        proved(&resumed, all_kinds());
        assert_eq!(resumed.warnings, [], "{cut}");
        assert_eq!(resumed.report.entries, whole.entries);
        assert_eq!(resumed.report.content_len, whole.content_len);
        // No more is packed again than what stood behind the last whole stripe.
        let before = ends.iter().rev().find(|end| **end <= cut);
        let before = before.copied().unwrap_or(0) as u64;
        let kept_len = resumed.report.kept_len;
        let is_tail = Some(&(before as usize)) == ends.last();
        assert!(
            kept_len == before || is_tail,
            "{cut}: {kept_len} of {before}"
        );
        kept.insert(kept_len);
        let kept_len = kept_len as usize;
        assert!(resumed.archive[..kept_len] == archive[..kept_len]);
    }
    assert!(kept.len() >= 5, "{kept:?}");
}

#[test]
fn a_run_may_be_stopped_as_often_as_there_are_stripes() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let mut partial = archive[..stripe_ends(&archive)[0] + 5000].to_vec();
    let mut kept = Vec::new();
    loop {
        let seed = format!("run {}", kept.len());
        let settings = PackSettings {
            random: Random::seeded(seed.as_bytes()),
            ..small_stripes()
        };
        let resumed = try_resume(&partial, &all_kinds, settings).unwrap();
        kept.push(resumed.report.kept_len);
        let ends = stripe_ends(&resumed.archive);
        match ends
            .iter()
            .find(|end| **end as u64 > resumed.report.kept_len)
        {
            Some(end) => partial = resumed.archive[..end + 5000].to_vec(),
            None => {
                proved(&resumed, all_kinds());
                break;
            }
        }
    }
    assert!(kept.len() >= 5 && kept.is_sorted(), "{kept:?}");
    // spec: BLK-3: no stripe has another's salt.
    let salts: std::collections::BTreeSet<_> = stripe_ends(&partial)
        .iter()
        .map(|end| partial[end + 24..end + 40].to_vec())
        .collect();
    assert_eq!(salts.len(), stripe_ends(&partial).len());
}

#[test]
fn with_other_block_sizes_and_parities_too() {
    for (block_size, parity) in [
        (BlockSize::FOUR_KIB, ParityGeometry::NONE),
        (BlockSize::FOUR_KIB, ParityGeometry::new(4).unwrap()),
        (BlockSize::SIXTY_FOUR_KIB, ParityGeometry::NONE),
    ] {
        let settings = |seed: &[u8]| PackSettings {
            block_size: Some(block_size),
            parity,
            random: Random::seeded(seed),
            ..settings_with_parity()
        };
        let sources = || vec![file("sql/a", noise("far", 40 << 20))];
        let (archive, _) = try_pack(sources(), settings(b"first")).unwrap();
        let ends = stripe_ends(&archive);
        for end in [ends[0], ends[ends.len() - 1]] {
            // The settings of the partial file win.
            let settings = PackSettings {
                parity: ParityGeometry::THREE,
                block_size: None,
                ..settings(b"second")
            };
            let resumed = try_resume(&archive[..end + 9000], &sources, settings).unwrap();
            assert_eq!(resumed.report.kept_len, end as u64);
            proved(&resumed, sources());
            assert_eq!(geometry_of(&resumed.archive).parity, parity);
        }
    }
}

// spec: RSM-1
#[test]
fn a_torn_stripe_in_the_middle_ends_what_is_kept() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let ends = stripe_ends(&archive);
    let geometry = geometry_of(&archive);
    let layout = geometry.stripe_of(StripeIndex(2), geometry.data_blocks_per_stripe(), false);
    let second_page = geometry.second_page_offset(&layout).unwrap().0;
    for at in [
        ends[1] as u64,
        ends[1] as u64 + 500_000,
        layout.page_offset.0 + 300,
        geometry.parity_offset(&layout, 3).0 + 77,
        second_page,
        second_page + layout.page_len as u64 - 1,
    ] {
        let mut torn = archive.clone();
        let end = torn.len().min(at as usize + 4096);
        torn[at as usize..end].fill(0);
        if torn == archive {
            torn[at as usize] ^= 1;
        }
        let resumed = try_resume(&torn, &all_kinds, again()).unwrap();
        assert_eq!(resumed.report.kept_len, ends[1] as u64, "{at}");
        proved(&resumed, all_kinds());
    }
}

#[test]
fn another_key_does_not_go_on() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let file = file_of(&archive[..stripe_ends(&archive)[1]]);
    for (mut keys, class) in [
        (vec![key_file(9)], ErrorClass::NoKeyFits),
        (vec![], ErrorClass::NoKeyOffered),
    ] {
        let file = file.try_clone().unwrap();
        let Err(error) = Partial::open(file, &mut keys) else {
            panic!("it opened");
        };
        assert_eq!(error.class(), class);
    }
}

/// Cut within `sql/a.bak`.
fn cut_in_large_file(archive: &[u8]) -> usize {
    let end = stripe_ends(archive)[1];
    let rows = rows_of(archive);
    assert_eq!(rows[1].path, path("sql/a.bak"));
    end
}

// spec: RSM-2
#[test]
fn a_source_that_changed_is_superseded_and_read_anew() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let cut = cut_in_large_file(&archive);
    let changed = || {
        let mut sources = all_kinds();
        let mut content = sources[1].content.clone();
        content.truncate(7 << 20);
        content[5] ^= 1;
        sources[1] = file("sql/a.bak", content);
        sources
    };
    let resumed = try_resume(&archive[..cut], &changed, again()).unwrap();
    assert_eq!(resumed.report.kept_len, cut as u64);
    proved(&resumed, changed());
    assert!(
        matches!(&resumed.warnings[..], [Warning::ChangedSince { path: p }] if *p == path("sql/a.bak"))
    );
    // One entry more than sources: what was begun stands there, filled with zeros.
    assert_eq!(resumed.report.entries, changed().len() as u64 + 1);
    assert!(resumed.report.zero_bytes > 5 << 20);
    assert_eq!(rows_of(&resumed.archive)[1].size, 7 << 20);
    // And once more, stopped in the replacement, or right at its beginning.
    for end in stripe_ends(&resumed.archive) {
        if end > cut {
            let once_more = try_resume(&resumed.archive[..end], &changed, settings_of("third"));
            let once_more = once_more.unwrap();
            assert!(once_more.report.kept_len >= cut as u64);
            proved(&once_more, changed());
        }
    }
}

fn settings_of(seed: &str) -> PackSettings {
    PackSettings {
        random: Random::seeded(seed.as_bytes()),
        ..small_stripes()
    }
}

#[test]
fn a_source_that_is_gone_is_left_out_and_what_was_begun_of_it_cut_away() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let cut = cut_in_large_file(&archive);
    let without = || {
        let mut sources = all_kinds();
        sources.remove(1);
        sources
    };
    let resumed = try_resume(&archive[..cut], &without, again()).unwrap();
    proved(&resumed, without());
    assert!(resumed.warnings.contains(&Warning::GoneSince {
        path: path("sql/a.bak")
    }));
}

#[test]
fn a_source_that_is_gone_is_unreadable_where_that_is_allowed() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let cut = cut_in_large_file(&archive);
    let closed = |behaviour: Option<Behaviour>| {
        let mut sources = all_kinds();
        match behaviour {
            None => drop(sources.remove(1)),
            Some(behaviour) => sources[1].behaviour = behaviour,
        }
        sources
    };
    for behaviour in [None, Some(Behaviour::Closed)] {
        let settings = PackSettings {
            allow_incomplete: true,
            ..again()
        };
        let resumed = try_resume(&archive[..cut], &|| closed(behaviour), settings).unwrap();
        assert_eq!(resumed.report.kept_len, cut as u64);
        assert_eq!(paths(&resumed.report.missing), ["sql/a.bak"]);
        let rows = rows_of(&resumed.archive);
        assert!(rows[1].flags.contains(RowFlags::UNREADABLE));
        let mut keys = vec![key()];
        let file = as_file(&resumed.archive);
        let report = verify(file, &mut keys, VerifyLevel::Full, 2, &Unobserved).unwrap();
        assert_eq!(report.findings, []);
        assert!(report.totals.unwrap().incomplete);
        let (sink, _) = unpacked(as_file(&resumed.archive)).unwrap();
        assert_eq!(sink.get("sql/b.bak"), noise("b", 300_000));

        // Whoever wants all of it has it, once the source can be read again.
        let further = *stripe_ends(&resumed.archive).last().unwrap();
        let partial = &resumed.archive[..further];
        let complete = try_resume(partial, &all_kinds, settings_of("third")).unwrap();
        proved(&complete, all_kinds());
    }
    let error = try_resume(
        &archive[..cut],
        &|| closed(Some(Behaviour::Closed)),
        again(),
    );
    let Err(PackError::Unreadable(missing)) = error.map(|resumed| resumed.report) else {
        panic!("it is not complete");
    };
    assert_eq!(paths(&missing), ["sql/a.bak"]);
}

/// Files of which there is little but their headers: there every stripe ends.
fn mostly_headers() -> Vec<MemorySource> {
    let mut sources: Vec<_> = (0..2500)
        .map(|number| {
            let name = format!("home/{number:04}");
            let mut source = match number % 3 {
                0 => bare(&name, EntryKind::Directory),
                1 => bare(
                    &name,
                    EntryKind::Symlink {
                        target: b"x".to_vec(),
                    },
                ),
                _ => file(&name, &b"little"[..number % 7]),
            };
            source.entry.xattrs = vec![(b"user.noise".to_vec(), noise(&name, 3100))];
            source
        })
        .collect();
    sources[2].entry.linked = true;
    let target = sources[2].entry.path.clone();
    sources[2499] = bare("home/2499", EntryKind::HardLink { target });
    sources
}

#[test]
fn a_stripe_may_end_in_a_header() {
    let (archive, _) = try_pack(mostly_headers(), small_stripes()).unwrap();
    let ends = stripe_ends(&archive);
    assert!(ends.len() >= 3, "{ends:?}");
    for end in &ends {
        let resumed = try_resume(&archive[..*end], &mostly_headers, again()).unwrap();
        assert_eq!(resumed.report.kept_len, *end as u64);
        proved(&resumed, mostly_headers());
    }
    // What was begun does not go on, so it must not be there: it is cut earlier.
    let last = ends[ends.len() - 1];
    let rows = rows_of(&archive);
    for is_gone in [false, true] {
        let changed = || {
            let mut sources = mostly_headers();
            let from = rows.len() / 2;
            for source in &mut sources[from..] {
                source.entry.xattrs = vec![(b"user.noise".to_vec(), vec![1; 3100])];
            }
            if is_gone {
                sources.truncate(from);
            }
            sources
        };
        let resumed = try_resume(&archive[..last], &changed, again()).unwrap();
        assert!(resumed.report.kept_len < last as u64);
        let keys = &mut vec![key()];
        let input = as_file(&resumed.archive);
        let report = verify(input, keys, VerifyLevel::Full, 2, &Unobserved).unwrap();
        assert_eq!(report.findings, []);
    }
}

#[test]
fn a_stream_is_read_anew_from_its_start() {
    let sources = || {
        vec![
            file("sql/a", noise("a", 3 << 20)),
            with_behaviour("sql/b", noise("pipe", 20 << 20), Behaviour::Stream),
            file("sql/c", noise("c", 3 << 20)),
        ]
    };
    let (archive, _) = try_pack(sources(), small_stripes()).unwrap();
    let ends = stripe_ends(&archive);
    let begun = rows_of(&archive)[1].header_offset.0;
    let mut from_start = 0;
    for end in &ends {
        let resumed = try_resume(&archive[..*end], &sources, again()).unwrap();
        assert_eq!(resumed.report.content_len, 26 << 20);
        let keys = &mut vec![key()];
        let file = as_file(&resumed.archive);
        let report = verify(file, keys, VerifyLevel::Full, 2, &Unobserved).unwrap();
        assert_eq!(report.findings, []);
        let (sink, _) = unpacked(as_file(&resumed.archive)).unwrap();
        assert!(sink.get("sql/b") == noise("pipe", 20 << 20));
        assert!(sink.get("sql/c") == noise("c", 3 << 20));
        if resumed.report.kept_len < *end as u64 {
            assert!(resumed.report.kept_len <= begun + (1 << 20));
            from_start += 1;
        }
    }
    assert!((3..ends.len()).contains(&from_start), "{from_start}");
}

#[test]
fn what_came_too_late_is_told_and_not_packed() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let end = *stripe_ends(&archive).last().unwrap();
    let more = || {
        let mut sources = all_kinds();
        sources.insert(1, file("sql/A", "early"));
        sources.insert(1, file("sql/9", "earlier"));
        sources.push(file("attachments/late", "late"));
        sources
    };
    let resumed = try_resume(&archive[..end], &more, again()).unwrap();
    let told = Warning::CameTooLate {
        path: path("sql/9"),
        further: 1,
    };
    assert_eq!(resumed.warnings, [told]);
    let mut expected = all_kinds();
    expected.push(file("attachments/late", "late"));
    proved(&resumed, expected);
}

/// Counts what it sees.
struct Counter {
    path: String,
    hasher: blake3::Hasher,
    seen: Arc<Mutex<Vec<(String, blake3::Hash)>>>,
}

impl Tap for Counter {
    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    fn zeros(&mut self, len: u64) {
        self.hasher.update(&vec![0; len as usize]);
    }

    fn finish(self: Box<Self>) -> Vec<EntryFacts> {
        let hash = self.hasher.finalize();
        self.seen.lock().unwrap().push((self.path, hash));
        EntryFacts::new(0x8001, hash.as_bytes().to_vec())
            .into_iter()
            .collect()
    }
}

#[test]
fn taps_see_the_content_of_all_entries_whole() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    for end in stripe_ends(&archive) {
        let seen = Arc::default();
        let of_kept = Arc::clone(&seen);
        let mut tap_of = move |entry: &Entry| -> Option<Box<dyn Tap>> {
            Some(Box::new(Counter {
                path: entry.path.to_string(),
                hasher: blake3::Hasher::new(),
                seen: Arc::clone(&of_kept),
            }))
        };
        let resumed = try_resume_with(&archive[..end], &all_kinds, again(), &mut tap_of).unwrap();
        proved(&resumed, all_kinds());
        let rows = rows_of(&resumed.archive);
        let seen = seen.lock().unwrap();
        assert!(!seen.is_empty() || end < 4 << 20);
        for (name, hash) in seen.iter() {
            let row = rows
                .iter()
                .find(|row| row.path.to_string() == *name)
                .unwrap();
            assert_eq!(row.content_hash.as_bytes(), hash.as_bytes(), "{name}");
        }
    }
}

/// Wants everything to stop at once.
struct Stopped;

impl Observer for Stopped {
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn it_can_be_stopped_while_it_looks() {
    let (archive, _) = try_pack(all_kinds(), small_stripes()).unwrap();
    let file = file_of(&archive[..stripe_ends(&archive)[1]]);
    let partial = Partial::open(file, &mut vec![key()]).unwrap().unwrap();
    let sources = || all_kinds().into_iter().map(MemorySource::boxed);
    let cut = |_| -> io::Result<Vec<u8>> { panic!("nothing is cut") };
    let stopped = resume(sources, again(), partial, &mut |_| None, cut, &Stopped);
    assert!(matches!(stopped, Err(PackError::Interrupted)));
}

#[test]
fn what_the_partial_file_promises_is_kept() {
    use bakpak_codec::pack::Matching;
    let sources = || {
        vec![
            file("sql/a", large("x")),
            file("sql/b", large("x")),
            file("sql/c", large("y")),
        ]
    };
    for copy_reach in [0, 1 << 20] {
        let settings = |seed: &str, copy_reach| PackSettings {
            matching: Some(Matching {
                copy_reach,
                ..Matching::default()
            }),
            ..settings_of(seed)
        };
        let (archive, _) = try_pack(sources(), settings("one", copy_reach)).unwrap();
        let end = stripe_ends(&archive)[1];
        // The command line asks for any.
        let resumed = try_resume(&archive[..end], &sources, settings("two", u64::MAX)).unwrap();
        assert_eq!(resumed.report.kept_len, end as u64);
        proved(&resumed, sources());
        if copy_reach == 0 {
            assert_eq!(resumed.report.copied_bytes, 0);
        }
    }
}

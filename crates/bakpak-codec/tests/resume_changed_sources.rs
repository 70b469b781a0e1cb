//! A pack goes on with what a stopped one has left, though its sources are not what they were.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::PackError;
use bakpak_codec::observer::{Unobserved, Warning};
use bakpak_codec::pack::PackSettings;
use bakpak_codec::verify::{VerifyLevel, verify};
use bakpak_format::catalogue::RowFlags;
use bakpak_format::entry::EntryKind;
use support::custom::*;
use support::resumed::*;
use support::*;

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

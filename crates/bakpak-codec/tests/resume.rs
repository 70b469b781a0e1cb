//! A pack that was stopped at any moment goes on, and the archive is as good as any.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::error::{ErrorClass, PackError};
use bakpak_codec::observer::Observer;
use bakpak_codec::pack::{Matching, PackSettings, resume};
use bakpak_codec::random::Random;
use bakpak_codec::resume::Partial;
use bakpak_codec::tap::Tap;
use bakpak_format::entry::Entry;
use bakpak_format::geometry::{BlockSize, ParityGeometry, StripeIndex};
use bakpak_format::record::EntryFacts;
use std::io;
use std::sync::{Arc, Mutex};
use support::resumed::*;
use support::*;

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
        let settings = settings_of(&format!("run {}", kept.len()));
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

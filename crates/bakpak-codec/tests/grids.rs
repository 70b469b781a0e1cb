//! Content that is made of units of one size is cut at their ends.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall fail"
)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::pack::{Matching, PackReport, PackSettings};
use bakpak_codec::source::Grid;
use bakpak_format::entry::Extent;
use proptest::prelude::*;
use support::*;

const PAGE: usize = 8 << 10;

/// What is said before the pages of a medium, and how long it is.
const LEAD: usize = 7656;

/// With the far tier only: the near one would find what it misses.
fn far_only() -> PackSettings {
    let matching = Matching {
        history_len: 0,
        ..Matching::default()
    };
    PackSettings {
        matching: Some(matching),
        ..settings()
    }
}

/// Packs them, and sees that each comes back.
fn packed_and_unpacked(sources: Vec<MemorySource>) -> PackReport {
    let truths: Vec<_> = sources.iter().map(MemorySource::truth).collect();
    let (archive, report) = try_pack(sources, far_only()).unwrap();
    let (sink, _) = unpacked(as_file(&archive)).unwrap();
    for (entry, content) in truths {
        assert!(sink.entries[&entry.path].1 == content, "{}", entry.path);
    }
    report
}

/// Pages that another medium holds too, with one byte changed in some of them.
fn changed(pages: &[u8], which: &[usize]) -> Vec<u8> {
    let mut changed = [noise("lead", LEAD), pages.to_vec(), noise("end", 1536)].concat();
    for page in which {
        changed[LEAD + page * PAGE + 5000] ^= 1;
    }
    changed
}

#[test]
fn a_page_that_changed_costs_itself_in_small_files_and_in_large_ones() {
    // Files of up to 8 MiB are read whole, and go another way.
    for count in [64, 1200] {
        let old = noise("pages", count * PAGE);
        let which = [3, 20, 21, count - 1];
        let new = changed(&old, &which);
        let len = (count * PAGE) as u64;
        let copied = |grids: [Vec<Grid>; 2]| {
            let [first, second] = grids;
            let sources = vec![
                gridded("sql/a", old.clone(), first),
                // The chunk that holds the last of them has to be closed.
                file("sql/b", noise("between", 2_000_000)),
                gridded("sql/c", new.clone(), second),
            ];
            packed_and_unpacked(sources).copied_bytes
        };
        let in_grids = copied([vec![pages(0, len)], vec![pages(LEAD as u64, len)]]);
        assert_eq!(in_grids, ((count - which.len()) * PAGE) as u64);
        let at_anchors = copied([Vec::new(), Vec::new()]);
        assert!(at_anchors + 100_000 < in_grids, "{at_anchors}");
    }
}

#[test]
fn pages_of_zeros_and_holes_in_a_grid_are_no_data() {
    let data = noise("before a hole", 40 * PAGE);
    let mut content = vec![0; 100 * PAGE];
    content[..data.len()].copy_from_slice(&data);
    content[60 * PAGE + 512..][..512].fill(1);
    let len = content.len() as u64;
    let extents = vec![
        Extent {
            offset: 0,
            len: 50 * PAGE as u64,
        },
        Extent {
            offset: 60 * PAGE as u64 + 512,
            len: len - 60 * PAGE as u64 - 512,
        },
    ];
    let mut source = sparse("sql/a", content, extents);
    source.grids = vec![pages(0, len)];
    let report = packed_and_unpacked(vec![source]);
    assert!(report.zero_bytes >= 48 * PAGE as u64, "{report:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_grids_a_source_claims_its_content_comes_back(
        grids in proptest::collection::vec(
            (0_u64..400_000, 0_u64..400_000, 0_u32..70_000, 0_u32..140_000), 0..40),
        wild in proptest::collection::vec(any::<(u64, u64, u32, u32)>(), 0..4),
        len in 1_usize..300_000,
    ) {
        let grids: Vec<_> = grids
            .into_iter()
            .chain(wild)
            .map(|(offset, len, unit_len, group_len)| Grid { offset, len, unit_len, group_len })
            .collect();
        let content = noise("claimed", len);
        let mut large = content.repeat(9_000_000 / len + 1);
        large.truncate(9_000_000);
        packed_and_unpacked(vec![
            gridded("sql/a", large, grids.clone()),
            gridded("sql/b", content, grids),
        ]);
    }
}

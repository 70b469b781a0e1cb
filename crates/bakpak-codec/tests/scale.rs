//! What shows only in archives of several stripes and checkpoints with many entries.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::verify::{VerifyLevel, verify};
use bakpak_format::geometry::BlockSize;
use support::*;

fn files(count: usize, len: usize) -> Vec<MemorySource> {
    let file = |number| {
        file(
            &format!("home/{number:08}"),
            noise(&format!("{number}"), len),
        )
    };
    (0..count).map(file).collect()
}

fn pack_and_verify(sources: Vec<MemorySource>, settings: PackSettings) {
    let archive = try_pack(sources, settings).unwrap().0;
    let mut keys = vec![key()];
    let report = verify(
        as_file(&archive),
        &mut keys,
        VerifyLevel::Full,
        2,
        &Unobserved,
    );
    assert_eq!(report.unwrap().findings, []);
}

/// A stripe may end anywhere among chunks and their rows, but no CHECKPOINT stands between a chunk
/// and the rows of the entries that end in it (spec: CAT-3).
#[test]
fn stripes_end_wherever_among_small_files() {
    for len in [0, 200, 900, 3000] {
        let settings = PackSettings {
            // Chunks are as long as they may be in these: rows of many entries follow each.
            block_size: Some(BlockSize::FOUR_KIB),
            ..settings()
        };
        pack_and_verify(files(10_000_000 / (1_000 + len), len), settings);
    }
}

#[test]
fn checkpoints_in_the_middle_of_a_stripe_come_behind_rows() {
    let settings = PackSettings {
        block_size: Some(BlockSize::ONE_MIB),
        chunk_size: Some(4096),
        matching: None,
        ..settings()
    };
    pack_and_verify(files(17_000, 3000), settings);
}

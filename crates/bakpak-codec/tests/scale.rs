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

/// Empty files in two directories, with the same long names, of which no part repeats.
fn long_names(count: usize, len: usize) -> Vec<MemorySource> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte % 64)]);
    let name = |number| -> String {
        let noise = noise(&format!("{number}"), len).into_iter();
        format!("{number:08}{}", noise.map(letter).collect::<String>())
    };
    let names: Vec<String> = (0..count).map(name).collect();
    ["a", "b"]
        .iter()
        .flat_map(|dir| names.iter().map(move |name| (dir, name)))
        .map(|(dir, name)| file(&format!("home/{dir}/{name}"), Vec::new()))
        .collect()
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

/// Headers that stood there before are copied, so a chunk takes many; their rows are not.
#[test]
fn stripes_end_wherever_among_long_rows() {
    for len in [1000, 3000, 10_000] {
        let settings = PackSettings {
            block_size: Some(BlockSize::FOUR_KIB),
            ..settings()
        };
        pack_and_verify(long_names(6_000_000 / len, len), settings);
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

//! Runs every fuzz function over the test vectors and over seeded mutations of what they hold.
//!
//! The same seeds give the same inputs on every machine. An input that breaks a promise is written
//! to `target/fuzz/`, where `cargo fuzz run TARGET FILE` takes it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "helpers of tests may panic too"
)]

#[path = "mutations/foreign_seeds.rs"]
mod foreign_seeds;
#[path = "mutations/mutator.rs"]
mod mutator;
#[path = "mutations/seeds.rs"]
mod seeds;

use bakpak_fuzz::{ALL, FuzzFunction};
use mutator::Mutator;
use seeds::Seeds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

/// Of each function, if nothing else is asked for (`BAKPAK_FUZZ_MUTATIONS`).
const MUTATIONS: usize = 2000;

fn mutations() -> usize {
    match std::env::var("BAKPAK_FUZZ_MUTATIONS") {
        Ok(count) => count.parse().expect("BAKPAK_FUZZ_MUTATIONS is a number"),
        Err(_) => MUTATIONS,
    }
}

fn seeds() -> &'static Seeds {
    static SEEDS: OnceLock<Seeds> = OnceLock::new();
    SEEDS.get_or_init(Seeds::collect)
}

fn function(name: &str) -> FuzzFunction {
    ALL.iter().find(|(found, _)| *found == name).unwrap().1
}

/// Runs one input; one that fails is kept.
fn run(name: &str, input: &[u8], what: &str) {
    let function = function(name);
    if catch_unwind(AssertUnwindSafe(|| function(input))).is_err() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz");
        std::fs::create_dir_all(&root).unwrap();
        let path = root.join(format!("{name}-{:08x}", mutator::hash(input)));
        std::fs::write(&path, input).unwrap();
        panic!("{name} fails on {what}; the input is in {}", path.display());
    }
}

/// The seeds of a function as they are, then their mutations.
fn fuzz(name: &str) {
    let start = Instant::now();
    let seeds = seeds().of(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for (number, seed) in seeds.iter().enumerate() {
        run(name, &seed.bytes, &format!("seed {number}"));
    }
    let mut mutator = Mutator::new(name);
    let count = mutations();
    for number in 0..count {
        let seed = &seeds[mutator.below(seeds.len())];
        let other = &seeds[mutator.below(seeds.len())];
        let mut input = mutator.mutate(&seed.bytes, &other.bytes);
        // Every other one with checksums that hold, so that it gets behind them.
        if number % 2 == 0 {
            input = seed.mended(name, input);
        }
        run(name, &input, &format!("mutation {number}"));
    }
    let took = start.elapsed().as_secs_f64();
    println!(
        "{name}: {} seeds, {count} mutations, {took:.1} s",
        seeds.len()
    );
}

#[test]
fn every_function_has_a_test_and_a_target() {
    let tests = include_str!("mutations.rs");
    let manifest = include_str!("../../Cargo.toml");
    for (name, _) in ALL {
        assert!(
            tests.contains(&format!("fuzz(\"{name}\")")),
            "{name} has no test"
        );
        let target = format!("fuzz_targets/{name}.rs");
        assert!(
            manifest.contains(&target),
            "{name} is not in fuzz/Cargo.toml"
        );
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(target);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(&format!("::{name}(data)")),
            "{}",
            path.display()
        );
    }
}

/// For `cargo xtask fuzz`.
#[test]
#[ignore = "writes the seeds of libFuzzer to the folder that BAKPAK_FUZZ_CORPUS names"]
fn seeds_are_written() {
    let corpus = std::env::var_os("BAKPAK_FUZZ_CORPUS").expect("BAKPAK_FUZZ_CORPUS names a folder");
    for (name, _) in ALL {
        let folder = PathBuf::from(&corpus).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds().of(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:05}")), &seed.bytes).unwrap();
        }
    }
}

#[test]
fn every_function_takes_every_vector() {
    let seeds = seeds();
    println!(
        "{} files of test vectors: {:?}",
        seeds.vectors.len(),
        seeds.folders
    );
    assert!(!seeds.vectors.is_empty(), "there are no test vectors");
    for (name, _) in ALL {
        // The functions of whole archives take them below, as their own seeds.
        if !name.starts_with("archive") {
            for (path, bytes) in &seeds.vectors {
                run(name, bytes, path);
            }
        }
    }
}

#[test]
fn every_function_takes_inputs_of_any_length_and_of_one_value() {
    for (name, _) in ALL {
        for len in (0..600).chain([4095, 4096, 4097, 32_768]) {
            for value in [0, 1, b'0', b'/', 0x80, 0xFF] {
                if len < 600 && name.starts_with("archive") && len % 50 > 0 {
                    continue;
                }
                run(name, &vec![value; len], &format!("{len} times {value}"));
            }
        }
    }
}

#[test]
fn structures_hold_their_promises() {
    fuzz("head");
    fuzz("slots");
    fuzz("envelope");
    fuzz("block");
    fuzz("check_page");
    fuzz("tail");
    fuzz("key_file");
}

#[test]
fn what_is_sealed_holds_its_promises() {
    fuzz("record");
    fuzz("chunk");
    fuzz("script");
    fuzz("catalogue_page");
    fuzz("tree_page");
    fuzz("entry");
    fuzz("path");
    fuzz("sparse_map");
}

#[test]
fn compressed_media_hold_their_promises() {
    fuzz("xpress");
    fuzz("container");
}

#[test]
fn media_hold_their_promises() {
    fuzz("media");
}

#[test]
fn streams_in_archives_hold_their_promises() {
    fuzz("stream");
}

#[test]
fn records_in_archives_hold_their_promises() {
    fuzz("records");
}

#[test]
fn archives_without_a_key_hold_their_promises() {
    fuzz("archive_keyless");
}

#[test]
fn repairs_hold_their_promises() {
    fuzz("repair");
}

#[test]
fn salvages_hold_their_promises() {
    fuzz("salvage");
}

#[test]
fn archives_with_a_key_hold_their_promises() {
    fuzz("archive_with_key");
}

#[test]
fn checks_of_foreign_files_hold_their_promises() {
    fuzz("bacpac");
    fuzz("pg_dump");
    fuzz("qdrant");
    fuzz("certificate");
}

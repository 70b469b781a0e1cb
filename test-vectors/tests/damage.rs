//! Walks `damage.toml`: both readers make of every damage what it says.
#![allow(missing_docs)]

#[path = "../../cli/tests/support/needs.rs"]
#[allow(dead_code)]
mod needs;
#[path = "support/support.rs"]
mod support;

use bakpak_codec::observer::Unobserved;
use bakpak_codec::repair::repair;
use bakpak_vectors::damage::{self, Damage, Expect, MANIFEST, Operation};
use bakpak_vectors::vectors;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek};
use std::process::Command;
use support::{cases, file_of, folder, in_parallel, programs};
use toml::{Table, Value};

#[test]
fn what_is_damaged_is_mended_or_lost_as_the_manifest_says() {
    let (told, bases) = (told(), bases());
    let damages = damage::all();
    let wrong = in_parallel(&damages, |damage| {
        let mut said = said(damage, &bases[damage.base]);
        let is_mended = said["expect"].as_str() == Some("repaired");
        if damage.expect == Expect::Unmended && !is_mended {
            said.insert("expect".into(), "unmended".into());
            said.remove("lost_blocks");
        }
        let expected = &told[damage.name];
        let wrong = (said != *expected).then(|| format!("{}: {said:#?}", damage.name));
        wrong.into_iter().collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_second_reader_mends_the_same() {
    let root = folder().parent().expect("the crate is in a folder");
    let python = root.join("target/reader-venv/bin/python");
    if !python.exists() {
        needs::missing("the second reader is not set up (`cargo xtask test --only setup` does)");
        return;
    }
    let recipes = tempfile::tempdir().expect("a folder");
    for (name, archive) in bases() {
        let path = recipes.path().join(name).with_extension("bakpak");
        fs::write(path, archive).expect("it takes the archive");
    }
    let output = Command::new(python)
        .arg(root.join("format-spec/reader/run_damage.py"))
        .args([&folder().join(MANIFEST), recipes.path()])
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{} passed, 0 failed, 0 skipped", damage::all().len());
    assert!(
        said.trim() == all,
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn manifest_and_programs_agree_and_bases_are_accepted() {
    let told = told();
    let names: BTreeSet<&str> = damage::all().iter().map(|damage| damage.name).collect();
    assert!(names.len() >= 40, "there are {} damages", names.len());
    assert_eq!(names.len(), damage::all().len(), "a name is there twice");
    assert!(told.keys().map(String::as_str).eq(names.iter().copied()));
    for damage in damage::all() {
        let base = &programs()[damage.base];
        assert!(base.is_whole(), "{}", damage.name);
        assert!(!damage.rules.is_empty(), "{}", damage.name);
    }
    assert!(!cases().iter().any(|case| names.contains(&*case.name)));
}

fn bases() -> BTreeMap<&'static str, Vec<u8>> {
    damage::bases(&vectors::all())
}

/// What the manifest says of a damage, but for operations and reasons.
fn told() -> BTreeMap<String, Table> {
    let text = fs::read_to_string(folder().join(MANIFEST)).expect("a manifest");
    let top: Table = text.parse().expect("a manifest in TOML");
    let damages = top["damage"].as_array().expect("[[damage]]");
    let entries = damages.iter().map(|damage| {
        let mut damage = damage.as_table().expect("[[damage]]").clone();
        let name = damage["name"].as_str().expect("a text").to_owned();
        let said = [
            "expect",
            "root",
            "file_blake3",
            "lost_blocks",
            "damaged_blake3",
        ];
        damage.retain(|key, _| said.contains(&key));
        (name, damage)
    });
    entries.collect()
}

/// What a repair says, in the manifest's words.
fn said(damage: &Damage, base: &[u8]) -> Table {
    let damaged = damage.apply(base);
    let mut said = Table::new();
    let mut say = |key: &str, value: Value| said.insert(key.into(), value);
    say("damaged_blake3", hash(&damaged));
    let mut output = tempfile::tempfile().expect("a temporary file");
    let report = match repair(&file_of(&damaged), &output, 1, &Unobserved) {
        Ok(report) => report,
        Err(_) => {
            say("expect", "refused".into());
            return said;
        }
    };
    let moves = |operation: &Operation| {
        use Operation::{Cut, Insert, Repeat, Swap};
        matches!(operation, Cut(_) | Insert { .. } | Repeat(_) | Swap(..))
    };
    // Where nothing moved, nothing keeps from mending in place (spec: RPR-10).
    let is_moved = damage.operations(base).iter().any(moves);
    assert!(is_moved || !report.is_moved, "{}: it is not", damage.name);
    if !report.is_complete() {
        let blocks: BTreeSet<u64> = report.lost.iter().filter_map(|f| f.block).collect();
        say("expect", "lost".into());
        say("lost_blocks", (blocks.len() as i64).into());
        return said;
    }
    let mut mended = Vec::new();
    output.rewind().expect("a file");
    output.read_to_end(&mut mended).expect("a file");
    say("expect", "repaired".into());
    say("file_blake3", hash(&mended));
    say("root", damage::Map::of(&mended).root().into());
    said
}

fn hash(bytes: &[u8]) -> Value {
    blake3::hash(bytes).to_hex().to_string().into()
}

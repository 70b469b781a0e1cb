//! What is committed is what the programs make, and the manifest names all of it.
#![allow(missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_vectors::{manifest, vectors};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use support::{cases, folder};

#[test]
fn what_is_committed_is_what_the_programs_make() {
    let made = manifest::files(&vectors::all());
    assert_eq!(
        made,
        manifest::files(&vectors::all()),
        "another time, other bytes"
    );
    for (path, bytes) in &made {
        let committed = fs::read(folder().join(path)).unwrap_or_default();
        let hint = "run `cargo run -p bakpak-vectors -- write`";
        assert!(committed == *bytes, "{} differs: {hint}", path.display());
    }
    let paths: BTreeSet<PathBuf> = made
        .into_keys()
        .filter(|path| path.parent() != Some(Path::new("")))
        .collect();
    assert_eq!(listed(["accept", "reject", "components"]), paths);
}

#[test]
fn folders_and_manifest_are_equal_sets() {
    let named: BTreeSet<PathBuf> = cases()
        .iter()
        .filter_map(|case| Some(case.file.as_ref()?.strip_prefix(folder()).unwrap().into()))
        .collect();
    assert!(named.len() >= 60, "{} vectors are stored", named.len());
    assert_eq!(listed(["accept", "reject"]), named);
}

#[test]
fn names_are_unique_and_say_where_a_vector_is_stored() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    for case in &cases {
        let file = case.file.as_deref().and_then(Path::file_stem);
        assert!(file.is_none_or(|stem| *stem == *case.name), "{}", case.name);
    }
}

/// All files of these folders, by their paths in the crate's.
fn listed<const N: usize>(folders: [&str; N]) -> BTreeSet<PathBuf> {
    let entries = folders.into_iter().flat_map(|name| {
        let entries = fs::read_dir(folder().join(name)).expect("a folder");
        entries.map(move |entry| Path::new(name).join(entry.expect("an entry").file_name()))
    });
    entries.collect()
}

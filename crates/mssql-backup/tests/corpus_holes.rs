//! Holes in real backups: the pages told as lost are the lost ones. The files lie beside the
//! repository, see `corpus.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::path::{Path, PathBuf};

use mssql_backup::check::PageId;
use mssql_backup::container::MAGIC;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;
#[path = "support/truth.rs"]
mod truth;

use truth::{Random, Truth, all_lost_are_told, check_with_holes, exact_ones_are_lost, told};

/// Every file of the corpus that is a backup, with its name.
fn backups() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/bak");
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => paths.push(entry.path()),
            }
        }
    }
    paths.sort();
    if paths.is_empty() {
        needs::refused("the sample backups are not beside the repository");
    }
    let named = paths.into_iter().map(|path| {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        (name, fs::read(path).unwrap())
    });
    let is_backup = |bytes: &[u8]| bytes.starts_with(b"TAPE") || bytes.starts_with(&MAGIC);
    named.filter(|(_, bytes)| is_backup(bytes)).collect()
}

/// What naming lost extents rests on.
#[test]
fn extents_of_a_file_stand_in_ascending_order() {
    let (mut files, mut sections, mut extents) = (0, 0, 0);
    for (name, bytes) in backups() {
        let truth = Truth::of(&bytes);
        let mut last: Option<(usize, PageId)> = None;
        for (offset, id) in truth.units.iter().step_by(8) {
            let Some(id) = id else { continue };
            // Units of one section stand one behind the other.
            match last {
                Some((before, page)) if before + 65_536 == *offset && page.file == id.file => {
                    assert!(page.page < id.page, "{name}: {id} follows {page}");
                }
                Some((before, _)) if before + 65_536 == *offset => {}
                _ => sections += 1,
            }
            last = Some((*offset, *id));
            extents += 1;
        }
        files += usize::from(!truth.units.is_empty());
    }
    println!("{files} files of the corpus with pages read: {sections} sections, {extents} extents");
}

#[test]
fn pages_in_holes_are_told() {
    let mut random = Random(7);
    let (mut files, mut holes_in_all, mut exact) = (0, 0, 0);
    let mut counts = [0; 3];
    for (name, bytes) in backups() {
        let truth = Truth::of(&bytes);
        for round in 0..60 {
            let mut holes = Vec::new();
            let mut from = 0;
            for _ in 0..=random.below(3) {
                let sizes = [1, 700, 4096, 8192, 20_000, 70_000, 300_000, 1 << 20];
                let start = from + random.below(bytes.len() - from);
                let len = 1 + random.below(sizes[random.below(sizes.len())]);
                let end = (start + len).min(bytes.len());
                if start < end {
                    holes.push(start..end);
                }
                from = (end + 1).min(bytes.len() - 1);
            }
            let report = check_with_holes(&bytes, &holes);
            let what = format!("{name}, round {round}, holes {holes:?}");
            assert!(report.is_damaged() || report.fault_count > 0, "{what}");
            let (told, lost) = (told(&report), truth.lost(&holes));
            exact += exact_ones_are_lost(&what, &told, &lost);
            holes_in_all += holes.len();
            if truth.are_in_pages(&holes) {
                let found = all_lost_are_told(&what, &told, &lost);
                for (sum, found) in counts.iter_mut().zip(found) {
                    *sum += found;
                }
            }
        }
        files += 1;
    }
    let [named, among, unnamed] = counts;
    println!(
        "{files} files of the corpus read, {holes_in_all} holes, {exact} pages named exactly; of the \
         pages lost in holes within pages {named} are exact, {among} are among a range, {unnamed} \
         are counted without a name"
    );
    assert!(files == 0 || named > among + unnamed);
}

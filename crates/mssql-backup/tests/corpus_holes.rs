//! Holes in real backups: the pages told as lost are the lost ones. The files lie beside the
//! repository, see `corpus.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::collections::BTreeMap;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;

#[path = "support/corpus.rs"]
mod corpus;

use corpus::backups;
#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/truth.rs"]
mod truth;

use truth::{
    Random, Truth, add, check_with_holes, exact_ones_are_lost, how_told, loses_structure, told,
};

/// What naming lost extents rests on.
#[test]
fn extents_of_a_file_stand_in_ascending_order() {
    let (mut files, mut sections, mut extents, mut of_several) = (0, 0, 0, 0);
    for (name, bytes) in backups() {
        let truth = Truth::of(&bytes);
        for section in &truth.sections {
            let mut last: BTreeMap<u16, u32> = BTreeMap::new();
            let units = truth.units.iter();
            let extents_here = units
                .filter(|(offset, _)| section.contains(offset))
                .step_by(8);
            for id in extents_here.filter_map(|(_, id)| *id) {
                let before = last.insert(id.file, id.page);
                assert!(before.is_none_or(|page| page < id.page), "{name}: {id}");
                extents += 1;
            }
            sections += 1;
            of_several += usize::from(last.len() > 1);
        }
        files += usize::from(!truth.units.is_empty());
    }
    println!(
        "{files} files of the corpus with pages read: {sections} data sections, {of_several} of them \
         of several files, {extents} extents"
    );
    assert!(files == 0 || extents > 100);
}

#[test]
fn pages_in_holes_are_told() {
    let mut random = Random(7);
    let (mut files, mut holes_in_all, mut exact) = (0, 0, 0);
    let (mut in_pages, mut others) = ([0; 4], [0; 4]);
    for (name, bytes) in backups() {
        let truth = Truth::of(&bytes);
        for round in 0..60 {
            let holes = random.holes(bytes.len());
            let report = check_with_holes(&bytes, &holes);
            let what = format!("{name}, round {round}, holes {holes:?}");
            assert!(report.is_damaged() || report.fault_count > 0, "{what}");
            let (told, lost) = (told(&report), truth.lost(&holes));
            exact += exact_ones_are_lost(&what, &told, &lost);
            holes_in_all += holes.len();
            let found = how_told(&told, &truth.surely_lost(&bytes, &holes));
            if truth.are_in_pages(&holes) {
                assert_eq!(found[3], 0, "{what}: {told:?}");
                add(&mut in_pages, found);
            } else {
                assert!(
                    found[3] == 0 || loses_structure(&report, truth.sets),
                    "{what}: {told:?}"
                );
                add(&mut others, found);
            }
        }
        files += 1;
    }
    println!(
        "{files} files of the corpus read, {holes_in_all} holes, {exact} pages named exactly. Lost \
         pages that are named exactly, among a range, counted without a name, not told: {in_pages:?} \
         where holes are in pages only, {others:?} where they are in descriptors too"
    );
    assert!(files == 0 || in_pages[0] > in_pages[1] + in_pages[2]);
}

//! Every verb over a file system that fails, or is killed, at each call: what is left is old, new,
//! or finished by the same command.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![allow(clippy::panic, reason = "a test that fails tells all that it found")]

use std::path::Path;

use bakpak_faults::campaign::{self, Played};
use bakpak_faults::fault::{Fault, Place, Plan};
use bakpak_faults::scene::{Noise, Scene, Size};
use bakpak_faults::snapshot::Snapshot;
use bakpak_faults::verbs::{self, VERBS, Verb};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/needs.rs"]
mod needs;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bakpak");

/// A scene, if programs can be traced here.
fn scene(size: Size) -> Option<Scene> {
    if let Some(why) = bakpak_faults::refusal() {
        match bakpak_faults::IS_SUPPORTED {
            true => needs::missing(&why),
            false => needs::refused(&why),
        }
        return None;
    }
    Some(Scene::new(Path::new(PROGRAM), size).unwrap())
}

/// Plays every case of a verb, with the smallest archive.
fn every_call(name: &str, faults: &[Fault]) {
    let Some(scene) = scene(Size::Smallest) else {
        return;
    };
    let started = std::time::Instant::now();
    let played = campaign::every_call(&scene, verbs::find(name).unwrap(), faults);
    judge(name, scene, &played, faults);
    println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
}

/// Each fault came, and after none of them something held that must not.
fn judge(name: &str, scene: Scene, played: &Played, faults: &[Fault]) {
    for fault in faults {
        let count = played.counts.get(fault).copied().unwrap_or_default();
        println!("{name}: {fault} at {count} calls");
        // The last case is the one in which it came no more.
        assert!(count > 1, "{name}: {fault} befell nothing");
    }
    if !played.failures.is_empty() {
        let kept = scene.keep();
        panic!(
            "{}\nthe scene is kept in {}",
            played.failures.join("\n\n"),
            kept.display()
        );
    }
}

#[test]
fn pack() {
    every_call("pack", &Fault::ALL);
}

#[test]
fn pack_resume() {
    every_call("pack --resume", &Fault::ALL);
}

#[test]
fn salvage() {
    every_call("salvage", &Fault::ALL);
}

#[test]
fn what_vanishes_or_is_cut_while_it_is_read() {
    for verb in ["pack what vanishes", "unpack what vanishes"] {
        every_call(verb, &Fault::OF_SOURCES);
    }
}

#[test]
fn repair() {
    every_call("repair -o", &Fault::ALL);
}

#[test]
fn repair_in_place() {
    every_call("repair --in-place", &Fault::ALL);
}

#[test]
fn key_change() {
    for verb in ["key add", "key rotate"] {
        every_call(verb, &Fault::ALL);
    }
}

#[test]
fn unpack() {
    every_call("unpack", &Fault::ALL);
}

#[test]
fn unpack_from_a_pipe() {
    every_call("unpack -", &Fault::ALL);
}

#[test]
fn unpack_replace() {
    every_call("unpack --replace", &Fault::ALL);
}

#[test]
fn unpack_merge() {
    every_call("unpack --merge", &Fault::ALL);
}

/// What only reads fails clearly, or does not let the fault show.
const OF_READERS: [Fault; 3] = [Fault::Io, Fault::Interrupted, Fault::Short];

#[test]
fn readers() {
    for verb in ["verify", "list", "cat", "inspect"] {
        every_call(verb, &OF_READERS);
    }
}

/// What no program may let show can happen all the time.
#[test]
fn reads_and_writes_that_are_always_short_or_often_interrupted() {
    let Some(scene) = scene(Size::Smallest) else {
        return;
    };
    let verbs = VERBS.iter().filter(|verb| verb.source.is_none());
    let mut count = 0;
    for verb in verbs {
        for (fault, every) in [
            (Fault::Short, 1),
            (Fault::Short, 2),
            (Fault::Interrupted, 2),
        ] {
            let place = Place::Every(every);
            let came = campaign::play(&scene, verb, Plan { fault, place });
            assert!(
                came.map_err(|error| format!("{error:#}")).unwrap(),
                "{}",
                verb.name
            );
            count += 1;
        }
    }
    assert!(count >= 30);
}

/// Of a larger archive, faults at calls that a seed chooses: all of them would take hours.
#[test]
fn a_larger_archive_at_some_calls() {
    let Some(scene) = scene(Size::Larger) else {
        return;
    };
    let verbs: Vec<&Verb> = VERBS.iter().filter(|verb| verb.source.is_none()).collect();
    let count = 500;
    let started = std::time::Instant::now();
    let (mut played, mut noise) = (Played::default(), Noise(SEED));
    for (index, verb) in verbs.iter().enumerate() {
        let faults: &[Fault] = if verb.is_reader {
            &OF_READERS
        } else {
            &Fault::ALL
        };
        // As many of each verb, and those that are left over of the first.
        let share = count / verbs.len() + usize::from(index < count % verbs.len());
        let some = campaign::sample(&scene, verb, faults, share as u64, &mut noise).unwrap();
        played.failures.extend(some.failures);
        for (fault, count) in some.counts {
            *played.counts.entry(fault).or_default() += count;
        }
        println!("{}: {:.1} s", verb.name, started.elapsed().as_secs_f64());
    }
    assert_eq!(
        played.counts.values().sum::<u64>(),
        count as u64,
        "{:?}",
        played.failures
    );
    judge("all verbs", scene, &played, &Fault::ALL);
}

/// Calls that the sample takes come from this number.
const SEED: u64 = 20_261_120;

/// What was done and verified is not done again: the later an unpack is killed, the less the next run
/// writes, and files that were complete stay the same files.
#[test]
fn a_killed_unpack_is_not_repeated() {
    let Some(scene) = scene(Size::Larger) else {
        return;
    };
    let verb = verbs::find("unpack").unwrap();
    let fault = Fault::KillBefore;
    let calls = campaign::count_calls(&scene, verb, fault).unwrap();
    let (mut kept_before, mut writes) = (0, Vec::new());
    for tenths in [1, 3, 5, 7, 9] {
        let place = Place::Nth(calls * tenths / 10);
        let plan = Some(Plan { fault, place });
        scene.clear().unwrap();
        let killed = scene.run(verb.line, (None, None), plan).unwrap();
        assert_eq!(killed.code, None, "{}", killed.err);
        let stage = scene.names("").unwrap().pop().unwrap();
        let tree = format!("work/{stage}/tree");
        let left = scene.tree(&tree).unwrap();
        // Only to count what it writes: it is played to its end.
        let all = Plan {
            fault: Fault::Full,
            place: Place::Nth(u64::MAX),
        };
        let again = scene.run(verb.line, (None, None), Some(all)).unwrap();
        assert_eq!(again.code, Some(0), "{}", again.err);
        let out = scene.tree("work/out").unwrap();
        scene
            .tree("home")
            .unwrap()
            .same_tree(&scene.tree("work/out/home").unwrap())
            .unwrap();
        let complete = |path: &Path| {
            let (Some(left), Some(out)) = (left.thing(path), out.thing(path)) else {
                return false;
            };
            left.bytes().is_some() && left.mtime == out.mtime && left.bytes() == out.bytes()
        };
        let kept: Vec<_> = left.paths().filter(|path| complete(path)).collect();
        for path in &kept {
            let inode = |tree: &Snapshot| tree.thing(path).unwrap().inode;
            assert_eq!(inode(&left), inode(&out), "{}", path.display());
        }
        println!(
            "killed at {tenths}/10: {} files kept; {} calls then",
            kept.len(),
            again.calls
        );
        assert!(kept.len() >= kept_before);
        assert_eq!(
            again.err.contains("not written again"),
            !kept.is_empty(),
            "{}",
            again.err
        );
        kept_before = kept.len();
        writes.push(again.calls);
    }
    assert!(kept_before >= 20, "only {kept_before} files were kept");
    // Of each file that is kept, at least its making and its writing are one rename.
    let saved = writes[0] - writes[4];
    assert!(
        saved as usize >= kept_before,
        "{writes:?}, {kept_before} files kept"
    );
}

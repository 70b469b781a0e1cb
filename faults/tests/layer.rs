//! The layer itself, with a shell as the program: each fault does what it says, and is counted.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::path::PathBuf;

use bakpak_faults::fault::{Fault, Place, Plan};
use bakpak_faults::{Ended, Job, run};
use tempfile::TempDir;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../cli/tests/support/needs.rs"]
mod needs;

/// Makes `f`, and writes eight bytes to it.
const SCRIPT: &str = "printf 'abcdefgh' > f; echo done";

/// Whether programs can be traced here; if not, that is said.
fn can_trace() -> bool {
    let refusal = bakpak_faults::refusal();
    match &refusal {
        Some(why) if bakpak_faults::IS_SUPPORTED => needs::missing(why),
        Some(why) => needs::refused(why),
        None => {}
    }
    refusal.is_none()
}

fn play(script: &str, plan: Option<Plan>) -> (TempDir, Ended) {
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    fs::write(root.join("source"), "0123456789").unwrap();
    let job = Job {
        program: PathBuf::from("/bin/sh"),
        args: ["-c", script].map(Into::into).to_vec(),
        dir: root.clone(),
        root: root.clone(),
        input: None,
        source: Some(root.join("source")),
    };
    let ended = run(&job, plan).unwrap();
    (temp, ended)
}

/// The fault at the call that this is the beginning of, with the content of `f` afterwards.
fn at(call: &str, fault: Fault, script: &str) -> (Option<String>, Ended) {
    for n in 1.. {
        let place = Place::Nth(n);
        let (temp, ended) = play(script, Some(Plan { fault, place }));
        let hit = ended.hit.clone().expect("the call is made");
        if hit.starts_with(call) {
            return (fs::read_to_string(temp.path().join("f")).ok(), ended);
        }
    }
    unreachable!("numbers do not end")
}

#[test]
fn only_calls_that_touch_files_are_counted() {
    if !can_trace() {
        return;
    }
    let (temp, ended) = play(SCRIPT, None);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.out, b"done\n");
    assert_eq!(fs::read(temp.path().join("f")).unwrap(), b"abcdefgh");
    // The open that makes the file, and the write; neither libraries nor what it says.
    assert_eq!(ended.calls, 2);
    let (_, ended) = play("exit 7", None);
    assert_eq!((ended.code, ended.calls), (Some(7), 0));
}

#[test]
fn a_kill_comes_before_the_call_or_after_it() {
    if !can_trace() {
        return;
    }
    for (call, before, after) in [
        ("open", None, Some("")),
        ("write(f", Some(""), Some("abcdefgh")),
    ] {
        for (fault, content) in [(Fault::KillBefore, before), (Fault::KillAfter, after)] {
            let (found, ended) = at(call, fault, SCRIPT);
            assert_eq!(ended.code, None);
            assert_eq!(found.as_deref(), content, "{call}, {fault}");
            assert!(ended.out.is_empty());
        }
    }
}

#[test]
fn errors_are_what_the_program_gets_and_the_call_is_not_made() {
    if !can_trace() {
        return;
    }
    for (fault, words) in [(Fault::Io, "Input/output"), (Fault::Full, "No space left")] {
        let (found, ended) = at("write(f", fault, "LC_ALL=C exec dd if=source of=f");
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert!(ended.err.contains(words), "{}", ended.err);
        assert_eq!(found.as_deref(), Some(""));
    }
}

#[test]
fn a_short_call_does_half() {
    if !can_trace() {
        return;
    }
    // `dd` tells of partial blocks.
    let copy = "LC_ALL=C exec dd if=source of=f bs=10 count=1 2>&1";
    let (found, ended) = at("read(source", Fault::Short, copy);
    assert_eq!(found.as_deref(), Some("01234"));
    assert!(String::from_utf8_lossy(&ended.out).contains("0+1 records in"));
}

#[test]
fn threads_and_processes_that_it_starts_are_not_mistaken_for_it() {
    if !can_trace() {
        return;
    }
    let (temp, ended) = play("cat source > f; wait; exit 3", None);
    assert_eq!(ended.code, Some(3));
    assert_eq!(fs::read(temp.path().join("f")).unwrap(), b"0123456789");
}

#[test]
fn a_source_vanishes_or_is_cut_before_the_call() {
    if !can_trace() {
        return;
    }
    for (fault, left) in [(Fault::Vanish, None), (Fault::Cut, Some("01234"))] {
        let place = Place::Nth(1);
        let (temp, ended) = play(SCRIPT, Some(Plan { fault, place }));
        assert_eq!(ended.code, Some(0));
        let source = fs::read_to_string(temp.path().join("source")).ok();
        assert_eq!(source.as_deref(), left);
    }
}

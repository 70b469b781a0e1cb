//! Signals and second runs: nothing is left behind, nothing is written twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![cfg(unix)]

use std::io::Write;
use std::process::Child;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Run, Sandbox, signal, wait_until};

const PACK: &str = "pack -o a.bakpak --stdin-entry dump --key-file data.key";

/// A pack that waits for standard input, its temporary file there.
fn waiting_pack(sandbox: &Sandbox) -> Child {
    let child = sandbox.start(PACK);
    let has_temporary = || {
        sandbox
            .names(".")
            .iter()
            .any(|name| name.contains("bakpak-tmp"))
    };
    wait_until("a temporary file", has_temporary);
    // Until it has begun to read, which nothing outside shows.
    std::thread::sleep(std::time::Duration::from_millis(500));
    child
}

fn nothing_is_left(sandbox: &Sandbox, names: &[&str]) {
    assert_eq!(sandbox.names("."), names);
}

#[test]
fn a_terminated_pack_leaves_nothing() {
    let sandbox = Sandbox::new();
    let child = waiting_pack(&sandbox);
    signal(&child, "-TERM");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(143));
    nothing_is_left(&sandbox, &["data.key", "safe.key"]);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let sandbox = Sandbox::new();
    let mut child = waiting_pack(&sandbox);
    signal(&child, "-INT");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "-INT");
    let started = std::time::Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(started.elapsed().as_millis() < 1500);
    nothing_is_left(&sandbox, &["data.key", "safe.key"]);
}

#[test]
fn an_interrupted_pack_that_is_busy_stops_and_cleans_up() {
    let sandbox = Sandbox::new();
    let mut child = waiting_pack(&sandbox);
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let noise: Vec<u8> = (0..1 << 20).map(|n: u32| (n ^ n >> 7) as u8).collect();
        while stdin.write_all(&noise).is_ok() {}
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&child, "-INT");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&done.stderr).contains("interrupted"));
    feeder.join().unwrap();
    nothing_is_left(&sandbox, &["data.key", "safe.key"]);
}

#[test]
fn a_terminated_unpack_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let archive = sandbox.read("a.bakpak");
    let mut child = sandbox.start("unpack - --to out --key-file data.key");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&archive[..archive.len() - 20_000]).unwrap();
    let has_stage = || sandbox.names(".").iter().any(|name| name.starts_with('.'));
    wait_until("a stage", has_stage);
    signal(&child, "-TERM");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(143));
    drop(stdin);
    nothing_is_left(&sandbox, &["a.bakpak", "data.key", "home", "safe.key"]);
}

#[test]
fn a_second_writer_is_refused() {
    let sandbox = Sandbox::new();
    let mut first = waiting_pack(&sandbox);
    sandbox.write("home/a", "");
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .exits(11);
    first.stdin.take().unwrap().write_all(b"content").unwrap();
    let done = first.wait_with_output().unwrap();
    assert!(done.status.success());
    sandbox
        .typed("verify a.bakpak --key-file data.key")
        .succeeds();
}

#[test]
fn a_killed_pack_does_not_stop_the_next_one() {
    let sandbox = Sandbox::new();
    let child = waiting_pack(&sandbox);
    signal(&child, "-KILL");
    child.wait_with_output().unwrap();
    let next: Run = sandbox.typed_with_input(PACK, b"content").succeeds();
    assert!(
        next.err.contains("left from a run that was killed"),
        "{}",
        next.err
    );
}

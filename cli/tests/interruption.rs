//! Signals and second runs: nothing is left behind, nothing is written twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;
#[cfg(target_os = "linux")]
#[path = "support/terminal.rs"]
mod terminal;

use sandbox::needs::{self, has_program};
use sandbox::{Run, Sandbox, assert_same_tree, signal, wait_until};
#[cfg(target_os = "linux")]
use terminal::Terminal;

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
    assert!(String::from_utf8_lossy(&done.stderr).contains("interrupted"));
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

/// Starts the program with each of these system calls delayed by some seconds, as on a disk that
/// takes long to write; `None` if that cannot be done here.
fn start_with_slow(sandbox: &Sandbox, calls: &str, line: &str) -> Option<Child> {
    if !has_program("strace") {
        return None;
    }
    let tried = Run::of(Command::new("strace").arg("true"));
    if !tried.err.contains("exit") {
        needs::missing(&format!("strace may trace nothing here: {}", tried.err));
        return None;
    }
    let program = sandbox.command(line.split_whitespace());
    let mut command = Command::new("strace");
    // -D: the program is our child, and not the tracer's.
    command
        .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("inject={calls}:delay_enter=3000000"))
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(sandbox.path(""));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Some(piped.stderr(Stdio::piped()).spawn().unwrap())
}

/// Ends with success in spite of signals, and says so.
fn completes(child: Child) {
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{err}");
    assert!(err.contains("too late to interrupt"), "{err}");
    assert!(err.contains("all of it was completed"), "{err}");
}

#[test]
fn a_pack_that_is_terminated_while_it_syncs_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    let pack = "pack -o a.bakpak --home home --key-file data.key";
    let Some(child) = start_with_slow(&sandbox, "fsync", pack) else {
        return;
    };
    let is_written = || {
        let names = sandbox.names(".");
        let temporary = names.iter().find(|name| name.contains("bakpak-tmp"));
        temporary.is_some_and(|name| fs::metadata(sandbox.path(name)).is_ok_and(|m| m.len() > 0))
    };
    wait_until("a temporary file", is_written);
    std::thread::sleep(Duration::from_millis(1000));
    let started = Instant::now();
    signal(&child, "-TERM");
    wait_until("its removal", || !is_written());
    assert!(started.elapsed().as_millis() < 1500);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(143));
    assert!(String::from_utf8_lossy(&done.stderr).contains("interrupted"));
    nothing_is_left(&sandbox, &["data.key", "home", "safe.key"]);
}

#[test]
fn a_pack_that_is_terminated_when_its_archive_has_its_name_is_a_success() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    let pack = "pack -o a.bakpak --home home --key-file data.key";
    let Some(child) = start_with_slow(&sandbox, "fsync", pack) else {
        return;
    };
    wait_until("an archive", || sandbox.path("a.bakpak").exists());
    signal(&child, "-TERM");
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{err}");
    assert!(err.contains("all of it was completed"), "{err}");
    nothing_is_left(&sandbox, &["a.bakpak", "data.key", "home", "safe.key"]);
}

#[test]
fn an_unpack_that_is_interrupted_while_it_publishes_is_completed() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let unpack = "unpack a.bakpak --to out --key-file data.key";
    let Some(child) = start_with_slow(&sandbox, "syncfs", unpack) else {
        return;
    };
    // Directories get their times first thing when a stage is published.
    let modified = |name: &str| fs::metadata(sandbox.path(name)).and_then(|data| data.modified());
    let is_publishing = || {
        let names = sandbox.names(".");
        let stage = names.iter().find(|name| name.starts_with('.'));
        let staged = stage.and_then(|name| modified(&format!("{name}/tree/home")).ok());
        staged == modified("home").ok()
    };
    wait_until("its publishing", is_publishing);
    for _ in 0..2 {
        signal(&child, "-INT");
        std::thread::sleep(Duration::from_millis(100));
    }
    completes(child);
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));
    nothing_is_left(
        &sandbox,
        &["a.bakpak", "data.key", "home", "out", "safe.key"],
    );
}

#[test]
fn a_merge_that_is_terminated_when_all_is_in_place_is_completed() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    sandbox.write("out/mine.txt", "mine");
    let unpack = "unpack a.bakpak --to out --merge --key-file data.key";
    let Some(child) = start_with_slow(&sandbox, "syncfs", unpack) else {
        return;
    };
    wait_until("a tree", || sandbox.path("out/home/notes.txt").exists());
    signal(&child, "-TERM");
    completes(child);
    assert_eq!(sandbox.names("out"), ["home", "mine.txt"]);
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));
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

/// Ctrl-C at a prompt on a terminal: what is shown then, with the terminal's settings after it.
#[cfg(target_os = "linux")]
fn interrupted_prompt(sandbox: &Sandbox, line: &str) -> String {
    // Whether it reads yet shows from nowhere outside. Ctrl-C before that ends the shell too, and
    // nothing can be seen: then once more, with more patience.
    let tries = [300, 1000, 5000].map(Duration::from_millis);
    let shown = tries
        .iter()
        .find_map(|patience| interrupt_prompt_after(sandbox, line, *patience));
    shown.expect("a machine on which a prompt is up after five seconds")
}

#[cfg(target_os = "linux")]
fn interrupt_prompt_after(sandbox: &Sandbox, line: &str, patience: Duration) -> Option<String> {
    let mut terminal = Terminal::start(sandbox, line, "echo code=$?; stty -a");
    wait_until("the question", || terminal.count("assphrase ") > 0);
    std::thread::sleep(patience);
    terminal.type_in("\x03");
    terminal.until("echoke")
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_prompt_gives_the_terminal_back() {
    if !has_program("script") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.packed();
    sandbox.write("passphrase", "swordfish");
    sandbox
        .typed("pack -o p.bakpak --home home --passphrase-file passphrase")
        .succeeds();
    for line in [
        "list p.bakpak",
        "unpack p.bakpak --to out",
        "pack -o q.bakpak --home home",
    ] {
        let shown = interrupted_prompt(&sandbox, line);
        for words in ["interrupted", "code=130", " echo "] {
            assert!(shown.contains(words), "{line}: no '{words}' in {shown}");
        }
    }
}

#[test]
fn a_hung_up_pack_leaves_nothing() {
    let sandbox = Sandbox::new();
    let child = waiting_pack(&sandbox);
    signal(&child, "-HUP");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(129));
    nothing_is_left(&sandbox, &["data.key", "safe.key"]);
}

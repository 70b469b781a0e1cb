//! A place that is too small: exit 30, and nothing is left there.
//!
//! A file system of 4 MiB is mounted in a namespace of its own, which takes no rights where user
//! namespaces are allowed, and root's elsewhere. Machines on which tests are run in containers often
//! refuse both, and no package mends that: there these tests only say that they did not run, also
//! with `BAKPAK_ALL_TESTS=1`. The limit of a file's size, below, needs nothing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::process::{Command, Stdio};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::needs::{self, has_program};
use sandbox::{Run, Sandbox};

/// Runs what follows with 4 MiB at `small`, then tells what is left there in `left.txt`.
const IN_SMALL: &str = "mount -t tmpfs -o size=4m tmpfs small || exit 99
\"$@\"
code=$?
find small -mindepth 1 > left.txt
exit $code";

/// Runs what follows so that no file grows beyond 2 MiB (4 MiB in shells that count in KiB), and
/// writing beyond is an error, not a signal.
const WITH_SMALL_FILES: &str = "trap '' XFSZ; ulimit -f 4096 || exit 99; exec \"$@\"";

/// More than fits in `small`, and does not compress.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(1 << 20).flatten().collect()
}

/// A home of 8 MiB and its archive `a.bakpak`, and one of many small files, `many.bakpak`, which
/// take more room than the sum of their lengths.
fn packed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("home/noise", noise());
    for number in 0..2500 {
        sandbox.write(&format!("many/{number}"), "x");
    }
    fs::create_dir(sandbox.path("small")).unwrap();
    for line in [
        "pack -o a.bakpak --home home --key-file data.key",
        "pack -o many.bakpak --home many --key-file data.key",
    ] {
        sandbox.typed(line).succeeds();
    }
    sandbox
}

/// How the system says that it does not give a namespace, or does not let us mount in it. There is
/// no space left where nobody may have another namespace.
const REFUSALS: [&str; 4] = [
    "Operation not permitted",
    "Permission denied",
    "No space left on device",
    "permission denied",
];

/// The flags of `unshare` with which this machine lets us mount; `None` is said loudly.
fn mounting() -> Option<&'static str> {
    if !has_program("unshare") {
        return None;
    }
    let mut said = String::new();
    for flags in ["-rm", "-m"] {
        let mount = "mount -t tmpfs tmpfs /tmp";
        let tried = Run::of(Command::new("unshare").args([flags, "sh", "-c", mount]));
        if tried.code == 0 {
            return Some(flags);
        }
        // Another failure than a refusal is one of this test.
        let is_refused = REFUSALS.iter().any(|words| tried.err.contains(words));
        assert!(is_refused, "unshare {flags}: {}", tried.err);
        said += &format!(" {}", tried.err.trim().replace('\n', "; "));
    }
    needs::refused(&format!(
        "neither user namespaces nor root to mount with:{said}"
    ));
    None
}

/// The program with a command line, behind a shell's script.
fn behind(sandbox: &Sandbox, before: &[&str], script: &str, line: &str) -> Command {
    let program = sandbox.command(line.split_whitespace());
    let mut command = Command::new(before.first().unwrap_or(&"sh"));
    command.args(before.iter().skip(1));
    if !before.is_empty() {
        command.arg("sh");
    }
    command.args(["-c", script, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(sandbox.path("."));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Runs a command that must find no room, with an archive in a pipe if there is one.
fn finds_no_room(sandbox: &Sandbox, mut command: Command, input: Option<&str>) -> Run {
    let run = match input {
        Some(name) => Run::with_input(&mut command, &sandbox.read(name)),
        None => Run::of(command.stdin(Stdio::null())),
    };
    run.exits(30)
}

/// Runs it where 4 MiB are at `small`; nothing may be left there.
fn in_small(sandbox: &Sandbox, flags: &str, line: &str, input: Option<&str>) -> Run {
    let mut command = behind(sandbox, &["unshare", flags], IN_SMALL, line);
    command.env("TMPDIR", "small");
    let run = finds_no_room(sandbox, command, input);
    let left = sandbox.read("left.txt");
    assert!(
        left.is_empty(),
        "{line}: {}",
        String::from_utf8_lossy(&left)
    );
    run
}

#[test]
fn an_archive_that_does_not_fit_is_not_there() {
    let Some(flags) = mounting() else {
        return;
    };
    let sandbox = packed();
    let pack = "pack -o small/a.bakpak --home home --key-file data.key";
    in_small(&sandbox, flags, pack, None).says("No space left on device");
}

#[test]
fn a_tree_that_does_not_fit_is_not_there() {
    let Some(flags) = mounting() else {
        return;
    };
    let sandbox = packed();
    let unpack = |archive: &str| format!("unpack {archive} --to small/out --key-file data.key");
    // Seen before anything is written, and only while it is.
    let line = unpack("a.bakpak");
    in_small(&sandbox, flags, &line, None).says("no room at");
    let line = unpack("many.bakpak");
    in_small(&sandbox, flags, &line, None).says("No space left on device");
    let line = unpack("-");
    in_small(&sandbox, flags, &line, Some("many.bakpak")).says("No space left on device");
}

#[test]
fn a_spool_that_does_not_fit_is_not_there() {
    let Some(flags) = mounting() else {
        return;
    };
    let sandbox = packed();
    let unpack = "unpack - --to out --key-file data.key";
    in_small(&sandbox, flags, unpack, Some("a.bakpak"))
        .says("no room in the temporary folder")
        .says("TMPDIR");
    assert!(!sandbox.path("out").exists());
}

#[test]
fn files_that_may_not_grow_so_long_leave_nothing() {
    let sandbox = packed();
    fs::create_dir(sandbox.path("spool")).unwrap();
    let before = sandbox.names(".");
    for (line, input) in [
        ("pack -o b.bakpak --home home --key-file data.key", None),
        ("unpack a.bakpak --to out --key-file data.key", None),
        ("unpack - --to out --key-file data.key", Some("a.bakpak")),
    ] {
        let mut command = behind(&sandbox, &[], WITH_SMALL_FILES, line);
        command.env("TMPDIR", "spool");
        finds_no_room(&sandbox, command, input).says("File too large");
        assert_eq!(sandbox.names("."), before, "{line}");
        assert!(sandbox.names("spool").is_empty(), "{line}");
    }
}

#[test]
fn a_run_that_can_be_gone_on_with_keeps_what_found_room() {
    // As much of a file as fits, whichever unit the shell counts in, is three stripes at least.
    const WITH_ROOM: &str = "trap '' XFSZ; ulimit -f 14000 || exit 99; exec \"$@\"";
    let sandbox = Sandbox::new();
    let noise = noise();
    for number in 0..3_u8 {
        let other: Vec<u8> = noise.iter().map(|byte| byte.wrapping_add(number)).collect();
        sandbox.write(&format!("home/{number}"), other);
    }
    let pack = "pack -o b.bakpak --home home --block-size 4K --no-match --key-file data.key \
                --resume";
    let command = behind(&sandbox, &[], WITH_ROOM, pack);
    finds_no_room(&sandbox, command, None).says("--resume goes on with it");
    assert!(!sandbox.path("b.bakpak").exists());
    let run = sandbox.typed(&format!("{pack} --json")).succeeds();
    assert!(run.events("packed")[0]["kept_len"].as_u64() > Some(5_000_000));
    let verify = "verify b.bakpak --key-file data.key";
    sandbox.typed(verify).succeeds();
    assert_eq!(
        sandbox.names("."),
        ["b.bakpak", "data.key", "home", "safe.key"]
    );
}

#[test]
fn standard_output_that_takes_no_more_is_told_as_such() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    let pack = "pack -o a.bakpak --home home --key-file data.key";
    sandbox.typed(pack).succeeds();
    for line in [
        "pack -o - --home home --key-file data.key",
        "cat a.bakpak home/a --key-file data.key",
        "cat a.bakpak --tar --key-file data.key",
        "list a.bakpak --key-file data.key",
        "list a.bakpak --json --key-file data.key",
        "inspect a.bakpak",
        "verify a.bakpak --key-file data.key",
    ] {
        let mut command = sandbox.command(line.split_whitespace());
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let run = Run::of(command.stdin(Stdio::null()).stdout(full.unwrap()));
        assert_eq!(run.code, 30, "{line}: {}", run.err);
        run.says("No space left on device").says("hint: make room");
    }
}

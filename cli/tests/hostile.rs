//! Archives that no writer makes: each verb ends soon, and in little memory, whatever it says.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What a refusal may take: memory, and time on all cores together.
const MAX_MEMORY_KIB: i64 = 64 << 10;
const MAX_CPU: Duration = Duration::from_secs(1);

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-vectors")
}

/// The values of a key in a section of the manifest.
fn value<'m>(section: &'m str, key: &str) -> Option<&'m str> {
    let line = section.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim_start_matches(" = ").trim_matches('"'))
}

fn usage() -> Usage {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap()
}

fn cpu(usage: &Usage) -> Duration {
    let time = |time: TimeVal| {
        Duration::from_secs(time.tv_sec().try_into().unwrap())
            + Duration::from_micros(time.tv_usec().try_into().unwrap())
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// Runs it; one that does not end at all fails the test.
fn ended(command: &mut Command, file: &str) -> Output {
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{file}: {command:?} does not end");
        }
        sleep(Duration::from_millis(1));
    }
    child.wait_with_output().unwrap()
}

/// Every stored archive that must be refused, limits of the design among them, under each verb.
#[test]
fn what_must_be_refused_is_refused_in_little_time_and_memory() {
    let manifest = fs::read_to_string(vectors().join("manifest.toml")).unwrap();
    let (top, _) = manifest.split_once("[[vector]]").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let (mut runs, mut limits, mut most) = (0, 0, Duration::ZERO);
    for section in manifest.split("[[vector]]").skip(1) {
        let Some(file) = value(section, "file").filter(|file| file.starts_with("reject/")) else {
            continue;
        };
        // Deriving a key from a passphrase takes 64 MiB at least, on purpose.
        if section.contains("\npassphrase = ") {
            continue;
        }
        let is_limit = value(section, "expect") == Some("LimitExceeded");
        limits += usize::from(is_limit);
        let archive = vectors().join(file);
        let offered = value(section, "key_file").or(value(top, "key_file"));
        fs::write(&key, offered.unwrap()).unwrap();
        for verb in ["keyless", "verify", "repair", "salvage"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_bakpak"));
            let to = dir.path().join(format!("{runs}"));
            match verb {
                "keyless" => command.args(["verify", "--keyless"]).arg(&archive),
                "verify" => command.arg("verify").arg(&archive),
                "repair" => command.arg("repair").arg(&archive).arg("-o").arg(&to),
                _ => command.arg("salvage").arg(&archive).arg("--to").arg(&to),
            };
            if verb != "keyless" {
                command.arg("--key-file").arg(&key);
            }
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .env_clear();
            let before = cpu(&usage());
            let output = ended(command.stderr(Stdio::piped()), file);
            let after = usage();
            let took = cpu(&after) - before;
            let says = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            let what = format!("{verb} of {file}: {code:?}, {took:?}: {says}");
            assert!(
                !says.contains("panicked") && code.is_some_and(|code| code < 100),
                "{what}"
            );
            assert!(took <= MAX_CPU, "{what}");
            assert!(
                after.max_rss() <= MAX_MEMORY_KIB,
                "{} KiB: {what}",
                after.max_rss()
            );
            // Of some it is the envelope that is refused.
            if verb == "verify" && value(section, "expect") != Some("opened") {
                assert_ne!(code, Some(0), "{what}");
            }
            most = most.max(took);
            runs += 1;
        }
    }
    println!(
        "{runs} runs, {limits} archives over a limit; at most {most:?} of CPU and {} KiB",
        usage().max_rss()
    );
    assert!(runs > 800 && limits > 30);
}

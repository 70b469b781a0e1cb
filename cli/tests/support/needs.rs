//! What a test needs that may be missing here; tests of other packages use it too.
//!
//! Such a test must not look as if it had passed. With `BAKPAK_ALL_TESTS=1`, which `cargo xtask test`
//! sets after it has installed all programs, it fails. Otherwise it says on standard error that it
//! did not run, or not all of it. What the system itself refuses (mounting, root's rights) nobody can
//! install, so there it only says so in either case.

use std::env;
use std::io::{self, Write};
use std::process::{Command, Stdio};

const ALL_TESTS: &str = "BAKPAK_ALL_TESTS";

/// Programs, and the Debian packages that bring them; `xtask/src/test/setup.rs` installs these.
const PACKAGES: [(&str, &str); 9] = [
    ("/usr/bin/time", "time"),
    ("b3sum", "b3sum"),
    ("rsync", "rsync"),
    ("script", "bsdutils"),
    ("setfattr", "attr"),
    ("setpriv", "util-linux"),
    ("strace", "strace"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
];

/// Whether a program is there.
pub(crate) fn has_program(name: &str) -> bool {
    let package = PACKAGES.iter().find(|(program, _)| *program == name);
    let (_, package) = package.expect("the table names the program's package");
    let mut command = Command::new(name);
    let output = command.arg("--version").stdin(Stdio::null()).output();
    let there = output.is_ok();
    if !there {
        missing(&format!(
            "{name} is missing (Debian's package {package} has it)"
        ));
    }
    there
}

/// The test needs something that can be had.
pub(crate) fn missing(what: &str) {
    let must_run = env::var_os(ALL_TESTS).is_some_and(|value| value == "1");
    assert!(
        !must_run,
        "{what}, and {ALL_TESTS}=1 wants every test to run"
    );
    refused(what);
}

/// The test needs something that this system does not give.
pub(crate) fn refused(what: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not with eprintln, which is shown only when a test fails.
    let line = format!("\nNOT RUN: {test}: {what}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

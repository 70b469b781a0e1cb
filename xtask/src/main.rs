//! Runs the chores: `cargo xtask test [--only STEP...]`, `cargo xtask trace`,
//! `cargo xtask compare`, `cargo xtask soak`, `cargo xtask fuzz`.

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask test                  set up, then run every step
       cargo xtask test --only STEP...   run these steps
       cargo xtask test --list           name the steps
       cargo xtask trace                 compare specification, code and vectors
       cargo xtask compare --help        run bakpak beside its rivals
       cargo xtask soak --help           random trees, damage, kills and faults
       cargo xtask fuzz --help           long runs of the fuzz functions";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let root = xtask::root();
    match words {
        ["test"] => xtask::test::run(&root, &[]),
        ["test", "--list"] => {
            xtask::test::list();
            Ok(())
        }
        ["test", "--only", names @ ..] if !names.is_empty() => xtask::test::run(&root, names),
        ["trace"] => xtask::trace::run(&root),
        ["compare", options @ ..] => xtask::compare::run(&root, options),
        ["fuzz", options @ ..] => xtask::fuzz::run(&root, options),
        #[cfg(unix)]
        ["soak", options @ ..] => xtask::soak::run(&root, options),
        #[cfg(not(unix))]
        ["soak", ..] => bail!("faults are injected on Linux only"),
        _ => bail!("this is no chore\n{USAGE}"),
    }
}

//! `cargo xtask test`: every step that must pass, in order, with its time.

pub mod backend;
pub mod setup;

use crate::program::Program;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// A named part of the tests.
struct Step {
    name: &'static str,
    action: Action,
}

/// With it a test fails where it would only say that a program is missing: setup has installed all
/// that tests need (`cli/tests/support/needs.rs`).
const ALL_TESTS: (&str, &str) = ("BAKPAK_ALL_TESTS", "1");

/// What a step does.
enum Action {
    /// A chore of this program.
    Chore(fn(&Path) -> Result<()>),
    /// Command lines, in order.
    Run(&'static [&'static str]),
    /// The same, if this file is there: it belongs to a part that is not written yet.
    RunIfThere(&'static str, &'static [&'static str]),
}

/// All steps, in order: what is quick to fail comes first.
const STEPS: &[Step] = &[
    Step {
        name: "setup",
        action: Action::Chore(setup::run),
    },
    Step {
        name: "fmt",
        action: Action::Run(&["cargo fmt --all --check"]),
    },
    Step {
        name: "trace",
        action: Action::Chore(crate::trace::run),
    },
    Step {
        name: "clippy",
        action: Action::Run(&["cargo clippy --workspace --all-targets -- -D warnings"]),
    },
    Step {
        name: "tests",
        action: Action::Run(&["cargo test --workspace"]),
    },
    // The workspace's tests run over AWS-LC, the default; these over the other backend.
    Step {
        name: "aes-gcm",
        action: Action::Chore(backend::run),
    },
    Step {
        name: "deny",
        action: Action::Run(&["cargo deny check bans licenses sources"]),
    },
    Step {
        name: "reader",
        action: Action::Run(&[
            "target/reader-venv/bin/python format-spec/reader/run_vectors.py \
                               test-vectors/manifest.toml",
            "target/reader-venv/bin/python format-spec/reader/run_damage.py \
                               test-vectors/damage.toml",
        ]),
    },
    Step {
        name: "windows",
        action: Action::Run(&["cargo check --target x86_64-pc-windows-gnu -p bakpak"]),
    },
    Step {
        name: "benches",
        action: Action::RunIfThere(
            "benches/Cargo.toml",
            &[
                "cargo bench -p bakpak-benches -- --test",
                // That the comparison works: no network, no rivals beyond what setup installs.
                "cargo xtask compare --size small --runs 1 --only bakpak,tar-zstd-age \
                 --synthetic-packages --no-install",
            ],
        ),
    },
];

/// What became of a step.
struct Outcome {
    name: &'static str,
    took: Duration,
    word: &'static str,
}

/// Prints the names of all steps.
pub fn list() {
    STEPS.iter().for_each(|step| println!("{}", step.name));
}

/// Runs the named steps, or all of them, and prints a table of their times.
///
/// # Errors
///
/// A name that no step has, or the first step that fails.
pub fn run(root: &Path, only: &[&str]) -> Result<()> {
    if let Some(name) = only
        .iter()
        .find(|name| !STEPS.iter().any(|step| step.name == **name))
    {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step is called '{name}'; there are {}", names.join(", "));
    }
    let chosen = |step: &&Step| only.is_empty() || only.contains(&step.name);
    let mut outcomes = Vec::new();
    let mut result = Ok(());
    for step in STEPS.iter().filter(chosen) {
        println!("\n== {}", step.name);
        let start = Instant::now();
        let done = step.action.run(root);
        let word = match &done {
            Ok(word) => word,
            Err(_) => "FAILED",
        };
        let took = start.elapsed();
        println!("== {}: {word} after {:.1} s", step.name, took.as_secs_f64());
        outcomes.push(Outcome {
            name: step.name,
            took,
            word,
        });
        if let Err(error) = done {
            result = Err(error).with_context(|| format!("step '{}' failed", step.name));
            break;
        }
    }
    print_times(&outcomes);
    result
}

impl Action {
    /// Returns in a word what was done.
    fn run(&self, root: &Path) -> Result<&'static str> {
        match self {
            Self::Chore(chore) => chore(root)?,
            Self::RunIfThere(file, _) if !root.join(file).exists() => {
                println!("{file} is not there");
                return Ok("left out");
            }
            Self::Run(lines) | Self::RunIfThere(_, lines) => {
                lines.iter().try_for_each(|line| {
                    let (name, value) = ALL_TESTS;
                    Program::line(root, line).env(name, value).run()
                })?;
            }
        }
        Ok("ok")
    }
}

fn print_times(outcomes: &[Outcome]) {
    println!();
    for Outcome { name, took, word } in outcomes {
        println!("{name:<10} {:>8.1} s  {word}", took.as_secs_f64());
    }
    let all: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    println!("{:<10} {:>8.1} s", "all", all.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_step_has_is_refused_before_anything_runs() {
        let error = run(Path::new("."), &["fmt", "tset"]).expect_err("no such step");
        assert!(error.to_string().contains("'tset'"), "{error}");
    }

    #[test]
    fn steps_have_names_of_their_own() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(
                !STEPS[..index].iter().any(|other| other.name == step.name),
                "{}",
                step.name
            );
        }
    }

    #[test]
    fn a_program_that_fails_fails_the_step() {
        assert!(Action::Run(&["false"]).run(Path::new(".")).is_err());
        assert!(
            Action::Run(&["no-such-program-at-all"])
                .run(Path::new("."))
                .is_err()
        );
        assert!(Action::Run(&["true", "false"]).run(Path::new(".")).is_err());
        assert!(Action::Run(&["true"]).run(Path::new(".")).is_ok());
    }
}

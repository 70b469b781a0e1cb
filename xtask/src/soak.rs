//! `cargo xtask soak`: random trees, damage, kills and faults, for as long as one likes.

use crate::program::Program;
use crate::record;
use anyhow::{Context, Result, bail};
use bakpak_faults::soak::{Soak, Tally};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const HELP: &str = "\
Packs, damages, mends and unpacks random trees over a file system that fails, with kills and faults
at random calls, and checks after each what must hold (faults/src/verbs.rs).

usage: cargo xtask soak [OPTIONS]

  --minutes N   how long [default: 10]
  --seed S      the first tree comes from this number [default: the time]
  --jobs N      trees at once [default: as many as there are processors]
  --every       no chance: every call of every verb, with an archive of some MiB; takes
                about two hours
  --record      write the result to docs/soak.md, which keeps the last one
  --help        print this

Failing cases are kept below target/soak: what was said, archive, sources, and what was left.
The same seed makes the same trees, options and damage; threads of the program do not run in the
same order twice, so a fault may come to another call.";

/// Where the last result is recorded.
const RECORD: &str = "docs/soak.md";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    minutes: u64,
    seed: Option<u64>,
    jobs: usize,
    is_exhaustive: bool,
    records: bool,
}

/// Runs the chore.
///
/// # Errors
///
/// An option that is none, a program that cannot be built or traced, or a case that failed.
pub fn run(root: &Path, words: &[&str]) -> Result<()> {
    let Some(options) = Options::typed(words)? else {
        println!("{HELP}");
        return Ok(());
    };
    Program::line(root, "cargo build --package bakpak").run()?;
    let seed = options.seed.unwrap_or_else(seed_of_now);
    let soak = Soak {
        program: program(root)?,
        lasts: Duration::from_secs(options.minutes * 60),
        seed,
        jobs: options.jobs,
        keep_in: root.join("target/soak"),
        is_exhaustive: options.is_exhaustive,
    };
    println!("seed {seed}");
    let started = SystemTime::now();
    let tally = soak.run(&|tally, since| println!("{}", line(tally, since)))?;
    let lasted = started.elapsed().unwrap_or_default();
    let summary = summary(root, &options, seed, lasted, &tally)?;
    println!("\n{summary}");
    if options.records {
        std::fs::write(root.join(RECORD), &summary).context(RECORD)?;
        println!("recorded in {RECORD}");
    }
    match tally.failures.len() {
        0 => Ok(()),
        failures => bail!("{failures} failed; they are kept below target/soak"),
    }
}

impl Options {
    fn typed(words: &[&str]) -> Result<Option<Self>> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            minutes: 10,
            seed: None,
            jobs,
            is_exhaustive: false,
            records: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64> {
                let typed = words
                    .next()
                    .with_context(|| format!("{word} wants a number"))?;
                typed
                    .parse()
                    .with_context(|| format!("{word} wants a number, not '{typed}'"))
            };
            match *word {
                "--minutes" => options.minutes = number()?,
                "--seed" => options.seed = Some(number()?),
                "--jobs" => options.jobs = usize::try_from(number()?)?.max(1),
                "--every" => options.is_exhaustive = true,
                "--record" => options.records = true,
                "--help" => return Ok(None),
                _ => bail!("soak has no '{word}'\n{HELP}"),
            }
        }
        Ok(Some(options))
    }
}

/// A line of progress.
fn line(tally: &Tally, since: Duration) -> String {
    format!(
        "{:>4} min: {} trees, {} cases, {} failed",
        since.as_secs() / 60,
        tally.scenes,
        tally.count(),
        tally.failures.len()
    )
}

/// The result, as it is recorded.
fn summary(
    root: &Path,
    options: &Options,
    seed: u64,
    lasted: Duration,
    tally: &Tally,
) -> Result<String> {
    let how = match options.is_exhaustive {
        true => "every call of every verb, larger archive".to_owned(),
        false => format!("{} jobs, seed {seed}", options.jobs),
    };
    let (mended, lost) = tally.damage;
    let mut text = format!(
        "# The last soak\n\n\
         `cargo xtask soak` made random trees, damage, kills and faults; each case was checked as the\n\
         table in `faults/src/verbs.rs` says. `--record` writes this file.\n\n\
         | | |\n|---|---|\n\
         | date | {} |\n| commit | {} |\n| minutes | {} |\n| how | {how} |\n| trees | {} |\n\
         | random damage mended | {mended} |\n| random damage called lost; one sector instead then | {lost} |\n\
         | cases | {} |\n| failed | {} |\n\n{}",
        record::date(root)?,
        record::commit(root)?,
        lasted.as_secs().div_ceil(60),
        tally.scenes,
        tally.count(),
        tally.failures.len(),
        tally.table()
    );
    for failure in &tally.failures {
        text += &format!("\n```\n{failure}\n```\n");
    }
    Ok(text)
}

/// The program that was built: beside this one.
fn program(root: &Path) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.with_file_name("bakpak");
    let program = match beside.exists() {
        true => beside,
        false => root.join("target/debug/bakpak"),
    };
    match program.exists() {
        true => Ok(program),
        false => bail!("there is no {}", program.display()),
    }
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Option<Options>> {
        Options::typed(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn options_are_taken_and_others_refused() {
        let options = typed("--minutes 3 --seed 7 --jobs 0 --record")
            .unwrap()
            .unwrap();
        assert_eq!(
            (options.minutes, options.seed, options.jobs),
            (3, Some(7), 1)
        );
        assert!(options.records && !options.is_exhaustive);
        assert!(typed("--help").unwrap().is_none());
        for wrong in ["--minutes", "--minutes x", "--seed -1", "3", "--hours 3"] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
    }
}

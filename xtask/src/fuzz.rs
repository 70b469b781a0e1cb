//! `cargo xtask fuzz`: long runs of all fuzz functions under libFuzzer, for as long as one likes.

use crate::program::{Program, TOOLS};
use crate::record;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const HELP: &str = "\
Runs the fuzz functions (fuzz/functions) over seeded mutations of the test vectors and of what they
hold, half of them with checksums that hold, so that they get behind them; then over what libFuzzer
makes of the same seeds. That takes the nightly toolchain of rustup; cargo-fuzz is installed below
target/tools.

usage: cargo xtask fuzz [OPTIONS] [FUNCTION...]

  --minutes N     how long libFuzzer runs each function [default: 1]
  --mutations N   seeded mutations of each function [default: 20000]
  --jobs N        functions at once [default: as many as there are processors]
  --record        write the result to docs/fuzzing.md, which keeps the last one
  --help          print this

Inputs that fail are kept below target/fuzz and fuzz/artifacts; what is found becomes a test vector.
The corpus that grows is below target/fuzz/corpus, and serves the next run.";

/// Where the last result is recorded.
const RECORD: &str = "docs/fuzzing.md";

/// Inputs to begin with, and those found on the way; a folder for each function.
const CORPUS: &str = "target/fuzz/corpus";

/// Where cargo-fuzz builds.
const TARGETS: &str = "fuzz/target/x86_64-unknown-linux-gnu/release";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    minutes: u64,
    mutations: u64,
    jobs: usize,
    records: bool,
    functions: Vec<String>,
}

/// What a function's run came to.
struct Fuzzed {
    name: String,
    seeds: usize,
    executions: u64,
    corpus: usize,
    peak_rss_mib: u64,
    /// The last lines of what it said, if it failed.
    failure: Option<String>,
}

/// Runs the chore.
///
/// # Errors
///
/// An option that is none, what cannot be built or started, or a function that failed.
pub fn run(root: &Path, words: &[&str]) -> Result<()> {
    let Some(options) = Options::typed(words)? else {
        println!("{HELP}");
        return Ok(());
    };
    build(root)?;
    let corpus = root.join(CORPUS);
    let mutations = |arguments: &str| {
        let test = "cargo test --package bakpak-fuzz --test mutations --";
        Program::line(root, &format!("{test} {arguments}"))
            .env("BAKPAK_FUZZ_CORPUS", &corpus.to_string_lossy())
            .env("BAKPAK_FUZZ_MUTATIONS", &options.mutations.to_string())
            .run()
    };
    mutations("")?;
    mutations("--ignored --exact seeds_are_written")?;
    let functions = chosen(&corpus, &options.functions)?;
    let done = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.min(functions.len()) {
            scope.spawn(|| {
                while let Some(name) = functions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fuzzed = fuzz(root, name, options.minutes);
                    println!("{}", line(name, &fuzzed));
                    if let Ok(mut done) = done.lock() {
                        done.push(fuzzed);
                    }
                }
            });
        }
    });
    let done: Result<Vec<_>> = done.into_inner().unwrap_or_default().into_iter().collect();
    let mut done = done?;
    done.sort_by(|one, other| one.name.cmp(&other.name));
    let summary = summary(root, &options, &done)?;
    println!("\n{summary}");
    if options.records {
        fs::write(root.join(RECORD), &summary).context(RECORD)?;
        println!("recorded in {RECORD}");
    }
    match done.iter().filter(|one| one.failure.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} failed; their inputs are below fuzz/artifacts"),
    }
}

fn build(root: &Path) -> Result<()> {
    let nightly = Program::line(root, "rustup run nightly rustc --version").output();
    if nightly.is_none() {
        bail!(
            "there is no nightly toolchain (`rustup toolchain install nightly`); `cargo test \
             --package bakpak-fuzz` mutates the same seeds on the stable one"
        );
    }
    let tool = format!("{TOOLS}/bin/cargo-fuzz");
    if Program::line(root, &format!("{tool} --version"))
        .output()
        .is_none()
    {
        let install = format!("cargo install --locked cargo-fuzz --root {TOOLS}");
        Program::line(root, &install).run()?;
    }
    Program::line(root, "rustup run nightly cargo fuzz build --release").run()
}

/// The functions that have seeds, or those that were named.
fn chosen(corpus: &Path, named: &[String]) -> Result<Vec<String>> {
    let mut functions = Vec::new();
    for entry in fs::read_dir(corpus).context("no seeds were written")? {
        functions.push(entry?.file_name().to_string_lossy().into_owned());
    }
    functions.sort();
    if let Some(unknown) = named.iter().find(|name| !functions.contains(name)) {
        bail!(
            "there is no fuzz function '{unknown}': {}",
            functions.join(", ")
        );
    }
    functions.retain(|name| named.is_empty() || named.contains(name));
    Ok(functions)
}

fn fuzz(root: &Path, name: &str, minutes: u64) -> Result<Fuzzed> {
    let corpus = root.join(CORPUS).join(name);
    let artifacts = root.join("fuzz/artifacts").join(name);
    fs::create_dir_all(&artifacts)?;
    let seeds = fs::read_dir(&corpus)?.count();
    let output = Command::new(root.join(TARGETS).join(name))
        .arg(&corpus)
        .arg(format!("-max_total_time={}", minutes * 60))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-timeout=30", "-rss_limit_mb=2048"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let stat = |key: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|number| number.trim().parse().ok())
    };
    let last: Vec<_> = told.lines().rev().take(30).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    Ok(Fuzzed {
        name: name.to_owned(),
        seeds,
        executions: stat("stat::number_of_executed_units:").unwrap_or_default(),
        corpus: fs::read_dir(&corpus)?.count(),
        peak_rss_mib: stat("stat::peak_rss_mb:").unwrap_or_default(),
        failure: (!output.status.success()).then(|| last.join("\n")),
    })
}

fn line(name: &str, fuzzed: &Result<Fuzzed>) -> String {
    match fuzzed {
        Err(error) => format!("{name}: {error:#}"),
        Ok(Fuzzed {
            failure: Some(_), ..
        }) => format!("{name}: FAILED"),
        Ok(fuzzed) => format!("{name}: {} executions", fuzzed.executions),
    }
}

/// The result, as it is recorded.
fn summary(root: &Path, options: &Options, done: &[Fuzzed]) -> Result<String> {
    let all: u64 = done.iter().map(|one| one.executions).sum();
    let failed = done.iter().filter(|one| one.failure.is_some()).count();
    let mut text = format!(
        "# The last long fuzz run\n\n\
         `cargo xtask fuzz` ran the fuzz functions of `fuzz/functions` over seeded mutations, half of\n\
         them with checksums mended, and under libFuzzer, with AddressSanitizer. `--record` writes this file. What a function must hold to stands at it; a\n\
         panic, an overflow, more than 30 s or 2 GiB for one input is a failure in each.\n\n\
         | | |\n|---|---|\n\
         | date | {} |\n| commit | {} |\n| libFuzzer by | {} |\n\
         | seeded mutations of each function | {}, none failed |\n\
         | minutes of libFuzzer for each function | {} |\n\
         | at once | {} |\n| executions of libFuzzer | {all} |\n| functions failed | {failed} |\n\n\
         | function | seeds | executions | corpus at the end | peak MiB | result |\n\
         |---|---|---|---|---|---|\n",
        record::date(root)?,
        record::commit(root)?,
        record::output(root, "rustup", &["run", "nightly", "rustc", "--version"])?,
        options.mutations,
        options.minutes,
        options.jobs,
    );
    for one in done {
        let result = match one.failure {
            Some(_) => "FAILED",
            None => "ok",
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {result} |\n",
            one.name, one.seeds, one.executions, one.corpus, one.peak_rss_mib
        );
    }
    for one in done {
        if let Some(failure) = &one.failure {
            text += &format!("\n{}:\n\n```\n{failure}\n```\n", one.name);
        }
    }
    Ok(text)
}

impl Options {
    fn typed(words: &[&str]) -> Result<Option<Self>> {
        let mut options = Self {
            minutes: 1,
            mutations: 20_000,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            records: false,
            functions: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64> {
                let typed = words
                    .next()
                    .with_context(|| format!("{word} wants a number"))?;
                let number = typed.parse();
                number.with_context(|| format!("{word} wants a number, not '{typed}'"))
            };
            match *word {
                "--minutes" => options.minutes = number()?.max(1),
                "--mutations" => options.mutations = number()?,
                "--jobs" => options.jobs = usize::try_from(number()?)?.max(1),
                "--record" => options.records = true,
                "--help" => return Ok(None),
                name if !name.starts_with('-') => options.functions.push(name.to_owned()),
                _ => bail!("fuzz has no '{word}'\n{HELP}"),
            }
        }
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_and_others_refused() {
        let typed = |line: &str| Options::typed(&line.split_whitespace().collect::<Vec<_>>());
        let options = typed("--minutes 0 --jobs 3 --record head tail")
            .unwrap()
            .unwrap();
        assert_eq!(
            (options.minutes, options.jobs, options.records),
            (1, 3, true)
        );
        assert_eq!(options.functions, ["head", "tail"]);
        assert_eq!(typed("--help").unwrap(), None);
        for wrong in ["--minutes", "--minutes x", "--hours 3"] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
    }
}

//! `cargo xtask compare`: bakpak beside its rivals on the same files, measured and drawn.
//!
//! | module | what |
//! |---|---|
//! | [`options`] | what was asked for |
//! | [`contestants`], [`verb`] | who takes part, and with which commands |
//! | [`tools`] | gets the rivals' programs |
//! | [`packages`], [`workload`] | the files |
//! | [`pipeline`], [`time_report`] | runs and measures a command |
//! | [`rounds`] | all contestants in turn, again and again |
//! | [`runs`], [`record`] | the raw numbers, in memory and in a folder |
//! | [`machine`] | where it ran |
//! | [`summary`], [`goals`], [`plot`], [`readme`], [`figures`] | made of the raw numbers |

pub mod contestants;
pub mod figures;
pub mod goals;
pub mod machine;
pub mod options;
pub mod packages;
pub mod pipeline;
pub mod plot;
pub mod readme;
pub mod record;
pub mod rounds;
pub mod runs;
pub mod summary;
pub mod time_report;
pub mod tools;
pub mod verb;
pub mod workload;

use crate::program::{Program, TOOLS};
use anyhow::{Context, Result, bail};
use contestants::Contestant;
use options::{Options, help};
use packages::Packages;
use pipeline::Place;
use record::Record;
use rounds::Plan;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use workload::Size;

/// Where published results stand.
const RESULTS: &str = "benches/results";

/// Where all else goes.
const SCRATCH: &str = "target/compare";

/// Where results of a part go; they give way to the next ones.
const PARTIAL: &str = "partial";

/// Memory that is a folder.
const TMPFS: &str = "/dev/shm";

/// A work folder's name, before the number of its process.
const WORK: &str = "bakpak-compare-";

/// Runs the chore.
///
/// # Errors
///
/// Options that do not exist, files that cannot be made, or a verb at which bakpak fails.
pub fn run(root: &Path, words: &[&str]) -> Result<()> {
    let Some(options) = Options::parse(words)? else {
        println!("{}", help());
        return Ok(());
    };
    let folder = match &options.from {
        Some(folder) => folder.clone(),
        None => measure(root, &options)?,
    };
    show(root, &folder, options.update_readme)
}

/// Measures, and returns the folder with the raw numbers.
fn measure(root: &Path, options: &Options) -> Result<PathBuf> {
    // Before anything is installed or built, which is a load of its own.
    let (load, commit) = (machine::load(), machine::commit(root));
    let results = results_folder(root, options)?;
    let (ready, missing) = tools::get(root, &options.contestants, options.install)?;
    refuse_to_do_without(options, &missing)?;
    let packages = match options.synthetic_packages {
        true => Packages::Synthetic,
        false => Packages::download(root)?,
    };
    let work = Work::new(root, options)?;
    let programs = build(root, options.size, &work.0)?;
    let place = Place::new(&work.0, &[programs, root.join(TOOLS).join("bin")])?;
    record::write(&work.0, "passphrase", contestants::PASSPHRASE)?;

    let mut record = Record {
        facts: machine::facts(root, &work.0, &load, &commit),
        versions: ready.iter().map(|ready| versions(&place, ready)).collect(),
        missing,
        ..Record::default()
    };
    record.facts.push(format!(
        "command: `cargo xtask compare {}`, {} runs of each",
        options.words, options.runs
    ));
    if options.size == Size::Small {
        record
            .facts
            .push("small, a debug build: the figures mean nothing".to_owned());
    }
    let plan = Plan {
        contestants: &ready,
        parts: &options.parts,
        size: options.size,
        packages: &packages,
        verbs: &options.verbs,
        runs: options.runs,
    };
    rounds::measure(&place, &plan, &mut record)?;
    if results == root.join(SCRATCH).join(PARTIAL) && !record::is_free(&results) {
        println!("{}: the results before are removed", results.display());
        fs::remove_dir_all(&results).context("removing the results before")?;
    }
    record.save(&results)?;
    Ok(results)
}

/// Makes summary and plot from the raw numbers, and says where they are.
fn show(root: &Path, folder: &Path, update_readme: bool) -> Result<()> {
    let record = Record::load(folder)?;
    let text = summary::markdown(&record);
    record::write(folder, "summary.md", &text)?;
    record::write(folder, "plot.svg", &plot::svg(&record.runs))?;
    println!(
        "\n{}\n{}",
        goals::table(&record.runs),
        summary::missing(&record)
    );
    println!("{}", summary::losses(&record.runs));
    println!("all of it: {}", folder.join("summary.md").display());
    if update_readme {
        let folder = fs::canonicalize(folder)?;
        let inside = folder.strip_prefix(fs::canonicalize(root)?);
        let inside = inside.context("the README can show only results in the repository")?;
        readme::update(root, &summary::readme(&record, &inside.to_string_lossy()))?;
    }
    Ok(())
}

/// Who names contestants means all of them: without one, a run would look as if it had been there.
fn refuse_to_do_without(options: &Options, missing: &[tools::Missing]) -> Result<()> {
    if options.are_named && !missing.is_empty() {
        let missing = missing.iter();
        let lines: Vec<String> = missing
            .map(|missing| format!("{}: {}", missing.contestant, missing.reason))
            .collect();
        bail!("asked for with --only, but not there: {}", lines.join("; "));
    }
    Ok(())
}

/// Published results are never written over: a second run of a day has a number.
fn results_folder(root: &Path, options: &Options) -> Result<PathBuf> {
    if let Some(folder) = &options.results {
        record::refuse_to_replace(folder)?;
        return Ok(folder.clone());
    }
    if !options.is_complete() {
        return Ok(root.join(SCRATCH).join(PARTIAL));
    }
    let name = machine::folder_name(root);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut folders = std::iter::once(name.clone())
        .chain(numbered)
        .map(|name| root.join(RESULTS).join(name));
    let free = folders.find(|folder| record::is_free(folder));
    free.context("no name is free for the results")
}

/// Builds bakpak and what makes the files, and copies both: a build meanwhile changes nothing.
fn build(root: &Path, size: Size, work: &Path) -> Result<PathBuf> {
    let (profile, folder) = match size {
        Size::Small => ("dev", "debug"),
        Size::Full => ("release", "release"),
    };
    let line = format!(
        "cargo build --quiet --profile {profile} -p bakpak -p bakpak-benches --bin bakpak \
         --bin make-workload"
    );
    Program::line(root, &line).run()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let programs = work.join("programs");
    fs::create_dir_all(&programs).context("making a folder for programs")?;
    for name in ["bakpak", "make-workload"] {
        fs::copy(target.join(folder).join(name), programs.join(name))
            .with_context(|| format!("copying {name} from where cargo builds"))?;
    }
    Ok(programs)
}

/// A contestant's name, and the first line of what each of its programs says.
fn versions(place: &Place, contestant: &Contestant) -> (String, String) {
    let lines = contestant.versions.iter().map(|command| {
        let output = place.output(command);
        version(command, &output)
    });
    let lines: Vec<String> = lines.collect();
    (contestant.name.to_owned(), lines.join("; "))
}

/// The first line that says something, without ornaments, libraries and owners.
fn version(command: &str, output: &str) -> String {
    let line = output.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("unknown").trim_matches(['*', ' ']);
    let line = [" : ", ", by ", " (Library"]
        .iter()
        .fold(line, |line, end| {
            line.split_once(end).map_or(line, |(start, _)| start)
        });
    let program = command.split(' ').next().unwrap_or_default();
    match line.contains(char::is_alphabetic) {
        true => line.to_owned(),
        false => format!("{program} {line}"),
    }
}

/// The work folder; it goes when all is measured, or when something fails.
struct Work(PathBuf);

impl Work {
    fn new(root: &Path, options: &Options) -> Result<Self> {
        let room = options.size.room();
        let parent = match &options.work {
            Some(folder) => folder.clone(),
            None if machine::room(root, Path::new(TMPFS)) >= room => PathBuf::from(TMPFS),
            None => root.join(SCRATCH),
        };
        fs::create_dir_all(&parent).with_context(|| format!("making {}", parent.display()))?;
        remove_left(&parent)?;
        let found = machine::room(root, &parent);
        if found < room {
            bail!(
                "{} has room for {} MiB, {} are needed; --work names another folder",
                parent.display(),
                found >> 20,
                room >> 20
            );
        }
        let name = format!("{WORK}{}", std::process::id());
        let folder = fs::canonicalize(parent)?.join(name);
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }
}

/// Removes what runs left that were interrupted: in `/dev/shm` it takes memory.
fn remove_left(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(WORK));
        if process.is_some_and(is_gone) {
            println!("{} is removed: it was left", entry.path().display());
            fs::remove_dir_all(entry.path()).context("removing what was left")?;
        }
    }
    Ok(())
}

fn is_gone(process: &str) -> bool {
    let id: Option<u32> = process.parse().ok();
    id.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists())
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_and_missing_is_not_passed_over() {
        let missing = [tools::Missing {
            contestant: "bupstash".to_owned(),
            reason: "does not build".to_owned(),
        }];
        let named = Options::parse(&["--only", "bakpak,bupstash"]);
        let named = named.expect("both are there").expect("no help");
        let error = refuse_to_do_without(&named, &missing).expect_err("it is missing");
        assert!(error.to_string().contains("bupstash: does not build"));
        assert!(refuse_to_do_without(&named, &[]).is_ok());
        assert!(refuse_to_do_without(&Options::default(), &missing).is_ok());
    }

    #[test]
    fn versions_are_said_in_a_few_words() {
        for (command, output, said) in [
            ("age --version", "1.1.1\n", "age 1.1.1"),
            (
                "zstd --version",
                "*** Zstandard CLI v1.5.4, by Y. C. ***\n",
                "Zstandard CLI v1.5.4",
            ),
            (
                "7zz i",
                "\n7-Zip (z) 26.02 (x64) : Copyright\n",
                "7-Zip (z) 26.02 (x64)",
            ),
            (
                "openssl version",
                "OpenSSL 3.0.19 (Library: OpenSSL 3.0.19)",
                "OpenSSL 3.0.19",
            ),
            ("none", "", "unknown"),
        ] {
            assert_eq!(version(command, output), said);
        }
    }
}

//! The options of `cargo xtask compare`.

use super::contestants::{CONTESTANTS, Contestant};
use super::verb::Verb;
use super::workload::{Part, Size};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

const HELP: &str = "\
Runs bakpak and its rivals on the same files, and keeps the numbers.

usage: cargo xtask compare [OPTIONS]
       cargo xtask compare --from DIR [--update-readme]

  --runs N              runs of each command [default: 5]
  --only NAME,...       only these contestants [default: all]
  --verbs VERB,...      only these of pack, verify, keyless, list, one, unpack
  --part PART,...       only these of server, small-files
  --size small|full     small: some MiB, a debug build, synthetic packages; its
                        figures mean nothing [default: full]
  --synthetic-packages  make packages instead of downloading real ones
  --work DIR            make all files in a new folder below DIR [default: /dev/shm
                        if there is room, else target/compare]
  --results DIR         write the results to DIR, which must not hold any [default:
                        benches/results/DATE-MACHINE; target/compare/partial unless
                        everything is measured at full size]
  --no-install          install nothing: what is missing is named
  --update-readme       put table and plot into README.md
  --from DIR            measure nothing: make summary and plot anew from the raw
                        numbers in DIR
  --help                print this

contestants: NAMES

It installs what the rivals need: Debian packages as root, programs of Rust below
target/tools. A rival that cannot be had is named in the summary, with the reason;
if it was named with --only, nothing is measured without it.";

/// What `--help` prints.
#[must_use]
pub fn help() -> String {
    let mut lines = vec!["contestants:".to_owned()];
    for contestant in &CONTESTANTS {
        match lines.last_mut() {
            Some(line) if line.len() + contestant.name.len() < 80 => {
                *line += &format!(" {}", contestant.name);
            }
            _ => lines.push(format!("  {}", contestant.name)),
        }
    }
    HELP.replace("contestants: NAMES", &lines.join("\n"))
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs of each command.
    pub runs: usize,
    /// Who takes part.
    pub contestants: Vec<&'static Contestant>,
    /// They were named, so none of them may be missing.
    pub are_named: bool,
    /// What is measured.
    pub verbs: Vec<Verb>,
    /// On which files.
    pub parts: Vec<Part>,
    /// How many of them.
    pub size: Size,
    /// Packages are made, not downloaded.
    pub synthetic_packages: bool,
    /// Where all files are made.
    pub work: Option<PathBuf>,
    /// Where the results go.
    pub results: Option<PathBuf>,
    /// Missing programs are installed.
    pub install: bool,
    /// The README gets table and plot.
    pub update_readme: bool,
    /// Nothing is measured: the raw numbers are there.
    pub from: Option<PathBuf>,
    /// The words as they were typed, but for folders: results show none of this machine.
    pub words: String,
}

impl Options {
    /// Reads the options; `None` if help was asked for.
    ///
    /// # Errors
    ///
    /// An option or a name that does not exist.
    pub fn parse(words: &[&str]) -> Result<Option<Self>> {
        let mut options = Self {
            words: without_folders(words),
            ..Self::default()
        };
        let mut rest = words.iter();
        while let Some(&word) = rest.next() {
            let mut value = || {
                let value = rest.next();
                value
                    .copied()
                    .with_context(|| format!("{word} needs a value"))
            };
            match word {
                "--help" | "-h" => return Ok(None),
                "--runs" => options.runs = runs(value()?)?,
                "--only" => {
                    options.contestants = contestants(value()?)?;
                    options.are_named = true;
                }
                "--verbs" => options.verbs = names(value()?, "verb", Verb::of)?,
                "--part" => options.parts = names(value()?, "part", Part::of)?,
                "--size" => options.size = one_name(value()?, "size", Size::of)?,
                "--synthetic-packages" => options.synthetic_packages = true,
                "--work" => options.work = Some(value()?.into()),
                "--results" => options.results = Some(value()?.into()),
                "--no-install" => options.install = false,
                "--update-readme" => options.update_readme = true,
                "--from" => options.from = Some(value()?.into()),
                _ => bail!("there is no option '{word}'\n{}", help()),
            }
        }
        let shows = [
            "--from DIR",
            "--from DIR --update-readme",
            "--update-readme --from DIR",
        ];
        if options.from.is_some() && !shows.contains(&options.words.as_str()) {
            bail!("with --from nothing is measured: only --update-readme can stand beside it");
        }
        options.synthetic_packages |= options.size == Size::Small;
        Ok(Some(options))
    }

    /// Whether everything is measured as it is published.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let all = Self::default();
        self.size == Size::Full
            && !self.synthetic_packages
            && self.runs >= all.runs
            && self.contestants.len() == all.contestants.len()
            && self.verbs.len() == all.verbs.len()
            && self.parts.len() == all.parts.len()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runs: 5,
            contestants: CONTESTANTS.iter().collect(),
            are_named: false,
            verbs: Verb::ALL.to_vec(),
            parts: Part::ALL.to_vec(),
            size: Size::Full,
            synthetic_packages: false,
            work: None,
            results: None,
            install: true,
            update_readme: false,
            from: None,
            words: String::new(),
        }
    }
}

fn without_folders(words: &[&str]) -> String {
    let mut before = "";
    let shown = words.iter().map(|word| {
        let is_folder = ["--work", "--results", "--from"].contains(&before);
        before = word;
        if is_folder { "DIR" } else { word }
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn runs(text: &str) -> Result<usize> {
    let runs = text.parse().ok().filter(|runs| *runs > 0);
    runs.with_context(|| format!("'{text}' is no number of runs"))
}

/// Of the names in this list, in the order of the table: tables and plots look the same then.
fn contestants(list: &str) -> Result<Vec<&'static Contestant>> {
    names(list, "contestant", Contestant::of)?;
    let wanted: Vec<&str> = list.split(',').collect();
    let chosen = CONTESTANTS
        .iter()
        .filter(|contestant| wanted.contains(&contestant.name));
    Ok(chosen.collect())
}

/// Each name once: who asks for a verb twice does not ask for all of them.
fn names<T>(list: &str, kind: &str, of: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let words: Vec<&str> = list.split(',').collect();
    for (index, word) in words.iter().enumerate() {
        if words[..index].contains(word) {
            bail!("the {kind} '{word}' is named twice");
        }
    }
    let named = words.iter().map(|name| one_name(name, kind, &of));
    named.collect()
}

fn one_name<T>(name: &str, kind: &str, of: impl Fn(&str) -> Option<T>) -> Result<T> {
    of(name).with_context(|| format!("no {kind} is called '{name}'\n{}", help()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>> {
        Options::parse(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn nothing_said_means_everything() {
        let options = parsed("").expect("no options").expect("no help");
        assert!(options.is_complete());
        assert_eq!(options.runs, 5);
    }

    #[test]
    fn contestants_stand_in_the_order_of_the_table() {
        let options = parsed("--only tar-zstd-age,bakpak").unwrap().unwrap();
        let names: Vec<&str> = options.contestants.iter().map(|c| c.name).collect();
        assert_eq!(names, ["bakpak", "tar-zstd-age"]);
        assert!(!options.is_complete());
    }

    #[test]
    fn a_name_that_is_not_there_is_refused() {
        for line in [
            "--only tarr",
            "--verbs unpak",
            "--size big",
            "--runs 0",
            "--runs",
            "-x",
            "--verbs pack,list,pack",
            "--only bakpak,borg,bakpak",
            "--from DIR --runs 2",
            "--from DIR --results DIR",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn help_names_all_contestants() {
        let help = help();
        for contestant in &CONTESTANTS {
            assert!(help.contains(&format!(" {}", contestant.name)), "{help}");
        }
    }

    #[test]
    fn what_was_measured_can_be_shown_in_the_readme() {
        let options = parsed("--from x --update-readme").unwrap().unwrap();
        assert!(options.update_readme && options.from.is_some());
    }

    #[test]
    fn the_words_show_no_folder_of_the_machine() {
        let options = parsed("--runs 2 --work /x/y --results z").unwrap().unwrap();
        assert_eq!(options.words, "--runs 2 --work DIR --results DIR");
    }

    #[test]
    fn small_ones_need_no_network() {
        let options = parsed("--size small").unwrap().unwrap();
        assert!(options.synthetic_packages);
    }
}

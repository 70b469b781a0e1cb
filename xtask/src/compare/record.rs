//! What a comparison found, as files in a folder: the raw numbers, from which all else is made.

use super::runs::Runs;
use super::tools::Missing;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const RUNS: &str = "runs.tsv";
const PROCESSES: &str = "processes.tsv";
const COMMANDS: &str = "commands.txt";
const FACTS: &str = "facts.txt";
const VERSIONS: &str = "versions.tsv";
const MISSING: &str = "missing.tsv";

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// When, where, on what; one a line.
    pub facts: Vec<String>,
    /// Contestants and their versions.
    pub versions: Vec<(String, String)>,
    /// Who did not take part, or not to the end.
    pub missing: Vec<Missing>,
    /// Each run.
    pub runs: Runs,
    /// Each process of each run, as lines.
    pub processes: String,
    /// The commands, as text.
    pub commands: String,
}

impl Record {
    /// Writes the files into a folder, which is made.
    ///
    /// # Errors
    ///
    /// A folder that is not empty, or cannot be written to.
    pub fn save(&self, folder: &Path) -> Result<()> {
        refuse_to_replace(folder)?;
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let missing = self.missing.iter();
        let missing: Vec<(&str, &str)> = missing
            .map(|missing| (missing.contestant.as_str(), missing.reason.as_str()))
            .collect();
        let versions = self.versions.iter();
        let versions: Vec<(&str, &str)> = versions
            .map(|(name, version)| (name.as_str(), version.as_str()))
            .collect();
        for (name, text) in [
            (RUNS, self.runs.to_tsv()),
            (PROCESSES, self.processes.clone()),
            (COMMANDS, self.commands.clone()),
            (FACTS, self.facts.join("\n") + "\n"),
            (VERSIONS, pairs_to_tsv(&versions)),
            (MISSING, pairs_to_tsv(&missing)),
        ] {
            write(folder, name, &text)?;
        }
        Ok(())
    }

    /// Reads what [`Record::save`] wrote, but for the commands and processes.
    ///
    /// # Errors
    ///
    /// Files that are not there or say something else.
    pub fn load(folder: &Path) -> Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let missing = pairs(&text(MISSING)?).into_iter();
        Ok(Self {
            facts: text(FACTS)?.lines().map(str::to_owned).collect(),
            versions: pairs(&text(VERSIONS)?),
            missing: missing
                .map(|(contestant, reason)| Missing { contestant, reason })
                .collect(),
            runs: Runs::parse(&text(RUNS)?)?,
            ..Self::default()
        })
    }
}

/// Whether results can go into a folder. Every run is kept: nothing is written over or mixed.
#[must_use]
pub fn is_free(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Refuses a folder that is not free.
///
/// # Errors
///
/// That it is not.
pub fn refuse_to_replace(folder: &Path) -> Result<()> {
    match is_free(folder) {
        true => Ok(()),
        false => bail!(
            "{} is there and not empty; move it away first",
            folder.display()
        ),
    }
}

/// Writes one file of a record.
///
/// # Errors
///
/// That it cannot be written.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// A reason may have line ends; a line of the file has none.
fn pairs_to_tsv(pairs: &[(&str, &str)]) -> String {
    let lines = pairs
        .iter()
        .map(|(name, text)| format!("{name}\t{}\n", text.replace(['\n', '\t'], " ")));
    lines.collect()
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::runs::tests::run;
    use crate::compare::verb::Verb;

    #[test]
    fn what_is_saved_is_loaded_and_never_replaced() {
        let folder = std::env::temp_dir().join(format!("xtask-record-{}", std::process::id()));
        let record = Record {
            facts: vec!["date: today".to_owned(), "machine: this".to_owned()],
            versions: vec![("a".to_owned(), "a 1.0; b 2.0".to_owned())],
            missing: vec![Missing {
                contestant: "c".to_owned(),
                reason: "does not\nbuild".to_owned(),
            }],
            runs: Runs(vec![run(Verb::Pack, "a", 1, 1.5)]),
            ..Record::default()
        };
        record.save(&folder).expect("a new folder");
        let loaded = Record::load(&folder).expect("it was saved");
        assert_eq!(loaded.missing[0].reason, "does not build");
        assert_eq!(loaded.runs, record.runs);
        assert_eq!(loaded.facts, record.facts);
        assert!(record.save(&folder).is_err());
        fs::remove_file(folder.join(RUNS)).expect("it was saved");
        assert!(record.save(&folder).is_err(), "other results");
        fs::remove_dir_all(&folder).expect("it was made here");
    }
}

//! `bakpak runbook`: what can be typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use jiff::tz::TimeZone;

use super::KeyOptions;
use super::time::{self, TypedTime};

/// Where backups are unpacked to on the SQL Server, if nothing else is said.
pub(crate) const RESTORE_WINDOWS: &str = "D:\\restore";
/// Likewise on Linux.
pub(crate) const RESTORE_LINUX: &str = "/srv/restore";

/// `bakpak runbook`.
#[derive(Debug, Args)]
pub(crate) struct RunbookArguments {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) archive: PathBuf,
    /// What is restored to: Windows with PowerShell, or Linux with Docker and Bash
    #[arg(long, value_enum, default_value_t = RunbookTarget::Windows)]
    pub(crate) target: RunbookTarget,
    /// For a rehearsal: under other names, isolated, made harmless, cleared away at the end
    #[arg(long)]
    pub(crate) rehearsal: bool,
    /// Write it to FILE, as its name ends: .md or .html; and the T-SQL scripts beside it
    /// [default: Markdown to standard output, no scripts]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Only this database: its name, or the family GUID that tells apart two of one name
    /// [default: all]
    #[arg(long, value_name = "D")]
    pub(crate) database: Option<String>,
    /// The moment to go back to, in the server's local time [default: the newest that can be
    /// reached]
    #[arg(long, value_name = "TIME", value_parser = time::time)]
    pub(crate) at: Option<TypedTime>,
    /// TIME is meant in this zone: a name as Europe/Berlin, or an offset as +02:00
    #[arg(long, value_name = "ZONE", value_parser = time::zone, requires = "at")]
    pub(crate) tz: Option<TimeZone>,
    /// Folder on the SQL Server in which backups will be unpacked
    /// [default: D:\restore, or /srv/restore]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) restore_from: Option<String>,
    /// Folder on the SQL Server for the databases' data files [default: where they were]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) move_data: Option<String>,
    /// Folder on the SQL Server for their log files [default: that of the data, or where they were]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) move_log: Option<String>,

    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// What a runbook restores to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunbookTarget {
    // Doc comments here would be part of the help.
    Windows,
    Docker,
}

impl RunbookArguments {
    /// The folder that backups are unpacked to.
    pub(crate) fn restore_folder(&self) -> String {
        let usual = match self.target {
            RunbookTarget::Windows => RESTORE_WINDOWS,
            RunbookTarget::Docker => RESTORE_LINUX,
        };
        self.restore_from
            .clone()
            .unwrap_or_else(|| usual.to_owned())
    }

    /// The options that make the same runbook again, but for keys and the file.
    pub(crate) fn typed_again(&self) -> Vec<(&'static str, Option<String>)> {
        let mut options = Vec::new();
        let mut add = |name, value: Option<String>| {
            options.extend(value.map(|value| (name, Some(value))));
        };
        let target = self.target.to_possible_value();
        add("--target", target.map(|value| value.get_name().to_owned()));
        add("--database", self.database.clone());
        add("--at", self.at.map(|at| at.to_string()));
        add("--tz", self.tz.as_ref().and_then(time::typed_zone));
        add("--restore-from", self.restore_from.clone());
        add("--move-data", self.move_data.clone());
        add("--move-log", self.move_log.clone());
        if self.rehearsal {
            options.push(("--rehearsal", None));
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Arguments, Verb};

    use super::*;

    fn parsed(line: &[&str]) -> RunbookArguments {
        let line = ["bakpak", "runbook", "a.bakpak"].iter().chain(line);
        match Arguments::try_parse_from(line).unwrap().verb {
            Verb::Runbook(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_typed_can_be_typed_again() {
        for line in [
            ["--at=2026-03-01 07:10:00.123", "--database=it's one"].as_slice(),
            &["--at=2026-03-01T07:10Z", "--rehearsal", "--target=docker"],
            &["--at=2026-03-01 07:10", "--tz=Europe/Berlin"],
            &[
                "--at=2026-03-01 07:10",
                "--tz=-03:30",
                "--restore-from=E:\\x",
            ],
            &[
                "--at=2026-03-01 07:10",
                "--tz=UTC",
                "--move-data=-d",
                "--move-log=l",
            ],
            &["--at=2026-03-01 07:10+02:00"],
        ] {
            let first = parsed(line);
            let options = first.typed_again();
            let again: Vec<String> = options
                .iter()
                .flat_map(|(name, value)| match value {
                    // As in the runbook, where a value is a word of its own.
                    Some(value) if !value.starts_with('-') => vec![(*name).into(), value.clone()],
                    Some(value) => vec![format!("{name}={value}")],
                    None => vec![(*name).into()],
                })
                .collect();
            let again: Vec<&str> = again.iter().map(String::as_str).collect();
            let second = parsed(&again);
            assert_eq!((first.at, &first.tz), (second.at, &second.tz), "{line:?}");
            assert_eq!(first.typed_again(), second.typed_again(), "{line:?}");
        }
    }
}

//! `bakpak plan` and `bakpak explain`: what can be typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use jiff::tz::TimeZone;

use super::time::{self, TypedTime};
use super::{KeyOptions, OutcomeOptions};

const SCRIPTS: &str = "Scripts";

/// `bakpak plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// One archive, or backup files and directories of them
    #[arg(required = true, value_name = "ARCHIVE|FILES", value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<PathBuf>,
    /// The database, if there are several: its name, or the family GUID that tells apart two of
    /// one name
    #[arg(long, value_name = "D")]
    pub(crate) database: Option<String>,
    /// The moment to go back to, in the server's local time [default: the newest that can be
    /// reached]
    #[arg(long, value_name = "TIME", value_parser = time::time)]
    pub(crate) at: Option<TypedTime>,
    /// TIME is meant in this zone: a name as Europe/Berlin, or an offset as +02:00
    #[arg(long, value_name = "ZONE", value_parser = time::zone, requires = "at")]
    pub(crate) tz: Option<TimeZone>,
    /// The SQL Server to restore to, as 2019 or 15.0: whether it is new enough
    #[arg(long, value_name = "V", value_parser = major_version)]
    pub(crate) to_sql_version: Option<u16>,
    /// Read only the headers of backup files: quick, but damage stays unseen
    #[arg(long)]
    pub(crate) headers_only: bool,

    #[command(flatten)]
    pub(crate) scripts: ScriptOptions,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) outcome: OutcomeOptions,
}

/// What the scripts of a plan shall do.
#[derive(Debug, Args)]
pub(crate) struct ScriptOptions {
    /// Write the steps as T-SQL scripts into DIR, which must hold none yet
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = SCRIPTS)]
    pub(crate) sql: Option<PathBuf>,
    /// Folder on the SQL Server in which the backup files will lie, or an archive will be unpacked
    /// [default: where files are now; of an archive D:\restore, or /srv/restore]
    #[arg(long, value_name = "FOLDER", requires = "sql", help_heading = SCRIPTS)]
    pub(crate) restore_from: Option<String>,
    /// Folder on the SQL Server for the database's data files [default: where they were]
    #[arg(long, value_name = "FOLDER", requires = "sql", help_heading = SCRIPTS)]
    pub(crate) move_data: Option<String>,
    /// Folder on the SQL Server for its log files [default: that of the data, or where they were]
    #[arg(long, value_name = "FOLDER", requires = "sql", help_heading = SCRIPTS)]
    pub(crate) move_log: Option<String>,
    /// How paths are written on the SQL Server [default: as they were on the old one]
    #[arg(long, value_enum, requires = "sql", help_heading = SCRIPTS)]
    pub(crate) target: Option<Target>,
    /// The scripts overwrite a database of this name if there is one; otherwise they stop at it
    #[arg(long, requires = "sql", help_heading = SCRIPTS)]
    pub(crate) replace: bool,
}

/// The system that SQL Server runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    // Doc comments here would be part of the help.
    Windows,
    Linux,
}

/// `bakpak explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code of a rule, as BP121; without it all are listed
    pub(crate) code: Option<String>,
    /// One JSON object a line (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// SQL Server's years and their major versions.
const YEARS: [(u16, u16); 10] = [
    (2000, 8),
    (2005, 9),
    (2008, 10),
    (2012, 11),
    (2014, 12),
    (2016, 13),
    (2017, 14),
    (2019, 15),
    (2022, 16),
    (2025, 17),
];

/// Reads `2019`, `15` or `15.0.4355.3`; also `2008 R2`, whose major version is that of 2008.
fn major_version(typed: &str) -> Result<u16, String> {
    let is_r2 = |rest: &str| rest.trim_start().eq_ignore_ascii_case("r2");
    if typed.strip_prefix("2008").is_some_and(is_r2) {
        return Ok(10);
    }
    let form = || "it must be a year as 2019, or a version as 15 or 15.0".to_owned();
    let mut parts = typed.split('.').map(str::parse::<u16>);
    let first = parts.next().and_then(Result::ok).ok_or_else(form)?;
    let is_alone = !typed.contains('.');
    let of_year = YEARS.iter().find(|(year, _)| *year == first && is_alone);
    match of_year {
        Some((_, major)) => Ok(*major),
        None if (8..100).contains(&first) && parts.all(|part| part.is_ok()) => Ok(first),
        None => Err(form()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_year_or_a_number() {
        for (typed, major) in [
            ("2019", 15),
            ("15", 15),
            ("15.0", 15),
            ("15.0.4355.3", 15),
            ("10.50", 10),
            ("2008", 10),
            ("2008R2", 10),
            ("2008 R2", 10),
            ("2008 r2", 10),
            ("2025", 17),
            ("18", 18),
        ] {
            assert_eq!(major_version(typed), Ok(major), "{typed}");
        }
        for typed in [
            "", "x", "2018", "2008R3", "2019R2", "2019.0", "15.", "15.x", "7", "-15", "100",
            "70000",
        ] {
            assert!(major_version(typed).is_err(), "{typed}");
        }
    }
}

//! A SQL Server backup in words and as JSON.

use mssql_backup::check::{Fault, LevelReport, LogSummary, Outcome};
use mssql_backup::columns::{LabelColumns, SetColumns};
use mssql_backup::label::Label;
use mssql_backup::report::{Medium, Report, SetReport};
use recovery::rules;
use serde_json::Value;

use super::text::{Lines, date, exact_size, named};
use super::{checks, set, verdict};
use crate::exit::Exit;
use crate::output::event::{Event, backup as event};
use crate::output::{Output, count};

/// A backup that was read, or that facts tell of.
pub(super) struct Told<'a> {
    /// How it was named; in an archive its path there.
    pub(super) file: &'a str,
    /// The archive that it is in.
    pub(super) archive: Option<&'a str>,
    pub(super) len: Option<u64>,
    /// Whether it was read to its end.
    pub(super) is_verified: bool,
    pub(super) report: &'a Report,
}

impl Told<'_> {
    /// Tells all of it; returns how an inspection of it ends.
    pub(super) fn tell(&self, output: &Output) -> Exit {
        self.tell_text(Lines(output));
        if output.is_json() {
            output.event(&Event::Backup(Box::new(self.event())));
        }
        verdict::exit(self.report, self.is_verified)
    }

    fn tell_text(&self, lines: Lines<'_>) {
        let report = self.report;
        lines.head(self.file);
        lines.line("kind", kind_words(report));
        lines.maybe("length", self.len.map(exact_size));
        if let Some(label) = &report.label {
            tell_label(label, lines);
        }
        if self.is_verified && !report.levels.is_empty() {
            lines.line("checks", "of the medium");
            checks::tell(&report.levels, lines);
        }
        for set in &report.sets {
            lines.0.line("");
            set::tell(&set.checked, lines);
            if self.is_verified {
                lines.line("checks", "of the set");
                checks::tell(&set.checked.levels, lines);
                let counts = &set.pages;
                let others = counts.unprotected;
                if others > 0 && counts.checksum_good + counts.torn_good > 0 {
                    let pages = count(others, "page has none", "pages have none");
                    let text = format!("{pages}: nothing but the backup checksums covers them");
                    lines.row("no page checksum", &text);
                }
            }
        }
        lines.0.line("");
        for note in &report.notes {
            lines.wrapped("note", note);
        }
        if report.sets.len() > 1 {
            let text = format!(
                "holds {} sets: RESTORE without FILE = n takes the first, which is the oldest ({})",
                report.sets.len(),
                rules::SEVERAL_SETS.code()
            );
            lines.wrapped("note", &text);
        }
        checks::tell_faults(report, lines);
        let when = match self.archive {
            Some(_) => "when packed: ",
            None => "",
        };
        let sentence = verdict::sentence(report, self.is_verified);
        lines.wrapped("verdict", &format!("{when}{sentence}"));
    }

    fn event(&self) -> event::Backup {
        let report = self.report;
        event::Backup {
            file: self.file.to_owned(),
            archive: self.archive.map(str::to_owned),
            kind: kind_name(report).to_owned(),
            len: self.len,
            verified: self.is_verified,
            damaged: report.is_damaged(),
            label: report
                .label
                .as_ref()
                .map(|label| columns(LabelColumns(label))),
            sets: report.sets.iter().map(set_columns).collect(),
            checks: report.levels.iter().map(check).collect(),
            faults: report.faults.iter().map(fault).collect(),
            fault_count: report.fault_count,
            facts: Vec::new(),
            notes: report.notes.clone(),
            unreadable: report.unreadable.map(|unreadable| unreadable.to_string()),
        }
    }
}

fn kind_words(report: &Report) -> &'static str {
    match report.medium {
        Medium::Container(header) if header.is_encrypted() => "a SQL Server backup, encrypted",
        Medium::Container(_) => "a SQL Server backup, compressed",
        Medium::Native | Medium::Other => "a SQL Server backup, not compressed",
    }
}

fn kind_name(report: &Report) -> &'static str {
    match report.medium {
        Medium::Container(header) if header.is_encrypted() => "encrypted",
        Medium::Container(_) => "compressed",
        Medium::Native | Medium::Other => "native",
    }
}

fn tell_label(label: &Label, lines: Lines<'_>) {
    let stripe = match label.family_count {
        0 | 1 => "not striped".to_owned(),
        count => format!(
            "stripe {} of {count}: RESTORE needs all of them",
            label.family_sequence_number
        ),
    };
    lines.line("media", &stripe);
    lines.maybe("media set", label.media_set_id.map(|guid| guid.to_string()));
    lines.maybe("media name", label.media_name.as_deref().map(named));
    lines.maybe(
        "described as",
        label.media_description.as_deref().map(named),
    );
    lines.maybe("formatted", label.media_date.map(date));
    if label.mirror_count > 1 {
        lines.line("mirrors", &label.mirror_count.to_string());
    }
    if label.has_password {
        lines.line("password", "a media password is set");
    }
}

/// Columns by SQL Server's names.
fn columns(columns: impl serde::Serialize) -> Value {
    // Maps with names as keys: nothing in them fails.
    serde_json::to_value(columns).unwrap_or_default()
}

fn set_columns(set: &SetReport) -> Value {
    let mut value = columns(SetColumns(&set.checked.set));
    if let Some(map) = value.as_object_mut() {
        let checks: Vec<_> = set.checked.levels.iter().map(check).collect();
        map.insert("checks".to_owned(), columns(checks));
        map.insert("log".to_owned(), columns(set.checked.log.as_ref().map(log)));
    }
    value
}

/// A level as JSON has it.
pub(super) fn check(level: &LevelReport) -> event::Check {
    let (outcome, reason) = match &level.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed => ("failed", None),
        Outcome::Doubtful(why) => ("doubtful", Some(why)),
        Outcome::Absent(why) => ("absent", Some(why)),
        Outcome::Unknown(why) => ("unknown", Some(why)),
    };
    event::Check {
        level: level.level.name(),
        outcome,
        checked: level.checked,
        faulty: level.faulty,
        reason: reason.map(ToString::to_string),
    }
}

fn fault(fault: &Fault) -> event::Fault {
    event::Fault {
        level: fault.level.name().to_owned(),
        offset: Some(fault.offset),
        set: fault.position,
        page: fault.page.map(|page| page.to_string()),
        message: fault.message.clone(),
    }
}

fn log(log: &LogSummary) -> event::Log {
    event::Log {
        blocks: log.blocks,
        records: log.records,
        commits: log.commits,
        first_commit: log.first_commit.map(|time| time.to_string()),
        last_commit: log.last_commit.map(|time| time.to_string()),
    }
}

//! Backups of other kinds than SQL Server's, in words and as JSON.

use std::io::{self, Cursor, Read, Seek};

use bakpak_format::record::{OtherSourceFacts, other_source, outcome};
use mssql_backup::kind::PostgresFormat;
use recovery::fault::FaultKind;
use recovery::foreign::{self, ForeignKind, ForeignReport};

use super::checks::MAX_SHOWN;
use super::text::{Lines, exact_size, listed};
use crate::backups::Depth;
use crate::exit::Exit;
use crate::output::Output;
use crate::output::event::{Event, backup as event};

/// As much of a dump as is read for its headers.
const HEAD_LEN: u64 = 1 << 20;
/// What a dump tells of itself at its start.
const HEAD_FACTS: [&str; 6] = [
    "database",
    "server_version",
    "pg_dump_version",
    "archive_version",
    "created",
    "compression",
];

/// A backup of another kind, and what is known of it.
#[derive(Default)]
pub(super) struct Other {
    file: String,
    archive: Option<String>,
    kind: String,
    words: String,
    len: u64,
    is_verified: bool,
    facts: Vec<(String, String)>,
    /// Kind and message.
    faults: Vec<(String, String)>,
    fault_count: u64,
    /// How a check of it ended.
    exit: Option<Exit>,
    /// What a check of it, or none, lets one say.
    sentence: String,
}

/// Reads such a file: its first bytes, or all of it.
///
/// # Errors
///
/// It cannot be read.
pub(super) fn read(
    file: String,
    len: u64,
    mut reader: impl Read + Seek,
    kind: &ForeignKind,
    depth: Depth,
) -> io::Result<Other> {
    let (name, words) = names(kind);
    let mut other = Other {
        file,
        kind: name.to_owned(),
        words,
        len,
        ..Other::default()
    };
    if let ForeignKind::ZippedBackups(names) = kind {
        let named = names.iter().map(|name| ("backup".to_owned(), name.clone()));
        other.facts = named.collect();
        other.sentence = "RESTORE reads no ZIP: unpack it, then inspect what was in it".to_owned();
        other.exit = (depth == Depth::Everything).then_some(Exit::UNSUPPORTED);
        return Ok(other);
    }
    if depth == Depth::Headers {
        other.sentence = "not checked: --verify reads all of it".to_owned();
        if let ForeignKind::PostgresDump(_) = kind {
            let mut head = Vec::new();
            reader.by_ref().take(HEAD_LEN).read_to_end(&mut head)?;
            // What is wrong with a part says nothing about the whole.
            let report = foreign::check(kind, Cursor::new(head))?;
            other.facts = facts(report.as_ref());
            other
                .facts
                .retain(|(name, _)| HEAD_FACTS.contains(&name.as_str()));
        }
        return Ok(other);
    }
    other.is_verified = true;
    let report = foreign::check(kind, reader)?;
    other.facts = facts(report.as_ref());
    if let Some(report) = &report {
        other.take_faults(report);
    }
    other.sentence = match other.exit {
        Some(Exit::TRUNCATED) => "CUT SHORT: its end is missing".to_owned(),
        Some(Exit::UNSUPPORTED) => "not checkable here".to_owned(),
        Some(_) => "DAMAGED".to_owned(),
        None => proof(kind, &other.facts),
    };
    Ok(other)
}

impl Other {
    /// One that was packed, by its facts.
    pub(super) fn of_facts(file: String, archive: &str, len: u64, facts: OtherSourceFacts) -> Self {
        let (kind, words) = match facts.kind {
            other_source::BACPAC => names(&ForeignKind::Bacpac),
            other_source::PG_DUMP => ("pg-dump", "a dump of PostgreSQL".to_owned()),
            other_source::QDRANT => names(&ForeignKind::QdrantSnapshot),
            other_source::ZIP => {
                let named = facts.values.iter().filter(|value| value.name == "backup");
                let named: Vec<_> = named.map(|value| value.value.clone()).collect();
                match named.is_empty() {
                    true => names(&ForeignKind::Zip),
                    false => names(&ForeignKind::ZippedBackups(named)),
                }
            }
            _ => ("", String::new()),
        };
        let (kind, words) = match kind {
            "" => (
                format!("kind-{}", facts.kind),
                format!("a backup of kind {}, unknown to this version", facts.kind),
            ),
            _ => (kind.to_owned(), words),
        };
        let sentence = match facts.outcome {
            outcome::PASSED => "no fault found",
            outcome::FAILED => "DAMAGED",
            outcome::ABSENT => "there was nothing to check",
            _ => "not checkable",
        };
        let faults = facts.faults.into_iter().map(|fault| {
            let message = match fault.place.is_empty() {
                true => fault.message,
                false => format!("{}: {}", fault.place, fault.message),
            };
            (String::new(), message)
        });
        Self {
            file,
            archive: Some(archive.to_owned()),
            kind,
            words,
            len,
            is_verified: true,
            faults: faults.collect(),
            fault_count: facts.fault_count,
            exit: (facts.outcome == outcome::FAILED).then_some(Exit::DAMAGED),
            facts: facts
                .values
                .into_iter()
                .map(|value| (value.name, value.value))
                .collect(),
            sentence: format!("when packed: {sentence}"),
        }
    }

    fn take_faults(&mut self, report: &ForeignReport) {
        let faults = report.faults();
        let listed = faults.list();
        self.fault_count = faults.count();
        self.faults = listed
            .iter()
            .map(|fault| {
                let message = format!("{fault} ({})", report.rule(fault));
                (kind_of_fault(fault.kind).to_owned(), message)
            })
            .collect();
        self.exit = match faults.is_empty() {
            true => None,
            false if faults.say_nothing() => Some(Exit::UNSUPPORTED),
            false if faults.are_only(&[FaultKind::Truncated]) => Some(Exit::TRUNCATED),
            false => Some(Exit::DAMAGED),
        };
    }

    /// Tells all of it; returns how an inspection of it ends.
    pub(super) fn tell(self, output: &Output) -> Exit {
        let lines = Lines(output);
        lines.head(&self.file);
        lines.line("kind", &self.words);
        lines.line("length", &exact_size(self.len));
        if !self.facts.is_empty() {
            lines.line("facts", "as it tells them of itself");
        }
        for (name, value) in &self.facts {
            tell_fact(name, value, lines);
        }
        for (_, message) in self.faults.iter().take(MAX_SHOWN) {
            lines.wrapped("FAULT", message);
        }
        let shown = self.faults.len().min(MAX_SHOWN) as u64;
        if self.fault_count > shown {
            lines.line("", &format!("and {} more", self.fault_count - shown));
        }
        lines.wrapped("verdict", &self.sentence);
        let exit = self.exit.unwrap_or(Exit::DONE);
        output.event(&Event::Backup(Box::new(self.event())));
        exit
    }

    fn event(self) -> event::Backup {
        let faults = self
            .faults
            .into_iter()
            .map(|(level, message)| event::Fault {
                level,
                offset: None,
                set: None,
                page: None,
                message,
            });
        let facts = self.facts.into_iter();
        let damaged = matches!(self.exit, Some(Exit::DAMAGED | Exit::TRUNCATED));
        event::Backup {
            file: self.file,
            archive: self.archive,
            kind: self.kind,
            len: Some(self.len),
            verified: self.is_verified,
            damaged,
            label: None,
            sets: Vec::new(),
            checks: Vec::new(),
            faults: faults.collect(),
            fault_count: self.fault_count,
            facts: facts
                .map(|(name, value)| event::NamedFact { name, value })
                .collect(),
            notes: Vec::new(),
            unreadable: (self.exit == Some(Exit::UNSUPPORTED)).then_some(self.sentence),
        }
    }
}

/// A fact; lengths, which programs get in bytes, for people.
fn tell_fact(name: &str, value: &str, lines: Lines<'_>) {
    match (name.strip_suffix("_len"), value.parse()) {
        (Some(name), Ok(len)) => lines.row(&name.replace('_', " "), &exact_size(len)),
        _ => lines.row(&name.replace('_', " "), value),
    }
}

/// The name of a kind in JSON, and in words.
fn names(kind: &ForeignKind) -> (&'static str, String) {
    match kind {
        ForeignKind::Bacpac => (
            "bacpac",
            "a BACPAC: a database exported with its rows".to_owned(),
        ),
        ForeignKind::Dacpac => (
            "dacpac",
            "a DACPAC: the model of a database, without rows".to_owned(),
        ),
        ForeignKind::ZippedBackups(names) => (
            "zipped-backups",
            format!("a ZIP with SQL Server backups in it: {}", listed(names, 5)),
        ),
        ForeignKind::PostgresDump(format) => {
            let format = match format {
                PostgresFormat::Custom => "custom format",
                PostgresFormat::DirectoryToc => {
                    "table of contents of one in directory format, without its data"
                }
                PostgresFormat::Tar => "tar format",
                PostgresFormat::PlainCluster => "SQL text of all databases",
                _ => "SQL text",
            };
            ("pg-dump", format!("a dump of PostgreSQL, {format}"))
        }
        ForeignKind::QdrantSnapshot => ("qdrant-snapshot", "a snapshot of Qdrant".to_owned()),
        ForeignKind::Zip => ("zip", "a ZIP archive".to_owned()),
        _ => ("tar", "a tar archive".to_owned()),
    }
}

/// What a check without faults rests on.
fn proof(kind: &ForeignKind, facts: &[(String, String)]) -> String {
    let is_stored = |(name, value): &(String, String)| name == "compression" && value == "none";
    match kind {
        ForeignKind::Bacpac | ForeignKind::Dacpac => {
            "no fault found, by CRC-32 of all members and SHA-256 of the model".to_owned()
        }
        ForeignKind::QdrantSnapshot => "no fault found, but it holds no checksum: compare its \
             SHA-256 with the one that Qdrant tells"
            .to_owned(),
        ForeignKind::PostgresDump(PostgresFormat::Plain | PostgresFormat::PlainCluster) => {
            "no fault found, but little could be checked: SQL text has no checksums".to_owned()
        }
        ForeignKind::PostgresDump(PostgresFormat::DirectoryToc) => {
            "no fault found in the table of contents; the data are in other files".to_owned()
        }
        ForeignKind::PostgresDump(_) if facts.iter().any(is_stored) => {
            "no fault found, but little could be checked: it is not compressed and has no checksums"
                .to_owned()
        }
        _ => "no fault found".to_owned(),
    }
}

fn facts(report: Option<&ForeignReport>) -> Vec<(String, String)> {
    let facts = report.map(ForeignReport::facts).unwrap_or_default();
    let owned = facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    owned.collect()
}

fn kind_of_fault(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Truncated => "truncated",
        FaultKind::Damaged => "damaged",
        FaultKind::Mismatch => "mismatch",
        FaultKind::Missing => "missing",
        FaultKind::LimitExceeded => "limit exceeded",
        _ => "unsupported",
    }
}

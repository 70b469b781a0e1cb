//! `bakpak verify`.

use std::collections::HashSet;

use bakpak_codec::default_threads;
use bakpak_codec::error::{Finding, ReadError};
use bakpak_codec::inspect::Totals;
use bakpak_codec::verify::{VerifyLevel, VerifyReport, verify, verify_keyless};
use bakpak_format::entry::EntryPath;

use crate::absent;
use crate::archive;
use crate::args::{Depth, VerifyArguments};
use crate::exit::Exit;
use crate::interrupt::{self, Phase};
use crate::output::event::{self, Event, Verified};
use crate::output::{self, Output, count, hex, size};
use crate::progress::Progress;
use crate::prompt::Keys;
use crate::report::exit_of;

/// Verifies.
///
/// # Errors
///
/// The archive cannot be read or opened at all. Damage is a verdict, not an error.
pub(crate) fn run(arguments: &VerifyArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    let name = archive::name(&arguments.archive);
    let keys = match arguments.keyless {
        true => None,
        false => Some(Keys::of_data(&arguments.keys, output)?),
    };
    let (input, len) = archive::open_input(&arguments.archive, &arguments.keys)?;
    let progress = Progress::new(output, "verified", len);
    let (level, report) = match keys {
        None => (
            "keyless",
            verify_keyless(input, default_threads(), &progress),
        ),
        Some(mut keys) => {
            let (word, level) = match arguments.level {
                Depth::Blocks => ("blocks", VerifyLevel::Blocks),
                Depth::Full => ("full", VerifyLevel::Full),
            };
            (
                word,
                verify(input, &mut keys, level, default_threads(), &progress),
            )
        }
    };
    let report = report.map_err(|error| {
        let seen = match error {
            ReadError::NoKeyFits { .. } => ", in which no damage shows without a key",
            _ => "",
        };
        anyhow::Error::from(error).context(format!("cannot verify {name}{seen}"))
    })?;
    drop(progress);
    let level = match report.without_key {
        Some(_) => "keyless",
        None => level,
    };
    Ok(tell(arguments, level, &report, output))
}

fn tell(
    arguments: &VerifyArguments,
    level: &'static str,
    report: &VerifyReport,
    output: &Output,
) -> Exit {
    absent::tell_changed(report.changed, output);
    let mut exit = output.exit(arguments.outcome.fail_on);
    for finding in &report.findings {
        output.error(&finding.to_string());
        output.event(&Event::Finding(listed(finding)));
        exit = exit.worst(exit_of(finding.class()));
    }
    if let Some(error) = &report.without_key {
        let code = exit_of(error.class());
        let message = format!("{error}, so only what shows without a key was verified");
        output.error(&message);
        output.event(&Event::Error {
            code: code.0,
            message,
            hints: Vec::new(),
        });
        exit = exit.worst(code);
    }
    for missing in &report.missing {
        let (path, reason) = (&missing.path, &missing.reason);
        output.error(&format!(
            "'{path}' is not in the archive: {}",
            output::escaped(reason)
        ));
        output.event(&Event::Missing {
            path: path.into(),
            reason: reason.clone(),
        });
    }
    for path in only_unreadable(report) {
        let text = format!("'{path}' could not be read when packed: its content is not there");
        output.error(&text);
    }
    if !report.missing.is_empty()
        || !report.unreadable.is_empty()
        || report
            .totals
            .as_ref()
            .is_some_and(|totals| totals.incomplete || totals.not_restorable)
    {
        exit = exit.worst(Exit::INCOMPLETE);
    }
    output.hint(
        &exit
            .remedies()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
    );
    let verdict = verdict(exit);
    let name = archive::name(&arguments.archive);
    let name = name.trim_matches('\'');
    output.line(format!("{name}: {}", sentence(verdict, level, report)));
    output.event(&Event::Verified(Verified {
        archive: arguments.archive.to_string_lossy().into_owned(),
        level,
        verdict,
        exit: exit.0,
        archive_len: report.archive_len,
        blocks: report.blocks,
        root: report.root.map(|root| hex(&root.0)),
        entries: entries(report),
        findings: report.findings.len(),
        missing: report.missing.len(),
        warnings: output.warning_count(),
    }));
    exit
}

fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::DONE | Exit::WARNINGS => "whole",
        Exit::TRUNCATED => "truncated",
        Exit::INCOMPLETE => "incomplete",
        Exit::UNSUPPORTED => "unsupported",
        _ => "damaged",
    }
}

/// The verdict, and what it rests on.
fn sentence(verdict: &str, level: &str, report: &VerifyReport) -> String {
    let blocks = count(report.blocks, "block", "blocks");
    let len = size(report.archive_len);
    let entries = count(entries(report), "entry", "entries");
    let findings = count(report.findings.len() as u64, "finding", "findings");
    match (verdict, level) {
        ("whole", "keyless") => format!(
            "whole ({blocks}, {len}); checked without a key, which shows accidents, not attacks"
        ),
        ("whole", "blocks") => {
            format!("whole and authentic ({blocks}, {len}); the entries were not looked at")
        }
        // A backup that grew while it was read is whole in the archive, and perhaps no backup.
        ("whole", _) if report.changed > 0 => format!(
            "whole ({blocks}, {len}, {entries}), but {} changed while packed",
            count(report.changed, "file", "files")
        ),
        ("whole", _) => format!("whole and restorable ({blocks}, {len}, {entries})"),
        ("truncated", _) => format!("CUT SHORT after {len} ({findings})"),
        ("incomplete", _) if is_only_not_restorable(report) => format!(
            "whole but NOT RESTORABLE: what was packed was not enough ({blocks}, {len}, {entries})"
        ),
        ("incomplete", _) => {
            let missing = report.missing.len() + only_unreadable(report).count();
            let missing = count(missing as u64, "source", "sources");
            format!("whole but INCOMPLETE: {missing} could not be read when it was packed")
        }
        ("unsupported", _) => format!("NOT SUPPORTED by this version ({findings})"),
        _ => format!("DAMAGED ({findings} in {blocks}, {len})"),
    }
}

/// Whether nothing is missing, and still it was not enough (spec: FIN-3).
fn is_only_not_restorable(report: &VerifyReport) -> bool {
    let said = |totals: &Totals| totals.not_restorable && !totals.incomplete;
    report.totals.as_ref().is_some_and(said) && report.unreadable.is_empty()
}

/// Entries that broke off and are not told among what is missing.
fn only_unreadable(report: &VerifyReport) -> impl Iterator<Item = &EntryPath> {
    let missing: HashSet<_> = report.missing.iter().map(|missing| &missing.path).collect();
    let unreadable = report.unreadable.iter();
    unreadable.filter(move |path| !missing.contains(path))
}

/// How many entries were decoded.
fn entries(report: &VerifyReport) -> u64 {
    report.totals.as_ref().map_or(0, |totals| totals.row_count)
}

fn listed(finding: &Finding) -> event::Finding {
    event::Finding {
        class: finding.class.to_string(),
        structure: finding.structure.to_string(),
        offset: finding.offset,
        block: finding.block,
        sectors: finding.sectors.clone(),
        path: finding.entry.as_ref().map(Into::into).unwrap_or_default(),
        rule: finding.rule,
        message: finding.message.clone(),
    }
}

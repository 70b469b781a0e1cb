//! What is to be thought of a backup: the exit code, and one sentence.

use mssql_backup::check::{Fault, Level, LevelReport, Outcome};
use mssql_backup::report::{Medium, Report};
use mssql_backup::set::BackupType;

use super::checks::is_doubt;
use crate::exit::Exit;
use crate::output::count;

/// What starts the message of a fault that says that the end is missing.
const CUT: &str = "truncated: ";

/// How an inspection of this backup ends.
pub(super) fn exit(report: &Report, is_verified: bool) -> Exit {
    if report.is_damaged() {
        return match is_only_cut(report) {
            true => Exit::TRUNCATED,
            false => Exit::DAMAGED,
        };
    }
    match report.unreadable.is_some() && is_verified {
        true => Exit::UNSUPPORTED,
        false => Exit::DONE,
    }
}

/// One sentence; never more than what was checked can bear.
pub(super) fn sentence(report: &Report, is_verified: bool) -> String {
    let faults = || count(report.fault_count, "fault", "faults");
    match exit(report, is_verified) {
        Exit::DAMAGED => return format!("DAMAGED: {}", faults()),
        Exit::TRUNCATED => return format!("CUT SHORT: its end is missing ({})", faults()),
        _ => {}
    }
    if let Some(unreadable) = report.unreadable {
        return unreadable.to_string();
    }
    if !is_verified {
        return "nothing wrong in the headers; --verify checks all the rest".to_owned();
    }
    let doubt = match has(report, |outcome| matches!(outcome, Outcome::Doubtful(_))) {
        true => "; but see what is doubtful",
        false => "",
    };
    let proofs = proofs(report);
    match unproved(report) {
        Some(why) => format!("no fault found, but little could be checked: {why}{doubt}"),
        None => format!("no fault found, by {}{doubt}", proofs.join(", ")),
    }
}

/// Whether all that is wrong is that the end is missing, and what comes of that.
fn is_only_cut(report: &Report) -> bool {
    let is_cut = |fault: &Fault| fault.message.starts_with(CUT);
    // Faults that are not listed are not known.
    let are_all_listed = report.fault_count <= report.faults.len() as u64;
    let real = report
        .faults
        .iter()
        .filter(|fault| !is_doubt(report, fault));
    let mut real = real.peekable();
    are_all_listed
        && report.faults.iter().any(is_cut)
        && real.all(|fault| is_cut(fault) || is_consequence(fault))
}

/// Whether it can come of a missing end alone: something is not there, and nothing is wrong.
fn is_consequence(fault: &Fault) -> bool {
    match fault.level {
        Level::Completeness | Level::PageCount | Level::Allocation | Level::LogContinuity => true,
        Level::BackupChecksums => fault.message.ends_with("is missing"),
        _ => false,
    }
}

/// What says that the bytes are those that were written.
fn proofs(report: &Report) -> Vec<&'static str> {
    let kinds = [
        (Level::CompressedBlocks, "checksums of compressed blocks"),
        (Level::BackupChecksums, "backup checksums"),
        (Level::Pages, "page checksums"),
        (Level::LogBlocks, "checksums of log blocks"),
    ];
    let passed = |level: Level| levels(report).any(|found| found.level == level && passed(found));
    let proofs = kinds.iter().filter(|(level, _)| passed(*level));
    proofs.map(|(_, word)| *word).collect()
}

/// Why nothing says that the bytes of some set are those that were written.
fn unproved(report: &Report) -> Option<String> {
    if let Medium::Container(_) = report.medium {
        // Each of its blocks has a checksum.
        return None;
    }
    let weak = report.sets.iter().map(|set| &set.checked).find(|checked| {
        let main = match checked.set.header.backup_type {
            Some(BackupType::Log) => Level::LogBlocks,
            _ => Level::Pages,
        };
        let proof = |level| {
            checked
                .levels
                .iter()
                .any(|found| found.level == level && passed(found))
        };
        !proof(main) && !proof(Level::BackupChecksums)
    })?;
    let reasons = weak.levels.iter().filter_map(|found| match &found.outcome {
        Outcome::Absent(why) | Outcome::Unknown(why) => {
            let is_log = weak.set.header.backup_type == Some(BackupType::Log);
            let counts = match found.level {
                Level::BackupChecksums => true,
                Level::Pages => !is_log,
                Level::LogBlocks => is_log,
                _ => false,
            };
            counts.then(|| why.to_string())
        }
        _ => None,
    });
    let mut reasons: Vec<_> = reasons.collect();
    reasons.push("it is not compressed".to_owned());
    Some(reasons.join("; "))
}

fn passed(level: &LevelReport) -> bool {
    level.outcome == Outcome::Passed && level.checked > 0
}

fn has(report: &Report, is_meant: impl Fn(&Outcome) -> bool) -> bool {
    levels(report).any(|level| is_meant(&level.outcome))
}

fn levels(report: &Report) -> impl Iterator<Item = &LevelReport> {
    let of_sets = report.sets.iter().flat_map(|set| &set.checked.levels);
    report.levels.iter().chain(of_sets)
}

//! What is to be thought of a backup: the exit code, and one sentence.

use mssql_backup::check::{CheckedSet, Fault, Level, LevelReport, Outcome};
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
        None if proofs.is_empty() => format!("no fault found; it holds nothing to check{doubt}"),
        None => format!(
            "no fault found; checksums hold of {}{doubt}",
            proofs.join(", ")
        ),
    }
}

/// Whether all that is wrong is that the end is missing, and what comes of that.
fn is_only_cut(report: &Report) -> bool {
    let level = match report.medium {
        Medium::Container(_) => Level::CompressedBlocks,
        Medium::Native | Medium::Other => Level::Tiling,
    };
    let is_cut = |fault: &Fault| fault.message.starts_with(CUT);
    let cuts = report.faults.iter().filter(|fault| is_cut(fault));
    let cuts = cuts.filter(|fault| fault.level == level);
    let Some(cut_at) = cuts.map(|fault| fault.offset).min() else {
        return false;
    };
    // Faults that are not listed are not known.
    let are_all_listed = report.fault_count <= report.faults.len() as u64;
    let mut faults = report.faults.iter();
    are_all_listed
        && faults.all(|fault| {
            is_cut(fault)
                || fault.offset >= cut_at
                || is_consequence(fault)
                || is_doubt(report, fault)
        })
}

/// Whether it can come of a missing end alone: something is not there, and nothing is wrong.
fn is_consequence(fault: &Fault) -> bool {
    match fault.level {
        Level::Completeness | Level::PageCount | Level::Allocation | Level::LogContinuity => true,
        Level::BackupChecksums => fault.message.ends_with("is missing"),
        // What could not be decompressed: the block that it was in is a fault of its own.
        Level::Pages => fault.message.ends_with("it is not readable"),
        _ => false,
    }
}

/// What says that the bytes are those that were written.
fn proofs(report: &Report) -> Vec<&'static str> {
    let kinds = [
        (Level::CompressedBlocks, "compressed blocks"),
        (Level::BackupChecksums, "the backup as a whole"),
        (Level::Pages, "pages"),
        (Level::LogBlocks, "log blocks"),
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
        !proof(main) && !proof(Level::BackupChecksums) && !is_empty_log(checked)
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

/// Whether it is a log backup without any log, as one is that follows another at once.
fn is_empty_log(checked: &CheckedSet) -> bool {
    let header = &checked.set.header;
    let lsns = header.first_lsn.zip(header.last_lsn);
    let is_empty = lsns.is_some_and(|(first, last)| first == last);
    is_empty && header.backup_type == Some(BackupType::Log) && checked.log.is_none()
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

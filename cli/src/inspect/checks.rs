//! What verification found, level by level and fault by fault, in words.

use mssql_backup::check::{Fault, Level, LevelReport, Outcome};
use mssql_backup::report::Report;

use super::text::Lines;
use crate::output::count;

/// Faults that are told in words; JSON has the first thousand.
pub(super) const MAX_SHOWN: usize = 20;

/// Tells levels, a line for each.
pub(super) fn tell(levels: &[LevelReport], lines: Lines<'_>) {
    for level in levels {
        let (word, text) = words(level);
        lines.row(level.level.name(), &format!("{word}{text}"));
    }
}

/// Tells the first faults, with their places.
pub(super) fn tell_faults(report: &Report, lines: Lines<'_>) {
    let shown = report.faults.iter().take(MAX_SHOWN);
    for fault in shown.clone() {
        let set = match (fault.position, report.sets.len()) {
            (Some(position), 2..) => format!("set {position}, "),
            _ => String::new(),
        };
        let name = match is_doubt(report, fault) {
            true => "doubt",
            false => "FAULT",
        };
        let text = format!("{set}offset {}: {}", fault.offset, fault.message);
        lines.wrapped(name, &text);
    }
    let more = report.fault_count.saturating_sub(shown.count() as u64);
    if more > 0 {
        lines.line("", &format!("and {}", count(more, "more", "more")));
    }
}

/// Whether what was found can be right in a busy database.
pub(super) fn is_doubt(report: &Report, fault: &Fault) -> bool {
    let levels = match fault.position {
        None => report.levels.as_slice(),
        Some(position) => {
            let sets = report.sets.iter().map(|set| &set.checked);
            let mut here = sets.filter(|checked| checked.set.header.position == position);
            here.next().map_or(&[][..], |checked| &checked.levels)
        }
    };
    levels
        .iter()
        .any(|level| level.level == fault.level && matches!(level.outcome, Outcome::Doubtful(_)))
}

/// Outcome and what it rests on.
fn words(report: &LevelReport) -> (&'static str, String) {
    let number = report.checked;
    match &report.outcome {
        Outcome::Passed => ("passed", counted(report.level, number)),
        Outcome::Failed if number > 1 => {
            let faulty = count(report.faulty, "fault", "faults");
            (
                "FAILED",
                format!(", {faulty} in {}", things(report.level, number)),
            )
        }
        Outcome::Failed => ("FAILED", String::new()),
        Outcome::Doubtful(why) => ("doubtful", format!(": {why}")),
        Outcome::Absent(why) => ("not there", format!(": {why}")),
        Outcome::Unknown(why) => ("not checkable", format!(": {why}")),
    }
}

fn counted(level: Level, number: u64) -> String {
    match level {
        // There is one file, and its two copies of the configuration.
        Level::Tiling | Level::Configuration => String::new(),
        _ => format!(", {}", things(level, number)),
    }
}

/// What a level counts.
fn things(level: Level, number: u64) -> String {
    let (one, many) = match level {
        Level::CompressedBlocks => ("block", "blocks"),
        Level::Descriptors => ("descriptor", "descriptors"),
        Level::Addresses => ("number", "numbers"),
        Level::Completeness => ("part", "parts"),
        Level::PageCount => ("page", "pages"),
        Level::Allocation => ("allocated page", "allocated pages"),
        Level::Pages => ("page with a checksum", "pages with a checksum"),
        Level::BackupChecksums => ("checksum", "checksums"),
        Level::LogBlocks => ("log block with a checksum", "log blocks with a checksum"),
        Level::LogContinuity => ("log block", "log blocks"),
        _ => ("check", "checks"),
    };
    count(number, one, many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_say_what_they_rest_on() {
        let told = |level, outcome, checked, faulty| {
            let (word, text) = words(&LevelReport {
                level,
                outcome,
                checked,
                faulty,
            });
            format!("{word}{text}")
        };
        assert_eq!(
            told(Level::Pages, Outcome::Passed, 168, 0),
            "passed, 168 pages with a checksum"
        );
        assert_eq!(
            told(Level::Pages, Outcome::Failed, 168, 1),
            "FAILED, 1 fault in 168 pages with a checksum"
        );
        assert_eq!(told(Level::Tiling, Outcome::Passed, 1, 0), "passed");
        let why = Outcome::Absent("a log backup holds no pages".into());
        assert_eq!(
            told(Level::Pages, why, 0, 0),
            "not there: a log backup holds no pages"
        );
        let why = Outcome::Unknown("encrypted".into());
        assert_eq!(told(Level::Pages, why, 0, 0), "not checkable: encrypted");
    }
}

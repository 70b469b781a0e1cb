//! What can be judged of a striped set only when all its stripes are there.

use std::ops::RangeInclusive;

use crate::allocation::Missing;
use crate::check::{Level, LevelReport, Outcome, PageId};
use crate::report::SetReport;
use crate::set::{BackupSet, BackupType};

/// What all stripes of one set hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Together {
    /// Page count, allocation and continuity of the log.
    pub levels: Vec<LevelReport>,
    /// What is wrong, in plain lines.
    pub faults: Vec<String>,
    /// The first hundred allocated pages that are on no stripe.
    pub missing: Vec<PageId>,
}

/// Judges the stripes of one set, one report for each; they must be all that there are.
///
/// None if there is no stripe, or if a level says that only the headers were read.
#[must_use]
pub fn together(stripes: &[&SetReport]) -> Option<Together> {
    let first = stripes.first()?;
    let was_read = |set: &&SetReport| set.pages.total > 0 || set.log_span.is_some();
    stripes.iter().any(was_read).then_some(())?;
    let set = &first.checked.set;
    let mut faults = Vec::new();
    let mut levels = Vec::new();
    let mut missing = Vec::new();
    if set.header.backup_type != Some(BackupType::Log) {
        levels.push(page_count(set, stripes, &mut faults));
    }
    if set.header.backup_type == Some(BackupType::Full) {
        let mut allocation = first.allocation.clone();
        stripes[1..]
            .iter()
            .for_each(|other| allocation.merge(&other.allocation));
        if let Some(found) = allocation.missing() {
            levels.push(allocated(&found));
            missing = found.first;
        }
    }
    levels.extend(log(set, stripes, &mut faults));
    Some(Together {
        levels,
        faults,
        missing,
    })
}

fn page_count(set: &BackupSet, stripes: &[&SetReport], faults: &mut Vec<String>) -> LevelReport {
    let mut faulty = 0;
    let mut checked = 0;
    for section in [0, 1] {
        let found: u64 = stripes
            .iter()
            .map(|stripe| stripe.page_sections[section])
            .sum();
        let pages = set.files.iter().map(|file| u64::from(file.pages[section]));
        let announced: u64 = pages.sum();
        checked += found;
        if found != announced {
            faulty += 1;
            let section = section + 1;
            faults.push(format!(
                "data section {section} holds {found} pages on all stripes, the configuration \
                 announces {announced}"
            ));
        }
    }
    report(Level::PageCount, checked, faulty)
}

/// How many allocated pages may be missing from the backup of a busy database.
pub(crate) fn tolerated(missing: &Missing) -> RangeInclusive<u64> {
    // Pages that were freed, or allocated, while the backup ran: it has few of them.
    1..=(missing.allocated / 256).max(8)
}

/// Why a few missing pages are no proof of damage.
pub(crate) const FEW_MISSING: &str =
    "a few allocated pages are not there: right if the database was busy";

fn allocated(missing: &Missing) -> LevelReport {
    let mut report = report(Level::Allocation, missing.allocated, missing.count);
    if tolerated(missing).contains(&missing.count) {
        report.outcome = Outcome::Doubtful(FEW_MISSING.into());
    }
    report
}

/// The log lies on one of the stripes, or in parts on several.
fn log(set: &BackupSet, stripes: &[&SetReport], faults: &mut Vec<String>) -> Option<LevelReport> {
    let (first, last) = set.header.first_lsn.zip(set.header.last_lsn)?;
    (first != last).then_some(())?;
    let mut spans: Vec<_> = stripes
        .iter()
        .filter_map(|stripe| stripe.log_span)
        .collect();
    spans.sort_unstable_by_key(|span| span.first);
    let starts = spans
        .first()
        .is_some_and(|span| span.first == (first.vlf, first.block));
    let ends = spans.last().is_some_and(|span| span.ends_at(last));
    let faulty = u64::from(!(starts && ends));
    if faulty > 0 {
        faults.push(format!("no stripe holds the log from {first} to {last}"));
    }
    Some(report(Level::LogContinuity, spans.len() as u64, faulty))
}

fn report(level: Level, checked: u64, faulty: u64) -> LevelReport {
    let outcome = match faulty {
        0 => Outcome::Passed,
        _ => Outcome::Failed,
    };
    LevelReport {
        level,
        outcome,
        checked,
        faulty,
    }
}

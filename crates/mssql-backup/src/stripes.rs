//! What can be judged of a striped set only when all its stripes are there.

use crate::allocation::{Allocation, Missing};
use crate::check::{Level, LevelReport, Outcome, PageId};
use crate::log::LogSpan;
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
/// None if there is no stripe, or if only the headers of one were read.
#[must_use]
pub fn together(stripes: &[&SetReport]) -> Option<Together> {
    let first = stripes.first()?;
    stripes.iter().all(|stripe| stripe.was_read).then_some(())?;
    let set = &first.checked.set;
    let mut faults = Vec::new();
    let mut levels = Vec::new();
    let mut missing = Vec::new();
    if set.header.backup_type != Some(BackupType::Log) {
        levels.push(page_count(set, stripes, &mut faults));
    }
    if set.header.backup_type == Some(BackupType::Full) {
        let mut allocation = Allocation::default();
        let known = stripes
            .iter()
            .filter_map(|stripe| stripe.allocation.as_ref());
        known.for_each(|other| allocation.merge(other));
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

/// Whether the missing pages are as many as a busy database can lack: few, and none of an extent
/// that was copied.
pub(crate) fn is_tolerable(missing: &Missing) -> bool {
    let few = (missing.allocated / 256).max(8);
    missing.in_copied_extents == 0 && (1..=few).contains(&missing.count)
}

/// Why a few missing pages are no proof of damage.
pub(crate) const FEW_MISSING: &str =
    "a few allocated pages are not there: right if the database was busy";

fn allocated(missing: &Missing) -> LevelReport {
    let mut report = report(Level::Allocation, missing.allocated, missing.count);
    if is_tolerable(missing) {
        report.outcome = Outcome::Doubtful(FEW_MISSING.into());
    }
    report
}

/// The log lies on one of the stripes, or in parts on several.
fn log(set: &BackupSet, stripes: &[&SetReport], faults: &mut Vec<String>) -> Option<LevelReport> {
    let (first, last) = set.header.first_lsn.zip(set.header.last_lsn)?;
    (first != last).then_some(())?;
    let mut spans: Vec<LogSpan> = stripes
        .iter()
        .flat_map(|stripe| stripe.log_spans.iter().copied())
        .collect();
    spans.sort_unstable_by_key(|span| span.first);
    let starts = spans
        .first()
        .is_some_and(|span| span.first == (first.vlf, first.block));
    let ends = spans.last().is_some_and(|span| span.ends_at(last));
    let mut pairs = spans.iter().zip(spans.iter().skip(1));
    let is_unbroken = pairs.all(|(one, next)| one.is_followed_by(next.first));
    let faulty = u64::from(!(starts && ends && is_unbroken));
    if faulty > 0 {
        faults.push(format!(
            "the stripes do not hold the log from {first} to {last}"
        ));
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

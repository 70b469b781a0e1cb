//! Words for what is wrong with backups.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use mssql_backup::check::Level;
use mssql_backup::guid::Guid;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::BackupType;

use crate::backup::{Backup, Defect, Place};
use crate::chain::{Log, base_guid, is_base};
use crate::finding::{Finding, quoted};
use crate::rules::{self, Rule};
use crate::windows::Gap;

/// How many names or numbers a message lists before it only counts.
const LISTED: usize = 8;

/// How messages name a backup: `full backup 'a.bak' (set 2) of 2024-06-15 01:00:00`.
#[must_use]
pub fn described(backup: &Backup) -> String {
    let header = backup.header();
    let kind = match header.backup_type {
        Some(BackupType::Full) if backup.is_copy_only() => "copy-only full backup",
        Some(BackupType::Full) => "full backup",
        Some(BackupType::Differential) => "differential backup",
        Some(BackupType::Log) => "log backup",
        Some(BackupType::File | BackupType::FileDifferential) => "backup of files",
        Some(BackupType::Partial | BackupType::PartialDifferential) => "partial backup",
        _ => "backup of unknown kind",
    };
    let place = backup.place().map(at).unwrap_or_default();
    let time = header.backup_finish_date.or(header.backup_start_date);
    let time = time
        .map(|time| format!(" of {}", clock(time)))
        .unwrap_or_default();
    format!("{kind} {place}{time}")
}

/// A local time as messages show it: `2024-06-15 01:00:00`.
#[must_use]
pub fn clock(time: DateTime) -> String {
    format!("{} {}", time.date(), time.time())
}

/// What each defect of a backup breaks; nothing if it has none.
#[must_use]
pub fn of_backup(backup: &Backup) -> Vec<Finding> {
    let defects = backup.defects().into_iter();
    defects.map(|defect| of_defect(backup, &defect)).collect()
}

/// The full backups that differentials may build on, and those that they cannot.
#[derive(Clone, Debug)]
pub struct BasesHere<'a> {
    guids: BTreeSet<Guid>,
    lsns: BTreeSet<Lsn>,
    /// Of those without a GUID, where the LSN must do.
    lsns_alone: BTreeSet<Lsn>,
    /// By the time they were finished.
    copy_only: BTreeMap<DateTime, &'a Backup>,
}

impl<'a> BasesHere<'a> {
    /// The whole ones among these backups.
    #[must_use]
    pub fn of(backups: &'a [Backup]) -> Self {
        let is_full = |one: &&Backup| one.header().backup_type == Some(BackupType::Full);
        let copy_only = backups
            .iter()
            .filter(is_full)
            .filter(|full| full.is_copy_only());
        let by_finish = copy_only.map(|full| Some((full.header().backup_finish_date?, full)));
        let mut here = Self {
            guids: BTreeSet::new(),
            lsns: BTreeSet::new(),
            lsns_alone: BTreeSet::new(),
            copy_only: by_finish.flatten().collect(),
        };
        for full in backups
            .iter()
            .filter(|one| is_base(one) && one.defects().is_empty())
        {
            let header = full.header();
            let lsns = [header.checkpoint_lsn, header.first_lsn]
                .into_iter()
                .flatten();
            here.lsns.extend(lsns.clone());
            match header.backup_set_guid {
                Some(guid) => here.guids.extend([guid]),
                None => here.lsns_alone.extend(lsns),
            }
        }
        here
    }

    /// Why a differential cannot be used. None if it can, or is none.
    #[must_use]
    pub fn lacks(&self, differential: &Backup) -> Option<Finding> {
        let header = differential.header();
        let (guid, lsn) = (base_guid(differential), header.differential_base_lsn);
        let is_in = |lsns: &BTreeSet<Lsn>| lsn.is_some_and(|lsn| lsns.contains(&lsn));
        let is_here = match guid {
            Some(guid) => self.guids.contains(&guid) || is_in(&self.lsns_alone),
            None => is_in(&self.lsns),
        };
        if is_here || header.backup_type != Some(BackupType::Differential) {
            return None;
        }
        let needs = match (guid, lsn) {
            (Some(guid), _) => format!("full backup {guid}"),
            (None, Some(lsn)) => format!("the full backup of checkpoint {lsn}"),
            (None, None) => "a full backup that it does not name".to_owned(),
        };
        let what = described(differential);
        // The copy-only one that somebody took for the base.
        let before = header
            .backup_start_date
            .map(|start| self.copy_only.range(..=start));
        let copy_only = before.and_then(|mut before| before.next_back());
        Some(match copy_only {
            Some((_, full)) => Finding::new(
                &rules::COPY_ONLY_BASE,
                format!("{what} needs {needs}, and the {} is none", described(full)),
            ),
            None => Finding::new(
                &rules::DIFFERENTIAL_BASE,
                format!("{what} needs {needs}, which is not here, or not whole"),
            ),
        })
    }
}

/// Where the log has a gap.
#[must_use]
pub fn of_gap(gap: &Gap<'_>) -> Finding {
    let started = gap.next.header().backup_start_date;
    let started = started
        .map(|start| format!(" and {}", clock(start)))
        .unwrap_or_default();
    Finding::new(
        &rules::LOG_GAP,
        format!(
            "no usable log backup here holds LSN {} to {}, made between {}{started}; next is the {}",
            gap.after,
            gap.before,
            clock(gap.since),
            described(gap.next)
        ),
    )
}

/// Where a plan cannot go on to a log.
#[must_use]
pub fn of_missing_log(
    position: impl std::fmt::Display,
    since: DateTime,
    next: &Log<'_>,
) -> Finding {
    let next_backup = described(next.backup);
    let message = format!(
        "the backups reach LSN {position} of {}; the {next_backup} starts at LSN {} only",
        clock(since),
        next.first
    );
    Finding::new(&rules::LOG_GAP, message)
}

/// A few numbers in words: `2, 5 and 40 more`.
fn listed<T: ToString>(items: &[T]) -> String {
    let shown: Vec<String> = items.iter().take(LISTED).map(T::to_string).collect();
    let shown = shown.join(", ");
    match items.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn of_defect(backup: &Backup, defect: &Defect) -> Finding {
    let what = described(backup);
    let (rule, message): (&'static Rule, String) = match defect {
        Defect::StripesMissing(missing) => (
            &rules::STRIPE_MISSING,
            format!(
                "{what} is on {} files; missing: {}",
                backup.family_count,
                listed(missing)
            ),
        ),
        Defect::CutOff(place) => (&rules::CUT_OFF, format!("{what}: {} has no end", at(place))),
        Defect::Damaged(place, levels) => {
            let only_pages = levels.as_slice() == [Level::PageCount];
            let rule = if only_pages {
                &rules::PAGE_COUNT
            } else {
                &rules::DAMAGED_SET
            };
            let levels: Vec<&str> = levels.iter().map(|level| checked(*level)).collect();
            (
                rule,
                format!("{what}: wrong in {}: {}", at(place), levels.join(", ")),
            )
        }
        Defect::MarkedDamaged => (
            &rules::DAMAGED_SET,
            format!("{what}: SQL Server itself marked it as damaged (CONTINUE_AFTER_ERROR)"),
        ),
        Defect::HeaderLacks(field) => (&rules::HEADER_LACKING, format!("{what} has no {field}")),
    };
    Finding::new(rule, message)
}

fn at(place: &Place) -> String {
    format!("{} (set {})", quoted(&place.file), place.position)
}

fn checked(level: Level) -> &'static str {
    match level {
        Level::CompressedBlocks => "compressed blocks",
        Level::Descriptors => "descriptor checksums",
        Level::Tiling => "structure",
        Level::Addresses => "addresses and counts",
        Level::Configuration => "the two copies of the configuration",
        Level::Completeness => "completeness",
        Level::PageCount => "number of pages",
        Level::Allocation => "allocated pages",
        Level::Pages => "page checksums",
        Level::BackupChecksums => "backup checksums",
        Level::LogBlocks => "log block checksums",
        Level::LogContinuity => "continuity of the log",
        _ => "another level",
    }
}

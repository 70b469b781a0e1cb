//! What a plan says besides its steps.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use mssql_backup::set::{Flags, product};

use super::{Step, major_version};
use crate::backup::Backup;
use crate::branch::Branch;
use crate::chain::Chain;
use crate::choice::Chosen;
use crate::defects::{self, BasesHere, clock, described};
use crate::finding::Finding;
use crate::route::{End, Route};
use crate::rules::{self, Severity};
use crate::windows::Window;

pub(super) fn about_end(
    route: &Route<'_>,
    at: Option<DateTime>,
    windows: &[Window],
) -> Option<Finding> {
    let at = at?;
    let reached = route.lands_at(None);
    let finish = route
        .logs
        .iter()
        .map(|log| log.finish)
        .max()
        .unwrap_or(route.base.finish);
    let finding = match &route.end {
        End::Covered | End::AtBackup => return None,
        End::Uncertain => {
            let message = format!(
                "everything up to {reached} is certainly in the backups; the last log backup ended {}",
                clock(finish)
            );
            return Some(Finding::new(&rules::UNCERTAIN, message));
        }
        End::Earlier => {
            let message = format!(
                "the state is that of the {}",
                described(route.base.newest())
            );
            return Some(Finding::new(&rules::SIMPLE_STOPAT, message));
        }
        End::BulkLogged(log) => Finding::new(
            &rules::BULK_LOGGED,
            format!("{} lies in the {}", clock(at), described(log.backup)),
        ),
        End::Gap(next) => defects::of_missing_log(route.position(), finish, next),
        End::Over => Finding::new(
            &rules::AFTER_LAST,
            format!("the backups reach {reached}, {} is later", clock(at)),
        ),
    };
    Some(Finding {
        help: nearest(at, windows, finding.help),
        ..finding
    })
}

/// The moments nearest to the one that cannot be reached.
fn nearest(at: DateTime, windows: &[Window], otherwise: String) -> String {
    let ends = windows.iter().flat_map(|window| {
        let whole = window.whole.iter().flat_map(|(from, to)| [*from, *to]);
        [window.from, window.to]
            .into_iter()
            .chain(whole.filter(|end| end.local <= window.to.local))
    });
    let before = ends
        .clone()
        .filter(|end| end.local <= at)
        .max_by_key(|end| end.local);
    let after = ends
        .filter(|end| at < end.local)
        .min_by_key(|end| end.local);
    match (before, after) {
        (Some(before), Some(after)) => {
            format!("{otherwise} The nearest moments that can be reached are {before} and {after}.")
        }
        (Some(one), None) | (None, Some(one)) => {
            format!("{otherwise} The nearest moment that can be reached is {one}.")
        }
        (None, None) => otherwise,
    }
}

pub(super) fn about_no_base(chain: &Chain<'_>, at: Option<DateTime>) -> Finding {
    let first = chain.bases.iter().min_by_key(|base| base.finish);
    match (first, at) {
        (Some(base), Some(at)) => Finding::new(
            &rules::BEFORE_FIRST,
            format!(
                "the oldest is the {}, {} is earlier",
                described(base.newest()),
                clock(at)
            ),
        ),
        _ => Finding::new(&rules::NO_FULL, "no usable full backup is here".to_owned()),
    }
}

/// Backups that the plan would use if they were whole.
pub(super) fn about_unused(
    backups: &[Backup],
    branch: &Branch,
    used: &Option<Route<'_>>,
    at: Option<DateTime>,
    severity: Severity,
) -> Vec<Finding> {
    let ideal = Chain::of(backups, branch, |_| true);
    let ideal = Route::to(&ideal, at);
    let on_ideal = ideal.iter().flat_map(|route| {
        let logs = route.logs.iter().map(|log| log.backup);
        [Some(route.base.full), route.base.differential]
            .into_iter()
            .flatten()
            .chain(logs)
    });
    let mut findings: Vec<Finding> = on_ideal.flat_map(defects::of_backup).collect();
    let base = used.as_ref().map(|route| route.base.finish);
    // What was cut off has no finish date and so no place in a chain: its start must do.
    let is_lost = |backup: &&Backup| {
        let header = backup.header();
        let start = header.backup_start_date;
        branch.holds(backup)
            && header.backup_finish_date.is_none()
            && start.is_none_or(|start| base.is_none_or(|base| base <= start))
            && at.is_none_or(|at| start.is_none_or(|start| start <= at))
    };
    findings.extend(backups.iter().filter(is_lost).flat_map(defects::of_backup));
    let is_newer = |backup: &&Backup| {
        let finish = backup.header().backup_finish_date;
        branch.holds(backup)
            && at.is_none_or(|at| finish.is_some_and(|finish| finish <= at))
            && base.is_none_or(|base| finish.is_some_and(|finish| base < finish))
    };
    let bases = BasesHere::of(backups);
    findings.extend(
        backups
            .iter()
            .filter(is_newer)
            .filter_map(|one| bases.lacks(one)),
    );
    let mut told = BTreeSet::new();
    // What was cut off can be on the way and have no finish date as well.
    findings.retain(|finding| told.insert(finding.to_string()));
    findings
        .into_iter()
        .map(|finding| finding.with(severity))
        .collect()
}

pub(crate) fn about_branches(chosen: &Chosen<'_>, branch: &Branch) -> Option<Finding> {
    let backups = chosen.database.backups.iter();
    // Those of a copy under another name are nobody's loss.
    let is_own = |backup: &&Backup| {
        backup.header().database_name.as_deref().unwrap_or_default() == chosen.name
    };
    let others = backups
        .filter(is_own)
        .filter(|backup| !branch.holds(backup))
        .count();
    let fork = branch.fork.map(|fork| fork.to_string()).unwrap_or_default();
    let message = format!("backups of another branch than {fork}: {others}");
    (others > 0).then(|| Finding::new(&rules::OTHER_BRANCH, message))
}

pub(super) fn about_version(steps: &[Step], target: Option<u16>) -> Option<Finding> {
    let source = steps.iter().max_by_key(|step| major_version(&step.set))?;
    let (needed, target) = (major_version(&source.set), target?);
    let version = source.set.header.database_version;
    let name = product(version)
        .map(|name| format!("{name}, "))
        .unwrap_or_default();
    let message = format!(
        "the database is of {name}internal version {version}, and needs major version {needed} or \
         newer; the target is {target}"
    );
    (target < needed).then(|| Finding::new(&rules::TARGET_TOO_OLD, message))
}

pub(super) fn about_checksums(steps: &[Step]) -> Option<Finding> {
    let lacks = |step: &&Step| !step.set.header.flags.contains(Flags::BACKUP_CHECKSUMS);
    let count = steps.iter().filter(lacks).count();
    let message = format!(
        "{count} of {} backups were made without CHECKSUM",
        steps.len()
    );
    (count > 0).then(|| Finding::new(&rules::NO_CHECKSUMS, message))
}

//! The shortest correct sequence of restores for a moment, or why there is none.

use jiff::civil::DateTime;
use mssql_backup::guid::Guid;
use mssql_backup::set::{BackupSet, BackupType};
use serde::Serialize;

use self::findings::{
    about_branches, about_checksums, about_end, about_no_base, about_unused, about_version,
};
use crate::backup::Backup;
use crate::branch::Branch;
use crate::catalogue::Catalogue;
use crate::chain::Chain;
use crate::choice::{ChoiceError, Chosen, Wanted, choose};
use crate::finding::Finding;
use crate::moment::Moment;
use crate::route::{End, Route};
use crate::rules::Severity;
use crate::windows::Window;

pub(crate) mod findings;

/// What is asked of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// Which database.
    pub database: Wanted,
    /// The moment, in the server's local time. None for the newest that can be reached.
    pub at: Option<DateTime>,
    /// `ProductMajorVersion` of the server to restore to: 15 is SQL Server 2019.
    pub to_sql_version: Option<u16>,
}

/// How a database is restored to a moment, or why it cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The name of the database.
    pub database: String,
    /// Its `FamilyGUID`.
    pub family: Option<Guid>,
    /// The branch of its history that the plan ends on.
    pub fork: Option<Guid>,
    /// Whether the moment is reached.
    pub verdict: Verdict,
    /// The moment whose state the steps lead to. None if there are no steps.
    pub at: Option<Moment>,
    /// The stretch of time around it that can be reached too.
    pub window: Option<Window>,
    /// All stretches that can be reached on this branch, oldest first.
    pub windows: Vec<Window>,
    /// What to restore, in this order; empty if it is not possible.
    pub steps: Vec<Step>,
    /// What stands against it, and what to know about it.
    pub findings: Vec<Finding>,
}

/// The answer to whether a moment can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The steps lead to it exactly.
    Covered,
    /// The steps lead to it, but for the seconds in which the last log backup was made.
    Uncertain,
    /// SIMPLE recovery: the steps lead to the newest backup before it, which is all there is.
    Earlier,
    /// There is no way to it.
    NotPossible,
}

/// One `RESTORE` statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What kind of backup is restored.
    pub kind: StepKind,
    /// The files of all its stripes, in the order of their families.
    pub files: Vec<String>,
    /// `FILE = n`: the set on these files.
    pub file_number: u16,
    /// `STOPAT`, server-local. None in steps that are applied whole.
    pub stop_at: Option<DateTime>,
    /// The facts of the set.
    pub set: BackupSet,
}

/// What a step restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// `RESTORE DATABASE` from a full backup.
    Full,
    /// `RESTORE DATABASE` from a differential.
    Differential,
    /// `RESTORE LOG`.
    Log,
}

/// Plans a restore.
///
/// In SIMPLE recovery a moment between two backups has no state that could be restored; the plan
/// then leads to the newest backup before it and says so ([`Verdict::Earlier`]), since that is what
/// whoever asks for "yesterday noon" takes. For all others a moment that is not covered has no steps.
///
/// # Errors
///
/// See [`choose`]: the database that is wanted is not there, or there are several.
pub fn plan(catalogue: &Catalogue, request: &PlanRequest) -> Result<Plan, ChoiceError> {
    let chosen = choose(catalogue, &request.database)?;
    let branches = in_turn(&chosen.branches, request.at);
    let plans = branches
        .into_iter()
        .map(|branch| on_branch(&chosen, branch, request));
    // The first of the best: min_by_key keeps the earlier of equal ones.
    let mut best: Option<Plan> = None;
    for plan in plans {
        let is_settled = plan.verdict == Verdict::Covered;
        if best.as_ref().is_none_or(|best| plan.verdict < best.verdict) {
            best = Some(plan);
        }
        if is_settled {
            break;
        }
    }
    best.ok_or(ChoiceError::Nothing)
}

impl Plan {
    /// Whether there is something to restore.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        !self.steps.is_empty()
    }
}

/// Branches in the order in which they are tried.
///
/// For a moment the one that was alive then: a branch that starts later also covers it, but with
/// the state at which it left the other one. Otherwise the one with the newest backup.
fn in_turn(branches: &[Branch], at: Option<DateTime>) -> Vec<&Branch> {
    let mut branches: Vec<&Branch> = branches.iter().collect();
    if let Some(at) = at {
        branches.sort_by_key(|branch| {
            let later = branch.first_seen.filter(|first| at < *first);
            let earlier = branch.first_seen.filter(|first| *first <= at);
            (later, std::cmp::Reverse(earlier))
        });
    }
    branches
}

fn on_branch(chosen: &Chosen<'_>, branch: &Branch, request: &PlanRequest) -> Plan {
    let backups = &chosen.database.backups;
    let is_whole = |backup: &Backup| backup.defects().is_empty();
    let chain = Chain::of(backups, branch, is_whole);
    let windows = chain.windows();
    let route = Route::to(&chain, request.at);
    let mut findings = Vec::new();
    let mut verdict = Verdict::NotPossible;
    match &route {
        Some(route) => {
            verdict = route.end.verdict();
            findings.extend(about_end(route, request.at, &windows));
        }
        None => findings.push(about_no_base(&chain, request.at)),
    }
    let steps = route.as_ref().filter(|_| verdict != Verdict::NotPossible);
    let steps = steps
        .map(|route| steps_of(route, request.at))
        .unwrap_or_default();
    let too_old = about_version(&steps, request.to_sql_version);
    if too_old.is_some() {
        verdict = Verdict::NotPossible;
    }
    findings.extend(too_old);
    let severity = match verdict {
        Verdict::NotPossible => Severity::Error,
        _ => Severity::Warning,
    };
    findings.extend(about_unused(backups, branch, &route, request.at, severity));
    findings.extend(about_branches(chosen, branch));
    findings.extend(about_checksums(&steps));
    let route = route.filter(|_| verdict != Verdict::NotPossible);
    let at = route.as_ref().map(|route| route.lands_at(request.at));
    let holds = |window: &&Window| {
        at.is_some_and(|at| window.from.local <= at.local && at.local <= window.until.local)
    };
    Plan {
        database: chosen.name.clone(),
        family: chosen.database.family,
        fork: branch.fork,
        verdict,
        at,
        window: windows.iter().rfind(holds).cloned(),
        windows,
        steps: if route.is_some() { steps } else { Vec::new() },
        findings: findings
            .into_iter()
            .map(|finding| finding.of(&chosen.name))
            .collect(),
    }
}

impl End<'_> {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Covered | Self::AtBackup => Verdict::Covered,
            Self::Uncertain => Verdict::Uncertain,
            Self::Earlier => Verdict::Earlier,
            Self::BulkLogged(_) | Self::Gap(_) | Self::Over => Verdict::NotPossible,
        }
    }
}

fn steps_of(route: &Route<'_>, at: Option<DateTime>) -> Vec<Step> {
    let step = |kind, backup: &Backup, stop_at| {
        let files = backup
            .stripes
            .iter()
            .map(|stripe| stripe.place.file.clone());
        let set = backup.set.clone();
        let file_number = set.header.position;
        let files = files.collect();
        Step {
            kind,
            files,
            file_number,
            stop_at,
            set,
        }
    };
    let base = [
        Some((StepKind::Full, route.base.full)),
        route
            .base
            .differential
            .map(|differential| (StepKind::Differential, differential)),
    ];
    let base = base
        .into_iter()
        .flatten()
        .map(|(kind, backup)| step(kind, backup, None));
    let logs = route.logs.iter().map(|log| {
        // SQL Server refuses to stop inside a bulk-logged log; it ends before the moment anyway.
        let stop_at = at.filter(|_| !log.is_bulk_logged);
        step(StepKind::Log, log.backup, stop_at)
    });
    base.chain(logs).collect()
}

/// `ProductMajorVersion` of the oldest server that restores a set.
#[must_use]
pub fn major_version(set: &BackupSet) -> u16 {
    match set.header.database_version {
        539 => 8,
        611 | 612 => 9,
        655 | 660 | 661 => 10,
        706 => 11,
        782 => 12,
        852 => 13,
        869 => 14,
        904 => 15,
        957 => 16,
        998 => 17,
        _ => u16::from(set.header.software_version_major),
    }
}

impl StepKind {
    /// The kind of backup that it restores.
    #[must_use]
    pub fn backup_type(self) -> BackupType {
        match self {
            Self::Full => BackupType::Full,
            Self::Differential => BackupType::Differential,
            Self::Log => BackupType::Log,
        }
    }
}

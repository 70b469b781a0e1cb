//! What can be restored of everything that was found: what `pack` and `verify` say.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use mssql_backup::guid::Guid;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::{BackupType, Flags, RecoveryModel};
use serde::Serialize;

use crate::backup::Backup;
use crate::catalogue::Catalogue;
use crate::chain::Chain;
use crate::choice::{Chosen, every_one};
use crate::defects::{self, BasesHere, described};
use crate::finding::{Finding, quoted};
use crate::moment::Moment;
use crate::plan::findings::about_branches;
use crate::route::Route;
use crate::rules::{self, Severity};
use crate::windows::Window;

/// What the verdict is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The present. Without it the age of the newest state is not judged.
    pub now: Option<Timestamp>,
    /// How much may be lost at most (the recovery point objective).
    pub rpo: Option<SignedDuration>,
}

/// The verdict on all databases together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Each database, by name.
    pub databases: Vec<DatabaseVerdict>,
    /// Findings about files, not about a database.
    pub findings: Vec<Finding>,
}

/// The verdict on one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatabaseVerdict {
    /// Its name.
    pub name: String,
    /// Its `FamilyGUID`.
    pub family: Option<Guid>,
    /// The branch of its history that was judged: the one with the newest backup.
    pub fork: Option<Guid>,
    /// The verdict.
    pub standing: Standing,
    /// What can be reached, oldest first.
    pub windows: Vec<Window>,
    /// The newest moment that can be reached.
    pub newest: Option<Moment>,
    /// The end of the newest backup, if that cannot be reached.
    pub out_of_reach: Option<Moment>,
    /// How far `newest` lies before the present, in seconds. None if either is not known.
    pub behind_s: Option<i64>,
    /// The rules that are broken.
    pub findings: Vec<Finding>,
}

/// Whether a database can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// To the newest state that was backed up.
    Restorable,
    /// To an earlier state only: something newer is here and cannot be used.
    Partly,
    /// Not at all.
    NotRestorable,
}

/// Judges all databases.
#[must_use]
pub fn judge(catalogue: &Catalogue, policy: &Policy) -> Verdicts {
    let chosen = every_one(catalogue);
    let mut homonyms: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &chosen {
        *homonyms.entry(&one.name).or_default() += 1;
    }
    let is_shared = |name: &str| homonyms.get(name).is_some_and(|count| *count > 1);
    let databases = chosen.iter().filter_map(|one| {
        let mut verdict = DatabaseVerdict::of(one, policy)?;
        if is_shared(&one.name) {
            let family = one.database.family.map(|family| family.to_string());
            let message = format!("this one has family {}", family.unwrap_or_default());
            verdict
                .findings
                .push(Finding::new(&rules::SAME_NAME, message).of(&one.name));
        }
        Some(verdict)
    });
    Verdicts {
        databases: databases.collect(),
        findings: catalogue.findings.clone(),
    }
}

impl Verdicts {
    /// Whether there is a database, and each restores to its newest state, and no file is lost.
    #[must_use]
    pub fn is_restorable(&self) -> bool {
        let whole = |one: &DatabaseVerdict| one.standing == Standing::Restorable;
        let fatal = |finding: &Finding| finding.severity == Severity::Error;
        !self.databases.is_empty()
            && self.databases.iter().all(whole)
            && !self.findings.iter().any(fatal)
    }

    /// All findings, those about files first.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let of_databases = self
            .databases
            .iter()
            .flat_map(|database| &database.findings);
        self.findings.iter().chain(of_databases)
    }
}

/// `RESTORABLE 'orders': 2024-06-14 23:59:00 to 2024-06-15 02:04:11`
impl fmt::Display for DatabaseVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.standing.words(), quoted(&self.name))?;
        let mut separator = ": ";
        for window in &self.windows {
            if window.from == window.to {
                write!(f, "{separator}{}", window.from)?;
            } else {
                write!(f, "{separator}{} to {}", window.from, window.to)?;
            }
            separator = ", ";
        }
        Ok(())
    }
}

impl Standing {
    /// The words that open a verdict.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Restorable => "RESTORABLE",
            Self::Partly => "RESTORABLE IN PART",
            Self::NotRestorable => "NOT RESTORABLE",
        }
    }
}

impl DatabaseVerdict {
    fn of(chosen: &Chosen<'_>, policy: &Policy) -> Option<Self> {
        let branch = chosen.branches.first()?;
        let held = |backup: &&Backup| branch.holds(backup);
        let held: Vec<&Backup> = chosen.database.backups.iter().filter(held).collect();
        let is_whole = |backup: &Backup| backup.defects().is_empty();
        let chain = Chain::of(&chosen.database.backups, branch, is_whole);
        let windows = chain.windows();
        let route = Route::to_end(&chain);
        let newest = windows
            .iter()
            .map(|window| window.to)
            .max_by_key(|moment| moment.local);
        let reach = Reach {
            lsn: route.as_ref().map(Route::position),
            time: windows.iter().map(|window| window.until.local).max(),
        };
        let out_of_reach = held.iter().filter_map(|backup| {
            let finish = backup.header().backup_finish_date?;
            (reach.time < Some(finish)).then(|| backup.moment(finish))
        });
        let out_of_reach = out_of_reach.max_by_key(|moment| moment.local);
        let behind = policy.now.zip(newest.and_then(|newest| newest.utc()));
        let behind = behind.map(|(now, newest)| now.duration_since(newest));
        let mut findings = about_backups(&chosen.database.backups, &held, &reach);
        findings.extend(about_chain(&chain, &windows, &reach));
        findings.extend(about_recovery_model(&chain));
        findings.extend(about_branches(chosen, branch));
        findings.extend(about_rpo(behind, policy.rpo, newest));
        let fails = findings
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        let standing = match (newest, fails) {
            (None, _) => Standing::NotRestorable,
            (Some(_), true) => Standing::Partly,
            (Some(_), false) => Standing::Restorable,
        };
        Some(Self {
            name: chosen.name.clone(),
            family: chosen.database.family,
            fork: branch.fork,
            standing,
            windows,
            newest,
            out_of_reach,
            behind_s: behind.map(|behind| behind.as_secs()),
            findings: findings
                .into_iter()
                .map(|finding| finding.of(&chosen.name))
                .collect(),
        })
    }
}

/// How far a branch can be restored.
struct Reach {
    lsn: Option<Lsn>,
    time: Option<DateTime>,
}

impl Reach {
    /// An error is what costs something newer than all that can be reached.
    fn severity(&self, lsn: Option<Lsn>, time: Option<DateTime>) -> Severity {
        let is_newer = match (lsn, time) {
            (Some(lsn), _) => self.lsn < Some(lsn),
            (None, Some(time)) => self.time < Some(time),
            (None, None) => true,
        };
        if is_newer {
            Severity::Error
        } else {
            Severity::Warning
        }
    }
}

fn about_backups(all: &[Backup], held: &[&Backup], reach: &Reach) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bases = BasesHere::of(all);
    for backup in held {
        let header = backup.header();
        let time = header.backup_finish_date.or(header.backup_start_date);
        // The LSN of a set that was cut off is what was known when it started.
        let lsn = header.last_lsn.filter(|_| backup.set.is_complete);
        let severity = reach.severity(lsn, time);
        let wrong = defects::of_backup(backup)
            .into_iter()
            .chain(bases.lacks(backup));
        findings.extend(wrong.map(|finding| finding.with(severity)));
    }
    let no_checksums = |one: &&&Backup| !one.header().flags.contains(Flags::BACKUP_CHECKSUMS);
    let several = [
        (
            &rules::NO_CHECKSUMS,
            counted(held.iter().filter(no_checksums)),
        ),
        (
            &rules::DUPLICATE,
            counted(held.iter().filter(|one| !one.copies.is_empty())),
        ),
        (
            &rules::NOT_PLANNED,
            counted(held.iter().filter(|one| is_of_files(one))),
        ),
    ];
    let several = several.into_iter();
    findings.extend(several.filter_map(|(rule, message)| Some(Finding::new(rule, message?))));
    findings
}

fn about_chain(chain: &Chain<'_>, windows: &[Window], reach: &Reach) -> Vec<Finding> {
    let mut findings = Vec::new();
    if chain.bases.is_empty() {
        findings.push(Finding::new(
            &rules::NO_FULL,
            "no usable full backup is here".to_owned(),
        ));
    }
    findings.extend(chain.gaps().iter().map(|gap| {
        let severity = match gap.is_bridged {
            true => Severity::Warning,
            false => reach.severity(Some(gap.end), None),
        };
        defects::of_gap(gap).with(severity)
    }));
    for run in chain.orphans() {
        let first = chain.logs_of(run).first().map(|log| described(log.backup));
        let message = format!(
            "LSN {} to {}, from the {} on",
            run.first,
            run.last,
            first.unwrap_or_default()
        );
        let severity = reach.severity(Some(run.last), None);
        findings.push(Finding::new(&rules::ORPHANED_LOG, message).with(severity));
    }
    for (from, to) in windows.iter().flat_map(|window| &window.whole) {
        let message = format!("no moment after {from} and before {to} can be reached");
        findings.push(Finding::new(&rules::BULK_LOGGED, message).with(Severity::Warning));
    }
    findings
}

fn about_recovery_model(chain: &Chain<'_>) -> Option<Finding> {
    let newest = chain.bases.last()?.newest();
    let is_simple = newest.header().recovery_model == RecoveryModel::Simple;
    let message = format!("by the {}", described(newest));
    let rule = match chain.logs.is_empty() {
        true => &rules::SIMPLE_RECOVERY,
        false => &rules::LOGS_BESIDE_SIMPLE,
    };
    is_simple.then(|| Finding::new(rule, message))
}

fn about_rpo(
    behind: Option<SignedDuration>,
    rpo: Option<SignedDuration>,
    newest: Option<Moment>,
) -> Option<Finding> {
    let ((behind, rpo), newest) = (behind.zip(rpo)?, newest?);
    let minutes = |duration: SignedDuration| duration.as_secs() / 60;
    let message = format!(
        "the newest moment is {newest}, {} minutes ago; {} are allowed",
        minutes(behind),
        minutes(rpo)
    );
    (rpo < behind).then(|| Finding::new(&rules::RPO_MISSED, message))
}

/// How many, with an example; None if there are none.
fn counted<'a, 'b: 'a>(backups: impl Iterator<Item = &'a &'b Backup>) -> Option<String> {
    let mut backups = backups.peekable();
    let example = described(backups.peek()?);
    match backups.count() {
        1 => Some(example),
        count => Some(format!("{count} backups, the oldest is the {example}")),
    }
}

fn is_of_files(backup: &Backup) -> bool {
    use BackupType::{File, FileDifferential, Partial, PartialDifferential};
    let kind = backup.header().backup_type;
    matches!(
        kind,
        Some(File | FileDifferential | Partial | PartialDifferential)
    )
}

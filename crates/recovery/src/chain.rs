//! The usable backups of a branch in the order of the log: bases, and runs of logs after them.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use mssql_backup::guid::Guid;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::{BackupType, Flags};

use crate::backup::Backup;
use crate::branch::Branch;
use crate::moment::Moment;

/// The usable backups of one branch, in the order of the log.
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    /// What a restore can start with: full backups, alone or with one differential.
    pub bases: Vec<Base<'a>>,
    /// The log backups that are not empty, by their first and last LSN.
    pub logs: Vec<Log<'a>>,
    /// Stretches of the log without a gap.
    pub runs: Vec<Run>,
    known: Certain,
}

/// A full backup, alone or with a differential: what is restored before any log.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The full backup.
    pub full: &'a Backup,
    /// The differential on it.
    pub differential: Option<&'a Backup>,
    /// How far the log is applied with them.
    pub position: Lsn,
    /// When the newer of them was finished, server-local.
    pub finish: DateTime,
}

/// A log backup with what a plan needs of it.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// The backup.
    pub backup: &'a Backup,
    /// `FirstLSN`.
    pub first: Lsn,
    /// `LastLSN`.
    pub last: Lsn,
    /// Up to this time everything is certainly in it: its start, or its last commit.
    pub certain: DateTime,
    /// `BackupFinishDate`: after this time nothing is in it.
    pub finish: DateTime,
    /// Its first commit, where the log tells.
    pub first_commit: Option<DateTime>,
    /// Whether it can be applied whole only.
    pub is_bulk_logged: bool,
}

/// A stretch of the log that log backups cover without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it starts.
    pub first: Lsn,
    /// Where it ends.
    pub last: Lsn,
    /// Its logs, as indices into [`Chain::logs`]: from this one...
    pub from: usize,
    /// ... to before this one.
    pub to: usize,
}

impl<'a> Chain<'a> {
    /// The chain of the backups of `branch` that `is_usable` lets through.
    pub fn of(backups: &'a [Backup], branch: &Branch, is_usable: impl Fn(&Backup) -> bool) -> Self {
        let usable = |backup: &&Backup| branch.holds(backup) && is_usable(backup);
        let usable: Vec<&Backup> = backups.iter().filter(usable).collect();
        let of_type = |kind| {
            let is_kind = move |one: &&&Backup| one.header().backup_type == Some(kind);
            usable.iter().filter(is_kind).copied()
        };
        let fulls: Vec<&Backup> = of_type(BackupType::Full).collect();
        let mut bases: Vec<Base<'_>> = fulls
            .iter()
            .filter_map(|full| Base::of(full, None))
            .collect();
        let index = FullIndex::of(&fulls);
        for differential in of_type(BackupType::Differential) {
            let full = index.base_of(differential);
            bases.extend(full.and_then(|full| Base::of(full, Some(differential))));
        }
        bases.sort_by_key(|base| (base.position, base.finish));
        let mut logs: Vec<_> = of_type(BackupType::Log).filter_map(Log::of).collect();
        logs.retain(|log| log.first <= log.last);
        // An empty log says something too: nothing was done until it was made.
        let known = Certain::of(logs.iter());
        logs.retain(|log| log.first < log.last);
        logs.sort_by_key(|log| (log.first, log.last));
        let runs = runs(&logs);
        Self {
            bases,
            logs,
            runs,
            known,
        }
    }

    /// The runs that are older than every base: nothing can be done with them.
    #[must_use]
    pub fn orphans(&self) -> Vec<&Run> {
        let oldest = self.bases.first().map(|base| base.position);
        let is_orphan = |run: &&Run| oldest.is_none_or(|oldest| oldest >= run.last);
        self.runs.iter().filter(is_orphan).collect()
    }

    /// Up to which time everything certainly lies before that place in the log; None if no log
    /// backup tells.
    #[must_use]
    pub fn known_until(&self, position: Lsn) -> Option<DateTime> {
        self.known.up_to(position)
    }

    /// The logs of a run.
    #[must_use]
    pub fn logs_of(&self, run: &Run) -> &[Log<'a>] {
        self.logs.get(run.from..run.to).unwrap_or_default()
    }

    /// The bases from which the logs of a run go on.
    pub(crate) fn leading_to(&self, run: &Run) -> &[Base<'a>] {
        let from = self.bases.partition_point(|base| base.position < run.first);
        let to = self.bases.partition_point(|base| base.position < run.last);
        self.bases.get(from..to).unwrap_or_default()
    }
}

/// Up to which time logs certainly reach, by where they end.
#[derive(Clone, Debug)]
pub(crate) struct Certain(Vec<(Lsn, DateTime)>);

impl Certain {
    pub(crate) fn of<'c, 'a: 'c>(logs: impl Iterator<Item = &'c Log<'a>>) -> Self {
        let mut ends: Vec<(Lsn, DateTime)> = logs.map(|log| (log.last, log.certain)).collect();
        ends.sort_unstable();
        let mut latest = None;
        for (_, certain) in &mut ends {
            latest = latest.max(Some(*certain));
            *certain = latest.unwrap_or(*certain);
        }
        Self(ends)
    }

    /// The latest time of the logs that end there or before.
    pub(crate) fn up_to(&self, end: Lsn) -> Option<DateTime> {
        let count = self.0.partition_point(|(last, _)| *last <= end);
        let (_, certain) = self.0.get(count.checked_sub(1)?)?;
        Some(*certain)
    }
}

impl<'a> Base<'a> {
    fn of(full: &'a Backup, differential: Option<&'a Backup>) -> Option<Self> {
        let header = differential.unwrap_or(full).header();
        Some(Self {
            full,
            differential,
            position: header.last_lsn?,
            finish: header.backup_finish_date?,
        })
    }

    /// The backup whose end is the state of this base.
    #[must_use]
    pub fn newest(&self) -> &'a Backup {
        self.differential.unwrap_or(self.full)
    }

    /// A local time with the server's offset about then: a chain of some days may lie on both sides
    /// of a change of its clock. `logs` are those applied after this base.
    #[must_use]
    pub fn moment(&self, logs: &[Log<'_>], local: DateTime) -> Moment {
        let own = self.newest().moment(local);
        let holder = logs.iter().find(|log| local <= log.finish).or(logs.last());
        let holder = holder.filter(|_| self.finish < local);
        holder
            .map(|log| log.backup.moment(local))
            .filter(|moment| moment.offset.is_some())
            .unwrap_or(own)
    }
}

impl<'a> Log<'a> {
    fn of(backup: &'a Backup) -> Option<Self> {
        let header = backup.header();
        let (first, last) = (header.first_lsn?, header.last_lsn?);
        let (start, finish) = (header.backup_start_date?, header.backup_finish_date?);
        let commits = backup.log.as_ref();
        let last_commit = commits.and_then(|log| log.last_commit);
        Some(Self {
            backup,
            first,
            last,
            certain: last_commit.map_or(start, |commit| commit.max(start)),
            finish,
            first_commit: commits.and_then(|log| log.first_commit),
            is_bulk_logged: header.flags.contains(Flags::BULK_LOGGED_DATA),
        })
    }

    /// Whether SQL Server applies it to a database that stands at `position`, with any effect.
    #[must_use]
    pub fn continues(&self, position: Lsn) -> bool {
        self.first <= position && position < self.last
    }
}

/// Whether a backup can be the base of differentials: a copy-only one never is.
#[must_use]
pub fn is_base(full: &Backup) -> bool {
    full.header().backup_type == Some(BackupType::Full) && !full.is_copy_only()
}

/// The `BackupSetGUID` of the full backup that a differential needs.
///
/// After backups of single files the database as a whole has none, but its files do; they count if
/// all name the same.
#[must_use]
pub fn base_guid(differential: &Backup) -> Option<Guid> {
    let of_files = || {
        let mut guids = differential
            .set
            .files
            .iter()
            .filter_map(|file| file.differential_base_guid);
        let first = guids.next()?;
        guids.all(|guid| guid == first).then_some(first)
    };
    differential
        .header()
        .differential_base_guid
        .or_else(of_files)
}

/// Full backups by what differentials know of them.
struct FullIndex<'a> {
    by_guid: BTreeMap<Guid, &'a Backup>,
    by_lsn: BTreeMap<Lsn, &'a Backup>,
}

impl<'a> FullIndex<'a> {
    fn of(fulls: &[&'a Backup]) -> Self {
        let bases = || fulls.iter().copied().filter(|full| is_base(full));
        let by_guid = bases().filter_map(|full| Some((full.header().backup_set_guid?, full)));
        let lsns = bases().flat_map(|full| {
            let header = full.header();
            // SQL Server writes its checkpoint; its documentation says FirstLSN. The checkpoint
            // comes last and so goes before.
            [header.first_lsn, header.checkpoint_lsn].map(|lsn| Some((lsn?, full)))
        });
        Self {
            by_guid: by_guid.collect(),
            by_lsn: lsns.flatten().collect(),
        }
    }

    /// By GUID; by LSN only where one of them has none.
    fn base_of(&self, differential: &Backup) -> Option<&'a Backup> {
        if let Some(guid) = base_guid(differential) {
            if let Some(full) = self.by_guid.get(&guid) {
                return Some(full);
            }
            let full = self
                .by_lsn
                .get(&differential.header().differential_base_lsn?);
            return full
                .copied()
                .filter(|full| full.header().backup_set_guid.is_none());
        }
        self.by_lsn
            .get(&differential.header().differential_base_lsn?)
            .copied()
    }
}

fn runs(logs: &[Log<'_>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, log) in logs.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if log.first <= run.last => {
                run.last = run.last.max(log.last);
                run.to = index + 1;
            }
            _ => runs.push(Run {
                first: log.first,
                last: log.last,
                from: index,
                to: index + 1,
            }),
        }
    }
    runs
}

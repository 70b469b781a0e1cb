//! Branches of a database's history: a restore to an earlier moment starts a new one.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use mssql_backup::guid::Guid;
use mssql_backup::lsn::Lsn;

use crate::backup::Backup;

/// How many branches are looked at, newest first: each costs a pass over all backups.
pub const BRANCHES: usize = 64;

/// One branch with all that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// `RecoveryForkID`. None where no backup tells one.
    pub fork: Option<Guid>,
    /// The earlier branches, and where each was left.
    pub before: BTreeMap<Guid, Lsn>,
    /// Start of its oldest backup.
    pub first_seen: Option<DateTime>,
    /// End of its newest backup.
    pub last_seen: Option<DateTime>,
}

impl Branch {
    /// Whether a backup lies on the way to the end of this branch.
    ///
    /// One of an earlier branch does if it ends before that branch was left: what comes after is
    /// the history that was undone.
    #[must_use]
    pub fn holds(&self, backup: &Backup) -> bool {
        let header = backup.header();
        let Some(fork) = header
            .recovery_fork_id
            .filter(|fork| Some(*fork) != self.fork)
        else {
            return true;
        };
        let end = self.before.get(&fork);
        end.zip(header.last_lsn)
            .is_some_and(|(end, last)| last <= *end)
    }
}

/// The branches that the backups belong to, the one with the newest backup first.
///
/// A backup names only the branch immediately before its own. Where the backups of a branch in
/// between are not here, what lies before it is not on the way.
#[must_use]
pub fn branches(backups: &[Backup]) -> Vec<Branch> {
    let mut seen: BTreeMap<Option<Guid>, Seen> = BTreeMap::new();
    for backup in backups {
        let header = backup.header();
        let seen = seen.entry(header.recovery_fork_id).or_default();
        let (start, end) = (header.backup_start_date, header.backup_finish_date);
        seen.first = seen.first.into_iter().chain(start).min();
        seen.last = seen.last.max(end.or(start));
        let lineage = &backup.set.lineage;
        if let Some(left) = lineage.previous_fork_id.zip(lineage.fork_lsn) {
            // Two backups of a branch that disagree: the earlier end is the safe one.
            seen.left = Some(
                seen.left
                    .map_or(left, |other| if left.1 < other.1 { left } else { other }),
            );
        }
    }
    // Backups that name no branch go with any; they are a branch only if there is no other.
    if seen.len() > 1 {
        seen.remove(&None);
    }
    let mut forks: Vec<_> = seen.iter().map(|(fork, seen)| (seen.last, *fork)).collect();
    forks.sort_by(|a, b| b.cmp(a));
    let forks = forks.into_iter().take(BRANCHES).map(|(_, fork)| fork);
    forks.map(|fork| lineage(fork, &seen)).collect()
}

#[derive(Default)]
struct Seen {
    first: Option<DateTime>,
    last: Option<DateTime>,
    left: Option<(Guid, Lsn)>,
}

fn lineage(fork: Option<Guid>, seen: &BTreeMap<Option<Guid>, Seen>) -> Branch {
    let own = seen.get(&fork);
    let mut before = BTreeMap::new();
    let (mut step, mut end) = (own.and_then(|own| own.left), None::<Lsn>);
    while let Some((earlier, left)) = step {
        // A circle, which only a forged header has, ends here.
        if Some(earlier) == fork || before.contains_key(&earlier) {
            break;
        }
        let left = end.map_or(left, |end| end.min(left));
        before.insert(earlier, left);
        end = Some(left);
        step = seen.get(&Some(earlier)).and_then(|seen| seen.left);
    }
    Branch {
        fork,
        before,
        first_seen: own.and_then(|own| own.first),
        last_seen: own.and_then(|own| own.last),
    }
}

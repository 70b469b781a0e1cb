//! The stretches of time that a chain can be restored to, and the gaps between them.

use jiff::civil::DateTime;
use mssql_backup::lsn::Lsn;
use serde::Serialize;

use crate::backup::Backup;
use crate::chain::{Base, Certain, Chain, Log, Run};
use crate::moment::Moment;

/// A stretch of time of which each moment can be restored, but for those in `whole`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// From the end of a full or differential backup on.
    pub from: Moment,
    /// To the last moment that is certainly in the backups.
    pub to: Moment,
    /// When the last log backup was finished: between `to` and this, seconds, it is uncertain.
    pub until: Moment,
    /// How far the log reaches.
    pub last_lsn: Lsn,
    /// Bulk-logged stretches: no stop time after the first moment of each and before the second.
    pub whole: Vec<(Moment, Moment)>,
}

/// Log that no backup here holds, between two stretches of it.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
    /// Up to here it is covered.
    pub after: Lsn,
    /// From here on again.
    pub before: Lsn,
    /// The end of what is covered: the last backup before the gap was finished.
    pub since: DateTime,
    /// The first log backup after the gap.
    pub next: &'a Backup,
    /// Where the run after the gap ends.
    pub end: Lsn,
    /// Whether a full or differential backup leads past it to the log after it.
    pub is_bridged: bool,
}

impl<'a> Chain<'a> {
    /// The stretches of time that can be reached, oldest first; those of one moment included.
    #[must_use]
    pub fn windows(&self) -> Vec<Window> {
        let of_run = |run| {
            let base = self.leading_to(run).iter().min_by_key(|base| base.finish)?;
            Some(self.window(base, run))
        };
        let mut windows: Vec<Window> = self.runs.iter().filter_map(of_run).collect();
        windows.sort_by_key(|window| window.from.local);
        let mut by_finish: Vec<&Base<'_>> = self.bases.iter().collect();
        by_finish.sort_by_key(|base| (base.finish, base.position));
        let (mut alone, mut covered, mut next) = (Vec::new(), None, 0);
        for base in by_finish {
            while let Some(window) = windows
                .get(next)
                .filter(|one| one.from.local <= base.finish)
            {
                covered = covered.max(Some(window.to.local));
                next += 1;
            }
            if covered < Some(base.finish) {
                alone.push(self.alone(base));
                covered = alone.last().map(|window| window.to.local);
            }
        }
        windows.append(&mut alone);
        windows.sort_by_key(|window| (window.from.local, window.to.local));
        windows
    }

    /// The gaps in the log, oldest first.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap<'a>> {
        let mut gaps = Vec::new();
        let mut end: Option<(Lsn, DateTime)> = None;
        for run in &self.runs {
            let is_bridged = !self.leading_to(run).is_empty();
            // What lies between two stretches of log is a gap even if a full backup leads past it;
            // without logs on both sides it is one only if nothing leads past it.
            let older = self.bases.partition_point(|base| base.position < run.first);
            let base = self.bases[..older].last().filter(|_| !is_bridged);
            let base = base.map(|base| (base.position, base.finish));
            if let (Some((after, since)), Some(next)) = (end.max(base), self.logs.get(run.from)) {
                gaps.push(Gap {
                    after,
                    before: run.first,
                    since,
                    next: next.backup,
                    end: run.last,
                    is_bridged,
                });
            }
            if is_bridged {
                let finish = self.logs_of(run).iter().map(|log| log.finish).max();
                end = finish.map(|finish| (run.last, finish));
            }
        }
        gaps
    }

    /// A base without logs after it; a log that ends at it, or an empty one, may still reach further.
    fn alone(&self, base: &Base<'_>) -> Window {
        let from = base.newest().moment(base.finish);
        let known = self.known_until(base.position).unwrap_or(base.finish);
        let to = base.newest().moment(known.max(base.finish));
        Window {
            from,
            to,
            until: to,
            last_lsn: base.position,
            whole: Vec::new(),
        }
    }

    fn window(&self, base: &Base<'_>, run: &Run) -> Window {
        let logs = self.logs_of(run);
        let moment = |local| base.moment(logs, local);
        let to = self
            .known_until(run.last)
            .unwrap_or(base.finish)
            .max(base.finish);
        let finish = logs.iter().map(|log| log.finish).max();
        let until = finish.unwrap_or(to).max(to);
        let whole = self.whole_stretches(logs, base.finish).into_iter();
        Window {
            from: moment(base.finish),
            to: moment(to),
            until: moment(until),
            last_lsn: run.last,
            whole: whole.map(|(from, to)| (moment(from), moment(to))).collect(),
        }
    }

    /// The times inside bulk-logged logs: after what can be had without them, up to their end.
    fn whole_stretches(&self, logs: &[Log<'_>], since: DateTime) -> Vec<(DateTime, DateTime)> {
        // Other logs over the same time may have been made before the bulk changes.
        let beside = Certain::of(logs.iter().filter(|log| !log.is_bulk_logged));
        let bulk = logs.iter().filter(|log| log.is_bulk_logged);
        let stretches = bulk.map(|bulk| {
            let known = [
                self.known_until(bulk.first),
                beside.up_to(bulk.last),
                bulk.first_commit.map(before_tick),
            ];
            let known = known.into_iter().flatten().max();
            (known.map_or(since, |known| known.max(since)), bulk.finish)
        });
        let mut ends: Vec<DateTime> = self.bases.iter().map(|base| base.finish).collect();
        ends.sort_unstable();
        let stretches = stretches.filter(|(from, to)| from < to).collect();
        let parted = merged(stretches)
            .into_iter()
            .map(|stretch| parted(stretch, &ends));
        parted.flatten().collect()
    }
}

/// Stretches that overlap, as one; in their order.
fn merged(mut stretches: Vec<(DateTime, DateTime)>) -> Vec<(DateTime, DateTime)> {
    stretches.sort_unstable();
    let mut merged: Vec<(DateTime, DateTime)> = Vec::new();
    for (from, to) in stretches {
        match merged.last_mut() {
            Some(last) if from < last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// A stretch, parted where a full or differential backup ends: that state can be had.
fn parted((from, to): (DateTime, DateTime), ends: &[DateTime]) -> Vec<(DateTime, DateTime)> {
    let inside = ends.partition_point(|end| *end <= from)..ends.partition_point(|end| *end < to);
    let (mut parts, mut since) = (Vec::new(), from);
    for end in ends.get(inside).unwrap_or_default() {
        if since < *end {
            parts.push((since, *end));
            since = *end;
        }
    }
    parts.push((since, to));
    parts
}

/// The last moment that is surely before this one: commit times count 1/300 s.
fn before_tick(time: DateTime) -> DateTime {
    let tick = jiff::SignedDuration::from_nanos(1_000_000_000 / 300);
    time.checked_sub(tick).unwrap_or(time)
}

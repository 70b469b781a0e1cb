//! Counting what was checked, level by level, and keeping the first faults.

use crate::check::{Fault, Level, LevelReport, Outcome};

/// What was checked and found faulty, by level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies([Tally; Level::ALL.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    checked: u64,
    faulty: u64,
    /// Set where a level says that it has nothing to check, or cannot.
    instead: Option<Instead>,
}

#[derive(Clone, Copy, Debug)]
enum Instead {
    Absent(&'static str),
    Unknown(&'static str),
    Doubtful(&'static str),
}

impl Tallies {
    pub(crate) fn checked(&mut self, level: Level, count: u64) {
        self.at(level).checked += count;
    }

    pub(crate) fn faulty(&mut self, level: Level, count: u64) {
        self.at(level).faulty += count;
    }

    /// There is nothing that this level could check.
    pub(crate) fn absent(&mut self, level: Level, why: &'static str) {
        self.at(level).instead = Some(Instead::Absent(why));
    }

    /// The same, if nothing was checked at this level.
    pub(crate) fn absent_if_unchecked(&mut self, level: Level, why: &'static str) {
        if self.at(level).checked == 0 {
            self.absent(level, why);
        }
    }

    /// There is something, but it cannot be checked.
    pub(crate) fn unknown(&mut self, level: Level, why: &'static str) {
        self.at(level).instead = Some(Instead::Unknown(why));
    }

    /// What was found may be right or wrong.
    pub(crate) fn doubtful(&mut self, level: Level, why: &'static str) {
        self.at(level).instead = Some(Instead::Doubtful(why));
    }

    /// Faults are no faults after all.
    pub(crate) fn forgive(&mut self, level: Level) {
        self.at(level).faulty = 0;
    }

    pub(crate) fn faults(&self, level: Level) -> u64 {
        self.0[level.index()].faulty
    }

    pub(crate) fn is_unchecked(&self, level: Level) -> bool {
        self.0[level.index()].checked == 0
    }

    /// The reports, in the order of the levels. A level that nothing was said of is left out.
    pub(crate) fn reports(&self) -> Vec<LevelReport> {
        let reports = Level::ALL.iter().zip(&self.0).filter_map(|(level, tally)| {
            let outcome = match (tally.faulty, tally.instead) {
                (_, Some(Instead::Doubtful(why))) => Outcome::Doubtful(why.into()),
                (1.., _) => Outcome::Failed,
                (0, Some(Instead::Absent(why))) => Outcome::Absent(why.into()),
                (0, Some(Instead::Unknown(why))) => Outcome::Unknown(why.into()),
                (0, None) if tally.checked > 0 => Outcome::Passed,
                (0, None) => return None,
            };
            Some(LevelReport {
                level: *level,
                outcome,
                checked: tally.checked,
                faulty: tally.faulty,
            })
        });
        reports.collect()
    }

    fn at(&mut self, level: Level) -> &mut Tally {
        &mut self.0[level.index()]
    }
}

/// The first faults, and how many there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) first: Vec<Fault>,
    pub(crate) count: u64,
}

impl Faults {
    /// Faults kept.
    pub(crate) const MAX_KEPT: usize = 1000;

    pub(crate) fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.first.len() < Self::MAX_KEPT {
            self.first.push(fault);
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        let left = Self::MAX_KEPT.saturating_sub(self.first.len());
        self.count += other.count;
        self.first.extend(other.first.into_iter().take(left));
    }

    /// Drops the faults of one level, of which there are so many.
    pub(crate) fn forgive(&mut self, level: Level, count: u64) {
        self.first.retain(|fault| fault.level != level);
        self.count = self.count.saturating_sub(count);
    }
}

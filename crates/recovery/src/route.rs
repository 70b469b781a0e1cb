//! The shortest way through a chain to a moment, or to its end.
//!
//! Only two bases need to be tried, the full backup and the differential that reach furthest: from a
//! base that stands further in the log no way is longer, and none that leads on is closed.

use jiff::civil::DateTime;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::RecoveryModel;

use crate::chain::{Base, Chain, Log};
use crate::moment::Moment;

/// A base and the logs to apply after it.
#[derive(Clone, Debug)]
pub struct Route<'a> {
    /// What to restore first.
    pub base: Base<'a>,
    /// The logs, in their order.
    pub logs: Vec<Log<'a>>,
    /// Up to when everything is certainly in it.
    pub reached: DateTime,
    /// Where it ends, compared with what was asked.
    pub end: End<'a>,
}

/// Where a route ends.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// At the moment that was asked, or at the end of the chain if none was.
    Covered,
    /// At the end of the base, to the second: what everybody takes for the state of that moment.
    AtBackup,
    /// The moment lies in the seconds while the last log was backed up.
    Uncertain,
    /// In SIMPLE recovery: at the state of the base, before the moment.
    Earlier,
    /// Before the moment, which lies inside a log that can be applied whole only.
    BulkLogged(Log<'a>),
    /// Before the moment: this is the next log, and it does not follow.
    Gap(Log<'a>),
    /// Before the moment: there is no further log.
    Over,
}

impl<'a> Route<'a> {
    /// The shortest way to a moment, or to the end of the chain.
    #[must_use]
    pub fn to(chain: &Chain<'a>, at: Option<DateTime>) -> Option<Self> {
        match at {
            Some(at) => Self::to_moment(chain, at),
            None => Self::to_end(chain),
        }
    }

    /// The shortest way to the end of the chain. None if there is no base.
    #[must_use]
    pub fn to_end(chain: &Chain<'a>) -> Option<Self> {
        let routes = furthest_bases(chain, None).map(|base| {
            let mut walk = Walk::from(base);
            let mut logs = Ahead::new(chain.logs.iter().copied());
            while let Some(log) = logs.furthest(walk.position) {
                walk.apply(log);
            }
            walk.end(chain, End::Covered)
        });
        routes.min_by_key(|route| (std::cmp::Reverse(route.position()), route.preference()))
    }

    /// The shortest way to a moment; if there is none, the one that comes nearest. None if no base
    /// was finished by then.
    #[must_use]
    pub fn to_moment(chain: &Chain<'a>, at: DateTime) -> Option<Self> {
        let routes = furthest_bases(chain, Some(at)).map(|base| walk_to(chain, base, at));
        routes.min_by_key(|route| {
            let rank = route.end.rank();
            // Of two that fail, the one that came further says why best.
            let fails = std::cmp::Reverse((rank > 2).then(|| route.position()));
            (rank, fails, route.preference())
        })
    }

    /// The moment whose state it leads to, if `at` was asked for.
    #[must_use]
    pub fn lands_at(&self, at: Option<DateTime>) -> Moment {
        let local = match self.end {
            End::Covered | End::AtBackup | End::Uncertain => at.unwrap_or(self.reached),
            _ => self.reached,
        };
        self.base.moment(&self.logs, local)
    }

    /// How far the log is applied at its end.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.logs.last().map_or(self.base.position, |log| log.last)
    }

    /// Fewer statements first, then the newer base: less log to apply.
    fn preference(&self) -> (usize, std::cmp::Reverse<Lsn>) {
        let differential = usize::from(self.base.differential.is_some());
        (
            differential + self.logs.len(),
            std::cmp::Reverse(self.base.position),
        )
    }
}

impl End<'_> {
    /// From the answer that was asked for to those that are none.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Covered => 0,
            Self::AtBackup => 1,
            Self::Uncertain => 2,
            Self::Earlier => 3,
            Self::BulkLogged(_) | Self::Gap(_) | Self::Over => 4,
        }
    }
}

/// The full backup and the differential that stand furthest, of those finished by then.
fn furthest_bases<'a>(chain: &Chain<'a>, at: Option<DateTime>) -> impl Iterator<Item = Base<'a>> {
    let furthest = |with_differential: bool| {
        let fits = |base: &&Base<'a>| {
            base.differential.is_some() == with_differential
                && at.is_none_or(|at| base.finish <= at)
        };
        chain.bases.iter().rev().find(fits).copied()
    };
    [furthest(false), furthest(true)].into_iter().flatten()
}

fn walk_to<'a>(chain: &Chain<'a>, base: Base<'a>, at: DateTime) -> Route<'a> {
    let is_goal = |log: &&Log<'a>| at <= log.certain;
    let is_inside = |log: &&Log<'a>| log.is_bulk_logged && at < log.finish;
    let passed = chain
        .logs
        .iter()
        .filter(|log| !is_goal(log) && !is_inside(log));
    let goals = chain
        .logs
        .iter()
        .filter(|log| is_goal(log) && !log.is_bulk_logged);
    let silent = chain.logs.iter();
    let silent = silent.filter(|log| log.first_commit.is_some_and(|first| at < first));
    let (mut passed, mut goals) = (Ahead::new(passed.copied()), Ahead::new(goals.copied()));
    let mut silent = Ahead::new(silent.copied());
    let mut walk = Walk::from(base);
    loop {
        // Nothing was committed between this state and the moment: a log that ends here was made
        // later, or the next one begins later.
        let is_known = chain
            .known_until(walk.position)
            .is_some_and(|known| at <= known);
        if is_known || silent.furthest(walk.position).is_some() {
            return walk.end(chain, End::Covered);
        }
        if let Some(goal) = goals.furthest(walk.position) {
            walk.apply(goal);
            return walk.end(chain, End::Covered);
        }
        let Some(log) = passed.furthest(walk.position) else {
            break;
        };
        walk.apply(log);
    }
    let end = walk.why_not(chain, at);
    walk.end(chain, end)
}

/// A database while it is restored.
struct Walk<'a> {
    base: Base<'a>,
    position: Lsn,
    logs: Vec<Log<'a>>,
}

impl<'a> Walk<'a> {
    fn from(base: Base<'a>) -> Self {
        Self {
            base,
            position: base.position,
            logs: Vec::new(),
        }
    }

    fn apply(&mut self, log: Log<'a>) {
        self.position = log.last;
        self.logs.push(log);
    }

    fn end(self, chain: &Chain<'a>, end: End<'a>) -> Route<'a> {
        let known = chain.known_until(self.position);
        Route {
            reached: known.unwrap_or(self.base.finish).max(self.base.finish),
            base: self.base,
            logs: self.logs,
            end,
        }
    }

    fn why_not(&self, chain: &Chain<'a>, at: DateTime) -> End<'a> {
        let finish = self.logs.iter().map(|log| log.finish).max();
        if finish.is_some_and(|finish| at <= finish) {
            return End::Uncertain;
        }
        if self.logs.is_empty() && at == self.base.finish {
            return End::AtBackup;
        }
        let mut bulk = chain.logs.iter().filter(|log| log.is_bulk_logged);
        if let Some(bulk) = bulk.find(|log| log.continues(self.position)) {
            return End::BulkLogged(*bulk);
        }
        let next = chain.logs.iter().find(|log| log.first > self.position);
        let is_simple =
            |base: &Base<'_>| base.newest().header().recovery_model == RecoveryModel::Simple;
        match next {
            _ if self.logs.is_empty() && is_simple(&self.base) => End::Earlier,
            Some(log) => End::Gap(*log),
            None => End::Over,
        }
    }
}

/// Logs in their order, of which those that a position has reached are seen once only.
struct Ahead<'a, I: Iterator<Item = Log<'a>>> {
    logs: std::iter::Peekable<I>,
    best: Option<Log<'a>>,
}

impl<'a, I: Iterator<Item = Log<'a>>> Ahead<'a, I> {
    fn new(logs: I) -> Self {
        Self {
            logs: logs.peekable(),
            best: None,
        }
    }

    /// Of those that continue from `position` the one that reaches furthest; of equal ones the
    /// shortest. `position` must not go back.
    fn furthest(&mut self, position: Lsn) -> Option<Log<'a>> {
        while let Some(log) = self.logs.next_if(|log| log.first <= position) {
            if self.best.is_none_or(|best| best.last <= log.last) {
                self.best = Some(log);
            }
        }
        self.best.filter(|best| best.continues(position))
    }
}

//! Plans against a database that is simulated: every sequence of restores is tried.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use mssql_backup::check::CheckedSet;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::{BackupType, Flags};
use proptest::prelude::*;
use recovery::catalogue::Catalogue;
use recovery::media::MediaFile;
use recovery::plan::{Plan, PlanRequest, StepKind, Verdict, plan};

use self::history::*;

#[path = "support/history.rs"]
mod history;

/// How sure it is that a state is that of the moment: better first.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Sure {
    /// By the log.
    ByLog,
    /// It is the end of a backup, to the second.
    AtBackup,
    /// The last log was being made.
    Uncertain,
    No,
}

impl Sure {
    fn verdict(self) -> Verdict {
        match self {
            Self::ByLog | Self::AtBackup => Verdict::Covered,
            Self::Uncertain => Verdict::Uncertain,
            Self::No => Verdict::NotPossible,
        }
    }
}

/// A database while it is restored: nothing but how far its log is applied.
#[derive(Clone, Copy, PartialEq)]
struct Restoring {
    position: Lsn,
    /// The last restore was a full backup, so that a differential can follow.
    is_at_full: Option<mssql_backup::guid::Guid>,
    /// How sure it is that the state is that of the moment, if it is recovered now.
    answer: Sure,
}

/// What SQL Server does with one more restore, judged by the headers; None if it refuses it.
fn restored(
    state: Option<Restoring>,
    checked: &CheckedSet,
    all: &[CheckedSet],
    at: Option<DateTime>,
) -> Option<Restoring> {
    let header = &checked.set.header;
    let (first, last) = (header.first_lsn?, header.last_lsn?);
    let (start, finish) = (header.backup_start_date?, header.backup_finish_date?);
    if checked.is_damaged() {
        return None;
    }
    let mut answer = Sure::No;
    let mut is_at_full = None;
    match (header.backup_type?, state) {
        (BackupType::Full, None) => {
            is_at_full = header
                .backup_set_guid
                .filter(|_| !header.flags.contains(Flags::COPY_ONLY));
        }
        (BackupType::Differential, Some(full)) => {
            let base = header.differential_base_guid;
            if full.is_at_full.is_none() || full.is_at_full != base {
                return None;
            }
        }
        (BackupType::Log, Some(state)) => {
            // After the moment was passed nothing more can be applied.
            // (One that ends there, or is empty, is accepted too but changes nothing.)
            let applies = first <= state.position && state.position < last;
            if !applies || (at.is_some() && state.answer == Sure::ByLog) {
                return None;
            }
            let commit = checked.log.as_ref().and_then(|log| log.last_commit);
            let certain = commit.map_or(start, |commit| commit.max(start));
            let is_bulk = header.flags.contains(Flags::BULK_LOGGED_DATA);
            if let Some(at) = at {
                // It cannot stop inside, and past the moment is no way back.
                if is_bulk && (at <= certain || at < finish) {
                    return None;
                }
                if at <= certain {
                    answer = Sure::ByLog;
                } else if at <= finish || state.answer == Sure::Uncertain {
                    answer = Sure::Uncertain;
                }
            }
        }
        _ => return None,
    }
    if header.backup_type != Some(BackupType::Log) {
        let at = at.unwrap_or(finish);
        if at < finish {
            return None;
        }
        if at == finish {
            answer = Sure::AtBackup;
        }
    }
    // Nothing was committed between this state and the moment.
    let is_next = |log: &&CheckedSet| {
        let header = &log.set.header;
        header.backup_type == Some(BackupType::Log)
            && !log.is_damaged()
            && header.first_lsn.is_some_and(|first| first <= last)
            && header.last_lsn.is_some_and(|end| last < end)
    };
    let is_silent = |log: &CheckedSet| {
        let first = log.log.as_ref().and_then(|log| log.first_commit);
        first.zip(at).is_some_and(|(first, at)| at < first)
    };
    // A log backup that ends here or before, and was made later, would hold it.
    let is_proof = |log: &CheckedSet| {
        let header = &log.set.header;
        let commit = log.log.as_ref().and_then(|log| log.last_commit);
        let certain = header.backup_start_date.max(commit);
        header.backup_type == Some(BackupType::Log)
            && !log.is_damaged()
            && header.last_lsn <= Some(last)
            && at.is_some_and(|at| Some(at) <= certain)
    };
    if all.iter().filter(is_next).any(is_silent) || all.iter().any(is_proof) {
        answer = Sure::ByLog;
    }
    Some(Restoring {
        position: last,
        is_at_full,
        answer,
    })
}

/// The best that any sequence reaches: for a moment the answer, else the LSN; and its fewest steps.
#[derive(Debug, PartialEq, PartialOrd, Clone, Copy)]
struct Best {
    answer: Sure,
    behind: std::cmp::Reverse<Option<Lsn>>,
    steps: usize,
}

fn best(all: &[CheckedSet], at: Option<DateTime>) -> Option<Best> {
    let mut best: Option<Best> = None;
    let mut open = vec![(None::<Restoring>, 0_usize)];
    while let Some((state, steps)) = open.pop() {
        for checked in all {
            let Some(next) = restored(state, checked, all, at) else {
                continue;
            };
            let (answer, behind) = match at {
                Some(_) => (next.answer, None),
                None => (Sure::ByLog, Some(next.position)),
            };
            let behind = std::cmp::Reverse(behind);
            let found = Best {
                answer,
                behind,
                steps: steps + 1,
            };
            if answer != Sure::No && best.is_none_or(|best| found < best) {
                best = Some(found);
            }
            open.push((Some(next), steps + 1));
        }
    }
    best
}

/// Applies the steps of a plan; how it ends, or which step is refused.
fn simulated(plan: &Plan, all: &[CheckedSet], at: Option<DateTime>) -> Result<Restoring, usize> {
    let mut state = None;
    for (number, step) in plan.steps.iter().enumerate() {
        let guid = step.set.header.backup_set_guid;
        let set = all
            .iter()
            .find(|one| one.set.header.backup_set_guid == guid)
            .expect("steps are of the history");
        let bulk = set.set.header.flags.contains(Flags::BULK_LOGGED_DATA);
        let wanted_stop = at.filter(|_| step.kind == StepKind::Log && !bulk);
        assert_eq!(step.stop_at, wanted_stop);
        state = restored(state, set, all, at);
        if state.is_none() {
            return Err(number);
        }
    }
    state.ok_or(0)
}

/// One thing that happens on the server.
#[derive(Clone, Copy, Debug)]
enum Event {
    Full {
        copy_only: bool,
    },
    Differential,
    Log {
        copy_only: bool,
        bulk: bool,
        commits: bool,
    },
    /// A log backup right after another, while nothing happens.
    EmptyLog,
}

fn event() -> impl Strategy<Value = Event> {
    let often = any::<bool>();
    prop_oneof![
        2 => (0..4_u8).prop_map(|dice| Event::Full { copy_only: dice == 0 }),
        2 => Just(Event::Differential),
        1 => Just(Event::EmptyLog),
        5 => (0..5_u8, 0..5_u8, often).prop_map(|(copy, bulk, commits)| Event::Log {
            copy_only: copy == 0,
            bulk: bulk == 0,
            commits,
        }),
    ]
}

/// What the user still has: each backup may be lost or damaged.
fn history() -> impl Strategy<Value = Vec<Made>> {
    let fate = 0..8_u8;
    prop::collection::vec((event(), 3..20_i64, fate), 1..9).prop_map(|events| {
        let (mut made, mut now, mut log_from, mut base) = (Vec::new(), 10, 1, None);
        let (mut bulk_at, mut idle_until, mut is_idle) = (0, 0, false);
        for (event, pause, fate) in events {
            now += pause;
            let backup = match event {
                Event::Full { copy_only } => {
                    now += 6;
                    let full = full(now);
                    if copy_only {
                        full.copy_only()
                    } else {
                        base.insert(full).clone()
                    }
                }
                Event::Differential => {
                    now += 4;
                    let Some(base) = &base else { continue };
                    differential(base, now)
                }
                Event::EmptyLog => {
                    // True only if nothing was done since the last log backup.
                    if !is_idle {
                        continue;
                    }
                    idle_until = now;
                    empty_log(log_from, now)
                }
                Event::Log {
                    copy_only,
                    bulk,
                    commits,
                } => {
                    let from = log_from;
                    let mut log = log(from, now);
                    if copy_only {
                        log = log.copy_only();
                    } else {
                        log_from = now;
                    }
                    // The changes came since the event before; all logs over them hold them.
                    if bulk {
                        bulk_at = now;
                    }
                    if from < bulk_at {
                        log = log.bulk_logged();
                    }
                    if commits {
                        log = log.commits((from + 2).max(idle_until + 1), now - 1);
                    }
                    now += 3;
                    log
                }
            };
            is_idle = match event {
                Event::Log { copy_only, .. } => !copy_only,
                Event::EmptyLog => true,
                Event::Full { .. } | Event::Differential => false,
            };
            match fate {
                0 => {}
                1 => made.push(backup.damaged()),
                _ => made.push(backup),
            }
        }
        made
    })
}

fn planned(files: Vec<MediaFile>, at: Option<DateTime>) -> Option<Plan> {
    plan(
        &Catalogue::of(files),
        &PlanRequest {
            at,
            ..PlanRequest::default()
        },
    )
    .ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_plan_is_applicable_and_nothing_shorter_reaches_the_same(
        made in history(),
        at in prop::option::weighted(0.8, 5..220_i64),
    ) {
        let at = at.map(time);
        let all: Vec<CheckedSet> = made.iter().map(|made| made.checked.clone()).collect();
        let Some(plan) = planned(files(&made), at) else {
            prop_assert!(all.is_empty());
            return Ok(());
        };
        let best = best(&all, at);
        match best {
            None => prop_assert_eq!(plan.verdict, Verdict::NotPossible, "{}", steps(&plan)),
            Some(best) => {
                prop_assert_eq!(plan.verdict, best.answer.verdict(), "{:?}", plan.findings);
                prop_assert_eq!(plan.steps.len(), best.steps, "{}", steps(&plan));
                let end = simulated(&plan, &all, at);
                prop_assert!(end.is_ok(), "step {:?} of {}", end.err(), steps(&plan));
                if at.is_none() {
                    prop_assert_eq!(end.ok().map(|end| end.position), best.behind.0);
                } else {
                    prop_assert_eq!(end.ok().map(|end| end.answer), Some(best.answer));
                }
            }
        }
        // Whoever is told no is told why.
        let is_told = plan.findings.iter().any(|one| one.severity == recovery::rules::Severity::Error);
        prop_assert_eq!(plan.verdict == Verdict::NotPossible, is_told);
    }

    #[test]
    fn the_order_of_the_files_does_not_matter(
        (made, shuffled) in history().prop_flat_map(|made| {
            let numbered: Vec<MediaFile> = files(&made);
            (Just(made), Just(numbered).prop_shuffle())
        }),
        at in prop::option::of(5..220_i64),
    ) {
        let at = at.map(time);
        prop_assert_eq!(planned(files(&made), at), planned(shuffled, at));
    }

    #[test]
    fn windows_hold_the_moments_that_are_covered(made in history(), at in 5..220_i64) {
        let at = time(at);
        let Some(plan) = planned(files(&made), Some(at)) else {
            return Ok(());
        };
        let holds = plan.windows.iter().any(|window| {
            let in_whole = window.whole.iter().any(|(from, to)| from.local < at && at < to.local);
            window.from.local <= at && at <= window.to.local && !in_whole
        });
        if holds {
            prop_assert_eq!(plan.verdict, Verdict::Covered, "{:?} {:?}", plan.findings, plan.windows);
        }
        // A moment after which nothing was committed for a while is covered beyond a window's end.
        let silent = made.iter().any(|made| made.checked.log.is_some());
        if !holds && !silent {
            prop_assert_ne!(plan.verdict, Verdict::Covered, "{} {:?}", steps(&plan), plan.windows);
        }
    }

    #[test]
    fn arbitrary_headers_neither_panic_nor_yield_steps_without_a_full(
        backups in prop::collection::vec((0..7_usize, any::<[u16; 6]>(), 0..3_u64, 0..4_u64), 0..12),
        at in prop::option::of(any::<u16>()),
    ) {
        let kinds = [None, Some(BackupType::Full), Some(BackupType::Log), Some(BackupType::Log),
            Some(BackupType::Differential), Some(BackupType::Partial), Some(BackupType::Full)];
        let made: Vec<Made> = backups.into_iter().map(|(kind, numbers, guids, fork)| {
            let [first, last, start, finish, base, flags] = numbers.map(|number| i64::from(number % 64));
            let mut made = log(first, last).fork(fork, fork + guids, base).header(|header| {
                header.backup_type = kinds[kind];
                header.backup_start_date = (start > 0).then(|| time(start));
                header.backup_finish_date = (finish > 0).then(|| time(finish));
                header.checkpoint_lsn = Some(lsn(base));
                header.differential_base_lsn = Some(lsn(base));
                header.differential_base_guid = Some(guid(guids));
                header.backup_set_guid = (guids > 0).then(|| guid(guids));
                header.flags = Flags(flags as u32);
            });
            if flags % 2 == 0 {
                made = made.commits(finish, start);
            }
            made
        }).collect();
        let at = at.map(|at| time(i64::from(at % 64)));
        if let Some(plan) = planned(files(&made), at) {
            let first = plan.steps.first().map(|step| step.kind);
            prop_assert!(first.is_none_or(|kind| kind == StepKind::Full));
        }
    }
}

#[test]
fn the_simulation_refuses_what_sql_server_refuses() {
    let base = full(100);
    let copy = full(150).copy_only();
    let all: Vec<CheckedSet> = [
        base.clone(),
        copy.clone(),
        differential(&base, 200),
        log(50, 300),
        log(310, 400),
    ]
    .map(|made| made.checked)
    .into();
    let apply = |numbers: &[usize]| {
        let mut state = None;
        for number in numbers {
            state = Some(restored(state, &all[*number], &all, None)?);
        }
        state.map(|state| state.position)
    };
    let ends: BTreeMap<_, _> = [
        (vec![0, 2, 3], Some(lsn(300))),
        (vec![0, 3], Some(lsn(300))),
        (vec![1, 2], None),
        (vec![2], None),
        (vec![3], None),
        (vec![0, 3, 4], None),
        (vec![0, 3, 2], None),
    ]
    .into();
    for (numbers, end) in ends {
        assert_eq!(apply(&numbers), end, "{numbers:?}");
    }
}

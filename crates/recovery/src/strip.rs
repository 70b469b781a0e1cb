//! Time strips for the terminal: a plan, or all that can be reached, in a line or two.

use jiff::civil::DateTime;

use crate::chain::Chain;
use crate::plan::{Plan, Step, StepKind};

/// How many logs are drawn one by one; more are counted.
const DRAWN: usize = 12;

/// Draws the steps of a plan, in lines of at most `width` characters where words allow it.
///
/// `23:59 ────────█ FULL set 3 ── 00:30 ▌ DIFF set 2 ── │││││││ LOG 31…37 ─┤ STOPAT 01:47 (23:47Z)`
///
/// Dates are shown where a step lies more than a day before the end.
#[must_use]
pub fn of_plan(plan: &Plan, width: usize) -> String {
    let Some(end) = plan.at else {
        return String::new();
    };
    let time = |step: &Step| {
        let finish = step.set.header.backup_finish_date;
        finish
            .map(|finish| near(finish, end.local))
            .unwrap_or_default()
    };
    let mut parts = Vec::new();
    for step in plan.steps.iter().filter(|step| step.kind != StepKind::Log) {
        parts.push(match step.kind {
            StepKind::Full => format!("{} ────────█ FULL set {}", time(step), step.file_number),
            _ => format!("{} ▌ DIFF set {}", time(step), step.file_number),
        });
    }
    let logs: Vec<&Step> = plan
        .steps
        .iter()
        .filter(|step| step.kind == StepKind::Log)
        .collect();
    if !logs.is_empty() {
        parts.push(format!(
            "{} {}",
            "│".repeat(logs.len().min(DRAWN)),
            log_words(&logs)
        ));
    }
    let stops = logs.iter().any(|log| log.stop_at.is_some());
    let word = if stops { "STOPAT" } else { "END" };
    let utc = end.utc().map(|utc| jiff::tz::Offset::UTC.to_datetime(utc));
    let utc = utc
        .map(|utc| format!(" ({}Z)", clock(utc)))
        .unwrap_or_default();
    parts.push(format!("┤ {word} {}{utc}", clock(end.local)));
    joined(&parts, width)
}

/// Draws what a chain can be restored to, on a time axis of `width` characters, with its two ends.
///
/// `█` a full backup, `▌` a differential, `│` logs, `─` a time that can be reached, and blank
/// where nothing can. Where several fall together the first of these is drawn.
#[must_use]
pub fn of_chain(chain: &Chain<'_>, width: usize) -> String {
    let bases = chain.bases.iter().map(|base| {
        let mark = if base.differential.is_some() {
            Mark::Differential
        } else {
            Mark::Full
        };
        (base.finish, mark)
    });
    let logs = chain.logs.iter().map(|log| (log.certain, Mark::Log));
    let marks: Vec<(DateTime, Mark)> = bases.chain(logs).collect();
    let times = || marks.iter().map(|(time, _)| *time);
    let Some((first, last)) = times().min().zip(times().max()) else {
        return String::new();
    };
    let (from, to) = (near(first, last), clock(last));
    let taken = from.chars().count() + to.chars().count() + 2;
    let cell_count = width.saturating_sub(taken).max(1);
    let cell = |time: DateTime| {
        let part = |time: DateTime| time.duration_since(first).as_millis().max(0);
        let whole = part(last).max(1);
        let cells = i128::try_from(cell_count - 1).unwrap_or(0);
        usize::try_from(part(time).min(whole) * cells / whole).unwrap_or(0)
    };
    let mut cells = vec![Mark::Nothing; cell_count];
    for window in chain.windows() {
        let (from, to) = (cell(window.from.local), cell(window.to.local));
        for cell in cells.iter_mut().take(to + 1).skip(from) {
            *cell = Mark::Reached;
        }
    }
    for (time, mark) in marks {
        if let Some(cell) = cells.get_mut(cell(time)) {
            *cell = (*cell).max(mark);
        }
    }
    let cells: String = cells.into_iter().map(Mark::drawn).collect();
    format!("{from} {cells} {to}")
}

/// What a cell of the axis shows; the later goes before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Nothing,
    Reached,
    Log,
    Differential,
    Full,
}

impl Mark {
    fn drawn(self) -> char {
        match self {
            Self::Nothing => ' ',
            Self::Reached => '─',
            Self::Log => '│',
            Self::Differential => '▌',
            Self::Full => '█',
        }
    }
}

/// `LOG 31…37` if they follow each other in one file; else how many.
fn log_words(logs: &[&Step]) -> String {
    let follow = |pair: &[&Step]| {
        pair[0].files == pair[1].files
            && pair[0].file_number.checked_add(1) == Some(pair[1].file_number)
    };
    match logs {
        [one] => format!("LOG set {}", one.file_number),
        [first, .., last] if logs.windows(2).all(follow) => {
            format!("LOG {}…{}", first.file_number, last.file_number)
        }
        _ => format!("{} LOGS", logs.len()),
    }
}

/// The time, with the date if it is more than a day before the end.
fn near(time: DateTime, end: DateTime) -> String {
    const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
    if end.duration_since(time) < DAY {
        clock(time)
    } else {
        format!("{} {}", time.date(), clock(time))
    }
}

/// `01:47`, with seconds where they are not zero, to the tick of commit times.
fn clock(time: DateTime) -> String {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let milli = time.subsec_nanosecond() / 1_000_000;
    match (second, milli) {
        (0, 0) => format!("{hour:02}:{minute:02}"),
        (_, 0) => format!("{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}

/// The parts with lines between them; a part that does not fit goes to the next line.
fn joined(parts: &[String], width: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for (index, part) in parts.iter().enumerate() {
        let is_end = index + 1 == parts.len();
        let joint = if is_end { " ─" } else { " ── " };
        let len = part.chars().count();
        if index == 0 {
            text.push_str(part);
            used = len;
        } else if used + joint.chars().count() + len <= width {
            text.push_str(joint);
            text.push_str(part);
            used += joint.chars().count() + len;
        } else {
            text.push_str("\n  ");
            text.push_str(if is_end { "─" } else { "── " });
            text.push_str(part);
            used = 5 + len;
        }
    }
    text
}

//! What can be restored of a database, drawn as a strip of time.

use std::fmt::Write;

use jiff::civil::DateTime;

use crate::finding::quoted;
use crate::plan::{Plan, StepKind};

/// The times of a database: what can be reached, what is restored, and where it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStrip {
    /// The database, between quotes.
    pub name: String,
    /// The stretches that can be reached, as places on an axis of [`TimeStrip::LEN`].
    pub windows: Vec<(u32, u32)>,
    /// The backups that are restored.
    pub steps: Vec<(StepKind, u32)>,
    /// The state that is restored.
    pub at: u32,
    /// The times at the two ends of the axis, and the one that is restored, in words.
    pub words: [String; 3],
}

impl TimeStrip {
    /// Length of the axis.
    pub const LEN: u32 = 1000;
    /// How many backups are drawn; of more the last.
    const DRAWN: usize = 200;

    /// The strip of a plan. None if it has no steps.
    #[must_use]
    pub fn of(plan: &Plan) -> Option<Self> {
        let at = plan.at?;
        let skipped = plan.steps.len().saturating_sub(Self::DRAWN);
        let steps = plan.steps.iter().enumerate();
        let steps: Vec<(StepKind, DateTime)> = steps
            .filter(|(index, _)| *index == 0 || *index >= skipped)
            .filter_map(|(_, step)| Some((step.kind, step.set.header.backup_finish_date?)))
            .collect();
        let ends = plan
            .windows
            .iter()
            .flat_map(|window| [window.from.local, window.to.local]);
        let times = || {
            ends.clone()
                .chain(steps.iter().map(|step| step.1))
                .chain([at.local])
        };
        let (first, last) = (times().min()?, times().max()?);
        let place = |time: DateTime| place(time, first, last);
        Some(Self {
            name: quoted(&plan.database),
            windows: plan
                .windows
                .iter()
                .map(|window| (place(window.from.local), place(window.to.local)))
                .collect(),
            steps: steps
                .iter()
                .map(|(kind, time)| (*kind, place(*time)))
                .collect(),
            at: place(at.local),
            words: [minute(first), minute(last), at.to_string()],
        })
    }

    /// What the picture shows, in a sentence.
    #[must_use]
    pub fn in_words(&self) -> String {
        let [first, last, at] = &self.words;
        let count = |wanted| {
            self.steps
                .iter()
                .filter(|(kind, _)| *kind == wanted)
                .count()
        };
        format!(
            "{} from {first} to {last}: restored as of {at}, by {}.",
            self.name,
            backups_in_words(
                count(StepKind::Full),
                count(StepKind::Differential),
                count(StepKind::Log)
            )
        )
    }

    /// The picture as SVG, without styles of its own. Texts in it are escaped.
    pub(super) fn to_svg(&self, escape: impl Fn(&str) -> String) -> String {
        let mut svg = String::new();
        let label = escape(&self.in_words());
        // Writing to a String does not fail.
        let _ = write!(
            svg,
            "<svg class=\"strip\" role=\"img\" viewBox=\"-10 0 1020 96\" aria-label=\"{label}\">\n\
             <title>{label}</title>\n\
             <line class=\"axis\" x1=\"0\" y1=\"46\" x2=\"1000\" y2=\"46\"/>\n"
        );
        for (from, to) in &self.windows {
            let width = to.saturating_sub(*from).max(3);
            let _ = writeln!(
                svg,
                "<rect class=\"reach\" x=\"{from}\" y=\"40\" width=\"{width}\" height=\"12\"/>"
            );
        }
        for (kind, x) in &self.steps {
            let (class, top, width) = match kind {
                StepKind::Full => ("full", 22, 12),
                StepKind::Differential => ("differential", 28, 8),
                StepKind::Log => ("log", 34, 3),
            };
            let left = i64::from(*x) - width / 2;
            let height = 2 * (46 - top);
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" \
                 height=\"{height}\"/>"
            );
        }
        let (at, [first, last, _]) = (self.at, &self.words);
        let _ = write!(
            svg,
            "<path class=\"at\" d=\"M{at} 14 V78 M{} 6 H{} L{at} 16 Z\"/>\n\
             <text x=\"0\" y=\"90\">{}</text>\n\
             <text x=\"1000\" y=\"90\" text-anchor=\"end\">{}</text>\n</svg>\n",
            i64::from(at) - 8,
            at + 8,
            escape(first),
            escape(last)
        );
        svg
    }
}

fn place(time: DateTime, first: DateTime, last: DateTime) -> u32 {
    let part = |time: DateTime| time.duration_since(first).as_millis().max(0);
    let whole = part(last).max(1);
    let place = part(time).min(whole) * i128::from(TimeStrip::LEN) / whole;
    u32::try_from(place).unwrap_or(0)
}

/// `2024-06-15 01:47`
fn minute(time: DateTime) -> String {
    format!("{} {:02}:{:02}", time.date(), time.hour(), time.minute())
}

/// `1 full, 1 differential and 4 log backups`, without what there is none of.
fn backups_in_words(full: usize, differential: usize, log: usize) -> String {
    let counts = [(full, "full"), (differential, "differential"), (log, "log")];
    let words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    let noun = match full + differential + log {
        1 => "backup",
        _ => "backups",
    };
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => {
            format!("{} and {last} {noun}", before.join(", "))
        }
        _ => format!("{} {noun}", words.join("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_backups_that_there_are_are_counted() {
        assert_eq!(backups_in_words(1, 0, 0), "1 full backup");
        assert_eq!(backups_in_words(1, 0, 4), "1 full and 4 log backups");
        assert_eq!(
            backups_in_words(1, 1, 1),
            "1 full, 1 differential and 1 log backups"
        );
    }
}

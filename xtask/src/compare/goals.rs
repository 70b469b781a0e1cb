//! What bakpak has to reach beside its rivals, and what it reaches.

use super::contestants::BAKPAK;
use super::figures::{figure, unit};
use super::runs::{Metric, Runs};
use super::verb::Verb;
use super::workload::Part;
use std::fmt::Write;

/// A cell of the results: what one contestant takes for a verb.
#[derive(Clone, Copy)]
struct Cell {
    part: Part,
    verb: Verb,
    name: &'static str,
}

/// What bakpak's cell is held against.
#[derive(Clone, Copy)]
enum Against {
    /// At most so many times the rival's.
    Rival(Cell, f64),
    /// At most this, in the metric's unit.
    Bound(f64),
}

struct Goal {
    what: &'static str,
    part: Part,
    verb: Verb,
    metric: Metric,
    against: Against,
}

const AGE: &str = "tar-zstd-age";
const LONG: &str = "tar-zstd-long-age";
const BUPSTASH: &str = "bupstash";

const GOALS: [Goal; 12] = [
    server(
        "pack, time",
        Verb::Pack,
        Metric::Wall,
        AGE,
        Verb::Pack,
        0.55,
    ),
    server(
        "pack, size",
        Verb::Pack,
        Metric::Size,
        LONG,
        Verb::Pack,
        1.03,
    ),
    server(
        "verify with the key",
        Verb::Verify,
        Metric::Wall,
        AGE,
        Verb::Verify,
        0.45,
    ),
    server(
        "verify keyless",
        Verb::Keyless,
        Metric::Wall,
        AGE,
        Verb::Verify,
        0.15,
    ),
    server(
        "unpack, time",
        Verb::Unpack,
        Metric::Wall,
        AGE,
        Verb::Unpack,
        0.65,
    ),
    server("list", Verb::List, Metric::Wall, BUPSTASH, Verb::List, 0.5),
    server(
        "one file",
        Verb::One,
        Metric::Wall,
        BUPSTASH,
        Verb::One,
        0.5,
    ),
    small_files("small files: pack, time", Metric::Wall),
    small_files("small files: pack, memory", Metric::PeakLargest),
    small_files("small files: size", Metric::Size),
    memory("pack, memory", Verb::Pack, 200.0),
    memory("unpack, memory", Verb::Unpack, 150.0),
];

const fn server(
    what: &'static str,
    verb: Verb,
    metric: Metric,
    rival: &'static str,
    rival_verb: Verb,
    most: f64,
) -> Goal {
    let part = Part::Server;
    let cell = Cell {
        part,
        verb: rival_verb,
        name: rival,
    };
    Goal {
        what,
        part,
        verb,
        metric,
        against: Against::Rival(cell, most),
    }
}

const fn small_files(what: &'static str, metric: Metric) -> Goal {
    let (part, verb) = (Part::SmallFiles, Verb::Pack);
    let cell = Cell {
        part,
        verb,
        name: BUPSTASH,
    };
    Goal {
        what,
        part,
        verb,
        metric,
        against: Against::Rival(cell, 1.0),
    }
}

const fn memory(what: &'static str, verb: Verb, most: f64) -> Goal {
    Goal {
        what,
        part: Part::Server,
        verb,
        metric: Metric::PeakLargest,
        against: Against::Bound(most),
    }
}

/// The table of all goals; what was not measured says so.
#[must_use]
pub fn table(runs: &Runs) -> String {
    let mut text =
        "| goal | bakpak | rival | ratio | at most | |\n|---|---|---|---|---|---|\n".to_owned();
    for goal in &GOALS {
        // A string takes all that is written.
        let _ = writeln!(text, "{}", goal.row(runs));
    }
    text
}

impl Goal {
    fn row(&self, runs: &Runs) -> String {
        let shown = |value: Option<f64>| match value {
            Some(value) => format!("{} {}", figure(value, self.metric), unit(self.metric)),
            None => "not measured".to_owned(),
        };
        let own = runs.median(self.part, self.verb, BAKPAK, self.metric);
        let (rival, ratio, most, reached) = match self.against {
            Against::Rival(cell, most) => {
                let theirs = runs.median(cell.part, cell.verb, cell.name, self.metric);
                let rival = format!("{}, {} {}", shown(theirs), cell.name, cell.verb.name());
                let ratio = own.zip(theirs).map(|(own, theirs)| own / theirs);
                let reached = ratio.map(|ratio| ratio <= most);
                (rival, ratio, format!("{most:.2}"), reached)
            }
            Against::Bound(most) => {
                let reached = own.map(|own| own <= most);
                (
                    String::new(),
                    None,
                    format!("{most} {}", unit(self.metric)),
                    reached,
                )
            }
        };
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let word = match reached {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "not measured",
        };
        format!(
            "| {} | {} | {rival} | {ratio} | {most} | {word} |",
            self.what,
            shown(own)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::runs::tests::run;

    #[test]
    fn goals_are_reached_missed_or_not_measured() {
        let runs = Runs(vec![
            run(Verb::Pack, BAKPAK, 1, 0.5),
            run(Verb::Pack, AGE, 1, 1.0),
            run(Verb::Unpack, BAKPAK, 1, 0.7),
            run(Verb::Unpack, AGE, 1, 1.0),
        ]);
        let table = table(&runs);
        let row = |what: &str| {
            table
                .lines()
                .find(|line| line.contains(what))
                .expect("a row")
        };
        assert!(
            row("pack, time").ends_with("| 0.50 | 0.55 | reached |"),
            "{table}"
        );
        assert!(
            row("unpack, time").ends_with("| 0.70 | 0.65 | **missed** |"),
            "{table}"
        );
        assert!(row("one file").contains("not measured"), "{table}");
        assert!(
            row("unpack, memory").ends_with("|  |  | 150 MiB | reached |"),
            "{table}"
        );
    }
}

//! The raw numbers: one line for each run of each command, and their medians.

use super::verb::Verb;
use super::workload::Part;
use anyhow::{Context, Result};
use std::fmt::Write;

/// The columns of `runs.tsv`.
const HEAD: &str = "part\tverb\tcontestant\trun\twall_s\tuser_s\tsystem_s\tpeak_sum_kib\t\
                    peak_largest_kib\tarchive_len";

/// One run of one command.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// On which files.
    pub part: Part,
    /// What was done.
    pub verb: Verb,
    /// By whom.
    pub contestant: String,
    /// In which round, from 1.
    pub run: usize,
    /// Seconds from start to end.
    pub wall_s: f64,
    /// CPU seconds of all processes.
    pub user_s: f64,
    /// CPU seconds in the kernel.
    pub system_s: f64,
    /// Peaks of all processes, added up.
    pub peak_sum_kib: u64,
    /// The largest of them.
    pub peak_largest_kib: u64,
    /// Bytes of the archive.
    pub archive_len: u64,
}

/// Something that is measured, in the unit of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Seconds.
    Wall,
    /// Seconds of all processors, the kernel's part included.
    Cpu,
    /// MiB: the largest of a pipeline's processes.
    PeakLargest,
    /// MiB: all processes added up.
    PeakSum,
    /// MiB of the archive.
    Size,
}

/// All runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runs(pub Vec<Run>);

impl Runs {
    /// Reads what [`Runs::to_tsv`] wrote.
    ///
    /// # Errors
    ///
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().skip(1);
        let runs: Result<Vec<Run>> = lines
            .map(|line| Run::parse(line).with_context(|| format!("no run stands in '{line}'")))
            .collect();
        Ok(Self(runs?))
    }

    /// As text: tabs between columns, a head.
    #[must_use]
    pub fn to_tsv(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for run in &self.0 {
            // A string takes all that is written.
            let _ = writeln!(
                text,
                "{}\t{}\t{}\t{}\t{:.4}\t{:.2}\t{:.2}\t{}\t{}\t{}",
                run.part.name(),
                run.verb.name(),
                run.contestant,
                run.run,
                run.wall_s,
                run.user_s,
                run.system_s,
                run.peak_sum_kib,
                run.peak_largest_kib,
                run.archive_len,
            );
        }
        text
    }

    /// Which parts were measured.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let is_there = |part: &Part| self.0.iter().any(|run| run.part == *part);
        Part::ALL.into_iter().filter(is_there).collect()
    }

    /// Which verbs were measured in a part.
    #[must_use]
    pub fn verbs(&self, part: Part) -> Vec<Verb> {
        let is_there = |verb: &Verb| self.of_part(part).any(|run| run.verb == *verb);
        Verb::ALL.into_iter().filter(is_there).collect()
    }

    /// Who took part in it, in the order of `order`, which names all who can.
    #[must_use]
    pub fn contestants<'a>(&self, part: Part, order: &[&'a str]) -> Vec<&'a str> {
        let is_there = |name: &&str| self.of_part(part).any(|run| run.contestant == *name);
        order.iter().copied().filter(is_there).collect()
    }

    /// How many rounds somebody ran in a part.
    #[must_use]
    pub fn round_count(&self, part: Part, contestant: &str) -> usize {
        let runs = self
            .of_part(part)
            .filter(|run| run.contestant == contestant);
        runs.map(|run| run.run).max().unwrap_or(0)
    }

    /// All values of a cell, sorted.
    #[must_use]
    pub fn values(&self, part: Part, verb: Verb, contestant: &str, metric: Metric) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .of_part(part)
            .filter(|run| run.verb == verb && run.contestant == contestant)
            .map(|run| run.value(metric))
            .collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The median of a cell, if it was measured.
    #[must_use]
    pub fn median(&self, part: Part, verb: Verb, name: &str, metric: Metric) -> Option<f64> {
        median(&self.values(part, verb, name, metric))
    }

    fn of_part(&self, part: Part) -> impl Iterator<Item = &Run> {
        self.0.iter().filter(move |run| run.part == part)
    }
}

impl Run {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Self {
            part: Part::of(next()?)?,
            verb: Verb::of(next()?)?,
            contestant: next()?.to_owned(),
            run: next()?.parse().ok()?,
            wall_s: next()?.parse().ok()?,
            user_s: next()?.parse().ok()?,
            system_s: next()?.parse().ok()?,
            peak_sum_kib: next()?.parse().ok()?,
            peak_largest_kib: next()?.parse().ok()?,
            archive_len: next()?.parse().ok()?,
        })
    }

    fn value(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Wall => self.wall_s,
            Metric::Cpu => self.user_s + self.system_s,
            Metric::PeakLargest => self.peak_largest_kib as f64 / 1024.0,
            Metric::PeakSum => self.peak_sum_kib as f64 / 1024.0,
            Metric::Size => self.archive_len as f64 / f64::from(1 << 20),
        }
    }
}

/// The middle of sorted values, or the mean of the two in the middle.
#[must_use]
pub fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of the server's part.
    pub(in crate::compare) fn run(verb: Verb, contestant: &str, number: usize, wall_s: f64) -> Run {
        Run {
            part: Part::Server,
            verb,
            contestant: contestant.to_owned(),
            run: number,
            wall_s,
            user_s: 0.5,
            system_s: 0.25,
            peak_sum_kib: 3 * 1024,
            peak_largest_kib: 2 * 1024,
            archive_len: 1 << 20,
        }
    }

    #[test]
    fn medians_of_none_one_even_and_odd() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
    }

    #[test]
    fn cells_are_sorted_before_the_median_is_taken() {
        let runs = [9.0, 1.0, 2.0].map(|wall_s| run(Verb::Pack, "a", 1, wall_s));
        let runs = Runs(runs.to_vec());
        let of = |metric| runs.median(Part::Server, Verb::Pack, "a", metric);
        assert_eq!(of(Metric::Wall), Some(2.0));
        assert_eq!(of(Metric::Cpu), Some(0.75));
        assert_eq!(of(Metric::PeakSum), Some(3.0));
        assert_eq!(of(Metric::Size), Some(1.0));
        assert_eq!(
            runs.median(Part::Server, Verb::List, "a", Metric::Wall),
            None
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let runs = Runs(vec![run(Verb::Keyless, "b", 2, 0.125)]);
        assert_eq!(Runs::parse(&runs.to_tsv()).expect("as written"), runs);
        assert!(Runs::parse(&runs.to_tsv().replace("keyless", "keyles")).is_err());
    }
}

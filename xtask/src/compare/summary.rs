//! The summary of a comparison, in Markdown, from the raw numbers.

use super::contestants::{BAKPAK, CONTESTANTS};
use super::figures::{figure, unit};
use super::goals;
use super::record::Record;
use super::runs::{Metric, Runs};
use super::verb::Verb;
use super::workload::Part;
use std::fmt::Write;

/// Whose time all others are divided by.
const REFERENCE: &str = "tar-zstd-age";

const NOTES: &str = "\
- One run after the other, contestants in turn, another one first in each round. Medians. Who took
  more than three minutes for a round ran once.
- Wall and CPU in seconds, memory and size in MiB. Memory is the peak of resident memory: of the
  largest process, and in the second tables also of all processes of a pipeline added up. Of
  programs that start others (bupstash) it is that of the largest.
- Repositories are made anew for each pack, which is not measured; caches below the home directory
  are removed then. `list` and `one file` run once before they are measured.
- `verify` proves with the key that all can be restored. Of the pipelines it is decryption and
  `zstd -t`; bupstash has no such verb, it writes everything to nowhere. bakpak compares every entry
  with its hash and the catalogue. `keyless` finds accidents without a secret; besides bakpak only
  borg can (`check --repository-only`).
- `openssl enc` does not authenticate: who changes the file is not noticed.
- restic, rustic, borg, 7z, gpg and openssl work with a passphrase and stretch it at each start;
  bakpak, age and bupstash work with a key file.
- rustic is built without its default features (text interface, WebDAV server and the like).
- What each unpacked was compared with what was packed (`diff -r`); the one file too.
- On tmpfs nothing waits for a disk. On a disk bakpak returns when its output is on it, the
  pipelines do not wait for that.
";

/// The whole summary.
#[must_use]
pub fn markdown(record: &Record) -> String {
    let mut text = "# bakpak beside its rivals\n\n".to_owned();
    for fact in &record.facts {
        push(&mut text, &format!("- {fact}\n"));
    }
    push(
        &mut text,
        "\nRaw numbers: runs.tsv, processes.tsv; the commands: commands.txt.\n\n",
    );
    push(
        &mut text,
        "![pack time against size, and all verbs](plot.svg)\n",
    );
    push(&mut text, "\n## Goals\n\n");
    push(&mut text, &goals::table(&record.runs));
    for part in record.runs.parts() {
        push(&mut text, &format!("\n## {}\n\n", title(part)));
        push(&mut text, &shown(&record.runs, part));
        for verb in record.runs.verbs(part) {
            push(
                &mut text,
                &format!("\n### {}: {}\n\n", title(part), verb.title()),
            );
            push(&mut text, &details(&record.runs, part, verb));
            let columns = [
                ("wall", verb, Metric::Wall),
                ("CPU", verb, Metric::Cpu),
                ("memory", verb, Metric::PeakLargest),
                ("added up", verb, Metric::PeakSum),
            ];
            let lost = lost(&record.runs, part, &columns);
            push(&mut text, &format!("\n{lost}\n"));
        }
    }
    push(
        &mut text,
        "\n## Who did not take part, or not to the end\n\n",
    );
    push(&mut text, &missing(record));
    push(&mut text, "\n## Versions\n\n");
    for (name, version) in &record.versions {
        push(&mut text, &format!("- {name}: {version}\n"));
    }
    push(&mut text, "\n## How it was measured\n\n");
    push(&mut text, NOTES);
    text
}

/// What the README shows of it; `folder` is where plot and summary are.
#[must_use]
pub fn readme(record: &Record, folder: &str) -> String {
    let mut text = format!("![pack time against size, and all verbs]({folder}/plot.svg)\n");
    for part in record.runs.parts() {
        let fact = record
            .facts
            .iter()
            .find_map(|fact| fact.strip_prefix(part.name()));
        let files = fact.unwrap_or_default().trim_start_matches(": ");
        push(&mut text, &format!("\n{}: {files}.\n\n", title(part)));
        push(&mut text, &shown(&record.runs, part));
    }
    push(
        &mut text,
        "\nWhat bakpak has to reach, and what it reaches:\n\n",
    );
    push(&mut text, &goals::table(&record.runs));
    for missing in &record.missing {
        push(
            &mut text,
            &format!("\nNot here: {} ({}).\n", missing.contestant, missing.reason),
        );
    }
    let facts = record.facts.iter().map(String::as_str);
    let facts = facts.filter(|fact| fact.starts_with("machine") || fact.starts_with(BAKPAK));
    let facts: Vec<&str> = facts.collect();
    push(
        &mut text,
        &format!(
            "\nSeconds and MiB; memory is that of the largest process when packing. {}. All figures \
             and commands: [summary]({folder}/summary.md).\n",
            facts.join("; ")
        ),
    );
    text
}

/// A part in a table, how often it was measured, and where bakpak loses.
fn shown(runs: &Runs, part: Part) -> String {
    let lost = lost(runs, part, &overview_columns());
    format!(
        "{}\n{}\n\n{lost}\n",
        overview(runs, part),
        run_counts(runs, part)
    )
}

/// Where bakpak loses, for each part.
#[must_use]
pub fn losses(runs: &Runs) -> String {
    let lines = runs.parts().into_iter().map(|part| {
        let lost = lost(runs, part, &overview_columns());
        format!("{}: {lost}\n", title(part))
    });
    lines.collect()
}

/// Of how many runs these are the medians; who takes long has fewer.
fn run_counts(runs: &Runs, part: Part) -> String {
    let counts: Vec<(&str, usize)> = runs
        .contestants(part, &names())
        .into_iter()
        .map(|name| (name, runs.round_count(part, name)))
        .collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let fewer: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count < most)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    match fewer.is_empty() {
        true => format!("Medians; runs of each: {most}."),
        false => format!(
            "Medians; runs of each: {most}, but of {}.",
            fewer.join(", ")
        ),
    }
}

/// The rivals that are missing, with the reasons.
#[must_use]
pub fn missing(record: &Record) -> String {
    let lines = record.missing.iter();
    let lines: String = lines
        .map(|missing| format!("- {}: {}\n", missing.contestant, missing.reason))
        .collect();
    match lines.is_empty() {
        true => "All took part.\n".to_owned(),
        false => lines,
    }
}

/// Size, each verb's time, memory.
fn overview_columns() -> Vec<(&'static str, Verb, Metric)> {
    let mut columns = vec![("size", Verb::Pack, Metric::Size)];
    columns.extend(Verb::ALL.map(|verb| (verb.title(), verb, Metric::Wall)));
    columns.push(("memory", Verb::Pack, Metric::PeakLargest));
    columns
}

/// One row a contestant; the best of each column in bold.
fn overview(runs: &Runs, part: Part) -> String {
    let mut columns = overview_columns();
    let cell = |name: &str, verb: Verb, metric| runs.median(part, verb, name, metric);
    columns.retain(|(_, verb, metric)| cell(BAKPAK, *verb, *metric).is_some());

    let mut text = "| |".to_owned();
    for (head, ..) in &columns {
        push(&mut text, &format!(" {head} |"));
    }
    push(
        &mut text,
        &format!("\n|---|{}\n", "---:|".repeat(columns.len())),
    );
    let names = runs.contestants(part, &names());
    for name in &names {
        push(&mut text, &format!("| {name} |"));
        for (_, verb, metric) in &columns {
            let all = names.iter().filter_map(|name| cell(name, *verb, *metric));
            let best = all.fold(f64::INFINITY, f64::min);
            let shown = match cell(name, *verb, *metric) {
                Some(value) if value <= best => format!("**{}**", figure(value, *metric)),
                Some(value) => figure(value, *metric),
                None => "-".to_owned(),
            };
            push(&mut text, &format!(" {shown} |"));
        }
        push(&mut text, "\n");
    }
    text
}

/// All that was measured of one verb.
fn details(runs: &Runs, part: Part, verb: Verb) -> String {
    let mut text =
        "| contestant | wall | least-most | against | CPU | memory | added up | runs |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    let reference = runs.median(part, verb, REFERENCE, Metric::Wall);
    for name in runs.contestants(part, &names()) {
        let values = runs.values(part, verb, name, Metric::Wall);
        let (Some(least), Some(most)) = (values.first(), values.last()) else {
            continue;
        };
        let shown = |metric| {
            let value = runs.median(part, verb, name, metric);
            value.map(|value| figure(value, metric)).unwrap_or_default()
        };
        let wall = runs.median(part, verb, name, Metric::Wall);
        let against = wall
            .zip(reference)
            .map(|(own, other)| format!("{:.2}", own / other));
        push(
            &mut text,
            &format!(
                "| {name} | {} | {}-{} | {} | {} | {} | {} | {} |\n",
                shown(Metric::Wall),
                figure(*least, Metric::Wall),
                figure(*most, Metric::Wall),
                against.unwrap_or_default(),
                shown(Metric::Cpu),
                shown(Metric::PeakLargest),
                shown(Metric::PeakSum),
                values.len()
            ),
        );
    }
    text
}

/// In which columns others are better than bakpak, by name.
fn lost(runs: &Runs, part: Part, columns: &[(&str, Verb, Metric)]) -> String {
    let mut places = Vec::new();
    for &(what, verb, metric) in columns {
        let Some(own) = runs.median(part, verb, BAKPAK, metric) else {
            continue;
        };
        let mut better: Vec<(f64, &str)> = runs
            .contestants(part, &names())
            .into_iter()
            .filter_map(|name| Some((runs.median(part, verb, name, metric)?, name)))
            .filter(|(value, _)| *value < own)
            .collect();
        better.sort_by(|a, b| a.0.total_cmp(&b.0));
        let better: Vec<String> = better
            .iter()
            .map(|(value, name)| format!("{name} {}", figure(*value, metric)))
            .collect();
        if !better.is_empty() {
            let own = figure(own, metric);
            places.push(format!(
                "{what} ({} against {own} {})",
                better.join(", "),
                unit(metric)
            ));
        }
    }
    match places.is_empty() {
        true => "bakpak loses nowhere here.".to_owned(),
        false => format!("bakpak loses in: {}.", places.join("; ")),
    }
}

fn title(part: Part) -> &'static str {
    match part {
        Part::Server => "A server",
        Part::SmallFiles => "Small files",
    }
}

/// All names, in the order of the tables.
fn names() -> [&'static str; CONTESTANTS.len()] {
    CONTESTANTS.each_ref().map(|contestant| contestant.name)
}

fn push(text: &mut String, more: &str) {
    // A string takes all that is written.
    let _ = text.write_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::runs::tests::run;
    use crate::compare::tools::Missing;

    fn record() -> Record {
        Record {
            facts: vec![
                "machine: this one".into(),
                "bakpak: abc and changes that are not committed".into(),
                "server: some files".into(),
            ],
            missing: vec![Missing {
                contestant: "borg".into(),
                reason: "not there".into(),
            }],
            runs: Runs(vec![
                run(Verb::Pack, BAKPAK, 1, 2.0),
                run(Verb::Pack, REFERENCE, 1, 1.0),
                run(Verb::Keyless, BAKPAK, 1, 0.25),
            ]),
            ..Record::default()
        }
    }

    #[test]
    fn it_says_where_bakpak_loses_and_who_is_missing() {
        let text = markdown(&record());
        assert!(
            text.contains("bakpak loses in: pack (tar-zstd-age 1.00 against 2.00 s)."),
            "{text}"
        );
        assert!(text.contains("- borg: not there"), "{text}");
        assert!(text.contains("bakpak loses in: wall (tar-zstd-age 1.00 against 2.00 s)."));
        assert!(losses(&record().runs).starts_with("A server: bakpak loses in: pack (tar"));
    }

    #[test]
    fn the_readme_tells_goals_that_are_missed_and_who_ran_less_often() {
        let mut record = record();
        record.runs.0.push(run(Verb::Pack, BAKPAK, 2, 2.0));
        let text = readme(&record, "results");
        assert!(text.contains("| 2.00 | 0.55 | **missed** |"), "{text}");
        assert!(
            text.contains("runs of each: 2, but of tar-zstd-age 1."),
            "{text}"
        );
        assert!(
            text.contains("bakpak: abc and changes that are not committed"),
            "{text}"
        );
    }

    #[test]
    fn the_best_of_a_column_is_bold_and_what_is_not_there_a_stroke() {
        let text = readme(&record(), "results");
        assert!(
            text.contains("| bakpak | **1.0** | 2.00 | **0.25** | **2.0** |"),
            "{text}"
        );
        assert!(
            text.contains("| tar-zstd-age | **1.0** | **1.00** | - | **2.0** |"),
            "{text}"
        );
        assert!(text.contains("A server: some files."), "{text}");
    }
}

//! Labels are unique, never used again, and exist wherever they are named.

use super::ERRATA;
use super::cites::Cite;
use super::spec::{PATH, Spec, is_label, labels_in, prefix_of};
use std::collections::{BTreeMap, BTreeSet};

/// Labels that stand at two rules.
#[must_use]
pub fn unique(spec: &Spec) -> Vec<String> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for rule in &spec.rules {
        match first.get(rule.label.as_str()) {
            Some(line) => problems.push(format!(
                "{PATH}:{}: {} is the label of line {line} already",
                rule.line, rule.label
            )),
            None => {
                first.insert(&rule.label, rule.line);
            }
        }
    }
    problems
}

/// Retired labels (errata: `- **ABC-1** ...` under "Retired labels") that are in use again.
#[must_use]
pub fn retired(spec: &Spec, cites: &[Cite], errata: &str) -> Vec<String> {
    let section = errata.split("## Retired labels").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let bold = section
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
    let retired: BTreeSet<&str> = bold.map(|(label, _)| label).collect();
    let malformed = retired.iter().filter(|label| !is_label(label));
    let rules = spec
        .rules
        .iter()
        .filter(|rule| retired.contains(rule.label.as_str()));
    let cites = cites
        .iter()
        .filter(|cite| retired.contains(cite.label.as_str()));
    malformed
        .map(|label| format!("{ERRATA}: the retired '{label}' is no label"))
        .chain(rules.map(|r| format!("{PATH}:{}: {} is a retired label", r.line, r.label)))
        .chain(cites.map(|cite| format!("{}: {} is a retired label", cite.place, cite.label)))
        .collect()
}

/// Labels that are named, in the specification, in code or in the reader, and do not exist.
#[must_use]
pub fn named(spec: &Spec, cites: &[Cite], reader: &[(String, String)]) -> Vec<String> {
    let known = spec.labels();
    let prefixes: BTreeSet<&str> = known.iter().map(|label| prefix_of(label)).collect();
    // Only chapters' prefixes: UTF-8 and SHA-512 have the form of a label too.
    let unknown_in = |text: &str| -> Vec<String> {
        let labels = labels_in(text)
            .into_iter()
            .filter(|label| !known.contains(label));
        labels
            .filter(|label| prefixes.contains(prefix_of(label)))
            .map(str::to_owned)
            .collect()
    };
    let in_text = |path: &str, line: usize, text: &str| -> Vec<String> {
        let unknown = unknown_in(text).into_iter();
        unknown
            .map(|label| format!("{path}:{line}: {label} does not exist"))
            .collect()
    };
    let mut problems: Vec<String> = spec
        .lines
        .iter()
        .flat_map(|line| in_text(PATH, line.number, &line.text))
        .collect();
    problems.extend(rule_columns(spec, &known, &prefixes));
    let unknown_cites = cites
        .iter()
        .filter(|cite| !known.contains(cite.label.as_str()));
    problems.extend(unknown_cites.map(|c| format!("{}: {} does not exist", c.place, c.label)));
    for (path, text) in reader {
        let numbered = text.lines().enumerate();
        problems.extend(numbered.flat_map(|(index, line)| in_text(path, index + 1, line)));
    }
    problems.sort();
    problems.dedup();
    problems
}

/// In the column "rule" a label of any prefix must exist.
fn rule_columns(spec: &Spec, known: &BTreeSet<&str>, prefixes: &BTreeSet<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    for table in &spec.tables {
        let Some(column) = table.header.iter().position(|cell| cell == "rule") else {
            continue;
        };
        for row in &table.rows {
            let labels = row
                .cells
                .get(column)
                .map_or(Vec::new(), |cell| labels_in(cell));
            let unknown = labels.into_iter().filter(|label| !known.contains(label));
            let foreign = unknown.filter(|label| !prefixes.contains(prefix_of(label)));
            let line = row.line;
            problems.extend(foreign.map(|label| format!("{PATH}:{line}: {label} does not exist")));
        }
    }
    problems
}

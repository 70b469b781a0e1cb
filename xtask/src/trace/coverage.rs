//! Each requirement is implemented and tried, and each vector shows a requirement.

use super::cites::{Cite, Site};
use super::manifest::{EXCEPTIONS, Exception, Lack, MANIFEST, Vector};
use super::spec::{NamedVector, PATH, Rule, Spec, Vectors};
use std::collections::{BTreeMap, BTreeSet};

/// Vectors of which specification and manifest do not say the same.
#[must_use]
pub fn vectors(spec: &Spec, vectors: &[Vector]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut named: BTreeMap<&str, Vec<NamedVector>> = BTreeMap::new();
    let mut names_every = BTreeSet::new();
    for rule in &spec.rules {
        match rule.vectors() {
            Ok(Vectors::Named(names)) => named.entry(&rule.label).or_default().extend(names),
            Ok(Vectors::Every) => {
                names_every.insert(rule.label.as_str());
            }
            Err(why) => problems.push(format!("{PATH}:{}: {}: {why}", rule.line, rule.label)),
        }
    }
    // Without a manifest one line says so; its vectors need not be listed one by one.
    if vectors.is_empty() {
        return problems;
    }
    for rule in &spec.rules {
        for name in named
            .get(rule.label.as_str())
            .map_or(&[][..], Vec::as_slice)
        {
            problems.extend(named_vector(rule, name, vectors));
        }
    }
    let mut seen = BTreeSet::new();
    for vector in vectors {
        if !seen.insert(vector.name.as_str()) {
            problems.push(format!("{MANIFEST}: '{}' is there twice", vector.name));
        }
        if vector.rules.is_empty() {
            problems.push(format!("{MANIFEST}: '{}' names no rule", vector.name));
        }
    }
    problems.extend(unknown_rules(spec, vectors));
    problems
}

/// Requirements without a code site, or without a vector or test, and exceptions without a need.
#[must_use]
pub fn requirements(
    spec: &Spec,
    cites: &[Cite],
    vectors: &[Vector],
    exceptions: &[Exception],
) -> Vec<String> {
    let sited = |label: &str, site| cites.iter().any(|c| c.label == label && c.site == site);
    let lacks = |rule: &Rule, lack| match lack {
        Lack::Code => !sited(&rule.label, Site::Code),
        Lack::Check => {
            let shown = vectors
                .iter()
                .any(|vector| vector.rules.contains(&rule.label));
            !shown && !sited(&rule.label, Site::Test)
        }
    };
    let excepted = |rule: &Rule, lack| {
        exceptions
            .iter()
            .any(|except| except.label == rule.label && except.lacks == lack)
    };
    let mut problems = Vec::new();
    for rule in spec.rules.iter().filter(|rule| rule.is_must()) {
        for (lack, words) in [
            (Lack::Code, "code site"),
            (Lack::Check, "vector and no test"),
        ] {
            if lacks(rule, lack) && !excepted(rule, lack) {
                problems.push(format!(
                    "{PATH}:{}: {} has no {words}",
                    rule.line, rule.label
                ));
            }
        }
    }
    for except in exceptions {
        let rule = spec.rules.iter().find(|rule| rule.label == except.label);
        if !rule.is_some_and(|rule| rule.is_must() && lacks(rule, except.lacks)) {
            problems.push(format!("{EXCEPTIONS}: {} needs no exception", except.label));
        }
    }
    problems
}

fn named_vector(rule: &Rule, name: &NamedVector, vectors: &[Vector]) -> Option<String> {
    let said = format!("{PATH}:{}: {} names `{}`", rule.line, rule.label, name.name);
    match vectors.iter().find(|vector| vector.name == name.name) {
        None => Some(format!("{said}, which the manifest has not")),
        Some(vector) if vector.recipe && !name.recipe => {
            Some(format!("{said}, which is a recipe, without saying so"))
        }
        Some(vector) if !vector.recipe && name.recipe => {
            Some(format!("{said} as a recipe, but it has a file"))
        }
        Some(_) => None,
    }
}

fn unknown_rules(spec: &Spec, vectors: &[Vector]) -> Vec<String> {
    let known = spec.labels();
    let rules = vectors
        .iter()
        .flat_map(|vector| vector.rules.iter().map(move |rule| (vector, rule)));
    rules
        .filter(|(_, rule)| !known.contains(rule.as_str()))
        .map(|(vector, rule)| format!("{MANIFEST}: '{}': {rule} does not exist", vector.name))
        .collect()
}

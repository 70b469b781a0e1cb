//! Which database a plan is for, where the backups hold several.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use mssql_backup::guid::Guid;

use crate::branch::{Branch, branches};
use crate::catalogue::{Catalogue, Database};
use crate::finding::quoted;

/// Names one database, as far as it has to be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its name. May be left out if there is only one.
    pub name: Option<String>,
    /// Its `FamilyGUID`: for two databases of one name.
    pub family: Option<Guid>,
    /// Its `RecoveryForkID`: for a certain branch of its history.
    pub fork: Option<Guid>,
}

/// A database, and the branches of its history that a plan may end on.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The database.
    pub database: &'a Database,
    /// The name that it goes by.
    pub name: String,
    /// The branches, the one with the newest backup first; at least one.
    pub branches: Vec<Branch>,
}

/// Why no database was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// No file holds a backup that could be read.
    #[error("there is no backup of a database here")]
    Nothing,
    /// None fits.
    #[error("no backup here is of that database; there are: {}", lines(.0))]
    NoneFits(Vec<Choice>),
    /// More than one fits.
    #[error("there are backups of several databases, so one has to be named: {}", lines(.0))]
    Several(Vec<Choice>),
}

/// One of several databases, with what tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its `FamilyGUID`.
    pub family: Option<Guid>,
    /// The branch with the newest backup.
    pub fork: Option<Guid>,
    /// When its newest backup was finished, server-local.
    pub newest: Option<DateTime>,
}

/// Finds the one database that is wanted.
///
/// # Errors
///
/// - [`ChoiceError::Nothing`]: there is none.
/// - [`ChoiceError::NoneFits`], [`ChoiceError::Several`]: what there is instead.
pub fn choose<'a>(catalogue: &'a Catalogue, wanted: &Wanted) -> Result<Chosen<'a>, ChoiceError> {
    let all: Vec<Chosen<'a>> = catalogue.databases.iter().flat_map(by_name).collect();
    if all.is_empty() {
        return Err(ChoiceError::Nothing);
    }
    let mut fitting: Vec<Chosen<'a>> = all.iter().filter_map(|one| narrowed(one, wanted)).collect();
    // Names differ in case only where the server's collation tells them apart: then exactly.
    let is_exact = |one: &Chosen<'_>| Some(&one.name) == wanted.name.as_ref();
    if fitting.iter().any(is_exact) {
        fitting.retain(is_exact);
    }
    let mut fitting = without_aliases(fitting);
    if fitting.len() > 1 {
        return Err(ChoiceError::Several(choices(&fitting)));
    }
    fitting
        .pop()
        .ok_or_else(|| ChoiceError::NoneFits(choices(&all)))
}

/// All databases of the catalogue; a copy under another name is one of its own.
#[must_use]
pub fn every_one(catalogue: &Catalogue) -> Vec<Chosen<'_>> {
    without_aliases(catalogue.databases.iter().flat_map(by_name).collect())
}

/// A database that was renamed is one, under the newest of its names.
fn without_aliases(mut chosen: Vec<Chosen<'_>>) -> Vec<Chosen<'_>> {
    let mut ends = BTreeSet::new();
    chosen.retain(|one| {
        let fork = one.branches.first().map(|end| end.fork);
        ends.insert((one.database.names.clone(), one.database.family, fork))
    });
    chosen
}

/// The database under each name it had, with the branches that had it.
fn by_name(database: &Database) -> Vec<Chosen<'_>> {
    let branches = branches(&database.backups);
    let named = database.backups.iter().map(|backup| {
        let header = backup.header();
        let name = header.database_name.as_deref().unwrap_or_default();
        (name, header.recovery_fork_id)
    });
    let named: BTreeSet<(&str, Option<Guid>)> = named.collect();
    let had = |branch: &Branch, name: &str| {
        named.contains(&(name, branch.fork)) || named.contains(&(name, None))
    };
    let unnamed = [String::new()];
    let names = if database.names.is_empty() {
        &unnamed
    } else {
        database.names.as_slice()
    };
    let under = |name: &String| Chosen {
        database,
        name: name.clone(),
        branches: branches
            .iter()
            .filter(|branch| had(branch, name))
            .cloned()
            .collect(),
    };
    let chosen = names.iter().take(crate::branch::BRANCHES).map(under);
    chosen.filter(|one| !one.branches.is_empty()).collect()
}

fn narrowed<'a>(one: &Chosen<'a>, wanted: &Wanted) -> Option<Chosen<'a>> {
    let name = wanted.name.as_ref();
    let fits = name.is_none_or(|name| name.to_lowercase() == one.name.to_lowercase())
        && wanted
            .family
            .is_none_or(|family| one.database.family == Some(family));
    let is_wanted = |branch: &&Branch| wanted.fork.is_none_or(|fork| branch.fork == Some(fork));
    let branches: Vec<Branch> = one.branches.iter().filter(is_wanted).cloned().collect();
    (fits && !branches.is_empty()).then(|| Chosen {
        branches,
        ..one.clone()
    })
}

fn choices(all: &[Chosen<'_>]) -> Vec<Choice> {
    let choice = |one: &Chosen<'_>| {
        let end = one.branches.first();
        Choice {
            name: one.name.clone(),
            family: one.database.family,
            fork: end.and_then(|end| end.fork),
            newest: end.and_then(|end| end.last_seen),
        }
    };
    all.iter().map(choice).collect()
}

fn lines(choices: &[Choice]) -> String {
    let line = |choice: &Choice| {
        let family = choice
            .family
            .map(|family| format!(" family {family}"))
            .unwrap_or_default();
        format!("{}{family}", quoted(&choice.name))
    };
    choices.iter().map(line).collect::<Vec<_>>().join(", ")
}

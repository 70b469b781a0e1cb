//! All backups that were found, by database.

use std::collections::{BTreeMap, BTreeSet};

use mssql_backup::guid::Guid;

use crate::backup::{Backup, merge};
use crate::finding::{Finding, quoted};
use crate::media::{MediaFile, Trouble};
use crate::rules;

/// All backups of all files, by database, and what is wrong with files as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// The databases, by name.
    pub databases: Vec<Database>,
    /// Findings about files, not about a database.
    pub findings: Vec<Finding>,
}

/// One database: backups that share their first branch (`FamilyGUID`).
///
/// A restore under another name keeps the family, so a copy of a database is another branch of it;
/// a database that was dropped and made anew under the same name is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// `FamilyGUID`. None where no backup tells; then name and server stand for it.
    pub family: Option<Guid>,
    /// The names it had, that of the newest backup first.
    pub names: Vec<String>,
    /// Its backups, oldest first.
    pub backups: Vec<Backup>,
}

impl Catalogue {
    /// Sorts what was read from any number of files, in any order.
    #[must_use]
    pub fn of(mut files: Vec<MediaFile>) -> Self {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let findings = files.iter().flat_map(about_file).collect();
        let mut grouped: BTreeMap<_, Vec<Backup>> = BTreeMap::new();
        for backup in merge(files) {
            let header = backup.header();
            let family = header.family_guid;
            let names = || (header.database_name.clone(), header.server_name.clone());
            let key = (family, family.is_none().then(names));
            grouped.entry(key).or_default().push(backup);
        }
        let databases = grouped.into_iter();
        let databases = databases.map(|((family, _), backups)| Database::of(family, backups));
        let mut databases: Vec<_> = databases.collect();
        databases.sort_by(|a, b| (&a.names, a.family).cmp(&(&b.names, b.family)));
        Self {
            databases,
            findings,
        }
    }
}

impl Database {
    fn of(family: Option<Guid>, mut backups: Vec<Backup>) -> Self {
        // Stable: what starts in the same second keeps the order of its identities.
        backups.sort_by_key(|backup| {
            let header = backup.header();
            (header.backup_start_date, header.last_lsn, header.first_lsn)
        });
        let (mut names, mut seen) = (Vec::new(), BTreeSet::new());
        for name in backups
            .iter()
            .rev()
            .filter_map(|one| one.header().database_name.as_ref())
        {
            if seen.insert(name) {
                names.push(name.clone());
            }
        }
        Self {
            family,
            names,
            backups,
        }
    }

    /// The name of its newest backup; empty if no backup tells one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// What is wrong with a file as such.
fn about_file(file: &MediaFile) -> Vec<Finding> {
    let name = quoted(&file.name);
    let mut findings = Vec::new();
    match &file.trouble {
        Some(Trouble::Encrypted) => {
            findings.push(Finding::new(
                &rules::ENCRYPTED,
                format!("{name} is encrypted"),
            ));
        }
        Some(Trouble::Unreadable(reason)) => {
            let message = format!("{name}: {}", quoted(reason));
            findings.push(Finding::new(&rules::UNREADABLE, message));
        }
        None if file.sets.is_empty() => {
            findings.push(Finding::new(
                &rules::NO_SETS,
                format!("{name} holds no backup set"),
            ));
        }
        None => {}
    }
    if file.sets.len() > 1 {
        let message = format!("{name} holds {} backup sets", file.sets.len());
        findings.push(Finding::new(&rules::SEVERAL_SETS, message));
    }
    if file.label.as_ref().is_some_and(|label| label.has_password) {
        let message = format!("{name} is protected by a media password");
        findings.push(Finding::new(&rules::MEDIA_PASSWORD, message));
    }
    findings
}

//! The databases of an archive with their plans, and the scripts of these.

use std::collections::BTreeSet;

use recovery::catalogue::Catalogue;
use recovery::choice::{Chosen, Wanted, choose, every_one};
use recovery::finding::{Finding, quoted};
use recovery::plan::{Plan, PlanRequest, plan};
use recovery::rules::{self, Severity};
use recovery::runbook::facts::{CertificateFacts, DatabaseFacts};
use recovery::sql::RestoreOrder;
use recovery::verdict::{DatabaseVerdict, Standing};

use super::contents::Contents;
use super::place::{self, Folder, Place};
use crate::args::RunbookArguments;
use crate::plan::clock::{Asked, ServerClock};
use crate::plan::{no_choice, wanted};
use crate::restorability::Judgement;

use self::one::{One, plain};

mod one;

/// Databases that a server has of its own: they hold what is bound to it.
const SYSTEM: [&str; 4] = ["master", "model", "msdb", "tempdb"];

/// The databases of an archive.
#[derive(Debug, Default)]
pub(super) struct Databases {
    pub(super) list: Vec<One>,
    /// What to know of them.
    pub(super) notes: Vec<String>,
    /// The place in the list of Octopus' own.
    octopus: Option<usize>,
}

impl Databases {
    /// Plans for all databases, or for the one that was named.
    ///
    /// # Errors
    ///
    /// It is not there, or its server's clock is not known for the moment (2).
    pub(super) fn plan(
        catalogue: &Catalogue,
        arguments: &RunbookArguments,
        asked: Option<&Asked>,
    ) -> anyhow::Result<Self> {
        let all = match &arguments.database {
            None => every_one(catalogue),
            Some(typed) => {
                let wanted = wanted(catalogue, Some(typed));
                let chosen = choose(catalogue, &wanted);
                vec![chosen.map_err(|error| no_choice(&error, catalogue, &[]))?]
            }
        };
        let is_system = |one: &Chosen<'_>| {
            let is_one = |name: &&str| name.eq_ignore_ascii_case(&one.name);
            arguments.database.is_none() && SYSTEM.iter().any(is_one)
        };
        let mut databases = Self::default();
        for chosen in &all {
            if is_system(chosen) {
                databases.notes.push(format!(
                    "The backup of {} is not restored: that database belongs to the old server. \
                     Restore it under another name to look into it.",
                    quoted(&chosen.name)
                ));
                continue;
            }
            let plan = planned(catalogue, chosen, arguments, asked)?;
            let target_database = match arguments.rehearsal {
                true => rehearsed(&plan.database),
                false => plan.database.clone(),
            };
            databases.list.push(One {
                facts: DatabaseFacts {
                    plan,
                    target_database,
                    scripts: Vec::new(),
                    backup_len: 0,
                },
                scripts: Vec::new(),
                folder: String::new(),
            });
        }
        Ok(databases)
    }

    /// Writes the scripts of all plans that have steps; nothing goes to a disk yet.
    ///
    /// # Errors
    ///
    /// A folder is missing, or none that the target can have (2).
    pub(super) fn write_scripts(
        &mut self,
        arguments: &RunbookArguments,
        contents: &Contents,
        place: Option<&Place>,
    ) -> anyhow::Result<()> {
        self.find_octopus(contents);
        let parent = match place {
            Some(place) => place.scripts_folder(),
            None => place::scripts_folder(place::UNNAMED),
        };
        let is_alone = self.list.len() == 1;
        for (index, one) in self.list.iter_mut().enumerate() {
            one.folder = match is_alone {
                true => parent.clone(),
                false => format!("{parent}/{}-{}", index + 1, plain(&one.facts.plan.database)),
            };
            let is_octopus = self.octopus == Some(index);
            one.write_scripts(arguments, contents, is_octopus)?;
        }
        Ok(())
    }

    /// The only database there is, or else the only one that is named so.
    fn find_octopus(&mut self, contents: &Contents) {
        if contents.octopus().is_none() || self.list.is_empty() {
            return;
        }
        let names = self
            .list
            .iter()
            .map(|one| one.facts.plan.database.to_lowercase());
        let named = names
            .enumerate()
            .filter(|(_, name)| name.contains("octopus"));
        let named: Vec<usize> = named.map(|(index, _)| index).collect();
        self.octopus = match (self.list.len(), named.as_slice()) {
            (1, _) => Some(0),
            (_, [one]) => Some(*one),
            _ => None,
        };
        if self.octopus.is_none() {
            self.notes.push(
                "There is a home of Octopus and more than one database, and no name tells which \
                 of them is Octopus' own. With --database this runbook is written for that one."
                    .to_owned(),
            );
        }
    }

    pub(super) fn of_octopus(&self) -> Option<&One> {
        self.list.get(self.octopus?)
    }

    pub(super) fn facts(&self) -> Vec<DatabaseFacts> {
        self.list.iter().map(|one| one.facts.clone()).collect()
    }

    /// Folders and scripts, as they are to be written.
    pub(super) fn scripts(&self) -> impl Iterator<Item = Folder<'_>> {
        let written = self.list.iter().filter(|one| !one.scripts.is_empty());
        written.map(|one| (one.folder.as_str(), one.scripts.as_slice()))
    }

    /// The certificates that were packed, where there is a database to restore.
    pub(super) fn certificates(&self, contents: &Contents) -> Vec<CertificateFacts> {
        let is_any = self.list.iter().any(|one| one.facts.plan.is_possible());
        let pairs = contents.certificates.iter().filter(|_| is_any);
        let facts = pairs.map(|pair| CertificateFacts {
            thumbprint: pair.thumbprint,
            entries: vec![pair.certificate.clone(), pair.private_key.clone()],
        });
        facts.collect()
    }

    /// The verdicts on these databases.
    pub(super) fn verdicts<'a>(
        &'a self,
        judgement: &'a Judgement,
    ) -> impl Iterator<Item = &'a DatabaseVerdict> {
        let is_here = |verdict: &&DatabaseVerdict| {
            let plans = self.list.iter().map(|one| &one.facts.plan);
            let mut plans = plans.map(|plan| (&plan.database, plan.family));
            plans.any(|plan| plan == (&verdict.name, verdict.family))
        };
        judgement.verdicts.databases.iter().filter(is_here)
    }

    /// Whether one of these cannot be restored to its newest state.
    pub(super) fn is_one_lost(&self, judgement: &Judgement) -> bool {
        let mut verdicts = self.verdicts(judgement);
        verdicts.any(|verdict| verdict.standing != Standing::Restorable)
    }

    /// What is said against the archive, and against these databases beyond what their plans say.
    pub(super) fn findings(&self, judgement: &Judgement) -> Vec<Finding> {
        let plans = self.list.iter().flat_map(|one| &one.facts.plan.findings);
        let mut told: BTreeSet<String> = plans.map(ToString::to_string).collect();
        let names: BTreeSet<&String> = self
            .list
            .iter()
            .map(|one| &one.facts.plan.database)
            .collect();
        let is_wanted = |finding: &&Finding| {
            let is_here = finding
                .database
                .as_ref()
                .is_none_or(|name| names.contains(name));
            is_here && finding.severity > Severity::Info
        };
        // A plan counts its own steps where the verdict counts all backups: once is enough.
        let plans = self.list.iter().flat_map(|one| &one.facts.plan.findings);
        let without_checksums: BTreeSet<&Option<String>> = plans
            .filter(|finding| *finding.rule == rules::NO_CHECKSUMS)
            .map(|finding| &finding.database)
            .collect();
        let is_counted = |finding: &&Finding| {
            *finding.rule == rules::NO_CHECKSUMS && without_checksums.contains(&finding.database)
        };
        let mut findings = Vec::new();
        let judged = judgement.findings().filter(is_wanted);
        for finding in judged.filter(|finding| !is_counted(finding)) {
            if told.insert(finding.to_string()) {
                findings.push(finding.clone());
            }
        }
        findings
    }
}

fn planned(
    catalogue: &Catalogue,
    chosen: &Chosen<'_>,
    arguments: &RunbookArguments,
    asked: Option<&Asked>,
) -> anyhow::Result<Plan> {
    let clock = ServerClock::of(&chosen.database.backups);
    let at = asked.map(|asked| clock.moment(*asked, arguments.tz.as_ref()));
    let request = PlanRequest {
        database: Wanted {
            name: Some(chosen.name.clone()),
            family: chosen.database.family,
            fork: None,
        },
        at: at.transpose()?.map(|moment| moment.local),
        to_sql_version: None,
    };
    let plan = plan(catalogue, &request);
    Ok(plan.map_err(|error| no_choice(&error, catalogue, &[]))?)
}

/// The name that a database has in a rehearsal: the original may be on the same server.
fn rehearsed(name: &str) -> String {
    const END: &str = "_rehearsal";
    let mut room = RestoreOrder::NAME_UNITS_MAX - END.len();
    let fits = |c: &char| {
        let left = room.checked_sub(c.len_utf16());
        room = left.unwrap_or_default();
        left.is_some()
    };
    let start: String = name.chars().take_while(fits).collect();
    start + END
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsals_name_is_never_the_original_nor_too_long() {
        assert_eq!(rehearsed("orders"), "orders_rehearsal");
        for name in ["x".repeat(128), "\u{1f600}".repeat(64)] {
            let units = rehearsed(&name).encode_utf16().count();
            assert!((127..=128).contains(&units), "{units}");
            assert!(rehearsed(&name).ends_with("_rehearsal"));
        }
    }
}

//! A database with its plan: its scripts, and when it was captured.

use std::collections::BTreeSet;

use bakpak_codec::inspect::Totals;
use bakpak_format::entry::Timestamp;
use jiff::tz::Offset;
use mssql_backup::set::{FileType, RecoveryModel};
use recovery::octopus::capture::Capture;
use recovery::order::{OrderOptions, order};
use recovery::plan::Plan;
use recovery::runbook::facts::{DatabaseFacts, ScriptFile};
use recovery::sql::{
    Application, Certificate, CertificateFiles, PathStyle, Purpose, RestoreOrder, Script, scripts,
};

use crate::args::{RunbookArguments, RunbookTarget};
use crate::plan::scripts::{no_order, refused};
use crate::runbook::contents::Contents;

/// A database.
#[derive(Debug)]
pub(in crate::runbook) struct One {
    pub(in crate::runbook) facts: DatabaseFacts,
    pub(super) scripts: Vec<Script>,
    /// The folder of its scripts, from that of the runbook.
    pub(super) folder: String,
}

impl One {
    /// Writes the scripts of its plan, if that has steps.
    pub(super) fn write_scripts(
        &mut self,
        arguments: &RunbookArguments,
        contents: &Contents,
        is_octopus: bool,
    ) -> anyhow::Result<()> {
        let plan = &self.facts.plan;
        if !plan.is_possible() {
            return Ok(());
        }
        let files: BTreeSet<&String> = plan.steps.iter().flat_map(|step| &step.files).collect();
        self.facts.backup_len = contents.len_of(files.into_iter());
        let options = self.order_options(arguments, contents, is_octopus);
        let order: RestoreOrder = order(plan, &options).map_err(no_order)?;
        self.scripts = scripts(&order).map_err(|error| refused(&error))?;
        let folder = &self.folder;
        let files = self.scripts.iter().map(|script| ScriptFile {
            name: script.name.to_owned(),
            path: format!("{folder}/{}.sql", script.name),
            placeholders: script.placeholders.clone(),
        });
        self.facts.scripts = files.collect();
        Ok(())
    }

    fn order_options(
        &self,
        arguments: &RunbookArguments,
        contents: &Contents,
        is_octopus: bool,
    ) -> OrderOptions {
        let style = match arguments.target {
            RunbookTarget::Windows => PathStyle::Windows,
            RunbookTarget::Docker => PathStyle::Linux,
        };
        let folder = arguments.restore_folder();
        let certificates = contents.certificates.iter().map(|pair| Certificate {
            name: None,
            thumbprint: pair.thumbprint,
            files: Some(CertificateFiles {
                certificate: style.join(&folder, &pair.certificate),
                private_key: style.join(&folder, &pair.private_key),
            }),
        });
        let plan = &self.facts.plan;
        let mut made_from = vec![format!("bakpak {}", env!("CARGO_PKG_VERSION"))];
        made_from.push(arguments.archive.to_string_lossy().into_owned());
        made_from.extend(plan.at.map(|at| format!("the state of {at}")));
        OrderOptions {
            move_data: arguments.move_data.clone(),
            move_log: arguments.move_log.clone(),
            purpose: match arguments.rehearsal {
                true => Purpose::Rehearsal,
                false => Purpose::Recovery,
            },
            target_database: Some(self.facts.target_database.clone()),
            application: match is_octopus {
                true => Application::Octopus,
                false => Application::Other,
            },
            certificates: certificates.collect(),
            tail_file: tail_file(plan),
            made_from,
            ..OrderOptions::new(style, &folder)
        }
    }

    /// When it and the files were captured. None if its server's clock, or the archive's, is not
    /// known.
    pub(in crate::runbook) fn capture(&self, totals: &Totals) -> Option<Capture> {
        let newest = &self.facts.plan.steps.last()?.set;
        let offset: Offset = newest.utc_offset()?;
        let finish = newest.header.backup_finish_date?;
        Some(Capture {
            database_finish: offset.to_timestamp(finish).ok()?,
            files_start: instant(totals.started)?,
            files_end: instant(totals.finished)?,
            offset,
        })
    }
}

/// Where the old server writes the tail of the log: beside the log, a folder that it surely has.
/// None in SIMPLE recovery, which has no tail.
fn tail_file(plan: &Plan) -> Option<String> {
    let newest = &plan.steps.last()?.set;
    if newest.header.recovery_model == RecoveryModel::Simple {
        return None;
    }
    let files = || plan.steps.iter().flat_map(|step| &step.set.files);
    let log = files().find(|file| file.file_type == FileType::Log);
    let path = &log.or_else(|| files().next())?.physical_name;
    let (folder, _) = path.rsplit_once(['\\', '/'])?;
    let separator = path.get(folder.len()..=folder.len())?;
    let name = plain(&plan.database);
    Some(format!("{folder}{separator}{name}-tail.trn"))
}

/// A name of letters and digits that every system takes for a file.
pub(super) fn plain(name: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || "-_".contains(c) {
        true => c,
        false => '_',
    };
    name.chars().take(64).map(plain).collect()
}

fn instant(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(time.seconds, i32::try_from(time.nanos).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_scripts_is_named_so_that_every_system_takes_it() {
        assert_eq!(plain("../Äb c\\d:e"), "____b_c_d_e");
        assert_eq!(plain(&"x".repeat(100)).len(), 64);
    }
}

//! From a plan to the order that scripts are written from: where files lie, and where they go.
//!
//! The plan says what is restored, by the names that the files had when they were read. The order
//! says it in paths of the SQL Server that restores.
//!
//! | asked for | data files go to | log files go to |
//! |---|---|---|
//! | nothing, target of the old server's kind | the folder where they were | the folder where they were |
//! | nothing, from Windows to Linux | `/var/opt/mssql/data` | `/var/opt/mssql/data` |
//! | nothing, from Linux to Windows | refused: no folder is known | refused |
//! | a folder for data | it | it |
//! | a folder for the log | as without | it |
//!
//! So without a word the files go where `RESTORE` itself would put them, which is what an
//! administrator expects of a server that replaces the old one. `MOVE` names each file all the same:
//! it stands in the script for everyone to read, and preflight can look whether the place is free.
//!
//! A file keeps its name. Under another database name it is put behind that name
//! (`drill_orders.mdf`): the original may be on the same server.

use std::collections::BTreeSet;

use mssql_backup::set::{DatabaseFile, Flags};

use crate::finding::quoted;
use crate::plan::{self, Plan, Step, major_version};
use crate::sql::{
    Application, Certificate, Existing, FileMove, Login, PathStyle, Purpose, RestoreOrder,
    RestoreStep, StepKind,
};

mod place;
#[cfg(test)]
mod tests;

use place::Places;

/// What an order is to be, beyond what the plan says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOptions {
    /// Where the backup files lie on the SQL Server.
    pub files: Files,
    /// How paths are written there.
    pub path_style: PathStyle,
    /// The folder for data files, and for the log too if it has none of its own.
    pub move_data: Option<String>,
    /// The folder for log files.
    pub move_log: Option<String>,
    /// What the database is restored for.
    pub purpose: Purpose,
    /// What becomes of a database that has the name already.
    pub existing: Existing,
    /// The name of the restored database. None for the one it has.
    pub target_database: Option<String>,
    /// Whose database it is.
    pub application: Application,
    /// Whether it is a contained database; no backup tells.
    pub contained: bool,
    /// The certificates that encrypted backups and databases need.
    pub certificates: Vec<Certificate>,
    /// The logins whose users are in the database.
    pub logins: Vec<Login>,
    /// Where the old server writes the tail of its log. None where none is to be saved.
    pub tail_file: Option<String>,
    /// Words for the scripts' headers.
    pub made_from: Vec<String>,
}

/// Where the backup files of a plan lie on the SQL Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Files {
    /// Where an archive was unpacked: the plan's names are those of entries, as `sql/full.bak`. A
    /// name without a folder is one in `sql`.
    Unpacked(String),
    /// Where they were when the plan was made: its names are paths on the SQL Server.
    InPlace,
}

/// Why a plan gives no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoOrder {
    /// The plan has no steps: what was asked for is not possible.
    #[error("the plan has no steps: its findings say why")]
    NotPossible,
    /// The backup does not say which files the database has.
    #[error("the full backup of {} has no list of files", quoted(.database))]
    NoFileList {
        /// The database.
        database: String,
    },
    /// A file lay in a folder that the target cannot have, and no other was named.
    #[error("{} was in a folder that the target cannot have: name a folder for it", quoted(.logical_name))]
    NoFolder {
        /// `LogicalName` of the file.
        logical_name: String,
    },
}

impl OrderOptions {
    /// Recovery to a server of this kind, from files unpacked below a folder.
    #[must_use]
    pub fn new(path_style: PathStyle, unpacked: &str) -> Self {
        Self {
            files: Files::Unpacked(unpacked.to_owned()),
            path_style,
            move_data: None,
            move_log: None,
            purpose: Purpose::Recovery,
            existing: Existing::Refuse,
            target_database: None,
            application: Application::Other,
            contained: false,
            certificates: Vec::new(),
            logins: Vec::new(),
            tail_file: None,
            made_from: Vec::new(),
        }
    }
}

/// Makes the order of a plan.
///
/// It holds the plan's steps, one for one. Whether names and paths are such as SQL Server takes is
/// checked when scripts are written ([`crate::sql::scripts`]).
///
/// # Errors
///
/// See [`NoOrder`].
pub fn order(plan: &Plan, options: &OrderOptions) -> Result<RestoreOrder, NoOrder> {
    let full = plan.steps.first().ok_or(NoOrder::NotPossible)?;
    let newest = plan
        .steps
        .iter()
        .max_by_key(|step| major_version(&step.set));
    let newest = &newest.unwrap_or(full).set;
    let target_database = match &options.target_database {
        Some(name) => name.clone(),
        None => plan.database.clone(),
    };
    if full.set.files.is_empty() {
        return Err(NoOrder::NoFileList {
            database: plan.database.clone(),
        });
    }
    let moves = moves(plan, &target_database, options)?;
    let steps = plan.steps.iter().zip(moves);
    let steps = steps.map(|(one, moves)| step(one, moves, options));
    let steps = steps.collect();
    Ok(RestoreOrder {
        database: plan.database.clone(),
        target_database,
        purpose: options.purpose,
        application: options.application,
        min_major_version: major_version(newest),
        database_version: newest.header.database_version,
        contained: options.contained,
        existing: options.existing,
        steps,
        stop_at: plan.steps.iter().find_map(|step| step.stop_at),
        certificates: options.certificates.clone(),
        logins: options.logins.clone(),
        tail_file: options.tail_file.clone(),
        path_style: options.path_style,
        made_from: options.made_from.clone(),
    })
}

/// Where each step's own files go: in the full backup all of them, later those that no set before
/// lists. `MOVE` can name only files of the set that it stands with, and in a log only those that
/// were added while it was written (RESTORE Arguments, "MOVE").
fn moves(
    plan: &Plan,
    target_database: &str,
    options: &OrderOptions,
) -> Result<Vec<Vec<FileMove>>, NoOrder> {
    let prefix = (target_database != plan.database).then_some(target_database);
    let mut places = Places::new(options, prefix);
    let mut place = |file: &DatabaseFile| {
        let logical_name = file.logical_name.clone();
        match places.place(file) {
            Some(target_path) => Ok(FileMove {
                logical_name,
                target_path,
            }),
            None => Err(NoOrder::NoFolder { logical_name }),
        }
    };
    let mut known = BTreeSet::new();
    let mut of_step = |step: &Step| {
        let files = step.set.files.iter();
        let new = files.filter(|file| known.insert(file.logical_name.clone()));
        new.map(&mut place).collect()
    };
    plan.steps.iter().map(&mut of_step).collect()
}

fn step(step: &Step, moves: Vec<FileMove>, options: &OrderOptions) -> RestoreStep {
    let path = |name: &String| match &options.files {
        Files::InPlace => name.clone(),
        Files::Unpacked(folder) if name.contains('/') => options.path_style.join(folder, name),
        Files::Unpacked(folder) => options.path_style.join(folder, &format!("sql/{name}")),
    };
    let flags = step.set.header.flags;
    RestoreStep {
        kind: match step.kind {
            plan::StepKind::Full => StepKind::Full,
            plan::StepKind::Differential => StepKind::Differential,
            plan::StepKind::Log => StepKind::Log,
        },
        files: step.files.iter().map(path).collect(),
        file_number: step.file_number.into(),
        moves,
        has_checksums: flags.contains(Flags::BACKUP_CHECKSUMS),
        is_applied_whole: flags.contains(Flags::BULK_LOGGED_DATA),
    }
}

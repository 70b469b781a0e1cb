//! What is to be restored, from which files, to where: all that the scripts are written from.

use jiff::civil::DateTime;

use super::order_error::OrderError;
use super::path::PathStyle;
use super::quote;

/// The order that scripts are written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The database's name where it was backed up.
    pub database: String,
    /// Its name on the target.
    pub target_database: String,
    /// What it is restored for.
    pub purpose: Purpose,
    /// Whose database it is.
    pub application: Application,
    /// The oldest SQL Server that can restore it, by its major version: 15 is SQL Server 2019.
    pub min_major_version: u16,
    /// `DatabaseVersion` of the backups: 904 is SQL Server 2019.
    pub database_version: u16,
    /// Whether it is a contained database, which holds its users' passwords itself.
    pub contained: bool,
    /// What becomes of a database that has the name already.
    pub existing: Existing,
    /// The backup sets, in the order in which they are restored.
    pub steps: Vec<RestoreStep>,
    /// Where restoring the log stops, in the local time of the server that was backed up; in all
    /// logs but those that are applied whole.
    pub stop_at: Option<DateTime>,
    /// The certificates that encrypted backups and databases need.
    pub certificates: Vec<Certificate>,
    /// The logins whose users are in the database.
    pub logins: Vec<Login>,
    /// Where the old server, if it still lives, writes the tail of its log. None where no tail is
    /// to be saved.
    pub tail_file: Option<String>,
    /// How paths are written on the target.
    pub path_style: PathStyle,
    /// Words for the scripts' headers: archive, time, version. A line each.
    pub made_from: Vec<String>,
}

/// What a database is restored for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To go on working with it.
    Recovery,
    /// To see that it works: nothing that it holds may act on the world.
    Rehearsal,
}

/// Whose database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Application {
    /// Octopus Server's.
    Octopus,
    /// Another one, of which nothing is known.
    Other,
}

/// What becomes of a database that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Existing {
    /// It stays, and nothing is restored.
    Refuse,
    /// It is overwritten.
    Replace,
}

/// A backup set to restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreStep {
    /// What kind of backup it is.
    pub kind: StepKind,
    /// The stripes on the target, all of them.
    pub files: Vec<String>,
    /// The number of the set in these files, from 1 on: without it SQL Server takes the oldest.
    pub file_number: u32,
    /// Where the files go that this set brings: all files in the full backup, and those that were
    /// added since in the first set that lists them. SQL Server makes the others at their old paths.
    pub moves: Vec<FileMove>,
    /// Whether the set has checksums (`HasBackupChecksums`); if not, asking for them is an error.
    pub has_checksums: bool,
    /// Whether it is a log that SQL Server applies whole or not at all (`HasBulkLoggedData`): it
    /// refuses to stop in it.
    pub is_applied_whole: bool,
}

/// What kind of backup a step restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// The whole database.
    Full,
    /// What changed since the full backup.
    Differential,
    /// The transaction log.
    Log,
}

/// A file of the database and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMove {
    /// `LogicalName`.
    pub logical_name: String,
    /// The path on the target.
    pub target_path: String,
}

/// A certificate that must be on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its name on the target; any will do. None makes one from the thumbprint.
    pub name: Option<String>,
    /// SHA-1 of the certificate, as backups name it.
    pub thumbprint: [u8; 20],
    /// The files that it is created from. None if the target must have it already.
    pub files: Option<CertificateFiles>,
}

/// A certificate's files on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate (`.cer`).
    pub certificate: String,
    /// Its private key (`.pvk`), under a password that is filled in.
    pub private_key: String,
}

/// A login whose user is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its name; the user in the database has the same.
    pub name: String,
    /// How it proves who it is.
    pub kind: LoginKind,
    /// Whether the user must own the database's role `db_owner`.
    pub is_db_owner: bool,
}

/// How a login proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKind {
    /// By a password of SQL Server's own.
    Sql {
        /// The security id: with the old one the users in the database fit at once.
        sid: Option<[u8; 16]>,
    },
    /// By Windows.
    Windows,
}

impl RestoreOrder {
    /// The longest name, in UTF-16 units (`sysname`).
    pub const NAME_UNITS_MAX: usize = 128;
    /// The longest path, in UTF-16 units: Windows' limit, to which SQL Server keeps elsewhere too.
    pub const PATH_UNITS_MAX: usize = 259;
    /// The most stripes of a backup set.
    pub const STRIPES_MAX: usize = 64;
    /// The most files of a database.
    pub const FILES_MAX: usize = 32_767;
    /// The most backup sets: two years of logs, one each quarter of an hour.
    pub const STEPS_MAX: usize = 70_080;
    /// The most certificates and the most logins.
    pub const PRINCIPALS_MAX: usize = 10_000;

    /// Where each file of the database goes.
    pub(super) fn moves(&self) -> impl Iterator<Item = &FileMove> {
        self.steps.iter().flat_map(|step| &step.moves)
    }

    /// Refuses what no script can do, or none should.
    pub(super) fn check(&self) -> Result<(), OrderError> {
        self.check_counts()?;
        self.check_database()?;
        self.check_steps()?;
        self.check_moves()?;
        for certificate in &self.certificates {
            if let Some(name) = &certificate.name {
                check_name("certificate", name)?;
            }
            if let Some(files) = &certificate.files {
                self.check_path(&files.certificate)?;
                self.check_path(&files.private_key)?;
            }
        }
        for login in &self.logins {
            check_name("login", &login.name)?;
        }
        // The old server may be of another kind than the target.
        self.tail_file.as_ref().map_or(Ok(()), |path| {
            let check = |style| check_path(style, path);
            check(PathStyle::Windows).or_else(|_| check(PathStyle::Linux))
        })
    }

    fn check_counts(&self) -> Result<(), OrderError> {
        let counts = [
            ("backup sets", self.steps.len(), Self::STEPS_MAX),
            ("files", self.moves().count(), Self::FILES_MAX),
            (
                "certificates",
                self.certificates.len(),
                Self::PRINCIPALS_MAX,
            ),
            ("logins", self.logins.len(), Self::PRINCIPALS_MAX),
        ];
        match counts.into_iter().find(|(_, found, max)| found > max) {
            Some((what, found, max)) => Err(OrderError::TooMany { what, found, max }),
            None => Ok(()),
        }
    }

    fn check_database(&self) -> Result<(), OrderError> {
        check_name("database", &self.database)?;
        check_name("database", &self.target_database)?;
        let is_system = |name: &str| name.eq_ignore_ascii_case(self.target_database.trim_end());
        if SYSTEM_DATABASES.iter().any(|name| is_system(name)) {
            return Err(OrderError::SystemDatabase {
                name: self.target_database.clone(),
            });
        }
        match (self.purpose, self.existing) {
            (Purpose::Rehearsal, Existing::Replace) => Err(OrderError::RehearsalReplaces),
            _ => Ok(()),
        }
    }

    fn check_steps(&self) -> Result<(), OrderError> {
        for (index, step) in self.steps.iter().enumerate() {
            let number = index + 1;
            let fits = match step.kind {
                StepKind::Full => index == 0,
                StepKind::Differential => index == 1,
                StepKind::Log => index > 0,
            };
            if !fits {
                return Err(OrderError::StepOutOfOrder { number });
            }
            if step.files.is_empty() || step.files.len() > Self::STRIPES_MAX {
                let found = step.files.len();
                let max = Self::STRIPES_MAX;
                return Err(OrderError::StripeCount { number, found, max });
            }
            if step.file_number == 0 {
                return Err(OrderError::NoFileNumber { number });
            }
            step.files
                .iter()
                .try_for_each(|path| self.check_path(path))?;
        }
        if self.steps.is_empty() {
            return Err(OrderError::NoSteps);
        }
        self.check_stop_at()
    }

    fn check_stop_at(&self) -> Result<(), OrderError> {
        let Some(stop_at) = self.stop_at else {
            return Ok(());
        };
        if !self.steps.iter().any(|step| step.kind == StepKind::Log) {
            return Err(OrderError::StopAtWithoutLog);
        }
        // What SQL Server's type `datetime` can hold.
        match (1753..=9999).contains(&stop_at.year()) {
            true => Ok(()),
            false => Err(OrderError::StopAtOutOfRange { stop_at }),
        }
    }

    fn check_moves(&self) -> Result<(), OrderError> {
        if self.steps.first().is_some_and(|full| full.moves.is_empty()) {
            return Err(OrderError::NoMoves);
        }
        let mut paths = std::collections::BTreeSet::new();
        for file in self.moves() {
            check_name("logical file", &file.logical_name)?;
            self.check_path(&file.target_path)?;
            if !paths.insert(self.path_style.spelling(&file.target_path)) {
                let path = file.target_path.clone();
                return Err(OrderError::TwoFilesInOnePlace { path });
            }
        }
        Ok(())
    }

    fn check_path(&self, path: &str) -> Result<(), OrderError> {
        check_path(self.path_style, path)
    }
}

/// Restoring over one of these takes the whole server.
const SYSTEM_DATABASES: [&str; 5] = ["master", "model", "msdb", "tempdb", "mssqlsystemresource"];

fn check_name(what: &'static str, name: &str) -> Result<(), OrderError> {
    let found = quote::units(name);
    let max = RestoreOrder::NAME_UNITS_MAX;
    if found > max {
        let name = name.to_owned();
        return Err(OrderError::NameTooLong {
            what,
            name,
            found,
            max,
        });
    }
    match name.is_empty() || name.contains('\0') {
        true => Err(OrderError::NoName {
            what,
            name: name.to_owned(),
        }),
        false => Ok(()),
    }
}

fn check_path(style: PathStyle, path: &str) -> Result<(), OrderError> {
    let found = quote::units(path);
    let max = RestoreOrder::PATH_UNITS_MAX;
    if found > max {
        let path = path.to_owned();
        return Err(OrderError::PathTooLong { path, found, max });
    }
    match style.is_absolute(path) && !path.contains('\0') {
        true => Ok(()),
        false => Err(OrderError::NoPath {
            path: path.to_owned(),
        }),
    }
}

//! What a runbook is written from: facts that the archive and its plans hold.

use mssql_backup::kind::PostgresFormat;

use crate::finding::Finding;
use crate::octopus::Folder;
use crate::octopus::capture::Capture;
use crate::plan::Plan;

/// All that is known of an archive and of what is to be restored from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunbookFacts {
    /// The name of the archive's file, without a folder.
    pub archive: String,
    /// Its length in bytes.
    pub archive_len: u64,
    /// When and by what it was packed, in words.
    pub packed: Option<String>,
    /// Whom to call: from the archive's cover text.
    pub contact: Option<String>,
    /// What opens it.
    pub key: ArchiveKey,
    /// The master-key envelope. None if the archive has none.
    pub envelope: Option<EnvelopeFacts>,
    /// The databases, with their plans.
    pub databases: Vec<DatabaseFacts>,
    /// The certificates that these need.
    pub certificates: Vec<CertificateFacts>,
    /// What is packed of an Octopus Server. None for other applications.
    pub octopus: Option<OctopusFacts>,
    /// Home directories of other applications.
    pub homes: Vec<Part>,
    /// Everything below `attachments`.
    pub attachments: Option<Part>,
    /// Backups that are not SQL Server's.
    pub others: Vec<OtherBackup>,
    /// What was found against it, besides the findings of the plans.
    pub findings: Vec<Finding>,
    /// What cannot be restored, in words; empty if all of it can.
    pub lost: Vec<String>,
    /// What else is to be known before anything is done, in words.
    pub notes: Vec<String>,
}

/// What opens an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKey {
    /// A passphrase, which the program asks for.
    Passphrase,
    /// A key file.
    KeyFile,
}

/// What is known of the master-key envelope without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeFacts {
    /// What opens it.
    pub key: EnvelopeKey,
    /// Whether the application's master key is in it.
    pub has_master_key: bool,
    /// The names of the other secrets in it.
    pub secrets: Vec<String>,
}

/// What opens an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeKey {
    /// A passphrase of its own.
    Passphrase,
    /// A key file of its own.
    KeyFile,
    /// What opens the archive.
    SameAsArchive,
}

/// A database that is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// How it is restored.
    pub plan: Plan,
    /// Its name on the target.
    pub target_database: String,
    /// The scripts of its order, in the order in which they run. Empty if the plan has no steps.
    pub scripts: Vec<ScriptFile>,
    /// The length of the backup files that the plan needs, in bytes.
    pub backup_len: u64,
}

/// A script that was written beside the runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFile {
    /// Its name, as `04-restore` ([`crate::sql::Script::name`]).
    pub name: String,
    /// Its path from the runbook's folder, with slashes.
    pub path: String,
    /// What must be filled in.
    pub placeholders: Vec<String>,
}

/// A certificate that a backup or database is encrypted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-1 of the certificate.
    pub thumbprint: [u8; 20],
    /// The entries of the archive that it is created from. Empty if the archive does not hold it.
    pub entries: Vec<String>,
}

/// What is packed of an Octopus Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OctopusFacts {
    /// Its version. None if nothing tells.
    pub version: Option<String>,
    /// The name of its database on the target. None if it is not among the databases.
    pub database: Option<String>,
    /// The folders that belong to the database.
    pub folders: Vec<(Folder, Part)>,
    /// Entries that must not be restored into place.
    pub not_to_restore: Vec<String>,
    /// When database and files were captured.
    pub capture: Option<Capture>,
}

/// A directory in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its path in the archive.
    pub path: String,
    /// How many files are below it.
    pub file_count: u64,
    /// Their length in bytes.
    pub len: u64,
}

/// A backup that is not one of SQL Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherBackup {
    /// Its path in the archive: of the directory, if it is one.
    pub path: String,
    /// What it is.
    pub kind: OtherKind,
    /// Whether it was found damaged when it was packed.
    pub is_damaged: bool,
}

/// What another backup is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherKind {
    /// A database of SQL Server with its rows, exported.
    Bacpac,
    /// A dump of PostgreSQL.
    Postgres {
        /// Its format.
        format: PostgresFormat,
        /// Whether the server needs pgvector.
        needs_vector: bool,
    },
    /// A snapshot of Qdrant.
    Qdrant {
        /// SHA-256 of the file.
        sha256: [u8; 32],
        /// Its collection, where the snapshot is of one and its name is known.
        collection: Option<String>,
    },
}

impl DatabaseFacts {
    /// The script of a number, as `04`. A rehearsal's have other names behind it.
    #[must_use]
    pub fn script(&self, number: &str) -> Option<&ScriptFile> {
        let mut scripts = self.scripts.iter();
        scripts.find(|script| script.name.starts_with(number))
    }
}

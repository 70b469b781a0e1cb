//! Dumps of PostgreSQL in the four formats of `pg_dump`: what they are, and whether they are whole.
//!
//! Only `gzip` data has a checksum of its own; elsewhere a changed byte inside of a table is not
//! seen, and only what holds the tables together is checked.

use std::io::{self, BufReader, Read};

use jiff::civil::DateTime;
use mssql_backup::kind::PostgresFormat;

use crate::fault::{FaultKind, Faults};

use toc::{Head, Toc, TocError};

mod custom;
mod files;
mod plain;
#[cfg(test)]
mod tests;
mod toc;

pub use files::DirectoryCheck;
pub use toc::Compression;

const BUFFER_LEN: usize = 64 << 10;

/// What a check of a dump found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Its format.
    pub format: PostgresFormat,
    /// The version of the archive format: 1.16 is written by PostgreSQL 17 and 18. None in text.
    pub archive_version: Option<(u8, u8, u8)>,
    /// The version of the server.
    pub server_version: Option<String>,
    /// The version of `pg_dump`; `pg_restore` must not be older.
    pub pg_dump_version: Option<String>,
    /// The database. Text has it only with `--create`.
    pub database_name: Option<String>,
    /// When it was made, in the local time of the machine that ran `pg_dump`. None in text.
    pub created: Option<DateTime>,
    /// How the tables are compressed. None in text.
    pub compression: Option<Compression>,
    /// How many entries the table of contents has.
    pub entry_count: u64,
    /// How many of them have data: tables, and groups of large objects.
    pub data_count: u64,
    /// The extensions that it creates, up to 100 of them.
    pub extensions: Vec<String>,
    /// What is wrong with it. Nothing, if it is whole.
    pub faults: Faults,
}

/// Checks a dump that is one file, from its first byte to its last.
///
/// A dump that is a directory is checked by a [`DirectoryCheck`]; given its `toc.dat`, this
/// function looks at that file only.
///
/// # Errors
///
/// What the reader returns; whatever the bytes are, they are no error but [`Dump::faults`].
pub fn check<R: Read>(reader: R, format: PostgresFormat) -> io::Result<Dump> {
    let mut dump = Dump::new(format);
    let reader = BufReader::with_capacity(BUFFER_LEN, reader);
    match format {
        PostgresFormat::Custom => custom::check(reader, &mut dump)?,
        PostgresFormat::Tar => files::check_tar(reader, &mut dump)?,
        PostgresFormat::Plain => plain::check(reader, false, &mut dump)?,
        PostgresFormat::PlainCluster => plain::check(reader, true, &mut dump)?,
        PostgresFormat::DirectoryToc => {
            dump = DirectoryCheck::new(reader)?.without_files();
        }
        _ => dump
            .faults
            .add(FaultKind::Unsupported, "this format is not read"),
    }
    Ok(dump)
}

impl Dump {
    fn new(format: PostgresFormat) -> Self {
        Self {
            format,
            archive_version: None,
            server_version: None,
            pg_dump_version: None,
            database_name: None,
            created: None,
            compression: None,
            entry_count: 0,
            data_count: 0,
            extensions: Vec::new(),
            faults: Faults::default(),
        }
    }

    /// Whether the server that restores it needs pgvector.
    #[must_use]
    pub fn needs_vector(&self) -> bool {
        self.extensions.iter().any(|name| name == "vector")
    }

    fn take_head(&mut self, head: &Head) {
        self.archive_version = Some(head.version);
        self.server_version.clone_from(&head.server_version);
        self.pg_dump_version.clone_from(&head.pg_dump_version);
        self.database_name.clone_from(&head.database_name);
        self.created = head.created;
        self.compression = Some(head.compression);
    }

    fn take_toc(&mut self, toc: &Toc) {
        self.entry_count = toc.entry_count;
        self.data_count = toc.data.len() as u64;
        self.extensions.clone_from(&toc.extensions);
    }
}

impl Faults {
    fn add_toc_error(&mut self, error: TocError) -> io::Result<()> {
        match error {
            TocError::Io(error) => return self.add_error(None, error),
            TocError::Unsupported(message) => self.add(FaultKind::Unsupported, message),
            TocError::LimitExceeded(message) => self.add(FaultKind::LimitExceeded, message),
        }
        Ok(())
    }
}

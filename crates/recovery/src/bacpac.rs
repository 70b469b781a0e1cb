//! BACPAC and DACPAC: the ZIP packages in which Azure SQL and DACFx export a database.
//!
//! A BACPAC holds the model of the database as XML and the rows of each table; a DACPAC the model
//! only. Nobody can restore one that is cut off or damaged, and it shows in three places: the
//! directory at the end of the ZIP, the CRC-32 of each member, and the SHA-256 of the model.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use mssql_backup::kind::{Kind, PEEK_LEN};
use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::fault::{FaultKind, Faults};
use crate::zip_walk::{self, MAX_MEMBERS, Visitor, Walked};

use end_record::EndRecord;
use origin::{MAX_XML_LEN, Metadata};

mod end_record;
mod origin;
#[cfg(test)]
mod tests;

pub use origin::Origin;

/// The longest directory that is read, in bytes: the memory it takes is a few times that.
pub const MAX_DIRECTORY_LEN: u64 = 16 << 20;
/// How many members of another ZIP are looked into for backups, and how many are named.
const MAX_LOOKED_INTO: usize = 64;

const MODEL: &str = "model.xml";
const ORIGIN: &str = "Origin.xml";
const METADATA: &str = "DacMetadata.xml";
const CONTENT_TYPES: &str = "[Content_Types].xml";
/// Without these it is no package.
const REQUIRED: [&str; 4] = [CONTENT_TYPES, METADATA, MODEL, ORIGIN];
/// What is said of a model that is not the exported one. Archives keep it, and it is all by which
/// [`rule`] knows the fault again: it stays as it is.
const MODEL_CHANGED: &str =
    "its SHA-256 is not the one in Origin.xml: it was changed after the export";

/// What a ZIP holds, as far as its directory and the first bytes of its members tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZipContent {
    /// A database with its rows.
    Bacpac,
    /// The model of a database without rows.
    Dacpac,
    /// Backups of SQL Server, which must be taken out before they can be restored.
    Backups(Vec<String>),
    /// Something else.
    Other,
    /// It has no directory at its end, or one that cannot be read: cut off, or no ZIP.
    Unreadable,
}

/// What a check of a BACPAC or DACPAC found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Whether rows are in it, and so whether it is a BACPAC.
    pub has_data: bool,
    /// The name in `DacMetadata.xml`: that of the database.
    pub name: Option<String>,
    /// The version there.
    pub version: Option<String>,
    /// What `Origin.xml` tells.
    pub origin: Origin,
    /// How many members the ZIP has.
    pub member_count: u64,
    /// How many tables have rows in it.
    pub table_count: u64,
    /// The rows of all tables in bytes, decompressed.
    pub data_len: u64,
    /// What is wrong with it. Nothing, if it is whole.
    pub faults: Faults,
}

/// What a check of a ZIP found of which nobody knew what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// It has the three members by which [`look_into`] knows a package.
    Package(Box<Package>),
    /// It has not, or was not read that far.
    Other(OtherZip),
}

/// What a check of a ZIP found that is no package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherZip {
    /// The members that are backups of SQL Server, by the first bytes: the first 64 of them.
    pub backups: Vec<String>,
    /// How many members it has.
    pub member_count: u64,
    /// What is wrong with it. Nothing, if it is whole.
    pub faults: Faults,
}

/// Tells what a ZIP holds, without a check of it.
///
/// # Errors
///
/// What the reader returns.
pub fn look_into<R: Read + Seek>(reader: R) -> io::Result<ZipContent> {
    let Some(mut zip) = open(reader)? else {
        return Ok(ZipContent::Unreadable);
    };
    if REQUIRED[1..]
        .iter()
        .all(|name| zip.index_for_name(name).is_some())
    {
        let has_data = zip.file_names_raw().any(|name| name.starts_with(b"Data/"));
        return Ok(if has_data {
            ZipContent::Bacpac
        } else {
            ZipContent::Dacpac
        });
    }
    let mut backups = Vec::new();
    for index in 0..zip.len().min(MAX_LOOKED_INTO) {
        let Ok(member) = zip.by_index(index) else {
            continue;
        };
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let mut head = Vec::new();
        // What cannot be decompressed has no first bytes.
        let _ = member.take(PEEK_LEN as u64).read_to_end(&mut head);
        if Kind::of(&head).is_sql_server() {
            backups.push(name);
        }
    }
    Ok(if backups.is_empty() {
        ZipContent::Other
    } else {
        ZipContent::Backups(backups)
    })
}

/// Checks a BACPAC or DACPAC as it passes, from its first byte to its last.
///
/// Every member is decompressed once and held against its CRC-32 and the directory, the model also
/// against the SHA-256 in `Origin.xml`. Nothing is kept but the two small XML files, and the names
/// and checksums of the members.
///
/// # Errors
///
/// What the reader returns; whatever the bytes are, they are no error but [`Package::faults`].
pub fn check(reader: impl Read) -> io::Result<Package> {
    let mut passing = Passing::read(reader)?;
    passing.reading.begun();
    Ok(passing.package())
}

/// Checks any ZIP in the same way, and tells whether it is a package; of one that is none, whether
/// it holds backups of SQL Server.
///
/// # Errors
///
/// What the reader returns.
pub fn check_any(reader: impl Read) -> io::Result<Checked> {
    let mut passing = Passing::read(reader)?;
    passing.reading.begun();
    let seen = &passing.reading.seen;
    Ok(match REQUIRED[1..].iter().all(|name| seen.contains(name)) {
        true => Checked::Package(Box::new(passing.package())),
        false => Checked::Other(OtherZip {
            backups: passing.reading.backups,
            member_count: passing.walked.member_count,
            faults: passing.faults,
        }),
    })
}

/// The rule that a fault of a package falls under, by what is said of it.
pub(crate) fn rule(message: &str) -> &'static str {
    if message == MODEL_CHANGED {
        "BP153"
    } else {
        "BP152"
    }
}

/// A ZIP that has passed, before it is said what is wrong with it as a package.
struct Passing {
    reading: Reading,
    walked: Walked,
    faults: Faults,
}

impl Passing {
    fn read(reader: impl Read) -> io::Result<Self> {
        let mut reading = Reading::default();
        let mut faults = Faults::default();
        let walked = zip_walk::check(reader, &mut reading, &mut faults)?;
        Ok(Self {
            reading,
            walked,
            faults,
        })
    }

    fn package(self) -> Package {
        let mut package = Package {
            member_count: self.walked.member_count,
            faults: self.faults,
            ..Package::default()
        };
        self.reading.conclude(self.walked.saw_all, &mut package);
        package
    }
}

/// What is gathered while members pass.
#[derive(Default)]
struct Reading {
    /// The member that passes.
    name: String,
    /// Its first bytes.
    first: Vec<u8>,
    /// The members that are backups of SQL Server.
    backups: Vec<String>,
    /// Its bytes, if it is one of the two that are kept.
    kept: Vec<u8>,
    is_too_long: bool,
    hasher: Sha256,
    /// Those that are required, and were there: whole or not.
    seen: BTreeSet<&'static str>,
    model_sha256: Option<[u8; 32]>,
    origin: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
    too_long: Vec<String>,
    has_data: bool,
    data_len: u64,
    tables: BTreeSet<String>,
}

impl Visitor for Reading {
    fn begin(&mut self, name: &str) {
        self.begun();
        name.clone_into(&mut self.name);
        self.kept.clear();
        self.is_too_long = false;
        self.hasher = Sha256::new();
        self.seen
            .extend(REQUIRED.iter().filter(|one| **one == name));
        self.has_data |= name.starts_with("Data/");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let lacking = PEEK_LEN - self.first.len();
        self.first
            .extend_from_slice(&bytes[..bytes.len().min(lacking)]);
        match self.name.as_str() {
            MODEL => self.hasher.update(bytes),
            ORIGIN | METADATA => {
                self.is_too_long |= self.kept.len() + bytes.len() > MAX_XML_LEN;
                if !self.is_too_long {
                    self.kept.extend_from_slice(bytes);
                }
            }
            _ => {}
        }
    }

    fn whole(&mut self, len: u64) {
        match self.name.as_str() {
            MODEL => self.model_sha256 = Some(self.hasher.finalize_reset().into()),
            ORIGIN | METADATA if self.is_too_long => self.too_long.push(self.name.clone()),
            ORIGIN => self.origin = Some(std::mem::take(&mut self.kept)),
            METADATA => self.metadata = Some(std::mem::take(&mut self.kept)),
            _ => self.count_data(len),
        }
    }
}

impl Reading {
    /// Of a member that has begun, and may have broken off, the first bytes tell what it is.
    fn begun(&mut self) {
        let is_backup = Kind::of(&self.first).is_sql_server();
        if is_backup && self.backups.len() < MAX_LOOKED_INTO {
            self.backups.push(self.name.clone());
        }
        self.first.clear();
    }

    /// Rows lie in `Data/SCHEMA.TABLE/TableData-nnn-nnnnn.BCP`.
    fn count_data(&mut self, len: u64) {
        let in_data = self.name.strip_prefix("Data/");
        let Some((table, _)) = in_data.and_then(|rest| rest.split_once('/')) else {
            return;
        };
        self.data_len = self.data_len.saturating_add(len);
        if !self.tables.contains(table) {
            self.tables.insert(table.to_owned());
        }
    }

    /// Says what is wrong with it as a package. Of one that was cut off or could not be followed,
    /// of which not `all` was seen, nothing is known to be missing.
    fn conclude(self, saw_all: bool, package: &mut Package) {
        package.has_data = self.has_data;
        package.data_len = self.data_len;
        package.table_count = self.tables.len() as u64;
        let faults = &mut package.faults;
        for name in REQUIRED {
            if saw_all && !self.seen.contains(name) {
                let message = "the package has no such member";
                faults.add_in(name, FaultKind::Missing, message);
            }
        }
        for name in self.too_long {
            let message = format!("it has more than {MAX_XML_LEN} bytes, and was not read");
            faults.add_in(&name, FaultKind::LimitExceeded, message);
        }
        if let Some(bytes) = self.metadata {
            match Metadata::decode(&bytes) {
                Ok(metadata) => (package.name, package.version) = (metadata.name, metadata.version),
                Err(message) => faults.add_in(METADATA, FaultKind::Damaged, message),
            }
        }
        let Some(bytes) = self.origin else { return };
        match Origin::decode(&bytes) {
            Ok(origin) => package.origin = origin,
            Err(message) => return faults.add_in(ORIGIN, FaultKind::Damaged, message),
        }
        match (package.origin.model_sha256, self.model_sha256) {
            (None, _) => {
                let message = "it has no checksum of model.xml";
                faults.add_in(ORIGIN, FaultKind::Missing, message);
            }
            (Some(expected), Some(found)) if expected != found => {
                faults.add_in(MODEL, FaultKind::Mismatch, MODEL_CHANGED);
            }
            _ => {}
        }
        if saw_all && package.origin.contains_data == Some(true) && !package.has_data {
            let message = "Origin.xml says that rows are in it, but there is no member in Data/";
            faults.add(FaultKind::Missing, message);
        }
    }
}

/// Opens the directory. None if it cannot be read: cut off, damaged, or more than is read.
fn open<R: Read + Seek>(mut reader: R) -> io::Result<Option<ZipArchive<R>>> {
    let file_len = reader.seek(SeekFrom::End(0))?;
    let record = EndRecord::read(&mut reader, file_len)?;
    let is_too_large = |record: &EndRecord| {
        record.member_count > MAX_MEMBERS || record.directory_len > MAX_DIRECTORY_LEN
    };
    if record.as_ref().is_none_or(is_too_large) {
        return Ok(None);
    }
    reader.rewind()?;
    match ZipArchive::new(reader) {
        Ok(zip) => Ok(Some(zip)),
        Err(ZipError::Io(error)) => Faults::default().add_error(None, error).map(|()| None),
        Err(_) => Ok(None),
    }
}

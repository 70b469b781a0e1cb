//! BACPAC and DACPAC: the ZIP packages in which Azure SQL and DACFx export a database.
//!
//! A BACPAC holds the model of the database as XML and the rows of each table; a DACPAC the model
//! only. Nobody can restore one that is cut off or damaged, and it shows in three places: the
//! directory at the end of the ZIP, the CRC-32 of each member, and the SHA-256 of the model.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use mssql_backup::kind::{Kind, PEEK_LEN};
use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::fault::{FaultKind, Faults};

use end_record::EndRecord;
use origin::{MAX_XML_LEN, Metadata};

mod end_record;
mod origin;
#[cfg(test)]
mod tests;

pub use origin::Origin;

/// The longest directory that is read, in bytes: the memory it takes is a few times that.
pub const MAX_DIRECTORY_LEN: u64 = 16 << 20;
/// How many members it may list; a BACPAC has one for about four megabytes of rows.
pub const MAX_MEMBERS: u64 = 100_000;
/// How many members of another ZIP are looked into for backups.
const MAX_LOOKED_INTO: usize = 64;
const BUFFER_LEN: usize = 64 << 10;

const MODEL: &str = "model.xml";
const ORIGIN: &str = "Origin.xml";
const METADATA: &str = "DacMetadata.xml";
const CONTENT_TYPES: &str = "[Content_Types].xml";
/// Without these it is no package.
const REQUIRED: [&str; 4] = [CONTENT_TYPES, METADATA, MODEL, ORIGIN];

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

/// Tells what a ZIP holds, without a check of it.
///
/// # Errors
///
/// What the reader returns.
pub fn look_into<R: Read + Seek>(reader: R) -> io::Result<ZipContent> {
    let Some(mut zip) = open(reader, &mut Faults::default())? else {
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

/// Checks a BACPAC or DACPAC from its directory to the last byte of its members.
///
/// Every member is decompressed once and held against its CRC-32, the model also against the
/// SHA-256 in `Origin.xml`. Nothing is kept but the two small XML files and the directory.
///
/// # Errors
///
/// What the reader returns; whatever the bytes are, they are no error but [`Package::faults`].
pub fn check<R: Read + Seek>(reader: R) -> io::Result<Package> {
    let mut package = Package::default();
    let Some(mut zip) = open(reader, &mut package.faults)? else {
        return Ok(package);
    };
    package.member_count = zip.len() as u64;
    if let Err(error) = zip.validate_header_consistency() {
        add_zip_error(&mut package.faults, None, error)?;
        // Members that overlap make more work than the file is long.
        return Ok(package);
    }
    for name in REQUIRED {
        if zip.index_for_name(name).is_none() {
            package
                .faults
                .add_in(name, FaultKind::Missing, "the package has no such member");
        }
    }
    let mut reading = Reading::default();
    for index in 0..zip.len() {
        reading.read_member(&mut zip, index, &mut package)?;
    }
    reading.conclude(&mut package);
    Ok(package)
}

/// What is gathered while members are read.
#[derive(Default)]
struct Reading {
    model_sha256: Option<[u8; 32]>,
    origin: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
    tables: BTreeSet<String>,
}

impl Reading {
    fn read_member<R: Read + Seek>(
        &mut self,
        zip: &mut ZipArchive<R>,
        index: usize,
        package: &mut Package,
    ) -> io::Result<()> {
        let name = match zip.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            _ => format!("member {index}"),
        };
        let member = match zip.by_index(index) {
            Ok(member) => member,
            Err(error) => return add_zip_error(&mut package.faults, Some(&name), error),
        };
        let size = member.size();
        let keep_len = match name.as_str() {
            ORIGIN | METADATA if size > MAX_XML_LEN => {
                let message = format!("it has {size} bytes, at most {MAX_XML_LEN} are read");
                package
                    .faults
                    .add_in(&name, FaultKind::LimitExceeded, message);
                0
            }
            ORIGIN | METADATA => size,
            _ => 0,
        };
        let read = read_through(member, size, keep_len);
        let (kept, sha256) = match read {
            Ok(read) => read,
            Err(error) => return package.faults.add_error(Some(&name), error),
        };
        match name.as_str() {
            MODEL => self.model_sha256 = Some(sha256),
            ORIGIN if keep_len > 0 => self.origin = Some(kept),
            METADATA if keep_len > 0 => self.metadata = Some(kept),
            _ => self.count_data(&name, size, package),
        }
        Ok(())
    }

    /// Rows lie in `Data/SCHEMA.TABLE/TableData-nnn-nnnnn.BCP`.
    fn count_data(&mut self, name: &str, size: u64, package: &mut Package) {
        let Some((table, _)) = name
            .strip_prefix("Data/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return;
        };
        package.has_data = true;
        package.data_len = package.data_len.saturating_add(size);
        if !self.tables.contains(table) {
            self.tables.insert(table.to_owned());
        }
    }

    fn conclude(self, package: &mut Package) {
        package.table_count = self.tables.len() as u64;
        let faults = &mut package.faults;
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
                let message =
                    "its SHA-256 is not the one in Origin.xml: it was changed after the export";
                faults.add_in(MODEL, FaultKind::Mismatch, message);
            }
            _ => {}
        }
        if package.origin.contains_data == Some(true) && !package.has_data {
            let message = "Origin.xml says that rows are in it, but there is no member in Data/";
            faults.add(FaultKind::Missing, message);
        }
    }
}

/// Opens the directory, or says why it cannot be.
fn open<R: Read + Seek>(mut reader: R, faults: &mut Faults) -> io::Result<Option<ZipArchive<R>>> {
    let file_len = reader.seek(SeekFrom::End(0))?;
    let Some(record) = EndRecord::read(&mut reader, file_len)? else {
        let message = "there is no directory at its end: it was cut off, or something was appended";
        faults.add(FaultKind::Truncated, message);
        return Ok(None);
    };
    if record.member_count > MAX_MEMBERS || record.directory_len > MAX_DIRECTORY_LEN {
        let message = format!(
            "its directory lists {} members in {} bytes, at most {MAX_MEMBERS} in \
             {MAX_DIRECTORY_LEN} are read",
            record.member_count, record.directory_len,
        );
        faults.add(FaultKind::LimitExceeded, message);
        return Ok(None);
    }
    reader.rewind()?;
    match ZipArchive::new(reader) {
        Ok(zip) => Ok(Some(zip)),
        Err(error) => add_zip_error(faults, None, error).map(|()| None),
    }
}

/// Reads a member to its end, where its CRC-32 is held against the directory.
fn read_through(
    mut member: impl Read,
    size: u64,
    keep_len: u64,
) -> io::Result<(Vec<u8>, [u8; 32])> {
    let mut hasher = Sha256::new();
    let mut kept = Vec::new();
    let mut buffer = vec![0; BUFFER_LEN];
    let mut read_len = 0_u64;
    loop {
        let len = member.read(&mut buffer)?;
        if len == 0 {
            break;
        }
        read_len += len as u64;
        if read_len > size {
            let message = format!("it is longer than the {size} bytes that the directory says");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        hasher.update(&buffer[..len]);
        if keep_len > 0 {
            kept.extend_from_slice(&buffer[..len]);
        }
    }
    if read_len < size {
        let message = format!("it has {read_len} bytes, the directory says {size}");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok((kept, hasher.finalize().into()))
}

fn add_zip_error(faults: &mut Faults, part: Option<&str>, error: ZipError) -> io::Result<()> {
    let (kind, message): (_, Cow<'_, str>) = match error {
        ZipError::Io(error) => return faults.add_error(part, error),
        ZipError::UnsupportedArchive(what) => (FaultKind::Unsupported, what.into()),
        ZipError::CompressionMethodNotSupported(method) => {
            let message = format!("its compression method {method} is not supported");
            (FaultKind::Unsupported, message.into())
        }
        error => (FaultKind::Damaged, error.to_string().into()),
    };
    match part {
        Some(part) => faults.add_in(part, kind, message),
        None => faults.add(kind, message),
    }
    Ok(())
}

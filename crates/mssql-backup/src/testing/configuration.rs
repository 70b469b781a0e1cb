//! The two copies of the configuration.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::guid::Guid;
use crate::lsn::Lsn;
use crate::page::PAGE_LEN;
use crate::set::{BackupType, Flags, RecoveryModel};

use super::database::Set;
use super::log::{put, put_u16};

/// A version of SQL Server, as far as its backups differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// SQL Server 2008 R2.
    Sql2008R2,
    /// SQL Server 2016.
    Sql2016,
    /// SQL Server 2019: copies some pages again at the end.
    Sql2019,
}

/// Which copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    Start,
    End,
}

impl Product {
    /// Major, minor and build.
    fn version(self) -> (u8, u8, u16) {
        match self {
            Self::Sql2008R2 => (10, 50, 1600),
            Self::Sql2016 => (13, 0, 5026),
            Self::Sql2019 => (15, 0, 4153),
        }
    }

    fn database_version(self) -> u16 {
        match self {
            Self::Sql2008R2 => 661,
            Self::Sql2016 => 852,
            Self::Sql2019 => 904,
        }
    }

    /// Compatibility level of a database made with it.
    fn level(self) -> u8 {
        match self {
            Self::Sql2008R2 => 100,
            Self::Sql2016 => 130,
            Self::Sql2019 => 150,
        }
    }

    /// Whether pages are copied again at the end.
    pub(super) fn copies_again(self) -> bool {
        self == Self::Sql2019
    }

    /// Lengths of the fixed parts of `SCIN` and `SFGI`.
    fn fixed_lens(self) -> (usize, usize) {
        match self {
            Self::Sql2008R2 => (0x16C, 0x30),
            Self::Sql2016 | Self::Sql2019 => (0x190, 0xE0),
        }
    }
}

/// The data of `MQCI`.
pub(super) fn configuration(set: &Set, size: u64, copy: Copy) -> Vec<u8> {
    let mut bytes = set_record(set, size, copy);
    bytes.extend(filegroup_record(set));
    for file in 0..2 {
        bytes.extend(file_record(set, file, copy));
    }
    bytes
}

fn set_record(set: &Set, size: u64, copy: Copy) -> Vec<u8> {
    let database = &set.database;
    let (fixed_len, _) = database.product.fixed_lens();
    let mut bytes = vec![0; fixed_len];
    let (major, minor, build) = database.product.version();
    let mut flags = 0x200 | set.flags.0;
    if set.has_checksums {
        flags |= Flags::BACKUP_CHECKSUMS.0;
    }
    if set.backup_type == BackupType::Differential {
        flags |= 0x800;
    }
    put(&mut bytes, 0x00, b"SCIN");
    put(&mut bytes, 0x08, &flags.to_le_bytes());
    put(&mut bytes, 0x0C, &1_u32.to_le_bytes());
    put(&mut bytes, 0x10, &1_u32.to_le_bytes());
    put(&mut bytes, 0x18, &build.to_le_bytes());
    put(&mut bytes, 0x1A, &[minor, major]);
    put(&mut bytes, 0x20, &set.first_lsn.encode());
    put(&mut bytes, 0x2A, &set.last_lsn.encode());
    put(&mut bytes, 0x34, &set.checkpoint_lsn.encode());
    put(&mut bytes, 0x3E, &lsn(set.base.map(|base| base.checkpoint)));
    put(
        &mut bytes,
        0x48,
        &date(jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0)),
    );
    put(&mut bytes, 0x4D, &date(set.start));
    if copy == Copy::End {
        put(&mut bytes, 0x52, &date(set.finish));
    }
    bytes[0x57] = set.backup_type.letter();
    bytes[0x58] = 52;
    bytes[0x5B] = database.product.level();
    put(&mut bytes, 0x5C, &7_u16.to_le_bytes());
    put(
        &mut bytes,
        0x5E,
        &database.product.database_version().to_le_bytes(),
    );
    put(&mut bytes, 0x60, &size.to_le_bytes());
    put(&mut bytes, 0x74, &1033_u32.to_le_bytes());
    put(&mut bytes, 0x78, &196_609_u32.to_le_bytes());
    put(&mut bytes, 0x7C, &database.identity.binding.0);
    put(&mut bytes, 0x90, &set.last_lsn.encode());
    put(&mut bytes, 0x9C, &database.identity.fork.0);
    if let Some((fork, left_at)) = database.identity.previous {
        put(&mut bytes, 0xAC, &left_at.encode());
        put(&mut bytes, 0xB8, &fork.0);
    }
    put(&mut bytes, 0xC8, &guid(set.base.map(|base| base.guid)));
    put(&mut bytes, 0xE0, &database.identity.family.0);
    put(&mut bytes, 0xF2, &1_u16.to_le_bytes());
    put(
        &mut bytes,
        0xF4,
        &status(database.recovery_model).to_le_bytes(),
    );
    if database.recovery_model != RecoveryModel::Simple {
        put(&mut bytes, 0xF8, &lsn(set.chain_origin));
        put(&mut bytes, 0x14C, &lsn(set.last_log_backup));
    }
    if let Some(base) = set
        .base
        .filter(|_| set.backup_type == BackupType::Differential)
    {
        put(&mut bytes, 0x104, &base.checkpoint.encode());
        put(&mut bytes, 0x110, &base.guid.0);
    }
    put(&mut bytes, 0x158, &size.to_le_bytes());
    text(&mut bytes, 0x68, &database.name);
    text(&mut bytes, 0x6C, &database.server);
    closed(bytes)
}

fn filegroup_record(set: &Set) -> Vec<u8> {
    let (_, fixed_len) = set.database.product.fixed_lens();
    let mut bytes = vec![0; fixed_len];
    put(&mut bytes, 0x00, b"SFGI");
    put(&mut bytes, 0x08, &0x10_u32.to_le_bytes());
    put(&mut bytes, 0x0C, &1_u32.to_le_bytes());
    text(&mut bytes, 0x10, "PRIMARY");
    closed(bytes)
}

/// File 0 is the data file, file 1 the log.
fn file_record(set: &Set, file: u32, copy: Copy) -> Vec<u8> {
    const FIXED_LEN: usize = 0x400;
    const UNLIMITED: u64 = 35_184_372_080_640;
    let database = &set.database;
    let mut bytes = vec![0; FIXED_LEN];
    let is_data = file == 0;
    let again = copy == Copy::End && database.product.copies_again();
    let extents = if again {
        set.again.len()
    } else {
        set.extents.len()
    };
    let pages = if is_data { 8 * extents as u64 } else { 0 };
    put(&mut bytes, 0x00, b"SFIN");
    put(&mut bytes, 0x10, &8192_u32.to_le_bytes());
    put(&mut bytes, 0x14, &(file + 1).to_le_bytes());
    put(
        &mut bytes,
        0x18,
        &u32::try_from(pages).unwrap_or(u32::MAX).to_le_bytes(),
    );
    put(&mut bytes, 0x1C, &(file + 1).to_le_bytes());
    put(&mut bytes, 0x20, &512_u32.to_le_bytes());
    put(&mut bytes, 0x24, &u32::from(is_data).to_le_bytes());
    let size = if is_data { database.size() } else { 2 << 20 };
    put(&mut bytes, 0x28, &size.to_le_bytes());
    put(&mut bytes, 0x56, &UNLIMITED.to_le_bytes());
    if is_data {
        let own = (set.backup_type == BackupType::Full && copy == Copy::End).then_some((
            set.checkpoint_lsn,
            set.guid,
            set.start,
        ));
        let base = set.base.map(|base| (base.checkpoint, base.guid, base.time));
        if let Some((checkpoint, base, time)) = own.or(base) {
            put(&mut bytes, 0x9E, &checkpoint.encode());
            put(&mut bytes, 0xAA, &base.0);
            let time = database
                .utc_offset
                .to_timestamp(time)
                .unwrap_or(Timestamp::UNIX_EPOCH);
            put(&mut bytes, 0x106, &file_time(time).to_le_bytes());
        }
    }
    let unique = super::database::guid_of(&database.name, 3 + file);
    put(&mut bytes, 0xBA, &unique.0);
    put(&mut bytes, 0xFA, &(pages * PAGE_LEN as u64).to_le_bytes());
    let [data, log] = database.logical_names();
    let (name, suffix) = if is_data { (data, "mdf") } else { (log, "ldf") };
    text(&mut bytes, 0x30, &name);
    text(
        &mut bytes,
        0x34,
        &format!("{}{name}.{suffix}", database.folder),
    );
    closed(bytes)
}

/// The old status bits of `sysdatabases`.
fn status(model: RecoveryModel) -> u16 {
    match model {
        RecoveryModel::Full => 0,
        RecoveryModel::BulkLogged => 4,
        RecoveryModel::Simple => 8,
    }
}

fn lsn(lsn: Option<Lsn>) -> [u8; Lsn::LEN] {
    lsn.unwrap_or_default().encode()
}

fn guid(guid: Option<Guid>) -> [u8; 16] {
    guid.unwrap_or_default().0
}

/// Appends a text and puts its length and offset at the pair.
pub(super) fn text(bytes: &mut Vec<u8>, pair: usize, text: &str) {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let offset = bytes.len();
    put_u16(bytes, pair, units.len());
    put_u16(bytes, pair + 2, offset);
    bytes.extend(units);
}

/// Puts the length of a record into it.
fn closed(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    put(&mut bytes, 0x04, &len.to_le_bytes());
    bytes
}

/// A date in the five bytes of a descriptor.
pub(super) fn date(time: DateTime) -> [u8; 5] {
    let field = |value: i8, shift: u32| u64::from(value.unsigned_abs()) << shift;
    let number = u64::from(time.year().unsigned_abs()) << 26
        | field(time.month(), 22)
        | field(time.day(), 17)
        | field(time.hour(), 12)
        | field(time.minute(), 6)
        | field(time.second(), 0);
    let [_, _, _, bytes @ ..] = number.to_be_bytes();
    bytes
}

/// Units of 100 ns since 1601.
fn file_time(time: Timestamp) -> u64 {
    const SECONDS_TO_1970: i64 = 11_644_473_600;
    let units = (time.as_second() + SECONDS_TO_1970) * 10_000_000;
    units.unsigned_abs()
}

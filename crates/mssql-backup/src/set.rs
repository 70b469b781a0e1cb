//! What `RESTORE HEADERONLY` and `RESTORE FILELISTONLY` tell of one backup set.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

use crate::guid::Guid;
use crate::lsn::Lsn;

/// One backup set on one file, as its descriptors tell it.
///
/// A set on several stripes has one of these on each, equal in all but what lies on the stripe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupSet {
    /// Where its first descriptor block starts in the stream of descriptor blocks, in bytes; that
    /// is the offset in the file where the medium is not compressed.
    pub offset: u64,
    /// The columns of `RESTORE HEADERONLY`.
    pub header: Header,
    /// The columns of `RESTORE FILELISTONLY`, a row for each file of the database.
    pub files: Vec<DatabaseFile>,
    /// Its place in the history of the database, beyond what `RESTORE` shows.
    pub lineage: Lineage,
    /// Whether the end copy of the configuration was read: without it the set was cut off, and
    /// `header` holds what was known when the backup started.
    pub is_complete: bool,
}

/// The columns of `RESTORE HEADERONLY` that stand in the file, by SQL Server's names.
///
/// Columns whose place in the file is not known have no field. Times are the server's local time,
/// to the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `BackupName`.
    pub backup_name: Option<String>,
    /// `BackupDescription`.
    pub backup_description: Option<String>,
    /// `BackupType`. None if the letter in the file is none that is known.
    pub backup_type: Option<BackupType>,
    /// `Compressed`.
    pub compressed: bool,
    /// `Position`: the number of the set on the medium, from 1 on; what `FILE = n` names.
    pub position: u16,
    /// `UserName`: who made the backup.
    pub user_name: Option<String>,
    /// `ServerName`: the instance.
    pub server_name: Option<String>,
    /// `DatabaseName`.
    pub database_name: Option<String>,
    /// `DatabaseVersion`: 904 is SQL Server 2019; see [`product`].
    pub database_version: u16,
    /// `DatabaseCreationDate`.
    pub database_creation_date: Option<DateTime>,
    /// `BackupSize` in bytes, of all stripes.
    pub backup_size: u64,
    /// `FirstLSN`.
    pub first_lsn: Option<Lsn>,
    /// `LastLSN`: the one after the last record.
    pub last_lsn: Option<Lsn>,
    /// `CheckpointLSN`.
    pub checkpoint_lsn: Option<Lsn>,
    /// `DatabaseBackupLSN`: checkpoint of the latest full backup before this one.
    pub database_backup_lsn: Option<Lsn>,
    /// `BackupStartDate`.
    pub backup_start_date: Option<DateTime>,
    /// `BackupFinishDate`. None in a set that was cut off.
    pub backup_finish_date: Option<DateTime>,
    /// `SortOrder`.
    pub sort_order: u8,
    /// `UnicodeLocaleId`.
    pub unicode_locale_id: u32,
    /// `UnicodeComparisonStyle`.
    pub unicode_comparison_style: u32,
    /// `CompatibilityLevel`.
    pub compatibility_level: u8,
    /// `SoftwareVendorId`: 4608 is Microsoft.
    pub software_vendor_id: u16,
    /// `SoftwareVersionMajor`.
    pub software_version_major: u8,
    /// `SoftwareVersionMinor`.
    pub software_version_minor: u8,
    /// `SoftwareVersionBuild`.
    pub software_version_build: u16,
    /// `MachineName`.
    pub machine_name: Option<String>,
    /// `Flags`, and all the columns that are bits of it.
    pub flags: Flags,
    /// `BindingID`.
    pub binding_id: Option<Guid>,
    /// `RecoveryForkID`: the branch of the database's history that this set belongs to.
    pub recovery_fork_id: Option<Guid>,
    /// `FamilyGUID`: the first branch; the same over the life of the database.
    pub family_guid: Option<Guid>,
    /// `BeginsLogChain`: no log backup was taken before. None where it is no log backup.
    pub begins_log_chain: Option<bool>,
    /// `RecoveryModel`.
    pub recovery_model: RecoveryModel,
    /// `DifferentialBaseLSN`, of differentials only.
    pub differential_base_lsn: Option<Lsn>,
    /// `DifferentialBaseGUID`: `BackupSetGUID` of the full backup that a differential needs.
    pub differential_base_guid: Option<Guid>,
    /// `BackupSetGUID`: the same on all stripes.
    pub backup_set_guid: Option<Guid>,
    /// `CompressedBackupSize` in bytes. None before SQL Server 2008.
    pub compressed_backup_size: Option<u64>,
    /// `TimeZone`: the server's offset from UTC, daylight saving included. Not always right: an
    /// exact time in the file list goes before it, see [`BackupSet::utc_offset`].
    pub time_zone: Option<Offset>,
}

/// Where a set stands in the history of its database, beyond what `RESTORE` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The branch before `RecoveryForkID`. None if the database never changed branch.
    pub previous_fork_id: Option<Guid>,
    /// Where that branch was left.
    pub fork_lsn: Option<Lsn>,
    /// `BackupSetGUID` of the full backup that `DatabaseBackupLSN` points at.
    pub database_backup_guid: Option<Guid>,
    /// Where the log chain begins. None in SIMPLE recovery.
    pub log_chain_origin_lsn: Option<Lsn>,
    /// End of the last log backup before this set. None if there was none.
    pub last_log_backup_lsn: Option<Lsn>,
}

/// What kind of backup a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BackupType {
    /// The whole database: 1.
    Full,
    /// The transaction log: 2.
    Log,
    /// Files or filegroups: 4.
    File,
    /// The extents changed since a full backup: 5.
    Differential,
    /// The extents of files changed since a backup of them: 6.
    FileDifferential,
    /// All but read-only filegroups: 7.
    Partial,
    /// What changed of these: 8.
    PartialDifferential,
}

/// The recovery model of the database when the backup was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecoveryModel {
    /// Every change is in the log.
    #[default]
    Full,
    /// All but bulk operations are.
    BulkLogged,
    /// The log is not kept: no log backups.
    Simple,
}

/// `Flags`, as `RESTORE HEADERONLY` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

/// One file of a database: a row of `RESTORE FILELISTONLY`, by SQL Server's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFile {
    /// `LogicalName`.
    pub logical_name: String,
    /// `PhysicalName`: the path on the server that was backed up. Never opened by this crate.
    pub physical_name: String,
    /// `Type`.
    pub file_type: FileType,
    /// `FileGroupName`. None for log files.
    pub file_group_name: Option<String>,
    /// `Size` in bytes.
    pub size: u64,
    /// `MaxSize` in bytes.
    pub max_size: u64,
    /// `FileId`.
    pub file_id: u32,
    /// `CreateLSN`.
    pub create_lsn: Option<Lsn>,
    /// `DropLSN`.
    pub drop_lsn: Option<Lsn>,
    /// `UniqueId`.
    pub unique_id: Option<Guid>,
    /// `BackupSizeInBytes`.
    pub backup_size_in_bytes: u64,
    /// `SourceBlockSize` in bytes: the sector size where the file lay.
    pub source_block_size: u32,
    /// `FileGroupId`; 0 for log files.
    pub file_group_id: u32,
    /// `DifferentialBaseLSN` of the file.
    pub differential_base_lsn: Option<Lsn>,
    /// `DifferentialBaseGUID` of the file.
    pub differential_base_guid: Option<Guid>,
    /// The time of the differential base in UTC, to 100 ns; in a full backup its own start.
    pub differential_base_time: Option<jiff::Timestamp>,
    /// Pages of this file that the set holds, over all stripes: when the backup started, and
    /// copied again at its end (SQL Server 2019 and later). 0 for other than data files.
    pub pages: [u32; 2],
}

/// What a database file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// `D`: data.
    Data,
    /// `L`: the transaction log.
    Log,
    /// Another number than is known; `S` (file stream) and `F` (full text) are among them.
    Other(u32),
}

impl BackupSet {
    /// The server's offset from UTC when the backup was made.
    ///
    /// A full backup holds its start to 100 ns in UTC: the difference to `BackupStartDate`, rounded
    /// to quarters of an hour, goes before `TimeZone`, which can lack daylight saving.
    #[must_use]
    pub fn utc_offset(&self) -> Option<Offset> {
        let full = self.header.backup_type == Some(BackupType::Full);
        let own = |file: &DatabaseFile| {
            file.differential_base_guid == self.header.backup_set_guid
                && file.differential_base_guid.is_some()
        };
        let exact = self.files.iter().filter(|file| full && own(file));
        let exact = exact.filter_map(|file| file.differential_base_time).next();
        let local = self.header.backup_start_date;
        exact
            .zip(local)
            .and_then(|(utc, local)| quarter_hours_between(utc, local))
            .or(self.header.time_zone)
    }
}

/// `local` less `utc`, in whole quarters of an hour; None if that is no offset of a time zone.
fn quarter_hours_between(utc: jiff::Timestamp, local: DateTime) -> Option<Offset> {
    const QUARTER: i64 = 900;
    let as_utc = Offset::UTC.to_timestamp(local).ok()?;
    let seconds = as_utc.as_second().checked_sub(utc.as_second())?;
    // The start in the file list and `BackupStartDate` are seconds apart.
    let quarters = seconds.checked_add(QUARTER / 2)?.div_euclid(QUARTER);
    let apart = seconds - quarters * QUARTER;
    let is_offset = (-14 * 4..=14 * 4).contains(&quarters) && apart.abs() <= 120;
    let seconds = i32::try_from(quarters * QUARTER).ok()?;
    is_offset
        .then(|| Offset::from_seconds(seconds).ok())
        .flatten()
}

impl BackupType {
    /// The number in column `BackupType`.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Full => 1,
            Self::Log => 2,
            Self::File => 4,
            Self::Differential => 5,
            Self::FileDifferential => 6,
            Self::Partial => 7,
            Self::PartialDifferential => 8,
        }
    }

    /// Column `BackupTypeDescription`.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Full => "DATABASE",
            Self::Log => "TRANSACTION LOG",
            Self::File => "FILE OR FILEGROUP",
            Self::Differential => "DATABASE DIFFERENTIAL",
            Self::FileDifferential => "FILE DIFFERENTIAL PARTIAL",
            Self::Partial => "PARTIAL",
            Self::PartialDifferential => "PARTIAL DIFFERENTIAL",
        }
    }

    /// The letter that stands for it in the file.
    #[must_use]
    pub fn letter(self) -> u8 {
        match self {
            Self::Full => b'D',
            Self::Log => b'L',
            Self::File => b'F',
            Self::Differential => b'I',
            Self::FileDifferential => b'G',
            Self::Partial => b'P',
            Self::PartialDifferential => b'Q',
        }
    }

    /// The kind that a letter in the file stands for.
    #[must_use]
    pub fn of_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'D' => Self::Full,
            b'L' => Self::Log,
            b'F' => Self::File,
            b'I' => Self::Differential,
            b'G' => Self::FileDifferential,
            b'P' => Self::Partial,
            b'Q' => Self::PartialDifferential,
            _ => return None,
        })
    }
}

impl RecoveryModel {
    /// The word in column `RecoveryModel`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::BulkLogged => "BULK-LOGGED",
            Self::Simple => "SIMPLE",
        }
    }
}

impl fmt::Display for RecoveryModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FileType {
    /// The letter in column `Type`. None if it is not known.
    #[must_use]
    pub fn letter(self) -> Option<char> {
        match self {
            Self::Data => Some('D'),
            Self::Log => Some('L'),
            Self::Other(_) => None,
        }
    }
}

impl Flags {
    /// `HasBulkLoggedData`: the log can be restored whole only, no `STOPAT` inside it.
    pub const BULK_LOGGED_DATA: Self = Self(0x001);
    /// `IsSnapshot`.
    pub const SNAPSHOT: Self = Self(0x002);
    /// `IsReadOnly`.
    pub const READ_ONLY: Self = Self(0x004);
    /// `IsSingleUser`.
    pub const SINGLE_USER: Self = Self(0x008);
    /// `HasBackupChecksums`.
    pub const BACKUP_CHECKSUMS: Self = Self(0x010);
    /// `IsDamaged`: the backup was continued after an error.
    pub const DAMAGED: Self = Self(0x020);
    /// A tail of the log.
    pub const TAIL_LOG: Self = Self(0x040);
    /// `HasIncompleteMetaData`.
    pub const INCOMPLETE_METADATA: Self = Self(0x080);
    /// `IsForceOffline`: made with `NORECOVERY`.
    pub const FORCE_OFFLINE: Self = Self(0x100);
    /// `IsCopyOnly`.
    pub const COPY_ONLY: Self = Self(0x400);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The version of SQL Server that made a database of this internal version, by its year.
///
/// A backup restores on the same or a newer version only. None if the number is not known.
#[must_use]
pub fn product(database_version: u16) -> Option<&'static str> {
    Some(match database_version {
        539 => "SQL Server 2000",
        611 | 612 => "SQL Server 2005",
        655 => "SQL Server 2008",
        660 | 661 => "SQL Server 2008 R2",
        706 => "SQL Server 2012",
        782 => "SQL Server 2014",
        852 => "SQL Server 2016",
        869 => "SQL Server 2017",
        904 => "SQL Server 2019",
        957 => "SQL Server 2022",
        998 => "SQL Server 2025",
        _ => return None,
    })
}

impl Serialize for BackupType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

//! The configuration of a backup set: the stream `MQCI`, twice in each set.
//!
//! A plain run of records: one `SCIN` (the set), an `SFGI` for each filegroup, an `SFIN` for each
//! file. Each starts with its tag and its length.

use jiff::civil::DateTime;

use crate::date::{file_time, mtf_date};
use crate::guid::Guid;
use crate::lsn::Lsn;
use crate::set::{BackupType, FileType, Flags, RecoveryModel};
use crate::wire::{array_at, u8_at, u16_at, u32_at, u64_at, utf16_at};

/// One copy of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) set: Option<SetRecord>,
    pub(crate) filegroups: Vec<FilegroupRecord>,
    pub(crate) files: Vec<FileRecord>,
    /// Where records do not follow each other to the last byte: the offset of the first that
    /// does not.
    pub(crate) broken_at: Option<usize>,
}

/// `SCIN`: the fields that columns are made of.
#[derive(Clone, Debug)]
pub(crate) struct SetRecord {
    pub(crate) flags: Flags,
    pub(crate) version: (u8, u8, u16),
    pub(crate) first_lsn: Option<Lsn>,
    pub(crate) last_lsn: Option<Lsn>,
    pub(crate) checkpoint_lsn: Option<Lsn>,
    pub(crate) database_backup_lsn: Option<Lsn>,
    pub(crate) database_creation: Option<DateTime>,
    pub(crate) start: Option<DateTime>,
    pub(crate) finish: Option<DateTime>,
    pub(crate) backup_type: Option<BackupType>,
    pub(crate) sort_order: u8,
    pub(crate) compatibility_level: u8,
    pub(crate) database_version: u16,
    pub(crate) backup_size: u64,
    pub(crate) database_name: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) unicode_locale_id: u32,
    pub(crate) unicode_comparison_style: u32,
    pub(crate) binding_id: Option<Guid>,
    pub(crate) recovery_fork_id: Option<Guid>,
    pub(crate) fork_lsn: Option<Lsn>,
    pub(crate) previous_fork_id: Option<Guid>,
    pub(crate) database_backup_guid: Option<Guid>,
    pub(crate) family_guid: Option<Guid>,
    pub(crate) recovery_model: RecoveryModel,
    pub(crate) log_chain_origin_lsn: Option<Lsn>,
    pub(crate) differential_base_lsn: Option<Lsn>,
    pub(crate) differential_base_guid: Option<Guid>,
    pub(crate) last_log_backup_lsn: Option<Lsn>,
    pub(crate) compressed_backup_size: Option<u64>,
}

/// `SFGI`: a filegroup.
#[derive(Clone, Debug)]
pub(crate) struct FilegroupRecord {
    pub(crate) id: u32,
    pub(crate) name: Option<String>,
}

/// `SFIN`: a file of the database.
#[derive(Clone, Debug)]
pub(crate) struct FileRecord {
    pub(crate) file_id: u32,
    pub(crate) pages: u32,
    pub(crate) file_type: FileType,
    pub(crate) source_block_size: u32,
    pub(crate) file_group_id: u32,
    pub(crate) size: u64,
    pub(crate) logical_name: Option<String>,
    pub(crate) physical_name: Option<String>,
    pub(crate) max_size: u64,
    pub(crate) create_lsn: Option<Lsn>,
    pub(crate) drop_lsn: Option<Lsn>,
    pub(crate) differential_base_lsn: Option<Lsn>,
    pub(crate) differential_base_guid: Option<Guid>,
    pub(crate) unique_id: Option<Guid>,
    pub(crate) backup_size: u64,
    pub(crate) differential_base_time: Option<jiff::Timestamp>,
}

/// A record inside a configuration: its tag and its bytes, tag and length included.
#[derive(Clone, Copy)]
struct Record<'a> {
    tag: [u8; 4],
    /// What may be read at fixed offsets: up to the first string.
    fixed: &'a [u8],
    bytes: &'a [u8],
}

impl Configuration {
    /// Decodes the data of an `MQCI` stream. Never fails: what cannot be read is left out, and
    /// `broken_at` says so.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut configuration = Self::default();
        let mut offset = 0;
        while offset < bytes.len() {
            let Some(record) = Record::at(bytes, offset) else {
                configuration.broken_at = Some(offset);
                break;
            };
            offset += record.bytes.len();
            match &record.tag {
                b"SCIN" => configuration.set = Some(SetRecord::decode(&record)),
                // More than a database can have are not kept.
                b"SFGI" | b"SFIN" if configuration.is_full() => {}
                b"SFGI" => configuration
                    .filegroups
                    .push(FilegroupRecord::decode(&record)),
                b"SFIN" => configuration.files.push(FileRecord::decode(&record)),
                // A kind that later versions may have.
                _ => {}
            }
        }
        configuration
    }

    fn is_full(&self) -> bool {
        const MAX_FILES: usize = 32_767;
        self.files.len().max(self.filegroups.len()) >= MAX_FILES
    }

    /// Whether LSNs are known only when the backup ends (2019 and later).
    pub(crate) fn settles_late(&self) -> bool {
        self.copies_again()
    }

    /// Whether this version of SQL Server copies pages again when the data is through, so that
    /// the end copy counts these pages (2019 and later).
    pub(crate) fn copies_again(&self) -> bool {
        const SQL_SERVER_2019: u8 = 15;
        self.set
            .as_ref()
            .is_some_and(|set| set.version.0 >= SQL_SERVER_2019)
    }
}

impl<'a> Record<'a> {
    /// Tag and length.
    const HEADER_LEN: usize = 8;

    /// Where a record of this tag holds the pairs of its strings.
    fn pairs(tag: [u8; 4]) -> &'static [usize] {
        match &tag {
            b"SCIN" => &[0x68, 0x6C],
            b"SFGI" => &[0x10],
            b"SFIN" => &[0x30, 0x34],
            _ => &[],
        }
    }

    fn at(bytes: &'a [u8], offset: usize) -> Option<Self> {
        let rest = bytes.get(offset..)?;
        let tag = array_at(rest, 0)?;
        let len = usize::try_from(u32_at(rest, 4)?).ok()?;
        let bytes = rest.get(..len).filter(|_| len >= Self::HEADER_LEN)?;
        // Versions differ in how long the fixed part is: a field is there if it ends before the
        // first string.
        let strings = Self::pairs(tag).iter().filter_map(|pair| {
            let len = u16_at(bytes, *pair)?;
            u16_at(bytes, pair + 2).filter(|_| len > 0)
        });
        let fixed_len = strings.map(usize::from).min().unwrap_or(len);
        let fixed = bytes.get(..fixed_len).unwrap_or(bytes);
        Some(Self { tag, fixed, bytes })
    }

    fn lsn(&self, offset: usize) -> Option<Lsn> {
        array_at(self.fixed, offset).map(Lsn::decode)?.or_none()
    }

    fn guid(&self, offset: usize) -> Option<Guid> {
        array_at(self.fixed, offset).map(Guid)?.or_none()
    }

    fn date(&self, offset: usize) -> Option<DateTime> {
        array_at(self.fixed, offset).and_then(mtf_date)
    }

    fn u8(&self, offset: usize) -> u8 {
        u8_at(self.fixed, offset).unwrap_or_default()
    }

    fn u16(&self, offset: usize) -> u16 {
        u16_at(self.fixed, offset).unwrap_or_default()
    }

    fn u32(&self, offset: usize) -> u32 {
        u32_at(self.fixed, offset).unwrap_or_default()
    }

    fn u64(&self, offset: usize) -> u64 {
        u64_at(self.fixed, offset).unwrap_or_default()
    }

    fn text(&self, pair: usize) -> Option<String> {
        utf16_at(self.bytes, pair)
    }
}

impl SetRecord {
    fn decode(record: &Record<'_>) -> Self {
        Self {
            flags: Flags(record.u32(0x08)),
            version: (record.u8(0x1B), record.u8(0x1A), record.u16(0x18)),
            first_lsn: record.lsn(0x20),
            last_lsn: record.lsn(0x2A),
            checkpoint_lsn: record.lsn(0x34),
            database_backup_lsn: record.lsn(0x3E),
            database_creation: record.date(0x48),
            start: record.date(0x4D),
            finish: record.date(0x52),
            backup_type: BackupType::of_letter(record.u8(0x57)),
            sort_order: record.u8(0x58),
            compatibility_level: record.u8(0x5B),
            database_version: record.u16(0x5E),
            backup_size: record.u64(0x60),
            database_name: record.text(0x68),
            server_name: record.text(0x6C),
            unicode_locale_id: record.u32(0x74),
            unicode_comparison_style: record.u32(0x78),
            binding_id: record.guid(0x7C),
            recovery_fork_id: record.guid(0x9C),
            fork_lsn: record.lsn(0xAC),
            previous_fork_id: record.guid(0xB8),
            database_backup_guid: record.guid(0xC8),
            family_guid: record.guid(0xE0),
            recovery_model: recovery_model(record.u16(0xF4)),
            log_chain_origin_lsn: record.lsn(0xF8),
            differential_base_lsn: record.lsn(0x104),
            differential_base_guid: record.guid(0x110),
            last_log_backup_lsn: record.lsn(0x14C),
            compressed_backup_size: u64_at(record.fixed, 0x158),
        }
    }
}

/// From the status bits of the database, as `sysdatabases` had them.
fn recovery_model(status: u16) -> RecoveryModel {
    const SELECT_INTO: u16 = 4;
    const TRUNCATE_ON_CHECKPOINT: u16 = 8;
    if status & TRUNCATE_ON_CHECKPOINT != 0 {
        RecoveryModel::Simple
    } else if status & SELECT_INTO != 0 {
        RecoveryModel::BulkLogged
    } else {
        RecoveryModel::Full
    }
}

impl FilegroupRecord {
    fn decode(record: &Record<'_>) -> Self {
        Self {
            id: record.u32(0x0C),
            name: record.text(0x10),
        }
    }
}

impl FileRecord {
    /// Whether it is neither data nor log.
    pub(crate) fn is_other(&self) -> bool {
        matches!(self.file_type, FileType::Other(_))
    }

    fn decode(record: &Record<'_>) -> Self {
        Self {
            file_id: record.u32(0x14),
            pages: record.u32(0x18),
            file_type: match record.u32(0x1C) {
                1 => FileType::Data,
                2 => FileType::Log,
                other => FileType::Other(other),
            },
            source_block_size: record.u32(0x20),
            file_group_id: record.u32(0x24),
            size: record.u64(0x28),
            logical_name: record.text(0x30),
            physical_name: record.text(0x34),
            max_size: record.u64(0x56),
            create_lsn: record.lsn(0x8A),
            drop_lsn: record.lsn(0x94),
            differential_base_lsn: record.lsn(0x9E),
            differential_base_guid: record.guid(0xAA),
            unique_id: record.guid(0xBA),
            backup_size: record.u64(0xFA),
            differential_base_time: u64_at(record.fixed, 0x106).and_then(file_time),
        }
    }
}

/// Where the start and the end copy differ though they should not: the first record that does, in
/// words. None if they agree.
///
/// Dates, sizes, page counts and LSNs that are known only when the backup ends are not compared.
///
/// `settles_late`: of these versions LSNs too are known only when the backup ends.
pub(crate) fn difference(start: &[u8], end: &[u8], settles_late: bool) -> Option<String> {
    let (mut at_start, mut at_end) = (0, 0);
    while at_start < start.len() && at_end < end.len() {
        let (one, other) = (Record::at(start, at_start)?, Record::at(end, at_end)?);
        let shrinks = &one.tag == b"SFIN" && one.u64(0x28) > other.u64(0x28);
        if shrinks || masked(&one, settles_late) != masked(&other, settles_late) {
            let tag = one.tag.escape_ascii();
            return Some(format!(
                "record {tag} at {at_start} differs in the end copy"
            ));
        }
        at_start += one.bytes.len();
        at_end += other.bytes.len();
    }
    (at_start < start.len() || at_end < end.len())
        .then(|| "one copy has more records than the other".to_owned())
}

/// The bytes of a record, with zeros where the copies may differ.
fn masked(record: &Record<'_>, settles_late: bool) -> Vec<u8> {
    let mut bytes = record.bytes.to_vec();
    let may_differ: &[(usize, usize)] = match (&record.tag, settles_late) {
        // Finish date; size; compressed size.
        (b"SCIN", false) => &[(0x52, 5), (0x60, 8), (0x158, 8)],
        // Also first, last and checkpoint LSN; LSN of the fork; end of the last log backup.
        (b"SCIN", true) => &[
            (0x20, 30),
            (0x52, 5),
            (0x60, 8),
            (0x90, 10),
            (0x14C, 10),
            (0x158, 8),
        ],
        // Begin and end of the backup.
        (b"SFGI", true) => &[(0x30, 0x60)],
        // Pages; size of the file, which may grow; differential base; size; time of the base.
        (b"SFIN", false) => &[(0x18, 4), (0x28, 8), (0x9E, 28), (0xFA, 8), (0x106, 8)],
        // Also begin and end of the backup.
        (b"SFIN", true) => &[
            (0x18, 4),
            (0x28, 8),
            (0x9E, 28),
            (0xCA, 42),
            (0xFA, 8),
            (0x106, 8),
        ],
        _ => &[],
    };
    for (offset, len) in may_differ {
        let end = (offset + len).min(record.fixed.len());
        if let Some(part) = bytes.get_mut(*offset..end) {
            part.fill(0);
        }
    }
    bytes
}

//! From descriptors to the columns that `RESTORE` shows.

use std::collections::BTreeMap;

use jiff::tz::Offset;

use crate::configuration::{Configuration, FileRecord, FilegroupRecord};
use crate::date::mtf_date;
use crate::descriptor::text_at;
use crate::guid::Guid;
use crate::label::Label;
use crate::set::{BackupSet, BackupType, DatabaseFile, Header, Lineage, RecoveryModel};
use crate::wire::{array_at, part_at, u8_at, u16_at, u32_at};

/// The descriptors of one backup set, as they stand in the medium.
///
/// Kept beside what is decoded from them, so that whoever stores them can learn more later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetDescriptors {
    /// Where the set starts in the stream of descriptor blocks, in bytes.
    pub offset: u64,
    /// The block `SSET`.
    pub start: Vec<u8>,
    /// The block `VOLB`.
    pub volume: Vec<u8>,
    /// The data of `MQCI` as written when the backup started.
    pub start_configuration: Vec<u8>,
    /// The same as written at its end. Empty if the set was cut off before.
    pub end_configuration: Vec<u8>,
}

/// The descriptors of a medium, as they stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaDescriptors {
    /// The block `TAPE`.
    pub tape: Vec<u8>,
    /// The data of its stream `RAID`.
    pub family: Vec<u8>,
}

impl Label {
    /// Decodes the descriptors of a medium. What they do not hold is absent.
    #[must_use]
    pub fn decode(descriptors: &MediaDescriptors, is_compressed: bool) -> Self {
        let (tape, family) = (&descriptors.tape, &descriptors.family);
        let u16_of = |bytes: &[u8], offset| u16_at(bytes, offset).unwrap_or_default();
        Self {
            media_name: text_at(tape, 0x44),
            media_set_id: array_at(family, 0x00).map(Guid).and_then(Guid::or_none),
            family_count: u16_of(family, 0x14),
            family_sequence_number: u16_of(family, 0x18),
            media_family_id: u32_at(tape, 0x34).unwrap_or_default(),
            media_sequence_number: u16_of(tape, 0x3C),
            media_description: text_at(tape, 0x48),
            software_name: text_at(tape, 0x50),
            software_vendor_id: u16_of(tape, 0x56),
            media_date: array_at(tape, 0x58).and_then(mtf_date),
            mirror_count: u16_of(family, 0x16),
            is_compressed,
            has_password: part_at(tape, 0x4C).is_some(),
        }
    }
}

impl BackupSet {
    /// Decodes the descriptors of a set.
    ///
    /// The end copy of the configuration goes before the start copy, which a set that was cut off
    /// has to do with. What neither holds is absent.
    #[must_use]
    pub fn decode(descriptors: &SetDescriptors, compressed: bool) -> Self {
        let start = Configuration::decode(&descriptors.start_configuration);
        let end = Configuration::decode(&descriptors.end_configuration);
        Self::of_copies(descriptors, &start, &end, compressed)
    }

    pub(crate) fn of_copies(
        descriptors: &SetDescriptors,
        start: &Configuration,
        end: &Configuration,
        compressed: bool,
    ) -> Self {
        let is_complete = end.set.is_some() && end.broken_at.is_none();
        let configuration = if is_complete { end } else { start };
        Self {
            offset: descriptors.offset,
            header: header(descriptors, configuration, compressed),
            files: files(configuration, start, is_complete),
            lineage: lineage(configuration),
            is_complete,
        }
    }
}

fn header(descriptors: &SetDescriptors, configuration: &Configuration, compressed: bool) -> Header {
    const SECONDS_PER_QUARTER: i32 = 900;
    let start = &descriptors.start;
    let position = u16_at(start, 0x3E).unwrap_or_default();
    let guid_offset = usize::from(u16_at(start, 0x2E).unwrap_or_default());
    let zone = u8_at(start, 0x5F).map(|quarters| i32::from(quarters.cast_signed()));
    let set = configuration.set.as_ref();
    let backup_type = set.and_then(|set| set.backup_type);
    let (major, minor, build) = set.map(|set| set.version).unwrap_or_default();
    Header {
        backup_name: text_at(start, 0x40),
        backup_description: text_at(start, 0x44),
        backup_type,
        compressed,
        position,
        user_name: text_at(start, 0x4C),
        server_name: set.and_then(|set| set.server_name.clone()),
        database_name: set.and_then(|set| set.database_name.clone()),
        database_version: set.map(|set| set.database_version).unwrap_or_default(),
        database_creation_date: set.and_then(|set| set.database_creation),
        backup_size: set.map(|set| set.backup_size).unwrap_or_default(),
        first_lsn: set.and_then(|set| set.first_lsn),
        last_lsn: set.and_then(|set| set.last_lsn),
        checkpoint_lsn: set.and_then(|set| set.checkpoint_lsn),
        database_backup_lsn: set.and_then(|set| set.database_backup_lsn),
        backup_start_date: set
            .and_then(|set| set.start)
            .or_else(|| array_at(start, 0x58).and_then(mtf_date)),
        backup_finish_date: set.and_then(|set| set.finish),
        sort_order: set.map(|set| set.sort_order).unwrap_or_default(),
        unicode_locale_id: set.map(|set| set.unicode_locale_id).unwrap_or_default(),
        unicode_comparison_style: set
            .map(|set| set.unicode_comparison_style)
            .unwrap_or_default(),
        compatibility_level: set.map(|set| set.compatibility_level).unwrap_or_default(),
        software_vendor_id: u16_at(start, 0x3C).unwrap_or_default(),
        software_version_major: major,
        software_version_minor: minor,
        software_version_build: build,
        machine_name: text_at(&descriptors.volume, 0x40),
        flags: set.map(|set| set.flags).unwrap_or_default(),
        binding_id: set.and_then(|set| set.binding_id),
        recovery_fork_id: set.and_then(|set| set.recovery_fork_id),
        family_guid: set.and_then(|set| set.family_guid),
        begins_log_chain: set
            .filter(|_| backup_type == Some(BackupType::Log))
            .map(|set| set.last_log_backup_lsn.is_none()),
        recovery_model: set.map_or(RecoveryModel::Full, |set| set.recovery_model),
        differential_base_lsn: set.and_then(|set| set.differential_base_lsn),
        differential_base_guid: set.and_then(|set| set.differential_base_guid),
        backup_set_guid: array_at(start, guid_offset)
            .filter(|_| guid_offset != 0)
            .map(Guid)
            .and_then(Guid::or_none),
        compressed_backup_size: set.and_then(|set| set.compressed_backup_size),
        time_zone: zone
            .and_then(|quarters| Offset::from_seconds(quarters * SECONDS_PER_QUARTER).ok()),
    }
}

fn lineage(configuration: &Configuration) -> Lineage {
    let Some(set) = configuration.set.as_ref() else {
        return Lineage::default();
    };
    Lineage {
        previous_fork_id: set.previous_fork_id,
        fork_lsn: set.fork_lsn,
        database_backup_guid: set.database_backup_guid,
        log_chain_origin_lsn: set.log_chain_origin_lsn,
        last_log_backup_lsn: set.last_log_backup_lsn,
    }
}

fn files(
    configuration: &Configuration,
    start: &Configuration,
    is_complete: bool,
) -> Vec<DatabaseFile> {
    let groups: BTreeMap<u32, &FilegroupRecord> = configuration
        .filegroups
        .iter()
        .map(|group| (group.id, group))
        .collect();
    let rows = configuration.files.iter().enumerate().map(|(index, file)| {
        // The copies list the files in the same order.
        let at_start = start.files.get(index);
        let at_start = at_start.filter(|other| other.file_id == file.file_id);
        let pages_of = |file: &FileRecord| match file.file_type {
            crate::set::FileType::Data => file.pages,
            _ => 0,
        };
        let (first, again) = match at_start {
            // Up to SQL Server 2017 both copies give the same number, and nothing is copied again.
            Some(first) if is_complete && configuration.copies_again() => {
                (pages_of(first), pages_of(file))
            }
            Some(first) => (pages_of(first), 0),
            None => (pages_of(file), 0),
        };
        let group = groups.get(&file.file_group_id);
        let group = group.filter(|group| group.id != 0);
        DatabaseFile {
            logical_name: file.logical_name.clone().unwrap_or_default(),
            physical_name: file.physical_name.clone().unwrap_or_default(),
            file_type: file.file_type,
            file_group_name: group.and_then(|group| group.name.clone()),
            size: file.size,
            max_size: file.max_size,
            file_id: file.file_id,
            create_lsn: file.create_lsn,
            drop_lsn: file.drop_lsn,
            unique_id: file.unique_id,
            backup_size_in_bytes: at_start.unwrap_or(file).backup_size,
            source_block_size: file.source_block_size,
            file_group_id: file.file_group_id,
            differential_base_lsn: file.differential_base_lsn,
            differential_base_guid: file.differential_base_guid,
            differential_base_time: file.differential_base_time,
            pages: [first, again],
        }
    });
    rows.collect()
}

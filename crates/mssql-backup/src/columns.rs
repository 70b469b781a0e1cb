//! The columns of `RESTORE`, by SQL Server's names, for JSON and other self-describing forms.
//!
//! LSNs are decimal strings, GUIDs and dates text as SQL Server prints them (dates in ISO 8601,
//! server-local), bit columns booleans. A column that is NULL here is null; a column whose place
//! in the file is not known is not there.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::label::Label;
use crate::set::{BackupSet, BackupType, DatabaseFile, FileType, Flags};

/// The columns of `RESTORE HEADERONLY`, and `FileList` with those of `RESTORE FILELISTONLY`.
#[derive(Clone, Copy, Debug)]
pub struct SetColumns<'a>(pub &'a BackupSet);

/// The columns of `RESTORE LABELONLY`.
#[derive(Clone, Copy, Debug)]
pub struct LabelColumns<'a>(pub &'a Label);

/// The columns of one row of `RESTORE FILELISTONLY`.
#[derive(Clone, Copy, Debug)]
struct FileColumns<'a>(&'a DatabaseFile);

/// Microsoft's sort order 52 and the locale of the United States: the default of SQL Server there.
const SQL_LATIN1: (u8, u32) = (52, 1033);

impl Serialize for SetColumns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header = &self.0.header;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("BackupName", &header.backup_name)?;
        map.serialize_entry("BackupDescription", &header.backup_description)?;
        map.serialize_entry("BackupType", &header.backup_type.map(BackupType::number))?;
        map.serialize_entry("Compressed", &header.compressed)?;
        map.serialize_entry("Position", &header.position)?;
        map.serialize_entry("UserName", &header.user_name)?;
        map.serialize_entry("ServerName", &header.server_name)?;
        map.serialize_entry("DatabaseName", &header.database_name)?;
        map.serialize_entry("DatabaseVersion", &header.database_version)?;
        let created = header.database_creation_date.map(|date| date.to_string());
        map.serialize_entry("DatabaseCreationDate", &created)?;
        map.serialize_entry("BackupSize", &header.backup_size)?;
        map.serialize_entry("FirstLSN", &header.first_lsn)?;
        map.serialize_entry("LastLSN", &header.last_lsn)?;
        map.serialize_entry("CheckpointLSN", &header.checkpoint_lsn)?;
        // Printed as 0 where there is none.
        let full = header.database_backup_lsn.unwrap_or_default();
        map.serialize_entry("DatabaseBackupLSN", &full)?;
        let start = header.backup_start_date.map(|date| date.to_string());
        map.serialize_entry("BackupStartDate", &start)?;
        let finish = header.backup_finish_date.map(|date| date.to_string());
        map.serialize_entry("BackupFinishDate", &finish)?;
        map.serialize_entry("SortOrder", &header.sort_order)?;
        map.serialize_entry("UnicodeLocaleId", &header.unicode_locale_id)?;
        map.serialize_entry("UnicodeComparisonStyle", &header.unicode_comparison_style)?;
        map.serialize_entry("CompatibilityLevel", &header.compatibility_level)?;
        map.serialize_entry("SoftwareVendorId", &header.software_vendor_id)?;
        map.serialize_entry("SoftwareVersionMajor", &header.software_version_major)?;
        map.serialize_entry("SoftwareVersionMinor", &header.software_version_minor)?;
        map.serialize_entry("SoftwareVersionBuild", &header.software_version_build)?;
        map.serialize_entry("MachineName", &header.machine_name)?;
        map.serialize_entry("Flags", &header.flags.0)?;
        map.serialize_entry("BindingID", &header.binding_id)?;
        map.serialize_entry("RecoveryForkID", &header.recovery_fork_id)?;
        if (header.sort_order, header.unicode_locale_id) == SQL_LATIN1 {
            map.serialize_entry("Collation", "SQL_Latin1_General_CP1_CI_AS")?;
        }
        map.serialize_entry("FamilyGUID", &header.family_guid)?;
        for (name, flag) in FLAG_COLUMNS {
            map.serialize_entry(name, &header.flags.contains(flag))?;
        }
        map.serialize_entry("BeginsLogChain", &header.begins_log_chain.unwrap_or(false))?;
        map.serialize_entry("RecoveryModel", header.recovery_model.name())?;
        map.serialize_entry("DifferentialBaseLSN", &header.differential_base_lsn)?;
        map.serialize_entry("DifferentialBaseGUID", &header.differential_base_guid)?;
        let description = header.backup_type.map(BackupType::description);
        map.serialize_entry("BackupTypeDescription", &description)?;
        map.serialize_entry("BackupSetGUID", &header.backup_set_guid)?;
        map.serialize_entry("CompressedBackupSize", &header.compressed_backup_size)?;
        // In quarters of an hour, as `HEADERONLY` of SQL Server 2022 has it.
        let zone = header.time_zone.map(|zone| zone.seconds() / 900);
        map.serialize_entry("TimeZone", &zone)?;
        let files: Vec<_> = self.0.files.iter().map(FileColumns).collect();
        map.serialize_entry("FileList", &files)?;
        map.end()
    }
}

/// Columns that are bits of `Flags`.
const FLAG_COLUMNS: [(&str, Flags); 9] = [
    ("HasBulkLoggedData", Flags::BULK_LOGGED_DATA),
    ("IsSnapshot", Flags::SNAPSHOT),
    ("IsReadOnly", Flags::READ_ONLY),
    ("IsSingleUser", Flags::SINGLE_USER),
    ("HasBackupChecksums", Flags::BACKUP_CHECKSUMS),
    ("IsDamaged", Flags::DAMAGED),
    ("HasIncompleteMetaData", Flags::INCOMPLETE_METADATA),
    ("IsForceOffline", Flags::FORCE_OFFLINE),
    ("IsCopyOnly", Flags::COPY_ONLY),
];

impl Serialize for FileColumns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let file = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("LogicalName", &file.logical_name)?;
        map.serialize_entry("PhysicalName", &file.physical_name)?;
        map.serialize_entry("Type", &file.file_type.letter())?;
        map.serialize_entry("FileGroupName", &file.file_group_name)?;
        map.serialize_entry("Size", &file.size)?;
        map.serialize_entry("MaxSize", &file.max_size)?;
        map.serialize_entry("FileId", &file.file_id)?;
        map.serialize_entry("CreateLSN", &file.create_lsn.unwrap_or_default())?;
        map.serialize_entry("DropLSN", &file.drop_lsn.unwrap_or_default())?;
        map.serialize_entry("UniqueId", &file.unique_id)?;
        map.serialize_entry("BackupSizeInBytes", &file.backup_size_in_bytes)?;
        map.serialize_entry("SourceBlockSize", &file.source_block_size)?;
        map.serialize_entry("FileGroupId", &file.file_group_id)?;
        let base = file.differential_base_lsn;
        let base = base.filter(|_| file.file_type == FileType::Data);
        map.serialize_entry("DifferentialBaseLSN", &base)?;
        map.serialize_entry("DifferentialBaseGUID", &file.differential_base_guid)?;
        map.end()
    }
}

impl Serialize for LabelColumns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let label = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("MediaName", &label.media_name)?;
        map.serialize_entry("MediaSetId", &label.media_set_id)?;
        map.serialize_entry("FamilyCount", &label.family_count)?;
        map.serialize_entry("FamilySequenceNumber", &label.family_sequence_number)?;
        // As SQL Server prints it: a GUID of which only the first eight digits are used.
        let family = format!("{:08X}-0000-0000-0000-000000000000", label.media_family_id);
        map.serialize_entry("MediaFamilyId", &family)?;
        map.serialize_entry("MediaSequenceNumber", &label.media_sequence_number)?;
        map.serialize_entry("MediaDescription", &label.media_description)?;
        map.serialize_entry("SoftwareName", &label.software_name)?;
        map.serialize_entry("SoftwareVendorId", &label.software_vendor_id)?;
        map.serialize_entry("MediaDate", &label.media_date.map(|date| date.to_string()))?;
        map.serialize_entry("MirrorCount", &label.mirror_count)?;
        map.serialize_entry("IsCompressed", &label.is_compressed)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Database, Media, write_media};

    #[test]
    fn columns_have_the_names_and_types_of_restore() {
        let mut database = Database::new("Orders");
        let at = date(2026, 3, 1).at(12, 0, 0, 0);
        let full = database.full(at);
        let differential = database.differential(at);
        let files = write_media(&Media::default(), &[full, differential]);
        let report = crate::read::check(files[0].as_slice()).unwrap();
        let of = |index: usize| serde_json::to_value(SetColumns(&report.sets[index].checked.set));
        let (full, differential): (Value, Value) = (of(0).unwrap(), of(1).unwrap());
        assert_eq!(full["BackupType"], 1);
        assert_eq!(full["DatabaseName"], "Orders");
        assert_eq!(full["FirstLSN"], "25000000001600001");
        assert_eq!(full["BackupFinishDate"], "2026-03-01T12:00:00");
        assert_eq!(full["HasBackupChecksums"], false);
        assert_eq!(full["DifferentialBaseLSN"], Value::Null);
        assert_eq!(full["ExpirationDate"], Value::Null);
        assert!(full.get("ExpirationDate").is_none());
        assert_eq!(full["FileList"][0]["Type"], "D");
        assert_eq!(full["FileList"][1]["LogicalName"], "Orders_log");
        assert_eq!(differential["BackupType"], 5);
        assert_eq!(differential["DifferentialBaseGUID"], full["BackupSetGUID"]);
        assert_eq!(differential["DatabaseBackupLSN"], full["CheckpointLSN"]);
        let label = serde_json::to_value(LabelColumns(report.label.as_ref().unwrap())).unwrap();
        assert_eq!(label["FamilyCount"], json!(1));
        assert_eq!(label["SoftwareName"], "Microsoft SQL Server");
    }
}

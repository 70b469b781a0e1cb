//! Real backups of real servers: every value that was decoded from them by other means is read.
//!
//! The files lie beside the repository and are never copied into it; names of machines and logins
//! in them are not printed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mssql_backup::check::{Level, Outcome};
use mssql_backup::decode::SetDescriptors;
use mssql_backup::read::{check, read_headers};
use mssql_backup::report::{Report, SetReport};
use mssql_backup::set::{BackupSet, BackupType, FileType};
use serde_json::{Value, json};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;

/// The backups of the corpus, each with what it should hold. None if they are not there.
fn backups() -> Option<Vec<(PathBuf, Value)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/bak");
    let Ok(text) = fs::read_to_string(folder.join("DECODED.jsonl")) else {
        needs::refused("the sample backups are not beside the repository");
        return None;
    };
    let decoded = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let backups = decoded.filter(|file: &Value| file.get("sets").is_some());
    let with_path = |file: Value| (folder.join(file["file"].as_str().unwrap()), file);
    let backups: Vec<_> = backups.map(with_path).collect();
    assert!(!backups.is_empty(), "the corpus holds no backup");
    Some(backups)
}

/// Fails without showing the values, which may be names of people and machines.
fn same(what: &str, found: &Value, expected: &Value) {
    assert!(found == expected, "{what} differs from what was decoded");
}

/// Compares what was found with the same keys of what was decoded.
fn same_all(what: &str, found: &Value, expected: &Value) {
    for (key, found) in found.as_object().unwrap() {
        let expected = expected.get(key).unwrap_or(&Value::Null);
        same(&format!("{what}: {key}"), found, expected);
    }
}

fn text(value: &Option<impl ToString>) -> Value {
    let text = value.as_ref().map(ToString::to_string);
    text.map_or(Value::Null, Value::from)
}

fn date(value: &Option<impl ToString>) -> Value {
    let text = value
        .as_ref()
        .map(|value| value.to_string().replace('T', " "));
    text.map_or(Value::Null, Value::from)
}

fn guid(value: &Option<impl ToString>) -> Value {
    let text = value.as_ref().map(|value| value.to_string().to_lowercase());
    text.map_or(Value::Null, Value::from)
}

/// Compares LSNs by their numbers.
fn same_lsns(what: &str, found: &[(&str, Option<mssql_backup::lsn::Lsn>)], expected: &Value) {
    for (key, found) in found {
        let expected = expected.get(key).and_then(|lsn| lsn.get("num"));
        same(
            &format!("{what}: {key}"),
            &text(found),
            expected.unwrap_or(&Value::Null),
        );
    }
}

#[test]
fn every_backup_set_is_read_as_it_was_decoded() {
    let Some(backups) = backups() else { return };
    let mut sets = 0;
    for (path, expected) in &backups {
        let name = expected["file"].as_str().unwrap();
        let report = check(File::open(path).unwrap()).unwrap();
        same_label(name, &report, expected);
        let expected = expected["sets"].as_array().unwrap();
        assert_eq!(report.sets.len(), expected.len(), "{name}: number of sets");
        for (set, expected) in report.sets.iter().zip(expected) {
            let what = format!("{name}, set {}", set.checked.set.header.position);
            same_set(&what, set, expected);
            same_checks(&what, set, expected);
            sets += 1;
        }
    }
    println!(
        "{} files of the corpus read, {sets} backup sets",
        backups.len()
    );
}

#[test]
fn no_undamaged_backup_is_called_damaged() {
    let Some(backups) = backups() else { return };
    for (path, expected) in &backups {
        let name = expected["file"].as_str().unwrap();
        let report = check(File::open(path).unwrap()).unwrap();
        let faults: Vec<_> = report.faults.iter().map(|fault| &fault.message).collect();
        assert!(!report.is_damaged(), "{name}: {faults:#?}");
        assert_eq!(report.fault_count, 0, "{name}: {faults:#?}");
        assert!(report.notes.is_empty(), "{name}: {:?}", report.notes);
    }
    println!("{} files of the corpus read", backups.len());
}

#[test]
fn headers_alone_give_the_same_columns() {
    let Some(backups) = backups() else { return };
    for (path, expected) in &backups {
        let name = expected["file"].as_str().unwrap();
        let all = check(File::open(path).unwrap()).unwrap();
        let headers = read_headers(File::open(path).unwrap()).unwrap();
        assert!(headers.label == all.label, "{name}: label");
        assert_eq!(
            (headers.len, headers.medium),
            (all.len, all.medium),
            "{name}"
        );
        let columns = |report: &Report| -> Vec<BackupSet> {
            report
                .sets
                .iter()
                .map(|set| set.checked.set.clone())
                .collect()
        };
        assert!(columns(&headers) == columns(&all), "{name}: sets");
        assert!(!headers.is_damaged(), "{name}");
    }
    println!("{} files of the corpus read", backups.len());
}

fn same_label(name: &str, report: &Report, expected: &Value) {
    let label = report.label.as_ref().unwrap();
    let of_tape = json!({
        "family_id": label.media_family_id,
        "seq": label.media_sequence_number,
        "name": text(&label.media_name),
        "descr": text(&label.media_description),
        "password": label.has_password,
        "software": text(&label.software_name),
        "vendor": label.software_vendor_id,
        "date": date(&label.media_date),
    });
    same_all(name, &of_tape, &expected["media"]);
    let of_family = json!({
        "media_set": guid(&label.media_set_id),
        "families": label.family_count,
        "family": label.family_sequence_number,
        "mirrors": label.mirror_count,
    });
    same_all(name, &of_family, &expected["media"]["raid"]);
    assert_eq!(report.len, expected["size"], "{name}: length");
    let blocks = &expected["container"]["blocks"];
    let blocks = blocks.as_u64().unwrap_or_default();
    assert_eq!(report.container_blocks, blocks, "{name}: compressed blocks");
}

fn same_set(what: &str, set: &SetReport, expected: &Value) {
    let header = &set.checked.set.header;
    let outside = json!({
        "at": set.checked.set.offset,
        "number": header.position,
        "name": text(&header.backup_name),
        "descr": text(&header.backup_description),
        "user": text(&header.user_name),
        "vendor": header.software_vendor_id,
        "date": date(&header.backup_start_date),
        "tz_minutes": header.time_zone.map(|zone| zone.seconds() / 60),
        "set_guid": guid(&header.backup_set_guid),
        "machine": text(&header.machine_name),
    });
    same_all(what, &outside, expected);
    // Without the end copy, the start copy is what is shown.
    let start_only = SetDescriptors {
        end_configuration: Vec::new(),
        ..set.descriptors.clone()
    };
    let start = BackupSet::decode(&start_only, header.compressed);
    assert!(!start.is_complete, "{what}");
    let (head, tail) = (&expected["head"], &expected["tail"]);
    same_configuration(&format!("{what}, start"), &start, head, head);
    same_configuration(&format!("{what}, end"), &set.checked.set, tail, head);
}

/// Compares with one copy of the configuration; sizes of backed up files are of the start copy.
fn same_configuration(what: &str, set: &BackupSet, expected: &Value, start: &Value) {
    let (header, lineage) = (&set.header, &set.lineage);
    let (major, minor) = (header.software_version_major, header.software_version_minor);
    let plain = json!({
        "flags": header.flags.0,
        "software": format!("{major}.{minor}.{}", header.software_version_build),
        "db_created": date(&header.database_creation_date),
        "start": date(&header.backup_start_date),
        "finish": date(&header.backup_finish_date),
        "sort_order": header.sort_order,
        "compat": header.compatibility_level,
        "db_version": header.database_version,
        "backup_size": header.backup_size,
        "lcid": header.unicode_locale_id,
        "unicode_cmp": header.unicode_comparison_style,
        "binding_id": guid(&header.binding_id),
        "recovery_fork": guid(&header.recovery_fork_id),
        "fork_guid_b8": guid(&lineage.previous_fork_id),
        "database_backup_guid": guid(&lineage.database_backup_guid),
        "family": guid(&header.family_guid),
        "diff_base_guid": guid(&header.differential_base_guid),
        "database": text(&header.database_name),
        "server": text(&header.server_name),
        "recovery_model": header.recovery_model.name(),
        "compressed_backup_size": header.compressed_backup_size,
        "type": match header.backup_type.unwrap() {
            BackupType::Full => "D",
            BackupType::Log => "L",
            BackupType::Differential => "I",
            other => panic!("{other:?}"),
        },
    });
    same_all(what, &plain, &expected["set"]);
    let lsns = [
        ("first_lsn", header.first_lsn),
        ("last_lsn", header.last_lsn),
        ("checkpoint_lsn", header.checkpoint_lsn),
        ("database_backup_lsn", header.database_backup_lsn),
        ("fork_lsn_ac", lineage.fork_lsn),
        ("log_chain_origin_lsn", lineage.log_chain_origin_lsn),
        ("diff_base_lsn", header.differential_base_lsn),
        ("log_start_lsn", lineage.last_log_backup_lsn),
    ];
    same_lsns(what, &lsns, &expected["set"]);
    let files = expected["files"].as_array().unwrap();
    assert_eq!(set.files.len(), files.len(), "{what}: files");
    for (index, (file, expected)) in set.files.iter().zip(files).enumerate() {
        let at_start = &start["files"][index];
        let what = format!("{what}, file {index}");
        let plain = json!({
            "file_id": file.file_id,
            "type": file.file_type.letter().unwrap().to_string(),
            "sector": file.source_block_size,
            "filegroup_id": file.file_group_id,
            "size": file.size,
            "logical": file.logical_name,
            "physical": file.physical_name,
            "max_size": file.max_size,
            "diff_base_guid": guid(&file.differential_base_guid),
            "unique_id": guid(&file.unique_id),
        });
        same_all(&what, &plain, expected);
        let lsns = [
            ("create_lsn", file.create_lsn),
            ("drop_lsn", file.drop_lsn),
            ("diff_base_lsn", file.differential_base_lsn),
        ];
        same_lsns(&what, &lsns, expected);
        same(
            &what,
            &file.backup_size_in_bytes.into(),
            &at_start["backup_bytes"],
        );
        if file.file_type == FileType::Data {
            same(&what, &file.pages[0].into(), &at_start["pages"]);
        }
        let groups: &[Value] = start["filegroups"].as_array().unwrap();
        let group = text(&file.file_group_name);
        let is_known = groups.iter().any(|known| known["name"] == group);
        assert_eq!(
            is_known,
            file.file_type == FileType::Data,
            "{what}: filegroup"
        );
        // To 100 ns here, to a microsecond there: the seconds are compared.
        let seconds = |text: &str| {
            text.replace('T', " ")
                .split(['.', 'Z'])
                .next()
                .unwrap()
                .to_owned()
        };
        let found = file
            .differential_base_time
            .map(|time| seconds(&time.to_string()));
        assert_eq!(
            found,
            expected["time_106"].as_str().map(seconds),
            "{what}: time"
        );
    }
}

fn same_checks(what: &str, set: &SetReport, expected: &Value) {
    let pages = &set.pages;
    let expected_pages = &expected["pages"];
    if expected_pages.is_null() {
        assert_eq!(pages.total, 0, "{what}: pages");
    } else {
        let found = json!({
            "total": pages.total + pages.filler,
            "zero": pages.zero,
            "filler": pages.filler,
            "unformatted": pages.unformatted,
            "checksum_ok": pages.checksum_good,
            "checksum_bad": pages.checksum_wrong,
            "torn_ok": pages.torn_good,
            "torn_bad": pages.torn_wrong,
            "unprotected": pages.unprotected,
            "duplicate": pages.duplicates,
        });
        same_all(&format!("{what}: {found}"), &found, expected_pages);
        // Of differentials it is not told.
        let missing = set.missing.clone();
        if let Some(missing) = missing.or_else(|| set.allocation.as_ref()?.missing()) {
            let (allocated, count) = (missing.allocated, missing.count);
            assert_eq!(
                allocated, expected_pages["allocated_by_pfs"],
                "{what}: allocated"
            );
            assert_eq!(
                count, expected_pages["allocated_missing"],
                "{what}: missing"
            );
        }
    }
    let outcome = |level: Level| {
        let levels = &set.checked.levels;
        let report = levels.iter().find(|report| report.level == level);
        let report = report.unwrap_or_else(|| panic!("{what}: nothing is said of {level:?}"));
        (report.outcome.clone(), report.checked)
    };
    let sums = &expected["csum"];
    let streams = if sums.is_null() {
        &json!(0)
    } else {
        &sums["streams"]
    };
    assert_eq!(
        outcome(Level::BackupChecksums).1,
        *streams,
        "{what}: backup checksums"
    );
    let log = &expected["log"];
    let Some(found) = &set.checked.log else {
        assert!(log.is_null(), "{what}: there should be log blocks");
        return;
    };
    assert_eq!(found.blocks, log["blocks"], "{what}: log blocks");
    assert_eq!(found.commits, log["commits"], "{what}: commits");
    assert_eq!(
        outcome(Level::LogBlocks).1,
        log["checksum_ok"],
        "{what}: log checksums"
    );
    // SQL Server 2005 writes some records in another way; they count here.
    let odd = log["odd_records"].as_u64().unwrap();
    assert_eq!(
        Some(found.records - odd),
        log["records"].as_u64(),
        "{what}: records"
    );
    // To a third of a hundredth here, cut off to the millisecond there.
    let millis = |time: Option<jiff::civil::DateTime>| {
        let text = time.map(|time| format!("{time:.9}").replace('T', " "));
        text.map_or(Value::Null, |text| Value::from(&text[..23]))
    };
    same(
        &format!("{what}: first commit"),
        &millis(found.first_commit),
        &log["first_commit"],
    );
    same(
        &format!("{what}: last commit"),
        &millis(found.last_commit),
        &log["last_commit"],
    );
    assert!(
        !matches!(outcome(Level::LogContinuity).0, Outcome::Failed),
        "{what}"
    );
}

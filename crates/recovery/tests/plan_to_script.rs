//! From media to scripts: Microsoft's parser reads exactly the plan's steps out of the script.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail too"
)]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/oracle.rs"]
mod oracle;

use jiff::civil::{DateTime, date};
use mssql_backup::jiff;
use mssql_backup::set::Flags;
use mssql_backup::testing::{Database, Media, Set, write_media};
use recovery::catalogue::Catalogue;
use recovery::media::MediaFile;
use recovery::order::{Files, NoOrder, OrderOptions, order};
use recovery::plan::{Plan, PlanRequest, StepKind, plan};
use recovery::sql::{Existing, PathStyle, Purpose, RestoreOrder, scripts};
use serde_json::{Value, json};

/// Hours of one day.
fn at(hour: i8) -> DateTime {
    date(2026, 3, 1).at(hour, 0, 0, 0)
}

/// What the program makes of files: their checked sets under their names.
fn read(name: &str, stripes: Vec<Vec<u8>>) -> Vec<MediaFile> {
    let count = stripes.len();
    let file = |(index, bytes): (usize, Vec<u8>)| {
        let report = mssql_backup::read::check(bytes.as_slice()).unwrap();
        assert_eq!(report.fault_count, 0);
        MediaFile {
            name: match count {
                1 => name.to_owned(),
                _ => format!("{name}.{}", index + 1),
            },
            label: report.label,
            sets: report.sets.into_iter().map(|set| set.checked).collect(),
            trouble: None,
        }
    };
    stripes.into_iter().enumerate().map(file).collect()
}

/// A full backup on two stripes, a differential, and a file that logs were appended to: the first
/// before the differential, the third bulk-logged.
fn media() -> Vec<MediaFile> {
    let mut database = Database::new("Orders");
    database.commit(at(1));
    let mut full = database.full(at(2));
    full.has_checksums = true;
    let mut logs: Vec<Set> = Vec::new();
    let mut log = |database: &mut Database, hour| {
        database.commit(at(hour));
        let half_past = at(hour).saturating_add(jiff::ToSpan::minutes(30));
        let mut log = database.log(half_past);
        log.has_checksums = hour != 7;
        logs.push(log);
    };
    log(&mut database, 3);
    let differential = database.differential(at(4));
    for hour in [5, 6, 7, 8] {
        log(&mut database, hour);
    }
    logs[2].flags = Flags::BULK_LOGGED_DATA;
    let media = |id: u8, families| Media {
        families,
        id: mssql_backup::guid::Guid([id; 16]),
        ..Media::default()
    };
    let mut files = read("sql/full.bak", write_media(&media(1, 2), &[full]));
    files.extend(read("diff.bak", write_media(&media(2, 1), &[differential])));
    files.extend(read("sql/logs.trn", write_media(&media(3, 1), &logs)));
    files
}

fn planned(at: Option<DateTime>) -> Plan {
    let request = PlanRequest {
        at,
        ..PlanRequest::default()
    };
    let plan = plan(&Catalogue::of(media()), &request).unwrap();
    assert!(plan.is_possible(), "{:?}", plan.findings);
    plan
}

fn windows() -> OrderOptions {
    OrderOptions {
        move_data: Some("E:\\data".to_owned()),
        move_log: Some("L:\\log".to_owned()),
        ..OrderOptions::new(PathStyle::Windows, "D:\\restore")
    }
}

#[test]
fn the_parsed_statements_are_the_steps_of_the_plan() {
    let linux = OrderOptions::new(PathStyle::Linux, "/restore");
    let rehearsal = OrderOptions {
        purpose: Purpose::Rehearsal,
        target_database: Some("Orders drill".to_owned()),
        ..windows()
    };
    let replacing = OrderOptions {
        existing: Existing::Replace,
        ..windows()
    };
    // Into the last log, into the bulk-logged one's successor, to the end, and without logs.
    let times = [
        Some(at(8).saturating_add(jiff::ToSpan::minutes(10))),
        Some(at(7)),
        None,
        Some(at(4).saturating_add(jiff::ToSpan::minutes(1))),
    ];
    let mut cases = Vec::new();
    for options in [windows(), linux, rehearsal, replacing] {
        for time in times {
            let plan = planned(time);
            cases.push((order(&plan, &options).unwrap(), plan, options.clone()));
        }
    }
    let restore = |order: &RestoreOrder| {
        let scripts = scripts(order).unwrap().into_iter();
        let mut texts = scripts.filter(|one| one.name == "04-restore");
        texts.next().unwrap().text
    };
    let texts: Vec<String> = cases.iter().map(|(order, ..)| restore(order)).collect();
    let Some(answers) = oracle::read(texts.iter().map(String::as_str)) else {
        return;
    };
    for ((_, plan, options), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer.errors, [""; 0]);
        let expected: Vec<Value> = (0..plan.steps.len())
            .map(|index| statement(plan, index, options))
            .collect();
        let expected: Vec<&Value> = expected.iter().collect();
        assert_eq!(answer.of_type("RestoreStatement"), expected);
    }
}

/// The statement of a step, from the plan alone.
fn statement(plan: &Plan, index: usize, options: &OrderOptions) -> Value {
    let step = &plan.steps[index];
    let is_windows = options.path_style == PathStyle::Windows;
    let device = |name: &String| {
        let name = name.strip_prefix("sql/").unwrap_or(name);
        match is_windows {
            true => json!(["Disk", format!("D:\\restore\\sql\\{name}")]),
            false => json!(["Disk", format!("/restore/sql/{name}")]),
        }
    };
    let mut arguments = vec![json!(["File", step.file_number.to_string()])];
    if index == 0 {
        let prefix = match &options.target_database {
            Some(name) => format!("{name}_"),
            None => String::new(),
        };
        arguments.extend(step.set.files.iter().map(|file| {
            let name = file.physical_name.rsplit(['\\', '/']).next().unwrap();
            let folder = match (is_windows, name.ends_with(".ldf")) {
                (true, true) => "L:\\log\\",
                (true, false) => "E:\\data\\",
                (false, _) => "/var/opt/mssql/data/",
            };
            json!(["Move", file.logical_name, format!("{folder}{prefix}{name}")])
        }));
        assert_eq!(arguments.len(), 3, "a data file and a log file");
        arguments.extend((options.existing == Existing::Replace).then(|| json!(["Replace"])));
    }
    let flags = step.set.header.flags;
    arguments.extend(
        flags
            .contains(Flags::BACKUP_CHECKSUMS)
            .then(|| json!(["Checksum"])),
    );
    arguments.extend(
        step.stop_at
            .map(|time| json!(["StopAt", time.strftime("%Y-%m-%dT%H:%M:%S").to_string()])),
    );
    arguments.extend([json!(["NoRecovery"]), json!(["Stats", "10"])]);
    let kind = match step.kind {
        StepKind::Log => "TransactionLog",
        StepKind::Full | StepKind::Differential => "Database",
    };
    let database = options.target_database.as_ref().unwrap_or(&plan.database);
    let devices: Vec<Value> = step.files.iter().map(device).collect();
    json!({"type": "RestoreStatement", "kind": kind, "database": database, "devices": devices,
        "options": arguments})
}

#[test]
fn a_stop_passes_a_bulk_logged_log_by() {
    let plan = planned(Some(at(8)));
    let order = order(&plan, &windows()).unwrap();
    let whole: Vec<bool> = order
        .steps
        .iter()
        .map(|step| step.is_applied_whole)
        .collect();
    assert!(whole.contains(&true) && order.stop_at.is_some());
    for (step, planned) in order.steps.iter().zip(&plan.steps) {
        let stops = step.kind == recovery::sql::StepKind::Log && !step.is_applied_whole;
        assert_eq!(planned.stop_at.is_some(), stops);
    }
}

#[test]
fn the_stripes_of_a_backup_stay_in_their_order() {
    let order = order(&planned(None), &windows()).unwrap();
    let expected = [1, 2].map(|family| format!("D:\\restore\\sql\\full.bak.{family}"));
    assert_eq!(order.steps[0].files, expected);
    let log_files = order.steps[2..].iter().map(|step| step.file_number);
    assert_eq!(log_files.collect::<Vec<u32>>(), [2, 3, 4, 5]);
}

#[test]
fn files_can_stay_where_they_are() {
    let mut options = windows();
    options.files = Files::InPlace;
    let plan = planned(None);
    let order = order(&plan, &options).unwrap();
    for (step, planned) in order.steps.iter().zip(&plan.steps) {
        assert_eq!(step.files, planned.files);
    }
}

#[test]
fn the_server_must_be_as_new_as_the_newest_backup() {
    let order = order(&planned(None), &windows()).unwrap();
    assert_eq!((order.min_major_version, order.database_version), (15, 904));
}

#[test]
fn a_file_that_was_added_after_the_full_backup_goes_where_the_first_set_that_lists_it_stands() {
    let mut plan = planned(None);
    let mut added = plan.steps[0].set.files[0].clone();
    added.logical_name = "archive2".to_owned();
    for step in &mut plan.steps[2..] {
        step.set.files.push(added.clone());
    }
    let mut options = windows();
    options.move_data = Some("E:\\data".to_owned());
    let order = order(&plan, &options).unwrap();
    let counts: Vec<usize> = order.steps.iter().map(|step| step.moves.len()).collect();
    let of_full = plan.steps[0].set.files.len();
    assert_eq!(counts, [of_full, 0, 1, 0, 0, 0]);
    let added = &order.steps[2].moves[0];
    assert_eq!(added.logical_name, "archive2");
    assert!(added.target_path.starts_with("E:\\data\\"), "{added:?}");
    let of_full = order.steps[0].moves.iter();
    assert!(
        !of_full
            .map(|one| &one.target_path)
            .any(|path| *path == added.target_path)
    );
}

#[test]
fn what_cannot_be_restored_gives_no_order() {
    let mut plan = planned(None);
    plan.steps[0].set.files.clear();
    assert_eq!(
        order(&plan, &windows()),
        Err(NoOrder::NoFileList {
            database: "Orders".to_owned()
        })
    );
    plan.steps.clear();
    assert_eq!(order(&plan, &windows()), Err(NoOrder::NotPossible));
}

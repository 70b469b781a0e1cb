//! `bakpak plan`: what is told of made backups, in words, as JSON and as scripts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::path::Path;

use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;
use mssql_backup::guid::Guid;
use mssql_backup::set::RecoveryModel;
use mssql_backup::testing::{Database, Media, Set, write_media};
use serde_json::{Value, json};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

#[path = "support/plans.rs"]
mod plans;

use plans::{codes, plan_of};
use sandbox::Sandbox;

/// Hours of one day.
fn at(hour: i8) -> DateTime {
    date(2026, 3, 1).at(hour, 0, 0, 0)
}

/// Writes sets as `NAME`, or as `NAME.1` and so on if they are on several stripes.
fn write(sandbox: &Sandbox, name: &str, families: u16, sets: &[Set]) {
    let id: [u8; 16] = std::array::from_fn(|index| name.as_bytes()[index % name.len()]);
    let media = Media {
        families,
        id: Guid(id),
        ..Media::default()
    };
    for (stripe, number) in write_media(&media, sets).into_iter().zip(1..) {
        match families {
            1 => sandbox.write(name, stripe),
            _ => sandbox.write(&format!("{name}.{number}"), stripe),
        };
    }
}

/// In `sql`: a full backup at 2:00 on two stripes, a differential at 4:00, and logs at 3:30, 5:30,
/// 6:30, 7:30 in one file. A transaction is committed each hour. The server's clock is UTC+1.
fn make_chain(sandbox: &Sandbox) {
    let mut database = Database::new("Orders");
    database.utc_offset = Offset::constant(1);
    database.commit(at(1));
    let mut sets = vec![database.full(at(2))];
    let mut logs = Vec::new();
    for hour in [3, 4, 5, 6, 7] {
        if hour == 4 {
            sets.push(database.differential(at(hour)));
            continue;
        }
        database.commit(at(hour));
        logs.push(database.log(at(hour) + 30.minutes()));
    }
    for set in sets.iter_mut().chain(&mut logs) {
        set.has_checksums = true;
    }
    write(sandbox, "sql/full.bak", 2, &sets[..1]);
    write(sandbox, "sql/diff.bak", 1, &sets[1..]);
    write(sandbox, "sql/logs.trn", 1, &logs);
}

/// `full`, `log 2` and so on.
fn steps(plan: &Value) -> Vec<String> {
    let steps = plan["steps"].as_array().unwrap().iter();
    let word = |step: &Value| format!("{} {}", step["type"].as_str().unwrap(), step["file_number"]);
    steps.map(word).collect()
}

#[test]
fn a_chain_is_told_with_all_that_its_statements_need() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let run = sandbox.typed("plan sql --at 2026-03-01T07:10").succeeds();
    let text = run.text();
    for line in [
        "'Orders' can be restored",
        "state of   2026-03-01 07:10:00 (06:10:00Z)",
        "1. full          FILE = 1     'sql/full.bak.1'",
        "                              'sql/full.bak.2'",
        "2. differential  FILE = 1     'sql/diff.bak'",
        "3. log           FILE = 2     'sql/logs.trn'",
        "5. log           FILE = 4     'sql/logs.trn'",
        "                              STOPAT 2026-03-01T07:10:00",
        "┤ STOPAT 07:10 (06:10Z)",
    ] {
        assert!(text.contains(line), "no '{line}' in:\n{text}");
    }
    assert!(!text.contains("6. "), "{text}");
    assert_eq!(run.err, "");
}

#[test]
fn json_is_one_object_with_every_key() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let run = sandbox.typed("plan sql --at 2026-03-01T05:10 --json");
    let plan = plan_of(&run.succeeds());
    let moment = |hour: u8, minute: u8| {
        json!({"local": format!("2026-03-01T{hour:02}:{minute:02}:00"),
            "utc": format!("2026-03-01T{:02}:{minute:02}:00Z", hour - 1)})
    };
    let keys: Vec<_> = plan.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys.len(),
        14,
        "v, type and the 12 that are looked at below: {keys:?}"
    );
    assert_eq!(plan["database"], "Orders");
    assert_eq!(plan["verdict"], "covered");
    assert_eq!(plan["exit"], 0);
    assert_eq!(plan["asked"], moment(5, 10));
    assert_eq!(plan["at"], moment(5, 10));
    assert_eq!(plan["window"], plan["windows"][0]);
    let window = plan["window"].as_object().unwrap();
    let keys: Vec<_> = window.keys().map(String::as_str).collect();
    assert_eq!(keys, ["from", "last_lsn", "to", "until", "whole"]);
    assert_eq!(plan["windows"].as_array().unwrap().len(), 1);
    assert_eq!(
        plan["steps"],
        json!([
            {"type": "full", "files": ["sql/full.bak.1", "sql/full.bak.2"], "file_number": 1,
                "stop_at": null},
            {"type": "differential", "files": ["sql/diff.bak"], "file_number": 1, "stop_at": null},
            {"type": "log", "files": ["sql/logs.trn"], "file_number": 2, "stop_at": moment(5, 10)},
        ])
    );
    let finding = plan["findings"][0].as_object().unwrap();
    let keys: Vec<_> = finding.keys().map(String::as_str).collect();
    assert_eq!(keys, ["code", "database", "help", "message", "severity"]);
    assert_eq!(codes(&plan), ["BP120"], "several sets in one file");
    for empty in ["notes", "left_out", "scripts"] {
        assert_eq!(plan[empty], json!([]), "{empty}");
    }
}

#[test]
fn without_a_moment_it_is_the_newest() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let plan = plan_of(&sandbox.typed("plan sql --json").succeeds());
    assert_eq!(
        steps(&plan),
        ["full 1", "differential 1", "log 2", "log 3", "log 4"]
    );
    assert_eq!(plan["asked"], Value::Null);
    assert_eq!(plan["steps"][4]["stop_at"], Value::Null);
}

#[test]
fn one_moment_is_the_same_however_it_is_typed() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    for typed in [
        ["--at", "2026-03-01 06:10"].as_slice(),
        &["--at", "2026-03-01T06:10:00.000"],
        &["--at", "2026-03-01T05:10Z"],
        &["--at", "2026-03-01 07:10+02:00"],
        &["--at", "2026-03-01 06:10", "--tz", "Europe/Berlin"],
        &["--at", "2026-03-01 00:10", "--tz", "America/New_York"],
        &["--at", "2026-03-01 10:40", "--tz", "+05:30"],
    ] {
        let run = sandbox.bakpak([["plan", "sql", "--json"].as_slice(), typed].concat());
        let plan = plan_of(&run.succeeds());
        let at = json!({"local": "2026-03-01T06:10:00", "utc": "2026-03-01T05:10:00Z"});
        assert_eq!(plan["at"], at, "{typed:?}");
        assert_eq!(plan["steps"][3]["stop_at"], at, "{typed:?}");
    }
}

#[test]
fn a_time_that_occurs_twice_or_never_is_refused_with_what_to_type() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    for (time, words) in [
        (
            "2026-10-25T02:30",
            "the first time: --at 2026-10-25T02:30:00+02",
        ),
        ("2026-03-29T02:30", "does not occur"),
    ] {
        let line = format!("plan sql --at {time} --tz Europe/Berlin");
        sandbox.typed(&line).exits(2).says(words);
    }
}

#[test]
fn an_hour_that_the_server_had_twice_is_told() {
    let sandbox = Sandbox::new();
    let night = |hour, minute| date(2026, 10, 25).at(hour, minute, 0, 0);
    let mut database = Database::new("Orders");
    database.utc_offset = Offset::constant(2);
    write(&sandbox, "sql/full.bak", 1, &[database.full(night(1, 0))]);
    database.commit(night(2, 10));
    database.utc_offset = Offset::constant(1);
    database.commit(night(3, 10));
    write(&sandbox, "sql/log.trn", 1, &[database.log(night(3, 30))]);
    // By the server's own clock nobody knows which; in its zone everybody does.
    let line = "plan sql --json --at 2026-10-25T";
    let plan = plan_of(&sandbox.typed(&format!("{line}02:30")).succeeds());
    let note = plan["notes"][0].as_str().unwrap();
    assert!(note.contains("set back from UTC+02 to UTC+01"), "{note}");
    assert_eq!(plan["asked"]["utc"], Value::Null);
    let line = format!("{line}00:15Z");
    sandbox.typed(&line).exits(2).says("what it showed then");
    let line = "plan sql --json --tz Europe/Berlin --at 2026-10-25T";
    let plan = plan_of(&sandbox.typed(&format!("{line}01:30")).succeeds());
    assert_eq!(plan["asked"]["utc"], "2026-10-24T23:30:00Z");
    let plan = plan_of(&sandbox.typed(&format!("{line}03:15")).succeeds());
    assert_eq!(plan["asked"]["utc"], "2026-10-25T02:15:00Z");
    assert_eq!(plan["at"], plan["asked"]);
    assert_eq!(plan["notes"], json!([]));
}

#[test]
fn wrong_usage_ends_with_2() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    for line in [
        "plan",
        "plan sql --at yesterday",
        "plan sql --at 2026-03-01",
        "plan sql --tz Europe/Berlin",
        "plan sql --at 2026-03-01T06:10Z --tz Europe/Berlin",
        "plan sql --at 2026-03-01T06:10 --tz Nowhere/Atall",
        "plan sql --to-sql-version 2018",
        "plan sql --move-data D:\\data",
        "plan sql --database Custmers",
        "plan -",
        "explain BP999",
    ] {
        sandbox.typed(line).exits(2);
    }
    sandbox.typed("plan gone.bak").exits(10);
}

#[test]
fn a_moment_outside_of_the_backups_ends_with_32_and_the_nearest_ones() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    for (time, code) in [("01:00", "BP165"), ("23:00", "BP166")] {
        let line = format!("plan sql --at 2026-03-01T{time} --json");
        let plan = plan_of(&sandbox.typed(&line).exits(32));
        assert_eq!(plan["verdict"], "not-possible");
        assert_eq!(plan["exit"], 32);
        assert_eq!((&plan["at"], &plan["window"]), (&Value::Null, &Value::Null));
        assert_eq!(codes(&plan)[0], code);
        assert_eq!(steps(&plan), [""; 0]);
        assert_eq!(plan["windows"].as_array().unwrap().len(), 1);
    }
    let text = sandbox
        .typed("plan sql --at 2026-03-01T23:00")
        .exits(32)
        .text();
    assert!(
        text.contains("'Orders' CANNOT be restored to 2026-03-01 23:00:00"),
        "{text}"
    );
    assert!(text.contains("nearest moment"), "{text}");
}

#[test]
fn behind_a_gap_in_the_log_there_is_no_way() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    database.commit(at(1));
    write(&sandbox, "sql/full.bak", 1, &[database.full(at(2))]);
    for hour in [3, 4, 5] {
        database.commit(at(hour));
        let log = database.log(at(hour) + 30.minutes());
        if hour != 4 {
            write(&sandbox, &format!("sql/log{hour}.trn"), 1, &[log]);
        }
    }
    let run = sandbox.typed("plan sql --at 2026-03-01T05:10 --json");
    let plan = plan_of(&run.exits(32));
    assert_eq!(codes(&plan)[0], "BP121");
    // Up to the gap it can be restored.
    // That something newer is lost is told, and is no success.
    let plan = plan_of(&sandbox.typed("plan sql --json").exits(23));
    assert_eq!(steps(&plan), ["full 1", "log 1"]);
    assert_eq!(codes(&plan)[0], "BP121");
}

#[test]
fn a_missing_stripe_of_a_log_is_the_error_and_told_before_the_gap_it_makes() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    let full = database.full(at(2));
    let mut logs = Vec::new();
    for hour in [3, 4, 5] {
        database.commit(at(hour));
        logs.push(database.log(at(hour) + 30.minutes()));
    }
    write(&sandbox, "sql/full.bak", 1, &[full]);
    write(&sandbox, "sql/one.trn", 1, &logs[..1]);
    write(&sandbox, "sql/two.trn", 2, &logs[1..2]);
    write(&sandbox, "sql/three.trn", 1, &logs[2..]);
    fs::remove_file(sandbox.path("sql/two.trn.2")).unwrap();
    let run = sandbox.typed("plan sql").exits(23);
    let text = run.text();
    let stripe = text.find("error    BP125").expect("it is an error");
    let gap = text
        .find("error    BP121 log chain gap: no usable log backup here")
        .expect("it is told");
    assert!(stripe < gap, "{text}");
    assert_eq!(text.matches("BP125").count(), 1, "{text}");
}

#[test]
fn a_backup_that_was_cut_is_told_once() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    let full = database.full(at(2));
    database.commit(at(3));
    write(&sandbox, "sql/one.bak", 1, &[full]);
    write(&sandbox, "sql/log.trn", 1, &[database.log(at(4))]);
    write(&sandbox, "sql/two.bak", 1, &[database.full(at(5))]);
    for name in ["sql/two.bak", "sql/one.bak"] {
        let bytes = sandbox.read(name);
        sandbox.write(name, &bytes[..bytes.len() / 2]);
        let text = sandbox.typed("plan sql").text();
        let told: Vec<&str> = text.lines().filter(|line| line.contains("BP134")).collect();
        let once: std::collections::BTreeSet<_> = told.iter().collect();
        assert!(!told.is_empty() && told.len() == once.len(), "{text}");
    }
}

#[test]
fn logs_that_add_nothing_and_second_copies_are_noted() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    let full = database.full(at(2));
    database.commit(at(3));
    let log = database.log(at(4));
    database.commit(at(5));
    let differential = database.differential(at(6));
    write(&sandbox, "sql/full.bak", 1, std::slice::from_ref(&full));
    write(&sandbox, "sql/log.trn", 1, &[log]);
    write(&sandbox, "sql/diff.bak", 1, &[differential]);
    let text = sandbox.typed("plan sql").succeeds().text();
    let note = "not applied since the full backup: 1 log backup";
    assert!(!text.contains("BP168"), "{text}");
    assert!(text.contains(note), "{text}");
    fs::copy(sandbox.path("sql/full.bak"), sandbox.path("sql/copy.bak")).unwrap();
    let text = sandbox.typed("plan sql").succeeds().text();
    assert!(text.contains("info     BP168"), "{text}");
}

#[test]
fn without_one_of_its_stripes_nothing_is_restored() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let without = "plan sql/full.bak.1 sql/diff.bak sql/logs.trn";
    let plan = plan_of(&sandbox.typed(&format!("{without} --json")).exits(23));
    assert!(codes(&plan).contains(&"BP125"), "{plan}");
    assert_eq!(plan["windows"], json!([]));
    let text = sandbox.typed(without).exits(23).text();
    assert!(
        text.contains("CANNOT") && text.contains("missing: 2"),
        "{text}"
    );
}

#[test]
fn a_differential_without_its_base_is_told() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let run = sandbox.typed("plan sql/diff.bak sql/logs.trn --json");
    let plan = plan_of(&run.exits(23));
    assert!(codes(&plan).contains(&"BP163"), "{plan}");
    assert!(codes(&plan).contains(&"BP122"), "{plan}");
}

#[test]
fn a_damaged_differential_is_passed_by_unless_only_headers_are_read() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let mut damaged = sandbox.read("sql/diff.bak");
    let page = damaged.windows(4).position(|tag| tag == b"MQDA").unwrap() + 24 + 8192 * 3;
    damaged[page + 500] ^= 1;
    sandbox.write("sql/diff.bak", damaged);
    let plan = plan_of(&sandbox.typed("plan sql --json").succeeds());
    assert_eq!(steps(&plan), ["full 1", "log 1", "log 2", "log 3", "log 4"]);
    assert!(codes(&plan).contains(&"BP124"), "{plan}");
    let quick = plan_of(&sandbox.typed("plan sql --headers-only --json").succeeds());
    assert_eq!(steps(&quick)[1], "differential 1");
    sandbox.typed("plan sql --fail-on warning").exits(3);
}

#[test]
fn several_databases_are_listed_and_one_is_named() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    write(
        &sandbox,
        "sql/other.bak",
        1,
        &[Database::new("Shop").full(at(2))],
    );
    let run = sandbox.typed("plan sql").exits(2);
    run.says("--database 'Orders'").says("--database 'Shop'");
    let run = sandbox.typed("plan sql --database shop --json");
    let plan = plan_of(&run.succeeds());
    assert_eq!(plan["database"], "Shop");
    let run = sandbox.typed("plan sql --json").exits(2);
    assert_eq!(run.events("error")[0]["hints"].as_array().unwrap().len(), 2);
}

#[test]
fn files_that_are_no_backups_are_told_and_left_out() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    sandbox.write("sql/readme.txt", "not a backup");
    let text = sandbox.typed("plan sql").succeeds().text();
    let words = "'sql/readme.txt' is no SQL Server backup";
    assert!(text.contains(words), "{text}");
    let plan = plan_of(&sandbox.typed("plan sql --json").succeeds());
    assert_eq!(plan["left_out"], json!(["sql/readme.txt"]));
    sandbox.typed("plan sql/readme.txt").exits(23).says(words);
}

#[test]
fn in_simple_recovery_it_is_the_backup_before() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    database.recovery_model = RecoveryModel::Simple;
    write(&sandbox, "full.bak", 1, &[database.full(at(2))]);
    let run = sandbox.typed("plan full.bak --at 2026-03-01T05:00 --json");
    let plan = plan_of(&run.exits(32));
    assert_eq!(plan["verdict"], "earlier");
    assert_eq!(steps(&plan), ["full 1"]);
    assert_eq!(codes(&plan)[0], "BP128");
}

#[test]
fn an_older_server_is_refused() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    for older in ["2017", "14.0"] {
        let line = format!("plan sql --at 2026-03-01T05:10 --to-sql-version {older} --json");
        let plan = plan_of(&sandbox.typed(&line).exits(23));
        assert_eq!(codes(&plan)[0], "BP140");
    }
    for newer in ["2019", "15", "16.0.1000.6"] {
        let line = format!("plan sql --to-sql-version {newer}");
        sandbox.typed(&line).succeeds();
    }
}

#[test]
fn scripts_are_written_once_and_name_places_on_the_target() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    let line = "plan sql --at 2026-03-01T07:10 --sql out/scripts --restore-from D:\\restore \
                --move-data E:\\data --move-log L:\\log";
    let plan = plan_of(&sandbox.typed(&format!("{line} --json")).succeeds());
    let names = [
        "00-preflight.sql",
        "02-verify-media.sql",
        "04-restore.sql",
        "05-recover.sql",
        "07-prove.sql",
    ];
    assert_eq!(sandbox.names("out/scripts"), names);
    let paths = names.map(|name| Path::new("out/scripts").join(name));
    assert_eq!(plan["scripts"], json!(paths));
    let script = |name: &str| String::from_utf8(sandbox.read(name)).unwrap();
    let restore = script("out/scripts/04-restore.sql");
    for words in [
        "DISK = N'D:\\restore\\full.bak.1',",
        "DISK = N'D:\\restore\\full.bak.2'",
        "MOVE N'Orders' TO N'E:\\data\\",
        "MOVE N'Orders_log' TO N'L:\\log\\",
        "WITH FILE = 4,",
        "STOPAT = N'2026-03-01T07:10:00",
        "THROW 50004",
    ] {
        assert!(restore.contains(words), "no {words} in:\n{restore}");
    }
    assert!(!restore.contains("REPLACE,"), "{restore}");

    sandbox.typed(line).exits(31).says("already there");
    assert_eq!(script("out/scripts/04-restore.sql"), restore);
    let other = line.replace("out/scripts", "out/other");
    sandbox.typed(&format!("{other} --replace")).succeeds();
    assert!(script("out/other/04-restore.sql").contains("REPLACE,"));
    // Whatever cannot be restored has no scripts.
    let line = "plan sql --at 2026-03-01T23:00 --sql out/none";
    sandbox.typed(line).exits(32);
    assert!(!sandbox.path("out/none").exists());
}

#[cfg(unix)]
#[test]
fn without_a_word_scripts_take_the_files_from_where_they_are() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    // The old server was a Windows one, which has no such paths.
    let run = sandbox.typed("plan sql --sql out").exits(2);
    run.says("--restore-from").says("--target linux");
    assert!(!sandbox.path("out").exists());
    sandbox
        .typed("plan sql --sql out --target linux")
        .succeeds();
    let restore = String::from_utf8(sandbox.read("out/04-restore.sql")).unwrap();
    let place = sandbox.path("sql/full.bak.1").canonicalize().unwrap();
    let place = format!("DISK = N'{}'", place.display());
    assert!(restore.contains(&place), "no {place} in:\n{restore}");
    assert!(restore.contains("TO N'/var/opt/mssql/data/"), "{restore}");
}

#[test]
fn an_archive_tells_the_same_plan_as_the_files_in_it() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    sandbox
        .typed("pack -o a.bakpak --sql sql --key-file data.key")
        .succeeds();
    for more in ["", "--at 2026-03-01T05:10Z", "--at 2026-03-01T23:00"] {
        let archive = sandbox.typed(&format!("plan a.bakpak --key-file data.key --json {more}"));
        let files = sandbox.typed(&format!("plan sql --json {more}"));
        assert_eq!(plan_of(&archive), plan_of(&files), "{more}");
        assert_eq!(archive.code, files.code);
    }
    sandbox.typed("plan a.bakpak").exits(13);
    sandbox
        .typed("plan a.bakpak sql --key-file data.key")
        .exits(2)
        .says("by itself");

    let line = "plan a.bakpak --key-file data.key --sql out";
    // Where a runbook has it, unless a folder is named; and that is said.
    for (number, target, place) in [
        (1, "windows", "D:\\restore\\sql\\full.bak.2"),
        (2, "linux", "/srv/restore/sql/full.bak.2"),
    ] {
        let data = match target {
            "windows" => "E:\\data",
            _ => "/data",
        };
        let line = format!("{line}{number} --target {target} --move-data {data}");
        let run = sandbox.typed(&line).succeeds();
        assert!(
            run.text().contains("--restore-from says another folder"),
            "{}",
            run.text()
        );
        let script = sandbox.read(&format!("out{number}/04-restore.sql"));
        let script = String::from_utf8(script).unwrap();
        assert!(
            script.contains(&format!("DISK = N'{place}'")),
            "no {place} in:\n{script}"
        );
    }
    sandbox
        .typed(&format!("{line} --restore-from D:\\restored"))
        .succeeds();
    let restore = String::from_utf8(sandbox.read("out/04-restore.sql")).unwrap();
    let place = "DISK = N'D:\\restored\\sql\\full.bak.2'";
    assert!(restore.contains(place), "no {place} in:\n{restore}");
}

#[test]
fn an_incomplete_archive_is_noted() {
    let sandbox = Sandbox::new();
    make_chain(&sandbox);
    sandbox
        .typed("pack -o a.bakpak --sql sql --attach gone --allow-incomplete --key-file data.key")
        .succeeds();
    let run = sandbox
        .typed("plan a.bakpak --key-file data.key")
        .succeeds();
    assert!(run.text().contains("note  the archive is incomplete"));
}

#[test]
fn an_archive_without_backups_has_no_plan() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    sandbox
        .typed("plan a.bakpak --key-file data.key")
        .exits(23)
        .says("no backup of a database");
}

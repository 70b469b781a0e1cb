//! `bakpak runbook`: what it says of made servers, in which order, and what it writes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;
use mssql_backup::testing::{Database, Media, Set, write_media};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Run, Sandbox};

const KEY: &str = "--key-file data.key";

/// Hours of one day, long before the archive is packed.
fn at(hour: i8) -> DateTime {
    date(2020, 3, 1).at(hour, 0, 0, 0)
}

fn one_file(sandbox: &Sandbox, name: &str, sets: &[Set]) {
    let mut id = [0; 16];
    for (index, byte) in name.bytes().enumerate() {
        id[index % 16] ^= byte;
    }
    let media = Media {
        id: mssql_backup::guid::Guid(id),
        ..Media::default()
    };
    sandbox.write(name, write_media(&media, sets).remove(0));
}

/// A full backup, and a log backup an hour later, of a server whose clock is UTC+1.
fn backups(sandbox: &Sandbox, name: &str, start: DateTime) {
    let mut database = Database::new(name);
    database.utc_offset = Offset::constant(1);
    database.commit(start);
    let full = database.full(start + 1.minute());
    database.commit(start + 40.minutes());
    let log = database.log(start + 1.hour());
    one_file(sandbox, &format!("sql/{name}.bak"), &[full]);
    one_file(sandbox, &format!("sql/{name}.trn"), &[log]);
}

/// A server of Octopus: its database, its folders but one, its configuration, its key.
fn octopus(sandbox: &Sandbox, start: DateTime) {
    backups(sandbox, "OctopusDeploy", start);
    for (name, content) in [
        ("Packages/feed/app.1.0.zip", "PK package"),
        ("Packages/feed/app.1.1.zip", "PK package of more"),
        ("Artifacts/report.txt", "all is well"),
        ("TaskLogs/1.txt", "deployed"),
        ("OctopusServer.config", "<octopus-settings/>"),
        ("Extensions/own.dll", "MZ"),
    ] {
        sandbox.write(&format!("home/{name}"), content);
    }
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==\n");
}

fn pack(sandbox: &Sandbox, home: &str, more: &str) -> Run {
    sandbox.typed(&format!(
        "pack -o a.bakpak --sql sql --home {home} {KEY} --master-key-file master-key.txt \
         --envelope-key-file safe.key {more}"
    ))
}

/// An archive of that server, packed after its backups.
fn packed() -> Sandbox {
    let sandbox = Sandbox::new();
    octopus(&sandbox, at(2));
    pack(&sandbox, "home", "--contact night-shift").succeeds();
    sandbox
}

fn runbook(sandbox: &Sandbox, more: &str) -> Run {
    sandbox.typed(&format!("runbook a.bakpak {KEY} {more}"))
}

/// The texts stand in this order, all of them.
#[track_caller]
fn in_order(text: &str, wanted: &[&str]) {
    let mut start = 0;
    for part in wanted {
        let found = text[start..].find(part);
        start += found.unwrap_or_else(|| panic!("no '{part}' behind {start} in:\n{text}"));
    }
}

#[test]
fn a_server_of_octopus_is_restored_in_the_order_that_loses_nothing() {
    let sandbox = packed();
    let run = runbook(&sandbox, "").succeeds();
    in_order(
        &run.text(),
        &[
            "# Recovery from 'a.bakpak'",
            "night-shift",
            "its key file; the master-key envelope by a key file of its own",
            "'OctopusDeploy' as of 2020-03-01 03:00:00 (02:00:00Z), 2 restores",
            "2 files, 28 bytes in 'home/Packages'",
            "the database as of",
            "bakpak verify",
            "bakpak master-key exec",
            "Fence the old server",
            "03-tail-of-log.sql",
            "bakpak unpack",
            "00-preflight.sql",
            "02-verify-media.sql",
            "04-restore.sql",
            "05-recover.sql",
            "home/Packages",
            "Do not restore 'home/OctopusServer.config'",
            "'home/Extensions'",
            "--masterKey",
            "07-prove.sql",
        ]
        .map(|words| match words {
            "the database as of" => "database as of 2020-03-01 03:00:00",
            other => other,
        }),
    );
    assert_eq!(run.err, "");
}

#[test]
fn what_is_wrong_with_the_home_is_told_before_anything_is_done() {
    let sandbox = packed();
    let text = runbook(&sandbox, "").succeeds().text();
    for (code, words) in [
        ("BP113", "EventExports is not there"),
        (
            "BP106",
            "'home/OctopusServer.config': it is the live configuration",
        ),
    ] {
        assert!(
            text.find(words).unwrap() < text.find("## 2").unwrap(),
            "{text}"
        );
        assert!(text.contains(&format!("bakpak explain '{code}'")), "{text}");
    }
    assert!(!text.contains("BP110") && !text.contains("BP111"), "{text}");
    assert!(text.contains("(safe)"), "{text}");
}

#[test]
fn scripts_lie_where_the_runbook_names_them_and_nothing_is_overwritten() {
    let sandbox = packed();
    let run = runbook(&sandbox, "-o night.md").succeeds();
    assert_eq!(run.text(), "");
    assert!(run.err.contains("6 scripts in 'night-sql'"), "{}", run.err);
    let text = String::from_utf8(sandbox.read("night.md")).unwrap();
    // In commands and, of the one for the old server, in words.
    let slashed = text.replace('\\', "/");
    let named = slashed.split("night-sql/").skip(1);
    let named: std::collections::BTreeSet<&str> = named
        .filter_map(|rest| rest.split_inclusive(".sql").next())
        .collect();
    assert!(
        named.iter().copied().eq(sandbox.names("night-sql")),
        "{named:?}"
    );
    assert!(!text.contains("bakpak runbook"), "{text}");
    let restore = String::from_utf8(sandbox.read("night-sql/04-restore.sql")).unwrap();
    assert!(
        restore.contains("D:\\restore\\sql\\OctopusDeploy.bak"),
        "{restore}"
    );

    let before = sandbox.read("night.md");
    for file in ["night.md", "night.html"] {
        runbook(&sandbox, &format!("-o {file}"))
            .exits(31)
            .says("already there");
    }
    assert_eq!(sandbox.read("night.md"), before);
    assert!(!sandbox.path("night.html").exists());
    runbook(&sandbox, "-o night.txt")
        .exits(2)
        .says("neither .md nor .html");
}

#[test]
fn without_a_file_the_runbook_holds_the_command_that_writes_the_scripts() {
    let sandbox = packed();
    let before = sandbox.names(".");
    let run = runbook(&sandbox, "--target docker --at 2020-03-01T01:45Z").succeeds();
    assert_eq!(sandbox.names("."), before, "nothing is written");
    in_order(
        &run.text(),
        &[
            "bakpak runbook \"$ARCHIVE\" --key-file \"$KEY_FILE\" --target 'docker' \\",
            "--at '2020-03-01 01:45:00Z' -o \"${SCRIPTS}/runbook.md\"",
            "runbook-sql/00-preflight.sql",
        ],
    );
    let line = "--target docker --at 2020-03-01T01:45Z -o runbook.md";
    runbook(&sandbox, line).succeeds();
    let restore = String::from_utf8(sandbox.read("runbook-sql/04-restore.sql")).unwrap();
    assert!(restore.contains("2020-03-01T02:45:00"), "{restore}");
}

#[test]
fn html_is_one_file_that_needs_no_other() {
    let sandbox = packed();
    runbook(&sandbox, "-o night.html").succeeds();
    let html = String::from_utf8(sandbox.read("night.html")).unwrap();
    assert!(
        html.starts_with("<!DOCTYPE html>") && html.contains("</html>"),
        "{html}"
    );
    for outside in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("04-restore.sql"), "{html}");
}

#[test]
fn a_rehearsal_restores_beside_the_original_and_is_made_harmless() {
    let sandbox = packed();
    runbook(&sandbox, "--rehearsal -o drill.md").succeeds();
    let text = String::from_utf8(sandbox.read("drill.md")).unwrap();
    in_order(
        &text,
        &[
            "REHEARSAL",
            "04-restore.sql",
            "05-recover-and-make-harmless.sql",
            "08-drop",
        ],
    );
    assert!(!text.contains("03-tail-of-log"), "{text}");
    let restore = String::from_utf8(sandbox.read("drill-sql/04-restore.sql")).unwrap();
    assert!(restore.contains("[OctopusDeploy_rehearsal]"), "{restore}");
}

#[test]
fn in_docker_everything_is_in_bash_and_paths_of_linux() {
    let sandbox = packed();
    runbook(
        &sandbox,
        "--target docker --restore-from /data/in -o night.md",
    )
    .succeeds();
    let text = String::from_utf8(sandbox.read("night.md")).unwrap();
    in_order(&text, &["/data/in", "home/Packages", "docker run"]);
    assert!(!text.contains("powershell"), "{text}");
    let restore = String::from_utf8(sandbox.read("night-sql/04-restore.sql")).unwrap();
    assert!(
        restore.contains("/data/in/sql/OctopusDeploy.bak"),
        "{restore}"
    );
    let run = runbook(&sandbox, "--target docker --restore-from in -o second.md").exits(2);
    assert!(run.err.contains("in/sql/OctopusDeploy.bak"), "{}", run.err);
    assert!(!sandbox.path("second-sql").exists());
}

/// Backups from after the files were captured, as when files are packed before the log.
#[test]
fn files_older_than_the_database_are_told_with_and_without_a_stop_time() {
    let sandbox = Sandbox::new();
    let now = Offset::constant(1).to_datetime(jiff::Timestamp::now());
    let start = now.with().subsec_nanosecond(0).build().unwrap() + 2.hours();
    octopus(&sandbox, start);
    pack(&sandbox, "home", "").succeeds();
    let newest = runbook(&sandbox, "").succeeds().text();
    assert!(
        newest.contains("BP110") && newest.contains("(not safe)"),
        "{newest}"
    );
    let stop = start + 30.minutes();
    let run = sandbox.bakpak([
        "runbook",
        "a.bakpak",
        "--key-file",
        "data.key",
        "--at",
        &stop.to_string(),
    ]);
    let stopped = run.succeeds().text();
    assert!(
        stopped.contains("BP111") && !stopped.contains("BP110"),
        "{stopped}"
    );
}

#[test]
fn what_cannot_be_restored_stands_on_top_and_the_rest_is_there() {
    let sandbox = Sandbox::new();
    octopus(&sandbox, at(2));
    backups(&sandbox, "Orders", at(2));
    // A log that follows nothing.
    std::fs::remove_file(sandbox.path("sql/Orders.bak")).unwrap();
    pack(&sandbox, "home", "--allow-incomplete").succeeds();
    let run = runbook(&sandbox, "-o night.md").exits(23);
    assert!(
        run.err.contains("NOT ALL OF IT CAN BE RESTORED"),
        "{}",
        run.err
    );
    let text = String::from_utf8(sandbox.read("night.md")).unwrap();
    in_order(
        &text,
        &["NOT ALL OF IT CAN BE RESTORED", "'Orders'", "## 0"],
    );
    assert!(text.contains("1-OctopusDeploy"), "{text}");
    assert!(
        sandbox
            .path("night-sql/1-OctopusDeploy/04-restore.sql")
            .is_file()
    );

    let one = runbook(&sandbox, "--database OctopusDeploy -o one.md").succeeds();
    assert!(!one.err.contains("NOT ALL"), "{}", one.err);
    let one = String::from_utf8(sandbox.read("one.md")).unwrap();
    assert!(!one.contains("Orders"), "{one}");
    runbook(&sandbox, "--database Nobody")
        .exits(2)
        .says("--database 'Orders'");
}

#[test]
fn a_moment_that_no_backup_reaches_is_32_and_written_all_the_same() {
    let sandbox = packed();
    let run = runbook(&sandbox, "--at 2020-03-01T09:00 -o night.md").exits(32);
    assert!(run.err.contains("CANNOT BE RESTORED"), "{}", run.err);
    let text = String::from_utf8(sandbox.read("night.md")).unwrap();
    in_order(&text, &["CANNOT BE RESTORED", "## 0", "home/Packages"]);
    assert!(!sandbox.path("night-sql").exists());
}

#[test]
fn several_databases_have_a_folder_each_and_octopus_is_known_by_its_name() {
    let sandbox = Sandbox::new();
    octopus(&sandbox, at(2));
    backups(&sandbox, "Orders", at(4));
    backups(&sandbox, "master", at(4));
    pack(&sandbox, "octo=home", "").succeeds();
    runbook(&sandbox, "--rehearsal -o night.md").succeeds();
    assert_eq!(sandbox.names("night-sql"), ["1-OctopusDeploy", "2-Orders"]);
    let harmless = "05-recover-and-make-harmless.sql".to_owned();
    let scripts = |name: &str| sandbox.names(&format!("night-sql/{name}"));
    assert!(scripts("1-OctopusDeploy").contains(&harmless));
    assert!(!scripts("2-Orders").contains(&harmless));
    let runbook = String::from_utf8(sandbox.read("night.md")).unwrap();
    assert!(runbook.contains("home/octo/Packages"), "{runbook}");
    assert!(runbook.contains("'master' is not restored"), "{runbook}");
}

#[test]
fn another_application_and_a_dump_have_their_steps() {
    let sandbox = Sandbox::new();
    let dump = "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n";
    sandbox.write("sql/shop.sql", dump);
    sandbox.write("www/index.html", "<p>");
    sandbox.write("notes.txt", "remember");
    let line = format!("pack -o a.bakpak --sql sql --home www --attach notes.txt {KEY}");
    sandbox.typed(&line).succeeds();
    let text = runbook(&sandbox, "").succeeds().text();
    in_order(
        &text,
        &[
            "Dump of PostgreSQL 'sql/shop.sql'",
            "psql",
            "'home'",
            "'attachments'",
        ],
    );
    assert!(
        !text.contains("Octopus") && !text.contains("SQL_SERVER"),
        "{text}"
    );
    assert!(
        !text.contains("bakpak runbook"),
        "there are no scripts to write"
    );
}

#[test]
fn a_damaged_package_is_marked_wherever_it_is_named() {
    let sandbox = Sandbox::new();
    backups(&sandbox, "Orders", at(1));
    sandbox.write("sql/shop.bacpac", b"PK\x03\x04");
    sandbox
        .typed(&format!(
            "pack -o a.bakpak --sql sql {KEY} --allow-incomplete"
        ))
        .succeeds();
    let text = runbook(&sandbox, "").exits(23).text();
    for told in [
        "BACPAC 'sql/shop.bacpac', DAMAGED",
        "BACPAC 'sql/shop.bacpac' was DAMAGED when it was packed",
    ] {
        assert!(text.contains(told), "no '{told}' in:\n{text}");
    }
    // Bold text that ends with a space is none.
    assert!(
        !text.contains(" **\n") && !text.contains("and why. \n"),
        "{text}"
    );
    assert_eq!(
        text.matches("BP123 no backup checksums").count(),
        1,
        "{text}"
    );
    assert!(text.contains("by 1 full and 1 log backups."), "{text}");
}

#[test]
fn a_key_that_does_not_fit_gives_nothing() {
    let sandbox = packed();
    let run = sandbox.typed("runbook a.bakpak --key-file safe.key -o night.md");
    assert_eq!(run.code, 12, "{}", run.err);
    assert!(!sandbox.path("night.md").exists());
}

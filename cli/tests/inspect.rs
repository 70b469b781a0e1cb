//! `inspect` of backups: what they hold and what is wrong with them, in words and as JSON.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::path::{Path, PathBuf};

use mssql_backup::jiff::civil::{DateTime, date};
use mssql_backup::set::Flags;
use mssql_backup::testing::container::{ContainerWriter, wrap};
use mssql_backup::testing::{Database, Media, PageVerify, Set, write_media};
use serde_json::{Value, json};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Run, Sandbox, needs};

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

fn medium(sets: &[Set]) -> Vec<u8> {
    write_media(&Media::default(), sets).remove(0)
}

fn full() -> Vec<u8> {
    let mut database = Database::new("Orders");
    database.commit(at(1));
    medium(&[database.full(at(2))])
}

/// Where the pages of a medium that is not compressed begin.
fn pages(bytes: &[u8]) -> usize {
    const STREAM_HEADER_AND_LEAD: usize = 22 + 2;
    let tag = bytes.windows(4).position(|tag| tag == b"MQDA").unwrap();
    tag + STREAM_HEADER_AND_LEAD
}

/// With one byte of page 1:20 changed.
fn with_damaged_page(mut bytes: Vec<u8>) -> Vec<u8> {
    let place = pages(&bytes) + 20 * 8192 + 500;
    bytes[place] ^= 1;
    bytes
}

fn json_of(run: &Run) -> Value {
    let lines = run.lines();
    assert_eq!(lines.len(), 1, "{}", run.text());
    serde_json::from_str(&lines[0]).unwrap()
}

fn has(run: &Run, words: &str) {
    assert!(
        run.text().contains(words),
        "no '{words}' in\n{}",
        run.text()
    );
}

#[test]
fn headers_alone_tell_what_a_backup_holds() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.bak", full());
    let run = sandbox.typed("inspect orders.bak").succeeds();
    for words in [
        "a SQL Server backup, not compressed",
        "not striped",
        "full backup of database 'Orders'",
        "2026-03-01 12:02:00",
        "SQL Server 2019",
        "file 1         data 'Orders'",
        "nothing wrong in the headers; --verify checks all the rest",
    ] {
        has(&run, words);
    }
    assert!(!run.text().contains("passed"), "{}", run.text());
}

#[test]
fn verification_says_what_it_rests_on() {
    let sandbox = Sandbox::new();
    sandbox.write("orders.bak", full());
    let run = sandbox.typed("inspect --verify orders.bak").succeeds();
    has(&run, "page count        passed, 112 pages");
    has(&run, "pages             passed");
    has(
        &run,
        "backup checksums  not there: the backup was not made WITH CHECKSUM",
    );
    has(
        &run,
        "verdict        no fault found; checksums hold of pages",
    );
}

#[test]
fn where_nothing_could_be_checked_that_is_said() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    database.page_verify = PageVerify::None;
    sandbox.write("orders.bak", medium(&[database.full(at(1))]));
    let run = sandbox.typed("inspect --verify orders.bak").succeeds();
    has(&run, "no fault found, but little could be checked");
    has(&run, "PAGE_VERIFY is NONE");
}

#[test]
fn a_damaged_page_is_named() {
    let sandbox = Sandbox::new();
    let bytes = with_damaged_page(full());
    let place = pages(&bytes) + 20 * 8192;
    sandbox.write("orders.bak", bytes);
    sandbox.typed("inspect orders.bak").succeeds();
    let run = sandbox.typed("inspect --verify orders.bak").exits(20);
    has(&run, "page 1:20");
    has(&run, &format!("offset {place}"));
    has(&run, "verdict        DAMAGED: 1 fault");
    let run = sandbox
        .typed("inspect --verify --json orders.bak")
        .exits(20);
    let told = json_of(&run);
    assert_eq!(told["damaged"], true);
    assert_eq!(told["fault_count"], 1);
    assert_eq!(told["faults"][0]["page"], "1:20");
    assert_eq!(told["faults"][0]["offset"], place);
    assert_eq!(told["faults"][0]["set"], 1);
    assert_eq!(told["faults"][0]["level"], "pages");
}

#[test]
fn a_damaged_block_of_a_compressed_backup_is_named() {
    let sandbox = Sandbox::new();
    let mut bytes = wrap(&full()).bytes;
    sandbox.write("orders.bak", &bytes);
    let run = sandbox.typed("inspect --verify orders.bak").succeeds();
    has(&run, "a SQL Server backup, compressed");
    has(&run, "checksums hold of compressed blocks");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sandbox.write("orders.bak", &bytes);
    let run = sandbox
        .typed("inspect --verify --json orders.bak")
        .exits(20);
    let told = json_of(&run);
    assert_eq!(told["kind"], "compressed");
    let faults = told["faults"].as_array().unwrap();
    let block = faults
        .iter()
        .find(|fault| fault["level"] == "compressed blocks");
    let offset = block.unwrap()["offset"].as_u64().unwrap();
    assert!((offset as usize) <= middle && middle - (offset as usize) < 70_000);
}

#[test]
fn wherever_it_is_cut_a_backup_is_cut_short_and_not_damaged() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    database.commit(at(1));
    let mut set = database.full(at(2));
    set.has_checksums = true;
    let native = medium(&[set]);
    let last_byte = native.len() - 1;
    for bytes in [&wrap(&native).bytes, &native] {
        for part in 1..24 {
            let len = bytes.len() * part / 24;
            sandbox.write("orders.bak", &bytes[..len]);
            let run = sandbox.typed("inspect --verify --json orders.bak");
            let told: Value = serde_json::from_str(&run.text()).unwrap();
            assert_eq!(run.code, 24, "{len}: {:#}", told["faults"]);
        }
    }
    sandbox.write("orders.bak", &native[..last_byte]);
    let run = sandbox.typed("inspect --verify orders.bak").exits(24);
    has(&run, "verdict        CUT SHORT: its end is missing");
    sandbox.typed("inspect orders.bak").exits(24);
}

#[test]
fn a_backup_that_is_damaged_and_cut_short_is_damaged() {
    let sandbox = Sandbox::new();
    let bytes = with_damaged_page(full());
    sandbox.write("orders.bak", &bytes[..bytes.len() - 5000]);
    sandbox.typed("inspect --verify orders.bak").exits(20);
}

#[test]
fn of_several_sets_it_is_told_which_one_restore_takes() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    let sets = [database.full(at(1)), database.full(at(2))];
    sandbox.write("orders.bak", medium(&sets));
    let run = sandbox.typed("inspect orders.bak").succeeds();
    has(&run, "set 1          full backup");
    has(&run, "set 2          full backup");
    has(
        &run,
        "holds 2 sets: RESTORE without FILE = n takes the first",
    );
    has(&run, "BP120");
}

#[test]
fn stripes_are_judged_together_and_a_missing_one_is_named() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    let media = Media {
        families: 3,
        ..Media::default()
    };
    for (file, number) in write_media(&media, &[database.full(at(1))]).iter().zip(1..) {
        sandbox.write(&format!("s{number}.bak"), file);
    }
    let run = sandbox.typed("inspect --verify s1.bak").succeeds();
    has(&run, "stripe 1 of 3");
    has(
        &run,
        "MISSING        stripe 2, 3: RESTORE needs all of them",
    );

    let alone = sandbox.typed("inspect --json s2.bak").succeeds();
    assert_eq!(json_of(&alone)["label"]["FamilySequenceNumber"], 2);

    let two = sandbox.typed("inspect --json s3.bak s1.bak").succeeds();
    let stripes = &two.events("stripes")[0];
    assert_eq!(stripes["missing"], json!([2]));
    assert_eq!(stripes["files"], json!(["s1.bak", "s3.bak"]));

    let all = "inspect --verify s2.bak s1.bak s3.bak";
    let run = sandbox.typed(all).succeeds();
    has(&run, "of set 1, all stripes together");
    has(&run, "page count        passed, 112 pages");
    let json = sandbox.typed(&format!("{all} --json")).succeeds();
    assert_eq!(json.lines().len(), 4);
    let set = &json.events("stripes")[0]["sets"][0];
    assert_eq!(set["complete"], true);
    assert_eq!(set["checks"][0]["level"], "page count");
}

#[test]
fn of_an_encrypted_backup_nothing_is_called_valid() {
    let sandbox = Sandbox::new();
    let mut writer = ContainerWriter::encrypted();
    for part in [1024, 66_048, 1024] {
        writer.content(&vec![7; part]);
        writer.filemark(512);
    }
    sandbox.write("orders.bak", writer.finish().bytes);
    sandbox.typed("inspect orders.bak").succeeds();
    let run = sandbox.typed("inspect --verify orders.bak").exits(25);
    has(&run, "encrypted: contents not verifiable here");
    assert!(!run.text().contains("valid"), "{}", run.text());
    assert!(!run.text().contains("no fault"), "{}", run.text());
    let run = sandbox
        .typed("inspect --verify --json orders.bak")
        .exits(25);
    let told = json_of(&run);
    assert_eq!(told["kind"], "encrypted");
    assert_eq!(told["sets"], json!([]));
    assert_eq!(
        told["unreadable"],
        "encrypted: contents not verifiable here"
    );
}

#[test]
fn json_has_the_columns_of_restore() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    let full = database.full(at(1));
    database.commit(at(2));
    let mut log = database.log(at(3));
    log.flags = Flags::BULK_LOGGED_DATA;
    sandbox.write("orders.bak", medium(&[full, log]));
    let told = json_of(
        &sandbox
            .typed("inspect --verify --json orders.bak")
            .succeeds(),
    );
    assert_eq!((&told["v"], &told["type"]), (&json!(1), &json!("backup")));
    assert_eq!(told["file"], "orders.bak");
    assert_eq!(told["archive"], Value::Null);
    assert_eq!(told["kind"], "native");
    assert_eq!(told["len"], sandbox.read("orders.bak").len());
    assert_eq!(told["verified"], true);
    assert_eq!(told["damaged"], false);
    assert_eq!(told["label"]["FamilyCount"], 1);
    assert_eq!(told["facts"], json!([]));
    let (full, log) = (&told["sets"][0], &told["sets"][1]);
    assert_eq!(full["BackupType"], 1);
    assert_eq!(log["BackupType"], 2);
    assert_eq!(log["HasBulkLoggedData"], true);
    assert_eq!(log["Position"], 2);
    let first: u128 = log["FirstLSN"].as_str().unwrap().parse().unwrap();
    assert!(first > 0);
    assert_eq!(full["FileList"][0]["LogicalName"], "Orders");
    assert_eq!(full["checks"][0]["outcome"], "passed");
    assert_eq!(log["log"]["commits"], 2);
    assert!(
        log["log"]["first_commit"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-01T12:0")
    );
    let told = json_of(&sandbox.typed("inspect --json orders.bak").succeeds());
    assert_eq!(told["verified"], false);
    assert_eq!(told["sets"][1]["FirstLSN"], log["FirstLSN"]);
}

#[test]
fn names_cannot_change_the_terminal() {
    let sandbox = Sandbox::new();
    let name = "a\u{1b}[2J\nverdict        no fault found";
    let mut database = Database::new(name);
    database.folder = "C:\\\u{7}\\".to_owned();
    let mut set = database.full(at(1));
    set.name = Some("x\r\u{9b}y".to_owned());
    sandbox.write("orders.bak", medium(&[set]));
    let run = sandbox.typed("inspect --verify orders.bak").succeeds();
    has(&run, "a\\u{1b}[2J\\nverdict");
    let text = run.text();
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("  verdict"))
            .count(),
        1
    );
}

#[test]
fn the_worst_of_several_files_counts_and_none_hides_the_others() {
    let sandbox = Sandbox::new();
    let whole = full();
    sandbox.write("whole.bak", &whole);
    sandbox.write("cut.bak", &whole[..whole.len() / 2]);
    sandbox.write("damaged.bak", with_damaged_page(whole));
    let run = sandbox.typed("inspect --verify --json cut.bak none.bak damaged.bak whole.bak");
    assert_eq!(run.events("backup").len(), 3);
    assert_eq!(run.events("error").len(), 1);
    run.exits(20);
    sandbox
        .typed("inspect --verify cut.bak whole.bak")
        .exits(24);
}

#[test]
fn what_is_nothing_known_is_told_so() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "text.bak",
        "just some text, longer than the magic of an archive\n".repeat(9),
    );
    let run = sandbox.typed("inspect text.bak").exits(25);
    let run = run.says("not a bakpak archive, nor a SQL Server backup");
    assert_eq!(run.text(), "");
    sandbox.write("empty.bak", "");
    let run = sandbox.typed("inspect empty.bak").exits(24);
    run.says("the file is empty: neither an archive nor a SQL Server backup");
    sandbox.write("folder/a", "");
    let run = sandbox.typed("inspect folder").exits(10);
    run.says("'folder' is a directory")
        .says("hint: name the files in it");
    let run = sandbox.typed("inspect -").exits(2);
    run.says("standard input");
}

#[test]
fn an_archive_has_its_own_verb_to_be_verified() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let run = sandbox.typed("inspect --verify a.bakpak").exits(2);
    run.says("`bakpak verify a.bakpak --level media`");
}

#[test]
fn backups_in_an_archive_are_told_as_they_were_found() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Shop");
    let media = Media {
        families: 2,
        ..Media::default()
    };
    sandbox.write("sql/damaged.bak", with_damaged_page(full()));
    sandbox.write("sql/packed.bak", wrap(&full()).bytes);
    for (stripe, name) in write_media(&media, &[database.full(at(1))])
        .iter()
        .zip(["a", "b"])
    {
        sandbox.write(&format!("sql/stripes/{name}.bak"), stripe);
    }
    sandbox.write("sql/shop.dump", SHOP_DUMP);
    let pack = "pack -o a.bakpak --sql sql --key-file data.key --allow-incomplete";
    assert!(sandbox.typed(pack).code < 20);
    let without_key = sandbox.typed("inspect a.bakpak").succeeds();
    assert!(!without_key.text().contains("Orders"));

    let run = sandbox.typed("inspect a.bakpak --key-file data.key");
    let run = run.succeeds();
    has(&run, "full backup of database 'Orders'");
    has(&run, "page 1:20");
    has(&run, "verdict        when packed: DAMAGED: 1 fault");
    has(&run, "a dump of PostgreSQL");
    has(&run, "stripes        1, 2 of 2");
    let text = run.text();
    assert!(
        !text.contains("backup-set") && !text.contains("MISSING"),
        "{text}"
    );

    let run = sandbox.typed("inspect a.bakpak --json --key-file data.key");
    let told = run.succeeds();
    let backups = told.events("backup");
    let of = |name: &str| backups.iter().find(|told| told["file"] == name).unwrap();
    assert_eq!(backups.len(), 5);
    let damaged = of("sql/damaged.bak");
    assert_eq!(damaged["archive"], "a.bakpak");
    assert_eq!(
        (&damaged["damaged"], &damaged["verified"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(damaged["len"], sandbox.read("sql/damaged.bak").len());
    assert_eq!(damaged["faults"][0]["page"], "1:20");
    let packed = of("sql/packed.bak");
    assert_eq!(
        (&packed["damaged"], &packed["kind"]),
        (&json!(false), &json!("compressed"))
    );
    let file = sandbox
        .typed("inspect --verify --json sql/packed.bak")
        .succeeds();
    assert_eq!(packed["sets"], json_of(&file)["sets"]);
    assert_eq!(fact(of("sql/shop.dump"), "database"), "shop");
    let stripes = &told.events("stripes")[0];
    assert_eq!(stripes["archive"], "a.bakpak");
    assert_eq!(stripes["missing"], json!([]));
}

const SHOP_DUMP: &[u8] = include_bytes!("../../crates/recovery/tests/data/pg_dump/shop-gzip.dump");

#[test]
fn dumps_of_postgresql_tell_what_they_are() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.dump", SHOP_DUMP);
    let told = json_of(&sandbox.typed("inspect --json shop.dump").succeeds());
    assert_eq!(told["kind"], "pg-dump");
    assert_eq!(told["verified"], false);
    assert_eq!(fact(&told, "database"), "shop");
    let told = json_of(
        &sandbox
            .typed("inspect --verify --json shop.dump")
            .succeeds(),
    );
    assert_eq!(told["verified"], true);
    assert_eq!(told["sets"], json!([]));
    sandbox.write("shop.dump", &SHOP_DUMP[..SHOP_DUMP.len() - 20]);
    sandbox.typed("inspect shop.dump").succeeds();
    let run = sandbox.typed("inspect --verify shop.dump").exits(24);
    has(&run, "CUT SHORT");
    has(&run, "BP152");
}

fn fact<'a>(told: &'a Value, name: &str) -> &'a str {
    let mut facts = told["facts"].as_array().unwrap().iter();
    let fact = facts.find(|fact| fact["name"] == name).unwrap();
    fact["value"].as_str().unwrap()
}

#[cfg(unix)]
#[test]
fn an_interrupted_check_says_nothing_of_the_backup() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("long.bak", full());
    let file = fs::File::options().write(true).open(&path).unwrap();
    // Longer than any machine reads before the signal comes; a hole takes no room.
    if file.set_len(1 << 40).is_err() {
        return needs::refused("the file system takes no file of 1 TiB");
    }
    let child = sandbox.start("inspect --verify long.bak whole.bak");
    std::thread::sleep(std::time::Duration::from_millis(500));
    sandbox::signal(&child, "-INT");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert_eq!(done.stdout, b"");
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(said, "bakpak: error: interrupted\n");
}

#[test]
fn a_zip_that_is_no_package_is_refused() {
    let sandbox = Sandbox::new();
    let empty_zip = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    sandbox.write("empty.zip", empty_zip);
    let run = sandbox.typed("inspect empty.zip").exits(25);
    run.says("is a ZIP archive, neither a bakpak archive nor a backup that is known here");
}

/// The sample backups, which lie beside the repository and are never copied into it.
fn corpus() -> Option<(PathBuf, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/bak");
    let Ok(text) = fs::read_to_string(folder.join("DECODED.jsonl")) else {
        needs::refused("the sample backups are not beside the repository");
        return None;
    };
    let decoded = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Some((folder, decoded.collect()))
}

#[test]
fn real_backups_are_told_as_they_were_decoded() {
    let Some((folder, files)) = corpus() else {
        return;
    };
    let sandbox = Sandbox::new();
    let mut sets = 0;
    for expected in files.iter().filter(|file| file.get("sets").is_some()) {
        let name = expected["file"].as_str().unwrap();
        let path = folder.join(name);
        let run = sandbox.bakpak(["inspect", "--verify", "--json", path.to_str().unwrap()]);
        assert_eq!(run.code, 0, "{name}");
        assert_eq!(run.lines().len(), 1, "{name}");
        let told: Value = serde_json::from_str(&run.text()).unwrap();
        assert_eq!(told["damaged"], false, "{name}");
        let expected = expected["sets"].as_array().unwrap();
        let told = told["sets"].as_array().unwrap();
        assert_eq!(told.len(), expected.len(), "{name}");
        for (told, expected) in told.iter().zip(expected) {
            same_set(name, told, expected);
            sets += 1;
        }
    }
    assert!(sets > 0, "the corpus holds no backup");
    println!("{sets} backup sets of the corpus compared");
}

/// Fails without showing the values, which may be names of people and machines.
fn same_set(name: &str, told: &Value, expected: &Value) {
    let end = ["tail", "head"].map(|copy| &expected[copy]["set"]);
    let end = end.into_iter().find(|set| set.is_object()).unwrap();
    for (column, key) in [
        ("FirstLSN", "first_lsn"),
        ("LastLSN", "last_lsn"),
        ("CheckpointLSN", "checkpoint_lsn"),
    ] {
        assert!(told[column] == end[key]["num"], "{name}: {column}");
    }
    for (column, key) in [("DatabaseName", "database"), ("ServerName", "server")] {
        assert!(told[column] == end[key], "{name}: {column}");
    }
    for (column, key) in [
        ("BackupName", "name"),
        ("UserName", "user"),
        ("Position", "number"),
    ] {
        assert!(told[column] == expected[key], "{name}: {column}");
    }
    let guid = told["BackupSetGUID"].as_str().unwrap().to_lowercase();
    assert!(expected["set_guid"] == guid, "{name}: BackupSetGUID");
}

#[test]
fn a_real_stripe_says_which_one_it_is() {
    let Some((folder, _)) = corpus() else { return };
    let path = folder.join("cconocimientos_northwind.bak");
    let run = Sandbox::new().bakpak(["inspect", path.to_str().unwrap()]);
    let run = run.succeeds();
    assert!(run.text().contains("stripe 1 of 2"));
    assert!(run.text().contains("MISSING        stripe 2"));
}

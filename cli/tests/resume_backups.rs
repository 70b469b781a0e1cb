//! Backups in an archive whose packing was stopped: what is known of them is what is known of those
//! that were packed at one go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mssql_backup::jiff::civil::{DateTime, date};
use mssql_backup::testing::{Database, Media, write_media};
use serde_json::Value;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Run, Sandbox, assert_same_content, assert_same_tree};

const PARTIAL: &str = ".a.bakpak.bakpak-tmp-0123456789abcdef";
const DATA_BLOCKS: u64 = 494;

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

/// Backups of a chain, and one with a damaged page.
fn backups(sandbox: &Sandbox) {
    let mut database = Database::with_pages("Orders", 8000, 7900);
    database.commit(at(1));
    let full = database.full(at(2));
    database.commit(at(3));
    let log = database.log(at(4));
    let mut other = Database::with_pages("Stock", 4000, 3900);
    other.commit(at(5));
    let stock = other.full(at(6));
    for (name, set) in [("orders-1", full), ("orders-2", log), ("damaged", stock)] {
        let medium = write_media(&Media::default(), &[set]).remove(0);
        sandbox.write(&format!("backups/{name}.bak"), medium);
    }
    // A byte of page 1:20, in the data stream.
    let mut damaged = sandbox.read("backups/damaged.bak");
    let tag = damaged.windows(4).position(|tag| tag == b"MQDA").unwrap();
    damaged[tag + 24 + 20 * 8192 + 500] ^= 1;
    sandbox.write("backups/damaged.bak", damaged);
}

/// Where the stripes of an archive in blocks of 4 KiB without envelope end, as they are packed here.
fn stripe_ends(archive: &[u8]) -> Vec<usize> {
    // Data blocks, check page, 16 parity blocks, check page again.
    let page = archive.windows(4).position(|four| four == b"BPCP").unwrap();
    let first_block = archive.windows(4).position(|four| four == b"BPBK").unwrap();
    assert_eq!((page - first_block) as u64, DATA_BLOCKS * 4096);
    let page_len = u32::from_le_bytes(archive[page + 36..page + 40].try_into().unwrap()) as usize;
    let stripe_len = (DATA_BLOCKS as usize + 16) * 4096 + 2 * page_len;
    let ends = (1..).map(|number| first_block + number * stripe_len);
    ends.take_while(|end| end + stripe_len / 2 < archive.len())
        .collect()
}

/// Leaves what a killed run would have.
fn leave(sandbox: &Sandbox, bytes: &[u8]) {
    let path = sandbox.path(PARTIAL);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// All that is told of the backups in an archive.
fn told(sandbox: &Sandbox, line: &str) -> Vec<Value> {
    let run = sandbox.typed(line);
    let lines = run.lines();
    let mut told: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // What tells of the file itself differs: its id, its length, its stream.
    told.retain(|event| !["archive", "packed"].contains(&event["type"].as_str().unwrap()));
    for event in &mut told {
        for field in [
            "started",
            "finished",
            "root",
            "archive_len",
            "blocks",
            "stream_len",
            "data_len",
            "chunks",
        ] {
            event.as_object_mut().unwrap().remove(field);
        }
    }
    assert!(!told.is_empty());
    told
}

#[test]
fn what_is_known_of_backups_does_not_depend_on_a_stop() {
    let sandbox = Sandbox::new();
    backups(&sandbox);
    let pack = "pack -o a.bakpak --sql backups --block-size 4K --key-file data.key --json \
                --no-match";
    let inspect = "inspect a.bakpak --key-file data.key --json";
    let verify = "verify a.bakpak --key-file data.key --json";
    let at_one_go = sandbox.typed(pack).exits(23);
    let restorability = at_one_go.events("restorability");
    assert_eq!(restorability.len(), 1);
    let inspected = told(&sandbox, inspect);
    let verified = told(&sandbox, verify);
    let archive = sandbox.read("a.bakpak");
    let ends = stripe_ends(&archive);
    assert!(ends.len() >= 3, "{}", archive.len());
    for end in ends {
        fs::remove_file(sandbox.path("a.bakpak")).unwrap();
        leave(&sandbox, &archive[..end + 10_000]);
        let run = sandbox.typed(&format!("{pack} --resume")).exits(23);
        let kept = run.events("packed")[0]["kept_len"].as_u64().unwrap();
        assert_eq!(kept, end as u64);
        assert_eq!(run.events("restorability"), restorability);
        assert_eq!(told(&sandbox, inspect), inspected);
        assert_eq!(told(&sandbox, verify), verified);
    }
}

#[test]
fn a_master_key_in_clear_is_told_also_if_it_was_packed_before_the_stop() {
    let sandbox = Sandbox::new();
    backups(&sandbox);
    let key = "MDEyMzQ1Njc4OWFiY2RlZg==";
    sandbox.write("master", key);
    sandbox.write("backups/a-note.txt", format!("the key is {key}\n"));
    let pack = "pack -o a.bakpak --sql backups --block-size 4K --key-file data.key --no-match \
                --master-key-file master --envelope-key-file safe.key --json --allow-incomplete";
    let first = sandbox.typed(pack);
    let warned = |run: &Run| {
        let warnings = run.events("warning");
        warnings.iter().filter(|one| one["code"] == "BP106").count()
    };
    assert_eq!(warned(&first), 1);
    let archive = sandbox.read("a.bakpak");
    fs::remove_file(sandbox.path("a.bakpak")).unwrap();
    leave(&sandbox, &archive[..archive.len() * 3 / 4]);
    let resumed = sandbox.typed(&format!("{pack} --resume"));
    assert!(resumed.events("packed")[0]["kept_len"].as_u64() > Some(0));
    assert_eq!(warned(&resumed), 1);
}

#[test]
fn the_second_reader_takes_an_archive_whose_entry_was_superseded() {
    let sandbox = Sandbox::new();
    backups(&sandbox);
    let pack = "pack -o a.bakpak --sql backups --block-size 4K --key-file data.key --no-match";
    sandbox.typed(pack).exits(23);
    let archive = sandbox.read("a.bakpak");
    fs::remove_file(sandbox.path("a.bakpak")).unwrap();
    leave(&sandbox, &archive[..stripe_ends(&archive)[0]]);
    let mut changed = sandbox.read("backups/damaged.bak");
    changed.truncate(changed.len() - 512);
    sandbox.write("backups/damaged.bak", changed);
    let run = sandbox.typed(&format!("{pack} --resume --allow-incomplete"));
    assert!(
        run.err.contains("changed since the run was stopped"),
        "{}",
        run.err
    );
    sandbox
        .typed("unpack a.bakpak --to out --key-file data.key")
        .succeeds();
    assert_same_tree(&sandbox.path("backups"), &sandbox.path("out/sql"));
    let verify = ["verify", "--key-file", "data.key", "a.bakpak"];
    let Some(run) = sandbox.second_reader(&verify) else {
        return;
    };
    assert!(run.succeeds().text().contains("\"result\": \"opened\""));
    let extract = [
        "extract",
        "--key-file",
        "data.key",
        "--to",
        "second",
        "a.bakpak",
    ];
    sandbox.second_reader(&extract).unwrap().succeeds();
    assert_same_content(&sandbox.path("out"), &sandbox.path("second"));
}

/// The sample backups, which lie beside the repository and are never copied into it.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/bak");
    beside.canonicalize().ok()
}

#[test]
fn real_backups_come_back_from_a_run_that_was_stopped_half_way() {
    let Some(backups) = corpus() else {
        println!("read 0 files of the corpus: it is not here");
        return;
    };
    let sandbox = Sandbox::new();
    let sql = backups.to_str().unwrap();
    let pack = ["pack", "-o", "a.bakpak", "--sql", sql, "--block-size", "4K"];
    let options = ["--key-file", "data.key", "--allow-incomplete", "--json"];
    let pack = [pack.as_slice(), &options].concat();
    let at_one_go = sandbox.bakpak(pack.clone()).succeeds();
    let inspect = "inspect a.bakpak --key-file data.key --json";
    let inspected = told(&sandbox, inspect);
    let archive = sandbox.read("a.bakpak");
    for quarter in 2..4 {
        fs::remove_file(sandbox.path("a.bakpak")).unwrap();
        leave(&sandbox, &archive[..archive.len() * quarter / 4]);
        let resume = [pack.as_slice(), &["--resume"]].concat();
        let run = sandbox.bakpak(resume).succeeds();
        assert!(run.events("packed")[0]["kept_len"].as_u64() > Some(0));
        let verdict = |run: &Run| run.events("restorability");
        assert_eq!(verdict(&run), verdict(&at_one_go));
        assert_eq!(told(&sandbox, inspect), inspected);
        sandbox.typed("verify a.bakpak --keyless").succeeds();
        // Differentials without their full backup are among them.
        let verify = "verify a.bakpak --key-file data.key --level media";
        sandbox.typed(verify).exits(23);
        let out = format!("out-{quarter}");
        let unpack = format!("unpack a.bakpak --to {out} --key-file data.key");
        sandbox.typed(&unpack).succeeds();
        assert_same_tree(&backups, &sandbox.path(&format!("{out}/sql")));
    }
}

//! What is packed comes back as it was: from a file, from a pipe, and by way of tar.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use mssql_backup::testing::{Database, Media, write_media};
use sandbox::{Run, Sandbox, assert_same_tree, needs::has_program};

/// Everything that tends to get lost.
fn make_difficult_home(sandbox: &Sandbox) {
    sandbox.write("home/plain.txt", "plain\n");
    sandbox.write("home/empty.txt", "");
    fs::create_dir(sandbox.path("home/empty directory")).unwrap();
    sandbox.write("home/new\nline.txt", "a name of two lines");
    sandbox.write("home/Größe/日本語.txt", "names that are not ASCII");
    let not_utf_8 = sandbox
        .path("home")
        .join(std::ffi::OsStr::from_bytes(b"not-\xff-utf-8"));
    fs::write(not_utf_8, "a name that is not UTF-8").unwrap();
    sandbox.write(
        &format!("home/{}/{}", "d".repeat(200), "f".repeat(200)),
        "long names",
    );
    symlink("plain.txt", sandbox.path("home/link")).unwrap();
    symlink("/nowhere/at all", sandbox.path("home/dangling")).unwrap();
    fs::hard_link(
        sandbox.path("home/plain.txt"),
        sandbox.path("home/second name"),
    )
    .unwrap();
    sandbox.write("home/secret.txt", "for me");
    fs::set_permissions(
        sandbox.path("home/secret.txt"),
        PermissionsExt::from_mode(0o400),
    )
    .unwrap();
    fs::set_permissions(
        sandbox.path("home/Größe"),
        PermissionsExt::from_mode(0o2751),
    )
    .unwrap();
    let sparse = File::create(sandbox.path("home/sparse")).unwrap();
    sparse.write_all_at(b"at the start", 0).unwrap();
    sparse.write_all_at(b"after a hole", 3 << 20).unwrap();
    sparse.set_len(5 << 20).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| (n ^ n >> 3).to_le_bytes())
        .collect();
    sandbox.write("home/large.bin", large);
    if has_program("setfattr") {
        let path = sandbox.path("home/plain.txt");
        Command::new("setfattr")
            .args(["-n", "user.note", "-v", "kept"])
            .arg(path)
            .status()
            .unwrap();
    }
    for (name, seconds, nanos) in [
        ("plain.txt", 1, 1),
        ("empty.txt", 1_700_000_000, 999_999_999),
        ("Größe", 86_400, 7),
    ] {
        let file = File::open(sandbox.path("home").join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::new(seconds, nanos))
            .unwrap();
    }
}

fn make_backups(sandbox: &Sandbox) {
    let at = jiff::civil::date(2026, 3, 1).at(12, 0, 0, 0);
    let mut database = Database::with_pages("Shop", 200, 190);
    let full = database.full(at);
    database.commit(at);
    let log = database.log(at);
    for (name, set) in [("Shop_FULL.bak", full), ("logs/Shop_LOG.trn", log)] {
        let medium = write_media(&Media::default(), &[set]).remove(0);
        sandbox.write(&format!("backups/{name}"), medium);
    }
}

const PACK: &str = "pack --sql backups --home home --key-file data.key -o";

#[test]
fn a_tree_comes_back_from_a_file() {
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    make_backups(&sandbox);
    sandbox.typed(&format!("{PACK} a.bakpak")).succeeds();
    sandbox.typed("verify --keyless a.bakpak").succeeds();
    sandbox
        .typed("verify a.bakpak --key-file data.key")
        .succeeds();
    sandbox
        .typed("unpack a.bakpak --to out --key-file data.key")
        .succeeds();
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));
    assert_same_tree(&sandbox.path("backups"), &sandbox.path("out/sql"));
    assert_eq!(sandbox.names("out"), ["home", "sql"]);
    let inode = |name: &str| {
        fs::metadata(sandbox.path("out/home").join(name))
            .unwrap()
            .ino()
    };
    assert_eq!(inode("plain.txt"), inode("second name"));
    let sparse = fs::metadata(sandbox.path("out/home/sparse")).unwrap();
    assert!(sparse.blocks() * 512 < sparse.len());
}

#[test]
fn a_tree_comes_back_through_pipes() {
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    make_backups(&sandbox);
    let archive = sandbox.typed(&format!("{PACK} -")).succeeds().out;
    sandbox
        .typed_with_input("verify --keyless -", &archive)
        .succeeds();
    sandbox
        .typed_with_input("verify - --key-file data.key", &archive)
        .succeeds();
    sandbox
        .typed_with_input("unpack - --to out --key-file data.key", &archive)
        .succeeds();
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));
    sandbox.write("piped.bakpak", archive);
    sandbox
        .typed("verify piped.bakpak --key-file data.key")
        .succeeds();
}

#[test]
fn how_far_copies_reach_decides_what_a_pipe_needs() {
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    make_backups(&sandbox);
    let cases = [
        ("", None, 0, "it copies from anywhere in itself"),
        ("--no-match", Some(0), 0, ""),
        ("--copy-reach 0", Some(0), 0, ""),
        ("--history 0 --dedup-memory 0", Some(0), 0, ""),
        ("--copy-reach 32M --dedup-memory 0", Some(32 << 20), 0, ""),
        (
            "--copy-reach 33M --history 0",
            Some(33 << 20),
            0,
            "keeps up to",
        ),
        // More than any disk has.
        (
            "--copy-reach 1048576T",
            Some(1 << 60),
            30,
            "bytes are needed in the temporary folder",
        ),
    ];
    for (number, (options, reach, code, says)) in cases.into_iter().enumerate() {
        let name = format!("{number}.bakpak");
        sandbox
            .typed(&format!("{PACK} {name} {options}"))
            .succeeds();
        let told = &sandbox
            .typed(&format!("inspect --json {name}"))
            .events("archive")[0];
        assert_eq!(told["copy_reach"].as_u64(), reach, "{options}");
        let unpack = format!("unpack - --to out{number} --key-file data.key");
        let run = sandbox.typed_with_input(&unpack, &sandbox.read(&name));
        let run = run.exits(code).says(says);
        assert_eq!(
            run.err.contains("temporary f"),
            !says.is_empty(),
            "{}",
            run.err
        );
        let out = sandbox.path(&format!("out{number}/home"));
        match code {
            0 => assert_same_tree(&sandbox.path("home"), &out),
            _ => assert!(!out.exists()),
        }
        // From a file nothing is asked for.
        sandbox
            .typed(&format!("verify {name} --key-file data.key"))
            .succeeds();
    }
}

#[test]
fn tar_extracts_the_same_tree() {
    if !has_program("tar") {
        return;
    }
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    let tar = sandbox
        .typed("cat a.bakpak --tar --key-file data.key")
        .succeeds()
        .out;
    fs::create_dir(sandbox.path("out")).unwrap();
    let tar_path = sandbox.write("a.tar", tar);
    let mut command = Command::new("tar");
    command
        .args(["-x", "--xattrs", "--xattrs-include=user.*", "-p", "-f"])
        .arg(tar_path);
    let done = command.arg("-C").arg(sandbox.path("out")).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));
}

#[test]
fn the_catalogue_has_the_hashes_of_b3sum() {
    if !has_program("b3sum") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.packed();
    let listed = sandbox
        .typed("list a.bakpak --json --key-file data.key")
        .succeeds();
    for entry in listed
        .events("entry")
        .iter()
        .filter(|entry| entry["kind"] == "file")
    {
        let mut command = Command::new("b3sum");
        let path = sandbox.path(entry["path"].as_str().unwrap());
        let done = command.arg("--no-names").arg(path).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&done.stdout).trim(),
            entry["blake3"]
        );
    }
}

#[test]
fn standard_input_becomes_one_file_however_long() {
    let sandbox = Sandbox::new();
    for len in [0, 1, 8 << 20, (8 << 20) + 1, 20 << 20] {
        let content: Vec<u8> = (0..len as u32).map(|n| (n >> 5) as u8).collect();
        let pack = "pack -o s.bakpak --force --stdin-entry dump.sql --key-file data.key";
        sandbox.typed_with_input(pack, &content).succeeds();
        sandbox
            .typed("verify s.bakpak --key-file data.key")
            .succeeds();
        let listed = sandbox
            .typed("list s.bakpak --key-file data.key")
            .succeeds();
        assert_eq!(listed.lines(), ["attachments/dump.sql"]);
        let cat = sandbox.typed("cat s.bakpak attachments/dump.sql --key-file data.key");
        assert!(cat.succeeds().out == content, "{len} bytes");
        sandbox
            .typed("unpack s.bakpak --to out --key-file data.key")
            .succeeds();
        assert!(
            sandbox.read("out/attachments/dump.sql") == content,
            "{len} bytes"
        );
        fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
}

#[test]
fn one_file_comes_out_by_any_of_its_names() {
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    for name in [
        "plain.txt",
        "second name",
        "new\nline.txt",
        "sparse",
        "large.bin",
        "empty.txt",
    ] {
        let entry = format!("home/{name}");
        let cat = sandbox
            .bakpak(["cat", "a.bakpak", &entry, "--key-file", "data.key"])
            .succeeds();
        assert!(cat.out == sandbox.read(&entry), "{name:?}");
    }
    let directory = sandbox
        .typed("cat a.bakpak home --key-file data.key")
        .exits(2);
    assert!(directory.err.contains("is no file"));
    sandbox
        .typed("cat a.bakpak home/none --key-file data.key")
        .exits(2)
        .says("there is no entry");
}

#[test]
fn nobody_reading_on_is_no_error() {
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    for line in [
        "cat a.bakpak home/large.bin --key-file data.key",
        "list a.bakpak --key-file data.key",
    ] {
        let mut child = sandbox.start(line);
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && told.is_empty(), "{line}: {told}");
    }
}

#[test]
fn an_archive_or_a_tar_to_a_closed_pipe_is_an_error() {
    let sandbox = Sandbox::new();
    make_difficult_home(&sandbox);
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    // The end of both is what proves them.
    for line in [
        "pack -o - --home home --key-file data.key",
        "cat a.bakpak --tar --key-file data.key",
    ] {
        let mut child = sandbox.start(line);
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{line}");
        assert!(!done.stderr.is_empty(), "{line}");
    }
}

#[test]
fn devices_pipes_and_set_id_bits_need_a_word() {
    let sandbox = Sandbox::new();
    sandbox.write("home/program", "#!/bin/sh\n");
    fs::set_permissions(
        sandbox.path("home/program"),
        PermissionsExt::from_mode(0o4755),
    )
    .unwrap();
    Command::new("mkfifo")
        .arg(sandbox.path("home/pipe"))
        .status()
        .unwrap();
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    let plain = sandbox
        .typed("unpack a.bakpak --to plain --key-file data.key")
        .succeeds();
    assert!(plain.err.contains("warning"), "{}", plain.err);
    assert_eq!(sandbox.names("plain/home"), ["program"]);
    let mode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode("plain/home/program"), 0o755);
    let unpack = "unpack a.bakpak --to plain --fail-on warning --key-file data.key --replace";
    sandbox.typed(unpack).exits(3);
    sandbox
        .typed("unpack a.bakpak --to all --allow-special --key-file data.key")
        .succeeds();
    assert_eq!(sandbox.names("all/home"), ["pipe", "program"]);
    assert_eq!(mode("all/home/program"), 0o4755);
}

/// A named pipe is read to its end, and that it has to be waited for is said.
#[test]
fn an_attached_pipe_is_waited_for_and_that_is_told() {
    use std::io::{BufRead, BufReader};

    let sandbox = Sandbox::new();
    let pipe = sandbox.path("dump");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut child = sandbox.start("pack -o a.bakpak --attach dump --key-file data.key");
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(
        line.contains("'dump' is a named pipe: packing waits"),
        "{line}"
    );
    fs::write(&pipe, "came late").unwrap();
    assert!(child.wait().unwrap().success());
    let cat = "cat a.bakpak attachments/dump --key-file data.key";
    assert_eq!(sandbox.typed(cat).succeeds().out, b"came late");
}

/// That there is no temporary folder is not told as want of room.
#[test]
fn a_missing_temporary_folder_is_told_as_such() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let line = "unpack - --to out --key-file data.key";
    let mut command = sandbox.command(line.split_whitespace());
    command.env("TMPDIR", "nowhere");
    let run = Run::with_input(&mut command, &sandbox.read("a.bakpak"));
    let run = run
        .exits(1)
        .says("cannot be written to the temporary folder")
        .says("set TMPDIR to");
    assert!(!run.err.contains("room"), "{}", run.err);
    assert!(!sandbox.path("out").exists());
}

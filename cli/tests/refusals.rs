//! What is refused before anything is written, with its code and what to do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

const KEY: &str = "--key-file data.key";

#[test]
fn two_sources_of_one_name_are_named_both() {
    let sandbox = Sandbox::new();
    sandbox.write("one/a.bak", "1");
    sandbox.write("two/a.bak", "2");
    let run = sandbox.typed(&format!(
        "pack -o a.bakpak --sql one/a.bak --sql two/a.bak {KEY}"
    ));
    let run = run.exits(2).says("sql/a.bak");
    assert!(
        run.err.contains("one/a.bak") && run.err.contains("two/a.bak"),
        "{}",
        run.err
    );
    sandbox.write("home/app/a", "");
    sandbox
        .typed(&format!(
            "pack -o a.bakpak --home home --home app=one {KEY}"
        ))
        .exits(2);
    let two = format!("pack -o a.bakpak --home one --home two {KEY}");
    sandbox.typed(&two).exits(2).says("NAME=DIR");
    assert!(!sandbox.path("a.bakpak").exists());
}

#[test]
fn nothing_is_silently_empty() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("backups")).unwrap();
    sandbox.write("home/a", "");
    sandbox
        .typed(&format!("pack -o a.bakpak --sql backups {KEY}"))
        .exits(2)
        .says("no backup");
    let both = format!("pack -o a.bakpak --sql backups --home home {KEY}");
    sandbox.typed(&both).exits(2).says("no backup");
    sandbox.typed(&format!("pack -o a.bakpak {KEY}")).exits(2);
}

#[test]
fn an_archive_is_replaced_only_with_force() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let before = sandbox.read("a.bakpak");
    let pack = format!("pack -o a.bakpak --home home {KEY}");
    sandbox.typed(&pack).exits(31).says("--force");
    assert_eq!(sandbox.read("a.bakpak"), before);
    sandbox.typed(&format!("{pack} --force")).succeeds();
    assert_ne!(sandbox.read("a.bakpak"), before);
    fs::create_dir(sandbox.path("directory")).unwrap();
    sandbox
        .typed(&format!("pack -o directory --home home {KEY} --force"))
        .exits(31)
        .says("give another name");
}

#[test]
fn an_archive_is_never_packed_into_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a.txt", "content");
    for _ in 0..2 {
        sandbox
            .typed(&format!("pack -o home/a.bakpak --home home {KEY} --force"))
            .succeeds();
        let listed = sandbox
            .typed(&format!("list home/a.bakpak {KEY}"))
            .succeeds();
        assert_eq!(listed.lines(), ["home", "home/a.txt"]);
    }
}

#[cfg(unix)]
#[test]
fn an_archive_on_standard_output_is_never_packed_into_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a.txt", "content");
    let line = format!("pack -o - --home home {KEY}");
    let mut command = sandbox.command(line.split_whitespace());
    command.stdout(fs::File::create(sandbox.path("home/self.bakpak")).unwrap());
    assert!(command.status().unwrap().success());
    let listed = sandbox
        .typed(&format!("list home/self.bakpak {KEY}"))
        .succeeds();
    assert_eq!(listed.lines(), ["home", "home/a.txt"]);
}

#[test]
fn a_tree_is_changed_only_when_that_is_said() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    sandbox.write("out/home/notes.txt", "mine");
    let unpack = format!("unpack a.bakpak --to out {KEY}");
    sandbox.typed(&unpack).exits(31).says("--merge");
    assert_eq!(sandbox.read("out/home/notes.txt"), b"mine");
    assert_eq!(
        sandbox.names("."),
        ["a.bakpak", "data.key", "home", "out", "safe.key"]
    );
    sandbox.typed(&format!("{unpack} --merge")).succeeds();
    assert_eq!(sandbox.read("out/home/notes.txt"), b"mine");
    assert!(sandbox.path("out/home/logs/one.log").exists());
    sandbox
        .typed(&format!("{unpack} --replace"))
        .succeeds()
        .says("moved to");
    assert_eq!(sandbox.read("out/home/notes.txt"), b"remember\n");
    sandbox
        .typed(&format!("{unpack} --replace --merge"))
        .exits(2);
}

#[test]
fn a_stage_of_somebody_else_is_not_called_removable() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let precious = "out/.bakpak-0123456789abcdef/tree/precious";
    sandbox.write(precious, "mine");
    let run = sandbox
        .typed(&format!("unpack a.bakpak --to out --merge {KEY}"))
        .succeeds()
        .says("look into it before you remove it");
    assert!(!run.err.contains("can be removed"), "{}", run.err);
    assert_eq!(sandbox.read(precious), b"mine");
}

#[test]
fn a_home_must_be_a_directory_and_names_legal() {
    let sandbox = Sandbox::new();
    sandbox.write("a", "");
    sandbox
        .typed(&format!("pack -o a.bakpak --home a {KEY}"))
        .exits(2)
        .says("--attach");
    sandbox
        .typed(&format!("pack -o a.bakpak --stdin-entry ../a {KEY}"))
        .exits(2);
    sandbox
        .typed(&format!("pack -o a.bakpak --attach a {KEY} --level 10"))
        .exits(2);
    sandbox
        .typed(&format!(
            "pack -o a.bakpak --attach a {KEY} --block-size 8K"
        ))
        .exits(2);
    let long = "x".repeat(2000);
    let args = [
        "pack",
        "-o",
        "a.bakpak",
        "--attach",
        "a",
        "--key-file",
        "data.key",
        "--contact",
    ];
    sandbox
        .bakpak(args.iter().copied().chain([long.as_str()]))
        .exits(2)
        .says("fit");
    let keys = "pack -o a.bakpak --attach a --key-file data.key --key-file safe.key";
    sandbox.typed(keys).exits(2).says("2 keys are given");
}

#[test]
fn the_cover_text_says_what_it_is_to_anybody() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "");
    let args = [
        "pack",
        "-o",
        "a.bakpak",
        "--home",
        "home",
        "--key-file",
        "data.key",
        "--contact",
    ];
    sandbox
        .bakpak(args.iter().copied().chain(["on call: +49 30 1234567"]))
        .succeeds();
    let head = |name: &str| String::from_utf8_lossy(&sandbox.read(name)[..2000]).into_owned();
    let shown = head("a.bakpak");
    for words in [
        "encrypted",
        "bakpak unpack FILE",
        "key file",
        "+49 30",
        "a home directory",
    ] {
        assert!(shown.contains(words), "{words} in\n{shown}");
    }
    sandbox
        .typed(&format!("pack -o b.bakpak --home home {KEY} --redact"))
        .succeeds();
    let redacted = head("b.bakpak");
    assert!(
        !redacted.contains("Packed") && !redacted.contains("home directory"),
        "{redacted}"
    );
}

#[test]
fn there_must_be_an_archive() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("directory")).unwrap();
    for verb in ["verify", "list", "inspect", "unpack --to out", "cat --tar"] {
        sandbox
            .typed(&format!("{verb} none.bakpak {KEY}"))
            .exits(10)
            .says("'none.bakpak'");
        sandbox.typed(&format!("{verb} directory {KEY}")).exits(10);
        sandbox.typed(&format!("{verb} data.key {KEY}")).exits(25);
    }
    sandbox
        .typed(&format!("list - {KEY}"))
        .exits(2)
        .says("standard input");
    sandbox
        .typed(&format!("unpack data.key --to out {KEY}"))
        .exits(25);
    assert_eq!(sandbox.names("."), ["data.key", "directory", "safe.key"]);
}

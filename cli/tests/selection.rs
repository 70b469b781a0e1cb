//! Patterns: what they take, and that one that takes nothing is an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

const UNPACK: &str = "unpack a.bakpak --to out --key-file data.key";

fn packed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("home/a/one.log", "1");
    sandbox.write("home/a/two.txt", "2");
    sandbox.write("home/b/one.log", "3");
    sandbox.write("home/name with\u{1b}[31m", "4");
    fs::hard_link(
        sandbox.path("home/a/one.log"),
        sandbox.path("home/b/linked.log"),
    )
    .unwrap();
    fs::hard_link(
        sandbox.path("home/a/one.log"),
        sandbox.path("home/b/more.log"),
    )
    .unwrap();
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    sandbox
}

#[test]
fn only_what_matches_is_unpacked() {
    let sandbox = packed();
    sandbox
        .typed(&format!("{UNPACK} --only home/*/one.log"))
        .succeeds();
    assert_eq!(sandbox.names("out/home"), ["a", "b"]);
    assert_eq!(sandbox.names("out/home/a"), ["one.log"]);
    assert_eq!(sandbox.read("out/home/b/one.log"), b"3");
}

#[test]
fn a_pattern_that_names_a_directory_takes_all_below() {
    let sandbox = packed();
    sandbox
        .typed(&format!("{UNPACK} --only home/a/"))
        .succeeds();
    assert_eq!(sandbox.names("out/home/a"), ["one.log", "two.txt"]);
    assert_eq!(sandbox.names("out/home"), ["a"]);
}

#[cfg(unix)]
#[test]
fn directories_above_keep_their_metadata() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let sandbox = Sandbox::new();
    sandbox.write("home/a/b/c.txt", "");
    fs::set_permissions(sandbox.path("home/a"), PermissionsExt::from_mode(0o710)).unwrap();
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    sandbox
        .typed(&format!("{UNPACK} --only home/a/b/c.txt"))
        .succeeds();
    let before = fs::metadata(sandbox.path("home/a")).unwrap();
    let after = fs::metadata(sandbox.path("out/home/a")).unwrap();
    assert_eq!(
        (after.mode(), after.mtime_nsec()),
        (before.mode(), before.mtime_nsec())
    );
}

#[cfg(unix)]
#[test]
fn a_hard_link_whose_file_is_not_selected_becomes_a_file() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = packed();
    sandbox.typed(&format!("{UNPACK} --only home/b")).succeeds();
    assert_eq!(
        sandbox.names("out/home/b"),
        ["linked.log", "more.log", "one.log"]
    );
    assert_eq!(sandbox.read("out/home/b/linked.log"), b"1");
    let inode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().ino();
    assert_eq!(inode("out/home/b/linked.log"), inode("out/home/b/more.log"));
    assert!(!sandbox.path("out/home/a").exists());

    let archive = sandbox.read("a.bakpak");
    let line = "unpack - --to piped --key-file data.key --only home/b/more.log";
    sandbox.typed_with_input(line, &archive).succeeds();
    assert_eq!(sandbox.read("piped/home/b/more.log"), b"1");
    assert_eq!(sandbox.names("piped/home/b"), ["more.log"]);
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error() {
    let sandbox = packed();
    let nothing = format!("{UNPACK} --only home/a --only home/none --only home/a/x");
    sandbox
        .typed(&nothing)
        .exits(2)
        .says("nothing in the archive matches 'home/none', 'home/a/x'");
    let archive = sandbox.read("a.bakpak");
    let piped = nothing.replace("a.bakpak", "-");
    sandbox
        .typed_with_input(&piped, &archive)
        .exits(2)
        .says("'home/none'");
    sandbox
        .typed("list a.bakpak home/none --key-file data.key")
        .exits(2);
    let pack = "pack -o b.bakpak --home home --key-file data.key --exclude";
    sandbox
        .typed(&format!("{pack} home/none"))
        .exits(2)
        .says("'home/none'");
    let two = format!("{pack} home/none --exclude home/a");
    sandbox.typed(&two).exits(2).says("'home/none'");
    let all = format!("{two} --exclude home/b/x --exclude home/a/two.txt");
    sandbox
        .typed(&all)
        .exits(2)
        .says("nothing in the archive matches 'home/none', 'home/b/x'\n");
    sandbox
        .typed(&format!("{pack} home/["))
        .exits(2)
        .says("is no pattern");
    assert_eq!(
        sandbox.names("."),
        ["a.bakpak", "data.key", "home", "safe.key"]
    );
}

#[test]
fn what_is_excluded_is_not_packed() {
    let sandbox = packed();
    let pack = "pack -o b.bakpak --home home --key-file data.key --exclude home/a --exclude **/m* \
                --exclude home/a/two.txt";
    // The last one says what the first one says too, which is no mistake.
    sandbox.typed(pack).succeeds();
    let listed = sandbox
        .typed("list b.bakpak --key-file data.key")
        .succeeds();
    let expected = [
        "home",
        "home/b",
        "home/b/linked.log",
        "home/b/one.log",
        "home/name with\\u{1b}[31m",
    ];
    assert_eq!(listed.lines(), expected);
}

#[test]
fn list_shows_names_safely_and_raw() {
    let sandbox = packed();
    let list = |more: &str| {
        sandbox
            .typed(&format!("list a.bakpak --key-file data.key {more}"))
            .succeeds()
    };
    assert_eq!(
        list("home/a/* home/n*").lines(),
        [
            "home/a/one.log",
            "home/a/two.txt",
            "home/name with\\u{1b}[31m",
        ]
    );
    assert_eq!(list("-0 home/n*").out, b"home/name with\x1b[31m\0");
    let long = list("--long home/b/linked.log home/a/two.txt").lines();
    assert!(long[0].starts_with("-rw"), "{}", long[0]);
    assert!(
        long[0].contains(" 1 ") && long[0].ends_with("Z home/a/two.txt"),
        "{}",
        long[0]
    );
    assert!(
        long[1].contains("home/b/linked.log link to home/a/one.log"),
        "{}",
        long[1]
    );
}

#[test]
fn a_second_merge_restores_nothing_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("home/logs/a", "content");
    sandbox.write("home/logs/b", "more");
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    let merge = "unpack a.bakpak --to mg --merge --only home/logs --key-file data.key";
    sandbox.typed(merge).succeeds();
    let again = sandbox.typed(&format!("{merge} --json")).succeeds();
    let unpacked = &again.events("unpacked")[0];
    let counts = ["files", "directories", "content_len", "not_restored"];
    let counts = counts.map(|name| unpacked[name].as_u64().unwrap());
    assert_eq!(counts, [0, 0, 0, 2]);
    again.says("left as it was, of the archive's size and time: 2 entries");
    sandbox.write("mg/home/logs/b", "changed");
    let changed = sandbox.typed(merge).succeeds();
    changed
        .says("unpacked 0 files, 0 B")
        .says("NOT of the archive's size and time: 1 entry, the first is 'home/logs/b'");
}

#[cfg(unix)]
#[test]
fn an_entry_is_taken_out_by_the_name_that_list_shows() {
    let sandbox = Sandbox::new();
    sandbox.write("home/new\nline", "content");
    sandbox.write("home/back\\slash", "more");
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    let listed = sandbox
        .typed("list a.bakpak --key-file data.key")
        .succeeds();
    let names = listed.lines();
    assert_eq!(names[1..], ["home/back\\\\slash", "home/new\\nline"]);
    for (name, content) in names[1..].iter().zip(["more", "content"]) {
        let cat = ["cat", "a.bakpak", name.as_str(), "--key-file", "data.key"];
        assert_eq!(sandbox.bakpak(cat).succeeds().text(), content, "{name}");
    }
    let cat = [
        "cat",
        "a.bakpak",
        "home/back\\slash",
        "--key-file",
        "data.key",
    ];
    assert_eq!(sandbox.bakpak(cat).succeeds().text(), "more");
    let cat = [
        "cat",
        "a.bakpak",
        "home/no\\nline",
        "--key-file",
        "data.key",
    ];
    sandbox.bakpak(cat).exits(2);
}

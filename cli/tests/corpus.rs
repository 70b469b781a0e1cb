//! Real backups of real servers, a home directory and a master key: packed, proved, unpacked, and
//! read by the second reader. Says how many files of the corpus it read; the made backups of the
//! demonstration take the same course, also where there is no corpus.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;
/// What the demonstration packs.
#[path = "../src/demo/server.rs"]
mod server;

use sandbox::{Sandbox, assert_same_content, assert_same_tree, contains};

const MASTER_KEY: &str = "mGdCvQ3fW0yVbXkq1l9u7w==";

/// The sample backups, which lie beside the repository and are never copied into it.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/bak");
    beside.canonicalize().ok()
}

fn count_files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let count = |path: PathBuf| if path.is_dir() { count_files(&path) } else { 1 };
    entries.map(|entry| count(entry.path())).sum()
}

/// A home as an Octopus has it, in small: logs, packages in versions, links.
fn make_home(sandbox: &Sandbox) {
    let package: Vec<u8> = (0..400_000_u32)
        .flat_map(|n| {
            n.wrapping_mul(0x9E37_79B1)
                .rotate_left(n % 31)
                .to_le_bytes()
        })
        .collect();
    for version in 1..4 {
        let content = [format!("version {version}").as_bytes(), &package].concat();
        sandbox.write(&format!("home/Packages/Web/Web.1.{version}.zip"), content);
    }
    for task in 0..200 {
        let line = format!("2026-01-02T03:04:05Z task {task} step ok\n");
        sandbox.write(&format!("home/TaskLogs/task-{task}.txt"), line.repeat(task));
    }
    std::os::unix::fs::symlink("Web.1.3.zip", sandbox.path("home/Packages/Web/latest")).unwrap();
    fs::hard_link(
        sandbox.path("home/TaskLogs/task-7.txt"),
        sandbox.path("home/TaskLogs/task-7-again.txt"),
    )
    .unwrap();
}

#[test]
fn made_backups_come_back_with_a_home_and_a_master_key() {
    let sandbox = Sandbox::new();
    let made = server::make(&sandbox.path("server")).unwrap();
    assert!(made.files > 0 && made.len > 1 << 20);
    come_back(&sandbox, &sandbox.path("server/backups"), Restorable::Yes);
}

#[test]
fn real_backups_come_back_with_a_home_and_a_master_key() {
    let Some(backups) = corpus() else {
        println!("read 0 files of the corpus: it is not here");
        return;
    };
    // Differentials without their full backup and a lone stripe are among them.
    come_back(&Sandbox::new(), &backups, Restorable::No);
    println!("read {} files of the corpus", count_files(&backups));
}

/// Whether all that the backups hold can be restored.
#[derive(PartialEq)]
enum Restorable {
    Yes,
    No,
}

/// The whole course.
fn come_back(sandbox: &Sandbox, backups: &Path, restorable: Restorable) {
    make_home(sandbox);
    sandbox.write("master-key.txt", format!("{MASTER_KEY}\n"));
    let sql = backups.to_str().unwrap();
    let pack = [
        ["pack", "-o", "server.bakpak"].as_slice(),
        &[
            "--sql",
            sql,
            "--home",
            "home",
            "--master-key-file",
            "master-key.txt",
        ],
        &["--key-file", "data.key", "--envelope-key-file", "safe.key"],
    ];
    let mut pack = pack.concat();
    let code = match restorable {
        Restorable::Yes => 0,
        Restorable::No => {
            // It is refused before anything is written, unless that is accepted.
            sandbox.bakpak(pack.clone()).exits(23);
            assert!(!sandbox.path("server.bakpak").exists());
            pack.push("--allow-incomplete");
            23
        }
    };
    sandbox.bakpak(pack).succeeds();

    sandbox.typed("verify --keyless server.bakpak").succeeds();
    for level in ["full", "media"] {
        let line = format!("verify server.bakpak --key-file data.key --level {level}");
        sandbox.typed(&line).exits(code);
    }
    sandbox
        .typed("unpack server.bakpak --to out --key-file data.key")
        .succeeds();
    assert_same_tree(backups, &sandbox.path("out/sql"));
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));

    let archive = sandbox.read("server.bakpak");
    sandbox
        .typed_with_input("unpack - --to piped --key-file data.key", &archive)
        .succeeds();
    // Not the targets themselves: each is as old as its run.
    for root in ["sql", "home"] {
        let [one, other] = ["out", "piped"].map(|target| sandbox.path(&format!("{target}/{root}")));
        assert_same_tree(&one, &other);
    }

    // Neither key opens what the other is for, and the master key is nowhere in clear.
    sandbox
        .typed("list server.bakpak --key-file safe.key")
        .exits(12);
    sandbox
        .typed("master-key show server.bakpak --envelope-key-file data.key")
        .exits(12);
    let shown = sandbox.typed("master-key show server.bakpak --envelope-key-file safe.key");
    assert_eq!(shown.succeeds().text().trim(), MASTER_KEY);
    assert!(!contains(&archive, MASTER_KEY.as_bytes()));
    assert!(!contains(
        &sandbox
            .typed("cat --tar server.bakpak --key-file data.key")
            .succeeds()
            .out,
        MASTER_KEY.as_bytes()
    ));

    if let Some(run) = sandbox.second_reader(&["verify", "--key-file", "data.key", "server.bakpak"])
    {
        assert!(run.succeeds().text().contains("\"result\": \"opened\""));
        let extract = [
            "extract",
            "--key-file",
            "data.key",
            "--to",
            "second",
            "server.bakpak",
        ];
        sandbox.second_reader(&extract).unwrap().succeeds();
        assert_same_content(&sandbox.path("out"), &sandbox.path("second"));
    }
}

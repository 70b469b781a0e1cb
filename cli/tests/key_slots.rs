//! `key list|add|remove|rotate`: who can open an archive, changed in place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use serde_json::Value;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Sandbox, contains};

/// A sandbox with an archive `a.bakpak` that has an envelope, and more keys.
fn packed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("home/notes.txt", "remember\n");
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox.pack_with_master_key("a.bakpak", "").succeeds();
    for name in ["new.key", "other.key"] {
        sandbox.bakpak(["key", "generate", "-o", name]).succeeds();
    }
    sandbox.write("passphrase", "correct horse battery staple\n");
    sandbox
}

/// The slots of a domain, as `key list` tells, with a key.
fn listed(sandbox: &Sandbox, domain: &str, more: &str) -> Value {
    let line = format!("key list a.bakpak --json {more}");
    let run = sandbox.typed(&line).succeeds();
    let mut lines = run.events("key-slots").into_iter();
    lines.find(|line| line["domain"] == domain).unwrap()
}

fn opened(sandbox: &Sandbox, key: &str) -> String {
    let listed = listed(sandbox, "data", &format!("--key-file {key}"));
    listed["opened"][0].as_str().unwrap().to_owned()
}

fn verify(sandbox: &Sandbox, key: &str) -> i32 {
    let line = format!("verify a.bakpak --key-file {key}");
    sandbox.typed(&line).code
}

#[test]
fn keys_come_and_go_and_nothing_else_changes() {
    let sandbox = packed();
    let before = sandbox.read("a.bakpak");
    let run = sandbox
        .typed("key add a.bakpak --key-file data.key --new-key-file new.key")
        .succeeds();
    run.says("'a.bakpak' now opens with a key file: key slot ");
    assert_eq!(
        (verify(&sandbox, "data.key"), verify(&sandbox, "new.key")),
        (0, 0)
    );
    assert_eq!(sandbox.read("a.bakpak").len(), before.len());

    let old = opened(&sandbox, "data.key");
    let remove = format!("key remove a.bakpak {old} --key-file new.key --json");
    let run = sandbox.typed(&remove).succeeds();
    let line = &run.events("key-slots")[0];
    assert_eq!(line["removed"], serde_json::json!([old]));
    assert_eq!(line["generation"], 3);
    run.says("only packing again shuts them out")
        .says("the master-key envelope has keys of its own, which are what they were");
    assert_eq!(
        (verify(&sandbox, "data.key"), verify(&sandbox, "new.key")),
        (12, 0)
    );
    // Not even where only copies of the tables are left.
    let mut cut = sandbox.read("a.bakpak");
    cut[..4096 * 3].fill(0);
    sandbox.write("cut.bakpak", cut);
    sandbox
        .typed("repair cut.bakpak -o mended.bakpak")
        .succeeds();
    sandbox
        .typed("verify mended.bakpak --key-file data.key")
        .exits(12);
    sandbox
        .typed("verify mended.bakpak --key-file new.key")
        .succeeds();

    let run = sandbox
        .typed("key list a.bakpak --key-file new.key")
        .succeeds();
    let text = run.text();
    assert!(text.contains("the data, changed 2 times:"), "{text}");
    assert!(
        text.contains("a key file; opens with a key that you gave"),
        "{text}"
    );
    assert!(text.contains("the master-key envelope:"), "{text}");
    assert!(listed(&sandbox, "data", "")["opened"].is_null());
}

#[test]
fn a_passphrase_can_be_added_and_all_be_made_anew() {
    let sandbox = packed();
    sandbox
        .typed("key add a.bakpak --key-file data.key --new-passphrase-file passphrase")
        .succeeds()
        .says("now opens with a passphrase (Argon2id: 256.0 MiB, 3 passes): key slot ");
    sandbox
        .typed("verify a.bakpak --passphrase-file passphrase")
        .succeeds();
    sandbox
        .typed(
            "key rotate a.bakpak --passphrase-file passphrase --new-key-file new.key \
             --new-key-file other.key",
        )
        .succeeds()
        .says("2 key slots: a key file, or a key file");
    let codes = ["data.key", "new.key", "other.key"].map(|key| verify(&sandbox, key));
    assert_eq!(codes, [12, 0, 0]);
    if let Some(run) = sandbox.second_reader(&["verify", "--key-file", "other.key", "a.bakpak"]) {
        assert!(run.succeeds().text().contains("\"result\": \"opened\""));
    }
}

#[test]
fn the_envelope_has_keys_of_its_own() {
    let sandbox = packed();
    let show = |key: &str| {
        sandbox.typed(&format!(
            "master-key show a.bakpak --envelope-key-file {key}"
        ))
    };
    let add = "key add a.bakpak --envelope --envelope-key-file safe.key --new-key-file";
    sandbox
        .typed(&format!("{add} data.key"))
        .exits(2)
        .says("the new key opens the data already")
        .says("--allow-both");
    sandbox.typed(&format!("{add} new.key")).succeeds();
    show("new.key").succeeds();
    show("data.key").exits(12);
    assert_eq!(verify(&sandbox, "new.key"), 12);
    let slot = listed(&sandbox, "envelope", "--envelope-key-file safe.key");
    let slot = slot["opened"][0].as_str().unwrap();
    sandbox
        .typed(&format!(
            "key remove a.bakpak {slot} --envelope --envelope-key-file new.key"
        ))
        .succeeds()
        .says("of the envelope of 'a.bakpak' is gone");
    show("safe.key").exits(12);
    show("new.key").succeeds();
}

#[test]
fn what_cannot_be_changed_is_refused_with_what_to_do() {
    let sandbox = packed();
    let before = sandbox.read("a.bakpak");
    let refused = |line: &str, code: i32, text: &str| {
        let run = sandbox.typed(line).exits(code);
        run.says(text);
        assert!(sandbox.read("a.bakpak") == before, "{line}");
    };
    let slot = opened(&sandbox, "data.key");
    refused(
        &format!("key remove a.bakpak {slot} --key-file data.key"),
        2,
        "none of the keys that were given would open it any more",
    );
    refused(
        "key remove a.bakpak 0badcafe --key-file data.key",
        2,
        "it has no key slot 0badcafe",
    );
    refused(
        "key remove a.bakpak 1 --key-file data.key",
        2,
        "eight hexadecimal digits",
    );
    refused(
        "key add a.bakpak --key-file safe.key --new-key-file new.key",
        12,
        "opens this archive",
    );
    refused(
        "key add a.bakpak --new-key-file new.key",
        13,
        "no key is given for the archive",
    );
    refused(
        "key add a.bakpak --key-file data.key",
        13,
        "--new-key-file F",
    );
    refused(
        "key add a.bakpak --key-file data.key --new-key-file new.key --new-key-file other.key",
        2,
        "2 new keys are given",
    );
    refused(
        "key add absent --key-file data.key --new-key-file new.key",
        10,
        "cannot open",
    );
    // The keys of the other domain are not those that are meant.
    refused(
        "key rotate a.bakpak --envelope-key-file safe.key --key-file data.key --new-key-file new.key",
        2,
        "a key of the master-key envelope is given",
    );
    refused(
        "key add a.bakpak --envelope --key-file data.key --new-key-file new.key",
        2,
        "a key of the data is given",
    );
    // Twice is once.
    let run = sandbox
        .typed("key add a.bakpak --key-file data.key --new-key-file data.key")
        .succeeds();
    run.says("has these keys already");
    assert!(sandbox.read("a.bakpak") == before);

    let mut damaged = before.clone();
    damaged.truncate(before.len() - 4096);
    sandbox.write("a.bakpak", &damaged);
    sandbox
        .typed("key add a.bakpak --key-file data.key --new-key-file new.key")
        .exits(20)
        .says("bakpak repair");
    assert!(sandbox.read("a.bakpak") == damaged);
}

/// No secret stands in what is told, nor in the archive.
#[test]
fn no_secret_is_told() {
    let sandbox = packed();
    let run = sandbox
        .typed("key rotate a.bakpak --key-file data.key --new-passphrase-file passphrase --json")
        .succeeds();
    let archive = sandbox.read("a.bakpak");
    for told in [run.out.as_slice(), run.err.as_bytes(), &archive] {
        assert!(!contains(told, b"correct horse"));
    }
}

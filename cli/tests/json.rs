//! What the verbs really print with `--json` is what `docs/json.md` says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::collections::{BTreeMap, BTreeSet};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use mssql_backup::testing::{Database, Media, write_media};
use sandbox::{Run, Sandbox};

/// Type to fields, as documented.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../docs/json.md");
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("## `") {
            current = name.trim_end_matches('`').to_owned();
            types.insert(current.clone(), BTreeSet::new());
        } else if let Some(rest) = line.strip_prefix("| `") {
            let field = rest.split('`').next().unwrap();
            types
                .entry(current.clone())
                .or_default()
                .insert(field.to_owned());
        }
    }
    types
}

#[test]
fn every_verb_prints_what_is_documented() {
    let sandbox = Sandbox::new();
    sandbox.write("home/notes.txt", "remember\n".repeat(2000));
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox.write("home/OctopusServer.config", "");
    // A log backup that nothing leads to.
    let mut database = Database::new("Orders");
    let at = jiff::civil::date(2026, 3, 1).at(12, 0, 0, 0);
    let full = write_media(&Media::default(), &[database.full(at)]).remove(0);
    sandbox.write("Orders.bak", full);
    let log = write_media(&Media::default(), &[database.log(at)]).remove(0);
    sandbox.write("Orders.trn", log);
    let more = "--attach gone --sql Orders.trn --allow-incomplete --json";
    let packed = sandbox.pack_with_master_key("a.bakpak", more);
    let mut runs = vec![packed.succeeds()];
    for line in [
        "verify --keyless a.bakpak --json",
        "list a.bakpak --json --key-file data.key",
        "inspect a.bakpak --json --key-file data.key",
        "unpack a.bakpak --to out --json --key-file data.key",
        "unpack a.bakpak --to out --json --key-file data.key",
        "verify a.bakpak --json --key-file data.key",
        "explain BP121 --json",
        "plan Orders.bak --json",
    ] {
        runs.push(sandbox.typed(line));
    }
    let mut damaged = sandbox.read("a.bakpak");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    sandbox.write("d.bakpak", damaged);
    runs.push(
        sandbox
            .typed("verify d.bakpak --json --key-file data.key")
            .exits(21),
    );
    runs.push(
        sandbox
            .typed("repair d.bakpak -o m.bakpak --json")
            .succeeds(),
    );
    // So regular that it is the same for everybody, and so irregular that it fills blocks.
    let squares = (0..30_000_u64).flat_map(|number| number.pow(4).to_le_bytes());
    sandbox.write("home/squares", squares.collect::<Vec<u8>>());
    sandbox
        .typed("pack -o l.bakpak --home home --block-size 4K --key-file data.key")
        .succeeds();
    let mut lost = sandbox.read("l.bakpak");
    lost[30_000..70_000].fill(0);
    sandbox.write("l.bakpak", lost);
    runs.push(
        sandbox
            .typed("salvage l.bakpak --to rescued --json --key-file data.key")
            .exits(20),
    );

    runs.push(
        sandbox
            .typed("key list m.bakpak --json --key-file data.key")
            .succeeds(),
    );
    runs.push(
        sandbox
            .typed("key add m.bakpak --json --key-file data.key --new-key-file data.key")
            .succeeds(),
    );

    let media = Media {
        families: 2,
        ..Media::default()
    };
    let set = Database::new("Orders").full(at);
    for (stripe, name) in write_media(&media, &[set]).iter().zip(["1.bak", "2.bak"]) {
        sandbox.write(name, stripe);
    }
    runs.push(sandbox.typed("inspect 1.bak 2.bak --json").succeeds());

    let documented = documented();
    let mut seen = BTreeSet::new();
    for line in runs.iter().flat_map(Run::lines) {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["v"], 1, "{line}");
        let name = event["type"].as_str().unwrap().to_owned();
        let fields = event.as_object().unwrap().keys();
        let fields: BTreeSet<_> = fields
            .filter(|f| *f != "v" && *f != "type")
            .cloned()
            .collect();
        let top_level = documented[&name]
            .iter()
            .filter(|field| !field.contains('['));
        assert_eq!(fields, top_level.cloned().collect(), "{line}");
        seen.insert(name);
    }
    let all: BTreeSet<_> = documented
        .keys()
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    assert_eq!(seen, all, "types that no verb printed");
}

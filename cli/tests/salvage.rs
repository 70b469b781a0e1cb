//! `salvage` takes out what is left, says by its place what is whole, and names what is missing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall fail"
)]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use std::fs;
use std::path::Path;

use sandbox::Sandbox;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(next).collect()
}

/// A sandbox with an archive `a.bakpak` of some thousand blocks of 4 KiB.
fn packed(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("home/a/first", noise(1, 300_000));
    sandbox.write("home/b/second", noise(2, 3_000_000));
    sandbox.write("home/c/copy of second", noise(2, 3_000_000));
    sandbox.write("home/d/third", noise(3, 300_000));
    let line = format!("pack -o a.bakpak --home home --block-size 4K --key-file data.key {more}");
    sandbox.typed(&line).succeeds();
    sandbox
}

/// Writes `d.bakpak`: the archive with this stretch overwritten.
fn damage(sandbox: &Sandbox, offset: usize, len: usize) {
    let mut bytes = sandbox.read("a.bakpak");
    bytes[offset..offset + len].fill(0xA5);
    sandbox.write("d.bakpak", bytes);
}

/// The lines of a report.
fn report(sandbox: &Sandbox, to: &str) -> Vec<serde_json::Value> {
    let report = sandbox.read(&format!("{to}/salvage.jsonl"));
    let lines = report
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The original with zeros where a line of the report says that bytes are missing.
fn with_holes(original: &[u8], line: &serde_json::Value) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for range in line["missing"].as_array().unwrap() {
        let offset = range["offset"].as_u64().unwrap() as usize;
        let len = range["len"].as_u64().unwrap() as usize;
        bytes[offset..offset + len].fill(0);
    }
    bytes
}

#[test]
fn all_of_a_whole_archive_comes_out() {
    let sandbox = packed("");
    let run = sandbox
        .typed("salvage a.bakpak --to out --key-file data.key")
        .succeeds();
    run.says("all of 'a.bakpak' is in 'out', and proved");
    for file in ["a/first", "b/second", "c/copy of second", "d/third"] {
        let file = format!("home/{file}");
        assert_eq!(sandbox.read(&format!("out/{file}")), sandbox.read(&file));
    }
    assert!(!sandbox.path("out/damaged").exists());
    let report = report(&sandbox, "out");
    assert_eq!(report.len(), 1);
    assert_eq!(report[0]["verdict"], "complete");
}

/// A burst that parity does not mend: what it hits, and what is a copy of that, is told and set apart.
#[test]
fn damaged_files_are_set_apart_and_their_missing_bytes_told() {
    let sandbox = packed("");
    damage(&sandbox, 1_000_000, 120_000);
    sandbox
        .typed("repair d.bakpak -o m.bakpak")
        .exits(20)
        .says("bakpak salvage");
    let line = "salvage d.bakpak --to out --key-file data.key --json";
    let run = sandbox.typed(line).exits(20);
    assert_eq!(run.events("salvage")[0]["verdict"], "partial");
    assert_eq!(run.events("salvage")[0]["damaged"], 2);
    for whole in ["home/a/first", "home/d/third"] {
        assert_eq!(sandbox.read(&format!("out/{whole}")), sandbox.read(whole));
    }
    let told = run.events("affected");
    assert_eq!(told.len(), 2);
    for (line, is_copy) in told.iter().zip([false, true]) {
        let path = line["path"].as_str().unwrap();
        assert!(!sandbox.path(&format!("out/{path}")).exists());
        let stored = line["stored"].as_str().unwrap();
        assert_eq!(stored, format!("damaged/{path}"));
        let found = sandbox.read(&format!("out/{stored}"));
        assert!(found == with_holes(&sandbox.read(path), line), "{path}");
        assert_eq!(line["missing"][0]["copied"], is_copy);
        assert!(line["missing_len"].as_u64().unwrap() >= 100_000);
    }
    // The report beside the files says the same.
    let report = report(&sandbox, "out");
    assert_eq!(report[..2], told[..]);
    assert_eq!(report.last().unwrap()["exit"], 20);

    let line = "salvage d.bakpak --to dropped --key-file data.key --drop-damaged";
    let run = sandbox.typed(line).exits(20);
    run.says("this is NOT all of 'd.bakpak'")
        .says("so left out");
    assert!(!sandbox.path("dropped/damaged").exists());
    assert!(!sandbox.path("dropped/home/b/second").exists());
    assert!(sandbox.path("dropped/home/d/third").exists());
}

/// Cut, or without its start: what stands there is taken, and the rest not made up.
#[test]
fn a_part_of_an_archive_is_enough() {
    let sandbox = packed("");
    let whole = sandbox.read("a.bakpak");
    sandbox.write("cut.bakpak", &whole[..whole.len() / 3]);
    let run = sandbox
        .typed("salvage cut.bakpak --to cut --key-file data.key")
        .exits(20);
    run.says("its end is missing, nobody knows how much");
    assert_eq!(
        sandbox.read("cut/home/a/first"),
        sandbox.read("home/a/first")
    );
    assert!(sandbox.path("cut/damaged/home/b/second").exists());

    sandbox.write("tail.bakpak", &whole[whole.len() / 2..]);
    let line = "salvage tail.bakpak --to tail --key-file data.key --json";
    let run = sandbox.typed(line).exits(20);
    assert_eq!(run.events("salvage")[0]["end_known"], true);
    // The catalogue of what stood in the first half stood there too.
    assert_eq!(run.events("salvage")[0]["unnamed"], 4);
    assert_eq!(
        sandbox.read("tail/home/d/third"),
        sandbox.read("home/d/third")
    );

    damage(&sandbox, 20_000, 400_000);
    let line = "salvage d.bakpak --to lost --key-file data.key --json";
    let lost = sandbox.typed(line).exits(20).events("affected");
    // Directories are what the catalogue says, without attributes.
    let told: Vec<_> = lost
        .iter()
        .map(|line| (&line["path"], &line["verdict"], &line["header_lost"]))
        .map(|(path, verdict, header)| (path.as_str(), verdict.as_str(), header.as_bool()))
        .collect();
    let expected = [
        ("home", "whole", true),
        ("home/a", "whole", true),
        ("home/a/first", "lost", true),
        ("home/b", "whole", true),
        ("home/b/second", "damaged", true),
        ("home/c/copy of second", "damaged", false),
    ];
    let expected =
        expected.map(|(path, verdict, header)| (Some(path), Some(verdict), Some(header)));
    assert_eq!(told, expected);
    assert_eq!(lost[2]["stored"], serde_json::Value::Null);
    assert!(!sandbox.path("lost/home/a/first").exists());
}

/// Further names of a damaged file are set apart with it.
#[cfg(unix)]
#[test]
fn names_of_a_damaged_file_stay_together() {
    use std::os::unix::fs::MetadataExt;

    let sandbox = packed("");
    fs::hard_link(sandbox.path("home/b/second"), sandbox.path("home/d/again")).unwrap();
    let line = "pack -o a.bakpak --force --home home --block-size 4K --key-file data.key";
    sandbox.typed(line).succeeds();
    damage(&sandbox, 1_000_000, 120_000);
    sandbox
        .typed("salvage d.bakpak --to out --key-file data.key")
        .exits(20);
    let inode = |path: &str| fs::metadata(sandbox.path(path)).unwrap().ino();
    let names = ["out/damaged/home/b/second", "out/damaged/home/d/again"];
    assert_eq!(inode(names[0]), inode(names[1]));
    assert!(!sandbox.path("out/home/d/again").exists());
    sandbox
        .typed("salvage d.bakpak --to dropped --key-file data.key --drop-damaged")
        .exits(20);
    assert!(!sandbox.path("dropped/home/d/again").exists());
}

#[test]
fn nothing_is_written_where_nothing_opens() {
    let sandbox = packed("");
    let salvage = |archive: &str, key: &str, to: &str| {
        sandbox.typed(&format!("salvage {archive} --to {to} --key-file {key}"))
    };
    salvage("a.bakpak", "safe.key", "out").exits(12);
    sandbox.write("text", "no archive");
    salvage("text", "data.key", "out").exits(25);
    salvage("absent", "data.key", "out").exits(10);
    assert!(!sandbox.path("out").exists());
    sandbox.write("full/file", "here");
    salvage("a.bakpak", "data.key", "full").exits(31);
    assert_eq!(sandbox.read("full/file"), b"here");
    assert!(leftovers(&sandbox.path(".")).is_empty());
}

fn leftovers(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(".bakpak-")).collect()
}

/// `verify` with a key names what damage hits, also where it can be mended, also through copies.
#[test]
fn verify_names_the_entries_that_damage_hits() {
    let sandbox = packed("");
    for (len, exit) in [(20_000, 21), (120_000, 20)] {
        damage(&sandbox, 1_000_000, len);
        let line = "verify d.bakpak --key-file data.key --json";
        let run = sandbox.typed(line).exits(exit);
        let affected = run.events("affected");
        let told: Vec<_> = affected.iter().map(|line| line["path"].as_str()).collect();
        let paths = ["home/b/second", "home/c/copy of second"];
        assert_eq!(told, paths.map(Some), "{len}");
        for (line, is_copy) in affected.iter().zip([false, true]) {
            assert_eq!(line["verdict"], "damaged");
            assert_eq!(line["missing"][0]["copied"], is_copy);
        }
        let run = sandbox
            .typed("verify d.bakpak --key-file data.key")
            .exits(exit);
        run.says(match exit {
            21 => "'home/b/second' is hit, and comes back by repair",
            _ => "damaged: 'home/b/second' lacks ",
        });
        // Without a key nobody knows what a block holds.
        let run = sandbox
            .typed("verify d.bakpak --keyless --json")
            .exits(exit);
        assert!(run.events("affected").is_empty());
    }
}

/// Of a backup the pages of its database are told that are missing.
#[test]
fn missing_pages_of_a_backup_are_told() {
    use mssql_backup::testing::{Database, Media, write_media};

    let sandbox = Sandbox::new();
    let database = &mut Database::new("Orders");
    let full = database.full(jiff::civil::date(2026, 3, 1).at(12, 0, 0, 0));
    let medium = write_media(&Media::default(), &[full]).remove(0);
    sandbox.write("Orders.bak", &medium);
    let line = "pack -o a.bakpak --sql Orders.bak --block-size 4K --parity none \
                --key-file data.key --no-match --allow-incomplete";
    sandbox.typed(line).succeeds();
    let whole = sandbox.read("a.bakpak");
    let mut told_exactly = 0;
    // One block after the other; what they hold is found out by what is missing.
    for block in 0..whole.len() / 4096 - 10 {
        let offset = 20_480 + block * 4096;
        if offset + 4096 > whole.len() {
            break;
        }
        damage(&sandbox, offset, 4096);
        let to = format!("out-{block}");
        let run = sandbox.typed(&format!(
            "salvage d.bakpak --to {to} --key-file data.key --json"
        ));
        for line in run.events("affected") {
            if line["path"] != "sql/Orders.bak" || line["verdict"] != "damaged" {
                continue;
            }
            let found = sandbox.read(&format!("{to}/damaged/sql/Orders.bak"));
            assert!(found == with_holes(&medium, &line));
            for pages in line["pages"].as_array().unwrap() {
                if pages["exact"] != true {
                    continue;
                }
                let first = pages["first"].as_u64().unwrap();
                let at = pages["offset"].as_u64().unwrap() as usize;
                for number in 0..pages["count"].as_u64().unwrap() {
                    // A page says its number at its offset 32; one that was never used is zeros.
                    let start = at + number as usize * 8192;
                    let page = medium[start + 32..start + 36].try_into().unwrap();
                    let page = u64::from(u32::from_le_bytes(page));
                    assert!(page == first + number || page == 0, "{pages}");
                    told_exactly += 1;
                }
            }
        }
    }
    assert!(told_exactly > 0, "no page was named");
}

/// The target may be there, if it is empty.
#[test]
fn an_empty_directory_can_be_the_target() {
    let sandbox = packed("");
    damage(&sandbox, 1_000_000, 120_000);
    fs::create_dir(sandbox.path("out")).unwrap();
    let line = "salvage d.bakpak --to out --key-file data.key";
    sandbox.typed(line).exits(20);
    assert!(sandbox.path("out/damaged/home/b/second").exists());
    assert_eq!(report(&sandbox, "out").len(), 3);
    assert!(leftovers(&sandbox.path("out")).is_empty());
}

/// As few blocks as there is parity for may be lost altogether.
#[test]
fn parity_alone_gives_back_a_short_stripe() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "six\n");
    let line = "pack -o a.bakpak --home home --block-size 64K --key-file data.key";
    sandbox.typed(line).succeeds();
    let whole = sandbox.read("a.bakpak");
    let block = whole.windows(4).position(|bytes| bytes == b"BPBK").unwrap();
    damage(&sandbox, block, 65_536);
    sandbox
        .typed("salvage d.bakpak --to out --key-file data.key")
        .succeeds();
    assert_eq!(sandbox.read("out/home/a"), b"six\n");
}

/// An archive without its envelope is not all there, whatever else is.
#[test]
fn a_lost_envelope_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox.write("home/notes.txt", "remember\n");
    sandbox.pack_with_master_key("a.bakpak", "").succeeds();
    let mut bytes = sandbox.read("a.bakpak");
    let mut lost = 0;
    for sector in bytes.chunks_mut(4096) {
        if sector.starts_with(b"BPEB") {
            sector.fill(0);
            lost += 1;
        }
    }
    assert!(lost > 1);
    sandbox.write("d.bakpak", bytes);
    sandbox
        .typed("salvage d.bakpak --to out --key-file data.key")
        .exits(20)
        .says("the master-key envelope is lost");
    assert_eq!(sandbox.read("out/home/notes.txt"), b"remember\n");
}

/// What a faulty writer sealed is left out, and told in words and in JSON.
#[test]
fn a_record_that_breaks_the_format_is_told() {
    let sandbox = Sandbox::new();
    sandbox.vector("reject/chunk-raw-len-over-size.bakpak");
    sandbox
        .typed("salvage v.bakpak --to out --key-file vector.key")
        .exits(20)
        .says("a record is left out: a chunk: raw_len is")
        .says("this is NOT all of 'v.bakpak': 1 record is left out, and with it");
    let line = "salvage v.bakpak --to again --key-file vector.key --json";
    let run = sandbox.typed(line).exits(20);
    let findings = run.events("finding");
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["class"], "LimitExceeded");
    assert_eq!(findings[0]["structure"], "chunk");
    assert_eq!(findings[0]["block"], 0);
    let summary = &run.events("salvage")[0];
    assert_eq!(summary["verdict"], "partial");
    assert_eq!(summary["findings"], 1);
    let report = report(&sandbox, "again");
    assert!(report.contains(&findings[0]), "{report:?}");
}

/// Of two archives in one file one is taken, and the other is told.
#[test]
fn another_archive_in_the_file_is_told() {
    let sandbox = packed("");
    let first = sandbox.read("a.bakpak");
    sandbox.write("other/file", noise(9, 200_000));
    let line = "pack -o b.bakpak --home other --block-size 4K --key-file data.key";
    sandbox.typed(line).succeeds();
    let second = sandbox.read("b.bakpak");
    let id = |archive: &str| {
        let line = format!("inspect {archive} --json");
        let told = sandbox.typed(&line).events("archive");
        told[0]["archive_id"].as_str().unwrap()[..16].to_owned()
    };
    let (first_id, second_id) = (id("a.bakpak"), id("b.bakpak"));

    // Of the first everything is lost but what stands in its blocks.
    let start = first.windows(4).position(|bytes| bytes == b"BPBK").unwrap();
    let both = [&first[start..], &second].concat();
    sandbox.write("d.bakpak", &both);
    let line = "salvage d.bakpak --to out --key-file data.key --json";
    let run = sandbox.typed(line).succeeds();
    let summary = &run.events("salvage")[0];
    assert!(
        summary["archive_id"]
            .as_str()
            .unwrap()
            .starts_with(&second_id)
    );
    let [other] = &summary["others"].as_array().unwrap()[..] else {
        panic!("{summary}");
    };
    assert_eq!(other["id_prefix"], first_id);
    assert_eq!(other["offset"], 0);
    assert!(other["blocks"].as_u64().unwrap() > 800, "{other}");
    run.says("of another archive in 'd.bakpak' too, the first at offset 0")
        .says("nothing of it is taken out");
    assert_eq!(sandbox.read("out/home/file"), noise(9, 200_000));
    assert!(!sandbox.path("out/home/a").exists());

    // The hint is right: its part of the file gives it back.
    sandbox.write("part.bakpak", &both[..first.len() - start]);
    let line = "salvage part.bakpak --to part --key-file data.key";
    sandbox.typed(line).succeeds();
    assert_eq!(
        sandbox.read("part/home/d/third"),
        sandbox.read("home/d/third")
    );

    // Where all of the first stands, nothing is looked for behind it but the end.
    sandbox.write("d.bakpak", [first, second].concat());
    let line = "salvage d.bakpak --to front --key-file data.key --json";
    let run = sandbox.typed(line).succeeds();
    let summary = &run.events("salvage")[0];
    assert!(
        summary["archive_id"]
            .as_str()
            .unwrap()
            .starts_with(&first_id)
    );
    assert_eq!(summary["others"][0]["id_prefix"], second_id);
    run.says("the end of another archive stands in 'd.bakpak' too");
}

/// Where the record is lost that says how much there was, nobody knows what else is.
#[test]
fn what_is_not_known_to_be_lost_is_told_so() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", noise(1, 100_000));
    let line = "pack -o a.bakpak --home home --block-size 4K --parity none --key-file data.key";
    sandbox.typed(line).succeeds();
    let whole = sandbox.read("a.bakpak");
    let last = whole
        .windows(4)
        .rposition(|bytes| bytes == b"BPBK")
        .unwrap();
    damage(&sandbox, last, 4096);
    let line = "salvage d.bakpak --to out --key-file data.key";
    let run = sandbox.typed(line).exits(20);
    run.says("1 block is lost; the record that says how much was packed is lost");
}

/// What no archive can be read from is refused at once, without advice that does not help.
#[test]
fn no_verb_waits_for_a_pipe_or_sends_an_empty_file_to_salvage() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.bakpak", "");
    for line in [
        "salvage empty.bakpak --to out --key-file data.key",
        "repair empty.bakpak -o m.bakpak",
        "unpack empty.bakpak --to out --key-file data.key",
        "verify empty.bakpak --key-file data.key",
    ] {
        let run = sandbox.typed(line).exits(24).says("the file is empty");
        assert!(!run.err.contains("`bakpak salvage"), "{line}: {}", run.err);
    }
    #[cfg(unix)]
    {
        let pipe = sandbox.path("pipe");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.unwrap().success());
        for line in [
            "salvage pipe --to out --key-file data.key",
            "repair pipe -o m.bakpak",
            "repair pipe --in-place",
            "list pipe --key-file data.key",
        ] {
            let run = sandbox.typed(line).exits(2);
            run.says("'pipe' is a pipe").says("save it to a file");
        }
    }
}

/// What is not made for want of an option is told, in the report too, as `unpack` does.
#[cfg(unix)]
#[test]
fn what_needs_a_word_is_told_in_the_report() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    let pipe = sandbox.path("home/pipe");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    sandbox
        .typed("pack -o a.bakpak --home home --key-file data.key")
        .succeeds();
    let run = sandbox
        .typed("salvage a.bakpak --to out --key-file data.key")
        .succeeds();
    run.says("--allow-special")
        .says("but for 1 device or named pipe not made");
    let told = report(&sandbox, "out");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        (&told[0]["type"], &told[0]["path"]),
        (&"warning".into(), &"home/pipe".into())
    );
    assert_eq!(told[1]["not_made"], 1);
    let line = "salvage a.bakpak --to all --key-file data.key --allow-special";
    sandbox.typed(line).succeeds();
    assert!(sandbox.path("all/home/pipe").exists());
    assert_eq!(report(&sandbox, "all")[0]["not_made"], 0);
}

/// Where head and tail are lost, `verify` says what `repair` makes of it.
#[test]
fn an_archive_without_head_and_tail_is_known_by_its_check_pages() {
    let sandbox = packed("");
    let mut bytes = sandbox.read("a.bakpak");
    let whole = bytes.clone();
    let len = bytes.len();
    bytes[..4096].fill(0);
    bytes[len - 20_480..].fill(0);
    sandbox.write("d.bakpak", &bytes);
    for more in ["--keyless", "--key-file data.key"] {
        let run = sandbox.typed(&format!("verify d.bakpak {more}")).exits(21);
        assert!(
            run.text().contains("DAMAGED, AND REPAIRABLE"),
            "{}",
            run.text()
        );
    }
    let run = sandbox.typed("verify d.bakpak --keyless --json").exits(21);
    assert_eq!(run.events("finding")[0]["class"], "Damaged");
    sandbox.typed("repair d.bakpak -o m.bakpak").succeeds();
    assert!(sandbox.read("m.bakpak") == whole);
    bytes[1_000_000..1_120_000].fill(0);
    sandbox.write("d.bakpak", &bytes);
    sandbox.typed("verify d.bakpak --keyless").exits(20);
    sandbox
        .typed("repair d.bakpak -o m.bakpak --force")
        .exits(20);
    // And what never was one is none.
    sandbox.write("text", vec![b'x'; 100_000]);
    sandbox.typed("verify text --keyless").exits(25);
}

/// Where bytes were added, a key shows more, and mends no less.
#[test]
fn verify_with_a_key_says_that_repair_mends_what_was_displaced() {
    let sandbox = packed("");
    let mut bytes = sandbox.read("a.bakpak");
    bytes.splice(1_000_000..1_000_000, [7; 777]);
    sandbox.write("d.bakpak", bytes);
    sandbox.typed("verify d.bakpak --keyless").exits(21);
    sandbox
        .typed("verify d.bakpak --key-file data.key")
        .exits(21);
    sandbox.typed("repair d.bakpak -o m.bakpak").succeeds();
    let line = "salvage d.bakpak --to out --key-file data.key --json";
    let run = sandbox.typed(line).succeeds();
    // The block into which they came, and no other one.
    assert_eq!(run.events("salvage")[0]["mended_blocks"], 1);
}

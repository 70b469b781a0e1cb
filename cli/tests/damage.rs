//! Damage: noticed by every verb, told with its place, and nothing is unpacked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

/// A copy of the archive with one bit changed.
fn flipped(sandbox: &Sandbox, offset: usize) {
    let mut bytes = sandbox.read("a.bakpak");
    bytes[offset] ^= 0x10;
    sandbox.write("d.bakpak", bytes);
}

fn first_block(sandbox: &Sandbox) -> usize {
    let bytes = sandbox.read("a.bakpak");
    (0..bytes.len())
        .step_by(4096)
        .find(|&at| bytes[at..].starts_with(b"BPBK"))
        .unwrap()
}

#[test]
fn a_changed_byte_of_a_block_is_told_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let block = first_block(&sandbox);
    flipped(&sandbox, block + 1000);
    let keyless = sandbox.typed("verify --keyless --json d.bakpak").exits(21);
    let findings = keyless.events("finding");
    assert_eq!(findings[0]["block"], 0);
    assert_eq!(findings[0]["offset"], block as u64);
    let verified = &keyless.events("verified")[0];
    assert_eq!(verified["verdict"], "repairable");
    assert_eq!(verified["lost"], 0);
    sandbox
        .typed("verify d.bakpak --key-file data.key")
        .exits(21)
        .says("block 0")
        .says("`bakpak repair ARCHIVE -o MENDED` mends all of it");
    sandbox
        .typed("verify d.bakpak --level blocks --key-file data.key")
        .exits(21);
    sandbox
        .typed("unpack d.bakpak --to out --key-file data.key")
        .exits(20);
    sandbox
        .typed("cat d.bakpak --tar --key-file data.key")
        .exits(20);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn every_sector_is_watched() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let len = sandbox.read("a.bakpak").len();
    for offset in (0..len).step_by(4096).map(|at| at + 77) {
        flipped(&sandbox, offset);
        sandbox.typed("verify --keyless d.bakpak").exits(21);
        let run = sandbox.typed("verify d.bakpak --key-file data.key");
        assert_eq!(run.code, 21, "offset {offset}: {}", run.err);
    }
}

#[test]
fn damage_of_what_the_data_do_not_need_is_told_and_they_are_unpacked() {
    let sandbox = Sandbox::new();
    sandbox.write("home/notes.txt", "remember\n");
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox.pack_with_master_key("a.bakpak", "").succeeds();
    let mut told = String::new();
    for sector in 1..first_block(&sandbox) / 4096 {
        flipped(&sandbox, sector * 4096 + 77);
        let to = format!("out{sector}");
        let run = sandbox.typed(&format!("unpack d.bakpak --to {to} --key-file data.key"));
        if run.code == 0 {
            let warnings = run.err.lines().filter(|line| line.contains("warning: "));
            assert!(warnings.count() > 0, "sector {sector}: {}", run.err);
            told.push_str(&run.err);
        } else {
            assert_eq!(run.code, 20, "sector {sector}: {}", run.err);
            assert!(!sandbox.path(&to).exists(), "sector {sector}");
        }
    }
    for words in ["the data do not need it", "it is not needed for this"] {
        assert!(told.contains(words), "no '{words}' in:\n{told}");
    }
}

#[test]
fn a_cut_archive_is_told_from_a_damaged_one() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let bytes = sandbox.read("a.bakpak");
    for len in [bytes.len() - 1, bytes.len() / 2, 5000, 100, 10] {
        sandbox.write("d.bakpak", &bytes[..len]);
        // Half of it has all that cannot be computed: head, block, check page.
        let code = if len >= bytes.len() / 2 { 21 } else { 24 };
        sandbox.typed("verify --keyless d.bakpak").exits(code);
        sandbox
            .typed("verify d.bakpak --key-file data.key")
            .exits(code);
        let piped = sandbox.typed_with_input("verify - --key-file data.key", &bytes[..len]);
        assert_eq!(piped.code, 24, "{len}: {}", piped.err);
        sandbox
            .typed("unpack d.bakpak --to out --key-file data.key")
            .exits(24);
        sandbox
            .typed_with_input("unpack - --to out --key-file data.key", &bytes[..len])
            .exits(24);
        assert!(!sandbox.path("out").exists());
    }
    assert_eq!(
        sandbox.names("."),
        ["a.bakpak", "d.bakpak", "data.key", "home", "safe.key"]
    );
}

#[test]
fn a_key_that_does_not_fit_hides_no_damage() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let verify = |more: &str| sandbox.typed(&format!("verify {more} --key-file safe.key"));
    let whole = verify("a.bakpak").exits(12);
    whole
        .says("no offered secret opens this archive")
        .says("no damage shows without a key");
    flipped(&sandbox, first_block(&sandbox) + 1000);
    let damaged = verify("d.bakpak --json").exits(21);
    assert_eq!(damaged.events("error")[0]["code"], 12);
    assert_eq!(damaged.events("finding")[0]["block"], 0);
    let verified = &damaged.events("verified")[0];
    assert_eq!(
        (&verified["level"], &verified["exit"]),
        (&"keyless".into(), &21.into())
    );
    damaged
        .says("block 0 is damaged")
        .says("no offered secret opens this archive, so only what shows without a key");

    let bytes = sandbox.read("d.bakpak");
    let line = "verify - --key-file safe.key";
    let piped = sandbox.typed_with_input(line, &bytes).exits(20);
    piped
        .says("block 0 is damaged")
        .says("no offered secret opens");
    let cut = sandbox.read("a.bakpak");
    sandbox
        .typed_with_input(line, &cut[..cut.len() / 2])
        .exits(24)
        .says("no offered secret opens");
    sandbox.typed_with_input(line, &cut).exits(12);
}

#[test]
fn the_master_key_comes_out_of_the_tail_where_the_front_is_damaged() {
    let sandbox = Sandbox::new();
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox.write("home/notes.txt", "remember\n");
    sandbox.pack_with_master_key("a.bakpak", "").succeeds();
    let show = "master-key show d.bakpak --envelope-key-file";
    let mut bytes = sandbox.read("a.bakpak");
    let end = first_block(&sandbox);
    for sector in 0..end / 4096 {
        flipped(&sandbox, sector * 4096 + 77);
        let shown = sandbox.typed(&format!("{show} safe.key")).succeeds();
        assert_eq!(shown.text(), "MDEyMzQ1Njc4OWFiY2RlZg==\n");
    }
    bytes[..end].fill(0);
    sandbox.write("d.bakpak", &bytes);
    let shown = sandbox.typed(&format!("{show} safe.key")).succeeds();
    assert_eq!(shown.text(), "MDEyMzQ1Njc4OWFiY2RlZg==\n");
    shown
        .says("warning: ")
        .says("the copy at the archive's end is whole and is used");
    sandbox.typed(&format!("{show} data.key")).exits(12);
    let exec = "master-key exec d.bakpak --envelope-key-file safe.key -- true";
    sandbox.typed(exec).succeeds().says("warning: ");
    // The copy is there, though nothing says where.
    let len = bytes.len();
    bytes[len - 100] ^= 1;
    sandbox.write("d.bakpak", &bytes);
    let shown = sandbox.typed(&format!("{show} safe.key")).succeeds();
    assert_eq!(shown.text(), "MDEyMzQ1Njc4OWFiY2RlZg==\n");
    shown.says("a whole copy stands further on and is used");
    bytes[len - 20_000..].fill(0);
    sandbox.write("d.bakpak", &bytes);
    let lost = sandbox.typed(&format!("{show} safe.key"));
    assert!(lost.out.is_empty() && lost.code != 0, "{}", lost.err);
}

#[test]
fn a_damaged_head_hides_neither_the_content_nor_other_damage() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    let whole = sandbox
        .typed("list a.bakpak --key-file data.key")
        .succeeds();
    for offset in [3, 12, 17, 200, 1500, 2052, 2060] {
        flipped(&sandbox, offset);
        for more in ["--keyless", "--key-file data.key"] {
            let verify = sandbox.typed(&format!("verify d.bakpak --json {more}"));
            let verify = verify.exits(21);
            let findings = verify.events("finding");
            assert_eq!(findings.len(), 1, "{offset}: {}", verify.err);
            assert_eq!(findings[0]["offset"], 0, "{offset}: {}", verify.err);
            assert_ne!(verify.events("verified")[0]["blocks"], 0, "{offset}");
        }
        let used = "the copy at the archive's end is whole and is used";
        let listed = sandbox.typed("list d.bakpak --key-file data.key");
        assert_eq!(listed.succeeds().says(used).out, whole.out, "{offset}");
        sandbox.typed("inspect d.bakpak").succeeds().says(used);
        let to = format!("unpack d.bakpak --to out{offset} --key-file data.key");
        let unpacked = sandbox.typed(&to).succeeds();
        assert_eq!(unpacked.err.matches(used).count(), 1, "{}", unpacked.err);
        sandbox
            .typed("cat d.bakpak --tar --key-file data.key")
            .succeeds()
            .says(used);
        // A pipe's end comes last.
        let bytes = sandbox.read("d.bakpak");
        let piped = sandbox.typed_with_input("unpack - --to no --key-file data.key", &bytes);
        assert!([20, 25].contains(&piped.code), "{offset}: {}", piped.err);
    }
    let mut bytes = sandbox.read("d.bakpak");
    bytes[first_block(&sandbox) + 1000] ^= 1;
    sandbox.write("d.bakpak", &bytes);
    let verify = sandbox
        .typed("verify d.bakpak --key-file data.key")
        .exits(21);
    verify.says("the head is damaged").says("block 0");
}

#[test]
fn what_is_no_archive_for_want_of_bytes_is_told_so() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    sandbox.write("d.bakpak", "");
    let verify = sandbox.typed("verify d.bakpak --keyless").exits(24);
    verify.says("the file is empty");
    let piped = sandbox.typed_with_input("verify - --keyless", b"");
    piped.exits(24).says("nothing came");
    let bytes = sandbox.read("a.bakpak");
    sandbox.write("d.bakpak", &bytes[..100]);
    let verify = sandbox.typed("verify d.bakpak --keyless").exits(24);
    verify.says("100 bytes are too few for an archive");
    sandbox.write("d.bakpak", &bytes[..5000]);
    let verify = sandbox.typed("verify d.bakpak --keyless").exits(24);
    verify.says("the archive ends within a table of key slots");
}

#[test]
fn one_bad_archive_does_not_hide_the_others() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    fs::write(sandbox.path("empty.bakpak"), "").unwrap();
    let run = sandbox.typed("inspect none.bakpak empty.bakpak a.bakpak --json");
    assert_eq!(run.events("error").len(), 2);
    assert_eq!(run.events("archive").len(), 1);
    run.exits(24);
}

#[test]
fn a_damaged_archive_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    flipped(&sandbox, first_block(&sandbox) + 1000);
    let run = sandbox
        .typed("unpack d.bakpak --to out --key-file data.key")
        .exits(20);
    assert!(run.err.contains("hint: "), "{}", run.err);
    assert!(
        run.err.lines().all(|line| line.starts_with("bakpak: ")),
        "{}",
        run.err
    );
}

//! `repair` gives an archive back as it was, or writes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

/// A sandbox with an archive `a.bakpak` of some hundred blocks of 4 KiB.
fn packed(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut noise = vec![0; 600_000];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    sandbox.write("home/noise", noise);
    let line = format!("pack -o a.bakpak --home home --block-size 4K --key-file data.key {more}");
    sandbox.typed(&line).succeeds();
    sandbox
}

/// Writes `d.bakpak`: the archive with these stretches overwritten.
fn damage(sandbox: &Sandbox, stretches: &[(usize, usize)]) {
    let mut bytes = sandbox.read("a.bakpak");
    for (offset, len) in stretches {
        bytes[*offset..offset + len].fill(0xA5);
    }
    sandbox.write("d.bakpak", bytes);
}

#[test]
fn a_damaged_archive_is_mended_and_verified() {
    let sandbox = packed("");
    damage(&sandbox, &[(0, 5000), (100_000, 16_000)]);
    sandbox
        .typed("verify --keyless d.bakpak")
        .exits(21)
        .says("`bakpak repair ARCHIVE -o MENDED` mends all of it");
    let run = sandbox.typed("repair d.bakpak -o m.bakpak").succeeds();
    run.says("mended: ")
        .says("is 'd.bakpak' mended, and verified");
    assert_eq!(sandbox.read("m.bakpak"), sandbox.read("a.bakpak"));
    // The key shows more: that what came out was sealed with it.
    let line = "repair d.bakpak -o m.bakpak --force --key-file data.key";
    sandbox.typed(line).succeeds();
    sandbox
        .typed("repair d.bakpak -o other.bakpak --key-file safe.key")
        .exits(12);
    assert!(!sandbox.path("other.bakpak").exists());
    sandbox.typed("repair d.bakpak -o m.bakpak").exits(31);
}

#[test]
fn a_whole_archive_is_told_to_be_whole() {
    let sandbox = packed("");
    let run = sandbox
        .typed("repair a.bakpak -o m.bakpak --json")
        .succeeds();
    assert_eq!(run.events("repaired")[0]["verdict"], "whole");
    assert_eq!(sandbox.read("m.bakpak"), sandbox.read("a.bakpak"));
    sandbox
        .typed("repair a.bakpak --in-place")
        .succeeds()
        .says("is whole");
}

#[test]
fn what_is_lost_is_named_and_nothing_is_written() {
    let sandbox = packed("--parity 1.5");
    damage(&sandbox, &[(100_000, 40_000)]);
    let verify = sandbox.typed("verify --keyless d.bakpak --json").exits(20);
    let verified = &verify.events("verified")[0];
    assert_eq!(verified["verdict"], "damaged");
    assert_eq!(verified["lost"], verified["findings"]);
    let before = sandbox.read("d.bakpak");
    for line in ["repair d.bakpak -o m.bakpak", "repair d.bakpak --in-place"] {
        let run = sandbox.typed(line).exits(20);
        run.says("block 22 is damaged").says("cannot be mended");
    }
    assert!(!sandbox.path("m.bakpak").exists());
    assert_eq!(sandbox.read("d.bakpak"), before);
    assert_eq!(
        sandbox.names("."),
        ["a.bakpak", "d.bakpak", "data.key", "home", "safe.key"]
    );
}

#[test]
fn without_parity_blocks_cannot_be_mended_and_copies_can() {
    let sandbox = packed("--parity none");
    damage(&sandbox, &[(100_000, 10)]);
    sandbox.typed("verify --keyless d.bakpak").exits(20);
    sandbox.typed("repair d.bakpak -o m.bakpak").exits(20);
    damage(&sandbox, &[(0, 4096)]);
    sandbox.typed("repair d.bakpak -o m.bakpak").succeeds();
    assert_eq!(sandbox.read("m.bakpak"), sandbox.read("a.bakpak"));
}

#[test]
fn in_place_only_what_can_be_is_written() {
    let sandbox = packed("--parity 12");
    damage(&sandbox, &[(100_000, 50_000)]);
    let run = sandbox.typed("repair d.bakpak --in-place").succeeds();
    run.says("'d.bakpak' is mended, and verified");
    assert_eq!(sandbox.read("d.bakpak"), sandbox.read("a.bakpak"));
    // Bytes that are missing move all that follows.
    let whole = sandbox.read("a.bakpak");
    let moved = [&whole[..200_000], &whole[200_100..]].concat();
    sandbox.write("d.bakpak", &moved);
    sandbox.typed("verify --keyless d.bakpak").exits(21);
    let run = sandbox.typed("repair d.bakpak --in-place").exits(21);
    run.says("cannot be mended in place").says("-o MENDED");
    assert_eq!(sandbox.read("d.bakpak"), moved);
    sandbox.typed("repair d.bakpak -o m.bakpak").succeeds();
    assert_eq!(sandbox.read("m.bakpak"), whole);
}

#[test]
fn what_is_no_archive_is_not_repaired() {
    let sandbox = packed("");
    sandbox.write("text", "no archive");
    sandbox.typed("repair text -o m.bakpak").exits(25);
    sandbox.typed("repair gone -o m.bakpak").exits(10);
    sandbox.typed("repair a.bakpak").exits(2);
    sandbox.typed("repair a.bakpak -o m --in-place").exits(2);
    assert!(!sandbox.path("m.bakpak").exists());
}

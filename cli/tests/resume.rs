//! `pack --resume`: what was stopped goes on, and nothing that is not complete looks so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Run, Sandbox, assert_same_tree, signal, wait_until};

const PACK: &str = "pack -o a.bakpak --home home --block-size 4K --key-file data.key";
const RESUME: &str = "pack -o a.bakpak --home home --block-size 4K --key-file data.key --resume";

/// Bytes that do not compress, other ones for each seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(len / 8).flatten().collect()
}

/// A home of 24 MB: many small files, some with two names, and large ones.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..300_u64 {
        let len = (number as usize * 37) % 9000;
        sandbox.write(&format!("home/small/{number:03}"), noise(number, len));
    }
    for number in 0..4 {
        sandbox.write(
            &format!("home/large/{number}"),
            noise(1000 + number, 5 << 20),
        );
    }
    sandbox.write("home/a-link", noise(7, 300_000));
    let linked = sandbox.path("home/z-link");
    fs::hard_link(sandbox.path("home/a-link"), linked).unwrap();
    sandbox
}

/// The temporary files beside `a.bakpak`.
fn left(sandbox: &Sandbox) -> Vec<PathBuf> {
    let names = sandbox.names(".").into_iter();
    names
        .filter(|name| name.starts_with(".a.bakpak.bakpak-tmp-"))
        .map(|name| sandbox.path(&name))
        .collect()
}

/// What a killed run leaves: so much of the archive that a complete one makes.
fn stopped_at(sandbox: &Sandbox, pack: &str, len: usize) -> PathBuf {
    sandbox.typed(pack).succeeds();
    let archive = sandbox.read("a.bakpak");
    fs::remove_file(sandbox.path("a.bakpak")).unwrap();
    let path = sandbox.path(".a.bakpak.bakpak-tmp-0123456789abcdef");
    fs::write(&path, &archive[..len.min(archive.len())]).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The archive is whole, and holds what is at home.
fn is_right(sandbox: &Sandbox) {
    assert_eq!(left(sandbox), Vec::<PathBuf>::new());
    sandbox
        .typed("verify a.bakpak --key-file data.key")
        .succeeds();
    sandbox.typed("verify a.bakpak --keyless").succeeds();
    fs::remove_dir_all(sandbox.path("out")).ok();
    sandbox
        .typed("unpack a.bakpak --to out --key-file data.key")
        .succeeds();
    assert_same_tree(&sandbox.path("home"), &sandbox.path("out/home"));
}

#[test]
fn a_stopped_run_goes_on_from_what_it_left() {
    let sandbox = home();
    for len in [0, 5000, 1_500_000, 9_000_000, 21_000_000, usize::MAX] {
        stopped_at(&sandbox, PACK, len);
        let run = sandbox.typed(&format!("{RESUME} --json")).succeeds();
        let packed = run.events("packed").remove(0);
        let kept = packed["kept_len"].as_u64().unwrap();
        let stood = len.min(packed["archive_len"].as_u64().unwrap() as usize) as u64;
        assert!(
            kept <= stood && (kept > 0) == (len > 3_000_000),
            "{kept} of {stood}"
        );
        assert!(kept + 4_500_000 > stood, "{kept} of {stood}");
        is_right(&sandbox);
        fs::remove_file(sandbox.path("a.bakpak")).unwrap();
    }
}

#[test]
fn it_says_what_it_goes_on_with() {
    let sandbox = home();
    for (len, words) in [
        (1_500_000, "packing starts anew"),
        (9_000_000, "what is in it is checked"),
    ] {
        stopped_at(&sandbox, PACK, len);
        let run = sandbox.typed(RESUME).succeeds();
        assert!(run.err.contains(words), "{}", run.err);
        let is_kept = run.err.contains("were kept from the run that was stopped");
        assert_eq!(is_kept, len > 3_000_000, "{}", run.err);
        fs::remove_file(sandbox.path("a.bakpak")).unwrap();
    }
}

#[test]
fn without_anything_left_it_says_so_and_packs() {
    let sandbox = home();
    let run = sandbox.typed(RESUME).succeeds();
    assert!(
        run.err.contains("there is no file to go on with"),
        "{}",
        run.err
    );
    is_right(&sandbox);
}

/// Kills the run, and whatever goes on with it, at moments that no one has chosen, until one ends.
/// The output's name is looked at all the time.
#[test]
fn killed_again_and_again_it_comes_to_its_end_and_never_looks_complete_before() {
    let sandbox = home();
    let mut kills = 0;
    for patience in [
        1_u64, 3, 10, 20, 30, 45, 60, 80, 100, 130, 170, 220, 300, 400, 500,
    ] {
        let mut child = sandbox.start(if kills == 0 { PACK } else { RESUME });
        let started = std::time::Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if started.elapsed() > Duration::from_millis(patience) {
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if ended.is_some_and(|status| status.success()) {
            break;
        }
        assert!(ended.is_none(), "{:?}", child.wait_with_output());
        signal(&child, "-KILL");
        let status = child.wait().unwrap();
        if sandbox.path("a.bakpak").exists() {
            // It had its name before the signal came; then it is complete.
            break;
        }
        assert!(!status.success());
        assert!(left(&sandbox).len() <= 1);
        kills += 1;
    }
    assert!(kills > 2, "{kills}");
    if !sandbox.path("a.bakpak").exists() {
        sandbox.typed(RESUME).succeeds();
    }
    is_right(&sandbox);
}

#[test]
fn what_a_killed_run_has_left_is_no_archive_for_any_verb() {
    let sandbox = home();
    let partial = stopped_at(&sandbox, PACK, 9_000_000);
    fs::rename(partial, sandbox.path("p.bakpak")).unwrap();
    for line in [
        "verify p.bakpak --keyless",
        "verify p.bakpak --key-file data.key",
        "unpack p.bakpak --to out --key-file data.key",
        "list p.bakpak --key-file data.key",
    ] {
        let run = sandbox.typed(line);
        assert!(
            [20, 24].contains(&run.code),
            "{line}: {} {}",
            run.code,
            run.err
        );
    }
    assert!(!sandbox.path("out").exists());
}

#[test]
fn interrupted_it_keeps_what_is_packed() {
    for signals in [["-INT"].as_slice(), &["-INT", "-INT"], &["-TERM"]] {
        let sandbox = home();
        let pack = "pack -o a.bakpak --home home --stdin-entry zz --block-size 4K --resume \
                    --key-file data.key";
        let mut child = sandbox.start(pack);
        // What comes from the pipe is packed last: all else is there when nothing more is written.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&noise(5, 8 << 20)).unwrap();
        let len = || {
            left(&sandbox)
                .first()
                .map_or(0, |path| path.metadata().unwrap().len())
        };
        wait_until("stripes", || len() > 20_000_000);
        for name in signals {
            signal(&child, name);
            std::thread::sleep(Duration::from_millis(100));
        }
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(matches!(done.status.code(), Some(130 | 143)), "{err}");
        assert!(err.contains("--resume goes on with it"), "{err}");
        assert_eq!(left(&sandbox).len(), 1);
        assert!(!sandbox.path("a.bakpak").exists());
        let input = noise(6, 1 << 20);
        let run: Run = sandbox
            .typed_with_input(&format!("{pack} --json"), &input)
            .succeeds();
        assert!(run.events("packed")[0]["kept_len"].as_u64() > Some(10_000_000));
        let zz = sandbox
            .typed("cat a.bakpak attachments/zz --key-file data.key")
            .succeeds();
        assert!(zz.out == input);
        is_right(&sandbox);
    }
}

#[test]
fn a_source_that_cannot_be_read_stops_it_and_can_be_mended() {
    let sandbox = home();
    stopped_at(&sandbox, PACK, 9_000_000);
    let moved = sandbox.path("moved");
    // What is named has to be there.
    let resume = "pack -o a.bakpak --home home --attach note --block-size 4K --key-file data.key \
                  --resume";
    let run = sandbox.typed(resume);
    assert_ne!(run.code, 0);
    assert!(run.err.contains("--resume goes on with it"), "{}", run.err);
    assert_eq!(left(&sandbox).len(), 1);
    sandbox.write("note", "here");
    let run = sandbox.typed(&format!("{resume} --json")).succeeds();
    assert!(run.events("packed")[0]["kept_len"].as_u64() > Some(4_000_000));
    is_right(&sandbox);
    assert!(!moved.exists());
}

#[test]
fn changed_and_vanished_sources_are_told() {
    let sandbox = home();
    stopped_at(&sandbox, PACK, 9_000_000);
    // Stopped within one of the large files.
    for number in 0..4 {
        let name = format!("home/large/{number}");
        let mut content = sandbox.read(&name);
        content[100] ^= 1;
        sandbox.write(&name, content);
    }
    let run = sandbox.typed(RESUME).succeeds();
    assert!(
        run.err.contains("changed since the run was stopped"),
        "{}",
        run.err
    );
    sandbox
        .typed("verify a.bakpak --key-file data.key")
        .succeeds();
    sandbox
        .typed("unpack a.bakpak --to out --key-file data.key")
        .succeeds();
    // Those that were packed wholly before are as they were then, all others as they are now.
    let same = (0..4).filter(|number| {
        let name = format!("home/large/{number}");
        sandbox.read(&name) == sandbox.read(&format!("out/{name}"))
    });
    assert!(same.count() >= 2);
    fs::remove_file(sandbox.path("a.bakpak")).unwrap();

    let partial = stopped_at(&sandbox, PACK, 9_000_000);
    fs::remove_dir_all(sandbox.path("home/large")).unwrap();
    let run = sandbox.typed(RESUME).succeeds();
    assert!(
        run.err.contains("is gone since the run was stopped"),
        "{}",
        run.err
    );
    assert!(!partial.exists());
    sandbox
        .typed("verify a.bakpak --key-file data.key")
        .succeeds();
}

/// A source that is not mounted must not cost what is packed.
#[test]
fn where_the_sources_are_empty_the_partial_file_stays() {
    let sandbox = home();
    let partial = stopped_at(&sandbox, PACK, 9_000_000);
    let before = fs::read(&partial).unwrap();
    fs::rename(sandbox.path("home"), sandbox.path("away")).unwrap();
    fs::create_dir(sandbox.path("home")).unwrap();
    let run = sandbox.typed(RESUME).exits(1);
    run.says("they hold next to nothing");
    assert!(fs::read(&partial).unwrap() == before);
    fs::remove_dir(sandbox.path("home")).unwrap();
    fs::rename(sandbox.path("away"), sandbox.path("home")).unwrap();
    sandbox.typed(RESUME).succeeds();
    is_right(&sandbox);
}

#[test]
fn what_came_too_late_is_told() {
    let sandbox = home();
    stopped_at(&sandbox, PACK, 21_000_000);
    sandbox.write("home/a-new", "new");
    let run = sandbox.typed(RESUME).succeeds();
    assert!(run.err.contains("'home/a-new' came after"), "{}", run.err);
    assert!(
        !sandbox
            .typed("list a.bakpak --key-file data.key")
            .text()
            .contains("a-new")
    );
}

#[test]
fn another_key_or_another_command_is_refused_and_nothing_is_lost() {
    let sandbox = home();
    sandbox.write("master", "MDEyMzQ1Njc4OWFiY2RlZg==");
    let partial = stopped_at(&sandbox, PACK, 9_000_000);
    let before = fs::read(&partial).unwrap();
    let pack = "pack -o a.bakpak --home home --resume";
    for (options, code) in [
        ("--key-file safe.key", 12),
        ("--key-file data.key --parity 6", 2),
        ("--key-file data.key --block-size 64K", 2),
        ("--key-file data.key --copy-reach 1M", 2),
        ("--key-file data.key --no-match", 2),
        ("--key-file data.key --contact me", 2),
        ("--key-file data.key --redact", 2),
        (
            "--key-file data.key --master-key-file master --envelope-key-file safe.key",
            2,
        ),
    ] {
        let run = sandbox.typed(&format!("{pack} {options}")).exits(code);
        assert!(
            run.err.contains("a.bakpak.bakpak-tmp-") || code == 2,
            "{}",
            run.err
        );
        assert!(fs::read(&partial).unwrap() == before, "{options}");
    }
    // Nobody to ask, and no key at all.
    sandbox.typed(pack).exits(13);
    sandbox
        .typed(&format!("{pack} --key-file data.key --level 1"))
        .succeeds();
    is_right(&sandbox);
}

#[test]
fn sealed_secrets_must_be_the_same() {
    let sandbox = home();
    sandbox.write("master", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox.write("other", "ZmVkY2JhOTg3NjU0MzIxMA==");
    let pack = format!("{PACK} --master-key-file master --envelope-key-file safe.key");
    stopped_at(&sandbox, &pack, 9_000_000);
    sandbox
        .typed(RESUME)
        .exits(2)
        .says("secrets are sealed in it");
    let changed = pack.replace("master-key-file master", "master-key-file other");
    sandbox
        .typed(&format!("{changed} --resume"))
        .exits(2)
        .says("other secrets");
    sandbox.typed(&format!("{pack} --resume")).succeeds();
    let shown = sandbox
        .typed("master-key show a.bakpak --envelope-key-file safe.key")
        .succeeds();
    assert!(shown.text().contains("MDEyMzQ1Njc4OWFiY2RlZg=="));
    is_right(&sandbox);
}

#[test]
fn of_several_files_that_are_left_none_is_chosen() {
    let sandbox = home();
    let partial = stopped_at(&sandbox, PACK, 9_000_000);
    let other = sandbox.path(".a.bakpak.bakpak-tmp-ffffffffffffffff");
    fs::copy(&partial, &other).unwrap();
    let run = sandbox.typed(RESUME).exits(2);
    assert!(run.err.contains("0123456789abcdef") && run.err.contains("ffffffffffffffff"));
    fs::remove_file(other).unwrap();
    sandbox.typed(RESUME).succeeds();
    is_right(&sandbox);
}

#[test]
fn standard_output_leaves_nothing_to_go_on_with() {
    let sandbox = home();
    let line = "pack -o - --home home --key-file data.key --resume";
    sandbox.typed(line).exits(2).says("--resume");
}

#[test]
fn a_torn_stripe_in_the_middle_costs_what_is_behind_it() {
    let sandbox = home();
    let partial = stopped_at(&sandbox, PACK, 21_000_000);
    let mut bytes = fs::read(&partial).unwrap();
    bytes[9_000_000..9_004_096].fill(0);
    fs::write(&partial, bytes).unwrap();
    let run = sandbox.typed(&format!("{RESUME} --json")).succeeds();
    let kept = run.events("packed")[0]["kept_len"].as_u64().unwrap();
    assert!((4_000_000..9_000_000).contains(&kept), "{kept}");
    is_right(&sandbox);
}

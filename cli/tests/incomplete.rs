//! Sources that cannot be read: all told, nothing written, unless the user allows it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
#[cfg(target_os = "linux")]
use std::process::Command;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;
#[cfg(target_os = "linux")]
use sandbox::{Run, needs};

const PACK: &str = "pack -o a.bakpak --home home --attach gone --sql lost.bak --key-file data.key";

#[test]
fn all_unreadable_sources_are_told_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    let run = sandbox
        .typed(PACK)
        .exits(23)
        .says("'attachments/gone'")
        .says("'sql/lost.bak'");
    assert!(run.err.contains("--allow-incomplete"), "{}", run.err);
    assert_eq!(sandbox.names("."), ["data.key", "home", "safe.key"]);
}

#[test]
fn an_archive_of_nothing_is_not_written_whatever_is_allowed() {
    let sandbox = Sandbox::new();
    let pack = "pack -o a.bakpak --home nodir --key-file data.key --allow-incomplete";
    sandbox
        .typed(pack)
        .exits(23)
        .says("none of the sources could be read")
        .says("cannot read 'home'");
    assert_eq!(sandbox.names("."), ["data.key", "safe.key"]);
    // Directories alone restore nothing.
    sandbox.write("full/a", "content");
    fs::create_dir(sandbox.path("empty")).unwrap();
    let pack = |home: &str| {
        format!(
            "pack -o a.bakpak --home {home} --attach gone --key-file data.key --allow-incomplete"
        )
    };
    sandbox.typed(&pack("empty")).exits(23);
    sandbox.typed(&pack("full")).succeeds();
    // What is sealed is something.
    sandbox.write("master-key.txt", "MDEyMzQ1Njc4OWFiY2RlZg==");
    sandbox
        .typed(
            "pack -o b.bakpak --home nodir --allow-incomplete --master-key-file master-key.txt \
             --key-file data.key --envelope-key-file safe.key",
        )
        .succeeds();
}

#[test]
fn an_incomplete_archive_says_so_to_whoever_has_the_key() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    let run = sandbox
        .typed(&format!("{PACK} --allow-incomplete"))
        .succeeds();
    assert!(
        run.err.contains("warning") && run.err.contains("INCOMPLETE"),
        "{}",
        run.err
    );
    sandbox
        .typed(&format!(
            "{PACK} --allow-incomplete --force --fail-on warning"
        ))
        .exits(3);
    sandbox.typed("verify --keyless a.bakpak").succeeds();
    let verified = sandbox
        .typed("verify a.bakpak --json --key-file data.key")
        .exits(23);
    assert_eq!(verified.events("missing").len(), 2);
    assert_eq!(verified.events("verified")[0]["verdict"], "incomplete");
    let inspected = sandbox
        .typed("inspect a.bakpak --key-file data.key")
        .succeeds();
    assert!(
        inspected.text().contains("INCOMPLETE"),
        "{}",
        inspected.text()
    );
    assert!(
        inspected.text().contains("'sql/lost.bak'"),
        "{}",
        inspected.text()
    );
    let unpack = "unpack a.bakpak --to out --key-file data.key";
    sandbox
        .typed(&format!("{unpack} --fail-on warning"))
        .exits(3);
    assert_eq!(sandbox.read("out/home/a"), b"content");
}

#[test]
fn a_tar_of_what_could_not_be_read_is_no_success() {
    let sandbox = Sandbox::new();
    sandbox.vector("accept/row-unreadable.bakpak");
    let run = sandbox
        .typed("cat v.bakpak --tar --key-file vector.key")
        .exits(23)
        .says("must not be used")
        .says("hint: `bakpak unpack`");
    assert!(!run.out.is_empty());
    assert_eq!(run.err.matches("warning: '").count(), 1, "{}", run.err);

    sandbox
        .typed("verify v.bakpak --key-file vector.key")
        .exits(23)
        .says("its content is not there");

    // Said before the first byte: nobody reads, and it is said nevertheless.
    let mut child = sandbox.start("cat v.bakpak --tar --key-file vector.key");
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(1), "not whole, so not 23");
    assert!(String::from_utf8_lossy(&done.stderr).contains("could not be read when packed"));
}

/// A name alone looks as if its content were there.
#[test]
fn a_list_tells_what_could_not_be_read() {
    let sandbox = Sandbox::new();
    sandbox.vector("accept/row-unreadable.bakpak");
    let line = "list v.bakpak --long --key-file vector.key";
    let marked = sandbox.typed(line).succeeds().lines();
    let marked: Vec<_> = marked
        .iter()
        .filter_map(|line| line.strip_suffix(" [unreadable]"))
        .collect();
    assert_eq!(marked.len(), 1, "{marked:?}");
    let name = marked[0].rsplit(' ').next().unwrap();
    let run = sandbox
        .typed("list v.bakpak --key-file vector.key")
        .succeeds();
    run.says(&format!("warning: '{name}' could not be read when packed"));

    sandbox.write("home/a", "content");
    let pack = format!("{PACK} --allow-incomplete");
    sandbox.typed(&pack).succeeds();
    sandbox
        .typed("list a.bakpak --key-file data.key")
        .succeeds()
        .says("warning: some sources could not be read")
        .says("`bakpak inspect ARCHIVE`");
    let line = "cat a.bakpak home/a --key-file data.key";
    assert_eq!(sandbox.typed(line).succeeds().out, b"content");
    sandbox
        .typed(&format!("cat v.bakpak {name} --key-file vector.key"))
        .exits(23)
        .says("could not be read when this archive was packed");
}

#[test]
fn a_tar_of_an_incomplete_archive_says_what_is_not_in_it() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    sandbox
        .typed(&format!("{PACK} --allow-incomplete"))
        .succeeds();
    sandbox
        .typed("cat a.bakpak --tar --key-file data.key")
        .succeeds()
        .says("warning: 'attachments/gone' is not in the archive")
        .says("warning: 'sql/lost.bak' is not in the archive");
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_whose_content_cannot_be_read_is_left_out() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    // It opens, says that it has 4,096 bytes, and reading them fails.
    let unreadable = "/sys/class/net/lo/speed";
    if std::fs::File::open(unreadable).is_err() || std::fs::read(unreadable).is_ok() {
        needs::missing("/sys/class/net/lo/speed does not open, or can be read");
        return;
    }
    let pack = format!("pack -o a.bakpak --home home --attach {unreadable} --key-file data.key");
    sandbox.typed(&pack).exits(23).says("'attachments/speed'");
    assert!(!sandbox.path("a.bakpak").exists());
}

/// The program as somebody who is not root, for whom nothing is unreadable.
#[cfg(target_os = "linux")]
fn as_nobody(sandbox: &Sandbox, line: &str) -> Option<Run> {
    if !rustix::process::geteuid().is_root() {
        return Some(sandbox.typed(line));
    }
    if !needs::has_program("setpriv") {
        return None;
    }
    // Where it was built, nobody may be kept out.
    fs::copy(env!("CARGO_BIN_EXE_bakpak"), sandbox.path("bakpak")).unwrap();
    let mut chown = Command::new("chown");
    Run::of(chown.args(["-R", "65534"]).arg(sandbox.path(""))).succeeds();
    let program = sandbox.command(line.split_whitespace());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--clear-groups", "./bakpak"]);
    command
        .args(program.get_args())
        .current_dir(sandbox.path(""));
    Some(Run::of(&mut command))
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_may_not_be_read_are_all_told() {
    let sandbox = Sandbox::new();
    sandbox.write("home/may be read", "content");
    for name in ["home/a", "home/b"] {
        let path = sandbox.write(name, "content");
        fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
    }
    let pack = "pack -o a.bakpak --home home --key-file data.key";
    if let Some(run) = as_nobody(&sandbox, pack) {
        let run = run.exits(23).says("'home/a'").says("'home/b'");
        assert!(!run.err.contains("may be read"), "{}", run.err);
        assert!(!sandbox.path("a.bakpak").exists());
    }
}

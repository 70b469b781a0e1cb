//! Secrets: which opens what, where they come from, and what is never in clear.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::io::Write;
use std::process::Stdio;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;
#[cfg(target_os = "linux")]
#[path = "support/terminal.rs"]
mod terminal;

use sandbox::{Run, Sandbox, contains};
#[cfg(target_os = "linux")]
use sandbox::{needs::has_program, wait_until};
#[cfg(target_os = "linux")]
use terminal::Terminal;

const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const MASTER_KEY_RAW: &[u8] = b"0123456789abcdef";

/// An archive `k.bakpak` with a sealed master key and another secret.
fn pack_with_envelope(sandbox: &Sandbox) {
    sandbox.write("home/notes.txt", "remember\n");
    sandbox.write("master-key.txt", format!("\u{feff}{MASTER_KEY}\r\n"));
    sandbox.write("licence.xml", "<licence>for two</licence>");
    let run = sandbox.pack_with_master_key("k.bakpak", "--secret licence=licence.xml");
    let run = run.succeeds();
    assert!(!run.err.contains(MASTER_KEY));
}

#[test]
fn data_and_envelope_open_with_their_own_keys_only() {
    let sandbox = Sandbox::new();
    pack_with_envelope(&sandbox);
    sandbox
        .typed("verify k.bakpak --key-file data.key")
        .succeeds();
    sandbox
        .typed("verify k.bakpak --key-file safe.key")
        .exits(12)
        .says("opens this archive");
    let shown = sandbox
        .typed("master-key show k.bakpak --envelope-key-file safe.key")
        .succeeds();
    assert_eq!(shown.text(), format!("{MASTER_KEY}\n"));
    let wrong = sandbox
        .typed("master-key show k.bakpak --envelope-key-file data.key")
        .exits(12);
    assert!(wrong.out.is_empty());
    let several = "verify k.bakpak --key-file safe.key --key-file data.key";
    sandbox.typed(several).succeeds();
}

#[test]
fn the_master_key_is_nowhere_in_clear() {
    let sandbox = Sandbox::new();
    pack_with_envelope(&sandbox);
    let archive = sandbox.read("k.bakpak");
    let tar = sandbox
        .typed("cat k.bakpak --tar --key-file data.key")
        .succeeds()
        .out;
    let inspected = sandbox
        .typed("inspect k.bakpak --json --key-file data.key")
        .succeeds()
        .out;
    for bytes in [archive, tar, inspected] {
        assert!(!contains(&bytes, MASTER_KEY.as_bytes()));
        assert!(!contains(&bytes, MASTER_KEY_RAW));
    }
}

#[test]
fn any_sealed_secret_comes_out_by_its_name() {
    let sandbox = Sandbox::new();
    pack_with_envelope(&sandbox);
    let show = "master-key show k.bakpak --envelope-key-file safe.key --item";
    let shown = sandbox.typed(&format!("{show} licence")).succeeds();
    assert_eq!(shown.text(), "<licence>for two</licence>");
    sandbox
        .typed(&format!("{show} none"))
        .exits(2)
        .says("'master-key', 'licence'");
}

#[test]
fn a_command_gets_the_master_key() {
    let sandbox = Sandbox::new();
    pack_with_envelope(&sandbox);
    let exec = |command: &[&str]| {
        let line = "master-key exec k.bakpak --envelope-key-file safe.key --";
        sandbox.bakpak(line.split(' ').chain(command.iter().copied()))
    };
    let printed = exec(&["sh", "-c", "printf %s \"$BAKPAK_MASTER_KEY\""]).succeeds();
    assert_eq!(printed.text(), MASTER_KEY);
    assert!(printed.err.is_empty());
    // Arguments can be seen by everybody, so nothing puts the key there.
    let argument = exec(&["echo", "--masterKey={}"]).succeeds();
    assert_eq!(argument.text(), "--masterKey={}\n");
    let line = "master-key exec k.bakpak --envelope-key-file safe.key -- env";
    let mut command = sandbox.command(line.split(' '));
    let variables = Run::of(command.env("CREDENTIALS_DIRECTORY", "/run/credentials/x")).succeeds();
    assert!(!variables.text().contains("CREDENTIALS_DIRECTORY"));
    exec(&["sh", "-c", "exit 7"]).exits(7);
    exec(&["/nowhere"]).exits(1).says("cannot run '/nowhere'");
}

#[test]
fn a_secret_without_a_key_of_its_own_is_not_packed() {
    let sandbox = Sandbox::new();
    let key = sandbox.write("master-key.txt", MASTER_KEY);
    let pack = "pack -o k.bakpak --master-key-file master-key.txt --key-file data.key";
    sandbox
        .typed(pack)
        .exits(2)
        .says("--envelope-same-passphrase");
    sandbox
        .typed(&format!("{pack} --envelope-key-file data.key"))
        .exits(2)
        .says("is the archive's");
    assert!(!sandbox.path("k.bakpak").exists());
    sandbox
        .typed(&format!("{pack} --envelope-same-passphrase"))
        .succeeds();
    let show = "master-key show k.bakpak --envelope-key-file data.key";
    assert_eq!(
        sandbox.typed(show).succeeds().text(),
        format!("{MASTER_KEY}\n")
    );
    let mut command =
        sandbox.command("master-key show k.bakpak --envelope-same-passphrase".split(' '));
    command.env("BAKPAK_KEY_FILE", "data.key");
    Run::of(&mut command).succeeds();
    std::fs::write(key, "GENERATE_ME").unwrap();
    let other = format!("{pack} --force --envelope-key-file safe.key");
    sandbox.typed(&other).exits(2).says("--secret NAME=F");
}

#[test]
fn a_master_key_in_clear_is_reported() {
    let sandbox = Sandbox::new();
    sandbox.write("master-key.txt", MASTER_KEY);
    sandbox.write("home/OctopusServer.config", "<octopus-settings/>");
    sandbox.write(
        "home/notes/todo.txt",
        format!("{}key is {MASTER_KEY}", "x".repeat(70_000)),
    );
    let run = sandbox.pack_with_master_key("k.bakpak", "--json --fail-on warning");
    let run = run.exits(3);
    let warned: Vec<_> = run
        .events("warning")
        .iter()
        .map(|event| event["path"].clone())
        .collect();
    assert_eq!(warned, ["home/OctopusServer.config", "home/notes/todo.txt"]);
    assert!(
        run.events("warning")
            .iter()
            .all(|event| event["code"] == "BP106")
    );
    assert!(!run.text().contains(MASTER_KEY));
}

#[test]
fn without_key_and_terminal_it_ends_at_once() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    for line in [
        "pack -o b.bakpak --home home",
        "verify a.bakpak",
        "unpack a.bakpak --to out",
        "list a.bakpak",
        "cat a.bakpak home/notes.txt",
    ] {
        sandbox
            .typed(line)
            .exits(13)
            .says("--passphrase-file F, --passphrase-fd N or --key-file F");
    }
    sandbox.typed("inspect a.bakpak").succeeds();
    pack_with_envelope(&sandbox);
    sandbox
        .typed("master-key show k.bakpak")
        .exits(13)
        .says("--envelope-key-file F");
}

#[test]
fn passphrases_come_from_every_place() {
    let sandbox = Sandbox::new();
    sandbox.write("home/notes.txt", "remember\n");
    sandbox.write("right.txt", "correct horse\n");
    sandbox.write("wrong.txt", "battery staple\n");
    sandbox.write("credentials/bakpak.passphrase", "correct horse");
    sandbox
        .typed("pack -o p.bakpak --home home --passphrase-file right.txt")
        .succeeds();

    sandbox
        .typed("list p.bakpak --passphrase-file wrong.txt")
        .exits(12);
    sandbox
        .typed_with_input("list p.bakpak --passphrase-fd 0", b"correct horse\n")
        .succeeds();
    let list = |name: &str, value: &str| {
        let mut command = sandbox.command(["list", "p.bakpak"]);
        command.env(name, value);
        Run::of(&mut command).succeeds()
    };
    list("BAKPAK_PASSPHRASE_FILE", "right.txt");
    list("CREDENTIALS_DIRECTORY", "credentials");
    list("BAKPAK_PASSPHRASE", "correct horse").says("BAKPAK_PASSPHRASE_FILE is better");
    // A key file does not open a passphrase's slot.
    sandbox.typed("list p.bakpak --key-file data.key").exits(12);
}

#[test]
fn a_key_file_is_never_overwritten_and_for_its_owner_only() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("data.key");
    sandbox
        .typed("key generate -o data.key")
        .exits(31)
        .says("is already there");
    assert_eq!(sandbox.read("data.key"), before);
    let text = String::from_utf8(before).unwrap();
    assert!(text.starts_with("BAKPAK-KEY-FILE-1") && text.lines().count() == 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = std::fs::metadata(sandbox.path("data.key")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn standard_input_is_one_thing_only() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    for line in [
        "pack -o b.bakpak --stdin-entry dump --passphrase-fd 0",
        "verify - --passphrase-fd 0",
        "unpack - --to out --passphrase-fd 0",
    ] {
        let mut child = sandbox.start(line);
        let _ = child.stdin.take().unwrap().write_all(b"secret\n");
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{line}");
    }
}

#[test]
fn an_archive_is_not_written_to_a_json_reader() {
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "");
    let mut command =
        sandbox.command("pack -o - --home home --key-file data.key --json".split(' '));
    let run = Run::of(command.stdout(Stdio::piped())).exits(2);
    assert!(run.err.contains("no room"));
}

#[test]
fn a_key_file_is_not_taken_for_a_passphrase() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    sandbox
        .typed("pack -o b.bakpak --home home --passphrase-file data.key")
        .exits(2)
        .says("is a key file, not a passphrase");
}

#[test]
fn the_data_key_offered_to_master_key_is_answered_with_the_right_option() {
    let sandbox = Sandbox::new();
    sandbox
        .typed("master-key show a.bakpak --key-file data.key")
        .exits(2)
        .says("'--envelope-key-file'");
}

#[test]
fn an_archive_without_an_envelope_says_so_before_a_key_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.packed();
    for more in ["", "--envelope-key-file safe.key"] {
        let shown = sandbox.typed(&format!("master-key show a.bakpak {more}"));
        let shown = shown
            .exits(2)
            .says("this archive has no master-key envelope");
        shown.says("it was packed without --master-key-file");
    }
}

/// What a terminal shows when this is typed at the questions of a command, one line for each.
#[cfg(target_os = "linux")]
fn answered(sandbox: &Sandbox, line: &str, answers: &[&str]) -> String {
    let mut terminal = Terminal::start(sandbox, line, "echo code=$?");
    for (number, answer) in answers.iter().enumerate() {
        let is_asked = || terminal.count("Passphrase of the archive: ") > number;
        wait_until("the question", is_asked);
        // Until it reads, which nothing outside shows.
        std::thread::sleep(std::time::Duration::from_millis(300));
        terminal.type_in(&format!("{answer}\r"));
    }
    terminal.until("code=").expect("the command ends")
}

#[cfg(target_os = "linux")]
#[test]
fn a_passphrase_may_be_mistyped_twice_at_a_terminal() {
    if !has_program("script") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("home/a", "content");
    sandbox.write("passphrase", "swordfish");
    sandbox
        .typed("pack -o p.bakpak --home home --passphrase-file passphrase")
        .succeeds();
    let again = "this does not open the archive; try again";
    let shown = answered(&sandbox, "list p.bakpak", &["a", "b", "swordfish"]);
    assert!(
        shown.contains("home/a") && shown.contains("code=0"),
        "{shown}"
    );
    assert_eq!(shown.matches(again).count(), 2, "{shown}");
    // Then it goes on without a key, as with a file that does not fit.
    let shown = answered(&sandbox, "verify p.bakpak", &["a", "b", "c"]);
    assert!(shown.contains("code=12"), "{shown}");
    assert_eq!(shown.matches(again).count(), 2, "{shown}");
    // What a file says is not asked for.
    sandbox.write("wrong", "trout");
    let shown = answered(&sandbox, "list p.bakpak --passphrase-file wrong", &[]);
    assert!(
        shown.contains("code=12") && !shown.contains("try again"),
        "{shown}"
    );
}

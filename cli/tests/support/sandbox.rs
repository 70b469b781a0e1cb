//! A directory to work in, the program, and what it said.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "needs.rs"]
pub(crate) mod needs;

use needs::has_program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bakpak");

/// Variables that would give a test keys it does not expect.
const VARIABLES: [&str; 7] = [
    "BAKPAK_PASSPHRASE_FILE",
    "BAKPAK_KEY_FILE",
    "BAKPAK_PASSPHRASE",
    "BAKPAK_ENVELOPE_PASSPHRASE_FILE",
    "BAKPAK_ENVELOPE_KEY_FILE",
    "BAKPAK_ENVELOPE_PASSPHRASE",
    "CREDENTIALS_DIRECTORY",
];

/// A directory with two key files, `data.key` and `safe.key`.
pub(crate) struct Sandbox {
    dir: TempDir,
}

/// What a run did.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for name in ["data.key", "safe.key"] {
            sandbox.bakpak(["key", "generate", "-o", name]).succeeds();
        }
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// A small home, `home`, and its archive, `a.bakpak`.
    pub(crate) fn packed(&self) -> PathBuf {
        self.write("home/notes.txt", "remember\n");
        self.write("home/logs/one.log", "started\n".repeat(3000));
        self.typed("pack -o a.bakpak --home home --key-file data.key")
            .succeeds();
        self.path("a.bakpak")
    }

    /// A test vector as `v.bakpak`, and the key of all vectors as `vector.key`.
    pub(crate) fn vector(&self, file: &str) {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-vectors");
        let manifest = fs::read_to_string(vectors.join("manifest.toml")).unwrap();
        let mut lines = manifest.lines();
        let key = lines.find_map(|line| line.strip_prefix("key_file = \""));
        self.write("vector.key", key.unwrap().trim_end_matches('"'));
        fs::copy(vectors.join(file), self.path("v.bakpak")).unwrap();
    }

    /// Packs `home` and, under a key of its own, `master-key.txt`.
    pub(crate) fn pack_with_master_key(&self, output: &str, more: &str) -> Run {
        self.typed(&format!(
            "pack -o {output} --home home --master-key-file master-key.txt --key-file data.key \
             --envelope-key-file safe.key {more}"
        ))
    }

    /// Names in a directory, hidden ones too.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The program with these arguments, in this directory.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(PROGRAM);
        self.prepare(&mut command).args(args);
        command
    }

    fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn bakpak<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        Run::of(&mut self.command(args))
    }

    /// The second reader, if its environment has been set up (`cargo xtask test` does).
    pub(crate) fn second_reader(&self, args: &[&str]) -> Option<Run> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join("target/reader-venv/bin/python");
        if !python.exists() {
            needs::missing(
                "the second reader is not set up (`cargo xtask test --only setup` does)",
            );
            return None;
        }
        let reader = root.join("format-spec/reader/bakpak_reader.py");
        let mut command = Command::new(python);
        command.arg(reader).args(args).current_dir(self.path(""));
        Some(Run::of(&mut command))
    }

    /// A command line without quotes, split at spaces.
    pub(crate) fn typed(&self, line: &str) -> Run {
        self.bakpak(line.split_whitespace())
    }

    /// The same, with standard input.
    pub(crate) fn typed_with_input(&self, line: &str, input: &[u8]) -> Run {
        Run::with_input(&mut self.command(line.split_whitespace()), input)
    }

    /// Starts it with pipes on all sides. It heeds signals, also where whoever started the tests does
    /// not: `nohup` ignores hangups, a shell interrupts of what it starts in the background.
    pub(crate) fn start(&self, line: &str) -> Child {
        let mut command = Command::new("env");
        self.prepare(&mut command)
            .args(["--default-signal", PROGRAM])
            .args(line.split_whitespace());
        start(&mut command)
    }
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        let done = command.output().unwrap();
        Self::new(done.status, done.stdout, &done.stderr)
    }

    /// The same, with a pipe as standard input.
    pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Self {
        let mut child = start(command);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
        let done = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Self::new(done.status, done.stdout, &done.stderr)
    }

    fn new(status: ExitStatus, out: Vec<u8>, err: &[u8]) -> Self {
        let code = status.code().unwrap_or(-1);
        Self {
            code,
            out,
            err: String::from_utf8_lossy(err).into_owned(),
        }
    }

    pub(crate) fn succeeds(self) -> Self {
        self.exits(0)
    }

    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.text(), self.err);
        self
    }

    /// Said these words on standard error.
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.err.contains(words), "no '{words}' in:\n{}", self.err);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// The JSON lines of a type.
    pub(crate) fn events(&self, wanted: &str) -> Vec<serde_json::Value> {
        let lines = self.text();
        let values = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        values
            .filter(|value: &serde_json::Value| value["type"] == wanted)
            .collect()
    }
}

fn start(command: &mut Command) -> Child {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed().as_secs() < 60, "{what} does not happen");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Whether `needle` stands anywhere in `hay`.
pub(crate) fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// Nothing differs between two trees, as rsync sees it: contents, modes, times, owners, links,
/// attributes, access lists. Where rsync is missing, names and contents at least.
pub(crate) fn assert_same_tree(one: &Path, other: &Path) {
    if !has_program("rsync") {
        return assert_same_content(one, other);
    }
    let mut command = Command::new("rsync");
    command.args(["-naiAXHS", "--checksum", "--delete"]);
    let slash = |path: &Path| format!("{}/", path.display());
    let done = command.args([slash(one), slash(other)]).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(told.is_empty(), "they differ:\n{told}");
}

/// Names, kinds, contents and links are equal.
pub(crate) fn assert_same_content(one: &Path, other: &Path) {
    let mut command = Command::new("diff");
    let command = command.args(["-r", "--no-dereference"]);
    let done = command.args([one, other]).output().unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

//! `bakpak demo`: the main job on a small made-up server, each command as one would type it.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use self::compare::compare;
use crate::args::DemoArguments;
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, Phase};
use crate::output::{Output, count, quoted, size};
use crate::prompt;

mod compare;
mod server;

/// Runs the demonstration.
///
/// # Errors
///
/// A step did not do what it should.
pub(crate) fn run(arguments: &DemoArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    let temporary = match &arguments.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("bakpak-demo-").tempdir()?),
    };
    let dir = match (&arguments.dir, &temporary) {
        (Some(dir), _) => new_directory(dir)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => bail!("there is no directory to work in"),
    };
    let program = std::env::current_exe().context("cannot find this program")?;
    let demo = Demo {
        dir,
        program,
        output,
    };
    demo.perform()?;
    match &arguments.dir {
        Some(dir) => output.line(format!("Everything is still in {}.", quoted(dir))),
        None => output.line("The temporary directory is removed; with --dir DIR it is kept."),
    }
    Ok(Exit::DONE)
}

/// Makes the directory; what is in it already could be mixed up with ours.
fn new_directory(dir: &Path) -> anyhow::Result<PathBuf> {
    let context = || format!("cannot use {}", quoted(dir));
    fs::create_dir_all(dir).with_context(context)?;
    if fs::read_dir(dir).with_context(context)?.next().is_some() {
        let message = format!("{} is not empty", quoted(dir));
        return Err(Failure::new(Exit::WOULD_OVERWRITE, message).into());
    }
    dir.canonicalize().with_context(context)
}

struct Demo<'a> {
    dir: PathBuf,
    program: PathBuf,
    output: &'a Output,
}

/// What a command did.
struct Done {
    code: i32,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Demo<'_> {
    fn perform(&self) -> anyhow::Result<()> {
        self.heading("A server: backups, a home directory, a master key");
        let made = server::make(&self.dir.join("server")).context("cannot make the server")?;
        let files = count(made.files, "file", "files");
        self.say(&format!("made {files}, {}, in server/", size(made.len)));

        self.pack()?;
        self.look()?;
        self.damage()?;
        self.restore()?;

        self.say("");
        self.say(
            "The demonstration is complete: every step did what it should.\n\
             In an emergency you need three things: the archive, the program bakpak, and the keys.",
        );
        Ok(())
    }

    fn pack(&self) -> anyhow::Result<()> {
        self.heading("Two key files: one for the data, one for the master key");
        self.bakpak("key generate -o data.key", 0)?;
        self.bakpak("key generate -o safe.key", 0)?;

        self.heading("All of it into one encrypted file");
        self.bakpak(
            "pack -o server.bakpak --sql server/backups --home server/home \
             --master-key-file server/master-key.txt --key-file data.key \
             --envelope-key-file safe.key",
            0,
        )?;
        Ok(())
    }

    fn look(&self) -> anyhow::Result<()> {
        self.heading("What a stranger sees who finds the file");
        self.head()?;

        self.heading("What is in it, for those who have the key");
        self.bakpak("list server.bakpak --long --key-file data.key", 0)?;

        self.heading("Is the file whole? Without a key, then with it");
        self.bakpak("verify --keyless server.bakpak", 0)?;
        let verified = self.bakpak("verify server.bakpak --key-file data.key", 0)?;
        ensure!(
            String::from_utf8_lossy(&verified.out).contains("RESTORABLE 'Shop'"),
            "the backups are not called restorable"
        );

        self.heading("How the database is restored as it was at 16:20");
        self.bakpak(
            "plan server.bakpak --at 2026-03-02T16:20 --key-file data.key",
            0,
        )?;

        self.heading("Without one log backup it would not be: that is refused before it is packed");
        self.say(
            "$ mkdir gap; cp server/backups/Shop_FULL.bak server/backups/Shop_LOG_1700.trn gap/",
        );
        let gap = self.dir.join("gap");
        fs::create_dir(&gap)?;
        for name in ["Shop_FULL.bak", "Shop_LOG_1700.trn"] {
            fs::copy(self.dir.join("server/backups").join(name), gap.join(name))?;
        }
        self.bakpak("pack -o gap.bakpak --sql gap --key-file data.key", 23)?;
        ensure!(
            !self.dir.join("gap.bakpak").exists(),
            "what cannot be restored was packed"
        );
        Ok(())
    }

    fn damage(&self) -> anyhow::Result<()> {
        self.heading("One byte of a copy is changed: it is noticed, and where");
        let offset = self.flip_one_byte()?;
        self.bakpak("verify --keyless damaged.bakpak", 21)?;
        let block = self.named_block(offset)?;
        self.say(&format!(
            "(offset {offset} lies in block {block}: the report is right)"
        ));
        self.bakpak("verify damaged.bakpak --key-file data.key", 21)?;
        self.bakpak("unpack damaged.bakpak --to nothing --key-file data.key", 20)?;
        ensure!(
            !self.dir.join("nothing").exists(),
            "a damaged archive was unpacked"
        );
        self.say("(nothing was unpacked: the directory `nothing` does not exist)");

        self.heading("Parity mends it, and needs no key for that");
        self.bakpak("repair damaged.bakpak -o mended.bakpak", 0)?;
        let [made, mended] = ["server.bakpak", "mended.bakpak"].map(|name| {
            fs::read(self.dir.join(name)).with_context(|| format!("cannot read {name}"))
        });
        ensure!(made? == mended?, "the mended archive is another one");
        self.say("(mended.bakpak is server.bakpak again, byte for byte)");
        Ok(())
    }

    fn restore(&self) -> anyhow::Result<()> {
        self.heading("The restore, and the proof that everything came back");
        self.bakpak("unpack server.bakpak --to restored --key-file data.key", 0)?;
        let pairs = [
            ("server/backups", "restored/sql"),
            ("server/home", "restored/home"),
        ];
        for (made, restored) in pairs {
            let same = compare(&self.dir.join(made), &self.dir.join(restored))
                .with_context(|| format!("{made} and {restored} differ"))?;
            self.say(&format!(
                "compared {made} with {restored}: {}, {}, identical in content, names, times and modes",
                count(same.entries, "entry", "entries"),
                size(same.len),
            ));
        }

        self.heading("The master key has a key of its own");
        self.bakpak(
            "master-key show server.bakpak --envelope-key-file data.key",
            12,
        )?;
        let shown = self.bakpak(
            "master-key show server.bakpak --envelope-key-file safe.key",
            0,
        )?;
        let made = fs::read(self.dir.join("server/master-key.txt"))?;
        ensure!(
            shown.out.trim_ascii() == made.trim_ascii(),
            "the master key is another one"
        );
        Ok(())
    }

    /// Runs this program in the directory, as typed, and shows what it says.
    fn bakpak(&self, typed: &str, expected: i32) -> anyhow::Result<Done> {
        interrupt::check()?;
        self.say(&format!("$ bakpak {typed}"));
        let done = self.run(typed)?;
        self.output.write(&done.err);
        self.output.write(&done.out);
        if done.code != 0 {
            self.say(&format!("(exit code {})", done.code));
        }
        ensure!(
            done.code == expected,
            "`bakpak {typed}` ended with {}, it should with {expected}",
            done.code
        );
        Ok(done)
    }

    fn run(&self, typed: &str) -> anyhow::Result<Done> {
        let mut command = Command::new(&self.program);
        command
            .args(typed.split_whitespace())
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        for variable in prompt::VARIABLES {
            command.env_remove(variable);
        }
        let done = command
            .output()
            .with_context(|| format!("cannot run `bakpak {typed}`"))?;
        let code = done.status.code().unwrap_or(-1);
        Ok(Done {
            code,
            out: done.stdout,
            err: done.stderr,
        })
    }

    /// The first bytes of the archive, as `head -c 2000` shows them.
    fn head(&self) -> anyhow::Result<()> {
        self.say("$ head -c 2000 server.bakpak");
        let mut bytes = vec![0; 2000];
        fs::File::open(self.dir.join("server.bakpak"))?.read_exact(&mut bytes)?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        self.output.write(&bytes[..end]);
        Ok(())
    }

    /// Copies the archive and changes the byte in its middle.
    fn flip_one_byte(&self) -> anyhow::Result<u64> {
        self.say("$ cp server.bakpak damaged.bakpak");
        let copy = self.dir.join("damaged.bakpak");
        let len = fs::copy(self.dir.join("server.bakpak"), &copy)?;
        let offset = len / 2;
        let mut file = fs::File::options().read(true).write(true).open(copy)?;
        let mut byte = [0];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut byte)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(&[byte[0] ^ 1])?;
        self.say(&format!(
            "(one bit of the byte at offset {offset} of {len} is changed)"
        ));
        Ok(offset)
    }

    /// The block that `verify` names; it must be the one in which the changed byte lies.
    fn named_block(&self, changed: u64) -> anyhow::Result<u64> {
        let block_size = self.json("inspect --json damaged.bakpak", "archive")?;
        let block_size = block_size["block_size"]
            .as_u64()
            .context("no block size is told")?;
        let finding = self.json("verify --keyless --json damaged.bakpak", "finding")?;
        let offset = finding["offset"].as_u64().context("no offset is told")?;
        let names_it = (offset..offset + block_size).contains(&changed);
        ensure!(
            names_it,
            "the damage at {changed} is told to be at {offset}"
        );
        finding["block"].as_u64().context("no block is named")
    }

    /// The first JSON line of a type.
    fn json(&self, typed: &str, wanted: &str) -> anyhow::Result<Value> {
        let done = self.run(typed)?;
        let lines = done.out.split(|byte| *byte == b'\n');
        let values = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let mut wanted_ones = values.filter(|value| value["type"] == wanted);
        wanted_ones
            .next()
            .with_context(|| format!("`bakpak {typed}` told no {wanted}"))
    }

    fn heading(&self, text: &str) {
        self.say(&format!("\n== {text}"));
    }

    fn say(&self, text: &str) {
        self.output.line(text);
        self.output.flush();
    }
}

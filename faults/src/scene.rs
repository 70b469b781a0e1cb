//! A directory with an archive, its sources and its damaged copy, in which cases are played.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::fault::Plan;
use crate::layer::{self, Ended, Job};
use crate::snapshot::Snapshot;

/// Sectors at the start of an archive that damage of scenes leaves alone, so that there is something
/// to mend, and it lies among the data.
const HEAD_LEN: usize = 8 * 1024;

/// How large a scene's archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As small as an archive can be.
    Smallest,
    /// Some MiB in blocks of 4 KiB.
    Larger,
}

/// The directory. It holds `data.key`, `new.key`, `home`, `a.bakpak`, `damaged.bakpak`, `tmp`, and `work`, in
/// which commands run.
#[derive(Debug)]
pub struct Scene {
    dir: TempDir,
    program: PathBuf,
    /// What `pack` is told besides.
    pub options: String,
    before: Snapshot,
}

impl Scene {
    /// Makes a scene with sources of its own.
    ///
    /// # Errors
    ///
    /// It cannot be made, or the program does not do what it should without any fault.
    pub fn new(program: &Path, size: Size) -> Result<Self> {
        let options = match size {
            Size::Smallest => "--threads 2",
            Size::Larger => "--threads 2 --block-size 4KiB",
        };
        Self::with_sources(program, options, |home| sources(home, size))
    }

    /// Makes a scene with these sources, below `home`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_sources(
        program: &Path,
        options: &str,
        sources: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let mut scene = Self {
            dir: directory()?,
            program: program.to_owned(),
            options: options.to_owned(),
            before: Snapshot::default(),
        };
        for name in ["home", "tmp", "work"] {
            fs::create_dir(scene.path(name))?;
        }
        sources(&scene.path("home"))?;
        for key in ["data.key", "new.key"] {
            scene.succeeds(&format!("key generate -o ../{key}"))?;
        }
        let pack = format!(
            "pack -o ../a.bakpak --home ../home --key-file ../data.key {}",
            scene.options
        );
        scene.succeeds(&pack)?;
        let mut archive = fs::read(scene.path("a.bakpak"))?;
        damage(&mut archive);
        fs::write(scene.path("damaged.bakpak"), archive)?;
        scene.before = scene.surroundings()?;
        Ok(scene)
    }

    /// Damages the archive at up to three places that chance chooses, or at one if that is more than
    /// its parity mends. Says which.
    ///
    /// # Errors
    ///
    /// What is said to be mended is not the original, or damage of one sector is not mended.
    pub fn damage_at_random(&mut self, noise: &mut Noise) -> Result<bool> {
        let original = fs::read(self.path("a.bakpak"))?;
        let mut is_mended = true;
        for places in [1 + noise.below(3), 1] {
            let mut archive = original.clone();
            for _ in 0..places {
                let sector = noise.below(archive.len() as u64 / 4096) * 4096;
                let from = usize::try_from(sector + noise.below(4096))?;
                let end = from + 1 + usize::try_from(noise.below(4096 - from as u64 % 4096))?;
                let end = end.min(archive.len());
                archive[from..end].fill_with(|| noise.number().to_le_bytes()[0]);
            }
            fs::write(self.path("damaged.bakpak"), archive)?;
            let ended = self.plainly("repair ../damaged.bakpak -o ../tmp/mended.bakpak", None)?;
            if ended.code == Some(0) {
                let mended = fs::read(self.path("tmp/mended.bakpak"))?;
                ensure!(mended == original, "what was mended is not the original");
                fs::remove_file(self.path("tmp/mended.bakpak"))?;
                self.before = self.surroundings()?;
                return Ok(is_mended);
            }
            ensure!(
                places > 1,
                "damage of one sector is not mended: {}",
                ended.err
            );
            is_mended = false;
        }
        Ok(is_mended)
    }

    /// A path in the scene.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Keeps the scene on disk, for whoever looks into a failure.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }

    /// Empties `work` and `tmp`, so that the next case begins as every case does.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn clear(&self) -> Result<()> {
        for name in ["work", "tmp"] {
            fs::remove_dir_all(self.path(name))?;
            fs::create_dir(self.path(name))?;
        }
        Ok(())
    }

    /// Runs a command line without quotes in `work`, with a fault or none.
    ///
    /// # Errors
    ///
    /// It cannot be run, or hangs.
    pub fn run(
        &self,
        line: &str,
        (input, source): (Option<&str>, Option<&str>),
        plan: Option<Plan>,
    ) -> Result<Ended> {
        let job = Job {
            program: self.program.clone(),
            args: line.split_whitespace().map(Into::into).collect(),
            dir: self.path("work"),
            root: fs::canonicalize(self.dir.path())?,
            input: input.map(|name| self.path(name)),
            source: source.map(|name| self.path(name)),
        };
        layer::run(&job, plan)
    }

    /// Runs a command line without tracing it, which is quicker.
    ///
    /// # Errors
    ///
    /// It cannot be run.
    pub fn plainly(&self, line: &str, input: Option<&str>) -> Result<Ended> {
        let mut command = Command::new(&self.program);
        command
            .args(line.split_whitespace())
            .current_dir(self.path("work"))
            .env("TMPDIR", self.path("tmp"));
        match input {
            Some(name) => {
                // A shell's pipe: a file as standard input would be read by position.
                let mut shell = Command::new("/bin/sh");
                shell
                    .args(["-c", "cat \"$0\" | \"$@\""])
                    .arg(self.path(name))
                    .arg(&self.program)
                    .args(line.split_whitespace())
                    .current_dir(self.path("work"))
                    .env("TMPDIR", self.path("tmp"));
                command = shell;
            }
            None => {
                command.stdin(Stdio::null());
            }
        }
        let done = command.output().context("cannot start the program")?;
        Ok(Ended {
            code: done.status.code(),
            out: done.stdout,
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
            calls: 0,
            hit: None,
        })
    }

    /// Runs a command line that has to succeed.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn succeeds(&self, line: &str) -> Result<()> {
        let ended = self.plainly(line, None)?;
        ensure!(
            ended.code == Some(0),
            "`bakpak {line}` ends with {:?}: {}",
            ended.code,
            ended.err
        );
        Ok(())
    }

    /// Whether everything but `work` and `tmp` is what it was when the scene was made.
    ///
    /// # Errors
    ///
    /// Something was touched.
    pub fn is_untouched(&self) -> Result<()> {
        let now = self.surroundings()?;
        self.before
            .same_place(&now)
            .context("outside the working directory")
    }

    fn surroundings(&self) -> Result<Snapshot> {
        Snapshot::of(self.dir.path(), &|path| {
            path == Path::new("work") || path == Path::new("tmp")
        })
    }

    /// The names in `work`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn names(&self, below: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path("work").join(below))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// A tree as it is on disk.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn tree(&self, name: &str) -> Result<Snapshot> {
        Snapshot::of(&self.path(name), &|_| false)
    }
}

/// In memory, if there is such a file system: each case waits for the disk several times, and a killed
/// program loses nothing that the system has.
fn directory() -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("bakpak-faults-");
    builder
        .tempdir_in("/dev/shm")
        .or_else(|_| builder.tempdir())
}

/// Cuts holes into the data of an archive: as many as its parity mends.
fn damage(archive: &mut [u8]) {
    let len = archive.len();
    let from = HEAD_LEN.min(len / 4);
    let sector = from.next_multiple_of(4096);
    let end = (sector + 4096).min(len);
    archive[sector..end].fill(0x5a);
    // And a single byte further on, which a checksum of its own must find.
    if let Some(byte) = archive.get_mut(len / 2) {
        *byte ^= 0x10;
    }
}

/// Small files, and noise that does not compress.
fn sources(home: &Path, size: Size) -> Result<()> {
    small_sources(home)?;
    if size == Size::Larger {
        let mut noise = Noise(7);
        for number in 0..40 {
            let len = 1 + noise.below(200_000);
            fs::write(home.join(format!("noise-{number}")), noise.bytes(len))?;
        }
    }
    Ok(())
}

/// Files of some kinds: empty, small, linked. The smallest scene has these, and every other too: verbs name some of it.
pub(crate) fn small_sources(home: &Path) -> Result<()> {
    fs::create_dir(home.join("logs"))?;
    fs::write(home.join("notes.txt"), "remember\n")?;
    fs::write(home.join("logs/one.log"), "started\n".repeat(400))?;
    fs::write(home.join("logs/empty"), "")?;
    fs::hard_link(home.join("notes.txt"), home.join("logs/same notes.txt"))?;
    std::os::unix::fs::symlink("logs/one.log", home.join("newest"))?;
    fs::set_permissions(home.join("notes.txt"), fs::Permissions::from_mode(0o640))?;
    fs::set_permissions(home.join("logs"), fs::Permissions::from_mode(0o750))?;
    Ok(())
}

/// Numbers that look random and come again with the same seed.
#[derive(Clone, Debug)]
pub struct Noise(pub u64);

impl Noise {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        // splitmix64: any seed will do, zero too.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or_default()
    }

    /// One of these.
    pub fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[usize::try_from(self.below(things.len() as u64)).unwrap_or_default()]
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < len {
            bytes.extend(self.number().to_le_bytes());
        }
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        bytes
    }
}

//! Random trees, options, damage and faults, as long as one likes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::campaign::{self, Played};
use crate::fault::Fault;
use crate::scene::{Noise, Scene, Size};
use crate::verbs::{VERBS, Verb};

/// So many cases of each verb are played with a tree before another one is made.
const CASES: u64 = 4;

/// What is soaked, and for how long.
#[derive(Clone, Debug)]
pub struct Soak {
    /// The program.
    pub program: PathBuf,
    /// It ends after so long, at the end of a tree.
    pub lasts: Duration,
    /// The first tree comes from this number, the next from the one after it.
    pub seed: u64,
    /// So many trees at once.
    pub jobs: usize,
    /// Where failing cases are kept.
    pub keep_in: PathBuf,
    /// Instead of chance: every call of every verb with the larger archive.
    pub is_exhaustive: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Trees that were packed, damaged and played with.
    pub scenes: u64,
    /// Random damage that was mended, and that was said to be lost: then one sector was damaged.
    pub damage: (u64, u64),
    /// How many cases of each verb and fault.
    pub cases: BTreeMap<(&'static str, Fault), u64>,
    /// What failed, in words.
    pub failures: Vec<String>,
}

impl Soak {
    /// Soaks; `told` gets the tally once a minute.
    ///
    /// # Errors
    ///
    /// Programs cannot be traced here, or a scene cannot be made.
    pub fn run(&self, told: &(dyn Fn(&Tally, Duration) + Sync)) -> Result<Tally> {
        if let Some(why) = crate::refusal() {
            anyhow::bail!("NOT RUN: {why}");
        }
        let (tally, next) = (Mutex::new(Tally::default()), Mutex::new(self.seed));
        let started = Instant::now();
        let last_told = Mutex::new(started);
        let work = || -> Result<()> {
            loop {
                if started.elapsed() >= self.lasts {
                    return Ok(());
                }
                let seed = {
                    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                    *next = next.wrapping_add(1);
                    next.wrapping_sub(1)
                };
                let one = self.play_tree(seed)?;
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.add(one);
                let mut last = last_told.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed().as_secs() >= 60 {
                    *last = Instant::now();
                    told(&tally, started.elapsed());
                }
            }
        };
        match self.is_exhaustive {
            true => self.every_call(&tally, &|tally| told(tally, started.elapsed()))?,
            false => std::thread::scope(|scope| {
                let threads: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(work)).collect();
                threads.into_iter().try_for_each(|thread| {
                    thread
                        .join()
                        .map_err(|_| anyhow::anyhow!("a thread of the soak panicked"))?
                })
            })?,
        }
        Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// All calls of all verbs, verb by verb.
    fn every_call(&self, tally: &Mutex<Tally>, told: &dyn Fn(&Tally)) -> Result<()> {
        for verb in VERBS {
            let scene = Scene::new(&self.program, Size::Larger)?;
            let played = campaign::every_call(&scene, verb, faults_of(verb));
            let mut one = Tally {
                scenes: 1,
                ..Tally::default()
            };
            self.note(&mut one, verb, played, (scene, "every-call"))?;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(one);
            told(&tally);
        }
        Ok(())
    }

    /// One tree with all that belongs to it.
    fn play_tree(&self, seed: u64) -> Result<Tally> {
        let mut noise = Noise(seed);
        let options = options(&mut noise);
        let mut tree = noise.clone();
        let sources = |home: &Path| grow(home, &mut tree);
        let made = Scene::with_sources(&self.program, &options, sources);
        let mut scene = made.with_context(|| format!("seed {seed}, {options}"))?;
        let mut tally = Tally {
            scenes: 1,
            ..Tally::default()
        };
        let has_parity = !options.contains("--parity none");
        if has_parity {
            match scene.damage_at_random(&mut noise) {
                Ok(true) => tally.damage.0 += 1,
                Ok(false) => tally.damage.1 += 1,
                Err(error) => {
                    let text = format!("seed {seed}, {options}: {error:#}");
                    self.keep(scene, &text, &format!("seed-{seed}"))?;
                    tally.failures.push(text);
                    return Ok(tally);
                }
            }
        }
        for verb in VERBS {
            if !has_parity && verb.name.starts_with("repair") {
                continue;
            }
            let played = campaign::sample(&scene, verb, faults_of(verb), CASES, &mut noise);
            let played = played.unwrap_or_else(|error| Played {
                failures: vec![format!("{}: {error:#}", verb.name)],
                ..Played::default()
            });
            if self.note_counts(&mut tally, verb, &played) {
                let name = format!("seed-{seed}");
                let told = format!("seed {seed}, `pack {options}`\n");
                let text = told + &played.failures.join("\n\n");
                self.keep(scene, &text, &name)?;
                tally.failures.push(text);
                return Ok(tally);
            }
        }
        Ok(tally)
    }

    fn note(
        &self,
        tally: &mut Tally,
        verb: &Verb,
        played: Played,
        (scene, name): (Scene, &str),
    ) -> Result<()> {
        if self.note_counts(tally, verb, &played) {
            let text = played.failures.join("\n\n");
            self.keep(
                scene,
                &text,
                &format!("{name}-{}", verb.name.replace(' ', "-")),
            )?;
            tally.failures.push(text);
        }
        Ok(())
    }

    /// Whether anything failed.
    fn note_counts(&self, tally: &mut Tally, verb: &Verb, played: &Played) -> bool {
        for (fault, count) in &played.counts {
            *tally.cases.entry((verb.name, *fault)).or_default() += count;
        }
        !played.failures.is_empty()
    }

    /// Keeps a failing case: its words, archive, sources and what was left.
    fn keep(&self, scene: Scene, text: &str, name: &str) -> Result<()> {
        fs::create_dir_all(&self.keep_in)?;
        let place = self.keep_in.join(name);
        let scene = scene.keep();
        fs::write(scene.join("failure.txt"), text)?;
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        let copied = Command::new("cp")
            .arg("-a")
            .args([&scene, &place])
            .status()?;
        ensure!(
            copied.success(),
            "cannot copy {} to {}",
            scene.display(),
            place.display()
        );
        fs::remove_dir_all(&scene)?;
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.scenes += other.scenes;
        self.damage.0 += other.damage.0;
        self.damage.1 += other.damage.1;
        for (case, count) in other.cases {
            *self.cases.entry(case).or_default() += count;
        }
        self.failures.extend(other.failures);
    }

    /// How many cases there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.cases.values().sum()
    }

    /// A table of all cases, as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let all = [&Fault::ALL[..], &Fault::OF_SOURCES].concat();
        let mut text = "| verb |".to_owned();
        for fault in &all {
            let _ = write!(text, " {fault} |");
        }
        text += "\n|---|";
        text += &"---|".repeat(all.len());
        for verb in VERBS {
            let _ = write!(text, "\n| {} |", verb.name);
            for fault in &all {
                let count = self.cases.get(&(verb.name, *fault)).copied();
                let _ = match count {
                    Some(count) => write!(text, " {count} |"),
                    None => write!(text, " |"),
                };
            }
        }
        text + "\n"
    }
}

/// Which faults can come to a verb.
fn faults_of(verb: &Verb) -> &'static [Fault] {
    match (verb.is_reader, verb.source) {
        (true, _) => &[Fault::Io, Fault::Interrupted, Fault::Short],
        (false, Some(_)) => &Fault::OF_SOURCES,
        (false, None) => &Fault::ALL,
    }
}

/// What `pack` is told.
fn options(noise: &mut Noise) -> String {
    const CHOICES: [&[&str]; 4] = [
        &["", "--block-size 4KiB ", "--block-size 64KiB "],
        &[
            "",
            "--parity none ",
            "--parity 1.5 ",
            "--parity 6 ",
            "--parity 12 ",
        ],
        &["", "--level 1 ", "--level 7 "],
        &["", "--no-match", "--copy-reach 1M", "--dedup-memory 0"],
    ];
    let mut options = format!("--threads {} ", 1 + noise.below(3));
    for choices in CHOICES {
        let choice: &&str = noise.one_of(choices);
        options += choice;
    }
    options
}

/// Adds files of all kinds to what every scene has.
fn grow(home: &Path, noise: &mut Noise) -> Result<()> {
    crate::scene::small_sources(home)?;
    let mut folders = vec![home.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    for number in 0..noise.below(50) {
        let path = noise.one_of(&folders).join(name(noise, number));
        match noise.below(10) {
            0 | 1 => {
                fs::create_dir(&path)?;
                folders.push(path);
                continue;
            }
            2 => {
                symlink(
                    noise.one_of(&["../up", "nowhere", "/etc/hosts", "a b"]),
                    &path,
                )?;
                continue;
            }
            3 if !files.is_empty() => {
                fs::hard_link(noise.one_of(&files), &path)?;
                continue;
            }
            4 => {
                let file = File::create(&path)?;
                let len = noise.below(4 << 20);
                file.set_len(len)?;
                let at = noise.below(len);
                file.write_all_at(&noise.bytes(1000.min(len - at)), at)?;
            }
            5 if !files.is_empty() => {
                // The same again, which is found and copied.
                fs::copy(noise.one_of(&files), &path)?;
            }
            _ => {
                let most = *noise.one_of(&[1, 100, 4096, 4097, 70_000, 300_000]);
                let len = noise.below(most + 1);
                let content = match noise.below(2) {
                    0 => noise.bytes(len),
                    _ => b"a line that repeats itself\n".repeat(1 + len as usize / 27),
                };
                fs::write(&path, content)?;
            }
        }
        fs::set_permissions(
            &path,
            Permissions::from_mode(*noise.one_of(&[0o600, 0o644, 0o755])),
        )?;
        files.push(path);
    }
    Ok(())
}

/// A name that no other has, with what names may hold.
fn name(noise: &mut Noise, number: u64) -> OsString {
    let mut name = noise
        .one_of(&[
            &b"plain"[..],
            b"with space",
            b"\xff\xfe",
            b"l\xc3\xa4nge",
            b".dot",
            b"new\nline",
            b"-o",
        ])
        .to_vec();
    name.extend(format!("-{number}").bytes());
    if noise.below(8) == 0 {
        name.resize(200, b'x');
    }
    OsString::from_vec(name)
}

//! The files that are packed: what a real server holds, and very many small ones.

use super::packages::Packages;
use super::pipeline::Place;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A part of the comparison, with files of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A database, logs, packages and artifacts.
    Server,
    /// 100,000 files of 1 KB.
    SmallFiles,
}

/// How many files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Enough to see that everything works.
    Small,
    /// As published.
    Full,
}

/// Files that were made.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What it is, in words.
    pub description: String,
    /// A file out of the middle.
    pub one: String,
    /// Files in all.
    pub file_count: usize,
    /// Their bytes.
    pub len: u64,
}

/// How much of everything; lengths in bytes.
struct Numbers {
    database_len: u64,
    log_count: u64,
    logs_len: u64,
    artifact_count: u64,
    artifacts_len: u64,
    packages_len: u64,
    small_file_count: u64,
}

/// The folders to pack. Two of them in each part: of one alone bupstash keeps no name.
pub const SOURCES: [&str; 2] = ["sql", "home"];

/// The same as options of bakpak.
const FLAGS: &str = "--sql sql --home home";

/// Length of a small file.
const SMALL_FILE_LEN: u64 = 1000;

/// Length of the database beside small files: a page.
const SMALL_DATABASE_LEN: u64 = 8192;

impl Part {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Server, Self::SmallFiles];

    /// Its word on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::SmallFiles => "small-files",
        }
    }

    /// The part of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Makes its files in the work folder.
    ///
    /// # Errors
    ///
    /// Files that cannot be written or downloaded.
    pub fn make(self, place: &Place, size: Size, packages: &Packages) -> Result<Workload> {
        match self {
            Self::Server => server(place, &size.numbers(), packages),
            Self::SmallFiles => small_files(place, &size.numbers()),
        }
    }
}

impl Size {
    /// The size of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "small" => Some(Self::Small),
            "full" => Some(Self::Full),
            _ => None,
        }
    }

    /// What the work folder has to take: the files twice, an archive, and a third as reserve.
    #[must_use]
    pub fn room(self) -> u64 {
        let numbers = self.numbers();
        let server =
            numbers.database_len + numbers.logs_len + numbers.artifacts_len + numbers.packages_len;
        // A page for each small file, and its inode.
        let small_files = numbers.small_file_count * 5120;
        server.max(small_files) * 4
    }

    /// Of the server on which the format's parameters were measured, or little of everything.
    fn numbers(self) -> Numbers {
        match self {
            Self::Small => Numbers {
                database_len: 8 << 20,
                log_count: 300,
                logs_len: 3 << 20,
                artifact_count: 5,
                artifacts_len: 2 << 20,
                packages_len: 8 << 20,
                small_file_count: 1000,
            },
            Self::Full => Numbers {
                database_len: 600 << 20,
                log_count: 20_000,
                logs_len: 218 << 20,
                artifact_count: 242,
                artifacts_len: 103 << 20,
                packages_len: 611 << 20,
                small_file_count: 100_000,
            },
        }
    }
}

impl Workload {
    /// A command with its placeholders filled.
    #[must_use]
    pub fn fill(&self, command: &str) -> String {
        command
            .replace("{sources}", &SOURCES.join(" "))
            .replace("{flags}", FLAGS)
            .replace("{one}", &self.one)
    }

    /// Counts the files, and takes the one in the middle of `among`.
    fn counted(self, place: &Place, among: &str) -> Result<Self> {
        let mut all = Vec::new();
        for source in SOURCES {
            files(&place.folder().join(source), &mut all)?;
        }
        let mut middle: Vec<&PathBuf> = Vec::new();
        for (path, _) in &all {
            if path.starts_with(place.folder().join(among)) {
                middle.push(path);
            }
        }
        middle.sort();
        let one = middle.get(middle.len() / 2).context("no file was made")?;
        let one = one.strip_prefix(place.folder())?;
        Ok(Self {
            one: one.to_str().context("a name that is no text")?.to_owned(),
            file_count: all.len(),
            len: all.iter().map(|(_, len)| len).sum(),
            ..self
        })
    }
}

fn server(place: &Place, numbers: &Numbers, packages: &Packages) -> Result<Workload> {
    place.run("rm -rf sql home")?;
    place.run("mkdir sql home")?;
    let Numbers {
        database_len,
        log_count,
        logs_len,
        artifact_count,
        artifacts_len,
        packages_len,
        ..
    } = numbers;
    // Pages as a database file has them, and no backup: `pack` refuses a `.bak` that is none.
    for line in [
        format!("make-workload database sql/server.mdf {database_len}"),
        format!("make-workload logs home/TaskLogs {log_count} {logs_len}"),
        format!("make-workload artifacts home/Artifacts {artifact_count} {artifacts_len}"),
    ] {
        place.run(&line)?;
    }
    packages.put(place, "home/Packages", *packages_len)?;
    let mib = |len: u64| len >> 20;
    Workload {
        description: format!(
            "a database of {} MiB in pages of 8 KiB, {log_count} logs ({} MiB), {artifact_count} \
             artifacts ({} MiB), {}",
            mib(*database_len),
            mib(*logs_len),
            mib(*artifacts_len),
            packages.description(),
        ),
        one: String::new(),
        file_count: 0,
        len: 0,
    }
    .counted(place, "home/Packages")
}

fn small_files(place: &Place, numbers: &Numbers) -> Result<Workload> {
    place.run("rm -rf sql home")?;
    place.run("mkdir sql")?;
    let count = numbers.small_file_count;
    for line in [
        format!("make-workload database sql/server.mdf {SMALL_DATABASE_LEN}"),
        format!("make-workload small-files home {count} {SMALL_FILE_LEN}"),
    ] {
        place.run(&line)?;
    }
    Workload {
        description: format!(
            "{count} files of {SMALL_FILE_LEN} bytes and a database of {SMALL_DATABASE_LEN}"
        ),
        one: String::new(),
        file_count: 0,
        len: 0,
    }
    .counted(place, "home")
}

/// All files below a folder, with their lengths.
fn files(folder: &Path, found: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let metadata = entry.metadata()?;
        match metadata.is_dir() {
            true => files(&entry.path(), found)?,
            false => found.push((entry.path(), metadata.len())),
        }
    }
    Ok(())
}

/// Bytes of a file, or of all files below a folder.
///
/// # Errors
///
/// What cannot be read.
pub fn len_of(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let mut found = Vec::new();
    files(path, &mut found)?;
    Ok(found.iter().map(|(_, len)| len).sum())
}

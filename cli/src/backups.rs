//! Backups: what they are, in files and in archives, for chain, plan and verdict.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::record::{BackupMediaFacts, BackupSetFacts, Facts, KnownFacts};
use mssql_backup::kind::{Kind, PEEK_LEN};
use mssql_backup::read::{check, read_headers};
use mssql_backup::report::Report;
use recovery::media::{MediaFile, Trouble};
use recovery::rules;

use crate::exit::{Exit, Failure};
use crate::output::{Output, quoted};

pub(crate) mod content;
pub(crate) mod facts;

/// How far to read a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Its descriptors: a few reads.
    Headers,
    /// All of it.
    Everything,
}

/// A file at its start, and what its first bytes say.
pub(crate) struct Peek {
    pub(crate) file: File,
    pub(crate) first: Vec<u8>,
    pub(crate) kind: Kind,
}

/// Looks at the first bytes of a file.
///
/// # Errors
///
/// There is no such file, or it may not be read (10).
pub(crate) fn peek(path: &Path) -> anyhow::Result<Peek> {
    let mut file = open(path)?;
    let mut first = Vec::new();
    let peek = (&mut file).take(PEEK_LEN as u64).read_to_end(&mut first);
    peek.and_then(|_| file.seek(SeekFrom::Start(0)))
        .with_context(|| format!("cannot read {}", quoted(path)))?;
    let kind = Kind::of(&first);
    Ok(Peek { file, first, kind })
}

/// What a file is, by its first bytes.
///
/// # Errors
///
/// There is no such file, or it may not be read (10).
pub(crate) fn kind_of(path: &Path) -> anyhow::Result<(Kind, File)> {
    let peek = peek(path)?;
    Ok((peek.kind, peek.file))
}

/// Reads a SQL Server backup.
///
/// # Errors
///
/// It cannot be read; what is wrong with it is in the report.
pub(crate) fn read(path: &Path, medium: impl Read + Seek, depth: Depth) -> anyhow::Result<Report> {
    let report = match depth {
        Depth::Headers => read_headers(medium),
        Depth::Everything => check(medium),
    };
    report.with_context(|| format!("cannot read {}", quoted(path)))
}

/// The files that are meant: each named one, and those below each named directory, in order.
///
/// # Errors
///
/// One cannot be listed, or is not there (10).
pub(crate) fn named(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let listed = || -> io::Result<Vec<PathBuf>> {
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
        };
        let mut inside = listed().with_context(|| format!("cannot list {}", quoted(path)))?;
        inside.sort();
        // A link may lead back to where it is.
        inside.retain(|inside| inside.is_file() || !inside.is_symlink());
        files.extend(named(&inside)?);
    }
    Ok(files)
}

/// The SQL Server backups among files and in directories, and the files that are none.
///
/// # Errors
///
/// A file cannot be read, or is not there (10).
pub(crate) fn of_files(
    paths: &[PathBuf],
    depth: Depth,
) -> anyhow::Result<(Vec<MediaFile>, Vec<PathBuf>)> {
    let (mut backups, mut others) = (Vec::new(), Vec::new());
    for path in named(paths)? {
        let (kind, file) = kind_of(&path)?;
        match kind.is_sql_server() {
            true => {
                let report = read(&path, &file, depth)?;
                backups.push(media_file(path.to_string_lossy().into_owned(), &report));
            }
            false => others.push(path),
        }
    }
    Ok((backups, others))
}

/// A file for chain and plan, as reading it gave it.
pub(crate) fn media_file(name: String, report: &Report) -> MediaFile {
    MediaFile {
        name,
        label: report.label.clone(),
        sets: report.sets.iter().map(|set| set.checked.clone()).collect(),
        trouble: trouble(report),
    }
}

/// Why a medium tells nothing, or not all.
fn trouble(report: &Report) -> Option<Trouble> {
    use mssql_backup::report::Unreadable;
    match report.unreadable {
        Some(Unreadable::Encrypted) => Some(Trouble::Encrypted),
        Some(other) => Some(Trouble::Unreadable(other.to_string())),
        None if report.sets.is_empty() => {
            let first = report.faults.first().map(|fault| fault.message.clone());
            Some(Trouble::Unreadable(
                first.unwrap_or_else(|| "it holds no backup set".to_owned()),
            ))
        }
        None => None,
    }
}

/// The backups in an archive, as its facts tell them; nothing but the facts is read.
///
/// # Errors
///
/// The archive is damaged.
pub(crate) fn of_archive(archive: &mut Archive, output: &Output) -> anyhow::Result<Vec<MediaFile>> {
    let noted = reports_of_archive(archive)?.into_iter();
    let media = noted.map(|noted| {
        if let Some(text) = noted.not_all() {
            output.warn(Some(&rules::NOT_ALL_NOTED.code()), None, &text);
        }
        media_file(noted.name, &noted.report)
    });
    Ok(media.collect())
}

/// What an archive notes of a file.
pub(crate) struct Noted {
    pub(crate) name: String,
    pub(crate) report: Report,
    /// How many backup sets the file holds.
    sets: u64,
}

impl Noted {
    /// That fewer sets are noted than the file holds.
    pub(crate) fn not_all(&self) -> Option<String> {
        let text = facts::not_all_noted(self.sets, self.report.sets.len());
        text.map(|text| format!("'{}': {text}", self.name))
    }
}

/// The same as the reports that the facts were made from.
///
/// # Errors
///
/// The archive is damaged.
pub(crate) fn reports_of_archive(archive: &mut Archive) -> anyhow::Result<Vec<Noted>> {
    let wanted = |kind| matches!(kind, Facts::BACKUP_MEDIA | Facts::BACKUP_SET);
    let mut files: Vec<Noted> = Vec::new();
    let mut media: Option<BackupMediaFacts> = None;
    let mut sets: Vec<BackupSetFacts> = Vec::new();
    let mut name: Option<String> = None;
    for found in archive.facts_of_entries(wanted) {
        let found = found.context("cannot read what the archive tells of its backups")?;
        let path = found.row.map(|row| row.path.to_string());
        if path != name {
            files.extend(finished(
                name.take(),
                media.take(),
                &std::mem::take(&mut sets),
            ));
            name = path;
        }
        match found.facts.known() {
            Ok(Some(KnownFacts::BackupMedia(facts))) => media = Some(facts),
            Ok(Some(KnownFacts::BackupSet(facts))) => sets.push(*facts),
            _ => {}
        }
    }
    files.extend(finished(name, media, &sets));
    Ok(files)
}

fn finished(
    name: Option<String>,
    media: Option<BackupMediaFacts>,
    sets: &[BackupSetFacts],
) -> Option<Noted> {
    let media = media?;
    Some(Noted {
        name: name?,
        report: facts::report(&media, sets),
        sets: media.sets,
    })
}

fn open(path: &Path) -> Result<File, Failure> {
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(file),
    });
    opened.map_err(|error| {
        let text = format!("cannot open {}: {error}", quoted(path));
        Failure::new(Exit::NO_ARCHIVE, text)
    })
}

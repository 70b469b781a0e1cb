//! `bakpak cat`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_codec::default_threads;
use bakpak_codec::error::ReadError;
use bakpak_codec::input::Input;
use bakpak_codec::unpack::tar;
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::entry::EntryPath;

use crate::absent;
use crate::archive;
use crate::args::CatArguments;
use crate::exit::{Exit, Failure};
use crate::list;
use crate::output::{Output, count, escaped, escaped_bytes, quoted};
use crate::progress::Talk;
use crate::prompt::Keys;

/// Writes one entry, or all of them as a tar.
///
/// # Errors
///
/// There is no such file, or anything of reading and writing; but not that nobody reads on.
pub(crate) fn run(arguments: &CatArguments, output: &Output) -> anyhow::Result<Exit> {
    let mut keys = Keys::of_data(&arguments.keys, output)?;
    match &arguments.entry {
        Some(entry) => unless_broken_pipe(one(arguments, entry, &mut keys, output))?,
        None => all(arguments, &mut keys, output)?,
    }
    Ok(Exit::DONE)
}

fn one(
    arguments: &CatArguments,
    entry: &OsStr,
    keys: &mut Keys,
    output: &Output,
) -> anyhow::Result<()> {
    let shown = escaped(&entry.to_string_lossy()).to_string();
    let no_entry = || {
        Failure::usage(format!("there is no entry '{shown}'"))
            .hint("`bakpak list ARCHIVE` lists all")
    };
    let file = archive::open_file(&arguments.archive)?;
    let path = EntryPath::new(entry.as_encoded_bytes()).ok_or_else(no_entry)?;
    let context = || format!("cannot read {}", quoted(&arguments.archive));
    let mut archive = Archive::open(&file, keys).with_context(context)?;
    archive::tell_damage(archive.head(), output);
    let row = match archive.find(&path).with_context(context)? {
        Some(row) => row,
        None => find_as_listed(&mut archive, &path)
            .with_context(context)?
            .ok_or_else(no_entry)?,
    };
    if !matches!(row.kind, RowKind::File | RowKind::HardLink) {
        let kind = list::word(row.kind);
        let text = format!("'{shown}' is no file but of kind {kind}");
        let hint = match row.kind {
            RowKind::Symlink => format!("it points to '{}'", escaped_bytes(&row.link)),
            _ => "`bakpak unpack ARCHIVE --to DIR --only ENTRY` takes it out".to_owned(),
        };
        return Err(Failure::usage(text).hint(hint).into());
    }
    let mut out = BufWriter::new(io::stdout());
    archive.read_entry(&row, &mut out).map_err(|error| {
        let what = match &error {
            ReadError::Sink(_) => "cannot write to standard output".to_owned(),
            _ => context(),
        };
        anyhow::Error::new(error).context(what)
    })?;
    out.flush().context("cannot write to standard output")
}

/// The entry that `bakpak list` writes so: a line feed as `\n`, a backslash as `\\`. No two entries
/// are written alike.
fn find_as_listed(archive: &mut Archive, typed: &EntryPath) -> Result<Option<Row>, ReadError> {
    if !typed.as_bytes().contains(&b'\\') {
        return Ok(None);
    }
    for row in archive.rows() {
        let row = row?;
        if row.path.to_string().as_bytes() == typed.as_bytes() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn all(arguments: &CatArguments, keys: &mut Keys, output: &Output) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        return Err(
            Failure::usage("standard output is a terminal, where a tar is of no use")
                .hint("`bakpak cat ARCHIVE --tar | tar -t` lists it, `bakpak list` too")
                .into(),
        );
    }
    archive::refuse_stdin(&arguments.archive)?;
    let (input, _) = archive::open_input(&arguments.archive, &arguments.keys)?;
    let context = || format!("cannot read {}", quoted(&arguments.archive));
    // Said first, since a tar program has no way to know it, and makes a file of whatever comes.
    let mut unreadable = match &input {
        Input::File(file) => find_unreadable(file, keys).with_context(context)?,
        Input::Stream { .. } => BTreeSet::new(),
    };
    unreadable.iter().for_each(|path| warn_of(path, output));
    let mut out = BufWriter::new(io::stdout());
    let written = tar(input, keys, &mut out, default_threads(), &Talk(output))
        .with_context(context)
        .and_then(|report| Ok(out.flush().map(|()| report)?));
    let report = match written {
        Err(error) if is_broken_pipe(&error) => return Err(not_read_to_its_end()),
        written => written?,
    };
    for path in report.discarded {
        if !unreadable.contains(&path) {
            warn_of(&path, output);
            unreadable.insert(path);
        }
    }
    absent::tell_missing(&report.missing, output);
    absent::tell_changed(report.changed, output);
    if unreadable.is_empty() {
        return Ok(());
    }
    let entries = count(unreadable.len() as u64, "entry", "entries");
    Err(Failure::new(
        Exit::INCOMPLETE,
        format!("{entries} of the tar could not be read when packed and must not be used"),
    )
    .hint("`bakpak unpack` leaves them out")
    .into())
}

/// What tar made may lack something, or come from an archive that is damaged further on.
fn not_read_to_its_end() -> anyhow::Error {
    Failure::new(
        Exit::FAILED,
        "nobody read the tar to its end, so it is not proved",
    )
    .hint("`bakpak cat ARCHIVE ENTRY` gives out one entry")
    .into()
}

/// The entries whose content is not what it was, as far as the catalogue can be read: whatever is
/// wrong with the archive is told when the tar comes to it, and all before it is written.
fn find_unreadable(file: &File, keys: &mut Keys) -> Result<BTreeSet<EntryPath>, ReadError> {
    let mut unreadable = BTreeSet::new();
    let mut archive = match Archive::open(file, keys) {
        Err(ReadError::Fault(_)) => return Ok(unreadable),
        opened => opened?,
    };
    for row in archive.rows() {
        match row {
            Ok(row) if row.flags.contains(RowFlags::UNREADABLE) => {
                unreadable.insert(row.path);
            }
            Ok(_) => {}
            Err(ReadError::Fault(_)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(unreadable)
}

fn warn_of(path: &EntryPath, output: &Output) {
    let text = format!("'{path}' could not be read when packed: what the tar has of it is not it");
    output.warn(None, Some(path), &text);
}

/// That nobody reads standard output any more is no error.
fn unless_broken_pipe<T: Default>(written: anyhow::Result<T>) -> anyhow::Result<T> {
    match written {
        Err(error) if is_broken_pipe(&error) => Ok(T::default()),
        written => written,
    }
}

/// Whether nobody reads standard output any more.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| match cause.downcast_ref::<ReadError>() {
            Some(ReadError::Sink(inner)) => inner.downcast_ref().is_some_and(is_broken),
            Some(ReadError::Io { source, .. }) => is_broken(source),
            _ => cause.downcast_ref().is_some_and(is_broken),
        })
}

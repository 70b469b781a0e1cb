//! `bakpak cat`.

use std::ffi::OsStr;
use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_codec::default_threads;
use bakpak_codec::error::ReadError;
use bakpak_codec::unpack::tar;
use bakpak_format::catalogue::RowKind;
use bakpak_format::entry::EntryPath;
use bakpak_format::slots::Domain;

use crate::archive;
use crate::args::CatArguments;
use crate::exit::{Exit, Failure};
use crate::list;
use crate::output::{Output, escaped, quoted};
use crate::progress::Talk;
use crate::prompt::{Keys, Surroundings};

/// Writes one entry, or all of them as a tar.
///
/// # Errors
///
/// There is no such file, or anything of reading and writing; but not that nobody reads on.
pub(crate) fn run(arguments: &CatArguments, output: &Output) -> anyhow::Result<Exit> {
    let mut keys = Keys::gather(
        &arguments.keys,
        Domain::Data,
        &Surroundings::of_process(),
        output,
    )?;
    let written = match &arguments.entry {
        Some(entry) => one(arguments, entry, &mut keys),
        None => all(arguments, &mut keys, output),
    };
    match written {
        Err(error) if is_broken_pipe(&error) => Ok(Exit::DONE),
        Err(error) => Err(error),
        Ok(()) => Ok(Exit::DONE),
    }
}

fn one(arguments: &CatArguments, entry: &OsStr, keys: &mut Keys) -> anyhow::Result<()> {
    let shown = escaped(&entry.to_string_lossy()).to_string();
    let no_entry = || {
        Failure::usage(format!("there is no entry '{shown}'"))
            .hint("`bakpak list ARCHIVE` lists all")
    };
    let file = archive::open_file(&arguments.archive)?;
    let path = EntryPath::new(entry.as_encoded_bytes()).ok_or_else(no_entry)?;
    let context = || format!("cannot read {}", quoted(&arguments.archive));
    let mut archive = Archive::open(&file, keys).with_context(context)?;
    let row = archive
        .find(&path)
        .with_context(context)?
        .ok_or_else(no_entry)?;
    if !matches!(row.kind, RowKind::File | RowKind::HardLink) {
        let kind = list::word(row.kind);
        return Err(Failure::usage(format!("'{shown}' is no file but of kind {kind}")).into());
    }
    let mut out = BufWriter::new(io::stdout());
    archive.read_entry(&row, &mut out).with_context(context)?;
    Ok(out.flush()?)
}

fn all(arguments: &CatArguments, keys: &mut Keys, output: &Output) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        return Err(
            Failure::usage("standard output is a terminal, where a tar is of no use")
                .hint("`bakpak cat ARCHIVE --tar | tar -t` lists it, `bakpak list` too")
                .into(),
        );
    }
    archive::open_file(&arguments.archive)?;
    let (input, _) = archive::open_input(&arguments.archive, &arguments.keys)?;
    let mut out = BufWriter::new(io::stdout());
    tar(input, keys, &mut out, default_threads(), &Talk(output))
        .with_context(|| format!("cannot read {}", quoted(&arguments.archive)))?;
    Ok(out.flush()?)
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

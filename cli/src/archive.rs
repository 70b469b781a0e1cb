//! Opening the archive that was named.

use std::env;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use bakpak_codec::archive::Archive;
use bakpak_codec::error::ReadError;
use bakpak_codec::input::Input;
use bakpak_codec::inspect::HeadInfo;
use bakpak_format::error::Structure;

use crate::args::KeyOptions;
use crate::exit::{Exit, Failure};
use crate::output::{Output, quoted};
use crate::progress;
use crate::prompt::{self, Keys};

/// Whether standard input is meant.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens a file, to be read by position.
///
/// # Errors
///
/// There is none, or it may not be read (10); it is nothing that can be read by position (2), or
/// empty (24).
pub(crate) fn open_file(path: &Path) -> Result<File, Failure> {
    refuse_stdin(path)?;
    // Looked at first: opening a named pipe waits until somebody writes to it.
    if path.metadata().is_ok_and(|there| !is_seekable(&there)) {
        return Err(Failure::usage(format!(
            "{} is a pipe, or something else without offsets, and this reads from place to place",
            quoted(path)
        ))
        .hint("verify and unpack read an archive from a pipe; otherwise save it to a file first"));
    }
    let file = open(path)?;
    refuse_empty(path, &file)?;
    Ok(file)
}

/// Whether it can be read by position. A directory is told when it is opened.
fn is_seekable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        kind.is_file() || kind.is_dir() || kind.is_block_device()
    }
    #[cfg(not(unix))]
    {
        metadata.is_file() || metadata.is_dir()
    }
}

/// Refuses standard input where it is of no use.
///
/// # Errors
///
/// It is meant (2).
pub(crate) fn refuse_stdin(path: &Path) -> Result<(), Failure> {
    match is_stdin(path) {
        true => Err(
            Failure::usage("only verify and unpack read an archive from standard input")
                .hint("a file named - is ./-"),
        ),
        false => Ok(()),
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(file),
    });
    opened.map_err(|error| {
        Failure::new(
            Exit::NO_ARCHIVE,
            format!("cannot open the archive {}: {error}", quoted(path)),
        )
    })
}

/// Refuses a file of no bytes, with which neither `repair` nor `salvage` helps.
///
/// # Errors
///
/// It is one (24).
pub(crate) fn refuse_empty(path: &Path, file: &File) -> Result<(), Failure> {
    match file.metadata() {
        Ok(there) if there.is_file() && there.len() == 0 => {
            let text = format!("{}: the file is empty", quoted(path));
            let hint = "copy it again, or use another copy: nothing of an archive is in this one";
            Err(Failure::new(Exit::TRUNCATED, text).hint(hint))
        }
        _ => Ok(()),
    }
}

/// Opens an archive to look at its catalogue before it is read from the front. `None` if its last
/// bytes, which tell where that is, are cut or damaged: reading it then tells which of the two.
///
/// # Errors
///
/// Any other fault, no key, or it cannot be read.
pub(crate) fn open_catalogue(file: &File, keys: &mut Keys) -> Result<Option<Archive>, ReadError> {
    match Archive::open(file, keys) {
        Err(ReadError::Fault(finding)) if finding.structure == Structure::Tail => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Tells if the archive's start is damaged, so that the copy in its tail is used; and if its end,
/// which names the places of all else, is cut or damaged: then nothing says that what is shown is
/// all.
pub(crate) fn tell_damage(head: &HeadInfo, output: &Output) {
    for finding in &head.copy_used_for {
        progress::tell_copy_used(finding, output);
    }
    if head.root.is_none() {
        let text = "the end of the archive is cut or damaged; `bakpak verify` tells what is lost";
        output.warn(None, None, text);
    }
}

/// Opens a file or standard input; its length, if it has one.
///
/// # Errors
///
/// As [`open_file`]; or the passphrase too is to come from standard input.
pub(crate) fn open_input(path: &Path, keys: &KeyOptions) -> anyhow::Result<(Input, Option<u64>)> {
    if !is_stdin(path) {
        let file = open(path)?;
        let input = Input::from_file(file)?.with_spool_room(spool_room());
        let len = match &input {
            Input::File(file) => Some(file.metadata()?.len()),
            Input::Stream { .. } => None,
        };
        return Ok((input, len));
    }
    if prompt::uses_stdin(keys) {
        return Err(Failure::usage("standard input is the archive, so no passphrase can be in it")
            .hint("another descriptor, as in `--passphrase-fd 3 3< pass.txt`, or --passphrase-file")
            .into());
    }
    let input = Input::stream(io::stdin()).with_spool_room(spool_room());
    Ok((input, None))
}

/// Bytes free where what comes from a pipe may be spooled.
fn spool_room() -> Option<u64> {
    let room = bakpak_tree::room(&env::temp_dir()).ok()?;
    Some(room.bytes_free)
}

/// What messages call it.
pub(crate) fn name(path: &Path) -> String {
    match is_stdin(path) {
        true => "standard input".to_owned(),
        false => quoted(path),
    }
}

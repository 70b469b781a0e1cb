//! `unpack` and `tar`: the entries, or the stream, of an archive that proves whole.

use crate::contents::Output;
use crate::error::{Missing, ReadError};
use crate::input::{Feed, Input};
use crate::inspect::Totals;
use crate::keyring::Keyring;
use crate::observer::Observer;
use crate::opening::Opening;
use crate::pass::Purpose;
use crate::reading::{Reading, VerifyLevel, warn_of_signers};
use crate::sink::Sink;
use crate::sink_belt;
use bakpak_format::entry::EntryPath;
use bakpak_format::error::{FormatError, Structure};
use std::io::Write;

/// What was unpacked.
#[derive(Debug)]
pub struct UnpackReport {
    /// What FINAL says.
    pub totals: Totals,
    /// Sources that were left out when packing.
    pub missing: Vec<Missing>,
    /// Entries that the sink was told to discard.
    pub discarded: Vec<EntryPath>,
    /// Files that changed while they were packed.
    pub changed: u64,
}

/// Reads all entries into a sink.
///
/// Every block authenticates before anything of it reaches the sink. Only when this returns is the
/// archive proved whole: FINAL and root have been checked (spec: RDR-3). So the sink's work is to
/// be published after it, and dropped on any error. It works on a thread of its own.
///
/// # Errors
///
/// The first fault of the archive, whatever the sink or the system says, no key, interruption.
pub fn unpack(
    input: Input,
    keyring: &mut dyn Keyring,
    sink: &mut (dyn Sink + Send),
    threads: usize,
    observer: &dyn Observer,
) -> Result<UnpackReport, ReadError> {
    sink_belt::on_its_own_thread(sink, |sink| {
        read_all(input, keyring, Output::Entries(sink), threads, observer)
    })
}

/// Writes the stream, a pax archive that any tar program can read.
///
/// Only bytes that have authenticated are written, but if this fails, the end is missing.
///
/// # Errors
///
/// As [`unpack`].
pub fn tar(
    input: Input,
    keyring: &mut dyn Keyring,
    output: &mut dyn Write,
    threads: usize,
    observer: &dyn Observer,
) -> Result<UnpackReport, ReadError> {
    read_all(input, keyring, Output::Stream(output), threads, observer)
}

fn read_all<'r>(
    input: Input,
    keyring: &mut dyn Keyring,
    output: Output<'r>,
    threads: usize,
    observer: &'r dyn Observer,
) -> Result<UnpackReport, ReadError> {
    let mut feed = Feed::new(input);
    let opening = Opening::read_or_copy(&mut feed)?;
    warn_of_signers(&opening, observer);
    let subkeys = opening.unlock(keyring)?;
    let reading = Reading {
        feed,
        opening: &opening,
        purpose: Purpose::Extract,
        threads,
        observer,
    };
    let result = reading.run(Some(subkeys), VerifyLevel::Full, output)?;
    let Some(contents) = result.contents else {
        let what = "the archive was not read to its end";
        return Err(FormatError::damaged(Structure::Record, what).into());
    };
    Ok(UnpackReport {
        totals: Totals::from(&contents.last?),
        missing: contents.missing,
        discarded: contents.unreadable,
        changed: contents.changed,
    })
}

//! `bakpak master-key show` and `exec`.

use std::process::Command;

use anyhow::Context;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::ReadError;
use bakpak_codec::inspect::inspect;
use bakpak_format::envelope::{EnvelopeItem, item_kind};
use bakpak_format::slots::Domain;

use crate::archive;
use crate::args::{EnvelopeItemArguments, KeyOptions, MasterKeyExecArguments};
use crate::exit::{Exit, Failure};
use crate::output::{Output, escaped, quoted};
use crate::progress::Talk;
use crate::prompt::{self, Keys, Surroundings};

/// The variable in which a command finds the key.
const VARIABLE: &str = "BAKPAK_MASTER_KEY";

/// Prints the master key, or another item.
///
/// # Errors
///
/// The envelope cannot be opened; there is none, or it has no such item (2).
pub(crate) fn show(arguments: &EnvelopeItemArguments, output: &Output) -> anyhow::Result<Exit> {
    let item = take(arguments, output)?;
    output.write(&item.content);
    if arguments.item.is_none() {
        output.write(b"\n");
    }
    Ok(Exit::DONE)
}

/// Runs a command with the master key, or another item.
///
/// # Errors
///
/// As [`show`]; or the command cannot be started.
pub(crate) fn exec(arguments: &MasterKeyExecArguments, output: &Output) -> anyhow::Result<Exit> {
    let item = take(&arguments.item, output)?;
    let text = str::from_utf8(&item.content)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| Failure::usage("the secret is not text, so no command can be given it"))?;
    let (program, words) = arguments
        .command
        .split_first()
        .ok_or_else(|| Failure::usage("no command is given"))?;
    let mut command = Command::new(program);
    // Never among its arguments: those every user of the machine can see.
    command.args(words).env(VARIABLE, text);
    for variable in prompt::VARIABLES {
        command.env_remove(variable);
    }
    run(command).with_context(|| format!("cannot run '{}'", escaped(&program.to_string_lossy())))
}

/// Becomes the command, so that its signals and its exit code are its own.
#[cfg(unix)]
fn run(mut command: Command) -> anyhow::Result<Exit> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

#[cfg(windows)]
fn run(mut command: Command) -> anyhow::Result<Exit> {
    let status = command.status()?;
    Ok(status.code().map_or(Exit::FAILED, |code| Exit(code as u8)))
}

/// Opens the envelope and takes the one item out.
fn take(arguments: &EnvelopeItemArguments, output: &Output) -> anyhow::Result<EnvelopeItem> {
    let options = KeyOptions::from(arguments.envelope_keys.clone());
    let domain = match arguments.envelope_keys.envelope_same_passphrase {
        true => Domain::Data,
        false => Domain::Envelope,
    };
    let context = || format!("cannot open the envelope of {}", quoted(&arguments.archive));
    // Nobody is asked for a key that can open nothing. What cannot be read is told below.
    if let Ok(file) = archive::open_file(&arguments.archive)
        && inspect(&file).is_ok_and(|head| head.envelope_slots.is_none())
    {
        return Err(ReadError::NoEnvelope).with_context(context);
    }
    let surroundings = Surroundings::of_process();
    if domain == Domain::Data && !prompt::can_offer(&options, domain, &surroundings) {
        // The hints for the other verbs name options that this one does not have.
        return Err(
            Failure::new(Exit::NO_KEY_OFFERED, "no key is given for the archive")
                .hint(
                    "its key is the envelope's too: give it with --envelope-key-file F or \
                   --envelope-passphrase-file F, without --envelope-same-passphrase",
                )
                .hint("or set BAKPAK_KEY_FILE or BAKPAK_PASSPHRASE_FILE")
                .into(),
        );
    }
    let mut keys = Keys::gather(&options, domain, &surroundings, output)?;
    let file = archive::open_file(&arguments.archive)?;
    let items = open_envelope(&file, &mut keys, &Talk(output)).with_context(context)?;
    let is_wanted = |item: &EnvelopeItem| match &arguments.item {
        Some(name) => item.name == *name,
        None => item.kind == item_kind::MASTER_KEY,
    };
    let names: Vec<_> = items
        .iter()
        .map(|item| format!("'{}'", escaped(&item.name)))
        .collect();
    let found = items.into_iter().find(is_wanted);
    found.ok_or_else(|| {
        let wanted = match &arguments.item {
            Some(name) => format!("secret '{}'", escaped(name)),
            None => "master key".to_owned(),
        };
        Failure::usage(format!("there is no {wanted} in the envelope"))
            .hint(format!("it holds {}", names.join(", ")))
            .hint("--item NAME takes out one of them")
            .into()
    })
}

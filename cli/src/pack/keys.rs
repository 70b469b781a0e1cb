//! The archive's key and the envelope's: two, unless the user says otherwise.

use bakpak_codec::secret::Credential;
use bakpak_format::slots::Domain;

use crate::args::{KeyOptions, PackArguments};
use crate::exit::Failure;
use crate::output::Output;
use crate::prompt::{self, Surroundings};

/// The archive's key, and the envelope's if there is something to seal.
///
/// # Errors
///
/// A secret would be sealed without a key of its own, or a key cannot be had.
pub(super) fn keys(
    arguments: &PackArguments,
    has_items: bool,
    output: &Output,
) -> anyhow::Result<(Credential, Option<Credential>)> {
    let surroundings = Surroundings::of_process();
    let options = KeyOptions::from(arguments.envelope_keys.clone());
    let same = arguments.envelope_keys.envelope_same_passphrase;
    if !has_items {
        if same || !options.is_empty() {
            return Err(Failure::usage(
                "a key is given for the envelope, but nothing to seal in it",
            )
            .hint("--master-key-file F or --secret NAME=F is what goes in")
            .into());
        }
        let key = prompt::key_for_packing(&arguments.keys, Domain::Data, &surroundings, output)?;
        return Ok((key, None));
    }
    if !same && !prompt::can_offer(&options, Domain::Envelope, &surroundings) {
        return Err(
            no_envelope_key("there is a secret to seal, but no key for its envelope").into(),
        );
    }
    let key = prompt::key_for_packing(&arguments.keys, Domain::Data, &surroundings, output)?;
    if same {
        return Ok((key.clone(), Some(key)));
    }
    let own = prompt::key_for_packing(&options, Domain::Envelope, &surroundings, output)?;
    if key.is_same(&own) {
        return Err(no_envelope_key("the envelope's key is the archive's key").into());
    }
    Ok((key, Some(own)))
}

fn no_envelope_key(message: &str) -> Failure {
    Failure::usage(message)
        .hint(
            "the master key decrypts everything sensitive in the application's database; with a \
             key of its own, who restores files and databases need not be able to read it",
        )
        .hint(
            "give --envelope-passphrase-file F, --envelope-passphrase-fd N or \
             --envelope-key-file F; or --envelope-same-passphrase to waive that",
        )
}

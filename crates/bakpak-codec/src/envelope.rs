//! The master-key envelope: opened by its own keys, never by those of the data.

use crate::aead::{Aead, DefaultAead};
use crate::error::{Finding, ReadError};
use crate::input::Feed;
use crate::keyring::Keyring;
use crate::mend::survey::{Need, Survey};
use crate::observer::{Observer, Warning};
use crate::opening::{Opening, not_authentic, read_head};
use bakpak_format::digest::Digest;
use bakpak_format::envelope::{self, EnvelopeBody, EnvelopeItem, decode_items};
use bakpak_format::error::Structure;
use std::fs::File;
use zeroize::Zeroizing;

/// Opens the envelope of an archive and returns its items.
///
/// Where the archive's start is damaged, the copy in its tail is opened instead, or whichever is whole
/// in a check page, and the observer is warned: it has to authenticate like the original.
///
/// # Errors
///
/// - [`ReadError::NoEnvelope`]: the archive has none.
/// - [`ReadError::NoKeyFits`], [`ReadError::NoKeyOffered`]: as for the data, but with the
///   envelope's own slots.
/// - [`ReadError::Fault`]: head or envelope are damaged or do not authenticate, and so are all copies.
/// - [`ReadError::Interrupted`]: the observer asked to stop while a copy was sought.
pub fn open_envelope(
    file: &File,
    keyring: &mut dyn Keyring,
    observer: &dyn Observer,
) -> Result<Vec<EnvelopeItem>, ReadError> {
    let mut feed = Feed::at(file, 0)?;
    let opened = Opening::read(&mut feed).and_then(|opening| {
        let items = open(&opening, keyring)?;
        Ok((items, opening.findings))
    });
    match opened {
        Ok((items, findings)) => {
            let warnings = findings.into_iter().map(Warning::Damage);
            warnings.for_each(|warning| observer.warn(warning));
            Ok(items)
        }
        Err(ReadError::Fault(fault)) => open_copy(file, keyring, *fault, observer),
        Err(error) => Err(error),
    }
}

/// Opens the tail's copy, or any other. If none is of more use, `fault` is what the user should know.
fn open_copy(
    file: &File,
    keyring: &mut dyn Keyring,
    fault: Finding,
    observer: &dyn Observer,
) -> Result<Vec<EnvelopeItem>, ReadError> {
    let front = front_digest(file);
    let mut try_copy = |copy: Opening| {
        // What is of another archive is no copy. Where the head cannot be read, nothing tells.
        if front.is_some_and(|front| front != copy.head.head_digest) {
            return Ok(None);
        }
        match open(&copy, keyring) {
            Err(ReadError::Fault(_)) => Ok(None),
            opened => opened.map(Some),
        }
    };
    if let Ok(copy) = Opening::read_copy(file)
        && let Some(items) = try_copy(copy)?
    {
        observer.warn(Warning::TailCopyUsed(fault));
        return Ok(items);
    }
    match find_copy(file, observer) {
        Ok(copy) => match try_copy(copy)? {
            Some(items) => {
                observer.warn(Warning::FoundCopyUsed(fault));
                Ok(items)
            }
            None => Err(fault.into()),
        },
        Err(ReadError::Fault(_)) => Err(fault.into()),
        Err(error) => Err(error),
    }
}

/// The best copy of each part, wherever in the file it stands.
fn find_copy(file: &File, observer: &dyn Observer) -> Result<Opening, ReadError> {
    let survey = Survey::new(file, Need::Anything, observer)?;
    Opening::of_found(survey.head, survey.parts)
}

fn open(opening: &Opening, keyring: &mut dyn Keyring) -> Result<Vec<EnvelopeItem>, ReadError> {
    let subkeys = opening.unlock_envelope(keyring)?;
    let header = &opening.head.header;
    let offset = opening.geometry.envelope_offset().0;
    let body = EnvelopeBody::split(&opening.bytes.envelope, &header.envelope_digest)
        .map_err(|e| ReadError::from(e).at(offset))?;
    let aad = envelope::aad(body.clear, &header.archive_id);
    let mut sealed = Zeroizing::new(body.ciphertext.to_vec());
    let opened = DefaultAead::new(&subkeys.envelope_body_key())
        .open(&body.nonce, &aad, &mut sealed)
        .map_err(|_| not_authentic(Structure::Envelope, "the envelope", offset))?;
    Ok(decode_items(opened)?)
}

/// The digest of the head at the archive's start, if that is whole.
fn front_digest(file: &File) -> Option<Digest> {
    let (head, _) = read_head(&mut Feed::at(file, 0).ok()?).ok()?;
    Some(head.head_digest)
}

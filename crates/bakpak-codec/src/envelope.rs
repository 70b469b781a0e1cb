//! The master-key envelope: opened by its own keys, never by those of the data.

use crate::aead::{Aead, DefaultAead};
use crate::error::{Finding, ReadError};
use crate::input::Feed;
use crate::keyring::Keyring;
use crate::observer::{Observer, Warning};
use crate::opening::{Opening, not_authentic, read_head};
use bakpak_format::digest::Digest;
use bakpak_format::envelope::{self, EnvelopeBody, EnvelopeItem, decode_items};
use bakpak_format::error::Structure;
use std::fs::File;
use zeroize::Zeroizing;

/// Opens the envelope of an archive and returns its items.
///
/// Where the archive's start is damaged, the copy in its tail is opened instead, and the observer is
/// warned: it has to authenticate like the original.
///
/// # Errors
///
/// - [`ReadError::NoEnvelope`]: the archive has none.
/// - [`ReadError::NoKeyFits`], [`ReadError::NoKeyOffered`]: as for the data, but with the
///   envelope's own slots.
/// - [`ReadError::Fault`]: head or envelope are damaged or do not authenticate, and so is the copy.
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

/// Opens the tail's copy. If that is of no more use, `fault` is what the user should know.
fn open_copy(
    file: &File,
    keyring: &mut dyn Keyring,
    fault: Finding,
    observer: &dyn Observer,
) -> Result<Vec<EnvelopeItem>, ReadError> {
    let Ok(copy) = Opening::read_copy(file) else {
        return Err(fault.into());
    };
    // A tail of another archive is no copy. Where the head cannot be read, nothing tells.
    let front = front_digest(file);
    if front.is_some_and(|front| front != copy.head.head_digest) {
        return Err(fault.into());
    }
    match open(&copy, keyring) {
        Ok(items) => {
            observer.warn(Warning::TailCopyUsed(fault));
            Ok(items)
        }
        Err(ReadError::Fault(_)) => Err(fault.into()),
        Err(error) => Err(error),
    }
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

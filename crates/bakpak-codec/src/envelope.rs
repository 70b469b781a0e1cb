//! The master-key envelope: opened by its own keys, never by those of the data.

use crate::aead::{Aead, DefaultAead};
use crate::error::ReadError;
use crate::input::{Feed, Input};
use crate::keyring::Keyring;
use crate::opening::{Opening, not_authentic};
use bakpak_format::envelope::{self, EnvelopeBody, EnvelopeItem, decode_items};
use bakpak_format::error::Structure;
use std::fs::File;
use zeroize::Zeroizing;

/// Opens the envelope of an archive and returns its items.
///
/// # Errors
///
/// - [`ReadError::NoEnvelope`]: the archive has none.
/// - [`ReadError::NoKeyFits`], [`ReadError::NoKeyOffered`]: as for the data, but with the
///   envelope's own slots.
/// - [`ReadError::Fault`]: head or envelope are damaged or do not authenticate.
pub fn open_envelope(
    file: &File,
    keyring: &mut dyn Keyring,
) -> Result<Vec<EnvelopeItem>, ReadError> {
    let file = file.try_clone().map_err(|source| ReadError::Io {
        what: "reading the archive",
        source,
    })?;
    let opening = Opening::read(&mut Feed::new(Input::File(file)))?;
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

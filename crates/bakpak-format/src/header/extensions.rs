//! Extensions of the header, declared signers among them (spec, chapter 2).

use crate::error::{FormatError, Structure};
use crate::wire::{WireReader, u16_len};

/// The extension that lists declared signers (spec: HDR-8).
pub const SIGNERS_EXTENSION: u16 = 1;

/// From this type on, unknown extensions are passed over (spec: HDR-8).
pub const FIRST_IGNORABLE_EXTENSION: u16 = 0x8000;

/// The kind of a signer with an Ed25519 key (spec: HDR-8).
pub const ED25519: u16 = 1;

const SIGNER_LEN: usize = 36;

/// An extension of the header (spec: HDR-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its type.
    pub kind: u16,
    /// Its value, as it stands.
    pub value: Vec<u8>,
}

/// A signer that the header declares (spec: HDR-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer {
    /// [`ED25519`], or a kind that is passed over.
    pub kind: u16,
    /// The public key.
    pub public_key: [u8; 32],
}

/// Encodes extensions; whether they are in order is the decoder's to judge.
///
/// A value whose length does not fit its field makes the header longer than any may be, so the
/// decoder refuses that too.
pub(super) fn encode(extensions: &[Extension]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Extension { kind, value } in extensions {
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&u16_len(value.len()).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Extensions in ascending order that fill their bytes (spec: HDR-8).
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Extension>, FormatError> {
    let malformed = |what| FormatError::malformed(Structure::Header, "HDR-8", what);
    let mut cursor = WireReader::new(Structure::Header, bytes);
    let mut extensions: Vec<Extension> = Vec::new();
    while !cursor.rest().is_empty() {
        let beyond = |_| malformed("an extension does not end in time");
        let kind = cursor.u16().map_err(beyond)?;
        let len = cursor.u16().map_err(beyond)?.into();
        let value = cursor.bytes(len).map_err(beyond)?.to_vec();
        if extensions.last().is_some_and(|last| last.kind >= kind) {
            return Err(malformed("extensions are not in ascending order"));
        }
        match kind {
            SIGNERS_EXTENSION => check_signers(&value)?,
            0..FIRST_IGNORABLE_EXTENSION => {
                let what = format!("extension type {kind}");
                return Err(FormatError::unsupported(Structure::Header, what));
            }
            FIRST_IGNORABLE_EXTENSION.. => {}
        }
        extensions.push(Extension { kind, value });
    }
    Ok(extensions)
}

/// The signers that extensions declare.
pub(super) fn signers(extensions: &[Extension]) -> Vec<Signer> {
    let extension = extensions.iter().find(|e| e.kind == SIGNERS_EXTENSION);
    let value = extension.map_or(&[][..], |e| &e.value);
    let (signers, _) = value.as_chunks::<SIGNER_LEN>();
    let parts = signers.iter().filter_map(|signer| {
        let (kind, key) = (signer.first_chunk()?, signer.last_chunk()?);
        Some((u16::from_le_bytes(*kind), *key))
    });
    parts
        .map(|(kind, public_key)| Signer { kind, public_key })
        .collect()
}

/// A list of declared signers, of one or more, of any kinds (spec: HDR-8).
fn check_signers(value: &[u8]) -> Result<(), FormatError> {
    let malformed = |what| Err(FormatError::malformed(Structure::Header, "HDR-8", what));
    let (signers, rest) = value.as_chunks::<SIGNER_LEN>();
    if signers.is_empty() || !rest.is_empty() {
        return malformed("the list of signers has a length that is not theirs");
    }
    if signers.iter().any(|signer| signer[2..4] != [0; 2]) {
        return malformed("reserved bytes of a signer are set");
    }
    Ok(())
}

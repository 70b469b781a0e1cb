//! Slot kind 1: a passphrase, stretched by Argon2id (RFC 9106).

use super::{SlotContext, Wrapped, open_key, seal_key};
use crate::error::ReadError;
use crate::keys::{self, DomainKey};
use crate::random::Random;
use crate::secret::Passphrase;
use argon2::{Algorithm, Argon2, Params, Version};
use bakpak_format::slots::{Argon2Params, PassphraseSlot, Slot};
use std::io;
use zeroize::Zeroizing;

/// What a new slot asks of whoever guesses: 256 MiB, three passes, four lanes.
pub(crate) const DEFAULT_ARGON2: Argon2Params = Argon2Params {
    memory_kib: 256 * 1024,
    passes: 3,
    lanes: 4,
};

pub(super) fn wrap(
    context: SlotContext,
    key: &DomainKey,
    secret: &Passphrase,
    params: Argon2Params,
    random: &mut Random,
) -> io::Result<Slot> {
    let salt = random.array()?;
    let ikm = stretch(secret, &salt, params).map_err(io::Error::other)?;
    let keys = keys::slot_keys(&ikm, &salt, context.domain.tag(), context.archive_id);
    let mut slot = PassphraseSlot {
        params,
        salt,
        commitment: keys.commitment,
        nonce: random.array()?,
        wrapped: [0; 48],
    };
    let prefix = Slot::Passphrase(slot.clone()).aad_prefix();
    slot.wrapped = seal_key(context, key, &keys, slot.nonce, &prefix).wrapped;
    Ok(Slot::Passphrase(slot))
}

/// Tries a passphrase; `None` if it is another one. The limits have been checked.
pub(super) fn open(
    context: SlotContext,
    slot: &PassphraseSlot,
    secret: &Passphrase,
) -> Result<Option<DomainKey>, ReadError> {
    let ikm = stretch(secret, &slot.salt, slot.params).map_err(|error| ReadError::Io {
        what: "stretching a passphrase",
        source: io::Error::other(error),
    })?;
    let keys = keys::slot_keys(&ikm, &slot.salt, context.domain.tag(), context.archive_id);
    let sealed = Wrapped {
        commitment: slot.commitment,
        nonce: slot.nonce,
        wrapped: slot.wrapped,
    };
    let prefix = Slot::Passphrase(slot.clone()).aad_prefix();
    Ok(open_key(context, &sealed, &keys, &prefix))
}

fn stretch(
    secret: &Passphrase,
    salt: &[u8; 16],
    params: Argon2Params,
) -> Result<Zeroizing<[u8; 32]>, argon2::Error> {
    let params = Params::new(params.memory_kib, params.passes, params.lanes, Some(32))?;
    let mut ikm = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        secret.as_bytes(),
        salt,
        ikm.as_mut(),
    )?;
    Ok(ikm)
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: SLT-7
    #[test]
    fn a_new_slot_asks_for_256_mib_and_three_passes() {
        let Argon2Params {
            memory_kib,
            passes,
            lanes,
        } = DEFAULT_ARGON2;
        assert_eq!((memory_kib, passes, lanes), (262_144, 3, 4));
        assert!(DEFAULT_ARGON2.check_limits().is_ok());
    }
}

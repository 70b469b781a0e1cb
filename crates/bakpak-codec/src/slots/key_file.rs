//! Slot kind 2: a key file of 32 random bytes.

use super::{SlotContext, Wrapped, open_key, seal_key};
use crate::keys::{self, DomainKey};
use crate::random::Random;
use crate::secret::KeyFile;
use bakpak_format::slots::{KeyFileSlot, Slot};
use std::io;

pub(super) fn wrap(
    context: SlotContext,
    key: &DomainKey,
    secret: &KeyFile,
    random: &mut Random,
) -> io::Result<Slot> {
    let salt = random.array()?;
    let keys = keys::slot_keys(
        secret.as_bytes(),
        &salt,
        context.domain.tag(),
        context.archive_id,
    );
    let mut slot = KeyFileSlot {
        salt,
        commitment: keys.commitment,
        nonce: random.array()?,
        wrapped: [0; 48],
    };
    let prefix = Slot::KeyFile(slot.clone()).aad_prefix();
    slot.wrapped = seal_key(context, key, &keys, slot.nonce, &prefix).wrapped;
    Ok(Slot::KeyFile(slot))
}

pub(super) fn open(
    context: SlotContext,
    slot: &KeyFileSlot,
    secret: &KeyFile,
) -> Option<DomainKey> {
    let keys = keys::slot_keys(
        secret.as_bytes(),
        &slot.salt,
        context.domain.tag(),
        context.archive_id,
    );
    let sealed = Wrapped {
        commitment: slot.commitment,
        nonce: slot.nonce,
        wrapped: slot.wrapped,
    };
    open_key(
        context,
        &sealed,
        &keys,
        &Slot::KeyFile(slot.clone()).aad_prefix(),
    )
}

//! Key slots: a domain key wrapped for one secret, and opened by it again (spec: chapter 3.2).

use crate::aead::{Aead, DefaultAead, NONCE_LEN};
use crate::error::ReadError;
use crate::keyring::{Keyring, OpenedKey, SlotKind};
use crate::keys::{self, DomainKey, SlotKeys};
use crate::random::Random;
use crate::secret::Credential;
use bakpak_format::header::ArchiveId;
use bakpak_format::limits::MAX_PASSPHRASE_TRIES;
use bakpak_format::slots::{Argon2Params, Domain, Slot, SlotTable};
use std::io;
use zeroize::Zeroizing;

pub(crate) mod key_file;
pub(crate) mod passphrase;

/// What a slot is bound to.
#[derive(Clone, Copy)]
pub(crate) struct SlotContext {
    pub(crate) domain: Domain,
    pub(crate) archive_id: ArchiveId,
}

/// Wraps a domain key for one secret.
pub(crate) fn wrap(
    context: SlotContext,
    key: &DomainKey,
    credential: &Credential,
    params: Argon2Params,
    random: &mut Random,
) -> io::Result<Slot> {
    match credential {
        Credential::Passphrase(secret) => passphrase::wrap(context, key, secret, params, random),
        Credential::KeyFile(secret) => key_file::wrap(context, key, secret, random),
    }
}

/// Opens the table with the key that the keyring has kept of this archive, or with whatever it
/// offers; `fits` compares the key's commitment with the header's, since GCM does not commit to its
/// key (spec: KEY-2).
pub(crate) fn unlock(
    context: SlotContext,
    table: &SlotTable,
    keyring: &mut dyn Keyring,
    fits: impl Fn(&DomainKey) -> bool,
) -> Result<DomainKey, ReadError> {
    let SlotContext { domain, archive_id } = context;
    let kept = keyring.kept().and_then(|kept| kept.of(domain, archive_id));
    if let Some(key) = kept.filter(&fits) {
        return Ok(key);
    }
    let key = try_slots(context, table, keyring, fits)?;
    keyring.keep(OpenedKey::new(domain, archive_id, key.clone()));
    Ok(key)
}

/// Tries what the keyring offers, and what it offers when that does not fit.
fn try_slots(
    context: SlotContext,
    table: &SlotTable,
    keyring: &mut dyn Keyring,
    fits: impl Fn(&DomainKey) -> bool,
) -> Result<DomainKey, ReadError> {
    let domain = context.domain;
    let kinds: Vec<SlotKind> = table.slots.iter().map(SlotKind::from).collect();
    let not_read = |source| ReadError::Io {
        what: "reading a secret",
        source,
    };
    let mut credentials = keyring.credentials(domain, &kinds).map_err(not_read)?;
    if credentials.is_empty() {
        return Err(ReadError::NoKeyOffered { domain, kinds });
    }
    while !credentials.is_empty() {
        if let Some(key) = try_credentials(context, table, &credentials, &fits)? {
            return Ok(key);
        }
        credentials = keyring.further(domain, &kinds).map_err(not_read)?;
    }
    Err(ReadError::NoKeyFits { domain, kinds })
}

/// Key files are tried first, then passphrases, which are slow (spec: KEY-4).
fn try_credentials(
    context: SlotContext,
    table: &SlotTable,
    credentials: &[Credential],
    fits: impl Fn(&DomainKey) -> bool,
) -> Result<Option<DomainKey>, ReadError> {
    for slot in &table.slots {
        for credential in credentials {
            if let (Slot::KeyFile(slot), Credential::KeyFile(secret)) = (slot, credential)
                && let Some(key) = key_file::open(context, slot, secret)
                && fits(&key)
            {
                return Ok(Some(key));
            }
        }
    }
    let passphrase_slots = table.slots.iter().filter_map(|slot| match slot {
        Slot::Passphrase(slot) => Some(slot),
        _ => None,
    });
    let passphrases: Vec<_> = credentials
        .iter()
        .filter_map(|c| match c {
            Credential::Passphrase(secret) => Some(secret),
            Credential::KeyFile(_) => None,
        })
        .collect();
    if !passphrases.is_empty() {
        for slot in passphrase_slots.take(MAX_PASSPHRASE_TRIES) {
            slot.check_limits()?; // spec: SLT-7
            for secret in &passphrases {
                if let Some(key) = passphrase::open(context, slot, secret)?
                    && fits(&key)
                {
                    return Ok(Some(key));
                }
            }
        }
    }
    Ok(None)
}

/// The slots that a secret opens, whatever they wrap. Those for passphrases that no reader would try open
/// for nobody (spec: SLT-7).
pub(crate) fn opened_by<'a>(
    context: SlotContext,
    slots: &'a [Slot],
    credential: &Credential,
) -> Result<Vec<&'a Slot>, ReadError> {
    let (mut opened, mut passphrase_tries) = (Vec::new(), 0);
    for slot in slots {
        let key = match (slot, credential) {
            (Slot::KeyFile(slot), Credential::KeyFile(secret)) => {
                key_file::open(context, slot, secret)
            }
            (Slot::Passphrase(slot), Credential::Passphrase(secret)) => {
                passphrase_tries += 1;
                match passphrase_tries <= MAX_PASSPHRASE_TRIES && slot.check_limits().is_ok() {
                    true => passphrase::open(context, slot, secret)?,
                    false => None,
                }
            }
            _ => None,
        };
        opened.extend(key.map(|_| slot));
    }
    Ok(opened)
}

/// The fields that every kind of slot of this version ends with.
struct Wrapped {
    commitment: [u8; 32],
    nonce: [u8; NONCE_LEN],
    wrapped: [u8; 48],
}

/// Seals the domain key under the slot's key (spec: SLT-8). `prefix` gives the slot's bytes before
/// the nonce, once the commitment is known.
fn seal_key(
    context: SlotContext,
    key: &DomainKey,
    keys: &SlotKeys,
    nonce: [u8; NONCE_LEN],
    prefix: &[u8],
) -> Wrapped {
    let mut wrapped = [0; 48];
    wrapped[..32].copy_from_slice(key.as_bytes());
    DefaultAead::new(&keys.kek).seal(&nonce, &aad(context, prefix), &mut wrapped);
    Wrapped {
        commitment: keys.commitment,
        nonce,
        wrapped,
    }
}

/// Opens what [`seal_key`] made; `None` if the secret is another one.
fn open_key(
    context: SlotContext,
    sealed: &Wrapped,
    keys: &SlotKeys,
    prefix: &[u8],
) -> Option<DomainKey> {
    // Compared before anything is opened: otherwise one slot could open under two secrets
    // (spec: SLT-8).
    if !keys::equal(&keys.commitment, &sealed.commitment) {
        return None;
    }
    let mut wrapped = Zeroizing::new(sealed.wrapped);
    let opened = DefaultAead::new(&keys.kek)
        .open(&sealed.nonce, &aad(context, prefix), wrapped.as_mut())
        .ok()?;
    let bytes: [u8; 32] = (&*opened).try_into().ok()?;
    Some(DomainKey::from_bytes(bytes))
}

fn aad(context: SlotContext, prefix: &[u8]) -> Vec<u8> {
    [
        context.domain.tag().as_slice(),
        &context.archive_id.0,
        prefix,
    ]
    .concat()
}

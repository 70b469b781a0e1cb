//! The head of a new archive: settings checked, keys drawn, slots made, the envelope sealed.

use super::{CHUNK_SIZE, Matching, PackSettings, SMALL_CHUNK_SIZE};
use crate::error::PackError;
use crate::head_plan::{DomainPlan, EnvelopePlan, HeadPlan, draw_nonce, seal_envelope};
use crate::keys::{DomainKey, KeyDomain, MacKey, Subkeys};
use crate::random::Random;
use crate::secret::Credential;
use crate::slots::{self, SlotContext};
use crate::stripes::random_failed;
use bakpak_format::envelope::{EnvelopeItem, encode_items, item_kind};
use bakpak_format::error::FormatError;
use bakpak_format::geometry::BlockSize;
use bakpak_format::header::ArchiveId;
use bakpak_format::limits::{MAX_PARITY_LEN, MIN_CHUNK_SIZE};
use bakpak_format::preamble;
use bakpak_format::record::{EnvelopeItemFacts, Facts};
use bakpak_format::slots::Domain;
use std::sync::Arc;

/// Draws keys, makes slots and seals the envelope.
pub(super) fn plan_head(
    settings: &PackSettings,
    random: &mut Random,
) -> Result<HeadPlan, PackError> {
    check_settings(settings)?;
    let archive_id = ArchiveId(random.array().map_err(random_failed)?);
    let salt = random.array().map_err(random_failed)?;
    let mut domain = |kind, domain, credential: &Credential| -> Result<_, PackError> {
        let key = DomainKey::generate(random).map_err(random_failed)?;
        let context = SlotContext { domain, archive_id };
        let slot =
            slots::wrap(context, &key, credential, settings.argon2, random).map_err(|source| {
                PackError::Io {
                    what: "making a key slot",
                    source,
                }
            })?;
        let subkeys = Arc::new(key.subkeys(&salt, archive_id, kind));
        Ok(DomainPlan {
            subkeys,
            slots: vec![slot],
        })
    };
    let data = domain(KeyDomain::Archive, Domain::Data, &settings.key)?;
    let envelope = match &settings.envelope {
        None => None,
        Some(envelope) => {
            let own = domain(KeyDomain::Envelope, Domain::Envelope, &envelope.key)?;
            let plaintext = encode_items(&envelope.items).map_err(refused)?;
            let body = seal_envelope(&own.subkeys, archive_id, &plaintext, draw_nonce(random)?);
            Some(EnvelopePlan { domain: own, body })
        }
    };
    let chunk_size = match (settings.chunk_size, settings.block_size) {
        (Some(size), _) => size,
        (None, Some(BlockSize::FOUR_KIB)) => SMALL_CHUNK_SIZE,
        (None, _) => CHUNK_SIZE,
    };
    Ok(HeadPlan {
        cover_text: settings.cover_text.clone(),
        archive_id,
        salt,
        chunk_size,
        copy_reach: settings.matching.map_or(0, |m| m.copy_reach),
        parity: settings.parity,
        data,
        envelope,
    })
}

/// What is told of the envelope's items to whoever opens the data.
pub(super) fn item_facts_of(settings: &PackSettings, subkeys: &Subkeys) -> Vec<Facts> {
    let check_key = subkeys.item_check_key();
    let items = settings
        .envelope
        .iter()
        .flat_map(|envelope| &envelope.items);
    items.map(|item| item_facts(item, &check_key)).collect()
}

/// Facts about an envelope item. A check value only where guessing it is hopeless: for key
/// material, not for texts that people choose (spec: chapter 9, kind 2).
fn item_facts(item: &EnvelopeItem, check_key: &MacKey) -> Facts {
    let check = (item.kind == item_kind::MASTER_KEY).then(|| {
        let mac = check_key.mac(&item.content);
        let mut check = [0; 16];
        check.copy_from_slice(&mac[..16]);
        check
    });
    let name = item.name.clone();
    EnvelopeItemFacts {
        kind: item.kind,
        name,
        check,
    }
    .into()
}

/// Refuses what no reader would take, before anything is written.
fn check_settings(settings: &PackSettings) -> Result<(), PackError> {
    preamble::encode(&settings.cover_text).map_err(refused)?;
    let history_len = settings.matching.map_or(0, |m| m.history_len);
    if history_len > Matching::MAX_HISTORY_LEN {
        let most = Matching::MAX_HISTORY_LEN;
        let what = format!("history of {history_len} bytes, at most {most} allowed");
        return Err(PackError::Settings(what));
    }
    if let Some(size) = settings.chunk_size
        && !(MIN_CHUNK_SIZE..=CHUNK_SIZE).contains(&size)
    {
        // A larger one the format allows, but the matcher's table does not count so far.
        let what = format!("chunk_size of {size} bytes, {MIN_CHUNK_SIZE} to {CHUNK_SIZE} allowed");
        return Err(PackError::Settings(what));
    }
    if let (Some(size), Some(BlockSize::FOUR_KIB)) = (settings.chunk_size, settings.block_size)
        && size > SMALL_CHUNK_SIZE
    {
        let what = format!(
            "chunk_size of {size} bytes with blocks of 4 KiB, at most {SMALL_CHUNK_SIZE} allowed"
        );
        return Err(PackError::Settings(what));
    }
    // Of the largest blocks that are taken where none are asked for, there is room for all parity.
    let block_size = settings.block_size.unwrap_or(BlockSize::ONE_MIB);
    let parity_len = settings.parity.max_len(block_size);
    if parity_len > MAX_PARITY_LEN {
        let what = format!(
            "{} MiB of parity a stripe with blocks of this size, at most {} allowed",
            parity_len >> 20,
            MAX_PARITY_LEN >> 20
        );
        return Err(PackError::Settings(what));
    }
    settings.argon2.check_limits().map_err(refused)
}

fn refused(error: FormatError) -> PackError {
    PackError::Settings(error.to_string())
}

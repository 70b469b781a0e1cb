//! Key slots in words, and in JSON.

use bakpak_codec::inspect::SlotInfo;
use bakpak_codec::keyring::SlotKind;

use crate::output::{event, size};

/// What each of them opens with.
pub(crate) fn slots_words(slots: &[SlotInfo]) -> String {
    let words: Vec<_> = slots.iter().map(slot_words).collect();
    words.join(", or ")
}

/// What it opens with.
pub(crate) fn slot_words(slot: &SlotInfo) -> String {
    match (&slot.kind, &slot.argon2) {
        (SlotKind::Passphrase, Some(cost)) => {
            let memory = size(u64::from(cost.memory_kib) * 1024);
            format!("a passphrase (Argon2id: {memory}, {} passes)", cost.passes)
        }
        (SlotKind::Passphrase, None) => "a passphrase".to_owned(),
        (SlotKind::KeyFile, _) => "a key file".to_owned(),
        (SlotKind::Other(kind), _) => format!("a key of kind {kind}, unknown to this version"),
    }
}

/// As JSON tells it.
pub(crate) fn slot(slot: &SlotInfo) -> event::Slot {
    event::Slot {
        id: slot.id.to_string(),
        kind: match slot.kind {
            SlotKind::Passphrase => "passphrase".to_owned(),
            SlotKind::KeyFile => "key-file".to_owned(),
            SlotKind::Other(kind) => format!("kind-{kind}"),
        },
        argon2_memory_kib: slot.argon2.map(|cost| cost.memory_kib),
        argon2_passes: slot.argon2.map(|cost| cost.passes),
        argon2_lanes: slot.argon2.map(|cost| cost.lanes),
    }
}

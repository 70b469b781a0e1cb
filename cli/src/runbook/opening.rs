//! What opens an archive, as its head says it: for a runbook that is read when nobody remembers.

use bakpak_codec::inspect::{HeadInfo, SlotInfo, Totals};
use bakpak_codec::keyring::SlotKind;
use bakpak_format::envelope::item_kind;
use bakpak_format::record::EnvelopeItemFacts;
use recovery::runbook::facts::{ArchiveKey, EnvelopeFacts, EnvelopeKey};

use crate::output::time;

/// When and by what it was packed.
pub(super) fn packed(head: &HeadInfo, totals: &Totals) -> Option<String> {
    let told = field(head, "Packed:");
    told.or_else(|| Some(time(totals.finished)))
}

/// Whom to call.
pub(super) fn contact(head: &HeadInfo) -> Option<String> {
    field(head, "Contact:")
}

/// What opens the archive. A passphrase where there is the choice: it needs no file.
pub(super) fn archive_key(head: &HeadInfo) -> ArchiveKey {
    match takes_passphrase(&head.slots) {
        true => ArchiveKey::Passphrase,
        false => ArchiveKey::KeyFile,
    }
}

/// The envelope, as far as it is known without opening it. Whether its key is the archive's own
/// nobody can see; then the same is typed, or named, twice.
pub(super) fn envelope(head: &HeadInfo, items: &[EnvelopeItemFacts]) -> Option<EnvelopeFacts> {
    let slots = head.envelope_slots.as_ref()?;
    let is_master_key = |item: &&EnvelopeItemFacts| item.kind == item_kind::MASTER_KEY;
    let secrets = items.iter().filter(|item| !is_master_key(item));
    Some(EnvelopeFacts {
        key: match takes_passphrase(slots) {
            true => EnvelopeKey::Passphrase,
            false => EnvelopeKey::KeyFile,
        },
        has_master_key: items.iter().any(|item| is_master_key(&item)),
        secrets: secrets.map(|item| item.name.clone()).collect(),
    })
}

fn takes_passphrase(slots: &[SlotInfo]) -> bool {
    slots.iter().any(|slot| slot.kind == SlotKind::Passphrase)
}

/// A line of the cover text.
fn field(head: &HeadInfo, name: &str) -> Option<String> {
    let mut lines = head.cover_text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name))?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

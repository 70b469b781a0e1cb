//! Seals and opens blocks (spec: chapter 5).

use crate::aead::{Aead, DefaultAead, NotAuthentic};
use crate::keys::Subkeys;
use bakpak_format::block::{self, BlockHeader};
use bakpak_format::digest::Digest;
use bakpak_format::geometry::{BlockIndex, StripeIndex};
use bakpak_format::header::ArchiveId;
use std::sync::Arc;

/// Seals and opens the blocks of one stripe.
#[derive(Clone)]
pub(crate) struct StripeKey {
    aead: Arc<DefaultAead>,
    salt: [u8; 16],
    archive_id: ArchiveId,
    head_digest: Digest,
}

impl StripeKey {
    pub(crate) fn new(
        subkeys: &Subkeys,
        archive_id: ArchiveId,
        head_digest: Digest,
        stripe: StripeIndex,
        salt: [u8; 16],
    ) -> Self {
        let aead = Arc::new(DefaultAead::new(&subkeys.stripe_key(stripe, &salt)));
        Self {
            aead,
            salt,
            archive_id,
            head_digest,
        }
    }

    pub(crate) fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// Writes the clear header and seals what stands behind it, in place. `block` is one whole
    /// block: 64 bytes to be filled, inner header and payload, room for the tag.
    pub(crate) fn seal(&self, index: BlockIndex, nonce: [u8; 12], block: &mut [u8]) {
        let header = BlockHeader {
            block_index: index,
            archive_id_prefix: block::prefix(&self.archive_id),
            stripe_salt: self.salt,
            nonce,
        };
        let clear = header.encode();
        let aad = block::aad(&clear, &self.archive_id, &self.head_digest);
        let (head, text) = block.split_at_mut(block::CLEAR_LEN);
        head.copy_from_slice(&clear);
        self.aead.seal(&nonce, &aad, text);
    }

    /// Opens a sealed block in place and returns inner header and payload.
    ///
    /// Index, archive and header are authenticated, so a block that was moved, repeated or taken
    /// from another archive does not open (spec: BLK-4).
    pub(crate) fn open<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a mut [u8], NotAuthentic> {
        let (clear, text) = sealed
            .split_first_chunk_mut::<{ block::CLEAR_LEN }>()
            .ok_or(NotAuthentic)?;
        let aad = block::aad(clear, &self.archive_id, &self.head_digest);
        let nonce = BlockHeader::decode(clear).map_err(|_| NotAuthentic)?.nonce;
        self.aead.open(&nonce, &aad, text)
    }
}

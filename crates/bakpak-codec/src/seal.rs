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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{DomainKey, KeyDomain};

    const LEN: usize = 4096;
    const INDEX: BlockIndex = BlockIndex(3);

    fn key(id: u8, head: u8, stripe: u64, salt: u8) -> StripeKey {
        let id = ArchiveId([id; 16]);
        let key = DomainKey::from_bytes([1; 32]);
        let subkeys = key.subkeys(&[2; 32], id, KeyDomain::Archive);
        StripeKey::new(
            &subkeys,
            id,
            Digest([head; 32]),
            StripeIndex(stripe),
            [salt; 16],
        )
    }

    fn text(block: &[u8]) -> &[u8] {
        &block[block::CLEAR_LEN..LEN - block::TAG_LEN]
    }

    fn sealed() -> Vec<u8> {
        let mut block = vec![7; LEN];
        key(3, 4, 5, 6).seal(INDEX, [8; 12], &mut block);
        block
    }

    #[test]
    fn a_sealed_block_opens_with_the_key_of_its_stripe_alone() {
        let sealed = sealed();
        assert_ne!(text(&sealed), text(&[7; LEN]));
        let open = |key: StripeKey| key.open(&mut sealed.clone()).map(|text| text.to_vec());
        assert_eq!(open(key(3, 4, 5, 6)).unwrap(), text(&[7; LEN]));
        for other in [
            key(9, 4, 5, 6),
            key(3, 9, 5, 6),
            key(3, 4, 9, 6),
            key(3, 4, 5, 9),
        ] {
            assert_eq!(open(other), Err(NotAuthentic));
        }
    }

    #[test]
    fn its_clear_header_says_where_it_stands_and_with_which_salt() {
        let sealed = sealed();
        let header = BlockHeader::decode(sealed.first_chunk().unwrap()).unwrap();
        assert!(header.check_place(INDEX, &ArchiveId([3; 16])).is_ok());
        assert!(header.check_salt(key(3, 4, 5, 6).salt()).is_ok());
        assert_eq!((header.stripe_salt, header.nonce), ([6; 16], [8; 12]));
    }

    #[test]
    fn a_block_that_was_moved_changed_or_cut_does_not_open() {
        let open = |mut bytes: Vec<u8>| key(3, 4, 5, 6).open(&mut bytes).map(|_| ());
        let mut moved = sealed();
        let mut header = BlockHeader::decode(moved.first_chunk().unwrap()).unwrap();
        header.block_index = BlockIndex(4);
        moved[..block::CLEAR_LEN].copy_from_slice(&header.encode());
        assert_eq!(open(moved), Err(NotAuthentic));
        for offset in [0, 8, block::CLEAR_LEN, LEN - 1] {
            let mut changed = sealed();
            changed[offset] ^= 1;
            assert_eq!(open(changed), Err(NotAuthentic));
        }
        for len in [0, block::CLEAR_LEN - 1, block::CLEAR_LEN, LEN - 1] {
            assert_eq!(open(sealed()[..len].to_vec()), Err(NotAuthentic));
        }
    }
}

//! Stripes: sealed blocks, parity, check pages.

use super::{Builder, Parts, Site};
use crate::keys;
use crate::parity::parity;
use bakpak_format::block::{BlockHeader, CLEAR_LEN, InnerHeader};
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::digest::{Digest, SECTOR_LEN, crc32c, sector_crcs};
use bakpak_format::geometry::{BlockIndex, CHECK_PAGE_HEADER_LEN, StripeIndex, StripeLayout};
use bakpak_format::header::ArchiveId;
use bakpak_format::slots::Domain;

impl Builder {
    pub(super) fn stripe(
        &self,
        layout: &StripeLayout,
        blocks: &[(Vec<u8>, Option<u32>)],
        parts: &mut Parts,
        archive: &mut Vec<u8>,
    ) {
        let mut shards = Vec::new();
        for index in layout.blocks() {
            let (used, first_record) = &blocks[usize::try_from(index.0).expect("small")];
            let inner = InnerHeader {
                used_len: used.len(),
                first_record: *first_record,
            };
            let mut plain = [&inner.encode()[..], used].concat();
            plain.resize(self.block_size.bytes() - CLEAR_LEN - 16, 0);
            self.apply(Site::Plain(index.0), &mut plain);
            let sealed = self.sealed_block(layout.index, index, &plain, &parts.head_digest);
            shards.extend_from_slice(&sealed);
            parts.blocks.push((sealed, plain));
        }
        self.apply(Site::Blocks(layout.index.0), &mut shards);
        let mut parity = parity(layout, self.parity.rows(), &shards);
        self.apply(Site::Parity(layout.index.0), &mut parity);
        let page = self.check_page(layout, &[&shards[..], &parity].concat(), parts);
        archive.extend(shards);
        archive.extend_from_slice(&page);
        if !parity.is_empty() {
            archive.extend(parity);
            archive.extend(self.second_page(layout, &page));
        }
        parts.check_pages.push(page);
    }

    fn sealed_block(
        &self,
        stripe: StripeIndex,
        index: BlockIndex,
        plain: &[u8],
        head_digest: &[u8; 32],
    ) -> Vec<u8> {
        let header = BlockHeader {
            block_index: index,
            archive_id_prefix: *self.archive_id.first_chunk().expect("16 bytes hold 8"),
            stripe_salt: self.random("stripe salt", stripe.0),
            nonce: self.random("block nonce", index.0),
        };
        let mut block = header.encode()[..CLEAR_LEN - 4].to_vec();
        self.apply(Site::Clear(index.0), &mut block);
        block.extend(crc32c(&block).to_le_bytes());
        let salt = block[24..40].try_into().expect("a slice of 16 bytes");
        let nonce = block[40..52].try_into().expect("a slice of 12 bytes");
        let key = self.keys(Domain::Data).stripe_key(stripe.0, salt);
        let aad = [&block[..], &self.archive_id, head_digest].concat();
        block.extend(keys::seal(&key, nonce, &aad, plain));
        self.apply(Site::Sealed(index.0), &mut block);
        block
    }

    fn check_page(&self, layout: &StripeLayout, shards: &[u8], parts: &Parts) -> Vec<u8> {
        let hashes: Vec<Digest> = shards
            .chunks(self.block_size.bytes())
            .map(Digest::of)
            .collect();
        let crcs: Vec<u32> = sector_crcs(shards).collect();
        let mut page = CheckPage::encode(&CheckPageParts {
            layout,
            archive_id: &ArchiveId(self.archive_id),
            head_digest: &Digest(parts.head_digest),
            shard_hashes: &hashes,
            sector_crcs: &crcs,
            head: &parts.head,
            envelope: &parts.envelope,
            data_slots: &parts.data_slots,
            envelope_slots: &parts.envelope_slots,
        });
        self.apply(Site::CheckPage(layout.index.0), &mut page);
        put_page_crcs(&mut page, layout.covered_len);
        self.apply(Site::CheckPageSums(layout.index.0), &mut page);
        page
    }

    /// The page again; its CRCs are computed anew only where it was changed.
    fn second_page(&self, layout: &StripeLayout, page: &[u8]) -> Vec<u8> {
        let mut second = page.to_vec();
        self.apply(Site::SecondPage(layout.index.0), &mut second);
        if second != page {
            put_page_crcs(&mut second, layout.covered_len);
        }
        second
    }
}

/// Computes the CRCs of a check page's own sectors.
fn put_page_crcs(page: &mut [u8], covered_len: usize) {
    let list = CHECK_PAGE_HEADER_LEN..CHECK_PAGE_HEADER_LEN + covered_len / SECTOR_LEN * 4;
    page[list.clone()].fill(0);
    let crcs: Vec<u32> = sector_crcs(&page[..covered_len]).collect();
    for (entry, crc) in page[list].chunks_mut(4).zip(&crcs).skip(1) {
        entry.copy_from_slice(&crc.to_le_bytes());
    }
    // The first one comes last: its sector holds all others, and itself as zero.
    let crc = crc32c(&page[..SECTOR_LEN]);
    page[CHECK_PAGE_HEADER_LEN..][..4].copy_from_slice(&crc.to_le_bytes());
}

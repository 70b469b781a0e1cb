//! The tail: copies, tail page, locator, root.

use super::{Builder, Parts, Site};
use bakpak_format::digest::{Digest, crc32c};
use bakpak_format::geometry::{Geometry, StripeIndex};
use bakpak_format::header::ArchiveId;
use bakpak_format::tail::{self, LOCATOR_LEN, Locator, TailPage, page_len_for};

impl Builder {
    pub(super) fn tail(
        &self,
        geometry: &Geometry,
        block_count: u64,
        parts: &mut Parts,
        archive: &mut Vec<u8>,
    ) {
        let is_signed = self.extensions.iter().any(|(kind, _)| *kind == 1);
        let signatures_len: usize = self.signatures.iter().map(|s| 8 + s.body.len()).sum();
        let tail_page_len = page_len_for(signatures_len);
        let tail_offset = geometry.tail_offset(block_count);
        let stripe_count = geometry.stripe_count(block_count);
        let digests = (0..).zip(&parts.check_pages).map(|(index, page)| {
            let layout = geometry.stripe(block_count, StripeIndex(index));
            Digest::of(&page[..layout.covered_len])
        });
        let archive_id = ArchiveId(self.archive_id);
        let head_digest = Digest(parts.head_digest);
        let root = tail::root(
            &head_digest,
            &archive_id,
            block_count,
            stripe_count,
            digests,
        );
        let page = TailPage {
            tail_page_len,
            archive_id,
            block_count,
            stripe_count,
            archive_len: tail_offset.0 + geometry.tail_len(is_signed, tail_page_len),
            head_digest,
            root,
            tail_offset,
            signatures: self.signatures.clone(),
        };
        parts.tail_page = self.tail_page(&page);
        if is_signed {
            archive.extend_from_slice(&parts.tail_page);
        }
        let mut copies = [
            &parts.head[..],
            &parts.data_slots,
            &parts.envelope_slots,
            &parts.envelope,
        ]
        .concat();
        self.apply(Site::TailCopies, &mut copies);
        archive.extend(copies);
        archive.extend_from_slice(&parts.tail_page);
    }

    fn tail_page(&self, page: &TailPage) -> Vec<u8> {
        let mut bytes = page
            .encode()
            .expect("signatures of vectors fit a tail page");
        bytes.truncate(page.tail_page_len - LOCATOR_LEN);
        self.apply(Site::TailPage, &mut bytes);
        let root = bytes[80..112].try_into().expect("a slice of 32 bytes");
        let locator = Locator {
            tail_page_len: page.tail_page_len,
            archive_id: page.archive_id,
            tail_offset: page.tail_offset,
            block_count: page.block_count,
            root: Digest(root),
            page_digest: Digest::of(&bytes),
        };
        let mut locator = locator.encode()[..LOCATOR_LEN - 4].to_vec();
        self.apply(Site::Locator, &mut locator);
        locator.extend(crc32c(&locator).to_le_bytes());
        bytes.extend(locator);
        bytes
    }
}

//! Which stripes of a partial file are whole: byte for byte what their writer wrote.

use crate::blocks::{ShardSums, check_clear};
use crate::error::ReadError;
use crate::input::read_exact_at;
use crate::observer::Observer;
use crate::opening::Opening;
use crate::pipeline::{Buffers, InOrder, JOBS_PER_THREAD, Workers};
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::digest::Digest;
use bakpak_format::geometry::{ArchiveOffset, StripeIndex, StripeLayout};
use std::fs::File;

/// The check page digests of all stripes in front of the first that is not whole (spec: RSM-1).
pub(super) fn page_digests(
    file: &File,
    opening: &Opening,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Vec<Digest>, ReadError> {
    let check = StripeCheck {
        file,
        opening,
        workers: Workers::new(threads)?,
        buffers: Buffers::new(JOBS_PER_THREAD * threads + 4),
        observer,
    };
    let mut digests = Vec::new();
    while let Some(digest) = check.stripe(StripeIndex(digests.len() as u64))? {
        digests.push(digest);
    }
    Ok(digests)
}

struct StripeCheck<'a> {
    file: &'a File,
    opening: &'a Opening,
    workers: Workers,
    buffers: Buffers,
    observer: &'a dyn Observer,
}

impl StripeCheck<'_> {
    /// The digest of a stripe's check page; `None` unless the stripe is full, goes before others,
    /// and is whole.
    fn stripe(&self, index: StripeIndex) -> Result<Option<Digest>, ReadError> {
        let geometry = &self.opening.geometry;
        let layout = geometry.stripe_of(index, geometry.data_blocks_per_stripe(), false);
        let Some(sums) = self.sums(&layout)? else {
            return Ok(None);
        };
        // Made anew from what stands there: so copies and unused bytes are compared as well.
        let page = self.page(&layout, &sums);
        let places = [
            Some(layout.page_offset),
            geometry.second_page_offset(&layout),
        ];
        for place in places.into_iter().flatten() {
            let mut found = vec![0; page.len()];
            if !self.read(&mut found, place) || found != page {
                return Ok(None);
            }
        }
        Ok(Some(Digest::of(&page[..layout.covered_len])))
    }

    /// Checksums of the shards as they stand; `None` if one cannot be read, or is of another place.
    fn sums(&self, layout: &StripeLayout) -> Result<Option<Vec<ShardSums>>, ReadError> {
        let geometry = &self.opening.geometry;
        let archive_id = self.opening.head.header.archive_id;
        let blocks = layout.blocks().map(|index| {
            let offset = geometry.block_offset(index);
            (offset, Some(index))
        });
        let parity = (0..layout.parity_count).map(|number| {
            let offset = geometry.parity_offset(layout, number);
            (offset, None)
        });
        let mut summing = InOrder::new();
        let mut sums = Vec::with_capacity(layout.shard_count());
        for (offset, block) in blocks.chain(parity) {
            if self.observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            while summing.len() > JOBS_PER_THREAD * self.workers.threads() {
                if !self.next_sums(&mut summing, &mut sums)? {
                    return Ok(None);
                }
            }
            let mut bytes = self.buffers.take().unwrap_or_default();
            bytes.resize(geometry.block_size.bytes(), 0);
            if !self.read(&mut bytes, offset) {
                return Ok(None);
            }
            self.workers.submit_short(&mut summing, move || {
                let is_here =
                    block.is_none_or(|index| check_clear(&bytes, index, &archive_id).is_ok());
                (is_here.then(|| ShardSums::of(&bytes)), bytes)
            });
        }
        while summing.len() > 0 {
            if !self.next_sums(&mut summing, &mut sums)? {
                return Ok(None);
            }
        }
        Ok(Some(sums))
    }

    fn next_sums(
        &self,
        summing: &mut InOrder<(Option<ShardSums>, Vec<u8>)>,
        sums: &mut Vec<ShardSums>,
    ) -> Result<bool, ReadError> {
        let Some(summed) = summing.next() else {
            return Ok(true);
        };
        let (of_shard, bytes) = summed?;
        self.buffers.give(bytes);
        let is_there = of_shard.is_some();
        sums.extend(of_shard);
        Ok(is_there)
    }

    fn page(&self, layout: &StripeLayout, sums: &[ShardSums]) -> Vec<u8> {
        let hashes: Vec<Digest> = sums.iter().map(|s| s.hash).collect();
        let crcs: Vec<u32> = sums.iter().flat_map(|s| &s.sector_crcs).copied().collect();
        let bytes = &self.opening.bytes;
        CheckPage::encode(&CheckPageParts {
            layout,
            archive_id: &self.opening.head.header.archive_id,
            head_digest: &self.opening.head.head_digest,
            shard_hashes: &hashes,
            sector_crcs: &crcs,
            head: &bytes.head,
            envelope: &bytes.envelope,
            data_slots: &bytes.data_slots,
            envelope_slots: &bytes.envelope_slots,
        })
    }

    /// Whether so much can be read there. What the disk does not give back is not whole either.
    fn read(&self, buffer: &mut [u8], offset: ArchiveOffset) -> bool {
        read_exact_at(self.file, buffer, offset.0).is_ok()
    }
}

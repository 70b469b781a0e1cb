//! Stripes: up to 510 shards and the check page behind the data (spec: chapters 5, 6).

use crate::blocks::{OpenBlock, SealedBlock, ShardSums};
use crate::error::PackError;
use crate::keys::Subkeys;
use crate::parity_lane::ParityLane;
use crate::pipeline::{Belt, Buffers, InOrder, Workers};
use crate::random::Random;
use crate::seal::StripeKey;
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::digest::Digest;
use bakpak_format::geometry::{BlockIndex, Geometry, Place, StripeIndex};
use bakpak_format::header::ArchiveId;

/// What stands before the stripes, kept for the copies in check pages and tail.
pub(crate) struct HeadParts {
    pub(crate) head: Vec<u8>,
    pub(crate) data_slots: Vec<u8>,
    pub(crate) envelope_slots: Vec<u8>,
    pub(crate) envelope: Vec<u8>,
    pub(crate) head_digest: Digest,
    pub(crate) archive_id: ArchiveId,
}

/// Whether a stripe is the archive's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Inner,
    Last,
}

/// What the writer works with, from the first byte to the last.
pub(crate) struct Tools<'a> {
    pub(crate) subkeys: &'a Subkeys,
    pub(crate) workers: &'a Workers,
    pub(crate) buffers: Buffers,
    pub(crate) random: Random,
    pub(crate) output: Belt<Vec<u8>>,
}

/// Puts records into the blocks of one stripe after another.
pub(crate) struct StripeWriter<'a> {
    geometry: Geometry,
    parts: HeadParts,
    tools: Tools<'a>,
    stripe: StripeIndex,
    key: StripeKey,
    open: OpenBlock,
    submitted: usize,
    sealing: InOrder<SealedBlock>,
    sums: Vec<ShardSums>,
    parity: Option<ParityLane>,
    page_digests: Vec<Digest>,
}

/// Counts and check page digests, from which the root is made.
pub(crate) struct StripesWritten {
    pub(crate) geometry: Geometry,
    pub(crate) block_count: u64,
    pub(crate) page_digests: Vec<Digest>,
    pub(crate) parts: HeadParts,
    pub(crate) output: Belt<Vec<u8>>,
}

impl<'a> StripeWriter<'a> {
    /// Begins behind the stripes whose check pages have these digests; none in a new archive.
    pub(crate) fn new(
        geometry: Geometry,
        parts: HeadParts,
        page_digests: Vec<Digest>,
        mut tools: Tools<'a>,
    ) -> Result<Self, PackError> {
        let stripe = StripeIndex(page_digests.len() as u64);
        let key = new_key(tools.subkeys, &parts, stripe, &mut tools.random)?;
        let open = OpenBlock::new(
            geometry.block_size,
            tools.buffers.take().unwrap_or_default(),
        );
        Ok(Self {
            geometry,
            parts,
            tools,
            stripe,
            key,
            open,
            submitted: 0,
            sealing: InOrder::new(),
            sums: Vec::new(),
            parity: ParityLane::new(geometry.parity, geometry.block_size),
            page_digests,
        })
    }

    /// Bytes of records that still fit into this stripe.
    pub(crate) fn room(&self) -> usize {
        self.capacity() - self.submitted * self.payload_len() - self.open.used()
    }

    /// Bytes of records that fit into an empty stripe.
    pub(crate) fn capacity(&self) -> usize {
        self.geometry.data_blocks_per_stripe() * self.payload_len()
    }

    /// Whether nothing stands in this stripe yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.submitted == 0 && self.open.used() == 0
    }

    /// Where the next record will stand.
    pub(crate) fn place(&self) -> Place {
        // A full block is sealed only when more comes, so the place may be the next block's start.
        let block = self.next_block();
        self.geometry
            .block_size
            .place(block, 0)
            .plus(self.open.used() as u64)
    }

    /// How many blocks there will be when the open one is the last.
    pub(crate) fn block_count_after(&self, more: usize) -> u64 {
        let used = self.open.used() + more;
        self.next_block().0 + used.div_ceil(self.payload_len()).max(1) as u64
    }

    /// Puts one record, header and body; the caller has made sure that it fits.
    pub(crate) fn put(&mut self, header: &[u8], body: &[u8]) -> Result<Place, PackError> {
        if self.open.is_full() {
            self.submit()?;
        }
        let place = self.place();
        self.open.mark_record();
        for mut bytes in [header, body] {
            while !bytes.is_empty() {
                if self.open.is_full() {
                    self.submit()?;
                }
                let taken = self.open.fill(bytes);
                bytes = &bytes[taken..];
            }
        }
        Ok(place)
    }

    /// Ends the stripe: empty blocks up to its full number (unless it is the last), check page,
    /// parity.
    pub(crate) fn end(&mut self, position: Position) -> Result<(), PackError> {
        if self.open.used() > 0 {
            self.submit()?;
        }
        if position == Position::Inner {
            while self.submitted < self.geometry.data_blocks_per_stripe() {
                self.submit()?;
            }
        }
        while let Some(sealed) = self.sealing.next() {
            self.pass_on(sealed?)?;
        }
        let mut parity = Vec::new();
        if let Some(lane) = &mut self.parity {
            let (blocks, ended) = lane.end(self.tools.workers)?;
            parity = ended;
            blocks.into_iter().try_for_each(|block| self.send(block))?;
        }
        self.sums
            .extend(parity.iter().map(|block| block.sums.clone()));
        let layout =
            self.geometry
                .stripe_of(self.stripe, self.submitted, position == Position::Last);
        let hashes: Vec<Digest> = self.sums.iter().map(|s| s.hash).collect();
        let crcs: Vec<u32> = self
            .sums
            .iter()
            .flat_map(|s| &s.sector_crcs)
            .copied()
            .collect();
        let page = CheckPage::encode(&CheckPageParts {
            layout: &layout,
            archive_id: &self.parts.archive_id,
            head_digest: &self.parts.head_digest,
            shard_hashes: &hashes,
            sector_crcs: &crcs,
            head: &self.parts.head,
            envelope: &self.parts.envelope,
            data_slots: &self.parts.data_slots,
            envelope_slots: &self.parts.envelope_slots,
        });
        self.page_digests
            .push(Digest::of(&page[..layout.covered_len]));
        let again = (!parity.is_empty()).then(|| page.clone());
        self.send(page)?;
        for block in parity {
            self.send(block.bytes)?;
        }
        again.map_or(Ok(()), |page| self.send(page))?;
        self.sums.clear();
        self.submitted = 0;
        self.stripe = StripeIndex(self.stripe.0 + 1);
        // A new salt, hence a new key, for every stripe (spec: BLK-3).
        self.key = new_key(
            self.tools.subkeys,
            &self.parts,
            self.stripe,
            &mut self.tools.random,
        )?;
        Ok(())
    }

    /// Takes the writer apart after its last stripe.
    pub(crate) fn finish(self, block_count: u64) -> StripesWritten {
        StripesWritten {
            geometry: self.geometry,
            block_count,
            page_digests: self.page_digests,
            parts: self.parts,
            output: self.tools.output,
        }
    }

    fn payload_len(&self) -> usize {
        self.geometry.block_size.payload_len()
    }

    fn next_block(&self) -> BlockIndex {
        self.geometry
            .first_block(self.stripe)
            .plus(self.submitted as u64)
    }

    /// Hands the open block to be sealed and opens the next one.
    fn submit(&mut self) -> Result<(), PackError> {
        while self.sealing.len() > 2 * self.tools.workers.threads() {
            if let Some(sealed) = self.sealing.next() {
                self.pass_on(sealed?)?;
            }
        }
        while let Some(sealed) = self.sealing.next_ready() {
            self.pass_on(sealed?)?;
        }
        let index = self.next_block();
        let nonce = self.tools.random.array().map_err(random_failed)?;
        let key = self.key.clone();
        let next = OpenBlock::new(
            self.geometry.block_size,
            self.tools.buffers.take().unwrap_or_default(),
        );
        let block = std::mem::replace(&mut self.open, next);
        self.tools
            .workers
            .submit_short(&mut self.sealing, move || block.seal(&key, index, nonce));
        self.submitted += 1;
        Ok(())
    }

    fn pass_on(&mut self, sealed: SealedBlock) -> Result<(), PackError> {
        self.sums.push(sealed.sums);
        match &mut self.parity {
            None => self.send(sealed.bytes),
            Some(lane) => {
                let done = lane.add(sealed.bytes, self.tools.workers)?;
                done.into_iter().try_for_each(|block| self.send(block))
            }
        }
    }

    fn send(&self, bytes: Vec<u8>) -> Result<(), PackError> {
        self.tools.output.put(bytes).map_err(|_| output_stopped())
    }
}

fn new_key(
    subkeys: &Subkeys,
    parts: &HeadParts,
    stripe: StripeIndex,
    random: &mut Random,
) -> Result<StripeKey, PackError> {
    let salt = random.array().map_err(random_failed)?;
    Ok(StripeKey::new(
        subkeys,
        parts.archive_id,
        parts.head_digest,
        stripe,
        salt,
    ))
}

pub(crate) fn random_failed(source: std::io::Error) -> PackError {
    PackError::Io {
        what: "drawing random bytes",
        source,
    }
}

/// The output's own error replaces this one (pipeline: `beside`).
pub(crate) fn output_stopped() -> PackError {
    PackError::Io {
        what: "writing the archive",
        source: std::io::ErrorKind::BrokenPipe.into(),
    }
}

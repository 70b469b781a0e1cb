//! Computes the parity of stripes beside, on the worker threads.

use crate::blocks::ShardSums;
use crate::parity::ParityRows;
use crate::pipeline::{InOrder, WorkerLost, Workers};
use bakpak_format::geometry::{BlockSize, ParityGeometry};

/// So many bytes of blocks go into parity at once: the rows, which are as long as the parity of a
/// stripe, are gone through once for all of them.
const BATCH_LEN: usize = 16 << 20;

/// Takes the data blocks of one stripe after another, and gives its parity.
///
/// It holds two batches of blocks, one of them under way, and the rows.
pub(crate) struct ParityLane {
    batch_count: usize,
    /// None while they are under way.
    rows: Option<ParityRows>,
    batch: Vec<Vec<u8>>,
    working: InOrder<(ParityRows, Vec<Vec<u8>>)>,
}

/// A parity block, and what the check page says of it.
pub(crate) struct ParityBlock {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sums: ShardSums,
}

impl ParityLane {
    /// None without parity.
    pub(crate) fn new(geometry: ParityGeometry, block_size: BlockSize) -> Option<Self> {
        (geometry != ParityGeometry::NONE).then(|| Self {
            batch_count: (BATCH_LEN / block_size.bytes()).clamp(4, 64),
            rows: Some(ParityRows::new(geometry, block_size.bytes())),
            batch: Vec::new(),
            working: InOrder::new(),
        })
    }

    /// Takes the next block of the stripe; gives back, in order, those that went into parity.
    pub(crate) fn add(
        &mut self,
        block: Vec<u8>,
        workers: &Workers,
    ) -> Result<Vec<Vec<u8>>, WorkerLost> {
        self.batch.push(block);
        match self.batch.len() < self.batch_count {
            true => Ok(Vec::new()),
            false => self.start_batch(workers),
        }
    }

    /// Ends the stripe: gives back the last of its blocks, and its parity blocks.
    pub(crate) fn end(
        &mut self,
        workers: &Workers,
    ) -> Result<(Vec<Vec<u8>>, Vec<ParityBlock>), WorkerLost> {
        let mut done = self.start_batch(workers)?;
        done.append(&mut self.wait()?);
        let Some(rows) = &mut self.rows else {
            return Err(WorkerLost);
        };
        let mut summing = InOrder::new();
        for bytes in rows.take_parity() {
            workers.submit_short(&mut summing, move || {
                let sums = ShardSums::of(&bytes);
                ParityBlock { bytes, sums }
            });
        }
        let mut parity = Vec::with_capacity(summing.len());
        while let Some(block) = summing.next() {
            parity.push(block?);
        }
        Ok((done, parity))
    }

    /// Hands the batch to a worker, when the one before is done, and gives that back.
    fn start_batch(&mut self, workers: &Workers) -> Result<Vec<Vec<u8>>, WorkerLost> {
        let done = self.wait()?;
        let Some(mut rows) = self.rows.take() else {
            return Err(WorkerLost);
        };
        let batch = std::mem::take(&mut self.batch);
        workers.submit_short(&mut self.working, move || {
            rows.add(&batch);
            (rows, batch)
        });
        Ok(done)
    }

    fn wait(&mut self) -> Result<Vec<Vec<u8>>, WorkerLost> {
        match self.working.next() {
            None => Ok(Vec::new()),
            Some(done) => {
                let (rows, batch) = done?;
                self.rows = Some(rows);
                Ok(batch)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn blocks(count: usize) -> Vec<Vec<u8>> {
        let mut random = Random::seeded(b"parity lane");
        let mut block = || {
            let mut block = vec![0; 4096];
            random.fill(&mut block).unwrap();
            block
        };
        (0..count).map(|_| block()).collect()
    }

    #[test]
    fn each_stripe_gives_its_blocks_back_in_order_and_their_parity() {
        let geometry = ParityGeometry::THREE;
        let workers = Workers::new(2).unwrap();
        let mut lane = ParityLane::new(geometry, BlockSize::FOUR_KIB).unwrap();
        // A batch has 64 blocks: less than one, just one, and three with some blocks more.
        for count in [1, 64, 200] {
            let blocks = blocks(count);
            let mut given = Vec::new();
            for (added, block) in (1..).zip(&blocks) {
                given.extend(lane.add(block.clone(), &workers).unwrap());
                // Of memory it holds no more than two batches.
                assert!(added - given.len() < 2 * 64);
            }
            let (rest, parity) = lane.end(&workers).unwrap();
            given.extend(rest);
            assert!(given == blocks);

            let mut rows = ParityRows::new(geometry, 4096);
            rows.add(&blocks);
            let expected = rows.take_parity();
            assert_eq!(parity.len(), geometry.parity_count(count));
            for (parity, expected) in parity.into_iter().zip(expected) {
                assert_eq!(parity.sums, ShardSums::of(&expected));
                assert!(parity.bytes == expected);
            }
        }
    }

    #[test]
    fn without_parity_there_is_no_lane() {
        assert!(ParityLane::new(ParityGeometry::NONE, BlockSize::ONE_MIB).is_none());
    }

    #[test]
    fn a_batch_is_16_mib_but_64_blocks_at_most() {
        let held = |block_size| {
            let workers = Workers::new(1).unwrap();
            let mut lane = ParityLane::new(ParityGeometry::THREE, block_size).unwrap();
            let block = || vec![0; block_size.bytes()];
            (1..1000).find(|_| !lane.add(block(), &workers).unwrap().is_empty())
        };
        // The first batch comes back when the second is full.
        assert_eq!(held(BlockSize::FOUR_KIB), Some(2 * 64));
        assert_eq!(held(BlockSize::ONE_MIB), Some(2 * 16));
    }
}

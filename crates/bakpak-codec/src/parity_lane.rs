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

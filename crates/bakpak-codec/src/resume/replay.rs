//! Reads the kept part of a partial file once more, as its writer wrote it.

use super::Partial;
use super::content::ContentSink;
use super::so_far::{KeptTaker, RowTaker, SoFar};
use crate::blocks::{OpenError, OpenedBlock};
use crate::content_hasher::hashing_beside;
use crate::contents::{Contents, Output};
use crate::decoder::{Decoder, StreamTaker};
use crate::error::ReadError;
use crate::fetch::open_failed;
use crate::input::read_exact_at;
use crate::observer::Observer;
use crate::pipeline::{Buffers, InOrder, JOBS_PER_THREAD, Workers};
use crate::seal::StripeKey;
use crate::sink_belt;
use bakpak_format::block::BlockHeader;
use bakpak_format::geometry::{BlockIndex, StripeIndex};

/// A block on its way through a worker.
struct Opened {
    index: BlockIndex,
    offset: u64,
    block: Result<OpenedBlock, OpenError>,
}

impl Partial {
    /// Decodes and checks the first stripes, all of them whole: what they hold, so that writing can
    /// go on behind them. Content goes to `sink`, rows to `rows`.
    ///
    /// # Errors
    ///
    /// They are not what a writer of this format wrote, or reading fails.
    pub(crate) fn replay(
        &self,
        stripes: usize,
        sink: &mut ContentSink<'_, '_>,
        rows: &mut RowTaker<'_>,
        (threads, observer): (usize, &dyn Observer),
    ) -> Result<SoFar, ReadError> {
        let workers = Workers::new(threads)?;
        sink_belt::on_its_own_thread(sink, |belt| {
            hashing_beside(|hasher| {
                let contents = Contents::new(Output::Entries(belt), hasher, observer)?;
                let taker = KeptTaker::new(contents, rows, observer)?;
                let mut decoder = self.decoder(&workers, taker, observer)?;
                self.decode(stripes, &mut decoder, &workers, observer)?;
                let (taker, cost) = decoder.into_parts();
                Ok(taker.so_far(cost))
            })?
        })
    }

    fn decode<T: StreamTaker>(
        &self,
        stripes: usize,
        decoder: &mut Decoder<'_, T>,
        workers: &Workers,
        observer: &dyn Observer,
    ) -> Result<(), ReadError> {
        let geometry = self.geometry();
        let full = geometry.data_blocks_per_stripe();
        let buffers = Buffers::new(2 * JOBS_PER_THREAD * workers.threads() + 8);
        for stripe in 0..stripes as u64 {
            let index = StripeIndex(stripe);
            let mut opening = InOrder::new();
            let mut key = None;
            for block in geometry.stripe_of(index, full, false).blocks() {
                if observer.cancelled() {
                    return Err(ReadError::Interrupted);
                }
                while opening.len() > JOBS_PER_THREAD * workers.threads() {
                    next_block(&mut opening, decoder, &buffers)?;
                }
                let offset = geometry.block_offset(block).0;
                let mut bytes = buffers.take().unwrap_or_default();
                bytes.resize(geometry.block_size.bytes(), 0);
                read_exact_at(&self.file, &mut bytes, offset).map_err(ReadError::reading)?;
                let key = match &key {
                    Some(key) => StripeKey::clone(key),
                    None => key.insert(self.stripe_key(index, &bytes)?).clone(),
                };
                workers.submit_short(&mut opening, move || Opened {
                    index: block,
                    offset,
                    block: OpenedBlock::open(bytes, &key),
                });
            }
            while opening.len() > 0 {
                next_block(&mut opening, decoder, &buffers)?;
            }
            decoder.stripe_ended(false)?;
        }
        Ok(())
    }

    /// The key of a stripe, by the salt that its first block carries: all others must open with it.
    fn stripe_key(&self, stripe: StripeIndex, block: &[u8]) -> Result<StripeKey, ReadError> {
        let clear = block
            .first_chunk()
            .ok_or_else(|| ReadError::reading(std::io::ErrorKind::UnexpectedEof.into()))?;
        let salt = BlockHeader::decode(clear)?.stripe_salt;
        Ok(StripeKey::new(
            self.subkeys(),
            self.archive_id(),
            self.head().head_digest,
            stripe,
            salt,
        ))
    }
}

fn next_block<T: StreamTaker>(
    opening: &mut InOrder<Opened>,
    decoder: &mut Decoder<'_, T>,
    buffers: &Buffers,
) -> Result<(), ReadError> {
    let Some(opened) = opening.next() else {
        return Ok(());
    };
    let Opened {
        index,
        offset,
        block,
    } = opened?;
    let block = block.map_err(|error| open_failed(error, index, offset))?;
    decoder
        .block(index, block, buffers)
        .map_err(|error| error.at(offset))
}

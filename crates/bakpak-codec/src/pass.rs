//! One pass over an archive, front to back: what `verify`, `unpack` and `tar` share.

use crate::blocks::{OpenError, OpenedBlock, ShardSums, check_clear};
use crate::decoder::{Decoder, StreamTaker};
use crate::error::{Finding, ReadError};
use crate::fetch::open_failed;
use crate::input::{self, Feed};
use crate::keys::Subkeys;
use crate::observer::{Observer, Warning};
use crate::opening::Opening;
use crate::parity_lane::ParityLane;
use crate::pipeline::{Buffers, InOrder, JOBS_PER_THREAD, Workers};
use crate::scan::{Piece, Scan};
use crate::seal::StripeKey;
use bakpak_format::block::BlockHeader;
use bakpak_format::digest::Digest;
use bakpak_format::error::FormatError;
use bakpak_format::geometry::{BlockIndex, Geometry, StripeIndex, StripeLayout};
use std::sync::Arc;

mod compare;
mod tail;

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To name every fault: all checksums and copies are compared, and it goes on behind a fault.
    Verify,
    /// To get the content: it stops at what makes that doubtful, and only warns of copies that are
    /// damaged.
    Extract,
}

/// What a pass has found.
pub(crate) struct PassResult<T> {
    pub(crate) findings: Vec<Finding>,
    pub(crate) block_count: u64,
    pub(crate) archive_len: u64,
    pub(crate) root: Option<Digest>,
    /// The taker, if the stream was decoded to its end.
    pub(crate) taker: Option<T>,
}

/// A pass under way.
pub(crate) struct Pass<'a, T> {
    feed: Feed,
    opening: &'a Opening,
    purpose: Purpose,
    workers: &'a Workers,
    observer: &'a dyn Observer,
    subkeys: Option<Arc<Subkeys>>,
    decoder: Option<Decoder<'a, T>>,
    findings: Vec<Finding>,
    buffers: Buffers,
    checking: InOrder<CheckedBlock>,
    stripe: StripeState,
    /// Computes parity anew.
    parity: Option<ParityLane>,
    summing: InOrder<(ShardSums, Vec<u8>)>,
    page_digests: Vec<Digest>,
}

#[derive(Default)]
struct StripeState {
    salt: Option<[u8; 16]>,
    key: Option<StripeKey>,
    sums: Vec<Option<ShardSums>>,
    /// Its check page, and the second one if it has parity.
    pages: Vec<Vec<u8>>,
    /// How many findings there were before it.
    findings_before: usize,
}

/// What a worker says of a block.
struct CheckedBlock {
    index: BlockIndex,
    offset: u64,
    clear: Result<BlockHeader, FormatError>,
    sums: Option<ShardSums>,
    /// With a key: the block opened; without, its sealed bytes again.
    opened: Result<Result<OpenedBlock, OpenError>, Vec<u8>>,
    /// The sealed bytes, where they must be spooled.
    sealed: Option<Vec<u8>>,
}

impl<'a, T: StreamTaker> Pass<'a, T> {
    pub(crate) fn new(
        feed: Feed,
        opening: &'a Opening,
        purpose: Purpose,
        workers: &'a Workers,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            feed,
            opening,
            purpose,
            workers,
            observer,
            subkeys: None,
            decoder: None,
            findings: Vec::new(),
            buffers: Buffers::new(2 * JOBS_PER_THREAD * workers.threads() + 8),
            checking: InOrder::new(),
            stripe: StripeState::default(),
            parity: None,
            summing: InOrder::new(),
            page_digests: Vec::new(),
        }
    }

    /// Computes parity anew, if the purpose is to verify, and compares it with what is there
    /// (spec: PAR-1).
    pub(crate) fn recomputing_parity(mut self) -> Self {
        let Geometry {
            parity, block_size, ..
        } = self.opening.geometry;
        if self.purpose == Purpose::Verify {
            self.parity = ParityLane::new(parity, block_size);
        }
        self
    }

    /// Opens every block with these keys, and decodes it if there is a decoder.
    pub(crate) fn with_keys(
        mut self,
        subkeys: Arc<Subkeys>,
        decoder: Option<Decoder<'a, T>>,
    ) -> Self {
        self.subkeys = Some(subkeys);
        self.decoder = decoder;
        self
    }

    /// Reads the archive to its end.
    pub(crate) fn run(mut self) -> Result<PassResult<T>, ReadError> {
        for finding in self.opening.mended.clone() {
            match self.purpose {
                Purpose::Verify => self.findings.push(finding),
                Purpose::Extract => self.observer.warn(Warning::TailCopyUsed(finding)),
            }
        }
        for finding in self.opening.findings.clone() {
            // One table of a pair, or the envelope: reading goes on with what is whole.
            self.damaged_copy(finding);
        }
        let locator = self.feed.file().and_then(input::locator);
        let block_count = locator
            .as_ref()
            .map(|l| l.block_count)
            .filter(|&count| count > 0);
        let mut scan = Scan::new(&self.opening.head, block_count);
        let block_count = loop {
            if self.observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            let buffer = self.buffers.take().unwrap_or_default();
            match scan.next(&mut self.feed, buffer) {
                Ok(Piece::Block {
                    index,
                    offset,
                    bytes,
                }) => self.block(index, offset, bytes)?,
                Ok(Piece::Page { bytes }) => self.stripe.pages.push(bytes),
                Ok(Piece::Parity { bytes }) => self.parity_block(bytes)?,
                Ok(Piece::StripeEnd { layout }) => self.stripe_end(layout)?,
                Ok(Piece::Tail { block_count }) => break block_count,
                Err(ReadError::Fault(finding)) => {
                    // The archive ends here. What came before is still checked.
                    self.drain_checks()?;
                    self.fault(*finding)?;
                    return self.result(0, None);
                }
                Err(error) => return Err(error),
            }
            self.observer.progress(self.feed.position());
        };
        if let Some(decoder) = &mut self.decoder {
            let drained = decoder.drain();
            self.decoded(drained)?;
        }
        let peeked = scan.into_peeked();
        let root = self.tail(block_count, peeked)?;
        self.result(block_count, root)
    }

    fn result(self, block_count: u64, root: Option<Digest>) -> Result<PassResult<T>, ReadError> {
        Ok(PassResult {
            findings: self.findings,
            block_count,
            archive_len: self.feed.position(),
            root,
            taker: self.decoder.map(|decoder| decoder.taker),
        })
    }

    /// Notes a fault, or stops at it.
    fn fault(&mut self, finding: Finding) -> Result<(), ReadError> {
        match self.purpose {
            Purpose::Verify => {
                self.findings.push(finding);
                Ok(())
            }
            Purpose::Extract => Err(finding.into()),
        }
    }

    /// Notes a fault of something that stands elsewhere too, or that the content does not need.
    fn damaged_copy(&mut self, finding: Finding) {
        match self.purpose {
            Purpose::Verify => self.findings.push(finding),
            Purpose::Extract => self.observer.warn(Warning::Damage(finding)),
        }
    }

    /// Takes how decoding went on; after a fault it stops, and only checksums and tags are checked.
    fn decoded(&mut self, result: Result<(), ReadError>) -> Result<(), ReadError> {
        match result {
            Ok(()) => Ok(()),
            Err(ReadError::Fault(mut finding)) => {
                if let Some(decoder) = self.decoder.take() {
                    finding.entry = finding.entry.or_else(|| decoder.taker.current_entry());
                }
                self.fault(*finding)
            }
            Err(error) => Err(error),
        }
    }

    fn block(&mut self, index: BlockIndex, offset: u64, bytes: Vec<u8>) -> Result<(), ReadError> {
        while self.checking.len() > JOBS_PER_THREAD * self.workers.threads() {
            self.next_checked()?;
        }
        let archive_id = self.opening.head.header.archive_id;
        let key = self.key_for(index, &bytes);
        if let Some(lane) = &mut self.parity {
            let mut copy = self.buffers.take().unwrap_or_default();
            copy.clone_from(&bytes);
            let done = lane.add(copy, self.workers)?;
            done.into_iter().for_each(|copy| self.buffers.give(copy));
        }
        let sums = self.purpose == Purpose::Verify;
        let spool = self.decoder.as_ref().is_some_and(Decoder::spools);
        self.workers.submit_short(&mut self.checking, move || {
            let clear = check_clear(&bytes, index, &archive_id);
            let sums = sums.then(|| ShardSums::of(&bytes));
            let sealed = spool.then(|| bytes.clone());
            let opened = match key {
                Some(key) => Ok(OpenedBlock::open(bytes, &key)),
                None => Err(bytes),
            };
            CheckedBlock {
                index,
                offset,
                clear,
                sums,
                opened,
                sealed,
            }
        });
        Ok(())
    }

    /// The key of the block's stripe, by the salt that the block itself carries.
    fn key_for(&mut self, index: BlockIndex, bytes: &[u8]) -> Option<StripeKey> {
        let subkeys = self.subkeys.as_ref()?;
        let clear = bytes.first_chunk()?;
        let salt = BlockHeader::decode(clear).ok()?.stripe_salt;
        if let Some(key) = &self.stripe.key
            && *key.salt() == salt
        {
            return Some(key.clone());
        }
        let stripe = StripeIndex(index.0 / self.opening.geometry.data_blocks_per_stripe() as u64);
        let head = &self.opening.head;
        let key = StripeKey::new(
            subkeys,
            head.header.archive_id,
            head.head_digest,
            stripe,
            salt,
        );
        self.stripe.key = Some(key.clone());
        Some(key)
    }

    fn drain_checks(&mut self) -> Result<(), ReadError> {
        while self.checking.len() > 0 {
            self.next_checked()?;
        }
        Ok(())
    }

    fn next_checked(&mut self) -> Result<(), ReadError> {
        let Some(checked) = self.checking.next() else {
            return Ok(());
        };
        let CheckedBlock {
            index,
            offset,
            clear,
            sums,
            opened,
            sealed,
        } = checked?;
        self.stripe.sums.push(sums);
        let clear = clear.and_then(|header| {
            let salt = *self.stripe.salt.get_or_insert(header.stripe_salt);
            header.check_salt(&salt) // spec: BLK-3
        });
        if let Err(error) = clear {
            self.lost_block(error.into(), index, offset)?;
            return Ok(());
        }
        match opened {
            Ok(Ok(block)) => match &mut self.decoder {
                Some(decoder) => {
                    let taken = decoder
                        .spool(sealed.as_deref())
                        .and_then(|()| decoder.block(index, block, &self.buffers));
                    self.decoded(taken.map_err(|e| e.at(offset)))?;
                }
                None => self.buffers.give(block.into_buffer()),
            },
            Ok(Err(error)) => match open_failed(error, index, offset) {
                ReadError::Fault(finding) => self.lost_block(*finding, index, offset)?,
                other => return Err(other),
            },
            Err(bytes) => self.buffers.give(bytes),
        }
        Ok(())
    }

    /// A block that cannot be used ends the decoding, and names the entry that it hits.
    fn lost_block(
        &mut self,
        finding: Finding,
        index: BlockIndex,
        offset: u64,
    ) -> Result<(), ReadError> {
        let mut finding = Finding {
            block: Some(index.0),
            message: finding
                .message
                .replacen("a block", &format!("block {index}"), 1),
            ..finding
        }
        .at(offset);
        if let Some(mut decoder) = self.decoder.take() {
            // What came before is taken first, so that the entry named is the one that is hit.
            match decoder.drain() {
                Ok(()) => {}
                Err(ReadError::Fault(earlier)) => self.fault(*earlier)?,
                Err(error) => return Err(error),
            }
            finding.entry = decoder.taker.current_entry();
        }
        self.fault(finding)
    }

    fn parity_block(&mut self, bytes: Vec<u8>) -> Result<(), ReadError> {
        if self.purpose == Purpose::Extract {
            self.buffers.give(bytes);
            return Ok(());
        }
        while self.summing.len() > JOBS_PER_THREAD * self.workers.threads() {
            self.next_summed()?;
        }
        self.workers
            .submit_short(&mut self.summing, move || (ShardSums::of(&bytes), bytes));
        Ok(())
    }

    fn next_summed(&mut self) -> Result<(), ReadError> {
        if let Some(summed) = self.summing.next() {
            // The data blocks come before the parity blocks.
            self.drain_checks()?;
            let (sums, bytes) = summed?;
            self.buffers.give(bytes);
            self.stripe.sums.push(Some(sums));
        }
        Ok(())
    }

    fn stripe_end(&mut self, layout: StripeLayout) -> Result<(), ReadError> {
        self.drain_checks()?;
        while self.summing.len() > 0 {
            self.next_summed()?;
        }
        self.pages(&layout)?;
        self.stripe = StripeState {
            findings_before: self.findings.len(),
            ..StripeState::default()
        };
        if let Some(decoder) = &mut self.decoder {
            let ended = decoder.stripe_ended(layout.last);
            self.decoded(ended.map_err(|e| e.at(layout.page_offset.0)))?;
        }
        Ok(())
    }
}

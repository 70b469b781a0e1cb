//! One pass over an archive, front to back: what `verify`, `unpack` and `tar` share.

use crate::blocks::{OpenError, OpenedBlock, ShardSums, check_clear};
use crate::decoder::{Decoder, StreamTaker};
use crate::error::{Finding, ReadError};
use crate::fetch::open_failed;
use crate::input::Feed;
use crate::keys::Subkeys;
use crate::observer::{Observer, Warning};
use crate::opening::Opening;
use crate::pipeline::{Buffers, InOrder, Workers};
use crate::scan::{Piece, Scan};
use crate::seal::StripeKey;
use bakpak_format::block::BlockHeader;
use bakpak_format::check_page::CheckPage;
use bakpak_format::digest::Digest;
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, StripeIndex, StripeLayout};
use bakpak_format::limits::MIN_TAIL_PAGE_LEN;
use bakpak_format::slots::{Domain, SlotTable};
use bakpak_format::tail::{self, TailPage};
use std::sync::Arc;

/// What a pass does besides reading.
pub(crate) struct PassPlan {
    /// Compare every block and sector with the check pages.
    pub(crate) sums: bool,
    /// Go on behind a fault, to name them all.
    pub(crate) go_on: bool,
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
    plan: PassPlan,
    workers: &'a Workers,
    observer: &'a dyn Observer,
    subkeys: Option<Arc<Subkeys>>,
    decoder: Option<Decoder<'a, T>>,
    findings: Vec<Finding>,
    buffers: Buffers,
    checking: InOrder<CheckedBlock>,
    stripe: StripeState,
    page_digests: Vec<Digest>,
}

#[derive(Default)]
struct StripeState {
    salt: Option<[u8; 16]>,
    key: Option<StripeKey>,
    sums: Vec<Option<ShardSums>>,
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
        plan: PassPlan,
        workers: &'a Workers,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            feed,
            opening,
            plan,
            workers,
            observer,
            subkeys: None,
            decoder: None,
            findings: Vec::new(),
            buffers: Buffers::new(4 * workers.threads() + 8),
            checking: InOrder::new(),
            stripe: StripeState::default(),
            page_digests: Vec::new(),
        }
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
        for finding in self.opening.findings.clone() {
            self.fault(finding)?;
        }
        let locator = self.feed.file().and_then(crate::opening::locator);
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
                Ok(Piece::Page { layout, bytes }) => self.page(layout, bytes)?,
                Ok(Piece::Tail { block_count }) => break block_count,
                Err(ReadError::Fault(mut finding)) => {
                    // The archive ends here. What came before is still checked.
                    self.drain_checks()?;
                    if locator.is_some() {
                        // Its end is there, so something in the middle is not (spec: FIL-1).
                        finding.class = Class::Damaged;
                        finding.message = "bytes are missing in the middle".into();
                    }
                    self.fault(finding)?;
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
        if self.plan.go_on {
            self.findings.push(finding);
            Ok(())
        } else {
            Err(finding.into())
        }
    }

    /// Takes how decoding went on; after a fault it stops, and only checksums and tags are checked.
    fn decoded(&mut self, result: Result<(), ReadError>) -> Result<(), ReadError> {
        match result {
            Ok(()) => Ok(()),
            Err(ReadError::Fault(finding)) => {
                self.decoder = None;
                self.fault(finding)
            }
            Err(error) => Err(error),
        }
    }

    fn block(&mut self, index: BlockIndex, offset: u64, bytes: Vec<u8>) -> Result<(), ReadError> {
        while self.checking.len() > 2 * self.workers.threads() {
            self.next_checked()?;
        }
        let archive_id = self.opening.head.header.archive_id;
        let key = self.key_for(index, &bytes);
        let sums = self.plan.sums;
        let spool = self.decoder.as_ref().is_some_and(Decoder::spools);
        self.workers.submit(&mut self.checking, move || {
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
            Ok(Ok(block)) => {
                if let Some(decoder) = &mut self.decoder {
                    let taken = decoder
                        .spool(sealed.as_deref())
                        .and_then(|()| decoder.block(index, &block));
                    self.decoded(taken.map_err(|e| e.at(offset)))?;
                }
                self.buffers.give(block.into_buffer());
            }
            Ok(Err(error)) => match open_failed(error, index, offset) {
                ReadError::Fault(finding) => self.lost_block(finding, index, offset)?,
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
            ..finding
        }
        .at(offset);
        if let Some(mut decoder) = self.decoder.take() {
            // What came before is taken first, so that the entry named is the one that is hit.
            if let Err(ReadError::Fault(earlier)) = decoder.drain() {
                self.fault(earlier)?;
            }
            finding.entry = decoder.taker.current_entry();
        }
        self.fault(finding)
    }

    fn page(&mut self, layout: StripeLayout, bytes: Vec<u8>) -> Result<(), ReadError> {
        self.drain_checks()?;
        let head = &self.opening.head;
        let offset = layout.page_offset.0;
        let decoded = CheckPage::decode(
            &bytes,
            &self.opening.geometry,
            &head.header.archive_id,
            &head.head_digest,
            layout.index,
        )
        .and_then(|page| page.check_layout(&layout).map(|()| page));
        match decoded {
            Ok(page) => {
                self.compare_sums(&page, &layout)?;
                self.compare_copies(&page, &bytes, offset)?;
                self.page_digests.push(page.digest);
            }
            Err(error) => {
                let mut finding = Finding::from(error).at(offset);
                let damaged = CheckPage::damaged_sectors(&bytes, layout.covered_len);
                finding.sectors = damaged.into_iter().map(|s| s as u32).collect();
                self.page_digests
                    .push(Digest::of(&bytes[..layout.covered_len.min(bytes.len())]));
                self.fault(finding)?;
            }
        }
        self.stripe = StripeState::default();
        if let Some(decoder) = &mut self.decoder {
            let ended = decoder.stripe_ended(layout.last);
            self.decoded(ended.map_err(|e| e.at(offset)))?;
        }
        Ok(())
    }

    /// Compares every block and sector with what the page says (spec: CHK-3, CHK-4).
    fn compare_sums(&mut self, page: &CheckPage, layout: &StripeLayout) -> Result<(), ReadError> {
        let sectors = self.opening.geometry.block_size.sectors();
        let block_size = self.opening.geometry.block_size.bytes() as u64;
        let sums = std::mem::take(&mut self.stripe.sums);
        let listed = page
            .shard_hashes
            .iter()
            .zip(page.sector_crcs.chunks(sectors));
        for ((number, sums), (hash, crcs)) in sums.into_iter().enumerate().zip(listed) {
            let Some(sums) = sums else { continue };
            let damaged: Vec<u32> = (0..)
                .zip(sums.sector_crcs.iter().zip(crcs))
                .filter(|(_, (found, listed))| found != listed)
                .map(|(sector, _)| sector)
                .collect();
            let index = layout.first_block.plus(number as u64);
            let offset = layout.offset.0 + number as u64 * block_size;
            let (structure, message) = match (sums.hash == *hash, damaged.is_empty()) {
                (true, true) => continue,
                (false, _) => (Structure::Block, format!("block {index} is damaged")),
                (true, false) => (
                    Structure::CheckPage,
                    format!("the check page's sector sums of block {index} are wrong"),
                ),
            };
            self.note_block(Finding {
                offset: Some(offset),
                block: Some(index.0),
                sectors: damaged,
                ..Finding::new(Class::Damaged, structure, message)
            })?;
        }
        Ok(())
    }

    /// A block whose tag or header failed is named already: then only its sectors are added.
    fn note_block(&mut self, finding: Finding) -> Result<(), ReadError> {
        let known = self
            .findings
            .iter_mut()
            .rev()
            .find(|f| f.block == finding.block && f.structure == finding.structure);
        match known {
            Some(known) => {
                // What shows without a key is said so, also where the tag fails too
                // (spec: CHK-3).
                known.class = Class::Damaged;
                known.sectors = finding.sectors;
                Ok(())
            }
            None => self.fault(finding),
        }
    }

    /// Compares the copies in a check page with the originals (spec: CHK-5).
    fn compare_copies(
        &mut self,
        page: &CheckPage,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), ReadError> {
        let original = &self.opening.bytes;
        if let Err(error) = page.check_copies(bytes, &original.head, &original.envelope) {
            self.fault(Finding::from(error).at(offset))?;
        }
        if page.layout.carries_head {
            let tables = [
                (Domain::Data, &page.data_slots, &original.data_slots),
                (
                    Domain::Envelope,
                    &page.envelope_slots,
                    &original.envelope_slots,
                ),
            ];
            for (domain, range, original) in tables {
                let copy = bytes.get(range.clone()).unwrap_or_default();
                self.compare_table(domain, copy, original, Structure::CheckPage, offset)?;
            }
        }
        Ok(())
    }

    /// A copy of a slot table is equal, or whole and older, or damaged.
    fn compare_table(
        &mut self,
        domain: Domain,
        copy: &[u8],
        original: &[u8],
        structure: Structure,
        offset: u64,
    ) -> Result<(), ReadError> {
        if copy == original {
            return Ok(());
        }
        let newest = match domain {
            Domain::Data => self.opening.data_table.generation,
            Domain::Envelope => self
                .opening
                .envelope_table
                .as_ref()
                .map_or(0, |t| t.generation),
        };
        match SlotTable::decode(copy, domain, &self.opening.head.header.archive_id) {
            Ok(table) if table.generation < newest => {
                self.observer.warn(Warning::OlderSlotTable {
                    found: table.generation,
                    newest,
                });
                Ok(())
            }
            _ => {
                let what = "its copy of a slot table differs";
                self.fault(Finding::from(FormatError::damaged(structure, what)).at(offset))
            }
        }
    }

    /// Checks the tail: copies, tail page, locator, root, and that nothing follows
    /// (spec: chapter 12).
    fn tail(&mut self, block_count: u64, peeked: Vec<u8>) -> Result<Option<Digest>, ReadError> {
        let opening = self.opening;
        let head = &opening.head;
        let signed = !head.header.signers().is_empty();
        let mut tail = TailFeed {
            feed: &mut self.feed,
            peeked,
        };
        let start = tail.position();
        let mut first_page = None;
        let mut faults = Vec::new();
        let read = (|| -> Result<_, ReadError> {
            if signed {
                first_page = Some(tail.page()?);
            }
            for (original, domain) in opening.bytes.in_tail_order() {
                let offset = tail.position();
                let copy = tail.take(original.len())?;
                faults.push((copy, original, domain, offset));
            }
            let offset = tail.position();
            let page = tail.page()?;
            Ok((page, offset))
        })();
        let surplus = tail.ends();
        for (copy, original, domain, offset) in faults {
            self.compare_copy(&copy, original, domain, offset)?;
        }
        let (page_bytes, offset) = match read {
            Ok(read) => read,
            Err(ReadError::Fault(finding)) => {
                self.fault(finding)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let root = tail::root(
            &head.head_digest,
            &head.header.archive_id,
            block_count,
            self.page_digests.len() as u64,
            self.page_digests.iter().copied(),
        );
        let checked = TailPage::decode(&page_bytes).and_then(|page| {
            page.check(
                &opening.geometry,
                &head.header.archive_id,
                &head.head_digest,
                signed,
            )?;
            let wrong = |what| Err(FormatError::damaged(Structure::Tail, what));
            if page.block_count != block_count || page.tail_offset.0 != start {
                return wrong("its counts are not those of the archive");
            }
            if first_page.is_some_and(|first| first != page_bytes) {
                return wrong("the two tail pages differ");
            }
            if page.root != root {
                return wrong("the root differs"); // spec: TAL-3
            }
            Ok(())
        });
        if let Err(error) = checked {
            self.fault(Finding::from(error).at(offset))?;
            return Ok(None);
        }
        if surplus? {
            let what = "something follows its end";
            let end = offset + page_bytes.len() as u64;
            let finding = Finding::from(FormatError::damaged(Structure::Tail, what)).at(end);
            self.fault(Finding {
                rule: Some("FIL-1"),
                ..finding
            })?;
        }
        Ok(Some(root))
    }

    fn compare_copy(
        &mut self,
        copy: &[u8],
        original: &[u8],
        domain: Option<Domain>,
        offset: u64,
    ) -> Result<(), ReadError> {
        match domain {
            Some(domain) => self.compare_table(domain, copy, original, Structure::Tail, offset),
            None if copy == original => Ok(()),
            None => {
                let what = "a copy of the head differs";
                self.fault(Finding::from(FormatError::damaged(Structure::Tail, what)).at(offset))
            }
        }
    }
}

/// Reads the tail, what was read ahead first.
struct TailFeed<'f> {
    feed: &'f mut Feed,
    peeked: Vec<u8>,
}

impl TailFeed<'_> {
    fn position(&self) -> u64 {
        self.feed.position() - self.peeked.len() as u64
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, ReadError> {
        let rest = self.peeked.split_off(self.peeked.len().min(len));
        let mut bytes = std::mem::replace(&mut self.peeked, rest);
        let missing = len - bytes.len();
        self.feed.extend(&mut bytes, missing, Structure::Tail)?;
        Ok(bytes)
    }

    /// A tail page: its length stands in its first bytes (spec: TAL-1).
    fn page(&mut self) -> Result<Vec<u8>, ReadError> {
        let offset = self.position();
        let mut bytes = self.take(MIN_TAIL_PAGE_LEN)?;
        let len = TailPage::peek_len(&bytes).map_err(|e| ReadError::from(e).at(offset))?;
        let more = self.take(len - bytes.len())?;
        bytes.extend_from_slice(&more);
        Ok(bytes)
    }

    /// Whether anything is left.
    fn ends(&mut self) -> Result<bool, ReadError> {
        Ok(!self.peeked.is_empty() || self.feed.fill(&mut [0; 1])? > 0)
    }
}

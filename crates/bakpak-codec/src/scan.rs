//! Cuts an archive, read from front to back, into its blocks and check pages.

use crate::error::{Finding, ReadError};
use crate::input::{Feed, read_exact_at};
use bakpak_format::block::{self, BlockHeader};
use bakpak_format::check_page::{self, CheckPage};
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{ArchiveOffset, BlockIndex, Geometry, StripeIndex, StripeLayout};
use bakpak_format::header::{Head, Header};
use std::fs::File;

/// The next piece of an archive.
pub(crate) enum Piece {
    /// A data block, unchecked.
    Block {
        index: BlockIndex,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// A check page, unchecked: behind the data blocks, and again behind parity.
    Page { bytes: Vec<u8> },
    /// A parity block, unchecked.
    Parity { bytes: Vec<u8> },
    /// The stripe is at its end.
    StripeEnd { layout: StripeLayout },
    /// The stripes are at their end; the feed stands at the tail.
    Tail { block_count: u64 },
}

/// Walks the stripes.
///
/// Where the number of blocks is known (from a whole locator), every place is computed. From a
/// pipe, the magic at the computed place tells a block from a check page (spec: RDR-4).
pub(crate) struct Scan<'a> {
    head: &'a Head,
    geometry: Geometry,
    block_count: Option<u64>,
    stripe: StripeIndex,
    blocks_read: usize,
    next: Next,
    /// Whether a page of this stripe says that it is the last one.
    said_last: Option<bool>,
    /// The sector that was read to see what comes.
    peeked: Vec<u8>,
}

/// What comes next in a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A data block, or the check page.
    Block,
    /// So many parity blocks have been read.
    Parity(usize),
    SecondPage,
    StripeEnd,
    Tail,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(head: &'a Head, block_count: Option<u64>) -> Self {
        Self {
            head,
            geometry: head.geometry(),
            block_count,
            stripe: StripeIndex(0),
            blocks_read: 0,
            next: Next::Block,
            said_last: None,
            peeked: Vec::new(),
        }
    }

    /// The next piece; `buffer` is reused for its bytes.
    ///
    /// # Errors
    ///
    /// The archive ends here: truncated.
    pub(crate) fn next(
        &mut self,
        feed: &mut Feed,
        mut buffer: Vec<u8>,
    ) -> Result<Piece, ReadError> {
        buffer.clear();
        match self.next {
            Next::Block => match self.page_is_next(feed)? {
                true => self.page(feed, buffer),
                false => self.block(feed, buffer),
            },
            Next::Parity(count) => self.parity(feed, buffer, count),
            Next::SecondPage => self.page(feed, buffer),
            Next::StripeEnd => self.stripe_end(feed),
            Next::Tail => {
                let full = self.geometry.data_blocks_per_stripe() as u64;
                let block_count = (self.stripe.0 - 1) * full + self.blocks_read as u64;
                Ok(Piece::Tail { block_count })
            }
        }
    }

    fn block(&mut self, feed: &mut Feed, mut bytes: Vec<u8>) -> Result<Piece, ReadError> {
        let offset = feed.position() - self.peeked.len() as u64;
        bytes.append(&mut self.peeked);
        let rest = self.geometry.block_size.bytes() - bytes.len();
        let first = self.geometry.first_block(self.stripe);
        let index = first.plus(self.blocks_read as u64);
        feed.extend(&mut bytes, rest, Structure::Block)
            .map_err(|e| name_block(e, index))?;
        self.blocks_read += 1;
        Ok(Piece::Block {
            index,
            offset,
            bytes,
        })
    }

    fn page(&mut self, feed: &mut Feed, mut bytes: Vec<u8>) -> Result<Piece, ReadError> {
        let layout = self.layout();
        bytes.append(&mut self.peeked);
        let rest = layout.page_len - bytes.len();
        feed.extend(&mut bytes, rest, Structure::CheckPage)?;
        self.said_last = self.said_last.or_else(|| self.peek_last(&bytes));
        self.next = match self.next {
            Next::Block if layout.parity_count > 0 => Next::Parity(0),
            _ => Next::StripeEnd,
        };
        Ok(Piece::Page { bytes })
    }

    fn parity(
        &mut self,
        feed: &mut Feed,
        mut bytes: Vec<u8>,
        number: usize,
    ) -> Result<Piece, ReadError> {
        let len = self.geometry.block_size.bytes();
        feed.extend(&mut bytes, len, Structure::Parity)?;
        self.next = match number + 1 {
            count if count < self.layout().parity_count => Next::Parity(count),
            _ => Next::SecondPage,
        };
        Ok(Piece::Parity { bytes })
    }

    fn stripe_end(&mut self, feed: &mut Feed) -> Result<Piece, ReadError> {
        let mut layout = self.layout();
        layout.last = match self.block_count {
            Some(count) => self.stripe.0 + 1 == self.geometry.stripe_count(count),
            // A short stripe is the last one. A full one says so itself, and if its pages are
            // damaged, what follows decides.
            None if self.blocks_read < self.geometry.data_blocks_per_stripe() => true,
            None => match self.said_last {
                Some(last) => last,
                None => !self.block_follows(feed)?,
            },
        };
        self.stripe = StripeIndex(self.stripe.0 + 1);
        self.said_last = None;
        if layout.last {
            self.next = Next::Tail;
        } else {
            self.next = Next::Block;
            self.blocks_read = 0;
        }
        Ok(Piece::StripeEnd { layout })
    }

    /// Of this stripe, as far as it has been read.
    fn layout(&self) -> StripeLayout {
        self.geometry
            .stripe_of(self.stripe, self.blocks_read, false)
    }

    fn page_is_next(&mut self, feed: &mut Feed) -> Result<bool, ReadError> {
        let full = self.geometry.data_blocks_per_stripe();
        if self.blocks_read == full {
            return Ok(true);
        }
        match self.block_count {
            Some(count) => {
                let first = self.geometry.first_block(self.stripe).0;
                Ok(first + self.blocks_read as u64 >= count)
            }
            // A block whose magic is damaged is still taken as a block: only a check page's own
            // magic ends a stripe early.
            None if self.blocks_read == 0 => Ok(false),
            None => {
                self.peek(feed)?;
                Ok(self.peeked.get(..4) == Some(check_page::MAGIC))
            }
        }
    }

    fn peek_last(&self, page: &[u8]) -> Option<bool> {
        let Head {
            header,
            head_digest,
            ..
        } = &self.head;
        CheckPage::peek(
            page,
            &self.geometry,
            &header.archive_id,
            head_digest,
            self.stripe,
        )
        .map(|layout| layout.last)
        .ok()
    }

    fn block_follows(&mut self, feed: &mut Feed) -> Result<bool, ReadError> {
        self.peek(feed)?;
        Ok(self.peeked.get(..4) == Some(block::MAGIC))
    }

    fn peek(&mut self, feed: &mut Feed) -> Result<(), ReadError> {
        if !self.peeked.is_empty() {
            return Ok(());
        }
        let start = feed.position();
        let read = feed.extend(&mut self.peeked, SECTOR_LEN, Structure::Block);
        read.map_err(|error| match error {
            ReadError::Fault(mut finding) => {
                // What it would have been shows if its magic is still there.
                let read = feed.position() - start;
                if read >= 4 && self.peeked.get(..4) == Some(check_page::MAGIC) {
                    finding.structure = Structure::CheckPage;
                }
                finding.into_error()
            }
            other => other,
        })
    }

    /// What was read ahead and belongs to the tail.
    pub(crate) fn into_peeked(self) -> Vec<u8> {
        self.peeked
    }
}

/// Finds the number of blocks without a locator: by what stands at computed places (spec: TAL-2).
///
/// # Errors
///
/// The end of the last stripe is not found.
pub(crate) fn count_blocks(file: &File, head: &Head) -> Result<u64, FormatError> {
    let geometry = head.geometry();
    let full = geometry.data_blocks_per_stripe();
    let page_of = |layout: &StripeLayout| {
        let offsets = [
            Some(layout.page_offset),
            geometry.second_page_offset(layout),
        ];
        let mut found = offsets.into_iter().flatten().filter_map(|offset| {
            let sector = sector_at(file, offset)?;
            let Header { archive_id, .. } = &head.header;
            let digest = &head.head_digest;
            CheckPage::peek(&sector, &geometry, archive_id, digest, layout.index).ok()
        });
        found.find(|found| found.data_count == layout.data_count)
    };
    let mut stripe = StripeIndex(0);
    loop {
        let whole = geometry.stripe_of(stripe, full, false);
        let next = StripeIndex(stripe.0 + 1);
        let goes_on = match page_of(&whole) {
            Some(page) => !page.last,
            None => {
                let sector = sector_at(file, geometry.stripe_offset(next));
                sector.is_some_and(|sector| {
                    let clear = sector.first_chunk().expect("a sector is longer");
                    let first = geometry.first_block(next);
                    BlockHeader::decode(clear).is_ok_and(|block| block.block_index == first)
                })
            }
        };
        if goes_on {
            stripe = next;
            continue;
        }
        // The last stripe, then, and perhaps shorter.
        let mut counts = (1..=full).rev();
        let count =
            counts.find(|count| page_of(&geometry.stripe_of(stripe, *count, true)).is_some());
        return match count {
            Some(count) => Ok(whole.first_block.0 + count as u64),
            None => {
                let what = "it tells where all else is, and cannot be found";
                Err(FormatError::damaged(Structure::Tail, what))
            }
        };
    }
}

fn sector_at(file: &File, offset: ArchiveOffset) -> Option<[u8; SECTOR_LEN]> {
    let mut sector = [0; SECTOR_LEN];
    read_exact_at(file, &mut sector, offset.0).ok()?;
    Some(sector)
}

fn name_block(error: ReadError, index: BlockIndex) -> ReadError {
    match error {
        ReadError::Fault(finding) => Finding {
            message: format!("the archive ends within block {}", index.0),
            block: Some(index.0),
            ..*finding
        }
        .into(),
        other => other,
    }
}

//! Cuts an archive, read from front to back, into its blocks and check pages.

use crate::error::{Finding, ReadError};
use crate::input::{Feed, read_exact_at};
use bakpak_format::block;
use bakpak_format::check_page::{self, CheckPage};
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, Geometry, StripeIndex, StripeLayout};
use bakpak_format::header::Head;
use std::fs::File;

/// The next piece of an archive.
pub(crate) enum Piece {
    /// A data block, unchecked.
    Block {
        index: BlockIndex,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// The check page that ends a stripe, unchecked.
    Page {
        layout: StripeLayout,
        bytes: Vec<u8>,
    },
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
    ended: bool,
    /// The sector that was read to see what comes.
    peeked: Vec<u8>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(head: &'a Head, block_count: Option<u64>) -> Self {
        Self {
            head,
            geometry: head.geometry(),
            block_count,
            stripe: StripeIndex(0),
            blocks_read: 0,
            ended: false,
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
        if self.ended {
            let full = self.geometry.data_blocks_per_stripe() as u64;
            let block_count = (self.stripe.0 - 1) * full + self.blocks_read as u64;
            return Ok(Piece::Tail { block_count });
        }
        let offset = feed.position() - self.peeked.len() as u64;
        if self.page_is_next(feed)? {
            return self.page(feed, buffer);
        }
        buffer.append(&mut self.peeked);
        let rest = self.geometry.block_size.bytes() - buffer.len();
        let index = self
            .geometry
            .first_block(self.stripe)
            .plus(self.blocks_read as u64);
        feed.extend(&mut buffer, rest, Structure::Block)
            .map_err(|e| name_block(e, index))?;
        self.blocks_read += 1;
        Ok(Piece::Block {
            index,
            offset,
            bytes: buffer,
        })
    }

    fn page(&mut self, feed: &mut Feed, mut buffer: Vec<u8>) -> Result<Piece, ReadError> {
        let mut layout = self
            .geometry
            .stripe_of(self.stripe, self.blocks_read, false);
        buffer.append(&mut self.peeked);
        let rest = layout.page_len - buffer.len();
        feed.extend(&mut buffer, rest, Structure::CheckPage)?;
        layout.last = match self.block_count {
            Some(count) => self.stripe.0 + 1 == self.geometry.stripe_count(count),
            // A short stripe is the last one. A full one says so itself, and if its page is
            // damaged, what follows decides.
            None if self.blocks_read < self.geometry.data_blocks_per_stripe() => true,
            None => match self.peek_last(&buffer) {
                Some(last) => last,
                None => !self.block_follows(feed)?,
            },
        };
        self.stripe = StripeIndex(self.stripe.0 + 1);
        self.ended = layout.last;
        if !self.ended {
            self.blocks_read = 0;
        }
        Ok(Piece::Page {
            layout,
            bytes: buffer,
        })
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

/// Finds the number of blocks without a locator: by the magics at computed places (spec: TAL-2).
///
/// # Errors
///
/// The file ends before its last stripe does, or something else stands where a block or a check
/// page must.
pub(crate) fn count_blocks(file: &File, head: &Head) -> Result<u64, FormatError> {
    let geometry = head.geometry();
    let full = geometry.data_blocks_per_stripe();
    let sector_at = |offset: u64| {
        let mut sector = vec![0; SECTOR_LEN];
        let read = read_exact_at(file, &mut sector, offset);
        read.map(|()| sector).map_err(|_| FormatError::Truncated {
            structure: Structure::Tail,
        })
    };
    let mut stripe = StripeIndex(0);
    loop {
        let whole = geometry.stripe_of(stripe, full, false);
        let page = sector_at(whole.page_offset.0).and_then(|sector| {
            let Head {
                header,
                head_digest,
                ..
            } = head;
            CheckPage::peek(&sector, &geometry, &header.archive_id, head_digest, stripe)
        });
        match page {
            Ok(page) if page.last => return Ok(whole.first_block.0 + full as u64),
            Ok(_) => stripe = StripeIndex(stripe.0 + 1),
            // The last stripe, then, and shorter: its page follows its last block.
            Err(_) => {
                for number in 0..=full {
                    let index = whole.first_block.plus(number as u64);
                    let sector = sector_at(geometry.block_offset(index).0)?;
                    if number > 0 && sector.starts_with(check_page::MAGIC) {
                        return Ok(index.0);
                    }
                    if !sector.starts_with(block::MAGIC) {
                        break;
                    }
                }
                let what = "it tells where all else is, and cannot be found";
                return Err(FormatError::damaged(Structure::Tail, what));
            }
        }
    }
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

//! Finds the blocks that open: where they should be, where they were moved to, or by parity.

use super::Mending;
use crate::blocks::{OpenedBlock, check_clear};
use crate::error::ReadError;
use crate::fetch::Fetch;
use crate::found_blocks::FoundBlocks;
use crate::mend::stripe::{StripeMender, Tools, Unproved};
use crate::mend::survey::Survey;
use crate::mend::{Mended, Target};
use crate::observer::Observer;
use crate::parity_lane::ParityLane;
use crate::pipeline::Workers;
use bakpak_format::block::{self, BlockHeader};
use bakpak_format::geometry::{ArchiveOffset, BlockIndex, StripeIndex, StripeLayout};
use std::cell::RefCell;

/// Gives the blocks of an archive one after the other, as far as they open.
///
/// A block is taken only if it authenticates: checksums and parity tell where to look (spec: SLV-2).
pub(super) struct Locator<'a, 's> {
    survey: &'a Survey<'s>,
    fetch: RefCell<Fetch>,
    found: FoundBlocks,
    mending: Mending,
    workers: &'a Workers,
    parity: Option<ParityLane>,
    observer: &'a dyn Observer,
}

/// Takes a block, or that it is lost.
pub(super) type BlockTaker<'t> = dyn FnMut(BlockIndex, Option<&OpenedBlock>) + 't;

/// Keeps what a stripe's mending brings to light.
struct Keep<'a, 'b, 's> {
    locator: &'b mut Locator<'a, 's>,
    layout: &'b StripeLayout,
}

impl<'a, 's> Locator<'a, 's> {
    /// `fetch` opens the blocks; what it reads from is of no matter.
    pub(super) fn new(
        survey: &'a Survey<'s>,
        fetch: Fetch,
        found: FoundBlocks,
        mending: Mending,
        workers: &'a Workers,
        observer: &'a dyn Observer,
    ) -> Self {
        let geometry = survey.geometry;
        Self {
            survey,
            fetch: RefCell::new(fetch),
            found,
            mending,
            workers,
            parity: ParityLane::new(geometry.parity, geometry.block_size),
            observer,
        }
    }

    /// Goes through all blocks; gives each to `take`, or that it is lost, and in the end where they
    /// are.
    ///
    /// # Errors
    ///
    /// The file cannot be read at all, or the temporary folder not be written; or the
    /// observer asked to stop.
    pub(super) fn run(mut self, take: &mut BlockTaker<'_>) -> Result<FoundBlocks, ReadError> {
        let geometry = self.survey.geometry;
        for stripe in 0..geometry.stripe_count(self.survey.block_count) {
            let layout = geometry.stripe(self.survey.block_count, StripeIndex(stripe));
            let mut was_mended = self.mending == Mending::None;
            for index in layout.blocks() {
                if self.observer.cancelled() {
                    return Err(ReadError::Interrupted);
                }
                let mut opened = self.open_in_file(index)?;
                if opened.is_none() && !was_mended {
                    was_mended = true;
                    self.mend(&layout)?;
                }
                if opened.is_none() && self.found.is_mended(index) {
                    opened = self.open_mended(index)?;
                }
                take(index, opened.as_ref());
                self.observer.progress(
                    geometry
                        .block_offset(index)
                        .0
                        .min(self.survey.places.file_len()),
                );
            }
        }
        Ok(self.found)
    }

    /// Opens a block wherever in the file it may stand.
    fn open_in_file(&mut self, index: BlockIndex) -> Result<Option<OpenedBlock>, ReadError> {
        let geometry = self.survey.geometry;
        let offset = geometry.block_offset(index);
        let mut sealed = vec![0; geometry.block_size.bytes()];
        let opened = RefCell::new(None);
        let id = &self.survey.head.header.archive_id;
        let opens = |sealed: &[u8]| {
            if check_clear(sealed, index, id).is_err() {
                return false;
            }
            let open = self.fetch.borrow_mut().open(sealed.to_vec(), index);
            *opened.borrow_mut() = open.ok();
            opened.borrow().is_some()
        };
        let by = self
            .survey
            .places
            .find_right(offset.0, &mut sealed, opens)?;
        if let Some(by) = by {
            self.found.displaced(index, by);
        }
        Ok(opened.into_inner())
    }

    fn open_mended(&mut self, index: BlockIndex) -> Result<Option<OpenedBlock>, ReadError> {
        let mut sealed = vec![0; self.survey.geometry.block_size.bytes()];
        self.found
            .read(index, &mut sealed)
            .map_err(ReadError::keeping)?;
        Ok(self.fetch.get_mut().open(sealed, index).ok())
    }

    /// Keeps all blocks of a stripe that parity and check pages give, and that open.
    fn mend(&mut self, layout: &StripeLayout) -> Result<(), ReadError> {
        // As few blocks as there is parity for may be missing altogether.
        if layout.data_count > layout.parity_count && !self.has_any(layout)? {
            return Ok(());
        }
        for unproved in [Unproved::Believed, Unproved::Erased] {
            let mut parity = self.parity.take();
            let survey = self.survey;
            let tools = Tools {
                workers: self.workers,
                observer: self.observer,
                parity: parity.as_mut(),
                unproved,
            };
            let mut report = Mended::default();
            let mender = StripeMender::new(survey, layout, tools)?;
            let mut keep = Keep {
                locator: self,
                layout,
            };
            mender.run(&mut keep, &mut report)?;
            self.parity = parity;
            // Only where a check page is not known it makes a difference what is believed.
            if !report.needs_root {
                break;
            }
        }
        Ok(())
    }

    /// Whether a block of the stripe is there at all: where none is, nothing can be mended.
    fn has_any(&self, layout: &StripeLayout) -> Result<bool, ReadError> {
        let prefix = block::prefix(&self.survey.head.header.archive_id);
        for index in layout.blocks() {
            let mut clear = [0; block::CLEAR_LEN];
            let offset = self.survey.geometry.block_offset(index).0;
            let is_it = |bytes: &[u8]| {
                let clear = bytes.first_chunk().map(BlockHeader::decode);
                clear.is_some_and(|header| {
                    header.is_ok_and(|header| {
                        header.archive_id_prefix == prefix && header.block_index == index
                    })
                })
            };
            if self.survey.places.read_right(offset, &mut clear, is_it)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps a block that is right, if the file does not have it so where it should.
    fn keep(&mut self, index: BlockIndex, sealed: &[u8]) -> Result<(), ReadError> {
        if self.found.is_mended(index) {
            return Ok(());
        }
        let mut there = vec![0; sealed.len()];
        let offset = self.survey.geometry.block_offset(index).0;
        let is_it = |there: &[u8]| there == sealed;
        let places = &self.survey.places;
        if places.find_right(offset, &mut there, is_it)?.is_some()
            || self.fetch.get_mut().open(sealed.to_vec(), index).is_err()
        {
            return Ok(());
        }
        self.found
            .keep_mended(index, sealed)
            .map_err(ReadError::keeping)
    }
}

impl Keep<'_, '_, '_> {
    fn block_at(&self, offset: ArchiveOffset) -> Option<BlockIndex> {
        let survey = self.locator.survey;
        let first = survey.geometry.block_offset(self.layout.first_block).0;
        let number = offset.0.checked_sub(first)? / survey.geometry.block_size.bytes() as u64;
        (number < self.layout.data_count as u64).then(|| self.layout.first_block.plus(number))
    }
}

impl Target for Keep<'_, '_, '_> {
    fn keep(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError> {
        match self.block_at(offset) {
            Some(index) => self.locator.keep(index, bytes),
            None => Ok(()),
        }
    }

    fn mend(&mut self, offset: ArchiveOffset, bytes: &[u8]) -> Result<(), ReadError> {
        self.keep(offset, bytes)
    }
}

//! Finds the next structure after a damaged stretch.

use super::Lost;
use super::window::Window;
use crate::container::ContainerHeader;
use crate::container::block::{BLOCK, BlockHeader, checksum};
use crate::container::filemark::{Filemark, SECTOR_LEN, TAG};
use crate::container::layout::LOOKAHEAD;

/// Bytes of payloads that all searches of a medium may sum up in vain, to begin with and for each
/// byte of it. Else a medium made of headers alone would take its length times 64 KiB.
const FREE_BUDGET: u64 = 4 << 20;
const BUDGET_PER_BYTE: u64 = 16;

/// A search, and what it began with.
#[derive(Debug)]
pub(super) struct Search {
    /// Where the damaged stretch starts in the medium.
    pub(super) start: u64,
    pub(super) lost: Lost,
    /// What this search and those before it summed up.
    pub(super) spent: u64,
}

impl Search {
    pub(super) fn new(start: u64, lost: Lost, spent: u64) -> Self {
        Self { start, lost, spent }
    }

    /// Advances to the next block whose checksum holds, or to the next soft filemark.
    ///
    /// False if it needs more of the medium, or if there is none any more.
    pub(super) fn is_found(
        &mut self,
        window: &mut Window,
        container: &ContainerHeader,
        at_end: bool,
    ) -> bool {
        loop {
            let is_first = |&byte: &u8| byte == BLOCK || byte == TAG[0];
            let Some(at) = window.ahead().iter().position(is_first) else {
                window.advance(window.ahead().len());
                return false;
            };
            window.advance(at);
            match self.examine(window, container, at_end) {
                Some(true) => return true,
                Some(false) => window.advance(1),
                None => return false,
            }
        }
    }

    /// Whether a structure stands here. None if that needs more of the medium.
    fn examine(
        &mut self,
        window: &Window,
        container: &ContainerHeader,
        at_end: bool,
    ) -> Option<bool> {
        let ahead = window.ahead();
        if ahead.len() < LOOKAHEAD && !at_end {
            return None;
        }
        if ahead.starts_with(&TAG) {
            let is_aligned = window.file_offset().is_multiple_of(SECTOR_LEN as u64);
            return Some(is_aligned && Filemark::decode(ahead).is_some());
        }
        let Some(header) = BlockHeader::decode(ahead, container).filter(|h| !h.is_empty()) else {
            return Some(false);
        };
        let budget = window.file_offset().saturating_mul(BUDGET_PER_BYTE);
        if self.spent > budget.saturating_add(FREE_BUDGET) {
            return Some(false);
        }
        let Some(payload) = header.payload(ahead) else {
            return at_end.then_some(false);
        };
        let is_sound = checksum(payload) == header.checksum;
        self.spent += payload.len() as u64;
        Some(is_sound)
    }
}

//! The decoder's way over bytes of the medium that are not known.

use super::search::Search;
use super::{ContainerDecoder, Lost, SLICE_LEN, State, Step};
use crate::container::fault::FaultKind;
use crate::container::layout::Structure;
use crate::container::piece::{HoleReason, Piece};
use crate::container::{ContainerHeader, FIXED_LEN};

/// What is taken for the fixed part if it is not known: SQL Server 2014 and later, compressed.
const LIKELY: ContainerHeader = ContainerHeader {
    version: 2,
    features: 3,
};

impl ContainerDecoder {
    /// Passes over the next bytes of the medium, which are not known.
    ///
    /// A hole inside one structure damages that. Of a longer one nobody knows how many bytes of the
    /// stream were in it ([`HoleReason::Gap`]); the decoder goes on with the next block whose
    /// checksum holds, or soft filemark.
    pub fn feed_hole(&mut self, mut len: u64, sink: &mut impl FnMut(Piece<'_>)) {
        self.fault(FaultKind::Hole { len }, self.summary.file_len, None, sink);
        while let Step::Again = self.step(false, sink) {}
        let filled = self.fillable(len);
        if filled > 0 {
            self.fill(filled, sink);
            len -= filled;
        }
        if len > 0 {
            self.pass_hole(len);
        }
    }

    /// How many bytes of a hole can stand as zeros: those of a structure that ends behind the hole,
    /// and those of the fixed part that mean nothing.
    fn fillable(&self, len: u64) -> u64 {
        let ahead = self.window.ahead();
        let here = match &self.state {
            State::Fixed if ahead.len() >= ContainerHeader::LEN => {
                return len.min((FIXED_LEN - ahead.len().min(FIXED_LEN)) as u64);
            }
            State::Structures(container) => {
                Structure::recognise(ahead, container, self.window.file_offset()).ok()
            }
            _ => None,
        };
        let end = match here {
            Some(Structure::Block(header)) => header.len(),
            Some(Structure::Padding(len) | Structure::Index(len)) => len,
            Some(Structure::Filemark(filemark)) => filemark.len,
            None => return 0,
        };
        match end.checked_sub(ahead.len()) {
            Some(rest) if len <= rest as u64 => len,
            _ => 0,
        }
    }

    fn fill(&mut self, mut len: u64, sink: &mut impl FnMut(Piece<'_>)) {
        static ZEROS: [u8; SLICE_LEN] = [0; SLICE_LEN];
        while len > 0 {
            let now = usize::try_from(len).unwrap_or(usize::MAX).min(SLICE_LEN);
            self.feed(&ZEROS[..now], sink);
            len -= now as u64;
        }
    }

    fn pass_hole(&mut self, len: u64) {
        let start = self.window.file_offset();
        let container = match &self.state {
            State::Fixed => {
                let known = self.window.ahead().first_chunk();
                known.and_then(ContainerHeader::decode).unwrap_or(LIKELY)
            }
            State::Structures(container) | State::Searching(container, _) => *container,
            State::NoContainer => {
                self.summary.file_len = self.summary.file_len.saturating_add(len);
                self.window.pass_hole(len);
                return;
            }
        };
        self.summary.header.get_or_insert(container);
        let (start, spent) = match &self.state {
            State::Searching(_, search) => (search.start, search.spent),
            _ => (start, self.search_cost),
        };
        self.summary.file_len = self.summary.file_len.saturating_add(len);
        self.window.pass_hole(len);
        self.leads_to_filemark = None;
        self.ends_with_filemark = false;
        self.state = State::Searching(container, Search::new(start, Lost::Gap, spent));
    }

    pub(super) fn gap_at(&mut self, file_offset: u64, sink: &mut impl FnMut(Piece<'_>)) {
        self.filemarks.distrust();
        self.hole_at(file_offset, 0, HoleReason::Gap, sink);
    }
}

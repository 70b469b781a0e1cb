//! Takes a container from its first byte to its last, in pieces of any size, and names its faults.

mod blocks;
mod filemarks;
mod holes;
mod places;
mod search;
mod window;

use super::block::MAX_PLAIN_LEN;
use super::fault::{ContainerFault, FaultKind};
use super::filemark::{Filemark, SECTOR_LEN};
use super::index::Index;
use super::layout::{LOOKAHEAD, Structure, Suspect, is_padding};
use super::piece::{ContainerSummary, HoleReason, Piece};
use super::{ContainerHeader, FIXED_LEN};
use filemarks::Filemarks;
use places::Places;
use search::Search;
use window::Window;

/// Turns the bytes of a container into the stream of descriptor blocks.
///
/// Damage and holes do not stop it: what is lost becomes a [`Piece::Hole`], and it goes on with the next
/// block. It holds two blocks of 64 KiB and the piece fed last, or a whole index record of at most
/// 1 MiB, whatever the medium says.
#[derive(Debug)]
pub struct ContainerDecoder {
    window: Window,
    state: State,
    summary: ContainerSummary,
    plain: Vec<u8>,
    filemarks: Filemarks,
    places: Places,
    /// Padding or index record that was passed: a soft filemark must follow.
    leads_to_filemark: Option<(FaultKind, u64)>,
    ends_with_filemark: bool,
    /// What searches have spent.
    search_cost: u64,
}

#[derive(Debug)]
enum State {
    Fixed,
    Structures(ContainerHeader),
    Searching(ContainerHeader, Search),
    NoContainer,
}

/// How the work goes on.
enum Step {
    Again,
    /// With more bytes of the medium, if there are any.
    More,
}

/// Bytes are copied in slices of this size, so that a large piece takes no more memory.
const SLICE_LEN: usize = 64 << 10;

impl Default for ContainerDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ContainerDecoder {
    /// A decoder at the first byte of a medium.
    #[must_use]
    pub fn new() -> Self {
        Self {
            window: Window::default(),
            state: State::Fixed,
            summary: ContainerSummary {
                header: None,
                file_len: 0,
                stream_len: 0,
                block_count: 0,
                filemark_count: 0,
                index_count: 0,
                fault_count: 0,
                encrypted_checksums_hold: None,
            },
            plain: vec![0; MAX_PLAIN_LEN],
            filemarks: Filemarks::default(),
            places: Places::default(),
            leads_to_filemark: None,
            ends_with_filemark: false,
            search_cost: 0,
        }
    }

    /// Takes the next bytes of the medium.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        for slice in bytes.chunks(SLICE_LEN) {
            self.summary.file_len += slice.len() as u64;
            self.window.push(slice);
            while let Step::Again = self.step(false, sink) {}
        }
    }

    /// Says that the medium ends here.
    pub fn finish(mut self, sink: &mut impl FnMut(Piece<'_>)) -> ContainerSummary {
        while let Step::Again = self.step(true, sink) {}
        let is_whole = self.ends_with_filemark && self.filemarks.end_a_set();
        if !is_whole && !matches!(self.state, State::NoContainer) {
            let end = self.summary.file_len;
            self.fault(FaultKind::CutOff, end, None, sink);
        }
        self.summary
    }

    /// What it has seen so far.
    #[must_use]
    pub fn summary(&self) -> &ContainerSummary {
        &self.summary
    }

    fn step(&mut self, at_end: bool, sink: &mut impl FnMut(Piece<'_>)) -> Step {
        match &mut self.state {
            State::Fixed => self.fixed_part(at_end, sink),
            State::Structures(container) => {
                let container = *container;
                self.structure(&container, at_end, sink)
            }
            State::Searching(container, search) => {
                let container = *container;
                let is_found = search.is_found(&mut self.window, &container, at_end);
                if !is_found && !at_end {
                    return Step::More;
                }
                self.end_search(container, sink);
                Step::Again
            }
            State::NoContainer => {
                self.window.advance(self.window.ahead().len());
                Step::More
            }
        }
    }

    fn fixed_part(&mut self, at_end: bool, sink: &mut impl FnMut(Piece<'_>)) -> Step {
        let ahead = self.window.ahead();
        if ahead.len() < FIXED_LEN && !at_end {
            return Step::More;
        }
        let Some(header) = ahead.first_chunk().and_then(ContainerHeader::decode) else {
            self.state = State::NoContainer;
            self.fault(FaultKind::NotContainer, 0, None, sink);
            return Step::Again;
        };
        self.window.advance(FIXED_LEN.min(ahead.len()));
        self.summary.header = Some(header);
        self.state = State::Structures(header);
        for kind in header.faults() {
            self.fault(kind, 0, None, sink);
        }
        Step::Again
    }

    fn structure(
        &mut self,
        container: &ContainerHeader,
        at_end: bool,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Step {
        let ahead = self.window.ahead();
        if ahead.is_empty() || (ahead.len() < LOOKAHEAD && !at_end) {
            return Step::More;
        }
        self.ends_with_filemark = false;
        let structure = Structure::recognise(ahead, container, self.window.file_offset());
        let is_filemark = matches!(
            structure,
            Ok(Structure::Filemark(_)) | Err(Suspect::Filemark)
        );
        if !is_filemark && let Some((kind, offset)) = self.leads_to_filemark {
            self.leads_to_filemark = None;
            self.fault(kind, offset, None, sink);
            if structure.is_err() {
                self.search(container, Lost::Nothing);
                return Step::Again;
            }
        }
        match structure {
            Ok(Structure::Block(header)) => self.block(container, &header, at_end, sink),
            Ok(Structure::Padding(len)) => self.padding(container, len, at_end, sink),
            Ok(Structure::Index(len)) => self.index(container, len, at_end, sink),
            Ok(Structure::Filemark(filemark)) => self.filemark(container, &filemark, at_end, sink),
            Err(suspect) => self.suspect(container, suspect, sink),
        }
    }

    fn padding(
        &mut self,
        container: &ContainerHeader,
        len: usize,
        at_end: bool,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Step {
        let ahead = self.window.ahead();
        let offset = self.window.file_offset();
        match ahead.get(..len) {
            None if !at_end => return Step::More,
            Some(padding) if is_padding(padding) => {
                self.leads_to_filemark = Some((FaultKind::Padding, offset));
                self.window.advance(len);
            }
            _ => {
                self.fault(FaultKind::Padding, offset, None, sink);
                self.search(container, Lost::Nothing);
            }
        }
        Step::Again
    }

    fn index(
        &mut self,
        container: &ContainerHeader,
        len: usize,
        at_end: bool,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Step {
        let ahead = self.window.ahead();
        let offset = self.window.file_offset();
        let record = ahead.get(..len);
        if record.is_none() && !at_end {
            return Step::More;
        }
        let Some(index) = record.and_then(Index::decode) else {
            self.fault(FaultKind::Index, offset, None, sink);
            self.search(container, Lost::Nothing);
            return Step::Again;
        };
        self.leads_to_filemark = Some((FaultKind::Index, offset));
        self.window.advance(len);
        self.summary.index_count += 1;
        for file_offset in self.places.missing(&index) {
            self.fault(FaultKind::IndexPlace { file_offset }, offset, None, sink);
        }
        Step::Again
    }

    fn filemark(
        &mut self,
        container: &ContainerHeader,
        filemark: &Filemark,
        at_end: bool,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Step {
        let ahead = self.window.ahead();
        let offset = self.window.file_offset();
        let Some(bytes) = ahead.get(..filemark.len) else {
            if !at_end {
                return Step::More;
            }
            self.fault(FaultKind::Filemark, offset, None, sink);
            self.search(container, Lost::Nothing);
            return Step::Again;
        };
        let stream_offset = self.summary.stream_len;
        let is_right = self.filemarks.pass(filemark, bytes, offset);
        if !is_right {
            self.summary.fault_count += 1;
            sink(Piece::Fault(ContainerFault {
                kind: FaultKind::FilemarkTable,
                file_offset: offset,
                block: None,
            }));
        }
        sink(Piece::Bytes {
            stream_offset,
            file_offset: offset,
            block: None,
            bytes,
        });
        self.window.advance(filemark.len);
        self.pass_filemark(filemark.len as u64);
        self.ends_with_filemark = true;
        Step::Again
    }

    /// A filemark was passed, whole or damaged.
    fn pass_filemark(&mut self, len: u64) {
        self.leads_to_filemark = None;
        self.summary.filemark_count += 1;
        self.summary.stream_len += len;
        if self.filemarks.end_a_set() || self.summary.filemark_count == 1 {
            self.places.start_set(self.summary.stream_len);
        }
    }

    fn suspect(
        &mut self,
        container: &ContainerHeader,
        suspect: Suspect,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Step {
        let offset = self.window.file_offset();
        let number = Some(self.summary.block_count);
        let (kind, block, lost) = match suspect {
            Suspect::Block(plain_len) => (FaultKind::BlockHeader, number, Lost::Block(plain_len)),
            Suspect::Padding => (FaultKind::Padding, None, Lost::Nothing),
            Suspect::Index => (FaultKind::Index, None, Lost::Nothing),
            Suspect::Filemark => (FaultKind::Filemark, None, Lost::Filemark),
            Suspect::Unknown => (FaultKind::Unknown, None, Lost::Block(MAX_PLAIN_LEN)),
        };
        self.fault(kind, offset, block, sink);
        self.search(container, lost);
        Step::Again
    }

    fn search(&mut self, container: &ContainerHeader, lost: Lost) {
        let search = Search::new(self.window.file_offset(), lost, self.search_cost);
        self.state = State::Searching(*container, search);
        // Behind the first byte, or it would be found again.
        self.window.advance(1);
    }

    /// The search stands at a structure, or at the end of the medium.
    fn end_search(&mut self, container: ContainerHeader, sink: &mut impl FnMut(Piece<'_>)) {
        let state = std::mem::replace(&mut self.state, State::Structures(container));
        let State::Searching(_, search) = state else {
            return;
        };
        self.search_cost = search.spent;
        let len = self.window.file_offset() - search.start;
        // Of a gap it is told when it comes.
        let is_told = search.lost == Lost::Gap;
        if !is_told {
            self.fault(FaultKind::Unreadable { len }, search.start, None, sink);
        }
        match search.lost {
            Lost::Gap => self.gap_at(search.start, sink),
            Lost::Nothing => self.filemarks.distrust(),
            Lost::Block(plain_len) => {
                self.hole_at(search.start, plain_len as u64, HoleReason::Guessed, sink);
                self.summary.block_count += 1;
                self.filemarks.distrust();
            }
            Lost::Filemark => {
                // It stood raw, so it is as long in the stream as in the medium.
                let len = len.min(MAX_PLAIN_LEN as u64);
                self.hole_at(search.start, len, HoleReason::Guessed, sink);
                self.filemarks.pass_damaged(search.start);
                // The hole has counted its length already.
                self.pass_filemark(0);
                self.ends_with_filemark = len.is_multiple_of(SECTOR_LEN as u64);
            }
        }
    }

    fn fault(
        &mut self,
        kind: FaultKind,
        file_offset: u64,
        block: Option<u64>,
        sink: &mut impl FnMut(Piece<'_>),
    ) {
        self.summary.fault_count += 1;
        sink(Piece::Fault(ContainerFault {
            kind,
            file_offset,
            block,
        }));
    }

    fn hole(&mut self, len: usize, reason: HoleReason, sink: &mut impl FnMut(Piece<'_>)) {
        self.hole_at(self.window.file_offset(), len as u64, reason, sink);
    }

    fn hole_at(
        &mut self,
        file_offset: u64,
        len: u64,
        reason: HoleReason,
        sink: &mut impl FnMut(Piece<'_>),
    ) {
        let stream_offset = self.summary.stream_len;
        self.places.note_hole();
        self.summary.stream_len = stream_offset.saturating_add(len);
        sink(Piece::Hole {
            stream_offset,
            file_offset,
            len,
            reason,
        });
    }
}

/// What a damaged stretch of the medium held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// No bytes of the stream.
    Nothing,
    /// A block of this length.
    Block(usize),
    Filemark,
    /// Bytes that were not fed, of whatever they were.
    Gap,
}

#[cfg(test)]
mod tests;

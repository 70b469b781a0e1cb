//! The decoder's work on compressed blocks.

use super::{ContainerDecoder, Lost, State, Step};
use crate::container::ContainerHeader;
use crate::container::block::{BlockHeader, MAX_PLAIN_LEN, checksum};
use crate::container::fault::FaultKind;
use crate::container::layout::{LOOKAHEAD, Structure};
use crate::container::piece::{HoleReason, Piece};
use crate::xpress::decompress;

impl ContainerDecoder {
    pub(super) fn block(
        &mut self,
        container: &ContainerHeader,
        header: &BlockHeader,
        at_end: bool,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Step {
        let ahead = self.window.ahead();
        let offset = self.window.file_offset();
        let number = Some(self.summary.block_count);
        let Some(payload) = header.payload(ahead) else {
            if !at_end {
                return Step::More;
            }
            self.fault(FaultKind::BlockCutOff, offset, number, sink);
            self.search(container, Lost::Block(header.plain_len));
            return Step::Again;
        };
        let found = checksum(payload);
        let holds = found == header.checksum;
        if header.is_encrypted {
            let all_hold = *self.summary.encrypted_checksums_hold.get_or_insert(holds);
            if all_hold && !holds {
                self.checksum_fault(header, found, sink);
            }
            self.hole(header.plain_len, HoleReason::Encrypted, sink);
            self.pass_block(header);
            return Step::Again;
        }
        if !holds {
            let next = &ahead[header.len()..];
            if next.len() < LOOKAHEAD && !at_end {
                return Step::More;
            }
            if self.summary.block_count == 0 && self.has_long_headers(container) {
                self.fault(FaultKind::Version(container.version), 0, None, sink);
                self.state = State::Structures(container.with_long_headers());
                return Step::Again;
            }
            let behind = offset + header.len() as u64;
            let goes_on = next.is_empty() || Structure::recognise(next, container, behind).is_ok();
            self.checksum_fault(header, found, sink);
            if goes_on {
                self.hole(header.plain_len, HoleReason::Damaged, sink);
                self.pass_block(header);
            } else {
                self.search(container, Lost::Block(header.plain_len));
            }
            return Step::Again;
        }
        if container.is_encrypted() && self.summary.block_count == 0 {
            self.fault(FaultKind::NotEncrypted, offset, number, sink);
        }
        self.content(header, sink);
        self.pass_block(header);
        Step::Again
    }

    /// Whether the medium is, by its first block, of a version with longer headers than it says.
    fn has_long_headers(&self, container: &ContainerHeader) -> bool {
        let ahead = self.window.ahead();
        let header = BlockHeader::decode(ahead, &container.with_long_headers());
        let holds = |header: BlockHeader| {
            let payload = header.payload(ahead);
            payload.is_some_and(|payload| checksum(payload) == header.checksum)
        };
        container.has_short_headers() && header.is_some_and(holds)
    }

    /// Decompresses a block whose checksum holds.
    fn content(&mut self, header: &BlockHeader, sink: &mut impl FnMut(Piece<'_>)) {
        let offset = self.window.file_offset();
        let number = Some(self.summary.block_count);
        let payload = header.payload(self.window.ahead()).unwrap_or_default();
        let mut plain_len = header.plain_len;
        if let Err(error) = decompress(payload, &mut self.plain[..plain_len]) {
            // Most blocks are full, so a wrong length in a header can most often be put right.
            if decompress(payload, &mut self.plain).is_err() {
                let kind = FaultKind::of_undecodable(payload, error);
                let reason = match kind {
                    FaultKind::Algorithm(_) => HoleReason::Unsupported,
                    _ => HoleReason::Damaged,
                };
                self.fault(kind, offset, number, sink);
                self.hole(plain_len, reason, sink);
                return;
            }
            let (stated, found) = (plain_len, MAX_PLAIN_LEN);
            self.fault(FaultKind::PlainLen { stated, found }, offset, number, sink);
            plain_len = MAX_PLAIN_LEN;
        }
        let bytes = &self.plain[..plain_len];
        let stream_offset = self.summary.stream_len;
        self.places.note(bytes, stream_offset, offset);
        self.summary.stream_len += plain_len as u64;
        sink(Piece::Bytes {
            stream_offset,
            file_offset: offset,
            block: number,
            bytes,
        });
    }

    fn pass_block(&mut self, header: &BlockHeader) {
        self.window.advance(header.len());
        self.summary.block_count += 1;
    }

    fn checksum_fault(
        &mut self,
        header: &BlockHeader,
        found: u32,
        sink: &mut impl FnMut(Piece<'_>),
    ) {
        let stated = header.checksum;
        let number = Some(self.summary.block_count);
        let offset = self.window.file_offset();
        self.fault(FaultKind::Checksum { stated, found }, offset, number, sink);
    }
}

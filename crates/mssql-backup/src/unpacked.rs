//! What comes out of a container goes on to the walk.

use crate::check::{Level, LevelReport, Outcome};
use crate::container::fault::{ContainerFault, FaultKind};
use crate::container::piece::{ContainerSummary, HoleReason, Piece};
use crate::depth::Depth;
use crate::descriptor::{StreamHeader, Tag};
use crate::examine::Examiner;
use crate::report::{Medium, Report, Unreadable};
use crate::walk::Walk;

/// Takes the pieces of a container.
pub(crate) struct Unpacked {
    walk: Walk,
    examiner: Examiner,
    unreadable: Option<Unreadable>,
}

impl Unpacked {
    pub(crate) fn new(depth: Depth) -> Self {
        Self {
            walk: Walk::new(),
            examiner: Examiner::new(depth, true),
            unreadable: None,
        }
    }

    pub(crate) fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Bytes {
                stream_offset,
                file_offset,
                block,
                bytes,
            } => {
                if self.walk.is_unsure() {
                    self.find_place(block.is_some(), bytes);
                }
                self.place(stream_offset, file_offset);
                if block.is_some() {
                    self.examiner.checked(Level::CompressedBlocks, 1);
                }
                if self.unreadable.is_none() {
                    self.walk.feed(bytes, &mut self.examiner);
                }
            }
            Piece::Hole {
                stream_offset,
                file_offset,
                len,
                reason,
            } => {
                self.place(stream_offset, file_offset);
                if reason == HoleReason::Encrypted {
                    self.unreadable = Some(Unreadable::Encrypted);
                }
                match (self.unreadable, reason) {
                    (Some(_), _) => {}
                    (None, HoleReason::Gap) => self.walk.gap(&mut self.examiner),
                    (None, _) => self.walk.hole(len, &mut self.examiner),
                }
            }
            Piece::Fault(fault) => self.fault(&fault),
        }
    }

    /// Notes where in the file the stream goes on: behind a gap, as far as the walk counts it.
    fn place(&mut self, stream_offset: u64, file_offset: u64) {
        let offset = match self.unreadable {
            None => self.walk.offset(),
            Some(_) => stream_offset,
        };
        self.examiner.places.block(offset, file_offset);
    }

    /// Behind a gap: a block that begins with a stream header is the one behind bulk data, and a soft
    /// filemark is in no stream.
    fn find_place(&mut self, is_block: bool, bytes: &[u8]) {
        let Some(stream) = self.walk.stream() else {
            return;
        };
        let header = bytes.first_chunk().map(StreamHeader::decode);
        match header {
            Some(Ok(next)) if is_block => match (stream, next.tag) {
                (Tag::MQDA, Tag::MQDA | Tag::CSUM) | (Tag::MQTL, Tag::SPAD | Tag::CSUM) => {
                    self.walk.end_gap(&mut self.examiner);
                }
                _ => self.walk.end_in_gap(&mut self.examiner),
            },
            _ if !is_block => self.walk.end_in_gap(&mut self.examiner),
            _ => {}
        }
    }

    fn fault(&mut self, fault: &ContainerFault) {
        // All blocks of a medium are compressed alike: if the first is not understood none is,
        // which is no damage; if only a later one is not, it is.
        if let FaultKind::Algorithm(algorithm) = fault.kind
            && self.walk.offset() == 0
        {
            self.unreadable
                .get_or_insert(Unreadable::Algorithm(algorithm));
            return;
        }
        if !fault.kind.is_damage() {
            self.examiner.note(fault.to_string());
            return;
        }
        let is_cut = matches!(fault.kind, FaultKind::CutOff | FaultKind::BlockCutOff);
        let message = match is_cut {
            true => format!("truncated: {fault}"),
            false => fault.to_string(),
        };
        let level = Level::CompressedBlocks;
        self.examiner
            .fault_in_file(level, fault.file_offset, message);
    }

    pub(crate) fn finish(self, summary: &ContainerSummary) -> Report {
        let report = Report {
            medium: summary.header.map_or(Medium::Other, Medium::Container),
            container_blocks: summary.block_count,
            ..self.examiner.finish(&self.walk)
        };
        match self.unreadable {
            None => report,
            Some(unreadable) => container_only(report, summary, unreadable),
        }
    }
}

/// What is left of a report where the content could not be read: the container's own faults, and
/// no sets.
fn container_only(report: Report, summary: &ContainerSummary, unreadable: Unreadable) -> Report {
    let faults = report.faults.into_iter();
    let faults: Vec<_> = faults
        .filter(|fault| fault.level == Level::CompressedBlocks)
        .collect();
    let outcome = match (faults.is_empty(), summary.encrypted_checksums_hold) {
        (false, _) => Outcome::Failed,
        (true, Some(false)) => {
            Outcome::Unknown("checksums of encrypted blocks are not known".into())
        }
        (true, _) => Outcome::Passed,
    };
    let faulty = faults.len() as u64;
    let blocks = LevelReport {
        level: Level::CompressedBlocks,
        outcome,
        checked: summary.block_count,
        faulty,
    };
    Report {
        medium: report.medium,
        container_blocks: report.container_blocks,
        notes: report.notes,
        levels: vec![blocks],
        fault_count: faulty,
        faults,
        unreadable: Some(unreadable),
        ..Report::default()
    }
}

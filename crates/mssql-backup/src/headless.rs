//! A medium whose first bytes are not known: what it is shows from what follows.

use crate::check::{Fault, Level, LevelReport, Outcome};
use crate::container::decoder::ContainerDecoder;
use crate::depth::Depth;
use crate::examine::Examiner;
use crate::report::{Medium, Report};
use crate::unpacked::Unpacked;
use crate::walk::Walk;

/// Reads it as both kinds of media at once.
pub(crate) struct Headless {
    walk: Walk,
    examiner: Examiner,
    decoder: ContainerDecoder,
    unpacked: Unpacked,
    /// Bytes at the start that are not known, or too few to tell anything.
    missing: u64,
}

impl Headless {
    /// `known` bytes of the `missing` ones were there, and say nothing; the others come as a hole.
    pub(crate) fn new(depth: Depth, missing: u64, known: usize) -> Self {
        let mut headless = Self {
            walk: Walk::new(),
            examiner: Examiner::new(depth, false),
            decoder: ContainerDecoder::new(),
            unpacked: Unpacked::new(depth),
            missing,
        };
        headless.pass_over(known as u64);
        headless
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.walk.feed(bytes, &mut self.examiner);
        let unpacked = &mut self.unpacked;
        self.decoder.feed(bytes, &mut |piece| unpacked.take(piece));
    }

    pub(crate) fn feed_hole(&mut self, offset: u64, len: u64) {
        let message = format!("{len} bytes are not known");
        self.examiner.fault_in_file(Level::Tiling, offset, message);
        self.pass_over(len);
    }

    /// The kind that gave a backup set; if neither did, nothing is known of it.
    pub(crate) fn finish(self) -> Report {
        let Self {
            decoder,
            mut unpacked,
            missing,
            ..
        } = self;
        let native = self.examiner.finish(&self.walk);
        let summary = decoder.finish(&mut |piece| unpacked.take(piece));
        let container = unpacked.finish(&summary);
        if !native.sets.is_empty() {
            return Report {
                medium: Medium::Native,
                ..native
            };
        }
        if !container.sets.is_empty() {
            return container;
        }
        let message = format!(
            "the first {missing} bytes are not known, and nothing that follows tells what medium it is"
        );
        let level = Level::Tiling;
        Report {
            levels: vec![LevelReport {
                level,
                outcome: Outcome::Failed,
                checked: 1,
                faulty: 1,
            }],
            faults: vec![Fault {
                level,
                offset: 0,
                position: None,
                page: None,
                message,
            }],
            fault_count: 1,
            ..Report::default()
        }
    }

    fn pass_over(&mut self, len: u64) {
        if len == 0 {
            return;
        }
        self.walk.hole(len, &mut self.examiner);
        let unpacked = &mut self.unpacked;
        self.decoder
            .feed_hole(len, &mut |piece| unpacked.take(piece));
    }
}

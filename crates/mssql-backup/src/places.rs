//! From places in the stream of descriptor blocks to places in the file.

use std::collections::VecDeque;

/// Where in the file the last stretches of the stream came from.
///
/// In an uncompressed medium both are the same; in a compressed one the file has blocks.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// First offset in the stream, and offset of the block in the file; ascending. Empty where
    /// both are the same.
    blocks: VecDeque<(u64, u64)>,
}

impl Places {
    /// Blocks remembered: those that the longest unit checked at once, 64 KiB, can lie in.
    const KEPT: usize = 256;

    /// The stream goes on at `stream_offset` with a block that stands at `file_offset`.
    pub(crate) fn block(&mut self, stream_offset: u64, file_offset: u64) {
        if self.blocks.len() == Self::KEPT {
            self.blocks.pop_front();
        }
        self.blocks.push_back((stream_offset, file_offset));
    }

    /// Where in the file this place of the stream is: of the block, if there are blocks.
    pub(crate) fn in_file(&self, stream_offset: u64) -> u64 {
        let after = self
            .blocks
            .partition_point(|(start, _)| *start <= stream_offset);
        let block = after
            .checked_sub(1)
            .and_then(|index| self.blocks.get(index));
        match (block, self.blocks.front()) {
            (Some((_, file_offset)), _) | (None, Some((_, file_offset))) => *file_offset,
            (None, None) => stream_offset,
        }
    }
}

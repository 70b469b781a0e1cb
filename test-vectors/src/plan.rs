//! Where the records of an archive stand: what a salvage of it depends on.

use crate::assembly::Blocks;
use crate::builder::Builder;
use crate::records::Op;
use crate::stream::Stream;
use std::ops::Range;

/// Where the records stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// CHUNKs, in order.
    pub chunks: Vec<Placed>,
    /// CATALOGUE PAGEs: their blocks, and the numbers of their rows.
    pub pages: Vec<(Range<u64>, Range<usize>)>,
    /// FINAL.
    pub last: Range<u64>,
}

/// A CHUNK.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// In which it stands.
    pub blocks: Range<u64>,
    /// Where its stretch begins.
    pub stream_offset: u64,
    /// Where its raw bytes begin in the data space.
    pub data_offset: u64,
    /// What makes its stretch.
    pub script: Vec<Op>,
}

impl Plan {
    /// Of the archive that a builder makes.
    pub(crate) fn of(builder: &Builder, stream: &Stream) -> Self {
        Blocks::new(builder, stream).plan
    }
}

impl Placed {
    /// Length of its stretch.
    pub(crate) fn stream_len(&self) -> u64 {
        self.script.iter().map(Op::stretch_len).sum()
    }

    /// How many raw bytes it has.
    pub(crate) fn raw_len(&self) -> u64 {
        let literals = self.script.iter().filter(|op| matches!(op, Op::Literal(_)));
        literals.map(Op::stretch_len).sum()
    }
}

//! Short pieces of the stream, joined: hashing and writing are several times faster on long ones.

use crate::error::ReadError;
use crate::pipeline::Buffers;
use bytes::Bytes;
use std::ops::Range;

/// Pieces from this length on are handed on as they are.
const JOINED_LEN: usize = 128 << 10;

/// Joined pieces that wait to be used again.
const SPARES: usize = 16;

/// What takes the stream.
type Taker<'t> = dyn FnMut(Bytes) -> Result<(), ReadError> + 't;

/// Collects short pieces until they are enough.
pub(crate) struct Joined {
    bytes: Vec<u8>,
    buffers: Buffers,
}

impl Default for Joined {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            buffers: Buffers::new(SPARES),
        }
    }
}

impl Joined {
    /// Takes a stretch of a chunk, which is handed on without a copy if it is long, and enough of the
    /// chunk that this may stay in memory for it.
    pub(crate) fn shared(
        &mut self,
        chunk: &Bytes,
        stretch: Range<usize>,
        taker: &mut Taker<'_>,
    ) -> Result<(), ReadError> {
        if stretch.len() < JOINED_LEN.max(chunk.len() / 4) {
            return self.copy(&chunk[stretch], taker);
        }
        self.give(taker)?;
        taker(chunk.slice(stretch))
    }

    /// Copies a piece behind those before it.
    pub(crate) fn copy(
        &mut self,
        mut piece: &[u8],
        taker: &mut Taker<'_>,
    ) -> Result<(), ReadError> {
        while !piece.is_empty() {
            let taken = piece.len().min(JOINED_LEN - self.bytes.len());
            self.bytes.extend_from_slice(&piece[..taken]);
            piece = &piece[taken..];
            if self.bytes.len() == JOINED_LEN {
                self.give(taker)?;
            }
        }
        Ok(())
    }

    /// Hands on what there is.
    pub(crate) fn give(&mut self, taker: &mut Taker<'_>) -> Result<(), ReadError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let mut next = self.buffers.take().unwrap_or_default();
        next.clear();
        next.reserve_exact(JOINED_LEN);
        let joined = std::mem::replace(&mut self.bytes, next);
        taker(self.buffers.lend(joined))
    }
}

//! Where each chunk's raw bytes lie in the data space, and where the chunk stands: what COPY asks.

use crate::error::ReadError;
use bakpak_format::chunk::script::Instruction;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{DataOffset, Place};
use bakpak_format::record::Checkpoint;

use std::collections::{HashMap, VecDeque};

/// So many chunks are known without reading again: 16 MiB of memory, a TiB of data.
const KEPT: usize = 1 << 20;

/// Finds the chunks that a COPY needs, however many there are.
///
/// All that is kept for good are 16 bytes a CHECKPOINT: it lists its chunks itself, and can be read
/// again wherever the chunks can, since it stands behind them.
pub(crate) struct DataMap {
    /// What each CHECKPOINT lists: where it begins in the data space, and where the CHECKPOINT is.
    spans: Vec<(u64, Place)>,
    /// Chunks by the number of their span.
    loaded: HashMap<usize, Box<[Known]>>,
    /// The same, the one loaded first in front.
    order: VecDeque<usize>,
    loaded_count: usize,
    kept: usize,
    /// Chunks since the last CHECKPOINT.
    open: Vec<Known>,
    end: u64,
}

/// Begin in the data space, and place, of a chunk.
type Known = (u64, Place);

/// A chunk that COPY takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceChunk {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) place: Place,
}

impl SourceChunk {
    /// Length of its raw bytes.
    pub(crate) fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

impl DataMap {
    pub(crate) fn new() -> Self {
        Self::with_kept(KEPT)
    }

    /// Keeps about so many chunks in memory.
    fn with_kept(kept: usize) -> Self {
        Self {
            spans: Vec::new(),
            loaded: HashMap::new(),
            order: VecDeque::new(),
            loaded_count: 0,
            kept,
            open: Vec::new(),
            end: 0,
        }
    }

    /// Adds the next chunk. One without data of its own can be nobody's source and is left out.
    pub(crate) fn push(&mut self, raw_len: u64, place: Place) {
        if raw_len > 0 {
            self.open.push((self.end, place));
            self.end += raw_len;
        }
    }

    /// The chunks since the last one are listed by the CHECKPOINT at `place`.
    pub(crate) fn checkpoint(&mut self, place: Place) {
        if let Some((start, _)) = self.open.first() {
            self.spans.push((*start, place));
            let chunks = self.open.as_slice().into();
            self.open.clear();
            self.keep(self.spans.len() - 1, chunks);
        }
    }

    /// The chunks that the COPYs of a script touch, each once, in order; at most one more than
    /// `most`. `load` reads a CHECKPOINT.
    ///
    /// Going through them in order, it loads no CHECKPOINT twice.
    pub(crate) fn sources(
        &mut self,
        script: &[Instruction],
        most: u64,
        mut load: impl FnMut(Place) -> Result<Checkpoint, ReadError>,
    ) -> Result<Vec<SourceChunk>, ReadError> {
        let end = self.end;
        sources(script, end, most, |at| self.chunk_at(at, &mut load))
    }

    /// A place in the archive that does not lie behind the chunk that holds `at`, without reading.
    pub(crate) fn place_not_behind(&self, at: DataOffset) -> Option<Place> {
        let in_chunks = |chunks: &[Known]| {
            let after = chunks.partition_point(|(start, _)| *start <= at.0);
            chunks.get(after.checked_sub(1)?).map(|(_, place)| *place)
        };
        in_chunks(&self.open).or_else(|| {
            let span = self.spans.partition_point(|(start, _)| *start <= at.0);
            let span = span.checked_sub(1)?;
            match self.loaded.get(&span) {
                Some(chunks) => in_chunks(chunks),
                // Its chunks stand behind the CHECKPOINT before its own.
                None => self
                    .spans
                    .get(span.checked_sub(1)?)
                    .map(|(_, place)| *place),
            }
        })
    }

    /// The chunk that holds `at`, which must lie before the end.
    fn chunk_at(
        &mut self,
        at: u64,
        load: &mut impl FnMut(Place) -> Result<Checkpoint, ReadError>,
    ) -> Result<SourceChunk, ReadError> {
        let open_start = self.open.first().map_or(self.end, |(start, _)| *start);
        let (chunks, end) = if at >= open_start {
            (self.open.as_slice(), self.end)
        } else {
            let after = self.spans.partition_point(|(start, _)| *start <= at);
            let end = self
                .spans
                .get(after)
                .map_or(open_start, |(start, _)| *start);
            (self.span(after.saturating_sub(1), end, load)?, end)
        };
        let after = chunks.partition_point(|(start, _)| *start <= at);
        let chunk = after.checked_sub(1).and_then(|before| chunks.get(before));
        // Not there, it was: the file changes while it is read.
        let (start, place) = *chunk.ok_or_else(|| {
            let what = "no CHECKPOINT lists the chunk that is sought";
            FormatError::malformed(Structure::Checkpoint, "CKP-1", what)
        })?;
        let end = chunks.get(after).map_or(end, |(start, _)| *start);
        Ok(SourceChunk { start, end, place })
    }

    /// The chunks of a span, read again if they were dropped.
    fn span(
        &mut self,
        number: usize,
        end: u64,
        load: &mut impl FnMut(Place) -> Result<Checkpoint, ReadError>,
    ) -> Result<&[Known], ReadError> {
        if !self.loaded.contains_key(&number)
            && let Some((_, place)) = self.spans.get(number)
        {
            let chunks = chunks_with_data(&load(*place)?, end);
            self.keep(number, chunks);
        }
        Ok(self.loaded.get(&number).map_or(&[], |chunks| chunks))
    }

    fn keep(&mut self, number: usize, chunks: Box<[Known]>) {
        self.loaded_count += chunks.len();
        self.loaded.insert(number, chunks);
        self.order.push_back(number);
        while self.loaded_count > self.kept && self.order.len() > 1 {
            let oldest = self.order.pop_front();
            let dropped = oldest.and_then(|number| self.loaded.remove(&number));
            self.loaded_count -= dropped.map_or(0, |chunks| chunks.len());
        }
    }
}

/// The chunks that the COPYs of a script touch before `end`, each once, in order; at most one more
/// than `most`. `chunk_at` finds the one that holds a place of the data space.
pub(crate) fn sources(
    script: &[Instruction],
    end: u64,
    most: u64,
    mut chunk_at: impl FnMut(u64) -> Result<SourceChunk, ReadError>,
) -> Result<Vec<SourceChunk>, ReadError> {
    let copies = script.iter().filter_map(|i| match i {
        Instruction::Copy { source, len } => Some((source.0, source.plus(*len).0.min(end))),
        _ => None,
    });
    let mut copies: Vec<(u64, u64)> = copies.collect();
    copies.sort_unstable();
    let mut found: Vec<SourceChunk> = Vec::new();
    let mut at = 0;
    for (start, end) in copies {
        at = at.max(start);
        while at < end {
            if found.len() as u64 > most {
                return Ok(found);
            }
            let chunk = chunk_at(at)?;
            if chunk.start > at || chunk.end <= at {
                let what = "the chunk that is sought is another one";
                return Err(FormatError::malformed(Structure::Checkpoint, "CKP-1", what).into());
            }
            at = chunk.end;
            found.push(chunk);
        }
    }
    Ok(found)
}

/// The number of the chunk among these, in order, that holds `at`.
pub(crate) fn holding(chunks: &[SourceChunk], at: DataOffset) -> Option<usize> {
    let after = chunks.partition_point(|chunk| chunk.start <= at.0);
    let number = after.checked_sub(1)?;
    (at.0 < chunks.get(number)?.end).then_some(number)
}

fn chunks_with_data(checkpoint: &Checkpoint, end: u64) -> Box<[Known]> {
    let starts = checkpoint.chunks.iter().map(|chunk| chunk.data_offset.0);
    let ends = starts.skip(1).chain([end]);
    let chunks = checkpoint.chunks.iter().zip(ends);
    let with_data = chunks.filter(|(chunk, end)| chunk.data_offset.0 < *end);
    with_data
        .map(|(chunk, _)| (chunk.data_offset.0, chunk.place))
        .collect()
}

#[cfg(test)]
mod tests;

//! What is kept of the data space for COPY while an archive is read from its front.

use crate::chunk_store::{CACHE_BYTES, ChunkStore, RawChunk, Run, RunTaker, run_through};
use crate::data_map::SourceChunk;
use crate::error::ReadError;
use crate::fetch::Fetch;
use crate::observer::Observer;
use bakpak_format::chunk::script::Instruction;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, DataOffset, Place};
use bakpak_format::record::{Checkpoint, RecordType};
use bytes::Bytes;
use std::collections::VecDeque;

/// The raw bytes that COPY may ask for.
pub(crate) enum DataSpace {
    /// All that it may reach, in memory.
    Window(Window),
    /// What was used last; the rest is fetched again.
    Recent(Box<ChunkStore>),
}

/// The last bytes of the data space.
pub(crate) struct Window {
    reach: usize,
    bytes: VecDeque<u8>,
    /// Where they end in the data space.
    end: u64,
}

impl DataSpace {
    /// Keeps in memory all that COPY may reach, if that is little enough.
    pub(crate) fn in_memory(copy_reach: u64) -> Option<Self> {
        let reach = usize::try_from(copy_reach).ok()?;
        (reach <= CACHE_BYTES).then(|| Self::Window(Window::new(reach)))
    }

    /// Keeps what was used last.
    pub(crate) fn recent(fetch: Fetch) -> Self {
        Self::Recent(Box::new(ChunkStore::new(fetch)))
    }

    /// Whether sealed blocks are to be spooled.
    pub(crate) fn spools(&self) -> bool {
        match self {
            Self::Window(_) => false,
            Self::Recent(store) => store.fetch.spools(),
        }
    }

    /// Keeps a sealed block that came through a pipe.
    ///
    /// # Errors
    ///
    /// The temporary folder is full, or cannot be written.
    pub(crate) fn spool(&mut self, sealed: &[u8]) -> Result<(), ReadError> {
        match self {
            Self::Window(_) => Ok(()),
            Self::Recent(store) => store.fetch.spool(sealed),
        }
    }

    /// Adds the raw bytes of the next chunk, which stand at `start`.
    pub(crate) fn push(&mut self, start: DataOffset, raw: RawChunk) {
        match self {
            Self::Window(window) => window.push(&raw.bytes),
            Self::Recent(store) => store.insert(start, raw),
        }
    }

    /// No later COPY begins before this block.
    pub(crate) fn drop_before(&mut self, index: BlockIndex) {
        if let Self::Recent(store) = self {
            store.fetch.drop_before(index);
        }
    }

    /// Hands out the stretch that a script describes, see [`ChunkStore::assemble`].
    pub(crate) fn assemble(
        &mut self,
        script: &[Instruction],
        raw: &Bytes,
        sources: &[SourceChunk],
        observer: &dyn Observer,
        take: &mut RunTaker<'_>,
    ) -> Result<(), ReadError> {
        let window = match self {
            Self::Window(window) => window,
            Self::Recent(store) => return store.assemble(script, raw, sources, observer, take),
        };
        run_through(script, raw, &mut 0, take, |source, len, take| {
            let (first, second) = window.get(source, len)?;
            take(Run::Passing(first))?;
            take(Run::Passing(second))
        })
    }

    /// Reads a CHECKPOINT again, to know the chunks that it lists.
    pub(crate) fn checkpoint(&mut self, place: Place) -> Result<Checkpoint, ReadError> {
        match self {
            // All chunks within its reach are known, unless they are smaller than any writer's.
            Self::Window(_) => {
                let what = "more chunks stand within copy_reach than can be kept in memory";
                Err(FormatError::malformed(Structure::Chunk, "RDR-4", what).into())
            }
            Self::Recent(store) => {
                let body = store.fetch.record(place, RecordType::Checkpoint)?;
                Ok(Checkpoint::decode(&body)?)
            }
        }
    }
}

impl Window {
    fn new(reach: usize) -> Self {
        Self {
            reach,
            bytes: VecDeque::with_capacity(reach),
            end: 0,
        }
    }

    fn push(&mut self, raw: &[u8]) {
        self.end += raw.len() as u64;
        let kept = &raw[raw.len().saturating_sub(self.reach)..];
        let over = (self.bytes.len() + kept.len()).saturating_sub(self.reach);
        self.bytes.drain(..over);
        self.bytes.extend(kept);
    }

    /// A stretch in at most two pieces; scripts are checked to stay within it (spec: CHU-7, CHU-8).
    fn get(&self, source: DataOffset, len: u64) -> Result<(&[u8], &[u8]), FormatError> {
        let start = self.end - self.bytes.len() as u64;
        let stretch = source.0.checked_sub(start).zip(source.0.checked_add(len));
        let Some((from, _)) = stretch.filter(|&(_, end)| end <= self.end) else {
            let what = "a COPY reaches further back than copy_reach";
            return Err(FormatError::malformed(Structure::Script, "CHU-8", what));
        };
        let (from, to) = (from as usize, (from + len) as usize); // of what is in memory
        let (first, second) = self.bytes.as_slices();
        let turn = first.len();
        Ok((
            &first[from.min(turn)..to.min(turn)],
            &second[from.saturating_sub(turn)..to.saturating_sub(turn)],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_gives_the_last_bytes_and_no_others() {
        let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for reach in [0, 1, 99, 1000] {
            let mut window = Window::new(reach);
            let mut at = 0;
            for len in [0, 1, 98, 1000, 3, 999, 1001, 5000, 7, 0, 500] {
                window.push(&data[at..at + len]);
                at += len;
                assert!(window.bytes.capacity() <= reach.max(1), "it never grows");
                for from in at.saturating_sub(reach)..at {
                    for to in [from, from + (at - from) / 2, at] {
                        let (source, len) = (DataOffset(from as u64), (to - from) as u64);
                        let (first, second) = window.get(source, len).unwrap();
                        assert_eq!([first, second].concat(), data[from..to]);
                    }
                }
                if let Some(beyond) = at.checked_sub(reach + 1) {
                    assert!(window.get(DataOffset(beyond as u64), 1).is_err());
                }
                assert!(window.get(DataOffset(at as u64), 1).is_err());
            }
        }
    }
}

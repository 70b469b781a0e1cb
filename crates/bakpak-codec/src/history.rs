//! The raw bytes of recent chunks: what matching compares with.

use bakpak_format::geometry::DataOffset;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More chunks than this are not held, however small they are: a chunk's number modulo this finds
/// it, so one that is held has its place for itself.
pub(crate) const MAX_HELD: usize = 4096;

/// A place in the data space, with the chunk it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataPlace {
    /// Number of the chunk among those with data of their own.
    pub(crate) chunk: u64,
    /// Offset in the chunk's raw bytes.
    pub(crate) offset: usize,
    pub(crate) data_offset: DataOffset,
}

/// A stretch of the data space, with the chunks it touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataRun {
    pub(crate) source: DataOffset,
    pub(crate) len: u64,
    pub(crate) first_chunk: u64,
    pub(crate) last_chunk: u64,
}

/// Recent chunks, up to so many raw bytes; the one used longest ago goes first. What COPY may no
/// longer reach is not held.
pub(crate) struct History {
    limit: usize,
    copy_reach: u64,
    /// Where the next chunk begins in the data space.
    end: u64,
    /// No chunk with a lower number is held.
    oldest: u64,
    slots: Vec<Option<Held>>,
    /// Chunks by when they were used last.
    order: BTreeMap<u64, u64>,
    bytes: usize,
    clock: u64,
}

struct Held {
    chunk: u64,
    data_offset: DataOffset,
    raw: Arc<Vec<u8>>,
    used: u64,
}

impl DataPlace {
    /// So many bytes further, in the same chunk.
    pub(crate) fn plus(self, len: usize) -> Self {
        Self {
            chunk: self.chunk,
            offset: self.offset + len,
            data_offset: self.data_offset.plus(len as u64),
        }
    }

    /// The run of so many bytes from here, in the same chunk.
    pub(crate) fn run(self, len: usize) -> DataRun {
        DataRun {
            source: self.data_offset,
            len: len as u64,
            first_chunk: self.chunk,
            last_chunk: self.chunk,
        }
    }
}

impl DataRun {
    /// Where it ends in the data space.
    pub(crate) fn end(&self) -> u64 {
        self.source.0.saturating_add(self.len)
    }
}

impl History {
    /// Holds up to `limit` raw bytes, no further back than `copy_reach` (spec: CHU-8).
    pub(crate) fn new(limit: usize, copy_reach: u64) -> Self {
        Self {
            limit,
            copy_reach,
            end: 0,
            oldest: 0,
            slots: std::iter::repeat_with(|| None).take(MAX_HELD).collect(),
            order: BTreeMap::new(),
            bytes: 0,
            clock: 0,
        }
    }

    /// Adds a chunk that has data of its own; gives back what has to go for it.
    pub(crate) fn add(
        &mut self,
        chunk: u64,
        data_offset: DataOffset,
        raw: Arc<Vec<u8>>,
    ) -> Vec<Arc<Vec<u8>>> {
        let mut dropped = Vec::new();
        self.end = data_offset.0 + raw.len() as u64;
        self.drop_beyond_reach(chunk, &mut dropped);
        let slot = slot(chunk);
        if let Some(old) = self.slots[slot].take() {
            self.order.remove(&old.used);
            self.bytes -= old.raw.len();
            dropped.push(old.raw);
        }
        self.clock += 1;
        self.bytes += raw.len();
        self.order.insert(self.clock, chunk);
        self.slots[slot] = Some(Held {
            chunk,
            data_offset,
            raw,
            used: self.clock,
        });
        while self.bytes > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some(old) = self.slots[self::slot(oldest)].take() {
                self.bytes -= old.raw.len();
                dropped.push(old.raw);
            }
        }
        dropped
    }

    /// Where the open chunk's copies may begin at the earliest (spec: CHU-8).
    pub(crate) fn floor(&self) -> u64 {
        self.end.saturating_sub(self.copy_reach)
    }

    /// The chunk held in a slot, by its number modulo [`MAX_HELD`].
    pub(crate) fn chunk_in_slot(&self, slot: usize) -> Option<u64> {
        self.slots.get(slot)?.as_ref().map(|held| held.chunk)
    }

    /// How many bytes from here on, over the ends of chunks, are equal to the start of `bytes`;
    /// none if this is beyond the reach.
    pub(crate) fn equal_forward(&self, mut chunk: u64, mut offset: usize, bytes: &[u8]) -> usize {
        let mut equal = 0;
        if self.back_to_floor(chunk, offset).is_none() {
            return 0;
        }
        while let Some(held) = self.held(chunk) {
            let here = held.raw.get(offset..).unwrap_or_default();
            let now = equal_prefix(here, &bytes[equal..]);
            equal += now;
            if now < here.len() || equal == bytes.len() {
                break;
            }
            (chunk, offset) = (chunk + 1, 0);
        }
        equal
    }

    /// How many bytes before here, over the starts of chunks and as far as the reach goes, are
    /// equal to the end of `bytes`.
    pub(crate) fn equal_backward(&self, mut chunk: u64, mut offset: usize, bytes: &[u8]) -> usize {
        let mut equal = 0;
        let most = self.back_to_floor(chunk, offset).unwrap_or(0);
        let most = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
        let bytes = &bytes[bytes.len() - most..];
        while let Some(held) = self.held(chunk) {
            let here = held.raw.get(..offset).unwrap_or_default();
            let now = equal_suffix(here, &bytes[..bytes.len() - equal]);
            equal += now;
            if now < here.len() || equal == bytes.len() || chunk == 0 {
                break;
            }
            chunk -= 1;
            offset = self.held(chunk).map_or(0, |held| held.raw.len());
        }
        equal
    }

    /// The run of `back + forward` bytes around a place, if all its chunks are held.
    pub(crate) fn run(
        &self,
        chunk: u64,
        offset: usize,
        back: usize,
        forward: usize,
    ) -> Option<DataRun> {
        let held = self.held(chunk)?;
        let source = DataOffset((held.data_offset.0 + offset as u64).checked_sub(back as u64)?);
        let end = source.0 + (back + forward) as u64;
        let (mut first, mut last) = (held, held);
        while first.data_offset.0 > source.0 {
            first = self.held(first.chunk.checked_sub(1)?)?;
        }
        while last.end() < end {
            last = self.held(last.chunk + 1)?;
        }
        Some(DataRun {
            source,
            len: end - source.0,
            first_chunk: first.chunk,
            last_chunk: last.chunk,
        })
    }

    /// The chunks of this run have been useful now.
    pub(crate) fn used(&mut self, run: &DataRun) {
        for chunk in run.first_chunk..=run.last_chunk {
            let newest = self.clock;
            if let Some(held) = self.slots[slot(chunk)]
                .as_mut()
                .filter(|h| h.chunk == chunk)
                && held.used != newest
            {
                self.order.remove(&held.used);
                self.clock += 1;
                held.used = self.clock;
                self.order.insert(self.clock, chunk);
            }
        }
    }

    /// The place behind a run that lies wholly in held chunks: chunk and offset.
    pub(crate) fn place_behind(&self, run: &DataRun) -> Option<(u64, usize)> {
        let last = self.held(run.last_chunk)?;
        Some((last.chunk, (run.end() - last.data_offset.0) as usize))
    }

    fn drop_beyond_reach(&mut self, newest: u64, dropped: &mut Vec<Arc<Vec<u8>>>) {
        let floor = self.floor();
        while floor > 0 && self.oldest < newest {
            let slot = &mut self.slots[slot(self.oldest)];
            match slot {
                Some(held) if held.chunk == self.oldest && held.end() > floor => break,
                Some(held) if held.chunk == self.oldest => {
                    self.order.remove(&held.used);
                    self.bytes -= held.raw.len();
                    dropped.extend(slot.take().map(|held| held.raw));
                }
                _ => {}
            }
            self.oldest += 1;
        }
    }

    /// How many bytes before this place are within the reach; `None` if it is not itself.
    fn back_to_floor(&self, chunk: u64, offset: usize) -> Option<u64> {
        let at = self.held(chunk)?.data_offset.0 + offset as u64;
        at.checked_sub(self.floor())
    }

    fn held(&self, chunk: u64) -> Option<&Held> {
        self.slots[slot(chunk)]
            .as_ref()
            .filter(|h| h.chunk == chunk)
    }
}

impl Held {
    fn end(&self) -> u64 {
        self.data_offset.0 + self.raw.len() as u64
    }
}

fn slot(chunk: u64) -> usize {
    (chunk % MAX_HELD as u64) as usize
}

/// Length of the common start.
fn equal_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 32;
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP));
    let mut equal = STEP * steps.take_while(|(a, b)| a == b).count();
    equal += a[equal..]
        .iter()
        .zip(&b[equal..])
        .take_while(|(a, b)| a == b)
        .count();
    equal
}

/// Length of the common end.
fn equal_suffix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 32;
    let len = a.len().min(b.len());
    let (a, b) = (&a[a.len() - len..], &b[b.len() - len..]);
    let steps = a.rchunks_exact(STEP).zip(b.rchunks_exact(STEP));
    let equal = STEP * steps.take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..len - equal], &b[..len - equal]);
    equal
        + a.iter()
            .rev()
            .zip(b.iter().rev())
            .take_while(|(a, b)| a == b)
            .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(limit: usize, chunks: &[&[u8]]) -> History {
        let mut history = History::new(limit, u64::MAX);
        let mut data_offset = 0;
        for (number, raw) in chunks.iter().enumerate() {
            history.add(
                number as u64,
                DataOffset(data_offset),
                Arc::new(raw.to_vec()),
            );
            data_offset += raw.len() as u64;
        }
        history
    }

    #[test]
    fn comparing_goes_over_the_ends_of_chunks() {
        let history = history(100, &[b"abcdef", b"ghi", b"jklmno"]);
        assert_eq!(history.equal_forward(0, 4, b"efghijkX"), 7);
        assert_eq!(history.equal_forward(2, 4, b"nopq"), 2);
        assert_eq!(history.equal_backward(2, 2, b"Xefghijk"), 7);
        assert_eq!(history.equal_backward(0, 2, b"zzab"), 2);
        let run = history.run(2, 2, 7, 3).unwrap();
        assert_eq!((run.source.0, run.len), (4, 10));
        assert_eq!((run.first_chunk, run.last_chunk), (0, 2));
        assert_eq!(history.place_behind(&run), Some((2, 5)));
    }

    #[test]
    fn the_chunk_used_longest_ago_goes_first() {
        let mut history = history(12, &[b"aaaa", b"bbbb", b"cccc"]);
        let run = history.run(0, 0, 0, 4).unwrap();
        history.used(&run);
        let dropped = history.add(3, DataOffset(12), Arc::new(b"dddd".to_vec()));
        assert_eq!(
            dropped.iter().map(|raw| raw.as_slice()).collect::<Vec<_>>(),
            [b"bbbb"]
        );
        assert_eq!(history.equal_forward(0, 0, b"aaaa"), 4);
        assert_eq!(history.equal_forward(1, 0, b"bbbb"), 0);
        // Chunk 1 is gone: what begins in chunk 0 ends there.
        assert_eq!(history.equal_forward(0, 2, b"aabb"), 2);
        assert!(history.run(0, 2, 0, 4).is_none());
    }

    #[test]
    fn a_chunk_takes_the_slot_of_one_far_before_it() {
        let mut history = History::new(1000, u64::MAX);
        history.add(7, DataOffset(0), Arc::new(b"old".to_vec()));
        let later = 7 + MAX_HELD as u64;
        let dropped = history.add(later, DataOffset(3), Arc::new(b"new".to_vec()));
        assert_eq!(dropped.len(), 1);
        assert_eq!(history.chunk_in_slot(7), Some(later));
        assert_eq!(history.equal_forward(7, 0, b"old"), 0);
    }

    #[test]
    fn what_is_beyond_the_reach_is_neither_held_nor_found() {
        let mut history = History::new(100, 6);
        let mut dropped = Vec::new();
        for (number, raw) in [b"aaaa", b"bbbb", b"cccc", b"dddd"].into_iter().enumerate() {
            let place = DataOffset(4 * number as u64);
            dropped.extend(history.add(number as u64, place, Arc::new(raw.to_vec())));
        }
        assert_eq!(history.floor(), 10);
        assert_eq!(
            dropped,
            [b"aaaa", b"bbbb"].map(|raw| Arc::new(raw.to_vec()))
        );
        // Of the chunk in which the reach ends, its last bytes are found.
        assert_eq!(history.equal_forward(2, 1, b"cccdd"), 0);
        assert_eq!(history.equal_forward(2, 2, b"ccddX"), 4);
        assert_eq!(history.equal_backward(3, 1, b"ccccd"), 3);
        assert_eq!(history.equal_backward(2, 2, b"cc"), 0);
        assert_eq!(history.run(3, 1, 3, 3).map(|run| run.source.0), Some(10));
    }

    #[test]
    fn equal_ends_are_counted_exactly() {
        for len in 0..100 {
            let a = vec![7; 100];
            let mut b = a.clone();
            if len < 100 {
                b[len] = 8;
                b[99 - len] = 8;
            }
            let first = len.min(99 - len);
            assert_eq!(equal_prefix(&a, &b), first);
            assert_eq!(equal_suffix(&a, &b), first);
            assert_eq!(equal_prefix(&a[..first], &b), first);
            assert_eq!(equal_suffix(&a[100 - first..], &b), first);
        }
    }
}

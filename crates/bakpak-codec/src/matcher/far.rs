//! The far tier's table: where whole segments stand, however long ago.
//!
//! A segment is known by a keyed 128-bit hash: its GMAC (NIST SP 800-38D) under a random key of this
//! run. Whoever does not know the key cannot craft two segments with one hash, and the hashes never
//! leave the process. For segments of L bytes any two that differ have the same one with a
//! probability of L / 2^132 at most. The table has a fixed size and forgets the oldest.

use crate::aead::{Aead, DefaultAead, NONCE_LEN, TAG_LEN};
use crate::history::DataRun;
use bakpak_format::geometry::DataOffset;

/// Average segment length where the table suffices for all; above, it doubles with the total.
const MIN_AVERAGE: u64 = 32 * 1024;

/// Segments are never longer on average: the longest must fit into the writer's buffer.
const MAX_AVERAGE: u64 = 1 << 20;

/// Shortest distance of a grid's lines: a page of SQL Server's. Shorter segments find hardly more
/// (format-spec/rationale.md, "Matching").
const MIN_STEP: u64 = 8 * 1024;

/// Entries with one hash index.
const WAYS: usize = 4;

/// Memory for each entry: itself and two runs.
const ENTRY_MEMORY: usize = size_of::<Entry>() + RUNS_PER_ENTRY * size_of::<Run>();

const RUNS_PER_ENTRY: usize = 2;

/// A segment that lies in more places is not remembered: copying it would save little.
const MAX_RUNS: usize = 64;

/// Keyed hash of one segment.
pub(super) type SegmentHash = [u8; TAG_LEN];

/// Knows segments by their hash; without memory it knows none, and hashes nothing.
pub(super) struct FarTable {
    hasher: DefaultAead,
    average: u32,
    min_step: u32,
    sets: Vec<[Entry; WAYS]>,
    /// Runs of all segments, end to end, in a ring: overwriting them forgets the oldest.
    runs: Vec<Run>,
    capacity: u64,
    /// How many runs were ever put.
    put: u64,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    hash: SegmentHash,
    /// Number of its first run among all that were ever put, from 1; 0: the entry is empty.
    first_run: u64,
    run_count: u32,
}

/// A [`DataRun`], packed.
#[derive(Clone, Copy)]
struct Run {
    source: u64,
    len: u32,
    first_chunk: u32,
    chunk_span: u32,
}

impl FarTable {
    /// `memory` is what the table may take, `total_len` what will be packed, or how much of it can
    /// be copied from, if that is known.
    pub(super) fn new(key: &[u8; 32], memory: usize, total_len: Option<u64>) -> Self {
        if memory == 0 {
            return Self {
                hasher: DefaultAead::new(key),
                average: MIN_AVERAGE as u32,
                min_step: MIN_STEP as u32,
                sets: Vec::new(),
                runs: Vec::new(),
                capacity: 0,
                put: 0,
            };
        }
        let most = 1 << (memory / ENTRY_MEMORY).max(WAYS).ilog2();
        let average = (total_len.unwrap_or(0) / most as u64).clamp(MIN_AVERAGE, MAX_AVERAGE);
        let average = average.next_power_of_two();
        let min_step = (total_len.unwrap_or(0) / most as u64).clamp(MIN_STEP, MAX_AVERAGE);
        let min_step = min_step.next_power_of_two();
        // Nobody knows yet how much of it lies in grids; what is not used of the table is not touched.
        let shortest = average.min(min_step);
        let wanted = total_len.map_or(most as u64, |len| len.saturating_mul(2) / shortest);
        let len = (wanted as usize).next_power_of_two().clamp(WAYS, most);
        Self {
            hasher: DefaultAead::new(key),
            average: average as u32,
            min_step: min_step as u32,
            sets: vec![Default::default(); len / WAYS],
            runs: Vec::new(),
            capacity: (len * RUNS_PER_ENTRY) as u64,
            put: 0,
        }
    }

    /// Longest segment in bytes.
    pub(super) fn max_segment_len(&self) -> usize {
        self.average as usize * 4
    }

    /// Shortest segment in bytes, but for the last one of an entry.
    pub(super) fn min_segment_len(&self) -> usize {
        self.average as usize / 4
    }

    /// How far apart a grid's lines are at least, so that the table suffices.
    pub(super) fn min_step(&self) -> usize {
        self.min_step as usize
    }

    /// Anchors with a hash below this end segments.
    pub(super) fn cut_limit(&self) -> u32 {
        u32::MAX / self.average
    }

    /// `None` if there is no room for any.
    pub(super) fn hash(&self, segment: &[u8]) -> Option<SegmentHash> {
        if self.sets.is_empty() {
            return None;
        }
        // Nothing is sealed: the tag of the segment as AAD. One nonce serves all, since a universal
        // hash needs none, and tags that nobody sees forge nothing.
        let mut hash = SegmentHash::default();
        self.hasher.seal(&[0; NONCE_LEN], segment, &mut hash);
        Some(hash)
    }

    /// Where a segment stands, run by run, unless any of that is before `floor`.
    pub(super) fn look_up(
        &self,
        hash: &SegmentHash,
        floor: u64,
    ) -> Option<impl Iterator<Item = DataRun>> {
        let set = &self.sets[self.index(hash)];
        let entry = set
            .iter()
            .find(|entry| entry.hash == *hash && self.is_within(entry, floor))?;
        Some(self.runs_of(entry).map(Run::unpack))
    }

    /// Remembers where a new segment stands.
    pub(super) fn remember(&mut self, hash: SegmentHash, runs: &[DataRun], floor: u64) {
        let index = self.index(&hash);
        let known = self.sets[index].iter().position(|e| e.hash == hash);
        if known.is_some_and(|way| self.is_within(&self.sets[index][way], floor)) {
            // Of a repeat inside the open chunk the first place stays: it is committed sooner.
            return;
        }
        let packed: Option<Vec<Run>> = runs.iter().map(Run::pack).collect();
        let Some(packed) = packed.filter(|p| !p.is_empty() && p.len() <= MAX_RUNS) else {
            return;
        };
        let first_run = self.put + 1;
        for run in packed {
            self.put += 1;
            if (self.runs.len() as u64) < self.capacity {
                self.runs.push(run);
            } else {
                self.runs[((self.put - 1) % self.capacity) as usize] = run;
            }
        }
        // One that lies too far back now gives way to the same segment, nearer.
        let set = &mut self.sets[index];
        let oldest = (0..WAYS).min_by_key(|&way| set[way].first_run);
        if let Some(way) = known.or(oldest) {
            set[way] = Entry {
                hash,
                first_run,
                run_count: runs.len() as u32,
            };
        }
    }

    /// Whether an entry is known, and none of its runs begins before `floor`.
    fn is_within(&self, entry: &Entry, floor: u64) -> bool {
        self.is_known(entry) && self.runs_of(entry).all(|run| run.source >= floor)
    }

    /// Whether an entry's runs are still there.
    fn is_known(&self, entry: &Entry) -> bool {
        entry.first_run > 0 && self.put - (entry.first_run - 1) <= self.capacity
    }

    /// The runs of an entry that is known.
    fn runs_of(&self, entry: &Entry) -> impl Iterator<Item = Run> {
        let first = entry.first_run - 1;
        (first..first + u64::from(entry.run_count))
            .map(|number| self.runs[(number % self.capacity) as usize])
    }

    fn index(&self, hash: &SegmentHash) -> usize {
        let [a, b, c, d, ..] = *hash;
        u32::from_le_bytes([a, b, c, d]) as usize & (self.sets.len() - 1)
    }
}

impl Run {
    fn pack(run: &DataRun) -> Option<Self> {
        Some(Self {
            source: run.source.0,
            len: u32::try_from(run.len).ok()?,
            first_chunk: u32::try_from(run.first_chunk).ok()?,
            chunk_span: u32::try_from(run.last_chunk - run.first_chunk).ok()?,
        })
    }

    fn unpack(self) -> DataRun {
        DataRun {
            source: DataOffset(self.source),
            len: self.len.into(),
            first_chunk: self.first_chunk.into(),
            last_chunk: u64::from(self.first_chunk) + u64::from(self.chunk_span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u64) -> DataRun {
        DataRun {
            source: DataOffset(number * 1000),
            len: 10 + number,
            first_chunk: number,
            last_chunk: number + number % 2,
        }
    }

    fn found(table: &FarTable, hash: &SegmentHash) -> Vec<DataRun> {
        table.look_up(hash, 0).into_iter().flatten().collect()
    }

    #[test]
    fn a_segment_is_found_with_all_its_runs() {
        let mut table = FarTable::new(&[1; 32], 1 << 20, None);
        let (one, other) = (table.hash(b"one").unwrap(), table.hash(b"other").unwrap());
        assert_ne!(one, other);
        table.remember(one, &[run(1), run(2)], 0);
        assert_eq!(found(&table, &one), [run(1), run(2)]);
        assert!(table.look_up(&other, 0).is_none());
        // The first place stays.
        table.remember(one, &[run(3)], 0);
        assert_eq!(found(&table, &one), [run(1), run(2)]);
        table.remember(other, &vec![run(1); MAX_RUNS + 1], 0);
        assert!(table.look_up(&other, 0).is_none());
    }

    #[test]
    fn a_run_may_end_behind_the_last_chunk_in_which_one_may_begin() {
        let first_chunk = u32::MAX.into();
        let across = DataRun {
            first_chunk,
            last_chunk: first_chunk + 3,
            ..run(0)
        };
        assert_eq!(Run::pack(&across).map(Run::unpack), Some(across));
    }

    #[test]
    fn a_segment_that_lies_too_far_back_is_new_again() {
        let mut table = FarTable::new(&[1; 32], 1 << 20, None);
        let hash = [3; 16];
        table.remember(hash, &[run(2), run(1)], 0);
        assert!(table.look_up(&hash, 1000).is_some());
        assert!(table.look_up(&hash, 1001).is_none());
        table.remember(hash, &[run(5)], 1001);
        assert_eq!(found(&table, &hash), [run(5)]);
        let entries = table.sets.iter().flatten();
        assert_eq!(entries.filter(|entry| entry.first_run > 0).count(), 1);
    }

    #[test]
    fn without_memory_nothing_is_hashed() {
        let table = FarTable::new(&[1; 32], 0, Some(1 << 40));
        assert_eq!(table.hash(b"one"), None);
        assert_eq!(table.average, 32 << 10);
    }

    #[test]
    fn the_table_forgets_the_oldest() {
        let mut table = FarTable::new(&[1; 32], 1, None);
        let capacity = table.capacity;
        assert_eq!((table.sets.len(), capacity), (1, 8));
        let hashes: Vec<_> = (0..20_u8).map(|n| [n; 16]).collect();
        for (number, hash) in hashes.iter().enumerate() {
            table.remember(*hash, &[run(number as u64)], 0);
            let known = hashes.iter().filter(|h| table.look_up(h, 0).is_some());
            let known = known.count();
            assert_eq!(known, (number + 1).min(WAYS));
            assert_eq!(found(&table, hash), [run(number as u64)]);
        }
        // One segment of many runs pushes out all others.
        let many = [200; 16];
        table.remember(many, &[run(1); 8], 0);
        assert!(hashes.iter().all(|h| table.look_up(h, 0).is_none()));
        assert_eq!(found(&table, &many), [run(1); 8]);
    }

    #[test]
    fn the_average_grows_with_the_total_and_the_memory_does_not() {
        let table = |total| FarTable::new(&[0; 32], 40 << 20, Some(total));
        assert_eq!(table(1 << 30).average, 32 << 10);
        assert_eq!(table(1 << 36).average, 128 << 10);
        assert_eq!(table(u64::MAX).average, 1 << 20);
        assert_eq!(table(u64::MAX).sets.len() * WAYS, 1 << 19);
        assert!(table(1 << 30).sets.len() * WAYS <= 1 << 18);
    }

    #[test]
    fn the_lines_of_grids_stand_further_apart_where_the_table_would_not_suffice() {
        let step = |total| FarTable::new(&[0; 32], 40 << 20, total).min_step();
        assert_eq!(step(None), 8 << 10);
        assert_eq!(step(Some(4 << 30)), 8 << 10);
        assert_eq!(step(Some(5 << 30)), 16 << 10);
        assert_eq!(step(Some(32 << 30)), 64 << 10);
        assert_eq!(step(Some(u64::MAX)), 1 << 20);
        assert_eq!(
            FarTable::new(&[0; 32], 0, Some(1 << 40)).min_step(),
            8 << 10
        );
    }
}

//! What is found, over an output that keeps the data space and the stream in memory.

use super::*;
use crate::grids::Grids;
use crate::random::Random;
use crate::source::Grid;
use bakpak_format::geometry::DataOffset;
use std::sync::Arc;

const CHUNK_LEN: usize = 64 << 10;

/// Chunks of 64 KiB, their data, and what the stream looks like when it is put together again.
struct Assembled {
    data: Vec<u8>,
    /// Where the open chunk begins.
    open: usize,
    number: u64,
    history: History,
    stream: Vec<u8>,
    copies: Vec<DataRun>,
    zeros: u64,
    refuses: bool,
}

impl Assembled {
    fn new(history_len: usize) -> Self {
        Self::with_reach(history_len, u64::MAX)
    }

    fn with_reach(history_len: usize, copy_reach: u64) -> Self {
        Self {
            data: Vec::new(),
            open: 0,
            number: 0,
            history: History::new(history_len, copy_reach),
            stream: Vec::new(),
            copies: Vec::new(),
            zeros: 0,
            refuses: false,
        }
    }

    fn copied(&self) -> u64 {
        self.copies.iter().map(|run| run.len).sum()
    }
}

impl Output for Assembled {
    fn stream_offset(&self) -> StreamOffset {
        StreamOffset(self.stream.len() as u64)
    }

    fn history(&mut self) -> &mut History {
        &mut self.history
    }

    fn literal(&mut self, bytes: &[u8]) -> Result<(usize, DataPlace), PackError> {
        if self.data.len() - self.open == CHUNK_LEN {
            let raw = Arc::new(self.data[self.open..].to_vec());
            self.history
                .add(self.number, DataOffset(self.open as u64), raw);
            self.number += 1;
            self.open = self.data.len();
        }
        let place = DataPlace {
            chunk: self.number,
            offset: self.data.len() - self.open,
            data_offset: DataOffset(self.data.len() as u64),
        };
        let len = bytes.len().min(CHUNK_LEN - place.offset);
        self.data.extend_from_slice(&bytes[..len]);
        self.stream.extend_from_slice(&bytes[..len]);
        Ok((len, place))
    }

    fn copy(&mut self, run: &DataRun) -> Result<bool, PackError> {
        let beyond = run.source.0 < self.history.floor();
        if self.refuses || beyond || run.end() > self.open as u64 {
            return Ok(false);
        }
        // The chunks said to be touched are those that are: all but the last are full.
        let first = run.source.0 / CHUNK_LEN as u64;
        let last = (run.end() - 1) / CHUNK_LEN as u64;
        assert!(
            run.first_chunk <= first && run.last_chunk >= last,
            "{run:?}"
        );
        let range = run.source.0 as usize..run.end() as usize;
        self.stream.extend_from_slice(&self.data[range]);
        self.copies.push(*run);
        Ok(true)
    }

    fn zero(&mut self, len: u64) -> Result<(), PackError> {
        self.stream.resize(self.stream.len() + len as usize, 0);
        self.zeros += len;
        Ok(())
    }
}

fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Random::seeded(seed.as_bytes()).fill(&mut bytes).unwrap();
    bytes
}

fn matcher(history_len: usize) -> Matcher {
    matcher_of(history_len, 1 << 20)
}

fn matcher_of(history_len: usize, table_memory: usize) -> Matcher {
    let settings = MatcherSettings {
        history_len,
        table_memory,
        total_len: None,
    };
    Matcher::new(&[1; 32], settings)
}

/// Puts each entry in buffers of at most `step` bytes; what comes out must be what went in.
fn put_in_steps(
    matcher: &mut Matcher,
    output: &mut Assembled,
    content: &[u8],
    large: bool,
    step: usize,
) {
    let stretches: &[_] = match large {
        true => &[(0..content.len(), None)],
        false => &[],
    };
    put_stretches(matcher, output, content, stretches, step);
}

/// The same with stretches that are cut each in its own way.
fn put_stretches(
    matcher: &mut Matcher,
    output: &mut Assembled,
    content: &[u8],
    stretches: &[(Range<usize>, Option<GridPlace>)],
    step: usize,
) {
    let before = output.stream.len();
    let mut from = 0;
    while from < content.len() {
        let to = content.len().min(from + step);
        let more = if to < content.len() {
            More::Yes
        } else {
            More::No
        };
        let buffer = &content[from..to];
        let here = stretches.iter().filter_map(|(range, place)| {
            let start = range.start.max(from);
            let place = place.map(|place| place.plus(start - range.start));
            let range = start - from..range.end.min(to).checked_sub(from)?;
            (range.start < range.end).then_some(Stretch { range, place })
        });
        let here: Vec<_> = here.collect();
        from += matcher.place(buffer, &here, more, output).unwrap();
    }
    assert!(output.stream[before..] == *content);
}

fn put(matcher: &mut Matcher, output: &mut Assembled, content: &[u8], large: bool) {
    put_in_steps(matcher, output, content, large, 1 << 20);
}

#[test]
fn a_repeat_within_the_history_is_copied_whatever_stands_around_it() {
    let content = noise("near", 300_000);
    for large in [false, true] {
        let (mut matcher, mut output) = (matcher(1 << 20), Assembled::new(1 << 20));
        put(&mut matcher, &mut output, &content, large);
        put(
            &mut matcher,
            &mut output,
            b"something else, 31 bytes long..",
            false,
        );
        let shifted = [b"shifted".as_slice(), &content[100_000..220_000], b"!"].concat();
        put(&mut matcher, &mut output, &shifted, false);
        // Found at the first anchor and extended both ways: to the very byte.
        assert_eq!(output.copied(), 120_000, "{:?}", output.copies);
    }
}

#[test]
fn changed_bytes_split_a_copy_and_nothing_more() {
    let content = noise("changed", 200_000);
    let (mut matcher, mut output) = (matcher(1 << 20), Assembled::new(1 << 20));
    put(&mut matcher, &mut output, &content, false);
    let mut changed = content.clone();
    for place in [20_000, 60_000, 110_000] {
        changed[place] ^= 1;
    }
    put(&mut matcher, &mut output, &changed[..130_000], false);
    assert_eq!(output.copied(), 130_000 - 3);
}

#[test]
fn a_copy_goes_on_over_the_ends_of_buffers() {
    let content = noise("buffers", 180_000);
    let (mut matcher, mut output) = (matcher(1 << 20), Assembled::new(1 << 20));
    put(&mut matcher, &mut output, &content, false);
    let data_len = output.data.len();
    put_in_steps(&mut matcher, &mut output, &content[..128_000], false, 1000);
    // The first buffer may have to wait for an anchor; then all goes on.
    assert!(
        output.data.len() - data_len < 2000,
        "{}",
        output.data.len() - data_len
    );
}

#[test]
fn what_the_history_has_lost_is_found_by_segments() {
    let content = noise("far", 400_000);
    let (mut matcher, mut output) = (matcher(256 << 10), Assembled::new(256 << 10));
    put(&mut matcher, &mut output, &content, true);
    put(
        &mut matcher,
        &mut output,
        &noise("between", 2_000_000),
        true,
    );
    assert_eq!(output.copied(), 0);
    put(
        &mut matcher,
        &mut output,
        &[b"inserted".as_slice(), &content].concat(),
        true,
    );
    assert!(output.copied() > 300_000, "{}", output.copied());
    // A copy of a copy leads to the same data.
    let before = output.data.len();
    put(
        &mut matcher,
        &mut output,
        &noise("between again", 2_000_000),
        true,
    );
    put(&mut matcher, &mut output, &content, true);
    assert!(output.data.len() - before - 2_000_000 < 80_000);
}

#[test]
fn a_segment_that_is_a_patchwork_is_found_with_all_its_runs() {
    let old = noise("old", 256 << 10);
    let (mut matcher, mut output) = (matcher(1 << 20), Assembled::new(1 << 20));
    put(&mut matcher, &mut output, &old, false);
    let fresh = noise("fresh", 60_000);
    let patchwork: Vec<u8> = (0..40)
        .flat_map(|i| {
            [
                &old[i * 4000..i * 4000 + 1200],
                &fresh[i * 1500..(i + 1) * 1500],
            ]
            .concat()
        })
        .collect();
    put(&mut matcher, &mut output, &patchwork, true);
    assert!(output.copies.len() > 20, "{}", output.copies.len());
    put(
        &mut matcher,
        &mut output,
        &noise("between", 3_000_000),
        true,
    );
    let before = output.copied();
    put(&mut matcher, &mut output, &patchwork, true);
    assert_eq!(output.copied() - before, patchwork.len() as u64);
}

#[test]
fn zeros_in_large_entries_are_zeros_and_cost_nothing() {
    let (mut matcher, mut output) = (matcher(1 << 20), Assembled::new(1 << 20));
    put(&mut matcher, &mut output, &vec![0; 3_000_000], true);
    assert_eq!((output.zeros, output.data.len()), (3_000_000, 0));
    // In small ones they are data like any other.
    put(&mut matcher, &mut output, &[0; 5000], false);
    assert_eq!(output.data.len(), 5000);
}

#[test]
fn an_output_that_refuses_copies_gets_everything_as_data() {
    let content = noise("refused", 300_000);
    let (mut matcher, mut output) = (matcher(1 << 20), Assembled::new(1 << 20));
    output.refuses = true;
    for _ in 0..3 {
        put(&mut matcher, &mut output, &content, true);
    }
    assert_eq!(output.data.len(), 900_000);
}

#[test]
fn nothing_is_copied_from_beyond_the_reach() {
    let content = noise("reach", 600_000);
    let (mut matcher, mut output) = (matcher(1 << 20), Assembled::with_reach(1 << 20, 200_000));
    put(&mut matcher, &mut output, &content, true);
    // The first half is out of reach; of the second, what is in it is found to the chunk's start.
    put(&mut matcher, &mut output, &content, false);
    assert_eq!(output.copied(), 0, "{:?}", output.copies);
    let floor = output.history.floor() as usize;
    let data_len = output.data.len();
    let tail = &content[floor - 600_000 - 5_000..][..105_000];
    put(&mut matcher, &mut output, tail, false);
    assert_eq!(output.copied(), 100_000);
    assert_eq!(output.data.len() - data_len, 5_000);
}

#[test]
fn a_segment_beyond_the_reach_is_remembered_where_it_stands_now() {
    let content = noise("nearer", 200_000);
    let mut matcher = matcher_of(0, 1 << 20);
    let mut output = Assembled::with_reach(0, 1_000_000);
    for (before, copies) in [(0, false), (1_000_000, false), (500_000, true)] {
        put(
            &mut matcher,
            &mut output,
            &noise(&before.to_string(), before),
            true,
        );
        put(&mut matcher, &mut output, &content, true);
        // The third time what the second time brought is in reach, the first time's is not.
        assert_eq!(output.copied() > 120_000, copies, "{}", output.copied());
    }
}

#[test]
fn each_tier_can_be_left_out() {
    let content = noise("tiers", 300_000);
    let repeat = [b"shifted".as_slice(), &content].concat();
    for (history_len, table_memory) in [(0, 1 << 20), (1 << 20, 0)] {
        let (mut matcher, mut output) = (
            matcher_of(history_len, table_memory),
            Assembled::new(history_len),
        );
        put(&mut matcher, &mut output, &content, true);
        put(&mut matcher, &mut output, &repeat, true);
        assert!(output.copied() > 200_000, "{}", output.copied());
        put(&mut matcher, &mut output, &vec![0; 1_000_000], true);
        assert!(output.zeros > 900_000, "{}", output.zeros);
    }
}

#[test]
fn segments_have_the_average_length_and_move_with_insertions() {
    let mut matcher = matcher(1 << 20);
    let content = noise("segments", 4 << 20);
    let mut cuts = |content: &[u8]| {
        matcher.finder.find(content, &mut matcher.anchors);
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < content.len() {
            at += matcher
                .segment_len(content, at..content.len(), None, false)
                .unwrap();
            cuts.push(content.len() - at);
        }
        cuts
    };
    let before = cuts(&content);
    assert!((75..200).contains(&before.len()), "{}", before.len());
    let after = cuts(&[b"inserted".as_slice(), &content].concat());
    let shared = after.iter().filter(|cut| before.contains(cut)).count();
    assert!(shared + 3 >= before.len(), "{shared} of {}", before.len());
}

#[test]
fn cuts_do_not_depend_on_how_much_is_in_sight() {
    let mut matcher = matcher(1 << 20);
    let content = noise("arrival", 200_000);
    matcher.finder.find(&content, &mut matcher.anchors);
    let whole = matcher
        .segment_len(&content, 0..content.len(), None, true)
        .unwrap();
    for seen in (0..whole + 9).step_by(13) {
        matcher.finder.find(&content[..seen], &mut matcher.anchors);
        let part = matcher.segment_len(&content[..seen], 0..seen, None, true);
        assert!(part.is_none() || part == Some(whole), "{seen}");
    }
}

const UNIT: usize = 8 << 10;

/// The start of a grid of units.
fn pages() -> Option<GridPlace> {
    let grid = Grid {
        offset: 0,
        len: u64::MAX,
        unit_len: UNIT as u32,
        group_len: 8 * UNIT as u32,
    };
    Grids::new(vec![grid]).stretch_at(0, 1).1
}

#[test]
fn in_a_grid_a_changed_unit_costs_itself_wherever_the_grid_begins() {
    let old = noise("units", 40 * UNIT);
    let mut new = old.clone();
    for unit in [3, 17, 18, 39] {
        new[unit * UNIT + 100] ^= 1;
    }
    for step in [256 << 10, 200_001, 40_000] {
        // Without the near tier, so that only segments are found.
        let mut matcher = matcher_of(0, 1 << 20);
        let mut output = Assembled::new(0);
        for (lead, content) in [(0, &old), (7656, &new)] {
            let before = output.data.len();
            let whole = [&noise("lead", lead), content.as_slice()].concat();
            let stretches = [(0..lead, None), (lead..whole.len(), pages())];
            put_stretches(&mut matcher, &mut output, &whole, &stretches, step);
            let added = output.data.len() - before;
            match lead {
                0 => assert_eq!(added, old.len()),
                _ => assert_eq!(added, lead + 4 * UNIT),
            }
        }
    }
}

#[test]
fn in_a_grid_units_are_found_in_another_order() {
    let old = noise("order", 32 * UNIT);
    let (mut matcher, mut output) = (matcher_of(0, 1 << 20), Assembled::new(0));
    let put = |matcher: &mut Matcher, output: &mut Assembled, content: &[u8]| {
        let stretches = [(0..content.len(), pages())];
        put_stretches(matcher, output, content, &stretches, 1 << 20);
    };
    put(&mut matcher, &mut output, &old);
    put(
        &mut matcher,
        &mut output,
        &noise("the chunk is closed", 8 * UNIT),
    );
    let data_len = output.data.len();
    // As a differential has them: every other one.
    let some: Vec<u8> = old.chunks(UNIT).step_by(2).flatten().copied().collect();
    put(&mut matcher, &mut output, &some);
    assert_eq!(output.data.len(), data_len);
}

#[test]
fn where_units_are_too_short_or_too_long_anchors_decide() {
    let content = noise("no grid", 300_000);
    let cuts = |unit_len: u32, group_len: u32| {
        let grid = Grid {
            offset: 0,
            len: u64::MAX,
            unit_len,
            group_len,
        };
        let mut matcher = matcher(1 << 20);
        matcher.finder.find(&content, &mut matcher.anchors);
        let (_, place) = Grids::new(vec![grid]).stretch_at(0, 1);
        matcher.segment_len(&content, 0..content.len(), place, false)
    };
    let anchored = cuts(0, 0);
    assert_eq!(cuts(1, 1), anchored);
    assert_eq!(cuts(7, 64 << 10), anchored);
    assert_eq!(cuts(256 << 10, 256 << 10), anchored);
    assert_eq!(cuts(u32::MAX, u32::MAX), anchored);
    // Short units are taken together.
    assert_eq!(cuts(512, 64 << 10), Some(8 << 10));
    assert_eq!(cuts(32 << 10, 64 << 10), Some(32 << 10));
}

//! Finds what stands in the data space already: what becomes COPY and ZERO.
//!
//! Two tiers (format-spec/rationale.md, "Matching"). The near one compares all data, byte by byte,
//! with the raw bytes of recent chunks; the far one knows whole segments anywhere in the archive
//! by their hash. Both start at anchors, places that the content itself chooses, so that an
//! insertion moves them with it. The decoder knows nothing of all this.

use crate::error::PackError;
use crate::grids::GridPlace;
use crate::history::{DataPlace, DataRun, History};
use anchors::{AnchorFinder, hash_at};
use bakpak_format::geometry::StreamOffset;
use far::{FarTable, SegmentHash};
use near::{FINGERPRINT_LEN, NearTable, fingerprint};
use std::ops::Range;

pub(crate) use stretch::Stretch;

mod anchors;
mod far;
mod near;
mod stretch;
#[cfg(test)]
mod tests;

/// Entries below this size are not cut into segments: those would cost more than they save.
pub(crate) const MIN_ENTRY_LEN: u64 = 64 * 1024;

/// Shorter copies are not worth their instruction and the reader's jump.
const MIN_COPY_LEN: usize = 256;

/// Going on with the last copy saves from this length on.
const MIN_CONTINUED_LEN: usize = 32;

/// From this length on, a copy says that its source is of use.
const USEFUL_LEN: u64 = 512;

/// Anchors that are searched or entered stand so far apart: bounds the work on crafted content.
const SPACING: usize = 16;

/// Where what was found goes: the chunks.
pub(crate) trait Output {
    /// Where the next byte will stand in the stream.
    fn stream_offset(&self) -> StreamOffset;

    /// The chunks whose raw bytes are at hand.
    fn history(&mut self) -> &mut History;

    /// Puts new bytes, as many as the open chunk takes; says how many, and where they begin.
    fn literal(&mut self, bytes: &[u8]) -> Result<(usize, DataPlace), PackError>;

    /// Puts a copy; `false` if that is not allowed: then none was put, though the open chunk may have
    /// ended.
    fn copy(&mut self, run: &DataRun) -> Result<bool, PackError>;

    /// Puts zeros.
    fn zero(&mut self, len: u64) -> Result<(), PackError>;
}

/// How much memory matching may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatcherSettings {
    /// Raw bytes of recent chunks that the near tier compares with; 0: there is no near tier.
    pub(crate) history_len: usize,
    /// The far tier's table; 0: there is no far tier.
    pub(crate) table_memory: usize,
    /// What will be packed, or how much of it can be copied from, if that is known.
    pub(crate) total_len: Option<u64>,
}

/// Finds copies in the stream, buffer by buffer.
pub(crate) struct Matcher {
    finder: AnchorFinder,
    near: Option<NearTable>,
    far: FarTable,
    /// Anchors in the buffer.
    anchors: Vec<u32>,
    /// Anchors with their fingerprints that are entered if they turn out to be literal.
    searched: Vec<(usize, u64)>,
    /// Where the bytes of the buffer stand, as far as they are placed.
    placed: Vec<(usize, DataRun)>,
    last_copy: Option<LastCopy>,
}

/// The end of a copy, in the stream and at its source.
struct LastCopy {
    stream_end: StreamOffset,
    chunk: u64,
    offset: usize,
}

/// Whether content may follow what is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    Yes,
    No,
}

impl Matcher {
    /// `key` is random for each run, and secret.
    pub(crate) fn new(key: &[u8; 32], settings: MatcherSettings) -> Self {
        Self {
            finder: AnchorFinder::new(),
            near: (settings.history_len > 0).then(|| NearTable::new(settings.history_len)),
            far: FarTable::new(key, settings.table_memory, settings.total_len),
            anchors: Vec::new(),
            searched: Vec::new(),
            placed: Vec::new(),
            last_copy: None,
        }
    }

    /// Longest segment in bytes: a buffer of at least this holds a whole one.
    pub(crate) fn max_segment_len(&self) -> usize {
        self.far.max_segment_len()
    }

    /// Places what is in the buffer and returns how much that was; the rest belongs in front of
    /// what comes next. `large` are the stretches of it that belong to large entries; the last one
    /// goes on behind the buffer if there is `more`.
    pub(crate) fn place(
        &mut self,
        buffer: &[u8],
        large: &[Stretch],
        more: More,
        output: &mut impl Output,
    ) -> Result<usize, PackError> {
        self.finder.find(buffer, &mut self.anchors);
        self.placed.clear();
        let mut new = Vec::new();
        let mut done = 0;
        let mut end = buffer.len();
        for stretch in large {
            let Range { start, end: stop } = stretch.range;
            let goes_on = more == More::Yes && stop == buffer.len();
            let mut at = start;
            while at < stop {
                let place = stretch.place_at(at);
                let Some(len) = self.segment_len(buffer, at..stop, place, goes_on) else {
                    end = at;
                    break;
                };
                let segment = at..at + len;
                match self.find(buffer, segment.clone(), done, output)? {
                    Found::Placed => done = segment.end,
                    Found::New(Some(hash)) => new.push((hash, segment.clone())),
                    Found::New(None) => {}
                }
                at = segment.end;
            }
        }
        self.place_near(buffer, done..end, output)?;
        let floor = output.history().floor();
        for (hash, segment) in new {
            let runs = self.runs_of(segment);
            self.far.remember(hash, &runs, floor);
        }
        Ok(end)
    }

    /// Length of the segment at the start of the stretch: to the next line of its grid, without one to
    /// the first cut behind the shortest length. `None` if none is in sight and more content will come.
    fn segment_len(
        &self,
        buffer: &[u8],
        stretch: Range<usize>,
        place: Option<GridPlace>,
        goes_on: bool,
    ) -> Option<usize> {
        let in_grid = place
            .and_then(|place| place.segment_len(self.far.min_step(), self.far.max_segment_len()));
        if let Some(len) = in_grid {
            return match len <= stretch.len() {
                true => Some(len),
                false if goes_on => None,
                false => Some(stretch.len()),
            };
        }
        let first = stretch.start + self.far.min_segment_len();
        let longest = stretch.start + self.far.max_segment_len();
        let from = self
            .anchors
            .partition_point(|&anchor| (anchor as usize) < first);
        let limit = self.far.cut_limit();
        let cut = self.anchors[from..]
            .iter()
            .map(|&anchor| anchor as usize)
            .take_while(|&anchor| anchor < stretch.end.min(longest))
            .find(|&anchor| hash_at(buffer, anchor) < limit);
        match cut {
            Some(cut) => Some(cut - stretch.start),
            None if longest <= stretch.end => Some(self.far.max_segment_len()),
            None if goes_on => None,
            None => Some(stretch.len()),
        }
    }

    /// Places a segment that is known, or all zeros, and before it what is not placed yet.
    fn find(
        &mut self,
        buffer: &[u8],
        segment: Range<usize>,
        done: usize,
        output: &mut impl Output,
    ) -> Result<Found, PackError> {
        let content = &buffer[segment.clone()];
        if is_zero(content) {
            self.place_near(buffer, done..segment.start, output)?;
            output.zero(content.len() as u64)?;
            return Ok(Found::Placed);
        }
        let Some(hash) = self.far.hash(content) else {
            return Ok(Found::New(None));
        };
        let floor = output.history().floor();
        let runs: Option<Vec<DataRun>> = self.far.look_up(&hash, floor).map(Iterator::collect);
        let Some(runs) = runs else {
            return Ok(Found::New(Some(hash)));
        };
        self.place_near(buffer, done..segment.start, output)?;
        let mut at = segment.start;
        for run in runs {
            let end = at + run.len as usize;
            if output.copy(&run)? {
                self.placed.push((at, run));
            } else {
                self.place_near(buffer, at..end, output)?;
            }
            at = end;
        }
        Ok(Found::Placed)
    }

    /// Places a stretch of the buffer: copies from recent chunks, literals between them.
    fn place_near(
        &mut self,
        buffer: &[u8],
        stretch: Range<usize>,
        output: &mut impl Output,
    ) -> Result<(), PackError> {
        let end = stretch.end;
        let mut literal = stretch.start;
        self.searched.clear();
        if self.near.is_none() {
            return self.literal(buffer, stretch, output);
        }
        if let Some(len) = self.go_on(&buffer[stretch.clone()], literal, output)? {
            literal += len;
        }
        let mut search_from = literal;
        let mut index = self
            .anchors
            .partition_point(|&anchor| (anchor as usize) < literal);
        while let Some(&anchor) = self.anchors.get(index) {
            index += 1;
            let anchor = anchor as usize;
            if anchor < search_from {
                continue;
            }
            let Some(window) = buffer[..end].get(anchor..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            search_from = anchor + SPACING;
            let fingerprint = fingerprint(window);
            let history = output.history();
            let Some((back, run)) =
                self.compare(fingerprint, buffer, anchor, literal..end, history)
            else {
                self.searched.push((anchor, fingerprint));
                continue;
            };
            let start = anchor - back;
            self.literal(buffer, literal..start, output)?;
            literal = start;
            if self.copy(start, run, output)? {
                literal = start + run.len as usize;
                search_from = literal;
            }
        }
        self.literal(buffer, literal..end, output)
    }

    /// Goes on with the last copy if it ended here and the same bytes follow at its source.
    fn go_on(
        &mut self,
        bytes: &[u8],
        start: usize,
        output: &mut impl Output,
    ) -> Result<Option<usize>, PackError> {
        let Some(last) = self.last_copy.take() else {
            return Ok(None);
        };
        if last.stream_end != output.stream_offset() {
            return Ok(None);
        }
        let history = output.history();
        let len = history.equal_forward(last.chunk, last.offset, bytes);
        match history.run(last.chunk, last.offset, 0, len) {
            Some(run) if len >= MIN_CONTINUED_LEN && self.copy(start, run, output)? => {
                Ok(Some(len))
            }
            _ => Ok(None),
        }
    }

    /// Compares around an anchor with where its fingerprint was seen last; bytes before the anchor
    /// that are equal, and the run, if it is long enough. Raw bytes decide: a hash is never
    /// believed.
    fn compare(
        &self,
        fingerprint: u64,
        buffer: &[u8],
        anchor: usize,
        stretch: Range<usize>,
        history: &History,
    ) -> Option<(usize, DataRun)> {
        let (chunk, offset) = self.near.as_ref()?.candidate(fingerprint, history)?;
        let forward = history.equal_forward(chunk, offset, &buffer[anchor..stretch.end]);
        if forward < FINGERPRINT_LEN {
            return None;
        }
        let back = history.equal_backward(chunk, offset, &buffer[stretch.start..anchor]);
        if back + forward < MIN_COPY_LEN {
            return None;
        }
        Some((back, history.run(chunk, offset, back, forward)?))
    }

    fn copy(
        &mut self,
        start: usize,
        run: DataRun,
        output: &mut impl Output,
    ) -> Result<bool, PackError> {
        if !output.copy(&run)? {
            return Ok(false);
        }
        self.placed.push((start, run));
        let stream_end = output.stream_offset();
        let history = output.history();
        if run.len >= USEFUL_LEN {
            history.used(&run);
        }
        self.last_copy = history.place_behind(&run).map(|(chunk, offset)| LastCopy {
            stream_end,
            chunk,
            offset,
        });
        Ok(true)
    }

    /// Puts new bytes, and enters the anchors in them.
    fn literal(
        &mut self,
        buffer: &[u8],
        stretch: Range<usize>,
        output: &mut impl Output,
    ) -> Result<(), PackError> {
        let mut at = stretch.start;
        let mut searched = self.searched.iter().peekable();
        while at < stretch.end {
            let (len, place) = output.literal(&buffer[at..stretch.end])?;
            while let Some(&(anchor, fingerprint)) = searched.next_if(|(a, _)| *a < at + len) {
                if let Some(near) = &mut self.near {
                    near.enter(fingerprint, place.plus(anchor - at));
                }
            }
            self.placed.push((at, place.run(len)));
            at += len;
        }
        self.searched.clear();
        Ok(())
    }

    /// Where a stretch of the buffer stands now; nothing if parts of it are zeros.
    fn runs_of(&self, stretch: Range<usize>) -> Vec<DataRun> {
        let end_of = |(at, run): &(usize, DataRun)| at + run.len as usize;
        let first = self
            .placed
            .partition_point(|placed| end_of(placed) <= stretch.start);
        let runs: Vec<DataRun> = self.placed[first..]
            .iter()
            .take_while(|(at, _)| *at < stretch.end)
            .map(|placed| {
                let (at, run) = placed;
                let skipped = stretch.start.saturating_sub(*at);
                let len = end_of(placed).min(stretch.end) - at - skipped;
                DataRun {
                    source: run.source.plus(skipped as u64),
                    len: len as u64,
                    ..*run
                }
            })
            .collect();
        if runs.iter().map(|run| run.len).sum::<u64>() == stretch.len() as u64 {
            runs
        } else {
            Vec::new()
        }
    }
}

/// What became of a segment.
enum Found {
    Placed,
    /// It is not known; it is still to be placed. Its hash, if there is room to remember it.
    New(Option<SegmentHash>),
}

fn is_zero(bytes: &[u8]) -> bool {
    // The first bytes decide almost always; the rest is compared with itself shifted.
    bytes.first() == Some(&0) && bytes[1..] == bytes[..bytes.len() - 1]
}

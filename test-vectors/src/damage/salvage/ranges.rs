//! Ranges of bytes, and what of them is in others.

use std::ops::Range;

/// How many bytes it has.
pub(super) fn len_of(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// In order, joined where they touch, and none of them empty.
pub(super) fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// What of the ranges is inside.
pub(super) fn clip(ranges: &[Range<u64>], within: &Range<u64>) -> Vec<Range<u64>> {
    let inside = |range: &Range<u64>| range.start.max(within.start)..range.end.min(within.end);
    let mut clipped: Vec<_> = ranges.iter().map(inside).collect();
    clipped.retain(|range| !range.is_empty());
    clipped
}

/// What of a range is in none of the others.
pub(super) fn without(range: &Range<u64>, others: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut at, mut gaps) = (range.start, Vec::new());
    for other in merged(clip(others, range)) {
        gaps.push(at..other.start);
        at = other.end;
    }
    gaps.push(at..range.end);
    merged(gaps)
}

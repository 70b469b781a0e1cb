//! Finds whole segments that stand elsewhere in the data space: what becomes COPY and ZERO.
//!
//! Content is cut into segments at anchors that the content itself chooses, so that an insertion
//! moves the cuts with it. A segment is known by a keyed 128-bit hash: keyed with a random key of
//! this run, so that nobody can craft two segments with one hash. The table has a fixed size and
//! forgets the oldest. The decoder knows nothing of all this.

use std::collections::{HashMap, VecDeque};

/// Entries below this size are not searched: their segments would cost more than they save.
pub(crate) const MIN_ENTRY_LEN: u64 = 64 * 1024;

/// How many segments the table holds (format-spec/rationale.md, "Segments").
const TABLE_LEN: usize = 1 << 19;

/// Average segment length for sources of up to 16 GiB; above, it doubles with the total.
const MIN_AVERAGE: u64 = 32 * 1024;

/// How a stretch of content is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is new.
    New(SegmentHash),
    /// It is all zeros.
    Zeros,
    /// It stands at this place of the data space already.
    Known(u64),
}

/// Keyed hash of one segment.
pub(crate) type SegmentHash = [u8; 16];

/// Where the last known copy of each recent segment stands.
pub(crate) struct Matcher {
    key: [u8; 32],
    average: u32,
    known: HashMap<SegmentHash, u64>,
    order: VecDeque<SegmentHash>,
    capacity: usize,
}

impl Matcher {
    /// `key` is random for each run; `total_len` is what will be packed, if that is known.
    pub(crate) fn new(key: [u8; 32], total_len: Option<u64>) -> Self {
        let wanted = total_len.unwrap_or(0) / TABLE_LEN as u64;
        let average = wanted.max(MIN_AVERAGE).next_power_of_two().min(1 << 20);
        Self {
            key,
            average: u32::try_from(average).expect("at most 1 MiB"),
            known: HashMap::new(),
            order: VecDeque::new(),
            capacity: TABLE_LEN,
        }
    }

    /// Longest segment in bytes; a buffer of twice that always holds a whole one.
    pub(crate) fn max_segment_len(&self) -> usize {
        self.average as usize * 4
    }

    /// Length of the segment at the start of `content`: to the first anchor behind the minimum.
    ///
    /// `None` if no anchor is in sight and more content may come.
    pub(crate) fn segment_len(&self, content: &[u8], more: More) -> Option<usize> {
        let min = self.average as usize / 4;
        let max = self.max_segment_len();
        let window = &content[..content.len().min(max)];
        match first_anchor(window, min, u32::MAX / self.average) {
            Some(len) => Some(len),
            None if window.len() == max => Some(max),
            None if more == More::No => Some(window.len()),
            None => None,
        }
    }

    /// Looks a segment up. `committed` is the data offset before which COPY may read.
    pub(crate) fn look_up(&self, segment: &[u8], committed: u64) -> Found {
        if is_zero(segment) {
            return Found::Zeros;
        }
        let mut hash = SegmentHash::default();
        let full = blake3::keyed_hash(&self.key, segment);
        hash.copy_from_slice(&full.as_bytes()[..16]);
        match self.known.get(&hash) {
            Some(&place) if place + segment.len() as u64 <= committed => Found::Known(place),
            _ => Found::New(hash),
        }
    }

    /// Remembers that a new segment now stands at `place` of the data space.
    pub(crate) fn remember(&mut self, hash: SegmentHash, place: u64) {
        if self.known.contains_key(&hash) {
            // A repeat inside the open chunk: the first place stays, it is the nearer to being
            // committed.
            return;
        }
        if self.order.len() == self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(hash, place);
        self.order.push_back(hash);
    }
}

/// Whether content may follow what is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    Yes,
    No,
}

/// First position at or behind `min` whose 8 bytes hash below `limit` (no rolling state, so that
/// a vector version can look at any part alone).
fn first_anchor(content: &[u8], min: usize, limit: u32) -> Option<usize> {
    let rest = content.get(min..)?;
    rest.windows(8)
        .position(|w| anchor_hash(w) < limit)
        .map(|p| p + min)
}

/// The additive constant keeps zeros from being anchors.
fn anchor_hash(window: &[u8]) -> u32 {
    let low = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
    let high = u32::from_le_bytes([window[4], window[5], window[6], window[7]]);
    low.wrapping_mul(0x9E37_79B1)
        .wrapping_add(high.wrapping_mul(0x85EB_CA77))
        .wrapping_add(0x6C62_272E)
}

fn is_zero(bytes: &[u8]) -> bool {
    // The first bytes decide almost always; the rest is compared with itself shifted.
    bytes.first() == Some(&0) && bytes[1..] == bytes[..bytes.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn noise(seed: &str, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        Random::seeded(seed.as_bytes()).fill(&mut bytes).unwrap();
        bytes
    }

    fn segments<'a>(matcher: &Matcher, mut content: &'a [u8]) -> Vec<&'a [u8]> {
        let mut all = Vec::new();
        while !content.is_empty() {
            let len = matcher.segment_len(content, More::No).unwrap();
            let (segment, rest) = content.split_at(len);
            all.push(segment);
            content = rest;
        }
        all
    }

    #[test]
    fn segments_have_the_average_length_and_move_with_insertions() {
        let matcher = Matcher::new([0; 32], None);
        let content = noise("content", 8 << 20);
        let before = segments(&matcher, &content);
        assert!((150..400).contains(&before.len()), "{}", before.len());
        let inserted = [b"inserted".as_slice(), &content].concat();
        let after = segments(&matcher, &inserted);
        let shared = after.iter().filter(|s| before.contains(s)).count();
        assert!(shared + 3 >= before.len(), "{shared} of {}", before.len());
    }

    #[test]
    fn a_segment_is_found_only_when_it_is_committed() {
        let mut matcher = Matcher::new([1; 32], None);
        let segment = noise("segment", 40_000);
        let Found::New(hash) = matcher.look_up(&segment, 0) else {
            panic!("never seen")
        };
        matcher.remember(hash, 1000);
        assert_eq!(matcher.look_up(&segment, 40_999), Found::New(hash));
        assert_eq!(matcher.look_up(&segment, 41_000), Found::Known(1000));
        assert_eq!(matcher.look_up(&[0; 9000], 0), Found::Zeros);
        assert!(matches!(matcher.look_up(&[1; 9000], 0), Found::New(_)));
    }

    #[test]
    fn the_table_forgets_the_oldest() {
        let mut matcher = Matcher::new([1; 32], None);
        matcher.capacity = 2;
        for place in 0..3_u8 {
            matcher.remember([place; 16], u64::from(place));
        }
        assert_eq!(matcher.known.len(), 2);
        assert!(!matcher.known.contains_key(&[0; 16]));
    }

    #[test]
    fn cuts_do_not_depend_on_how_content_arrives() {
        let matcher = Matcher::new([0; 32], None);
        let content = noise("arrival", 600_000);
        let whole = matcher.segment_len(&content, More::Yes).unwrap();
        for seen in 0..whole + 7 {
            let part = matcher.segment_len(&content[..seen], More::Yes);
            assert!(part.is_none() || part == Some(whole), "{seen}");
        }
    }

    #[test]
    fn the_average_grows_with_the_total() {
        assert_eq!(Matcher::new([0; 32], Some(1 << 30)).average, 32 << 10);
        assert_eq!(Matcher::new([0; 32], Some(1 << 36)).average, 128 << 10);
        assert_eq!(Matcher::new([0; 32], Some(u64::MAX)).average, 1 << 20);
    }
}

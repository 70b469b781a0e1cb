//! Anchors: the places that content itself chooses, wherever it stands.

use fearless_simd::{Level, Simd, dispatch, prelude::*};

/// Bytes whose hash decides whether a place is an anchor.
const WINDOW_LEN: usize = 8;

/// One place in 256 is an anchor (format-spec/rationale.md, "Matching").
const LIMIT: u32 = 1 << 24;

const FACTOR_LOW: u32 = 0x9E37_79B1;
const FACTOR_HIGH: u32 = 0x85EB_CA77;
/// Keeps zeros from being anchors.
const SHIFT: u32 = 0x6C62_272E;

/// Finds anchors with what this processor has.
pub(super) struct AnchorFinder(Level);

impl AnchorFinder {
    pub(super) fn new() -> Self {
        Self(Level::new())
    }

    /// Puts the places of all anchors in `bytes`, ascending, into `anchors`.
    pub(super) fn find(&self, bytes: &[u8], anchors: &mut Vec<u32>) {
        anchors.clear();
        let scanned = dispatch!(self.0, simd => find_vectors(simd, bytes, anchors));
        find_scalar(bytes, scanned, anchors);
    }
}

/// Hash of the eight bytes at `place`, which must be there.
pub(super) fn hash_at(bytes: &[u8], place: usize) -> u32 {
    let window = bytes[place..].first_chunk::<WINDOW_LEN>();
    let [a, b, c, d, e, f, g, h] = *window.expect("an anchor's window lies in the bytes");
    let (low, high) = (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    );
    low.wrapping_mul(FACTOR_LOW)
        .wrapping_add(high.wrapping_mul(FACTOR_HIGH))
        .wrapping_add(SHIFT)
}

/// The reference: looks at one place after another.
fn find_scalar(bytes: &[u8], from: usize, anchors: &mut Vec<u32>) {
    let places = from..(bytes.len() + 1).saturating_sub(WINDOW_LEN);
    anchors.extend(
        places
            .filter(|&p| hash_at(bytes, p) < LIMIT)
            .map(|p| p as u32),
    );
}

/// Looks at a vector of places at once, as far as whole vectors go; says how far that was.
///
/// There is no rolling state, so lane i of four overlapping loads holds the places 4i, 4i+1, 4i+2
/// and 4i+3.
#[inline(always)]
fn find_vectors<S: Simd>(simd: S, bytes: &[u8], anchors: &mut Vec<u32>) -> usize {
    let step = 4 * S::u32s::LEN;
    let (low_factor, high_factor) = (
        S::u32s::splat(simd, FACTOR_LOW),
        S::u32s::splat(simd, FACTOR_HIGH),
    );
    let (shift, limit) = (S::u32s::splat(simd, SHIFT), S::u32s::splat(simd, LIMIT));
    let mut from = 0;
    while let Some(window) = bytes.get(from..from + step + WINDOW_LEN) {
        let mut found = [0; 4];
        for (phase, found) in found.iter_mut().enumerate() {
            let low: S::u32s = S::u8s::from_slice(simd, &window[phase..phase + step]).bitcast();
            let high: S::u32s =
                S::u8s::from_slice(simd, &window[phase + 4..phase + 4 + step]).bitcast();
            let hash = low * low_factor + high * high_factor + shift;
            *found = hash.simd_lt(limit).to_bitmask();
        }
        let mut lanes = found[0] | found[1] | found[2] | found[3];
        while lanes != 0 {
            let lane = lanes.trailing_zeros();
            lanes &= lanes - 1;
            for (phase, found) in found.iter().enumerate() {
                if found >> lane & 1 == 1 {
                    anchors.push((from + 4 * lane as usize + phase) as u32);
                }
            }
        }
        from += step;
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn all_ways(bytes: &[u8]) -> [Vec<u32>; 3] {
        let (mut vectors, mut fallback, mut scalar) = (Vec::new(), Vec::new(), Vec::new());
        AnchorFinder::new().find(bytes, &mut vectors);
        AnchorFinder(Level::baseline()).find(bytes, &mut fallback);
        find_scalar(bytes, 0, &mut scalar);
        [vectors, fallback, scalar]
    }

    #[test]
    fn vectors_find_what_the_reference_finds() {
        let mut noise = vec![0; 70_000];
        Random::seeded(b"anchors").fill(&mut noise).unwrap();
        let mut seen = 0;
        for (from, to) in (0..300)
            .map(|n| (n, n * 7))
            .chain([(0, 70_000), (13, 69_999)])
        {
            let bytes = &noise[from.min(to)..to];
            let [vectors, fallback, scalar] = all_ways(bytes);
            assert_eq!(vectors, scalar, "{from}..{to}");
            assert_eq!(fallback, scalar, "{from}..{to}");
            seen += scalar.len();
        }
        assert!(seen > 400, "{seen}");
    }

    #[test]
    fn zeros_hold_no_anchor_and_crafted_bytes_any_number() {
        assert_eq!(all_ways(&[0; 1000]), [const { Vec::<u32>::new() }; 3]);
        let byte = (1..=255_u8).find(|&b| hash_at(&[b; 8], 0) < LIMIT);
        if let Some(byte) = byte {
            let [vectors, _, scalar] = all_ways(&[byte; 1000]);
            assert_eq!(scalar.len(), 1000 - 7);
            assert_eq!(vectors, scalar);
        }
    }
}

//! The inner loop of the parity code: adds multiples of many blocks to many rows.

use fearless_simd::{Level, Simd, dispatch, prelude::*};

use super::field::product;

/// How many bytes of all rows and sources are worked on at a time, so that they stay in the caches
/// while one tile of rows after the other needs them.
const STRIP_LEN: usize = 4096;

/// How many rows are summed up in registers, over all sources.
const TILE: usize = 4;

/// How many vectors of a row are summed up side by side, so that a factor is looked up once for all.
const STEP: usize = 2;

/// The products of each factor with the 16 values of a byte's low half, and of its high half.
static PRODUCTS: [[[u8; 16]; 2]; 256] = products();

/// Adds multiples with what this processor has.
///
/// A byte is multiplied by looking up both of its halves with a shuffle (J. S. Plank, K. Greenan,
/// E. Miller, "Screaming fast Galois field arithmetic using Intel SIMD instructions", 2013). The
/// affine instruction of GFNI was 1.15 times as fast, from the cache and with AVX-512: not worth a
/// loop for one kind of processor.
#[derive(Clone, Copy)]
pub(super) struct Kernel(Level);

/// A block, and what each row takes of it.
#[derive(Clone, Copy)]
pub(super) struct Term<'a> {
    /// As long as the rows.
    pub(super) source: &'a [u8],
    /// One for each row.
    pub(super) factors: &'a [u8],
}

impl Kernel {
    /// The fastest one here.
    pub(super) fn new() -> Self {
        Self(Level::new())
    }

    /// Adds to each row, for every term, the source times the row's factor.
    pub(super) fn add(self, terms: &[Term<'_>], rows: &mut [&mut [u8]]) {
        let len = rows.first().map_or(0, |row| row.len());
        for from in (0..len).step_by(STRIP_LEN) {
            let to = len.min(from + STRIP_LEN);
            let done = dispatch!(self.0, simd => add_vectors(simd, terms, rows, from, to));
            add_bytes(terms, rows, done, to);
        }
    }
}

/// The reference: one byte after another.
fn add_bytes(terms: &[Term<'_>], rows: &mut [&mut [u8]], from: usize, to: usize) {
    for (index, row) in rows.iter_mut().enumerate() {
        for term in terms {
            let factor = term.factors[index];
            for (sum, byte) in row[from..to].iter_mut().zip(&term.source[from..to]) {
                *sum ^= product(factor, *byte);
            }
        }
    }
}

/// Does as much of `from..to` as whole steps can; says how far that was.
#[inline(always)]
fn add_vectors<S: Simd>(
    simd: S,
    terms: &[Term<'_>],
    rows: &mut [&mut [u8]],
    from: usize,
    to: usize,
) -> usize {
    let end = to - (to - from) % (STEP * S::u8s::LEN);
    let (tiles, rest) = rows.as_chunks_mut::<TILE>();
    let mut first_row = 0;
    for tile in tiles {
        add_tile(simd, terms, first_row, tile, from, end);
        first_row += TILE;
    }
    for row in rest {
        add_tile(simd, terms, first_row, std::array::from_mut(row), from, end);
        first_row += 1;
    }
    end
}

/// Adds to `R` rows, of which the first has number `first_row`.
#[inline(always)]
fn add_tile<S: Simd, const R: usize>(
    simd: S,
    terms: &[Term<'_>],
    first_row: usize,
    rows: &mut [&mut [u8]; R],
    from: usize,
    to: usize,
) {
    let low_half = S::u8s::splat(simd, 0x0F);
    for at in (from..to).step_by(STEP * S::u8s::LEN) {
        let mut sums: [_; R] = std::array::from_fn(|row| load(simd, rows[row], at));
        for term in terms {
            let source = load(simd, term.source, at).map(|bytes| [bytes & low_half, bytes >> 4]);
            let factors = &term.factors[first_row..first_row + R];
            for (sums, factor) in sums.iter_mut().zip(factors) {
                let [low, high] = PRODUCTS[usize::from(*factor)]
                    .map(|products| S::u8s::block_splat(products.simd_into(simd)));
                for (sum, [low_bits, high_bits]) in sums.iter_mut().zip(source) {
                    *sum ^= low.swizzle_dyn_within_blocks(low_bits)
                        ^ high.swizzle_dyn_within_blocks(high_bits);
                }
            }
        }
        for (row, sums) in rows.iter_mut().zip(sums) {
            let row = &mut row[at..at + STEP * S::u8s::LEN];
            for (bytes, sum) in row.chunks_exact_mut(S::u8s::LEN).zip(sums) {
                sum.store_slice(bytes);
            }
        }
    }
}

/// The vectors of one step.
#[inline(always)]
fn load<S: Simd>(simd: S, bytes: &[u8], at: usize) -> [S::u8s; STEP] {
    let bytes = &bytes[at..at + STEP * S::u8s::LEN];
    std::array::from_fn(|i| S::u8s::from_slice(simd, &bytes[i * S::u8s::LEN..][..S::u8s::LEN]))
}

const fn products() -> [[[u8; 16]; 2]; 256] {
    let mut products = [[[0; 16]; 2]; 256];
    let mut i = 0;
    while i < 256 * 16 {
        let (factor, half) = (i / 16, i % 16);
        products[factor][0][half] = product(factor as u8, half as u8);
        products[factor][1][half] = product(factor as u8, (half as u8) << 4);
        i += 1;
    }
    products
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// All levels that this processor has.
    fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let others = [
            best.as_avx2().map(Simd::level),
            best.as_sse4_2().map(Simd::level),
            best.as_sse2().map(Simd::level),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let others = [Some(Level::baseline())];
        others.into_iter().flatten().chain([best]).collect()
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut noise = vec![0; len];
        Random::seeded(b"kernel").fill(&mut noise).unwrap();
        noise
    }

    #[test]
    fn vectors_add_what_the_reference_adds() {
        let noise = noise(20_000);
        for level in levels() {
            for (row_count, source_count) in [(1, 1), (3, 2), (4, 5), (7, 3), (8, 0), (10, 1)] {
                for len in [0, 1, 31, 63, 127, 128, 129, 255, 385, 4095, 4097, 8500] {
                    let terms: Vec<_> = (0..source_count)
                        .map(|i| Term {
                            source: &noise[i * 701..][..len],
                            factors: &noise[i * 13..][..row_count],
                        })
                        .collect();
                    let before: Vec<_> = (0..row_count)
                        .map(|i| noise[i * 97 + 1..][..len].to_vec())
                        .collect();
                    let (mut sums, mut expected) = (before.clone(), before);
                    Kernel(level).add(&terms, &mut slices(&mut sums));
                    add_bytes(&terms, &mut slices(&mut expected), 0, len);
                    assert_eq!(sums, expected, "{level:?}: {row_count} rows of {len} bytes");
                }
            }
        }
    }

    #[test]
    fn every_factor_multiplies_every_byte() {
        let source: Vec<u8> = (0..=255).collect();
        for level in levels() {
            for factor in 0..=255 {
                let term = Term {
                    source: &source,
                    factors: &[factor],
                };
                let mut row = [0; 256];
                Kernel(level).add(&[term], &mut [&mut row]);
                assert!((0..=255).all(|byte| row[usize::from(byte)] == product(factor, byte)));
            }
        }
    }

    fn slices(rows: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
        rows.iter_mut().map(Vec::as_mut_slice).collect()
    }
}

//! Arithmetic in GF(2^8), and the coefficients of the parity code.
//!
//! Bytes are polynomials over GF(2), modulo x^8 + x^4 + x^3 + x^2 + 1. Sums are XOR; x generates all
//! elements but zero, so products are sums of logarithms.

/// What is left of x^8: the low byte of 0x11D.
const X8: u8 = 0x1D;

/// How many elements are not zero: the order of x.
const ORDER: usize = 255;

/// x^i for every sum of two logarithms.
static POWERS: [u8; 2 * ORDER] = powers();

/// The i for which x^i is the element; that of zero is not used.
static LOGARITHMS: [u8; 256] = logarithms();

/// The product of two elements.
pub(super) const fn product(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    POWERS[LOGARITHMS[a as usize] as usize + LOGARITHMS[b as usize] as usize]
}

/// The element whose product with `a` is one; `a` is not zero.
pub(super) const fn inverse(a: u8) -> u8 {
    debug_assert!(a != 0, "zero has no inverse");
    POWERS[ORDER - LOGARITHMS[a as usize] as usize]
}

/// The factor of a stripe's data block `number` in parity row `row` of `row_count`.
///
/// It is 1 / (x + y), with an x for each row and a y for each block: a Cauchy matrix, of which every
/// square part can be inverted (J. Blömer et al., "An XOR-based erasure-resilient coding scheme",
/// 1995). That of row 0 divides its whole column, which keeps this property and makes row 0 the
/// plain XOR (the scaling of J. S. Plank and L. Xu, 2006).
pub(super) const fn coefficient(row_count: usize, row: usize, number: usize) -> u8 {
    debug_assert!(row < row_count && row_count < ORDER);
    // All three are below 256: no x is a y, as the largest y is 254 - row_count.
    let (x0, x) = (255, (ORDER - row) as u8);
    let y = (number % (ORDER - row_count)) as u8;
    product(x0 ^ y, inverse(x ^ y))
}

const fn powers() -> [u8; 2 * ORDER] {
    let mut powers = [1; 2 * ORDER];
    let mut i = 1;
    while i < powers.len() {
        let before: u8 = powers[i - 1];
        powers[i] = (before << 1) ^ if before >> 7 == 1 { X8 } else { 0 };
        i += 1;
    }
    powers
}

const fn logarithms() -> [u8; 256] {
    let powers = powers();
    let mut logarithms = [0; 256];
    let mut i = 0;
    while i < ORDER {
        logarithms[powers[i] as usize] = i as u8;
        i += 1;
    }
    logarithms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplies as one does on paper.
    fn long_product(a: u8, b: u8) -> u8 {
        let mut sum = 0_u16;
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                sum ^= u16::from(a) << bit;
            }
        }
        for bit in (8..15).rev() {
            if sum >> bit & 1 == 1 {
                sum ^= 0x11D << (bit - 8);
            }
        }
        sum as u8
    }

    #[test]
    fn products_are_those_of_polynomials() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(product(a, b), long_product(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for a in 1..=255 {
            assert_eq!(product(a, inverse(a)), 1, "{a}");
        }
    }

    #[test]
    fn products_associate_and_distribute() {
        for a in (0..=255).step_by(7) {
            for b in 0..=255 {
                for c in (0..=255).step_by(11) {
                    assert_eq!(product(product(a, b), c), product(a, product(b, c)));
                    assert_eq!(product(a, b ^ c), product(a, b) ^ product(a, c));
                }
            }
        }
    }

    #[test]
    fn row_0_is_all_ones_and_no_coefficient_is_zero() {
        for m in [4, 8, 16, 32] {
            for number in 0..510 - 2 * m {
                assert_eq!(coefficient(m, 0, number), 1);
                assert!((0..m).all(|row| coefficient(m, row, number) != 0));
            }
        }
    }

    #[test]
    fn coefficients_repeat_after_255_less_m_blocks() {
        assert_eq!(coefficient(8, 3, 2), coefficient(8, 3, 249));
        assert_ne!(coefficient(8, 3, 2), coefficient(8, 3, 248));
    }
}

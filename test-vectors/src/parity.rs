//! Parity by its definition (spec: PAR-1), one byte after the other.

use bakpak_format::geometry::StripeLayout;

/// The polynomial of the field, without its highest term.
const POLYNOMIAL: u8 = 0x1D;

/// The parity blocks of a stripe, one behind the other; `m` is that of its geometry.
pub(crate) fn parity(layout: &StripeLayout, m: usize, data: &[u8]) -> Vec<u8> {
    let (n, count) = (layout.data_count, layout.parity_count);
    let block_len = data.len() / n;
    let group_count = if n + count <= 255 { 1 } else { 2 };
    let mut parity = Vec::with_capacity(count * block_len);
    for number in 0..count {
        let shard = n + number;
        let mut sum = vec![0; block_len];
        for (j, block) in data.chunks(block_len).enumerate() {
            if j % group_count == shard % group_count {
                let products = products(coefficient(m, number / group_count, j));
                for (sum, byte) in sum.iter_mut().zip(block) {
                    *sum ^= products[usize::from(*byte)];
                }
            }
        }
        parity.extend(sum);
    }
    parity
}

fn coefficient(m: usize, row: usize, block: usize) -> u8 {
    let byte = |number: usize| u8::try_from(number).expect("it is below 256");
    let k = byte(block % (255 - m));
    let divisor = products((255 - byte(row)) ^ k);
    let quotient = divisor.iter().position(|product| *product == 255 ^ k);
    byte(quotient.expect("no divisor is zero"))
}

/// The products of a factor with all bytes.
fn products(factor: u8) -> [u8; 256] {
    let mut products = [0; 256];
    for (product, byte) in products.iter_mut().zip(0..=255_u8) {
        let mut power = factor;
        for bit in 0..8 {
            if byte >> bit & 1 == 1 {
                *product ^= power;
            }
            let carry = power >> 7;
            power = (power << 1) ^ (carry * POLYNOMIAL);
        }
    }
    products
}

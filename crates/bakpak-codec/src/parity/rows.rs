//! The writer's side: parity that grows with each data block.

use bakpak_format::geometry::ParityGeometry;

use super::field::coefficient;
use super::group_count;
use super::kernel::{Kernel, Term};

/// The parity rows of a stripe, summed up over its data blocks so far.
pub struct ParityRows {
    geometry: ParityGeometry,
    kernel: Kernel,
    /// The coefficients of data block 0 in all rows, those of block 1, and so on.
    coefficients: Vec<u8>,
    /// The m rows of the even-numbered data blocks, and those of the odd-numbered ones.
    sums: [Vec<Vec<u8>>; 2],
    /// How many data blocks the stripe has so far.
    data_count: usize,
}

impl ParityRows {
    /// The rows of an empty stripe; they take `2 * m * block_len` bytes.
    pub fn new(geometry: ParityGeometry, block_len: usize) -> Self {
        let m = geometry.rows();
        let coefficients = (0..geometry.data_blocks_per_stripe())
            .flat_map(|number| (0..m).map(move |row| coefficient(m, row, number)))
            .collect();
        Self {
            geometry,
            kernel: Kernel::new(),
            coefficients,
            sums: std::array::from_fn(|_| vec![vec![0; block_len]; m]),
            data_count: 0,
        }
    }

    /// Adds the stripe's next data blocks.
    ///
    /// Each call reads and writes all rows once, so single blocks take two to six times as long as 16
    /// in a call (`benches/stages/parity.rs`).
    ///
    /// # Panics
    ///
    /// If the stripe gets more data blocks than it can have, or a block is shorter than the rows.
    pub fn add(&mut self, blocks: &[impl AsRef<[u8]>]) {
        let m = self.geometry.rows();
        let mut terms = [Vec::new(), Vec::new()];
        for block in blocks {
            terms[self.data_count % 2].push(Term {
                source: block.as_ref(),
                factors: &self.coefficients[self.data_count * m..][..m],
            });
            self.data_count += 1;
        }
        for (terms, rows) in terms.iter().zip(&mut self.sums) {
            let mut rows: Vec<_> = rows.iter_mut().map(Vec::as_mut_slice).collect();
            self.kernel.add(terms, &mut rows);
        }
    }

    /// Ends the stripe: returns its parity blocks, in order, and begins an empty one.
    pub fn take_parity(&mut self) -> Vec<Vec<u8>> {
        let data_count = std::mem::take(&mut self.data_count);
        let parity = (0..self.geometry.parity_count(data_count))
            .map(|number| match group_count(self.geometry, data_count) {
                1 => self.take_joined(number),
                _ => take(&mut self.sums[(data_count + number) % 2][number / 2]),
            })
            .collect();
        // A short stripe does not use all rows.
        for row in self.sums.iter_mut().flatten() {
            row.fill(0);
        }
        parity
    }

    /// The sum of both groups' row.
    fn take_joined(&mut self, row: usize) -> Vec<u8> {
        let [even, odd] = &mut self.sums;
        let mut joined = take(&mut even[row]);
        for (sum, byte) in joined.iter_mut().zip(&odd[row]) {
            *sum ^= byte;
        }
        joined
    }
}

/// Leaves zeros; memory that the system has zeroed costs nothing until it is used.
fn take(row: &mut Vec<u8>) -> Vec<u8> {
    let zeros = vec![0; row.len()];
    std::mem::replace(row, zeros)
}

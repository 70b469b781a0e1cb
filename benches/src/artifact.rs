//! Artifacts: installers, images, archives of others; what does not compress.

use crate::generator::Generator;

const SEED: u64 = 1;

/// How long artifact `number` is.
pub fn len(number: u64) -> usize {
    Generator::of(&[SEED, number]).size(128 << 10, 5)
}

/// The first `len` bytes of artifact `number`.
pub fn content(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    Generator::of(&[SEED, number, 0]).noise(&mut bytes, len);
    bytes
}

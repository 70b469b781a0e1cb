//! The near tier's table: where recent anchors stand in the data space.

use crate::history::{DataPlace, History, MAX_HELD};

/// Bytes at an anchor that its fingerprint covers.
pub(super) const FINGERPRINT_LEN: usize = 32;

/// Bits of a place that are the offset in the chunk's raw bytes; the writer's chunks are no larger.
const OFFSET_BITS: u32 = 20;

/// Bytes of history for each entry of the table: 4 MiB of table for 48 MiB of history.
const HISTORY_PER_ENTRY: usize = 128;

/// Remembers for each fingerprint the last place, direct-mapped: what collides is forgotten.
pub(super) struct NearTable {
    entries: Vec<Entry>,
    shift: u32,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Chunk number modulo [`MAX_HELD`], and the offset in it.
    place: u32,
    /// Low bits of the fingerprint. Candidates are compared, so a wrong one costs time only.
    tag: u32,
}

const _: () = assert!(MAX_HELD << OFFSET_BITS == 1 << 32);

impl NearTable {
    pub(super) fn new(history_len: usize) -> Self {
        let len = (history_len / HISTORY_PER_ENTRY)
            .next_power_of_two()
            .clamp(1 << 8, 1 << 24);
        Self {
            entries: vec![Entry::default(); len],
            shift: u64::BITS - len.trailing_zeros(),
        }
    }

    /// The chunk and offset where this fingerprint was seen, if that chunk is still held.
    pub(super) fn candidate(&self, fingerprint: u64, history: &History) -> Option<(u64, usize)> {
        let entry = self.entries[(fingerprint >> self.shift) as usize];
        if entry.tag != fingerprint as u32 {
            return None;
        }
        let chunk = history.chunk_in_slot((entry.place >> OFFSET_BITS) as usize)?;
        Some((chunk, (entry.place & ((1 << OFFSET_BITS) - 1)) as usize))
    }

    /// Remembers where an anchor stands.
    pub(super) fn enter(&mut self, fingerprint: u64, place: DataPlace) {
        let chunk = (place.chunk % MAX_HELD as u64) as u32;
        self.entries[(fingerprint >> self.shift) as usize] = Entry {
            place: chunk << OFFSET_BITS | place.offset as u32 & ((1 << OFFSET_BITS) - 1),
            tag: fingerprint as u32,
        };
    }
}

/// Fingerprint of the bytes at an anchor. Its quality matters little: candidates are compared.
pub(super) fn fingerprint(bytes: &[u8; FINGERPRINT_LEN]) -> u64 {
    const KEYS: [u64; 4] = [
        0x9E37_79B9_7F4A_7C15,
        0xC2B2_AE3D_27D4_EB4F,
        0x1656_67B1_9E37_79F9,
        0x27D4_EB2F_1656_67C5,
    ];
    let (words, _) = bytes.as_chunks::<8>();
    let word = |i: usize| u64::from_le_bytes(words[i]) ^ KEYS[i];
    fold(fold(word(0), word(1)) ^ word(2), word(3))
}

/// Both halves of the product.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

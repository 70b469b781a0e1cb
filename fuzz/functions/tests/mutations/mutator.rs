//! Changes inputs: always in the same way for the same seed.

/// Values at which something changes: widths, signs, and limits of the format.
const INTERESTING: [u64; 27] = [
    0,
    1,
    2,
    7,
    16,
    24,
    25,
    127,
    128,
    255,
    256,
    304,
    4000,
    4095,
    4096,
    32_768,
    65_535,
    65_536,
    (1 << 20) + 1,
    (16 << 20) - 15,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 60,
    1 << 62,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];

/// Xorshift (Marsaglia 2003), 64 bits.
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seed: &str) -> Self {
        Self {
            state: u64::from(hash(seed.as_bytes())) << 1 | 1,
        }
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % end
    }

    /// One to four changes of `seed`; `other` is what may be spliced in.
    pub(crate) fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, other);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            bytes.push(self.below(256) as u8);
            return;
        }
        let at = self.below(bytes.len());
        match self.below(12) {
            0..=2 => bytes[at] ^= 1 << self.below(8),
            3 => bytes[at] = self.below(256) as u8,
            4 => bytes[at] = bytes[at].wrapping_add([1, 255, 16][self.below(3)]),
            5 | 6 => self.put_interesting(bytes, at),
            7 => bytes.truncate(at),
            8 => {
                let len = self.short(bytes.len() - at);
                bytes.drain(at..at + len);
            }
            9 => {
                let len = self.short(bytes.len() - at);
                let again = bytes[at..at + len].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, again);
            }
            10 if !other.is_empty() => {
                let from = self.below(other.len());
                let len = self.short(other.len() - from);
                let end = (at + len).min(bytes.len());
                bytes.splice(at..end, other[from..from + len].iter().copied());
            }
            _ => {
                let len = self.short(bytes.len() - at);
                bytes[at..at + len].fill([0, 0xFF][self.below(2)]);
            }
        }
    }

    fn put_interesting(&mut self, bytes: &mut [u8], at: usize) {
        let value = INTERESTING[self.below(INTERESTING.len())].to_le_bytes();
        let width = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
        bytes[at..at + width].copy_from_slice(&value[..width]);
    }

    /// A length up to `max`, most often a short one.
    fn short(&mut self, max: usize) -> usize {
        let limit = [4, 16, 64, 600, 5000][self.below(5)];
        self.below(max.min(limit)) + 1
    }
}

/// FNV-1a, 32 bits.
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mix = |hash: u32, &byte: &u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    bytes.iter().fold(2_166_136_261, mix)
}

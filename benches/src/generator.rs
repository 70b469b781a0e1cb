//! Reproducible numbers.

/// A small and fast generator (SplitMix64): the same numbers for the same seed, and never secrets.
#[derive(Clone, Debug)]
pub struct Generator(u64);

impl Generator {
    /// The generator that belongs to these numbers: of a kind, a file, a page.
    pub fn of(seeds: &[u64]) -> Self {
        let mut generator = Self(0x62616B70616B);
        for seed in seeds {
            generator.0 = generator.number() ^ seed;
        }
        generator
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, each as likely as the others.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number below `bound`, small ones more often: the customers who order, the hosts that fail.
    pub fn skewed(&mut self, bound: u64) -> u64 {
        let both = u128::from(self.below(1 << 32)) * u128::from(self.below(1 << 32));
        ((both * u128::from(bound)) >> 64) as u64
    }

    /// A size from `least` up to `least << doublings`, each power of two as likely as the others.
    pub fn size(&mut self, least: u64, doublings: u64) -> usize {
        let base = least << self.below(doublings);
        (base + self.below(base)) as usize
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Appends `len` bytes that do not compress.
    pub fn noise(&mut self, bytes: &mut Vec<u8>, len: usize) {
        let end = bytes.len() + len;
        bytes.reserve(len.next_multiple_of(8));
        while bytes.len() < end {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_same_everywhere() {
        // A new generator makes new data: results before and after cannot be compared then.
        let mut generator = Generator::of(&[1, 2]);
        assert_eq!(generator.number(), 0x28AB_AF6B_D1AB_1D36);
    }

    #[test]
    fn skewed_numbers_are_small_more_often() {
        let mut generator = Generator::of(&[3]);
        let small = (0..1000).filter(|_| generator.skewed(100) < 25).count();
        assert!((500..700).contains(&small), "{small}");
    }
}

//! The one source of random bytes.

use std::io;

/// The operating system's generator; with the feature `testing` a seeded one can stand in.
pub struct Random(Kind);

enum Kind {
    System,
    #[cfg(any(test, feature = "testing"))]
    Seeded(Box<blake3::OutputReader>),
}

impl Random {
    /// The operating system's generator.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A generator that gives the same bytes for the same seed. Never for real archives.
    #[cfg(any(test, feature = "testing"))]
    pub fn seeded(seed: &[u8]) -> Self {
        Self(Kind::Seeded(Box::new(
            blake3::Hasher::new().update(seed).finalize_xof(),
        )))
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// The operating system's generator does not answer.
    pub fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        match &mut self.0 {
            Kind::System => rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, bytes)
                .map_err(io::Error::other),
            #[cfg(any(test, feature = "testing"))]
            Kind::Seeded(reader) => {
                reader.fill(bytes);
                Ok(())
            }
        }
    }

    /// Draws `N` bytes.
    ///
    /// # Errors
    ///
    /// As [`Random::fill`].
    pub fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

//! Runs of zeros, given out piece by piece.

use crate::error::{PackError, ReadError};
use crate::observer::Observer;

/// Whoever watches has asked to stop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cancelled;

impl From<Cancelled> for ReadError {
    fn from(_: Cancelled) -> Self {
        Self::Interrupted
    }
}

impl From<Cancelled> for PackError {
    fn from(_: Cancelled) -> Self {
        Self::Interrupted
    }
}

/// Gives out so many zeros.
pub(crate) fn zeros<E>(
    mut len: u64,
    output: &mut dyn FnMut(&'static [u8]) -> Result<(), E>,
) -> Result<(), E> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while len > 0 {
        let step = len.min(ZEROS.len() as u64);
        output(&ZEROS[..step as usize])?;
        len -= step;
    }
    Ok(())
}

/// Hashes so many zeros. A hole may ask for more than anybody waits for, so it can be stopped
/// (spec: RDR-6).
pub(crate) fn hash_zeros(
    hasher: &mut blake3::Hasher,
    len: u64,
    observer: &dyn Observer,
) -> Result<(), Cancelled> {
    zeros(len, &mut |bytes| {
        if observer.cancelled() {
            return Err(Cancelled);
        }
        hasher.update(bytes);
        Ok(())
    })
}

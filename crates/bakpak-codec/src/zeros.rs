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

/// Gives out so many zeros, until whoever watches asks to stop: holes and ZERO may ask for more than
/// anybody waits for (spec: RDR-6).
pub(crate) fn watched_zeros<E: From<Cancelled>>(
    len: u64,
    observer: &dyn Observer,
    output: &mut dyn FnMut(&'static [u8]) -> Result<(), E>,
) -> Result<(), E> {
    zeros(len, &mut |bytes| match observer.cancelled() {
        true => Err(Cancelled.into()),
        false => output(bytes),
    })
}

/// Hashes so many zeros.
pub(crate) fn hash_zeros(
    hasher: &mut blake3::Hasher,
    len: u64,
    observer: &dyn Observer,
) -> Result<(), Cancelled> {
    watched_zeros(len, observer, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })
}

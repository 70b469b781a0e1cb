//! Runs of zeros, given out piece by piece.

/// Gives out so many zeros.
pub(crate) fn zeros<E>(
    mut len: u64,
    output: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while len > 0 {
        let step = len.min(ZEROS.len() as u64);
        output(&ZEROS[..step as usize])?;
        len -= step;
    }
    Ok(())
}

/// Hashes so many zeros.
pub(crate) fn hash_zeros(hasher: &mut blake3::Hasher, len: u64) {
    let Ok(()) = zeros::<std::convert::Infallible>(len, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    });
}

//! A checked reader over a slice, for structures with fixed offsets.

use crate::error::{FormatError, Structure};

/// Reads little-endian fields one after another; never beyond the slice.
#[derive(Clone, Debug)]
pub(crate) struct WireReader<'a> {
    rest: &'a [u8],
    structure: Structure,
}

impl<'a> WireReader<'a> {
    /// Starts at the beginning of `bytes`; running out of them is `Truncated` in `structure`.
    pub(crate) fn new(structure: Structure, bytes: &'a [u8]) -> Self {
        let rest = bytes;
        Self { rest, structure }
    }

    /// Takes the next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let structure = self.structure;
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(FormatError::Truncated { structure })?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Takes the next `N` bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let structure = self.structure;
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(FormatError::Truncated { structure })?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Takes a `u32` length; on 16-bit machines, which this crate does not serve, it saturates.
    pub(crate) fn len32(&mut self) -> Result<usize, FormatError> {
        Ok(usize::try_from(self.u32()?).unwrap_or(usize::MAX))
    }

    /// All that has not been taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Whether every byte is zero, as unused and reserved bytes must be (spec: FIL-2).
pub(crate) fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// A length as a `u32` field; values that do not fit saturate, so that the reader refuses them.
pub(crate) fn u32_len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A length as a `u16` field; saturates likewise.
pub(crate) fn u16_len(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

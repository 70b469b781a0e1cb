//! Little-endian fields at fixed offsets of a slice, never beyond its end.

/// The `N` bytes at `offset`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

/// The text of a variable part, given as a pair of u16: length in bytes and offset.
///
/// None where the pair is not there, is empty, or points outside of `bytes`.
pub(crate) fn utf16_at(bytes: &[u8], pair: usize) -> Option<String> {
    let part = part_at(bytes, pair)?;
    let units = part
        .as_chunks()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit));
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    let text: String = text.collect();
    // Some strings are written with their terminator.
    Some(text.trim_end_matches('\0').to_owned())
}

/// The bytes of such a part.
pub(crate) fn part_at(bytes: &[u8], pair: usize) -> Option<&[u8]> {
    let len = usize::from(u16_at(bytes, pair)?);
    let offset = usize::from(u16_at(bytes, pair + 2)?);
    (len > 0).then(|| bytes.get(offset..offset + len)).flatten()
}

/// XOR of the 16-bit words of `bytes`: the checksum of every header on tape.
pub(crate) fn xor_of_words(bytes: &[u8]) -> u16 {
    let words = bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| u16::from_le_bytes(*word));
    words.fold(0, |sum, word| sum ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let bytes = [1, 2, 3, 4];
        assert_eq!(u16_at(&bytes, 2), Some(0x0403));
        assert_eq!(u16_at(&bytes, 3), None);
        assert_eq!(u32_at(&bytes, usize::MAX), None);
    }

    #[test]
    fn a_part_outside_of_its_block_is_none() {
        let mut block = vec![0; 8];
        block[0] = 4;
        block[2] = 4;
        block[4..].copy_from_slice(&[b'a', 0, b'b', 0]);
        assert_eq!(utf16_at(&block, 0).as_deref(), Some("ab"));
        block[2] = 5;
        assert_eq!(utf16_at(&block, 0), None);
        block[0] = 0;
        assert_eq!(utf16_at(&block, 0), None);
    }
}

//! Compressed blocks: their header, and the checksum of their payload.

use super::ContainerHeader;
use std::ops::Range;

/// The most bytes that a block decompresses to.
pub const MAX_PLAIN_LEN: usize = 0x80 * UNIT;

/// The most bytes of a payload: 64 KiB that are encrypted, with the padding of AES-CBC.
pub const MAX_PAYLOAD_LEN: usize = MAX_PLAIN_LEN + CIPHER_BLOCK_LEN;

/// The bytes of a block's header that are an initialisation vector if the block is encrypted, and
/// otherwise uninitialised memory.
pub const VECTOR: Range<usize> = 0x04..0x14;

pub(super) const BLOCK: u8 = 0x21;
/// Lengths of content are counted in these.
pub(super) const UNIT: usize = 512;
const CIPHER_BLOCK_LEN: usize = 16;

/// The header of a compressed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The bytes of the header itself.
    pub header_len: usize,
    /// The bytes that the payload decompresses to: 512 to 65536.
    pub plain_len: usize,
    /// The bytes of the payload as it stands in the medium.
    pub payload_len: usize,
    /// Whether it holds the length of an encrypted payload.
    pub is_encrypted: bool,
    /// The checksum of the payload.
    pub checksum: u32,
}

impl BlockHeader {
    /// The bytes of a header, of the layout that has more.
    pub const LEN: usize = 0x1C;

    /// The bytes of a header in media whose [`ContainerHeader::version`] is below 2.
    pub const SHORT_LEN: usize = 8;

    /// Reads it from where a block starts.
    ///
    /// None if no block starts there, or if its header is damaged or cut off.
    #[must_use]
    pub fn decode(bytes: &[u8], container: &ContainerHeader) -> Option<Self> {
        let (&[kind, units], rest) = bytes.split_first_chunk()?;
        let (compressed_len, rest) = rest.split_first_chunk()?;
        let compressed_len = usize::from(u16::from_le_bytes(*compressed_len));
        let plain_len = usize::from(units) * UNIT;
        if kind != BLOCK || !(1..=MAX_PLAIN_LEN).contains(&plain_len) {
            return None;
        }
        if container.has_short_headers() {
            return Some(Self {
                header_len: Self::SHORT_LEN,
                plain_len,
                payload_len: compressed_len,
                is_encrypted: false,
                checksum: u32::from_le_bytes(*rest.first_chunk()?),
            });
        }
        let rest = rest.get(VECTOR.len()..)?;
        let (stored_len, rest) = rest.split_first_chunk()?;
        let stored_len = u32::from_le_bytes(*stored_len) as usize;
        let is_stored_len = stored_len > 0
            && stored_len.is_multiple_of(CIPHER_BLOCK_LEN)
            && stored_len <= MAX_PAYLOAD_LEN;
        let is_encrypted = container.is_encrypted() && is_stored_len;
        if stored_len != 0 && !is_encrypted {
            return None;
        }
        Some(Self {
            header_len: Self::LEN,
            plain_len,
            payload_len: if is_encrypted {
                stored_len
            } else {
                compressed_len
            },
            is_encrypted,
            checksum: u32::from_le_bytes(*rest.first_chunk()?),
        })
    }

    /// The bytes of the block in the medium.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header_len + self.payload_len
    }

    /// Whether the block has no payload. The format has no such blocks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload_len == 0
    }

    /// The payload, from the bytes of the whole block. None if it is cut off.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.header_len..self.len())
    }
}

/// The checksum of a payload, and of the entries of an index record.
///
/// Each changed bit changes it, each changed byte too: rotating and exclusive or lose nothing.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let sum = words.iter().fold(0, |sum, word| add(sum, *word));
    if rest.is_empty() { sum } else { add(sum, last) }
}

fn add(sum: u32, word: [u8; 4]) -> u32 {
    sum.rotate_left(1) ^ u32::from_le_bytes(word)
}

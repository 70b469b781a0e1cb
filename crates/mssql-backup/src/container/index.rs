//! Index records: where the descriptors behind the bulk data of a set are.

use super::block::checksum;

/// An index record whose entries have the right checksum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// One entry for each place behind bulk data, in the order of the medium.
    pub(crate) entries: Vec<IndexEntry>,
}

/// A block that begins with the stream header behind bulk data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// Where its content stands in the set: 0 is the set's first descriptor block.
    pub(crate) set_offset: u64,
    /// Where the block stands in the medium.
    pub(crate) file_offset: u64,
}

pub(crate) const INDEX: u8 = 0x2C;
/// The bytes before the distance is counted: the type, the rest zero.
pub(crate) const LEAD_LEN: usize = 0x18;
/// What is repeated right before the filemark.
pub(crate) const KEY_LEN: usize = 16;
/// Its entries start here.
pub(crate) const ENTRIES: usize = LEAD_LEN + KEY_LEN;
pub(crate) const ENTRY_LEN: usize = 16;

/// Longer ones are refused: that would be 65,000 entries, and a medium has a handful.
pub(crate) const MAX_INDEX_LEN: usize = 1 << 20;

/// The 16 bytes that stand at the start of an index record and again at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexKey {
    entry_count: usize,
    /// From behind the record's first 24 bytes to the filemark.
    distance: usize,
    checksum: u32,
}

impl IndexKey {
    /// None if it is not one, or has values that no index record within the limit can have.
    pub(crate) fn decode(bytes: &[u8; KEY_LEN]) -> Option<Self> {
        let words: [u32; 4] = std::array::from_fn(|at| {
            u32::from_le_bytes(std::array::from_fn(|byte| bytes[4 * at + byte]))
        });
        let [ones, entry_count, distance, sum] = words;
        let (entry_count, distance) = (entry_count as usize, distance as usize);
        let least = entry_count
            .checked_mul(ENTRY_LEN)?
            .checked_add(2 * KEY_LEN)?;
        let is_sound =
            ones == 0x0001_0001 && least <= distance && distance <= MAX_INDEX_LEN - LEAD_LEN;
        is_sound.then_some(Self {
            entry_count,
            distance,
            checksum: sum,
        })
    }

    /// The bytes of the whole record, up to the filemark.
    pub(crate) fn record_len(&self) -> usize {
        LEAD_LEN + self.distance
    }
}

impl Index {
    /// How long the record is that starts here; [`ENTRIES`] bytes tell it.
    pub(crate) fn peek_len(bytes: &[u8]) -> Option<usize> {
        let key = bytes.get(LEAD_LEN..)?.first_chunk()?;
        Some(IndexKey::decode(key)?.record_len())
    }

    /// Reads a whole record. None if anything in it is not as it should be.
    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let (lead, rest) = record.split_at_checked(LEAD_LEN)?;
        let (key_bytes, rest) = rest.split_first_chunk()?;
        let key = IndexKey::decode(key_bytes)?;
        let (entries, rest) = rest.split_at_checked(key.entry_count * ENTRY_LEN)?;
        let (zeros, repeated) = rest.split_last_chunk()?;
        let is_zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        let is_sound = record.len() == key.record_len()
            && lead.first() == Some(&INDEX)
            && is_zero(lead.get(1..)?)
            && checksum(entries) == key.checksum
            && is_zero(zeros)
            && repeated == key_bytes;
        let entries: &[[u8; ENTRY_LEN]] = entries.as_chunks().0;
        is_sound.then(|| Self {
            entries: entries.iter().map(IndexEntry::decode).collect(),
        })
    }
}

impl IndexEntry {
    fn decode(bytes: &[u8; ENTRY_LEN]) -> Self {
        let both = u128::from_le_bytes(*bytes);
        Self {
            set_offset: both as u64,
            file_offset: (both >> 64) as u64,
        }
    }
}

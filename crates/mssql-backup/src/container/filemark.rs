//! Soft filemarks as a container holds them: raw, with a table of offsets in the compressed medium.

/// A soft filemark whose own checksum holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filemark {
    /// The bytes of the whole filemark.
    pub(crate) len: usize,
}

pub(crate) const TAG: [u8; 4] = *b"SFMB";
/// The common header of descriptor blocks, with its checksum in the last two bytes.
pub(crate) const HEADER_LEN: usize = 0x34;
/// Filemarks are as long as a sector of the target was.
pub(crate) const SECTOR_LEN: usize = 512;

const LEN_FIELD: usize = 0x08;
const CAPACITY: usize = 0x34;
const USED: usize = 0x38;
const TABLE_OFFSET: usize = 0x3C;
const TABLE: usize = 0x48;

impl Filemark {
    /// Reads its header. None if no filemark starts here, or if its header is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let (words, _) = header.as_chunks();
        let sum = words
            .iter()
            .fold(0, |sum, word| sum ^ u16::from_le_bytes(*word));
        let len = usize::from(u16::from_le_bytes([
            header[LEN_FIELD],
            header[LEN_FIELD + 1],
        ]));
        let is_sound = header.starts_with(&TAG)
            && sum == 0
            && len >= SECTOR_LEN
            && len.is_multiple_of(SECTOR_LEN);
        is_sound.then_some(Self { len })
    }

    /// How many offsets a filemark of this length has room for.
    pub(crate) fn capacity(&self) -> usize {
        (self.len - TABLE) / 8
    }

    /// Its table, newest first. None if what the checksum does not cover is not as it should be.
    ///
    /// `bytes` is the whole filemark.
    pub(crate) fn table(&self, bytes: &[u8]) -> Option<Vec<u64>> {
        let word = |at: usize| {
            let field = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(field) as usize)
        };
        let used = word(USED)?;
        let gap = bytes.get(TABLE_OFFSET + 4..TABLE)?;
        let (offsets, rest) = bytes
            .get(TABLE..self.len)?
            .split_at_checked(used.checked_mul(8)?)?;
        let is_sound = word(CAPACITY)? == self.capacity()
            && word(TABLE_OFFSET)? == TABLE
            && used <= self.capacity()
            && gap.iter().chain(rest).all(|&byte| byte == 0);
        let (offsets, _) = offsets.as_chunks();
        is_sound.then(|| {
            offsets
                .iter()
                .map(|offset| u64::from_le_bytes(*offset))
                .collect()
        })
    }
}

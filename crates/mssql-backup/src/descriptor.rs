//! Descriptor blocks and stream headers: what the chain of a medium consists of.
//!
//! A medium is a chain of descriptor blocks. Each but the soft filemark is followed by streams; the
//! last of these, `SPAD`, ends where the next block starts. (Microsoft Tape Format 1.00a, as SQL
//! Server writes it.)

use std::fmt;

use crate::wire::{u8_at, u16_at, u32_at, u64_at, xor_of_words};

/// The four letters that name a block or a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag(pub(crate) [u8; 4]);

impl Tag {
    pub(crate) const TAPE: Self = Self(*b"TAPE");
    pub(crate) const SFMB: Self = Self(*b"SFMB");
    pub(crate) const SSET: Self = Self(*b"SSET");
    pub(crate) const VOLB: Self = Self(*b"VOLB");
    pub(crate) const MSCI: Self = Self(*b"MSCI");
    pub(crate) const MSDA: Self = Self(*b"MSDA");
    pub(crate) const MSTL: Self = Self(*b"MSTL");
    pub(crate) const MSLS: Self = Self(*b"MSLS");
    pub(crate) const ESET: Self = Self(*b"ESET");

    /// The blocks of a SQL Server backup.
    pub(crate) const BLOCKS: [Self; 9] = [
        Self::TAPE,
        Self::SFMB,
        Self::SSET,
        Self::VOLB,
        Self::MSCI,
        Self::MSDA,
        Self::MSTL,
        Self::MSLS,
        Self::ESET,
    ];

    pub(crate) const RAID: Self = Self(*b"RAID");
    pub(crate) const MQCI: Self = Self(*b"MQCI");
    pub(crate) const MQDA: Self = Self(*b"MQDA");
    pub(crate) const MQTL: Self = Self(*b"MQTL");
    pub(crate) const CSUM: Self = Self(*b"CSUM");
    pub(crate) const TSMP: Self = Self(*b"TSMP");
    pub(crate) const SPAD: Self = Self(*b"SPAD");
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The 52 bytes that every descriptor block starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) tag: Tag,
    /// Length of the block: its streams start there.
    pub(crate) len: u16,
    /// Distance from the start of the set, in units of 1,024 bytes.
    pub(crate) logical_address: u64,
    /// Counts the blocks of a set.
    pub(crate) control_block_id: u32,
}

/// Why 52 bytes are no descriptor block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotABlock {
    Checksum {
        stored: u16,
        computed: u16,
    },
    Short {
        len: u16,
    },
    /// No name stands where one should; zeros have the right checksum.
    Nameless,
}

impl BlockHeader {
    pub(crate) const LEN: usize = 52;
    const CHECKSUM: usize = 0x32;

    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, NotABlock> {
        check(bytes, Self::CHECKSUM)?;
        let [a, b, c, d, ..] = *bytes;
        let len = u16_at(bytes, 0x08).unwrap_or_default();
        if usize::from(len) < Self::LEN {
            return Err(NotABlock::Short { len });
        }
        Ok(Self {
            tag: Tag([a, b, c, d]),
            len,
            logical_address: u64_at(bytes, 0x14).unwrap_or_default(),
            control_block_id: u32_at(bytes, 0x24).unwrap_or_default(),
        })
    }
}

/// Checks the XOR of the words before `at` against the word there.
fn check(bytes: &[u8], at: usize) -> Result<(), NotABlock> {
    let computed = xor_of_words(&bytes[..at]);
    let stored = u16_at(bytes, at).unwrap_or_default();
    if stored != computed {
        return Err(NotABlock::Checksum { stored, computed });
    }
    Ok(())
}

impl fmt::Display for NotABlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { stored, computed } => {
                write!(
                    f,
                    "its checksum is {stored:#06x}, its bytes give {computed:#06x}"
                )
            }
            Self::Short { len } => write!(f, "it says that it is {len} bytes long"),
            Self::Nameless => f.write_str("it has no name"),
        }
    }
}

/// The 22 bytes before the data of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamHeader {
    pub(crate) tag: Tag,
    /// A `CSUM` follows the data.
    pub(crate) has_checksum: bool,
    /// Length of the data.
    pub(crate) len: u64,
}

impl StreamHeader {
    pub(crate) const LEN: usize = 22;
    const CHECKSUM: usize = 0x14;

    /// The header, or the checksum that it has and the one that its bytes give.
    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, NotABlock> {
        check(bytes, Self::CHECKSUM)?;
        let [a, b, c, d, ..] = *bytes;
        let name = [a, b, c, d];
        if !name.iter().all(u8::is_ascii_uppercase) {
            return Err(NotABlock::Nameless);
        }
        Ok(Self {
            tag: Tag(name),
            has_checksum: u16_at(bytes, 0x06).unwrap_or_default() & 0x0100 != 0,
            len: u64_at(bytes, 0x08).unwrap_or_default(),
        })
    }
}

/// The text of a variable part of a descriptor block, in the encoding that the block says.
pub(crate) fn text_at(block: &[u8], pair: usize) -> Option<String> {
    match u8_at(block, 0x30)? {
        2 => crate::wire::utf16_at(block, pair),
        // Single bytes: the code page is not known; what is not ASCII is shown as such.
        1 => crate::wire::part_at(block, pair).map(|part| part.escape_ascii().to_string()),
        _ => None,
    }
}

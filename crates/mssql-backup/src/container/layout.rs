//! Tells by its first bytes what stands at a place of a container.

use super::ContainerHeader;
use super::block::{BLOCK, BlockHeader, MAX_PLAIN_LEN, UNIT};
use super::filemark::{Filemark, HEADER_LEN, SECTOR_LEN, TAG};
use super::index::{ENTRIES, INDEX, Index, LEAD_LEN};
use std::ops::Range;

/// As many bytes tell what stands at a place, and how long it is.
pub(super) const LOOKAHEAD: usize = HEADER_LEN;
const _: () = assert!(LOOKAHEAD >= ENTRIES && LOOKAHEAD >= BlockHeader::LEN);

const PADDING: u8 = 0x24;
const FILEMARK: u8 = TAG[0];

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    /// A compressed block.
    Block(BlockHeader),
    /// Padding: its length with its header.
    Padding(usize),
    /// An index record, and its length.
    Index(usize),
    /// A soft filemark.
    Filemark(Filemark),
}

/// What seems to stand at a place, damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspect {
    /// A block that decompresses to about as many bytes.
    Block(usize),
    Padding,
    Index,
    Filemark,
    Unknown,
}

impl Structure {
    /// Recognises it; `bytes` are [`LOOKAHEAD`] or more, fewer only at the end of the medium.
    pub(super) fn recognise(
        bytes: &[u8],
        container: &ContainerHeader,
        file_offset: u64,
    ) -> Result<Self, Suspect> {
        let first = *bytes.first().ok_or(Suspect::Unknown)?;
        let found = Self::of_type(first, bytes, container);
        // A filemark whose first byte was damaged to a block's reads as one.
        let is_filemark = bytes.get(1..TAG.len()) == Some(&TAG[1..]);
        match found {
            Some(Self::Block(_)) if is_filemark => Err(Suspect::Filemark),
            Some(structure) => Ok(structure),
            None => bare_padding(bytes, file_offset).ok_or_else(|| suspect(bytes, container)),
        }
    }

    /// The structure of this type, if the bytes behind the first bear it out.
    fn of_type(first: u8, bytes: &[u8], container: &ContainerHeader) -> Option<Self> {
        match first {
            BLOCK => BlockHeader::decode(bytes, container).map(Self::Block),
            PADDING => padding_len(bytes).map(Self::Padding),
            INDEX => Index::peek_len(bytes).map(Self::Index),
            FILEMARK => Filemark::decode(bytes).map(Self::Filemark),
            _ => None,
        }
    }
}

/// What it was, if little of it is damaged.
fn suspect(bytes: &[u8], container: &ContainerHeader) -> Suspect {
    let tag = bytes.iter().zip(&TAG);
    if tag.filter(|(found, tag)| found == tag).count() + 1 >= TAG.len() {
        return Suspect::Filemark;
    }
    let is_zero = |range| bytes.get::<Range<usize>>(range).is_some_and(is_zero);
    if is_zero(4..LEAD_LEN) && Index::peek_len(bytes).is_some() {
        return Suspect::Index;
    }
    // Where a block has its checksum, padding is zero.
    if is_zero(4..BlockHeader::LEN) {
        return Suspect::Padding;
    }
    let mut mended = bytes[..bytes.len().min(LOOKAHEAD)].to_vec();
    let first = std::mem::replace(&mut mended[0], BLOCK);
    match BlockHeader::decode(&mended, container) {
        Some(header) => Suspect::Block(header.plain_len),
        None => match first {
            BLOCK => Suspect::Block(likely_plain_len(bytes)),
            PADDING => Suspect::Padding,
            INDEX => Suspect::Index,
            FILEMARK => Suspect::Filemark,
            _ => Suspect::Unknown,
        },
    }
}

/// Of a block whose header is damaged.
fn likely_plain_len(bytes: &[u8]) -> usize {
    let stated = bytes.get(1).map_or(0, |&units| usize::from(units) * UNIT);
    match stated {
        UNIT..=MAX_PLAIN_LEN => stated,
        _ => MAX_PLAIN_LEN,
    }
}

fn padding_len(bytes: &[u8]) -> Option<usize> {
    let (&[_, units, low, high], zeros) = bytes.get(..LEAD_LEN)?.split_first_chunk()?;
    let is_sound = units == 0 && is_zero(zeros);
    is_sound.then(|| LEAD_LEN + usize::from(u16::from_le_bytes([low, high])))
}

/// Zeros up to a filemark that are too few for a header of padding. None were seen, so it may be
/// that SQL Server fills another sector instead; but a backup must not be called damaged for them.
fn bare_padding(bytes: &[u8], file_offset: u64) -> Option<Structure> {
    let len = file_offset.next_multiple_of(SECTOR_LEN as u64) - file_offset;
    let len = usize::try_from(len)
        .ok()
        .filter(|len| (1..LEAD_LEN).contains(len))?;
    let (zeros, next) = bytes.split_at_checked(len)?;
    (is_zero(zeros) && next.starts_with(&TAG)).then_some(Structure::Padding(len))
}

/// Whether the padding behind its header is zero throughout.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    is_zero(bytes.get(LEAD_LEN..).unwrap_or_default())
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

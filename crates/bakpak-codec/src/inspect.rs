//! `inspect`: what an archive tells without a key, and what FINAL says with one.

use crate::error::{Finding, ReadError};
use crate::input::{self, Feed};
use crate::keyring::SlotKind;
use crate::opening::Opening;
use bakpak_format::digest::Digest;
use bakpak_format::entry::Timestamp;
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use bakpak_format::header::ArchiveId;
use bakpak_format::preamble;
use bakpak_format::record::Final;
use bakpak_format::slots::{Argon2Params, Slot, SlotTable};
use std::fmt;
use std::fs::File;
use std::num::ParseIntError;
use std::str::FromStr;

/// One key slot, as everyone can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// Names it among the others, as long as it is there.
    pub id: SlotId,
    /// What opens it.
    pub kind: SlotKind,
    /// What a passphrase costs.
    pub argon2: Option<Argon2Params>,
}

/// Names a slot: its number may change when another one goes.
///
/// The first four bytes of the BLAKE3 hash of what the slot has before its nonce, among it a random
/// salt; written as eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub [u8; 4]);

impl SlotId {
    pub(crate) fn of(slot: &Slot) -> Self {
        let [a, b, c, d, ..] = Digest::of(&slot.aad_prefix()).0;
        Self([a, b, c, d])
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl FromStr for SlotId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes()))
    }
}

/// What head and tail say, to be believed once a key has authenticated it.
#[derive(Clone, Debug)]
pub struct HeadInfo {
    /// Version of the format.
    pub version: String,
    /// The cover text.
    pub cover_text: String,
    /// Names the archive.
    pub archive_id: ArchiveId,
    /// Block size.
    pub block_size: BlockSize,
    /// How much parity its stripes have.
    pub parity: ParityGeometry,
    /// Most raw bytes of a chunk.
    pub chunk_size: usize,
    /// How far COPY may reach back.
    pub copy_reach: u64,
    /// Slots of the data domain.
    pub slots: Vec<SlotInfo>,
    /// Slots of the envelope's domain, if there is an envelope.
    pub envelope_slots: Option<Vec<SlotInfo>>,
    /// Length of the envelope body; 0 if there is none.
    pub envelope_len: usize,
    /// Generation of the data slot table.
    pub generation: u32,
    /// Generation of the envelope's slot table, if there is an envelope.
    pub envelope_generation: Option<u32>,
    /// Signers that the header declares.
    pub signers: usize,
    /// Blocks, if the locator is whole.
    pub block_count: Option<u64>,
    /// The root, if the locator is whole.
    pub root: Option<Digest>,
    /// Length of the file, if it is one.
    pub archive_len: Option<u64>,
    /// What is damaged at the archive's start, so that its copy in the tail was used.
    pub copy_used_for: Vec<Finding>,
}

/// What FINAL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Length of the stream.
    pub stream_len: u64,
    /// Length of the data space.
    pub data_len: u64,
    /// Sum of the sizes of all files.
    pub content_len: u64,
    /// Entries, superseded ones included.
    pub row_count: u64,
    /// Chunks.
    pub chunk_count: u64,
    /// Sources are missing.
    pub incomplete: bool,
    /// What was packed was not enough for a restore, as the writer understood it.
    pub not_restorable: bool,
    /// When packing began.
    pub started: Timestamp,
    /// When packing ended.
    pub finished: Timestamp,
}

/// Reads what an archive tells without a key. Where its start cannot be used, that is the copy in its
/// tail, and [`HeadInfo::copy_used_for`] tells why.
///
/// # Errors
///
/// The head cannot be used, or the file cannot be read.
pub fn inspect(file: &File) -> Result<HeadInfo, ReadError> {
    let mut feed = Feed::at(file, 0)?;
    let opening = Opening::read_or_copy(&mut feed)?;
    let mut info = HeadInfo::new(&opening);
    info.archive_len = Some(file.metadata().map_err(ReadError::reading)?.len());
    if let Some(locator) = input::locator(file) {
        info.block_count = Some(locator.block_count);
        info.root = Some(locator.root);
    }
    Ok(info)
}

impl HeadInfo {
    pub(crate) fn new(opening: &Opening) -> Self {
        let header = &opening.head.header;
        Self {
            version: preamble::VERSION.to_owned(),
            cover_text: opening.head.cover_text.clone(),
            archive_id: header.archive_id,
            block_size: header.block_size,
            parity: header.parity_geometry,
            chunk_size: header.chunk_size,
            copy_reach: header.copy_reach,
            slots: slot_infos(&opening.data_table),
            envelope_slots: opening.envelope_table.as_ref().map(slot_infos),
            envelope_len: header.envelope_len,
            generation: opening.data_table.generation,
            envelope_generation: opening
                .envelope_table
                .as_ref()
                .map(|table| table.generation),
            signers: header.signers().len(),
            block_count: None,
            root: None,
            archive_len: None,
            copy_used_for: opening.mended.clone(),
        }
    }
}

/// The slots of a table, in order.
pub(crate) fn slot_infos(table: &SlotTable) -> Vec<SlotInfo> {
    let info = |slot: &Slot| SlotInfo {
        id: SlotId::of(slot),
        kind: SlotKind::from(slot),
        argon2: match slot {
            Slot::Passphrase(slot) => Some(slot.params),
            _ => None,
        },
    };
    table.slots.iter().map(info).collect()
}

impl From<&Final> for Totals {
    fn from(last: &Final) -> Self {
        Self {
            stream_len: last.stream_len,
            data_len: last.data_len,
            content_len: last.content_len,
            row_count: last.row_count,
            chunk_count: last.chunk_count,
            incomplete: last.incomplete,
            not_restorable: last.not_restorable,
            started: last.started,
            finished: last.finished,
        }
    }
}

//! Records: their header, and FACTS, CHECKPOINT and FINAL (spec, chapters 7 and 9).

mod bodies;
mod entry_facts;
mod facts;

use crate::error::{FormatError, Structure};
use crate::limits::MAX_RECORD_BODY_LEN;
use crate::wire::{WireReader, u32_len};

pub use bodies::{Checkpoint, ChunkPlace, Cursor, FactsPlace, Final, PagePlace, TreeRoot};
pub use entry_facts::{
    BackupMediaFacts, BackupSetFacts, CheckFacts, EntryFacts, FaultFacts, LevelFacts, LogFacts,
    NamedValue, OtherSourceFacts, PlacedFault, container, other_source, outcome,
};
pub use facts::{ChangedFacts, EnvelopeItemFacts, Facts, KnownFacts, MissingFacts};

/// Length of a record header.
pub const HEADER_LEN: usize = 16;

/// The only version of records (spec: REC-3).
pub const VERSION: u16 = 1;

/// The flag of records that a reader must not pass over (spec: REC-2).
pub const CRITICAL: u16 = 1;

/// What stands before the body of every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The type's number; it may be unknown.
    pub kind: u16,
    /// [`CRITICAL`], or nothing.
    pub flags: u16,
    /// The version of the record.
    pub version: u16,
    /// Length of the body (spec: REC-4).
    pub body_len: usize,
}

/// The types of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// A stretch of the stream.
    Chunk,
    /// What was learned of an entry or of the archive.
    Facts,
    /// Rows of the catalogue.
    CataloguePage,
    /// The end of a stripe, and an index of it.
    Checkpoint,
    /// The end of the archive.
    Final,
    /// A page of the tree above the catalogue.
    TreePage,
}

impl RecordHeader {
    /// The header of a record of a known type.
    pub fn new(record_type: RecordType, body_len: usize) -> Self {
        Self {
            kind: record_type.number(),
            flags: record_type.flags(),
            version: VERSION,
            body_len,
        }
    }

    /// Encodes the header.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..2].copy_from_slice(&self.kind.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.flags.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..12].copy_from_slice(&u32_len(self.body_len).to_le_bytes());
        bytes
    }

    /// Decodes a header, also of an unknown type: see [`RecordHeader::known`].
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: reserved bits are set (spec: REC-2).
    /// - [`FormatError::LimitExceeded`]: body_len (spec: REC-4).
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, FormatError> {
        let structure = Structure::Record;
        let mut cursor = WireReader::new(structure, bytes);
        let kind = cursor.u16()?;
        let flags = cursor.u16()?;
        let version = cursor.u16()?;
        let reserved = cursor.u16()?;
        let body_len = cursor.len32()?;
        if flags & !CRITICAL != 0 || reserved != 0 || cursor.u32()? != 0 {
            // spec: REC-2
            return Err(FormatError::malformed(
                structure,
                "REC-2",
                "reserved bits are set",
            ));
        }
        let max = MAX_RECORD_BODY_LEN as u64;
        FormatError::check_range(structure, "body_len", body_len as u64, 0..=max)?; // spec: REC-4
        Ok(Self {
            kind,
            flags,
            version,
            body_len,
        })
    }

    /// The type of a record that this crate understands; `None` for one to be passed over.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Unsupported`]: an unknown critical type (spec: REC-2), or another version
    ///   of a known one (spec: REC-3).
    /// - [`FormatError::Malformed`]: the critical flag is not that of the type (spec: REC-2).
    pub fn known(&self) -> Result<Option<RecordType>, FormatError> {
        let structure = Structure::Record;
        let critical = self.flags & CRITICAL != 0;
        let Some(record_type) = RecordType::from_number(self.kind) else {
            // spec: REC-2
            let what = format!("critical type {}", self.kind);
            return if critical {
                Err(FormatError::unsupported(structure, what))
            } else {
                Ok(None)
            };
        };
        if self.flags != record_type.flags() {
            // spec: REC-2
            let what = "the critical flag is not that of the type";
            return Err(FormatError::malformed(structure, "REC-2", what));
        }
        match (self.version, critical) {
            (VERSION, _) => Ok(Some(record_type)),
            // spec: REC-3
            (_, false) => Ok(None),
            (version, true) => {
                let what = format!("version {version} of type {}", self.kind);
                Err(FormatError::unsupported(structure, what))
            }
        }
    }
}

impl RecordType {
    /// The type of that number, if it is known.
    pub fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Chunk,
            2 => Self::Facts,
            3 => Self::CataloguePage,
            4 => Self::Checkpoint,
            5 => Self::Final,
            6 => Self::TreePage,
            _ => return None,
        })
    }

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Chunk => 1,
            Self::Facts => 2,
            Self::CataloguePage => 3,
            Self::Checkpoint => 4,
            Self::Final => 5,
            Self::TreePage => 6,
        }
    }

    /// Its flags: all but FACTS are critical.
    pub fn flags(self) -> u16 {
        match self {
            Self::Facts => 0,
            _ => CRITICAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn headers_come_back() {
        for number in 1..7 {
            let record_type = RecordType::from_number(number).unwrap();
            let header = RecordHeader::new(record_type, MAX_RECORD_BODY_LEN);
            assert_eq!(RecordHeader::decode(&header.encode()).unwrap(), header);
            assert_eq!(header.known().unwrap(), Some(record_type));
            assert_eq!(header.flags == 0, number == 2);
        }
    }

    #[test]
    fn reserved_bits_and_long_bodies_are_refused() {
        let bytes = RecordHeader::new(RecordType::Chunk, 5).encode();
        for offset in [3, 6, 7, 12, 15] {
            let mut bytes = bytes;
            bytes[offset] = 2;
            let class = RecordHeader::decode(&bytes).unwrap_err().class();
            assert_eq!(class, Class::Malformed);
        }
        let long = RecordHeader::new(RecordType::Chunk, MAX_RECORD_BODY_LEN + 1).encode();
        let class = RecordHeader::decode(&long).unwrap_err().class();
        assert_eq!(class, Class::LimitExceeded);
    }

    #[test]
    fn unknown_types_and_versions_are_refused_only_if_critical() {
        let known = |kind, flags, version| {
            RecordHeader {
                kind,
                flags,
                version,
                body_len: 0,
            }
            .known()
            .map_err(|error| error.class())
        };
        assert_eq!(known(7, CRITICAL, 1), Err(Class::Unsupported));
        assert_eq!(known(7, 0, 9), Ok(None));
        assert_eq!(known(0, 0, 1), Ok(None));
        assert_eq!(known(1, 0, 1), Err(Class::Malformed));
        assert_eq!(known(2, CRITICAL, 1), Err(Class::Malformed));
        assert_eq!(known(1, CRITICAL, 2), Err(Class::Unsupported));
        assert_eq!(known(2, 0, 2), Ok(None));
    }
}

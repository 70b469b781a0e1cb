//! The body of FACTS (spec, chapter 9).

use serde::{Deserialize, Serialize};

use super::bodies::{decode, not_encoded};
use super::entry_facts::{BackupMediaFacts, BackupSetFacts, OtherSourceFacts};
use crate::encoding;
use crate::error::{FormatError, Structure};
use crate::geometry::StreamOffset;
use crate::limits::MAX_FACTS_LEN;

/// What was learned of an entry, or of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Offset of the entry's first `x` header; `None` for the archive.
    #[serde(with = "encoding::all_ones")]
    pub entry: Option<StreamOffset>,
    /// What `data` is; unknown kinds are passed over (spec: FAC-1).
    pub kind: u16,
    /// As the kind says: see [`Facts::known`].
    #[serde(with = "encoding::bytes")]
    pub data: Vec<u8>,
}

/// FACTS of a kind that this crate understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownFacts {
    /// Kind 1.
    Changed(ChangedFacts),
    /// Kind 2.
    EnvelopeItem(EnvelopeItemFacts),
    /// Kind 3.
    Missing(MissingFacts),
    /// Kind 4.
    BackupMedia(BackupMediaFacts),
    /// Kind 5; boxed, since it is much larger than the others.
    BackupSet(Box<BackupSetFacts>),
    /// Kind 6.
    OtherSource(OtherSourceFacts),
}

/// A file changed while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFacts {
    /// The size that was stored.
    pub recorded_size: u64,
    /// The size that was there at the end.
    pub observed_size: u64,
}

/// What the data domain may know of an item in the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeItemFacts {
    /// The item's kind.
    pub kind: u16,
    /// The item's name.
    #[serde(with = "encoding::text")]
    pub name: String,
    /// The first 16 bytes of a MAC of its content, if that has 128 bits of entropy or more.
    pub check: Option<[u8; 16]>,
}

/// A source that could not be read: the archive is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFacts {
    /// The path of the source.
    #[serde(with = "encoding::bytes")]
    pub path: Vec<u8>,
    /// Why, in words.
    #[serde(with = "encoding::bytes")]
    pub reason: Vec<u8>,
}

impl Facts {
    /// Kind of [`ChangedFacts`].
    pub const CHANGED: u16 = 1;
    /// Kind of [`EnvelopeItemFacts`].
    pub const ENVELOPE_ITEM: u16 = 2;
    /// Kind of [`MissingFacts`].
    pub const MISSING: u16 = 3;
    /// Kind of [`BackupMediaFacts`].
    pub const BACKUP_MEDIA: u16 = 4;
    /// Kind of [`BackupSetFacts`].
    pub const BACKUP_SET: u16 = 5;
    /// Kind of [`OtherSourceFacts`].
    pub const OTHER_SOURCE: u16 = 6;

    /// Encodes the body of the record.
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    /// Decodes the body of a record.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: the data are over 1 MiB (spec: FAC-1).
    /// - [`FormatError::Malformed`]: the encoding is broken (spec: REC-6).
    pub fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let facts: Self = decode(body)?;
        let max = MAX_FACTS_LEN as u64;
        let len = facts.data.len() as u64;
        FormatError::check_range(Structure::Facts, "data len", len, 0..=max)?; // spec: FAC-1
        Ok(facts)
    }

    /// Entry and kind, which begin FACTS of every version, also one that is passed over
    /// (spec: REC-3).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: the body is too short (spec: REC-6).
    pub fn peek(body: &[u8]) -> Result<(Option<StreamOffset>, u16), FormatError> {
        #[derive(Deserialize)]
        struct Beginning {
            #[serde(with = "encoding::all_ones")]
            entry: Option<StreamOffset>,
            kind: u16,
        }
        let (Beginning { entry, kind }, _) =
            encoding::decode_first(body).map_err(|_| not_encoded())?;
        Ok((entry, kind))
    }

    /// What the data say; `None` for kinds that are passed over (spec: FAC-1).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: the data do not follow their encoding (spec: REC-6), or name
    ///   an entry where they are about the archive, or the other way round (spec: FAC-1), or count
    ///   fewer faults than they list (spec: FAC-2).
    /// - [`FormatError::LimitExceeded`]: they list over 100 faults (spec: FAC-2).
    pub fn known(&self) -> Result<Option<KnownFacts>, FormatError> {
        let structure = Structure::Facts;
        let (known, about_entry) = match self.kind {
            Self::CHANGED => (decode(&self.data).map(KnownFacts::Changed)?, true),
            Self::ENVELOPE_ITEM => (decode(&self.data).map(KnownFacts::EnvelopeItem)?, false),
            Self::MISSING => (decode(&self.data).map(KnownFacts::Missing)?, false),
            Self::BACKUP_MEDIA => {
                let media = BackupMediaFacts::decode(&self.data)?;
                (KnownFacts::BackupMedia(media), true)
            }
            Self::BACKUP_SET => {
                let set = BackupSetFacts::decode(&self.data)?;
                (KnownFacts::BackupSet(Box::new(set)), true)
            }
            Self::OTHER_SOURCE => {
                let other = OtherSourceFacts::decode(&self.data)?;
                (KnownFacts::OtherSource(other), true)
            }
            _ => return Ok(None),
        };
        if self.entry.is_some() != about_entry {
            let what = format!("facts of kind {} are about something else", self.kind);
            return Err(FormatError::malformed(structure, "FAC-1", what));
        }
        Ok(Some(known))
    }
}

impl ChangedFacts {
    /// These facts about the file whose first `x` header is at `entry`.
    pub fn about(self, entry: StreamOffset) -> Facts {
        Facts {
            entry: Some(entry),
            kind: Facts::CHANGED,
            data: encoding::encode(&self),
        }
    }
}

impl From<EnvelopeItemFacts> for Facts {
    fn from(item: EnvelopeItemFacts) -> Self {
        Self {
            entry: None,
            kind: Self::ENVELOPE_ITEM,
            data: encoding::encode(&item),
        }
    }
}

impl From<MissingFacts> for Facts {
    fn from(missing: MissingFacts) -> Self {
        Self {
            entry: None,
            kind: Self::MISSING,
            data: encoding::encode(&missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn facts_come_back() {
        let changed = ChangedFacts {
            recorded_size: 1,
            observed_size: 2,
        };
        let item = EnvelopeItemFacts {
            kind: 1,
            name: "key".into(),
            check: Some([3; 16]),
        };
        let missing = MissingFacts {
            path: b"home/a".to_vec(),
            reason: b"no".to_vec(),
        };
        let all: [(Facts, KnownFacts); 3] = [
            (changed.about(StreamOffset(5)), KnownFacts::Changed(changed)),
            (item.clone().into(), KnownFacts::EnvelopeItem(item)),
            (missing.clone().into(), KnownFacts::Missing(missing)),
        ];
        for (facts, known) in all {
            let mut decoded = Facts::decode(&facts.encode()).unwrap();
            assert_eq!(decoded, facts);
            assert_eq!(decoded.known().unwrap(), Some(known));
            let peeked = Facts::peek(&facts.encode()[..10]).unwrap();
            assert_eq!(peeked, (facts.entry, facts.kind));
            assert!(Facts::peek(&facts.encode()[..9]).is_err());
            decoded.entry = decoded.entry.xor(Some(StreamOffset(5)));
            assert_eq!(decoded.known().unwrap_err().class(), Class::Malformed);
            decoded.kind = 99;
            assert_eq!(decoded.known().unwrap(), None);
        }
    }

    #[test]
    fn lengths_beyond_the_body_are_malformed_and_take_no_memory() {
        let changed = ChangedFacts {
            recorded_size: 0,
            observed_size: 0,
        };
        let mut body = changed.about(StreamOffset(0)).encode();
        for len in [17, 1 << 23, 1 << 40, u64::MAX] {
            body[10..18].copy_from_slice(&len.to_le_bytes());
            assert_eq!(Facts::decode(&body).unwrap_err().class(), Class::Malformed);
        }
    }

    #[test]
    fn facts_over_1_mib_exceed_their_limit() {
        let mut facts = Facts {
            entry: None,
            kind: 9,
            data: vec![0; MAX_FACTS_LEN],
        };
        assert!(Facts::decode(&facts.encode()).is_ok());
        facts.data.push(0);
        let class = Facts::decode(&facts.encode()).unwrap_err().class();
        assert_eq!(class, Class::LimitExceeded);
    }
}

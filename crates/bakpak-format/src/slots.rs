//! The tables of key slots (spec, chapter 3.2).

use crate::digest::{Digest, SECTOR_LEN};
use crate::error::{FormatError, Structure};
use crate::geometry::BlockSize;
use crate::header::ArchiveId;
use crate::limits::{
    ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, MAX_ARGON2_WORK_KIB, MAX_SLOT_AREA,
    MAX_SLOT_LEN, MAX_SLOTS,
};
use crate::wire::{WireReader, all_zero, u16_len, u32_len};

/// Slot kind of [`Slot::Passphrase`].
pub const PASSPHRASE: u16 = 1;

/// Slot kind of [`Slot::KeyFile`].
pub const KEY_FILE: u16 = 2;

/// Length of a wrapped key: 32 bytes of ciphertext and the tag.
pub const WRAPPED_LEN: usize = 48;

const TABLE_HEADER_LEN: usize = 32;
const SLOT_HEADER_LEN: usize = 8;
const MAC_LEN: usize = 32;
const DIGEST_LEN: usize = 32;
/// Bytes of a table that no slot can take.
const OVERHEAD: usize = TABLE_HEADER_LEN + MAC_LEN + DIGEST_LEN;

/// Which of the two keys a table wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// The archive key.
    Data,
    /// The envelope key.
    Envelope,
}

/// A table of key slots; well formed, its MAC not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotTable {
    /// Which key it wraps.
    pub domain: Domain,
    /// 1 when packed, one more at each change; of two good tables the higher counts (spec: SLT-3).
    pub generation: u32,
    /// The archive's.
    pub archive_id: ArchiveId,
    /// 1 to 24 slots.
    pub slots: Vec<Slot>,
    /// The table MAC as decoded; [`SlotTable::encode`] computes it anew (spec: SLT-4).
    pub mac: [u8; 32],
}

/// A wrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// For whoever knows a passphrase.
    Passphrase(PassphraseSlot),
    /// For whoever has a key file.
    KeyFile(KeyFileSlot),
    /// Of a kind that this crate does not implement; passed over (spec: SLT-5).
    Other {
        /// Its kind.
        kind: u16,
        /// Its body, as it stands.
        body: Vec<u8>,
    },
}

/// A key wrapped for a passphrase (spec: SLT-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassphraseSlot {
    /// Not yet checked: see [`PassphraseSlot::check_limits`].
    pub params: Argon2Params,
    /// Random.
    pub salt: [u8; 16],
    /// Commitment of the key-encryption key.
    pub commitment: [u8; 32],
    /// Random.
    pub nonce: [u8; 12],
    /// Ciphertext and tag.
    pub wrapped: [u8; WRAPPED_LEN],
}

/// What Argon2id is to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    /// m.
    pub memory_kib: u32,
    /// t.
    pub passes: u32,
    /// p.
    pub lanes: u32,
}

/// A key wrapped for a key file (spec: SLT-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileSlot {
    /// Random.
    pub salt: [u8; 16],
    /// Commitment of the key-encryption key.
    pub commitment: [u8; 32],
    /// Random.
    pub nonce: [u8; 12],
    /// Ciphertext and tag.
    pub wrapped: [u8; WRAPPED_LEN],
}

/// S for a writer whose longer table has slots of `slots_len` bytes together.
pub fn area_for(block_size: BlockSize, slots_len: usize) -> usize {
    let mut area = if block_size == BlockSize::FOUR_KIB {
        SECTOR_LEN
    } else {
        4 * SECTOR_LEN
    };
    while area < MAX_SLOT_AREA && slots_len > (area - OVERHEAD) / 2 {
        area *= 2;
    }
    area
}

impl Domain {
    /// The table's magic, which also separates the domains in key derivation (spec: SLT-8).
    pub fn tag(self) -> &'static [u8; 4] {
        match self {
            Self::Data => b"BPSD",
            Self::Envelope => b"BPSE",
        }
    }

    /// The one that it is not.
    pub fn other(self) -> Self {
        match self {
            Self::Data => Self::Envelope,
            Self::Envelope => Self::Data,
        }
    }

    /// For messages.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Data => "the data",
            Self::Envelope => "the master-key envelope",
        }
    }
}

impl SlotTable {
    /// Encodes the table in `area` (S) bytes.
    ///
    /// `mac` computes the table MAC over the bytes it is given (spec: SLT-4).
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: no slot, too many, or too long for the area (spec: SLT-2).
    pub fn encode(
        &self,
        area: usize,
        mac: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> Result<Vec<u8>, FormatError> {
        let slots_len = self.slots_len();
        check_counts(self.slots.len(), slots_len, area)?;
        let mut bytes = Vec::with_capacity(area);
        bytes.extend_from_slice(self.domain.tag());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&u16_len(self.slots.len()).to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&u32_len(slots_len).to_le_bytes());
        bytes.extend_from_slice(&self.archive_id.0);
        for slot in &self.slots {
            check_slot_len(slot.encoded_len())?;
            slot.encode_into(&mut bytes);
        }
        bytes.resize(area - MAC_LEN - DIGEST_LEN, 0);
        let mac = mac(&bytes);
        bytes.extend_from_slice(&mac);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        Ok(bytes)
    }

    /// Decodes a table; `bytes` is S bytes long.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: digest, magic, archive_id, reserved or unused bytes
    ///   (spec: SLT-1), or slots that do not fill slots_len (spec: SLT-2). The other table of the
    ///   pair may be whole.
    /// - [`FormatError::LimitExceeded`]: counts and lengths (spec: SLT-2).
    /// - [`FormatError::Malformed`]: a slot that is not as its kind says (spec: SLT-6).
    pub fn decode(
        bytes: &[u8],
        domain: Domain,
        archive_id: &ArchiveId,
    ) -> Result<Self, FormatError> {
        let structure = Structure::Slots;
        let damaged = |what| FormatError::damaged(structure, what);
        let (covered, digest) = bytes
            .split_last_chunk::<DIGEST_LEN>()
            .filter(|_| bytes.len() >= OVERHEAD)
            .ok_or(FormatError::Truncated { structure })?;
        if Digest::of(covered).as_bytes() != digest {
            // spec: SLT-1
            return Err(damaged("its checksum does not match"));
        }
        let mut cursor = WireReader::new(structure, Self::mac_covered(bytes));
        let magic = cursor.array()?;
        let generation = cursor.u32()?;
        let slot_count = cursor.u16()?.into();
        let reserved: [u8; 2] = cursor.array()?;
        let slots_len = cursor.len32()?;
        if magic != *domain.tag() || reserved != [0; 2] || cursor.array()? != archive_id.0 {
            // spec: SLT-1
            return Err(damaged(
                "its first bytes are wrong, or it is of another archive",
            ));
        }
        check_counts(slot_count, slots_len, bytes.len())?;
        let mut slot_cursor = WireReader::new(structure, cursor.bytes(slots_len)?);
        let slots = (0..slot_count)
            .map(|_| Slot::decode(&mut slot_cursor))
            .collect::<Result<_, _>>()?;
        if !slot_cursor.rest().is_empty() {
            // spec: SLT-2
            return Err(damaged("the lengths of its slots do not add up"));
        }
        if !all_zero(cursor.rest()) {
            // spec: SLT-1
            return Err(damaged("bytes behind its slots are not zero"));
        }
        let (_, mac) = covered.split_at(covered.len() - MAC_LEN);
        Ok(Self {
            domain,
            generation,
            archive_id: *archive_id,
            slots,
            mac: WireReader::new(structure, mac).array()?,
        })
    }

    /// The bytes of an encoded table that its MAC covers (spec: SLT-4).
    pub fn mac_covered(bytes: &[u8]) -> &[u8] {
        let end = bytes.len().saturating_sub(MAC_LEN + DIGEST_LEN);
        &bytes[..end]
    }

    /// Bytes of all slots, encoded.
    pub fn slots_len(&self) -> usize {
        self.slots.iter().map(Slot::encoded_len).sum()
    }
}

impl Slot {
    /// Its kind.
    pub fn kind(&self) -> u16 {
        match self {
            Self::Passphrase(_) => PASSPHRASE,
            Self::KeyFile(_) => KEY_FILE,
            Self::Other { kind, .. } => *kind,
        }
    }

    /// Its length in a table.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Passphrase(_) => PassphraseSlot::LEN,
            Self::KeyFile(_) => KeyFileSlot::LEN,
            Self::Other { body, .. } => SLOT_HEADER_LEN + body.len(),
        }
    }

    /// The slot's bytes before the nonce, the last part of its AAD (spec: SLT-8).
    ///
    /// All of its bytes for kinds that this crate does not implement.
    pub fn aad_prefix(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend_from_slice(&self.kind().to_le_bytes());
        bytes.extend_from_slice(&u16_len(self.encoded_len()).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        match self {
            Self::Passphrase(slot) => {
                bytes.extend_from_slice(&slot.params.memory_kib.to_le_bytes());
                bytes.extend_from_slice(&slot.params.passes.to_le_bytes());
                bytes.extend_from_slice(&slot.params.lanes.to_le_bytes());
                bytes.extend_from_slice(&[0; 4]);
                bytes.extend_from_slice(&slot.salt);
                bytes.extend_from_slice(&slot.commitment);
            }
            Self::KeyFile(slot) => {
                bytes.extend_from_slice(&slot.salt);
                bytes.extend_from_slice(&slot.commitment);
            }
            Self::Other { body, .. } => bytes.extend_from_slice(body),
        }
        bytes
    }

    fn encode_into(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.aad_prefix());
        match self {
            Self::Passphrase(PassphraseSlot { nonce, wrapped, .. })
            | Self::KeyFile(KeyFileSlot { nonce, wrapped, .. }) => {
                bytes.extend_from_slice(nonce);
                bytes.extend_from_slice(wrapped);
            }
            Self::Other { .. } => {}
        }
    }

    fn decode(cursor: &mut WireReader<'_>) -> Result<Self, FormatError> {
        let beyond =
            |_| FormatError::damaged(Structure::Slots, "the lengths of its slots do not add up");
        let kind = cursor.u16().map_err(beyond)?;
        let len = cursor.u16().map_err(beyond)?.into();
        let reserved: [u8; 4] = cursor.array().map_err(beyond)?;
        check_slot_len(len)?;
        let max = cursor.rest().len() + SLOT_HEADER_LEN;
        let body = cursor.bytes(len - SLOT_HEADER_LEN).map_err(|_| {
            FormatError::limit(Structure::Slots, "slot len", len as u64, max as u64)
        })?;
        if reserved != [0; 4] {
            return Err(malformed("reserved bytes of a slot are set"));
        }
        match (kind, len) {
            (PASSPHRASE, PassphraseSlot::LEN) => PassphraseSlot::decode(body).map(Self::Passphrase),
            (KEY_FILE, KeyFileSlot::LEN) => KeyFileSlot::decode(body).map(Self::KeyFile),
            (PASSPHRASE | KEY_FILE, _) => Err(malformed("a slot has not the length of its kind")),
            _ => Ok(Self::Other {
                kind,
                body: body.to_vec(),
            }),
        }
    }
}

impl Argon2Params {
    /// Refuses parameters that ask for too much work, or protect too little (spec: SLT-7).
    ///
    /// To be called before the slot is tried; a slot that is not tried harms nobody.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: m, t, p or t * m is out of range.
    pub fn check_limits(&self) -> Result<(), FormatError> {
        let Argon2Params {
            memory_kib,
            passes,
            lanes,
        } = *self;
        let work = u64::from(memory_kib) * u64::from(passes);
        for (field, found, range) in [
            (
                "Argon2id memory in KiB",
                memory_kib.into(),
                ARGON2_MEMORY_KIB,
            ),
            ("Argon2id passes", passes.into(), ARGON2_PASSES),
            ("Argon2id lanes", lanes.into(), ARGON2_LANES),
            (
                "Argon2id passes times memory in KiB",
                work,
                0..=MAX_ARGON2_WORK_KIB,
            ),
        ] {
            FormatError::check_range(Structure::Slots, field, found, range)?;
        }
        Ok(())
    }
}

impl PassphraseSlot {
    /// Encoded length.
    pub const LEN: usize = SLOT_HEADER_LEN + 124;

    /// As [`Argon2Params::check_limits`].
    ///
    /// # Errors
    ///
    /// Those of [`Argon2Params::check_limits`].
    pub fn check_limits(&self) -> Result<(), FormatError> {
        self.params.check_limits()
    }

    fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = WireReader::new(Structure::Slots, body);
        let params = Argon2Params {
            memory_kib: cursor.u32()?,
            passes: cursor.u32()?,
            lanes: cursor.u32()?,
        };
        if cursor.array()? != [0; 4] {
            return Err(malformed("reserved bytes of a passphrase slot are set"));
        }
        Ok(Self {
            params,
            salt: cursor.array()?,
            commitment: cursor.array()?,
            nonce: cursor.array()?,
            wrapped: cursor.array()?,
        })
    }
}

impl KeyFileSlot {
    /// Encoded length.
    pub const LEN: usize = SLOT_HEADER_LEN + 108;

    fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = WireReader::new(Structure::Slots, body);
        Ok(Self {
            salt: cursor.array()?,
            commitment: cursor.array()?,
            nonce: cursor.array()?,
            wrapped: cursor.array()?,
        })
    }
}

/// A slot that is not as its kind says (spec: SLT-6).
fn malformed(what: &str) -> FormatError {
    FormatError::malformed(Structure::Slots, "SLT-6", what)
}

/// Refuses tables without slots, with too many, or with too long ones (spec: SLT-2).
fn check_counts(slot_count: usize, slots_len: usize, area: usize) -> Result<(), FormatError> {
    let structure = Structure::Slots;
    let max_len = area.saturating_sub(OVERHEAD) as u64;
    let counts = 1..=MAX_SLOTS as u64;
    FormatError::check_range(structure, "slot_count", slot_count as u64, counts)?;
    FormatError::check_range(structure, "slots_len", slots_len as u64, 0..=max_len)
}

/// Refuses a slot of a length that no slot has (spec: SLT-2).
fn check_slot_len(len: usize) -> Result<(), FormatError> {
    let range = SLOT_HEADER_LEN as u64..=MAX_SLOT_LEN as u64;
    FormatError::check_range(Structure::Slots, "slot len", len as u64, range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    const ID: ArchiveId = ArchiveId([7; 16]);

    fn passphrase_slot() -> PassphraseSlot {
        PassphraseSlot {
            params: Argon2Params {
                memory_kib: 262_144,
                passes: 3,
                lanes: 4,
            },
            salt: [1; 16],
            commitment: [2; 32],
            nonce: [3; 12],
            wrapped: [4; 48],
        }
    }

    fn table() -> SlotTable {
        let key_file = KeyFileSlot {
            salt: [5; 16],
            commitment: [6; 32],
            nonce: [7; 12],
            wrapped: [8; 48],
        };
        let other = Slot::Other {
            kind: 99,
            body: vec![9; 5],
        };
        SlotTable {
            domain: Domain::Data,
            generation: 1,
            archive_id: ID,
            slots: vec![
                Slot::Passphrase(passphrase_slot()),
                Slot::KeyFile(key_file),
                other,
            ],
            mac: [10; 32],
        }
    }

    /// Changes an encoded table, and computes its digest anew.
    fn forged(change: impl FnOnce(&mut [u8])) -> Class {
        let mut bytes = table().encode(4096, |_| [10; 32]).unwrap();
        change(&mut bytes);
        let digest = Digest::of(&bytes[..4064]);
        bytes[4064..].copy_from_slice(digest.as_bytes());
        SlotTable::decode(&bytes, Domain::Data, &ID)
            .unwrap_err()
            .class()
    }

    #[test]
    fn a_table_comes_back() {
        let table = table();
        let mut covered = Vec::new();
        let bytes = table
            .encode(16_384, |bytes| {
                covered = bytes.to_vec();
                [10; 32]
            })
            .unwrap();
        assert_eq!(bytes.len(), 16_384);
        assert_eq!(SlotTable::mac_covered(&bytes), covered);
        assert_eq!(SlotTable::decode(&bytes, Domain::Data, &ID).unwrap(), table);
        for (domain, id) in [(Domain::Envelope, ID), (Domain::Data, ArchiveId([8; 16]))] {
            let error = SlotTable::decode(&bytes, domain, &id).unwrap_err();
            assert_eq!(error.class(), Class::Damaged);
        }
    }

    #[test]
    fn slots_have_the_lengths_of_their_kinds() {
        let table = table();
        let lens: Vec<usize> = table.slots.iter().map(Slot::encoded_len).collect();
        assert_eq!(lens, [132, 116, 13]);
        let prefixes: Vec<usize> = table.slots.iter().map(|s| s.aad_prefix().len()).collect();
        assert_eq!(prefixes, [72, 56, 13]);
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = table().encode(4096, |_| [10; 32]).unwrap();
        for offset in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[offset] ^= 1;
            assert!(SlotTable::decode(&bytes, Domain::Data, &ID).is_err());
        }
    }

    #[test]
    fn tables_that_break_rules_are_refused() {
        assert_eq!(forged(|bytes| bytes[0] = 0), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[10] = 1), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[8] = 0), Class::LimitExceeded);
        assert_eq!(forged(|bytes| bytes[8] = 25), Class::LimitExceeded);
        assert_eq!(forged(|bytes| bytes[8] = 2), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[8] = 4), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[13] = 0x10), Class::LimitExceeded);
        assert_eq!(forged(|bytes| bytes[34] = 7), Class::LimitExceeded);
        assert_eq!(forged(|bytes| bytes[35] = 0x11), Class::LimitExceeded);
        assert_eq!(forged(|bytes| bytes[34] = 133), Class::Malformed);
        assert_eq!(forged(|bytes| bytes[36] = 1), Class::Malformed);
        assert_eq!(forged(|bytes| bytes[52] = 1), Class::Malformed);
        assert_eq!(forged(|bytes| bytes[4031] = 1), Class::Damaged);
    }

    #[test]
    fn argon2_parameters_are_checked_when_a_slot_is_tried() {
        let check = |memory_kib, passes, lanes| {
            let params = Argon2Params {
                memory_kib,
                passes,
                lanes,
            };
            PassphraseSlot {
                params,
                ..passphrase_slot()
            }
            .check_limits()
            .is_ok()
        };
        assert!(check(65_536, 2, 1));
        assert!(check(1_048_576, 4, 16));
        assert!(check(262_144, 16, 16));
        assert!(!check(1_048_576, 5, 1));
        assert!(!check(65_535, 2, 1));
        assert!(!check(1_048_577, 2, 1));
        assert!(!check(65_536, 1, 1));
        assert!(!check(65_536, 17, 1));
        assert!(!check(65_536, 2, 0));
        assert!(!check(65_536, 2, 17));
        assert!(!check(u32::MAX, u32::MAX, u32::MAX));
    }

    #[test]
    fn a_table_that_does_not_fit_is_not_written() {
        let class = |table: SlotTable| table.encode(4096, |_| [0; 32]).unwrap_err().class();
        let mut many = table();
        many.slots = vec![many.slots[2].clone(); 25];
        assert_eq!(class(many), Class::LimitExceeded);
        let mut none = table();
        none.slots.clear();
        assert_eq!(class(none), Class::LimitExceeded);
        let mut long = table();
        long.slots.push(Slot::Other {
            kind: 3,
            body: vec![0; 4000],
        });
        assert_eq!(class(long), Class::LimitExceeded);
    }

    #[test]
    fn the_area_leaves_half_of_it_free() {
        assert_eq!(area_for(BlockSize::FOUR_KIB, 2000), 4096);
        assert_eq!(area_for(BlockSize::FOUR_KIB, 2001), 8192);
        assert_eq!(area_for(BlockSize::ONE_MIB, 132), 16_384);
        assert_eq!(area_for(BlockSize::ONE_MIB, 8145), 32_768);
        assert_eq!(area_for(BlockSize::ONE_MIB, 60_000), 65_536);
    }

    #[test]
    fn a_slot_longer_than_the_rest_is_told_with_what_there_is() {
        let mut bytes = table().encode(4096, |_| [10; 32]).unwrap();
        // The last of the slots, of 13 bytes, says that it has 14.
        bytes[32 + 132 + 116 + 2] = 14;
        let digest = Digest::of(&bytes[..4064]);
        bytes[4064..].copy_from_slice(digest.as_bytes());
        let error = SlotTable::decode(&bytes, Domain::Data, &ID).unwrap_err();
        let expected = FormatError::limit(Structure::Slots, "slot len", 14, 13);
        assert_eq!(error, expected);
    }
}

//! The header, and the head page that holds it behind the preamble (spec, chapter 2).

mod extensions;

use std::fmt;

use crate::digest::{Digest, SECTOR_LEN};
use crate::error::{FormatError, Structure};
use crate::geometry::{BlockSize, Geometry, ParityGeometry};
use crate::limits::{
    MAX_CHUNK_SIZE, MAX_ENVELOPE_LEN, MAX_HEADER_LEN, MAX_PARITY_LEN, MAX_SLOT_AREA,
    MIN_CHUNK_SIZE, MIN_HEADER_LEN, MIN_SLOT_AREA,
};
use crate::preamble::{self, PREAMBLE_LEN};
use crate::wire::{WireReader, all_zero, u32_len};

pub use extensions::{ED25519, Extension, FIRST_IGNORABLE_EXTENSION, SIGNERS_EXTENSION, Signer};

/// What a header begins with (spec: HDR-1).
pub const MAGIC: &[u8; 4] = b"BPHD";

/// The only suite: AES-256-GCM, HKDF and HMAC over SHA-512, BLAKE3 (spec: HDR-4).
pub const SUITE: u16 = 1;

/// Magic and header_len.
const PEEKED_LEN: usize = 8;
const FIXED_LEN: usize = 240;
const MAC_LEN: usize = 32;
const DIGEST_LEN: usize = 32;
const _: () = assert!(FIXED_LEN + MAC_LEN + DIGEST_LEN == MIN_HEADER_LEN);

/// The random name of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArchiveId(pub [u8; 16]);

/// What the header says; well formed, and believed by nobody until its MAC is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Random.
    pub archive_id: ArchiveId,
    /// Features without which the archive cannot be read; none is known (spec: HDR-2).
    pub features_incompatible: u64,
    /// Features without which it must not be changed (spec: HDR-3).
    pub features_read_only: u64,
    /// Features that may be ignored.
    pub features_compatible: u64,
    /// The named set of AEAD, KDF and hash: [`SUITE`] (spec: HDR-4).
    pub suite: u16,
    /// B (spec: HDR-5).
    pub block_size: BlockSize,
    /// How much parity (spec: HDR-6).
    pub parity_geometry: ParityGeometry,
    /// S: a power of two from 4 to 64 KiB (spec: HDR-5).
    pub slot_area: usize,
    /// Most raw bytes of a chunk (spec: HDR-5).
    pub chunk_size: usize,
    /// E: length of the envelope body; 0 without an envelope (spec: HDR-5).
    pub envelope_len: usize,
    /// How far a COPY may reach back (spec: CHU-8).
    pub copy_reach: u64,
    /// Random; for all key derivation.
    pub salt: [u8; 32],
    /// Commitment of the archive key (spec: KEY-2).
    pub archive_commitment: [u8; 32],
    /// Commitment of the envelope key; zeros without an envelope (spec: KEY-2, HDR-7).
    pub envelope_commitment: [u8; 32],
    /// BLAKE3 of the envelope body; zeros without an envelope (spec: ENV-1, HDR-7).
    pub envelope_digest: Digest,
    /// Strictly ascending by kind (spec: HDR-8).
    pub extensions: Vec<Extension>,
}

/// The head page(s), decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What everyone may read.
    pub cover_text: String,
    /// The header.
    pub header: Header,
    /// The header MAC, not yet checked (spec: KEY-3).
    pub header_mac: [u8; 32],
    /// The head digest, which was compared (spec: HDR-9).
    pub head_digest: Digest,
    /// H.
    pub head_len: usize,
}

impl Head {
    /// Encodes the head page(s): H bytes.
    ///
    /// `mac` computes the header MAC over the bytes it is given (spec: KEY-3).
    ///
    /// # Errors
    ///
    /// Whatever a reader would refuse in cover text or header.
    pub fn encode(
        cover_text: &str,
        header: &Header,
        mac: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> Result<Vec<u8>, FormatError> {
        let mut bytes = preamble::encode(cover_text)?.to_vec();
        header.encode_into(&mut bytes)?;
        let header_mac = mac(&bytes);
        bytes.extend_from_slice(&header_mac);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(SECTOR_LEN), 0);
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    /// Finds H in the first sector of an archive: magic, version, header_len.
    ///
    /// `first_sector` holds the first 4,096 bytes, or as many as there are.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Unsupported`]: no archive, or another version (spec: HED-1, HED-2).
    /// - [`FormatError::Truncated`]: fewer bytes than a sector (spec: HED-1).
    /// - [`FormatError::LimitExceeded`]: header_len is outside its range (spec: HDR-1).
    /// - [`FormatError::Damaged`]: the header's magic is wrong (spec: HDR-1).
    pub fn peek_len(first_sector: &[u8]) -> Result<usize, FormatError> {
        preamble::check_version(first_sector)?;
        let structure = Structure::Head;
        let header = first_sector
            .get(PREAMBLE_LEN..SECTOR_LEN)
            .ok_or(FormatError::Truncated { structure })?;
        Ok(head_len(peek_header_len(header)?))
    }

    /// Decodes the head page(s); `bytes` is H bytes long.
    ///
    /// Checks in the order of chapter 2: magic, version, header_len, head digest, padding, cover
    /// text, then field after field.
    ///
    /// # Errors
    ///
    /// - Those of [`Head::peek_len`].
    /// - [`FormatError::Damaged`]: its checksum does not match (spec: HDR-9), or padding is not zero
    ///   (spec: HED-4).
    /// - [`FormatError::Unsupported`], [`FormatError::LimitExceeded`], [`FormatError::Malformed`]:
    ///   a field's value (spec: HDR-1 to HDR-8, HED-3).
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let head_len = Self::peek_len(bytes)?;
        let structure = Structure::Head;
        let (preamble, header) = bytes
            .split_first_chunk::<PREAMBLE_LEN>()
            .ok_or(FormatError::Truncated { structure })?;
        let header_len = peek_header_len(header)?;
        if bytes.len() < head_len {
            return Err(FormatError::Truncated { structure });
        }
        let (covered, rest) = bytes.split_at(PREAMBLE_LEN + header_len - DIGEST_LEN);
        let (stored_digest, padding) = rest.split_at(DIGEST_LEN);
        let head_digest = Digest::of(covered);
        if head_digest.as_bytes() != stored_digest {
            // spec: HDR-9
            return Err(FormatError::damaged(
                structure,
                "its checksum does not match",
            ));
        }
        if !all_zero(padding) || bytes.len() != head_len {
            // spec: HED-4
            let what = "bytes behind the header are not zero";
            return Err(FormatError::damaged(structure, what));
        }
        let cover_text = preamble::decode(preamble)?;
        let (header, header_mac) = Header::decode(&covered[PREAMBLE_LEN..], header_len)?;
        Ok(Self {
            cover_text,
            header,
            header_mac,
            head_digest,
            head_len,
        })
    }

    /// The bytes that the header MAC covers (spec: KEY-3), of a head that decodes.
    ///
    /// Nothing for bytes that do not.
    pub fn mac_covered(bytes: &[u8]) -> &[u8] {
        let header = bytes.get(PREAMBLE_LEN..).unwrap_or_default();
        let header_len = peek_header_len(header).unwrap_or_default();
        let end = (PREAMBLE_LEN + header_len).saturating_sub(MAC_LEN + DIGEST_LEN);
        bytes.get(..end).unwrap_or_default()
    }

    /// The lengths from which all offsets follow.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            block_size: self.header.block_size,
            parity: self.header.parity_geometry,
            head_len: self.head_len,
            slot_area: self.header.slot_area,
            envelope_len: self.header.envelope_len,
        }
    }
}

impl Header {
    /// The declared signers; none if the extension is absent (spec: HDR-8).
    pub fn signers(&self) -> Vec<Signer> {
        extensions::signers(&self.extensions)
    }

    fn encode_into(&self, bytes: &mut Vec<u8>) -> Result<(), FormatError> {
        let extensions = extensions::encode(&self.extensions);
        let header_len = u32_len(MIN_HEADER_LEN.saturating_add(extensions.len()));
        let log2 = |size: usize| u8::try_from(size.trailing_zeros()).unwrap_or(u8::MAX);
        if !self.slot_area.is_power_of_two() {
            let what = format!("a slot area of {} bytes", self.slot_area);
            return Err(FormatError::unsupported(Structure::Header, what));
        }
        let parity = [self.parity_geometry.number(), self.parity_geometry.code()];
        let start = bytes.len();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&header_len.to_le_bytes());
        bytes.extend_from_slice(&self.archive_id.0);
        bytes.extend_from_slice(&self.features_incompatible.to_le_bytes());
        bytes.extend_from_slice(&self.features_read_only.to_le_bytes());
        bytes.extend_from_slice(&self.features_compatible.to_le_bytes());
        bytes.extend_from_slice(&self.suite.to_le_bytes());
        bytes.push(self.block_size.log2());
        bytes.extend_from_slice(&parity);
        bytes.push(log2(self.slot_area));
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&u32_len(self.chunk_size).to_le_bytes());
        bytes.extend_from_slice(&u32_len(self.envelope_len).to_le_bytes());
        bytes.extend_from_slice(&self.copy_reach.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.archive_commitment);
        bytes.extend_from_slice(&self.envelope_commitment);
        bytes.extend_from_slice(self.envelope_digest.as_bytes());
        bytes.extend_from_slice(&u32_len(extensions.len()).to_le_bytes());
        bytes.resize(start + FIXED_LEN, 0);
        bytes.extend_from_slice(&extensions);
        Ok(())
    }

    /// Decodes a header whose digest was compared; `bytes` ends behind the MAC.
    fn decode(bytes: &[u8], header_len: usize) -> Result<(Self, [u8; 32]), FormatError> {
        let structure = Structure::Header;
        let unsupported = |what: String| Err(FormatError::unsupported(structure, what));
        let mut cursor = WireReader::new(structure, bytes);
        cursor.bytes(PEEKED_LEN)?;
        let archive_id = ArchiveId(cursor.array()?);
        let features_incompatible = cursor.u64()?;
        check_features(features_incompatible)?;
        let features_read_only = cursor.u64()?; // spec: HDR-3
        let features_compatible = cursor.u64()?;
        let suite = cursor.u16()?;
        if suite != SUITE {
            // spec: HDR-4
            return unsupported(format!("suite {suite}"));
        }
        let log2 = cursor.u8()?;
        let Some(block_size) = BlockSize::from_log2(log2) else {
            // spec: HDR-5
            return unsupported(format!("block_size_log2 {log2}"));
        };
        let parity_geometry = check_parity(cursor.u8()?, cursor.u8()?, block_size)?;
        let slot_area = check_slot_area(cursor.u8()?)?;
        let reserved = cursor.bytes(2)?;
        let chunk_size = cursor.len32()?;
        let envelope_len = cursor.len32()?;
        check_sizes(chunk_size, envelope_len)?;
        let copy_reach = cursor.u64()?;
        let salt = cursor.array()?;
        let archive_commitment = cursor.array()?;
        let envelope_commitment = cursor.array()?;
        let envelope_digest = Digest(cursor.array()?);
        let absent = all_zero(&envelope_commitment) && envelope_digest == Digest::ZERO;
        if envelope_len == 0 && !absent {
            // spec: HDR-7
            let what = "envelope fields are set, but there is no envelope";
            return Err(FormatError::malformed(structure, "HDR-7", what));
        }
        let extensions_len = cursor.len32()?;
        if extensions_len != header_len.saturating_sub(MIN_HEADER_LEN) {
            // spec: HDR-1
            return unsupported(format!("header_len {header_len} of these extensions"));
        }
        if !all_zero(reserved) || !all_zero(cursor.bytes(36)?) {
            // spec: HDR-1
            return unsupported("a header with reserved bytes set".into());
        }
        let extensions = extensions::decode(cursor.bytes(extensions_len)?)?;
        let header = Self {
            archive_id,
            features_incompatible,
            features_read_only,
            features_compatible,
            suite,
            block_size,
            parity_geometry,
            slot_area,
            chunk_size,
            envelope_len,
            copy_reach,
            salt,
            archive_commitment,
            envelope_commitment,
            envelope_digest,
            extensions,
        };
        Ok((header, cursor.array()?))
    }
}

/// Shown in hexadecimal.
impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveId({self})")
    }
}

fn head_len(header_len: usize) -> usize {
    (PREAMBLE_LEN + header_len).next_multiple_of(SECTOR_LEN)
}

/// Checks magic and header_len, before memory is taken for the header (spec: HDR-1).
fn peek_header_len(header: &[u8]) -> Result<usize, FormatError> {
    let structure = Structure::Header;
    let mut cursor = WireReader::new(structure, header);
    let magic: [u8; 4] = cursor.array()?;
    let header_len = cursor.len32()?;
    let range = MIN_HEADER_LEN as u64..=MAX_HEADER_LEN as u64;
    if magic != *MAGIC {
        return Err(FormatError::damaged(structure, "its first bytes are wrong"));
    }
    FormatError::check_range(structure, "header_len", header_len as u64, range)?;
    Ok(header_len)
}

/// Refuses every incompatible feature: this crate implements none (spec: HDR-2).
fn check_features(features: u64) -> Result<(), FormatError> {
    let what = match features.trailing_zeros() {
        64 => return Ok(()),
        0 => "an archive of several volumes (feature bit 0)".into(),
        1 => "an archive that builds on a base archive (feature bit 1)".into(),
        bit => format!("feature bit {bit}"),
    };
    Err(FormatError::unsupported(Structure::Header, what))
}

/// Refuses geometries and codes that are not defined, and more parity than is held in memory
/// (spec: HDR-6).
fn check_parity(
    number: u8,
    code: u8,
    block_size: BlockSize,
) -> Result<ParityGeometry, FormatError> {
    let structure = Structure::Header;
    let Some(geometry) = ParityGeometry::new(number) else {
        return Err(FormatError::unsupported(
            structure,
            format!("parity_geometry {number}"),
        ));
    };
    if code != geometry.code() {
        let what = format!("parity_code {code} with parity_geometry {number}");
        return Err(FormatError::unsupported(structure, what));
    }
    let found = geometry.max_len(block_size) as u64;
    FormatError::check_range(
        structure,
        "parity of a stripe",
        found,
        0..=MAX_PARITY_LEN as u64,
    )?;
    Ok(geometry)
}

/// S of its power of two (spec: HDR-5).
fn check_slot_area(log2: u8) -> Result<usize, FormatError> {
    1_usize
        .checked_shl(log2.into())
        .filter(|area| (MIN_SLOT_AREA..=MAX_SLOT_AREA).contains(area))
        .ok_or_else(|| {
            FormatError::unsupported(Structure::Header, format!("slot_area_log2 {log2}"))
        })
}

/// chunk_size and E (spec: HDR-5).
fn check_sizes(chunk_size: usize, envelope_len: usize) -> Result<(), FormatError> {
    let structure = Structure::Header;
    let chunk_sizes = MIN_CHUNK_SIZE as u64..=MAX_CHUNK_SIZE as u64;
    FormatError::check_range(structure, "chunk_size", chunk_size as u64, chunk_sizes)?;
    let (found, max) = (envelope_len as u64, MAX_ENVELOPE_LEN as u64);
    if found > max || !envelope_len.is_multiple_of(SECTOR_LEN) {
        return Err(FormatError::limit(
            structure,
            "envelope_len in whole sectors",
            found,
            max,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn header() -> Header {
        Header {
            archive_id: ArchiveId([7; 16]),
            features_incompatible: 0,
            features_read_only: 1 << 63,
            features_compatible: u64::MAX,
            suite: SUITE,
            block_size: BlockSize::FOUR_KIB,
            parity_geometry: ParityGeometry::NONE,
            slot_area: 4096,
            chunk_size: 1 << 20,
            envelope_len: 4096,
            copy_reach: u64::MAX,
            salt: [1; 32],
            archive_commitment: [2; 32],
            envelope_commitment: [3; 32],
            envelope_digest: Digest([4; 32]),
            extensions: Vec::new(),
        }
    }

    fn encode(header: &Header) -> Result<Vec<u8>, FormatError> {
        Head::encode("cover", header, |_| [9; 32])
    }

    /// Sets a byte of an encoded head, and computes the head digest anew.
    fn forged(offset: usize, value: u8) -> FormatError {
        let mut bytes = encode(&header()).unwrap();
        bytes[PREAMBLE_LEN + offset] = value;
        let digest = Digest::of(&bytes[..PREAMBLE_LEN + 272]);
        bytes[PREAMBLE_LEN + 272..][..32].copy_from_slice(digest.as_bytes());
        Head::decode(&bytes).unwrap_err()
    }

    #[test]
    fn a_head_comes_back() {
        let mut header = header();
        let (kind, public_key) = (ED25519, [5; 32]);
        let signer = Signer { kind, public_key };
        let list = [[1, 0, 0, 0].as_slice(), &[5; 32]].concat();
        for (kind, value) in [(1, list), (0x8000, vec![]), (0xffff, vec![6; 3000])] {
            header.extensions.push(Extension { kind, value });
            let bytes = encode(&header).unwrap();
            let head = Head::decode(&bytes).unwrap();
            assert_eq!(Head::peek_len(&bytes[..4096]).unwrap(), bytes.len());
            assert_eq!((&head.header, head.head_len), (&header, bytes.len()));
            assert_eq!(
                (head.cover_text.as_str(), head.header_mac),
                ("cover", [9; 32])
            );
            assert_eq!(head.header.signers(), [signer]);
            assert_eq!(head.geometry().head_len, bytes.len());
        }
        assert_eq!(encode(&header).unwrap().len(), 8192);
    }

    #[test]
    fn the_mac_covers_all_before_it() {
        let mut covered = Vec::new();
        let bytes = Head::encode("", &header(), |bytes| {
            covered = bytes.to_vec();
            [0; 32]
        })
        .unwrap();
        assert_eq!(covered.len(), 2048 + 240);
        assert_eq!(Head::mac_covered(&bytes), covered);
        assert!(Head::mac_covered(&[]).is_empty());
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = encode(&header()).unwrap();
        for offset in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[offset] ^= 0x41;
            let class = Head::decode(&bytes).unwrap_err().class();
            if offset >= 2056 {
                assert_eq!(class, Class::Damaged, "offset {offset}");
            }
        }
    }

    #[test]
    fn fields_outside_their_values_are_refused() {
        for (offset, value, class) in [
            (0, b'X', Class::Damaged),      // magic
            (24, 1, Class::Unsupported),    // volumes
            (24, 2, Class::Unsupported),    // base link
            (31, 0x80, Class::Unsupported), // incompatible bit 63
            (48, 2, Class::Unsupported),    // suite
            (50, 13, Class::Unsupported),   // block_size_log2
            (51, 3, Class::Unsupported),    // parity_geometry without its code
            (51, 5, Class::Unsupported),
            (52, 1, Class::Unsupported),  // parity_code without geometry
            (53, 17, Class::Unsupported), // slot_area_log2
            (53, 11, Class::Unsupported),
            (53, 255, Class::Unsupported),
            (54, 1, Class::Unsupported),      // reserved
            (58, 0x81, Class::LimitExceeded), // chunk_size
            (58, 0, Class::LimitExceeded),
            (60, 1, Class::LimitExceeded), // envelope_len
            (62, 5, Class::LimitExceeded),
            (61, 0, Class::Malformed),    // no envelope, but its fields
            (200, 4, Class::Unsupported), // extensions_len
            (204, 1, Class::Unsupported), // reserved
            (239, 1, Class::Unsupported),
        ] {
            assert_eq!(forged(offset, value).class(), class, "offset {offset}");
        }
    }

    #[test]
    fn a_header_len_outside_its_range_is_refused_at_the_first_sector() {
        let mut bytes = encode(&header()).unwrap();
        for header_len in [303_u32, 65_537, u32::MAX] {
            bytes[2052..2056].copy_from_slice(&header_len.to_le_bytes());
            assert_eq!(
                Head::peek_len(&bytes).unwrap_err().class(),
                Class::LimitExceeded
            );
        }
        bytes[2048] = 0;
        assert_eq!(Head::peek_len(&bytes).unwrap_err().class(), Class::Damaged);
        assert_eq!(
            Head::peek_len(&bytes[..4095]).unwrap_err().class(),
            Class::Truncated
        );
    }

    #[test]
    fn critical_unknown_and_unsorted_extensions_are_refused() {
        let class = |kinds: &[u16]| {
            let mut header = header();
            let value = vec![0; 4];
            let extension = |&kind| Extension {
                kind,
                value: value.clone(),
            };
            header.extensions = kinds.iter().map(extension).collect();
            encode(&header).unwrap_err().class()
        };
        assert_eq!(class(&[2]), Class::Unsupported);
        assert_eq!(class(&[0x7fff]), Class::Unsupported);
        assert_eq!(class(&[0x8001, 0x8000]), Class::Malformed);
        assert_eq!(class(&[0x8000, 0x8000]), Class::Malformed);
        assert_eq!(class(&[1]), Class::Malformed);
    }

    #[test]
    fn lists_of_signers_are_whole_and_their_kinds_free() {
        let result = |value: Vec<u8>| {
            let mut header = header();
            header.extensions = vec![Extension { kind: 1, value }];
            encode(&header).map_err(|error| error.class())
        };
        assert!(result([[2, 9, 0, 0].as_slice(), &[5; 32]].concat()).is_ok());
        for bad in [vec![], vec![0; 35], vec![0; 37], vec![1; 36]] {
            assert_eq!(result(bad), Err(Class::Malformed));
        }
    }

    #[test]
    fn extensions_that_do_not_fit_are_refused() {
        // 65,228 bytes are what a header has for one of them; from 65,536 on its own length does
        // not fit either.
        let class = |lens: &[usize]| {
            let mut header = header();
            for (kind, &len) in (0x8000..).zip(lens) {
                let value = vec![0; len];
                header.extensions.push(Extension { kind, value });
            }
            encode(&header).map_or_else(|error| Some(error.class()), |_| None)
        };
        assert_eq!(class(&[65_228]), None);
        for lens in [
            &[65_229][..],
            &[40_000, 40_000],
            &[65_535],
            &[65_536],
            &[131_072],
        ] {
            assert_eq!(class(lens), Some(Class::LimitExceeded), "{lens:?}");
        }
    }

    #[test]
    fn without_an_envelope_each_of_its_fields_is_zero() {
        let result = |envelope_commitment, envelope_digest| {
            let header = Header {
                envelope_len: 0,
                envelope_commitment,
                envelope_digest,
                ..header()
            };
            encode(&header).map_err(|error| error.class())
        };
        assert!(result([0; 32], Digest::ZERO).is_ok());
        assert_eq!(result([3; 32], Digest::ZERO), Err(Class::Malformed));
        assert_eq!(result([0; 32], Digest([4; 32])), Err(Class::Malformed));
    }

    #[test]
    fn the_largest_envelope_is_taken() {
        for (envelope_len, is_taken) in [
            (MAX_ENVELOPE_LEN, true),
            (MAX_ENVELOPE_LEN + SECTOR_LEN, false),
        ] {
            let header = Header {
                envelope_len,
                ..header()
            };
            assert_eq!(encode(&header).is_ok(), is_taken);
        }
    }

    #[test]
    fn an_archive_id_is_shown_in_hexadecimal() {
        let mut id = ArchiveId([0xcd; 16]);
        id.0[0] = 0x02;
        let hex = format!("02{}", "cd".repeat(15));
        assert_eq!(id.to_string(), hex);
        assert_eq!(format!("{id:?}"), format!("ArchiveId({hex})"));
    }
}

//! What closes an archive: tail page, locator and root (spec, chapter 12).

use crate::digest::{Digest, SECTOR_LEN, crc32c};
use crate::error::{FormatError, Structure};
use crate::geometry::{ArchiveOffset, Geometry};
use crate::header::ArchiveId;
use crate::limits::{MAX_TAIL_PAGE_LEN, MIN_TAIL_PAGE_LEN};
use crate::wire::{WireReader, all_zero, u16_len, u32_len};

/// What a tail page begins with (spec: TAL-1).
pub const MAGIC: &[u8; 4] = b"BPTP";

/// What a locator begins with (spec: TAL-2).
pub const LOCATOR_MAGIC: &[u8; 8] = b"BPLOCATE";

/// The only version of locators (spec: TAL-2).
pub const LOCATOR_VERSION: u32 = 1;

/// Length of a locator: the last bytes of the archive.
pub const LOCATOR_LEN: usize = 256;

const PAGE_HEADER_LEN: usize = 128;
const SIGNATURE_HEADER_LEN: usize = 8;
const CRC_OFFSET: usize = 252;
const ROOT_CONTEXT: &[u8] = b"bakpak/1 root";

/// A tail page, with what its locator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailPage {
    /// T.
    pub tail_page_len: usize,
    /// The archive's.
    pub archive_id: ArchiveId,
    /// All data blocks.
    pub block_count: u64,
    /// All stripes.
    pub stripe_count: u64,
    /// Length of the whole file.
    pub archive_len: u64,
    /// Of the head page(s).
    pub head_digest: Digest,
    /// What all check pages come down to (spec: TAL-3).
    pub root: Digest,
    /// Where the tail begins.
    pub tail_offset: ArchiveOffset,
    /// Signatures, also of unknown kinds (spec: TAL-4).
    pub signatures: Vec<Signature>,
}

/// A signature in a tail page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its kind; none is known.
    pub kind: u16,
    /// Its body, as it stands.
    pub body: Vec<u8>,
}

/// The last bytes of an archive, from which all else is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locator {
    /// T.
    pub tail_page_len: usize,
    /// The archive's.
    pub archive_id: ArchiveId,
    /// Where the tail begins.
    pub tail_offset: ArchiveOffset,
    /// All data blocks.
    pub block_count: u64,
    /// As in the tail page.
    pub root: Digest,
    /// BLAKE3 of the tail page before the locator.
    pub page_digest: Digest,
}

/// The root: what an archive's head, counts and check pages come down to (spec: TAL-3).
pub fn root(
    head_digest: &Digest,
    archive_id: &ArchiveId,
    block_count: u64,
    stripe_count: u64,
    page_digests: impl IntoIterator<Item = Digest>,
) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ROOT_CONTEXT);
    hasher.update(head_digest.as_bytes());
    hasher.update(&archive_id.0);
    hasher.update(&block_count.to_le_bytes());
    hasher.update(&stripe_count.to_le_bytes());
    for digest in page_digests {
        hasher.update(digest.as_bytes());
    }
    Digest(*hasher.finalize().as_bytes())
}

/// T for a writer: the shortest tail page that holds signatures of `signatures_len` bytes.
pub fn page_len_for(signatures_len: usize) -> usize {
    let len = (PAGE_HEADER_LEN + LOCATOR_LEN).saturating_add(signatures_len);
    len.checked_next_multiple_of(SECTOR_LEN)
        .unwrap_or(usize::MAX)
}

impl TailPage {
    /// Encodes the page with its locator: T bytes.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: T is out of range, or a signature or all of them do not
    ///   fit.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        check_page_len(self.tail_page_len)?;
        let signatures_len = self.signatures_len();
        let max = self.tail_page_len - PAGE_HEADER_LEN - LOCATOR_LEN;
        let structure = Structure::Tail;
        let (found, max) = (signatures_len as u64, max as u64);
        FormatError::check_range(structure, "signatures_len", found, 0..=max)?;
        let mut page = Vec::with_capacity(self.tail_page_len);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&u32_len(self.tail_page_len).to_le_bytes());
        page.extend_from_slice(&self.archive_id.0);
        page.extend_from_slice(&self.block_count.to_le_bytes());
        page.extend_from_slice(&self.stripe_count.to_le_bytes());
        page.extend_from_slice(&self.archive_len.to_le_bytes());
        page.extend_from_slice(self.head_digest.as_bytes());
        page.extend_from_slice(self.root.as_bytes());
        page.extend_from_slice(&u32_len(signatures_len).to_le_bytes());
        page.resize(PAGE_HEADER_LEN, 0);
        for signature in &self.signatures {
            page.extend_from_slice(&signature.kind.to_le_bytes());
            page.extend_from_slice(&u16_len(signature.encoded_len()).to_le_bytes());
            page.extend_from_slice(&[0; 4]);
            page.extend_from_slice(&signature.body);
        }
        page.resize(self.tail_page_len - LOCATOR_LEN, 0);
        let locator = Locator {
            tail_page_len: self.tail_page_len,
            archive_id: self.archive_id,
            tail_offset: self.tail_offset,
            block_count: self.block_count,
            root: self.root,
            page_digest: Digest::of(&page),
        };
        page.extend_from_slice(&locator.encode());
        Ok(page)
    }

    /// Finds T in the first bytes of a tail page, before more is read.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: it is no tail page (spec: TAL-1).
    /// - [`FormatError::LimitExceeded`]: T is out of range (spec: TAL-1).
    pub fn peek_len(first_sector: &[u8]) -> Result<usize, FormatError> {
        let mut cursor = WireReader::new(Structure::Tail, first_sector);
        if cursor.array()? != *MAGIC {
            return Err(damaged("its first bytes are wrong"));
        }
        let len = cursor.len32()?;
        check_page_len(len)?;
        Ok(len)
    }

    /// The two roots that stand in a page, in its header and in its locator, whatever else of it is
    /// damaged: one that equals the root computed proves as much as a whole page.
    pub fn roots(bytes: &[u8]) -> [Digest; 2] {
        let at = |offset: usize| {
            let root = bytes.get(offset..).and_then(|rest| rest.first_chunk());
            root.map_or(Digest::ZERO, |&root| Digest(root))
        };
        [at(80), at(bytes.len().saturating_sub(LOCATOR_LEN) + 48)]
    }

    /// Decodes a page; `bytes` is T bytes long.
    ///
    /// Checks the page by itself and against its locator; see [`TailPage::check`] for the rest.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: a value, an unused byte, the digest, or the list of signatures
    ///   is wrong (spec: TAL-1, TAL-4).
    /// - [`FormatError::Unsupported`]: a locator of another version (spec: TAL-2).
    /// - [`FormatError::LimitExceeded`]: T is out of range (spec: TAL-1).
    /// - [`FormatError::Truncated`]: shorter than the shortest page.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let structure = Structure::Tail;
        let (page, locator) = bytes
            .split_last_chunk::<LOCATOR_LEN>()
            .filter(|_| bytes.len() >= MIN_TAIL_PAGE_LEN)
            .ok_or(FormatError::Truncated { structure })?;
        let locator = Locator::decode(locator)?
            .ok_or_else(|| damaged("its last bytes, which tell where all else is, are wrong"))?;
        if Digest::of(page) != locator.page_digest {
            // spec: TAL-1
            return Err(damaged("its checksum does not match"));
        }
        let mut cursor = WireReader::new(structure, page);
        if cursor.array()? != *MAGIC || cursor.len32()? != bytes.len() {
            return Err(damaged("its first bytes are wrong"));
        }
        let mut tail_page = Self {
            tail_page_len: bytes.len(),
            archive_id: ArchiveId(cursor.array()?),
            block_count: cursor.u64()?,
            stripe_count: cursor.u64()?,
            archive_len: cursor.u64()?,
            head_digest: Digest(cursor.array()?),
            root: Digest(cursor.array()?),
            tail_offset: locator.tail_offset,
            signatures: Vec::new(),
        };
        let signatures_len = cursor.len32()?;
        let reserved = cursor.bytes(12)?;
        let signatures = cursor
            .bytes(signatures_len)
            .map_err(|_| damaged("its signatures do not fit into it"))?; // spec: TAL-4
        tail_page.signatures = Signature::decode_all(signatures)?;
        if !all_zero(reserved) || !all_zero(cursor.rest()) {
            return Err(damaged("unused bytes are not zero"));
        }
        let expected = Locator {
            tail_page_len: bytes.len(),
            archive_id: tail_page.archive_id,
            block_count: tail_page.block_count,
            root: tail_page.root,
            ..locator
        };
        if locator != expected {
            return Err(damaged("its last bytes do not agree with the rest of it"));
        }
        Ok(tail_page)
    }

    /// Compares the page with the head and the geometry that follows from it (spec: TAL-1).
    ///
    /// `signed` if the header declares signers.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: id, digest, counts or lengths differ.
    pub fn check(
        &self,
        geometry: &Geometry,
        archive_id: &ArchiveId,
        head_digest: &Digest,
        signed: bool,
    ) -> Result<(), FormatError> {
        if self.archive_id != *archive_id || self.head_digest != *head_digest {
            return Err(damaged("it is of another archive"));
        }
        let tail_offset = geometry.tail_offset(self.block_count);
        let archive_len = tail_offset
            .plus(geometry.tail_len(signed, self.tail_page_len))
            .0;
        let stripe_count = geometry.stripe_count(self.block_count);
        let found = (self.tail_offset, self.archive_len, self.stripe_count);
        if found != (tail_offset, archive_len, stripe_count) || self.block_count == 0 {
            return Err(damaged("its counts and lengths do not fit together"));
        }
        Ok(())
    }

    /// Bytes of all signatures, encoded.
    pub fn signatures_len(&self) -> usize {
        self.signatures.iter().map(Signature::encoded_len).sum()
    }
}

impl Signature {
    fn encoded_len(&self) -> usize {
        SIGNATURE_HEADER_LEN + self.body.len()
    }

    /// Signatures that fill their bytes (spec: TAL-4).
    fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let beyond = |_| damaged("the lengths of its signatures do not add up");
        let mut cursor = WireReader::new(Structure::Tail, bytes);
        let mut signatures = Vec::new();
        while !cursor.rest().is_empty() {
            let kind = cursor.u16().map_err(beyond)?;
            let len = usize::from(cursor.u16().map_err(beyond)?);
            let reserved = cursor.u32().map_err(beyond)?;
            let body_len = len
                .checked_sub(SIGNATURE_HEADER_LEN)
                .filter(|_| reserved == 0);
            let body_len = body_len.ok_or_else(|| damaged("the header of a signature is wrong"))?;
            let body = cursor.bytes(body_len).map_err(beyond)?.to_vec();
            signatures.push(Self { kind, body });
        }
        Ok(signatures)
    }
}

impl Locator {
    /// Encodes the locator with its CRC.
    pub fn encode(&self) -> [u8; LOCATOR_LEN] {
        let mut bytes = [0; LOCATOR_LEN];
        bytes[..8].copy_from_slice(LOCATOR_MAGIC);
        bytes[8..12].copy_from_slice(&LOCATOR_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32_len(self.tail_page_len).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.archive_id.0);
        bytes[32..40].copy_from_slice(&self.tail_offset.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.block_count.to_le_bytes());
        bytes[48..80].copy_from_slice(self.root.as_bytes());
        bytes[80..112].copy_from_slice(self.page_digest.as_bytes());
        let crc = crc32c(&bytes[..CRC_OFFSET]);
        bytes[CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes the last bytes of an archive; `None` if they are no whole locator (spec: TAL-2).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Unsupported`]: a whole locator of another version (spec: TAL-2).
    /// - [`FormatError::LimitExceeded`]: T is out of range (spec: TAL-1).
    /// - [`FormatError::Damaged`]: reserved bytes are set (spec: TAL-1).
    pub fn decode(bytes: &[u8; LOCATOR_LEN]) -> Result<Option<Self>, FormatError> {
        let (covered, stored_crc) = bytes.split_at(CRC_OFFSET);
        let mut cursor = WireReader::new(Structure::Tail, covered);
        let magic = cursor.array()?;
        if magic != *LOCATOR_MAGIC || crc32c(covered).to_le_bytes() != stored_crc {
            // spec: TAL-2
            return Ok(None);
        }
        let version = cursor.u32()?;
        if version != LOCATOR_VERSION {
            // spec: TAL-2
            let what = format!("locator version {version}");
            return Err(FormatError::unsupported(Structure::Tail, what));
        }
        let locator = Self {
            tail_page_len: cursor.len32()?,
            archive_id: ArchiveId(cursor.array()?),
            tail_offset: ArchiveOffset(cursor.u64()?),
            block_count: cursor.u64()?,
            root: Digest(cursor.array()?),
            page_digest: Digest(cursor.array()?),
        };
        check_page_len(locator.tail_page_len)?;
        if !all_zero(cursor.rest()) {
            // spec: TAL-1
            return Err(damaged("unused bytes are not zero"));
        }
        Ok(Some(locator))
    }
}

/// Refuses a T that is not 4 to 64 KiB in whole sectors, before memory is taken (spec: TAL-1).
fn check_page_len(len: usize) -> Result<(), FormatError> {
    let range = MIN_TAIL_PAGE_LEN as u64..=MAX_TAIL_PAGE_LEN as u64;
    FormatError::check_range(Structure::Tail, "tail_page_len", len as u64, range)?;
    if !len.is_multiple_of(SECTOR_LEN) {
        return Err(damaged("its length is not in whole sectors"));
    }
    Ok(())
}

/// A tail that is not what was written (spec: TAL-1).
fn damaged(what: &str) -> FormatError {
    FormatError::damaged(Structure::Tail, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::geometry::BlockSize;

    const ID: ArchiveId = ArchiveId([7; 16]);

    fn geometry() -> Geometry {
        Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 0)
    }

    fn tail_page() -> TailPage {
        TailPage {
            tail_page_len: 4096,
            archive_id: ID,
            block_count: 1,
            stripe_count: 1,
            archive_len: 32_768,
            head_digest: Digest([1; 32]),
            root: Digest([2; 32]),
            tail_offset: ArchiveOffset(20_480),
            signatures: Vec::new(),
        }
    }

    fn signature(len: usize) -> Signature {
        Signature {
            kind: 9,
            body: vec![3; len],
        }
    }

    /// Changes an encoded page, and computes its digest and its locator's CRC anew.
    fn forged(change: impl FnOnce(&mut [u8])) -> Class {
        let mut page = tail_page();
        page.signatures = vec![signature(8)];
        let mut bytes = page.encode().unwrap();
        change(&mut bytes);
        let digest = Digest::of(&bytes[..3840]);
        bytes[3840 + 80..][..32].copy_from_slice(digest.as_bytes());
        let crc = crc32c(&bytes[3840..3840 + 252]);
        bytes[4092..].copy_from_slice(&crc.to_le_bytes());
        TailPage::decode(&bytes).unwrap_err().class()
    }

    #[test]
    fn pages_come_back() {
        for lens in [&[][..], &[0], &[64, 3309], &[3688], &[3000, 2000]] {
            let mut page = tail_page();
            page.signatures = lens.iter().map(|&len| signature(len)).collect();
            page.tail_page_len = page_len_for(page.signatures_len());
            let bytes = page.encode().unwrap();
            assert_eq!(bytes.len(), page.tail_page_len);
            assert_eq!(TailPage::decode(&bytes).unwrap(), page);
            let locator = bytes.last_chunk().unwrap();
            let locator = Locator::decode(locator).unwrap().unwrap();
            assert_eq!(locator.tail_offset, page.tail_offset);
        }
    }

    #[test]
    fn every_flipped_byte_is_damage() {
        let bytes = tail_page().encode().unwrap();
        for offset in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[offset] ^= 1;
            let class = TailPage::decode(&bytes).unwrap_err().class();
            assert_eq!(class, Class::Damaged);
        }
    }

    #[test]
    fn pages_that_break_rules_are_refused() {
        assert_eq!(forged(|bytes| bytes[0] = 0), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[5] = 0x20), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[24] = 9), Class::Damaged); // unlike the locator
        assert_eq!(forged(|bytes| bytes[112] = 15), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[114] = 1), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[127] = 1), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[130] = 7), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[132] = 1), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[3839] = 1), Class::Damaged);
        assert_eq!(forged(|bytes| bytes[3840 + 8] = 2), Class::Unsupported);
        assert_eq!(forged(|bytes| bytes[3840 + 12] = 1), Class::Damaged); // no whole sectors
        assert_eq!(forged(|bytes| bytes[3840 + 13] = 0x20), Class::Damaged); // unlike the page
        assert_eq!(forged(|bytes| bytes[3840 + 14] = 2), Class::LimitExceeded);
        assert_eq!(forged(|bytes| bytes[3840 + 251] = 1), Class::Damaged);
    }

    #[test]
    fn a_broken_locator_is_none() {
        let good = *tail_page().encode().unwrap().last_chunk().unwrap();
        for offset in 0..LOCATOR_LEN {
            let mut bytes: [u8; LOCATOR_LEN] = good;
            bytes[offset] ^= 1;
            assert_eq!(Locator::decode(&bytes).unwrap(), None);
        }
    }

    #[test]
    fn a_page_is_compared_with_head_and_geometry() {
        let good = tail_page();
        let check =
            |page: &TailPage, signed| page.check(&geometry(), &ID, &good.head_digest, signed);
        assert!(check(&good, false).is_ok());
        assert!(check(&good, true).is_err());
        for change in [
            (|page| page.archive_id = ArchiveId([8; 16])) as fn(&mut TailPage),
            |page| page.head_digest = Digest::ZERO,
            |page| page.block_count = 2,
            |page| page.block_count = 0,
            |page| page.block_count = u64::MAX,
            |page| page.stripe_count = 2,
            |page| page.archive_len += 1,
            |page| page.tail_offset = ArchiveOffset(0),
        ] {
            let mut page = good.clone();
            change(&mut page);
            assert_eq!(check(&page, false).unwrap_err().class(), Class::Damaged);
        }
    }

    #[test]
    fn signatures_that_do_not_fit_are_not_written() {
        let mut page = tail_page();
        page.signatures = vec![signature(3705)];
        assert_eq!(page.encode().unwrap_err().class(), Class::LimitExceeded);
        page.tail_page_len = 65_537;
        assert_eq!(page.encode().unwrap_err().class(), Class::LimitExceeded);
    }

    #[test]
    fn the_root_covers_everything() {
        let digests = [Digest([3; 32]), Digest([4; 32])];
        let all = root(&Digest([1; 32]), &ID, 2, 3, digests);
        let bytes = [
            b"bakpak/1 root".as_slice(),
            &[1; 32],
            &[7; 16],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[3; 32],
            &[4; 32],
        ];
        assert_eq!(all, Digest::of(&bytes.concat()));
    }

    #[test]
    fn a_page_is_as_long_as_its_signatures_need() {
        let room = 4096 - 128 - 256;
        assert_eq!(page_len_for(0), 4096);
        assert_eq!(page_len_for(room), 4096);
        assert_eq!(page_len_for(room + 1), 8192);
        assert_eq!(page_len_for(usize::MAX), usize::MAX);
    }

    #[test]
    fn the_length_of_a_page_is_told_by_its_first_bytes() {
        let mut page = tail_page();
        page.tail_page_len = 8192;
        let mut bytes = page.encode().unwrap();
        assert_eq!(TailPage::peek_len(&bytes[..8]).unwrap(), 8192);
        let class = |bytes: &[u8]| TailPage::peek_len(bytes).unwrap_err().class();
        assert_eq!(class(&bytes[..7]), Class::Truncated);
        bytes[6] = 2;
        assert_eq!(class(&bytes), Class::LimitExceeded);
        bytes[0] = 0;
        assert_eq!(class(&bytes), Class::Damaged);
    }

    #[test]
    fn both_roots_are_found_in_a_damaged_page() {
        let mut page = tail_page();
        page.root = Digest(std::array::from_fn(|i| i as u8));
        let mut bytes = page.encode().unwrap();
        assert_eq!(TailPage::roots(&bytes), [page.root; 2]);
        bytes[80] = 0xff;
        bytes[0] = 0;
        let [in_header, in_locator] = TailPage::roots(&bytes);
        assert_eq!((in_header.0[0], in_locator), (0xff, page.root));
        assert_eq!(TailPage::roots(&[]), [Digest::ZERO; 2]);
    }
}

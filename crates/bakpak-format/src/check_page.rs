//! The check page of a stripe: hashes, sector CRCs and a copy of the head (spec, chapter 6).

use std::ops::Range;

use crate::digest::{Digest, SECTOR_LEN, crc32c, sector_crcs};
use crate::error::{FormatError, Structure};
use crate::geometry::{CHECK_PAGE_HEADER_LEN, Geometry, StripeIndex, StripeLayout};
use crate::header::ArchiveId;
use crate::wire::{WireReader, all_zero, u16_len, u32_len};

/// What a check page begins with (spec: CHK-1).
pub const MAGIC: &[u8; 4] = b"BPCP";

/// The only version of check pages (spec: CHK-1).
pub const VERSION: u8 = 1;

const LAST_FLAG: u8 = 1;
const CRC_LEN: usize = 4;
const HASH_LEN: usize = 32;

/// What a check page is made of; its lengths follow from the layout.
#[derive(Clone, Copy, Debug)]
pub struct CheckPageParts<'a> {
    /// The stripe.
    pub layout: &'a StripeLayout,
    /// The archive's.
    pub archive_id: &'a ArchiveId,
    /// Of the head page(s).
    pub head_digest: &'a Digest,
    /// BLAKE3 of each shard: data blocks, then parity blocks.
    pub shard_hashes: &'a [Digest],
    /// CRC32C of each sector of each shard, in the same order.
    pub sector_crcs: &'a [u32],
    /// The head page(s): H bytes.
    pub head: &'a [u8],
    /// The envelope body: E bytes, empty without an envelope.
    pub envelope: &'a [u8],
    /// The data slot table: S bytes.
    pub data_slots: &'a [u8],
    /// The envelope slot table: S bytes, empty without an envelope.
    pub envelope_slots: &'a [u8],
}

/// A decoded check page. The ranges are where its copies stand in the bytes it was decoded from;
/// they are empty where the page carries no copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPage {
    /// The stripe as the page tells it.
    pub layout: StripeLayout,
    /// BLAKE3 of each shard (spec: CHK-3).
    pub shard_hashes: Vec<Digest>,
    /// CRC32C of each sector of each shard (spec: CHK-4).
    pub sector_crcs: Vec<u32>,
    /// The copy of the head page(s) (spec: CHK-5).
    pub head: Range<usize>,
    /// The copy of the envelope body (spec: CHK-5).
    pub envelope: Range<usize>,
    /// The copy of the data slot table (spec: CHK-5).
    pub data_slots: Range<usize>,
    /// The copy of the envelope slot table (spec: CHK-5).
    pub envelope_slots: Range<usize>,
    /// The check page digest, which the root covers (spec: TAL-3).
    pub digest: Digest,
}

/// Where the entries of a check page's lists stand in it.
///
/// For whoever has a part of a page only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLists {
    hashes: usize,
    crcs: usize,
    sectors: usize,
}

impl PageLists {
    /// Those of a stripe's page.
    pub fn new(geometry: &Geometry, layout: &StripeLayout) -> Self {
        let hashes = CHECK_PAGE_HEADER_LEN + CRC_LEN * (layout.covered_len / SECTOR_LEN);
        Self {
            hashes,
            crcs: hashes + HASH_LEN * layout.shard_count(),
            sectors: geometry.block_size.sectors(),
        }
    }

    /// The hash of a shard.
    pub fn hash(&self, shard: usize) -> Range<usize> {
        let start = self.hashes + HASH_LEN * shard;
        start..start + HASH_LEN
    }

    /// The CRC of a sector of a shard.
    pub fn crc(&self, shard: usize, sector: usize) -> Range<usize> {
        let start = self.crcs + CRC_LEN * (shard * self.sectors + sector);
        start..start + CRC_LEN
    }
}

/// The CRCs that a page lists of its own sectors, from its first sector on; what follows them is
/// given too.
pub fn own_crcs(page: &[u8]) -> impl Iterator<Item = u32> + '_ {
    stored_crcs(page)
}

/// Where the copies of head, envelope, data and envelope slots stand in the page of a stripe; empty
/// where it carries none.
pub fn copies_of(geometry: &Geometry, layout: &StripeLayout) -> [Range<usize>; 4] {
    let lists = PageLists::new(geometry, layout);
    copies(geometry, layout, lists.crc(layout.shard_count(), 0).start)
}

impl CheckPage {
    /// Encodes a check page of `layout.page_len` bytes.
    ///
    /// The parts have the lengths that the layout asks for; a page made of others does not decode.
    pub fn encode(parts: &CheckPageParts<'_>) -> Vec<u8> {
        let layout = parts.layout;
        let sectors = layout.covered_len / SECTOR_LEN;
        let mut page = Vec::with_capacity(layout.page_len);
        encode_header(parts, &mut page);
        page.resize(CHECK_PAGE_HEADER_LEN + CRC_LEN * sectors, 0);
        for hash in parts.shard_hashes {
            page.extend_from_slice(hash.as_bytes());
        }
        for crc in parts.sector_crcs {
            page.extend_from_slice(&crc.to_le_bytes());
        }
        if layout.carries_head {
            page.extend_from_slice(parts.head);
            page.extend_from_slice(parts.envelope);
        }
        page.resize(layout.covered_len, 0);
        // Sector 0 comes last: it holds the CRCs of all others, and its own as zero (spec: CHK-2).
        let crcs: Vec<u32> = sector_crcs(&page).collect();
        let list = page[CHECK_PAGE_HEADER_LEN..].chunks_exact_mut(CRC_LEN);
        for (entry, crc) in list.zip(crcs).skip(1) {
            entry.copy_from_slice(&crc.to_le_bytes());
        }
        let crc = sector_0_crc(&page).unwrap_or_default();
        page[CHECK_PAGE_HEADER_LEN..][..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        if layout.carries_head {
            page.extend_from_slice(parts.data_slots);
            page.extend_from_slice(parts.envelope_slots);
        }
        page
    }

    /// Tells which stripe a page says that it is of, unchecked.
    pub fn peek_index(first_sector: &[u8]) -> Option<StripeIndex> {
        let index = first_sector.get(8..16)?.first_chunk()?;
        Some(StripeIndex(u64::from_le_bytes(*index)))
    }

    /// Learns the layout of a stripe from the first sector of its check page.
    ///
    /// For a reader that does not know the number of blocks, such as one of a pipe.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: magic, CRC of the sector, or a field is wrong (spec: CHK-1).
    /// - [`FormatError::Unsupported`]: another version (spec: CHK-1).
    /// - [`FormatError::Truncated`]: fewer bytes than a sector.
    pub fn peek(
        first_sector: &[u8],
        geometry: &Geometry,
        archive_id: &ArchiveId,
        head_digest: &Digest,
        expected: StripeIndex,
    ) -> Result<StripeLayout, FormatError> {
        let structure = Structure::CheckPage;
        let mut cursor = WireReader::new(structure, first_sector);
        if cursor.array()? != *MAGIC {
            return Err(damaged("its first bytes are wrong"));
        }
        let version = cursor.u8()?;
        let crc = sector_0_crc(first_sector).ok_or(FormatError::Truncated { structure })?;
        if stored_crcs(first_sector).next() != Some(crc) {
            return Err(damaged("the checksum of its sector 0 does not match"));
        }
        if version != VERSION {
            return Err(FormatError::unsupported(
                structure,
                format!("version {version}"),
            ));
        }
        let flags = cursor.u8()?;
        let mut reserved = vec![cursor.bytes(2)?];
        if cursor.u64()? != expected.0 {
            return Err(damaged("it is of another stripe"));
        }
        if cursor.array()? != archive_id.0 {
            return Err(damaged("it is of another archive"));
        }
        let data_count = usize::from(cursor.u16()?);
        let last = flags == LAST_FLAG;
        let full = geometry.data_blocks_per_stripe();
        // Only the last stripe may have fewer than the full number of data blocks.
        if flags & !LAST_FLAG != 0
            || !(1..=full).contains(&data_count)
            || !last && data_count < full
        {
            return Err(damaged("its flags or its number of blocks are wrong"));
        }
        let layout = geometry.stripe_of(expected, data_count, last);
        let lens = [cursor.u16()?.into(), cursor.len32()?, cursor.len32()?];
        if lens != [layout.parity_count, layout.page_len, layout.covered_len] {
            return Err(damaged(
                "its counts and lengths are not those of the geometry",
            ));
        }
        reserved.push(cursor.bytes(4)?);
        if cursor.u64()? != layout.first_block.0 {
            return Err(damaged("the number of its first block is wrong"));
        }
        if cursor.array()? != *head_digest.as_bytes() {
            return Err(damaged("it belongs to another head"));
        }
        reserved.push(cursor.bytes(168)?);
        if !reserved.into_iter().all(all_zero) {
            return Err(damaged("unused bytes are not zero"));
        }
        Ok(layout)
    }

    /// Decodes the check page of stripe `expected`; `bytes` is the whole page.
    ///
    /// Whether the stripe is the last one, and how many blocks it has, is as the page says: a
    /// reader that knows the number of blocks compares with [`CheckPage::check_layout`].
    ///
    /// # Errors
    ///
    /// - Those of [`CheckPage::peek`].
    /// - [`FormatError::Damaged`]: a sector CRC differs (spec: CHK-2), or unused bytes are set
    ///   (spec: CHK-1).
    /// - [`FormatError::Truncated`]: `bytes` is shorter than the page.
    pub fn decode(
        bytes: &[u8],
        geometry: &Geometry,
        archive_id: &ArchiveId,
        head_digest: &Digest,
        expected: StripeIndex,
    ) -> Result<Self, FormatError> {
        let structure = Structure::CheckPage;
        let layout = Self::peek(bytes, geometry, archive_id, head_digest, expected)?;
        if bytes.len() < layout.page_len {
            return Err(FormatError::Truncated { structure });
        }
        if bytes.len() > layout.page_len {
            return Err(damaged("it is longer than it says"));
        }
        if let Some(sector) = Self::damaged_sectors(bytes, layout.covered_len).first() {
            // spec: CHK-2
            return Err(damaged(format!(
                "the checksum of its sector {sector} does not match"
            )));
        }
        let (covered, _) = bytes.split_at(layout.covered_len);
        let mut cursor = WireReader::new(structure, covered);
        cursor.bytes(CHECK_PAGE_HEADER_LEN + layout.covered_len / SECTOR_LEN * CRC_LEN)?;
        let hashes = cursor.bytes(HASH_LEN * layout.shard_count())?;
        let (hashes, _) = hashes.as_chunks::<HASH_LEN>();
        let crcs = cursor.bytes(CRC_LEN * layout.shard_count() * geometry.block_size.sectors())?;
        let (crcs, _) = crcs.as_chunks::<CRC_LEN>();
        let copies = copies(geometry, &layout, layout.covered_len - cursor.rest().len());
        let [head, envelope, data_slots, envelope_slots] = copies;
        if !all_zero(&covered[envelope.end..]) {
            // spec: CHK-1
            return Err(damaged("unused bytes are not zero"));
        }
        Ok(Self {
            layout,
            shard_hashes: hashes.iter().map(|&hash| Digest(hash)).collect(),
            sector_crcs: crcs.iter().map(|&crc| u32::from_le_bytes(crc)).collect(),
            head,
            envelope,
            data_slots,
            envelope_slots,
            digest: Digest::of(covered),
        })
    }

    /// Which of a check page's own sectors do not match their CRCs, in order (spec: CHK-2).
    ///
    /// `covered_len` is that of the stripe's layout. If sector 0 is among them the list of CRCs
    /// itself may be what is damaged.
    pub fn damaged_sectors(bytes: &[u8], covered_len: usize) -> Vec<usize> {
        let covered = &bytes[..covered_len.min(bytes.len())];
        let found = sector_0_crc(covered).into_iter();
        let found = found.chain(sector_crcs(covered).skip(1)).map(Some);
        let found = found.chain(std::iter::repeat(None));
        let stored = stored_crcs(covered)
            .map(Some)
            .chain(std::iter::repeat(Some(0)));
        (0..covered_len.div_ceil(SECTOR_LEN))
            .zip(found.zip(stored))
            .filter(|(_, (found, stored))| found != stored)
            .map(|(sector, _)| sector)
            .collect()
    }

    /// Compares what the page says of its stripe with what the number of blocks says.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: another count (spec: CHK-1), or the last flag is wrong
    ///   (spec: CHK-6).
    pub fn check_layout(&self, expected: &StripeLayout) -> Result<(), FormatError> {
        if self.layout.last != expected.last {
            // spec: CHK-6
            return Err(damaged("it says wrongly whether it is the last one"));
        }
        if self.layout != *expected {
            // spec: CHK-1
            return Err(damaged("its counts are not those of the archive"));
        }
        Ok(())
    }

    /// Compares the copies of head and envelope in a page with the originals (spec: CHK-5).
    ///
    /// The slot tables are the caller's to judge: one of an older generation is only reported.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: a copy differs.
    pub fn check_copies(
        &self,
        bytes: &[u8],
        head: &[u8],
        envelope: &[u8],
    ) -> Result<(), FormatError> {
        if !self.layout.carries_head {
            return Ok(());
        }
        for (copy, original, what) in [
            (&self.head, head, "its copy of the head differs"),
            (&self.envelope, envelope, "its copy of the envelope differs"),
        ] {
            if bytes.get(copy.clone()) != Some(original) {
                return Err(damaged(what));
            }
        }
        Ok(())
    }
}

fn encode_header(parts: &CheckPageParts<'_>, page: &mut Vec<u8>) {
    let layout = parts.layout;
    page.extend_from_slice(MAGIC);
    page.push(VERSION);
    page.push(if layout.last { LAST_FLAG } else { 0 });
    page.extend_from_slice(&[0; 2]);
    page.extend_from_slice(&layout.index.0.to_le_bytes());
    page.extend_from_slice(&parts.archive_id.0);
    page.extend_from_slice(&u16_len(layout.data_count).to_le_bytes());
    page.extend_from_slice(&u16_len(layout.parity_count).to_le_bytes());
    page.extend_from_slice(&u32_len(layout.page_len).to_le_bytes());
    page.extend_from_slice(&u32_len(layout.covered_len).to_le_bytes());
    page.extend_from_slice(&[0; 4]);
    page.extend_from_slice(&layout.first_block.0.to_le_bytes());
    page.extend_from_slice(parts.head_digest.as_bytes());
}

/// Where the copies of head, envelope, data and envelope slots stand in a page whose lists end at
/// `lists_end`.
fn copies(geometry: &Geometry, layout: &StripeLayout, lists_end: usize) -> [Range<usize>; 4] {
    if !layout.carries_head {
        return [(); 4].map(|()| lists_end..lists_end);
    }
    let head_end = lists_end + geometry.head_len;
    let envelope_end = head_end + geometry.envelope_len;
    let data_end = layout.covered_len + geometry.slot_area;
    [
        lists_end..head_end,
        head_end..envelope_end,
        layout.covered_len..data_end,
        data_end..layout.page_len,
    ]
}

/// The CRC32C of sector 0 with its own entry as zero (spec: CHK-2); `None` if it is not all there.
fn sector_0_crc(page: &[u8]) -> Option<u32> {
    let mut sector: [u8; SECTOR_LEN] = *page.first_chunk()?;
    sector[CHECK_PAGE_HEADER_LEN..][..CRC_LEN].fill(0);
    Some(crc32c(&sector))
}

/// The list of CRCs of a page's own sectors, and what follows it.
fn stored_crcs(page: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let list = page.get(CHECK_PAGE_HEADER_LEN..).unwrap_or_default();
    let (list, _) = list.as_chunks::<CRC_LEN>();
    list.iter().map(|&crc| u32::from_le_bytes(crc))
}

/// A page that is not what was written (spec: CHK-1).
fn damaged(what: impl Into<String>) -> FormatError {
    FormatError::damaged(Structure::CheckPage, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::geometry::BlockSize;

    const ID: ArchiveId = ArchiveId([7; 16]);
    const HEAD_DIGEST: Digest = Digest([8; 32]);

    fn geometry() -> Geometry {
        Geometry::new(BlockSize::SIXTY_FOUR_KIB, 4096, 16_384, 4096)
    }

    /// A page's parts without its lists.
    fn parts(layout: &StripeLayout) -> CheckPageParts<'_> {
        CheckPageParts {
            layout,
            archive_id: &ID,
            head_digest: &HEAD_DIGEST,
            shard_hashes: &[],
            sector_crcs: &[],
            head: &[5; 4096],
            envelope: &[6; 4096],
            data_slots: &[7; 16_384],
            envelope_slots: &[8; 16_384],
        }
    }

    fn page(layout: &StripeLayout) -> Vec<u8> {
        CheckPage::encode(&CheckPageParts {
            shard_hashes: &vec![Digest([1; 32]); layout.data_count],
            sector_crcs: &vec![0x0203_0405; layout.data_count * 16],
            ..parts(layout)
        })
    }

    fn decode(bytes: &[u8], index: StripeIndex) -> Result<CheckPage, FormatError> {
        CheckPage::decode(bytes, &geometry(), &ID, &HEAD_DIGEST, index)
    }

    /// Sets a byte of a page, and computes its CRCs anew.
    fn forged(layout: &StripeLayout, offset: usize, value: u8) -> Class {
        let mut bytes = page(layout);
        bytes[offset] = value;
        let crcs: Vec<u32> = sector_crcs(&bytes[..layout.covered_len]).collect();
        for (sector, crc) in crcs.into_iter().enumerate().skip(1) {
            bytes[256 + 4 * sector..][..4].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = sector_0_crc(&bytes).unwrap();
        bytes[256..260].copy_from_slice(&crc.to_le_bytes());
        decode(&bytes, layout.index).unwrap_err().class()
    }

    #[test]
    fn a_page_comes_back() {
        for (block_count, index) in [(1, 0), (15, 0), (16, 0), (510, 0), (511, 0), (600, 1)] {
            let layout = geometry().stripe(block_count, StripeIndex(index));
            let bytes = page(&layout);
            assert_eq!(bytes.len(), layout.page_len);
            let decoded = decode(&bytes, layout.index).unwrap();
            assert_eq!(decoded.layout, layout);
            assert_eq!(
                decoded.shard_hashes,
                vec![Digest([1; 32]); layout.data_count]
            );
            assert_eq!(
                decoded.sector_crcs,
                vec![0x0203_0405; layout.data_count * 16]
            );
            assert_eq!(decoded.digest, Digest::of(&bytes[..layout.covered_len]));
            assert!(decoded.check_layout(&layout).is_ok());
            if layout.carries_head {
                assert_eq!(bytes[decoded.head.clone()], [5; 4096]);
                assert_eq!(bytes[decoded.envelope.clone()], [6; 4096]);
                assert_eq!(bytes[decoded.data_slots.clone()], [7; 16_384]);
                assert_eq!(bytes[decoded.envelope_slots.clone()], [8; 16_384]);
            }
            assert!(decoded.check_copies(&bytes, &[5; 4096], &[6; 4096]).is_ok());
            let differs = decoded
                .check_copies(&bytes, &[5; 4096], &[0; 4096])
                .is_err();
            assert_eq!(differs, layout.carries_head);
        }
    }

    #[test]
    fn every_flipped_byte_is_damage_of_its_sector() {
        let layout = geometry().stripe(16, StripeIndex(0));
        let bytes = page(&layout);
        for offset in (0..layout.covered_len).step_by(7) {
            let mut bytes = bytes.clone();
            bytes[offset] ^= 4;
            assert_eq!(
                decode(&bytes, layout.index).unwrap_err().class(),
                Class::Damaged
            );
            let damaged = CheckPage::damaged_sectors(&bytes, layout.covered_len);
            assert!(damaged.contains(&(offset / SECTOR_LEN)));
        }
        let cut = CheckPage::damaged_sectors(&bytes[..5000], layout.covered_len);
        assert_eq!(cut.first(), Some(&1));
        let none = CheckPage::damaged_sectors(&[], layout.covered_len);
        assert_eq!(none.len(), layout.covered_len / SECTOR_LEN);
    }

    #[test]
    fn wrong_fields_are_damage_and_other_versions_unsupported() {
        let layout = geometry().stripe(16, StripeIndex(0));
        let wrong = [0, 5, 6, 8, 16, 33, 34, 36, 40, 44, 48, 56, 88, 255].map(|offset| (offset, 2));
        for (offset, value) in wrong.into_iter().chain([(32, 0), (32, 15), (32, 100)]) {
            assert_eq!(
                forged(&layout, offset, value),
                Class::Damaged,
                "offset {offset}"
            );
        }
        assert_eq!(forged(&layout, 4, 2), Class::Unsupported);
        assert_eq!(forged(&layout, layout.covered_len - 1, 1), Class::Damaged);
    }

    #[test]
    fn only_the_last_stripe_is_short() {
        let layout = geometry().stripe(16, StripeIndex(0));
        assert_eq!(forged(&layout, 5, 0), Class::Damaged);
        // A full stripe has the number of blocks of any stripe, so here the flag alone is wrong.
        let not_last = geometry().stripe(511, StripeIndex(0));
        assert_eq!(forged(&not_last, 5, 2), Class::Damaged);
        let full = geometry().stripe(510, StripeIndex(0));
        let page = decode(&page(&full), StripeIndex(0)).unwrap();
        let class = page.check_layout(&geometry().stripe(511, StripeIndex(0)));
        assert_eq!(class.unwrap_err().class(), Class::Damaged);
    }

    #[test]
    fn short_and_long_pages_are_refused() {
        let layout = geometry().stripe(16, StripeIndex(0));
        let mut bytes = page(&layout);
        for (len, class) in [
            (0, Class::Truncated),
            (4095, Class::Truncated),
            (4096, Class::Truncated),
        ] {
            assert_eq!(
                decode(&bytes[..len], layout.index).unwrap_err().class(),
                class
            );
        }
        bytes.push(0);
        assert_eq!(
            decode(&bytes, layout.index).unwrap_err().class(),
            Class::Damaged
        );
    }

    #[test]
    fn entries_of_the_lists_stand_where_they_are_said_to() {
        for (block_count, index) in [(3, 0), (16, 0), (600, 1)] {
            let layout = geometry().stripe(block_count, StripeIndex(index));
            let hashes: Vec<_> = (0..layout.data_count)
                .map(|shard| Digest::of(&shard.to_le_bytes()))
                .collect();
            let crcs: Vec<_> = (0..layout.data_count * 16)
                .map(|sector| crc32c(&sector.to_le_bytes()))
                .collect();
            let bytes = CheckPage::encode(&CheckPageParts {
                shard_hashes: &hashes,
                sector_crcs: &crcs,
                ..parts(&layout)
            });
            let lists = PageLists::new(&geometry(), &layout);
            for (shard, hash) in hashes.iter().enumerate() {
                assert_eq!(&bytes[lists.hash(shard)], hash.as_bytes());
                for sector in 0..16 {
                    let crc = crcs[shard * 16 + sector].to_le_bytes();
                    assert_eq!(bytes[lists.crc(shard, sector)], crc);
                }
            }
            let own: Vec<u32> = sector_crcs(&bytes[..layout.covered_len]).collect();
            let listed = own_crcs(&bytes).take(own.len());
            assert!(listed.skip(1).eq(own.into_iter().skip(1)));
            assert_eq!(own_crcs(&bytes).next(), sector_0_crc(&bytes));
        }
    }

    #[test]
    fn a_page_tells_its_stripe_before_it_is_checked() {
        let layout = geometry().stripe(600, StripeIndex(1));
        let mut bytes = page(&layout);
        assert_eq!(CheckPage::peek_index(&bytes), Some(StripeIndex(1)));
        bytes[15] = 2;
        let index = CheckPage::peek_index(&bytes[..16]);
        assert_eq!(index, Some(StripeIndex((2 << 56) + 1)));
        assert_eq!(CheckPage::peek_index(&bytes[..15]), None);
    }
}

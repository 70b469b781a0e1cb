//! Where everything lies: positions, block sizes, stripes and their check pages.
//!
//! All of it follows from a few fields of the header and the number of blocks. Sums saturate: a
//! position that no file can have is one that no file has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::SECTOR_LEN;

/// Data blocks of a full stripe without parity.
pub const DATA_BLOCKS_PER_STRIPE: usize = 510;

/// Shards of a full stripe, data and parity together.
pub const SHARDS_PER_STRIPE: usize = 510;

/// From this many data blocks on, a stripe's check page carries a copy of the head (spec: CHK-5).
pub const HEAD_COPY_MIN_BLOCKS: usize = 16;

/// Length of a check page's header.
pub const CHECK_PAGE_HEADER_LEN: usize = 256;

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The position `len` further on; saturates.
            #[must_use]
            pub const fn plus(self, len: u64) -> Self {
                Self(self.0.saturating_add(len))
            }

            /// How far it is from `earlier` to here; `None` if that is later.
            pub const fn since(self, earlier: Self) -> Option<u64> {
                self.0.checked_sub(earlier.0)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position! {
    /// A data block's number, from 0 over the whole archive.
    BlockIndex
}
position! {
    /// A stripe's number, from 0.
    StripeIndex
}
position! {
    /// Bytes from the archive's start.
    ArchiveOffset
}
position! {
    /// Bytes from the start of the stream (the tar).
    StreamOffset
}
position! {
    /// Bytes from the start of the data space.
    DataOffset
}
position! {
    /// A position in the joined payloads of all blocks.
    Place
}

/// The length of every block of an archive (spec: HDR-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u8);

/// How much parity a stripe has: the header's `parity_geometry`, 0 to 4 (spec: HDR-6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParityGeometry(u8);

/// The lengths from which every offset of an archive follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// B.
    pub block_size: BlockSize,
    /// How much parity.
    pub parity: ParityGeometry,
    /// H: length of the head page(s).
    pub head_len: usize,
    /// S: length of a slot table.
    pub slot_area: usize,
    /// E: length of the envelope body, 0 without an envelope.
    pub envelope_len: usize,
}

/// Where one stripe and its parts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripeLayout {
    /// Its number.
    pub index: StripeIndex,
    /// Its first data block.
    pub first_block: BlockIndex,
    /// n: how many data blocks it has.
    pub data_count: usize,
    /// P: how many parity blocks it has.
    pub parity_count: usize,
    /// Where its first block starts.
    pub offset: ArchiveOffset,
    /// Where its (first) check page starts.
    pub page_offset: ArchiveOffset,
    /// C: length of the check page.
    pub page_len: usize,
    /// How much of the check page its own CRCs and digest cover.
    pub covered_len: usize,
    /// The check page carries copies of head, envelope and slots.
    pub carries_head: bool,
    /// It is the last stripe.
    pub last: bool,
}

impl BlockSize {
    /// For archives of up to 256 KiB of records.
    pub const FOUR_KIB: Self = Self(12);
    /// For archives of up to 16 MiB of records.
    pub const SIXTY_FOUR_KIB: Self = Self(16);
    /// For all others.
    pub const ONE_MIB: Self = Self(20);
    /// On request.
    pub const FOUR_MIB: Self = Self(22);

    /// The block size of 2^`log2` bytes; `None` unless it is one of the four (spec: HDR-5).
    pub fn from_log2(log2: u8) -> Option<Self> {
        matches!(log2, 12 | 16 | 20 | 22).then_some(Self(log2))
    }

    /// The power of two.
    pub const fn log2(self) -> u8 {
        self.0
    }

    /// B: bytes of a block in the file.
    pub const fn bytes(self) -> usize {
        1 << self.0
    }

    /// Bytes of a block's payload: B - 96.
    pub const fn payload_len(self) -> usize {
        self.bytes() - 96
    }

    /// Sectors of a block.
    pub const fn sectors(self) -> usize {
        self.bytes() / SECTOR_LEN
    }

    /// The block in which `place` lies, and the offset in its payload.
    pub const fn locate(self, place: Place) -> (BlockIndex, usize) {
        let payload_len = self.payload_len() as u64;
        let offset = (place.0 % payload_len) as usize; // below 4 MiB
        (BlockIndex(place.0 / payload_len), offset)
    }

    /// The place of an offset in a block's payload; saturates.
    pub const fn place(self, block: BlockIndex, offset: usize) -> Place {
        let start = block.0.saturating_mul(self.payload_len() as u64);
        Place(start.saturating_add(offset as u64))
    }
}

impl ParityGeometry {
    /// No parity.
    pub const NONE: Self = Self(0);
    /// 4 parity shards for each group of 255: 1.5 %.
    pub const ONE_AND_A_HALF: Self = Self(1);
    /// 8 of 255: 3 %, what a writer takes if it is not told.
    pub const THREE: Self = Self(2);
    /// 16 of 255: 6 %.
    pub const SIX: Self = Self(3);
    /// 32 of 255: 12 %.
    pub const TWELVE: Self = Self(4);

    /// The geometry of that number; `None` over 4 (spec: HDR-6).
    pub fn new(number: u8) -> Option<Self> {
        (number <= 4).then_some(Self(number))
    }

    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=4).map(Self)
    }

    /// What it is called by: parity in percent of a full stripe, or `none`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "none",
            1 => "1.5",
            2 => "3",
            3 => "6",
            _ => "12",
        }
    }

    /// The number of the geometry.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The header's `parity_code`: 1, the only one, where there is parity (spec: HDR-6).
    pub const fn code(self) -> u8 {
        (self.0 > 0) as u8
    }

    /// Bytes of the parity blocks of a full stripe; that many are held in memory.
    pub const fn max_len(self, block_size: BlockSize) -> usize {
        2 * self.rows() * block_size.bytes()
    }

    /// m: parity shards of each of the two groups of a full stripe.
    pub const fn rows(self) -> usize {
        if self.0 == 0 { 0 } else { 2 << self.0 }
    }

    /// Data blocks of a full stripe: 510 - 2m.
    pub const fn data_blocks_per_stripe(self) -> usize {
        SHARDS_PER_STRIPE - 2 * self.rows()
    }

    /// P: parity blocks of a stripe of `data_count` data blocks.
    pub const fn parity_count(self, data_count: usize) -> usize {
        let m = self.rows();
        if m == 0 {
            return 0;
        }
        let count = (data_count * m).div_ceil(255 - m);
        let count = if count < 2 { 2 } else { count };
        let two_groups = data_count + count > 255;
        if two_groups { count + count % 2 } else { count }
    }
}

impl Geometry {
    /// The geometry of an archive without parity.
    pub const fn new(
        block_size: BlockSize,
        head_len: usize,
        slot_area: usize,
        envelope_len: usize,
    ) -> Self {
        Self {
            block_size,
            parity: ParityGeometry::NONE,
            head_len,
            slot_area,
            envelope_len,
        }
    }

    /// Whether the archive has an envelope.
    pub const fn has_envelope(&self) -> bool {
        self.envelope_len > 0
    }

    /// Where data slot table A starts; B follows it.
    pub const fn data_slots_offset(&self) -> ArchiveOffset {
        ArchiveOffset(self.head_len as u64)
    }

    /// Where envelope slot table A starts, if there is an envelope; B follows it.
    pub const fn envelope_slots_offset(&self) -> ArchiveOffset {
        self.data_slots_offset().plus(2 * self.slot_area as u64)
    }

    /// Where the envelope body starts, if there is an envelope.
    pub const fn envelope_offset(&self) -> ArchiveOffset {
        self.envelope_slots_offset().plus(2 * self.slot_area as u64)
    }

    /// F: where the first stripe starts (spec: FIL-1).
    pub const fn first_stripe_offset(&self) -> ArchiveOffset {
        if self.has_envelope() {
            self.envelope_offset().plus(self.envelope_len as u64)
        } else {
            self.envelope_slots_offset()
        }
    }

    /// Data blocks of every stripe but the last.
    pub const fn data_blocks_per_stripe(&self) -> usize {
        self.parity.data_blocks_per_stripe()
    }

    /// How many stripes `block_count` data blocks make.
    pub const fn stripe_count(&self, block_count: u64) -> u64 {
        block_count.div_ceil(self.data_blocks_per_stripe() as u64)
    }

    /// The layout of stripe `index` of an archive of `block_count` data blocks.
    ///
    /// `index` is below [`Geometry::stripe_count`]; beyond it the layout has no blocks.
    pub fn stripe(&self, block_count: u64, index: StripeIndex) -> StripeLayout {
        let full = self.data_blocks_per_stripe() as u64;
        let left = block_count.saturating_sub(index.0.saturating_mul(full));
        self.stripe_of(index, left.min(full) as usize, left <= full)
    }

    /// The layout of stripe `index` from what its check page says of it.
    ///
    /// `data_count` is at most [`Geometry::data_blocks_per_stripe`].
    pub fn stripe_of(&self, index: StripeIndex, data_count: usize, last: bool) -> StripeLayout {
        let parity_count = self.parity.parity_count(data_count);
        let offset = self.stripe_offset(index);
        let (covered_len, page_len) = self.check_page_len(data_count);
        StripeLayout {
            index,
            first_block: self.first_block(index),
            data_count,
            parity_count,
            offset,
            page_offset: offset.plus(self.blocks_len(data_count)),
            page_len,
            covered_len,
            carries_head: carries_head(data_count),
            last,
        }
    }

    /// Where stripe `index` starts.
    pub fn stripe_offset(&self, index: StripeIndex) -> ArchiveOffset {
        let full_len = self.stripe_len(self.data_blocks_per_stripe());
        self.first_stripe_offset()
            .plus(index.0.saturating_mul(full_len))
    }

    /// Length of a stripe of `data_count` data blocks, with its check pages and parity.
    pub fn stripe_len(&self, data_count: usize) -> u64 {
        let parity_count = self.parity.parity_count(data_count);
        let pages = if parity_count > 0 { 2 } else { 1 };
        let page_len = self.check_page_len(data_count).1 as u64;
        self.blocks_len(data_count + parity_count) + pages * page_len
    }

    /// The first data block of stripe `index`.
    pub fn first_block(&self, index: StripeIndex) -> BlockIndex {
        let full = self.data_blocks_per_stripe() as u64;
        BlockIndex(index.0.saturating_mul(full))
    }

    /// The stripe of a data block, and the block's number in it.
    pub fn stripe_of_block(&self, block: BlockIndex) -> (StripeIndex, usize) {
        let full = self.data_blocks_per_stripe() as u64;
        (StripeIndex(block.0 / full), (block.0 % full) as usize)
    }

    /// Where parity block `number` of a stripe starts.
    pub fn parity_offset(&self, layout: &StripeLayout, number: usize) -> ArchiveOffset {
        let parity = layout.page_offset.plus(layout.page_len as u64);
        parity.plus(self.blocks_len(number))
    }

    /// Where the second check page of a stripe starts; only a stripe with parity has one.
    pub fn second_page_offset(&self, layout: &StripeLayout) -> Option<ArchiveOffset> {
        (layout.parity_count > 0).then(|| self.parity_offset(layout, layout.parity_count))
    }

    /// Where a data block starts (spec: BLK-2).
    pub fn block_offset(&self, block: BlockIndex) -> ArchiveOffset {
        let (stripe, number) = self.stripe_of_block(block);
        self.stripe_offset(stripe).plus(self.blocks_len(number))
    }

    /// Lengths of the check page of a stripe of `data_count` data blocks: what its own CRCs and
    /// digest cover, and the whole page.
    pub const fn check_page_len(&self, data_count: usize) -> (usize, usize) {
        let shards = data_count + self.parity.parity_count(data_count);
        let head = carries_head(data_count);
        let copies = if head {
            self.head_len + self.envelope_len
        } else {
            0
        };
        let lists = shards * (32 + 4 * self.block_size.sectors());
        // Each covered sector costs four bytes of the page's own list of CRCs.
        let sectors = (CHECK_PAGE_HEADER_LEN + lists + copies).div_ceil(SECTOR_LEN - 4);
        let covered_len = sectors * SECTOR_LEN;
        let slots = if !head {
            0
        } else if self.has_envelope() {
            2 * self.slot_area
        } else {
            self.slot_area
        };
        (covered_len, covered_len + slots)
    }

    /// Where the tail of an archive of `block_count` data blocks starts.
    pub fn tail_offset(&self, block_count: u64) -> ArchiveOffset {
        match self.stripe_count(block_count).checked_sub(1) {
            None => self.first_stripe_offset(),
            Some(last) => {
                let last = self.stripe(block_count, StripeIndex(last));
                last.offset.plus(self.stripe_len(last.data_count))
            }
        }
    }

    /// Length of the tail; `signed` if the header declares signers.
    pub const fn tail_len(&self, signed: bool, tail_page_len: usize) -> u64 {
        let pages = if signed { 2 } else { 1 };
        let envelope = if self.has_envelope() {
            self.slot_area + self.envelope_len
        } else {
            0
        };
        (self.head_len + self.slot_area + envelope + pages * tail_page_len) as u64
    }

    const fn blocks_len(&self, count: usize) -> u64 {
        count as u64 * self.block_size.bytes() as u64
    }
}

impl StripeLayout {
    /// n + P: how many shards it has.
    pub const fn shard_count(&self) -> usize {
        self.data_count + self.parity_count
    }

    /// Its data blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockIndex> + use<> {
        let first = self.first_block;
        (0..self.data_count as u64).map(move |number| first.plus(number))
    }
}

const fn carries_head(data_count: usize) -> bool {
    data_count >= HEAD_COPY_MIN_BLOCKS
}

const _: () = assert!(DATA_BLOCKS_PER_STRIPE == ParityGeometry::NONE.data_blocks_per_stripe());

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(block_size: BlockSize, slot_area: usize, envelope_len: usize) -> Geometry {
        Geometry::new(block_size, 4096, slot_area, envelope_len)
    }

    #[test]
    fn check_pages_of_full_stripes_have_the_lengths_of_chapter_6() {
        for (block_size, slot_area, payload_len, page_len) in [
            (BlockSize::FOUR_KIB, 4096, 4000, 36_864),
            (BlockSize::SIXTY_FOUR_KIB, 16_384, 65_440, 94_208),
            (BlockSize::ONE_MIB, 16_384, 1_048_480, 581_632),
            (BlockSize::FOUR_MIB, 16_384, 4_194_208, 2_150_400),
        ] {
            assert_eq!(block_size.payload_len(), payload_len);
            let geometry = geometry(block_size, slot_area, 4096);
            assert_eq!(geometry.check_page_len(510).1, page_len);
        }
    }

    #[test]
    fn the_smallest_archives_have_the_lengths_of_chapter_1() {
        for (envelope_len, archive_len) in [(0, 32_768), (4096, 53_248)] {
            let geometry = geometry(BlockSize::FOUR_KIB, 4096, envelope_len);
            let tail_offset = geometry.tail_offset(1);
            assert_eq!(tail_offset.0 + geometry.tail_len(false, 4096), archive_len);
        }
    }

    #[test]
    fn a_signed_tail_has_two_tail_pages() {
        let geometry = geometry(BlockSize::FOUR_KIB, 4096, 0);
        assert_eq!(geometry.tail_len(true, 8192), 8192 + 4096 + 4096 + 8192);
    }

    #[test]
    fn the_list_of_own_sectors_always_ends_inside_sector_0() {
        let largest = Geometry::new(BlockSize::FOUR_MIB, 69_632, 65_536, 262_144);
        let (covered_len, _) = largest.check_page_len(510);
        assert!(CHECK_PAGE_HEADER_LEN + covered_len / SECTOR_LEN * 4 <= SECTOR_LEN);
    }

    #[test]
    fn only_stripes_of_sixteen_blocks_or_more_carry_the_head() {
        let geometry = geometry(BlockSize::FOUR_KIB, 4096, 0);
        assert_eq!(geometry.check_page_len(15), (4096, 4096));
        assert_eq!(geometry.check_page_len(16), (8192, 12_288));
    }

    #[test]
    fn stripes_follow_each_other_without_gaps() {
        let geometry = geometry(BlockSize::FOUR_KIB, 4096, 4096);
        let block_count = 2 * 510 + 7;
        assert_eq!(geometry.stripe_count(block_count), 3);
        let mut offset = geometry.first_stripe_offset();
        let mut block = BlockIndex(0);
        for index in 0..3 {
            let stripe = geometry.stripe(block_count, StripeIndex(index));
            assert_eq!(stripe.offset, offset);
            assert_eq!(stripe.first_block, block);
            assert_eq!(stripe.last, index == 2);
            assert_eq!(stripe.data_count, if index == 2 { 7 } else { 510 });
            for (number, index) in stripe.blocks().enumerate() {
                assert_eq!(geometry.stripe_of_block(index), (stripe.index, number));
                assert_eq!(
                    geometry.block_offset(index),
                    offset.plus(number as u64 * 4096)
                );
            }
            let blocks_len = stripe.data_count as u64 * 4096;
            assert_eq!(stripe.page_offset, offset.plus(blocks_len));
            offset = stripe.page_offset.plus(stripe.page_len as u64);
            block = block.plus(stripe.data_count as u64);
        }
        assert_eq!(geometry.tail_offset(block_count), offset);
    }

    #[test]
    fn exactly_one_full_stripe_is_the_last() {
        let geometry = geometry(BlockSize::FOUR_KIB, 4096, 0);
        assert_eq!(geometry.stripe_count(510), 1);
        assert!(geometry.stripe(510, StripeIndex(0)).last);
        assert_eq!(geometry.stripe_count(511), 2);
        assert!(!geometry.stripe(511, StripeIndex(0)).last);
        assert_eq!(geometry.stripe(511, StripeIndex(1)).data_count, 1);
    }

    #[test]
    fn parity_counts_follow_chapter_5() {
        let counts = |number, n| ParityGeometry::new(number).unwrap().parity_count(n);
        assert_eq!(counts(0, 510), 0);
        assert_eq!(
            [
                counts(1, 502),
                counts(2, 494),
                counts(3, 478),
                counts(4, 446)
            ],
            [8, 16, 32, 64]
        );
        assert_eq!(counts(2, 1), 2);
        assert_eq!(counts(2, 247), 8);
        // 130 * 8 / 247 is 5 rounded up, which one group need not make even.
        assert_eq!(counts(2, 130), 5);
        // 248 * 8 / 247 is 9 rounded up; 248 + 9 shards make two groups, so 10.
        assert_eq!(counts(2, 248), 10);
        assert_eq!(ParityGeometry::new(5), None);
    }

    #[test]
    fn places_and_blocks_are_inverse() {
        for block_size in [BlockSize::FOUR_KIB, BlockSize::FOUR_MIB] {
            let place = block_size.place(BlockIndex(7), 12);
            assert_eq!(block_size.locate(place), (BlockIndex(7), 12));
        }
    }

    #[test]
    fn absurd_counts_saturate() {
        let geometry = geometry(BlockSize::FOUR_MIB, 4096, 0);
        assert_eq!(geometry.tail_offset(u64::MAX), ArchiveOffset(u64::MAX));
        let beyond = geometry.stripe(1, StripeIndex(u64::MAX));
        assert_eq!(beyond.data_count, 0);
    }

    #[test]
    fn parity_geometries_have_the_numbers_names_and_lengths_of_chapter_5() {
        let all: Vec<_> = ParityGeometry::all()
            .map(|parity| {
                let full = parity.data_blocks_per_stripe();
                let len = parity.max_len(BlockSize::FOUR_KIB);
                (parity.number(), parity.name(), parity.code(), full, len)
            })
            .collect();
        assert_eq!(
            all,
            [
                (0, "none", 0, 510, 0),
                (1, "1.5", 1, 502, 8 * 4096),
                (2, "3", 1, 494, 16 * 4096),
                (3, "6", 1, 478, 32 * 4096),
                (4, "12", 1, 446, 64 * 4096),
            ]
        );
    }

    #[test]
    fn a_stripe_is_blocks_page_parity_and_the_page_again() {
        for parity in ParityGeometry::all().skip(1) {
            let geometry = Geometry {
                parity,
                ..geometry(BlockSize::FOUR_KIB, 4096, 4096)
            };
            let full = parity.data_blocks_per_stripe();
            let block_count = 2 * full as u64 + 7;
            let mut offset = geometry.first_stripe_offset();
            for (index, n) in (0..).zip([full, full, 7]) {
                let stripe = geometry.stripe(block_count, StripeIndex(index));
                assert_eq!((stripe.offset, stripe.data_count), (offset, n));
                assert_eq!(stripe.shard_count(), n + parity.parity_count(n));
                assert_eq!(stripe.blocks().count(), n);
                offset = offset.plus(n as u64 * 4096);
                assert_eq!(stripe.page_offset, offset);
                offset = offset.plus(stripe.page_len as u64);
                for number in 0..stripe.parity_count {
                    assert_eq!(geometry.parity_offset(&stripe, number), offset);
                    offset = offset.plus(4096);
                }
                assert_eq!(geometry.second_page_offset(&stripe), Some(offset));
                offset = offset.plus(stripe.page_len as u64);
            }
            assert_eq!(geometry.tail_offset(block_count), offset);
        }
        let without = geometry(BlockSize::FOUR_KIB, 4096, 0);
        let stripe = without.stripe(1, StripeIndex(0));
        assert_eq!(without.second_page_offset(&stripe), None);
    }

    #[test]
    fn a_full_stripe_has_the_same_check_page_with_any_parity() {
        let lens = |parity: ParityGeometry| {
            let geometry = geometry(BlockSize::SIXTY_FOUR_KIB, 16_384, 0);
            Geometry { parity, ..geometry }.check_page_len(parity.data_blocks_per_stripe())
        };
        for parity in ParityGeometry::all() {
            assert_eq!(lens(parity), lens(ParityGeometry::NONE));
        }
    }
}

//! Where the parts of a whole archive stand.

use bakpak_format::geometry::{BlockIndex, Geometry, StripeIndex, StripeLayout};
use bakpak_format::header::Head;
use bakpak_format::tail::{LOCATOR_LEN, Locator};
use std::ops::Range;

/// The parts of an archive, by ranges of its bytes.
pub struct Map {
    geometry: Geometry,
    locator: Locator,
    len: usize,
}

/// Which of two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Table A, or the check page before parity.
    First,
    /// Table B, or the check page behind parity.
    Second,
}

impl Map {
    /// Reads it off a whole archive.
    pub fn of(archive: &[u8]) -> Self {
        let longest = archive.len().min(1 << 17);
        let head_len = Head::peek_len(&archive[..longest]).expect("a whole head");
        let head = Head::decode(&archive[..head_len]).expect("a whole head");
        let locator = archive.last_chunk::<LOCATOR_LEN>().expect("a locator");
        let locator = Locator::decode(locator).expect("of this version");
        Self {
            geometry: head.geometry(),
            locator: locator.expect("a whole locator"),
            len: archive.len(),
        }
    }

    /// The root, in hexadecimal.
    pub fn root(&self) -> String {
        let root = self.locator.root.as_bytes();
        blake3::Hash::from_bytes(*root).to_hex().to_string()
    }

    /// B.
    pub fn block_len(&self) -> usize {
        self.geometry.block_size.bytes()
    }

    /// Of the whole file.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing; there never is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The head page(s) at the start.
    pub fn head(&self) -> Range<usize> {
        0..self.geometry.head_len
    }

    /// A data slot table at the start.
    pub fn data_slots(&self, copy: Copy) -> Range<usize> {
        self.table(self.geometry.data_slots_offset().0, copy)
    }

    /// An envelope slot table at the start.
    pub fn envelope_slots(&self, copy: Copy) -> Range<usize> {
        self.table(self.geometry.envelope_slots_offset().0, copy)
    }

    /// The envelope body at the start.
    pub fn envelope(&self) -> Range<usize> {
        let start = self.geometry.envelope_offset().0 as usize;
        start..start + self.geometry.envelope_len
    }

    /// A data block.
    pub fn block(&self, index: u64) -> Range<usize> {
        assert!(index < self.locator.block_count, "it has no block {index}");
        let start = self.geometry.block_offset(BlockIndex(index)).0 as usize;
        start..start + self.block_len()
    }

    /// Data blocks in a row.
    pub fn blocks(&self, range: Range<u64>) -> Range<usize> {
        self.block(range.start).start..self.block(range.end - 1).end
    }

    /// P of a stripe.
    pub fn parity_count(&self, stripe: u64) -> usize {
        self.layout(stripe).parity_count
    }

    /// A parity block of a stripe.
    pub fn parity(&self, stripe: u64, number: usize) -> Range<usize> {
        let offset = self.geometry.parity_offset(&self.layout(stripe), number);
        offset.0 as usize..offset.0 as usize + self.block_len()
    }

    /// A check page of a stripe, its copies included.
    pub fn check_page(&self, stripe: u64, copy: Copy) -> Range<usize> {
        let layout = self.layout(stripe);
        let start = match copy {
            Copy::First => layout.page_offset,
            Copy::Second => self
                .geometry
                .second_page_offset(&layout)
                .expect("it has parity"),
        };
        start.0 as usize..start.0 as usize + layout.page_len
    }

    /// A sector of a check page.
    pub fn check_sector(&self, stripe: u64, copy: Copy, number: usize) -> Range<usize> {
        let start = self.check_page(stripe, copy).start + number * 4096;
        start..start + 4096
    }

    /// The copies of slot tables at the end of a check page.
    pub fn check_tables(&self, stripe: u64, copy: Copy) -> Range<usize> {
        let page = self.check_page(stripe, copy);
        page.start + self.layout(stripe).covered_len..page.end
    }

    /// The whole tail.
    pub fn tail(&self) -> Range<usize> {
        self.locator.tail_offset.0 as usize..self.len
    }

    /// The copies in the tail, of an archive without signers.
    pub fn tail_copies(&self) -> Range<usize> {
        self.tail().start..self.tail_page().start
    }

    /// The last tail page, with its locator.
    pub fn tail_page(&self) -> Range<usize> {
        self.len - self.locator.tail_page_len..self.len
    }

    /// The first tail page, of an archive with signers.
    pub fn first_tail_page(&self) -> Range<usize> {
        let start = self.tail().start;
        start..start + self.locator.tail_page_len
    }

    /// The locator.
    pub fn locator(&self) -> Range<usize> {
        self.len - LOCATOR_LEN..self.len
    }

    fn table(&self, offset: u64, copy: Copy) -> Range<usize> {
        let area = self.geometry.slot_area;
        let start = match copy {
            Copy::First => offset as usize,
            Copy::Second => offset as usize + area,
        };
        start..start + area
    }

    fn layout(&self, stripe: u64) -> StripeLayout {
        let count = self.locator.block_count;
        self.geometry.stripe(count, StripeIndex(stripe))
    }
}

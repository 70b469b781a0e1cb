//! Where the parts of an archive really stand in a file that has lost bytes, or has more of them.

use crate::error::ReadError;
use crate::input::read_part_at;
use crate::observer::Observer;
use bakpak_format::block::{self, BlockHeader};
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::geometry::{BlockIndex, Geometry, StripeIndex};
use bakpak_format::header::ArchiveId;
use memchr::memmem::Finder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;

/// As much of a file is searched at a time.
const PIECE_LEN: usize = 1 << 20;

/// So much that cannot be read at one place is no longer taken for lost sectors.
const REFUSED_LEN: usize = 16 << 20;

/// Of one part, so many places at most are remembered: repeated bytes can be many.
const MAX_PLACES: usize = 4;

/// So many other archives are told apart: made-up ids can be many.
const MAX_OTHERS: usize = 16;

/// Besides as many as fit into the file, so many blocks at most are taken from where they should not be.
const MAX_STRAYS: u64 = 1024;

/// A file, read by the offsets that its parts should have.
///
/// Between two parts that were found, both their displacements may be right; which one, the
/// checksums of what is read tell.
pub(crate) struct Places<'a> {
    file: &'a File,
    file_len: u64,
    /// By how many bytes what should stand at an offset stands behind it, as far as that is known.
    shifts: BTreeMap<u64, Vec<i64>>,
    /// How many blocks were found where they should not be.
    strays: u64,
    /// Blocks of other archives that were seen, by the beginning of the archive's id.
    others: BTreeMap<[u8; 8], OtherBlocks>,
}

/// The blocks that are looked for.
struct Sought<'s> {
    geometry: &'s Geometry,
    block_count: u64,
    prefix: [u8; 8],
    observer: &'s dyn Observer,
}

/// What becomes of blocks of other archives: they are noted the first time that a stretch is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Noted,
    PassedOver,
}

/// Blocks of another archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtherBlocks {
    /// Where the first one stands.
    pub(crate) offset: u64,
    /// How many were seen.
    pub(crate) count: u64,
}

impl Sought<'_> {
    /// Whether this is the header of the block of that number.
    fn is_block(&self, header: &BlockHeader, number: u64) -> bool {
        header.archive_id_prefix == self.prefix && header.block_index.0 == number
    }
}

impl<'a> Places<'a> {
    pub(crate) fn new(file: &'a File) -> Result<Self, ReadError> {
        let file_len = file.metadata().map_err(ReadError::reading)?.len();
        Ok(Self {
            file,
            file_len,
            shifts: BTreeMap::new(),
            strays: 0,
            others: BTreeMap::new(),
        })
    }

    pub(crate) fn file(&self) -> &'a File {
        self.file
    }

    pub(crate) fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Blocks of other archives, where blocks of this one were looked for.
    pub(crate) fn others(&self) -> impl Iterator<Item = ([u8; 8], OtherBlocks)> {
        self.others.iter().map(|(id, blocks)| (*id, *blocks))
    }

    /// What should stand at `offset` was found at `found`.
    pub(crate) fn found(&mut self, offset: u64, found: u64) {
        let shift = found.cast_signed() - offset.cast_signed();
        self.drop_last_between(offset, shift);
        let of_run = match self.shifts.contains_key(&offset) {
            true => Vec::new(),
            false => self.shifts_around(offset),
        };
        let shifts = self.shifts.entry(offset).or_default();
        for shift in [shift].into_iter().chain(of_run) {
            if shifts.len() < MAX_PLACES && !shifts.contains(&shift) {
                shifts.push(shift);
            }
        }
    }

    /// The displacements of a run that goes over an offset. What stands in its middle tells them too:
    /// its ends are no longer the nearest for what is between two such.
    fn shifts_around(&self, offset: u64) -> Vec<i64> {
        let before = self.shifts.range(..offset).next_back();
        let behind = self.shifts.range(offset..).next();
        let (Some((_, before)), Some((_, behind))) = (before, behind) else {
            return Vec::new();
        };
        let both = before.iter().filter(|shift| behind.contains(shift));
        both.copied().collect()
    }

    /// Of a run of parts displaced alike, the first and the last tell of all: so memory does not grow
    /// with the archive.
    fn drop_last_between(&mut self, offset: u64, shift: i64) {
        let mut from_last = self.shifts.iter().rev();
        let (Some((last, one)), Some((_, other))) = (from_last.next(), from_last.next()) else {
            return;
        };
        let last = *last;
        if last < offset && *one == [shift] && *other == [shift] {
            self.shifts.remove(&last);
        }
    }

    /// Whether anything stands elsewhere than it should.
    pub(crate) fn is_moved(&self) -> bool {
        self.shifts.values().flatten().any(|shift| *shift != 0)
    }

    /// Looks for the blocks: first where they should be, then, where they are not, everywhere
    /// between those that are; and if any is missing, where other parts should be (spec: RPR-3).
    pub(crate) fn find_blocks(
        &mut self,
        geometry: &Geometry,
        block_count: u64,
        archive_id: &ArchiveId,
        observer: &dyn Observer,
    ) -> Result<(), ReadError> {
        let sought = Sought {
            geometry,
            block_count,
            prefix: block::prefix(archive_id),
            observer,
        };
        let (mut searched_from, mut is_missing) = (None, false);
        // Where bytes are missing, a block stands before its offset, but behind the one before it.
        let mut behind_found = 0;
        for number in 0..block_count {
            if number % 1024 == 0 && observer.cancelled() {
                return Err(ReadError::Interrupted);
            }
            let offset = geometry.block_offset(BlockIndex(number)).0;
            if offset >= self.file_len {
                is_missing = true;
                searched_from.get_or_insert(behind_found);
                break;
            }
            let header = self.header_at(offset)?;
            if header.is_some_and(|header| sought.is_block(&header, number)) {
                self.found(offset, offset);
                behind_found = offset + block::CLEAR_LEN as u64;
                if let Some(from) = searched_from.take() {
                    self.search(from..offset, &sought, Others::Noted)?;
                }
            } else {
                is_missing = true;
                searched_from.get_or_insert(behind_found);
            }
        }
        if let Some(from) = searched_from {
            self.search(from..self.file_len, &sought, Others::Noted)?;
        }
        if is_missing {
            self.search_between_stripes(&sought)?;
        }
        Ok(())
    }

    /// Looks for blocks where other parts should stand: before the first stripe, between stripes, and
    /// behind the last.
    fn search_between_stripes(&mut self, sought: &Sought<'_>) -> Result<(), ReadError> {
        let Sought {
            geometry,
            block_count,
            ..
        } = *sought;
        let mut from = 0;
        for stripe in 0..geometry.stripe_count(block_count) {
            if from >= self.file_len {
                return Ok(());
            }
            let layout = geometry.stripe(block_count, StripeIndex(stripe));
            let start = geometry.block_offset(layout.first_block).0;
            self.search(from..start, sought, Others::PassedOver)?;
            from = layout.page_offset.0;
        }
        let rest = from.min(self.file_len)..self.file_len;
        self.search(rest, sought, Others::PassedOver)
    }

    /// The highest number of a block, below `most`, that begins anywhere in the file.
    pub(crate) fn highest_block(
        &self,
        geometry: &Geometry,
        most: u64,
        archive_id: &ArchiveId,
        observer: &dyn Observer,
    ) -> Result<Option<BlockIndex>, ReadError> {
        let prefix = block::prefix(archive_id);
        let mut highest = None;
        for place in find_all(self.file, 0..self.file_len, block::MAGIC, observer) {
            let place = place?;
            let header = self.header_at(place)?;
            if let Some(header) = header.filter(|header| header.archive_id_prefix == prefix)
                && header.block_index.0 < most
                && !is_parity(geometry, most, place)
            {
                highest = highest.max(Some(header.block_index));
            }
        }
        Ok(highest)
    }

    /// The header of the block that begins here, if one does, of whatever archive.
    fn header_at(&self, offset: u64) -> Result<Option<BlockHeader>, ReadError> {
        let mut clear = [0; block::CLEAR_LEN];
        if self.read_at(&mut clear, offset)? < clear.len() {
            return Ok(None);
        }
        Ok(BlockHeader::decode(&clear).ok())
    }

    fn search(
        &mut self,
        range: Range<u64>,
        sought: &Sought<'_>,
        others: Others,
    ) -> Result<(), ReadError> {
        let Sought {
            geometry,
            block_count,
            ..
        } = *sought;
        // As many blocks as fit into the file: headers alone, of which many more would, are made up.
        let most = self.file_len / geometry.block_size.bytes() as u64 + MAX_STRAYS;
        for place in find_all(self.file, range, block::MAGIC, sought.observer) {
            let place = place?;
            let Some(header) = self.header_at(place)? else {
                continue;
            };
            if header.archive_id_prefix != sought.prefix {
                if others == Others::Noted {
                    self.note_other(header.archive_id_prefix, place);
                }
                continue;
            }
            let index = header.block_index;
            if index.0 < block_count
                && self.strays < most
                && !is_parity(geometry, block_count, place)
            {
                self.strays += 1;
                self.found(geometry.block_offset(index).0, place);
            }
        }
        Ok(())
    }

    fn note_other(&mut self, id: [u8; 8], offset: u64) {
        let is_full = self.others.len() == MAX_OTHERS;
        match self.others.get_mut(&id) {
            Some(blocks) => blocks.count += 1,
            None if is_full => {}
            None => drop(self.others.insert(id, OtherBlocks { offset, count: 1 })),
        }
    }

    /// Reads what stands at `offset` if it is displaced by `shift`; zeros where there is nothing.
    pub(crate) fn read(&self, offset: u64, shift: i64, buffer: &mut [u8]) -> Result<(), ReadError> {
        buffer.fill(0);
        let start = offset.cast_signed().saturating_add(shift);
        // What would stand before the file's start is not there.
        let missing = usize::try_from(start.saturating_neg().max(0)).unwrap_or(usize::MAX);
        if let Some(rest) = buffer.get_mut(missing..) {
            self.read_at(rest, start.max(0).cast_unsigned())?;
        }
        Ok(())
    }

    /// Reads what stands at `offset` wherever `is_right` says that it does; says whether that was
    /// anywhere. If not, the bytes are those of the likeliest place.
    pub(crate) fn read_right(
        &self,
        offset: u64,
        buffer: &mut [u8],
        is_right: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, ReadError> {
        Ok(self.find_right(offset, buffer, is_right)?.is_some())
    }

    /// As [`Self::read_right`], and says by how much it is displaced.
    pub(crate) fn find_right(
        &self,
        offset: u64,
        buffer: &mut [u8],
        is_right: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<i64>, ReadError> {
        let shifts = self.shifts_at(offset, buffer.len());
        for shift in &shifts {
            self.read(offset, *shift, buffer)?;
            if is_right(buffer) {
                return Ok(Some(*shift));
            }
        }
        if shifts.len() > 1 {
            self.read(offset, shifts[0], buffer)?;
        }
        Ok(None)
    }

    /// The displacements that a part may have, the likeliest first (spec: RPR-3).
    fn shifts_at(&self, offset: u64, len: usize) -> Vec<i64> {
        let before = self.shifts.range(..=offset).next_back();
        let after = self.shifts.range(offset + len as u64..).next();
        let known = before.into_iter().chain(after);
        let mut shifts: Vec<i64> = Vec::new();
        for shift in known.flat_map(|(_, shifts)| shifts).chain(&[0]) {
            if !shifts.contains(shift) {
                shifts.push(*shift);
            }
        }
        shifts
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        read_what_can_be(self.file, buffer, offset).map_err(ReadError::reading)
    }
}

/// Whether a parity block of row 0 should stand there. It is the sum of its group's blocks, and of an
/// odd number of them even their headers' checksums add up: it passes for a block (spec: RPR-3).
fn is_parity(geometry: &Geometry, block_count: u64, place: u64) -> bool {
    let Some(inside) = place.checked_sub(geometry.first_stripe_offset().0) else {
        return false;
    };
    let full = geometry.stripe_len(geometry.data_blocks_per_stripe());
    let last = geometry.stripe_count(block_count).saturating_sub(1);
    let layout = geometry.stripe(block_count, StripeIndex((inside / full).min(last)));
    let mut numbers = 0..layout.parity_count.min(2);
    numbers.any(|number| geometry.parity_offset(&layout, number).0 == place)
}

/// Reads what there is. Where the medium gives an error, it is asked sector by sector, and for those
/// that it does not give there are zeros: they are as good as lost.
fn read_what_can_be(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let whole = read_part_at(file, buffer, offset);
    let Err(error) = whole else { return whole };
    let file_len = file.metadata()?.len();
    let len = usize::try_from(file_len.saturating_sub(offset))
        .map_or(buffer.len(), |rest| rest.min(buffer.len()));
    // Sectors of the file, not of the buffer: those that are whole shall not go with those that
    // are not.
    let mut at = 0;
    let mut has_read = false;
    while at < len {
        let in_sector = SECTOR_LEN - (offset as usize).wrapping_add(at) % SECTOR_LEN;
        let now = in_sector.min(len - at);
        let sector = &mut buffer[at..at + now];
        match read_part_at(file, sector, offset + at as u64) {
            Ok(_) => has_read = true,
            Err(_) => sector.fill(0),
        }
        at += now;
    }
    // A file of which nothing at all can be read has another fault than lost sectors.
    match has_read || len < REFUSED_LEN {
        true => Ok(len),
        false => Err(error),
    }
}

/// All places in a stretch of a file at which `needle` begins.
pub(crate) fn find_all<'f>(
    file: &'f File,
    range: Range<u64>,
    needle: &'f [u8],
    observer: &'f dyn Observer,
) -> impl Iterator<Item = Result<u64, ReadError>> + 'f {
    let finder = Finder::new(needle);
    let mut piece = Vec::new();
    let (mut piece_offset, mut next) = (range.start, 0);
    let mut is_ended = false;
    std::iter::from_fn(move || {
        loop {
            if let Some(at) = finder.find(piece.get(next..).unwrap_or_default()) {
                let place = piece_offset + (next + at) as u64;
                next += at + 1;
                return (place < range.end).then_some(Ok(place));
            }
            if is_ended || piece_offset >= range.end {
                return None;
            }
            if observer.cancelled() {
                is_ended = true;
                return Some(Err(ReadError::Interrupted));
            }
            // A needle that begins at a piece's end is found in the next one.
            piece_offset += piece.len().saturating_sub(needle.len() - 1) as u64;
            piece.resize(PIECE_LEN, 0);
            match read_what_can_be(file, &mut piece, piece_offset) {
                Ok(len) => {
                    is_ended = len < PIECE_LEN;
                    piece.truncate(len);
                    next = 0;
                }
                Err(error) => {
                    is_ended = true;
                    return Some(Err(ReadError::reading(error)));
                }
            }
        }
    })
}

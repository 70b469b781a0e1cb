//! The check page of a stripe, put together from what is left of both.

use super::survey::Survey;
use crate::error::ReadError;
use bakpak_format::check_page::{self, CheckPage, PageLists};
use bakpak_format::digest::{Digest, SECTOR_LEN, crc32c};
use bakpak_format::error::FormatError;
use bakpak_format::geometry::{ArchiveOffset, StripeLayout};

/// What is known of a check page.
pub(crate) struct FoundPage {
    /// The covered part; what is not known of it is zeros.
    covered: Vec<u8>,
    /// Which sectors of it are known.
    known: Vec<bool>,
    lists: PageLists,
    /// What is wrong with it though its checksums are right: it was made so.
    fault: Option<FormatError>,
}

impl FoundPage {
    /// Takes each sector from whichever page has it (spec: RPR-4).
    pub(crate) fn read(survey: &Survey<'_>, layout: &StripeLayout) -> Result<Self, ReadError> {
        let offsets = page_offsets(survey, layout);
        let lists = PageLists::new(&survey.geometry, layout);
        let mut page = vec![0; layout.page_len];
        for offset in &offsets {
            let is_whole = |bytes: &[u8]| decodes(survey, layout, bytes);
            if survey.places.read_right(offset.0, &mut page, is_whole)? {
                page.truncate(layout.covered_len);
                return Ok(Self {
                    known: vec![true; page.len() / SECTOR_LEN],
                    covered: page,
                    lists,
                    fault: None,
                });
            }
        }
        let mut found = Self {
            covered: vec![0; layout.covered_len],
            known: vec![false; layout.covered_len / SECTOR_LEN],
            lists,
            fault: None,
        };
        for offset in &offsets {
            let is_first = |bytes: &[u8]| peeks(survey, layout, bytes);
            let sector = &mut found.covered[..SECTOR_LEN];
            if survey.places.read_right(offset.0, sector, is_first)? {
                found.known[0] = true;
                break;
            }
        }
        match found.known[0] {
            true => found.take_by_crc(survey, &offsets)?,
            false => found.take_unproved(survey, &offsets)?,
        }
        if found.is_whole() {
            page[..layout.covered_len].copy_from_slice(&found.covered);
            found.fault = decoded(survey, layout, &page).err();
        }
        Ok(found)
    }

    /// Whether nothing of it has to be found out.
    pub(crate) fn is_whole(&self) -> bool {
        self.known.iter().all(|known| *known)
    }

    /// What is wrong with it though it is whole.
    pub(crate) fn fault(&self) -> Option<&FormatError> {
        self.fault.as_ref()
    }

    /// The covered part, which is right if it is whole.
    pub(crate) fn covered(&self) -> &[u8] {
        &self.covered
    }

    /// The hash of a shard, if it is known.
    pub(crate) fn hash(&self, shard: usize) -> Option<Digest> {
        let bytes = self.entry(self.lists.hash(shard))?;
        bytes.try_into().ok().map(Digest)
    }

    /// The CRC of a shard's sector, if it is known.
    pub(crate) fn crc(&self, shard: usize, sector: usize) -> Option<u32> {
        let bytes = self.entry(self.lists.crc(shard, sector))?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    fn entry(&self, range: std::ops::Range<usize>) -> Option<&[u8]> {
        let sectors = range.start / SECTOR_LEN..=(range.end - 1) / SECTOR_LEN;
        let is_known = self.known[sectors].iter().all(|known| *known);
        is_known.then(|| &self.covered[range])
    }

    fn take_by_crc(
        &mut self,
        survey: &Survey<'_>,
        offsets: &[ArchiveOffset],
    ) -> Result<(), ReadError> {
        let listed: Vec<u32> = check_page::own_crcs(&self.covered).collect();
        for (number, crc) in listed
            .into_iter()
            .enumerate()
            .take(self.known.len())
            .skip(1)
        {
            let at = number * SECTOR_LEN;
            for offset in offsets {
                let sector = &mut self.covered[at..at + SECTOR_LEN];
                let place = offset.plus(at as u64).0;
                let is_it = |bytes: &[u8]| crc32c(bytes) == crc;
                if survey.places.read_right(place, sector, is_it)? {
                    self.known[number] = true;
                    break;
                }
            }
            if !self.known[number] {
                self.covered[at..at + SECTOR_LEN].fill(0);
            }
        }
        Ok(())
    }

    /// Without the list of CRCs: what both pages have alike is taken, of one page what it has. The
    /// root will tell whether that was right (spec: RPR-7).
    fn take_unproved(
        &mut self,
        survey: &Survey<'_>,
        offsets: &[ArchiveOffset],
    ) -> Result<(), ReadError> {
        let mut other = [0; SECTOR_LEN];
        for (number, known) in self.known.iter_mut().enumerate().skip(1) {
            let at = number * SECTOR_LEN;
            let sector = &mut self.covered[at..at + SECTOR_LEN];
            *known = true;
            for (index, offset) in offsets.iter().enumerate() {
                let place = offset.plus(at as u64).0;
                survey.places.read_right(place, &mut other, |_| true)?;
                match index {
                    0 => sector.copy_from_slice(&other),
                    _ => *known &= *sector == other,
                }
            }
            // A sector that was lost reads as zeros, and no list has so many of them.
            if sector.iter().all(|byte| *byte == 0) {
                *known = false;
            }
            if !*known {
                sector.fill(0);
            }
        }
        Ok(())
    }
}

/// Where the check pages of a stripe are.
pub(crate) fn page_offsets(survey: &Survey<'_>, layout: &StripeLayout) -> Vec<ArchiveOffset> {
    let second = survey.geometry.second_page_offset(layout);
    [Some(layout.page_offset), second]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether this is the whole page of the stripe.
fn decodes(survey: &Survey<'_>, layout: &StripeLayout, bytes: &[u8]) -> bool {
    decoded(survey, layout, bytes).is_ok()
}

fn decoded(survey: &Survey<'_>, layout: &StripeLayout, bytes: &[u8]) -> Result<(), FormatError> {
    let header = &survey.head.header;
    let page = CheckPage::decode(
        bytes,
        &survey.geometry,
        &header.archive_id,
        &survey.head.head_digest,
        layout.index,
    )?;
    page.check_layout(layout)
}

/// Whether this is the first sector of the stripe's page.
fn peeks(survey: &Survey<'_>, layout: &StripeLayout, bytes: &[u8]) -> bool {
    let header = &survey.head.header;
    let peeked = CheckPage::peek(
        bytes,
        &survey.geometry,
        &header.archive_id,
        &survey.head.head_digest,
        layout.index,
    );
    peeked.is_ok_and(|peeked| peeked == *layout)
}

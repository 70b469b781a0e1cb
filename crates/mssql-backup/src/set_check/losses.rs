//! What of a set is lost, noted as it passes.

use std::collections::BTreeMap;

use crate::check::Level;
use crate::descriptor::Tag;
use crate::extents::{DataFiles, EXTENT_LEN, EXTENT_PAGES};
use crate::log::LogBlockHeader;
use crate::lost::{Lost, LostLog, LostPages, PageRange};
use crate::lsn::Lsn;
use crate::page::PAGE_LEN;
use crate::places::Places;
use crate::set::{BackupSet, BackupType, FileType};
use crate::tally::Faults;

use super::SetCheck;

impl SetCheck {
    /// Whole extents are lost: what [`SetCheck::extent`] would say of each, however many they are.
    pub(crate) fn lose_extents(&mut self, offset: u64, extents: u64, places: &Places) {
        self.lose_sum();
        let pages = extents.saturating_mul(EXTENT_PAGES.into());
        self.count_lost(pages);
        // Without its configuration nobody knows which pages the database has.
        if !self.extents.files.is_empty() {
            let told = pages.min(Faults::MAX_KEPT as u64);
            for page in 0..told {
                let message = "a page of an unknown file: it is not readable".to_owned();
                let place = places.in_file(offset + page * PAGE_LEN as u64);
                self.push(Level::Pages, place, None, message);
            }
            self.tallies.faulty(Level::Pages, pages - told);
            self.faults.count = self.faults.count.saturating_add(pages - told);
        }
        self.section.pages_lost(places.in_file(offset), pages);
    }

    /// Extents are lost, and it is not known how many: so many bytes at most.
    pub(crate) fn lost_in_gap(&mut self, file_offset: u64, at_most: u64) {
        self.lose_sum();
        self.last_loss = Some(file_offset);
        self.section.gap(file_offset, at_most);
    }

    /// So many bytes were in the gaps of the stream of pages.
    pub(crate) fn missing(&mut self, len: u64) {
        self.count_lost(len / EXTENT_LEN as u64 * u64::from(EXTENT_PAGES));
        self.section.missing(len);
    }

    /// A descriptor is lost, and all up to the next one was passed over.
    ///
    /// The pages that were there count as lost: nobody can tell where they are.
    pub(crate) fn passed_over(&mut self, file_offset: u64, len: u64) {
        self.last_loss = Some(file_offset);
        let may_hold_pages = matches!(
            self.block_kind,
            Tag::SSET | Tag::VOLB | Tag::MSCI | Tag::MSDA
        );
        let is_log = self.start.set.as_ref().is_some_and(|_| self.is_log());
        if !may_hold_pages || is_log || self.data_sections > 1 {
            return;
        }
        let at_most = len / PAGE_LEN as u64;
        let pages = match self.announced() {
            Some(announced) => {
                let all = announced
                    .values()
                    .fold(0, |all: u64, pages| all.saturating_add(*pages));
                let told = self.pages[0].saturating_add(self.passed_over);
                at_most.min(all.saturating_sub(told))
            }
            None => at_most,
        };
        if pages > 0 {
            self.passed_over = self.passed_over.saturating_add(pages);
            self.section.pages_lost(file_offset, pages);
        }
    }

    /// A data section is through, if one passed.
    pub(crate) fn end_section(&mut self) {
        let announced = self.announced();
        // Nothing is known of where the pages of other files would be.
        let none = DataFiles::default();
        let files = match self.has_other_files {
            true => &none,
            false => &self.extents.files,
        };
        let section = std::mem::take(&mut self.section);
        section.finish(files, announced.as_ref(), &mut self.lost);
    }

    /// The log is lost from there on, of which a block came before.
    pub(crate) fn lose_log(&mut self, offset: u64, file_offset: u64, has_before: bool) {
        let before = self.log.spans.last().filter(|_| has_before);
        let from = before.map(|span| lsn(span.next));
        let log = LostLog {
            offset: file_offset,
            len: Some(0),
            from,
            to: None,
        };
        self.lost_log = Some((offset, log));
    }

    /// Its length is not known, unless the LSNs tell it.
    pub(crate) fn lose_log_len(&mut self) {
        if let Some((_, log)) = &mut self.lost_log {
            log.len = None;
        }
    }

    /// The log goes on at this place of the stream.
    pub(crate) fn find_log(&mut self, offset: u64, header: LogBlockHeader) {
        self.end_lost_log(offset, Some((header.vlf, header.block)));
    }

    /// The stretch of the log that is lost ends at this place of the stream.
    pub(crate) fn end_lost_log(&mut self, offset: u64, to: Option<(u32, u32)>) {
        const SECTOR_LEN: u64 = 512;
        let Some((start, mut log)) = self.lost_log.take() else {
            return;
        };
        log.to = to.map(lsn);
        let sectors = match (log.from, log.to) {
            (Some(from), Some(to)) if from.vlf == to.vlf => to.block.checked_sub(from.block),
            _ => None,
        };
        log.len = match log.len {
            Some(_) => Some(offset.saturating_sub(start)),
            None => sectors.map(|sectors| u64::from(sectors) * SECTOR_LEN),
        };
        self.lost.add_log(log);
    }

    /// What is lost, now that all of the set has passed.
    pub(super) fn losses(&mut self, set: &BackupSet) -> Lost {
        self.end_section();
        let last = set.header.last_lsn.filter(|_| self.families <= 1);
        let mut lost = std::mem::take(&mut self.lost);
        for pages in [0, 1]
            .into_iter()
            .filter_map(|section| self.never_seen(set, section))
        {
            lost.add_pages(pages);
        }
        // Behind the last log block come zeros only.
        lost.log.retain(|log| {
            let from = log.from.map(|from| (from.vlf, from.block));
            log.to.is_some() || from.is_none() || from != last.map(|last| (last.vlf, last.block))
        });
        lost
    }

    /// Pages of a section that are announced and did not come, though the set was read to its end or
    /// as far as the medium goes: they were passed over with lost descriptors.
    fn never_seen(&self, set: &BackupSet, section: usize) -> Option<LostPages> {
        const SQL_SERVER_2019: u8 = 15;
        let header = &set.header;
        let is_announced = match section {
            0 => self.start.set.is_some() && header.backup_type != Some(BackupType::Log),
            // In the end copy of the configuration, for pages copied again.
            _ => {
                set.is_complete
                    && header.backup_type == Some(BackupType::Full)
                    && header.software_version_major >= SQL_SERVER_2019
            }
        };
        let is_alone = self.families <= 1 && !self.has_other_files;
        let offset = self.last_loss.filter(|_| is_announced && is_alone)?;
        let pages = set.files.iter().map(|file| u64::from(file.pages[section]));
        let told = match section {
            0 => self.pages[0].saturating_add(self.passed_over),
            _ => self.pages[section],
        };
        let count = pages.sum::<u64>().checked_sub(told)?;
        let file = self.extents.files.only();
        let all = file.and_then(|file| {
            let last = self.extents.files.pages(file)?.checked_sub(1)?;
            let last = u32::try_from(last).ok()?;
            let (first, is_exact) = (0, false);
            Some(PageRange {
                file,
                first,
                last,
                is_exact,
            })
        });
        (count > 0).then_some(LostPages {
            offset,
            len: count.saturating_mul(PAGE_LEN as u64),
            count,
            pages: all,
        })
    }

    fn count_lost(&mut self, pages: u64) {
        self.extents.lose(pages);
        let section = usize::from(self.data_sections > 1);
        self.pages[section] = self.pages[section].saturating_add(pages);
    }

    fn is_log(&self) -> bool {
        let set = self.start.set.as_ref();
        set.is_some_and(|set| set.backup_type == Some(BackupType::Log))
    }

    /// The pages of each file that the first data section holds. None where that is not known.
    fn announced(&self) -> Option<BTreeMap<u16, u64>> {
        if self.families > 1 || self.start.set.is_none() || self.data_sections > 1 {
            return None;
        }
        let files = self.start.files.iter();
        let data = files.filter(|file| file.file_type == FileType::Data);
        let pages = data.filter_map(|file| {
            let id = u16::try_from(file.file_id).ok()?;
            Some((id, u64::from(file.pages)))
        });
        Some(pages.collect())
    }
}

/// The first record of a log block.
fn lsn((vlf, block): (u32, u32)) -> Lsn {
    Lsn {
        vlf,
        block,
        slot: 1,
    }
}

//! Judges a backup set when all of it has passed.

use crate::allocation::Missing;
use crate::check::{CheckedSet, Fault, Level};
use crate::configuration::difference;
use crate::date::mtf_date;
use crate::depth::Depth;
use crate::page::FreeSpace;
use crate::report::SetReport;
use crate::set::{BackupSet, BackupType, FileType, Flags};
use crate::stripes::{FEW_MISSING, is_tolerable};
use crate::tally::Faults;
use crate::wire::array_at;

use super::SetCheck;

impl SetCheck {
    /// Judges the set as a whole.
    pub(crate) fn finish(mut self, compressed: bool) -> (SetReport, Faults) {
        self.unsummed();
        let set = BackupSet::of_copies(&self.descriptors, &self.start, &self.end, compressed);
        self.judge_parts(&set);
        self.judge_copies();
        self.judge_identity(&set);
        let mut missing = None;
        match self.depth {
            Depth::Headers => self.leave_unknown(),
            Depth::Everything => {
                missing = self.judge_pages(&set);
                self.judge_log(&set);
                self.judge_sums(&set);
            }
        }
        let lost = self.losses(&set);
        let has_log = self.log.summary.blocks > 0;
        let checked = CheckedSet {
            set,
            levels: self.tallies.reports(),
            log: has_log.then_some(self.log.summary),
        };
        let report = SetReport {
            checked,
            descriptors: self.descriptors,
            was_read: self.depth == Depth::Everything,
            pages: self.extents.counts,
            page_sections: self.pages,
            missing,
            // Only stripes are judged again, all together.
            allocation: match self.families {
                0 | 1 => None,
                _ => Some(self.extents.allocation),
            },
            data_spans: self.data_spans,
            log_spans: self.log.spans,
            lost,
        };
        (report, self.faults)
    }

    fn leave_unknown(&mut self) {
        const WHY: &str = "only the headers were read";
        for level in [
            Level::PageCount,
            Level::Allocation,
            Level::Pages,
            Level::BackupChecksums,
            Level::LogBlocks,
            Level::LogContinuity,
        ] {
            self.tallies.unknown(level, WHY);
        }
    }

    /// Notes a fault of the set as a whole.
    fn wrong(&mut self, level: Level, message: String) {
        self.push(level, self.file_offset, None, message);
    }

    fn judge_parts(&mut self, set: &BackupSet) {
        let is_log = set.header.backup_type == Some(BackupType::Log);
        let parts = [
            (
                !self.descriptors.start.is_empty(),
                "its first descriptor is missing",
            ),
            (
                !self.descriptors.volume.is_empty(),
                "its volume descriptor is missing",
            ),
            (self.start.set.is_some(), "its configuration is missing"),
            (
                set.is_complete,
                "the end copy of its configuration is missing: it was cut off",
            ),
            (is_log || self.data_sections > 0, "its data is missing"),
            (
                set.header.backup_finish_date.is_some(),
                "it has no finish date: it was cut off",
            ),
            (self.ends[0].is_some(), "its end of set is missing"),
            (
                self.ends[1].is_some(),
                "the second copy of its end of set is missing",
            ),
            (self.filemarks >= 2, "a soft filemark at its end is missing"),
            (
                set.header.backup_type.is_some(),
                "its type is not one that is known",
            ),
            (set.header.backup_set_guid.is_some(), "it has no identity"),
        ];
        for (is_there, message) in parts {
            self.tallies.checked(Level::Completeness, 1);
            if !is_there {
                self.wrong(Level::Completeness, message.to_owned());
            }
        }
        if set.header.flags.contains(Flags::DAMAGED) {
            let message = "SQL Server marked it as damaged: it was continued after an error";
            self.wrong(Level::Completeness, message.to_owned());
        }
    }

    fn judge_copies(&mut self) {
        let copies = [self.start.broken_at, self.end.broken_at];
        for at in copies.into_iter().flatten() {
            let message = format!("its configuration is broken at byte {at}");
            self.wrong(Level::Configuration, message);
        }
        if self.start.set.is_none() || self.end.set.is_none() {
            self.tallies
                .absent(Level::Configuration, "there is only one copy");
            return;
        }
        self.tallies.checked(Level::Configuration, 1);
        let copies = &self.descriptors;
        let settles_late = self.end.settles_late();
        let found = difference(
            &copies.start_configuration,
            &copies.end_configuration,
            settles_late,
        );
        if let Some(message) = found {
            self.wrong(Level::Configuration, message);
        }
    }

    /// What names the set in several places must be the same there.
    fn judge_identity(&mut self, set: &BackupSet) {
        if !set.is_complete || self.descriptors.start.is_empty() {
            return;
        }
        let header = &set.header;
        self.tallies.checked(Level::Addresses, 1);
        let start = array_at(&self.descriptors.start, 0x58).unwrap_or([0; 5]);
        if start != [0; 5] && mtf_date(start) != header.backup_start_date {
            let message = "its first descriptor and its configuration name different start times";
            self.wrong(Level::Addresses, message.to_owned());
        }
        // A full backup is the base of its own files, unless it is a copy that nothing builds on.
        let is_base = header.backup_type == Some(BackupType::Full)
            && !header.flags.contains(Flags::COPY_ONLY);
        let bases = set
            .files
            .iter()
            .filter(|file| file.file_type == FileType::Data);
        let mut bases = bases.filter_map(|file| file.differential_base_guid);
        self.tallies.checked(Level::Addresses, 1);
        if is_base && bases.any(|base| Some(base) != header.backup_set_guid) {
            let message = "its first descriptor and its file list name different backup sets";
            self.wrong(Level::Addresses, message.to_owned());
        }
    }

    /// Judges pages; tells which allocated ones are not there, where that is known.
    fn judge_pages(&mut self, set: &BackupSet) -> Option<Missing> {
        const PAGE_LEVELS: [Level; 3] = [Level::PageCount, Level::Allocation, Level::Pages];
        let counts = self.extents.counts;
        if set.header.backup_type == Some(BackupType::Log) && counts.total == 0 {
            for level in PAGE_LEVELS {
                self.tallies.absent(level, "a log backup holds no pages");
            }
            return None;
        }
        if self.start.set.is_none() || self.has_other_files {
            let why = match self.has_other_files {
                true => "the database has files of a kind that is not understood here",
                false => "its configuration is missing, so its pages are not known",
            };
            for level in PAGE_LEVELS {
                self.tallies.unknown(level, why);
            }
            return None;
        }
        self.judge_page_count(set);
        // A database encrypted by TDE keeps the page headers in clear; whether its checksums are
        // over the encrypted bytes is not known. A damaged backup has more pages that hold.
        const MANY: u64 = 16;
        let good = counts.checksum_good + counts.torn_good;
        let wrong = counts.checksum_wrong + counts.torn_wrong;
        if wrong >= MANY && wrong > 8 * good {
            self.forgive(Level::Pages);
            let why = "nearly no page checksum holds: the database may be encrypted (TDE)";
            self.tallies.unknown(Level::Pages, why);
            self.tallies.unknown(Level::Allocation, why);
            return None;
        }
        if good + wrong == 0 {
            let why = "the pages have no checksums (PAGE_VERIFY is NONE)";
            match counts.unprotected {
                0 => self.tallies.unknown(Level::Pages, "no page was recognised"),
                _ => self.tallies.absent(Level::Pages, why),
            }
        }
        self.judge_allocation(set)
    }

    fn judge_page_count(&mut self, set: &BackupSet) {
        let announced = [0, 1].map(|section| -> u64 {
            let pages = set.files.iter().map(|file| u64::from(file.pages[section]));
            pages.sum()
        });
        self.tallies
            .checked(Level::PageCount, self.pages[0] + self.pages[1]);
        if self.families > 1 {
            let why = "the pages are dealt out over the stripes";
            self.tallies.unknown(Level::PageCount, why);
            return;
        }
        let sections = self.pages.into_iter().zip(announced).enumerate();
        // The end copy counts pages copied again only where there is a section for them.
        let is_there = |section: usize| section == 0 || self.data_sections > 1;
        let wrong: Vec<String> = sections
            .filter(|(section, (found, announced))| is_there(*section) && found != announced)
            .map(|(section, (found, announced))| {
                let section = section + 1;
                format!(
                    "data section {section} holds {found} pages, the configuration announces \
                     {announced}"
                )
            })
            .collect();
        for message in wrong {
            self.wrong(Level::PageCount, message);
        }
    }

    fn judge_allocation(&mut self, set: &BackupSet) -> Option<Missing> {
        if set.header.backup_type != Some(BackupType::Full) {
            let why = "only a full backup holds all allocated pages";
            self.tallies.absent(Level::Allocation, why);
            return None;
        }
        if self.families > 1 {
            let why = "the pages are dealt out over the stripes";
            self.tallies.unknown(Level::Allocation, why);
            return None;
        }
        if !set.is_complete {
            self.tallies
                .unknown(Level::Allocation, "the set was cut off");
            return None;
        }
        if self.extents.allocation.is_over_limit() {
            self.tallies
                .unknown(Level::Allocation, "the database is over 1 TiB");
            return None;
        }
        self.judge_maps();
        let missing = self.extents.allocation.missing()?;
        self.tallies.checked(Level::Allocation, missing.allocated);
        // Each of the first is told by itself.
        let untold = missing.count.saturating_sub(missing.first.len() as u64);
        self.tallies.faulty(Level::Allocation, untold);
        self.faults.count += untold;
        for id in &missing.first {
            let message = format!("page {id} is allocated, and not in the backup");
            self.tallies.faulty(Level::Allocation, 1);
            self.faults.push(Fault {
                level: Level::Allocation,
                offset: self.file_offset,
                position: Some(self.position()),
                page: Some(*id),
                message,
            });
        }
        let has_all_maps = missing.count == self.tallies.faults(Level::Allocation);
        if has_all_maps && is_tolerable(&missing) {
            self.tallies.doubtful(Level::Allocation, FEW_MISSING);
        }
        Some(missing)
    }

    /// Every data file has its header, and a map for each interval of its pages.
    fn judge_maps(&mut self) {
        let mut wrong = Vec::new();
        for (file, pages) in self.extents.files.iter() {
            let intervals = pages.div_ceil(FreeSpace::INTERVAL.into());
            let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
            let lacks = |interval: &u32| !self.extents.allocation.has_map(file, *interval);
            let lacking: Vec<u32> = (0..intervals).filter(lacks).take(100).collect();
            wrong.extend(lacking.into_iter().map(|interval| {
                let page = (interval * FreeSpace::INTERVAL).max(1);
                format!("page {file}:{page}, an allocation map, is not in the backup")
            }));
            if !self
                .extents
                .allocation
                .has(crate::check::PageId { file, page: 0 })
            {
                wrong.push(format!(
                    "page {file}:0, the header of a file, is not in the backup"
                ));
            }
        }
        for message in wrong {
            self.wrong(Level::Allocation, message);
        }
    }

    fn judge_log(&mut self, set: &BackupSet) {
        const MANY: u64 = 4;
        let blocks = self.log.summary.blocks;
        if self.log.with_checksum == 0 {
            let why = "the log blocks have no checksums";
            self.tallies.absent(Level::LogBlocks, why);
        } else if self.log.with_checksum >= MANY
            && self.tallies.faults(Level::LogBlocks) == self.log.with_checksum
        {
            self.forgive(Level::LogBlocks);
            let why = "no checksum of a log block holds: the database may be encrypted (TDE)";
            self.tallies.unknown(Level::LogBlocks, why);
        }
        self.tallies.checked(Level::LogContinuity, blocks);
        let (Some(first), Some(last)) = (set.header.first_lsn, set.header.last_lsn) else {
            self.tallies
                .unknown(Level::LogContinuity, "the configuration names no LSNs");
            return;
        };
        if self.families > 1 {
            let why = "the log lies on any of the stripes";
            self.tallies.unknown(Level::LogContinuity, why);
            return;
        }
        if first == last {
            let why = "the log of this set is empty";
            self.tallies.absent(Level::LogContinuity, why);
            return;
        }
        let ends = self.log.spans.first().zip(self.log.spans.last());
        let Some((start, end)) = ends.map(|(start, end)| (start.first, *end)) else {
            let message = format!("there is no log, and it should run from {first} to {last}");
            self.wrong(Level::LogContinuity, message);
            return;
        };
        if start != (first.vlf, first.block) {
            let (vlf, block) = start;
            let message = format!("the log starts at {vlf}:{block}, FirstLSN is {first}");
            self.wrong(Level::LogContinuity, message);
        }
        if !self.log.reaches(end, (last.vlf, last.block)) {
            let (vlf, block) = end.next;
            let message = format!("the log ends at {vlf}:{block}, LastLSN is {last}");
            self.wrong(Level::LogContinuity, message);
        }
    }

    fn judge_sums(&mut self, set: &BackupSet) {
        let level = Level::BackupChecksums;
        if !set.header.flags.contains(Flags::BACKUP_CHECKSUMS) {
            self.tallies
                .absent_if_unchecked(level, "the backup was not made WITH CHECKSUM");
        } else if self.has_lost_sum {
            self.tallies
                .unknown(level, "part of what they are over is not readable");
        } else if self.tallies.is_unchecked(level) && self.tallies.faults(level) == 0 {
            let has_content = self.pages != [0; 2] || !self.log.spans.is_empty();
            match has_content {
                true => self.wrong(level, "there is no backup checksum".to_owned()),
                false => self.tallies.absent(level, "there is no content to cover"),
            }
        }
    }

    /// What a level found wrong is no fault after all.
    fn forgive(&mut self, level: Level) {
        self.faults.forgive(level, self.tallies.faults(level));
        self.tallies.forgive(level);
    }
}

//! Checks one backup set while it passes.

use std::ops::Range;

use crate::check::{CheckedSet, Fault, Level, PageId};
use crate::configuration::{Configuration, difference};
use crate::decode::SetDescriptors;
use crate::depth::Depth;
use crate::descriptor::Tag;
use crate::extents::{BadPage, DataFiles, Extents};
use crate::log::{BadBlock, LogBlockHeader, LogRun};
use crate::page::{PAGE_LEN, sum_sectors};
use crate::places::Places;
use crate::report::SetReport;
use crate::set::{BackupSet, BackupType, FileType, Flags};
use crate::stripes::{FEW_MISSING, tolerated};
use crate::tally::{Faults, Tallies};
use crate::wire::u16_at;

/// A set that is being walked over.
pub(crate) struct SetCheck {
    pub(crate) descriptors: SetDescriptors,
    pub(crate) tallies: Tallies,
    pub(crate) faults: Faults,
    depth: Depth,
    families: u16,
    start: Configuration,
    end: Configuration,
    /// The block whose streams come, and how many blocks came before it.
    block_kind: Tag,
    blocks: u64,
    extents: Extents,
    /// Pages of the first data section, and of those after it.
    pages: [u64; 2],
    data_sections: u64,
    data_spans: Vec<Range<u64>>,
    log: LogRun,
    /// The sum over the log since the last checksum.
    log_sum: u32,
    /// That something follows the log in this stream.
    has_told_rest: bool,
    /// What the next checksum is over, and how many checksums were due.
    summed: Summed,
    /// Places of the two ends of the set, in the stream of descriptor blocks.
    ends: [Option<u64>; 2],
    filemarks: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Summed {
    #[default]
    Nothing,
    Data,
    Log,
}

impl SetCheck {
    pub(crate) fn new(descriptors: SetDescriptors, families: u16, depth: Depth) -> Self {
        Self {
            descriptors,
            tallies: Tallies::default(),
            faults: Faults::default(),
            depth,
            families,
            start: Configuration::default(),
            end: Configuration::default(),
            block_kind: Tag::SSET,
            blocks: 0,
            extents: Extents::default(),
            pages: [0; 2],
            data_sections: 0,
            data_spans: Vec::new(),
            log: LogRun::default(),
            log_sum: 0,
            has_told_rest: false,
            summed: Summed::default(),
            ends: [None; 2],
            filemarks: 0,
        }
    }

    pub(crate) fn position(&self) -> u16 {
        u16_at(&self.descriptors.start, 0x3E).unwrap_or_default()
    }

    pub(crate) fn block_kind(&self) -> Tag {
        self.block_kind
    }

    /// The number that the last block should have.
    pub(crate) fn last_block_id(&self) -> u64 {
        self.blocks
    }

    pub(crate) fn block(&mut self, tag: Tag) {
        self.block_kind = tag;
        self.blocks += 1;
        if tag == Tag::MSDA {
            self.data_sections += 1;
        }
    }

    /// Pages stand there in the file. There is one such place in each data section, so what comes after
    /// so many of them is not from SQL Server.
    pub(crate) fn data_span(&mut self, span: Range<u64>) {
        const MAX_SPANS: usize = 64;
        if self.data_spans.len() < MAX_SPANS {
            self.data_spans.push(span);
        }
    }

    pub(crate) fn filemark(&mut self) {
        self.filemarks += 1;
    }

    /// Notes an end of the set; tells where the first one was.
    pub(crate) fn end_of_set(&mut self, offset: u64) -> Option<u64> {
        self.block_kind = Tag::ESET;
        let first = self.ends[0];
        let end = if first.is_none() {
            &mut self.ends[0]
        } else {
            &mut self.ends[1]
        };
        *end = Some(offset);
        first
    }

    /// Whether all that ends a set came.
    pub(crate) fn is_closed(&self) -> bool {
        self.ends.iter().all(Option::is_some) && self.filemarks >= 2
    }

    pub(crate) fn start_configuration(&mut self, configuration: Configuration) {
        let files = configuration.files.iter();
        let data = files.filter(|file| file.file_type == FileType::Data);
        self.extents.files = DataFiles::new(data.map(|file| (file.file_id, file.size)));
        self.start = configuration;
    }

    pub(crate) fn end_configuration(&mut self, configuration: Configuration) {
        self.end = configuration;
    }

    /// A stream with content starts, after which a checksum should or should not follow.
    pub(crate) fn content(&mut self, has_checksum: bool) {
        self.unsummed();
        let is_data = self.block_kind == Tag::MSDA;
        self.summed = match (has_checksum, is_data) {
            (false, _) => Summed::Nothing,
            (true, true) => Summed::Data,
            (true, false) => Summed::Log,
        };
        self.extents.sum = 0;
        self.log_sum = 0;
        self.has_told_rest = false;
    }

    /// A checksum that is due did not come.
    fn unsummed(&mut self) {
        if self.summed != Summed::Nothing {
            self.summed = Summed::Nothing;
            let offset = self.descriptors.offset;
            self.push(
                Level::BackupChecksums,
                offset,
                None,
                "a backup checksum is missing".to_owned(),
            );
        }
    }

    /// The checksum of a stream.
    pub(crate) fn stored_sum(&mut self, offset: u64, stored: Option<u32>, places: &Places) {
        let (computed, what) = match std::mem::take(&mut self.summed) {
            Summed::Nothing => return,
            Summed::Data => (self.extents.sum, "data"),
            Summed::Log => (self.log_sum, "log"),
        };
        self.tallies.checked(Level::BackupChecksums, 1);
        if stored != Some(computed) {
            let stored = stored.unwrap_or_default();
            let message = format!(
                "the backup checksum of the {what} is {stored:#010x}, its bytes give {computed:#010x}"
            );
            self.push(
                Level::BackupChecksums,
                places.in_file(offset),
                None,
                message,
            );
        }
    }

    /// Takes an extent, or the pages that a section ends with; some of it may be lost.
    pub(crate) fn extent(
        &mut self,
        offset: u64,
        bytes: &[u8],
        lost: &[Range<usize>],
        places: &Places,
    ) {
        let before = self.extents.counts;
        let mut bad: Vec<BadPage> = Vec::new();
        self.extents.extent(bytes, lost, &mut bad);
        // The sum over what is lost cannot be known; that something is lost is told already.
        if !lost.is_empty() && self.summed == Summed::Data {
            self.summed = Summed::Nothing;
        }
        let after = self.extents.counts;
        let section = usize::from(self.data_sections > 1);
        self.pages[section] += after.total - before.total;
        let protected = |counts: &crate::extents::PageCounts| {
            counts.checksum_good + counts.checksum_wrong + counts.torn_good + counts.torn_wrong
        };
        self.tallies
            .checked(Level::Pages, protected(&after) - protected(&before));
        for page in bad {
            let place = offset + (page.place * PAGE_LEN) as u64;
            let message = match page.id {
                Some(id) => format!("page {id}: {}", page.message),
                None => format!("a page of an unknown file: {}", page.message),
            };
            self.push(Level::Pages, places.in_file(place), page.id, message);
        }
    }

    pub(crate) fn log_block(
        &mut self,
        offset: u64,
        header: LogBlockHeader,
        bytes: &[u8],
        places: &Places,
    ) {
        self.log_sum = sum_sectors(self.log_sum, bytes);
        let mut bad = Vec::new();
        self.log.block(header, bytes, &mut bad);
        if header.checksum != 0 {
            self.tallies.checked(Level::LogBlocks, 1);
        }
        for bad in bad {
            let (level, message) = match bad {
                BadBlock::Checksum(message) => (Level::LogBlocks, message),
                // Stripes may each hold a part of the log.
                BadBlock::Gap(_) if self.families > 1 => continue,
                BadBlock::Gap(message) => (Level::LogContinuity, message),
            };
            self.push(level, places.in_file(offset), None, message);
        }
    }

    /// What follows the last log block of a stream: zeros.
    pub(crate) fn log_rest(&mut self, offset: u64, sectors: &[u8], places: &Places) {
        self.log_sum = sum_sectors(self.log_sum, sectors);
        // Told once for each stream, however it comes in pieces.
        if self.has_told_rest {
            return;
        }
        if let Some(at) = sectors.iter().position(|byte| *byte != 0) {
            self.has_told_rest = true;
            let message = "bytes that are no log block follow the log".to_owned();
            let place = places.in_file(offset + at as u64);
            self.push(Level::LogContinuity, place, None, message);
        }
    }

    /// What is left when a stream of the log ends: nothing, or the start of a block.
    pub(crate) fn log_cut(&mut self, offset: u64, rest: &[u8], places: &Places) {
        let whole = rest.len() / 512 * 512;
        self.log_rest(offset, &rest[..whole], places);
        if whole != rest.len() {
            let message = "the log does not end with a whole sector".to_owned();
            self.push(Level::LogContinuity, places.in_file(offset), None, message);
        }
    }

    fn push(&mut self, level: Level, offset: u64, page: Option<PageId>, message: String) {
        self.tallies.faulty(level, 1);
        let position = Some(self.position());
        self.faults.push(Fault {
            level,
            offset,
            position,
            page,
            message,
        });
    }

    /// Judges the set as a whole.
    pub(crate) fn finish(mut self, compressed: bool, places: &Places) -> (SetReport, Faults) {
        self.unsummed();
        let set = BackupSet::of_copies(&self.descriptors, &self.start, &self.end, compressed);
        let offset = places.in_file(self.descriptors.offset);
        self.judge_parts(&set, offset);
        self.judge_copies(offset);
        match self.depth {
            Depth::Headers => self.leave_unknown(),
            Depth::Everything => {
                self.judge_pages(&set, offset);
                self.judge_log(&set, offset);
                self.judge_sums(&set);
            }
        }
        let has_log = self.log.summary.blocks > 0;
        let checked = CheckedSet {
            set,
            levels: self.tallies.reports(),
            log: has_log.then_some(self.log.summary),
        };
        let report = SetReport {
            checked,
            descriptors: self.descriptors,
            pages: self.extents.counts,
            page_sections: self.pages,
            allocation: self.extents.allocation,
            data_spans: self.data_spans,
            log_span: self.log.span,
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

    fn judge_parts(&mut self, set: &BackupSet, offset: u64) {
        let is_log = set.header.backup_type == Some(BackupType::Log);
        let parts = [
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
                self.push(Level::Completeness, offset, None, message.to_owned());
            }
        }
        if set.header.flags.contains(Flags::DAMAGED) {
            let message = "SQL Server marked it as damaged: it was continued after an error";
            self.push(Level::Completeness, offset, None, message.to_owned());
        }
    }

    fn judge_copies(&mut self, offset: u64) {
        let copies = [self.start.broken_at, self.end.broken_at];
        for at in copies.into_iter().flatten() {
            let message = format!("its configuration is broken at byte {at}");
            self.push(Level::Configuration, offset, None, message);
        }
        if self.end.set.is_none() {
            self.tallies
                .absent(Level::Configuration, "there is only one copy");
            return;
        }
        self.tallies.checked(Level::Configuration, 1);
        let copies = &self.descriptors;
        if let Some(message) = difference(&copies.start_configuration, &copies.end_configuration) {
            self.push(Level::Configuration, offset, None, message);
        }
    }

    fn judge_pages(&mut self, set: &BackupSet, offset: u64) {
        if set.header.backup_type == Some(BackupType::Log) {
            for level in [Level::PageCount, Level::Allocation, Level::Pages] {
                self.tallies.absent(level, "a log backup holds no pages");
            }
            return;
        }
        self.judge_page_count(set, offset);
        self.judge_allocation(set, offset);
        let counts = self.extents.counts;
        let good = counts.checksum_good + counts.torn_good;
        let wrong = counts.checksum_wrong + counts.torn_wrong;
        // A database encrypted by TDE keeps the page headers in clear; whether its checksums are
        // over the encrypted bytes is not known. A damaged backup has some pages that hold.
        const MANY: u64 = 16;
        if good == 0 && wrong >= MANY {
            self.faults.forgive(Level::Pages);
            self.tallies.forgive(Level::Pages);
            let why = "not one page checksum holds: the database may be encrypted (TDE)";
            self.tallies.unknown(Level::Pages, why);
        } else if good + wrong == 0 {
            let why = "the pages have no checksums (PAGE_VERIFY is NONE)";
            self.tallies.absent(Level::Pages, why);
        }
    }

    fn judge_page_count(&mut self, set: &BackupSet, offset: u64) {
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
        for (section, (found, announced)) in self.pages.into_iter().zip(announced).enumerate() {
            if found != announced {
                let section = section + 1;
                let message = format!(
                    "data section {section} holds {found} pages, the configuration announces {announced}"
                );
                self.push(Level::PageCount, offset, None, message);
            }
        }
    }

    fn judge_allocation(&mut self, set: &BackupSet, offset: u64) {
        if set.header.backup_type != Some(BackupType::Full) {
            let why = "only a full backup holds all allocated pages";
            self.tallies.absent(Level::Allocation, why);
            return;
        }
        if self.families > 1 {
            let why = "the pages are dealt out over the stripes";
            self.tallies.unknown(Level::Allocation, why);
            return;
        }
        let Some(missing) = self.extents.allocation.missing() else {
            let why = "no allocation map was found, or it is over 1 TiB";
            self.tallies.unknown(Level::Allocation, why);
            return;
        };
        self.tallies.checked(Level::Allocation, missing.allocated);
        self.tallies.faulty(Level::Allocation, missing.count);
        if tolerated(&missing).contains(&missing.count) {
            self.tallies.doubtful(Level::Allocation, FEW_MISSING);
        }
        for id in missing.first {
            self.faults.push(Fault {
                level: Level::Allocation,
                offset,
                position: Some(self.position()),
                page: Some(id),
                message: format!("page {id} is allocated, and not in the backup"),
            });
        }
    }

    fn judge_log(&mut self, set: &BackupSet, offset: u64) {
        let blocks = self.log.summary.blocks;
        if self.log.with_checksum == 0 {
            let why = "the log blocks have no checksums";
            self.tallies.absent(Level::LogBlocks, why);
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
            self.tallies
                .absent(Level::LogContinuity, "the log of this set is empty");
            return;
        }
        let Some(span) = self.log.span else {
            let message = format!("there is no log, and it should run from {first} to {last}");
            self.push(Level::LogContinuity, offset, None, message);
            return;
        };
        if span.first != (first.vlf, first.block) {
            let (vlf, block) = span.first;
            let message = format!("the log starts at {vlf}:{block}, FirstLSN is {first}");
            self.push(Level::LogContinuity, offset, None, message);
        }
        if !span.ends_at(last) {
            let (vlf, block) = span.next;
            let message = format!("the log ends at {vlf}:{block}, LastLSN is {last}");
            self.push(Level::LogContinuity, offset, None, message);
        }
    }

    fn judge_sums(&mut self, set: &BackupSet) {
        if !set.header.flags.contains(Flags::BACKUP_CHECKSUMS) {
            let why = "the backup was not made WITH CHECKSUM";
            self.tallies.absent(Level::BackupChecksums, why);
        } else {
            let why = "there is no content that a checksum would cover";
            self.tallies
                .absent_if_unchecked(Level::BackupChecksums, why);
        }
    }
}

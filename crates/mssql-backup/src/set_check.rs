//! Checks one backup set while it passes.

mod judge;
mod losses;

use std::ops::Range;

use crate::check::{Fault, Level, PageId};
use crate::configuration::{Configuration, FileRecord};
use crate::decode::SetDescriptors;
use crate::depth::Depth;
use crate::descriptor::Tag;
use crate::extents::{BadPage, DataFiles, Extents, is_lost};
use crate::log::{BadBlock, LogBlockHeader, LogRun};
use crate::lost::{Lost, LostLog, Section};
use crate::page::{PAGE_LEN, sum_sectors};
use crate::places::Places;
use crate::set::FileType;
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
    /// What the next checksum is over, and whether one must come.
    summed: Summed,
    is_sum_due: bool,
    /// That something a checksum is over is not known.
    has_lost_sum: bool,
    /// Where in the file the set starts.
    file_offset: u64,
    /// File types that are neither data nor log, whose pages are not understood.
    has_other_files: bool,
    /// Places of the two ends of the set, in the stream of descriptor blocks.
    ends: [Option<u64>; 2],
    filemarks: u64,
    /// What is lost: of the data section that passes, and in all before it.
    section: Section,
    lost: Lost,
    /// The stretch of the log that is lost, and where in the stream it starts.
    lost_log: Option<(u64, LostLog)>,
    /// Where in the file something was lost last.
    last_loss: Option<u64>,
    /// Pages that were passed over with lost descriptors.
    passed_over: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Summed {
    #[default]
    Nothing,
    Data,
    Log,
}

impl SetCheck {
    pub(crate) fn new(
        descriptors: SetDescriptors,
        file_offset: u64,
        families: u16,
        depth: Depth,
    ) -> Self {
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
            is_sum_due: false,
            has_lost_sum: false,
            file_offset,
            has_other_files: false,
            ends: [None; 2],
            filemarks: 0,
            section: Section::default(),
            lost: Lost::default(),
            lost_log: None,
            last_loss: None,
            passed_over: 0,
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
        self.unsummed();
        self.end_section();
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
        self.has_other_files = configuration.files.iter().any(FileRecord::is_other);
        let data = files.filter(|file| file.file_type == FileType::Data);
        self.extents.files = DataFiles::new(data.map(|file| (file.file_id, file.size)));
        self.start = configuration;
    }

    pub(crate) fn end_configuration(&mut self, configuration: Configuration) {
        self.end = configuration;
    }

    /// A virtual log file is described: its number and its length in bytes.
    pub(crate) fn virtual_log_file(&mut self, number: u32, len: u64) {
        self.log.virtual_log_file(number, len);
    }

    /// A stream with content starts, after which a checksum should or should not follow. A checksum
    /// is over all content before it in the same block.
    pub(crate) fn content(&mut self, has_checksum: bool) {
        let is_data = self.block_kind == Tag::MSDA;
        if self.summed == Summed::Nothing {
            self.extents.sum = 0;
            self.log_sum = 0;
        }
        self.summed = if is_data { Summed::Data } else { Summed::Log };
        self.is_sum_due |= has_checksum;
        self.has_told_rest = false;
    }

    /// The content of a block is through: if a checksum is due, it did not come.
    fn unsummed(&mut self) {
        let is_due = std::mem::take(&mut self.is_sum_due);
        if std::mem::take(&mut self.summed) != Summed::Nothing && is_due {
            let message = "a backup checksum is missing".to_owned();
            self.push(Level::BackupChecksums, self.file_offset, None, message);
        }
    }

    /// Part of what a checksum is over is not known: that is told where it was lost.
    pub(crate) fn lose_sum(&mut self) {
        self.has_lost_sum |= std::mem::take(&mut self.summed) != Summed::Nothing;
        self.is_sum_due = false;
    }

    /// The checksum of a stream.
    pub(crate) fn stored_sum(&mut self, offset: u64, stored: Option<u32>, places: &Places) {
        let (computed, what) = match std::mem::take(&mut self.summed) {
            Summed::Nothing => return,
            Summed::Data => (self.extents.sum, "data"),
            Summed::Log => (self.log_sum, "log"),
        };
        self.is_sum_due = false;
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
        let base = self.extents.extent(bytes, lost, &mut bad);
        if !lost.is_empty() {
            self.lose_sum();
        }
        let units = (0..bytes.len() / PAGE_LEN).filter(|unit| is_lost(*unit, lost));
        let lost: Vec<(usize, u64)> = units
            .map(|unit| (unit, places.in_file(offset + (unit * PAGE_LEN) as u64)))
            .collect();
        self.section.extent(base, &lost, &self.extents.files);
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
}

//! The data of `MQTL` streams: log blocks, their checksums and the times of commits.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use crate::check::LogSummary;
use crate::date::log_time;
use crate::lsn::Lsn;
use crate::page::sum_sectors;
use crate::wire::{u8_at, u16_at, u32_at};

const SECTOR_LEN: usize = 512;
/// The longest log block.
pub(crate) const MAX_BLOCK_LEN: usize = 0xF000;

/// The first bytes of a log block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogBlockHeader {
    pub(crate) records: u16,
    pub(crate) used: u16,
    pub(crate) len: u16,
    pub(crate) vlf: u32,
    pub(crate) block: u32,
    pub(crate) checksum: u32,
}

impl LogBlockHeader {
    /// What of a block must be there to decode it.
    pub(crate) const LEN: usize = 0x1C;
    const CHECKSUM: usize = 0x18;
    /// Bit of the first byte that only the first sector of a block has.
    const IS_FIRST: u8 = 0x10;

    /// None if no log block starts here.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            records: u16_at(bytes, 0x02)?,
            used: u16_at(bytes, 0x04)?,
            len: u16_at(bytes, 0x06)?,
            vlf: u32_at(bytes, 0x0C)?,
            block: u32_at(bytes, 0x10)?,
            checksum: u32_at(bytes, Self::CHECKSUM)?,
        };
        let len = usize::from(header.len);
        let is_block = u8_at(bytes, 0)? & Self::IS_FIRST != 0
            && len.is_multiple_of(SECTOR_LEN)
            && (SECTOR_LEN..=MAX_BLOCK_LEN).contains(&len);
        is_block.then_some(header)
    }

    /// Where the next block of the log is, if it lies in the same virtual log file.
    pub(crate) fn next_block(&self) -> Option<u32> {
        self.block
            .checked_add(u32::from(self.len) / SECTOR_LEN as u32)
    }
}

/// What the log of one set tells, block by block.
#[derive(Debug, Default)]
pub(crate) struct LogRun {
    pub(crate) summary: LogSummary,
    /// Blocks whose checksum was checked; the others have none.
    pub(crate) with_checksum: u64,
    /// Where its blocks are: one span if there is no gap.
    pub(crate) spans: Vec<LogSpan>,
    /// Virtual log files that are described, with their lengths in blocks of 512 bytes.
    files: BTreeMap<u32, u64>,
}

/// Where a run of log blocks is, each place as virtual log file and block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSpan {
    /// The first block.
    pub first: (u32, u32),
    /// Where the block after the last one would be, in the same virtual log file.
    pub next: (u32, u32),
}

impl LogSpan {
    /// Where the first block of a virtual log file is: behind 8 KiB of its header.
    pub(crate) const FIRST_BLOCK: u32 = 16;

    /// Whether it ends where the configuration says: at that block, or, where a virtual log file
    /// ended with it, at the start of the next one.
    #[must_use]
    pub fn ends_at(&self, last: Lsn) -> bool {
        self.is_followed_by((last.vlf, last.block))
    }

    /// Whether the log goes on at this block after the last one of the span.
    #[must_use]
    pub fn is_followed_by(&self, (vlf, block): (u32, u32)) -> bool {
        let begins_next = block == Self::FIRST_BLOCK && Some(vlf) == self.next.0.checked_add(1);
        self.next == (vlf, block) || begins_next
    }
}

/// What is wrong with a log block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadBlock {
    Checksum(String),
    Gap(String),
}

impl LogRun {
    const MAX_SPANS: usize = 4096;
    const MAX_FILES: usize = 65_536;

    /// A virtual log file is described.
    pub(crate) fn virtual_log_file(&mut self, number: u32, len: u64) {
        if self.files.len() < Self::MAX_FILES {
            self.files.insert(number, len / SECTOR_LEN as u64);
        }
    }

    /// Whether nothing is missing between the end of a span and this place.
    ///
    /// Where a virtual log file ends, less is left of it than the longest block takes.
    pub(crate) fn reaches(&self, span: LogSpan, place: (u32, u32)) -> bool {
        const LONGEST: u64 = (MAX_BLOCK_LEN / SECTOR_LEN) as u64;
        let goes_over = span.next != place;
        let len = self.files.get(&span.next.0).filter(|_| goes_over);
        let is_full = len.is_none_or(|len| u64::from(span.next.1) + LONGEST >= *len);
        span.is_followed_by(place) && is_full
    }

    /// Takes a whole block.
    pub(crate) fn block(&mut self, header: LogBlockHeader, bytes: &[u8], bad: &mut Vec<BadBlock>) {
        let place = (header.vlf, header.block);
        let name = format!("log block {}:{}", header.vlf, header.block);
        let next = (header.vlf, header.next_block().unwrap_or(u32::MAX));
        let last = self.spans.last().copied();
        let reaches = last.is_some_and(|span| self.reaches(span, place));
        match self.spans.last_mut() {
            Some(span) if reaches => span.next = next,
            last => {
                if let Some(LogSpan {
                    next: (vlf, block), ..
                }) = last
                {
                    let message = format!("{name} follows where {vlf}:{block} should");
                    bad.push(BadBlock::Gap(message));
                }
                // More gaps than that are not followed.
                if self.spans.len() < Self::MAX_SPANS {
                    self.spans.push(LogSpan { first: place, next });
                }
            }
        }
        self.summary.blocks += 1;
        if header.checksum != 0 {
            self.with_checksum += 1;
            let computed = checksum(bytes);
            if computed != header.checksum {
                let stored = header.checksum;
                bad.push(BadBlock::Checksum(format!(
                    "{name}: its checksum is {stored:#010x}, its bytes give {computed:#010x}"
                )));
                // Its records say nothing.
                return;
            }
        }
        self.records(header, bytes);
    }

    /// Counts records and notes the times of commits.
    fn records(&mut self, header: LogBlockHeader, bytes: &[u8]) {
        let mut block = bytes.to_vec();
        put_back(&mut block);
        for slot in 0..usize::from(header.records) {
            let entry = usize::from(header.used).checked_sub(2 * (slot + 1));
            let offset = entry.and_then(|entry| u16_at(&block, entry));
            let record = offset.and_then(|offset| block.get(usize::from(offset)..));
            let Some(record) = record else { break };
            self.summary.records += 1;
            if let Some(time) = commit_time(record) {
                self.summary.commits += 1;
                self.summary.first_commit.get_or_insert(time);
                self.summary.last_commit = self.summary.last_commit.max(Some(time));
            }
        }
    }
}

/// The sum over a block, its own field counted as zero.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let sum = sum_sectors(0, bytes);
    let field = u32_at(bytes, LogBlockHeader::CHECKSUM).unwrap_or_default();
    let after = (bytes.len() / SECTOR_LEN).saturating_sub(1);
    sum ^ field.rotate_left(u32::try_from(after % 32).unwrap_or_default())
}

/// Puts the first byte of every sector but the first back in its place: a status byte stands
/// there instead, and the bytes are kept at the end of the block.
fn put_back(block: &mut [u8]) {
    for sector in 1..block.len() / SECTOR_LEN {
        let kept = block.len().checked_sub(1 + sector);
        if let Some(byte) = kept.and_then(|kept| u8_at(block, kept)) {
            block[sector * SECTOR_LEN] = byte;
        }
    }
}

/// When the transaction ended, if this is the record of a commit.
fn commit_time(record: &[u8]) -> Option<DateTime> {
    const COMMIT: u8 = 0x81;
    const OPERATION: usize = 0x16;
    const END_TIME: usize = 0x18;
    (u8_at(record, OPERATION)? == COMMIT).then_some(())?;
    let ticks = u32_at(record, END_TIME)?;
    log_time(ticks, u32_at(record, END_TIME + 4)?)
}

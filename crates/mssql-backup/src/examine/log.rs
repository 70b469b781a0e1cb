//! What is checked within a stream of the log: whole log blocks, and what follows a hole in it.

use crate::check::Level;
use crate::log::{LogBlockHeader, MAX_BLOCK_LEN, checksum};

use super::Examiner;
use super::stream::Stream;

/// Log blocks start at multiples of this in a stream.
const SECTOR_LEN: u64 = 512;

/// Where in the log the stream is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogPlace {
    /// The virtual log file of the last block, and its number in it.
    last: Option<(u32, u32)>,
    /// Where in the stream that block is. None behind a gap.
    offset: Option<u64>,
    /// A hole came, and no log block since.
    pub(super) is_lost: bool,
}

impl LogPlace {
    /// Whether a block that stands at `offset` goes on with the log behind a hole.
    fn may_be_followed_by(&self, header: LogBlockHeader, offset: u64) -> bool {
        let Some((vlf, block)) = self.last else {
            return true;
        };
        let place = self.offset.map(|last| {
            let sectors = offset.saturating_sub(last) / SECTOR_LEN;
            u64::from(block) + sectors
        });
        let is_there = place.is_none_or(|place| u64::from(header.block) == place);
        header.vlf == vlf && header.block > block && is_there
    }
}

impl Examiner {
    /// Takes bytes of the log: whole log blocks, then zeros.
    pub(super) fn log(&mut self, offset: u64, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
        let start = (offset + bytes.len() as u64).saturating_sub(self.carry.len() as u64);
        let mut used = 0;
        while let Stream::Log { lead, ended } = self.stream {
            let Some(set) = &mut self.current else { break };
            let rest = &self.carry[used..];
            let place = start + used as u64;
            if ended {
                let whole = rest.len() / 512 * 512;
                set.log_rest(place, &rest[..whole], &self.places);
                used += whole;
                break;
            }
            if rest.len() < LogBlockHeader::LEN {
                break;
            }
            if self.log_place.is_lost {
                let Some(passed) = self.pass_lost_log(used, place) else {
                    break;
                };
                used += passed;
                continue;
            }
            match LogBlockHeader::decode(rest) {
                Some(header) => {
                    let Some(block) = rest.get(..usize::from(header.len)) else {
                        break;
                    };
                    set.log_block(place, header, block, &self.places);
                    self.log_place.last = Some((header.vlf, header.block));
                    self.log_place.offset = Some(place);
                    used += block.len();
                }
                None => self.stream = Stream::Log { lead, ended: true },
            }
        }
        self.carry.drain(..used);
        debug_assert!(self.carry.len() <= MAX_BLOCK_LEN + bytes.len());
    }

    /// Behind a hole: how many bytes to pass over to the next log block, none if it stands here. None
    /// if that needs more bytes.
    fn pass_lost_log(&mut self, used: usize, place: u64) -> Option<usize> {
        let rest = &self.carry[used..];
        let header = LogBlockHeader::decode(rest)
            .filter(|header| self.log_place.may_be_followed_by(*header, place));
        let Some(header) = header else {
            return rest.get(..SECTOR_LEN as usize).map(<[u8]>::len);
        };
        let block = rest.get(..usize::from(header.len))?;
        if header.checksum != 0 && checksum(block) != header.checksum {
            return Some(SECTOR_LEN as usize);
        }
        self.log_place.is_lost = false;
        if let Some(set) = &mut self.current {
            set.find_log(place, header);
        }
        Some(0)
    }

    /// Some of the log is lost, of a length that is known or not: it goes on with the next log block.
    pub(super) fn log_hole(&mut self, offset: u64, len: Option<u64>) {
        let Stream::Log { ended, .. } = self.stream else {
            return;
        };
        let message = match len {
            Some(len) => format!("{len} bytes of the log are lost"),
            None => "a part of the log is lost".to_owned(),
        };
        self.fault(Level::LogContinuity, offset, message);
        // A log block of which the end is lost is lost.
        let cut = std::mem::take(&mut self.carry).len() as u64;
        let start = offset.saturating_sub(cut).max(self.content_start);
        let place = self.places.in_file(start);
        let is_first = !std::mem::replace(&mut self.log_place.is_lost, !ended);
        if let Some(set) = &mut self.current {
            set.lose_sum();
            if is_first && !ended {
                set.lose_log(start, place, self.log_place.last.is_some());
            }
        }
        // What is passed over up to the next sector is not the bytes before the log.
        self.has_told_lead = true;
        let lead = match len {
            Some(len) => self.bytes_to_sector(offset.saturating_add(len)),
            None => {
                self.log_place.offset = None;
                if let Some(set) = &mut self.current {
                    set.lose_log_len();
                }
                0
            }
        };
        debug_assert!(lead <= SECTOR_LEN as usize + Self::LEAD_LEN);
        self.stream = Stream::Log { lead, ended };
    }

    /// How far it is from a place in the stream to the next sector of its content.
    fn bytes_to_sector(&self, offset: u64) -> usize {
        let behind = offset.checked_sub(self.content_start);
        let bytes = match behind {
            Some(behind) => (SECTOR_LEN - behind % SECTOR_LEN) % SECTOR_LEN,
            None => self.content_start - offset,
        };
        // At most a sector.
        bytes as usize
    }
}

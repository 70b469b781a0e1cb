//! What is checked within a stream: its bytes, pages, log blocks.

use crate::check::Level;
use crate::configuration::Configuration;
use crate::depth::Depth;
use crate::descriptor::{StreamHeader, Tag};
use crate::extents::EXTENT_LEN;
use crate::label::Label;
use crate::log::MAX_BLOCK_LEN;
use crate::page::PAGE_LEN;
use crate::set_check::SetCheck;
use crate::wire::{u16_at, u32_at};

use super::Examiner;
use super::log::LogPlace;

/// Whether a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    No,
}

/// A stream whose data is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stream {
    #[default]
    Unseen,
    Family,
    StartConfiguration,
    EndConfiguration,
    /// Pages; so many bytes come before them.
    Data {
        lead: usize,
    },
    /// Log blocks likewise; after the last come zeros.
    Log {
        lead: usize,
        ended: bool,
    },
    Checksum,
    SetMap,
}

impl Examiner {
    pub(super) fn begin_stream(&mut self, offset: u64, stream: &StreamHeader) {
        self.checked(Level::Descriptors, 1);
        self.carry.clear();
        self.lost.clear();
        self.has_told_lead = false;
        self.log_place = LogPlace::default();
        let deep = self.depth == Depth::Everything;
        let in_set = self.current.as_ref().map(SetCheck::block_kind);
        let lead = Self::LEAD_LEN;
        self.stream = match (stream.tag, in_set) {
            (Tag::RAID, None) => Stream::Family,
            (Tag::MQCI, Some(Tag::MSCI)) => Stream::StartConfiguration,
            (Tag::MQCI, Some(Tag::MSLS)) => Stream::EndConfiguration,
            (Tag::MQDA, Some(Tag::MSDA)) if deep => Stream::Data { lead },
            (Tag::MQTL, Some(Tag::MSTL)) if deep => Stream::Log { lead, ended: false },
            (Tag::CSUM, Some(_)) if deep => Stream::Checksum,
            (Tag::TSMP, Some(_)) => Stream::SetMap,
            _ => Stream::Unseen,
        };
        self.content_start = offset + (StreamHeader::LEN + Self::LEAD_LEN) as u64;
        if self.stream == Stream::SetMap {
            self.set_map = Some(offset);
        }
        let has_content = stream.len > Self::LEAD_LEN as u64;
        if let (Stream::Data { .. } | Stream::Log { .. }, Some(set)) =
            (self.stream, &mut self.current)
            && has_content
        {
            set.content(stream.has_checksum);
        }
        if let ((Tag::MQDA, Some(Tag::MSDA)), Some(set), false) =
            ((stream.tag, in_set), &mut self.current, self.is_compressed)
            && has_content
        {
            let data = offset + StreamHeader::LEN as u64;
            set.data_span(data + Self::LEAD_LEN as u64..data + stream.len);
        }
        let too_long = stream.len > Self::MAX_CONFIGURATION_LEN as u64;
        if too_long && self.is_kept_whole() {
            let max = Self::MAX_CONFIGURATION_LEN;
            let message = format!(
                "limit: {} is {} bytes long, at most {max}",
                stream.tag, stream.len
            );
            self.fault(Level::Configuration, offset, message);
            self.stream = Stream::Unseen;
        }
    }

    /// Whether the stream is gathered up to its end.
    pub(super) fn is_kept_whole(&self) -> bool {
        matches!(
            self.stream,
            Stream::Family
                | Stream::StartConfiguration
                | Stream::EndConfiguration
                | Stream::Checksum
                | Stream::SetMap
        )
    }

    pub(super) fn data(&mut self, mut offset: u64, mut bytes: &[u8]) {
        match &mut self.stream {
            Stream::Unseen => {}
            Stream::Data { lead } | Stream::Log { lead, .. } if *lead > 0 => {
                let (now, rest) = bytes.split_at((*lead).min(bytes.len()));
                *lead -= now.len();
                let is_zero = now.iter().all(|byte| *byte == 0);
                if !is_zero && !std::mem::replace(&mut self.has_told_lead, true) {
                    let message = "the two bytes before the data are not zero".to_owned();
                    self.fault(Level::Addresses, offset, message);
                }
                if !rest.is_empty() {
                    self.data(offset + now.len() as u64, rest);
                }
            }
            Stream::Data { .. } => self.pages(offset, bytes),
            Stream::Log { .. } => {
                for piece in bytes.chunks(MAX_BLOCK_LEN) {
                    self.log(offset, piece);
                    offset += piece.len() as u64;
                }
            }
            _ => {
                let left = Self::MAX_CONFIGURATION_LEN.saturating_sub(self.carry.len());
                bytes = &bytes[..left.min(bytes.len())];
                self.carry.extend_from_slice(bytes);
            }
        }
    }

    /// Passes over bytes of a stream that are not known.
    pub(super) fn hole(&mut self, offset: u64, len: u64) {
        match self.stream {
            Stream::Unseen => {}
            Stream::Data { lead: 0 } => self.pages_hole(offset, len),
            // The bytes before the pages say nothing.
            Stream::Data { lead } => {
                let before = len.min(lead as u64);
                self.stream = Stream::Data {
                    lead: lead - before as usize,
                };
                if len > before {
                    self.pages_hole(offset + before, len - before);
                }
            }
            Stream::Log { .. } => self.log_hole(offset, Some(len)),
            _ => self.lose_stream(offset),
        }
    }

    /// The same where not even their number is known.
    pub(super) fn gap(&mut self, offset: u64, at_most: u64) {
        match self.stream {
            Stream::Unseen => {}
            Stream::Data { lead } => {
                self.stream = Stream::Data { lead: 0 };
                // Blocks of a compressed medium hold an extent each.
                let rest = (EXTENT_LEN - self.carry.len()) % EXTENT_LEN;
                if lead == 0 && rest > 0 {
                    self.pages_hole(offset, rest as u64);
                }
                let place = self.places.in_file(offset);
                if let Some(set) = &mut self.current {
                    set.lost_in_gap(place, at_most.saturating_sub(rest as u64));
                }
                let message = "compressed blocks are lost, and pages with them".to_owned();
                self.fault(Level::Pages, offset, message);
            }
            Stream::Log { .. } => self.log_hole(offset, None),
            _ => self.lose_stream(offset),
        }
    }

    /// So many bytes were in the gaps of this stream.
    pub(super) fn missing(&mut self, len: u64) {
        if let (Stream::Data { .. }, Some(set)) = (self.stream, &mut self.current) {
            set.missing(len);
        }
    }

    /// Gives up a stream that means nothing in part.
    fn lose_stream(&mut self, offset: u64) {
        let message = "a stream is not readable from here on".to_owned();
        let level = match self.stream {
            Stream::Checksum => Level::BackupChecksums,
            _ => Level::Configuration,
        };
        self.fault(level, offset, message);
        self.end_stream(offset, Whole::No);
        self.stream = Stream::Unseen;
        if let Some(set) = &mut self.current {
            set.lose_sum();
        }
    }

    /// The same where pages are: what is lost of an extent is filled up, and said to be lost.
    fn pages_hole(&mut self, mut offset: u64, mut len: u64) {
        if !self.carry.is_empty() {
            let rest = (EXTENT_LEN - self.carry.len()) as u64;
            let now = rest.min(len);
            self.fill_up(offset, now);
            (offset, len) = (offset + now, len - now);
        }
        let whole = len / EXTENT_LEN as u64;
        if whole > 0
            && let Some(set) = &mut self.current
        {
            set.lose_extents(offset, whole, &self.places);
        }
        let whole = whole * EXTENT_LEN as u64;
        self.fill_up(offset + whole, len - whole);
    }

    /// Fills up at most an extent with bytes that are said to be lost.
    fn fill_up(&mut self, mut offset: u64, mut len: u64) {
        const ZEROS: [u8; PAGE_LEN] = [0; PAGE_LEN];
        while len > 0 {
            let room = EXTENT_LEN - self.carry.len();
            let now = len.min(ZEROS.len() as u64).min(room as u64);
            let from = self.carry.len();
            // At most a page, which a `usize` holds.
            let to = from + now as usize;
            self.lost.push(from..to);
            self.pages(offset, &ZEROS[..to - from]);
            offset += now;
            len -= now;
        }
    }

    /// Takes bytes of pages: whole extents at once, the rest waits.
    fn pages(&mut self, mut offset: u64, mut bytes: &[u8]) {
        let Some(set) = &mut self.current else { return };
        if !self.carry.is_empty() {
            let missing = EXTENT_LEN - self.carry.len();
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            self.carry.extend_from_slice(now);
            (bytes, offset) = (rest, offset + now.len() as u64);
            if self.carry.len() < EXTENT_LEN {
                return;
            }
            let lost = std::mem::take(&mut self.lost);
            set.extent(offset - EXTENT_LEN as u64, &self.carry, &lost, &self.places);
            self.carry.clear();
        }
        let extents = bytes.chunks_exact(EXTENT_LEN);
        self.carry.extend_from_slice(extents.remainder());
        for extent in extents {
            set.extent(offset, extent, &[], &self.places);
            offset += EXTENT_LEN as u64;
        }
    }

    pub(super) fn end_stream(&mut self, offset: u64, whole: Whole) {
        let stream = std::mem::take(&mut self.stream);
        let carry = std::mem::take(&mut self.carry);
        match (stream, &mut self.current) {
            (Stream::Family, _) => {
                self.media.family = carry;
                let label = Label::decode(&self.media, self.is_compressed);
                self.check_family(offset, &label);
                self.label = Some(label);
            }
            // Half a configuration names half of the files.
            (Stream::StartConfiguration | Stream::EndConfiguration, _) if whole == Whole::No => {}
            (Stream::StartConfiguration, Some(set)) => {
                self.kept += carry.len();
                set.start_configuration(Configuration::decode(&carry));
                set.descriptors.start_configuration = carry;
            }
            (Stream::EndConfiguration, Some(set)) => {
                self.kept += carry.len();
                set.end_configuration(Configuration::decode(&carry));
                set.descriptors.end_configuration = carry;
            }
            (Stream::Data { .. }, Some(set)) => {
                let whole = carry.len() / PAGE_LEN * PAGE_LEN;
                let start = offset.saturating_sub(carry.len() as u64);
                set.extent(start, &carry[..whole], &self.lost, &self.places);
                self.lost.clear();
                if whole != carry.len() {
                    let message = "the data does not end with a whole page".to_owned();
                    self.fault(Level::PageCount, offset, message);
                }
            }
            (Stream::Log { .. }, Some(set)) => {
                let place = offset.saturating_sub(carry.len() as u64);
                match self.log_place.is_lost {
                    true => set.end_lost_log(offset, None),
                    false => set.log_cut(place, &carry, &self.places),
                }
            }
            (Stream::Checksum, Some(set)) => {
                set.stored_sum(offset, u32_at(&carry, 0), &self.places);
            }
            (Stream::SetMap, Some(set)) if whole == Whole::Yes => {
                let position = u64::from(set.position());
                let count = u64::from(u16_at(&carry, 0x04).unwrap_or_default());
                self.address(offset, "the number of sets in the set map", count, position);
                let family = u64::from(u32_at(&carry, 0x00).unwrap_or_default());
                let own = self.label.as_ref().map_or(0, |label| label.media_family_id);
                self.address(offset, "the family in the set map", family, own.into());
            }
            _ => {}
        }
    }
}

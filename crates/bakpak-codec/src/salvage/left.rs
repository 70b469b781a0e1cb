//! One entry, as far as it is there, and what became of it.

use super::stretches::Cause;
use super::{MAX_RANGES, MissingRange, Verdict};
use crate::error::ReadError;
use crate::observer::Observer;
use crate::zeros::hash_zeros;
use bakpak_format::catalogue::Row;
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, PART_LEN};

pub(super) struct Open {
    pub(super) entry: Entry,
    pub(super) row: Option<Row>,
    /// What became of the file that a hard link names.
    pub(super) fate: Verdict,
    /// Content so far, holes and what is missing included.
    pub(super) position: u64,
    pub(super) hasher: blake3::Hasher,
    pub(super) missing: Vec<MissingRange>,
    pub(super) missing_len: u64,
    pub(super) is_header_lost: bool,
    pub(super) has_bytes: bool,
    /// The bytes that came last were zeros by instruction: what stands for what could not be read.
    pub(super) ends_in_zeros: bool,
    pub(super) part: Option<Part>,
}

/// The part of a parted entry that came last.
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) start: u64,
    pub(super) len: u64,
    /// Where its content begins in the stream, and the length of each part's header: parts of an
    /// entry differ in their number only, which always has 12 digits.
    pub(super) content_at: u64,
    pub(super) header_len: u64,
    /// How often bytes had been lost when it was complete.
    pub(super) losses: u64,
}

impl Open {
    pub(super) fn new(entry: Entry, row: Option<Row>) -> Self {
        Self {
            entry,
            row,
            fate: Verdict::Whole,
            position: 0,
            hasher: blake3::Hasher::new(),
            missing: Vec::new(),
            missing_len: 0,
            is_header_lost: false,
            has_bytes: false,
            ends_in_zeros: false,
            part: None,
        }
    }

    pub(super) fn part_start(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.start)
    }

    /// What lies before `offset` and has not come is a hole.
    pub(super) fn pass_hole(
        &mut self,
        offset: u64,
        observer: &dyn Observer,
    ) -> Result<(), ReadError> {
        let len = offset.saturating_sub(self.position);
        if self.missing_len == 0 {
            hash_zeros(&mut self.hasher, len, observer)?;
        }
        self.position = self.position.max(offset);
        Ok(())
    }

    pub(super) fn lose(&mut self, offset: u64, len: u64, cause: Cause) {
        self.missing_len = self.missing_len.saturating_add(len);
        self.position = offset.saturating_add(len);
        let is_full = self.missing.len() == MAX_RANGES;
        match self.missing.last_mut() {
            Some(last) if last.cause == cause && last.offset + last.len == offset => {
                last.len += len;
            }
            // All that is missing is told, and then some.
            Some(last) if is_full => last.len = self.position - last.offset,
            _ => self.missing.push(MissingRange { offset, len, cause }),
        }
    }

    pub(super) fn verdict(&self, losses: u64) -> Verdict {
        match &self.entry.kind {
            EntryKind::File { .. } => {}
            _ => return self.fate,
        }
        if self.missing_len > 0 {
            return match self.has_bytes {
                true => Verdict::Damaged,
                false => Verdict::Lost,
            };
        }
        let may_go_on = self.part.as_ref().is_some_and(|part| !part.is_last(losses));
        match &self.row {
            Some(row) if Digest(*self.hasher.finalize().as_bytes()) == row.content_hash => {
                Verdict::Whole
            }
            Some(_) => Verdict::Damaged,
            None if self.ends_in_zeros || may_go_on => Verdict::Damaged,
            None => Verdict::Unconfirmed,
        }
    }
}

impl Part {
    pub(super) fn new(number: u64, content_at: u64, header_len: u64, len: u64) -> Self {
        Self {
            number,
            len,
            start: (number - 1).saturating_mul(PART_LEN),
            content_at,
            header_len,
            losses: 0,
        }
    }
}

impl Part {
    /// Whether none can follow: it is short, or nothing was lost since it was complete.
    pub(super) fn is_last(&self, losses: u64) -> bool {
        self.len < PART_LEN || self.losses == losses
    }
}

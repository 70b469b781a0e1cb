//! Entries in parts, of which any may be lost (spec: ENT-8, SLV-4).

use super::{Begin, OpenEntries};
use crate::error::ReadError;
use crate::salvage::left::{Open, Part};
use bakpak_format::catalogue::Row;
use bakpak_format::entry::{Entry, EntryPath, PART_LEN};

/// A part of the open entry that is not begun yet.
#[derive(Clone, Copy, Debug)]
pub(in crate::salvage) struct NextPart {
    number: u64,
    pub(in crate::salvage) header_at: u64,
    pub(in crate::salvage) content_at: u64,
    pub(in crate::salvage) len: u64,
}

impl OpenEntries<'_> {
    /// The part of the open entry whose header or content a place of the stream is in, if its row tells
    /// how long the entry is.
    pub(in crate::salvage) fn part_at(&self, position: u64) -> Option<NextPart> {
        let open = self.open.as_ref()?;
        let (part, row) = (open.part.as_ref()?, open.row.as_ref()?);
        let stride = PART_LEN + part.header_len;
        let behind = position.checked_sub(part.content_at.checked_add(PART_LEN)?)?;
        let number = part.number.checked_add(behind / stride + 1)?;
        let start = (number - 1).checked_mul(PART_LEN)?;
        let len = row.size.checked_sub(start)?.min(PART_LEN);
        let header_at = position - behind % stride;
        (len > 0).then_some(NextPart {
            number,
            header_at,
            content_at: header_at + part.header_len,
            len,
        })
    }

    /// Goes on with a part of the open entry of which the header is lost.
    pub(in crate::salvage) fn begin_next_part(&mut self, next: &NextPart) -> Result<(), ReadError> {
        let header_len = next.content_at - next.header_at;
        let part = Part::new(next.number, next.content_at, header_len, next.len);
        self.goes_on_with(part)
    }

    /// Whether this is a further part of the open entry, perhaps behind some that are lost.
    pub(super) fn goes_on(&self, name: &EntryPath, next: &Part) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let is_behind = |part: &Part| next.number > part.number && next.start >= open.position;
            open.entry.path == *name && open.part.as_ref().is_some_and(is_behind)
        })
    }

    pub(super) fn goes_on_with(&mut self, part: Part) -> Result<(), ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let (behind, start) = (open.position, part.start);
        open.part = Some(part);
        self.lose(behind, start.saturating_sub(behind))
    }

    /// Begins a parted entry with the first of its parts that is there.
    pub(super) fn begin_part(
        &mut self,
        mut entry: Entry,
        row: Option<Row>,
        name: EntryPath,
        part: Part,
    ) -> Result<(), ReadError> {
        let parted = self.parted.take_if(|row| row.path == name);
        self.close_parted()?;
        entry.path = name;
        let is_header_lost = parted.is_some();
        let mut open = Open::new(entry, row.or(parted));
        open.is_header_lost = is_header_lost;
        let start = part.start;
        open.part = Some(part);
        match self.begin_open(open)? {
            Begin::Begun => self.lose(0, start),
            Begin::Refused => Ok(()),
        }
    }

    pub(super) fn close_parted(&mut self) -> Result<(), ReadError> {
        match self.parted.take() {
            Some(row) => self.row_alone(row),
            None => Ok(()),
        }
    }
}

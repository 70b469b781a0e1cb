//! The entry that is open, what is missing of it, and what became of it.

use super::left::{Open, Part};
use super::rows::{Rows, content_len, entry_of, is_parted};
use super::stretches::Cause;
use super::{MissingRange, SalvageCounts, SalvageSink, Salvaged, Verdict};
use crate::entries::{SizeSum, file_size, part_of};
use crate::error::ReadError;
use crate::observer::Observer;
use crate::stream::{Begun, EntryTaker, LossTaker};
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::entry::{EntryKind, EntryPath};
use bytes::Bytes;
use std::collections::HashMap;

mod parts;

/// Takes entries as they come, and judges each when it has ended.
pub(super) struct OpenEntries<'a> {
    sink: &'a mut dyn SalvageSink,
    rows: &'a mut Rows,
    observer: &'a dyn Observer,
    open: Option<Open>,
    /// The row of a parted entry whose first header is lost: a further part may come.
    parted: Option<Row>,
    last_path: Option<EntryPath>,
    /// What became of files that have further names.
    linked: HashMap<EntryPath, Verdict>,
    counts: SalvageCounts,
    named: u64,
    sizes: SizeSum,
    /// Why bytes are lost that are lost now.
    cause: Cause,
    /// How often bytes were lost.
    losses: u64,
    /// The bytes that come now are zeros by instruction.
    are_zeros: bool,
}

/// Whether an entry was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Begun,
    Refused,
}

impl<'a> OpenEntries<'a> {
    pub(super) fn new(
        sink: &'a mut dyn SalvageSink,
        rows: &'a mut Rows,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            sink,
            rows,
            observer,
            open: None,
            parted: None,
            last_path: None,
            linked: HashMap::new(),
            counts: SalvageCounts::default(),
            named: 0,
            sizes: SizeSum::default(),
            cause: Cause::Block,
            losses: 0,
            are_zeros: false,
        }
    }

    /// What is lost from now on is lost for this.
    pub(super) fn set_cause(&mut self, cause: Cause) {
        self.cause = cause;
        self.losses += 1;
    }

    /// What comes from now on is zeros by instruction, or is not.
    pub(super) fn set_zeros(&mut self, are_zeros: bool) {
        self.are_zeros = are_zeros;
    }

    /// Where the header of the next row's entry begins.
    pub(super) fn peek_row(&mut self) -> Option<u64> {
        self.rows.peek().map(|row| row.header_offset.0)
    }

    /// The next row whose header lies before this place, where the stream goes on.
    pub(super) fn next_row_before(&mut self, offset: u64) -> Option<Row> {
        self.rows.next_before(offset)
    }

    /// Ends all that is open, and says how many entries of each kind there were, and how many names.
    pub(super) fn finish(mut self) -> Result<(SalvageCounts, u64), ReadError> {
        self.close()?;
        while let Some(row) = self.rows.next_before(u64::MAX) {
            self.header_lost(row)?;
        }
        self.close_parted()?;
        Ok((self.counts, self.named))
    }

    /// The rest of the open entry cannot be made out.
    pub(super) fn cut(&mut self) -> Result<(), ReadError> {
        if let Some(open) = &self.open
            && open.part.is_none()
        {
            let (offset, size) = (open.position, file_size(&open.entry));
            self.lose(offset, size.saturating_sub(offset))?;
            return self.close();
        }
        Ok(())
    }

    /// So much content of the open entry is missing.
    fn lose(&mut self, offset: u64, len: u64) -> Result<(), ReadError> {
        let cause = self.cause;
        let Some(open) = self.open.as_mut().filter(|_| len > 0) else {
            return Ok(());
        };
        open.lose(offset, len, cause);
        self.sink.missing(offset, len).map_err(ReadError::Sink)
    }

    /// Begins an entry of which there is content, but no header.
    pub(super) fn begin_row(&mut self, row: Row) -> Result<Begin, ReadError> {
        let Some(entry) = entry_of(&row).filter(|_| !never_was(&row)) else {
            self.header_lost(row)?;
            return Ok(Begin::Refused);
        };
        self.close()?;
        self.close_parted()?;
        self.named += 1;
        let (at, content_at) = (row.header_offset.0, row.content_offset.0);
        let part = is_parted(&row).then(|| {
            Part::new(
                1,
                content_at,
                content_at.saturating_sub(at),
                content_len(&row),
            )
        });
        let mut open = Open::new(entry, Some(row));
        open.part = part;
        open.is_header_lost = true;
        self.begin_open(open)
    }

    /// The header of a row's entry is lost, and its content too, if it has any.
    pub(super) fn header_lost(&mut self, row: Row) -> Result<(), ReadError> {
        self.close()?;
        self.close_parted()?;
        self.named += 1;
        if row.flags.contains(RowFlags::PARTED) && !never_was(&row) {
            self.parted = Some(row);
            return Ok(());
        }
        self.row_alone(row)
    }

    /// Nothing but its row is left of an entry: enough for one without content.
    fn row_alone(&mut self, row: Row) -> Result<(), ReadError> {
        if row.flags.contains(RowFlags::SUPERSEDED) {
            return Ok(());
        }
        let entry = entry_of(&row);
        match entry {
            Some(entry) if row.size == 0 && !never_was(&row) => {
                let mut open = Open::new(entry, Some(row));
                open.is_header_lost = true;
                self.begin_open(open)?;
                self.close()
            }
            _ => {
                let verdict = match row.flags.contains(RowFlags::UNREADABLE) {
                    true => Verdict::Unreadable,
                    false => Verdict::Lost,
                };
                let is_linked = row.flags.contains(RowFlags::LINKED);
                let missing = MissingRange {
                    offset: 0,
                    len: row.size,
                    cause: self.cause,
                };
                let has_content = row.size > 0 && verdict == Verdict::Lost;
                self.never_begun(
                    is_linked,
                    Salvaged {
                        path: row.path,
                        verdict,
                        size: (row.kind == bakpak_format::catalogue::RowKind::File)
                            .then_some(row.size),
                        missing: has_content.then_some(missing).into_iter().collect(),
                        missing_len: if has_content { row.size } else { 0 },
                        is_header_lost: true,
                    },
                )
            }
        }
    }

    fn never_begun(&mut self, is_linked: bool, salvaged: Salvaged) -> Result<(), ReadError> {
        self.counts.count(salvaged.verdict);
        if is_linked {
            self.linked.insert(salvaged.path.clone(), salvaged.verdict);
        }
        self.sink.lost(&salvaged).map_err(ReadError::Sink)
    }

    /// Hands an entry to the sink, unless something speaks against it.
    fn begin_open(&mut self, mut open: Open) -> Result<Begin, ReadError> {
        let path = open.entry.path.clone();
        // An archive of a faulty writer, or of two that began as one: what came first stays.
        if self.last_path.as_ref().is_some_and(|last| *last > path) {
            return Ok(Begin::Refused);
        }
        self.last_path = Some(path);
        if let EntryKind::HardLink { target } = &open.entry.kind {
            open.fate = self.linked.get(target).copied().unwrap_or(Verdict::Lost);
        }
        if matches!(open.fate, Verdict::Lost | Verdict::Unreadable) {
            let salvaged = Salvaged {
                verdict: open.fate,
                path: open.entry.path,
                size: None,
                missing: Vec::new(),
                missing_len: 0,
                is_header_lost: open.is_header_lost,
            };
            self.never_begun(false, salvaged)?;
            return Ok(Begin::Refused);
        }
        let size = match (&open.entry.kind, &open.part, &open.row) {
            (EntryKind::File { .. }, Some(_), row) => row.as_ref().map(|row| row.size),
            (EntryKind::File { size, .. }, None, _) => Some(*size),
            _ => None,
        };
        self.sink
            .begin(&open.entry, size, open.fate)
            .map_err(ReadError::Sink)?;
        self.open = Some(open);
        Ok(Begin::Begun)
    }

    /// Judges the open entry (spec: SLV-5).
    fn close(&mut self) -> Result<(), ReadError> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let size = match (&open.part, &open.row) {
            // A row that tells of less than there is does not agree with the stream.
            (Some(_), Some(row)) => Some(row.size.max(open.position)),
            // Without the row, nobody knows whether a further part is lost.
            (Some(part), None) => part.is_last(self.losses).then_some(part.start + part.len),
            (None, _) => Some(file_size(&open.entry)),
        };
        let (position, end) = (open.position, size.unwrap_or(open.position));
        if open.part.is_some() {
            self.lose(position, end.saturating_sub(position))?;
        }
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.pass_hole(end, self.observer)?;
        let verdict = open.verdict(self.losses);
        if open.entry.linked {
            self.linked.insert(open.entry.path.clone(), verdict);
        }
        self.counts.count(verdict);
        let is_file = matches!(open.entry.kind, EntryKind::File { .. });
        let salvaged = Salvaged {
            path: open.entry.path,
            verdict,
            size: size.filter(|_| is_file),
            missing: open.missing,
            missing_len: open.missing_len,
            is_header_lost: open.is_header_lost,
        };
        self.sink.end(&salvaged).map_err(ReadError::Sink)
    }
}

impl EntryTaker for OpenEntries<'_> {
    fn begin(&mut self, begun: Begun) -> Result<(), ReadError> {
        self.sizes.add(file_size(&begun.header.entry))?;
        let at = begun.header_offset.0;
        let part = part_of(&begun.header).map(|(name, number)| {
            let content_at = begun.content_offset.0;
            let len = file_size(&begun.header.entry);
            (name, Part::new(number, content_at, content_at - at, len))
        });
        let part = match part {
            Some((name, part)) if self.goes_on(&name, &part) => {
                return self.goes_on_with(part);
            }
            part => part,
        };
        self.close()?;
        while let Some(row) = self.rows.next_before(at) {
            self.header_lost(row)?;
        }
        let entry = begun.header.entry;
        let row = self.rows.next_at(at);
        let is_further = part.as_ref().is_some_and(|(_, part)| part.number > 1);
        if row.is_some() || !is_further || self.parted.is_none() {
            self.named += 1;
        }
        if let Some(row) = row.as_ref().filter(|row| never_was(row)) {
            self.close_parted()?;
            return self.row_alone(row.clone());
        }
        match part {
            Some((name, part)) => self.begin_part(entry, row, name, part),
            None => {
                self.close_parted()?;
                let row = row.filter(|row| row.path == entry.path);
                self.begin_open(Open::new(entry, row))?;
                Ok(())
            }
        }
    }

    fn data(&mut self, offset: u64, bytes: Bytes) -> Result<(), ReadError> {
        let (observer, are_zeros) = (self.observer, self.are_zeros);
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let offset = offset.saturating_add(open.part_start());
        open.pass_hole(offset, observer)?;
        open.position = offset + bytes.len() as u64;
        open.has_bytes = true;
        open.ends_in_zeros = are_zeros;
        if open.missing_len == 0 {
            open.hasher.update(&bytes);
        }
        self.sink.write(offset, &bytes).map_err(ReadError::Sink)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let losses = self.losses;
        match self.open.as_mut().and_then(|open| open.part.as_mut()) {
            // More parts may come.
            Some(part) => {
                part.losses = losses;
                Ok(())
            }
            None => self.close(),
        }
    }
}

impl LossTaker for OpenEntries<'_> {
    fn lost(&mut self, offset: u64, len: u64) -> Result<(), ReadError> {
        let start = self.open.as_ref().map_or(0, Open::part_start);
        self.lose(offset.saturating_add(start), len)
    }
}

impl SalvageCounts {
    fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Whole => &mut self.whole,
            Verdict::Unconfirmed => &mut self.unconfirmed,
            Verdict::Damaged => &mut self.damaged,
            Verdict::Lost => &mut self.lost,
            Verdict::Unreadable => &mut self.unreadable,
        };
        *counter += 1;
    }
}

/// Whether a row says of its entry that it is none: superseded by a later one, or unreadable.
fn never_was(row: &Row) -> bool {
    row.flags.contains(RowFlags::SUPERSEDED) || row.flags.contains(RowFlags::UNREADABLE)
}

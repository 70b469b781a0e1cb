//! Entries out of a stream with gaps: where one begins behind a gap, the chunks and the catalogue tell.

use super::open::{Begin, OpenEntries};
use super::rows::{Rows, content_end, content_len, is_parted, parts_end};
use super::stretches::{Cause, StretchTaker};
use super::{SalvageCounts, SalvageSink};
use crate::error::ReadError;
use crate::observer::Observer;
use crate::stream::StreamParser;
use crate::zeros::watched_zeros;
use bakpak_format::entry::{Extent, padded};
use bakpak_format::geometry::StreamOffset;
use bytes::{Buf, Bytes};

/// Parses the stream as far as it is there.
pub(super) struct Entries<'a> {
    open: OpenEntries<'a>,
    observer: &'a dyn Observer,
    /// None where it is not known what the next byte belongs to.
    parser: Option<StreamParser>,
    /// What begins ahead, and where: content of which the header is lost.
    ahead: Option<(u64, StreamParser)>,
    position: u64,
    /// Where an entry begins, as the last chunk says.
    first_entry: Option<u64>,
    lost_len: u64,
}

/// What came of all entries.
pub(super) struct Taken {
    pub(super) counts: SalvageCounts,
    /// Entries whose names are known, superseded ones included.
    pub(super) named: u64,
    pub(super) lost_len: u64,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        sink: &'a mut dyn SalvageSink,
        rows: &'a mut Rows,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            open: OpenEntries::new(sink, rows, observer),
            observer,
            parser: Some(StreamParser::new(StreamOffset(0))),
            ahead: None,
            position: 0,
            first_entry: None,
            lost_len: 0,
        }
    }

    /// The last chunk has come; the stream is so long, if that is known.
    pub(super) fn finish(mut self, stream_len: Option<u64>) -> Result<Taken, ReadError> {
        let rest = stream_len.map(|len| len.saturating_sub(self.position));
        match rest {
            Some(0) => {}
            Some(rest) => self.lost(rest, Cause::Block)?,
            // What was open has no end, and who knows what else followed.
            None => self.lose(u64::MAX, Cause::Block)?,
        }
        if let Some((_, mut parser)) = self.ahead.take() {
            parser.lose(u64::MAX, &mut self.open)?;
        }
        let (counts, named) = self.open.finish()?;
        Ok(Taken {
            counts,
            named,
            lost_len: self.lost_len,
        })
    }

    /// Takes bytes, which the archive may say are zeros.
    fn take(&mut self, mut bytes: Bytes) -> Result<(), ReadError> {
        let end = self.position + bytes.len() as u64;
        if self.parser.is_none() {
            self.find_start(end)?;
            bytes.advance((self.position - (end - bytes.len() as u64)) as usize);
        }
        let Some(parser) = &mut self.parser else {
            return Ok(());
        };
        self.position = end;
        match parser.take(bytes, &mut self.open) {
            Err(ReadError::Fault(_)) => {
                self.parser = None;
                self.open.cut()
            }
            taken => taken,
        }
    }

    /// Goes on to where something begins that can be read, or to `end` (spec: SLV-4).
    fn find_start(&mut self, end: u64) -> Result<(), ReadError> {
        if let Some((at, parser)) = self.ahead.take()
            && self.start_within(at, parser, end)?
        {
            return Ok(());
        }
        let mut part_header = None;
        if let Some(part) = self.open.part_at(self.position) {
            part_header = (part.header_at == self.position).then_some(self.position);
            let extent = Extent {
                offset: 0,
                len: part.len,
            };
            let padding = padded(part.len) - part.len;
            let at = StreamOffset(part.content_at);
            let parser = StreamParser::within_content(at, extent, padding);
            if part_header.is_none() {
                self.open.begin_next_part(&part)?;
                if self.start_within(at.0, parser, end)? {
                    return Ok(());
                }
            }
        }
        while let Some(row) = self.open.next_row_before(self.position) {
            let is_parted = is_parted(&row);
            let ends_behind = match is_parted {
                true => parts_end(&row),
                false => content_end(&row).map(|(end, _)| end),
            };
            let Some((_, padding)) = content_end(&row)
                .filter(|_| ends_behind.is_some_and(|content_end| content_end > self.position))
            else {
                self.open.header_lost(row)?;
                continue;
            };
            let (at, len) = (row.content_offset, content_len(&row));
            if self.open.begin_row(row)? == Begin::Refused {
                continue;
            }
            let extent = Extent { offset: 0, len };
            let parser = StreamParser::within_content(at, extent, padding);
            if self.start_within(at.0, parser, end)? {
                return Ok(());
            }
            if is_parted {
                // All of the first part is lost.
                return self.find_start(end);
            }
        }
        let first_entry = self.first_entry.filter(|entry| *entry >= self.position);
        let row = self.open.peek_row();
        let at = first_entry.into_iter().chain(row).chain(part_header).min();
        match at.filter(|at| *at < end) {
            Some(at) => {
                self.position = at;
                self.parser = Some(StreamParser::new(StreamOffset(at)));
            }
            None => self.position = end,
        }
        Ok(())
    }

    /// Goes on with content that begins, or began, at a place of the stream; says whether the search
    /// is over.
    fn start_within(
        &mut self,
        at: u64,
        mut parser: StreamParser,
        end: u64,
    ) -> Result<bool, ReadError> {
        if at >= end {
            self.ahead = Some((at, parser));
            self.position = end;
            return Ok(true);
        }
        let passed = self.position.saturating_sub(at);
        if passed > 0 && parser.lose(passed, &mut self.open)? > 0 {
            return Ok(false);
        }
        self.position = self.position.max(at);
        self.parser = Some(parser);
        Ok(true)
    }

    fn lose(&mut self, len: u64, cause: Cause) -> Result<(), ReadError> {
        self.open.set_cause(cause);
        self.position = self.position.saturating_add(len);
        if let Some(parser) = &mut self.parser
            && parser.lose(len, &mut self.open)? > 0
        {
            self.parser = None;
            // What ended within these bytes is not the last thing that was lost.
            self.open.set_cause(cause);
        }
        Ok(())
    }
}

impl StretchTaker for Entries<'_> {
    fn bytes(&mut self, bytes: Bytes) -> Result<(), ReadError> {
        self.open.set_zeros(false);
        self.take(bytes)
    }

    fn zeros(&mut self, len: u64) -> Result<(), ReadError> {
        self.open.set_zeros(true);
        watched_zeros(len, self.observer, &mut |bytes| {
            self.take(Bytes::from_static(bytes))
        })
    }

    fn lost(&mut self, len: u64, cause: Cause) -> Result<(), ReadError> {
        self.lost_len += len;
        self.lose(len, cause)
    }

    fn first_entry(&mut self, offset: u64) {
        self.first_entry = Some(offset);
    }
}

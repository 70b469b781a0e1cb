//! One entry out of the stream.

use crate::error::ReadError;
use crate::stream::{Begun, EntryTaker};
use crate::zeros::zeros;
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::entry::{Entry, EntryKind, padded};
use bakpak_format::geometry::StreamOffset;
use bytes::Bytes;
use std::io::Write;

/// Takes the content of one entry, parts joined.
pub(super) struct OneEntry<'a> {
    row: &'a Row,
    output: Option<&'a mut dyn Write>,
    pub(super) entry: Option<Entry>,
    pub(super) hasher: blake3::Hasher,
    position: u64,
    part_start: u64,
    pub(super) done: bool,
}

impl<'a> OneEntry<'a> {
    pub(super) fn new(row: &'a Row, output: Option<&'a mut dyn Write>) -> Self {
        Self {
            row,
            output,
            entry: None,
            hasher: blake3::Hasher::new(),
            position: 0,
            part_start: 0,
            done: false,
        }
    }

    /// What it asks for ends here, or near it if the entry is sparse or stored in parts.
    pub(super) fn ends_before(&self) -> StreamOffset {
        let stored = match self.output {
            Some(_) => padded(self.row.size),
            None => 0,
        };
        self.row.content_offset.plus(stored)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        match &mut self.output {
            Some(output) => output
                .write_all(bytes)
                .map_err(|e| ReadError::Sink(e.into())),
            None => Ok(()),
        }
    }

    fn hole(&mut self, to: u64) -> Result<(), ReadError> {
        let len = to.saturating_sub(self.position);
        zeros(len, &mut |zeros| self.put(zeros))
    }
}

impl EntryTaker for OneEntry<'_> {
    fn begin(&mut self, begun: Begun) -> Result<(), ReadError> {
        if self.done {
            return Ok(()); // the piece at hand goes on into the next entry
        }
        self.part_start = self.position;
        if self.entry.is_none() {
            let mut entry = begun.header.entry;
            entry.path = self.row.path.clone();
            if self.row.flags.contains(RowFlags::PARTED) {
                entry.kind = EntryKind::File {
                    size: self.row.size,
                    extents: None,
                };
            }
            self.entry = Some(entry);
        }
        // Only the header was asked for.
        self.done = self.output.is_none();
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: Bytes) -> Result<(), ReadError> {
        if self.done {
            return Ok(());
        }
        self.hole(self.part_start + offset)?;
        self.put(&bytes)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        if self.done {
            return Ok(());
        }
        if !self.row.flags.contains(RowFlags::PARTED) {
            self.hole(self.row.size)?;
        }
        self.done = self.position >= self.row.size;
        Ok(())
    }
}

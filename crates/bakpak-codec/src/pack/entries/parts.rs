//! Content of unknown size: a plain file, or parts (spec: ENT-8).

use super::{EntryWriter, WHOLE, entry_size, sized};
use crate::error::PackError;
use crate::input::read_full;
use crate::order::Stored;
use crate::source::Source;
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryHeader, part_path};
use std::io;

impl EntryWriter<'_> {
    /// Content of unknown size: a plain file if it ends within the look-ahead, parts otherwise.
    pub(super) fn put_unknown(
        &mut self,
        source: &mut dyn Source,
        entry: Entry,
    ) -> Result<(), PackError> {
        let mut content = std::mem::take(&mut self.buffer);
        let mut hasher = blake3::Hasher::new();
        let mut start = None;
        let mut len = 0;
        let mut number = 0;
        // One byte more than a part is read ahead: so there are never fewer than two parts, and
        // the last one is never empty.
        let mut held = 0;
        self.tapping.begin(source.tap());
        let failed = loop {
            let filled = read_ahead(source, len + held as u64, &mut content, held);
            self.check_cancelled()?;
            let (held_now, error) = match filled {
                Ok(filled) => (filled, None),
                // What came so far cannot be taken back, and a stream cannot be read again.
                Err((filled, error)) => (filled, Some(error)),
            };
            let last = held_now <= WHOLE as usize;
            if number == 0 && error.is_some() {
                break error;
            }
            let part_len = held_now.min(WHOLE as usize);
            let part = sized(&entry, part_len as u64);
            let header = if number == 0 && last {
                EntryHeader::new(part)
            } else {
                if number == 0 {
                    self.check_order(&entry, Stored::Parted)?;
                }
                number += 1;
                let path = part_path(&entry.path, number)
                    .ok_or_else(|| PackError::Settings(format!("'{}' is too long", entry.path)))?;
                EntryHeader::new_part(Entry {
                    path,
                    xattrs: Vec::new(),
                    linked: false,
                    ..part
                })
            };
            let header_offset = self.put_header(&header)?;
            start.get_or_insert((header_offset, self.archive.stream_offset()));
            hasher.update(&content[..part_len]);
            self.tapping.bytes(&content[..part_len]);
            self.archive
                .put(&content[..part_len], entry_size(part_len as u64))?;
            self.archive.pad()?;
            self.count_read(part_len as u64);
            len += part_len as u64;
            if last || error.is_some() {
                break error;
            }
            content.copy_within(part_len..held_now, 0);
            held = held_now - part_len;
        };
        self.buffer = content;
        if let Some(error) = &failed {
            self.leave_out(&entry.path, error);
        }
        if let Some((header_offset, content_offset)) = start {
            let hash = Digest(*hasher.finalize().as_bytes());
            let linked = entry.linked && number == 0;
            let whole = Entry {
                linked,
                ..sized(&entry, len)
            };
            let mut row = Row::from_entry(&whole, hash, header_offset, content_offset);
            if number > 0 {
                row.flags.insert(RowFlags::PARTED);
            }
            let mut facts = Vec::new();
            if failed.is_some() {
                row.flags.insert(RowFlags::UNREADABLE);
            } else {
                let learned = self.tapping.end()?;
                self.note_learned(&row, &mut facts, learned);
            }
            self.end_entry(row, facts)?;
        }
        self.tapping.begin(None);
        Ok(())
    }
}

/// Reads a stream until one byte more than a part is at hand, or it ends; `held` bytes are there
/// already. Gives the number of bytes at hand, also where reading fails.
fn read_ahead(
    source: &mut dyn Source,
    offset: u64,
    buffer: &mut Vec<u8>,
    held: usize,
) -> Result<usize, (usize, io::Error)> {
    buffer.resize(WHOLE as usize + 1, 0);
    let (len, read) = read_full(&mut buffer[held..], |rest, done| {
        source.read_at(offset + done, rest)
    });
    match read {
        Ok(()) => Ok(held + len),
        Err(error) => Err((held + len, error)),
    }
}

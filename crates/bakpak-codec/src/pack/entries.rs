//! One source after another becomes one entry of the stream.

use super::ahead::{
    Prepared, SmallFile, TRIES, WHOLE, extents, is_known_file, with_aligned_extents,
};
use super::{PackReport, missing_facts, warn_unreadable};
use crate::error::{Defect, Missing, PackError};
use crate::grids::Grids;
use crate::matcher::MIN_ENTRY_LEN;
use crate::observer::Observer;
use crate::order::{Order, Stored};
use crate::records::Closing;
use crate::source::{Opened, Source, SourceSize};
use crate::tap::Tapping;
use crate::writer::{ArchiveWriter, EntrySize};
use crate::zeros::hash_zeros;
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{END_OF_STREAM, Entry, EntryHeader, EntryKind, EntryPath};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::header::ArchiveId;
use bakpak_format::record::Facts;
use std::io;

mod go_on;
mod large;
mod noted;
mod parts;

/// Writes entries and keeps account of them.
pub(super) struct EntryWriter<'a> {
    archive: ArchiveWriter<'a>,
    tapping: Tapping,
    observer: &'a dyn Observer,
    buffer: Vec<u8>,
    missing: Vec<Missing>,
    order: Order,
    content_len: u64,
    rows: u64,
    /// Anything but directories, and read to its end.
    holds_something: bool,
    changed: u64,
    read: u64,
    /// What stands already of the header that is put next.
    stands: Vec<u8>,
}

impl<'a> EntryWriter<'a> {
    pub(super) fn new(
        archive: ArchiveWriter<'a>,
        tapping: Tapping,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            archive,
            tapping,
            observer,
            buffer: Vec::new(),
            missing: Vec::new(),
            order: Order::default(),
            content_len: 0,
            rows: 0,
            holds_something: false,
            changed: 0,
            read: 0,
            stands: Vec::new(),
        }
    }

    /// Sources known to be missing from the start.
    pub(super) fn missing(&mut self, missing: impl Iterator<Item = Missing>) {
        self.missing.extend(missing);
    }

    /// Whether there is any content, or at least a name of some.
    pub(super) fn holds_something(&self) -> bool {
        self.holds_something
    }

    pub(super) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    pub(super) fn into_missing(self) -> Vec<Missing> {
        self.missing
    }

    pub(super) fn archive_facts(&mut self, facts: Facts) {
        self.archive.archive_facts(facts);
    }

    /// Puts one source; one that cannot be read is noted as missing.
    pub(super) fn put(&mut self, prepared: Prepared, content: &[u8]) -> Result<(), PackError> {
        self.check_cancelled()?;
        match prepared {
            Prepared::Small(file) => {
                let content = &content[file.content.clone()];
                self.put_whole(file, content)
            }
            Prepared::Bare(entry) => self.put_bare(&entry),
            Prepared::Open(mut source, opened, _awaited) => {
                let result = self.put_opened(source.as_mut(), *opened);
                source.close();
                result
            }
            Prepared::Closed(mut source, _awaited) => {
                let result = match source.open() {
                    Ok(opened) => self.put_opened(source.as_mut(), with_aligned_extents(opened)),
                    Err(error) => {
                        self.leave_out(source.path(), &error);
                        Ok(())
                    }
                };
                source.close();
                result
            }
            Prepared::Unreadable(path, error) => {
                self.leave_out(&path, &error);
                Ok(())
            }
        }
    }

    /// Only notes it if it cannot be read.
    pub(super) fn note_if_unreadable(&mut self, prepared: &Prepared) -> Result<(), PackError> {
        self.check_cancelled()?;
        if let Prepared::Unreadable(path, error) = prepared {
            self.leave_out(path, error);
        }
        Ok(())
    }

    /// Ends stream and archive.
    pub(super) fn finish(
        mut self,
        archive_id: ArchiveId,
        closing: impl FnOnce(u64, bool) -> Closing,
    ) -> Result<PackReport, PackError> {
        for missing in &self.missing {
            self.archive.archive_facts(missing_facts(missing));
        }
        self.archive.put(&END_OF_STREAM, EntrySize::Small)?;
        let stream_len = self.archive.stream_offset().0;
        let closing = closing(self.content_len, !self.missing.is_empty());
        let (counts, root) = self.archive.finish(&closing)?;
        Ok(PackReport {
            archive_id,
            root,
            archive_len: 0, // known when the output is complete
            stream_len,
            content_len: self.content_len,
            entries: self.rows,
            chunks: counts.chunks,
            copied_bytes: counts.copied_bytes,
            zero_bytes: counts.zero_bytes,
            changed: self.changed,
            kept_len: 0, // known to who has kept it
            missing: self.missing,
        })
    }

    fn put_opened(&mut self, source: &mut dyn Source, opened: Opened) -> Result<(), PackError> {
        match opened.size {
            SourceSize::Unknown => self.put_unknown(source, opened.entry),
            SourceSize::Known => self.put_large(source, opened),
        }
    }

    /// An entry without content.
    fn put_bare(&mut self, entry: &Entry) -> Result<(), PackError> {
        if let EntryKind::HardLink { target } = &entry.kind
            && !self.order.may_link_to(target)
        {
            let reason = io::Error::other(format!("its first name '{target}' could not be read"));
            self.leave_out(&entry.path, &reason);
            return Ok(());
        }
        let header_offset = self.put_entry_header(entry)?;
        let content_offset = self.archive.stream_offset();
        let row = Row::from_entry(entry, Digest::ZERO, header_offset, content_offset);
        self.end_entry(row, Vec::new())
    }

    /// A small file, which has been read whole.
    fn put_whole(&mut self, file: SmallFile, content: &[u8]) -> Result<(), PackError> {
        let entry = &file.entry;
        let header_offset = self.put_entry_header(entry)?;
        let content_offset = self.archive.stream_offset();
        self.archive.content_of(&entry.path, file.identity);
        self.put_map(entry)?;
        for extent in extents(entry) {
            let stretch = &content[extent.offset as usize..(extent.offset + extent.len) as usize];
            self.put_stretch(stretch, extent.offset, &file.grids)?;
        }
        self.archive.pad()?;
        self.count_read(content.len() as u64);
        let mut row = Row::from_entry(entry, file.hash, header_offset, content_offset);
        let mut facts = Vec::new();
        if let Some(observed) = file.changed {
            self.note_change(&mut row, &mut facts, observed);
        }
        self.note_learned(&row, &mut facts, file.learned);
        self.end_entry(row, facts)
    }

    /// Marks the entry whose content could not be read to its end.
    fn give_up(&mut self, mut row: Row, error: &io::Error) -> Result<(), PackError> {
        let path = row.path.clone();
        self.order.forget(&path);
        row.flags.insert(RowFlags::UNREADABLE);
        self.leave_out(&path, error);
        self.end_entry(row, Vec::new())
    }

    /// Puts a stretch of the content of a small file, from this offset in it.
    fn put_stretch(&mut self, stretch: &[u8], offset: u64, grids: &Grids) -> Result<(), PackError> {
        let size = entry_size(stretch.len() as u64);
        if size == EntrySize::Small {
            return self.archive.put(stretch, size);
        }
        let mut done = 0;
        while done < stretch.len() {
            let rest = &stretch[done..];
            let (len, place) = grids.stretch_at(offset + done as u64, rest.len() as u64);
            self.archive
                .put(&rest[..len as usize], EntrySize::Large(place))?;
            done += len as usize;
        }
        Ok(())
    }

    /// So much of the content is zeros that nobody reads.
    fn pass_zeros(&mut self, hasher: &mut blake3::Hasher, len: u64) -> Result<(), PackError> {
        self.tapping.zeros(len);
        Ok(hash_zeros(hasher, len, self.observer)?)
    }

    fn put_header(&mut self, header: &EntryHeader) -> Result<StreamOffset, PackError> {
        if !header.part {
            return self.put_entry_header(&header.entry);
        }
        self.put_header_bytes(&header.encode()?)
    }

    /// The header of an entry that is not a part.
    fn put_entry_header(&mut self, entry: &Entry) -> Result<StreamOffset, PackError> {
        self.check_order(entry, Stored::Whole)?;
        self.put_header_bytes(&entry.encode()?)
    }

    fn put_header_bytes(&mut self, header: &[u8]) -> Result<StreamOffset, PackError> {
        let offset = self.archive.stream_offset();
        let stands = std::mem::take(&mut self.stands);
        if stands.is_empty() {
            self.archive.header(header)?;
            return Ok(offset);
        }
        let Some(rest) = header.strip_prefix(stands.as_slice()) else {
            return Err(Defect::new("a header does not go on as it began").into());
        };
        self.archive.rest_of_header(rest)?;
        Ok(StreamOffset(offset.0 - stands.len() as u64))
    }

    /// What no reader would take must not be written.
    fn check_order(&mut self, entry: &Entry, stored: Stored) -> Result<(), PackError> {
        let next = self.order.next(entry, stored);
        next.map_err(|error| PackError::Settings(error.to_string()))
    }

    fn put_map(&mut self, entry: &Entry) -> Result<(), PackError> {
        match entry.sparse_map() {
            Some(map) => self.archive.put(&map, EntrySize::Small),
            None => Ok(()),
        }
    }

    fn end_entry(&mut self, row: Row, facts: Vec<Facts>) -> Result<(), PackError> {
        if !row.flags.contains(RowFlags::SUPERSEDED) {
            self.content_len += row.size;
        }
        self.rows += 1;
        self.holds_something |=
            row.kind != RowKind::Directory && !row.flags.contains(RowFlags::UNREADABLE);
        self.archive.entry_ended(row, facts)
    }

    fn leave_out(&mut self, path: &EntryPath, error: &io::Error) {
        let missing = Missing {
            path: path.clone(),
            reason: error.to_string(),
        };
        warn_unreadable(self.observer, &missing);
        self.missing.push(missing);
    }

    fn count_read(&mut self, len: u64) {
        self.read += len;
        self.observer.progress(self.read);
    }

    /// Ends the run if the observer asks for it.
    pub(super) fn check_cancelled(&self) -> Result<(), PackError> {
        if self.observer.cancelled() {
            Err(PackError::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// The entry as a plain file of this size.
fn sized(entry: &Entry, size: u64) -> Entry {
    Entry {
        kind: EntryKind::File {
            size,
            extents: None,
        },
        ..entry.clone()
    }
}

fn entry_size(len: u64) -> EntrySize {
    if len < MIN_ENTRY_LEN {
        EntrySize::Small
    } else {
        EntrySize::Large(None)
    }
}

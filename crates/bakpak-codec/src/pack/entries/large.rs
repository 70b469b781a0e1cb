//! Large files: their header stands before their content has been read.

use super::{EntryWriter, TRIES, extents, is_known_file, with_aligned_extents};
use crate::content_hasher::ALIGNED_LEN;
use crate::entries::file_size;
use crate::error::PackError;
use crate::grids::Grids;
use crate::source::{Opened, Source};
use crate::writer::EntrySize;
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::digest::Digest;
use bakpak_format::entry::Entry;
use bakpak_format::geometry::StreamOffset;
use std::io;

/// A large file under way: its header stands, and some of its content.
pub(super) struct Large {
    pub(super) entry: Entry,
    pub(super) header_offset: StreamOffset,
    pub(super) content_offset: StreamOffset,
    pub(super) hasher: blake3::Hasher,
    /// How much of the content is hashed, and in the stream.
    pub(super) position: u64,
}

/// How reading the content of an entry whose header stands already has ended.
enum Outcome {
    Complete {
        hash: Digest,
    },
    /// The source could not be read to its end: what is missing is zeros.
    Failed {
        hash: Digest,
        error: io::Error,
    },
}

impl EntryWriter<'_> {
    /// A large file: its header goes first, with the size of the moment; a failure gives the entry
    /// up, and the next try supersedes it.
    pub(super) fn put_large(
        &mut self,
        source: &mut dyn Source,
        opened: Opened,
    ) -> Result<(), PackError> {
        let large = self.begin_large(&opened)?;
        self.tapping.begin(source.tap());
        self.put_rest(source, opened, large)
    }

    /// The header of a large file.
    fn begin_large(&mut self, opened: &Opened) -> Result<Large, PackError> {
        let entry = opened.entry.clone();
        let header_offset = self.put_entry_header(&entry)?;
        let content_offset = self.archive.stream_offset();
        self.archive.content_of(&entry.path, opened.identity);
        self.put_map(&entry)?;
        Ok(Large {
            entry,
            header_offset,
            content_offset,
            hasher: blake3::Hasher::new(),
            position: 0,
        })
    }

    /// The content of a large file that has not been put yet.
    pub(super) fn put_rest(
        &mut self,
        source: &mut dyn Source,
        mut opened: Opened,
        mut large: Large,
    ) -> Result<(), PackError> {
        for attempt in 1..=TRIES {
            let grids = Grids::new(source.grids());
            let (header_offset, content_offset) = (large.header_offset, large.content_offset);
            let entry = large.entry.clone();
            let outcome = self.put_extents(source, large, &grids)?;
            self.archive.pad()?;
            let (hash, error) = match outcome {
                Outcome::Complete { hash } => (hash, None),
                Outcome::Failed { hash, error } => (hash, Some(error)),
            };
            let mut row = Row::from_entry(&entry, hash, header_offset, content_offset);
            let Some(error) = error else {
                let mut facts = Vec::new();
                let now = source.identity().ok().flatten();
                if now != opened.identity {
                    let observed = now.map_or(0, |n| n.size);
                    self.note_change(&mut row, &mut facts, observed);
                }
                let learned = self.tapping.end()?;
                self.note_learned(&row, &mut facts, learned);
                return self.end_entry(row, facts);
            };
            self.tapping.begin(None);
            source.close();
            let reopened = if attempt < TRIES {
                source.open()
            } else {
                Err(error)
            };
            match reopened {
                Ok(again) if is_known_file(&again) => {
                    opened = with_aligned_extents(again);
                    row.flags.insert(RowFlags::SUPERSEDED);
                    self.end_entry(row, Vec::new())?;
                    large = self.begin_large(&opened)?;
                    self.tapping.begin(source.tap());
                }
                Ok(_) => {
                    let error = io::Error::other("it became something else while it was read");
                    return self.give_up(row, &error);
                }
                Err(error) => return self.give_up(row, &error),
            }
        }
        Ok(())
    }

    /// Puts the content of a file whose size is known, from where it is; what the source lacks is
    /// zeros.
    fn put_extents(
        &mut self,
        source: &mut dyn Source,
        large: Large,
        grids: &Grids,
    ) -> Result<Outcome, PackError> {
        let Large {
            entry,
            mut hasher,
            mut position,
            ..
        } = large;
        let mut failed: Option<io::Error> = None;
        for extent in extents(&entry) {
            let end = extent.offset + extent.len;
            if position >= end {
                continue;
            }
            self.pass_zeros(&mut hasher, extent.offset.saturating_sub(position))?;
            position = position.max(extent.offset);
            while position < end && failed.is_none() {
                let (len, place) = grids.stretch_at(position, end - position);
                let read = self
                    .archive
                    .put_from(len, EntrySize::Large(place), |room| {
                        let room_len = aligned_len(position, room.len());
                        let len = read_some(source, position, &mut room[..room_len])?;
                        hasher.update(&room[..len]);
                        self.tapping.bytes(&room[..len]);
                        Ok(len)
                    })?;
                match read {
                    Ok(0) => break,
                    Ok(len) => {
                        position += len as u64;
                        self.count_read(len as u64);
                    }
                    Err(error) => failed = Some(error),
                }
                self.check_cancelled()?;
            }
            if position < end {
                self.archive.zero(end - position)?;
                self.pass_zeros(&mut hasher, end - position)?;
                position = end;
            }
        }
        self.pass_zeros(&mut hasher, file_size(&entry) - position)?;
        let hash = Digest(*hasher.finalize().as_bytes());
        Ok(match failed {
            None => Outcome::Complete { hash },
            Some(error) => Outcome::Failed { hash, error },
        })
    }
}

/// Reads what comes at once; 0 at the end.
fn read_some(source: &mut dyn Source, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read_at(offset, buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// How much of `len` bytes to read at `at` so that the next read begins where hashing is fastest.
fn aligned_len(at: u64, len: usize) -> usize {
    let over = ((at + len as u64) % ALIGNED_LEN as u64) as usize;
    if over < len { len - over } else { len }
}

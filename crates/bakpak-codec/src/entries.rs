//! Entries as the stream gives them: checked, hashed, compared with the catalogue, handed on.

use crate::content_hasher::ContentHasher;
use crate::error::{Missing, ReadError};
use crate::observer::Observer;
use crate::order::{Order, Stored};
use crate::sink_belt::SinkBelt;
use crate::stream::{Begun, EntryTaker};
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::limits::{MAX_LOGICAL_SIZE, MAX_PAGE_RAW_LEN};
use bytes::Bytes;
use std::collections::VecDeque;

mod parts;

pub(crate) use parts::part_of;
use parts::{Part, part_error};

/// Checks the order of entries, joins parts, hashes content, and compares with the rows.
pub(crate) struct EntryChecker<'a> {
    content: ContentTakers<'a>,
    /// The entry that is open, or that may go on with a further part.
    open: Option<OpenEntry>,
    order: Order,
    /// Rows of entries that have ended, without the hash, which is still being made.
    rows: VecDeque<(Row, usize)>,
    rows_len: usize,
    /// The last row's encoding, for its length.
    encoded: Vec<u8>,
    superseded: Option<EntryPath>,
    last_row: Option<EntryPath>,
    /// Sum of the logical sizes of all files, superseded ones included.
    sizes: SizeSum,
    pub(crate) row_count: u64,
    pub(crate) content_len: u64,
    pub(crate) changed: u64,
    pub(crate) unreadable: Vec<EntryPath>,
    pub(crate) missing: Vec<Missing>,
}

/// Where content goes.
struct ContentTakers<'a> {
    sink: Option<&'a mut SinkBelt>,
    hasher: ContentHasher,
    observer: &'a dyn Observer,
}

/// What is known of the entries of a stream that breaks off.
pub(crate) struct EntriesSoFar {
    pub(crate) order: Order,
    pub(crate) row_count: u64,
    pub(crate) content_len: u64,
    pub(crate) changed: u64,
    /// The entry that is not complete, or may go on with a further part: where it begins, and its
    /// content.
    pub(crate) open: Option<(StreamOffset, StreamOffset)>,
}

struct OpenEntry {
    entry: Entry,
    header_offset: StreamOffset,
    content_offset: StreamOffset,
    /// Logical bytes so far, holes included.
    position: u64,
    part: Option<Part>,
}

impl<'a> EntryChecker<'a> {
    pub(crate) fn new(
        sink: Option<&'a mut SinkBelt>,
        hasher: ContentHasher,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            content: ContentTakers {
                sink,
                hasher,
                observer,
            },
            open: None,
            order: Order::default(),
            rows: VecDeque::new(),
            rows_len: 0,
            encoded: Vec::new(),
            superseded: None,
            last_row: None,
            sizes: SizeSum::default(),
            row_count: 0,
            content_len: 0,
            changed: 0,
            unreadable: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// What is known so far.
    pub(crate) fn so_far(self) -> EntriesSoFar {
        let open = self.open.as_ref();
        EntriesSoFar {
            open: open.map(|open| (open.header_offset, open.content_offset)),
            order: self.order,
            row_count: self.row_count,
            content_len: self.content_len,
            changed: self.changed,
        }
    }

    /// The entry being read.
    pub(crate) fn current(&self) -> Option<&EntryPath> {
        self.open.as_ref().map(|open| &open.entry.path)
    }

    /// Bytes of rows that wait for their page (spec: CAT-3).
    pub(crate) fn check_waiting(&self, at_most: WaitingRows) -> Result<(), ReadError> {
        let limit = match at_most {
            WaitingRows::OnePage => MAX_PAGE_RAW_LEN,
            WaitingRows::None => 0,
        };
        if self.rows_len <= limit {
            return Ok(());
        }
        Err(malformed(
            Structure::Catalogue,
            "CAT-3",
            "rows of ended entries wait too long for their page",
        ))
    }

    /// Whether FACTS may speak of the entry at `offset` (spec: FAC-1).
    pub(crate) fn has_ended(&mut self, offset: StreamOffset) -> Result<bool, ReadError> {
        self.end_parts()?;
        Ok(self.rows.iter().any(|(row, _)| row.header_offset == offset))
    }

    /// The stream has ended: a parted entry cannot go on.
    pub(crate) fn finish(&mut self) -> Result<(), ReadError> {
        self.close_parts()?;
        match &self.superseded {
            None => Ok(()),
            Some(path) => {
                let what = format!("'{path}' is superseded by nothing");
                Err(malformed(Structure::Catalogue, "CAT-1", what))
            }
        }
    }

    /// Compares the rows of a page with the entries (spec: CAT-1).
    pub(crate) fn page(&mut self, rows: Vec<Row>) -> Result<(), ReadError> {
        self.end_parts()?;
        for row in rows {
            let Some((mut expected, encoded_len)) = self.rows.pop_front() else {
                return Err(malformed(
                    Structure::Catalogue,
                    "CAT-1",
                    "a row has no entry",
                ));
            };
            self.rows_len -= encoded_len;
            if expected.kind == RowKind::File {
                expected.content_hash = self.content.hasher.next_digest()?;
            }
            self.compare(&row, &expected)?;
        }
        Ok(())
    }

    fn compare(&mut self, row: &Row, expected: &Row) -> Result<(), ReadError> {
        // Known from the row alone, or not before the next entry.
        let said_here = RowFlags::CHANGED | RowFlags::UNREADABLE | RowFlags::SUPERSEDED;
        let flags = expected.flags | (row.flags & said_here);
        if *row
            != (Row {
                flags,
                ..expected.clone()
            })
        {
            let what = format!("the row of '{}' does not agree with the stream", row.path);
            return Err(malformed(Structure::Catalogue, "CAT-1", what));
        }
        let only_of_files = (row.flags & said_here).bits() != 0 && row.kind != RowKind::File;
        // A file that a hard link points to cannot turn out to be unreadable.
        let linked_to =
            row.flags.contains(RowFlags::UNREADABLE) && self.order.is_linked_to(&row.path);
        if only_of_files || linked_to {
            let what = format!(
                "the flags of '{}' are those of another kind of entry",
                row.path
            );
            return Err(malformed(Structure::Catalogue, "CAT-1", what));
        }
        // A row of the same path follows if, and only if, the one before says that it is superseded.
        let before = self.superseded.take();
        let same = self.last_row.as_ref() == Some(&row.path);
        if before.is_some() != same {
            let what = format!("'{}' is superseded in stream or catalogue only", row.path);
            return Err(malformed(Structure::Catalogue, "CAT-1", what));
        }
        self.superseded = row
            .flags
            .contains(RowFlags::SUPERSEDED)
            .then(|| row.path.clone());
        self.last_row = Some(row.path.clone());
        self.row_count += 1;
        if self.superseded.is_none() {
            self.content_len = self.content_len.saturating_add(row.size);
        }
        if row.flags.contains(RowFlags::CHANGED) {
            self.changed += 1;
        }
        if row.flags.contains(RowFlags::UNREADABLE) {
            self.order.forget(&row.path);
            if let Some(sink) = &mut self.content.sink {
                sink.discard(&row.path)?;
            }
            self.unreadable.push(row.path.clone());
        }
        Ok(())
    }

    /// An entry is complete: its row is due.
    fn complete(&mut self, mut open: OpenEntry) -> Result<(), ReadError> {
        let is_file = matches!(open.entry.kind, EntryKind::File { .. });
        if is_file {
            let size = if open.part.is_some() {
                open.position
            } else {
                file_size(&open.entry)
            };
            open.skip_to(size, &mut self.content)?;
            self.content.hasher.end()?;
            if open.part.is_some() {
                open.entry.kind = EntryKind::File {
                    size,
                    extents: None,
                };
            }
        }
        let (header_offset, content_offset) = (open.header_offset, open.content_offset);
        let mut row = Row::from_entry(&open.entry, Digest::ZERO, header_offset, content_offset);
        if open.part.is_some() {
            row.flags.insert(RowFlags::PARTED);
        }
        self.encoded.clear();
        row.encode_into(&mut self.encoded);
        self.rows_len += self.encoded.len();
        self.rows.push_back((row, self.encoded.len()));
        if let Some(sink) = &mut self.content.sink {
            sink.end()?;
        }
        Ok(())
    }
}

impl EntryTaker for EntryChecker<'_> {
    fn begin(&mut self, begun: Begun) -> Result<(), ReadError> {
        let size = file_size(&begun.header.entry);
        if self.continues(&begun)? {
            return self.sizes.add(size);
        }
        self.close_parts()?;
        let Begun {
            header,
            header_offset,
            content_offset,
        } = begun;
        let part = part_of(&header);
        let mut entry = header.entry;
        let mut first_part = None;
        if let Some((name, number)) = part {
            first_part = Some(Part {
                number,
                start: 0,
                len: file_size(&entry),
            });
            entry.path = name;
        }
        let stored = if first_part.is_some() {
            Stored::Parted
        } else {
            Stored::Whole
        };
        self.order.next(&entry, stored)?;
        self.sizes.add(size)?;
        if let Some(sink) = &mut self.content.sink {
            let size = match (&entry.kind, &first_part) {
                (EntryKind::File { size, .. }, None) => Some(*size),
                _ => None,
            };
            sink.begin(&entry, size)?;
        }
        self.open = Some(OpenEntry {
            entry,
            header_offset,
            content_offset,
            position: 0,
            part: first_part,
        });
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: Bytes) -> Result<(), ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let offset = offset + open.part.as_ref().map_or(0, |part| part.start);
        open.skip_to(offset, &mut self.content)?;
        open.position += bytes.len() as u64;
        self.content.write(offset, bytes)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        match self.open.take() {
            Some(OpenEntry {
                entry,
                part: Some(part),
                ..
            }) if part.is_alone() => Err(part_error(&entry.path)),
            // More parts may come.
            Some(open) if open.part.is_some() => {
                self.open = Some(open);
                Ok(())
            }
            Some(open) => self.complete(open),
            None => Ok(()),
        }
    }
}

/// How many rows may wait for their page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitingRows {
    OnePage,
    None,
}

impl OpenEntry {
    /// What lies before `offset` and has not come is a hole.
    fn skip_to(&mut self, offset: u64, takers: &mut ContentTakers<'_>) -> Result<(), ReadError> {
        let len = offset.saturating_sub(self.position);
        if len == 0 {
            return Ok(());
        }
        takers.hole(self.position, len)?;
        self.position = offset;
        Ok(())
    }
}

impl ContentTakers<'_> {
    fn write(&mut self, offset: u64, bytes: Bytes) -> Result<(), ReadError> {
        if let Some(sink) = &mut self.sink {
            sink.write(offset, bytes.clone())?;
        }
        self.hasher.update(bytes)
    }

    fn hole(&mut self, offset: u64, len: u64) -> Result<(), ReadError> {
        self.hasher.zeros(len, self.observer)?;
        match &mut self.sink {
            Some(sink) => sink.hole(offset, len),
            None => Ok(()),
        }
    }
}

/// The logical sizes of all entries so far.
#[derive(Default)]
pub(crate) struct SizeSum(u64);

impl SizeSum {
    /// Counts a size before anything of the content is read or hashed (spec: ENT-9).
    pub(crate) fn add(&mut self, size: u64) -> Result<(), ReadError> {
        self.0 = self.0.saturating_add(size);
        let (found, max) = (self.0, MAX_LOGICAL_SIZE);
        if found <= max {
            return Ok(());
        }
        Err(FormatError::limit(Structure::Entry, "sum of all sizes", found, max).into())
    }
}

pub(crate) fn file_size(entry: &Entry) -> u64 {
    if let EntryKind::File { size, .. } = entry.kind {
        size
    } else {
        0
    }
}

fn malformed(structure: Structure, rule: &'static str, what: impl Into<String>) -> ReadError {
    FormatError::malformed(structure, rule, what).into()
}

//! The rows of the catalogue pages that were found, in the order of the stream.

use super::faults::Faults;
use crate::chunks::new_decompressor;
use crate::compress::Decompressor;
use crate::error::ReadError;
use crate::fetch::Fetch;
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::entry::{Entry, EntryKind, EntryPath, PART_LEN, padded};
use bakpak_format::geometry::Place;

/// Gives the rows one after the other.
pub(super) struct Rows {
    fetch: Fetch,
    decompressor: Decompressor,
    pages: std::vec::IntoIter<Place>,
    page: std::vec::IntoIter<Row>,
    /// Where the header of the row before stands: rows that do not follow it are left out.
    behind: Option<u64>,
    /// The next one, if it was looked at.
    ahead: Option<Row>,
    /// Pages that cannot be read.
    pub(super) faults: Faults,
}

impl Rows {
    /// The rows of the pages at these places.
    pub(super) fn new(pages: Vec<Place>, fetch: Fetch, faults: Faults) -> Result<Self, ReadError> {
        Ok(Self {
            fetch,
            decompressor: new_decompressor()?,
            pages: pages.into_iter(),
            page: Vec::new().into_iter(),
            behind: None,
            ahead: None,
            faults,
        })
    }

    /// The next row, which stays.
    pub(super) fn peek(&mut self) -> Option<&Row> {
        if self.ahead.is_none() {
            self.ahead = self.read_next();
        }
        self.ahead.as_ref()
    }

    /// The next row, if its entry's header begins before this place of the stream.
    pub(super) fn next_before(&mut self, offset: u64) -> Option<Row> {
        self.next_if(|row| row.header_offset.0 < offset)
    }

    /// The next row, if its entry's header begins here.
    pub(super) fn next_at(&mut self, offset: u64) -> Option<Row> {
        self.next_if(|row| row.header_offset.0 == offset)
    }

    fn next_if(&mut self, is_it: impl FnOnce(&Row) -> bool) -> Option<Row> {
        self.peek()?;
        self.ahead.take_if(|row| is_it(row))
    }

    fn read_next(&mut self) -> Option<Row> {
        loop {
            let Some(row) = self.page.next() else {
                let place = self.pages.next()?;
                // A page that cannot be read is as good as lost.
                let read = self.read(place);
                if let Err(ReadError::Fault(fault)) = &read {
                    self.faults.note(place, fault.as_ref().clone());
                }
                self.page = read.unwrap_or_default().into_iter();
                continue;
            };
            let offset = row.header_offset.0;
            if self.behind.is_none_or(|behind| behind < offset) {
                self.behind = Some(offset);
                return Some(row);
            }
        }
    }

    fn read(&mut self, place: Place) -> Result<Vec<Row>, ReadError> {
        let rows = self.fetch.page(place, &mut self.decompressor)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What a row tells of its entry: all but attributes, names of owners, and device numbers. `None` for
/// a device, which is nothing without them.
pub(super) fn entry_of(row: &Row) -> Option<Entry> {
    let kind = match row.kind {
        RowKind::File => EntryKind::File {
            size: row.size,
            extents: None,
        },
        RowKind::Directory => EntryKind::Directory,
        RowKind::Symlink => EntryKind::Symlink {
            target: row.link.clone(),
        },
        RowKind::HardLink => EntryKind::HardLink {
            target: EntryPath::decode(row.link.clone()).ok()?,
        },
        RowKind::Fifo => EntryKind::Fifo,
        RowKind::CharDevice | RowKind::BlockDevice => return None,
    };
    Some(Entry {
        path: row.path.clone(),
        kind,
        mode: row.mode,
        uid: row.uid,
        gid: row.gid,
        user: Vec::new(),
        group: Vec::new(),
        mtime: row.mtime,
        xattrs: Vec::new(),
        linked: row.flags.contains(RowFlags::LINKED),
    })
}

/// Where the content of a row's file ends in the stream, and how much fills it up, if that follows from
/// the row: not of sparse files, which have a map in front of it. Of parts it is the first one's.
pub(super) fn content_end(row: &Row) -> Option<(u64, u64)> {
    let is_sparse = row.flags.contains(RowFlags::SPARSE);
    let is_file = row.kind == RowKind::File;
    let len = content_len(row);
    let end = row.content_offset.0.checked_add(len)?;
    (!is_sparse && is_file).then_some((end, padded(len) - len))
}

/// How long the content of a row's file is; of parts, that of the first one.
pub(super) fn content_len(row: &Row) -> u64 {
    match is_parted(row) {
        true => row.size.min(PART_LEN),
        false => row.size,
    }
}

/// Whether the entry is in parts.
pub(super) fn is_parted(row: &Row) -> bool {
    row.flags.contains(RowFlags::PARTED)
}

/// Where the content of the last part ends in the stream: parts differ in their number only, so that
/// their headers are of one length.
pub(super) fn parts_end(row: &Row) -> Option<u64> {
    let header_len = row.content_offset.0.checked_sub(row.header_offset.0)?;
    let further = row.size.saturating_sub(1) / PART_LEN;
    let before = further.checked_mul(header_len)?.checked_add(row.size)?;
    row.content_offset.0.checked_add(before)
}

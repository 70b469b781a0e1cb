//! The sources that a run passed before it was stopped, beside the rows that it wrote.

use super::{First, HeaderBegun, Rest};
use crate::error::Missing;
use crate::observer::{Observer, Warning};
use crate::order::Order;
use crate::pack::ahead::{is_known_file, with_aligned_extents};
use crate::source::{Identity, Source, SourceSize};
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::entry::{EntryKind, EntryPath};
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::Cursor;
use std::iter::Peekable;

/// Goes through the sources as far as there are rows.
pub(super) struct Passed<I: Iterator<Item = Box<dyn Source>>> {
    sources: Peekable<I>,
    missing: Vec<Missing>,
    /// The first source that can be read and has no row, and how many more there are.
    came_too_late: Option<(EntryPath, u64)>,
    /// Where the last entry begins, if its row says that it is superseded.
    superseded: Option<StreamOffset>,
}

impl<I: Iterator<Item = Box<dyn Source>>> Passed<I> {
    pub(super) fn new(sources: I) -> Self {
        Self {
            sources: sources.peekable(),
            missing: Vec::new(),
            came_too_late: None,
            superseded: None,
        }
    }

    /// The next row of the archive.
    pub(super) fn row(&mut self, row: &Row) {
        self.pass_before(&row.path);
        if row.flags.contains(RowFlags::SUPERSEDED) {
            self.superseded = Some(row.header_offset);
            return;
        }
        self.superseded = None;
        if row.flags.contains(RowFlags::UNREADABLE) {
            self.missing.push(Missing {
                path: row.path.clone(),
                reason: "it could not be read to its end before the run was stopped".into(),
            });
        }
        let source = self.sources.next_if(|source| *source.path() == row.path);
        if let Some(mut source) = source
            && row.flags.contains(RowFlags::LINKED)
        {
            lead(source.as_mut(), row);
        }
    }

    /// Where the last entry begins, if its replacement is still to come.
    pub(super) fn superseded(&self) -> Option<StreamOffset> {
        self.superseded
    }

    /// The next source, if its header begins with these bytes.
    pub(super) fn begun(&mut self, stands: &[u8], order: &Order) -> Option<First> {
        let mut source = self.sources.next()?;
        if source.waits() {
            return None;
        }
        let opened = with_aligned_extents(source.open().ok()?);
        let entry = &opened.entry;
        let must_be_file = stands.is_empty();
        let fits = match &entry.kind {
            EntryKind::File { .. } => opened.size == SourceSize::Known,
            EntryKind::HardLink { target } => !must_be_file && order.may_link_to(target),
            _ => !must_be_file,
        };
        let is_same = entry
            .encode()
            .is_ok_and(|header| header.starts_with(stands));
        if !fits || !is_same {
            source.close();
            return None;
        }
        Some(First::Header(Box::new(HeaderBegun {
            source,
            opened,
            stands: stands.to_vec(),
        })))
    }

    /// Where the rest of the content comes from that was being read (spec: RSM-2); `None` if the source
    /// is gone.
    pub(super) fn rest(&mut self, cursor: &Cursor) -> Option<Rest> {
        let path = EntryPath::new(cursor.path.clone())?;
        self.pass_before(&path);
        let mut source = self.sources.next_if(|source| *source.path() == path)?;
        if source.waits() {
            let error = std::io::Error::other("it became something else since it was read");
            return Some(Rest::Unreadable(error));
        }
        let opened = match source.open() {
            Ok(opened) => with_aligned_extents(opened),
            Err(error) => return Some(Rest::Unreadable(error)),
        };
        if !is_known_file(&opened) {
            source.close();
            let error = std::io::Error::other("it became something else since it was read");
            return Some(Rest::Unreadable(error));
        }
        Some(match opened.identity == Some(identity(cursor)) {
            true => Rest::Same(source, opened),
            false => Rest::Changed(source, opened),
        })
    }

    /// The sources that are still to be packed, and what is not in the archive.
    pub(super) fn finish(self, observer: &dyn Observer) -> (Peekable<I>, Vec<Missing>) {
        if let Some((path, further)) = self.came_too_late {
            observer.warn(Warning::CameTooLate { path, further });
        }
        (self.sources, self.missing)
    }

    /// Passes sources that have no row: they could not be read, or were not there.
    fn pass_before(&mut self, path: &EntryPath) {
        while let Some(mut source) = self.sources.next_if(|source| source.path() < path) {
            let opened = match source.waits() {
                true => Ok(()),
                false => source.open().map(drop),
            };
            let passed = source.path().clone();
            if let Err(error) = opened {
                let reason = error.to_string();
                self.missing.push(Missing {
                    path: passed,
                    reason,
                });
                continue;
            }
            // A further name of it is to have the content.
            source.give_up();
            match &mut self.came_too_late {
                Some((_, further)) => *further += 1,
                None => self.came_too_late = Some((passed, 0)),
            }
        }
    }
}

/// Opens a file that has further names, so that these become links to it; unless it is another one
/// now.
fn lead(source: &mut dyn Source, row: &Row) {
    let Ok(opened) = source.open() else { return };
    let is_same = match opened.entry.kind {
        EntryKind::File { size, .. } => {
            row.kind == RowKind::File && size == row.size && opened.entry.mtime == row.mtime
        }
        _ => false,
    };
    match is_same {
        true => source.close(),
        false => source.give_up(),
    }
}

/// The source as it was when it was opened.
fn identity(cursor: &Cursor) -> Identity {
    Identity {
        device: cursor.device,
        inode: cursor.inode,
        size: cursor.size,
        mtime: cursor.mtime,
        ctime: cursor.ctime,
    }
}

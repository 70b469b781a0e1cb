//! Joins the parts of an entry whose size was not known (spec: ENT-8).

use super::{EntryChecker, file_size, malformed};
use crate::error::ReadError;
use crate::stream::Begun;
use bakpak_format::entry::{Entry, EntryHeader, EntryKind, EntryPath, PART_LEN, split_part};
use bakpak_format::error::Structure;

/// The part of a parted entry that came last.
pub(super) struct Part {
    pub(super) number: u64,
    /// Where it begins in the joined content.
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Part {
    /// Whether it is the first part, and the last one too.
    pub(super) fn is_alone(&self) -> bool {
        self.number == 1 && self.len < PART_LEN
    }
}

impl EntryChecker<'_> {
    /// Goes on with the next part of the open entry; `false` if this is none.
    pub(super) fn continues(&mut self, begun: &Begun) -> Result<bool, ReadError> {
        let Some((name, number)) = part_of(&begun.header) else {
            return Ok(false);
        };
        let goes_on = self.open.as_ref().is_some_and(|open| {
            open.part.as_ref().is_some_and(|part| {
                open.entry.path == name && part.number + 1 == number && part.len == PART_LEN
            })
        });
        if !goes_on {
            return if number == 1 {
                Ok(false)
            } else {
                Err(part_error(&name))
            };
        }
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        if !same_metadata(&open.entry, &begun.header.entry) {
            return Err(part_error(&name));
        }
        open.part = Some(Part {
            number,
            start: open.position,
            len: file_size(&begun.header.entry),
        });
        Ok(true)
    }

    /// A row, or facts, may speak of the open parted entry: if its last part is complete, it has
    /// ended (spec: ENT-8).
    pub(super) fn end_parts(&mut self) -> Result<(), ReadError> {
        let ended = self.open.as_ref().is_some_and(|open| {
            open.part
                .as_ref()
                .is_some_and(|part| part.number > 1 && open.position == part.start + part.len)
        });
        if ended { self.close_parts() } else { Ok(()) }
    }

    /// Ends a parted entry once something else follows.
    pub(super) fn close_parts(&mut self) -> Result<(), ReadError> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        match &open.part {
            Some(part) if part.number < 2 => Err(part_error(&open.entry.path)),
            Some(_) => self.complete(open),
            None => Ok(()),
        }
    }
}

/// The name and the number of a part.
pub(crate) fn part_of(header: &EntryHeader) -> Option<(EntryPath, u64)> {
    if header.part {
        split_part(&header.entry.path)
    } else {
        None
    }
}

fn same_metadata(a: &Entry, b: &Entry) -> bool {
    let with = |entry: &Entry| Entry {
        path: a.path.clone(),
        kind: EntryKind::Directory,
        ..entry.clone()
    };
    with(a) == with(b)
}

pub(super) fn part_error(name: &EntryPath) -> ReadError {
    malformed(
        Structure::Entry,
        "ENT-8",
        format!("the parts of '{name}' do not belong together"),
    )
}

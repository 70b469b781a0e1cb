//! Going on with entries behind those that stand already.

use super::large::Large;
use super::{EntryWriter, extents};
use crate::entries::file_size;
use crate::error::{Defect, PackError};
use crate::observer::Warning;
use crate::pack::resumed::{Before, ContentBegun, First, HeaderBegun, Rest};
use crate::pack::warn_unreadable;
use crate::resume::OpenContent;
use crate::source::Identity;
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::digest::Digest;
use bakpak_format::entry::EntryKind;

impl EntryWriter<'_> {
    /// Takes up what was known before, and puts the rest of the entry that was being put.
    pub(in crate::pack) fn go_on(&mut self, before: Before) -> Result<(), PackError> {
        let Before {
            entries,
            holds_something,
            missing,
            stream_offset,
            first,
        } = before;
        self.order = entries.order;
        self.content_len = entries.content_len;
        self.rows = entries.row_count;
        self.changed = entries.changed;
        self.holds_something = holds_something;
        self.read = stream_offset.0;
        for missing in missing {
            warn_unreadable(self.observer, &missing);
            self.missing.push(missing);
        }
        match first {
            First::Nothing => Ok(()),
            First::Header(begun) => self.put_begun(*begun),
            First::Content(begun) => self.put_content(*begun),
        }
    }

    /// An entry of which a part of the header stands.
    fn put_begun(&mut self, begun: HeaderBegun) -> Result<(), PackError> {
        let HeaderBegun {
            mut source,
            opened,
            stands,
        } = begun;
        self.stands = stands;
        let result = match opened.entry.kind {
            EntryKind::File { .. } => self.put_large(source.as_mut(), opened),
            _ => self.put_bare(&opened.entry),
        };
        source.close();
        result
    }

    /// An entry of which a part of the content stands.
    fn put_content(&mut self, begun: ContentBegun) -> Result<(), PackError> {
        let ContentBegun {
            open,
            header_offset,
            content_offset,
            source,
        } = begun;
        let Some(open) = open else {
            return Err(Defect::new("an entry is lost that was begun").into());
        };
        let OpenContent {
            entry,
            hasher,
            position,
            tap,
            ..
        } = open;
        let large = Large {
            entry,
            header_offset,
            content_offset,
            hasher,
            position,
        };
        match source {
            Rest::Same(mut source, opened) => {
                self.content_began(&large, opened.identity);
                self.tapping.begin(tap);
                let result = self.put_rest(source.as_mut(), opened, large);
                source.close();
                result
            }
            Rest::Changed(mut source, opened) => {
                let path = large.entry.path.clone();
                self.observer.warn(Warning::ChangedSince { path });
                let mut row = self.fill_up(large)?;
                row.flags.insert(RowFlags::SUPERSEDED);
                self.end_entry(row, Vec::new())?;
                let result = self.put_large(source.as_mut(), opened);
                source.close();
                result
            }
            Rest::Unreadable(error) => {
                let row = self.fill_up(large)?;
                self.give_up(row, &error)
            }
        }
    }

    fn content_began(&mut self, large: &Large, identity: Option<Identity>) {
        let path = &large.entry.path;
        self.archive
            .content_began(large.content_offset, path, identity);
    }

    /// Fills the rest of an entry's content with zeros.
    fn fill_up(&mut self, large: Large) -> Result<Row, PackError> {
        let Large {
            entry,
            header_offset,
            content_offset,
            mut hasher,
            position,
        } = large;
        for extent in extents(&entry) {
            let end = extent.offset + extent.len;
            let from = position.max(extent.offset);
            self.archive.zero(end.saturating_sub(from))?;
        }
        self.archive.pad()?;
        self.pass_zeros(&mut hasher, file_size(&entry) - position)?;
        let hash = Digest(*hasher.finalize().as_bytes());
        Ok(Row::from_entry(&entry, hash, header_offset, content_offset))
    }
}

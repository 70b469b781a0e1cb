//! What goes along with the stream until the chunk is closed to which it belongs.

use crate::records::Following;
use crate::source::Identity;
use bakpak_format::catalogue::Row;
use bakpak_format::entry::EntryPath;
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::{Cursor, Facts};
use std::collections::VecDeque;

/// Waits for chunks to close: the stream is ahead of them by what is still being matched.
#[derive(Default)]
pub(super) struct Along {
    entry_starts: VecDeque<StreamOffset>,
    following: VecDeque<(StreamOffset, Following)>,
    /// How many of these are known to belong to the open chunk, and how long they are.
    passed: (usize, usize),
    sources: VecDeque<OpenSource>,
}

/// What belongs to one chunk.
pub(super) struct OfChunk {
    pub(super) first_entry: Option<StreamOffset>,
    pub(super) cursor: Option<Cursor>,
    pub(super) following: Vec<Following>,
}

/// A source whose content is in the stream: what a CHECKPOINT's cursor is made of.
struct OpenSource {
    path: EntryPath,
    identity: Identity,
    content_offset: StreamOffset,
    end: Option<StreamOffset>,
}

impl Following {
    /// About as long as its record.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Row { encoded, .. } => 100 + encoded.len(),
            Self::Facts(facts) => 64 + facts.data.len(),
        }
    }
}

impl Along {
    /// An entry begins here.
    pub(super) fn entry_begins(&mut self, here: StreamOffset) {
        self.entry_starts.push_back(here);
    }

    /// The content of a source begins here.
    pub(super) fn content_begins(
        &mut self,
        here: StreamOffset,
        path: &EntryPath,
        identity: Identity,
    ) {
        self.sources.push_back(OpenSource {
            path: path.clone(),
            identity,
            content_offset: here,
            end: None,
        });
    }

    /// An entry, and its source if it had one, ends here.
    pub(super) fn entry_ends(&mut self, here: StreamOffset, row: Row, facts: Vec<Facts>) {
        if let Some(source) = self.sources.back_mut() {
            source.end.get_or_insert(here);
        }
        // Facts come before the page with the entry's row (spec: chapter 9).
        for facts in facts {
            self.facts(here, facts);
        }
        let mut encoded = Vec::with_capacity(128 + row.path.as_bytes().len()); // most fit
        row.encode_into(&mut encoded);
        let path = row.path.into_bytes();
        let row = Following::Row { encoded, path };
        self.following.push_back((here, row));
    }

    pub(super) fn facts(&mut self, here: StreamOffset, facts: Facts) {
        self.following.push_back((here, Following::Facts(facts)));
    }

    /// How much will follow the open chunk if it ends here.
    pub(super) fn following_len(&mut self, here: StreamOffset) -> usize {
        let (mut count, mut len) = self.passed;
        while let Some((_, next)) = self.following.get(count).filter(|(at, _)| *at <= here) {
            count += 1;
            len += next.len();
        }
        self.passed = (count, len);
        len
    }

    /// Takes what belongs to the chunk that ends here; those before it were asked for already.
    pub(super) fn chunk_ends(&mut self, end: StreamOffset) -> OfChunk {
        self.passed = (0, 0);
        let mut first_entry = None;
        while let Some(start) = self.entry_starts.pop_front_if(|start| *start < end) {
            first_entry.get_or_insert(start);
        }
        let mut following = Vec::new();
        while let Some((_, next)) = self.following.pop_front_if(|(here, _)| *here <= end) {
            following.push(next);
        }
        while self
            .sources
            .pop_front_if(|source| source.end.is_some_and(|e| e <= end))
            .is_some()
        {}
        OfChunk {
            first_entry,
            cursor: self.sources.front().and_then(|source| source.cursor(end)),
            following,
        }
    }
}

impl OpenSource {
    /// How far it has been read at this place of the stream; `None` if it begins behind it.
    fn cursor(&self, here: StreamOffset) -> Option<Cursor> {
        Some(Cursor {
            offset: here.since(self.content_offset)?,
            path: self.path.as_bytes().to_vec(),
            device: self.identity.device,
            inode: self.identity.inode,
            size: self.identity.size,
            mtime: self.identity.mtime,
            ctime: self.identity.ctime,
        })
    }
}

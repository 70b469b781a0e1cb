//! The content that a partial file holds, shown to taps again; and that of the entry it breaks off in.

use crate::sink::{Sink, SinkError};
use crate::tap::{Tap, TapOf};
use crate::zeros::zeros;
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use std::collections::VecDeque;

/// So many taps wait; each may hold as much as it needs to read a backup.
const MAX_ENDED: usize = 16;

/// Shows files to their taps and hashes the one that is sought.
pub(crate) struct ContentSink<'a, 't> {
    tap_of: &'a mut TapOf<'t>,
    /// The entry that may not be complete.
    sought: Option<EntryPath>,
    open: Option<OpenContent>,
    /// Taps of the last entries that are complete: one may turn out to be superseded, or unreadable.
    ended: VecDeque<(EntryPath, Box<dyn Tap>)>,
}

/// An entry of which a part of the content is there.
pub(crate) struct OpenContent {
    pub(crate) entry: Entry,
    pub(crate) hasher: blake3::Hasher,
    /// How much of the logical content is hashed and was shown to the tap.
    pub(crate) position: u64,
    pub(crate) tap: Option<Box<dyn Tap>>,
    is_sought: bool,
}

impl<'a, 't> ContentSink<'a, 't> {
    pub(crate) fn new(sought: Option<EntryPath>, tap_of: &'a mut TapOf<'t>) -> Self {
        Self {
            tap_of,
            sought,
            open: None,
            ended: VecDeque::new(),
        }
    }

    /// All this is kept: gives the entry that is not complete, and finishes the taps of the others.
    pub(crate) fn kept(self) -> Option<OpenContent> {
        self.ended.into_iter().for_each(finish);
        self.open
    }
}

/// What it has learned stands in the archive's FACTS already.
fn finish((_, tap): (EntryPath, Box<dyn Tap>)) {
    drop(tap.finish());
}

impl Sink for ContentSink<'_, '_> {
    fn begin(&mut self, entry: &Entry, _size: Option<u64>) -> Result<(), SinkError> {
        // An entry that is superseded stands right before its replacement.
        self.ended.pop_back_if(|(path, _)| *path == entry.path);
        let is_file = matches!(entry.kind, EntryKind::File { .. });
        self.open = is_file.then(|| OpenContent {
            entry: entry.clone(),
            hasher: blake3::Hasher::new(),
            position: 0,
            tap: (self.tap_of)(entry),
            is_sought: self.sought.as_ref() == Some(&entry.path),
        });
        Ok(())
    }

    fn write(&mut self, _offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        if let Some(open) = &mut self.open {
            if open.is_sought {
                open.hasher.update(bytes);
            }
            if let Some(tap) = &mut open.tap {
                tap.bytes(bytes);
            }
            open.position += bytes.len() as u64;
        }
        Ok(())
    }

    fn hole(&mut self, _offset: u64, len: u64) -> Result<(), SinkError> {
        if let Some(open) = &mut self.open {
            if open.is_sought {
                // A reader of the stream gives holes in short pieces; here nobody asks to stop.
                zeros(len, &mut |bytes| {
                    open.hasher.update(bytes);
                    Ok::<_, SinkError>(())
                })?;
            }
            if let Some(tap) = &mut open.tap {
                tap.zeros(len);
            }
            open.position += len;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        if let Some(OpenContent {
            entry,
            tap: Some(tap),
            ..
        }) = self.open.take()
        {
            self.ended.push_back((entry.path, tap));
            if self.ended.len() > MAX_ENDED {
                self.ended.pop_front().into_iter().for_each(finish);
            }
        }
        Ok(())
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError> {
        self.ended.retain(|(ended, _)| ended != path);
        Ok(())
    }
}

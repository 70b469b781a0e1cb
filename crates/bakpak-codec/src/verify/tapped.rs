//! Taps on the entries that are verified.

use crate::sink::{Sink, SinkError};
use crate::tap::{Tap, TapOf};
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_format::record::EntryFacts;

/// What the tap of an entry has learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// The entry.
    pub path: EntryPath,
    /// What its tap gave at the end.
    pub facts: Vec<EntryFacts>,
}

/// A sink that shows files to their taps and keeps what these learn.
pub(super) struct TapSink<'a> {
    tap_of: &'a mut TapOf<'a>,
    open: Option<(EntryPath, Box<dyn Tap>)>,
    pub(super) tapped: Vec<Tapped>,
}

impl<'a> TapSink<'a> {
    pub(super) fn new(tap_of: &'a mut TapOf<'a>) -> Self {
        Self {
            tap_of,
            open: None,
            tapped: Vec::new(),
        }
    }
}

impl Sink for TapSink<'_> {
    fn begin(&mut self, entry: &Entry, _size: Option<u64>) -> Result<(), SinkError> {
        // An entry that is superseded stands right before its replacement.
        self.tapped.pop_if(|last| last.path == entry.path);
        self.open = None;
        if matches!(entry.kind, EntryKind::File { .. }) {
            let tap = (self.tap_of)(entry);
            self.open = tap.map(|tap| (entry.path.clone(), tap));
        }
        Ok(())
    }

    fn write(&mut self, _offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        if let Some((_, tap)) = &mut self.open {
            tap.bytes(bytes);
        }
        Ok(())
    }

    fn hole(&mut self, _offset: u64, len: u64) -> Result<(), SinkError> {
        if let Some((_, tap)) = &mut self.open {
            tap.zeros(len);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        if let Some((path, tap)) = self.open.take() {
            let facts = tap.finish();
            self.tapped.push(Tapped { path, facts });
        }
        Ok(())
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError> {
        // It ended not long ago.
        if let Some(at) = self.tapped.iter().rposition(|one| one.path == *path) {
            self.tapped.remove(at);
        }
        Ok(())
    }
}

//! The stage as the codec's sink, with the selection of `--only`.

use bakpak_codec::sink::{Sink, SinkError};
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_tree::Stage;

use super::SharedStage;
use super::preview::Preview;
use crate::select::Selection;

/// Stages what is selected.
pub(super) struct StageSink {
    stage: SharedStage,
    selection: Selection,
    preview: Option<Preview>,
    /// Directories that are not selected, from the root down to where we are: if something below
    /// them is, they are staged too, so that their metadata is restored.
    above: Vec<Entry>,
    /// Whether the entry that has begun is staged.
    is_staged: bool,
}

impl StageSink {
    pub(super) fn new(stage: SharedStage, selection: Selection, preview: Option<Preview>) -> Self {
        Self {
            stage,
            selection,
            preview,
            above: Vec::new(),
            is_staged: false,
        }
    }

    pub(super) fn selection(&self) -> &Selection {
        &self.selection
    }

    fn stage_directories_above(&mut self) -> Result<(), SinkError> {
        for directory in std::mem::take(&mut self.above) {
            self.stage.with(|stage| {
                stage.begin(&directory, None)?;
                stage.end()
            })?;
        }
        Ok(())
    }
}

impl Sink for StageSink {
    fn begin(&mut self, entry: &Entry, size: Option<u64>) -> Result<(), SinkError> {
        self.above
            .retain(|directory| entry.path.is_below(&directory.path));
        let is_unreadable = self
            .preview
            .as_ref()
            .is_some_and(|preview| preview.unreadable.contains(&entry.path));
        let is_selected = self.selection.selects(&entry.path) && !is_unreadable;
        let is_file = matches!(entry.kind, EntryKind::File { .. });
        self.is_staged = is_selected || (entry.linked && is_file && !is_unreadable);
        if is_selected {
            self.stage_directories_above()?;
            return self.stage.with(|stage| stage.begin(entry, size));
        }
        if self.is_staged {
            // A hard link to it may be selected, which then becomes the file.
            return self.stage.with(|stage| stage.begin_hidden(entry, size));
        }
        if entry.kind == EntryKind::Directory {
            self.above.push(entry.clone());
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        match self.is_staged {
            true => self.stage.with(|stage| stage.write(offset, bytes)),
            false => Ok(()),
        }
    }

    fn hole(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        match self.is_staged {
            true => self.stage.with(|stage| stage.hole(offset, len)),
            false => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), SinkError> {
        match self.is_staged {
            true => self.stage.with(Stage::end),
            false => Ok(()),
        }
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError> {
        // What the catalogue tells beforehand was never staged.
        if self.preview.is_some() || !self.selection.selects(path) {
            return Ok(());
        }
        self.stage.with(|stage| stage.discard(path))
    }
}

//! What is salvaged, put into a stage: whole files where they belong, damaged ones apart.

use bakpak_codec::salvage::{SalvageSink, Salvaged, Verdict};
use bakpak_codec::sink::SinkError;
use bakpak_format::entry::{Entry, EntryKind, EntryPath};
use bakpak_tree::{DAMAGED, SALVAGE_REPORT, Stage};

use super::medium::Medium;
use super::told::Told;
use crate::affected::MissingOfBackup;
use crate::args::SalvageArguments;
use crate::output::event::{Event, Finding};
use crate::unpack::SharedStage;

/// Stages what is left.
pub(super) struct StageSink<'a> {
    stage: SharedStage,
    drop_damaged: bool,
    allow_special: bool,
    /// Devices and named pipes that the stage does not make.
    not_made: u64,
    told: Told<'a>,
    /// So much of the open file is written.
    written: u64,
    is_file: bool,
    /// The stage has it already, or is not to have it: a further name of a damaged file.
    is_apart: bool,
    medium: Option<Medium>,
    /// The damaged file that came last: one of the same path supersedes it.
    last_damaged: Option<EntryPath>,
}

impl<'a> StageSink<'a> {
    pub(super) fn new(stage: SharedStage, arguments: &SalvageArguments, told: Told<'a>) -> Self {
        Self {
            stage,
            drop_damaged: arguments.drop_damaged,
            allow_special: arguments.allow_special,
            not_made: 0,
            told,
            written: 0,
            is_file: false,
            is_apart: false,
            medium: None,
            last_damaged: None,
        }
    }

    /// How many devices and named pipes are not made.
    pub(super) fn not_made(&self) -> u64 {
        self.not_made
    }

    /// Puts the report into the stage.
    pub(super) fn finish(
        self,
        faults: impl Iterator<Item = Finding>,
        summary: Event,
    ) -> anyhow::Result<()> {
        let mut report = self.told.finish(faults, summary)?;
        let added = self
            .stage
            .with(|stage| stage.add(SALVAGE_REPORT, &mut report));
        added.map_err(|error| anyhow::anyhow!(error))
    }

    fn hole_to(&mut self, offset: u64) -> Result<(), SinkError> {
        let written = self.written;
        if offset > written {
            self.stage
                .with(|stage| stage.hole(written, offset - written))?;
            self.written = offset;
        }
        Ok(())
    }
}

impl SalvageSink for StageSink<'_> {
    fn begin(&mut self, entry: &Entry, size: Option<u64>, fate: Verdict) -> Result<(), SinkError> {
        self.written = 0;
        self.is_file = matches!(entry.kind, EntryKind::File { .. });
        self.is_apart = fate == Verdict::Damaged;
        if let Some(path) = self.last_damaged.take_if(|path| *path == entry.path) {
            self.stage
                .with(|stage| stage.discard_below(DAMAGED, &path))?;
        }
        if is_special(&entry.kind) && !self.allow_special {
            self.not_made += 1;
            self.told.not_made(&entry.path)?;
        }
        self.medium = self.is_file.then(|| Medium::new(&entry.path));
        match &entry.kind {
            EntryKind::HardLink { target } if self.is_apart => match self.drop_damaged {
                true => Ok(()),
                false => self
                    .stage
                    .with(|stage| stage.link_below(DAMAGED, &entry.path, target)),
            },
            _ => self.stage.with(|stage| stage.begin(entry, size)),
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        if let Some(medium) = &mut self.medium {
            medium.bytes(offset, bytes);
        }
        self.hole_to(offset)?;
        self.stage.with(|stage| stage.write(offset, bytes))?;
        self.written = offset + bytes.len() as u64;
        Ok(())
    }

    fn missing(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        if let Some(medium) = &mut self.medium {
            medium.missing(offset, len);
        }
        Ok(())
    }

    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        if self.is_file
            && let Some(size) = salvaged.size
        {
            self.hole_to(size)?;
        }
        let path = &salvaged.path;
        match (salvaged.verdict, self.drop_damaged) {
            _ if self.is_apart => {}
            (Verdict::Whole | Verdict::Unconfirmed, _) => self.stage.with(Stage::end)?,
            (Verdict::Damaged, false) => {
                self.stage.with(|stage| stage.end_below(DAMAGED))?;
                self.last_damaged = Some(path.clone());
            }
            _ => self.stage.with(|stage| stage.discard(path))?,
        }
        let stored = match (salvaged.verdict, self.drop_damaged) {
            (Verdict::Whole | Verdict::Unconfirmed, _) => Some(path.to_string()),
            (Verdict::Damaged, false) => Some(format!("{DAMAGED}/{path}")),
            _ => None,
        };
        let medium = self.medium.take().filter(|_| salvaged.missing_len > 0);
        let backup = medium.map(Medium::finish).unwrap_or_default();
        Ok(self.told.entry(salvaged, backup, stored)?)
    }

    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        Ok(self
            .told
            .entry(salvaged, MissingOfBackup::default(), None)?)
    }
}

/// Whether it is a device or a named pipe.
fn is_special(kind: &EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::Fifo | EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. }
    )
}

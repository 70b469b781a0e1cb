//! What is told of a salvage: a line of JSON for each entry that is not whole, in a file beside them,
//! and the first ones in words.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use bakpak_codec::salvage::{Salvaged, Verdict};
use bakpak_format::entry::EntryPath;

use crate::affected::{self, MissingOfBackup, Words};
use crate::output::event::{Event, Finding};
use crate::output::{Output, json_line};

/// Collects the report.
pub(super) struct Told<'a> {
    output: &'a Output,
    report: BufWriter<File>,
    words: Words,
}

impl<'a> Told<'a> {
    /// The report tells names, so it is written where those of the files will stand, not where
    /// everybody's temporary files do.
    pub(super) fn new(target: &Path, output: &'a Output) -> io::Result<Self> {
        let beside = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let report = tempfile::tempfile_in(beside.unwrap_or(Path::new(".")))?;
        Ok(Self {
            output,
            report: BufWriter::new(report),
            words: Words::new(false),
        })
    }

    /// Tells of an entry, and where it is stored; of one that is whole nothing is to be told.
    pub(super) fn entry(
        &mut self,
        salvaged: &Salvaged,
        backup: MissingOfBackup,
        stored: Option<String>,
    ) -> io::Result<()> {
        if salvaged.verdict == Verdict::Whole && !salvaged.is_header_lost {
            return Ok(());
        }
        let pages = backup.page_count;
        let event = affected::event(salvaged, backup, stored);
        self.report.write_all(&json_line(&event))?;
        self.output.event(&event);
        self.words.tell(salvaged, pages, self.output);
        Ok(())
    }

    /// Tells in the report of a device or named pipe that is not made; in words all of them are told
    /// together when the stage is published.
    pub(super) fn not_made(&mut self, path: &EntryPath) -> io::Result<()> {
        let event = Event::Warning {
            code: None,
            path: path.into(),
            message: format!("'{path}' is a device or a named pipe, which --allow-special makes"),
        };
        self.report.write_all(&json_line(&event))
    }

    /// Ends the report; it is read from its start then.
    pub(super) fn finish(
        mut self,
        faults: impl Iterator<Item = Finding>,
        summary: Event,
    ) -> io::Result<File> {
        self.words.tell_rest(self.output);
        for event in faults.map(Event::Finding).chain([summary]) {
            self.report.write_all(&json_line(&event))?;
            self.output.event(&event);
        }
        let mut report = self.report.into_inner().map_err(io::Error::from)?;
        report.rewind()?;
        Ok(report)
    }
}

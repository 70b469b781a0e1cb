//! What is told of a salvage: a line of JSON for each entry that is not whole, in a file beside them,
//! and the first ones in words.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use bakpak_codec::salvage::{Cause, Salvaged, Verdict};

use crate::output::event::{Event, MissingBytes, SalvagedEntry};
use crate::output::{Output, count, json_line, size};

/// The report's name in the target.
pub(super) const REPORT: &str = "salvage.jsonl";

/// As many entries are named in words.
const MAX_NAMED: usize = 20;

/// Collects the report.
pub(super) struct Told<'a> {
    output: &'a Output,
    report: BufWriter<File>,
    named: usize,
}

impl<'a> Told<'a> {
    pub(super) fn new(output: &'a Output) -> io::Result<Self> {
        Ok(Self {
            output,
            report: BufWriter::new(tempfile::tempfile()?),
            named: 0,
        })
    }

    /// Tells of an entry, and where it is stored; of one that is whole nothing is to be told.
    pub(super) fn entry(&mut self, salvaged: &Salvaged, stored: Option<String>) -> io::Result<()> {
        if salvaged.verdict == Verdict::Whole && !salvaged.is_header_lost {
            return Ok(());
        }
        let missing = salvaged.missing.iter().map(|range| MissingBytes {
            offset: range.offset,
            len: range.len,
            copied: range.cause == Cause::Copy,
        });
        let event = Event::Salvaged(SalvagedEntry {
            path: (&salvaged.path).into(),
            verdict: name(salvaged.verdict),
            size: salvaged.size,
            missing_len: salvaged.missing_len,
            missing: missing.collect(),
            is_header_lost: salvaged.is_header_lost,
            stored,
        });
        self.report.write_all(&json_line(&event))?;
        self.output.event(&event);
        self.in_words(salvaged);
        Ok(())
    }

    /// Ends the report; it is read from its start then.
    pub(super) fn finish(mut self, summary: Event) -> io::Result<File> {
        self.report.write_all(&json_line(&summary))?;
        self.output.event(&summary);
        let mut report = self.report.into_inner().map_err(io::Error::from)?;
        report.rewind()?;
        Ok(report)
    }

    fn in_words(&mut self, salvaged: &Salvaged) {
        let Some(text) = words(salvaged) else { return };
        self.named += 1;
        match self.named {
            ..=MAX_NAMED => self.output.error(&text),
            named if named == MAX_NAMED + 1 => {
                self.output
                    .error(&format!("and more, which {REPORT} tells"));
            }
            _ => {}
        }
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Whole => "whole",
        Verdict::Unconfirmed => "unconfirmed",
        Verdict::Damaged => "damaged",
        Verdict::Lost => "lost",
        Verdict::Unreadable => "unreadable",
    }
}

/// What is missing of an entry; of those that are complete only their number is told.
fn words(salvaged: &Salvaged) -> Option<String> {
    let path = &salvaged.path;
    let missing = size(salvaged.missing_len);
    let of = salvaged
        .size
        .map(|len| format!(" of {}", size(len)))
        .unwrap_or_default();
    let places = count(salvaged.missing.len() as u64, "place", "places");
    let copied = salvaged
        .missing
        .iter()
        .any(|range| range.cause == Cause::Copy);
    let why = match copied {
        true => ": what they are copies of is lost",
        false => "",
    };
    match (salvaged.verdict, salvaged.missing_len) {
        (Verdict::Damaged, 0) => Some(format!("damaged: '{path}' is not what was packed")),
        (Verdict::Damaged, _) => Some(format!(
            "damaged: '{path}' lacks {missing}{of}, in {places}{why}"
        )),
        (Verdict::Lost, _) => Some(format!("lost: '{path}'{}", of.replace(" of ", ", "))),
        (Verdict::Unreadable, _) => Some(format!(
            "'{path}' is not there: it could not be read when it was packed"
        )),
        (Verdict::Whole | Verdict::Unconfirmed, _) => None,
    }
}

//! Entries that damage hits: as events, and the first ones in words.

use bakpak_codec::salvage::{Cause, Salvaged, Verdict};

use crate::output::event::{AffectedEntry, Event, MissingBytes, MissingLog, MissingPages};
use crate::output::{Output, count, size};

/// As many entries are named in words.
const MAX_NAMED: u64 = 20;

/// Names entries, up to a number.
pub(crate) struct Words {
    told: u64,
    is_repairable: bool,
}

/// What of the databases in a backup is missing.
#[derive(Default)]
pub(crate) struct MissingOfBackup {
    pub(crate) page_count: u64,
    pub(crate) pages: Vec<MissingPages>,
    pub(crate) log: Vec<MissingLog>,
}

impl Words {
    /// Nothing is told yet. What can be repaired is not called lost.
    pub(crate) fn new(is_repairable: bool) -> Self {
        Self {
            told: 0,
            is_repairable,
        }
    }

    /// Tells what is missing of an entry, of a backup so many pages; of those that are complete only their number is of interest.
    pub(crate) fn tell(&mut self, salvaged: &Salvaged, pages: u64, output: &Output) {
        let Some(mut text) = words(salvaged) else {
            return;
        };
        if self.is_repairable {
            text = format!("'{}' is hit, and comes back by repair", salvaged.path);
        }
        if pages > 0 {
            text += &format!("; {} of its databases", count(pages, "page", "pages"));
        }
        self.told += 1;
        if self.told <= MAX_NAMED {
            output.error(&text);
        }
    }

    /// Tells how many were not named.
    pub(crate) fn tell_rest(&self, output: &Output) {
        if let Some(rest @ 1..) = self.told.checked_sub(MAX_NAMED) {
            output.error(&format!(
                "and {}",
                count(rest, "more entry", "more entries")
            ));
        }
    }
}

/// The event, with where the entry is stored.
pub(crate) fn event(salvaged: &Salvaged, backup: MissingOfBackup, stored: Option<String>) -> Event {
    let missing = salvaged.missing.iter().map(|range| MissingBytes {
        offset: range.offset,
        len: range.len,
        copied: range.cause == Cause::Copy,
    });
    Event::Affected(AffectedEntry {
        path: (&salvaged.path).into(),
        verdict: name(salvaged.verdict),
        size: salvaged.size,
        missing_len: salvaged.missing_len,
        missing: missing.collect(),
        page_count: backup.page_count,
        pages: backup.pages,
        log: backup.log,
        is_header_lost: salvaged.is_header_lost,
        stored,
    })
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
        (Verdict::Damaged, 0) if salvaged.size.is_none() => Some(format!(
            "damaged: '{path}' is another name of a damaged file, or its end is missing"
        )),
        (Verdict::Damaged, 0) => Some(format!(
            "damaged: '{path}' has its size, but nothing proves that it is what was packed"
        )),
        (Verdict::Damaged, _) if salvaged.size.is_none() => Some(format!(
            "damaged: '{path}' lacks {missing}, in {places}, and its end, nobody knows how much{why}"
        )),
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

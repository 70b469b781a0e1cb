//! What a salvage must say (spec, chapter 14.2), from what the builder knows: which bytes of the
//! stream stood in the blocks that are gone.
//!
//! Only the blocks that are lost are told by hand. No reader is asked.

use crate::builder::Builder;
use crate::plan::Plan;
use crate::records::Op;
use crate::stream::{Row, Stream};
use crate::vectors::Vector;
use ranges::{clip, len_of, merged, without};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;
use truth::Truth;

mod ranges;
mod truth;

/// What is left for salvage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Neither head nor keys: the file is refused.
    Nothing,
    /// All data blocks but these.
    But(Vec<u64>),
    /// All but the envelope.
    AllButEnvelope,
    /// The first so many data blocks; nothing says how many there were.
    First(u64),
}

/// What a salvage says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// Nothing is missing.
    pub is_complete: bool,
    /// It is known how many blocks there were.
    pub is_end_known: bool,
    /// Entries that are whole.
    pub whole: usize,
    /// Entries of which no name is left, if FINAL is.
    pub unnamed: Option<usize>,
    /// Entries that are not whole.
    pub entries: Vec<Fate>,
}

/// What became of an entry that is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Its path, which is UTF-8 in these vectors.
    pub path: String,
    /// As SLV-5 calls it.
    pub verdict: &'static str,
    /// Of a file.
    pub size: Option<u64>,
    /// What is missing of a file that is damaged or lost: offset and length.
    pub missing: Vec<(u64, u64)>,
}

/// The stream as far as it is left.
struct Remains<'a> {
    truth: &'a Truth,
    missing: Vec<Range<u64>>,
    /// What ZERO gives.
    zeros: Vec<Range<u64>>,
    /// Where chunks that are left say that an entry begins.
    starts: Vec<u64>,
    /// By the number of the row.
    has_row: Vec<bool>,
}

impl Salvage {
    /// What is said where `left` is left of what a vector's program makes.
    pub(super) fn of(vector: &Vector, left: &Left) -> Option<Self> {
        let mut builder = Builder::new(vector.name);
        (vector.program)(&mut builder);
        let stream = Stream::new(&builder);
        let plan = Plan::of(&builder, &stream);
        let is_left = |block: u64| match left {
            Left::Nothing => false,
            Left::But(lost) => !lost.contains(&block),
            Left::AllButEnvelope => true,
            Left::First(count) => block < *count,
        };
        let is_left = |blocks: &Range<u64>| blocks.clone().all(is_left);
        if *left == Left::Nothing {
            return None;
        }
        let truth = Truth::new(&builder, &stream);
        let remains = Remains::new(&truth, &plan, &is_left);
        let has_last = is_left(&plan.last);
        let (named, fates) = remains.fates();
        let bad = |fate: &&Fate| fate.verdict != "whole";
        let entries: Vec<Fate> = fates.iter().filter(bad).cloned().collect();
        let unnamed = has_last.then(|| truth.entries.len() - named);
        Some(Self {
            is_complete: matches!(left, Left::But(lost) if lost.is_empty())
                && entries.iter().all(|fate| fate.verdict == "unreadable"),
            is_end_known: matches!(left, Left::But(_) | Left::AllButEnvelope) || has_last,
            whole: fates.len() - entries.len(),
            unnamed,
            entries,
        })
    }
}

impl<'a> Remains<'a> {
    fn new(truth: &'a Truth, plan: &Plan, is_left: &impl Fn(&Range<u64>) -> bool) -> Self {
        let mut held: Vec<Range<u64>> = Vec::new(); // of the data space
        let (mut missing, mut zeros, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in &plan.chunks {
            let stretch = chunk.stream_offset..chunk.stream_offset + chunk.stream_len();
            if !is_left(&chunk.blocks) {
                missing.push(stretch);
                continue;
            }
            let starting = truth.headers().find(|start| stretch.contains(start));
            starts.extend(starting);
            let mut at = chunk.stream_offset;
            for op in &chunk.script {
                match *op {
                    Op::Literal(_) => {}
                    Op::Zero(len) => zeros.push(at..at + len),
                    Op::Copy(source, len) => {
                        for gap in without(&(source..source + len), &held) {
                            missing.push(at + gap.start - source..at + gap.end - source);
                        }
                    }
                }
                at += op.stretch_len();
            }
            held.push(chunk.data_offset..chunk.data_offset + chunk.raw_len());
        }
        let mut has_row = vec![false; truth.entries.len()];
        for (blocks, rows) in &plan.pages {
            has_row[rows.clone()].fill(is_left(blocks));
        }
        Self {
            truth,
            missing: merged(missing),
            zeros,
            starts,
            has_row,
        }
    }

    /// How many entries are named, and what became of those that are not superseded.
    fn fates(&self) -> (usize, Vec<Fate>) {
        let named = self.named();
        let (mut fates, mut files) = (Vec::new(), BTreeMap::new());
        for (number, entry) in self.truth.entries.iter().enumerate() {
            let Some(has_header) = named[number] else {
                continue;
            };
            if entry.row.flags & 1 != 0 && self.has_row[number] {
                continue;
            }
            let row = self.has_row[number].then_some(&entry.row);
            let fate = self.fate(entry, row, has_header, &files);
            if entry.row.kind == 0 {
                files.insert(fate.path.clone(), fate.verdict);
            }
            fates.push(fate);
        }
        (named.iter().flatten().count(), fates)
    }

    /// By entries: whether the header is left, of those of which it or the row is (spec: SLV-4).
    fn named(&self) -> Vec<Option<bool>> {
        let mut is_understood = true;
        let named = self.truth.entries.iter().zip(&self.has_row);
        let named = named.map(|(entry, &has_row)| {
            let start = entry.parts[0].header.start;
            is_understood |= has_row || self.starts.contains(&start);
            let has_header = is_understood && self.is_whole(&entry.parts[0].header);
            is_understood = has_header || has_row && entry.extents.is_none();
            let is_named = has_header || has_row;
            let is_known = has_row || !is_named || entry.parts.len() == 1;
            assert!(is_known, "parts without their row are not known here");
            is_named.then_some(has_header)
        });
        named.collect()
    }

    /// spec: SLV-5
    fn fate(
        &self,
        entry: &truth::TrueEntry,
        row: Option<&Row>,
        has_header: bool,
        files: &BTreeMap<String, &'static str>,
    ) -> Fate {
        let path = String::from_utf8(entry.row.path.clone()).expect("paths are UTF-8 here");
        let of = |verdict, size, missing| Fate {
            path: path.clone(),
            verdict,
            size,
            missing,
        };
        let link = String::from_utf8_lossy(&entry.row.link);
        match entry.row.kind {
            0 => {}
            1 => return of(files.get(&*link).copied().unwrap_or("lost"), None, vec![]),
            3 | 4 if !has_header => return of("lost", None, vec![]),
            _ => return of("whole", None, vec![]),
        }
        let size = Some(entry.row.size);
        if row.is_some_and(|row| row.flags & 1 << 4 != 0) {
            return of("unreadable", size, vec![]);
        }
        let missing = self.missing_of(entry, has_header);
        let missing_len = missing.iter().map(len_of).sum::<u64>();
        let ends_with_zeros = entry.last_byte().is_some_and(|last| {
            let mut zeros = self.zeros.iter();
            zeros.any(|zeros| zeros.contains(&last))
        });
        let verdict = match (missing_len, row) {
            (0, Some(_)) => "whole",
            (0, None) if !ends_with_zeros => "unconfirmed",
            (len, _) if len < entry.row.size => "damaged",
            _ => "lost",
        };
        of(
            verdict,
            size,
            missing.iter().map(|r| (r.start, len_of(r))).collect(),
        )
    }

    /// Missing ranges of the logical content.
    fn missing_of(&self, entry: &truth::TrueEntry, has_header: bool) -> Vec<Range<u64>> {
        let all = 0..entry.row.size;
        let placed = match &entry.extents {
            None => entry
                .parts
                .iter()
                .map(|part| (part.logical, part.content.clone()))
                .collect(),
            Some((map, extents)) if has_header && self.is_whole(map) => extents.clone(),
            Some(_) => return merged(vec![all]),
        };
        let mut missing = Vec::new();
        for (logical, content) in placed {
            for gap in clip(&self.missing, &content) {
                missing
                    .push(logical + gap.start - content.start..logical + gap.end - content.start);
            }
        }
        merged(missing)
    }

    fn is_whole(&self, range: &Range<u64>) -> bool {
        clip(&self.missing, range).is_empty()
    }
}

/// As keys of the manifest.
impl fmt::Display for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.is_complete {
            "complete"
        } else {
            "partial"
        };
        writeln!(f, "salvage = \"{said}\"")?;
        writeln!(f, "end_known = {}", self.is_end_known)?;
        writeln!(f, "whole = {}", self.whole)?;
        if let Some(unnamed) = self.unnamed {
            writeln!(f, "unnamed = {unnamed}")?;
        }
        if self.entries.is_empty() {
            return writeln!(f, "entries = []");
        }
        writeln!(f, "entries = [")?;
        for fate in &self.entries {
            writeln!(f, "    {fate},")?;
        }
        writeln!(f, "]")
    }
}

/// As an inline table of the manifest.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{ path = \"{}\", verdict = \"{}\"",
            self.path, self.verdict
        )?;
        if let Some(size) = self.size {
            write!(f, ", size = {size}")?;
        }
        if !self.missing.is_empty() {
            let mut ranges = String::new();
            for (offset, len) in &self.missing {
                let comma = if ranges.is_empty() { "" } else { ", " };
                write!(ranges, "{comma}[{offset}, {len}]")?;
            }
            write!(f, ", missing = [{ranges}]")?;
        }
        write!(f, " }}")
    }
}

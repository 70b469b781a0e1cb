//! Everything that reads an archive, with what it gives out held against the truth.

use super::*;
use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{ErrorClass, Finding};
use bakpak_codec::repair::{RepairReport, repair};
use bakpak_codec::salvage::{SalvageSink, Salvaged, Verdict, salvage};
use bakpak_codec::unpack::tar;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::catalogue::{RowFlags, RowKind};
use bakpak_format::envelope::EnvelopeItem;
use bakpak_format::error::{FormatError, Structure};
use bytes::{Buf, Bytes};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a person may do with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Keyless,
    Blocks,
    Full,
    Unpack,
    Tar,
    /// Open for random access, list, and read every entry and all facts.
    Archive,
    Envelope,
    /// Mend it into another file.
    Repair,
    /// Take out what is left.
    Salvage,
}

/// A verb, and how the archive comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    File(Verb),
    Stream(Verb),
}

/// All of them; random access takes a file.
pub const COMMANDS: [Command; 14] = [
    Command::File(Verb::Keyless),
    Command::Stream(Verb::Keyless),
    Command::File(Verb::Blocks),
    Command::Stream(Verb::Blocks),
    Command::File(Verb::Full),
    Command::Stream(Verb::Full),
    Command::File(Verb::Unpack),
    Command::Stream(Verb::Unpack),
    Command::File(Verb::Tar),
    Command::Stream(Verb::Tar),
    Command::File(Verb::Archive),
    Command::File(Verb::Envelope),
    Command::File(Verb::Repair),
    Command::File(Verb::Salvage),
];

/// Those that read an archive and tell the first that is wrong with it, or all.
pub fn readers() -> impl Iterator<Item = Command> {
    let is_reader = |command: &Command| !matches!(command.verb(), Verb::Repair | Verb::Salvage);
    COMMANDS.into_iter().filter(is_reader)
}

/// What an archive holds, and nothing else may come out of it.
#[derive(Clone, Default)]
pub struct Truth {
    /// The archive as it was.
    pub archive: Vec<u8>,
    pub entries: BTreeMap<EntryPath, (Entry, Vec<u8>)>,
    pub stream: Vec<u8>,
    pub items: Vec<EnvelopeItem>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// The findings of `verify`; otherwise the fault that stopped the command.
    pub findings: Vec<Finding>,
    /// Another error than a fault.
    pub error: Option<ReadError>,
    /// What came out that is not true.
    pub lie: Option<String>,
    /// Everything came out.
    pub complete: bool,
}

impl Truth {
    /// What was packed, as the entries tell it; the stream as the archive gives it.
    pub fn new(archive: &[u8], entries: impl IntoIterator<Item = (Entry, Vec<u8>)>) -> Self {
        let mut stream = Vec::new();
        let keys = &mut vec![key()];
        tar(as_file(archive), keys, &mut stream, 1, &Unobserved).expect("the archive is whole");
        let entries = entries.into_iter();
        Self {
            archive: archive.to_vec(),
            entries: entries.map(|entry| (entry.0.path.clone(), entry)).collect(),
            stream,
            items: Vec::new(),
        }
    }
}

impl Command {
    pub fn verb(self) -> Verb {
        match self {
            Self::File(verb) | Self::Stream(verb) => verb,
        }
    }

    pub fn is_verify(self) -> bool {
        matches!(self.verb(), Verb::Keyless | Verb::Blocks | Verb::Full)
    }

    /// Runs it on an archive that lies in a file and in memory; what panics is named.
    pub fn run(self, file: &File, bytes: &Bytes, truth: &Truth, what: &str) -> Outcome {
        let input = match self {
            Self::File(_) => Input::File(file.try_clone().expect("a handle more")),
            Self::Stream(_) => Input::stream(bytes.clone().reader()),
        };
        catch_unwind(AssertUnwindSafe(|| self.run_on(input, file, truth)))
            .unwrap_or_else(|_| panic!("{self:?} panics: {what}"))
    }

    fn run_on(self, input: Input, file: &File, truth: &Truth) -> Outcome {
        const THREADS: usize = 1;
        let keys = &mut vec![key()];
        let nobody = &Unobserved;
        match self.verb() {
            Verb::Keyless => Outcome::of_report(verify_keyless(input, THREADS, nobody)),
            Verb::Blocks => {
                let level = VerifyLevel::Blocks;
                Outcome::of_report(verify(input, keys, level, THREADS, nobody))
            }
            Verb::Full => {
                let level = VerifyLevel::Full;
                Outcome::of_report(verify(input, keys, level, THREADS, nobody))
            }
            Verb::Unpack => {
                let mut sink = TruthSink::new(truth);
                let result = unpack(input, keys, &mut sink, THREADS, nobody);
                let complete = sink.ended == truth.entries.len();
                Outcome::new(result.map(drop), sink.lie, complete)
            }
            Verb::Tar => {
                let mut output = Prefix::new(&truth.stream);
                let result = tar(input, keys, &mut output, THREADS, nobody);
                let complete = output.is_complete();
                Outcome::new(result.map(drop), output.lie, complete)
            }
            Verb::Archive => {
                let mut lie = None;
                let result = read_all_by_seeking(file, truth, &mut lie);
                let complete = result.is_ok();
                Outcome::new(result, lie, complete)
            }
            Verb::Envelope => {
                let mut keys = vec![envelope_key()];
                let result = open_envelope(file, &mut keys, nobody);
                let lie = match &result {
                    Ok(items) if *items != truth.items => Some("other items".into()),
                    _ => None,
                };
                let complete = result.is_ok();
                Outcome::new(result.map(drop), lie, complete)
            }
            Verb::Repair => repaired(file, truth),
            Verb::Salvage => salvaged(file, truth),
        }
    }
}

impl Outcome {
    fn new(result: Result<(), ReadError>, lie: Option<String>, complete: bool) -> Self {
        let (findings, error) = match result {
            Ok(()) => (Vec::new(), None),
            Err(ReadError::Fault(finding)) => (vec![*finding], None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self {
            findings,
            error,
            lie,
            complete,
        }
    }

    fn of_report(result: Result<bakpak_codec::verify::VerifyReport, ReadError>) -> Self {
        let complete = result.as_ref().is_ok_and(|report| report.root.is_some());
        match result {
            Ok(report) => Self {
                findings: report.findings,
                error: None,
                lie: None,
                complete,
            },
            Err(error) => Self::new(Err(error), None, complete),
        }
    }

    /// Whether nothing was noticed.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.error.is_none()
    }

    /// The first of what was noticed, and how much else.
    pub fn in_short(&self) -> String {
        match (self.findings.as_slice(), &self.error) {
            ([], None) => "nothing noticed".into(),
            ([], Some(error)) => format!("{error:?}"),
            ([first, rest @ ..], _) => {
                let at = first.offset;
                let more = rest.len();
                format!("{}: {} at {at:?}, {more} more", first.class, first.message)
            }
        }
    }

    /// The families of all that was noticed.
    pub fn classes(&self) -> Vec<ErrorClass> {
        let faults = self.findings.iter().map(Finding::class);
        faults
            .chain(self.error.iter().map(ReadError::class))
            .collect()
    }
}

/// Mends into another file, which must be the archive as it was; what is lost is what is noticed.
fn repaired(file: &File, truth: &Truth) -> Outcome {
    let output = tempfile::tempfile().expect("a temporary file");
    let result = repair(file, &output, 1, &Unobserved);
    let is_complete = result.as_ref().is_ok_and(RepairReport::is_complete);
    let mut mended = Vec::new();
    let mut output = output;
    output.rewind().expect("a file can be sought");
    output.read_to_end(&mut mended).expect("it can be read");
    let lie = (is_complete && mended != truth.archive).then(|| "other bytes".into());
    match result {
        Ok(report) => Outcome {
            findings: report.lost,
            error: None,
            lie,
            complete: is_complete,
        },
        Err(error) => Outcome::new(Err(error), lie, false),
    }
}

/// Takes out what is left, which must be what it was; whether it is all, is what is noticed.
fn salvaged(file: &File, truth: &Truth) -> Outcome {
    let mut sink = SalvagedTruth {
        truth,
        content: Vec::new(),
        whole: 0,
        lie: None,
    };
    let result = salvage(file, &mut vec![key()], &mut sink, 1, &Unobserved);
    let complete = sink.whole == truth.entries.len();
    let partial = result.as_ref().is_ok_and(|report| !report.is_complete());
    let mut outcome = Outcome::new(result.map(drop), sink.lie, complete);
    if partial {
        let cut = FormatError::Truncated {
            structure: Structure::Block,
        };
        outcome.findings.push(cut.into());
    }
    outcome
}

/// Holds what is salvaged against the truth.
struct SalvagedTruth<'a> {
    truth: &'a Truth,
    content: Vec<u8>,
    whole: usize,
    lie: Option<String>,
}

impl SalvagedTruth<'_> {
    fn check(&self, salvaged: &Salvaged) -> Result<(), &'static str> {
        let path = &salvaged.path;
        let (entry, content) = self.truth.entries.get(path).ok_or("no such entry")?;
        if !matches!(entry.kind, EntryKind::File { .. }) || salvaged.verdict == Verdict::Lost {
            return Ok(());
        }
        if salvaged.size != Some(content.len() as u64) {
            return Err("another size");
        }
        let mut expected = content.clone();
        for range in &salvaged.missing {
            expected[range.offset as usize..][..range.len as usize].fill(0);
        }
        if !expected.starts_with(&self.content)
            || expected[self.content.len()..].iter().any(|byte| *byte != 0)
        {
            return Err("other content");
        }
        match (salvaged.verdict, salvaged.missing_len) {
            (Verdict::Whole | Verdict::Unconfirmed, 1..) => Err("it is not whole"),
            _ => Ok(()),
        }
    }
}

impl SalvageSink for SalvagedTruth<'_> {
    fn begin(&mut self, entry: &Entry, _: Option<u64>, _: Verdict) -> Result<(), SinkError> {
        self.content.clear();
        if !self.truth.entries.contains_key(&entry.path) {
            self.lie.get_or_insert("no such entry".into());
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.content.resize(offset as usize, 0);
        self.content.extend_from_slice(bytes);
        Ok(())
    }

    fn missing(&mut self, _: u64, _: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        if let Err(what) = self.check(salvaged) {
            self.lie
                .get_or_insert_with(|| format!("{}: {what}", salvaged.path));
        }
        self.whole += usize::from(salvaged.verdict == Verdict::Whole);
        Ok(())
    }

    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        if !self.truth.entries.contains_key(&salvaged.path) {
            self.lie.get_or_insert("no such entry".into());
        }
        Ok(())
    }
}

/// Lists and reads everything by seeking, and notes what is not true.
fn read_all_by_seeking(
    file: &File,
    truth: &Truth,
    lie: &mut Option<String>,
) -> Result<(), ReadError> {
    let mut archive = Archive::open(file, &mut vec![key()])?;
    let rows: Vec<_> = archive.rows().collect::<Result<_, _>>()?;
    if !rows.iter().map(|row| &row.path).eq(truth.entries.keys()) {
        lie.get_or_insert_with(|| "other rows".into());
    }
    archive.facts()?;
    for row in &rows {
        let entry = archive.entry(row)?;
        let Some((expected, content)) = truth.entries.get(&row.path) else {
            continue;
        };
        if entry != header_of(expected) {
            lie.get_or_insert_with(|| format!("{} is another entry", row.path));
        }
        if row.flags.contains(RowFlags::UNREADABLE) {
            continue;
        }
        let content = match row.kind {
            RowKind::HardLink => {
                let target = EntryPath::new(row.link.clone()).expect("a legal path");
                &truth.entries[&target].1
            }
            _ => content,
        };
        let mut output = Prefix::new(content);
        let result = archive.read_entry(row, &mut output);
        if let Some(what) = output.lie.take() {
            lie.get_or_insert_with(|| format!("{}: {what}", row.path));
        }
        result?;
        if !output.is_complete() {
            lie.get_or_insert_with(|| format!("{} is cut", row.path));
        }
    }
    Ok(())
}

/// What `Archive::entry` gives of an entry.
fn header_of(entry: &Entry) -> Entry {
    entry.clone()
}

/// Takes entries, and notes the first that is not as in the truth.
pub struct TruthSink<'a> {
    truth: &'a Truth,
    open: Option<(&'a EntryPath, &'a [u8])>,
    position: u64,
    pub ended: usize,
    pub lie: Option<String>,
}

impl<'a> TruthSink<'a> {
    pub fn new(truth: &'a Truth) -> Self {
        Self {
            truth,
            open: None,
            position: 0,
            ended: 0,
            lie: None,
        }
    }

    fn note(&mut self, what: &str) {
        let of = self
            .open
            .map(|(path, _)| path.to_string())
            .unwrap_or_default();
        self.lie.get_or_insert_with(|| format!("{of}: {what}"));
    }
}

impl Sink for TruthSink<'_> {
    fn begin(&mut self, entry: &Entry, _size: Option<u64>) -> Result<(), SinkError> {
        self.position = 0;
        match self.truth.entries.get_key_value(&entry.path) {
            Some((path, (expected, content))) => {
                self.open = Some((path, content));
                if expected != entry {
                    self.note("another entry");
                }
            }
            None => self.note("no such entry"),
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let truth = self.open.map_or(&[][..], |(_, content)| content);
        let at = offset as usize;
        if offset != self.position || truth.get(at..at + bytes.len()) != Some(bytes) {
            self.note("other content");
        }
        self.position = offset + bytes.len() as u64;
        Ok(())
    }

    fn hole(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        let truth = self.open.map_or(&[][..], |(_, content)| content);
        let range = offset as usize..(offset + len) as usize;
        let zeros = truth.get(range).is_some_and(|t| t.iter().all(|&b| b == 0));
        if offset != self.position || !zeros {
            self.note("a hole where none is");
        }
        self.position = offset + len;
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        if self
            .open
            .is_none_or(|(_, content)| content.len() as u64 != self.position)
        {
            self.note("it is cut");
        }
        self.open = None;
        self.ended += 1;
        Ok(())
    }

    fn discard(&mut self, _path: &EntryPath) -> Result<(), SinkError> {
        self.note("it is discarded");
        Ok(())
    }
}

/// Takes bytes that must be a beginning of the truth.
pub struct Prefix<'a> {
    truth: &'a [u8],
    len: usize,
    pub lie: Option<String>,
}

impl<'a> Prefix<'a> {
    pub fn new(truth: &'a [u8]) -> Self {
        Self {
            truth,
            len: 0,
            lie: None,
        }
    }

    pub fn is_complete(&self) -> bool {
        self.len == self.truth.len()
    }
}

impl Write for Prefix<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.truth.get(self.len..self.len + bytes.len()) != Some(bytes) {
            let what = format!("other bytes from {}", self.len);
            self.lie.get_or_insert(what);
        }
        self.len += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

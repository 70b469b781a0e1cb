//! The backups among the sources: their headers are read before anything is written, their content
//! is checked while it is packed, and what is wrong is told at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bakpak_codec::source::Grid;
use bakpak_codec::tap::Tap;
use bakpak_format::entry::{EntryKind, EntryPath};
use bakpak_format::record::EntryFacts;
use bakpak_tree::{FileSource, SourceSize, Walked};
use mssql_backup::kind::{Kind, PEEK_LEN};
use mssql_backup::read::read_headers;
use mssql_backup::report::Report;
use mssql_backup::{EXTENT_LEN, PAGE_LEN};
use recovery::certificate::MAX_LEN as MAX_CERTIFICATE_LEN;
use recovery::foreign::{self, ForeignKind};
use recovery::rules;

use crate::backups::content::{ContentTap, Found};
use crate::backups::facts;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::Output;
use crate::restorability::{Answer, Evidence, Judgement};

/// Names that backups, certificates and keys have outside of `sql/`.
const EXTENSIONS: [&str; 16] = [
    "bak", "trn", "dif", "bacpac", "dacpac", "dump", "backup", "sql", "snapshot", "tar", "cer",
    "crt", "der", "pvk", "pfx", "p12",
];

/// What is known of the backups while packing.
#[derive(Debug, Default)]
pub(super) struct Backups {
    /// Where the pages of the backups stand.
    grids: HashMap<EntryPath, Vec<Grid>>,
    /// What ZIPs are by their directories, which come last when they are packed.
    zips: HashMap<EntryPath, ForeignKind>,
    /// What taps have learned.
    checked: Mutex<Evidence>,
    /// What was in a partial file, until it is known how much of that is kept.
    kept: Mutex<Option<Kept>>,
    /// What was told before.
    told: Mutex<BTreeSet<String>>,
}

/// What taps have learned of the entries of a partial file, by their paths.
#[derive(Debug, Default)]
struct Kept {
    found: BTreeMap<String, Found>,
    last: Option<EntryPath>,
}

impl Backups {
    /// Reads the headers of all backups, and objects to what cannot be restored.
    ///
    /// # Errors
    ///
    /// A chain has a gap, a stripe or a certificate is missing (23), unless that is accepted.
    pub(super) fn look(
        walked: &Walked,
        has_sealed_certificate: bool,
        allow_incomplete: bool,
        output: &Output,
    ) -> anyhow::Result<Self> {
        let mut backups = Self::default();
        let mut evidence = Evidence::default();
        let mut at_end = Evidence::default();
        let mut has_stream = false;
        if has_sealed_certificate {
            evidence.sealed_certificate();
            at_end.sealed_certificate();
        }
        for mut source in walked.sources() {
            interrupt::check()?;
            let path = source.path().clone();
            if !may_be_a_backup(&path) {
                continue;
            }
            // What comes from a pipe may be what the others lack.
            if source.is_stream() {
                has_stream = true;
                continue;
            }
            // What cannot be read is told when it is packed.
            let _ = backups.look_at(&path, &mut source, &mut evidence, &mut at_end);
            source.close();
        }
        let judgement = evidence.judge();
        let mut told = BTreeSet::new();
        if has_stream {
            return Ok(Self {
                checked: Mutex::new(at_end),
                ..backups
            });
        }
        judgement.tell_findings(&mut told, allow_incomplete, output);
        if judgement.answer == Answer::NotRestorable && !allow_incomplete {
            judgement.tell_event(output);
            let text =
                "what is to be packed cannot be restored, or not all of it: nothing was written";
            return Err(Failure::new(Exit::INCOMPLETE, text)
                .hint("`bakpak explain BP...` tells why, and `bakpak plan` what can be restored")
                .hint("--allow-incomplete packs it all the same, and marks the archive")
                .into());
        }
        backups.told = Mutex::new(told);
        backups.checked = Mutex::new(at_end);
        Ok(backups)
    }

    /// Looks at one file: what it is, and what its headers tell.
    fn look_at(
        &mut self,
        path: &EntryPath,
        source: &mut FileSource,
        before: &mut Evidence,
        at_end: &mut Evidence,
    ) -> io::Result<()> {
        let opened = source.open()?;
        let (EntryKind::File { .. }, SourceSize::Known(len)) = (&opened.entry.kind, opened.size)
        else {
            return Ok(());
        };
        let name = path.to_string();
        let mut reader = SourceReader {
            source,
            len,
            offset: 0,
        };
        let mut first = Vec::new();
        (&mut reader)
            .take(PEEK_LEN as u64)
            .read_to_end(&mut first)?;
        reader.offset = 0;
        match Kind::of(&first) {
            kind if kind.is_sql_server() => {
                let report = read_headers(reader)?;
                self.grids.insert(path.clone(), grids(&report));
                before.backup(name, report);
            }
            kind @ (Kind::Other | Kind::Tar { .. } | Kind::Zip) if is_called_a_backup(path) => {
                let message = format!("'{name}' is no SQL Server backup, though its name says so");
                for evidence in [&mut *before, at_end] {
                    evidence.finding(&rules::UNREADABLE, message.clone());
                }
                if kind == Kind::Zip {
                    self.look_into_zip(path, &first, reader, before)?;
                }
            }
            Kind::Zip => self.look_into_zip(path, &first, reader, before)?,
            Kind::Empty if path.as_bytes().starts_with(b"sql/") => {
                for evidence in [before, at_end] {
                    evidence.finding(&rules::UNREADABLE, format!("'{name}' is empty"));
                }
            }
            // Backups of other kinds are checked while they are packed.
            _ if len <= MAX_CERTIFICATE_LEN as u64
                && foreign::recognise(&first, &name).is_none() =>
            {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                before.certificate(&bytes);
                at_end.certificate(&bytes);
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks at the directory of a ZIP: what it is, be its name what it may.
    fn look_into_zip(
        &mut self,
        path: &EntryPath,
        first: &[u8],
        reader: SourceReader<'_>,
        before: &mut Evidence,
    ) -> io::Result<()> {
        let name = path.to_string();
        if let Some(kind) = foreign::recognise(first, &name) {
            let kind = foreign::look_into(kind, reader)?;
            if matches!(kind, ForeignKind::ZippedBackups(_)) {
                before.zipped_backups(&name);
            }
            self.zips.insert(path.clone(), kind);
        }
        Ok(())
    }

    /// Where the content of this entry is made of pages.
    pub(super) fn grids(&self, path: &EntryPath) -> Vec<Grid> {
        self.grids.get(path).cloned().unwrap_or_default()
    }

    /// Who wants to see the content of this entry.
    pub(super) fn tap(self: &Arc<Self>, path: &EntryPath) -> Option<Box<dyn Tap>> {
        if !may_be_a_backup(path) {
            return None;
        }
        let (backups, name) = (Arc::clone(self), path.to_string());
        let known = self.zips.get(path).cloned();
        let found = move |found| backups.learned(name, found);
        Some(Box::new(ContentTap::new(path.to_string(), known, found)))
    }

    /// Who wants to see the content of an entry that is in the partial file already.
    pub(super) fn tap_kept(self: &Arc<Self>, path: &EntryPath) -> Option<Box<dyn Tap>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let all = kept.get_or_insert_default();
        // From its first entry on once more: less of it is kept than was thought.
        if all.last.as_ref().is_some_and(|last| path < last) {
            *all = Kept::default();
        }
        all.last = Some(path.clone());
        if !may_be_a_backup(path) {
            return None;
        }
        let (backups, name) = (Arc::clone(self), path.to_string());
        let known = self.zips.get(path).cloned();
        let found = move |found| backups.learned_kept(name, found);
        Some(Box::new(ContentTap::new(path.to_string(), known, found)))
    }

    /// Of the partial file so much is kept: what was learned of it last counts.
    pub(super) fn settle(&self, kept_len: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let all = kept.take().filter(|_| kept_len > 0).unwrap_or_default();
        for (path, found) in all.found {
            self.learned(path, found);
        }
    }

    /// Notes what the content of an entry is that is in the partial file; or that was begun there.
    fn learned_kept(&self, path: String, found: Found) -> Vec<EntryFacts> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *kept {
            Some(all) => {
                all.found.insert(path, found);
                Vec::new()
            }
            None => self.learned(path, found),
        }
    }

    /// Notes what the content of an entry is; of what is no backup there is nothing to tell.
    fn learned(&self, path: String, found: Found) -> Vec<EntryFacts> {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Found::Media(report) => {
                let facts = facts::facts(&report);
                checked.backup(path, *report);
                facts
            }
            Found::Other(report) => {
                checked.other(&path, &report);
                let facts = EntryFacts::other_source(facts::other(&report));
                facts.into_iter().collect()
            }
            Found::Failed => {
                checked.unjudged(format!("'{path}' could not be checked"));
                Vec::new()
            }
            Found::Nothing => Vec::new(),
        }
    }

    /// Judges what taps have learned.
    pub(super) fn judge(&self) -> Judgement {
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.clone().judge()
    }

    /// Tells the verdict on what was packed; says how to end.
    pub(super) fn tell(&self, allow_incomplete: bool, output: &Output) -> Exit {
        let judgement = self.judge();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        judgement.tell_findings(&mut told, allow_incomplete, output);
        if judgement.answer == Answer::NoBackups {
            return Exit::DONE;
        }
        for line in judgement.lines() {
            output.say(line);
        }
        judgement.tell_event(output);
        match judgement.answer {
            Answer::NotRestorable if !allow_incomplete => {
                output.error("the archive is complete and marked: not all in it can be restored");
                Exit::INCOMPLETE
            }
            _ => Exit::DONE,
        }
    }
}

/// Whether SQL Server's backups have such a name, in the folder for them.
fn is_called_a_backup(path: &EntryPath) -> bool {
    let name = path.to_string().to_ascii_lowercase();
    let is_one = [".bak", ".trn", ".dif"]
        .iter()
        .any(|end| name.ends_with(end));
    is_one && path.as_bytes().starts_with(b"sql/")
}

/// Whether a file of this name is looked at: all below `sql/`, attachments by their extension; the
/// application's files are its own business.
pub(crate) fn may_be_a_backup(path: &EntryPath) -> bool {
    if !path.as_bytes().starts_with(b"attachments/") {
        return path.as_bytes().starts_with(b"sql/");
    }
    let name = path.to_string();
    let extension = Path::new(&name)
        .extension()
        .and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Where pages stand in a medium: extents from the start of each data section.
fn grids(report: &Report) -> Vec<Grid> {
    let spans = report.sets.iter().flat_map(|set| &set.data_spans);
    let grids = spans.map(|span| Grid {
        offset: span.start,
        len: span.end.saturating_sub(span.start),
        unit_len: PAGE_LEN as u32,
        group_len: EXTENT_LEN as u32,
    });
    grids.collect()
}

/// A source as something that can be sought.
struct SourceReader<'a> {
    source: &'a mut FileSource,
    len: u64,
    offset: u64,
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(self.offset, buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.offset.checked_add_signed(offset),
        };
        self.offset = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

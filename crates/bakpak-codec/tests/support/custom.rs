//! Sources that do what a test says, and what is in the archives that are made of them.

use super::*;
use bakpak_codec::archive::Archive;
use bakpak_codec::error::{Missing, PackError};
use bakpak_codec::observer::{Observer, Unobserved, Warning};
use bakpak_codec::pack::{PackReport, PackSettings, pack};
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_codec::verify::{VerifyLevel, VerifyReport, verify};
use bakpak_format::catalogue::Row;
use bakpak_format::entry::{Entry, EntryPath};
use bakpak_format::record::{ChangedFacts, KnownFacts};
use std::cell::RefCell;
use std::io;
pub const ALWAYS: usize = usize::MAX;

/// Above 8 MiB: such a file's header stands before its content has been read.
pub const LARGE: usize = 9_000_001;

#[derive(Default)]
pub struct Listener(pub RefCell<Vec<Warning>>);

impl Observer for Listener {
    fn warn(&self, warning: Warning) {
        self.0.borrow_mut().push(warning);
    }
}

/// A source that does what a test says.
pub struct Custom<O, R> {
    entry: Entry,
    content: Vec<u8>,
    size: SourceSize,
    opened: usize,
    /// What it is when it is opened for the first, second ... time.
    on_open: O,
    /// How many bytes there are at an offset, or an error.
    on_read: R,
}

impl<O, R> Source for Custom<O, R>
where
    O: FnMut(usize, Entry) -> io::Result<Entry> + Send,
    R: FnMut(usize, u64) -> io::Result<usize> + Send,
{
    fn path(&self) -> &EntryPath {
        &self.entry.path
    }

    fn open(&mut self) -> io::Result<Opened> {
        self.opened += 1;
        Ok(Opened {
            entry: (self.on_open)(self.opened, self.entry.clone())?,
            size: self.size,
            identity: self.identity()?,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let there = (self.on_read)(self.opened, offset)?;
        let left = self.content.len().saturating_sub(offset as usize);
        let len = there.min(left).min(buffer.len());
        buffer[..len].copy_from_slice(&self.content[offset as usize..][..len]);
        Ok(len)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        let mtime = self.entry.mtime;
        Ok((self.size == SourceSize::Known).then_some(Identity {
            device: 1,
            inode: 2,
            size: self.content.len() as u64,
            mtime,
            ctime: mtime,
        }))
    }

    fn close(&mut self) {}
}

pub fn custom<O, R>(of: MemorySource, size: SourceSize, on_open: O, on_read: R) -> Box<dyn Source>
where
    O: FnMut(usize, Entry) -> io::Result<Entry> + Send + 'static,
    R: FnMut(usize, u64) -> io::Result<usize> + Send + 'static,
{
    Box::new(Custom {
        entry: of.entry,
        content: of.content,
        size,
        opened: 0,
        on_open,
        on_read,
    })
}

/// A stream that breaks off at an offset.
pub fn breaking_stream(at: &str, content: Vec<u8>, offset: u64) -> Box<dyn Source> {
    custom(
        file(at, content),
        SourceSize::Unknown,
        |_, entry| Ok(entry),
        move |_, at| match offset.saturating_sub(at) {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            left => Ok(left as usize),
        },
    )
}

pub fn pack_all(
    sources: Vec<Box<dyn Source>>,
    allow_incomplete: bool,
    observer: &dyn Observer,
) -> (Result<PackReport, PackError>, Vec<u8>) {
    let settings = PackSettings {
        allow_incomplete,
        ..settings()
    };
    let mut output = Vec::new();
    let result = pack(sources.into_iter(), settings, &mut output, observer);
    (result, output)
}

pub fn packed_with(sources: Vec<Box<dyn Source>>) -> (PackReport, Vec<u8>) {
    let (report, archive) = pack_all(sources, true, &Unobserved);
    (report.unwrap(), archive)
}

pub fn boxed(sources: Vec<MemorySource>) -> Vec<Box<dyn Source>> {
    sources.into_iter().map(MemorySource::boxed).collect()
}

/// Verifies with the key, from file and pipe; nothing may be wrong.
pub fn verified(archive: &[u8]) -> VerifyReport {
    let level = VerifyLevel::Full;
    let report = |input| verify(input, &mut vec![key()], level, 2, &Unobserved).unwrap();
    let (of_file, of_stream) = (report(as_file(archive)), report(as_stream(archive)));
    assert_eq!(of_file.findings, []);
    assert_eq!(of_stream.findings, []);
    assert_eq!(of_file.missing, of_stream.missing);
    assert_eq!(of_file.unreadable, of_stream.unreadable);
    of_file
}

pub fn rows(archive: &[u8]) -> Vec<Row> {
    let mut archive = Archive::open(&file_of(archive), &mut vec![key()]).unwrap();
    archive.rows().collect::<Result<_, _>>().unwrap()
}

pub fn changes(archive: &[u8]) -> Vec<ChangedFacts> {
    let mut archive = Archive::open(&file_of(archive), &mut vec![key()]).unwrap();
    let facts = archive.facts().unwrap();
    let known = facts.iter().filter_map(|facts| facts.known().unwrap());
    known
        .filter_map(|known| match known {
            KnownFacts::Changed(changed) => Some(changed),
            _ => None,
        })
        .collect()
}

pub fn paths(missing: &[Missing]) -> Vec<String> {
    missing.iter().map(|m| m.path.to_string()).collect()
}

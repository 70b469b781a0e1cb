//! Sources and sinks in memory: the codec without any disk.

use crate::workload::MadeFile;
use bakpak_codec::error::PackError;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{PackReport, PackSettings, pack};
use bakpak_codec::secret::{Credential, KeyFile};
use bakpak_codec::sink::{Sink, SinkError};
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};
use std::io;
use std::sync::Arc;

/// Files held in memory, in canonical order.
#[derive(Clone)]
pub struct MemorySet(Vec<MemoryFile>);

/// One of them; clones share the content.
#[derive(Clone)]
struct MemoryFile {
    entry: Entry,
    content: Arc<[u8]>,
}

/// A sink that forgets everything.
pub struct NullSink;

/// The key of all archives here.
pub fn key() -> Credential {
    Credential::KeyFile(KeyFile::from_bytes([7; 32]))
}

/// The settings for an archive: the defaults, so many threads.
pub fn settings(threads: usize) -> PackSettings {
    PackSettings {
        threads,
        ..PackSettings::new(key())
    }
}

impl MemorySet {
    /// Takes the files below `home/`.
    ///
    /// # Panics
    ///
    /// A file's path is not a legal one.
    pub fn new(files: impl Iterator<Item = MadeFile>) -> Self {
        let mut files: Vec<MemoryFile> = files.map(MemoryFile::new).collect();
        files.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
        Self(files)
    }

    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().map(|file| &file.entry)
    }

    /// Sum of the sizes of all files.
    pub fn content_len(&self) -> u64 {
        self.0.iter().map(|file| file.content.len() as u64).sum()
    }

    /// Packs all files.
    ///
    /// # Errors
    ///
    /// As [`pack`]; the files themselves can always be read.
    pub fn pack(
        &self,
        settings: PackSettings,
        output: impl io::Write + Send,
    ) -> Result<PackReport, PackError> {
        let settings = PackSettings {
            expected_len: Some(self.content_len()),
            ..settings
        };
        let sources = self.0.iter().map(|file| {
            let source: Box<dyn Source> = Box::new(file.clone());
            source
        });
        pack(sources, settings, output, &Unobserved)
    }
}

/// The entry of a made file.
///
/// # Panics
///
/// The path is not a legal one.
pub fn entry(path: &str, size: u64, mtime: Timestamp) -> Entry {
    Entry {
        path: EntryPath::new(path).expect("made paths are legal ones"),
        kind: EntryKind::File {
            size,
            extents: None,
        },
        mode: 0o640,
        uid: 1000,
        gid: 1000,
        user: b"octopus".to_vec(),
        group: b"octopus".to_vec(),
        mtime,
        xattrs: Vec::new(),
        linked: false,
    }
}

/// The identity of a file that never changes.
pub fn identity(size: u64, mtime: Timestamp) -> Identity {
    Identity {
        device: 1,
        inode: 1,
        size,
        mtime,
        ctime: mtime,
    }
}

impl MemoryFile {
    fn new(file: MadeFile) -> Self {
        let mtime = Timestamp {
            seconds: 1_772_000_000 + file.content.len() as i64,
            nanos: 123_456_789,
        };
        let path = format!("home/{}", file.path);
        Self {
            entry: entry(&path, file.content.len() as u64, mtime),
            content: file.content.into(),
        }
    }
}

impl Source for MemoryFile {
    fn path(&self) -> &EntryPath {
        &self.entry.path
    }

    fn open(&mut self) -> io::Result<Opened> {
        Ok(Opened {
            entry: self.entry.clone(),
            size: SourceSize::Known,
            identity: self.identity()?,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.content.len().min(offset as usize);
        let rest = &self.content[start..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        let size = self.content.len() as u64;
        Ok(Some(identity(size, self.entry.mtime)))
    }

    fn close(&mut self) {}
}

impl Sink for NullSink {
    fn begin(&mut self, _: &Entry, _: Option<u64>) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, _: u64, bytes: &[u8]) -> Result<(), SinkError> {
        std::hint::black_box(bytes);
        Ok(())
    }

    fn hole(&mut self, _: u64, _: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn discard(&mut self, _: &EntryPath) -> Result<(), SinkError> {
        Ok(())
    }
}

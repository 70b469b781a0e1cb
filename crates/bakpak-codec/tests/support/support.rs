//! Sources and sinks in memory, and archives made of them.
// Every test file takes what it needs of this; all of it is test code.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::panic, clippy::result_large_err)]

pub mod commands;
pub mod custom;
pub mod forge;
pub mod regions;
pub mod resumed;

use bakpak_codec::error::{PackError, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{EnvelopeSettings, PackReport, PackSettings, pack};
use bakpak_codec::random::Random;
use bakpak_codec::secret::{Credential, KeyFile};
use bakpak_codec::sink::{Sink, SinkError};
use bakpak_codec::source::{Grid, Identity, Opened, Source, SourceSize};
use bakpak_codec::unpack::{UnpackReport, unpack};
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Extent, Timestamp};
use bakpak_format::envelope::EnvelopeItem;
use bakpak_format::geometry::ParityGeometry;
use std::collections::BTreeMap;
use std::io;

pub fn key() -> Credential {
    key_file(7)
}

/// What opens the envelope, and nothing else.
pub fn envelope_key() -> Credential {
    key_file(8)
}

pub fn key_file(byte: u8) -> Credential {
    Credential::KeyFile(KeyFile::from_bytes([byte; 32]))
}

pub fn item(kind: u16, name: &str, content: &[u8]) -> EnvelopeItem {
    EnvelopeItem {
        kind,
        name: name.into(),
        content: content.to_vec().into(),
    }
}

/// An envelope with these items.
pub fn envelope(items: Vec<EnvelopeItem>) -> Option<EnvelopeSettings> {
    Some(EnvelopeSettings {
        key: envelope_key(),
        items,
    })
}

pub fn path(path: &str) -> EntryPath {
    EntryPath::new(path.as_bytes().to_vec()).expect("a legal path")
}

/// Without parity, so that a byte of an archive stands in one place.
pub fn settings() -> PackSettings {
    PackSettings {
        parity: ParityGeometry::NONE,
        ..settings_with_parity()
    }
}

pub fn settings_with_parity() -> PackSettings {
    PackSettings {
        random: Random::seeded(b"test"),
        threads: 2,
        ..PackSettings::new(key())
    }
}

/// A reproducible stretch of bytes that does not compress.
pub fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Random::seeded(seed.as_bytes())
        .fill(&mut bytes)
        .expect("seeded");
    bytes
}

/// Text that compresses as logs do.
pub fn log(seed: usize, len: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut line = seed;
    while text.len() < len {
        line = line
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        text.push_str(&format!(
            "2026-01-02T03:04:05Z task {} step {} ok\n",
            line >> 40,
            line % 17
        ));
    }
    text.truncate(len);
    text.into_bytes()
}

/// What a source does when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Sound,
    /// Size not known beforehand.
    Stream,
    /// Opening fails.
    Closed,
    /// Reading fails at this offset, for the first so many openings.
    FailsAt {
        offset: u64,
        times: usize,
    },
    /// It ends here, though it was longer when opened.
    Shrinks {
        to: u64,
    },
    /// It is another one each time it is looked at.
    Restless,
    /// Reading fails at this offset, and then it is gone.
    Vanishes {
        at: u64,
    },
}

pub struct MemorySource {
    pub entry: Entry,
    pub content: Vec<u8>,
    pub behaviour: Behaviour,
    /// How much it gives at a time: short reads, to see that nobody counts on long ones.
    pub max_read: usize,
    pub grids: Vec<Grid>,
    opened: usize,
    looked_at: usize,
}

impl MemorySource {
    /// What must come back of it.
    pub fn truth(&self) -> (Entry, Vec<u8>) {
        (self.entry.clone(), self.content.clone())
    }

    pub fn boxed(self) -> Box<dyn Source> {
        Box::new(self)
    }
}

pub fn entry(at: &str, kind: EntryKind) -> Entry {
    Entry {
        path: path(at),
        kind,
        mode: 0o640,
        uid: 1000,
        gid: 3_000_000,
        user: b"admin".to_vec(),
        group: "größe".into(),
        mtime: Timestamp {
            seconds: 1_700_000_000,
            nanos: 123_456_789,
        },
        xattrs: vec![(b"user.note".to_vec(), b"a\0b\n".to_vec())],
        linked: false,
    }
}

pub fn file(at: &str, content: impl Into<Vec<u8>>) -> MemorySource {
    with_behaviour(at, content, Behaviour::Sound)
}

pub fn with_behaviour(at: &str, content: impl Into<Vec<u8>>, behaviour: Behaviour) -> MemorySource {
    let content = content.into();
    let kind = EntryKind::File {
        size: content.len() as u64,
        extents: None,
    };
    MemorySource {
        entry: entry(at, kind),
        content,
        behaviour,
        max_read: 700_001,
        grids: Vec::new(),
        opened: 0,
        looked_at: 0,
    }
}

/// A file with grids.
pub fn gridded(at: &str, content: impl Into<Vec<u8>>, grids: Vec<Grid>) -> MemorySource {
    MemorySource {
        grids,
        ..file(at, content)
    }
}

/// A grid of pages of 8 KiB in groups of eight.
pub fn pages(offset: u64, len: u64) -> Grid {
    Grid {
        offset,
        len,
        unit_len: 8 << 10,
        group_len: 64 << 10,
    }
}

pub fn bare(at: &str, kind: EntryKind) -> MemorySource {
    MemorySource {
        entry: entry(at, kind),
        content: Vec::new(),
        behaviour: Behaviour::Sound,
        max_read: 700_001,
        grids: Vec::new(),
        opened: 0,
        looked_at: 0,
    }
}

pub fn sparse(at: &str, content: Vec<u8>, extents: Vec<Extent>) -> MemorySource {
    let kind = EntryKind::File {
        size: content.len() as u64,
        extents: Some(extents),
    };
    MemorySource {
        entry: entry(at, kind),
        content,
        behaviour: Behaviour::Sound,
        max_read: 700_001,
        grids: Vec::new(),
        opened: 0,
        looked_at: 0,
    }
}

impl Source for MemorySource {
    fn path(&self) -> &EntryPath {
        &self.entry.path
    }

    fn open(&mut self) -> io::Result<Opened> {
        self.opened += 1;
        match self.behaviour {
            Behaviour::Closed => return Err(io::ErrorKind::PermissionDenied.into()),
            Behaviour::Vanishes { .. } if self.opened > 1 => {
                return Err(io::ErrorKind::NotFound.into());
            }
            _ => {}
        }
        let size = match self.behaviour {
            Behaviour::Stream => SourceSize::Unknown,
            _ => SourceSize::Known,
        };
        self.looked_at = 0;
        let identity = self.identity()?;
        Ok(Opened {
            entry: self.entry.clone(),
            size,
            identity,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut end = self.content.len() as u64;
        match self.behaviour {
            Behaviour::FailsAt { offset: at, times } if self.opened <= times => {
                if offset >= at {
                    return Err(io::Error::other("the medium fails"));
                }
                end = end.min(at);
            }
            Behaviour::Vanishes { at } => {
                if offset >= at {
                    return Err(io::ErrorKind::NotFound.into());
                }
                end = end.min(at);
            }
            Behaviour::Shrinks { to } => end = end.min(to),
            _ => {}
        }
        let len = (end.saturating_sub(offset) as usize)
            .min(buffer.len())
            .min(self.max_read);
        buffer[..len].copy_from_slice(&self.content[offset as usize..][..len]);
        Ok(len)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        let mut size = self.content.len() as u64;
        self.looked_at += 1;
        match self.behaviour {
            Behaviour::Stream => return Ok(None),
            // When it is opened it still has its size.
            Behaviour::Shrinks { to } if self.looked_at > 1 => size = to,
            Behaviour::Restless => size += self.looked_at as u64 - 1,
            _ => {}
        }
        let mtime = self.entry.mtime;
        Ok(Some(Identity {
            device: 1,
            inode: 2,
            size,
            mtime,
            ctime: mtime,
        }))
    }

    fn grids(&mut self) -> Vec<Grid> {
        self.grids.clone()
    }

    fn close(&mut self) {}
}

/// Every kind of entry and of storage, with repeats as far apart as can be: many stripes of 4 KiB
/// blocks.
pub fn every_kind() -> Vec<MemorySource> {
    let large = noise("large", 3_000_000);
    let mut linked = file("home/b/first", noise("linked", 70_000));
    linked.entry.linked = true;
    let target = linked.entry.path.clone();
    let extents = [(40_960, 512), (102_400, 80_384)];
    let mut holes = vec![0; 200_000];
    for (offset, len) in extents {
        holes[offset..offset + len].copy_from_slice(&noise("data", len));
    }
    let extents = extents.map(|(offset, len)| Extent {
        offset: offset as u64,
        len: len as u64,
    });
    vec![
        file("sql/a", large.clone()),
        file("sql/b", [b"shifted".as_slice(), &large].concat()),
        file("sql/d", vec![0; 1_000_000]),
        file("home/a", ""),
        bare("home/b", EntryKind::Directory),
        linked,
        bare("home/b/second", EntryKind::HardLink { target }),
        bare(
            "home/b/way",
            EntryKind::Symlink {
                target: b"/etc/passwd".to_vec(),
            },
        ),
        bare("home/b/zz", EntryKind::Fifo),
        sparse("home/c", holes, extents.to_vec()),
        sparse("home/d", vec![0; 50_000], Vec::new()),
        file("home/e", "the end of the home"),
        // The beginning again, as far back as it goes.
        file("attachments/a", large),
        with_behaviour(
            "attachments/b",
            noise("stream", 17_000_000),
            Behaviour::Stream,
        ),
        with_behaviour("attachments/c", log(1, 5000), Behaviour::Stream),
    ]
}

pub fn try_pack(
    sources: Vec<MemorySource>,
    settings: PackSettings,
) -> Result<(Vec<u8>, PackReport), PackError> {
    let mut output = Vec::new();
    let report = pack(
        sources.into_iter().map(MemorySource::boxed),
        settings,
        &mut output,
        &Unobserved,
    )?;
    assert_eq!(report.archive_len, output.len() as u64);
    Ok((output, report))
}

pub fn packed(sources: Vec<MemorySource>) -> Vec<u8> {
    try_pack(sources, settings()).expect("it packs").0
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemorySink {
    pub entries: BTreeMap<EntryPath, (Option<Entry>, Vec<u8>)>,
    open: Option<EntryPath>,
}

impl Sink for MemorySink {
    fn begin(&mut self, entry: &Entry, _size: Option<u64>) -> Result<(), SinkError> {
        self.entries
            .insert(entry.path.clone(), (Some(entry.clone()), Vec::new()));
        self.open = Some(entry.path.clone());
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let content = self.content();
        assert_eq!(
            content.len() as u64,
            offset,
            "content comes in order, holes told"
        );
        content.extend_from_slice(bytes);
        Ok(())
    }

    fn hole(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        let content = self.content();
        assert_eq!(content.len() as u64, offset);
        content.resize((offset + len) as usize, 0);
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        self.open
            .take()
            .map(drop)
            .ok_or_else(|| "no entry is open".into())
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError> {
        self.entries
            .remove(path)
            .map(drop)
            .ok_or_else(|| "no such entry".into())
    }
}

impl MemorySink {
    fn content(&mut self) -> &mut Vec<u8> {
        let open = self.open.as_ref().expect("an entry is open");
        &mut self.entries.get_mut(open).expect("it was begun").1
    }

    pub fn get(&self, at: &str) -> &[u8] {
        &self
            .entries
            .get(&path(at))
            .unwrap_or_else(|| panic!("{at} is missing"))
            .1
    }
}

/// A file with these bytes.
pub fn file_of(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    io::Write::write_all(&mut file, bytes).expect("it takes the bytes");
    file
}

pub fn as_stream(archive: &[u8]) -> Input {
    Input::stream(io::Cursor::new(archive.to_vec()))
}

pub fn as_file(archive: &[u8]) -> Input {
    Input::File(file_of(archive))
}

pub fn unpacked(input: Input) -> Result<(MemorySink, UnpackReport), ReadError> {
    let mut sink = MemorySink::default();
    let report = unpack(input, &mut vec![key()], &mut sink, 2, &Unobserved)?;
    Ok((sink, report))
}

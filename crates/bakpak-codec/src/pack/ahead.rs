//! Opens sources and reads small files on a thread of its own, hashes them on a second one, both
//! ahead of what packs them.

use crate::entries::file_size;
use crate::input::read_full;
use crate::pipeline::{Awaited, Belt, Spares, Stopped, Waiting, handed_over};
use crate::source::{Identity, Opened, Source, SourceSize};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Extent, PART_LEN, aligned_extents};
use bakpak_format::limits::MAX_EXTENTS;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files up to this size are read whole before their header is written, so that a change while
/// reading can be mended by reading again.
pub(super) const WHOLE: u64 = PART_LEN;

/// How often a file is read before it is taken as it is, or given up.
pub(super) const TRIES: usize = 3;

/// Batches that wait to be hashed, and as many to be packed, besides those being filled, hashed and
/// packed.
pub(super) const DEPTH: usize = 1;

/// Batches that can be under way at once.
pub(super) const MAX_BATCHES: usize = 2 * DEPTH + 3;

/// A batch goes off with so much content, or so many sources.
const BATCH_LEN: usize = 256 << 10;
const BATCH_SOURCES: usize = 256;

/// Sources in their order, with the content of the small files end to end.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) sources: Vec<Prepared>,
    pub(super) content: Vec<u8>,
}

/// A source, as far as it can be prepared.
pub(super) enum Prepared {
    Small(SmallFile),
    /// It has no content.
    Bare(Entry),
    /// It is open; its content is still to be read. Nothing after it is looked at
    /// before that has been done: backups are read before all else.
    Open(Box<dyn Source>, Box<Opened>, Awaited),
    /// Opening it may wait for somebody, so all before it is packed first.
    Closed(Box<dyn Source>, Awaited),
    Unreadable(EntryPath, io::Error),
}

/// A file that was read whole.
pub(super) struct SmallFile {
    pub(super) entry: Entry,
    pub(super) identity: Option<Identity>,
    pub(super) content: Range<usize>,
    /// Of the content, once [`hash`] has seen the batch.
    pub(super) hash: Digest,
    /// Its size after reading, if it changed meanwhile, again and again.
    pub(super) changed: Option<u64>,
}

/// Says that nothing will be packed any more: of the rest only what is unreadable is told.
#[derive(Clone, Default)]
pub(super) struct OnlyProbe(Arc<AtomicBool>);

impl OnlyProbe {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Prepared {
    pub(super) fn path(&self) -> &EntryPath {
        match self {
            Self::Small(file) => &file.entry.path,
            Self::Bare(entry) => &entry.path,
            Self::Open(source, ..) | Self::Closed(source, _) => source.path(),
            Self::Unreadable(path, _) => path,
        }
    }
}

/// Prepares all sources, until nobody takes them any more.
pub(super) fn prepare(
    sources: impl Iterator<Item = Box<dyn Source>>,
    only_probe: &OnlyProbe,
    spares: &Spares<Batch>,
    belt: &Belt<Batch>,
) -> Result<(), Stopped> {
    let mut batch = Batch::default();
    for source in sources {
        let mut waiting = None;
        if only_probe.is_set() {
            batch.sources.extend(probed(source));
        } else {
            let prepared = prepared(source, &mut batch.content, &mut waiting);
            batch.sources.push(prepared);
        }
        let is_full = batch.content.len() >= BATCH_LEN || batch.sources.len() >= BATCH_SOURCES;
        if is_full || waiting.is_some() {
            let next = spares.take().unwrap_or_default();
            belt.put(std::mem::replace(&mut batch, next))?;
        }
        if let Some(waiting) = waiting {
            waiting.wait();
        }
    }
    belt.put(batch)
}

/// Hashes the small files of all batches, until nobody takes them any more: a fifth of what reading
/// them costs.
pub(super) fn hash(
    batches: impl Iterator<Item = Batch>,
    belt: &Belt<Batch>,
) -> Result<(), Stopped> {
    for mut batch in batches {
        for prepared in &mut batch.sources {
            if let Prepared::Small(file) = prepared {
                file.hash = Digest::of(&batch.content[file.content.clone()]);
            }
        }
        belt.put(batch)?;
    }
    Ok(())
}

/// Only looks whether a source can be opened.
fn probed(mut source: Box<dyn Source>) -> Option<Prepared> {
    if source.waits() {
        return None;
    }
    let opened = source.open();
    source.close();
    let path = source.path().clone();
    opened.err().map(|error| Prepared::Unreadable(path, error))
}

fn prepared(
    mut source: Box<dyn Source>,
    content: &mut Vec<u8>,
    waiting: &mut Option<Waiting>,
) -> Prepared {
    if source.waits() {
        let (awaited, wait) = handed_over();
        *waiting = Some(wait);
        return Prepared::Closed(source, awaited);
    }
    let start = content.len();
    match read_small(source.as_mut(), content) {
        Ok(Read::Whole(file)) => {
            source.close();
            Prepared::Small(file)
        }
        Ok(Read::Bare(entry)) => {
            source.close();
            Prepared::Bare(entry)
        }
        Ok(Read::Not(opened)) => {
            let (awaited, wait) = handed_over();
            *waiting = Some(wait);
            Prepared::Open(source, Box::new(opened), awaited)
        }
        Err(error) => {
            content.truncate(start);
            source.close();
            Prepared::Unreadable(source.path().clone(), error)
        }
    }
}

enum Read {
    Whole(SmallFile),
    Bare(Entry),
    /// It is open, but no small file.
    Not(Opened),
}

/// Reads a small file whole, and again if it changed meanwhile.
fn read_small(source: &mut dyn Source, content: &mut Vec<u8>) -> io::Result<Read> {
    let start = content.len();
    let mut tries = 0;
    loop {
        tries += 1;
        let opened = with_aligned_extents(source.open()?);
        let is_file = matches!(opened.entry.kind, EntryKind::File { .. });
        if !is_file || opened.size == SourceSize::Unknown || file_size(&opened.entry) > WHOLE {
            content.truncate(start);
            return Ok(match is_file {
                true => Read::Not(opened),
                false => Read::Bare(opened.entry),
            });
        }
        let end = start + file_size(&opened.entry) as usize;
        content.resize(end, 0);
        let read = read_all(source, &opened.entry, &mut content[start..]);
        let changed = match read.and_then(|()| source.identity()) {
            Ok(now) if now == opened.identity => None,
            Ok(now) if tries == TRIES => now.map(|now| now.size),
            Err(error) if tries == TRIES => return Err(error),
            _ => {
                source.close();
                continue;
            }
        };
        return Ok(Read::Whole(SmallFile {
            hash: Digest::ZERO,
            entry: opened.entry,
            identity: opened.identity,
            content: start..end,
            changed,
        }));
    }
}

pub(super) fn is_known_file(opened: &Opened) -> bool {
    opened.size == SourceSize::Known && matches!(opened.entry.kind, EntryKind::File { .. })
}

/// A sparse file with its extents as the stream must have them (spec: ENT-7).
pub(super) fn with_aligned_extents(mut opened: Opened) -> Opened {
    if let EntryKind::File { size, extents } = &mut opened.entry.kind {
        *extents = extents
            .take()
            .and_then(|found| aligned_extents(found, *size))
            .filter(|aligned| aligned.len() < MAX_EXTENTS);
    }
    opened
}

/// The stretches of data of a file: one, unless it has holes.
pub(super) fn extents(entry: &Entry) -> Vec<Extent> {
    match &entry.kind {
        EntryKind::File {
            extents: Some(extents),
            ..
        } => extents.clone(),
        EntryKind::File { size, .. } if *size > 0 => vec![Extent {
            offset: 0,
            len: *size,
        }],
        _ => Vec::new(),
    }
}

/// Reads a small file whole, holes as zeros; what it lacks is zeros, what it gained is not read.
fn read_all(source: &mut dyn Source, entry: &Entry, content: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    for extent in extents(entry) {
        let start = extent.offset as usize;
        let end = start + extent.len as usize;
        content[done..start].fill(0);
        let (len, read) = read_full(&mut content[start..end], |rest, done| {
            source.read_at(extent.offset + done, rest)
        });
        read?;
        done = start + len;
    }
    content[done..].fill(0);
    Ok(())
}

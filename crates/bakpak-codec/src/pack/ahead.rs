//! Opens sources and reads small files on a thread of its own, hashes them on a second one, both
//! ahead of what packs them.

use crate::entries::file_size;
use crate::grids::Grids;
use crate::input::read_full;
use crate::pipeline::{Awaited, Belt, Spares, Stopped, Waiting, handed_over};
use crate::source::{Identity, Opened, Source, SourceSize};
use crate::tap::Tap;
use crate::weight::memory_of;
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Extent, PART_LEN, aligned_extents};
use bakpak_format::limits::MAX_EXTENTS;
use bakpak_format::record::EntryFacts;
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

/// A batch goes off with so many bytes of content and entries, or when so many sources were looked
/// at for it.
const BATCH_LEN: usize = 256 << 10;
const BATCH_SOURCES: usize = 256;

/// A batch takes one file more before it goes off. Room that has grown for that beyond this is not
/// kept: a few files of 8 MiB must not leave as much behind in each batch. Fresh room costs a page
/// fault for each 4 KiB, so what files of the usual sizes need is kept.
const CONTENT_WORTH_KEEPING: usize = 4 << 20;

/// Sources in their order, with the content of the small files end to end.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) sources: Vec<Prepared>,
    pub(super) content: Vec<u8>,
    /// What the entries take: with all their attributes they may be larger than their content.
    entries_len: usize,
    /// Sources that were looked at. Of those that were only probed, most are not among `sources`.
    looked_at: usize,
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
    pub(super) grids: Grids,
    tap: Option<Box<dyn Tap>>,
    /// What the tap learned, once [`hash`] has seen the batch.
    pub(super) learned: Vec<EntryFacts>,
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

impl Batch {
    fn push(&mut self, prepared: Prepared) {
        self.entries_len += prepared.memory();
        self.sources.push(prepared);
    }

    fn is_full(&self) -> bool {
        self.content.len() + self.entries_len >= BATCH_LEN || self.looked_at >= BATCH_SOURCES
    }

    /// Gives the batch back for the next use, when its sources have been taken out.
    pub(super) fn give_back(mut self, spares: &Spares<Self>) {
        self.content.clear();
        self.content.shrink_to(CONTENT_WORTH_KEEPING);
        self.entries_len = 0;
        self.looked_at = 0;
        spares.give(self);
    }
}

impl Prepared {
    /// About what it takes, without content.
    fn memory(&self) -> usize {
        match self {
            Self::Small(file) => memory_of(&file.entry),
            Self::Bare(entry) => memory_of(entry),
            Self::Open(_, opened, _) => memory_of(&opened.entry),
            Self::Closed(source, _) => source.path().as_bytes().len(),
            Self::Unreadable(path, _) => path.as_bytes().len(),
        }
    }

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
        batch.looked_at += 1;
        if !only_probe.is_set() {
            let prepared = prepared(source, &mut batch.content, &mut waiting);
            batch.push(prepared);
        } else if let Some(unreadable) = probed(source) {
            batch.push(unreadable);
        }
        // One without sources goes off too: whoever takes it asks whether to go on.
        if batch.is_full() || waiting.is_some() {
            let next = spares.take().unwrap_or_default();
            belt.put(std::mem::replace(&mut batch, next))?;
        }
        if let Some(waiting) = waiting {
            waiting.wait();
        }
    }
    belt.put(batch)
}

/// Hashes the small files of all batches, a fifth of what reading them costs, and shows them to their
/// taps, until nobody takes them any more.
pub(super) fn hash(
    batches: impl Iterator<Item = Batch>,
    belt: &Belt<Batch>,
) -> Result<(), Stopped> {
    for mut batch in batches {
        for prepared in &mut batch.sources {
            if let Prepared::Small(file) = prepared {
                let content = &batch.content[file.content.clone()];
                file.hash = Digest::of(content);
                file.learned = match file.tap.take() {
                    Some(tap) => shown(tap, &file.entry, content),
                    None => Vec::new(),
                };
            }
        }
        belt.put(batch)?;
    }
    Ok(())
}

/// What a tap learns of the content of a small file.
fn shown(mut tap: Box<dyn Tap>, entry: &Entry, content: &[u8]) -> Vec<EntryFacts> {
    let mut done = 0;
    for extent in extents(entry) {
        let (start, end) = (extent.offset as usize, extent.offset + extent.len);
        if start > done {
            tap.zeros((start - done) as u64);
        }
        done = end as usize;
        tap.bytes(&content[start..done]);
    }
    if content.len() > done {
        tap.zeros((content.len() - done) as u64);
    }
    tap.finish()
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
        Ok(Read::Whole(mut file)) => {
            file.grids = Grids::new(source.grids());
            file.tap = source.tap();
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
            grids: Grids::default(),
            tap: None,
            learned: Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::in_front;

    /// A file of so many bytes, with attributes of as many as it says.
    struct Made {
        entry: Entry,
        attributes_len: usize,
    }

    impl Source for Made {
        fn path(&self) -> &EntryPath {
            &self.entry.path
        }

        fn open(&mut self) -> io::Result<Opened> {
            let xattrs = vec![(b"user.a".to_vec(), vec![1; self.attributes_len])];
            Ok(Opened {
                entry: Entry {
                    xattrs,
                    ..self.entry.clone()
                },
                size: SourceSize::Known,
                identity: None,
            })
        }

        fn read_at(&mut self, _: u64, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }

        fn identity(&mut self) -> io::Result<Option<Identity>> {
            Ok(None)
        }

        fn close(&mut self) {}
    }

    fn made(number: usize, size: u64, attributes_len: usize) -> Box<dyn Source> {
        let path = EntryPath::new(format!("home/{number:06}")).unwrap();
        let extents = None;
        let entry = Entry {
            path,
            kind: EntryKind::File { size, extents },
            mode: 0,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Default::default(),
            xattrs: Vec::new(),
            linked: false,
        };
        Box::new(Made {
            entry,
            attributes_len,
        })
    }

    /// Runs `take` over the batches of these sources.
    fn batches(
        sources: impl Iterator<Item = Box<dyn Source>> + Send,
        spares: &Spares<Batch>,
        mut take: impl FnMut(Batch),
    ) {
        let only_probe = OnlyProbe::default();
        let read = |belt: Belt<Batch>| prepare(sources, &only_probe, spares, &belt).unwrap();
        in_front(DEPTH, read, |batches| batches.for_each(&mut take)).unwrap();
    }

    #[test]
    fn a_batch_goes_off_with_so_many_bytes_of_attributes() {
        let spares = Spares::new(MAX_BATCHES);
        for (attributes_len, most) in [(1, BATCH_SOURCES), (60_000, 5), (900_000, 1)] {
            let sources = (0..600).map(|number| made(number, 0, attributes_len));
            let mut count = 0;
            batches(sources, &spares, |mut batch| {
                count += batch.sources.len();
                let len = batch.sources.drain(..).len();
                assert!(len <= most, "{len} with {attributes_len} bytes each");
                batch.give_back(&spares);
            });
            assert_eq!(count, 600);
        }
    }

    #[test]
    fn large_files_leave_no_large_batches_behind() {
        let spares = Spares::new(MAX_BATCHES);
        let sources = (0..20).map(|number| made(number, WHOLE, 0));
        let mut len = 0;
        batches(sources, &spares, |mut batch| {
            len += batch.content.len() as u64;
            batch.sources.clear();
            batch.give_back(&spares);
        });
        assert_eq!(len, 20 * WHOLE);
        let mut kept = 0;
        while let Some(spare) = spares.take() {
            kept += 1;
            assert!(spare.content.capacity() <= CONTENT_WORTH_KEEPING);
        }
        assert!(kept > 0);
    }
}

//! Going on with a pack that was stopped: behind the last stripe that is whole.

use super::plan::item_facts_of;
use super::{Keyed, PackReport, PackSettings, pack, write_archive};
use crate::entries::EntriesSoFar;
use crate::error::{Missing, PackError, ReadError};
use crate::observer::{Observer, Warning};
use crate::resume::{ContentSink, Ending, OpenContent, Partial, SoFar};
use crate::source::{Opened, Source};
use crate::tap::TapOf;
use crate::writer::{Standing, Start};
use bakpak_format::entry::EntryPath;
use bakpak_format::geometry::StreamOffset;
use bakpak_format::record::Cursor;
use passed::Passed;
use std::io::{self, Write};
use std::iter::Peekable;
use std::sync::Arc;

mod passed;

/// What is to be done first.
pub(super) enum First {
    /// Nothing: the next source begins.
    Nothing,
    /// The rest of a header; the source is open.
    Header(Box<HeaderBegun>),
    /// The rest of an entry's content.
    Content(Box<ContentBegun>),
}

/// An entry of which nothing stands but some bytes of its header, or none.
pub(super) struct HeaderBegun {
    pub(super) source: Box<dyn Source>,
    pub(super) opened: Opened,
    pub(super) stands: Vec<u8>,
}

/// An entry whose content is not complete.
pub(super) struct ContentBegun {
    /// As it was read again.
    pub(super) open: Option<OpenContent>,
    pub(super) header_offset: StreamOffset,
    pub(super) content_offset: StreamOffset,
    pub(super) source: Rest,
}

/// Where the rest of the content comes from.
pub(super) enum Rest {
    /// From the source, which is what it was.
    Same(Box<dyn Source>, Opened),
    /// From nowhere: the source is another one now, and is read anew.
    Changed(Box<dyn Source>, Opened),
    /// From nowhere, and it cannot be read.
    Unreadable(io::Error),
}

/// What was known when the run was stopped.
pub(super) struct Before {
    pub(super) entries: EntriesSoFar,
    pub(super) holds_something: bool,
    pub(super) missing: Vec<Missing>,
    pub(super) stream_offset: StreamOffset,
    pub(super) first: First,
}

/// A place at which writing can go on.
struct Continuation<I: Iterator<Item = Box<dyn Source>>> {
    stripes: usize,
    standing: Standing,
    before: Before,
    sources: Peekable<I>,
}

/// What became of looking at one place.
enum Look<I: Iterator<Item = Box<dyn Source>>> {
    GoOn(Box<Continuation<I>>),
    /// It cannot go on there; perhaps behind so many stripes.
    Earlier(usize),
}

/// Goes on with a pack that was stopped. `sources` gives all sources, as for [`pack`], each time it is
/// called: those that are packed already are passed over. Where nothing of the partial file can be
/// kept, all is packed anew.
///
/// What the archive holds is read once more, and shown to the taps that `tap_of` gives, as if it were
/// packed again; from its first entry on once more, if it shows that less of it can be kept. When that
/// is settled, `output` is asked for the file, cut to the length that is given, and to be written
/// from there on.
///
/// Of the settings, those that stand in the head are the partial file's own.
///
/// # Errors
///
/// As [`pack`]; and [`PackError::Partial`], if the partial file cannot be read, or is not what a
/// writer of this format leaves.
pub fn resume<I, W>(
    sources: impl Fn() -> I,
    mut settings: PackSettings,
    mut partial: Partial,
    tap_of: &mut TapOf<'_>,
    output: impl FnOnce(u64) -> io::Result<W>,
    observer: &dyn Observer,
) -> Result<PackReport, PackError>
where
    I: Iterator<Item = Box<dyn Source>> + Send,
    W: Write + Send,
{
    let cut = |len| {
        output(len).map_err(|source| PackError::Io {
            what: "cutting the partial file",
            source,
        })
    };
    let checked = partial.check(settings.threads, observer);
    let stripes = checked.map_err(read_failed)?;
    let looking = Looking {
        partial: &partial,
        sources: &sources,
        settings: &settings,
        tap_of,
        observer,
    };
    let Some(place) = looking.find(stripes)? else {
        return pack(sources(), settings, cut(0)?, observer);
    };
    let header = &partial.head().header;
    settings.block_size = Some(header.block_size);
    settings.parity = header.parity_geometry;
    if let Some(matching) = &mut settings.matching {
        matching.copy_reach = header.copy_reach;
    }
    let kept_len = partial.end_of(place.stripes).0;
    let output = cut(kept_len)?;
    let start = Start::Behind(Box::new(place.standing));
    let keyed = Keyed {
        archive_id: partial.archive_id(),
        subkeys: Arc::clone(partial.subkeys()),
        item_facts: item_facts_of(&settings, partial.subkeys()),
    };
    let before = Some(place.before);
    let report = write_archive(
        place.sources,
        settings,
        (keyed, start, before),
        output,
        observer,
    )?;
    Ok(PackReport {
        archive_len: report.archive_len + kept_len,
        kept_len,
        ..report
    })
}

/// Looks for the place where writing can go on.
struct Looking<'a, 't, S> {
    partial: &'a Partial,
    sources: &'a S,
    settings: &'a PackSettings,
    tap_of: &'a mut TapOf<'t>,
    observer: &'a dyn Observer,
}

impl<I, S> Looking<'_, '_, S>
where
    I: Iterator<Item = Box<dyn Source>>,
    S: Fn() -> I,
{
    /// The last place, behind at most so many stripes, at which writing can go on.
    fn find(mut self, mut stripes: usize) -> Result<Option<Box<Continuation<I>>>, PackError> {
        while stripes > 0 {
            match self.look(stripes)? {
                Look::GoOn(place) => return Ok(Some(place)),
                Look::Earlier(earlier) => stripes = earlier.min(stripes - 1),
            }
        }
        Ok(None)
    }

    /// Reads the first stripes again, to see whether writing can go on behind them.
    fn look(&mut self, stripes: usize) -> Result<Look<I>, PackError> {
        let (partial, observer) = (self.partial, self.observer);
        let cursor = partial.cursor(stripes).map_err(read_failed)?;
        let path = cursor
            .as_ref()
            .and_then(|cursor| EntryPath::new(cursor.path.clone()));
        let mut sink = ContentSink::new(path.clone(), self.tap_of);
        let mut passed = Passed::new((self.sources)());
        let watched = (self.settings.threads, observer);
        let so_far = partial.replay(stripes, &mut sink, &mut |row| passed.row(row), watched);
        let so_far = so_far.map_err(read_failed)?;
        let allow_incomplete = self.settings.allow_incomplete;
        let at = match first(&so_far, &mut passed, cursor.as_ref(), allow_incomplete) {
            Ok(first) => {
                let first = first.with(sink.kept());
                let place = continuation(partial, stripes, so_far, first, passed, observer);
                return Ok(Look::GoOn(Box::new(place)));
            }
            Err(at) => at,
        };
        if let (Ending::Content(begun, _), Some(path)) = (&so_far.ending, path)
            && *begun == at
        {
            observer.warn(Warning::GoneSince { path });
        }
        Ok(Look::Earlier(so_far.stripes_before(at)))
    }
}

/// What is to be done first; or what must not be there if it is to go on.
fn first<I>(
    so_far: &SoFar,
    passed: &mut Passed<I>,
    cursor: Option<&Cursor>,
    allow_incomplete: bool,
) -> Result<First, StreamOffset>
where
    I: Iterator<Item = Box<dyn Source>>,
{
    // What could not be read stops a run that wants all; perhaps it can be read now.
    if let (false, Some((_, at))) = (allow_incomplete, so_far.unreadable.first()) {
        return Err(*at);
    }
    match &so_far.ending {
        Ending::Anew(at) => Err(*at),
        Ending::Between => match passed.superseded() {
            None => Ok(First::Nothing),
            // Its replacement must follow at once.
            Some(at) => passed.begun(&[], &so_far.entries.order).ok_or(at),
        },
        Ending::Header(at, stands) => passed.begun(stands, &so_far.entries.order).ok_or(*at),
        &Ending::Content(header_offset, content_offset) => {
            let rest = cursor.and_then(|cursor| passed.rest(cursor));
            let rest = rest.or_else(|| {
                allow_incomplete
                    .then(Rest::gone)
                    .filter(|_| cursor.is_some())
            });
            let source = rest.ok_or(header_offset)?;
            Ok(First::Content(Box::new(ContentBegun {
                open: None,
                header_offset,
                content_offset,
                source,
            })))
        }
    }
}

fn continuation<I>(
    partial: &Partial,
    stripes: usize,
    so_far: SoFar,
    first: First,
    passed: Passed<I>,
    observer: &dyn Observer,
) -> Continuation<I>
where
    I: Iterator<Item = Box<dyn Source>>,
{
    let SoFar {
        records,
        entries,
        cost,
        holds_something,
        ..
    } = so_far;
    let stream_offset = records.checkpoint.stream_offset;
    let header = &partial.head().header;
    let standing = Standing {
        geometry: partial.geometry(),
        parts: partial.head_parts(),
        page_digests: partial.page_digests(stripes).to_vec(),
        records,
        cost,
        chunk_size: header.chunk_size,
        copy_reach: header.copy_reach,
    };
    let (sources, missing) = passed.finish(observer);
    let before = Before {
        entries,
        holds_something,
        missing,
        stream_offset,
        first,
    };
    Continuation {
        stripes,
        standing,
        before,
        sources,
    }
}

fn read_failed(error: ReadError) -> PackError {
    match error {
        ReadError::Interrupted => PackError::Interrupted,
        error => PackError::Partial(error),
    }
}

impl First {
    /// With what was read again of an entry that is not complete.
    fn with(mut self, content: Option<OpenContent>) -> Self {
        if let Self::Content(begun) = &mut self {
            begun.open = content;
        }
        self
    }
}

impl Rest {
    fn gone() -> Self {
        Self::Unreadable(io::ErrorKind::NotFound.into())
    }
}

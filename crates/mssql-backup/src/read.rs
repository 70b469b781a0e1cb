//! Reading a medium: its headers with seeks, or all of it piece by piece.

use std::io::{self, Read, Seek, SeekFrom};

use crate::check::Level;
use crate::container::MAGIC;
use crate::container::decoder::ContainerDecoder;
use crate::container::seek::{SeekError, SeekableContainer};
use crate::depth::Depth;
use crate::examine::Examiner;
use crate::headless::Headless;
use crate::report::{Medium, Report, Unreadable};
use crate::unpacked::Unpacked;
use crate::walk::Walk;

/// Bytes read at once.
const BUFFER_LEN: usize = 256 << 10;
/// Bytes read at once where most is passed over.
const SMALL_BUFFER_LEN: usize = 16 << 10;
/// Longer media are not counted on.
const MAX_LEN: u64 = 1 << 60;
/// What a native medium begins with.
const NATIVE: &[u8] = b"TAPE";

/// Reads descriptors only, and seeks over data and log: a few dozen reads for a set of any size,
/// and a few blocks of a compressed one.
///
/// # Errors
///
/// Reading or seeking fails. What is wrong with the medium is in the report.
pub fn read_headers(mut medium: impl Read + Seek) -> io::Result<Report> {
    let len = medium.seek(SeekFrom::End(0))?;
    medium.seek(SeekFrom::Start(0))?;
    let mut magic = [0; MAGIC.len()];
    let read = read_full(&mut medium, &mut magic)?;
    medium.seek(SeekFrom::Start(0))?;
    if magic != MAGIC {
        return match magic[..read].starts_with(NATIVE) {
            true => headers_of_native(medium, len),
            false => Ok(Report {
                len,
                ..Report::default()
            }),
        };
    }
    match headers_of_container(&mut medium) {
        Ok(mut report) => {
            report.len = len;
            Ok(report)
        }
        Err(SeekError::Io(error)) => Err(error),
        // Encrypted, damaged or not known: read in order it tells which, and where.
        Err(_) => {
            medium.seek(SeekFrom::Start(0))?;
            feed_all(medium, Checker::of_depth(Depth::Headers))
        }
    }
}

fn headers_of_native(mut medium: impl Read + Seek, len: u64) -> io::Result<Report> {
    let mut walk = Walk::new();
    let mut examiner = Examiner::new(Depth::Headers, false);
    let mut buffer = vec![0; SMALL_BUFFER_LEN];
    loop {
        let skippable = walk.skippable().min(len.saturating_sub(walk.offset()));
        if skippable > buffer.len() as u64 {
            walk.skip(skippable, &mut examiner);
            medium.seek(SeekFrom::Start(walk.offset()))?;
        }
        let read = read_some(&mut medium, &mut buffer)?;
        if read == 0 {
            return Ok(Report {
                medium: Medium::Native,
                ..examiner.finish(&walk)
            });
        }
        walk.feed(&buffer[..read], &mut examiner);
    }
}

fn headers_of_container(medium: impl Read + Seek) -> Result<Report, SeekError> {
    let mut container = SeekableContainer::open(medium)?;
    if container.header().is_encrypted() {
        return Ok(Report {
            medium: Medium::Container(*container.header()),
            unreadable: Some(Unreadable::Encrypted),
            ..Report::default()
        });
    }
    let mut walk = Walk::new();
    let mut examiner = Examiner::new(Depth::Headers, true);
    let mut buffer = vec![0; SMALL_BUFFER_LEN];
    loop {
        let skippable = walk.skippable();
        if skippable > 0 {
            let skipped = container.skip(skippable)?;
            walk.skip(skipped, &mut examiner);
        }
        let offset = container.stream_offset();
        let read = match container.read(&mut buffer) {
            Ok(read) => read,
            Err(error) => return Err(unwrapped(error)),
        };
        if read == 0 {
            let report = examiner.finish(&walk);
            return Ok(Report {
                medium: Medium::Container(*container.header()),
                container_blocks: container.decoded_count(),
                ..report
            });
        }
        examiner.places.block(offset, container.file_offset());
        walk.feed(&buffer[..read], &mut examiner);
    }
}

/// The error that a container gave through [`Read`].
fn unwrapped(error: io::Error) -> SeekError {
    match error.downcast::<SeekError>() {
        Ok(error) => error,
        Err(error) => SeekError::Io(error),
    }
}

/// Checks a medium as its bytes come, in pieces of any size.
///
/// It holds a few hundred KiB, and some KiB for each backup set.
pub struct Checker {
    state: State,
    depth: Depth,
    len: u64,
    /// Bytes of a hole that were not passed on yet: pieces of a hole are one hole.
    hole: u64,
}

/// What a checker knows so far of what it is fed.
#[allow(clippy::large_enum_variant, reason = "there is one for each file")]
enum State {
    /// The first bytes, fewer than tell what it is.
    Start(Vec<u8>),
    Native(Walk, Examiner),
    Container(ContainerDecoder, Unpacked),
    /// The first bytes are not known, so many: it may be any of both.
    Headless(Box<Headless>),
    Other,
}

impl Checker {
    /// Starts at the beginning of a medium.
    #[must_use]
    pub fn new() -> Self {
        Self::of_depth(Depth::Everything)
    }

    fn of_depth(depth: Depth) -> Self {
        let state = State::Start(Vec::new());
        Self {
            state,
            depth,
            len: 0,
            hole: 0,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.pass_hole();
        self.len += bytes.len() as u64;
        let mut start = Vec::new();
        if let State::Start(first) = &mut self.state {
            first.extend_from_slice(bytes);
            if first.len() < MAGIC.len() {
                return;
            }
            start = std::mem::take(first);
            self.begin(&start);
        }
        let bytes = if start.is_empty() { bytes } else { &start };
        match &mut self.state {
            State::Native(walk, examiner) => walk.feed(bytes, examiner),
            State::Container(decoder, unpacked) => {
                decoder.feed(bytes, &mut |piece| unpacked.take(piece));
            }
            State::Headless(headless) => headless.feed(bytes),
            State::Start(_) | State::Other => {}
        }
    }

    /// Passes over the next bytes of the file, which are not known.
    ///
    /// What was in them is in the report: [`crate::Lost`] of each backup set, and faults. If the first
    /// bytes are among them, that is a fault, and what medium it is shows from what follows.
    pub fn feed_hole(&mut self, len: u64) {
        // Beyond what any file has places are not counted.
        let left = MAX_LEN.saturating_sub(self.len).saturating_sub(self.hole);
        self.hole += len.min(left);
    }

    /// Takes so many zeros, as a hole in a file has them.
    pub fn feed_zeros(&mut self, mut len: u64) {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        while len > 0 {
            let now = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
            self.feed(&ZEROS[..now]);
            len -= now as u64;
        }
    }

    /// Ends: nothing more comes.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.pass_hole();
        if let State::Start(first) = &mut self.state {
            // Too short for any medium, and perhaps the start of one.
            let first = std::mem::take(first);
            self.begin(&first);
            match &mut self.state {
                State::Native(walk, examiner) => walk.feed(&first, examiner),
                State::Container(decoder, unpacked) => {
                    decoder.feed(&first, &mut |piece| unpacked.take(piece));
                }
                State::Headless(_) | State::Start(_) | State::Other => {}
            }
        }
        let report = match self.state {
            State::Native(walk, examiner) => Report {
                medium: Medium::Native,
                ..examiner.finish(&walk)
            },
            State::Container(decoder, mut unpacked) => {
                let summary = decoder.finish(&mut |piece| unpacked.take(piece));
                unpacked.finish(&summary)
            }
            State::Headless(headless) => headless.finish(),
            State::Start(_) | State::Other => Report::default(),
        };
        Report {
            len: self.len,
            ..report
        }
    }

    /// Passes on the hole that is over now.
    fn pass_hole(&mut self) {
        let len = std::mem::take(&mut self.hole);
        if len == 0 {
            return;
        }
        if let State::Start(first) = &mut self.state {
            let first = std::mem::take(first);
            self.begin_before_hole(&first, len);
        }
        let offset = self.len;
        self.len += len;
        match &mut self.state {
            State::Native(walk, examiner) => {
                let message = format!("{len} bytes are not known");
                examiner.fault_in_file(Level::Tiling, offset, message);
                walk.hole(len, examiner);
            }
            State::Container(decoder, unpacked) => {
                decoder.feed_hole(len, &mut |piece| unpacked.take(piece));
            }
            State::Headless(headless) => headless.feed_hole(offset, len),
            State::Start(_) | State::Other => {}
        }
    }

    /// The same where a hole follows them.
    fn begin_before_hole(&mut self, first: &[u8], hole: u64) {
        self.begin(first);
        match &mut self.state {
            State::Native(walk, examiner) => walk.feed(first, examiner),
            state => {
                let missing = first.len() as u64 + hole;
                *state = State::Headless(Box::new(Headless::new(self.depth, missing, first.len())));
            }
        }
    }

    /// Decides what it is by its first bytes.
    fn begin(&mut self, first: &[u8]) {
        let is_native = first.len() >= NATIVE.len() && first.starts_with(NATIVE);
        self.state = if is_native {
            State::Native(Walk::new(), Examiner::new(self.depth, false))
        } else if first.starts_with(&MAGIC) {
            State::Container(ContainerDecoder::new(), Unpacked::new(self.depth))
        } else {
            State::Other
        };
    }
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads and checks everything, from here to the end.
///
/// # Errors
///
/// Reading fails.
pub fn check(medium: impl Read) -> io::Result<Report> {
    feed_all(medium, Checker::new())
}

fn feed_all(mut medium: impl Read, mut checker: Checker) -> io::Result<Report> {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let read = read_some(&mut medium, &mut buffer)?;
        if read == 0 {
            return Ok(checker.finish());
        }
        checker.feed(&buffer[..read]);
    }
}

/// Fills the buffer as far as the medium goes.
fn read_full(medium: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let read = read_some(medium, &mut buffer[filled..])?;
        if read == 0 {
            break;
        }
        filled += read;
    }
    Ok(filled)
}

fn read_some(medium: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match medium.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

//! Reading a medium: its headers with seeks, or all of it piece by piece.

use std::io::{self, Read, Seek, SeekFrom};

use crate::examine::{Depth, Examiner};
use crate::report::Report;
use crate::walk::Walk;

/// Bytes read at once.
const BUFFER_LEN: usize = 256 << 10;

/// Reads descriptors only, and seeks over data and log: a few dozen reads for a set of any size.
///
/// # Errors
///
/// Reading or seeking fails. What is wrong with the medium is in the report.
pub fn read_headers(mut medium: impl Read + Seek) -> io::Result<Report> {
    let len = medium.seek(SeekFrom::End(0))?;
    medium.seek(SeekFrom::Start(0))?;
    let mut walk = Walk::new();
    let mut examiner = Examiner::new(Depth::Headers, false);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let skippable = walk.skippable().min(len.saturating_sub(walk.offset()));
        if skippable > buffer.len() as u64 {
            walk.skip(skippable, &mut examiner);
            medium.seek(SeekFrom::Start(walk.offset()))?;
        }
        let read = read_some(&mut medium, &mut buffer)?;
        if read == 0 {
            break;
        }
        walk.feed(&buffer[..read], &mut examiner);
    }
    Ok(report(walk, examiner))
}

/// Checks a medium as its bytes come, in pieces of any size.
pub struct Checker {
    walk: Walk,
    examiner: Examiner,
}

impl Checker {
    /// Starts at the beginning of a medium.
    #[must_use]
    pub fn new() -> Self {
        Self {
            walk: Walk::new(),
            examiner: Examiner::new(Depth::Everything, false),
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.walk.feed(bytes, &mut self.examiner);
    }

    /// Ends: nothing more comes.
    #[must_use]
    pub fn finish(self) -> Report {
        report(self.walk, self.examiner)
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
pub fn check(mut medium: impl Read) -> io::Result<Report> {
    let mut checker = Checker::new();
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let read = read_some(&mut medium, &mut buffer)?;
        if read == 0 {
            return Ok(checker.finish());
        }
        checker.feed(&buffer[..read]);
    }
}

fn read_some(medium: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match medium.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn report(walk: Walk, examiner: Examiner) -> Report {
    let collected = examiner.finish(&walk);
    Report {
        len: walk.offset(),
        label: collected.label,
        descriptors: collected.media,
        sets: collected.sets,
        levels: collected.tallies.reports(),
        faults: collected.faults.first,
        fault_count: collected.faults.count,
        notes: collected.notes,
    }
}

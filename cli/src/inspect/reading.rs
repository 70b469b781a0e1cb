//! Reading a file that may be long: with progress, and stopped by a signal.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bakpak_codec::observer::Observer;

use crate::backups::Depth;
use crate::exit::Failure;
use crate::interrupt::{self, Phase};
use crate::output::Output;
use crate::progress::Progress;

/// Shorter files are read before anybody could look at a bar.
const SHOWN_FROM_LEN: u64 = 64 << 20;

/// A file that is being read.
pub(super) struct Reading<'a> {
    file: &'a File,
    /// What is read to its end can be interrupted.
    progress: Option<Progress<'a>>,
    is_shown: bool,
    done: u64,
}

impl<'a> Reading<'a> {
    /// Starts at the file's beginning.
    ///
    /// # Errors
    ///
    /// A signal came already; its length cannot be told.
    pub(super) fn start(file: &'a File, depth: Depth, output: &'a Output) -> anyhow::Result<Self> {
        let mut start = file;
        start.rewind()?;
        let len = file.metadata()?.len();
        let progress = match depth {
            Depth::Headers => None,
            Depth::Everything => {
                interrupt::enter(Phase::Asked)?;
                Some(Progress::new(output, "verified", Some(len)))
            }
        };
        Ok(Self {
            file,
            progress,
            is_shown: len >= SHOWN_FROM_LEN,
            done: 0,
        })
    }

    /// Ends the reading: the bar goes.
    ///
    /// # Errors
    ///
    /// It was interrupted: what was read is not all.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.progress.is_some() {
            true => interrupt::enter(Phase::Sudden),
            false => Ok(()),
        }
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done += read as u64;
        if let Some(progress) = &self.progress {
            // Not the kind `Interrupted`, after which readers try again.
            if progress.cancelled() {
                return Err(io::Error::other("interrupted"));
            }
            if self.is_shown {
                progress.progress(self.done);
            }
        }
        Ok(read)
    }
}

impl Seek for Reading<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

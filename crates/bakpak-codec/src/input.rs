//! Where an archive is read from: a file, by position, or a stream, once.

use crate::error::{Finding, ReadError};
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::tail::{LOCATOR_LEN, Locator};
use std::fs::File;
use std::io::{self, Read};

/// An archive to read.
pub enum Input {
    /// A regular file, read from its start.
    File(File),
    /// A pipe: read once, from front to back.
    Stream {
        /// What comes out of it.
        reader: Box<dyn Read + Send>,
        /// Bytes free in the temporary folder (that of `std::env::temp_dir`), if that is known: an
        /// archive whose copies ask for more is then refused at once.
        spool_room: Option<u64>,
    },
}

impl Input {
    /// Takes a file: by position if it is a regular one, as a stream otherwise.
    ///
    /// # Errors
    ///
    /// The system does not tell what it is.
    pub fn from_file(file: File) -> io::Result<Self> {
        let regular = file.metadata()?.is_file();
        Ok(if regular {
            Self::File(file)
        } else {
            Self::stream(file)
        })
    }

    /// Takes a pipe. Nothing is known of the temporary folder.
    pub fn stream(reader: impl Read + Send + 'static) -> Self {
        Self::Stream {
            reader: Box::new(reader),
            spool_room: None,
        }
    }

    /// The same input; if it is a pipe, so many bytes are free in the temporary folder.
    #[must_use]
    pub fn with_spool_room(mut self, free: Option<u64>) -> Self {
        if let Self::Stream { spool_room, .. } = &mut self {
            *spool_room = free;
        }
        self
    }
}

/// The locator at the end of a file, if it is whole.
pub(crate) fn locator(file: &File) -> Option<Locator> {
    let len = file.metadata().ok()?.len();
    let mut bytes = [0; LOCATOR_LEN];
    read_exact_at(file, &mut bytes, len.checked_sub(LOCATOR_LEN as u64)?).ok()?;
    Locator::decode(&bytes).ok().flatten()
}

/// Whether an archive's end is there.
pub(crate) fn is_locator(bytes: &[u8; LOCATOR_LEN]) -> bool {
    matches!(Locator::decode(bytes), Ok(Some(_)))
}

/// Reads exactly `buffer` at `offset`, without moving the file's position.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match read_full_at(file, buffer, offset)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Fills `buffer` as far as the reader goes; the number of bytes read is short only at its end.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// An archive being read from front to back.
pub(crate) struct Feed {
    input: Input,
    position: u64,
}

impl Feed {
    pub(crate) fn new(input: Input) -> Self {
        Self { input, position: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The file, if it can be read by position.
    pub(crate) fn file(&self) -> Option<&File> {
        match &self.input {
            Input::File(file) => Some(file),
            Input::Stream { .. } => None,
        }
    }

    /// Bytes free to spool what comes from a pipe, if that is known.
    pub(crate) fn spool_room(&self) -> Option<u64> {
        match &self.input {
            Input::File(_) => None,
            Input::Stream { spool_room, .. } => *spool_room,
        }
    }

    /// Fills `buffer` as far as the archive goes.
    ///
    /// # Errors
    ///
    /// The system cannot read.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let read = match &mut self.input {
            Input::File(file) => read_full_at(file, buffer, self.position),
            Input::Stream { reader, .. } => read_full(reader.as_mut(), buffer),
        };
        let read = read.map_err(|source| ReadError::Io {
            what: "reading the archive",
            source,
        })?;
        self.position += read as u64;
        Ok(read)
    }

    /// Reads `len` more bytes of a structure behind what `buffer` holds.
    ///
    /// # Errors
    ///
    /// The archive ends before: truncated.
    pub(crate) fn extend(
        &mut self,
        buffer: &mut Vec<u8>,
        len: usize,
        structure: Structure,
    ) -> Result<(), ReadError> {
        let start = buffer.len();
        buffer.resize(start + len, 0);
        let read = self.fill(&mut buffer[start..])?;
        if read == len {
            return Ok(());
        }
        let got = &buffer[start..start + read];
        let mut finding: Finding = FormatError::Truncated { structure }.into();
        let end_is_there = match self.file() {
            Some(file) => locator(file).is_some(),
            None => got.last_chunk().is_some_and(is_locator),
        };
        if end_is_there {
            finding.class = Class::Damaged;
            finding.rule = Some("FIL-1");
            finding.message = "bytes are missing in the middle".into();
        }
        Err(finding.at(self.position).into())
    }
}

/// Fills `buffer` from `offset` on, as far as the file goes.
fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let rest = &mut buffer[done..];
        let at = offset + done as u64;
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, rest, at);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, rest, at);
        match read {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

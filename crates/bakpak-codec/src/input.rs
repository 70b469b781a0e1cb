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

/// Reads into `buffer` what there is at `offset`, and says how much that is.
pub(crate) fn read_part_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let (len, read) = read_full(buffer, |rest, done| read_at(file, rest, offset + done));
    read.map(|()| len)
}

/// Reads exactly `buffer` at `offset`, without moving the file's position.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match read_part_at(file, buffer, offset)? {
        len if len < buffer.len() => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Calls `read` until `buffer` is full or nothing comes; it is told how much is there already.
/// Gives the number of bytes that are there at the end, and what reading failed with.
pub(crate) fn read_full(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < buffer.len() {
        match read(&mut buffer[done..], done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
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

    /// A file, read from this place on.
    ///
    /// # Errors
    ///
    /// The system gives no further handle of it.
    pub(crate) fn at(file: &File, position: u64) -> Result<Self, ReadError> {
        let file = file.try_clone().map_err(ReadError::reading)?;
        let input = Input::File(file);
        Ok(Self { input, position })
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at another place; only of a file.
    pub(crate) fn seek(&mut self, position: u64) {
        debug_assert!(self.file().is_some(), "a pipe cannot be sought");
        self.position = position;
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
        let start = self.position;
        let (len, read) = match &mut self.input {
            Input::File(file) => read_full(buffer, |rest, done| read_at(file, rest, start + done)),
            Input::Stream { reader, .. } => read_full(buffer, |rest, _| reader.read(rest)),
        };
        read.map_err(ReadError::reading)?;
        self.position += len as u64;
        Ok(len)
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
            finding.message =
                "the archive is shorter than it says: bytes are missing in the middle".into();
        }
        Err(finding.at(self.position).into())
    }
}

/// Reads from a place of a file, as much as comes at once.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
}

//! An entry's content, compared with a file that an earlier run left.

use std::fs::File;
use std::io;

use crate::earlier::Found;
use crate::platform::os;

/// So much is read at once.
const BUFFER_LEN: usize = 256 * 1024;

/// A file of an earlier run, as far as it is known to be the entry.
#[derive(Debug)]
pub(super) struct Comparing {
    pub(super) found: Found,
    /// What was said to be the entry's length.
    pub(super) known_len: Option<u64>,
    /// All before this was compared and is equal.
    pub(super) end: u64,
    buffer: Vec<u8>,
}

impl Comparing {
    pub(super) fn new(found: Found, known_len: Option<u64>) -> Self {
        Self {
            found,
            known_len,
            end: 0,
            buffer: Vec::new(),
        }
    }

    /// Whether the file has these bytes there, and zeros up to there. What cannot be read has not.
    pub(super) fn has(&mut self, offset: u64, mut bytes: &[u8]) -> bool {
        let Some(after) = offset.checked_add(bytes.len() as u64) else {
            return false;
        };
        if offset < self.end || !self.has_hole_to(offset) {
            return false;
        }
        let mut at = offset;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_LEN));
            if !matches!(self.read(at, now.len()), Ok(read) if read == now) {
                return false;
            }
            at += now.len() as u64;
            bytes = later;
        }
        self.end = after;
        true
    }

    /// Whether the file has nothing but zeros from what was compared up to `end`.
    pub(super) fn has_hole_to(&mut self, end: u64) -> bool {
        let mut at = self.end;
        while at < end {
            at = match os::next_data(&self.found.file, at) {
                Ok(Some(data)) => data.max(at),
                Ok(None) => end,
                Err(_) => return false,
            };
            let len = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let len = len.min(BUFFER_LEN);
            let is_zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
            if len > 0 && !matches!(self.read(at, len), Ok(read) if is_zero(read)) {
                return false;
            }
            at = at.saturating_add(len as u64);
        }
        self.end = self.end.max(end);
        true
    }

    /// The length, if the file is the whole entry.
    pub(super) fn is_whole(&mut self) -> Option<u64> {
        let len = self.known_len.unwrap_or(self.end);
        (len == self.found.len && self.has_hole_to(len)).then_some(len)
    }

    /// Copies what was compared.
    pub(super) fn copy_to(&mut self, to: &File) -> io::Result<()> {
        let mut at = 0;
        while at < self.end {
            at = match os::next_data(&self.found.file, at)? {
                Some(data) if data < self.end => data.max(at),
                _ => break,
            };
            let len = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let bytes = self.read(at, len.min(BUFFER_LEN))?;
            os::write_all_at(to, bytes, at)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    /// Exactly so many bytes.
    fn read(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        self.buffer.resize(len.max(self.buffer.len()), 0);
        let mut done = 0;
        while done < len {
            let rest = &mut self.buffer[done..len];
            match os::read_at(&self.found.file, rest, offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done += read,
            }
        }
        Ok(&self.buffer[..len])
    }
}

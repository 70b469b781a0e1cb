//! The file that is walked: what has been read of it and not taken, and how much was taken.

use std::io::{self, Read};

const BUFFER_LEN: usize = 64 << 10;

/// The file, and how far it has been taken.
pub(super) struct Input<R> {
    reader: R,
    buffer: Box<[u8]>,
    /// What of the buffer has been read and not taken.
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER_LEN].into(),
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// How many bytes were taken.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> io::Result<[u8; LEN]> {
        let mut array = [0; LEN];
        self.fill(&mut array)?;
        Ok(array)
    }

    pub(super) fn bytes(&mut self, len: u16) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len.into()];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// What comes: `len` bytes or more of it, fewer only where the file ends. No more than a
    /// buffer holds can be asked for.
    pub(super) fn ahead(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.end - self.start < len.min(BUFFER_LEN) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// The first `len` bytes of what has been read and not taken.
    pub(super) fn read(&self, len: usize) -> &[u8] {
        &self.buffer[self.start..self.end][..len]
    }

    /// What comes, at least one byte and at most `most_len`.
    pub(super) fn some(&mut self, most_len: Option<u64>) -> io::Result<&[u8]> {
        let bytes = self.ahead(1)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let most_len = most_len.unwrap_or(u64::MAX);
        let len = usize::try_from(most_len).map_or(bytes.len(), |most| most.min(bytes.len()));
        Ok(&bytes[..len])
    }

    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        self.ahead(1).map(<[u8]>::is_empty)
    }

    /// Takes what has been read.
    pub(super) fn take(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    pub(super) fn skip(&mut self, len: u64) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let now = self.some(Some(left))?.len();
            self.take(now);
            left -= now as u64;
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            let left = (bytes.len() - filled) as u64;
            let now = self.some(Some(left))?;
            let len = now.len();
            bytes[filled..][..len].copy_from_slice(now);
            filled += len;
            self.take(len);
        }
        Ok(())
    }
}

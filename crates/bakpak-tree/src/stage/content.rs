//! The content of an entry, while it is written.

use std::fs::File;
use std::io;

use crate::platform::os;

/// The content of an open entry.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) file: File,
    /// Its name among the hidden files, if it is one.
    pub(super) hidden_as: Option<Vec<u8>>,
    /// What was said to be its length.
    known_len: Option<u64>,
    /// Length of the file so far.
    file_len: u64,
    /// The end of all that was written or left as a hole.
    end: u64,
}

impl Writing {
    pub(super) fn new(file: File, known_len: Option<u64>, hidden_as: Option<Vec<u8>>) -> Self {
        Self {
            file,
            hidden_as,
            known_len,
            file_len: 0,
            end: 0,
        }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        os::write_all_at(&self.file, bytes, offset)?;
        self.file_len = self.file_len.max(offset + bytes.len() as u64);
        self.end = self.end.max(self.file_len);
        Ok(())
    }

    /// What was never written is a hole already; what was is overwritten with zeros.
    pub(super) fn hole(&mut self, offset: u64, len: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let end = offset.saturating_add(len);
        let mut at = offset;
        while at < end.min(self.file_len) {
            let len = (end.min(self.file_len) - at).min(ZEROS.len() as u64);
            os::write_all_at(&self.file, &ZEROS[..len as usize], at)?;
            at += len;
        }
        self.end = self.end.max(end);
        Ok(())
    }

    /// What comes before `end` is in the file already.
    pub(super) fn is_filled_to(&mut self, end: u64) {
        self.end = end;
        self.file_len = self.file.metadata().map_or(0, |metadata| metadata.len());
    }

    pub(super) fn finish(&self) -> io::Result<u64> {
        let len = self.known_len.unwrap_or(self.end);
        if len != self.file_len {
            self.file.set_len(len)?;
        }
        Ok(len)
    }
}

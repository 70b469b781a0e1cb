//! The bytes of the medium that were fed and not yet passed.

#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// How many of `bytes` are passed.
    passed: usize,
    file_offset: u64,
}

impl Window {
    pub(super) fn push(&mut self, slice: &[u8]) {
        // Moving what is left costs no more than what was passed.
        if self.passed >= self.bytes.len() - self.passed {
            self.bytes.drain(..self.passed);
            self.passed = 0;
        }
        self.bytes.extend_from_slice(slice);
    }

    /// What is not yet passed.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.bytes[self.passed..]
    }

    /// Where `ahead` starts in the medium.
    pub(super) fn file_offset(&self) -> u64 {
        self.file_offset
    }

    /// Passes over all that is ahead, and over bytes that were not fed.
    pub(super) fn pass_hole(&mut self, len: u64) {
        self.advance(self.ahead().len());
        self.file_offset = self.file_offset.saturating_add(len);
    }

    pub(super) fn advance(&mut self, len: usize) {
        let len = len.min(self.bytes.len() - self.passed);
        self.passed += len;
        self.file_offset += len as u64;
    }
}

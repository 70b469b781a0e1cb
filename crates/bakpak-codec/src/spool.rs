//! Sealed blocks from a pipe, kept for COPY as far back as it may reach (spec: RDR-4).
//!
//! Never plaintext. A file cannot give back its beginning, so the blocks go into several files, one
//! after the other, and a file with nothing in it that COPY may reach is removed.

use crate::input::read_exact_at;
use bakpak_format::geometry::{BlockIndex, BlockSize};
use bakpak_format::header::Header;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// A bounded reach is spread over so many files: so much more than the reach is on disk at most.
const FILES_PER_REACH: u64 = 4;

/// What records, scripts and rows take beside content, at most one byte in so many.
const CONTENT_PER_RECORD_BYTE: u64 = 64;

/// The sealed blocks that came last.
pub(crate) struct Spool {
    block_size: BlockSize,
    /// A file with so many bytes takes no more.
    file_len: u64,
    files: VecDeque<SpoolFile>,
}

struct SpoolFile {
    first: BlockIndex,
    block_count: u64,
    file: File,
}

impl Spool {
    /// Keeps at least as many blocks as an archive with this header asks for.
    ///
    /// # Errors
    ///
    /// There is no temporary folder to write to.
    pub(crate) fn new(header: &Header) -> io::Result<Self> {
        Ok(Self {
            block_size: header.block_size,
            file_len: file_len(header.copy_reach),
            files: VecDeque::from([SpoolFile::new(BlockIndex(0))?]),
        })
    }

    /// Bytes it takes at most, of content that does not compress; `None` if that is not bounded.
    /// So many chunks are under way before it is known that they copy nothing.
    pub(crate) fn most_len(header: &Header, under_way: usize) -> Option<u64> {
        let reach = Some(header.copy_reach).filter(|&reach| reach < u64::MAX)?;
        // And the one in which the reach ends.
        let chunks = (under_way as u64 + 1).saturating_mul(header.chunk_size as u64);
        let content = reach.saturating_add(chunks);
        let records = content.saturating_add(content / CONTENT_PER_RECORD_BYTE);
        let block_len = header.block_size.bytes() as u64;
        let blocks = records / header.block_size.payload_len() as u64 + 3;
        let sealed = blocks.saturating_mul(block_len);
        Some(sealed.saturating_add(file_len(reach)))
    }

    /// Keeps the next block.
    ///
    /// # Errors
    ///
    /// The temporary folder is full, or cannot be written.
    pub(crate) fn push(&mut self, block: &[u8]) -> io::Result<()> {
        let block_len = self.block_size.bytes() as u64;
        let file = match self.files.back_mut() {
            Some(last) if last.block_count * block_len < self.file_len => last,
            last => {
                let first = last.map_or(BlockIndex(0), |last| last.first.plus(last.block_count));
                self.files.push_back(SpoolFile::new(first)?);
                return self.push(block);
            }
        };
        // Windows moves the position when it reads at another one.
        file.file
            .seek(SeekFrom::Start(file.block_count * block_len))?;
        file.file.write_all(block)?;
        file.block_count += 1;
        Ok(())
    }

    /// Reads a block again.
    ///
    /// # Errors
    ///
    /// It is no longer there, or cannot be read.
    pub(crate) fn read(&self, index: BlockIndex, sealed: &mut [u8]) -> io::Result<()> {
        let after = self.files.partition_point(|file| file.first <= index);
        let Some(file) = after.checked_sub(1).and_then(|at| self.files.get(at)) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let offset = (index.0 - file.first.0) * self.block_size.bytes() as u64;
        read_exact_at(&file.file, sealed, offset)
    }

    /// No block before this one is needed any more.
    pub(crate) fn drop_before(&mut self, index: BlockIndex) {
        while self.files.get(1).is_some_and(|file| file.first <= index) {
            self.files.pop_front();
        }
    }
}

impl SpoolFile {
    fn new(first: BlockIndex) -> io::Result<Self> {
        Ok(Self {
            first,
            block_count: 0,
            file: tempfile::tempfile()?,
        })
    }
}

fn file_len(copy_reach: u64) -> u64 {
    copy_reach / FILES_PER_REACH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> Vec<u8> {
        vec![number as u8; BlockSize::FOUR_KIB.bytes()]
    }

    fn kept(spool: &Spool) -> Vec<u64> {
        let mut sealed = block(99);
        let is_kept = |number: &u64| {
            let read = spool.read(BlockIndex(*number), &mut sealed);
            read.is_ok_and(|()| sealed == block(*number))
        };
        (0..20).filter(is_kept).collect()
    }

    #[test]
    fn what_is_needed_stays_and_whole_files_go() {
        let mut spool = Spool {
            block_size: BlockSize::FOUR_KIB,
            // Three blocks to a file.
            file_len: 2 * 4096 + 1,
            files: VecDeque::new(),
        };
        for number in 0..10 {
            spool.push(&block(number)).unwrap();
        }
        assert_eq!(kept(&spool), Vec::from_iter(0..10));
        spool.drop_before(BlockIndex(5));
        assert_eq!(kept(&spool), Vec::from_iter(3..10));
        spool.drop_before(BlockIndex(2));
        assert_eq!(kept(&spool), Vec::from_iter(3..10));
        for number in 10..12 {
            spool.push(&block(number)).unwrap();
        }
        spool.drop_before(BlockIndex(12));
        assert_eq!(kept(&spool), [9, 10, 11]);
        spool.push(&block(12)).unwrap();
        spool.drop_before(BlockIndex(12));
        assert_eq!(kept(&spool), [12]);
    }
}

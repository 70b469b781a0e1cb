//! Where the blocks of a damaged archive really are, to be read again.

use crate::input::read_exact_at;
use bakpak_format::geometry::{BlockIndex, Geometry};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// The sealed blocks that were found, or made from parity.
///
/// Those that stand where they should take no memory; of lost ones nobody asks.
pub(crate) struct FoundBlocks {
    geometry: Geometry,
    file: File,
    elsewhere: HashMap<BlockIndex, Where>,
    /// Mended blocks, one after the other; never plaintext. None before the first.
    mended: Option<File>,
    mended_count: u64,
}

/// Where a block is that is not at its offset.
#[derive(Clone, Copy)]
enum Where {
    /// In the file, displaced by so many bytes.
    Displaced(i64),
    /// Among the mended ones.
    Mended(u64),
}

impl FoundBlocks {
    /// All blocks are where they should be, so far.
    pub(crate) fn new(file: File, geometry: Geometry) -> Self {
        Self {
            geometry,
            file,
            elsewhere: HashMap::new(),
            mended: None,
            mended_count: 0,
        }
    }

    /// A block stands so many bytes behind its offset.
    pub(crate) fn displaced(&mut self, index: BlockIndex, by: i64) {
        if by != 0 {
            self.elsewhere.insert(index, Where::Displaced(by));
        }
    }

    /// Keeps a block that is not in the file as it must be.
    ///
    /// # Errors
    ///
    /// There is no temporary folder to write to, or it is full.
    pub(crate) fn keep_mended(&mut self, index: BlockIndex, sealed: &[u8]) -> io::Result<()> {
        let number = self.mended_count;
        let offset = number * self.geometry.block_size.bytes() as u64;
        let mended = match &mut self.mended {
            Some(mended) => mended,
            none => none.insert(tempfile::tempfile()?),
        };
        // Windows moves the position when it reads at another one.
        mended.seek(SeekFrom::Start(offset))?;
        mended.write_all(sealed)?;
        self.mended_count += 1;
        self.elsewhere.insert(index, Where::Mended(number));
        Ok(())
    }

    /// Whether a block was mended.
    pub(crate) fn is_mended(&self, index: BlockIndex) -> bool {
        matches!(self.elsewhere.get(&index), Some(Where::Mended(_)))
    }

    /// How many blocks were mended.
    pub(crate) fn mended_count(&self) -> u64 {
        self.mended_count
    }

    /// Reads a block.
    ///
    /// # Errors
    ///
    /// It is not there, or cannot be read.
    pub(crate) fn read(&self, index: BlockIndex, sealed: &mut [u8]) -> io::Result<()> {
        let offset = self.geometry.block_offset(index).0;
        match self.elsewhere.get(&index) {
            None => read_exact_at(&self.file, sealed, offset),
            Some(Where::Displaced(by)) => {
                let place = offset.checked_add_signed(*by);
                let place = place.ok_or(io::ErrorKind::UnexpectedEof)?;
                read_exact_at(&self.file, sealed, place)
            }
            Some(Where::Mended(number)) => {
                let mended = self.mended.as_ref().ok_or(io::ErrorKind::NotFound)?;
                read_exact_at(mended, sealed, number * sealed.len() as u64)
            }
        }
    }
}

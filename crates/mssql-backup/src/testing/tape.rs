//! Descriptor blocks and streams, one after another.

use crate::descriptor::{BlockHeader, StreamHeader, Tag};
use crate::wire::xor_of_words;

use super::log::{put, put_u16};

/// One stripe while it is written.
pub(super) struct Tape {
    pub(super) bytes: Vec<u8>,
    /// Length of a soft filemark: the sector size of the target.
    sector: usize,
    set_start: usize,
    blocks: u32,
    filemarks: Vec<u64>,
}

impl Tape {
    /// Blocks inside a set start at multiples of this.
    const UNIT: usize = 1024;

    pub(super) fn new(sector: usize) -> Self {
        Self {
            bytes: Vec::new(),
            sector,
            set_start: 0,
            blocks: 0,
            filemarks: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a block: its fixed part from the common header on, and its texts.
    ///
    /// `fixed` are the bytes after the common header; each text goes to its pair.
    pub(super) fn block(&mut self, tag: Tag, fixed: &[u8], texts: &[(usize, &str)]) {
        let start = self.position();
        if tag == Tag::SSET {
            (self.set_start, self.blocks) = (start, 0);
        }
        let in_set = matches!(
            tag,
            Tag::SSET | Tag::VOLB | Tag::MSCI | Tag::MSDA | Tag::MSTL | Tag::MSLS
        );
        let mut block = vec![0; BlockHeader::LEN];
        put(&mut block, 0x00, &tag.0);
        put(&mut block, 0x0A, &[0x0E, 1]);
        if in_set {
            let address = ((start - self.set_start) / Self::UNIT) as u64;
            put(&mut block, 0x14, &address.to_le_bytes());
            put(&mut block, 0x24, &self.blocks.to_le_bytes());
            self.blocks += 1;
        }
        block[0x30] = 2;
        block.extend(fixed);
        if tag == Tag::SSET {
            put_u16(&mut block, 0x2C, 21);
            put_u16(&mut block, 0x2E, 0x64);
        }
        for (pair, text) in texts {
            super::configuration::text(&mut block, *pair, text);
        }
        // The stream after it starts at a multiple of 4.
        block.resize(block.len().next_multiple_of(4), 0);
        let len = block.len();
        put_u16(&mut block, 0x08, len);
        let sum = xor_of_words(&block[..0x32]);
        put(&mut block, 0x32, &sum.to_le_bytes());
        self.bytes.extend(block);
    }

    /// Writes a stream; the next one starts at a multiple of 4.
    pub(super) fn stream(&mut self, tag: Tag, attributes: u16, data: &[u8]) {
        self.bytes.resize(self.position().next_multiple_of(4), 0);
        self.stream_header(tag, attributes, data.len());
        self.bytes.extend(data);
    }

    /// Writes a stream of zeros that ends so many bytes before a multiple of the sector size.
    ///
    /// `ahead` is a multiple of 4, as the places of stream headers are.
    pub(super) fn align(&mut self, tag: Tag, ahead: usize) {
        self.bytes.resize(self.position().next_multiple_of(4), 0);
        let start = self.position() + StreamHeader::LEN;
        let end = (start + ahead + 2).next_multiple_of(self.sector.max(512)) - ahead;
        // The next header is at a multiple of 4 by itself.
        self.stream_header(tag, 0, end - start);
        self.bytes.resize(end, 0);
    }

    /// Ends the streams of a block: the next block starts at a multiple of `unit` from the start
    /// of the set, or a filemark at a multiple of its own length.
    pub(super) fn pad(&mut self, before_filemark: bool) {
        self.bytes.resize(self.position().next_multiple_of(4), 0);
        let start = self.position() + StreamHeader::LEN;
        let end = if before_filemark {
            start.next_multiple_of(self.sector.max(512))
        } else {
            self.set_start + (start - self.set_start).next_multiple_of(Self::UNIT)
        };
        self.stream_header(Tag::SPAD, 0, end - start);
        self.bytes.resize(end, 0);
    }

    fn stream_header(&mut self, tag: Tag, attributes: u16, len: usize) {
        let mut header = [0; StreamHeader::LEN];
        put(&mut header, 0x00, &tag.0);
        put(&mut header, 0x06, &attributes.to_le_bytes());
        put(&mut header, 0x08, &(len as u64).to_le_bytes());
        let sum = xor_of_words(&header[..0x14]);
        put(&mut header, 0x14, &sum.to_le_bytes());
        self.bytes.extend(header);
    }

    /// Writes a soft filemark with the places of the earlier ones.
    pub(super) fn filemark(&mut self) {
        const TABLE: usize = 0x48;
        let capacity = (self.sector - TABLE) / 8;
        let mut block = vec![0; self.sector];
        put(&mut block, 0x00, &Tag::SFMB.0);
        put_u16(&mut block, 0x08, self.sector);
        put(&mut block, 0x0A, &[0x0E, 1]);
        let sum = xor_of_words(&block[..0x32]);
        put(&mut block, 0x32, &sum.to_le_bytes());
        put_u16(&mut block, 0x34, capacity);
        put_u16(&mut block, 0x38, self.filemarks.len().min(capacity));
        put_u16(&mut block, 0x3C, TABLE);
        for (index, place) in self.filemarks.iter().rev().take(capacity).enumerate() {
            put(&mut block, TABLE + 8 * index, &place.to_le_bytes());
        }
        self.filemarks.push(self.position() as u64);
        self.bytes.extend(block);
    }
}

//! Writes containers as SQL Server 2016 writes them: the counterpart of [`crate::container`].

use crate::container::block::{BlockHeader, MAX_PLAIN_LEN, VECTOR, checksum};
use crate::container::{FIXED_LEN, MAGIC};
use crate::testing::xpress::compress;
use std::ops::Range;

const SECTOR_LEN: usize = 512;
const LEAD_LEN: usize = 0x18;
const KEY_LEN: usize = 16;
const FILEMARK_TABLE: usize = 0x48;

/// A container, the stream in it, and where its structures are.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// The medium.
    pub bytes: Vec<u8>,
    /// The stream of descriptor blocks that decoding it gives.
    pub stream: Vec<u8>,
    /// Its structures behind the fixed part, in the order of the medium and without a gap.
    pub structures: Vec<Structure>,
}

/// One structure of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// What it is.
    pub kind: StructureKind,
    /// Its bytes in the medium.
    pub range: Range<usize>,
}

/// What a structure of a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StructureKind {
    /// A compressed block, with its number.
    Block(u64),
    /// Padding before a soft filemark.
    Padding,
    /// An index record before a soft filemark.
    Index,
    /// A soft filemark.
    Filemark,
}

/// Writes a container, structure by structure.
#[derive(Clone, Debug)]
pub struct ContainerWriter {
    container: Container,
    block_count: u64,
    filemarks: Vec<u64>,
    set_start: usize,
    /// Offset in the set and in the medium.
    entries: Vec<[u64; 2]>,
    is_encrypted: bool,
    garbage: u64,
}

impl Default for ContainerWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ContainerWriter {
    /// A medium that is compressed.
    #[must_use]
    pub fn new() -> Self {
        Self::with_features(3)
    }

    /// A medium that is compressed and then, in appearance, encrypted.
    #[must_use]
    pub fn encrypted() -> Self {
        Self {
            is_encrypted: true,
            ..Self::with_features(7)
        }
    }

    fn with_features(features: u32) -> Self {
        let mut writer = Self {
            container: Container::default(),
            block_count: 0,
            filemarks: Vec::new(),
            set_start: 0,
            entries: Vec::new(),
            is_encrypted: false,
            garbage: 1,
        };
        let bytes = &mut writer.container.bytes;
        bytes.extend(MAGIC);
        bytes.extend(2u32.to_le_bytes());
        bytes.extend(features.to_le_bytes());
        while writer.container.bytes.len() < FIXED_LEN {
            let byte = writer.garbage_byte();
            writer.container.bytes.push(byte);
        }
        writer
    }

    /// Appends content in blocks of 64 KiB and one of what is left.
    ///
    /// # Panics
    ///
    /// Its length is not a multiple of 512.
    pub fn content(&mut self, content: &[u8]) {
        assert!(content.len().is_multiple_of(SECTOR_LEN));
        for plain in content.chunks(MAX_PLAIN_LEN) {
            self.block(&compress(plain), plain.len());
            self.container.stream.extend(plain);
        }
    }

    /// Appends content that comes after bulk data: an entry of the index record will name it.
    pub fn content_behind_data(&mut self, content: &[u8]) {
        let set_offset = (self.container.stream.len() - self.set_start) as u64;
        let file_offset = self.container.bytes.len() as u64;
        self.entries.push([set_offset, file_offset]);
        self.content(content);
    }

    /// Appends one block with this payload, which need not decompress, and nothing to the stream.
    pub fn block(&mut self, payload: &[u8], plain_len: usize) {
        let mut payload = payload.to_vec();
        let compressed_len = payload.len() as u16;
        let mut stored_len = 0;
        if self.is_encrypted {
            payload.resize(payload.len().next_multiple_of(16), 0);
            stored_len = payload.len() as u32;
            for byte in &mut payload {
                *byte ^= self.garbage_byte();
            }
        }
        let mut header = vec![0x21, (plain_len / SECTOR_LEN) as u8];
        header.extend(compressed_len.to_le_bytes());
        header.extend(VECTOR.map(|_| self.garbage_byte()));
        header.extend(stored_len.to_le_bytes());
        header.extend(checksum(&payload).to_le_bytes());
        debug_assert_eq!(header.len(), BlockHeader::LEN);
        let kind = StructureKind::Block(self.block_count);
        self.put(kind, &[header, payload].concat());
        self.block_count += 1;
    }

    /// Appends what fills up to a soft filemark of this length, then the filemark.
    ///
    /// `len` is a multiple of 512. An index record comes before it if there was bulk data.
    pub fn filemark(&mut self, len: usize) {
        let mut filemark = vec![0; len];
        filemark[..4].copy_from_slice(b"SFMB");
        filemark[8..12].copy_from_slice(&[len as u8, (len >> 8) as u8, 0x0E, 1]);
        let words = filemark[..50].chunks_exact(2);
        let sum = words.fold(0, |sum, word| sum ^ u16::from_le_bytes([word[0], word[1]]));
        filemark[50..52].copy_from_slice(&sum.to_le_bytes());
        self.raw_filemark(&filemark);
    }

    /// The same with a filemark that a writer of descriptor blocks made; its table is replaced.
    pub fn raw_filemark(&mut self, filemark: &[u8]) {
        let mut filemark = filemark.to_vec();
        let capacity = (filemark.len() - FILEMARK_TABLE) / 8;
        let used = self.filemarks.len().min(capacity);
        let words = [capacity as u32, used as u32, FILEMARK_TABLE as u32];
        filemark[0x34..0x40].copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
        filemark[0x40..].fill(0);
        let newest = self.filemarks.iter().rev().take(used);
        for (at, offset) in (FILEMARK_TABLE..).step_by(8).zip(newest) {
            filemark[at..at + 8].copy_from_slice(&offset.to_le_bytes());
        }
        if self.entries.is_empty() {
            self.padding(filemark.len());
        } else {
            self.index(filemark.len());
        }
        self.filemarks.push(self.container.bytes.len() as u64);
        self.put(StructureKind::Filemark, &filemark);
        self.container.stream.extend(filemark);
        if self.filemarks.len() % 2 == 1 {
            self.set_start = self.container.stream.len();
        }
    }

    /// The medium as it stands.
    #[must_use]
    pub fn finish(self) -> Container {
        self.container
    }

    fn padding(&mut self, alignment: usize) {
        let len = self.container.bytes.len();
        if len.is_multiple_of(alignment) {
            return;
        }
        let end = (len + LEAD_LEN).next_multiple_of(alignment);
        let mut padding = vec![0; end - len];
        padding[0] = 0x24;
        let zeros_len = (padding.len() - LEAD_LEN) as u16;
        padding[2..4].copy_from_slice(&zeros_len.to_le_bytes());
        self.put(StructureKind::Padding, &padding);
    }

    fn index(&mut self, alignment: usize) {
        let len = self.container.bytes.len();
        let entries: Vec<u8> = std::mem::take(&mut self.entries)
            .as_flattened()
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let least = len + LEAD_LEN + entries.len() + 2 * KEY_LEN;
        let mut record = vec![0; least.next_multiple_of(alignment) - len];
        record[0] = 0x2C;
        let distance = (record.len() - LEAD_LEN) as u32;
        let key = [
            0x0001_0001,
            (entries.len() / 16) as u32,
            distance,
            checksum(&entries),
        ];
        let key = key.map(u32::to_le_bytes);
        record[LEAD_LEN..][..KEY_LEN].copy_from_slice(key.as_flattened());
        record[LEAD_LEN + KEY_LEN..][..entries.len()].copy_from_slice(&entries);
        let repeated = record.len() - KEY_LEN;
        record[repeated..].copy_from_slice(key.as_flattened());
        self.put(StructureKind::Index, &record);
    }

    fn put(&mut self, kind: StructureKind, bytes: &[u8]) {
        let start = self.container.bytes.len();
        let range = start..start + bytes.len();
        self.container.bytes.extend(bytes);
        self.container.structures.push(Structure { kind, range });
    }

    /// What uninitialised memory holds, the same at each run.
    fn garbage_byte(&mut self) -> u8 {
        self.garbage = self
            .garbage
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.garbage >> 56) as u8
    }
}

/// Wraps a stream of descriptor blocks as a compressed medium.
///
/// The stream is walked to find soft filemarks and bulk data. What follows the last filemark that
/// is found is left out.
///
/// # Panics
///
/// Between two filemarks is not a multiple of 512 bytes.
#[must_use]
pub fn wrap(stream: &[u8]) -> Container {
    let mut writer = ContainerWriter::new();
    let mut at = 0;
    let mut start = 0;
    let mut is_behind_data = false;
    while let Some(len) = block_len(stream, at) {
        if stream[at..].starts_with(b"SFMB") {
            put_content(&mut writer, &stream[start..at], is_behind_data);
            let Some(filemark) = stream.get(at..at + len) else {
                break;
            };
            writer.raw_filemark(filemark);
            at += len;
            (start, is_behind_data) = (at, false);
            continue;
        }
        at += len;
        while let Some((id, data_len)) = stream_header(stream, at) {
            let end = at + STREAM_HEADER_LEN + data_len;
            let is_last = id == *b"SPAD";
            at = if is_last {
                end
            } else {
                end.next_multiple_of(4)
            };
            let is_bulk = (id == *b"MQDA" || id == *b"MQTL") && data_len > LEAD;
            if is_bulk && (at - start).is_multiple_of(SECTOR_LEN) && at <= stream.len() {
                // Pages and log begin a block of their own, as SQL Server has it.
                let data = end - data_len + LEAD;
                if (data - start).is_multiple_of(SECTOR_LEN) && data > start {
                    put_content(&mut writer, &stream[start..data], is_behind_data);
                    (start, is_behind_data) = (data, false);
                }
                put_content(&mut writer, &stream[start..at], is_behind_data);
                (start, is_behind_data) = (at, true);
            }
            if is_last {
                break;
            }
        }
    }
    writer.finish()
}

const STREAM_HEADER_LEN: usize = 22;
/// Bytes of a stream before its pages or log.
const LEAD: usize = 2;

fn put_content(writer: &mut ContainerWriter, content: &[u8], is_behind_data: bool) {
    if is_behind_data {
        writer.content_behind_data(content);
    } else {
        writer.content(content);
    }
}

fn block_len(stream: &[u8], at: usize) -> Option<usize> {
    let len = stream.get(at + 8..at + 10)?;
    let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
    (len > 0).then_some(len)
}

fn stream_header(stream: &[u8], at: usize) -> Option<([u8; 4], usize)> {
    let header = stream.get(at..at + STREAM_HEADER_LEN)?;
    let id = *header.first_chunk()?;
    let len = *header.get(8..)?.first_chunk()?;
    Some((id, usize::try_from(u64::from_le_bytes(len)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::decoder::ContainerDecoder;
    use crate::container::piece::Piece;

    fn block(stream: &mut Vec<u8>, tag: &[u8; 4], len: u16) {
        let start = stream.len();
        stream.extend(tag);
        stream.extend([0; 4]);
        stream.extend(len.to_le_bytes());
        stream.resize(start + usize::from(len), 0);
        let words = stream[start..start + 50].chunks_exact(2);
        let sum = words.fold(0, |sum, word| sum ^ u16::from_le_bytes([word[0], word[1]]));
        stream[start + 50..start + 52].copy_from_slice(&sum.to_le_bytes());
    }

    /// A stream that ends at a multiple of `alignment`, but for its own data.
    fn stream_up_to(stream: &mut Vec<u8>, id: &[u8; 4], alignment: usize) {
        let start = stream.len();
        let end = (start + STREAM_HEADER_LEN).next_multiple_of(alignment);
        let len = end - start - STREAM_HEADER_LEN;
        stream.extend(id);
        stream.extend([0; 4]);
        stream.extend((len as u64).to_le_bytes());
        stream.extend([0; 4]);
        let words = stream[start..].chunks_exact(2);
        let sum: u16 = words.fold(0, |sum, word| sum ^ u16::from_le_bytes([word[0], word[1]]));
        stream.extend(sum.to_le_bytes());
        stream.resize(end, 7);
    }

    #[test]
    fn a_wrapped_stream_decodes_to_itself_but_for_the_tables_of_filemarks() {
        let mut stream = Vec::new();
        block(&mut stream, b"TAPE", 140);
        stream_up_to(&mut stream, b"SPAD", 1024);
        let first = stream.len();
        block(&mut stream, b"SFMB", 512);
        block(&mut stream, b"SSET", 200);
        stream_up_to(&mut stream, b"SPAD", 512);
        block(&mut stream, b"MSDA", 100);
        stream_up_to(&mut stream, b"MQDA", 200_192);
        stream_up_to(&mut stream, b"SPAD", 1024);
        let second = stream.len();
        block(&mut stream, b"SFMB", 512);
        block(&mut stream, b"ESET", 100);
        stream_up_to(&mut stream, b"SPAD", 512);
        let third = stream.len();
        block(&mut stream, b"SFMB", 512);

        let container = wrap(&stream);
        let mut decoded = Vec::new();
        let mut decoder = ContainerDecoder::new();
        let mut sink = |piece: Piece<'_>| match piece {
            Piece::Bytes { bytes, .. } => decoded.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        };
        decoder.feed(&container.bytes, &mut sink);
        let summary = decoder.finish(&mut sink);
        assert!(decoded == container.stream);
        assert_eq!((summary.filemark_count, summary.index_count), (3, 1));
        for filemark in [first, second, third] {
            decoded[filemark + 0x34..filemark + 512].fill(0);
        }
        assert!(decoded == stream);
    }
}

//! The record that ends a ZIP: what tells a whole one from one that was cut off.

use std::io::{self, Read, Seek, SeekFrom};

/// Length of the end record without its comment.
const LEN: usize = 22;
/// The longest comment behind it.
const MAX_COMMENT_LEN: usize = 0xFFFF;
/// Length of the ZIP64 locator, which stands right before the end record.
const LOCATOR_LEN: usize = 20;
/// Length of the ZIP64 end record, as far as it is read.
const ZIP64_LEN: usize = 56;

/// Where the directory of a ZIP is, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndRecord {
    /// How many members the directory lists.
    pub(super) member_count: u64,
    /// Length of the directory in bytes.
    pub(super) directory_len: u64,
}

impl EndRecord {
    /// Reads the end record of a ZIP of `file_len` bytes.
    ///
    /// None if the file does not end with one, so that it was cut off or something was appended; or
    /// if the directory does not lie before it.
    pub(super) fn read<R: Read + Seek>(reader: &mut R, file_len: u64) -> io::Result<Option<Self>> {
        let tail_len = file_len.min((LOCATOR_LEN + LEN + MAX_COMMENT_LEN) as u64);
        let tail_offset = file_len - tail_len;
        reader.seek(SeekFrom::Start(tail_offset))?;
        let mut tail = Vec::new();
        reader.by_ref().take(tail_len).read_to_end(&mut tail)?;
        let Some(start) = (0..tail.len().saturating_sub(LEN - 1))
            .rev()
            .find(|start| is_end(&tail[*start..]))
        else {
            return Ok(None);
        };
        let record_offset = tail_offset + start as u64;
        let locator = tail[..start].last_chunk::<LOCATOR_LEN>();
        let zip64 = match locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            Some(locator) => read_zip64(reader, le(&locator[8..16]), record_offset)?,
            None => None,
        };
        let plain = Self {
            member_count: le(&tail[start + 10..start + 12]),
            directory_len: le(&tail[start + 12..start + 16]),
        };
        let found = zip64.unwrap_or(plain);
        Ok((found.directory_len <= record_offset).then_some(found))
    }
}

/// Whether these bytes are an end record whose comment reaches their end.
fn is_end(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x05\x06") && le(&bytes[20..22]) == (bytes.len() - LEN) as u64
}

fn read_zip64<R: Read + Seek>(
    reader: &mut R,
    offset: u64,
    before: u64,
) -> io::Result<Option<EndRecord>> {
    let mut record = Vec::new();
    if offset < before {
        reader.seek(SeekFrom::Start(offset))?;
        reader
            .by_ref()
            .take(ZIP64_LEN as u64)
            .read_to_end(&mut record)?;
    }
    let is_whole = record.len() == ZIP64_LEN && record.starts_with(b"PK\x06\x06");
    Ok(is_whole.then(|| EndRecord {
        member_count: le(&record[32..40]),
        directory_len: le(&record[40..48]),
    }))
}

/// An unsigned integer of up to 8 bytes.
fn le(bytes: &[u8]) -> u64 {
    let fold = |value, byte: &u8| value << 8 | u64::from(*byte);
    bytes.iter().rev().fold(0, fold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read(bytes: &[u8]) -> Option<EndRecord> {
        EndRecord::read(&mut Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    fn record(member_count: u16, directory_len: u32, comment: &[u8]) -> Vec<u8> {
        let mut record = b"PK\x05\x06\0\0\0\0\0\0".to_vec();
        record.extend(member_count.to_le_bytes());
        record.extend(directory_len.to_le_bytes());
        record.extend([0; 4]);
        record.extend((comment.len() as u16).to_le_bytes());
        record.extend(comment);
        record
    }

    #[test]
    fn the_record_is_found_behind_a_comment() {
        let expected = EndRecord {
            member_count: 3,
            directory_len: 7,
        };
        let file = [&[1; 7][..], &record(3, 7, b"PK\x05\x06 in a comment")].concat();
        assert_eq!(read(&file), Some(expected));
        assert_eq!(read(&file[..file.len() - 1]), None);
        assert_eq!(read(&[&file[..], b"x"].concat()), None);
    }

    #[test]
    fn a_directory_longer_than_the_file_is_none() {
        assert_eq!(read(&record(0, 1, b"")), None);
        assert!(read(&record(0, 0, b"")).is_some());
        assert_eq!(read(b""), None);
    }

    #[test]
    fn zip64_goes_before_the_short_record() {
        let mut file = vec![0; 100];
        let zip64_offset = file.len() as u64;
        let mut zip64 = b"PK\x06\x06".to_vec();
        zip64.resize(ZIP64_LEN, 0);
        zip64[32..40].copy_from_slice(&70_000_u64.to_le_bytes());
        zip64[40..48].copy_from_slice(&99_u64.to_le_bytes());
        file.extend(zip64);
        file.extend(b"PK\x06\x07\0\0\0\0");
        file.extend(zip64_offset.to_le_bytes());
        file.extend([1, 0, 0, 0]);
        file.extend(record(0xFFFF, 0xFFFF_FFFF, b""));
        let found = read(&file).unwrap();
        assert_eq!((found.member_count, found.directory_len), (70_000, 99));
    }
}

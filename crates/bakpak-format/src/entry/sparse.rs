//! The map of a sparse file: pax sparse format 1.0 (spec, chapter 10.3).
//!
//! GNU tar starts the data of each extent in a new block of 512 bytes, other programs join them.
//! Both read the same only if every extent but the last fills whole blocks, so others are refused.

use super::{BLOCK_LEN, EntryHeader, EntryKind, Extent, padded};
use crate::error::{FormatError, Structure};
use crate::limits::{MAX_EXTENTS, MAX_LOGICAL_SIZE};

/// Reads a map block by block, since its length is not known in advance.
///
/// Memory grows with what has been read, never with what the map announces.
#[derive(Clone, Debug)]
pub struct SparseMapDecoder {
    size: u64,
    content_len: u64,
    /// The number being read, with how many digits it has so far.
    number: u64,
    digits: u32,
    /// The number of extents, once it is known.
    count: Option<usize>,
    /// The offset of the extent being read.
    offset: Option<u64>,
    extents: Vec<Extent>,
    map_len: u64,
}

/// Widens extents to whole blocks of 512 bytes, and joins those that touch.
///
/// For what a file system tells of a file of `size` bytes: `extents` are in ascending order of
/// their offsets. `None` if no hole is left: the file is to be stored as it is.
pub fn aligned_extents(
    extents: impl IntoIterator<Item = Extent>,
    size: u64,
) -> Option<Vec<Extent>> {
    let block = BLOCK_LEN as u64;
    let mut aligned: Vec<Extent> = Vec::new();
    for Extent { offset, len } in extents {
        let end = padded(offset.saturating_add(len)).min(size);
        let offset = offset - offset % block;
        if len == 0 || end <= offset {
            continue;
        }
        match aligned.last_mut() {
            Some(last) if last.offset + last.len >= offset => {
                last.len = last.len.max(end - last.offset);
            }
            _ => aligned.push(Extent {
                offset,
                len: end - offset,
            }),
        }
    }
    let data_len: u64 = aligned.iter().map(|extent| extent.len).sum();
    (data_len < size).then_some(aligned)
}

/// Encodes a map, filled to whole blocks.
pub(super) fn encode(extents: &[Extent], size: u64) -> Vec<u8> {
    let closing = closing(extents, size);
    let mut map = format!("{}\n", extents.len() + usize::from(closing.is_some())).into_bytes();
    for Extent { offset, len } in extents.iter().copied().chain(closing) {
        map.extend_from_slice(format!("{offset}\n{len}\n").as_bytes());
    }
    map.resize(map.len().next_multiple_of(BLOCK_LEN), 0);
    map
}

/// Length of map and data together; saturates.
pub(super) fn content_len(extents: &[Extent], size: u64) -> u64 {
    let line = |number: u64| u64::from(number.checked_ilog10().unwrap_or(0)) + 2;
    let closing = closing(extents, size);
    let count = extents.len() as u64 + u64::from(closing.is_some());
    let all = extents.iter().copied().chain(closing);
    let map_len = all.fold(line(count), |sum, extent| {
        sum + line(extent.offset) + line(extent.len)
    });
    let data = extents.iter().map(|extent| extent.len);
    data.fold(padded(map_len), u64::saturating_add)
}

/// Refuses extents that no map may hold (spec: ENT-7).
pub(super) fn check(extents: &[Extent], size: u64) -> Result<(), FormatError> {
    let count = extents.len() + usize::from(closing(extents, size).is_some());
    check_count(count as u64)?;
    let mut previous = None;
    for extent in extents {
        check_next(previous.replace(*extent), *extent, size)?;
    }
    if extents.is_empty() && size == 0 || matches!(extents, [one] if one.len == size) {
        return Err(malformed("a file without holes is stored as sparse"));
    }
    Ok(())
}

impl SparseMapDecoder {
    /// Starts to read the map of a sparse entry; `None` for an entry that is not sparse.
    pub fn new(header: &EntryHeader) -> Option<Self> {
        match header.entry.kind {
            EntryKind::File { size, .. } if header.sparse => Some(Self {
                size,
                content_len: header.content_len,
                number: 0,
                digits: 0,
                count: None,
                offset: None,
                extents: Vec::new(),
                map_len: 0,
            }),
            _ => None,
        }
    }

    /// Takes the next block of the content; returns the extents with the map's last block.
    ///
    /// Not to be called again after that.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: the map breaks a rule, or with its data is not as long as the
    ///   content (spec: ENT-7).
    /// - [`FormatError::LimitExceeded`]: too many extents (spec: ENT-7).
    pub fn push(&mut self, block: &[u8; BLOCK_LEN]) -> Result<Option<Vec<Extent>>, FormatError> {
        self.map_len = self.map_len.saturating_add(BLOCK_LEN as u64);
        if self.map_len > self.content_len {
            return Err(malformed("the map is longer than the content"));
        }
        for (index, &byte) in block.iter().enumerate() {
            if self.push_byte(byte)? {
                if !crate::wire::all_zero(&block[index + 1..]) {
                    return Err(malformed("bytes behind the map are not zero"));
                }
                return self.finish().map(Some);
            }
        }
        Ok(None)
    }

    /// Takes one byte; whether it was the map's last.
    fn push_byte(&mut self, byte: u8) -> Result<bool, FormatError> {
        match byte {
            b'0'..=b'9' if self.digits == 0 || self.number > 0 => {
                let number = self.number.saturating_mul(10);
                self.number = number.saturating_add(u64::from(byte - b'0'));
                self.digits += 1;
                if self.digits > 20 {
                    return Err(malformed("a number is too long"));
                }
                Ok(false)
            }
            b'\n' if self.digits > 0 => {
                self.digits = 0;
                let number = std::mem::take(&mut self.number);
                self.push_number(number)
            }
            _ => Err(malformed("a number is not decimal")),
        }
    }

    /// Takes one number; whether it was the map's last.
    fn push_number(&mut self, number: u64) -> Result<bool, FormatError> {
        let Some(count) = self.count else {
            check_count(number)?;
            if number == 0 {
                return Err(malformed("there is no extent"));
            }
            self.count = usize::try_from(number).ok();
            return Ok(false);
        };
        let Some(offset) = self.offset.take() else {
            self.offset = Some(number);
            return Ok(false);
        };
        let extent = Extent {
            offset,
            len: number,
        };
        let previous = self.extents.last().copied();
        let end = previous.map(|previous| previous.offset + previous.len);
        let is_last = self.extents.len() + 1 == count;
        // What closes the list of a file that ends with a hole is no data.
        let closes = is_last && number == 0 && offset == self.size && end != Some(self.size);
        if !closes {
            check_next(previous, extent, self.size)?;
            if is_last && offset + number != self.size {
                return Err(malformed("the list is not closed"));
            }
            self.extents.push(extent);
        }
        Ok(is_last)
    }

    fn finish(&mut self) -> Result<Vec<Extent>, FormatError> {
        let extents = std::mem::take(&mut self.extents);
        check(&extents, self.size)?;
        if content_len(&extents, self.size) != self.content_len {
            return Err(malformed("map and data are not as long as the content"));
        }
        Ok(extents)
    }
}

/// The empty extent that closes the list of a file that does not end with data.
fn closing(extents: &[Extent], size: u64) -> Option<Extent> {
    let last = extents.last();
    let closed = last.is_some_and(|last| last.offset.saturating_add(last.len) == size);
    (!closed).then_some(Extent {
        offset: size,
        len: 0,
    })
}

/// Checks an extent against the one before (spec: ENT-7).
fn check_next(previous: Option<Extent>, extent: Extent, size: u64) -> Result<(), FormatError> {
    if extent.len == 0 {
        return Err(malformed("an extent is empty"));
    }
    if let Some(previous) = previous {
        if extent.offset <= previous.offset.saturating_add(previous.len) {
            return Err(malformed("extents touch, overlap or do not ascend"));
        }
        if !previous.len.is_multiple_of(BLOCK_LEN as u64) {
            return Err(malformed(
                "an extent before the last does not fill whole blocks",
            ));
        }
    }
    let end = extent.offset.checked_add(extent.len);
    if end.is_none_or(|end| end > size.min(MAX_LOGICAL_SIZE)) {
        return Err(malformed("an extent ends beyond the file"));
    }
    Ok(())
}

fn check_count(count: u64) -> Result<(), FormatError> {
    let max = MAX_EXTENTS as u64;
    FormatError::check_range(Structure::Entry, "extents", count, 0..=max) // spec: ENT-7
}

/// A map that breaks a rule (spec: ENT-7).
fn malformed(what: &str) -> FormatError {
    FormatError::malformed(Structure::Entry, "ENT-7", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, EntryPath, Timestamp};
    use crate::error::Class;

    fn header(size: u64, content_len: u64) -> EntryHeader {
        EntryHeader {
            entry: Entry {
                path: EntryPath::new("sql/a").unwrap(),
                kind: EntryKind::File {
                    size,
                    extents: None,
                },
                mode: 0,
                uid: 0,
                gid: 0,
                user: Vec::new(),
                group: Vec::new(),
                mtime: Timestamp::default(),
                xattrs: Vec::new(),
                linked: false,
            },
            content_len,
            sparse: true,
            part: false,
        }
    }

    fn extents(pairs: &[(u64, u64)]) -> Vec<Extent> {
        let extent = |&(offset, len)| Extent { offset, len };
        pairs.iter().map(extent).collect()
    }

    fn decode(map: &[u8], size: u64, content_len: u64) -> Result<Vec<Extent>, FormatError> {
        let mut decoder = SparseMapDecoder::new(&header(size, content_len)).unwrap();
        for block in map.as_chunks().0 {
            if let Some(extents) = decoder.push(block)? {
                return Ok(extents);
            }
        }
        Err(malformed("the test's map does not end"))
    }

    fn refused(map: &str, size: u64, data_len: u64) -> Class {
        let mut map = map.as_bytes().to_vec();
        map.resize(map.len().next_multiple_of(512), 0);
        let content_len = map.len() as u64 + data_len;
        decode(&map, size, content_len).unwrap_err().class()
    }

    #[test]
    fn maps_come_back() {
        let many: Vec<(u64, u64)> = (0..1000).map(|i| (i * 4096, 512)).collect();
        for (pairs, size) in [
            (&[][..], 1),
            (&[][..], 1 << 59),
            (&[(0, 5)], 6),
            (&[(1, 5)], 6),
            (&[(0, 512), (4096, 10)], 5000),
            (&many, 999 * 4096 + 512),
        ] {
            let extents = extents(pairs);
            check(&extents, size).unwrap();
            let map = encode(&extents, size);
            let data_len: u64 = pairs.iter().map(|pair| pair.1).sum();
            let content_len = content_len(&extents, size);
            assert_eq!(content_len, map.len() as u64 + data_len);
            assert_eq!(decode(&map, size, content_len).unwrap(), extents);
        }
    }

    #[test]
    fn maps_have_the_bytes_of_chapter_10() {
        let map = encode(&extents(&[(0, 512), (4096, 10)]), 5000);
        assert!(map.starts_with(b"3\n0\n512\n4096\n10\n5000\n0\n\0"));
        assert_eq!(map.len(), 512);
        assert!(encode(&[], 7).starts_with(b"1\n7\n0\n\0"));
        assert!(encode(&extents(&[(1, 6)]), 7).starts_with(b"1\n1\n6\n\0"));
    }

    #[test]
    fn maps_that_break_rules_are_malformed() {
        for (map, size, data_len) in [
            ("0\n", 10, 0),                     // no extent
            ("1\n0\n10\n", 10, 10),             // no hole
            ("1\n0\n0\n", 0, 0),                // no hole, empty
            ("1\n0\n5\n", 10, 5),               // not closed
            ("2\n0\n5\n9\n0\n", 10, 5),         // closed elsewhere
            ("2\n5\n5\n10\n0\n", 10, 5),        // closed though it ends with data
            ("2\n0\n512\n512\n8\n", 520, 520),  // touch
            ("2\n0\n512\n500\n20\n", 520, 532), // overlap
            ("2\n6\n4\n0\n5\n", 10, 9),         // descend
            ("2\n0\n0\n5\n5\n", 10, 5),         // empty
            ("2\n0\n511\n600\n8\n", 608, 519),  // half a block before the last
            ("1\n5\n6\n", 10, 6),               // beyond
            ("2\n0\n11\n10\n0\n", 10, 11),
            ("1\n05\n5\n", 10, 5), // leading zero
            ("01\n5\n5\n", 10, 5),
            ("1\n+5\n5\n", 10, 5),
            ("1\n\n5\n", 10, 5),
            ("2\n\n5\n10\n0\n", 10, 5), // an empty line is no 0
            ("1\n5\n5", 10, 5),         // no line feed
            ("1\n5\n5\nx", 10, 5),      // not zero behind
            ("1\n5\n5\n", 10, 6),       // other length
            ("1\n18446744073709551616\n5\n", 10, 5),
            ("1\n18446744073709551615\n5\n", u64::MAX, 5),
        ] {
            assert_eq!(refused(map, size, data_len), Class::Malformed, "{map:?}");
        }
    }

    #[test]
    fn the_number_of_extents_has_a_limit() {
        assert_eq!(refused("1048577\n", 10, 0), Class::LimitExceeded);
        assert_eq!(
            refused("99999999999999999999\n", 10, 0),
            Class::LimitExceeded
        );
        let many: Vec<(u64, u64)> = (0..MAX_EXTENTS as u64).map(|i| (1024 * i, 512)).collect();
        let size = 1024 * MAX_EXTENTS as u64;
        assert!(check(&extents(&many), size - 512).is_ok());
        // With the closing extent there is one too many.
        let class = check(&extents(&many), size).unwrap_err().class();
        assert_eq!(class, Class::LimitExceeded);
    }

    #[test]
    fn a_map_longer_than_its_content_is_malformed() {
        let mut decoder = SparseMapDecoder::new(&header(10, 511)).unwrap();
        assert!(decoder.push(&[b'1'; 512]).is_err());
    }

    #[test]
    fn extents_are_widened_to_whole_blocks() {
        for (pairs, size, expected) in [
            (&[][..], 5, Some(&[][..])),
            (&[], 0, None),
            (&[(0, 5)], 5, None),
            (&[(0, 5)], 512, None),
            (&[(0, 5)], 513, Some(&[(0, 512)])),
            (
                &[(600, 5), (1000, 100), (2000, 1)],
                5000,
                Some(&[(512, 1536)]),
            ),
            (&[(0, 1), (1024, 1)], 1030, Some(&[(0, 512), (1024, 6)])),
            (&[(0, 0), (4096, 9000)], 5000, Some(&[(4096, 904)])),
            (
                &[(600, 5), (4096, 1)],
                5000,
                Some(&[(512, 512), (4096, 512)]),
            ),
            (&[(6000, 1), (u64::MAX, u64::MAX)], 5000, Some(&[])),
        ] {
            let aligned = aligned_extents(extents(pairs), size);
            assert_eq!(aligned, expected.map(extents), "{pairs:?}");
            if let Some(aligned) = aligned {
                check(&aligned, size).unwrap();
            }
        }
    }

    #[test]
    fn the_length_of_a_map_is_known_before_it_is_written() {
        // So many that the map ends at all places of a block; some with 1, 2 and 3 digits' counts.
        for count in 1..400 {
            let pairs: Vec<_> = (0..count).map(|i| (i * 4096 + 512, 512)).collect();
            let extents = extents(&pairs);
            let end = (count - 1) * 4096 + 1024;
            for size in [end, end + 1] {
                let map = encode(&extents, size);
                assert_eq!(content_len(&extents, size), map.len() as u64 + 512 * count);
            }
        }
    }
}

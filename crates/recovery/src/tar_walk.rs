//! Walks the members of a tar without a file system, and notices where one was cut off.
//!
//! The `tar` crate decodes the headers. The walk is our own because a tar that ends between two
//! members, without its end blocks, is read by that crate as if it were whole.

use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::fault::{FaultKind, Faults};

const BLOCK_LEN: usize = 512;
/// The longest name or pax record that is taken, in bytes.
const MAX_EXTENSION_LEN: u64 = 1 << 20;
const BUFFER_LEN: usize = 64 << 10;

/// The members of a tar, one after the other.
pub(crate) struct TarWalk<R> {
    reader: R,
    /// What of the current member's content is not read, without its padding.
    left_len: u64,
    padding_len: u64,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its path; what is not UTF-8 is replaced.
    pub(crate) path: String,
    /// How many bytes it has in the tar; a sparse file has more where it is unpacked.
    pub(crate) stored_len: u64,
    /// Whether it is a file.
    pub(crate) is_file: bool,
}

impl<R: Read> TarWalk<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            left_len: 0,
            padding_len: 0,
        }
    }

    /// The next member, whose content is then read from `self`.
    ///
    /// None behind the last one, if the two blocks that end a tar are there and nothing follows.
    pub(crate) fn next_member(&mut self) -> io::Result<Option<Member>> {
        let mut long_path = None;
        let mut pax_size = None;
        loop {
            self.skip_content()?;
            let Some(header) = self.next_header()? else {
                return self.read_end().map(|()| None);
            };
            let kind = header.entry_type();
            let stated_len = entry_len(&header)?;
            self.set_len(match pax_size {
                Some(size) if !is_extension(kind) => size,
                _ => stated_len,
            });
            match kind {
                EntryType::GNULongName => long_path = Some(text(&self.extension()?)),
                EntryType::XHeader => {
                    let records = self.extension()?;
                    long_path = pax_value(&records, "path").or(long_path);
                    pax_size = pax_value(&records, "size").and_then(|size| size.parse().ok());
                    // A sparse file has a made-up path besides.
                    long_path = pax_value(&records, "GNU.sparse.name").or(long_path);
                }
                EntryType::GNULongLink | EntryType::XGlobalHeader => {}
                _ => {
                    if kind.is_gnu_sparse() {
                        self.skip_sparse_map(&header)?;
                    }
                    let path = long_path.unwrap_or_else(|| text(&header.path_bytes()));
                    return Ok(Some(Member {
                        path,
                        stored_len: self.left_len,
                        is_file: kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse(),
                    }));
                }
            }
        }
    }

    /// Checks all members, and says what is wrong with the tar.
    pub(crate) fn check(
        mut self,
        faults: &mut Faults,
        mut each: impl FnMut(&Member, &mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut last: Option<String> = None;
        loop {
            let found = match self.next_member() {
                Ok(Some(member)) => {
                    let found = each(&member, &mut self);
                    last = Some(member.path);
                    found
                }
                Ok(None) => return Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = found {
                return faults.add_error(last.as_deref(), error);
            }
        }
    }

    fn set_len(&mut self, len: u64) {
        self.left_len = len;
        self.padding_len = len.wrapping_neg() % BLOCK_LEN as u64;
    }

    fn next_header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        self.read_block(header.as_mut_bytes())?;
        if is_zero(header.as_bytes()) {
            return Ok(None);
        }
        // The checksum is the sum of all bytes, with its own field as blanks.
        let bytes = header.as_bytes();
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let found = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
        if header.cksum().ok() != Some(found) {
            return Err(damaged("the checksum of a tar header is wrong"));
        }
        Ok(Some(header))
    }

    /// The second of the two blocks of zeros, and what writers fill their last record with.
    fn read_end(&mut self) -> io::Result<()> {
        let mut block = [0; BLOCK_LEN];
        self.read_block(&mut block)?;
        let mut buffer = block.to_vec();
        buffer.resize(BUFFER_LEN, 0);
        loop {
            if !is_zero(&buffer) {
                return Err(damaged("something follows the end of the tar"));
            }
            match self.reader.read(&mut buffer)? {
                0 => return Ok(()),
                len => buffer[len..].fill(0),
            }
        }
    }

    fn skip_content(&mut self) -> io::Result<()> {
        self.left_len = self.left_len.saturating_add(self.padding_len);
        self.padding_len = 0;
        let len = usize::try_from(self.left_len).unwrap_or(usize::MAX);
        let mut buffer = vec![0; len.min(BUFFER_LEN)];
        while self.left_len > 0 {
            let _read_len = self.read(&mut buffer)?;
        }
        Ok(())
    }

    /// The content of a header that extends the next one.
    fn extension(&mut self) -> io::Result<Vec<u8>> {
        if self.left_len > MAX_EXTENSION_LEN {
            return Err(damaged("a name in the tar is too long"));
        }
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        while content.last() == Some(&0) {
            content.pop();
        }
        Ok(content)
    }

    /// More of the map of a sparse file stands in blocks behind its header.
    fn skip_sparse_map(&mut self, header: &Header) -> io::Result<()> {
        // `isextended`, at the same place in the header and, as the last, in each block.
        let mut is_extended = header.as_bytes()[482] != 0;
        while is_extended {
            let mut block = [0; BLOCK_LEN];
            self.read_block(&mut block)?;
            is_extended = block[504] != 0;
        }
        Ok(())
    }

    fn read_block(&mut self, block: &mut [u8; BLOCK_LEN]) -> io::Result<()> {
        self.reader
            .read_exact(block)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => cut("the tar ends without its end blocks"),
                _ => error,
            })
    }
}

/// The content of the current member.
impl<R: Read> Read for TarWalk<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.left_len)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read_len = self.reader.read(&mut buffer[..len])?;
        if read_len == 0 && len > 0 {
            return Err(cut("the tar ends inside a member"));
        }
        self.left_len -= read_len as u64;
        Ok(read_len)
    }
}

/// Whether a member only tells about the next one.
fn is_extension(kind: EntryType) -> bool {
    use EntryType::{GNULongLink, GNULongName, XGlobalHeader, XHeader};
    matches!(kind, GNULongName | GNULongLink | XHeader | XGlobalHeader)
}

fn entry_len(header: &Header) -> io::Result<u64> {
    let len = header.entry_size();
    len.map_err(|_| damaged("the size in a tar header is no number"))
}

/// Says that a tar's first member is not what it must be.
pub(crate) fn add_wrong_first(faults: &mut Faults, expected: &str) {
    let message = format!("the tar does not begin with {expected}");
    faults.add(FaultKind::Missing, message);
}

/// The value of a pax record: `LEN KEY=VALUE\n`.
fn pax_value(records: &[u8], key: &str) -> Option<String> {
    let lines = records.split(|byte| *byte == b'\n');
    let value = lines
        .filter_map(|line| line.splitn(2, |byte| *byte == b' ').nth(1))
        .find_map(|record| record.strip_prefix(key.as_bytes())?.strip_prefix(b"="));
    value.map(text)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn damaged(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn cut(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in members {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn walk(bytes: &[u8]) -> io::Result<Vec<(String, u64)>> {
        let mut walk = TarWalk::new(bytes);
        let mut members = Vec::new();
        while let Some(member) = walk.next_member()? {
            members.push((member.path, member.stored_len));
        }
        Ok(members)
    }

    #[test]
    fn members_have_their_names_long_ones_too() {
        let long = "a/".repeat(150) + "b";
        let tar = tar_of(&[("one", b"1"), (&long, &[7; 513]), ("empty", b"")]);
        let expected = [("one".to_owned(), 1), (long, 513), ("empty".to_owned(), 0)];
        assert_eq!(walk(&tar).unwrap(), expected);
    }

    #[test]
    fn names_and_sizes_of_pax_go_before_the_header() {
        let mut builder = tar::Builder::new(Vec::new());
        let pairs = [("path", b"pax/name".as_slice()), ("size", b"3")];
        builder.append_pax_extensions(pairs).unwrap();
        let mut header = Header::new_ustar();
        header.set_size(3);
        builder
            .append_data(&mut header, "short", b"abc".as_slice())
            .unwrap();
        let tar = builder.into_inner().unwrap();
        assert_eq!(walk(&tar).unwrap(), [("pax/name".to_owned(), 3)]);
    }

    #[test]
    fn sparse_files_are_passed_with_their_maps() {
        // 60 stretches of data, more than a header and one block of the map hold.
        let mut file = tempfile::tempfile().unwrap();
        for number in 0..60 {
            file.seek(SeekFrom::Start(number << 20)).unwrap();
            file.write_all(&[7; 4096]).unwrap();
        }
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_file("sparse", &mut file).unwrap();
        let mut header = Header::new_gnu();
        header.set_size(1);
        builder
            .append_data(&mut header, "next", b"1".as_slice())
            .unwrap();
        let tar = builder.into_inner().unwrap();
        let members = walk(&tar).unwrap();
        assert_eq!(members.len(), 2);
        // Where the file system keeps no holes, the member is an ordinary one.
        if tar.len() < 10 << 20 {
            assert_eq!(members[0], ("sparse".to_owned(), 60 * 4096));
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        // Zeros at the end of the last member are not the tar's end.
        let tar = tar_of(&[("one", &[1; 600]), ("zeros", &[0; 2048])]);
        for len in 0..tar.len() {
            let error = walk(&tar[..len]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut to {len}");
        }
    }

    #[test]
    fn what_follows_the_end_is_an_error_unless_zeros() {
        let mut tar = tar_of(&[("one", b"1")]);
        tar.resize(10240, 0);
        assert!(walk(&tar).is_ok());
        tar.push(1);
        assert!(walk(&tar).is_err());
    }

    #[test]
    fn a_changed_header_is_an_error() {
        let tar = tar_of(&[("one", b"1")]);
        for offset in 0..500 {
            let mut tar = tar.clone();
            tar[offset] ^= 0x01;
            // Blanks and NULs around the checksum's own digits mean nothing.
            assert!(
                walk(&tar).is_err() || (148..156).contains(&offset),
                "byte {offset}"
            );
        }
    }
}

//! Reads parts of a container that can be sought, decompressing only the blocks that are needed.

mod map;

use super::block::{BlockHeader, checksum};
use super::fault::{ContainerFault, FaultKind};
use super::layout::{LOOKAHEAD, Structure, Suspect};
use super::{ContainerHeader, FIXED_LEN};
use crate::xpress::decompress;
use map::Map;
use std::io::{self, Read, Seek, SeekFrom};
use thiserror::Error;

/// Why a container cannot be read on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeekError {
    /// The medium cannot be read.
    #[error("the compressed medium cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The container is damaged, or not understood.
    #[error("{0} (offset {offset})", offset = .0.file_offset)]
    Fault(ContainerFault),
    /// The block is encrypted.
    #[error("compressed block {block} is encrypted: contents not verifiable here")]
    Encrypted {
        /// Its number, counted from where reading was last taken up.
        block: u64,
    },
}

/// The stream of descriptor blocks in a container, to be read and skipped.
///
/// Skipping reads the headers of blocks alone, and where the medium has an index record behind the
/// bulk data it goes there at once. So the descriptors of a medium of any size are read by
/// decompressing a few blocks. What is skipped is not verified.
///
/// As an [`io::Read`] it gives its [`SeekError`] wrapped.
#[derive(Debug)]
pub struct SeekableContainer<R> {
    medium: Medium<R>,
    header: ContainerHeader,
    map: Map,
    /// What stands at the place reached, decompressed, and how much of it is read.
    plain: Vec<u8>,
    read_len: usize,
    /// Where the structure starts that `plain` came from.
    plain_file_offset: u64,
    /// Where the next structure starts in the medium.
    next_offset: u64,
    /// Where `plain` ends in the stream.
    plain_end: u64,
    decoded_count: u64,
    payload: Vec<u8>,
}

impl<R: Read + Seek> SeekableContainer<R> {
    /// Opens a container at its first byte.
    ///
    /// # Errors
    ///
    /// [`SeekError::Io`], and [`SeekError::Fault`] with [`FaultKind::NotContainer`].
    pub fn open(inner: R) -> Result<Self, SeekError> {
        let mut medium = Medium::new(inner)?;
        let mut bytes = [0; ContainerHeader::LEN];
        let len = medium.read_at(0, &mut bytes)?;
        let header = Some(&bytes).filter(|bytes| len == bytes.len());
        let header = header.and_then(ContainerHeader::decode);
        let header = header.ok_or_else(|| fault(FaultKind::NotContainer, 0))?;
        let map = Map::read(&mut medium)?;
        Ok(Self {
            medium,
            header,
            map,
            plain: Vec::new(),
            read_len: 0,
            plain_file_offset: FIXED_LEN as u64,
            next_offset: FIXED_LEN as u64,
            plain_end: 0,
            decoded_count: 0,
            payload: Vec::new(),
        })
    }

    /// What the fixed part says of the medium.
    #[must_use]
    pub fn header(&self) -> &ContainerHeader {
        &self.header
    }

    /// Where the next byte stands in the stream.
    #[must_use]
    pub fn stream_offset(&self) -> u64 {
        self.plain_end - (self.plain.len() - self.read_len) as u64
    }

    /// Where in the medium the block starts that the byte read last was in, or its soft filemark.
    #[must_use]
    pub fn file_offset(&self) -> u64 {
        self.plain_file_offset
    }

    /// How many blocks were decompressed.
    #[must_use]
    pub fn decoded_count(&self) -> u64 {
        self.decoded_count
    }

    /// Passes over `len` bytes of the stream; fewer if it ends before. Returns how many.
    ///
    /// # Errors
    ///
    /// As reading; a block that is passed over whole is not decompressed and may be damaged.
    pub fn skip(&mut self, len: u64) -> Result<u64, SeekError> {
        let start = self.stream_offset();
        let target = start.saturating_add(len);
        while self.stream_offset() < target {
            let left = target - self.stream_offset();
            let in_plain = (self.plain.len() - self.read_len) as u64;
            if in_plain > 0 {
                self.read_len += in_plain.min(left) as usize;
                continue;
            }
            self.map.prepare(&mut self.medium, self.next_offset)?;
            let ahead = self.map.before(target, self.next_offset, self.plain_end);
            if let Some((file_offset, stream_offset)) = ahead
                && self.is_block(file_offset)?
            {
                self.go_to(file_offset, stream_offset);
                continue;
            }
            if !self.advance(left)? {
                break;
            }
        }
        Ok(self.stream_offset() - start)
    }

    /// Fills `plain` with the next bytes of the stream. False at the end of the medium.
    fn fill(&mut self) -> Result<bool, SeekError> {
        while self.read_len == self.plain.len() {
            if !self.advance(0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Passes the next structure: over it if it has at most `skip` bytes, else into `plain`.
    fn advance(&mut self, skip: u64) -> Result<bool, SeekError> {
        let offset = self.next_offset;
        let mut bytes = [0; LOOKAHEAD];
        let len = self.medium.read_at(offset, &mut bytes)?;
        if len == 0 {
            return Ok(false);
        }
        let structure = Structure::recognise(&bytes[..len], &self.header, offset);
        let structure = structure.map_err(|suspect| fault(suspect_kind(suspect), offset))?;
        match structure {
            Structure::Block(header) => {
                if header.plain_len as u64 > skip {
                    self.decode(&header)?;
                } else {
                    self.go_to(offset, self.plain_end + header.plain_len as u64);
                }
                self.next_offset = offset + header.len() as u64;
            }
            Structure::Padding(len) | Structure::Index(len) => self.next_offset += len as u64,
            Structure::Filemark(filemark) => {
                let mut plain = vec![0; filemark.len];
                if self.medium.read_at(offset, &mut plain)? < plain.len() {
                    return Err(fault(FaultKind::Filemark, offset));
                }
                self.put(plain);
                self.next_offset = offset + filemark.len as u64;
                self.map.pass_filemark(offset, self.plain_end);
            }
        }
        Ok(true)
    }

    fn decode(&mut self, header: &BlockHeader) -> Result<(), SeekError> {
        let offset = self.next_offset;
        let fault = |kind| {
            SeekError::Fault(ContainerFault {
                kind,
                file_offset: offset,
                block: None,
            })
        };
        if header.is_encrypted {
            let block = self.decoded_count;
            return Err(SeekError::Encrypted { block });
        }
        self.payload.resize(header.payload_len, 0);
        let payload_offset = offset + header.header_len as u64;
        if self.medium.read_at(payload_offset, &mut self.payload)? < header.payload_len {
            return Err(fault(FaultKind::BlockCutOff));
        }
        let found = checksum(&self.payload);
        let stated = header.checksum;
        if found != stated {
            return Err(fault(FaultKind::Checksum { stated, found }));
        }
        let mut plain = std::mem::take(&mut self.plain);
        self.read_len = 0;
        plain.resize(header.plain_len, 0);
        decompress(&self.payload, &mut plain)
            .map_err(|error| fault(FaultKind::of_undecodable(&self.payload, error)))?;
        self.put(plain);
        self.decoded_count += 1;
        Ok(())
    }

    fn put(&mut self, plain: Vec<u8>) {
        self.plain_file_offset = self.next_offset;
        self.plain_end = self.plain_end.saturating_add(plain.len() as u64);
        self.plain = plain;
        self.read_len = 0;
    }

    /// Stands before the structure at `file_offset`, whose content starts at `stream_offset`.
    fn go_to(&mut self, file_offset: u64, stream_offset: u64) {
        self.plain.clear();
        self.read_len = 0;
        self.next_offset = file_offset;
        self.plain_end = stream_offset;
    }

    /// Whether an entry of an index record may be followed.
    fn is_block(&mut self, file_offset: u64) -> Result<bool, SeekError> {
        let mut bytes = [0; LOOKAHEAD];
        let len = self.medium.read_at(file_offset, &mut bytes)?;
        Ok(BlockHeader::decode(&bytes[..len], &self.header).is_some())
    }
}

impl<R: Read + Seek> Read for SeekableContainer<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.fill().map_err(io::Error::other)? {
            return Ok(0);
        }
        let len = (&self.plain[self.read_len..]).read(buffer)?;
        self.read_len += len;
        Ok(len)
    }
}

/// The medium, read at any place.
#[derive(Debug)]
struct Medium<R> {
    inner: R,
    len: u64,
    position: u64,
}

impl<R: Read + Seek> Medium<R> {
    fn new(mut inner: R) -> io::Result<Self> {
        let len = inner.seek(SeekFrom::End(0))?;
        Ok(Self {
            inner,
            len,
            position: len,
        })
    }

    /// Fills the buffer; less only where the medium ends. Returns how much.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.len {
            return Ok(0);
        }
        if offset != self.position {
            self.position = self.inner.seek(SeekFrom::Start(offset))?;
        }
        let mut done = 0;
        while done < buffer.len() {
            match self.inner.read(&mut buffer[done..]) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += done as u64;
        Ok(done)
    }
}

fn fault(kind: FaultKind, file_offset: u64) -> SeekError {
    SeekError::Fault(ContainerFault {
        kind,
        file_offset,
        block: None,
    })
}

fn suspect_kind(suspect: Suspect) -> FaultKind {
    match suspect {
        Suspect::Block(_) => FaultKind::BlockHeader,
        Suspect::Padding => FaultKind::Padding,
        Suspect::Index => FaultKind::Index,
        Suspect::Filemark => FaultKind::Filemark,
        Suspect::Unknown => FaultKind::Unknown,
    }
}

#[cfg(test)]
mod tests;

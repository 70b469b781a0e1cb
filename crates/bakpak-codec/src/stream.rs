//! Parses the stream: canonical pax in, entries and their content out (spec: chapter 10).

use crate::error::ReadError;
use bakpak_format::entry::{
    BLOCK_LEN, END_OF_STREAM, EntryHeader, EntryKind, Extent, SparseMapDecoder, padded, pax_len,
};
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::StreamOffset;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;

/// Takes entries with their content, as the stream gives them.
pub(crate) trait EntryTaker {
    /// An entry begins; its content follows.
    fn begin(&mut self, begun: Begun) -> Result<(), ReadError>;
    /// Content, in order; what lies between is holes.
    fn data(&mut self, offset: u64, bytes: Bytes) -> Result<(), ReadError>;
    /// The entry is complete.
    fn end(&mut self) -> Result<(), ReadError>;
}

/// Takes what is left of a stream that has lost bytes.
pub(crate) trait LossTaker: EntryTaker {
    /// So much content of the entry begun, in order with the rest of it, is lost.
    fn lost(&mut self, offset: u64, len: u64) -> Result<(), ReadError>;
}

/// An entry whose header has been read.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) header: EntryHeader,
    pub(crate) header_offset: StreamOffset,
    pub(crate) content_offset: StreamOffset,
}

/// Parses the stream as it comes.
pub(crate) struct StreamParser {
    state: State,
    buffer: Vec<u8>,
    position: StreamOffset,
    header_offset: StreamOffset,
    first_entry: Option<StreamOffset>,
}

/// What the stream breaks off in.
pub(crate) enum BrokenOff {
    /// Nothing: the next entry begins, or the end.
    Nothing,
    /// The header of the entry that begins here; these bytes of it are there.
    Header(StreamOffset, Vec<u8>),
    /// The map of the entry that begins here.
    Map(StreamOffset),
    /// The content of an entry, or what fills it up.
    Content,
    /// The zeros that end the stream.
    End,
}

enum State {
    /// Collecting the `x` header block, or the start of the end.
    ExtendedHeader,
    /// Collecting pax records and the entry's own header block, up to so many bytes.
    Header {
        len: usize,
    },
    /// Collecting the map of a sparse file.
    Map {
        begun: Box<Begun>,
        map: SparseMapDecoder,
    },
    /// Passing content on.
    Content {
        extents: VecDeque<Extent>,
        padding: u64,
    },
    /// Content is complete; zeros up to the next block.
    Padding {
        left: u64,
    },
    /// Collecting the zeros that end the stream.
    End,
    Ended,
}

impl StreamParser {
    /// Begins at an entry, or at the end, at this place of the stream.
    pub(crate) fn new(position: StreamOffset) -> Self {
        Self {
            state: State::ExtendedHeader,
            buffer: Vec::new(),
            position,
            header_offset: position,
            first_entry: None,
        }
    }

    /// Goes on within content, of which so much follows: its entry's header was not read.
    pub(crate) fn within_content(position: StreamOffset, extent: Extent, padding: u64) -> Self {
        Self {
            state: State::Content {
                extents: VecDeque::from([extent]),
                padding,
            },
            ..Self::new(position)
        }
    }

    /// Goes on behind bytes that are lost, as far as they are content and what fills it up. Gives how
    /// many of them are not: there the parser knows no more where it is, if they are any.
    pub(crate) fn lose(&mut self, len: u64, taker: &mut impl LossTaker) -> Result<u64, ReadError> {
        let mut left = len;
        while left > 0 {
            let lost = match &mut self.state {
                State::Content { extents, .. } => {
                    let Some(extent) = extents.front_mut() else {
                        break;
                    };
                    let lost = extent.len.min(left);
                    taker.lost(extent.offset, lost)?;
                    extent.offset += lost;
                    extent.len -= lost;
                    lost
                }
                State::Padding { left: padding } => {
                    let lost = (*padding).min(left);
                    *padding -= lost;
                    lost
                }
                _ => break,
            };
            left -= lost;
            self.position = self.position.plus(lost);
            self.settle(taker)?;
        }
        Ok(left)
    }

    /// Whether the stream has come to its end.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Where the first entry begins of those that began since this was last asked.
    pub(crate) fn take_first_entry(&mut self) -> Option<StreamOffset> {
        self.first_entry.take()
    }

    /// Where the stream breaks off if no more comes.
    pub(crate) fn broken_off(self) -> BrokenOff {
        match self.state {
            State::ExtendedHeader if self.buffer.is_empty() => BrokenOff::Nothing,
            State::ExtendedHeader if self.buffer.starts_with(&[0]) => BrokenOff::End,
            State::ExtendedHeader => {
                let begun = self.position.0 - self.buffer.len() as u64;
                BrokenOff::Header(StreamOffset(begun), self.buffer)
            }
            State::Header { .. } => BrokenOff::Header(self.header_offset, self.buffer),
            State::Map { begun, .. } => BrokenOff::Map(begun.header_offset),
            State::Content { .. } | State::Padding { .. } => BrokenOff::Content,
            State::End | State::Ended => BrokenOff::End,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn take(
        &mut self,
        mut bytes: Bytes,
        taker: &mut impl EntryTaker,
    ) -> Result<(), ReadError> {
        while !bytes.is_empty() {
            let before = bytes.len();
            self.step(&mut bytes, taker)?;
            self.position = self.position.plus((before - bytes.len()) as u64);
            self.settle(taker)?;
        }
        Ok(())
    }

    /// Consumes from the front of `bytes` what belongs to the present state.
    fn step(&mut self, bytes: &mut Bytes, taker: &mut impl EntryTaker) -> Result<(), ReadError> {
        match &mut self.state {
            State::ExtendedHeader => {
                // A header begins with its name, the end of the stream with a zero.
                if self.buffer.is_empty() && bytes.first() != Some(&0) {
                    self.first_entry.get_or_insert(self.position);
                }
                self.collect(bytes, BLOCK_LEN);
            }
            State::Header { len } => {
                let len = *len;
                self.collect(bytes, len);
            }
            // The map's length shows only as it is read; it ends on a block.
            State::Map { .. } => self.collect(bytes, BLOCK_LEN),
            State::Content { extents, .. } => {
                let Some(extent) = extents.front_mut() else {
                    return Ok(());
                };
                let taken = extent.len.min(bytes.len() as u64);
                taker.data(extent.offset, bytes.split_to(taken as usize))?;
                extent.offset += taken;
                extent.len -= taken;
            }
            State::Padding { left } => {
                let taken = (*left).min(bytes.len() as u64);
                if bytes[..taken as usize].iter().any(|&b| b != 0) {
                    return Err(malformed("content is not filled up with zeros"));
                }
                *left -= taken;
                bytes.advance(taken as usize);
            }
            State::End => self.collect(bytes, END_OF_STREAM.len()),
            State::Ended => return Err(malformed("something follows the end of the stream")),
        }
        Ok(())
    }

    /// Changes state as often as what is at hand allows.
    fn settle(&mut self, taker: &mut impl EntryTaker) -> Result<(), ReadError> {
        loop {
            match &mut self.state {
                State::ExtendedHeader if self.buffer.len() == BLOCK_LEN => {
                    if self.buffer == END_OF_STREAM[..BLOCK_LEN] {
                        self.state = State::End;
                        return Ok(());
                    }
                    self.header_offset = StreamOffset(self.position.0 - BLOCK_LEN as u64);
                    self.state = State::Header {
                        len: header_len(&self.buffer)?,
                    };
                    return Ok(());
                }
                State::Header { len } if self.buffer.len() == *len => self.header_read(taker)?,
                State::Map { .. } if self.buffer.len() == BLOCK_LEN => self.map_block(taker)?,
                State::Content { extents, padding } => {
                    while extents.front().is_some_and(|e| e.len == 0) {
                        extents.pop_front();
                    }
                    if !extents.is_empty() {
                        return Ok(());
                    }
                    self.state = State::Padding { left: *padding };
                }
                State::Padding { left: 0 } => {
                    taker.end()?;
                    self.state = State::ExtendedHeader;
                    return Ok(());
                }
                State::End if self.buffer.len() == END_OF_STREAM.len() => {
                    if self.buffer != END_OF_STREAM {
                        return Err(malformed("the end of the stream is not 1,024 zeros"));
                    }
                    self.state = State::Ended;
                }
                _ => return Ok(()),
            }
        }
    }

    fn collect(&mut self, bytes: &mut Bytes, len: usize) {
        let taken = len.saturating_sub(self.buffer.len()).min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        bytes.advance(taken);
    }

    fn header_read(&mut self, taker: &mut impl EntryTaker) -> Result<(), ReadError> {
        let header = EntryHeader::decode(&self.buffer)?;
        self.buffer.clear();
        let map = SparseMapDecoder::new(&header);
        let stored = header.content_len;
        let begun = Begun {
            header,
            header_offset: self.header_offset,
            content_offset: self.position,
        };
        if let Some(map) = map {
            self.state = State::Map {
                begun: Box::new(begun),
                map,
            };
            return Ok(());
        }
        taker.begin(begun)?;
        self.begin_content(vec![Extent {
            offset: 0,
            len: stored,
        }]);
        Ok(())
    }

    fn map_block(&mut self, taker: &mut impl EntryTaker) -> Result<(), ReadError> {
        let State::Map { begun, map } = &mut self.state else {
            return Ok(());
        };
        let Some(block) = self.buffer.first_chunk() else {
            return Ok(());
        };
        let data = map.push(block)?;
        self.buffer.clear();
        let Some(data) = data else { return Ok(()) };
        if let EntryKind::File { extents, .. } = &mut begun.header.entry.kind {
            *extents = Some(data.clone());
        }
        let begun = begun.as_ref().clone();
        taker.begin(begun)?;
        self.begin_content(data);
        Ok(())
    }

    fn begin_content(&mut self, extents: Vec<Extent>) {
        let len: u64 = extents.iter().map(|e| e.len).sum();
        let padding = padded(len) - len;
        self.state = State::Content {
            extents: extents.into(),
            padding,
        };
    }
}

/// Length of all of an entry's header, by its first block.
fn header_len(x_block: &[u8]) -> Result<usize, ReadError> {
    let x_block = x_block
        .first_chunk()
        .ok_or_else(|| malformed("its header is cut"))?;
    Ok(2 * BLOCK_LEN + pax_len(x_block)?.next_multiple_of(BLOCK_LEN))
}

fn malformed(what: &str) -> ReadError {
    FormatError::malformed(Structure::Entry, "ENT-1", what).into()
}

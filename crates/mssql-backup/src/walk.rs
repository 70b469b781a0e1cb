//! The walk along a medium: from block to block and from stream to stream, fed piece by piece.

use crate::descriptor::{BlockHeader, NotABlock, StreamHeader, Tag};
use crate::wire::u64_at;

/// What the walk comes by.
pub(crate) enum Event<'a> {
    /// A descriptor block, whole.
    Block {
        header: BlockHeader,
        bytes: &'a [u8],
    },
    /// A stream of the last block starts.
    Stream(StreamHeader),
    /// More of its data.
    Data(&'a [u8]),
    /// Bytes of its data that are not known.
    Hole(u64),
    /// Bytes of its data of which not even the number is known: so many at most.
    Gap(u64),
    /// So many bytes were in the gaps of its data.
    Missing(u64),
    /// Its data ended.
    StreamEnd,
    /// What should be a descriptor block or a stream header is none.
    Broken(Broken),
    /// A descriptor block follows again, so many bytes after what was broken.
    Found { lost: u64 },
}

/// What is broken in the chain of blocks and streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A descriptor block; the tag is what stands there.
    Block(Tag, NotABlock),
    /// A stream header likewise.
    Stream(Tag, NotABlock),
    /// A stream would end beyond what 64 bits can count.
    TooLong(Tag, u64),
    /// Bytes in a block or stream header are not known.
    Hole,
}

/// Who listens to the walk.
pub(crate) trait Visitor {
    /// `offset` is where it is in the stream of descriptor blocks, in bytes from its start.
    fn event(&mut self, offset: u64, event: Event<'_>);

    /// Whether it wants the data of this stream; otherwise the data may be passed over.
    fn wants(&self, stream: &StreamHeader) -> bool;
}

/// Where the walk is. It holds at most one descriptor block, 64 KiB.
pub(crate) struct Walk {
    /// Of the next byte that comes.
    offset: u64,
    step: Step,
    /// The beginning of a block or header whose rest has not come yet.
    gathered: Vec<u8>,
    /// Where the last start of a set was.
    set_offset: Option<u64>,
    /// The last block that was walked over, and whether its streams are through.
    last_block: Option<Tag>,
    /// Bytes were lost and nobody knows how many, so `offset` is too small until something tells it.
    is_unsure: bool,
}

/// What the next bytes belong to.
#[derive(Clone, Copy)]
enum Step {
    Block,
    StreamHeader,
    Data {
        stream: StreamHeader,
        wanted: bool,
        left: u64,
    },
    /// Up to the next multiple of 4 before a stream header.
    Padding {
        left: u64,
    },
    /// After something broken: looks for a descriptor block at every multiple of 512.
    Lost {
        since: u64,
    },
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// After a soft filemark, as it should.
    Whole,
    /// Nothing came.
    Empty,
    /// After a block that should not be the last.
    AfterBlock(Tag),
    /// In the middle of a block, stream header or padding.
    InBlock,
    /// In the data of a stream, of which so many bytes are missing.
    InStream { tag: Tag, missing: u64 },
    /// No block was found after something broken.
    Lost { since: u64 },
}

impl Walk {
    /// Descriptor blocks start at multiples of this; the physical sector size of the target, which
    /// soft filemarks are padded to, is not smaller.
    const ALIGNMENT: u64 = 512;
    /// No medium is longer: places that are told behind a gap are below it.
    const MAX_OFFSET: u64 = 1 << 60;
    /// Unit of a block's logical address.
    const ADDRESS_UNIT: u64 = 1024;

    pub(crate) fn new() -> Self {
        Self {
            offset: 0,
            step: Step::Block,
            gathered: Vec::new(),
            set_offset: None,
            last_block: None,
            is_unsure: false,
        }
    }

    /// Whether a gap makes it unsure where it is.
    pub(crate) fn is_unsure(&self) -> bool {
        self.is_unsure
    }

    /// Offset of the next byte that it takes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many of the next bytes nobody wants to see: they may be passed to [`Walk::skip`].
    pub(crate) fn skippable(&self) -> u64 {
        match self.step {
            Step::Data {
                wanted: false,
                left,
                ..
            } => left,
            _ => 0,
        }
    }

    /// Passes over at most [`Walk::skippable`] bytes.
    pub(crate) fn skip(&mut self, len: u64, visitor: &mut impl Visitor) {
        if let Step::Data { left, .. } = &mut self.step {
            let len = len.min(*left);
            *left -= len;
            self.offset += len;
            self.end_stream(visitor);
        }
    }

    /// Takes the next bytes, all of them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], visitor: &mut impl Visitor) {
        while !bytes.is_empty() {
            bytes = match self.step {
                Step::Block => self.block(bytes, visitor),
                Step::StreamHeader => self.stream_header(bytes, visitor),
                Step::Data { wanted, left, .. } => self.data(bytes, wanted, left, visitor),
                Step::Padding { left } => self.padding(bytes, left),
                Step::Lost { since } => self.lost(bytes, since, visitor),
            };
        }
    }

    /// Passes over bytes that are not known.
    pub(crate) fn hole(&mut self, mut len: u64, visitor: &mut impl Visitor) {
        while len > 0 {
            match self.step {
                Step::Data { wanted, left, .. } => {
                    let now = len.min(left);
                    if wanted {
                        visitor.event(self.offset, Event::Hole(now));
                    }
                    self.skip(now, visitor);
                    len -= now;
                }
                Step::Lost { .. } => {
                    self.gathered.clear();
                    self.offset = self.offset.saturating_add(len);
                    return;
                }
                _ => self.broken(Broken::Hole, visitor),
            }
        }
    }

    /// Passes over bytes of which not even the number is known.
    pub(crate) fn gap(&mut self, visitor: &mut impl Visitor) {
        match self.step {
            Step::Data { wanted, left, .. } => {
                if wanted {
                    visitor.event(self.offset, Event::Gap(left));
                }
            }
            Step::Lost { .. } => self.gathered.clear(),
            _ => self.broken(Broken::Hole, visitor),
        }
        self.is_unsure = true;
    }

    /// After a gap: the next bytes are the header of a stream, so what is left of this one was in the
    /// gap.
    pub(crate) fn end_gap(&mut self, visitor: &mut impl Visitor) {
        let Step::Data { wanted, left, .. } = self.step else {
            return;
        };
        if self.offset.saturating_add(left) > Self::MAX_OFFSET {
            return self.end_in_gap(visitor);
        }
        if wanted {
            visitor.event(self.offset, Event::Missing(left));
        }
        self.is_unsure = false;
        self.skip(left, visitor);
    }

    /// After a gap: the next bytes are no more of this stream, nor what follows it.
    pub(crate) fn end_in_gap(&mut self, visitor: &mut impl Visitor) {
        let Step::Data { wanted, left, .. } = self.step else {
            return;
        };
        if wanted {
            visitor.event(self.offset, Event::Missing(left));
        }
        self.broken(Broken::Hole, visitor);
    }

    /// The stream whose data comes.
    pub(crate) fn stream(&self) -> Option<Tag> {
        match self.step {
            Step::Data { stream, .. } => Some(stream.tag),
            _ => None,
        }
    }

    /// How it ended, if nothing more comes.
    pub(crate) fn end(&self) -> End {
        match (self.step, self.last_block) {
            (Step::Block, None) if self.gathered.is_empty() => End::Empty,
            (Step::Block, Some(Tag::SFMB)) if self.gathered.is_empty() => End::Whole,
            (Step::Block, Some(tag)) if self.gathered.is_empty() => End::AfterBlock(tag),
            (Step::Data { stream, left, .. }, _) => End::InStream {
                tag: stream.tag,
                missing: left,
            },
            (Step::Lost { since }, _) => End::Lost { since },
            _ => End::InBlock,
        }
    }

    /// Gathers up to `len` bytes. What is left of `bytes`, and whether the whole is there.
    fn gather<'a>(&mut self, bytes: &'a [u8], len: usize) -> (&'a [u8], bool) {
        let missing = len.saturating_sub(self.gathered.len());
        let (now, rest) = bytes.split_at(missing.min(bytes.len()));
        self.gathered.extend_from_slice(now);
        self.offset += now.len() as u64;
        (rest, self.gathered.len() >= len)
    }

    fn block<'a>(&mut self, bytes: &'a [u8], visitor: &mut impl Visitor) -> &'a [u8] {
        let (bytes, whole) = self.gather(bytes, BlockHeader::LEN);
        let Some(start) = self.gathered.first_chunk().filter(|_| whole) else {
            return bytes;
        };
        let header = match BlockHeader::decode(start) {
            Ok(header) => header,
            Err(why) => {
                let [a, b, c, d, ..] = *start;
                self.broken(Broken::Block(Tag([a, b, c, d]), why), visitor);
                return bytes;
            }
        };
        let (bytes, whole) = self.gather(bytes, header.len.into());
        if whole {
            self.finish_block(header, visitor);
        }
        bytes
    }

    fn finish_block(&mut self, header: BlockHeader, visitor: &mut impl Visitor) {
        self.find_start(header.tag);
        let block_offset = self.offset - self.gathered.len() as u64;
        match (header.tag, self.last_block) {
            (Tag::SSET, _) => self.set_offset = Some(block_offset),
            // The set is over: where the next one starts is not known yet.
            (Tag::SFMB, Some(Tag::ESET)) => self.set_offset = None,
            _ => {}
        }
        let bytes = &self.gathered;
        visitor.event(block_offset, Event::Block { header, bytes });
        self.gathered.clear();
        self.last_block = Some(header.tag);
        self.step = match header.tag {
            Tag::SFMB => Step::Block,
            _ => Step::StreamHeader,
        };
    }

    fn stream_header<'a>(&mut self, bytes: &'a [u8], visitor: &mut impl Visitor) -> &'a [u8] {
        let (bytes, whole) = self.gather(bytes, StreamHeader::LEN);
        let Some(header) = self.gathered.first_chunk().filter(|_| whole) else {
            return bytes;
        };
        match StreamHeader::decode(header) {
            Ok(stream) if self.offset.checked_add(stream.len).is_some() => {
                visitor.event(
                    self.offset - self.gathered.len() as u64,
                    Event::Stream(stream),
                );
                self.gathered.clear();
                let (wanted, left) = (visitor.wants(&stream), stream.len);
                self.step = Step::Data {
                    stream,
                    wanted,
                    left,
                };
                self.end_stream(visitor);
            }
            Ok(stream) => self.broken(Broken::TooLong(stream.tag, stream.len), visitor),
            Err(why) => {
                let [a, b, c, d, ..] = *header;
                self.broken(Broken::Stream(Tag([a, b, c, d]), why), visitor);
            }
        }
        bytes
    }

    fn data<'a>(
        &mut self,
        bytes: &'a [u8],
        wanted: bool,
        left: u64,
        visitor: &mut impl Visitor,
    ) -> &'a [u8] {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (now, rest) = bytes.split_at(len);
        if wanted {
            visitor.event(self.offset, Event::Data(now));
        }
        self.skip(now.len() as u64, visitor);
        rest
    }

    /// Goes on after a stream of which nothing is left.
    fn end_stream(&mut self, visitor: &mut impl Visitor) {
        let Step::Data {
            stream, left: 0, ..
        } = self.step
        else {
            return;
        };
        visitor.event(self.offset, Event::StreamEnd);
        self.step = match (stream.tag, self.offset % 4) {
            (Tag::SPAD, _) => Step::Block,
            (_, 0) => Step::StreamHeader,
            (_, over) => Step::Padding { left: 4 - over },
        };
    }

    fn padding<'a>(&mut self, bytes: &'a [u8], left: u64) -> &'a [u8] {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.offset += len as u64;
        self.step = match left - len as u64 {
            0 => Step::StreamHeader,
            left => Step::Padding { left },
        };
        &bytes[len..]
    }

    fn broken(&mut self, broken: Broken, visitor: &mut impl Visitor) {
        let since = self.offset - self.gathered.len() as u64;
        visitor.event(since, Event::Broken(broken));
        // A block may start inside what was taken for a header: it is looked at again.
        let next = (since + 1).next_multiple_of(Self::ALIGNMENT);
        let kept = self.offset.saturating_sub(next);
        let kept = usize::try_from(kept).unwrap_or(0).min(self.gathered.len());
        self.gathered.drain(..self.gathered.len() - kept);
        self.step = Step::Lost { since };
    }

    /// Looks for the next descriptor block.
    fn lost<'a>(
        &mut self,
        mut bytes: &'a [u8],
        since: u64,
        visitor: &mut impl Visitor,
    ) -> &'a [u8] {
        while !bytes.is_empty() {
            if self.gathered.is_empty() {
                let over = self.offset % Self::ALIGNMENT;
                let to_next = if over == 0 { 0 } else { Self::ALIGNMENT - over };
                let passed = usize::try_from(to_next)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.offset += passed as u64;
                bytes = &bytes[passed..];
                if bytes.is_empty() {
                    return bytes;
                }
            }
            let whole;
            (bytes, whole) = self.gather(bytes, BlockHeader::LEN);
            if !whole {
                return bytes;
            }
            if self.is_likely_block() {
                self.find_place();
                let lost = (self.offset - self.gathered.len() as u64).saturating_sub(since);
                visitor.event(since, Event::Found { lost });
                self.step = Step::Block;
                // The next bytes complete the block; there may be none, if it is 52 bytes long.
                return self.block(bytes, visitor);
            }
            self.gathered.clear();
        }
        bytes
    }

    /// Whether a block of a known kind was gathered that says itself that it belongs here.
    fn is_likely_block(&self) -> bool {
        let header = self.gathered.first_chunk().map(BlockHeader::decode);
        let Some(Ok(header)) = header else {
            return false;
        };
        let from_set = self
            .set_offset
            .map(|set| self.offset - BlockHeader::LEN as u64 - set);
        let expected = match header.tag {
            Tag::TAPE | Tag::SFMB | Tag::SSET | Tag::ESET => Some(0),
            _ => from_set.map(|len| len / Self::ADDRESS_UNIT),
        };
        Tag::BLOCKS.contains(&header.tag)
            && (expected.is_none_or(|address| header.logical_address == address)
                || (self.is_unsure && expected != Some(0)))
    }

    /// After a gap, the start of a set says where in the medium it stands.
    fn find_start(&mut self, tag: Tag) {
        const ADDRESS: usize = 0x50;
        let len = self.gathered.len() as u64;
        let place = match tag {
            _ if !self.is_unsure => return,
            Tag::TAPE => Some(0),
            Tag::SSET => u64_at(&self.gathered, ADDRESS),
            _ => None,
        };
        let here = self.offset - len;
        if let Some(place) = place.filter(|place| (here..Self::MAX_OFFSET).contains(place)) {
            self.offset = place + len;
            self.is_unsure = false;
        }
    }

    /// After a gap, a block of a set says where in the set it stands.
    fn find_place(&mut self) {
        let header = self.gathered.first_chunk().map(BlockHeader::decode);
        let (Some(Ok(header)), Some(set)) = (header, self.set_offset) else {
            return;
        };
        let is_told = !matches!(header.tag, Tag::TAPE | Tag::SFMB | Tag::SSET | Tag::ESET);
        let place = header.logical_address.checked_mul(Self::ADDRESS_UNIT);
        let place = place.and_then(|place| place.checked_add(set + BlockHeader::LEN as u64));
        let is_place = |place: &u64| (self.offset..Self::MAX_OFFSET).contains(place);
        if let Some(place) = place.filter(is_place)
            && self.is_unsure
            && is_told
        {
            self.offset = place;
            self.is_unsure = false;
        }
    }
}

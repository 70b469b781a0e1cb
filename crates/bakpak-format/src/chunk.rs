//! CHUNK: up to `chunk_size` bytes of new data, and how they make a stretch of the stream
//! (spec, chapter 8).

pub mod script;

use crate::error::{FormatError, Structure};
use crate::geometry::{DataOffset, StreamOffset};
use crate::wire::{WireReader, u32_len};
use script::{Instruction, Script};

/// Bytes of a body before the script.
pub const HEAD_LEN: usize = 45;

const NO_ENTRY: u64 = u64::MAX;

/// How a chunk's payload holds its raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// The payload is the raw bytes.
    Stored,
    /// The payload is one zstd frame.
    Zstd,
}

/// What stands before the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// Where its stretch of the stream begins.
    pub stream_offset: StreamOffset,
    /// Where its raw bytes begin in the data space.
    pub data_offset: DataOffset,
    /// Length of its stretch.
    pub stream_len: u64,
    /// The first entry (its `x` header) that begins in the stretch.
    pub first_entry: Option<StreamOffset>,
    /// Length of its raw bytes.
    pub raw_len: usize,
    /// How the payload holds them.
    pub compression: Compression,
}

/// A CHUNK, decoded; its payload is as it stands in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// What stands before the script.
    pub head: ChunkHead,
    /// How the stretch is made; empty for the raw bytes alone.
    pub script: Script,
    /// The raw bytes, or a zstd frame that gives them (spec: CHU-6).
    pub payload: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Decodes the body of a record, and checks every rule that needs no other record.
    ///
    /// Not checked here: the offsets against the chunks before (spec: CHU-1), first_entry against
    /// the stream (spec: CHU-3), what the frame gives (spec: CHU-6), reach (spec: CHU-8, see
    /// [`Chunk::check_reach`]) and copy cost (spec: CHU-9).
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: raw_len is over `chunk_size` (spec: CHU-4), or the script
    ///   is too long (spec: CHU-5).
    /// - [`FormatError::Unsupported`]: another compression (spec: CHU-6).
    /// - [`FormatError::Malformed`]: the body is too short (spec: REC-6), sums are wrong
    ///   (spec: CHU-2), first_entry is outside the stretch (spec: CHU-3), the script breaks a rule
    ///   (spec: CHU-5, CHU-7), or a stored payload has another length (spec: CHU-6).
    pub fn decode(body: &'a [u8], chunk_size: usize) -> Result<Self, FormatError> {
        let structure = Structure::Chunk;
        let short = |_| FormatError::malformed(Structure::Record, "REC-6", "the body is too short");
        let mut cursor = WireReader::new(structure, body);
        let head = cursor.bytes(HEAD_LEN).map_err(short)?;
        let rest = cursor.rest();
        let mut cursor = WireReader::new(structure, head);
        let stream_offset = StreamOffset(cursor.u64()?);
        let data_offset = DataOffset(cursor.u64()?);
        let stream_len = cursor.u64()?;
        let first_entry = cursor.u64()?;
        let raw_len = cursor.len32()?;
        let max = chunk_size as u64;
        FormatError::check_range(structure, "raw_len", raw_len as u64, 0..=max)?; // spec: CHU-4
        let instruction_count = cursor.len32()?;
        let script_len = cursor.len32()?;
        let compression = Compression::from_number(cursor.u8()?)?;
        let mut cursor = WireReader::new(structure, rest);
        let script = Script::decode(cursor.bytes(script_len).map_err(short)?, instruction_count)?;
        let head = ChunkHead {
            stream_offset,
            data_offset,
            stream_len,
            first_entry: (first_entry != NO_ENTRY).then_some(StreamOffset(first_entry)),
            raw_len,
            compression,
        };
        let payload = cursor.rest();
        head.check(&script, payload)?;
        Ok(Self {
            head,
            script,
            payload,
        })
    }

    /// Appends the body of a CHUNK to `body`.
    ///
    /// # Errors
    ///
    /// Whatever a reader would refuse in it, but for the size of the chunk.
    pub fn encode_into(
        body: &mut Vec<u8>,
        head: &ChunkHead,
        script: &Script,
        payload: &[u8],
    ) -> Result<(), FormatError> {
        head.check(script, payload)?;
        let script_bytes = script.encode()?;
        body.reserve(HEAD_LEN + script_bytes.len() + payload.len());
        body.extend_from_slice(&head.stream_offset.0.to_le_bytes());
        body.extend_from_slice(&head.data_offset.0.to_le_bytes());
        body.extend_from_slice(&head.stream_len.to_le_bytes());
        let first_entry = head.first_entry.map_or(NO_ENTRY, u64::from);
        body.extend_from_slice(&first_entry.to_le_bytes());
        body.extend_from_slice(&u32_len(head.raw_len).to_le_bytes());
        body.extend_from_slice(&u32_len(script.0.len()).to_le_bytes());
        body.extend_from_slice(&u32_len(script_bytes.len()).to_le_bytes());
        body.push(head.compression.number());
        body.extend_from_slice(&script_bytes);
        body.extend_from_slice(payload);
        Ok(())
    }

    /// Refuses a COPY from further back than the header declares (spec: CHU-8).
    ///
    /// `copy_reach` is the header's: 0 allows no COPY, all ones any.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: a COPY reaches further back.
    pub fn check_reach(&self, copy_reach: u64) -> Result<(), FormatError> {
        let beyond = self.script.copies().any(|(source, _)| {
            let reach = self.head.data_offset.since(source);
            reach.is_none_or(|reach| reach > copy_reach)
        });
        if beyond {
            let what = "a COPY reaches further back than copy_reach";
            return Err(FormatError::malformed(Structure::Script, "CHU-8", what));
        }
        Ok(())
    }

    /// The instructions that make the stretch; the empty script spelled out.
    pub fn instructions(&self) -> impl Iterator<Item = Instruction> + '_ {
        // No chunk is empty (spec: CHU-2), so an empty script stands for a LITERAL.
        let raw = Instruction::Literal(self.head.raw_len as u64);
        let raw = self.script.0.is_empty().then_some(raw);
        raw.into_iter().chain(self.script.0.iter().copied())
    }
}

impl ChunkHead {
    /// Every rule that needs no other record, for both directions.
    fn check(&self, script: &Script, payload: &[u8]) -> Result<(), FormatError> {
        let structure = Structure::Chunk;
        let wrong_sum = |what| Err(FormatError::malformed(Structure::Script, "CHU-2", what));
        let malformed = |rule, what| Err(FormatError::malformed(structure, rule, what));
        let raw_len = self.raw_len as u64;
        let (stream_sum, literal_sum) = if script.0.is_empty() {
            (raw_len, raw_len)
        } else {
            script.sums()?
        };
        if self.stream_len == 0 || stream_sum != self.stream_len {
            // spec: CHU-2
            return wrong_sum("the instructions do not add up to stream_len");
        }
        if literal_sum != raw_len {
            // spec: CHU-2
            return wrong_sum("the LITERALs do not add up to raw_len");
        }
        let stream_end = self.stream_offset.0.checked_add(self.stream_len);
        let data_end = self.data_offset.0.checked_add(raw_len);
        let (Some(stream_end), Some(_)) = (stream_end, data_end) else {
            // spec: CHU-2
            return wrong_sum("it ends beyond the greatest offset");
        };
        let stretch = self.stream_offset.0..stream_end;
        if self
            .first_entry
            .is_some_and(|entry| !stretch.contains(&entry.0))
        {
            // spec: CHU-3
            return malformed("CHU-3", "first_entry is outside the stretch");
        }
        if self.compression == Compression::Stored && payload.len() != self.raw_len {
            // spec: CHU-6
            return malformed("CHU-6", "a stored payload is not raw_len bytes long");
        }
        let forward = script.copies().any(|(source, len)| {
            source
                .0
                .checked_add(len)
                .is_none_or(|end| end > self.data_offset.0)
        });
        if forward {
            // spec: CHU-7
            let what = "a COPY is not from the data space before this chunk";
            return Err(FormatError::malformed(Structure::Script, "CHU-7", what));
        }
        Ok(())
    }
}

impl Compression {
    fn from_number(number: u8) -> Result<Self, FormatError> {
        match number {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Zstd),
            // spec: CHU-6
            _ => Err(FormatError::unsupported(
                Structure::Chunk,
                format!("compression {number}"),
            )),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn head() -> ChunkHead {
        ChunkHead {
            stream_offset: StreamOffset(1000),
            data_offset: DataOffset(500),
            stream_len: 3,
            first_entry: Some(StreamOffset(1002)),
            raw_len: 3,
            compression: Compression::Stored,
        }
    }

    fn encode(head: &ChunkHead, script: &[Instruction]) -> Result<Vec<u8>, FormatError> {
        let mut body = Vec::new();
        Chunk::encode_into(&mut body, head, &Script(script.to_vec()), b"abc")?;
        Ok(body)
    }

    fn copy(source: u64, len: u64) -> Instruction {
        let source = DataOffset(source);
        Instruction::Copy { source, len }
    }

    #[test]
    fn a_plain_chunk_comes_back() {
        let body = encode(&head(), &[]).unwrap();
        assert_eq!(body.len(), 45 + 3);
        let chunk = Chunk::decode(&body, 3).unwrap();
        assert_eq!((chunk.head, chunk.payload), (head(), &b"abc"[..]));
        let instructions: Vec<Instruction> = chunk.instructions().collect();
        assert_eq!(instructions, [Instruction::Literal(3)]);
        assert!(chunk.check_reach(0).is_ok());
    }

    #[test]
    fn a_chunk_with_a_script_comes_back() {
        let script = [
            Instruction::Literal(2),
            copy(100, 400),
            Instruction::Zero(1 << 50),
            Instruction::Literal(1),
        ];
        let stream_len = 2 + 400 + (1 << 50) + 1;
        let head = ChunkHead {
            stream_len,
            ..head()
        };
        let body = encode(&head, &script).unwrap();
        let chunk = Chunk::decode(&body, 3).unwrap();
        assert_eq!((chunk.head, chunk.script.0.as_slice()), (head, &script[..]));
        assert_eq!(chunk.instructions().count(), 4);
        assert!(chunk.check_reach(400).is_ok());
        assert_eq!(
            chunk.check_reach(399).unwrap_err().class(),
            Class::Malformed
        );
        assert!(chunk.check_reach(0).is_err());
    }

    #[test]
    fn raw_bytes_over_chunk_size_exceed_their_limit() {
        let body = encode(&head(), &[]).unwrap();
        let class = Chunk::decode(&body, 2).unwrap_err().class();
        assert_eq!(class, Class::LimitExceeded);
    }

    #[test]
    fn wrong_sums_are_malformed() {
        let refused = |change: fn(&mut ChunkHead), script: &[Instruction]| {
            let mut head = head();
            change(&mut head);
            encode(&head, script).unwrap_err().class() == Class::Malformed
        };
        assert!(refused(|head| head.stream_len = 4, &[]));
        assert!(refused(|head| head.stream_len = 0, &[]));
        assert!(refused(|head| head.raw_len = 4, &[]));
        assert!(refused(|head| head.stream_offset.0 = u64::MAX - 2, &[]));
        assert!(refused(|head| head.data_offset.0 = u64::MAX - 2, &[]));
        assert!(refused(
            |head| head.first_entry = Some(StreamOffset(999)),
            &[]
        ));
        assert!(refused(
            |head| head.first_entry = Some(StreamOffset(1003)),
            &[]
        ));
        assert!(refused(|_| {}, &[Instruction::Zero(3)]));
        assert!(refused(
            |_| {},
            &[Instruction::Zero(u64::MAX), copy(0, u64::MAX)]
        ));
    }

    #[test]
    fn copies_from_the_chunk_itself_or_later_are_malformed() {
        let head = ChunkHead {
            stream_len: 13,
            ..head()
        };
        let script = |source| [Instruction::Literal(3), copy(source, 10)];
        assert!(encode(&head, &script(490)).is_ok());
        for source in [491, 500, u64::MAX] {
            assert!(encode(&head, &script(source)).is_err());
        }
    }

    #[test]
    fn other_compressions_and_short_bodies_are_refused() {
        let mut body = encode(&head(), &[]).unwrap();
        for len in 0..body.len() {
            let class = Chunk::decode(&body[..len], 3).unwrap_err().class();
            assert_eq!(class, Class::Malformed);
        }
        body[44] = 2;
        assert_eq!(
            Chunk::decode(&body, 3).unwrap_err().class(),
            Class::Unsupported
        );
    }

    #[test]
    fn the_worked_lengths_of_chapter_8_hold() {
        for (raw_len, record_len) in [(1, 62), (1 << 20, 1_048_637)] {
            let head = ChunkHead {
                stream_len: raw_len,
                raw_len: raw_len as usize,
                first_entry: None,
                ..head()
            };
            let mut body = Vec::new();
            let payload = vec![0; head.raw_len];
            Chunk::encode_into(&mut body, &head, &Script::default(), &payload).unwrap();
            assert_eq!(crate::record::HEADER_LEN + body.len(), record_len);
        }
    }

    #[test]
    fn a_compressed_chunk_comes_back() {
        let head = ChunkHead {
            compression: Compression::Zstd,
            ..head()
        };
        let mut body = Vec::new();
        // What the frame gives is not judged here, so any bytes do.
        Chunk::encode_into(&mut body, &head, &Script::default(), b"a frame").unwrap();
        assert_eq!(body[44], 1);
        let chunk = Chunk::decode(&body, 3).unwrap();
        assert_eq!((chunk.head, chunk.payload), (head, &b"a frame"[..]));
    }
}

//! What a plan of records is made of: steps, chunks, scripts.

use bakpak_format::record::{Facts, RecordHeader};

/// What stands next in an archive. All lists, sums and places follow from the steps before.
#[derive(Clone, Debug)]
pub enum Step {
    /// A CHUNK of the next stretch of the stream.
    Chunk(Chunk),
    /// FACTS.
    Facts(Facts),
    /// A CATALOGUE PAGE of the next so many rows.
    Rows(usize),
    /// All TREE PAGEs.
    Tree,
    /// A CHECKPOINT.
    Checkpoint,
    /// FINAL.
    Final,
    /// A record of any kind.
    Record(RecordHeader, Vec<u8>),
    /// The block ends here, though it is not full.
    EndBlock,
    /// A block without records.
    EmptyBlock,
    /// The stripe ends here, filled up with blocks without records.
    EndStripe,
}

/// How a stretch of the stream is stored.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// What makes the stretch; nothing for LITERAL over the rest of the stream.
    pub script: Vec<Op>,
    /// How its raw bytes are stored.
    pub payload: Payload,
    /// What stands for the script, with its instruction_count, if not its own encoding.
    pub spelled: Option<(Vec<u8>, u32)>,
}

/// An instruction of a script.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Bytes of the chunk.
    Literal(u64),
    /// Source and length.
    Copy(u64, u64),
    /// Zero bytes.
    Zero(u64),
}

impl Op {
    /// How much of the stream it makes.
    pub fn stretch_len(&self) -> u64 {
        let (Self::Literal(len) | Self::Copy(_, len) | Self::Zero(len)) = *self;
        len
    }
}

/// How raw bytes are stored.
#[derive(Clone, Debug, Default)]
pub enum Payload {
    /// As they are.
    #[default]
    Stored,
    /// In a frame made by [`crate::zstd_frame::frame`].
    Zstd,
    /// In this, and called a zstd frame.
    Given(Vec<u8>),
}

impl Chunk {
    /// A chunk of these instructions.
    pub fn of(script: impl Into<Vec<Op>>) -> Step {
        Step::Chunk(Self {
            script: script.into(),
            ..Self::default()
        })
    }

    /// A chunk of the rest of the stream, its raw bytes in a zstd frame.
    pub fn zstd() -> Step {
        Step::Chunk(Self {
            payload: Payload::Zstd,
            ..Self::default()
        })
    }

    /// The script and its instruction_count; one LITERAL is said by no script at all.
    pub fn encode_script(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::new();
        if let [] | [Op::Literal(_)] = self.script[..] {
            return (bytes, 0);
        }
        let mut previous_end = 0;
        for op in &self.script {
            match *op {
                Op::Literal(len) => varint(&mut bytes, len * 4),
                Op::Zero(len) => varint(&mut bytes, len * 4 + 2),
                Op::Copy(source, len) => {
                    varint(&mut bytes, len * 4 + 1);
                    let forward = source.wrapping_sub(previous_end).cast_signed();
                    varint(&mut bytes, (forward << 1 ^ forward >> 63).cast_unsigned());
                    previous_end = source.wrapping_add(len);
                }
            }
        }
        let count = u32::try_from(self.script.len()).expect("vectors are small");
        (bytes, count)
    }
}

/// LEB128 in its shortest form.
pub fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

//! The script of a chunk: LITERAL, COPY and ZERO (spec, chapter 8).

use crate::error::{FormatError, Structure};
use crate::geometry::DataOffset;
use crate::limits::{MAX_INSTRUCTIONS, MAX_SCRIPT_BYTES};

const LITERAL: u64 = 0;
const COPY: u64 = 1;
const ZERO: u64 = 2;

/// Sources and their distances are below this (spec, chapter 8: |d| < 2^62).
const DISTANCE_BOUND: u64 = 1 << 62;

/// How a chunk makes its stretch of the stream; empty for its raw bytes alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(pub Vec<Instruction>);

/// One instruction; lengths are never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// The next bytes of this chunk's raw bytes.
    Literal(u64),
    /// Bytes of the data space before this chunk.
    Copy {
        /// Where they begin.
        source: DataOffset,
        /// How many.
        len: u64,
    },
    /// Zero bytes.
    Zero(u64),
}

impl Instruction {
    /// Bytes of the stream that it makes.
    pub fn len(self) -> u64 {
        match self {
            Self::Literal(len) | Self::Copy { len, .. } | Self::Zero(len) => len,
        }
    }

    /// Whether it makes nothing, which no script may hold (spec: CHU-5).
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl Script {
    /// Encodes the script.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`], [`FormatError::Malformed`]: what a reader would refuse
    ///   (spec: CHU-5).
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        let mut bytes = Vec::with_capacity(4 * self.0.len());
        let mut previous_end = 0_u64;
        for &instruction in &self.0 {
            let op = match instruction {
                Instruction::Literal(_) => LITERAL,
                Instruction::Copy { .. } => COPY,
                Instruction::Zero(_) => ZERO,
            };
            let len = instruction.len();
            let word = len
                .checked_mul(4)
                .ok_or_else(|| malformed("a length is over 2^62"))?;
            push_varint(&mut bytes, word | op);
            if let Instruction::Copy { source, len } = instruction {
                let forward = source.0.wrapping_sub(previous_end).cast_signed();
                if forward.unsigned_abs() >= DISTANCE_BOUND {
                    return Err(malformed("a distance is over 2^62"));
                }
                push_varint(&mut bytes, zigzag(forward));
                previous_end = source.0.saturating_add(len);
            }
        }
        Ok(bytes)
    }

    /// Decodes a script of `instruction_count` instructions that fills `bytes`.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: more than 65,536 instructions, or LITERAL and COPY over
    ///   64 MiB together (spec: CHU-5).
    /// - [`FormatError::Malformed`]: whatever else CHU-5 says, or a source below 0 (spec: CHU-7).
    pub fn decode(bytes: &[u8], instruction_count: usize) -> Result<Self, FormatError> {
        check_count(instruction_count)?;
        // An instruction is a byte at least, so a count beyond the bytes takes no memory.
        let mut instructions = Vec::with_capacity(instruction_count.min(bytes.len()));
        let mut rest = bytes;
        let mut previous_end = 0_u64;
        while !rest.is_empty() {
            if instructions.len() == instruction_count {
                return Err(malformed(
                    "there are more instructions than instruction_count",
                ));
            }
            let word = take_varint(&mut rest)?;
            let len = word / 4;
            instructions.push(match word % 4 {
                LITERAL => Instruction::Literal(len),
                COPY => {
                    let source = take_source(&mut rest, previous_end)?;
                    previous_end = source.0.saturating_add(len);
                    Instruction::Copy { source, len }
                }
                ZERO => Instruction::Zero(len),
                _ => return Err(malformed("op 3")),
            });
        }
        if instructions.len() != instruction_count {
            return Err(malformed(
                "there are fewer instructions than instruction_count",
            ));
        }
        let script = Self(instructions);
        script.check()?;
        Ok(script)
    }

    /// Bytes of the stream that it makes, and how many of them are LITERAL (spec: CHU-2).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: a sum is over 2^64 (spec: CHU-2).
    pub fn sums(&self) -> Result<(u64, u64), FormatError> {
        let mut sums = Some((0_u64, 0_u64));
        for instruction in &self.0 {
            let len = instruction.len();
            let literal = match instruction {
                Instruction::Literal(len) => *len,
                Instruction::Copy { .. } | Instruction::Zero(_) => 0,
            };
            sums = sums.and_then(|(stream_sum, literal_sum)| {
                Some((
                    stream_sum.checked_add(len)?,
                    literal_sum.checked_add(literal)?,
                ))
            });
        }
        let what = "the instructions add up to more than 2^64";
        sums.ok_or_else(|| FormatError::malformed(Structure::Script, "CHU-2", what))
    }

    /// Source and length of every COPY, in order.
    pub fn copies(&self) -> impl Iterator<Item = (DataOffset, u64)> + '_ {
        self.0.iter().filter_map(|instruction| match instruction {
            Instruction::Copy { source, len } => Some((*source, *len)),
            Instruction::Literal(_) | Instruction::Zero(_) => None,
        })
    }

    /// The rules of CHU-5 that do not depend on the encoding, for both directions.
    fn check(&self) -> Result<(), FormatError> {
        check_count(self.0.len())?;
        if matches!(self.0[..], [Instruction::Literal(_)]) {
            return Err(malformed("a single LITERAL stands for the empty script"));
        }
        if self.0.iter().any(|instruction| instruction.is_empty()) {
            return Err(malformed("an instruction of length 0"));
        }
        let joined = self.0.windows(2).any(|pair| match *pair {
            [Instruction::Literal(_), Instruction::Literal(_)] => true,
            [Instruction::Zero(_), Instruction::Zero(_)] => true,
            [
                Instruction::Copy { source, len },
                Instruction::Copy { source: next, .. },
            ] => source.plus(len) == next,
            _ => false,
        });
        if joined {
            return Err(malformed("two instructions in a row that are one"));
        }
        let work = self
            .0
            .iter()
            .filter(|instruction| !matches!(instruction, Instruction::Zero(_)))
            .fold(0_u64, |sum, instruction| {
                sum.saturating_add(instruction.len())
            });
        let field = "LITERAL and COPY bytes";
        FormatError::check_range(Structure::Script, field, work, 0..=MAX_SCRIPT_BYTES)
    }
}

fn check_count(count: usize) -> Result<(), FormatError> {
    let max = MAX_INSTRUCTIONS as u64;
    FormatError::check_range(
        Structure::Script,
        "instruction_count",
        count as u64,
        0..=max,
    )
}

/// A script that is not in its one encoding (spec: CHU-5).
fn malformed(what: &str) -> FormatError {
    FormatError::malformed(Structure::Script, "CHU-5", what)
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Takes a LEB128 number in its shortest form (spec: CHU-5).
fn take_varint(rest: &mut &[u8]) -> Result<u64, FormatError> {
    let mut value = 0_u64;
    for shift in (0..).step_by(7) {
        let Some((&byte, after)) = rest.split_first() else {
            return Err(malformed("a varint is cut off"));
        };
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if shift > 63 || bits << shift >> shift != bits {
            return Err(malformed("a varint is over 2^64"));
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                return Err(malformed("a varint is not in its shortest form"));
            }
            break;
        }
    }
    Ok(value)
}

/// Takes the source of a COPY, told from the end of the one before.
fn take_source(rest: &mut &[u8], previous_end: u64) -> Result<DataOffset, FormatError> {
    let forward = unzigzag(take_varint(rest)?);
    if forward.unsigned_abs() >= DISTANCE_BOUND {
        return Err(malformed("a distance is over 2^62"));
    }
    let source = previous_end.checked_add_signed(forward);
    let what = "a COPY is from outside the data space";
    source
        .map(DataOffset)
        .ok_or_else(|| FormatError::malformed(Structure::Script, "CHU-7", what))
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn copy(source: u64, len: u64) -> Instruction {
        let source = DataOffset(source);
        Instruction::Copy { source, len }
    }

    fn class(bytes: &[u8], count: usize) -> Class {
        Script::decode(bytes, count).unwrap_err().class()
    }

    #[test]
    fn scripts_have_the_bytes_of_chapter_8() {
        let script = Script(vec![
            Instruction::Literal(3),
            copy(10, 5),
            Instruction::Zero(2),
            copy(15, 1),
            copy(14, 100),
            Instruction::Zero(1),
        ]);
        let bytes = script.encode().unwrap();
        // COPY 100 is 401 = 0b11_0010001; its source is 2 before the end of the one before.
        assert_eq!(bytes, [12, 21, 20, 10, 5, 0, 0x91, 3, 3, 6]);
        assert_eq!(Script::decode(&bytes, 6).unwrap(), script);
        assert_eq!(script.sums().unwrap(), (112, 3));
    }

    #[test]
    fn the_empty_script_is_no_bytes() {
        assert!(Script::default().encode().unwrap().is_empty());
        assert_eq!(Script::decode(&[], 0).unwrap(), Script::default());
    }

    #[test]
    fn zigzag_is_that_of_the_specification() {
        for (value, encoded) in [
            (0, 0),
            (1, 2),
            (-1, 1),
            (2, 4),
            (-2, 3),
            (i64::MAX, u64::MAX - 1),
        ] {
            assert_eq!(zigzag(value), encoded);
            assert_eq!(unzigzag(encoded), value);
        }
        assert_eq!(unzigzag(u64::MAX), i64::MIN);
    }

    #[test]
    fn varints_have_one_form() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::MAX / 2, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!(take_varint(&mut rest).unwrap(), value);
            assert!(rest.is_empty());
        }
        for bad in [
            &[0x80, 0][..],
            &[0x81, 0x80, 0],
            &[0x80],
            &[],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            &[
                0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1,
            ],
        ] {
            assert!(take_varint(&mut &bad[..]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn scripts_that_break_rules_are_refused() {
        assert_eq!(class(&[12], 1), Class::Malformed); // a single LITERAL
        assert_eq!(class(&[4, 8, 6], 3), Class::Malformed); // two LITERALs
        assert_eq!(class(&[4, 6, 6], 3), Class::Malformed); // two ZEROs
        assert_eq!(class(&[5, 0, 5, 0], 2), Class::Malformed); // two COPYs that are one
        assert_eq!(class(&[4, 2], 2), Class::Malformed); // ZERO 0
        assert_eq!(class(&[4, 7], 2), Class::Malformed); // op 3
        assert_eq!(class(&[4, 6], 1), Class::Malformed); // counts
        assert_eq!(class(&[4, 6], 3), Class::Malformed);
        assert_eq!(class(&[], 1), Class::Malformed);
        assert_eq!(class(&[4], 0), Class::Malformed);
        assert_eq!(class(&[5], 1), Class::Malformed); // COPY without a source
        assert_eq!(class(&[5, 1], 1), Class::Malformed); // source -1
        assert_eq!(class(&[], 65_537), Class::LimitExceeded);
    }

    #[test]
    fn more_work_than_64_mib_exceeds_the_limit() {
        let class = |len| Script(vec![Instruction::Zero(u64::MAX / 4), copy(0, len)]).encode();
        assert!(class(MAX_SCRIPT_BYTES).is_ok());
        let error = class(MAX_SCRIPT_BYTES + 1).unwrap_err();
        assert_eq!(error.class(), Class::LimitExceeded);
    }

    #[test]
    fn what_cannot_be_said_is_not_encoded() {
        assert!(Script(vec![Instruction::Zero(1 << 62)]).encode().is_err());
        assert!(Script(vec![copy(1 << 62, 1)]).encode().is_err());
        assert!(Script(vec![copy((1 << 62) - 1, 1)]).encode().is_ok());
        let far = Script(vec![copy((1 << 62) - 1, 1), copy(0, 1)]);
        assert!(far.encode().is_err());
    }
}

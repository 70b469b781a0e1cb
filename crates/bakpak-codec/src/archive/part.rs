//! A part of what a chunk's script makes.

use bakpak_format::chunk::script::Instruction;
use std::ops::Range;

/// A part of a chunk's script.
pub(super) struct Part {
    pub(super) script: Vec<Instruction>,
    /// Where its first LITERAL begins in the chunk's raw bytes.
    pub(super) first_literal: usize,
}

impl Part {
    /// The part that makes this stretch of what the whole makes.
    pub(super) fn of(script: impl Iterator<Item = Instruction>, stretch: Range<u64>) -> Self {
        let mut part = Self {
            script: Vec::new(),
            first_literal: 0,
        };
        let (mut at, mut has_literal) = (0, false);
        for instruction in script {
            let end = at + instruction.len();
            let from = stretch.start.clamp(at, end);
            let (passed, len) = (from - at, stretch.end.clamp(from, end) - from);
            at = end;
            if let Instruction::Literal(_) = instruction
                && !has_literal
            {
                part.first_literal += passed as usize;
                has_literal = len > 0;
            }
            if len > 0 {
                part.script.push(match instruction {
                    Instruction::Literal(_) => Instruction::Literal(len),
                    Instruction::Zero(_) => Instruction::Zero(len),
                    Instruction::Copy { source, .. } => Instruction::Copy {
                        source: source.plus(passed),
                        len,
                    },
                });
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakpak_format::geometry::DataOffset;

    #[test]
    fn parts_one_after_the_other_are_the_whole() {
        let script = [
            Instruction::Literal(5),
            Instruction::Zero(3),
            Instruction::Copy {
                source: DataOffset(100),
                len: 7,
            },
            Instruction::Literal(4),
        ];
        // What each byte of the stretch is: of LITERALs and COPYs the place, of ZERO none.
        let bytes = |script: &[Instruction], first_literal: usize| -> Vec<Option<u64>> {
            let mut literal = first_literal as u64;
            let mut bytes = Vec::new();
            for instruction in script {
                match *instruction {
                    Instruction::Literal(len) => {
                        bytes.extend((literal..literal + len).map(Some));
                        literal += len;
                    }
                    Instruction::Zero(len) => bytes.extend((0..len).map(|_| None)),
                    Instruction::Copy { source, len } => {
                        bytes.extend((source.0..source.0 + len).map(Some));
                    }
                }
            }
            bytes
        };
        let whole = bytes(&script, 0);
        for from in 0..=whole.len() {
            for to in from..=whole.len() {
                let part = Part::of(script.into_iter(), from as u64..to as u64);
                assert_eq!(bytes(&part.script, part.first_literal), whole[from..to]);
            }
        }
    }
}

//! What can happen to the bytes of a file.

use std::fmt;
use std::ops::Range;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// One bit of a byte is another one.
    Flip {
        /// The byte.
        offset: usize,
        /// 0 is the lowest.
        bit: u8,
    },
    /// A range becomes zeros.
    Zero(Range<usize>),
    /// A range becomes one byte again and again.
    Fill(Range<usize>, u8),
    /// A range goes.
    Cut(Range<usize>),
    /// So many bytes come before an offset.
    Insert {
        /// Before which.
        offset: usize,
        /// How many.
        len: usize,
        /// All are this one.
        byte: u8,
    },
    /// A range, and as many bytes from a later offset, change places.
    Swap(Range<usize>, usize),
    /// A range comes a second time, behind itself.
    Repeat(Range<usize>),
    /// What is behind so many bytes goes.
    Truncate(usize),
    /// So many bytes come behind the end.
    Append {
        /// How many.
        len: usize,
        /// All are this one.
        byte: u8,
    },
}

impl Operation {
    /// Does it.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        match self.clone() {
            Self::Flip { offset, bit } => bytes[offset] ^= 1 << bit,
            Self::Zero(range) => bytes[range].fill(0),
            Self::Fill(range, byte) => bytes[range].fill(byte),
            Self::Cut(range) => drop(bytes.drain(range)),
            Self::Insert { offset, len, byte } => {
                bytes.splice(offset..offset, vec![byte; len]);
            }
            Self::Swap(range, other) => {
                let (first, second) = bytes.split_at_mut(other);
                let len = range.len();
                first[range].swap_with_slice(&mut second[..len]);
            }
            Self::Repeat(range) => {
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Self::Truncate(len) => bytes.truncate(len),
            Self::Append { len, byte } => bytes.resize(bytes.len() + len, byte),
        }
    }
}

/// As an inline table of the manifest.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |range: &Range<usize>| format!("offset = {}, len = {}", range.start, range.len());
        match self {
            Self::Flip { offset, bit } => {
                write!(f, "{{ op = \"flip\", offset = {offset}, bit = {bit} }}")
            }
            Self::Zero(range) => write!(f, "{{ op = \"zero\", {} }}", of(range)),
            Self::Fill(range, byte) => {
                write!(f, "{{ op = \"fill\", {}, byte = {byte} }}", of(range))
            }
            Self::Cut(range) => write!(f, "{{ op = \"cut\", {} }}", of(range)),
            Self::Insert { offset, len, byte } => {
                write!(
                    f,
                    "{{ op = \"insert\", offset = {offset}, len = {len}, byte = {byte} }}"
                )
            }
            Self::Swap(range, other) => {
                write!(f, "{{ op = \"swap\", {}, other = {other} }}", of(range))
            }
            Self::Repeat(range) => write!(f, "{{ op = \"repeat\", {} }}", of(range)),
            Self::Truncate(len) => write!(f, "{{ op = \"truncate\", len = {len} }}"),
            Self::Append { len, byte } => {
                write!(f, "{{ op = \"append\", len = {len}, byte = {byte} }}")
            }
        }
    }
}

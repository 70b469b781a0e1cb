//! The list of all names that were walked: in memory while it is short, then in a temporary file.
//!
//! A hundred million files must be possible, and their names alone are gigabytes.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::platform::{Kind, os};

/// Records are kept by this many bytes.
const SEGMENT_LEN: usize = 64 * 1024;

/// So many segments stay in memory: half a million files.
const IN_MEMORY: usize = 256;

/// Depth, kind and length of the name.
const HEADER_LEN: usize = 4;

/// Names in the order of a depth-first walk, each with its depth and what it stands for.
#[derive(Debug)]
pub(crate) struct Roll {
    segments: Vec<Segment>,
    open: Vec<u8>,
    in_memory: usize,
    spill: Option<File>,
    spilled_len: u64,
    count: u64,
}

#[derive(Debug)]
enum Segment {
    Memory(Arc<[u8]>),
    /// In the temporary file.
    Spilled {
        offset: u64,
        len: usize,
    },
}

/// A place in the roll, and how many records are to be read from there.
#[derive(Clone, Debug)]
pub(crate) struct RollCursor {
    segment: usize,
    offset: usize,
    left: u64,
    /// The segment.
    bytes: Option<Arc<[u8]>>,
}

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// How many directories of the same root stand above it.
    pub(crate) depth: u8,
    pub(crate) kind: Kind,
    pub(crate) name: &'a [u8],
}

impl Default for Roll {
    fn default() -> Self {
        Self::keeping(IN_MEMORY)
    }
}

impl Roll {
    /// Keeps so many segments in memory.
    pub(crate) fn keeping(in_memory: usize) -> Self {
        Self {
            segments: Vec::new(),
            open: Vec::new(),
            in_memory,
            spill: None,
            spilled_len: 0,
            count: 0,
        }
    }

    /// Adds a record; its name is a component of a legal path, or empty.
    pub(crate) fn push(&mut self, record: &Record<'_>) {
        let Record { depth, kind, name } = record;
        if self.open.len() + HEADER_LEN + name.len() > SEGMENT_LEN {
            self.close_segment();
        }
        self.open.extend([*depth, *kind as u8]);
        self.open.extend((name.len() as u16).to_le_bytes());
        self.open.extend_from_slice(name);
        self.count += 1;
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Ends the list; only now it can be read.
    pub(crate) fn finish(&mut self) {
        self.close_segment();
    }

    /// Where the next record will stand; `left` of them are to be read from there.
    pub(crate) fn end(&self) -> RollCursor {
        RollCursor {
            segment: self.segments.len(),
            offset: self.open.len(),
            left: 0,
            bytes: None,
        }
    }

    fn close_segment(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let len = self.open.len();
        let segment = match self.segments.len() >= self.in_memory && self.spill().is_ok() {
            true => Segment::Spilled {
                offset: self.spilled_len - len as u64,
                len,
            },
            // Without room for a temporary file it takes memory.
            false => Segment::Memory(self.open.as_slice().into()),
        };
        self.segments.push(segment);
        self.open.clear();
    }

    /// Puts the open segment into the temporary file, which has no name.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &self.spill {
            Some(file) => file,
            None => self.spill.insert(tempfile::tempfile()?),
        };
        os::write_all_at(file, &self.open, self.spilled_len)?;
        self.spilled_len += self.open.len() as u64;
        Ok(())
    }

    fn load(&self, segment: usize) -> io::Result<Arc<[u8]>> {
        let lost = || io::Error::from(io::ErrorKind::UnexpectedEof);
        match (self.segments.get(segment), &self.spill) {
            (Some(Segment::Memory(bytes)), _) => Ok(Arc::clone(bytes)),
            (Some(Segment::Spilled { offset, len }), Some(file)) => {
                let mut bytes = vec![0; *len];
                let mut done = 0;
                while done < *len {
                    match os::read_at(file, &mut bytes[done..], offset + done as u64)? {
                        0 => return Err(lost()),
                        read => done += read,
                    }
                }
                Ok(bytes.into())
            }
            _ => Err(lost()),
        }
    }
}

impl RollCursor {
    /// The same place, for reading so many records from there.
    pub(crate) fn reading(&self, left: u64) -> Self {
        Self {
            left,
            ..self.clone()
        }
    }

    /// The next record.
    pub(crate) fn next(&mut self, roll: &Roll) -> io::Result<Option<Record<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if self.bytes.as_ref().is_none_or(|b| self.offset >= b.len()) {
            if self.bytes.take().is_some() {
                self.segment += 1;
                self.offset = 0;
            }
            let mut bytes = roll.load(self.segment)?;
            if self.offset >= bytes.len() {
                // The place was the end of a segment that took no more.
                self.segment += 1;
                self.offset = 0;
                bytes = roll.load(self.segment)?;
            }
            self.bytes = Some(bytes);
        }
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let (record, len) = decode(bytes.get(self.offset..).unwrap_or_default())
            .ok_or(io::ErrorKind::InvalidData)?;
        self.offset += len;
        Ok(Some(record))
    }
}

fn decode(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let (&[depth, kind, a, b], rest) = bytes.split_first_chunk()?;
    let name = rest.get(..usize::from(u16::from_le_bytes([a, b])))?;
    let kind = *Kind::ALL.get(usize::from(kind))?;
    let record = Record { depth, kind, name };
    Some((record, HEADER_LEN + name.len()))
}

#[cfg(test)]
impl Roll {
    /// As if the disk with the temporary file had failed.
    pub(crate) fn lose(&mut self) {
        let spill = self.spill.as_ref().expect("something was spilled");
        spill.set_len(0).expect("a temporary file can be cut");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_memory_and_file() {
        for in_memory in [0, 1, 1000] {
            let mut roll = Roll::keeping(in_memory);
            let mut starts = Vec::new();
            let names: Vec<_> = (0..50_000_u32).map(|n| format!("name {n}")).collect();
            for (number, name) in (0..).zip(&names) {
                starts.push(roll.end());
                let (depth, name) = ((number % 256) as u8, name.as_bytes());
                let kind = Kind::ALL[number % Kind::ALL.len()];
                roll.push(&Record { depth, kind, name });
            }
            roll.finish();
            assert_eq!(roll.count(), 50_000);
            assert_eq!(roll.spill.is_some(), in_memory < 1000);
            for first in (0..names.len()).step_by(9_973).chain([0, 49_999]) {
                let mut cursor = starts[first].reading((names.len() - first) as u64);
                for (number, name) in names.iter().enumerate().skip(first) {
                    let record = cursor.next(&roll).unwrap().unwrap();
                    assert_eq!(record.name, name.as_bytes());
                    assert_eq!(record.depth, (number % 256) as u8);
                    assert_eq!(record.kind, Kind::ALL[number % Kind::ALL.len()]);
                }
                assert!(cursor.next(&roll).unwrap().is_none());
            }
            if in_memory < 1000 {
                roll.lose();
                assert!(starts[49_999].reading(1).next(&roll).is_err());
            }
        }
    }
}

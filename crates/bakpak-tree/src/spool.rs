//! What is made last (links) or finished last (directories), kept in a file until then.
//!
//! A tree of millions of directories or links must not need memory for them.

use std::fs::File;
use std::io;

use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};

use crate::platform::os;

/// Entries are collected up to this length before they are written.
const BUFFER_LEN: usize = 64 * 1024;

/// Length of a length.
const LEN_LEN: usize = size_of::<u64>();

const DIRECTORY: u8 = 0;
const SYMLINK: u8 = 1;

/// Directory and link entries in the order they came, readable in that order and in the other one.
///
/// Each stands between two lengths: a list of places would need memory for each.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    flushed_len: u64,
    buffer: Vec<u8>,
}

impl Spool {
    /// Spools to an empty file.
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            flushed_len: 0,
            buffer: Vec::new(),
        }
    }

    /// Where the next entry will start.
    pub(crate) fn end(&self) -> u64 {
        self.flushed_len + self.buffer.len() as u64
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: &Entry) -> io::Result<()> {
        if self.buffer.len() >= BUFFER_LEN {
            self.flush()?;
        }
        let start = self.buffer.len();
        self.buffer.extend([0; LEN_LEN]);
        encode(entry, &mut self.buffer);
        let len = ((self.buffer.len() - start - LEN_LEN) as u64).to_le_bytes();
        self.buffer[start..start + LEN_LEN].copy_from_slice(&len);
        self.buffer.extend(len);
        Ok(())
    }

    /// Takes back the last entry.
    pub(crate) fn pop(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.flushed_len > 0 {
            self.flushed_len = self.start_before(self.flushed_len)?;
        }
        Ok(())
    }

    /// Writes what is collected; needed before [`Spool::read`].
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        os::write_all_at(&self.file, &self.buffer, self.flushed_len)?;
        self.flushed_len += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The entry that starts at `start`, and where the next one does.
    pub(crate) fn read(&self, start: u64) -> io::Result<(Entry, u64)> {
        let len = self.len_at(start)?;
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::InvalidData)?];
        let content = start + LEN_LEN as u64;
        self.read_exact(&mut bytes, content)?;
        let entry = decode(&bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok((entry, content + len + LEN_LEN as u64))
    }

    /// The entry before the one that starts at `end`, and where it starts.
    pub(crate) fn read_before(&self, end: u64) -> io::Result<(Entry, u64)> {
        let start = self.start_before(end)?;
        Ok((self.read(start)?.0, start))
    }

    fn start_before(&self, end: u64) -> io::Result<u64> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let after = end.checked_sub(LEN_LEN as u64).ok_or_else(broken)?;
        let len = self.len_at(after)?;
        let start = after.checked_sub(len.saturating_add(LEN_LEN as u64));
        start.ok_or_else(broken)
    }

    /// The length that stands there; never more than is in the file.
    fn len_at(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; LEN_LEN];
        self.read_exact(&mut bytes, at)?;
        match u64::from_le_bytes(bytes) {
            len if len <= self.flushed_len => Ok(len),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn read_exact(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match os::read_at(&self.file, &mut bytes[done..], at + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => done += len,
            }
        }
        Ok(())
    }
}

fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let (kind, target) = match &entry.kind {
        EntryKind::Symlink { target } => (SYMLINK, target.as_slice()),
        _ => (DIRECTORY, &[][..]),
    };
    out.push(kind);
    out.extend(entry.mode.to_le_bytes());
    out.extend(entry.uid.to_le_bytes());
    out.extend(entry.gid.to_le_bytes());
    out.extend(entry.mtime.seconds.to_le_bytes());
    out.extend(entry.mtime.nanos.to_le_bytes());
    for bytes in [entry.path.as_bytes(), target, &entry.user, &entry.group] {
        encode_bytes(bytes, out);
    }
    for (name, value) in &entry.xattrs {
        encode_bytes(name, out);
        encode_bytes(value, out);
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn decode(mut bytes: &[u8]) -> Option<Entry> {
    let bytes = &mut bytes;
    let kind = take::<1>(bytes)?[0];
    let mode = u32::from_le_bytes(take(bytes)?);
    let uid = u64::from_le_bytes(take(bytes)?);
    let gid = u64::from_le_bytes(take(bytes)?);
    let mtime = Timestamp {
        seconds: i64::from_le_bytes(take(bytes)?),
        nanos: u32::from_le_bytes(take(bytes)?),
    };
    let path = EntryPath::new(take_bytes(bytes)?)?;
    let target = take_bytes(bytes)?.to_vec();
    let user = take_bytes(bytes)?.to_vec();
    let group = take_bytes(bytes)?.to_vec();
    let mut xattrs = Vec::new();
    while !bytes.is_empty() {
        xattrs.push((take_bytes(bytes)?.to_vec(), take_bytes(bytes)?.to_vec()));
    }
    let kind = match kind {
        SYMLINK => EntryKind::Symlink { target },
        _ => EntryKind::Directory,
    };
    Some(Entry {
        path,
        kind,
        mode,
        uid,
        gid,
        user,
        group,
        mtime,
        xattrs,
        linked: false,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u64::from_le_bytes(take(bytes)?)).ok()?;
    let (first, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were() {
        let entry = |name: &str, target: &str| Entry {
            path: EntryPath::new(format!("home/{name}")).unwrap(),
            kind: EntryKind::Symlink {
                target: target.into(),
            },
            mode: 0o777,
            uid: 1,
            gid: u64::MAX,
            user: b"octopus".to_vec(),
            group: Vec::new(),
            mtime: Timestamp {
                seconds: -1,
                nanos: 999_999_999,
            },
            xattrs: vec![
                (b"user.a".to_vec(), vec![0, 1]),
                (b"user.b".to_vec(), vec![]),
            ],
            linked: false,
        };
        let mut spool = Spool::new(tempfile::tempfile().unwrap());
        for index in 0..2000 {
            spool.push(&entry(&index.to_string(), "to")).unwrap();
            spool.push(&entry("superseded", &"x".repeat(99))).unwrap();
            spool.pop().unwrap();
        }
        spool.flush().unwrap();
        let mut at = 0;
        for index in 0..2000 {
            let (read, next) = spool.read(at).unwrap();
            assert_eq!(read, entry(&index.to_string(), "to"));
            at = next;
        }
        assert_eq!(at, spool.end());
        for index in (0..2000).rev() {
            let (read, start) = spool.read_before(at).unwrap();
            assert_eq!(read, entry(&index.to_string(), "to"));
            at = start;
        }
        assert_eq!(at, 0);
        assert!(spool.read_before(0).is_err());
    }
}

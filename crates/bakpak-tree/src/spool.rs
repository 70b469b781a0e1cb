//! What is made last (links) or finished last (directories), kept in a file until then.
//!
//! A tree of millions of directories or links must not need memory for them.

use std::fs::File;
use std::io;

use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};

use crate::platform::os;

/// Entries are collected up to this length before they are written.
const BUFFER_LEN: usize = 64 * 1024;

const DIRECTORY: u8 = 0;
const SYMLINK: u8 = 1;

/// Directory and link entries in the order they came, readable by number.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    /// Where each entry starts.
    starts: Vec<u64>,
    flushed_len: u64,
    buffer: Vec<u8>,
}

impl Spool {
    /// Spools to an empty file.
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            starts: Vec::new(),
            flushed_len: 0,
            buffer: Vec::new(),
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: &Entry) -> io::Result<()> {
        if self.buffer.len() >= BUFFER_LEN {
            self.flush()?;
        }
        self.starts
            .push(self.flushed_len + self.buffer.len() as u64);
        encode(entry, &mut self.buffer);
        Ok(())
    }

    /// Takes back the last entry.
    pub(crate) fn pop(&mut self) -> io::Result<()> {
        if let Some(start) = self.starts.pop() {
            self.flush()?;
            self.flushed_len = start;
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

    /// Reads an entry.
    pub(crate) fn read(&self, index: usize) -> io::Result<Entry> {
        let start = self.starts.get(index).copied().unwrap_or_default();
        let end = self.starts.get(index + 1).copied();
        let len = end.unwrap_or(self.flushed_len).saturating_sub(start);
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < bytes.len() {
            match os::read_at(&self.file, &mut bytes[done..], start + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => done += len,
            }
        }
        decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
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
        assert_eq!(spool.len(), 2000);
        for index in [1999, 0, 1234] {
            assert_eq!(spool.read(index).unwrap(), entry(&index.to_string(), "to"));
        }
    }
}

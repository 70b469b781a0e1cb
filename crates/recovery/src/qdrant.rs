//! Snapshots of Qdrant, a vector store: tar archives of one collection, of a shard, or of all.
//!
//! What must be in them is what Qdrant looks for when it recovers one: the configuration of the
//! collection, of each of its shards, and the state of each segment. Vectors themselves have no
//! checksum in there; the SHA-256 of the whole file is what `snapshots/recover` takes.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::fault::{Fault, Faults};
use crate::tar_walk::TarWalk;

use content::Content;

mod content;
#[cfg(test)]
mod tests;

const BUFFER_LEN: usize = 64 << 10;
/// How many collections of a full snapshot are described.
const MAX_COLLECTIONS: usize = 10_000;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnapshotKind {
    /// One collection, as one node has it.
    Collection,
    /// One shard of a collection.
    Shard,
    /// The whole storage: the snapshots of all its collections.
    Full,
    /// It holds nothing by which it could be told.
    #[default]
    Unknown,
}

/// What a check of a snapshot found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is of.
    pub kind: SnapshotKind,
    /// Its collection, or its collections.
    pub collections: Vec<Collection>,
    /// Other names of collections, of a full snapshot only: name, then collection.
    pub aliases: Vec<(String, String)>,
    /// Length of the file in bytes.
    pub len: u64,
    /// SHA-256 of the file, which `snapshots/recover` takes as `checksum`.
    pub sha256: [u8; 32],
    /// What is wrong with it. Nothing, if it is whole.
    pub faults: Faults,
}

/// A collection in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// The member that holds it. None if the snapshot is of this collection only.
    pub member: Option<String>,
    /// The version of its storage format, from `version.info`; not the server's version.
    pub storage_version: Option<String>,
    /// Its dense vectors.
    pub vectors: Vec<VectorParams>,
    /// The names of its sparse vectors.
    pub sparse_vectors: Vec<String>,
    /// How many shards its configuration says.
    pub shard_number: Option<u64>,
    /// How many replicas of each.
    pub replication_factor: Option<u64>,
    /// How many shards have data here.
    pub shard_count: u64,
    /// How many segments they have.
    pub segment_count: u64,
}

/// The parameters of a vector of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorParams {
    /// Its name; that of the default vector is empty.
    pub name: String,
    /// How many dimensions it has.
    pub size: u64,
    /// How distances are measured: `Cosine`, `Dot`, `Euclid`, `Manhattan`.
    pub distance: String,
}

/// Checks a snapshot from its first byte to its last.
///
/// # Errors
///
/// What the reader returns; whatever the bytes are, they are no error but [`Snapshot::faults`].
pub fn check<R: Read>(reader: R) -> io::Result<Snapshot> {
    let mut reader = HashedReader {
        reader: io::BufReader::with_capacity(BUFFER_LEN, reader),
        hasher: Sha256::new(),
        len: 0,
    };
    let mut snapshot = Snapshot::default();
    let content = walk(&mut reader, "", &mut snapshot)?;
    content.conclude(None, &mut snapshot);
    // Behind a fault there may be more, which belongs to the hash.
    io::copy(&mut reader, &mut io::sink())?;
    snapshot.len = reader.len;
    snapshot.sha256 = reader.hasher.finalize().into();
    Ok(snapshot)
}

/// Walks one tar; `prefix` is the member of another that it is in, with a slash.
fn walk(reader: &mut dyn Read, prefix: &str, snapshot: &mut Snapshot) -> io::Result<Content> {
    let mut content = Content::default();
    let mut faults = Faults::default();
    let walked = TarWalk::new(reader).check(&mut faults, |member, data| {
        if !member.is_file {
            return Ok(());
        }
        let path = member.path.strip_prefix("./").unwrap_or(&member.path);
        if prefix.is_empty() && is_snapshot(path) {
            let inner = walk(data, &format!("{path}/"), snapshot)?;
            content.found_snapshot(path);
            if snapshot.collections.len() < MAX_COLLECTIONS {
                inner.conclude(Some(path), snapshot);
            }
            Ok(())
        } else {
            content.take(path, data)
        }
    });
    for fault in faults.list() {
        let part = fault.part.as_deref().unwrap_or_default();
        add_below(&mut snapshot.faults, prefix, part, fault);
    }
    content.is_cut = !faults.is_empty();
    walked.map(|()| content)
}

/// Adds a fault of a part of the tar that `prefix` names.
fn add_below(faults: &mut Faults, prefix: &str, part: &str, fault: &Fault) {
    let part = format!("{prefix}{part}");
    if part.is_empty() {
        faults.add(fault.kind, fault.message.clone());
    } else {
        faults.add_in(&part, fault.kind, fault.message.clone());
    }
}

/// Whether a member of a full snapshot is the snapshot of a collection.
fn is_snapshot(path: &str) -> bool {
    !path.contains('/') && path.ends_with(".snapshot")
}

/// Hashes and counts what is read.
struct HashedReader<R> {
    reader: R,
    hasher: Sha256,
    len: u64,
}

impl<R: Read> Read for HashedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..len]);
        self.len += len as u64;
        Ok(len)
    }
}

//! The files in a snapshot that tell what it is of, and whether all is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde_json::Value;

use crate::fault::{FaultKind, Faults};
use crate::tar_walk::TarWalk;

use super::{Collection, Snapshot, SnapshotKind, VectorParams, add_below};

/// The longest configuration that is read, in bytes.
const MAX_JSON_LEN: u64 = 1 << 20;
/// The longest version.
const MAX_VERSION_LEN: u64 = 100;
/// How many segments, shards and members of a full snapshot are kept track of.
const MAX_TRACKED: usize = 100_000;
/// How many vectors of a collection are described.
const MAX_VECTORS: usize = 1000;

const CONFIG: &str = "config.json";
const VERSION: &str = "version.info";
const SHARD_CONFIG: &str = "shard_config.json";
const SEGMENT_STATE: &str = "segment.json";

/// What was found in one tar.
#[derive(Debug, Default)]
pub(super) struct Content {
    config: Option<Value>,
    config_fault: Option<String>,
    version: Option<String>,
    shards_with_config: BTreeSet<String>,
    shards_with_segments: BTreeSet<String>,
    /// Whether the state of a segment was found, by its path.
    segments: BTreeMap<String, bool>,
    snapshots: BTreeSet<String>,
    is_beyond_limits: bool,
    /// Whether the tar is not whole: then nothing is known to be missing.
    pub(super) is_cut: bool,
}

impl Content {
    /// Takes note of the snapshot of a collection.
    pub(super) fn found_snapshot(&mut self, path: &str) {
        if self.has_room() {
            self.snapshots.insert(path.to_owned());
        }
    }

    /// Takes note of any other file, and reads it if it tells something.
    pub(super) fn take<R: Read>(&mut self, path: &str, data: &mut TarWalk<R>) -> io::Result<()> {
        match path {
            CONFIG => return self.take_config(data),
            VERSION => {
                let bytes = read_up_to(data, MAX_VERSION_LEN)?;
                let text = String::from_utf8(bytes.unwrap_or_default());
                self.version = text.ok().map(|text| text.trim().to_owned());
                return Ok(());
            }
            _ => {}
        }
        // `0/segments/...` in a collection, `segments/...` in a shard.
        let (shard, rest) = match path.split_once('/') {
            Some((shard, rest)) if is_number(shard) => (shard, rest),
            _ => ("", path),
        };
        if rest == SHARD_CONFIG && self.has_room() {
            self.shards_with_config.insert(shard.to_owned());
        } else if let Some(in_segment) = rest.strip_prefix("segments/") {
            self.take_segment(shard, in_segment, data)?;
        }
        Ok(())
    }

    /// Says what the snapshot is of, and what it lacks.
    pub(super) fn conclude(self, member: Option<&str>, snapshot: &mut Snapshot) {
        let mut faults = Faults::default();
        let kind = self.kind();
        if member.is_none() {
            snapshot.kind = kind;
        }
        if let Some(message) = &self.config_fault {
            faults.add_in(CONFIG, FaultKind::Damaged, message.clone());
        }
        if self.is_beyond_limits {
            let message = format!("it has more than {MAX_TRACKED} segments, shards or collections");
            faults.add(FaultKind::LimitExceeded, message);
        }
        match kind {
            SnapshotKind::Full => self.conclude_full(snapshot, &mut faults),
            _ => {
                let collection = self.collection(member);
                self.require_parts(kind, collection.shard_number, &mut faults);
                snapshot.collections.push(collection);
            }
        }
        let prefix = member
            .map(|member| format!("{member}/"))
            .unwrap_or_default();
        for fault in faults.list() {
            if self.is_cut && fault.kind == FaultKind::Missing {
                continue;
            }
            let part = fault.part.as_deref().unwrap_or_default();
            add_below(&mut snapshot.faults, &prefix, part, fault);
        }
    }

    fn kind(&self) -> SnapshotKind {
        let config = self.config.as_ref();
        if config.is_some_and(|config| config.get("collections_mapping").is_some()) {
            SnapshotKind::Full
        } else if config.is_some_and(|config| config.get("params").is_some()) {
            SnapshotKind::Collection
        } else if self.shards_with_segments.contains("") {
            SnapshotKind::Shard
        } else {
            SnapshotKind::Unknown
        }
    }

    fn conclude_full(&self, snapshot: &mut Snapshot, faults: &mut Faults) {
        let config = self.config.as_ref();
        let map = |name| config.and_then(|config| config.get(name)?.as_object());
        for (collection, file) in map("collections_mapping").into_iter().flatten() {
            let file = file.as_str().unwrap_or_default();
            if !self.snapshots.contains(file) {
                let message =
                    format!("it is the snapshot of collection {collection:?}, but it is not there");
                faults.add_in(file, FaultKind::Missing, message);
            }
        }
        let aliases = map("collections_aliases").into_iter().flatten();
        snapshot.aliases = aliases
            .filter_map(|(alias, name)| Some((alias.clone(), name.as_str()?.to_owned())))
            .collect();
    }

    fn collection(&self, member: Option<&str>) -> Collection {
        let params = self.config.as_ref().and_then(|config| config.get("params"));
        let number = |name| params.and_then(|params| params.get(name)?.as_u64());
        let vectors = params.and_then(|params| params.get("vectors"));
        let sparse = params.and_then(|params| params.get("sparse_vectors")?.as_object());
        Collection {
            member: member.map(str::to_owned),
            storage_version: self.version.clone(),
            vectors: vectors.map(vectors_of).unwrap_or_default(),
            sparse_vectors: sparse
                .into_iter()
                .flat_map(|map| map.keys().take(MAX_VECTORS).cloned())
                .collect(),
            shard_number: number("shard_number"),
            replication_factor: number("replication_factor"),
            shard_count: self.shards_with_segments.len() as u64,
            segment_count: self.segments.len() as u64,
        }
    }

    /// What Qdrant looks for when it recovers a collection or shard.
    fn require_parts(&self, kind: SnapshotKind, shard_number: Option<u64>, faults: &mut Faults) {
        if kind == SnapshotKind::Unknown && self.config_fault.is_none() {
            let message = "it has neither the configuration of a collection nor segments";
            faults.add_in(CONFIG, FaultKind::Missing, message);
            return;
        }
        if kind == SnapshotKind::Collection {
            if self.version.is_none() {
                faults.add_in(
                    VERSION,
                    FaultKind::Missing,
                    "the collection has no such file",
                );
            }
            self.require_shards(shard_number, faults);
        }
        if self.segments.is_empty() {
            faults.add(
                FaultKind::Missing,
                "no shard has a segment: there are no vectors in it",
            );
        }
        for (path, has_state) in &self.segments {
            if !has_state {
                let message = format!("the segment has no {SEGMENT_STATE}");
                faults.add_in(path, FaultKind::Missing, message);
            }
        }
    }

    fn require_shards(&self, shard_number: Option<u64>, faults: &mut Faults) {
        // With keys of their own shards have any numbers.
        let params = self.config.as_ref().and_then(|config| config.get("params"));
        let method = params.and_then(|params| params.get("sharding_method")?.as_str());
        if method == Some("custom") {
            return;
        }
        let count = usize::try_from(shard_number.unwrap_or(1)).unwrap_or(usize::MAX);
        for shard in (0..count.min(MAX_TRACKED)).map(|shard| shard.to_string()) {
            if !self.shards_with_config.contains(&shard) {
                let message = "the shard has no configuration, so it is not there";
                faults.add_in(
                    &format!("{shard}/{SHARD_CONFIG}"),
                    FaultKind::Missing,
                    message,
                );
            }
        }
    }

    fn take_config<R: Read>(&mut self, data: &mut TarWalk<R>) -> io::Result<()> {
        let Some(bytes) = read_up_to(data, MAX_JSON_LEN)? else {
            self.config_fault = Some(format!("it is longer than {MAX_JSON_LEN} bytes"));
            return Ok(());
        };
        match serde_json::from_slice(&bytes) {
            Ok(config) => self.config = Some(config),
            Err(error) => self.config_fault = Some(format!("it is no JSON: {error}")),
        }
        Ok(())
    }

    /// A segment is a tar of its own, `ID.tar`, or a directory.
    fn take_segment<R: Read>(
        &mut self,
        shard: &str,
        path: &str,
        data: &mut TarWalk<R>,
    ) -> io::Result<()> {
        let (segment, in_segment) = path.split_once('/').unwrap_or((path, ""));
        if !self.has_room() {
            return Ok(());
        }
        let key = match shard {
            "" => format!("segments/{segment}"),
            _ => format!("{shard}/segments/{segment}"),
        };
        self.shards_with_segments.insert(shard.to_owned());
        let is_tar = in_segment.is_empty() && segment.ends_with(".tar");
        let has_state = if is_tar {
            has_state_in(data)?
        } else {
            is_state(in_segment)
        };
        *self.segments.entry(key).or_default() |= has_state;
        Ok(())
    }

    fn has_room(&mut self) -> bool {
        let tracked = self.segments.len() + self.shards_with_config.len() + self.snapshots.len();
        self.is_beyond_limits |= tracked >= MAX_TRACKED;
        !self.is_beyond_limits
    }
}

/// Walks the tar of a segment to its end, and tells whether it holds its state.
fn has_state_in<R: Read>(data: &mut TarWalk<R>) -> io::Result<bool> {
    let mut inner = TarWalk::new(data);
    let mut has_state = false;
    while let Some(member) = inner.next_member()? {
        has_state |= is_state(&member.path);
    }
    Ok(has_state)
}

/// `segment.json`, or the same below `snapshot/files/` and, once, `files/`.
fn is_state(path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_prefix("snapshot/").unwrap_or(path);
    path.strip_prefix("files/").unwrap_or(path) == SEGMENT_STATE
}

/// One set of parameters, or one for each name.
fn vectors_of(value: &Value) -> Vec<VectorParams> {
    if let Some(params) = vector_of("", value) {
        return vec![params];
    }
    let named = value.as_object().into_iter().flatten().take(MAX_VECTORS);
    named
        .filter_map(|(name, value)| vector_of(name, value))
        .collect()
}

fn vector_of(name: &str, value: &Value) -> Option<VectorParams> {
    Some(VectorParams {
        name: name.to_owned(),
        size: value.get("size")?.as_u64()?,
        distance: value.get("distance")?.as_str()?.to_owned(),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The content, or None if it is longer.
fn read_up_to<R: Read>(data: &mut R, max_len: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    data.take(max_len + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max_len).then_some(bytes))
}

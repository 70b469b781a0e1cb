use super::*;
use crate::fault::FaultKind::{Damaged, LimitExceeded, Missing, Truncated};
use proptest::collection;
use proptest::prelude::*;

type Members = Vec<(String, Vec<u8>)>;

const CONFIG_TEXT: &str = r#"{"params":{"vectors":{"size":4,"distance":"Cosine"},"shard_number":2,
    "replication_factor":1},"hnsw_config":{}}"#;

fn tar_of(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn member(name: &str, content: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), content.to_vec())
}

/// The files of a segment, as they lie below `prefix`.
fn segment(prefix: &str) -> Members {
    let names = [
        "vector_storage/vectors/chunk_0.mmap",
        "segment.json",
        "version.info",
    ];
    names
        .map(|name| member(&format!("{prefix}{name}"), b"0.6.0"))
        .to_vec()
}

/// A collection of two shards: one whose segment is a tar, one where it is a directory.
fn collection() -> Members {
    let mut members = vec![
        member("0/wal/open-1", &[0; 2000]),
        member("0/segments/5c0a.tar", &tar_of(&segment("snapshot/files/"))),
        member("0/shard_config.json", b"{}"),
        member("1/shard_config.json", b"{}"),
    ];
    members.extend(segment("1/segments/77be/snapshot/files/"));
    members.push(member("version.info", b"0.4.2\n"));
    members.push(member("config.json", CONFIG_TEXT.as_bytes()));
    members
}

fn check_members(members: &[(String, Vec<u8>)]) -> Snapshot {
    check(tar_of(members).as_slice()).unwrap()
}

fn full() -> Members {
    let config = r#"{"collections_mapping":{"notes":"notes-1.snapshot"},
        "collections_aliases":{"n":"notes"}}"#;
    vec![
        member("notes-1.snapshot", &tar_of(&collection())),
        member("config.json", config.as_bytes()),
    ]
}

#[test]
fn a_whole_collection_tells_what_it_is() {
    let bytes = tar_of(&collection());
    let snapshot = check(bytes.as_slice()).unwrap();
    assert_eq!(snapshot.faults.list(), []);
    assert_eq!(snapshot.kind, SnapshotKind::Collection);
    assert_eq!(snapshot.len, bytes.len() as u64);
    assert_eq!(snapshot.sha256[..], Sha256::digest(&bytes)[..]);
    let [collection] = &snapshot.collections[..] else {
        panic!("{snapshot:?}")
    };
    assert_eq!((collection.shard_count, collection.segment_count), (2, 2));
    assert_eq!(
        (collection.shard_number, collection.replication_factor),
        (Some(2), Some(1))
    );
    assert_eq!(collection.storage_version.as_deref(), Some("0.4.2"));
    let vector = VectorParams {
        name: String::new(),
        size: 4,
        distance: "Cosine".into(),
    };
    assert_eq!(collection.vectors, [vector]);
}

#[test]
fn paths_may_begin_with_a_dot() {
    let members: Members = collection()
        .into_iter()
        .map(|(name, content)| (format!("./{name}"), content))
        .collect();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in &members {
        let mut header = tar::Header::new_gnu();
        // `set_path` takes the dot away.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content.as_slice()).unwrap();
    }
    let snapshot = check(builder.into_inner().unwrap().as_slice()).unwrap();
    assert_eq!(snapshot.faults.list(), []);
    assert_eq!(snapshot.kind, SnapshotKind::Collection);
}

#[test]
fn vectors_may_have_names() {
    let mut members = collection();
    let config = r#"{"params":{"vectors":{"a":{"size":3,"distance":"Dot"},
        "b":{"size":5,"distance":"Euclid"}},"sparse_vectors":{"s":{}},"shard_number":2}}"#;
    members.last_mut().unwrap().1 = config.into();
    let collection = &check_members(&members).collections[0];
    let sizes: Vec<_> = collection
        .vectors
        .iter()
        .map(|vector| (vector.name.as_str(), vector.size))
        .collect();
    assert_eq!(sizes, [("a", 3), ("b", 5)]);
    assert_eq!(collection.sparse_vectors, ["s"]);
}

#[test]
fn a_shard_needs_no_configuration() {
    let members = segment("segments/77be/");
    let snapshot = check_members(&members);
    assert_eq!(
        (snapshot.kind, snapshot.faults.list()),
        (SnapshotKind::Shard, &[][..])
    );
}

#[test]
fn a_full_snapshot_holds_all_its_collections() {
    let snapshot = check_members(&full());
    assert_eq!(
        (snapshot.kind, snapshot.faults.list()),
        (SnapshotKind::Full, &[][..])
    );
    assert_eq!(snapshot.aliases, [("n".to_owned(), "notes".to_owned())]);
    assert_eq!(
        snapshot.collections[0].member.as_deref(),
        Some("notes-1.snapshot")
    );
    assert_eq!(snapshot.collections[0].segment_count, 2);
    let without = check_members(&full()[1..]);
    assert_eq!(
        without.faults.list()[0].part.as_deref(),
        Some("notes-1.snapshot")
    );
}

#[test]
fn what_is_wrong_in_a_collection_of_a_full_snapshot_is_named() {
    let mut members = full();
    let mut inner = collection();
    inner.retain(|(name, _)| name != "1/shard_config.json");
    members[0].1 = tar_of(&inner);
    let snapshot = check_members(&members);
    assert_eq!(snapshot.faults.count(), 1);
    let part = snapshot.faults.list()[0].part.as_deref();
    assert_eq!(part, Some("notes-1.snapshot/1/shard_config.json"));
}

#[test]
fn every_truncation_is_noticed() {
    for members in [collection(), full()] {
        let bytes = tar_of(&members);
        for len in (0..bytes.len()).step_by(32) {
            let faults = check(&bytes[..len]).unwrap().faults;
            assert!(faults.has(Truncated), "cut to {len}: {faults:?}");
        }
    }
}

#[test]
fn what_must_be_there_is_named_when_it_is_not() {
    for name in [
        "0/shard_config.json",
        "1/shard_config.json",
        "version.info",
        "1/segments/77be/snapshot/files/segment.json",
    ] {
        let mut members = collection();
        members.retain(|(found, _)| found != name);
        let snapshot = check_members(&members);
        assert_eq!(
            snapshot.faults.count(),
            1,
            "without {name}: {:?}",
            snapshot.faults
        );
        assert!(snapshot.faults.has(Missing));
    }
    let unknown = check_members(&[member("readme", b"x")]);
    assert_eq!(unknown.kind, SnapshotKind::Unknown);
    assert!(unknown.faults.has(Missing));
}

#[test]
fn a_segment_that_was_cut_off_inside_its_tar_is_noticed() {
    let mut members = collection();
    let len = members[1].1.len();
    members[1].1.truncate(len - 1024);
    let faults = check_members(&members).faults;
    assert!(faults.has(Truncated), "{faults:?}");
}

#[test]
fn a_configuration_that_is_none_is_named() {
    for (content, kind) in [
        (b"{\"params\"".to_vec(), Damaged),
        (vec![b' '; (1 << 20) + 1], Damaged),
    ] {
        let mut members = collection();
        members.last_mut().unwrap().1 = content;
        let faults = check_members(&members).faults;
        assert!(faults.has(kind), "{faults:?}");
    }
}

#[test]
fn shards_beyond_the_limit_are_not_tracked() {
    let mut members = collection();
    let config = CONFIG_TEXT.replace("\"shard_number\":2", "\"shard_number\":99999999999");
    members.last_mut().unwrap().1 = config.into_bytes();
    let faults = check_members(&members).faults;
    assert!(faults.count() <= 100_000 && faults.has(Missing) && !faults.has(LimitExceeded));
}

/// Places in a file, and what stands there instead.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in collection::vec(any::<u8>(), 0..1200)) {
        prop_assert!(!check(bytes.as_slice()).unwrap().faults.is_empty());
    }

    #[test]
    fn no_changes_panic(changes in changes()) {
        let mut bytes = tar_of(&full());
        for (index, value) in changes {
            let offset = index.index(bytes.len());
            bytes[offset] = value;
        }
        check(bytes.as_slice()).unwrap();
    }
}

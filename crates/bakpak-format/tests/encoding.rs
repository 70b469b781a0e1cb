//! The record encoding has a second witness: wincode's default configuration gives the same bytes.
//!
//! The structures are written down again here, field by field from chapters 9 and 11, so that a
//! change of order or width in the crate does not go unseen.

use bakpak_format::catalogue::{NodeItem, PageItem, Row, StripeItem, TreeItem};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};
use bakpak_format::geometry::{DataOffset, Place, StreamOffset};
use bakpak_format::record::{
    BackupMediaFacts, BackupSetFacts, ChangedFacts, CheckFacts, Checkpoint, ChunkPlace, Cursor,
    EntryFacts, EnvelopeItemFacts, Facts, FactsPlace, FaultFacts, Final, LevelFacts, LogFacts,
    MissingFacts, NamedValue, OtherSourceFacts, PagePlace, PlacedFault, TreeRoot, container,
    other_source, outcome,
};
use wincode::{SchemaRead, SchemaWrite};

const NONE: u64 = u64::MAX;

#[derive(SchemaWrite, SchemaRead)]
struct FactsMirror {
    entry: u64,
    kind: u16,
    data: Vec<u8>,
}

#[derive(SchemaWrite, SchemaRead)]
struct ChangedMirror {
    recorded_size: u64,
    observed_size: u64,
}

#[derive(SchemaWrite, SchemaRead)]
struct EnvelopeItemMirror {
    kind: u16,
    name: Vec<u8>,
    check: Option<[u8; 16]>,
}

#[derive(SchemaWrite, SchemaRead)]
struct MissingMirror {
    path: Vec<u8>,
    reason: Vec<u8>,
}

#[derive(SchemaWrite, SchemaRead)]
struct LevelMirror {
    level: u16,
    outcome: u8,
    checked: u64,
    faulty: u64,
    reason: Vec<u8>,
}

#[derive(SchemaWrite, SchemaRead)]
struct FaultMirror {
    level: u16,
    offset: u64,
    file: u16,
    page: u32,
    message: Vec<u8>,
}

#[derive(SchemaWrite, SchemaRead)]
struct ChecksMirror {
    levels: Vec<LevelMirror>,
    fault_count: u64,
    faults: Vec<FaultMirror>,
}

#[derive(SchemaWrite, SchemaRead)]
struct BackupMediaMirror {
    container: u8,
    features: u32,
    label: Vec<u8>,
    family: Vec<u8>,
    sets: u64,
    checks: ChecksMirror,
}

#[derive(SchemaWrite, SchemaRead)]
struct BackupSetMirror {
    offset: u64,
    complete: u8,
    start: Vec<u8>,
    volume: Vec<u8>,
    configuration: Option<Vec<u8>>,
    start_configuration: Option<Vec<u8>>,
    log: Option<[u64; 5]>,
    checks: ChecksMirror,
}

#[derive(SchemaWrite, SchemaRead)]
struct OtherSourceMirror {
    kind: u16,
    outcome: u8,
    values: Vec<(Vec<u8>, Vec<u8>)>,
    fault_count: u64,
    faults: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(SchemaWrite, SchemaRead)]
struct CursorMirror {
    path: Vec<u8>,
    offset: u64,
    device: u64,
    inode: u64,
    size: u64,
    mtime_seconds: i64,
    mtime_nanos: u32,
    ctime_seconds: i64,
    ctime_nanos: u32,
}

#[derive(SchemaWrite, SchemaRead)]
struct ChunkPlaceMirror {
    stream_offset: u64,
    data_offset: u64,
    place: u64,
}

#[derive(SchemaWrite, SchemaRead)]
struct PagePlaceMirror {
    place: u64,
    row_count: u32,
}

#[derive(SchemaWrite, SchemaRead)]
struct FactsPlaceMirror {
    entry: u64,
    kind: u16,
    place: u64,
}

#[derive(SchemaWrite, SchemaRead)]
struct CheckpointMirror {
    previous: u64,
    stream_offset: u64,
    data_offset: u64,
    row_count: u64,
    cursor: Option<CursorMirror>,
    chunks: Vec<ChunkPlaceMirror>,
    pages: Vec<PagePlaceMirror>,
    facts: Vec<FactsPlaceMirror>,
}

#[derive(SchemaWrite, SchemaRead)]
struct TreeRootMirror {
    place: u64,
    level: u8,
}

#[derive(SchemaWrite, SchemaRead)]
struct FinalMirror {
    stream_len: u64,
    data_len: u64,
    block_count: u64,
    chunk_count: u64,
    row_count: u64,
    content_len: u64,
    flags: u32,
    started_seconds: i64,
    started_nanos: u32,
    finished_seconds: i64,
    finished_nanos: u32,
    trees: [TreeRootMirror; 3],
    tree_digest: [u8; 32],
}

#[derive(SchemaWrite, SchemaRead)]
struct RowMirror {
    path: Vec<u8>,
    kind: u8,
    flags: u16,
    size: u64,
    mtime_seconds: i64,
    mtime_nanos: u32,
    mode: u32,
    uid: u64,
    gid: u64,
    link: Vec<u8>,
    content_hash: [u8; 32],
    header_offset: u64,
    content_offset: u64,
}

#[derive(SchemaWrite, SchemaRead)]
struct PageItemMirror {
    first_path: Vec<u8>,
    place: u64,
    row_count: u32,
}

#[derive(SchemaWrite, SchemaRead)]
struct NodeItemMirror {
    key: Vec<u8>,
    place: u64,
}

fn item<T: TreeItem>(item: &T) -> Vec<u8> {
    let mut raw = Vec::new();
    item.encode_into(&mut raw);
    raw
}

#[test]
fn facts_have_the_same_bytes() {
    let changed = ChangedFacts {
        recorded_size: 1 << 40,
        observed_size: 3,
    };
    let data = wincode::serialize(&ChangedMirror {
        recorded_size: 1 << 40,
        observed_size: 3,
    })
    .unwrap();
    let mirror = FactsMirror {
        entry: 77,
        kind: 1,
        data,
    };
    let facts = changed.about(StreamOffset(77));
    assert_eq!(facts.encode(), wincode::serialize(&mirror).unwrap());

    for check in [None, Some([5; 16])] {
        let facts: Facts = EnvelopeItemFacts {
            kind: 2,
            name: "certificate".into(),
            check,
        }
        .into();
        let mirror = EnvelopeItemMirror {
            kind: 2,
            name: b"certificate".to_vec(),
            check,
        };
        assert_eq!(facts.data, wincode::serialize(&mirror).unwrap());
    }

    let (path, reason) = (b"home/\xff".to_vec(), b"no".to_vec());
    let mirror = MissingMirror {
        path: path.clone(),
        reason: reason.clone(),
    };
    let data = wincode::serialize(&mirror).unwrap();
    let facts: Facts = MissingFacts { path, reason }.into();
    let mirror = FactsMirror {
        entry: NONE,
        kind: 3,
        data,
    };
    assert_eq!(facts.encode(), wincode::serialize(&mirror).unwrap());
}

fn checks() -> (CheckFacts, ChecksMirror) {
    let (reason, message) = ("encrypted", "its checksum is wrong: ß");
    let checks = CheckFacts {
        levels: vec![LevelFacts {
            level: 9,
            outcome: outcome::UNKNOWN,
            checked: 1 << 33,
            faulty: 2,
            reason: reason.into(),
        }],
        fault_count: 1 << 34,
        faults: vec![FaultFacts {
            level: 10,
            offset: 1 << 35,
            file: 3,
            page: 1 << 20,
            message: message.into(),
        }],
    };
    let mirror = ChecksMirror {
        levels: vec![LevelMirror {
            level: 9,
            outcome: 3,
            checked: 1 << 33,
            faulty: 2,
            reason: reason.into(),
        }],
        fault_count: 1 << 34,
        faults: vec![FaultMirror {
            level: 10,
            offset: 1 << 35,
            file: 3,
            page: 1 << 20,
            message: message.into(),
        }],
    };
    (checks, mirror)
}

#[test]
fn facts_of_backups_have_the_same_bytes() {
    let media = EntryFacts::backup_media(BackupMediaFacts {
        container: container::BLOCKS,
        features: 5,
        label: b"TAPE".to_vec(),
        family: vec![1; 32],
        sets: 9,
        checks: checks().0,
    })
    .unwrap();
    let mirror = BackupMediaMirror {
        container: 1,
        features: 5,
        label: b"TAPE".to_vec(),
        family: vec![1; 32],
        sets: 9,
        checks: checks().1,
    };
    assert_eq!(media.kind(), 4);
    assert_eq!(media.data(), wincode::serialize(&mirror).unwrap());

    let set = EntryFacts::backup_set(BackupSetFacts {
        offset: 4096,
        complete: true,
        start: b"SSET".to_vec(),
        volume: b"VOLB".to_vec(),
        configuration: Some(b"end".to_vec()),
        start_configuration: None,
        log: Some(LogFacts {
            blocks: 1,
            records: 2,
            commits: 3,
            first_commit: 4,
            last_commit: 5,
        }),
        checks: checks().0,
    })
    .unwrap();
    let mirror = BackupSetMirror {
        offset: 4096,
        complete: 1,
        start: b"SSET".to_vec(),
        volume: b"VOLB".to_vec(),
        configuration: Some(b"end".to_vec()),
        start_configuration: None,
        log: Some([1, 2, 3, 4, 5]),
        checks: checks().1,
    };
    assert_eq!(set.kind(), 5);
    assert_eq!(set.data(), wincode::serialize(&mirror).unwrap());

    let other = EntryFacts::other_source(OtherSourceFacts {
        kind: other_source::QDRANT,
        outcome: outcome::FAILED,
        values: vec![NamedValue {
            name: "version".into(),
            value: "1.9".into(),
        }],
        fault_count: 2,
        faults: vec![PlacedFault {
            place: "segment 1".into(),
            message: "cut off".into(),
        }],
    })
    .unwrap();
    let mirror = OtherSourceMirror {
        kind: 3,
        outcome: 1,
        values: vec![(b"version".to_vec(), b"1.9".to_vec())],
        fault_count: 2,
        faults: vec![(b"segment 1".to_vec(), b"cut off".to_vec())],
    };
    assert_eq!(other.kind(), 6);
    assert_eq!(other.data(), wincode::serialize(&mirror).unwrap());
}

#[test]
fn a_checkpoint_has_the_same_bytes() {
    let time = |seconds, nanos| Timestamp { seconds, nanos };
    let checkpoint = Checkpoint {
        previous: Some(Place(1)),
        stream_offset: StreamOffset(2),
        data_offset: DataOffset(3),
        row_count: 4,
        cursor: Some(Cursor {
            path: b"sql/a".to_vec(),
            offset: 5,
            device: 6,
            inode: 7,
            size: 8,
            mtime: time(-9, 10),
            ctime: time(11, 12),
        }),
        chunks: vec![ChunkPlace {
            stream_offset: StreamOffset(13),
            data_offset: DataOffset(14),
            place: Place(15),
        }],
        pages: vec![PagePlace {
            place: Place(16),
            row_count: 17,
        }],
        facts: vec![FactsPlace {
            entry: None,
            kind: 18,
            place: Place(19),
        }],
    };
    let mirror = CheckpointMirror {
        previous: 1,
        stream_offset: 2,
        data_offset: 3,
        row_count: 4,
        cursor: Some(CursorMirror {
            path: b"sql/a".to_vec(),
            offset: 5,
            device: 6,
            inode: 7,
            size: 8,
            mtime_seconds: -9,
            mtime_nanos: 10,
            ctime_seconds: 11,
            ctime_nanos: 12,
        }),
        chunks: vec![ChunkPlaceMirror {
            stream_offset: 13,
            data_offset: 14,
            place: 15,
        }],
        pages: vec![PagePlaceMirror {
            place: 16,
            row_count: 17,
        }],
        facts: vec![FactsPlaceMirror {
            entry: NONE,
            kind: 18,
            place: 19,
        }],
    };
    assert_eq!(checkpoint.encode(), wincode::serialize(&mirror).unwrap());
}

#[test]
fn final_has_the_same_bytes() {
    let root = |place, level| TreeRoot { place, level };
    let end = Final {
        stream_len: 1,
        data_len: 2,
        block_count: 3,
        chunk_count: 4,
        row_count: 5,
        content_len: 6,
        incomplete: true,
        not_restorable: false,
        started: Timestamp {
            seconds: -7,
            nanos: 8,
        },
        finished: Timestamp {
            seconds: 9,
            nanos: 10,
        },
        trees: [
            root(Some(Place(11)), 3),
            root(None, 0),
            root(Some(Place(12)), 0),
        ],
        tree_digest: Digest([13; 32]),
    };
    let root = |place, level| TreeRootMirror { place, level };
    let mirror = FinalMirror {
        stream_len: 1,
        data_len: 2,
        block_count: 3,
        chunk_count: 4,
        row_count: 5,
        content_len: 6,
        flags: 1,
        started_seconds: -7,
        started_nanos: 8,
        finished_seconds: 9,
        finished_nanos: 10,
        trees: [root(11, 3), root(NONE, 0), root(12, 0)],
        tree_digest: [13; 32],
    };
    assert_eq!(end.encode(), wincode::serialize(&mirror).unwrap());
}

#[test]
fn rows_have_the_same_bytes() {
    let entry = Entry {
        path: EntryPath::new("home/link").unwrap(),
        kind: EntryKind::Symlink {
            target: b"\xfe/..".to_vec(),
        },
        mode: 0o777,
        uid: 1 << 40,
        gid: 2,
        user: b"u".to_vec(),
        group: b"g".to_vec(),
        mtime: Timestamp {
            seconds: -3,
            nanos: 4,
        },
        xattrs: Vec::new(),
        linked: false,
    };
    let row = Row::from_entry(&entry, Digest([9; 32]), StreamOffset(5), StreamOffset(6));
    let mut raw = Vec::new();
    row.encode_into(&mut raw);
    let mirror = RowMirror {
        path: b"home/link".to_vec(),
        kind: 2,
        flags: 0,
        size: 0,
        mtime_seconds: -3,
        mtime_nanos: 4,
        mode: 0o777,
        uid: 1 << 40,
        gid: 2,
        link: b"\xfe/..".to_vec(),
        content_hash: [0; 32],
        header_offset: 5,
        content_offset: 6,
    };
    assert_eq!(raw, wincode::serialize(&mirror).unwrap());
}

#[test]
fn tree_items_have_the_same_bytes() {
    let (path, place) = (b"attachments/x".to_vec(), Place(1));
    let page = PageItem {
        first_path: path.clone(),
        place,
        row_count: 2,
    };
    let mirror = PageItemMirror {
        first_path: path.clone(),
        place: 1,
        row_count: 2,
    };
    assert_eq!(item(&page), wincode::serialize(&mirror).unwrap());
    let node = NodeItem {
        key: path.clone(),
        place,
    };
    let mirror = NodeItemMirror {
        key: path,
        place: 1,
    };
    assert_eq!(item(&node), wincode::serialize(&mirror).unwrap());
    let stripe = StripeItem {
        stream_offset: StreamOffset(3),
        data_offset: DataOffset(4),
        checkpoint: place,
    };
    let mirror = ChunkPlaceMirror {
        stream_offset: 3,
        data_offset: 4,
        place: 1,
    };
    assert_eq!(item(&stripe), wincode::serialize(&mirror).unwrap());
    let facts = FactsPlace {
        entry: Some(StreamOffset(5)),
        kind: 6,
        place,
    };
    let mirror = FactsPlaceMirror {
        entry: 5,
        kind: 6,
        place: 1,
    };
    assert_eq!(item(&facts), wincode::serialize(&mirror).unwrap());
}

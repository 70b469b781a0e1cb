//! What properties are tried on: entries, and structures with a few bytes changed.

use bakpak_format::entry::{Entry, EntryKind, EntryPath, Extent, Timestamp, aligned_extents};
use proptest::collection::vec;
use proptest::prelude::*;

/// Changes to a structure: where (as a fraction of its length), and to what.
pub(crate) type Changes = Vec<(prop::sample::Index, u8)>;

pub(crate) fn changes() -> impl Strategy<Value = Changes> {
    vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)
}

pub(crate) fn change(bytes: &mut [u8], changes: &Changes) {
    for (index, value) in changes {
        let index = index.index(bytes.len());
        bytes[index] = *value;
    }
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![any::<i64>(), -3..3_i64, 0..1_i64 << 34];
    let nanos = prop_oneof![Just(0), 0..1_000_000_000_u32, Just(500_000_000)];
    (seconds, nanos).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn entry_path() -> impl Strategy<Value = EntryPath> {
    let root = prop::sample::select(vec!["sql", "home", "attachments"]);
    let component = prop_oneof![
        "[a-z.]{1,12}".prop_map(String::into_bytes),
        vec(1..=255_u8, 1..120),
    ];
    (root, vec(component, 0..5)).prop_filter_map("no legal path", |(root, components)| {
        let parts = [vec![root.as_bytes().to_vec()], components].concat();
        EntryPath::new(parts.join(&b'/'))
    })
}

fn entry_kind() -> impl Strategy<Value = EntryKind> {
    let size = prop_oneof![0..10_000_u64, 0..1_u64 << 60];
    let device = 0..=0o7_777_777_u32;
    prop_oneof![
        size.prop_map(|size| EntryKind::File {
            size,
            extents: None
        }),
        (vec((0..1_u64 << 30, 1..5000_u64), 0..20), 1..1_u64 << 31).prop_map(
            |(mut pairs, size)| {
                pairs.sort_unstable();
                let extents = pairs
                    .into_iter()
                    .map(|(offset, len)| Extent { offset, len });
                let extents = aligned_extents(extents, size);
                EntryKind::File { size, extents }
            }
        ),
        Just(EntryKind::Directory),
        vec(1..=255_u8, 1..300).prop_map(|target| EntryKind::Symlink { target }),
        entry_path().prop_map(|target| EntryKind::HardLink { target }),
        Just(EntryKind::Fifo),
        (device.clone(), device.clone())
            .prop_map(|(major, minor)| EntryKind::CharDevice { major, minor }),
        (device.clone(), device).prop_map(|(major, minor)| EntryKind::BlockDevice { major, minor }),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        "[a-z]{1,40}".prop_map(String::into_bytes),
        vec(1..=255_u8, 1..=255)
    ]
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let attribute = (
        "[a-zA-Z.\u{e9}]{1,30}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..300),
    );
    let owner = || prop_oneof![0..3_000_000_u64, any::<u64>()];
    (
        (entry_path(), entry_kind(), 0..=0o7777_u32, owner(), owner()),
        (
            name(),
            name(),
            timestamp(),
            vec(attribute, 0..5),
            any::<bool>(),
        ),
    )
        .prop_map(
            |((path, kind, mode, uid, gid), (user, group, mtime, mut xattrs, linked))| {
                xattrs.sort_unstable();
                xattrs.dedup_by(|one, other| one.0 == other.0);
                let linked = linked && matches!(kind, EntryKind::File { .. });
                Entry {
                    path,
                    kind,
                    mode,
                    uid,
                    gid,
                    user,
                    group,
                    mtime,
                    xattrs,
                    linked,
                }
            },
        )
}

//! Properties of entries and sparse maps: what was encoded comes back, and what was changed comes back
//! as it is or is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/strategies.rs"]
mod strategies;

use bakpak_format::entry::{
    Entry, EntryHeader, EntryKind, EntryPath, Extent, SparseMapDecoder, Timestamp, aligned_extents,
    pax_len,
};
use proptest::collection::vec;
use proptest::prelude::*;
use strategies::{change, changes, entry};

proptest! {
    #[test]
    fn entries_come_back(entry in entry()) {
        let encoded = entry.encode().unwrap();
        let len = pax_len(encoded.first_chunk().unwrap()).unwrap();
        prop_assert_eq!(encoded.len(), 512 + len.next_multiple_of(512) + 512);
        let mut header = EntryHeader::decode(&encoded).unwrap();
        prop_assert_eq!(header.encode().unwrap(), encoded);
        prop_assert_eq!(header.content_len, entry.content_len());
        prop_assert_eq!(header.sparse, entry.sparse_map().is_some());
        if let Some(mut decoder) = SparseMapDecoder::new(&header) {
            let map = entry.sparse_map().unwrap();
            let (blocks, rest) = map.as_chunks();
            prop_assert!(rest.is_empty());
            let (last, before) = blocks.split_last().unwrap();
            for block in before {
                prop_assert_eq!(decoder.push(block).unwrap(), None);
            }
            let found = decoder.push(last).unwrap();
            if let EntryKind::File { extents, .. } = &mut header.entry.kind {
                *extents = found;
            }
        }
        prop_assert_eq!(header.entry, entry);
    }

    #[test]
    fn changed_entries_come_back_or_are_refused(entry in entry(), changes in changes()) {
        let mut encoded = entry.encode().unwrap();
        let (x_block, rest) = encoded.split_at_mut(512);
        let len = pax_len(x_block.first_chunk().unwrap()).unwrap();
        change(&mut rest[..len], &changes);
        let block = rest.len() - 512;
        let block = &mut rest[block..];
        change(block, &changes);
        // With the checksum set right, other fields are looked at.
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        if let Ok(header) = EntryHeader::decode(&encoded) {
            prop_assert_eq!(header.encode().unwrap(), encoded);
        }
    }

    #[test]
    fn changed_sparse_maps_come_back_or_are_refused(
        pairs in vec((0..60_u64, 1..4_u64), 1..80),
        changes in changes(),
    ) {
        let mut pairs = pairs;
        pairs.sort_unstable();
        let size = 70 * 512;
        let extent = |&(offset, len): &(u64, u64)| Extent { offset: offset * 512, len: len * 512 };
        let extents = pairs.iter().map(extent);
        let Some(extents) = aligned_extents(extents, size) else { return Ok(()) };
        let kind = EntryKind::File { size, extents: Some(extents) };
        let mut entry = sample(kind);
        let header = EntryHeader::new(entry.clone());
        let mut map = entry.sparse_map().unwrap();
        let used = map.iter().position(|&byte| byte == 0).unwrap_or(map.len());
        let digits = changes.into_iter().map(|(index, value)| (index, b'0' + value % 10));
        change(&mut map[..used], &digits.collect());
        let mut decoder = SparseMapDecoder::new(&header).unwrap();
        let mut taken = 0;
        for block in map.as_chunks().0 {
            taken += 512;
            match decoder.push(block) {
                Ok(None) => {}
                Ok(found) => {
                    entry.kind = EntryKind::File { size, extents: found };
                    prop_assert_eq!(&entry.sparse_map().unwrap(), &map[..taken]);
                    break;
                }
                Err(_) => break,
            }
        }
    }
}

fn sample(kind: EntryKind) -> Entry {
    Entry {
        path: EntryPath::new("sql/a").unwrap(),
        kind,
        mode: 0,
        uid: 0,
        gid: 0,
        user: Vec::new(),
        group: Vec::new(),
        mtime: Timestamp::default(),
        xattrs: Vec::new(),
        linked: false,
    }
}

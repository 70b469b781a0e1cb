//! The parsers of single structures: whatever they take, they encode again to the same bytes.

use bakpak_codec::secret::KeyFile;
use bakpak_format::block::{self, BlockHeader, InnerHeader};
use bakpak_format::catalogue::{
    CataloguePage, NodeItem, PageItem, Row, StripeItem, TreeItem, TreePage,
};
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::chunk::Chunk;
use bakpak_format::chunk::script::Script;
use bakpak_format::digest::Digest;
use bakpak_format::entry::{
    BLOCK_LEN, EntryHeader, EntryKind, EntryPath, PART_LEN, SparseMapDecoder, pax_len, split_part,
};
use bakpak_format::envelope::{EnvelopeBody, decode_items, encode_items};
use bakpak_format::geometry::{BlockIndex, BlockSize, DataOffset, Geometry, StripeIndex};
use bakpak_format::header::{ArchiveId, Head};
use bakpak_format::limits::{MAX_ENVELOPE_LEN, MAX_SCRIPT_BYTES};
use bakpak_format::record::{self, Checkpoint, Facts, FactsPlace, Final, RecordHeader};
use bakpak_format::slots::{Domain, Slot, SlotTable};
use bakpak_format::tail::{LOCATOR_LEN, Locator, TailPage};
use std::fmt::Debug;

/// Head page(s): preamble, cover text, header.
pub fn head(data: &[u8]) {
    let peeked = Head::peek_len(data);
    let Ok(head) = Head::decode(data) else { return };
    assert_eq!(peeked, Ok(data.len()));
    let again = Head::encode(&head.cover_text, &head.header, |_| head.header_mac);
    assert_eq!(again.as_deref(), Ok(data));
    assert_eq!(Head::mac_covered(data).len() + 64, 2048 + header_len(data));
    assert!(head.cover_text.len() < 2000);
    let geometry = head.geometry();
    for blocks in [0, 1, 510, 511, u64::MAX] {
        assert!(geometry.tail_offset(blocks) >= geometry.first_stripe_offset());
    }
    let _ = head.header.signers();
}

fn header_len(head: &[u8]) -> usize {
    let field = head[2052..2056].try_into().expect("4 bytes");
    u32::from_le_bytes(field) as usize
}

/// A slot table, of either domain.
pub fn slots(data: &[u8]) {
    let id = data.get(16..32).and_then(|id| id.try_into().ok());
    let id = ArchiveId(id.unwrap_or_default());
    for domain in [Domain::Data, Domain::Envelope] {
        let Ok(table) = SlotTable::decode(data, domain, &id) else {
            continue;
        };
        assert_eq!(table.encode(data.len(), |_| table.mac).as_deref(), Ok(data));
        for slot in &table.slots {
            if let Slot::Passphrase(slot) = slot {
                let _ = slot.check_limits();
            }
            assert!(slot.aad_prefix().len() <= slot.encoded_len());
        }
    }
}

/// An envelope body, and the plaintext of one.
pub fn envelope(data: &[u8]) {
    if let Ok(body) = EnvelopeBody::split(data, &Digest::of(data)) {
        assert_eq!(EnvelopeBody::clear(&body.nonce), *body.clear);
        assert_eq!(body.clear.len() + body.ciphertext.len(), data.len());
    }
    if let Ok(items) = decode_items(data)
        && let Ok(again) = encode_items(&items)
    {
        // The smallest body that holds them; the one at hand may be longer.
        let shared = again.len().min(data.len());
        assert_eq!(again[..shared], data[..shared]);
        assert!(again.len() < MAX_ENVELOPE_LEN);
    }
}

/// The clear and the inner header of a block, and the padding.
pub fn block(data: &[u8]) {
    if let Some(clear) = data.first_chunk::<{ block::CLEAR_LEN }>()
        && let Ok(header) = BlockHeader::decode(clear)
    {
        assert_eq!(header.encode(), *clear);
        let _ = header.check_place(BlockIndex(1), &ArchiveId([7; 16]));
        assert!(header.check_salt(&header.stripe_salt).is_ok());
    }
    let Some((inner, payload)) = data.split_first_chunk::<{ block::INNER_LEN }>() else {
        return;
    };
    for payload_len in [payload.len(), BlockSize::FOUR_KIB.payload_len()] {
        if let Ok(header) = InnerHeader::decode(inner, payload_len) {
            assert_eq!(header.encode(), *inner);
            assert!(header.used_len <= payload_len);
            let _ = block::check_padding(payload, header.used_len);
        }
    }
}

/// A check page, of archives with and without an envelope.
pub fn check_page(data: &[u8]) {
    let field = |at: usize| data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    let index = StripeIndex(u64::from_le_bytes(field(8).unwrap_or_default()));
    let id = data.get(16..32).and_then(|id| id.try_into().ok());
    let id = ArchiveId(id.unwrap_or_default());
    let digest = data.get(56..88).and_then(|digest| digest.try_into().ok());
    let digest = Digest(digest.unwrap_or_default());
    for (block_size, slot_area, envelope_len) in [
        (BlockSize::FOUR_KIB, 4096, 0),
        (BlockSize::FOUR_KIB, 4096, 4096),
        (BlockSize::SIXTY_FOUR_KIB, 16_384, 0),
        (BlockSize::FOUR_MIB, 65_536, MAX_ENVELOPE_LEN),
    ] {
        let geometry = Geometry::new(block_size, 4096, slot_area, envelope_len);
        let peeked = CheckPage::peek(data, &geometry, &id, &digest, index);
        let decoded = CheckPage::decode(data, &geometry, &id, &digest, index);
        let _ = CheckPage::damaged_sectors(data, data.len());
        let Ok(page) = decoded else { continue };
        assert_eq!(peeked, Ok(page.layout));
        assert!(CheckPage::damaged_sectors(data, page.layout.covered_len).is_empty());
        assert!(page.check_layout(&page.layout).is_ok());
        let copy = |range: &std::ops::Range<usize>| &data[range.clone()];
        let (head, envelope) = (copy(&page.head), copy(&page.envelope));
        assert!(page.check_copies(data, head, envelope).is_ok());
        let again = CheckPage::encode(&CheckPageParts {
            layout: &page.layout,
            archive_id: &id,
            head_digest: &digest,
            shard_hashes: &page.shard_hashes,
            sector_crcs: &page.sector_crcs,
            head,
            envelope,
            data_slots: copy(&page.data_slots),
            envelope_slots: copy(&page.envelope_slots),
        });
        assert!(again == data);
    }
}

/// A record's header, and the bodies that are no chunk and no page.
pub fn record(data: &[u8]) {
    let body = match data.split_first_chunk::<{ record::HEADER_LEN }>() {
        Some((header, body)) => {
            if let Ok(decoded) = RecordHeader::decode(header) {
                assert_eq!(decoded.encode(), *header);
                let _ = decoded.known();
            }
            body
        }
        None => &[],
    };
    for body in [data, body] {
        let peeked = Facts::peek(body);
        if let Ok(facts) = Facts::decode(body) {
            assert_eq!(facts.encode(), body);
            assert_eq!(peeked, Ok((facts.entry, facts.kind)));
            let _ = facts.known();
        }
        if let Ok(checkpoint) = Checkpoint::decode(body) {
            assert_eq!(checkpoint.encode(), body);
        }
        if let Ok(last) = Final::decode(body) {
            assert_eq!(last.encode(), body);
        }
    }
}

/// The body of a CHUNK.
pub fn chunk(data: &[u8]) {
    for chunk_size in [4096, 1 << 20, 8 << 20] {
        let Ok(chunk) = Chunk::decode(data, chunk_size) else {
            continue;
        };
        let mut again = Vec::new();
        let encoded = Chunk::encode_into(&mut again, &chunk.head, &chunk.script, chunk.payload);
        assert!(encoded.is_ok() && again == data);
        assert!(chunk.head.raw_len <= chunk_size);
        let made: u64 = chunk.instructions().map(|i| i.len()).sum();
        assert_eq!(made, chunk.head.stream_len);
        let copies = chunk.script.copies().count();
        assert_eq!(chunk.check_reach(0).is_ok(), copies == 0);
        assert!(chunk.check_reach(u64::MAX).is_ok());
        for (source, len) in chunk.script.copies() {
            assert!(source.plus(len) <= chunk.head.data_offset);
            assert!(source < DataOffset(u64::MAX));
        }
    }
}

/// A script; the first two bytes say of how many instructions.
pub fn script(data: &[u8]) {
    let Some((count, bytes)) = data.split_first_chunk() else {
        return;
    };
    let stated = usize::from(u16::from_le_bytes(*count));
    let Ok(script) = Script::decode(bytes, stated) else {
        return;
    };
    assert_eq!(script.encode().as_deref(), Ok(bytes));
    assert_eq!(script.0.len(), stated);
    if let Ok((stream, literal)) = script.sums() {
        assert!(literal <= stream && literal <= MAX_SCRIPT_BYTES);
    }
}

/// The header of an entry.
pub fn entry(data: &[u8]) {
    let announced = data.first_chunk::<BLOCK_LEN>().map(pax_len);
    let Ok(header) = EntryHeader::decode(data) else {
        return;
    };
    let pax_len = announced
        .and_then(Result::ok)
        .expect("its first block is whole");
    assert_eq!(
        data.len(),
        2 * BLOCK_LEN + pax_len.next_multiple_of(BLOCK_LEN)
    );
    assert_eq!(header.encode().as_deref(), Ok(data));
    assert_eq!(SparseMapDecoder::new(&header).is_some(), header.sparse);
    if header.part {
        assert!(split_part(&header.entry.path).is_some() && header.content_len <= PART_LEN);
    }
    path(header.entry.path.as_bytes());
    let _ = format!("{header:?}");
}

/// A path.
pub fn path(data: &[u8]) {
    let Ok(path) = EntryPath::decode(data) else {
        return;
    };
    assert_eq!(path.as_bytes(), data);
    let shown = path.to_string();
    assert!(shown.chars().all(|c| !c.is_control()), "{shown:?}");
    assert!(
        path.components()
            .all(|c| !c.is_empty() && c != b"." && c != b"..")
    );
    if let Some((name, number)) = split_part(&path) {
        assert_eq!(
            bakpak_format::entry::part_path(&name, number),
            Some(path.clone())
        );
    }
    let below = EntryPath::new([data, b"/x"].concat());
    assert!(below.is_none_or(|below| below > path));
}

/// The map of a sparse file; the first 16 bytes say how long file and content are.
pub fn sparse_map(data: &[u8]) {
    let Some((size, rest)) = data.split_first_chunk() else {
        return;
    };
    let Some((content_len, map)) = rest.split_first_chunk() else {
        return;
    };
    let mut entry = bare(u64::from_le_bytes(*size));
    let header = EntryHeader {
        entry: entry.clone(),
        content_len: u64::from_le_bytes(*content_len),
        sparse: true,
        part: false,
    };
    let mut decoder = SparseMapDecoder::new(&header).expect("it is sparse");
    for (number, block) in map.as_chunks::<BLOCK_LEN>().0.iter().enumerate() {
        let Ok(taken) = decoder.push(block) else {
            return;
        };
        if let Some(extents) = taken {
            entry.kind = EntryKind::File {
                size: u64::from_le_bytes(*size),
                extents: Some(extents),
            };
            let again = entry.sparse_map().expect("it has extents");
            assert_eq!(again, map[..(number + 1) * BLOCK_LEN]);
            assert_eq!(entry.content_len(), header.content_len);
            return;
        }
    }
}

fn bare(size: u64) -> bakpak_format::entry::Entry {
    bakpak_format::entry::Entry {
        path: EntryPath::new("sql/a").expect("a legal path"),
        kind: EntryKind::File {
            size,
            extents: None,
        },
        mode: 0o600,
        uid: 0,
        gid: 0,
        user: Vec::new(),
        group: Vec::new(),
        mtime: bakpak_format::entry::Timestamp::default(),
        xattrs: Vec::new(),
        linked: false,
    }
}

/// The body of a CATALOGUE PAGE, and rows; the first four bytes say how many.
pub fn catalogue_page(data: &[u8]) {
    if let Ok(page) = CataloguePage::decode(data) {
        assert_eq!(page.encode(), data);
    }
    let Some((count, raw)) = data.split_first_chunk() else {
        return;
    };
    if let Ok(rows) = Row::decode_all(raw, u32::from_le_bytes(*count)) {
        let mut again = Vec::new();
        rows.iter().for_each(|row| row.encode_into(&mut again));
        assert!(again == raw);
    }
}

/// The body of a TREE PAGE, and items; the first four bytes say how many.
pub fn tree_page(data: &[u8]) {
    if let Ok(page) = TreePage::decode(data) {
        assert_eq!(page.encode(), data);
    }
    items::<PageItem>(data);
    items::<StripeItem>(data);
    items::<FactsPlace>(data);
    items::<NodeItem>(data);
}

fn items<T: TreeItem + Debug>(data: &[u8]) {
    let Some((count, raw)) = data.split_first_chunk() else {
        return;
    };
    if let Ok(items) = T::decode_all(raw, u32::from_le_bytes(*count)) {
        let mut again = Vec::new();
        items.iter().for_each(|item| item.encode_into(&mut again));
        assert!(again == raw);
    }
}

/// A tail page, and the locator in it.
pub fn tail(data: &[u8]) {
    let peeked = TailPage::peek_len(data);
    if let Some(bytes) = data.last_chunk::<LOCATOR_LEN>()
        && let Ok(Some(locator)) = Locator::decode(bytes)
    {
        assert_eq!(locator.encode(), *bytes);
    }
    let Ok(page) = TailPage::decode(data) else {
        return;
    };
    assert_eq!(peeked, Ok(data.len()));
    assert_eq!(page.encode().as_deref(), Ok(data));
    let geometry = Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 0);
    for signed in [false, true] {
        let _ = page.check(&geometry, &page.archive_id, &page.head_digest, signed);
    }
}

/// The text of a key file.
pub fn key_file(data: &[u8]) {
    let Ok(key) = KeyFile::parse(data) else {
        return;
    };
    let line = key.to_line();
    assert!(line.starts_with("BAKPAK-KEY-FILE-1"));
    let text = String::from_utf8_lossy(data);
    assert_eq!(text.trim().to_ascii_uppercase(), line.trim());
}

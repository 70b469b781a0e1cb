//! Properties of every decoder: no input makes it panic, and what it takes encodes again to the
//! same bytes. Inputs are random bytes, and whole structures with a few bytes changed and their
//! checksums computed anew, so that the changes are reached.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/strategies.rs"]
mod strategies;

use bakpak_format::block::{self, BlockHeader, InnerHeader};
use bakpak_format::catalogue::{
    CataloguePage, NodeItem, PageItem, Row, StripeItem, TreeItem, TreePage,
};
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::chunk::{Chunk, ChunkHead, Compression};
use bakpak_format::digest::{Digest, SECTOR_LEN, crc32c};
use bakpak_format::entry::{EntryHeader, EntryPath, pax_len};
use bakpak_format::envelope::{EnvelopeBody, EnvelopeItem, decode_items, encode_items};
use bakpak_format::geometry::{
    BlockIndex, BlockSize, DataOffset, Geometry, ParityGeometry, Place, StreamOffset, StripeIndex,
};
use bakpak_format::header::{ArchiveId, Extension, Head, Header};
use bakpak_format::record::{
    BackupSetFacts, ChangedFacts, CheckFacts, Checkpoint, ChunkPlace, EntryFacts, Facts,
    FactsPlace, FaultFacts, Final, KnownFacts, LevelFacts, LogFacts, RecordHeader, TreeRoot,
};
use bakpak_format::slots::{Argon2Params, Domain, KeyFileSlot, PassphraseSlot, Slot, SlotTable};
use bakpak_format::tail::{Locator, Signature, TailPage, page_len_for};
use proptest::collection::vec;
use proptest::prelude::*;
use strategies::{change, changes, entry, timestamp};

const ID: ArchiveId = ArchiveId([7; 16]);
const HEAD_DIGEST: Digest = Digest([8; 32]);

fn set_digest(bytes: &mut [u8], end: usize) {
    let digest = Digest::of(&bytes[..end]);
    bytes[end..end + 32].copy_from_slice(digest.as_bytes());
}

fn geometry() -> Geometry {
    Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 4096)
}

fn header() -> Header {
    Header {
        archive_id: ID,
        features_incompatible: 0,
        features_read_only: 0,
        features_compatible: 5,
        suite: 1,
        block_size: BlockSize::ONE_MIB,
        parity_geometry: ParityGeometry::NONE,
        slot_area: 16_384,
        chunk_size: 1 << 20,
        envelope_len: 8192,
        copy_reach: u64::MAX,
        salt: [1; 32],
        archive_commitment: [2; 32],
        envelope_commitment: [3; 32],
        envelope_digest: Digest([4; 32]),
        extensions: vec![Extension {
            kind: 0x8000,
            value: vec![5; 7],
        }],
    }
}

fn slot_table() -> SlotTable {
    let passphrase = PassphraseSlot {
        params: Argon2Params {
            memory_kib: 65_536,
            passes: 2,
            lanes: 1,
        },
        salt: [1; 16],
        commitment: [2; 32],
        nonce: [3; 12],
        wrapped: [4; 48],
    };
    let key_file = KeyFileSlot {
        salt: [5; 16],
        commitment: [6; 32],
        nonce: [7; 12],
        wrapped: [8; 48],
    };
    let other = Slot::Other {
        kind: 3,
        body: vec![9; 20],
    };
    SlotTable {
        domain: Domain::Envelope,
        generation: 3,
        archive_id: ID,
        slots: vec![Slot::Passphrase(passphrase), Slot::KeyFile(key_file), other],
        mac: [10; 32],
    }
}

fn instruction() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        (1..5000_u64).prop_map(Instruction::Literal),
        (0..1_u64 << 40, 1..100_000_u64).prop_map(|(source, len)| Instruction::Copy {
            source: DataOffset(source),
            len
        }),
        (1..1_u64 << 50).prop_map(Instruction::Zero),
    ]
}

/// Scripts without two LITERALs or ZEROs in a row, and not of a LITERAL alone.
fn script() -> impl Strategy<Value = Script> {
    vec(instruction(), 0..30).prop_map(|mut instructions| {
        instructions.dedup_by(|one, other| {
            let kind = std::mem::discriminant(one);
            kind == std::mem::discriminant(other) && !matches!(one, Instruction::Copy { .. })
        });
        if let [Instruction::Literal(_)] = instructions[..] {
            instructions.clear();
        }
        Script(instructions)
    })
}

/// Decodes `raw` as items, and compares what they encode to.
fn items_come_back<T: TreeItem>(raw: &[u8], count: u32) {
    if let Ok(items) = T::decode_all(raw, count) {
        let mut again = Vec::new();
        items.iter().for_each(|item| item.encode_into(&mut again));
        assert_eq!(again, raw);
    }
}

/// Decodes `bytes` as everything that a record's body or page can be.
fn bodies_come_back(bytes: &[u8]) {
    if let Ok(facts) = Facts::decode(bytes) {
        assert_eq!(facts.encode(), bytes);
        let _ = facts.known();
    }
    if let Ok(checkpoint) = Checkpoint::decode(bytes) {
        assert_eq!(checkpoint.encode(), bytes);
    }
    if let Ok(end) = Final::decode(bytes) {
        assert_eq!(end.encode(), bytes);
    }
    if let Ok(chunk) = Chunk::decode(bytes, 1 << 20) {
        let mut again = Vec::new();
        Chunk::encode_into(&mut again, &chunk.head, &chunk.script, chunk.payload).unwrap();
        assert_eq!(again, bytes);
        let _ = chunk.check_reach(1000);
    }
    if let Ok(page) = CataloguePage::decode(bytes) {
        assert_eq!(page.encode(), bytes);
    }
    if let Ok(page) = TreePage::decode(bytes) {
        assert_eq!(page.encode(), bytes);
    }
    for count in 0..4 {
        if let Ok(rows) = Row::decode_all(bytes, count) {
            let mut again = Vec::new();
            rows.iter().for_each(|row| row.encode_into(&mut again));
            assert_eq!(again, bytes);
        }
        items_come_back::<PageItem>(bytes, count);
        items_come_back::<StripeItem>(bytes, count);
        items_come_back::<FactsPlace>(bytes, count);
        items_come_back::<NodeItem>(bytes, count);
        if let Ok(script) = Script::decode(bytes, count as usize) {
            assert_eq!(script.encode().unwrap(), bytes);
        }
    }
    if let Ok(items) = decode_items(bytes) {
        // Only the smallest body is written; a longer one differs in its zeros.
        let again = encode_items(&items).unwrap();
        let shared = again.len().min(bytes.len());
        assert_eq!(again[..shared], bytes[..shared]);
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..600), number in any::<u64>()) {
        bodies_come_back(&bytes);
        let _ = Head::peek_len(&bytes);
        let _ = Head::decode(&bytes);
        let _ = Head::mac_covered(&bytes);
        let _ = SlotTable::decode(&bytes, Domain::Data, &ID);
        let _ = SlotTable::mac_covered(&bytes);
        let _ = EnvelopeBody::split(&bytes, &Digest::of(&bytes));
        let _ = EntryHeader::decode(&bytes);
        let _ = TailPage::decode(&bytes);
        let index = StripeIndex(number);
        let _ = CheckPage::decode(&bytes, &geometry(), &ID, &HEAD_DIGEST, index);
        let _ = CheckPage::damaged_sectors(&bytes, (number % 100_000) as usize);
        let _ = block::check_padding(&bytes, number as usize);
        let _ = EntryPath::new(bytes.clone());
        let _ = geometry().stripe(number, index);
        let _ = geometry().block_offset(BlockIndex(number));
        let _ = geometry().tail_offset(number);
        let _ = BlockSize::FOUR_MIB.locate(Place(number));
        let _ = BlockSize::FOUR_MIB.place(BlockIndex(number), usize::MAX);
        if let Some(block) = bytes.first_chunk() {
            let _ = pax_len(block);
        }
        if let Some(block) = bytes.first_chunk() {
            let _ = Locator::decode(block);
        }
        if let Some(block) = bytes.first_chunk() {
            let _ = BlockHeader::decode(block);
        }
    }

    #[test]
    fn small_headers_come_back(bytes in any::<[u8; 16]>()) {
        if let Ok(inner) = InnerHeader::decode(&bytes, 4000) {
            prop_assert_eq!(inner.encode(), bytes);
        }
        if let Ok(header) = RecordHeader::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
            let _ = header.known();
        }
    }

    #[test]
    fn small_headers_of_small_values_come_back(
        words in any::<[u8; 4]>(),
        flags in 0..4_u8,
    ) {
        let [kind, version, len, first] = words;
        let record = [kind, 0, flags, 0, version, 0, 0, 0, len, 0, 0, 0, 0, 0, 0, 0];
        if let Ok(header) = RecordHeader::decode(&record) {
            prop_assert_eq!(header.encode(), record);
            let _ = header.known();
        }
        let inner = [len, 0, 0, 0, first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        if let Ok(header) = InnerHeader::decode(&inner, 200) {
            prop_assert_eq!(header.encode(), inner);
        }
    }

    #[test]
    fn changed_heads_come_back_or_are_refused(changes in changes()) {
        let header = header();
        let mut bytes = Head::encode("cover", &header, |_| [9; 32]).unwrap();
        let digest_offset = 2048 + 272 + 11;
        // Preamble and header, without the zeros between them.
        change(&mut bytes[..40], &changes);
        change(&mut bytes[2048..digest_offset], &changes);
        set_digest(&mut bytes, digest_offset);
        if let Ok(head) = Head::decode(&bytes) {
            let mac = |covered: &[u8]| {
                assert_eq!(covered, Head::mac_covered(&bytes));
                head.header_mac
            };
            let again = Head::encode(&head.cover_text, &head.header, mac).unwrap();
            prop_assert!(again == bytes);
        }
    }

    #[test]
    fn changed_slot_tables_come_back_or_are_refused(changes in changes()) {
        let mut bytes = slot_table().encode(4096, |_| [10; 32]).unwrap();
        let used = 32 + slot_table().slots_len();
        change(&mut bytes[..used], &changes);
        set_digest(&mut bytes, 4064);
        for domain in [Domain::Data, Domain::Envelope] {
            if let Ok(table) = SlotTable::decode(&bytes, domain, &ID) {
                prop_assert!(table.encode(4096, |_| table.mac).unwrap() == bytes);
                for slot in &table.slots {
                    let _ = slot.aad_prefix();
                    if let Slot::Passphrase(slot) = slot {
                        let _ = slot.check_limits();
                    }
                }
            }
        }
    }

    #[test]
    fn changed_check_pages_come_back_or_are_refused(
        changes in changes(),
        block_count in 1..1500_u64,
        index in 0..3_u64,
    ) {
        let geometry = geometry();
        let index = StripeIndex(index.min(geometry.stripe_count(block_count) - 1));
        let layout = geometry.stripe(block_count, index);
        let parts = CheckPageParts {
            layout: &layout,
            archive_id: &ID,
            head_digest: &HEAD_DIGEST,
            shard_hashes: &vec![Digest([1; 32]); layout.data_count],
            sector_crcs: &vec![2; layout.data_count],
            head: &[3; 4096],
            envelope: &[4; 4096],
            data_slots: &[5; 4096],
            envelope_slots: &[6; 4096],
        };
        let whole = CheckPage::encode(&parts);
        let mut bytes = whole.clone();
        change(&mut bytes[..256], &changes);
        bytes[256..260].fill(0);
        let crc = crc32c(&bytes[..SECTOR_LEN]);
        bytes[256..260].copy_from_slice(&crc.to_le_bytes());
        let peeked = CheckPage::peek(&bytes[..SECTOR_LEN], &geometry, &ID, &HEAD_DIGEST, index);
        if let Ok(page) = CheckPage::decode(&bytes, &geometry, &ID, &HEAD_DIGEST, index) {
            prop_assert_eq!(peeked.unwrap(), page.layout);
            if page.check_layout(&layout).is_ok() {
                prop_assert!(bytes == whole);
            }
        }
    }

    #[test]
    fn changed_tail_pages_come_back_or_are_refused(
        changes in changes(),
        lens in vec(0..5000_usize, 0..4),
    ) {
        let signature = |len| Signature { kind: 1, body: vec![2; len] };
        let mut page = TailPage {
            tail_page_len: 0,
            archive_id: ID,
            block_count: 1,
            stripe_count: 1,
            archive_len: 32_768,
            head_digest: HEAD_DIGEST,
            root: Digest([3; 32]),
            tail_offset: bakpak_format::geometry::ArchiveOffset(20_480),
            signatures: lens.into_iter().map(signature).collect(),
        };
        page.tail_page_len = page_len_for(page.signatures_len());
        let mut bytes = page.encode().unwrap();
        prop_assert_eq!(&TailPage::decode(&bytes).unwrap(), &page);
        let used = 128 + page.signatures_len();
        change(&mut bytes[..used], &changes);
        let locator = bytes.len() - 256;
        let digest = Digest::of(&bytes[..locator]);
        bytes[locator + 80..][..32].copy_from_slice(digest.as_bytes());
        let crc = crc32c(&bytes[locator..][..252]);
        bytes[locator + 252..].copy_from_slice(&crc.to_le_bytes());
        if let Ok(page) = TailPage::decode(&bytes) {
            prop_assert!(page.encode().unwrap() == bytes);
            let _ = page.check(&geometry(), &ID, &HEAD_DIGEST, false);
        }
    }

    #[test]
    fn changed_bodies_come_back_or_are_refused(
        changes in changes(),
        count in 0..5_u64,
        time in timestamp(),
        entry in entry(),
    ) {
        let place = Place(count);
        let place_of = |index| ChunkPlace {
            stream_offset: StreamOffset(index),
            data_offset: DataOffset(index),
            place,
        };
        let checkpoint = Checkpoint {
            previous: Some(place),
            stream_offset: StreamOffset(count),
            data_offset: DataOffset(count),
            row_count: count,
            cursor: None,
            chunks: (0..count).map(place_of).collect(),
            pages: Vec::new(),
            facts: Vec::new(),
        };
        prop_assert_eq!(&Checkpoint::decode(&checkpoint.encode()).unwrap(), &checkpoint);
        let end = Final {
            stream_len: count,
            data_len: 1,
            block_count: 2,
            chunk_count: 3,
            row_count: 4,
            content_len: 5,
            incomplete: false,
            not_restorable: count % 2 == 1,
            started: time,
            finished: time,
            trees: [TreeRoot { place: None, level: 0 }; 3],
            tree_digest: Digest([6; 32]),
        };
        prop_assert_eq!(&Final::decode(&end.encode()).unwrap(), &end);
        let changed = ChangedFacts { recorded_size: count, observed_size: 1 };
        let row = Row::from_entry(&entry, Digest([9; 32]), StreamOffset(0), StreamOffset(1));
        let mut raw = Vec::new();
        row.encode_into(&mut raw);
        prop_assert_eq!(Row::decode_all(&raw, 1).unwrap(), [row]);
        let facts = changed.about(StreamOffset(count));
        for mut body in [checkpoint.encode(), end.encode(), facts.encode(), raw] {
            change(&mut body, &changes);
            bodies_come_back(&body);
        }
    }

    #[test]
    fn facts_about_backups_come_back(
        (label, message) in (vec(any::<u8>(), 0..300), "\\PC{0,40}"),
        (listed, more) in (0..150_usize, any::<u32>()),
        numbers in any::<(u64, u16, u8)>(),
        configuration in proptest::option::of(vec(any::<u8>(), 0..300)),
        changes in changes(),
    ) {
        let (count, number, outcome) = numbers;
        let fault = FaultFacts { level: number, offset: count, file: number, page: more, message };
        let level = LevelFacts {
            level: number,
            outcome,
            checked: count,
            faulty: count,
            reason: fault.message.clone(),
        };
        let fault_count = listed as u64 + u64::from(more);
        let checks = CheckFacts { levels: vec![level], fault_count, faults: vec![fault; listed] };
        let mut set = BackupSetFacts {
            offset: count,
            complete: outcome > 9,
            start: label.clone(),
            configuration,
            log: (outcome < 99).then(LogFacts::default),
            checks,
            ..BackupSetFacts::default()
        };
        let facts = EntryFacts::backup_set(set.clone()).unwrap().about(StreamOffset(count >> 1));
        set.checks.faults.truncate(100);
        prop_assert_eq!(facts.known().unwrap(), Some(KnownFacts::BackupSet(Box::new(set))));
        for kind in [Facts::BACKUP_MEDIA, Facts::BACKUP_SET, Facts::OTHER_SOURCE] {
            let mut body = Facts { kind, ..facts.clone() }.encode();
            change(&mut body, &changes);
            bodies_come_back(&body);
        }
    }

    #[test]
    fn envelope_items_come_back(
        contents in vec((any::<u16>(), vec(any::<u8>(), 0..300)), 0..6),
        changes in changes(),
    ) {
        let items: Vec<EnvelopeItem> = contents
            .into_iter()
            .enumerate()
            .map(|(number, (kind, content))| EnvelopeItem {
                kind,
                name: format!("item {number}"),
                content: content.into(),
            })
            .collect();
        let mut plaintext = encode_items(&items).unwrap();
        prop_assert!(decode_items(&plaintext).unwrap() == items);
        change(&mut plaintext, &changes);
        bodies_come_back(&plaintext);
    }

    #[test]
    fn scripts_and_chunks_come_back(script in script(), changes in changes()) {
        let bytes = script.encode().unwrap();
        prop_assert_eq!(&Script::decode(&bytes, script.0.len()).unwrap(), &script);
        let (stream_len, raw_len) = script.sums().unwrap();
        let raw_len = if script.0.is_empty() { 5 } else { raw_len as usize };
        let head = ChunkHead {
            stream_offset: StreamOffset(17),
            data_offset: DataOffset(1 << 41),
            stream_len: if script.0.is_empty() { 5 } else { stream_len },
            first_entry: Some(StreamOffset(17)),
            raw_len,
            compression: Compression::Stored,
        };
        let payload = vec![1; raw_len];
        let mut body = Vec::new();
        Chunk::encode_into(&mut body, &head, &script, &payload).unwrap();
        let chunk = Chunk::decode(&body, 1 << 20).unwrap();
        prop_assert_eq!(&chunk.head, &head);
        prop_assert_eq!(&chunk.script, &script);
        prop_assert_eq!(chunk.instructions().map(Instruction::len).sum::<u64>(), head.stream_len);
        // The head and the script, where changes mean something.
        let end = body.len() - raw_len;
        change(&mut body[..end], &changes);
        bodies_come_back(&body);
    }
}

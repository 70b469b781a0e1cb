//! The component vectors, read by the crates that read archives.
#![allow(missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::secret::KeyFile;
use bakpak_format::block::{self, BlockHeader, CLEAR_LEN, InnerHeader};
use bakpak_format::catalogue::{CataloguePage, Row};
use bakpak_format::check_page::CheckPage;
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::digest::Digest;
use bakpak_format::entry::Timestamp;
use bakpak_format::geometry::{BlockIndex, BlockSize, DataOffset, Geometry, StripeIndex};
use bakpak_format::header::ArchiveId;
use bakpak_format::slots::{Domain, Slot, SlotTable};
use bakpak_format::tail::{self, LOCATOR_LEN, Locator, TailPage};
use bakpak_vectors::components::hex;
use bakpak_vectors::keys::key_file_line;
use support::folder;
use toml::{Table, Value};

/// One file of the folder.
fn component(name: &str) -> Table {
    let path = folder()
        .join("components")
        .join(name)
        .with_extension("toml");
    let text = std::fs::read_to_string(path).expect("a component");
    text.parse().expect("a component in TOML")
}

fn tables<'a>(table: &'a Table, key: &str) -> Vec<&'a Table> {
    let items = table[key].as_array().expect("an array of tables");
    assert!(!items.is_empty(), "no {key}");
    items
        .iter()
        .map(|item| item.as_table().expect("a table"))
        .collect()
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table[key].as_str().expect("a text")
}

fn number(table: &Table, key: &str) -> u64 {
    let number = table[key].as_integer().expect("a number");
    number.try_into().expect("a number from 0 on")
}

fn bytes(table: &Table, key: &str) -> Vec<u8> {
    let digits = text(table, key).as_bytes();
    let pair = |pair: &[u8]| {
        let pair = str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    };
    digits.chunks(2).map(pair).collect()
}

fn array<const N: usize>(table: &Table, key: &str) -> [u8; N] {
    bytes(table, key).try_into().expect("so many bytes")
}

/// Bytes whose zeros at the end were cut off.
fn padded(table: &Table, key: &str, len: usize) -> Vec<u8> {
    let mut bytes = bytes(table, key);
    bytes.resize(len, 0);
    bytes
}

/// HMAC and HKDF by hand from HMAC alone, as the second reader has it: two rounds are not needed.
#[test]
fn keys_follow_from_hmac() {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = |key: &[u8], message: &[u8]| {
        let mut mac = Hmac::<sha2::Sha512>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    };
    let keys = component("keys");
    let id = bytes(&keys, "archive_id");
    for domain in tables(&keys, "domain") {
        let prk = mac(&bytes(&keys, "salt"), &bytes(domain, "key"));
        assert_eq!(hex(&prk), text(domain, "prk"));
        for subkey in tables(domain, "subkey") {
            let info = [text(subkey, "label").as_bytes(), &id, &[1]].concat();
            assert_eq!(hex(&mac(&prk, &info)[..32]), text(subkey, "subkey"));
        }
    }
    let archive = tables(&keys, "domain")[0];
    let prk = bytes(archive, "prk");
    for stripe in tables(&keys, "stripe_key") {
        let info = [
            b"bakpak/1 stripe",
            &id[..],
            &number(stripe, "stripe_index").to_le_bytes(),
            &bytes(stripe, "stripe_salt"),
            &[1],
        ];
        assert_eq!(
            hex(&mac(&prk, &info.concat())[..32]),
            text(stripe, "subkey")
        );
    }
    let header = keys["header_mac"].as_table().unwrap();
    let covered_len = usize::try_from(number(header, "covered_len")).unwrap();
    let subkeys = tables(archive, "subkey");
    let is_header_mac = |subkey: &&&Table| text(subkey, "label") == "bakpak/1 header mac";
    let key = bytes(subkeys.iter().find(is_header_mac).unwrap(), "subkey");
    let covered = padded(header, "covered", covered_len);
    assert_eq!(hex(&mac(&key, &covered)[..32]), text(header, "mac"));
}

#[test]
fn slots_stand_in_tables_that_decode() {
    let slots = component("slots");
    let id = ArchiveId(array(&slots, "archive_id"));
    for slot in tables(&slots, "slot") {
        let domain = match &array(slot, "domain") {
            b"BPSD" => Domain::Data,
            other => {
                assert_eq!(other, b"BPSE");
                Domain::Envelope
            }
        };
        let encoded = bytes(slot, "slot");
        let mut table = domain.tag().to_vec();
        table.extend([1, 0, 0, 0, 1, 0, 0, 0]);
        table.extend(u32::try_from(encoded.len()).unwrap().to_le_bytes());
        table.extend(id.0);
        table.extend(&encoded);
        table.resize(4096 - 32, 0);
        let digest = Digest::of(&table);
        table.extend(digest.as_bytes());
        let table = SlotTable::decode(&table, domain, &id).unwrap();
        let [decoded] = &table.slots[..] else {
            panic!("one slot went in");
        };
        let aad = [&domain.tag()[..], &id.0, &decoded.aad_prefix()].concat();
        assert_eq!(hex(&aad), text(slot, "aad"));
        let (salt, commitment, nonce, wrapped) = match decoded {
            Slot::KeyFile(slot) => (slot.salt, slot.commitment, slot.nonce, slot.wrapped),
            Slot::Passphrase(slot) => (slot.salt, slot.commitment, slot.nonce, slot.wrapped),
            Slot::Other { .. } => panic!("a slot of an unknown kind"),
        };
        assert_eq!(salt, array(slot, "slot_salt"));
        assert_eq!(commitment, array(slot, "commitment"));
        assert_eq!(nonce, array(slot, "nonce"));
        let key = open(&bytes(slot, "kek"), &nonce, &aad, &wrapped);
        assert_eq!(hex(&key), text(slot, "domain_key"));
        if let Some(line) = slot.get("key_file").and_then(Value::as_str) {
            assert!(KeyFile::parse(line.as_bytes()).is_ok());
            assert_eq!(key_file_line(&array(slot, "ikm")), line);
        }
    }
}

#[test]
fn the_block_decodes_and_opens() {
    let component = component("block");
    let id = ArchiveId(array(&component, "archive_id"));
    let head_digest = Digest(array(&component, "head_digest"));
    let block = bytes(&component, "block");
    let clear: &[u8; CLEAR_LEN] = block.first_chunk().unwrap();
    let header = BlockHeader::decode(clear).unwrap();
    header
        .check_place(BlockIndex(number(&component, "block_index")), &id)
        .unwrap();
    assert_eq!(header.stripe_salt, array(&component, "stripe_salt"));
    assert_eq!(header.nonce, array(&component, "nonce"));
    let aad = block::aad(clear, &id, &head_digest);
    assert_eq!(hex(&aad), text(&component, "aad"));
    let key = bytes(&component, "stripe_key");
    let plain = open(&key, &header.nonce, &aad, &block[CLEAR_LEN..]);
    let plain_len = usize::try_from(number(&component, "plaintext_len")).unwrap();
    assert_eq!(plain, padded(&component, "plaintext", plain_len));
    let (inner, payload) = plain.split_first_chunk().unwrap();
    let inner = InnerHeader::decode(inner, payload.len()).unwrap();
    assert_eq!(inner.first_record, Some(0));
    block::check_padding(payload, inner.used_len).unwrap();
}

#[test]
fn scripts_decode_to_their_instructions() {
    for script in tables(&component("scripts"), "script") {
        let count = usize::try_from(number(script, "instruction_count")).unwrap();
        let decoded = Script::decode(&bytes(script, "script"), count).unwrap();
        let words: Vec<&str> = text(script, "instructions").split(", ").collect();
        let instructions = words
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(instruction);
        assert_eq!(Some(decoded.0.clone()), instructions.collect());
        assert_eq!(hex(&decoded.encode().unwrap()), text(script, "script"));
    }
}

/// `LITERAL 1`, `ZERO 1`, `COPY 1 from 2`.
fn instruction(words: &str) -> Option<Instruction> {
    let mut words = words.split(' ');
    let name = words.next()?;
    let len = words.next()?.parse().ok()?;
    match name {
        "LITERAL" => Some(Instruction::Literal(len)),
        "ZERO" => Some(Instruction::Zero(len)),
        "COPY" => {
            let source = DataOffset(words.nth(1)?.parse().ok()?);
            Some(Instruction::Copy { source, len })
        }
        _ => None,
    }
}

#[test]
fn the_check_page_decodes() {
    let component = component("check_page");
    let id = ArchiveId(array(&component, "archive_id"));
    let head_digest = Digest(array(&component, "head_digest"));
    let len = usize::try_from(number(&component, "page_len")).unwrap();
    let page = padded(&component, "page", len);
    let geometry = Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 0);
    let decoded = CheckPage::decode(&page, &geometry, &id, &head_digest, StripeIndex(0)).unwrap();
    decoded
        .check_layout(&geometry.stripe(1, StripeIndex(0)))
        .unwrap();
    assert_eq!(
        decoded.shard_hashes,
        [Digest(array(&component, "block_hash"))]
    );
    let crc = u32::from_le_bytes(array(&component, "block_crc"));
    assert_eq!(decoded.sector_crcs, [crc]);
    assert_eq!(decoded.digest, Digest(array(&component, "digest")));
}

#[test]
fn the_catalogue_page_decodes_to_its_row() {
    let component = component("catalogue_page");
    let body = bytes(&component, "body");
    let page = CataloguePage::decode(&body).unwrap();
    assert_eq!(page.frame, bytes(&component, "frame"));
    let raw = bytes(&component, "row");
    assert_eq!(page.raw_len, raw.len());
    let rows = Row::decode_all(&raw, page.row_count).unwrap();
    let [row] = &rows[..] else {
        panic!("one row went in");
    };
    assert_eq!(row.path.as_bytes(), text(&component, "path").as_bytes());
    assert_eq!(u64::from(row.kind.number()), number(&component, "kind"));
    assert_eq!(u64::from(row.flags.bits()), number(&component, "flags"));
    assert_eq!(row.size, number(&component, "size"));
    let seconds = i64::try_from(number(&component, "mtime_seconds")).unwrap();
    let nanos = u32::try_from(number(&component, "mtime_nanos")).unwrap();
    assert_eq!(row.mtime, Timestamp { seconds, nanos });
    assert_eq!(u64::from(row.mode), number(&component, "mode"));
    assert_eq!(
        [row.uid, row.gid],
        ["uid", "gid"].map(|key| number(&component, key))
    );
    assert_eq!(row.link, bytes(&component, "link"));
    assert_eq!(row.content_hash, Digest(array(&component, "content_hash")));
    assert_eq!(row.header_offset.0, number(&component, "header_offset"));
    assert_eq!(row.content_offset.0, number(&component, "content_offset"));
    let mut encoded = Vec::new();
    row.encode_into(&mut encoded);
    assert_eq!(encoded, raw);
}

#[test]
fn the_tail_page_decodes_and_its_root_follows() {
    let component = component("tail");
    let len = usize::try_from(number(&component, "tail_page_len")).unwrap();
    let mut page = padded(&component, "tail_page", len - LOCATOR_LEN);
    let locator: [u8; LOCATOR_LEN] = array(&component, "locator");
    page.extend(locator);
    let decoded = TailPage::decode(&page).unwrap();
    let id = ArchiveId(array(&component, "archive_id"));
    let head_digest = Digest(array(&component, "head_digest"));
    let root = tail::root(
        &head_digest,
        &id,
        number(&component, "block_count"),
        number(&component, "stripe_count"),
        [Digest(array(&component, "check_page_digest"))],
    );
    assert_eq!(decoded.root, root);
    assert_eq!(root, Digest(array(&component, "root")));
    let geometry = Geometry::new(BlockSize::FOUR_KIB, 4096, 4096, 0);
    decoded.check(&geometry, &id, &head_digest, false).unwrap();
    let locator = Locator::decode(&locator).unwrap().expect("a whole locator");
    assert_eq!(locator.tail_offset, decoded.tail_offset);
}

/// Opens AES-256-GCM.
fn open(key: &[u8], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    use aes_gcm::aead::{Aead, KeyInit, Payload};
    let key: &[u8; 32] = key.try_into().expect("a key of 32 bytes");
    let message = Payload { msg: sealed, aad };
    aes_gcm::Aes256Gcm::new(key.into())
        .decrypt(nonce.into(), message)
        .expect("it authenticates")
}

//! Single structures with what they are made of, in hexadecimal: for whoever writes a reader and
//! wants to see one step right before the next.

use crate::builder::{Builder, Parts, envelope_key_file, key_file};
use crate::keys::{self, FLOOR, SlotParts};
use crate::records::{Chunk, Op, Step};
use crate::stream::{Row, Stream};
use crate::zstd_frame::frame;
use bakpak_format::block::{self, CLEAR_LEN};
use bakpak_format::catalogue::CataloguePage;
use bakpak_format::digest::{Digest, sector_crcs};
use bakpak_format::slots::Domain;
use bakpak_format::tail::LOCATOR_LEN;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The passphrase of the slot of kind 1.
const PASSPHRASE: &str = "correct horse battery staple";

/// The files of the folder `components`.
pub fn files() -> BTreeMap<PathBuf, Vec<u8>> {
    let builder = Builder::new("components");
    let parts = builder.build().parts;
    let texts = [
        ("keys", key_derivation(&parts)),
        ("slots", slots(&builder)),
        ("block", sealed_block(&parts)),
        ("scripts", scripts()),
        ("check_page", check_page(&parts)),
        ("catalogue_page", catalogue_page(&builder)),
        ("tail", tail(&parts)),
    ];
    texts
        .into_iter()
        .map(|(name, text)| {
            let path = Path::new("components").join(name).with_extension("toml");
            (path, text.0.into_bytes())
        })
        .collect()
}

/// A TOML text as it grows.
struct Text(String);

impl Text {
    fn new(introduction: &str) -> Self {
        let made = "Made by `cargo run -p bakpak-vectors -- write`. Bytes in hexadecimal.";
        Self(format!("# {introduction}\n# {made}\n"))
    }

    fn section(&mut self, name: &str) {
        writeln!(self.0, "\n{name}").expect("a String takes all");
    }

    fn text(&mut self, key: &str, text: &str) {
        writeln!(self.0, "{key} = \"{text}\"").expect("a String takes all");
    }

    fn number(&mut self, key: &str, number: u64) {
        writeln!(self.0, "{key} = {number}").expect("a String takes all");
    }

    fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.text(key, &hex(bytes));
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

/// Bytes without the zeros at their end.
fn cut(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    &bytes[..end.map_or(0, |at| at + 1)]
}

fn key_derivation(parts: &Parts) -> Text {
    let mut text = Text::new("Key derivation (3.1): subkeys of both domains of one archive.");
    let (data, envelope) = (&parts.data_keys, &parts.envelope_keys);
    text.bytes("archive_id", &data.archive_id);
    text.bytes("salt", &data.salt);
    let archive_labels: &[&str] = &[
        "bakpak/1 archive commitment",
        "bakpak/1 header mac",
        "bakpak/1 data slots mac",
        "bakpak/1 item check",
    ];
    let envelope_labels: &[&str] = &[
        "bakpak/1 envelope commitment",
        "bakpak/1 envelope slots mac",
        "bakpak/1 envelope body",
    ];
    for (domain, keys, labels) in [
        ("archive", data, archive_labels),
        ("envelope", envelope, envelope_labels),
    ] {
        text.section("[[domain]]");
        text.text("name", domain);
        text.bytes("key", &keys.key);
        text.bytes("prk", &keys.prk());
        for label in labels {
            text.section("[[domain.subkey]]");
            text.text("label", label);
            text.bytes("subkey", &keys.subkey(label, &[]));
        }
    }
    for (index, salt) in [(0, [0; 16]), (0x0102, [0x5a; 16])] {
        text.section("[[stripe_key]]");
        text.number("stripe_index", index);
        text.bytes("stripe_salt", &salt);
        text.bytes("subkey", &data.stripe_key(index, &salt));
    }
    text.section("[header_mac]");
    let covered = &parts.head[..2048 + 240];
    text.bytes("covered", cut(covered));
    text.number("covered_len", covered.len() as u64);
    text.bytes("mac", &data.mac("bakpak/1 header mac", covered));
    text
}

fn slots(builder: &Builder) -> Text {
    let mut text = Text::new("Key slots (3.2): both kinds, in both domains.");
    text.bytes("archive_id", &builder.archive_id);
    for (domain, secret) in [
        (Domain::Data, key_file()),
        (Domain::Envelope, envelope_key_file()),
    ] {
        let parts = builder.slot_parts(domain, 0);
        text.section("[[slot]]");
        text.text("kind", "key file");
        text.text("key_file", &keys::key_file_line(&secret));
        one_slot(
            &mut text,
            &parts,
            &secret,
            &keys::key_file_slot(&parts, &secret),
        );
    }
    for (domain, index) in [(Domain::Data, 1), (Domain::Envelope, 1)] {
        let parts = builder.slot_parts(domain, index);
        text.section("[[slot]]");
        text.text("kind", "passphrase");
        text.text("passphrase", PASSPHRASE);
        text.number("memory_kib", FLOOR.memory_kib.into());
        text.number("passes", FLOOR.passes.into());
        text.number("lanes", FLOOR.lanes.into());
        let ikm = keys::stretch(PASSPHRASE.as_bytes(), &parts.salt, FLOOR);
        let slot = keys::passphrase_slot(&parts, PASSPHRASE.as_bytes(), FLOOR);
        one_slot(&mut text, &parts, &ikm, &slot);
    }
    text
}

fn one_slot(text: &mut Text, parts: &SlotParts<'_>, ikm: &[u8; 32], slot: &[u8]) {
    let keys = keys::slot_keys(parts, ikm);
    text.bytes("domain", parts.domain);
    text.bytes("slot_salt", &parts.salt);
    text.bytes("ikm", ikm);
    text.bytes("kek", &keys.kek);
    text.bytes("commitment", &keys.commitment);
    text.bytes("nonce", &parts.nonce);
    let before_nonce = &slot[..slot.len() - 12 - 48];
    let aad = [&parts.domain[..], parts.archive_id, before_nonce].concat();
    text.bytes("aad", &aad);
    text.bytes("domain_key", &parts.key);
    text.bytes("slot", slot);
}

fn sealed_block(parts: &Parts) -> Text {
    let mut text = Text::new("A block (5) of 4,096 bytes, and what it is sealed with.");
    let (sealed, plain) = &parts.blocks[0];
    let clear: &[u8; CLEAR_LEN] = sealed.first_chunk().expect("a block has a header");
    let salt: &[u8; 16] = clear[24..40].try_into().expect("a slice of 16 bytes");
    text.bytes("archive_id", &parts.data_keys.archive_id);
    text.bytes("head_digest", &parts.head_digest);
    text.number("stripe_index", 0);
    text.number("block_index", 0);
    text.bytes("stripe_salt", salt);
    text.bytes("stripe_key", &parts.data_keys.stripe_key(0, salt));
    text.bytes("nonce", &clear[40..52]);
    let id = bakpak_format::header::ArchiveId(parts.data_keys.archive_id);
    text.bytes("aad", &block::aad(clear, &id, &Digest(parts.head_digest)));
    text.bytes("plaintext", cut(plain));
    text.number("plaintext_len", plain.len() as u64);
    text.bytes("block", sealed);
    text
}

fn scripts() -> Text {
    let mut text = Text::new("Scripts (8): instructions, and their encoding.");
    let scripts: [&[Op]; 6] = [
        &[],
        &[Op::Zero(1)],
        &[Op::Literal(1), Op::Zero(2)],
        &[Op::Literal(127), Op::Zero(128), Op::Literal(1 << 20)],
        &[Op::Copy(5000, 100), Op::Copy(4000, 200), Op::Zero(4)],
        &[
            Op::Copy(0, 1),
            Op::Literal(3),
            Op::Copy(1, 1),
            Op::Copy(1 << 40, 65_536),
        ],
    ];
    for script in scripts {
        let words = script.iter().map(|op| match op {
            Op::Literal(len) => format!("LITERAL {len}"),
            Op::Copy(source, len) => format!("COPY {len} from {source}"),
            Op::Zero(len) => format!("ZERO {len}"),
        });
        let words: Vec<String> = words.collect();
        let Step::Chunk(chunk) = Chunk::of(script) else {
            continue;
        };
        let (bytes, count) = chunk.encode_script();
        text.section("[[script]]");
        text.text("instructions", &words.join(", "));
        text.number("instruction_count", count.into());
        text.bytes("script", &bytes);
    }
    text
}

fn check_page(parts: &Parts) -> Text {
    let mut text = Text::new("A check page (6) of one block; the zeros at its end are left out.");
    let (sealed, _) = &parts.blocks[0];
    let page = &parts.check_pages[0];
    text.bytes("archive_id", &parts.data_keys.archive_id);
    text.bytes("head_digest", &parts.head_digest);
    text.bytes("block_hash", Digest::of(sealed).as_bytes());
    let crc = sector_crcs(sealed).next().unwrap_or_default();
    text.bytes("block_crc", &crc.to_le_bytes());
    text.number("page_len", page.len() as u64);
    text.bytes("page", cut(page));
    text.bytes("digest", Digest::of(page).as_bytes());
    text
}

fn catalogue_page(builder: &Builder) -> Text {
    let mut text = Text::new("A catalogue page (11) of one row.");
    let rows = Stream::new(builder).rows;
    let row = &rows[0];
    text.text("path", &String::from_utf8_lossy(&row.path));
    text.number("kind", row.kind.into());
    text.number("flags", row.flags.into());
    text.number("size", row.size);
    text.number("mtime_seconds", row.mtime.0.unsigned_abs());
    text.number("mtime_nanos", row.mtime.1.into());
    text.number("mode", row.mode.into());
    text.number("uid", row.owner[0]);
    text.number("gid", row.owner[1]);
    text.bytes("link", &row.link);
    text.bytes("content_hash", &row.content_hash);
    text.number("header_offset", row.offsets[0]);
    text.number("content_offset", row.offsets[1]);
    let raw: Vec<u8> = rows.iter().flat_map(Row::encode).collect();
    let frame = frame(&raw);
    let page = CataloguePage {
        row_count: 1,
        raw_len: raw.len(),
        frame: &frame,
    };
    text.bytes("row", &raw);
    text.bytes("frame", &frame);
    text.bytes("body", &page.encode());
    text
}

fn tail(parts: &Parts) -> Text {
    let mut text = Text::new("A tail page (12) with its locator; unused zeros are left out.");
    let (page, locator) = parts
        .tail_page
        .split_at(parts.tail_page.len() - LOCATOR_LEN);
    text.bytes("archive_id", &parts.data_keys.archive_id);
    text.bytes("head_digest", &parts.head_digest);
    text.bytes(
        "check_page_digest",
        Digest::of(&parts.check_pages[0]).as_bytes(),
    );
    text.number("block_count", 1);
    text.number("stripe_count", 1);
    text.bytes("root", &page[80..112]);
    text.number("tail_page_len", parts.tail_page.len() as u64);
    text.bytes("tail_page", cut(page));
    text.bytes("locator", locator);
    text
}

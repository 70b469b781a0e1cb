//! What mutations begin with: the test vectors, archives packed here, and every part of them.

use crate::foreign_seeds;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::input::Input;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{EnvelopeSettings, PackSettings, pack};
use bakpak_codec::random::Random;
use bakpak_codec::secret::{Credential, KeyFile};
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_codec::unpack::tar;
use bakpak_format::catalogue::{CataloguePage, TreePage};
use bakpak_format::chunk::Chunk;
use bakpak_format::entry::{
    BLOCK_LEN, Entry, EntryHeader, EntryKind, EntryPath, Extent, Timestamp, padded, pax_len,
};
use bakpak_format::envelope::{EnvelopeItem, encode_items};
use bakpak_format::geometry::{BlockSize, StripeIndex};
use bakpak_format::record::{HEADER_LEN, RecordHeader, RecordType};
use bakpak_format::slots::Domain;
use bakpak_fuzz::archives::{self, ENVELOPE_KEY, KEY};
use bakpak_fuzz::forge::{Parts, mend_block, mend_page, mend_table, mend_tail_page};
use mssql_backup::container::FIXED_LEN;
use mssql_backup::container::block::checksum;
use mssql_backup::jiff::civil::date;
use mssql_backup::testing::container::{ContainerWriter, wrap};
use mssql_backup::testing::xpress::compress;
use mssql_backup::testing::{Database, Media, Product, write_media};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// An input, and what it was taken from.
pub(crate) struct Seed {
    pub(crate) bytes: Vec<u8>,
    /// The parts of a whole archive that can be put together again.
    parts: Option<Parts>,
}

/// The seeds of every function.
#[derive(Default)]
pub(crate) struct Seeds {
    /// Path and content of each file of the test vectors.
    pub(crate) vectors: Vec<(String, Vec<u8>)>,
    /// How many there are in each folder.
    pub(crate) folders: BTreeMap<String, usize>,
    by_function: BTreeMap<&'static str, Vec<Seed>>,
    known: BTreeSet<(&'static str, Vec<u8>)>,
}

impl Seed {
    /// The input with checksums that hold, as far as that can be done.
    pub(crate) fn mended(&self, name: &str, mut input: Vec<u8>) -> Vec<u8> {
        match name {
            "head" => mend_head(&mut input),
            "slots" if input.len() > 96 => mend_table(&mut input),
            "block" if input.len() >= 64 => mend_block(&mut input),
            "check_page" if input.len() >= 4096 => {
                let covered = u32::from_le_bytes(input[40..44].try_into().unwrap()) as usize;
                let covered = covered.min(input.len());
                // The list of CRCs must end inside the first sector.
                if (4096..=4096 * 900).contains(&covered) {
                    mend_page(&mut input, covered);
                }
            }
            "tail" if input.len() >= 4096 => mend_tail_page(&mut input),
            "container" => mend_container(&mut input),
            "media" if input.starts_with(b"MSSQLBAK") => mend_container(&mut input),
            "media" => mend_descriptors(&mut input),
            "qdrant" => foreign_seeds::mend_tar(&mut input),
            "archive_keyless" | "archive_with_key" => {
                let whole = self
                    .parts
                    .as_ref()
                    .and_then(|parts| parts.with_bytes(&input));
                if let Some(parts) = whole {
                    return parts.assemble();
                }
            }
            _ => {}
        }
        input
    }
}

fn mend_head(head: &mut [u8]) {
    let field = head.get(2052..2056).and_then(|bytes| bytes.try_into().ok());
    let header_len = u32::from_le_bytes(field.unwrap_or_default()) as usize;
    let end = 2048 + header_len.saturating_sub(32);
    if header_len > 32 && head.len() >= end + 32 {
        let digest = bakpak_format::digest::Digest::of(&head[..end]);
        head[end..end + 32].copy_from_slice(digest.as_bytes());
    }
}

/// Checksums of blocks, as far as one follows the other.
fn mend_container(medium: &mut [u8]) {
    let mut at = FIXED_LEN;
    while let Some(rest) = medium.get_mut(at..) {
        let (Some(&kind), Some(&[low, high])) =
            (rest.first(), rest.get(2..).and_then(<[u8]>::first_chunk))
        else {
            return;
        };
        let len = usize::from(u16::from_le_bytes([low, high]));
        at += match kind {
            0x21 => {
                let Some(payload) = rest.get(28..28 + len) else {
                    return;
                };
                let sum = checksum(payload).to_le_bytes();
                rest[24..28].copy_from_slice(&sum);
                28 + len
            }
            0x24 => 24 + len,
            b'S' => 512,
            _ => return,
        };
    }
}

impl Seeds {
    pub(crate) fn collect() -> Self {
        let mut seeds = Self::default();
        seeds.read_vectors();
        for (_, bytes) in seeds.vectors.clone() {
            seeds.add_archive(&bytes);
        }
        for archive in packed() {
            seeds.add_archive(&archive);
        }
        seeds.add_made();
        for (name, bytes) in foreign_seeds::all() {
            seeds.add(name, &bytes);
        }
        seeds
    }

    pub(crate) fn of(&self, name: &str) -> &[Seed] {
        self.by_function.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every file of `test-vectors/` but the programs that make them, and the keys that open them.
    fn read_vectors(&mut self) {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test-vectors");
        let manifest = std::fs::read_to_string(root.join("manifest.toml")).unwrap_or_default();
        for line in manifest.lines() {
            let value = line
                .split_once("key_file = ")
                .map(|(_, value)| value.trim_matches('"'));
            if let Some(key) = value.and_then(key_of) {
                archives::offer(key);
            }
        }
        for folder in ["accept", "reject", "released", "components"] {
            let mut paths = files_below(&root.join(folder));
            paths.sort();
            self.folders.insert(folder.into(), paths.len());
            for path in paths {
                let bytes = std::fs::read(&path).unwrap();
                self.vectors.push((path.display().to_string(), bytes));
            }
        }
    }

    fn add(&mut self, name: &'static str, bytes: &[u8]) {
        if self.known.insert((name, bytes.to_vec())) {
            let parts = None;
            let bytes = bytes.to_vec();
            self.by_function
                .entry(name)
                .or_default()
                .push(Seed { bytes, parts });
        }
    }

    /// An archive as a seed, and all of its parts.
    fn add_archive(&mut self, archive: &[u8]) {
        for name in ["archive_keyless", "archive_with_key", "repair", "salvage"] {
            let seed = Seed {
                bytes: archive.to_vec(),
                parts: Parts::of(archive),
            };
            self.by_function.entry(name).or_default().push(seed);
        }
        let Some(parts) = Parts::of(archive) else {
            // At least what it begins and ends with.
            self.add("head", &archive[..archive.len().min(4096)]);
            self.add("tail", &archive[archive.len().saturating_sub(4096)..]);
            return;
        };
        self.add("head", &parts.head);
        for table in parts
            .data_slots
            .iter()
            .chain(parts.envelope_slots.iter().flatten())
        {
            self.add("slots", table);
        }
        if !parts.envelope.is_empty() {
            self.add("envelope", &parts.envelope);
        }
        for block in parts.blocks.iter().take(3) {
            self.add("block", &block[..200]);
        }
        self.add("check_page", &parts.stripe(StripeIndex(0)).1);
        self.add("tail", &archive[archive.len() - 4096..]);
        for key in archives::keys() {
            let records = parts
                .keys(Domain::Data, &key)
                .and_then(|keys| parts.records(&keys));
            if let Some(records) = records {
                self.add_records(&records);
                self.add_stream(archive, key);
            }
            if let Ok(items) = open_envelope_of(archive, key) {
                self.add("envelope", &encode_items(&items).unwrap());
            }
        }
    }

    fn add_records(&mut self, records: &[Vec<u8>]) {
        let joined = records.concat();
        if joined.len() < 64 << 10 {
            self.add("records", &joined);
        }
        for record in records {
            let (header, body) = record.split_first_chunk::<HEADER_LEN>().unwrap();
            let Ok(header) = RecordHeader::decode(header) else {
                continue;
            };
            match header.known() {
                Ok(Some(RecordType::Chunk)) => self.add_chunk(body),
                Ok(Some(RecordType::CataloguePage)) => self.add_page(body),
                Ok(Some(RecordType::TreePage)) => self.add_tree_page(body),
                _ => {
                    self.add("record", record);
                    self.add("record", body);
                }
            }
        }
    }

    fn add_chunk(&mut self, body: &[u8]) {
        self.add("chunk", &body[..body.len().min(3000)]);
        let Ok(chunk) = Chunk::decode(body, 8 << 20) else {
            return;
        };
        if let Ok(script) = chunk.script.encode() {
            let count = (chunk.script.0.len() as u16).to_le_bytes();
            self.add("script", &[&count[..], &script].concat());
        }
    }

    fn add_page(&mut self, body: &[u8]) {
        self.add("catalogue_page", body);
        if let Ok(page) = CataloguePage::decode(body)
            && let Some(raw) = decompressed(page.frame, page.raw_len)
        {
            self.add(
                "catalogue_page",
                &[&page.row_count.to_le_bytes()[..], &raw].concat(),
            );
        }
    }

    fn add_tree_page(&mut self, body: &[u8]) {
        self.add("tree_page", body);
        if let Ok(page) = TreePage::decode(body)
            && let Some(raw) = decompressed(page.frame, page.raw_len)
        {
            self.add("tree_page", &[&page.count.to_le_bytes()[..], &raw].concat());
        }
    }

    /// The stream, and the headers and maps in it.
    fn add_stream(&mut self, archive: &[u8], key: [u8; 32]) {
        let mut stream = Vec::new();
        let input = Input::stream(io::Cursor::new(archive.to_vec()));
        // What comes out before an error is a seed too.
        let _ = tar(
            input,
            &mut vec![credential(key)],
            &mut stream,
            1,
            &Unobserved,
        );
        if stream.len() < 64 << 10 {
            self.add("stream", &stream);
        }
        let mut rest = stream.as_slice();
        while let Some(Ok(len)) = rest.first_chunk::<BLOCK_LEN>().map(pax_len) {
            let header_len = 2 * BLOCK_LEN + len.next_multiple_of(BLOCK_LEN);
            let Some((bytes, behind)) = rest.split_at_checked(header_len) else {
                break;
            };
            self.add("entry", bytes);
            let Ok(header) = EntryHeader::decode(bytes) else {
                break;
            };
            self.add("path", header.entry.path.as_bytes());
            if header.sparse
                && let EntryKind::File { size, .. } = header.entry.kind
            {
                let map = &behind[..behind.len().min(4 * BLOCK_LEN)];
                let lens = [size.to_le_bytes(), header.content_len.to_le_bytes()].concat();
                self.add("sparse_map", &[&lens, map].concat());
            }
            let content = padded(header.content_len) as usize;
            rest = behind.get(content..).unwrap_or_default();
        }
    }

    /// What stands in no archive.
    fn add_made(&mut self) {
        for key in archives::keys() {
            let line = KeyFile::from_bytes(key).to_line();
            self.add("key_file", line.as_bytes());
            self.add("key_file", line.trim().to_ascii_lowercase().as_bytes());
        }
        for path in [
            "sql",
            "home/a\n\u{1b}[2J/b",
            "attachments/a.parts/000000000002",
        ] {
            self.add("path", path.as_bytes());
        }
        for plain in [
            &b""[..],
            b"a",
            &b"abc".repeat(100),
            &[0; 5000],
            b"SQL Server",
        ] {
            let len = (plain.len() as u16).to_le_bytes();
            self.add("xpress", &[&len[..], &compress(plain)].concat());
        }
        for writer in [ContainerWriter::new(), ContainerWriter::encrypted()] {
            self.add("container", &compressed_medium(writer));
        }
        for medium in small_media() {
            self.add("media", &wrap(&medium).bytes);
            self.add("media", &medium);
        }
    }
}

/// A full backup and a log of a tiny database, as versions of SQL Server write them.
fn small_media() -> Vec<Vec<u8>> {
    let at = date(2026, 3, 1).at(12, 0, 0, 0);
    let products = [Product::Sql2008R2, Product::Sql2019];
    let media = products.map(|product| {
        let mut database = Database::with_pages("Orders", 16, 12);
        database.product = product;
        let mut full = database.full(at);
        full.has_checksums = true;
        database.commit(at);
        write_media(&Media::default(), &[full, database.log(at)]).remove(0)
    });
    media.to_vec()
}

/// Puts the checksums of descriptor blocks right, so that what is behind them is read.
fn mend_descriptors(input: &mut [u8]) {
    for start in (0..input.len()).step_by(512) {
        let Some(block) = input.get_mut(start..start + 52) else {
            return;
        };
        if block[..4].iter().all(u8::is_ascii_uppercase) {
            let words = block[..50].as_chunks().0.iter();
            let sum = words.fold(0, |sum, word| sum ^ u16::from_le_bytes(*word));
            block[50..].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// A container of one set with an index record.
fn compressed_medium(mut writer: ContainerWriter) -> Vec<u8> {
    writer.content(&[1; 1024]);
    writer.filemark(512);
    writer.content(&b"pages of a database".repeat(1024));
    writer.content_behind_data(&[2; 512]);
    writer.filemark(512);
    writer.content(&[3; 1024]);
    writer.filemark(512);
    writer.finish().bytes
}

fn key_of(line: &str) -> Option<[u8; 32]> {
    let (_, data) = bech32::decode(line).ok()?;
    data.try_into().ok()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn credential(key: [u8; 32]) -> Credential {
    Credential::KeyFile(KeyFile::from_bytes(key))
}

fn open_envelope_of(archive: &[u8], key: [u8; 32]) -> Result<Vec<EnvelopeItem>, ()> {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, archive).unwrap();
    open_envelope(&file, &mut vec![credential(key)], &Unobserved).map_err(drop)
}

fn decompressed(frame: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    zstd::bulk::decompress(frame, raw_len).ok()
}

/// Archives of a few entries of every kind.
fn packed() -> Vec<Vec<u8>> {
    let mut archives = vec![pack_all(Vec::new(), None)];
    archives.push(pack_all(entries(), Some(BlockSize::FOUR_KIB)));
    // One with COPY, ZERO, and more than a chunk.
    let repeated = noise("repeated", 300_000);
    let large = vec![
        Made::file("sql/a", repeated.clone()),
        Made::file("sql/b", [b"in front".as_slice(), &repeated].concat()),
        Made::file("sql/c", vec![0; 200_000]),
    ];
    archives.push(pack_all(large, Some(BlockSize::FOUR_KIB)));
    archives
}

fn entries() -> Vec<Made> {
    let hole = EntryKind::File {
        size: 70_000,
        extents: Some(vec![Extent {
            offset: 4096,
            len: 512,
        }]),
    };
    let mut linked = Made::file("home/a", noise("linked", 500));
    linked.entry.linked = true;
    let target = linked.entry.path.clone();
    let symlink = EntryKind::Symlink {
        target: b"../nowhere".to_vec(),
    };
    vec![
        Made::file("sql/a.bak", noise("a", 4000)),
        Made::file("sql/b.bak", Vec::new()),
        Made::new("home", EntryKind::Directory, Vec::new()),
        linked,
        Made::new("home/b", EntryKind::HardLink { target }, Vec::new()),
        Made::new("home/c", symlink, Vec::new()),
        Made::new("home/d", hole, noise("hole", 70_000)),
        Made::new("home/e", EntryKind::Fifo, Vec::new()),
    ]
}

fn pack_all(made: Vec<Made>, block_size: Option<BlockSize>) -> Vec<u8> {
    let item = |kind, name: &str| EnvelopeItem {
        kind,
        name: name.into(),
        content: b"c2VjcmV0LXNlY3JldC1zZWM=".to_vec().into(),
    };
    let settings = PackSettings {
        block_size,
        threads: 1,
        random: Random::seeded(b"fuzz"),
        envelope: Some(EnvelopeSettings {
            key: credential(ENVELOPE_KEY),
            items: vec![item(1, "master key"), item(6, "note")],
        }),
        ..PackSettings::new(credential(KEY))
    };
    let sources = made
        .into_iter()
        .map(|made| Box::new(made) as Box<dyn Source>);
    let mut archive = Vec::new();
    pack(sources, settings, &mut archive, &Unobserved).unwrap();
    archive
}

fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Random::seeded(seed.as_bytes()).fill(&mut bytes).unwrap();
    bytes
}

/// A source in memory.
struct Made {
    entry: Entry,
    content: Vec<u8>,
}

impl Made {
    fn new(path: &str, kind: EntryKind, content: Vec<u8>) -> Self {
        let entry = Entry {
            path: EntryPath::new(path).unwrap(),
            kind,
            mode: 0o640,
            uid: 1000,
            gid: 3_000_000,
            user: b"admin".to_vec(),
            group: "gr\u{f6}\u{df}e".into(),
            mtime: Timestamp {
                seconds: -5,
                nanos: 123_000_000,
            },
            xattrs: vec![(b"user.note".to_vec(), b"a\0b\n".to_vec())],
            linked: false,
        };
        Self { entry, content }
    }

    fn file(path: &str, content: Vec<u8>) -> Self {
        let size = content.len() as u64;
        let kind = EntryKind::File {
            size,
            extents: None,
        };
        Self::new(path, kind, content)
    }
}

impl Source for Made {
    fn path(&self) -> &EntryPath {
        &self.entry.path
    }

    fn open(&mut self) -> io::Result<Opened> {
        Ok(Opened {
            entry: self.entry.clone(),
            size: SourceSize::Known,
            identity: None,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.content.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        Ok(None)
    }

    fn close(&mut self) {}
}

//! Properties of packing and reading: any tree comes back, however it is read, and any changed
//! byte is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "helpers of tests may panic too"
)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::input::Input;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{Matching, PackSettings};
use bakpak_codec::random::Random;
use bakpak_codec::unpack::unpack;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::catalogue::RowKind;
use bakpak_format::entry::{EntryKind, EntryPath, Extent};
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeMap;
use std::io::{self, Read};
use support::commands::{Truth, TruthSink};
use support::*;

/// Lengths around everything that has one: tar blocks, payloads, segments, chunks.
const LENS: [usize; 22] = [
    0, 1, 511, 512, 513, 1023, 1024, 3_999, 4_000, 4_001, 32_768, 65_439, 65_440, 65_441, 65_535,
    65_536, 131_072, 262_143, 262_144, 262_145, 1_048_576, 1_048_577,
];

/// What an entry is made of.
#[derive(Clone, Debug)]
enum What {
    File(Filling, usize),
    Stream(Filling, usize),
    Sparse(usize, Vec<(Index, usize)>),
    Directory,
    Symlink(Vec<u8>),
    /// To one of the linked files before it, if there is any.
    HardLink(Index),
    Fifo,
}

#[derive(Clone, Copy, Debug)]
enum Filling {
    /// The same for all, so that there is something to copy.
    Shared,
    Own,
    Text,
    Zeros,
}

/// Where an entry is, and what it is; the path is made legal when the tree is built.
type Tree = BTreeMap<(u8, Vec<Vec<u8>>), What>;

fn trees() -> impl Strategy<Value = Tree> {
    let name = prop_oneof![
        4 => "[a-d]{1,2}".prop_map(String::into_bytes),
        2 => vec(1..=255_u8, 1..40),
        1 => vec(1..=255_u8, 150..256),
        1 => Just("größe\n\u{1b}[2J".as_bytes().to_vec()),
    ];
    let filling = select(vec![
        Filling::Shared,
        Filling::Own,
        Filling::Text,
        Filling::Zeros,
    ]);
    let len = prop_oneof![4 => 0..9000_usize, 3 => select(LENS.to_vec())];
    // Longer than 8 MiB, and it becomes parts.
    let part = 8 << 20;
    let parts = select(vec![part - 1, part, part + 1, 2 * part + 1]);
    let stream_len = prop_oneof![9 => len.clone(), 1 => parts];
    let what = prop_oneof![
        6 => (filling.clone(), len.clone()).prop_map(|(filling, len)| What::File(filling, len)),
        1 => (filling, stream_len).prop_map(|(filling, len)| What::Stream(filling, len)),
        2 => (len, vec((any::<Index>(), 0..20_000_usize), 0..4))
            .prop_map(|(len, data)| What::Sparse(len, data)),
        2 => Just(What::Directory),
        1 => vec(1..=255_u8, 1..300).prop_map(What::Symlink),
        1 => any::<Index>().prop_map(What::HardLink),
        1 => Just(What::Fifo),
    ];
    btree_map((0..3_u8, vec(name, 0..4)), what, 0..14)
}

fn filled(filling: Filling, seed: &str, len: usize) -> Vec<u8> {
    match filling {
        Filling::Shared => noise("shared", len),
        Filling::Own => noise(seed, len),
        Filling::Text => log(seed.len(), len),
        Filling::Zeros => vec![0; len],
    }
}

fn legal(root: u8, names: &[Vec<u8>]) -> Option<EntryPath> {
    let root: &[u8] = [b"sql".as_slice(), b"home", b"attachments"][usize::from(root)];
    let names = names.iter().map(|name| {
        let escaped = name.iter().map(|&b| if b == b'/' { b'_' } else { b });
        escaped.collect::<Vec<u8>>()
    });
    let mut path = root.to_vec();
    for name in names {
        path.push(b'/');
        path.extend_from_slice(&name);
    }
    EntryPath::new(path)
}

/// The sources of a tree, in order, none below what is no directory.
fn sources(tree: &Tree) -> Vec<MemorySource> {
    let mut by_path: BTreeMap<EntryPath, (MemorySource, Option<Index>)> = BTreeMap::new();
    for (number, ((root, names), what)) in tree.iter().enumerate() {
        if let Some(path) = legal(*root, names) {
            let mut source = source_of(what, &number.to_string());
            source.entry.path = path.clone();
            let link = match what {
                What::HardLink(index) => Some(*index),
                _ => None,
            };
            by_path.insert(path, (source, link));
        }
    }
    let mut ordered: Vec<MemorySource> = Vec::new();
    for (mut source, link) in by_path.into_values() {
        let path = source.entry.path.as_bytes().to_vec();
        let is_below = |above: &MemorySource| {
            let parent = [above.entry.path.as_bytes(), b"/"].concat();
            path.starts_with(&parent) && above.entry.kind != EntryKind::Directory
        };
        let root_of_another_kind =
            !path.contains(&b'/') && source.entry.kind != EntryKind::Directory;
        if root_of_another_kind || ordered.iter().any(is_below) {
            continue;
        }
        if let Some(index) = link {
            let is_target = |s: &&mut MemorySource| {
                matches!(s.entry.kind, EntryKind::File { .. }) && s.behaviour == Behaviour::Sound
            };
            let mut targets: Vec<_> = ordered.iter_mut().filter(is_target).collect();
            if !targets.is_empty() {
                let chosen = index.index(targets.len());
                targets[chosen].entry.linked = true;
                let target = targets[chosen].entry.path.clone();
                source.entry.kind = EntryKind::HardLink { target };
            }
        }
        ordered.push(source);
    }
    ordered
}

fn source_of(what: &What, seed: &str) -> MemorySource {
    match what {
        What::File(filling, len) => file("sql", filled(*filling, seed, *len)),
        What::Stream(filling, len) => {
            with_behaviour("sql", filled(*filling, seed, *len), Behaviour::Stream)
        }
        What::Sparse(len, data) => sparse_file(seed, *len, data),
        What::Directory => bare("sql", EntryKind::Directory),
        What::Symlink(target) => {
            let target = target.clone();
            bare("sql", EntryKind::Symlink { target })
        }
        // A link gets its target when all are in order.
        What::HardLink(_) | What::Fifo => bare("sql", EntryKind::Fifo),
    }
}

/// A file of zeros with some stretches of data, as a file system would tell them.
fn sparse_file(seed: &str, len: usize, data: &[(Index, usize)]) -> MemorySource {
    let mut content = vec![0; len];
    let mut extents = Vec::new();
    for (index, data_len) in data {
        if len == 0 {
            continue;
        }
        let offset = index.index(len);
        let data_len = (*data_len).min(len - offset);
        content[offset..offset + data_len].copy_from_slice(&noise(seed, data_len));
        extents.push(Extent {
            offset: offset as u64,
            len: data_len as u64,
        });
    }
    extents.sort_unstable_by_key(|extent| extent.offset);
    sparse("sql", content, extents)
}

/// From nothing to everything, around the sizes of chunks and of what a reader keeps in memory.
fn matchings() -> impl Strategy<Value = Option<Matching>> {
    let history = select(vec![0, 1, 300_000, 1 << 20, 48 << 20]);
    let table = select(vec![0, 1, 100_000, 40 << 20]);
    let reach = prop_oneof![
        1 => Just(0),
        3 => 1..3_000_000_u64,
        2 => select(vec![255, 256, 262_143, 262_144, 262_145, 1 << 20, 32 << 20]),
        2 => select(vec![(32 << 20) + 1, 1 << 30, u64::MAX - 1]),
        2 => Just(u64::MAX),
    ];
    let matching =
        (history, table, reach).prop_map(|(history_len, table_memory, copy_reach)| Matching {
            history_len,
            table_memory,
            copy_reach,
        });
    proptest::option::weighted(0.9, matching)
}

fn settings_of(block_size: Option<u8>, matching: Option<Matching>, seed: u64) -> PackSettings {
    PackSettings {
        block_size: block_size.and_then(BlockSize::from_log2),
        matching,
        parity: ParityGeometry::new((seed % 5) as u8).unwrap(),
        random: Random::seeded(&seed.to_le_bytes()),
        ..settings()
    }
}

/// Gives as many bytes at a time as it was told to, over and over.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
    steps: Vec<usize>,
    step: usize,
}

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = self.steps[self.step % self.steps.len()];
        self.step += 1;
        if step == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = step.min(buffer.len()).min(self.bytes.len() - self.at);
        buffer[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back_from_files_and_from_pipes(
        tree in trees(),
        block_size in select(vec![None, Some(12), Some(16), Some(20)]),
        matching in matchings(),
        seed in any::<u64>(),
    ) {
        let settings = settings_of(block_size, matching, seed);
        let (packed, report) = try_pack(sources(&tree), settings).unwrap();
        let expected = sources(&tree);
        prop_assert_eq!(report.entries, expected.len() as u64);
        let reach = matching.map_or(0, |matching| matching.copy_reach);
        prop_assert!(reach > 0 || report.copied_bytes == 0);
        for input in [as_file(&packed), as_stream(&packed)] {
            let (sink, _) = unpacked(input).unwrap();
            prop_assert_eq!(sink.entries.len(), expected.len());
            for source in &expected {
                let (entry, content) = &sink.entries[&source.entry.path];
                prop_assert!(*content == source.content, "{} differs", source.entry.path);
                let entry = entry.as_ref().unwrap();
                prop_assert_eq!(&entry.path, &source.entry.path);
                // Parts carry no attributes (spec: 10.4).
                if content.len() <= 8 << 20 {
                    prop_assert_eq!(&entry.xattrs, &source.entry.xattrs);
                }
                prop_assert_eq!(entry.mtime, source.entry.mtime);
                prop_assert_eq!(entry.linked, source.entry.linked);
            }
        }
        for input in [as_file(&packed), as_stream(&packed)] {
            let level = VerifyLevel::Full;
            let found = verify(input, &mut vec![key()], level, 2, &Unobserved).unwrap();
            prop_assert_eq!(found.findings, vec![]);
        }
        let mut archive = Archive::open(&file_of(&packed), &mut vec![key()]).unwrap();
        let rows: Vec<_> = archive.rows().collect::<Result<_, _>>().unwrap();
        for (row, source) in rows.iter().zip(&expected) {
            prop_assert_eq!(&row.path, &source.entry.path);
            let mut content = Vec::new();
            archive.read_entry(row, &mut content).unwrap();
            if row.kind == RowKind::File {
                prop_assert!(content == source.content, "{} differs by seeking", row.path);
            }
        }
    }

    #[test]
    fn results_do_not_depend_on_how_reads_are_split(
        tree in trees(),
        steps in vec(prop_oneof![1 => Just(0_usize), 4 => 1..70_usize, 2 => 1..9000_usize], 1..20),
        flip in any::<Option<(Index, u8)>>(),
    ) {
        prop_assume!(steps.iter().any(|&step| step > 0));
        let (mut packed, _) = try_pack(sources(&tree), settings()).unwrap();
        prop_assume!(packed.len() < 300_000);
        if let Some((index, bit)) = flip {
            let at = index.index(packed.len());
            packed[at] ^= 1 << (bit % 8);
        }
        let dribble = || {
            let (bytes, steps) = (packed.clone(), steps.clone());
            Input::stream(Dribble { bytes, at: 0, steps, step: 0 })
        };
        let whole = verify_keyless(as_stream(&packed), 2, &Unobserved).unwrap();
        let split = verify_keyless(dribble(), 2, &Unobserved).unwrap();
        prop_assert_eq!(split.findings, whole.findings);
        prop_assert_eq!((split.root, split.blocks), (whole.root, whole.blocks));
        let run = |input| {
            let mut sink = MemorySink::default();
            let result = unpack(input, &mut vec![key()], &mut sink, 2, &Unobserved);
            (format!("{result:?}"), sink)
        };
        let (whole, split) = (run(as_stream(&packed)), run(dribble()));
        prop_assert_eq!(split.0, whole.0);
        prop_assert!(split.1 == whole.1);
    }

    #[test]
    fn any_changed_byte_of_any_archive_is_noticed_and_never_believed(
        tree in trees(),
        changes in vec((any::<Index>(), 1..=255_u8), 1..4),
        seed in any::<u64>(),
    ) {
        let (packed, _) = try_pack(sources(&tree), settings_of(None, Some(Matching::default()), seed)).unwrap();
        let (whole, _) = unpacked(as_file(&packed)).unwrap();
        let entries = whole.entries.into_values().map(|(entry, content)| (entry.unwrap(), content));
        let truth = Truth::new(&packed, entries);
        let mut changed = packed.clone();
        for (index, by) in changes {
            let at = index.index(packed.len());
            changed[at] ^= by;
        }
        prop_assume!(changed != packed);
        for input in [as_file(&changed), as_stream(&changed)] {
            let report = verify_keyless(input, 2, &Unobserved).unwrap();
            prop_assert_ne!(report.findings, vec![]);
        }
        // And with a key nothing comes out but the truth.
        for input in [as_file(&changed), as_stream(&changed)] {
            let mut sink = TruthSink::new(&truth);
            let unpacked = unpack(input, &mut vec![key()], &mut sink, 2, &Unobserved);
            prop_assert_eq!(sink.lie, None);
            prop_assert!(unpacked.is_err() || sink.ended == truth.entries.len());
        }
    }

    #[test]
    fn what_is_no_archive_is_refused_calmly(
        bytes in vec(any::<u8>(), 0..9000),
        with_magic in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if with_magic {
            bytes.splice(..0, *b"bakpak archive 1-draft\n");
        }
        for input in [as_file(&bytes), as_stream(&bytes)] {
            let report = verify_keyless(input, 1, &Unobserved).unwrap();
            prop_assert_eq!(report.findings.len(), 1);
        }
        prop_assert!(unpacked(as_stream(&bytes)).is_err());
        prop_assert!(Archive::open(&file_of(&bytes), &mut vec![key()]).is_err());
    }
}

//! Scripts whose COPYs go back and forth: what honest data make of them, and what hostile ones ask.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::error::ReadError;
use bakpak_codec::observer::Observer;
use bakpak_codec::verify::{VerifyLevel, verify};
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::chunk::{Chunk, ChunkHead, Compression};
use bakpak_format::geometry::DataOffset;
use bakpak_format::record::{HEADER_LEN, RecordHeader, RecordType};
use bakpak_format::slots::Domain;
use std::cell::Cell;
use support::forge::Parts;
use support::*;

const CHUNK_SIZE: usize = 1 << 20;

/// It unpacks like any archive, and random access gives the same.
fn reads_like_a_pass(packed: &[u8], at: &str, content: &[u8]) {
    let (sink, _) = unpacked(as_file(packed)).unwrap();
    assert!(sink.get(at) == content);
    let mut archive = Archive::open(&file_of(packed), &mut vec![key()]).unwrap();
    let row = archive.find(&path(at)).unwrap().unwrap();
    let mut found = Vec::new();
    archive.read_entry(&row, &mut found).unwrap();
    assert!(found == content);
}

#[test]
fn a_chunk_of_copies_alone_hides_no_other() {
    // It begins in the data space where the next chunk does.
    let a = noise("a", 2 << 20);
    let mut b = a.repeat(70);
    b.extend_from_slice(&noise("end", 1 << 20));
    let sources = vec![file("home/a", a), file("home/b", b.clone())];
    let (packed, report) = try_pack(sources, settings()).unwrap();
    assert!(report.copied_bytes > 130 << 20);
    reads_like_a_pass(&packed, "home/b", &b);
}

#[test]
fn records_in_another_order_are_read_again() {
    // More than what is kept of recent chunks, and copied back and forth.
    const RECORD: usize = 1 << 10;
    let a = noise("a", 44 << 20);
    let count = a.len() / RECORD;
    let shuffled = (0..count).map(|i| i * 7919 % count); // a prime that does not divide `count`
    let b: Vec<u8> = shuffled
        .flat_map(|i| &a[i * RECORD..(i + 1) * RECORD])
        .copied()
        .collect();
    let sources = vec![file("home/a", a), file("home/b", b.clone())];
    let (packed, report) = try_pack(sources, settings()).unwrap();
    assert!(report.copied_bytes > 40 << 20, "{}", report.copied_bytes);
    reads_like_a_pass(&packed, "home/b", &b);
}

/// Asked so many times; says "stop" from the one given on.
struct Patience {
    asked: Cell<usize>,
    most: usize,
}

impl Patience {
    fn of(most: usize) -> Self {
        Self {
            asked: Cell::new(0),
            most,
        }
    }
}

impl Observer for Patience {
    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.most
    }
}

/// Chunks that all differ, and one more of `count` COPYs of a byte each, which goes round them. They
/// are more than what is kept in memory.
fn round_and_round(count: usize) -> Vec<u8> {
    const SOURCES: usize = 38;
    let mut sources = vec![0; (SOURCES + 2) * CHUNK_SIZE];
    for (number, chunk) in sources.chunks_mut(CHUNK_SIZE).enumerate() {
        chunk.fill(1 + number as u8);
    }
    let end = noise("end", count);
    let mut settings = settings();
    settings.matching = None;
    let files = vec![file("home/a", sources), file("home/b", end.clone())];
    let packed = try_pack(files, settings).unwrap().0;

    let mut parts = Parts::of(&packed).unwrap();
    let keys = parts.keys(Domain::Data, &[7; 32]).unwrap();
    let mut records = parts.records(&keys).unwrap();
    parts.change_head(2048 + 64, &u64::MAX.to_le_bytes()); // copy_reach: any
    parts.authenticate_head(&keys);
    let chunk_type = RecordType::Chunk.number() as u8;
    let last = records.iter().rposition(|record| record[0] == chunk_type);
    let record = &mut records[last.unwrap()];
    let chunk = Chunk::decode(&record[HEADER_LEN..], CHUNK_SIZE).unwrap();
    let raw = match chunk.head.compression {
        Compression::Stored => chunk.payload.to_vec(),
        Compression::Zstd => zstd::bulk::decompress(chunk.payload, CHUNK_SIZE).unwrap(),
    };
    let at = raw
        .windows(64)
        .position(|window| window == &end[..64])
        .unwrap();
    let copies = (0..count).map(|number| Instruction::Copy {
        source: DataOffset(((number % SOURCES * CHUNK_SIZE) + 5000 + number % 1000) as u64),
        len: 1,
    });
    let mut script = vec![Instruction::Literal(at as u64)];
    script.extend(copies);
    script.push(Instruction::Literal((raw.len() - at - count) as u64));
    let raw = [&raw[..at], &raw[at + count..]].concat();
    let head = ChunkHead {
        raw_len: raw.len(),
        compression: Compression::Stored,
        ..chunk.head
    };
    let mut body = Vec::new();
    Chunk::encode_into(&mut body, &head, &Script(script), &raw).unwrap();
    let header = RecordHeader::new(RecordType::Chunk, body.len());
    *record = [&header.encode()[..], &body].concat();
    parts.seal_records(&keys, &records);
    parts.assemble()
}

#[test]
fn copies_that_go_round_ask_for_each_source_but_once() {
    let packed = round_and_round(60_000);
    let level = VerifyLevel::Full;
    // It is asked for each block and for each chunk that is fetched again.
    let patience = Patience::of(usize::MAX);
    let report = verify(as_file(&packed), &mut vec![key()], level, 2, &patience).unwrap();
    assert_eq!(report.findings.len(), 1, "the row's hash is another one");
    let blocks = report.blocks as usize;
    let asked = patience.asked.get();
    assert!(
        (blocks..blocks + 100).contains(&asked),
        "{asked} of {blocks}"
    );
    // And between them it can be stopped.
    let patience = Patience::of(asked - 1);
    let result = verify(as_file(&packed), &mut vec![key()], level, 2, &patience);
    assert!(matches!(result, Err(ReadError::Interrupted)));
}

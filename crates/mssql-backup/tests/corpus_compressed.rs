//! Real compressed backups: every byte of them is understood, and what others decoded agrees.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic too"
)]

#[path = "../../../cli/tests/support/needs.rs"]
#[allow(dead_code, reason = "the program's tests use the rest of it")]
mod needs;

use mssql_backup::container::FIXED_LEN;
use mssql_backup::container::block::BlockHeader;
use mssql_backup::container::decoder::ContainerDecoder;
use mssql_backup::container::piece::{ContainerSummary, Piece};
use mssql_backup::container::seek::SeekableContainer;
use mssql_backup::xpress::decompress;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

const FILES: [&str; 2] = ["joeycheung_tsqlv4.bak", "devsatya_tutorialdb.bak"];

/// The folder with the real backups, which are nobody's to publish.
fn corpus() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/bak");
    if !folder.is_dir() {
        needs::refused("the real backups are not beside the repository");
        return None;
    }
    Some(folder)
}

/// What is known of a file.
fn facts(folder: &Path, name: &str) -> Value {
    let lines = fs::read_to_string(folder.join("DECODED.jsonl")).unwrap();
    let values = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = values.into_iter().find(|value| {
        let file = value["file"].as_str().unwrap();
        file.ends_with(name)
    });
    found.unwrap()
}

fn decode(bytes: &[u8], piece_len: usize) -> (Vec<u8>, ContainerSummary) {
    let mut stream = Vec::new();
    let mut sink = |piece: Piece<'_>| match piece {
        Piece::Bytes { bytes, .. } => stream.extend_from_slice(bytes),
        other => panic!("{other:?}"),
    };
    let mut decoder = ContainerDecoder::new();
    for piece in bytes.chunks(piece_len) {
        decoder.feed(piece, &mut sink);
    }
    let summary = decoder.finish(&mut sink);
    (stream, summary)
}

#[test]
fn every_block_decodes_and_the_counts_agree() {
    let Some(folder) = corpus() else { return };
    for name in FILES {
        let facts = facts(&folder, name);
        let bytes = fs::read(folder.join(name)).unwrap();
        let (stream, summary) = decode(&bytes, 100_000);
        let (again, _) = decode(&bytes, 777);
        assert!(stream == again, "{name}");
        assert!(stream.starts_with(b"TAPE"), "{name}");
        assert_eq!(
            Some(stream.len() as u64),
            facts["logical_size"].as_u64(),
            "{name}"
        );
        let known = &facts["container"];
        assert_eq!(
            Some(summary.block_count),
            known["blocks"].as_u64(),
            "{name}"
        );
        let indexes = known["indexes"].as_array().unwrap().len();
        assert_eq!(summary.index_count, indexes as u64, "{name}");
        assert_eq!(summary.filemark_count, 3, "{name}");
        assert!(summary.header.unwrap().is_compressed(), "{name}");
        assert!(!summary.header.unwrap().is_encrypted(), "{name}");
    }
}

#[test]
fn the_test_vector_of_the_reference_decompresses() {
    let Some(folder) = corpus() else { return };
    let bytes = fs::read(folder.join(FILES[1])).unwrap();
    let payload = &bytes[FIXED_LEN + BlockHeader::LEN..][..354];
    let mut plain = [0; 1024];
    assert_eq!(decompress(payload, &mut plain), Ok(()));
    let expected = [0x54, 0x41, 0x50, 0x45, 0, 0, 3, 0, 0x8C, 0, 0x0E, 1];
    assert_eq!(plain[..12], expected);
}

#[test]
fn reading_and_skipping_give_the_stream() {
    let Some(folder) = corpus() else { return };
    for name in FILES {
        let bytes = fs::read(folder.join(name)).unwrap();
        let (stream, _) = decode(&bytes, 1 << 20);
        let file = File::open(folder.join(name)).unwrap();
        let mut reader = SeekableContainer::open(file).unwrap();
        let mut found = Vec::new();
        reader.read_to_end(&mut found).unwrap();
        assert!(found == stream, "{name}");

        let mut at = 0;
        let file = File::open(folder.join(name)).unwrap();
        let mut reader = SeekableContainer::open(file).unwrap();
        for step in (1..).map(|number| number * 7001) {
            let mut found = [0; 100];
            let Some(expected) = stream.get(at..at + 100) else {
                break;
            };
            reader.read_exact(&mut found).unwrap();
            assert_eq!(found, expected, "{name} at {at}");
            reader.skip(step as u64).unwrap();
            at += 100 + step;
        }
    }
}

#[test]
fn the_end_of_the_configuration_is_reached_with_two_blocks() {
    let Some(folder) = corpus() else { return };
    for name in FILES {
        let bytes = fs::read(folder.join(name)).unwrap();
        let (stream, _) = decode(&bytes, 1 << 20);
        let at = stream.windows(4).rposition(|tag| tag == b"MSLS").unwrap();
        let file = File::open(folder.join(name)).unwrap();
        let mut reader = SeekableContainer::open(file).unwrap();
        let mut tag = [0; 4];
        reader.read_exact(&mut tag).unwrap();
        assert_eq!(&tag, b"TAPE");
        reader.skip(at as u64 - 4).unwrap();
        reader.read_exact(&mut tag).unwrap();
        assert_eq!(&tag, b"MSLS");
        assert_eq!(reader.decoded_count(), 2, "{name}");
    }
}

/// Each kind of structure has changed bytes, and each is named where it lies.
#[test]
fn changed_bytes_are_named() {
    let Some(folder) = corpus() else { return };
    let whole = fs::read(folder.join(FILES[1])).unwrap();
    let mut fault_count = 0;
    for at in (FIXED_LEN..whole.len()).step_by(4001) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let mut faults = Vec::new();
        let mut sink = |piece: Piece<'_>| {
            if let Piece::Fault(fault) = piece {
                faults.push(fault);
            }
        };
        let mut decoder = ContainerDecoder::new();
        decoder.feed(&bytes, &mut sink);
        decoder.finish(&mut sink);
        if let Some(fault) = faults.first() {
            let start = fault.file_offset as usize;
            assert!(start <= at && at < start + 0x2_0000, "{at}: {fault:?}");
            fault_count += 1;
        }
    }
    // What is left lies in uninitialised memory.
    assert!(fault_count > 105, "{fault_count}");
}

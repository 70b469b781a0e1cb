use super::*;
use crate::testing::container::{Container, ContainerWriter, StructureKind};
use proptest::prelude::*;
use std::io::Cursor;

fn text(seed: usize, len: usize) -> Vec<u8> {
    let line = |number: usize| format!("row {} of {seed}; ", number * 7919 % 1000);
    (0..)
        .flat_map(|number| line(number).into_bytes())
        .take(len)
        .collect()
}

/// A medium of as many sets, each with bulk data twice.
fn medium(set_count: usize) -> Container {
    let mut writer = ContainerWriter::new();
    writer.content(&text(0, 1024));
    writer.filemark(512);
    for set in 1..=set_count {
        writer.content(&text(set, 6144));
        writer.content(&text(set + 10, 500_224));
        writer.content_behind_data(&text(set + 20, 2048));
        writer.content(&text(set + 30, 200_192));
        writer.content_behind_data(&text(set + 40, 7168));
        writer.filemark(512);
        writer.content(&text(set + 50, 3072));
        writer.filemark(512);
    }
    writer.finish()
}

fn open(bytes: &[u8]) -> SeekableContainer<Cursor<&[u8]>> {
    SeekableContainer::open(Cursor::new(bytes)).expect("it is a container")
}

#[test]
fn reading_gives_the_whole_stream() {
    let container = medium(2);
    let mut stream = Vec::new();
    let mut reader = open(&container.bytes);
    reader.read_to_end(&mut stream).expect("it is whole");
    assert!(stream == container.stream);
    assert_eq!(reader.stream_offset(), stream.len() as u64);
}

#[test]
fn what_stands_behind_bulk_data_is_reached_by_the_index() {
    let container = medium(3);
    let set_len = 6144 + 500_224 + 2048 + 200_192 + 7168 + 512 + 3072 + 512;
    let mut reader = open(&container.bytes);
    for set in 0..3 {
        let behind = 1536 + set * set_len + 6144 + 500_224 + 2048 + 200_192;
        let skipped = reader
            .skip(behind - reader.stream_offset())
            .expect("it is whole");
        assert!(skipped > 0);
        let mut found = [0; 7168];
        reader.read_exact(&mut found).expect("it is whole");
        assert_eq!(found[..], container.stream[behind as usize..][..7168]);
    }
    // A block for each set, none of the data between.
    assert_eq!(reader.decoded_count(), 3);
}

#[test]
fn without_an_index_skipping_goes_from_header_to_header() {
    let container = medium(1);
    let mut bytes = container.bytes.clone();
    for structure in &container.structures {
        if structure.kind == StructureKind::Index {
            bytes[structure.range.end - 1] ^= 1;
        }
    }
    let behind = 1536 + 6144 + 500_224 + 2048 + 200_192;
    let mut reader = open(&bytes);
    assert_eq!(reader.skip(behind).expect("it is whole"), behind);
    let mut found = [0; 7168];
    reader.read_exact(&mut found).expect("it is whole");
    assert_eq!(found[..], container.stream[behind as usize..][..7168]);
    assert_eq!(reader.decoded_count(), 1);
}

#[test]
fn a_medium_without_its_end_is_read_up_to_there() {
    let container = medium(1);
    let last = container
        .structures
        .last()
        .expect("it has some")
        .range
        .start;
    let mut reader = open(&container.bytes[..last - 300]);
    let mut stream = Vec::new();
    let _ = reader.read_to_end(&mut stream);
    assert!(container.stream.starts_with(&stream));
    assert!(stream.len() > 700_000);
}

#[test]
fn skipping_beyond_the_end_stops_there() {
    let container = medium(1);
    let mut reader = open(&container.bytes);
    let len = container.stream.len() as u64;
    assert_eq!(reader.skip(u64::MAX).expect("it is whole"), len);
    assert_eq!(reader.skip(1).expect("it is whole"), 0);
}

#[test]
fn a_damaged_block_is_an_error_to_read_but_can_be_skipped() {
    let container = medium(1);
    let block = container
        .structures
        .iter()
        .find(|s| s.kind == StructureKind::Block(3));
    let start = block.expect("it has more").range.start;
    let mut bytes = container.bytes.clone();
    bytes[start + 100] ^= 1;
    let mut reader = open(&bytes);
    let error = reader
        .read_to_end(&mut Vec::new())
        .expect_err("a block is damaged");
    let error = error.downcast::<SeekError>().expect("it is ours");
    let SeekError::Fault(fault) = error else {
        panic!("{error}");
    };
    assert_eq!(fault.file_offset, start as u64);
    assert!(matches!(fault.kind, FaultKind::Checksum { .. }));

    let behind = reader.stream_offset() + 65_536;
    assert_eq!(reader.skip(65_536).expect("its header is whole"), 65_536);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("the rest is whole");
    assert!(rest == container.stream[behind as usize..]);
}

#[test]
fn an_encrypted_medium_can_be_skipped_but_not_read() {
    let mut writer = ContainerWriter::encrypted();
    writer.content(&text(1, 1024));
    writer.filemark(512);
    let container = writer.finish();
    let mut reader = open(&container.bytes);
    let error = reader.read(&mut [0; 1]).expect_err("it is encrypted");
    let error = error.downcast::<SeekError>().expect("it is ours");
    assert!(matches!(error, SeekError::Encrypted { block: 0 }));
    assert_eq!(reader.skip(1024).expect("its header is whole"), 1024);
    let mut filemark = [0; 4];
    reader.read_exact(&mut filemark).expect("it stands raw");
    assert_eq!(&filemark, b"SFMB");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_reads_and_skips_agree_with_the_stream(
        steps in prop::collection::vec((any::<bool>(), 0..150_000u64), 1..20),
    ) {
        let container = medium(2);
        let mut reader = open(&container.bytes);
        let mut at = 0;
        for (is_skip, len) in steps {
            let rest = &container.stream[at..];
            let expected = rest.len().min(len as usize);
            if is_skip {
                prop_assert_eq!(reader.skip(len).expect("it is whole"), expected as u64);
            } else {
                let mut found = Vec::new();
                (&mut reader).take(len).read_to_end(&mut found).expect("it is whole");
                prop_assert!(found == rest[..expected]);
            }
            at += expected;
            prop_assert_eq!(reader.stream_offset(), at as u64);
        }
    }

    #[test]
    fn a_changed_medium_ends_in_order(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        steps in prop::collection::vec((any::<bool>(), 0..900_000u64), 1..10),
    ) {
        let mut bytes = medium(1).bytes;
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let Ok(mut reader) = SeekableContainer::open(Cursor::new(&bytes)) else {
            return Ok(());
        };
        for (is_skip, len) in steps {
            if is_skip {
                let _ = reader.skip(len);
            } else {
                let _ = (&mut reader).take(len).read_to_end(&mut Vec::new());
            }
        }
    }
}

use super::*;
use crate::container::NOT_COVERED;
use crate::container::block::{BlockHeader, VECTOR, checksum};
use crate::container::fault::Algorithm;
use crate::testing::container::{Container, ContainerWriter, StructureKind};
use crate::testing::xpress::compress;
use proptest::prelude::*;

/// What a decoder handed out, put together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decoded {
    /// With zeros for holes.
    stream: Vec<u8>,
    holes: Vec<(u64, u64, HoleReason)>,
    faults: Vec<ContainerFault>,
}

fn decode(bytes: &[u8], piece_len: usize) -> (Decoded, ContainerSummary) {
    let mut decoded = Decoded::default();
    let mut sink = |piece: Piece<'_>| match piece {
        Piece::Bytes {
            stream_offset,
            bytes,
            ..
        } => {
            assert_eq!(stream_offset, decoded.stream.len() as u64);
            decoded.stream.extend(bytes);
        }
        Piece::Hole {
            stream_offset,
            len,
            reason,
            ..
        } => {
            assert_eq!(stream_offset, decoded.stream.len() as u64);
            decoded.holes.push((stream_offset, len, reason));
            decoded.stream.resize((stream_offset + len) as usize, 0);
        }
        Piece::Fault(fault) => decoded.faults.push(fault),
    };
    let mut decoder = ContainerDecoder::new();
    for piece in bytes.chunks(piece_len) {
        decoder.feed(piece, &mut sink);
    }
    let summary = decoder.finish(&mut sink);
    assert_eq!(summary.fault_count, decoded.faults.len() as u64);
    assert_eq!(summary.stream_len, decoded.stream.len() as u64);
    (decoded, summary)
}

fn faults(bytes: &[u8]) -> Vec<ContainerFault> {
    decode(bytes, 100_000).0.faults
}

fn kinds(bytes: &[u8]) -> Vec<FaultKind> {
    faults(bytes).iter().map(|fault| fault.kind).collect()
}

/// A stream header and zeros, as content behind bulk data begins.
fn behind_data(len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    content[..4].copy_from_slice(b"SPAD");
    let sum = u16::from_le_bytes(*b"SP") ^ u16::from_le_bytes(*b"AD");
    content[20..22].copy_from_slice(&sum.to_le_bytes());
    content
}

fn text(seed: u8, len: usize) -> Vec<u8> {
    let line = |number: usize| format!("row {} of {seed}; ", number * 7919 % 1000);
    (0..)
        .flat_map(|number| line(number).into_bytes())
        .take(len)
        .collect()
}

/// A medium of one set.
fn small(filemark_len: usize) -> Container {
    let mut writer = ContainerWriter::new();
    writer.content(&text(1, 1024));
    writer.filemark(filemark_len);
    writer.content(&text(2, 1536));
    writer.content(&text(3, 512));
    writer.content_behind_data(&behind_data(1024));
    writer.content_behind_data(&behind_data(512));
    writer.filemark(filemark_len);
    writer.content(&text(4, 1024));
    writer.filemark(filemark_len);
    writer.finish()
}

fn is_covered(container: &Container, at: usize) -> bool {
    let in_vector = container.structures.iter().any(|structure| {
        let start = structure.range.start;
        let vector = start + VECTOR.start..start + VECTOR.end;
        matches!(structure.kind, StructureKind::Block(_)) && vector.contains(&at)
    });
    !in_vector && !NOT_COVERED.contains(&at)
}

#[test]
fn a_whole_medium_gives_its_stream_and_no_fault() {
    for filemark_len in [512, 4096] {
        let container = small(filemark_len);
        let (decoded, summary) = decode(&container.bytes, 10_000);
        assert_eq!(decoded.faults, []);
        assert_eq!(decoded.holes, []);
        assert!(decoded.stream == container.stream);
        assert_eq!(summary.block_count, 6);
        assert_eq!(summary.filemark_count, 3);
        assert_eq!(summary.index_count, 1);
        assert_eq!(summary.file_len, container.bytes.len() as u64);
    }
}

#[test]
fn full_blocks_and_several_sets_decode() {
    let mut writer = ContainerWriter::new();
    writer.content(&text(1, 4096));
    writer.filemark(4096);
    for set in 0..3 {
        writer.content(&text(set, 200_192));
        writer.content_behind_data(&behind_data(70_144));
        writer.filemark(4096);
        writer.content(&text(set, 12_288));
        writer.filemark(4096);
    }
    let container = writer.finish();
    let (decoded, summary) = decode(&container.bytes, 1 << 20);
    assert_eq!(decoded.faults, []);
    assert!(decoded.stream == container.stream);
    assert_eq!(summary.filemark_count, 7);
    assert_eq!(summary.index_count, 3);
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let whole = small(512).bytes;
    let mut damaged = whole.clone();
    damaged[0x1E0 + 100] ^= 1;
    damaged[1600] ^= 1;
    for bytes in [whole, damaged] {
        let expected = decode(&bytes, bytes.len());
        for piece_len in (1..70).chain([511, 512, 513, 1000, 4096]) {
            assert!(decode(&bytes, piece_len) == expected, "{piece_len}");
        }
    }
}

#[test]
fn every_changed_byte_that_is_covered_is_named_where_it_lies() {
    let container = small(512);
    let whole = decode(&container.bytes, 100_000);
    for at in 0..container.bytes.len() {
        let structure = container.structures.iter().find(|s| s.range.contains(&at));
        let start = structure.map_or(0, |structure| structure.range.start as u64);
        for change in [0x01, 0x05, 0x80, 0xFF, container.bytes[at]] {
            let mut bytes = container.bytes.clone();
            bytes[at] ^= change;
            if bytes == container.bytes {
                continue;
            }
            if !is_covered(&container, at) {
                assert!(decode(&bytes, 100_000) == whole, "byte {at} ^ {change:#x}");
                continue;
            }
            let faults = faults(&bytes);
            let first = faults
                .first()
                .unwrap_or_else(|| panic!("byte {at} ^ {change:#x}"));
            assert_eq!(
                first.file_offset, start,
                "byte {at} ^ {change:#x}: {faults:?}"
            );
            let Some(structure) = structure else { continue };
            let expected = match structure.kind {
                StructureKind::Block(number) => Some(number),
                _ => None,
            };
            assert_eq!(first.block, expected, "byte {at} ^ {change:#x}: {faults:?}");
        }
    }
}

#[test]
fn a_changed_byte_in_the_data_of_a_block_loses_that_block_alone() {
    let container = small(512);
    for structure in &container.structures {
        let StructureKind::Block(number) = structure.kind else {
            continue;
        };
        for at in structure.range.clone().skip(28) {
            let mut bytes = container.bytes.clone();
            bytes[at] ^= 0x10;
            let (decoded, summary) = decode(&bytes, 100_000);
            let [fault] = &decoded.faults[..] else {
                panic!("{:?}", decoded.faults);
            };
            assert_eq!(fault.block, Some(number));
            assert!(matches!(fault.kind, FaultKind::Checksum { .. }));
            let [(offset, len, HoleReason::Damaged)] = decoded.holes[..] else {
                panic!("{:?}", decoded.holes);
            };
            let hole = offset as usize..(offset + len) as usize;
            let mut expected = container.stream.clone();
            expected[hole].fill(0);
            assert!(decoded.stream == expected);
            assert_eq!(summary.block_count, 6);
        }
    }
}

#[test]
fn after_a_damaged_header_it_goes_on_at_the_next_block() {
    let container = small(512);
    let block = |number| {
        let is_it =
            |s: &&crate::testing::container::Structure| s.kind == StructureKind::Block(number);
        container
            .structures
            .iter()
            .find(is_it)
            .expect("it has six")
            .range
            .clone()
    };
    // Type, length of the payload, stored length.
    for at in [0, 2, 3, 0x14] {
        let mut bytes = container.bytes.clone();
        bytes[block(2).start + at] ^= 0xFF;
        let (decoded, summary) = decode(&bytes, 100_000);
        let (_, _, reason) = decoded.holes[0];
        assert_eq!(decoded.holes.len(), 1);
        assert_eq!(reason, HoleReason::Guessed);
        assert_eq!(decoded.stream.len(), container.stream.len(), "{at}");
        assert!(decoded.stream.ends_with(&container.stream[4096..]), "{at}");
        assert_eq!(summary.block_count, 6);
        assert_eq!(decoded.faults[0].block, Some(2));
    }
}

#[test]
fn a_lost_filemark_keeps_its_length() {
    let container = small(512);
    let filemarks = container
        .structures
        .iter()
        .filter(|s| s.kind == StructureKind::Filemark);
    for filemark in filemarks {
        let mut bytes = container.bytes.clone();
        bytes[filemark.range.start + 8] ^= 4;
        let (decoded, summary) = decode(&bytes, 100_000);
        let (found, expected) = (decoded.stream.len(), container.stream.len());
        assert_eq!(found, expected, "{filemark:?} {:?}", decoded.faults);
        assert_eq!(summary.filemark_count, 3);
        assert_eq!(decoded.faults[0].kind, FaultKind::Filemark);
        assert_eq!(decoded.holes.len(), 1);
    }
}

#[test]
fn every_truncation_is_noticed() {
    for filemark_len in [512, 4096] {
        let bytes = small(filemark_len).bytes;
        for len in 0..bytes.len() {
            assert!(!faults(&bytes[..len]).is_empty(), "{len}");
        }
    }
}

#[test]
fn a_wrong_length_of_a_full_block_is_put_right() {
    let mut writer = ContainerWriter::new();
    writer.content(&text(1, 65_536));
    writer.filemark(512);
    let container = writer.finish();
    let mut bytes = container.bytes.clone();
    bytes[FIXED_LEN + 1] = 0x7F;
    let (decoded, _) = decode(&bytes, 100_000);
    assert_eq!(decoded.holes, []);
    assert!(decoded.stream == container.stream);
    let expected = FaultKind::PlainLen {
        stated: 65_024,
        found: 65_536,
    };
    assert_eq!(decoded.faults[0].kind, expected);
}

#[test]
fn other_algorithms_are_said_to_be_unknown_not_damaged() {
    let zstandard = [&[0x28, 0xB5, 0x2F, 0xFD][..], &[7; 400]].concat();
    for (payload, algorithm) in [
        (zstandard, Algorithm::Zstandard),
        (vec![7; 400], Algorithm::Unknown),
        (vec![7; 40], Algorithm::Unknown),
    ] {
        let mut writer = ContainerWriter::new();
        writer.block(&payload, 1024);
        writer.filemark(512);
        let (decoded, _) = decode(&writer.finish().bytes, 100_000);
        assert_eq!(decoded.faults[0].kind, FaultKind::Algorithm(algorithm));
        assert!(!decoded.faults[0].kind.is_damage());
        assert_eq!(decoded.holes, [(0, 1024, HoleReason::Unsupported)]);
    }
}

#[test]
fn an_encrypted_medium_shows_its_structure_and_no_content() {
    let mut writer = ContainerWriter::encrypted();
    writer.content(&text(1, 1024));
    writer.filemark(512);
    writer.content(&text(2, 66_048));
    writer.filemark(512);
    writer.content(&text(3, 1024));
    writer.filemark(512);
    let container = writer.finish();
    let (decoded, summary) = decode(&container.bytes, 1000);
    assert_eq!(decoded.faults, []);
    assert_eq!(summary.encrypted_checksums_hold, Some(true));
    assert!(summary.header.is_some_and(|header| header.is_encrypted()));
    let holes = [(0, 1024), (1536, 65_536), (67_072, 512), (68_096, 1024)];
    let encrypted = |(offset, len)| (offset, len, HoleReason::Encrypted);
    assert_eq!(decoded.holes, holes.map(encrypted));

    let mut damaged = container.bytes.clone();
    damaged[container.structures[3].range.start + 50] ^= 1;
    let [fault] = &faults(&damaged)[..] else {
        panic!("one fault");
    };
    assert!(matches!(fault.kind, FaultKind::Checksum { .. }));
    assert_eq!(fault.block, Some(1));
}

#[test]
fn a_medium_that_wrongly_says_it_is_encrypted_is_read() {
    let mut container = small(512);
    container.bytes[0x0C] = 7;
    let (decoded, _) = decode(&container.bytes, 1000);
    assert!(decoded.stream == container.stream);
    assert_eq!(decoded.faults.len(), 1);
    assert_eq!(decoded.faults[0].kind, FaultKind::NotEncrypted);
}

#[test]
fn unknown_versions_and_features_are_said_and_read_all_the_same() {
    for (at, value, kind) in [
        (0x08, 3, FaultKind::Version(3)),
        (0x0C, 0x2B, FaultKind::Features(0x2B)),
        (0x0C, 1, FaultKind::Features(1)),
    ] {
        let mut container = small(512);
        container.bytes[at] = value;
        let (decoded, _) = decode(&container.bytes, 1000);
        assert!(decoded.stream == container.stream);
        assert_eq!(kinds(&container.bytes), [kind]);
    }
}

#[test]
fn blocks_with_the_short_header_decode() {
    let mut bytes = small(512).bytes[..FIXED_LEN].to_vec();
    bytes[8] = 1;
    let plain = text(1, 1024);
    let payload = compress(&plain);
    bytes.extend([0x21, 2]);
    bytes.extend((payload.len() as u16).to_le_bytes());
    bytes.extend(checksum(&payload).to_le_bytes());
    bytes.extend(payload);
    let (decoded, summary) = decode(&bytes, 100);
    assert!(decoded.stream == plain);
    assert_eq!(summary.block_count, 1);
    assert_eq!(kinds(&bytes), [FaultKind::CutOff]);
}

#[test]
fn zeros_too_few_for_a_header_of_padding_are_no_fault() {
    for gap in 1..24 {
        let mut writer = ContainerWriter::new();
        writer.content(&text(1, 1024));
        let used = writer.clone().finish().bytes.len() + BlockHeader::LEN + gap;
        // A block that nobody can read, but of the right length.
        writer.block(&vec![7; used.next_multiple_of(512) - used], 512);
        let mut bytes = writer.clone().finish().bytes;
        writer.filemark(512);
        let with_filemark = writer.finish().bytes;
        bytes.extend(vec![0; gap]);
        bytes.extend(&with_filemark[with_filemark.len() - 512..]);
        let unknown = FaultKind::Algorithm(Algorithm::Unknown);
        assert_eq!(kinds(&bytes), [unknown, FaultKind::CutOff], "{gap}");
    }
}

#[test]
fn an_index_entry_for_another_place_is_said() {
    let container = small(512);
    let index = container
        .structures
        .iter()
        .find(|s| s.kind == StructureKind::Index);
    let range = index.expect("it has one").range.clone();
    let mut bytes = container.bytes.clone();
    let entries = range.start + 0x28..range.start + 0x48;
    bytes[entries.start + 8] ^= 1;
    let sum = checksum(&bytes[entries]).to_le_bytes();
    bytes[range.start + 0x24..][..4].copy_from_slice(&sum);
    bytes[range.end - 4..range.end].copy_from_slice(&sum);
    let [FaultKind::IndexPlace { .. }] = kinds(&bytes)[..] else {
        panic!("{:?}", kinds(&bytes));
    };
}

#[test]
fn what_is_no_container_is_one_fault() {
    for bytes in [&b""[..], b"MSSQLBA", b"TAPE", &[0; 100_000]] {
        assert_eq!(kinds(bytes), [FaultKind::NotContainer]);
    }
}

/// Headers without their payloads, and whole blocks between them that end each search.
#[test]
fn headers_alone_cannot_make_it_sum_up_for_ever() {
    let mut bytes = small(512).bytes;
    let block = bytes[small(512).structures[0].range.clone()].to_vec();
    let mut header = [0; 28];
    header[..4].copy_from_slice(&[0x21, 0x80, 0xFF, 0xFF]);
    header[24] = 1;
    bytes.truncate(FIXED_LEN);
    while bytes.len() < 2 << 20 {
        for _ in 0..100 {
            bytes.extend(header);
            // So that the next is not found in line.
            bytes.extend([0xEE; 5]);
        }
        bytes.extend(&block);
    }
    let mut decoder = ContainerDecoder::new();
    decoder.feed(&bytes, &mut |_| {});
    assert!(decoder.summary().fault_count > 0);
    let budget = bytes.len() as u64 * 16 + (4 << 20) + 100_000;
    assert!(decoder.search_cost <= budget, "{}", decoder.search_cost);
}

proptest! {
    #[test]
    fn garbage_ends_in_order_and_in_bounds(
        garbage in prop::collection::vec(any::<u8>(), 0..3000),
        piece_len in 1..3000usize,
    ) {
        let mut bytes = small(512).bytes[..FIXED_LEN].to_vec();
        bytes.extend(&garbage);
        prop_assert!(!faults(&garbage).is_empty());
        prop_assert!(decode(&bytes, piece_len) == decode(&bytes, 100_000));
        prop_assert!(!faults(&bytes).is_empty());
    }

    #[test]
    fn a_medium_changed_in_several_places_ends_in_order(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        piece_len in 1..3000usize,
    ) {
        let mut bytes = small(512).bytes;
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        prop_assert!(decode(&bytes, piece_len) == decode(&bytes, 100_000));
    }
}

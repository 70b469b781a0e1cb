//! SQL Server's media: payloads and containers of compressed backups.

use mssql_backup::container::decoder::ContainerDecoder;
use mssql_backup::container::piece::{ContainerSummary, Piece};
use mssql_backup::container::seek::SeekableContainer;
use mssql_backup::xpress::decompress;
use std::io::{Cursor, Read};

/// A compressed payload; the first two bytes say what length it should decompress to.
pub fn xpress(data: &[u8]) {
    let Some((len, payload)) = data.split_first_chunk() else {
        return;
    };
    let len = usize::from(u16::from_le_bytes(*len));
    let mut plain = vec![0; len + 1];
    if decompress(payload, &mut plain[..len]).is_ok() {
        // Its end is in it, so no other length passes.
        assert!(decompress(payload, &mut plain).is_err());
        assert!(len == 0 || decompress(payload, &mut plain[..len - 1]).is_err());
    }
}

/// A medium, read in two ways.
pub fn container(data: &[u8]) {
    let (whole, summary) = decoded(data, data.len().max(1));
    assert_eq!(summary.file_len, data.len() as u64);
    let (again, same) = decoded(data, 1000);
    assert!(summary == same && whole == again);

    let Ok(mut reader) = SeekableContainer::open(Cursor::new(data)) else {
        assert!(summary.fault_count > 0);
        return;
    };
    let mut stream = Vec::new();
    let outcome = reader.read_to_end(&mut stream);
    assert_eq!(reader.stream_offset(), stream.len() as u64);
    if summary.fault_count == 0 && summary.encrypted_checksums_hold.is_none() {
        assert!(outcome.is_ok() && stream == whole);
    }
    // Skipping goes as far as reading does.
    if let Ok(mut reader) = SeekableContainer::open(Cursor::new(data)) {
        let half = stream.len() as u64 / 2;
        let skipped = reader.skip(half);
        assert!(summary.fault_count > 0 || skipped.is_ok_and(|len| len == half));
    }
}

/// The stream with zeros for holes.
fn decoded(data: &[u8], piece_len: usize) -> (Vec<u8>, ContainerSummary) {
    let mut stream = Vec::new();
    let mut sink = |piece: Piece<'_>| match piece {
        Piece::Bytes {
            stream_offset,
            bytes,
            ..
        } => {
            assert_eq!(stream_offset, stream.len() as u64);
            stream.extend_from_slice(bytes);
        }
        Piece::Hole { len, .. } => stream.resize(stream.len() + len as usize, 0),
        Piece::Fault(fault) => assert!(!fault.to_string().is_empty()),
    };
    let mut decoder = ContainerDecoder::new();
    for piece in data.chunks(piece_len) {
        decoder.feed(piece, &mut sink);
    }
    let summary = decoder.finish(&mut sink);
    assert_eq!(summary.stream_len, stream.len() as u64);
    (stream, summary)
}

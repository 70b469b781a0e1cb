//! SQL Server's media: payloads and containers of compressed backups.

use mssql_backup::columns::SetColumns;
use mssql_backup::container::decoder::ContainerDecoder;
use mssql_backup::container::piece::{ContainerSummary, Piece};
use mssql_backup::container::seek::SeekableContainer;
use mssql_backup::read::{Checker, read_headers};
use mssql_backup::report::Report;
use mssql_backup::xpress::decompress;
use recovery::catalogue::Catalogue;
use recovery::media::MediaFile;
use recovery::plan::{PlanRequest, plan};
use recovery::verdict::{Policy, judge};
use std::io::{Cursor, Read};

/// A medium of any kind: all checks, in pieces of two sizes, and the headers alone.
pub fn media(data: &[u8]) {
    let read = |piece_len: usize| {
        let mut checker = Checker::new();
        data.chunks(piece_len).for_each(|piece| checker.feed(piece));
        checker.finish()
    };
    let report = read(data.len().max(1));
    // Not shown: it is long.
    assert!(format!("{report:?}") == format!("{:?}", read(1000)));
    assert_eq!(report.len, data.len() as u64);
    assert!(report.faults.len() as u64 <= report.fault_count);
    for set in &report.sets {
        let columns = serde_json::to_string(&SetColumns(&set.checked.set));
        assert!(columns.is_ok());
    }
    if let Ok(headers) = read_headers(Cursor::new(data))
        && report.fault_count == 0
    {
        assert_eq!(headers.fault_count, 0);
        assert_eq!(headers.sets.len(), report.sets.len());
        for (one, other) in headers.sets.iter().zip(&report.sets) {
            assert!(one.checked.set == other.checked.set);
        }
    }
    plan_of(&report);
}

/// Whatever a medium tells, a plan for it is made or refused.
fn plan_of(report: &Report) {
    let file = MediaFile {
        name: "medium".to_owned(),
        label: report.label.clone(),
        sets: report.sets.iter().map(|set| set.checked.clone()).collect(),
        trouble: None,
    };
    let catalogue = Catalogue::of(vec![file]);
    let _ = judge(&catalogue, &Policy::default());
    let _ = plan(&catalogue, &PlanRequest::default());
}

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

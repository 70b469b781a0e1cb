//! The custom format (`-Fc`): header, table of contents, then a block for each entry with data.

use std::collections::HashMap;
use std::io::{self, BufRead};

use flate2::{Decompress, FlushDecompress, Status};

use crate::fault::{FaultKind, Faults};

use super::Dump;
use super::toc::{Compression, Extra, Head, Place, Source, Toc, TocError};

/// The data of a table.
const DATA_BLOCK: u8 = 1;
/// Large objects, each behind its OID.
const BLOBS_BLOCK: u8 = 3;
/// What the header of this format says.
const FORMAT: u8 = 1;
const OUTPUT_LEN: usize = 64 << 10;

/// Checks a dump in custom format to its last byte.
pub(super) fn check<R: BufRead>(reader: R, dump: &mut Dump) -> io::Result<()> {
    let mut source = Source::new(reader);
    match check_source(&mut source, dump) {
        Ok(()) => Ok(()),
        Err(error) => dump.faults.add_toc_error(error),
    }
}

fn check_source<R: BufRead>(source: &mut Source<R>, dump: &mut Dump) -> Result<(), TocError> {
    let head = Head::read(source)?;
    if head.format != FORMAT {
        return Err(source.damaged("the format").into());
    }
    dump.take_head(&head);
    let toc = Toc::read(source, &head, Extra::Offset)?;
    dump.take_toc(&toc);
    let mut expected: HashMap<i64, Place> = HashMap::new();
    for entry in toc.data {
        expected.insert(entry.dump_id, entry.place);
    }
    let walked = walk_blocks(source, &head, &mut expected, &mut dump.faults);
    // Blocks behind a fault are not known to lack.
    if walked.is_ok() && !expected.is_empty() {
        let message = format!(
            "the data of {} of {} entries is not there",
            expected.len(),
            dump.data_count
        );
        dump.faults.add(FaultKind::Truncated, message);
    }
    Ok(walked?)
}

/// Blocks up to the end of the file; those that are found are taken out of `expected`.
fn walk_blocks<R: BufRead>(
    source: &mut Source<R>,
    head: &Head,
    expected: &mut HashMap<i64, Place>,
    faults: &mut Faults,
) -> io::Result<()> {
    loop {
        let offset = source.offset;
        let Some(block_type) = source.next_byte()? else {
            return Ok(());
        };
        let dump_id = source.int(head)?;
        match expected.remove(&dump_id) {
            Some(Place::Offset(told)) if told != offset => {
                let message =
                    format!("its data is at offset {offset}, the table of contents says {told}");
                faults.add_in(&format!("entry {dump_id}"), FaultKind::Damaged, message);
            }
            Some(_) => {}
            None => return Err(source.damaged("the number of a block")),
        }
        let damaged = match block_type {
            DATA_BLOCK => walk_chunks(source, head)?,
            BLOBS_BLOCK => {
                let mut damaged = None;
                while source.int(head)? != 0 {
                    damaged = walk_chunks(source, head)?.or(damaged);
                }
                damaged
            }
            _ => return Err(source.damaged("the type of a block")),
        };
        if let Some(message) = damaged {
            faults.add_in(&format!("entry {dump_id}"), FaultKind::Damaged, message);
        }
    }
}

/// The chunks of one table or large object, up to one of no length.
///
/// Says what is wrong with the compressed stream they make, if something is.
fn walk_chunks<R: BufRead>(
    source: &mut Source<R>,
    head: &Head,
) -> io::Result<Option<&'static str>> {
    let mut stream = ZlibCheck::new(head.compression);
    loop {
        let len = source.int(head)?;
        match u64::try_from(len) {
            Ok(0) => return Ok(stream.finish()),
            Ok(len) => source.pass(len, |piece| {
                stream.update(piece);
                Ok(())
            })?,
            Err(_) => return Err(source.damaged("the length of a chunk")),
        }
    }
}

/// Decompresses a zlib stream to nowhere, for its checksum (Adler-32). Knows no other compression.
struct ZlibCheck {
    stream: Option<Decompress>,
    output: Vec<u8>,
    has_begun: bool,
    has_ended: bool,
    fault: Option<&'static str>,
}

impl ZlibCheck {
    fn new(compression: Compression) -> Self {
        let is_zlib = compression == Compression::Gzip;
        Self {
            stream: is_zlib.then(|| Decompress::new(true)),
            output: vec![0; if is_zlib { OUTPUT_LEN } else { 0 }],
            has_begun: false,
            has_ended: false,
            fault: None,
        }
    }

    fn update(&mut self, mut piece: &[u8]) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        self.has_begun = true;
        while self.fault.is_none() {
            if self.has_ended {
                if !piece.is_empty() {
                    self.fault = Some("something follows its compressed data");
                }
                return;
            }
            let before = (stream.total_in(), stream.total_out());
            let status = stream.decompress(piece, &mut self.output, FlushDecompress::None);
            let taken = usize::try_from(stream.total_in() - before.0).unwrap_or(usize::MAX);
            piece = piece.get(taken..).unwrap_or_default();
            match status {
                Ok(Status::StreamEnd) => self.has_ended = true,
                Ok(_) if (stream.total_in(), stream.total_out()) == before => return,
                Ok(_) => {}
                Err(_) => self.fault = Some("its compressed data is damaged"),
            }
        }
    }

    fn finish(self) -> Option<&'static str> {
        let is_cut = self.has_begun && !self.has_ended;
        self.fault
            .or(is_cut.then_some("its compressed data has no end"))
    }
}

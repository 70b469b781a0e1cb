//! Whole archives: as they are, and around a stream or records that are anything at all.

use crate::forge::{Keys, Parts};
use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{ErrorClass, Finding, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::inspect::inspect;
use bakpak_codec::observer::Observer;
use bakpak_codec::pack::{PackSettings, pack};
use bakpak_codec::repair;
use bakpak_codec::salvage::{self, SalvageSink, Salvaged, Verdict};
use bakpak_codec::secret::{Credential, KeyFile};
use bakpak_codec::sink::{Sink, SinkError};
use bakpak_codec::source::Source;
use bakpak_codec::unpack::{tar, unpack};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::catalogue::RowFlags;
use bakpak_format::chunk::script::Script;
use bakpak_format::chunk::{Chunk, ChunkHead, Compression};
use bakpak_format::entry::{Entry, EntryPath};
use bakpak_format::geometry::{BlockSize, DataOffset, StreamOffset};
use bakpak_format::record::{HEADER_LEN, RecordHeader, RecordType};
use bakpak_format::slots::Domain;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The key file of archives made here, and of all that the tests pack.
pub const KEY: [u8; 32] = [7; 32];

/// The key file of their envelopes.
pub const ENVELOPE_KEY: [u8; 32] = [8; 32];

/// More of a stream, or of records, is not looked at.
const MAX_FORGED: usize = 256 << 10;

/// Stops what would take too long: holes and ZERO may ask for anything (spec: RDR-6).
struct Patience(Instant);

impl Observer for Patience {
    fn cancelled(&self) -> bool {
        self.0.elapsed() > Duration::from_secs(2)
    }
}

fn patience() -> Patience {
    Patience(Instant::now())
}

/// Further key files that are tried, such as those of the test vectors.
pub fn offer(key: [u8; 32]) {
    let mut offered = OFFERED.lock().unwrap_or_else(PoisonError::into_inner);
    offered.push(key);
}

static OFFERED: Mutex<Vec<[u8; 32]>> = Mutex::new(Vec::new());

/// All key files that are tried.
pub fn keys() -> Vec<[u8; 32]> {
    let offered = OFFERED.lock().unwrap_or_else(PoisonError::into_inner);
    [&[KEY, ENVELOPE_KEY], offered.as_slice()].concat()
}

fn keyring() -> Vec<Credential> {
    let key = |bytes| Credential::KeyFile(KeyFile::from_bytes(bytes));
    keys().into_iter().map(key).collect()
}

fn file_of(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it takes the bytes");
    file
}

fn from_file(file: &File) -> Input {
    Input::File(file.try_clone().expect("a handle more"))
}

fn from_pipe(data: &[u8]) -> Input {
    Input::stream(io::Cursor::new(data.to_vec()))
}

/// A file that is repaired: what comes out is whole, and a whole file is left as it is.
pub fn repair(data: &[u8]) {
    let (file, output) = (file_of(data), file_of(&[]));
    let report = match repair::repair(&file, &output, 1, &patience()) {
        Ok(report) => report,
        Err(ReadError::Fault(_) | ReadError::Interrupted) => return,
        Err(error) => unreachable!("another error than a fault: {error}"),
    };
    for finding in report.mended.iter().chain(&report.lost) {
        assert!(finding.offset.is_some(), "{finding:?}");
    }
    if !report.is_complete() {
        return;
    }
    let verified = verify_keyless(from_file(&output), 1, &patience());
    let verified = verified.expect("nothing but findings");
    assert_eq!(verified.findings, [], "{:?}", report.mended);
    let again = repair::assess(&output, 1, &patience());
    assert!(again.is_ok_and(|again| again.was_whole()));
    let is_same = bytes_of(output) == data;
    assert_eq!(report.was_whole(), is_same, "{:?}", report.mended);
}

/// A file from which is taken what is left: what is said of it holds, and what verifies is whole.
pub fn salvage(data: &[u8]) {
    let file = file_of(data);
    let keys = &mut keyring();
    let mut sink = Left::default();
    let report = match salvage::salvage(&file, keys, &mut sink, 1, &patience()) {
        Ok(report) => report,
        Err(error) => return check_error(Some(&error)),
    };
    assert!(!sink.is_open);
    let counts = report.counts;
    let told = counts.whole + counts.unconfirmed + counts.damaged + counts.lost;
    assert_eq!(told + counts.unreadable, sink.told);
    assert!(
        report
            .lost_blocks
            .is_sorted_by(|one, next| one.end <= next.start)
    );
    let verified = verify(from_file(&file), keys, VerifyLevel::Full, 1, &patience());
    let Ok(verified) = verified else { return };
    let is_whole = verified.findings.is_empty() && verified.without_key.is_none();
    // What verify calls whole is salvaged whole; the reverse need not be: copies may be damaged.
    if is_whole {
        assert!(report.is_complete(), "{report:?}");
        let rows = verified.totals.map_or(0, |totals| totals.row_count);
        assert!(sink.told <= rows);
        assert_eq!(counts.unreadable, verified.unreadable.len() as u64);
    }
}

/// Holds salvage to what it promises its sink.
#[derive(Default)]
struct Left {
    is_open: bool,
    position: u64,
    told: u64,
}

impl SalvageSink for Left {
    fn begin(&mut self, _: &Entry, _: Option<u64>, fate: Verdict) -> Result<(), SinkError> {
        assert!(!std::mem::replace(&mut self.is_open, true));
        assert!(!matches!(fate, Verdict::Lost | Verdict::Unreadable));
        self.position = 0;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        assert!(self.is_open && offset >= self.position);
        self.position = offset + bytes.len() as u64;
        Ok(())
    }

    fn missing(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        assert!(self.is_open && offset >= self.position && len > 0);
        self.position = offset + len;
        Ok(())
    }

    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        assert!(std::mem::replace(&mut self.is_open, false));
        assert!(salvaged.size.is_none_or(|size| self.position <= size));
        self.check(salvaged);
        Ok(())
    }

    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        assert!(!self.is_open);
        self.check(salvaged);
        Ok(())
    }
}

impl Left {
    fn check(&mut self, salvaged: &Salvaged) {
        self.told += 1;
        let missing = &salvaged.missing;
        assert!(missing.len() <= salvage::MAX_RANGES);
        assert!(missing.is_sorted_by(|one, next| one.offset + one.len <= next.offset));
        let told: u64 = missing.iter().map(|range| range.len).sum();
        assert!(told >= salvaged.missing_len);
        assert!(missing.len() == salvage::MAX_RANGES || told == salvaged.missing_len);
        if matches!(salvaged.verdict, Verdict::Whole | Verdict::Unconfirmed) {
            assert_eq!(salvaged.missing_len, 0);
        }
    }
}

fn bytes_of(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("a file can be sought");
    file.read_to_end(&mut bytes).expect("a file can be read");
    bytes
}

/// An archive, or what was one, without a key.
pub fn archive_keyless(data: &[u8]) {
    let file = file_of(data);
    let of_file = verify_keyless(from_file(&file), 1, &patience());
    let of_pipe = verify_keyless(from_pipe(data), 1, &patience());
    let of_file = of_file.expect("nothing but findings");
    let of_pipe = of_pipe.expect("nothing but findings");
    check_findings(&of_file.findings, data);
    check_findings(&of_pipe.findings, data);
    // The file tells more: a locator, wherever it points. What is clean is clean in both.
    assert_eq!(of_file.findings.is_empty(), of_pipe.findings.is_empty());
    if of_file.findings.is_empty() {
        assert_eq!(of_file.archive_len, data.len() as u64);
        assert!(of_file.root.is_some() && of_file.root == of_pipe.root);
        let info = inspect(&file).expect("its head is whole");
        assert_eq!(
            (info.root, info.block_count),
            (of_file.root, Some(of_file.blocks))
        );
    }
}

fn check_findings(findings: &[Finding], data: &[u8]) {
    for finding in findings {
        assert_ne!(finding.class(), ErrorClass::Misuse);
        assert!(
            finding
                .offset
                .is_none_or(|offset| offset <= data.len() as u64),
            "{finding:?}"
        );
        assert!(!finding.message.is_empty());
    }
}

/// An archive, or what was one, with the keys that are known.
pub fn archive_with_key(data: &[u8]) {
    let file = file_of(data);
    let keys = &mut keyring();
    let reported = verify(from_file(&file), keys, VerifyLevel::Full, 2, &patience());
    let of_pipe = verify(from_pipe(data), keys, VerifyLevel::Full, 1, &patience());
    let unpacked = unpack(
        from_file(&file),
        keys,
        &mut Checked::default(),
        1,
        &patience(),
    );
    let piped = unpack(
        from_pipe(data),
        keys,
        &mut Checked::default(),
        2,
        &patience(),
    );
    let tarred = tar(from_file(&file), keys, &mut io::sink(), 1, &patience());
    let sought = seek_all(&file, keys);
    let found = find_all(&file, keys);
    let sealed = open_envelope(&file, keys, &patience());
    check_error(unpacked.as_ref().err());
    check_error(piped.as_ref().err());
    check_error(tarred.as_ref().err());
    check_error(sought.as_ref().err());
    check_error(sealed.as_ref().err());
    let (Ok(reported), Ok(of_pipe)) = (&reported, &of_pipe) else {
        check_error(reported.as_ref().err());
        check_error(of_pipe.as_ref().err());
        return;
    };
    check_findings(&reported.findings, data);
    check_findings(&of_pipe.findings, data);
    assert_eq!(reported.findings.is_empty(), of_pipe.findings.is_empty());
    if !reported.findings.is_empty() {
        return;
    }
    // What verify calls whole, everybody reads.
    assert_eq!(reported.root, of_pipe.root);
    let totals = reported.totals.expect("it was read to its end");
    for report in [unpacked, piped, tarred] {
        let report = report.expect("verify calls it whole");
        assert_eq!(report.totals, totals);
        assert_eq!(report.missing, reported.missing);
        assert_eq!(report.discarded, reported.unreadable);
    }
    sought.expect("verify calls it whole");
    assert!(found.expect("verify calls it whole"), "a row is not found");
}

fn check_error(error: Option<&ReadError>) {
    if let Some(error) = error {
        assert!(
            !matches!(error, ReadError::Defect(_) | ReadError::Sink(_)),
            "{error}"
        );
        assert!(!error.to_string().is_empty());
    }
}

/// Whether every row is found by its path.
fn find_all(file: &File, keys: &mut Vec<Credential>) -> Result<bool, ReadError> {
    let mut archive = Archive::open(file, keys)?;
    let rows: Vec<_> = archive.rows().take(1000).collect::<Result<_, _>>()?;
    for row in rows {
        if archive.find(&row.path)?.as_ref() != Some(&row) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn seek_all(file: &File, keys: &mut Vec<Credential>) -> Result<(), ReadError> {
    let mut archive = Archive::open(file, keys)?;
    archive.facts()?;
    // Archives whose contents are larger than the patience of a fuzzer are not read.
    let small = archive.totals().content_len < 64 << 20;
    let rows: Vec<_> = archive.rows().take(1000).collect::<Result<_, _>>()?;
    for row in rows {
        let entry = archive.entry(&row)?;
        assert_eq!(entry.path, row.path);
        if small && !row.flags.contains(RowFlags::UNREADABLE) {
            match archive.read_entry(&row, &mut ShortSink(64 << 20)) {
                Err(ReadError::Sink(_)) => {} // it is full
                read => read?,
            }
        }
    }
    Ok(())
}

/// Takes so many bytes: a row may ask for any number of them.
struct ShortSink(u64);

impl Write for ShortSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.0.checked_sub(bytes.len() as u64);
        self.0 = left.ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that holds its caller to what `Sink` promises.
#[derive(Default)]
struct Checked {
    open: Option<(EntryPath, Option<u64>)>,
    last: Option<EntryPath>,
    position: u64,
}

impl Sink for Checked {
    fn begin(&mut self, entry: &Entry, size: Option<u64>) -> Result<(), SinkError> {
        assert!(self.open.is_none(), "one entry at a time");
        assert!(
            self.last.as_ref().is_none_or(|last| *last <= entry.path),
            "in order"
        );
        self.open = Some((entry.path.clone(), size));
        self.position = 0;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        assert!(self.open.is_some());
        assert_eq!(offset, self.position, "holes are told");
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn hole(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        assert!(self.open.is_some());
        assert_eq!(offset, self.position);
        self.position += len;
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        let (path, size) = self.open.take().expect("an entry is open");
        assert!(
            size.is_none_or(|size| size == self.position),
            "as long as it was said"
        );
        self.last = Some(path);
        Ok(())
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError> {
        assert!(
            self.last.as_ref().is_some_and(|last| path <= last),
            "it had ended"
        );
        Ok(())
    }
}

/// A stream of entries, in an archive that authenticates.
pub fn stream(data: &[u8]) {
    let data = &data[..data.len().min(MAX_FORGED)];
    if data.is_empty() {
        return;
    }
    let head = ChunkHead {
        stream_offset: StreamOffset(0),
        data_offset: DataOffset(0),
        stream_len: data.len() as u64,
        first_entry: (data[0] != 0).then_some(StreamOffset(0)),
        raw_len: data.len(),
        compression: Compression::Stored,
    };
    let mut body = Vec::new();
    let encoded = Chunk::encode_into(&mut body, &head, &Script::default(), data);
    encoded.expect("it is a plain chunk");
    let header = RecordHeader::new(RecordType::Chunk, body.len()).encode();
    let archive = forge(&[[&header[..], &body].concat()]);
    let error = unpack(
        from_pipe(&archive),
        &mut keyring(),
        &mut Checked::default(),
        1,
        &patience(),
    )
    .expect_err("it has no FINAL");
    check_error(Some(&error));
    let mut output = Vec::new();
    let piped = tar(
        from_pipe(&archive),
        &mut keyring(),
        &mut output,
        1,
        &patience(),
    );
    assert!(piped.is_err());
    assert!(data.starts_with(&output), "nothing else comes out");
}

/// Records, one behind the other, in an archive that authenticates.
pub fn records(data: &[u8]) {
    let mut rest = &data[..data.len().min(MAX_FORGED)];
    let mut records = Vec::new();
    while let Some(header) = rest.first_chunk::<HEADER_LEN>() {
        let body_len = RecordHeader::decode(header).map_or(rest.len(), |header| header.body_len);
        let len = (HEADER_LEN + body_len).min(rest.len());
        let (record, behind) = rest.split_at(len);
        records.push(record.to_vec());
        rest = behind;
    }
    if !rest.is_empty() {
        records.push(rest.to_vec());
    }
    let archive = forge(&records);
    archive_with_key(&archive);
}

/// An archive of 4 KiB blocks with these records, in which everything authenticates.
fn forge(records: &[Vec<u8>]) -> Vec<u8> {
    static BASE: OnceLock<(Parts, Keys)> = OnceLock::new();
    let (parts, keys) = BASE.get_or_init(base);
    let mut parts = parts.clone();
    parts.seal_records(keys, records);
    parts.assemble()
}

fn base() -> (Parts, Keys) {
    let settings = PackSettings {
        block_size: Some(BlockSize::FOUR_KIB),
        threads: 1,
        ..PackSettings::new(Credential::KeyFile(KeyFile::from_bytes(KEY)))
    };
    let mut archive = Vec::new();
    let sources = std::iter::empty::<Box<dyn Source>>();
    pack(sources, settings, &mut archive, &patience()).expect("an archive of nothing");
    let parts = Parts::of(&archive).expect("it is whole");
    let keys = parts.keys(Domain::Data, &KEY).expect("it is the key");
    (parts, keys)
}

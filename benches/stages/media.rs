//! SQL Server backups: full verification of whole media, compressed and not, and decompression.

use bakpak_benches::workload::{Kind, files};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use mssql_backup::container::block::{MAX_PLAIN_LEN, checksum};
use mssql_backup::container::decoder::ContainerDecoder;
use mssql_backup::container::piece::Piece;
use mssql_backup::container::{FIXED_LEN, MAGIC};
use mssql_backup::jiff::civil::date;
use mssql_backup::read::check;
use mssql_backup::testing::container::{ContainerWriter, wrap};
use mssql_backup::testing::{Database, Media, write_media};
use mssql_backup::xpress::decompress;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// Real backups, where they lie beside the repository; nobody may publish them.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/bak");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, medium) in media() {
        let blocks = Block::all_of(&medium);
        println!(
            "size {name}: {} -> {} blocks, {} bytes",
            medium.len(),
            blocks.len(),
            plain_len(&blocks),
        );
        payloads(&mut criterion, &name, &medium, &blocks);
        container(&mut criterion, &name, &medium, plain_len(&blocks));
    }
    verification(&mut criterion);
    criterion.final_summary();
}

/// Every check of media in memory: each page, log block and backup checksum.
fn verification(criterion: &mut Criterion) {
    const PAGES: u32 = 24 << 10;
    let mut database = Database::with_pages("Orders", PAGES, PAGES);
    let at = date(2026, 3, 1).at(12, 0, 0, 0);
    (0..1000).for_each(|_| database.commit(at));
    let mut group = criterion.benchmark_group("verification");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (name, has_checksums) in [("pages", false), ("pages-and-backup-checksums", true)] {
        let mut full = database.full(at);
        full.has_checksums = has_checksums;
        let plain = write_media(&Media::default(), &[full]).remove(0);
        let compressed = wrap(&plain).bytes;
        for (form, medium) in [("uncompressed", &plain), ("compressed", &compressed)] {
            let report = check(medium.as_slice()).map(|report| report.fault_count);
            assert_eq!(report.ok(), Some(0), "{name} {form}");
            // Of what SQL Server would read back.
            group.throughput(Throughput::Bytes(plain.len() as u64));
            group.bench_function(format!("{name}/{form}"), |bencher| {
                bencher.iter(|| black_box(check(black_box(medium.as_slice())).is_ok()));
            });
        }
    }
    group.finish();
}

/// One that is made here, always, and the real ones.
fn media() -> Vec<(String, Vec<u8>)> {
    let mut writer = ContainerWriter::new();
    writer.content(&[0; 1024]);
    writer.filemark(512);
    for file in files(Kind::Database, 8 << 20) {
        let whole_len = file.content.len() / 512 * 512;
        writer.content(&file.content[..whole_len]);
    }
    writer.filemark(512);
    writer.content(&[0; 1024]);
    writer.filemark(512);
    let mut media = vec![("made".to_owned(), writer.finish().bytes)];

    let folder = Path::new(REAL).read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<_> = folder.map(|entry| entry.path()).collect();
    paths.sort();
    let contents = paths.iter().filter_map(|path| std::fs::read(path).ok());
    let compressed = contents.filter(|content| content.starts_with(&MAGIC));
    media.extend((1..).map(|number| format!("real-{number}")).zip(compressed));
    media
}

/// A block that is compressed.
struct Block {
    payload_at: usize,
    payload_len: usize,
    plain_len: usize,
}

impl Block {
    /// All that lie one behind the other between structures of other kinds.
    fn all_of(medium: &[u8]) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut starts = Vec::new();
        let mut decoder = ContainerDecoder::new();
        let mut sink = |piece: Piece<'_>| {
            if let Piece::Bytes {
                file_offset,
                block: Some(_),
                bytes,
                ..
            } = piece
            {
                starts.push((file_offset as usize, bytes.len()));
            }
        };
        decoder.feed(medium, &mut sink);
        decoder.finish(&mut sink);
        for (start, plain_len) in starts {
            assert!(start >= FIXED_LEN);
            let len = u16::from_le_bytes([medium[start + 2], medium[start + 3]]);
            blocks.push(Self {
                payload_at: start + 28,
                payload_len: usize::from(len),
                plain_len,
            });
        }
        blocks
    }

    fn payload<'a>(&self, medium: &'a [u8]) -> &'a [u8] {
        &medium[self.payload_at..][..self.payload_len]
    }
}

fn plain_len(blocks: &[Block]) -> u64 {
    blocks.iter().map(|block| block.plain_len as u64).sum()
}

fn payloads(criterion: &mut Criterion, name: &str, medium: &[u8], blocks: &[Block]) {
    let mut group = group(criterion, "xpress", plain_len(blocks));
    let mut plain = vec![0; MAX_PLAIN_LEN];
    group.bench_function(format!("decompress/{name}"), |b| {
        b.iter(|| {
            for block in blocks {
                let payload = black_box(block.payload(medium));
                decompress(payload, &mut plain[..block.plain_len]).expect("it is whole");
            }
        });
    });
    let payload_len = blocks.iter().map(|block| block.payload_len as u64).sum();
    group.throughput(Throughput::Bytes(payload_len));
    group.bench_function(format!("checksum/{name}"), |b| {
        b.iter(|| {
            let sums = blocks.iter().map(|block| checksum(block.payload(medium)));
            sums.fold(0, |all, sum| all ^ sum)
        });
    });
}

/// From the bytes of the medium to the stream, in pieces of 1 MiB.
fn container(criterion: &mut Criterion, name: &str, medium: &[u8], plain_len: u64) {
    let mut group = group(criterion, "container", plain_len);
    group.bench_function(format!("decode/{name}"), |b| {
        b.iter(|| {
            let mut len = 0;
            let mut sink = |piece: Piece<'_>| {
                if let Piece::Bytes { bytes, .. } = piece {
                    len += black_box(bytes).len();
                }
            };
            let mut decoder = ContainerDecoder::new();
            for piece in medium.chunks(1 << 20) {
                decoder.feed(piece, &mut sink);
            }
            assert_eq!(decoder.finish(&mut sink).fault_count, 0);
            len
        });
    });
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, bytes: u64) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20)
        .throughput(Throughput::Bytes(bytes));
    group
}

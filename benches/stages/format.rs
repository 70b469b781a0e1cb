//! Structures of the format, to bytes and back.

use bakpak_benches::generator::Generator;
use bakpak_benches::memory::MemorySet;
use bakpak_benches::workload::{Kind, files};
use bakpak_format::catalogue::Row;
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::chunk::script::{Instruction, Script};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{Entry, EntryHeader};
use bakpak_format::geometry::{
    BlockSize, DATA_BLOCKS_PER_STRIPE, DataOffset, Geometry, StreamOffset, StripeIndex,
};
use bakpak_format::header::ArchiveId;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;

/// Instructions of a chunk of packages in the prototype, and as many as are allowed.
const INSTRUCTION_COUNTS: [u64; 2] = [290, 65_536];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let set = MemorySet::new(files(Kind::Log, 64 << 20));
    let entries: Vec<Entry> = set.entries().cloned().collect();
    entry_headers(&mut criterion, &entries);
    rows(&mut criterion, &entries);
    for count in INSTRUCTION_COUNTS {
        script(&mut criterion, count);
    }
    check_page(&mut criterion);
    criterion.final_summary();
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20);
    group
}

/// Every third entry has attributes, as files with ACLs do.
fn with_attributes(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    for (number, entry) in entries.iter_mut().enumerate().step_by(3) {
        let value = format!("origin-{number}\0").into_bytes();
        entry.xattrs = vec![(b"user.origin".to_vec(), value)];
    }
    entries
}

fn entry_headers(criterion: &mut Criterion, entries: &[Entry]) {
    let entries = with_attributes(entries);
    let encode = |entry: &Entry| entry.encode().expect("its values are legal");
    let headers: Vec<Vec<u8>> = entries.iter().map(encode).collect();
    let mut group = group(criterion, "pax");
    group.throughput(Throughput::Bytes(
        headers.iter().map(|header| header.len() as u64).sum(),
    ));
    group.bench_function("encode", |b| {
        b.iter(|| entries.iter().map(|e| encode(e).len()).sum::<usize>());
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            let decoded = headers.iter().map(|header| EntryHeader::decode(header));
            decoded.filter(Result::is_ok).count()
        });
    });
}

fn rows(criterion: &mut Criterion, entries: &[Entry]) {
    let mut at = StreamOffset(0);
    let rows: Vec<Row> = entries
        .iter()
        .map(|entry| {
            let (header, content) = (at, at.plus(1536));
            at = content.plus(entry.content_len().next_multiple_of(512));
            let hash = Digest::of(entry.path.as_bytes());
            Row::from_entry(entry, hash, header, content)
        })
        .collect();
    let mut raw = Vec::new();
    rows.iter().for_each(|row| row.encode_into(&mut raw));
    let mut group = group(criterion, "rows");
    group.throughput(Throughput::Bytes(raw.len() as u64));
    let mut again = Vec::with_capacity(raw.len());
    group.bench_function("encode", |b| {
        b.iter(|| {
            again.clear();
            rows.iter().for_each(|row| row.encode_into(&mut again));
        });
    });
    let count = rows.len() as u32;
    group.bench_function("decode", |b| {
        b.iter(|| Row::decode_all(black_box(&raw), count).expect("rows were encoded"));
    });
}

/// LITERAL and COPY in turn, with lengths and distances as matching finds them.
fn script(criterion: &mut Criterion, count: u64) {
    let mut generator = Generator::of(&[count]);
    let instructions = (0..count).map(|number| {
        if number % 2 == 0 {
            Instruction::Literal(1 + generator.skewed(600))
        } else {
            let source = DataOffset(generator.below(48 << 20));
            let len = 256 + generator.skewed(600);
            Instruction::Copy { source, len }
        }
    });
    let script = Script(instructions.collect());
    let bytes = script.encode().expect("it is inside the limits");
    let mut group = group(criterion, "script");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(format!("encode/{count}"), |b| {
        b.iter(|| black_box(&script).encode());
    });
    group.bench_function(format!("decode/{count}"), |b| {
        b.iter(|| Script::decode(black_box(&bytes), count as usize));
    });
}

/// The check page of a full stripe of 1 MiB blocks.
fn check_page(criterion: &mut Criterion) {
    let geometry = Geometry::new(BlockSize::ONE_MIB, 4096, 16_384, 4096);
    let layout = geometry.stripe_of(StripeIndex(0), DATA_BLOCKS_PER_STRIPE, false);
    let mut generator = Generator::of(&[9]);
    let mut bytes = |len| {
        let mut bytes = Vec::new();
        generator.noise(&mut bytes, len);
        bytes
    };
    let (head, slots, envelope) = (bytes(4096), bytes(16_384), bytes(4096));
    let shards = layout.shard_count();
    let hashes: Vec<Digest> = (0..shards).map(|_| Digest::of(&bytes(32))).collect();
    let crcs = bytes(4 * shards * BlockSize::ONE_MIB.sectors());
    let (crcs, _) = crcs.as_chunks::<4>();
    let crcs: Vec<u32> = crcs.iter().map(|&crc| u32::from_le_bytes(crc)).collect();
    let (archive_id, head_digest) = (ArchiveId([6; 16]), Digest::of(&head));
    let parts = CheckPageParts {
        layout: &layout,
        archive_id: &archive_id,
        head_digest: &head_digest,
        shard_hashes: &hashes,
        sector_crcs: &crcs,
        head: &head,
        envelope: &envelope,
        data_slots: &slots,
        envelope_slots: &slots,
    };
    let page = CheckPage::encode(&parts);
    let mut group = group(criterion, "check-page");
    group.throughput(Throughput::Bytes(page.len() as u64));
    group.bench_function("encode", |b| {
        b.iter(|| CheckPage::encode(black_box(&parts)))
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            CheckPage::decode(
                black_box(&page),
                &geometry,
                &archive_id,
                &head_digest,
                layout.index,
            )
            .expect("it was encoded")
        });
    });
}

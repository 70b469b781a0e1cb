//! The work that is done on every byte: seal, open, hash, check, compress.

use bakpak_benches::workload::{Kind, files};
use bakpak_codec::aead::{Aead, AwsLc, NONCE_LEN, RustCrypto, TAG_LEN};
use bakpak_format::block::{AAD_LEN, CLEAR_LEN};
use bakpak_format::digest::{Digest, sector_crcs};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;
use zstd::zstd_safe::CParameter;

const BLOCK_LEN: usize = 1 << 20;
const CHUNK_LEN: usize = 1 << 20;

/// More than a processor's second cache holds, so that chunks come from further away, as they do
/// in an archive.
const CHUNKS: usize = 8;

const NONCE: [u8; NONCE_LEN] = [3; NONCE_LEN];
const AAD: [u8; AAD_LEN] = [4; AAD_LEN];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    aead(&mut criterion);
    sums(&mut criterion);
    entry_hash(&mut criterion);
    segments(&mut criterion);
    compression(&mut criterion);
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

/// Incompressible bytes, as a block's payload is.
fn noise(len: usize) -> Vec<u8> {
    files(Kind::Artifact, len as u64)
        .flat_map(|file| file.content)
        .collect()
}

fn aead(criterion: &mut Criterion) {
    // Each on the part of a block that is sealed.
    let mut group = group(criterion, "aead");
    group.throughput(Throughput::Bytes((BLOCK_LEN - CLEAR_LEN - TAG_LEN) as u64));
    backend::<RustCrypto>(&mut group, "aes-gcm");
    backend::<AwsLc>(&mut group, "aws-lc-rs");
}

fn backend<A: Aead>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    let key = A::new(&[5; 32]);
    let mut block = noise(BLOCK_LEN - CLEAR_LEN);
    group.bench_function(format!("seal/{name}"), |b| {
        b.iter(|| key.seal(&NONCE, &AAD, &mut block));
    });
    key.seal(&NONCE, &AAD, &mut block);
    group.bench_function(format!("open/{name}"), |b| {
        // What is opened is no longer sealed, so each round needs a copy.
        b.iter_batched_ref(
            || block.clone(),
            |sealed| {
                let opened = key.open(&NONCE, &AAD, sealed);
                assert!(opened.is_ok(), "it was sealed with this key");
            },
            BatchSize::LargeInput,
        );
    });
}

fn sums(criterion: &mut Criterion) {
    let block = noise(BLOCK_LEN);
    let mut group = group(criterion, "sums");
    group.throughput(Throughput::Bytes(BLOCK_LEN as u64));
    group.bench_function("blake3/block", |b| b.iter(|| Digest::of(black_box(&block))));
    group.bench_function("crc32c/sectors", |b| {
        b.iter(|| sector_crcs(black_box(&block)).fold(0, |all, crc| all ^ crc));
    });
}

/// An entry's hash, from pieces as they come: where the first one ends decides how those after it lie
/// among BLAKE3's own chunks.
fn entry_hash(criterion: &mut Criterion) {
    const PIECE_LEN: usize = 128 << 10;
    let content = noise(8 * PIECE_LEN);
    let mut group = group(criterion, "entry-hash");
    group.throughput(Throughput::Bytes(content.len() as u64));
    for (name, first_len) in [("aligned", 0), ("unaligned", 700)] {
        let (first, rest) = content.split_at(first_len);
        group.bench_function(format!("pieces-of-128-kib/{name}"), |b| {
            b.iter(|| {
                let mut hasher = blake3::Hasher::new();
                hasher.update(black_box(first));
                for piece in black_box(rest).chunks(PIECE_LEN) {
                    hasher.update(piece);
                }
                hasher.finalize()
            });
        });
    }
}

/// The hash by which the matcher's far tier knows a segment, and what else it could be.
fn segments(criterion: &mut Criterion) {
    for len in [8 << 10, 32 << 10, 128 << 10] {
        let segment = noise(len);
        let mut group = group(criterion, "segment");
        group.throughput(Throughput::Bytes(len as u64));
        gmac::<RustCrypto>(&mut group, "gmac-aes-gcm", &segment);
        gmac::<AwsLc>(&mut group, "gmac-aws-lc-rs", &segment);
        group.bench_function(format!("blake3/{len}"), |b| {
            b.iter(|| Digest::of(black_box(&segment)));
        });
    }
}

fn gmac<A: Aead>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, segment: &[u8]) {
    let key = A::new(&[5; 32]);
    let mut tag = [0; TAG_LEN];
    group.bench_function(format!("{name}/{}", segment.len()), |b| {
        b.iter(|| key.seal(&NONCE, black_box(segment), &mut tag));
    });
}

fn compression(criterion: &mut Criterion) {
    for kind in Kind::ALL {
        let data: Vec<u8> = files(kind, (CHUNKS * CHUNK_LEN) as u64)
            .flat_map(|file| file.content)
            .collect();
        let mut group = group(criterion, "zstd");
        group.throughput(Throughput::Bytes(CHUNK_LEN as u64));
        for level in [1, 3, 5, 9] {
            let compressor = zstd::bulk::Compressor::new(level).expect("zstd knows the level");
            compress(
                &mut group,
                kind,
                &format!("level-{level}"),
                compressor,
                &data,
            );
        }
        compress(&mut group, kind, "level-3-tuned", tuned(), &data);
        decompress(&mut group, kind, &data);
    }
}

/// Level 3 as the codec uses it.
fn tuned() -> zstd::bulk::Compressor<'static> {
    let mut compressor = zstd::bulk::Compressor::new(3).expect("zstd knows the level");
    for parameter in [
        CParameter::MinMatch(6),
        CParameter::HashLog(16),
        CParameter::ChainLog(15),
    ] {
        let set = compressor.set_parameter(parameter);
        set.expect("zstd knows the parameter");
    }
    compressor
}

fn compress(
    group: &mut BenchmarkGroup<'_, WallTime>,
    kind: Kind,
    name: &str,
    mut compressor: zstd::bulk::Compressor<'static>,
    data: &[u8],
) {
    let mut frame = Vec::with_capacity(2 * CHUNK_LEN);
    let compressed_len: usize = data
        .chunks(CHUNK_LEN)
        .map(|chunk| {
            frame.clear();
            let len = compressor.compress_to_buffer(chunk, &mut frame);
            len.expect("the buffer is long enough")
        })
        .sum();
    let name = format!("{name}/{}", kind.name());
    println!("size zstd/{name}: {} -> {compressed_len}", data.len());
    let mut chunks = data.chunks_exact(CHUNK_LEN).cycle();
    group.bench_function(name, |b| {
        b.iter(|| {
            frame.clear();
            let chunk = chunks.next().expect("a circle has no end");
            compressor.compress_to_buffer(black_box(chunk), &mut frame)
        });
    });
}

fn decompress(group: &mut BenchmarkGroup<'_, WallTime>, kind: Kind, data: &[u8]) {
    let frames: Vec<Vec<u8>> = data
        .chunks(CHUNK_LEN)
        .map(|chunk| zstd::bulk::compress(chunk, 3).expect("memory is all it needs"))
        .collect();
    let mut decompressor = zstd::bulk::Decompressor::new().expect("memory is all it needs");
    let mut raw = Vec::with_capacity(CHUNK_LEN);
    let mut frames = frames.iter().cycle();
    group.bench_function(format!("decompress/{}", kind.name()), |b| {
        b.iter(|| {
            raw.clear();
            let frame = frames.next().expect("a circle has no end");
            decompressor.decompress_to_buffer(black_box(frame), &mut raw)
        });
    });
}

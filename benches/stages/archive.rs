//! The verbs of the codec on a whole set of files in memory.

use bakpak_benches::memory::{MemorySet, NullSink, key, settings};
use bakpak_benches::workload::{Kind, MadeFile, files, workload};
use bakpak_codec::archive::Archive;
use bakpak_codec::error::ReadError;
use bakpak_codec::input::Input;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::{Matching, PackSettings};
use bakpak_codec::unpack::{tar, unpack};
use bakpak_codec::verify::{VerifyLevel, VerifyReport, verify, verify_keyless};
use bakpak_format::catalogue::Row;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use std::fs::File;
use std::io;
use std::time::Duration;

/// Larger than the history that matching looks back over.
const SET_LEN: u64 = 128 << 20;

/// Many files that hold little: what entries cost.
const SMALL_FILES: usize = 20_000;
const SMALL_LEN: usize = 600;

const THREADS: [usize; 2] = [1, 2];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let set = MemorySet::new(workload(SET_LEN));
    let packages = MemorySet::new(files(Kind::Package, SET_LEN / 2));
    let small = MemorySet::new(small_files());
    matching(&mut criterion, "all", &set);
    matching(&mut criterion, "packages", &packages);
    packing(&mut criterion, "all", &set);
    packing(&mut criterion, "small-files", &small);
    let archive = packed(&set);
    reading(&mut criterion, &archive, set.content_len());
    single_entries(&mut criterion, &archive);
    listing(&mut criterion, "all", &archive);
    listing(&mut criterion, "small-files", &packed(&small));
    criterion.final_summary();
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .sample_size(10);
    group
}

fn small_files() -> impl Iterator<Item = MadeFile> {
    let text: Vec<u8> = files(Kind::Log, (SMALL_FILES * SMALL_LEN) as u64)
        .flat_map(|file| file.content)
        .collect();
    (0..SMALL_FILES).map(move |number| MadeFile {
        path: format!("Small/{:03}/note-{number:05}.txt", number / 100),
        kind: Kind::Log,
        content: text[number * SMALL_LEN..][..SMALL_LEN].to_vec(),
    })
}

/// An archive in a temporary file, and so in the system's cache.
fn packed(set: &MemorySet) -> File {
    let file = tempfile::tempfile().expect("the temporary folder takes an archive");
    let output = file.try_clone().expect("the system has a handle left");
    set.pack(settings(2), output).expect("files in memory pack");
    file
}

fn matching(criterion: &mut Criterion, name: &str, set: &MemorySet) {
    let mut group = group(criterion, "matching");
    group.throughput(Throughput::Bytes(set.content_len()));
    for (word, matching) in [("on", Some(Matching::default())), ("off", None)] {
        let settings = || PackSettings {
            matching,
            ..settings(1)
        };
        let report = set.pack(settings(), io::sink()).expect("it packs");
        let name = format!("{word}/{name}");
        println!(
            "size matching/{name}: {} -> {}, {} of it by COPY",
            report.content_len, report.archive_len, report.copied_bytes
        );
        group.bench_function(name, |b| {
            b.iter(|| set.pack(settings(), io::sink()).expect("it packs"))
        });
    }
}

fn packing(criterion: &mut Criterion, name: &str, set: &MemorySet) {
    let mut group = group(criterion, "pack");
    group.throughput(Throughput::Bytes(set.content_len()));
    for threads in THREADS {
        group.bench_function(format!("{name}/threads-{threads}"), |b| {
            b.iter(|| set.pack(settings(threads), io::sink()).expect("it packs"));
        });
    }
}

/// The verbs that read the whole archive: by its own length where nothing is decompressed, by the
/// length of what is in it elsewhere.
fn reading(criterion: &mut Criterion, archive: &File, content_len: u64) {
    let archive_len = archive.metadata().expect("the file is open").len();
    let input = || Input::File(archive.try_clone().expect("the system has a handle left"));
    let keys = || vec![key()];
    let mut group = group(criterion, "read");
    for threads in THREADS {
        let name = |verb| format!("{verb}/threads-{threads}");
        let check = |level| whole(verify(input(), &mut keys(), level, threads, &Unobserved));
        group.throughput(Throughput::Bytes(archive_len));
        group.bench_function(name("verify-keyless"), |b| {
            b.iter(|| whole(verify_keyless(input(), threads, &Unobserved)));
        });
        group.bench_function(name("verify-blocks"), |b| {
            b.iter(|| check(VerifyLevel::Blocks));
        });
        group.throughput(Throughput::Bytes(content_len));
        group.bench_function(name("verify-full"), |b| {
            b.iter(|| check(VerifyLevel::Full));
        });
        group.bench_function(name("unpack"), |b| {
            b.iter(|| {
                unpack(input(), &mut keys(), &mut NullSink, threads, &Unobserved)
                    .expect("the archive is whole")
            });
        });
        group.bench_function(name("tar"), |b| {
            b.iter(|| {
                tar(input(), &mut keys(), &mut io::sink(), threads, &Unobserved)
                    .expect("the archive is whole")
            });
        });
    }
}

fn whole(report: Result<VerifyReport, ReadError>) {
    let report = report.expect("the archive can be read");
    assert!(report.findings.is_empty(), "the archive is whole");
}

/// One entry, from opening the archive to its last byte: nothing is in any cache of ours.
fn single_entries(criterion: &mut Criterion, archive: &File) {
    let open = || Archive::open(archive, &mut vec![key()]).expect("the archive is whole");
    let rows: Vec<Row> = open().rows().map_while(Result::ok).collect();
    let mut group = group(criterion, "entry");
    for folder in ["Artifacts", "Packages", "TaskLogs"] {
        // One from the middle of its folder, so that COPY has something to reach back to.
        let prefix = format!("home/{folder}/");
        let inside: Vec<&Row> = rows
            .iter()
            .filter(|row| row.path.as_bytes().starts_with(prefix.as_bytes()))
            .collect();
        let path = &inside[inside.len() / 2].path;
        group.throughput(Throughput::Bytes(inside[inside.len() / 2].size));
        group.bench_function(folder, |b| {
            b.iter(|| {
                let mut archive = open();
                let row = archive.find(path).expect("the catalogue is whole");
                let row = row.expect("its path comes from the catalogue");
                archive
                    .read_entry(&row, &mut io::sink())
                    .expect("its content is whole");
            });
        });
    }
}

/// All rows, by the length of their encodings.
fn listing(criterion: &mut Criterion, name: &str, archive: &File) {
    let open = || Archive::open(archive, &mut vec![key()]).expect("the archive is whole");
    let mut raw = Vec::new();
    for row in open().rows() {
        row.expect("the catalogue is whole").encode_into(&mut raw);
    }
    let mut group = group(criterion, "list");
    group.throughput(Throughput::Bytes(raw.len() as u64));
    group.bench_function(name, |b| {
        b.iter(|| open().rows().filter(Result::is_ok).count());
    });
}

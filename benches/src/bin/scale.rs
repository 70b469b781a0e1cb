//! `scale VERB ...`: archives as large as no disk here, from sources that are made as they are read.
//!
//! One verb a process, so that the peak memory told is its own. Each tells the time of every tenth
//! of the work: they are equal if nothing grows with what was done before.

use bakpak_benches::generator::Generator;
use bakpak_benches::memory::{NullSink, entry, identity, key, settings};
use bakpak_codec::archive::Archive;
use bakpak_codec::input::Input;
use bakpak_codec::observer::Observer;
use bakpak_codec::pack::{Matching, PackSettings, pack};
use bakpak_codec::source::{Identity, Opened, Source, SourceSize};
use bakpak_codec::unpack::unpack;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};
use bakpak_format::geometry::BlockSize;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: scale pack ARCHIVE files COUNT              empty files, 100 in a directory
       scale pack ARCHIVE linked COUNT             the same; every second one is a hard link
       scale pack ARCHIVE noise MIB                one file that does not compress
       scale pack ARCHIVE chunks COUNT             chunks of 4 KiB, all new
       scale pack ARCHIVE copies COUNT             half as many, then all of it again
       scale verify|keyless|unpack|pipe|list|cat ARCHIVE
ARCHIVE may be /dev/null when packing";

/// The chunks of `chunks`.
const SMALL_CHUNK: usize = 4096;

/// What is made at once.
const STRETCH: usize = 1 << 16;

const THREADS: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["pack", archive, workload, count] => match (Workload::named(workload), count.parse()) {
            (Some(workload), Ok(count)) => make(archive, workload, count),
            _ => Err(USAGE.into()),
        },
        [verb, archive] => read(verb, archive),
        _ => Err(USAGE.into()),
    };
    if let Err(error) = result {
        eprintln!("scale: error: {error}");
        return ExitCode::FAILURE;
    }
    tell_memory();
    ExitCode::SUCCESS
}

#[derive(Clone, Copy)]
enum Workload {
    Files,
    Linked,
    Noise,
    Chunks,
    Copies,
}

impl Workload {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "files" => Self::Files,
            "linked" => Self::Linked,
            "noise" => Self::Noise,
            "chunks" => Self::Chunks,
            "copies" => Self::Copies,
            _ => return None,
        })
    }
}

fn make(archive: &str, workload: Workload, count: u64) -> Result<(), Box<dyn Error>> {
    let output = File::create(archive)?;
    let (bytes, chunk_size) = match workload {
        Workload::Files | Workload::Linked => (0, None),
        Workload::Noise => (count << 20, None),
        Workload::Chunks | Workload::Copies => (count * SMALL_CHUNK as u64, Some(SMALL_CHUNK)),
    };
    let settings = PackSettings {
        expected_len: Some(bytes),
        chunk_size,
        // As an archive of that many chunks would have it.
        block_size: chunk_size.map(|_| BlockSize::ONE_MIB),
        ..settings(THREADS)
    };
    let settings = match workload {
        // The table knows a segment chunk by chunk, and here it lies in many.
        Workload::Copies => PackSettings {
            matching: Some(Matching {
                table_memory: 512 << 20,
                ..Matching::default()
            }),
            ..settings
        },
        _ => settings,
    };
    let tenths = Tenths::new(if bytes == 0 { count } else { bytes });
    let report = match workload {
        Workload::Files => {
            let files = (0..count).inspect(|number| tenths.at(*number)).map(empty);
            pack(files, settings, output, &Quiet)?
        }
        Workload::Linked => {
            let files = (0..count).inspect(|number| tenths.at(*number)).map(linked);
            pack(files, settings, output, &Quiet)?
        }
        Workload::Noise => {
            let content = Content::Noise;
            pack(
                [made("home/noise", 0, bytes, content)].into_iter(),
                settings,
                output,
                &tenths,
            )?
        }
        Workload::Chunks => {
            let files = [made("home/a", 0, bytes, Content::Rare)];
            pack(files.into_iter(), settings, output, &tenths)?
        }
        Workload::Copies => {
            let files = ["home/a", "home/b"].map(|path| made(path, 0, bytes / 2, Content::Rare));
            pack(files.into_iter(), settings, output, &tenths)?
        }
    };
    tenths.end();
    println!(
        "entries {}, chunks {}, stream {}, copied {}, archive {}",
        report.entries, report.chunks, report.stream_len, report.copied_bytes, report.archive_len
    );
    Ok(())
}

fn read(verb: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let tenths = Tenths::new(len);
    let (input, mut keys) = (Input::File(file.try_clone()?), vec![key()]);
    match verb {
        "verify" | "keyless" => {
            let report = match verb {
                "verify" => verify(input, &mut keys, VerifyLevel::Full, THREADS, &tenths)?,
                _ => verify_keyless(input, THREADS, &tenths)?,
            };
            println!(
                "findings {}, blocks {}",
                report.findings.len(),
                report.blocks
            );
            if let Some(finding) = report.findings.first() {
                return Err(finding.to_string().into());
            }
        }
        "unpack" => drop(unpack(input, &mut keys, &mut NullSink, THREADS, &tenths)?),
        "pipe" => {
            let input = Input::stream(file);
            unpack(input, &mut keys, &mut NullSink, THREADS, &tenths)?;
        }
        "list" => {
            let mut archive = Archive::open(&file, &mut keys)?;
            let count = archive.totals().row_count;
            let tenths = Tenths::new(count);
            for (number, row) in (0..).zip(archive.rows()) {
                row?;
                tenths.at(number);
            }
            tenths.end();
            return Ok(());
        }
        "cat" => return cat(&file),
        _ => return Err(USAGE.into()),
    }
    tenths.end();
    Ok(())
}

/// Opens the archive and reads an entry from its middle.
fn cat(file: &File) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let mut archive = Archive::open(file, &mut vec![key()])?;
    println!("opened after {:.3} s", begun.elapsed().as_secs_f64());
    let entries = archive.totals().row_count;
    let path = path(entries / 2)?;
    let row = archive.find(&path)?.ok_or("no such entry")?;
    archive.read_entry(&row, &mut io::sink())?;
    println!("read '{path}' after {:.3} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// What is in a made file.
#[derive(Clone, Copy)]
enum Content {
    Nothing,
    /// It neither compresses nor repeats.
    Noise,
    /// One letter, seldom another: it compresses to a tenth and repeats nowhere for long.
    Rare,
}

impl Content {
    /// The stretch of this number.
    fn make(self, number: u64, bytes: &mut Vec<u8>) {
        let mut generator = Generator::of(&[number]);
        bytes.clear();
        match self {
            Self::Nothing => {}
            Self::Noise => generator.noise(bytes, STRETCH),
            Self::Rare => {
                while bytes.len() < STRETCH {
                    let number = generator.number();
                    let letters = number.to_le_bytes().map(|byte| match byte & 15 {
                        0 => b'b',
                        _ => b'a',
                    });
                    bytes.extend_from_slice(&letters);
                }
            }
        }
    }
}

/// A source that makes its content when it is read.
struct Made {
    entry: Entry,
    content: Content,
    stretch: Vec<u8>,
    number: Option<u64>,
}

fn path(number: u64) -> Result<EntryPath, Box<dyn Error>> {
    EntryPath::new(path_text(number)).ok_or_else(|| "no path".into())
}

fn path_text(number: u64) -> String {
    let (upper, lower) = (number / 1_000_000, number / 100 % 10_000);
    format!("home/set-{upper:04}/folder-{lower:04}/document-{number:010}.txt")
}

fn empty(number: u64) -> Box<dyn Source> {
    made(&path_text(number), number, 0, Content::Nothing)
}

/// Every second one is a further name of the one before.
fn linked(number: u64) -> Box<dyn Source> {
    // Both names have one file's times.
    let mut source = made_of(&path_text(number), number / 2, 0, Content::Nothing);
    match number % 2 {
        0 => source.entry.linked = true,
        _ => {
            if let Some(target) = EntryPath::new(path_text(number - 1)) {
                source.entry.kind = EntryKind::HardLink { target };
            }
        }
    }
    Box::new(source)
}

fn made(path: &str, number: u64, size: u64, content: Content) -> Box<dyn Source> {
    Box::new(made_of(path, number, size, content))
}

/// Each number has a time of its own to the nanosecond, as files have: times that repeat would be
/// copied instead of stored.
fn made_of(path: &str, number: u64, size: u64, content: Content) -> Made {
    let mut generator = Generator::of(&[number]);
    let mtime = Timestamp {
        seconds: 1_772_000_000 + generator.below(30_000_000) as i64,
        nanos: generator.below(1_000_000_000) as u32,
    };
    Made {
        entry: entry(path, size, mtime),
        content,
        stretch: Vec::new(),
        number: None,
    }
}

impl Source for Made {
    fn path(&self) -> &EntryPath {
        &self.entry.path
    }

    fn open(&mut self) -> io::Result<Opened> {
        Ok(Opened {
            entry: self.entry.clone(),
            size: SourceSize::Known,
            identity: self.identity()?,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let EntryKind::File { size, .. } = self.entry.kind else {
            return Ok(0);
        };
        let number = offset / STRETCH as u64;
        if self.number != Some(number) {
            self.content.make(number, &mut self.stretch);
            self.number = Some(number);
        }
        let from = (offset % STRETCH as u64) as usize;
        let rest = self.stretch.get(from..).unwrap_or_default();
        let len = rest.len().min(buffer.len()).min((size - offset) as usize);
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        let EntryKind::File { size, .. } = self.entry.kind else {
            return Ok(None);
        };
        Ok(Some(identity(size, self.entry.mtime)))
    }

    fn close(&mut self) {}
}

struct Quiet;

impl Observer for Quiet {}

/// Takes the time of each tenth of the work.
struct Tenths {
    total: u64,
    begun: Instant,
    state: Mutex<Vec<(Duration, u64)>>,
}

impl Tenths {
    fn new(total: u64) -> Self {
        Self {
            total: total.max(1),
            begun: Instant::now(),
            state: Mutex::new(Vec::new()),
        }
    }

    /// So much is done.
    fn at(&self, done: u64) {
        let mut tenths = self.lock();
        while (done as u128) * 10 >= (self.total as u128) * (tenths.len() as u128 + 1) {
            tenths.push((self.begun.elapsed(), memory("VmRSS")));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Duration, u64)>> {
        // No code panics while it holds the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let all = self.begun.elapsed();
        println!("seconds {:.2}", all.as_secs_f64());
        let tenths = self.lock();
        let mut before = Duration::ZERO;
        for (number, (at, rss)) in (1..).zip(tenths.iter().chain([&(all, memory("VmRSS"))])) {
            if number <= 10 {
                let seconds = (*at - before).as_secs_f64();
                println!("tenth {number}: {seconds:.2} s, {} MiB", rss >> 10);
            }
            before = *at;
        }
    }
}

impl Observer for Tenths {
    fn progress(&self, done: u64) {
        self.at(done);
    }
}

fn tell_memory() {
    println!("peak {} MiB", memory("VmHWM") >> 10);
}

/// What the system says of this process, in KiB; 0 where there is no such system.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

//! `make-home DIR SIZE`: writes a synthetic home directory, the same at every run.

use bakpak_benches::generator::Generator;
use bakpak_benches::workload::{MadeFile, workload};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const USAGE: &str =
    "usage: make-home DIR SIZE   (SIZE as 1G, 512M or in bytes; DIR must not exist)";

/// 2026-03-01T00:00:00Z, in seconds.
const MARCH_2026: u64 = 1_772_323_200;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, size] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let Some(size) = parse_size(size) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match make(Path::new(directory), size) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make-home: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(directory: &Path, size: u64) -> Result<(), Box<dyn Error>> {
    fs::create_dir(directory)?;
    let (mut count, mut written) = (0, 0);
    for file in workload(size) {
        write(directory, &file, count)?;
        count += 1;
        written += file.content.len();
    }
    println!("{count} files, {written} bytes");
    Ok(())
}

fn write(directory: &Path, made: &MadeFile, number: u64) -> io::Result<()> {
    let path = directory.join(&made.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create_new(path)?;
    file.write_all(&made.content)?;
    // Times of their own, with nanoseconds, as an archive has to carry them.
    let age = Generator::of(&[number]).below(86_400_000_000_000);
    file.set_modified(
        SystemTime::UNIX_EPOCH + Duration::from_secs(MARCH_2026) + Duration::from_nanos(age),
    )
}

fn parse_size(text: &str) -> Option<u64> {
    let unit = text.bytes().last()?;
    let shift = match unit {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        _ => return text.parse().ok(),
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(1 << shift)
}

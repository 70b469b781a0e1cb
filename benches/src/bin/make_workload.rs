//! `make-workload`: writes files of a server, the same at every run.

use bakpak_benches::generator::Generator;
use bakpak_benches::workload::MadeFile;
use bakpak_benches::{database, server};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const USAGE: &str = "\
usage: make-workload database FILE LEN           one database
       make-workload logs DIR COUNT LEN          so many logs, LEN bytes in all
       make-workload artifacts DIR COUNT LEN     so many artifacts, LEN bytes in all
       make-workload packages DIR LEN            packages, LEN bytes in all
       make-workload small-files DIR COUNT LEN   so many files, LEN bytes each
FILE and DIR must not exist.";

/// 2026-03-01T00:00:00Z, in seconds.
const MARCH_2026: u64 = 1_772_323_200;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("make-workload: error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `false` if these are no arguments.
fn run(words: &[&str]) -> Result<bool, Box<dyn Error>> {
    match words {
        ["database", file, len] => write_database(Path::new(file), len.parse()?)?,
        ["logs", to, count, len] => write_all(to, server::logs(count.parse()?, len.parse()?))?,
        ["artifacts", to, count, len] => {
            write_all(to, server::artifacts(count.parse()?, len.parse()?))?;
        }
        ["packages", to, len] => write_all(to, server::packages(len.parse()?))?,
        ["small-files", to, count, len] => {
            write_all(to, server::small_files(count.parse()?, len.parse()?))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Page by page: a database is longer than what one likes to hold in memory.
fn write_database(path: &Path, len: usize) -> io::Result<()> {
    let mut output = BufWriter::new(File::create_new(path)?);
    let mut left = len;
    for page in database::pages(0) {
        let taken = left.min(page.len());
        output.write_all(&page[..taken])?;
        left -= taken;
        if left == 0 {
            break;
        }
    }
    set_time(&output.into_inner()?, 0)
}

fn write_all(directory: &str, files: impl Iterator<Item = MadeFile>) -> io::Result<()> {
    let directory = Path::new(directory);
    fs::create_dir(directory)?;
    for (number, made) in (0..).zip(files) {
        let path = directory.join(&made.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create_new(path)?;
        file.write_all(&made.content)?;
        set_time(&file, number)?;
    }
    Ok(())
}

/// Times of their own, with nanoseconds, as an archive has to carry them.
fn set_time(file: &File, number: u64) -> io::Result<()> {
    let age = Generator::of(&[number]).below(86_400_000_000_000);
    file.set_modified(
        SystemTime::UNIX_EPOCH + Duration::from_secs(MARCH_2026) + Duration::from_nanos(age),
    )
}

//! A made-up server, the same on every run: backups, logs, packages in versions, a key.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use jiff::civil::date;
use mssql_backup::testing::{Database, Media, write_media};

/// 8 MiB of database.
const PAGE_COUNT: u32 = 1024;

/// Everything bears a time from this second on.
const FIRST_TIME: u64 = 1_700_000_000;

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) files: u64,
    pub(super) len: u64,
}

/// Makes the server in the new directory `root`.
///
/// # Errors
///
/// Something cannot be written.
pub(super) fn make(root: &Path) -> io::Result<Made> {
    let mut maker = Maker {
        root: root.to_owned(),
        made: Made::default(),
        seconds: FIRST_TIME,
    };
    for (name, bytes) in backups() {
        maker.file(&format!("backups/{name}"), &bytes)?;
    }
    let mut package = package();
    for (number, version) in ["1.0.0", "1.0.1", "1.1.0"].iter().enumerate() {
        edit(&mut package, number as u64);
        maker.file(
            &format!("home/Packages/Acme.Web/Acme.Web.{version}.zip"),
            &package,
        )?;
    }
    for task in 1..=12 {
        maker.file(
            &format!("home/TaskLogs/ServerTasks-{task}.txt"),
            task_log(task).as_bytes(),
        )?;
    }
    maker.file(
        "home/Artifacts/Größe und Preis.csv",
        b"size,price\n1,2.50\n",
    )?;
    maker.file("home/Artifacts/empty.txt", b"")?;
    maker.link("home/Packages/Acme.Web/latest.zip", "Acme.Web.1.1.0.zip")?;
    maker.directory("home/Imports")?;
    let mut key = [0; 32];
    Random(32).fill(&mut key);
    maker.file(
        "master-key.txt",
        format!("{}\r\n", Base64::encode_string(&key)).as_bytes(),
    )?;
    for directory in [
        "backups",
        "home/Packages/Acme.Web",
        "home/Packages",
        "home/TaskLogs",
    ] {
        maker.date(directory)?;
    }
    for directory in ["home/Artifacts", "home/Imports", "home"] {
        maker.date(directory)?;
    }
    Ok(maker.made)
}

struct Maker {
    root: PathBuf,
    made: Made,
    seconds: u64,
}

impl Maker {
    fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content)?;
        self.made.files += 1;
        self.made.len += content.len() as u64;
        self.date(name)
    }

    fn directory(&mut self, name: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(name))
    }

    #[cfg(unix)]
    fn link(&mut self, name: &str, target: &str) -> io::Result<()> {
        std::os::unix::fs::symlink(target, self.root.join(name))
    }

    /// Links take a privilege there.
    #[cfg(windows)]
    fn link(&mut self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    /// Gives a time with a fraction, so that what gets lost shows.
    fn date(&mut self, name: &str) -> io::Result<()> {
        self.seconds += 3600;
        let time = UNIX_EPOCH + Duration::new(self.seconds, 123_456_700);
        let path = self.root.join(name);
        match path.is_dir() && cfg!(windows) {
            true => Ok(()), // takes a privilege there
            false => File::options()
                .read(true)
                .write(!path.is_dir())
                .open(path)?
                .set_modified(time),
        }
    }
}

/// The backups of a day, by their names: full, differential and log, as SQL Server makes them.
fn backups() -> Vec<(&'static str, Vec<u8>)> {
    let at = |hour, minute| date(2026, 3, 2).at(hour, minute, 0, 0);
    let mut database = Database::with_pages("Shop", PAGE_COUNT, PAGE_COUNT - 24);
    database.server = "SHOP-SQL".to_owned();
    let orders = |database: &mut Database, hour| {
        (0..50).for_each(|minute| database.commit(at(hour, minute)));
    };
    orders(&mut database, 1);
    let full = database.full(at(2, 0));
    orders(&mut database, 8);
    let morning = database.log(at(9, 0));
    orders(&mut database, 12);
    let differential = database.differential(at(13, 0));
    orders(&mut database, 16);
    let evening = database.log(at(17, 0));
    let sets = [
        ("Shop_FULL.bak", full),
        ("Shop_LOG_0900.trn", morning),
        ("Shop_DIFF.bak", differential),
        ("Shop_LOG_1700.trn", evening),
    ];
    let written = sets.into_iter().flat_map(|(name, mut set)| {
        set.has_checksums = true;
        let files = write_media(&Media::default(), &[set]);
        files.into_iter().map(move |file| (name, file))
    });
    written.collect()
}

/// As incompressible as a zip is.
fn package() -> Vec<u8> {
    let mut package = vec![0; 700 * 1024];
    Random(7).fill(&mut package);
    package[..4].copy_from_slice(b"PK\x03\x04");
    package
}

/// The next version: a few files in it are new, and so everything behind them moves.
fn edit(package: &mut Vec<u8>, number: u64) {
    let mut random = Random(70 + number);
    let mut added = vec![0; 1000 + 37 * number as usize];
    random.fill(&mut added);
    let at = package.len() / 3 + (number as usize) * 5000;
    package.splice(at..at, added);
}

fn task_log(task: u64) -> String {
    let mut random = Random(1000 + task);
    let line = |minute: u64| {
        let (machine, ms) = (random.next() % 4, random.next() % 5000);
        format!("02:{minute:02}:00 Info | deploy Acme.Web to web-{machine} took {ms} ms\n")
    };
    (0..60).map(line).collect()
}

/// Random numbers that are the same on every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_makes_the_same_server() {
        let read = || {
            let dir = tempfile::tempdir().unwrap();
            let made = make(&dir.path().join("server")).unwrap();
            let read = |name: &str| fs::read(dir.path().join("server").join(name)).unwrap();
            (
                made.len,
                read("backups/Shop_DIFF.bak"),
                read("master-key.txt"),
            )
        };
        assert!(read() == read());
    }

    #[test]
    fn the_backups_are_whole() {
        for (name, bytes) in backups() {
            let report = mssql_backup::read::check(&*bytes).unwrap();
            assert_eq!(report.fault_count, 0, "{name}: {:?}", report.faults);
        }
    }
}

//! The formats that keep each table in a file: tar (`-Ft`) and directory (`-Fd`).

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};

use mssql_backup::kind::PostgresFormat;

use crate::fault::{FaultKind, Faults};
use crate::tar_walk::{TarWalk, add_wrong_first};

use super::Dump;
use super::toc::{DataEntry, Extra, Head, Place, Source, Toc, TocError, WITH_RELKIND};

/// The table of contents.
const TOC: &str = "toc.dat";
/// The last member of a tar: the script that restores by hand.
const RESTORE: &str = "restore.sql";
/// What the header of both formats says.
const FORMAT: u8 = 3;
/// What `pg_dump` and its users append to the names of compressed files.
const SUFFIXES: [&str; 3] = [".gz", ".lz4", ".zst"];
/// The longest line of a list of large objects that can be one.
const MAX_LINE_LEN: u64 = 1 << 10;

/// Checks a dump in tar format to its last byte.
pub(super) fn check_tar<R: Read>(reader: R, dump: &mut Dump) -> io::Result<()> {
    let mut files = Files::default();
    let mut is_first = true;
    let mut has_restore = false;
    let mut faults = std::mem::take(&mut dump.faults);
    let walk = TarWalk::new(reader);
    walk.check(&mut faults, |member, content| {
        if is_first && member.path == TOC {
            files.read_toc(BufReader::new(content), dump)?;
        } else if is_first {
            add_wrong_first(&mut dump.faults, TOC);
        } else {
            has_restore |= member.path == RESTORE;
            files.found(&member.path);
            if is_blob_list(&member.path) {
                files.read_blob_list(BufReader::new(content))?;
            }
        }
        is_first = false;
        Ok(())
    })?;
    let is_whole = faults.is_empty() && dump.faults.is_empty();
    dump.faults.extend(faults);
    if is_whole {
        if !has_restore {
            let message = "the tar has no such member, which is its last one";
            dump.faults.add_in(RESTORE, FaultKind::Missing, message);
        }
        files.conclude(&mut dump.faults);
    }
    Ok(())
}

/// The check of a dump that is a directory, whose files come one by one, in any order.
///
/// First its table of contents, then the name of each file, then, if all large objects are to be
/// found too, the content of each `blobs_N.toc` (`blobs.toc` before PostgreSQL 17).
#[derive(Debug)]
pub struct DirectoryCheck {
    dump: Dump,
    files: Files,
    has_all_lists: bool,
}

impl DirectoryCheck {
    /// Begins with the content of `toc.dat`.
    ///
    /// # Errors
    ///
    /// What the reader returns.
    pub fn new<R: Read>(toc: R) -> io::Result<Self> {
        let mut dump = Dump::new(PostgresFormat::DirectoryToc);
        let mut files = Files::default();
        if let Err(error) = files.read_toc(BufReader::new(toc), &mut dump) {
            dump.faults.add_error(Some(TOC), error)?;
        }
        Ok(Self {
            dump,
            files,
            has_all_lists: false,
        })
    }

    /// Takes note of a file of the directory.
    pub fn file(&mut self, name: &str) {
        let suffix = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        self.files.found(suffix.unwrap_or(name));
    }

    /// Reads a list of large objects, a file whose name begins with `blobs`, decompressed.
    ///
    /// # Errors
    ///
    /// What the reader returns.
    pub fn blob_list<R: Read>(&mut self, name: &str, content: R) -> io::Result<()> {
        self.has_all_lists = true;
        let found = self.files.read_blob_list(BufReader::new(content));
        found.or_else(|error| self.dump.faults.add_error(Some(name), error))
    }

    /// What its table of contents tells, without any of the files.
    pub(super) fn without_files(self) -> Dump {
        self.dump
    }

    /// What the check found.
    #[must_use]
    pub fn finish(mut self) -> Dump {
        if self.dump.faults.is_empty() {
            if !self.has_all_lists {
                self.files.listed_blobs = self.files.found_blobs;
            }
            self.files.conclude(&mut self.dump.faults);
        }
        self.dump
    }
}

/// The file with the data of an entry: for large objects, the list of them.
fn file_of(entry: DataEntry, head: &Head) -> Option<String> {
    let Place::File(name) = entry.place else {
        return None;
    };
    // The table of contents of a tar has the name that a table would have.
    if !entry.is_blobs || is_blob_list(&name) {
        Some(name)
    } else if head.version.1 >= WITH_RELKIND {
        Some(format!("blobs_{}.toc", entry.dump_id))
    } else {
        Some("blobs.toc".to_owned())
    }
}

/// Whether a file of this name lists large objects.
fn is_blob_list(name: &str) -> bool {
    name.starts_with("blobs") && name.ends_with(".toc")
}

/// Files that the table of contents names, and whether they are there.
#[derive(Debug, Default)]
struct Files {
    missing: HashSet<String>,
    /// Large objects are counted only: there can be many millions.
    listed_blobs: u64,
    found_blobs: u64,
}

impl Files {
    fn read_toc<R: BufRead>(&mut self, reader: R, dump: &mut Dump) -> io::Result<()> {
        let mut source = Source::new(reader);
        match self.read_toc_of(&mut source, dump) {
            Ok(()) => Ok(()),
            Err(TocError::Io(error)) => Err(error),
            Err(error) => dump.faults.add_toc_error(error),
        }
    }

    fn read_toc_of<R: BufRead>(
        &mut self,
        source: &mut Source<R>,
        dump: &mut Dump,
    ) -> Result<(), TocError> {
        let head = Head::read(source)?;
        if head.format != FORMAT {
            return Err(source.damaged("the format").into());
        }
        dump.take_head(&head);
        let toc = Toc::read(source, &head, Extra::FileName)?;
        dump.take_toc(&toc);
        for entry in toc.data {
            self.missing.extend(file_of(entry, &head));
        }
        match source.next_byte()? {
            None => Ok(()),
            Some(_) => Err(source.damaged("what follows the table of contents").into()),
        }
    }

    fn found(&mut self, name: &str) {
        self.missing.remove(name);
        self.found_blobs += u64::from(name.starts_with("blob_") && name.ends_with(".dat"));
    }

    /// A line for each large object: its OID and its file.
    fn read_blob_list<R: BufRead>(&mut self, mut reader: R) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let len = reader
                .by_ref()
                .take(MAX_LINE_LEN)
                .read_until(b'\n', &mut line)?;
            if len == 0 {
                return Ok(());
            }
            if !line.contains(&b' ') || !line.ends_with(b"\n") {
                let message = "a line of the list of large objects is cut off or damaged";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            self.listed_blobs += 1;
        }
    }

    fn conclude(self, faults: &mut Faults) {
        let mut missing: Vec<String> = self.missing.into_iter().collect();
        missing.sort_unstable();
        for name in missing {
            faults.add_in(
                &name,
                FaultKind::Missing,
                "toc.dat names it, but it is not there",
            );
        }
        if self.found_blobs < self.listed_blobs {
            let message = format!(
                "{} large objects are listed, {} are there",
                self.listed_blobs, self.found_blobs
            );
            faults.add(FaultKind::Missing, message);
        }
    }
}

//! Real BACPACs, dumps, snapshots and certificates, which are not part of the repository.
//!
//! `BAKPAK_REAL_FILES` names a folder of them, all of them whole; a folder in it with `toc.dat` is
//! a dump in directory format. Keys (`.pvk`) are held against the certificate (`.cer`) beside them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic too"
)]

#[path = "../../../cli/tests/support/needs.rs"]
#[allow(dead_code, reason = "the program's tests use more of it")]
mod needs;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use recovery::certificate::{CertificateFile, Pairing};
use recovery::foreign::{self, ForeignKind, ForeignReport};
use recovery::pg_dump::DirectoryCheck;

/// What stands in the folder.
fn real_files() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("BAKPAK_REAL_FILES") else {
        needs::refused("BAKPAK_REAL_FILES names no folder");
        return None;
    };
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(!files.is_empty(), "the folder is empty");
    Some(files)
}

fn check(kind: &ForeignKind, bytes: &[u8]) -> Option<ForeignReport> {
    foreign::check(kind, Cursor::new(bytes)).unwrap()
}

#[test]
fn real_files_are_whole_and_their_truncations_are_not() {
    let files = real_files().unwrap_or_default();
    for path in files.iter().filter(|path| path.is_file()) {
        let bytes = fs::read(path).unwrap();
        let name = path.to_str().unwrap();
        let Some(kind) = foreign::recognise(&bytes, name) else {
            continue;
        };
        let kind = foreign::look_into(kind, Cursor::new(&bytes)).unwrap();
        let Some(report) = check(&kind, &bytes) else {
            continue;
        };
        println!("{name}: {kind:?} {:?}", report.facts());
        assert_eq!(report.faults().list(), [], "{name}");
        // A last comment, and what fills up a last record, say nothing.
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let step = (end / 200).max(1);
        for len in (0..end - 8).step_by(step) {
            let cut = check(&kind, &bytes[..len]).unwrap();
            assert!(!cut.faults().is_empty(), "{name} cut to {len}");
        }
    }
}

#[test]
fn real_dumps_that_are_directories_are_whole() {
    let files = real_files().unwrap_or_default();
    for path in files.iter().filter(|path| path.join("toc.dat").is_file()) {
        let mut check = DirectoryCheck::new(fs::File::open(path.join("toc.dat")).unwrap()).unwrap();
        for file in fs::read_dir(path).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            check.file(name);
            if name.starts_with("blobs") {
                let list = fs::File::open(&file).unwrap();
                check.blob_list(name, list).unwrap();
            }
        }
        assert_eq!(check.finish().faults.list(), [], "{}", path.display());
    }
}

#[test]
fn real_keys_are_those_of_their_certificates() {
    let files = real_files().unwrap_or_default();
    let decode = |path: &Path| CertificateFile::decode(&fs::read(path).unwrap()).unwrap();
    let with = |extension: &'static str| {
        let has = move |path: &&PathBuf| path.extension().is_some_and(|found| found == extension);
        files.iter().filter(has)
    };
    for path in with("cer") {
        let CertificateFile::Certificate(certificate) = decode(path) else {
            panic!("{} is no certificate", path.display());
        };
        for path in with("pvk") {
            let CertificateFile::PrivateKey(key) = decode(path) else {
                panic!("{} is no key", path.display());
            };
            let expected = if key.is_encrypted {
                Pairing::Possible
            } else {
                Pairing::Same
            };
            assert_eq!(key.pairing(&certificate), expected, "{}", path.display());
        }
    }
    for path in with("pfx") {
        assert_eq!(decode(path), CertificateFile::Pfx, "{}", path.display());
    }
}

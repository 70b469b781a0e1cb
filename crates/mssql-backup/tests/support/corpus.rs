//! The sample backups, which lie beside the repository and are never copied into it.

use std::fs;
use std::path::{Path, PathBuf};

use mssql_backup::container::MAGIC;

use crate::needs;

/// Every file of the corpus that is a backup, with its name.
pub(crate) fn backups() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/bak");
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => paths.push(entry.path()),
            }
        }
    }
    paths.sort();
    if paths.is_empty() {
        needs::refused("the sample backups are not beside the repository");
    }
    let named = paths.into_iter().map(|path| {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        (name, fs::read(path).unwrap())
    });
    let is_backup = |bytes: &[u8]| bytes.starts_with(b"TAPE") || bytes.starts_with(&MAGIC);
    named.filter(|(_, bytes)| is_backup(bytes)).collect()
}

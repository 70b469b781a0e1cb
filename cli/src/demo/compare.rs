//! Whether two trees are the same: names, kinds, contents, modes, times and links.

use std::fs;
use std::path::Path;

use anyhow::ensure;

use crate::output::quoted;

/// How much was compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Same {
    pub(super) entries: u64,
    pub(super) len: u64,
}

/// Compares two directories and all below them.
///
/// # Errors
///
/// The first difference, or what cannot be read.
pub(super) fn compare(one: &Path, other: &Path) -> anyhow::Result<Same> {
    let mut same = Same::default();
    directory(one, other, &mut same)?;
    Ok(same)
}

fn directory(one: &Path, other: &Path, same: &mut Same) -> anyhow::Result<()> {
    let (names, other_names) = (names(one)?, names(other)?);
    ensure!(
        names == other_names,
        "{} and {} hold other names",
        quoted(one),
        quoted(other)
    );
    for name in names {
        entry(&one.join(&name), &other.join(&name), same)?;
    }
    Ok(())
}

fn entry(one: &Path, other: &Path, same: &mut Same) -> anyhow::Result<()> {
    let (meta, other_meta) = (one.symlink_metadata()?, other.symlink_metadata()?);
    let name = quoted(other);
    ensure!(
        meta.file_type() == other_meta.file_type(),
        "{name} is of another kind"
    );
    same.entries += 1;
    if meta.is_symlink() {
        ensure!(
            fs::read_link(one)? == fs::read_link(other)?,
            "{name} links elsewhere"
        );
        return Ok(());
    }
    ensure!(
        meta.permissions() == other_meta.permissions(),
        "{name} has another mode"
    );
    ensure!(
        meta.modified()? == other_meta.modified()?,
        "{name} has another time"
    );
    if meta.is_dir() {
        return directory(one, other, same);
    }
    ensure!(
        fs::read(one)? == fs::read(other)?,
        "{name} has another content"
    );
    same.len += meta.len();
    Ok(())
}

fn names(directory: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(directory)?;
    let names: Result<Vec<_>, _> = entries.map(|entry| Ok(entry?.file_name())).collect();
    names.map(|mut names| {
        names.sort();
        names
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(change: impl FnOnce(&Path)) -> bool {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for dir in &dirs {
            fs::create_dir(dir.path().join("a")).unwrap();
            let file = dir.path().join("a/b");
            fs::write(&file, "content").unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
            fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(time)
                .unwrap();
            fs::File::open(dir.path().join("a"))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        change(dirs[1].path());
        compare(dirs[0].path(), dirs[1].path()).is_err()
    }

    #[test]
    fn every_difference_shows() {
        assert!(!differ(|_| ()));
        assert!(differ(|dir| fs::write(dir.join("a/b"), "Content").unwrap()));
        assert!(differ(|dir| fs::write(dir.join("c"), "").unwrap()));
        assert!(differ(|dir| fs::remove_file(dir.join("a/b")).unwrap()));
        assert!(differ(|dir| {
            let now = std::time::SystemTime::now();
            fs::File::open(dir.join("a"))
                .unwrap()
                .set_modified(now)
                .unwrap();
        }));
    }
}

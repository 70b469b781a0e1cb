//! An output file has its name only when it is complete, and takes it from nobody.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail too")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bakpak_tree::{OutputError, PendingFile};

fn names_in(dir: &Path) -> Vec<String> {
    let names = dir
        .read_dir()
        .unwrap()
        .map(|item| item.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_file_gets_its_name_when_persisted() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.bakpak");
    let mut pending = PendingFile::create(&path, false).unwrap();
    pending.write_all(b"content").unwrap();
    assert!(!path.exists());
    pending.persist().unwrap();
    drop(pending);
    assert_eq!(fs::read(&path).unwrap(), b"content");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(names_in(temp.path()), ["a.bakpak"]);
}

#[test]
fn a_dropped_file_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    drop(PendingFile::create(&temp.path().join("a"), false).unwrap());
    assert!(names_in(temp.path()).is_empty());
}

#[test]
fn the_temporary_file_can_be_removed_at_any_time() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let mut pending = PendingFile::create(&path, false).unwrap();
    pending.write_all(b"x").unwrap();
    let temporary = pending.temporary_path().to_owned();
    assert_eq!(fs::read(&temporary).unwrap(), b"x");
    fs::remove_file(&temporary).unwrap();
    assert!(pending.persist().is_err());
    drop(pending);
    assert!(names_in(temp.path()).is_empty());

    let mut pending = PendingFile::create(&path, false).unwrap();
    let temporary = pending.temporary_path().to_owned();
    pending.persist().unwrap();
    assert!(!temporary.exists());
    assert_eq!(names_in(temp.path()), ["a"]);
}

#[test]
fn what_is_there_is_never_overwritten_unless_wanted() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let mut pending = PendingFile::create(&path, false).unwrap();
    fs::write(&path, "mine").unwrap();
    let error = pending.persist().unwrap_err();
    assert!(matches!(error, OutputError::AlreadyThere { .. }), "{error}");
    drop(pending);
    let error = PendingFile::create(&path, false).unwrap_err();
    assert!(matches!(error, OutputError::AlreadyThere { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    let mut pending = PendingFile::create(&path, true).unwrap();
    pending.write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert!(pending.replaces().is_some());
    pending.persist().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");

    fs::create_dir(temp.path().join("dir")).unwrap();
    let error = PendingFile::create(&temp.path().join("dir"), true).unwrap_err();
    assert!(matches!(error, OutputError::AlreadyThere { .. }), "{error}");
}

#[test]
fn a_second_writer_to_the_same_name_is_locked_out() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let first = PendingFile::create(&path, false).unwrap();
    let error = PendingFile::create(&path, false).unwrap_err();
    assert!(matches!(error, OutputError::Locked { .. }), "{error}");
    let _other = PendingFile::create(&temp.path().join("b"), false).unwrap();
    drop(first);
    PendingFile::create(&path, false).unwrap();
}

#[test]
fn the_file_of_a_killed_run_is_named_and_not_taken() {
    let temp = tempfile::tempdir().unwrap();
    let stale = temp.path().join(".a.bakpak-tmp-0123456789abcdef");
    fs::write(&stale, "half").unwrap();
    let mut pending = PendingFile::create(&temp.path().join("a"), false).unwrap();
    assert_eq!(pending.leftovers(), std::slice::from_ref(&stale));
    pending.persist().unwrap();
    assert_eq!(fs::read(&stale).unwrap(), b"half");
    assert_eq!(fs::read(temp.path().join("a")).unwrap(), b"");
}

/// A file beside `path` as a killed run leaves it, with this mode.
fn leave(path: &Path, random: &str, mode: u32) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let left = path.with_file_name(format!(".{name}.bakpak-tmp-{random}"));
    fs::write(&left, "left").unwrap();
    fs::set_permissions(&left, fs::Permissions::from_mode(mode)).unwrap();
    left
}

#[test]
fn what_a_killed_run_has_left_is_gone_on_with() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let left = leave(&path, "0123456789abcdef", 0o600);
    let mut pending = PendingFile::resume(&path, false).unwrap();
    assert!(pending.is_found());
    assert_eq!(pending.temporary_path(), left);
    // Nobody else goes on with it meanwhile.
    let other = PendingFile::resume(&path, false);
    assert!(matches!(other, Err(OutputError::Locked { .. })));
    drop(other);
    pending.cut(2).unwrap();
    pending.write_all(b"st").unwrap();
    drop(pending);
    assert_eq!(fs::read(&left).unwrap(), b"lest");
    let mut pending = PendingFile::resume(&path, false).unwrap();
    pending.persist().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"lest");
    assert!(!left.exists());
}

#[test]
fn an_empty_file_is_not_kept_and_one_of_several_not_chosen() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let pending = PendingFile::resume(&path, false).unwrap();
    assert!(!pending.is_found() && !pending.is_kept());
    drop(pending);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    let one = leave(&path, "0123456789abcdef", 0o600);
    let two = leave(&path, "0123456789abcde0", 0o600);
    let Err(OutputError::SeveralLeft { left, .. }) = PendingFile::resume(&path, false) else {
        panic!("one of them was taken");
    };
    assert_eq!(left, [two, one]);
}

#[test]
fn what_others_may_write_to_is_not_gone_on_with() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let left = leave(&path, "0123456789abcdef", 0o620);
    let pending = PendingFile::resume(&path, false).unwrap();
    assert!(!pending.is_found());
    drop(pending);
    assert_eq!(fs::read(&left).unwrap(), b"left");
}

#[test]
fn a_file_can_be_moved_aside_so_that_it_gets_no_name() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    assert_eq!(
        PendingFile::create(&path, false).unwrap().aside_path(),
        None
    );
    let mut pending = PendingFile::resume(&path, false).unwrap();
    pending.write_all(b"half").unwrap();
    let aside = pending.aside_path().unwrap();
    fs::rename(pending.temporary_path(), &aside).unwrap();
    assert!(pending.persist().is_err());
    drop(pending);
    assert!(!path.exists());
    let found = PendingFile::resume(&path, false).unwrap();
    assert!(found.is_found());
    assert_eq!(found.temporary_path(), aside);
}

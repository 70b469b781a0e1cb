//! What may be at a target, and what becomes of it.
#![cfg(unix)]

#[path = "support/trees.rs"]
mod trees;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use bakpak_tree::{LossKind, Report, StageError, StageOptions, TargetMode, room};
use trees::{
    ID, create, describe, directory, file, hard_link, names_in, path, put, symlink as link_entry,
};

type Stage = bakpak_tree::Stage;

/// The codec may unpack on another thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Stage>();
    is_send::<bakpak_tree::FileSource>();
    is_send::<bakpak_tree::PendingFile>();
};

fn try_create(target: &std::path::Path, mode: TargetMode) -> Result<Stage, StageError> {
    Stage::create(target, mode, StageOptions::default(), &ID)
}

#[test]
fn an_absent_target_appears_only_when_published() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    put(&mut stage, &file("home/a", 1), "x");
    assert!(!target.exists());
    assert_eq!(names_in(temp.path()), [".bakpak-5a5a5a5a5a5a5a5a@target"]);
    let report = stage.publish().unwrap();
    assert_eq!((report.files, report.len), (1, 1));
    assert_eq!(names_in(temp.path()), ["target"]);
    assert_eq!(fs::read(target.join("home/a")).unwrap(), b"x");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(target.join("home")), 0o755);
    assert_eq!(mode(target.join("home/a")), 0o640);
}

#[test]
fn an_empty_target_keeps_its_inode() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("lost+found")).unwrap();
    let inode = fs::metadata(temp.path()).unwrap().ino();
    let mut stage = create(temp.path(), TargetMode::New);
    put(&mut stage, &file("sql/x", 1), "x");
    put(&mut stage, &file("home/a", 1), "x");
    stage.publish().unwrap();
    assert_eq!(names_in(temp.path()), ["home", "lost+found", "sql"]);
    assert_eq!(fs::metadata(temp.path()).unwrap().ino(), inode);
}

#[test]
fn a_target_with_anything_in_it_is_refused_and_untouched() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("mine"), "x").unwrap();
    let before = describe(temp.path());
    let error = try_create(temp.path(), TargetMode::New).unwrap_err();
    assert!(matches!(error, StageError::AlreadyThere { .. }), "{error}");
    let error = try_create(&temp.path().join("mine"), TargetMode::Replace).unwrap_err();
    assert!(matches!(error, StageError::AlreadyThere { .. }), "{error}");
    assert_eq!(describe(temp.path()), before);
}

#[test]
fn what_comes_to_the_target_meanwhile_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    put(&mut stage, &file("home/a", 1), "x");
    fs::write(&target, "mine").unwrap();
    let error = stage.publish().unwrap_err();
    assert!(matches!(error, StageError::AlreadyThere { .. }), "{error}");
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    assert_eq!(names_in(temp.path()), ["target"]);
}

#[test]
fn a_dropped_stage_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    put(&mut stage, &directory("home"), "");
    put(&mut stage, &file("home/a", 1), "x");
    stage.begin(&file("home/b", 1), None).unwrap();
    drop(stage);
    assert!(names_in(temp.path()).is_empty());
    let mut stage = create(temp.path(), TargetMode::New);
    put(&mut stage, &file("home/a", 1), "x");
    stage.abandon().unwrap();
    assert!(names_in(temp.path()).is_empty());
}

#[test]
fn what_is_replaced_is_kept_aside() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("home/dir")).unwrap();
    for name in ["home/a", "home/mine", "home/dir/x"] {
        fs::write(temp.path().join(name), "old").unwrap();
    }
    symlink("/etc", temp.path().join("sql")).unwrap();
    let mut stage = create(temp.path(), TargetMode::Replace);
    put(&mut stage, &file("sql/x.bak", 3), "new");
    let mut home = directory("home");
    home.mode = 0o700;
    put(&mut stage, &home, "");
    put(&mut stage, &file("home/a", 3), "new");
    put(&mut stage, &file("home/dir", 3), "new");
    put(&mut stage, &file("home/new", 3), "new");
    let report = stage.publish().unwrap();
    let read = |name: &str| fs::read_to_string(temp.path().join(name)).unwrap();
    assert_eq!(read("home/a"), "new");
    assert_eq!(read("home/dir"), "new");
    assert_eq!(read("home/new"), "new");
    assert_eq!(read("home/mine"), "old");
    assert_eq!(read("sql/x.bak"), "new");
    let mode = fs::metadata(temp.path().join("home")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o700);
    let aside = report.replaced.unwrap();
    assert_eq!(report.replaced_count, 3);
    assert_eq!(aside, temp.path().join(".bakpak-replaced-5a5a5a5a5a5a5a5a"));
    assert_eq!(fs::read_to_string(aside.join("home/a")).unwrap(), "old");
    assert_eq!(fs::read_to_string(aside.join("home/dir/x")).unwrap(), "old");
    assert!(aside.join("sql").is_symlink());

    let mut stage = create(temp.path(), TargetMode::Replace);
    put(&mut stage, &file("home/a", 3), "newer");
    let report = stage.publish().unwrap();
    assert_eq!(read("home/a"), "newer");
    let aside = report.replaced.unwrap();
    assert_eq!(fs::read_to_string(aside.join("home/a")).unwrap(), "new");
}

#[test]
fn a_merge_puts_only_what_is_missing() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("home/dir")).unwrap();
    fs::write(temp.path().join("home/a"), "old").unwrap();
    let mut stage = create(temp.path(), TargetMode::Merge);
    put(&mut stage, &file("home/a", 3), "new");
    put(&mut stage, &file("home/dir", 3), "new");
    put(&mut stage, &file("home/new/x", 3), "new");
    let report = stage.publish().unwrap();
    let read = |name: &str| fs::read_to_string(temp.path().join(name)).unwrap();
    assert_eq!(read("home/a"), "old");
    assert!(temp.path().join("home/dir").is_dir());
    assert_eq!(read("home/new/x"), "new");
    assert_eq!(names_in(temp.path()), ["home"]);
    let [loss] = &report.losses[..] else {
        panic!("{:?}", report.losses);
    };
    assert_eq!((loss.kind, loss.count), (LossKind::DifferentThere, 2));
    assert_eq!(loss.example, path("home/a"));
    assert_eq!((report.files, report.len), (1, 3));
}

#[test]
fn what_a_merge_leaves_is_not_counted_and_told_by_whether_it_differs() {
    let temp = tempfile::tempdir().unwrap();
    let merge = || {
        let mut stage = create(temp.path(), TargetMode::Merge);
        put(&mut stage, &directory("home"), "");
        put(&mut stage, &file("home/a", 3), "one");
        put(&mut stage, &file("home/b", 4), "four");
        put(&mut stage, &hard_link("home/c", "home/b"), "");
        put(&mut stage, &directory("home/dir"), "");
        put(&mut stage, &file("home/dir/x", 1), "x");
        put(&mut stage, &link_entry("home/way", "a"), "");
        stage.publish().unwrap()
    };
    let counts = |report: &Report| {
        let links = (report.hard_links, report.symlinks);
        (report.files, report.len, report.directories, links)
    };
    let losses = |report: &Report| -> Vec<_> {
        let losses = report.losses.iter();
        losses.map(|loss| (loss.kind, loss.count)).collect()
    };
    let first = merge();
    assert_eq!(counts(&first), (3, 8, 2, (1, 1)));
    assert!(first.losses.is_empty(), "{:?}", first.losses);
    let second = merge();
    assert_eq!(counts(&second), (0, 0, 0, (0, 0)));
    assert_eq!(losses(&second), [(LossKind::AlreadyThere, 5)]);
    // One is missing, one differs, and a file is where a directory would be.
    fs::remove_file(temp.path().join("home/a")).unwrap();
    fs::write(temp.path().join("home/b"), "changed").unwrap();
    fs::remove_dir_all(temp.path().join("home/dir")).unwrap();
    fs::write(temp.path().join("home/dir"), "in the way").unwrap();
    let third = merge();
    assert_eq!(counts(&third), (1, 3, 0, (0, 0)));
    // The other name of what was changed differs too.
    let expected = [(LossKind::AlreadyThere, 1), (LossKind::DifferentThere, 3)];
    assert_eq!(losses(&third), expected);
}

#[test]
fn a_directory_that_may_not_be_written_is_published_all_the_same() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("sql/there")).unwrap();
    let mut stage = create(temp.path(), TargetMode::Replace);
    for name in ["sql", "sql/there", "sql/there/new", "home"] {
        let mut entry = directory(name);
        entry.mode = 0o555;
        put(&mut stage, &entry, "");
        put(&mut stage, &file(&format!("{name}/a"), 1), "x");
    }
    stage.publish().unwrap();
    for name in ["sql", "sql/there", "sql/there/new", "home"] {
        let path = temp.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o555);
        assert!(path.join("a").is_file());
        // Otherwise only root could remove it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_directory_in_the_target_that_may_not_be_written_is_no_hindrance() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("home");
    fs::create_dir_all(home.join("dir")).unwrap();
    for name in ["a", "dir/x"] {
        fs::write(home.join(name), "old").unwrap();
    }
    for dir in [home.join("dir"), home.clone()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let mut stage = create(temp.path(), TargetMode::Replace);
    let mut entry = directory("home");
    entry.mode = 0o555;
    put(&mut stage, &entry, "");
    put(&mut stage, &file("home/a", 3), "new");
    put(&mut stage, &file("home/dir", 3), "new");
    let report = stage.publish().unwrap();
    assert_eq!(report.replaced_count, 2);
    assert_eq!(fs::metadata(&home).unwrap().mode() & 0o7777, 0o555);
    let aside = report.replaced.unwrap().join("home/dir");
    assert_eq!(fs::metadata(&aside).unwrap().mode() & 0o7777, 0o555);
    assert_eq!(fs::read_to_string(home.join("a")).unwrap(), "new");
    for dir in [home, aside] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_second_unpack_to_the_same_target_is_locked_out() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let first = create(&target, TargetMode::New);
    let error = try_create(&target, TargetMode::New).unwrap_err();
    assert!(matches!(error, StageError::Locked { .. }), "{error}");
    let _other = create(&temp.path().join("other"), TargetMode::New);
    drop(first);
    drop(create(&target, TargetMode::New));

    fs::create_dir(&target).unwrap();
    let _first = create(&target, TargetMode::New);
    let error = try_create(&target, TargetMode::New).unwrap_err();
    assert!(matches!(error, StageError::Locked { .. }), "{error}");
    assert_eq!(names_in(&target).len(), 1);
}

#[test]
fn a_link_planted_in_the_stage_leads_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    let tree = temp.path().join(".bakpak-5a5a5a5a5a5a5a5a@target/tree");
    symlink(outside.path(), tree.join("home")).unwrap();
    assert!(stage.begin(&file("home/a", 1), None).is_err());
    symlink(outside.path().join("a"), tree.join("sql")).unwrap();
    assert!(stage.begin(&file("sql", 1), None).is_err());
    drop(stage);
    assert!(names_in(outside.path()).is_empty());
    assert!(names_in(temp.path()).is_empty());
}

#[test]
fn a_link_in_the_archive_is_not_followed_by_later_entries() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    let to = outside.path().as_os_str().as_encoded_bytes();
    put(&mut stage, &link_entry("home/a", to), "");
    put(&mut stage, &file("home/a/x", 1), "x");
    let error = stage.publish().unwrap_err();
    assert!(matches!(error, StageError::Clash(_)), "{error}");
    assert!(names_in(outside.path()).is_empty());
    assert!(!target.exists());
}

#[test]
fn a_link_in_the_target_is_not_followed_when_merging() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), temp.path().join("home")).unwrap();
    for mode in [TargetMode::Merge, TargetMode::Replace] {
        let mut stage = create(temp.path(), mode);
        put(&mut stage, &file("home/a", 1), "x");
        stage.publish().unwrap();
        assert!(names_in(outside.path()).is_empty());
    }
    assert!(temp.path().join("home/a").is_file());
}

#[test]
fn two_entries_of_one_name_clash() {
    let temp = tempfile::tempdir().unwrap();
    let mut stage = create(temp.path(), TargetMode::New);
    put(&mut stage, &file("home/a", 1), "x");
    put(&mut stage, &file("home/b", 1), "x");
    let error = stage.begin(&file("home/a", 1), None).unwrap_err();
    assert!(matches!(error, StageError::Clash(_)), "{error}");
    let error = stage.begin(&file("home/b/c", 1), None).unwrap_err();
    assert!(matches!(error, StageError::Clash(_)), "{error}");
}

#[test]
fn names_that_the_target_cannot_hold_are_listed_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let stage = create(temp.path(), TargetMode::New);
    let paths = ["x", "y"].map(|c| path(format!("home/{}", c.repeat(300))));
    let clashes = stage.check_names(paths.clone()).unwrap();
    assert_eq!(clashes.len(), 2);
    assert_eq!(clashes[1].path, paths[1]);
    assert!(stage.check_names([path("home/ok")]).unwrap().is_empty());
}

#[test]
fn an_entry_that_comes_again_at_once_replaces_itself() {
    let temp = tempfile::tempdir().unwrap();
    let mut stage = create(temp.path(), TargetMode::New);
    put(&mut stage, &file("home/a", 9), "given up");
    put(&mut stage, &file("home/a", 3), "new");
    stage.begin(&file("home/b", 9), None).unwrap();
    stage.write(0, b"given up").unwrap();
    put(&mut stage, &file("home/b", 3), "new");
    put(&mut stage, &link_entry("home/c", "old"), "");
    put(&mut stage, &link_entry("home/c", "new"), "");
    put(&mut stage, &directory("home/d"), "");
    put(&mut stage, &file("home/d", 3), "new");
    stage.begin(&file("home/e", 9), None).unwrap();
    stage.write(0, b"given up").unwrap();
    stage.discard(&path("home/e")).unwrap();
    put(&mut stage, &hard_link("home/f", "home/a"), "");
    put(&mut stage, &file("home/f", 1), "f");
    let report = stage.publish().unwrap();
    let home = temp.path().join("home");
    assert_eq!(names_in(&home), ["a", "b", "c", "d", "f"]);
    for name in ["a", "b", "d"] {
        assert_eq!(fs::read_to_string(home.join(name)).unwrap(), "new");
    }
    assert_eq!(fs::read_to_string(home.join("f")).unwrap(), "f");
    assert_eq!(fs::read_link(home.join("c")).unwrap().to_str(), Some("new"));
    assert_eq!((report.files, report.symlinks), (4, 1));
    assert_eq!(
        (report.directories, report.hard_links, report.len),
        (0, 0, 10)
    );
}

#[test]
fn a_selected_link_gets_the_content_of_its_unselected_file() {
    let temp = tempfile::tempdir().unwrap();
    let mut stage = create(temp.path(), TargetMode::New);
    stage.begin_hidden(&file("home/file", 7), Some(7)).unwrap();
    stage.write(0, b"content").unwrap();
    stage.end().unwrap();
    put(&mut stage, &hard_link("home/one", "home/file"), "");
    put(&mut stage, &hard_link("home/two", "home/file"), "");
    let error = stage
        .begin(&hard_link("home/x", "home/unknown"), None)
        .unwrap_err();
    assert!(matches!(error, StageError::NoLinkTarget { .. }), "{error}");
    let report = stage.publish().unwrap();
    assert_eq!((report.files, report.hard_links, report.len), (1, 1, 7));
    let home = temp.path().join("home");
    assert_eq!(names_in(&home), ["one", "two"]);
    let meta = |name| fs::metadata(home.join(name)).unwrap();
    assert_eq!(meta("one").ino(), meta("two").ino());
    assert_eq!(meta("one").mode() & 0o7777, 0o640);
    assert_eq!(meta("two").mtime_nsec(), 123_456_789);
    assert_eq!(fs::read_to_string(home.join("two")).unwrap(), "content");
}

#[test]
fn a_hole_reads_as_zeros_also_over_what_was_written() {
    let temp = tempfile::tempdir().unwrap();
    let mut stage = create(temp.path(), TargetMode::New);
    stage.begin(&file("home/a", 0), None).unwrap();
    stage.write(0, b"abcdef").unwrap();
    stage.hole(2, 2).unwrap();
    stage.hole(6, 1 << 20).unwrap();
    stage.end().unwrap();
    stage.publish().unwrap();
    let content = fs::read(temp.path().join("home/a")).unwrap();
    assert_eq!(&content[..6], b"ab\0\0ef");
    assert_eq!(content.len(), 6 + (1 << 20));
    assert!(content[6..].iter().all(|&b| b == 0));
    assert!(fs::metadata(temp.path().join("home/a")).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn a_directory_without_an_entry_keeps_what_it_has_when_files_are_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    fs::create_dir_all(target.join("home")).unwrap();
    fs::write(target.join("home/a"), "old").unwrap();
    fs::set_permissions(target.join("home"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut stage = create(&target, TargetMode::Replace);
    stage.begin(&file("home/a", 1), Some(1)).unwrap();
    stage.write(0, b"x").unwrap();
    stage.end().unwrap();
    stage.publish().unwrap();
    assert_eq!(fs::read(target.join("home/a")).unwrap(), b"x");
    let mode = fs::metadata(target.join("home"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_file_can_be_discarded_late() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    for name in ["home/a", "home/b", "home/c"] {
        stage.begin(&file(name, 1), Some(1)).unwrap();
        stage.write(0, b"x").unwrap();
        stage.end().unwrap();
    }
    stage.discard(&path("home/a")).unwrap();
    let report = stage.publish().unwrap();
    assert_eq!((report.files, report.len), (2, 2));
    assert_eq!(names_in(&target.join("home")), ["b", "c"]);
}

#[test]
fn calls_in_a_wrong_order_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let mut stage = create(temp.path(), TargetMode::New);
    assert!(matches!(stage.write(0, b"x"), Err(StageError::Misuse(_))));
    assert!(matches!(stage.end(), Err(StageError::Misuse(_))));
    stage.begin(&file("home/a", 1), None).unwrap();
    let again = stage.begin(&file("home/b", 1), None);
    assert!(matches!(again, Err(StageError::Misuse(_))));
    assert!(stage.discard(&path("home/b")).is_err());
    assert!(matches!(stage.publish(), Err(StageError::Misuse(_))));
    assert!(names_in(temp.path()).is_empty());
}

#[test]
fn room_is_told_of_a_target_that_is_not_there() {
    let temp = tempfile::tempdir().unwrap();
    let there = room(temp.path()).unwrap();
    assert!(there.bytes_free > 0);
    assert!(room(&temp.path().join("not/yet")).unwrap().bytes_free > 0);
}

//! A tree with everything that tends to get lost, walked and staged again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail too")]

#[path = "support/trees.rs"]
mod trees;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use bakpak_format::entry::EntryKind;
use bakpak_tree::{LossKind, Stage, StageOptions, TargetMode};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use trees::{ID, copy, create, describe, names_in, walk_home};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn set_mtime(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Makes what gets lost; as much of it as this user and file system can have.
fn make_difficult(home: &Path) {
    fs::create_dir_all(home.join("empty folder")).unwrap();
    fs::create_dir_all(home.join("a/b/c")).unwrap();
    fs::write(home.join("empty"), "").unwrap();
    fs::write(home.join("a/one"), "content").unwrap();
    fs::hard_link(home.join("a/one"), home.join("a/b/two")).unwrap();
    fs::hard_link(home.join("a/one"), home.join("zero")).unwrap();
    fs::write(home.join("line\nbreak"), "x").unwrap();
    fs::write(home.join("Größe"), "x").unwrap();
    fs::write(home.join(OsStr::from_bytes(b"not \xff utf-8")), "x").unwrap();
    let long = home.join("n".repeat(200)).join("m".repeat(200));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("o".repeat(200)), "deep").unwrap();
    symlink("a/one", home.join("link")).unwrap();
    symlink("/nowhere/at all", home.join("dangling")).unwrap();
    symlink("..", home.join("a/up")).unwrap();

    let sparse = File::create(home.join("sparse")).unwrap();
    sparse.write_all_at(b"middle", 1 << 20).unwrap();
    sparse.set_len(3 << 20).unwrap();
    File::create(home.join("all hole"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();

    rustix::fs::setxattr(
        home.join("a/one"),
        "user.note",
        b"\0\xff",
        XattrFlags::empty(),
    )
    .ok();
    let empty = home.join("empty");
    rustix::fs::setxattr(empty, "user.on read-only", b"x", XattrFlags::empty()).ok();
    rustix::fs::setxattr(home.join("a"), "user.empty", b"", XattrFlags::empty()).ok();
    rustix::fs::mknodat(CWD, home.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    if rustix::process::geteuid().is_root() {
        let device = rustix::fs::makedev(1, 3);
        let mode = Mode::RUSR;
        rustix::fs::mknodat(
            CWD,
            home.join("null"),
            FileType::CharacterDevice,
            mode,
            device,
        )
        .ok();
        std::os::unix::fs::chown(home.join("a/b"), Some(4321), Some(1234)).unwrap();
        std::os::unix::fs::lchown(home.join("dangling"), Some(4321), Some(1234)).unwrap();
    }

    fs::write(home.join("setuid"), "x").unwrap();
    set_mode(&home.join("setuid"), 0o6755);
    fs::write(home.join("no rights"), "x").unwrap();
    if rustix::process::geteuid().is_root() {
        set_mode(&home.join("no rights"), 0);
    }
    set_mode(&home.join("empty"), 0o4000 | 0o444);
    set_mode(&home.join("empty folder"), 0o1777);
    set_mode(&home.join("a/b/c"), 0o2750);
    set_mode(&home.join("a/b"), 0o555);
    // An access control list: owner, user 1 and group may read, nobody else.
    let mut acl = vec![2, 0, 0, 0];
    for (tag, id) in [
        (1u16, u32::MAX),
        (2, 1),
        (4, u32::MAX),
        (16, u32::MAX),
        (32, u32::MAX),
    ] {
        let rights = if tag == 32 { 0u16 } else { 4 };
        acl.extend(tag.to_le_bytes());
        acl.extend(rights.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    let shared = home.join("Größe");
    rustix::fs::setxattr(shared, "system.posix_acl_access", &acl, XattrFlags::empty()).ok();
    let default = "system.posix_acl_default";
    rustix::fs::setxattr(home.join("a"), default, &acl, XattrFlags::empty()).ok();
    set_mtime(&home.join("link"), 1_000_000_000, 1);
    set_mtime(&home.join("a/one"), -1, 999_999_999);
    set_mtime(&home.join("a"), 1_234_567_890, 123_456_789);
    set_mtime(&home.join("a/b"), 1_234_567_891, 5);
    set_mtime(home, 1_234_567_892, 6);
}

#[test]
fn a_difficult_tree_comes_back_identical() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("octopus");
    make_difficult(&home);
    let walked = walk_home(&home);
    assert!(walked.findings().is_empty(), "{:?}", walked.findings());
    // What is made in a directory with default rights would inherit them.
    let rights = [
        2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 7, 0, 255, 255, 255, 255,
    ];
    let rights = [&rights[..], &[32, 0, 7, 0, 255, 255, 255, 255]].concat();
    let default = "system.posix_acl_default";
    rustix::fs::setxattr(temp.path(), default, &rights, XattrFlags::empty()).ok();
    let target = temp.path().join("target");
    let options = StageOptions {
        allow_special: true,
        ..StageOptions::default()
    };
    let mut stage = Stage::create(&target, TargetMode::New, options, &ID).unwrap();
    copy(&walked, &mut stage);
    let report = stage.publish().unwrap();
    assert_eq!(describe(&target.join("home")), describe(&home));
    assert!(report.losses.is_empty(), "{:?}", report.losses);
    assert_eq!(report.hard_links, 2);
    assert_eq!(names_in(temp.path()), ["octopus", "target"]);
    let made = report.files + report.directories + report.symlinks;
    assert_eq!(
        made + report.hard_links + report.specials,
        walked.source_count()
    );
}

#[test]
fn sources_come_in_canonical_order_and_say_what_they_are() {
    let temp = tempfile::tempdir().unwrap();
    make_difficult(temp.path());
    fs::write(temp.path().join("a.txt"), "sorts after everything in a").unwrap();
    let walked = walk_home(temp.path());
    let mut before = None;
    let mut len = 0;
    for mut source in walked.sources() {
        let path = source.path().clone();
        assert!(before < Some(path.clone()), "{before:?} {path:?}");
        before = Some(path);
        let opened = source.open().unwrap();
        assert_eq!(opened.entry.path, *source.path());
        if let EntryKind::File { size, extents } = opened.entry.kind {
            len += size;
            let mut end = 0;
            for extent in extents.unwrap_or_default() {
                assert!(extent.offset >= end && extent.len > 0);
                end = extent.offset + extent.len;
            }
            assert!(end <= size);
        }
    }
    assert_eq!(len, walked.total_len());
    assert_eq!(walked.sources().count() as u64, walked.source_count());
}

#[test]
fn special_things_are_left_out_and_counted_unless_allowed() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("octopus");
    make_difficult(&home);
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    copy(&walk_home(&home), &mut stage);
    let report = stage.publish().unwrap();
    let count = |kind| {
        let loss = report.losses.iter().find(|loss| loss.kind == kind);
        loss.map_or(0, |loss| loss.count)
    };
    assert!(count(LossKind::Special) >= 1);
    assert_eq!(count(LossKind::Privilege), 2);
    assert_eq!(report.specials, 0);
    assert!(!target.join("home/pipe").exists());
    let mode = |name: &str| {
        fs::metadata(target.join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("home/setuid") & 0o7777, 0o755);
    assert_eq!(mode("home/empty folder") & 0o7777, 0o1777);
}

#[test]
fn a_file_of_an_odd_time_keeps_it() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("octopus");
    fs::create_dir(&home).unwrap();
    let file = File::create(home.join("old")).unwrap();
    file.set_modified(UNIX_EPOCH - Duration::from_nanos(1))
        .unwrap();
    let target = temp.path().join("target");
    let mut stage = create(&target, TargetMode::New);
    copy(&walk_home(&home), &mut stage);
    stage.publish().unwrap();
    let modified = fs::metadata(target.join("home/old")).unwrap().modified();
    assert_eq!(modified.unwrap(), UNIX_EPOCH - Duration::from_nanos(1));
}

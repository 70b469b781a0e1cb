//! What a killed run had unpacked is not written again, if it is what the archive gives.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail too")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;
#[path = "support/trees.rs"]
mod trees;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use bakpak_format::entry::Entry;
use bakpak_tree::{Report, Stage, StageError, StageOptions, TargetMode, completed_before};
use tempfile::TempDir;
use trees::{ID, file, names_in};

/// The stage of a killed run beside a target that is not there.
const STAGE: &str = ".bakpak-5a5a5a5a5a5a5a5a@target";

/// The stage of a killed run in a target that is there.
const INSIDE: &str = ".bakpak-5a5a5a5a5a5a5a5a";

struct Killed {
    temp: TempDir,
    stage: PathBuf,
}

impl Killed {
    fn new(stage: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let stage = temp.path().join(stage);
        fs::create_dir_all(stage.join("tree/home")).unwrap();
        fs::set_permissions(&stage, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(stage.join("lock"), "").unwrap();
        Self { temp, stage }
    }

    /// A file that the killed run had written, complete unless `mtime` is another one.
    fn had(&self, entry: &Entry, content: &[u8]) -> u64 {
        let path = self.in_stage(entry);
        fs::write(&path, content).unwrap();
        let time = Duration::new(entry.mtime.seconds.try_into().unwrap(), entry.mtime.nanos);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + time).unwrap();
        path.metadata().unwrap().ino()
    }

    fn in_stage(&self, entry: &Entry) -> PathBuf {
        self.stage.join("tree").join(entry.path.to_string())
    }

    fn target(&self) -> PathBuf {
        self.temp.path().join("target")
    }

    fn begin(&self) -> Stage {
        self.begin_for(&ID)
    }

    fn begin_for(&self, id: &[u8; 16]) -> Stage {
        let options = StageOptions::default();
        Stage::create(&self.target(), TargetMode::New, options, id).unwrap()
    }

    fn inode(&self, entry: &Entry) -> u64 {
        self.published(entry).metadata().unwrap().ino()
    }

    fn published(&self, entry: &Entry) -> PathBuf {
        self.target().join(entry.path.to_string())
    }
}

/// Content that tells its places apart.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8)) as u8).collect()
}

fn publish(killed: &Killed, mut stage: Stage, files: &[(Entry, Vec<u8>)]) -> Report {
    for (entry, content) in files {
        stage.begin(entry, Some(content.len() as u64)).unwrap();
        for (at, piece) in content.chunks(100_000).enumerate() {
            stage.write(at as u64 * 100_000, piece).unwrap();
        }
        stage.end().unwrap();
    }
    let report = stage.publish().unwrap();
    for (entry, content) in files {
        assert!(
            fs::read(killed.published(entry)).unwrap() == *content,
            "{}",
            entry.path
        );
        let mtime = killed.published(entry).metadata().unwrap().mtime();
        assert_eq!(mtime, entry.mtime.seconds, "{}", entry.path);
    }
    report
}

#[test]
fn what_is_complete_and_equal_is_kept_and_all_else_is_written_anew() {
    let killed = Killed::new(STAGE);
    let names = ["home/a", "home/b", "home/c", "home/d", "home/e"];
    let entries = names.map(|name| file(name, 300_000));
    let content = bytes(300_000);
    let kept = killed.had(&entries[0], &content);
    // A byte in the middle is another one, with the right length and time.
    let mut changed = content.clone();
    changed[150_000] ^= 1;
    let was_changed = killed.had(&entries[1], &changed);
    // Broken off: the right length, but not the time that a complete file gets.
    let incomplete = killed.had(&entries[2], &content);
    let path = killed.in_stage(&entries[2]);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::now())
        .unwrap();
    // Shorter.
    let shorter = killed.had(&entries[3], &content[..1000]);
    let files = entries.clone().map(|entry| (entry, content.clone()));
    let report = publish(&killed, killed.begin(), &files);
    assert_eq!((report.kept, report.kept_len), (1, 300_000));
    assert_eq!((report.files, report.len), (5, 1_500_000));
    assert_eq!(killed.inode(&entries[0]), kept);
    for (entry, before) in [(1, was_changed), (2, incomplete), (3, shorter)] {
        assert_ne!(killed.inode(&entries[entry]), before);
    }
    // Nothing of the killed run is left.
    assert_eq!(names_in(killed.temp.path()), ["target"]);
    assert!(report.unpublished.is_empty());
}

#[test]
fn a_file_with_holes_is_kept_and_keeps_its_holes() {
    let killed = Killed::new(STAGE);
    let entry = file("home/sparse", 8 << 20);
    let path = killed.in_stage(&entry);
    let sparse = File::create(&path).unwrap();
    sparse.set_len(8 << 20).unwrap();
    sparse.write_all_at(b"data", 4 << 20).unwrap();
    let time = Duration::new(entry.mtime.seconds.try_into().unwrap(), entry.mtime.nanos);
    sparse.set_modified(SystemTime::UNIX_EPOCH + time).unwrap();
    let (inode, blocks) = (
        path.metadata().unwrap().ino(),
        path.metadata().unwrap().blocks(),
    );
    for (is_equal, data) in [(false, b"DATA"), (true, b"data")] {
        let mut stage = killed.begin();
        stage.begin(&entry, Some(8 << 20)).unwrap();
        stage.hole(0, 4 << 20).unwrap();
        stage.write(4 << 20, data).unwrap();
        stage.hole((4 << 20) + 4, (4 << 20) - 4).unwrap();
        stage.end().unwrap();
        if !is_equal {
            // It was written to a new file; the old one is there still.
            drop(stage);
            assert_eq!(path.metadata().unwrap().ino(), inode);
            continue;
        }
        assert_eq!(stage.publish().unwrap().kept, 1);
    }
    let metadata = killed.published(&entry).metadata().unwrap();
    assert_eq!((metadata.ino(), metadata.blocks()), (inode, blocks));
}

#[test]
fn what_has_more_data_than_the_archive_says_is_not_kept() {
    let killed = Killed::new(STAGE);
    let entry = file("home/a", 300);
    let inode = killed.had(&entry, &[b"content".as_slice(), &[b'x'; 293]].concat());
    let mut stage = killed.begin();
    stage.begin(&entry, Some(300)).unwrap();
    stage.write(0, b"content").unwrap();
    stage.end().unwrap();
    assert_eq!(stage.publish().unwrap().kept, 0);
    let content = fs::read(killed.published(&entry)).unwrap();
    assert_eq!(content, [b"content".as_slice(), &[0; 293]].concat());
    assert_ne!(killed.inode(&entry), inode);
}

#[test]
fn a_stage_of_another_archive_is_left_alone() {
    let killed = Killed::new(STAGE);
    let entry = file("home/a", 4);
    let inode = killed.had(&entry, b"mine");
    let report = publish(
        &killed,
        killed.begin_for(&[7; 16]),
        &[(entry.clone(), b"mine".to_vec())],
    );
    assert_eq!(report.kept, 0);
    assert_eq!(report.unpublished, std::slice::from_ref(&killed.stage));
    assert_eq!(killed.in_stage(&entry).metadata().unwrap().ino(), inode);
}

#[test]
fn what_came_from_a_pipe_takes_over_what_is_equal() {
    let killed = Killed::new(STAGE);
    let entry = file("home/a", 4);
    let inode = killed.had(&entry, b"mine");
    let report = publish(
        &killed,
        killed.begin_for(&[0; 16]),
        &[(entry.clone(), b"mine".to_vec())],
    );
    assert_eq!(report.kept, 1);
    assert_eq!(killed.inode(&entry), inode);
    assert_eq!(names_in(killed.temp.path()), ["target"]);
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let killed = Killed::new(STAGE);
    let entry = file("home/a", 4);
    let outside = killed.temp.path().join("outside");
    fs::write(&outside, "mine").unwrap();
    symlink(&outside, killed.in_stage(&entry)).unwrap();
    let report = publish(
        &killed,
        killed.begin(),
        &[(entry.clone(), b"mine".to_vec())],
    );
    assert_eq!(report.kept, 0);
    assert!(
        killed
            .published(&entry)
            .symlink_metadata()
            .unwrap()
            .is_file()
    );
    assert_eq!(fs::read(outside).unwrap(), b"mine");
}

#[test]
fn an_attribute_that_the_archive_does_not_give_is_not_taken_over() {
    let killed = Killed::new(STAGE);
    let entry = file("home/a", 4);
    let inode = killed.had(&entry, b"mine");
    let path = killed.in_stage(&entry);
    let mut command = Command::new("setfattr");
    let set = command
        .args(["-n", "user.planted", "-v", "x"])
        .arg(&path)
        .status();
    if !set.is_ok_and(|status| status.success()) {
        return needs::missing("setfattr cannot set an attribute here");
    }
    let report = publish(
        &killed,
        killed.begin(),
        &[(entry.clone(), b"mine".to_vec())],
    );
    assert_eq!(report.kept, 0);
    assert_ne!(killed.inode(&entry), inode);
}

/// Publishing was killed and taken back: what is not in the archive stays, and is told.
#[test]
fn of_a_run_that_was_undone_only_what_is_equal_goes() {
    for has_more in [false, true] {
        let killed = Killed::new(&format!("target/{INSIDE}"));
        let entry = file("home/a", 4);
        let inode = killed.had(&entry, b"mine");
        fs::write(killed.stage.join("journal.undone"), "").unwrap();
        if has_more {
            fs::write(killed.stage.join("tree/home/precious"), "precious").unwrap();
        }
        let options = StageOptions::default();
        let stage = Stage::create(&killed.target(), TargetMode::Merge, options, &ID).unwrap();
        let report = publish(&killed, stage, &[(entry.clone(), b"mine".to_vec())]);
        assert_eq!((report.kept, killed.inode(&entry)), (1, inode));
        match has_more {
            true => {
                assert_eq!(report.others, std::slice::from_ref(&killed.stage));
                let precious = fs::read(killed.stage.join("tree/home/precious")).unwrap();
                assert_eq!(precious, b"precious");
            }
            false => assert_eq!(names_in(&killed.target()), ["home"]),
        }
    }
}

#[test]
fn two_runs_do_not_share_a_stage() {
    let killed = Killed::new(STAGE);
    let first = killed.begin();
    let options = StageOptions::default();
    let error = Stage::create(&killed.target(), TargetMode::New, options, &ID).unwrap_err();
    assert!(matches!(error, StageError::Locked { .. }), "{error}");
    drop(first);
}

/// A mark as a killed run leaves it when its tree has become the target.
fn mark(target: &Path, words: &[u8]) -> Vec<u8> {
    let metadata = target.metadata().unwrap();
    let numbers = [metadata.dev(), metadata.ino(), 5, 500, 4, 3, 2, 1, 7];
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let mut mark = b"bakpak complete\0".to_vec();
    mark.extend(numbers);
    mark.extend(words);
    mark
}

/// A target, and the places at which a killed run leaves its mark.
fn completed(place: &str) -> Killed {
    let killed = Killed::new(STAGE);
    fs::create_dir_all(killed.target().join("home")).unwrap();
    fs::remove_dir_all(killed.stage.join("tree")).unwrap();
    let path = killed.temp.path().join(place);
    fs::write(&path, mark(&killed.target(), b"same")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    killed
}

const PLACES: [&str; 2] = [
    ".bakpak-5a5a5a5a5a5a5a5a@target/complete",
    ".bakpak-complete-5a5a5a5a5a5a5a5a@target",
];

#[test]
fn a_target_that_a_killed_run_completed_is_known() {
    for place in PLACES {
        let killed = completed(place);
        let finished = completed_before(&killed.target(), b"same")
            .unwrap()
            .unwrap();
        let report = &finished.report;
        assert_eq!((report.files, report.len, report.directories), (5, 500, 4));
        assert_eq!(
            (report.symlinks, report.hard_links, report.specials),
            (3, 2, 1)
        );
        assert_eq!(finished.missing, 7);
        assert_eq!(names_in(killed.temp.path()), ["target"]);
        assert!(
            completed_before(&killed.target(), b"same")
                .unwrap()
                .is_none()
        );
    }
}

#[test]
fn a_run_that_was_asked_for_something_else_is_refused_and_told_why() {
    for place in PLACES {
        let killed = completed(place);
        assert!(
            completed_before(&killed.target(), b"other")
                .unwrap()
                .is_none()
        );
        let options = StageOptions::default();
        let error = Stage::create(&killed.target(), TargetMode::New, options, &ID).unwrap_err();
        assert!(
            matches!(error, StageError::CompletedBefore { .. }),
            "{error}"
        );
        assert_eq!(names_in(killed.temp.path()), ["target"]);
    }
}

#[test]
fn a_mark_of_another_directory_or_of_others_says_nothing() {
    for place in PLACES {
        let killed = completed(place);
        fs::rename(killed.target(), killed.temp.path().join("moved")).unwrap();
        fs::create_dir_all(killed.target().join("mine")).unwrap();
        assert!(
            completed_before(&killed.target(), b"same")
                .unwrap()
                .is_none()
        );
        let killed = completed(place);
        let path = killed.temp.path().join(place);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert!(
            completed_before(&killed.target(), b"same")
                .unwrap()
                .is_none()
        );
        assert!(path.exists());
    }
}

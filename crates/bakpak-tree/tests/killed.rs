//! What killed runs left at a target, and what others would like us to take for that.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail too")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;
#[path = "support/trees.rs"]
mod trees;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bakpak_tree::{Stage, StageError, StageOptions, TargetMode};
use tempfile::TempDir;
use trees::{ID, create, describe, file, names_in, put};

const STAGE: &str = ".bakpak-5a5a5a5a5a5a5a5a";
const ASIDE: &str = ".bakpak-replaced-5a5a5a5a5a5a5a5a";
const NOBODY: u32 = 65_534;

/// A target in which a killed run left its stage: `home/dir` and `home/file` were published,
/// `sql` was not yet.
struct Killed {
    temp: TempDir,
    target: PathBuf,
    stage: PathBuf,
}

impl Killed {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("target");
        let stage = target.join(STAGE);
        for dir in [&stage.join("tree/home"), &target.join("home/dir/deep")] {
            fs::create_dir_all(dir).unwrap();
        }
        set_mode(&stage, 0o700);
        let killed = Self {
            temp,
            target,
            stage,
        };
        killed.write("lock", "");
        killed.write("tree/sql", "new");
        for name in ["home/file", "home/dir/deep/x"] {
            fs::write(killed.target.join(name), "new").unwrap();
        }
        killed.write(
            "journal",
            "bakpak journal 1\0\0+home/dir\0+home/file\0+sql\0",
        );
        killed
    }

    /// Writes a file into the stage.
    fn write(&self, name: &str, content: &str) {
        let path = self.stage.join(name);
        fs::write(&path, content).unwrap();
        set_mode(&path, 0o600);
    }

    fn unpack(&self) -> Result<Stage, StageError> {
        unpack(&self.target)
    }

    /// Unpacking is refused, and whatever is there stays as it is.
    fn is_refused(&self, why: &str) {
        let before = all(self.temp.path());
        let error = self.unpack().unwrap_err();
        assert!(matches!(error, StageError::Unfinished { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains("rename the stage"), "{error}");
        assert_eq!(all(self.temp.path()), before);
    }
}

fn unpack(target: &Path) -> Result<Stage, StageError> {
    Stage::create(target, TargetMode::Merge, StageOptions::default(), &ID)
}

/// All below a directory but the times of directories, which making a stage changes.
fn all(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in names_in(root) {
        let path = root.join(&name);
        if path.is_dir() {
            found.extend(all(&path).iter().map(|below| format!("{name}/{below}")));
            found.push(name);
        } else {
            found.extend(describe(&path).iter().map(|line| format!("{name} {line}")));
        }
    }
    found
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Until the clock of the file system has surely moved.
fn later() {
    std::thread::sleep(Duration::from_millis(30));
}

#[test]
fn publishing_that_was_killed_is_undone_by_the_next_run() {
    let killed = Killed::new();
    later();
    let stage = killed.unpack().unwrap();
    // It holds what was taken back: nobody is told to remove it.
    assert!(stage.leftovers().is_empty());
    assert_eq!(stage.others(), std::slice::from_ref(&killed.stage));
    drop(stage);
    // Nor is anybody later, when the journal is gone.
    let stage = killed.unpack().unwrap();
    assert_eq!(stage.others(), std::slice::from_ref(&killed.stage));
    assert!(stage.unpublished().is_empty());
    drop(stage);
    assert_eq!(names_in(&killed.target), [STAGE, "home"]);
    assert!(names_in(&killed.target.join("home")).is_empty());
    let tree = killed.stage.join("tree");
    assert_eq!(names_in(&tree), ["home", "sql"]);
    assert_eq!(fs::read(tree.join("home/dir/deep/x")).unwrap(), b"new");
    assert_eq!(fs::read(tree.join("home/file")).unwrap(), b"new");
    assert!(!killed.stage.join("journal").exists());
    killed.unpack().unwrap();
}

#[test]
fn what_was_replaced_comes_back() {
    let killed = Killed::new();
    let aside = killed.target.join(ASIDE);
    fs::create_dir_all(aside.join("home")).unwrap();
    fs::write(aside.join("home/file"), "old").unwrap();
    killed.write(
        "journal",
        &format!("bakpak journal 1\0{ASIDE}\0-home/file\0+home/file\0"),
    );
    drop(killed.unpack().unwrap());
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    assert_eq!(read(killed.target.join("home/file")), "old");
    assert_eq!(read(killed.stage.join("tree/home/file")), "new");
    assert!(!aside.exists());
}

#[test]
fn restored_times_and_further_names_do_not_count_as_later() {
    let killed = Killed::new();
    let published = killed.target.join("home/file");
    fs::hard_link(&published, killed.target.join("home/dir/deep/link")).unwrap();
    for path in [&published, &killed.target.join("home/dir")] {
        let file = fs::File::open(path).unwrap();
        let future = SystemTime::now() + Duration::from_secs(1_000_000);
        file.set_modified(future).unwrap();
    }
    killed.write(
        "journal",
        "bakpak journal 1\0\0+home/dir\0+home/file\0+sql\0",
    );
    later();
    // As the rename does.
    let moved = killed.target.join("home/moved");
    fs::rename(&published, &moved).unwrap();
    fs::rename(&moved, &published).unwrap();
    killed.unpack().unwrap();
    assert!(killed.stage.join("tree/home/dir/deep/link").is_file());
}

#[test]
fn what_came_later_is_not_taken_back() {
    let add = |killed: &Killed| fs::write(killed.target.join("home/dir/mine"), "mine");
    let add_below = |killed: &Killed| fs::create_dir(killed.target.join("home/dir/deep/mine"));
    let change_below = |killed: &Killed| fs::write(killed.target.join("home/dir/deep/x"), "mine");
    let change = |killed: &Killed| fs::write(killed.target.join("home/file"), "mine");
    let move_in = |killed: &Killed| {
        let (old, new) = (killed.temp.path().join("old"), "home/dir/deep/old");
        fs::rename(old, killed.target.join(new))
    };
    type Act<'a> = &'a dyn Fn(&Killed) -> std::io::Result<()>;
    let acts: [(Act<'_>, &str); 5] = [
        (&add, "'home/dir"),
        (&add_below, "'home/dir/deep"),
        (&change_below, "'home/dir/deep/x'"),
        (&change, "'home/file'"),
        (&move_in, "'home/dir/deep"),
    ];
    for (act, what) in acts {
        let killed = Killed::new();
        fs::write(killed.temp.path().join("old"), "mine").unwrap();
        // Older than the journal.
        killed.write(
            "journal",
            "bakpak journal 1\0\0+home/dir\0+home/file\0+sql\0",
        );
        later();
        act(&killed).unwrap();
        killed.is_refused(what);
        // What the message says helps, and loses nothing.
        fs::rename(&killed.stage, killed.target.join("aside")).unwrap();
        killed.unpack().unwrap();
        assert!(killed.target.join("home/dir").is_dir());
    }
}

#[test]
fn publishing_that_was_done_is_finished_and_not_undone() {
    let killed = Killed::new();
    fs::rename(
        killed.stage.join("journal"),
        killed.stage.join("journal.done"),
    )
    .unwrap();
    let stage = killed.unpack().unwrap();
    assert!(stage.leftovers().is_empty() && stage.others().is_empty());
    drop(stage);
    assert_eq!(names_in(&killed.target), ["home"]);
    assert_eq!(names_in(&killed.target.join("home")), ["dir", "file"]);
    let content = fs::read(killed.target.join("home/dir/deep/x")).unwrap();
    assert_eq!(content, b"new");
}

#[test]
fn a_stage_is_called_removable_only_if_there_is_no_file_in_it() {
    let temp = tempfile::tempdir().unwrap();
    let stale = temp.path().join(STAGE);
    fs::create_dir_all(stale.join("tree/home/dir")).unwrap();
    fs::create_dir_all(stale.join("links")).unwrap();
    set_mode(&stale, 0o700);
    for name in ["lock", "symlinks", "directories", "journal.draft"] {
        fs::write(stale.join(name), "").unwrap();
    }
    let mut stage = create(temp.path(), TargetMode::New);
    assert_eq!(stage.leftovers(), std::slice::from_ref(&stale));
    put(&mut stage, &file("home/a", 1), "x");
    let report = stage.publish().unwrap();
    // It is of the same archive, and that is complete now.
    assert!(report.leftovers.is_empty());
    assert_eq!(names_in(temp.path()), ["home"]);

    // What was unpacked and never published is in the archive too; what we do not make is not.
    fs::create_dir_all(stale.join("tree/home/dir")).unwrap();
    fs::create_dir_all(stale.join("links")).unwrap();
    set_mode(&stale, 0o700);
    fs::write(stale.join("lock"), "").unwrap();
    let (mut unpacked, mut unknown) = (Vec::new(), Vec::new());
    for name in ["tree/home/dir/a", "links/1", "notes"] {
        fs::write(stale.join(name), "mine").unwrap();
        let stage = create(temp.path(), TargetMode::Merge);
        assert!(stage.leftovers().is_empty(), "{name}");
        unpacked.extend(stage.unpublished().iter().map(|_| name));
        unknown.extend(stage.others().iter().map(|_| name));
        drop(stage);
        fs::remove_file(stale.join(name)).unwrap();
    }
    assert_eq!(unpacked, ["tree/home/dir/a", "links/1"]);
    assert_eq!(unknown, ["notes"]);
}

#[test]
fn without_a_lock_nothing_is_undone() {
    let killed = Killed::new();
    let lock = killed.stage.join("lock");
    fs::remove_file(&lock).unwrap();
    killed.is_refused("its run may last");
    fs::create_dir(&lock).unwrap();
    killed.is_refused("its run may last");
    // There is nothing to undo, but nobody says either that it can be removed.
    fs::remove_file(killed.stage.join("journal")).unwrap();
    let stage = killed.unpack().unwrap();
    assert!(stage.leftovers().is_empty());
    assert_eq!(stage.others(), std::slice::from_ref(&killed.stage));
}

#[test]
fn a_journal_that_others_may_have_written_is_not_obeyed() {
    for (name, mode) in [
        ("", 0o770),
        ("", 0o702),
        ("journal", 0o620),
        ("journal", 0o602),
    ] {
        let killed = Killed::new();
        set_mode(&killed.stage.join(name), mode);
        killed.is_refused("others may have written");
    }
    if is_root() {
        let killed = Killed::new();
        chown(killed.stage.join("journal"), Some(NOBODY), None).unwrap();
        killed.is_refused("others may have written");
    }
}

#[test]
fn a_journal_that_leads_out_of_the_target_is_not_obeyed() {
    for journal in [
        "\0+../victim/secret\0",
        "\0+home/../../victim/secret\0",
        "../victim\0-home/secret\0",
    ] {
        let killed = Killed::new();
        let victim = killed.temp.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("secret"), "secret").unwrap();
        killed.write("journal", &format!("bakpak journal 1\0{journal}"));
        killed.is_refused("its journal is damaged");
    }
}

#[test]
fn the_stage_of_another_user_is_neither_read_nor_obeyed() {
    if !is_root() {
        return needs::refused("only root can give a stage to another user");
    }
    for journal in ["bakpak journal 1\0\0+home/dir\0", "nonsense"] {
        for mode in [0o700, 0o777, 0] {
            let killed = Killed::new();
            killed.write("journal", journal);
            chown(&killed.stage, Some(NOBODY), None).unwrap();
            set_mode(&killed.stage, mode);
            let before = all(&killed.stage);
            let stage = killed.unpack().unwrap();
            assert!(stage.leftovers().is_empty());
            assert_eq!(stage.others(), std::slice::from_ref(&killed.stage));
            drop(stage);
            assert_eq!(all(&killed.stage), before);
            assert!(killed.target.join("home/dir/deep/x").is_file());
        }
    }
}

#[test]
fn a_journal_in_a_stage_beside_the_target_is_neither_read_nor_obeyed() {
    for journal in ["bakpak journal 1\0\0+home\0", "nonsense"] {
        let temp = tempfile::tempdir().unwrap();
        let planted = temp.path().join(format!("{STAGE}@target"));
        fs::create_dir_all(planted.join("tree")).unwrap();
        set_mode(&planted, 0o700);
        fs::write(planted.join("lock"), "").unwrap();
        fs::write(planted.join("journal"), journal).unwrap();
        fs::write(temp.path().join("home"), "precious").unwrap();
        let stage = unpack(&temp.path().join("target")).unwrap();
        assert!(stage.leftovers().is_empty());
        assert_eq!(stage.others(), std::slice::from_ref(&planted));
        drop(stage);
        assert_eq!(fs::read(temp.path().join("home")).unwrap(), b"precious");
        assert_eq!(
            fs::read(planted.join("journal")).unwrap(),
            journal.as_bytes()
        );
    }
}

#[test]
fn a_file_with_the_name_of_a_stage_is_none() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join(STAGE), "mine").unwrap();
    let stage = create(temp.path(), TargetMode::Merge);
    assert!(stage.leftovers().is_empty() && stage.others().is_empty());
}

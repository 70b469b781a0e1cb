//! What is packed, what is not, and what is objected to.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail too")]

#[path = "support/trees.rs"]
mod trees;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use bakpak_format::entry::EntryKind;
use bakpak_tree::{FindingKind, Root, SourceSize, Walk, WalkError, Walked};
use globset::{Glob, GlobSetBuilder};
use rustix::fs::{CWD, FileType, Mode};
use trees::{path, walk_home};

fn names(walked: &Walked) -> Vec<String> {
    walked.sources().map(|s| s.path().to_string()).collect()
}

fn make_pipe(at: &Path) {
    rustix::fs::mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn a_directory_is_packed_with_or_without_itself() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("x.bak"), "x").unwrap();
    let contents = Walk::new([Root::contents(path("sql"), temp.path())]);
    assert_eq!(names(&contents.run().unwrap()), ["sql/x.bak"]);
    let itself = Walk::new([Root::itself(path("sql/db"), temp.path())]);
    assert_eq!(names(&itself.run().unwrap()), ["sql/db", "sql/db/x.bak"]);
    let file = Walk::new([Root::itself(
        path("attachments/y"),
        temp.path().join("x.bak"),
    )]);
    let walked = file.run().unwrap();
    assert_eq!(names(&walked), ["attachments/y"]);
    let mut source = walked.sources().next().unwrap();
    assert_eq!(source.disk_path(), temp.path().join("x.bak"));
    assert_eq!(source.open().unwrap().size, SourceSize::Known(1));
}

/// A home with a file to keep, and what these patterns leave out of it.
fn excluding(patterns: &[&str]) -> Walked {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("logs/deep")).unwrap();
    fs::write(temp.path().join("logs/deep/x"), "x").unwrap();
    fs::write(temp.path().join("a.tmp"), "x").unwrap();
    fs::write(temp.path().join("kept"), "x").unwrap();
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        globs.add(Glob::new(pattern).unwrap());
    }
    let walk = Walk::new([Root::itself(path("home"), temp.path())]);
    walk.exclude(globs.build().unwrap()).run().unwrap()
}

#[test]
fn an_excluded_directory_is_not_entered() {
    let walked = excluding(&["home/logs", "**/*.tmp"]);
    assert_eq!(names(&walked), ["home", "home/kept"]);
    assert!(walked.idle_excludes().is_empty());
}

#[test]
fn patterns_that_match_nothing_are_known_after_one_walk() {
    // The second and third match only what the first one leaves out.
    let patterns = [
        "home/logs",
        "home/logs/deep/x",
        "**/d*",
        "home/none",
        "sql/*",
    ];
    let walked = excluding(&[&patterns[..], &["**/*.tmp"]].concat());
    assert_eq!(walked.idle_excludes(), [3, 4]);
    assert_eq!(names(&walked), ["home", "home/kept"]);
    assert_eq!(excluding(&["home/none"]).idle_excludes(), [0]);
    // All of it is left out, the root first.
    let all = excluding(&["home", "home/logs/*", "home/logs/none"]);
    assert_eq!(all.idle_excludes(), [2]);
    assert_eq!(all.source_count(), 0);
    assert!(excluding(&[]).idle_excludes().is_empty());
}

#[test]
fn the_output_is_not_packed_into_itself() {
    let temp = tempfile::tempdir().unwrap();
    let output = temp.path().join("out.bakpak");
    let pending = bakpak_tree::PendingFile::create(&output, false).unwrap();
    fs::write(temp.path().join("kept"), "x").unwrap();
    let walk = Walk::new([Root::itself(path("home"), temp.path())]);
    let walked = walk.never([pending.identity().unwrap()]).run().unwrap();
    assert_eq!(names(&walked), ["home", "home/kept"]);
}

#[test]
fn two_sources_of_one_name_are_refused_and_both_named() {
    let temp = tempfile::tempdir().unwrap();
    for dir in ["a", "b"] {
        fs::create_dir(temp.path().join(dir)).unwrap();
        fs::write(temp.path().join(dir).join("x.bak"), "x").unwrap();
    }
    let roots = ["a", "b"].map(|dir| Root::contents(path("sql"), temp.path().join(dir)));
    let error = Walk::new(roots).run().unwrap_err();
    let WalkError::SameName {
        path,
        first,
        second,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(path.to_string(), "sql/x.bak");
    assert_eq!(first, temp.path().join("a/x.bak"));
    assert_eq!(second, temp.path().join("b/x.bak"));
}

#[test]
fn a_link_that_the_user_named_is_followed_and_no_other() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("real")).unwrap();
    fs::write(temp.path().join("real/x"), "x").unwrap();
    symlink("real", temp.path().join("link")).unwrap();
    symlink("/etc", temp.path().join("real/etc")).unwrap();
    let walked = walk_home(&temp.path().join("link"));
    assert_eq!(names(&walked), ["home", "home/etc", "home/x"]);
    for mut source in walked.sources() {
        let entry = source.open().unwrap().entry;
        if source.path() == &path("home/etc") {
            let target = b"/etc".to_vec();
            assert_eq!(entry.kind, EntryKind::Symlink { target });
        }
    }
}

#[test]
fn a_pipe_is_an_entry_in_a_tree_and_a_stream_by_itself() {
    let temp = tempfile::tempdir().unwrap();
    let pipe = temp.path().join("pipe");
    make_pipe(&pipe);
    let walked = walk_home(temp.path());
    let kinds = walked.sources().map(|mut s| s.open().unwrap().entry.kind);
    assert_eq!(kinds.last().unwrap(), EntryKind::Fifo);

    let walked = Walk::new([Root::itself(path("sql/p.bak"), &pipe)])
        .run()
        .unwrap();
    let mut source = walked.sources().next().unwrap();
    assert!(source.is_stream());
    let writer = std::thread::spawn(move || {
        let mut file = fs::OpenOptions::new().write(true).open(pipe).unwrap();
        file.write_all(b"streamed").unwrap();
    });
    assert_eq!(source.open().unwrap().size, SourceSize::Unknown);
    let mut content: Vec<u8> = Vec::new();
    let mut buffer = [0; 3];
    loop {
        let offset = content.len() as u64;
        match source.read_at(offset, &mut buffer).unwrap() {
            0 => break,
            len => content.extend(&buffer[..len]),
        }
    }
    writer.join().unwrap();
    assert_eq!(content, b"streamed");
    assert!(source.read_at(0, &mut buffer).is_err());
}

#[test]
fn the_parts_of_a_stream_may_not_meet_a_file() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("all.bak.parts")).unwrap();
    let stdin = Root::stdin(path("sql/all.bak"));
    let roots = [Root::contents(path("sql"), temp.path()), stdin.clone()];
    let error = Walk::new(roots).run().unwrap_err();
    assert!(matches!(error, WalkError::PartsName { .. }), "{error}");
    let walked = Walk::new([stdin]).run().unwrap();
    assert_eq!(names(&walked), ["sql/all.bak"]);
}

#[test]
fn all_that_cannot_be_packed_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let _socket = UnixListener::bind(temp.path().join("socket")).unwrap();
    let mut deep = temp.path().join("deep");
    for _ in 0..256 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let roots = [
        Root::itself(path("home"), temp.path()),
        Root::itself(path("sql/gone"), temp.path().join("gone")),
        Root::itself(path("sql/gone too"), temp.path().join("gone too")),
    ];
    let walked = Walk::new(roots).run().unwrap();
    let count =
        |is: fn(&FindingKind) -> bool| walked.findings().iter().filter(|f| is(&f.kind)).count();
    assert_eq!(count(|kind| matches!(kind, FindingKind::Socket)), 1);
    assert_eq!(count(|kind| matches!(kind, FindingKind::IllegalName)), 1);
    assert_eq!(count(|kind| matches!(kind, FindingKind::Unreadable(_))), 2);
    assert_eq!(count(FindingKind::is_missing), 3);
    assert_eq!(walked.source_count(), 255 + 1);
}

#[test]
fn a_path_longer_than_the_system_takes_at_once_is_packed() {
    let temp = tempfile::tempdir().unwrap();
    let mut dir = fs::File::open(temp.path()).unwrap();
    let name = "n".repeat(200);
    let flags = rustix::fs::OFlags::DIRECTORY;
    for _ in 0..30 {
        rustix::fs::mkdirat(&dir, &name, Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, &name, flags, Mode::empty())
            .unwrap()
            .into();
    }
    let walked = walk_home(temp.path());
    assert!(walked.findings().is_empty());
    let mut last = walked.sources().last().unwrap();
    assert!(last.path().as_bytes().len() > 6000);
    assert_eq!(last.open().unwrap().entry.kind, EntryKind::Directory);
}

#[test]
fn what_a_file_became_after_the_walk_is_not_waited_for_nor_followed() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    for name in ["to pipe", "to link", "to directory", "gone"] {
        fs::write(temp.path().join(name), "x").unwrap();
    }
    fs::create_dir(temp.path().join("dir")).unwrap();
    fs::write(temp.path().join("dir/secret"), "x").unwrap();
    let walked = walk_home(temp.path());
    for name in ["to pipe", "to link", "to directory", "gone"] {
        fs::remove_file(temp.path().join(name)).unwrap();
    }
    make_pipe(&temp.path().join("to pipe"));
    symlink(outside.path().join("secret"), temp.path().join("to link")).unwrap();
    fs::create_dir(temp.path().join("to directory")).unwrap();
    fs::remove_dir_all(temp.path().join("dir")).unwrap();
    symlink(outside.path(), temp.path().join("dir")).unwrap();
    for mut source in walked.sources() {
        let opened = source.open();
        match source.path().to_string().as_str() {
            "home" => assert!(opened.is_ok()),
            name => assert!(opened.is_err(), "{name}"),
        }
    }
}

#[test]
fn a_directory_that_becomes_a_link_while_it_is_read_is_not_followed() {
    for read_before in 0..3 {
        let temp = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let dir = temp.path().join("dir");
        fs::create_dir(&dir).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.join(name), "inside").unwrap();
            fs::write(outside.path().join(name), "secret").unwrap();
        }
        let walked = walk_home(temp.path());
        // Behind the home and the directory itself.
        for (number, mut source) in walked.sources().skip(2).enumerate() {
            if number == read_before {
                fs::rename(&dir, temp.path().join("moved")).unwrap();
                symlink(outside.path(), &dir).unwrap();
            }
            let opened = source.open();
            // From the second file on the directory is held.
            assert_eq!(opened.is_ok(), number < read_before || read_before > 1);
            if opened.is_ok() {
                let mut content = [0; 6];
                assert_eq!(source.read_at(0, &mut content).unwrap(), 6);
                assert_eq!(&content, b"inside");
            }
        }
    }
}

#[test]
fn a_directory_that_is_replaced_while_it_is_read_is_read_on() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("dir");
    let make = |content: &str| {
        fs::create_dir(&dir).unwrap();
        for name in ["a", "b", "c", "d"] {
            fs::write(dir.join(name), content).unwrap();
        }
    };
    make("before");
    let walked = walk_home(temp.path());
    let mut contents = Vec::new();
    for (number, mut source) in walked.sources().skip(2).enumerate() {
        // By now the directory is held.
        if number == 2 {
            fs::remove_dir_all(&dir).unwrap();
            make("behind");
        }
        source.open().unwrap();
        let mut content = [0; 6];
        assert_eq!(source.read_at(0, &mut content).unwrap(), 6);
        contents.push(content);
    }
    assert_eq!(
        contents,
        [b"before", b"before", b"behind", b"behind"].map(|c| *c)
    );
}

#[test]
fn a_name_that_no_longer_shares_the_file_is_a_file_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("a"), "one").unwrap();
    for name in ["b", "c"] {
        fs::hard_link(temp.path().join("a"), temp.path().join(name)).unwrap();
    }
    let walked = walk_home(temp.path());
    assert_eq!(walked.total_len(), 3);
    fs::remove_file(temp.path().join("b")).unwrap();
    fs::write(temp.path().join("b"), "another").unwrap();
    let mut sources = walked.sources().skip(1);
    let mut next = || sources.next().unwrap().open().unwrap().entry;
    let a = next();
    assert!(a.linked);
    assert!(matches!(next().kind, EntryKind::File { size: 7, .. }));
    let target = path("home/a");
    assert_eq!(next().kind, EntryKind::HardLink { target });
}

#[test]
fn a_change_while_reading_shows_in_the_identity() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("a"), "before").unwrap();
    let walked = walk_home(temp.path());
    let mut source = walked.sources().last().unwrap();
    let before = source.open().unwrap().identity;
    assert_eq!(source.identity().unwrap(), before);
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(temp.path().join("a"), "after").unwrap();
    assert_ne!(source.identity().unwrap(), before);
}

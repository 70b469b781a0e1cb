//! Copies of trees through walk and stage, and descriptions of them to compare.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail too")]
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};
use bakpak_tree::{Root, SourceSize, Stage, StageOptions, TargetMode, Walk, Walked};

pub(crate) const ID: [u8; 16] = [0x5A; 16];

pub(crate) fn path(path: impl AsRef<[u8]>) -> EntryPath {
    EntryPath::new(path.as_ref()).unwrap()
}

pub(crate) fn walk_home(disk: &Path) -> Walked {
    Walk::new([Root::itself(path("home"), disk)]).run().unwrap()
}

pub(crate) fn file(name: &str, len: u64) -> Entry {
    Entry {
        path: path(name),
        kind: EntryKind::File {
            size: len,
            extents: None,
        },
        mode: 0o640,
        uid: rustix::process::geteuid().as_raw().into(),
        gid: rustix::process::getegid().as_raw().into(),
        user: Vec::new(),
        group: Vec::new(),
        mtime: Timestamp {
            seconds: 1_700_000_000,
            nanos: 123_456_789,
        },
        xattrs: Vec::new(),
        linked: false,
    }
}

pub(crate) fn directory(name: &str) -> Entry {
    Entry {
        kind: EntryKind::Directory,
        mode: 0o755,
        ..file(name, 0)
    }
}

pub(crate) fn symlink(name: &str, target: impl Into<Vec<u8>>) -> Entry {
    let target = target.into();
    Entry {
        kind: EntryKind::Symlink { target },
        ..file(name, 0)
    }
}

pub(crate) fn hard_link(name: &str, target: &str) -> Entry {
    let target = path(target);
    Entry {
        kind: EntryKind::HardLink { target },
        ..file(name, 0)
    }
}

pub(crate) fn create(target: &Path, mode: TargetMode) -> Stage {
    Stage::create(target, mode, StageOptions::default(), &ID).unwrap()
}

pub(crate) fn put(stage: &mut Stage, entry: &Entry, content: &str) {
    stage.begin(entry, None).unwrap();
    if matches!(entry.kind, EntryKind::File { .. }) {
        stage.write(0, content.as_bytes()).unwrap();
    }
    stage.end().unwrap();
}

/// Stages all that was walked, holes as holes.
pub(crate) fn copy(walked: &Walked, stage: &mut Stage) {
    for mut source in walked.sources() {
        let opened = source.open().unwrap();
        let len = match opened.size {
            SourceSize::Known(len) => Some(len),
            SourceSize::Unknown => None,
        };
        stage.begin(&opened.entry, len).unwrap();
        let extents = match &opened.entry.kind {
            EntryKind::File { extents, .. } => extents.clone(),
            _ => None,
        };
        let stretches = match extents {
            Some(extents) => extents.iter().map(|e| (e.offset, e.len)).collect(),
            None => vec![(0, u64::MAX)],
        };
        for (start, len) in stretches {
            let mut buffer = vec![0; 64 * 1024];
            let mut offset = start;
            while offset - start < len {
                let wanted = buffer.len().min((len - (offset - start)) as usize);
                let got = source.read_at(offset, &mut buffer[..wanted]).unwrap();
                if got == 0 {
                    break;
                }
                stage.write(offset, &buffer[..got]).unwrap();
                offset += got as u64;
            }
        }
        if let Some(identity) = opened.identity {
            assert_eq!(source.identity().unwrap(), Some(identity));
        }
        stage.end().unwrap();
    }
}

/// A line for everything below `root`, with all that is to survive.
pub(crate) fn describe(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut names = HashMap::new();
    describe_into(root, root, &mut names, &mut lines);
    lines
}

fn describe_into(
    root: &Path,
    at: &Path,
    names: &mut HashMap<(u64, u64), String>,
    lines: &mut Vec<String>,
) {
    let meta = fs::symlink_metadata(at).unwrap();
    let relative = at.strip_prefix(root).unwrap();
    let name = relative.as_os_str().as_bytes().escape_ascii().to_string();
    let first = names
        .entry((meta.dev(), meta.ino()))
        .or_insert_with(|| name.clone());
    let content = if meta.is_symlink() {
        format!("-> {:?}", fs::read_link(at).unwrap())
    } else if meta.is_file() {
        let holes = if meta.blocks() * 512 < meta.len() {
            "holes"
        } else {
            ""
        };
        let sum = fs::read(at)
            .unwrap()
            .iter()
            .fold(7u64, |sum, &b| sum.wrapping_mul(31).wrapping_add(b.into()));
        format!("{} bytes {sum:x} {holes}", meta.len())
    } else {
        String::new()
    };
    let (mode, rdev) = (meta.mode(), meta.rdev());
    let (uid, gid) = (meta.uid(), meta.gid());
    let (s, ns) = (meta.mtime(), meta.mtime_nsec());
    let xattrs = xattrs(at);
    lines.push(format!(
        "{name} is {first} {mode:o} {rdev} {uid}:{gid} {s}.{ns:09} {xattrs:?} {content}"
    ));
    if meta.is_dir() {
        let mut children: Vec<_> = at.read_dir().unwrap().map(|c| c.unwrap().path()).collect();
        children.sort();
        for child in children {
            describe_into(root, &child, names, lines);
        }
    }
}

fn xattrs(at: &Path) -> Vec<(String, Vec<u8>)> {
    let mut list = vec![0; 4096];
    let len = rustix::fs::llistxattr(at, &mut list[..]).unwrap_or(0);
    let mut found = Vec::new();
    for name in list[..len].split(|&b| b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 70_000];
        let len = rustix::fs::lgetxattr(at, name, &mut value[..]).unwrap();
        value.truncate(len);
        found.push((name.escape_ascii().to_string(), value));
    }
    found.sort();
    found
}

/// The names in a directory.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let names = dir
        .read_dir()
        .unwrap()
        .map(|item| item.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

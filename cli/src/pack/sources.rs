//! What was typed as sources, as roots of the walk; and a walked file as a source of the codec.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bakpak_codec::error::Missing;
use bakpak_codec::source::{Grid, Identity, Opened, Source, SourceSize};
use bakpak_codec::tap::Tap;
use bakpak_format::entry::{EntryKind, EntryPath};
use bakpak_tree::{FileSource, Finding, FindingKind, Root};

use super::backups::Backups;
use super::clear_key::{ClearKeySearch, Watch};
use crate::args::PackArguments;
use crate::exit::Failure;
use crate::output::{escaped, quoted};

/// All that is to be packed, with the place of each in the archive.
#[derive(Debug, Default)]
pub(super) struct Sources {
    places: Vec<Place>,
    stdin_entry: Option<EntryPath>,
}

/// Where something on this machine goes in the archive.
#[derive(Debug)]
struct Place {
    path: EntryPath,
    disk: PathBuf,
    /// What is in the directory, without the directory.
    contents: bool,
}

impl Sources {
    /// Gives each thing typed its place.
    ///
    /// # Errors
    ///
    /// Wrong usage: a name that cannot be one in an archive, two homes without name.
    pub(super) fn typed(arguments: &PackArguments) -> Result<Self, Failure> {
        let mut sources = Self::default();
        // Of several directories none can give `sql` its times and mode.
        let is_only = arguments.sql.len() == 1;
        for disk in &arguments.sql {
            match disk.is_dir() {
                true => sources.add(entry_path(b"sql", "sql")?, disk, !is_only),
                false => sources.add(below("sql", &name_of(disk)?)?, disk, false),
            }
        }
        let mut has_unnamed = false;
        for typed in &arguments.home {
            let (name, disk) = split_name(typed);
            if disk.exists() && !disk.is_dir() {
                let disk = quoted(&disk);
                return Err(Failure::usage(format!("--home {disk} is not a directory"))
                    .hint("a single file is packed with --attach"));
            }
            let path = match name {
                Some(name) => below("home", &name)?,
                None if has_unnamed => {
                    return Err(Failure::usage("two --home have no name")
                        .hint("--home NAME=DIR packs DIR as home/NAME"));
                }
                None => {
                    has_unnamed = true;
                    entry_path(b"home", "home")?
                }
            };
            sources.add(path, &disk, false);
        }
        for disk in &arguments.attach {
            sources.add(below("attachments", &name_of(disk)?)?, disk, false);
        }
        if let Some(name) = &arguments.stdin_entry {
            sources.stdin_entry = Some(stdin_path(name)?);
        }
        Ok(sources)
    }

    /// The roots to walk.
    pub(super) fn roots(&self) -> Vec<Root> {
        let walked = self.places.iter().map(|place| match place.contents {
            true => Root::contents(place.path.clone(), &place.disk),
            false => Root::itself(place.path.clone(), &place.disk),
        });
        walked
            .chain(self.stdin_entry.clone().map(Root::stdin))
            .collect()
    }

    /// Whether there is anything but envelope items.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.stdin_entry.is_none()
    }

    /// Those that are read to their end as pipes are: opening one waits until somebody writes to it.
    #[cfg(unix)]
    pub(super) fn named_pipes(&self) -> impl Iterator<Item = &Path> {
        use std::os::unix::fs::FileTypeExt;
        let is_pipe = |disk: &&Path| {
            let there = disk.metadata();
            there.is_ok_and(|there| there.file_type().is_fifo())
        };
        let disks = self.places.iter().map(|place| place.disk.as_path());
        disks.filter(is_pipe)
    }

    /// Those that are read to their end as pipes are: there are none.
    #[cfg(not(unix))]
    pub(super) fn named_pipes(&self) -> impl Iterator<Item = &Path> {
        std::iter::empty()
    }

    /// Where something that cannot be packed would have been.
    pub(super) fn missing(&self, finding: &Finding) -> Option<Missing> {
        let places = self.places.iter();
        let (path, rest) = places
            .filter_map(|place| Some((&place.path, finding.disk.strip_prefix(&place.disk).ok()?)))
            .min_by_key(|(_, rest)| rest.as_os_str().len())?;
        let reason = match &finding.kind {
            FindingKind::Unreadable(error) => error.to_string(),
            FindingKind::IllegalName => "its path is too long or too deep".to_owned(),
            FindingKind::UnknownKind => "it is of no kind that an archive can hold".to_owned(),
            _ => return None,
        };
        let mut found = path.clone();
        for component in rest {
            let bytes = [found.as_bytes(), b"/", component.as_encoded_bytes()].concat();
            // What has no legal path is told by the nearest directory that has one.
            let Some(longer) = EntryPath::new(bytes) else {
                break;
            };
            found = longer;
        }
        Some(Missing {
            path: found,
            reason: format!("{}: {reason}", quoted(&finding.disk)),
        })
    }

    fn add(&mut self, path: EntryPath, disk: &Path, contents: bool) {
        self.places.push(Place {
            path,
            disk: disk.to_owned(),
            contents,
        });
    }
}

/// `NAME=DIR` in two; a NAME has no slash, so that `./a=b` is a directory.
fn split_name(typed: &OsStr) -> (Option<Vec<u8>>, PathBuf) {
    let bytes = typed.as_encoded_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=');
    let Some((name, rest)) = equals.map(|at| (&bytes[..at], &bytes[at + 1..])) else {
        return (None, PathBuf::from(typed));
    };
    if name.is_empty() || name.contains(&b'/') || name.contains(&b'\\') {
        return (None, PathBuf::from(typed));
    }
    (Some(name.to_vec()), path_from(rest))
}

#[cfg(unix)]
fn path_from(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(windows)]
fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// The name of a file or directory, also of `.` and `dir/..`.
fn name_of(disk: &Path) -> Result<Vec<u8>, Failure> {
    let full = match disk.file_name() {
        Some(_) => Some(disk.to_owned()),
        None => disk.canonicalize().ok(),
    };
    let name = full.as_deref().and_then(Path::file_name);
    name.map(|name| name.as_encoded_bytes().to_vec())
        .ok_or_else(|| {
            let disk = quoted(disk);
            Failure::usage(format!(
                "{disk} has no name that it could have in the archive"
            ))
        })
}

fn below(root: &str, name: &[u8]) -> Result<EntryPath, Failure> {
    let shown = String::from_utf8_lossy(name);
    entry_path(&[root.as_bytes(), b"/", name].concat(), &shown)
}

fn stdin_path(name: &OsStr) -> Result<EntryPath, Failure> {
    let bytes = name.as_encoded_bytes();
    let has_root = bytes.contains(&b'/') && EntryPath::new(bytes).is_some();
    match has_root {
        true => entry_path(bytes, &name.to_string_lossy()),
        false => below("attachments", bytes),
    }
}

fn entry_path(bytes: &[u8], shown: &str) -> Result<EntryPath, Failure> {
    EntryPath::new(bytes).ok_or_else(|| {
        Failure::usage(format!(
            "'{}' cannot be a name in an archive",
            escaped(shown)
        ))
    })
}

/// A walked file, directory or stream, as the codec wants it.
pub(super) struct WalkedSource {
    file: FileSource,
    search: Arc<ClearKeySearch>,
    backups: Arc<Backups>,
    watch: Watch,
    /// Reading failed since it was opened, so its content will not be in the archive.
    has_failed: bool,
}

impl WalkedSource {
    pub(super) fn new(
        file: FileSource,
        search: Arc<ClearKeySearch>,
        backups: Arc<Backups>,
    ) -> Self {
        Self {
            file,
            search,
            backups,
            watch: Watch::default(),
            has_failed: false,
        }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.has_failed |= result.is_err();
        result
    }
}

impl Source for WalkedSource {
    fn path(&self) -> &EntryPath {
        self.file.path()
    }

    fn waits(&self) -> bool {
        self.file.is_stream()
    }

    fn open(&mut self) -> io::Result<Opened> {
        self.has_failed = false;
        let opened = self.file.open();
        let opened = self.note(opened)?;
        let is_file = matches!(opened.entry.kind, EntryKind::File { .. });
        let (size, known_len) = match opened.size {
            bakpak_tree::SourceSize::Known(len) => (SourceSize::Known, Some(len)),
            bakpak_tree::SourceSize::Unknown => (SourceSize::Unknown, None),
        };
        self.watch = self
            .search
            .watch(&opened.entry.path, known_len.filter(|_| is_file));
        let identity = opened.identity.as_ref().map(identity);
        Ok(Opened {
            entry: opened.entry,
            size,
            identity,
        })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, buffer);
        let len = self.note(read)?;
        self.search
            .look(&mut self.watch, self.file.path(), offset, &buffer[..len]);
        Ok(len)
    }

    fn identity(&mut self) -> io::Result<Option<Identity>> {
        let now = self.file.identity();
        Ok(self.note(now)?.as_ref().map(identity))
    }

    fn grids(&mut self) -> Vec<Grid> {
        self.backups.grids(self.file.path())
    }

    fn tap(&mut self) -> Option<Box<dyn Tap>> {
        self.backups.tap(self.file.path())
    }

    fn close(&mut self) {
        match self.has_failed {
            true => self.file.give_up(),
            false => self.file.close(),
        }
    }
}

fn identity(identity: &bakpak_tree::Identity) -> Identity {
    Identity {
        device: identity.file.device,
        inode: identity.file.inode,
        size: identity.size,
        mtime: identity.mtime,
        ctime: identity.ctime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(typed: &str) -> (Option<String>, String) {
        let (name, disk) = split_name(OsStr::new(typed));
        (
            name.map(|name| String::from_utf8(name).unwrap()),
            disk.display().to_string(),
        )
    }

    #[test]
    fn a_home_may_have_a_name() {
        assert_eq!(
            split("app=/srv/a=b"),
            (Some("app".into()), "/srv/a=b".into())
        );
        assert_eq!(split("/srv/a=b"), (None, "/srv/a=b".into()));
        assert_eq!(split("./a=b"), (None, "./a=b".into()));
        assert_eq!(split("=b"), (None, "=b".into()));
        assert_eq!(split("/srv"), (None, "/srv".into()));
    }

    #[test]
    fn standard_input_is_an_attachment_unless_its_name_has_a_root() {
        for (name, path) in [
            ("shop.sql", "attachments/shop.sql"),
            ("sql/shop.bak", "sql/shop.bak"),
            ("sql", "attachments/sql"),
            ("dumps/shop", "attachments/dumps/shop"),
        ] {
            assert_eq!(stdin_path(OsStr::new(name)).unwrap().to_string(), path);
        }
        for name in ["", "/x", "../x", "a//b", "sql/../x"] {
            assert!(stdin_path(OsStr::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_told_by_its_path_in_the_archive() {
        let mut sources = Sources::default();
        sources.add(EntryPath::new("home").unwrap(), Path::new("/srv"), false);
        sources.add(
            EntryPath::new("home/app").unwrap(),
            Path::new("/srv/app"),
            false,
        );
        let disk = PathBuf::from("/srv/app/a/b");
        let kind = FindingKind::Unreadable(io::ErrorKind::PermissionDenied.into());
        let missing = sources.missing(&Finding { disk, kind }).unwrap();
        assert_eq!(missing.path.to_string(), "home/app/a/b");
        assert_eq!(missing.reason, "'/srv/app/a/b': permission denied");
        let finding = Finding {
            disk: "/srv/s".into(),
            kind: FindingKind::Socket,
        };
        assert!(sources.missing(&finding).is_none());
    }
}

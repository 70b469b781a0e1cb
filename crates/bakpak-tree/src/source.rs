//! One thing to pack, open for reading.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};
use bakpak_format::limits::MAX_XATTR_LEN;

use crate::links::Role;
use crate::platform::os::{self, Handle};
use crate::platform::{FileId, Kind, Status};
use crate::tree::{Node, Place, Tree};

/// All extended attributes of an entry must fit into its record of 1 MiB, with the rest of it.
const MAX_XATTRS_LEN: usize = 900 * 1024;

/// A file with more holes than this keeps the first ones; the content is the same.
const MAX_EXTENTS: usize = 65_536;

/// A shorter file is not asked for its holes where it has blocks for all of its content. It may
/// still have one, if some of its blocks hold something else (attributes, room behind its end); then
/// zeros are stored.
const SPARSE_FILE_LEN: u64 = 64 * 1024;

/// A file that changed less than this ago is looked at again after as long: systems note the time
/// of a change in ticks (of 10 ms where they are longest), and a second change within one tick would
/// not show. What the file system itself counts in seconds (FAT) stays unnoticed within one.
const TICK: Duration = Duration::from_millis(20);

/// So often is a file looked at that changes between one look and the next.
const LOOKS: usize = 4;

/// From this length on it pays to announce that all of a file will be read.
const LARGE_FILE_LEN: u64 = 1 << 20;

/// Something of the walk. Metadata are read when it is opened.
#[derive(Debug)]
pub struct FileSource {
    tree: Arc<Tree>,
    node: Node,
    state: State,
    /// The file this was when it was last opened.
    id: Option<FileId>,
}

/// What opening a source says about it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its entry. A source of unknown size has size 0 in it.
    pub entry: Entry,
    /// How long it is.
    pub size: SourceSize,
    /// The file it is now, to be compared after reading; `None` unless it is a regular file.
    pub identity: Option<Identity>,
}

/// How long a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceSize {
    /// This long; 0 for all but regular files.
    Known(u64),
    /// As long as it turns out to be.
    Unknown,
}

/// Which file it is, and when it last changed: if equal before and after, what was read is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which file.
    pub file: FileId,
    /// Its length.
    pub size: u64,
    /// When its content last changed.
    pub mtime: Timestamp,
    /// When anything of it last changed; no program can set it.
    pub ctime: Timestamp,
}

#[derive(Debug)]
enum State {
    Closed,
    /// Open, without content: a directory, a link, a device.
    Empty,
    File(Handle),
    Stream(Stream),
    /// What it was cannot be told any more.
    Lost(io::ErrorKind),
}

struct Stream {
    reader: Box<dyn Read + Send>,
    position: u64,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream at {}", self.position)
    }
}

impl FileSource {
    pub(crate) fn new(tree: Arc<Tree>, node: Node) -> Self {
        Self {
            tree,
            node,
            state: State::Closed,
            id: None,
        }
    }

    /// Stands for all that comes behind `last` and cannot be read from the list any more.
    pub(crate) fn lost(tree: &Arc<Tree>, last: Node, kind: io::ErrorKind) -> Self {
        let path = all_behind(&last.path);
        Self {
            state: State::Lost(kind),
            ..Self::new(Arc::clone(tree), Node { path, ..last })
        }
    }

    /// Its path in the archive.
    pub fn path(&self) -> &EntryPath {
        &self.node.path
    }

    /// Where it lies on this machine, for messages.
    pub fn disk_path(&self) -> PathBuf {
        self.tree.disk_path(&self.node)
    }

    /// Whether its size can only be known by reading it to the end.
    pub fn is_stream(&self) -> bool {
        let place = &self.tree.root(&self.node).place;
        matches!(place, Place::Stream(_) | Place::Stdin)
    }

    /// Opens it and reads its metadata; again, if it is open already (a stream opens only once).
    ///
    /// # Errors
    ///
    /// It is gone, may not be read, is now of another kind than when it was walked (a file that
    /// became a named pipe is not waited for, a link is not followed), or has an extended
    /// attribute that the archive cannot hold.
    pub fn open(&mut self) -> io::Result<Opened> {
        match self.state {
            State::Stream(_) => return Err(io::Error::other("a stream can be read only once")),
            State::Lost(kind) => {
                let what = format!("the list of what was found cannot be read again: {kind}");
                return Err(io::Error::new(kind, what));
            }
            _ => {}
        }
        let result = match &self.tree.root(&self.node).place {
            Place::Stdin => self.open_stdin(),
            Place::Stream(disk) => self.open_stream(&disk.clone()),
            Place::File(_) | Place::Directory(..) => self.open_walked(),
        };
        if result.is_err() {
            self.give_up();
        }
        result
    }

    /// Reads at a place; 0 at the end, and from what has no content.
    ///
    /// # Errors
    ///
    /// What the system says; a stream is read in order only.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Closed | State::Lost(_) => Err(io::Error::other("the source is not open")),
            State::Empty => Ok(0),
            State::File(handle) => handle.read_at(buffer, offset),
            State::Stream(stream) if offset != stream.position => {
                Err(io::Error::other("a stream is read in order only"))
            }
            State::Stream(stream) => {
                let len = stream.reader.read(buffer)?;
                stream.position += len as u64;
                Ok(len)
            }
        }
    }

    /// The file it is now: of the open handle, whatever the name may lead to meanwhile.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn identity(&mut self) -> io::Result<Option<Identity>> {
        match &self.state {
            State::File(handle) => Ok(Some(identity(&handle.status()?))),
            _ => Ok(None),
        }
    }

    /// Says that its content is not in the archive after all: if it has further names, the next
    /// of them becomes the file.
    pub fn give_up(&mut self) {
        if let Some(id) = self.id.take() {
            self.tree.links.forget(id, &self.node.path);
        }
        self.close();
    }

    /// Closes it; what was read stays counted.
    pub fn close(&mut self) {
        if !matches!(self.state, State::Lost(_)) {
            self.state = State::Closed;
        }
    }

    fn open_walked(&mut self) -> io::Result<Opened> {
        let walked = self.node.kind;
        let root = &self.tree.root(&self.node).place;
        let handle = match root {
            Place::Directory(_, dir) => {
                let path = self.tree.relative_path(&self.node);
                self.tree.near.open(self.node.root, dir, path, walked)
            }
            Place::File(path) | Place::Stream(path) => Handle::open(path, walked),
            Place::Stdin => Err(io::ErrorKind::InvalidInput.into()),
        };
        let handle = handle.map_err(|error| explain(error, walked))?;
        let (status, changed_at) = settled(|| handle.status(), is_recent)?;
        if status.kind != walked {
            return Err(changed_kind(walked, status.kind.name()));
        }
        if let Some(old) = self.id.replace(status.id)
            && old != status.id
        {
            self.tree.links.forget(old, &self.node.path);
        }
        let (kind, linked) = self.entry_kind(&handle, &status)?;
        let is_file = matches!(kind, EntryKind::File { .. });
        let has_own_attributes = !matches!(kind, EntryKind::HardLink { .. });
        let xattrs = match has_own_attributes {
            true => read_xattrs(&handle)?,
            false => Vec::new(),
        };
        let entry = Entry {
            xattrs,
            linked,
            ..self.entry(kind, &status)
        };
        let size = if is_file { status.size } else { 0 };
        if size >= LARGE_FILE_LEN {
            handle.will_read_all();
        }
        self.state = match is_file {
            true => State::File(handle),
            false => State::Empty,
        };
        Ok(Opened {
            entry,
            size: SourceSize::Known(size),
            identity: is_file.then(|| Identity {
                ctime: changed_at,
                ..identity(&status)
            }),
        })
    }

    fn entry_kind(&self, handle: &Handle, status: &Status) -> io::Result<(EntryKind, bool)> {
        let (major, minor) = status.device;
        let kind = match status.kind {
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink {
                target: handle.link_target()?,
            },
            Kind::Fifo => EntryKind::Fifo,
            Kind::CharDevice => EntryKind::CharDevice { major, minor },
            Kind::BlockDevice => EntryKind::BlockDevice { major, minor },
            Kind::File | Kind::Socket | Kind::Other => {
                let role = match status.link_count {
                    0 | 1 => Role::File { linked: false },
                    _ => self.tree.links.open(status.id, &self.node.path),
                };
                let linked = match role {
                    Role::LinkTo(target) => return Ok((EntryKind::HardLink { target }, false)),
                    Role::File { linked } => linked,
                };
                let size = status.size;
                let is_full = size < SPARSE_FILE_LEN && status.stored_len >= size;
                let extents = match size {
                    0 => None,
                    _ if is_full => None,
                    _ => handle.extents(size, MAX_EXTENTS),
                };
                return Ok((EntryKind::File { size, extents }, linked));
            }
        };
        Ok((kind, false))
    }

    fn entry(&self, kind: EntryKind, status: &Status) -> Entry {
        Entry {
            path: self.path().clone(),
            kind,
            mode: status.mode,
            uid: status.uid.into(),
            gid: status.gid.into(),
            user: self.tree.owners.user(status.uid),
            group: self.tree.owners.group(status.gid),
            mtime: status.mtime,
            xattrs: Vec::new(),
            linked: false,
        }
    }

    /// A pipe is waited for, until someone writes to it: the user named it.
    fn open_stream(&mut self, disk: &Path) -> io::Result<Opened> {
        let file = File::open(disk)?;
        let status = os::status_of(&file)?;
        let mode = status.mode & 0o666;
        Ok(self.opened_stream(Box::new(file), mode, (status.uid, status.gid)))
    }

    fn open_stdin(&mut self) -> io::Result<Opened> {
        Ok(self.opened_stream(Box::new(io::stdin()), 0o600, os::effective_ids()))
    }

    fn opened_stream(
        &mut self,
        reader: Box<dyn Read + Send>,
        mode: u32,
        (uid, gid): (u32, u32),
    ) -> Opened {
        let position = 0;
        self.state = State::Stream(Stream { reader, position });
        let kind = EntryKind::File {
            size: 0,
            extents: None,
        };
        let entry = Entry {
            path: self.path().clone(),
            kind,
            mode,
            uid: uid.into(),
            gid: gid.into(),
            user: self.tree.owners.user(uid),
            group: self.tree.owners.group(gid),
            mtime: SystemTime::now().into(),
            xattrs: Vec::new(),
            linked: false,
        };
        Opened {
            entry,
            size: SourceSize::Unknown,
            identity: None,
        }
    }
}

/// A path behind `last`, and behind all that is below it, for what comes there. If `last` is too long
/// for that, the path names a directory above it.
fn all_behind(last: &EntryPath) -> EntryPath {
    let mut path = last.as_bytes();
    loop {
        if let Some(behind) = EntryPath::new([path, b" and all behind it"].concat()) {
            return behind;
        }
        match path.iter().rposition(|&byte| byte == b'/') {
            Some(end) => path = &path[..end],
            // A first component takes nothing behind it.
            None => return last.clone(),
        }
    }
}

/// The status of what is open, taken when its last change lies behind the current tick: any later
/// change then has another time. Beside it the time of change that it is to be compared by: for a
/// file that changes again and again one that is past, so that it counts as changed.
fn settled(
    mut look: impl FnMut() -> io::Result<Status>,
    is_recent: impl Fn(Timestamp) -> bool,
) -> io::Result<(Status, Timestamp)> {
    let mut status = look()?;
    let first = status.ctime;
    for _ in 1..LOOKS {
        if status.kind != Kind::File || !is_recent(status.ctime) {
            return Ok((status, status.ctime));
        }
        std::thread::sleep(TICK);
        status = look()?;
    }
    let changed_at = match is_recent(status.ctime) {
        true => first,
        false => status.ctime,
    };
    Ok((status, changed_at))
}

/// Whether something happened within the last tick, by this machine's clock.
fn is_recent(time: Timestamp) -> bool {
    let since_epoch = |t: Timestamp| Some(Duration::new(t.seconds.try_into().ok()?, t.nanos));
    match (since_epoch(time), since_epoch(SystemTime::now().into())) {
        (Some(then), Some(now)) => now.saturating_sub(then) < TICK && then < now + TICK,
        _ => false,
    }
}

fn identity(status: &Status) -> Identity {
    Identity {
        file: status.id,
        size: status.size,
        mtime: status.mtime,
        ctime: status.ctime,
    }
}

fn read_xattrs(handle: &Handle) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut xattrs = Vec::new();
    let mut total_len = 0;
    for name in handle.xattr_names()? {
        let Some(value) = handle.xattr(&name)? else {
            continue;
        };
        total_len += name.len() + value.len();
        if value.len() > MAX_XATTR_LEN || total_len > MAX_XATTRS_LEN {
            let name = name.escape_ascii();
            let why = format!(
                "attribute '{name}' is too large: {} bytes, at most {MAX_XATTR_LEN} are possible, \
                 and {MAX_XATTRS_LEN} for all together",
                value.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        xattrs.push((name, value));
    }
    Ok(xattrs)
}

/// Says what the system's words for a link or a file in the wrong place mean here.
fn explain(error: io::Error, walked: Kind) -> io::Error {
    match error.kind() {
        _ if os::is_link_in_the_way(&error) => changed_kind(walked, "symbolic link, or below one"),
        io::ErrorKind::NotADirectory => changed_kind(walked, "something else, or below a file"),
        _ => error,
    }
}

fn changed_kind(walked: Kind, now: &str) -> io::Error {
    let was = walked.name();
    io::Error::other(format!(
        "it was a {was} when it was walked and is now a {now}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Systems tell two changes within a tick apart once the first one has been asked for (Linux from
    /// 6.13 on), so what depends on this cannot be shown to fail there.
    #[test]
    fn a_change_within_the_last_tick_is_recent_and_no_other() {
        // Unless this was interrupted for longer than a tick between the two clocks.
        let is_seen = || {
            let now = SystemTime::now();
            is_recent(now.into()) || now.elapsed().is_ok_and(|elapsed| elapsed >= TICK)
        };
        assert!(is_seen());
        let now = SystemTime::now();
        for other in [now - TICK, now + 1000 * TICK, SystemTime::UNIX_EPOCH - TICK] {
            assert!(!is_recent(other.into()), "{other:?}");
        }
    }

    /// What [`settled`] makes of a file whose status has these times of change, one at each look; of
    /// them those from 100 on are recent.
    fn settled_among(times: &[i64]) -> (Timestamp, Timestamp, usize) {
        let status = os::status_of(&tempfile::tempfile().unwrap()).unwrap();
        let mut looks = 0;
        let look = || {
            let ctime = at(times[looks]);
            looks += 1;
            Ok(Status { ctime, ..status })
        };
        let (status, changed_at) = settled(look, |time| time.seconds >= 100).unwrap();
        (status.ctime, changed_at, looks)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn a_file_that_was_written_again_meanwhile_is_looked_at_again() {
        for recent in 0..LOOKS {
            let mut times = vec![100; recent];
            times.push(99);
            assert_eq!(settled_among(&times), (at(99), at(99), recent + 1));
        }
    }

    #[test]
    fn a_file_that_never_settles_counts_as_changed() {
        let times = [100, 101, 102, 103];
        assert_eq!(settled_among(&times), (at(103), at(100), LOOKS));
    }

    #[test]
    fn what_stands_for_the_rest_comes_behind_the_last_path() {
        let long = format!("home/{}", format!("{}/", "d".repeat(300)).repeat(100));
        for (last, behind) in [
            ("home".to_owned(), "home"),
            ("home/a".to_owned(), "home/a and all behind it"),
            (
                format!("home/a/{}", "x".repeat(32_760)),
                "home/a and all behind it",
            ),
        ] {
            let last = EntryPath::new(last).unwrap();
            assert_eq!(all_behind(&last).to_string(), behind);
        }
        for len in 0..40 {
            let name_len = 32_768 - long.len() - len;
            let last = EntryPath::new(format!("{long}{}", "y".repeat(name_len))).unwrap();
            assert!(all_behind(&last) > last, "{len}");
        }
    }
}

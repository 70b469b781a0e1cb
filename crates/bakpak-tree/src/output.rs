//! A file that appears under its name only when it is complete and on disk.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::OutputError;
use crate::leftover::{Locking, is_ours_alone, label, try_lock};
use crate::platform::os::{self, Dir};
use crate::platform::{FileId, Kind};

/// What stands between the name and the random part of a temporary file's name.
const MARK: &[u8] = b".bakpak-tmp-";

/// So often another random name is tried.
const MAX_TRIES: usize = 100;

/// Written bytes are handed to the disk in portions of this length, so that the final sync does
/// not have to wait for all of them.
const WRITE_BACK_LEN: u64 = 32 << 20;

/// An output file under a temporary name, locked; dropped, it is removed.
///
/// Its mode is 0600, whatever the umask: it is a backup, encrypted but not for everyone, and
/// whoever wants to share it can say so.
#[derive(Debug)]
pub struct PendingFile {
    path: PathBuf,
    dir: Dir,
    name: Vec<u8>,
    temporary: Vec<u8>,
    temporary_path: PathBuf,
    file: File,
    overwrite: bool,
    is_persisted: bool,
    len: u64,
    written_back_len: u64,
    leftovers: Vec<PathBuf>,
    /// It was left by a run that was stopped, and is gone on with.
    is_found: bool,
    /// It stays where it is if it does not get its name.
    is_kept: bool,
}

/// What lies beside an output under a temporary name of it.
struct Found {
    name: Vec<u8>,
    path: PathBuf,
    /// Locked for us.
    file: File,
}

impl PendingFile {
    /// Makes a temporary file beside `path`. With `overwrite` a file of that name is replaced in
    /// the end, a directory never.
    ///
    /// # Errors
    ///
    /// - [`OutputError::AlreadyThere`]: something has the name; nothing was made.
    /// - [`OutputError::Locked`]: another process is writing to the same name.
    /// - [`OutputError::Io`]: what the system says.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, OutputError> {
        let (dir, name) = place_of(path, overwrite)?;
        let mut pending = Self::made(path, dir, name, overwrite)?;
        pending.refuse_others()?;
        Ok(pending)
    }

    /// Takes the temporary file that a run for the same name has left, or makes one if there is
    /// none. Either stays where it is if it does not get its name, unless it is empty.
    ///
    /// # Errors
    ///
    /// As [`create`](PendingFile::create); and [`OutputError::SeveralLeft`]: nobody can tell which
    /// of them is meant.
    pub fn resume(path: &Path, overwrite: bool) -> Result<Self, OutputError> {
        let (dir, name) = place_of(path, overwrite)?;
        let mut found = found(path, &dir, &name, None)?;
        if found.len() > 1 {
            return Err(OutputError::SeveralLeft {
                path: path.to_owned(),
                left: found.into_iter().map(|one| one.path).collect(),
            });
        }
        let mut pending = match found.pop() {
            None => Self::made(path, dir, name, overwrite)?,
            Some(found) => Self::of(path, dir, name, overwrite, (found.file, found.name), true),
        };
        pending.is_kept = true;
        pending.refuse_others()?;
        Ok(pending)
    }

    fn made(path: &Path, dir: Dir, name: Vec<u8>, overwrite: bool) -> Result<Self, OutputError> {
        let made = make_temporary(&dir, &name).map_err(|source| OutputError::Io {
            action: "make a temporary file for",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::of(path, dir, name, overwrite, made, false))
    }

    fn of(
        path: &Path,
        dir: Dir,
        name: Vec<u8>,
        overwrite: bool,
        (file, temporary): (File, Vec<u8>),
        is_found: bool,
    ) -> Self {
        Self {
            path: path.to_owned(),
            dir,
            name,
            temporary_path: path.with_file_name(os::path_from_bytes(&temporary)),
            temporary,
            file,
            overwrite,
            is_persisted: false,
            len: 0,
            written_back_len: 0,
            leftovers: Vec::new(),
            is_found,
            is_kept: false,
        }
    }

    /// Whether it was left by a run that was stopped.
    pub fn is_found(&self) -> bool {
        self.is_found
    }

    /// Whether it stays where it is, as things are, if it does not get its name.
    pub fn is_kept(&self) -> bool {
        let len = self.file.metadata().map_or(1, |metadata| metadata.len());
        self.is_kept && !self.is_persisted && len > 0
    }

    /// Cuts it to this length, to be written on from there.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len))?;
        self.len = len;
        self.written_back_len = len;
        Ok(())
    }

    /// Which file it is, so that a walk can leave it out.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn identity(&self) -> io::Result<FileId> {
        Ok(self.dir.status(&self.temporary)?.id)
    }

    /// Which file has the name now and is about to be replaced, so that a walk can leave it out.
    pub fn replaces(&self) -> Option<FileId> {
        let status = self.dir.status(&self.name);
        status.ok().map(|status| status.id)
    }

    /// A handle of it, to read it and to write to any place, for what is not written in order.
    ///
    /// # Errors
    ///
    /// The system gives none.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Where the file lies until it gets its name.
    ///
    /// A program that must end at once can remove it there, at any time: the name is random and
    /// nothing else ever gets it. [`persist`](PendingFile::persist) then fails, or is done.
    pub fn temporary_path(&self) -> &Path {
        &self.temporary_path
    }

    /// Where a program that must end at once can move the file to, if it is to be gone on with: then
    /// [`persist`](PendingFile::persist) fails too, or is done.
    pub fn aside_path(&self) -> Option<PathBuf> {
        let mut aside = self.temporary.clone();
        let last = aside.last_mut().filter(|_| self.is_kept)?;
        *last = if *last == b'0' { b'1' } else { b'0' };
        Some(self.path.with_file_name(os::path_from_bytes(&aside)))
    }

    /// Temporary files of killed runs for the same name; they can be removed.
    pub fn leftovers(&self) -> &[PathBuf] {
        &self.leftovers
    }

    /// Writes all to disk and gives the file its name.
    ///
    /// After an error it is still there under its temporary name until it is dropped, unless the
    /// error is of the last step, the sync of the directory: then it has its name.
    ///
    /// # Errors
    ///
    /// - [`OutputError::AlreadyThere`]: something got the name meanwhile; it is left alone.
    /// - [`OutputError::Io`]: what the system says.
    pub fn persist(&mut self) -> Result<(), OutputError> {
        self.file
            .sync_all()
            .map_err(|error| self.error("sync", error))?;
        refuse_if_there(&self.dir, &self.name, &self.path, self.overwrite)?;
        let renamed = match self.overwrite {
            true => self.dir.rename_over(&self.temporary, &self.dir, &self.name),
            false => self.dir.rename(&self.temporary, &self.dir, &self.name),
        };
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::AlreadyThere {
                path: self.path.clone(),
            },
            _ => self.error("rename the temporary file to", error),
        })?;
        self.is_persisted = true;
        let synced = self.dir.sync();
        synced.map_err(|error| self.error("sync the directory of", error))
    }

    /// Refuses to write beside another process that writes to the same name.
    fn refuse_others(&mut self) -> Result<(), OutputError> {
        let found = found(&self.path, &self.dir, &self.name, Some(&self.temporary))?;
        self.leftovers = found.into_iter().map(|one| one.path).collect();
        Ok(())
    }

    fn error(&self, action: &'static str, source: io::Error) -> OutputError {
        OutputError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.len += len as u64;
        let waiting_len = self.len - self.written_back_len;
        if waiting_len >= WRITE_BACK_LEN {
            os::start_write_back(&self.file, self.written_back_len, waiting_len);
            self.written_back_len = self.len;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PendingFile {
    /// Removes the temporary file unless it got its name, or is to be gone on with.
    fn drop(&mut self) {
        if !self.is_persisted && !self.is_kept() {
            self.dir.remove_file(&self.temporary).ok();
        }
    }
}

/// The directory of an output, and its name in it.
fn place_of(path: &Path, overwrite: bool) -> Result<(Dir, Vec<u8>), OutputError> {
    let failed = |action| {
        move |source| OutputError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed("write to")(io::ErrorKind::IsADirectory.into()));
    };
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    let dir = Dir::open(parent).map_err(failed("open the directory of"))?;
    let name = os::path_to_bytes(Path::new(name));
    refuse_if_there(&dir, &name, path, overwrite)?;
    Ok((dir, name))
}

/// What runs for this name have left, besides our own file: that is locked already.
fn found(
    path: &Path,
    dir: &Dir,
    name: &[u8],
    own: Option<&[u8]>,
) -> Result<Vec<Found>, OutputError> {
    let start = temporary_start(name);
    let mut names = dir.list().map_err(|source| OutputError::Io {
        action: "look beside",
        path: path.to_owned(),
        source,
    })?;
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        if own == Some(&name) || !is_temporary(&name, &start) {
            continue;
        }
        let Ok(file) = dir.open_file(&name, true) else {
            continue;
        };
        let temporary = path.with_file_name(os::path_from_bytes(&name));
        match try_lock(&file) {
            Locking::Busy => {
                return Err(OutputError::Locked {
                    path: path.to_owned(),
                    temporary,
                });
            }
            // What others may write to is not gone on with, and nobody is told to remove it.
            Locking::Locked if is_own_file(&file) => found.push(Found {
                name,
                path: temporary,
                file,
            }),
            // Perhaps another run still writes it.
            Locking::Locked | Locking::Impossible => {}
        }
    }
    Ok(found)
}

fn is_own_file(file: &File) -> bool {
    os::status_of(file).is_ok_and(|status| status.kind == Kind::File && is_ours_alone(&status))
}

/// Refuses what must not be replaced: anything, or with `overwrite` only a directory.
fn refuse_if_there(
    dir: &Dir,
    name: &[u8],
    path: &Path,
    overwrite: bool,
) -> Result<(), OutputError> {
    use crate::platform::Kind::{File, Symlink};
    match dir.status(name) {
        Ok(status) if !overwrite || !matches!(status.kind, File | Symlink) => {
            Err(OutputError::AlreadyThere {
                path: path.to_owned(),
            })
        }
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(OutputError::Io {
            action: "look for",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Makes and locks a file that is surely new.
fn make_temporary(dir: &Dir, name: &[u8]) -> io::Result<(File, Vec<u8>)> {
    for _ in 0..MAX_TRIES {
        // Not a secret, only not what another run has: the file must be new or is not taken.
        let random = RandomState::new().build_hasher().finish();
        let temporary = [temporary_start(name), format!("{random:016x}").into_bytes()].concat();
        match dir.create_file(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            result => {
                let file = result?;
                return match try_lock(&file) {
                    Locking::Locked | Locking::Impossible => Ok((file, temporary)),
                    Locking::Busy => Err(io::ErrorKind::WouldBlock.into()),
                };
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn temporary_start(name: &[u8]) -> Vec<u8> {
    [b".", label(name), MARK].concat()
}

fn is_temporary(name: &[u8], start: &[u8]) -> bool {
    let random = name.strip_prefix(start);
    random.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_for_temporary_files() {
        let start = temporary_start(b"a.bakpak");
        assert!(is_temporary(
            b".a.bakpak.bakpak-tmp-0123456789abcdef",
            &start
        ));
        assert!(!is_temporary(
            b".a.bakpak.bakpak-tmp-0123456789abcde",
            &start
        ));
        assert!(!is_temporary(
            b".b.bakpak.bakpak-tmp-0123456789abcdef",
            &start
        ));
        assert!(!is_temporary(
            b".a.bakpak.bakpak-tmp-my own old thing",
            &start
        ));
    }
}

//! A file that appears under its name only when it is complete and on disk.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::OutputError;
use crate::leftover::{Locking, label, try_lock};
use crate::platform::FileId;
use crate::platform::os::{self, Dir};

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
        let (file, temporary) =
            make_temporary(&dir, &name).map_err(failed("make a temporary file for"))?;
        let mut pending = Self {
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
        };
        pending.refuse_others()?;
        Ok(pending)
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
        let start = temporary_start(&self.name);
        let names = self
            .dir
            .list()
            .map_err(|error| self.error("look beside", error))?;
        for name in names {
            if name == self.temporary || !is_temporary(&name, &start) {
                continue;
            }
            let temporary = self.path.with_file_name(os::path_from_bytes(&name));
            let lock = self.dir.open_file(&name, true);
            match lock.map(|file| try_lock(&file)) {
                Ok(Locking::Busy) => {
                    return Err(OutputError::Locked {
                        path: self.path.clone(),
                        temporary,
                    });
                }
                Ok(Locking::Locked) => self.leftovers.push(temporary),
                // Perhaps another run still writes it: nobody is told that it can be removed.
                Ok(Locking::Impossible) | Err(_) => {}
            }
        }
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
    /// Removes the temporary file unless it got its name.
    fn drop(&mut self) {
        if !self.is_persisted {
            self.dir.remove_file(&self.temporary).ok();
        }
    }
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

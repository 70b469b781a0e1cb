//! Changes a file in place, and alone.

use std::fs::{File, TryLockError};
use std::io;

/// Another program has locked the file.
pub(crate) struct WouldBlock;

/// Locks a file until it is closed: two changes at once would undo one another.
pub(crate) fn lock(file: &File) -> Result<(), WouldBlock> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(WouldBlock),
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Writes all of it at `offset`; the file's position may move.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            match std::os::windows::fs::FileExt::seek_write(
                file,
                &bytes[done..],
                offset + done as u64,
            ) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

//! The output file while it is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bakpak_tree::PendingFile;

use crate::interrupt;
use crate::output::{Output, quoted};

/// The output file, which a second Ctrl-C must be able to remove.
#[derive(Clone)]
pub(super) struct SharedFile(Arc<Mutex<Option<PendingFile>>>);

impl SharedFile {
    /// Takes charge of the file.
    pub(super) fn new(file: PendingFile, output: &Output) -> Self {
        for leftover in file.leftovers() {
            let leftover = quoted(leftover);
            let text = format!("{leftover} is left from a run that was killed; it can be removed");
            output.warn(None, None, &text);
        }
        let file = Self(Arc::new(Mutex::new(Some(file))));
        // Only a weak reference: when the run ends in any other way, it is this one that removes.
        let removed = Arc::downgrade(&file.0);
        interrupt::at_sudden_end(move || {
            drop(removed.upgrade().and_then(|file| Self(file).take()))
        });
        file
    }

    fn take(&self) -> Option<PendingFile> {
        self.0.try_lock().ok().and_then(|mut file| file.take())
    }

    /// Gives the file its name, unless the run was interrupted.
    ///
    /// # Errors
    ///
    /// It was, or the system refuses.
    pub(super) fn persist(&self) -> anyhow::Result<()> {
        interrupt::check()?;
        let mut file = self.take().ok_or_else(interrupt::failure)?;
        Ok(file.persist()?)
    }

    fn with<T>(&self, act: impl FnOnce(&mut PendingFile) -> io::Result<T>) -> io::Result<T> {
        let mut file = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        file.as_mut()
            .map_or(Err(io::ErrorKind::Interrupted.into()), act)
    }
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(Write::flush)
    }
}

//! The output file while it is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bakpak_tree::PendingFile;

use crate::interrupt::{self, Phase, Removal};
use crate::output::{Output, quoted};

/// The output file, which a sudden end must be able to remove.
#[derive(Clone)]
pub(crate) struct SharedFile {
    file: Arc<Mutex<PendingFile>>,
    /// It is getting its name.
    is_persisting: Arc<AtomicBool>,
}

impl SharedFile {
    /// Takes charge of the file.
    pub(crate) fn new(file: PendingFile, output: &Output) -> Self {
        for leftover in file.leftovers() {
            let leftover = quoted(leftover);
            let text = format!("{leftover} is left from a run that was killed; it can be removed");
            output.warn(None, None, &text);
        }
        let temporary = file.temporary_path().to_owned();
        let is_persisting = Arc::new(AtomicBool::new(false));
        let is_renaming = Arc::clone(&is_persisting);
        // By its name and without our lock, which a write that hangs may hold. Either this takes
        // the temporary name away, or the rename does: whichever comes first, it is known.
        interrupt::at_sudden_end(move || match fs::remove_file(&temporary) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && is_renaming.load(Ordering::Relaxed) =>
            {
                Removal::TooLate
            }
            _ => Removal::Done,
        });
        Self {
            file: Arc::new(Mutex::new(file)),
            is_persisting,
        }
    }

    /// Gives the file its name, unless the run was interrupted.
    ///
    /// # Errors
    ///
    /// It was, or the system refuses.
    pub(crate) fn persist(&self) -> anyhow::Result<()> {
        // Writing all to disk may take long, and nothing asks for signals meanwhile.
        interrupt::enter(Phase::Sudden)?;
        self.is_persisting.store(true, Ordering::Relaxed);
        self.lock()?.persist()?;
        interrupt::complete();
        Ok(())
    }

    /// A handle of it, to write to any place.
    ///
    /// # Errors
    ///
    /// The system gives none.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.lock()?.handle()
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, PendingFile>> {
        self.file
            .lock()
            .map_err(|_| io::Error::other("writing to it has failed before"))
    }
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock()?.flush()
    }
}

//! The output file while it is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bakpak_tree::PendingFile;

use crate::interrupt::{self, Phase, Removal};
use crate::output::{Output, quoted, talk};

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
            let text = format!(
                "{leftover} is left from a run that was killed; it can be removed, and where that \
                 was `bakpak pack`, --resume goes on with it"
            );
            output.warn(None, None, &text);
        }
        let is_persisting = Arc::new(AtomicBool::new(false));
        let is_renaming = Arc::clone(&is_persisting);
        let mut take_away = taking_away(&file);
        // By its name and without our lock, which a write that hangs may hold. Either this takes
        // the temporary name away, or the rename does: whichever comes first, it is known.
        interrupt::at_sudden_end(move || match take_away() {
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

    /// Cuts the file to this length; it is written on from there.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn cut(&self, len: u64) -> io::Result<()> {
        self.lock()?.cut(len)
    }

    /// Where it lies, if a run that was stopped has left it.
    pub(crate) fn found(&self) -> Option<PathBuf> {
        let file = self.lock().ok()?;
        file.is_found().then(|| file.temporary_path().to_owned())
    }

    /// Where what was written stays, if that is to be gone on with.
    pub(crate) fn kept(&self) -> Option<PathBuf> {
        let file = self.lock().ok()?;
        file.is_kept().then(|| file.temporary_path().to_owned())
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

/// Takes the temporary name away: with the file, or so that a later run finds that under another.
fn taking_away(file: &PendingFile) -> impl FnMut() -> io::Result<()> + Send + 'static {
    let temporary = file.temporary_path().to_owned();
    let aside = file.aside_path();
    move || match &aside {
        Some(aside) if fs::metadata(&temporary)?.len() > 0 => {
            fs::rename(&temporary, aside)?;
            talk(&kept_words(aside));
            Ok(())
        }
        _ => fs::remove_file(&temporary),
    }
}

/// What to do with a file that was not completed.
pub(crate) fn kept_words(file: &Path) -> String {
    let file = quoted(file);
    format!(
        "bakpak: what is packed so far is kept in {file}; the same command with --resume goes on \
         with it\n"
    )
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock()?.flush()
    }
}

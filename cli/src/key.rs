//! `bakpak key`: key files, and who can open an archive.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use bakpak_codec::secret::KeyFile;

use crate::args::KeyGenerateArguments;
use crate::exit::{Exit, Failure};
use crate::output::{Output, quoted};

pub(crate) mod slots;
pub(crate) mod told;

/// Writes a new key file.
///
/// # Errors
///
/// The file is there already (31), or cannot be written.
pub(crate) fn generate(arguments: &KeyGenerateArguments, output: &Output) -> anyhow::Result<Exit> {
    let path = &arguments.output;
    let mut file = create(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let message = format!("{} is already there", quoted(path));
            anyhow::Error::from(
                Failure::new(Exit::WOULD_OVERWRITE, message)
                    .hint("a key file is never overwritten: archives may depend on it"),
            )
        }
        _ => anyhow::Error::from(error).context(format!("cannot write {}", quoted(path))),
    })?;
    let key = KeyFile::generate().context("no random bytes from the system")?;
    let written = file
        .write_all(key.to_line().as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key file opens nothing, but looks like a key file.
        let _ = std::fs::remove_file(path);
        return Err(error).with_context(|| format!("cannot write {}", quoted(path)));
    }
    output.say(format!(
        "wrote a new key to {}; keep a copy apart from the archives",
        quoted(path)
    ));
    Ok(Exit::DONE)
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(windows)]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

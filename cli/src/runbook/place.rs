//! Where a runbook goes: a file, and beside it a folder of scripts; nothing that is there is touched.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use recovery::runbook::Document;
use recovery::sql::Script;

use crate::exit::{Exit, Failure};
use crate::output::{self, Output};
use crate::plan::scripts::write_all;

/// The name that a runbook without a file is given in its own commands.
pub(super) const UNNAMED: &str = "runbook.md";

/// Where a runbook goes.
#[derive(Debug)]
pub(super) struct Place {
    file: PathBuf,
    is_html: bool,
}

/// The scripts of a database, and the folder that they go to, from the runbook's own.
pub(super) type Folder<'a> = (&'a str, &'a [Script]);

impl Place {
    /// A file that was named.
    ///
    /// # Errors
    ///
    /// Its name says neither Markdown nor HTML (2), or it or the scripts' folder is there (31).
    pub(super) fn of(file: &Path) -> Result<Self, Failure> {
        let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
        let is_html = match extension.to_str() {
            Some("md") => false,
            Some("html") => true,
            _ => {
                let name = output::quoted(file);
                return Err(
                    Failure::usage(format!("{name} ends in neither .md nor .html"))
                        .hint("without -o the runbook goes to standard output, as Markdown"),
                );
            }
        };
        let place = Self {
            file: file.to_owned(),
            is_html,
        };
        for path in [file.to_owned(), place.beside(&place.scripts_folder())] {
            if fs::symlink_metadata(&path).is_ok() {
                return Err(already_there(&path));
            }
        }
        Ok(place)
    }

    /// The folder of the scripts, from that of the runbook.
    pub(super) fn scripts_folder(&self) -> String {
        scripts_folder(&self.file.to_string_lossy())
    }

    /// Writes the scripts and then the runbook, so that it never names scripts that are not there.
    ///
    /// # Errors
    ///
    /// They cannot be written, or something came there meanwhile (31).
    pub(super) fn write<'a>(
        &self,
        document: &Document,
        folders: impl Iterator<Item = Folder<'a>>,
        output: &Output,
    ) -> anyhow::Result<()> {
        let mut count = 0;
        for (folder, scripts) in folders {
            count += write_all(&self.beside(folder), scripts)?.len();
        }
        let text = match self.is_html {
            true => document.to_html(),
            false => document.to_markdown(),
        };
        let name = output::quoted(&self.file);
        let folder = self.beside("");
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(&folder).with_context(|| format!("cannot write {name}"))?;
        }
        let mut file = File::create_new(&self.file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => already_there(&self.file).into(),
            _ => anyhow::Error::new(error).context(format!("cannot write {name}")),
        })?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("cannot write {name}"))?;
        let scripts = match count {
            0 => String::new(),
            _ => {
                let folder = self.beside(&self.scripts_folder());
                let count = output::count(count as u64, "script", "scripts");
                format!(", {count} in {}", output::quoted(&folder))
            }
        };
        output.say(format!("the runbook is {name}{scripts}"));
        Ok(())
    }

    fn beside(&self, name: &str) -> PathBuf {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        folder.join(name)
    }
}

/// `night-sql` for `out/night.md`.
pub(super) fn scripts_folder(file: &str) -> String {
    let stem = Path::new(file).file_stem().unwrap_or_default();
    format!("{}-sql", stem.to_string_lossy())
}

fn already_there(path: &Path) -> Failure {
    let text = format!(
        "{} is already there: nothing was written over it",
        output::quoted(path)
    );
    Failure::new(Exit::WOULD_OVERWRITE, text).hint("name a file that is not there yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is_html) in [("a.md", false), ("a.MD", false), ("b.c.html", true)] {
            assert_eq!(Place::of(&dir.path().join(name)).unwrap().is_html, is_html);
        }
        for name in ["a", "a.txt", "a.htm", ".md"] {
            let failure = Place::of(&dir.path().join(name)).unwrap_err();
            assert_eq!(failure.exit(), Exit::USAGE, "{name}");
        }
    }

    #[test]
    fn what_is_there_is_refused_be_it_the_file_or_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.md"), "").unwrap();
        fs::create_dir(dir.path().join("b-sql")).unwrap();
        for name in ["a.md", "b.md", "b.html"] {
            let failure = Place::of(&dir.path().join(name)).unwrap_err();
            assert_eq!(failure.exit(), Exit::WOULD_OVERWRITE, "{name}");
        }
        assert!(Place::of(&dir.path().join("c.md")).is_ok());
    }
}

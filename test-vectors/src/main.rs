//! Writes the folder of the test vectors anew.

use bakpak_vectors::{manifest, vectors};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: bakpak-vectors write            write manifest, archives and components anew
       bakpak-vectors recipes FOLDER   write there what is too large to be stored";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let written = match words[..] {
        ["write"] => write(Path::new(env!("CARGO_MANIFEST_DIR"))),
        ["recipes", folder] => {
            let files = manifest::recipes(&vectors::all());
            write_all(Path::new(folder), &files)
        }
        _ => Err(io::Error::other(USAGE)),
    };
    match written {
        Ok(count) => {
            println!("{count} files");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bakpak-vectors: error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is no longer made goes, too.
fn write(folder: &Path) -> io::Result<usize> {
    let files = manifest::files(&vectors::all());
    for made in ["accept", "reject", "components"] {
        let made = folder.join(made);
        if made.exists() {
            std::fs::remove_dir_all(made)?;
        }
    }
    write_all(folder, &files)
}

fn write_all(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> io::Result<usize> {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, bytes)?;
    }
    Ok(files.len())
}

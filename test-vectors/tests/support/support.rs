//! The manifest as the tests read it, and archives as inputs.
#![allow(dead_code, missing_docs, unreachable_pub)]

use bakpak_codec::error::ReadError;
use bakpak_codec::input::Input;
use bakpak_codec::secret::{Credential, KeyFile, Passphrase};
use bakpak_vectors::vectors::{self, Vector};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use toml::{Table, Value};

/// One `[[vector]]`.
pub struct Case {
    pub name: String,
    pub file: Option<PathBuf>,
    pub expect: Said,
    pub keyless: Said,
    pub unpack: Option<String>,
    pub envelope: Option<Said>,
    pub stream_blake3: Option<String>,
    pub incomplete: bool,
    pub not_restorable: bool,
    secrets: Vec<Credential>,
    envelope_secrets: Vec<Credential>,
}

/// What a reader says: `opened`, or a class and the stage in which it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub result: String,
    pub stage: Option<String>,
    /// For whoever reads a failure; not compared.
    pub message: String,
}

pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All vectors of the manifest.
pub fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("manifest.toml")).expect("a manifest");
    let top: Table = text.parse().expect("a manifest in TOML");
    let vectors = top["vector"].as_array().expect("[[vector]]");
    vectors
        .iter()
        .map(|vector| Case::new(vector.as_table().expect("[[vector]]"), &top))
        .collect()
}

/// Vectors by their names, to run the recipes.
pub fn programs() -> BTreeMap<&'static str, Vector> {
    vectors::all().into_iter().map(|v| (v.name, v)).collect()
}

pub fn pipe_of(archive: &[u8]) -> Input {
    Input::stream(Cursor::new(archive.to_vec()))
}

pub fn file_of(archive: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(archive).expect("it takes the archive");
    file
}

/// Runs a check over all items on all cores; joins what it finds, in order.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], check: impl Fn(&T) -> Vec<R> + Sync) -> Vec<R> {
    let next = Mutex::new(0..items.len());
    let found = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.lock().expect("no thread panics here").next();
                    let Some(index) = index else { break };
                    let wrong = check(&items[index]);
                    found
                        .lock()
                        .expect("no thread panics here")
                        .push((index, wrong));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no thread panics here");
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().flat_map(|(_, wrong)| wrong).collect()
}

impl Case {
    fn new(vector: &Table, top: &Table) -> Self {
        let text = |key: &str| vector.get(key).and_then(Value::as_str).map(str::to_owned);
        let said = |result: &str, stage: &str| Said {
            result: text(result).unwrap_or_default(),
            stage: text(stage),
            message: String::new(),
        };
        Self {
            name: text("name").expect("a name"),
            file: text("file").map(|file| folder().join(file)),
            expect: said("expect", "stage"),
            keyless: said("keyless", ""),
            unpack: text("unpack"),
            envelope: text("envelope_expect").map(|_| said("envelope_expect", "envelope_stage")),
            stream_blake3: text("stream_blake3"),
            incomplete: vector.contains_key("incomplete"),
            not_restorable: vector.contains_key("not_restorable"),
            secrets: secrets(vector, top, ""),
            envelope_secrets: secrets(vector, top, "envelope_"),
        }
    }

    /// The bytes: stored, or made by the recipe.
    pub fn archive(&self) -> Vec<u8> {
        match &self.file {
            Some(file) => std::fs::read(file).expect("the vector's file"),
            None => programs()[self.name.as_str()].build().archive,
        }
    }

    pub fn keyring(&self) -> Vec<Credential> {
        self.secrets.clone()
    }

    pub fn envelope_keyring(&self) -> Vec<Credential> {
        self.envelope_secrets.clone()
    }
}

impl Said {
    pub fn opened() -> Self {
        Self {
            result: "opened".into(),
            stage: None,
            message: String::new(),
        }
    }

    pub fn of(error: &ReadError) -> Self {
        let (result, stage) = match error {
            ReadError::Fault(fault) => (fault.class.to_string(), fault.structure.to_string()),
            ReadError::NoKeyFits { .. } => ("NoKeyFits".into(), "slots".into()),
            other => (format!("{other:?}"), String::new()),
        };
        Self {
            result,
            stage: Some(stage),
            message: error.to_string(),
        }
    }

    pub fn is_opened(&self) -> bool {
        self.result == "opened"
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.result)?;
        if let Some(stage) = &self.stage {
            write!(f, " ({stage})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// A vector that names a passphrase is opened with nothing else, unless it names a key file too.
fn secrets(vector: &Table, top: &Table, prefix: &str) -> Vec<Credential> {
    let get = |table: &Table, key: &str| {
        let value = table.get(&format!("{prefix}{key}"))?;
        Some(value.as_str().expect("a text").to_owned())
    };
    let passphrase = get(vector, "passphrase");
    let key_file = match (get(vector, "key_file"), &passphrase) {
        (None, None) => get(top, "key_file"),
        (key_file, _) => key_file,
    };
    let key_file = key_file.map(|line| {
        let key_file = KeyFile::parse(line.as_bytes());
        Credential::KeyFile(key_file.expect("the line of a key file"))
    });
    let passphrase = passphrase.map(|text| Credential::Passphrase(Passphrase::new(text.into())));
    key_file.into_iter().chain(passphrase).collect()
}

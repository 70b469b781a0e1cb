//! The folder: `manifest.toml`, `damage.toml`, the archives in `accept/` and `reject/`, the components.

use crate::builder::{Built, envelope_key_file, key_file};
use crate::components;
use crate::damage;
use crate::keys::key_file_line;
use crate::vectors::{Secret, Unpack, Vector};
use bakpak_format::error::{Class, Structure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Nothing that is stored is longer; what is longer is a recipe.
pub const MAX_STORED_LEN: usize = 64 << 10;

const INTRODUCTION: &str = "\
# The test vectors of the bakpak archive format. Made by `cargo run -p bakpak-vectors -- write`;
# not to be edited by hand.
#
# expect: what a reader with the key says of the archive, \"opened\" or a class of chapter 0.
# stage: where it says so, by the table at the end of chapter 14.
# keyless: what a reader without a key says.
# unpack: \"opened\" where unpacking goes on in spite of what verifying finds, \"either\" where it may.
# rules: the labels that the vector shows. why: what is special about it.
# key_file, passphrase: what is offered; without them the key file above.
# stream_blake3: BLAKE3 of the stream.
# envelope_expect, envelope_stage: what opening the master-key envelope gives;
# envelope_key_file, envelope_passphrase: with what, if not with the key file above.
# incomplete: FINAL says that sources are missing. not_restorable: that what there is was not enough.
# recipe: too large to be stored; the tests make it by its name.
";

/// Everything that belongs in the folder, by its path there.
pub fn files(vectors: &[Vector]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = components::files();
    let mut manifest = introduction();
    for vector in vectors {
        let built = vector.build();
        manifest += &entry(vector, &built, vector.recipe);
        if !vector.recipe {
            let len = built.archive.len();
            assert!(len <= MAX_STORED_LEN, "{} has {len} bytes", vector.name);
            files.insert(path(vector), built.archive);
        }
    }
    files.insert("manifest.toml".into(), manifest.into_bytes());
    files.insert(
        damage::MANIFEST.into(),
        damage::manifest(vectors).into_bytes(),
    );
    files
}

/// The recipes as a folder of their own, for readers that cannot run them.
pub fn recipes(vectors: &[Vector]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut manifest = introduction();
    for vector in vectors.iter().filter(|vector| vector.recipe) {
        let built = vector.build();
        manifest += &entry(vector, &built, false);
        files.insert(path(vector), built.archive);
    }
    files.insert("manifest.toml".into(), manifest.into_bytes());
    files
}

/// Where a vector is stored.
pub fn path(vector: &Vector) -> PathBuf {
    let folder = if vector.is_whole() {
        "accept"
    } else {
        "reject"
    };
    Path::new(folder).join(vector.name).with_extension("bakpak")
}

fn introduction() -> String {
    format!(
        "{INTRODUCTION}\nkey_file = \"{}\"\nenvelope_key_file = \"{}\"\n",
        key_file_line(&key_file()),
        key_file_line(&envelope_key_file()),
    )
}

fn entry(vector: &Vector, built: &Built, is_recipe: bool) -> String {
    let class = |class: Option<Class>| class.map_or("opened".into(), |class| class.to_string());
    let mut text = String::from("\n[[vector]]\n");
    let mut flags = String::new();
    let mut line = |key: &str, value: &str| {
        assert!(!value.contains(['"', '\\', '\n']), "needs quoting: {value}");
        writeln!(text, "{key} = \"{value}\"").expect("a String takes all");
    };
    let stage = |fault: Option<(Class, Structure)>| fault.map(|(_, structure)| structure);
    line("name", vector.name);
    if !is_recipe {
        line("file", &path(vector).to_string_lossy());
    }
    line("expect", &class(vector.expect.map(|(class, _)| class)));
    if let Some(stage) = stage(vector.expect) {
        line("stage", &stage.to_string());
    }
    line("keyless", &class(vector.keyless));
    match vector.unpack {
        Unpack::Refuses => {}
        Unpack::Opens => line("unpack", "opened"),
        Unpack::Either => line("unpack", "either"),
    }
    line("why", vector.why);
    if vector.incomplete {
        flags += "incomplete = true\n";
    }
    if vector.not_restorable {
        flags += "not_restorable = true\n";
    }
    if vector.expect.is_none() {
        let hash = blake3::hash(&built.stream);
        line("stream_blake3", &hash.to_hex());
    }
    if let Some(secret) = vector.secret {
        let (key, value) = secret_line(secret);
        line(key, &value);
    }
    if let Some(envelope) = vector.envelope {
        line(
            "envelope_expect",
            &class(envelope.err().map(|(class, _)| class)),
        );
        if let Some(stage) = stage(envelope.err()) {
            line("envelope_stage", &stage.to_string());
        }
    }
    if let Some(secret) = vector.envelope_secret {
        let (key, value) = secret_line(secret);
        line(&format!("envelope_{key}"), &value);
    }
    if is_recipe {
        flags += "recipe = true\n";
    }
    text += &flags;
    let rules: Vec<String> = vector
        .rules
        .iter()
        .map(|rule| format!("\"{rule}\""))
        .collect();
    writeln!(text, "rules = [{}]", rules.join(", ")).expect("a String takes all");
    text
}

fn secret_line(secret: Secret) -> (&'static str, String) {
    match secret {
        Secret::KeyFile(bytes) => ("key_file", key_file_line(&bytes)),
        Secret::Passphrase(passphrase) => ("passphrase", passphrase.into()),
    }
}

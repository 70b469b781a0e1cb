//! `cargo xtask trace`: specification, code and vectors agree, or all disagreements are printed.
//!
//! - Labels are unique, are never used again once they are retired, and exist where they are named:
//!   in the specification, in code (`spec:` and the label), in the second reader, in the manifest.
//! - Each requirement with MUST has a code site, and a vector or a test, or a written exception.
//! - Vectors that rules name stand in the manifest, and the reverse.
//! - Structure tables have no gaps, and numbers of the specification equal the code's constants.

pub mod cites;
pub mod constants;
pub mod coverage;
pub mod labels;
pub mod manifest;
pub mod numbers;
pub mod spec;
pub mod structures;

use crate::rust_file::{RustFile, read_all, read_texts};
use anyhow::{Context, Result, bail};
use cites::Cite;
use constants::Constants;
use manifest::Vector;
use spec::Spec;
use std::fs;
use std::path::Path;

/// Where known deviations and retired labels stand.
const ERRATA: &str = "format-spec/errata.md";

/// Where the second reader stands.
const READER: &str = "format-spec/reader";

/// Where Rust code may stand.
const RUST_FOLDERS: [&str; 7] = [
    "crates",
    "cli",
    "test-vectors",
    "fuzz",
    "faults",
    "benches",
    "xtask",
];

/// All that is compared, as text.
pub struct Inputs {
    /// The specification.
    pub spec: String,
    /// The list of errata, with the retired labels.
    pub errata: String,
    /// The manifest of the test vectors.
    pub manifest: String,
    /// The manifest of the damages.
    pub damage: String,
    /// The written exceptions.
    pub exceptions: String,
    /// Which numbers are compared with which constants.
    pub tables: String,
    /// All Rust files.
    pub rust: Vec<RustFile>,
    /// The second reader's files: path and text.
    pub reader: Vec<(String, String)>,
}

/// What came out.
pub struct Report {
    /// One line for each disagreement.
    pub problems: Vec<String>,
    /// How much was compared, in words.
    pub summary: String,
}

/// Reads everything, prints all disagreements and what was compared.
///
/// # Errors
///
/// Files that cannot be read, or that there is a disagreement.
pub fn run(root: &Path) -> Result<()> {
    let report = check(&Inputs::read(root)?);
    for problem in &report.problems {
        println!("{problem}");
    }
    println!("trace: {}", report.summary);
    match report.problems.len() {
        0 => Ok(()),
        count => bail!("specification, code and vectors disagree in {count} places"),
    }
}

/// Compares everything.
#[must_use]
pub fn check(inputs: &Inputs) -> Report {
    let spec = Spec::parse(&inputs.spec);
    let mut cites: Vec<Cite> = inputs.rust.iter().flat_map(cites::of_rust).collect();
    cites.extend(
        inputs
            .reader
            .iter()
            .flat_map(|(path, text)| cites::of_text(path, text)),
    );
    let mut problems = nothing_is_empty(inputs, &spec, &cites);

    let mut vectors = manifest::vectors(&inputs.manifest).unwrap_or_else(|why| {
        problems.push(format!("{}: {why}", manifest::MANIFEST));
        Vec::new()
    });
    match manifest::damages(&inputs.damage) {
        // Without vectors one line says so.
        Ok(damages) if !vectors.is_empty() => vectors.extend(damages),
        Ok(_) => {}
        Err(why) => problems.push(format!("{}: {why}", manifest::DAMAGE)),
    }
    let exceptions = manifest::exceptions(&inputs.exceptions).unwrap_or_else(|why| {
        problems.push(format!("{}: {why}", manifest::EXCEPTIONS));
        Vec::new()
    });

    problems.extend(labels::unique(&spec));
    problems.extend(labels::retired(&spec, &cites, &inputs.errata));
    problems.extend(labels::named(&spec, &cites, &inputs.reader));
    problems.extend(coverage::vectors(&spec, &vectors));
    problems.extend(coverage::requirements(&spec, &cites, &vectors, &exceptions));
    problems.extend(structures::gaps(&spec));
    let format = inputs
        .rust
        .iter()
        .filter(|file| file.path.starts_with(constants::FOLDER));
    let constants = Constants::collect(format);
    let compared = match numbers::check(&spec, &constants, &inputs.tables) {
        Ok((found, compared)) => {
            problems.extend(found);
            compared
        }
        Err(why) => {
            problems.push(format!("{}: {why}", numbers::PATH));
            0
        }
    };
    let summary = summary(&spec, &cites, &vectors, compared);
    Report { problems, summary }
}

fn nothing_is_empty(inputs: &Inputs, spec: &Spec, cites: &[Cite]) -> Vec<String> {
    [
        (spec.rules.is_empty(), "no rule stands in", spec::PATH),
        (
            structures::count(spec) == 0,
            "no structure stands in",
            spec::PATH,
        ),
        (inputs.rust.is_empty(), "no Rust file was found:", "crates"),
        (
            inputs.reader.is_empty(),
            "no file of the second reader was found:",
            READER,
        ),
        (cites.is_empty(), "no code cites", spec::PATH),
    ]
    .iter()
    .filter(|(is_empty, ..)| *is_empty)
    .map(|(_, what, place)| format!("{what} {place}"))
    .collect()
}

fn summary(spec: &Spec, cites: &[Cite], vectors: &[Vector], compared: usize) -> String {
    format!(
        "{} rules ({} with MUST), {} cites, {} vectors, {} structures, {compared} numbers",
        spec.rules.len(),
        spec.rules.iter().filter(|rule| rule.is_must()).count(),
        cites.len(),
        vectors.len(),
        structures::count(spec),
    )
}

impl Inputs {
    /// Reads all files; a manifest that is not there is an empty one, which is a disagreement.
    fn read(root: &Path) -> Result<Self> {
        let text = |path| fs::read_to_string(root.join(path)).context(path);
        let mut rust = Vec::new();
        for folder in RUST_FOLDERS {
            rust.extend(read_all(root, folder)?);
        }
        Ok(Self {
            spec: text(spec::PATH)?,
            errata: text(ERRATA)?,
            manifest: text(manifest::MANIFEST).unwrap_or_default(),
            damage: text(manifest::DAMAGE).unwrap_or_default(),
            exceptions: text(manifest::EXCEPTIONS)?,
            tables: text(numbers::PATH)?,
            rust,
            reader: read_texts(root, READER, "py")?,
        })
    }
}

#[cfg(test)]
mod tests;

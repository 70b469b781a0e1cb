//! Tests the codec over the AEAD backend that is not the default.

use crate::program::Program;
use anyhow::{Context, Result, bail};
use std::path::Path;

const CODEC: &str = "-p bakpak-codec --no-default-features";

/// The package of the default backend.
const DEFAULT: &str = "aws-lc-rs";

/// Makes sure that the default backend is really left out, then runs the unit tests.
///
/// # Errors
///
/// That the default backend comes in by another way, or that a test fails.
pub fn run(root: &Path) -> Result<()> {
    let list = format!("cargo tree {CODEC} --edges normal,dev --prefix none");
    let packages = Program::line(root, &list)
        .output()
        .context("listing the codec's packages")?;
    if packages
        .lines()
        .any(|line| line.split(' ').next() == Some(DEFAULT))
    {
        bail!(
            "with --no-default-features the codec's tests still run over {DEFAULT}; \
             `cargo tree {CODEC} --edges features,normal,dev --invert {DEFAULT}` tells why"
        );
    }
    Program::line(root, &format!("cargo test {CODEC} --lib")).run()
}

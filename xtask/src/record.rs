//! What a recorded result says of its circumstances.

use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// The day, in UTC.
///
/// # Errors
///
/// `date` cannot be started.
pub fn date(root: &Path) -> Result<String> {
    output(root, "date", &["-u", "+%Y-%m-%d"])
}

/// The commit, and whether there are files that it does not have.
///
/// # Errors
///
/// `git` cannot be started.
pub fn commit(root: &Path) -> Result<String> {
    let commit = output(root, "git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = output(root, "git", &["status", "--porcelain"])?;
    Ok(match changed.is_empty() {
        true => commit,
        false => format!("{commit}, with changes"),
    })
}

/// What a program prints.
///
/// # Errors
///
/// It cannot be started.
pub fn output(root: &Path, program: &str, args: &[&str]) -> Result<String> {
    let done = Command::new(program).args(args).current_dir(root).output();
    let done = done.with_context(|| format!("cannot start {program}"))?;
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

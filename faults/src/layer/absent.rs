//! In the place of the layer, on systems for which there is none.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::fault::Plan;

/// What runs, and where.
#[derive(Clone, Debug)]
pub struct Job {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its working directory.
    pub dir: PathBuf,
    /// Calls on files below it count.
    pub root: PathBuf,
    /// What comes from a pipe on standard input.
    pub input: Option<PathBuf>,
    /// What is removed or cut by the faults that do so.
    pub source: Option<PathBuf>,
}

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Its exit code; none if it was killed.
    pub code: Option<i32>,
    /// What it said on standard output.
    pub out: Vec<u8>,
    /// What it said on standard error.
    pub err: String,
    /// How many calls touched files, as long as they were counted.
    pub calls: u64,
    /// At which call the fault came, if it came.
    pub hit: Option<String>,
}

/// Why there is no layer here.
#[must_use]
pub fn refusal() -> Option<String> {
    Some("faults are injected on Linux on x86_64 only".to_owned())
}

/// Runs nothing.
///
/// # Errors
///
/// Always.
pub fn run(_job: &Job, _plan: Option<Plan>) -> Result<Ended> {
    bail!("faults are injected on Linux on x86_64 only")
}

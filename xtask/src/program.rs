//! Starts other programs.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where tools are installed that only the tests need.
pub const TOOLS: &str = "target/tools";

/// A program with its arguments, to be run in the workspace's folder.
pub struct Program {
    command: Command,
    words: String,
}

impl Program {
    /// Takes a command line apart at its spaces; it has no quotes.
    #[must_use]
    pub fn line(root: &Path, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut command = match name {
            "cargo" => Command::new(env::var_os("CARGO").unwrap_or_else(|| name.into())),
            _ => Command::new(name),
        };
        command.args(words).current_dir(root).stdin(Stdio::null());
        for (variable, _) in env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
            command.env_remove(variable);
        }
        command.env("PATH", path_with_tools(root));
        Self {
            command,
            words: line.to_owned(),
        }
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an argument, which may have spaces.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments, taken apart at their spaces.
    #[must_use]
    pub fn args(mut self, arguments: &str) -> Self {
        self.command.args(arguments.split_whitespace());
        self
    }

    /// Prints the command line, runs it and waits.
    ///
    /// # Errors
    ///
    /// That it cannot be started, or says that it failed.
    pub fn run(mut self) -> Result<()> {
        println!("$ {}", self.words);
        let status = self
            .command
            .status()
            .with_context(|| format!("starting '{}'", self.words))?;
        match status.success() {
            true => Ok(()),
            false => bail!("'{}' failed ({status})", self.words),
        }
    }

    /// Runs it and returns what it prints; `None` if it cannot be started or fails.
    #[must_use]
    pub fn output(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Whether a program of this name can be started.
#[must_use]
pub fn is_installed(name: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

/// Cargo sets these for the package that it runs, this one. Build scripts that look at them would
/// run again each time tests are started in the other way.
fn is_of_this_package(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

fn path_with_tools(root: &Path) -> OsString {
    let own: PathBuf = root.join(TOOLS).join("bin");
    let folders = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(own).chain(env::split_paths(&folders));
    env::join_paths(all).unwrap_or(folders)
}

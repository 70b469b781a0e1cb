//! Debian packages: which are missing, and installing them.

use crate::program::{Program, is_installed};
use anyhow::Result;
use std::path::Path;

/// A Debian package, and the program that shows that it is there.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name.
    pub debian: &'static str,
    /// A program that it brings.
    pub program: &'static str,
    /// What cannot be done without it.
    pub serves: &'static str,
}

/// The names of those that are missing; each is printed with what it serves.
pub fn missing<'a>(packages: impl IntoIterator<Item = &'a Package>) -> Vec<&'static str> {
    let absent = packages
        .into_iter()
        .filter(|package| !is_installed(package.program));
    absent
        .inspect(|package| {
            println!(
                "{} is missing; it serves {}",
                package.debian, package.serves
            );
        })
        .map(|package| package.debian)
        .collect()
}

/// Installs packages as root; says to others what they can do. Returns whether it installed.
///
/// # Errors
///
/// That apt-get fails.
pub fn install(root: &Path, names: &[&str]) -> Result<bool> {
    if names.is_empty() {
        return Ok(true);
    }
    if !(is_root(root) && is_installed("apt-get")) {
        println!(
            "not root on Debian, so nothing is installed: sudo apt-get install {}",
            names.join(" ")
        );
        return Ok(false);
    }
    let install = || {
        let line = format!(
            "apt-get install -y --no-install-recommends {}",
            names.join(" ")
        );
        Program::line(root, &line)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    // The lists of packages may be missing or old; they are fetched only if they must be.
    install().or_else(|_| {
        Program::line(root, "apt-get update").run()?;
        install()
    })?;
    Ok(true)
}

fn is_root(root: &Path) -> bool {
    Program::line(root, "id -u")
        .output()
        .is_some_and(|id| id.trim() == "0")
}

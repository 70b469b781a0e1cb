//! Installs what build and tests need and what is missing.

use crate::debian::{self, Package};
use crate::program::{Program, TOOLS, is_installed};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The version that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// The other platform that is compiled for; also named in `rust-toolchain.toml`.
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// A Python environment.
struct Environment {
    /// Where it lives.
    folder: &'static str,
    /// What it holds.
    requirements: &'static str,
    /// What pip is told besides.
    pip_options: &'static str,
}

const ENVIRONMENTS: &[Environment] = &[
    // The second reader.
    Environment {
        folder: "target/reader-venv",
        requirements: "format-spec/reader/requirements.txt",
        pip_options: "",
    },
    // Microsoft's T-SQL parsers. They lie in a program of which nothing else is used, so all that
    // is needed is listed, and what the program asks for stays away.
    Environment {
        folder: "target/tsql-oracle",
        requirements: "crates/recovery/tests/oracle/requirements.txt",
        pip_options: "--no-deps ",
    },
];

const PACKAGES: &[Package] = &[
    Package {
        debian: "build-essential",
        program: "cc",
        serves: "the build: C of zstd and AWS-LC",
    },
    Package {
        debian: "gcc-mingw-w64-x86-64",
        program: "x86_64-w64-mingw32-gcc",
        serves: "the check for Windows: the same C",
    },
    Package {
        debian: "python3",
        program: "python3",
        serves: "the second reader, and the parsers that read generated T-SQL",
    },
    Package {
        debian: "acl",
        program: "setfacl",
        serves: "tests of access control lists",
    },
    Package {
        debian: "attr",
        program: "setfattr",
        serves: "tests of extended attributes",
    },
    Package {
        debian: "rsync",
        program: "rsync",
        serves: "tests that compare trees",
    },
    Package {
        debian: "tar",
        program: "tar",
        serves: "tests that extract with GNU tar",
    },
    Package {
        debian: "strace",
        program: "strace",
        serves: "tests that make system calls slow",
    },
    Package {
        debian: "bsdutils",
        program: "script",
        serves: "tests at a terminal",
    },
    Package {
        debian: "util-linux",
        program: "unshare",
        serves: "tests on a full disk, and (setpriv) as another user",
    },
    Package {
        debian: "b3sum",
        program: "b3sum",
        serves: "tests that compare content hashes",
    },
    Package {
        debian: "age",
        program: "age",
        serves: "benches against rivals",
    },
    Package {
        debian: "zstd",
        program: "zstd",
        serves: "benches against rivals",
    },
    Package {
        debian: "time",
        program: "time",
        serves: "benches against rivals",
    },
];

/// Sets everything up; what is there stays as it is.
///
/// # Errors
///
/// What cannot be installed and nothing works without.
pub fn run(root: &Path) -> Result<()> {
    rust_target(root)?;
    debian_packages(root)?;
    for environment in ENVIRONMENTS {
        python_venv(root, environment)?;
    }
    cargo_deny(root)
}

/// rustup installs what `rust-toolchain.toml` names by itself, but not into an older toolchain.
fn rust_target(root: &Path) -> Result<()> {
    if !is_installed("rustup") {
        println!("rustup is not there; the check for Windows needs the target {WINDOWS}");
        return Ok(());
    }
    Program::line(root, &format!("rustup target add {WINDOWS}")).run()
}

fn debian_packages(root: &Path) -> Result<()> {
    let mut missing = debian::missing(PACKAGES);
    if !python_makes_venvs(root) {
        println!("python3-venv is missing; it serves the second reader and the T-SQL parsers");
        missing.push("python3-venv");
    }
    debian::install(root, &missing)?;
    Ok(())
}

fn python_makes_venvs(root: &Path) -> bool {
    Program::line(root, "python3 -m ensurepip --version")
        .output()
        .is_some()
}

/// Makes an environment anew whenever its requirements change.
fn python_venv(root: &Path, environment: &Environment) -> Result<()> {
    let Environment {
        folder,
        requirements,
        pip_options,
    } = environment;
    let wanted = fs::read_to_string(root.join(requirements)).context(*requirements)?;
    let stamp = root.join(folder).join("requirements.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) {
        return Ok(());
    }
    Program::line(root, &format!("python3 -m venv --clear {folder}")).run()?;
    let pip = format!("{folder}/bin/python -m pip install --quiet --disable-pip-version-check");
    Program::line(root, &format!("{pip} {pip_options}-r {requirements}")).run()?;
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

/// Builds cargo-deny without optimisation, which takes a third of the time; it runs for a second.
fn cargo_deny(root: &Path) -> Result<()> {
    let version = || {
        let program = format!("{TOOLS}/bin/cargo-deny --version");
        Program::line(root, &program).output().unwrap_or_default()
    };
    let wanted = format!("cargo-deny {CARGO_DENY}");
    if version().trim() == wanted {
        return Ok(());
    }
    let install =
        format!("cargo install --locked cargo-deny --version {CARGO_DENY} --root {TOOLS}");
    Program::line(root, &install)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
        .run()?;
    match version().trim() == wanted {
        true => Ok(()),
        false => bail!("{TOOLS}/bin/cargo-deny is not {wanted}"),
    }
}

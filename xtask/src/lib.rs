//! Chores of this repository: `cargo xtask test`, `trace`, `compare`, `soak` and `fuzz`.
//!
//! | module | what |
//! |---|---|
//! | [`mod@test`] | sets up what the tests need, runs every step, prints the time of each |
//! | [`trace`] | compares specification, code and vectors |
//! | `soak` | random trees, damage, kills and faults, on Unix |
//! | [`compare`] | runs bakpak beside its rivals, keeps the numbers, draws them |
//! | [`fuzz`] | long runs of the fuzz functions |
//! | [`record`] | when and of what a recorded result is |
//! | [`debian`] | installs Debian packages |
//! | [`program`] | starts other programs |
//! | [`rust_file`] | Rust sources as text: code, comments and tests told apart |

pub mod compare;
pub mod debian;
pub mod fuzz;
pub mod program;
pub mod record;
pub mod rust_file;
#[cfg(unix)]
pub mod soak;
pub mod test;
pub mod trace;

#[cfg(test)]
#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../cli/tests/support/needs.rs"]
mod needs;

use std::path::{Path, PathBuf};

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

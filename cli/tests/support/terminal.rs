//! A terminal, made by `script`, in which somebody types at a command.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::sandbox::{Sandbox, wait_until};

/// A command that runs in a terminal.
pub(crate) struct Terminal {
    shown_in: PathBuf,
    child: Child,
    stdin: ChildStdin,
}

impl Terminal {
    /// Starts bakpak with a command line, then whatever else the shell shall do.
    pub(crate) fn start(sandbox: &Sandbox, line: &str, then: &str) -> Self {
        let shown_in = sandbox.path("shown");
        let _ = fs::remove_file(&shown_in);
        let typed = format!("'{}' {line}; {then}", env!("CARGO_BIN_EXE_bakpak"));
        let mut child = Command::new("script")
            .args(["-q", "-f", "-c", &typed, "shown"])
            .current_dir(sandbox.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        Self {
            shown_in,
            child,
            stdin,
        }
    }

    /// All that it has shown.
    pub(crate) fn shown(&self) -> String {
        let shown = fs::read(&self.shown_in).unwrap_or_default();
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// How often it has shown these words.
    pub(crate) fn count(&self, words: &str) -> usize {
        self.shown().matches(words).count()
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.stdin.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the last words, or for the end without them; returns all that was shown with them.
    pub(crate) fn until(mut self, last: &str) -> Option<String> {
        wait_until("the end", || {
            self.count(last) > 0 || self.child.try_wait().unwrap().is_some()
        });
        drop(self.stdin);
        self.child.wait().unwrap();
        let shown = String::from_utf8_lossy(&fs::read(&self.shown_in).unwrap()).into_owned();
        shown.contains(last).then_some(shown)
    }
}

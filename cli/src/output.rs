//! What the program says: data on standard output, talk on standard error, or JSON lines.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;
use std::time::SystemTime;

use bakpak_format::entry::{EntryPath, Timestamp};

use self::event::{Event, JsonPath, Line};
use crate::args::FailOn;
use crate::exit::Exit;

pub(crate) mod event;

/// Where everything the program says goes through.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    data: RefCell<BufWriter<Stdout>>,
    closed: Cell<bool>,
    failed: RefCell<Option<io::Error>>,
    warnings: Cell<usize>,
}

impl Output {
    /// `json`: events on standard output and no text there. `quiet`: no talk but warnings.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let data = RefCell::new(BufWriter::new(io::stdout()));
        let (closed, failed, warnings) = (Cell::new(false), RefCell::new(None), Cell::new(0));
        Self {
            json,
            quiet,
            data,
            closed,
            failed,
            warnings,
        }
    }

    /// Whether progress and summaries are unwanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether nobody reads standard output any more; that is not an error.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// How a run ends that did its work.
    pub(crate) fn exit(&self, fail_on: Option<FailOn>) -> Exit {
        match fail_on {
            Some(FailOn::Warning) if self.warning_count() > 0 => Exit::WARNINGS,
            _ => Exit::DONE,
        }
    }

    /// How many warnings there were.
    pub(crate) fn warning_count(&self) -> usize {
        self.warnings.get()
    }

    /// Whether events are wanted: making one costs more than a line.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A JSON line, if JSON was asked for.
    pub(crate) fn event(&self, event: &Event) {
        if !self.json {
            return;
        }
        self.write(&json_line(event));
    }

    /// A line of data for people, unless JSON was asked for.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        if !self.json && !self.closed.get() {
            let written = writeln!(self.data.borrow_mut(), "{text}");
            self.note(written);
        }
    }

    /// Bytes of data as they are.
    pub(crate) fn write(&self, bytes: &[u8]) {
        if !self.closed.get() {
            let written = self.data.borrow_mut().write_all(bytes);
            self.note(written);
        }
    }

    /// Hands all data on.
    pub(crate) fn flush(&self) {
        if !self.closed.get() {
            let flushed = self.data.borrow_mut().flush();
            self.note(flushed);
        }
    }

    /// Ends the output.
    ///
    /// # Errors
    ///
    /// Standard output could not be written; that nobody reads it any more is no error.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.flush();
        self.failed.take().map_or(Ok(()), Err)
    }

    fn note(&self, written: io::Result<()>) {
        if let Err(error) = written {
            self.closed.set(true);
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failed.replace(Some(error));
            }
        }
    }

    /// A line of talk, unless it is unwanted.
    pub(crate) fn say(&self, text: impl fmt::Display) {
        if !self.quiet && !self.json {
            self.flush();
            talk(&format!("bakpak: {text}\n"));
        }
    }

    /// A line of talk that is told even if talk is unwanted.
    pub(crate) fn remark(&self, text: &str) {
        self.flush();
        talk(&format!("bakpak: {text}\n"));
    }

    /// Something worth telling that does not stop the run.
    pub(crate) fn warn(&self, code: Option<&str>, path: Option<&EntryPath>, text: &str) {
        self.warnings.set(self.warnings.get() + 1);
        self.flush();
        let message = escaped(text).to_string();
        let code_text = code.map(|code| format!("{code} ")).unwrap_or_default();
        talk(&format!("bakpak: warning: {code_text}{message}\n"));
        let path = path.map(JsonPath::from).unwrap_or_default();
        self.event(&Event::Warning {
            code: code.map(str::to_owned),
            path,
            message,
        });
    }

    /// Something wrong.
    pub(crate) fn error(&self, message: &str) {
        self.flush();
        talk(&format!("bakpak: error: {message}\n"));
    }

    /// What to do about what is wrong, one line for each.
    pub(crate) fn hint(&self, hints: &[String]) {
        let lines = hints.iter().map(|hint| format!("bakpak: hint: {hint}\n"));
        talk(&lines.collect::<String>());
    }
}

/// An event as a line of JSON.
pub(crate) fn json_line(event: &Event) -> Vec<u8> {
    let line = Line { v: 1, event };
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default(); // no map keys, no I/O
    bytes.push(b'\n');
    bytes
}

/// Writes to standard error; nobody there to read it is no error.
pub(crate) fn talk(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text with control characters as `\n` or `\u{1b}`: safe for a terminal, on one line.
pub(crate) fn escaped(text: &str) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        for c in text.chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => write!(f, "{c}")?,
            }
        }
        Ok(())
    })
}

/// Bytes that should be text, likewise; what is not UTF-8 as `\\xff`.
pub(crate) fn escaped_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for part in bytes.utf8_chunks() {
        text.push_str(&escaped(part.valid()).to_string());
        text.extend(part.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// A path of this machine in quotes, safe for a terminal.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", escaped(&path.to_string_lossy()))
}

/// `1.2 GiB`.
pub(crate) fn size(len: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut value = len as f64;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{len} B"),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

/// `1 entry`, `2 entries`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `2026-10-17T08:30:00Z`, with nanoseconds where there are some.
pub(crate) fn time(time: Timestamp) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or_default(); // below 10^9
    jiff::Timestamp::new(time.seconds, nanos)
        .map(|time| time.to_string())
        .unwrap_or_else(|_| format!("{} s", time.seconds))
}

/// Now.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests;

//! The plain format (`-Fp`), which is SQL text: nothing but its last lines tells that it is whole.

use std::io::{self, BufRead};

use crate::fault::FaultKind;

use super::Dump;

/// How much of a line is looked at.
const LINE_LEN: usize = 512;
const COMPLETE: &str = "-- PostgreSQL database dump complete";
const CLUSTER_COMPLETE: &str = "-- PostgreSQL database cluster dump complete";
const MAX_EXTENSIONS: usize = 100;

/// What was seen up to the current line.
#[derive(Default)]
struct Progress {
    /// The key of `\restrict`, which `\unrestrict` must repeat.
    restricted_by: Option<String>,
    /// Whether the line that ends a dump was seen, and nothing that belongs to another.
    is_complete: bool,
}

/// Checks a dump in plain format: whether it has its last lines.
pub(super) fn check<R: BufRead>(
    mut reader: R,
    is_cluster: bool,
    dump: &mut Dump,
) -> io::Result<()> {
    let complete = if is_cluster {
        CLUSTER_COMPLETE
    } else {
        COMPLETE
    };
    let mut progress = Progress::default();
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line)? {
        let text = String::from_utf8_lossy(&line);
        progress.take(text.trim_end(), complete, dump);
    }
    if !progress.is_complete {
        let message = format!("it does not end with '{complete}'");
        dump.faults.add(FaultKind::Truncated, message);
    } else if progress.restricted_by.is_some() {
        dump.faults.add(
            FaultKind::Truncated,
            "it has \\restrict without \\unrestrict",
        );
    }
    Ok(())
}

impl Progress {
    fn take(&mut self, line: &str, complete: &str, dump: &mut Dump) {
        if line == complete {
            self.is_complete = true;
        } else if let Some(key) = line.strip_prefix("\\restrict ") {
            self.restricted_by = Some(key.to_owned());
            self.is_complete = false;
        } else if let Some(key) = line.strip_prefix("\\unrestrict ") {
            self.restricted_by.take_if(|expected| expected == key);
        } else if !matches!(line, "" | "--") {
            self.is_complete = false;
            take_fact(line, dump);
        }
    }
}

/// The comments at the start, and the extensions that are created.
fn take_fact(line: &str, dump: &mut Dump) {
    if let Some(version) = line.strip_prefix("-- Dumped from database version ") {
        dump.server_version
            .get_or_insert_with(|| version.to_owned());
    } else if let Some(version) = line.strip_prefix("-- Dumped by pg_dump version ") {
        dump.pg_dump_version
            .get_or_insert_with(|| version.to_owned());
    } else if let Some(rest) = line.strip_prefix("\\connect ") {
        let name = rest.trim_matches('"');
        dump.database_name.get_or_insert_with(|| name.to_owned());
    } else if let Some(rest) = line.strip_prefix("CREATE EXTENSION IF NOT EXISTS ") {
        let name = rest
            .split([' ', ';'])
            .next()
            .unwrap_or_default()
            .trim_matches('"');
        let is_known = dump.extensions.iter().any(|known| known == name);
        if !is_known && dump.extensions.len() < MAX_EXTENSIONS {
            dump.extensions.push(name.to_owned());
        }
    }
}

/// Reads a line, of which [`LINE_LEN`] bytes are kept. False at the end of the file.
fn read_line<R: BufRead>(reader: &mut R, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut has_read = false;
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(has_read);
        }
        has_read = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..end.unwrap_or(available.len())];
        let room = LINE_LEN.saturating_sub(line.len());
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let piece_len = end.map_or(available.len(), |end| end + 1);
        reader.consume(piece_len);
        if end.is_some() {
            return Ok(true);
        }
    }
}

//! Microsoft's T-SQL parsers: whether a script is right, and what it means.

use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::needs;

/// What the parsers say of a script.
#[derive(Deserialize)]
pub(crate) struct Answer {
    /// Of both parsers.
    pub(crate) errors: Vec<String>,
    /// The statements between two `GO`; what a statement holds follows it.
    pub(crate) batches: Vec<Vec<Value>>,
}

/// Has all scripts read by one run of the parsers. None where they are not set up.
pub(crate) fn read<'a>(scripts: impl IntoIterator<Item = &'a str>) -> Option<Vec<Answer>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/tsql-oracle/bin/python");
    if !python.exists() {
        needs::missing(
            "Microsoft's T-SQL parsers are not set up (`cargo xtask test --only setup` does)",
        );
        return None;
    }
    // A file, because two pipes would wait for each other.
    let mut input = tempfile::tempfile().unwrap();
    let mut count = 0;
    for script in scripts {
        serde_json::to_writer(&input, script).unwrap();
        input.write_all(b"\n").unwrap();
        count += 1;
    }
    input.rewind().unwrap();
    let output = Command::new(python)
        .arg(root.join("crates/recovery/tests/oracle/parse.py"))
        .stdin(Stdio::from(input))
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let answers = output.stdout.split(|byte| *byte == b'\n');
    let answers = answers.filter(|line| !line.is_empty());
    let answers: Vec<Answer> = answers
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(answers.len(), count, "{complaints}");
    Some(answers)
}

impl Answer {
    /// All statements, without those that only put a batch together on the server.
    pub(crate) fn statements(&self) -> Vec<&Value> {
        let batches = self.batches.iter();
        batches.flat_map(|batch| own_statements(batch)).collect()
    }

    /// The statements of a type.
    pub(crate) fn of_type(&self, wanted: &str) -> Vec<&Value> {
        let mut statements = self.statements();
        statements.retain(|statement| statement["type"] == wanted);
        statements
    }

    /// The types of all statements.
    pub(crate) fn types(&self) -> Vec<&str> {
        let statements = self.statements().into_iter();
        statements
            .map(|statement| statement["type"].as_str().unwrap())
            .collect()
    }
}

fn own_statements(batch: &[Value]) -> &[Value] {
    let is = |index: usize, kind: &str| batch.get(index).is_some_and(|one| one["type"] == kind);
    if !is(0, "DeclareVariableStatement") {
        return batch;
    }
    let sets = (1..).take_while(|index| is(*index, "SetVariableStatement"));
    let end = sets.last().unwrap_or(0) + 1;
    match end > 1 && is(end, "ExecuteStatement") {
        true => &batch[end + 1..],
        false => batch,
    }
}

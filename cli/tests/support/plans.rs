//! What `bakpak plan --json` says.

use serde_json::{Value, json};

use crate::sandbox::Run;

/// The one plan that was printed.
pub(crate) fn plan_of(run: &Run) -> Value {
    let lines = run.lines();
    assert_eq!(lines.len(), 1, "one line: {}{}", run.text(), run.err);
    let plan: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&plan["v"], &plan["type"]), (&json!(1), &json!("plan")));
    plan
}

/// The codes of its findings.
pub(crate) fn codes(plan: &Value) -> Vec<&str> {
    let findings = plan["findings"].as_array().unwrap().iter();
    findings.map(|one| one["code"].as_str().unwrap()).collect()
}

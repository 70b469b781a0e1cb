//! `bakpak explain`: rules in words and as JSON.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

#[test]
fn explain_tells_a_rule_and_lists_all() {
    let sandbox = Sandbox::new();
    let all = sandbox.typed("explain --json").succeeds();
    let all = all.events("rule");
    assert!(all.len() > 40 && sandbox.typed("explain").succeeds().lines().len() == all.len());
    for rule in all.iter().take(3) {
        let code = rule["code"].as_str().unwrap();
        let text = sandbox.typed(&format!("explain {code}")).succeeds().text();
        for field in ["code", "severity", "title", "why", "now"] {
            assert!(
                text.contains(rule[field].as_str().unwrap()),
                "{field}: {text}"
            );
        }
    }
}

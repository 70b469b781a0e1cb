//! The demonstration does what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

#[test]
fn the_demonstration_succeeds_and_keeps_what_was_asked_for() {
    let sandbox = Sandbox::new();
    let run = sandbox.typed("demo --dir demo").succeeds();
    let text = run.text();
    for words in [
        "$ bakpak pack -o server.bakpak",
        "$ bakpak verify --keyless damaged.bakpak",
        "(exit code 21)",
        "(exit code 20)",
        "$ bakpak repair damaged.bakpak -o mended.bakpak",
        "mended.bakpak is server.bakpak again, byte for byte",
        "the report is right",
        "identical in content",
        "every step did what it should",
    ] {
        assert!(text.contains(words), "no '{words}' in:\n{text}");
    }
    assert!(sandbox.path("demo/server.bakpak").exists());
    sandbox.typed("demo --dir demo").exits(31);
}

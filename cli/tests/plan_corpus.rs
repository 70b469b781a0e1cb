//! `bakpak plan` of real backups, whose restores are known.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

#[path = "support/plans.rs"]
mod plans;

use plans::{codes, plan_of};
use sandbox::{Run, Sandbox, needs};

/// The sample backups, which lie beside the repository and are never copied into it.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/bak");
    let found = beside.canonicalize().ok();
    if found.is_none() {
        needs::missing("the sample backups are not beside the repository");
    }
    found
}

/// The names of the files of each step, with the code that it ends with.
fn files_of(sandbox: &Sandbox, paths: &[PathBuf], more: &[&str]) -> (i32, Vec<String>, Value) {
    let mut command = sandbox.command(["plan", "--json"]);
    let run = Run::of(command.args(paths).args(more));
    let plan = plan_of(&run);
    let files = plan["steps"].as_array().unwrap().iter();
    let files = files.flat_map(|step| step["files"].as_array().unwrap());
    let name = |file: &Value| {
        let path = Path::new(file.as_str().unwrap());
        path.file_name().unwrap().to_str().unwrap().to_owned()
    };
    (run.code, files.map(name).collect(), plan.clone())
}

#[test]
fn real_backups_are_planned_as_is_known() {
    let Some(corpus) = corpus() else { return };
    let sandbox = Sandbox::new();
    let chain = corpus.join("chain-2008r2-full-diff-log");
    let (code, files, _) = files_of(&sandbox, std::slice::from_ref(&chain), &[]);
    let later = [1, 2, 3].map(|n| format!("RestoreTimeClean2_{n}.trn"));
    let bases = ["RestoreTimeClean.bak", "RestoreTimeClean2.bak"].map(str::to_owned);
    assert_eq!((code, files), (0, [bases.as_slice(), &later].concat()));

    let entries = fs::read_dir(&chain).unwrap();
    let mut others: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    others.retain(|path| !path.ends_with("RestoreTimeClean2.bak"));
    let (code, files, _) = files_of(&sandbox, &others, &[]);
    let earlier = [1, 2, 3].map(|n| format!("RestoreTimeClean_{n}.trn"));
    assert_eq!((code, files), (0, [&bases[..1], &earlier, &later].concat()));

    let lone = corpus.join("cconocimientos_northwind.bak");
    let (code, files, plan) = files_of(&sandbox, &[lone], &[]);
    assert_eq!((code, files.len()), (23, 0));
    assert!(codes(&plan).contains(&"BP125"), "{plan}");

    let differentials = corpus.join("thanhtam_diff.bak");
    let run = Run::of(sandbox.command(["plan"]).arg(&differentials));
    let names = run.exits(2).err;
    assert_eq!(names.matches("--database '").count(), 2, "{names}");
    let name = names.split("--database '").nth(1).unwrap();
    let name = name.split('\'').next().unwrap();
    let (code, files, plan) = files_of(&sandbox, &[differentials], &["--database", name]);
    assert_eq!((code, files.len()), (23, 0));
    assert!(codes(&plan).contains(&"BP122"), "{plan}");

    let run = Run::of(sandbox.command(["plan"]).arg(corpus.join("not-a-bak")));
    run.exits(23).says("is no SQL Server backup");
}

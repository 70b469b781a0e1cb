//! The machine, in words: no host names, no paths.

use crate::program::Program;
use std::fs;
use std::path::Path;

/// So many changed files are named.
const NAMED_CHANGES: usize = 4;

/// How busy the machine is, over 1, 5 and 15 minutes.
#[must_use]
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    load.join(" ")
}

/// What is built: the commit, and which files are not as it has them.
#[must_use]
pub fn commit(root: &Path) -> String {
    let output = |line: &str| Program::line(root, line).output().unwrap_or_default();
    let commit = output("git rev-parse --short=12 HEAD");
    let changes = output("git status --porcelain --untracked-files=no");
    with_changes(commit.trim(), &changes)
}

fn with_changes(commit: &str, changes: &str) -> String {
    let files: Vec<&str> = changes.lines().filter_map(|line| line.get(3..)).collect();
    let named = files.get(..NAMED_CHANGES).unwrap_or(&files).join(", ");
    match files.len() {
        0 => commit.to_owned(),
        1..=NAMED_CHANGES => format!("{commit} and changes that are not committed ({named})"),
        count => format!(
            "{commit} and changes that are not committed ({named} and {} more)",
            count - NAMED_CHANGES
        ),
    }
}

/// What a run has to say about where and when it was made, one fact a line.
#[must_use]
pub fn facts(root: &Path, work: &Path, load: &str, commit: &str) -> Vec<String> {
    let output = |line: &str| {
        let output = Program::line(root, line).output().unwrap_or_default();
        output.trim().to_owned()
    };
    let kernel = output("uname -r");
    let kernel = kernel
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .next();
    vec![
        format!("date: {}", output("date -u +%FT%RZ")),
        format!(
            "machine: {} x {}, {} GiB, {} {}",
            processors(),
            cpu_model(),
            memory_gib(),
            output("uname -s"),
            kernel.unwrap_or_default()
        ),
        format!("load at the start: {load} (of 1, 5 and 15 minutes)"),
        format!("bakpak: {commit}, {}", output("rustc --version")),
        format!(
            "all files on {}, in memory before each clock starts",
            file_system(root, work)
        ),
    ]
}

/// A folder's name such as `2026-03-01-2x-amd-epyc`.
#[must_use]
pub fn folder_name(root: &Path) -> String {
    let date = Program::line(root, "date -u +%F")
        .output()
        .unwrap_or_default();
    let machine = format!("{}x {}", processors(), cpu_model()).to_lowercase();
    let words: Vec<&str> = machine
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    format!("{}-{}", date.trim(), words.join("-"))
}

/// Bytes that a folder's file system still takes; memory bounds those that live in it.
#[must_use]
pub fn room(root: &Path, folder: &Path) -> u64 {
    let free = Program::line(root, "df --output=avail --block-size=1")
        .arg(folder)
        .output();
    let free = free
        .as_deref()
        .and_then(|text| text.lines().last()?.trim().parse().ok());
    let free = free.unwrap_or(0);
    match file_system(root, folder) == "tmpfs" {
        true => free.min(meminfo("MemAvailable") << 10),
        false => free,
    }
}

fn file_system(root: &Path, folder: &Path) -> String {
    let output = Program::line(root, "df --output=fstype")
        .arg(folder)
        .output();
    let line = output.as_deref().and_then(|text| text.lines().last());
    line.unwrap_or("an unknown file system").trim().to_owned()
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(':'));
    model.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, model)| model.trim().to_owned(),
    )
}

fn memory_gib() -> u64 {
    (meminfo("MemTotal") + (1 << 19)) >> 20
}

/// In KiB; 0 if the system does not tell.
fn meminfo(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_is_named() {
        assert_eq!(with_changes("abc", ""), "abc");
        let one = with_changes("abc", " M README.md\n");
        assert_eq!(one, "abc and changes that are not committed (README.md)");
        let six = with_changes("abc", &"M  a/b.rs\n".repeat(6));
        assert!(
            six.ends_with("(a/b.rs, a/b.rs, a/b.rs, a/b.rs and 2 more)"),
            "{six}"
        );
    }
}

//! Crates and modules know only what stands below them, and each power has one place.

use std::collections::{BTreeMap, BTreeSet};
use xtask::rust_file::{Line, RustFile, has_word, read_all};

/// A crate of the house: its folder, its name in code, and what it may know.
struct Crate {
    folder: &'static str,
    name: &'static str,
    may_know: &'static [&'static str],
}

/// All crates that users get, from the top floor down.
const CRATES: [Crate; 6] = [
    Crate {
        folder: "cli",
        name: "bakpak",
        may_know: &[
            "bakpak_codec",
            "bakpak_tree",
            "bakpak_format",
            "recovery",
            "mssql_backup",
        ],
    },
    Crate {
        folder: "crates/bakpak-codec",
        name: "bakpak_codec",
        may_know: &["bakpak_format"],
    },
    Crate {
        folder: "crates/bakpak-tree",
        name: "bakpak_tree",
        may_know: &["bakpak_format"],
    },
    Crate {
        folder: "crates/recovery",
        name: "recovery",
        may_know: &["mssql_backup"],
    },
    Crate {
        folder: "crates/bakpak-format",
        name: "bakpak_format",
        may_know: &[],
    },
    Crate {
        folder: "crates/mssql-backup",
        name: "mssql_backup",
        may_know: &[],
    },
];

/// What only one file of a folder may name.
struct Power {
    folder: &'static str,
    file: &'static str,
    words: &'static [&'static str],
}

const POWERS: [Power; 4] = [
    Power {
        folder: "crates/bakpak-codec",
        file: "crates/bakpak-codec/src/pipeline.rs",
        words: &[
            "std::thread",
            "thread::spawn",
            "thread::scope",
            "thread::Builder",
            "mpsc",
        ],
    },
    Power {
        folder: "crates/bakpak-codec",
        file: "crates/bakpak-codec/src/keys.rs",
        words: &["hkdf", "Hkdf"],
    },
    Power {
        folder: "crates/bakpak-format",
        file: "crates/bakpak-format/src/encoding.rs",
        words: &["bincode"],
    },
    // Whatever else takes bytes from the random generator takes them from this file.
    Power {
        folder: "crates/bakpak-codec",
        file: "crates/bakpak-codec/src/random.rs",
        words: &["SysRng", "OsRng"],
    },
];

/// Files of these names would collect what has no home.
const HOMELESS: [&str; 4] = ["utils.rs", "common.rs", "misc.rs", "mod.rs"];

/// The Rust files of a folder; a folder without any is a mistake of this test.
fn files(folder: &str) -> Vec<RustFile> {
    let files = read_all(&xtask::root(), folder).expect("the folder can be read");
    assert!(!files.is_empty(), "{folder} holds no Rust file");
    files
}

/// The files of a crate that are compiled for users.
fn sources(folder: &str) -> Vec<RustFile> {
    files(&format!("{folder}/src"))
}

/// Where lines outside tests do what they should not.
fn lines_where(files: &[RustFile], wrong: impl Fn(&Line) -> bool) -> Vec<String> {
    let lines = files
        .iter()
        .flat_map(|file| file.outside_tests().map(move |line| (file, line)));
    lines
        .filter(|(_, line)| wrong(line))
        .map(|(file, line)| format!("{}:{}: {}", file.path, line.number, line.text.trim()))
        .collect()
}

fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn crates_know_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    for this in &CRATES {
        let others = CRATES
            .iter()
            .map(|other| other.name)
            .filter(|name| *name != this.name);
        let above: Vec<&str> = others
            .filter(|name| !this.may_know.contains(name))
            .collect();
        let files = sources(this.folder);
        // Of the program's own name only a path is meant; it is also the name of what it handles.
        let path = |name: &str| if name == "bakpak" { "bakpak::" } else { name }.to_owned();
        wrong.extend(lines_where(&files, |line| {
            above.iter().any(|name| has_word(&line.code, &path(name)))
        }));
    }
    assert_none(&wrong, "these name a crate that is not below them");
}

#[test]
fn manifests_of_crates_depend_only_on_what_stands_below_them() {
    let mut wrong = Vec::new();
    for this in &CRATES {
        let path = xtask::root().join(this.folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).expect("each crate has a manifest");
        let manifest: toml::Table = text.parse().expect("a manifest is TOML");
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let own = dependencies.into_iter().flat_map(toml::Table::keys);
        let own = own
            .filter(|name| name.starts_with("bakpak"))
            .map(|name| name.replace('-', "_"));
        let above = own.filter(|name| !this.may_know.contains(&name.as_str()));
        wrong.extend(above.map(|name| format!("{}: {name}", path.display())));
    }
    assert_none(&wrong, "these depend on a crate that is not below them");
}

#[test]
fn each_power_has_one_place() {
    let mut wrong = Vec::new();
    for power in &POWERS {
        let (own, others): (Vec<_>, Vec<_>) = sources(power.folder)
            .into_iter()
            .partition(|file| file.path == power.file);
        let names = |line: &Line| power.words.iter().any(|word| has_word(&line.code, word));
        assert!(
            !lines_where(&own, names).is_empty(),
            "{} names none of its words",
            power.file
        );
        wrong.extend(lines_where(&others, names));
    }
    assert_none(&wrong, "only one file may name what these name");
}

#[test]
fn imports_name_what_they_take_from_where_it_is_defined() {
    let mut wrong = Vec::new();
    for this in &CRATES {
        wrong.extend(lines_where(&sources(this.folder), |line| {
            let own = line.code.split_once("use crate::").map(|(_, path)| path);
            let is_glob = line.code.contains("use ") && line.code.ends_with("::*;");
            is_glob
                || own.is_some_and(|path| path.starts_with(|c: char| c == '*' || c.is_uppercase()))
        }));
    }
    assert_none(&wrong, "these import with '*' or through the root");
}

#[test]
fn no_file_collects_what_has_no_home() {
    let mut wrong = Vec::new();
    for folder in CRATES.iter().map(|this| this.folder).chain(["xtask"]) {
        let paths = files(folder).into_iter().map(|file| file.path);
        let homeless = |path: &String| HOMELESS.contains(&path.rsplit('/').next().unwrap_or(""));
        wrong.extend(paths.filter(homeless));
    }
    assert_none(&wrong, "these names say nothing");
}

#[test]
fn nothing_is_unsafe() {
    let folders = CRATES.iter().map(|this| this.folder).chain(["xtask"]);
    let mut wrong = Vec::new();
    for folder in folders {
        for file in files(folder) {
            let lines = file
                .lines
                .iter()
                .filter(|line| has_word(&line.code, "unsafe"));
            wrong.extend(lines.map(|line| format!("{}:{}", file.path, line.number)));
        }
    }
    assert_none(&wrong, "these are unsafe");
}

#[test]
fn modules_of_a_crate_do_not_go_in_circles() {
    let mut wrong = Vec::new();
    for this in &CRATES {
        let graph = modules(&sources(this.folder), this.folder);
        assert!(
            graph.values().any(|known| !known.is_empty()),
            "{} imports nothing",
            this.folder
        );
        wrong.extend(
            circles(&graph)
                .iter()
                .map(|circle| format!("{}: {circle}", this.folder)),
        );
    }
    assert_none(&wrong, "these modules know each other");
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Which module names which other by `crate::`; a `topic.rs` and its folder are one module. The
/// crate's root is none: it names all.
fn modules(files: &[RustFile], folder: &str) -> Graph {
    let mut graph = Graph::new();
    for file in files {
        let path = file
            .path
            .strip_prefix(&format!("{folder}/src/"))
            .unwrap_or(&file.path);
        let own = path
            .split('/')
            .next()
            .unwrap_or(path)
            .trim_end_matches(".rs");
        if !["lib", "main"].contains(&own) {
            graph
                .entry(own.to_owned())
                .or_default()
                .extend(named_modules(file, own));
        }
    }
    graph
}

fn named_modules(file: &RustFile, own: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for line in file.outside_tests() {
        for (_, rest) in line
            .code
            .match_indices("crate::")
            .map(|(at, m)| line.code.split_at(at + m.len()))
        {
            let rest = rest.trim_start_matches('{');
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            named.insert(rest[..end].to_owned());
        }
    }
    named.remove(own);
    named
}

/// Each module that can reach itself, with a shortest way.
fn circles(graph: &Graph) -> BTreeSet<String> {
    let mut circles = BTreeSet::new();
    for start in graph.keys() {
        let mut ways = vec![vec![start.as_str()]];
        let mut seen = BTreeSet::new();
        let mut next = 0;
        while let Some(way) = ways.get(next).cloned() {
            next += 1;
            let known = way.last().and_then(|last| graph.get(*last));
            for module in known.into_iter().flatten() {
                let longer: Vec<&str> = way.iter().copied().chain([module.as_str()]).collect();
                if module == start && start == longer.iter().min().copied().unwrap_or("") {
                    circles.insert(longer.join(" > "));
                }
                if seen.insert(module.as_str()) {
                    ways.push(longer);
                }
            }
        }
    }
    circles
}

#[test]
fn circles_are_found() {
    let file = |name: &str, text: &str| RustFile::parse(&format!("x/src/{name}.rs"), text);
    let files = [
        file("lib", "mod a;\nmod b;"),
        file("a", "use crate::b::B;"),
        file("b", "fn f() {}"),
        file("b/c", "fn f() { crate::a::g() }"),
        file(
            "d",
            "use crate::a::A;\n#[cfg(test)]\nmod tests {\n    use crate::e::E;\n}",
        ),
        file("e", "use crate::d::D; // crate::a"),
    ];
    let found = circles(&modules(&files, "x"));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a > b > a"]);
}

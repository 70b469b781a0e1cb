use super::*;
use proptest::prelude::*;

const WINDOWS: [&str; 9] = [
    "TaskLogs\\2026\\servertasks-1.txt",
    "Artifacts\\a.zip",
    "Packages\\Spaces-1\\feeds-builtin\\Web\\Web.1.0.zip",
    "EventExports\\2026-01.jsonl",
    "Logs\\OctopusServer.txt",
    "OctopusServer\\PackageCache\\x",
    "OctopusServer\\ActivityLogs\\y",
    "Backup\\old.bak",
    "Packages\\DfsrPrivate\\Staging\\z",
];

fn home(paths: &[&str]) -> Home {
    Home::of(paths.iter().map(|path| HomeEntry {
        path: path.trim_end_matches('/'),
        len: 10,
        is_dir: path.ends_with('/'),
    }))
}

fn rules(home: &Home) -> Vec<(&'static str, String)> {
    let findings = home.findings().into_iter();
    findings
        .map(|finding| (finding.rule, finding.path.unwrap_or_default()))
        .collect()
}

#[test]
fn a_whole_home_has_no_findings() {
    let home = home(&WINDOWS);
    assert!(home.is_octopus());
    assert_eq!(home.findings(), []);
    assert_eq!(home.amount(Folder::Packages).file_count, 1);
    assert_eq!(home.caches.tops, ["OctopusServer\\PackageCache"]);
    assert_eq!(
        home.leftovers.tops,
        ["OctopusServer\\ActivityLogs", "Backup"]
    );
    assert_eq!((home.leftovers.file_count, home.leftovers.len), (2, 20));
    assert_eq!(home.replication.tops, ["Packages\\DfsrPrivate"]);
}

#[test]
fn a_container_has_other_names() {
    let home = home(&[
        "taskLogs/a",
        "artifacts/b",
        "repository/Spaces-1/c",
        "eventExports/d",
        "cache/e",
    ]);
    assert!(home.is_octopus());
    assert_eq!(home.findings(), []);
    assert_eq!(home.caches.file_count, 1);
}

#[test]
fn missing_and_empty_folders_are_findings() {
    let home = home(&["TaskLogs/a", "Packages/", "Artifacts/b"]);
    let expected = [
        ("BP113", "Packages".to_owned()),
        ("BP113", "EventExports".to_owned()),
    ];
    assert_eq!(rules(&home), expected);
    let messages: Vec<_> = home
        .findings()
        .into_iter()
        .map(|finding| finding.message)
        .collect();
    assert!(
        messages[0].starts_with("Packages has no file"),
        "{messages:?}"
    );
    assert!(
        messages[1].starts_with("EventExports is not there"),
        "{messages:?}"
    );
}

#[test]
fn other_directories_have_no_findings() {
    let home = home(&["src/main.rs", "logs/x", "Packages/a.zip", "masterKey/notes"]);
    assert!(!home.is_octopus());
    assert_eq!(home.findings(), []);
}

#[test]
fn configuration_and_clear_keys_are_not_to_restore() {
    let mut paths = WINDOWS.to_vec();
    let live = [
        "OctopusServer.config",
        "octopusserver.config.bak",
        ".octopus/OctopusServer/Server/Server.linux.config",
        "masterKey/OctopusServer",
        "etc/octopus/machinekey",
    ];
    paths.extend(live);
    let expected = live.map(|path| ("BP106", path.to_owned()));
    assert_eq!(rules(&home(&paths)), expected);
}

#[test]
fn a_clear_key_is_found_outside_of_a_home_too() {
    let home = home(&[
        "volumes/masterKey/OctopusServer",
        "masterKey/other",
        "notes.txt",
    ]);
    assert_eq!(
        rules(&home),
        [("BP106", "volumes/masterKey/OctopusServer".to_owned())]
    );
}

#[test]
fn names_are_whole() {
    assert_eq!(Role::of("WorkItems/a"), Role::Other);
    assert_eq!(Role::of("Work/a"), Role::Cache);
    assert_eq!(Role::of("./packages"), Role::Needed(Folder::Packages));
    assert_eq!(Role::of("Spaces/Packages/a"), Role::Other);
    assert_eq!(Role::of("Packages/Work/a"), Role::Needed(Folder::Packages));
}

#[test]
fn lists_are_bounded() {
    let paths: Vec<String> = (0..300)
        .map(|number| format!("Packages/{number}/DfsrPrivate/x"))
        .collect();
    let home = home(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(home.replication.tops.len(), MAX_PATHS);
    assert_eq!(home.replication.file_count, 300);
}

proptest! {
    #[test]
    fn no_path_panics(path in "(\\PC|[/\\\\.]|DfsrPrivate|OctopusServer){0,8}") {
        prop_assert!(home(&[&path]).findings().len() <= 5);
    }
}

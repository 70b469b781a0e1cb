//! Runbooks: their order, their commands, and that no name changes what they say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail too"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Stdio};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/orders.rs"]
mod orders;
#[path = "support/runbooks.rs"]
mod support;

use orders::hostile_name;
use proptest::prelude::*;
use recovery::runbook::facts::ArchiveKey;
use recovery::runbook::{Command, Document, Scripts, Shell, Stage, Step, Target, runbook};
use support::{KINDS, Kind, Names, WITHOUT_KEY, tame};

fn all() -> impl Iterator<Item = (Kind, Document)> {
    let kinds = KINDS.into_iter().chain(WITHOUT_KEY);
    kinds.map(|kind| (kind, runbook(&kind.facts(&tame()), &kind.options())))
}

/// The place of the first command that holds a text, among all commands.
fn place(document: &Document, text: &str) -> usize {
    let mut commands = document.commands();
    let place = commands.position(|command| command.text.contains(text));
    place.unwrap_or_else(|| panic!("no command has {text}"))
}

fn stage(document: &Document, stage: Stage) -> Option<usize> {
    let mut sections = document.sections.iter();
    sections.position(|section| section.stage == stage)
}

#[test]
fn sections_come_in_the_order_that_loses_no_data() {
    for (kind, document) in all() {
        let stages: Vec<Stage> = document.sections.iter().map(|one| one.stage).collect();
        assert!(stages.is_sorted(), "{}: {stages:?}", kind.name);
        let numbers = document.sections.iter().map(|section| section.number);
        assert!(numbers.eq(0..stages.len()));
        for needed in [Stage::Archive, Stage::Fence, Stage::Databases, Stage::Prove] {
            assert!(stages.contains(&needed), "{}", kind.name);
        }
        assert!(stage(&document, Stage::Files) < stage(&document, Stage::Start));
        assert!(stage(&document, Stage::Databases) < stage(&document, Stage::Files));
    }
}

#[test]
fn files_lie_in_their_places_before_octopus_first_starts() {
    for (kind, document) in all().filter(|(kind, _)| kind.is_octopus) {
        let (moved, start) = match kind.target {
            Target::Windows => ("Move-Item", "--start"),
            Target::Docker => ("mv -T", "docker run"),
        };
        assert!(place(&document, "home/Packages") < place(&document, start));
        assert!(place(&document, moved) < place(&document, start));
        let starts: Vec<Stage> = document
            .sections
            .iter()
            .filter(|section| holds(section.steps.iter(), start))
            .map(|section| section.stage)
            .collect();
        assert_eq!(starts[0], Stage::Start, "{}", kind.name);
    }
}

fn holds<'a>(mut steps: impl Iterator<Item = &'a Step>, text: &str) -> bool {
    steps.any(|step| matches!(step, Step::Command(command) if command.text.contains(text)))
}

#[test]
fn certificates_come_before_databases_and_the_key_after() {
    for (kind, document) in all() {
        let scripts = [
            "00-preflight",
            "01-certificates",
            "02-verify",
            "04-restore",
            "05-recover",
        ];
        let places: Vec<usize> = scripts.iter().map(|name| place(&document, name)).collect();
        assert!(places.is_sorted(), "{}: {places:?}", kind.name);
        let granted = place_or_end(&document, "icacls").min(place_or_end(&document, "chown"));
        assert!(granted < places[0]);
        if kind.is_octopus && kind.target == Target::Windows {
            assert!(places[4] < place(&document, "--masterKey"));
        }
    }
}

#[test]
fn what_cannot_be_restored_stands_on_top_and_notes_before_anything_is_done() {
    let mut facts = KINDS[2].facts(&tame());
    facts.lost = vec!["'orders' CANNOT BE RESTORED".to_owned()];
    facts.notes = vec!["two nodes were packed".to_owned()];
    let document = runbook(&facts, &KINDS[2].options());
    assert_eq!(document.banners.len(), 2);
    assert_eq!(document.banners[0], facts.lost[0]);
    let text = document.to_markdown();
    assert!(text.find("CANNOT BE").unwrap() < text.find("## 0").unwrap());
    assert!(text.find("two nodes").unwrap() < text.find("icacls").unwrap());
    assert!(document.to_html().contains("CANNOT BE RESTORED"));
}

#[test]
fn scripts_that_are_not_written_yet_have_the_call_that_writes_them() {
    for kind in KINDS {
        let mut options = kind.options();
        options.scripts = Scripts::ToWrite {
            file: "recovery.md".to_owned(),
            options: vec![
                ("--database", Some("it's one".to_owned())),
                ("--rehearsal", None),
            ],
        };
        let document = runbook(&kind.facts(&tame()), &options);
        let calls = document.bakpak_calls();
        assert_eq!(calls[0][0], "runbook", "{}", kind.name);
        assert!(calls[0].contains(&"it's one".to_owned()));
        assert!(calls[0].last().unwrap().ends_with("recovery.md"));
        assert!(place(&document, "runbook") < place(&document, "00-preflight"));
        let written = runbook(&kind.facts(&tame()), &kind.options());
        assert!(
            !written
                .bakpak_calls()
                .iter()
                .any(|call| call[0] == "runbook")
        );
    }
}

#[test]
fn without_a_stop_time_the_newest_backup_is_held_against_the_files() {
    let kind = KINDS[0];
    let mut facts = kind.facts(&tame());
    let octopus = facts.octopus.as_mut().unwrap();
    let capture = octopus.capture.as_mut().unwrap();
    capture.database_finish = capture.files_end;
    let said = |facts: &_| runbook(facts, &kind.options()).to_markdown();
    assert!(said(&facts).contains("BP111") && !said(&facts).contains("BP110"));
    for step in &mut facts.databases[0].plan.steps {
        step.stop_at = None;
    }
    assert!(said(&facts).contains("BP110") && !said(&facts).contains("BP111"));
}

fn place_or_end(document: &Document, text: &str) -> usize {
    let mut commands = document.commands();
    commands
        .position(|command| command.text.contains(text))
        .unwrap_or(usize::MAX)
}

#[test]
fn a_rehearsal_is_made_harmless_between_restore_and_start_and_dropped_at_the_end() {
    for (kind, document) in all().filter(|(kind, _)| kind.rehearsal) {
        assert!(document.banners[0].contains("REHEARSAL"));
        let restore = place(&document, "04-restore");
        let drop = place(&document, "08-drop");
        if kind.is_octopus {
            let harmless = place(&document, "05-recover-and-make-harmless");
            let start = match kind.target {
                Target::Windows => place(&document, "--start"),
                Target::Docker => place(&document, "docker run"),
            };
            assert!(restore < harmless && harmless < start && start < drop);
        }
        let last = document.sections.last().unwrap();
        assert!(holds(last.steps.iter(), "08-drop"));
        let html = document.to_html();
        assert!(
            !html.contains("03-tail-of-log"),
            "the old server is left alone"
        );
        assert!(!html.contains("OLD server"));
    }
}

#[test]
fn a_recovery_never_drops_a_database_or_isolates_itself() {
    for (_, document) in all().filter(|(kind, _)| !kind.rehearsal) {
        assert_eq!(document.banners, [""; 0]);
        let text = document.to_markdown();
        assert!(
            !text.contains("08-drop") && !text.contains("rehearsal"),
            "{text}"
        );
    }
}

#[test]
fn a_moment_after_the_files_is_told() {
    for (_, document) in all().filter(|(kind, _)| kind.is_octopus) {
        let archive = &document.sections[stage(&document, Stage::Archive).unwrap()];
        let warns = |step: &Step| matches!(step, Step::Warning(text) if text.starts_with("BP111"));
        assert!(archive.steps.iter().any(warns));
        assert!(holds(archive.steps.iter(), "bakpak explain 'BP111'"));
    }
}

#[test]
fn without_the_master_key_there_is_a_plan_b() {
    for (kind, document) in all().filter(|(kind, _)| kind.is_octopus) {
        let text = document.to_markdown();
        assert_eq!(text.contains("lost-master-key"), !kind.has_master_key);
        assert_eq!(text.contains("master-key exec"), kind.has_master_key);
        assert_eq!(text.contains("reset-trust"), !kind.has_master_key);
    }
}

#[test]
fn the_live_configuration_is_never_put_back() {
    for (_, document) in all().filter(|(kind, _)| kind.is_octopus) {
        for call in document.bakpak_calls() {
            assert!(
                call.iter()
                    .all(|word| !word.contains("OctopusServer.config") && word != "home")
            );
        }
        assert!(
            document
                .to_markdown()
                .contains("Do not restore 'home/OctopusServer.config'")
        );
    }
}

/// No command holds the key: it is expanded by a shell that finds it in its environment.
#[test]
fn the_master_key_goes_to_a_child_only() {
    for (_, document) in all() {
        for command in document
            .commands()
            .filter(|one| one.text.contains("BAKPAK_MASTER_KEY"))
        {
            let is_exec = command.text.contains("master-key exec");
            assert!(
                is_exec || command.text.contains("read -rsp"),
                "{}",
                command.text
            );
            assert!(!command.text.contains("master-key show"));
        }
    }
}

/// Nothing is left blank but the named values, and every variable has a value by then.
#[test]
fn nothing_is_blank_but_the_values_of_the_first_section() {
    for (kind, document) in all() {
        let text = document.to_markdown();
        assert!(
            !text.contains("{{") && !text.contains("TODO"),
            "{}",
            kind.name
        );
        let mut known: BTreeSet<String> = ["LASTEXITCODE", "name", "env", "PIPESTATUS"]
            .map(str::to_owned)
            .into();
        if !kind.has_master_key {
            known.insert("BAKPAK_MASTER_KEY".to_owned());
        }
        for (index, command) in document.commands().enumerate() {
            let blank = blank_in(&command.text);
            assert_eq!(blank, None, "{}", command.text);
            assert!(index == 0 || !command.text.contains("# fill in"));
            for line in command.text.lines() {
                let is_empty = line.ends_with("=''") || line.ends_with("= ''");
                assert!(!is_empty, "{}: {line}", kind.name);
                known.extend(assigned(line));
                for used in used(line).filter(|name| !known.contains(name)) {
                    let by_child = command.text.contains("master-key exec");
                    assert!(
                        by_child && used == "BAKPAK_MASTER_KEY",
                        "{}: {used} in {line}",
                        kind.name
                    );
                }
            }
        }
    }
}

/// Something like `<server>`.
fn blank_in(text: &str) -> Option<&str> {
    let start = text.find('<')?;
    let end = text[start..].find('>')?;
    Some(&text[start..=start + end])
}

fn assigned(line: &str) -> Vec<String> {
    let line = line.trim_start().trim_start_matches('$');
    if let Some(name) = line.strip_prefix("read -rsp ") {
        return name
            .rsplit(' ')
            .next()
            .map(str::to_owned)
            .into_iter()
            .collect();
    }
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    match rest.trim_start().trim_start_matches('+').starts_with('=') {
        true => vec![name.to_owned()],
        false => Vec::new(),
    }
}

fn used(line: &str) -> impl Iterator<Item = String> {
    line.split('$').skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(['{', '!', '#']);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// What `bakpak` has; the program's own tests hold the calls against its real command line.
#[test]
fn every_call_is_of_a_verb_and_options_that_exist() {
    const VERBS: [&str; 8] = [
        "inspect",
        "verify",
        "unpack",
        "list",
        "cat",
        "plan",
        "explain",
        "master-key",
    ];
    const OPTIONS: [&str; 8] = [
        "--key-file",
        "--keyless",
        "--to",
        "--only",
        "--item",
        "--envelope-key-file",
        "--envelope-same-passphrase",
        "--long",
    ];
    for (kind, document) in all() {
        let calls = document.bakpak_calls();
        let texts: Vec<&Command> = document.commands().collect();
        let written: usize = texts
            .iter()
            .map(|command| {
                let lines = command.text.lines();
                lines.filter(|line| line.starts_with("bakpak ")).count()
            })
            .sum();
        assert_eq!(
            calls.len(),
            written,
            "every call is in the list: {}",
            kind.name
        );
        for call in calls {
            assert!(VERBS.contains(&call[0].as_str()), "{call:?}");
            let own = call.iter().take_while(|word| *word != "--");
            for option in own.filter(|word| word.starts_with("--")) {
                assert!(OPTIONS.contains(&option.as_str()), "{option}");
            }
        }
    }
}

#[test]
fn bash_takes_every_command() {
    for (kind, document) in all().filter(|(kind, _)| kind.target == Target::Docker) {
        assert!(bash_takes(&document), "{}", kind.name);
    }
}

/// Whether Bash finds nothing wrong with the commands; true where there is no Bash.
fn bash_takes(document: &Document) -> bool {
    let texts: Vec<&str> = document
        .commands()
        .inspect(|command| assert_eq!(command.shell, Shell::Bash))
        .map(|command| command.text.as_str())
        .collect();
    let run = Process::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
    let Ok(mut run) = run else {
        eprintln!("NOT RUN: there is no bash");
        return true;
    };
    let mut input = run.stdin.take().unwrap();
    input.write_all(texts.join("\n").as_bytes()).unwrap();
    drop(input);
    run.wait().unwrap().success()
}

/// Elements in their order, with their classes.
fn structure(html: &str) -> Vec<String> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let parsed = roxmltree::Document::parse_with_options(html, options).unwrap();
    let elements = parsed.descendants().filter(roxmltree::Node::is_element);
    elements
        .map(|element| {
            let class = element.attribute("class").unwrap_or_default();
            format!("{}.{class}", element.tag_name().name())
        })
        .collect()
}

#[test]
fn the_page_is_well_formed_and_takes_nothing_from_elsewhere() {
    for (kind, document) in all() {
        let html = document.to_html();
        let elements = structure(&html);
        assert!(
            elements.iter().any(|element| element == "svg.strip"),
            "{}",
            kind.name
        );
        for refused in ["script.", "link.", "img.", "iframe.", "object."] {
            assert!(!elements.iter().any(|element| element == refused));
        }
        for refused in ["src=", "url(", "@import", "onclick", "<script"] {
            assert!(!html.contains(refused), "{refused}");
        }
        assert!(html.contains("prefers-color-scheme") && html.contains("@page { size: A4"));
        assert!(html.contains("aria-label="));
    }
}

#[test]
fn lines_of_commands_fit_on_eighty_columns_where_names_allow() {
    for (kind, document) in all() {
        for line in document.commands().flat_map(|command| command.text.lines()) {
            let has_own = [
                "env:",
                "MASTER_KEY",
                "OctopusDeploy\\Octopus",
                "# fill in",
                "checksum=",
            ];
            let is_long = line.chars().count() > 80;
            assert!(
                !is_long || has_own.iter().any(|own| line.contains(own)),
                "{}: {line}",
                kind.name
            );
        }
    }
}

proptest! {
    // A case that failed is written down as a test of its own.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the names, the page has the same elements, and the commands the same meaning.
    #[test]
    fn no_name_changes_a_runbook(
        archive in hostile_name(),
        database in hostile_name(),
        path in hostile_name(),
        secret in hostile_name(),
        index in 0..KINDS.len(),
    ) {
        let kind = KINDS[index];
        // No path of an archive has them.
        let path = path.replace(['/', '\\'], "x");
        let names = Names { archive, database, path, secret };
        // Longer than any name of SQL Server together with what a rehearsal adds.
        prop_assume!(names.database.encode_utf16().count() < 80);
        let hostile = runbook(&kind.facts(&names), &kind.options());
        let tame = runbook(&kind.facts(&tame()), &kind.options());
        prop_assert_eq!(structure(&hostile.to_html()), structure(&tame.to_html()));
        prop_assert_eq!(lines(&hostile), lines(&tame));
        let calls = hostile.bakpak_calls();
        prop_assert_eq!(calls.len(), tame.bakpak_calls().len());
        let gets = |word: &str| calls.iter().flatten().any(|found| found == word);
        prop_assert!(gets(&names.archive) && gets(&names.secret));
        if kind.target == Target::Docker {
            prop_assert!(bash_takes(&hostile));
        }
        for text in [hostile.to_html(), hostile.to_markdown()] {
            let has_hidden = text.contains(['\u{202e}', '\u{feff}', '\r', '\u{85}']);
            prop_assert!(!has_hidden);
        }
    }
}

/// How the lines of Markdown begin, outside of commands; names stand behind that.
fn lines(document: &Document) -> Vec<String> {
    let markdown = document.to_markdown();
    let mut fence: Option<String> = None;
    let mut starts = Vec::new();
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if *open == line => fence = None,
            Some(_) => continue,
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {}
        }
        starts.push(line.chars().take(1).collect());
    }
    assert_eq!(fence, None, "a command is not closed");
    starts
}

/// `BAKPAK_UPDATE_SNAPSHOTS=1` writes them anew.
#[test]
fn runbooks_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let is_update = std::env::var_os("BAKPAK_UPDATE_SNAPSHOTS").is_some();
    let mut expected = BTreeSet::new();
    for (kind, document) in all() {
        let files = [("md", document.to_markdown()), ("html", document.to_html())];
        for (extension, text) in files {
            // One page is enough: they differ in what the Markdown shows.
            if extension == "html" && kind.name != "octopus-windows" {
                continue;
            }
            let name = format!("runbook-{}.{extension}", kind.name);
            let path = folder.join(&name);
            if is_update {
                std::fs::write(&path, &text).unwrap();
            }
            let known = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                known == text,
                "{name} is not as it was: set BAKPAK_UPDATE_SNAPSHOTS=1 and read the difference"
            );
            expected.insert(name);
        }
    }
    let found = std::fs::read_dir(&folder).unwrap();
    let found = found.map(|one| one.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = found.filter(|name| name.starts_with("runbook-")).collect();
    assert_eq!(found, expected, "no snapshot is left over");
}

#[test]
fn a_database_that_cannot_be_restored_is_told_and_has_no_commands() {
    let mut facts = KINDS[0].facts(&tame());
    facts.databases[0].plan.steps.clear();
    facts.databases[0].plan.at = None;
    facts.databases[0].scripts.clear();
    let document = runbook(&facts, &KINDS[0].options());
    let text = document.to_markdown();
    assert!(text.contains("'OctopusDeploy' CANNOT BE RESTORED"));
    assert!(!text.contains("sqlcmd"));
    let section = &document.sections[stage(&document, Stage::Databases).unwrap()];
    assert!(matches!(section.steps.as_slice(), [Step::Warning(_)]));
}

#[test]
fn an_archive_with_a_passphrase_asks_for_it() {
    let mut facts = KINDS[0].facts(&tame());
    facts.key = ArchiveKey::Passphrase;
    facts.envelope = None;
    let text = runbook(&facts, &KINDS[0].options()).to_markdown();
    assert!(!text.contains("--key-file") && !text.contains("KEY_FILE"));
    assert!(!text.contains("--envelope"));
}

#[test]
fn two_dumps_do_not_become_one_database() {
    let document = runbook(&KINDS[4].facts(&tame()), &KINDS[4].options());
    let restored: Vec<&str> = document
        .commands()
        .filter(|command| command.text.starts_with("createdb"))
        .filter_map(|command| command.text.lines().next())
        .collect();
    assert_eq!(restored.len(), 2);
    assert_ne!(restored[0], restored[1]);
}

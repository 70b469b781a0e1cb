use std::collections::{BTreeMap, BTreeSet};

use mssql_backup::lsn::Lsn;
use mssql_backup::read::check;
use mssql_backup::testing::{Database, Media, write_media};
use recovery::moment::Moment;
use recovery::plan::{StepKind, Verdict};
use recovery::rules::{self, Severity};
use recovery::windows::Window;
use serde_json::Value;

use super::event::*;
use super::*;
use crate::restorability::Evidence;

#[test]
fn sizes_are_for_people() {
    for (len, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_572_864, "1.5 MiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(size(len), text);
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    assert_eq!(escaped("a\n\u{1b}[31mb").to_string(), "a\\n\\u{1b}[31mb");
    assert_eq!(quoted(Path::new("a'\tb")), "'a'\\tb'");
}

#[test]
fn times_are_utc() {
    let at = |seconds, nanos| time(Timestamp { seconds, nanos });
    assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
    assert_eq!(at(-1, 500_000_000), "1969-12-31T23:59:59.5Z");
    assert_eq!(at(i64::MAX, 0), format!("{} s", i64::MAX));
}

#[test]
fn a_path_that_is_not_utf_8_is_also_given_in_hexadecimal() {
    let path = EntryPath::new(*b"home/\xff").unwrap();
    let json = serde_json::to_value(JsonPath::from(&path)).unwrap();
    assert_eq!(json["path"], "home/\u{fffd}");
    assert_eq!(json["path_hex"], "686f6d652fff");
}

/// Type to fields, as `docs/json.md` has them.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../../docs/json.md");
    let mut types = BTreeMap::new();
    let mut current = None;
    for line in page.lines() {
        if let Some(name) = line
            .strip_prefix("## `")
            .and_then(|rest| rest.strip_suffix('`'))
        {
            current = Some(name.to_owned());
            types.insert(name.to_owned(), BTreeSet::new());
        } else if let (Some(name), Some(rest)) = (&current, line.strip_prefix("| `")) {
            let field = rest.split('`').next().unwrap().to_owned();
            let is_new = types.get_mut(name).unwrap().insert(field);
            assert!(is_new, "a field is documented twice: {line}");
        }
    }
    types
}

/// One event of each type, every field set.
fn samples() -> Vec<Event> {
    let text = String::new;
    let path = || JsonPath::from(&EntryPath::new("home").unwrap());
    let slot = || Slot {
        id: text(),
        kind: text(),
        argon2_memory_kib: None,
        argon2_passes: None,
        argon2_lanes: None,
    };
    let moment = Moment {
        local: jiff::civil::DateTime::ZERO,
        offset: None,
    };
    vec![
        Event::Warning {
            code: None,
            path: path(),
            message: text(),
        },
        Event::Missing {
            path: path(),
            reason: text(),
        },
        Event::Packed(Packed {
            output: text(),
            archive_id: text(),
            root: text(),
            archive_len: 0,
            kept_len: 0,
            stream_len: 0,
            content_len: 0,
            copied_len: 0,
            zero_len: 0,
            entries: 0,
            chunks: 0,
            missing: 0,
            changed: 0,
            warnings: 0,
        }),
        Event::Finding(Finding {
            class: text(),
            structure: text(),
            offset: None,
            block: None,
            sectors: vec![],
            path: path(),
            rule: None,
            message: text(),
        }),
        Event::Verified(Verified {
            archive: text(),
            level: "",
            verdict: "",
            exit: 0,
            archive_len: 0,
            blocks: 0,
            root: None,
            entries: 0,
            findings: 0,
            lost: None,
            missing: 0,
            warnings: 0,
        }),
        Event::Mended(Finding {
            class: text(),
            structure: text(),
            offset: None,
            block: None,
            sectors: vec![],
            path: path(),
            rule: None,
            message: text(),
        }),
        Event::Repaired(Repaired {
            archive: text(),
            output: None,
            verdict: "",
            exit: 0,
            archive_len: 0,
            file_len: 0,
            blocks: 0,
            moved: false,
            mended: 0,
            lost: 0,
        }),
        Event::Unpacked(Unpacked {
            archive: text(),
            target: text(),
            files: 0,
            directories: 0,
            symlinks: 0,
            hard_links: 0,
            specials: 0,
            content_len: 0,
            replaced: None,
            kept: 0,
            not_restored: 0,
            missing: 0,
            warnings: 0,
        }),
        Event::Entry(ListedEntry {
            path: path(),
            kind: "",
            size: 0,
            mtime: text(),
            mode: text(),
            uid: 0,
            gid: 0,
            link: JsonLink::default(),
            blake3: None,
            flags: vec![],
        }),
        Event::Archive(Archive {
            archive: text(),
            version: text(),
            archive_id: text(),
            cover_text: text(),
            block_size: 0,
            block_count: None,
            parity: "none",
            archive_len: None,
            copy_reach: None,
            envelope_len: 0,
            slots: vec![slot()],
            envelope_slots: vec![slot()],
            signers: 0,
            generation: 0,
            root: None,
        }),
        Event::Contents(Contents {
            archive: text(),
            entries: 0,
            content_len: 0,
            stream_len: 0,
            data_len: 0,
            chunks: 0,
            incomplete: false,
            not_restorable: false,
            started: text(),
            finished: text(),
        }),
        Event::KeySlots(KeySlots {
            archive: text(),
            domain: "",
            generation: 0,
            slots: vec![slot()],
            opened: None,
            added: None,
            removed: None,
            finished_earlier: None,
        }),
        Event::Fact(Fact {
            archive: text(),
            fact: text(),
            path: path(),
            message: text(),
        }),
        Event::Backup(Box::new(backup::Backup {
            file: text(),
            archive: None,
            kind: text(),
            len: None,
            verified: false,
            damaged: false,
            label: None,
            sets: vec![serde_json::json!({"checks": [], "log": null, "DatabaseName": null})],
            checks: vec![backup::Check {
                level: "",
                outcome: "",
                checked: 0,
                faulty: 0,
                reason: None,
            }],
            faults: vec![backup::Fault {
                level: text(),
                offset: None,
                set: None,
                page: None,
                message: text(),
            }],
            fault_count: 0,
            facts: vec![backup::NamedFact {
                name: text(),
                value: text(),
            }],
            notes: vec![],
            unreadable: None,
        })),
        Event::Stripes(backup::Stripes {
            media_set_id: text(),
            archive: None,
            files: vec![],
            family_count: 0,
            missing: vec![],
            verified: false,
            damaged: false,
            sets: vec![backup::StripedSet {
                position: 0,
                backup_set_guid: None,
                complete: false,
                checks: vec![],
                faults: vec![],
                missing_pages: vec![],
            }],
        }),
        Event::Affected(AffectedEntry {
            path: JsonPath::default(),
            verdict: "",
            size: None,
            missing_len: 0,
            missing: vec![MissingBytes {
                offset: 0,
                len: 0,
                copied: false,
            }],
            page_count: 0,
            pages: vec![MissingPages {
                set: 0,
                offset: 0,
                count: 0,
                file: None,
                first: None,
                last: None,
                is_exact: false,
            }],
            log: vec![MissingLog {
                set: 0,
                offset: 0,
                from: None,
                to: None,
            }],
            is_header_lost: false,
            stored: None,
        }),
        Event::Salvage(SalvageSummary {
            archive: text(),
            target: text(),
            archive_id: text(),
            verdict: "",
            exit: 0,
            whole: 0,
            unconfirmed: 0,
            damaged: 0,
            lost: 0,
            unreadable: 0,
            unnamed: None,
            is_end_known: false,
            lost_len: 0,
            blocks: 0,
            mended_blocks: 0,
            lost_blocks: vec![],
            findings: 0,
            others: vec![OtherInFile {
                id_prefix: text(),
                offset: 0,
                blocks: 0,
            }],
            not_made: 0,
            envelope: None,
        }),
        Event::Plan(Box::new(Planned {
            database: text(),
            verdict: Verdict::Covered,
            exit: 0,
            asked: None,
            at: None,
            window: None,
            windows: vec![Window {
                from: moment,
                to: moment,
                until: moment,
                last_lsn: Lsn::default(),
                whole: vec![],
            }],
            steps: vec![PlannedStep {
                kind: StepKind::Full,
                files: vec![],
                file_number: 1,
                stop_at: None,
            }],
            findings: vec![recovery::finding::Finding::new(&rules::LOG_GAP, text())],
            notes: vec![],
            left_out: vec![],
            scripts: vec![],
        })),
        Event::Rule(Rule {
            code: text(),
            severity: Severity::Info,
            title: "",
            why: "",
            now: "",
        }),
        judged(),
        Event::Error {
            code: 0,
            message: text(),
            hints: vec![],
        },
    ]
}

/// A log backup alone, and a file that is none.
fn judged() -> Event {
    let at = jiff::civil::date(2026, 3, 1).at(12, 0, 0, 0);
    let mut database = Database::new("Orders");
    let full = database.full(at);
    database.commit(at);
    let log = database.log(at);
    let mut evidence = Evidence::default();
    for (name, set) in [("full.bak", full), ("log.trn", log)] {
        let file = write_media(&Media::default(), &[set]).remove(0);
        evidence.backup(name.to_owned(), check(&*file).unwrap());
    }
    evidence.finding(&recovery::rules::UNREADABLE, String::new());
    evidence.judge().event()
}

/// Names every type once more, so that a new one without a sample does not compile unnoticed.
fn type_name(event: &Event) -> &'static str {
    match event {
        Event::Warning { .. } => "warning",
        Event::Missing { .. } => "missing",
        Event::Packed(_) => "packed",
        Event::Finding(_) => "finding",
        Event::Verified(_) => "verified",
        Event::Mended(_) => "mended",
        Event::Repaired(_) => "repaired",
        Event::Affected(_) => "affected",
        Event::Salvage(_) => "salvage",
        Event::Unpacked(_) => "unpacked",
        Event::Entry(_) => "entry",
        Event::Archive(_) => "archive",
        Event::Contents(_) => "contents",
        Event::KeySlots(_) => "key-slots",
        Event::Fact(_) => "fact",
        Event::Backup(_) => "backup",
        Event::Stripes(_) => "stripes",
        Event::Plan(_) => "plan",
        Event::Rule(_) => "rule",
        Event::Restorability(_) => "restorability",
        Event::Error { .. } => "error",
    }
}

#[test]
fn every_type_and_field_is_documented_and_no_other() {
    let mut emitted = BTreeMap::new();
    for event in samples() {
        let line = serde_json::to_value(Line {
            v: 1,
            event: &event,
        })
        .unwrap();
        assert_eq!(line["v"], 1);
        assert_eq!(line["type"], type_name(&event));
        let mut fields = BTreeSet::new();
        for (name, value) in line.as_object().unwrap() {
            if name != "v" && name != "type" {
                fields.insert(name.clone());
            }
            let first = value.as_array().and_then(|list| list.first());
            for nested in first
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|map| map.keys())
            {
                // Columns of `RESTORE` have SQL Server's names, and its documentation.
                if nested.starts_with(char::is_lowercase) {
                    fields.insert(format!("{name}[].{nested}"));
                }
            }
        }
        emitted.insert(type_name(&event).to_owned(), fields);
    }
    assert_eq!(emitted, documented());
}

//! Walks `damage.toml`: both readers salvage of every damage what it says.
#![allow(missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::observer::Unobserved;
use bakpak_codec::salvage::{SalvageSink, Salvaged, Verdict, salvage};
use bakpak_codec::sink::SinkError;
use bakpak_format::entry::Entry;
use bakpak_vectors::damage::{self, Damage, MANIFEST};
use bakpak_vectors::vectors;
use std::fs;
use support::{cases, file_of, folder, in_parallel};
use toml::{Table, Value};

/// The keys of a damage that are about salvage.
const KEYS: [&str; 5] = ["salvage", "end_known", "whole", "unnamed", "entries"];

#[test]
fn what_is_left_is_salvaged_as_the_manifest_says() {
    let text = fs::read_to_string(folder().join(MANIFEST)).expect("a manifest");
    let top: Table = text.parse().expect("a manifest in TOML");
    let told = top["damage"].as_array().expect("[[damage]]");
    let damages = damage::all();
    assert_eq!(told.len(), damages.len());
    let both: Vec<(&Value, &Damage)> = told.iter().zip(&damages).collect();
    let bases = damage::bases(&vectors::all());
    let wrong = in_parallel(&both, |(told, damage)| {
        let mut told = told.as_table().expect("[[damage]]").clone();
        told.retain(|key, _| KEYS.contains(&key));
        let is_asked = !told.is_empty();
        let said = is_asked.then(|| said(&damage.apply(&bases[damage.base])));
        let said = said.filter(|said| *said != told);
        let wrong = said.map(|said| format!("{}: {said:#?}\nexpected: {told:#?}", damage.name));
        wrong.into_iter().collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What repair gives up is asked of salvage, in all cases.
#[test]
fn every_damage_without_repair_has_its_salvage() {
    for damage in damage::all() {
        let is_repaired = damage.expect == damage::Expect::Repaired;
        assert!(is_repaired || damage.left.is_some(), "{}", damage.name);
    }
}

/// What authenticates and breaks the format is told, and nothing of it called complete (spec: SLV-6).
#[test]
fn a_faulty_record_is_never_complete() {
    let mut tried = 0;
    let cases = cases();
    for vector in vectors::all() {
        if !vector.rules.contains(&"SLV-6") {
            continue;
        }
        let case = cases.iter().find(|case| case.name == vector.name);
        let case = case.expect("the manifest has it");
        let file = file_of(&case.archive());
        let mut told = Told::default();
        let report = salvage(&file, &mut case.keyring(), &mut told, 1, &Unobserved);
        let report = report.expect("it has a head and a key");
        assert!(!report.is_complete(), "{}", vector.name);
        assert!(!report.faults.is_empty(), "{}", vector.name);
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
}

/// What a salvage says, in the manifest's words.
pub(crate) fn said(damaged: &[u8]) -> Table {
    let all = cases();
    let smallest = all.iter().find(|case| case.name == "smallest");
    let mut keyring = smallest.expect("it has the key file of all").keyring();
    let mut told = Told::default();
    let report = salvage(&file_of(damaged), &mut keyring, &mut told, 1, &Unobserved);
    let mut said = Table::new();
    let mut say = |key: &str, value: Value| said.insert(key.into(), value);
    let Ok(report) = report else {
        say("salvage", "refused".into());
        return said;
    };
    let complete = report.is_complete();
    say(
        "salvage",
        if complete { "complete" } else { "partial" }.into(),
    );
    say("end_known", report.is_end_known.into());
    say("whole", number(told.whole));
    assert_eq!(report.counts.whole, told.whole, "what is counted is told");
    if let Some(unnamed) = report.unnamed {
        say("unnamed", number(unnamed));
    }
    say("entries", told.entries.into());
    said
}

/// All that is told of entries.
#[derive(Default)]
struct Told {
    whole: u64,
    entries: Vec<Value>,
}

impl SalvageSink for Told {
    fn begin(&mut self, _: &Entry, _: Option<u64>, _: Verdict) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), SinkError> {
        Ok(())
    }

    fn missing(&mut self, _: u64, _: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn end(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        self.lost(salvaged)
    }

    fn lost(&mut self, salvaged: &Salvaged) -> Result<(), SinkError> {
        let verdict = match salvaged.verdict {
            Verdict::Whole => {
                self.whole += 1;
                return Ok(());
            }
            Verdict::Unconfirmed => "unconfirmed",
            Verdict::Damaged => "damaged",
            Verdict::Lost => "lost",
            Verdict::Unreadable => "unreadable",
        };
        let mut entry = Table::new();
        let path = salvaged.path.to_string();
        entry.insert("path".into(), path.into());
        entry.insert("verdict".into(), verdict.into());
        if let Some(size) = salvaged.size {
            entry.insert("size".into(), number(size));
        }
        let range = |range: &bakpak_codec::salvage::MissingRange| {
            Value::from(vec![number(range.offset), number(range.len)])
        };
        let missing: Vec<Value> = salvaged.missing.iter().map(range).collect();
        if !missing.is_empty() {
            entry.insert("missing".into(), missing.into());
        }
        self.entries.push(entry.into());
        Ok(())
    }
}

fn number(value: u64) -> Value {
    i64::try_from(value).expect("vectors are small").into()
}

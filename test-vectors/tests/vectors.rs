//! Walks the manifest: every reading of every vector says what the manifest says.
#![allow(missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::ReadError;
use bakpak_codec::input::Input;
use bakpak_codec::observer::{Observer, Unobserved, Warning};
use bakpak_codec::unpack::tar;
use bakpak_codec::verify::{VerifyLevel, VerifyReport, verify, verify_keyless};
use std::cell::RefCell;
use std::panic::catch_unwind;
use support::{Case, Said, cases, file_of, in_parallel, pipe_of};

/// What is said otherwise of a pipe: its end is not seen at its beginning (spec: HED-1), and only
/// magics and flags tell what comes next (spec: RDR-4).
const PIPE_SAYS: [(&str, &str, &str); 4] = [
    ("magic-damaged", "Unsupported", "head"),
    ("check-page-magic-wrong", "Damaged", "block"),
    ("check-page-last-flag-early", "Damaged", "tail"),
    (
        "check-page-last-flag-missing-in-full-stripe",
        "Damaged",
        "block",
    ),
];

#[test]
fn every_vector_is_read_as_the_manifest_says() {
    let cases = cases();
    assert!(
        cases.len() >= 50,
        "the manifest has {} vectors",
        cases.len()
    );
    let wrong = in_parallel(&cases, |case| {
        let said = catch_unwind(|| check(case));
        said.unwrap_or_else(|_| vec!["it panics".into()])
            .into_iter()
            .map(|what| format!("{}: {what}", case.name))
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "{}\n{} wrong",
        wrong.join("\n"),
        wrong.len()
    );
}

/// What verifying tells besides (spec: HDR-8, TAL-1, CHK-5).
#[test]
fn what_is_only_reported_is_reported() {
    for (name, told) in [
        ("smallest", None),
        (
            "signer-declared",
            Some(Warning::SignersNotChecked { count: 1 }),
        ),
        (
            "signer-of-unknown-kind",
            Some(Warning::SignersNotChecked { count: 2 }),
        ),
        ("slots-newer-than-copies", Some(older_slots())),
        ("check-page-slots-copy-older", Some(older_slots())),
    ] {
        let case = cases()
            .into_iter()
            .find(|case| case.name == name)
            .expect("it is there");
        let archive = case.archive();
        let listener = Listener::default();
        let report = verify_keyless(pipe_of(&archive), 1, &listener).expect("it is read");
        assert!(report.findings.is_empty(), "{name}: {:?}", report.findings);
        let first = listener.0.into_inner().into_iter().next();
        assert_eq!(first, told, "{name}");
    }
}

/// Random access goes by the tree, so a tree that lies must not be followed (spec: TRE-1).
#[test]
fn a_tree_that_repeats_or_swaps_pages_is_not_listed() {
    for name in ["tree-repeated-page", "tree-descending"] {
        let mut cases = cases().into_iter();
        let case = cases.find(|case| case.name == name).expect("it is there");
        let listed = Archive::open(&file_of(&case.archive()), &mut case.keyring())
            .and_then(|mut archive| archive.rows().collect::<Result<Vec<_>, _>>());
        let said = listed.map_or_else(|error| Said::of(&error), |_| Said::opened());
        assert_eq!(said.result, "Malformed", "{name}: {said}");
        assert_eq!(said.stage.as_deref(), Some("tree"), "{name}: {said}");
    }
}

fn older_slots() -> Warning {
    Warning::OlderSlotTable {
        found: 1,
        newest: 2,
    }
}

/// Keeps all warnings.
#[derive(Default)]
struct Listener(RefCell<Vec<Warning>>);

impl Listener {
    /// What was said of the original where the tail's copy was used (spec: RDR-7).
    fn said_of_original(&self) -> Option<Said> {
        self.0.borrow().iter().find_map(|warning| match warning {
            Warning::TailCopyUsed(finding) => Some(Said::of(&finding.clone().into())),
            _ => None,
        })
    }
}

impl Observer for Listener {
    fn warn(&self, warning: Warning) {
        self.0.borrow_mut().push(warning);
    }
}

/// What is not as the manifest says.
fn check(case: &Case) -> Vec<String> {
    let archive = case.archive();
    let mut wrong = Vec::new();
    for (way, piped) in [("file", false), ("pipe", true)] {
        let input = || -> Input {
            if piped {
                pipe_of(&archive)
            } else {
                Input::File(file_of(&archive))
            }
        };
        let differs = PIPE_SAYS
            .iter()
            .find(|(name, ..)| piped && *name == case.name);
        let mut expected = case.expect.clone();
        let mut keyless = case.keyless.clone();
        if let Some((_, class, stage)) = differs {
            expected.result = (*class).into();
            expected.stage = Some((*stage).into());
            keyless.result = (*class).into();
        }
        let report = verify(
            input(),
            &mut case.keyring(),
            VerifyLevel::Full,
            1,
            &Unobserved,
        );
        if case.incomplete && !report.as_ref().is_ok_and(says_incomplete) {
            wrong.push("it is not said to be incomplete".into());
        }
        let totals = report.as_ref().ok().and_then(|report| report.totals);
        if totals.is_some_and(|totals| totals.not_restorable != case.not_restorable) {
            wrong.push("whether it was restorable is said wrongly".into());
        }
        let said = first_of(report);
        compare(
            &mut wrong,
            &format!("verify from a {way}"),
            &said,
            &expected,
        );
        let said = first_of(verify_keyless(input(), 1, &Unobserved));
        compare(
            &mut wrong,
            &format!("keyless from a {way}"),
            &said,
            &keyless,
        );
        let mut stream = Vec::new();
        let listener = Listener::default();
        let unpacked = tar(input(), &mut case.keyring(), &mut stream, 1, &listener);
        // Where the tail's copy is used, what counts is what was said of the original.
        if let Some(said) = listener.said_of_original() {
            compare(&mut wrong, &format!("tar from a {way}"), &said, &expected);
            continue;
        }
        match unpacked {
            Ok(_) if case.expect.is_opened() => {
                let hash = blake3::hash(&stream).to_hex().to_string();
                if case.stream_blake3.as_ref() != Some(&hash) {
                    wrong.push(format!("tar from a {way}: another stream, {hash}"));
                }
            }
            Ok(_) if case.unpack.is_none() => wrong.push(format!("tar from a {way}: opened")),
            Ok(_) => {}
            Err(error) if case.expect.is_opened() || case.unpack.as_deref() == Some("opened") => {
                wrong.push(format!("tar from a {way}: {error}"));
            }
            Err(_) => {}
        }
    }
    let file = file_of(&archive);
    let listed = Archive::open(&file, &mut case.keyring())
        .and_then(|mut archive| archive.rows().collect::<Result<Vec<_>, _>>());
    if let (true, Err(error)) = (case.expect.is_opened(), listed) {
        wrong.push(format!("list: {error}"));
    }
    if let Some(envelope) = &case.envelope {
        let listener = Listener::default();
        let opened = open_envelope(&file, &mut case.envelope_keyring(), &listener);
        let said = match (opened, listener.said_of_original()) {
            (Err(error), _) => Said::of(&error),
            (Ok(_), Some(said)) => said,
            (Ok(_), None) => Said::opened(),
        };
        compare(&mut wrong, "envelope", &said, envelope);
    }
    wrong
}

/// FINAL says so, and FACTS say what is missing (spec: FIN-3).
fn says_incomplete(report: &VerifyReport) -> bool {
    report.totals.is_some_and(|totals| totals.incomplete) && !report.missing.is_empty()
}

fn compare(wrong: &mut Vec<String>, what: &str, said: &Said, expected: &Said) {
    let same_stage = expected.stage.is_none() || said.stage == expected.stage;
    if said.result != expected.result || !same_stage {
        wrong.push(format!("{what}: expected {expected}, got {said}"));
    }
}

/// The first finding, or why there is no report at all.
fn first_of(report: Result<VerifyReport, ReadError>) -> Said {
    match report {
        Ok(report) => report
            .findings
            .into_iter()
            .next()
            .map_or_else(Said::opened, |finding| Said::of(&finding.into())),
        Err(error) => Said::of(&error),
    }
}

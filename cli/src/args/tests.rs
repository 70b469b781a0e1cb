//! The command line is sound, and takes what runbooks tell people to type.

use clap::{CommandFactory, Parser};
use recovery::runbook::facts::{ArchiveKey, EnvelopeKey};
use recovery::runbook::{Scripts, runbook};

use super::{Arguments, RunbookArguments, Verb};

// Every kind of runbook that there is, as that crate's own tests have them.
#[allow(dead_code, clippy::duplicate_mod, reason = "a part of it is used here")]
#[path = "../../../crates/recovery/tests/support/runbooks.rs"]
mod support;

use support::{KINDS, WITHOUT_KEY, tame};

fn parsed(call: &[String]) -> Verb {
    let line = std::iter::once("bakpak").chain(call.iter().map(String::as_str));
    match Arguments::try_parse_from(line) {
        Ok(arguments) => arguments.verb,
        Err(error) => panic!("{call:?}: {error}"),
    }
}

fn typed() -> RunbookArguments {
    let call =
        "runbook a.bakpak --rehearsal --target docker --tz=-03:30 --move-data=-d --move-log l";
    let mut call: Vec<String> = call.split(' ').map(str::to_owned).collect();
    call.extend(["--at", "2026-03-01 07:10", "--database", "it's"].map(str::to_owned));
    match parsed(&call) {
        Verb::Runbook(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn every_call_in_every_runbook_is_one_that_this_program_takes() {
    let mut verbs = std::collections::BTreeSet::new();
    for kind in KINDS.into_iter().chain(WITHOUT_KEY) {
        for key in [ArchiveKey::Passphrase, ArchiveKey::KeyFile] {
            for envelope in [
                EnvelopeKey::Passphrase,
                EnvelopeKey::KeyFile,
                EnvelopeKey::SameAsArchive,
            ] {
                let mut facts = kind.facts(&tame());
                facts.key = key;
                facts.envelope.as_mut().unwrap().key = envelope;
                let mut options = kind.options();
                options.scripts = Scripts::ToWrite {
                    file: "runbook.md".to_owned(),
                    options: typed().typed_again(),
                };
                let calls = runbook(&facts, &options).bakpak_calls();
                for call in &calls {
                    parsed(call);
                    verbs.insert(call[0].clone());
                }
                let Verb::Runbook(again) = parsed(&calls[0]) else {
                    panic!("{:?}", calls[0]);
                };
                assert_eq!(again.typed_again(), typed().typed_again());
            }
        }
    }
    let wanted = [
        "explain",
        "inspect",
        "master-key",
        "runbook",
        "unpack",
        "verify",
    ];
    assert_eq!(
        verbs.iter().collect::<Vec<_>>(),
        wanted.iter().collect::<Vec<_>>()
    );
}

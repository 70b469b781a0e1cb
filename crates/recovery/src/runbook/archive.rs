//! The first stage: is it the right file, is it whole, does it open? And what is said against it.

use std::collections::BTreeSet;

use super::document::{Section, Stage, Step};
use super::shell::Word;
use super::{Target, Writer, words};
use crate::finding::{Finding, quoted};
use crate::octopus::HomeFinding;
use crate::plan::Plan;

impl Writer<'_> {
    pub(super) fn archive_section(&self) -> Section {
        let mut steps = self.proofs();
        steps.extend(self.proof_of_key());
        steps.extend(self.said_against());
        Section {
            number: 0,
            stage: Stage::Archive,
            title: "Is this the right file, is it whole, does it open?".to_owned(),
            why: "Nothing is changed yet. If one of these fails, look for another copy of the \
                  archive now."
                .to_owned(),
            minutes: Some(words::minutes(self.facts.archive_len)),
            steps,
        }
    }

    fn proofs(&self) -> Vec<Step> {
        let archive = Word::Value("ARCHIVE");
        let with_key = |verb| [vec![Word::Bare(verb), archive.clone()], self.key()].concat();
        vec![
            self.command(|block| {
                block.bakpak(&with_key("inspect"));
                block.bakpak(&with_key("verify"));
                block.bakpak(&[
                    Word::Bare("verify"),
                    Word::Bare("--keyless"),
                    archive.clone(),
                ]);
            }),
            Step::Check(
                "inspect shows the archive that this runbook is of, and verify finds it whole. \
                 Without the key only the last line works: it shows accidents, not attacks."
                    .to_owned(),
            ),
        ]
    }

    /// The key is proved now, not when the server already stands still for it.
    fn proof_of_key(&self) -> Vec<Step> {
        let has_key = self
            .facts
            .envelope
            .as_ref()
            .is_some_and(|one| one.has_master_key);
        if !has_key {
            return match self.facts.octopus {
                Some(_) => vec![Step::Warning(WITHOUT_KEY.to_owned())],
                None => Vec::new(),
            };
        }
        let test = match self.options.target {
            Target::Windows => "exit [int]($env:BAKPAK_MASTER_KEY.Trim().Length -notin 24, 44)",
            Target::Docker => "case ${#BAKPAK_MASTER_KEY} in 24|44) ;; *) exit 1 ;; esac",
        };
        let is_octopus = self.facts.octopus.is_some();
        let test = if is_octopus { test } else { "exit 0" };
        vec![
            self.command(|block| {
                block.bakpak(&self.with_master_key(test));
                block.raw(match self.options.target {
                    Target::Windows => {
                        "if ($LASTEXITCODE) { Write-Warning 'the master key is NOT usable' }"
                    }
                    Target::Docker => "[ $? = 0 ] || echo 'the master key is NOT usable' >&2",
                });
            }),
            Step::Check(match is_octopus {
                true => {
                    "The envelope opens and the master key has the right form. It is not shown."
                        .to_owned()
                }
                false => "The envelope opens. What it holds is not shown.".to_owned(),
            }),
        ]
    }

    /// The call that runs a line of the shell with the master key in its environment.
    pub(super) fn with_master_key(&self, line: &str) -> Vec<Word> {
        let start: &[&'static str] = match self.options.target {
            Target::Windows => &["powershell", "-NoProfile", "-Command"],
            Target::Docker => &["sh", "-c"],
        };
        let call = [
            Word::Bare("master-key"),
            Word::Bare("exec"),
            Word::Value("ARCHIVE"),
        ];
        let mut words = [call.to_vec(), self.envelope_key()].concat();
        words.push(Word::Bare("--"));
        words.extend(start.iter().map(|word| Word::Bare(word)));
        words.push(Word::Quoted(line.to_owned()));
        words
    }

    /// Everything that was found, and what each means offline.
    fn said_against(&self) -> Vec<Step> {
        let facts = self.facts;
        let of_plans = facts
            .databases
            .iter()
            .flat_map(|database| &database.plan.findings);
        let findings: Vec<&Finding> = facts.findings.iter().chain(of_plans).collect();
        let mut steps: Vec<Step> = findings
            .iter()
            .map(|finding| {
                let database = match &finding.database {
                    Some(name) => format!(" Database {}.", quoted(name)),
                    None => String::new(),
                };
                Step::Warning(format!("{finding}.{database} {}", finding.help))
            })
            .collect();
        let notes = facts.notes.iter();
        steps.extend(notes.map(|note| Step::Warning(note.clone())));
        let mut codes: BTreeSet<String> =
            findings.iter().map(|finding| finding.rule.code()).collect();
        for finding in self.of_capture() {
            codes.insert(finding.rule.to_owned());
            steps.push(Step::Warning(format!(
                "{}: {}.",
                finding.rule, finding.message
            )));
        }
        if !codes.is_empty() {
            steps.push(self.command(|block| {
                for code in codes {
                    block.bakpak(&[Word::Bare("explain"), Word::Quoted(code)]);
                }
            }));
        }
        steps
    }

    /// Whether the files can be behind the state that the database is restored to.
    fn of_capture(&self) -> Vec<HomeFinding> {
        let octopus = self.facts.octopus.as_ref();
        let Some((octopus, capture)) = octopus.and_then(|one| Some((one, one.capture?))) else {
            return Vec::new();
        };
        let own = self
            .facts
            .databases
            .iter()
            .find(|database| Some(&database.target_database) == octopus.database.as_ref());
        // Without a stop time the database is as of its newest backup, which the capture knows.
        let is_stopped = |plan: &Plan| plan.steps.iter().any(|step| step.stop_at.is_some());
        let plan = own.map(|database| &database.plan);
        let at = plan
            .filter(|plan| is_stopped(plan))
            .and_then(|plan| plan.at?.utc());
        match at {
            Some(at) => capture.stop_at_finding(at).into_iter().collect(),
            None => capture.finding().into_iter().collect(),
        }
    }
}

/// What is in store where the key is lost.
const WITHOUT_KEY: &str = "The archive holds no master key. Look for it now: in a password store, \
     in a safe, or on the old server if it lives. Without it the databases restore, but every \
     sensitive value in them is lost: see plan B in the section about the instance.";

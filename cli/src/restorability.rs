//! Whether what an archive holds, or is to hold, can be restored.

use std::collections::{BTreeMap, BTreeSet};

use bakpak_format::record::{OtherSourceFacts, PlacedFault, other_source, outcome};
use mssql_backup::check::{LevelReport, Outcome};
use mssql_backup::guid::Guid;
use mssql_backup::report::{Report, SetReport, Unreadable};
use mssql_backup::stripes::together;
use recovery::catalogue::Catalogue;
use recovery::certificate::CertificateFile;
use recovery::finding::Finding;
use recovery::foreign::{self, ForeignReport};
use recovery::media::{MediaFile, Trouble};
use recovery::rules::{self, Rule, Severity};
use recovery::verdict::{Policy, Standing, Verdicts, judge};

use crate::backups::{facts, media_file};
use crate::output::event::{self, Event};
use crate::output::{Output, escaped};

/// What is known of the backups, before it is judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// SQL Server's backups, by their paths in the archive.
    reports: Vec<(String, Report)>,
    /// What is wrong with other backups.
    findings: Vec<Finding>,
    has_certificate: bool,
    has_private_key: bool,
    /// Other backups that were checked.
    others: usize,
    /// Backups that nobody can judge here.
    is_unknown: bool,
    /// Whether certificates are there could not be seen.
    misses_certificates: bool,
}

/// The judgement.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) answer: Answer,
    pub(crate) verdicts: Verdicts,
    /// Findings that are about no SQL Server backup as such.
    others: Vec<Finding>,
}

/// Whether everything can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is no backup to judge.
    NoBackups,
    Restorable,
    NotRestorable,
    /// Nothing is wrong, but there are backups that cannot be judged here.
    Unknown,
}

impl Evidence {
    /// A SQL Server backup was read.
    pub(crate) fn backup(&mut self, path: String, mut report: Report) {
        // What is needed to judge stripes together takes room, and is of no use for others.
        self.outside(&path, &report);
        self.readable(&path, &report);
        let is_striped = report
            .label
            .as_ref()
            .is_some_and(|label| label.family_count > 1);
        if !is_striped {
            for set in &mut report.sets {
                set.descriptors = Default::default();
            }
        }
        self.reports.push((path, report));
    }

    /// What is wrong outside of the sets: a set whose start is broken is none any more.
    fn outside(&mut self, path: &str, report: &Report) {
        let is_wrong = |level: &LevelReport| level.outcome == Outcome::Failed;
        if report.levels.iter().any(is_wrong) {
            let mut outside = report
                .faults
                .iter()
                .filter(|fault| fault.position.is_none());
            let first = outside.next().map_or("", |fault| fault.message.as_str());
            self.finding(
                &rules::DAMAGED_SET,
                format!("'{path}' outside of its sets: {first}"),
            );
        }
    }

    /// What of it cannot be judged: pages and log that may be encrypted, unknown compression.
    fn readable(&mut self, path: &str, report: &Report) {
        if let Some(unreadable @ Unreadable::Algorithm(_)) = report.unreadable {
            self.unjudged(format!("'{path}' is {unreadable}"));
        }
        for set in &report.sets {
            let position = set.checked.set.header.position;
            let told = set
                .checked
                .levels
                .iter()
                .find_map(|level| match &level.outcome {
                    Outcome::Unknown(why) if why.contains("TDE") => Some(why),
                    _ => None,
                });
            if let Some(why) = told {
                self.unjudged(format!("'{path}' (set {position}): {why}"));
            }
        }
    }

    /// A backup cannot be judged here, though nothing need be wrong with it.
    pub(crate) fn unjudged(&mut self, message: String) {
        self.is_unknown = true;
        self.finding(&rules::ENCRYPTED, message);
    }

    /// A ZIP was met with backups in it.
    pub(crate) fn zipped_backups(&mut self, path: &str) {
        self.is_unknown = true;
        let message = format!(
            "'{path}' is a ZIP with SQL Server backups in it, and RESTORE reads no ZIP: they were \
             not checked"
        );
        self.finding(&rules::UNJUDGED, message);
    }

    /// The facts of a file tell of some of its sets only.
    pub(crate) fn not_all_noted(&mut self, message: String) {
        self.is_unknown = true;
        self.finding(&rules::NOT_ALL_NOTED, message);
    }

    /// Nobody can see whether certificates are there: an archive from a pipe.
    pub(crate) fn miss_certificates(&mut self) {
        self.misses_certificates = true;
    }

    /// Another backup was checked.
    pub(crate) fn other(&mut self, path: &str, report: &ForeignReport) {
        // As an archive keeps it, so that the verdict is the same from both.
        self.other_told(path, &facts::other(report));
    }

    /// Another backup, as an archive's facts tell it.
    pub(crate) fn other_told(&mut self, path: &str, facts: &OtherSourceFacts) {
        self.others += 1;
        // A newer outcome is not understood here.
        let is_judged = matches!(
            facts.outcome,
            outcome::PASSED | outcome::FAILED | outcome::ABSENT | outcome::DOUBTFUL
        );
        self.is_unknown |= !is_judged;
        let has_backups = facts.values.iter().any(|value| value.name == "backup");
        if facts.kind == other_source::ZIP && has_backups {
            self.zipped_backups(path);
        }
        for PlacedFault { place, message } in &facts.faults {
            let place = match place.as_str() {
                "" => String::new(),
                place => format!(" ({place})"),
            };
            let code = foreign::rule_of(facts.kind == other_source::BACPAC, message);
            let rule = match is_judged {
                true => Rule::find(code).unwrap_or(&rules::UNREADABLE),
                false => &rules::UNJUDGED,
            };
            self.finding(rule, format!("'{path}'{place}: {message}"));
        }
    }

    /// Whether there is a backup that only a certificate opens.
    pub(crate) fn has_encrypted(&self) -> bool {
        let mut reports = self.reports.iter();
        reports.any(|(_, report)| report.unreadable == Some(Unreadable::Encrypted))
    }

    /// What could be a certificate or a private key was read.
    pub(crate) fn certificate(&mut self, bytes: &[u8]) {
        match CertificateFile::decode(bytes) {
            Ok(CertificateFile::Certificate(_)) => self.has_certificate = true,
            Ok(CertificateFile::PrivateKey(_)) => self.has_private_key = true,
            Ok(_) => (self.has_certificate, self.has_private_key) = (true, true),
            Err(_) => {}
        }
    }

    /// The envelope holds a certificate with its key.
    pub(crate) fn sealed_certificate(&mut self) {
        (self.has_certificate, self.has_private_key) = (true, true);
    }

    /// A broken rule that is none of chain and media.
    pub(crate) fn finding(&mut self, rule: &'static Rule, message: String) {
        self.findings.push(Finding::new(rule, message));
    }

    /// Judges all of it.
    pub(crate) fn judge(mut self) -> Judgement {
        join_stripes(&mut self.reports);
        let count = self.reports.len() + self.others;
        let understood = self
            .reports
            .iter()
            .filter(|(_, report)| !matches!(report.unreadable, Some(Unreadable::Algorithm(_))));
        let files = understood.map(|(path, report)| media_file(path.clone(), report));
        let files: Vec<MediaFile> = files.collect();
        let encrypted: Vec<String> = files
            .iter()
            .filter(|file| file.trouble == Some(Trouble::Encrypted))
            .map(|file| file.name.clone())
            .collect();
        let mut others = self.findings;
        if let Some(name) = encrypted.first() {
            let rule = match (self.has_certificate, self.has_private_key) {
                _ if self.misses_certificates => None,
                (true, true) => None,
                (true, false) => Some(&rules::PRIVATE_KEY_MISSING),
                (false, _) => Some(&rules::CERTIFICATE_MISSING),
            };
            let message = format!("'{name}' is encrypted, and what opens it is not packed");
            others.extend(rule.map(|rule| Finding::new(rule, message)));
        }
        let catalogue = Catalogue::of(files);
        let verdicts = judge(&catalogue, &Policy::default());
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        let standing = |standing| {
            verdicts
                .databases
                .iter()
                .any(|one| one.standing == standing)
        };
        let is_wrong = others.iter().any(is_error)
            || verdicts.findings.iter().any(is_error)
            || standing(Standing::NotRestorable)
            || standing(Standing::Partly);
        let is_known = encrypted.is_empty() && !self.is_unknown;
        let answer = match (count, is_wrong, is_known) {
            (_, true, _) => Answer::NotRestorable,
            (0, ..) => Answer::NoBackups,
            (_, false, true) => Answer::Restorable,
            (_, false, false) => Answer::Unknown,
        };
        Judgement {
            answer,
            verdicts,
            others,
        }
    }
}

impl Judgement {
    /// All findings, those about no database first.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.others.iter().chain(self.verdicts.all_findings())
    }

    /// What cannot be restored because of what, in one line for each database.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.verdicts
            .databases
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Tells findings that were not told before: errors as such, or as warnings where they are
    /// accepted; notes are left to `plan`.
    pub(crate) fn tell_findings(
        &self,
        told: &mut BTreeSet<String>,
        are_accepted: bool,
        output: &Output,
    ) {
        let mut errors = Vec::new();
        for finding in self.findings() {
            let text = finding.to_string();
            if finding.severity == Severity::Info || !told.insert(text.clone()) {
                continue;
            }
            if finding.severity == Severity::Error && !are_accepted {
                output.error(&escaped(&text).to_string());
                let hint = as_hint(&finding.help);
                if !errors.contains(&hint) {
                    errors.push(hint);
                }
            } else {
                let text = text.split_once(' ').map_or(text.as_str(), |(_, rest)| rest);
                output.warn(Some(&finding.rule.code()), None, text);
            }
        }
        output.hint(&errors);
    }

    /// Tells it as JSON.
    pub(crate) fn tell_event(&self, output: &Output) {
        output.event(&self.event());
    }

    pub(crate) fn event(&self) -> Event {
        let findings = self.others.iter().chain(&self.verdicts.findings);
        Event::Restorability(event::Restorability {
            answer: self.answer.word(),
            databases: self.verdicts.databases.clone(),
            findings: findings.cloned().collect(),
        })
    }
}

impl Answer {
    fn word(self) -> &'static str {
        match self {
            Self::NoBackups => "no-backups",
            Self::Restorable => "restorable",
            Self::NotRestorable => "not-restorable",
            Self::Unknown => "unknown",
        }
    }
}

/// A sentence as a hint: lower case, without its final stop.
fn as_hint(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A set by its media set and its own identity.
type SetKey = (Option<Guid>, Guid);

/// Judges the stripes of each set together, where all of them are there: what each could not tell
/// alone is replaced by what they tell together.
fn join_stripes(reports: &mut [(String, Report)]) {
    // Of each set the file and its place in it.
    let mut sets: BTreeMap<SetKey, Vec<(usize, usize)>> = BTreeMap::new();
    for (file, (_, report)) in reports.iter().enumerate() {
        let Some(label) = report.label.as_ref().filter(|label| label.family_count > 1) else {
            continue;
        };
        for (index, set) in report.sets.iter().enumerate() {
            if let Some(guid) = set.checked.set.header.backup_set_guid {
                let key = (label.media_set_id, guid);
                sets.entry(key).or_default().push((file, index));
            }
        }
    }
    for places in sets.into_values() {
        let families: BTreeSet<u16> = places
            .iter()
            .filter_map(|(file, _)| reports[*file].1.label.as_ref())
            .map(|label| label.family_sequence_number)
            .collect();
        let count = reports[places[0].0]
            .1
            .label
            .as_ref()
            .map_or(0, |label| label.family_count);
        // A stripe that is there twice would be counted twice.
        if places.len() != usize::from(count) || families.len() != places.len() {
            continue;
        }
        let stripes: Vec<&SetReport> = places
            .iter()
            .map(|(file, set)| &reports[*file].1.sets[*set])
            .collect();
        let Some(judged) = together(&stripes) else {
            continue;
        };
        for (file, set) in places {
            for level in &mut reports[file].1.sets[set].checked.levels {
                let found = judged
                    .levels
                    .iter()
                    .find(|judged| judged.level == level.level);
                if let Some(found) = found {
                    *level = found.clone();
                }
            }
        }
    }
}

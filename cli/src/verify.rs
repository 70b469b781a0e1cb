//! `bakpak verify`.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;

use bakpak_codec::archive::Archive;
use bakpak_codec::default_threads;
use bakpak_codec::error::{Finding, ReadError};
use bakpak_codec::input::Input;
use bakpak_codec::inspect::Totals;
use bakpak_codec::repair::{RepairReport, assess};
use bakpak_codec::salvage::{Salvaged, affected};
use bakpak_codec::verify::{VerifyLevel, VerifyReport, verify, verify_keyless, verify_with_taps};
use bakpak_format::entry::{Entry, EntryPath};
use bakpak_format::error::{Class, Structure};

use crate::absent;
use crate::affected::{self, MissingOfBackup, Words};
use crate::archive;
use crate::args::{Depth, VerifyArguments};
use crate::exit::Exit;
use crate::interrupt::{self, Phase};
use crate::output::event::{self, Event, Verified};
use crate::output::{self, Output, count, hex, size};
use crate::progress::Progress;
use crate::prompt::Keys;
use crate::report::exit_of;
use crate::restorability::{Answer, Judgement};

use self::backups::{Rereading, by_facts};

pub(crate) mod backups;

/// Verifies.
///
/// # Errors
///
/// The archive cannot be read or opened at all. Damage is a verdict, not an error.
pub(crate) fn run(arguments: &VerifyArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    let name = archive::name(&arguments.archive);
    let keys = match arguments.keyless {
        true => None,
        false => Some(Keys::of_data(&arguments.keys, output)?),
    };
    let (input, len) = archive::open_input(&arguments.archive, &arguments.keys)?;
    let file = match &input {
        Input::File(file) => Some(file.try_clone()?),
        Input::Stream { .. } => None,
    };
    let progress = Progress::new(output, "verified", len);
    let threads = default_threads();
    let mut keys = keys;
    let mut rereading = Rereading::default();
    // A pipe is read once: what its facts tell is behind what they are about.
    let rereads = arguments.level == Depth::Media || file.is_none();
    if let (Some(keys), Some(file), true) = (&mut keys, &file, rereads)
        && let Ok(mut archive) = Archive::open(file, keys)
    {
        rereading.learn_kinds(&mut archive);
    }
    let (level, report) = match (&mut keys, arguments.level) {
        (None, _) => ("keyless", verify_keyless(input, threads, &progress)),
        (Some(keys), Depth::Blocks) => (
            "blocks",
            verify(input, keys, VerifyLevel::Blocks, threads, &progress),
        ),
        (Some(keys), level) => {
            let word = if level == Depth::Media {
                "media"
            } else {
                "full"
            };
            let report = match rereads {
                false => verify(input, keys, VerifyLevel::Full, threads, &progress),
                true => {
                    let mut tap_of = |entry: &Entry| rereading.tap(entry);
                    verify_with_taps(input, keys, &mut tap_of, threads, &progress)
                }
            };
            (word, report)
        }
    };
    let mut report = report.map_err(|error| {
        let seen = match error {
            ReadError::NoKeyFits { .. } => ", in which no damage shows without a key",
            _ => "",
        };
        anyhow::Error::from(error).context(format!("cannot verify {name}{seen}"))
    })?;
    drop(progress);
    let level = match report.without_key {
        Some(_) => "keyless",
        None => level,
    };
    let damaged = file.as_ref().map(File::try_clone).transpose()?;
    let can_judge = report.findings.is_empty() && !matches!(level, "keyless" | "blocks");
    let judgement = match (&mut keys, can_judge) {
        (Some(keys), true) if rereads => {
            let mut archive = file.map(|file| Archive::open(&file, keys)).transpose()?;
            Some(rereading.judge(archive.as_mut())?)
        }
        (Some(keys), true) => file.map(|file| by_facts(&file, keys)).transpose()?,
        _ => None,
    };
    let repair = match &damaged {
        Some(file) => assessed(file, &mut report, output)?,
        None => None,
    };
    let seen = Seen {
        level,
        report: &report,
        repair,
        judgement: judgement.as_ref(),
    };
    let exit = seen.tell_findings(output);
    if let (Some(file), Some(keys), false) = (&damaged, &mut keys, report.findings.is_empty())
        && matches!(level, "full" | "media")
    {
        tell_affected(file, keys, seen.is_repairable(), output)?;
    }
    Ok(seen.tell(exit, arguments, output))
}

/// What was found.
struct Seen<'a> {
    level: &'static str,
    report: &'a VerifyReport,
    /// What a repair would do about damage; `None` if there is none, or if that cannot be known.
    repair: Option<RepairReport>,
    judgement: Option<&'a Judgement>,
}

/// Whether what was found can be mended: that shows without a key. What shows with a key only was made
/// so, unless it is of a block that is mended, or stands where others should.
fn assessed(
    file: &File,
    report: &mut VerifyReport,
    output: &Output,
) -> anyhow::Result<Option<RepairReport>> {
    if report.findings.is_empty() {
        return Ok(None);
    }
    let len = file.metadata().ok().map(|metadata| metadata.len());
    let progress = Progress::new(output, "looked through again", len);
    match assess(file, default_threads(), &progress) {
        Ok(repair) => {
            tell_as_mended(report, &repair);
            let explained = |finding: &Finding| is_explained(finding, &repair);
            let is_explained = report.findings.iter().all(explained);
            Ok(Some(repair).filter(|repair| is_explained || !repair.is_complete()))
        }
        Err(error @ ReadError::Interrupted) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// A file without head and tail reads as no archive at all. If a check page has the head still, it is
/// a damaged one (spec: HED-1).
fn tell_as_mended(report: &mut VerifyReport, repair: &RepairReport) {
    let is_head = |finding: &&Finding| finding.structure == Structure::Head;
    let Some(mended) = repair.mended.iter().find(is_head) else {
        return;
    };
    let foreign = report.findings.iter_mut().find(|finding| {
        finding.structure == Structure::Head && finding.class == Class::Unsupported
    });
    if let Some(finding) = foreign {
        finding.clone_from(mended);
        report.archive_len = repair.archive_len;
        report.blocks = repair.block_count;
    }
}

/// Whether a finding goes when the archive is mended.
fn is_explained(finding: &Finding, repair: &RepairReport) -> bool {
    let is_mended = || {
        let mended = repair.mended.iter();
        let mut blocks = mended.filter_map(|mended| mended.block);
        finding
            .block
            .is_some_and(|block| blocks.any(|mended| mended == block))
    };
    let is_displaced = repair.is_moved || repair.file_len != repair.archive_len;
    matches!(finding.class, Class::Damaged | Class::Truncated) || is_displaced || is_mended()
}

/// Names the entries that damage hits, also through copies.
fn tell_affected(
    file: &File,
    keys: &mut Keys,
    is_repairable: bool,
    output: &Output,
) -> anyhow::Result<()> {
    let len = file.metadata().ok().map(|metadata| metadata.len());
    let progress = Progress::new(output, "looked through for entries", len);
    let mut words = Words::new(is_repairable);
    let mut tell = |salvaged: &Salvaged| {
        output.event(&affected::event(salvaged, MissingOfBackup::default(), None));
        words.tell(salvaged, 0, output);
    };
    let told = affected(file, keys, &mut tell, default_threads(), &progress);
    drop(progress);
    words.tell_rest(output);
    match told {
        Err(error @ ReadError::Interrupted) => Err(error.into()),
        // The damage itself is told already.
        Err(ReadError::Fault(_)) | Ok(()) => Ok(()),
        Err(error) => {
            let text = format!("which entries the damage hits cannot be told: {error}");
            output.warn(None, None, &text);
            Ok(())
        }
    }
}

impl Seen<'_> {
    /// Tells what is damaged, and how to end for it.
    fn tell_findings(&self, output: &Output) -> Exit {
        absent::tell_changed(self.report.changed, output);
        let mut exit = Exit::DONE;
        for finding in &self.report.findings {
            output.error(&finding.to_string());
            output.event(&Event::Finding(listed(finding)));
            exit = exit.worst(match self.is_repairable() {
                true => Exit::REPAIRABLE,
                false => exit_of(finding.class()),
            });
        }
        exit
    }

    /// Tells all else, and how to end.
    fn tell(&self, mut exit: Exit, arguments: &VerifyArguments, output: &Output) -> Exit {
        let Self {
            level,
            report,
            judgement,
            ..
        } = *self;
        if let Some(error) = &report.without_key {
            let code = exit_of(error.class());
            let message = format!("{error}, so only what shows without a key was verified");
            output.error(&message);
            output.event(&Event::Error {
                code: code.0,
                message,
                hints: Vec::new(),
            });
            exit = exit.worst(code);
        }
        for missing in &report.missing {
            let (path, reason) = (&missing.path, &missing.reason);
            output.error(&format!(
                "'{path}' is not in the archive: {}",
                output::escaped(reason)
            ));
            output.event(&Event::Missing {
                path: path.into(),
                reason: reason.clone(),
            });
        }
        for path in only_unreadable(report) {
            let text = format!("'{path}' could not be read when packed: its content is not there");
            output.error(&text);
        }
        if !report.missing.is_empty()
            || !report.unreadable.is_empty()
            || report
                .totals
                .as_ref()
                .is_some_and(|totals| totals.incomplete || totals.not_restorable)
        {
            exit = exit.worst(Exit::INCOMPLETE);
        }
        if let Some(judgement) = judgement {
            judgement.tell_findings(&mut BTreeSet::new(), false, output);
            if judgement.answer == Answer::NotRestorable {
                exit = exit.worst(Exit::INCOMPLETE);
            }
        }
        // When all warnings have been told.
        exit = exit.worst(output.exit(arguments.outcome.fail_on));
        // Of nothing nothing can be taken out.
        let is_useful = |remedy: &&&str| report.archive_len > 0 || !remedy.contains("salvage");
        let remedies = exit.remedies().iter().filter(is_useful);
        output.hint(&remedies.map(ToString::to_string).collect::<Vec<_>>());
        let verdict = verdict(exit);
        let name = archive::name(&arguments.archive);
        let name = name.trim_matches('\'');
        let sentence = self.sentence(verdict);
        output.line(format!("{name}: {sentence}"));
        if let Some(judgement) = judgement.filter(|one| one.answer != Answer::NoBackups) {
            for line in judgement.lines() {
                output.line(line);
            }
            judgement.tell_event(output);
        }
        output.event(&Event::Verified(Verified {
            archive: arguments.archive.to_string_lossy().into_owned(),
            level,
            verdict,
            exit: exit.0,
            archive_len: report.archive_len,
            blocks: report.blocks,
            root: report.root.map(|root| hex(&root.0)),
            entries: entries(report),
            findings: report.findings.len(),
            lost: self.repair.as_ref().map(|repair| repair.lost.len()),
            missing: report.missing.len(),
            warnings: output.warning_count(),
        }));
        exit
    }

    fn is_repairable(&self) -> bool {
        self.repair.as_ref().is_some_and(RepairReport::is_complete)
    }

    /// The verdict, and what it rests on.
    fn sentence(&self, verdict: &str) -> String {
        let Self {
            level,
            report,
            judgement,
            ..
        } = *self;
        let blocks = count(report.blocks, "block", "blocks");
        let len = size(report.archive_len);
        let mut entries = count(entries(report), "entry", "entries");
        if level == "media" {
            entries += "; backups checked again";
        }
        let findings = count(report.findings.len() as u64, "finding", "findings");
        match (verdict, level) {
            ("whole", "keyless") => format!(
                "whole ({blocks}, {len}); checked without a key, which shows accidents, not attacks, \
             and not whether it is restorable"
            ),
            ("whole", "blocks") => {
                format!("whole and authentic ({blocks}, {len}); the entries were not looked at")
            }
            // A backup that grew while it was read is whole in the archive, and perhaps no backup.
            ("whole", _) if report.changed > 0 => format!(
                "whole ({blocks}, {len}, {entries}), but {} changed while packed",
                count(report.changed, "file", "files")
            ),
            ("whole", _) => match judgement.map(|judgement| judgement.answer) {
                Some(Answer::Restorable) => {
                    format!("whole and RESTORABLE ({blocks}, {len}, {entries})")
                }
                Some(Answer::Unknown) => format!(
                    "whole ({blocks}, {len}, {entries}), but some backups cannot be judged here"
                ),
                _ => format!("whole ({blocks}, {len}, {entries})"),
            },
            ("truncated", _) => format!("CUT SHORT after {len} ({findings})"),
            ("incomplete", _) if is_nothing_missing(report) => {
                format!("INTACT BUT NOT RESTORABLE, or not all of it ({blocks}, {len}, {entries})")
            }
            ("incomplete", _) => {
                let missing = report.missing.len() + only_unreadable(report).count();
                let missing = count(missing as u64, "source", "sources");
                format!("whole but INCOMPLETE: {missing} could not be read when it was packed")
            }
            ("unsupported", _) => format!("NOT SUPPORTED by this version ({findings})"),
            ("repairable", _) => format!("DAMAGED, AND REPAIRABLE ({findings} in {blocks}, {len})"),
            _ => {
                let lost = self.repair.as_ref().map(|repair| repair.lost.len() as u64);
                let beyond = match lost {
                    Some(lost) => format!(
                        "; parity and copies do not suffice: {} cannot be mended",
                        count(lost, "part", "parts")
                    ),
                    None => String::new(),
                };
                format!("DAMAGED ({findings} in {blocks}, {len}{beyond})")
            }
        }
    }
}

fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::DONE | Exit::WARNINGS => "whole",
        Exit::REPAIRABLE => "repairable",
        Exit::TRUNCATED => "truncated",
        Exit::INCOMPLETE => "incomplete",
        Exit::UNSUPPORTED => "unsupported",
        _ => "damaged",
    }
}

/// Whether all sources are there, so that something else is the matter (spec: FIN-3).
fn is_nothing_missing(report: &VerifyReport) -> bool {
    let is_incomplete = |totals: &Totals| totals.incomplete;
    !report.totals.as_ref().is_some_and(is_incomplete)
        && report.unreadable.is_empty()
        && report.missing.is_empty()
}

/// Entries that broke off and are not told among what is missing.
fn only_unreadable(report: &VerifyReport) -> impl Iterator<Item = &EntryPath> {
    let missing: HashSet<_> = report.missing.iter().map(|missing| &missing.path).collect();
    let unreadable = report.unreadable.iter();
    unreadable.filter(move |path| !missing.contains(path))
}

/// How many entries were decoded.
fn entries(report: &VerifyReport) -> u64 {
    report.totals.as_ref().map_or(0, |totals| totals.row_count)
}

pub(crate) fn listed(finding: &Finding) -> event::Finding {
    event::Finding {
        class: finding.class.to_string(),
        structure: finding.structure.to_string(),
        offset: finding.offset,
        block: finding.block,
        sectors: finding.sectors.clone(),
        path: finding.entry.as_ref().map(Into::into).unwrap_or_default(),
        rule: finding.rule,
        message: finding.message.clone(),
    }
}

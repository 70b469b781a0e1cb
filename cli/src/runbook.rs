//! `bakpak runbook`.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::record::{Facts, KnownFacts};
use recovery::catalogue::Catalogue;
use recovery::runbook::facts::{OctopusFacts, RunbookFacts};
use recovery::runbook::{self as procedure, RunbookOptions, Scripts};

use self::beside::Beside;
use self::contents::Contents;
use self::databases::Databases;
use self::place::Place;
use crate::archive;
use crate::args::{RunbookArguments, RunbookTarget};
use crate::backups;
use crate::exit::Exit;
use crate::output::{self, Output};
use crate::plan::clock::asked;
use crate::plan::exit_of;
use crate::prompt::Keys;
use crate::restorability::{Answer, Judgement};
use crate::verify::backups::judged;

mod beside;
mod certificates;
mod contents;
mod databases;
mod opening;
mod place;

/// Writes a runbook, and its scripts where it goes into a file.
///
/// # Errors
///
/// The archive cannot be read, the database or a folder is not named well enough, or there is a file
/// already (31). That not all can be restored is an answer, not an error: what is written says so.
pub(crate) fn run(arguments: &RunbookArguments, output: &Output) -> anyhow::Result<Exit> {
    let zone = arguments.tz.as_ref();
    let asked = arguments.at.map(|at| asked(at, zone)).transpose()?;
    let place = arguments.output.as_deref().map(Place::of).transpose()?;
    let mut keys = Keys::of_data(&arguments.keys, output)?;
    let file = archive::open_file(&arguments.archive)?;
    let context = || {
        let name = output::quoted(&arguments.archive);
        format!("cannot write a runbook of {name}")
    };
    let mut archive = Archive::open(&file, &mut keys).with_context(context)?;
    archive::tell_damage(archive.head(), output);
    let judgement = judged(&mut archive).with_context(context)?;
    let catalogue = Catalogue::of(backups::of_archive(&mut archive, output).with_context(context)?);
    let beside = Beside::read(&mut archive).with_context(context)?;
    let contents = Contents::read(&mut archive, &catalogue).with_context(context)?;

    let mut databases = Databases::plan(&catalogue, arguments, asked.as_ref())?;
    databases.write_scripts(arguments, &contents, place.as_ref())?;
    let (facts, exit) = facts(
        &file,
        &archive,
        arguments,
        &judgement,
        Parts {
            beside,
            contents,
            databases: &databases,
        },
    )?;
    let options = RunbookOptions {
        target: arguments.target.into(),
        rehearsal: arguments.rehearsal,
        restore_folder: arguments.restore_folder(),
        scripts: match &place {
            Some(_) => Scripts::Written,
            None => Scripts::ToWrite {
                file: place::UNNAMED.to_owned(),
                options: arguments.typed_again(),
            },
        },
    };
    let document = procedure::runbook(&facts, &options);
    match &place {
        Some(place) => place.write(&document, databases.scripts(), output)?,
        None => output.write(document.to_markdown().as_bytes()),
    }
    for lost in &facts.lost {
        output.error(&output::escaped(lost).to_string());
    }
    Ok(exit)
}

/// What was read of the archive.
struct Parts<'a> {
    beside: Beside,
    contents: Contents,
    databases: &'a Databases,
}

fn facts(
    file: &File,
    archive: &Archive,
    arguments: &RunbookArguments,
    judgement: &Judgement,
    parts: Parts<'_>,
) -> anyhow::Result<(RunbookFacts, Exit)> {
    let Parts {
        beside,
        contents,
        databases,
    } = parts;
    let (head, totals) = (archive.head(), archive.totals());
    let mut notes = databases.notes.clone();
    notes.extend(contents.notes());
    let octopus = contents.octopus().map(|octopus| OctopusFacts {
        version: None,
        database: databases
            .of_octopus()
            .map(|one| one.facts.target_database.clone()),
        folders: octopus.folders(),
        not_to_restore: octopus.not_to_restore(),
        capture: databases.of_octopus().and_then(|one| one.capture(totals)),
    });
    if octopus
        .as_ref()
        .is_some_and(|octopus| octopus.capture.is_none())
    {
        notes.push(
            "It is not known whether the files of Octopus were captured after its database: the \
             moment of the one or the other is not in the archive."
                .to_owned(),
        );
    }
    let (lost, exit) = lost(archive, arguments, judgement, databases);
    let attachments = contents.attachments(&beside.others);
    let facts = RunbookFacts {
        archive: name_of(&arguments.archive),
        archive_len: file.metadata()?.len(),
        packed: opening::packed(head, totals),
        contact: opening::contact(head),
        key: opening::archive_key(head),
        envelope: opening::envelope(head, &beside.items),
        databases: databases.facts(),
        certificates: databases.certificates(&contents),
        octopus,
        homes: contents.homes(),
        attachments,
        others: beside.others,
        findings: databases
            .findings(judgement)
            .into_iter()
            .chain(contents.findings())
            .collect(),
        lost,
        notes,
    };
    Ok((facts, exit))
}

/// What cannot be restored, in words, and how the program ends then.
fn lost(
    archive: &Archive,
    arguments: &RunbookArguments,
    judgement: &Judgement,
    databases: &Databases,
) -> (Vec<String>, Exit) {
    let totals = archive.totals();
    let (mut lost, mut exit) = (Vec::new(), Exit::DONE);
    // Of one database that was named it counts whether that one can be restored.
    let is_lost = match &arguments.database {
        None => judgement.answer == Answer::NotRestorable || totals.not_restorable,
        Some(_) => databases.is_one_lost(judgement),
    };
    if is_lost {
        exit = Exit::INCOMPLETE;
        let own = databases.verdicts(judgement).map(ToString::to_string);
        let mut text = "NOT ALL OF IT CAN BE RESTORED. This runbook restores what can be; the \
                        section about the archive says what is lost, and why."
            .to_owned();
        let own = own.collect::<Vec<_>>().join("; ");
        // Markdown ends no bold text behind a space.
        if !own.is_empty() {
            text = format!("{text} {own}");
        }
        lost.push(text);
    }
    if totals.incomplete {
        exit = Exit::INCOMPLETE;
        lost.push(
            "INCOMPLETE: sources could not be read when it was packed. bakpak inspect names them."
                .to_owned(),
        );
    }
    let is_moment_asked = arguments.at.is_some();
    for database in &databases.list {
        let plan = &database.facts.plan;
        exit = exit.worst(exit_of(plan, is_moment_asked));
        if !plan.is_possible() {
            let name = recovery::finding::quoted(&plan.database);
            lost.push(format!(
                "Database {name} CANNOT BE RESTORED to what was asked for."
            ));
        }
    }
    (lost, exit)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

impl From<RunbookTarget> for procedure::Target {
    fn from(target: RunbookTarget) -> Self {
        match target {
            RunbookTarget::Windows => Self::Windows,
            RunbookTarget::Docker => Self::Docker,
        }
    }
}

/// The facts of an archive that are not about SQL Server's backups.
fn is_beside(kind: u16) -> bool {
    matches!(kind, Facts::OTHER_SOURCE | Facts::ENVELOPE_ITEM)
}

fn known(facts: &Facts) -> Option<KnownFacts> {
    facts.known().ok().flatten()
}

//! `bakpak plan`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::preamble::MAGIC;
use recovery::backup::Backup;
use recovery::catalogue::Catalogue;
use recovery::choice::{Choice, ChoiceError, Chosen, Wanted, choose};
use recovery::finding::{Finding, quoted};
use recovery::media::MediaFile;
use recovery::plan::{Plan, PlanRequest, StepKind, Verdict, plan};
use recovery::rules::{self, Severity};
use recovery::verdict::{DatabaseVerdict, Policy, judge};

use self::clock::{Asked, ServerClock, asked};
use self::scripts::Written;
use self::told::Told;
use crate::archive;
use crate::args::{FailOn, PlanArguments};
use crate::backups::{self, Depth};
use crate::exit::{Exit, Failure};
use crate::output::{self, Output};
use crate::prompt::Keys;

pub(crate) mod clock;
pub(crate) mod scripts;
mod told;

/// Plans.
///
/// # Errors
///
/// Something cannot be read, the database is not named well enough, or the scripts cannot be
/// written. That there is no way to the moment is an answer, not an error.
pub(crate) fn run(arguments: &PlanArguments, output: &Output) -> anyhow::Result<Exit> {
    let zone = arguments.tz.as_ref();
    let asked = arguments.at.map(|at| asked(at, zone)).transpose()?;
    let sources = Sources::read(arguments, output)?;
    let catalogue = Catalogue::of(sources.media);
    let no_choice = |error| no_choice(&error, &catalogue, &sources.left_out);
    let wanted = wanted(&catalogue, arguments.database.as_deref());
    let chosen = choose(&catalogue, &wanted).map_err(no_choice)?;
    let clock = ServerClock::of(&chosen.database.backups);
    let moment = asked.map(|asked| clock.moment(asked, zone)).transpose()?;
    let request = PlanRequest {
        database: wanted,
        at: moment.map(|moment| moment.local),
        to_sql_version: arguments.to_sql_version,
    };
    let mut plan = plan(&catalogue, &request).map_err(no_choice)?;
    let is_newest = moment.is_none() && plan.is_possible();
    add_judged(&mut plan, &catalogue, is_newest);
    plan.findings.extend(catalogue.findings.iter().cloned());
    plan.findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    // Plan, verdict and catalogue look at the same backups; the gravest word counts.
    let mut told = BTreeSet::new();
    plan.findings
        .retain(|finding| told.insert(finding.to_string()));

    let mut notes = sources.notes;
    notes.extend(unused_logs(&plan, &chosen).filter(|_| is_newest));
    // An instant is told apart from any other; a local time need not be.
    if let Some(Asked::Local(local)) = asked {
        notes.extend(clock.change_near(local));
    }
    // What cannot be written does not hide the plan.
    let (written, failure) = match scripts::write(&plan, &arguments.scripts, &sources.origin) {
        Ok(written) => (written, None),
        Err(error) => (Written::default(), Some(error)),
    };
    notes.extend(written.notes);
    let exit = exit_of(&plan, moment.is_some());
    let told = Told {
        asked: moment,
        strip: told::strip(&plan, &chosen),
        plan,
        exit,
        notes,
        left_out: sources.left_out,
        scripts: written.paths,
    };
    told.tell(output);
    failure.map_or(Ok(()), Err)?;
    let is_grave = |finding: &Finding| finding.severity >= Severity::Warning;
    let has_warnings = told.plan.findings.iter().any(is_grave);
    Ok(match (exit, arguments.outcome.fail_on) {
        (Exit::DONE, Some(FailOn::Warning)) if has_warnings => Exit::WARNINGS,
        (Exit::DONE, fail_on) => output.exit(fail_on),
        (exit, _) => exit,
    })
}

/// What was read.
struct Sources {
    media: Vec<MediaFile>,
    origin: Origin,
    /// Files that are no backups.
    left_out: Vec<PathBuf>,
    notes: Vec<String>,
}

/// Where the backups lie.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// In files of this machine.
    Files,
    /// In an archive.
    Archive(PathBuf),
}

impl Sources {
    fn read(arguments: &PlanArguments, output: &Output) -> anyhow::Result<Self> {
        let paths = &arguments.sources;
        let mut archives = paths.iter().filter(|path| is_archive(path));
        match (archives.next(), paths.len()) {
            (Some(path), 1) => Self::of_archive(path, arguments, output),
            (Some(path), _) => Err(Failure::usage(format!(
                "{} is an archive, and is planned by itself",
                output::quoted(path)
            ))
            .hint("one archive, or any number of backup files and directories of them")
            .into()),
            (None, _) => Self::of_files(paths, arguments, output),
        }
    }

    fn of_files(
        paths: &[PathBuf],
        arguments: &PlanArguments,
        output: &Output,
    ) -> anyhow::Result<Self> {
        for path in paths {
            if archive::is_stdin(path) {
                return Err(Failure::usage("backups are not read from standard input")
                    .hint("a file named - is ./-")
                    .into());
            }
        }
        let depth = match arguments.headers_only {
            true => Depth::Headers,
            false => Depth::Everything,
        };
        if depth == Depth::Everything {
            tell_wait(&backups::named(paths)?, output);
        }
        let (media, left_out) = backups::of_files(paths, depth)?;
        Ok(Self {
            media,
            left_out,
            origin: Origin::Files,
            notes: Vec::new(),
        })
    }

    fn of_archive(path: &Path, arguments: &PlanArguments, output: &Output) -> anyhow::Result<Self> {
        let mut keys = Keys::of_data(&arguments.keys, output)?;
        let file = archive::open_file(path)?;
        let context = || format!("cannot plan from {}", output::quoted(path));
        let mut archive = Archive::open(&file, &mut keys).with_context(context)?;
        archive::tell_damage(archive.head(), output);
        let media = backups::of_archive(&mut archive, output).with_context(context)?;
        let incomplete = archive.totals().incomplete.then(|| {
            "the archive is incomplete: some sources could not be read when it was packed"
                .to_owned()
        });
        Ok(Self {
            media,
            left_out: Vec::new(),
            origin: Origin::Archive(path.to_owned()),
            notes: incomplete.into_iter().collect(),
        })
    }
}

/// So much is read in seconds.
const SOON: u64 = 4 << 30;

/// Whoever waits shall know for what.
fn tell_wait(files: &[PathBuf], output: &Output) {
    let lens = files.iter().filter_map(|path| path.metadata().ok());
    let len: u64 = lens.map(|file| file.len()).sum();
    if len > SOON {
        let size = output::size(len);
        output.say(format!(
            "reading {size} of backups to their end; --headers-only takes a moment"
        ));
    }
}

/// By how it begins; by its name where the beginning is damaged.
fn is_archive(path: &Path) -> bool {
    let mut first = Vec::new();
    let file = File::open(path).ok().filter(|_| path.is_file());
    let read = file.map(|file| file.take(MAGIC.len() as u64).read_to_end(&mut first));
    let is_named = path.extension().is_some_and(|name| name == "bakpak");
    read.is_some() && (first == MAGIC || is_named)
}

/// What was typed names a database, or else the family of one.
pub(crate) fn wanted(catalogue: &Catalogue, typed: Option<&str>) -> Wanted {
    let Some(typed) = typed else {
        return Wanted::default();
    };
    let families = catalogue.databases.iter().filter_map(|one| one.family);
    let is_typed = |text: String| text.eq_ignore_ascii_case(typed);
    let family = families.into_iter().find(|one| is_typed(one.to_string()));
    Wanted {
        name: family.is_none().then(|| typed.to_owned()),
        family,
        fork: None,
    }
}

/// Why no database is planned for, and which there are.
pub(crate) fn no_choice(
    error: &ChoiceError,
    catalogue: &Catalogue,
    left_out: &[PathBuf],
) -> Failure {
    match error {
        ChoiceError::Nothing => {
            let failure = Failure::new(Exit::INCOMPLETE, error.to_string());
            let findings = catalogue.findings.iter().map(ToString::to_string);
            findings
                .chain(told::left_out(left_out))
                .fold(failure, Failure::hint)
        }
        ChoiceError::NoneFits(there) | ChoiceError::Several(there) => {
            let failure = Failure::usage(match error {
                ChoiceError::Several(_) => "there are backups of several databases: name one",
                _ => "there is no backup of that database",
            });
            let lines = there.iter().map(|one| choice_words(one, there));
            lines.fold(failure, Failure::hint)
        }
        _ => Failure::new(Exit::FAILED, error.to_string()),
    }
}

/// `--database 'Orders'`, by its family where another one has the name too.
fn choice_words(one: &Choice, all: &[Choice]) -> String {
    let name = quoted(&one.name);
    let namesakes = all.iter().filter(|other| other.name == one.name).count();
    let newest = one
        .newest
        .map(|newest| format!(", newest backup of {newest}"));
    let newest = newest.unwrap_or_default();
    match one.family.filter(|_| namesakes > 1) {
        Some(family) => format!("--database {family}: {name}{newest}"),
        None => format!("--database {name}{newest}"),
    }
}

/// Whether it is the error of a database, which makes less restorable than there is.
fn costs_something(finding: &Finding) -> bool {
    finding.severity == Severity::Error && finding.database.is_some()
}

/// Adds what the verdict on the database says beyond its plan: copies, and of a plan for the newest
/// reachable state, in which that does not show, why something newer cannot be reached.
fn add_judged(plan: &mut Plan, catalogue: &Catalogue, is_newest: bool) {
    let verdicts = judge(catalogue, &Policy::default());
    let same = |one: &DatabaseVerdict| {
        (&one.name, one.family, one.fork) == (&plan.database, plan.family, plan.fork)
    };
    let judged: Vec<Finding> = verdicts
        .databases
        .into_iter()
        .filter(same)
        .flat_map(|one| one.findings)
        .filter(|one| is_newest && costs_something(one) || *one.rule == rules::DUPLICATE)
        .collect();
    for finding in judged {
        let mut known = plan.findings.iter_mut();
        match known.find(|known| known.message == finding.message) {
            // What the plan goes round is why something newer is lost: the cause of what follows.
            Some(known) => known.severity = known.severity.max(finding.severity),
            None => plan.findings.push(finding),
        }
    }
}

/// That logs are there of which the newest reachable state needs none: people look for them.
fn unused_logs(plan: &Plan, chosen: &Chosen<'_>) -> Option<String> {
    let last = plan
        .steps
        .last()
        .filter(|last| last.kind == StepKind::Differential)?;
    let branch = chosen.branches.iter().find(|one| one.fork == plan.fork)?;
    let is_log = |one: &&Backup| {
        branch.holds(one) && one.header().backup_type == Some(StepKind::Log.backup_type())
    };
    let full = plan.steps.first()?.set.header.backup_finish_date;
    let is_behind_full = |one: &&Backup| full < one.header().backup_finish_date;
    let backups = chosen.database.backups.iter().filter(is_log);
    let count = backups.filter(is_behind_full).count() as u64;
    let file = last
        .files
        .first()
        .map(|file| quoted(file))
        .unwrap_or_default();
    (count > 0).then(|| {
        format!(
            "not applied since the full backup: {}; the differential in {file} alone leads to the \
             newest state that can be reached",
            output::count(count, "log backup", "log backups")
        )
    })
}

/// How the program ends: whether the moment is not reached (32), or nothing is (23).
pub(crate) fn exit_of(plan: &Plan, is_moment_asked: bool) -> Exit {
    let is_too_old = |finding: &Finding| *finding.rule == rules::TARGET_TOO_OLD;
    match plan.verdict {
        // Something newer is there and cannot be used.
        Verdict::Covered | Verdict::Uncertain if plan.findings.iter().any(costs_something) => {
            Exit::INCOMPLETE
        }
        Verdict::Covered | Verdict::Uncertain => Exit::DONE,
        Verdict::Earlier if is_moment_asked => Exit::CONFLICT,
        Verdict::Earlier => Exit::DONE,
        Verdict::NotPossible
            if is_moment_asked
                && !plan.windows.is_empty()
                && !plan.findings.iter().any(is_too_old) =>
        {
            Exit::CONFLICT
        }
        Verdict::NotPossible => Exit::INCOMPLETE,
    }
}

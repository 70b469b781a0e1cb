//! `bakpak pack`.

#[cfg(unix)]
use std::fs::{File, Metadata};
use std::io::{self, IsTerminal};
use std::sync::Arc;

use anyhow::Context;
use bakpak_codec::error::{Missing, PackError};
use bakpak_codec::pack::{EnvelopeSettings, PackReport, PackSettings, pack, resume};
use bakpak_codec::secret::Credential;
use bakpak_codec::source::Source;
use bakpak_format::entry::{Entry, EntryPath};
use bakpak_format::envelope::{EnvelopeItem, item_kind};
use bakpak_tree::{FileId, FindingKind, PendingFile, Walk, Walked};
use globset::GlobSet;

use self::backups::Backups;
use self::clear_key::ClearKeySearch;
use self::cover::Cover;
use self::keys::keys;
use self::secrets::MasterKey;
use self::sources::{Sources, WalkedSource};
use crate::args::{KeyOptions, PackArguments};
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, Phase};
use crate::output::event::{Event, Packed};
use crate::output::{Output, count, hex, now, quoted, size, talk};
use crate::progress::Progress;
use crate::prompt;
use crate::restorability::Answer;
use crate::select;
use crate::shared_file::{SharedFile, kept_words};

pub(crate) use self::backups::may_be_a_backup;

mod backups;
mod clear_key;
mod cover;
mod keys;
mod resumption;
mod secrets;
mod sources;

/// What the command line means.
struct Plan {
    sources: Sources,
    exclude: GlobSet,
    search: ClearKeySearch,
    settings: PackSettings,
}

/// Packs.
///
/// # Errors
///
/// Anything; there is no output then.
pub(crate) fn run(arguments: &PackArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    let to_stdout = arguments.output.as_os_str() == "-";
    check_streams(arguments, to_stdout)?;
    let plan = Plan::typed(arguments, output)?;
    if to_stdout {
        let never = Vec::from_iter(standard_output());
        return packed(plan, None, never, arguments, output);
    }
    let pending = match arguments.resume {
        true => PendingFile::resume(&arguments.output, arguments.force)?,
        false => PendingFile::create(&arguments.output, arguments.force)?,
    };
    let never = [pending.identity().ok(), pending.replaces()];
    let never = never.into_iter().flatten().collect();
    let file = SharedFile::new(pending, output);
    let result = packed(plan, Some(&file), never, arguments, output);
    if let (Err(_), Some(kept)) = (&result, file.kept()) {
        talk(&kept_words(&kept));
    }
    result
}

/// Packs into a file, or to standard output.
fn packed(
    plan: Plan,
    file: Option<&SharedFile>,
    never: Vec<FileId>,
    arguments: &PackArguments,
    output: &Output,
) -> anyhow::Result<Exit> {
    let mut settings = plan.settings;
    let partial = match file.filter(|_| arguments.resume) {
        Some(file) => resumption::open(file, &settings, arguments, output)?,
        None => None,
    };
    let is_resumed = partial.is_some();
    let walk = Walk::new(plan.sources.roots());
    let walked = walk.exclude(plan.exclude).never(never).run()?;
    check_excludes(&arguments.exclude, &walked)?;
    check_not_empty(arguments, &plan.sources, &walked)?;
    let envelope = settings.envelope.as_ref();
    let sealed_count = envelope.map_or(0, |envelope| envelope.items.len());
    settings.missing = objections(&plan.sources, &walked, output);
    settings.expected_len = arguments.stdin_entry.is_none().then(|| walked.total_len());
    interrupt::check()?;
    let is_certificate = |item: &EnvelopeItem| item.kind == item_kind::CERTIFICATE;
    let has_certificate = settings
        .envelope
        .as_ref()
        .is_some_and(|envelope| envelope.items.iter().any(is_certificate));
    let allow_incomplete = arguments.allow_incomplete;
    let backups = Backups::look(&walked, has_certificate, allow_incomplete, output)?;
    let backups = Arc::new(backups);
    let judged = Arc::clone(&backups);
    settings.restorable = Some(Box::new(move || {
        judged.judge().answer != Answer::NotRestorable
    }));

    let search = Arc::new(plan.search);
    let sources = || {
        walked.sources().map(|file| {
            let source = WalkedSource::new(file, Arc::clone(&search), Arc::clone(&backups));
            Box::new(source) as Box<dyn Source>
        })
    };
    let progress = Progress::new(output, "packed", settings.expected_len);
    let packed = match (file, partial) {
        (None, _) => pack(sources(), settings, io::stdout(), &progress),
        (Some(file), None) => pack(sources(), settings, file.clone(), &progress),
        (Some(file), Some(partial)) => {
            let mut tap_of = |entry: &Entry| resumption::tap(entry, &backups, &search);
            let begun = file.handle()?.metadata()?.len();
            let cut = |len| {
                // Most likely they are not mounted: what is there already must not go for that.
                if len == 0 && walked.total_len() < begun / 16 {
                    return Err(io::Error::other(format!(
                        "nothing of the partial file is from these sources, and they hold next to \
                         nothing ({}); to start anew, remove it",
                        size(walked.total_len())
                    )));
                }
                backups.settle(len);
                file.cut(len).map(|()| file.clone())
            };
            resume(sources, settings, partial, &mut tap_of, cut, &progress)
        }
    };
    drop(progress);
    let report = told(packed, output)?;
    match file {
        Some(file) => file.persist()?,
        // All of it is written.
        None => interrupt::complete(),
    }
    for found in search.found() {
        output.warn(Some("BP106"), Some(&found.path), &found.text());
    }
    let restorable = backups.tell(allow_incomplete, output);
    summarise(&report, (sealed_count, is_resumed), arguments, output);
    Ok(output.exit(arguments.outcome.fail_on).worst(restorable))
}

impl Plan {
    /// Objects to all that can be objected to before anything is read but secrets.
    fn typed(arguments: &PackArguments, output: &Output) -> anyhow::Result<Self> {
        let started = now();
        let sources = Sources::typed(arguments)?;
        for pipe in sources.named_pipes() {
            output.say(format!(
                "{} is a named pipe: packing waits for what writes to it",
                quoted(pipe)
            ));
        }
        let exclude = select::glob_set(&arguments.exclude)?;
        let (items, search) = sealed(arguments)?;
        let (key, envelope_key) = keys(arguments, !items.is_empty(), output)?;
        let same = arguments.envelope_keys.envelope_same_passphrase;
        let cover = Cover {
            packed_at: started,
            holds: &what_it_holds(arguments),
            opened_by: match &key {
                Credential::Passphrase(_) => "its passphrase",
                Credential::KeyFile(_) => "its key file",
            },
            envelope_opened_by: envelope_key.as_ref().map(|key| match key {
                _ if same => "the same",
                Credential::Passphrase(_) => "the passphrase of its envelope",
                Credential::KeyFile(_) => "the key file of its envelope",
            }),
            contact: arguments.contact.as_deref(),
            redact: arguments.redact,
        };
        let mut settings = PackSettings::new(key);
        settings.cover_text = cover.text()?;
        settings.level = arguments.level;
        settings.threads = arguments.threads.map_or(settings.threads, usize::from);
        settings.block_size = arguments.block_size;
        settings.parity = arguments.parity.unwrap_or(settings.parity);
        settings.matching = arguments.matching.meant();
        settings.allow_incomplete = arguments.allow_incomplete;
        settings.started = started;
        settings.clock = now;
        settings.envelope = envelope_key.map(|key| EnvelopeSettings { key, items });
        Ok(Self {
            sources,
            exclude,
            search,
            settings,
        })
    }
}

/// Reads and checks what is to be sealed.
fn sealed(arguments: &PackArguments) -> anyhow::Result<(Vec<EnvelopeItem>, ClearKeySearch)> {
    let mut items = Vec::new();
    let mut search = ClearKeySearch::default();
    if let Some(path) = &arguments.master_key_file {
        let key = MasterKey::from_file(path)?;
        items.push(key.item());
        search = ClearKeySearch::for_key(&key.base64, &key.raw);
    }
    for typed in &arguments.secret {
        let item = secrets::secret(typed)?;
        if items
            .iter()
            .any(|other: &EnvelopeItem| other.name == item.name)
        {
            let name = item.name.escape_debug();
            return Err(Failure::usage(format!("two secrets are named '{name}'")).into());
        }
        items.push(item);
    }
    Ok((items, search))
}

/// Which file standard output is, if it is one: it must not be packed into itself.
#[cfg(unix)]
fn standard_output() -> Option<FileId> {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    Some(FileId {
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

/// Not known: Windows tells which file a handle is only to unsafe code.
#[cfg(windows)]
fn standard_output() -> Option<FileId> {
    None
}

/// Refuses what cannot go through standard input and output together.
fn check_streams(arguments: &PackArguments, to_stdout: bool) -> Result<(), Failure> {
    if to_stdout && arguments.outcome.json {
        return Err(Failure::usage(
            "with -o - standard output is the archive, so there is no room \
                                   for --json",
        ));
    }
    if to_stdout && arguments.resume {
        let text = "with -o - nothing is left that --resume could go on with";
        return Err(Failure::usage(text).hint("give a file to -o"));
    }
    if to_stdout && io::stdout().is_terminal() {
        return Err(
            Failure::usage("standard output is a terminal, where an archive is of no use")
                .hint("redirect it, as in `bakpak pack -o - ... | ssh host 'cat > a.bakpak'`"),
        );
    }
    let keys = [
        arguments.keys.clone(),
        arguments.envelope_keys.clone().into(),
    ];
    let key_uses = keys
        .iter()
        .map(|keys: &KeyOptions| usize::from(prompt::uses_stdin(keys)));
    if key_uses.sum::<usize>() + usize::from(arguments.stdin_entry.is_some()) > 1 {
        return Err(Failure::usage(
            "standard input can be only one thing: a passphrase or an entry",
        ));
    }
    Ok(())
}

fn what_it_holds(arguments: &PackArguments) -> Vec<&'static str> {
    [
        (!arguments.sql.is_empty(), "SQL Server backups"),
        (!arguments.home.is_empty(), "a home directory"),
        (
            !arguments.attach.is_empty() || arguments.stdin_entry.is_some(),
            "attachments",
        ),
        (arguments.master_key_file.is_some(), "a sealed master key"),
        (!arguments.secret.is_empty(), "sealed secrets"),
    ]
    .iter()
    .filter(|(is_there, _)| *is_there)
    .map(|(_, words)| *words)
    .collect()
}

/// Refuses patterns that excluded nothing: what they were meant for would be packed unnoticed.
fn check_excludes(typed: &[String], walked: &Walked) -> Result<(), Failure> {
    let idle = walked.idle_excludes().iter();
    select::matched_nothing(idle.filter_map(|&pattern| typed.get(pattern).map(String::as_str)))
}

/// Nothing is silently empty: no sources, or no backup where backups were named.
fn check_not_empty(
    arguments: &PackArguments,
    sources: &Sources,
    walked: &Walked,
) -> Result<(), Failure> {
    let missing = walked
        .findings()
        .iter()
        .any(|finding| finding.kind.is_missing());
    if missing || sources.is_empty() {
        return Ok(());
    }
    if walked.source_count() == 0 {
        return Err(Failure::usage("there is nothing to pack"));
    }
    // Backups come first, their directory before them.
    let is_backup = |path: &EntryPath| path.as_bytes().starts_with(b"sql/");
    let has_backup = walked
        .sources()
        .take(2)
        .any(|source| is_backup(source.path()));
    if !arguments.sql.is_empty() && !has_backup {
        let named: Vec<_> = arguments.sql.iter().map(|path| quoted(path)).collect();
        let text = format!(
            "there is no backup in what --sql names: {}",
            named.join(", ")
        );
        return Err(Failure::usage(text).hint("is it the directory to which SQL Server backs up?"));
    }
    Ok(())
}

/// Tells what the walk met and left out; returns what is missing because of it.
fn objections(sources: &Sources, walked: &Walked, output: &Output) -> Vec<Missing> {
    let mut missing = Vec::new();
    for finding in walked.findings() {
        match sources.missing(finding) {
            Some(one) => missing.push(one),
            None => {
                let why = match finding.kind {
                    FindingKind::Socket => "is a socket and is left out",
                    _ => "vanished before it could be read",
                };
                output.warn(None, None, &format!("{} {why}", quoted(&finding.disk)));
            }
        }
    }
    missing
}

/// The report; what could not be read is told, whether that is an error or not.
fn told(report: Result<PackReport, PackError>, output: &Output) -> anyhow::Result<PackReport> {
    let missing = match &report {
        Ok(report) => &report.missing,
        Err(PackError::Unreadable(missing) | PackError::NothingReadable(missing)) => missing,
        Err(_) => &Vec::new(),
    };
    for Missing { path, reason } in missing {
        output.warn(None, Some(path), &format!("cannot read '{path}': {reason}"));
        output.event(&Event::Missing {
            path: path.into(),
            reason: reason.clone(),
        });
    }
    report.context("cannot pack")
}

fn summarise(
    report: &PackReport,
    (sealed_count, is_resumed): (usize, bool),
    arguments: &PackArguments,
    output: &Output,
) {
    let to = match arguments.output.as_os_str() == "-" {
        true => "standard output".to_owned(),
        false => quoted(&arguments.output),
    };
    output.say(format!(
        "packed {}, {}{}, into {to}: {}{}",
        count(report.entries, "entry", "entries"),
        size(report.content_len),
        match sealed_count {
            0 => String::new(),
            items => format!(
                " and {}",
                count(items as u64, "sealed secret", "sealed secrets")
            ),
        },
        size(report.archive_len),
        match report.missing.len() {
            0 => String::new(),
            missing => format!(", INCOMPLETE: {missing} could not be read"),
        }
    ));
    if report.kept_len > 0 {
        let kept = size(report.kept_len);
        output.say(format!(
            "{kept} of it were kept from the run that was stopped"
        ));
    } else if is_resumed {
        output.say("nothing of what the stopped run has left could be kept");
    }
    output.event(&Event::Packed(Packed {
        output: arguments.output.to_string_lossy().into_owned(),
        archive_id: hex(&report.archive_id.0),
        root: hex(&report.root.0),
        archive_len: report.archive_len,
        kept_len: report.kept_len,
        stream_len: report.stream_len,
        content_len: report.content_len,
        copied_len: report.copied_bytes,
        zero_len: report.zero_bytes,
        entries: report.entries,
        chunks: report.chunks,
        missing: report.missing.len(),
        changed: report.changed,
        warnings: output.warning_count(),
    }));
}

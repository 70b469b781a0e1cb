//! An archive in words: without a key its head, with one also what it holds.

use std::path::Path;

use anyhow::Context;
use bakpak_codec::archive::{Archive, FactsOfEntry};
use bakpak_codec::error::ReadError;
use bakpak_codec::inspect::{HeadInfo, Totals, inspect};
use bakpak_format::entry::EntryPath;
use bakpak_format::envelope::item_kind;
use bakpak_format::error::Class;
use bakpak_format::geometry::ParityGeometry;
use bakpak_format::preamble::MAGIC;
use bakpak_format::record::KnownFacts;

use super::of_archive;
use crate::archive;
use crate::backups::{Depth, Peek};
use crate::exit::Failure;
use crate::key::told::{slot, slots_words};
use crate::output::event::{self, Contents, Event, Fact};
use crate::output::{self, Output, count, hex, size, time};
use crate::prompt::Keys;

/// Tells of an archive, and with a key of the backups in it.
///
/// # Errors
///
/// It is none, damaged, or cannot be read.
pub(super) fn tell(
    path: &Path,
    peek: &Peek,
    depth: Depth,
    keys: Option<&mut Keys>,
    output: &Output,
) -> anyhow::Result<()> {
    let context = || format!("cannot inspect {}", output::quoted(path));
    let head = inspect(&peek.file)
        .map_err(|error| no_backup_either(error, peek))
        .with_context(context)?;
    if depth == Depth::Everything {
        return Err(refuse_to_verify(path).into());
    }
    tell_head(path, &head, output);
    archive::tell_damage(&head, output);
    let Some(keys) = keys else { return Ok(()) };
    let mut archive = Archive::open(&peek.file, keys).with_context(context)?;
    tell_contents(path, archive.totals(), output);
    for found in archive.facts_of_entries(|kind| !of_archive::is_of_backup(kind)) {
        let fact = fact(path, &found.with_context(context)?);
        output.line(format!(
            "  {:<14} {}",
            fact.fact,
            output::escaped(&fact.message)
        ));
        output.event(&Event::Fact(fact));
    }
    of_archive::tell(path, &mut archive, output).with_context(context)
}

/// `--verify` is for backups: an archive is verified by its own verb.
fn refuse_to_verify(path: &Path) -> Failure {
    let name = output::quoted(path);
    Failure::usage(format!(
        "{name} is an archive: inspect --verify reads backups"
    ))
    .hint(format!(
        "`bakpak verify {} --level media` checks the archive and the backups in it",
        output::escaped(&path.to_string_lossy())
    ))
}

/// What is no archive is no backup either: those were told before.
fn no_backup_either(error: ReadError, peek: &Peek) -> ReadError {
    let common = peek.first.len().min(MAGIC.len());
    let is_foreign = peek.first[..common] != MAGIC[..common];
    match error {
        ReadError::Fault(mut finding) if peek.first.is_empty() => {
            finding
                .message
                .push_str(": neither an archive nor a SQL Server backup");
            ReadError::Fault(finding)
        }
        ReadError::Fault(mut finding) if is_foreign && finding.class == Class::Unsupported => {
            finding.message.push_str(", nor a SQL Server backup");
            ReadError::Fault(finding)
        }
        error => error,
    }
}

fn tell_head(path: &Path, head: &HeadInfo, output: &Output) {
    let id = hex(&head.archive_id.0);
    output.line(format!("{}", output::escaped(&path.to_string_lossy())));
    let line = |name: &str, text: String| output.line(format!("  {name:<14} {text}"));
    line("format", head.version.clone());
    line("archive id", id.clone());
    line("size", told_size(head));
    line(
        "parity",
        match head.parity {
            ParityGeometry::NONE => "none: damage cannot be mended".to_owned(),
            parity => format!("{} %, `bakpak repair` mends damage with it", parity.name()),
        },
    );
    line("opens with", slots_words(&head.slots));
    let envelope_slots = head.envelope_slots.as_deref().unwrap_or_default();
    match head.envelope_slots {
        Some(_) => line(
            "envelope",
            format!("opens with {}", slots_words(envelope_slots)),
        ),
        None => line("envelope", "none".to_owned()),
    }
    if head.generation > 1 {
        line("key slots", format!("written {} times", head.generation));
    }
    if head.signers > 0 {
        line(
            "signers",
            format!("{}; not checked by this version", head.signers),
        );
    }
    line(
        "copies",
        match head.copy_reach {
            0 => "none; reads from a pipe without a temporary file".to_owned(),
            u64::MAX => "from anywhere; reads from a pipe keep it in a temporary file".to_owned(),
            reach => format!("at most {} back", size(reach)),
        },
    );
    match head.root {
        Some(root) => line("root", hex(&root.0)),
        None => line(
            "root",
            "unknown: the end of the file is damaged or missing".to_owned(),
        ),
    }
    output.line("  cover text");
    for text in head.cover_text.lines() {
        output.line(format!("  | {}", output::escaped(text)));
    }
    output.event(&Event::Archive(event::Archive {
        archive: path.to_string_lossy().into_owned(),
        version: head.version.clone(),
        archive_id: id,
        cover_text: head.cover_text.clone(),
        block_size: head.block_size.bytes() as u64,
        block_count: head.block_count,
        parity: head.parity.name(),
        archive_len: head.archive_len,
        copy_reach: Some(head.copy_reach).filter(|reach| *reach != u64::MAX),
        envelope_len: head.envelope_len as u64,
        slots: head.slots.iter().map(slot).collect(),
        envelope_slots: envelope_slots.iter().map(slot).collect(),
        signers: head.signers,
        generation: head.generation,
        root: head.root.map(|root| hex(&root.0)),
    }));
}

fn tell_contents(path: &Path, totals: &Totals, output: &Output) {
    let line = |name: &str, text: String| output.line(format!("  {name:<14} {text}"));
    line(
        "packed",
        format!("{} to {}", time(totals.started), time(totals.finished)),
    );
    let entries = count(totals.row_count, "entry", "entries");
    line("holds", format!("{entries}, {}", size(totals.content_len)));
    line(
        "stored",
        format!("{} after copies, before compression", size(totals.data_len)),
    );
    if totals.incomplete {
        line(
            "INCOMPLETE",
            "some sources could not be read when it was packed".to_owned(),
        );
    }
    if totals.not_restorable {
        line(
            "NOT RESTORABLE",
            "what was packed was not enough for a restore".to_owned(),
        );
    }
    output.event(&Event::Contents(Contents {
        archive: path.to_string_lossy().into_owned(),
        entries: totals.row_count,
        content_len: totals.content_len,
        stream_len: totals.stream_len,
        data_len: totals.data_len,
        chunks: totals.chunk_count,
        incomplete: totals.incomplete,
        not_restorable: totals.not_restorable,
        started: time(totals.started),
        finished: time(totals.finished),
    }));
}

fn fact(archive: &Path, FactsOfEntry { facts, row }: &FactsOfEntry) -> Fact {
    let path = row.as_ref().map(|row| &row.path);
    let name = path.map(ToString::to_string).unwrap_or_default();
    let (fact, path, message) = match facts.known() {
        Ok(Some(KnownFacts::Changed(sizes))) => {
            let (recorded, observed) = (sizes.recorded_size, sizes.observed_size);
            let text = format!("'{name}' while it was read: {recorded} bytes, then {observed}");
            ("changed".to_owned(), path.cloned(), text)
        }
        Ok(Some(KnownFacts::EnvelopeItem(item))) => {
            let text = format!("'{}', {}", item.name, item_words(item.kind));
            ("envelope-item".to_owned(), None, text)
        }
        Ok(Some(KnownFacts::Missing(missing))) => {
            let path = EntryPath::new(missing.path.as_slice());
            let name = path.as_ref().map(ToString::to_string).unwrap_or_default();
            let reason = String::from_utf8_lossy(&missing.reason).into_owned();
            ("missing".to_owned(), path, format!("'{name}': {reason}"))
        }
        _ => (
            format!("kind-{}", facts.kind),
            path.cloned(),
            "not known to this version".to_owned(),
        ),
    };
    Fact {
        archive: archive.to_string_lossy().into_owned(),
        fact,
        path: path.as_ref().map(Into::into).unwrap_or_default(),
        message,
    }
}

fn told_size(head: &HeadInfo) -> String {
    let block = size(head.block_size.bytes() as u64);
    match (head.archive_len, head.block_count) {
        (Some(len), Some(blocks)) => {
            format!(
                "{} ({len} bytes), {} of {block}",
                size(len),
                count(blocks, "block", "blocks")
            )
        }
        _ => format!("unknown, blocks of {block}"),
    }
}

fn item_words(kind: u16) -> String {
    match kind {
        item_kind::MASTER_KEY => "the application's master key".to_owned(),
        item_kind::CERTIFICATE => "a certificate with its private key".to_owned(),
        item_kind::CERTIFICATE_PASSWORD => "the password of a certificate".to_owned(),
        item_kind::LICENCE => "a licence".to_owned(),
        item_kind::LOGIN => "a login".to_owned(),
        item_kind::FREE => "a secret".to_owned(),
        other => format!("an item of kind {other}"),
    }
}

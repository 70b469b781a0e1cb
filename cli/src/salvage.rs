//! `bakpak salvage`.

use std::path::Path;

use anyhow::Context;
use bakpak_codec::default_threads;
use bakpak_codec::error::{ErrorClass, ReadError};
use bakpak_codec::salvage::{OtherArchive, SalvageReport, salvage};
use bakpak_tree::{DAMAGED, SALVAGE_REPORT, Stage, StageOptions, TargetMode};

use self::sink::StageSink;
use self::told::Told;
use crate::archive;
use crate::args::SalvageArguments;
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, Phase};
use crate::output::event::{Event, OtherInFile, SalvageSummary};
use crate::output::{Output, count, hex, quoted, size};
use crate::progress::Progress;
use crate::prompt::Keys;
use crate::report::exit_of;
use crate::unpack::{SharedStage, check_target, tell_losses};
use crate::verify::listed;

mod medium;
mod sink;
mod told;

/// Takes out of a damaged archive what is left.
///
/// # Errors
///
/// Nothing opens the archive, or what is left of it cannot be written; the target is as it was then.
pub(crate) fn run(arguments: &SalvageArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    check_target(&arguments.to)?;
    let file = archive::open_file(&arguments.archive)?;
    let mut keys = Keys::of_data(&arguments.keys, output)?;
    // Its name shall tell the archive, but that is not known before the archive is.
    let stage = Stage::create(
        &arguments.to,
        TargetMode::New,
        StageOptions {
            allow_special: arguments.allow_special,
            ..StageOptions::default()
        },
        &[0; 16],
    )?;
    let stage = SharedStage::new(stage);
    let told = Told::new(&arguments.to, output).context("cannot write the report")?;
    let mut sink = StageSink::new(stage.clone(), arguments, told);
    let progress = Progress::new(
        output,
        "gone through",
        file.metadata().ok().map(|m| m.len()),
    );
    let report = salvage(&file, &mut keys, &mut sink, default_threads(), &progress)
        .map_err(|error| refused(arguments, error))?;
    drop(progress);
    let exit = match report.is_complete() {
        true => Exit::DONE,
        false => Exit::DAMAGED,
    };
    let not_made = sink.not_made();
    let summary = summary(arguments, &report, not_made, exit);
    let faults = report.faults.iter().map(listed);
    sink.finish(faults, summary)
        .context("cannot write the report")?;
    interrupt::enter(Phase::Committing)?;
    let mut stage = stage.take().ok_or_else(interrupt::failure)?;
    stage.asked(b"salvage", 0);
    let restored = stage.publish()?;
    tell_losses(&restored, output);
    tell(arguments, &report, not_made, output);
    Ok(output.exit(None).worst(exit))
}

/// Nothing opens it. What the hints of other verbs say is to do then, is being done.
fn refused(arguments: &SalvageArguments, error: ReadError) -> anyhow::Error {
    let what = format!("cannot salvage {}", quoted(&arguments.archive));
    match error.class() {
        ErrorClass::Damaged | ErrorClass::Truncated => {
            Failure::new(exit_of(error.class()), format!("{what}: {error}"))
                .hint("without a head and a table of key slots nothing of an archive opens")
                .hint("another copy of the file may be whole, or damaged elsewhere")
                .into()
        }
        _ => anyhow::Error::from(error).context(what),
    }
}

fn summary(
    arguments: &SalvageArguments,
    report: &SalvageReport,
    not_made: u64,
    exit: Exit,
) -> Event {
    let counts = report.counts;
    Event::Salvage(SalvageSummary {
        archive: arguments.archive.to_string_lossy().into_owned(),
        target: arguments.to.to_string_lossy().into_owned(),
        archive_id: hex(&report.archive_id.0),
        verdict: if report.is_complete() {
            "complete"
        } else {
            "partial"
        },
        exit: exit.0,
        whole: counts.whole,
        unconfirmed: counts.unconfirmed,
        damaged: counts.damaged,
        lost: counts.lost,
        unreadable: counts.unreadable,
        unnamed: report.unnamed,
        is_end_known: report.is_end_known,
        lost_len: report.lost_len,
        blocks: report.found_blocks,
        mended_blocks: report.mended_blocks,
        lost_blocks: report
            .lost_blocks
            .iter()
            .map(|range| [range.start, range.end])
            .collect(),
        findings: report.faults.len(),
        others: report.others.iter().map(other).collect(),
        not_made,
        envelope: report.has_envelope,
    })
}

/// Says what came out, and plainly if it is not all.
fn tell(arguments: &SalvageArguments, report: &SalvageReport, not_made: u64, output: &Output) {
    let (name, to) = (quoted(&arguments.archive), quoted(&arguments.to));
    let counts = report.counts;
    if report.mended_blocks > 0 {
        let blocks = count(report.mended_blocks, "block was", "blocks were");
        output.say(format!("{blocks} mended from parity"));
    }
    if report.was_incomplete {
        let text = "some sources could not be read when it was packed, and are not in the archive";
        output.warn(None, None, text);
    }
    tell_envelope(report, output);
    tell_others(arguments, report, output);
    for fault in &report.faults {
        output.error(&format!("a record is left out: {fault}"));
    }
    let whole = count(counts.whole, "entry", "entries");
    if report.is_complete() {
        let but = match not_made {
            0 => String::new(),
            _ => format!(
                ", but for {} not made",
                count(not_made, "device or named pipe", "devices or named pipes")
            ),
        };
        output.say(format!(
            "all of {name} is in {to}, and proved: {whole}{but}"
        ));
        return;
    }
    output.say(format!(
        "{to} holds what is left of {name}: {whole}, proved whole"
    ));
    if counts.unconfirmed > 0 {
        let entries = count(counts.unconfirmed, "more is", "more are");
        output.say(format!(
            "{entries} complete and authentic, but lost in the catalogue, whose hash would prove it"
        ));
    }
    let parts = [
        (counts.damaged, "damaged", where_damaged(arguments)),
        (counts.lost, "lost but for the name", String::new()),
        (
            report.unnamed.unwrap_or(0),
            "lost with the name",
            String::new(),
        ),
    ];
    for (number, what, place) in parts {
        if number > 0 {
            let entries = count(number, "entry is", "entries are");
            output.error(&format!("{entries} {what}{place}"));
        }
    }
    output.error(&format!("this is NOT all of {name}{}", lost(report)));
    let report = quoted(&arguments.to.join(Path::new(SALVAGE_REPORT)));
    output.hint(&[
        format!("{report} tells all that is missing, by entry and byte range"),
        "another copy of the archive may be whole, or damaged elsewhere".to_owned(),
    ]);
}

/// What is missing, as far as it is known, behind a colon.
fn lost(report: &SalvageReport) -> String {
    let ranges = report.lost_blocks.iter();
    let blocks: u64 = ranges.map(|range| range.end - range.start).sum();
    let records = report.faults.len() as u64;
    let mut told = Vec::new();
    if blocks > 0 {
        told.push(count(blocks, "block is lost", "blocks are lost"));
    }
    if records > 0 {
        told.push(count(records, "record is left out", "records are left out"));
    }
    if let (Some(last), 1..) = (told.last_mut(), report.lost_len) {
        let they = if blocks + records == 1 { "it" } else { "them" };
        *last += &format!(
            ", and with {they} {} of what was packed",
            size(report.lost_len)
        );
    }
    match (report.is_end_known, report.unnamed) {
        (false, _) => told.push("its end is missing, nobody knows how much".to_owned()),
        (true, None) => {
            let what = "the record that says how much was packed is lost";
            told.push(format!("{what}, so nobody knows what else is"));
        }
        (true, Some(_)) => {}
    }
    match told.is_empty() {
        true => String::new(),
        false => format!(": {}", told.join("; ")),
    }
}

fn where_damaged(arguments: &SalvageArguments) -> String {
    match arguments.drop_damaged {
        true => ", so left out".to_owned(),
        false => format!(
            " (below {}, with zeros for what is missing)",
            quoted(&arguments.to.join(DAMAGED))
        ),
    }
}

fn other(other: &OtherArchive) -> OtherInFile {
    OtherInFile {
        id_prefix: hex(&other.id),
        offset: other.offset,
        blocks: other.block_count,
    }
}

/// Says that something of other archives is in the file, of which nothing was taken.
fn tell_others(arguments: &SalvageArguments, report: &SalvageReport, output: &Output) {
    let name = quoted(&arguments.archive);
    for other in &report.others {
        let (id, offset) = (hex(&other.id), other.offset);
        let what = match other.block_count {
            0 => format!("the end of another archive stands in {name} too, before offset {offset}"),
            blocks => format!(
                "{} of another archive in {name} too, the first at offset {offset}",
                count(blocks, "block stands", "blocks stand")
            ),
        };
        let text = format!("{what} (its id begins with {id}); nothing of it is taken out");
        output.warn(None, None, &text);
        output.hint(&["to have it too, copy its part of the file, and salvage that".to_owned()]);
    }
}

fn tell_envelope(report: &SalvageReport, output: &Output) {
    if report.has_envelope == Some(false) {
        let text = "the master-key envelope is lost: no copy of it is whole";
        output.error(text);
    }
}

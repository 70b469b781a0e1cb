//! `bakpak repair`.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::Context;
use bakpak_codec::default_threads;
use bakpak_codec::error::ReadError;
use bakpak_codec::input::Input;
use bakpak_codec::repair::{RepairReport, repair, repair_in_place};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::slots::Domain;
use bakpak_tree::PendingFile;

use crate::archive;
use crate::args::RepairArguments;
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, Phase};
use crate::output::event::{Event, Repaired};
use crate::output::{Output, count, quoted, size};
use crate::progress::Progress;
use crate::prompt::{Keys, Surroundings};
use crate::report::exit_of;
use crate::shared_file::SharedFile;
use crate::verify::listed;

/// As many mended parts are named; JSON names all.
const MAX_NAMED: usize = 20;

/// Mends an archive.
///
/// # Errors
///
/// It cannot be read or written, or what came out is not whole.
pub(crate) fn run(arguments: &RepairArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    let surroundings = Surroundings::of_process();
    let mut keys = Keys::gather_silently(&arguments.keys, Domain::Data, &surroundings, output)?;
    let report = match &arguments.output {
        Some(to) => repair_to(arguments, to, &mut keys, output)?,
        None => repair_itself(arguments, &mut keys, output)?,
    };
    Ok(tell(arguments, &report, output))
}

/// Writes another file, and lets it appear when it is verified.
fn repair_to(
    arguments: &RepairArguments,
    to: &Path,
    keys: &mut Option<Keys>,
    output: &Output,
) -> anyhow::Result<RepairReport> {
    let file = archive::open_file(&arguments.archive)?;
    let mended = SharedFile::new(PendingFile::create(to, arguments.force)?, output);
    let target = mended.handle()?;
    let report = watched(arguments, &file, output, |progress| {
        repair(&file, &target, default_threads(), progress)
    })?;
    if report.is_complete() {
        prove(target, keys, output)?;
        mended.persist()?;
    }
    Ok(report)
}

fn repair_itself(
    arguments: &RepairArguments,
    keys: &mut Option<Keys>,
    output: &Output,
) -> anyhow::Result<RepairReport> {
    archive::open_file(&arguments.archive)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&arguments.archive)
        .with_context(|| format!("cannot write to {}", quoted(&arguments.archive)))?;
    let report = watched(arguments, &file, output, |progress| {
        repair_in_place(&file, default_threads(), progress)
    })?;
    if report.is_complete() && report.is_foreign {
        let text = format!(
            "{} has a feature that this version does not know, so it must not change it",
            quoted(&arguments.archive)
        );
        return Err(Failure::new(Exit::UNSUPPORTED, text)
            .hint("`bakpak repair ARCHIVE -o MENDED` writes another file")
            .into());
    }
    if report.is_complete() && report.is_moved {
        let text = format!(
            "bytes are missing in {}, or were added, so that it cannot be mended in place",
            quoted(&arguments.archive)
        );
        return Err(Failure::new(Exit::REPAIRABLE, text)
            .hint("`bakpak repair ARCHIVE -o MENDED` writes another file")
            .into());
    }
    if report.is_complete() {
        prove(file, keys, output)?;
    }
    Ok(report)
}

fn watched(
    arguments: &RepairArguments,
    file: &File,
    output: &Output,
    run: impl FnOnce(&Progress<'_>) -> Result<RepairReport, ReadError>,
) -> anyhow::Result<RepairReport> {
    let len = file.metadata().ok().map(|metadata| metadata.len());
    let progress = Progress::new(output, "looked through", len);
    run(&progress).with_context(|| format!("cannot repair {}", quoted(&arguments.archive)))
}

/// Verifies what came out: all checksums, and with a key all tags.
fn prove(file: File, keys: &mut Option<Keys>, output: &Output) -> anyhow::Result<()> {
    let len = file.metadata()?.len();
    let progress = Progress::new(output, "verified", Some(len));
    let (input, threads) = (Input::File(file), default_threads());
    let report = match keys {
        None => verify_keyless(input, threads, &progress),
        Some(keys) => verify(input, keys, VerifyLevel::Blocks, threads, &progress),
    };
    drop(progress);
    let report = report.context("cannot verify the mended archive")?;
    if let Some(error) = report.without_key {
        return Err(anyhow::Error::from(error).context("cannot verify the mended archive"));
    }
    let Some(finding) = report.findings.into_iter().next() else {
        return Ok(());
    };
    let text = format!("what came out is not whole: {finding}");
    Err(Failure::new(exit_of(finding.class()), text)
        .hint("the archive was changed on purpose, or by another program than bakpak")
        .into())
}

fn tell(arguments: &RepairArguments, report: &RepairReport, output: &Output) -> Exit {
    for (number, finding) in report.mended.iter().enumerate() {
        if number < MAX_NAMED {
            output.say(format!("mended: {finding}"));
        }
        output.event(&Event::Mended(listed(finding)));
    }
    if report.mended.len() > MAX_NAMED {
        output.say(format!("and {} more", report.mended.len() - MAX_NAMED));
    }
    for finding in &report.lost {
        output.error(&finding.to_string());
        output.event(&Event::Finding(listed(finding)));
    }
    let (verdict, exit) = match (report.is_complete(), report.was_whole()) {
        (false, _) => ("lost", Exit::DAMAGED),
        (true, false) => ("mended", Exit::DONE),
        (true, true) => ("whole", Exit::DONE),
    };
    let name = quoted(&arguments.archive);
    let written = arguments.output.as_deref().map(quoted);
    let blocks = count(report.block_count, "block", "blocks");
    let len = size(report.archive_len);
    match (verdict, &written) {
        ("lost", _) => {
            let lost = count(report.lost.len() as u64, "part", "parts");
            output.error(&format!(
                "{name} cannot be mended: {lost} of it are lost; nothing was written"
            ));
            output.hint(&[
                "another copy of the file may be whole, or damaged elsewhere".to_owned(),
                "`bakpak salvage ARCHIVE --to DIR` takes out what is left".to_owned(),
            ]);
        }
        ("whole", None) => output.say(format!("{name} is whole ({blocks}, {len})")),
        ("whole", Some(to)) => {
            output.say(format!(
                "{name} is whole ({blocks}, {len}); {to} is its copy"
            ));
        }
        (_, None) => output.say(format!("{name} is mended, and verified ({blocks}, {len})")),
        (_, Some(to)) => {
            output.say(format!(
                "{to} is {name} mended, and verified ({blocks}, {len})"
            ));
        }
    }
    output.event(&Event::Repaired(Repaired {
        archive: arguments.archive.to_string_lossy().into_owned(),
        output: arguments
            .output
            .as_ref()
            .filter(|_| report.is_complete())
            .map(|path| path.to_string_lossy().into_owned()),
        verdict,
        exit: exit.0,
        archive_len: report.archive_len,
        file_len: report.file_len,
        blocks: report.block_count,
        moved: report.is_moved,
        mended: report.mended.len(),
        lost: report.lost.len(),
    }));
    exit
}

//! `bakpak inspect`: what a file is, an archive or a backup, and what it tells of itself.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Context;
use bakpak_format::slots::Domain;
use recovery::foreign::{self, ForeignKind};

use self::reading::Reading;
use self::stripes::MediaSets;
use crate::args::InspectArguments;
use crate::backups::{self, Depth, Peek};
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::{Output, quoted};
use crate::prompt::{Keys, Surroundings};
use crate::report::report;

mod archive;
mod backup;
mod checks;
mod of_archive;
mod other;
mod reading;
mod set;
mod stripes;
mod text;
mod verdict;

/// Inspects one file after another; one that cannot be read does not hide the others.
///
/// # Errors
///
/// A key cannot be read.
pub(crate) fn run(arguments: &InspectArguments, output: &Output) -> anyhow::Result<Exit> {
    let surroundings = Surroundings::of_process();
    let keys = Keys::gather_silently(&arguments.keys, Domain::Data, &surroundings, output)?;
    let depth = match arguments.verify {
        true => Depth::Everything,
        false => Depth::Headers,
    };
    let mut inspection = Inspection {
        depth,
        keys,
        media_sets: MediaSets::default(),
        output,
    };
    let mut exit = Exit::DONE;
    for (index, path) in arguments.files.iter().enumerate() {
        if index > 0 {
            output.line("");
        }
        exit = exit.worst(match inspection.file(path) {
            Ok(exit) => exit,
            Err(error) => report(&error, output),
        });
        // What was asked to stop does not go on with the next one.
        if interrupt::came() {
            return Ok(interrupt::exit());
        }
    }
    exit = exit.worst(inspection.media_sets.tell(None, output));
    Ok(exit.worst(output.exit(arguments.outcome.fail_on)))
}

/// What all files of one run share.
struct Inspection<'a> {
    depth: Depth,
    keys: Option<Keys>,
    media_sets: MediaSets,
    output: &'a Output,
}

impl Inspection<'_> {
    fn file(&mut self, path: &Path) -> anyhow::Result<Exit> {
        // Refuses what is no file that can be named here: standard input.
        if crate::archive::is_stdin(path) || !path.exists() {
            crate::archive::open_file(path)?;
        }
        if path.is_dir() {
            let text = format!("{} is a directory", quoted(path));
            return Err(Failure::new(Exit::NO_ARCHIVE, text)
                .hint("name the files in it, as in `bakpak inspect DIRECTORY/*`")
                .into());
        }
        let peek = backups::peek(path)?;
        if peek.kind.is_sql_server() {
            return self.backup(path, &peek);
        }
        let name = path.file_name().map(OsStr::to_string_lossy);
        match foreign::recognise(&peek.first, &name.unwrap_or_default()) {
            Some(kind) => self.other(path, &peek, kind),
            None => self.archive(path, &peek),
        }
    }

    fn backup(&mut self, path: &Path, peek: &Peek) -> anyhow::Result<Exit> {
        let mut reading = Reading::start(&peek.file, self.depth, self.output)?;
        let report = backups::read(path, &mut reading, self.depth);
        reading.finish()?;
        let report = report?;
        let told = backup::Told {
            file: &path.to_string_lossy(),
            archive: None,
            len: Some(report.len),
            is_verified: self.depth == Depth::Everything,
            report: &report,
        };
        let exit = told.tell(self.output);
        self.media_sets
            .add(&path.to_string_lossy(), told.is_verified, report);
        Ok(exit)
    }

    fn other(&mut self, path: &Path, peek: &Peek, kind: ForeignKind) -> anyhow::Result<Exit> {
        let context = || format!("cannot read {}", quoted(path));
        let kind = foreign::look_into(kind, &peek.file).with_context(context)?;
        if matches!(kind, ForeignKind::Zip | ForeignKind::Tar) {
            let text = format!(
                "{} is a {}, neither a bakpak archive nor a backup that is known here",
                quoted(path),
                peek.kind
            );
            return Err(Failure::new(Exit::UNSUPPORTED, text).into());
        }
        let mut reading = Reading::start(&peek.file, self.depth, self.output)?;
        let file = path.to_string_lossy().into_owned();
        let len = peek.file.metadata().with_context(context)?.len();
        let told = other::read(file, len, &mut reading, &kind, self.depth);
        reading.finish()?;
        Ok(told.with_context(context)?.tell(self.output))
    }

    fn archive(&mut self, path: &Path, peek: &Peek) -> anyhow::Result<Exit> {
        archive::tell(path, peek, self.depth, self.keys.as_mut(), self.output)?;
        Ok(Exit::DONE)
    }
}

//! `bakpak unpack`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use bakpak_codec::default_threads;
use bakpak_codec::input::Input;
use bakpak_codec::sink::SinkError;
use bakpak_codec::unpack::{UnpackReport, unpack};
use bakpak_tree::{
    Finished, LossKind, Report, Stage, StageError, StageOptions, TargetMode, completed_before,
};

use self::preview::Preview;
use self::sink::StageSink;
use crate::absent;
use crate::archive;
use crate::args::UnpackArguments;
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, Phase, Removal};
use crate::output::event::{Event, Unpacked};
use crate::output::{Output, count, quoted, size};
use crate::progress::Progress;
use crate::prompt::Keys;
use crate::select::Selection;

mod preview;
mod sink;

/// Unpacks.
///
/// # Errors
///
/// Anything; the target is as it was then.
pub(crate) fn run(arguments: &UnpackArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    check_target(&arguments.to)?;
    let mut selection = Selection::new(&arguments.only)?;
    let mut keys = Keys::of_data(&arguments.keys, output)?;
    let (input, len) = archive::open_input(&arguments.archive, &arguments.keys)?;
    if let Input::File(file) = &input {
        archive::refuse_empty(&arguments.archive, file)?;
    }
    let context = || format!("cannot unpack {}", archive::name(&arguments.archive));
    // Where the catalogue can be read first, all that can be objected to is, before anything is
    // written.
    let mut archive = match &input {
        Input::File(file) => archive::open_catalogue(file, &mut keys).with_context(context)?,
        Input::Stream { .. } => None,
    };
    let preview = match &mut archive {
        Some(archive) => Some(Preview::of(archive, &mut selection).with_context(context)?),
        None => None,
    };
    if let Some(preview) = &preview {
        selection.all_matched()?;
        if let Some(finished) = finished_before(arguments, preview)? {
            tell_finished(arguments, &finished, output);
            return Ok(output.exit(arguments.outcome.fail_on));
        }
    }
    let stage = make_stage(arguments, preview.as_ref())?;
    if let Some(preview) = &preview {
        preview.check_room(&arguments.to, &stage)?;
    }
    if let Some(mut archive) = archive {
        preview::check_names(&mut archive, &mut selection, &stage)?;
    }

    interrupt::check()?;
    let stage = SharedStage::new(stage);
    let words = words(arguments, preview.as_ref());
    let progress = Progress::new(output, "unpacked", len);
    let mut sink = StageSink::new(stage.clone(), selection, preview);
    let unpacked = unpack(input, &mut keys, &mut sink, default_threads(), &progress);
    let unpacked = unpacked.with_context(context)?;
    drop(progress);
    sink.selection().all_matched()?;
    interrupt::enter(Phase::Committing)?;
    let mut stage = stage.take().ok_or_else(interrupt::failure)?;
    stage.asked(&words, unpacked.missing.len() as u64);
    let restored = stage.publish()?;
    tell(arguments, &unpacked, &restored, output);
    Ok(output.exit(arguments.outcome.fail_on))
}

/// Refuses a target that can never be one, before anybody is asked for a passphrase.
pub(crate) fn check_target(target: &Path) -> Result<(), Failure> {
    match target.metadata() {
        Ok(there) if !there.is_dir() => Err(Failure::new(
            Exit::WOULD_OVERWRITE,
            format!("{} is already there and is not a directory", quoted(target)),
        )
        .hint("--to names the directory to make")),
        _ => Ok(()),
    }
}

fn make_stage(arguments: &UnpackArguments, preview: Option<&Preview>) -> anyhow::Result<Stage> {
    let mode = match (arguments.replace, arguments.merge) {
        (true, _) => TargetMode::Replace,
        (_, true) => TargetMode::Merge,
        _ => TargetMode::New,
    };
    let options = StageOptions {
        allow_special: arguments.allow_special,
        ..StageOptions::default()
    };
    // It only makes the stage's name; what comes from a pipe is not known yet.
    let archive_id = preview.map_or([0; 16], |preview| preview.archive_id.0);
    Ok(Stage::create(&arguments.to, mode, options, &archive_id)?)
}

/// What makes two runs the same. What comes from a pipe is never the same: of which archive it is
/// is not known beforehand.
fn words(arguments: &UnpackArguments, preview: Option<&Preview>) -> Vec<u8> {
    let mut words = preview.map_or(Vec::new(), |preview| preview.archive_id.0.to_vec());
    words.push(u8::from(arguments.allow_special));
    for pattern in &arguments.only {
        words.extend(pattern.bytes());
        words.push(0);
    }
    words
}

/// What a killed run had done that was asked for the same: all of it, only nobody was told.
fn finished_before(
    arguments: &UnpackArguments,
    preview: &Preview,
) -> anyhow::Result<Option<Finished>> {
    if arguments.replace || arguments.merge {
        return Ok(None);
    }
    Ok(completed_before(
        &arguments.to,
        &words(arguments, Some(preview)),
    )?)
}

fn tell_finished(arguments: &UnpackArguments, finished: &Finished, output: &Output) {
    output.say(format!(
        "{} was complete: a run that was killed had unpacked all of it, and was asked for the same",
        quoted(&arguments.to)
    ));
    if finished.missing > 0 {
        let missing = count(finished.missing, "source is", "sources are");
        let text = format!("{missing} not in the archive; `bakpak list` names them");
        output.warn(None, None, &text);
    }
    summarise(arguments, &finished.report, finished.missing, output);
}

/// Tells what the target could not hold, and what earlier runs left.
pub(crate) fn tell_losses(restored: &Report, output: &Output) {
    for loss in &restored.losses {
        let example = &loss.example;
        let why = loss
            .error
            .as_ref()
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        let entries = count(loss.count, "entry", "entries");
        let text = format!("{}: {entries}, the first is '{example}'{why}", loss.kind);
        output.warn(None, Some(example), &text);
        output.hint(&hint(loss.kind));
    }
    tell_stages(restored, output);
}

fn tell(arguments: &UnpackArguments, unpacked: &UnpackReport, restored: &Report, output: &Output) {
    absent::tell(unpacked, output);
    tell_losses(restored, output);
    if restored.kept > 0 {
        output.say(format!(
            "{}, {}, of a run that was killed: compared with the archive, not written again",
            count(restored.kept, "file was there", "files were there"),
            size(restored.kept_len)
        ));
    }
    if let Some(replaced) = &restored.replaced {
        let things = count(restored.replaced_count, "thing was", "things were");
        output.say(format!(
            "{things} in the way and moved to {}",
            quoted(replaced)
        ));
    }
    summarise(arguments, restored, unpacked.missing.len() as u64, output);
}

/// Tells what killed runs left and is left still.
fn tell_stages(restored: &Report, output: &Output) {
    for leftover in &restored.leftovers {
        let leftover = quoted(leftover);
        let text = format!("{leftover} is left from a run that was killed; it can be removed");
        output.warn(None, None, &text);
    }
    for unpublished in &restored.unpublished {
        let unpublished = quoted(unpublished);
        let text = format!(
            "{unpublished} is left from a run that was killed before anything was published; it \
             holds only what that run had unpacked, and can be removed"
        );
        output.warn(None, None, &text);
    }
    for other in &restored.others {
        let other = quoted(other);
        let text = format!(
            "{other} is a stage of another run and may hold what is nowhere else; look into it \
             before you remove it"
        );
        output.warn(None, None, &text);
    }
}

fn summarise(arguments: &UnpackArguments, restored: &Report, missing: u64, output: &Output) {
    output.say(format!(
        "unpacked {}, {}, to {}",
        count(restored.files + restored.hard_links, "file", "files"),
        size(restored.len),
        quoted(&arguments.to)
    ));
    output.event(&Event::Unpacked(Unpacked {
        archive: arguments.archive.to_string_lossy().into_owned(),
        target: arguments.to.to_string_lossy().into_owned(),
        files: restored.files,
        directories: restored.directories,
        symlinks: restored.symlinks,
        hard_links: restored.hard_links,
        specials: restored.specials,
        content_len: restored.len,
        replaced: restored
            .replaced
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned()),
        not_restored: restored.losses.iter().map(|loss| loss.count).sum(),
        kept: restored.kept,
        missing,
        warnings: output.warning_count(),
    }));
}

/// What would have restored it.
fn hint(kind: LossKind) -> Vec<String> {
    let hint = match kind {
        LossKind::Special | LossKind::Privilege => "--allow-special restores these",
        LossKind::Owner => "only root can give files to others",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

/// The stage, which a second Ctrl-C must be able to remove.
#[derive(Clone)]
pub(crate) struct SharedStage(Arc<Mutex<Option<Stage>>>);

impl SharedStage {
    pub(crate) fn new(stage: Stage) -> Self {
        let stage = Self(Arc::new(Mutex::new(Some(stage))));
        // Only a weak reference: when the run ends in any other way, it is this one that removes.
        let removed = Arc::downgrade(&stage.0);
        interrupt::at_sudden_end(move || {
            drop(removed.upgrade().and_then(|stage| Self(stage).take()));
            Removal::Done
        });
        stage
    }

    /// Takes the stage out, unless it is just being written to or gone.
    pub(crate) fn take(&self) -> Option<Stage> {
        self.0.try_lock().ok().and_then(|mut stage| stage.take())
    }

    /// Does something with the stage.
    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&mut Stage) -> Result<T, StageError>,
    ) -> Result<T, SinkError> {
        let mut stage = self.0.lock().map_err(|_| interrupt::failure())?;
        let stage = stage.as_mut().ok_or_else(interrupt::failure)?;
        Ok(act(stage)?)
    }
}

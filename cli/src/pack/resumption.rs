//! Going on with a pack that was stopped: what it has left, and whether this command is the same.

use std::sync::Arc;

use anyhow::Context;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::resume::Partial;
use bakpak_codec::tap::Tap;
use bakpak_format::entry::{Entry, EntryKind, EntryPath, Timestamp};
use bakpak_format::envelope::EnvelopeItem;
use bakpak_format::record::EntryFacts;

use super::backups::Backups;
use super::clear_key::{ClearKeySearch, Watch};
use crate::args::PackArguments;
use crate::exit::Failure;
use crate::output::{Output, quoted, size, time};
use crate::progress::Talk;
use crate::shared_file::SharedFile;

const START_ANEW: &str = "to start anew instead, remove the partial file, or leave --resume out";

/// Opens what was left, if there is enough of it to go on with, and refuses what contradicts it.
///
/// # Errors
///
/// It is of another key, or of other options.
pub(super) fn open(
    file: &SharedFile,
    settings: &PackSettings,
    arguments: &PackArguments,
    output: &Output,
) -> anyhow::Result<Option<Partial>> {
    let Some(left) = file.found() else {
        output.say("there is no file to go on with: packing starts anew");
        return Ok(None);
    };
    let left = quoted(&left);
    let handle = file.handle()?;
    let mut keys = vec![settings.key.clone()];
    let opened = Partial::open(handle.try_clone()?, &mut keys);
    let Some(partial) = opened.with_context(|| format!("cannot go on with {left}"))? else {
        output.say(format!(
            "too little is in {left} to go on with: packing starts anew"
        ));
        file.cut(0)?;
        return Ok(None);
    };
    compare_options(&partial, arguments)?;
    match (partial.has_envelope(), &settings.envelope) {
        (false, None) => {}
        (true, Some(envelope)) => {
            let mut keys = vec![envelope.key.clone()];
            let sealed = open_envelope(&handle, &mut keys, &Talk(output))
                .with_context(|| format!("cannot go on with {left}"))?;
            if !same_items(&sealed, &envelope.items) {
                return Err(other("other secrets are sealed in it than are given now"));
            }
        }
        (true, None) => return Err(other("secrets are sealed in it, and none is given now")),
        (false, Some(_)) => return Err(other("nothing is sealed in it, and secrets are given")),
    }
    let metadata = handle.metadata()?;
    let len = size(metadata.len());
    // What lies there since long ago may not be what is meant.
    let written = metadata.modified()?.into();
    let written = time(Timestamp {
        nanos: 0,
        ..written
    });
    output.say(format!(
        "going on with {left}, {len}, last written {written}: what is in it is checked first"
    ));
    Ok(Some(partial))
}

/// Refuses options that ask for another archive than was begun. What is not typed is not compared.
fn compare_options(partial: &Partial, arguments: &PackArguments) -> anyhow::Result<()> {
    if let Some(typed) = arguments.parity
        && typed != partial.parity()
    {
        let (there, typed) = (partial.parity().name(), typed.name());
        return Err(other(&format!(
            "its parity is {there}, and --parity asks for {typed}"
        )));
    }
    if let Some(typed) = arguments.block_size
        && typed != partial.block_size()
    {
        let (there, typed) = (partial.block_size().bytes(), typed.bytes());
        let text = format!("its blocks have {there} bytes, and --block-size asks for {typed}");
        return Err(other(&text));
    }
    let matching = &arguments.matching;
    let typed = match matching.no_match {
        true => Some(0),
        false => matching.copy_reach,
    };
    if typed.is_some_and(|typed| typed != partial.copy_reach()) {
        return Err(other("its --copy-reach is another one"));
    }
    let cover = partial.cover_text();
    if let Some(contact) = &arguments.contact
        && !cover.contains(&format!("Contact: {contact}\n"))
    {
        return Err(other("its cover text has another --contact"));
    }
    if arguments.redact && cover.contains("Packed: ") {
        return Err(other("its cover text tells what --redact would leave out"));
    }
    Ok(())
}

fn same_items(sealed: &[EnvelopeItem], given: &[EnvelopeItem]) -> bool {
    sealed.len() == given.len() && given.iter().all(|item| sealed.contains(item))
}

fn other(why: &str) -> anyhow::Error {
    let text = format!("the partial file is that of another command: {why}");
    Failure::usage(text)
        .hint(
            "--resume goes on with the options of the first run; those may be left out that keys \
               and secrets do not need",
        )
        .hint(START_ANEW)
        .into()
}

/// Who wants to see an entry that is in the partial file already.
pub(super) fn tap(
    entry: &Entry,
    backups: &Arc<Backups>,
    search: &Arc<ClearKeySearch>,
) -> Option<Box<dyn Tap>> {
    let EntryKind::File { size, .. } = entry.kind else {
        return None;
    };
    let inner = backups.tap_kept(&entry.path);
    // Notes a name, too.
    let watch = search.watch(&entry.path, Some(size));
    if !search.looks() {
        return inner;
    }
    Some(Box::new(SearchingTap {
        inner,
        search: Arc::clone(search),
        watch,
        path: entry.path.clone(),
        offset: 0,
    }))
}

/// Looks for the master key in what passes, as is done where a file is read.
struct SearchingTap {
    inner: Option<Box<dyn Tap>>,
    search: Arc<ClearKeySearch>,
    watch: Watch,
    path: EntryPath,
    offset: u64,
}

impl Tap for SearchingTap {
    fn bytes(&mut self, bytes: &[u8]) {
        self.search
            .look(&mut self.watch, &self.path, self.offset, bytes);
        self.offset += bytes.len() as u64;
        if let Some(inner) = &mut self.inner {
            inner.bytes(bytes);
        }
    }

    fn zeros(&mut self, len: u64) {
        self.offset += len;
        if let Some(inner) = &mut self.inner {
            inner.zeros(len);
        }
    }

    fn finish(self: Box<Self>) -> Vec<EntryFacts> {
        self.inner.map_or_else(Vec::new, Tap::finish)
    }
}

//! `bakpak key list|add|remove|rotate`.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::Context;
use bakpak_codec::error::ReadError;
use bakpak_codec::inspect::{HeadInfo, SlotId, SlotInfo, inspect};
use bakpak_codec::secret::Credential;
use bakpak_codec::slot_change::{
    SlotChange, SlotChangeError, SlotChangeSettings, SlotsChanged, change_slots, opened_slots,
};
use bakpak_format::error::Class;
use bakpak_format::slots::Domain;

use super::told::{slot, slot_words, slots_words};
use crate::archive::{self, open_file};
use crate::args::{
    KeyAddArguments, KeyListArguments, KeyOptions, KeyRemoveArguments, KeyRotateArguments,
    OpeningOptions,
};
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, Phase};
use crate::output::event::{self, Event};
use crate::output::{Output, count, quoted};
use crate::prompt::{self, Keys, Surroundings};

/// Shows what opens an archive.
///
/// # Errors
///
/// It cannot be read, or a key that is given cannot.
pub(crate) fn list(arguments: &KeyListArguments, output: &Output) -> anyhow::Result<Exit> {
    interrupt::enter(Phase::Asked)?;
    let path = &arguments.archive;
    let file = open_file(path)?;
    let context = || format!("cannot list the key slots of {}", quoted(path));
    let head = inspect(&file).with_context(context)?;
    archive::tell_damage(&head, output);
    for (domain, slots, generation) in domains(&head) {
        let options = arguments.opening.of(domain);
        let surroundings = Surroundings::of_process();
        let keys = prompt::offered(&options, domain, &surroundings, output)?;
        let opened = opened_slots(&file, domain, &keys).with_context(context)?;
        output.line(format_args!("{}{}:", thing(domain), changes(generation)));
        for slot in slots {
            let mark = match opened.contains(&slot.id) {
                true => "; opens with a key that you gave",
                false => "",
            };
            output.line(format_args!("  {}  {}{mark}", slot.id, slot_words(slot)));
        }
        let opened = Some(ids(&opened)).filter(|_| !keys.is_empty());
        output.event(&Event::KeySlots(event::KeySlots {
            opened,
            ..listed(path, domain, slots, generation)
        }));
    }
    Ok(Exit::DONE)
}

/// Lets another key open an archive.
///
/// # Errors
///
/// The archive cannot be opened or changed, or the key be used.
pub(crate) fn add(arguments: &KeyAddArguments, output: &Output) -> anyhow::Result<Exit> {
    let domain = domain_of(arguments.envelope);
    let job = Job::begin(&arguments.archive, domain, &arguments.opening, output)?;
    let mut new = new_keys(arguments.new.clone().into(), domain)?;
    let key = new.pop().filter(|_| new.is_empty()).ok_or_else(|| {
        let text = format!("{} new keys are given", new.len() + 1);
        Failure::usage(text).hint("each comes by a command of its own")
    })?;
    job.change(SlotChange::Add(key), arguments.allow_both)
}

/// Lets keys open an archive no more.
///
/// # Errors
///
/// The archive cannot be opened or changed, or has no such slots.
pub(crate) fn remove(arguments: &KeyRemoveArguments, output: &Output) -> anyhow::Result<Exit> {
    let path = &arguments.archive;
    let context = || format!("cannot list the key slots of {}", quoted(path));
    let head = inspect(&open_file(path)?).with_context(context)?;
    let is_there = |id: &SlotId| head.slots.iter().any(|slot| slot.id == *id);
    // What is in neither is looked for in the data, and not found there.
    let of_envelope = head.envelope_slots.as_deref().unwrap_or_default();
    let envelope = of_envelope
        .iter()
        .any(|slot| arguments.slots.contains(&slot.id));
    if envelope && arguments.slots.iter().any(is_there) {
        let text = "some of these slots are the data's, and others the envelope's";
        return Err(Failure::usage(text)
            .hint("remove them one after the other")
            .into());
    }
    let job = Job::begin(path, domain_of(envelope), &arguments.opening, output)?;
    job.change(SlotChange::Remove(arguments.slots.clone()), false)
}

/// Lets new keys open an archive, and no others.
///
/// # Errors
///
/// The archive cannot be opened or changed, or the keys be used.
pub(crate) fn rotate(arguments: &KeyRotateArguments, output: &Output) -> anyhow::Result<Exit> {
    let domain = domain_of(arguments.envelope);
    let job = Job::begin(&arguments.archive, domain, &arguments.opening, output)?;
    let new = new_keys(arguments.new.clone().into(), domain)?;
    job.change(SlotChange::Replace(new), arguments.allow_both)
}

/// An archive whose slots are to be changed.
struct Job<'a> {
    path: &'a Path,
    file: File,
    domain: Domain,
    keys: Keys,
    output: &'a Output,
}

impl<'a> Job<'a> {
    fn begin(
        path: &'a Path,
        domain: Domain,
        opening: &OpeningOptions,
        output: &'a Output,
    ) -> anyhow::Result<Self> {
        interrupt::enter(Phase::Asked)?;
        open_file(path)?;
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.with_context(|| format!("cannot write to {}", quoted(path)))?;
        let surroundings = Surroundings::of_process();
        let keys = Keys::gather(&opening.of(domain), domain, &surroundings, output)?;
        Ok(Self {
            path,
            file,
            domain,
            keys,
            output,
        })
    }

    fn change(mut self, change: SlotChange, allow_both: bool) -> anyhow::Result<Exit> {
        let new = match &change {
            SlotChange::Replace(new) => new.clone(),
            SlotChange::Add(_) | SlotChange::Remove(_) => Vec::new(),
        };
        let mut settings = SlotChangeSettings {
            allow_both,
            ..SlotChangeSettings::new(self.domain, change)
        };
        let changed = match change_slots(&self.file, &mut settings, &mut self.keys) {
            // A change that was stopped may have come so far that only the new keys open it.
            Err(error) if is_locked_out(&error) && !new.is_empty() => {
                match change_slots(&self.file, &mut settings, &mut new.clone()) {
                    Err(other) if is_locked_out(&other) => Err(error),
                    with_new => with_new,
                }
            }
            changed => changed,
        };
        match changed {
            Ok(changed) => self.tell(&changed),
            // So is what finishes a change that was stopped.
            Err(SlotChangeError::OpensAlready(id)) => self.output.say(format!(
                "this key opens {} already: key slot {id}; there is nothing to add",
                self.thing()
            )),
            Err(error) => return Err(self.failed(error)),
        }
        Ok(Exit::DONE)
    }

    fn tell(&self, changed: &SlotsChanged) {
        let thing = self.thing();
        for id in &changed.added {
            let slot = changed.slots.iter().find(|slot| slot.id == *id);
            let words = slot.map(slot_words).unwrap_or_default();
            self.output
                .say(format!("{thing} now opens with {words}: key slot {id}"));
        }
        for slot in &changed.removed {
            let (id, words) = (slot.id, slot_words(slot));
            self.output
                .say(format!("key slot {id} of {thing} is gone: {words}"));
        }
        let slots = count(changed.slots.len() as u64, "key slot", "key slots");
        let words = slots_words(&changed.slots);
        match changed.added.len() + changed.removed.len() {
            0 => self
                .output
                .say(format!("{thing} has these keys already; {slots}: {words}")),
            _ => self.output.say(format!("{slots}: {words}")),
        }
        if !changed.removed.is_empty() {
            self.output.remark(
                "old copies of the file open with the old keys still, and so it does for whoever \
                 kept its own key: only packing again shuts them out",
            );
        }
        let removed: Vec<_> = changed.removed.iter().map(|slot| slot.id).collect();
        self.output.event(&Event::KeySlots(event::KeySlots {
            added: Some(ids(&changed.added)),
            removed: Some(ids(&removed)),
            ..listed(self.path, self.domain, &changed.slots, changed.generation)
        }));
    }

    /// What is changed, in words.
    fn thing(&self) -> String {
        let name = quoted(self.path);
        match self.domain {
            Domain::Data => name,
            Domain::Envelope => format!("the envelope of {name}"),
        }
    }

    fn failed(&self, error: SlotChangeError) -> anyhow::Error {
        let text = format!("cannot change the key slots of {}", quoted(self.path));
        let (exit, hint) = match error {
            SlotChangeError::Archive(ReadError::Fault(finding))
                if finding.class == Class::Damaged =>
            {
                let hint = "`bakpak repair ARCHIVE -o MENDED` first: in a damaged archive it is not \
                            known where all of them are";
                let text = format!("{text}: {finding}");
                return Failure::new(Exit::DAMAGED, text).hint(hint).into();
            }
            SlotChangeError::Archive(error) => return anyhow::Error::from(error).context(text),
            SlotChangeError::Foreign => (Exit::UNSUPPORTED, "a newer bakpak may know it"),
            SlotChangeError::Locked => (Exit::NOT_READY, "wait until it has ended"),
            SlotChangeError::Full => (
                Exit::USAGE,
                "`bakpak key remove` makes room; packing again makes a table that is larger",
            ),
            SlotChangeError::TooManyPassphrases => (
                Exit::USAGE,
                "each costs whoever opens it a second; key files cost nothing",
            ),
            SlotChangeError::NoneLeft => (
                Exit::USAGE,
                "`bakpak key add` a key first, or `bakpak key rotate` all of them",
            ),
            SlotChangeError::OpensBoth(_) => (
                Exit::USAGE,
                "who unpacks need not be able to read the master key; --allow-both waives that",
            ),
            _ => (Exit::USAGE, "`bakpak key list ARCHIVE` shows them"),
        };
        Failure::new(exit, format!("{text}: {error}"))
            .hint(hint)
            .into()
    }
}

impl OpeningOptions {
    /// What opens this domain.
    fn of(&self, domain: Domain) -> KeyOptions {
        match domain {
            Domain::Data => self.keys.clone(),
            Domain::Envelope => self.envelope_keys.clone().into(),
        }
    }
}

fn is_locked_out(error: &SlotChangeError) -> bool {
    let SlotChangeError::Archive(error) = error else {
        return false;
    };
    matches!(error, ReadError::NoKeyFits { .. })
}

fn new_keys(options: KeyOptions, domain: Domain) -> anyhow::Result<Vec<Credential>> {
    prompt::new_keys(&options, domain, &Surroundings::of_process())
}

/// What there is, with its slots and their generation.
fn domains(head: &HeadInfo) -> impl Iterator<Item = (Domain, &[SlotInfo], u32)> {
    let data = (Domain::Data, head.slots.as_slice(), head.generation);
    let envelope = head.envelope_slots.as_deref().zip(head.envelope_generation);
    let envelope = envelope.map(|(slots, generation)| (Domain::Envelope, slots, generation));
    [Some(data), envelope].into_iter().flatten()
}

fn listed(path: &Path, domain: Domain, slots: &[SlotInfo], generation: u32) -> event::KeySlots {
    event::KeySlots {
        archive: path.to_string_lossy().into_owned(),
        domain: match domain {
            Domain::Data => "data",
            Domain::Envelope => "envelope",
        },
        generation,
        slots: slots.iter().map(slot).collect(),
        opened: None,
        added: None,
        removed: None,
    }
}

fn domain_of(envelope: bool) -> Domain {
    match envelope {
        true => Domain::Envelope,
        false => Domain::Data,
    }
}

fn thing(domain: Domain) -> &'static str {
    match domain {
        Domain::Data => "the data",
        Domain::Envelope => "the master-key envelope",
    }
}

/// How often the slots were changed.
fn changes(generation: u32) -> String {
    match generation.saturating_sub(1) {
        0 => String::new(),
        changes => format!(", changed {}", count(changes.into(), "time", "times")),
    }
}

fn ids(ids: &[SlotId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

//! `bakpak key list|add|remove|rotate`.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::Context;
use bakpak_codec::error::ReadError;
use bakpak_codec::inspect::{HeadInfo, SlotId, SlotInfo, inspect};
use bakpak_codec::secret::Credential;
use bakpak_codec::slot_change::{
    SlotChange, SlotChangeError, SlotChangeSettings, SlotChanger, SlotsChanged, opened_slots,
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
        output.line(format_args!(
            "{}{}:",
            domain.in_words(),
            changes(generation)
        ));
        for slot in slots {
            let mark = match opened.contains(&slot.id) {
                true => "; opens with a key that you gave",
                false => "",
            };
            output.line(format_args!("  {}  {}{mark}", slot.id, slot_words(slot)));
        }
        if opened.is_empty() && !keys.is_empty() {
            let thing = domain.in_words();
            output.warn(None, None, &format!("no key that was given opens {thing}"));
        }
        let opened = Some(ids(opened)).filter(|_| !keys.is_empty());
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
    let new = KeyOptions::from(arguments.new.clone());
    if new.len() > 1 {
        let text = format!("{} new keys are given", new.len());
        return Err(Failure::usage(text)
            .hint("each comes by a command of its own")
            .into());
    }
    let domain = domain_of(arguments.envelope);
    let job = Job::new(&arguments.archive, domain, &arguments.opening, output)?;
    let file = job.file()?;
    let changer = job.open(&file, &mut job.keys()?)?;
    let mut new = new_keys(&new, domain)?;
    let change = new.pop().map(SlotChange::Add);
    let change = change.ok_or_else(|| Failure::usage("no new key is given"))?;
    job.change(changer, &change, arguments.allow_both)
}

/// Lets keys open an archive no more.
///
/// # Errors
///
/// The archive cannot be opened or changed, or has no such slots.
pub(crate) fn remove(arguments: &KeyRemoveArguments, output: &Output) -> anyhow::Result<Exit> {
    let domain = domain_of(arguments.envelope);
    let job = Job::new(&arguments.archive, domain, &arguments.opening, output)?;
    let file = job.file()?;
    let changer = job.open(&file, &mut job.keys()?)?;
    let slots = arguments.slots.iter().copied().collect();
    job.change(changer, &SlotChange::Remove(slots), false)
}

/// Lets new keys open an archive, and no others.
///
/// # Errors
///
/// The archive cannot be opened or changed, or the keys be used.
pub(crate) fn rotate(arguments: &KeyRotateArguments, output: &Output) -> anyhow::Result<Exit> {
    let domain = domain_of(arguments.envelope);
    let job = Job::new(&arguments.archive, domain, &arguments.opening, output)?;
    let file = job.file()?;
    let options = KeyOptions::from(arguments.new.clone());
    // One that was stopped may have come so far that only the new keys open it.
    let mut given = match options.is_empty() {
        true => Vec::new(),
        false => new_keys(&options, domain)?,
    };
    let changer = match SlotChanger::open(&file, domain, &mut given) {
        Err(error) if is_locked_out(&error) => job.open(&file, &mut job.keys()?)?,
        opened => opened.map_err(|error| job.failed(error))?,
    };
    if given.is_empty() {
        given = new_keys(&options, domain)?;
    }
    job.change(changer, &SlotChange::Replace(given), arguments.allow_both)
}

/// An archive whose slots are to be changed.
struct Job<'a> {
    path: &'a Path,
    domain: Domain,
    opening: &'a OpeningOptions,
    output: &'a Output,
}

impl<'a> Job<'a> {
    fn new(
        path: &'a Path,
        domain: Domain,
        opening: &'a OpeningOptions,
        output: &'a Output,
    ) -> anyhow::Result<Self> {
        interrupt::enter(Phase::Asked)?;
        let other = domain.other();
        if !opening.of(other).is_empty() {
            let text = format!("a key of {} is given", other.in_words());
            return Err(Failure::usage(text)
                .hint("with --envelope the keys of the envelope are changed, without it the data's")
                .into());
        }
        Ok(Self {
            path,
            domain,
            opening,
            output,
        })
    }

    fn file(&self) -> anyhow::Result<File> {
        open_file(self.path)?;
        let file = OpenOptions::new().read(true).write(true).open(self.path);
        file.with_context(|| format!("cannot write to {}", quoted(self.path)))
    }

    /// What opens it as it is.
    fn keys(&self) -> anyhow::Result<Keys> {
        let (options, surroundings) = (self.opening.of(self.domain), Surroundings::of_process());
        Keys::gather(&options, self.domain, &surroundings, self.output)
    }

    fn open<'f>(&self, file: &'f File, keys: &mut Keys) -> anyhow::Result<SlotChanger<'f>> {
        SlotChanger::open(file, self.domain, keys).map_err(|error| self.failed(error))
    }

    fn change(
        &self,
        changer: SlotChanger<'_>,
        change: &SlotChange,
        allow_both: bool,
    ) -> anyhow::Result<Exit> {
        let settings = SlotChangeSettings {
            allow_both,
            ..SlotChangeSettings::default()
        };
        // A second or two; half of it would be finished by the next change only.
        interrupt::enter(Phase::Committing)?;
        let changed = changer.change(change, settings);
        self.tell(&changed.map_err(|error| self.failed(error))?);
        Ok(Exit::DONE)
    }

    fn tell(&self, changed: &SlotsChanged) {
        let thing = self.thing();
        if changed.was_unfinished {
            self.output.remark(
                "an earlier change had been stopped, or a copy was damaged: all are alike now",
            );
        }
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
                "copies of the file from before still open with the old keys, and whoever saved the \
                 archive's inner key can open this file too: only packing again shuts them out",
            );
            if changed.has_other_domain {
                let other = self.domain.other().in_words();
                let text = format!("{other} has keys of its own, which are what they were");
                self.output.remark(&text);
            }
        }
        self.output.event(&Event::KeySlots(event::KeySlots {
            added: Some(ids(changed.added.iter().copied())),
            removed: Some(ids(changed.removed.iter().map(|slot| slot.id))),
            finished_earlier: Some(changed.was_unfinished),
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
                let hint = "`bakpak repair ARCHIVE -o MENDED` first: where an archive is damaged, \
                            not all of its key slots may be found";
                let text = format!("{text}: {finding}");
                return Failure::new(Exit::DAMAGED, text).hint(hint).into();
            }
            SlotChangeError::Archive(error) => return anyhow::Error::from(error).context(text),
            SlotChangeError::Foreign => (Exit::UNSUPPORTED, "a newer bakpak may know it"),
            SlotChangeError::Locked => (Exit::LOCKED, "wait until it has ended"),
            SlotChangeError::Full => (
                Exit::USAGE,
                "a table has room for 24 slots at most; `bakpak key remove` makes room",
            ),
            SlotChangeError::TooManyPassphrases => (
                Exit::USAGE,
                "each costs whoever opens it a second; key files cost nothing",
            ),
            SlotChangeError::LockedOut => (
                Exit::USAGE,
                "give a key that opens what stays, too; `bakpak key add` adds one",
            ),
            SlotChangeError::OpensBoth { .. } => (
                Exit::USAGE,
                "who unpacks need not be able to read the master key; --allow-both waives that",
            ),
            SlotChangeError::NoSuchSlot(_) => (
                Exit::USAGE,
                "`bakpak key list ARCHIVE` shows those that there are; those of the envelope take \
                 --envelope",
            ),
            _ => (Exit::USAGE, "`bakpak key list ARCHIVE` shows what opens it"),
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
    matches!(
        error,
        ReadError::NoKeyFits { .. } | ReadError::NoKeyOffered { .. }
    )
}

fn new_keys(options: &KeyOptions, domain: Domain) -> anyhow::Result<Vec<Credential>> {
    prompt::new_keys(options, domain, &Surroundings::of_process())
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
        finished_earlier: None,
    }
}

fn domain_of(envelope: bool) -> Domain {
    match envelope {
        true => Domain::Envelope,
        false => Domain::Data,
    }
}

/// How often the slots were changed.
fn changes(generation: u32) -> String {
    match generation.saturating_sub(1) {
        0 => String::new(),
        changes => format!(", changed {}", count(changes.into(), "time", "times")),
    }
}

fn ids(ids: impl IntoIterator<Item = SlotId>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

//! The runbook: the ordered procedure that restores what an archive holds, without blanks.
//!
//! What the archive tells stands in the commands. What it cannot tell (names of the new servers,
//! folders, addresses) is filled in once, in the first section, and used by name afterwards.
//!
//! The order is the one that loses no data: the archive is proved; the old server is fenced; the
//! databases are restored; the program is installed but not started; **files lie in their places
//! before it first starts**, since Octopus drops packages from its feed that it does not find then;
//! the master key is handed over; the server starts, closed to its users, and is proved before it is
//! opened.
//!
//! | module | holds |
//! |---|---|
//! | [`facts`] | what a runbook is written from |
//! | [`document`] | the runbook as sections and steps |
//! | [`window`] | what can be restored, as a picture |
//!
//! [`Document::to_markdown`] and [`Document::to_html`] write it. Both escape every name.

pub mod document;
pub mod facts;
pub mod window;

mod archive;
mod databases;
mod html;
mod instance;
mod markdown;
mod octopus;
mod others;
mod plain;
mod shell;
mod start;
mod values;
mod words;

use crate::finding::quoted;
use crate::plan::Verdict;

pub use document::{Document, Section, Stage, Step};
pub use facts::RunbookFacts;
pub use shell::{Command, Shell};

use facts::{ArchiveKey, EnvelopeKey};
use shell::{Block, Word};
use values::NamedValue;

/// What a runbook is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunbookOptions {
    /// What is restored to.
    pub target: Target,
    /// Whether it is a rehearsal: nothing that is restored may act on the world.
    pub rehearsal: bool,
    /// The folder that backups are unpacked to, on the SQL Server: the one in the scripts.
    pub restore_folder: String,
    /// Whether the scripts are there.
    pub scripts: Scripts,
}

/// Whether the scripts that a runbook names are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// They were written beside it.
    Written,
    /// `bakpak runbook` writes them, and the runbook once more, when it is called so.
    ToWrite {
        /// The name of the runbook's file, which the scripts' folder is named after.
        file: String,
        /// The further options: each with its value, if it has one.
        options: Vec<(&'static str, Option<String>)>,
    },
}

/// What is restored to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Windows, with PowerShell.
    Windows,
    /// Linux with Docker, and Bash.
    Docker,
}

/// Writes the runbook.
#[must_use]
pub fn runbook(facts: &RunbookFacts, options: &RunbookOptions) -> Document {
    let writer = Writer {
        facts,
        options,
        values: values::values(facts, options),
    };
    let mut sections = vec![writer.values_section(), writer.archive_section()];
    sections.push(writer.fence_section());
    sections.extend(writer.databases_section());
    sections.extend(writer.others_section());
    match &facts.octopus {
        Some(octopus) => sections.extend(writer.octopus_sections(octopus)),
        None => sections.extend(writer.plain_sections()),
    }
    for (number, section) in sections.iter_mut().enumerate() {
        section.number = number;
    }
    let what = match options.rehearsal {
        true => "Rehearsal of the recovery from",
        false => "Recovery from",
    };
    Document {
        title: format!("{what} {}", quoted(&facts.archive)),
        banners: banners(facts, options),
        facts: writer.facts_in_short(),
        strips: facts
            .databases
            .iter()
            .filter_map(|database| window::TimeStrip::of(&database.plan))
            .collect(),
        sections,
    }
}

fn banners(facts: &RunbookFacts, options: &RunbookOptions) -> Vec<String> {
    let lost = facts.lost.iter().cloned();
    let rehearsal = options.rehearsal.then(|| {
        "REHEARSAL: a restored copy acts like the original. It stays in a network of its own, \
         and is cleared away at the end. Nothing here touches the old server."
            .to_owned()
    });
    lost.chain(rehearsal).collect()
}

/// Writes sections from the facts.
struct Writer<'a> {
    facts: &'a RunbookFacts,
    options: &'a RunbookOptions,
    values: Vec<NamedValue>,
}

impl Writer<'_> {
    fn shell(&self) -> Shell {
        match self.options.target {
            Target::Windows => Shell::PowerShell,
            Target::Docker => Shell::Bash,
        }
    }

    /// A command of the target's shell.
    fn command(&self, write: impl FnOnce(&mut Block<'_>)) -> Step {
        let sample = |name: &str| {
            let value = self.values.iter().find(|value| value.name == name);
            match value {
                Some(value) if value.value.is_empty() => value.example.to_owned(),
                Some(value) => value.value.clone(),
                None => name.to_lowercase(),
            }
        };
        let mut block = Block::new(self.shell(), &sample);
        write(&mut block);
        Step::Command(block.finish())
    }

    /// The same in the words of each shell.
    fn lines(&self, powershell: &[&str], bash: &[&str]) -> Step {
        self.command(|block| {
            let lines = match self.options.target {
                Target::Windows => powershell,
                Target::Docker => bash,
            };
            for line in lines {
                block.raw(line);
            }
        })
    }

    /// The options that open the archive.
    fn key(&self) -> Vec<Word> {
        match self.facts.key {
            ArchiveKey::Passphrase => Vec::new(),
            ArchiveKey::KeyFile => vec![Word::Bare("--key-file"), Word::Value("KEY_FILE")],
        }
    }

    /// The options that open the envelope.
    fn envelope_key(&self) -> Vec<Word> {
        match self.facts.envelope.as_ref().map(|envelope| envelope.key) {
            Some(EnvelopeKey::KeyFile) => vec![
                Word::Bare("--envelope-key-file"),
                Word::Value("ENVELOPE_KEY_FILE"),
            ],
            // A key file of the archive's own is named by BAKPAK_KEY_FILE.
            Some(EnvelopeKey::SameAsArchive) => vec![Word::Bare("--envelope-same-passphrase")],
            Some(EnvelopeKey::Passphrase) | None => Vec::new(),
        }
    }

    /// A path below a named folder, in the target's way of writing.
    fn below(&self, name: &'static str, path: &str) -> Word {
        match self.options.target {
            Target::Windows => Word::After(name, format!("\\{}", path.replace('/', "\\"))),
            Target::Docker => Word::After(name, format!("/{path}")),
        }
    }

    fn values_section(&self) -> Section {
        let known = self.values.iter().map(|value| {
            let meaning = match value.value.is_empty() {
                true => format!("FILL IN: {} (as {})", value.meaning, value.example),
                false => value.meaning.to_owned(),
            };
            (value.name.clone(), meaning)
        });
        let mut steps = vec![
            Step::Text(
                "Copy the block into an editor, fill in what is empty, check the rest, and paste \
                 it into the shell that all further commands run in. It names what is still empty. \
                 No secret is among the values."
                    .to_owned(),
            ),
            Step::Table(known.collect()),
        ];
        steps.push(self.command(|block| {
            for line in values::assignments(block.shell(), &self.values) {
                block.raw(&line);
            }
            if self.is_same_key_file() {
                block.raw(match self.options.target {
                    Target::Windows => "$env:BAKPAK_KEY_FILE = $KEY_FILE",
                    Target::Docker => "export BAKPAK_KEY_FILE=\"$KEY_FILE\"",
                });
            }
        }));
        steps.extend(self.scripts_to_write());
        steps.push(Step::Warning(
            "Run one block after the other, and go on only when it ended without an error."
                .to_owned(),
        ));
        Section {
            number: 0,
            stage: Stage::Values,
            title: "Fill in before you start".to_owned(),
            why: "These are the facts that the archive does not hold. All else is filled in."
                .to_owned(),
            minutes: Some(5),
            steps,
        }
    }

    /// The call that writes the scripts, where they are not there yet.
    fn scripts_to_write(&self) -> Vec<Step> {
        let has_scripts = self
            .facts
            .databases
            .iter()
            .any(|one| !one.scripts.is_empty());
        let Scripts::ToWrite { file, options } = &self.options.scripts else {
            return Vec::new();
        };
        if !has_scripts {
            return Vec::new();
        }
        let mut words = vec![Word::Bare("runbook"), Word::Value("ARCHIVE")];
        words.extend(self.key());
        for (option, value) in options {
            match value {
                // As a word of its own it would pass for an option.
                Some(value) if value.starts_with('-') => {
                    words.push(Word::Quoted(format!("{option}={value}")));
                }
                Some(value) => words.extend([Word::Bare(option), Word::Quoted(value.clone())]),
                None => words.push(Word::Bare(option)),
            }
        }
        words.extend([Word::Bare("-o"), self.below("SCRIPTS", file)]);
        vec![
            Step::Text(
                "The scripts are not written yet. This writes them, and this runbook beside them:"
                    .to_owned(),
            ),
            self.command(|block| {
                block.bakpak(&words);
            }),
        ]
    }

    /// Whether the key file of the archive opens the envelope too.
    fn is_same_key_file(&self) -> bool {
        let envelope = self.facts.envelope.as_ref().map(|envelope| envelope.key);
        envelope == Some(EnvelopeKey::SameAsArchive) && self.facts.key == ArchiveKey::KeyFile
    }

    fn facts_in_short(&self) -> Vec<(String, String)> {
        let facts = self.facts;
        let mut short = vec![(
            "Archive".to_owned(),
            format!(
                "{}, {}",
                quoted(&facts.archive),
                words::size(facts.archive_len)
            ),
        )];
        let mut add = |name: &str, value: String| short.push((name.to_owned(), value));
        if let Some(packed) = &facts.packed {
            add("Packed", packed.clone());
        }
        if let Some(contact) = &facts.contact {
            add("Contact", contact.clone());
        }
        add("Opened by", self.opened_by());
        for database in &facts.databases {
            let plan = &database.plan;
            let state = match (plan.verdict, plan.at) {
                (Verdict::NotPossible, _) | (_, None) => "CANNOT BE RESTORED".to_owned(),
                (Verdict::Covered, Some(at)) => format!("as of {at}"),
                (Verdict::Uncertain, Some(at)) => format!("as of {at}, or a few seconds before"),
                (Verdict::Earlier, Some(at)) => format!("as of {at}, the newest state there is"),
            };
            let steps = match plan.steps.len() {
                1 => "1 restore".to_owned(),
                count => format!("{count} restores"),
            };
            let text = format!("{} {state}, {steps}", quoted(&plan.database));
            add("Database", text);
        }
        for part in facts.homes.iter().chain(&facts.attachments) {
            add("Files", part_in_words(part));
        }
        if let Some(octopus) = &facts.octopus {
            for (folder, part) in &octopus.folders {
                add(folder.name(), part_in_words(part));
            }
            if let Some(capture) = &octopus.capture {
                add("Captured", capture.to_string());
            }
        }
        for other in &facts.others {
            let mark = if other.is_damaged { ", DAMAGED" } else { "" };
            let name = other.kind.name();
            add("Also", format!("{name} {}{mark}", quoted(&other.path)));
        }
        short
    }

    fn opened_by(&self) -> String {
        let archive = match self.facts.key {
            ArchiveKey::Passphrase => "its passphrase, which is asked for",
            ArchiveKey::KeyFile => "its key file",
        };
        let Some(envelope) = &self.facts.envelope else {
            return format!("{archive}; it has no master-key envelope");
        };
        let envelope = match envelope.key {
            EnvelopeKey::Passphrase => "a passphrase of its own, which is asked for",
            EnvelopeKey::KeyFile => "a key file of its own",
            EnvelopeKey::SameAsArchive => "the same",
        };
        format!("{archive}; the master-key envelope by {envelope}")
    }
}

fn part_in_words(part: &facts::Part) -> String {
    let (files, size) = (words::files(part.file_count), words::size(part.len));
    format!("{files}, {size} in {}", quoted(&part.path))
}

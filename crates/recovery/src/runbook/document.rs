//! A runbook as a document: sections in the order in which they are done.

use super::shell::Command;
use super::window::TimeStrip;

/// A runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub title: String,
    /// What must not be overlooked: what cannot be restored, and that it is a rehearsal.
    pub banners: Vec<String>,
    /// The facts in short: name and value.
    pub facts: Vec<(String, String)>,
    /// What can be reached, for each database.
    pub strips: Vec<TimeStrip>,
    /// What is done, in this order.
    pub sections: Vec<Section>,
}

/// One stage of the procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its number, from 0 on.
    pub number: usize,
    /// What it is for, where a program asks for it.
    pub stage: Stage,
    /// What is done.
    pub title: String,
    /// Why it is done, and why here.
    pub why: String,
    /// About how long it takes. None where nobody can say.
    pub minutes: Option<u64>,
    /// What is done, step by step.
    pub steps: Vec<Step>,
}

/// The stages of a recovery, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// What the archive does not hold is filled in.
    Values,
    /// Is it the right file, is it whole, does it open?
    Archive,
    /// The old server must not act any more; in a rehearsal the new one must not.
    Fence,
    /// Databases are restored.
    Databases,
    /// Backups that are not SQL Server's are restored.
    OtherBackups,
    /// The application's program is installed.
    Binaries,
    /// Files are put in their places.
    Files,
    /// The application is told of its database and its key.
    Instance,
    /// It starts for the first time, closed to its users.
    Start,
    /// It is shown to work.
    Prove,
    /// It is opened to its users; a rehearsal is cleared away.
    Open,
}

/// One step of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something to do or to know.
    Text(String),
    /// Something to run.
    Command(Command),
    /// Something that must be so before the next step.
    Check(String),
    /// Something that goes wrong if it is overlooked.
    Warning(String),
    /// Names and values.
    Table(Vec<(String, String)>),
}

impl Document {
    /// All commands, in their order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let steps = self.sections.iter().flat_map(|section| &section.steps);
        steps.filter_map(|step| match step {
            Step::Command(command) => Some(command),
            _ => None,
        })
    }

    /// The arguments of every call of `bakpak`, without the program's name; variables have the
    /// value that is filled in, or an example. So that a test can hold them against the command
    /// line.
    #[must_use]
    pub fn bakpak_calls(&self) -> Vec<Vec<String>> {
        self.commands()
            .flat_map(|command| command.calls.iter().cloned())
            .collect()
    }
}

//! The table: each verb, and what must hold when it was hit by a fault.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::scene::Scene;
use crate::states::{
    Whole, archive_state, copy_tree, mended_in_place, merged, new_target, replaced, salvaged,
    slots_changed, there_already,
};

/// In which state a verb left things. Whatever else there is fails the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The work is done; otherwise all is as before, or the same command finishes it.
    pub is_new: bool,
    /// What is left over of a run, under temporary names only.
    pub remains: Vec<String>,
}

/// A verb as the harness sees it.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// Its name in reports.
    pub name: &'static str,
    /// What is typed, in `work`; `@` stands for what the scene's `pack` is told besides.
    pub line: &'static str,
    /// What comes from a pipe.
    pub input: Option<&'static str>,
    /// What vanishes or is cut while it is read.
    pub source: Option<&'static str>,
    /// Makes `work` what it is before the verb.
    pub set: fn(&Scene) -> Result<()>,
    /// Looks which state it is; an error if it is none of those that may be.
    pub state: fn(&Scene) -> Result<State>,
    /// Exit codes that a failure may have: 1 what the system says, 30 no room, and what else the
    /// verb says of a file that it cannot read.
    pub codes: &'static [i32],
    /// Whether a run that finds all done by a killed one refuses (31) instead of succeeding.
    pub refuses_when_done: bool,
    /// Whether it writes nothing, so that what it prints is its work.
    pub is_reader: bool,
    /// Whether a run that fails may leave a file to go on with, which it names.
    pub keeps_what_is_done: bool,
}

impl Verb {
    /// A verb that only reads.
    const fn reader(name: &'static str, line: &'static str) -> Self {
        Self {
            name,
            line,
            input: None,
            source: None,
            set: |_| Ok(()),
            state: nothing_made,
            codes: &[1, 2, 10, 30],
            refuses_when_done: false,
            is_reader: true,
            keeps_what_is_done: false,
        }
    }

    /// A verb that makes something where nothing was; the rows below say what is special about it.
    const fn writer(
        name: &'static str,
        line: &'static str,
        state: fn(&Scene) -> Result<State>,
    ) -> Self {
        Self {
            state,
            is_reader: false,
            ..Self::reader(name, line)
        }
    }
}

/// All verbs.
pub const VERBS: &[Verb] = &[
    Verb {
        // 23: a source could not be read, and the archive would be incomplete.
        codes: &[1, 2, 23, 30],
        refuses_when_done: true,
        ..Verb::writer(
            "pack",
            "pack -o a.bakpak --home ../home --key-file ../data.key @",
            |scene| archive_state(scene, "a.bakpak", Whole::HoldsTheSources),
        )
    },
    Verb {
        codes: &[1, 2, 23, 30],
        refuses_when_done: true,
        keeps_what_is_done: true,
        ..Verb::writer(
            "pack --resume",
            "pack -o a.bakpak --home ../home --key-file ../data.key --resume @",
            |scene| archive_state(scene, "a.bakpak", Whole::HoldsTheSources),
        )
    },
    Verb {
        // 20: what could not be read is as good as lost.
        codes: &[1, 2, 10, 20, 25, 30],
        refuses_when_done: true,
        // A whole one: of what chance damages, not all can be mended, and then it ends with 20.
        ..Verb::writer(
            "salvage",
            "salvage ../a.bakpak --to out --key-file ../data.key",
            salvaged,
        )
    },
    Verb {
        source: Some("work/home/logs/one.log"),
        set: |scene| copy_tree(&scene.path("home"), &scene.path("work/home")),
        codes: &[1, 2, 23],
        refuses_when_done: true,
        ..Verb::writer(
            "pack what vanishes",
            "pack -o a.bakpak --home home --key-file ../data.key @",
            |scene| archive_state(scene, "a.bakpak", Whole::Verifies),
        )
    },
    Verb {
        refuses_when_done: true,
        ..Verb::writer(
            "repair -o",
            "repair ../damaged.bakpak -o a.bakpak --key-file ../data.key",
            |scene| archive_state(scene, "a.bakpak", Whole::IsTheOriginal),
        )
    },
    Verb {
        set: |scene| copied(scene, "damaged.bakpak"),
        ..Verb::writer(
            "repair --in-place",
            "repair --in-place a.bakpak --key-file ../data.key",
            mended_in_place,
        )
    },
    Verb {
        set: |scene| copied(scene, "a.bakpak"),
        codes: &[1, 2, 10, 20, 25, 30],
        ..Verb::writer(
            "key add",
            "key add a.bakpak --key-file ../data.key --new-key-file ../new.key",
            |scene| slots_changed(scene, &["data.key", "new.key"]),
        )
    },
    Verb {
        set: |scene| copied(scene, "a.bakpak"),
        codes: &[1, 2, 10, 20, 25, 30],
        ..Verb::writer(
            "key rotate",
            "key rotate a.bakpak --key-file ../data.key --new-key-file ../new.key",
            |scene| slots_changed(scene, &["new.key"]),
        )
    },
    Verb::writer(
        "unpack",
        "unpack ../a.bakpak --to out --key-file ../data.key",
        new_target,
    ),
    Verb {
        input: Some("a.bakpak"),
        codes: &[1, 2, 30],
        refuses_when_done: true,
        ..Verb::writer(
            "unpack -",
            "unpack - --to out --key-file ../data.key",
            new_target,
        )
    },
    Verb {
        source: Some("work/a.bakpak"),
        set: |scene| copied(scene, "a.bakpak"),
        // What is not there any more reads as damaged, repairable or cut.
        codes: &[1, 10, 20, 21, 24, 25],
        ..Verb::writer(
            "unpack what vanishes",
            "unpack a.bakpak --to out --key-file ../data.key",
            new_target,
        )
    },
    Verb {
        set: there_already,
        ..Verb::writer(
            "unpack --replace",
            "unpack ../a.bakpak --to out --replace --key-file ../data.key",
            replaced,
        )
    },
    Verb {
        set: there_already,
        ..Verb::writer(
            "unpack --merge",
            "unpack ../a.bakpak --to out --merge --key-file ../data.key",
            merged,
        )
    },
    Verb::reader("verify", "verify ../a.bakpak --key-file ../data.key"),
    Verb::reader("list", "list ../a.bakpak --key-file ../data.key"),
    Verb::reader(
        "cat",
        "cat ../a.bakpak home/logs/one.log --key-file ../data.key",
    ),
    Verb::reader("inspect", "inspect ../a.bakpak"),
];

/// Who only reads leaves nothing behind.
fn nothing_made(scene: &Scene) -> Result<State> {
    let names = scene.names("")?;
    ensure!(names.is_empty(), "it made {names:?}");
    let (is_new, remains) = (true, Vec::new());
    Ok(State { is_new, remains })
}

/// Puts a copy of one of the scene's archives where the verb works, as `a.bakpak`.
fn copied(scene: &Scene, archive: &str) -> Result<()> {
    fs::copy(scene.path(archive), scene.path("work/a.bakpak"))?;
    Ok(())
}

/// The verb of this name.
///
/// # Errors
///
/// There is none.
pub fn find(name: &str) -> Result<&'static Verb> {
    let found = VERBS.iter().find(|verb| verb.name == name);
    found.with_context(|| format!("no verb is called '{name}'"))
}

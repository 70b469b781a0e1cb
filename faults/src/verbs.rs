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

/// All verbs.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "pack",
        line: "pack -o a.bakpak --home ../home --key-file ../data.key @",
        input: None,
        source: None,
        set: |_| Ok(()),
        state: |scene| archive_state(scene, "a.bakpak", Whole::HoldsTheSources),
        // 23: a source could not be read, and the archive would be incomplete.
        codes: &[1, 2, 23, 30],
        refuses_when_done: true,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "pack --resume",
        line: "pack -o a.bakpak --home ../home --key-file ../data.key --resume @",
        input: None,
        source: None,
        set: |_| Ok(()),
        state: |scene| archive_state(scene, "a.bakpak", Whole::HoldsTheSources),
        codes: &[1, 2, 23, 30],
        refuses_when_done: true,
        is_reader: false,
        keeps_what_is_done: true,
    },
    Verb {
        name: "salvage",
        // A whole one: of what chance damages, not all can be mended, and then it ends with 20.
        line: "salvage ../a.bakpak --to out --key-file ../data.key",
        input: None,
        source: None,
        set: |_| Ok(()),
        state: salvaged,
        // 20: what could not be read is as good as lost.
        codes: &[1, 2, 10, 20, 25, 30],
        refuses_when_done: true,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "pack what vanishes",
        line: "pack -o a.bakpak --home home --key-file ../data.key @",
        input: None,
        source: Some("work/home/logs/one.log"),
        set: |scene| copy_tree(&scene.path("home"), &scene.path("work/home")),
        state: |scene| archive_state(scene, "a.bakpak", Whole::Verifies),
        codes: &[1, 2, 23],
        refuses_when_done: true,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "repair -o",
        line: "repair ../damaged.bakpak -o a.bakpak --key-file ../data.key",
        input: None,
        source: None,
        set: |_| Ok(()),
        state: |scene| archive_state(scene, "a.bakpak", Whole::IsTheOriginal),
        codes: &[1, 2, 10, 30],
        refuses_when_done: true,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "repair --in-place",
        line: "repair --in-place a.bakpak --key-file ../data.key",
        input: None,
        source: None,
        set: |scene| {
            fs::copy(scene.path("damaged.bakpak"), scene.path("work/a.bakpak"))?;
            Ok(())
        },
        state: mended_in_place,
        codes: &[1, 2, 10, 30],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "key add",
        line: "key add a.bakpak --key-file ../data.key --new-key-file ../new.key",
        input: None,
        source: None,
        set: copy_archive,
        state: |scene| slots_changed(scene, &["data.key", "new.key"]),
        codes: &[1, 2, 10, 20, 25, 30],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "key rotate",
        line: "key rotate a.bakpak --key-file ../data.key --new-key-file ../new.key",
        input: None,
        source: None,
        set: copy_archive,
        state: |scene| slots_changed(scene, &["new.key"]),
        codes: &[1, 2, 10, 20, 25, 30],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "unpack",
        line: "unpack ../a.bakpak --to out --key-file ../data.key",
        input: None,
        source: None,
        set: |_| Ok(()),
        state: new_target,
        codes: &[1, 2, 10, 30],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "unpack -",
        line: "unpack - --to out --key-file ../data.key",
        input: Some("a.bakpak"),
        source: None,
        set: |_| Ok(()),
        state: new_target,
        codes: &[1, 2, 30],
        refuses_when_done: true,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "unpack what vanishes",
        line: "unpack a.bakpak --to out --key-file ../data.key",
        input: None,
        source: Some("work/a.bakpak"),
        set: copy_archive,
        state: new_target,
        // What is not there any more reads as damaged, repairable or cut.
        codes: &[1, 10, 20, 21, 24, 25],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "unpack --replace",
        line: "unpack ../a.bakpak --to out --replace --key-file ../data.key",
        input: None,
        source: None,
        set: there_already,
        state: replaced,
        codes: &[1, 2, 10, 30],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    Verb {
        name: "unpack --merge",
        line: "unpack ../a.bakpak --to out --merge --key-file ../data.key",
        input: None,
        source: None,
        set: there_already,
        state: merged,
        codes: &[1, 2, 10, 30],
        refuses_when_done: false,
        is_reader: false,
        keeps_what_is_done: false,
    },
    reader("verify", "verify ../a.bakpak --key-file ../data.key"),
    reader("list", "list ../a.bakpak --key-file ../data.key"),
    reader(
        "cat",
        "cat ../a.bakpak home/logs/one.log --key-file ../data.key",
    ),
    reader("inspect", "inspect ../a.bakpak"),
];

fn copy_archive(scene: &Scene) -> Result<()> {
    fs::copy(scene.path("a.bakpak"), scene.path("work/a.bakpak"))?;
    Ok(())
}

/// A verb that only reads.
const fn reader(name: &'static str, line: &'static str) -> Verb {
    Verb {
        name,
        line,
        input: None,
        source: None,
        set: |_| Ok(()),
        state: |scene| {
            let names = scene.names("")?;
            ensure!(names.is_empty(), "it made {names:?}");
            let (is_new, remains) = (true, Vec::new());
            Ok(State { is_new, remains })
        },
        codes: &[1, 2, 10, 30],
        refuses_when_done: false,
        is_reader: true,
        keeps_what_is_done: false,
    }
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

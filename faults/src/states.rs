//! In which state a verb left the scene: old, new, or an error.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::scene::Scene;
use crate::snapshot::Snapshot;
use crate::verbs::State;

/// What an archive must be that has its name.
#[derive(Clone, Copy)]
pub(crate) enum Whole {
    /// It verifies, whatever it holds.
    Verifies,
    /// And what comes out of it is what went in.
    HoldsTheSources,
    /// And it is what it was before it was damaged.
    IsTheOriginal,
}

/// Only the archive, or nothing, and temporary files.
pub(crate) fn archive_state(scene: &Scene, name: &str, whole: Whole) -> Result<State> {
    let temporary = format!(".{name}.bakpak-tmp-");
    let (mut is_new, mut remains) = (false, Vec::new());
    for found in scene.names("")? {
        if found == name {
            is_new = true;
        } else if found.starts_with(&temporary) {
            remains.push(found);
        } else if found != "home" {
            bail!("there is a '{found}'");
        }
    }
    if is_new {
        match whole {
            Whole::Verifies => {
                scene.succeeds(&format!("verify {name} --key-file ../data.key"))?;
            }
            Whole::HoldsTheSources => proves_whole(scene, &format!("work/{name}"))?,
            Whole::IsTheOriginal => {
                let written = fs::read(scene.path("work").join(name))?;
                let original = fs::read(scene.path("a.bakpak"))?;
                ensure!(
                    written == original,
                    "the mended archive is not the original"
                );
            }
        }
    }
    Ok(State { is_new, remains })
}

pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()? {
            kind if kind.is_dir() => copy_tree(&path, &to)?,
            kind if kind.is_file() => {
                fs::copy(&path, &to)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// It verifies, and what comes out of it is what went in.
fn proves_whole(scene: &Scene, archive: &str) -> Result<()> {
    scene.succeeds(&format!("verify ../{archive} --key-file ../data.key"))?;
    let check = scene.path("tmp/check");
    if check.exists() {
        fs::remove_dir_all(&check)?;
    }
    let unpack = format!("unpack ../{archive} --to ../tmp/check --key-file ../data.key");
    scene.succeeds(&unpack)?;
    let compared = scene
        .tree("home")?
        .same_tree(&scene.tree("tmp/check/home")?);
    fs::remove_dir_all(&check)?;
    compared.context("what the archive holds")
}

/// The archive is the original, or can be mended still: a copy of it proves that.
pub(crate) fn mended_in_place(scene: &Scene) -> Result<State> {
    let names = scene.names("")?;
    ensure!(names == ["a.bakpak"], "there is {names:?}");
    let remains = Vec::new();
    let original = fs::read(scene.path("a.bakpak"))?;
    let is_new = fs::read(scene.path("work/a.bakpak"))? == original;
    if !is_new {
        let copy = scene.path("tmp/copy.bakpak");
        fs::copy(scene.path("work/a.bakpak"), &copy)?;
        scene
            .succeeds("repair ../tmp/copy.bakpak -o ../tmp/mended.bakpak")
            .context("it is worse than it was")?;
        let mended = fs::read(scene.path("tmp/mended.bakpak"))?;
        fs::remove_file(&copy)?;
        fs::remove_file(scene.path("tmp/mended.bakpak"))?;
        ensure!(mended == original, "what can be mended is not the original");
    }
    Ok(State { is_new, remains })
}

/// The archive opens with these keys, and with no other; or with the one before, or is between the two.
/// Nothing but slot tables is another than it was, and B was written before A, and A before the copies.
pub(crate) fn slots_changed(scene: &Scene, keys: &[&str]) -> Result<State> {
    let names = scene.names("")?;
    ensure!(names == ["a.bakpak"], "there is {names:?}");
    let tables = changed_tables(scene)?;
    let [a, b, copies @ ..] = &tables[..] else {
        bail!("there are {} tables", tables.len());
    };
    ensure!(*b || !*a, "A was written before B");
    let are_written = copies.iter().any(|copy| *copy);
    ensure!(
        *a && *b || !are_written,
        "a copy was written before A and B"
    );
    let opens = |verb: &str, key: &str| {
        let ended = scene.plainly(&format!("{verb} a.bakpak --key-file ../{key}"), None)?;
        Ok::<_, anyhow::Error>(ended.code == Some(0))
    };
    let mut is_new = tables.iter().all(|table| *table);
    for key in ["data.key", "new.key"] {
        is_new = is_new && opens("verify", key)? == keys.contains(&key);
    }
    ensure!(
        opens("list", "data.key")? || opens("list", "new.key")? && !keys.contains(&"data.key"),
        "what opened it does so no more"
    );
    let remains = Vec::new();
    Ok(State { is_new, remains })
}

/// Which tables of the data's slots are others than they were, in the order of the file. All else is
/// what it was.
fn changed_tables(scene: &Scene) -> Result<Vec<bool>> {
    const SECTOR: usize = 4096;
    /// Sectors of a table, at most, since scenes have few keys.
    const AREA: usize = 4;
    let original = fs::read(scene.path("a.bakpak"))?;
    let changed = fs::read(scene.path("work/a.bakpak"))?;
    ensure!(original.len() == changed.len(), "it has another length");
    let (mut tables, mut begun) = (Vec::new(), 0);
    let sectors = original.chunks(SECTOR).zip(changed.chunks(SECTOR));
    for (number, (one, other)) in sectors.enumerate() {
        if one.starts_with(b"BPSD") {
            tables.push(false);
            begun = number;
        }
        if one != other {
            let table = tables.last_mut().filter(|_| number < begun + AREA);
            *table.with_context(|| format!("sector {number} differs"))? = true;
        }
    }
    Ok(tables)
}

/// Names of stages beside the target; anything else is none of ours.
fn stages(scene: &Scene, below: &str, known: &[&str]) -> Result<Vec<String>> {
    let mut stages = Vec::new();
    for name in scene.names(below)? {
        if name.starts_with(".bakpak-") {
            stages.push(name);
        } else if !known.contains(&name.as_str()) {
            bail!("there is a '{name}'");
        }
    }
    Ok(stages)
}

/// The target is not there, or is the tree.
pub(crate) fn new_target(scene: &Scene) -> Result<State> {
    let remains = stages(scene, "", &["out", "a.bakpak"])?;
    let is_new = scene.path("work/out").exists();
    if is_new {
        let names = scene.names("out")?;
        ensure!(names == ["home"], "the target holds {names:?}");
        let out = scene.tree("work/out/home")?;
        scene.tree("home")?.same_tree(&out).context("the target")?;
        same_directory(scene, "work/out/home")?;
    }
    Ok(State { is_new, remains })
}

/// The target is not there, or is the tree, or as much of it as could be read.
pub(crate) fn salvaged(scene: &Scene) -> Result<State> {
    let remains = stages(scene, "", &["out"])?;
    let is_new = scene.path("work/out").exists();
    if is_new {
        let report = fs::read_to_string(scene.path("work/out/salvage.jsonl"))?;
        let last = report.lines().last().unwrap_or_default();
        if last.contains(r#""verdict":"complete""#) {
            let out = scene.tree("work/out/home")?;
            scene.tree("home")?.same_tree(&out).context("the target")?;
        } else {
            ensure!(
                last.contains(r#""verdict":"partial""#),
                "there is no verdict"
            );
            nothing_is_made_up(scene)?;
        }
    }
    Ok(State { is_new, remains })
}

/// What stands where it belongs is whole.
fn nothing_is_made_up(scene: &Scene) -> Result<()> {
    let names = scene.names("out")?;
    let known = ["damaged", "home", "salvage.jsonl"];
    ensure!(
        names.iter().all(|name| known.contains(&name.as_str())),
        "{names:?}"
    );
    if !names.iter().any(|name| name == "home") {
        return Ok(());
    }
    let (home, out) = (scene.tree("home")?, scene.tree("work/out/home")?);
    for path in out.paths() {
        let content = |tree: &Snapshot| {
            let thing = tree.thing(path);
            thing.and_then(|thing| thing.bytes().map(<[u8]>::to_vec))
        };
        ensure!(
            content(&home) == content(&out),
            "{} differs",
            path.display()
        );
    }
    Ok(())
}

/// The top directory itself, of which trees tell nothing.
fn same_directory(scene: &Scene, name: &str) -> Result<()> {
    let (one, other) = (scene.path("home").metadata()?, scene.path(name).metadata()?);
    ensure!(
        one.modified()? == other.modified()?,
        "{name} has another time"
    );
    ensure!(
        one.permissions() == other.permissions(),
        "{name} has another mode"
    );
    Ok(())
}

/// What is in the target before: something of a name in the archive, and something of none.
const OLD: &[(&str, &str)] = &[
    ("mine.txt", "mine"),
    ("home/notes.txt", "my own notes"),
    ("home/mine.txt", "mine too"),
];

pub(crate) fn there_already(scene: &Scene) -> Result<()> {
    for (name, content) in OLD {
        let path = scene.path("work/out").join(name);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// Each old file is in its place, or aside, in every state.
fn nothing_old_is_lost(scene: &Scene, out: &Snapshot) -> Result<()> {
    let holds = |path: &Path, content: &str| {
        let thing = out.thing(path);
        thing.and_then(|thing| thing.bytes()) == Some(content.as_bytes())
    };
    let asides = scene.names("out")?;
    let asides = asides
        .iter()
        .filter(|name| name.starts_with(".bakpak-replaced-"));
    let asides: Vec<_> = asides.collect();
    for (name, content) in OLD {
        let is_aside = asides
            .iter()
            .any(|aside| holds(&Path::new(aside).join(name), content));
        ensure!(
            holds(Path::new(name), content) || is_aside,
            "'{name}' is lost"
        );
    }
    Ok(())
}

/// The archive's tree and the old files that it does not name, the others aside.
pub(crate) fn replaced(scene: &Scene) -> Result<State> {
    let mut remains = stages(scene, "out", &["home", "mine.txt"])?;
    ensure!(scene.names("")? == ["out"], "there is more than the target");
    remains.retain(|name| !name.starts_with(".bakpak-replaced-"));
    nothing_old_is_lost(scene, &scene.tree("work/out")?)?;
    let here = Snapshot::of(&scene.path("work/out/home"), &|path| {
        path == Path::new("mine.txt")
    })?;
    let same = scene.tree("home")?.same_tree(&here);
    let is_new = same.is_ok() && same_directory(scene, "work/out/home").is_ok();
    Ok(State { is_new, remains })
}

/// The old files in their places, and what was not there.
pub(crate) fn merged(scene: &Scene) -> Result<State> {
    let remains = stages(scene, "out", &["home", "mine.txt"])?;
    ensure!(scene.names("")? == ["out"], "there is more than the target");
    for (name, content) in OLD {
        let found = fs::read(scene.path("work/out").join(name))?;
        ensure!(found == content.as_bytes(), "'{name}' is another one");
    }
    let out = scene.tree("work/out/home")?;
    let home = scene.tree("home")?;
    let is_new = home.paths().all(|path| out.thing(path).is_some());
    if is_new {
        for path in home.paths().filter(|path| *path != Path::new("notes.txt")) {
            let content = |tree: &Snapshot| {
                let thing = tree.thing(path);
                thing.and_then(|thing| thing.bytes().map(<[u8]>::to_vec))
            };
            ensure!(
                content(&home) == content(&out),
                "{} differs",
                path.display()
            );
        }
    }
    Ok(State { is_new, remains })
}

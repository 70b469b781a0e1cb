//! The T-SQL scripts of a plan, written into a directory that has none yet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use recovery::finding::quoted;
use recovery::order::{Files, NoOrder, OrderOptions, order};
use recovery::plan::Plan;
use recovery::sql::{Existing, OrderError, PathStyle, Script, scripts};

use super::Origin;
use crate::args::{RESTORE_LINUX, RESTORE_WINDOWS, ScriptOptions, Target};
use crate::exit::{Exit, Failure};
use crate::output;

/// The scripts that were written, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) paths: Vec<PathBuf>,
    /// What to know before they are run.
    pub(super) notes: Vec<String>,
}

/// Writes the scripts of a plan, if they are wanted and it has steps.
///
/// # Errors
///
/// - There are scripts already (31).
/// - A path or name is nothing that the target can have, or is missing (2).
/// - They cannot be written.
pub(super) fn write(
    plan: &Plan,
    options: &ScriptOptions,
    origin: &Origin,
) -> anyhow::Result<Written> {
    let Some(directory) = options.sql.as_ref().filter(|_| plan.is_possible()) else {
        return Ok(Written::default());
    };
    let (plan, options, notes) = with_places(plan, options, origin)?;
    let order = order(&plan, &options).map_err(no_order)?;
    let scripts = scripts(&order).map_err(|error| refused(&error))?;
    let mut written = Written {
        paths: write_all(directory, &scripts)?,
        notes,
    };
    for script in &scripts {
        for name in &script.placeholders {
            let text = format!(
                "fill in {{{{{name}}}}} in {}.sql before it is run",
                script.name
            );
            written.notes.push(text);
        }
    }
    Ok(written)
}

/// Writes scripts into a directory that has none yet, and makes it if need be.
///
/// # Errors
///
/// - There are scripts already (31).
/// - They cannot be written.
pub(crate) fn write_all(directory: &Path, scripts: &[Script]) -> anyhow::Result<Vec<PathBuf>> {
    refuse_others(directory)?;
    let context = || format!("cannot write scripts into {}", output::quoted(directory));
    fs::create_dir_all(directory).with_context(context)?;
    let mut paths = Vec::new();
    for script in scripts {
        let path = directory.join(format!("{}.sql", script.name));
        if let Err(error) = write_one(&path, &script.text) {
            // Half of them would look as if they were all.
            for path in &paths {
                let _ = fs::remove_file(path);
            }
            return Err(error).with_context(context);
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Never over one that came meanwhile.
fn write_one(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = File::create_new(path);
    let mut file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => already_there(path).into(),
        _ => anyhow::Error::new(error),
    })?;
    let written = file.write_all(text.as_bytes());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    Ok(written?)
}

/// The plan with the paths that its files will have on the target, what the order needs, and what
/// to know of the places.
fn with_places(
    plan: &Plan,
    options: &ScriptOptions,
    origin: &Origin,
) -> anyhow::Result<(Plan, OrderOptions, Vec<String>)> {
    let style = match options.target {
        Some(Target::Windows) => PathStyle::Windows,
        Some(Target::Linux) => PathStyle::Linux,
        None => style_of(plan),
    };
    let mut plan = plan.clone();
    let mut notes = Vec::new();
    let files = match (origin, &options.restore_from) {
        (Origin::Archive(_), Some(folder)) => Files::Unpacked(folder.clone()),
        (Origin::Archive(path), None) => {
            let folder = usual_folder(style);
            notes.push(format!(
                "the scripts restore from {folder} on the SQL Server: `bakpak unpack {} --to \
                 {folder} --only sql` unpacks to there; --restore-from says another folder",
                output::quoted(path)
            ));
            Files::Unpacked(folder.to_owned())
        }
        (Origin::Files, folder) => {
            let mut places = Places::default();
            for file in plan.steps.iter_mut().flat_map(|step| &mut step.files) {
                *file = match folder {
                    Some(folder) => places.below(style, folder, file)?,
                    None => in_place(file)?,
                };
            }
            Files::InPlace
        }
    };
    let mut made_from = vec![format!("bakpak {}", env!("CARGO_PKG_VERSION"))];
    if let Origin::Archive(path) = origin {
        made_from.push(path.to_string_lossy().into_owned());
    }
    made_from.extend(plan.at.map(|at| format!("the state of {at}")));
    let order = OrderOptions {
        files,
        move_data: options.move_data.clone(),
        move_log: options.move_log.clone(),
        existing: match options.replace {
            true => Existing::Replace,
            false => Existing::Refuse,
        },
        made_from,
        ..OrderOptions::new(style, "")
    };
    Ok((plan, order, notes))
}

/// Where an archive is unpacked to, if nothing else is said: as in a runbook.
fn usual_folder(style: PathStyle) -> &'static str {
    match style {
        PathStyle::Windows => RESTORE_WINDOWS,
        PathStyle::Linux => RESTORE_LINUX,
    }
}

/// That of the old server.
fn style_of(plan: &Plan) -> PathStyle {
    let mut files = plan.steps.iter().flat_map(|step| &step.set.files);
    match files
        .next()
        .is_some_and(|file| file.physical_name.starts_with('/'))
    {
        true => PathStyle::Linux,
        false => PathStyle::Windows,
    }
}

fn in_place(file: &str) -> anyhow::Result<String> {
    let path = std::path::absolute(file);
    let path = path.with_context(|| format!("cannot tell where {} is", quoted(file)))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Places in one folder, each for one file.
#[derive(Default)]
struct Places {
    /// By the name in the folder, the file it is of.
    taken: std::collections::BTreeMap<String, String>,
}

impl Places {
    fn below(&mut self, style: PathStyle, folder: &str, file: &str) -> Result<String, Failure> {
        let name = Path::new(file).file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let place = style.join(folder, &name);
        // Windows does not tell A.bak from a.bak.
        let key = match style {
            PathStyle::Windows => place.to_lowercase(),
            PathStyle::Linux => place.clone(),
        };
        let other = self.taken.entry(key).or_insert_with(|| file.to_owned());
        match other == file {
            true => Ok(place),
            false => Err(Failure::usage(format!(
                "{} and {} cannot both lie in one folder under that name",
                quoted(other),
                quoted(file)
            ))
            .hint("rename one of them")),
        }
    }
}

/// Scripts of another plan would be run among these.
fn refuse_others(directory: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries,
    };
    let context = || format!("cannot list {}", output::quoted(directory));
    for entry in entries.with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_script(&name.to_lowercase()) {
            return Err(already_there(&path).into());
        }
    }
    Ok(())
}

/// `04-restore.sql`.
fn is_script(name: &str) -> bool {
    let mut first = name.chars();
    let is_numbered = first.by_ref().take(2).all(|c| c.is_ascii_digit());
    is_numbered && first.next() == Some('-') && name.ends_with(".sql")
}

fn already_there(path: &Path) -> Failure {
    let text = format!(
        "{} is already there: nothing was written over it",
        output::quoted(path)
    );
    Failure::new(Exit::WOULD_OVERWRITE, text).hint("name a directory that is not there yet")
}

/// A plan that gives no order, as what to do about it.
pub(crate) fn no_order(error: NoOrder) -> Failure {
    let text = error.to_string();
    match error {
        NoOrder::NoFolder { .. } => Failure::usage(text).hint("give --move-data FOLDER"),
        NoOrder::NotPossible | NoOrder::NoFileList { .. } => Failure::new(Exit::INCOMPLETE, text),
        _ => Failure::usage(text),
    }
}

/// An order that gives no scripts, likewise.
pub(crate) fn refused(error: &OrderError) -> Failure {
    let failure = Failure::usage(format!("no scripts are written: {error}"));
    match error {
        OrderError::NoPath { .. } => failure
            .hint("--restore-from FOLDER says where the backup files lie on the SQL Server")
            .hint("--target windows or --target linux says how paths are written there"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_do_not_meet_in_one_folder() {
        let mut places = Places::default();
        let mut below = |style, file| places.below(style, "D:\\restore\\", file);
        let windows = PathStyle::Windows;
        assert_eq!(below(windows, "one/a.bak").unwrap(), "D:\\restore\\a.bak");
        assert_eq!(below(windows, "one/a.bak").unwrap(), "D:\\restore\\a.bak");
        assert_eq!(below(windows, "two/A.bak").unwrap_err().exit(), Exit::USAGE);
        assert!(below(PathStyle::Linux, "two/A.bak").is_ok());
    }

    #[test]
    fn scripts_are_known_by_their_names() {
        for name in ["04-restore.sql", "00-x.sql"] {
            assert!(is_script(name), "{name}");
        }
        for name in [
            "4-restore.sql",
            "restore.sql",
            "04-restore.txt",
            "04",
            "",
            "ab-c.sql",
        ] {
            assert!(!is_script(name), "{name}");
        }
    }
}

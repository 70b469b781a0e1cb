//! Gets the programs of the contestants, or says why they cannot be had.

use super::contestants::{Contestant, Program as Need};
use super::pipeline::TIME;
use crate::debian;
use crate::program::{Program, TOOLS, is_installed};
use anyhow::{Result, bail};
use std::path::Path;

/// A rival that does not take part, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub contestant: String,
    /// Why.
    pub reason: String,
}

/// Installs what is missing, if it may; returns who can take part and who cannot.
///
/// # Errors
///
/// That nothing can be measured at all.
pub fn get(
    root: &Path,
    contestants: &[&'static Contestant],
    may_install: bool,
) -> Result<(Vec<&'static Contestant>, Vec<Missing>)> {
    if may_install {
        install_debian(root, contestants);
    }
    if !Path::new(TIME).exists() {
        bail!("{TIME} is missing: sudo apt-get install time");
    }
    let (mut ready, mut missing) = (Vec::new(), Vec::new());
    for &contestant in contestants {
        let reason = contestant
            .programs
            .iter()
            .find_map(|need| why_not(root, need, may_install));
        match reason {
            None => ready.push(contestant),
            Some(reason) => missing.push(Missing {
                contestant: contestant.name.to_owned(),
                reason,
            }),
        }
    }
    Ok((ready, missing))
}

/// All at once: apt-get is slow to start. What it does not bring is named later.
fn install_debian(root: &Path, contestants: &[&'static Contestant]) {
    let needs: Vec<&Need> = contestants
        .iter()
        .flat_map(|contestant| contestant.programs.iter().copied())
        .collect();
    let packages = needs.iter().filter_map(|need| match need {
        Need::Debian(package) => Some(package),
        Need::Cargo { .. } => None,
    });
    let mut names = debian::missing(packages);
    if !Path::new(TIME).exists() {
        names.push("time");
    }
    for need in needs {
        if let Need::Cargo { needs, .. } = need
            && !is_there(root, need)
        {
            names.extend(*needs);
        }
    }
    names.sort_unstable();
    names.dedup();
    if let Err(error) = debian::install(root, &names) {
        println!("{error:#}");
    }
}

/// Why a program cannot be had; `None` if it is there, or now is.
fn why_not(root: &Path, need: &Need, may_install: bool) -> Option<String> {
    if is_there(root, need) {
        return None;
    }
    match need {
        Need::Debian(package) => Some(format!(
            "the Debian package {} is not installed",
            package.debian
        )),
        Need::Cargo {
            crate_name,
            version,
            ..
        } if !may_install => Some(format!("{crate_name} {version} is not installed")),
        Need::Cargo {
            crate_name,
            version,
            arguments,
            ..
        } => {
            let line = format!(
                "cargo install --locked {crate_name} --version {version} --root {TOOLS} {arguments}"
            );
            let built = Program::line(root, &line).run();
            match is_there(root, need) {
                true => None,
                false => Some(match built {
                    Ok(()) => format!("{crate_name} {version} was installed without its program"),
                    Err(error) => format!("{crate_name} {version} cannot be installed: {error:#}"),
                }),
            }
        }
    }
}

fn is_there(root: &Path, need: &Need) -> bool {
    match need {
        Need::Debian(package) => is_installed(package.program),
        Need::Cargo {
            crate_name,
            version,
            program,
            ..
        } => {
            let installed = Program::line(root, &format!("cargo install --list --root {TOOLS}"))
                .output()
                .unwrap_or_default();
            let wanted = format!("{crate_name} v{version}:");
            installed.lines().any(|line| line.trim_end() == wanted)
                && root.join(TOOLS).join("bin").join(program).is_file()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::contestants::CONTESTANTS;
    use crate::needs;

    #[test]
    fn nobody_gets_lost() {
        if !needs::has_program(TIME) {
            return;
        }
        let all: Vec<&Contestant> = CONTESTANTS.iter().collect();
        let (ready, missing) = get(&crate::root(), &all, false).expect("time is there");
        assert_eq!(ready.len() + missing.len(), CONTESTANTS.len());
        assert!(ready.iter().any(|contestant| contestant.name == "bakpak"));
    }
}

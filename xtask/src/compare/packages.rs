//! Many consecutive versions of real packages, pinned in `benches/packages.txt`.

use super::pipeline::Place;
use crate::program::Program;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which packages, in pip's format.
const PINNED: &str = "benches/packages.txt";

/// Where they are kept once they are downloaded.
const CACHE: &str = "target/compare/packages";

/// The same files on each machine, whatever Python it has.
const PIP: &str = "python3 -m pip download --quiet --disable-pip-version-check --no-deps \
                   --require-hashes --only-binary=:all: --platform manylinux2014_x86_64 \
                   --implementation cp --python-version 3.12";

/// A package in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pinned {
    name: String,
    version: String,
    sha256: String,
}

/// The packages of the workload.
pub enum Packages {
    /// Real ones: what each is called, and where it lies.
    Real(Vec<(String, PathBuf)>),
    /// Made by a program.
    Synthetic,
}

impl Packages {
    /// Downloads what is not there yet, and checks all of it.
    ///
    /// # Errors
    ///
    /// That something cannot be downloaded, with a hint.
    pub fn download(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(PINNED)).context(PINNED)?;
        let pinned = parse(&text)?;
        let cache = root.join(CACHE);
        fs::create_dir_all(&cache).with_context(|| format!("making {CACHE}"))?;
        let mut there = hashes(root, &cache)?;
        let missing: Vec<&Pinned> = pinned
            .iter()
            .filter(|package| !there.contains_key(&package.sha256))
            .collect();
        if !missing.is_empty() {
            println!("{} packages are downloaded to {CACHE}", missing.len());
            fetch(root, &cache, &missing).context(
                "no packages could be downloaded; without a network there is --synthetic-packages",
            )?;
            there = hashes(root, &cache)?;
        }
        let located = pinned.iter().map(|package| {
            let path = there.get(&package.sha256).with_context(|| {
                format!("{}=={} was not downloaded", package.name, package.version)
            })?;
            Ok((package.place(path), path.clone()))
        });
        Ok(Self::Real(located.collect::<Result<_>>()?))
    }

    /// Puts them into a new folder; made ones are `len` bytes in all.
    ///
    /// # Errors
    ///
    /// Files that cannot be written.
    pub fn put(&self, place: &Place, folder: &str, len: u64) -> Result<()> {
        let Self::Real(packages) = self else {
            return place.run(&format!("make-workload packages {folder} {len}"));
        };
        for (name, from) in packages {
            let to = place.folder().join(folder).join(name);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).context("making a folder for packages")?;
            }
            fs::copy(from, &to).with_context(|| format!("copying {name}"))?;
        }
        Ok(())
    }

    /// What they are, in words.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Real(packages) => {
                let folders: BTreeSet<_> = packages
                    .iter()
                    .filter_map(|(name, _)| name.split('/').next())
                    .collect();
                format!(
                    "{} packages, consecutive versions of {} projects ({PINNED})",
                    packages.len(),
                    folders.len()
                )
            }
            Self::Synthetic => "synthetic packages".to_owned(),
        }
    }
}

impl Pinned {
    /// Where a feed keeps it: versions of a package side by side.
    fn place(&self, file: &Path) -> String {
        let Self { name, version, .. } = self;
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        format!("{name}/{name}.{version}.{extension}")
    }

    fn line(&self) -> String {
        let Self {
            name,
            version,
            sha256,
        } = self;
        format!("{name}=={version} --hash=sha256:{sha256}\n")
    }
}

fn parse(text: &str) -> Result<Vec<Pinned>> {
    let lines = text.lines().map(str::trim);
    let pinned: Result<Vec<Pinned>> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let parts = line.split_once("==").and_then(|(name, rest)| {
                let (version, sha256) = rest.split_once(" --hash=sha256:")?;
                Some((name.trim(), version.trim(), sha256.trim()))
            });
            let (name, version, sha256) =
                parts.with_context(|| format!("{PINNED}: no version and hash in '{line}'"))?;
            Ok(Pinned {
                name: name.to_owned(),
                version: version.to_owned(),
                sha256: sha256.to_owned(),
            })
        })
        .collect();
    match pinned?.as_slice() {
        [] => bail!("{PINNED} names no package"),
        pinned => Ok(pinned.to_vec()),
    }
}

/// The files of the cache by their SHA-256: names say nothing, what is cut or changed is not there.
fn hashes(root: &Path, cache: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let output = Program::line(root, "find")
        .arg(cache)
        .args("-type f -exec sha256sum {} +")
        .output()
        .with_context(|| format!("hashing the files of {CACHE}"))?;
    for line in output.lines() {
        if let Some((hash, path)) = line.split_once("  ") {
            found.insert(hash.to_owned(), PathBuf::from(path));
        }
    }
    Ok(found)
}

/// pip takes one version of a project a call: the first missing of each, then the second.
fn fetch(root: &Path, cache: &Path, missing: &[&Pinned]) -> Result<()> {
    for round in rounds(missing) {
        let list = cache.join("../round.txt");
        let lines: String = round.iter().map(|package| package.line()).collect();
        fs::write(&list, lines).context("writing pip's list")?;
        Program::line(root, PIP)
            .arg("-d")
            .arg(cache)
            .arg("-r")
            .arg(&list)
            .run()?;
    }
    Ok(())
}

fn rounds<'a>(packages: &[&'a Pinned]) -> Vec<Vec<&'a Pinned>> {
    let mut rounds: Vec<Vec<&Pinned>> = Vec::new();
    for package in packages {
        let is_free =
            |round: &&mut Vec<&Pinned>| !round.iter().any(|other| other.name == package.name);
        match rounds.iter_mut().find(is_free) {
            Some(round) => round.push(package),
            None => rounds.push(vec![package]),
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# why
a==1.0 --hash=sha256:00
a==1.1 --hash=sha256:01

b==2 --hash=sha256:02
";

    #[test]
    fn a_list_is_read_and_written_in_the_format_of_pip() {
        let pinned = parse(LIST).expect("a good list");
        let lines: String = pinned.iter().map(Pinned::line).collect();
        assert_eq!(lines, LIST.replace("# why\n", "").replace("\n\n", "\n"));
        assert_eq!(pinned[1].place(Path::new("x/a-1.1.whl")), "a/a.1.1.whl");
    }

    #[test]
    fn what_is_not_pinned_is_refused() {
        assert!(parse("a==1.0\n").is_err());
        assert!(parse("# nothing\n").is_err());
    }

    #[test]
    fn a_round_has_each_project_once() {
        let pinned = parse(LIST).expect("a good list");
        let all: Vec<&Pinned> = pinned.iter().collect();
        let lens: Vec<usize> = rounds(&all).iter().map(Vec::len).collect();
        assert_eq!(lens, [2, 1]);
    }

    #[test]
    fn the_list_of_the_repository_is_a_good_one() {
        let text = fs::read_to_string(crate::root().join(PINNED)).expect("it is there");
        let pinned = parse(&text).expect("a good list");
        assert!(pinned.iter().all(|package| package.sha256.len() == 64));
    }
}

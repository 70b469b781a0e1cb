//! What an archive holds beside backups: homes, attachments, certificates; told by its rows alone.
//!
//! Rows go by one at a time: a home of ten million files takes no more memory than one of ten.

use std::collections::BTreeMap;

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use recovery::catalogue::Catalogue;
use recovery::finding::{Finding, quoted};
use recovery::octopus::{Folder, Home, HomeEntry, HomeFinding, Role};
use recovery::rules::Rule;
use recovery::runbook::facts::{OtherBackup, Part};

use super::certificates::{self, Pair};
use crate::verify::backups::may_be_certificate;

/// How many homes are told apart, and how many entries in the top of each.
const MAX_NAMES: usize = 1000;
/// How many files are read that may be certificates or keys.
const MAX_CERTIFICATE_FILES: usize = 1000;

/// What an archive holds beside backups.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// `home` itself, and what lies in its top.
    home: Root,
    /// Each directory in it as a home of its own: `home/NAME`.
    named: BTreeMap<String, Root>,
    attachments: Count,
    /// Lengths of the files that SQL Server's backups are in.
    backups: BTreeMap<String, u64>,
    pub(super) certificates: Vec<Pair>,
    /// Names that were too many to be told apart.
    is_cut: bool,
}

/// A directory that may be the home of an Octopus Server.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// Its path in the archive.
    path: String,
    home: Home,
    /// What lies in its top.
    tops: BTreeMap<String, Count>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    files: u64,
    len: u64,
}

impl Contents {
    /// Goes through all rows.
    ///
    /// # Errors
    ///
    /// The archive is damaged.
    pub(super) fn read(archive: &mut Archive, catalogue: &Catalogue) -> anyhow::Result<Self> {
        let backups = catalogue.databases.iter().flat_map(|one| &one.backups);
        let files =
            backups.flat_map(|backup| backup.stripes.iter().map(|one| one.place.file.clone()));
        let mut contents = Self {
            home: Root::new("home"),
            backups: files.map(|name| (name, 0)).collect(),
            ..Self::default()
        };
        let mut certificates = Vec::new();
        for row in archive.rows() {
            let row = row.context("cannot read the list of entries")?;
            contents.take(&row);
            let is_readable = !row.flags.contains(RowFlags::UNREADABLE);
            if is_readable && may_be_certificate(&row) && certificates.len() < MAX_CERTIFICATE_FILES
            {
                certificates.push(row);
            }
        }
        contents.certificates = certificates::pairs(archive, &certificates)?;
        Ok(contents)
    }

    fn take(&mut self, row: &Row) {
        let path = String::from_utf8_lossy(row.path.as_bytes());
        let entry = HomeEntry {
            path: &path,
            len: row.size,
            is_dir: row.kind == RowKind::Directory,
        };
        if let Some(below) = path.strip_prefix("home/") {
            let entry = HomeEntry {
                path: below,
                ..entry
            };
            self.is_cut |= !self.home.add(&entry);
            let (name, below) = below.split_once('/').unwrap_or((below, ""));
            if !below.is_empty() && (self.named.len() < MAX_NAMES || self.named.contains_key(name))
            {
                let new = || Root::new(&format!("home/{name}"));
                let root = self.named.entry(name.to_owned()).or_insert_with(new);
                self.is_cut |= !root.add(&HomeEntry {
                    path: below,
                    ..entry
                });
            }
        } else if path.starts_with("attachments/") && !entry.is_dir {
            self.attachments.add(&entry);
        }
        if let Some(len) = self.backups.get_mut(&row.path.to_string()) {
            *len = row.size;
        }
    }

    /// The home of an Octopus Server. Of several the first one.
    pub(super) fn octopus(&self) -> Option<&Root> {
        self.octopuses().next()
    }

    fn octopuses(&self) -> impl Iterator<Item = &Root> {
        // The folders of one server, each packed by its name, make up `home` itself.
        let whole = Some(&self.home).filter(|root| root.home.is_octopus());
        let named = self.named.values().filter(|root| root.home.is_octopus());
        whole.into_iter().chain(named)
    }

    /// The files in which backups are, by their paths: how long they are together.
    pub(super) fn len_of<'a>(&self, files: impl Iterator<Item = &'a String>) -> u64 {
        let lens = files.filter_map(|file| self.backups.get(file));
        lens.fold(0, |sum, len| sum.saturating_add(*len))
    }

    /// Everything of the homes that is not among Octopus' folders and must not be left out.
    pub(super) fn homes(&self) -> Vec<Part> {
        let Some(octopus) = self.octopus() else {
            let all = self.home.tops.values().fold(Count::default(), Count::plus);
            let is_there = !self.home.tops.is_empty();
            return is_there
                .then(|| all.part("home".to_owned()))
                .into_iter()
                .collect();
        };
        let mut parts = octopus.others();
        if octopus.path != self.home.path {
            let tops = self.home.tops.iter();
            let others = tops.map(|(name, count)| count.part(format!("home/{name}")));
            parts.extend(others.filter(|part| part.path != octopus.path));
        }
        parts
    }

    /// All attachments, unless each of them is restored in another way.
    pub(super) fn attachments(&self, others: &[OtherBackup]) -> Option<Part> {
        let is_attached = |path: &String| path.starts_with("attachments/");
        let restored = others.iter().map(|other| &other.path);
        let restored = restored
            .chain(self.backups.keys())
            .filter(|path| is_attached(path));
        let certificates = self.certificates.iter();
        let used = certificates.flat_map(|pair| [&pair.certificate, &pair.private_key]);
        let known = restored.count() + used.filter(|path| is_attached(path)).count();
        let is_more = self.attachments.files > known as u64;
        is_more.then(|| self.attachments.part("attachments".to_owned()))
    }

    /// What is wrong with the home of Octopus; without one, what of Octopus lies in the clear.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let root = self.octopus().unwrap_or(&self.home);
        let found = root.home.findings().into_iter();
        found.filter_map(|finding| root.finding(&finding)).collect()
    }

    /// What else is to be known.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let names: Vec<String> = self.octopuses().map(|root| quoted(&root.path)).collect();
        if let [first, _, ..] = names.as_slice() {
            notes.push(format!(
                "There are several homes of Octopus: {}. This runbook restores {first} into \
                 place; look what of the others belongs to it.",
                names.join(", ")
            ));
        }
        if self.is_cut {
            notes.push(format!(
                "A home has more than {MAX_NAMES} entries in its top; not all are named here. \
                 bakpak list shows all."
            ));
        }
        notes
    }
}

impl Root {
    fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// False if its top has too many entries to count them one by one.
    fn add(&mut self, entry: &HomeEntry<'_>) -> bool {
        self.home.add(entry);
        let name = entry.path.split('/').next().unwrap_or_default();
        if self.tops.len() >= MAX_NAMES && !self.tops.contains_key(name) {
            return false;
        }
        let count = self.tops.entry(name.to_owned()).or_default();
        if !entry.is_dir {
            count.add(entry);
        }
        true
    }

    /// The folders that belong to Octopus' database, each once.
    pub(super) fn folders(&self) -> Vec<(Folder, Part)> {
        let found = Folder::ALL.into_iter();
        found
            .filter_map(|folder| Some((folder, self.folder(folder)?)))
            .collect()
    }

    /// Where a folder has two names, as on Windows and in a container, the fuller one.
    fn folder(&self, folder: Folder) -> Option<Part> {
        let tops = self.home.amount(folder).tops.iter();
        let parts = tops.filter_map(|top| Some(self.tops.get(top)?.part(self.below(top))));
        parts.max_by_key(|part| (part.file_count, part.len))
    }

    pub(super) fn not_to_restore(&self) -> Vec<String> {
        let found = self.home.findings().into_iter();
        let live = found.filter(|finding| finding.rule == "BP106");
        live.filter_map(|finding| Some(self.below(&finding.path?)))
            .collect()
    }

    /// What lies in its top and may be needed: neither made anew by Octopus nor bound to a machine.
    fn others(&self) -> Vec<Part> {
        let taken: Vec<String> = self
            .folders()
            .into_iter()
            .map(|(_, part)| part.path)
            .collect();
        let needed = self.tops.iter().filter(|(name, _)| {
            matches!(
                Role::of(name),
                Role::Other | Role::Optional | Role::Needed(_)
            )
        });
        let parts = needed.map(|(name, count)| count.part(self.below(name)));
        parts
            .filter(|part| part.file_count > 0 && !taken.contains(&part.path))
            .collect()
    }

    fn finding(&self, finding: &HomeFinding) -> Option<Finding> {
        let rule = Rule::find(finding.rule)?;
        // The message of a missing folder begins with its name.
        let is_path = finding
            .path
            .as_deref()
            .filter(|path| !finding.message.starts_with(*path));
        let place = is_path.map(|path| format!("{}: ", quoted(&self.below(path))));
        let message = format!("{}{}", place.unwrap_or_default(), finding.message);
        Some(Finding::new(rule, message))
    }

    fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.path)
    }
}

impl Count {
    fn add(&mut self, entry: &HomeEntry<'_>) {
        self.files += 1;
        self.len = self.len.saturating_add(entry.len);
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            len: self.len.saturating_add(other.len),
        }
    }

    fn part(self, path: String) -> Part {
        Part {
            path,
            file_count: self.files,
            len: self.len,
        }
    }
}

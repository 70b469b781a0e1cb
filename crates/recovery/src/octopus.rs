//! The home directory of an Octopus Server: what must be in it, and what must not be restored.
//!
//! Works on a list of paths, so that it can look at a directory before it is packed and at an
//! archive alike. When database and files were captured is a matter of [`capture`].

use std::fmt;

pub mod capture;
#[cfg(test)]
mod tests;

/// How many paths a list of this module holds at most; the others are counted only.
pub const MAX_PATHS: usize = 100;

/// A folder whose content belongs to the database beside it, or might.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// `TaskLogs`: the logs of deployments and other tasks.
    TaskLogs,
    /// `Artifacts`: what deployments collected, and the images of projects and tenants.
    Artifacts,
    /// `Packages` (`repository` in a container): the built-in feed.
    Packages,
    /// `EventExports`: the archived audit log, since 2023.3.
    EventExports,
}

/// What a path of a home directory is for, and so whether to pack and restore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The database refers to it.
    Needed(Folder),
    /// Nobody needs it for a restore, but it may help: server logs, imports, telemetry.
    Optional,
    /// Octopus makes it again: caches and scratch.
    Cache,
    /// Left there by Octopus 2.6 and before; it can be deleted.
    Leftover,
    /// Bound to the machine, or a secret in the clear: must not be restored into place.
    NotToRestore(&'static str),
    /// Hidden folder of Windows' file replication, which is no content.
    Replication,
    /// Anything else, which is packed.
    Other,
}

/// A path of a home directory, relative to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeEntry<'a> {
    /// The path, with slashes of either kind.
    pub path: &'a str,
    /// Its length in bytes; of no meaning for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A finding about a home directory, or about when it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeFinding {
    /// The rule, by its id.
    pub rule: &'static str,
    /// The path that it is about.
    pub path: Option<String>,
    /// What is so, in one plain line.
    pub message: String,
}

/// How much there is of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Whether it is there at all, be it as an empty directory.
    pub is_present: bool,
    /// How many files.
    pub file_count: u64,
    /// Their length in bytes.
    pub len: u64,
    /// What they lie in: the topmost folders, up to [`MAX_PATHS`] of them.
    pub tops: Vec<String>,
}

/// What a home directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    needed: [Amount; Folder::ALL.len()],
    /// Caches and scratch, which need not be packed.
    pub caches: Amount,
    /// What can be deleted.
    pub leftovers: Amount,
    /// Folders of Windows' file replication, which must not be packed.
    pub replication: Amount,
    not_to_restore: Vec<(String, &'static str)>,
}

/// Top folders of the home directory; those of a container are mounts of another name.
const TOPS: [(&str, Role); 18] = [
    ("tasklogs", Role::Needed(Folder::TaskLogs)),
    ("artifacts", Role::Needed(Folder::Artifacts)),
    ("packages", Role::Needed(Folder::Packages)),
    ("repository", Role::Needed(Folder::Packages)),
    ("eventexports", Role::Needed(Folder::EventExports)),
    ("imports", Role::Optional),
    ("telemetry", Role::Optional),
    ("logs", Role::Optional),
    ("diagnostics", Role::Optional),
    ("work", Role::Cache),
    ("cache", Role::Cache),
    ("octopusserver/packagecache", Role::Cache),
    ("backup", Role::Leftover),
    ("ravendb", Role::Leftover),
    ("octopusserver/activitylogs", Role::Leftover),
    ("octopusserver/actors", Role::Leftover),
    ("octopusserver/repository", Role::Leftover),
    ("dfsrprivate", Role::Replication),
];

const LIVE_CONFIG: &str = "the live configuration: its master key is bound to the old machine, and \
     the connection string in it has its password in the clear";
const CLEAR_KEY: &str =
    "a master key in the clear: it belongs in the envelope, not among the files";
const MACHINE_KEY: &str = "the key of the old machine, in the clear: it opens the master key";

impl Folder {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::TaskLogs,
        Self::Artifacts,
        Self::Packages,
        Self::EventExports,
    ];

    /// Its name on Windows, where it is below the home directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskLogs => "TaskLogs",
            Self::Artifacts => "Artifacts",
            Self::Packages => "Packages",
            Self::EventExports => "EventExports",
        }
    }

    /// What is missing in Octopus without it.
    fn loss(self) -> &'static str {
        match self {
            Self::TaskLogs => "deployments and tasks would show no log",
            Self::Artifacts => "artifacts could not be downloaded, and logos would be broken",
            Self::Packages => {
                "packages of the built-in feed would vanish from it and from releases"
            }
            Self::EventExports => "the archived audit log (since 2023.3) would be gone",
        }
    }
}

impl Role {
    /// What a path is for; it is relative to the home directory, with slashes of either kind.
    ///
    /// Names are compared without regard to case, as on Windows.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let path = normal(path);
        let mut parts = path.split('/');
        let name = parts.next_back().unwrap_or_default();
        if path.split('/').any(|part| part == "dfsrprivate") {
            return Self::Replication;
        }
        if is_config(name) {
            return Self::NotToRestore(LIVE_CONFIG);
        }
        let parent = parts.next_back().unwrap_or_default();
        if parent == "masterkey" {
            return Self::NotToRestore(CLEAR_KEY);
        }
        if name == "machinekey" && parent == "octopus" {
            return Self::NotToRestore(MACHINE_KEY);
        }
        TOPS.iter()
            .find(|(top, _)| is_below(&path, top))
            .map_or(Self::Other, |(_, role)| *role)
    }
}

impl Home {
    /// Takes note of every path of a home directory.
    pub fn of<'a>(entries: impl IntoIterator<Item = HomeEntry<'a>>) -> Self {
        let mut home = Self::default();
        for entry in entries {
            home.add(&entry);
        }
        home
    }

    /// Takes note of one more path: for lists that are too long to be held.
    pub fn add(&mut self, entry: &HomeEntry<'_>) {
        match Role::of(entry.path) {
            Role::Needed(folder) => self.needed[folder as usize].add(entry),
            Role::Cache => self.caches.add(entry),
            Role::Leftover => self.leftovers.add(entry),
            Role::Replication => self.replication.add(entry),
            Role::NotToRestore(why) if !entry.is_dir && self.not_to_restore.len() < MAX_PATHS => {
                self.not_to_restore.push((entry.path.to_owned(), why));
            }
            _ => {}
        }
    }

    /// Whether it looks like the home directory of an Octopus Server.
    #[must_use]
    pub fn is_octopus(&self) -> bool {
        let folders = self
            .needed
            .iter()
            .filter(|amount| amount.is_present)
            .count();
        let has_config = self
            .not_to_restore
            .iter()
            .any(|(_, why)| *why == LIVE_CONFIG);
        folders >= 2 || (folders == 1 && has_config)
    }

    /// How much there is of a folder.
    #[must_use]
    pub fn amount(&self, folder: Folder) -> &Amount {
        &self.needed[folder as usize]
    }

    /// What is wrong with it, by the rules BP106 and BP113.
    ///
    /// Nothing is missing in what is no home of Octopus, but a configuration or key in the clear is
    /// found anywhere.
    #[must_use]
    pub fn findings(&self) -> Vec<HomeFinding> {
        let is_octopus = self.is_octopus();
        let missing = Folder::ALL.into_iter().filter(|_| is_octopus);
        let missing = missing.filter_map(|folder| self.missing(folder));
        let live = self.not_to_restore.iter();
        let live = live.filter(|(path, _)| is_octopus || is_of_octopus(&normal(path)));
        let live = live.map(|(path, why)| HomeFinding {
            rule: "BP106",
            path: Some(path.clone()),
            message: format!("it is {why}; it must not be restored into place"),
        });
        missing.chain(live).collect()
    }

    fn missing(&self, folder: Folder) -> Option<HomeFinding> {
        let amount = self.amount(folder);
        let state = match (amount.is_present, amount.file_count) {
            (false, _) => "is not there",
            (true, 0) => "has no file",
            _ => return None,
        };
        let message = format!(
            "{folder} {state}: after a restore {}; if the server keeps it elsewhere, name that \
             folder too",
            folder.loss()
        );
        Some(HomeFinding {
            rule: "BP113",
            path: Some(folder.name().to_owned()),
            message,
        })
    }
}

impl Amount {
    fn add(&mut self, entry: &HomeEntry<'_>) {
        self.is_present = true;
        if !entry.is_dir {
            self.file_count += 1;
            self.len = self.len.saturating_add(entry.len);
        }
        let top = top_of(entry.path);
        if self.tops.len() < MAX_PATHS && self.tops.iter().all(|known| known != top) {
            self.tops.push(top.to_owned());
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn normal(path: &str) -> String {
    let path = path.replace('\\', "/").to_lowercase();
    let path = path.strip_prefix("./").unwrap_or(&path);
    path.trim_matches('/').to_owned()
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `OctopusServer.config`, `Server.linux.config`, and copies such as `OctopusServer.config.bak`.
fn is_config(name: &str) -> bool {
    let is_server = name.starts_with("octopusserver") || name.starts_with("server.linux");
    is_server && name.contains(".config")
}

/// Whether a normal path is that of a configuration or key of Octopus, wherever it is.
fn is_of_octopus(path: &str) -> bool {
    let is_key = path == "masterkey/octopusserver" || path.ends_with("/masterkey/octopusserver");
    is_key || is_config(path.rsplit('/').next().unwrap_or_default()) || path.ends_with("machinekey")
}

/// The part of a path that stands for it in a list: the folder of replication, or the top folder.
fn top_of(path: &str) -> &str {
    let is_slash = |character| matches!(character, '/' | '\\');
    let end = |start: usize| {
        path[start..]
            .find(is_slash)
            .map_or(path.len(), |len| start + len)
    };
    // Lower case of ASCII has the same length, so places are those of the path.
    let lower = path.to_ascii_lowercase();
    if let Some(start) = lower.find("dfsrprivate") {
        return &path[..end(start)];
    }
    let first = end(0);
    if lower.starts_with("octopusserver") && first < path.len() {
        return &path[..end(first + 1)];
    }
    &path[..first]
}

//! The workload: files of all four kinds in the shares of a real server.

use crate::{artifact, database, log, package, words};

/// Databases are cut into files of this size at most, so that making one takes bounded memory.
const MAX_DATABASE_LEN: usize = 64 << 20;

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What does not compress.
    Artifact,
    /// Pages of a database.
    Database,
    /// Zip files of consecutive versions.
    Package,
    /// Logs of tasks.
    Log,
}

/// A file that was made.
pub struct MadeFile {
    /// Its path below the home directory.
    pub path: String,
    /// What kind of data it holds.
    pub kind: Kind,
    /// Its content.
    pub content: Vec<u8>,
}

/// Files of `size` bytes in all.
pub fn workload(size: u64) -> impl Iterator<Item = MadeFile> {
    Kind::ALL
        .into_iter()
        .flat_map(move |kind| files(kind, size / 100 * kind.percent()))
}

/// Files of one kind, of `size` bytes in all; the last one is cut.
pub fn files(kind: Kind, size: u64) -> impl Iterator<Item = MadeFile> {
    let mut left = size as usize;
    (0..).map_while(move |number| {
        if left == 0 {
            return None;
        }
        let file = kind.file(number, left);
        left -= file.content.len();
        Some(file)
    })
}

impl Kind {
    /// All kinds, in the order of their folders' names.
    pub const ALL: [Self; 4] = [Self::Artifact, Self::Database, Self::Package, Self::Log];

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Database => "database",
            Self::Package => "package",
            Self::Log => "log",
        }
    }

    /// Its share of the workload: that of the one in which the format's parameters were measured.
    fn percent(self) -> u64 {
        match self {
            Self::Artifact => 7,
            Self::Database => 39,
            Self::Package => 40,
            Self::Log => 14,
        }
    }

    /// File `number`, of `max` bytes at most.
    fn file(self, number: u64, max: usize) -> MadeFile {
        let (path, content) = match self {
            Self::Artifact => {
                let content = artifact::content(number, artifact::len(number).min(max));
                let path = format!("Artifacts/{:02}/artifact-{number:06}.bin", number % 16);
                (path, content)
            }
            Self::Database => {
                let content = database::content(number, max.min(MAX_DATABASE_LEN));
                (format!("Backups/server-{number:03}.bak"), content)
            }
            Self::Package => {
                let (family, version) = (number / package::VERSIONS, number % package::VERSIONS);
                let mut content = package::content(family, version);
                content.truncate(max);
                let name = words::product(family);
                let path = format!("Packages/{family:04}.{name}/{name}.1.{version}.0.nupkg");
                (path, content)
            }
            Self::Log => {
                let content = log::content(number, log::len(number).min(max));
                let path = format!("TaskLogs/{:03}/servertasks-{number:06}.txt", number / 200);
                (path, content)
            }
        };
        MadeFile {
            path,
            kind: self,
            content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes zstd makes of 1 MiB chunks, in percent.
    fn compressed_percent(kind: Kind) -> u64 {
        let (mut raw, mut compressed) = (0, 0);
        let all: Vec<u8> = files(kind, 24 << 20).flat_map(|f| f.content).collect();
        for chunk in all.chunks(1 << 20) {
            raw += chunk.len() as u64;
            compressed += zstd::bulk::compress(chunk, 3).unwrap().len() as u64;
        }
        100 * compressed / raw
    }

    #[test]
    fn each_kind_compresses_as_its_like_on_a_server() {
        for (kind, range) in [
            (Kind::Database, 17..=23),
            (Kind::Log, 11..=17),
            (Kind::Package, 90..=97),
            (Kind::Artifact, 99..=101),
        ] {
            let percent = compressed_percent(kind);
            assert!(range.contains(&percent), "{}: {percent} %", kind.name());
        }
    }

    #[test]
    fn sizes_are_exact_and_paths_unique() {
        let files: Vec<MadeFile> = workload(20 << 20).collect();
        let size: usize = files.iter().map(|file| file.content.len()).sum();
        assert_eq!(size as u64, (20 << 20) / 100 * 100);
        let paths: std::collections::BTreeSet<_> = files.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), files.len());
    }
}

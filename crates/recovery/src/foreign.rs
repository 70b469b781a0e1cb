//! Files beside SQL Server's backups: what they are, whether they are whole, what they tell.

use std::io::{self, Read, Seek};
use std::path::Path;

use mssql_backup::kind::{Kind, PostgresFormat};

use crate::bacpac::{self, Checked, OtherZip, Package, ZipContent};
use crate::fault::{Fault, Faults};
use crate::pg_dump::{self, Compression, Dump};
use crate::qdrant::{self, Snapshot, SnapshotKind};

#[cfg(test)]
mod tests;

/// What a file is, if it is none of SQL Server's backups.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignKind {
    /// A database exported with its rows.
    Bacpac,
    /// The model of a database.
    Dacpac,
    /// A ZIP with backups of SQL Server in it, by their names.
    ZippedBackups(Vec<String>),
    /// Another ZIP; or one whose directory was not looked at, see [`look_into`].
    Zip,
    /// A dump of PostgreSQL.
    PostgresDump(PostgresFormat),
    /// A snapshot of Qdrant.
    QdrantSnapshot,
    /// Another tar.
    Tar,
}

/// What a check of such a file found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignReport {
    /// Of a BACPAC or DACPAC.
    Package(Box<Package>),
    /// Of another ZIP that cannot be passed over: it holds backups, or has faults.
    Zip(Box<OtherZip>),
    /// Of a dump of PostgreSQL.
    Dump(Box<Dump>),
    /// Of a snapshot of Qdrant.
    Snapshot(Box<Snapshot>),
}

/// Tells what a file is by its first bytes and its name.
///
/// The name decides only between what begins alike. None for SQL Server's own backups, and for what
/// is nothing of these. A ZIP is told by its directory: see [`look_into`].
#[must_use]
pub fn recognise(first_bytes: &[u8], name: &str) -> Option<ForeignKind> {
    match Kind::of(first_bytes) {
        Kind::Zip => Some(match extension(name).as_deref() {
            Some("bacpac") => ForeignKind::Bacpac,
            Some("dacpac") => ForeignKind::Dacpac,
            _ => ForeignKind::Zip,
        }),
        Kind::PostgresDump(format) => Some(ForeignKind::PostgresDump(format)),
        Kind::Tar { first_member } => {
            let is_snapshot = extension(name).as_deref() == Some("snapshot");
            Some(if is_snapshot || is_of_qdrant(&first_member) {
                ForeignKind::QdrantSnapshot
            } else {
                ForeignKind::Tar
            })
        }
        _ => None,
    }
}

/// Tells what a ZIP is by its directory, whatever its name; other kinds stay what they are.
///
/// One that holds neither a package nor backups, or whose directory cannot be read, stays what its
/// name says: a check of it tells what is wrong.
///
/// # Errors
///
/// What the reader returns.
pub fn look_into<R: Read + Seek>(kind: ForeignKind, reader: R) -> io::Result<ForeignKind> {
    if !matches!(
        kind,
        ForeignKind::Bacpac | ForeignKind::Dacpac | ForeignKind::Zip
    ) {
        return Ok(kind);
    }
    Ok(match bacpac::look_into(reader)? {
        ZipContent::Bacpac => ForeignKind::Bacpac,
        ZipContent::Dacpac => ForeignKind::Dacpac,
        ZipContent::Backups(names) => ForeignKind::ZippedBackups(names),
        ZipContent::Unreadable | ZipContent::Other => kind,
    })
}

/// Checks a file of this kind as it passes, to its last byte. None if there is nothing to say of
/// such a file.
///
/// Whether a ZIP of another name is a package, or holds backups, is known when it has passed. One of
/// other content that is whole is nothing; one that is not may have been anything, and is told.
///
/// # Errors
///
/// What the reader returns; faults of the file are no errors.
pub fn check(kind: &ForeignKind, reader: impl Read) -> io::Result<Option<ForeignReport>> {
    Ok(Some(match kind {
        ForeignKind::Bacpac | ForeignKind::Dacpac => {
            ForeignReport::Package(Box::new(bacpac::check(reader)?))
        }
        ForeignKind::Zip | ForeignKind::ZippedBackups(_) => match bacpac::check_any(reader)? {
            Checked::Package(package) => ForeignReport::Package(package),
            Checked::Other(zip) if zip.backups.is_empty() && zip.faults.is_empty() => {
                return Ok(None);
            }
            Checked::Other(zip) => ForeignReport::Zip(Box::new(zip)),
        },
        ForeignKind::PostgresDump(format) => {
            ForeignReport::Dump(Box::new(pg_dump::check(reader, *format)?))
        }
        ForeignKind::QdrantSnapshot => ForeignReport::Snapshot(Box::new(qdrant::check(reader)?)),
        ForeignKind::Tar => return Ok(None),
    }))
}

impl ForeignReport {
    /// What is wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        match self {
            Self::Package(package) => &package.faults,
            Self::Zip(zip) => &zip.faults,
            Self::Dump(dump) => &dump.faults,
            Self::Snapshot(snapshot) => &snapshot.faults,
        }
    }

    /// Whether it could not be checked, so that nothing is known against it: what was met is not
    /// understood here, or RESTORE does not read it, whatever it holds.
    #[must_use]
    pub fn is_unjudged(&self) -> bool {
        let holds_backups = matches!(self, Self::Zip(zip) if !zip.backups.is_empty());
        self.faults().say_nothing() || self.faults().is_empty() && holds_backups
    }

    /// The rule that a fault of this file falls under, by its id.
    #[must_use]
    pub fn rule(&self, fault: &Fault) -> &'static str {
        rule_of(matches!(self, Self::Package(_)), &fault.message)
    }

    /// What the file tells of itself, as names and values; no machine, user or path is among them.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Package(package) => package_facts(package),
            Self::Zip(zip) => zip_facts(zip),
            Self::Dump(dump) => dump_facts(dump),
            Self::Snapshot(snapshot) => snapshot_facts(snapshot),
        }
    }
}

/// The same of a fault of which no more than the message is known.
#[must_use]
pub fn rule_of(is_package: bool, message: &str) -> &'static str {
    match is_package {
        true => bacpac::rule(message),
        false => "BP152",
    }
}

fn package_facts(package: &Package) -> Vec<(&'static str, String)> {
    let origin = &package.origin;
    let mut facts = present([
        ("database", package.name.clone()),
        ("package_version", package.version.clone()),
        ("server_version", origin.server_version.clone()),
        ("product_version", origin.product_version.clone()),
        ("started", origin.started.clone()),
    ]);
    facts.push(("members", package.member_count.to_string()));
    facts.push(("tables_with_rows", package.table_count.to_string()));
    facts.push(("rows_len", package.data_len.to_string()));
    let objects: u64 = origin
        .object_counts
        .iter()
        .map(|(_, count)| count)
        .fold(0, |sum, count| sum.saturating_add(*count));
    facts.push(("objects", objects.to_string()));
    facts
}

fn zip_facts(zip: &OtherZip) -> Vec<(&'static str, String)> {
    let mut facts = vec![("members", zip.member_count.to_string())];
    facts.extend(zip.backups.iter().map(|name| ("backup", name.clone())));
    facts
}

fn dump_facts(dump: &Dump) -> Vec<(&'static str, String)> {
    let version = |(major, minor, revision)| format!("{major}.{minor}.{revision}");
    let compression = |compression| match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    };
    let format = match dump.format {
        PostgresFormat::Custom => Some("custom"),
        PostgresFormat::DirectoryToc => Some("directory"),
        PostgresFormat::Tar => Some("tar"),
        PostgresFormat::Plain => Some("plain"),
        PostgresFormat::PlainCluster => Some("cluster"),
        _ => None,
    };
    let extensions = (!dump.extensions.is_empty()).then(|| dump.extensions.join(" "));
    present([
        ("format", format.map(str::to_owned)),
        ("database", dump.database_name.clone()),
        ("server_version", dump.server_version.clone()),
        ("pg_dump_version", dump.pg_dump_version.clone()),
        ("archive_version", dump.archive_version.map(version)),
        ("created", dump.created.map(|created| created.to_string())),
        (
            "compression",
            dump.compression.map(|found| compression(found).to_owned()),
        ),
        (
            "entries_with_data",
            dump.archive_version.map(|_| dump.data_count.to_string()),
        ),
        ("extensions", extensions),
    ])
}

fn snapshot_facts(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let kind = match snapshot.kind {
        SnapshotKind::Collection => "collection",
        SnapshotKind::Shard => "shard",
        SnapshotKind::Full => "full",
        SnapshotKind::Unknown => "unknown",
    };
    let hex = snapshot
        .sha256
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut facts = vec![("kind", kind.to_owned()), ("sha256", hex)];
    for collection in &snapshot.collections {
        let version = collection.storage_version.clone();
        facts.extend(present([
            ("collection", collection.member.clone()),
            ("storage_version", version),
        ]));
        facts.push(("segments", collection.segment_count.to_string()));
        for vector in &collection.vectors {
            let name = if vector.name.is_empty() {
                "default"
            } else {
                &vector.name
            };
            facts.push((
                "vector",
                format!("{name} {} {}", vector.size, vector.distance),
            ));
        }
    }
    facts
}

fn present<const N: usize>(
    facts: [(&'static str, Option<String>); N],
) -> Vec<(&'static str, String)> {
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn extension(name: &str) -> Option<String> {
    let extension = Path::new(name).extension()?.to_str()?;
    Some(extension.to_ascii_lowercase())
}

/// Whether the tar of a snapshot can begin with this member.
fn is_of_qdrant(first_member: &str) -> bool {
    let path = first_member.strip_prefix("./").unwrap_or(first_member);
    let in_shard = match path.split_once('/') {
        Some((shard, rest)) if shard.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => path,
    };
    let known = [
        "segments/",
        "wal/",
        "shard_config.json",
        "replica_state.json",
        "newest_clocks.json",
    ];
    known.iter().any(|start| in_shard.starts_with(start))
        || (!path.contains('/') && path.ends_with(".snapshot"))
}

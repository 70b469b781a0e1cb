//! What an archive's facts tell beside SQL Server's backups: other backups, and the envelope.

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_format::record::{
    EnvelopeItemFacts, KnownFacts, NamedValue, OtherSourceFacts, other_source, outcome,
};
use mssql_backup::kind::PostgresFormat;
use recovery::runbook::facts::{OtherBackup, OtherKind};

use super::{is_beside, known};

/// Backups that are not SQL Server's, and the names of what the envelope holds.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) others: Vec<OtherBackup>,
    pub(super) items: Vec<EnvelopeItemFacts>,
}

impl Beside {
    /// Reads the facts.
    ///
    /// # Errors
    ///
    /// The archive is damaged.
    pub(super) fn read(archive: &mut Archive) -> anyhow::Result<Self> {
        let mut beside = Self::default();
        for found in archive.facts_of_entries(is_beside) {
            let found = found.context("cannot read the archive's facts")?;
            match (known(&found.facts), found.row) {
                (Some(KnownFacts::EnvelopeItem(item)), _) => beside.items.push(item),
                (Some(KnownFacts::OtherSource(facts)), Some(row)) => {
                    beside.others.extend(other(&row.path.to_string(), &facts));
                }
                _ => {}
            }
        }
        Ok(beside)
    }
}

/// None for what is no backup that could be restored: the model of a database, or a kind that this
/// version does not know.
fn other(path: &str, facts: &OtherSourceFacts) -> Option<OtherBackup> {
    let mut path = path.to_owned();
    let kind = match facts.kind {
        other_source::BACPAC if path.to_ascii_lowercase().ends_with(".dacpac") => return None,
        other_source::BACPAC => OtherKind::Bacpac,
        other_source::PG_DUMP => {
            let format = postgres_format(&facts.values);
            if format == PostgresFormat::DirectoryToc {
                // It is the directory that is restored.
                path = path.rsplit_once('/')?.0.to_owned();
            }
            let extensions = value(&facts.values, "extensions").unwrap_or_default();
            OtherKind::Postgres {
                format,
                needs_vector: extensions.split(' ').any(|name| name == "vector"),
            }
        }
        other_source::QDRANT => OtherKind::Qdrant {
            sha256: value(&facts.values, "sha256").and_then(digest)?,
            // A snapshot of one collection does not hold its name.
            collection: None,
        },
        _ => return None,
    };
    Some(OtherBackup {
        path,
        kind,
        is_damaged: facts.outcome == outcome::FAILED,
    })
}

fn postgres_format(values: &[NamedValue]) -> PostgresFormat {
    match value(values, "format") {
        Some("custom") => PostgresFormat::Custom,
        Some("directory") => PostgresFormat::DirectoryToc,
        Some("tar") => PostgresFormat::Tar,
        Some("cluster") => PostgresFormat::PlainCluster,
        _ => PostgresFormat::Plain,
    }
}

fn value<'a>(values: &'a [NamedValue], name: &str) -> Option<&'a str> {
    let found = values.iter().find(|value| value.name == name)?;
    Some(&found.value)
}

/// 32 bytes of hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: u16, values: &[(&str, &str)]) -> OtherSourceFacts {
        let named = values.iter().map(|(name, value)| NamedValue {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        });
        OtherSourceFacts {
            kind,
            outcome: 1,
            values: named.collect(),
            fault_count: 0,
            faults: Vec::new(),
        }
    }

    #[test]
    fn a_dump_in_a_directory_is_restored_as_that_directory() {
        let values = [("format", "directory"), ("extensions", "plpgsql vector")];
        let dump = other("sql/shop/toc.dat", &facts(other_source::PG_DUMP, &values)).unwrap();
        assert_eq!(dump.path, "sql/shop");
        let format = PostgresFormat::DirectoryToc;
        let needs_vector = true;
        assert_eq!(
            dump.kind,
            OtherKind::Postgres {
                format,
                needs_vector
            }
        );
    }

    #[test]
    fn what_cannot_be_restored_by_itself_is_no_backup() {
        let bacpac = facts(other_source::BACPAC, &[]);
        assert!(other("sql/a.bacpac", &bacpac).is_some());
        assert_eq!(other("sql/a.DACPAC", &bacpac), None);
        assert_eq!(other("sql/a", &facts(99, &[])), None);
        assert_eq!(other("sql/a", &facts(other_source::QDRANT, &[])), None);
    }

    #[test]
    fn a_snapshots_hash_is_read_as_it_was_told() {
        let digits = "5a".repeat(32);
        assert_eq!(digest(&digits), Some([0x5A; 32]));
        for wrong in ["", "5a", &digits[1..], &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}

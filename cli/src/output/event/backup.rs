//! The JSON lines about backups; `docs/json.md` tells what each field means.

use serde::Serialize;
use serde_json::Value;

/// What `inspect` shows of a backup.
#[derive(Debug, Serialize)]
pub(crate) struct Backup {
    pub(crate) file: String,
    pub(crate) archive: Option<String>,
    pub(crate) kind: String,
    pub(crate) len: Option<u64>,
    pub(crate) verified: bool,
    pub(crate) damaged: bool,
    /// Columns by SQL Server's names.
    pub(crate) label: Option<Value>,
    /// Likewise, with `checks` and `log`.
    pub(crate) sets: Vec<Value>,
    pub(crate) checks: Vec<Check>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) fault_count: u64,
    pub(crate) facts: Vec<NamedFact>,
    pub(crate) notes: Vec<String>,
    pub(crate) unreadable: Option<String>,
}

/// What one level of verification found.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) level: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) checked: u64,
    pub(crate) faulty: u64,
    pub(crate) reason: Option<String>,
}

/// One fault of a backup.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    pub(crate) level: String,
    pub(crate) offset: Option<u64>,
    pub(crate) set: Option<u16>,
    pub(crate) page: Option<String>,
    pub(crate) message: String,
}

/// What the log blocks of a set hold.
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    pub(crate) blocks: u64,
    pub(crate) records: u64,
    pub(crate) commits: u64,
    pub(crate) first_commit: Option<String>,
    pub(crate) last_commit: Option<String>,
}

/// What a backup of another kind tells of itself.
#[derive(Debug, Serialize)]
pub(crate) struct NamedFact {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What the stripes of one media set are together.
#[derive(Debug, Serialize)]
pub(crate) struct Stripes {
    pub(crate) media_set_id: String,
    pub(crate) archive: Option<String>,
    pub(crate) files: Vec<String>,
    pub(crate) family_count: u16,
    pub(crate) missing: Vec<u16>,
    pub(crate) verified: bool,
    pub(crate) damaged: bool,
    pub(crate) sets: Vec<StripedSet>,
}

/// One backup set over all its stripes.
#[derive(Debug, Serialize)]
pub(crate) struct StripedSet {
    pub(crate) position: u16,
    pub(crate) backup_set_guid: Option<String>,
    pub(crate) complete: bool,
    pub(crate) checks: Vec<Check>,
    pub(crate) faults: Vec<String>,
    pub(crate) missing_pages: Vec<String>,
}

//! The JSON lines, type by type; `docs/json.md` tells what each field means.

use bakpak_format::entry::EntryPath;
use recovery::moment::Moment;
use recovery::plan::{StepKind, Verdict};
use recovery::rules::Severity;
use recovery::verdict::DatabaseVerdict;
use recovery::windows::Window;
use serde::Serialize;

use super::hex;

pub(crate) mod backup;

/// One JSON line; `docs/json.md` tells what each means.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Event {
    Warning {
        code: Option<String>,
        #[serde(flatten)]
        path: JsonPath,
        message: String,
    },
    Missing {
        #[serde(flatten)]
        path: JsonPath,
        reason: String,
    },
    Packed(Packed),
    Finding(Finding),
    Verified(Verified),
    Mended(Finding),
    Repaired(Repaired),
    Affected(AffectedEntry),
    Salvage(SalvageSummary),
    Unpacked(Unpacked),
    Entry(ListedEntry),
    Archive(Archive),
    Contents(Contents),
    KeySlots(KeySlots),
    Fact(Fact),
    Backup(Box<backup::Backup>),
    Stripes(backup::Stripes),
    Plan(Box<Planned>),
    Rule(Rule),
    Restorability(Restorability),
    Error {
        code: u8,
        message: String,
        hints: Vec<String>,
    },
}

/// A path: as text, and in hexadecimal if it is not UTF-8.
#[derive(Debug, Default, Serialize)]
pub(crate) struct JsonPath {
    path: Option<String>,
    path_hex: Option<String>,
}

/// The target of a link, likewise.
#[derive(Debug, Default, Serialize)]
pub(crate) struct JsonLink {
    link: Option<String>,
    link_hex: Option<String>,
}

/// `pack` is done.
#[derive(Debug, Serialize)]
pub(crate) struct Packed {
    pub(crate) output: String,
    pub(crate) archive_id: String,
    pub(crate) root: String,
    pub(crate) archive_len: u64,
    pub(crate) kept_len: u64,
    pub(crate) stream_len: u64,
    pub(crate) content_len: u64,
    pub(crate) copied_len: u64,
    pub(crate) zero_len: u64,
    pub(crate) entries: u64,
    pub(crate) chunks: u64,
    pub(crate) missing: usize,
    pub(crate) changed: u64,
    pub(crate) warnings: usize,
}

/// One thing that `verify` found wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) class: String,
    pub(crate) structure: String,
    pub(crate) offset: Option<u64>,
    pub(crate) block: Option<u64>,
    pub(crate) sectors: Vec<u32>,
    #[serde(flatten)]
    pub(crate) path: JsonPath,
    pub(crate) rule: Option<&'static str>,
    pub(crate) message: String,
}

/// `verify` is done.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) archive: String,
    pub(crate) level: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) exit: u8,
    pub(crate) archive_len: u64,
    pub(crate) blocks: u64,
    pub(crate) root: Option<String>,
    pub(crate) entries: u64,
    pub(crate) findings: usize,
    pub(crate) lost: Option<usize>,
    pub(crate) missing: usize,
    pub(crate) warnings: usize,
}

/// `repair` is done.
#[derive(Debug, Serialize)]
pub(crate) struct Repaired {
    pub(crate) archive: String,
    pub(crate) output: Option<String>,
    pub(crate) verdict: &'static str,
    pub(crate) exit: u8,
    pub(crate) archive_len: u64,
    pub(crate) file_len: u64,
    pub(crate) blocks: u64,
    pub(crate) moved: bool,
    pub(crate) mended: usize,
    pub(crate) lost: usize,
}

/// What damage made of an entry.
#[derive(Debug, Serialize)]
pub(crate) struct AffectedEntry {
    #[serde(flatten)]
    pub(crate) path: JsonPath,
    pub(crate) verdict: &'static str,
    pub(crate) size: Option<u64>,
    pub(crate) missing_len: u64,
    pub(crate) missing: Vec<MissingBytes>,
    pub(crate) page_count: u64,
    pub(crate) pages: Vec<MissingPages>,
    pub(crate) log: Vec<MissingLog>,
    #[serde(rename = "header_lost")]
    pub(crate) is_header_lost: bool,
    pub(crate) stored: Option<String>,
}

/// Pages of a database that are missing in a SQL Server backup.
#[derive(Debug, Serialize)]
pub(crate) struct MissingPages {
    pub(crate) set: u32,
    pub(crate) offset: u64,
    pub(crate) count: u64,
    pub(crate) file: Option<u16>,
    pub(crate) first: Option<u32>,
    pub(crate) last: Option<u32>,
    #[serde(rename = "exact")]
    pub(crate) is_exact: bool,
}

/// Log blocks that are missing in one.
#[derive(Debug, Serialize)]
pub(crate) struct MissingLog {
    pub(crate) set: u32,
    pub(crate) offset: u64,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// Bytes of it that are missing.
#[derive(Debug, Serialize)]
pub(crate) struct MissingBytes {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) copied: bool,
}

/// Another archive, something of which stands in the file too.
#[derive(Debug, Serialize)]
pub(crate) struct OtherInFile {
    pub(crate) id_prefix: String,
    pub(crate) offset: u64,
    pub(crate) blocks: u64,
}

/// `salvage` is done.
#[derive(Debug, Serialize)]
pub(crate) struct SalvageSummary {
    pub(crate) archive: String,
    pub(crate) target: String,
    pub(crate) archive_id: String,
    pub(crate) verdict: &'static str,
    pub(crate) exit: u8,
    pub(crate) whole: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) damaged: u64,
    pub(crate) lost: u64,
    pub(crate) unreadable: u64,
    pub(crate) unnamed: Option<u64>,
    #[serde(rename = "end_known")]
    pub(crate) is_end_known: bool,
    pub(crate) lost_len: u64,
    pub(crate) blocks: u64,
    pub(crate) mended_blocks: u64,
    pub(crate) lost_blocks: Vec<[u64; 2]>,
    pub(crate) findings: usize,
    pub(crate) others: Vec<OtherInFile>,
    pub(crate) not_made: u64,
    pub(crate) envelope: Option<bool>,
}

/// `unpack` is done.
#[derive(Debug, Serialize)]
pub(crate) struct Unpacked {
    pub(crate) archive: String,
    pub(crate) target: String,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) symlinks: u64,
    pub(crate) hard_links: u64,
    pub(crate) specials: u64,
    pub(crate) content_len: u64,
    pub(crate) replaced: Option<String>,
    pub(crate) kept: u64,
    pub(crate) not_restored: u64,
    pub(crate) missing: u64,
    pub(crate) warnings: usize,
}

/// One line of `list`.
#[derive(Debug, Serialize)]
pub(crate) struct ListedEntry {
    #[serde(flatten)]
    pub(crate) path: JsonPath,
    pub(crate) kind: &'static str,
    pub(crate) size: u64,
    pub(crate) mtime: String,
    pub(crate) mode: String,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    #[serde(flatten)]
    pub(crate) link: JsonLink,
    pub(crate) blake3: Option<String>,
    pub(crate) flags: Vec<&'static str>,
}

/// What `inspect` shows of an archive without a key.
#[derive(Debug, Serialize)]
pub(crate) struct Archive {
    pub(crate) archive: String,
    pub(crate) version: String,
    pub(crate) archive_id: String,
    pub(crate) cover_text: String,
    pub(crate) block_size: u64,
    pub(crate) block_count: Option<u64>,
    pub(crate) parity: &'static str,
    pub(crate) archive_len: Option<u64>,
    pub(crate) copy_reach: Option<u64>,
    pub(crate) envelope_len: u64,
    pub(crate) slots: Vec<Slot>,
    pub(crate) envelope_slots: Vec<Slot>,
    pub(crate) signers: usize,
    pub(crate) generation: u32,
    pub(crate) root: Option<String>,
}

/// One key slot.
#[derive(Debug, Serialize)]
pub(crate) struct Slot {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) argon2_memory_kib: Option<u32>,
    pub(crate) argon2_passes: Option<u32>,
    pub(crate) argon2_lanes: Option<u32>,
}

/// The key slots of one domain of an archive.
#[derive(Debug, Serialize)]
pub(crate) struct KeySlots {
    pub(crate) archive: String,
    pub(crate) domain: &'static str,
    pub(crate) generation: u32,
    pub(crate) slots: Vec<Slot>,
    /// Of `list`: which of them the keys given open.
    pub(crate) opened: Option<Vec<String>>,
    /// Of a change.
    pub(crate) added: Option<Vec<String>>,
    pub(crate) removed: Option<Vec<String>>,
    pub(crate) finished_earlier: Option<bool>,
}

/// What `inspect` shows of an archive with a key.
#[derive(Debug, Serialize)]
pub(crate) struct Contents {
    pub(crate) archive: String,
    pub(crate) entries: u64,
    pub(crate) content_len: u64,
    pub(crate) stream_len: u64,
    pub(crate) data_len: u64,
    pub(crate) chunks: u64,
    pub(crate) incomplete: bool,
    pub(crate) not_restorable: bool,
    pub(crate) started: String,
    pub(crate) finished: String,
}

/// One fact that the archive records.
#[derive(Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) archive: String,
    pub(crate) fact: String,
    #[serde(flatten)]
    pub(crate) path: JsonPath,
    pub(crate) message: String,
}

/// What `plan` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Planned {
    pub(crate) database: String,
    pub(crate) verdict: Verdict,
    pub(crate) exit: u8,
    pub(crate) asked: Option<Moment>,
    pub(crate) at: Option<Moment>,
    pub(crate) window: Option<Window>,
    pub(crate) windows: Vec<Window>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) findings: Vec<recovery::finding::Finding>,
    pub(crate) notes: Vec<String>,
    pub(crate) left_out: Vec<String>,
    pub(crate) scripts: Vec<String>,
}

/// One `RESTORE` statement.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedStep {
    #[serde(rename = "type")]
    pub(crate) kind: StepKind,
    pub(crate) files: Vec<String>,
    pub(crate) file_number: u16,
    pub(crate) stop_at: Option<Moment>,
}

/// One rule, as `explain` tells it.
#[derive(Debug, Serialize)]
pub(crate) struct Rule {
    pub(crate) code: String,
    pub(crate) severity: Severity,
    pub(crate) title: &'static str,
    pub(crate) why: &'static str,
    pub(crate) now: &'static str,
}

/// Whether the backups can be restored.
#[derive(Debug, Serialize)]
pub(crate) struct Restorability {
    pub(crate) answer: &'static str,
    pub(crate) databases: Vec<DatabaseVerdict>,
    pub(crate) findings: Vec<recovery::finding::Finding>,
}

/// What every line begins with.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) v: u8,
    #[serde(flatten)]
    pub(super) event: &'a Event,
}

impl From<&EntryPath> for JsonPath {
    fn from(path: &EntryPath) -> Self {
        let (path, path_hex) = text_and_hex(path.as_bytes());
        Self { path, path_hex }
    }
}

impl From<&[u8]> for JsonLink {
    fn from(link: &[u8]) -> Self {
        let (link, link_hex) = text_and_hex(link);
        Self { link, link_hex }
    }
}

fn text_and_hex(bytes: &[u8]) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    (
        Some(text),
        std::str::from_utf8(bytes).is_err().then(|| hex(bytes)),
    )
}

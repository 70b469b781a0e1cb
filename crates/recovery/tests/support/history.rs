//! Backups as a server would have made them, without a server.
//!
//! Times are seconds after 15 June 2024, 00:00:00 local time; the log of a history grows by one
//! block a second, so that LSNs and times can be compared by eye.

#![allow(dead_code, reason = "each test program uses its own part")]

use jiff::ToSpan;
use jiff::civil::{DateTime, datetime};
use jiff::tz::Offset;
use mssql_backup::check::{CheckedSet, Level, LevelReport, LogSummary, Outcome};
use mssql_backup::guid::Guid;
use mssql_backup::label::Label;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::{BackupSet, BackupType, Flags, Header, Lineage, RecoveryModel};
use recovery::catalogue::Catalogue;
use recovery::media::MediaFile;
use recovery::plan::{Plan, PlanRequest, StepKind, plan};

/// Local time `seconds` after midnight.
pub(crate) fn time(seconds: i64) -> DateTime {
    datetime(2024, 6, 15, 0, 0, 0, 0) + seconds.seconds()
}

/// The LSN that the log has reached then.
pub(crate) fn lsn(second: i64) -> Lsn {
    Lsn {
        vlf: 1,
        block: u32::try_from(second).expect("histories are short"),
        slot: 1,
    }
}

/// A GUID of its own for each number.
pub(crate) fn guid(number: u64) -> Guid {
    let mut bytes = [0xB0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Guid(bytes)
}

/// A full backup that ends then: five seconds of work, its log ends one second before.
pub(crate) fn full(finish: i64) -> Made {
    let mut made = Made::new(BackupType::Full, finish - 5, finish - 1, finish - 5, finish);
    made.checked.set.header.checkpoint_lsn = Some(lsn(finish - 5));
    made
}

/// A differential of a full backup, that ends then.
pub(crate) fn differential(base: &Made, finish: i64) -> Made {
    let mut made = Made::new(
        BackupType::Differential,
        finish - 3,
        finish - 1,
        finish - 3,
        finish,
    );
    let base = &base.checked.set.header;
    made.checked.set.header.differential_base_guid = base.backup_set_guid;
    made.checked.set.header.differential_base_lsn = base.checkpoint_lsn;
    made
}

/// A log backup from one second to another; it takes two seconds from there on.
pub(crate) fn log(first: i64, last: i64) -> Made {
    Made::new(BackupType::Log, first, last, last, last + 2)
}

/// A log backup at that time, of a database in which nothing was done since an earlier one.
pub(crate) fn empty_log(since: i64, start: i64) -> Made {
    let mut made = Made::new(BackupType::Log, since, since, start, start + 2);
    made.media ^= (start as u64) << 8;
    let set_guid = guid(made.media);
    made.header(|header| header.backup_set_guid = Some(set_guid))
}

/// One backup on one stripe.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) checked: CheckedSet,
    media: u64,
}

/// In one line: a failed property shows a whole history.
impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = &self.checked.set.header;
        let clock = |time: Option<DateTime>| time.map(|time| time.time());
        let (kind, flags) = (header.backup_type, header.flags.0);
        let (first, last) = (
            header.first_lsn.map(|one| one.block),
            header.last_lsn.map(|one| one.block),
        );
        let (start, finish) = (
            clock(header.backup_start_date),
            clock(header.backup_finish_date),
        );
        let log = self.checked.log.as_ref();
        let commits = log.map(|log| (clock(log.first_commit), clock(log.last_commit)));
        let damaged = self.checked.is_damaged();
        write!(
            f,
            "{kind:?} {first:?}..{last:?} {start:?}..{finish:?} flags {flags:X} "
        )?;
        write!(f, "commits {commits:?} damaged {damaged}")
    }
}

impl Made {
    fn new(kind: BackupType, first: i64, last: i64, start: i64, finish: i64) -> Self {
        let number = u64::from(kind.number()) << 56 | (first as u64) << 28 | last as u64;
        let header = Header {
            backup_name: None,
            backup_description: None,
            backup_type: Some(kind),
            compressed: false,
            position: 1,
            user_name: None,
            server_name: Some("server".to_owned()),
            database_name: Some("orders".to_owned()),
            database_version: 904,
            database_creation_date: None,
            backup_size: 0,
            first_lsn: Some(lsn(first)),
            last_lsn: Some(lsn(last)),
            checkpoint_lsn: None,
            database_backup_lsn: None,
            backup_start_date: Some(time(start)),
            backup_finish_date: Some(time(finish)),
            sort_order: 0,
            unicode_locale_id: 0,
            unicode_comparison_style: 0,
            compatibility_level: 150,
            software_vendor_id: 4608,
            software_version_major: 15,
            software_version_minor: 0,
            software_version_build: 4355,
            machine_name: None,
            flags: Flags::BACKUP_CHECKSUMS,
            binding_id: None,
            recovery_fork_id: Some(guid(1)),
            family_guid: Some(guid(1)),
            begins_log_chain: None,
            recovery_model: RecoveryModel::Full,
            differential_base_lsn: None,
            differential_base_guid: None,
            backup_set_guid: Some(guid(number)),
            compressed_backup_size: None,
            time_zone: Some(Offset::constant(2)),
        };
        let set = BackupSet {
            offset: 0,
            header,
            files: Vec::new(),
            lineage: Lineage::default(),
            is_complete: true,
        };
        let levels = Vec::new();
        let checked = CheckedSet {
            set,
            levels,
            log: None,
        };
        Self {
            checked,
            media: number,
        }
    }

    pub(crate) fn header(mut self, change: impl FnOnce(&mut Header)) -> Self {
        change(&mut self.checked.set.header);
        self
    }

    pub(crate) fn flag(self, flag: Flags) -> Self {
        self.header(|header| header.flags.0 |= flag.0)
    }

    pub(crate) fn copy_only(self) -> Self {
        self.flag(Flags::COPY_ONLY)
    }

    pub(crate) fn bulk_logged(self) -> Self {
        self.flag(Flags::BULK_LOGGED_DATA)
    }

    pub(crate) fn simple(self) -> Self {
        self.header(|header| header.recovery_model = RecoveryModel::Simple)
    }

    pub(crate) fn named(self, name: &str) -> Self {
        self.header(|header| header.database_name = Some(name.to_owned()))
    }

    /// Of another database: another family, fork, and so other GUIDs.
    pub(crate) fn family(mut self, number: u64) -> Self {
        self.media ^= number << 40;
        let set_guid = guid(self.media);
        self.header(|header| {
            header.family_guid = Some(guid(number));
            header.recovery_fork_id = Some(guid(number));
            header.backup_set_guid = Some(set_guid);
        })
    }

    /// On a branch that left another one at that second.
    pub(crate) fn fork(mut self, number: u64, previous: u64, left: i64) -> Self {
        self.media ^= number << 40;
        let set_guid = guid(self.media);
        self.checked.set.lineage.previous_fork_id = Some(guid(previous));
        self.checked.set.lineage.fork_lsn = Some(lsn(left));
        self.header(|header| {
            header.recovery_fork_id = Some(guid(number));
            header.backup_set_guid = Some(set_guid);
        })
    }

    pub(crate) fn commits(mut self, first: i64, last: i64) -> Self {
        self.checked.log = Some(LogSummary {
            blocks: 1,
            records: 10,
            commits: 2,
            first_commit: Some(time(first)),
            last_commit: Some(time(last)),
        });
        self
    }

    pub(crate) fn failed(mut self, level: Level) -> Self {
        let outcome = Outcome::Failed;
        self.checked.levels.push(LevelReport {
            level,
            outcome,
            checked: 9,
            faulty: 1,
        });
        self
    }

    pub(crate) fn damaged(self) -> Self {
        self.failed(Level::Pages)
    }

    pub(crate) fn cut_off(mut self) -> Self {
        self.checked.set.is_complete = false;
        self.header(|header| header.backup_finish_date = None)
    }

    pub(crate) fn set_guid(&self) -> Guid {
        self.checked
            .set
            .header
            .backup_set_guid
            .expect("every made set has one")
    }

    pub(crate) fn file(&self, name: &str) -> MediaFile {
        appended(name, std::slice::from_ref(self))
    }

    /// The same backup on several stripes, named `name.1`, `name.2` and so on.
    pub(crate) fn stripes(&self, name: &str, count: u16) -> Vec<MediaFile> {
        let stripe = |family| {
            let mut file = self.file(&format!("{name}.{family}"));
            let label = file.label.as_mut().expect("every made file has one");
            (label.family_count, label.family_sequence_number) = (count, family);
            file
        };
        (1..=count).map(stripe).collect()
    }
}

/// A file with several backups, one after the other.
pub(crate) fn appended(name: &str, backups: &[Made]) -> MediaFile {
    let sets = backups.iter().zip(1..).map(|(made, position)| {
        let mut checked = made.checked.clone();
        checked.set.header.position = position;
        checked
    });
    let media = backups.first().map_or(0, |made| made.media);
    MediaFile {
        name: name.to_owned(),
        label: Some(Label {
            media_set_id: Some(guid(media)),
            family_count: 1,
            family_sequence_number: 1,
            ..Label::default()
        }),
        sets: sets.collect(),
        trouble: None,
    }
}

/// Files named `0`, `1`, ... in the order of the backups.
pub(crate) fn files(backups: &[Made]) -> Vec<MediaFile> {
    let files = backups.iter().enumerate();
    files
        .map(|(number, made)| made.file(&number.to_string()))
        .collect()
}

/// The plan for a second; None for the newest state.
pub(crate) fn plan_of(files: Vec<MediaFile>, at: Option<i64>) -> Plan {
    let request = PlanRequest {
        at: at.map(time),
        ..PlanRequest::default()
    };
    plan(&Catalogue::of(files), &request).expect("the history is of one database")
}

/// The steps in short: `full 0, log 2, log 3`, by the files' names.
pub(crate) fn steps(plan: &Plan) -> String {
    let step = |step: &recovery::plan::Step| {
        let kind = match step.kind {
            StepKind::Full => "full",
            StepKind::Differential => "diff",
            StepKind::Log => "log",
        };
        format!("{kind} {}", step.files.join("+"))
    };
    plan.steps.iter().map(step).collect::<Vec<_>>().join(", ")
}

/// The codes of the findings.
pub(crate) fn codes(plan: &Plan) -> Vec<String> {
    plan.findings
        .iter()
        .map(|finding| finding.rule.code())
        .collect()
}

//! One backup, put together from the stripes that lie in several files.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use mssql_backup::check::{CheckedSet, Level, LogSummary, Outcome};
use mssql_backup::guid::Guid;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::{BackupSet, BackupType, Flags, Header};

use crate::media::MediaFile;
use crate::moment::Moment;

/// SQL Server writes a backup to at most so many devices; a label that claims more is forged.
pub const FAMILIES: u16 = 64;

/// One backup: all stripes and all copies of one backup set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The facts, from a stripe that is whole if there is one.
    pub set: BackupSet,
    /// What its log blocks hold, over all stripes.
    pub log: Option<LogSummary>,
    /// How many stripes it must have.
    pub family_count: u16,
    /// The stripes that are there, in the order of their families.
    pub stripes: Vec<Stripe>,
    /// Further copies of these stripes, which are not needed: mirrors, or a file named twice.
    pub copies: Vec<Place>,
}

/// One stripe of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// Which family of the media set it is, from 1 on.
    pub family: u16,
    /// Where it lies.
    pub place: Place,
    /// Levels of verification that found something wrong on it.
    pub failed: Vec<Level>,
    /// Whether it has its end.
    pub is_complete: bool,
}

/// Where a backup set lies: the file by the user's name, and the number in it (`FILE = n`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: String,
    /// `Position` in it, from 1 on.
    pub position: u16,
}

/// What keeps a backup from being restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// These families are not there.
    StripesMissing(Vec<u16>),
    /// It has no end.
    CutOff(Place),
    /// Verification found something wrong, at these levels.
    Damaged(Place, Vec<Level>),
    /// SQL Server itself says that it is: it was made WITH CONTINUE_AFTER_ERROR.
    MarkedDamaged,
    /// A field of the header without which nobody knows where it belongs.
    HeaderLacks(&'static str),
}

/// Puts stripes and copies together; the result does not depend on the order of the files.
#[must_use]
pub fn merge(files: Vec<MediaFile>) -> Vec<Backup> {
    let mut found: BTreeMap<Identity, Vec<Candidate>> = BTreeMap::new();
    for file in files {
        let (family, family_count, media_set) = match &file.label {
            Some(label) => (
                label.family_sequence_number,
                label.family_count,
                label.media_set_id,
            ),
            None => (1, 1, None),
        };
        for checked in file.sets {
            let identity = Identity::of(&checked.set, media_set);
            let file = file.name.clone();
            let position = checked.set.header.position;
            found.entry(identity).or_default().push(Candidate {
                place: Place { file, position },
                family,
                family_count,
                checked,
            });
        }
    }
    found.into_values().filter_map(Backup::of).collect()
}

/// What all stripes and copies of one backup share, and no other backup has.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    media_set: Option<Guid>,
    backup_set: Option<Guid>,
    /// What has no GUID is told apart by its LSNs and its start.
    otherwise: Option<Facts>,
}

type Facts = (
    Option<String>,
    Option<BackupType>,
    Option<Lsn>,
    Option<Lsn>,
    Option<DateTime>,
);

/// One stripe or copy, before it is known which will be used.
struct Candidate {
    place: Place,
    family: u16,
    family_count: u16,
    checked: CheckedSet,
}

impl Identity {
    fn of(set: &BackupSet, media_set: Option<Guid>) -> Self {
        let header = &set.header;
        let backup_set = header.backup_set_guid;
        let facts = || {
            let lsns = (header.first_lsn, header.last_lsn);
            let name = header.database_name.clone();
            (
                name,
                header.backup_type,
                lsns.0,
                lsns.1,
                header.backup_start_date,
            )
        };
        Self {
            media_set,
            backup_set,
            otherwise: backup_set.is_none().then(facts),
        }
    }
}

impl Candidate {
    /// Whole ones first, then by family and name: an order that the input's order is not part of.
    fn rank(&self) -> (bool, bool, u16, &Place, u64) {
        let set = &self.checked.set;
        (
            !set.is_complete,
            self.checked.is_damaged(),
            self.family,
            &self.place,
            set.offset,
        )
    }

    fn failed(&self) -> Vec<Level> {
        let levels = self.checked.levels.iter();
        let failed = levels.filter(|level| level.outcome == Outcome::Failed);
        failed.map(|level| level.level).collect()
    }
}

impl Backup {
    fn of(mut candidates: Vec<Candidate>) -> Option<Self> {
        candidates.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let set = candidates.first()?.checked.set.clone();
        let claimed = candidates.iter().map(|one| one.family_count).max()?;
        let family_count = claimed.clamp(1, FAMILIES);
        let mut stripes: BTreeMap<u16, Stripe> = BTreeMap::new();
        let (mut copies, mut log) = (Vec::new(), None);
        for candidate in candidates {
            if stripes.contains_key(&candidate.family) {
                copies.push(candidate.place);
                continue;
            }
            let stripe = Stripe {
                family: candidate.family,
                failed: candidate.failed(),
                is_complete: candidate.checked.set.is_complete,
                place: candidate.place,
            };
            stripes.insert(stripe.family, stripe);
            log = joined(log, candidate.checked.log);
        }
        copies.sort();
        let stripes = stripes.into_values().collect();
        Some(Self {
            set,
            log,
            family_count,
            stripes,
            copies,
        })
    }

    /// The columns of its header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.set.header
    }

    /// Whether it was made `WITH COPY_ONLY`.
    #[must_use]
    pub fn is_copy_only(&self) -> bool {
        self.header().flags.contains(Flags::COPY_ONLY)
    }

    /// The file and number of its first stripe: how messages name it.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.stripes.first().map(|stripe| &stripe.place)
    }

    /// The families that are not there.
    #[must_use]
    pub fn missing_families(&self) -> Vec<u16> {
        let is_there = |family: &u16| {
            let by = |stripe: &Stripe| stripe.family.cmp(family);
            self.stripes.binary_search_by(by).is_ok()
        };
        (1..=self.family_count)
            .filter(|family| !is_there(family))
            .collect()
    }

    /// Everything that keeps it from being restored; empty if nothing does.
    #[must_use]
    pub fn defects(&self) -> Vec<Defect> {
        let mut defects = Vec::new();
        let missing = self.missing_families();
        if !missing.is_empty() {
            defects.push(Defect::StripesMissing(missing));
        }
        for stripe in &self.stripes {
            if !stripe.is_complete {
                defects.push(Defect::CutOff(stripe.place.clone()));
            } else if !stripe.failed.is_empty() {
                defects.push(Defect::Damaged(stripe.place.clone(), stripe.failed.clone()));
            }
        }
        if self.header().flags.contains(Flags::DAMAGED) {
            defects.push(Defect::MarkedDamaged);
        }
        // A set that was cut off lacks fields too; that it was cut off says it better.
        let lacking = self.lacking_field().filter(|_| defects.is_empty());
        defects.extend(lacking.map(Defect::HeaderLacks));
        defects
    }

    /// A local time of this backup, with its offset from UTC.
    #[must_use]
    pub fn moment(&self, local: DateTime) -> Moment {
        let offset: Option<Offset> = self.set.utc_offset();
        Moment { local, offset }
    }

    fn lacking_field(&self) -> Option<&'static str> {
        let header = self.header();
        let lacking = [
            ("BackupType", header.backup_type.is_none()),
            ("FirstLSN", header.first_lsn.is_none()),
            ("LastLSN", header.last_lsn.is_none()),
            ("BackupStartDate", header.backup_start_date.is_none()),
            ("BackupFinishDate", header.backup_finish_date.is_none()),
        ];
        lacking
            .into_iter()
            .find_map(|(name, lacks)| lacks.then_some(name))
    }
}

/// What two stripes hold of the log: the log lies in one of them, or is dealt out.
fn joined(one: Option<LogSummary>, other: Option<LogSummary>) -> Option<LogSummary> {
    let (Some(a), Some(b)) = (&one, &other) else {
        return one.or(other);
    };
    Some(LogSummary {
        blocks: a.blocks.saturating_add(b.blocks),
        records: a.records.saturating_add(b.records),
        commits: a.commits.saturating_add(b.commits),
        first_commit: earliest(a, b),
        last_commit: a.last_commit.max(b.last_commit),
    })
}

/// The earlier of two first commits; None if a stripe has records whose times are not understood.
fn earliest(a: &LogSummary, b: &LogSummary) -> Option<DateTime> {
    let is_silent = |log: &LogSummary| log.first_commit.is_none() && log.records > 0;
    let times = a.first_commit.into_iter().chain(b.first_commit);
    times.min().filter(|_| !is_silent(a) && !is_silent(b))
}

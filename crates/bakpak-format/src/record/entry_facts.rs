//! FACTS about entries that are backups: kinds 4 to 6 (spec, chapter 9).

use serde::{Deserialize, Serialize};

use super::Facts;
use super::bodies::decode;
use crate::encoding;
use crate::error::{FormatError, Structure};
use crate::geometry::StreamOffset;
use crate::limits::{MAX_FACTS_LEN, MAX_LISTED_FAULTS};

/// Texts of faults and reasons are cut to so many bytes when they are encoded: one of them must
/// not cost the facts.
const MAX_TOLD_LEN: usize = 1024;

/// The containers of a backup medium that the specification names.
pub mod container {
    /// The stream of descriptor blocks as it is.
    pub const NATIVE: u8 = 0;
    /// That stream in compressed, perhaps encrypted blocks.
    pub const BLOCKS: u8 = 1;
}

/// The outcomes of a check that the specification names.
pub mod outcome {
    /// What there was to check is right.
    pub const PASSED: u8 = 0;
    /// Something is wrong.
    pub const FAILED: u8 = 1;
    /// There is nothing that could be checked.
    pub const ABSENT: u8 = 2;
    /// There is something, but it could not be checked.
    pub const UNKNOWN: u8 = 3;
    /// Something is not as in a quiet database, but can be right in a busy one.
    pub const DOUBTFUL: u8 = 4;
}

/// The kinds of other sources that the specification names.
pub mod other_source {
    /// A BACPAC or DACPAC.
    pub const BACPAC: u16 = 1;
    /// A dump of PostgreSQL's `pg_dump`.
    pub const PG_DUMP: u16 = 2;
    /// A snapshot of Qdrant.
    pub const QDRANT: u16 = 3;
    /// Another ZIP: with backups in it, or of which nobody can say what it was.
    pub const ZIP: u16 = 4;
}

/// FACTS of an entry whose place in the stream is not yet told: no longer than the format allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    kind: u16,
    data: Vec<u8>,
}

/// A file that is a backup medium, as its first descriptor block tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupMediaFacts {
    /// What the stream of descriptor blocks stands in: see [`container`].
    pub container: u8,
    /// Word 2 of the container; 0 if there is none.
    pub features: u32,
    /// The TAPE descriptor block; empty if it cannot be read.
    #[serde(with = "encoding::bytes")]
    pub label: Vec<u8>,
    /// The content of its RAID stream; empty if there is none.
    #[serde(with = "encoding::bytes")]
    pub family: Vec<u8>,
    /// How many backup sets the medium holds; fewer may be noted, as far as there was room.
    pub sets: u64,
    /// What was checked of the medium, outside of its backup sets.
    pub checks: CheckFacts,
}

/// A backup set on a medium, as its descriptor blocks tell it, and what was found in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSetFacts {
    /// Where its first descriptor block begins in the stream of descriptor blocks.
    pub offset: u64,
    /// Whether the end copy of the configuration was read.
    pub complete: bool,
    /// The SSET descriptor block.
    #[serde(with = "encoding::bytes")]
    pub start: Vec<u8>,
    /// The VOLB descriptor block; empty if the set was cut off before.
    #[serde(with = "encoding::bytes")]
    pub volume: Vec<u8>,
    /// The configuration as it was at the end; in a set that was cut off, as at its start. `None`:
    /// left out, since the facts would have been too long.
    #[serde(with = "encoding::optional_bytes")]
    pub configuration: Option<Vec<u8>>,
    /// The configuration as it was at the start. `None`: left out.
    #[serde(with = "encoding::optional_bytes")]
    pub start_configuration: Option<Vec<u8>>,
    /// What its log blocks hold; `None` if it has none.
    pub log: Option<LogFacts>,
    /// What was checked.
    pub checks: CheckFacts,
}

/// What the log blocks of a backup set hold. Times are ticks of 1/300 s since the beginning of 1900
/// by the server's clock; 0: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFacts {
    /// How many log blocks.
    pub blocks: u64,
    /// How many log records.
    pub records: u64,
    /// How many transactions ended with a commit.
    pub commits: u64,
    /// When the first of them did.
    pub first_commit: u64,
    /// When the last of them did.
    pub last_commit: u64,
}

/// What was checked, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFacts {
    /// Every level by itself.
    pub levels: Vec<LevelFacts>,
    /// How many faults there are, listed or not.
    pub fault_count: u64,
    /// The first of them, 100 at most.
    pub faults: Vec<FaultFacts>,
}

/// What one level of verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelFacts {
    /// The level, by the number in the specification, or a newer one.
    pub level: u16,
    /// How it ended: see [`outcome`].
    pub outcome: u8,
    /// How many things were checked.
    pub checked: u64,
    /// How many of these are faulty.
    pub faulty: u64,
    /// Why it could not be checked; otherwise empty.
    #[serde(with = "encoding::text")]
    pub reason: String,
}

/// One fault of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultFacts {
    /// The level that found it.
    pub level: u16,
    /// Where in the file.
    pub offset: u64,
    /// The database file of the page; 0 if it is no page.
    pub file: u16,
    /// The page in it.
    pub page: u32,
    /// What is wrong.
    #[serde(with = "encoding::text")]
    pub message: String,
}

/// A source that is the backup of something else than SQL Server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSourceFacts {
    /// What it is: see [`other_source`].
    pub kind: u16,
    /// What checking it gave: see [`outcome`].
    pub outcome: u8,
    /// What it tells of itself, by name.
    pub values: Vec<NamedValue>,
    /// How many faults there are, listed or not.
    pub fault_count: u64,
    /// The first of them, 100 at most.
    pub faults: Vec<PlacedFault>,
}

/// A value that a source tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedValue {
    /// What it is.
    #[serde(with = "encoding::text")]
    pub name: String,
    /// The value.
    #[serde(with = "encoding::text")]
    pub value: String,
}

/// A fault of a source, and where it is, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedFault {
    /// Where: a member of the source, an offset.
    #[serde(with = "encoding::text")]
    pub place: String,
    /// What is wrong.
    #[serde(with = "encoding::text")]
    pub message: String,
}

impl EntryFacts {
    /// FACTS of any kind about an entry.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: the data are over 1 MiB (spec: FAC-1).
    pub fn new(kind: u16, data: Vec<u8>) -> Result<Self, FormatError> {
        let (len, max) = (data.len() as u64, MAX_FACTS_LEN as u64);
        FormatError::check_range(Structure::Facts, "data len", len, 0..=max)?; // spec: FAC-1
        Ok(Self { kind, data })
    }

    /// FACTS of kind 4. Of the faults the first 100 are listed, and long texts are cut.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: they are over 1 MiB.
    pub fn backup_media(mut facts: BackupMediaFacts) -> Result<Self, FormatError> {
        facts.checks.shorten();
        Self::new(Facts::BACKUP_MEDIA, encoding::encode(&facts))
    }

    /// FACTS of kind 5. Of the faults the first 100 are listed, and long texts are cut. If that is
    /// not enough the start copy of the configuration is left out, then the configuration.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: they are over 1 MiB all the same.
    pub fn backup_set(mut facts: BackupSetFacts) -> Result<Self, FormatError> {
        facts.checks.shorten();
        let mut data = encoding::encode(&facts);
        for leave_out in [
            |facts: &mut BackupSetFacts| facts.start_configuration = None,
            |facts: &mut BackupSetFacts| facts.configuration = None,
        ] {
            if data.len() > MAX_FACTS_LEN {
                leave_out(&mut facts);
                data = encoding::encode(&facts);
            }
        }
        Self::new(Facts::BACKUP_SET, data)
    }

    /// FACTS of kind 6. Of the faults the first 100 are listed, and long texts are cut.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: they are over 1 MiB.
    pub fn other_source(mut facts: OtherSourceFacts) -> Result<Self, FormatError> {
        facts.fault_count = facts.fault_count.max(facts.faults.len() as u64);
        facts.faults.truncate(MAX_LISTED_FAULTS);
        for fault in &mut facts.faults {
            cut(&mut fault.place);
            cut(&mut fault.message);
        }
        Self::new(Facts::OTHER_SOURCE, encoding::encode(&facts))
    }

    /// Their kind.
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// Their data, as the kind says.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// These facts about the entry whose first `x` header is at `entry`.
    pub fn about(self, entry: StreamOffset) -> Facts {
        Facts {
            entry: Some(entry),
            kind: self.kind,
            data: self.data,
        }
    }
}

impl CheckFacts {
    fn shorten(&mut self) {
        self.fault_count = self.fault_count.max(self.faults.len() as u64);
        self.faults.truncate(MAX_LISTED_FAULTS);
        self.faults
            .iter_mut()
            .for_each(|fault| cut(&mut fault.message));
        self.levels
            .iter_mut()
            .for_each(|level| cut(&mut level.reason));
    }

    fn check(&self) -> Result<(), FormatError> {
        check_faults(self.fault_count, self.faults.len())
    }
}

impl BackupMediaFacts {
    pub(super) fn decode(data: &[u8]) -> Result<Self, FormatError> {
        let facts: Self = decode(data)?;
        facts.checks.check()?;
        Ok(facts)
    }
}

impl BackupSetFacts {
    pub(super) fn decode(data: &[u8]) -> Result<Self, FormatError> {
        let facts: Self = decode(data)?;
        facts.checks.check()?;
        Ok(facts)
    }
}

impl OtherSourceFacts {
    pub(super) fn decode(data: &[u8]) -> Result<Self, FormatError> {
        let facts: Self = decode(data)?;
        check_faults(facts.fault_count, facts.faults.len())?;
        Ok(facts)
    }
}

/// Cuts a text that is too long, between two characters.
fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_TOLD_LEN));
}

fn check_faults(count: u64, listed: usize) -> Result<(), FormatError> {
    let (listed, max) = (listed as u64, MAX_LISTED_FAULTS as u64);
    FormatError::check_range(Structure::Facts, "listed faults", listed, 0..=max)?; // spec: FAC-2
    if count < listed {
        let what = "more faults are listed than counted";
        return Err(FormatError::malformed(Structure::Facts, "FAC-2", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::record::KnownFacts;

    fn checks(fault_count: u64, listed: usize) -> CheckFacts {
        let fault = FaultFacts {
            level: 9,
            offset: 81_920,
            file: 1,
            page: 10,
            message: "its checksum is wrong".into(),
        };
        CheckFacts {
            levels: vec![LevelFacts {
                level: 0xFFFF,
                outcome: 0xFF,
                checked: 3,
                faulty: 2,
                reason: "newer".into(),
            }],
            fault_count,
            faults: vec![fault; listed],
        }
    }

    fn set() -> BackupSetFacts {
        BackupSetFacts {
            offset: 4096,
            complete: true,
            start: b"SSET".to_vec(),
            volume: b"VOLB".to_vec(),
            configuration: Some(b"end".to_vec()),
            start_configuration: Some(Vec::new()),
            log: Some(LogFacts {
                blocks: 1,
                records: 2,
                commits: 3,
                first_commit: 4,
                last_commit: 5,
            }),
            checks: checks(7, 2),
        }
    }

    fn known(facts: EntryFacts) -> Result<KnownFacts, Class> {
        let known = facts.about(StreamOffset(1024)).known();
        known.map(Option::unwrap).map_err(|error| error.class())
    }

    #[test]
    fn facts_of_all_kinds_come_back() {
        let media = BackupMediaFacts {
            container: container::BLOCKS,
            features: 3,
            label: b"TAPE".to_vec(),
            family: vec![7; 32],
            sets: 3,
            checks: checks(1, 1),
        };
        let back = known(EntryFacts::backup_media(media.clone()).unwrap());
        assert_eq!(back, Ok(KnownFacts::BackupMedia(media)));
        let back = known(EntryFacts::backup_set(set()).unwrap());
        assert_eq!(back, Ok(KnownFacts::BackupSet(Box::new(set()))));
        let other = OtherSourceFacts {
            kind: other_source::PG_DUMP,
            outcome: outcome::FAILED,
            values: vec![NamedValue {
                name: "database".into(),
                value: "Größe".into(),
            }],
            fault_count: 1,
            faults: vec![PlacedFault {
                place: "toc.dat".into(),
                message: "it is cut off".into(),
            }],
        };
        let back = known(EntryFacts::other_source(other.clone()).unwrap());
        assert_eq!(back, Ok(KnownFacts::OtherSource(other)));
    }

    #[test]
    fn facts_of_backups_are_about_entries_only() {
        let facts = EntryFacts::backup_set(set()).unwrap();
        let mut facts = facts.about(StreamOffset(0));
        facts.entry = None;
        assert_eq!(facts.known().unwrap_err().class(), Class::Malformed);
    }

    #[test]
    fn what_is_too_long_is_left_out_in_order() {
        let kept = |configuration_len, start_configuration_len| {
            let facts = EntryFacts::backup_set(BackupSetFacts {
                configuration: Some(vec![1; configuration_len]),
                start_configuration: Some(vec![2; start_configuration_len]),
                ..set()
            });
            match known(facts.unwrap()).unwrap() {
                KnownFacts::BackupSet(set) => (
                    set.configuration.is_some(),
                    set.start_configuration.is_some(),
                ),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(kept(3000, 3000), (true, true));
        assert_eq!(kept(3000, MAX_FACTS_LEN), (true, false));
        assert_eq!(kept(MAX_FACTS_LEN, 3000), (false, false));
        let too_long = EntryFacts::backup_set(BackupSetFacts {
            start: vec![0; MAX_FACTS_LEN],
            ..set()
        });
        assert_eq!(too_long.unwrap_err().class(), Class::LimitExceeded);
    }

    #[test]
    fn faults_beyond_100_are_counted_and_long_texts_are_cut() {
        let mut media = BackupMediaFacts {
            checks: checks(0, 250),
            ..BackupMediaFacts::default()
        };
        media.checks.faults[0].message = "ß".repeat(MAX_TOLD_LEN);
        media.checks.levels[0].reason = format!("a{}", "ß".repeat(MAX_TOLD_LEN));
        let back = known(EntryFacts::backup_media(media).unwrap()).unwrap();
        let KnownFacts::BackupMedia(back) = back else {
            panic!("{back:?}");
        };
        assert_eq!(
            (back.checks.fault_count, back.checks.faults.len()),
            (250, 100)
        );
        assert_eq!(back.checks.faults[0].message.len(), MAX_TOLD_LEN);
        assert_eq!(back.checks.levels[0].reason.len(), MAX_TOLD_LEN - 1);
    }

    #[test]
    fn lists_of_faults_that_break_rules_are_refused() {
        let refused = |count, listed| {
            let media = BackupMediaFacts {
                checks: checks(count, listed),
                ..BackupMediaFacts::default()
            };
            known(EntryFacts::new(Facts::BACKUP_MEDIA, encoding::encode(&media)).unwrap())
        };
        assert!(refused(100, 100).is_ok());
        assert_eq!(refused(101, 101).unwrap_err(), Class::LimitExceeded);
        assert_eq!(refused(1, 2).unwrap_err(), Class::Malformed);
    }

    #[test]
    fn cut_and_lengthened_facts_are_malformed() {
        let facts = EntryFacts::backup_set(set()).unwrap();
        let bad = |data: &[u8]| known(EntryFacts::new(facts.kind(), data.to_vec()).unwrap());
        for len in 0..facts.data().len() {
            assert_eq!(bad(&facts.data()[..len]), Err(Class::Malformed));
        }
        assert!(bad(&[facts.data(), &[0]].concat()).is_err());
        let mut not_a_bool = facts.data().to_vec();
        not_a_bool[8] = 2;
        assert_eq!(bad(&not_a_bool), Err(Class::Malformed));
    }

    #[test]
    fn facts_of_exactly_the_longest_length_are_kept_whole() {
        let facts = |len| {
            EntryFacts::backup_set(BackupSetFacts {
                start_configuration: Some(vec![2; len]),
                ..set()
            })
            .unwrap()
        };
        let room = MAX_FACTS_LEN - facts(0).data().len();
        assert_eq!(facts(room).data().len(), MAX_FACTS_LEN);
        assert!(facts(room + 1).data().len() < 1000);
    }
}

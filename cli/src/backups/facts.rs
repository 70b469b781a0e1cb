//! From what reading a backup gave to the FACTS that an archive keeps of it, and back.

use bakpak_format::record::{
    BackupMediaFacts, BackupSetFacts, CheckFacts, EntryFacts, FaultFacts, LevelFacts, LogFacts,
    NamedValue, OtherSourceFacts, PlacedFault, container, other_source, outcome,
};
use jiff::civil::{DateTime, date};
use mssql_backup::check::{CheckedSet, Fault, Level, LevelReport, LogSummary, Outcome, PageId};
use mssql_backup::container::ContainerHeader;
use mssql_backup::decode::{MediaDescriptors, SetDescriptors};
use mssql_backup::label::Label;
use mssql_backup::report::{Medium, Report, SetReport, Unreadable};
use mssql_backup::set::BackupSet;
use recovery::foreign::ForeignReport;

/// The facts of one file, first of the medium, then of each set.
pub(crate) fn facts(report: &Report) -> Vec<EntryFacts> {
    let mut facts = Vec::new();
    facts.extend(EntryFacts::backup_media(media(report)));
    for set in &report.sets {
        facts.extend(EntryFacts::backup_set(set_facts(set, report)));
    }
    facts
}

/// The facts of a backup that is not SQL Server's.
pub(crate) fn other(report: &ForeignReport) -> OtherSourceFacts {
    let faults = report.faults();
    let placed = faults.list().iter().map(|fault| PlacedFault {
        place: fault.part.clone().unwrap_or_default(),
        message: fault.message.clone(),
    });
    let values = report.facts().into_iter().map(|(name, value)| NamedValue {
        name: name.to_owned(),
        value,
    });
    OtherSourceFacts {
        kind: match report {
            ForeignReport::Dump(_) => other_source::PG_DUMP,
            ForeignReport::Snapshot(_) => other_source::QDRANT,
            ForeignReport::Zip(_) => other_source::ZIP,
            _ => other_source::BACPAC,
        },
        // The faults are stored without their kinds, so that this alone tells whether they say
        // anything against it.
        outcome: match (report.is_unjudged(), faults.is_empty()) {
            (true, _) => outcome::UNKNOWN,
            (false, true) => outcome::PASSED,
            (false, false) => outcome::FAILED,
        },
        values: values.collect(),
        fault_count: faults.count(),
        faults: placed.collect(),
    }
}

/// That fewer sets are noted than the file holds.
pub(crate) fn not_all_noted(all: u64, noted: usize) -> Option<String> {
    ((noted as u64) < all).then(|| {
        format!("it holds {all} backup sets, and the first {noted} are noted in the archive")
    })
}

/// What the facts of one file tell.
pub(crate) fn report(media: &BackupMediaFacts, sets: &[BackupSetFacts]) -> Report {
    let is_container = media.container != container::NATIVE;
    let header = ContainerHeader {
        version: 2,
        features: media.features,
    };
    let is_compressed = is_container && header.is_compressed();
    let descriptors = MediaDescriptors {
        tape: media.label.clone(),
        family: media.family.clone(),
    };
    let has_label = !descriptors.tape.is_empty();
    let unreadable = (is_container && sets.is_empty() && !has_label).then_some(
        // Of media that are neither nothing was readable either, whatever compressed them.
        match header.is_encrypted() {
            true => Unreadable::Encrypted,
            false => Unreadable::Algorithm(mssql_backup::container::fault::Algorithm::Unknown),
        },
    );
    let faults = sets.iter().enumerate().flat_map(|(index, set)| {
        let position = u16::try_from(index + 1).ok();
        faults_of(&set.checks, position)
    });
    let outside = faults_of(&media.checks, None);
    let counts = sets.iter().map(|set| set.checks.fault_count);
    Report {
        medium: match is_container {
            true => Medium::Container(header),
            false => Medium::Native,
        },
        label: has_label.then(|| Label::decode(&descriptors, is_compressed)),
        descriptors,
        sets: sets
            .iter()
            .map(|set| set_report(set, is_compressed))
            .collect(),
        levels: levels_of(&media.checks),
        fault_count: media.checks.fault_count + counts.sum::<u64>(),
        notes: not_all_noted(media.sets, sets.len()).into_iter().collect(),
        faults: outside.chain(faults).collect(),
        unreadable,
        ..Report::default()
    }
}

fn media(report: &Report) -> BackupMediaFacts {
    let (container, features) = match report.medium {
        Medium::Container(header) => (container::BLOCKS, header.features),
        Medium::Native | Medium::Other => (container::NATIVE, 0),
    };
    let outside = report
        .faults
        .iter()
        .filter(|fault| fault.position.is_none());
    BackupMediaFacts {
        container,
        features,
        label: report.descriptors.tape.clone(),
        family: report.descriptors.family.clone(),
        sets: report.sets.len() as u64,
        checks: checks(&report.levels, outside),
    }
}

fn set_facts(set: &SetReport, report: &Report) -> BackupSetFacts {
    let descriptors = &set.descriptors;
    let is_complete = set.checked.set.is_complete;
    let configuration = match is_complete {
        true => &descriptors.end_configuration,
        false => &descriptors.start_configuration,
    };
    let position = Some(set.checked.set.header.position);
    let faults = report
        .faults
        .iter()
        .filter(|fault| fault.position == position);
    BackupSetFacts {
        offset: descriptors.offset,
        complete: is_complete,
        start: descriptors.start.clone(),
        volume: descriptors.volume.clone(),
        configuration: Some(configuration.clone()),
        start_configuration: Some(descriptors.start_configuration.clone()),
        log: set.checked.log.as_ref().map(log_facts),
        checks: checks(&set.checked.levels, faults),
    }
}

fn set_report(facts: &BackupSetFacts, is_compressed: bool) -> SetReport {
    let configuration = facts.configuration.clone().unwrap_or_default();
    let start = facts.start_configuration.clone();
    let descriptors = SetDescriptors {
        offset: facts.offset,
        start: facts.start.clone(),
        volume: facts.volume.clone(),
        start_configuration: match facts.complete {
            true => start.unwrap_or_default(),
            false => configuration.clone(),
        },
        end_configuration: match facts.complete {
            true => configuration,
            false => Vec::new(),
        },
    };
    SetReport {
        checked: CheckedSet {
            set: BackupSet::decode(&descriptors, is_compressed),
            levels: levels_of(&facts.checks),
            log: facts.log.as_ref().map(log_summary),
        },
        descriptors,
        ..SetReport::default()
    }
}

fn checks<'a>(levels: &[LevelReport], faults: impl Iterator<Item = &'a Fault>) -> CheckFacts {
    let faults: Vec<_> = faults.map(fault_facts).collect();
    let faulty: u64 = levels.iter().map(|level| level.faulty).sum();
    CheckFacts {
        levels: levels.iter().map(level_facts).collect(),
        fault_count: faulty.max(faults.len() as u64),
        faults,
    }
}

fn level_facts(report: &LevelReport) -> LevelFacts {
    let (outcome, reason) = match &report.outcome {
        Outcome::Passed => (outcome::PASSED, ""),
        Outcome::Failed => (outcome::FAILED, ""),
        Outcome::Absent(why) => (outcome::ABSENT, &**why),
        Outcome::Unknown(why) => (outcome::UNKNOWN, &**why),
        Outcome::Doubtful(why) => (outcome::DOUBTFUL, &**why),
    };
    LevelFacts {
        level: number(report.level),
        outcome,
        checked: report.checked,
        faulty: report.faulty,
        reason: reason.to_owned(),
    }
}

fn levels_of(checks: &CheckFacts) -> Vec<LevelReport> {
    let known = checks.levels.iter().filter_map(|facts| {
        let why = || facts.reason.clone().into();
        Some(LevelReport {
            level: level(facts.level)?,
            outcome: match facts.outcome {
                outcome::PASSED => Outcome::Passed,
                outcome::FAILED => Outcome::Failed,
                outcome::ABSENT => Outcome::Absent(why()),
                outcome::DOUBTFUL => Outcome::Doubtful(why()),
                // A newer outcome is not understood here.
                _ => Outcome::Unknown(why()),
            },
            checked: facts.checked,
            faulty: facts.faulty,
        })
    });
    known.collect()
}

fn fault_facts(fault: &Fault) -> FaultFacts {
    let page = fault.page.unwrap_or(PageId { file: 0, page: 0 });
    FaultFacts {
        level: number(fault.level),
        offset: fault.offset,
        file: page.file,
        page: page.page,
        message: fault.message.clone(),
    }
}

fn faults_of(checks: &CheckFacts, position: Option<u16>) -> impl Iterator<Item = Fault> {
    checks.faults.iter().filter_map(move |facts| {
        let page = PageId {
            file: facts.file,
            page: facts.page,
        };
        Some(Fault {
            level: level(facts.level)?,
            offset: facts.offset,
            position,
            page: (facts.file != 0).then_some(page),
            message: facts.message.clone(),
        })
    })
}

/// The number that the specification gives a level: they are counted from 1 in their order.
fn number(level: Level) -> u16 {
    let index = Level::ALL.iter().position(|other| *other == level);
    index
        .and_then(|index| u16::try_from(index + 1).ok())
        .unwrap_or_default()
}

fn level(number: u16) -> Option<Level> {
    let index = usize::from(number).checked_sub(1)?;
    Level::ALL.get(index).copied()
}

const TICKS_PER_SECOND: i64 = 300;

fn log_facts(log: &LogSummary) -> LogFacts {
    LogFacts {
        blocks: log.blocks,
        records: log.records,
        commits: log.commits,
        first_commit: log.first_commit.map_or(0, ticks),
        last_commit: log.last_commit.map_or(0, ticks),
    }
}

fn log_summary(facts: &LogFacts) -> LogSummary {
    LogSummary {
        blocks: facts.blocks,
        records: facts.records,
        commits: facts.commits,
        first_commit: time(facts.first_commit),
        last_commit: time(facts.last_commit),
    }
}

/// Units of 1/300 s since the beginning of 1900.
fn ticks(time: DateTime) -> u64 {
    let since = time.duration_since(beginning());
    let whole = since.as_secs() * TICKS_PER_SECOND;
    // To the nearest: a tick is no whole number of nanoseconds.
    let nanos = i64::from(since.subsec_nanos());
    let part = (nanos * TICKS_PER_SECOND + 500_000_000) / 1_000_000_000;
    u64::try_from(whole + part).unwrap_or_default()
}

fn time(ticks: u64) -> Option<DateTime> {
    let ticks = i64::try_from(ticks).ok().filter(|ticks| *ticks != 0)?;
    let nanos = ticks % TICKS_PER_SECOND * 1_000_000_000 / TICKS_PER_SECOND;
    let nanos = i32::try_from(nanos).ok()?;
    let since = jiff::SignedDuration::new(ticks / TICKS_PER_SECOND, nanos);
    beginning().checked_add(since).ok()
}

fn beginning() -> DateTime {
    date(1900, 1, 1).at(0, 0, 0, 0)
}

#[cfg(test)]
mod tests {
    use bakpak_format::geometry::StreamOffset;
    use bakpak_format::record::{Facts, KnownFacts};
    use mssql_backup::read::check;
    use mssql_backup::testing::container::wrap;
    use mssql_backup::testing::{Database, Media, write_media};

    use super::*;

    /// The facts as a reader of the archive finds them.
    fn stored(report: &Report) -> (BackupMediaFacts, Vec<BackupSetFacts>) {
        let mut media = None;
        let mut sets = Vec::new();
        for facts in facts(report) {
            let about = facts.about(StreamOffset(0));
            match Facts::decode(&about.encode()).unwrap().known().unwrap() {
                Some(KnownFacts::BackupMedia(facts)) => media = Some(facts),
                Some(KnownFacts::BackupSet(facts)) => sets.push(*facts),
                other => panic!("{other:?}"),
            }
        }
        (media.unwrap(), sets)
    }

    #[test]
    fn facts_tell_what_reading_the_file_told() {
        let mut database = Database::new("Orders");
        let at = |minute, nanos| date(2026, 3, 1).at(12, minute, 0, nanos);
        database.commit(at(1, 3_333_333));
        let sets = [database.full(at(2, 0)), database.log(at(3, 0))];
        let mut file = write_media(&Media::default(), &sets).remove(0);
        let page = file.windows(4).position(|tag| tag == b"MQDA").unwrap() + 24 + 8192 * 20;
        for is_compressed in [false, true] {
            for is_damaged in [false, true] {
                file[page + 500] ^= u8::from(is_damaged);
                let bytes = match is_compressed {
                    true => wrap(&file).bytes,
                    false => file.clone(),
                };
                let read = check(&*bytes).unwrap();
                assert_eq!(read.is_damaged(), is_damaged);
                let (media, sets) = stored(&read);
                let told = report(&media, &sets);
                assert_eq!((&told.label, told.medium), (&read.label, read.medium));
                assert_eq!(told.levels, read.levels);
                assert_eq!(told.faults, read.faults);
                assert_eq!(told.fault_count, read.fault_count);
                let checked = |report: &Report| -> Vec<CheckedSet> {
                    report.sets.iter().map(|set| set.checked.clone()).collect()
                };
                assert_eq!(checked(&told), checked(&read));
                file[page + 500] ^= u8::from(is_damaged);
            }
        }
    }

    #[test]
    fn every_tick_is_a_time_and_every_time_of_the_log_a_tick() {
        for number in [1, 299, 300, 301, 1_193_046_000_000, 1_193_046_000_001] {
            assert_eq!(ticks(time(number).unwrap()), number);
        }
        assert_eq!(time(0), None);
        assert_eq!(time(u64::MAX), None);
    }
}

//! What is to be thought of a backup: the exit code, and one sentence.

use mssql_backup::check::{CheckedSet, Fault, Level, LevelReport, Outcome};
use mssql_backup::report::{Medium, Report};
use mssql_backup::set::BackupType;

use super::checks::is_doubt;
use crate::exit::Exit;
use crate::output::count;

/// What starts the message of a fault that says that the end is missing.
const CUT: &str = "truncated: ";

/// How an inspection of this backup ends.
pub(super) fn exit(report: &Report, is_verified: bool) -> Exit {
    if report.is_damaged() {
        return match is_only_cut(report) {
            true => Exit::TRUNCATED,
            false => Exit::DAMAGED,
        };
    }
    match report.unreadable.is_some() && is_verified {
        true => Exit::UNSUPPORTED,
        false => Exit::DONE,
    }
}

/// One sentence; never more than what was checked can bear.
pub(super) fn sentence(report: &Report, is_verified: bool) -> String {
    let faults = || count(report.fault_count, "fault", "faults");
    match exit(report, is_verified) {
        Exit::DAMAGED => return format!("DAMAGED: {}", faults()),
        Exit::TRUNCATED => return format!("CUT SHORT: its end is missing ({})", faults()),
        _ => {}
    }
    if let Some(unreadable) = report.unreadable {
        return unreadable.to_string();
    }
    if !is_verified {
        return "nothing wrong in the headers; --verify checks all the rest".to_owned();
    }
    let doubt = match has(report, |outcome| matches!(outcome, Outcome::Doubtful(_))) {
        true => "; but see what is doubtful",
        false => "",
    };
    let proofs = proofs(report);
    match unproved(report) {
        Some(why) => format!("no fault found, but little could be checked: {why}{doubt}"),
        None if proofs.is_empty() => format!("no fault found; it holds nothing to check{doubt}"),
        None => format!(
            "no fault found; checksums hold of {}{doubt}",
            proofs.join(", ")
        ),
    }
}

/// Whether all that is wrong is that the end is missing, and what comes of that.
fn is_only_cut(report: &Report) -> bool {
    // Faults that are not listed are not known.
    let are_all_listed = report.fault_count <= report.faults.len() as u64;
    let Some(cut) = Cut::of(report).filter(|_| are_all_listed) else {
        return false;
    };
    let mut faults = report.faults.iter();
    faults.all(|fault| cut.explains(fault) || is_doubt(report, fault))
}

/// A missing end.
struct Cut {
    /// Where the last thing begins that is not whole.
    at: u64,
    is_in_configuration: bool,
}

impl Cut {
    /// Whole media consist of sectors.
    const SECTOR_LEN: u64 = 512;
    /// As long as what stands between compressed blocks can be: a soft filemark, what fills up
    /// before it. The part of one that a cut leaves cannot be told from a damaged one.
    const MAX_TORN_LEN: u64 = 4096 + 512;

    fn of(report: &Report) -> Option<Self> {
        let level = match report.medium {
            Medium::Container(_) => Level::CompressedBlocks,
            Medium::Native | Medium::Other => Level::Tiling,
        };
        let here = || report.faults.iter().filter(|fault| fault.level == level);
        let cut_at = here()
            .filter(|fault| is_cut(fault))
            .map(|fault| fault.offset);
        let mut at = cut_at.min()?;
        if !report.len.is_multiple_of(Self::SECTOR_LEN) {
            let torn = report.len.saturating_sub(Self::MAX_TORN_LEN);
            let torn = here()
                .map(|fault| fault.offset)
                .filter(|offset| *offset >= torn);
            at = torn.min().map_or(at, |torn| torn.min(at));
        }
        let mut cuts = report.faults.iter().filter(|fault| is_cut(fault));
        Some(Self {
            at,
            is_in_configuration: cuts.any(|fault| fault.message.contains("MQCI")),
        })
    }

    /// Whether a fault can come of the cut alone: something is not there, and nothing is wrong.
    fn explains(&self, fault: &Fault) -> bool {
        is_cut(fault)
            || fault.offset >= self.at
            || match fault.level {
                Level::Completeness
                | Level::PageCount
                | Level::Allocation
                | Level::LogContinuity => true,
                Level::Configuration => self.is_in_configuration,
                Level::BackupChecksums => fault.message.ends_with("is missing"),
                // What could not be decompressed: the block that it was in is a fault of its own.
                Level::Pages => fault.message.ends_with("it is not readable"),
                _ => false,
            }
    }
}

fn is_cut(fault: &Fault) -> bool {
    fault.message.starts_with(CUT)
}

/// What says that the bytes are those that were written.
fn proofs(report: &Report) -> Vec<&'static str> {
    let kinds = [
        (Level::CompressedBlocks, "compressed blocks"),
        (Level::BackupChecksums, "the backup as a whole"),
        (Level::Pages, "pages"),
        (Level::LogBlocks, "log blocks"),
    ];
    let passed = |level: Level| levels(report).any(|found| found.level == level && passed(found));
    let proofs = kinds.iter().filter(|(level, _)| passed(*level));
    proofs.map(|(_, word)| *word).collect()
}

/// Why nothing says that the bytes of some set are those that were written.
fn unproved(report: &Report) -> Option<String> {
    if let Medium::Container(_) = report.medium {
        // Each of its blocks has a checksum.
        return None;
    }
    let weak = report.sets.iter().map(|set| &set.checked).find(|checked| {
        let main = match checked.set.header.backup_type {
            Some(BackupType::Log) => Level::LogBlocks,
            _ => Level::Pages,
        };
        let proof = |level| {
            checked
                .levels
                .iter()
                .any(|found| found.level == level && passed(found))
        };
        !proof(main) && !proof(Level::BackupChecksums) && !is_empty_log(checked)
    })?;
    let reasons = weak.levels.iter().filter_map(|found| match &found.outcome {
        Outcome::Absent(why) | Outcome::Unknown(why) => {
            let is_log = weak.set.header.backup_type == Some(BackupType::Log);
            let counts = match found.level {
                Level::BackupChecksums => true,
                Level::Pages => !is_log,
                Level::LogBlocks => is_log,
                _ => false,
            };
            counts.then(|| why.to_string())
        }
        _ => None,
    });
    let mut reasons: Vec<_> = reasons.collect();
    reasons.push("it is not compressed".to_owned());
    Some(reasons.join("; "))
}

/// Whether it is a log backup without any log, as one is that follows another at once.
fn is_empty_log(checked: &CheckedSet) -> bool {
    let header = &checked.set.header;
    let lsns = header.first_lsn.zip(header.last_lsn);
    let is_empty = lsns.is_some_and(|(first, last)| first == last);
    is_empty && header.backup_type == Some(BackupType::Log) && checked.log.is_none()
}

fn passed(level: &LevelReport) -> bool {
    level.outcome == Outcome::Passed && level.checked > 0
}

fn has(report: &Report, is_meant: impl Fn(&Outcome) -> bool) -> bool {
    levels(report).any(|level| is_meant(&level.outcome))
}

fn levels(report: &Report) -> impl Iterator<Item = &LevelReport> {
    let of_sets = report.sets.iter().flat_map(|set| &set.checked.levels);
    report.levels.iter().chain(of_sets)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use mssql_backup::read::check;
    use mssql_backup::testing::container::wrap;
    use mssql_backup::testing::{Database, Media, write_media};

    use super::*;

    fn native() -> Vec<u8> {
        let mut database = Database::new("Orders");
        let at = |minute| date(2026, 3, 1).at(12, minute, 0, 0);
        database.commit(at(1));
        let mut full = database.full(at(2));
        full.has_checksums = true;
        database.commit(at(3));
        let log = database.log(at(4));
        write_media(&Media::default(), &[full, log]).remove(0)
    }

    fn exit_of(bytes: &[u8]) -> Exit {
        exit(&check(bytes).unwrap(), true)
    }

    /// Cuts it everywhere.
    fn not_cut_short(bytes: &[u8], step: usize) -> Vec<usize> {
        let lens = (16..bytes.len()).step_by(step);
        lens.filter(|len| exit_of(&bytes[..*len]) != Exit::TRUNCATED)
            .collect()
    }

    #[test]
    fn wherever_a_medium_is_cut_it_is_cut_short() {
        let native = native();
        assert!(native.len() > 900_000);
        assert_eq!(not_cut_short(&native, 509), Vec::<usize>::new());
    }

    #[test]
    fn wherever_a_compressed_medium_is_cut_it_is_cut_short() {
        let packed = wrap(&native()).bytes;
        assert!(packed.len() > 100_000);
        assert_eq!(not_cut_short(&packed, 97), Vec::<usize>::new());
    }

    #[test]
    fn what_was_overwritten_to_its_end_is_damaged() {
        let native = native();
        for bytes in [wrap(&native).bytes, native] {
            for (part, with) in (1..40).flat_map(|part| [(part, 0), (part, 0xA5)]) {
                let mut bytes = bytes.clone();
                let from = bytes.len() * part / 40;
                bytes[from..].fill(with);
                let exit = exit_of(&bytes);
                // Zeros to the end are also how a copy looks that was broken off.
                let is_right = exit == Exit::DAMAGED || (exit == Exit::TRUNCATED && with == 0);
                assert!(
                    is_right,
                    "{exit} with {with} from {from} of {}",
                    bytes.len()
                );
            }
        }
    }

    #[test]
    fn one_changed_byte_is_no_cut() {
        let native = native();
        for bytes in [wrap(&native).bytes, native] {
            for at in (16..bytes.len()).step_by(bytes.len() / 700) {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0x10;
                let exit = exit_of(&bytes);
                assert_ne!(exit, Exit::TRUNCATED, "byte {at} of {}", bytes.len());
            }
        }
    }
}

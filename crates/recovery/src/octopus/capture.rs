//! When database and files were captured, and whether the files can be behind the database.
//!
//! Octopus writes a file first and then refers to it in the database. So the files must be captured
//! after the database: what is too much does no harm, what is missing does.

use std::fmt;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::HomeFinding;

/// When database and files were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// When the backup of the database finished: that is the moment it restores to.
    pub database_finish: Timestamp,
    /// When reading of the files began.
    pub files_start: Timestamp,
    /// When it ended.
    pub files_end: Timestamp,
    /// The offset from UTC in which times are shown.
    pub offset: Offset,
}

impl Capture {
    /// How much later than the database the files were captured; less than zero is not safe.
    #[must_use]
    pub fn skew(&self) -> SignedDuration {
        self.files_start.duration_since(self.database_finish)
    }

    /// Whether every file that the database refers to could be captured.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        !self.skew().is_negative()
    }

    /// What is wrong with the order, by the rule BP110.
    #[must_use]
    pub fn finding(&self) -> Option<HomeFinding> {
        let message = format!(
            "the files were captured from {} on, the database as of {}: it may refer to files that \
             were written in between and are not there; capture the files after the database",
            self.moment(self.files_start),
            self.moment(self.database_finish),
        );
        (!self.is_safe()).then_some(HomeFinding {
            rule: "BP110",
            path: None,
            message,
        })
    }

    /// What is wrong with a restore of the database up to `stop_at`, by the rule BP111.
    #[must_use]
    pub fn stop_at_finding(&self, stop_at: Timestamp) -> Option<HomeFinding> {
        if stop_at <= self.files_start {
            return None;
        }
        let last_seen = self.files_end.max(self.files_start);
        let gone = if stop_at > last_seen {
            format!(
                ", and those written between {} and {} are not there",
                self.moment(last_seen),
                self.moment(stop_at)
            )
        } else {
            String::new()
        };
        let message = format!(
            "the database would be restored to {}, but the files were captured from {} to {}: \
             files written between {} and {} may lack{gone}",
            self.moment(stop_at),
            self.moment(self.files_start),
            self.moment(last_seen),
            self.moment(self.files_start),
            self.moment(stop_at.min(last_seen)),
        );
        Some(HomeFinding {
            rule: "BP111",
            path: None,
            message,
        })
    }

    /// A time, with its date if not all are of one day.
    fn moment(&self, time: Timestamp) -> String {
        let local = self.offset.to_datetime(time);
        format!("{} {}", local.date(), clock(local.time()))
    }
}

/// `database as of 02:04:11 · files 02:04:31–02:19:02 · skew +20 s (safe)`.
impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = [self.database_finish, self.files_start, self.files_end];
        let local = times.map(|time| self.offset.to_datetime(time));
        let is_one_day = local.iter().all(|time| time.date() == local[0].date());
        let [database, start, end] = local.map(|time| {
            let clock = clock(time.time());
            if is_one_day {
                clock
            } else {
                format!("{} {clock}", time.date())
            }
        });
        let verdict = if self.is_safe() { "safe" } else { "not safe" };
        let skew = Skew(self.skew());
        write!(
            f,
            "database as of {database} · files {start}–{end} · skew {skew} ({verdict})"
        )
    }
}

/// To the second: nobody reads more.
fn clock(time: jiff::civil::Time) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// A duration with its sign, in its two largest units.
struct Skew(SignedDuration);

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_negative() { '-' } else { '+' };
        let seconds = self.0.as_secs().unsigned_abs();
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{sign}{rest} s"),
            (0, 0, _) => write!(f, "{sign}{minutes} min {rest} s"),
            (0, _, _) => write!(f, "{sign}{hours} h {minutes} min"),
            _ => write!(f, "{sign}{days} d {hours} h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-01T{text}Z").parse().unwrap()
    }

    fn capture(database: &str, start: &str, end: &str) -> Capture {
        Capture {
            database_finish: at(database),
            files_start: at(start),
            files_end: at(end),
            offset: Offset::UTC,
        }
    }

    #[test]
    fn one_line_says_when_and_whether_it_is_safe() {
        let safe = capture("02:04:11", "02:04:31", "02:19:02");
        let line = "database as of 02:04:11 · files 02:04:31–02:19:02 · skew +20 s (safe)";
        assert_eq!(safe.to_string(), line);
        assert_eq!(safe.finding(), None);
    }

    #[test]
    fn files_before_the_database_are_not_safe() {
        let late = capture("03:10:00", "02:04:31", "02:19:02");
        assert!(
            late.to_string().ends_with("skew -1 h 5 min (not safe)"),
            "{late}"
        );
        let finding = late.finding().unwrap();
        assert_eq!(finding.rule, "BP110");
        assert!(
            finding.message.contains("2026-03-01 02:04:31"),
            "{}",
            finding.message
        );
        assert!(capture("02:00:00", "02:00:00", "02:00:01").is_safe());
    }

    #[test]
    fn less_than_a_second_too_early_is_not_safe() {
        let mut early = capture("02:00:00", "02:00:00", "02:00:01");
        early.files_start -= SignedDuration::from_millis(1);
        assert!(!early.is_safe());
        assert!(
            early.to_string().contains("skew -0 s (not safe)"),
            "{early}"
        );
    }

    #[test]
    fn days_are_shown_if_there_are_several() {
        let mut capture = capture("23:59:59", "23:59:59", "23:59:59");
        capture.offset = Offset::constant(1);
        assert!(capture.to_string().starts_with("database as of 00:59:59 ·"));
        capture.files_start = "2026-03-04T01:00:00Z".parse().unwrap();
        assert!(
            capture
                .to_string()
                .contains("2026-03-02 00:59:59 · files 2026-03-04 02:00:00"),
            "{capture}"
        );
        assert!(capture.to_string().contains("skew +2 d 1 h"), "{capture}");
    }

    #[test]
    fn a_restore_past_the_files_names_the_window() {
        let capture = capture("02:00:00", "02:10:00", "02:20:00");
        assert_eq!(capture.stop_at_finding(at("02:10:00")), None);
        let inside = capture.stop_at_finding(at("02:15:00")).unwrap();
        assert_eq!(inside.rule, "BP111");
        assert!(
            inside
                .message
                .ends_with("02:10:00 and 2026-03-01 02:15:00 may lack"),
            "{}",
            inside.message
        );
        let after = capture.stop_at_finding(at("03:00:00")).unwrap();
        assert!(
            after
                .message
                .contains("02:20:00 and 2026-03-01 03:00:00 are not there"),
            "{}",
            after.message
        );
    }
}

//! The clock of the server that made the backups, as they tell it, and moments on it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use recovery::backup::Backup;
use recovery::moment::Moment;

use crate::args::TypedTime;
use crate::exit::Failure;

/// A moment that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// By the server's clock.
    Local(DateTime),
    /// By everybody's.
    Instant(Timestamp),
}

/// What was typed, as a moment.
///
/// # Errors
///
/// Two offsets, or a time that the zone's clocks show twice or never (2).
pub(crate) fn asked(typed: TypedTime, zone: Option<&TimeZone>) -> Result<Asked, Failure> {
    let civil = typed.civil;
    let beyond = |_| Failure::usage(format!("{civil} is beyond all times that are known"));
    let zone = match (typed.offset, zone) {
        (None, None) => return Ok(Asked::Local(civil)),
        (Some(_), Some(_)) => {
            return Err(Failure::usage("TIME has an offset of its own")
                .hint("give --tz, or an offset or Z behind the time, not both"));
        }
        (Some(offset), None) => {
            return offset
                .to_timestamp(civil)
                .map(Asked::Instant)
                .map_err(beyond);
        }
        (None, Some(zone)) => zone,
    };
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset
            .to_timestamp(civil)
            .map(Asked::Instant)
            .map_err(beyond),
        AmbiguousOffset::Fold { before, after } => Err(Failure::usage(format!(
            "{civil} occurs twice in that zone: its clocks are set back"
        ))
        .hint(format!("the first time: --at {civil}{before}"))
        .hint(format!("the second time: --at {civil}{after}"))),
        AmbiguousOffset::Gap { before, after } => Err(Failure::usage(format!(
            "{civil} does not occur in that zone: its clocks are set ahead, from UTC{before} to \
             UTC{after}"
        ))
        .hint(format!("as if they had not been: --at {civil}{before}"))),
    }
}

/// The offsets from UTC that the server had when it made backups.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerClock {
    /// The oldest first.
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    at: Timestamp,
    local: DateTime,
    offset: Offset,
}

impl ServerClock {
    pub(crate) fn of(backups: &[Backup]) -> Self {
        let seen = backups.iter().filter_map(|backup| {
            let local = backup.header().backup_start_date?;
            let offset = backup.set.utc_offset()?;
            let at = offset.to_timestamp(local).ok()?;
            Some(Seen { at, local, offset })
        });
        let mut seen: Vec<Seen> = seen.collect();
        seen.sort_unstable();
        Self { seen }
    }

    /// A moment that was asked for, by this clock.
    ///
    /// # Errors
    ///
    /// As [`ServerClock::at`].
    pub(crate) fn moment(&self, asked: Asked, zone: Option<&TimeZone>) -> Result<Moment, Failure> {
        match asked {
            Asked::Instant(instant) => self.at(instant, zone),
            Asked::Local(local) => Ok(Moment {
                local,
                offset: self.offset_at(local),
            }),
        }
    }

    /// What it showed at an instant.
    ///
    /// Between two backups of different offsets nobody knows when it was changed, but a zone that
    /// has both of them does.
    ///
    /// # Errors
    ///
    /// No backup tells its offset, or it was changed about then (2).
    fn at(&self, instant: Timestamp, zone: Option<&TimeZone>) -> Result<Moment, Failure> {
        let by = |offset: Offset| Moment {
            local: offset.to_datetime(instant),
            offset: Some(offset),
        };
        let next = self.seen.partition_point(|seen| seen.at <= instant);
        let before = next.checked_sub(1).and_then(|index| self.seen.get(index));
        let after = self.seen.get(next);
        match (before, after) {
            (Some(before), Some(after)) if before.offset != after.offset => {
                let fits = |zone: &&TimeZone| {
                    [before, after]
                        .iter()
                        .all(|seen| zone.to_offset(seen.at) == seen.offset)
                };
                match zone.filter(fits) {
                    Some(zone) => Ok(by(zone.to_offset(instant))),
                    None => Err(unknown_between(instant, before, after)),
                }
            }
            (Some(seen), _) | (None, Some(seen)) => Ok(by(seen.offset)),
            (None, None) => Err(Failure::usage(
                "no backup tells the offset of the server's clock from UTC",
            )
            .hint("give TIME as the server's clock went, without --tz and offset")),
        }
    }

    /// The offset that it had when it showed a time. `None` if it may have been two.
    fn offset_at(&self, local: DateTime) -> Option<Offset> {
        let next = self.seen.partition_point(|seen| seen.local <= local);
        let before = next.checked_sub(1).and_then(|index| self.seen.get(index));
        match (before, self.seen.get(next)) {
            (Some(before), Some(after)) if before.offset != after.offset => None,
            (Some(seen), _) | (None, Some(seen)) => Some(seen.offset),
            (None, None) => None,
        }
    }

    /// What to know of a time that it may have shown twice or never.
    pub(super) fn change_near(&self, local: DateTime) -> Option<String> {
        let changes = self.seen.iter().zip(self.seen.iter().skip(1));
        let mut changes = changes.filter(|(before, after)| before.offset != after.offset);
        let (before, after) = changes.find(|(before, after)| {
            // It was changed at some instant between the two: what both offsets make of that.
            let ends = [before, after].map(|seen| {
                [before.offset, after.offset].map(|offset| offset.to_datetime(seen.at))
            });
            let from = ends[0][0].min(ends[0][1]);
            let to = ends[1][0].max(ends[1][1]);
            from <= local && local <= to
        })?;
        let (was, is) = (before.offset, after.offset);
        let span = format!("between {} and {}", before.local, after.local);
        Some(match is < was {
            true => format!(
                "the server's clock was set back from UTC{was} to UTC{is} {span}: if {local} \
                 occurred twice, SQL Server stops at the first"
            ),
            false => format!(
                "the server's clock was set ahead from UTC{was} to UTC{is} {span}: if {local} \
                 did not occur, SQL Server stops at the next change after it"
            ),
        })
    }
}

fn unknown_between(instant: Timestamp, before: &Seen, after: &Seen) -> Failure {
    let [first, second] = [before, after].map(|seen| seen.offset.to_datetime(instant));
    Failure::usage(format!(
        "the server's clock was changed from UTC{} to UTC{} between {} and {}, so what it showed \
         then is not known",
        before.offset, after.offset, before.local, after.local
    ))
    .hint(format!(
        "give what it showed: --at {first} or --at {second}, without --tz and offset"
    ))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::exit::Exit;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn typed(civil: DateTime) -> TypedTime {
        TypedTime {
            civil,
            offset: None,
        }
    }

    /// Backups at these local times, with these offsets.
    fn clock(seen: &[(DateTime, i8)]) -> ServerClock {
        let seen = seen.iter().map(|(local, hours)| {
            let offset = Offset::constant(*hours);
            Seen {
                at: offset.to_timestamp(*local).unwrap(),
                local: *local,
                offset,
            }
        });
        ServerClock {
            seen: seen.collect(),
        }
    }

    /// Hours of the night in which Berlin sets its clocks back at 3:00.
    fn night(hour: i8, minute: i8) -> DateTime {
        date(2024, 10, 27).at(hour, minute, 0, 0)
    }

    #[test]
    fn a_time_without_zone_and_offset_is_the_servers() {
        assert_eq!(
            asked(typed(night(2, 30)), None).unwrap(),
            Asked::Local(night(2, 30))
        );
    }

    #[test]
    fn a_zone_or_an_offset_makes_it_an_instant() {
        let instant = Asked::Instant("2024-10-26T22:30:00Z".parse().unwrap());
        assert_eq!(
            asked(typed(night(0, 30)), Some(&berlin())).unwrap(),
            instant
        );
        let with_offset = TypedTime {
            offset: Some(Offset::constant(2)),
            ..typed(night(0, 30))
        };
        assert_eq!(asked(with_offset, None).unwrap(), instant);
        assert_eq!(
            asked(with_offset, Some(&berlin())).unwrap_err().exit(),
            Exit::USAGE
        );
    }

    #[test]
    fn a_time_that_occurs_twice_is_refused_with_both() {
        let failure = asked(typed(night(2, 30)), Some(&berlin())).unwrap_err();
        assert!(failure.to_string().contains("twice"), "{failure}");
        assert_eq!(
            failure.hints(),
            [
                "the first time: --at 2024-10-27T02:30:00+02",
                "the second time: --at 2024-10-27T02:30:00+01"
            ]
        );
    }

    #[test]
    fn a_time_that_does_not_occur_is_refused() {
        let spring = date(2024, 3, 31).at(2, 30, 0, 0);
        let failure = asked(typed(spring), Some(&berlin())).unwrap_err();
        assert!(failure.to_string().contains("does not occur"), "{failure}");
        assert_eq!(failure.exit(), Exit::USAGE);
    }

    #[test]
    fn the_servers_offset_is_that_of_its_backups_about_then() {
        let clock = clock(&[(night(0, 0), 2), (night(1, 0), 2), (night(4, 0), 1)]);
        let at = |instant: &str| clock.at(instant.parse().unwrap(), None);
        let local = |instant: &str| at(instant).map(|moment| moment.local);
        // Before all, between two of one offset, behind all.
        assert_eq!(
            local("2024-10-20T10:00:00Z").unwrap(),
            date(2024, 10, 20).at(12, 0, 0, 0)
        );
        assert_eq!(local("2024-10-26T22:30:00Z").unwrap(), night(0, 30));
        assert_eq!(local("2024-10-27T09:00:00Z").unwrap(), night(10, 0));
    }

    #[test]
    fn where_the_clock_was_changed_a_zone_that_agrees_knows_it() {
        let clock = clock(&[(night(1, 0), 2), (night(4, 0), 1)]);
        let instant = "2024-10-27T00:30:00Z".parse().unwrap();
        let known = clock.at(instant, Some(&berlin())).unwrap();
        assert_eq!((known.local, known.utc()), (night(2, 30), Some(instant)));
        for zone in [None, Some(&TimeZone::UTC)] {
            let failure = clock.at(instant, zone).unwrap_err();
            assert_eq!(failure.exit(), Exit::USAGE);
            let hint = failure.hints().join(" ");
            assert!(
                hint.contains("2024-10-27T02:30:00 or --at 2024-10-27T01:30:00"),
                "{hint}"
            );
        }
    }

    #[test]
    fn without_offsets_an_instant_has_no_local_time() {
        let failure = ServerClock::default().at(Timestamp::UNIX_EPOCH, None);
        assert_eq!(failure.unwrap_err().exit(), Exit::USAGE);
        assert_eq!(ServerClock::default().offset_at(night(0, 0)), None);
    }

    #[test]
    fn a_local_time_near_a_change_of_the_clock_is_told() {
        let back = clock(&[(night(1, 0), 2), (night(4, 0), 1), (night(5, 0), 1)]);
        assert!(back.change_near(night(2, 30)).unwrap().contains("set back"));
        assert_eq!(back.offset_at(night(2, 30)), None);
        assert_eq!(back.change_near(night(6, 0)), None);
        assert_eq!(back.change_near(date(2024, 10, 26).at(12, 0, 0, 0)), None);
        assert_eq!(back.offset_at(night(6, 0)), Some(Offset::constant(1)));
        let ahead = clock(&[(night(1, 0), 1), (night(4, 0), 2)]);
        assert!(
            ahead
                .change_near(night(2, 30))
                .unwrap()
                .contains("set ahead")
        );
    }
}

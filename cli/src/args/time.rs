//! Moments and time zones as they are typed.

use std::fmt;

use jiff::civil::DateTime;
use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::{Offset, TimeZone};

/// A time as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypedTime {
    /// Date and time of day.
    pub(crate) civil: DateTime,
    /// Its offset from UTC, if one was typed.
    pub(crate) offset: Option<Offset>,
}

/// Reads `2024-06-15 14:30`, with seconds, milliseconds and an offset or Z if they are there.
pub(super) fn time(typed: &str) -> Result<TypedTime, String> {
    let form =
        || "it must be as 2024-06-15 14:30, with :00 or :00.123 behind it if need be".to_owned();
    let pieces = Pieces::parse(typed).map_err(|_| form())?;
    if pieces.time_zone_annotation().is_some() {
        return Err("a time zone is given by --tz".to_owned());
    }
    let civil = pieces.time().map(|time| pieces.date().to_datetime(time));
    let civil = civil.ok_or("the time of day is missing")?;
    // A finer one means nothing to SQL Server, and would be cut off unseen.
    if civil.subsec_nanosecond() % 1_000_000 != 0 {
        return Err("milliseconds are the finest that SQL Server knows".to_owned());
    }
    Ok(TypedTime {
        civil,
        offset: pieces.to_numeric_offset(),
    })
}

/// As it can be typed.
impl fmt::Display for TypedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.civil.date(), self.civil.time())?;
        match self.offset {
            Some(Offset::UTC) => f.write_str("Z"),
            Some(offset) => write!(f, "{offset}"),
            None => Ok(()),
        }
    }
}

/// A zone as it can be typed. None if it is none that [`zone`] reads.
pub(super) fn typed_zone(zone: &TimeZone) -> Option<String> {
    let name = zone.iana_name().map(str::to_owned);
    name.or_else(|| Some(zone.to_fixed_offset().ok()?.to_string()))
}

/// Reads `Europe/Berlin` or `+02:00`.
pub(super) fn zone(typed: &str) -> Result<TimeZone, String> {
    match typed {
        "Z" | "z" => Ok(TimeZone::UTC),
        _ => DateTimeParser::new().parse_time_zone(typed).map_err(|_| {
            "it must be a time zone as Europe/Berlin, or an offset as +02:00".to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn times_are_read_as_people_and_programs_write_them() {
        let civil = date(2024, 6, 15).at(14, 30, 0, 0);
        let two = Some(Offset::constant(2));
        for (typed, offset) in [
            ("2024-06-15 14:30", None),
            ("2024-06-15T14:30:00", None),
            ("2024-06-15 14:30:00.000", None),
            ("2024-06-15T14:30Z", Some(Offset::UTC)),
            ("2024-06-15T14:30:00+02:00", two),
            ("2024-06-15 14:30+02", two),
        ] {
            assert_eq!(time(typed), Ok(TypedTime { civil, offset }), "{typed}");
        }
        let finest = time("2024-06-15 14:30:00.123").unwrap();
        assert_eq!(finest.civil.subsec_nanosecond(), 123_000_000);
    }

    #[test]
    fn what_may_mean_another_moment_is_no_time() {
        for typed in [
            "",
            "now",
            "14:30",
            "2024-06-15",
            "15.06.2024 14:30",
            "06/15/2024 14:30",
            "2024-06-15 24:30",
            "2024-02-30 14:30",
            "2024-06-15 14:30:00.1234",
            "2024-06-15 14:30[Europe/Berlin]",
            "2024-06-15 14:30+02:00[Europe/Berlin]",
            "2024-06-15 14:30 ",
        ] {
            assert!(time(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn zones_are_known_without_the_machines_help() {
        for typed in ["Europe/Berlin", "UTC", "Z", "+02:00", "-0330"] {
            assert!(zone(typed).is_ok(), "{typed}");
        }
        for typed in ["", "Berlin", "CET+", "2"] {
            assert!(zone(typed).is_err(), "{typed}");
        }
    }
}

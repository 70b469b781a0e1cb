//! A moment of a server: its local time, and UTC where the offset is known.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// A moment in the local time of the server that made the backups.
///
/// `STOPAT` and all header times are local. Where clocks are set back an hour occurs twice, and
/// local times in it cannot be told apart; LSNs can, so the order of backups never rests on times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Server-local time.
    pub local: DateTime,
    /// The server's offset from UTC then. None if no backup tells.
    pub offset: Option<Offset>,
}

impl Moment {
    /// The same moment in UTC.
    #[must_use]
    pub fn utc(&self) -> Option<Timestamp> {
        self.offset?.to_timestamp(self.local).ok()
    }
}

/// `2024-06-15 01:47:00 (2024-06-14 23:47:00Z)`; the date of UTC only where it differs.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local;
        write!(f, "{} {}", local.date(), local.time())?;
        let Some(utc) = self.utc() else {
            return Ok(());
        };
        let utc = Offset::UTC.to_datetime(utc);
        if utc.date() == local.date() {
            write!(f, " ({}Z)", utc.time())
        } else {
            write!(f, " ({} {}Z)", utc.date(), utc.time())
        }
    }
}

/// `{"local": "2024-06-15T01:47:00", "utc": "2024-06-14T23:47:00Z"}`
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Moment", 2)?;
        fields.serialize_field("local", &self.local.to_string())?;
        fields.serialize_field("utc", &self.utc().map(|utc| utc.to_string()))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn moment(hours: i8) -> Moment {
        Moment {
            local: datetime(2024, 6, 15, 1, 47, 0, 0),
            offset: Some(Offset::constant(hours)),
        }
    }

    #[test]
    fn a_moment_is_shown_in_both_times() {
        assert_eq!(moment(1).to_string(), "2024-06-15 01:47:00 (00:47:00Z)");
        assert_eq!(
            moment(2).to_string(),
            "2024-06-15 01:47:00 (2024-06-14 23:47:00Z)"
        );
        let local = Moment {
            offset: None,
            ..moment(0)
        };
        assert_eq!(local.to_string(), "2024-06-15 01:47:00");
    }

    #[test]
    fn json_holds_both_times() {
        let json = serde_json::to_string(&moment(2)).unwrap();
        assert_eq!(
            json,
            r#"{"local":"2024-06-15T01:47:00","utc":"2024-06-14T23:47:00Z"}"#
        );
    }

    #[test]
    fn a_moment_beyond_what_utc_can_hold_is_shown_without_it() {
        let last = Moment {
            local: DateTime::MAX,
            ..moment(-20)
        };
        assert_eq!(last.utc(), None);
        assert!(last.to_string().starts_with("9999-12-31 23:59:59"));
    }
}

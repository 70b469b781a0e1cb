//! Dates and times, as they stand in descriptors and in the log.

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, ToSpan};

/// The five bytes of a descriptor: one big-endian number of year (14 bits), month (4), day (5),
/// hour (5), minute (6) and second (6).
///
/// None for zero, which means "absent", and for what is no date.
pub(crate) fn mtf_date(bytes: [u8; 5]) -> Option<DateTime> {
    let mut wide = [0; 8];
    wide[3..].copy_from_slice(&bytes);
    let number = u64::from_be_bytes(wide);
    let field = |from: u32, width: u32| (number >> from) & ((1 << width) - 1);
    let small = |value: u64| i8::try_from(value).ok();
    DateTime::new(
        i16::try_from(field(26, 14)).ok()?,
        small(field(22, 4))?,
        small(field(17, 5))?,
        small(field(12, 5))?,
        small(field(6, 6))?,
        small(field(0, 6))?,
        0,
    )
    .ok()
}

/// A time in the log: ticks of 1/300 s since midnight, and days since 1900.
pub(crate) fn log_time(ticks: u32, days: u32) -> Option<DateTime> {
    const TICKS_PER_SECOND: u32 = 300;
    if ticks >= TICKS_PER_SECOND * 86_400 {
        return None;
    }
    let date = jiff::civil::date(1900, 1, 1);
    let date = date.checked_add(Span::new().try_days(days).ok()?).ok()?;
    let nanos = u64::from(ticks) * 1_000_000_000 / u64::from(TICKS_PER_SECOND);
    let time = i64::try_from(nanos).ok()?.nanoseconds();
    date.to_datetime(jiff::civil::Time::midnight())
        .checked_add(time)
        .ok()
}

/// Units of 100 ns since 1601, UTC. None for zero.
pub(crate) fn file_time(units: u64) -> Option<Timestamp> {
    const SECONDS_TO_1970: i64 = 11_644_473_600;
    const PER_SECOND: u64 = 10_000_000;
    let seconds = i64::try_from(units / PER_SECOND).ok()?;
    let nanos = i32::try_from(units % PER_SECOND * 100).ok()?;
    let time = Timestamp::new(seconds - SECONDS_TO_1970, nanos).ok();
    time.filter(|_| units != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_the_reference_is_read() {
        let date = mtf_date([0x1F, 0x85, 0x64, 0xDC, 0xCE]).unwrap();
        assert_eq!(date.to_string(), "2017-05-18T13:51:14");
        assert_eq!(mtf_date([0; 5]), None);
        assert_eq!(mtf_date([0xFF; 5]), None);
    }

    #[test]
    fn times_of_the_log_count_three_hundredths() {
        let time = log_time(300 * 3600 + 1, 42_885).unwrap();
        assert_eq!(time.to_string(), "2017-06-01T01:00:00.003333333");
        assert_eq!(log_time(300 * 86_400, 0), None);
        assert_eq!(log_time(0, u32::MAX), None);
    }

    #[test]
    fn file_times_are_utc() {
        let time = file_time(131_239_064_412_345_670).unwrap();
        assert_eq!(time.to_string(), "2016-11-18T01:34:01.234567Z");
        assert_eq!(file_time(0), None);
        assert_eq!(file_time(u64::MAX), None);
    }
}

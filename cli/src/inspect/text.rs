//! Lines of text for people: a name and what it is, safe for a terminal.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::output::{Output, escaped, size};

/// Where the text of a line begins; narrower than any terminal.
const NAME_LEN: usize = 14;
/// The same in a table.
const ROW_NAME_LEN: usize = 17;
/// Lines that are filled up to a width end here.
const WIDTH: usize = 80;

/// Writes lines under the name of a file.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(pub(super) &'a Output);

impl Lines<'_> {
    /// The name of what the lines below are about.
    pub(super) fn head(self, name: &str) {
        self.0.line(escaped(name));
    }

    /// One line; escapes what could change the terminal.
    pub(super) fn line(self, name: &str, text: &str) {
        self.0
            .line(format!("  {name:<NAME_LEN$} {}", escaped(text)));
    }

    /// A line with a text, if there is one.
    pub(super) fn maybe(self, name: &str, text: Option<String>) {
        if let Some(text) = text {
            self.line(name, &text);
        }
    }

    /// Words, as many to a line as fit.
    pub(super) fn wrapped(self, name: &str, text: &str) {
        self.columns(&format!("  {name:<NAME_LEN$} "), text);
    }

    /// A line of a table below another line, likewise.
    pub(super) fn row(self, name: &str, text: &str) {
        self.columns(&format!("    {name:<ROW_NAME_LEN$} "), text);
    }

    fn columns(self, first: &str, text: &str) {
        let text = escaped(text).to_string();
        let indent = " ".repeat(first.len());
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split(' ') {
            let would_be = line.chars().count() + usize::from(!is_empty) + word.chars().count();
            if !is_empty && would_be > WIDTH {
                self.0.line(&line);
                line.clone_from(&indent);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.0.line(line.trim_end());
    }
}

/// A name from a file, in quotes; [`Lines`] escapes it.
pub(super) fn named(name: &str) -> String {
    format!("'{name}'")
}

/// `1.4 MiB (1460736 bytes)`.
pub(super) fn exact_size(len: u64) -> String {
    match len {
        0..1024 => format!("{len} bytes"),
        _ => format!("{} ({len} bytes)", size(len)),
    }
}

/// `2026-03-01 12:05:00`, with thousandths where there are some.
pub(super) fn date(date: DateTime) -> String {
    match date.subsec_nanosecond() {
        0 => date.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        _ => date.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
    }
}

/// ` +02:00`, or that the zone is not known.
pub(super) fn zone(offset: Option<Offset>) -> String {
    let Some(offset) = offset else {
        return " by the server's clock".to_owned();
    };
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!(" {sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `less than 1 s`, `7 s`, `12 min`, `3 h 5 min`.
pub(super) fn duration(seconds: i64) -> String {
    match seconds {
        0 => "less than 1 s".to_owned(),
        ..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1, 2, 3 and 7 more`.
pub(super) fn listed<T: fmt::Display>(all: &[T], most: usize) -> String {
    let shown: Vec<_> = all.iter().take(most).map(ToString::to_string).collect();
    let shown = shown.join(", ");
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil;

    #[test]
    fn times_say_their_zone() {
        let at = civil::date(2026, 3, 1).at(12, 5, 0, 0);
        assert_eq!(date(at), "2026-03-01 12:05:00");
        let offset = |minutes: i32| Offset::from_seconds(minutes * 60).ok();
        assert_eq!(zone(offset(330)), " +05:30");
        assert_eq!(zone(offset(-210)), " -03:30");
        assert_eq!(zone(offset(0)), " +00:00");
        assert_eq!(zone(None), " by the server's clock");
    }

    #[test]
    fn fractions_of_a_second_are_told_where_there_are_some() {
        let at = civil::date(2026, 3, 1).at(12, 5, 0, 3_333_333);
        assert_eq!(date(at), "2026-03-01 12:05:00.003");
    }

    #[test]
    fn lists_end_with_how_many_more() {
        assert_eq!(listed(&[1, 2, 3], 3), "1, 2, 3");
        assert_eq!(listed(&[1, 2, 3], 1), "1 and 2 more");
    }
}

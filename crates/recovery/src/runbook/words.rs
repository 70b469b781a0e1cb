//! Sizes, counts and names as a runbook shows them.

use crate::finding::is_invisible;

/// Bytes a minute that a restore is expected to manage: 100 MiB/s, what a plain disk does.
const BYTES_A_MINUTE: u64 = 60 * (100 << 20);

/// A text without characters that nobody sees, or that change what stands beside them.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let is_foreign = matches!(c, '\u{FFFE}' | '\u{FFFF}');
        if c.is_control() || is_invisible(c) || is_foreign {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `31.7 GiB`
pub(super) fn size(len: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if len < 1024 {
        return format!("{len} bytes");
    }
    let mut tenths = u128::from(len) * 10;
    let mut unit = "bytes";
    for larger in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths = tenths.div_ceil(1024);
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `1 file`, `318223 files`
pub(super) fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        _ => format!("{count} files"),
    }
}

/// About how many minutes it takes to read and write so much.
pub(super) fn minutes(len: u64) -> u64 {
    len.div_ceil(BYTES_A_MINUTE).max(1)
}

/// `a`, `a and b`, `a, b and c`
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Hexadecimal digits, upper case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A pattern that matches this path of an archive and what is below it, and nothing else.
pub(super) fn pattern(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => {
                pattern.push('[');
                pattern.push(c);
                pattern.push(']');
            }
            _ => pattern.push(c),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_read_as_people_write_them() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size((31 << 30) + (700 << 20)), "31.7 GiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
        assert_eq!(files(1), "1 file");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!((minutes(0), minutes(12 << 30)), (1, 3));
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        assert_eq!(shown("a\n\u{202e}b\u{e9}"), "a\\u{a}\\u{202e}b\u{e9}");
    }

    #[test]
    fn a_pattern_means_one_path() {
        assert_eq!(pattern("sql/a[1]*.bak"), "sql/a[[]1[]][*].bak");
    }
}

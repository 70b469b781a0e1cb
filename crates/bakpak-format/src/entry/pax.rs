//! The pax records of an entry: `LENGTH KEY=VALUE\n`, sorted (spec, chapter 10.2).

use std::borrow::Cow;

use super::Timestamp;
use super::header::{Shape, not_canonical};
use super::ustar::{MAX_LONG, MAX_SHORT, MAX_USTAR_NAME_LEN};
use super::{Entry, EntryKind};
use crate::error::{FormatError, Structure};
use crate::limits::MAX_PAX_RECORD_LEN;

/// What an extended attribute's key begins with.
const XATTR: &str = "SCHILY.xattr.";

/// The mark of a file that has further names.
pub(super) const LINKED: &str = "bakpak.linked";

/// The mark of a part.
pub(super) const PART: &str = "bakpak.part";

/// The records of one entry, as they stand.
#[derive(Clone, Debug)]
pub(super) struct Records<'a>(Vec<(&'a [u8], &'a [u8])>);

/// Appends the records of an entry, in ascending order of their keys.
pub(super) fn encode_into(
    out: &mut Vec<u8>,
    entry: &Entry,
    shape: Shape,
) -> Result<(), FormatError> {
    let path = entry.path.as_bytes();
    let long_name = |name: &[u8]| name.len() > MAX_USTAR_NAME_LEN || !name.is_ascii();
    let (long_user, long_group) = (long_name(&entry.user), long_name(&entry.group));
    let link = match &entry.kind {
        EntryKind::Symlink { target } => Some(&target[..]),
        EntryKind::HardLink { target } => Some(target.as_bytes()),
        _ => None,
    };
    if let (true, EntryKind::File { size, .. }) = (shape.sparse, &entry.kind) {
        push(out, "GNU.sparse.major", b"1")?;
        push(out, "GNU.sparse.minor", b"0")?;
        push(out, "GNU.sparse.name", path)?;
        push(out, "GNU.sparse.realsize", size.to_string().as_bytes())?;
    }
    for (name, value) in &entry.xattrs {
        push(out, [XATTR.as_bytes(), name].concat(), value)?;
    }
    if entry.linked {
        push(out, "comment", LINKED.as_bytes())?;
    } else if shape.part {
        push(out, "comment", PART.as_bytes())?;
    }
    if entry.gid > MAX_SHORT {
        push(out, "gid", entry.gid.to_string().as_bytes())?;
    }
    if long_group {
        push(out, "gname", &entry.group)?;
    }
    // Names that stand only in the ustar block are ASCII.
    let texts = [path, &entry.user, &entry.group, link.unwrap_or_default()];
    if texts.iter().any(|text| str::from_utf8(text).is_err()) {
        push(out, "hdrcharset", b"BINARY")?;
    }
    if let Some(link) = link {
        push(out, "linkpath", link)?;
    }
    push(out, "mtime", &format_time(entry.mtime))?;
    push(out, "path", &stored_path(path, shape.sparse))?;
    if shape.content_len > MAX_LONG {
        push(out, "size", shape.content_len.to_string().as_bytes())?;
    }
    if entry.uid > MAX_SHORT {
        push(out, "uid", entry.uid.to_string().as_bytes())?;
    }
    if long_user {
        push(out, "uname", &entry.user)?;
    }
    Ok(())
}

/// The `path` of an entry: that of a sparse file names what it looks like unexpanded.
pub(super) fn stored_path(path: &[u8], sparse: bool) -> Cow<'_, [u8]> {
    const UNEXPANDED: &[u8] = b"GNUSparseFile.0/";
    if !sparse {
        return Cow::Borrowed(path);
    }
    let dir_len = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (dir, name) = path.split_at(dir_len);
    Cow::Owned([dir, UNEXPANDED, name].concat())
}

impl<'a> Records<'a> {
    /// Splits the bytes of the records; their order and keys are the caller's to judge, by
    /// encoding again what they say (spec: ENT-1).
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut records = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = rest.iter().take(8).position(|&byte| byte == b' ');
            let digits = &rest[..space.unwrap_or(0)];
            let len = decimal(digits).ok_or_else(|| not_canonical("a record has no length"))?;
            let max = MAX_PAX_RECORD_LEN as u64;
            // spec: ENT-5
            FormatError::check_range(Structure::Entry, "pax record len", len, 0..=max)?;
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let (record, after) = rest
                .split_at_checked(len)
                .ok_or_else(|| not_canonical("a record does not end in time"))?;
            let body = record
                .get(digits.len() + 1..)
                .and_then(|body| body.strip_suffix(b"\n"));
            let pair = body.and_then(|body| {
                let equals = body.iter().position(|&byte| byte == b'=')?;
                Some((&body[..equals], &body[equals + 1..]))
            });
            records.push(pair.ok_or_else(|| not_canonical("a record has no key and value"))?);
            rest = after;
        }
        Ok(Self(records))
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'a [u8]> {
        let mut records = self.0.iter();
        records
            .find(|record| record.0 == key.as_bytes())
            .map(|record| record.1)
    }

    /// The value of a key as a number; saturates, and what is no number is 0.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).map(|value| decimal(value).unwrap_or(0))
    }

    /// The value of `mtime`, as far as it is a time.
    pub(super) fn mtime(&self) -> Option<Timestamp> {
        self.get("mtime").and_then(parse_time)
    }

    /// Names and values of the extended attributes, in their order.
    pub(super) fn xattrs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(XATTR.as_bytes())?, value)))
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect()
    }
}

/// Appends one record (spec: ENT-5).
fn push(out: &mut Vec<u8>, key: impl AsRef<[u8]>, value: &[u8]) -> Result<(), FormatError> {
    let key = key.as_ref();
    let rest_len = key.len() + value.len() + 3; // space, '=', line feed
    let digits = |len: usize| len.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut len = rest_len + digits(rest_len);
    // The length counts its own digits, which may make it one digit longer.
    len = rest_len + digits(len);
    let max = MAX_PAX_RECORD_LEN as u64;
    FormatError::check_range(Structure::Entry, "pax record len", len as u64, 0..=max)?;
    push_decimal(out, len as u64);
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
    Ok(())
}

/// A decimal number; saturates. `None` for what is empty or holds anything but digits.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let next = |number: u64, digit: &u8| {
        number
            .saturating_mul(10)
            .saturating_add((digit - b'0').into())
    };
    Some(digits.iter().fold(0, next))
}

/// Appends a number in decimal. Not by `format!`, which made this the half of encoding a header.
fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// Seconds and the nine digits behind the point, from zero in both directions, without zeros at
/// the end.
fn format_time(time: Timestamp) -> Vec<u8> {
    let mut text = Vec::with_capacity(32);
    let (mut seconds, mut nanos) = (time.seconds.unsigned_abs(), time.nanos);
    if time.seconds < 0 {
        text.push(b'-');
        // They count forward from the second before.
        if nanos > 0 {
            seconds -= 1;
            nanos = 1_000_000_000 - nanos;
        }
    }
    push_decimal(&mut text, seconds);
    if nanos > 0 {
        text.push(b'.');
        let point = text.len();
        // The digit in front keeps the zeros at the start.
        push_decimal(&mut text, 1_000_000_000 + u64::from(nanos));
        text.remove(point);
        while text.last() == Some(&b'0') {
            text.pop();
        }
    }
    text
}

/// The time that [`format_time`] writes so; what it would write otherwise may be `None` or not.
fn parse_time(value: &[u8]) -> Option<Timestamp> {
    let (magnitude, sign) = match value.strip_prefix(b"-") {
        Some(magnitude) => (magnitude, -1),
        None => (value, 1),
    };
    let mut halves = magnitude.splitn(2, |&byte| byte == b'.');
    let seconds = decimal(halves.next()?)?;
    let fraction = halves.next().unwrap_or(b"0");
    let scale = 9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let fraction = decimal(fraction)? * 10_u64.pow(scale);
    let nanos = sign * (i128::from(seconds) * 1_000_000_000 + i128::from(fraction));
    Some(Timestamp {
        seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?,
        nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_chapter_10_says() {
        for (seconds, nanos, text) in [
            (0, 0, "0"),
            (5, 0, "5"),
            (10, 1, "10.000000001"),
            (10, 500_000_000, "10.5"),
            (-1, 500_000_000, "-0.5"),
            (-2, 0, "-2"),
            (-2, 250_000_000, "-1.75"),
            (i64::MAX, 999_999_999, "9223372036854775807.999999999"),
            (i64::MIN, 0, "-9223372036854775808"),
        ] {
            let time = Timestamp { seconds, nanos };
            assert_eq!(format_time(time), text.as_bytes());
            assert_eq!(parse_time(text.as_bytes()), Some(time));
        }
    }

    #[test]
    fn what_is_no_time_is_not_taken_for_one() {
        for text in [
            "",
            "-",
            ".5",
            "1.",
            "1.0000000000",
            "x",
            "1.x",
            "--1",
            "9223372036854775808",
        ] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_length_of_a_record_counts_itself() {
        for (value_len, expected) in [
            (0, 5),
            (4, 9),
            (5, 11),
            (93, 99),
            (94, 101),
            (992, 999),
            (993, 1001),
        ] {
            let mut out = Vec::new();
            push(&mut out, "k", &vec![b'v'; value_len]).unwrap();
            assert_eq!(out.len(), expected);
            assert!(out.starts_with(format!("{expected} k=").as_bytes()));
            let records = Records::decode(&out).unwrap();
            assert_eq!(records.get("k").unwrap().len(), value_len);
        }
    }

    #[test]
    fn a_record_of_72_kib_is_the_longest() {
        let mut out = Vec::new();
        let value = vec![b'v'; MAX_PAX_RECORD_LEN - 9];
        push(&mut out, "k", &value).unwrap();
        assert_eq!(out.len(), MAX_PAX_RECORD_LEN);
        assert!(push(&mut out, "k", &[&value[..], b"v"].concat()).is_err());
    }

    #[test]
    fn bytes_that_are_no_records_are_refused() {
        for bytes in [
            &b"5 k=\n5 k="[..],
            b"4 k=\n",
            b"6 k=\n",
            b"5 k \n",
            b"k=v\n",
            b" k=\n",
            b"73729 k=\n",
            b"0 ",
            b"1 ",
        ] {
            assert!(Records::decode(bytes).is_err());
        }
    }

    #[test]
    fn a_sparse_file_is_stored_beside_its_name() {
        for (path, sparse, stored) in [
            ("sql/a/b", true, "sql/a/GNUSparseFile.0/b"),
            ("sql/a/b", false, "sql/a/b"),
            ("sql", true, "GNUSparseFile.0/sql"),
        ] {
            assert_eq!(*stored_path(path.as_bytes(), sparse), *stored.as_bytes());
        }
    }
}

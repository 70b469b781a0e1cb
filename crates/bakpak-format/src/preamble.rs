//! The first 2,048 bytes of an archive: magic, version and cover text (spec, chapter 2).

use crate::error::{FormatError, Structure};
use crate::limits::MAX_COVER_END;
use crate::wire::all_zero;

/// What every archive begins with.
pub const MAGIC: &[u8; 15] = b"bakpak archive ";

/// The only version that this crate knows (spec: HED-2).
pub const VERSION: &str = "1-draft";

/// Length of the preamble, cover text and zeros included; the header follows.
pub const PREAMBLE_LEN: usize = 2048;

/// Longest cover text of this version, in bytes (spec: HED-3).
pub const MAX_COVER_LEN: usize = MAX_COVER_END - COVER_OFFSET;

const COVER_OFFSET: usize = MAGIC.len() + VERSION.len() + 1;

const MAX_VERSION_LEN: usize = 16;

/// Encodes magic, version and cover text.
///
/// # Errors
///
/// - [`FormatError::LimitExceeded`]: the text is longer than [`MAX_COVER_LEN`] (spec: HED-3).
/// - [`FormatError::Malformed`]: it has control characters other than line feed (spec: HED-3).
pub fn encode(cover_text: &str) -> Result<[u8; PREAMBLE_LEN], FormatError> {
    check_cover(cover_text, COVER_OFFSET)?;
    let mut bytes = [0; PREAMBLE_LEN];
    let parts = [MAGIC, VERSION.as_bytes(), b"\n", cover_text.as_bytes()];
    let text = parts.concat();
    bytes[..text.len()].copy_from_slice(&text);
    Ok(bytes)
}

/// Checks magic and version, and returns where the cover text starts.
///
/// `bytes` is the beginning of a file, as much of it as there is.
///
/// # Errors
///
/// - [`FormatError::Unsupported`]: no archive, or another version (spec: HED-1, HED-2).
/// - [`FormatError::Truncated`]: it ends within magic or version, agreeing so far (spec: HED-1).
pub fn check_version(bytes: &[u8]) -> Result<usize, FormatError> {
    let structure = Structure::Head;
    let shared = bytes.len().min(MAGIC.len());
    if bytes[..shared] != MAGIC[..shared] {
        // spec: HED-1
        return Err(FormatError::unsupported(
            structure,
            "a file that is no archive",
        ));
    }
    let rest = &bytes[shared..];
    let line = &rest[..rest.len().min(MAX_VERSION_LEN + 1)];
    let version = match line.iter().position(|&byte| byte == b'\n') {
        Some(len) => &line[..len],
        None if line.len() <= MAX_VERSION_LEN => return Err(FormatError::Truncated { structure }),
        None => line,
    };
    if version != VERSION.as_bytes() {
        // spec: HED-2
        let what = format!("format version '{}'", version.escape_ascii());
        return Err(FormatError::unsupported(structure, what));
    }
    Ok(COVER_OFFSET)
}

/// Decodes the cover text of a whole preamble.
///
/// The head digest has been compared before: what is wrong here was written so.
///
/// # Errors
///
/// - Those of [`check_version`].
/// - [`FormatError::LimitExceeded`]: the text does not end in time (spec: HED-3).
/// - [`FormatError::Malformed`]: it is not UTF-8, has control characters, or is not followed by
///   zeros (spec: HED-3).
pub fn decode(bytes: &[u8; PREAMBLE_LEN]) -> Result<String, FormatError> {
    let malformed = |what| FormatError::malformed(Structure::Head, "HED-3", what);
    let cover_offset = check_version(bytes)?;
    let rest = &bytes[cover_offset..];
    let len = rest
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(rest.len());
    let (text, zeros) = rest.split_at(len);
    let text = str::from_utf8(text).map_err(|_| malformed("the cover text is not UTF-8"))?;
    check_cover(text, cover_offset)?;
    if !all_zero(zeros) {
        return Err(malformed("bytes behind the cover text are not zero"));
    }
    Ok(text.to_owned())
}

fn check_cover(text: &str, offset: usize) -> Result<(), FormatError> {
    let end = offset.saturating_add(text.len()) as u64;
    if end > MAX_COVER_END as u64 {
        let max = MAX_COVER_END as u64;
        return Err(FormatError::limit(
            Structure::Head,
            "cover text end",
            end,
            max,
        ));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        let what = "the cover text has control characters";
        return Err(FormatError::malformed(Structure::Head, "HED-3", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn a_cover_text_comes_back() {
        for text in ["", "night\nly \u{e9}", &"x".repeat(MAX_COVER_LEN)] {
            assert_eq!(decode(&encode(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn a_cover_text_beyond_offset_2000_is_refused() {
        let text = "x".repeat(MAX_COVER_LEN + 1);
        assert_eq!(encode(&text).unwrap_err().class(), Class::LimitExceeded);
        let mut bytes = encode(&text[1..]).unwrap();
        bytes[2000] = b'x';
        assert_eq!(decode(&bytes).unwrap_err().class(), Class::LimitExceeded);
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\tb", "\x1b[2J", "\x7f", "\u{85}", "a\0b"] {
            assert_eq!(encode(text).unwrap_err().class(), Class::Malformed);
        }
    }

    #[test]
    fn bytes_behind_the_cover_text_are_refused() {
        let mut bytes = encode("text").unwrap();
        bytes[2047] = 1;
        assert_eq!(decode(&bytes).unwrap_err().class(), Class::Malformed);
    }

    #[test]
    fn wrong_files_short_files_and_other_versions_differ() {
        let class = |bytes: &[u8]| check_version(bytes).unwrap_err().class();
        assert_eq!(class(b"PK\x03\x04"), Class::Unsupported);
        assert_eq!(class(b""), Class::Truncated);
        assert_eq!(class(b"bakpak arch"), Class::Truncated);
        assert_eq!(class(b"bakpak archive 1-dr"), Class::Truncated);
        assert_eq!(class(b"bakpak archive 2\n"), Class::Unsupported);
        assert_eq!(
            class(b"bakpak archive 1-draft-and-more-of-it"),
            Class::Unsupported
        );
        assert_eq!(check_version(b"bakpak archive 1-draft\n").unwrap(), 23);
    }
}

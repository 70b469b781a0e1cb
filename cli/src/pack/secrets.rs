//! What goes into the envelope: the master key in whatever form people have it, other secrets.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bakpak_format::envelope::{EnvelopeItem, item_kind};
use base64ct::{Base64, Encoding};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::output::{escaped, quoted};
use crate::prompt::read_secret;

/// The name of the master key's item.
const MASTER_KEY_NAME: &str = "master-key";

/// A file longer than this is not a master key.
const MAX_MASTER_KEY_FILE_LEN: u64 = 64 * 1024;

/// All items together must fit into the envelope, which the codec checks again.
const MAX_SECRET_FILE_LEN: u64 = bakpak_format::limits::MAX_ENVELOPE_LEN as u64;

const MAX_NAME_LEN: usize = 255;

/// A master key that was checked.
pub(super) struct MasterKey {
    /// As Octopus prints it.
    pub(super) base64: Zeroizing<Vec<u8>>,
    /// The bytes it stands for.
    pub(super) raw: Zeroizing<Vec<u8>>,
}

/// Why a file holds no master key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NotAMasterKey {
    #[error("it is not text")]
    NotText,
    #[error("its JSON has no text \"MasterKey\"")]
    OtherJson,
    #[error("it is not base64 as Octopus prints it")]
    NotBase64,
    #[error("it stands for {0} bytes, not 16 or 32")]
    WrongLength(usize),
    #[error("all its bytes are zero")]
    AllZero,
}

/// What `show-master-key --format=json` prints.
#[derive(Deserialize)]
struct OctopusJson {
    #[serde(rename = "MasterKey")]
    master_key: String,
}

impl MasterKey {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no master key.
    pub(super) fn from_file(path: &Path) -> anyhow::Result<Self> {
        let content = read_secret(path, MAX_MASTER_KEY_FILE_LEN)?;
        Self::parse(&content).map_err(|error| {
            Failure::usage(format!(
                "{} holds no Octopus master key: {error}",
                quoted(path)
            ))
            .hint("it must be the base64 text of 16 or 32 bytes, or Octopus' JSON of it")
            .hint("a key of another kind is sealed with --secret NAME=F")
            .into()
        })
    }

    /// The item to be sealed.
    pub(super) fn item(&self) -> EnvelopeItem {
        EnvelopeItem {
            kind: item_kind::MASTER_KEY,
            name: MASTER_KEY_NAME.to_owned(),
            content: self.base64.clone(),
        }
    }

    /// Reads what people have: text in UTF-8 or UTF-16, with white space around it, or JSON.
    fn parse(content: &[u8]) -> Result<Self, NotAMasterKey> {
        let text = decode_text(content)?;
        let trimmed = text.trim();
        let json = match trimmed.starts_with('{') {
            true => {
                let json: Result<OctopusJson, _> = serde_json::from_str(trimmed);
                Some(Zeroizing::new(
                    json.map_err(|_| NotAMasterKey::OtherJson)?.master_key,
                ))
            }
            false => None,
        };
        let base64 = json.as_ref().map_or(trimmed, |json| json.trim());
        let raw = Base64::decode_vec(base64).map_err(|_| NotAMasterKey::NotBase64)?;
        let raw = Zeroizing::new(raw);
        // Text with other trailing bits stands for the same bytes, but Octopus never printed it.
        if *Zeroizing::new(Base64::encode_string(&raw)) != *base64 {
            return Err(NotAMasterKey::NotBase64);
        }
        match raw.len() {
            16 | 32 if raw.iter().all(|byte| *byte == 0) => Err(NotAMasterKey::AllZero),
            16 | 32 => Ok(Self {
                base64: Zeroizing::new(base64.as_bytes().to_vec()),
                raw,
            }),
            other => Err(NotAMasterKey::WrongLength(other)),
        }
    }
}

/// Reads `NAME=F` and the file's content.
///
/// # Errors
///
/// It has another form, the name cannot be an item's, or the file cannot be read.
pub(super) fn secret(typed: &OsStr) -> anyhow::Result<EnvelopeItem> {
    let shown = typed.to_string_lossy();
    let wrong = |why: &str| Failure::usage(format!("--secret '{}': {why}", escaped(&shown)));
    let text = typed.to_str().ok_or_else(|| wrong("it is not UTF-8"))?;
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| wrong("it must be NAME=F"))?;
    if name.is_empty() || name.len() > MAX_NAME_LEN || name.chars().any(char::is_control) {
        return Err(wrong("NAME must have 1 to 255 bytes and no control characters").into());
    }
    let content = read_secret(&PathBuf::from(path), MAX_SECRET_FILE_LEN)
        .with_context(|| format!("--secret '{}'", escaped(name)))?;
    if content.is_empty() {
        return Err(wrong("the file is empty").into());
    }
    Ok(EnvelopeItem {
        kind: item_kind::FREE,
        name: name.to_owned(),
        content,
    })
}

/// Text with any byte order mark, which PowerShell and editors write.
fn decode_text(content: &[u8]) -> Result<Zeroizing<String>, NotAMasterKey> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        // UTF-8 takes at most three bytes for two: no growing, no copies left behind.
        let mut text = Zeroizing::new(String::with_capacity(rest.len() * 2));
        for c in char::decode_utf16(units) {
            text.push(c.map_err(|_| NotAMasterKey::NotText)?);
        }
        match rest.len() % 2 {
            0 => Ok(text),
            _ => Err(NotAMasterKey::NotText),
        }
    };
    match content {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => {
            let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
            let text = str::from_utf8(text).map_err(|_| NotAMasterKey::NotText)?;
            Ok(Zeroizing::new(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
    const LONG: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn parsed(content: &[u8]) -> String {
        let key = MasterKey::parse(content).ok().unwrap();
        assert_eq!(
            Base64::encode_string(&key.raw).as_bytes(),
            key.base64.as_slice()
        );
        String::from_utf8(key.base64.to_vec()).unwrap()
    }

    fn refused(content: &[u8]) -> NotAMasterKey {
        MasterKey::parse(content).err().unwrap()
    }

    fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(bytes)
            .collect()
    }

    #[test]
    fn what_people_have_is_read() {
        for key in [SHORT, LONG] {
            assert_eq!(parsed(key.as_bytes()), key);
            assert_eq!(parsed(format!("{key}\n").as_bytes()), key);
            assert_eq!(parsed(format!("  {key}\r\n\r\n").as_bytes()), key);
            assert_eq!(parsed(format!("\u{feff}{key}\r\n").as_bytes()), key);
            assert_eq!(parsed(&wide(&format!("{key}\r\n"), u16::to_le_bytes)), key);
            assert_eq!(parsed(&wide(key, u16::to_be_bytes)), key);
            let json = format!("{{\r\n  \"MasterKey\": \"{key}\"\r\n}}\r\n");
            assert_eq!(parsed(json.as_bytes()), key);
            assert_eq!(parsed(&wide(&json, u16::to_le_bytes)), key);
        }
    }

    #[test]
    fn json_may_escape_and_have_more_fields() {
        // .NET writes a plus sign as \u002B.
        let key = "+/8BAgMEBQYHCAkKCwwNDg==";
        let json = r#"{"Instance":"x","MasterKey":"\u002B\/8BAgMEBQYHCAkKCwwNDg=="}"#;
        assert_eq!(parsed(json.as_bytes()), key);
    }

    #[test]
    fn what_octopus_never_printed_is_refused() {
        use NotAMasterKey::*;
        assert_eq!(refused(b"GENERATE_ME"), NotBase64);
        assert_eq!(refused(b""), WrongLength(0));
        assert_eq!(refused(b"MDEyMzQ1Njc4OWFiY2RlZh=="), NotBase64);
        assert_eq!(refused(b"MDEyMzQ1Njc4OWFiY2RlZg"), NotBase64);
        assert_eq!(refused(b"MDEyMzQ1 Njc4OWFiY2RlZg=="), NotBase64);
        assert_eq!(refused(b"MDEyMzQ1Njc4OWFi"), WrongLength(12));
        assert_eq!(refused(b"AAAAAAAAAAAAAAAAAAAAAA=="), AllZero);
        assert_eq!(refused(br#"{"Key":"x"}"#), OtherJson);
        assert_eq!(refused(br#"{"MasterKey":null}"#), OtherJson);
        assert_eq!(refused(b"\xff\xfeM"), NotText);
        assert_eq!(refused(b"\x80"), NotText);
    }

    #[test]
    fn a_secret_has_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a=b");
        std::fs::write(&path, "x\n").unwrap();
        let typed = |name: &str| secret(OsStr::new(&format!("{name}={}", path.display())));
        let item = typed("licence").unwrap();
        assert_eq!(
            (item.kind, item.name.as_str()),
            (item_kind::FREE, "licence")
        );
        assert_eq!(item.content.as_slice(), b"x\n");
        assert!(typed("").is_err());
        assert!(typed("a\u{1b}b").is_err());
        assert!(typed(&"x".repeat(256)).is_err());
        assert!(secret(OsStr::new("licence")).is_err());
    }
}

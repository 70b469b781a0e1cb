//! What opens a slot: passphrases and key files. Wiped when dropped, never printed.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Human-readable part of a key file's Bech32 line (spec: SLT, chapter 3.2).
const KEY_FILE_HRP: &str = "bakpak-key-file-";

/// A passphrase, byte for byte as it was given.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(Vec<u8>);

/// The 32 random bytes of a key file.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyFile([u8; 32]);

/// One secret that may open a slot, or for which a slot is made.
#[derive(Clone)]
pub enum Credential {
    /// Goes through Argon2id.
    Passphrase(Passphrase),
    /// Goes through HKDF alone.
    KeyFile(KeyFile),
}

/// A key file's text is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Something else than one line of Bech32 text with the key file's prefix.
    #[error("this is not a bakpak key file: it must be one line that begins BAKPAK-KEY-FILE-1")]
    NotAKeyFile,
    /// The checksum or the length is wrong.
    #[error("the key file is damaged: its checksum does not hold (a mistyped or cut line?)")]
    Damaged,
}

impl Passphrase {
    /// Takes the bytes as they are.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Takes the content of a passphrase file: one trailing line end is dropped, nothing else.
    pub fn from_file_content(mut bytes: Vec<u8>) -> Self {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self(bytes)
    }

    /// Whether it has no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Credential {
    /// Whether the other one is the same secret; compares in constant time.
    pub fn is_same(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        match (self, other) {
            (Self::Passphrase(one), Self::Passphrase(other)) => one == other,
            (Self::KeyFile(one), Self::KeyFile(other)) => one.0.ct_eq(&other.0).into(),
            _ => false,
        }
    }
}

/// Compares in constant time, for "type it again".
impl PartialEq for Passphrase {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl KeyFile {
    /// Draws a new one from the operating system's generator.
    ///
    /// # Errors
    ///
    /// The generator does not answer.
    pub fn generate() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        crate::random::Random::system().fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Takes the 32 bytes as they are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the text of a key file; white space around it is ignored (spec: SLT-9).
    ///
    /// # Errors
    ///
    /// - [`KeyFileError::NotAKeyFile`]: no such line.
    /// - [`KeyFileError::Damaged`]: such a line, but its checksum or length is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, KeyFileError> {
        let line = std::str::from_utf8(text)
            .map_err(|_| KeyFileError::NotAKeyFile)?
            .trim();
        let hrp = line.get(..KEY_FILE_HRP.len());
        if !hrp.is_some_and(|hrp| hrp.eq_ignore_ascii_case(KEY_FILE_HRP)) {
            return Err(KeyFileError::NotAKeyFile);
        }
        let parsed = bech32::primitives::decode::CheckedHrpstring::new::<bech32::Bech32>(line)
            .map_err(|_| KeyFileError::Damaged)?;
        // Made in its full length, since a Vec that grows leaves copies behind.
        let mut data = Zeroizing::new(Vec::with_capacity(64));
        data.extend(parsed.byte_iter().take(64));
        let bytes = data
            .as_slice()
            .try_into()
            .map_err(|_| KeyFileError::Damaged)?;
        Ok(Self(bytes))
    }

    /// The text of the key file: one line in upper case, with its line feed.
    pub fn to_line(&self) -> Zeroizing<String> {
        let hrp = bech32::Hrp::parse(KEY_FILE_HRP).expect("the constant is a legal prefix");
        let mut line = Zeroizing::new(
            bech32::encode_upper::<bech32::Bech32>(hrp, &self.0)
                .expect("32 bytes and this prefix are below the length limit"),
        );
        line.push('\n');
        line
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_line_is_read_back() {
        let key = KeyFile::from_bytes([7; 32]);
        let line = key.to_line();
        assert!(line.starts_with("BAKPAK-KEY-FILE-1"));
        assert_eq!(
            KeyFile::parse(format!("  {}\r\n", line.trim()).as_bytes())
                .unwrap()
                .0,
            key.0
        );
    }

    // spec: SLT-9
    #[test]
    fn a_mistyped_key_file_is_damaged_and_another_file_is_none() {
        let line = KeyFile::from_bytes([7; 32])
            .to_line()
            .replace("QURSW", "QURSX");
        let changed = line.replacen('8', "9", 1);
        assert!(KeyFile::parse(changed.as_bytes()).err() == Some(KeyFileError::Damaged));
        assert!(KeyFile::parse(b"hunter2").err() == Some(KeyFileError::NotAKeyFile));
    }

    #[test]
    fn one_trailing_line_end_of_a_passphrase_file_is_dropped() {
        for (content, bytes) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a \r", " a \r"),
            ("", ""),
        ] {
            let passphrase = Passphrase::from_file_content(content.into());
            assert_eq!(passphrase.as_bytes(), bytes.as_bytes());
        }
    }

    #[test]
    fn passphrases_are_compared_byte_for_byte() {
        let passphrase = |text: &str| Passphrase::new(text.into());
        assert!(passphrase("correct horse") == passphrase("correct horse"));
        assert!(passphrase("correct horse") != passphrase("correct horsf"));
        assert!(passphrase("correct horse") != passphrase("correct hors"));
        assert!(passphrase("").is_empty() && !passphrase(" ").is_empty());
    }

    #[test]
    fn every_new_key_file_is_another() {
        let (one, other) = (KeyFile::generate().unwrap(), KeyFile::generate().unwrap());
        assert_ne!(one.as_bytes(), other.as_bytes());
    }
}

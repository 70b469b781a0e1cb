//! Certificates that encrypted backups need, and the files of their keys, told without a password.
//!
//! A backup names the certificate that encrypted it by its thumbprint: the SHA-1 of the certificate
//! in DER, which is just what `BACKUP CERTIFICATE` writes. So whether the right certificate is
//! there can be known without any key; whether its key is, as far as the key's length tells.

use jiff::Timestamp;
use sha1::{Digest, Sha1};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode, Reader, SliceReader, asn1::UintRef};
use x509_cert::time::Time;

pub mod private_key;
#[cfg(test)]
mod tests;

pub use private_key::{Pairing, PrivateKey};

/// The longest file that is read as a certificate or key, in bytes.
pub const MAX_LEN: usize = 1 << 20;

/// What starts a certificate that is text; SQL Server does not take it.
const PEM: &[u8] = b"-----BEGIN ";
/// `INTEGER 3`: the version that a PKCS #12 file begins with, inside of its sequence.
const PFX_VERSION: [u8; 3] = [2, 1, 3];
/// Object identifier 1.2.840.113549.1.7.1 or .2, up to its last number: what a PKCS #12 file holds.
const PKCS7: [u8; 10] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07];

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-1 of the DER: `EncryptorThumbprint` and `TDEThumbprint` of a backup.
    pub thumbprint: [u8; 20],
    /// Whom it is for, as RFC 4514 writes names.
    pub subject: String,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when. SQL Server restores with an expired certificate, but makes no backup with it.
    pub not_after: Timestamp,
    /// The RSA modulus, big-endian without zeros in front. None if it is no RSA key.
    modulus: Option<Vec<u8>>,
    /// The RSA exponent likewise.
    exponent: Option<Vec<u8>>,
}

/// What a file with a certificate or key is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFile {
    /// A certificate in DER (`.cer`).
    Certificate(Certificate),
    /// A private key (`.pvk`).
    PrivateKey(PrivateKey),
    /// A certificate with its key (PKCS #12, `.pfx`). Nothing of it shows without its password.
    Pfx,
}

/// Why a file is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotACertificate {
    /// It is another kind of file.
    #[error("it is no certificate, no private key and no PKCS #12 file")]
    Other,
    /// It is a certificate or key as text.
    #[error("it is PEM, which is text; SQL Server takes certificates in DER only")]
    Pem,
    /// It is longer than such a file can be.
    #[error("it has {len} bytes, at most {MAX_LEN} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It ends before its end.
    #[error("{what} is cut off: it has {len} bytes of {expected}")]
    Truncated {
        /// What it is.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// What it says that its length is.
        expected: usize,
    },
    /// It is not what was written.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl CertificateFile {
    /// Tells what a file is, from all its bytes.
    ///
    /// # Errors
    ///
    /// - [`NotACertificate::Truncated`], [`NotACertificate::Damaged`]: it begins like one.
    /// - [`NotACertificate::Pem`]: it may be right, but not for SQL Server.
    /// - [`NotACertificate::Other`], [`NotACertificate::TooLong`]: it is something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotACertificate> {
        if bytes.len() > MAX_LEN {
            return Err(NotACertificate::TooLong { len: bytes.len() });
        }
        if bytes.starts_with(PEM) {
            return Err(NotACertificate::Pem);
        }
        if PrivateKey::is_one(bytes) {
            return PrivateKey::decode(bytes).map(Self::PrivateKey);
        }
        let Some((header_len, content_len)) = sequence_len(bytes) else {
            return Err(NotACertificate::Other);
        };
        let content = &bytes[header_len..];
        let is_pfx = is_pfx(content);
        let what = if is_pfx {
            "the PKCS #12 file"
        } else {
            "the certificate"
        };
        // Any file may begin with `30 82`: only what goes on like one of the two is cut off.
        let is_known = is_pfx || content.starts_with(&[0x30]);
        match header_len + content_len {
            _ if !is_known => Err(NotACertificate::Other),
            expected if expected > bytes.len() => Err(NotACertificate::Truncated {
                what,
                len: bytes.len(),
                expected,
            }),
            expected if expected < bytes.len() => Err(NotACertificate::Damaged {
                what,
                why: format!("{} bytes follow its end", bytes.len() - expected),
            }),
            _ if is_pfx => Ok(Self::Pfx),
            _ => Certificate::decode(bytes).map(Self::Certificate),
        }
    }
}

impl Certificate {
    /// Decodes a certificate in DER, all of `bytes`.
    ///
    /// Its signature is not checked: SQL Server signs such certificates by themselves, so that it
    /// would prove nothing. What counts is the thumbprint.
    ///
    /// # Errors
    ///
    /// [`NotACertificate::Damaged`] if it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotACertificate> {
        let damaged = |why: String| NotACertificate::Damaged {
            what: "the certificate",
            why,
        };
        // With the rules of RFC 5280 serial numbers of SQL Server would be refused.
        let certificate = CertificateInner::<Raw>::from_der(bytes);
        let certificate = certificate.map_err(|error| damaged(error.to_string()))?;
        let content = certificate.tbs_certificate();
        let time = |time: &Time| timestamp(time).ok_or_else(|| damaged("a date is none".into()));
        let key = content
            .subject_public_key_info()
            .subject_public_key
            .as_bytes();
        let (modulus, exponent) = key.and_then(rsa_key).unzip();
        Ok(Self {
            thumbprint: Sha1::digest(bytes).into(),
            subject: content.subject().to_string(),
            not_before: time(&content.validity().not_before)?,
            not_after: time(&content.validity().not_after)?,
            modulus,
            exponent,
        })
    }

    /// Whether it is no longer, or not yet, valid.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now < self.not_before || now > self.not_after
    }

    /// The length of its RSA key in bits. None if it is no RSA key.
    #[must_use]
    pub fn key_bits(&self) -> Option<usize> {
        self.modulus.as_deref().map(bits_of)
    }
}

/// The length of the header of a DER sequence, and of its content.
fn sequence_len(bytes: &[u8]) -> Option<(usize, usize)> {
    let [0x30, first, rest @ ..] = bytes else {
        return None;
    };
    let len_len = match first {
        0..=0x7F => return Some((2, usize::from(*first))),
        0x81..=0x84 => usize::from(first - 0x80),
        _ => return None,
    };
    let digits = rest.get(..len_len)?;
    let len = digits
        .iter()
        .fold(0, |len, digit| len << 8 | usize::from(*digit));
    Some((2 + len_len, len))
}

/// Whether the content of a sequence begins as in PKCS #12: version 3, then PKCS #7 content.
fn is_pfx(content: &[u8]) -> bool {
    let behind = content.strip_prefix(&PFX_VERSION);
    let inner = behind.and_then(|behind| {
        let (header_len, _) = sequence_len(behind)?;
        behind.get(header_len..)
    });
    inner.is_some_and(|inner| inner.starts_with(&PKCS7))
}

/// Modulus and exponent of an RSA key.
fn rsa_key(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = reader.sequence(|reader| {
        let modulus = UintRef::decode(reader)?.as_bytes().to_vec();
        let exponent = UintRef::decode(reader)?.as_bytes().to_vec();
        Ok::<_, x509_cert::der::Error>((modulus, exponent))
    });
    numbers.ok()
}

fn timestamp(time: &Time) -> Option<Timestamp> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}

/// The length of a number in bits.
fn bits_of(big_endian: &[u8]) -> usize {
    let first = big_endian.first().copied().unwrap_or_default();
    (big_endian.len() * 8).saturating_sub(first.leading_zeros() as usize)
}

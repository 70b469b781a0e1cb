//! Private keys as `BACKUP CERTIFICATE ... WITH PRIVATE KEY` writes them (`.pvk`).

use super::{Certificate, NotACertificate, bits_of};

/// What a file begins with: 0xB0B5F11E, little-endian.
const MAGIC: [u8; 4] = [0x1E, 0xF1, 0xB5, 0xB0];
/// Length of the header before the salt.
const HEADER_LEN: usize = 24;
/// Length of `BLOBHEADER`, which is in the clear always.
const BLOB_HEADER_LEN: usize = 8;
/// Length of it and `RSAPUBKEY`, before the modulus.
const BEFORE_MODULUS_LEN: usize = 20;
/// A private key: the type in `BLOBHEADER`, and its version.
const BLOB_TYPE: [u8; 2] = [7, 2];
/// `CALG_RSA_KEYX` and `CALG_RSA_SIGN`.
const ALGORITHMS: [u32; 2] = [0x0000_A400, 0x0000_2400];
/// `RSA2`: the magic of a private key in `RSAPUBKEY`.
const RSA2: &[u8; 4] = b"RSA2";
/// The lengths of keys that can be, in bits.
const BITS: std::ops::RangeInclusive<usize> = 384..=16_384;

/// The file of a private key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey {
    /// Whether a password is needed.
    pub is_encrypted: bool,
    /// The length of the key in bits, which the length of the file tells.
    pub bits: usize,
    /// The RSA exponent. None if it is encrypted.
    pub public_exponent: Option<u32>,
    /// The modulus, big-endian without zeros in front. None if it is encrypted.
    modulus: Option<Vec<u8>>,
}

/// Whether a private key is that of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// It is: modulus and exponent are the same.
    Same,
    /// It can be: the key is encrypted, and has the right length.
    Possible,
    /// It is not.
    Different,
}

impl PrivateKey {
    /// Whether a file begins like one.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Decodes what can be seen of a private key, without a password.
    ///
    /// # Errors
    ///
    /// - [`NotACertificate::Other`]: it does not begin like one.
    /// - [`NotACertificate::Truncated`]: the file is shorter than its header says.
    /// - [`NotACertificate::Damaged`]: its header has no possible value, or something follows it.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotACertificate> {
        if !Self::is_one(bytes) {
            return Err(NotACertificate::Other);
        }
        let Some((header, behind)) = bytes.split_at_checked(HEADER_LEN) else {
            return Err(truncated(bytes.len(), HEADER_LEN));
        };
        let is_encrypted = match word(header, 12) {
            0 => false,
            1 => true,
            other => return Err(damaged(format!("its word for encryption is {other}"))),
        };
        let (salt_len, key_len) = (word(header, 16), word(header, 20));
        let expected = u64::from(salt_len) + u64::from(key_len) + HEADER_LEN as u64;
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if expected > bytes.len() {
            return Err(truncated(bytes.len(), expected));
        }
        if expected < bytes.len() {
            return Err(damaged(format!(
                "{} bytes follow its end",
                bytes.len() - expected
            )));
        }
        if is_encrypted != (salt_len > 0) {
            return Err(damaged(
                "it is encrypted without a salt, or has one without need".into(),
            ));
        }
        let blob = &behind[salt_len as usize..];
        let bits = bits_of_blob(blob)?;
        let mut key = Self {
            is_encrypted,
            bits,
            public_exponent: None,
            modulus: None,
        };
        if !is_encrypted {
            key.read_clear(blob)?;
        }
        Ok(key)
    }

    /// Whether it is the key of this certificate, as far as can be seen without a password.
    #[must_use]
    pub fn pairing(&self, certificate: &Certificate) -> Pairing {
        let has_length = certificate.key_bits() == Some(self.bits);
        match (&self.modulus, self.public_exponent) {
            _ if !has_length => Pairing::Different,
            (None, _) | (_, None) => Pairing::Possible,
            (modulus, Some(exponent)) => {
                let exponent = exponent.to_be_bytes();
                let is_same = *modulus == certificate.modulus
                    && certificate.exponent.as_deref() == Some(without_zeros(&exponent));
                if is_same {
                    Pairing::Same
                } else {
                    Pairing::Different
                }
            }
        }
    }

    /// The public part of a key that is not encrypted.
    fn read_clear(&mut self, blob: &[u8]) -> Result<(), NotACertificate> {
        let told = word(blob, 12);
        if blob[BLOB_HEADER_LEN..].first_chunk() != Some(RSA2) || told as usize != self.bits {
            return Err(damaged(
                "its key is no RSA key of the length that the file has".into(),
            ));
        }
        let little_endian = &blob[BEFORE_MODULUS_LEN..BEFORE_MODULUS_LEN + self.bits / 8];
        let big_endian: Vec<u8> = little_endian.iter().rev().copied().collect();
        if bits_of(&big_endian) != self.bits {
            return Err(damaged("its modulus is shorter than its key".into()));
        }
        self.public_exponent = Some(word(blob, 16));
        self.modulus = Some(big_endian);
        Ok(())
    }
}

/// The length of a key, from that of the blob: modulus and private exponent of that length, and
/// five numbers of half of it.
fn bits_of_blob(blob: &[u8]) -> Result<usize, NotACertificate> {
    let is_blob = blob.starts_with(&BLOB_TYPE) && blob.len() > BEFORE_MODULUS_LEN;
    if !is_blob || !ALGORITHMS.contains(&word(blob, 4)) {
        return Err(damaged("it holds no RSA key".into()));
    }
    let numbers_len = blob.len() - BEFORE_MODULUS_LEN;
    let bits = numbers_len / 9 * 16;
    if !numbers_len.is_multiple_of(9) || !bits.is_multiple_of(16) || !BITS.contains(&bits) {
        return Err(damaged("its length is that of no RSA key".into()));
    }
    Ok(bits)
}

fn without_zeros(big_endian: &[u8]) -> &[u8] {
    let start = big_endian.iter().position(|byte| *byte != 0);
    &big_endian[start.unwrap_or(big_endian.len())..]
}

/// A little-endian word; zero behind the end.
fn word(bytes: &[u8], offset: usize) -> u32 {
    let field = bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
    u32::from_le_bytes(field.copied().unwrap_or_default())
}

fn truncated(len: usize, expected: usize) -> NotACertificate {
    NotACertificate::Truncated {
        what: "the private key",
        len,
        expected,
    }
}

fn damaged(why: String) -> NotACertificate {
    NotACertificate::Damaged {
        what: "the private key",
        why,
    }
}

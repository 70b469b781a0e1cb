//! AES-256-GCM (NIST SP 800-38D) behind one small trait, with two backends.

use zeroize::Zeroize;

/// Length of a key.
pub const KEY_LEN: usize = 32;
/// Length of a nonce.
pub const NONCE_LEN: usize = 12;
/// Length of a tag.
pub const TAG_LEN: usize = 16;

/// A tag did not verify: wrong key, wrong place or changed bytes; which one cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authentication tag does not verify")]
pub struct NotAuthentic;

/// One AES-256-GCM key, ready for use.
pub trait Aead: Sized {
    /// Takes the key.
    fn new(key: &[u8; KEY_LEN]) -> Self;

    /// Seals in place: `buffer` is the plaintext and room for the tag behind it.
    ///
    /// # Panics
    ///
    /// `buffer` is shorter than a tag, or longer than GCM allows (64 GiB).
    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]);

    /// Opens in place: `sealed` is ciphertext and tag; the plaintext stands before the tag then.
    ///
    /// # Errors
    ///
    /// The tag does not verify; `sealed` has been wiped.
    fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic>;
}

/// The backend that this build uses (measured: format-spec/rationale.md, "AEAD backend").
#[cfg(feature = "aws-lc")]
pub type DefaultAead = AwsLc;
/// The backend that this build uses (measured: format-spec/rationale.md, "AEAD backend").
#[cfg(not(feature = "aws-lc"))]
pub type DefaultAead = RustCrypto;

/// The pure-Rust backend, from the `aes-gcm` package.
pub struct RustCrypto(aes_gcm::Aes256Gcm);

impl Aead for RustCrypto {
    fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(aes_gcm::KeyInit::new(key.into()))
    }

    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) {
        let (text, tag) = buffer.split_at_mut(buffer.len() - TAG_LEN);
        let computed =
            aes_gcm::AeadInOut::encrypt_inout_detached(&self.0, nonce.into(), aad, text.into())
                .expect("callers stay below 64 GiB");
        tag.copy_from_slice(&computed);
    }

    fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic> {
        let text_len = sealed.len().checked_sub(TAG_LEN).ok_or(NotAuthentic)?;
        let (text, tag) = sealed.split_at_mut(text_len);
        let tag: [u8; TAG_LEN] = (&*tag).try_into().map_err(|_| NotAuthentic)?;
        let opened = aes_gcm::AeadInOut::decrypt_inout_detached(
            &self.0,
            nonce.into(),
            aad,
            (&mut *text).into(),
            &tag.into(),
        );
        if opened.is_err() {
            sealed.zeroize();
            return Err(NotAuthentic);
        }
        Ok(&mut sealed[..text_len])
    }
}

/// The backend of AWS-LC, from the `aws-lc-rs` package.
#[cfg(feature = "aws-lc")]
pub struct AwsLc(aws_lc_rs::aead::LessSafeKey);

#[cfg(feature = "aws-lc")]
impl Aead for AwsLc {
    fn new(key: &[u8; KEY_LEN]) -> Self {
        let key = aws_lc_rs::aead::UnboundKey::new(&aws_lc_rs::aead::AES_256_GCM, key)
            .expect("the key has the algorithm's length");
        Self(aws_lc_rs::aead::LessSafeKey::new(key))
    }

    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) {
        use aws_lc_rs::aead::{Aad, Nonce};
        let (text, tag) = buffer.split_at_mut(buffer.len() - TAG_LEN);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let computed = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), text)
            .expect("callers stay below 64 GiB");
        tag.copy_from_slice(computed.as_ref());
    }

    fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic> {
        use aws_lc_rs::aead::{Aad, Nonce};
        let text_len = sealed.len().checked_sub(TAG_LEN).ok_or(NotAuthentic)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        if self.0.open_in_place(nonce, Aad::from(aad), sealed).is_err() {
            sealed.zeroize();
            return Err(NotAuthentic);
        }
        Ok(&mut sealed[..text_len])
    }
}

#[cfg(test)]
mod tests;

//! How a caller offers its secrets, once it is known what an archive asks for.

use crate::secret::Credential;
use bakpak_format::slots::{Domain, Slot};
use std::io;

/// What kind of secret a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotKind {
    /// Kind 1: Argon2id passphrase.
    Passphrase,
    /// Kind 2: key file.
    KeyFile,
    /// A kind that this version does not open.
    Other(u16),
}

impl From<&Slot> for SlotKind {
    fn from(slot: &Slot) -> Self {
        match slot {
            Slot::Passphrase(_) => Self::Passphrase,
            Slot::KeyFile(_) => Self::KeyFile,
            Slot::Other { kind, .. } => Self::Other(*kind),
        }
    }
}

/// Offers secrets when the head of an archive has been read.
pub trait Keyring {
    /// The secrets at hand for one domain of an archive whose slots are of `kinds`.
    /// None at all is an answer too: the archive then is not opened.
    ///
    /// # Errors
    ///
    /// A secret cannot be had (a prompt failed, a file vanished).
    fn credentials(&mut self, domain: Domain, kinds: &[SlotKind]) -> io::Result<Vec<Credential>>;
}

/// The same secrets for both domains.
impl Keyring for Vec<Credential> {
    fn credentials(&mut self, _: Domain, _: &[SlotKind]) -> io::Result<Vec<Credential>> {
        Ok(self.clone())
    }
}

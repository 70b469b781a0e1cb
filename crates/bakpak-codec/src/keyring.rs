//! How a caller offers its secrets, once it is known what an archive asks for.

use crate::keys::DomainKey;
use crate::secret::Credential;
use bakpak_format::header::ArchiveId;
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

/// The key that has opened one domain of one archive. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct OpenedKey {
    domain: Domain,
    archive_id: ArchiveId,
    key: DomainKey,
}

impl OpenedKey {
    pub(crate) fn new(domain: Domain, archive_id: ArchiveId, key: DomainKey) -> Self {
        Self {
            domain,
            archive_id,
            key,
        }
    }

    /// The key, if it is that of this domain of this archive.
    pub(crate) fn of(self, domain: Domain, archive_id: ArchiveId) -> Option<DomainKey> {
        (self.domain == domain && self.archive_id == archive_id).then_some(self.key)
    }
}

/// Offers secrets when the head of an archive has been read.
///
/// A verb may open one archive twice, and each time a passphrase costs a derivation. A keyring that
/// keeps the key spares the second one. It spares no check: commitment and MACs of the head that is
/// read then are compared again.
pub trait Keyring {
    /// The secrets at hand for one domain of an archive whose slots are of `kinds`.
    /// None at all is an answer too: the archive then is not opened.
    ///
    /// # Errors
    ///
    /// A secret cannot be had (a prompt failed, a file vanished).
    fn credentials(&mut self, domain: Domain, kinds: &[SlotKind]) -> io::Result<Vec<Credential>>;

    /// Secrets to try after those before have not fitted; none at all ends the trying. For whoever
    /// can ask again.
    ///
    /// # Errors
    ///
    /// As [`Keyring::credentials`].
    fn further(&mut self, domain: Domain, kinds: &[SlotKind]) -> io::Result<Vec<Credential>> {
        let _ = (domain, kinds);
        Ok(Vec::new())
    }

    /// Takes the key that has opened an archive, to keep it or not.
    fn keep(&mut self, key: OpenedKey) {
        let _ = key;
    }

    /// The key that was kept. It is asked for before the secrets.
    fn kept(&self) -> Option<OpenedKey> {
        None
    }
}

/// The same secrets for both domains.
impl Keyring for Vec<Credential> {
    fn credentials(&mut self, _: Domain, _: &[SlotKind]) -> io::Result<Vec<Credential>> {
        Ok(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_key_is_that_of_one_domain_of_one_archive() {
        let id = ArchiveId([1; 16]);
        let opened = OpenedKey::new(Domain::Data, id, DomainKey::from_bytes([2; 32]));
        let key = opened.clone().of(Domain::Data, id);
        assert!(key.is_some_and(|key| *key.as_bytes() == [2; 32]));
        assert!(opened.clone().of(Domain::Envelope, id).is_none());
        assert!(opened.of(Domain::Data, ArchiveId([3; 16])).is_none());
    }
}

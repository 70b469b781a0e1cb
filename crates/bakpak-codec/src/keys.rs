//! The only place that derives keys (spec: chapter 3.1).

use crate::random::Random;
use bakpak_format::geometry::StripeIndex;
use bakpak_format::header::ArchiveId;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use std::io;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The random key of one domain of one archive: archive key or envelope key (spec: KEY-1).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct DomainKey([u8; 32]);

/// Derives the subkeys of one domain.
pub(crate) struct Subkeys {
    hkdf: Hkdf<Sha512>,
    archive_id: ArchiveId,
    domain: KeyDomain,
}

/// Whose subkeys: those of the archive key or those of the envelope key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyDomain {
    Archive,
    Envelope,
}

/// A key that authenticates with HMAC-SHA-512, cut to 32 bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct MacKey([u8; 32]);

/// The two keys that one slot's secret gives (spec: SLT-8).
pub(crate) struct SlotKeys {
    pub(crate) kek: Zeroizing<[u8; 32]>,
    pub(crate) commitment: [u8; 32],
}

impl DomainKey {
    pub(crate) fn generate(random: &mut Random) -> io::Result<Self> {
        random.array().map(Self)
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Extracts with the header's salt.
    pub(crate) fn subkeys(
        &self,
        salt: &[u8; 32],
        archive_id: ArchiveId,
        domain: KeyDomain,
    ) -> Subkeys {
        Subkeys {
            hkdf: Hkdf::new(Some(salt), &self.0),
            archive_id,
            domain,
        }
    }
}

impl Subkeys {
    /// What the header promises about this key (spec: KEY-2).
    pub(crate) fn commitment(&self) -> [u8; 32] {
        *match self.domain {
            KeyDomain::Archive => self.expand("bakpak/1 archive commitment", &[]),
            KeyDomain::Envelope => self.expand("bakpak/1 envelope commitment", &[]),
        }
    }

    pub(crate) fn header_mac_key(&self) -> MacKey {
        MacKey(*self.expand("bakpak/1 header mac", &[]))
    }

    pub(crate) fn slot_mac_key(&self) -> MacKey {
        MacKey(*match self.domain {
            KeyDomain::Archive => self.expand("bakpak/1 data slots mac", &[]),
            KeyDomain::Envelope => self.expand("bakpak/1 envelope slots mac", &[]),
        })
    }

    pub(crate) fn stripe_key(&self, stripe: StripeIndex, salt: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        self.expand("bakpak/1 stripe", &[&stripe.0.to_le_bytes(), salt])
    }

    pub(crate) fn item_check_key(&self) -> MacKey {
        MacKey(*self.expand("bakpak/1 item check", &[]))
    }

    pub(crate) fn envelope_body_key(&self) -> Zeroizing<[u8; 32]> {
        self.expand("bakpak/1 envelope body", &[])
    }

    fn expand(&self, label: &str, extra: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        expand(
            &self.hkdf,
            label,
            &[&[self.archive_id.0.as_slice()], extra].concat(),
        )
    }
}

impl MacKey {
    /// HMAC-SHA-512, the first 32 bytes.
    pub(crate) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha512>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(bytes);
        let full = mac.finalize().into_bytes();
        let mut cut = [0; 32];
        cut.copy_from_slice(&full[..32]);
        cut
    }

    /// Compares in constant time.
    pub(crate) fn verifies(&self, bytes: &[u8], mac: &[u8; 32]) -> bool {
        equal(&self.mac(bytes), mac)
    }
}

/// Derives a slot's keys from the secret's key material (spec: SLT-8).
pub(crate) fn slot_keys(
    ikm: &[u8; 32],
    slot_salt: &[u8; 16],
    domain_tag: &[u8; 4],
    archive_id: ArchiveId,
) -> SlotKeys {
    let hkdf = Hkdf::<Sha512>::new(Some(slot_salt), ikm);
    let context: [&[u8]; 2] = [domain_tag, &archive_id.0];
    SlotKeys {
        kek: expand(&hkdf, "bakpak/1 slot kek", &context),
        commitment: *expand(&hkdf, "bakpak/1 slot commitment", &context),
    }
}

/// Whether two values are equal, in constant time.
pub(crate) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

fn expand(hkdf: &Hkdf<Sha512>, label: &str, context: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let info: Vec<&[u8]> = [&[label.as_bytes()], context].concat();
    hkdf.expand_multi_info(&info, key.as_mut())
        .expect("32 bytes are below HKDF's limit");
    key
}

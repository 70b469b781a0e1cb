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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ArchiveId = ArchiveId([
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    ]);

    fn key() -> [u8; 32] {
        std::array::from_fn(|i| i as u8)
    }

    fn subkeys(domain: KeyDomain) -> Subkeys {
        DomainKey::from_bytes(key()).subkeys(&[0xA5; 32], ID, domain)
    }

    fn hex(bytes: &[u8; 32]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The expected values come from a few lines of Python over its `hmac`, by the table of the
    /// specification's chapter 3.1.
    #[test]
    fn subkeys_are_those_of_the_specification() {
        let archive = subkeys(KeyDomain::Archive);
        let envelope = subkeys(KeyDomain::Envelope);
        let stripe = StripeIndex(0x0102_0304_0506_0708);
        for (key, expected) in [
            (
                archive.commitment(),
                "aa8ee12661773117af6920fd84aca2c5fd1af3e4976effafac6b5632da399635",
            ),
            (
                envelope.commitment(),
                "b241119c339d9d09a4ad4bd5777e3376f057947c3ecdba02a0cc003dcf76ccff",
            ),
            (
                *archive.stripe_key(stripe, &[0x5A; 16]),
                "4b99d3419281e463b9f92963f962c792c0b23af665b9334c2a15d8d4b70dfacf",
            ),
            (
                *envelope.envelope_body_key(),
                "b68493e8d8a45cefec3d6dd1a5bac161b439eefb6c99e15b14213dd5e335661c",
            ),
        ] {
            assert_eq!(hex(&key), expected);
        }
    }

    #[test]
    fn mac_keys_are_those_of_the_specification() {
        let archive = subkeys(KeyDomain::Archive);
        for (key, expected) in [
            (
                archive.header_mac_key(),
                "367a1b88bf3b87de51c466d72e2e34d300a01f8c890f1b5b50c3d4c3ffd3eae6",
            ),
            (
                archive.slot_mac_key(),
                "67c1520e7d8ca9327f425e8c1586c8a73cbfbf768a53755ce550193876adbc7c",
            ),
            (
                subkeys(KeyDomain::Envelope).slot_mac_key(),
                "f360698758d0d901646740eb41448b8206f5a5d9b0a7c78646f753d7e3b17369",
            ),
            (
                archive.item_check_key(),
                "b3871e5829cb26da5cbf71a8ae3ebaf4d49c321490a683d9770e7d92fb928ab0",
            ),
        ] {
            let mac = key.mac(b"abc");
            assert_eq!(hex(&mac), expected);
            assert!(key.verifies(b"abc", &mac));
            assert!(!key.verifies(b"abd", &mac));
        }
    }

    // spec: SLT-8
    #[test]
    fn slot_keys_are_those_of_the_specification() {
        let keys = slot_keys(&key(), &[0x5A; 16], b"BPSD", ID);
        assert_eq!(
            hex(&keys.kek),
            "911df4c99d1d867c12dcfda4d35bf7a4cd6b0134759f358b493cbac38bbd920d"
        );
        assert_eq!(
            hex(&keys.commitment),
            "92d2237c22aa876f400f6985476a8cab5bbc0fc6c6cdaa499d6401741f0c1863"
        );
    }

    // spec: KEY-1
    #[test]
    fn each_domain_key_is_drawn_anew() {
        let mut random = Random::seeded(b"keys");
        let mut draw = || *DomainKey::generate(&mut random).unwrap().as_bytes();
        let (one, other) = (draw(), draw());
        assert_ne!(one, other);
        assert!(!equal(&one, &other) && equal(&one, &one));
    }
}

//! Chapter 3 of the specification, written a second time: keys, slots, MACs, AEAD.
//!
//! Deliberately shares no line with the codec's own keys: two that agree are worth more than one.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha512;

/// Human-readable part of a key file's line.
const KEY_FILE_PREFIX: &str = "bakpak-key-file-";

/// Argon2id as weak as the format allows: 64 MiB, two passes, one lane.
pub const FLOOR: Cost = Cost {
    memory_kib: 65_536,
    passes: 2,
    lanes: 1,
};

/// A domain's key with what it is derived with.
#[derive(Clone, Copy, Debug)]
pub struct DomainKeys {
    /// The archive key or the envelope key.
    pub key: [u8; 32],
    /// The header's salt.
    pub salt: [u8; 32],
    /// The archive's.
    pub archive_id: [u8; 16],
}

/// What Argon2id is to cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// m.
    pub memory_kib: u32,
    /// t.
    pub passes: u32,
    /// p.
    pub lanes: u32,
}

/// What every slot of kind 1 or 2 is made of.
#[derive(Clone, Copy, Debug)]
pub struct SlotParts<'a> {
    /// `BPSD` or `BPSE`.
    pub domain: &'a [u8; 4],
    /// The archive's.
    pub archive_id: &'a [u8; 16],
    /// The slot's salt.
    pub salt: [u8; 16],
    /// The slot's nonce.
    pub nonce: [u8; 12],
    /// The domain's key.
    pub key: [u8; 32],
}

/// The kek and the commitment of a slot.
#[derive(Clone, Copy, Debug)]
pub struct SlotKeys {
    /// Wraps the domain's key.
    pub kek: [u8; 32],
    /// Is compared before anything is opened.
    pub commitment: [u8; 32],
}

impl DomainKeys {
    /// `Expand(prk, label | archive_id | extra, 32)`.
    pub fn subkey(&self, label: &str, extra: &[u8]) -> [u8; 32] {
        let info = [label.as_bytes(), &self.archive_id, extra].concat();
        expand(&self.salt, &self.key, &info)
    }

    /// `Extract(salt, key)`.
    pub fn prk(&self) -> [u8; 64] {
        Hkdf::<Sha512>::extract(Some(&self.salt), &self.key)
            .0
            .into()
    }

    /// `MAC(subkey(label), bytes)`.
    pub fn mac(&self, label: &str, bytes: &[u8]) -> [u8; 32] {
        mac(&self.subkey(label, &[]), bytes)
    }

    /// The key of a stripe's blocks.
    pub fn stripe_key(&self, stripe: u64, stripe_salt: &[u8; 16]) -> [u8; 32] {
        let extra = [&stripe.to_le_bytes()[..], stripe_salt].concat();
        self.subkey("bakpak/1 stripe", &extra)
    }
}

/// HMAC-SHA-512, the first 32 bytes.
pub fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(bytes);
    *mac.finalize()
        .into_bytes()
        .first_chunk()
        .expect("SHA-512 gives 64 bytes")
}

/// Seals: ciphertext, then the tag.
pub fn seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    Aes256Gcm::new(key.into())
        .encrypt(nonce.into(), Payload { msg, aad })
        .expect("a message below 64 GiB")
}

/// The keys of a slot, from the secret's 32 bytes.
pub fn slot_keys(parts: &SlotParts<'_>, ikm: &[u8; 32]) -> SlotKeys {
    let derive = |label: &str| {
        let info = [label.as_bytes(), parts.domain, parts.archive_id].concat();
        expand(&parts.salt, ikm, &info)
    };
    SlotKeys {
        kek: derive("bakpak/1 slot kek"),
        commitment: derive("bakpak/1 slot commitment"),
    }
}

/// A slot of kind 2.
pub fn key_file_slot(parts: &SlotParts<'_>, key_file: &[u8; 32]) -> Vec<u8> {
    key_file_slot_with(parts, &slot_keys(parts, key_file))
}

/// A slot of kind 2 with these keys, right or wrong.
pub fn key_file_slot_with(parts: &SlotParts<'_>, keys: &SlotKeys) -> Vec<u8> {
    let head = [&slot_head(2, 116)[..], &parts.salt].concat();
    wrap(parts, head, keys)
}

/// A slot of kind 1.
pub fn passphrase_slot(parts: &SlotParts<'_>, passphrase: &[u8], cost: Cost) -> Vec<u8> {
    let mut head = slot_head(1, 132);
    for field in [cost.memory_kib, cost.passes, cost.lanes, 0] {
        head.extend_from_slice(&field.to_le_bytes());
    }
    head.extend_from_slice(&parts.salt);
    let ikm = stretch(passphrase, &parts.salt, cost);
    wrap(parts, head, &slot_keys(parts, &ikm))
}

/// A slot of any kind, with any body.
pub fn other_slot(kind: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + body.len()).expect("bodies of vectors are short");
    [&slot_head(kind, len)[..], body].concat()
}

/// Argon2id of a passphrase.
pub fn stretch(passphrase: &[u8], salt: &[u8; 16], cost: Cost) -> [u8; 32] {
    let mut ikm = [0; 32];
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        params.expect("costs that Argon2id knows"),
    )
    .hash_password_into(passphrase, salt, &mut ikm)
    .expect("salts of 16 bytes are long enough");
    ikm
}

/// The line of a key file.
pub fn key_file_line(key_file: &[u8; 32]) -> String {
    let hrp = bech32::Hrp::parse(KEY_FILE_PREFIX).expect("the constant is a legal prefix");
    bech32::encode_upper::<bech32::Bech32>(hrp, key_file).expect("32 bytes are not too long")
}

fn expand(salt: &[u8], ikm: &[u8; 32], info: &[u8]) -> [u8; 32] {
    let mut okm = [0; 32];
    Hkdf::<Sha512>::new(Some(salt), ikm)
        .expand(info, &mut okm)
        .expect("32 bytes are below HKDF's limit");
    okm
}

fn slot_head(kind: u16, len: u16) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), &[0; 4]].concat()
}

fn wrap(parts: &SlotParts<'_>, mut slot: Vec<u8>, keys: &SlotKeys) -> Vec<u8> {
    slot.extend_from_slice(&keys.commitment);
    let aad = [&parts.domain[..], parts.archive_id, &slot].concat();
    let wrapped = seal(&keys.kek, &parts.nonce, &aad, &parts.key);
    slot.extend_from_slice(&parts.nonce);
    slot.extend_from_slice(&wrapped);
    slot
}

//! The master-key envelope: its sealed body and the items in it (spec, chapter 4).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::digest::{Digest, SECTOR_LEN};
use crate::encoding;
use crate::error::{FormatError, Structure};
use crate::header::ArchiveId;
use crate::limits::{MAX_ENVELOPE_LEN, MAX_ITEM_NAME_LEN};
use crate::wire::{WireReader, all_zero, u32_len};

/// What an envelope body begins with (spec: ENV-1).
pub const MAGIC: &[u8; 4] = b"BPEB";

/// Bytes of the body before the ciphertext.
pub const CLEAR_LEN: usize = 32;

const TAG_LEN: usize = 16;
const NONCE_OFFSET: usize = 8;
const NONCE_LEN: usize = 12;
const ITEMS_OFFSET: usize = 8;

/// The kinds of items that the specification names; all others are kept as they are.
pub mod item_kind {
    /// The application's master key.
    pub const MASTER_KEY: u16 = 1;
    /// A certificate with its private key.
    pub const CERTIFICATE: u16 = 2;
    /// The password of such a certificate.
    pub const CERTIFICATE_PASSWORD: u16 = 3;
    /// A licence.
    pub const LICENCE: u16 = 4;
    /// A login.
    pub const LOGIN: u16 = 5;
    /// Any other secret.
    pub const FREE: u16 = 6;
}

/// A secret in the envelope. Its content is wiped when dropped, and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvelopeItem {
    /// What it is: see [`item_kind`].
    pub kind: u16,
    /// 1 to 255 bytes, unique in the envelope.
    pub name: String,
    /// The secret.
    pub content: Zeroizing<Vec<u8>>,
}

/// The parts of a sealed body: E bytes, of which the digest was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeBody<'a> {
    /// The first 32 bytes, which are part of the AAD.
    pub clear: &'a [u8; CLEAR_LEN],
    /// Random.
    pub nonce: [u8; NONCE_LEN],
    /// Ciphertext and tag: E - 32 bytes.
    pub ciphertext: &'a [u8],
}

/// As an item stands in the plaintext.
#[derive(Serialize, Deserialize)]
struct WireItem<'a> {
    kind: u16,
    #[serde(borrow, serialize_with = "encoding::bytes::serialize")]
    name: &'a [u8],
    #[serde(borrow, serialize_with = "encoding::bytes::serialize")]
    content: &'a [u8],
}

impl<'a> EnvelopeBody<'a> {
    /// Compares the digest of a body with the header's, and takes the body apart.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Damaged`]: digest, magic or reserved bytes (spec: ENV-1).
    /// - [`FormatError::Truncated`]: shorter than the shortest body.
    pub fn split(bytes: &'a [u8], digest: &Digest) -> Result<Self, FormatError> {
        let structure = Structure::Envelope;
        let damaged = |what| Err(FormatError::damaged(structure, what));
        let (clear, ciphertext) = bytes
            .split_first_chunk::<CLEAR_LEN>()
            .filter(|(_, ciphertext)| ciphertext.len() >= ITEMS_OFFSET + TAG_LEN)
            .ok_or(FormatError::Truncated { structure })?;
        if Digest::of(bytes) != *digest {
            // spec: ENV-1
            return damaged("its checksum does not match");
        }
        let mut cursor = WireReader::new(structure, clear);
        let magic = cursor.array()?;
        let reserved: [u8; 4] = cursor.array()?;
        let nonce = cursor.array()?;
        if magic != *MAGIC || !all_zero(&reserved) || !all_zero(cursor.rest()) {
            // spec: ENV-1
            return damaged("its first bytes are wrong");
        }
        Ok(Self {
            clear,
            nonce,
            ciphertext,
        })
    }

    /// The first 32 bytes of a body sealed with `nonce`.
    pub fn clear(nonce: &[u8; NONCE_LEN]) -> [u8; CLEAR_LEN] {
        let mut clear = [0; CLEAR_LEN];
        clear[..MAGIC.len()].copy_from_slice(MAGIC);
        clear[NONCE_OFFSET..][..NONCE_LEN].copy_from_slice(nonce);
        clear
    }
}

/// The AAD of an envelope body: its first 32 bytes, then the archive id.
pub fn aad(clear: &[u8; CLEAR_LEN], archive_id: &ArchiveId) -> [u8; CLEAR_LEN + 16] {
    let mut aad = [0; CLEAR_LEN + 16];
    aad[..CLEAR_LEN].copy_from_slice(clear);
    aad[CLEAR_LEN..].copy_from_slice(&archive_id.0);
    aad
}

/// Encodes items as the plaintext of the smallest body that holds them.
///
/// The plaintext is E - 48 bytes long, where E is a multiple of a sector.
///
/// # Errors
///
/// - [`FormatError::LimitExceeded`]: the body would be over 256 KiB (spec: HDR-5).
/// - [`FormatError::Malformed`]: a name is empty, too long or repeated (spec: ENV-2).
pub fn encode_items(items: &[EnvelopeItem]) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    check_names(items)?;
    let wire_items: Vec<WireItem<'_>> = items.iter().map(WireItem::from).collect();
    let items_len = 8 + wire_items.iter().map(WireItem::encoded_len).sum::<usize>();
    let overhead = CLEAR_LEN + TAG_LEN;
    let body_len = (overhead + ITEMS_OFFSET + items_len).next_multiple_of(SECTOR_LEN);
    let max = MAX_ENVELOPE_LEN as u64;
    FormatError::check_range(
        Structure::Envelope,
        "envelope_len",
        body_len as u64,
        0..=max,
    )?;
    // Made in its full length, since a Vec that grows leaves copies of secrets behind.
    let mut plaintext = Zeroizing::new(vec![0; body_len - overhead]);
    plaintext[..4].copy_from_slice(&u32_len(items_len).to_le_bytes());
    let written = encoding::encode_into(&wire_items, &mut plaintext[ITEMS_OFFSET..]);
    if written != Some(items_len) {
        return Err(malformed("the items do not follow the encoding"));
    }
    Ok(plaintext)
}

/// Decodes the plaintext of an envelope body.
///
/// # Errors
///
/// - [`FormatError::Malformed`]: the encoding is broken, unused bytes are set, or a name is empty,
///   too long or repeated (spec: ENV-2).
pub fn decode_items(plaintext: &[u8]) -> Result<Vec<EnvelopeItem>, FormatError> {
    let short = |_| malformed("the items do not end in time");
    let mut cursor = WireReader::new(Structure::Envelope, plaintext);
    let items_len = cursor.len32().map_err(short)?;
    let reserved = cursor.u32().map_err(short)?;
    let encoded = cursor.bytes(items_len).map_err(short)?;
    if reserved != 0 || !all_zero(cursor.rest()) {
        return Err(malformed("unused bytes are not zero"));
    }
    let wire_items: Vec<WireItem<'_>> =
        encoding::decode(encoded).map_err(|_| malformed("the items do not follow the encoding"))?;
    let items = wire_items
        .into_iter()
        .map(EnvelopeItem::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    check_names(&items)?;
    Ok(items)
}

impl WireItem<'_> {
    fn encoded_len(&self) -> usize {
        2 + 8 + self.name.len() + 8 + self.content.len()
    }
}

impl<'a> From<&'a EnvelopeItem> for WireItem<'a> {
    fn from(item: &'a EnvelopeItem) -> Self {
        Self {
            kind: item.kind,
            name: item.name.as_bytes(),
            content: &item.content,
        }
    }
}

impl TryFrom<WireItem<'_>> for EnvelopeItem {
    type Error = FormatError;

    fn try_from(item: WireItem<'_>) -> Result<Self, FormatError> {
        let name = str::from_utf8(item.name).map_err(|_| malformed("a name is not UTF-8"))?;
        Ok(Self {
            kind: item.kind,
            name: name.to_owned(),
            content: Zeroizing::new(item.content.to_vec()),
        })
    }
}

/// Items that break the encoding (spec: ENV-2).
fn malformed(what: &str) -> FormatError {
    FormatError::malformed(Structure::Envelope, "ENV-2", what)
}

fn check_names(items: &[EnvelopeItem]) -> Result<(), FormatError> {
    let mut names = HashSet::new();
    for item in items {
        if !(1..=MAX_ITEM_NAME_LEN).contains(&item.name.len()) {
            return Err(malformed("a name is empty or over 255 bytes"));
        }
        if !names.insert(item.name.as_str()) {
            return Err(malformed("two items have one name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn item(kind: u16, name: &str, content: &[u8]) -> EnvelopeItem {
        EnvelopeItem {
            kind,
            name: name.into(),
            content: Zeroizing::new(content.to_vec()),
        }
    }

    #[test]
    fn items_come_back_and_fill_whole_sectors() {
        for content_len in [0, 1, 4000, 4001, 200_000] {
            let items = [
                item(1, "master key", b"secret"),
                item(99, "x", &vec![7; content_len]),
            ];
            let plaintext = encode_items(&items).unwrap();
            assert_eq!((plaintext.len() + 48) % 4096, 0);
            assert!(decode_items(&plaintext).unwrap() == items);
        }
        assert!(
            decode_items(&encode_items(&[]).unwrap())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_bytes_are_those_of_chapter_4() {
        let plaintext = encode_items(&[item(1, "k", b"ab")]).unwrap();
        let expected = [
            &[29, 0, 0, 0, 0, 0, 0, 0][..],
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, b'k'],
            &[2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b'],
        ];
        assert_eq!(plaintext[..37], expected.concat());
        assert_eq!(plaintext.len(), 4048);
    }

    #[test]
    fn items_that_break_rules_are_refused() {
        let class = |items: &[EnvelopeItem]| encode_items(items).unwrap_err().class();
        assert_eq!(class(&[item(1, "", b"")]), Class::Malformed);
        assert_eq!(class(&[item(1, &"n".repeat(256), b"")]), Class::Malformed);
        assert_eq!(
            class(&[item(1, "a", b""), item(2, "a", b"")]),
            Class::Malformed
        );
        assert_eq!(
            class(&[item(1, "a", &vec![0; 262_144])]),
            Class::LimitExceeded
        );

        let good = encode_items(&[item(1, "a", b"b")]).unwrap();
        // items_len twice, reserved, count, name, unused.
        for (offset, value) in [
            (0, 29),
            (0, 27),
            (3, 1),
            (4, 1),
            (8, 2),
            (26, 0xff),
            (4047, 1),
        ] {
            let mut bad = good.clone();
            bad[offset] = value;
            assert!(decode_items(&bad).is_err(), "offset {offset}");
        }
        assert_eq!(decode_items(&[]).err().unwrap().class(), Class::Malformed);
    }

    #[test]
    fn a_body_is_taken_apart() {
        let nonce = [5; 12];
        let bytes = [&EnvelopeBody::clear(&nonce)[..], &[6; 4064]].concat();
        let digest = Digest::of(&bytes);
        let body = EnvelopeBody::split(&bytes, &digest).unwrap();
        assert_eq!((body.nonce, body.ciphertext.len()), (nonce, 4064));
        assert_eq!(aad(body.clear, &ArchiveId([7; 16]))[32..], [7; 16]);

        let class =
            |bytes: &[u8], digest: Digest| EnvelopeBody::split(bytes, &digest).unwrap_err().class();
        assert_eq!(class(&bytes, Digest::ZERO), Class::Damaged);
        assert_eq!(class(&bytes[..40], digest), Class::Truncated);
        for offset in [0, 4, 20, 31] {
            let mut bytes = bytes.clone();
            bytes[offset] = 1;
            assert_eq!(class(&bytes, Digest::of(&bytes)), Class::Damaged);
        }
    }

    #[test]
    fn the_shortest_body_holds_a_length_and_a_tag() {
        let class = |len| {
            let bytes = [&EnvelopeBody::clear(&[5; 12])[..], &vec![6; len]].concat();
            let digest = Digest::of(&bytes);
            EnvelopeBody::split(&bytes, &digest).map_or_else(|error| Some(error.class()), |_| None)
        };
        assert_eq!(class(8 + 16), None);
        assert_eq!(class(8 + 15), Some(Class::Truncated));
    }

    #[test]
    fn items_that_just_fit_take_no_further_sector() {
        // 48 bytes around the plaintext, 16 before the item, 19 of the item itself.
        let fitting = 4096 - 48 - 16 - 19;
        for (content_len, len) in [(fitting, 4048), (fitting + 1, 8144)] {
            let items = [item(1, "k", &vec![7; content_len])];
            let plaintext = encode_items(&items).unwrap();
            assert_eq!(plaintext.len(), len);
            assert!(decode_items(&plaintext).unwrap() == items);
        }
    }
}

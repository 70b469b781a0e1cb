//! What opens an archive: head, slot tables, envelope body.

use super::{Builder, HEADER, Site};
use crate::keys::{self, DomainKeys};
use bakpak_format::digest::{Digest, SECTOR_LEN};
use bakpak_format::envelope::{EnvelopeBody, encode_items};
use bakpak_format::slots::Domain;

/// The length of the header before its extensions.
const FIXED_HEADER_LEN: usize = 240;

impl Builder {
    pub(super) fn envelope_body(&self) -> Vec<u8> {
        if self.envelope.is_empty() {
            return Vec::new();
        }
        let plain = encode_items(&self.envelope).expect("items of vectors fit an envelope");
        let mut plain = plain.to_vec();
        self.apply(Site::EnvelopePlain, &mut plain);
        let nonce = self.random("envelope nonce", 0);
        let mut body = EnvelopeBody::clear(&nonce).to_vec();
        let aad = [&body[..], &self.archive_id].concat();
        let key = self.keys(Domain::Envelope);
        let key = key.subkey("bakpak/1 envelope body", &[]);
        body.extend(keys::seal(&key, &nonce, &aad, &plain));
        self.apply(Site::EnvelopeBody, &mut body);
        body
    }

    pub(super) fn head(&self, envelope: &[u8]) -> Vec<u8> {
        let keys = self.keys(Domain::Data);
        let mut head = [b"bakpak archive 1-draft\n", &self.cover[..]].concat();
        head.resize(HEADER, 0);
        head.extend(self.header(&keys, envelope));
        self.apply(Site::Head, &mut head);
        head.extend(keys.mac("bakpak/1 header mac", &head));
        self.apply(Site::HeadMac, &mut head);
        head.extend(Digest::of(&head).as_bytes());
        head.resize(head.len().next_multiple_of(SECTOR_LEN), 0);
        self.apply(Site::HeadPage, &mut head);
        head
    }

    /// The digest as it stands in the head, right or wrong.
    pub(super) fn head_digest(&self, head: &[u8]) -> [u8; 32] {
        let extensions_len: usize = self.extensions.iter().map(|(_, v)| 4 + v.len()).sum();
        let end = HEADER + 304 + extensions_len;
        head[end - 32..end].try_into().expect("a slice of 32 bytes")
    }

    pub(super) fn slot_table(&self, domain: Domain) -> Vec<u8> {
        let given = match domain {
            Domain::Data => &self.data_slots,
            Domain::Envelope => &self.envelope_slots,
        };
        let slots = match &given[..] {
            [] => vec![self.key_file_slot(domain)],
            given => given.to_vec(),
        };
        let count = u16::try_from(slots.len()).expect("tables of vectors are short");
        let slots = slots.concat();
        let slots_len = u32::try_from(slots.len()).expect("tables of vectors are short");
        let mut table = domain.tag().to_vec();
        table.extend(self.generation.to_le_bytes());
        table.extend(count.to_le_bytes());
        table.extend([0; 2]);
        table.extend(slots_len.to_le_bytes());
        table.extend(self.archive_id);
        table.extend(slots);
        table.resize(self.slot_area - 64, 0);
        self.apply(Site::Slots(domain), &mut table);
        let label = match domain {
            Domain::Data => "bakpak/1 data slots mac",
            Domain::Envelope => "bakpak/1 envelope slots mac",
        };
        table.extend(self.keys(domain).mac(label, &table));
        self.apply(Site::SlotsMac(domain), &mut table);
        table.extend(Digest::of(&table).as_bytes());
        self.apply(Site::SlotTable(domain), &mut table);
        table
    }

    /// The header up to its MAC.
    fn header(&self, keys: &DomainKeys, envelope: &[u8]) -> Vec<u8> {
        let extensions = self.extensions.iter().flat_map(|(kind, value)| {
            let len = u16::try_from(value.len()).expect("extensions of vectors are short");
            [&kind.to_le_bytes()[..], &len.to_le_bytes(), value].concat()
        });
        let extensions: Vec<u8> = extensions.collect();
        let le32 = |len: usize| u32::try_from(len).expect("below 4 GiB").to_le_bytes();
        let mut header = b"BPHD".to_vec();
        header.extend(le32(304 + extensions.len()));
        header.extend(self.archive_id);
        header.extend([0; 24]); // features
        let parity = [self.parity.number(), self.parity.code()];
        header.extend([1, 0, self.block_size.log2(), parity[0], parity[1]]); // suite, B, parity
        header.extend([self.slot_area.trailing_zeros() as u8, 0, 0]);
        header.extend(self.chunk_size.to_le_bytes());
        header.extend(le32(envelope.len()));
        header.extend(self.copy_reach.to_le_bytes());
        header.extend(keys.salt);
        header.extend(keys.subkey("bakpak/1 archive commitment", &[]));
        if envelope.is_empty() {
            header.extend([0; 64]);
        } else {
            let keys = self.keys(Domain::Envelope);
            header.extend(keys.subkey("bakpak/1 envelope commitment", &[]));
            header.extend(Digest::of(envelope).as_bytes());
        }
        header.extend(le32(extensions.len()));
        header.resize(FIXED_HEADER_LEN, 0);
        header.extend(extensions);
        header
    }
}

//! What stands before the stripes, planned before the block size is known.

use crate::aead::{Aead, DefaultAead, TAG_LEN};
use crate::error::PackError;
use crate::keys::Subkeys;
use crate::random::Random;
use crate::stripes::{HeadParts, random_failed};
use bakpak_format::digest::Digest;
use bakpak_format::envelope::{self, EnvelopeBody};
use bakpak_format::error::FormatError;
use bakpak_format::geometry::{BlockSize, Geometry, ParityGeometry};
use bakpak_format::header::{self, ArchiveId, Head, Header};
use bakpak_format::slots::{self, Domain, Slot, SlotTable};
use std::sync::Arc;

/// Everything of the head but what depends on the block size.
pub(crate) struct HeadPlan {
    pub(crate) cover_text: String,
    pub(crate) archive_id: ArchiveId,
    pub(crate) salt: [u8; 32],
    pub(crate) chunk_size: usize,
    pub(crate) copy_reach: u64,
    pub(crate) parity: ParityGeometry,
    pub(crate) data: DomainPlan,
    pub(crate) envelope: Option<EnvelopePlan>,
}

/// One domain's slots, not yet in a table.
pub(crate) struct DomainPlan {
    pub(crate) subkeys: Arc<Subkeys>,
    pub(crate) slots: Vec<Slot>,
}

/// The envelope's slots and its sealed body.
pub(crate) struct EnvelopePlan {
    pub(crate) domain: DomainPlan,
    pub(crate) body: Vec<u8>,
}

impl HeadPlan {
    /// The head's parts for a block size.
    pub(crate) fn encode(&self, block_size: BlockSize) -> Result<(Geometry, HeadParts), PackError> {
        let slots_len =
            |domain: &DomainPlan| domain.slots.iter().map(Slot::encoded_len).sum::<usize>();
        let longest =
            slots_len(&self.data).max(self.envelope.as_ref().map_or(0, |e| slots_len(&e.domain)));
        let slot_area = slots::area_for(block_size, longest);
        let envelope_body = self.envelope.as_ref().map_or(&[][..], |e| &e.body);
        let header = Header {
            block_size,
            slot_area,
            chunk_size: self.chunk_size,
            envelope_len: envelope_body.len(),
            copy_reach: self.copy_reach,
            archive_commitment: self.data.subkeys.commitment(),
            envelope_commitment: self
                .envelope
                .as_ref()
                .map_or([0; 32], |e| e.domain.subkeys.commitment()),
            envelope_digest: match envelope_body {
                [] => Digest([0; 32]),
                body => Digest::of(body),
            },
            archive_id: self.archive_id,
            features_incompatible: 0,
            features_read_only: 0,
            features_compatible: 0,
            suite: header::SUITE,
            parity_geometry: self.parity,
            salt: self.salt,
            extensions: Vec::new(),
        };
        let mac_key = self.data.subkeys.header_mac_key();
        let head = Head::encode(&self.cover_text, &header, |bytes| mac_key.mac(bytes))?;
        let decoded = Head::decode(&head)?;
        let geometry = decoded.geometry();
        let parts = HeadParts {
            head_digest: decoded.head_digest,
            head,
            data_slots: self.data.table(Domain::Data, self.archive_id, slot_area)?,
            envelope_slots: match &self.envelope {
                Some(e) => e
                    .domain
                    .table(Domain::Envelope, self.archive_id, slot_area)?,
                None => Vec::new(),
            },
            envelope: envelope_body.to_vec(),
            archive_id: self.archive_id,
        };
        Ok((geometry, parts))
    }
}

impl DomainPlan {
    fn table(
        &self,
        domain: Domain,
        archive_id: ArchiveId,
        area: usize,
    ) -> Result<Vec<u8>, FormatError> {
        let table = SlotTable {
            domain,
            generation: 1,
            archive_id,
            slots: self.slots.clone(),
            mac: [0; 32],
        };
        let mac_key = self.subkeys.slot_mac_key();
        table.encode(area, |bytes| mac_key.mac(bytes))
    }
}

impl HeadParts {
    /// Head, both copies of each table, envelope body.
    pub(crate) fn in_file_order(&self) -> impl Iterator<Item = &[u8]> {
        [
            &self.head,
            &self.data_slots,
            &self.data_slots,
            &self.envelope_slots,
            &self.envelope_slots,
            &self.envelope,
        ]
        .into_iter()
        .map(Vec::as_slice)
        .filter(|bytes| !bytes.is_empty())
    }
}

/// Seals the envelope's plaintext (spec: chapter 4).
pub(crate) fn seal_envelope(
    subkeys: &Subkeys,
    archive_id: ArchiveId,
    plaintext: &[u8],
    nonce: [u8; 12],
) -> Vec<u8> {
    let clear = EnvelopeBody::clear(&nonce);
    let aad = envelope::aad(&clear, &archive_id);
    let mut body = clear.to_vec();
    // Made in its full length, since a Vec that grows leaves copies of secrets behind.
    body.reserve_exact(plaintext.len() + TAG_LEN);
    body.extend_from_slice(plaintext);
    body.resize(body.len() + TAG_LEN, 0);
    DefaultAead::new(&subkeys.envelope_body_key()).seal(&nonce, &aad, &mut body[clear.len()..]);
    body
}

/// The nonce of the envelope's body.
pub(crate) fn draw_nonce(random: &mut Random) -> Result<[u8; 12], PackError> {
    random.array().map_err(random_failed)
}

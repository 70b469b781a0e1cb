//! Archives taken apart and put together again: by somebody without a key, who makes every
//! checksum hold, and by somebody with one, who also seals and authenticates.
//!
//! Keys are derived here a second time, from the specification's chapter 3 and apart from the
//! codec. `fuzz/functions` uses this file too.

use bakpak_codec::aead::{Aead, DefaultAead};
use bakpak_format::block::{self, BlockHeader, InnerHeader};
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::digest::{Digest, crc32c, sector_crcs};
use bakpak_format::geometry::{BlockIndex, Geometry, StripeIndex};
use bakpak_format::header::{ArchiveId, Head, MAGIC};
use bakpak_format::record::{self, RecordHeader};
use bakpak_format::slots::{Domain, Slot, SlotTable};
use bakpak_format::tail::{self, LOCATOR_LEN, Locator, TailPage};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

/// Where the header begins in the head page.
pub const HEADER: usize = 2048;

/// Where the header's MAC stands, of a header without extensions.
const MAC: usize = HEADER + 240;

/// Where the head digest stands, of a header without extensions.
const DIGEST: usize = MAC + 32;

/// An archive's parts; what follows from them is computed when they are put together.
#[derive(Clone)]
pub struct Parts {
    pub geometry: Geometry,
    pub head: Vec<u8>,
    pub data_slots: [Vec<u8>; 2],
    pub envelope_slots: Option<[Vec<u8>; 2]>,
    pub envelope: Vec<u8>,
    pub blocks: Vec<Vec<u8>>,
}

/// The subkeys of one domain of an archive.
pub struct Keys {
    prk: [u8; 64],
    archive_id: [u8; 16],
    domain: Domain,
}

impl Parts {
    /// Takes a whole archive apart; `None` if it is none, or has extensions or signers.
    pub fn of(archive: &[u8]) -> Option<Self> {
        let head_len = Head::peek_len(archive).ok()?;
        let head = Head::decode(archive.get(..head_len)?).ok()?;
        if !head.header.extensions.is_empty() {
            return None;
        }
        let geometry = head.geometry();
        let locator = Locator::decode(archive.last_chunk::<LOCATOR_LEN>()?).ok()??;
        let mut rest = archive;
        let mut take = |len: usize| -> Option<Vec<u8>> {
            let (taken, left) = rest.split_at_checked(len)?;
            rest = left;
            Some(taken.to_vec())
        };
        let head = take(head_len)?;
        let area = geometry.slot_area;
        let data_slots = [take(area)?, take(area)?];
        let mut envelope_slots = None;
        let mut envelope = Vec::new();
        if geometry.has_envelope() {
            envelope_slots = Some([take(area)?, take(area)?]);
            envelope = take(geometry.envelope_len)?;
        }
        let mut blocks = Vec::new();
        for index in 0..geometry.stripe_count(locator.block_count) {
            let stripe = geometry.stripe(locator.block_count, StripeIndex(index));
            for _ in 0..stripe.data_count {
                blocks.push(take(geometry.block_size.bytes())?);
            }
            take(stripe.page_len)?;
        }
        Some(Self {
            geometry,
            head,
            data_slots,
            envelope_slots,
            envelope,
            blocks,
        })
    }

    /// The same parts out of an archive of the same length and shape, with every checksum in them
    /// computed anew.
    pub fn with_bytes(&self, archive: &[u8]) -> Option<Self> {
        let mut rest = archive;
        let mut refill = |part: &mut Vec<u8>| -> Option<()> {
            let (taken, left) = rest.split_at_checked(part.len())?;
            rest = left;
            part.copy_from_slice(taken);
            Some(())
        };
        let mut parts = self.clone();
        refill(&mut parts.head)?;
        for table in parts
            .data_slots
            .iter_mut()
            .chain(parts.envelope_slots.iter_mut().flatten())
        {
            refill(table)?;
            mend_table(table);
        }
        refill(&mut parts.envelope)?;
        let block_count = parts.blocks.len() as u64;
        for index in 0..parts.geometry.stripe_count(block_count) {
            let stripe = parts.geometry.stripe(block_count, StripeIndex(index));
            for block in stripe.blocks() {
                let block = &mut parts.blocks[block.0 as usize];
                refill(block)?;
                mend_block(block);
            }
            refill(&mut vec![0; stripe.page_len])?;
        }
        parts.change_head(HEADER, MAGIC);
        Some(parts)
    }

    /// Changes the header or the cover text, and computes the head digest anew.
    pub fn change_head(&mut self, offset: usize, bytes: &[u8]) {
        self.head[offset..offset + bytes.len()].copy_from_slice(bytes);
        let digest = Digest::of(&self.head[..DIGEST]);
        self.head[DIGEST..DIGEST + 32].copy_from_slice(digest.as_bytes());
    }

    /// Computes the header's MAC anew.
    pub fn authenticate_head(&mut self, keys: &Keys) {
        let mac = keys.mac("bakpak/1 header mac", &self.head[..MAC]);
        self.change_head(MAC, &mac);
    }

    pub fn archive_id(&self) -> ArchiveId {
        ArchiveId(
            self.head[HEADER + 8..HEADER + 24]
                .try_into()
                .expect("16 bytes"),
        )
    }

    pub fn head_digest(&self) -> Digest {
        Digest(self.head[DIGEST..DIGEST + 32].try_into().expect("32 bytes"))
    }

    /// Puts the archive together, with check pages, tail and root as they must be.
    pub fn assemble(&self) -> Vec<u8> {
        let mut archive = self.head.clone();
        let tables = self
            .data_slots
            .iter()
            .chain(self.envelope_slots.iter().flatten());
        tables.for_each(|table| archive.extend_from_slice(table));
        archive.extend_from_slice(&self.envelope);
        let mut digests = Vec::new();
        let block_count = self.blocks.len() as u64;
        let stripe_count = self.geometry.stripe_count(block_count);
        for index in 0..stripe_count {
            let (blocks, page) = self.stripe(StripeIndex(index));
            blocks
                .iter()
                .for_each(|block| archive.extend_from_slice(block));
            let layout = self.geometry.stripe(block_count, StripeIndex(index));
            digests.push(Digest::of(&page[..layout.covered_len]));
            archive.extend_from_slice(&page);
        }
        self.add_tail(&mut archive, &digests);
        archive
    }

    /// The blocks of a stripe, and the check page that follows from them.
    pub fn stripe(&self, index: StripeIndex) -> (&[Vec<u8>], Vec<u8>) {
        let layout = self.geometry.stripe(self.blocks.len() as u64, index);
        let blocks = &self.blocks[layout.first_block.0 as usize..][..layout.data_count];
        let hashes: Vec<Digest> = blocks.iter().map(|block| Digest::of(block)).collect();
        let crcs: Vec<u32> = blocks.iter().flat_map(|block| sector_crcs(block)).collect();
        let page = CheckPage::encode(&CheckPageParts {
            layout: &layout,
            archive_id: &self.archive_id(),
            head_digest: &self.head_digest(),
            shard_hashes: &hashes,
            sector_crcs: &crcs,
            head: &self.head,
            envelope: &self.envelope,
            data_slots: &self.data_slots[0],
            envelope_slots: self
                .envelope_slots
                .as_ref()
                .map_or(&[], |tables| &tables[0]),
        });
        (blocks, page)
    }

    /// Adds the tail to what ends with the last check page.
    pub fn add_tail(&self, archive: &mut Vec<u8>, page_digests: &[Digest]) {
        let tail_offset = archive.len() as u64;
        archive.extend_from_slice(&self.head);
        archive.extend_from_slice(&self.data_slots[0]);
        if let Some(tables) = &self.envelope_slots {
            archive.extend_from_slice(&tables[0]);
        }
        archive.extend_from_slice(&self.envelope);
        let (archive_id, head_digest) = (self.archive_id(), self.head_digest());
        let block_count = self.blocks.len() as u64;
        let stripe_count = page_digests.len() as u64;
        let tail_page_len = tail::page_len_for(0);
        let digests = page_digests.iter().copied();
        let page = TailPage {
            tail_page_len,
            archive_id,
            block_count,
            stripe_count,
            archive_len: (archive.len() + tail_page_len) as u64,
            head_digest,
            root: tail::root(
                &head_digest,
                &archive_id,
                block_count,
                stripe_count,
                digests,
            ),
            tail_offset: tail_offset.into(),
            signatures: Vec::new(),
        };
        archive.extend_from_slice(&page.encode().expect("no signatures"));
    }

    /// The keys of a domain, for whoever has the key file of one of its slots.
    pub fn keys(&self, domain: Domain, key_file: &[u8; 32]) -> Option<Keys> {
        let (table, extract_salt) = match domain {
            Domain::Data => (&self.data_slots[0], &self.head[HEADER + 72..HEADER + 104]),
            Domain::Envelope => (
                &self.envelope_slots.as_ref()?[0],
                &self.head[HEADER + 72..HEADER + 104],
            ),
        };
        let archive_id = self.archive_id();
        let table = SlotTable::decode(table, domain, &archive_id).ok()?;
        let key = table.slots.iter().find_map(|slot| {
            let Slot::KeyFile(slot) = slot else {
                return None;
            };
            let prk = hmac(&slot.salt, &[key_file]);
            let kek = expand(&prk, &[b"bakpak/1 slot kek", domain.tag(), &archive_id.0]);
            let prefix = Slot::KeyFile(slot.clone()).aad_prefix();
            let aad = [&domain.tag()[..], &archive_id.0, &prefix].concat();
            let mut wrapped = slot.wrapped;
            let opened = DefaultAead::new(&kek).open(&slot.nonce, &aad, &mut wrapped);
            <[u8; 32]>::try_from(&*opened.ok()?).ok()
        })?;
        Some(Keys {
            prk: hmac(extract_salt, &[&key]),
            archive_id: archive_id.0,
            domain,
        })
    }

    /// Opens all blocks, and gives the records in them, headers included.
    pub fn records(&self, keys: &Keys) -> Option<Vec<Vec<u8>>> {
        let mut joined = Vec::new();
        for (index, sealed) in self.blocks.iter().enumerate() {
            let text = self.open_block(keys, index, sealed)?;
            let (inner, payload) = text.split_first_chunk::<{ block::INNER_LEN }>()?;
            let inner = InnerHeader::decode(inner, payload.len()).ok()?;
            joined.extend_from_slice(payload.get(..inner.used_len)?);
        }
        let mut records = Vec::new();
        let mut rest = joined.as_slice();
        while let Some(header) = rest.first_chunk::<{ record::HEADER_LEN }>() {
            let len = record::HEADER_LEN + RecordHeader::decode(header).ok()?.body_len;
            let (record, after) = rest.split_at_checked(len)?;
            records.push(record.to_vec());
            rest = after;
        }
        rest.is_empty().then_some(records)
    }

    /// Seals records into as many blocks as they take, of one stripe.
    pub fn seal_records(&mut self, keys: &Keys, records: &[Vec<u8>]) {
        let payload_len = self.geometry.block_size.payload_len();
        let joined = records.concat();
        let mut begins = Vec::new();
        let mut at = 0;
        for record in records {
            begins.push(at);
            at += record.len();
        }
        let (salt, nonce) = self.salts(0);
        let pieces: Vec<&[u8]> = match joined.as_slice() {
            [] => vec![&[]],
            joined => joined.chunks(payload_len).collect(),
        };
        self.blocks.clear();
        for (index, piece) in pieces.into_iter().enumerate() {
            let start = index * payload_len;
            let first = begins
                .iter()
                .find(|&&at| (start..start + piece.len()).contains(&at));
            let inner = InnerHeader {
                used_len: piece.len(),
                first_record: first.map(|at| (at - start) as u32),
            };
            let mut text = [&inner.encode()[..], piece].concat();
            text.resize(block::INNER_LEN + payload_len, 0);
            let mut nonce = nonce;
            nonce[..4].copy_from_slice(&(index as u32).to_le_bytes());
            let sealed = self.seal_block(keys, index, salt, nonce, text);
            self.blocks.push(sealed);
        }
    }

    /// Opens one block; gives inner header and payload.
    pub fn open_block(&self, keys: &Keys, index: usize, sealed: &[u8]) -> Option<Vec<u8>> {
        let clear = sealed.first_chunk::<{ block::CLEAR_LEN }>()?;
        let header = BlockHeader::decode(clear).ok()?;
        let stripe = index / self.geometry.data_blocks_per_stripe();
        let aead = keys.stripe(stripe as u64, &header.stripe_salt);
        let aad = block::aad(clear, &self.archive_id(), &self.head_digest());
        let mut text = sealed[block::CLEAR_LEN..].to_vec();
        let opened = aead.open(&header.nonce, &aad, &mut text).ok()?;
        Some(opened.to_vec())
    }

    /// Seals inner header and payload as the block of this index.
    pub fn seal_block(
        &self,
        keys: &Keys,
        index: usize,
        stripe_salt: [u8; 16],
        nonce: [u8; 12],
        mut text: Vec<u8>,
    ) -> Vec<u8> {
        let archive_id = self.archive_id();
        let header = BlockHeader {
            block_index: BlockIndex(index as u64),
            archive_id_prefix: block::prefix(&archive_id),
            stripe_salt,
            nonce,
        };
        let clear = header.encode();
        let stripe = index / self.geometry.data_blocks_per_stripe();
        let aad = block::aad(&clear, &archive_id, &self.head_digest());
        text.resize(text.len() + block::TAG_LEN, 0);
        keys.stripe(stripe as u64, &stripe_salt)
            .seal(&nonce, &aad, &mut text);
        [&clear[..], &text].concat()
    }

    /// Salt and nonce of a block as it is.
    fn salts(&self, index: usize) -> ([u8; 16], [u8; 12]) {
        let clear = self.blocks[index].first_chunk().expect("a whole block");
        let header = BlockHeader::decode(clear).expect("a whole header");
        (header.stripe_salt, header.nonce)
    }
}

impl Keys {
    /// MAC over a slot table's bytes, in place, and its digest behind it.
    pub fn authenticate_table(&self, table: &mut [u8]) {
        let label = match self.domain {
            Domain::Data => "bakpak/1 data slots mac",
            Domain::Envelope => "bakpak/1 envelope slots mac",
        };
        let end = table.len() - 64;
        let mac = self.mac(label, &table[..end]);
        table[end..end + 32].copy_from_slice(&mac);
        mend_table(table);
    }

    fn mac(&self, label: &str, bytes: &[u8]) -> [u8; 32] {
        let key = expand(&self.prk, &[label.as_bytes(), &self.archive_id]);
        *hmac(&key, &[bytes]).first_chunk().expect("64 bytes")
    }

    fn stripe(&self, index: u64, salt: &[u8; 16]) -> DefaultAead {
        let label: &[u8] = b"bakpak/1 stripe";
        let info = [label, &self.archive_id, &index.to_le_bytes(), salt];
        DefaultAead::new(&expand(&self.prk, &info))
    }
}

/// Computes a slot table's digest anew.
pub fn mend_table(table: &mut [u8]) {
    let end = table.len() - 32;
    let digest = Digest::of(&table[..end]);
    table[end..].copy_from_slice(digest.as_bytes());
}

/// Computes the CRC of a block's clear header anew.
pub fn mend_block(block: &mut [u8]) {
    let crc = crc32c(&block[..60]);
    block[60..64].copy_from_slice(&crc.to_le_bytes());
}

/// Computes a check page's CRCs of its own sectors anew.
pub fn mend_page(page: &mut [u8], covered_len: usize) {
    const LIST: usize = 256;
    page[LIST..LIST + 4].fill(0);
    let crcs: Vec<u32> = sector_crcs(&page[..covered_len]).collect();
    for (sector, crc) in crcs.iter().enumerate().skip(1) {
        page[LIST + 4 * sector..][..4].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c(&page[..4096]);
    page[LIST..LIST + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Computes a tail page's digest and its locator's CRC anew.
pub fn mend_tail_page(page: &mut [u8]) {
    let locator = page.len() - LOCATOR_LEN;
    let digest = Digest::of(&page[..locator]);
    page[locator + 80..locator + 112].copy_from_slice(digest.as_bytes());
    let crc = crc32c(&page[locator..locator + 252]);
    page[locator + 252..].copy_from_slice(&crc.to_le_bytes());
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes any key length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// HKDF-Expand to 32 bytes: the first of one block (RFC 5869, 2.3).
fn expand(prk: &[u8; 64], info: &[&[u8]]) -> [u8; 32] {
    let parts = [info, &[&[1]]].concat();
    *hmac(prk, &parts).first_chunk().expect("64 bytes")
}

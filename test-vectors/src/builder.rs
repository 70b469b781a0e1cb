//! Makes archives byte by byte, so that exactly one thing in them can be wrong.
//!
//! A program changes fields, steps, or the bytes of one [`Site`]; whatever depends on those bytes
//! is computed after the change. So an archive has the one fault that was put in, and none besides.

use crate::keys::{self, DomainKeys, SlotParts};
use crate::records::{Blocks, Chunk, Step, Stream};
use crate::stream::{Item, Row, file};
use bakpak_format::block::{BlockHeader, CLEAR_LEN, InnerHeader};
use bakpak_format::catalogue::{PageItem, StripeItem};
use bakpak_format::check_page::{CheckPage, CheckPageParts};
use bakpak_format::digest::{Digest, SECTOR_LEN, crc32c, sector_crcs};
use bakpak_format::envelope::{EnvelopeBody, EnvelopeItem, encode_items};
use bakpak_format::geometry::{
    BlockIndex, BlockSize, CHECK_PAGE_HEADER_LEN, Geometry, StripeIndex, StripeLayout,
};
use bakpak_format::header::ArchiveId;
use bakpak_format::record::{Checkpoint, Cursor, FactsPlace, Final};
use bakpak_format::slots::Domain;
use bakpak_format::tail::{self, LOCATOR_LEN, Locator, Signature, TailPage, page_len_for};

/// Where the header begins in the head page.
pub const HEADER: usize = 2048;

/// The length of the header before its extensions.
const FIXED_HEADER_LEN: usize = 240;

/// A place in the making of an archive at which bytes can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The envelope's plaintext, before it is sealed.
    EnvelopePlain,
    /// The sealed envelope body, before the header takes its digest.
    EnvelopeBody,
    /// The head up to the header MAC, before that is computed.
    Head,
    /// The head up to the digest, before that is computed.
    HeadMac,
    /// The whole head page(s), before any copy is made.
    HeadPage,
    /// A slot table up to its MAC, before that is computed.
    Slots(Domain),
    /// A slot table up to its digest, before that is computed.
    SlotsMac(Domain),
    /// A whole slot table, before any copy is made.
    SlotTable(Domain),
    /// The stream, before it is cut into chunks.
    Stream,
    /// The body of a record, by its number in the archive, before body_len is set.
    Body(usize),
    /// A whole record.
    Record(usize),
    /// Inner header and payload of a block, before it is sealed.
    Plain(u64),
    /// A block's clear header up to its CRC, before that is computed.
    Clear(u64),
    /// A sealed block, before its hash is taken.
    Sealed(u64),
    /// All blocks of a stripe, before their hashes are taken.
    Blocks(u64),
    /// A check page, before its CRCs are computed.
    CheckPage(u64),
    /// A check page with its CRCs, before the root is computed.
    CheckPageSums(u64),
    /// The copies in the tail of head, slot tables and envelope body.
    TailCopies,
    /// The tail page up to its locator, before its digest is taken.
    TailPage,
    /// The locator up to its CRC, before that is computed.
    Locator,
    /// The whole file.
    File,
}

/// What will be an archive.
pub struct Builder {
    /// From which everything random is drawn.
    pub seed: String,
    /// The archive's; drawn from the seed.
    pub archive_id: [u8; 16],
    /// What everyone may read.
    pub cover: Vec<u8>,
    /// B.
    pub block_size: BlockSize,
    /// The most raw bytes that a chunk may have.
    pub chunk_size: u32,
    /// S.
    pub slot_area: usize,
    /// How far back a COPY may reach.
    pub copy_reach: u64,
    /// Type and value.
    pub extensions: Vec<(u16, Vec<u8>)>,
    /// Generation of both pairs of slot tables.
    pub generation: u32,
    /// Encoded slots; if there are none, one of the vectors' key file is made.
    pub data_slots: Vec<Vec<u8>>,
    /// The same for the envelope, with the vectors' other key file.
    pub envelope_slots: Vec<Vec<u8>>,
    /// What the envelope holds; without items there is none.
    pub envelope: Vec<EnvelopeItem>,
    /// The stream's entries.
    pub items: Vec<Item>,
    /// What closes the stream.
    pub stream_end: Vec<u8>,
    /// The records.
    pub steps: Vec<Step>,
    /// The cursor that every CHECKPOINT carries.
    pub cursor: Option<Cursor>,
    /// How many items a tree page has at most.
    pub tree_page_items: usize,
    /// Only level 0 of the tree is written.
    pub tree_without_root: bool,
    /// Changes the rows that the catalogue pages hold.
    pub rows: fn(&mut Vec<Row>),
    /// Changes what the tree lists.
    pub tree: fn(&mut TreeLists),
    /// Changes each CHECKPOINT.
    pub checkpoint: fn(&mut Checkpoint),
    /// Changes FINAL.
    pub last: fn(&mut Final),
    /// Signatures in the tail page.
    pub signatures: Vec<Signature>,
    edits: Vec<(Site, Edit)>,
}

/// What the three parts of the tree list.
pub type TreeLists = (Vec<PageItem>, Vec<StripeItem>, Vec<FactsPlace>);

type Edit = Box<dyn Fn(&mut Vec<u8>)>;

/// A finished archive.
pub struct Built {
    /// The file.
    pub archive: Vec<u8>,
    /// The stream in it.
    pub stream: Vec<u8>,
    /// Keys, and structures on their own, for the component vectors.
    pub parts: Parts,
}

/// What an archive is made of.
#[derive(Clone)]
pub struct Parts {
    /// Of the data domain.
    pub data_keys: DomainKeys,
    /// Of the envelope's domain.
    pub envelope_keys: DomainKeys,
    /// The head page(s).
    pub head: Vec<u8>,
    /// Of the head.
    pub head_digest: [u8; 32],
    /// The data slot table.
    pub data_slots: Vec<u8>,
    /// The envelope slot table, or nothing.
    pub envelope_slots: Vec<u8>,
    /// The envelope body, or nothing.
    pub envelope: Vec<u8>,
    /// Each with its plaintext.
    pub blocks: Vec<(Vec<u8>, Vec<u8>)>,
    /// One for each stripe.
    pub check_pages: Vec<Vec<u8>>,
    /// The last one.
    pub tail_page: Vec<u8>,
}

/// The key file that opens the data of all vectors, unless they say otherwise.
pub fn key_file() -> [u8; 32] {
    *blake3::hash(b"bakpak vectors key file").as_bytes()
}

/// The key file that opens the envelope.
pub fn envelope_key_file() -> [u8; 32] {
    *blake3::hash(b"bakpak vectors envelope key file").as_bytes()
}

impl Builder {
    /// A whole archive of one small file in one block; `seed` makes it another one than the rest.
    pub fn new(seed: &str) -> Self {
        let mut builder = Self {
            seed: seed.into(),
            archive_id: [0; 16],
            cover: b"A test vector of the bakpak archive format.\n".to_vec(),
            block_size: BlockSize::FOUR_KIB,
            chunk_size: 65_536,
            slot_area: SECTOR_LEN,
            copy_reach: 0,
            extensions: Vec::new(),
            generation: 1,
            data_slots: Vec::new(),
            envelope_slots: Vec::new(),
            envelope: Vec::new(),
            items: vec![file(
                "attachments/note.txt",
                b"What is packed comes back.\n",
            )],
            stream_end: vec![0; 1024],
            steps: vec![
                Chunk::of([]),
                Step::Rows(usize::MAX),
                Step::Tree,
                Step::Checkpoint,
                Step::Final,
            ],
            cursor: None,
            tree_page_items: usize::MAX,
            tree_without_root: false,
            rows: |_| {},
            tree: |_| {},
            checkpoint: |_| {},
            last: |_| {},
            signatures: Vec::new(),
            edits: Vec::new(),
        };
        builder.archive_id = builder.random("archive id", 0);
        builder
    }

    /// Bytes that are drawn at random in a real archive: the same ones each time here.
    pub fn random<const N: usize>(&self, what: &str, index: u64) -> [u8; N] {
        let mut bytes = [0; N];
        blake3::Hasher::new()
            .update(format!("bakpak vectors {} {what} {index}", self.seed).as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    }

    /// Changes the bytes of a site in any way.
    pub fn edit(&mut self, site: Site, edit: impl Fn(&mut Vec<u8>) + 'static) {
        self.edits.push((site, Box::new(edit)));
    }

    /// Puts bytes over those of a site.
    pub fn put(&mut self, site: Site, offset: usize, bytes: impl AsRef<[u8]>) {
        let new = bytes.as_ref().to_vec();
        self.edit(site, move |bytes| {
            bytes[offset..offset + new.len()].copy_from_slice(&new);
        });
    }

    /// Changes one bit of a site.
    pub fn flip(&mut self, site: Site, offset: usize) {
        self.edit(site, move |bytes| bytes[offset] ^= 1);
    }

    /// Changes a byte of a site, counted from its end, by one bit.
    pub fn flip_back(&mut self, site: Site, from_end: usize) {
        self.edit(site, move |bytes| {
            let at = bytes.len() - from_end;
            bytes[at] ^= 1;
        });
    }

    pub(crate) fn apply(&self, site: Site, bytes: &mut Vec<u8>) {
        for (edited, edit) in &self.edits {
            if *edited == site {
                edit(bytes);
            }
        }
    }

    /// What a slot of this archive is made with; `index` tells one slot from the others.
    pub fn slot_parts(&self, domain: Domain, index: u64) -> SlotParts<'_> {
        let what = match domain {
            Domain::Data => "data slot",
            Domain::Envelope => "envelope slot",
        };
        SlotParts {
            domain: domain.tag(),
            archive_id: &self.archive_id,
            salt: self.random(&format!("{what} salt"), index),
            nonce: self.random(&format!("{what} nonce"), index),
            key: self.keys(domain).key,
        }
    }

    /// A slot for the key file that all vectors share.
    pub fn key_file_slot(&self, domain: Domain) -> Vec<u8> {
        let key_file = match domain {
            Domain::Data => key_file(),
            Domain::Envelope => envelope_key_file(),
        };
        keys::key_file_slot(&self.slot_parts(domain, 0), &key_file)
    }

    /// The key of a domain, with what its subkeys are derived with.
    pub fn keys(&self, domain: Domain) -> DomainKeys {
        let what = match domain {
            Domain::Data => "archive key",
            Domain::Envelope => "envelope key",
        };
        DomainKeys {
            key: self.random(what, 0),
            salt: self.random("header salt", 0),
            archive_id: self.archive_id,
        }
    }

    /// Makes the archive.
    pub fn build(&self) -> Built {
        let stream = Stream::new(self);
        let envelope = self.envelope_body();
        let head = self.head(&envelope);
        let mut parts = Parts {
            data_keys: self.keys(Domain::Data),
            envelope_keys: self.keys(Domain::Envelope),
            head_digest: self.head_digest(&head),
            head,
            data_slots: self.slot_table(Domain::Data),
            envelope_slots: Vec::new(),
            envelope,
            blocks: Vec::new(),
            check_pages: Vec::new(),
            tail_page: Vec::new(),
        };
        let mut archive = parts.head.clone();
        archive.extend([&parts.data_slots[..], &parts.data_slots].concat());
        if !self.envelope.is_empty() {
            parts.envelope_slots = self.slot_table(Domain::Envelope);
            archive.extend([&parts.envelope_slots[..], &parts.envelope_slots].concat());
            archive.extend_from_slice(&parts.envelope);
        }
        let geometry = Geometry::new(
            self.block_size,
            parts.head.len(),
            self.slot_area,
            parts.envelope.len(),
        );
        let blocks = Blocks::new(self, &stream).blocks;
        let block_count = blocks.len() as u64;
        for stripe in 0..geometry.stripe_count(block_count) {
            let layout = geometry.stripe(block_count, StripeIndex(stripe));
            self.stripe(&layout, &blocks, &mut parts, &mut archive);
        }
        self.tail(&geometry, block_count, &mut parts, &mut archive);
        self.apply(Site::File, &mut archive);
        Built {
            archive,
            stream: stream.bytes,
            parts,
        }
    }

    fn envelope_body(&self) -> Vec<u8> {
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

    fn head(&self, envelope: &[u8]) -> Vec<u8> {
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
        header.extend([1, 0, self.block_size.log2(), 0, 0]); // suite, B, parity
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

    /// The digest as it stands in the head, right or wrong.
    fn head_digest(&self, head: &[u8]) -> [u8; 32] {
        let extensions_len: usize = self.extensions.iter().map(|(_, v)| 4 + v.len()).sum();
        let end = HEADER + 304 + extensions_len;
        head[end - 32..end].try_into().expect("a slice of 32 bytes")
    }

    fn slot_table(&self, domain: Domain) -> Vec<u8> {
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

    fn stripe(
        &self,
        layout: &StripeLayout,
        blocks: &[(Vec<u8>, Option<u32>)],
        parts: &mut Parts,
        archive: &mut Vec<u8>,
    ) {
        let mut shards = Vec::new();
        for index in layout.blocks() {
            let (used, first_record) = &blocks[usize::try_from(index.0).expect("small")];
            let inner = InnerHeader {
                used_len: used.len(),
                first_record: *first_record,
            };
            let mut plain = [&inner.encode()[..], used].concat();
            plain.resize(self.block_size.bytes() - CLEAR_LEN - 16, 0);
            self.apply(Site::Plain(index.0), &mut plain);
            let sealed = self.sealed_block(layout.index, index, &plain, &parts.head_digest);
            shards.extend_from_slice(&sealed);
            parts.blocks.push((sealed, plain));
        }
        self.apply(Site::Blocks(layout.index.0), &mut shards);
        let page = self.check_page(layout, &shards, parts);
        archive.extend(shards);
        archive.extend_from_slice(&page);
        parts.check_pages.push(page);
    }

    fn sealed_block(
        &self,
        stripe: StripeIndex,
        index: BlockIndex,
        plain: &[u8],
        head_digest: &[u8; 32],
    ) -> Vec<u8> {
        let header = BlockHeader {
            block_index: index,
            archive_id_prefix: *self.archive_id.first_chunk().expect("16 bytes hold 8"),
            stripe_salt: self.random("stripe salt", stripe.0),
            nonce: self.random("block nonce", index.0),
        };
        let mut block = header.encode()[..CLEAR_LEN - 4].to_vec();
        self.apply(Site::Clear(index.0), &mut block);
        block.extend(crc32c(&block).to_le_bytes());
        let salt = block[24..40].try_into().expect("a slice of 16 bytes");
        let nonce = block[40..52].try_into().expect("a slice of 12 bytes");
        let key = self.keys(Domain::Data).stripe_key(stripe.0, salt);
        let aad = [&block[..], &self.archive_id, head_digest].concat();
        block.extend(keys::seal(&key, nonce, &aad, plain));
        self.apply(Site::Sealed(index.0), &mut block);
        block
    }

    fn check_page(&self, layout: &StripeLayout, shards: &[u8], parts: &Parts) -> Vec<u8> {
        let hashes: Vec<Digest> = shards
            .chunks(self.block_size.bytes())
            .map(Digest::of)
            .collect();
        let crcs: Vec<u32> = sector_crcs(shards).collect();
        let mut page = CheckPage::encode(&CheckPageParts {
            layout,
            archive_id: &ArchiveId(self.archive_id),
            head_digest: &Digest(parts.head_digest),
            shard_hashes: &hashes,
            sector_crcs: &crcs,
            head: &parts.head,
            envelope: &parts.envelope,
            data_slots: &parts.data_slots,
            envelope_slots: &parts.envelope_slots,
        });
        self.apply(Site::CheckPage(layout.index.0), &mut page);
        put_page_crcs(&mut page, layout.covered_len);
        self.apply(Site::CheckPageSums(layout.index.0), &mut page);
        page
    }

    fn tail(
        &self,
        geometry: &Geometry,
        block_count: u64,
        parts: &mut Parts,
        archive: &mut Vec<u8>,
    ) {
        let is_signed = self.extensions.iter().any(|(kind, _)| *kind == 1);
        let signatures_len: usize = self.signatures.iter().map(|s| 8 + s.body.len()).sum();
        let tail_page_len = page_len_for(signatures_len);
        let tail_offset = geometry.tail_offset(block_count);
        let stripe_count = geometry.stripe_count(block_count);
        let digests = (0..).zip(&parts.check_pages).map(|(index, page)| {
            let layout = geometry.stripe(block_count, StripeIndex(index));
            Digest::of(&page[..layout.covered_len])
        });
        let archive_id = ArchiveId(self.archive_id);
        let head_digest = Digest(parts.head_digest);
        let root = tail::root(
            &head_digest,
            &archive_id,
            block_count,
            stripe_count,
            digests,
        );
        let page = TailPage {
            tail_page_len,
            archive_id,
            block_count,
            stripe_count,
            archive_len: tail_offset.0 + geometry.tail_len(is_signed, tail_page_len),
            head_digest,
            root,
            tail_offset,
            signatures: self.signatures.clone(),
        };
        parts.tail_page = self.tail_page(&page);
        if is_signed {
            archive.extend_from_slice(&parts.tail_page);
        }
        let mut copies = [
            &parts.head[..],
            &parts.data_slots,
            &parts.envelope_slots,
            &parts.envelope,
        ]
        .concat();
        self.apply(Site::TailCopies, &mut copies);
        archive.extend(copies);
        archive.extend_from_slice(&parts.tail_page);
    }

    fn tail_page(&self, page: &TailPage) -> Vec<u8> {
        let mut bytes = page
            .encode()
            .expect("signatures of vectors fit a tail page");
        bytes.truncate(page.tail_page_len - LOCATOR_LEN);
        self.apply(Site::TailPage, &mut bytes);
        let root = bytes[80..112].try_into().expect("a slice of 32 bytes");
        let locator = Locator {
            tail_page_len: page.tail_page_len,
            archive_id: page.archive_id,
            tail_offset: page.tail_offset,
            block_count: page.block_count,
            root: Digest(root),
            page_digest: Digest::of(&bytes),
        };
        let mut locator = locator.encode()[..LOCATOR_LEN - 4].to_vec();
        self.apply(Site::Locator, &mut locator);
        locator.extend(crc32c(&locator).to_le_bytes());
        bytes.extend(locator);
        bytes
    }
}

/// Computes the CRCs of a check page's own sectors.
fn put_page_crcs(page: &mut [u8], covered_len: usize) {
    let list = CHECK_PAGE_HEADER_LEN..CHECK_PAGE_HEADER_LEN + covered_len / SECTOR_LEN * 4;
    page[list.clone()].fill(0);
    let crcs: Vec<u32> = sector_crcs(&page[..covered_len]).collect();
    for (entry, crc) in page[list].chunks_mut(4).zip(&crcs).skip(1) {
        entry.copy_from_slice(&crc.to_le_bytes());
    }
    // The first one comes last: its sector holds all others, and itself as zero.
    let crc = crc32c(&page[..SECTOR_LEN]);
    page[CHECK_PAGE_HEADER_LEN..][..4].copy_from_slice(&crc.to_le_bytes());
}

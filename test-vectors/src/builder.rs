//! Makes archives byte by byte, so that exactly one thing in them can be wrong.
//!
//! A program changes fields, steps, or the bytes of one [`Site`]; whatever depends on those bytes
//! is computed after the change. So an archive has the one fault that was put in, and none besides.

mod opening;
mod stripes;
mod tail;

use crate::assembly::Blocks;
use crate::keys::{self, DomainKeys, SlotParts};
use crate::records::{Chunk, Step};
use crate::stream::{Item, Row, Stream, file};
use bakpak_format::catalogue::{PageItem, StripeItem};
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::envelope::EnvelopeItem;
use bakpak_format::geometry::{BlockSize, Geometry, ParityGeometry, StripeIndex};
use bakpak_format::record::{Checkpoint, Cursor, FactsPlace, Final};
use bakpak_format::slots::Domain;
use bakpak_format::tail::Signature;

/// Where the header begins in the head page.
pub const HEADER: usize = 2048;

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
    /// The parity blocks of a stripe, before their hashes are taken.
    Parity(u64),
    /// The second check page of a stripe, before its CRCs are computed.
    SecondPage(u64),
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
    /// How much parity.
    pub parity: ParityGeometry,
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
            parity: ParityGeometry::NONE,
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
        let geometry = Geometry {
            block_size: self.block_size,
            parity: self.parity,
            head_len: parts.head.len(),
            slot_area: self.slot_area,
            envelope_len: parts.envelope.len(),
        };
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
}
